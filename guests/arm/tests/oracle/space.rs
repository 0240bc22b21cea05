//! All of the encoding spaces: random words, whether they are rows or not. Whether a word is
//! undefined must be as the reference says, but for what is listed; and no word may end the
//! interpreter or the translator.

use crate::generate::{Case, is_memory, state};
use crate::unpredictable::{self, Does};
use crate::{Arm, insn};
use anyarch_arm::decode::{self, Insn, Set, pc};
use anyarch_oracle::batch::Batch;
use anyarch_oracle::ours::{self, players};
use anyarch_oracle::state::{MID, Rng};
use anyarch_oracle::{Guest, Reference};
use std::collections::BTreeMap;

/// Encodings that the reference has and we do not: the pattern of the A32 word, whose fields are
/// those of T32 too, and why.
const LISTED: &[(&str, &str)] = &[
    ("xxxx 11xx xxxx xxxx xxxx 0001 xxxx xxxx", FPA),
    ("xxxx 11xx xxxx xxxx xxxx 0010 xxxx xxxx", FPA),
    ("xxxx 1101 xx0x xxxx xxxx 1001 xxxx xxxx", HALF),
    ("xxxx 1110 xxxx xxxx xxxx 1001 xxxx xxxx", HALF),
    ("1111 1110 1x11 0000 xxxx 1010 x1x0 xxxx", HALF),
    ("1111 0011 1x11 x1xx xxxx 0xxx xxx0 xxxx", HALF),
    ("1111 001x 0xx1 xxxx xxxx 11xx xxxx xxxx", HALF),
    ("1111 001x 1x01 xxxx xxxx 0x01 x1x0 xxxx", HALF),
    ("1111 001x 1x01 xxxx xxxx 1001 x1x0 xxxx", HALF),
    ("1111 001x 1x11 xxxx xxxx 110x 0xx1 xxxx", HALF),
    ("1111 0011 0xxx xxxx xxxx 1011 xxx1 xxxx", "VQRDMLAH: FEAT_RDM"),
    ("1111 0011 0xxx xxxx xxxx 1100 xxx1 xxxx", "VQRDMLSH: FEAT_RDM"),
    ("1111 001x 1xxx xxxx xxxx 111x x1x0 xxxx", "VQRDMLAH and VQRDMLSH by an element: FEAT_RDM"),
    ("xxxx 1110 1x11 1001 xxxx 1011 11x0 xxxx", "VJCVT: FEAT_JSCVT"),
    (
        "xxxx 1100 0101 xxxx xxxx 1110 xxxx xxxx",
        "MRRC of DBGDRAR and DBGDSAR, which Linux does not let programs read",
    ),
    ("1111 110x xxxx xxxx xxxx 1000 xxxx xxxx", "VCMLA, VCADD, VFMAL, VFMSL: FEAT_FCMA, FEAT_FHM"),
    ("1111 1110 xxxx xxxx xxxx 1000 xxxx xxxx", "the same by an element"),
    ("1111 1100 xxx0 xxxx xxx0 1100 x1xx xxx0", "VMMLA, VSMMLA, VUMMLA: FEAT_AA32BF16, FEAT_AA32I8MM"),
    ("1111 1100 xxx0 xxxx xxxx 1101 xxxx xxxx", DOT),
    ("1111 1110 xxx0 xxxx xxxx 1101 xxxx xxxx", DOT),
];

/// Whether a word has the zeroes and ones of a pattern.
fn matches(pattern: &str, word: u32) -> bool {
    let bits = pattern.bytes().filter(|b| *b != b' ');
    bits.zip((0..32).rev()).all(|(b, n)| b == b'x' || (b == b'1') == (word >> n & 1 != 0))
}

const FPA: &str = "coprocessors 1 and 2: the FPA, whose kernel emulation QEMU has; arm64's compat has none";
const HALF: &str = "half-precision arithmetic: FEAT_FP16";
const DOT: &str = "dot products: FEAT_DotProd, FEAT_AA32I8MM, FEAT_AA32BF16";

/// Random words in each space.
const CASES: usize = 40_000;

/// A random word (as in memory) that leads nowhere far and asks the kernel for nothing.
fn draw(r: &mut Rng, place: u64) -> Option<(u32, Insn)> {
    let thumb = place & pc::T != 0;
    let mut w = r.next() as u32;
    if r.one_in(3) {
        w &= r.next() as u32;
    }
    if thumb {
        w = match r.below(4) {
            0 => w & 0xffff,
            _ => w | 0xe800,
        };
    } else {
        let cond = r.pick(&[14, 14, 14, 15, 15, 0]);
        w = w & 0x0fff_ffff | cond << 28;
        if r.one_in(16) {
            // What is listed must be met.
            let pattern = r.pick(LISTED).0;
            for (n, bit) in pattern.bytes().filter(|b| *b != b' ').enumerate() {
                let at = 31 - n;
                match bit {
                    b'0' => w &= !(1 << at),
                    b'1' => w |= 1 << at,
                    _ => {}
                }
            }
        }
    }
    let i = insn(place, w);
    let calls = match i.set() {
        Set::Cond => i.word >> 24 & 15 == 15 || i.word >> 25 & 7 == 5,
        Set::Uncond => i.word >> 25 & 7 == 5,
        Set::T16 => i.word >> 8 == 0xdf || i.word >> 12 == 13 || i.word >> 11 == 0b11100,
        Set::T32 => {
            i.word & 0xf800_9000 == 0xf000_9000
                || i.word & 0xf800_d000 == 0xf000_8000 && i.bits(23, 3) != 7
                || i.word & 0xf800_d000 == 0xf000_c000
        }
    };
    // The reference makes loops of write-backs to the program counter.
    let round = is_memory(i) && i.bits(16, 4) == 15 && i.set() != Set::T16;
    let refused = |row| unpredictable::excluded(i, row).is_some();
    let skipped = calls || round && decode::decode(i).row().is_some_and(refused);
    (!skipped).then_some((w, i))
}

fn cases(r: &mut Rng, thumb: bool, batch: &mut Batch<Arm>) {
    while let Some(pc) = batch.place(false) {
        let place = pc | thumb as u64;
        let Some((w, i)) = draw(r, place) else { continue };
        let mut s = state(r, place);
        // Every register is a good address, and a place without code.
        for x in &mut s.r.r {
            *x = MID as u32 + 128;
        }
        s.r.fpscr = 0;
        s.r.cpsr = 0x4000_0000;
        if !is_memory(i) {
            let to = crate::generate::leads(&s, i).filter(|to| *to != i.next());
            if to.is_some_and(|to| (pc as u32..pc as u32 + i.len as u32).contains(&pc::address(to))) {
                continue;
            }
        }
        batch.push(Case { row: "space", words: vec![w], state: s }, false);
    }
}

/// See the file's text.
pub(crate) fn agrees_with_the_reference() -> Result<(), String> {
    let count = std::env::var("ARM_SPACE").ok().and_then(|n| n.parse().ok()).unwrap_or(CASES);
    let seed = std::env::var("ARM_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let reference = <Arm as Guest>::references().into_iter().next().ok_or("no reference")?;
    let (mut bad, mut seen) = (BTreeMap::<String, (usize, u32, u32, u32)>::new(), vec![0; LISTED.len()]);
    let mut compared = 0;
    for thumb in [false, true] {
        let mut r = Rng::new(seed + thumb as u64);
        let mut done = 0;
        while done < count {
            let mut batch = Batch::<Arm>::of(Vec::new());
            cases(&mut r, thumb, &mut batch);
            done += batch.cases.len();
            compared += sweep(&batch, &reference, &mut bad, &mut seen).map_err(|e| e.to_string())?;
        }
    }
    for (what, (n, and, or, first)) in &bad {
        println!("{what}: {n}, all with {and:08x} in {:08x}, as {first:08x}", !(and ^ or));
    }
    println!("{compared} words compared, {} kinds of them differ", bad.len());
    let mut unseen = Vec::new();
    for ((pattern, why), n) in LISTED.iter().zip(&seen) {
        println!("{n}: {pattern}: {why}");
        if *n == 0 {
            unseen.push(*pattern);
        }
    }
    if !bad.is_empty() || !unseen.is_empty() {
        let kinds: Vec<&String> = bad.keys().collect();
        return Err(format!("words differ: {kinds:#?}, listed without need: {unseen:?}"));
    }
    Ok(())
}

fn sweep(
    batch: &Batch<Arm>,
    reference: &Reference,
    bad: &mut BTreeMap<String, (usize, u32, u32, u32)>,
    seen: &mut [usize],
) -> std::io::Result<usize> {
    let image = batch.image()?;
    let theirs = batch.run(&image, reference)?;
    let mut compared = 0;
    for player in players::<Arm>().iter().filter(|p| p.name != "again") {
        let ours = ours::run(batch, &image, player)?;
        for ((case, ours), theirs) in batch.cases.iter().zip(&ours).zip(&theirs) {
            let Some(theirs) = theirs else { continue };
            compared += 1;
            let i = insn(case.state.pc, case.words[0]);
            let id = decode::decode(i);
            let here = |s: &crate::generate::State| s.signo == 4 && case.contains(s.pc);
            let (a, b) = (!here(ours), !here(theirs));
            let choice = id.row().and_then(|row| unpredictable::excluded(i, row));
            let wrong = |c: &&unpredictable::Choice| match c.does {
                Does::Undefined => a,
                // It may be undefined for another reason.
                Does::Something => !a && b,
            };
            if let Some(c) = choice.filter(wrong) {
                let key =
                    format!("wrong choice ({}) {}: {}", player.name, id.row().map_or("", |r| r.name), c.what);
                note(bad, key, i.word);
                continue;
            }
            if a == b || choice.is_some() {
                continue;
            }
            let known =
                LISTED.iter().position(|(pattern, _)| !a && i.set() != Set::T32 && matches(pattern, i.word));
            if let Some(n) = known {
                seen[n] += 1;
                continue;
            }
            let row = id.row().map_or("no row", |row| row.name);
            let key = match row {
                "no row" if i.set() != Set::T32 && i.word >> 26 & 3 == 3 => {
                    format!("no row, coprocessor {}, {:x}", i.bits(8, 4), i.bits(24, 2))
                }
                "no row" => format!("no row {:03x}", i.word >> 20),
                row => row.into(),
            };
            note(bad, format!("({}) {:?} {key}: ours {a}", player.name, i.set()), i.word);
        }
    }
    Ok(compared)
}

fn note(bad: &mut BTreeMap<String, (usize, u32, u32, u32)>, key: String, word: u32) {
    let entry = bad.entry(key).or_insert((0, !0, 0, word));
    *entry = (entry.0 + 1, entry.1 & word, entry.2 | word, entry.3);
}

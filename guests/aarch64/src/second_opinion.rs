//! Which encodings exist, compared with an independent decoder (the disassembler of binutils) on
//! random words.

use crate::decode;
use anyarch_engine::interp::{Interp, Outcome};
use anyarch_engine::run::{Thread, ThreadBox};
use std::collections::BTreeMap;
use std::process::Command;

const SIGILL: i32 = 4;

/// Whether the word is an instruction here. Plays it in a state in which no access can reach
/// memory.
fn defined(thread: &mut Thread, word: u32) -> bool {
    // The top byte may be a tag; what is below it makes every sum of two such registers no address.
    const NOWHERE: u64 = 0x00f0_0000_0000_0000;
    thread.cpu.gpr = [NOWHERE; 64];
    thread.cpu.pc = NOWHERE;
    let mut i = Interp::new(&mut thread.cpu);
    decode::lift(&mut i, word, NOWHERE);
    !(i.outcome == Outcome::Fault && i.cpu.fault.signo == SIGILL)
}

/// Which of the words the disassembler of Debian's binutils-aarch64-linux-gnu knows.
fn theirs(words: &[u32]) -> Vec<bool> {
    let file = std::env::temp_dir().join(format!("anyarch-words-{}", std::process::id()));
    std::fs::write(&file, words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
    let output = Command::new("aarch64-linux-gnu-objdump")
        .args(["-D", "-z", "-b", "binary", "-m", "aarch64"])
        .arg(&file)
        .output()
        .expect("needs binutils-aarch64-linux-gnu");
    std::fs::remove_file(&file).unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    // `   0:\t12345678 \tinsn operands`
    let known: Vec<bool> = text
        .lines()
        .filter_map(|l| l.split('\t').nth(2))
        .map(|insn| !(insn.starts_with(".inst") || insn.starts_with("udf")))
        .collect();
    assert_eq!(known.len(), words.len());
    known
}

/// Not SVE and SME, whose space is not allocated here.
fn covered(word: u32) -> bool {
    // DC ZVA and DC CVAP with XZR would really access memory.
    let at_zero = word & 0xffff_ff1f == 0xd50b_741f || word & 0xffff_fe1f == 0xd50b_7c1f;
    !at_zero && word >> 25 & 15 >= 4
}

/// Where the two may differ: mask, value, why.
const EXPECTED: &[(u32, u32, &str)] = &[
    (0x1f80_0000, 0x1180_0000, "ADDG, SUBG (MTE); SMAX and its kin with an immediate (CSSC)"),
    (0x5fe0_fc00, 0x1ac0_0000, "SUBP, SUBPS (MTE)"),
    (0x5fe0_f800, 0x1ac0_1000, "IRG, GMI (MTE)"),
    (0x5fe0_fc00, 0x1ac0_3000, "PACGA (PAuth)"),
    (0x5fe0_e000, 0x1ac0_6000, "SMAX and its kin (CSSC)"),
    (0xffff_0000, 0xdac1_0000, "PACIA and its kin (PAuth)"),
    (0xfc40_0000, 0x6800_0000, "STGP (MTE)"),
    (0xfc40_0000, 0x6840_0000, "LDPSW of the same register twice is unpredictable: allowed here"),
    (0xff20_0000, 0xd920_0000, "LDG, STG and their kin (MTE)"),
    (0xff20_0400, 0xf820_0400, "LDRAA, LDRAB (PAuth)"),
    (0xffe0_fc00, 0xf820_9000, "ST64B (LS64)"),
    (0xffe0_fc00, 0xf820_a000, "ST64BV0 (LS64)"),
    (0xffe0_fc00, 0xf820_b000, "ST64BV (LS64)"),
    (0xffe0_fc00, 0xf820_d000, "LD64B (LS64)"),
    (0x3b20_0c00, 0x1900_0400, "CPY and SET (MOPS)"),
    (0x3fe0_8000, 0x08c0_8000, "LDAR: fields that should be ones are not looked at here"),
    (0xff00_0010, 0x5400_0010, "BC.cond (HBC)"),
    (0xffe0_001f, 0xd400_0002, "HVC is undefined at user level"),
    (0xffe0_001f, 0xd400_0003, "SMC is undefined at user level"),
    (0xffe0_001f, 0xd440_0000, "HLT without a debugger is undefined"),
    (0xffe0_001f, 0xd460_0000, "TCANCEL (TME)"),
    (0xffe0_001c, 0xd4a0_0000, "DCPS is undefined at user level"),
    (0xffc0_0000, 0xd500_0000, "system instructions: the disassembler takes any register and operation"),
    (0xffe0_8000, 0xce40_0000, "SM3SS1"),
    (0xffe0_c000, 0xce40_8000, "SM3TT"),
    (0xffe0_f000, 0xce60_c000, "SM3PARTW, SM4EKEY"),
    (0xffff_fc00, 0xcec0_8400, "SM4E"),
    (0xbf60_fc00, 0x0e60_ec00, "FMLAL, FMLSL with the reserved size"),
    (0xbf60_fc00, 0x2e60_cc00, "FMLAL2, FMLSL2 with the reserved size"),
];

#[test]
fn encodings() {
    let mut x = 7u64;
    let mut random = || {
        x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (x >> 32) as u32
    };
    let mut words: Vec<u32> = (0..600_000).map(|_| random()).collect();
    for row in &decode::ROWS {
        words.extend((0..200).map(|_| random() & !row.mask | row.value));
    }
    words.retain(|&w| covered(w) && !EXPECTED.iter().any(|(mask, value, _)| w & mask == *value));
    let mut thread = ThreadBox::new(&crate::GUEST);
    let mut bad: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for (word, theirs) in words.iter().zip(theirs(&words)) {
        let ours = defined(&mut thread, *word);
        if ours != theirs {
            let row = decode::decode(*word).row().map_or("no row", |r| r.name);
            bad.entry(format!("{row}: ours {ours}")).or_default().push(*word);
        }
    }
    for (what, words) in &bad {
        let (and, or) = words.iter().fold((!0, 0), |(a, o), w| (a & w, o | w));
        println!("{what}: {} words, all with {and:08x} in {:08x}:", words.len(), !(and ^ or));
        words.iter().take(12).for_each(|w| println!("  .inst 0x{w:08x}"));
    }
    assert!(bad.is_empty());
}

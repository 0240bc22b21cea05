//! Which encodings exist and what they are called, compared with an independent decoder (the
//! disassembler of binutils) on random words.

use anyarch_arm::decode::{self, Insn, Set, pc};
use anyarch_engine::interp::{Interp, Outcome};
use anyarch_engine::state::Cpu;
use std::collections::BTreeMap;
use std::process::Command;

const SIGILL: i32 = 4;

/// Whether an instruction is defined here. Plays it in a state in which no access can reach memory.
fn defined(cpu: &mut Cpu, mut i: Insn) -> bool {
    i.cond = anyarch_engine::ops::Cond::Al;
    cpu.gpr = [0x8000_0000; 64];
    cpu.narrow = true;
    cpu.mode = 0;
    cpu.pc = i.pc;
    let mut interp = Interp::new(cpu);
    interp.next_pc = i.next();
    decode::lift(&mut interp, i);
    !(interp.outcome == Outcome::Fault && interp.cpu.fault.signo == SIGILL)
}

/// The disassembler's text of each of the instructions; `thumb` ones have two or four bytes.
fn theirs(thumb: bool, code: &[u8]) -> Vec<String> {
    let file = std::env::temp_dir().join(format!("anyarch-arm-{thumb}-{}", std::process::id()));
    std::fs::write(&file, code).unwrap();
    let mut command = Command::new("arm-linux-gnueabihf-objdump");
    command.args(["-D", "-z", "-b", "binary", "-m", "arm"]);
    if thumb {
        command.arg("-Mforce-thumb");
    }
    let output = command.arg(&file).output().expect("needs binutils-arm-linux-gnueabihf");
    std::fs::remove_file(&file).unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    // `   0:\te1a00000 \tmov r0, r0`
    text.lines()
        .filter_map(|l| l.split_once(":\t")?.1.split_once('\t'))
        .map(|(_, text)| text.to_string())
        .collect()
}

fn is_defined(text: &str) -> bool {
    let first = text.split_whitespace().next().unwrap_or("");
    // What it cannot name is nothing either.
    let nameless = ["illegal", "(invalid", "overflow reg", "{}", "??", "UNDEF:"];
    if nameless.iter().any(|n| text.contains(n)) || text.contains("#42949672") {
        return false;
    }
    !text.contains("UNDEFINED")
        && !text.contains("undefined")
        && !first.starts_with('.')
        && !first.starts_with("udf")
}

/// The mnemonic in a row's name: its first word.
fn mnemonic(row: &str) -> String {
    let end = row.char_indices().skip(1).find(|(_, c)| c.is_ascii_uppercase()).map_or(row.len(), |(n, _)| n);
    let word = row[..end].to_lowercase();
    match word.split_once('x') {
        // Element loads name the number of registers.
        Some((name, _)) if word.starts_with("vld") || word.starts_with("vst") => name.into(),
        _ => word,
    }
}

/// Other names that the disassembler has for some instructions.
const ALIASES: &[(&str, &[&str])] = &[
    ("mov", &["lsl", "lsr", "asr", "ror", "rrx", "nop", "cpy"]),
    ("lsl", &["mov"]),
    ("rsb", &["neg"]),
    ("str", &["push"]),
    ("ldr", &["pop"]),
    ("stm", &["push"]),
    ("stmdb", &["push", "stmfd"]),
    ("ldm", &["pop"]),
    ("ldmdb", &["ldmea"]),
    ("adr", &["add", "sub"]),
    (
        "nop",
        &[
            "yield", "wf", "sev", "dbg", "csdb", "hint", "esb", "psb", "tsb", "pac", "bti", "aut", "clrbhb",
            "bx", "msr",
        ],
    ),
    ("pld", &["pli", "pldw", "ldrsh"]),
    ("hint", &["pli", "pld"]),
    ("cps", &["nop"]),
    ("dsb", &["ssbb", "pssbb", "dfb"]),
    ("vstmia", &["vpush", "fstm"]),
    ("vstmdb", &["vpush", "fstm"]),
    ("vldmia", &["vpop", "fldm"]),
    ("vldmdb", &["fldm"]),
    ("vorr", &["vmov"]),
    ("vshll", &["vmovl"]),
    ("vmov", &["vmvn", "vorr", "vbic", "fconst", "fmdrr", "fmrrd"]),
    ("vqshl", &["vqrshl"]),
    ("bl", &["blx"]),
    ("crc32", &["cm", "t"]),
    ("crc32c", &["cm", "t"]),
    ("ldrh", &["teq", "lsl", "lsr", "cm", "t"]),
    ("ldrsb", &["teq", "cm", "t"]),
    ("ldrsh", &["teq", "cm", "t"]),
    ("strh", &["ls", "as", "ror"]),
    ("bkpt", &["msr"]),
    ("vmsr", &["fmxr"]),
];

fn named(row: &str, text: &str) -> bool {
    let ours = mnemonic(row);
    let name = text.split_whitespace().next().unwrap_or("");
    name.starts_with(&ours)
        || ALIASES
            .iter()
            .filter(|(of, _)| *of == ours)
            .any(|(_, names)| names.iter().any(|n| name.starts_with(n)))
}

/// Rows that the disassembler knows in more or fewer encodings than we: whose, and why.
const EXPECTED: &[(&str, bool, &str)] = &[
    ("Bkpt", true, "UNPREDICTABLE with a condition: a breakpoint here"),
    (
        "Crc32",
        true,
        "UNPREDICTABLE with a condition: it has one here; the disassembler takes it for a comparison",
    ),
    ("Crc32", false, "of 64 bits is reserved; the disassembler takes it for a comparison"),
    ("CmpHigh", false, "UNPREDICTABLE with the program counter"),
    ("Udf", true, "Linux takes one of them for a breakpoint"),
    ("Stlexd", false, "UNPREDICTABLE: an odd register"),
    ("Strexd", false, "UNPREDICTABLE: an odd register"),
    ("Cps", true, "the disassembler knows some of them only"),
    ("Cps", false, "UNPREDICTABLE: a mode, but no change of it"),
    ("Hint", true, "Unallocated memory hints, which do nothing"),
    ("Ldrh", true, "UNPREDICTABLE high bits with a register: ignored here"),
    ("Ldrs", true, "UNPREDICTABLE high bits with a register: ignored here"),
    ("Strh", true, "UNPREDICTABLE high bits with a register: ignored here"),
    ("Ldrd", false, "UNPREDICTABLE: an odd register, one register twice, or an unprivileged form"),
    ("Strd", false, "UNPREDICTABLE: an odd register or an unprivileged form"),
    ("Ldm", false, "UNPREDICTABLE: less than two registers, or write-back to a loaded base"),
    (
        "Stm",
        false,
        "UNPREDICTABLE: less than two registers, write-back to a stored base, the program counter",
    ),
    ("Sbfx", false, "UNPREDICTABLE: beyond bit 31"),
    ("Ubfx", false, "UNPREDICTABLE: beyond bit 31"),
    ("Bfi", false, "UNPREDICTABLE: the most significant bit below the least"),
    ("Msr", false, "SPSR is undefined at user level"),
    ("Vcvt", false, "UNPREDICTABLE: more bits in the fraction than in the number"),
    ("Vldm", false, "UNPREDICTABLE: beyond the last register"),
    ("Vstm", false, "UNPREDICTABLE: beyond the last register"),
    ("VmovFromLane", false, "U is undefined for words"),
    ("Vld", false, "an alignment that is none, or registers beyond D31"),
    ("Vst", false, "an alignment that is none, or registers beyond D31"),
    ("VmulP", false, "polynomials of bytes only"),
    ("Vrev", false, "lanes not smaller than what is reversed"),
    ("Vuzp", false, "words of D registers"),
    ("Vzip", false, "words of D registers"),
];

/// Instructions that it knows and we do not: the beginnings of their names, and why.
const ABSENT: &[(&[&str], &str)] = &[
    (&["cmn", "cmp", "teq", "tst"], "without the S bit are other instructions, or none"),
    (
        &["hvc", "smc", "eret", "hlt", "srs", "rfe", "dcps", "mrs", "msr", "subs\tpc"],
        "undefined at user level",
    ),
    (&["ldm", "stm"], "of another mode's registers"),
    (&["setpan"], "FEAT_PAN"),
    (&["bf", "wls", "dls", "le", "lctp", "csel", "csinc", "csinv", "csneg", "loop"], "ARMv8.1-M"),
    (&["ldr", "str"], "UNPREDICTABLE: no index at all"),
    (
        &[
            "ldc", "stc", "cdp", "mcr", "mrc", "mcrr", "mrrc", "vlldm", "vlstm", "vmsr", "vmrs", "fldm",
            "fstm",
        ],
        "coprocessors and their registers",
    ),
    (
        &["vpadd", "vpmax", "vpmin", "vmull"],
        "of Q registers, or unsigned polynomials of 64 bits: undefined, which the disassembler does not see",
    ),
    (&["vrint?", "vrecpe.u16", "vrsqrte.u16"], "of no such size"),
    (&["vcmla", "vcadd"], "FEAT_FCMA"),
    (
        &[
            "vdot", "vsdot", "vudot", "vusdot", "vsudot", "vsmmla", "vummla", "vusmmla", "vmmla", "vfmab",
            "vfmat",
        ],
        "FEAT_DotProd, FEAT_AA32I8MM, FEAT_AA32BF16",
    ),
    (&["vfmal", "vfmsl"], "FEAT_FHM"),
    (&["vqrdmlah", "vqrdmlsh"], "FEAT_RDM"),
    (&["vjcvt", "vins", "vmovx"], "FEAT_JSCVT, FEAT_FP16"),
];

fn expected(i: Insn, row: &str, ours: bool, text: &str) -> bool {
    let fields = [0, 8, 12, 16].map(|lsb| i.bits(lsb, 4));
    if row == "no row" || row.ends_with("Reserved") {
        // Coprocessors other than those of floating point, for which it knows many old
        // instructions.
        let coprocessor = i.set() != Set::T32 && i.word >> 26 & 3 == 3 && !matches!(fields[1], 10 | 11);
        let half =
            text.contains(".f16") || text.contains(".f8") || text.contains("p64") && i.bits(20, 2) != 2;
        return coprocessor
            || half
            || ABSENT.iter().any(|(names, _)| names.iter().any(|n| text.starts_with(n)));
    }
    // UNPREDICTABLE: two results in one register, or a status in an operand.
    let twice = !ours && (0..4).any(|a| (0..a).any(|b| fields[a] == fields[b]));
    let may = ["Smlal", "Smlsl", "Smull", "Umull", "Umlal", "Umaal", "Strex", "Stlex", "VmovSs"];
    twice && may.iter().any(|name| row.starts_with(name))
        || EXPECTED.iter().any(|(name, of, _)| row.starts_with(name) && *of == ours)
}

#[test]
fn encodings() {
    anyarch_oracle::faults::catch();
    // SAFETY: all-zero bytes are a valid Cpu.
    let mut cpu: Box<Cpu> =
        unsafe { Box::from_raw(std::alloc::alloc_zeroed(std::alloc::Layout::new::<Cpu>()).cast()) };
    let mut x = 7u64;
    let mut random = || {
        x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (x >> 32) as u32
    };
    const PLACE: u64 = 0x9000_0000;
    let should_be = |word: &mut u32, thumb: bool| {
        let i = if thumb { Insn::t32(*word, PLACE | pc::T) } else { Insn::a32(*word, PLACE) };
        // (The converted spaces have no such bits above bit 24.)
        let new = decode::decode(i).row().map_or(i.word, |row| row.should_be(i.word));
        *word ^= new ^ i.word;
    };
    // A32.
    let mut words: Vec<u32> =
        (0..150_000).map(|_| random() | if random() & 3 == 0 { 0xf000_0000 } else { 0 }).collect();
    for set in [Set::Cond, Set::Uncond] {
        for row in decode::rows(set) {
            words.extend(
                (0..60)
                    .map(|_| random() & !row.mask | row.value)
                    .filter(|w| (w >> 28 == 15) == (set == Set::Uncond)),
            );
        }
    }
    words.iter_mut().for_each(|w| should_be(w, false));
    let code: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    let mut all: Vec<(Insn, String)> =
        words.iter().map(|w| Insn::a32(*w, PLACE)).zip(theirs(false, &code)).collect();
    assert_eq!(all.len(), words.len());
    // T32 of 16 bits: all but IT, which would change what comes after it.
    let mut halves: Vec<u32> = (0..0xe800).filter(|h| h >> 8 != 0xbf || h & 15 == 0).collect();
    halves.iter_mut().for_each(|h| should_be(h, true));
    let code: Vec<u8> = halves.iter().flat_map(|h| (*h as u16).to_le_bytes()).collect();
    let texts = theirs(true, &code);
    assert_eq!(texts.len(), halves.len());
    all.extend(halves.iter().map(|h| Insn::t32(*h, PLACE | pc::T)).zip(texts));
    // T32 of 32 bits.
    let mut words: Vec<u32> = (0..150_000).map(|_| random() | 0xe000_0000).collect();
    for row in decode::rows(Set::T32) {
        words.extend((0..60).map(|_| random() & !row.mask | row.value));
    }
    words.retain(|w| w >> 16 >= 0xe800);
    words.iter_mut().for_each(|w| should_be(w, true));
    let code: Vec<u8> =
        words.iter().flat_map(|w| [(w >> 16) as u16, *w as u16].map(u16::to_le_bytes)).flatten().collect();
    let texts = theirs(true, &code);
    assert_eq!(texts.len(), words.len());
    all.extend(words.iter().map(|w| Insn::t32(*w, PLACE | pc::T)).zip(texts));

    let mut bad: BTreeMap<String, Vec<(u32, &str)>> = BTreeMap::new();
    let mut compared = 0;
    for (i, text) in &all {
        if text.contains("UNPREDICTABLE") || text.contains("unpredictable") {
            continue;
        }
        compared += 1;
        let row = decode::decode(*i).row().map_or("no row", |r| r.name);
        let ours = defined(&mut cpu, *i);
        if ours != is_defined(text) && expected(*i, row, ours, text) {
            continue;
        }
        // The program counter as an operand is unpredictable in most places, and undefined here.
        if !ours && is_defined(text) && [0, 3, 8, 12, 16].iter().any(|&lsb| i.bits(lsb, 4) == 15) {
            continue;
        }
        if ours != is_defined(text) {
            bad.entry(format!("{:?} {row}: ours {ours}", i.set())).or_default().push((i.word, text));
        } else if ours && !named(row, text) {
            bad.entry(format!("{:?} {row}: name", i.set())).or_default().push((i.word, text));
        }
    }
    for (what, words) in &bad {
        let (and, or) = words.iter().fold((!0, 0), |(a, o), (w, _)| (a & w, o | w));
        println!("{what}: {} words, all with {and:08x} in {:08x}:", words.len(), !(and ^ or));
        if what.contains("no row") {
            let mut names = BTreeMap::<&str, usize>::new();
            words.iter().for_each(|(_, t)| {
                *names.entry(t.split([' ', '\t', '.']).next().unwrap_or("")).or_default() += 1
            });
            println!("  {names:?}");
        }
        words.iter().take(3).for_each(|(w, text)| println!("  {w:08x} {text}"));
    }
    println!("{compared} words compared");
    assert!(bad.is_empty());
}

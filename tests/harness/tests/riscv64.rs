//! riscv64 against QEMU: every row of the decode table with random fields and operands (`tests/riscv64/differential.c`), by the translator and by the
//! reference interpreter.

use anyarch_engine::pattern::Row;
use anyarch_harness::{TempDir, emulator, tests_dir};
use anyarch_riscv64::decode;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Rows that leave the instruction's place, end the process, or are not the same under QEMU; and where they are tested instead: a file in `tests` and words of it.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    ("Beq", "programs/transfers_riscv64.c", "BRANCH(beq)"),
    ("Bne", "programs/transfers_riscv64.c", "BRANCH(bne)"),
    ("Blt", "programs/transfers_riscv64.c", "BRANCH(blt)"),
    ("Bge", "programs/transfers_riscv64.c", "BRANCH(bge)"),
    ("Bltu", "programs/transfers_riscv64.c", "BRANCH(bltu)"),
    ("Bgeu", "programs/transfers_riscv64.c", "BRANCH(bgeu)"),
    ("Jal", "programs/transfers_riscv64.c", "jal "),
    ("Jalr", "programs/transfers_riscv64.c", "jalr "),
    ("Auipc", "programs/transfers_riscv64.c", "auipc "),
    ("Ecall", "programs/transfers_riscv64.c", "ecall"),
    ("Ebreak", "programs/hints_riscv64.c", "EBREAK"),
    ("FenceI", "programs/hints_riscv64.c", "fence.i"),
    ("CboClean", "programs/hints_riscv64.c", "CBO_CLEAN"),
    ("CboFlush", "programs/hints_riscv64.c", "CBO_FLUSH"),
];

/// Rows that QEMU 7.2 does not know (Zicond, Zimop, Zfa, Zawrs, Zacas, Zicbo*), and one that it has wrong where the low word is zero (Ctzw).
const TOO_NEW: &[&str] = &[
    "CzeroEqz",
    "CzeroNez",
    "MopR",
    "MopRr",
    "Fround",
    "Froundnx",
    "Fleq",
    "Fltq",
    "FcvtmodWD",
    "Fli",
    "WrsNto",
    "WrsSto",
    "Amocas",
    "AmocasQ",
    "CboZero",
    "Ctzw",
];
/// Rows of which QEMU 7.2 does not know some: FMINM and FMAXM, and the byte and half-word operations of Zabha.
const PARTLY_NEW: &[&str] =
    &["FminFmax", "Amoswap", "Amoadd", "Amoxor", "Amoand", "Amoor", "Amomin", "Amomax", "Amominu", "Amomaxu"];
/// What QEMU 11 printed for words of those rows, and for Zcb and Zcmop: on each line a row, a word, and hashes of the word's lines of output, of all and of every [`STEP`]th case.
/// `ANYARCH_NEW_QEMU=PATH` writes the file anew with such a QEMU.
const RECORDED: &str = "../riscv64/recorded";
const SEED: u64 = 5;

fn is_vector(row: &Row) -> bool {
    row.name.starts_with('V')
}

/// Rows whose destination, or first operand, is a general register although the opcode is that of floating point.
const TO_X: &[&str] = &["Fle", "Flt", "Feq", "Fleq", "Fltq", "FcvtIF", "FcvtmodWD", "FmvXF", "Fclass"];
const FROM_X: &[&str] = &["FcvtFI", "FmvFX"];

fn is_float(word: u32) -> bool {
    matches!(word & 0x7f, 0x43 | 0x47 | 0x4b | 0x4f | 0x53)
}

fn is_memory(word: u32) -> bool {
    match word & 0x7f {
        0x03 | 0x07 | 0x23 | 0x27 | 0x2f => true,
        // CBO.
        0x0f => word >> 12 & 7 == 2,
        _ => word & 3 == 0,
    }
}

/// The register fields of a row, as their lowest bits: rd, rs1, rs2, rs3.
fn registers(row: &Row) -> [bool; 4] {
    let opcode = row.value & 0x7f;
    let free = |lsb: u32| row.mask >> lsb & 31 == 0;
    let upper = matches!(opcode, 0x37 | 0x17 | 0x6f);
    let rs2 = matches!(opcode, 0x23 | 0x27 | 0x2f | 0x33 | 0x3b | 0x43 | 0x47 | 0x4b | 0x4f | 0x53 | 0x73);
    let rs3 = matches!(opcode, 0x43 | 0x47 | 0x4b | 0x4f);
    let store = matches!(opcode, 0x23 | 0x27);
    // The twelve bits of a CSR's number are none.
    let csr = opcode == 0x73 && row.mask >> 25 == 0;
    [free(7) && !store, free(15) && !upper, rs2 && !csr && free(20), rs3]
}

/// Registers for the four fields: each is x10 and x11 (f10, f11, f13) for the operands and x12 (f12) for the result, x0, or the same as another.
const FORMS: &[[u32; 4]] = &[
    [12, 10, 11, 13],
    [0, 10, 11, 13],
    [12, 0, 11, 13],
    [12, 10, 0, 13],
    [0, 0, 0, 13],
    [10, 10, 11, 13],
    [11, 10, 11, 13],
    [12, 10, 10, 13],
    [10, 10, 10, 10],
    [13, 10, 11, 13],
];

/// Whether the form makes a difference to the row, and is possible: floating-point registers have no zero, and addresses are in x10.
fn has_form(row: &Row, form: [u32; 4]) -> bool {
    let has = registers(row);
    let float = is_float(row.value) || matches!(row.value & 0x7f, 0x07 | 0x27);
    let x = [
        !float || TO_X.contains(&row.name),
        !float || FROM_X.contains(&row.name) || !is_float(row.value),
        !float,
        false,
    ];
    (0..4).all(|n| {
        let usual = form[n] == FORMS[0][n];
        usual || has[n] && (form[n] != 0 || x[n]) && !(n == 1 && is_memory(row.value))
    }) && (form[0] != 13 || has[3])
        && (row.name != "AmocasQ" || form.iter().take(3).all(|r| r & 1 == 0 || *r == 11))
}

/// The word with the registers.
fn put(row: &Row, mut word: u32, form: [u32; 4]) -> u32 {
    for ((has, lsb), number) in registers(row).into_iter().zip([7, 15, 20, 27]).zip(form) {
        if has {
            word = word & !(31 << lsb) | number << lsb;
        }
    }
    match word & 0x7f {
        // The pair x14, x15 as the second operand.
        0x2f if row.name == "AmocasQ" && word >> 20 & 31 == 11 => word & !(31 << 20) | 14 << 20,
        _ => word,
    }
}

/// All settings of the bits of `mask`.
fn settings(mask: u32) -> impl Iterator<Item = u32> {
    let mut next = Some(0u32);
    std::iter::from_fn(move || {
        let now = next?;
        next = (now != mask).then(|| (now | !mask).wrapping_add(1) & mask);
        Some(now)
    })
}

/// Words of the rows that QEMU 7.2 knows, or (`new`) of the others: with the usual registers and random immediates, or all formats, rounding modes, sizes and
/// orders; and in all forms.
fn words(new: bool) -> Vec<(&'static str, u32)> {
    let mut x = SEED;
    let mut random = || {
        x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (x >> 32) as u32
    };
    let mut out = Vec::new();
    for row in &decode::ROWS {
        let partly = PARTLY_NEW.contains(&row.name);
        // Vector instructions have a test of their own (riscv64_vector.rs).
        if is_vector(row)
            || ELSEWHERE.iter().any(|e| e.0 == row.name)
            || !partly && TOO_NEW.contains(&row.name) != new
        {
            continue;
        }
        let fields = registers(row).into_iter().zip([7, 15, 20, 27]);
        let numbers = fields.fold(0, |mask, (has, lsb)| if has { mask | 31 << lsb } else { mask });
        let free = !row.mask & !numbers;
        let is_new = |word: u32| match word & 0x7f {
            _ if !partly => new,
            // Bytes and half words; FMINM and FMAXM.
            0x2f => word >> 13 & 1 == 0,
            _ => word >> 13 & 1 != 0,
        };
        let mut random_word = || loop {
            let mut word = random() & !row.mask | row.value;
            match word & 0x7f {
                // Offsets of 0 to 11.
                0x03 | 0x07 => word = word & 0x000f_ffff | (random() % 12) << 20,
                0x23 | 0x27 => word = word & 0x01ff_f07f | (random() % 12) << 7,
                0x73 if word >> 12 & 3 != 0 => word = word & 0x000f_ffff | (1 + random() % 3) << 20,
                _ => {}
            }
            if is_new(word) == new {
                return word;
            }
        };
        let mut usual: Vec<u32> = if is_float(row.value) || row.value & 0x7f == 0x2f {
            settings(free).map(|bits| row.value | bits).filter(|&word| is_new(word) == new).collect()
        } else {
            (0..12).map(|_| random_word()).collect()
        };
        usual.iter_mut().for_each(|word| *word = put(row, *word, FORMS[0]));
        for &form in FORMS[1..].iter().filter(|form| has_form(row, **form)) {
            usual.extend((0..2).map(|_| put(row, random_word(), form)));
        }
        usual.retain(|&word| decode::name(word) == Some(row.name));
        usual.sort_unstable();
        usual.dedup();
        out.extend(usual.into_iter().map(|word| (row.name, word)));
    }
    if new {
        // With x10 as address and first operand, x11 as second, x12 as destination; above them is C.NOP.
        for (name, half) in [
            ("CLbu", 0x8150),
            ("CLbu", 0x8170),
            ("CLhu", 0x8510),
            ("CLhu", 0x8530),
            ("CLh", 0x8550),
            ("CLh", 0x8570),
            ("CSb", 0x890c),
            ("CSb", 0x896c),
            ("CSh", 0x8d0c),
            ("CSh", 0x8d2c),
            ("CZextB", 0x9e61),
            ("CSextB", 0x9e65),
            ("CZextH", 0x9e69),
            ("CSextH", 0x9e6d),
            ("CZextW", 0x9e71),
            ("CNot", 0x9e75),
            ("CMul", 0x9e4d),
            ("CMop", 0x6081),
            ("CMop", 0x6781),
        ] {
            out.push((name, 0x0001_0000 | half));
        }
    }
    out
}

/// Which operands of a word take all edge values: those in the usual registers, of operations without rounding or with the modes that compilers use.
fn edges(word: u32) -> u32 {
    let Some(row) = decode::decode(word).map(|n| &decode::ROWS[n]) else { return 0 };
    let [_, rs1, rs2, _] = registers(row);
    let rounds = is_float(word) && row.mask >> 12 & 7 == 0;
    if word & 3 != 3 || put(row, word, FORMS[0]) != word || rounds && !matches!(word >> 12 & 7, 0 | 7) {
        return 0;
    }
    rs1 as u32 | (rs2 as u32) << 1
}

/// The words as `differential.c` includes them.
fn table(words: impl Iterator<Item = u32>) -> String {
    let mut out = String::new();
    for word in words {
        let _ = writeln!(out, "{{ {word:#010x}, {}, {} }},", is_memory(word) as u8, edges(word));
    }
    out
}

/// Builds `differential.c` for the words.
fn build(dir: &TempDir, words: impl Iterator<Item = u32>) -> PathBuf {
    std::fs::write(dir.path().join("words.h"), table(words)).unwrap();
    compile(dir, "differential")
}

fn compile(dir: &TempDir, name: &str) -> PathBuf {
    let exe = dir.path().join(name);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../riscv64/{name}.c"));
    let status = Command::new("riscv64-linux-gnu-gcc")
        .args(["-O1", "-static", "-I"])
        .arg(dir.path())
        .arg("-o")
        .arg(&exe)
        .arg(&source)
        .status()
        .expect("needs gcc-riscv64-linux-gnu");
    assert!(status.success());
    exe
}

fn run(program: &str, args: &[&str], exe: &Path, own: &[&str]) -> Vec<String> {
    let output = Command::new(program).args(args).arg(exe).args(own).output().expect(program);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{program}: {}, after {:?}: {}",
        output.status,
        stdout.lines().last(),
        String::from_utf8_lossy(&output.stderr)
    );
    stdout.lines().map(String::from).collect()
}

/// The interpreter is slow, and plays the same rows: it runs every so-manieth case.
const STEP: usize = 5;

/// How the emulator is run: its arguments, and of how many cases it runs one.
const WAYS: [(&[&str], usize); 2] = [(&[], 1), (&["-d", "interp"], STEP)];

/// The lines of every so-manieth case.
fn every(lines: &[String], step: usize) -> impl Iterator<Item = &String> {
    let number = |line: &str| line.split(' ').nth(1).and_then(|n| n.parse::<usize>().ok());
    lines.iter().filter(move |line| number(line).expect("a line of differential.c").is_multiple_of(step))
}

/// A row that is in no table above is met by the words of `every_row` in all of its forms; a row that is, is recorded or tested in a file that names it.
#[test]
fn no_row_is_left_out() {
    let words: Vec<(&str, u32)> = [words(false), words(true)].concat();
    for row in decode::ROWS.iter().filter(|row| !is_vector(row)) {
        if let Some((_, file, text)) = ELSEWHERE.iter().find(|e| e.0 == row.name) {
            let source = std::fs::read_to_string(tests_dir().join(file)).expect(file);
            assert!(source.contains(text), "{file} does not test {}", row.name);
            continue;
        }
        let own: Vec<u32> = words.iter().filter(|w| w.0 == row.name).map(|w| w.1).collect();
        for &form in FORMS.iter().filter(|form| has_form(row, **form)) {
            assert!(
                own.iter().any(|&word| put(row, word, form) == word),
                "no word of {} as {form:?}",
                row.name
            );
        }
        let operands = registers(row)[1] as u32 | (registers(row)[2] as u32) << 1;
        assert!(own.iter().any(|&word| edges(word) == operands), "{} without edge operands", row.name);
        assert!(
            own.iter().all(|&word| decode::name(word) == Some(row.name)),
            "words of another row in {}",
            row.name
        );
    }
}

#[test]
fn every_row() {
    let dir = TempDir::new();
    let exe = build(&dir, words(false).into_iter().map(|(_, word)| word));
    let cpu = "rv64,zba=true,zbb=true,zbc=true,zbs=true,zbkb=true,zbkc=true,zbkx=true,Zfh=true";
    let theirs = run("qemu-riscv64-static", &["-cpu", cpu], &exe, &[]);
    let emu = emulator();
    for (args, step) in WAYS {
        let ours = run(emu.to_str().unwrap(), args, &exe, &[&step.to_string()]);
        let theirs: Vec<&String> = every(&theirs, step).collect();
        let mut bad = String::new();
        let mut count = 0;
        for (ours, &theirs) in ours.iter().zip(&theirs) {
            if ours != theirs {
                count += 1;
                if count <= 400 {
                    let word = u32::from_str_radix(&theirs[..8], 16).unwrap();
                    let _ = writeln!(
                        bad,
                        "{}\n  ours   {ours}\n  theirs {theirs}",
                        decode::name(word).unwrap_or("?")
                    );
                }
            }
        }
        assert!(
            ours.len() == theirs.len() && count == 0,
            "{args:?}: {count} of {} differ\n{bad}",
            theirs.len()
        );
    }
}

/// The FNV-1a hash of each word's lines.
fn hashes<'a>(lines: impl Iterator<Item = &'a String>) -> HashMap<u32, u64> {
    let mut out = HashMap::new();
    for line in lines {
        let hash = out.entry(u32::from_str_radix(&line[..8], 16).unwrap()).or_insert(0xcbf2_9ce4_8422_2325);
        for &byte in line.as_bytes() {
            *hash = (*hash ^ byte as u64).wrapping_mul(0x100_0000_01b3);
        }
    }
    out
}

#[test]
fn recorded_rows() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(RECORDED);
    let dir = TempDir::new();
    let words: BTreeSet<_> = words(true).into_iter().collect();
    let exe = build(&dir, words.iter().map(|w| w.1));
    if let Ok(qemu) = std::env::var("ANYARCH_NEW_QEMU") {
        let lines = run(&qemu, &["-cpu", "max"], &exe, &[]);
        let (all, few) = (hashes(every(&lines, 1)), hashes(every(&lines, STEP)));
        let lines = words
            .iter()
            .map(|(name, word)| format!("{name} {word:08x} {:016x} {:016x}\n", all[word], few[word]));
        std::fs::write(&path, lines.collect::<String>()).unwrap();
    }
    let recorded = std::fs::read_to_string(&path).unwrap();
    let recorded: HashMap<&str, Vec<&str>> = recorded
        .lines()
        .filter_map(|line| Some((line.get(..line.len() - 34)?, line.split(' ').collect())))
        .collect();
    let emu = emulator();
    for (n, (args, step)) in WAYS.into_iter().enumerate() {
        let lines = run(emu.to_str().unwrap(), args, &exe, &[&step.to_string()]);
        let ours = hashes(lines.iter());
        let bad: Vec<String> = words
            .iter()
            .map(|(name, word)| (format!("{name} {word:08x}"), format!("{:016x}", ours[word])))
            .filter(|(key, hash)| recorded.get(key.as_str()).is_none_or(|fields| fields[2 + n] != hash))
            .map(|(key, _)| key)
            .collect();
        assert!(
            bad.is_empty(),
            "{args:?}: {} of {} differ or are not recorded: {bad:#?}",
            bad.len(),
            words.len()
        );
    }
}

/// Builds the program, and compares what it prints under QEMU, by the translator and by the interpreter.
fn compare(name: &str) {
    let dir = TempDir::new();
    let exe = compile(&dir, name);
    let theirs = run("qemu-riscv64-static", &["-cpu", "rv64,zba=true,zbb=true,zbs=true"], &exe, &[]);
    let emu = emulator();
    for (args, _) in WAYS {
        let ours = run(emu.to_str().unwrap(), args, &exe, &[]);
        let differ: Vec<_> = ours.iter().zip(&theirs).filter(|(a, b)| a != b).take(10).collect();
        assert!(ours.len() == theirs.len() && differ.is_empty(), "{args:?}: {differ:#?}");
    }
}

#[test]
fn sequences() {
    compare("sequences");
}

#[test]
fn chains() {
    compare("chains");
}

#[test]
fn floats() {
    compare("floats");
}

//! riscv64 against QEMU: every row of the decode table with random fields and operands (`tests/riscv64/differential.c`), by the translator and by the
//! reference interpreter.

use anyarch_harness::{TempDir, emulator};
use anyarch_riscv64::decode;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Rows that leave the instruction's place, end the process, or tell the time; and two that do nothing here and that QEMU does not let users have.
const LEFT_OUT: &[&str] = &[
    "Jal", "Jalr", "Beq", "Bne", "Blt", "Bge", "Bltu", "Bgeu", "Ecall", "Ebreak", "FenceI", "Auipc",
    "CboClean", "CboFlush",
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
/// What QEMU 11 printed for words of those rows, and for Zcb and Zcmop: on each line a row, a word, and a hash of the word's lines of output.
/// `ANYARCH_NEW_QEMU=PATH` writes the file anew with such a QEMU.
const RECORDED: &str = "../riscv64/recorded";
const SEED: u64 = 5;

/// Random words of the rows that QEMU 7.2 knows, or (`new`) of the others.
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
        if row.name.starts_with('V')
            || LEFT_OUT.contains(&row.name)
            || !partly && TOO_NEW.contains(&row.name) != new
        {
            continue;
        }
        for _ in 0..12 {
            let mut word = random() & !row.mask | row.value;
            // x10 and x11 (f10, f11, f13) are the operands, x12 (f12) the result.
            for (lsb, number) in [(7, 12), (15, 10), (20, 11), (27, 13)] {
                let rs3 = lsb == 27;
                let opcode = word & 0x7f;
                if rs3 && !matches!(opcode, 0x43 | 0x47 | 0x4b | 0x4f) {
                    continue;
                }
                let field = 31 << lsb;
                let immediate =
                    (lsb == 20 && matches!(opcode, 0x13 | 0x1b | 0x37)) || (lsb != 7 && opcode == 0x37);
                if row.mask & field == 0 && !immediate {
                    word = word & !field | number << lsb;
                }
            }
            match word & 0x7f {
                // Offsets of 0 to 11.
                0x03 | 0x07 => word = word & 0x000f_ffff | (random() % 12) << 20,
                0x23 | 0x27 => word = word & 0x01ff_f07f | (random() % 12) << 7,
                // The pair x14, x15 as the second operand.
                0x2f if row.name == "AmocasQ" => word = word & !(31 << 20) | 14 << 20,
                // Bytes and half words.
                0x2f if new && partly => word &= !(2 << 12),
                0x2f if !new => word |= 2 << 12,
                0x73 if !new => {
                    let csr = [1, 2, 3][random() as usize % 3];
                    word = word & 0x000f_ffff | csr << 20;
                }
                0x53 if partly && new => word |= 2 << 12,
                0x53 if partly => word &= !(2 << 12),
                _ => {}
            }
            out.push((row.name, word));
        }
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

/// The words as `differential.c` includes them.
fn table(words: impl Iterator<Item = u32>) -> String {
    let mut out = String::new();
    for word in words {
        let memory = match word & 0x7f {
            0x03 | 0x07 | 0x23 | 0x27 | 0x2f => true,
            // CBO.
            0x0f => word >> 12 & 7 == 2,
            _ => word & 3 == 0,
        };
        let _ = writeln!(out, "{{ {word:#010x}, {} }},", memory as u8);
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

fn run(program: &str, args: &[&str], exe: &Path) -> Vec<String> {
    let output = Command::new(program).args(args).arg(exe).output().expect(program);
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

#[test]
fn every_row() {
    let dir = TempDir::new();
    let exe = build(&dir, words(false).into_iter().map(|(_, word)| word));
    let cpu = "rv64,zba=true,zbb=true,zbc=true,zbs=true,zbkb=true,zbkc=true,zbkx=true,Zfh=true";
    let theirs = run("qemu-riscv64-static", &["-cpu", cpu], &exe);
    let emu = emulator();
    for args in [&[][..], &["-d", "interp"]] {
        let ours = run(emu.to_str().unwrap(), args, &exe);
        let mut bad = String::new();
        let mut count = 0;
        for (ours, theirs) in ours.iter().zip(&theirs) {
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
fn hashes(lines: &[String]) -> HashMap<u32, u64> {
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
    if let Ok(qemu) = std::env::var("ANYARCH_NEW_QEMU") {
        let words: BTreeSet<_> = words(true).into_iter().collect();
        let exe = build(&dir, words.iter().map(|w| w.1));
        let hashes = hashes(&run(&qemu, &["-cpu", "max"], &exe));
        let lines = words.iter().map(|(name, word)| format!("{name} {word:08x} {:016x}\n", hashes[word]));
        std::fs::write(&path, lines.collect::<String>()).unwrap();
    }
    let recorded: Vec<(String, u32, u64)> = std::fs::read_to_string(&path)
        .unwrap()
        .lines()
        .map(|line| {
            let f: Vec<&str> = line.split(' ').collect();
            (f[0].into(), u32::from_str_radix(f[1], 16).unwrap(), u64::from_str_radix(f[2], 16).unwrap())
        })
        .collect();
    for row in TOO_NEW.iter().chain(PARTLY_NEW) {
        assert!(recorded.iter().any(|(name, ..)| name == row), "nothing recorded for {row}");
    }
    let exe = build(&dir, recorded.iter().map(|r| r.1));
    let emu = emulator();
    for args in [&[][..], &["-d", "interp"]] {
        let ours = hashes(&run(emu.to_str().unwrap(), args, &exe));
        let bad: Vec<String> = recorded
            .iter()
            .filter(|(_, word, hash)| ours.get(word) != Some(hash))
            .map(|(name, word, _)| format!("{name} {word:08x}"))
            .collect();
        assert!(bad.is_empty(), "{args:?}: {} of {} differ: {bad:#?}", bad.len(), recorded.len());
    }
}

/// Builds the program, and compares what it prints under QEMU, by the translator and by the interpreter.
fn compare(name: &str) {
    let dir = TempDir::new();
    let exe = compile(&dir, name);
    let theirs = run("qemu-riscv64-static", &["-cpu", "rv64,zba=true,zbb=true,zbs=true"], &exe);
    let emu = emulator();
    for args in [&[][..], &["-d", "interp"]] {
        let ours = run(emu.to_str().unwrap(), args, &exe);
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

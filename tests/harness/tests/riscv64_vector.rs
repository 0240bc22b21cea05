//! riscv64's vector instructions: every row of their decode tables with random registers, under every element width and group size, masked and not, with vl zero,
//! partial and full (`tests/riscv64/vector.c`), by the translator and by the reference interpreter.
//!
//! What must come out is in `tests/riscv64/vector.digests`, a digest for each row, since the QEMU of Debian 12 does not know all of these instructions. The file is
//! written from the output of a newer one: `ANYARCH_BLESS=1 ANYARCH_QEMU=/path/to/qemu-riscv64 cargo test -p anyarch-harness --test riscv64_vector`. With
//! ANYARCH_QEMU alone, the outputs are compared line by line.

use anyarch_engine::pattern::Row;
use anyarch_harness::{TempDir, emulator};
use anyarch_riscv64::decode;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// QEMU's processor with all that is to be tested.
const CPU: &str = "rv64,v=true,vlen=128,elen=64,zfh=true,zvfh=true,zvbb=true,zvbc=true,zvkng=true";

/// Words for each row, and configurations for each word (4 widths, 7 group sizes).
const WORDS: usize = 5;
const CASES: usize = 84;

/// The interpreter is slow, and the reference functions are the same: it runs every so-manieth configuration.
const STEP: usize = 21;

fn is_vector(row: &Row) -> bool {
    row.name.starts_with('V')
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 32) as u32
    }

    /// A vector register: mostly one that starts a group of eight.
    fn register(&mut self) -> u32 {
        let r = self.next();
        match r & 7 {
            0..=4 => r >> 8 & 0b11000,
            5 => r >> 8 & 0b11100,
            6 => r >> 8 & 0b11110,
            _ => r >> 8 & 31,
        }
    }
}

/// A word of the row, and its kind (see vector.c).
fn word(row: &Row, random: &mut Random) -> (u32, u32) {
    let mut word = random.next() & !row.mask | row.value;
    let mut put = |lsb: u32, bits: u32, value: u32| {
        let field = ((1 << bits) - 1) << lsb;
        if row.mask & field == 0 {
            word = word & !field | value << lsb;
        }
    };
    let (opcode, form) = (row.value & 0x7f, row.value >> 12 & 7);
    let memory = matches!(opcode, 0x07 | 0x27);
    let mop = row.value >> 26 & 3;
    let configures = opcode == 0x57 && form == 7;
    let vd = match row.name {
        "VcpopM" | "VfirstM" | "VmvXS" => 12,
        "VfmvFS" => 10,
        _ if configures => 12 * (random.next() & 1),
        _ => random.register(),
    };
    put(7, 5, vd);
    let rs1 = match form {
        _ if memory => 10,
        _ if configures => 11 * (random.next() & 1),
        4 | 6 => 11,
        5 => 10,
        3 => random.next() & 31,
        _ => random.register(),
    };
    if row.name != "Vsetivli" {
        put(15, 5, rs1);
    }
    let rs2 = match mop {
        2 if memory => 11,
        _ if configures => 12,
        _ => random.register(),
    };
    if !configures || row.name == "Vsetvl" {
        put(20, 5, rs2);
    }
    if memory {
        let nf = if random.next() & 1 == 0 { 0 } else { random.next() & 7 };
        put(29, 3, nf);
    }
    let kind = match opcode {
        0x77 => 2,
        _ if memory && mop & 1 != 0 => 3,
        _ => memory as u32,
    };
    (word, kind)
}

fn words() -> String {
    let mut random = Random(7);
    let mut out = String::new();
    for row in decode::ROWS.iter().filter(|row| is_vector(row)) {
        for _ in 0..WORDS {
            let (word, kind) = word(row, &mut random);
            let _ = writeln!(out, "{{ {word:#010x}, {kind}, {CASES} }}, // {}", row.name);
        }
    }
    out
}

fn run(program: &Path, args: &[&str], exe: &Path, own: &[&str]) -> Vec<String> {
    let output = Command::new(program).args(args).arg(exe).args(own).output().expect("runs");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{program:?}: {}, after {:?}: {}",
        output.status,
        stdout.lines().last(),
        String::from_utf8_lossy(&output.stderr)
    );
    stdout.lines().map(String::from).collect()
}

fn name(line: &str) -> &'static str {
    let word = u32::from_str_radix(line.get(..8).unwrap_or(""), 16).expect("a line of vector.c");
    decode::name(word).unwrap_or("?")
}

/// The configuration of a line.
fn configuration(line: &str) -> usize {
    line.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("a line of vector.c")
}

/// FNV-1a of each row's lines.
fn digests<'a>(lines: impl Iterator<Item = &'a String>) -> BTreeMap<&'static str, u64> {
    let mut out = BTreeMap::new();
    for line in lines {
        let digest = out.entry(name(line)).or_insert(0xcbf2_9ce4_8422_2325u64);
        for b in line.bytes() {
            *digest = (*digest ^ b as u64).wrapping_mul(0x100_0000_01b3);
        }
    }
    out
}

fn compare(what: &str, ours: &[String], theirs: &[String]) {
    let mut bad = String::new();
    let (mut count, mut rows) = (0, BTreeMap::new());
    for (ours, theirs) in ours.iter().zip(theirs) {
        if ours != theirs {
            count += 1;
            let seen = rows.entry(name(theirs)).or_insert(0);
            *seen += 1;
            if *seen <= 3 {
                let _ = writeln!(bad, "{}\n  ours   {ours}\n  theirs {theirs}", name(theirs));
            }
        }
    }
    assert!(
        ours.len() == theirs.len() && count == 0,
        "{what}: {count} of {} differ\n{bad}\n{rows:?}",
        theirs.len()
    );
}

#[test]
fn every_vector_row() {
    let dir = TempDir::new();
    std::fs::write(dir.path().join("vector_words.h"), words()).unwrap();
    let exe = dir.path().join("vector");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../riscv64");
    let status = Command::new("riscv64-linux-gnu-gcc")
        .args(["-O1", "-static", "-I"])
        .arg(dir.path())
        .arg("-o")
        .arg(&exe)
        .arg(folder.join("vector.c"))
        .status()
        .expect("needs gcc-riscv64-linux-gnu");
    assert!(status.success());
    let golden = folder.join("vector.digests");
    let theirs =
        std::env::var_os("ANYARCH_QEMU").map(|qemu| run(&PathBuf::from(qemu), &["-cpu", CPU], &exe, &[]));
    if std::env::var_os("ANYARCH_BLESS").is_some() {
        let theirs = theirs.as_ref().expect("ANYARCH_QEMU names a new QEMU");
        let few = digests(theirs.iter().filter(|line| configuration(line).is_multiple_of(STEP)));
        let all = digests(theirs.iter());
        let text: String = all
            .iter()
            .zip(few.values())
            .map(|((row, all), few)| format!("{row} {all:016x} {few:016x}\n"))
            .collect();
        std::fs::write(&golden, text).unwrap();
    }
    let want = std::fs::read_to_string(&golden).unwrap();
    for interpret in [false, true] {
        let (args, step): (&[&str], _) = if interpret { (&["-d", "interp"], STEP) } else { (&[], 1) };
        let ours = run(emulator(), args, &exe, &[&step.to_string()]);
        if let Some(theirs) = &theirs {
            let theirs: Vec<String> =
                theirs.iter().filter(|line| configuration(line).is_multiple_of(step)).cloned().collect();
            compare(&format!("{args:?}"), &ours, &theirs);
        }
        let digests = digests(ours.iter());
        let bad: Vec<&str> = want
            .lines()
            .filter_map(|line| Some((line.split(' ').next()?, line.split(' ').nth(1 + interpret as usize)?)))
            .filter(|(row, d)| digests.get(row).map(|d| format!("{d:016x}")).as_deref() != Some(*d))
            .map(|(row, _)| row)
            .collect();
        assert!(
            bad.is_empty() && want.lines().count() == digests.len(),
            "{args:?}: these rows differ: {bad:?}"
        );
    }
}

/// The vector state in signal frames and system calls (`tests/riscv64/vector_state.c`, which checks itself).
#[test]
fn state_as_linux_shows_it() {
    let dir = TempDir::new();
    let exe = dir.path().join("vector_state");
    let status = Command::new("riscv64-linux-gnu-gcc")
        .args(["-O1", "-static", "-o"])
        .arg(&exe)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../riscv64/vector_state.c"))
        .status()
        .expect("needs gcc-riscv64-linux-gnu");
    assert!(status.success());
    for args in [&[][..], &["-d", "interp"]] {
        assert_eq!(run(emulator(), args, &exe, &[]), ["vector state"], "{args:?}");
    }
}

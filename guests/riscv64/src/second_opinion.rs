//! The expansion of compressed instructions, compared with the disassembler of binutils.

use crate::compressed::expand;
use crate::decode;
use std::process::Command;

/// The text of each instruction by Debian's binutils-riscv64-linux-gnu; symbols and comments
/// removed.
fn disassemble(name: &str, bytes: &[u8]) -> Vec<String> {
    let file = std::env::temp_dir().join(format!("anyarch-riscv-{name}-{}", std::process::id()));
    std::fs::write(&file, bytes).unwrap();
    let output = Command::new("riscv64-linux-gnu-objdump")
        .args(["-D", "-z", "-b", "binary", "-m", "riscv:rv64"])
        .arg(&file)
        .output()
        .expect("needs binutils-riscv64-linux-gnu");
    std::fs::remove_file(&file).unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .filter_map(|l| l.split_once(":\t"))
        .filter_map(|(_, rest)| rest.split_once('\t'))
        .map(|(_, insn)| insn.split(['#', '<']).next().unwrap_or("").trim().to_string())
        .collect()
}

/// Branches are printed with their targets: makes them relative to the instruction.
fn relative(text: &str, pc: i64) -> String {
    match text.rsplit_once("0x") {
        Some((head, hex)) if text.starts_with('b') || text.starts_with('j') => {
            match i64::from_str_radix(hex, 16) {
                Ok(target) => format!("{head}{}", target - pc),
                Err(_) => text.to_string(),
            }
        }
        _ => text.to_string(),
    }
}

#[test]
fn compressed() {
    let halves: Vec<u16> = (0..=u16::MAX).filter(|h| h & 3 != 3).collect();
    // Each in front of an instruction of its own size, so that all places are multiples of four.
    let short: Vec<u8> =
        halves.iter().flat_map(|h| [h.to_le_bytes(), 1u16.to_le_bytes()]).flatten().collect();
    let long: Vec<u8> = halves.iter().flat_map(|&h| expand(h).to_le_bytes()).collect();
    let theirs: Vec<String> = disassemble("short", &short).into_iter().step_by(2).collect();
    let ours = disassemble("long", &long);
    // The expansion of a reserved half word is a zero, which is two reserved half words.
    let mut ours = ours.into_iter();
    assert_eq!(theirs.len(), halves.len());
    let mut bad = Vec::new();
    for (n, (&h, theirs)) in halves.iter().zip(&theirs).enumerate() {
        let word = expand(h);
        let mut text = ours.next().unwrap();
        if word == 0 {
            ours.next();
            text = String::from("unimp");
        }
        assert!(word == 0 || decode::decode(word).is_some(), "{h:04x} becomes {word:08x}");
        // Zcb and Zcmop are not known to the disassembler.
        // C.ADDI16SP of zero is reserved, which it does not know either.
        let unknown = h == 0x6101 || theirs.starts_with("0x") || theirs.starts_with(".") || theirs == "unimp";
        let (a, b) = (relative(&text, 4 * n as i64), relative(theirs, 4 * n as i64));
        // Hints, which do nothing, are printed in several ways.
        let hint = theirs == "nop"
            || theirs.ends_with(",0") && text.starts_with("mv")
            || theirs.contains("64\t")
            || theirs.contains("zero")
            || text.contains("zero");
        if !unknown && !hint && a != b {
            bad.push(format!("{h:04x} {word:08x}: ours {a}, theirs {b}"));
        }
    }
    assert!(bad.is_empty(), "{} differ: {:#?}", bad.len(), &bad[..bad.len().min(30)]);
}

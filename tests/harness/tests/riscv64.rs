//! riscv64 against QEMU: every row of the decode table with random fields and operands (`tests/riscv64/differential.c`), by the translator and by the
//! reference interpreter.

use anyarch_harness::{TempDir, emulator};
use anyarch_riscv64::decode;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

/// Rows that leave the instruction's place, end the process, or tell the time.
const LEFT_OUT: &[&str] =
    &["Jal", "Jalr", "Beq", "Bne", "Blt", "Bge", "Bltu", "Bgeu", "Ecall", "Ebreak", "FenceI", "Auipc"];

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
    "FminFmax",
    "CboClean",
    "CboFlush",
    "CboZero",
    "Ctzw",
];

fn words() -> String {
    let mut x = 5u64;
    let mut random = || {
        x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (x >> 32) as u32
    };
    let mut out = String::new();
    for row in &decode::ROWS {
        // Vector instructions have a test of their own (riscv64_vector.rs).
        if row.name.starts_with('V')
            || LEFT_OUT.contains(&row.name)
            || TOO_NEW.contains(&row.name) && row.name != "FminFmax"
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
            let opcode = word & 0x7f;
            let memory = matches!(opcode, 0x03 | 0x07 | 0x23 | 0x27 | 0x2f) || row.name.starts_with("Cbo");
            match opcode {
                // Offsets of 0 to 11.
                0x03 | 0x07 => word = word & 0x000f_ffff | (random() % 12) << 20,
                0x23 | 0x27 => word = word & 0x01ff_f07f | (random() % 12) << 7,
                // No byte and half-word operations (Zabha) before QEMU 9.
                0x2f => word |= 2 << 12,
                0x73 => {
                    let csr = [1, 2, 3][random() as usize % 3];
                    word = word & 0x000f_ffff | csr << 20;
                }
                // FMINM and FMAXM are too new; so is a NaN box of quad precision.
                0x53 if row.name == "FminFmax" => word &= !(2 << 12),
                _ => {}
            }
            let _ = writeln!(out, "{{ {word:#010x}, {} }}, // {}", memory as u8, row.name);
        }
    }
    out
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
    std::fs::write(dir.path().join("words.h"), words()).unwrap();
    let exe = dir.path().join("differential");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../riscv64/differential.c");
    let status = Command::new("riscv64-linux-gnu-gcc")
        .args(["-O1", "-static", "-I"])
        .arg(dir.path())
        .arg("-o")
        .arg(&exe)
        .arg(&source)
        .status()
        .expect("needs gcc-riscv64-linux-gnu");
    assert!(status.success());
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

//! Which instruction words riscv64 executes and which raise SIGILL: all words of 16 bits, and of 32
//! bits every opcode, funct3 and bits 31 to 20 with several rd and rs1 (`tests/riscv64/legal.c`
//! executes them), compared with an independent decoder.
//!
//! That is LLVM's disassembler with exactly the extensions that the guest tells programs of. What
//! it said stands in `tests/riscv64/legal.llvm` in the form that legal.c prints;
//! `ANYARCH_LLVM_MC=/path/to/llvm-mc` (22 or newer) writes the file anew. Where we differ is in
//! [`DIFFERENT`], each entry with its reason.
//!
//! QEMU 11 with these extensions was compared in the same way. It executes besides what the
//! oracle's `known.rs` lists as reserved, and the CSRs cycle and instret; and it does not let users
//! have CBO.CLEAN and CBO.FLUSH. Nothing else was seen.

use anyarch_harness::{TempDir, emulator, tests_dir};
use anyarch_riscv64::features::EXTENSIONS;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// opcode, funct3, rd, rs1 of words whose other bits take all values.
type Cell = [u32; 4];

fn cells() -> Vec<Cell> {
    let mut out = Vec::new();
    for opcode in (3..128).step_by(4) {
        for funct3 in 0..8 {
            out.push([opcode, funct3, 12, 10]);
            // Where x0 may have a meaning of its own.
            if matches!(opcode, 0x0f | 0x13 | 0x2f | 0x33 | 0x53 | 0x67 | 0x73 | 0x77) {
                out.extend([[opcode, funct3, 0, 10], [opcode, funct3, 12, 0], [opcode, funct3, 0, 0]]);
            }
            // Odd registers, of which pairs do not consist.
            if opcode == 0x2f {
                out.push([opcode, funct3, 13, 11]);
            }
            // What would be vs1 selects the operation.
            if matches!((opcode, funct3), (0x57, 1 | 2) | (0x77, 2)) {
                out.extend((0..32).map(|vs1| [opcode, funct3, 8, vs1]));
            }
        }
    }
    out
}

/// A word of 32 bits of which LLVM and we may have different opinions.
#[derive(Clone, Copy)]
struct Word(u32);

impl Word {
    fn bits(self, lsb: u32, len: u32) -> u32 {
        self.0 >> lsb & ((1 << len) - 1)
    }

    fn opcode(self) -> u32 {
        self.bits(0, 7)
    }

    fn funct3(self) -> u32 {
        self.bits(12, 3)
    }

    fn is_csr(self) -> bool {
        self.opcode() == 0x73 && self.funct3() & 3 != 0
    }

    /// Whether an instruction on a CSR is for user level under Linux: fflags, frm, fcsr, vstart,
    /// vxsat, vxrm, vcsr; time, vl, vtype, vlenb to be read.
    fn has_user_csr(self) -> bool {
        let writes = self.funct3() & 3 == 1 || self.bits(15, 5) != 0;
        match self.bits(20, 12) {
            1..=3 | 8..=10 | 15 => true,
            0xc01 | 0xc20..=0xc22 => !writes,
            _ => false,
        }
    }

    fn is_vector(self) -> bool {
        matches!(self.opcode(), 0x57 | 0x77) && self.funct3() != 7
            || matches!(self.opcode(), 0x07 | 0x27) && matches!(self.funct3(), 0 | 5..=7)
    }

    /// Whether the registers of a vector instruction may break a rule that an assembler leaves to
    /// the programmer.
    fn has_special_registers(self) -> bool {
        if !self.is_vector() {
            return false;
        }
        let (vd, vs1, vs2, masked) =
            (self.bits(7, 5), self.bits(15, 5), self.bits(20, 5), self.bits(25, 1) == 0);
        if self.opcode() & 0x5f != 0x57 {
            let indexed = self.bits(26, 1) != 0;
            let fields = vd..vd + self.bits(29, 3) + 1;
            return masked && vd == 0 || indexed && (masked && vs2 == 0 || fields.contains(&vs2));
        }
        let has_vs1 = self.funct3() < 3;
        masked && (vd == 0 || vs2 == 0 || has_vs1 && vs1 == 0)
            || vd == vs2
            || has_vs1 && (vd == vs1 || vs1 == vs2)
    }
}

/// What must become of a word in spite of LLVM.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    Legal,
    Illegal,
    /// This test does not say.
    Open,
}
use Verdict::*;

/// A reason to differ, what is right, and whether a word is concerned.
type Different = (&'static str, Verdict, fn(Word) -> bool);

const DIFFERENT: &[Different] = &[
    ("longer instructions, of which LLVM looks at the first 32 bits", Illegal, |w| w.bits(2, 3) == 7),
    (
        "reserved fields of FENCE and FENCE.I are ignored, as the manual says (LLVM wants them zero)",
        Legal,
        |w| w.opcode() == 0x0f && w.funct3() < 2,
    ),
    ("CBO.INVAL is not for user level under Linux", Illegal, |w| w.0 & !(31 << 15) == 0x0000_200f),
    ("privileged: SRET, WFI, SFENCE.VMA, MRET, DRET", Illegal, |w| {
        w.0 & 0x707f == 0x73
            && (matches!(w.bits(20, 12), 0x102 | 0x105 | 0x302 | 0x7b2) || w.bits(25, 7) == 0b0001001)
    }),
    ("CSRs that are not for user level (LLVM takes any number)", Illegal, |w| {
        w.is_csr() && !w.has_user_csr()
    }),
    ("vector registers that overlap: the instruction oracle", Open, Word::has_special_registers),
];

/// A line of legal.c or of the file: what stands before the colon, and for each number whether it
/// is legal.
fn parse(line: &str, count: usize) -> (&str, Vec<bool>) {
    let (key, ranges) = line.split_once(": ").unwrap_or((line.trim_end_matches(':'), ""));
    let mut legal = vec![false; count];
    for range in ranges.split_whitespace() {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        let number = |s| usize::from_str_radix(s, 16).expect("a hexadecimal number");
        legal[number(from)..=number(to)].fill(true);
    }
    (key, legal)
}

fn ranges(legal: &[bool]) -> String {
    let (mut out, mut from) = (String::new(), 0);
    for run in legal.chunk_by(|a, b| a == b) {
        match run {
            [true] => drop(write!(out, " {from:x}")),
            [true, ..] => drop(write!(out, " {from:x}-{:x}", from + run.len() - 1)),
            _ => {}
        }
        from += run.len();
    }
    out
}

fn key([opcode, funct3, rd, rs1]: Cell) -> String {
    format!("{opcode:02x} {funct3} {rd:02x} {rs1:02x}")
}

fn word([opcode, funct3, rd, rs1]: Cell, n: usize) -> u32 {
    opcode | rd << 7 | funct3 << 12 | rs1 << 15 | (n as u32) << 20
}

/// Asks LLVM of words of `size` bytes.
fn ask(mc: &Path, words: &[u32], size: usize) -> Vec<bool> {
    let mut attributes = String::from("+m,+a,+f,+d,+c,+v");
    for e in EXTENSIONS {
        let _ = write!(attributes, ",+{}", e.name);
    }
    let mut child = Command::new(mc)
        .args(["--disassemble", "-triple=riscv64", "-o", "/dev/null"])
        .arg(format!("-mattr={attributes}"))
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("llvm-mc runs");
    let mut text = String::new();
    for w in words {
        for b in &w.to_le_bytes()[..size] {
            let _ = write!(text, "{b:#04x} ");
        }
        text.push('\n');
    }
    let mut stdin = child.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().expect("llvm-mc ends");
    writer.join().expect("no panic").expect("llvm-mc reads all");
    let mut legal = vec![true; words.len()];
    for line in String::from_utf8_lossy(&output.stderr).lines() {
        if let Some(n) = line.strip_prefix("<stdin>:").and_then(|l| l.split(':').next()) {
            assert!(line.contains("invalid instruction encoding"), "{line}");
            legal[n.parse::<usize>().expect("a line number") - 1] = false;
        }
    }
    legal
}

fn write_file(mc: &Path, path: &Path) {
    let mut out = String::new();
    for quadrant in 0..3 {
        let words: Vec<u32> = (0..16384).map(|n| n << 2 | quadrant).collect();
        let _ = writeln!(out, "{quadrant:x}:{}", ranges(&ask(mc, &words, 2)));
    }
    for cell in cells().into_iter().filter(|c| c[0] & 0x1c != 0x1c) {
        let words: Vec<u32> = (0..4096).map(|n| word(cell, n)).collect();
        let _ = writeln!(out, "{}:{}", key(cell), ranges(&ask(mc, &words, 4)));
    }
    std::fs::write(path, out).expect("the file can be written");
}

#[test]
fn words_that_are_legal() {
    let path = tests_dir().join("riscv64/legal.llvm");
    if let Some(mc) = std::env::var_os("ANYARCH_LLVM_MC") {
        write_file(mc.as_ref(), &path);
    }
    let theirs = std::fs::read_to_string(&path).expect("legal.llvm");
    let theirs: BTreeMap<&str, &str> =
        theirs.lines().map(|l| (l.split(':').next().unwrap_or(""), l)).collect();
    let dir = TempDir::new();
    let exe = dir.path().join("legal");
    let status = Command::new("riscv64-linux-gnu-gcc")
        .args(["-O1", "-static", "-fno-stack-protector", "-Wl,--no-relax", "-o"])
        .arg(&exe)
        .arg(tests_dir().join("riscv64/legal.c"))
        .status()
        .expect("needs gcc-riscv64-linux-gnu");
    assert!(status.success());
    let run = |args: &[String]| {
        let output = Command::new(emulator()).arg(&exe).args(args).output().expect("the emulator runs");
        assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let (mut bad, mut count, mut used) = (String::new(), 0, [false; DIFFERENT.len()]);
    let mut differ = |what: String, ours: bool| {
        count += 1;
        if count < 50 {
            let _ = writeln!(bad, "{what} is {}", if ours { "executed" } else { "illegal" });
        }
    };

    let short = run(&[]);
    assert_eq!(short.lines().count(), 3);
    for line in short.lines() {
        let (quadrant, ours) = parse(line, 16384);
        let theirs = parse(theirs[quadrant], 16384).1;
        for n in 0..16384 {
            let half = n << 2 | quadrant.parse::<usize>().expect("a quadrant");
            // LLVM has a name for the word that is illegal by definition.
            if ours[n] != (theirs[n] && half != 0) {
                differ(format!("{half:04x}"), ours[n]);
            }
        }
    }

    let cells = cells();
    let args: Vec<String> = cells.iter().flatten().map(|n| format!("{n:x}")).collect();
    let long = run(&args);
    assert_eq!(long.lines().count(), cells.len());
    for (line, &cell) in long.lines().zip(&cells) {
        let (name, ours) = parse(line, 4096);
        assert_eq!(name, key(cell));
        let theirs = theirs.get(name).map(|line| parse(line, 4096).1);
        for (n, &ours) in ours.iter().enumerate() {
            let w = Word(word(cell, n));
            let theirs = theirs.as_ref().map(|t| t[n]);
            let want = match DIFFERENT.iter().position(|d| d.2(w)) {
                Some(k) => {
                    used[k] |= theirs != Some(ours);
                    match DIFFERENT[k].1 {
                        Legal => true,
                        Illegal => false,
                        // Never more than LLVM.
                        Open => ours && theirs == Some(true),
                    }
                }
                None => theirs.expect("a word that LLVM was asked of"),
            };
            if ours != want {
                differ(format!("{:08x}", w.0), ours);
            }
        }
    }
    assert!(count == 0, "{count} words:\n{bad}");
    let unused: Vec<&str> = DIFFERENT.iter().zip(used).filter(|(_, used)| !used).map(|(d, _)| d.0).collect();
    assert!(unused.is_empty(), "no difference in: {unused:?}");
}

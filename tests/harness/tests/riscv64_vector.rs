//! riscv64's vector instructions: every row of their decode tables with random registers, under every element width and group size, masked and not, with vl zero,
//! partial and full (`tests/riscv64/vector.c`), by the translator and by the reference interpreter.
//!
//! What must come out is in `tests/riscv64/vector.digests`, a digest for each row, since the QEMU of Debian 12 does not know all of these instructions. The file is
//! written from the output of a newer one: `ANYARCH_BLESS=1 ANYARCH_QEMU=/path/to/qemu-riscv64 cargo test -p anyarch-harness --test riscv64_vector`. With
//! ANYARCH_QEMU alone, the outputs are compared line by line.
//!
//! [`RESERVED`] lists the encodings that the specification reserves and QEMU executes: the digests are made without them, and they must raise SIGILL here.

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

/// `word` with v0 in different roles beside or instead of the mask's, as far as the row has these fields.
fn with_v0(row: &Row, word: u32) -> Vec<u32> {
    let memory = matches!(row.value & 0x7f, 0x07 | 0x27);
    let vs1 = !memory && (row.value >> 12 & 7) < 3;
    let vs2 = !memory || row.value >> 26 & 1 != 0;
    // (masked, vd, vs1, vs2)
    [(true, 8, 16, 0), (true, 8, 0, 16), (true, 0, 8, 16), (false, 8, 0, 0), (false, 0, 8, 16)]
        .into_iter()
        .filter_map(|(masked, d, s1, s2)| {
            let mut word = word;
            let mut put = |lsb: u32, bits: u32, value: u32| {
                let field = ((1 << bits) - 1) << lsb;
                let free = row.mask & field == 0;
                if free {
                    word = word & !field | value << lsb;
                }
                free
            };
            let masks = put(25, 1, !masked as u32) || row.value >> 25 & 1 == !masked as u32;
            let to_scalar = matches!(row.name, "VcpopM" | "VfirstM" | "VmvXS" | "VfmvFS");
            let d = to_scalar || put(7, 5, d) || d != 0;
            let s1 = if vs1 { put(15, 5, s1) || s1 != 0 } else { s1 != 0 };
            let s2 = if vs2 { put(20, 5, s2) || s2 != 0 } else { s2 != 0 };
            (masks && d && (s1 || s2)).then_some(word)
        })
        .collect()
}

/// `word` with x0 as its scalar operand, stride or result, and with one register in all places.
fn with_same(row: &Row, word: u32) -> Vec<u32> {
    let form = row.value >> 12 & 7;
    let memory = matches!(row.value & 0x7f, 0x07 | 0x27);
    let strided = memory && row.value >> 26 & 3 == 2;
    let result = matches!(row.name, "VcpopM" | "VfirstM" | "VmvXS");
    let fields: &[&[(u32, u32)]] = match () {
        () if strided => &[&[(20, 0)]],
        () if memory => &[],
        () if result => &[&[(7, 0)]],
        () if form == 4 || form == 6 => &[&[(15, 0)], &[(7, 8), (20, 8)]],
        () if form < 3 => {
            &[&[(7, 8), (15, 8), (20, 8)], &[(7, 8), (15, 8), (20, 16)], &[(7, 8), (15, 16), (20, 8)]]
        }
        () => &[&[(7, 8), (20, 8)]],
    };
    let with = |fields: &&[(u32, u32)]| {
        fields.iter().fold(word, |word, &(lsb, number)| {
            let field = 31 << lsb;
            if row.mask & field == 0 { word & !field | number << lsb } else { word }
        })
    };
    fields.iter().map(with).collect()
}

fn words() -> String {
    let mut random = Random(7);
    let mut out = String::new();
    for row in decode::ROWS.iter().filter(|row| is_vector(row)) {
        for n in 0..WORDS {
            let (word, kind) = word(row, &mut random);
            let _ = writeln!(out, "{{ {word:#010x}, {kind}, {CASES} }}, // {}", row.name);
            if n == 0 && row.value & 0x707f != 0x7057 {
                for word in [with_v0(row, word), with_same(row, word)].concat() {
                    let _ = writeln!(out, "{{ {word:#010x}, {kind}, 28 }}, // {}", row.name);
                }
            }
        }
    }
    out
}

/// A word under a configuration of vector.c.
struct Case {
    word: u32,
    sew: i32,
    lmul: i32,
}

impl Case {
    fn of(line: &str) -> Case {
        let n = configuration(line);
        Case { word: word_of(line), sew: (n & 3) as i32, lmul: [0, 1, 2, 3, -1, -2, -3][n / 4 % 7] }
    }

    fn bits(&self, lsb: u32, len: u32) -> u32 {
        self.word >> lsb & ((1 << len) - 1)
    }

    /// An instruction of opcode OP-V of elements, with a mask and with v0 as one of the sources.
    fn is_masked_arithmetic_of_v0(&self, funct6: std::ops::RangeInclusive<u32>, forms: &[u32]) -> bool {
        let form = self.bits(12, 3);
        self.bits(0, 7) == 0x57
            && self.bits(25, 1) == 0
            && funct6.contains(&self.bits(26, 6))
            && forms.contains(&form)
            && (self.bits(20, 5) == 0 || form < 3 && self.bits(15, 5) == 0)
    }

    /// VCOMPRESS with its mask among the elements.
    fn compresses_its_mask(&self) -> bool {
        let (vs1, vs2) = (self.bits(15, 5), self.bits(20, 5));
        self.bits(0, 7) == 0x57
            && self.bits(26, 6) == 0b010111
            && self.bits(12, 3) == 2
            && (vs2..vs2 + (1 << self.lmul.max(0))).contains(&vs1)
    }

    /// A vector store: its addressing mode.
    fn store(&self) -> Option<u32> {
        (self.bits(0, 7) == 0x27 && matches!(self.bits(12, 3), 0 | 5..=7)).then(|| self.bits(26, 2))
    }

    /// The index of an indexed segment store lies in the data beyond the first field, and is of another width.
    fn has_index_in_fields(&self) -> bool {
        let width = self.bits(12, 2) as i32;
        if self.store().is_none_or(|mode| mode & 1 == 0) || width == self.sew {
            return false;
        }
        let each = 1 << self.lmul.max(0);
        let (data, fields, index) = (self.bits(7, 5), self.bits(29, 3) + 1, self.bits(20, 5));
        let index_end = index + (1 << (self.lmul + width - self.sew).clamp(0, 3));
        index < data + fields * each && data + each < index_end
    }
}

/// Of what the specification reserves, what QEMU 11 executes. All of it is the one rule of section 5.2: no vector register is read with two element widths,
/// the mask's being one. (QEMU applies it to all other instructions.) Hardware and compilers may not rely on any behaviour of these.
const RESERVED: &[(&str, fn(&Case) -> bool)] = &[
    ("masked integer comparisons of v0", |c| c.is_masked_arithmetic_of_v0(0b011000..=0b011111, &[0, 3, 4])),
    ("masked floating-point comparisons of v0", |c| {
        c.is_masked_arithmetic_of_v0(0b011000..=0b011111, &[1, 5])
    }),
    ("sums and differences of v0 with v0 as the carry", |c| {
        c.is_masked_arithmetic_of_v0(0b010000..=0b010011, &[0, 3, 4])
    }),
    ("masked stores of v0, but for indexed ones", |c| {
        c.store().is_some_and(|mode| mode & 1 == 0) && c.bits(25, 1) == 0 && c.bits(7, 5) == 0
    }),
    ("elements compressed by a mask among them", Case::compresses_its_mask),
    ("indexed segment stores with the index among the later fields", Case::has_index_in_fields),
];

/// The entry of [`RESERVED`] that a line belongs to.
fn reserved(line: &str) -> Option<usize> {
    let case = Case::of(line);
    RESERVED.iter().position(|(_, holds)| holds(&case))
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

fn word_of(line: &str) -> u32 {
    u32::from_str_radix(line.get(..8).unwrap_or(""), 16).expect("a line of vector.c")
}

fn name(line: &str) -> &'static str {
    decode::name(word_of(line)).unwrap_or("?")
}

/// The configuration of a line.
fn configuration(line: &str) -> usize {
    line.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("a line of vector.c")
}

/// FNV-1a of each row's lines but for [`RESERVED`].
fn digests<'a>(lines: impl Iterator<Item = &'a String>) -> BTreeMap<&'static str, u64> {
    let mut out = BTreeMap::new();
    for line in lines.filter(|line| reserved(line).is_none()) {
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
        if ours != theirs && reserved(ours).is_none() {
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
        let mut met = [0; RESERVED.len()];
        for line in &ours {
            if let Some(n) = reserved(line) {
                met[n] += 1;
                assert!(line.ends_with(" signal 4 unchanged"), "{args:?}, {}: {line}", RESERVED[n].0);
            }
        }
        assert!(!met.contains(&0), "{args:?}: not all of what is reserved was tried: {met:?}");
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

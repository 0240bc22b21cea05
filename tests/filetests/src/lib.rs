//! File tests of emitted code: what the translator makes of guest code, kept as text, so that a
//! change of the code is read when it is made.
//!
//! - `GUEST/NAME.test` ([`files`]): cases of guest assembly and the host code of the unit that each
//!   is.
//! - `rows-GUEST.tsv` ([`rows`]): host instructions and bytes for every row of the guest's decode
//!   table.
//!
//! Nothing is run: [`anyarch_host_x86_64::listing`] makes units with the features of a [`Host`]
//! instead of this machine's, at fixed addresses; the print has names for what lies elsewhere from
//! build to build ([`print`]). So the text is the same everywhere.
//!
//! The tests compare; with `ANYARCH_BLESS=1` they write the files anew.

mod arm;
pub mod assemble;
pub mod files;
pub mod memory;
pub mod print;
pub mod rows;

use anyarch_engine::run::Guest;
use anyarch_host_x86_64::Features;
use anyarch_host_x86_64::listing::Lister;
use std::path::{Path, PathBuf};

/// A guest's part in the tests.
pub struct Arch {
    /// For the engine.
    pub guest: &'static Guest,
    /// Makes listings of its code in memory.
    pub lister: for<'a> fn(&'a mut [u8]) -> Lister<'a>,
    /// The prefix of its assembler.
    pub triple: &'static str,
    /// The assembler's arguments.
    pub flags: &'static [&'static str],
    /// What every assembly begins with.
    pub prologue: &'static str,
    /// What every case begins with.
    pub before_case: &'static str,
    /// What the place of a case's instructions is beside their address.
    pub place: fn(&[String]) -> u64,
    /// Where its code lies.
    pub code: u64,
    /// The name of an integer slot.
    pub integer: fn(usize) -> String,
    /// The name of a vector slot.
    pub vector: fn(usize) -> String,
    /// For the tables.
    pub rows: &'static [rows::Rules],
}

/// Where the code of a guest of 64 bits lies.
const CODE: u64 = 0x5000_0000_0000;

/// All guests.
pub const ARCHS: &[Arch] = &[
    Arch {
        guest: &anyarch_aarch64::GUEST,
        lister: |memory| Lister::new::<anyarch_aarch64::Instructions>(memory),
        triple: "aarch64-linux-gnu",
        flags: &["-march=armv8.6-a+crypto"],
        prologue: "",
        before_case: "",
        place: |_| 0,
        code: CODE,
        integer: |n| match n {
            0..31 => format!("x{n}"),
            31 => "sp".into(),
            _ => format!("slot{n}"),
        },
        vector: |n| if n < 32 { format!("v{n}") } else { format!("vec{n}") },
        rows: &[rows::AARCH64],
    },
    Arch {
        guest: &anyarch_riscv64::GUEST,
        lister: |memory| Lister::new::<anyarch_riscv64::Instructions>(memory),
        triple: "riscv64-linux-gnu",
        flags: &["-march=rv64gcv_zba_zbb_zbs"],
        prologue: ".option norelax",
        before_case: "",
        place: |_| 0,
        code: CODE,
        integer: |n| match n {
            0..=31 => format!("x{n}"),
            33 => "vl".into(),
            34 => "vtype".into(),
            35 => "vstart".into(),
            37 => "vkey".into(),
            _ => format!("slot{n}"),
        },
        vector: |n| match n {
            0..32 => format!("f{n}"),
            48.. => format!("v{}", n - 48),
            _ => format!("vec{n}"),
        },
        rows: &[rows::RISCV64],
    },
    arm::ARCH,
];

/// A processor that code is made for.
#[derive(Clone, Copy)]
pub struct Host {
    /// Its name in the files.
    pub name: &'static str,
    /// What it offers.
    pub features: Features,
}

/// What x86-64-v3 has, AES and carry-less multiplication, as nearly all of today's machines; and
/// nothing beyond x86-64-v2.
pub const HOSTS: &[Host] = &[
    Host {
        name: "v3",
        features: Features {
            avx: true,
            avx2: true,
            fma: true,
            f16c: true,
            bmi1: true,
            bmi2: true,
            lzcnt: true,
            aes: true,
            pclmul: true,
            sha: false,
        },
    },
    Host {
        name: "v2",
        features: Features {
            avx: false,
            avx2: false,
            fma: false,
            f16c: false,
            bmi1: false,
            bmi2: false,
            lzcnt: false,
            aes: false,
            pclmul: false,
            sha: false,
        },
    },
];

/// The folder of the files.
pub fn dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Compares a file with what it should be, or writes it.
///
/// # Errors
/// What differs, as text.
pub fn compare(path: &Path, want: &str) -> Result<(), String> {
    let have = std::fs::read_to_string(path).unwrap_or_default();
    if have == want {
        return Ok(());
    }
    if std::env::var_os("ANYARCH_BLESS").is_some() {
        return std::fs::write(path, want).map_err(|e| format!("{}: {e}", path.display()));
    }
    Err(format!("{} differs (- file, + now):\n{}", path.display(), difference(&have, want)))
}

/// The lines that differ, with two lines around.
fn difference(a: &str, b: &str) -> String {
    const AROUND: usize = 2;
    let (a, b): (Vec<&str>, Vec<&str>) = (a.lines().collect(), b.lines().collect());
    let start = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let common = a[start..].iter().rev().zip(b[start..].iter().rev());
    let end = common.take_while(|(x, y)| x == y).count();
    let (x, y) = (&a[start..a.len() - end], &b[start..b.len() - end]);
    // Length of the longest common subsequence of what is behind.
    let mut common = vec![vec![0u32; y.len() + 1]; x.len() + 1];
    for i in (0..x.len()).rev() {
        for j in (0..y.len()).rev() {
            common[i][j] =
                if x[i] == y[j] { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let mut lines: Vec<(char, &str)> = a[..start].iter().map(|&line| (' ', line)).collect();
    let (mut i, mut j) = (0, 0);
    while i < x.len() || j < y.len() {
        if i < x.len() && j < y.len() && x[i] == y[j] {
            lines.push((' ', x[i]));
            (i, j) = (i + 1, j + 1);
        } else if i < x.len() && (j == y.len() || common[i + 1][j] >= common[i][j + 1]) {
            lines.push(('-', x[i]));
            i += 1;
        } else {
            lines.push(('+', y[j]));
            j += 1;
        }
    }
    lines.extend(a[a.len() - end..].iter().map(|&line| (' ', line)));
    let near = |n: usize| {
        lines[n.saturating_sub(AROUND)..(n + AROUND + 1).min(lines.len())].iter().any(|l| l.0 != ' ')
    };
    // A case's name is told if something in the case differs.
    let is_name = |line: &str| line.starts_with('[');
    let differs = |n: usize| lines[n + 1..].iter().take_while(|l| !is_name(l.1)).any(|l| l.0 != ' ');
    let mut text = String::new();
    for (n, (mark, line)) in lines.iter().enumerate() {
        if near(n) || is_name(line) && differs(n) {
            text += &format!("{mark} {line}\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn differences_are_told() {
        let text =
            super::difference("[b]\n0\n[a]\n1\n2\n3\n4\n5\n6\n7\n", "[b]\n0\n[a]\n1\n2\n3\n4\nx\n6\n7\n");
        assert_eq!(text, "  [a]\n  3\n  4\n- 5\n+ x\n  6\n  7\n");
    }
}

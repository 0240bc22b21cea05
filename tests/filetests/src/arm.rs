//! The arm guest's part.

use crate::Arch;
use crate::rows::{Rules, words};
use anyarch_arm::decode::{self, Insn, Set};
use anyarch_host_x86_64::listing::Lister;

/// A case with a line `.thumb` is of T32.
pub(crate) const ARCH: Arch = Arch {
    guest: &anyarch_arm::GUEST,
    lister: |memory| Lister::new::<anyarch_arm::Instructions>(memory),
    triple: "arm-linux-gnueabihf",
    flags: &["-march=armv8-a", "-mfpu=crypto-neon-fp-armv8"],
    prologue: ".syntax unified",
    before_case: ".arm",
    place: |lines| lines.iter().any(|line| line == ".thumb") as u64,
    code: 0x5000_0000,
    integer: |n| match n {
        0..13 => format!("r{n}"),
        13 => "sp".into(),
        14 => "lr".into(),
        _ => format!("slot{n}"),
    },
    vector: |n| if n < 16 { format!("q{n}") } else { format!("vec{n}") },
    rows: &[
        Rules {
            rows: &decode::cond::ROWS,
            name: |word| (word >> 28 != 15).then(|| name(Insn::a32(word, 0))).flatten(),
            code: |word| words(word, BX_LR),
            suffix: "-cond",
            ..A32
        },
        Rules {
            rows: &decode::uncond::ROWS,
            name: |word| (word >> 28 == 15).then(|| name(Insn::a32(word, 0))).flatten(),
            code: |word| words(word, BX_LR),
            suffix: "-uncond",
            ..A32
        },
        Rules {
            rows: &decode::t16::ROWS,
            name: |word| (word < 0xe800).then(|| name(Insn::t32(word, 1))).flatten(),
            code: |word| halves(&[word, 0x4770]),
            suffix: "-t16",
            start: 1,
            ..A32
        },
        Rules {
            rows: &decode::t32::ROWS,
            name: |word| {
                let insn = Insn::t32(word, 1);
                (word >= 0xe800_0000 && insn.set() == Set::T32).then(|| name(insn)).flatten()
            },
            code: |word| halves(&[word >> 16, word, 0x4770]),
            suffix: "-t32",
            start: 1,
            ..A32
        },
    ],
};

const BX_LR: u32 = 0xe12f_ff1e;

const A32: Rules = Rules {
    rows: &[],
    name: |_| None,
    registers: &[
        ("rd", 0, 9),
        ("rt", 0, 9),
        ("rn", 1, 10),
        ("rm", 2, 11),
        ("ra", 3, 9),
        ("rs", 3, 9),
        ("rt2", 3, 10),
        ("lo", 4, 9),
        ("hi", 5, 10),
        ("vd", 0, 12),
        ("vn", 2, 14),
        ("vm", 4, 13),
    ],
    values: &[
        ("cond", 14),
        ("sbz", 0),
        ("sbo", 15),
        ("list", 0x30),
        ("imm24", 16),
        ("imm12", 16),
        ("imm8", 16),
        ("imm5", 3),
        ("imm3", 1),
        ("imm2", 1),
        ("imm*", 3),
        ("mask", 8),
        ("type", 0),
        ("j1", 1),
        ("j2", 1),
        ("p", 1),
        ("u", 1),
        ("w", 0),
    ],
    first: &[("q", 1), ("size", 2), ("sz", 1), ("i", 0)],
    code: |_| Vec::new(),
    suffix: "",
    start: 0,
    likely: 0,
};

fn name(insn: Insn) -> Option<&'static str> {
    decode::decode(insn).row().map(|row| row.name)
}

fn halves(halves: &[u32]) -> Vec<u8> {
    halves.iter().flat_map(|half| (*half as u16).to_le_bytes()).collect()
}

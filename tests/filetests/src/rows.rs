//! The table of rows: what single instructions of every row of a guest's decode table cost.
//!
//! A line is an encoding of a row. The fields of its pattern are filled by rule ([`Rules`],
//! [`word`]): registers that have host registers (`pinned`) or have not (`unpinned`), all distinct;
//! immediates of one small value; and what else there is (sizes, lanes, variants) in up to three
//! ways, of which those that are not allocated are left out. (Where none is, others are tried in a
//! fixed order.) Behind the instruction stands a return, so flags that it sets are read.

use crate::assemble::PAGE;
use crate::memory;
use crate::{Arch, HOSTS, print};
use anyarch_engine::pattern::Row;
use anyarch_host_x86_64::listing::{Lister, Listing};

/// What is a guest's own in the table.
pub struct Rules {
    /// Its decode table.
    pub rows: &'static [Row],
    /// The name of the row that a word is of.
    pub name: fn(u32) -> Option<&'static str>,
    /// Register fields: name, and a pinned and an unpinned register.
    pub registers: &'static [(&'static str, u32, u32)],
    /// Fields that have one value in all encodings. The name may end in `*`; other names come
    /// first.
    pub values: &'static [(&'static str, u32)],
    /// Fields whose value in the first encoding is not zero.
    pub first: &'static [(&'static str, u32)],
    /// The instruction, and a return behind it, as bytes.
    pub code: fn(u32) -> Vec<u8>,
    /// What the table's file is called beside the guest.
    pub suffix: &'static str,
    /// Where a unit begins, from the guest's code on.
    pub start: u64,
    /// What the slot [`anyarch_engine::run::Guest::likely`] is.
    pub likely: u64,
}

/// For aarch64.
pub const AARCH64: Rules = Rules {
    rows: &anyarch_aarch64::decode::ROWS,
    name: |word| anyarch_aarch64::decode::decode(word).row().map(|row| row.name),
    registers: &[
        ("rd", 0, 8),
        ("rt", 0, 8),
        ("rn", 1, 9),
        ("rm", 2, 10),
        ("ra", 3, 11),
        ("rt2", 3, 11),
        ("rs", 4, 12),
    ],
    values: &[
        ("imm3", 3),
        ("imm4", 3),
        ("imm5", 3),
        ("imm6", 3),
        ("imms", 7),
        ("immr", 0),
        ("immlo", 1),
        ("imm*", 16),
        ("immh", 3),
        ("immb", 3),
        ("immhb", 3),
        ("cond", 3),
        ("scale", 60),
        ("nzcv", 5),
        ("mask", 5),
        ("b40", 3),
    ],
    first: &[
        ("sf", 1),
        ("q", 1),
        ("size", 2),
        ("sz", 1),
        ("ftype", 1),
        ("o0", 1),
        ("op1", 3),
        ("crn", 4),
        ("crm", 4),
    ],
    code: |word| words(word, 0xd65f_03c0),
    suffix: "",
    start: 0,
    likely: 0,
};

/// For riscv64. The likely configuration is that of a loop over words: e32, m1, vl counted down
/// from a register.
pub const RISCV64: Rules = Rules {
    rows: &anyarch_riscv64::decode::ROWS,
    name: anyarch_riscv64::decode::name,
    registers: &[
        ("rd", 10, 20),
        ("rs1", 11, 21),
        ("rs2", 12, 22),
        ("rs3", 13, 23),
        ("fd", 10, 20),
        ("fs1", 11, 21),
        ("fs2", 12, 22),
        ("fs3", 13, 23),
        ("vd", 8, 8),
        ("vs1", 24, 24),
        ("vs2", 16, 16),
        ("vs3", 8, 8),
    ],
    values: &[
        ("csr", 3),
        ("zimm", 0xd0),
        ("rm", 7),
        ("im2", 8),
        ("im", 0),
        ("sh", 3),
        ("imm", 0x1000),
        ("uimm", 3),
    ],
    first: &[("fmt", 1), ("m", 1), ("sz", 1), ("nf", 1)],
    code: |word| words(word, 0x0000_8067),
    suffix: "",
    start: 0,
    likely: 2 << 3
        | anyarch_riscv64::v::SHAPED
        | anyarch_riscv64::v::USED
        | anyarch_riscv64::v::COUNTED
        | 4 << 16,
};

/// Two words as bytes.
pub(crate) fn words(first: u32, second: u32) -> Vec<u8> {
    [first.to_le_bytes(), second.to_le_bytes()].concat()
}

const HEAD: &str = "row\tword\tregisters\thost\tbytes\tcold\tglue\n";

/// What the file of the table is to be: a line for each encoding, with host instructions and bytes
/// in the straight line, bytes of cold paths, and the pieces of the glue that the straight line
/// calls or jumps to, and those that cold paths do.
///
/// # Errors
/// If memory cannot be mapped.
pub fn text(arch: &Arch, rules: &Rules) -> std::io::Result<String> {
    // A page for the code, which is written anew for each word.
    memory::with(arch, &HOSTS[0], &[0; PAGE as usize], |lister| {
        let mut text = String::from(HEAD);
        for row in rules.rows {
            lines(&Table { arch, rules }, lister, row, &mut text);
        }
        text
    })
}

/// A table and its guest.
struct Table<'a> {
    arch: &'a Arch,
    rules: &'a Rules,
}

fn lines(table: &Table<'_>, lister: &mut Lister<'_>, row: &Row, text: &mut String) {
    let mut words: Vec<u32> = Vec::new();
    let allocated = |lister: &mut Lister<'_>, word: u32| {
        (table.rules.name)(word) == Some(row.name) && !unit(table, lister, word).is_undefined
    };
    for others in [Others::First, Others::Zeroes, Others::Ones] {
        let word = word(table.rules, row, others, false);
        if !words.contains(&word) && allocated(lister, word) {
            words.push(word);
        }
    }
    let mut found = None;
    if words.is_empty() {
        // Any allocated word: the bits that are no register's are tried in a fixed order.
        let tries = (0..4096).map(|n| word(table.rules, row, Others::Try(n), false));
        for (n, word) in tries.enumerate() {
            if allocated(lister, word) {
                words.push(word);
                found = Some(Others::Try(n as u32));
                break;
            }
        }
    }
    if words.is_empty() {
        // An instruction that is undefined by its semantics.
        let mut tries = (0..4096).map(|n| word(table.rules, row, Others::Try(n), false));
        let is_own = |word: &u32| (table.rules.name)(*word) == Some(row.name);
        words.push(Some(row.value).filter(is_own).or_else(|| tries.find(is_own)).unwrap_or(row.value));
    }
    for &word in &words {
        line(table, lister, row, word, "pinned", text);
    }
    for others in [Others::First, Others::Zeroes, Others::Ones].into_iter().chain(found) {
        let unpinned = word(table.rules, row, others, true);
        if words.contains(&word(table.rules, row, others, false)) {
            if !words.contains(&unpinned) {
                line(table, lister, row, unpinned, "unpinned", text);
            }
            return;
        }
    }
}

fn line(
    table: &Table<'_>,
    lister: &mut Lister<'_>,
    row: &Row,
    word: u32,
    registers: &str,
    text: &mut String,
) {
    let unit = unit(table, lister, word);
    let straight = print::decode(&unit, &unit.insns[0].code);
    let cold = unit.cold.iter().filter(|c| c.1 == 0).map(|c| &c.0);
    let bytes: usize = cold.clone().map(|part| part.len()).sum();
    let far = cold.flat_map(|part| print::pieces(&print::decode(&unit, part)));
    let mut glue: Vec<String> = print::pieces(&straight).into_iter().collect();
    glue.extend(far.collect::<std::collections::BTreeSet<_>>().iter().map(|piece| format!("cold:{piece}")));
    let fields = [
        row.name.to_string(),
        format!("{word:08x}"),
        registers.to_string(),
        straight.len().to_string(),
        unit.insns[0].code.len().to_string(),
        bytes.to_string(),
        if glue.is_empty() { "-".into() } else { glue.join(",") },
    ];
    *text += &format!("{}\n", fields.join("\t"));
}

fn unit(table: &Table<'_>, lister: &mut Lister<'_>, word: u32) -> Listing {
    let code = (table.rules.code)(word);
    // SAFETY: the page that `text` has mapped there, which only this thread uses.
    unsafe { std::ptr::copy_nonoverlapping(code.as_ptr(), table.arch.code as *mut u8, code.len()) };
    lister.unit(table.arch.code + table.rules.start, 0, table.rules.likely, false, 0)
}

/// What the fields are that are neither registers nor immediates.
#[derive(Clone, Copy)]
enum Others {
    /// As [`Rules::first`] says, others zero.
    First,
    /// Zero.
    Zeroes,
    /// Ones.
    Ones,
    /// Whatever follows from a number; immediates too.
    Try(u32),
}

/// A word of the row.
fn word(rules: &Rules, row: &Row, others: Others, unpinned: bool) -> u32 {
    let mut word = row.value;
    let mut lsb = 32;
    for part in row.pattern.split_whitespace() {
        let (name, bits) = match part.split_once(':') {
            Some((name, bits)) => (name, bits.parse().unwrap_or(0)),
            None if part.starts_with(['0', '1', 'x']) => ("", part.len() as u32),
            None => (part, 1),
        };
        lsb -= bits;
        if part.starts_with(['0', '1']) {
            continue;
        }
        let is_named = |n: &str| n == name || n.strip_suffix('*').is_some_and(|n| name.starts_with(n));
        let register = rules.registers.iter().find(|r| r.0 == name && bits >= 4);
        let value = rules.values.iter().find(|v| is_named(v.0));
        let first = rules.first.iter().find(|f| f.0 == name).map_or(0, |f| f.1);
        let field = match (register, value, others) {
            (Some(&(_, pinned, other)), _, _) => {
                if unpinned {
                    other
                } else {
                    pinned
                }
            }
            (_, _, Others::Try(n)) => n.wrapping_add(1).wrapping_mul(0x9e37_79b9).rotate_left(lsb) >> 7,
            (_, Some(value), _) => value.1,
            (_, _, Others::First) => first,
            (_, _, Others::Zeroes) => 0,
            (_, _, Others::Ones) => u32::MAX,
        };
        word |= (field & ((1 << bits) - 1)) << lsb;
    }
    word
}

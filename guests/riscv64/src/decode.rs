//! Decoding: rows of bit patterns that name their semantics (see [`anyarch_engine::pattern`]; there
//! are no condition flags here, so rows do without that word). Compressed instructions are expanded
//! to the words of the same meaning first (`compressed.rs`).
//!
//! Rows are found by opcode (bits 6 to 2) and funct3, then by comparing masks in order.

use crate::features;
use anyarch_engine::ops::{Ops, R, V};
use anyarch_engine::pattern::Row;
pub use anyarch_engine::pattern::undefined;

/// One instruction at its address, with accessors for the fields that many instructions share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Insn {
    /// The word, after expansion.
    pub word: u32,
    /// Its address.
    pub pc: u64,
    /// Its bytes: 2 or 4.
    pub len: u64,
}

/// A general register by number; x0 is zero.
#[inline(always)]
pub fn x(n: u32) -> R {
    if n & 31 == 0 { R::ZERO } else { R(n as u8 & 31) }
}

impl Insn {
    /// `len` bits at `lsb`, zero-extended.
    #[inline(always)]
    pub fn bits(self, lsb: u32, len: u32) -> u32 {
        self.word >> lsb & (u32::MAX >> (32 - len))
    }
    /// Number of rd.
    #[inline(always)]
    pub fn d(self) -> u32 {
        self.bits(7, 5)
    }
    /// Number of rs1.
    #[inline(always)]
    pub fn s1(self) -> u32 {
        self.bits(15, 5)
    }
    /// Number of rs2.
    #[inline(always)]
    pub fn s2(self) -> u32 {
        self.bits(20, 5)
    }
    /// rd.
    #[inline(always)]
    pub fn rd(self) -> R {
        x(self.d())
    }
    /// rs1.
    #[inline(always)]
    pub fn rs1(self) -> R {
        x(self.s1())
    }
    /// rs2.
    #[inline(always)]
    pub fn rs2(self) -> R {
        x(self.s2())
    }
    /// fd.
    #[inline(always)]
    pub fn fd(self) -> V {
        V(self.d() as u8)
    }
    /// fs1.
    #[inline(always)]
    pub fn fs1(self) -> V {
        V(self.s1() as u8)
    }
    /// fs2.
    #[inline(always)]
    pub fn fs2(self) -> V {
        V(self.s2() as u8)
    }
    /// Immediate of I-type.
    #[inline(always)]
    pub fn imm_i(self) -> i64 {
        (self.word as i32 >> 20) as i64
    }
    /// Immediate of S-type.
    #[inline(always)]
    pub fn imm_s(self) -> i64 {
        ((self.word as i32 >> 25) << 5) as i64 | self.bits(7, 5) as i64
    }
    /// Immediate of B-type.
    #[inline(always)]
    pub fn imm_b(self) -> i64 {
        ((self.word as i32 >> 31) << 12) as i64
            | (self.bits(7, 1) << 11 | self.bits(25, 6) << 5 | self.bits(8, 4) << 1) as i64
    }
    /// Immediate of U-type.
    #[inline(always)]
    pub(crate) fn imm_u(self) -> i64 {
        (self.word as i32 & !0xfff) as i64
    }
    /// Immediate of J-type.
    #[inline(always)]
    pub fn imm_j(self) -> i64 {
        ((self.word as i32 >> 31) << 20) as i64
            | (self.bits(12, 8) << 12 | self.bits(20, 1) << 11 | self.bits(21, 10) << 1) as i64
    }
    /// Shift amount of six bits.
    #[inline(always)]
    pub(crate) fn shamt(self) -> u8 {
        self.bits(20, 6) as u8
    }
}

/// Declares a file's rows. Makes `ROWS` and `lift_row`.
#[macro_export]
macro_rules! rows {
    ($( $($first:ident)? $pattern:literal $name:ident $f:path $([$($arg:expr),*])?; )*) => {
        anyarch_engine::rows! { $( $($first)? $pattern $name none $f $([$($arg),*])?; )* }
    };
}

anyarch_engine::tables! {
    int
    system
    atomic
    fp
    v
    v_mem
    v_int
    v_fp
    v_perm
    v_crypto
}

/// Plays the semantics of an instruction.
#[inline]
pub fn lift<O: Ops>(o: &mut O, i: Insn) {
    match decode(i.word) {
        Some(number) if permitted(number, i.word, o.restricted()) => lift_number(o, number, i),
        _ => undefined(o),
    }
}

/// Whether an instruction is there: not if it is of an extension that this host cannot do, or of
/// vectors when the thread may not use them.
#[inline]
fn permitted(number: usize, word: u32, no_vectors: bool) -> bool {
    const OP_VE: u32 = 0x77;
    if word & 0x7f == OP_VE && !features::has(extension(ROWS[number].name)) {
        return false;
    }
    !no_vectors || !is_vector(word)
}

/// The extension of a row of vector cryptography.
#[inline]
fn extension(row: &str) -> &'static str {
    match row.as_bytes() {
        [b'V', b'a', ..] => "zvkned",
        [b'V', b's', ..] => "zvknhb",
        _ => "zvkg",
    }
}

/// Whether a processor whose vector unit is off (VS of the status register) traps at an
/// instruction.
#[inline]
fn is_vector(word: u32) -> bool {
    use crate::v::csr::*;
    let funct3 = word >> 12 & 7;
    match word & 0x7f {
        0x57 | 0x77 => true,
        // Loads and stores, whose other widths are scalars.
        0x07 | 0x27 => matches!(funct3, 0 | 5..=7),
        0x73 => funct3 & 3 != 0 && matches!(word >> 20, VSTART | VXSAT | VXRM | VCSR | VL | VTYPE | VLENB),
        _ => false,
    }
}

/// Opcode and funct3 of a word.
const fn bucket(word: u32) -> usize {
    (word >> 2 & 31 | (word >> 12 & 7) << 5) as usize
}

const fn in_bucket(row: &Row, bucket: usize) -> bool {
    let word = (bucket as u32 & 31) << 2 | (bucket as u32 >> 5) << 12;
    (row.value ^ word) & row.mask & 0x707c == 0
}

const STARTS: [u16; 257] = {
    let (mut out, mut b, mut n) = ([0; 257], 0, 0);
    while b < 256 {
        out[b] = n;
        let mut r = 0;
        while r < COUNT {
            n += in_bucket(&ROWS[r], b) as u16;
            r += 1;
        }
        b += 1;
    }
    out[256] = n;
    out
};

static START: [u16; 257] = STARTS;

static LIST: [(u32, u32, u16); STARTS[256] as usize] = {
    let (mut out, mut b, mut n) = ([(0, 0, 0); STARTS[256] as usize], 0, 0);
    while b < 256 {
        let mut r = 0;
        while r < COUNT {
            if in_bucket(&ROWS[r], b) {
                out[n] = (ROWS[r].mask, ROWS[r].value, r as u16);
                n += 1;
            }
            r += 1;
        }
        b += 1;
    }
    out
};

/// Number of the first row that matches.
#[inline]
pub fn decode(word: u32) -> Option<usize> {
    let b = bucket(word);
    LIST[START[b] as usize..START[b + 1] as usize].iter().find(|r| word & r.0 == r.1).map(|r| r.2 as usize)
}

/// Name of the row that matches.
#[inline]
pub fn name(word: u32) -> Option<&'static str> {
    decode(word).map(|id| ROWS[id].name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyarch_engine::pattern::check;

    #[test]
    fn rows_are_well_formed() {
        assert_eq!(check(&ROWS), Vec::<String>::new());
        // The index is made of opcode and funct3.
        assert!(ROWS.iter().all(|r| r.mask & 0x7f == 0x7f));
    }

    #[test]
    fn vectors_are_what_the_vector_unit_does() {
        for row in &ROWS {
            let scalar = !row.name.starts_with('V');
            let csr = row.name.starts_with("Csr");
            assert_eq!(is_vector(row.value), !scalar, "{}", row.name);
            for (number, vector) in
                [(1, false), (8, true), (15, true), (0xc00, false), (0xc20, true), (0xc22, true)]
            {
                assert_eq!(
                    csr && is_vector(row.value | number << 20),
                    csr && vector,
                    "{} {number:#x}",
                    row.name
                );
            }
        }
    }

    #[test]
    fn cryptography_has_extensions() {
        let names = |extension: &str| {
            let rows = ROWS.iter().filter(|r| r.mask & r.value & 0x7f == 0x77);
            rows.filter(|r| self::extension(r.name) == extension).count()
        };
        assert_eq!([names("zvkned"), names("zvknhb"), names("zvkg")], [11, 3, 2]);
        assert!(
            ["zvkned", "zvknhb", "zvkg"].iter().all(|e| features::EXTENSIONS.iter().any(|x| x.name == *e))
        );
        let vector = decode(0x0220_8057).unwrap();
        assert!(permitted(vector, 0x0220_8057, false) && !permitted(vector, 0x0220_8057, true));
    }

    #[test]
    fn immediates() {
        let check =
            |word, f: fn(Insn) -> i64, want| assert_eq!(f(Insn { word, pc: 0, len: 4 }), want, "{word:08x}");
        check(0xfff5_0513, Insn::imm_i, -1);
        check(0xfea4_3c23, Insn::imm_s, -8);
        check(0xfe05_1ee3, Insn::imm_b, -4);
        check(0xff5f_f0ef, Insn::imm_j, -12);
        check(0x8000_0537, Insn::imm_u, -0x8000_0000);
    }
}

//! Decoding: rows of bit patterns, in the manual's order, that name their semantics.
//!
//! Every instruction is one row of a `rows!` table (see [`anyarch_engine::pattern`] for the rows),
//! and the tables live in the files of the semantics (`int.rs`, `branch.rs`, ...). The flags are
//! NZCV: an instruction that may leave some bit as it was (SETF8, RMIF) is `both`.
//!
//! To add a row: write it in the file of its class, write its function. To add a file: write a
//! `rows!` table in it and name the module in `tables!`. Nothing else; a word that matches no row
//! is undefined.
//!
//! **How it is fast.** At compile time the rows become a table indexed by bits 31 to 21 and, where
//! more than a few rows remain, a second one indexed by bits 15 to 10. What remains is a short list
//! of rows (mostly one) whose masks are compared in order.

use anyarch_engine::ops::{Ops, R, V, W};
pub use anyarch_engine::pattern::undefined;
use anyarch_engine::pattern::{FlagUse, Row, flags};

/// One instruction word at its address, with accessors for the fields that many instructions share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Insn {
    /// The word.
    pub word: u32,
    /// Its address.
    pub pc: u64,
}

impl Insn {
    /// `len` bits at `lsb`, zero-extended.
    #[inline(always)]
    pub fn bits(self, lsb: u32, len: u32) -> u32 {
        self.word >> lsb & (u32::MAX >> (32 - len))
    }

    /// `len` bits at `lsb`, sign-extended.
    #[inline(always)]
    pub fn sbits(self, lsb: u32, len: u32) -> i64 {
        ((self.word << (32 - len - lsb)) as i32 >> (32 - len)) as i64
    }

    /// Bit `n`.
    #[inline(always)]
    pub fn bit(self, n: u32) -> bool {
        self.word >> n & 1 != 0
    }

    /// Width by the sf bit (31).
    #[inline(always)]
    pub fn sf(self) -> W {
        if self.bit(31) { W::W64 } else { W::W32 }
    }

    /// Number in bits 4 to 0 (Rd, Rt).
    #[inline(always)]
    pub fn d(self) -> u8 {
        self.bits(0, 5) as u8
    }

    /// Number in bits 9 to 5 (Rn).
    #[inline(always)]
    pub fn n(self) -> u8 {
        self.bits(5, 5) as u8
    }

    /// Number in bits 20 to 16 (Rm, Rs).
    #[inline(always)]
    pub fn m(self) -> u8 {
        self.bits(16, 5) as u8
    }

    /// Number in bits 14 to 10 (Ra, Rt2).
    #[inline(always)]
    pub fn a(self) -> u8 {
        self.bits(10, 5) as u8
    }

    /// Rd or Rt, 31 = XZR.
    #[inline(always)]
    pub fn rd(self) -> R {
        zr(self.d())
    }

    /// Rn, 31 = XZR.
    #[inline(always)]
    pub fn rn(self) -> R {
        zr(self.n())
    }

    /// Rm or Rs, 31 = XZR.
    #[inline(always)]
    pub fn rm(self) -> R {
        zr(self.m())
    }

    /// Ra or Rt2, 31 = XZR.
    #[inline(always)]
    pub fn ra(self) -> R {
        zr(self.a())
    }

    /// Rd, 31 = SP.
    #[inline(always)]
    pub(crate) fn rd_sp(self) -> R {
        R(self.d())
    }

    /// Rn, 31 = SP.
    #[inline(always)]
    pub(crate) fn rn_sp(self) -> R {
        R(self.n())
    }

    /// Vd or Vt.
    #[inline(always)]
    pub fn vd(self) -> V {
        V(self.d())
    }

    /// Vn.
    #[inline(always)]
    pub fn vn(self) -> V {
        V(self.n())
    }

    /// Vm.
    #[inline(always)]
    pub fn vm(self) -> V {
        V(self.m())
    }

    /// Va or Vt2 (bits 14 to 10).
    #[inline(always)]
    pub fn va(self) -> V {
        V(self.a())
    }
}

/// A general register by number, 31 = XZR.
#[inline(always)]
pub(crate) fn zr(n: u8) -> R {
    if n == 31 { R::ZERO } else { R(n) }
}

anyarch_engine::tables! {
    int
    branch
    system
    ldst
    atomic
    simd_perm
    simd
    simd_shift
    simd_crypto
    simd_mem
    fp
    fp_vec
}

/// Number of a row among all rows, or that of no row (undefined).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RowId(u16);

impl RowId {
    /// The row; `None` for an undefined encoding.
    #[inline]
    pub fn row(self) -> Option<&'static Row> {
        ROWS.get(self.0 as usize)
    }
}

/// The first row that matches.
#[inline]
pub fn decode(insn: u32) -> RowId {
    let mut at = TABLE.first[(insn >> SHIFT1) as usize];
    if at & SECOND != 0 {
        at = TABLE.second[(at & !SECOND) as usize][(insn >> SHIFT2 & 63) as usize];
    }
    let mut at = at as usize;
    loop {
        let id = TABLE.lists[at];
        if id == END || insn & MATCH[id as usize].0 == MATCH[id as usize].1 {
            return RowId(id);
        }
        at += 1;
    }
}

/// What `insn` does with NZCV.
#[inline]
pub fn flag_use(insn: u32) -> FlagUse {
    flag_use_decoded(decode(insn))
}

/// What an instruction of row `id` does with NZCV.
#[inline]
pub(crate) fn flag_use_decoded(id: RowId) -> FlagUse {
    FLAGS.get(id.0 as usize).copied().unwrap_or(flags::none)
}

/// Plays the semantics of `insn`, already decoded, at `pc`.
#[inline]
pub fn lift_decoded<O: Ops>(o: &mut O, id: RowId, insn: u32, pc: u64) {
    lift_number(o, id.0 as usize, Insn { word: insn, pc });
}

/// Plays the semantics of `insn` at `pc`.
#[inline]
pub fn lift<O: Ops>(o: &mut O, insn: u32, pc: u64) {
    lift_decoded(o, decode(insn), insn, pc);
}

// The compiled tables.

const SHIFT1: u32 = 21;
const BITS1: usize = 1 << (32 - SHIFT1);
const SHIFT2: u32 = 10;
/// An entry of the first table that is a number of a second table, not a list.
const SECOND: u16 = 0x8000;
/// End of a list.
const END: u16 = 0xffff;
/// Lists longer than this get a second table.
const LONG: u16 = 3;

static MATCH: [(u32, u32); COUNT] = {
    let mut out = [(0, 0); COUNT];
    let mut i = 0;
    while i < COUNT {
        out[i] = (ROWS[i].mask, ROWS[i].value);
        i += 1;
    }
    out
};

static FLAGS: [FlagUse; COUNT] = {
    let mut out = [flags::none; COUNT];
    let mut i = 0;
    while i < COUNT {
        out[i] = ROWS[i].flags;
        i += 1;
    }
    out
};

struct Table<const S: usize, const L: usize> {
    first: [u16; BITS1],
    second: [[u16; 64]; S],
    lists: [u16; L],
}

/// For each value of bits 31 to 21, how many rows may match.
const COUNTS: [u16; BITS1] = {
    let mut counts = [0; BITS1];
    let mut row = 0;
    while row < COUNT {
        let free = !ROWS[row].mask >> SHIFT1;
        let mut sub = free;
        loop {
            counts[(ROWS[row].value >> SHIFT1 | sub) as usize] += 1;
            if sub == 0 {
                break;
            }
            sub = (sub - 1) & free;
        }
        row += 1;
    }
    counts
};

/// Number of second tables, and of the rows in all lists of the first level.
const SIZES: (usize, usize) = {
    let (mut second, mut rows, mut i) = (0, 0, 0);
    while i < BITS1 {
        second += (COUNTS[i] > LONG) as usize;
        rows += COUNTS[i] as usize;
        i += 1;
    }
    (second, rows)
};

/// Rows by value of bits 31 to 21, without ends; starts in the second part.
const BUCKETS: ([u16; SIZES.1], [u32; BITS1]) = {
    let (mut lists, mut starts, mut fill) = ([0; SIZES.1], [0; BITS1], [0; BITS1]);
    let (mut at, mut i) = (0, 0);
    while i < BITS1 {
        starts[i] = at;
        fill[i] = at as usize;
        at += COUNTS[i] as u32;
        i += 1;
    }
    let mut row = 0;
    while row < COUNT {
        let free = !ROWS[row].mask >> SHIFT1;
        let mut sub = free;
        loop {
            let bucket = (ROWS[row].value >> SHIFT1 | sub) as usize;
            lists[fill[bucket]] = row as u16;
            fill[bucket] += 1;
            if sub == 0 {
                break;
            }
            sub = (sub - 1) & free;
        }
        row += 1;
    }
    (lists, starts)
};

/// Room for lists: the first entry is the empty list, then one list for each single row, then the
/// lists of several rows.
const MAX_LISTS: usize = 0x7fff;

#[allow(long_running_const_eval)]
const BUILT: (Table<{ SIZES.0 }, MAX_LISTS>, usize) = {
    // References, because each use of a constant by name is a copy of it.
    let (buckets, counts, rows) = (&BUCKETS, &COUNTS, &ROWS);
    let mut t = Table { first: [0; BITS1], second: [[0; 64]; SIZES.0], lists: [END; MAX_LISTS] };
    let mut row = 0;
    while row < COUNT {
        t.lists[1 + 2 * row] = row as u16;
        row += 1;
    }
    let mut end = 1 + 2 * COUNT;
    let (mut second, mut i) = (0, 0);
    while i < BITS1 {
        let (start, n) = (buckets.1[i] as usize, counts[i] as usize);
        if counts[i] > LONG {
            let mut j = 0;
            while j < 64 {
                let (mut k, mut found) = (0, end);
                while k < n {
                    let row = buckets.0[start + k];
                    let r = &rows[row as usize];
                    if (r.value >> SHIFT2 ^ j) & (r.mask >> SHIFT2) & 63 == 0 {
                        t.lists[found] = row;
                        found += 1;
                    }
                    k += 1;
                }
                t.second[second][j as usize] = finish(&mut t.lists, &mut end, found);
                j += 1;
            }
            t.first[i] = SECOND | second as u16;
            second += 1;
        } else {
            let mut k = 0;
            while k < n {
                t.lists[end + k] = buckets.0[start + k];
                k += 1;
            }
            let found = end + n;
            t.first[i] = finish(&mut t.lists, &mut end, found);
        }
        i += 1;
    }
    (t, end)
};

/// Ends the list in `end..found`, or replaces it by the common list of its only row or of no row.
const fn finish(lists: &mut [u16; MAX_LISTS], end: &mut usize, found: usize) -> u16 {
    let start = *end;
    match found - start {
        0 => 0,
        1 => {
            let row = lists[start];
            lists[start] = END;
            1 + 2 * row
        }
        _ => {
            *end = found + 1;
            start as u16
        }
    }
}

static TABLE: Table<{ SIZES.0 }, { BUILT.1 }> = {
    let built = &BUILT.0;
    let mut lists = [END; BUILT.1];
    let mut i = 0;
    while i < lists.len() {
        lists[i] = built.lists[i];
        i += 1;
    }
    Table { first: built.first, second: built.second, lists }
};

#[cfg(test)]
mod tests {
    use super::*;
    use anyarch_engine::pattern::check;

    #[test]
    fn rows_are_well_formed() {
        assert_eq!(check(&ROWS), Vec::<String>::new());
    }

    #[test]
    fn table_agrees_with_a_linear_search() {
        let mut x = 1u64;
        let mut next = || {
            x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (x >> 32) as u32
        };
        let check = |word: u32| {
            let slow = ROWS.iter().position(|r| word & r.mask == r.value).map_or(END, |i| i as u16);
            assert_eq!(decode(word), RowId(slow), "{word:08x}");
        };
        for _ in 0..200_000 {
            check(next());
        }
        for row in &ROWS {
            for _ in 0..50 {
                check(next() & !row.mask | row.value);
            }
        }
    }
}

//! Decoding: rows of bit patterns, in the manual's order, that name their semantics.
//!
//! Every instruction is one row of a `rows!` table (see [`anyarch_engine::pattern`]), and the
//! tables live in the files of the semantics. There are four sets of rows: A32 with a condition,
//! A32 without one (bits 31 to 28 are ones), T32 of 16 bits and T32 of 32 bits.
//!
//! T32's coprocessor, floating-point and Advanced SIMD instructions have the fields of A32's.
//! [`Insn::t32`] turns such a word into the A32 word, so that these rows are written once.
//!
//! **The condition.** An instruction's condition (A32's bits 31 to 28, or what ITSTATE says) is
//! [`Insn::cond`]. [`lift`] plays the semantics within [`Ops::when`], except for data processing
//! (`data.rs`), which makes a conditional select of it where it can, and for branches.

use anyarch_engine::ops::{Cond, Ops, R};
pub use anyarch_engine::pattern::undefined;
use anyarch_engine::pattern::{FlagUse, Row, flags, nzcv};

/// What a `pc` of the engine says beside the address. See the crate's text.
pub mod pc {
    /// The instruction set is T32.
    pub const T: u64 = 1;
    /// Where ITSTATE begins.
    pub const IT: u32 = 32;
    /// Data is big-endian.
    pub const E: u64 = 1 << 40;

    /// ITSTATE.
    pub fn it(pc: u64) -> u8 {
        (pc >> IT) as u8
    }

    /// The address.
    pub fn address(pc: u64) -> u32 {
        pc as u32 & !1
    }
}

/// One instruction at its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Insn {
    /// The word: of A32; of T32 with the first half in bits 31 to 16; or a T32 instruction of 16
    /// bits.
    pub word: u32,
    /// Its address and the state in which it runs.
    pub pc: u64,
    /// When it is carried out.
    pub cond: Cond,
    /// Bytes: 2 or 4.
    pub len: u8,
    pub(crate) set: Set,
}

/// A set of rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Set {
    /// A32 with a condition.
    Cond,
    /// A32 without.
    Uncond,
    /// T32, 16 bits.
    T16,
    /// T32, 32 bits.
    T32,
}

impl Insn {
    /// An A32 instruction.
    pub fn a32(word: u32, pc: u64) -> Insn {
        let set = if word >> 28 == 15 { Set::Uncond } else { Set::Cond };
        // Breakpoints have no condition.
        let cond = if word & 0x0ff0_00f0 == 0x0120_0070 { 14 } else { word >> 28 };
        Insn { word, pc, cond: Cond::from_bits(cond), len: 4, set }
    }

    /// A T32 instruction: of 16 bits if `word` is below 0xe800, else of 32 bits with the first half
    /// in bits 31 to 16.
    pub fn t32(word: u32, pc: u64) -> Insn {
        let it = pc::it(pc);
        let cond = if it & 15 == 0 { Cond::Al } else { Cond::from_bits(it as u32 >> 4) };
        if word < 0x10000 {
            // Breakpoints have no condition.
            let cond = if word >> 8 == 0xbe || word >> 6 == 0x2ea { Cond::Al } else { cond };
            return Insn { word, pc, cond, len: 2, set: Set::T16 };
        }
        let (set, word) = if word & 0xef00_0000 == 0xef00_0000 {
            (Set::Uncond, 0xf200_0000 | (word >> 28 & 1) << 24 | word & 0xff_ffff)
        } else if word & 0xff10_0000 == 0xf900_0000 {
            (Set::Uncond, 0xf400_0000 | word & 0xff_ffff)
        } else if word & 0xec00_0000 == 0xec00_0000 {
            (if word >> 28 == 15 { Set::Uncond } else { Set::Cond }, word)
        } else {
            (Set::T32, word)
        };
        Insn { word, pc, cond, len: 4, set }
    }

    /// `len` bits at `lsb`, zero-extended.
    #[inline(always)]
    pub fn bits(self, lsb: u32, len: u32) -> u32 {
        self.word >> lsb & (u32::MAX >> (32 - len))
    }

    /// `len` bits at `lsb`, sign-extended.
    #[inline(always)]
    pub fn sbits(self, lsb: u32, len: u32) -> i32 {
        (self.word << (32 - len - lsb)) as i32 >> (32 - len)
    }

    /// Bit `n`.
    #[inline(always)]
    pub fn bit(self, n: u32) -> bool {
        self.word >> n & 1 != 0
    }

    /// Register number of four bits at `lsb`.
    #[inline(always)]
    pub fn reg(self, lsb: u32) -> u8 {
        self.bits(lsb, 4) as u8
    }

    /// The rows that it is one of.
    pub fn set(self) -> Set {
        self.set
    }

    /// Whether the instruction set is T32.
    #[inline(always)]
    pub fn thumb(self) -> bool {
        self.pc & pc::T != 0
    }

    /// Whether data is big-endian.
    #[inline(always)]
    pub fn big(self) -> bool {
        self.pc & pc::E != 0
    }

    /// Whether it stands in an IT block.
    pub fn in_it(self) -> bool {
        pc::it(self.pc) & 15 != 0
    }

    /// Whether it stands in an IT block and is not its last instruction: control flow must not.
    pub fn inside_it(self) -> bool {
        !matches!(pc::it(self.pc) & 15, 0 | 8)
    }

    /// Its address.
    pub fn address(self) -> u32 {
        pc::address(self.pc)
    }

    /// What reading the program counter gives.
    pub fn pc_value(self) -> u32 {
        self.address().wrapping_add(if self.thumb() { 4 } else { 8 })
    }

    /// [`Insn::pc_value`] as the base of a literal.
    pub fn pc_aligned(self) -> u32 {
        self.pc_value() & !3
    }

    /// The place of a branch target in the same instruction set.
    pub fn place(self, target: u32) -> u64 {
        let target = if self.thumb() { target & !1 } else { target & !3 };
        target as u64 | self.pc & (pc::T | pc::E)
    }

    /// The place of a branch target in the other instruction set.
    pub(crate) fn other_place(self, target: u32) -> u64 {
        (if self.thumb() { target & !3 } else { target & !1 | 1 }) as u64 | self.pc & pc::E
    }

    /// The place of the next instruction.
    #[inline]
    pub fn next(self) -> u64 {
        if self.pc >> pc::IT == 0 && (self.set != Set::T16 || self.word >> 8 != 0xbf) {
            return self.address().wrapping_add(self.len as u32) as u64 | self.pc & pc::T;
        }
        let it = pc::it(self.pc);
        let it = if self.set == Set::T16 && self.word >> 8 == 0xbf && self.word & 15 != 0 {
            self.word as u8
        } else if it & 7 == 0 {
            0
        } else {
            it & 0xe0 | it << 1 & 0x1f
        };
        let address = self.address().wrapping_add(self.len as u32);
        address as u64 | self.pc & (pc::T | pc::E) | (it as u64) << pc::IT
    }
}

/// A general register by number, as a slot. The program counter is none.
#[inline(always)]
pub fn r(n: u8) -> R {
    R(n & 15)
}

macro_rules! set {
    ($name:ident, $shift:literal, $buckets:literal, $($module:ident)*) => {
        /// Rows of one set.
        pub mod $name {
            use super::{Brief, Index, Insn, brief, build, entries};

            anyarch_engine::tables! { $($module)* }

            static INDEX: Index<$buckets, { entries(&ROWS, $shift, $buckets) }> = build(&ROWS, $shift);

            /// By row.
            pub(super) static BRIEF: [Brief; ROWS.len()] = brief(&ROWS);

            /// The first row that matches.
            #[inline]
            pub(super) fn decode(word: u32) -> u16 {
                let mut at = INDEX.first[(word >> $shift) as usize & ($buckets - 1)] as usize;
                loop {
                    let number = INDEX.lists[at];
                    match BRIEF.get(number as usize) {
                        Some(row) if word & row.mask != row.value => at += 1,
                        _ => return number,
                    }
                }
            }

            /// Plays the semantics of a row.
            #[inline]
            pub(super) fn play<O: anyarch_engine::ops::Ops>(o: &mut O, number: usize, i: Insn) {
                lift_number(o, number, i);
            }
        }
    };
}

set!(cond, 20, 256, data mul media branch mem vfp);
set!(uncond, 20, 256, uncond vfp_uncond neon_misc neon_shift neon neon_mem);
set!(t16, 8, 256, t16);
set!(t32, 20, 512, t32 t32_mem);

/// Rows by some of their bits: where the list of each value begins, and the lists, each with an
/// end.
struct Index<const N: usize, const L: usize> {
    first: [u16; N],
    lists: [u16; L],
}

/// What is known of a T32 instruction of 16 bits by its upper ten: the row, and outside of IT
/// blocks the flags that it reads (in the upper half) and writes. `SLOW`: the rest decides, or it
/// is not known to go on at the next instruction.
struct Short {
    row: [u8; 1024],
    flags: [u8; 1024],
}

const SLOW: u8 = 0xff;

static SHORT: Short = {
    let rows = &t16::ROWS;
    assert!(rows.len() < SLOW as usize);
    let mut all = Short { row: [SLOW; 1024], flags: [SLOW; 1024] };
    let mut n = 0;
    while n < 1024 {
        let word = n << 6;
        let mut i = 0;
        // The first row that some of these words are of.
        while i < rows.len() && !may(&rows[i], 6, 1024, n) {
            i += 1;
        }
        if i < rows.len() && rows[i].mask & 0x3f == 0 && rows[i].mask >> 16 == 0xffff {
            all.row[n as usize] = i as u8;
            if goes_on(word) {
                all.flags[n as usize] = rows[i].flags.reads << 4 | rows[i].flags.writes;
            }
        }
        n += 1;
    }
    all
};

/// Whether a T32 instruction of 16 bits goes on at the next one: true of data processing, loads and
/// stores, but for those that may name the program counter.
pub(crate) const fn goes_on(word: u32) -> bool {
    word < 0x4400 || word >> 11 == 9 || word >> 12 >= 5 && word >> 12 <= 10
}

/// The flags that an instruction reads and writes, if it is one of [`goes_on`] outside of IT
/// blocks.
#[inline(always)]
pub(crate) fn short_flags(i: Insn) -> Option<FlagUse> {
    if i.set != Set::T16 || i.pc >> pc::IT & 0xff != 0 {
        return None;
    }
    let flags = SHORT.flags[(i.word >> 6) as usize & 1023];
    (flags != SLOW).then_some(FlagUse { reads: flags >> 4, writes: flags & 15 })
}

/// What decoding needs of a row, close together.
#[derive(Clone, Copy)]
struct Brief {
    mask: u32,
    value: u32,
    flags: FlagUse,
}

const fn brief<const N: usize>(rows: &[Row; N]) -> [Brief; N] {
    let mut all = [Brief { mask: 0, value: 0, flags: flags::none }; N];
    let mut i = 0;
    while i < N {
        all[i] = Brief { mask: rows[i].mask, value: rows[i].value, flags: rows[i].flags };
        i += 1;
    }
    all
}

const END: u16 = 0xffff;

const fn may(row: &Row, shift: u32, n: u32, bucket: u32) -> bool {
    (row.value >> shift ^ bucket) & row.mask >> shift & (n - 1) == 0
}

const fn entries(rows: &[Row], shift: u32, n: u32) -> usize {
    let (mut count, mut bucket) = (n as usize, 0);
    while bucket < n {
        let mut i = 0;
        while i < rows.len() {
            count += may(&rows[i], shift, n, bucket) as usize;
            i += 1;
        }
        bucket += 1;
    }
    count
}

const fn build<const N: usize, const L: usize>(rows: &[Row], shift: u32) -> Index<N, L> {
    let mut index = Index { first: [0; N], lists: [END; L] };
    let (mut at, mut bucket) = (0, 0);
    while bucket < N {
        index.first[bucket] = at as u16;
        let mut i = 0;
        while i < rows.len() {
            if may(&rows[i], shift, N as u32, bucket as u32) {
                index.lists[at] = i as u16;
                at += 1;
            }
            i += 1;
        }
        at += 1;
        bucket += 1;
    }
    index
}

/// The row of an instruction, in its set; [`END`] where there is none. (It goes through registers.)
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RowId {
    number: u16,
    set: Set,
}

impl RowId {
    /// How the row uses the flags.
    #[inline]
    pub(crate) fn flags(self) -> FlagUse {
        let brief: &[Brief] = match self.set {
            Set::Cond => &cond::BRIEF,
            Set::Uncond => &uncond::BRIEF,
            Set::T16 => &t16::BRIEF,
            Set::T32 => &t32::BRIEF,
        };
        brief.get(self.number as usize).map_or(flags::none, |row| row.flags)
    }

    /// The row; `None` for an undefined encoding.
    pub fn row(self) -> Option<&'static Row> {
        rows(self.set).get(self.number as usize)
    }
}

/// The rows of a set.
pub fn rows(set: Set) -> &'static [Row] {
    match set {
        Set::Cond => &cond::ROWS,
        Set::Uncond => &uncond::ROWS,
        Set::T16 => &t16::ROWS,
        Set::T32 => &t32::ROWS,
    }
}

/// The first row that matches.
#[inline]
pub fn decode(i: Insn) -> RowId {
    let number = match i.set {
        Set::Cond => cond::decode(i.word),
        Set::Uncond => uncond::decode(i.word),
        Set::T16 => match SHORT.row[(i.word >> 6) as usize & 1023] {
            SLOW => t16::decode(i.word),
            row => row as u16,
        },
        Set::T32 => t32::decode(i.word),
    };
    RowId { number, set: i.set }
}

/// What an instruction of row `id` does with NZCV. A row's own use is that with the S bit; a
/// condition reads them too.
#[inline(always)]
pub(crate) fn flag_use(id: RowId, i: Insn) -> FlagUse {
    let mut of_row = id.flags();
    if of_row == flags::none {
        // An offset may be RRX.
        let c = if i.set == Set::Cond && rotates_through_carry(i) { nzcv::C } else { 0 };
        return FlagUse { reads: c | read_by(i.cond), writes: 0 };
    }
    let sets = match i.set {
        Set::Cond | Set::T32 if is_data(i) || of_row.writes == nzcv::N | nzcv::Z => i.bit(20),
        // MOVS and its kin set flags outside IT blocks; CMP, CMN and TST always do.
        Set::T16 if is_data(i) => !i.in_it() || of_row.writes != 0 && is_compare16(i.word),
        _ => true,
    };
    if i.set == Set::Cond && i.word & 0x0fff_ffff == 0x0ef1_fa10 {
        // VMRS APSR_nzcv, FPSCR.
        of_row.reads = 0;
    }
    // A branch with a condition of its own.
    match i.set {
        Set::T16 if i.word >> 12 == 13 => of_row.reads = read_by(Cond::from_bits(i.word >> 8)),
        Set::T32 if i.word & 0xf800_d000 == 0xf000_8000 && i.bits(23, 3) != 7 => {
            of_row.reads = read_by(Cond::from_bits(i.bits(22, 4)));
        }
        _ => {}
    }
    // Without S only an addition with carry depends on them.
    let mut reads = if sets || of_row.writes == nzcv::ALL { of_row.reads } else { 0 };
    if rotates_through_carry(i) {
        reads |= nzcv::C;
    }
    let writes = if sets && i.cond == Cond::Al { of_row.writes } else { 0 };
    FlagUse { reads: reads | read_by(i.cond), writes }
}

/// The flags that a condition depends on.
fn read_by(c: Cond) -> u8 {
    use nzcv::{C, N, V, Z};
    match c {
        Cond::Eq | Cond::Ne => Z,
        Cond::Cs | Cond::Cc => C,
        Cond::Mi | Cond::Pl => N,
        Cond::Vs | Cond::Vc => V,
        Cond::Hi | Cond::Ls => C | Z,
        Cond::Ge | Cond::Lt => N | V,
        Cond::Gt | Cond::Le => N | Z | V,
        Cond::Al => 0,
    }
}

/// Whether its second operand or its offset is RRX (or it may be one).
fn rotates_through_carry(i: Insn) -> bool {
    match i.set {
        Set::Cond => i.bits(4, 8) == 6 && matches!(i.bits(25, 3), 0 | 3),
        Set::T32 => i.word >> 25 == 0b1110101 && i.word & 0x70f0 == 0x30,
        _ => false,
    }
}

fn is_compare16(word: u32) -> bool {
    word >> 11 == 5 || word >> 8 == 0x45 || matches!(word >> 6, 0x108 | 0x10a | 0x10b)
}

/// Whether the semantics are `data.rs`'s, which see to the condition.
fn is_data(i: Insn) -> bool {
    let w = i.word;
    match i.set {
        Set::Cond => w >> 26 & 3 == 0 && (cond::decode(w) as usize) < crate::data::ROWS.len(),
        Set::Uncond => false,
        Set::T16 => w < 0x4400 && w >> 6 != 0x10d || w >> 8 >= 0x44 && w >> 8 <= 0x46,
        Set::T32 => {
            w >> 25 == 0b1110101 && w >> 21 & 15 != 6 || w >> 27 == 0b11110 && !i.bit(25) && !i.bit(15)
        }
    }
}

/// Plays the semantics of an instruction, already decoded.
#[inline]
pub fn lift_decoded<O: Ops>(o: &mut O, id: RowId, i: Insn) {
    if i.cond == Cond::Al || is_data(i) {
        return play(o, id, i);
    }
    match crate::branch::target(i) {
        Some(target) => o.branch(i.cond, target),
        None => o.when(i.cond, i.next(), |o| play(o, id, Insn { cond: Cond::Al, ..i })),
    }
}

fn play<O: Ops>(o: &mut O, id: RowId, i: Insn) {
    if id.number == END {
        return undefined(o);
    }
    let number = id.number as usize;
    match id.set {
        Set::Cond => cond::play(o, number, i),
        Set::Uncond => uncond::play(o, number, i),
        Set::T16 => t16::play(o, number, i),
        Set::T32 => t32::play(o, number, i),
    }
}

/// Plays the semantics of an instruction.
#[inline]
pub fn lift<O: Ops>(o: &mut O, i: Insn) {
    lift_decoded(o, decode(i), i);
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyarch_engine::pattern::check;

    #[test]
    fn rows_are_well_formed() {
        for set in [Set::Cond, Set::Uncond, Set::T16, Set::T32] {
            assert_eq!(check(rows(set)), Vec::<String>::new(), "{set:?}");
        }
    }

    #[test]
    fn index_agrees_with_a_linear_search() {
        let mut x = 1u64;
        let mut next = || {
            x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (x >> 32) as u32
        };
        let check = |set: Set, word: u32| {
            let slow = rows(set).iter().position(|r| word & r.mask == r.value);
            let fast = decode(Insn { word, pc: 0, cond: Cond::Al, len: 4, set });
            assert_eq!(fast.number, slow.map_or(END, |n| n as u16), "{set:?} {word:08x}");
        };
        for set in [Set::Cond, Set::Uncond, Set::T16, Set::T32] {
            for _ in 0..100_000 {
                check(set, if set == Set::T16 { next() & 0xffff } else { next() });
            }
            for row in rows(set) {
                for _ in 0..50 {
                    check(set, next() & !row.mask | row.value);
                }
            }
        }
    }

    #[test]
    fn the_short_way_leads_to_the_same_flags() {
        let mut short = 0;
        for word in 0..0xe800 {
            let i = Insn::t32(word, 0x1001);
            let whole = flag_use(decode(i), i);
            if let Some(flags) = short_flags(i) {
                assert_eq!(flags, whole, "{word:04x}");
                assert_eq!(crate::branch::transfer(i), anyarch_engine::run::Transfer::Next);
                short += 1;
            }
            assert_eq!(short_flags(Insn::t32(word, 0x08_0000_1001)), None);
        }
        assert!(short > 0x8000);
    }

    #[test]
    fn itstate_advances() {
        // ITTE EQ; three instructions; none left.
        let mut i = Insn::t32(0xbf06, 0x1001);
        let mut conditions = Vec::new();
        for _ in 0..4 {
            i = Insn::t32(0xbf00, i.next());
            conditions.push(i.cond);
        }
        assert_eq!(conditions, [Cond::Eq, Cond::Eq, Cond::Ne, Cond::Al]);
    }
}

//! Sequences of instructions that the translator makes one step of. First, loops around a load
//! exclusive and a store exclusive as compilers, libraries and run-time systems write them. (Where
//! the processor has FEAT_LSE much code takes its instructions instead; musl, older programs and
//! many compilers' output do not look.)
//!
//! ```text
//! 1: ldxr old, [base]            1: ldxr old, [base]           1: ldxr old, [base]         stxr status, new, [base]
//!    op new, old, src               stxr status, new, [base]      cmp old, src             cbz status, out
//!    stxr status, new, [base]       cbnz status, 1b               b.ne out              1: ldxr old, [base]
//!    cbnz status, 1b                                              stxr status, new, [base] cmp old, src
//!                                                                 cbnz status, 1b          b.eq 1b - 8
//! ```
//!
//! In the latter two a comparison with zero may be `cbnz old` or `cbz old`. With or without acquire
//! and release: the step is sequentially consistent.
//!
//! Also ADRP together with the ADD or load behind it that has the rest of the address, and [`leaf`]
//! functions.
//!
//! Everything lies in one page; code that jumps into the middle is translated as single
//! instructions from there.

use crate::decode::{Insn, zr};
use crate::int::bit_mask;
use anyarch_engine::lift::{CasLoop, Expect, RmwLoop, UnitBuilder};
use anyarch_engine::ops::{Addr, Alu, Ext, LoadExt, MemOrder, R, Size, Src, W};
use anyarch_engine::pattern::nzcv;
use anyarch_engine::run::{Peek, Transfer};

/// Whether a word may begin a sequence: LDXR or LDAXR of any size, or ADRP.
#[inline(always)]
pub(crate) fn is_candidate(word: u32) -> bool {
    is_load_exclusive(word) || word & 0x9f00_0000 == 0x9000_0000
}

#[inline]
fn is_load_exclusive(word: u32) -> bool {
    word & 0x3fff_7c00 == 0x085f_7c00
}

/// Translates the sequence that begins with the instruction, if it is one of ours. `word` fetches.
pub(crate) fn step<T: UnitBuilder>(t: &mut T, first: Insn, word: impl Fn(u64) -> Option<u32>) -> bool {
    if is_load_exclusive(first.word) { exclusive(t, first, word) } else { address(t, first, word) }
}

/// ADRP and the instruction that completes the address in the same register, or loads from it into
/// that.
fn address<T: UnitBuilder>(t: &mut T, adrp: Insn, word: impl Fn(u64) -> Option<u32>) -> bool {
    let (pc, d) = (adrp.pc, adrp.d());
    if pc & 4095 == 4092 || d == 31 {
        return false;
    }
    let Some(word) = word(pc + 4) else { return false };
    let i = Insn { word, pc: pc + 4 };
    if i.d() != d || i.n() != d {
        return false;
    }
    let page = crate::int::adrp_target(adrp);
    let imm12 = i.bits(10, 12) as u64;
    let peek = Peek { len: 8, ..Peek::default() };
    match word & 0xffc0_0000 {
        // ADD (immediate), 64 bits.
        0x9100_0000 => {
            t.begin(8, peek);
            t.mov_addr(zr(d), page.wrapping_add(imm12));
        }
        // LDR and LDRB (immediate, unsigned offset).
        0xf940_0000 | 0xb940_0000 | 0x3940_0000 => {
            let size = i.bits(30, 2);
            t.begin(8, peek);
            let at = Addr::Abs(page.wrapping_add(imm12 << size));
            t.load(Size::from_log2(size), LoadExt::Zero, zr(d), at, MemOrder::Plain);
        }
        _ => return false,
    }
    t.end_step(&[4, 4]);
    true
}

/// See [`anyarch_engine::run::Guest::leaf`]: up to eight instructions. A branch may only be one
/// that is hardly ever taken: of the registers that no compiled function uses for its own purposes,
/// as the outline atomics test for FEAT_LSE.
pub(crate) fn leaf(target: u64, word: impl Fn(u64) -> Option<u32>) -> Option<u64> {
    const RET: u32 = 0xd65f_03c0;
    for i in 0..8 {
        let pc = target.wrapping_add(4 * i);
        if (pc ^ target) >> 12 != 0 || pc & 3 != 0 {
            return None;
        }
        let word = word(pc)?;
        if word == RET {
            return Some(pc + 4);
        }
        let i = Insn { word, pc };
        let fits = match crate::branch::transfer(word, pc) {
            // A hint, or the thread pointer read; nothing else of the system.
            Transfer::Next if word >> 24 == 0xd5 => {
                word & 0xffff_f01f == 0xd503_201f || word & 0xffff_ffe0 == 0xd53b_d040
            }
            Transfer::Next => i.d() != 30 && i.a() != 30,
            Transfer::Cond(_) => word >> 25 & 0x3f == 0x1a && matches!(i.d(), 16 | 17),
            _ => false,
        };
        if !fits || i.d() == 30 {
            return None;
        }
    }
    None
}

/// A loop that begins with a load exclusive.
fn exclusive<T: UnitBuilder>(t: &mut T, load: Insn, word: impl Fn(u64) -> Option<u32>) -> bool {
    let pc = load.pc;
    let at = |offset: i64| {
        let at = pc.wrapping_add(offset as u64);
        let near = (at ^ pc) >> 12 == 0;
        near.then(|| word(at)).flatten().map(|word| Insn { word, pc: at })
    };
    let [Some(second), Some(third)] = [at(4), at(8)] else { return false };
    let size = Size::from_log2(load.bits(30, 2));
    let (old, base) = (load.rd(), load.rn_sp());
    // The new value and the status of the store that belongs to the load.
    let store = |i: Insn| {
        let matches =
            i.word & 0x3fe0_7c00 == 0x0800_7c00 && i.bits(30, 2) == load.bits(30, 2) && i.n() == load.n();
        matches.then(|| (i.rd(), i.rm()))
    };
    // CBNZ (or CBZ) of the status; its target.
    let branch = |i: Insn, nonzero: bool, r: R| {
        let matches =
            i.word & 0x7f00_0000 == 0x3400_0000 | (nonzero as u32) << 24 && i.rd() == r && r != R::ZERO;
        matches.then(|| i.pc.wrapping_add((i.sbits(5, 19) << 2) as u64))
    };
    let back = |i: Option<Insn>, status: R| i.and_then(|i| branch(i, true, status)) == Some(pc);
    let peek = |words: u64, writes: bool, transfer: Transfer| Peek {
        len: 4 * words as u8,
        reads: 0,
        writes: if writes { nzcv::ALL } else { 0 },
        changes: writes,
        transfer,
    };

    // Swap.
    if let Some((new, status)) = store(second) {
        if !back(Some(third), status) {
            return false;
        }
        t.begin(12, peek(3, false, Transfer::Next));
        return finish(t, 3, |t| t.rmw_loop(&RmwLoop { size, old, base, op: None, new, status }));
    }
    // Operation.
    if let Some((op, w, new, src)) = operation(second, old) {
        let Some((value, status)) = store(third) else { return false };
        if value != new || (size == Size::B8) != (w == W::W64) || !back(at(12), status) {
            return false;
        }
        t.begin(16, peek(4, false, Transfer::Next));
        let op = Some((op, w, src));
        return finish(t, 4, |t| t.rmw_loop(&RmwLoop { size, old, base, op, new, status }));
    }
    // Compare and swap: how many instructions compare, and where the branch goes that ends the
    // comparison.
    let wide = |i: Insn| if i.bit(31) { W::W64 } else { W::W32 };
    let (expect, compare, when_equal, target) = if let Some(target) = branch(second, true, old) {
        (Expect::Zero(wide(second)), 1, false, target)
    } else if let Some(target) = branch(second, false, old) {
        (Expect::Zero(wide(second)), 1, true, target)
    } else if let Some(expect) = comparison(second, old) {
        // B.cond with EQ or NE.
        if third.word & 0xff00_001e != 0x5400_0000 {
            return false;
        }
        (expect, 2, !third.bit(0), third.pc.wrapping_add((third.sbits(5, 19) << 2) as u64))
    } else {
        return false;
    };
    let writes = matches!(expect, Expect::Compare { .. });
    if !when_equal {
        let words = 3 + compare;
        let Some((new, status)) = at(4 * words - 8).and_then(store) else { return false };
        if !back(at(4 * words - 4), status) {
            return false;
        }
        let equal = pc + 4 * words as u64;
        let transfer = if target == equal { Transfer::Next } else { Transfer::Cond(target) };
        t.begin(4 * words as u64, peek(words as u64, writes, transfer));
        return finish(t, words as usize, |t| {
            t.cas_loop(&CasLoop {
                size,
                signed: false,
                old,
                base,
                expect,
                new,
                status,
                equal,
                different: target,
            })
        });
    }
    // The store before the load.
    let [Some(first), Some(out)] = [at(-8), at(-4)] else { return false };
    let Some((new, status)) = store(first) else { return false };
    let Some(equal) = branch(out, false, status) else { return false };
    if target != pc - 8 {
        return false;
    }
    let words = 1 + compare;
    let different = pc + 4 * words as u64;
    t.begin(4 * words as u64, peek(words as u64, writes, Transfer::Cond(equal)));
    let done = finish(t, words as usize, |t| {
        t.cas_loop(&CasLoop { size, signed: false, old, base, expect, new, status, equal, different })
    });
    if done {
        t.depends_on(pc - 8, pc);
    }
    done
}

fn finish<T: UnitBuilder>(t: &mut T, words: usize, step: impl FnOnce(&mut T) -> bool) -> bool {
    let done = step(t);
    if done {
        t.end_step(&[4; 5][..words]);
    }
    done
}

/// An operation on `old` that leaves the flags alone: what it does, its width, destination and
/// other operand.
fn operation(i: Insn, old: R) -> Option<(Alu, W, R, Src)> {
    let (d, n, m, w) = (i.rd(), i.rn(), i.rm(), i.sf());
    if d == R::ZERO || n == R::ZERO || old == R::ZERO {
        return None;
    }
    // ADD, SUB (immediate).
    if i.word & 0x3f80_0000 == 0x1100_0000 && n == old {
        let op = if i.bit(30) { Alu::Sub } else { Alu::Add };
        return Some((op, w, d, Src::Imm((i.bits(10, 12) as u64) << if i.bit(22) { 12 } else { 0 })));
    }
    // AND, ORR, EOR (immediate).
    if i.word & 0x1f80_0000 == 0x1200_0000 && n == old {
        let op = [Alu::And, Alu::Or, Alu::Xor].get(i.bits(29, 2) as usize)?;
        return Some((*op, w, d, Src::Imm(bit_mask(i.bit(22), i.bits(16, 6), i.bits(10, 6), w)?)));
    }
    // ADD, SUB (shifted register), not shifted.
    if i.word & 0x3fe0_fc00 == 0x0b00_0000 {
        return match (i.bit(30), n == old, m == old) {
            (false, true, false) => Some((Alu::Add, w, d, Src::Reg(m))),
            (false, false, true) => Some((Alu::Add, w, d, Src::Reg(n))),
            (true, true, false) => Some((Alu::Sub, w, d, Src::Reg(m))),
            _ => None,
        };
    }
    // AND, ORR, EOR and their inverted kin (shifted register), not shifted.
    if i.word & 0x1fc0_fc00 == 0x0a00_0000 {
        let (plain, inverted) = *[(Alu::And, Alu::AndNot), (Alu::Or, Alu::OrNot), (Alu::Xor, Alu::XorNot)]
            .get(i.bits(29, 2) as usize)?;
        return match (i.bit(21), n == old, m == old) {
            (not, true, false) => Some((if not { inverted } else { plain }, w, d, Src::Reg(m))),
            (false, false, true) => Some((plain, w, d, Src::Reg(n))),
            _ => None,
        };
    }
    None
}

/// A CMP of `old`.
fn comparison(i: Insn, old: R) -> Option<Expect> {
    let w = i.sf();
    let (n, m) = (i.rn(), i.rm());
    if i.word & 0x1f != 31 || old == R::ZERO {
        return None;
    }
    let compare = |src| Some(Expect::Compare { w, src, reversed: false });
    // CMP (immediate).
    if i.word & 0x7f80_0000 == 0x7100_0000 && n == old {
        return compare(Src::Imm((i.bits(10, 12) as u64) << if i.bit(22) { 12 } else { 0 }));
    }
    // CMP (shifted register), not shifted.
    if i.word & 0x7fe0_fc00 == 0x6b00_0000 {
        return match (n == old, m == old) {
            (true, false) => compare(Src::Reg(m)),
            (false, true) if n != R::ZERO => Some(Expect::Compare { w, src: Src::Reg(n), reversed: true }),
            _ => None,
        };
    }
    // CMP (extended register), not shifted.
    if i.word & 0x7fe0_1c00 == 0x6b20_0000 && n == old && m != old && i.m() != 31 {
        let ext = [Ext::U8, Ext::U16, Ext::U32, Ext::X64, Ext::S8, Ext::S16, Ext::S32, Ext::X64]
            [i.bits(13, 3) as usize];
        return compare(match ext {
            Ext::X64 => Src::Reg(zr(i.m())),
            ext => Src::Extended(m, ext, 0),
        });
    }
    None
}

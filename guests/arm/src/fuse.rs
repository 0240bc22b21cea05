//! Loops of exclusives as one step (see [`anyarch_engine::lift`]): what compilers make of atomic
//! operations where there are no instructions for these.
//!
//! ```text
//! 1: LDREX old, [base]           1: LDREX old, [base]
//!    ADD new, old, #1               CMP old, expected
//!    STREX status, new, [base]      BNE 2f
//!    CMP status, #0                 STREX status, new, [base]
//!    BNE 1b                         CMP status, #0
//!                                   BNE 1b
//! ```
//!
//! Barriers right before and behind are part of the step, whose locked instruction is one.
//!
//! The operation may be an addition, a subtraction or bitwise, or be left out (a swap). The status
//! is zero at the end, so that NZCV are 0110; a comparison that found what it expects leaves the
//! same.

use crate::branch;
use crate::data::Operand;
use crate::decode::{Insn, Set, r};
use anyarch_engine::lift::{CasLoop, Expect, RmwLoop, UnitBuilder};
use anyarch_engine::ops::{Alu, Cond, R, Size, Src, W};
use anyarch_engine::pattern::nzcv;
use anyarch_engine::run::{Peek, Transfer};

/// Whether an instruction may begin a sequence.
#[inline(always)]
pub(crate) fn is_candidate(i: Insn) -> bool {
    load(i).is_some() || is_barrier(i)
}

/// Plays a loop that begins with this instruction, if one does.
pub(crate) fn exclusive_loop<T: UnitBuilder>(
    t: &mut T,
    head: Insn,
    fetch: impl Fn(u64) -> Option<Insn>,
) -> bool {
    if head.big() || head.in_it() {
        return false;
    }
    let next = |last: Insn| {
        let i = fetch(last.next())?;
        let end = i.address().wrapping_add(i.len as u32 - 1);
        (end >> 12 == head.address() >> 12).then_some(i)
    };
    (|| {
        let mut all = Sequence::default();
        let mut take = |i: Insn| {
            all.push(i);
            i
        };
        let first = if is_barrier(head) { next(take(head))? } else { head };
        let (old, base) = load(first)?;
        let second = next(take(first))?;
        let third = next(take(second))?;
        let fourth = next(take(third))?;
        take(fourth);
        let again = Some(first.pc);
        let behind = |last: Insn| next(last).filter(|&i| is_barrier(i));
        if let Some((status, new)) = store(second, base) {
            if compares_zero(third) != Some(status) || not_equal(fourth) != again {
                return None;
            }
            behind(fourth).map(take);
            return Some(rmw(t, &RmwLoop { size: Size::B4, old, base, op: None, new, status }, &all));
        }
        let fifth = take(next(fourth)?);
        if let Some((op, new, src)) = operation(second).and_then(|o| of_old(o, old)) {
            let (status, stored) = store(third, base)?;
            if compares_zero(fourth) != Some(status) || not_equal(fifth) != again || stored != new {
                return None;
            }
            behind(fifth).map(take);
            let op = Some((op, W::W32, src));
            return Some(rmw(t, &RmwLoop { size: Size::B4, old, base, op, new, status }, &all));
        }
        let sixth = take(next(fifth)?);
        let (a, src) = compare(second)?;
        let (different, (status, new)) = (not_equal(third)?, store(fourth, base)?);
        let repeats = compares_zero(fifth) == Some(status) && not_equal(sixth) == again;
        if a != old || !repeats || src == Src::Reg(old) {
            return None;
        }
        // The way around the store may need its barrier.
        let barrier = behind(sixth).filter(|i| i.pc != different).map(take);
        let equal = barrier.unwrap_or(sixth).next();
        let expect = Expect::Compare { w: W::W32, src, reversed: false };
        let l = CasLoop { size: Size::B4, old, base, signed: false, expect, new, status, equal, different };
        begin(t, &all, if different == equal { Transfer::Next } else { Transfer::Cond(different) });
        Some(t.cas_loop(&l) && end(t, &all))
    })()
    .unwrap_or(false)
}

/// The instructions of a step.
#[derive(Default)]
struct Sequence {
    lens: [u64; 8],
    count: usize,
}

impl Sequence {
    fn push(&mut self, i: Insn) {
        self.lens[self.count] = i.len as u64;
        self.count += 1;
    }

    fn lens(&self) -> &[u64] {
        &self.lens[..self.count]
    }
}

fn rmw<T: UnitBuilder>(t: &mut T, l: &RmwLoop, all: &Sequence) -> bool {
    begin(t, all, Transfer::Next);
    if !t.rmw_loop(l) {
        return false;
    }
    t.alu_flags(Alu::Sub, W::W32, R::ZERO, l.status, Src::Imm(0));
    end(t, all)
}

fn begin<T: UnitBuilder>(t: &mut T, all: &Sequence, transfer: Transfer) {
    let len: u64 = all.lens().iter().sum();
    t.begin(len, Peek { len: len as u8, reads: 0, writes: nzcv::ALL, changes: true, transfer });
}

fn end<T: UnitBuilder>(t: &mut T, all: &Sequence) -> bool {
    t.end_step(all.lens());
    true
}

/// DMB of any kind.
fn is_barrier(i: Insn) -> bool {
    match i.set() {
        Set::Uncond => i.word & 0xffff_fff0 == 0xf57f_f050,
        Set::T32 => i.word & 0xffff_fff0 == 0xf3bf_8f50,
        _ => false,
    }
}

/// LDREX without an offset: what is loaded, and the base.
fn load(i: Insn) -> Option<(R, R)> {
    let is_it = match i.set() {
        Set::Cond => i.word & 0xfff0_0fff == 0xe190_0f9f,
        Set::T32 => i.word & 0xfff0_0fff == 0xe850_0f00,
        _ => false,
    };
    let (t, n) = (i.reg(12), i.reg(16));
    (is_it && t != 15 && n != 15 && t != n).then(|| (r(t), r(n)))
}

/// STREX to the base, without an offset: status, and what is stored.
fn store(i: Insn, base: R) -> Option<(R, R)> {
    let (status, t) = match i.set() {
        Set::Cond if i.word & 0xfff0_0ff0 == 0xe180_0f90 => (i.reg(12), i.reg(0)),
        Set::T32 if i.word & 0xfff0_00ff == 0xe840_0000 => (i.reg(8), i.reg(12)),
        _ => return None,
    };
    let valid = status != 15 && t != 15 && status != t && r(i.reg(16)) == base && r(status) != base;
    valid.then(|| (r(status), r(t)))
}

/// CMP with zero.
fn compares_zero(i: Insn) -> Option<R> {
    compare(i).filter(|c| c.1 == Src::Imm(0)).map(|c| c.0)
}

/// CMP with a register that is not shifted, or with a constant.
fn compare(i: Insn) -> Option<(R, Src)> {
    let (n, src) = match (i.set(), i.word) {
        (Set::Cond, w) if w & 0xfff0_0ff0 == 0xe150_0000 => (i.reg(16), Src::Reg(r(i.reg(0)))),
        (Set::Cond, w) if w & 0xfff0_0000 == 0xe350_0000 => {
            (i.reg(16), constant(Operand::expand(i.bits(0, 12)))?)
        }
        (Set::T16, w) if w >> 11 == 5 => (i.bits(8, 3) as u8, Src::Imm(i.bits(0, 8) as u64)),
        (Set::T16, w) if w >> 6 == 0x10a => (i.bits(0, 3) as u8, Src::Reg(r(i.bits(3, 3) as u8))),
        (Set::T16, w) if w >> 8 == 0x45 => ((i.bits(7, 1) << 3 | i.bits(0, 3)) as u8, Src::Reg(r(i.reg(3)))),
        (Set::T32, w) if w & 0xfff0_ff00 == 0xf1b0_0f00 => (i.reg(16), Src::Imm(i.bits(0, 8) as u64)),
        _ => return None,
    };
    let of_pc = |n: R| n == R(15);
    let valid = n != 15 && !matches!(src, Src::Reg(m) if of_pc(m));
    valid.then(|| (r(n), src))
}

/// The operation with the loaded value first: what it does, the result, the other operand.
fn of_old((op, new, a, src): (Alu, R, R, Src), old: R) -> Option<(Alu, R, Src)> {
    match (op, src) {
        (Alu::Add | Alu::And | Alu::Or | Alu::Xor, Src::Reg(b)) if b == old && a != old => {
            Some((op, new, Src::Reg(a)))
        }
        _ => (a == old).then_some((op, new, src)),
    }
}

fn constant(operand: Operand) -> Option<Src> {
    match operand {
        Operand::Imm(value, _) => Some(Src::Imm(value as u64)),
        _ => None,
    }
}

/// The target of BNE.
fn not_equal(i: Insn) -> Option<u64> {
    let is_it = match i.set() {
        Set::Cond => i.cond == Cond::Ne && i.word >> 24 & 15 == 10,
        Set::T16 => i.word >> 8 == 0xd1,
        _ => false,
    };
    match branch::transfer(i) {
        Transfer::Cond(target) if is_it => Some(target),
        _ => None,
    }
}

/// An operation on a register and another, or a constant: operation, result, the two. (Flags that
/// it sets are overwritten.)
fn operation(i: Insn) -> Option<(Alu, R, R, Src)> {
    let low = |lsb: u32| i.bits(lsb, 3) as u8;
    let (op, d, n, src) = match (i.set(), i.word) {
        (Set::Cond, w) if w >> 28 == 14 && w >> 26 & 3 == 0 && !i.bit(20) => {
            let op = match i.bits(21, 4) {
                0 => Alu::And,
                1 => Alu::Xor,
                2 => Alu::Sub,
                4 => Alu::Add,
                12 => Alu::Or,
                14 => Alu::AndNot,
                _ => return None,
            };
            let src = match i.bit(25) {
                true => constant(Operand::expand(i.bits(0, 12)))?,
                false if i.bits(4, 8) == 0 => Src::Reg(r(i.reg(0))),
                false => return None,
            };
            (op, i.reg(12), i.reg(16), src)
        }
        // ANDS, EORS, ORRS, BICS.
        (Set::T16, w) if w >> 10 == 0x10 => {
            let op = match w >> 6 & 15 {
                0 => Alu::And,
                1 => Alu::Xor,
                12 => Alu::Or,
                14 => Alu::AndNot,
                _ => return None,
            };
            (op, low(0), low(0), Src::Reg(r(low(3))))
        }
        (Set::T16, w) if w >> 9 == 0xc => (Alu::Add, low(0), low(3), Src::Reg(r(low(6)))),
        (Set::T16, w) if w >> 9 == 0xd => (Alu::Sub, low(0), low(3), Src::Reg(r(low(6)))),
        (Set::T16, w) if w >> 9 == 0xe => (Alu::Add, low(0), low(3), Src::Imm(i.bits(6, 3) as u64)),
        (Set::T16, w) if w >> 9 == 0xf => (Alu::Sub, low(0), low(3), Src::Imm(i.bits(6, 3) as u64)),
        (Set::T16, w) if w >> 11 == 6 => (Alu::Add, low(8), low(8), Src::Imm(i.bits(0, 8) as u64)),
        (Set::T16, w) if w >> 11 == 7 => (Alu::Sub, low(8), low(8), Src::Imm(i.bits(0, 8) as u64)),
        // A constant of eight bits; a register that is not shifted.
        (Set::T32, w) if w & 0xfe10_f000 == 0xf000_0000 || w & 0xfe10_f0f0 == 0xea00_0000 => {
            let op = match i.bits(21, 4) {
                0 => Alu::And,
                1 => Alu::AndNot,
                2 => Alu::Or,
                4 => Alu::Xor,
                8 => Alu::Add,
                13 => Alu::Sub,
                _ => return None,
            };
            let src = if w >> 28 == 15 { Src::Imm(i.bits(0, 8) as u64) } else { Src::Reg(r(i.reg(0))) };
            (op, i.reg(8), i.reg(16), src)
        }
        _ => return None,
    };
    let valid = d != 15 && n != 15 && src != Src::Reg(R(15));
    valid.then(|| (op, r(d), r(n), src))
}

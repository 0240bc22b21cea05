//! Instructions between elements of one width and of twice or half of it.
//!
//! Registers are done in ascending order. A destination that overlaps a source as the specification allows is then never written before the source's register
//! at that place was read: wider elements overtake narrower ones only in the last register of both, and narrower ones stay behind.

use super::parts::{T, args, define, unmasked};
use super::{splat, v};
use crate::decode::Insn;
use crate::v::Group;
use crate::v_fp::{Conversion, Op as Float};
use crate::v_int::Op;
use anyarch_engine::fp::{FOp, imm};
use anyarch_engine::ops::{Alu, Helper, Ops, R, Round, Src, V, VArgs, W};
use anyarch_engine::state::mode;
use anyarch_engine::vec::{HIGH, VOp};

/// Flag of an operation on a half of a register: the upper one for odd `n`.
fn half(n: u32) -> u32 {
    if n & 1 != 0 { HIGH } else { 0 }
}

/// d = half `n` of a, its elements extended to `1 << es` bytes.
pub(super) fn extend_half<O: Ops>(o: &mut O, signed: bool, es: u32, d: V, a: V, n: u32) {
    o.vec(if signed { VOp::ShlLongS } else { VOp::ShlLongU }, args(es, d, a, a, a, half(n)));
}

/// Whether an instruction may write d from these sources, and read d itself if it `accumulates`.
fn allowed(d: Group, a: Group, b: Option<Group>, accumulates: bool) -> bool {
    let b = b.unwrap_or(a);
    a.readable_with(b)
        && d.may_overwrite(a)
        && d.may_overwrite(b)
        && (!accumulates || d.readable_with(a) && d.readable_with(b))
}

/// Integer operations with a result of twice the width; `wide_a`: vs2 has that too; else `signed` says how the operands are extended.
pub(crate) fn int<O: Ops>(
    o: &mut O,
    i: Insn,
    op: Op,
    wide_a: bool,
    signed: [bool; 2],
    f: Helper,
    arg: u64,
) -> bool {
    let Some(s) = unmasked(o, i) else { return false };
    let (es, vector) = (s.sew + 1, i.bits(12, 3) < 3);
    let (Some(d), Some(a), b) =
        (s.group(i.d(), es), s.group(i.s2(), s.sew + wide_a as u32), s.group(i.s1(), s.sew))
    else {
        return false;
    };
    if vector && b.is_none() || !allowed(d, a, b.filter(|_| vector), op == Op::Macc) {
        return false;
    }
    let same = signed[0] == signed[1];
    let choose = |s, u| Some(if signed[1] { s } else { u });
    let whole = match op {
        Op::Add if wide_a => choose(VOp::AddWideS, VOp::AddWideU),
        Op::Sub if wide_a => choose(VOp::SubWideS, VOp::SubWideU),
        Op::Add => choose(VOp::AddLongS, VOp::AddLongU),
        Op::Sub => choose(VOp::SubLongS, VOp::SubLongU),
        Op::Mul if same => choose(VOp::MulLongS, VOp::MulLongU),
        Op::Macc if same => choose(VOp::MulLongAddS, VOp::MulLongAddU),
        // Operands of different signs are extended first. There is no host code for products of 64 bits.
        Op::Mul | Op::Macc if es < 3 => None,
        _ => return false,
    };
    if !s.guard(o, f, arg) {
        return true;
    }
    if !vector {
        o.vdup(T[0], s.sew as u8, 16, i.rs1());
    }
    for n in 0..d.registers() {
        let a = v(a.reg + if wide_a { n } else { n / 2 });
        let (b, old) = (if vector { v(i.s1() + n / 2) } else { T[0] }, v(d.reg + n));
        define(o, d, n, |o, slot| match whole {
            Some(op) => o.vec(op, args(es, slot, a, b, old, half(n))),
            None => {
                extend_half(o, signed[0], es, T[1], a, n);
                extend_half(o, signed[1], es, T[2], b, n);
                let op = if op == Op::Mul { VOp::Mul } else { VOp::MulAdd };
                o.vec(op, args(es, slot, T[1], T[2], old, 0));
            }
        });
    }
    true
}

/// VZEXT and VSEXT: from elements of `1 << shift` times less.
pub(crate) fn extend<O: Ops>(o: &mut O, i: Insn, shift: u32, signed: bool, f: Helper, arg: u64) -> bool {
    let Some(s) = unmasked(o, i).filter(|s| s.sew >= shift) else { return false };
    let from = s.sew - shift;
    let (Some(d), Some(a)) = (s.group(i.d(), s.sew), s.group(i.s2(), from)) else { return false };
    if !d.may_overwrite(a) {
        return false;
    }
    if !s.guard(o, f, arg) {
        return true;
    }
    for n in 0..d.registers() {
        define(o, d, n, |o, slot| {
            // Halves of halves.
            let mut source = v(a.reg + (n >> shift));
            for step in 1..=shift {
                let to = if step == shift { slot } else { T[0] };
                extend_half(o, signed, from + step, to, source, n >> (shift - step));
                source = to;
            }
        });
    }
    true
}

/// VNSRL and VNSRA.
pub(crate) fn narrow<O: Ops>(o: &mut O, i: Insn, op: Op, f: Helper, arg: u64) -> bool {
    let Some(s) = unmasked(o, i) else { return false };
    let (wide, form) = (s.sew + 1, i.bits(12, 3));
    let (Some(d), Some(a), b) = (s.group(i.d(), s.sew), s.group(i.s2(), wide), s.group(i.s1(), s.sew)) else {
        return false;
    };
    let (vector, immediate) = (form < 3, form == 3);
    if vector && b.is_none() || !allowed(d, a, b.filter(|_| vector), false) {
        return false;
    }
    let (by_constant, by_register) = match op {
        Op::Srl => (VOp::ShrU, VOp::ShiftU),
        Op::Sra => (VOp::ShrS, VOp::ShiftS),
        _ => return false,
    };
    if !s.guard(o, f, arg) {
        return true;
    }
    let (bits, most) = (8 << s.sew, (16u64 << s.sew) - 1);
    let amount = i.s1() & most as u32;
    if vector {
        o.vconst(T[4], splat(wide, most));
    } else if !immediate {
        o.alu(Alu::And, W::W64, R::T0, i.rs1(), Src::Imm(most));
        o.alu(Alu::Sub, W::W64, R::T0, R::ZERO, Src::Reg(R::T0));
        o.vdup(T[4], wide as u8, 16, R::T0);
    }
    let halves = if a.emul > 0 { 2 } else { 1 };
    for n in 0..d.registers() {
        define(o, d, n, |o, slot| {
            for h in 0..halves {
                let mut x = v(a.reg + halves * n + h);
                let mut last = amount;
                if !immediate || amount > bits {
                    if vector {
                        extend_half(o, false, wide, T[1], v(i.s1() + n), h);
                        o.vec(VOp::And, args(wide, T[1], T[1], T[4], T[1], 0));
                        o.vec(VOp::Neg, args(wide, T[1], T[1], T[1], T[1], 0));
                    }
                    let (op, by) = if immediate {
                        (by_constant, x)
                    } else {
                        (by_register, if vector { T[1] } else { T[4] })
                    };
                    o.vec(op, args(wide, T[1], x, by, x, if immediate { amount } else { 0 }));
                    (x, last) = (T[1], 0);
                }
                // The sign does not matter any more: what is left of the element is below its bits.
                if h == 0 {
                    let d = if halves == 1 { slot } else { T[0] };
                    o.vec(VOp::ShrNarrow, VArgs { bytes: 8, ..args(s.sew, d, x, x, x, last) });
                } else {
                    o.vec(VOp::ShrNarrow, args(s.sew, slot, x, x, T[0], last | HIGH));
                }
            }
        });
    }
    true
}

/// Whether host code has the environment's direction of rounding.
fn rounds<O: Ops>(o: &O) -> bool {
    matches!(o.fp_mode(), mode::EXACT | mode::DIRECTED)
}

/// d = half `n` of a, converted to the next larger floating-point format, that of `1 << es` bytes.
pub(super) fn convert_half<O: Ops>(o: &mut O, es: u32, d: V, a: V, n: u32) {
    let op = if n & 1 != 0 { FOp::WidenHigh } else { FOp::Convert };
    o.fp(op, VArgs { es: es as u8 - 1, ..args(es, d, a, a, a, es) });
}

/// Floating-point operations with a result of twice the width; `wide_a`: vs2 has that too.
pub(crate) fn float<O: Ops>(o: &mut O, i: Insn, op: Float, wide_a: bool, f: Helper, arg: u64) -> bool {
    let Some(s) = unmasked(o, i) else { return false };
    let (es, vector) = (s.sew + 1, i.bits(12, 3) == 1);
    let (op, accumulates) = match op {
        Float::Add => (FOp::Add, false),
        Float::Sub => (FOp::Sub, false),
        Float::Mul => (FOp::Mul, false),
        Float::Macc => (FOp::MulAdd, true),
        Float::Nmacc => (FOp::NegMulAdd, true),
        Float::Msac => (FOp::NegMulSub, true),
        Float::Nmsac => (FOp::MulSub, true),
        _ => return false,
    };
    let (Some(d), Some(a), b) =
        (s.group(i.d(), es), s.group(i.s2(), s.sew + wide_a as u32), s.group(i.s1(), s.sew))
    else {
        return false;
    };
    // What lies behind a fractional group must not raise flags.
    if !rounds(o) || !(1..=2).contains(&s.sew) || d.emul < 0 {
        return false;
    }
    if vector && b.is_none() || !allowed(d, a, b.filter(|_| vector), accumulates) {
        return false;
    }
    if !vector && !o.check_boxes(s.sew as u8, &[i.fs1()], f, arg) {
        return true;
    }
    if !s.guard(o, f, arg) {
        return true;
    }
    if !vector {
        let lane = VArgs { es: s.sew as u8, bytes: 1 << es, ..args(es, T[4], i.fs1(), i.fs1(), i.fs1(), es) };
        o.fp(FOp::Convert, lane);
        o.vec(VOp::DupLane, args(es, T[4], T[4], T[4], T[4], 0));
    }
    for n in 0..d.registers() {
        let (mut x, mut y, slot) = (v(a.reg + n), T[4], v(d.reg + n));
        if vector {
            y = T[1];
            convert_half(o, es, y, v(i.s1() + n / 2), n);
        }
        if !wide_a {
            x = T[0];
            convert_half(o, es, x, v(a.reg + n / 2), n);
        }
        o.fp(op, args(es, slot, x, y, slot, imm::round(Round::Current)));
    }
    true
}

/// Conversions to twice or half the width.
pub(crate) fn convert<O: Ops>(o: &mut O, i: Insn, c: Conversion, f: Helper, arg: u64) -> bool {
    use Conversion::*;
    let Some(s) = unmasked(o, i) else { return false };
    let (from, to) = match c {
        WideFromU | WideFromS | WideFloat => (s.sew, s.sew + 1),
        NarrowFloat | NarrowToS | NarrowToSz | NarrowToU | NarrowToUz => (s.sew + 1, s.sew),
        _ => return false,
    };
    // The formats with host code. (Integers of 16 bits are exact in a single.)
    let known = match c {
        WideFromU | WideFromS | WideFloat | NarrowFloat => (1..=2).contains(&s.sew),
        _ => s.sew == 2,
    };
    let (Some(d), Some(a)) = (s.group(i.d(), to), s.group(i.s2(), from)) else { return false };
    // What lies behind a fractional group must not raise flags.
    if !rounds(o) || !known || !d.may_overwrite(a) || d.emul.max(a.emul) < 0 {
        return false;
    }
    if !s.guard(o, f, arg) {
        return true;
    }
    let current = imm::to_int(Round::Current, 0);
    for n in 0..d.registers() {
        match c {
            WideFloat => convert_half(o, to, v(d.reg + n), v(a.reg + n / 2), n),
            WideFromS | WideFromU => {
                // One bit more than needed, so that no number is negative that was not.
                extend_half(o, c == WideFromS, to, T[0], v(a.reg + n / 2), n);
                o.fp(FOp::FromSigned, args(to, v(d.reg + n), T[0], T[0], T[0], current));
            }
            NarrowFloat => define(o, d, n, |o, slot| {
                let x = v(a.reg + if a.emul > 0 { 2 * n } else { n });
                let low = VArgs { es: from as u8, bytes: 8, ..args(to, T[0], x, x, x, to) };
                if a.emul == 0 {
                    return o.fp(FOp::Convert, VArgs { d: slot, ..low });
                }
                o.fp(FOp::Convert, low);
                let x = v(a.reg + 2 * n + 1);
                o.fp(FOp::NarrowHigh, VArgs { es: from as u8, ..args(to, slot, x, x, T[0], to) });
            }),
            _ => define(o, d, n, |o, slot| {
                // One lane after the other.
                let signed = matches!(c, NarrowToS | NarrowToSz);
                let round = if matches!(c, NarrowToS | NarrowToU) { Round::Current } else { Round::Zero };
                for lane in 0..if a.emul > 0 { 4 } else { 2 } {
                    let mut x = v(a.reg + if a.emul > 0 { 2 * n } else { n } + lane / 2);
                    if lane & 1 != 0 {
                        o.vec(VOp::DupLane, VArgs { bytes: 8, ..args(from, T[0], x, x, x, 1) });
                        x = T[0];
                    }
                    o.fp_to_int(signed, round, W::W32, R::T0, x, from as u8, 0);
                    o.vset(T[1], to as u8, lane as u8, R::T0);
                }
                o.vec(VOp::Mov, args(to, slot, T[1], T[1], T[1], 0));
            }),
        }
    }
    true
}

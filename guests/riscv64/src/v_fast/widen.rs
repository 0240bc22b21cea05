//! Instructions between elements of one width and of twice or half of it.
//!
//! Registers are done in ascending order. A destination that overlaps a source as the specification
//! allows is then never written before the source's register at that place was read: wider elements
//! overtake narrower ones only in the last register of both, and narrower ones stay behind.

use super::fp::rounds;
use super::parts::{T, args};
use super::{Form, forms, guarded, likely_form, splat, v};
use crate::decode::Insn;
use crate::v_fp::{Conversion, Op as Float};
use crate::v_int::Op;
use anyarch_engine::fp::{FOp, imm};
use anyarch_engine::ops::{Alu, Helper, Ops, R, Round, Src, V, VArgs, W};
use anyarch_engine::vec::{HIGH, VOp};

/// Flag of an operation on a half of a register: the upper one for odd `n`.
fn half(n: u32) -> u32 {
    if n & 1 != 0 { HIGH } else { 0 }
}

/// d = half `n` of a, its elements extended to `1 << es` bytes.
pub(super) fn extend_half<O: Ops>(o: &mut O, signed: bool, es: u32, d: V, a: V, n: u32) {
    o.vec(if signed { VOp::ShlLongS } else { VOp::ShlLongU }, args(es, d, a, a, a, half(n)));
}

/// Whether vd, vs2 and, in the `vector` form, vs1 may be where they are, of elements so many times
/// wider than SEW (as a power of two); `accumulates`: vd is read.
fn allowed(form: Form, i: Insn, widths: [u32; 3], vector: bool, accumulates: bool) -> bool {
    let group = |reg, more| form.group(reg, form.sew + more);
    let (Some(d), Some(a)) = (group(i.d(), widths[0]), group(i.s2(), widths[1])) else { return false };
    let Some(b) = (if vector { group(i.s1(), widths[2]) } else { Some(a) }) else { return false };
    a.readable_with(b)
        && d.may_overwrite(a)
        && d.may_overwrite(b)
        && (!accumulates || d.readable_with(a) && d.readable_with(b))
}

/// Integer operations with a result of twice the width; `wide_a`: vs2 has that too; else `signed`
/// says how the operands are extended.
pub(crate) fn int<O: Ops>(
    o: &mut O,
    i: Insn,
    op: Op,
    wide_a: bool,
    signed: [bool; 2],
    f: Helper,
    arg: u64,
) -> bool {
    let vector = i.bits(12, 3) < 3;
    let same = signed[0] == signed[1];
    let choose = |s, u| Some(if signed[1] { s } else { u });
    let whole = match op {
        Op::Add if wide_a => choose(VOp::AddWideS, VOp::AddWideU),
        Op::Sub if wide_a => choose(VOp::SubWideS, VOp::SubWideU),
        Op::Add => choose(VOp::AddLongS, VOp::AddLongU),
        Op::Sub => choose(VOp::SubLongS, VOp::SubLongU),
        Op::Mul if same => choose(VOp::MulLongS, VOp::MulLongU),
        Op::Macc if same => choose(VOp::MulLongAddS, VOp::MulLongAddU),
        // Operands of different signs are extended first.
        Op::Mul | Op::Macc => None,
        _ => return false,
    };
    let fits = |form: Form| {
        // There is no host code for products of 64 bits.
        (whole.is_some() || form.sew < 2) && allowed(form, i, [1, wide_a as u32, 0], vector, op == Op::Macc)
    };
    forms(o, i, f, arg, fits, |o, form| {
        let wide = form.with_width(form.sew + 1);
        let es = wide.sew;
        if !vector {
            o.vdup(T[0], form.sew as u8, 16, i.rs1());
        }
        for n in 0..wide.registers() {
            let a = v(i.s2() + if wide_a { n } else { n / 2 });
            let (b, old) = (if vector { v(i.s1() + n / 2) } else { T[0] }, v(i.d() + n));
            wide.define(o, i.d(), n, |o, slot| match whole {
                Some(op) => o.vec(op, args(es, slot, a, b, old, half(n))),
                None => {
                    extend_half(o, signed[0], es, T[1], a, n);
                    extend_half(o, signed[1], es, T[2], b, n);
                    let op = if op == Op::Mul { VOp::Mul } else { VOp::MulAdd };
                    o.vec(op, args(es, slot, T[1], T[2], old, 0));
                }
            });
        }
    })
}

/// VZEXT and VSEXT: from elements of `1 << shift` times less.
pub(crate) fn extend<O: Ops>(o: &mut O, i: Insn, shift: u32, signed: bool, f: Helper, arg: u64) -> bool {
    let fits = |form: Form| {
        let groups = form
            .sew
            .checked_sub(shift)
            .and_then(|from| form.group(i.d(), form.sew).zip(form.group(i.s2(), from)));
        groups.is_some_and(|(d, a)| d.may_overwrite(a))
    };
    forms(o, i, f, arg, fits, |o, form| {
        for n in 0..form.registers() {
            form.define(o, i.d(), n, |o, slot| {
                // Halves of halves.
                let mut source = v(i.s2() + (n >> shift));
                for step in 1..=shift {
                    let to = if step == shift { slot } else { T[0] };
                    extend_half(o, signed, form.sew - shift + step, to, source, n >> (shift - step));
                    source = to;
                }
            });
        }
    })
}

/// VWSLL.
pub(crate) fn shift<O: Ops>(o: &mut O, i: Insn, f: Helper, arg: u64) -> bool {
    let kind = i.bits(12, 3);
    let (vector, immediate) = (kind < 3, kind == 3);
    let fits = |form: Form| form.sew < 3 && allowed(form, i, [1, 0, 0], vector, false);
    forms(o, i, f, arg, fits, |o, form| {
        let wide = form.with_width(form.sew + 1);
        let (es, most) = (wide.sew, (8u64 << wide.sew) - 1);
        let amount = i.s1() & most as u32;
        if vector {
            o.vconst(T[4], splat(es, most));
        } else if !immediate {
            o.alu(Alu::And, W::W64, R::T0, i.rs1(), Src::Imm(most));
            o.vdup(T[4], es as u8, 16, R::T0);
        }
        for n in 0..wide.registers() {
            wide.define(o, i.d(), n, |o, slot| {
                let a = v(i.s2() + n / 2);
                if immediate {
                    extend_half(o, false, es, T[1], a, n);
                    let op = if amount == 0 { VOp::Mov } else { VOp::Shl };
                    return o.vec(op, args(es, slot, T[1], T[1], T[1], amount));
                }
                let mut by = T[4];
                if vector {
                    by = T[2];
                    extend_half(o, false, es, by, v(i.s1() + n / 2), n);
                    o.vec(VOp::And, args(es, by, by, T[4], by, 0));
                }
                extend_half(o, false, es, T[1], a, n);
                o.vec(VOp::ShiftU, args(es, slot, T[1], by, T[1], 0));
            });
        }
    })
}

/// VNSRL and VNSRA.
pub(crate) fn narrow<O: Ops>(o: &mut O, i: Insn, op: Op, f: Helper, arg: u64) -> bool {
    let kind = i.bits(12, 3);
    let (vector, immediate) = (kind < 3, kind == 3);
    let (by_constant, by_register) = match op {
        Op::Srl => (VOp::ShrU, VOp::ShiftU),
        Op::Sra => (VOp::ShrS, VOp::ShiftS),
        _ => return false,
    };
    forms(
        o,
        i,
        f,
        arg,
        |form| allowed(form, i, [0, 1, 0], vector, false),
        |o, form| {
            let wide = form.sew + 1;
            let (bits, most) = (8 << form.sew, (16u64 << form.sew) - 1);
            let amount = i.s1() & most as u32;
            if vector {
                o.vconst(T[4], splat(wide, most));
            } else if !immediate {
                o.alu(Alu::And, W::W64, R::T0, i.rs1(), Src::Imm(most));
                o.alu(Alu::Sub, W::W64, R::T0, R::ZERO, Src::Reg(R::T0));
                o.vdup(T[4], wide as u8, 16, R::T0);
            }
            let halves = if form.lmul >= 0 { 2 } else { 1 };
            for n in 0..form.registers() {
                form.define(o, i.d(), n, |o, slot| {
                    for h in 0..halves {
                        let mut x = v(i.s2() + halves * n + h);
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
                        // The sign does not matter any more: what is left of the element is below
                        // its bits.
                        if h == 0 {
                            let d = if halves == 1 { slot } else { T[0] };
                            o.vec(VOp::ShrNarrow, VArgs { bytes: 8, ..args(form.sew, d, x, x, x, last) });
                        } else {
                            o.vec(VOp::ShrNarrow, args(form.sew, slot, x, x, T[0], last | HIGH));
                        }
                    }
                });
            }
        },
    )
}

/// d = half `n` of a, converted to the next larger floating-point format, that of `1 << es` bytes.
pub(super) fn convert_half<O: Ops>(o: &mut O, es: u32, d: V, a: V, n: u32) {
    let op = if n & 1 != 0 { FOp::WidenHigh } else { FOp::Convert };
    o.fp(op, VArgs { es: es as u8 - 1, ..args(es, d, a, a, a, es) });
}

/// Floating-point operations with a result of twice the width; `wide_a`: vs2 has that too.
pub(crate) fn float<O: Ops>(o: &mut O, i: Insn, op: Float, wide_a: bool, f: Helper, arg: u64) -> bool {
    let vector = i.bits(12, 3) == 1;
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
    let Some((key, form)) = likely_form(o, i) else { return false };
    if !rounds(o)
        || !(1..=2).contains(&form.sew)
        || !allowed(form, i, [1, wide_a as u32, 0], vector, accumulates)
    {
        return false;
    }
    if !vector && !o.check_boxes(form.sew as u8, &[i.fs1()], f, arg) {
        return true;
    }
    guarded(o, key, form, f, arg, |o, form| {
        let wide = form.with_width(form.sew + 1);
        let es = wide.sew;
        if !vector {
            o.vec(VOp::DupLane, args(form.sew, T[4], i.fs1(), i.fs1(), i.fs1(), 0));
        }
        for n in 0..wide.registers() {
            // Nothing must be computed of elements that are not active: that could raise flags.
            let narrow = |o: &mut O, a: V, to: V| {
                let a = form.operand(o, n / 2, a, to);
                convert_half(o, es, to, a, n);
                to
            };
            let slot = v(i.d() + n);
            let x = if wide_a {
                wide.operand(o, n, v(i.s2() + n), T[0])
            } else {
                narrow(o, v(i.s2() + n / 2), T[0])
            };
            let y = narrow(o, if vector { v(i.s1() + n / 2) } else { T[4] }, T[1]);
            let old = if accumulates { wide.operand(o, n, slot, T[2]) } else { slot };
            o.fp(op, args(es, wide.target(n, slot), x, y, old, imm::round(Round::Current)));
            wide.put(o, n, slot);
        }
    });
    true
}

/// Conversions to twice or half the width.
pub(crate) fn convert<O: Ops>(o: &mut O, i: Insn, c: Conversion, f: Helper, arg: u64) -> bool {
    use Conversion::*;
    let widens = match c {
        WideFromU | WideFromS | WideFloat => true,
        NarrowFloat | NarrowToS | NarrowToSz | NarrowToU | NarrowToUz => false,
        _ => return false,
    };
    let rounds = rounds(o);
    let fits = |form: Form| {
        // The formats with host code. (Integers of 16 bits are exact in a single.)
        let known = match c {
            WideFromU | WideFromS | WideFloat | NarrowFloat => (1..=2).contains(&form.sew),
            _ => form.sew == 2,
        };
        known && rounds && allowed(form, i, [widens as u32, !widens as u32, 0], false, false)
    };
    forms(o, i, f, arg, fits, |o, form| {
        let wide = form.with_width(form.sew + 1);
        let (es, halves) = (wide.sew, if form.lmul >= 0 { 2 } else { 1 });
        for n in 0..if widens { wide.registers() } else { form.registers() } {
            if widens {
                wide.define(o, i.d(), n, |o, slot| {
                    let a = v(i.s2() + n / 2);
                    if c == WideFloat {
                        let a = form.operand(o, n / 2, a, T[0]);
                        return convert_half(o, es, slot, a, n);
                    }
                    // One bit more than needed, so that no number is negative that was not.
                    extend_half(o, c == WideFromS, es, T[0], a, n);
                    let imm = imm::to_int(Round::Current, 0);
                    o.fp(FOp::FromSigned, args(es, slot, T[0], T[0], T[0], imm));
                });
                continue;
            }
            form.define(o, i.d(), n, |o, slot| {
                for h in 0..halves {
                    let n = halves * n + h;
                    let mut x = v(i.s2() + n);
                    if n < wide.registers() {
                        x = wide.operand(o, n, x, T[0]);
                    } else {
                        // Not of the group's elements before vl.
                        o.vconst(T[0], 0);
                        x = T[0];
                    }
                    let all = VArgs { es: es as u8, ..args(es, T[1], x, x, T[1], form.sew) };
                    match c {
                        NarrowFloat if h == 0 => o.fp(FOp::Convert, VArgs { bytes: 8, ..all }),
                        NarrowFloat => o.fp(FOp::NarrowHigh, all),
                        _ => {
                            // One lane after the other.
                            let signed = matches!(c, NarrowToS | NarrowToSz);
                            let round =
                                if matches!(c, NarrowToS | NarrowToU) { Round::Current } else { Round::Zero };
                            for lane in 0..2 {
                                o.vec(VOp::DupLane, VArgs { bytes: 8, ..args(es, T[2], x, x, x, lane) });
                                o.fp_to_int(signed, round, W::W32, R::T0, T[2], es as u8, 0);
                                o.vset(T[1], form.sew as u8, (2 * h + lane) as u8, R::T0);
                            }
                        }
                    }
                }
                o.vec(VOp::Mov, args(3, slot, T[1], T[1], T[1], 0));
            });
        }
    })
}

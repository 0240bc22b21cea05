//! Integer arithmetic, moves, and VID.

use super::{Form, forms, in_line, splat, v};
use crate::decode::Insn;
use crate::v_int::Op;
use anyarch_engine::ops::{Alu, Helper, Ops, R, Src, V, VArgs, W};
use anyarch_engine::vec::{HIGH, VOp};

/// How an operation is written in the vocabulary: `op`, with which operands.
enum Plan {
    /// d = op(a, b).
    Plain(VOp),
    /// d = op(b, a).
    Swapped(VOp),
    /// d = c of vd, op(c, a, b).
    Accumulate(VOp),
    /// d = op(c = a, vd, b).
    Multiply(VOp),
    /// A shift left or right, by amounts below the width: `VOp` by a constant, and by a register;
    /// whether right.
    Shift(VOp, VOp, bool),
    /// A rotation right by a constant.
    Rotate,
    /// The high half of this product.
    High(VOp),
}

fn plan(op: Op) -> Option<Plan> {
    use Plan::*;
    Some(match op {
        Op::Add => Plain(VOp::Add),
        Op::Sub => Plain(VOp::Sub),
        Op::Rsub => Swapped(VOp::Sub),
        Op::And => Plain(VOp::And),
        Op::Or => Plain(VOp::Or),
        Op::Xor => Plain(VOp::Xor),
        Op::Andn => Plain(VOp::AndNot),
        Op::MinU => Plain(VOp::MinU),
        Op::MinS => Plain(VOp::MinS),
        Op::MaxU => Plain(VOp::MaxU),
        Op::MaxS => Plain(VOp::MaxS),
        Op::Mul => Plain(VOp::Mul),
        Op::Macc => Accumulate(VOp::MulAdd),
        Op::Nmsac => Accumulate(VOp::MulSub),
        Op::Madd => Multiply(VOp::MulAdd),
        Op::Nmsub => Multiply(VOp::MulSub),
        Op::Sll => Shift(VOp::Shl, VOp::ShiftU, false),
        Op::Srl => Shift(VOp::ShrU, VOp::ShiftU, true),
        Op::Sra => Shift(VOp::ShrS, VOp::ShiftS, true),
        Op::Ror => Rotate,
        Op::MulhU => High(VOp::MulLongU),
        Op::MulhS => High(VOp::MulLongS),
        _ => return None,
    })
}

/// An integer operation of one width. False: nothing was emitted.
pub(crate) fn int<O: Ops>(o: &mut O, i: Insn, op: Op, f: Helper, arg: u64) -> bool {
    let Some(plan) = plan(op) else { return false };
    let (vector, immediate) = (i.bits(12, 3) < 3, i.bits(12, 3) == 3);
    if matches!(plan, Plan::Rotate) && !immediate {
        return false;
    }
    let fits =
        |form: Form| operands_fit(i, form, vector) && !(matches!(plan, Plan::High(_)) && form.sew == 3);
    forms(o, i, f, arg, fits, |o, form| arithmetic(o, i, &plan, form))
}

/// Whether destination and sources of one width may be where they are.
pub(crate) fn operands_fit(i: Insn, form: Form, vector: bool) -> bool {
    let other = if vector { i.s1() } else { i.s2() };
    // v0 is the mask.
    let free = |reg: u32| !form.masked || reg != 0;
    in_line(i.d() | i.s2() | other, form.lmul) && free(i.d()) && free(i.s2()) && free(other)
}

fn arithmetic<O: Ops>(o: &mut O, i: Insn, plan: &Plan, form: Form) {
    let (sew, vector, immediate) = (form.sew, i.bits(12, 3) < 3, i.bits(12, 3) == 3);
    let bits = 8u64 << sew;
    let imm6 = (i.bits(26, 1) << 5 | i.s1()) as u64;
    let amount = if matches!(plan, Plan::Rotate) { imm6 } else { i.s1() as u64 } as u32 & (bits as u32 - 1);
    let args = |d, a, b, c, imm| VArgs { d, a, b, c, es: sew as u8, bytes: 16, imm };
    // The other operand, if it is the same for all registers.
    match &plan {
        Plan::Shift(..) if immediate => {}
        Plan::Rotate => o.vconst(V::T0, 0),
        Plan::Shift(_, _, right) if !vector => {
            o.alu(Alu::And, W::W64, R::T0, i.rs1(), Src::Imm(bits - 1));
            if *right {
                o.alu(Alu::Sub, W::W64, R::T0, R::ZERO, Src::Reg(R::T0));
            }
            o.vdup(V::T0, sew as u8, 16, R::T0);
        }
        Plan::Shift(_, _, _) => o.vconst(V::T1, splat(sew, bits - 1)),
        _ if !vector => scalar(o, i, sew),
        _ => {}
    }
    for n in 0..form.registers() {
        let (d, a) = (v(i.d() + n), v(i.s2() + n));
        let b = if vector { v(i.s1() + n) } else { V::T0 };
        let t = form.target(n, d);
        match &plan {
            Plan::Plain(op) => o.vec(*op, args(t, a, b, d, 0)),
            Plan::Swapped(op) => o.vec(*op, args(t, b, a, d, 0)),
            Plan::Accumulate(op) => o.vec(*op, args(t, a, b, d, 0)),
            Plan::Multiply(op) => o.vec(*op, args(t, d, b, a, 0)),
            Plan::High(op) => {
                let product = |d, half| VArgs { d, a, b, c: a, es: sew as u8 + 1, bytes: 16, imm: half };
                o.vec(*op, product(V::T1, 0));
                o.vec(*op, product(V::T2, HIGH));
                o.vec(VOp::Uzp2, args(t, V::T1, V::T2, d, 0));
            }
            Plan::Rotate => o.vec(VOp::XorRor, args(t, a, b, d, amount)),
            Plan::Shift(..) if immediate && amount == 0 => o.vec(VOp::Mov, args(t, a, a, a, 0)),
            Plan::Shift(op, _, _) if immediate => o.vec(*op, args(t, a, a, a, amount)),
            Plan::Shift(_, op, right) => {
                if vector {
                    o.vec(VOp::And, args(V::T0, b, V::T1, b, 0));
                    if *right {
                        o.vec(VOp::Neg, args(V::T0, V::T0, V::T0, V::T0, 0));
                    }
                }
                o.vec(*op, args(t, a, V::T0, d, 0));
            }
        }
        form.put(o, n, d);
    }
}

/// V::T0 = the scalar operand, an immediate signed, in every lane.
pub(crate) fn scalar<O: Ops>(o: &mut O, i: Insn, sew: u32) {
    if i.bits(12, 3) == 3 {
        o.vconst(V::T0, splat(sew, ((i.s1() as i64) << 59 >> 59) as u64));
    } else {
        o.vdup(V::T0, sew as u8, 16, i.rs1());
    }
}

/// VMV.V.V, VMV.V.X, VMV.V.I and VMERGE. False: nothing was emitted.
pub(crate) fn moves<O: Ops>(o: &mut O, i: Insn, f: Helper, arg: u64) -> bool {
    let vector = i.bits(12, 3) == 0;
    let fits = |form: Form| operands_fit(i, form, vector) && (form.masked || i.s2() == 0);
    forms(o, i, f, arg, fits, |o, form| {
        if !vector {
            scalar(o, i, form.sew);
        }
        choose_or_move(o, i, form, |n| if vector { v(i.s1() + n) } else { V::T0 });
    })
}

/// Merges, or moves if there is no mask, with the other operand's registers.
pub(crate) fn choose_or_move<O: Ops>(o: &mut O, i: Insn, form: Form, other: impl Fn(u32) -> V) {
    // The mask chooses between the operands: every element is written.
    let (merges, form) = (form.masked, Form { masked: false, ..form });
    for n in 0..form.registers() {
        let (d, b) = (v(i.d() + n), other(n));
        let t = form.target(n, d);
        let args = |d, a, b, c, imm| VArgs { d, a, b, c, es: form.sew as u8, bytes: 16, imm };
        if merges {
            o.vec(VOp::BitsToLanes, args(V::T1, v(0), v(0), v(0), n * form.lanes()));
            o.vec(VOp::Blend, args(t, b, v(i.s2() + n), V::T1, 0));
        } else {
            o.vec(VOp::Mov, args(t, b, b, b, 0));
        }
        form.put(o, n, d);
    }
}

/// VID. False: nothing was emitted.
pub(crate) fn id<O: Ops>(o: &mut O, i: Insn, f: Helper, arg: u64) -> bool {
    let fits = |form: Form| in_line(i.d(), form.lmul) && (!form.masked || i.d() != 0);
    forms(o, i, f, arg, fits, |o, form| {
        for n in 0..form.registers() {
            let (d, first) = (v(i.d() + n), n * form.lanes());
            let lanes =
                (0..form.lanes()).fold(0, |all, k| all | ((first + k) as u128) << ((8 << form.sew) * k));
            o.vconst(form.target(n, d), lanes);
            form.put(o, n, d);
        }
    })
}

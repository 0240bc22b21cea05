//! Integer arithmetic, and moves.

use super::{in_line, likely, splat, v};
use crate::decode::Insn;
use crate::v::KEY;
use crate::v_int::Op;
use anyarch_engine::ops::{Alu, Helper, Ops, R, Src, V, VArgs, W};
use anyarch_engine::vec::VOp;

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
    /// A shift left or right, by amounts below the width: `VOp` by a constant, and by a register; whether right.
    Shift(VOp, VOp, bool),
    /// A rotation right by a constant.
    Rotate,
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
        _ => return None,
    })
}

/// An integer operation of one width. False: nothing was emitted.
pub(crate) fn int<O: Ops>(o: &mut O, i: Insn, op: Op, f: Helper, arg: u64) -> bool {
    let (Some(l), Some(plan)) = (likely(o, i), plan(op)) else { return false };
    let (sew, form) = (l.sew, i.bits(12, 3));
    let (vector, immediate) = (form < 3, form == 3);
    if !in_line(i.d() | i.s2() | if vector { i.s1() } else { 0 }, l.lmul) {
        return false;
    }
    if matches!(plan, Plan::Rotate) && !immediate {
        return false;
    }
    if !o.guard(KEY, l.key as u32, f, arg) {
        return true;
    }
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
        _ if immediate => o.vconst(V::T0, splat(sew, ((i.s1() as i64) << 59 >> 59) as u64)),
        _ if !vector => o.vdup(V::T0, sew as u8, 16, i.rs1()),
        _ => {}
    }
    for n in 0..1 << l.lmul {
        let (d, a) = (v(i.d() + n), v(i.s2() + n));
        let b = if vector { v(i.s1() + n) } else { V::T0 };
        match &plan {
            Plan::Plain(op) => o.vec(*op, args(d, a, b, d, 0)),
            Plan::Swapped(op) => o.vec(*op, args(d, b, a, d, 0)),
            Plan::Accumulate(op) => o.vec(*op, args(d, a, b, d, 0)),
            Plan::Multiply(op) => o.vec(*op, args(d, d, b, a, 0)),
            Plan::Rotate => o.vec(VOp::XorRor, args(d, a, b, d, amount)),
            Plan::Shift(..) if immediate && amount == 0 => o.vec(VOp::Mov, args(d, a, a, a, 0)),
            Plan::Shift(op, _, _) if immediate => o.vec(*op, args(d, a, a, a, amount)),
            Plan::Shift(_, op, right) => {
                if vector {
                    o.vec(VOp::And, args(V::T0, b, V::T1, b, 0));
                    if *right {
                        o.vec(VOp::Neg, args(V::T0, V::T0, V::T0, V::T0, 0));
                    }
                }
                o.vec(*op, args(d, a, V::T0, d, 0));
            }
        }
    }
    true
}

/// VMV.V.V, VMV.V.X, VMV.V.I. False: nothing was emitted.
pub(crate) fn moves<O: Ops>(o: &mut O, i: Insn, f: Helper, arg: u64) -> bool {
    let Some(l) = likely(o, i) else { return false };
    let form = i.bits(12, 3);
    if i.s2() != 0 || !in_line(i.d() | if form == 0 { i.s1() } else { 0 }, l.lmul) {
        return false;
    }
    if !o.guard(KEY, l.key as u32, f, arg) {
        return true;
    }
    for n in 0..1 << l.lmul {
        let d = v(i.d() + n);
        match form {
            0 => {
                let a = v(i.s1() + n);
                o.vec(VOp::Mov, VArgs { d, a, b: a, c: a, es: l.sew as u8, bytes: 16, imm: 0 });
            }
            3 => o.vconst(d, splat(l.sew, ((i.s1() as i64) << 59 >> 59) as u64)),
            _ => o.vdup(d, l.sew as u8, 16, i.rs1()),
        }
    }
    true
}

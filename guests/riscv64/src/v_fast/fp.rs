//! Floating-point arithmetic.

use super::{in_line, likely, v};
use crate::decode::Insn;
use crate::v::KEY;
use crate::v_fp::Op as Float;
use anyarch_engine::fp::{FOp, imm};
use anyarch_engine::ops::{Helper, Ops, Round, V, VArgs};
use anyarch_engine::state::mode;
use anyarch_engine::vec::VOp;

/// A floating-point operation of one width. False: nothing was emitted.
pub(crate) fn float<O: Ops>(o: &mut O, i: Insn, op: Float, f: Helper, arg: u64) -> bool {
    let Some(l) = likely(o, i) else { return false };
    let vector = i.bits(12, 3) == 1;
    let (sew, exact) = (l.sew, matches!(o.fp_mode(), mode::EXACT | mode::DIRECTED));
    if !exact || sew < 2 {
        return false;
    }
    // Which of (vs2, other, vd) are the operands a, b, c.
    let (fop, order) = match op {
        Float::Add => (FOp::Add, [0, 1, 2]),
        Float::Sub => (FOp::Sub, [0, 1, 2]),
        Float::Rsub => (FOp::Sub, [1, 0, 2]),
        Float::Mul => (FOp::Mul, [0, 1, 2]),
        Float::Div => (FOp::Div, [0, 1, 2]),
        Float::Rdiv => (FOp::Div, [1, 0, 2]),
        Float::Macc => (FOp::MulAdd, [0, 1, 2]),
        Float::Nmacc => (FOp::NegMulAdd, [0, 1, 2]),
        Float::Msac => (FOp::NegMulSub, [0, 1, 2]),
        Float::Nmsac => (FOp::MulSub, [0, 1, 2]),
        Float::Madd => (FOp::MulAdd, [2, 1, 0]),
        Float::Nmadd => (FOp::NegMulAdd, [2, 1, 0]),
        Float::Msub => (FOp::NegMulSub, [2, 1, 0]),
        Float::Nmsub => (FOp::MulSub, [2, 1, 0]),
        _ => return false,
    };
    if !in_line(i.d() | i.s2() | if vector { i.s1() } else { 0 }, l.lmul) {
        return false;
    }
    // Before the guard: that the scalar is boxed must hold on both of its ways.
    if !vector && sew != 3 && !o.check_boxes(sew as u8, &[i.fs1()], f, arg) {
        return true;
    }
    if !o.guard(KEY, l.key as u32, f, arg) {
        return true;
    }
    if !vector {
        let a = i.fs1();
        o.vec(VOp::DupLane, VArgs { d: V::T0, a, b: a, c: a, es: sew as u8, bytes: 16, imm: 0 });
    }
    for n in 0..1 << l.lmul {
        let b = if vector { v(i.s1() + n) } else { V::T0 };
        let from = [v(i.s2() + n), b, v(i.d() + n)];
        let [a, b, c] = order.map(|k: usize| from[k % 3]);
        o.fp(
            fop,
            VArgs { d: v(i.d() + n), a, b, c, es: sew as u8, bytes: 16, imm: imm::round(Round::Current) },
        );
    }
    true
}

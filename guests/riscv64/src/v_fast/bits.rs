//! Zvbb and Zvbc: bits and bytes of elements in reverse order, counts of bits, rotations,
//! carry-less products.

use super::int::{operands_fit, scalar};
use super::{Form, forms, splat, v};
use crate::decode::Insn;
use crate::v_int::Op;
use anyarch_engine::ops::{Alu, Helper, Ops, R, Src, V, VArgs, W};
use anyarch_engine::vec::{HIGH, VOp};

fn args(es: u32, d: V, a: V, b: V, imm: u32) -> VArgs {
    VArgs { d, a, b, c: a, es: es as u8, bytes: 16, imm }
}

/// An operation on one vector. False: nothing was emitted.
pub(crate) fn unary<O: Ops>(o: &mut O, i: Insn, op: Op, f: Helper, arg: u64) -> bool {
    forms(
        o,
        i,
        f,
        arg,
        |form| operands_fit(i, form, false),
        |o, form| {
            if op == Op::Ctz {
                o.vconst(V::T1, splat(form.sew, 1));
            }
            for n in 0..form.registers() {
                let (d, a) = (v(i.d() + n), v(i.s2() + n));
                one(o, op, form.sew, form.target(n, d), a);
                form.put(o, n, d);
            }
        },
    )
}

/// d = op a. [`V::T1`] holds ones if the operation is CTZ.
fn one<O: Ops>(o: &mut O, op: Op, sew: u32, d: V, a: V) {
    match op {
        Op::Rev8 if sew == 0 => o.vec(VOp::Mov, args(0, d, a, a, 0)),
        Op::Rev8 => o.vec(VOp::Reverse, args(0, d, a, a, sew)),
        Op::Brev if sew > 0 => {
            o.vec(VOp::ReverseBits, args(0, V::T0, a, a, 0));
            o.vec(VOp::Reverse, args(0, d, V::T0, V::T0, sew));
        }
        Op::Brev | Op::Brev8 => o.vec(VOp::ReverseBits, args(0, d, a, a, 0)),
        Op::Clz => o.vec(VOp::LeadingZeros, args(sew, d, a, a, 0)),
        Op::Ctz => {
            // The zeros below the lowest one become ones, and nothing else.
            o.vec(VOp::Sub, args(sew, V::T0, a, V::T1, 0));
            o.vec(VOp::AndNot, args(sew, V::T0, V::T0, a, 0));
            count(o, sew, d, V::T0);
        }
        _ => count(o, sew, d, a),
    }
}

/// d = how many bits are set in a's lanes.
fn count<O: Ops>(o: &mut O, sew: u32, d: V, a: V) {
    let at = |es| if es == sew { d } else { V::T0 };
    o.vec(VOp::Popcount, args(0, at(0), a, a, 0));
    for es in 1..=sew {
        o.vec(VOp::AddPairsLongU, args(es, at(es), V::T0, V::T0, 0));
    }
}

/// VROL and VROR by a register. False: nothing was emitted.
pub(crate) fn rotate<O: Ops>(o: &mut O, i: Insn, op: Op, f: Helper, arg: u64) -> bool {
    let vector = i.bits(12, 3) == 0;
    forms(
        o,
        i,
        f,
        arg,
        |form| operands_fit(i, form, vector),
        |o, form| {
            let (sew, bits) = (form.sew, 8u64 << form.sew);
            // T0 and T1 get the amounts of two shifts to the left. One of them is negative, for a
            // shift to the right, or nothing is left of one.
            if !vector {
                o.alu(Alu::And, W::W64, R::T0, i.rs1(), Src::Imm(bits - 1));
                if op == Op::Ror {
                    o.alu(Alu::Sub, W::W64, R::T0, R::ZERO, Src::Reg(R::T0));
                }
                let other = if op == Op::Ror { Alu::Add } else { Alu::Sub };
                o.vdup(V::T0, sew as u8, 16, R::T0);
                o.alu(other, W::W64, R::T0, R::T0, Src::Imm(bits));
                o.vdup(V::T1, sew as u8, 16, R::T0);
            }
            for n in 0..form.registers() {
                let (d, a) = (v(i.d() + n), v(i.s2() + n));
                if vector {
                    o.vconst(V::T2, splat(sew, bits - 1));
                    o.vec(VOp::And, args(sew, V::T0, v(i.s1() + n), V::T2, 0));
                    o.vconst(V::T2, splat(sew, bits));
                    if op == Op::Ror {
                        o.vec(VOp::Sub, args(sew, V::T1, V::T2, V::T0, 0));
                        o.vec(VOp::Neg, args(sew, V::T0, V::T0, V::T0, 0));
                    } else {
                        o.vec(VOp::Sub, args(sew, V::T1, V::T0, V::T2, 0));
                    }
                }
                o.vec(VOp::ShiftU, args(sew, V::T2, a, V::T0, 0));
                o.vec(VOp::ShiftU, args(sew, V::T3, a, V::T1, 0));
                o.vec(VOp::Or, args(sew, form.target(n, d), V::T2, V::T3, 0));
                form.put(o, n, d);
            }
        },
    )
}

/// VCLMUL and VCLMULH. False: nothing was emitted.
pub(crate) fn carryless<O: Ops>(o: &mut O, i: Insn, high: bool, f: Helper, arg: u64) -> bool {
    let vector = i.bits(12, 3) == 2;
    let fits = |form: Form| form.sew == 3 && operands_fit(i, form, vector);
    forms(o, i, f, arg, fits, |o, form| {
        if !vector {
            scalar(o, i, 3);
        }
        for n in 0..form.registers() {
            let (d, a) = (v(i.d() + n), v(i.s2() + n));
            let b = if vector { v(i.s1() + n) } else { V::T0 };
            o.vec(VOp::MulLongPoly, args(4, V::T1, a, b, 0));
            o.vec(VOp::MulLongPoly, args(4, V::T2, a, b, HIGH));
            let half = if high { VOp::Uzp2 } else { VOp::Uzp1 };
            o.vec(half, args(3, form.target(n, d), V::T1, V::T2, 0));
            form.put(o, n, d);
        }
    })
}

//! Advanced SIMD shifts by a constant (Arm ARM F4.1.7 "Advanced SIMD two registers and shift
//! amount").
//!
//! The position of the top bit of L:imm6 is the element's size; the whole is the size plus a left
//! shift, or twice the size minus a right shift. Where L and the upper half of imm6 are zero it is
//! a modified immediate (`neon_misc`), whose rows come first.

use crate::decode::{Insn, undefined};
use crate::neon::vector;
use crate::vfp::{operand, put, vd, vm};
use anyarch_engine::field;
use anyarch_engine::fp::{FOp, imm};
use anyarch_engine::ops::{Ops, Round, V, VArgs};
use anyarch_engine::vec::{VOp, reads};

anyarch_engine::rows! {
    "1111 001 0 1 d imm6:6 vd:4 0000 l q m 1 vm:4" VshrS none right[VOp::ShrS];
    "1111 001 1 1 d imm6:6 vd:4 0000 l q m 1 vm:4" VshrU none right[VOp::ShrU];
    "1111 001 0 1 d imm6:6 vd:4 0001 l q m 1 vm:4" VsraS none right[VOp::ShrAddS];
    "1111 001 1 1 d imm6:6 vd:4 0001 l q m 1 vm:4" VsraU none right[VOp::ShrAddU];
    "1111 001 0 1 d imm6:6 vd:4 0010 l q m 1 vm:4" VrshrS none right[VOp::ShrRoundS];
    "1111 001 1 1 d imm6:6 vd:4 0010 l q m 1 vm:4" VrshrU none right[VOp::ShrRoundU];
    "1111 001 0 1 d imm6:6 vd:4 0011 l q m 1 vm:4" VrsraS none right[VOp::ShrRoundAddS];
    "1111 001 1 1 d imm6:6 vd:4 0011 l q m 1 vm:4" VrsraU none right[VOp::ShrRoundAddU];
    "1111 001 1 1 d imm6:6 vd:4 0100 l q m 1 vm:4" Vsri none right[VOp::ShrInsert];
    "1111 001 0 1 d imm6:6 vd:4 0101 l q m 1 vm:4" VshlImm none left[VOp::Shl];
    "1111 001 1 1 d imm6:6 vd:4 0101 l q m 1 vm:4" Vsli none left[VOp::ShlInsert];
    "1111 001 1 1 d imm6:6 vd:4 0110 l q m 1 vm:4" Vqshlu none left[VOp::ShlSatSU];
    "1111 001 0 1 d imm6:6 vd:4 0111 l q m 1 vm:4" VqshlSImm none left[VOp::ShlSatS];
    "1111 001 1 1 d imm6:6 vd:4 0111 l q m 1 vm:4" VqshlUImm none left[VOp::ShlSatU];
    "1111 001 0 1 d imm6:6 vd:4 1000 0 0 m 1 vm:4" Vshrn none right_narrow[VOp::ShrNarrow];
    "1111 001 0 1 d imm6:6 vd:4 1000 0 1 m 1 vm:4" Vrshrn none right_narrow[VOp::ShrNarrowRound];
    "1111 001 1 1 d imm6:6 vd:4 1000 0 0 m 1 vm:4" Vqshrun none right_narrow[VOp::ShrNarrowSatSU];
    "1111 001 1 1 d imm6:6 vd:4 1000 0 1 m 1 vm:4" Vqrshrun none right_narrow[VOp::ShrNarrowRoundSatSU];
    "1111 001 0 1 d imm6:6 vd:4 1001 0 0 m 1 vm:4" VqshrnS none right_narrow[VOp::ShrNarrowSatS];
    "1111 001 0 1 d imm6:6 vd:4 1001 0 1 m 1 vm:4" VqrshrnS none right_narrow[VOp::ShrNarrowRoundSatS];
    "1111 001 1 1 d imm6:6 vd:4 1001 0 0 m 1 vm:4" VqshrnU none right_narrow[VOp::ShrNarrowSatU];
    "1111 001 1 1 d imm6:6 vd:4 1001 0 1 m 1 vm:4" VqrshrnU none right_narrow[VOp::ShrNarrowRoundSatU];
    "1111 001 0 1 d imm6:6 vd:4 1010 0 0 m 1 vm:4" VshllS none left_long[VOp::ShlLongS];
    "1111 001 1 1 d imm6:6 vd:4 1010 0 0 m 1 vm:4" VshllU none left_long[VOp::ShlLongU];
    "1111 001 0 1 d imm6:6 vd:4 1110 0 q m 1 vm:4" VcvtFromFixedSV none fixed[FOp::FromSigned];
    "1111 001 1 1 d imm6:6 vd:4 1110 0 q m 1 vm:4" VcvtFromFixedUV none fixed[FOp::FromUnsigned];
    "1111 001 0 1 d imm6:6 vd:4 1111 0 q m 1 vm:4" VcvtToFixedSV none fixed[FOp::ToSigned];
    "1111 001 1 1 d imm6:6 vd:4 1111 0 q m 1 vm:4" VcvtToFixedUV none fixed[FOp::ToUnsigned];
}

/// L:imm6, and the element's size; `None` where there is none.
fn amount(i: Insn) -> Option<(u32, u8)> {
    let all = field!(i.l) << 6 | field!(i.imm6);
    (all >= 8).then(|| (all, all.ilog2() as u8 - 3))
}

/// Vd and Vm alone; Vn's field belongs to the amount.
fn two(i: Insn) -> Insn {
    Insn { word: i.word & !(0xf << 16 | 1 << 7), ..i }
}

fn shift<O: Ops>(o: &mut O, i: Insn, op: VOp, es: u8, imm: u32) {
    let accumulates = op.info().reads & reads::C != 0;
    vector(o, two(i), field!(set i.q), accumulates, es, |o, args| {
        o.vec(op, VArgs { a: args.b, imm, ..args })
    });
}

fn right<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    match amount(i) {
        Some((all, es)) => shift(o, i, op, es, (16 << es) - all),
        None => undefined(o),
    }
}

fn left<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    match amount(i) {
        Some((all, es)) => shift(o, i, op, es, all - (8 << es)),
        None => undefined(o),
    }
}

fn right_narrow<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    let m = vm(i, 3);
    match amount(i) {
        Some((all, es)) if m & 1 == 0 => {
            let a = V(m >> 1);
            let d = o.lane_temporary(&[]);
            o.vec(op, VArgs { d, a, b: a, c: a, es, bytes: 8, imm: (16 << es) - all });
            put(o, 3, vd(i, 3), d);
        }
        _ => undefined(o),
    }
}

/// VSHLL, and VMOVL where the amount is zero.
fn left_long<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    let d = vd(i, 3);
    match amount(i) {
        Some((all, es)) if d & 1 == 0 => {
            let a = operand(o, 3, vm(i, 3), &[]);
            let d = V(d >> 1);
            o.vec(op, VArgs { d, a, b: a, c: d, es: es + 1, bytes: 16, imm: all - (8 << es) });
        }
        _ => undefined(o),
    }
}

/// Conversion between floating point and fixed point of 32 bits.
fn fixed<O: Ops>(o: &mut O, i: Insn, op: FOp) {
    if !i.bit(21) {
        return undefined(o);
    }
    let fbits = 64 - field!(i.imm6) as u8;
    vector(o, two(i), field!(set i.q), false, 2, |o, args| {
        o.fp_standard(op, VArgs { a: args.b, imm: imm::to_int(Round::Zero, fbits), ..args });
    });
}

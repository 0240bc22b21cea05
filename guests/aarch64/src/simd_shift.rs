//! Advanced SIMD shifts by a constant (Arm ARM C4.1, "Advanced SIMD shift by immediate" and "scalar
//! shift by immediate").
//!
//! The position of immh's top bit is the element's size; immh:immb is the size plus a left shift,
//! or twice the size minus a right shift. immh = 0 belongs to the modified immediates
//! (`simd_perm`), whose rows come first; what is left of it is undefined.

use crate::decode::{Insn, undefined};
use crate::simd::{BHSD, D, args, arranged, high, vector_bytes};
use anyarch_engine::field;
use anyarch_engine::ops::Ops;
use anyarch_engine::vec::VOp;

anyarch_engine::rows! {
    // Shift by immediate: right.
    "0 q 0 011110 immh:4 immb:3 00000 1 rn:5 rd:5" Sshr none right[VOp::ShrS];
    "0 q 1 011110 immh:4 immb:3 00000 1 rn:5 rd:5" Ushr none right[VOp::ShrU];
    "0 q 0 011110 immh:4 immb:3 00010 1 rn:5 rd:5" Ssra none right[VOp::ShrAddS];
    "0 q 1 011110 immh:4 immb:3 00010 1 rn:5 rd:5" Usra none right[VOp::ShrAddU];
    "0 q 0 011110 immh:4 immb:3 00100 1 rn:5 rd:5" Srshr none right[VOp::ShrRoundS];
    "0 q 1 011110 immh:4 immb:3 00100 1 rn:5 rd:5" Urshr none right[VOp::ShrRoundU];
    "0 q 0 011110 immh:4 immb:3 00110 1 rn:5 rd:5" Srsra none right[VOp::ShrRoundAddS];
    "0 q 1 011110 immh:4 immb:3 00110 1 rn:5 rd:5" Ursra none right[VOp::ShrRoundAddU];
    "0 q 1 011110 immh:4 immb:3 01000 1 rn:5 rd:5" Sri none right[VOp::ShrInsert];

    // Shift by immediate: left.
    "0 q 0 011110 immh:4 immb:3 01010 1 rn:5 rd:5" Shl none left[VOp::Shl];
    "0 q 1 011110 immh:4 immb:3 01010 1 rn:5 rd:5" Sli none left[VOp::ShlInsert];
    "0 q 1 011110 immh:4 immb:3 01100 1 rn:5 rd:5" Sqshlu none left[VOp::ShlSatSU];
    "0 q 0 011110 immh:4 immb:3 01110 1 rn:5 rd:5" SqshlImm none left[VOp::ShlSatS];
    "0 q 1 011110 immh:4 immb:3 01110 1 rn:5 rd:5" UqshlImm none left[VOp::ShlSatU];

    // Shift by immediate: narrow and long.
    "0 q 0 011110 immh:4 immb:3 10000 1 rn:5 rd:5" Shrn none right_narrow[VOp::ShrNarrow];
    "0 q 0 011110 immh:4 immb:3 10001 1 rn:5 rd:5" Rshrn none right_narrow[VOp::ShrNarrowRound];
    "0 q 1 011110 immh:4 immb:3 10000 1 rn:5 rd:5" Sqshrun none right_narrow[VOp::ShrNarrowSatSU];
    "0 q 1 011110 immh:4 immb:3 10001 1 rn:5 rd:5" Sqrshrun none right_narrow[VOp::ShrNarrowRoundSatSU];
    "0 q 0 011110 immh:4 immb:3 10010 1 rn:5 rd:5" Sqshrn none right_narrow[VOp::ShrNarrowSatS];
    "0 q 0 011110 immh:4 immb:3 10011 1 rn:5 rd:5" Sqrshrn none right_narrow[VOp::ShrNarrowRoundSatS];
    "0 q 1 011110 immh:4 immb:3 10010 1 rn:5 rd:5" Uqshrn none right_narrow[VOp::ShrNarrowSatU];
    "0 q 1 011110 immh:4 immb:3 10011 1 rn:5 rd:5" Uqrshrn none right_narrow[VOp::ShrNarrowRoundSatU];
    "0 q 0 011110 immh:4 immb:3 10100 1 rn:5 rd:5" Sshll none left_long[VOp::ShlLongS];
    "0 q 1 011110 immh:4 immb:3 10100 1 rn:5 rd:5" Ushll none left_long[VOp::ShlLongU];

    // Scalar shift by immediate.
    "01 0 111110 immh:4 immb:3 00000 1 rn:5 rd:5" SshrScalar none right_scalar[VOp::ShrS];
    "01 1 111110 immh:4 immb:3 00000 1 rn:5 rd:5" UshrScalar none right_scalar[VOp::ShrU];
    "01 0 111110 immh:4 immb:3 00010 1 rn:5 rd:5" SsraScalar none right_scalar[VOp::ShrAddS];
    "01 1 111110 immh:4 immb:3 00010 1 rn:5 rd:5" UsraScalar none right_scalar[VOp::ShrAddU];
    "01 0 111110 immh:4 immb:3 00100 1 rn:5 rd:5" SrshrScalar none right_scalar[VOp::ShrRoundS];
    "01 1 111110 immh:4 immb:3 00100 1 rn:5 rd:5" UrshrScalar none right_scalar[VOp::ShrRoundU];
    "01 0 111110 immh:4 immb:3 00110 1 rn:5 rd:5" SrsraScalar none right_scalar[VOp::ShrRoundAddS];
    "01 1 111110 immh:4 immb:3 00110 1 rn:5 rd:5" UrsraScalar none right_scalar[VOp::ShrRoundAddU];
    "01 1 111110 immh:4 immb:3 01000 1 rn:5 rd:5" SriScalar none right_scalar[VOp::ShrInsert];
    "01 0 111110 immh:4 immb:3 01010 1 rn:5 rd:5" ShlScalar none left_scalar[VOp::Shl, D];
    "01 1 111110 immh:4 immb:3 01010 1 rn:5 rd:5" SliScalar none left_scalar[VOp::ShlInsert, D];
    "01 1 111110 immh:4 immb:3 01100 1 rn:5 rd:5" SqshluScalar none left_scalar[VOp::ShlSatSU, BHSD];
    "01 0 111110 immh:4 immb:3 01110 1 rn:5 rd:5" SqshlImmScalar none left_scalar[VOp::ShlSatS, BHSD];
    "01 1 111110 immh:4 immb:3 01110 1 rn:5 rd:5" UqshlImmScalar none left_scalar[VOp::ShlSatU, BHSD];
    "01 1 111110 immh:4 immb:3 10000 1 rn:5 rd:5" SqshrunScalar none right_narrow_scalar[VOp::ShrNarrowSatSU];
    "01 1 111110 immh:4 immb:3 10001 1 rn:5 rd:5" SqrshrunScalar none right_narrow_scalar[VOp::ShrNarrowRoundSatSU];
    "01 0 111110 immh:4 immb:3 10010 1 rn:5 rd:5" SqshrnScalar none right_narrow_scalar[VOp::ShrNarrowSatS];
    "01 0 111110 immh:4 immb:3 10011 1 rn:5 rd:5" SqrshrnScalar none right_narrow_scalar[VOp::ShrNarrowRoundSatS];
    "01 1 111110 immh:4 immb:3 10010 1 rn:5 rd:5" UqshrnScalar none right_narrow_scalar[VOp::ShrNarrowSatU];
    "01 1 111110 immh:4 immb:3 10011 1 rn:5 rd:5" UqrshrnScalar none right_narrow_scalar[VOp::ShrNarrowRoundSatU];
}

/// The element's size; `None` where no element is encoded.
#[inline]
fn size(i: Insn) -> Option<u8> {
    field!(i.immh).checked_ilog2().map(|es| es as u8)
}

#[inline]
fn right_amount(i: Insn, es: u8) -> u32 {
    (16 << es) - i.bits(16, 7)
}

#[inline]
fn left_amount(i: Insn, es: u8) -> u32 {
    i.bits(16, 7) - (8 << es)
}

fn right<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    match size(i) {
        Some(es) if arranged(i, BHSD, es) => o.vec(op, args(i, es, vector_bytes(i), right_amount(i, es))),
        _ => undefined(o),
    }
}

fn left<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    match size(i) {
        Some(es) if arranged(i, BHSD, es) => o.vec(op, args(i, es, vector_bytes(i), left_amount(i, es))),
        _ => undefined(o),
    }
}

fn right_narrow<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    match size(i) {
        Some(es) if es < 3 => o.vec(op, args(i, es, vector_bytes(i), high(i) | right_amount(i, es))),
        _ => undefined(o),
    }
}

fn left_long<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    match size(i) {
        Some(es) if es < 3 => o.vec(op, args(i, es + 1, 16, high(i) | left_amount(i, es))),
        _ => undefined(o),
    }
}

fn right_scalar<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    match size(i) {
        Some(3) => o.vec(op, args(i, 3, 8, right_amount(i, 3))),
        _ => undefined(o),
    }
}

fn left_scalar<O: Ops>(o: &mut O, i: Insn, op: VOp, sizes: u8) {
    match size(i) {
        Some(es) if sizes >> es & 1 != 0 => o.vec(op, args(i, es, 1 << es, left_amount(i, es))),
        _ => undefined(o),
    }
}

fn right_narrow_scalar<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    match size(i) {
        Some(es) if es < 3 => o.vec(op, args(i, es, 1 << es, right_amount(i, es))),
        _ => undefined(o),
    }
}

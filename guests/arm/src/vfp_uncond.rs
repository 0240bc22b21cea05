//! Floating-point instructions without a condition (Arm ARM F4.1.7 "Floating-point conditional
//! select, minNum/maxNum, directed convert to integer").

use crate::decode::{Insn, undefined};
use crate::vfp::{es, operands, put, to_integer, unary, vd};
use anyarch_engine::field;
use anyarch_engine::fp::{FOp, imm};
use anyarch_engine::ops::{Cond, Ops, Round};

anyarch_engine::rows! {
    "1111 1110 0 d cc:2 vn:4 vd:4 101 sz n 0 m 0 vm:4" Vsel reads select;
    "1111 1110 1 d 00 vn:4 vd:4 101 sz n 0 m 0 vm:4" VmaxnmF none two_sources[FOp::MaxNum];
    "1111 1110 1 d 00 vn:4 vd:4 101 sz n 1 m 0 vm:4" VminnmF none two_sources[FOp::MinNum];
    "1111 1110 1 d 11 10 00 vd:4 101 sz 0 1 m 0 vm:4" VrintaF none round[Round::NearestAway];
    "1111 1110 1 d 11 10 01 vd:4 101 sz 0 1 m 0 vm:4" VrintnF none round[Round::NearestEven];
    "1111 1110 1 d 11 10 10 vd:4 101 sz 0 1 m 0 vm:4" VrintpF none round[Round::Up];
    "1111 1110 1 d 11 10 11 vd:4 101 sz 0 1 m 0 vm:4" VrintmF none round[Round::Down];
    "1111 1110 1 d 11 11 00 vd:4 101 sz s 1 m 0 vm:4" VcvtaF none to_int[Round::NearestAway];
    "1111 1110 1 d 11 11 01 vd:4 101 sz s 1 m 0 vm:4" VcvtnF none to_int[Round::NearestEven];
    "1111 1110 1 d 11 11 10 vd:4 101 sz s 1 m 0 vm:4" VcvtpF none to_int[Round::Up];
    "1111 1110 1 d 11 11 11 vd:4 101 sz s 1 m 0 vm:4" VcvtmF none to_int[Round::Down];
}

fn select<O: Ops>(o: &mut O, i: Insn) {
    let cond = [Cond::Eq, Cond::Vs, Cond::Ge, Cond::Gt][field!(i.cc) as usize];
    let args = operands(o, i, es(i));
    o.fp_select(cond, es(i), args.d, args.a, args.b);
    put(o, es(i), vd(i, es(i)), args.d);
}

fn two_sources<O: Ops>(o: &mut O, i: Insn, op: FOp) {
    if o.restricted() {
        return undefined(o);
    }
    let args = operands(o, i, es(i));
    o.fp_lane(op, args);
    put(o, es(i), vd(i, es(i)), args.d);
}

fn round<O: Ops>(o: &mut O, i: Insn, direction: Round) {
    unary(o, i, FOp::RoundInt, imm::round(direction));
}

fn to_int<O: Ops>(o: &mut O, i: Insn, direction: Round) {
    to_integer(o, i, field!(set i.s), direction);
}

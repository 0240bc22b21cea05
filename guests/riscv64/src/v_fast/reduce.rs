//! Reductions: integers by halves, floating-point numbers one after the other as the reference does.

use super::parts::{T, args, put_low, unmasked};
use super::v;
use super::widen::{convert_half, extend_half};
use crate::decode::Insn;
use crate::v::Group;
use crate::v_fp::Op as Float;
use crate::v_int::Op;
use anyarch_engine::fp::{FOp, imm};
use anyarch_engine::ops::{Helper, Ops, Round, V, VArgs};
use anyarch_engine::state::mode;
use anyarch_engine::vec::{HIGH, VOp};

/// d = op(a, b) on lanes of `1 << es` bytes. Uses T[2].
fn combine<O: Ops>(o: &mut O, op: VOp, es: u32, d: V, a: V, b: V) {
    let (greater, p, q) = match op {
        VOp::MaxS => (VOp::CmpGtS, a, b),
        VOp::MinS => (VOp::CmpGtS, b, a),
        VOp::MaxU => (VOp::CmpGtU, a, b),
        VOp::MinU => (VOp::CmpGtU, b, a),
        _ => return o.vec(op, args(es, d, a, b, a, 0)),
    };
    if es < 3 {
        return o.vec(op, args(es, d, a, b, a, 0));
    }
    o.vec(greater, args(es, T[2], a, b, a, 0));
    o.vec(VOp::Select, args(es, d, p, q, T[2], 0));
}

/// VREDSUM and its like, and with `signed` those whose result has twice the width.
pub(crate) fn int<O: Ops>(o: &mut O, i: Insn, op: Op, signed: Option<bool>, f: Helper, arg: u64) -> bool {
    let Some(s) = unmasked(o, i) else { return false };
    let es = s.sew + signed.is_some() as u32;
    let (Some(a), Some(first)) = (s.group(i.s2(), s.sew), Group::of(i.s1(), es, 0)) else { return false };
    if !a.readable_with(first) {
        return false;
    }
    let op = match op {
        Op::Add => VOp::Add,
        Op::And => VOp::And,
        Op::Or => VOp::Or,
        Op::Xor => VOp::Xor,
        Op::MinU => VOp::MinU,
        Op::MinS => VOp::MinS,
        Op::MaxU => VOp::MaxU,
        Op::MaxS => VOp::MaxS,
        _ => return false,
    };
    if !s.guard(o, f, arg) {
        return true;
    }
    let (mut sum, mut bytes) = (v(a.reg), a.bytes());
    if let Some(signed) = signed {
        let wide = if signed { VOp::AddWideS } else { VOp::AddWideU };
        extend_half(o, signed, es, T[0], v(a.reg), 0);
        for n in 1..2 * a.registers() {
            // The upper half of a fractional group is none of it.
            if a.emul >= 0 {
                let half = if n & 1 != 0 { HIGH } else { 0 };
                o.vec(wide, args(es, T[0], T[0], v(a.reg + n / 2), T[0], half));
            }
        }
        (sum, bytes) = (T[0], (2 * bytes).min(16));
    } else {
        for n in 1..a.registers() {
            combine(o, op, es, T[0], sum, v(a.reg + n));
            sum = T[0];
        }
    }
    while bytes > 1 << es {
        bytes /= 2;
        o.vec(VOp::Extract, args(0, T[1], sum, sum, sum, bytes as u32));
        combine(o, op, es, T[0], sum, T[1]);
        sum = T[0];
    }
    combine(o, op, es, T[0], sum, v(i.s1()));
    put_low(o, v(i.d()), T[0], 1 << es);
    true
}

/// More elements than that are the reference function's: the code would be long, and takes its time anyway.
const MOST: u32 = 32;

/// VFREDOSUM and its like; `wide`: the result has twice the width.
pub(crate) fn float<O: Ops>(o: &mut O, i: Insn, op: Float, wide: bool, f: Helper, arg: u64) -> bool {
    let Some(s) = unmasked(o, i) else { return false };
    let es = s.sew + wide as u32;
    let (Some(a), Some(first)) = (s.group(i.s2(), s.sew), Group::of(i.s1(), es, 0)) else { return false };
    let op = match op {
        Float::Add => FOp::Add,
        Float::Min => FOp::MinNumber,
        Float::Max => FOp::MaxNumber,
        _ => return false,
    };
    // Conversion of a fractional group would convert what lies behind it.
    let known = if wide { (1..=2).contains(&s.sew) && a.bytes() >= 8 } else { s.sew >= 2 };
    let rounds = matches!(o.fp_mode(), mode::EXACT | mode::DIRECTED);
    if !known || !rounds || s.elements() > MOST || !a.readable_with(first) {
        return false;
    }
    if !s.guard(o, f, arg) {
        return true;
    }
    let lane = |d, a, n| VArgs { bytes: 1 << es, ..args(es, d, a, a, a, n) };
    o.vec(VOp::DupLane, lane(T[4], v(i.s1()), 0));
    let lanes = 16 >> es;
    for n in 0..s.elements() {
        let mut x = v(a.reg + n / lanes);
        if wide {
            x = T[5];
            if n % lanes == 0 {
                let half = n / lanes;
                convert_half(o, es, x, v(a.reg + half / 2), half);
            }
        }
        if n % lanes != 0 {
            o.vec(VOp::DupLane, lane(T[0], x, n % lanes));
            x = T[0];
        }
        o.fp(op, VArgs { b: x, imm: imm::round(Round::Current), ..lane(T[4], T[4], 0) });
    }
    put_low(o, v(i.d()), T[4], 1 << es);
    true
}

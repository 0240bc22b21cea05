//! Reductions: integers by halves, floating-point numbers one after the other as the reference
//! does.

use super::fp::rounds;
use super::parts::{T, args, copy, exactly, put_low};
use super::widen::{convert_half, extend_half};
use super::{Form, forms, splat, v};
use crate::decode::Insn;
use crate::v::{Group, VL};
use crate::v_fp::Op as Float;
use crate::v_int::Op;
use anyarch_engine::fp::{FOp, imm};
use anyarch_engine::ops::{Cmp, Helper, Ops, R, Round, Src, V, VArgs};
use anyarch_engine::vec::VOp;

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
    let fits = |form: Form| {
        let a = form.group(i.s2(), form.sew);
        let first = Group::of(i.s1(), form.sew + signed.is_some() as u32, 0);
        let (Some(a), Some(first)) = (a, first) else { return false };
        form.vl != Some(0) && a.readable_with(first) && !(form.masked && i.s1() == 0)
    };
    forms(o, i, f, arg, fits, |o, form| {
        if form.vl.is_none() {
            // Without elements there is no result.
            o.set_cmp(Cmp::Eq, R::T0, VL, Src::Imm(0));
            if !o.guard(R::T0, 0, f, arg) {
                return;
            }
        }
        let (sew, es) = (form.sew, form.sew + signed.is_some() as u32);
        let all = !form.masked && form.vl == Some(form.elements());
        let mut bytes = (form.elements() << es).min(16);
        if !all {
            o.vconst(T[4], splat(sew, neutral(op, sew)));
        }
        let mut sum = T[0];
        for n in 0..form.registers() {
            let mut x = v(i.s2() + n);
            if !all {
                form.active_or(o, n, T[3], x, T[4]);
                x = T[3];
            }
            match signed {
                None if n == 0 && all => sum = x,
                None if n == 0 => copy(o, T[0], x),
                None => {
                    combine(o, op, es, T[0], sum, x);
                    sum = T[0];
                }
                Some(signed) => {
                    extend_half(o, signed, es, if n == 0 { T[0] } else { T[1] }, x, 0);
                    if n > 0 {
                        o.vec(VOp::Add, args(es, T[0], T[0], T[1], T[0], 0));
                    }
                    // The upper half of a fractional group is none of it.
                    if form.lmul >= 0 {
                        extend_half(o, signed, es, T[1], x, 1);
                        o.vec(VOp::Add, args(es, T[0], T[0], T[1], T[0], 0));
                    }
                }
            }
        }
        while bytes > 1 << es {
            bytes /= 2;
            o.vec(VOp::Extract, args(0, T[1], sum, sum, sum, bytes));
            combine(o, op, es, T[0], sum, T[1]);
            sum = T[0];
        }
        combine(o, op, es, T[0], sum, v(i.s1()));
        put_low(o, v(i.d()), T[0], 1 << es);
    })
}

/// The element that changes no result.
fn neutral(op: VOp, sew: u32) -> u64 {
    let top = 1 << ((8 << sew) - 1);
    match op {
        VOp::And | VOp::MinU => u64::MAX,
        VOp::MaxS => top,
        VOp::MinS => top - 1,
        _ => 0,
    }
}

/// More elements than that are the reference function's: the code would be long, and takes its time
/// anyway.
const MOST: u32 = 32;

/// VFREDOSUM and its like; `wide`: the result has twice the width.
pub(crate) fn float<O: Ops>(o: &mut O, i: Insn, op: Float, wide: bool, f: Helper, arg: u64) -> bool {
    let op = match op {
        Float::Add => FOp::Add,
        Float::Min => FOp::MinNumber,
        Float::Max => FOp::MaxNumber,
        _ => return false,
    };
    let rounds = rounds(o);
    let fits = |form: Form| {
        let (a, first) = (form.group(i.s2(), form.sew), Group::of(i.s1(), form.sew + wide as u32, 0));
        let (Some(a), Some(first)) = (a, first) else { return false };
        let known = if wide { (1..=2).contains(&form.sew) } else { form.sew >= 2 };
        known && rounds && form.vl.is_some_and(|vl| vl <= MOST) && a.readable_with(first)
    };
    exactly(o, i, f, arg, fits, |o, form| {
        let es = form.sew + wide as u32;
        let lane = |d, a, n| VArgs { bytes: 1 << es, ..args(es, d, a, a, a, n) };
        o.vec(VOp::DupLane, lane(T[4], v(i.s1()), 0));
        let lanes = 16 >> es;
        for n in 0..form.vl.unwrap_or(0) {
            let register = n / lanes;
            let mut x = v(i.s2() + register);
            if wide {
                x = T[3];
                if n % lanes == 0 {
                    let a = form.operand(o, register / 2, v(i.s2() + register / 2), T[0]);
                    convert_half(o, es, x, a, register);
                }
            }
            if n % lanes != 0 {
                o.vec(VOp::DupLane, lane(T[0], x, n % lanes));
                x = T[0];
            }
            o.fp(op, VArgs { b: x, imm: imm::round(Round::Current), ..lane(T[4], T[4], 0) });
        }
        put_low(o, v(i.d()), T[4], 1 << es);
    })
}

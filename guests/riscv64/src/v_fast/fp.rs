//! Floating-point arithmetic, comparisons and conversions of one width, and moves.

use super::mask::{collect, put_bits, result_fits};
use super::{Form, guarded, in_line, likely_form, v};
use crate::decode::Insn;
use crate::v_fp::{Conversion, Op as Float, Test};
use anyarch_engine::fp::{FOp, imm};
use anyarch_engine::ops::{Helper, Ops, Round, V, VArgs};
use anyarch_engine::state::mode;
use anyarch_engine::vec::VOp;

/// The scalar operand in every lane.
const SCALAR: V = V::T0;
/// Operands of which some lanes were replaced.
const OPERANDS: [V; 3] = [V::T1, V::T2, V::T3];
/// What divisors are replaced by.
const ONE: V = V(44);

/// Whether the environment's direction of rounding is one that host code knows: all of these
/// instructions are reserved while there is none.
pub(super) fn rounds<O: Ops>(o: &O) -> bool {
    matches!(o.fp_mode(), mode::EXACT | mode::DIRECTED)
}

/// Emits an instruction whose other operand is a scalar (made ready in [`SCALAR`]) unless it is
/// `vector`. False: nothing was emitted.
fn emit<O: Ops>(
    o: &mut O,
    i: Insn,
    vector: bool,
    (f, arg): (Helper, u64),
    fits: impl FnOnce(Form) -> bool,
    body: impl Fn(&mut O, Form),
) -> bool {
    let Some((key, form)) = likely_form(o, i) else { return false };
    if !rounds(o) || form.sew == 0 || !fits(form) {
        return false;
    }
    // Before the guard: that the scalar is boxed must hold on all of its ways.
    if !vector && form.sew != 3 && !o.check_boxes(form.sew as u8, &[i.fs1()], f, arg) {
        return true;
    }
    guarded(o, key, form, f, arg, |o, form| {
        if !vector {
            let a = i.fs1();
            o.vec(VOp::DupLane, VArgs { d: SCALAR, a, b: a, c: a, es: form.sew as u8, bytes: 16, imm: 0 });
        }
        body(o, form);
    });
    true
}

/// d = op of operands, of which nothing counts where no element is active: there they become zero,
/// or one if they divide.
fn compute<O: Ops>(o: &mut O, form: Form, n: u32, op: FOp, d: V, from: [V; 3], imm: u32) {
    let (bytes, mask) = form.part(o, n);
    let mut from = from;
    if let Some(mask) = mask {
        let reads = match op {
            FOp::Sqrt | FOp::ToSigned | FOp::ToUnsigned | FOp::FromSigned | FOp::FromUnsigned => 1,
            FOp::MulAdd | FOp::MulSub | FOp::NegMulAdd | FOp::NegMulSub => 3,
            _ => 2,
        };
        for (k, operand) in from.iter_mut().enumerate().take(reads) {
            let (t, a) = (OPERANDS[k], *operand);
            let args = |b, c| VArgs { d: t, a, b, c, es: form.sew as u8, bytes: 16, imm: 0 };
            if op == FOp::Div && k == 1 {
                let one = if form.sew == 3 { 1023 << 52 } else { 127 << 23 };
                o.vconst(ONE, super::splat(form.sew, one));
                o.vec(VOp::Blend, args(ONE, mask));
            } else {
                o.vec(VOp::And, args(mask, a));
            }
            *operand = t;
        }
    }
    let [a, b, c] = from;
    o.fp(op, VArgs { d, a, b, c, es: form.sew as u8, bytes, imm });
}

/// Whether registers of one width may be where they are.
fn fit(form: Form, registers: &[u32]) -> bool {
    registers.iter().all(|&r| in_line(r, form.lmul) && !(form.masked && r == 0))
}

/// An operation of one width. False: nothing was emitted.
pub(crate) fn float<O: Ops>(o: &mut O, i: Insn, op: Float, f: Helper, arg: u64) -> bool {
    // Which of (vs2, other, vd) are the operands a, b, c.
    let (fop, order) = match op {
        Float::Add => (FOp::Add, [0, 1, 2]),
        Float::Sub => (FOp::Sub, [0, 1, 2]),
        Float::Rsub => (FOp::Sub, [1, 0, 2]),
        Float::Mul => (FOp::Mul, [0, 1, 2]),
        Float::Div => (FOp::Div, [0, 1, 2]),
        Float::Rdiv => (FOp::Div, [1, 0, 2]),
        Float::Min => (FOp::MinNumber, [0, 1, 2]),
        Float::Max => (FOp::MaxNumber, [0, 1, 2]),
        Float::Sgnj => (FOp::CopySign, [0, 1, 2]),
        Float::Sgnjn => (FOp::CopySignNot, [0, 1, 2]),
        Float::Sgnjx => (FOp::XorSign, [0, 1, 2]),
        Float::Macc => (FOp::MulAdd, [0, 1, 2]),
        Float::Nmacc => (FOp::NegMulAdd, [0, 1, 2]),
        Float::Msac => (FOp::NegMulSub, [0, 1, 2]),
        Float::Nmsac => (FOp::MulSub, [0, 1, 2]),
        Float::Madd => (FOp::MulAdd, [2, 1, 0]),
        Float::Nmadd => (FOp::NegMulAdd, [2, 1, 0]),
        Float::Msub => (FOp::NegMulSub, [2, 1, 0]),
        Float::Nmsub => (FOp::MulSub, [2, 1, 0]),
        Float::Sqrt => (FOp::Sqrt, [0, 0, 0]),
        _ => return false,
    };
    let (vector, unary) = (i.bits(12, 3) == 1, op == Float::Sqrt);
    let other = if vector && !unary { i.s1() } else { i.s2() };
    emit(
        o,
        i,
        vector,
        (f, arg),
        |form| form.sew >= 2 && fit(form, &[i.d(), i.s2(), other]),
        |o, form| {
            for n in 0..form.registers() {
                let d = v(i.d() + n);
                let from = [v(i.s2() + n), if vector { v(i.s1() + n) } else { SCALAR }, d];
                let from = order.map(|k: usize| from[k % 3]);
                compute(o, form, n, fop, form.target(n, d), from, imm::round(Round::Current));
                form.put(o, n, d);
            }
        },
    )
}

/// A comparison. False: nothing was emitted.
pub(crate) fn compare<O: Ops>(o: &mut O, i: Insn, test: Test, f: Helper, arg: u64) -> bool {
    let vector = i.bits(12, 3) == 1;
    // Whether the operands change places, and whether the result is inverted.
    let (fop, swaps, inverts) = match test {
        Test::Eq => (FOp::CmpEq, false, false),
        Test::Ne => (FOp::CmpEq, false, true),
        Test::Lt => (FOp::CmpGt, true, false),
        Test::Le => (FOp::CmpGe, true, false),
        Test::Gt => (FOp::CmpGt, false, false),
        Test::Ge => (FOp::CmpGe, false, false),
    };
    let other = if vector { i.s1() } else { i.s2() };
    let fits = |form: Form| {
        let sources = [i.s2(), other];
        form.sew >= 2 && fit(form, &sources) && sources.iter().all(|&s| result_fits(i.d(), s, form))
    };
    emit(o, i, vector, (f, arg), fits, |o, form| {
        collect(o, form, |o, n| {
            let (a, b) = (v(i.s2() + n), if vector { v(i.s1() + n) } else { SCALAR });
            let (a, b) = if swaps { (b, a) } else { (a, b) };
            compute(o, form, n, fop, V::T1, [a, b, a], 0);
        });
        put_bits(o, form, i.d(), inverts);
    })
}

/// A conversion of one width. False: nothing was emitted.
pub(crate) fn convert<O: Ops>(o: &mut O, i: Insn, c: Conversion, f: Helper, arg: u64) -> bool {
    let (fop, round) = match c {
        Conversion::ToU => (FOp::ToUnsigned, Round::Current),
        Conversion::ToS => (FOp::ToSigned, Round::Current),
        Conversion::ToUz => (FOp::ToUnsigned, Round::Zero),
        Conversion::ToSz => (FOp::ToSigned, Round::Zero),
        Conversion::FromU => (FOp::FromUnsigned, Round::Current),
        Conversion::FromS => (FOp::FromSigned, Round::Current),
        _ => return false,
    };
    let fits = |form: Form| form.sew >= 2 && fit(form, &[i.d(), i.s2()]);
    emit(o, i, true, (f, arg), fits, |o, form| {
        for n in 0..form.registers() {
            let (d, a) = (v(i.d() + n), v(i.s2() + n));
            compute(o, form, n, fop, form.target(n, d), [a, a, a], imm::to_int(round, 0));
            form.put(o, n, d);
        }
    })
}

/// VFMV.V.F and VFMERGE. False: nothing was emitted.
pub(crate) fn moves<O: Ops>(o: &mut O, i: Insn, f: Helper, arg: u64) -> bool {
    let fits = |form: Form| fit(form, &[i.d(), i.s2()]) && (form.masked || i.s2() == 0);
    emit(o, i, false, (f, arg), fits, |o, form| super::int::choose_or_move(o, i, form, |_| SCALAR))
}

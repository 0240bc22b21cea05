//! Instructions that write masks or look at them. Masks go through general registers, as numbers of
//! up to 64 bits.

use super::int::scalar;
use super::{Form, forms, guarded, in_line, likely_form, v};
use crate::decode::Insn;
use crate::v::VL;
use crate::v_int::Op;
use crate::v_perm::Logic;
use anyarch_engine::ops::{Alu, Cond, Helper, Ops, R, Sel, Shift, Src, Unary, V, VArgs, W};
use anyarch_engine::vec::VOp;

/// The bits that are to be written.
const BITS: R = R::T0;
/// Which bits those are, where it is not known.
const BODY: R = R::T1;
const OLD: R = R::T2;
const OTHER: R = R::T3;

/// r = the mask in register `reg`, as many bits as the form has elements, with anything above.
fn get<O: Ops>(o: &mut O, form: Form, r: R, reg: u32) {
    o.vget(false, W::W64, r, v(reg), width(form), 0);
}

/// log2 of the bytes that hold all elements' bits.
fn width(form: Form) -> u8 {
    form.elements().div_ceil(8).trailing_zeros() as u8
}

/// BODY = ones for the elements before vl, and if `masked` only for active ones. Uses OLD.
fn body<O: Ops>(o: &mut O, form: Form, masked: bool) {
    match form.vl {
        Some(vl) => o.mov(W::W64, BODY, Src::Imm(u64::MAX.checked_shr(64 - vl).unwrap_or(0))),
        None => {
            // Shifting by 64 does nothing: if vl is zero there is nothing to shift.
            o.alu_flags(Alu::Sub, W::W64, OLD, R::ZERO, Src::Reg(VL));
            o.mov(W::W64, BODY, Src::Imm(u64::MAX));
            o.select(Cond::Eq, W::W64, BODY, R::ZERO, BODY, Sel::Plain);
            o.shift(Shift::Lsr, W::W64, BODY, BODY, Src::Reg(OLD));
        }
    }
    if masked {
        get(o, form, OLD, 0);
        o.alu(Alu::And, W::W64, BODY, BODY, Src::Reg(OLD));
    }
}

/// The mask in register d = BITS where they are active.
fn put<O: Ops>(o: &mut O, form: Form, d: u32) {
    let whole = !form.masked && form.vl.is_some_and(|vl| vl == 8 << width(form));
    if !whole {
        body(o, form, form.masked);
        get(o, form, OLD, d);
        o.alu(Alu::Xor, W::W64, BITS, BITS, Src::Reg(OLD));
        o.alu(Alu::And, W::W64, BITS, BITS, Src::Reg(BODY));
        o.alu(Alu::Xor, W::W64, BITS, BITS, Src::Reg(OLD));
    }
    o.vset(v(d), width(form), 0, BITS);
}

/// An integer comparison. False: nothing was emitted.
pub(crate) fn compare<O: Ops>(o: &mut O, i: Insn, op: Op, f: Helper, arg: u64) -> bool {
    let vector = i.bits(12, 3) == 0;
    // Whether the operands change places, and whether the result is inverted.
    let (vop, swaps, inverts) = match op {
        Op::Eq => (VOp::CmpEq, false, false),
        Op::Ne => (VOp::CmpEq, false, true),
        Op::LtU => (VOp::CmpGeU, false, true),
        Op::LtS => (VOp::CmpGtS, true, false),
        Op::LeU => (VOp::CmpGeU, true, false),
        Op::LeS => (VOp::CmpGtS, false, true),
        Op::GtU => (VOp::CmpGeU, true, true),
        Op::GtS => (VOp::CmpGtS, false, false),
        _ => return false,
    };
    let fits = |form: Form| {
        let other = if vector { i.s1() } else { i.s2() };
        let legal = in_line(i.s2() | other, form.lmul)
            && result_fits(i.d(), i.s2(), form)
            && result_fits(i.d(), other, form);
        legal && form.elements() <= 64 && !(form.masked && (i.s2() == 0 || other == 0))
    };
    forms(o, i, f, arg, fits, |o, form| {
        if !vector {
            scalar(o, i, form.sew);
        }
        collect(o, form, |o, n| {
            let (a, b) = (v(i.s2() + n), if vector { v(i.s1() + n) } else { V::T0 });
            let (a, b) = if swaps { (b, a) } else { (a, b) };
            o.vec(vop, VArgs { d: V::T1, a, b, c: a, es: form.sew as u8, bytes: 16, imm: 0 });
        });
        put_bits(o, form, i.d(), inverts);
    })
}

/// Whether a mask may be written to register d while a group at `s` is read (5.2): only to the
/// lowest of its registers.
pub(crate) fn result_fits(d: u32, s: u32, form: Form) -> bool {
    d <= s || d >= s + (1 << form.lmul.max(0))
}

/// BITS = the top bits of the lanes of V::T1, which `f` computes for each register. Uses OTHER.
pub(crate) fn collect<O: Ops>(o: &mut O, form: Form, mut f: impl FnMut(&mut O, u32)) {
    if form.registers() == 0 {
        o.mov(W::W64, BITS, Src::Imm(0));
    }
    for n in 0..form.registers() {
        f(o, n);
        o.vsigns(if n == 0 { BITS } else { OTHER }, V::T1, form.sew as u8);
        if n > 0 {
            o.alu(Alu::Or, W::W64, BITS, BITS, Src::Shifted(OTHER, Shift::Lsl, (n * form.lanes()) as u8));
        }
    }
}

/// Writes collected bits, or their opposites.
pub(crate) fn put_bits<O: Ops>(o: &mut O, form: Form, d: u32, inverts: bool) {
    if inverts {
        o.alu(Alu::Xor, W::W64, BITS, BITS, Src::Imm(u64::MAX));
    }
    put(o, form, d);
}

/// VMAND.MM and the like. False: nothing was emitted.
pub(crate) fn logic<O: Ops>(o: &mut O, i: Insn, op: Logic, f: Helper, arg: u64) -> bool {
    let (alu, inverts) = match op {
        Logic::AndNot => (Alu::AndNot, false),
        Logic::And => (Alu::And, false),
        Logic::Or => (Alu::Or, false),
        Logic::Xor => (Alu::Xor, false),
        Logic::OrNot => (Alu::OrNot, false),
        Logic::Nand => (Alu::And, true),
        Logic::Nor => (Alu::Or, true),
        Logic::Xnor => (Alu::XorNot, false),
    };
    forms(
        o,
        i,
        f,
        arg,
        |form| form.elements() <= 64,
        |o, form| {
            get(o, form, BITS, i.s2());
            get(o, form, OTHER, i.s1());
            o.alu(alu, W::W64, BITS, BITS, Src::Reg(OTHER));
            put_bits(o, form, i.d(), inverts);
        },
    )
}

/// BITS = the active bits of vs2's mask. Uses BODY.
fn active<O: Ops>(o: &mut O, i: Insn, form: Form) {
    body(o, form, form.masked);
    get(o, form, BITS, i.s2());
    o.alu(Alu::And, W::W64, BITS, BITS, Src::Reg(BODY));
}

/// VCPOP.M and VFIRST.M. False: nothing was emitted.
pub(crate) fn look<O: Ops>(o: &mut O, i: Insn, first: bool, f: Helper, arg: u64) -> bool {
    forms(
        o,
        i,
        f,
        arg,
        |form| form.elements() <= 64,
        |o, form| {
            active(o, i, form);
            if first {
                // All ones if there is none.
                o.unary(Unary::Ctz, W::W64, OTHER, BITS);
                o.alu_flags(Alu::Sub, W::W64, R::ZERO, BITS, Src::Imm(0));
                o.select(Cond::Ne, W::W64, i.rd(), OTHER, R::ZERO, Sel::Not);
            } else {
                o.unary(Unary::Popcount, W::W64, i.rd(), BITS);
            }
        },
    )
}

/// What VMSBF, VMSIF and VMSOF set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Around {
    Before,
    Including,
    Only,
}

/// They. False: nothing was emitted.
pub(crate) fn around<O: Ops>(o: &mut O, i: Insn, what: Around, f: Helper, arg: u64) -> bool {
    let Some((key, form)) = likely_form(o, i) else { return false };
    if form.elements() > 64 || i.d() == i.s2() || form.masked && i.d() == 0 {
        return false;
    }
    guarded(o, key, form, f, arg, |o, form| {
        active(o, i, form);
        match what {
            Around::Only => {
                o.alu(Alu::Sub, W::W64, OTHER, R::ZERO, Src::Reg(BITS));
                o.alu(Alu::And, W::W64, BITS, BITS, Src::Reg(OTHER));
            }
            _ => {
                o.alu(Alu::Sub, W::W64, OTHER, BITS, Src::Imm(1));
                let (alu, a, b) = match what {
                    Around::Before => (Alu::AndNot, OTHER, BITS),
                    _ => (Alu::Xor, BITS, OTHER),
                };
                o.alu(alu, W::W64, BITS, a, Src::Reg(b));
            }
        }
        put(o, form, i.d());
    });
    true
}

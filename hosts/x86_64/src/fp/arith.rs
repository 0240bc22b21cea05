//! Arithmetic, signs, and comparisons whose results are masks.

use super::super::ColdKind;
use super::super::asm::{NONE, Rm, VEnc, opcodes::*};
use super::constants::{K, abs_boxed, sign_constant};
use super::{T, X0, X1, X2, X3};
use anyarch_engine::fp::FOp;
use anyarch_engine::ops::*;

// Predicates of CMP.
pub(super) const EQ: u8 = 0;
pub(super) const LT: u8 = 1;
pub(super) const LE: u8 = 2;
pub(super) const UNORD: u8 = 3;
/// Equal or unordered, without an exception (AVX).
pub(super) const EQ_UNORD: u8 = 8;
pub(super) const NE: u8 = 4;
pub(super) const NLT: u8 = 5;
// Those that raise nothing for quiet NaNs (AVX).
pub(super) const LT_QUIET: u8 = 0x11;
pub(super) const GT_QUIET: u8 = 0x1e;
/// What is done with a number after the operation proper.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Post {
    None,
    Abs,
    Neg,
}

impl T<'_> {
    pub(super) fn post(&mut self, post: Post, es: u8, scalar: bool, x: u8) {
        match sign_constant(post == Post::Neg, es, scalar) {
            Some(k) if post != Post::None => {
                self.with_constant(if post == Post::Neg { XORPS } else { ANDPS }, x, x, k)
            }
            _ => {}
        }
    }
}

pub(super) fn binary(
    t: &mut T<'_>,
    op: u8,
    commutes: bool,
    args: &VArgs,
    post: Post,
    again: (HelperFn, u64),
) {
    let VArgs { d, a, b, es, bytes, .. } = *args;
    let scalar = bytes == 1 << es;
    let x = t.target(d, &[a, b]);
    let clean = if scalar {
        let (mut p, mut q) = (a, b);
        if commutes && t.vhost(p) != NONE && !t.is_clean(p, es) && (t.vhost(q) == NONE || t.is_clean(q, es)) {
            (p, q) = (q, p);
        }
        let (rp, clean) = t.lane0(p, es, X1);
        let q = t.vrm(q);
        t.a.v3(arith(es, true, op), x, rp, q, false, X3);
        clean
    } else if bytes == 16 {
        let ra = t.vgetr(a, X1);
        let b = t.vrm(b);
        t.a.v3(arith(es, false, op), x, ra, b, false, X3);
        true
    } else {
        let ra = t.lanes(a, bytes, X1);
        let rb = t.lanes(b, bytes, X2);
        t.a.v3(arith(es, false, op), x, ra, rb, false, X3);
        false
    };
    let guard = match op {
        MUL | DIV => t.guard_result(es, scalar, x),
        _ => t.guard_nan(es, scalar, x, Rm::R(x)),
    };
    t.post(post, es, scalar, x);
    t.complete(d, bytes, x, clean);
    t.resume(guard, again.0, again.1);
}

/// A scalar instruction of one source with a result of `1 << to` bytes. The register of the result,
/// which is not the source's and is zero above (boxed). (With `merge` the bits above may come from
/// the source itself, if they are zero.)
pub(super) fn unary(t: &mut T<'_>, e: VEnc, imm: Option<u8>, args: &VArgs, merge: bool, to: u8) -> u8 {
    let VArgs { d, a, es, .. } = *args;
    let x = t.target(d, &[a]);
    let rm = t.vrm(a);
    match rm {
        Rm::R(r) if merge && (t.form.loose || t.is_clean(a, es)) && t.a.avx => t.a.v3(e, x, r, rm, false, X3),
        _ => {
            // The bits above come from a constant, without waiting for the old value.
            if t.form.boxing && to == 2 {
                t.with_constant(MOVAPS, x, 0, K::Box32);
            } else {
                t.a.v3(XORPS, x, x, Rm::R(x), true, X3);
            }
            t.a.v3(e, x, x, rm, false, X3);
        }
    }
    if let Some(imm) = imm {
        t.a.b(imm);
    }
    x
}

/// a with a sign that depends on b's.
pub(super) fn copy_sign(t: &mut T<'_>, op: FOp, args: &VArgs) -> bool {
    let VArgs { d, a, b, es, bytes, .. } = *args;
    let scalar = bytes == 1 << es;
    let (Some(sign), Some(mut abs)) = (sign_constant(true, es, scalar), sign_constant(false, es, scalar))
    else {
        return false;
    };
    if t.form.boxing {
        abs = abs_boxed(es);
    }
    let ra = t.vgetr(a, X1);
    let clean_a = scalar && (es > 1 || t.form.boxing) && t.is_clean(a, es);
    let (x, clean) = if op == FOp::CopySign && a == b {
        if bytes == 16 || clean_a {
            (ra, true)
        } else {
            t.a.vmov(X0, ra);
            (X0, false)
        }
    } else {
        let rb = t.vgetr(b, X2);
        t.with_constant(if op == FOp::CopySignNot { ANDNPS } else { ANDPS }, X2, rb, sign);
        let x = t.vdef(d, X0);
        if op == FOp::XorSign {
            t.a.v3(XORPS, x, ra, Rm::R(X2), true, X3);
            (x, bytes == 16 || clean_a)
        } else {
            t.with_constant(ANDPS, X0, ra, abs);
            t.a.v3(ORPS, x, X0, Rm::R(X2), true, X3);
            (x, bytes == 16 || scalar)
        }
    };
    t.complete(d, bytes, x, clean);
    true
}

/// x = the larger or smaller of p and q, which are no NaNs. Uses XMM15; x may be p or q.
pub(super) fn extreme(t: &mut T<'_>, max: bool, es: u8, scalar: bool, x: u8, p: u8, q: u8) {
    // Of two zeroes the instruction takes the second, so both orders together have both signs.
    let e = arith(es, scalar, if max { MAX } else { MIN });
    t.a.v3(e, X3, p, q, false, X3);
    if x == p {
        if t.a.avx {
            t.a.v3(e, x, q, p, false, NONE);
        } else {
            // No third operand: q op p in a register of its own. XMM12 is only ever a result here.
            t.a.vmov(X0, q);
            t.a.sse(e, X0, p);
            t.a.vmov(x, X0);
        }
    } else {
        t.a.v3(e, x, q, p, false, NONE);
    }
    t.a.v3(if max { ANDPS } else { ORPS }, x, x, X3, true, NONE);
}

/// The even and the odd lanes of what a pairwise operation combines, the latter not a source's
/// register; and whether the result will be zero above.
pub(super) fn pair_sources(t: &mut T<'_>, args: &VArgs) -> (u8, u8, bool) {
    let VArgs { a, b, es, bytes, .. } = *args;
    if bytes == 1 << es {
        let ra = t.vgetr(a, X1);
        t.a.v2i(PSHUFD, X2, ra, if es == 3 { 0xee } else { 0x55 });
        return (ra, X2, false);
    }
    let ra = t.vgetr(a, X1);
    let rb = t.vrm(b);
    match (es, bytes) {
        (3, _) => {
            t.a.v3(UNPCKHPD, X2, ra, rb, false, X3);
            t.a.v3(UNPCKLPD, X1, ra, rb, false, X3);
        }
        (_, 16) => {
            t.a.v3i(SHUFPS, X2, ra, rb, 0xdd, X3);
            t.a.v3i(SHUFPS, X1, ra, rb, 0x88, X3);
        }
        _ => {
            t.a.v3(UNPCKLPS, X0, ra, rb, false, X3);
            t.a.v2i(PSHUFD, X1, X0, 0x44);
            t.a.v2i(PSHUFD, X2, X0, 0xee);
        }
    }
    (X1, X2, bytes == 16)
}

/// FMA3.
pub(super) fn mul_add(t: &mut T<'_>, form: Fused, args: &VArgs, again: (HelperFn, u64)) {
    let VArgs { d, a, b, c, es, bytes, .. } = *args;
    let scalar = bytes == 1 << es;
    // Addend in the destination; addend in the third operand.
    let (f231, f213) = (fma231(form, es, scalar), fma213(form, es, scalar));
    let h = t.vhost(d);
    if bytes == 8 && !scalar {
        t.a.v2(MOVDDUP, X0, t.vrm(c));
        t.a.v2(MOVDDUP, X1, t.vrm(a));
        t.a.v2(MOVDDUP, X2, t.vrm(b));
        t.a.vex(f231, X0, X1, X2);
        let guard = t.guard_result(es, false, X0);
        t.complete(d, 8, X0, false);
        return t.resume(guard, again.0, again.1);
    }
    let clean_c = !scalar || t.is_clean(c, es) || t.vhost(c) == NONE;
    if h != NONE && d == c && d != a && d != b && clean_c {
        // In place; the addend is put back if it was for nothing.
        let ra = t.vgetr(a, X1);
        t.a.vmov(X0, h);
        t.a.vex(f231, h, ra, t.vrm(b));
        let guard = t.guard_result(es, scalar, h);
        let kind = ColdKind::HelperRestoring(again.0, again.1, h, X0, guard.keep_flags);
        return t.resume_as(guard.site, kind);
    }
    let x = t.target(d, &[a, b, c]);
    let mut clean = true;
    if clean_c {
        let ra = t.vgetr(a, X1);
        if scalar && t.vhost(c) == NONE {
            t.a.v2(if t.form.boxing { MOVQ } else { movs(es) }, x, T::vslot(c));
        } else {
            t.a.v2(MOVAPS, x, t.vrm(c));
        }
        t.a.vex(f231, x, ra, t.vrm(b));
    } else {
        // A scalar whose addend has something above: a factor may have nothing there.
        let (mut p, mut q) = (a, b);
        if t.vhost(p) != NONE && !t.is_clean(p, es) {
            (p, q) = (q, p);
        }
        let (rp, clean_p) = t.lane0(p, es, x);
        t.a.vmov(x, rp);
        let rq = t.vgetr(q, X1);
        t.a.vex(f213, x, rq, t.vrm(c));
        clean = clean_p;
    }
    let guard = t.guard_result(es, scalar, x);
    t.complete(d, bytes, x, clean);
    t.resume(guard, again.0, again.1);
}

/// d = mask of p predicate q (None: zero). The instruction's flags are right for all operands.
pub(super) fn compare(t: &mut T<'_>, args: &VArgs, p: Option<V>, q: Option<V>, predicate: u8, abs: bool) {
    let VArgs { d, es, bytes, .. } = *args;
    let scalar = bytes == 1 << es;
    let mut operand = |s: Option<V>, x: u8| match s {
        None => {
            t.a.v3(XORPS, x, x, Rm::R(x), true, X3);
            (x, true)
        }
        Some(s) if scalar => t.lane0(s, es, x),
        Some(s) => (t.lanes(s, bytes, x), bytes == 16),
    };
    let (mut rp, clean) = operand(p, X1);
    let (mut rq, _) = operand(q, X2);
    if let (true, Some(k)) = (abs, sign_constant(false, es, false)) {
        t.with_constant(ANDPS, X1, rp, k);
        t.with_constant(ANDPS, X2, rq, k);
        (rp, rq) = (X1, X2);
    }
    let x = t.vdef(d, X0);
    t.a.v3i(arith(es, scalar, CMP), x, rp, rq, predicate, X3);
    // The mask of zero operands above may be ones.
    t.complete(d, bytes, x, if scalar { clean } else { bytes == 16 });
}

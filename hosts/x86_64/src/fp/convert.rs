//! Conversions between formats, and between numbers and integers.

use super::super::ColdKind;
use super::super::asm::{Cc, NONE, Near, Op, Rm, Sh, opcodes::*, reg::*};
use super::super::helpers::{self, pack_convert};
use super::arith::{NLT, unary};
use super::constants::K;
use super::flush::denormal_guard;
use super::{T, X0, X1, X2, X3};
use anyarch_engine::fp::{FOp, imm};
use anyarch_engine::ops::*;
use anyarch_engine::state::mode;

/// ROUNDPS's immediate for a direction. There is no ties-away and no rounding to odd.
pub(super) fn host_rounding(round: Round) -> Option<u8> {
    match round {
        Round::NearestEven => Some(0),
        Round::Down => Some(1),
        Round::Up => Some(2),
        Round::Zero => Some(3),
        Round::Current => Some(4),
        Round::NearestAway | Round::Odd => None,
    }
}

pub(super) fn convert(t: &mut T<'_>, op: FOp, args: &VArgs) -> bool {
    let VArgs { d, a, c, es, bytes, .. } = *args;
    let to = args.imm as u8 & 3;
    let again = (helpers::fp as HelperFn, t.packed(op, args));
    match (op, es, to) {
        (FOp::Convert, 2, 3) | (FOp::Convert, 3, 2) if bytes == 1 << to => {
            let x = unary(t, arith(es, true, CVT), None, args, es == 2, to);
            let guard = t.guard_converted(to, true, x);
            t.complete(d, bytes, x, true);
            t.resume(guard, again.0, again.1);
        }
        (FOp::Convert, 2, 3) | (FOp::Convert, 3, 2) | (FOp::WidenHigh, 2, 3) => {
            let mut rm = t.vrm(a);
            if op == FOp::WidenHigh {
                t.a.v2i(PSHUFD, X1, rm, 0xee);
                rm = Rm::R(X1);
            }
            let x = t.target(d, &[a]);
            t.a.v2(arith(es, false, CVT), x, rm);
            let guard = t.guard_converted(to, false, x);
            t.complete(d, bytes, x, true);
            t.resume(guard, again.0, again.1);
        }
        (FOp::NarrowHigh, 3, 2) => {
            t.a.v2(arith(3, false, CVT), X1, t.vrm(a));
            let guard = t.guard_result(2, false, X1);
            let rc = t.vgetr(c, X2);
            let x = t.vdef(d, X0);
            t.a.v3(UNPCKLPD, x, rc, X1, false, X3);
            t.complete(d, 16, x, true);
            t.resume(guard, again.0, again.1);
        }
        (FOp::Convert, 1, 2 | 3) if t.features.f16c && bytes == 1 << to => {
            // Above lane 0 may be signalling NaNs.
            let ra = t.vgetr(a, X1);
            t.a.v2i(PEXTRW_GPR, RAX, ra, 0);
            t.a.v2(MOVD, X1, RAX);
            t.a.v2(VCVTPH2PS, X1, X1);
            let guard = t.guard_nan(2, true, X1, Rm::R(X1));
            let mut x = X1;
            if to == 3 {
                t.a.v2(arith(2, false, CVT), X0, X1);
                x = X0;
            }
            t.complete(d, bytes, x, t.zeroes_complete(bytes));
            t.resume(guard, again.0, again.1);
        }
        (FOp::Convert | FOp::WidenHigh, 1, 2) if t.features.f16c => {
            let mut rm = t.vrm(a);
            if op == FOp::WidenHigh {
                t.a.v2i(PSHUFD, X1, rm, 0xee);
                rm = Rm::R(X1);
            }
            t.a.v2(VCVTPH2PS, X1, rm);
            let guard = t.guard_nan(2, false, X1, Rm::R(X1));
            t.complete(d, 16, X1, true);
            t.resume(guard, again.0, again.1);
        }
        (FOp::Convert, 2, 1) if t.features.f16c && bytes == 2 => {
            let (mut ra, clean) = t.lane0(a, 2, X1);
            let guard = t.guard_nan(2, true, ra, Rm::R(ra));
            if !clean || t.form.boxing {
                t.a.v3i(INSERTPS, X1, ra, Rm::R(ra), 0b1110, X3);
                ra = X1;
            }
            t.a.v2i(VCVTPS2PH, ra, X0, 4);
            let tiny = t.guard_half(X0);
            t.complete(d, 2, X0, t.zeroes_complete(2));
            for guard in [Some(guard), tiny].into_iter().flatten() {
                t.resume(guard, again.0, again.1);
            }
        }
        (FOp::Convert | FOp::NarrowHigh, 2, 1) if t.features.f16c => {
            let ra = t.vgetr(a, X1);
            let guard = t.guard_nan(2, false, ra, Rm::R(ra));
            t.a.v2i(VCVTPS2PH, ra, X0, 4);
            let tiny = t.guard_half(X0);
            if op == FOp::NarrowHigh {
                let rc = t.vgetr(c, X2);
                t.a.v3(UNPCKLPD, X1, rc, X0, false, X3);
                t.complete(d, 16, X1, true);
            } else {
                t.complete(d, 16, X0, true);
            }
            for guard in [Some(guard), tiny].into_iter().flatten() {
                t.resume(guard, again.0, again.1);
            }
        }
        _ => return false,
    }
    true
}

/// Lanes to integers of the same size.
pub(super) fn to_int(t: &mut T<'_>, signed: bool, args: &VArgs, again: (HelperFn, u64)) -> bool {
    let VArgs { d, a, es, bytes, .. } = *args;
    let scalar = bytes == 1 << es;
    let round = imm::direction(args.imm);
    let Some(mode) = host_rounding(round) else { return false };
    if imm::fbits(args.imm) != 0 {
        return false;
    }
    if scalar {
        let (sites, n) = scalar_to_int(t, signed, round, mode, es == 3, a, es);
        t.a.v2(if es == 3 { MOVQ_FROM_GPR } else { MOVD }, X0, RAX);
        t.complete(d, bytes, X0, true);
        for site in sites.into_iter().take(n) {
            t.resume_as(site, ColdKind::Helper(again.0, again.1));
        }
        return true;
    }
    if es == 3 {
        if !signed || round != Round::Zero {
            return false;
        }
        t.clobber_flags();
        t.a.v2i(PSHUFD, X1, t.vrm(a), 0xee);
        t.a.v2(cvtts2si(3, true), RAX, t.vrm(a));
        t.a.v2(cvtts2si(3, true), RCX, X1);
        t.a.alu_imm(Op::Cmp, true, Rm::R(RAX), 1);
        let first = t.a.jcc_near(Cc::O);
        t.a.alu_imm(Op::Cmp, true, Rm::R(RCX), 1);
        let second = t.a.jcc_near(Cc::O);
        t.a.v2(MOVQ_FROM_GPR, X0, RAX);
        t.a.v2(MOVQ_FROM_GPR, X1, RCX);
        t.a.v3(UNPCKLPD, X0, X0, X1, false, X3);
        t.complete(d, 16, X0, true);
        t.resume_as(first, ColdKind::Helper(again.0, again.1));
        t.resume_as(second, ColdKind::Helper(again.0, again.1));
        return true;
    }
    let mut ra = t.lanes(a, bytes, X1);
    let keep_flags = t.flags_kept();
    let mut guard = None;
    if !signed {
        // 2^31 and beyond, and what is negative.
        t.with_constant(PMAXU[2], X3, ra, K::TwoTo31);
        t.a.v3(PCMPEQ[2], X3, X3, ra, true, NONE);
        guard = Some(t.guard_mask(keep_flags, es, false));
    }
    let source = ra;
    if !matches!(round, Round::Zero | Round::Current) {
        t.a.v2i(roundp(2), X2, ra, mode | 8);
        ra = X2;
    }
    t.a.v2(if round == Round::Current { CVTPS2DQ } else { CVTTPS2DQ }, X0, ra);
    if signed {
        t.with_constant(PCMPEQ[2], X3, X0, K::Sign32);
        guard = Some(t.guard_mask(keep_flags, es, false));
    }
    if ra != source {
        // For Inexact.
        t.a.v2(CVTTPS2DQ, X2, source);
    }
    t.complete(d, bytes, X0, bytes == 16);
    if let Some(guard) = guard {
        t.resume(guard, again.0, again.1);
    }
    true
}

/// Integer lanes to floating point of the same size.
pub(super) fn from_int(t: &mut T<'_>, signed: bool, args: &VArgs, again: (HelperFn, u64)) -> bool {
    let VArgs { d, a, es, bytes, .. } = *args;
    let scalar = bytes == 1 << es;
    let fbits = imm::fbits(args.imm);
    let mut guard = None;
    let ra = match bytes {
        16 => t.vgetr(a, X1),
        8 => {
            t.a.v2(MOVQ, X1, t.vrm(a));
            X1
        }
        _ => {
            let (ra, clean) = t.lane0(a, es, X1);
            if !clean {
                t.a.v3i(INSERTPS, X1, ra, Rm::R(ra), 0b1110, X3);
            }
            if clean { ra } else { X1 }
        }
    };
    if !signed {
        let keep_flags = t.flags_kept();
        t.a.vmov(X3, ra);
        guard = Some(t.guard_mask(keep_flags, es, false));
    }
    if es == 2 {
        t.a.v2(CVTDQ2PS, X0, ra);
    } else {
        t.a.v2(MOVQ_TO_GPR, ra, RAX);
        t.a.v3(XORPS, X0, X0, X0, true, X3);
        t.a.v3(cvtsi2s(3, true), X0, X0, Rm::R(RAX), false, X3);
        if !scalar {
            t.a.v2i(PEXTR[3], ra, RAX, 1);
            t.a.v3(XORPS, X2, X2, X2, true, X3);
            t.a.v3(cvtsi2s(3, true), X2, X2, Rm::R(RAX), false, X3);
            t.a.v3(UNPCKLPD, X0, X0, X2, false, X3);
        }
    }
    if fbits != 0 {
        scale_down(t, es, fbits, X0, X2);
    }
    t.complete(d, bytes, X0, true);
    if let Some(guard) = guard {
        t.resume(guard, again.0, again.1);
    }
    true
}

/// x = x / 2^fbits in every lane: exact, since x is an integer or zero. Uses RAX and `y`.
pub(super) fn scale_down(t: &mut T<'_>, es: u8, fbits: u8, x: u8, y: u8) {
    if es == 2 {
        t.a.mov_imm(RAX, (127 - fbits as u64) << 23);
        t.a.v2(MOVD, y, RAX);
        t.a.v2i(PSHUFD, y, y, 0);
    } else {
        t.a.mov_imm(RAX, (1023 - fbits as u64) << 52);
        t.a.v2(MOVQ_FROM_GPR, y, RAX);
        t.a.v2i(PSHUFD, y, y, 0x44);
    }
    t.a.v3(arith(es, false, MUL), x, x, y, true, X3);
}

/// A jump if lane 0 of a is no number below 2^n in magnitude. RAX holds its bits, shifted left by
/// one. Uses RCX.
pub(super) fn small_magnitude(t: &mut T<'_>, es: u8, n: i32, a: V) -> Near {
    let w = es == 3;
    match t.vrm(a) {
        Rm::R(h) => t.a.v2(if w { MOVQ_TO_GPR } else { MOVD_STORE }, h, RAX),
        m => t.a.mov(w, RAX, m),
    }
    t.a.alu(Op::Add, w, RAX, Rm::R(RAX));
    t.a.mov_imm(RCX, if w { ((1023 + n) as u64) << 53 } else { ((127 + n) as u64) << 24 });
    t.a.alu(Op::Cmp, w, RAX, Rm::R(RCX));
    t.a.jcc_near(Cc::Ae)
}

/// XMM12 = lane 0 of a, which is small, rounded to an integral value, ties away from zero; zero
/// above. Raises nothing. Uses XMM13 to XMM15.
pub(super) fn round_away(t: &mut T<'_>, es: u8, a: V) {
    let pick = |k32: K, k64: K| if es == 3 { k64 } else { k32 };
    let ra = if es == 3 {
        t.a.v2(MOVQ, X1, t.vrm(a));
        X1
    } else {
        let (ra, _) = t.lane0(a, es, X1);
        t.a.v3i(INSERTPS, X1, ra, Rm::R(ra), 0b1110, X3);
        X1
    };
    // Truncated, plus one with its sign if at least a half is missing: all exact.
    t.a.v2i(roundp(es), X0, ra, 3 | 8);
    t.a.v3(arith(es, false, SUB), X2, ra, X0, false, X3);
    t.with_constant(ANDPS, X2, X2, pick(K::Abs32, K::Abs64));
    t.with_constant(arith(es, false, CMP), X2, X2, pick(K::Half32, K::Half64));
    t.a.b(NLT);
    t.with_constant(ANDPS, X2, X2, pick(K::One32, K::One64));
    t.with_constant(ANDPS, X1, X1, pick(K::Sign32, K::Sign64));
    t.a.v3(ORPS, X2, X2, X1, true, X3);
    // Above the lane this is 0 + 0, but a zero's sign depends on the direction of rounding only in
    // sums of unlike zeroes.
    t.a.v3(arith(es, false, ADD), X0, X0, X2, true, X3);
}

/// RAX = lane 0 of a as an integer. The jumps to cold code, and how many.
pub(super) fn scalar_to_int(
    t: &mut T<'_>,
    signed: bool,
    round: Round,
    mode: u8,
    wide: bool,
    a: V,
    es: u8,
) -> ([Near; 2], usize) {
    t.clobber_flags();
    let rm = t.vrm(a);
    let mut sites = [Near(core::ptr::null_mut()); 2];
    let mut n = 0;
    // Unsigned: the result fits in 63 bits, or the way is the other one. A range test of the
    // operand as an integer excludes what is negative too.
    let w = wide || !signed;
    if !signed {
        let limit = match (es, wide) {
            (2, false) => 0x4f80_0000,
            (2, true) => 0x5f00_0000,
            (_, false) => 0x41ef_ffff_ffe0_0001,
            (_, true) => 0x43e0_0000_0000_0000,
        };
        match rm {
            Rm::R(h) => t.a.v2(if es == 3 { MOVQ_TO_GPR } else { MOVD_STORE }, h, RAX),
            Rm::M(_) => t.a.mov(es == 3, RAX, rm),
        }
        if es == 3 {
            t.a.mov_imm(RCX, limit);
            t.a.alu(Op::Cmp, true, RAX, Rm::R(RCX));
        } else {
            t.a.alu_imm(Op::Cmp, false, Rm::R(RAX), limit as i32);
        }
        sites[n] = t.a.jcc_near(Cc::Ae);
        n += 1;
    }
    match round {
        Round::Zero => t.a.v2(cvtts2si(es, w), RAX, rm),
        Round::Current => t.a.v2(cvts2si(es, w), RAX, rm),
        _ => {
            t.a.v3(rounds(es), X0, X0, rm, false, X3);
            t.a.b(mode | 8);
            t.a.v2(cvtts2si(es, w), RAX, X0);
        }
    }
    if signed {
        t.a.alu_imm(Op::Cmp, w, Rm::R(RAX), 1);
        sites[n] = t.a.jcc_near(Cc::O);
        n += 1;
    }
    if !matches!(round, Round::Zero | Round::Current) {
        // For Inexact.
        t.a.v2(cvtts2si(es, w), RCX, rm);
    }
    (sites, n)
}

pub(crate) fn fp_to_int(t: &mut T<'_>, signed: bool, round: Round, w: W, d: R, a: V, es: u8, fbits: u8) {
    let again = (helpers::fp_to_int as HelperFn, pack_convert(signed, w, round as u8, a, d, es, fbits));
    if t.mode == mode::EXACT
        && es >= 2
        && signed
        && (round == Round::NearestAway && fbits == 0 || round == Round::Zero && fbits > 0)
    {
        return fp_to_int_scaled(t, w == W::W64, d, a, es, fbits, again);
    }
    let flush = t.mode == mode::FLUSH && t.a.avx;
    let possible = (flush || t.mode == mode::EXACT) && es >= 2 && fbits == 0;
    let Some(mode) = host_rounding(round).filter(|_| possible) else {
        return t.inline_helper(again.0, again.1);
    };
    let denormal = if flush { denormal_guard(t, es, [Some(a), None]) } else { None };
    let (sites, n) = scalar_to_int(t, signed, round, mode, w == W::W64, a, es);
    t.put(d, RAX);
    for site in sites.into_iter().take(n).chain(denormal) {
        t.resume_as(site, ColdKind::Helper(again.0, again.1));
    }
}

/// Signed: times 2^fbits and truncated, or with `fbits` 0 rounded with ties away from zero.
pub(super) fn fp_to_int_scaled(
    t: &mut T<'_>,
    wide: bool,
    d: R,
    a: V,
    es: u8,
    fbits: u8,
    again: (HelperFn, u64),
) {
    t.clobber_flags();
    let mut limit = if wide { 63 } else { 31 } - fbits as i32;
    if fbits == 0 {
        // Without a fraction from here on, and with room for the rounding.
        limit = if es == 2 { 23 } else { limit.min(52) - 1 };
    }
    let site = small_magnitude(t, es, limit, a);
    let to = cvtts2si(es, wide);
    if fbits == 0 {
        round_away(t, es, a);
        t.a.v2(to, RAX, X0);
        // For Inexact.
        t.a.v2(to, RCX, t.vrm(a));
    } else {
        t.a.mov_imm(RAX, if es == 3 { (1023 + fbits as u64) << 52 } else { (127 + fbits as u64) << 23 });
        t.a.v2(if es == 3 { MOVQ_FROM_GPR } else { MOVD }, X0, RAX);
        let rm = t.vrm(a);
        t.a.v3(arith(es, true, MUL), X0, X0, rm, false, X3);
        t.a.v2(to, RAX, X0);
    }
    t.put(d, RAX);
    t.resume_as(site, ColdKind::Helper(again.0, again.1));
}

pub(crate) fn int_to_fp(t: &mut T<'_>, signed: bool, round: Round, w: W, d: V, s: R, es: u8, fbits: u8) {
    let again = (helpers::int_to_fp as HelperFn, pack_convert(signed, w, round as u8, d, s, es, fbits));
    // Rounding has a part in it unless every integer is exact, or this one is because it is small.
    let test = round != Round::Current && !(es == 3 && w == W::W32);
    // Flushing has no part in it.
    if t.mode == mode::OTHER || es < 2 || test && fbits != 0 {
        t.inline_helper(again.0, again.1);
        return t.wrote(d, 1 << es);
    }
    let wide = w == W::W64;
    let x = t.vdef(d, X0);
    let mut cold = None;
    if !signed && wide || test {
        t.clobber_flags();
    }
    let mut r = t.get(wide, s, RAX);
    if test {
        let exact = if es == 3 { 53 } else { 24 };
        match (signed, wide) {
            (true, false) => t.a.movsx(true, 4, RCX, r),
            (_, wide) => t.a.mov(wide, RCX, r),
        }
        if signed {
            // From -2^exact up to, but not including, 2^exact: 0 or 1.
            t.a.shift_imm(Sh::Sar, true, Rm::R(RCX), exact);
            t.a.alu_imm(Op::Add, true, Rm::R(RCX), 1);
        }
        t.a.shift_imm(Sh::Shr, true, Rm::R(RCX), if signed { 1 } else { exact });
        cold = Some(t.a.jcc_near(Cc::Ne));
    }
    if !signed && !wide {
        t.a.mov(false, RAX, r);
        r = RAX;
    } else if !signed && !test {
        t.a.test(true, Rm::R(r), r);
        cold = Some(t.a.jcc_near(Cc::S));
    }
    t.a.v3(XORPS, x, x, Rm::R(x), true, X3);
    t.a.v3(cvtsi2s(es, wide || !signed), x, x, Rm::R(r), false, X3);
    if fbits != 0 {
        scale_down(t, es, fbits, x, X1);
    }
    t.vput(d, x);
    if let Some(site) = cold {
        t.resume_as(site, ColdKind::Helper(again.0, again.1));
    }
    t.wrote(d, 1 << es);
}

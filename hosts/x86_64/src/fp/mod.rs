//! Floating point as host instructions, with the results and flags of the reference
//! (`anyarch_engine::fp`) bit by bit.
//!
//! The host's unit and the guest's agree on numbers (see `anyarch_engine::fp` for the facts and
//! their tests). They differ in NaNs, so an operation is done by the host, and if its result is a
//! NaN then cold code has the reference function do it over; the sticky flags which the first
//! attempt left are those that the reference raises too. The reference also has its turn where a
//! product, a quotient or a narrowed number is the smallest normal number, which it may have become
//! by rounding: the host does not take that for underflow. Where the attempt could raise a flag too
//! many, the operands are tested before. That holds in translation mode `EXACT`, where the guest's
//! control register differs from the host's default in the direction of rounding alone. In mode
//! `FLUSH` (what programs compiled with `-ffast-math` set) the same code serves after a test that
//! no operand is so small that flushing to zero could have a part in it. In other modes the
//! reference does everything but bit operations.
//!
//! Scalars among boxed numbers (`VArgs::BOXED`, RISC-V) are the same code with ones above the lane
//! instead of zeroes, which the host's scalar instructions take from their first operand too. There
//! every NaN result is the default NaN, so whatever can have one is tested for it.
//!
//! A source must be whole where the cold code begins: the destination is written before that only
//! if it is no source.
//!
//! What always calls the reference: half precision but for conversions, estimates and reciprocal
//! steps, complex and BFloat16 operations, FMULX, FMLAL, rounding to odd and to bounded integers,
//! ties away in vectors, fixed point in vectors and unsigned; fused operations where the host lacks
//! FMA3.
//!
//! Scratch registers are XMM12 to XMM15, RAX and RCX. Scalar results are zero above their lane, for
//! which the translator keeps track of the slots known to be zero there (`known::Vectors`; or
//! boxed: `boxed`): the host's scalar instructions take those bits from their first operand.

mod arith;
mod compare;
mod constants;
mod convert;
mod flags;
mod flush;
mod guard;
mod operand;

pub(super) use compare::{fp_compare, fp_cond_compare, fp_select};
pub(super) use constants::POOL;
pub(super) use convert::{fp_to_int, int_to_fp};
pub(super) use flags::{COMPARED, FLAG_TABLES, flags, set_flags};
pub(super) use guard::check_boxes;

use self::arith::{EQ, LE, LT, Post, binary, compare, copy_sign, extreme, mul_add, pair_sources, unary};
use self::constants::{K, abs_boxed, sign_constant};
use self::convert::{convert, from_int, host_rounding, round_away, small_magnitude, to_int};
use self::flush::{flush_guard, flush_limits};
use super::asm::{Rm, opcodes::*};
use super::helpers::{self, pack_vec};
use super::{ColdKind, Translator};
use anyarch_engine::fp::{FOp, imm};
use anyarch_engine::ops::*;
use anyarch_engine::state::mode;

const X0: u8 = 12;
const X1: u8 = 13;
const X2: u8 = 14;
const X3: u8 = 15;

type T<'a> = Translator<'a>;

/// The form of the operation that is being emitted.
#[derive(Default)]
pub(crate) struct Form {
    /// It is one of [`VArgs::BOXED`].
    boxing: bool,
    /// It is of [`Ops::fp_standard`].
    standard: bool,
    /// Nothing has a meaning above the lane of the result.
    loose: bool,
}

pub(super) fn fp_box(t: &mut T<'_>, d: V, es: u8) {
    let k = match es {
        1 => K::Box16,
        2 => K::Box32,
        _ => return,
    };
    let x = t.vgetr(d, X0);
    t.with_constant(ORPS, x, x, k);
    t.vput(d, x);
    t.wrote(d, 16);
    t.is_boxed(d, es);
}

pub(super) fn fp(t: &mut T<'_>, op: FOp, mut args: VArgs) {
    use FOp::*;
    let arg = pack_vec(op as u16, &args);
    if args.bytes == VArgs::BOXED {
        args.bytes = 1 << args.boxed_size(op);
        t.form.boxing = true;
    }
    let bits = matches!(op, Abs | Neg | CopySign | CopySignNot | XorSign);
    if t.mode == mode::FLUSH && !bits {
        match flush_limits(t, op, &args) {
            Some(limits) => {
                let site = flush_guard(t, op, &args, limits);
                let done = lower(t, op, &args);
                debug_assert!(done, "{op:?} {args:?}");
                if let Some(site) = site {
                    t.resume_as(site, ColdKind::Helper(helpers::fp, arg));
                }
            }
            None => t.inline_helper(helpers::fp, arg),
        }
    } else if t.mode == mode::OTHER && !bits || !lower(t, op, &args) {
        t.inline_helper(helpers::fp, arg);
    }
    let bytes = match op {
        AcrossMax | AcrossMin | AcrossMaxNum | AcrossMinNum => 1 << args.es,
        _ => args.bytes,
    };
    if t.form.boxing {
        t.form.boxing = false;
        t.wrote(args.d, 16);
        return t.is_boxed(args.d, args.boxed_size(op));
    }
    t.wrote(args.d, bytes);
}

/// See [`Ops::fp_lane`].
pub(super) fn fp_lane(t: &mut T<'_>, op: FOp, args: VArgs) {
    t.form.loose = true;
    fp(t, op, args);
    t.form.loose = false;
    t.wrote(args.d, 16);
}

/// As [`fp`] to nearest, flushed to zero and with the default NaN ([`Ops::fp_standard`]). Where the
/// host rounds to nearest the code of mode `FLUSH` serves, with another function for the rest.
pub(super) fn fp_standard(t: &mut T<'_>, op: FOp, args: VArgs) {
    use FOp::*;
    if matches!(op, Abs | Neg | CopySign | CopySignNot | XorSign) {
        return fp(t, op, args);
    }
    let (function, arg) = (FP_STANDARD.function, standard_args(op, args));
    let is_nearest = matches!(t.exact_mode & mode::FP, mode::EXACT | mode::FLUSH);
    // The host's roundings to integers keep a NaN as it is.
    let is_other = matches!(op, Convert | WidenHigh | NarrowHigh | RoundInt | RoundIntExact);
    let is_known = is_nearest && args.es == 2 && !is_other;
    match is_known.then(|| flush_limits(t, op, &args)).flatten() {
        Some(limits) => {
            let site = flush_guard(t, op, &args, limits);
            t.form.standard = true;
            let done = lower(t, op, &args);
            t.form.standard = false;
            debug_assert!(done, "{op:?} {args:?}");
            if let Some(site) = site {
                t.resume_as(site, ColdKind::Helper(function, arg));
            }
        }
        None => t.inline_helper(function, arg),
    }
    t.wrote(args.d, args.bytes);
}

/// Emits the operation. False, and nothing emitted, if it has no host code.
fn lower(t: &mut T<'_>, op: FOp, args: &VArgs) -> bool {
    use FOp::*;
    let VArgs { d, a, b, c, es, bytes, imm } = *args;
    let scalar = bytes == 1 << es;
    if let CopySign | CopySignNot | XorSign = op {
        return copy_sign(t, op, args);
    }
    if let Abs | Neg = op {
        let Some(mut k) = sign_constant(op == Neg, es, scalar) else { return false };
        if t.form.boxing && op == Abs {
            k = abs_boxed(es);
        }
        let ra = t.vgetr(a, X0);
        let clean = bytes == 16 || scalar && (op == Abs || (es > 1 || t.form.boxing) && t.is_clean(a, es));
        let x = t.vdef(d, X0);
        t.with_constant(if op == Neg { XORPS } else { ANDPS }, x, ra, k);
        t.complete(d, bytes, x, clean);
        return true;
    }
    if let Convert | WidenHigh | NarrowHigh = op {
        return convert(t, op, args);
    }
    if !(es == 2 || es == 3) {
        return false;
    }
    let again = match t.form.standard {
        true => (FP_STANDARD.function, standard_args(op, *args)),
        false => (helpers::fp as HelperFn, t.packed(op, args)),
    };
    match op {
        Add => binary(t, ADD, true, args, Post::None, again),
        Sub => binary(t, SUB, false, args, Post::None, again),
        Mul => binary(t, MUL, true, args, Post::None, again),
        NegMul => binary(t, MUL, true, args, Post::Neg, again),
        Div => binary(t, DIV, false, args, Post::None, again),
        AbsDiff => binary(t, SUB, false, args, Post::Abs, again),
        Sqrt => {
            let (x, clean) = if scalar {
                (unary(t, arith(es, true, SQRT), None, args, true, es), true)
            } else {
                let ra = t.lanes(a, bytes, X1);
                let x = t.target(d, &[a]);
                t.a.v2(arith(es, false, SQRT), x, ra);
                (x, bytes == 16)
            };
            let guard = t.guard_nan(es, scalar, x, Rm::R(x));
            t.complete(d, bytes, x, clean);
            t.resume(guard, again.0, again.1);
        }
        RoundInt if scalar && imm::direction(imm) == Round::NearestAway => {
            t.clobber_flags();
            let site = small_magnitude(t, es, if es == 3 { 52 } else { 23 }, a);
            round_away(t, es, a);
            t.complete(d, bytes, X0, t.zeroes_complete(bytes));
            t.resume_as(site, ColdKind::Helper(again.0, again.1));
        }
        RoundInt | RoundIntExact => {
            let Some(mut mode) = host_rounding(imm::direction(imm)) else { return false };
            if op == RoundInt {
                mode |= 8;
            }
            if scalar {
                let x = unary(t, rounds(es), Some(mode), args, true, es);
                let guard = t.form.boxing.then(|| t.guard_nan(es, true, x, Rm::R(x)));
                t.complete(d, bytes, x, true);
                if let Some(guard) = guard {
                    t.resume(guard, again.0, again.1);
                }
            } else {
                let ra = t.lanes(a, bytes, X1);
                let x = t.vdef(d, X0);
                t.a.v2i(roundp(es), x, ra, mode);
                t.complete(d, bytes, x, bytes == 16);
            }
        }
        Max | MaxNum | MaxNumber | Min | MinNum | MinNumber => {
            let max = matches!(op, Max | MaxNum | MaxNumber);
            let (ra, rb, clean) = if scalar {
                let (ra, clean_a) = t.lane0(a, es, X1);
                let (rb, clean_b) = t.lane0(b, es, X2);
                (ra, rb, if max && !t.form.boxing { clean_a || clean_b } else { clean_a && clean_b })
            } else {
                (t.lanes(a, bytes, X1), t.lanes(b, bytes, X2), bytes == 16)
            };
            let guard = t.guard_nan(es, scalar, ra, Rm::R(rb));
            let x = t.vdef(d, X0);
            extreme(t, max, es, scalar, x, ra, rb);
            t.complete(d, bytes, x, clean);
            t.resume(guard, again.0, again.1);
        }
        PairAdd => {
            let (ra, rb, clean) = pair_sources(t, args);
            let x = t.target(d, &[a, b]);
            t.a.v3(arith(es, scalar, ADD), x, ra, rb, true, X3);
            let guard = t.guard_nan(es, scalar, x, Rm::R(x));
            t.complete(d, bytes, x, clean);
            t.resume(guard, again.0, again.1);
        }
        PairMax | PairMaxNum | PairMin | PairMinNum => {
            let (ra, rb, _) = pair_sources(t, args);
            let guard = t.guard_nan(es, scalar, ra, Rm::R(rb));
            let x = t.vdef(d, X0);
            extreme(t, matches!(op, PairMax | PairMaxNum), es, scalar, x, ra, rb);
            t.complete(d, bytes, x, bytes == 16);
            t.resume(guard, again.0, again.1);
        }
        AcrossMax | AcrossMaxNum | AcrossMin | AcrossMinNum if es == 2 && bytes == 16 => {
            let max = matches!(op, AcrossMax | AcrossMaxNum);
            let ra = t.vgetr(a, X1);
            let guard = t.guard_nan(es, false, ra, Rm::R(ra));
            t.a.v2i(PSHUFD, X2, ra, 0xb1);
            extreme(t, max, es, false, X0, ra, X2);
            t.a.v2i(PSHUFD, X2, X0, 0x4e);
            extreme(t, max, es, false, X1, X0, X2);
            t.complete(d, 4, X1, false);
            t.resume(guard, again.0, again.1);
        }
        MulAdd | MulSub | NegMulAdd | NegMulSub if t.features.fma => {
            let form = match op {
                MulAdd => Fused::Madd,
                NegMulSub => Fused::Msub,
                MulSub => Fused::Nmadd,
                _ => Fused::Nmsub,
            };
            mul_add(t, form, args, again);
        }
        CmpEq => compare(t, args, Some(a), Some(b), EQ, false),
        CmpGe => compare(t, args, Some(b), Some(a), LE, false),
        CmpGt => compare(t, args, Some(b), Some(a), LT, false),
        CmpAbsGe => compare(t, args, Some(b), Some(a), LE, true),
        CmpAbsGt => compare(t, args, Some(b), Some(a), LT, true),
        CmpEqZero => compare(t, args, Some(a), None, EQ, false),
        CmpGeZero => compare(t, args, None, Some(a), LE, false),
        CmpGtZero => compare(t, args, None, Some(a), LT, false),
        CmpLeZero => compare(t, args, Some(a), None, LE, false),
        CmpLtZero => compare(t, args, Some(a), None, LT, false),
        ToSigned | ToUnsigned => return to_int(t, op == ToSigned, args, again),
        FromSigned | FromUnsigned => return from_int(t, op == FromSigned, args, again),
        _ => return false,
    }
    let _ = (b, c);
    true
}

#[cfg(test)]
pub(super) mod tests;

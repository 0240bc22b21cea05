//! Two opinions on the soft floating point: known answers where guests differ from each other, and
//! `rustc_apfloat`. A third is the floating-point unit of a host, in its crate.

use super::operands::{Rng, one};
use super::soft::{DOUBLE, Format, HALF, SINGLE};
use super::*;
use crate::operands::V;
use rustc_apfloat::ieee::{Double, Half, Single};
use rustc_apfloat::{Float, FloatConvert, Round as ApRound, Status, StatusAnd};

const MODES: [(Rounding, ApRound); 5] = [
    (Rounding::NearestEven, ApRound::NearestTiesToEven),
    (Rounding::Up, ApRound::TowardPositive),
    (Rounding::Down, ApRound::TowardNegative),
    (Rounding::Zero, ApRound::TowardZero),
    (Rounding::NearestAway, ApRound::NearestTiesToAway),
];

fn args(es: u8, bytes: u8, imm: u32) -> VArgs {
    VArgs { d: V(0), a: V(0), b: V(0), c: V(0), es, bytes, imm }
}

/// One lane.
fn run(op: FOp, es: u8, imm: u32, [a, b, c]: [u64; 3], env: &mut FpEnv) -> u64 {
    eval(op, &args(es, 1 << es, imm), a as u128, b as u128, c as u128, env) as u64
}

// rustc_apfloat.

fn status_flags(s: Status) -> u8 {
    [
        (Status::INVALID_OP, flag::INVALID),
        (Status::DIV_BY_ZERO, flag::DIV_ZERO),
        (Status::OVERFLOW, flag::OVERFLOW),
        (Status::INEXACT, flag::INEXACT),
    ]
    .iter()
    .fold(0, |f, &(from, to)| if s.contains(from) { f | to } else { f })
}

/// Compares everything but NaN payloads, underflow (which apfloat detects in its own way) and the
/// overflow of a result rounded to the largest finite number (which apfloat leaves out).
fn agrees<F: Float>(
    what: &str,
    f: Format,
    mode: Rounding,
    ops: &[u64],
    ours: u64,
    env: &FpEnv,
    theirs: StatusAnd<F>,
) {
    let magnitude = ours & !f.sign_bit();
    if theirs.value.is_nan() {
        assert!(magnitude > f.infinity(false), "{what} {f:?} {mode:?} {ops:x?}: {ours:x}, not NaN");
        return;
    }
    let mut flags = env.flags & !flag::UNDERFLOW;
    if magnitude == f.max_normal(false) {
        flags &= !flag::OVERFLOW;
    }
    let bits = theirs.value.to_bits() as u64;
    assert_eq!(
        (ours, flags),
        (bits, status_flags(theirs.status)),
        "{what} {f:?} {mode:?} {ops:x?}: {ours:x} {bits:x}"
    );
    // Underflow before rounding: every inexact result below the smallest normal, and some that
    // round up to it.
    let smallest = 1 << f.frac_bits;
    if env.flags & flag::UNDERFLOW != 0 {
        assert!(magnitude <= smallest && flags & flag::INEXACT != 0, "{what} {ops:x?}");
    } else {
        assert!(magnitude >= smallest || flags & flag::INEXACT == 0, "{what} {ops:x?}");
    }
}

fn arithmetic<F: Float>(f: Format, es: u8, rounds: usize) {
    let mut rng = Rng(0x1234_5678 + es as u64);
    for n in 0..rounds {
        let (mode, their_mode) = MODES[n % 5];
        let a = rng.operand(f, one(f));
        let b = rng.operand(f, a);
        let near = if n & 1 == 0 { a } else { run(FOp::Mul, es, 0, [a, b, 0], &mut FpEnv::default()) };
        let c = rng.operand(f, near);
        let (x, y, z) = (F::from_bits(a as u128), F::from_bits(b as u128), F::from_bits(c as u128));
        let check = |op: FOp, theirs: StatusAnd<F>| {
            let mut env = FpEnv { rounding: mode, ..FpEnv::default() };
            let ours = run(op, es, 0, [a, b, c], &mut env);
            agrees(&format!("{op:?}"), f, mode, &[a, b, c], ours, &env, theirs);
        };
        check(FOp::Add, x.add_r(y, their_mode));
        check(FOp::Sub, x.sub_r(y, their_mode));
        check(FOp::Mul, x.mul_r(y, their_mode));
        check(FOp::Div, x.div_r(y, their_mode));
        check(FOp::MulAdd, x.mul_add_r(y, z, their_mode));
        check(FOp::NegMulSub, x.mul_add_r(y, -z, their_mode));
        if !x.is_nan() {
            let mut theirs = x.round_to_integral(their_mode);
            theirs.status &= !Status::UNDERFLOW;
            let mut env = FpEnv { rounding: mode, ..FpEnv::default() };
            let ours = run(FOp::RoundIntExact, es, imm::round(Round::Current), [a, 0, 0], &mut env);
            assert_eq!(ours, theirs.value.to_bits() as u64, "RoundInt {mode:?} {a:x}");
            assert_eq!(env.flags & flag::INEXACT != 0, ours != a, "RoundInt {mode:?} {a:x}");
        }
        for (signed, width) in [(true, 32), (false, 32), (true, 64), (false, 64), (true, 16), (false, 16)] {
            let mut exact = false;
            let (theirs, status) = if signed {
                let r = x.to_i128_r(width, their_mode, &mut exact);
                (r.value as u64, r.status)
            } else {
                let r = x.to_u128_r(width, their_mode, &mut exact);
                (r.value as u64, r.status)
            };
            let mut env = FpEnv { rounding: mode, ..FpEnv::default() };
            let ours = to_int(es, a, signed, Round::Current, width as u32, 0, &mut env);
            assert_eq!(ours, theirs & u64::MAX >> (64 - width), "to_int {signed} {width} {mode:?} {a:x}");
            assert_eq!(env.flags, status_flags(status), "to_int {signed} {width} {mode:?} {a:x}");
        }
        let s = rng.next() >> rng.below(64);
        for (signed, width) in [(true, 32), (false, 32), (true, 64), (false, 64)] {
            let low = s << (64 - width) >> (64 - width);
            let theirs = if signed {
                F::from_i128_r((s << (64 - width)) as i64 as i128 >> (64 - width), their_mode)
            } else {
                F::from_u128_r(low as u128, their_mode)
            };
            let mut env = FpEnv { rounding: mode, ..FpEnv::default() };
            let ours = from_int(es, s, signed, Round::Current, width, 0, &mut env);
            agrees("from_int", f, mode, &[s], ours, &env, theirs);
        }
    }
}

#[test]
fn arithmetic_agrees_with_apfloat() {
    arithmetic::<Half>(HALF, 1, 60_000);
    arithmetic::<Single>(SINGLE, 2, 60_000);
    arithmetic::<Double>(DOUBLE, 3, 60_000);
}

fn conversion<F: Float + FloatConvert<T>, T: Float>((f, es): (Format, u8), (t, to): (Format, u8)) {
    let mut rng = Rng(0x9876 + (es * 8 + to) as u64);
    for n in 0..20_000 {
        let (mode, their_mode) = MODES[n % 5];
        let mut a = rng.operand(f, one(f));
        if n & 1 == 0 {
            // Around the results' denormals and largest numbers.
            let exp =
                one(f).wrapping_add_signed((t.min_exp() as i64 + rng.below(30) as i64 - 15) << f.frac_bits);
            a = (if n & 2 == 0 { exp } else { (2 * one(f)).wrapping_sub(exp) }) & f.infinity(true)
                | a & ((1 << f.frac_bits) - 1);
        }
        let x = F::from_bits(a as u128);
        let theirs: StatusAnd<T> = x.convert_r(their_mode, &mut false);
        let mut env = FpEnv { rounding: mode, ..FpEnv::default() };
        let ours = eval(FOp::Convert, &args(es, 1 << to, to as u32), a as u128, 0, 0, &mut env) as u64;
        agrees("Convert", t, mode, &[a], ours, &env, theirs);
    }
}

#[test]
fn conversions_agree_with_apfloat() {
    conversion::<Half, Single>((HALF, 1), (SINGLE, 2));
    conversion::<Half, Double>((HALF, 1), (DOUBLE, 3));
    conversion::<Single, Half>((SINGLE, 2), (HALF, 1));
    conversion::<Single, Double>((SINGLE, 2), (DOUBLE, 3));
    conversion::<Double, Half>((DOUBLE, 3), (HALF, 1));
    conversion::<Double, Single>((DOUBLE, 3), (SINGLE, 2));
}

// Known answers.

#[track_caller]
fn check(op: FOp, es: u8, imm: u32, operands: [u64; 3], env: FpEnv, result: u64, flags: u8) {
    let mut env = FpEnv { flags: 0, ..env };
    let got = run(op, es, imm, operands, &mut env);
    assert_eq!((got, env.flags), (result, flags), "{op:?} {operands:x?}: {got:x}");
}

const ARM: FpEnv = FpEnv {
    rounding: Rounding::NearestEven,
    default_nan: false,
    flush: false,
    flush_half: false,
    alt_half: false,
    nan_negative: false,
    flags: 0,
    saturated: false,
    nan_rule: NanRule::SignalingFirst,
    int_invalid: IntInvalid::NanZero,
    tiny_after_rounding: false,
};

const INF: u64 = 0x7f80_0000;
const MINUS: u64 = 0x8000_0000;
const QNAN1: u64 = 0x7fc0_0011;
const QNAN2: u64 = 0xffc0_0022;
const SNAN: u64 = 0x7f80_0033;
const ONE: u64 = 0x3f80_0000;
const TWO: u64 = 0x4000_0000;

#[test]
fn nan_rules() {
    use flag::INVALID;
    let dn = FpEnv { default_nan: true, ..ARM };
    check(FOp::Add, 2, 0, [QNAN1, QNAN2, 0], ARM, QNAN1, 0);
    check(FOp::Add, 2, 0, [QNAN1, SNAN, 0], ARM, 0x7fc0_0033, INVALID);
    check(FOp::Add, 2, 0, [QNAN1, QNAN2, 0], dn, 0x7fc0_0000, 0);
    check(FOp::Sub, 2, 0, [INF, INF, 0], ARM, 0x7fc0_0000, INVALID);
    check(FOp::NegMul, 2, 0, [INF, 0, 0], ARM, 0xffc0_0000, INVALID);
    check(FOp::NegMul, 2, 0, [QNAN1, 0, 0], ARM, 0xffc0_0011, 0);
    check(FOp::AbsDiff, 2, 0, [QNAN2, 0, 0], ARM, 0x7fc0_0022, 0);
    check(FOp::MulX, 2, 0, [INF, MINUS, 0], ARM, 0xc000_0000, 0);
    // The addend comes first, but a signalling NaN before any quiet one.
    check(FOp::MulAdd, 2, 0, [QNAN1, ONE, QNAN2], ARM, QNAN2, 0);
    check(FOp::MulAdd, 2, 0, [ONE, SNAN, QNAN2], ARM, 0x7fc0_0033, INVALID);
    check(FOp::MulAdd, 2, 0, [INF, 0, QNAN2], ARM, 0x7fc0_0000, INVALID);
    check(FOp::MulAdd, 2, 0, [INF, 0, SNAN], ARM, 0x7fc0_0033, INVALID);
    check(FOp::MulSub, 2, 0, [QNAN1, ONE, ONE], ARM, 0xffc0_0011, 0);
    check(FOp::NegMulAdd, 2, 0, [ONE, ONE, QNAN1], ARM, 0xffc0_0011, 0);
    check(FOp::MaxNum, 2, 0, [QNAN1, ONE, 0], ARM, ONE, 0);
    check(FOp::MaxNum, 2, 0, [SNAN, ONE, 0], ARM, 0x7fc0_0033, INVALID);
    check(FOp::MinNum, 2, 0, [QNAN1, QNAN2, 0], ARM, QNAN1, 0);
    check(FOp::Max, 2, 0, [0, MINUS, 0], ARM, 0, 0);
    check(FOp::Min, 2, 0, [0, MINUS, 0], ARM, MINUS, 0);
    check(FOp::RecipStep, 2, 0, [INF, 0, 0], ARM, TWO, 0);
    check(FOp::RsqrtStep, 2, 0, [INF, 0, 0], ARM, 0x3fc0_0000, 0);
    check(FOp::RecipStep, 2, 0, [QNAN1, 0, 0], ARM, 0xffc0_0011, 0);
    check(FOp::CmpEq, 2, 0, [QNAN1, ONE, 0], ARM, 0, 0);
    check(FOp::CmpEq, 2, 0, [SNAN, ONE, 0], ARM, 0, INVALID);
    check(FOp::CmpGe, 2, 0, [QNAN1, ONE, 0], ARM, 0, INVALID);
    check(FOp::CmpAbsGt, 2, 0, [0xc000_0000, ONE, 0], ARM, 0xffff_ffff, 0);
    check(FOp::CmpLeZero, 2, 0, [MINUS, 0, 0], ARM, 0xffff_ffff, 0);
}

#[test]
fn denormals() {
    use flag::*;
    let fz = FpEnv { flush: true, ..ARM };
    let fz16 = FpEnv { flush_half: true, ..ARM };
    check(FOp::Add, 2, 0, [1, ONE, 0], fz, ONE, INPUT_DENORMAL);
    check(FOp::Mul, 2, 0, [0x0080_0000, 0x3f00_0000, 0], fz, 0, UNDERFLOW);
    check(FOp::Mul, 2, 0, [0x0080_0000, 0x3f00_0000, 0], ARM, 0x0040_0000, 0);
    check(FOp::Mul, 2, 0, [0x0080_0001, 0x3f00_0000, 0], ARM, 0x0040_0000, UNDERFLOW | INEXACT);
    // Tiny before rounding, normal after.
    check(FOp::Mul, 2, 0, [0x0080_0000, 0x3f7f_ffff, 0], ARM, 0x0080_0000, UNDERFLOW | INEXACT);
    check(FOp::Mul, 2, 0, [0x0080_0000, 0x3f7f_ffff, 0], fz, 0, UNDERFLOW);
    check(FOp::Max, 2, 0, [0x8000_0001, MINUS, 0], fz, MINUS, INPUT_DENORMAL);
    check(FOp::CmpEqZero, 2, 0, [1, 0, 0], fz, 0xffff_ffff, INPUT_DENORMAL);
    check(FOp::Add, 1, 0, [1, 1, 0], fz, 2, 0);
    check(FOp::Add, 1, 0, [1, 0x3c00, 0], fz16, 0x3c00, 0);
    check(FOp::Convert, 1, 2, [1, 0, 0], fz16, 0, 0);
    check(FOp::RoundIntExact, 2, imm::round(Round::Up), [1, 0, 0], fz, 0, INPUT_DENORMAL);
    check(FOp::RoundIntExact, 2, imm::round(Round::Up), [1, 0, 0], ARM, ONE, INEXACT);
}

#[test]
fn precision_and_alternative_half() {
    use flag::*;
    let alt = FpEnv { alt_half: true, ..ARM };
    let to = |from: u8, to: u8, a: u64, env: FpEnv, result: u64, flags: u8| {
        let mut env = env;
        let got = eval(FOp::Convert, &args(from, 1 << to, to as u32), a as u128, 0, 0, &mut env) as u64;
        assert_eq!((got, env.flags), (result, flags), "{from} to {to} {a:x}: {got:x}");
    };
    to(2, 1, INF, alt, 0x7fff, INVALID);
    to(2, 1, QNAN2, alt, 0x8000, INVALID);
    to(2, 1, 0x4800_0000, alt, 0x7fff, INVALID);
    to(2, 1, 0x47ff_e000, alt, 0x7fff, 0);
    to(2, 1, 0x47ff_e000, ARM, 0x7c00, OVERFLOW | INEXACT);
    to(1, 2, 0x7c00, alt, 0x4780_0000, 0);
    to(1, 2, 0x7c01, ARM, 0x7fc0_2000, INVALID);
    to(3, 1, 0xfff8_4000_0000_0000, ARM, 0xfe10, 0);
    to(1, 3, 1, FpEnv { flush_half: true, ..ARM }, 0x3e70_0000_0000_0000, 0);
    let narrow = |op, a: u128, c: u128, bytes, result: u128, flags: u8| {
        let mut env = ARM;
        let got = eval(op, &args(3, bytes, 2), a, 0, c, &mut env);
        assert_eq!((got, env.flags), (result, flags), "{op:?} {got:x}");
    };
    narrow(FOp::NarrowOdd, 0x3ff0_0000_0000_0001, 0, 4, 0x3f80_0001, INEXACT);
    narrow(FOp::NarrowOdd, 0x7fef_ffff_ffff_ffff, 0, 4, 0x7f7f_ffff, OVERFLOW | INEXACT);
    narrow(
        FOp::NarrowHigh,
        0x4000_0000_0000_0000_3ff0_0000_0000_0000,
        7,
        16,
        0x4000_0000_3f80_0000_0000_0000_0000_0007,
        0,
    );
}

#[test]
fn integers() {
    use flag::*;
    let zero = imm::to_int(Round::Zero, 0);
    check(FOp::ToSigned, 2, zero, [QNAN1, 0, 0], ARM, 0, INVALID);
    check(FOp::ToSigned, 2, zero, [INF | MINUS, 0, 0], ARM, 0x8000_0000, INVALID);
    check(FOp::ToUnsigned, 2, zero, [0xbf80_0000, 0, 0], ARM, 0, INVALID);
    check(FOp::ToUnsigned, 2, zero, [0xbf00_0000, 0, 0], ARM, 0, INEXACT);
    check(FOp::ToUnsigned, 2, zero, [INF, 0, 0], ARM, 0xffff_ffff, INVALID);
    check(FOp::ToSigned, 2, imm::to_int(Round::Zero, 32), [ONE, 0, 0], ARM, 0x7fff_ffff, INVALID);
    check(FOp::ToSigned, 2, imm::to_int(Round::Zero, 4), [ONE, 0, 0], ARM, 16, 0);
    check(FOp::FromSigned, 2, imm::to_int(Round::Zero, 32), [0x8000_0000, 0, 0], ARM, 0xbf00_0000, 0);
    check(FOp::FromUnsigned, 1, 0, [0xffff, 0, 0], ARM, 0x7c00, OVERFLOW | INEXACT);
    check(FOp::RoundInt32, 2, imm::round(Round::Zero), [0x4f00_0000, 0, 0], ARM, 0xcf00_0000, INVALID);
    check(FOp::RoundInt32, 2, imm::round(Round::Zero), [0xcf00_0000, 0, 0], ARM, 0xcf00_0000, 0);
    check(
        FOp::RoundInt64,
        3,
        imm::round(Round::Zero),
        [0x7ff0_0000_0000_0000, 0, 0],
        ARM,
        0xc3e0_0000_0000_0000,
        INVALID,
    );
    let wrapping = |a: u64, value: u32, exact: bool, flags: u8| {
        check(FOp::ToSignedWrapping, 3, 0, [a, 0, 0], ARM, value as u64 | (exact as u64) << 62, flags);
    };
    wrapping(0x3ff0_0000_0000_0000, 1, true, 0);
    wrapping(0x8000_0000_0000_0000, 0, false, 0);
    wrapping(0xbff8_0000_0000_0000, -1i32 as u32, false, INEXACT);
    wrapping(0x41f0_0000_0010_0000, 1, false, INVALID);
    wrapping(0xc1e0_0000_0000_0000, 0x8000_0000, true, 0);
    wrapping(0x7ff0_0000_0000_0000, 0, false, INVALID);
    wrapping(0x7fe0_0000_0000_0000, 0, false, INVALID);
}

#[test]
fn estimates() {
    use flag::*;
    let fz = FpEnv { flush: true, ..ARM };
    check(FOp::RecipEstimate, 2, 0, [ONE, 0, 0], ARM, 0x3f7f_8000, 0);
    check(FOp::RecipEstimate, 2, 0, [0, 0, 0], ARM, INF, DIV_ZERO);
    check(FOp::RecipEstimate, 2, 0, [0x001f_ffff, 0, 0], ARM, INF, OVERFLOW | INEXACT);
    check(FOp::RecipEstimate, 2, 0, [0x0020_0000, 0, 0], ARM, 0x7f7f_8000, 0);
    check(FOp::RecipEstimate, 2, 0, [0x7e80_0000, 0, 0], fz, 0, UNDERFLOW);
    check(FOp::RecipEstimate, 2, 0, [0x7e80_0000, 0, 0], ARM, 0x007f_c000, 0);
    check(FOp::RsqrtEstimate, 2, 0, [ONE, 0, 0], ARM, 0x3f7f_8000, 0);
    check(FOp::RsqrtEstimate, 2, 0, [0xbf80_0000, 0, 0], ARM, 0x7fc0_0000, INVALID);
    check(FOp::RsqrtEstimate, 2, 0, [MINUS, 0, 0], ARM, 0xff80_0000, DIV_ZERO);
    check(FOp::RsqrtEstimate, 3, 0, [0x4010_0000_0000_0000, 0, 0], ARM, 0x3fdf_f000_0000_0000, 0);
    check(FOp::RecipExponent, 2, 0, [ONE, 0, 0], ARM, 0x4000_0000, 0);
    check(FOp::RecipExponent, 2, 0, [MINUS, 0, 0], ARM, 0xff00_0000, 0);
    // Each estimate is within 2^-8 of the exact reciprocal: relative error of a * estimate
    // against 1.
    let mut rng = Rng(3);
    for _ in 0..20_000 {
        let a = 0x3f80_0000 + rng.below(0x0100_0000);
        let mut env = ARM;
        let (x, y) = (a, run(FOp::RecipEstimate, 2, 0, [a, 0, 0], &mut env));
        let off = run(FOp::MulSub, 2, 0, [x, y, ONE], &mut env) & !MINUS;
        assert!(off < 0x3b80_0000, "{a:x} {y:x}");
    }
}

#[test]
fn lanes() {
    let mut env = ARM;
    let v = |lanes: [u64; 4]| build(2, 4, |i| lanes[i]);
    let (f1, f2, f3, f4) = (ONE, TWO, 0x4040_0000, 0x4080_0000);
    let a = v([f1, f2, f3, f4]);
    let run = |op, bytes, imm, a, b, c, env: &mut FpEnv| eval(op, &args(2, bytes, imm), a, b, c, env);
    assert_eq!(run(FOp::PairAdd, 16, 0, a, a, 0, &mut env), v([f3, 0x40e0_0000, f3, 0x40e0_0000]));
    assert_eq!(run(FOp::PairAdd, 8, 0, a, a, 0, &mut env), v([f3, f3, 0, 0]));
    assert_eq!(run(FOp::PairAdd, 4, 0, a, a, 0, &mut env), v([f3, 0, 0, 0]));
    assert_eq!(run(FOp::AcrossMax, 16, 0, a, 0, 0, &mut env), f4 as u128);
    assert_eq!(run(FOp::AcrossMin, 8, 0, a, 0, 0, &mut env), f1 as u128);
    assert_eq!(run(FOp::Add, 8, 0, a, a, a, &mut env), v([f2, f4, 0, 0]));
    // (1 + 2i) + i(3 + 4i) = -3 + 5i, and the other way.
    let (x, y) = (v([f1, f2, 0, 0]), v([f3, f4, 0, 0]));
    assert_eq!(run(FOp::ComplexAdd, 8, 1, x, y, 0, &mut env), v([f3 | MINUS, 0x40a0_0000, 0, 0]));
    assert_eq!(run(FOp::ComplexAdd, 8, 3, x, y, 0, &mut env), v([0x40a0_0000, f1 | MINUS, 0, 0]));
    // (1 + 2i)(3 + 4i) = -5 + 10i in two steps.
    let half = run(FOp::ComplexMulAdd, 8, 0, x, y, 0, &mut env);
    assert_eq!(half, v([f3, f4, 0, 0]));
    assert_eq!(run(FOp::ComplexMulAdd, 8, 1, x, y, half, &mut env), v([0xc0a0_0000, 0x4120_0000, 0, 0]));
    // Half and bfloat products: 1.5 * 2 + 1.
    let long =
        eval(FOp::MulAddLong, &args(1, 8, 1), 0x3e00_0000 << 16, 0x4000_0000 << 16, f1 as u128, &mut env);
    assert_eq!(long, f4 as u128);
    let bf = run(FOp::Bf16MulAdd, 4, 1, 0x3fc0_0000, 0x4000_0000, f1 as u128, &mut env);
    assert_eq!(bf, f4 as u128);
    let dot = run(FOp::Bf16Dot, 4, 0, 0x3fc0_3fc0, 0x4000_4000, f1 as u128, &mut env);
    assert_eq!(dot, 0x40e0_0000);
    assert_eq!(env.flags, 0);
}

#[test]
fn no_operand_panics_and_operations_are_what_they_tell() {
    let mut rng = Rng(99);
    let mut raised = std::collections::HashSet::new();
    for n in 0..200_000usize {
        let op = FOp::ALL[n % FOp::ALL.len()];
        let es = 1 + rng.below(3) as u8;
        let mut vector = || {
            let f = Format::of(es);
            let (x, y) = (rng.operand(f, one(f)), rng.operand(f, one(f)));
            build(es, 16 >> es, |i| if i & 1 == 0 { x } else { y })
        };
        let (a, b, c) = (vector(), vector(), vector());
        let bytes = [1 << es, 8, 16][rng.below(3) as usize];
        let imm = (rng.next() as u32) & 0x3f07;
        let mut env = FpEnv {
            rounding: MODES[n % 5].0,
            flush: n & 1 != 0,
            flush_half: n & 2 != 0,
            default_nan: n & 4 != 0,
            alt_half: n & 8 != 0,
            ..ARM
        };
        let before = env;
        let result = eval(op, &args(es, bytes, imm), a, b, c, &mut env);
        // As its `info` says.
        let info = op.info();
        assert!(info.raises || env.flags == 0, "{op:?} raises {:x}", env.flags);
        if env.flags != 0 {
            raised.insert(op);
        }
        let [b, c] = [(b, 2), (c, 4)].map(|(x, bit)| if info.reads & bit != 0 { x } else { !x });
        let mut other = before;
        assert_eq!(eval(op, &args(es, bytes, imm), a, b, c, &mut other), result, "{op:?}");
        assert_eq!(other.flags, env.flags, "{op:?}");
    }
    let silent = FOp::ALL.iter().filter(|op| op.info().raises && !raised.contains(op));
    assert_eq!(silent.collect::<Vec<_>>(), Vec::<&FOp>::new(), "nothing was raised");
}

//! Reciprocal estimates: the Arm manual's FPRecipEstimate, FPRSqrtEstimate, FPRecpX and their
//! integer forms.
//!
//! The manual defines each estimate as an integer function of nine bits, not as an approximation
//! within an error, so every implementation gives the same bits.

use super::soft::{DOUBLE, Format, Kind, invalid, overflow, process_nan, unpack};
use super::{FpEnv, flag};

/// RecipEstimate: `a` (256 to 511) is 0.5 to 1 in units of 1/512, the result (256 to 511) is 1 to 2
/// in units of 1/256.
fn recip(a: u64) -> u64 {
    let a = a * 2 + 1;
    ((1 << 19) / a).div_ceil(2)
}

/// RecipSqrtEstimate: `a` (128 to 511) is 0.25 to 1 in units of 1/512, the result (256 to 511) is 1
/// to 2 in units of 1/256.
fn rsqrt(a: u64) -> u64 {
    let a = if a < 256 { a * 2 + 1 } else { (a | 1) * 2 };
    // The largest b with a * b * b < 2^28.
    let mut b = 512;
    while a * (b + 1) * (b + 1) < 1 << 28 {
        b += 1;
    }
    b.div_ceil(2)
}

/// Exponent field and fraction, the fraction in the upper 52 bits as if it were a double's,
/// normalised.
fn scaled(f: Format, bits: u64) -> (i32, u64) {
    let frac = bits << (DOUBLE.frac_bits - f.frac_bits) & ((1 << 52) - 1);
    let exp = (bits >> f.frac_bits & f.max_biased()) as i32;
    if exp != 0 {
        return (exp, frac);
    }
    let up = frac.leading_zeros() as i32 - 11;
    (1 - up, frac << up & ((1 << 52) - 1))
}

fn bias(f: Format) -> i32 {
    1 - f.min_exp()
}

/// FPRecipEstimate.
pub(super) fn recip_estimate(f: Format, a: u64, env: &mut FpEnv) -> u64 {
    let n = unpack(f, a, env);
    let sign = n.sign();
    match n.kind {
        Kind::Quiet | Kind::Signaling => return process_nan(f, &n, env),
        Kind::Infinity => return f.zero(sign),
        Kind::Zero => {
            env.flags |= flag::DIV_ZERO;
            return f.infinity(sign);
        }
        Kind::Finite => {}
    }
    let top = n.x.top();
    // Below 2^(min_exp - 2) the reciprocal overflows.
    if top < f.min_exp() - 2 {
        env.flags |= flag::OVERFLOW | flag::INEXACT;
        return overflow(f, sign, env.rounding);
    }
    // From 2^-min_exp on it is denormal.
    if f.flushes(env) && top >= -f.min_exp() {
        env.flags |= flag::UNDERFLOW;
        return f.zero(sign);
    }
    let (exp, frac) = scaled(f, n.bits);
    let estimate = recip(1 << 8 | frac >> 44);
    let mut frac = (estimate & 255) << 44;
    let mut exp = 2 * bias(f) - 1 - exp;
    // The reciprocal itself may be denormal: by one place for 0, by two for -1.
    if exp == 0 {
        frac = 1 << 51 | frac >> 1;
    } else if exp == -1 {
        frac = 1 << 50 | frac >> 2;
        exp = 0;
    }
    f.zero(sign) | (exp as u64) << f.frac_bits | frac >> (52 - f.frac_bits)
}

/// FPRSqrtEstimate.
pub(super) fn rsqrt_estimate(f: Format, a: u64, env: &mut FpEnv) -> u64 {
    let n = unpack(f, a, env);
    match n.kind {
        Kind::Quiet | Kind::Signaling => return process_nan(f, &n, env),
        Kind::Zero => {
            env.flags |= flag::DIV_ZERO;
            return f.infinity(n.sign());
        }
        _ if n.sign() => return invalid(f, env),
        Kind::Infinity => return f.zero(false),
        Kind::Finite => {}
    }
    let (exp, frac) = scaled(f, n.bits);
    let estimate = rsqrt(if exp & 1 == 0 { 1 << 8 | frac >> 44 } else { 1 << 7 | frac >> 45 });
    let exp = (3 * bias(f) - 1 - exp) >> 1;
    (exp as u64) << f.frac_bits | (estimate & 255) << 44 >> (52 - f.frac_bits)
}

/// FPRecpX.
pub(super) fn recip_exponent(f: Format, a: u64, env: &mut FpEnv) -> u64 {
    let n = unpack(f, a, env);
    if n.is_nan() {
        return process_nan(f, &n, env);
    }
    let exp = a >> f.frac_bits & f.max_biased();
    let exp = if exp == 0 { f.max_biased() - 1 } else { exp ^ f.max_biased() };
    f.zero(n.sign()) | exp << f.frac_bits
}

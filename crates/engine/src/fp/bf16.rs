//! The BFloat16 dot product with its own simplified arithmetic (the Arm manual's BFDotAdd without
//! FEAT_EBF16).

use super::soft::{SINGLE, add, mul};
use super::{FpEnv, Rounding, flag};

/// c + (a.low * b.low + a.high * b.high), each operation rounded on its own.
pub(super) fn dot(c: u64, a: u64, b: u64, env: &FpEnv) -> u64 {
    let half = |pair: u64, i: u32| pair >> (16 * i) << 16 & 0xffff_0000;
    let low = step(env, |env| mul(SINGLE, half(a, 0), half(b, 0), false, env));
    let high = step(env, |env| mul(SINGLE, half(a, 1), half(b, 1), false, env));
    let both = step(env, |env| add(SINGLE, low, high, false, env));
    step(env, |env| add(SINGLE, c, both, false, env))
}

/// One operation as BFMulH, BFAdd and BFRound do it: to odd, denormals flushed, default NaN, no
/// flags, and infinity for overflow.
fn step(env: &FpEnv, op: impl FnOnce(&mut FpEnv) -> u64) -> u64 {
    let nan_negative = env.nan_negative;
    let mut own =
        FpEnv { rounding: Rounding::Odd, default_nan: true, flush: true, nan_negative, ..FpEnv::default() };
    let result = op(&mut own);
    if own.flags & flag::OVERFLOW != 0 { SINGLE.infinity(result & SINGLE.sign_bit() != 0) } else { result }
}

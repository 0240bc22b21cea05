//! Single operations on unpacked numbers: unpack, exact arithmetic on wide integers, round and
//! pack.
//!
//! The shape is that of the Arm manual's shared pseudocode (FPUnpack, FPRound, FPProcessNaNs,
//! FPAdd, ...), so that the two can be read side by side. A finite number is `mant * 2^exp` with a
//! 128-bit `mant`, which holds every intermediate result exactly except in two places: the smaller
//! operand of an addition that is shifted far right, and the quotient or root that goes on for
//! ever. There the lost bits are **jammed**: the lowest bit is set if any lost bit was. At least
//! ten zero bits lie between the jammed bit and the last bit that any format keeps, so rounding
//! cannot tell the jammed value from the exact one.

use super::{FpEnv, IntInvalid, NanRule, Rounding, flag};

/// A binary interchange format of up to 64 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Format {
    /// Bits of the exponent.
    pub exp_bits: u32,
    /// Bits of the fraction.
    pub frac_bits: u32,
}

/// Half precision.
pub const HALF: Format = Format { exp_bits: 5, frac_bits: 10 };
pub(super) const SINGLE: Format = Format { exp_bits: 8, frac_bits: 23 };
pub(super) const DOUBLE: Format = Format { exp_bits: 11, frac_bits: 52 };
pub(super) const BF16: Format = Format { exp_bits: 8, frac_bits: 7 };

impl Format {
    /// The format of lanes of `1 << es` bytes.
    pub fn of(es: u8) -> Format {
        match es {
            1 => HALF,
            2 => SINGLE,
            _ => DOUBLE,
        }
    }

    pub(super) fn bits(self) -> u32 {
        1 + self.exp_bits + self.frac_bits
    }

    /// All bits of a number.
    pub fn mask(self) -> u64 {
        u64::MAX >> (64 - self.bits())
    }

    /// The bit of the sign.
    pub fn sign_bit(self) -> u64 {
        1 << (self.bits() - 1)
    }

    fn frac_mask(self) -> u64 {
        (1 << self.frac_bits) - 1
    }

    fn quiet_bit(self) -> u64 {
        1 << (self.frac_bits - 1)
    }

    /// The exponent field of infinities and NaNs.
    pub fn max_biased(self) -> u64 {
        (1 << self.exp_bits) - 1
    }

    /// The exponent of the smallest normal number.
    pub(super) fn min_exp(self) -> i32 {
        2 - (1 << (self.exp_bits - 1))
    }

    pub(super) fn zero(self, sign: bool) -> u64 {
        (sign as u64) << (self.bits() - 1)
    }

    /// Infinity, negative where `sign`.
    pub fn infinity(self, sign: bool) -> u64 {
        self.zero(sign) | self.max_biased() << self.frac_bits
    }

    pub(super) fn max_normal(self, sign: bool) -> u64 {
        self.infinity(sign) - 1
    }

    pub(super) fn default_nan(self, env: &FpEnv) -> u64 {
        self.infinity(env.nan_negative) | self.quiet_bit()
    }

    /// Whether arithmetic flushes denormals of this format.
    pub(super) fn flushes(self, env: &FpEnv) -> bool {
        if self == HALF { env.flush_half } else { env.flush }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Zero,
    Finite,
    Infinity,
    Quiet,
    Signaling,
}

/// An exact non-zero finite number: `mant * 2^exp`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Exact {
    pub(super) sign: bool,
    pub(super) exp: i32,
    pub(super) mant: u128,
}

impl Exact {
    /// The exponent of the leading bit.
    pub(super) fn top(self) -> i32 {
        self.exp + 127 - self.mant.leading_zeros() as i32
    }
}

/// An operand taken apart. `x` is meaningful for `Finite`, its sign for all kinds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Num {
    pub(super) kind: Kind,
    pub(super) x: Exact,
    pub(super) bits: u64,
}

impl Num {
    pub(super) fn is_nan(&self) -> bool {
        matches!(self.kind, Kind::Quiet | Kind::Signaling)
    }

    pub(super) fn is_inf(&self) -> bool {
        self.kind == Kind::Infinity
    }

    pub(super) fn is_zero(&self) -> bool {
        self.kind == Kind::Zero
    }

    pub(super) fn sign(&self) -> bool {
        self.x.sign
    }
}

/// FPUnpack: an operand of arithmetic.
pub(super) fn unpack(f: Format, bits: u64, env: &mut FpEnv) -> Num {
    unpack_with(f, bits, f.flushes(env), false, env)
}

/// FPUnpackBase: `flush` makes denormals zero; `alt` is the alternative half format, which has no
/// infinities and NaNs.
pub(super) fn unpack_with(f: Format, bits: u64, flush: bool, alt: bool, env: &mut FpEnv) -> Num {
    let bits = bits & f.mask();
    let sign = bits & f.sign_bit() != 0;
    let biased = bits >> f.frac_bits & f.max_biased();
    let frac = bits & f.frac_mask();
    let finite =
        |exp: i32, mant: u64| Num { kind: Kind::Finite, x: Exact { sign, exp, mant: mant as u128 }, bits };
    let special = |kind| Num { kind, x: Exact { sign, exp: 0, mant: 0 }, bits };
    let lowest = f.min_exp() - f.frac_bits as i32;
    if biased == 0 {
        if frac == 0 {
            special(Kind::Zero)
        } else if flush {
            if f != HALF {
                env.flags |= flag::INPUT_DENORMAL;
            }
            Num { bits: f.zero(sign), ..special(Kind::Zero) }
        } else {
            finite(lowest, frac)
        }
    } else if biased == f.max_biased() && !alt {
        special(if frac == 0 {
            Kind::Infinity
        } else if frac & f.quiet_bit() != 0 {
            Kind::Quiet
        } else {
            Kind::Signaling
        })
    } else {
        finite(lowest + biased as i32 - 1, frac | 1 << f.frac_bits)
    }
}

/// FPRound: an exact value to a format, in the environment's mode.
pub(super) fn round(f: Format, x: Exact, env: &mut FpEnv) -> u64 {
    round_with(f, x, env.rounding, f.flushes(env), false, env)
}

/// FPRoundBase.
pub(super) fn round_with(
    f: Format,
    x: Exact,
    mode: Rounding,
    flush: bool,
    alt: bool,
    env: &mut FpEnv,
) -> u64 {
    let top = x.top();
    let tiny = top < f.min_exp();
    if flush && tiny {
        env.flags |= flag::UNDERFLOW;
        return f.zero(x.sign);
    }
    // The result is `int` units in the last place, whose exponent is `unit`.
    let unit = top.max(f.min_exp()) - f.frac_bits as i32;
    let (int, inexact) = round_at(x, unit, mode);
    // A carry out of the fraction lands in the exponent field, which is where it belongs.
    let packed = ((top.max(f.min_exp()) - f.min_exp()) as u128) << f.frac_bits;
    let packed = packed + int;
    let limit = if alt { f.max_biased() + 1 } else { f.max_biased() };
    if packed >> f.frac_bits >= limit as u128 {
        if alt {
            env.flags |= flag::INVALID;
            return f.zero(x.sign) | (f.mask() >> 1);
        }
        env.flags |= flag::OVERFLOW | flag::INEXACT;
        return overflow(f, x.sign, mode);
    }
    if inexact {
        env.flags |= flag::INEXACT;
        let tiny = tiny
            && !(env.tiny_after_rounding
                && top == f.min_exp() - 1
                && round_at(x, top - f.frac_bits as i32, mode).0 >> (f.frac_bits + 1) != 0);
        if tiny {
            env.flags |= flag::UNDERFLOW;
        }
    }
    f.zero(x.sign) | packed as u64
}

/// What an overflow gives.
pub(super) fn overflow(f: Format, sign: bool, mode: Rounding) -> u64 {
    let infinite = match mode {
        Rounding::NearestEven | Rounding::NearestAway => true,
        Rounding::Up => !sign,
        Rounding::Down => sign,
        Rounding::Zero | Rounding::Odd => false,
    };
    if infinite { f.infinity(sign) } else { f.max_normal(sign) }
}

/// The magnitude of x in units of 2^unit, rounded, and whether that changed it. The result must be
/// below 2^128.
pub(super) fn round_at(x: Exact, unit: i32, mode: Rounding) -> (u128, bool) {
    use core::cmp::Ordering::*;
    let shift = unit - x.exp;
    if shift <= 0 {
        return (x.mant << -shift, false);
    }
    // The integer part, and the rest against one half.
    let (int, inexact, rest) = match shift {
        1..=127 => {
            let rest = x.mant & ((1 << shift) - 1);
            (x.mant >> shift, rest != 0, rest.cmp(&(1 << (shift - 1))))
        }
        128 => (0, true, x.mant.cmp(&(1 << 127))),
        _ => (0, true, Less),
    };
    let up = match mode {
        Rounding::NearestEven => rest == Greater || rest == Equal && int & 1 != 0,
        Rounding::NearestAway => rest != Less,
        Rounding::Up => inexact && !x.sign,
        Rounding::Down => inexact && x.sign,
        Rounding::Zero => false,
        Rounding::Odd => inexact && int & 1 == 0,
    };
    (int + up as u128, inexact)
}

/// Shift right that keeps in the lowest bit whether anything was lost.
fn shift_right_jam(mant: u128, by: u32) -> u128 {
    match by {
        0 => mant,
        1..=127 => mant >> by | (mant << (128 - by) != 0) as u128,
        _ => (mant != 0) as u128,
    }
}

/// x + y, exact or jammed; `None` for zero. Neither has more than 110 significant bits.
fn sum(x: Exact, y: Exact) -> Option<Exact> {
    // Leading bits at bit 125: room for a carry above and for jammed bits below.
    let align = |v: Exact| {
        let up = v.mant.leading_zeros() as i32 - 2;
        Exact { mant: v.mant << up, exp: v.exp - up, ..v }
    };
    let (x, y) = (align(x), align(y));
    let (big, small) = if (x.exp, x.mant) >= (y.exp, y.mant) { (x, y) } else { (y, x) };
    let small_mant = shift_right_jam(small.mant, (big.exp - small.exp) as u32);
    let mant = if big.sign == small.sign { big.mant + small_mant } else { big.mant - small_mant };
    (mant != 0).then_some(Exact { mant, ..big })
}

// NaNs.

/// FPProcessNaN: the result for a NaN operand.
pub(super) fn process_nan(f: Format, n: &Num, env: &mut FpEnv) -> u64 {
    if n.kind == Kind::Signaling {
        env.flags |= flag::INVALID;
    }
    if env.default_nan { f.default_nan(env) } else { n.bits | f.quiet_bit() }
}

/// FPProcessNaNs, FPProcessNaNs3: the result if any operand is a NaN, operands in order of
/// precedence.
pub(super) fn process_nans(f: Format, operands: &[&Num], env: &mut FpEnv) -> Option<u64> {
    let signaling = operands.iter().find(|n| n.kind == Kind::Signaling);
    if signaling.is_some() {
        env.flags |= flag::INVALID;
    }
    let first = operands.iter().find(|n| n.is_nan());
    let chosen = match env.nan_rule {
        NanRule::SignalingFirst => signaling.or(first),
        NanRule::FirstOperand => first,
    };
    chosen.map(|n| process_nan(f, n, env))
}

/// The default NaN, raising Invalid.
pub(super) fn invalid(f: Format, env: &mut FpEnv) -> u64 {
    env.flags |= flag::INVALID;
    f.default_nan(env)
}

/// FPConvertNaN: sign and high fraction bits of a NaN in another format, quiet.
pub(super) fn convert_nan(from: Format, to: Format, bits: u64) -> u64 {
    let sign = bits & from.sign_bit() != 0;
    // The fraction at the top of 64 bits.
    let frac = (bits & from.frac_mask()) << (64 - from.frac_bits);
    to.infinity(sign) | to.quiet_bit() | frac >> (64 - to.frac_bits)
}

/// The zero that an exact sum of opposite numbers is.
fn cancelled(f: Format, env: &FpEnv) -> u64 {
    f.zero(env.rounding == Rounding::Down)
}

// Arithmetic.

/// a + b, or a - b.
pub(super) fn add(f: Format, a: u64, b: u64, subtract: bool, env: &mut FpEnv) -> u64 {
    let (a, mut b) = (unpack(f, a, env), unpack(f, b, env));
    if let Some(nan) = process_nans(f, &[&a, &b], env) {
        return nan;
    }
    b.x.sign ^= subtract;
    match (a.kind, b.kind) {
        (Kind::Infinity, Kind::Infinity) if a.sign() != b.sign() => invalid(f, env),
        (Kind::Infinity, _) => f.infinity(a.sign()),
        (_, Kind::Infinity) => f.infinity(b.sign()),
        (Kind::Zero, Kind::Zero) if a.sign() == b.sign() => f.zero(a.sign()),
        (Kind::Zero, Kind::Zero) => cancelled(f, env),
        (Kind::Zero, _) => round(f, b.x, env),
        (_, Kind::Zero) => round(f, a.x, env),
        _ => match sum(a.x, b.x) {
            Some(x) => round(f, x, env),
            None => cancelled(f, env),
        },
    }
}

/// a * b. With `extended`, zero times infinity is 2 (FPMulX).
pub(super) fn mul(f: Format, a: u64, b: u64, extended: bool, env: &mut FpEnv) -> u64 {
    let (a, b) = (unpack(f, a, env), unpack(f, b, env));
    if let Some(nan) = process_nans(f, &[&a, &b], env) {
        return nan;
    }
    let sign = a.sign() != b.sign();
    match (a.kind, b.kind) {
        (Kind::Infinity, Kind::Zero) | (Kind::Zero, Kind::Infinity) => {
            // 2 is the power with only the exponent's highest bit set.
            if extended { f.zero(sign) | 1 << (f.bits() - 2) } else { invalid(f, env) }
        }
        (Kind::Infinity, _) | (_, Kind::Infinity) => f.infinity(sign),
        (Kind::Zero, _) | (_, Kind::Zero) => f.zero(sign),
        _ => round(f, product(a.x, b.x), env),
    }
}

fn product(a: Exact, b: Exact) -> Exact {
    Exact { sign: a.sign != b.sign, exp: a.exp + b.exp, mant: a.mant * b.mant }
}

/// a / b.
pub(super) fn div(f: Format, a: u64, b: u64, env: &mut FpEnv) -> u64 {
    let (a, b) = (unpack(f, a, env), unpack(f, b, env));
    if let Some(nan) = process_nans(f, &[&a, &b], env) {
        return nan;
    }
    let sign = a.sign() != b.sign();
    match (a.kind, b.kind) {
        (Kind::Infinity, Kind::Infinity) | (Kind::Zero, Kind::Zero) => invalid(f, env),
        (Kind::Infinity, _) => f.infinity(sign),
        (_, Kind::Zero) => {
            env.flags |= flag::DIV_ZERO;
            f.infinity(sign)
        }
        (Kind::Zero, _) | (_, Kind::Infinity) => f.zero(sign),
        _ => {
            // The dividend's leading bit at bit 126, the divisor below 2^53: at least 74 bits of
            // quotient.
            let up = a.x.mant.leading_zeros() as i32 - 1;
            let dividend = a.x.mant << up;
            let (quotient, rest) = (dividend / b.x.mant, dividend % b.x.mant);
            let mant = quotient | (rest != 0) as u128;
            round(f, Exact { sign, exp: a.x.exp - up - b.x.exp, mant }, env)
        }
    }
}

/// Square root.
pub(super) fn sqrt(f: Format, a: u64, env: &mut FpEnv) -> u64 {
    let a = unpack(f, a, env);
    match a.kind {
        Kind::Quiet | Kind::Signaling => process_nan(f, &a, env),
        Kind::Zero => f.zero(a.sign()),
        _ if a.sign() => invalid(f, env),
        Kind::Infinity => f.infinity(false),
        Kind::Finite => {
            // The leading bit at bit 126 or 125, whichever leaves an even exponent: 63 bits of
            // root.
            let mut up = a.x.mant.leading_zeros() as i32 - 1;
            up -= (a.x.exp - up) & 1;
            let square = a.x.mant << up;
            let root = square.isqrt();
            let mant = root << 1 | (root * root != square) as u128;
            round(f, Exact { sign: false, exp: (a.x.exp - up) / 2 - 1, mant }, env)
        }
    }
}

/// FPMax and FPMin, and with `number` FPMaxNum and FPMinNum.
pub(super) fn max_min(f: Format, a: u64, b: u64, max: bool, number: bool, env: &mut FpEnv) -> u64 {
    let (mut a, mut b) = (unpack(f, a, env), unpack(f, b, env));
    if number && (a.kind == Kind::Quiet) != (b.kind == Kind::Quiet) {
        // The number wins against an infinity of the losing sign.
        let loser = unpack(f, f.infinity(max), env);
        if a.kind == Kind::Quiet {
            a = loser;
        } else {
            b = loser;
        }
    }
    if let Some(nan) = process_nans(f, &[&a, &b], env) {
        return nan;
    }
    let chosen = if (order(f, &a, &b) == core::cmp::Ordering::Greater) == max { &a } else { &b };
    if a.is_zero() && b.is_zero() {
        return f.zero(if max { a.sign() && b.sign() } else { a.sign() || b.sign() });
    }
    chosen.bits
}

/// maximumNumber and minimumNumber.
pub(super) fn max_min_number(f: Format, a: u64, b: u64, max: bool, env: &mut FpEnv) -> u64 {
    let (x, y) = (unpack(f, a, env), unpack(f, b, env));
    if x.is_nan() != y.is_nan() {
        if x.kind == Kind::Signaling || y.kind == Kind::Signaling {
            env.flags |= flag::INVALID;
        }
        return if x.is_nan() { y.bits } else { x.bits };
    }
    max_min(f, a, b, max, false, env)
}

/// The order of two operands that are no NaNs; both zeros are equal.
fn order(f: Format, a: &Num, b: &Num) -> core::cmp::Ordering {
    // The bits without the sign order like the magnitudes.
    let key = |n: &Num| {
        let magnitude = (n.bits & !f.sign_bit()) as i64;
        if n.sign() { -magnitude } else { magnitude }
    };
    key(a).cmp(&key(b))
}

/// c + a * b.
pub(super) fn mul_add(f: Format, c: u64, a: u64, b: u64, env: &mut FpEnv) -> u64 {
    let (c, a, b) = (unpack(f, c, env), unpack(f, a, env), unpack(f, b, env));
    mul_add_unpacked(f, c, a, b, env)
}

/// c + a * b where c and the result are single and a and b half precision (FPMulAddH).
pub(super) fn mul_add_long(c: u64, a: u64, b: u64, env: &mut FpEnv) -> u64 {
    let (c, a, b) = (unpack(SINGLE, c, env), unpack(HALF, a, env), unpack(HALF, b, env));
    let widen = |n: Num| if n.is_nan() { Num { bits: convert_nan(HALF, SINGLE, n.bits), ..n } } else { n };
    mul_add_unpacked(SINGLE, c, widen(a), widen(b), env)
}

fn mul_add_unpacked(f: Format, c: Num, a: Num, b: Num, env: &mut FpEnv) -> u64 {
    let indefinite = a.is_inf() && b.is_zero() || a.is_zero() && b.is_inf();
    let nan = match env.nan_rule {
        NanRule::SignalingFirst if c.kind == Kind::Quiet && indefinite => return invalid(f, env),
        NanRule::SignalingFirst => process_nans(f, &[&c, &a, &b], env),
        NanRule::FirstOperand => process_nans(f, &[&a, &b, &c], env),
    };
    if let Some(nan) = nan {
        return nan;
    }
    let sign = a.sign() != b.sign();
    let infinite = a.is_inf() || b.is_inf();
    if indefinite || infinite && c.is_inf() && c.sign() != sign {
        return invalid(f, env);
    }
    if infinite {
        return f.infinity(sign);
    }
    if c.is_inf() {
        return f.infinity(c.sign());
    }
    match (c.is_zero(), a.is_zero() || b.is_zero()) {
        (true, true) if c.sign() == sign => f.zero(sign),
        (true, true) => cancelled(f, env),
        (true, false) => round(f, product(a.x, b.x), env),
        (false, true) => round(f, c.x, env),
        (false, false) => match sum(c.x, product(a.x, b.x)) {
            Some(x) => round(f, x, env),
            None => cancelled(f, env),
        },
    }
}

/// FPRecipStepFused: 2 - a * b, and with `root` FPRSqrtStepFused: (3 - a * b) / 2.
pub(super) fn recip_step(f: Format, a: u64, b: u64, root: bool, env: &mut FpEnv) -> u64 {
    let (a, b) = (unpack(f, a ^ f.sign_bit(), env), unpack(f, b, env));
    if let Some(nan) = process_nans(f, &[&a, &b], env) {
        return nan;
    }
    let base = Exact { sign: false, exp: 0, mant: if root { 3 } else { 2 } };
    let halve = |x: Exact| Exact { exp: x.exp - root as i32, ..x };
    match (a.kind, b.kind) {
        (Kind::Infinity, Kind::Zero) | (Kind::Zero, Kind::Infinity) => round(f, halve(base), env),
        (Kind::Infinity, _) | (_, Kind::Infinity) => f.infinity(a.sign() != b.sign()),
        (Kind::Zero, _) | (_, Kind::Zero) => round(f, halve(base), env),
        _ => match sum(base, product(a.x, b.x)) {
            Some(x) => round(f, halve(x), env),
            None => cancelled(f, env),
        },
    }
}

// Comparisons.

/// The order of a and b; `None` if unordered. Raises Invalid for a signalling NaN, and for any if
/// `signaling`.
pub(super) fn compare(
    f: Format,
    a: u64,
    b: u64,
    signaling: bool,
    env: &mut FpEnv,
) -> Option<core::cmp::Ordering> {
    let (a, b) = (unpack(f, a, env), unpack(f, b, env));
    if a.is_nan() || b.is_nan() {
        if signaling || a.kind == Kind::Signaling || b.kind == Kind::Signaling {
            env.flags |= flag::INVALID;
        }
        return None;
    }
    Some(order(f, &a, &b))
}

// Integral values and integers.

/// FPRoundInt.
pub(super) fn round_int(f: Format, a: u64, mode: Rounding, exact: bool, env: &mut FpEnv) -> u64 {
    let n = unpack(f, a, env);
    if n.is_nan() {
        return process_nan(f, &n, env);
    }
    if n.kind != Kind::Finite || n.x.exp >= 0 {
        return n.bits;
    }
    let (int, inexact) = round_at(n.x, 0, mode);
    if inexact && exact {
        env.flags |= flag::INEXACT;
    }
    small_integer(f, n.sign(), int)
}

/// An integer that the format holds exactly.
fn small_integer(f: Format, sign: bool, int: u128) -> u64 {
    if int == 0 {
        return f.zero(sign);
    }
    round_with(f, Exact { sign, exp: 0, mant: int }, Rounding::Zero, false, false, &mut FpEnv::default())
}

/// FPRoundIntN: to an integral value that a signed integer of `width` bits holds.
pub(super) fn round_int_bounded(f: Format, a: u64, mode: Rounding, width: u32, env: &mut FpEnv) -> u64 {
    let n = unpack(f, a, env);
    let beyond = |env: &mut FpEnv| {
        env.flags |= flag::INVALID;
        small_integer(f, true, 1 << (width - 1))
    };
    match n.kind {
        Kind::Zero => return n.bits,
        Kind::Finite if n.x.top() <= width as i32 => {}
        _ => return beyond(env),
    }
    let (int, inexact) = round_at(n.x, 0, mode);
    if int > (1 << (width - 1)) - !n.sign() as u128 {
        return beyond(env);
    }
    if inexact {
        env.flags |= flag::INEXACT;
    }
    small_integer(f, n.sign(), int)
}

/// FPToFixed: a * 2^fbits as an integer of `width` bits, zero-extended.
pub(super) fn to_int(
    f: Format,
    a: u64,
    signed: bool,
    mode: Rounding,
    width: u32,
    fbits: u8,
    env: &mut FpEnv,
) -> u64 {
    let n = unpack(f, a, env);
    let ones = u64::MAX >> (64 - width);
    let (largest, smallest) = if signed { (ones >> 1, ones ^ ones >> 1) } else { (ones, 0) };
    let bad = |result, env: &mut FpEnv| {
        env.flags |= flag::INVALID;
        match env.int_invalid {
            IntInvalid::Indefinite if signed => smallest,
            IntInvalid::Indefinite => largest,
            _ => result,
        }
    };
    let clamp = if n.sign() { smallest } else { largest };
    match n.kind {
        Kind::Quiet | Kind::Signaling => {
            let result = if env.int_invalid == IntInvalid::NanMax { largest } else { 0 };
            return bad(result, env);
        }
        Kind::Infinity => return bad(clamp, env),
        Kind::Zero => return 0,
        Kind::Finite => {}
    }
    let x = Exact { exp: n.x.exp + fbits as i32, ..n.x };
    if x.top() > 64 {
        return bad(clamp, env);
    }
    let (int, inexact) = round_at(x, 0, mode);
    let limit = if n.sign() && signed {
        largest as u128 + 1
    } else if n.sign() {
        0
    } else {
        largest as u128
    };
    if int > limit {
        return bad(clamp, env);
    }
    if inexact {
        env.flags |= flag::INEXACT;
    }
    let int = int as u64;
    (if n.sign() { int.wrapping_neg() } else { int }) & ones
}

/// FPToFixedJS: the integer part of a double modulo 2^32, and whether it is all of it.
pub(super) fn to_int_wrapping(a: u64, env: &mut FpEnv) -> (u32, bool) {
    let n = unpack(DOUBLE, a, env);
    match n.kind {
        Kind::Zero => return (0, !n.sign() && a & DOUBLE.frac_mask() == 0),
        Kind::Finite => {}
        _ => {
            env.flags |= flag::INVALID;
            return (0, false);
        }
    }
    let top = n.x.top();
    // Beyond 2^84 no bit is left below 2^32.
    let (int, inexact) = if top > 84 { (0, false) } else { round_at(n.x, 0, Rounding::Zero) };
    let fits = top <= 31 && int <= i32::MAX as u128 + n.sign() as u128;
    if !fits {
        env.flags |= flag::INVALID;
    } else if inexact {
        env.flags |= flag::INEXACT;
    }
    let low = int as u32;
    (if n.sign() { low.wrapping_neg() } else { low }, fits && !inexact)
}

/// FixedToFP: an integer of `width` bits divided by 2^fbits.
pub(super) fn from_int(f: Format, s: u64, signed: bool, width: u32, fbits: u8, env: &mut FpEnv) -> u64 {
    let s = s << (64 - width) >> (64 - width);
    let sign = signed && s >> (width - 1) & 1 != 0;
    let magnitude = if sign { (1u128 << width) - s as u128 } else { s as u128 };
    if magnitude == 0 {
        return f.zero(false);
    }
    round(f, Exact { sign, exp: -(fbits as i32), mant: magnitude }, env)
}

// Conversions of precision.

/// FPConvert.
pub(super) fn convert(from: Format, to: Format, a: u64, mode: Rounding, env: &mut FpEnv) -> u64 {
    let n = unpack_with(from, a, from != HALF && env.flush, from == HALF && env.alt_half, env);
    let alt = to == HALF && env.alt_half;
    match n.kind {
        Kind::Quiet | Kind::Signaling => {
            if n.kind == Kind::Signaling || alt {
                env.flags |= flag::INVALID;
            }
            if alt {
                to.zero(n.sign())
            } else if env.default_nan {
                to.default_nan(env)
            } else {
                convert_nan(from, to, n.bits)
            }
        }
        Kind::Infinity if alt => {
            env.flags |= flag::INVALID;
            to.zero(n.sign()) | to.mask() >> 1
        }
        Kind::Infinity => to.infinity(n.sign()),
        Kind::Zero => to.zero(n.sign()),
        Kind::Finite => round_with(to, n.x, mode, to != HALF && env.flush, alt, env),
    }
}

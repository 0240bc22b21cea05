//! Constants of floating-point code, at the start of the code region.

use super::super::asm::VEnc;
use super::super::{HostPart, host_part, state};
use super::{T, X3};
use core::mem::offset_of;

/// Constants at the start of the code region; [`K`] numbers them.
pub(crate) const POOL: [u128; 33] = [
    0x7fff_ffff_7fff_ffff_7fff_ffff_7fff_ffff,
    0x7fff_ffff_ffff_ffff_7fff_ffff_ffff_ffff,
    0x8000_0000_8000_0000_8000_0000_8000_0000,
    0x8000_0000_0000_0000_8000_0000_0000_0000,
    0x7fff_ffff,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000,
    0x8000_0000_0000_0000,
    0x4f00_0000_4f00_0000_4f00_0000_4f00_0000,
    0x7fff_7fff_7fff_7fff_7fff_7fff_7fff_7fff,
    0x8000_8000_8000_8000_8000_8000_8000_8000,
    0x7fff,
    0x8000,
    single(-1),
    double(-1),
    single(0),
    double(0),
    single(-126),
    double(-1022),
    single(-100),
    double(-960),
    single(-63),
    double(-511),
    single(-40),
    double(-450),
    single(62),
    double(510),
    double(-126),
    0xffff_ffff_ffff_0000,
    0xffff_ffff_0000_0000,
    0xffff_ffff_ffff_7fff,
    0xffff_ffff_7fff_ffff,
    0x0400_0400_0400_0400_0400_0400_0400_0400,
];

/// 2^n in single precision, four times.
pub(super) const fn single(n: i32) -> u128 {
    ((127 + n) as u128) << 23 << 32
        | ((127 + n) as u128) << 23
        | ((127 + n) as u128) << 23 << 64
        | ((127 + n) as u128) << 23 << 96
}

/// 2^n in double precision, twice.
pub(super) const fn double(n: i32) -> u128 {
    ((1023 + n) as u128) << 52 | ((1023 + n) as u128) << 52 << 64
}

/// Index into [`POOL`]. `One` is lane 0 alone.
#[derive(Clone, Copy)]
pub(super) enum K {
    Abs32,
    Abs64,
    Sign32,
    Sign64,
    AbsOne32,
    AbsOne64,
    SignOne32,
    SignOne64,
    /// 2^31 in single precision.
    TwoTo31,
    Abs16,
    Sign16,
    AbsOne16,
    SignOne16,
    Half32,
    Half64,
    One32,
    One64,
    // Smallest operands, see `flush_limits`.
    Normal32,
    Normal64,
    Sum32,
    Sum64,
    Product32,
    Product64,
    Fused32,
    Fused64,
    // Largest divisors.
    Divisor32,
    Divisor64,
    /// The smallest normal single, as doubles.
    Single64,
    /// What is above a boxed number.
    Box16,
    Box32,
    /// That and all but the number's sign.
    AbsBox16,
    AbsBox32,
    /// The smallest normal half.
    Normal16,
}

/// The constant that clears (or, `sign`, selects) the sign of lanes, of all or of lane 0.
pub(super) fn sign_constant(sign: bool, es: u8, scalar: bool) -> Option<K> {
    Some(match (sign, es, scalar) {
        (false, 1, false) => K::Abs16,
        (true, 1, false) => K::Sign16,
        (false, 1, true) => K::AbsOne16,
        (true, 1, true) => K::SignOne16,
        (false, 2, false) => K::Abs32,
        (false, 3, false) => K::Abs64,
        (true, 2, false) => K::Sign32,
        (true, 3, false) => K::Sign64,
        (false, 2, true) => K::AbsOne32,
        (false, 3, true) => K::AbsOne64,
        (true, 2, true) => K::SignOne32,
        (true, 3, true) => K::SignOne64,
        _ => return None,
    })
}

impl T<'_> {
    /// d = a op constant.
    pub(super) fn with_constant(&mut self, e: VEnc, d: u8, a: u8, k: K) {
        let place = host_part(offset_of!(HostPart, pool)) + k as usize * 16;
        self.a.v3(e, d, a, state(place), false, X3);
    }
}

/// The constant that clears the sign of a boxed number.
pub(super) fn abs_boxed(es: u8) -> K {
    match es {
        1 => K::AbsBox16,
        2 => K::AbsBox32,
        _ => K::AbsOne64,
    }
}

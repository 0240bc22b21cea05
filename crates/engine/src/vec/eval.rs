//! The reference semantics of the integer vector operations: obvious rather than fast.
//!
//! Every lane is widened to 128 bits, the operation is done there without loss, and the result is
//! truncated or saturated. Lanes have at most 64 bits wherever the arithmetic could leave 128 bits,
//! so none of it overflows.

use super::{HIGH, VOp, crypto};
use crate::operands::{V, VArgs};

/// A step of AES on a whole state: [`VOp::AesEncLast`], `AesDecLast`, `AesMixColumns` or
/// `AesInvMixColumns`, with a key of zero.
pub fn aes_step(op: VOp, a: u128) -> u128 {
    let args = VArgs { d: V(0), a: V(0), b: V(0), c: V(0), es: 0, bytes: 16, imm: 0 };
    eval(op, &args, a, 0, 0, &mut false)
}

/// The reference semantics: the new value of the destination. Sets `saturated` when a saturating
/// operation saturates.
///
/// One function, since it is a table: a line or two for each operation, in the vocabulary's order.
pub fn eval(op: VOp, args: &VArgs, a: u128, b: u128, c: u128, saturated: &mut bool) -> u128 {
    use VOp::*;
    let l = Lanes::new(args);
    let q = saturated;
    let bits = l.bits;
    let top = bits - 1;
    // Shift amounts beyond a lane's 64 bits would be wrong, but never an overflow.
    let n = (args.imm & 0xff).min(127);
    let ones = |yes: bool| if yes { u128::MAX } else { 0 };
    match op {
        Mov => l.whole(a),
        Add => l.u2(a, b, |a, b| a + b),
        Sub => l.u2(a, b, u128::wrapping_sub),
        Mul => l.u2(a, b, u128::wrapping_mul),
        MulAdd => l.u3(a, b, c, |a, b, c| a.wrapping_mul(b).wrapping_add(c)),
        MulSub => l.u3(a, b, c, |a, b, c| c.wrapping_sub(a.wrapping_mul(b))),
        MulPoly => l.u2(a, b, carryless),
        And => l.whole(a & b),
        Or => l.whole(a | b),
        Xor => l.whole(a ^ b),
        AndNot => l.whole(a & !b),
        OrNot => l.whole(a | !b),
        Not => l.whole(!a),
        Select => l.whole(a & c | b & !c),
        Blend => l.whole({
            let c = ((c >> 7) & (u128::MAX / 0xff)) * 0xff;
            a & c | b & !c
        }),
        BitsToLanes => l.make(|i| ones(a.checked_shr(n + i).unwrap_or(0) & 1 != 0)),
        Xor3 => l.whole(a ^ b ^ c),
        XorAndNot => l.whole(a ^ b & !c),
        XorRol => l.u2(a, b, |a, b| a ^ l.rotate_left(b, n)),
        XorRor => l.u2(a, b, |a, b| l.rotate_left(a ^ b, bits - n % bits)),
        Neg => l.s1(a, |a| -a),
        Abs => l.s1(a, i128::abs),
        NegSat => l.s1(a, |a| l.sat_s(-a, q)),
        AbsSat => l.s1(a, |a| l.sat_s(a.abs(), q)),
        CmpEq => l.u2(a, b, |a, b| ones(a == b)),
        CmpGtS => l.s2(a, b, |a, b| -((a > b) as i128)),
        CmpGeS => l.s2(a, b, |a, b| -((a >= b) as i128)),
        CmpGtU => l.u2(a, b, |a, b| ones(a > b)),
        CmpGeU => l.u2(a, b, |a, b| ones(a >= b)),
        CmpTest => l.u2(a, b, |a, b| ones(a & b != 0)),
        CmpEqZero => l.u1(a, |a| ones(a == 0)),
        CmpGtZero => l.s1(a, |a| -((a > 0) as i128)),
        CmpGeZero => l.s1(a, |a| -((a >= 0) as i128)),
        CmpLtZero => l.s1(a, |a| -((a < 0) as i128)),
        CmpLeZero => l.s1(a, |a| -((a <= 0) as i128)),
        MinS => l.s2(a, b, i128::min),
        MinU => l.u2(a, b, u128::min),
        MaxS => l.s2(a, b, i128::max),
        MaxU => l.u2(a, b, u128::max),
        AddSatS => l.s2(a, b, |a, b| l.sat_s(a + b, q)),
        AddSatU => l.i2(a, b, |a, b| l.sat_u(a + b, q)),
        SubSatS => l.s2(a, b, |a, b| l.sat_s(a - b, q)),
        SubSatU => l.i2(a, b, |a, b| l.sat_u(a - b, q)),
        AddSatSU => l.s2(a, b, |a, b| l.sat_s(a + l.unsigned(b), q)),
        AddSatUS => l.s2(a, b, |a, b| l.sat_u(l.unsigned(a) + b, q)),
        HalfAddS => l.s2(a, b, |a, b| (a + b) >> 1),
        HalfAddU => l.i2(a, b, |a, b| (a + b) >> 1),
        HalfAddRoundS => l.s2(a, b, |a, b| (a + b + 1) >> 1),
        HalfAddRoundU => l.i2(a, b, |a, b| (a + b + 1) >> 1),
        HalfSubS => l.s2(a, b, |a, b| (a - b) >> 1),
        HalfSubU => l.i2(a, b, |a, b| (a - b) >> 1),
        AbsDiffS => l.s2(a, b, |a, b| (a - b).abs()),
        AbsDiffU => l.i2(a, b, |a, b| (a - b).abs()),
        AbsDiffAddS => l.s3(a, b, c, |a, b, c| c + (a - b).abs()),
        AbsDiffAddU => l.i3(a, b, c, |a, b, c| c + (a - b).abs()),
        MulDoubleHighSat => l.s2(a, b, |a, b| l.sat_s((2 * a * b) >> bits, q)),
        MulDoubleHighRoundSat => l.s2(a, b, |a, b| l.sat_s((2 * a * b + (1 << top)) >> bits, q)),
        MulDoubleHighRoundAddSat => {
            l.s3(a, b, c, |a, b, c| l.sat_s(((c << bits) + 2 * a * b + (1 << top)) >> bits, q))
        }
        MulDoubleHighRoundSubSat => {
            l.s3(a, b, c, |a, b, c| l.sat_s(((c << bits) - 2 * a * b + (1 << top)) >> bits, q))
        }
        LeadingSigns => {
            l.s1(a, |a| (if a < 0 { !a } else { a }).leading_zeros() as i128 - 129 + bits as i128)
        }
        LeadingZeros => l.u1(a, |a| (a.leading_zeros() + bits - 128) as u128),
        Popcount => l.u1(a, |a| a.count_ones() as u128),
        ReverseBits => l.u1(a, |a| a.reverse_bits() >> (128 - bits)),
        RecipEstU => l.u1(a, |a| recip_estimate(a as u32) as u128),
        RsqrtEstU => l.u1(a, |a| rsqrt_estimate(a as u32) as u128),

        Shl => l.u1(a, |a| a << n),
        ShrU => l.i1(a, |a| a >> n),
        ShrS => l.s1(a, |a| a >> n),
        ShrRoundU => l.i1(a, |a| shift_right(a, n, true)),
        ShrRoundS => l.s1(a, |a| shift_right(a, n, true)),
        ShrAddU => l.i2(a, c, |a, c| c + (a >> n)),
        ShrAddS => l.s2(a, c, |a, c| c + (a >> n)),
        ShrRoundAddU => l.i2(a, c, |a, c| c + shift_right(a, n, true)),
        ShrRoundAddS => l.s2(a, c, |a, c| c + shift_right(a, n, true)),
        ShlInsert => l.u2(a, c, |a, c| a << n | c & mask(n)),
        ShrInsert => l.u2(a, c, |a, c| a >> n | c & !(mask(bits) >> n)),
        ShlSatS => l.s1(a, |a| l.shift_left(a, n, Sat::Signed, q)),
        ShlSatU => l.i1(a, |a| l.shift_left(a, n, Sat::Unsigned, q)),
        ShlSatSU => l.s1(a, |a| l.shift_left(a, n, Sat::Unsigned, q)),

        ShiftU => l.iu2(a, b, |a, b| l.shift(a, b, false, Sat::No, q)),
        ShiftS => l.s2(a, b, |a, b| l.shift(a, b, false, Sat::No, q)),
        ShiftRoundU => l.iu2(a, b, |a, b| l.shift(a, b, true, Sat::No, q)),
        ShiftRoundS => l.s2(a, b, |a, b| l.shift(a, b, true, Sat::No, q)),
        ShiftSatU => l.iu2(a, b, |a, b| l.shift(a, b, false, Sat::Unsigned, q)),
        ShiftSatS => l.s2(a, b, |a, b| l.shift(a, b, false, Sat::Signed, q)),
        ShiftRoundSatU => l.iu2(a, b, |a, b| l.shift(a, b, true, Sat::Unsigned, q)),
        ShiftRoundSatS => l.s2(a, b, |a, b| l.shift(a, b, true, Sat::Signed, q)),

        AddLongS => l.long_s(a, b, |a, b| a + b),
        AddLongU => l.long_u(a, b, |a, b| a + b),
        SubLongS => l.long_s(a, b, |a, b| a - b),
        SubLongU => l.long_u(a, b, |a, b| a - b),
        AbsDiffLongS => l.long_s(a, b, |a, b| (a - b).abs()),
        AbsDiffLongU => l.long_u(a, b, |a, b| (a - b).abs()),
        AbsDiffLongAddS => l.plus(c, l.long_s(a, b, |a, b| (a - b).abs())),
        AbsDiffLongAddU => l.plus(c, l.long_u(a, b, |a, b| (a - b).abs())),
        MulLongS => l.long_s(a, b, |a, b| a * b),
        MulLongU => l.long_u(a, b, i128::wrapping_mul),
        MulLongAddS => l.plus(c, l.long_s(a, b, |a, b| a * b)),
        MulLongAddU => l.plus(c, l.long_u(a, b, i128::wrapping_mul)),
        MulLongSubS => l.minus(c, l.long_s(a, b, |a, b| a * b)),
        MulLongSubU => l.minus(c, l.long_u(a, b, i128::wrapping_mul)),
        MulLongPoly => l.long_u(a, b, |a, b| carryless(a as u128, b as u128) as i128),
        MulLongDoubleSat => l.long_s(a, b, |a, b| l.sat_s(2 * a * b, q)),
        MulLongDoubleAddSat | MulLongDoubleSubSat => {
            let product = l.long_s(a, b, |a, b| l.sat_s(2 * a * b, q));
            let sign = if op == MulLongDoubleAddSat { 1 } else { -1 };
            l.s2(c, product, |c, p| l.sat_s(c + sign * p, q))
        }
        ShlLongS => l.long_s(a, a, |a, _| a << n),
        ShlLongU => l.long_u(a, a, |a, _| a << n),
        AddWideS => l.plus(a, l.long_s(b, b, |b, _| b)),
        AddWideU => l.plus(a, l.long_u(b, b, |b, _| b)),
        SubWideS => l.minus(a, l.long_s(b, b, |b, _| b)),
        SubWideU => l.minus(a, l.long_u(b, b, |b, _| b)),

        ShrNarrow => l.narrow_u(a, c, |a| a >> n),
        ShrNarrowRound => l.narrow_u(a, c, |a| shift_right(a, n, true)),
        ShrNarrowSatS => l.narrow_s(a, c, |a| l.sat_s(a >> n, q)),
        ShrNarrowSatU => l.narrow_u(a, c, |a| l.sat_u(a >> n, q)),
        ShrNarrowSatSU => l.narrow_s(a, c, |a| l.sat_u(a >> n, q)),
        ShrNarrowRoundSatS => l.narrow_s(a, c, |a| l.sat_s(shift_right(a, n, true), q)),
        ShrNarrowRoundSatU => l.narrow_u(a, c, |a| l.sat_u(shift_right(a, n, true), q)),
        ShrNarrowRoundSatSU => l.narrow_s(a, c, |a| l.sat_u(shift_right(a, n, true), q)),
        AddNarrowHigh => l.narrow_u2(a, b, c, |a, b| (a + b) >> bits),
        AddNarrowHighRound => l.narrow_u2(a, b, c, |a, b| (a + b + (1 << top)) >> bits),
        SubNarrowHigh => l.narrow_u2(a, b, c, |a, b| (a - b) >> bits),
        SubNarrowHighRound => l.narrow_u2(a, b, c, |a, b| (a - b + (1 << top)) >> bits),

        AddPairs => l.pairs(a, b, |x, y| l.unsigned(x + y)),
        MaxPairsS => l.pairs(a, b, i128::max),
        MinPairsS => l.pairs(a, b, i128::min),
        MaxPairsU => l.pairs(a, b, |x, y| l.unsigned(x).max(l.unsigned(y))),
        MinPairsU => l.pairs(a, b, |x, y| l.unsigned(x).min(l.unsigned(y))),
        AddPairsLongS => l.pairs_long_s(a),
        AddPairsLongU => l.pairs_long_u(a),
        AddPairsLongAddS => l.plus(c, l.pairs_long_s(a)),
        AddPairsLongAddU => l.plus(c, l.pairs_long_u(a)),

        SumAcross => l.across_u(a, l.es, |x, y| x + y),
        SumAcrossLongS => l.across_s(a, l.half(), |x, y| x + y),
        SumAcrossLongU => l.across_u(a, l.half(), |x, y| x + y),
        MaxAcrossS => l.across_s(a, l.es, i128::max),
        MaxAcrossU => l.across_u(a, l.es, i128::max),
        MinAcrossS => l.across_s(a, l.es, i128::min),
        MinAcrossU => l.across_u(a, l.es, i128::min),

        Reverse => {
            let in_container = (1 << (n.min(4) - (l.es as u32).min(n.min(4)))) - 1;
            l.make(|i| get(a, l.es, i ^ in_container))
        }
        Extract => l.make(|i| {
            let i = i + n;
            if i < l.bytes { get(a, 0, i) } else { get(b, 0, i - l.bytes) }
        }),
        Zip1 => l.make(|i| get(if i & 1 == 0 { a } else { b }, l.es, i / 2)),
        Zip2 => l.make(|i| get(if i & 1 == 0 { a } else { b }, l.es, i / 2 + l.count / 2)),
        Uzp1 => l.make(|i| l.of_pair(a, b, 2 * i)),
        Uzp2 => l.make(|i| l.of_pair(a, b, 2 * i + 1)),
        Trn1 => l.make(|i| get(if i & 1 == 0 { a } else { b }, l.es, i & !1)),
        Trn2 => l.make(|i| get(if i & 1 == 0 { a } else { b }, l.es, i | 1)),
        DupLane => l.make(|_| get(a, l.es, n)),
        InsertLane => l.make(|i| if i == n { get(a, l.es, args.imm >> 8 & 0xff) } else { get(c, l.es, i) }),

        DotS => l.dot(a, b, c, sget, sget),
        DotU => l.dot(a, b, c, iget, iget),
        DotUS => l.dot(a, b, c, iget, sget),
        MatMulS => l.matrix(a, b, c, sget, sget),
        MatMulU => l.matrix(a, b, c, iget, iget),
        MatMulUS => l.matrix(a, b, c, iget, sget),

        AesEncLast => crypto::aes_sub_shift(a ^ b),
        AesDecLast => crypto::aes_inv_sub_shift(a ^ b),
        AesEncLastKey => crypto::aes_sub_shift(a) ^ b,
        AesEncKey => crypto::aes_mix_columns(crypto::aes_sub_shift(a)) ^ b,
        AesDecLastKey => crypto::aes_inv_sub_shift(a) ^ b,
        AesMixColumns => crypto::aes_mix_columns(a),
        AesInvMixColumns => crypto::aes_inv_mix_columns(a),
        Sha1Choose => crypto::sha1_rounds(c, a, b, crypto::choose),
        Sha1Parity => crypto::sha1_rounds(c, a, b, |x, y, z| x ^ y ^ z),
        Sha1Majority => crypto::sha1_rounds(c, a, b, crypto::majority),
        Sha1Rotate => (a as u32).rotate_left(30) as u128,
        Sha1Schedule0 => c ^ (a << 64 | c >> 64) ^ b,
        Sha1Schedule1 => crypto::sha1_schedule1(c, a),
        Sha256Hash1 => crypto::sha256_rounds(c, a, b).0,
        Sha256Hash2 => crypto::sha256_rounds(a, c, b).1,
        Sha256Schedule0 => crypto::sha256_schedule0(c, a),
        Sha256Schedule1 => crypto::sha256_schedule1(c, a, b),
        Sha512Hash1 => crypto::sha512_hash1(c, a, b),
        Sha512Hash2 => crypto::sha512_hash2(c, a, b),
        Sha512Schedule0 => crypto::sha512_schedule0(c, a),
        Sha512Schedule1 => crypto::sha512_schedule1(c, a, b),
        GhashMul => crypto::ghash_mul(c ^ a, b),
    }
}

/// The low `n` bits, n in 0..=128.
fn mask(n: u32) -> u128 {
    if n >= 128 { u128::MAX } else { (1 << n) - 1 }
}

/// Lane `i` of `1 << es` bytes, zero-extended; zero beyond the vector.
fn get(x: u128, es: u8, i: u32) -> u128 {
    let bits = 8 << es;
    x.checked_shr(i.saturating_mul(bits)).unwrap_or(0) & mask(bits)
}

/// [`get`] as a signed number (exact for lanes below 128 bits).
fn iget(x: u128, es: u8, i: u32) -> i128 {
    get(x, es, i) as i128
}

/// Lane `i`, sign-extended.
fn sget(x: u128, es: u8, i: u32) -> i128 {
    let unused = 128 - (8 << es);
    ((get(x, es, i) << unused) as i128) >> unused
}

/// How a result outside its lane is brought back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sat {
    /// Truncated.
    No,
    /// To the nearest signed number.
    Signed,
    /// To the nearest unsigned number.
    Unsigned,
}

/// The destination's lanes, and iteration over them.
#[derive(Clone, Copy)]
struct Lanes {
    es: u8,
    /// Bits of a lane.
    bits: u32,
    /// Bytes of the destination.
    bytes: u32,
    /// Lanes of the destination.
    count: u32,
    high: bool,
}

impl Lanes {
    fn new(args: &VArgs) -> Lanes {
        let es = args.es.min(4);
        let bytes = (args.bytes as u32).clamp(1, 16);
        Lanes { es, bits: 8 << es, bytes, count: (bytes >> es).max(1), high: args.imm & HIGH != 0 }
    }

    /// es of the half-size lanes.
    fn half(self) -> u8 {
        self.es.saturating_sub(1)
    }

    /// es of the double-size lanes.
    fn double(self) -> u8 {
        (self.es + 1).min(4)
    }

    /// A vector of lane values, each truncated, zero above.
    fn make(self, mut lane: impl FnMut(u32) -> u128) -> u128 {
        (0..self.count).fold(0, |r, i| r | (lane(i) & mask(self.bits)) << (i * self.bits))
    }

    /// The low `bytes` bytes.
    fn whole(self, x: u128) -> u128 {
        x & mask(self.bytes * 8)
    }

    fn u1(self, a: u128, mut f: impl FnMut(u128) -> u128) -> u128 {
        self.make(|i| f(get(a, self.es, i)))
    }

    fn u2(self, a: u128, b: u128, mut f: impl FnMut(u128, u128) -> u128) -> u128 {
        self.make(|i| f(get(a, self.es, i), get(b, self.es, i)))
    }

    fn u3(self, a: u128, b: u128, c: u128, mut f: impl FnMut(u128, u128, u128) -> u128) -> u128 {
        self.make(|i| f(get(a, self.es, i), get(b, self.es, i), get(c, self.es, i)))
    }

    /// Unsigned lanes as signed numbers, so that differences can be negative.
    fn i1(self, a: u128, mut f: impl FnMut(i128) -> i128) -> u128 {
        self.make(|i| f(iget(a, self.es, i)) as u128)
    }

    fn i2(self, a: u128, b: u128, mut f: impl FnMut(i128, i128) -> i128) -> u128 {
        self.make(|i| f(iget(a, self.es, i), iget(b, self.es, i)) as u128)
    }

    fn i3(self, a: u128, b: u128, c: u128, mut f: impl FnMut(i128, i128, i128) -> i128) -> u128 {
        self.make(|i| f(iget(a, self.es, i), iget(b, self.es, i), iget(c, self.es, i)) as u128)
    }

    /// Unsigned a, signed b.
    fn iu2(self, a: u128, b: u128, mut f: impl FnMut(i128, i128) -> i128) -> u128 {
        self.make(|i| f(iget(a, self.es, i), sget(b, self.es, i)) as u128)
    }

    fn s1(self, a: u128, mut f: impl FnMut(i128) -> i128) -> u128 {
        self.make(|i| f(sget(a, self.es, i)) as u128)
    }

    fn s2(self, a: u128, b: u128, mut f: impl FnMut(i128, i128) -> i128) -> u128 {
        self.make(|i| f(sget(a, self.es, i), sget(b, self.es, i)) as u128)
    }

    fn s3(self, a: u128, b: u128, c: u128, mut f: impl FnMut(i128, i128, i128) -> i128) -> u128 {
        self.make(|i| f(sget(a, self.es, i), sget(b, self.es, i), sget(c, self.es, i)) as u128)
    }

    /// Lane-wise sum.
    fn plus(self, a: u128, b: u128) -> u128 {
        self.u2(a, b, u128::wrapping_add)
    }

    /// Lane-wise difference.
    fn minus(self, a: u128, b: u128) -> u128 {
        self.u2(a, b, u128::wrapping_sub)
    }

    /// First lane read from half-size sources.
    fn first(self) -> u32 {
        if self.high { 8 >> self.half() } else { 0 }
    }

    fn long_s(self, a: u128, b: u128, mut f: impl FnMut(i128, i128) -> i128) -> u128 {
        let (es, first) = (self.half(), self.first());
        self.make(|i| f(sget(a, es, i + first), sget(b, es, i + first)) as u128)
    }

    fn long_u(self, a: u128, b: u128, mut f: impl FnMut(i128, i128) -> i128) -> u128 {
        let (es, first) = (self.half(), self.first());
        self.make(|i| f(iget(a, es, i + first), iget(b, es, i + first)) as u128)
    }

    /// Puts a narrowed vector in place: the low part, or the upper half above c's lower half.
    fn place(self, c: u128, mut lane: impl FnMut(u32) -> i128) -> u128 {
        if self.high {
            let low = Lanes { bytes: 8, count: 8 >> self.es, ..self };
            c & mask(64) | low.make(|i| lane(i) as u128) << 64
        } else {
            self.make(|i| lane(i) as u128)
        }
    }

    fn narrow_s(self, a: u128, c: u128, mut f: impl FnMut(i128) -> i128) -> u128 {
        self.place(c, |i| f(sget(a, self.double(), i)))
    }

    fn narrow_u(self, a: u128, c: u128, mut f: impl FnMut(i128) -> i128) -> u128 {
        self.place(c, |i| f(iget(a, self.double(), i)))
    }

    fn narrow_u2(self, a: u128, b: u128, c: u128, mut f: impl FnMut(i128, i128) -> i128) -> u128 {
        self.place(c, |i| f(iget(a, self.double(), i), iget(b, self.double(), i)))
    }

    /// Lane `i` of b:a.
    fn of_pair(self, a: u128, b: u128, i: u32) -> u128 {
        if i < self.count { get(a, self.es, i) } else { get(b, self.es, i - self.count) }
    }

    fn pairs(self, a: u128, b: u128, f: impl Fn(i128, i128) -> i128) -> u128 {
        let sign = |x| sget(x, self.es, 0);
        self.make(|i| f(sign(self.of_pair(a, b, 2 * i)), sign(self.of_pair(a, b, 2 * i + 1))) as u128)
    }

    fn pairs_long_s(self, a: u128) -> u128 {
        self.make(|i| (sget(a, self.half(), 2 * i) + sget(a, self.half(), 2 * i + 1)) as u128)
    }

    fn pairs_long_u(self, a: u128) -> u128 {
        self.make(|i| get(a, self.half(), 2 * i) + get(a, self.half(), 2 * i + 1))
    }

    fn across_s(self, a: u128, es: u8, f: impl Fn(i128, i128) -> i128) -> u128 {
        (1..self.bytes >> es).fold(sget(a, es, 0), |r, i| f(r, sget(a, es, i))) as u128 & mask(self.bits)
    }

    fn across_u(self, a: u128, es: u8, f: impl Fn(i128, i128) -> i128) -> u128 {
        (1..self.bytes >> es).fold(iget(a, es, 0), |r, i| f(r, iget(a, es, i))) as u128 & mask(self.bits)
    }

    /// c + sums of four byte products.
    fn dot(self, a: u128, b: u128, c: u128, ga: Get, gb: Get) -> u128 {
        let sum = |i: u32| (4 * i..4 * i + 4).map(|k| ga(a, 0, k) * gb(b, 0, k)).sum::<i128>();
        self.make(|i| (iget(c, self.es, i) + sum(i)) as u128)
    }

    /// c + a * b^T with 2 x 8 matrices of bytes.
    fn matrix(self, a: u128, b: u128, c: u128, ga: Get, gb: Get) -> u128 {
        self.make(|i| {
            let (row, col) = (i / 2 * 8, i % 2 * 8);
            let sum = (0..8).map(|k| ga(a, 0, row + k) * gb(b, 0, col + k)).sum::<i128>();
            (iget(c, self.es, i) + sum) as u128
        })
    }

    /// The lane's bits of x as an unsigned number.
    fn unsigned(self, x: i128) -> i128 {
        x & mask(self.bits) as i128
    }

    fn sat_s(self, x: i128, saturated: &mut bool) -> i128 {
        let max = (mask(self.bits) >> 1) as i128;
        let r = x.clamp(-max - 1, max);
        *saturated |= r != x;
        r
    }

    fn sat_u(self, x: i128, saturated: &mut bool) -> i128 {
        let r = x.clamp(0, (mask(self.bits) >> u32::from(self.es == 4)) as i128);
        *saturated |= r != x;
        r
    }

    fn sat(self, x: i128, sat: Sat, saturated: &mut bool) -> i128 {
        match sat {
            Sat::No => x,
            Sat::Signed => self.sat_s(x, saturated),
            Sat::Unsigned => self.sat_u(x, saturated),
        }
    }

    /// x << n with saturation. Shifts by the lane's bits or more lose every bit, so they are cut
    /// off there: that already saturates whatever is not zero.
    fn shift_left(self, x: i128, n: u32, sat: Sat, saturated: &mut bool) -> i128 {
        if x == 0 {
            0
        } else if n < self.bits {
            self.sat(x << n, sat, saturated)
        } else {
            self.sat(x.signum() << 100, sat, saturated)
        }
    }

    /// x shifted by the low byte of n: left when positive, right when negative.
    fn shift(self, x: i128, n: i128, round: bool, sat: Sat, saturated: &mut bool) -> i128 {
        let n = n as i8;
        if n >= 0 {
            self.shift_left(x, n as u32, sat, saturated)
        } else {
            shift_right(x, n.unsigned_abs() as u32, round)
        }
    }

    fn rotate_left(self, x: u128, n: u32) -> u128 {
        let n = n % self.bits;
        if n == 0 { x } else { x << n | x >> (self.bits - n) }
    }
}

/// A way to read a lane.
type Get = fn(u128, u8, u32) -> i128;

/// x >> n, rounding half up if asked. x has at most 64 bits; from 100 on, the result no longer
/// changes.
fn shift_right(x: i128, n: u32, round: bool) -> i128 {
    let n = n.min(100);
    if round && n > 0 { (x + (1 << (n - 1))) >> n } else { x >> n }
}

/// Product of polynomials over GF(2), of at most 64 bits each.
/// In a time that depends on neither: guests promise that of their instructions.
fn carryless(a: u128, b: u128) -> u128 {
    (0..64).fold(0, |r, i| r ^ a << i & (b >> i & 1).wrapping_neg())
}

/// AArch64's UnsignedRecipEstimate: 9 significant bits.
fn recip_estimate(x: u32) -> u32 {
    if x >> 31 == 0 {
        return u32::MAX;
    }
    let b = (1 << 19) / ((x >> 23) * 2 + 1);
    b.div_ceil(2) << 23
}

/// AArch64's UnsignedRSqrtEstimate: 9 significant bits.
fn rsqrt_estimate(x: u32) -> u32 {
    if x >> 30 == 0 {
        return u32::MAX;
    }
    let a = x >> 23;
    let a = if a < 256 { a * 2 + 1 } else { (a >> 1 << 1) * 2 + 2 };
    // The largest b with a * b * b < 2^28.
    let mut b = 512;
    while a * (b + 1) * (b + 1) < 1 << 28 {
        b += 1;
    }
    b.div_ceil(2) << 23
}

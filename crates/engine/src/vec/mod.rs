//! Integer vector operations: what each [`VOp`] means, and ([`eval`]) its reference semantics.
//!
//! # How to read an operation
//!
//! [`VArgs::es`](crate::ops::VArgs::es) is log2 of the bytes of a **destination** lane and
//! [`VArgs::bytes`](crate::ops::VArgs::bytes) the bytes of the destination that are computed; above
//! them the destination becomes zero. A scalar operation has `bytes == 1 << es`. The [`Form`] says
//! which lanes the sources have:
//!
//! | form | a, b | c | `bytes` | [`HIGH`] in imm |
//! | --- | --- | --- | --- | --- |
//! | `Lanes` | `es` | `es` | any | - |
//! | `Long` | `es - 1`, the low half | `es` | any | a and b from the upper half |
//! | `Wide` | a `es`; b `es - 1`, the low half | - | any | b from the upper half |
//! | `Narrow` | `es + 1`, all 16 bytes (scalar: one lane) | only with `HIGH` | 8 or a lane | 16 bytes: low half = c's low half, high half = result |
//! | `Pairs` | `es` | - | any | - |
//! | `Across` | `es` (Long: `es - 1`) | - | of the **source**; the result is one lane | - |
//! | `Full`, `Scalar` | as the operation says | | 16, one lane | - |
//!
//! Operations with `es` 4 in their range among `Lanes` are bitwise: every `es` gives the same
//! result, so a guest passes any. "b:a" is the concatenation with a in the low part. An operation
//! by one element of a vector is `DupLane` to a temporary and the plain operation. Operations named
//! `Sat` set `saturated` when a lane's exact result did not fit.
//!
//! What must stay true: no operand makes [`eval`] panic; the result depends on nothing but its
//! arguments; `saturated` is only ever set, never cleared.

pub mod crypto;
mod eval;
#[cfg(test)]
mod tests;

pub use eval::{aes_step, eval};

/// Flag in [`VArgs::imm`](crate::ops::VArgs::imm): the "upper half" variant of `Long`, `Wide` and
/// `Narrow` operations.
pub const HIGH: u32 = 1 << 15;

/// How sources and destination are laid out; see the module's table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// Every operand has destination lanes.
    Lanes,
    /// Sources have lanes of half the size.
    Long,
    /// The second source has lanes of half the size.
    Wide,
    /// Sources have lanes of twice the size.
    Narrow,
    /// Neighbouring lanes are combined.
    Pairs,
    /// All lanes are combined.
    Across,
    /// All 16 bytes, with a layout of its own.
    Full,
    /// One lane.
    Scalar,
}

/// Which values of [`VArgs::imm`](crate::ops::VArgs::imm) an operation takes (besides [`HIGH`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Imm {
    /// Not used.
    No,
    /// 0 to lane bits - 1.
    Shl,
    /// 1 to lane bits.
    Shr,
    /// 0 to source lane bits.
    LongShl,
    /// 0 to destination lane bits.
    NarrowShr,
    /// 0 to lane bits - 1: rotation.
    Rot,
    /// 0 to `bytes` - 1.
    Byte,
    /// A lane number in 16 bytes.
    Lane,
    /// Destination lane, and source lane shifted left by 8.
    Lanes2,
    /// 0 to 127, a multiple of the lanes of 16 bytes.
    Bit,
    /// log2 of a container's bytes, more than `es`, at most 3.
    Container,
}

macro_rules! vops {
    ($($(#[$doc:meta])* $name:ident: $reads:ident $form:ident $lo:literal ..= $hi:literal $imm:ident,)*) => {
        /// Integer, permutation and cryptographic operations on lanes. See the module's
        /// documentation for the operands' layout.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        #[repr(u16)]
        pub enum VOp {
            $($(#[$doc])* $name,)*
        }

        impl VOp {
            /// Every operation.
            pub const ALL: &[VOp] = &[$(VOp::$name,)*];

            /// What can be said about an operation without its semantics.
            pub const fn info(self) -> Info {
                match self {
                    $(VOp::$name => Info {
                        name: stringify!($name),
                        reads: reads::$reads,
                        form: Form::$form,
                        es: ($lo, $hi),
                        imm: Imm::$imm,
                    },)*
                }
            }
        }
    };
}

/// What can be said about an operation without its semantics: enough to load its operands and to
/// make random ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Info {
    /// Its name.
    pub name: &'static str,
    /// Which operands it reads: see [`reads`]. (`Narrow` operations read c only with [`HIGH`].)
    pub reads: u8,
    /// Layout of the operands.
    pub form: Form,
    /// Smallest and largest `es`.
    pub es: (u8, u8),
    /// Range of the constant.
    pub imm: Imm,
}

/// Bits of [`Info::reads`].
pub mod reads {
    /// Reads a.
    pub const A: u8 = 1;
    /// Reads b.
    pub const B: u8 = 2;
    /// Reads c.
    pub const C: u8 = 4;
    /// Reads a and b.
    pub(crate) const AB: u8 = A | B;
    /// Reads a and c.
    pub(crate) const AC: u8 = A | C;
    /// Reads all three.
    pub(crate) const ABC: u8 = A | B | C;
}

vops! {
    // Lane by lane.
    /// a.
    Mov: A Lanes 0..=4 No,
    /// a + b, wrapping.
    Add: AB Lanes 0..=3 No,
    /// a - b, wrapping.
    Sub: AB Lanes 0..=3 No,
    /// a * b, low half.
    Mul: AB Lanes 0..=3 No,
    /// c + a * b, low half.
    MulAdd: ABC Lanes 0..=3 No,
    /// c - a * b, low half.
    MulSub: ABC Lanes 0..=3 No,
    /// Carry-less a * b, low half.
    MulPoly: AB Lanes 0..=0 No,
    /// a & b.
    And: AB Lanes 0..=4 No,
    /// a | b.
    Or: AB Lanes 0..=4 No,
    /// a ^ b.
    Xor: AB Lanes 0..=4 No,
    /// a & !b.
    AndNot: AB Lanes 0..=4 No,
    /// a | !b.
    OrNot: AB Lanes 0..=4 No,
    /// !a.
    Not: A Lanes 0..=4 No,
    /// Bit by bit: a where c is 1, b where c is 0.
    Select: ABC Lanes 0..=4 No,
    /// Byte by byte: a where c's top bit is 1, b where it is 0.
    Blend: ABC Lanes 0..=4 No,
    /// All ones in lane i if bit imm + i of a (all 16 bytes) is 1, else zero.
    BitsToLanes: A Lanes 0..=3 Bit,
    /// a ^ b ^ c.
    Xor3: ABC Lanes 0..=4 No,
    /// a ^ (b & !c).
    XorAndNot: ABC Lanes 0..=4 No,
    /// a ^ (b rotated left by imm).
    XorRol: AB Lanes 0..=3 Rot,
    /// (a ^ b) rotated right by imm.
    XorRor: AB Lanes 0..=3 Rot,
    /// -a, wrapping.
    Neg: A Lanes 0..=3 No,
    /// |a|, signed; the smallest value stays.
    Abs: A Lanes 0..=3 No,
    /// -a, signed; the smallest value saturates.
    NegSat: A Lanes 0..=3 No,
    /// |a|, signed; the smallest value saturates.
    AbsSat: A Lanes 0..=3 No,
    /// All ones if a == b, else zero.
    CmpEq: AB Lanes 0..=3 No,
    /// All ones if a > b, signed, else zero.
    CmpGtS: AB Lanes 0..=3 No,
    /// All ones if a >= b, signed, else zero.
    CmpGeS: AB Lanes 0..=3 No,
    /// All ones if a > b, unsigned, else zero.
    CmpGtU: AB Lanes 0..=3 No,
    /// All ones if a >= b, unsigned, else zero.
    CmpGeU: AB Lanes 0..=3 No,
    /// All ones if (a & b) != 0, else zero.
    CmpTest: AB Lanes 0..=3 No,
    /// All ones if a == 0, else zero.
    CmpEqZero: A Lanes 0..=3 No,
    /// All ones if a > 0, signed, else zero.
    CmpGtZero: A Lanes 0..=3 No,
    /// All ones if a >= 0, signed, else zero.
    CmpGeZero: A Lanes 0..=3 No,
    /// All ones if a < 0, signed, else zero.
    CmpLtZero: A Lanes 0..=3 No,
    /// All ones if a <= 0, signed, else zero.
    CmpLeZero: A Lanes 0..=3 No,
    /// Smaller of a and b, signed.
    MinS: AB Lanes 0..=3 No,
    /// Smaller of a and b, unsigned.
    MinU: AB Lanes 0..=3 No,
    /// Larger of a and b, signed.
    MaxS: AB Lanes 0..=3 No,
    /// Larger of a and b, unsigned.
    MaxU: AB Lanes 0..=3 No,
    /// a + b, signed, saturating.
    AddSatS: AB Lanes 0..=3 No,
    /// a + b, unsigned, saturating.
    AddSatU: AB Lanes 0..=3 No,
    /// a - b, signed, saturating.
    SubSatS: AB Lanes 0..=3 No,
    /// a - b, unsigned, saturating at zero.
    SubSatU: AB Lanes 0..=3 No,
    /// Signed a + unsigned b, saturating as signed.
    AddSatSU: AB Lanes 0..=3 No,
    /// Unsigned a + signed b, saturating as unsigned.
    AddSatUS: AB Lanes 0..=3 No,
    /// (a + b) >> 1, signed, the sum not truncated.
    HalfAddS: AB Lanes 0..=3 No,
    /// (a + b) >> 1, unsigned, the sum not truncated.
    HalfAddU: AB Lanes 0..=3 No,
    /// (a + b + 1) >> 1, signed, the sum not truncated.
    HalfAddRoundS: AB Lanes 0..=3 No,
    /// (a + b + 1) >> 1, unsigned, the sum not truncated.
    HalfAddRoundU: AB Lanes 0..=3 No,
    /// (a - b) >> 1, signed, the difference not truncated.
    HalfSubS: AB Lanes 0..=3 No,
    /// (a - b) >> 1, operands unsigned, the difference signed and not truncated.
    HalfSubU: AB Lanes 0..=3 No,
    /// |a - b|, operands signed, the difference not truncated.
    AbsDiffS: AB Lanes 0..=3 No,
    /// |a - b|, operands unsigned, the difference not truncated.
    AbsDiffU: AB Lanes 0..=3 No,
    /// c + |a - b|, operands signed.
    AbsDiffAddS: ABC Lanes 0..=3 No,
    /// c + |a - b|, operands unsigned.
    AbsDiffAddU: ABC Lanes 0..=3 No,
    /// High half of 2 * a * b, signed, saturating.
    MulDoubleHighSat: AB Lanes 1..=2 No,
    /// High half of 2 * a * b + half a unit, signed, saturating.
    MulDoubleHighRoundSat: AB Lanes 1..=2 No,
    /// High half of (c << lane bits) + 2 * a * b + half a unit, signed, saturating once at the end.
    MulDoubleHighRoundAddSat: ABC Lanes 1..=2 No,
    /// High half of (c << lane bits) - 2 * a * b + half a unit, signed, saturating once at the end.
    MulDoubleHighRoundSubSat: ABC Lanes 1..=2 No,
    /// Bits below the top bit that continue it (0 to lane bits - 1).
    LeadingSigns: A Lanes 0..=3 No,
    /// Leading zero bits (0 to lane bits).
    LeadingZeros: A Lanes 0..=3 No,
    /// Bits set.
    Popcount: A Lanes 0..=3 No,
    /// Bits of each lane in reverse order.
    ReverseBits: A Lanes 0..=3 No,
    /// Reciprocal estimate of an unsigned fixed-point fraction (AArch64 URECPE): all ones below
    /// 0.5.
    RecipEstU: A Lanes 2..=2 No,
    /// Reciprocal square root estimate of an unsigned fixed-point fraction (AArch64 URSQRTE): all
    /// ones below 0.25.
    RsqrtEstU: A Lanes 2..=2 No,
    // Shifts by a constant: left by imm in 0..lane bits, right by imm in 1..=lane bits.
    /// a << imm.
    Shl: A Lanes 0..=3 Shl,
    /// a >> imm, unsigned.
    ShrU: A Lanes 0..=3 Shr,
    /// a >> imm, signed.
    ShrS: A Lanes 0..=3 Shr,
    /// (a + (1 << (imm - 1))) >> imm, unsigned, the sum not truncated.
    ShrRoundU: A Lanes 0..=3 Shr,
    /// (a + (1 << (imm - 1))) >> imm, signed, the sum not truncated.
    ShrRoundS: A Lanes 0..=3 Shr,
    /// c + (a >> imm), unsigned.
    ShrAddU: AC Lanes 0..=3 Shr,
    /// c + (a >> imm), signed.
    ShrAddS: AC Lanes 0..=3 Shr,
    /// c + `ShrRoundU`.
    ShrRoundAddU: AC Lanes 0..=3 Shr,
    /// c + `ShrRoundS`.
    ShrRoundAddS: AC Lanes 0..=3 Shr,
    /// a << imm with the low imm bits of c.
    ShlInsert: AC Lanes 0..=3 Shl,
    /// a >> imm (unsigned) with the high imm bits of c.
    ShrInsert: AC Lanes 0..=3 Shr,
    /// a << imm, signed, saturating.
    ShlSatS: A Lanes 0..=3 Shl,
    /// a << imm, unsigned, saturating.
    ShlSatU: A Lanes 0..=3 Shl,
    /// Signed a << imm, saturating as unsigned.
    ShlSatSU: A Lanes 0..=3 Shl,
    // Shifts by a register: n = the low byte of b's lane, signed; left by n, or right by -n when
    // negative; any amount is allowed.
    /// Unsigned a.
    ShiftU: AB Lanes 0..=3 No,
    /// Signed a.
    ShiftS: AB Lanes 0..=3 No,
    /// Unsigned a, right shifts rounding to nearest, half up (the sum not truncated).
    ShiftRoundU: AB Lanes 0..=3 No,
    /// Signed a, right shifts rounding to nearest, half up (the sum not truncated).
    ShiftRoundS: AB Lanes 0..=3 No,
    /// Unsigned a, saturating.
    ShiftSatU: AB Lanes 0..=3 No,
    /// Signed a, saturating.
    ShiftSatS: AB Lanes 0..=3 No,
    /// Unsigned a, rounding and saturating.
    ShiftRoundSatU: AB Lanes 0..=3 No,
    /// Signed a, rounding and saturating.
    ShiftRoundSatS: AB Lanes 0..=3 No,
    // Long: sources have lanes of half the size ([`HIGH`] takes them from the sources' upper
    // halves).
    /// Signed a + b.
    AddLongS: AB Long 1..=3 No,
    /// Unsigned a + b.
    AddLongU: AB Long 1..=3 No,
    /// Signed a - b.
    SubLongS: AB Long 1..=3 No,
    /// Unsigned a - b.
    SubLongU: AB Long 1..=3 No,
    /// Signed |a - b|.
    AbsDiffLongS: AB Long 1..=3 No,
    /// Unsigned |a - b|.
    AbsDiffLongU: AB Long 1..=3 No,
    /// c + signed |a - b|.
    AbsDiffLongAddS: ABC Long 1..=3 No,
    /// c + unsigned |a - b|.
    AbsDiffLongAddU: ABC Long 1..=3 No,
    /// Signed a * b.
    MulLongS: AB Long 1..=4 No,
    /// Unsigned a * b.
    MulLongU: AB Long 1..=4 No,
    /// c + signed a * b.
    MulLongAddS: ABC Long 1..=3 No,
    /// c + unsigned a * b.
    MulLongAddU: ABC Long 1..=3 No,
    /// c - signed a * b.
    MulLongSubS: ABC Long 1..=3 No,
    /// c - unsigned a * b.
    MulLongSubU: ABC Long 1..=3 No,
    /// Carry-less a * b.
    MulLongPoly: AB Long 1..=4 No,
    /// 2 * a * b, signed, saturating.
    MulLongDoubleSat: AB Long 2..=3 No,
    /// c + sat(2 * a * b), signed, saturating twice.
    MulLongDoubleAddSat: ABC Long 2..=3 No,
    /// c - sat(2 * a * b), signed, saturating twice.
    MulLongDoubleSubSat: ABC Long 2..=3 No,
    /// Signed a << imm; imm 0 is plain sign extension.
    ShlLongS: A Long 1..=3 LongShl,
    /// Unsigned a << imm; imm 0 is plain zero extension.
    ShlLongU: A Long 1..=3 LongShl,
    // Wide: a has full lanes, b lanes of half the size ([`HIGH`] takes b's upper half).
    /// a + sign-extended b.
    AddWideS: AB Wide 1..=3 No,
    /// a + zero-extended b.
    AddWideU: AB Wide 1..=3 No,
    /// a - sign-extended b.
    SubWideS: AB Wide 1..=3 No,
    /// a - zero-extended b.
    SubWideU: AB Wide 1..=3 No,
    // Narrow: sources have lanes of twice the size. Results go to the low half; with [`HIGH`]
    // (`bytes` is 16) to the upper half, the lower half being c's.
    /// a >> imm, truncated; imm 0 is plain truncation.
    ShrNarrow: AC Narrow 0..=2 NarrowShr,
    /// a >> imm with rounding (half up), truncated.
    ShrNarrowRound: AC Narrow 0..=2 NarrowShr,
    /// Signed a >> imm, saturated as signed; imm 0 is plain saturation.
    ShrNarrowSatS: AC Narrow 0..=2 NarrowShr,
    /// Unsigned a >> imm, saturated as unsigned.
    ShrNarrowSatU: AC Narrow 0..=2 NarrowShr,
    /// Signed a >> imm, saturated as unsigned.
    ShrNarrowSatSU: AC Narrow 0..=2 NarrowShr,
    /// Signed a >> imm with rounding, saturated as signed.
    ShrNarrowRoundSatS: AC Narrow 0..=2 NarrowShr,
    /// Unsigned a >> imm with rounding, saturated as unsigned.
    ShrNarrowRoundSatU: AC Narrow 0..=2 NarrowShr,
    /// Signed a >> imm with rounding, saturated as unsigned.
    ShrNarrowRoundSatSU: AC Narrow 0..=2 NarrowShr,
    /// High half of a + b.
    AddNarrowHigh: ABC Narrow 0..=2 No,
    /// High half of a + b + half a unit.
    AddNarrowHighRound: ABC Narrow 0..=2 No,
    /// High half of a - b.
    SubNarrowHigh: ABC Narrow 0..=2 No,
    /// High half of a - b + half a unit.
    SubNarrowHighRound: ABC Narrow 0..=2 No,
    // Pairs: lane i is made of the lanes 2i and 2i + 1 of b:a (the low `bytes` bytes of each, a's
    // first).
    /// Sum.
    AddPairs: AB Pairs 0..=3 No,
    /// Larger, signed.
    MaxPairsS: AB Pairs 0..=3 No,
    /// Larger, unsigned.
    MaxPairsU: AB Pairs 0..=3 No,
    /// Smaller, signed.
    MinPairsS: AB Pairs 0..=3 No,
    /// Smaller, unsigned.
    MinPairsU: AB Pairs 0..=3 No,
    // Long pairs: lane i is made of the half-size lanes 2i and 2i + 1 of a.
    /// Sum, signed.
    AddPairsLongS: A Lanes 1..=3 No,
    /// Sum, unsigned.
    AddPairsLongU: A Lanes 1..=3 No,
    /// c + sum, signed.
    AddPairsLongAddS: AC Lanes 1..=3 No,
    /// c + sum, unsigned.
    AddPairsLongAddU: AC Lanes 1..=3 No,
    // Across: the low `bytes` bytes of a are combined into one lane of `es`, everything above it
    // zero.
    /// Sum, wrapping.
    SumAcross: A Across 0..=3 No,
    /// Sum of the sign-extended half-size lanes.
    SumAcrossLongS: A Across 1..=3 No,
    /// Sum of the zero-extended half-size lanes.
    SumAcrossLongU: A Across 1..=3 No,
    /// Largest, signed.
    MaxAcrossS: A Across 0..=3 No,
    /// Largest, unsigned.
    MaxAcrossU: A Across 0..=3 No,
    /// Smallest, signed.
    MinAcrossS: A Across 0..=3 No,
    /// Smallest, unsigned.
    MinAcrossU: A Across 0..=3 No,
    // Permutations; "a" and "b" are their low `bytes` bytes, except in `DupLane` and `InsertLane`,
    // which reach all 16.
    /// The lanes within each container of `1 << imm` bytes in reverse order (imm > es).
    Reverse: A Lanes 0..=2 Container,
    /// Bytes imm.. of b:a (a's first); imm < `bytes`.
    Extract: AB Lanes 0..=0 Byte,
    /// Lanes of the low halves interleaved: a0 b0 a1 b1 ....
    Zip1: AB Lanes 0..=3 No,
    /// Lanes of the high halves interleaved.
    Zip2: AB Lanes 0..=3 No,
    /// Even lanes of b:a.
    Uzp1: AB Lanes 0..=3 No,
    /// Odd lanes of b:a.
    Uzp2: AB Lanes 0..=3 No,
    /// a0 b0 a2 b2 ....
    Trn1: AB Lanes 0..=3 No,
    /// a1 b1 a3 b3 ....
    Trn2: AB Lanes 0..=3 No,
    /// Every lane is a's lane imm (of all 16 bytes); with `bytes == 1 << es` lane imm moved to the
    /// bottom.
    DupLane: A Lanes 0..=3 Lane,
    /// c with its lane `imm & 0xff` replaced by a's lane `imm >> 8`; `bytes` is 16.
    InsertLane: AC Lanes 0..=3 Lanes2,
    // Dot products and matrices of 8-bit lanes, added to 32-bit lanes of c (`es` is 2).
    /// c + the sum of four products, both signed.
    DotS: ABC Lanes 2..=2 No,
    /// c + the sum of four products, both unsigned.
    DotU: ABC Lanes 2..=2 No,
    /// c + the sum of four products, a unsigned and b signed.
    DotUS: ABC Lanes 2..=2 No,
    /// c[2i + j] + the sum over k < 8 of a[8i + k] * b[8j + k], both signed (`bytes` is 16).
    MatMulS: ABC Full 2..=2 No,
    /// As `MatMulS`, both unsigned.
    MatMulU: ABC Full 2..=2 No,
    /// As `MatMulS`, a unsigned and b signed.
    MatMulUS: ABC Full 2..=2 No,
    // Cryptography (`bytes` is 16, `Sha1Rotate` 4); the functions and their names are FIPS 197's
    // and 180-4's.
    /// SubBytes(ShiftRows(a ^ b)).
    AesEncLast: AB Full 0..=0 No,
    /// InvSubBytes(InvShiftRows(a ^ b)).
    AesDecLast: AB Full 0..=0 No,
    /// SubBytes(ShiftRows(a)) ^ b.
    AesEncLastKey: AB Full 0..=0 No,
    /// MixColumns(SubBytes(ShiftRows(a))) ^ b.
    AesEncKey: AB Full 0..=0 No,
    /// InvSubBytes(InvShiftRows(a)) ^ b.
    AesDecLastKey: AB Full 0..=0 No,
    /// MixColumns(a).
    AesMixColumns: A Full 0..=0 No,
    /// InvMixColumns(a).
    AesInvMixColumns: A Full 0..=0 No,
    /// Four SHA-1 rounds with Ch: c is the state a, b, c, d from lane 0 up, a's lane 0 is e, b the
    /// schedule words with their constant added; result the new a, b, c, d.
    Sha1Choose: ABC Full 2..=2 No,
    /// As `Sha1Choose` with Parity.
    Sha1Parity: ABC Full 2..=2 No,
    /// As `Sha1Choose` with Maj.
    Sha1Majority: ABC Full 2..=2 No,
    /// a's lane 0 rotated left by 30, zero above.
    Sha1Rotate: A Scalar 2..=2 No,
    /// SHA-1 schedule, first part: c ^ a' ^ b with a' = a's low half over c's high half (c = words
    /// 0 to 3, a = 4 to 7, b = 8 to 11).
    Sha1Schedule0: ABC Full 2..=2 No,
    /// SHA-1 schedule, second part: c from the first part, a = words 12 to 15; result words 16
    /// to 19.
    Sha1Schedule1: AC Full 2..=2 No,
    /// Four SHA-256 rounds: c is the state a to d from lane 0 up, a is e to h, b the schedule words
    /// with constants added; result the new a to d.
    Sha256Hash1: ABC Full 2..=2 No,
    /// The same rounds' new e to h: c is e to h, a is the old a to d, b as above.
    Sha256Hash2: ABC Full 2..=2 No,
    /// SHA-256 schedule, first part: c + sigma0 of the words from one after c's first (c = words 0
    /// to 3, a = 4 to 7).
    Sha256Schedule0: AC Full 2..=2 No,
    /// SHA-256 schedule, second part: c from the first part, a = words 8 to 11, b = 12 to 15;
    /// result words 16 to 19.
    Sha256Schedule1: ABC Full 2..=2 No,
    /// AArch64 SHA512H: c, a, b are its Vd, Vn, Vm.
    Sha512Hash1: ABC Full 3..=3 No,
    /// AArch64 SHA512H2: c, a, b are its Vd, Vn, Vm.
    Sha512Hash2: ABC Full 3..=3 No,
    /// c + sigma0 of (c's lane 1, a's lane 0).
    Sha512Schedule0: AC Full 3..=3 No,
    /// c + sigma1(a) + b.
    Sha512Schedule1: ABC Full 3..=3 No,
    /// (c ^ a) * b modulo x^128 + x^7 + x^2 + x + 1, byte 0 first and in each byte the lowest power
    /// in the highest bit: GHASH's multiplication.
    GhashMul: ABC Full 0..=0 No,
}

//! Floating point in integers only: the reference semantics of every [`FOp`].
//!
//! The host's floating-point unit is never used here, so that the results do not depend on it and its control register
//! (which generated code owns) is not disturbed.

use crate::ops::{Round, VArgs};

/// Rounding modes of the floating-point environment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum Rounding {
    /// To nearest, ties to even.
    #[default]
    NearestEven,
    /// Towards plus infinity.
    Up,
    /// Towards minus infinity.
    Down,
    /// Towards zero.
    Zero,
    /// To nearest, ties away from zero.
    NearestAway,
    /// To odd.
    Odd,
}

/// Sticky exception flags, in the bit order of AArch64's FPSR.
pub mod flag {
    /// Invalid operation.
    pub const INVALID: u8 = 1;
    /// Division by zero.
    pub const DIV_ZERO: u8 = 2;
    /// Overflow.
    pub const OVERFLOW: u8 = 4;
    /// Underflow.
    pub const UNDERFLOW: u8 = 8;
    /// Inexact.
    pub const INEXACT: u8 = 16;
    /// A denormal input was flushed to zero.
    pub const INPUT_DENORMAL: u8 = 128;
}

/// The floating-point environment: what a guest's control register says, in guest-neutral terms.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct FpEnv {
    /// Rounding mode.
    pub rounding: Rounding,
    /// Every NaN result is the default NaN.
    pub default_nan: bool,
    /// Denormal inputs and results of single and double precision become zero.
    pub flush: bool,
    /// Denormal inputs and results of half precision become zero.
    pub flush_half: bool,
    /// Half precision conversions use the alternative format.
    pub alt_half: bool,
    /// The default NaN's sign is set (x86) or clear (ARM, RISC-V).
    pub nan_negative: bool,
    /// Sticky flags so far: see [`flag`].
    pub flags: u8,
    /// Saturation happened in an integer vector operation (AArch64 FPSR.QC).
    pub saturated: bool,
    /// Which operand a NaN result comes from (unless `default_nan`).
    pub nan_rule: NanRule,
    /// What a conversion to integer gives for NaN and out of range.
    pub int_invalid: IntInvalid,
    /// Tininess, the condition of underflow, is detected after rounding (x86, RISC-V) instead of before (ARM).
    pub tiny_after_rounding: bool,
}

/// Which operand a NaN result comes from; it is made quiet. Operand order is a, b; for multiply-add c, a, b.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum NanRule {
    /// The first signalling NaN, else the first quiet one (ARM). A multiply-add of infinity and zero with a quiet NaN as
    /// addend is invalid and gives the default NaN.
    #[default]
    SignalingFirst,
    /// The first NaN, signalling or not; for multiply-add in the order a, b, c (x86 SSE).
    FirstOperand,
}

/// What a conversion to integer gives where the value does not fit. Invalid is raised in every case.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum IntInvalid {
    /// NaN gives zero, out of range the nearest integer (ARM).
    #[default]
    NanZero,
    /// NaN gives the largest integer, out of range the nearest integer (RISC-V).
    NanMax,
    /// Always the smallest signed or the largest unsigned integer (x86).
    Indefinite,
}

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Floating-point operations on lanes. a, b, c are the operands of [`VArgs`]; a lane has `1 << es` bytes (`es` 1, 2, 3: half, single,
        /// double), and lane i of the result depends on lane i of the operands unless the operation says otherwise.
        ///
        /// Common rules, which the descriptions do not repeat:
        /// - One result is rounded once, in the environment's mode unless the operation names another, and raises the IEEE 754 flags.
        /// - "NaN rule": a NaN operand gives a NaN result after [`FpEnv::nan_rule`] and [`FpEnv::default_nan`]; a signalling one raises
        ///   Invalid. An invalid operation without NaN operand gives the default NaN and raises Invalid.
        /// - With `flush`, a denormal single or double operand counts as zero of its sign and raises InputDenormal; a result that is
        ///   denormal before rounding becomes zero of its sign and raises Underflow alone. `flush_half` is the same for half precision,
        ///   except that operands raise nothing.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        #[repr(u8)]
        pub enum FOp {
            $($(#[$doc])* $name,)*
        }

        impl FOp {
            /// Every operation, in the order of declaration.
            pub const ALL: &[FOp] = &[$(FOp::$name),*];
        }
    };
}

operations! {
    // Bit operations: no flags, no NaN rule, no flush.

    /// a with its sign cleared.
    Abs,
    /// a with its sign inverted.
    Neg,

    // Arithmetic.

    /// a + b.
    Add,
    /// a - b. A NaN in b keeps its sign.
    Sub,
    /// a * b.
    Mul,
    /// a * b; zero times infinity is 2 with the product's sign and raises nothing (AArch64 FMULX).
    MulX,
    /// -(a * b): the sign of the rounded product is inverted, a NaN's too (AArch64 FNMUL).
    NegMul,
    /// a / b.
    Div,
    /// Square root of a.
    Sqrt,
    /// |a - b|: the sign of the rounded difference is cleared, a NaN's too (AArch64 FABD).
    AbsDiff,
    /// The larger of a and b; +0 is larger than -0; NaN rule.
    Max,
    /// The smaller of a and b; NaN rule.
    Min,
    /// As `Max`, but if exactly one operand is a quiet NaN the result is the other (IEEE 754-2008 maxNum).
    MaxNum,
    /// As `Min`, but if exactly one operand is a quiet NaN the result is the other (IEEE 754-2008 minNum).
    MinNum,

    // Fused multiply-add: one rounding. Signs are changed on the operands, NaNs included, before anything else.

    /// c + a * b.
    MulAdd,
    /// c + (-a) * b.
    MulSub,
    /// (-c) + (-a) * b (AArch64 FNMADD).
    NegMulAdd,
    /// (-c) + a * b (AArch64 FNMSUB).
    NegMulSub,
    /// Half-precision a, b, single-precision c and result: c + a * b exactly as if a and b were single. `es` is 1; `bytes` counts the result;
    /// result lane i takes lanes i of a and b, or with `imm` 1 lanes i + (result lanes) (AArch64 FMLAL, FMLAL2).
    MulAddLong,
    /// As `MulAddLong` with -a.
    MulSubLong,

    // Complex numbers: lane 2k is the real, lane 2k + 1 the imaginary part.

    /// a + b rotated by `imm` (1 or 3) quarter turns: with 1, re = a.re + (-b.im) and im = a.im + b.re; with 3, re = a.re + b.im and
    /// im = a.im + (-b.re) (AArch64 FCADD). The negation changes a NaN's sign too.
    ComplexAdd,
    /// c + half of the product of a and b rotated by `imm` (0 to 3) quarter turns, each part one fused multiply-add (AArch64 FCMLA):
    /// 0: re += a.re * b.re, im += a.re * b.im; 1: re += a.im * -b.im, im += a.im * b.re;
    /// 2: re += a.re * -b.re, im += a.re * -b.im; 3: re += a.im * b.im, im += a.im * -b.re.
    /// The operands of the multiply-add are in the order (b's part, a's part).
    ComplexMulAdd,

    // Reciprocals.

    /// Estimate of 1 / a with 8 bits, as the Arm manual's FPRecipEstimate defines it bit by bit (AArch64 FRECPE).
    RecipEstimate,
    /// Estimate of 1 / sqrt(a) with 8 bits, as the manual's FPRSqrtEstimate (AArch64 FRSQRTE).
    RsqrtEstimate,
    /// a's sign and inverted exponent, fraction zero; zero and denormal give the largest finite exponent (AArch64 FRECPX).
    RecipExponent,
    /// 2 + (-a) * b with one rounding; zero times infinity counts as 0 (AArch64 FRECPS).
    RecipStep,
    /// (3 + (-a) * b) / 2 with one rounding; zero times infinity counts as 0 (AArch64 FRSQRTS).
    RsqrtStep,

    // Comparisons: all ones where true, else zero. Denormals are flushed as for arithmetic.

    /// a == b. Only a signalling NaN raises Invalid.
    CmpEq,
    /// a >= b. Any NaN raises Invalid.
    CmpGe,
    /// a > b. Any NaN raises Invalid.
    CmpGt,
    /// a == 0, as `CmpEq`.
    CmpEqZero,
    /// a >= 0, as `CmpGe`.
    CmpGeZero,
    /// a > 0, as `CmpGt`.
    CmpGtZero,
    /// a <= 0. Any NaN raises Invalid.
    CmpLeZero,
    /// a < 0. Any NaN raises Invalid.
    CmpLtZero,
    /// |a| >= |b|, as `CmpGe`.
    CmpAbsGe,
    /// |a| > |b|, as `CmpGt`.
    CmpAbsGt,

    // Rounding to integral values, in the direction `imm` (a [`Round`] as number; see [`imm`]). A zero result keeps a's sign. NaN rule.

    /// a rounded to an integral value; raises no Inexact.
    RoundInt,
    /// As `RoundInt`, raises Inexact if the value changes.
    RoundIntExact,
    /// As `RoundIntExact`; NaN, infinity and results outside a signed 32-bit integer give -2^31 and raise Invalid alone (single and double).
    RoundInt32,
    /// As `RoundIntExact`; NaN, infinity and results outside a signed 64-bit integer give -2^63 and raise Invalid alone (single and double).
    RoundInt64,

    // Conversions between floating point and integers of the same lane size. `imm` from [`imm::to_int`].

    /// a times 2^fbits to a signed integer, in the direction of `imm`; NaN and out of range after [`FpEnv::int_invalid`], raising Invalid alone;
    /// else Inexact if the value changes.
    ToSigned,
    /// As `ToSigned`, unsigned.
    ToUnsigned,
    /// Signed integer a divided by 2^fbits, rounded once in the environment's mode. Zero gives +0.
    FromSigned,
    /// As `FromSigned`, unsigned.
    FromUnsigned,
    /// Double a truncated to an integer, its low 32 bits in lane 0 of four bytes; the next four bytes hold NZCV in bits 31 to 28: Z alone if a was
    /// exactly a signed 32-bit integer and not -0, else none (AArch64 FJCVTZS). NaN and infinity give 0. Invalid if the integer does not fit,
    /// else Inexact if the value changes. `es` 3, `bytes` 8.
    ToSignedWrapping,

    // Conversions of precision. `es` is the source's lane, `imm` the result's lane (log2 of the bytes); `bytes` counts the result. NaNs keep sign and
    // the fraction's high bits (quiet) unless `default_nan`. A half that is read or written here is never flushed, and is in the alternative format if
    // `alt_half` (no infinity or NaN; infinity becomes the largest number, NaN zero, both with Invalid, as does overflow).

    /// Lane i of a to lane i of the result, any two of half, single and double.
    Convert,
    /// As `Convert` to the next larger lane, from the lanes in bytes 8 to 15 of a; `bytes` 16 (AArch64 FCVTL2).
    WidenHigh,
    /// As `Convert` to the next smaller lane into bytes 8 to 15 of the result; bytes 0 to 7 are those of c; `bytes` 16 (AArch64 FCVTN2).
    NarrowHigh,
    /// As `Convert` from double to single, rounding to odd (overflow gives the largest finite number) (AArch64 FCVTXN).
    NarrowOdd,
    /// As `NarrowHigh` from double to single, rounding to odd (AArch64 FCVTXN2).
    NarrowOddHigh,

    // BFloat16: the high half of a single. `es` is 2 (the lane of c and of the result) except where said.

    /// Single lane i of a rounded to 2-byte lane i of the result, with `flush` as for single; `bytes` counts the result (AArch64 BFCVT, BFCVTN).
    ToBf16,
    /// As `ToBf16`, four lanes into bytes 8 to 15 of the result; bytes 0 to 7 are those of c; `bytes` 16 (AArch64 BFCVTN2).
    ToBf16High,
    /// c + a.bf16[2i + imm] * b.bf16[2i + imm], fused in single precision (AArch64 BFMLALB with `imm` 0, BFMLALT with 1).
    Bf16MulAdd,
    /// c + (a.bf16[2i] * b.bf16[2i] + a.bf16[2i + 1] * b.bf16[2i + 1]) where each of the four operations rounds to odd, flushes denormal inputs and
    /// results, gives the default NaN for any NaN, overflows to infinity and raises no flags, whatever the environment (AArch64 BFDOT).
    Bf16Dot,
    /// 2x2 single c + (2x4 bf16 a) * (transposed 2x4 bf16 b), rows one after the other: two `Bf16Dot` steps per element, low pair of columns first;
    /// `bytes` 16 (AArch64 BFMMLA).
    Bf16MatMul,

    // Pairs: result lane i combines lanes 2i and 2i + 1 of the concatenation a (low), b (high), of `bytes` bytes each. A single result lane
    // (`bytes` == lane bytes) combines lanes 0 and 1 of a.

    /// `Add` of pairs.
    PairAdd,
    /// `Max` of pairs.
    PairMax,
    /// `Min` of pairs.
    PairMin,
    /// `MaxNum` of pairs.
    PairMaxNum,
    /// `MinNum` of pairs.
    PairMinNum,

    // Across lanes: `bytes` counts the source a; the result is one lane, zero above. Neighbouring lanes are combined first, then those results.

    /// `Max` of all lanes.
    AcrossMax,
    /// `Min` of all lanes.
    AcrossMin,
    /// `MaxNum` of all lanes.
    AcrossMaxNum,
    /// `MinNum` of all lanes.
    AcrossMinNum,
}

/// The constant operand ([`VArgs::imm`]) of the operations that round or convert.
pub mod imm {
    use super::Round;

    /// For `RoundInt`, `RoundIntExact`, `RoundInt32`, `RoundInt64`.
    pub const fn round(round: Round) -> u32 {
        round as u32
    }

    /// For `ToSigned` and `ToUnsigned`; with any direction for `FromSigned` and `FromUnsigned`: `fbits` is 0 to 64.
    pub const fn to_int(round: Round, fbits: u8) -> u32 {
        round as u32 | (fbits as u32) << 8
    }

    /// The direction in an `imm`.
    pub const fn direction(imm: u32) -> Round {
        match imm & 255 {
            0 => Round::NearestEven,
            1 => Round::Up,
            2 => Round::Down,
            3 => Round::Zero,
            4 => Round::NearestAway,
            5 => Round::Odd,
            _ => Round::Current,
        }
    }

    /// The number of fraction bits in an `imm`.
    pub const fn fbits(imm: u32) -> u8 {
        (imm >> 8) as u8
    }
}

/// The reference semantics: the new value of the destination (all 128 bits). a, b, c are the operands' old values.
pub fn eval(op: FOp, args: &VArgs, a: u128, b: u128, c: u128, env: &mut FpEnv) -> u128 {
    let _ = (op, args, a, b, c, env);
    unimplemented!()
}

/// Floating point of `1 << es` bytes in the low bits of `a`, times 2^fbits, to an integer of `width` (8 to 64) bits, zero-extended.
pub fn to_int(es: u8, a: u64, signed: bool, round: Round, width: u32, fbits: u8, env: &mut FpEnv) -> u64 {
    let _ = (es, a, signed, round, width, fbits, env);
    unimplemented!()
}

/// The low `width` bits of `s` as an integer, divided by 2^fbits, to floating point of `1 << es` bytes, rounded in the current mode.
pub fn from_int(es: u8, s: u64, signed: bool, width: u32, fbits: u8, env: &mut FpEnv) -> u64 {
    let _ = (es, s, signed, width, fbits, env);
    unimplemented!()
}

/// NZCV (bits 3 to 0) of the comparison: less 1000, equal 0110, greater 0010, unordered 0011. `signaling` raises Invalid for any NaN.
pub fn compare(es: u8, a: u64, b: u64, signaling: bool, env: &mut FpEnv) -> u8 {
    let _ = (es, a, b, signaling, env);
    unimplemented!()
}

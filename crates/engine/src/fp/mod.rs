//! Floating point in integers only: the reference semantics of every [`FOp`].
//!
//! The host's floating-point unit is never used here, so that the results do not depend on it and
//! its control register (which generated code owns) is not disturbed.

mod bf16;
mod estimate;
#[cfg(test)]
mod operands;
mod soft;
#[cfg(test)]
mod tests;

use crate::operands::{Round, VArgs};
pub use soft::{Format, HALF};

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
    /// Those above.
    pub const IEEE: u8 = 31;
    /// A denormal input was flushed to zero.
    pub const INPUT_DENORMAL: u8 = 128;

    /// The five flags of IEEE 754 in the other order.
    pub const fn reversed(flags: u8) -> u8 {
        (flags & IEEE).reverse_bits() >> 3
    }
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
    /// The default NaN's sign is set, or clear (ARM, RISC-V).
    pub nan_negative: bool,
    /// Sticky flags so far: see [`flag`].
    pub flags: u8,
    /// Saturation happened in an integer vector operation (AArch64 FPSR.QC).
    pub saturated: bool,
    /// Which operand a NaN result comes from (unless `default_nan`).
    pub nan_rule: NanRule,
    /// What a conversion to integer gives for NaN and out of range.
    pub int_invalid: IntInvalid,
    /// Tininess, the condition of underflow, is detected after rounding (RISC-V) instead of before
    /// (ARM).
    pub tiny_after_rounding: bool,
}

/// Which operand a NaN result comes from; it is made quiet. Operand order is a, b; for multiply-add
/// c, a, b.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum NanRule {
    /// The first signalling NaN, else the first quiet one (ARM). A multiply-add of infinity and
    /// zero with a quiet NaN as addend is invalid and gives the default NaN.
    #[default]
    SignalingFirst,
    /// The first NaN, signalling or not; for multiply-add in the order a, b, c.
    FirstOperand,
}

/// What a conversion to integer gives where the value does not fit. Invalid is raised in every
/// case.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum IntInvalid {
    /// NaN gives zero, out of range the nearest integer (ARM).
    #[default]
    NanZero,
    /// NaN gives the largest integer, out of range the nearest integer (RISC-V).
    NanMax,
    /// Always the smallest signed or the largest unsigned integer.
    Indefinite,
}

/// What can be said about an operation without its semantics.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Info {
    /// Its name.
    pub name: &'static str,
    /// Which operands it reads: bits 0, 1, 2 for a, b, c.
    pub reads: u8,
    /// It may raise flags.
    pub raises: bool,
}

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Floating-point operations on lanes. a, b, c are the operands of [`VArgs`]; a lane has
        /// `1 << es` bytes (`es` 1, 2, 3: half, single, double), and lane i of the result depends
        /// on lane i of the operands unless the operation says otherwise.
        ///
        /// Common rules, which the descriptions do not repeat:
        /// - One result is rounded once, in the environment's mode unless the operation names
        ///   another, and raises the IEEE 754 flags.
        /// - "NaN rule": a NaN operand gives a NaN result after [`FpEnv::nan_rule`] and
        ///   [`FpEnv::default_nan`]; a signalling one raises Invalid. An invalid operation without
        ///   NaN operand gives the default NaN and raises Invalid.
        /// - With `flush`, a denormal single or double operand counts as zero of its sign and
        ///   raises InputDenormal; a result that is denormal before rounding becomes zero of its
        ///   sign and raises Underflow alone. `flush_half` is the same for half precision, except
        ///   that operands raise nothing.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        #[repr(u8)]
        pub enum FOp {
            $($(#[$doc])* $name,)*
        }

        impl FOp {
            /// Every operation, in the order of declaration.
            pub const ALL: &[FOp] = &[$(FOp::$name),*];

            /// What can be said about it without its semantics.
            pub const fn info(self) -> Info {
                let name = match self { $(FOp::$name => stringify!($name),)* };
                Info { name, reads: self.reads(), raises: self.raises() }
            }
        }
    };
}

operations! {
    // Bit operations: no flags, no NaN rule, no flush.

    /// a with its sign cleared.
    Abs,
    /// a with its sign inverted.
    Neg,
    /// a with the sign of b.
    CopySign,
    /// a with the inverted sign of b.
    CopySignNot,
    /// a, its sign inverted if b's is set.
    XorSign,

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
    /// As `Max`, but if exactly one operand is a quiet NaN the result is the other (IEEE 754-2008
    /// maxNum).
    MaxNum,
    /// As `Min`, but if exactly one operand is a quiet NaN the result is the other (IEEE 754-2008
    /// minNum).
    MinNum,
    /// As `Max`, but if exactly one operand is a NaN the result is the other; a signalling one
    /// raises Invalid (IEEE 754-2019 maximumNumber).
    MaxNumber,
    /// As `Min`, but if exactly one operand is a NaN the result is the other; a signalling one
    /// raises Invalid (IEEE 754-2019 minimumNumber).
    MinNumber,

    // Fused multiply-add: one rounding. Signs are changed on the operands, NaNs included, before
    // anything else.

    /// c + a * b.
    MulAdd,
    /// c + (-a) * b.
    MulSub,
    /// (-c) + (-a) * b (AArch64 FNMADD).
    NegMulAdd,
    /// (-c) + a * b (AArch64 FNMSUB).
    NegMulSub,
    /// Half-precision a, b, single-precision c and result: c + a * b exactly as if a and b were
    /// single. `es` is 1; `bytes` counts the result; result lane i takes lanes i of a and b, or
    /// with `imm` 1 lanes i + (result lanes) (AArch64 FMLAL, FMLAL2).
    MulAddLong,
    /// As `MulAddLong` with -a.
    MulSubLong,

    // Complex numbers: lane 2k is the real, lane 2k + 1 the imaginary part.

    /// a + b rotated by `imm` (1 or 3) quarter turns: with 1, re = a.re + (-b.im) and im = a.im +
    /// b.re; with 3, re = a.re + b.im and im = a.im + (-b.re) (AArch64 FCADD). The negation changes
    /// a NaN's sign too.
    ComplexAdd,
    /// c + half of the product of a and b rotated by `imm` (0 to 3) quarter turns, each part one
    /// fused multiply-add (AArch64 FCMLA): 0: re += a.re * b.re, im += a.re * b.im; 1: re += a.im *
    /// -b.im, im += a.im * b.re; 2: re += a.re * -b.re, im += a.re * -b.im; 3: re += a.im * b.im,
    /// im += a.im * -b.re. The operands of the multiply-add are in the order a's part, b's part.
    ComplexMulAdd,

    // Reciprocals.

    /// Estimate of 1 / a with 8 bits, as the Arm manual's FPRecipEstimate defines it bit by bit
    /// (AArch64 FRECPE).
    RecipEstimate,
    /// Estimate of 1 / sqrt(a) with 8 bits, as the manual's FPRSqrtEstimate (AArch64 FRSQRTE).
    RsqrtEstimate,
    /// a's sign and inverted exponent, fraction zero; zero and denormal give the largest finite
    /// exponent (AArch64 FRECPX).
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

    // Rounding to integral values, in the direction `imm` (a [`Round`] as number; see [`imm`]). A
    // zero result keeps a's sign. NaN rule.

    /// a rounded to an integral value; raises no Inexact.
    RoundInt,
    /// As `RoundInt`, raises Inexact if the value changes.
    RoundIntExact,
    /// As `RoundIntExact`; NaN, infinity and results outside a signed 32-bit integer give -2^31 and
    /// raise Invalid alone (single and double).
    RoundInt32,
    /// As `RoundIntExact`; NaN, infinity and results outside a signed 64-bit integer give -2^63 and
    /// raise Invalid alone (single and double).
    RoundInt64,

    // Conversions between floating point and integers of the same lane size. `imm` from
    // [`imm::to_int`].

    /// a times 2^fbits to a signed integer, in the direction of `imm`; NaN and out of range after
    /// [`FpEnv::int_invalid`], raising Invalid alone; else Inexact if the value changes.
    ToSigned,
    /// As `ToSigned`, unsigned.
    ToUnsigned,
    /// Signed integer a divided by 2^fbits, rounded once in the environment's mode. Zero gives +0.
    FromSigned,
    /// As `FromSigned`, unsigned.
    FromUnsigned,
    /// Double a truncated to an integer, its low 32 bits in lane 0 of four bytes; the next four
    /// bytes hold NZCV in bits 31 to 28: Z alone if a was exactly a signed 32-bit integer and not
    /// -0, else none (AArch64 FJCVTZS). NaN and infinity give 0. Invalid if the integer does not
    /// fit, else Inexact if the value changes. `es` 3, `bytes` 8.
    ToSignedWrapping,

    // Conversions of precision. `es` is the source's lane, `imm` the result's lane (log2 of the
    // bytes); `bytes` counts the result. NaNs keep sign and the fraction's high bits (quiet) unless
    // `default_nan`. A half that is read or written here is never flushed, and is in the
    // alternative format if `alt_half` (no infinity or NaN; infinity becomes the largest number,
    // NaN zero, both with Invalid, as does overflow).

    /// Lane i of a to lane i of the result, any two of half, single and double.
    Convert,
    /// As `Convert` to the next larger lane, from the lanes in bytes 8 to 15 of a; `bytes` 16
    /// (AArch64 FCVTL2).
    WidenHigh,
    /// As `Convert` to the next smaller lane into bytes 8 to 15 of the result; bytes 0 to 7 are
    /// those of c; `bytes` 16 (AArch64 FCVTN2).
    NarrowHigh,
    /// As `Convert` from double to single, rounding to odd (overflow gives the largest finite
    /// number) (AArch64 FCVTXN).
    NarrowOdd,
    /// As `NarrowHigh` from double to single, rounding to odd (AArch64 FCVTXN2).
    NarrowOddHigh,

    // BFloat16: the high half of a single. `es` is 2 (the lane of c and of the result) except where
    // said.

    /// Single lane i of a rounded to 2-byte lane i of the result, with `flush` as for single;
    /// `bytes` counts the result (AArch64 BFCVT, BFCVTN).
    ToBf16,
    /// As `ToBf16`, four lanes into bytes 8 to 15 of the result; bytes 0 to 7 are those of c;
    /// `bytes` 16 (AArch64 BFCVTN2).
    ToBf16High,
    /// c + a.bf16[2i + imm] * b.bf16[2i + imm], fused in single precision (AArch64 BFMLALB with
    /// `imm` 0, BFMLALT with 1).
    Bf16MulAdd,
    /// c + (a.bf16[2i] * b.bf16[2i] + a.bf16[2i + 1] * b.bf16[2i + 1]) where each of the four
    /// operations rounds to odd, flushes denormal inputs and results, gives the default NaN for any
    /// NaN, overflows to infinity and raises no flags, whatever the environment (AArch64 BFDOT).
    Bf16Dot,
    /// 2x2 single c + (2x4 bf16 a) * (transposed 2x4 bf16 b), rows one after the other: two
    /// `Bf16Dot` steps per element, low pair of columns first; `bytes` 16 (AArch64 BFMMLA).
    Bf16MatMul,

    // Pairs: result lane i combines lanes 2i and 2i + 1 of the concatenation a (low), b (high), of
    // `bytes` bytes each. A single result lane (`bytes` == lane bytes) combines lanes 0 and 1 of a.

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

    // Across lanes: `bytes` counts the source a; the result is one lane, zero above. Neighbouring
    // lanes are combined first, then those results.

    /// `Max` of all lanes.
    AcrossMax,
    /// `Min` of all lanes.
    AcrossMin,
    /// `MaxNum` of all lanes.
    AcrossMaxNum,
    /// `MinNum` of all lanes.
    AcrossMinNum,
}

impl FOp {
    /// Whether it may raise flags.
    const fn raises(self) -> bool {
        use FOp::*;
        !matches!(self, Abs | Neg | CopySign | CopySignNot | XorSign | Bf16Dot | Bf16MatMul)
    }

    /// Which operands it reads: bits 0, 1, 2 for a, b, c.
    pub const fn reads(self) -> u8 {
        use FOp::*;
        match self {
            CopySign | CopySignNot | XorSign | Add | Sub | Mul | MulX | NegMul | Div | AbsDiff | Max
            | Min | MaxNum | MinNum | MaxNumber | MinNumber | ComplexAdd | RecipStep | RsqrtStep | CmpEq
            | CmpGe | CmpGt | CmpAbsGe | CmpAbsGt | PairAdd | PairMax | PairMin | PairMaxNum | PairMinNum => {
                0b011
            }
            MulAdd | MulSub | NegMulAdd | NegMulSub | MulAddLong | MulSubLong | ComplexMulAdd
            | Bf16MulAdd | Bf16Dot | Bf16MatMul => 0b111,
            NarrowHigh | NarrowOddHigh | ToBf16High => 0b101,
            Abs | Neg | Sqrt | RecipEstimate | RsqrtEstimate | RecipExponent | CmpEqZero | CmpGeZero
            | CmpGtZero | CmpLeZero | CmpLtZero | RoundInt | RoundIntExact | RoundInt32 | RoundInt64
            | ToSigned | ToUnsigned | FromSigned | FromUnsigned | ToSignedWrapping | Convert | WidenHigh
            | NarrowOdd | ToBf16 | AcrossMax | AcrossMin | AcrossMaxNum | AcrossMinNum => 0b001,
        }
    }
}

/// The constant operand ([`VArgs::imm`]) of the operations that round or convert.
pub mod imm {
    use super::Round;

    /// For `RoundInt`, `RoundIntExact`, `RoundInt32`, `RoundInt64`.
    pub const fn round(round: Round) -> u32 {
        round as u32
    }

    /// For `ToSigned` and `ToUnsigned`; with any direction for `FromSigned` and `FromUnsigned`:
    /// `fbits` is 0 to 64.
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

/// The reference semantics: the new value of the destination (all 128 bits). a, b, c are the
/// operands' old values.
pub fn eval(op: FOp, args: &VArgs, a: u128, b: u128, c: u128, env: &mut FpEnv) -> u128 {
    use FOp::*;
    let (es, imm) = (args.es, args.imm);
    let f = Format::of(es);
    let n = (args.bytes >> es) as usize;
    let low = c & u64::MAX as u128;
    match op {
        MulAddLong | MulSubLong => {
            let lanes = (args.bytes >> 2) as usize;
            let from = if imm == 0 { 0 } else { lanes };
            let sign = if op == MulSubLong { soft::HALF.sign_bit() } else { 0 };
            build(2, lanes, |i| {
                soft::mul_add_long(lane(c, 2, i), lane(a, 1, from + i) ^ sign, lane(b, 1, from + i), env)
            })
        }
        ComplexAdd => build(es, n, |i| {
            // The real part takes b's imaginary part and the other way round; one of them is
            // negated.
            let negate = (i & 1 == 0) == (imm & 3 == 1);
            soft::add(f, lane(a, es, i), lane(b, es, i ^ 1) ^ sign_if(f, negate), false, env)
        }),
        ComplexMulAdd => build(es, n, |i| {
            let odd = imm as usize & 1;
            let negate = match imm & 3 {
                0 => false,
                1 => i & 1 == 0,
                2 => true,
                _ => i & 1 != 0,
            };
            let of_b = lane(b, es, i ^ odd) ^ sign_if(f, negate);
            soft::mul_add(f, lane(c, es, i), lane(a, es, i & !1 | odd), of_b, env)
        }),
        ToSignedWrapping => {
            let (value, exact) = soft::to_int_wrapping(lane(a, 3, 0), env);
            value as u128 | (exact as u128) << 62
        }
        Convert => {
            let to = imm as u8 & 3;
            let mode = env.rounding;
            build(to, (args.bytes >> to) as usize, |i| {
                soft::convert(f, Format::of(to), lane(a, es, i), mode, env)
            })
        }
        WidenHigh => {
            let (to, mode) = (imm as u8 & 3, env.rounding);
            let lanes = 16usize >> to;
            build(to, lanes, |i| soft::convert(f, Format::of(to), lane(a, es, lanes + i), mode, env))
        }
        NarrowHigh | NarrowOdd | NarrowOddHigh => {
            let to = imm as u8 & 3;
            let mode = if op == NarrowHigh { env.rounding } else { Rounding::Odd };
            let lanes = if op == NarrowOdd { args.bytes } else { 8 } >> to;
            let narrow =
                build(to, lanes as usize, |i| soft::convert(f, Format::of(to), lane(a, es, i), mode, env));
            if op == NarrowOdd { narrow } else { low | narrow << 64 }
        }
        ToBf16 | ToBf16High => {
            let mode = env.rounding;
            let lanes = if op == ToBf16 { args.bytes } else { 8 } >> 1;
            let narrow = build(1, lanes as usize, |i| {
                soft::convert(soft::SINGLE, soft::BF16, lane(a, 2, i), mode, env)
            });
            if op == ToBf16 { narrow } else { low | narrow << 64 }
        }
        Bf16MulAdd => build(2, n, |i| {
            let of = |v| lane(v, 1, 2 * i + (imm as usize & 1)) << 16;
            soft::mul_add(soft::SINGLE, lane(c, 2, i), of(a), of(b), env)
        }),
        Bf16Dot => build(2, n, |i| bf16::dot(lane(c, 2, i), lane(a, 2, i), lane(b, 2, i), env)),
        Bf16MatMul => build(2, 4, |i| {
            let (row, column) = (i & 2, 2 * (i & 1));
            let first = bf16::dot(lane(c, 2, i), lane(a, 2, row), lane(b, 2, column), env);
            bf16::dot(first, lane(a, 2, row + 1), lane(b, 2, column + 1), env)
        }),
        PairAdd => pairs(Add, args, a, b, env),
        PairMax => pairs(Max, args, a, b, env),
        PairMin => pairs(Min, args, a, b, env),
        PairMaxNum => pairs(MaxNum, args, a, b, env),
        PairMinNum => pairs(MinNum, args, a, b, env),
        AcrossMax => across(Max, es, a, 0, n, env) as u128,
        AcrossMin => across(Min, es, a, 0, n, env) as u128,
        AcrossMaxNum => across(MaxNum, es, a, 0, n, env) as u128,
        AcrossMinNum => across(MinNum, es, a, 0, n, env) as u128,
        _ => build(es, n, |i| scalar(op, f, lane(a, es, i), lane(b, es, i), lane(c, es, i), imm, env)),
    }
}

impl VArgs {
    /// For an [`crate::ops::Ops::fp`] with [`VArgs::BOXED`]: log2 of the result's bytes.
    #[inline]
    pub fn boxed_size(&self, op: FOp) -> u8 {
        if op == FOp::Convert { self.imm as u8 & 3 } else { self.es }
    }
}

/// As [`eval`] with round to nearest, flush and default NaN in place of the environment's
/// ([`crate::ops::Ops::fp_standard`]).
pub fn eval_standard(op: FOp, args: &VArgs, a: u128, b: u128, c: u128, env: &mut FpEnv) -> u128 {
    let mut own = FpEnv { rounding: Rounding::NearestEven, flush: true, default_nan: true, ..*env };
    let value = eval(op, args, a, b, c, &mut own);
    env.flags = own.flags;
    value
}

/// The operations whose result lane depends on the same lane of the operands alone.
fn scalar(op: FOp, f: Format, a: u64, b: u64, c: u64, imm: u32, env: &mut FpEnv) -> u64 {
    use FOp::*;
    use core::cmp::Ordering;
    let sign = f.sign_bit();
    let mut test = |a, b, signaling, holds: fn(Ordering) -> bool| {
        let holds = soft::compare(f, a, b, signaling, env).is_some_and(holds);
        if holds { f.mask() } else { 0 }
    };
    match op {
        CmpEq => return test(a, b, false, Ordering::is_eq),
        CmpGe => return test(a, b, true, Ordering::is_ge),
        CmpGt => return test(a, b, true, Ordering::is_gt),
        CmpEqZero => return test(a, 0, false, Ordering::is_eq),
        CmpGeZero => return test(a, 0, true, Ordering::is_ge),
        CmpGtZero => return test(a, 0, true, Ordering::is_gt),
        CmpLeZero => return test(a, 0, true, Ordering::is_le),
        CmpLtZero => return test(a, 0, true, Ordering::is_lt),
        CmpAbsGe => return test(a & !sign, b & !sign, true, Ordering::is_ge),
        CmpAbsGt => return test(a & !sign, b & !sign, true, Ordering::is_gt),
        _ => {}
    }
    let direction = direction(imm::direction(imm), env);
    match op {
        Abs => a & !sign,
        Neg => a ^ sign,
        CopySign => a & !sign | b & sign,
        CopySignNot => a & !sign | !b & sign,
        XorSign => a ^ b & sign,
        Add => soft::add(f, a, b, false, env),
        Sub => soft::add(f, a, b, true, env),
        AbsDiff => soft::add(f, a, b, true, env) & !sign,
        Mul => soft::mul(f, a, b, false, env),
        MulX => soft::mul(f, a, b, true, env),
        NegMul => soft::mul(f, a, b, false, env) ^ sign,
        Div => soft::div(f, a, b, env),
        Sqrt => soft::sqrt(f, a, env),
        Max => soft::max_min(f, a, b, true, false, env),
        Min => soft::max_min(f, a, b, false, false, env),
        MaxNum => soft::max_min(f, a, b, true, true, env),
        MinNum => soft::max_min(f, a, b, false, true, env),
        MaxNumber => soft::max_min_number(f, a, b, true, env),
        MinNumber => soft::max_min_number(f, a, b, false, env),
        MulAdd => soft::mul_add(f, c, a, b, env),
        MulSub => soft::mul_add(f, c, a ^ sign, b, env),
        NegMulAdd => soft::mul_add(f, c ^ sign, a ^ sign, b, env),
        NegMulSub => soft::mul_add(f, c ^ sign, a, b, env),
        RecipEstimate => estimate::recip_estimate(f, a, env),
        RsqrtEstimate => estimate::rsqrt_estimate(f, a, env),
        RecipExponent => estimate::recip_exponent(f, a, env),
        RecipStep => soft::recip_step(f, a, b, false, env),
        RsqrtStep => soft::recip_step(f, a, b, true, env),
        RoundInt => soft::round_int(f, a, direction, false, env),
        RoundIntExact => soft::round_int(f, a, direction, true, env),
        RoundInt32 => soft::round_int_bounded(f, a, direction, 32, env),
        RoundInt64 => soft::round_int_bounded(f, a, direction, 64, env),
        ToSigned => soft::to_int(f, a, true, direction, f.bits(), imm::fbits(imm), env),
        ToUnsigned => soft::to_int(f, a, false, direction, f.bits(), imm::fbits(imm), env),
        FromSigned => soft::from_int(f, a, true, f.bits(), imm::fbits(imm), env),
        FromUnsigned => soft::from_int(f, a, false, f.bits(), imm::fbits(imm), env),
        // `eval` deals with the others itself.
        _ => 0,
    }
}

/// Lane `i` of `v`.
fn lane(v: u128, es: u8, i: usize) -> u64 {
    let bits = 8u32 << es;
    (v >> ((bits as usize * i) & 127)) as u64 & u64::MAX >> (64 - bits)
}

/// A vector of `n` lanes.
fn build(es: u8, n: usize, mut f: impl FnMut(usize) -> u64) -> u128 {
    (0..n).fold(0, |v, i| v | (f(i) as u128) << (((8usize << es) * i) & 127))
}

fn sign_if(f: Format, negative: bool) -> u64 {
    if negative { f.sign_bit() } else { 0 }
}

fn pairs(op: FOp, args: &VArgs, a: u128, b: u128, env: &mut FpEnv) -> u128 {
    let es = args.es;
    let n = (args.bytes >> es) as usize;
    let source = |i: usize| if i < n || n == 1 { lane(a, es, i) } else { lane(b, es, i - n) };
    build(es, n, |i| scalar(op, Format::of(es), source(2 * i), source(2 * i + 1), 0, 0, env))
}

fn across(op: FOp, es: u8, a: u128, first: usize, n: usize, env: &mut FpEnv) -> u64 {
    if n <= 1 {
        return lane(a, es, first);
    }
    let (low, high) = (across(op, es, a, first, n / 2, env), across(op, es, a, first + n / 2, n / 2, env));
    scalar(op, Format::of(es), low, high, 0, 0, env)
}

fn direction(round: Round, env: &FpEnv) -> Rounding {
    match round {
        Round::NearestEven => Rounding::NearestEven,
        Round::Up => Rounding::Up,
        Round::Down => Rounding::Down,
        Round::Zero => Rounding::Zero,
        Round::NearestAway => Rounding::NearestAway,
        Round::Odd => Rounding::Odd,
        Round::Current => env.rounding,
    }
}

/// Floating point of `1 << es` bytes in the low bits of `a`, times 2^fbits, to an integer of
/// `width` (8 to 64) bits, zero-extended.
pub fn to_int(es: u8, a: u64, signed: bool, round: Round, width: u32, fbits: u8, env: &mut FpEnv) -> u64 {
    soft::to_int(Format::of(es), a, signed, direction(round, env), width, fbits, env)
}

/// The low `width` bits of `s` as an integer, divided by 2^fbits, to floating point of `1 << es`
/// bytes.
pub fn from_int(es: u8, s: u64, signed: bool, round: Round, width: u32, fbits: u8, env: &mut FpEnv) -> u64 {
    let current = env.rounding;
    env.rounding = direction(round, env);
    let value = soft::from_int(Format::of(es), s, signed, width, fbits, env);
    env.rounding = current;
    value
}

/// NZCV (bits 3 to 0) of the comparison: less 1000, equal 0110, greater 0010, unordered 0011.
/// `signaling` raises Invalid for any NaN.
pub fn compare(es: u8, a: u64, b: u64, signaling: bool, env: &mut FpEnv) -> u8 {
    use core::cmp::Ordering::*;
    match soft::compare(Format::of(es), a, b, signaling, env) {
        Some(Less) => 0b1000,
        Some(Equal) => 0b0110,
        Some(Greater) => 0b0010,
        None => 0b0011,
    }
}

//! Floating point in integers only: the reference semantics of every [`FOp`].
//!
//! The host's floating-point unit is never used here, so that the results do not depend on it and its control register
//! (which generated code owns) is not disturbed.

use crate::ops::VArgs;

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
}

/// Floating-point operations on lanes (`VArgs::es` 1, 2, 3: half, single, double). a, b, c are the operands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum FOp {
    /// a + b
    Add,
}

/// The reference semantics: the new value of the destination.
pub fn eval(op: FOp, args: &VArgs, a: u128, b: u128, c: u128, env: &mut FpEnv) -> u128 {
    let _ = (op, args, a, b, c, env);
    unimplemented!()
}

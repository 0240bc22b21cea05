//! Where the guest's state lies beside r0 to r14 and Q0 to Q15, and the temporaries of the
//! semantics.

use anyarch_engine::ops::R;
use anyarch_engine::state::slot;

/// The stack pointer.
pub const SP: R = R(13);
/// The link register.
pub const LR: R = R(14);

/// TPIDRURO: the thread pointer, which Linux sets.
pub(crate) const TPIDRURO: R = R(slot::TLS);
/// TPIDRURW: a register for user level.
pub const TPIDRURW: R = R(slot::GUEST);
/// APSR.Q: 0 or 1.
pub const Q: R = R(slot::GUEST + 1);
/// APSR.GE: a byte of ones or zeroes for each bit.
pub const GE: R = R(slot::GUEST + 2);
/// FPSCR's NZCV in bits 31 to 28.
pub(crate) const FP_FLAGS: R = R(slot::GUEST + 3);

/// A temporary that holds the program counter where an instruction reads it as its first operand.
pub(crate) const PC_N: R = R(60);
/// A temporary that holds the program counter where an instruction reads it as its second operand.
/// `Ops::set_nz` uses 61 to 63 too: it comes after that operand's use.
pub(crate) const PC_M: R = R(61);

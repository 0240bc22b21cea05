//! Integer vector operations: the reference semantics of every [`VOp`].

use crate::ops::VArgs;

/// Integer, permutation and cryptographic operations on lanes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u16)]
pub enum VOp {
    /// a + b
    Add,
}

/// The reference semantics: the new value of the destination. Sets `saturated` when a saturating operation saturates.
pub fn eval(op: VOp, args: &VArgs, a: u128, b: u128, c: u128, saturated: &mut bool) -> u128 {
    let _ = (op, args, a, b, c, saturated);
    unimplemented!()
}

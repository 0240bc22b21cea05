//! Register groups of any size, whole or fractional, as host code goes through them.

use anyarch_engine::ops::{Ops, V, VArgs};
use anyarch_engine::vec::VOp;

/// Operands of an operation on whole registers.
pub(super) fn args(es: u32, d: V, a: V, b: V, c: V, imm: u32) -> VArgs {
    VArgs { d, a, b, c, es: es as u8, bytes: 16, imm }
}

/// d = a.
pub(super) fn copy<O: Ops>(o: &mut O, d: V, a: V) {
    o.vec(VOp::Mov, args(3, d, a, a, a, 0));
}

/// The low `bytes` bytes (a power of two) of d = those of a; the others stay.
pub(super) fn put_low<O: Ops>(o: &mut O, d: V, a: V, bytes: u8) {
    if bytes >= 16 {
        copy(o, d, a);
    } else {
        o.vec(VOp::InsertLane, args(bytes.trailing_zeros(), d, a, a, d, 0));
    }
}

//! Register groups of any size, whole or fractional, as host code goes through them.

use super::v;
use crate::decode::Insn;
use crate::v::{Group, KEY, is_full, parse};
use anyarch_engine::ops::{Helper, Ops, V, VArgs};
use anyarch_engine::vec::VOp;

/// Temporaries: the first four are for what an instruction does with each register, the others for what it keeps over all of them.
pub(super) const T: [V; 8] = [V(40), V(41), V(42), V(43), V(44), V(45), V(46), V(47)];

/// A vtype that is likely, with vl at VLMAX.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    key: u64,
    pub(super) lmul: i32,
    pub(super) sew: u32,
}

/// The likely vtype, if vl is likely VLMAX.
pub(super) fn full<O: Ops>(o: &O) -> Option<Shape> {
    let key = o.likely();
    let (lmul, sew) = parse(key & 0x3f)?;
    is_full(key).then_some(Shape { key, lmul, sew })
}

/// The same for an instruction that has no mask.
pub(super) fn unmasked<O: Ops>(o: &O, i: Insn) -> Option<Shape> {
    full(o).filter(|_| i.bits(25, 1) == 1)
}

impl Shape {
    /// The group of elements of `1 << ew` bytes at `reg`, if it may begin there.
    pub(super) fn group(self, reg: u32, ew: u32) -> Option<Group> {
        Group::of(reg, ew, self.lmul + ew as i32 - self.sew as i32)
    }

    /// VLMAX.
    pub(super) fn elements(self) -> u32 {
        crate::v::vlmax((self.lmul, self.sew)) as u32
    }

    /// Calls the reference function unless it is vtype, and vl is VLMAX. True if host code is to follow.
    pub(super) fn guard<O: Ops>(self, o: &mut O, f: Helper, arg: u64) -> bool {
        o.guard(KEY, self.key as u32, f, arg)
    }
}

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

/// Register `n` of group d: `f` computes it in the slot that it is given. If only part of the register belongs to the group, the rest of it stays.
pub(super) fn define<O: Ops>(o: &mut O, d: Group, n: u32, f: impl FnOnce(&mut O, V)) {
    let slot = v(d.reg + n);
    if d.bytes() == 16 {
        f(o, slot);
    } else {
        f(o, T[3]);
        put_low(o, slot, T[3], d.bytes());
    }
}

//! What the files about instructions with operands of several widths, or with all of a group at
//! once, share.

use super::{Form, exact, v};
use crate::decode::Insn;
use crate::v::{Group, KEY};
use anyarch_engine::ops::{Helper, Ops, V, VArgs};
use anyarch_engine::vec::VOp;

/// Temporaries: the first four are for what an instruction does with each register, the last for
/// what it keeps over all of them. (Those behind are [`Form`]'s.)
pub(super) const T: [V; 5] = [V(40), V(41), V(42), V(43), V(44)];

impl Form {
    /// The group of elements of `1 << ew` bytes at `reg` that an instruction with this SEW and LMUL
    /// works on, if it may begin there. v0 is not to be read or written as elements under a mask.
    pub(super) fn group(self, reg: u32, ew: u32) -> Option<Group> {
        Group::of(reg, ew, self.lmul + ew as i32 - self.sew as i32).filter(|_| !self.masked || reg != 0)
    }

    /// Register `n` of a group at `d`: `f` computes it where it is told, all of it or at least the
    /// active elements.
    pub(super) fn define<O: Ops>(self, o: &mut O, d: u32, n: u32, f: impl FnOnce(&mut O, V)) {
        let slot = v(d + n);
        f(o, self.target(n, slot));
        self.put(o, n, slot);
    }

    /// a, which is register `n` of a group, with zeroes in the elements that are not active; in
    /// `to`, if there are such.
    pub(super) fn operand<O: Ops>(self, o: &mut O, n: u32, a: V, to: V) -> V {
        match self.part(o, n) {
            (16, None) => a,
            (bytes, None) => {
                o.vec(VOp::Mov, VArgs { bytes, ..args(0, to, a, a, a, 0) });
                to
            }
            (_, Some(mask)) => {
                o.vec(VOp::And, args(0, to, a, mask, a, 0));
                to
            }
        }
    }

    /// to = register `n` of a group, a, with those of `other` in the elements that are not active.
    pub(super) fn active_or<O: Ops>(self, o: &mut O, n: u32, to: V, a: V, other: V) {
        match self.part(o, n) {
            (16, None) => copy(o, to, a),
            (bytes, None) => {
                copy(o, to, other);
                put_low(o, to, a, bytes);
            }
            (_, Some(mask)) => o.vec(VOp::Blend, args(0, to, a, other, mask, 0)),
        }
    }
}

/// As [`super::forms`] for instructions without mask, with code only for the vl that is likely,
/// VLMAX where it was counted down.
pub(super) fn exactly<O: Ops>(
    o: &mut O,
    i: Insn,
    f: Helper,
    arg: u64,
    fits: impl FnOnce(Form) -> bool,
    body: impl FnOnce(&mut O, Form),
) -> bool {
    let Some((key, form)) = exact(o, i) else { return false };
    if form.masked || form.vl == Some(0) || !fits(form) {
        return false;
    }
    if o.guard(KEY, key, f, arg) {
        body(o, form);
    }
    true
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

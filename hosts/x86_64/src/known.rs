//! What is known of values at a place in the unit, so that the next operation can make use of it.
//!
//! All of it holds on the straight line only. It is forgotten where something jumps to.

use super::{Translator, sha};
use anyarch_engine::ops::{R, V, W};

/// What is known of RAX, ZF and a slot where the code ends in a certain place and nothing jumps to that place.
#[derive(Clone, Copy)]
pub(crate) struct Fresh {
    /// RAX has the value of this slot, which lives in memory.
    pub(super) slot: R,
    /// Where the store to memory begins.
    pub(super) from: *mut u8,
    /// Where it ends.
    pub(super) at: *mut u8,
    /// ZF tells whether this slot is zero.
    pub(super) zero: R,
    /// Where the code ended then.
    pub(super) zero_at: *mut u8,
    /// The lower 32 bits alone tell it.
    pub(super) zero_low: bool,
    /// This slot has the sign of its lower 32 bits in the upper ones.
    pub(super) signed: R,
    /// Where the code ended then.
    pub(super) signed_at: *mut u8,
    /// EAX has been copied to this slot's host register.
    pub(super) copied: R,
    /// Where that begins, and where it ends.
    pub(super) copied_from: *mut u8,
    pub(super) copied_at: *mut u8,
}

impl Translator<'_> {
    /// Whether RAX has the value of a slot that lives in memory.
    #[inline(always)]
    pub(crate) fn is_fresh(&self, r: R) -> bool {
        self.fresh.at == self.a.p && self.fresh.slot == r && self.a.label != self.a.p
    }

    /// Whether ZF tells if the slot is zero.
    #[inline(always)]
    pub(crate) fn is_zero_known(&self, r: R) -> bool {
        self.fresh.zero_at == self.a.p && self.fresh.zero == r && self.a.label != self.a.p
    }

    /// ZF, as the last instruction but for moves left it, tells whether slot `d`, a result of `w`, is zero.
    #[inline(always)]
    pub(crate) fn zero_known(&mut self, d: R, w: W) {
        self.fresh.zero = d;
        self.fresh.zero_low = w == W::W32;
        self.fresh.zero_at = self.a.p;
    }

    /// Slot `d` has the sign of its lower 32 bits in the upper ones.
    #[inline(always)]
    pub(crate) fn signed_known(&mut self, d: R) {
        self.fresh.signed = d;
        self.fresh.signed_at = self.a.p;
    }

    /// Whether [`Translator::signed_known`] holds of the slot.
    #[inline(always)]
    pub(crate) fn is_signed_known(&self, d: R) -> bool {
        self.fresh.signed_at == self.a.p && self.fresh.signed == d && self.a.label != self.a.p
    }

    /// Slot `d` is about to be redefined as the extension of its lower 32 bits: if the same guest instruction has just copied those from EAX, takes the copy back.
    #[inline(always)]
    pub(crate) fn take_copy_back(&mut self, d: R) -> bool {
        let Fresh { copied, copied_from, copied_at, .. } = self.fresh;
        let here = copied_at == self.a.p && self.a.label != self.a.p;
        let last = here && copied == d && copied_from >= self.insn_start;
        if last {
            self.a.p = copied_from;
        }
        last
    }

    /// The operation about to be emitted redefines slot `d` out of itself, and takes its value before anything else is emitted: if the same guest instruction has
    /// just stored it to memory, takes the store back.
    #[inline(always)]
    pub(crate) fn renew(&mut self, d: R) {
        if self.is_fresh(d) && self.fresh.from >= self.insn_start && self.fresh.from != self.a.label {
            self.a.p = self.fresh.from;
            self.fresh.at = self.a.p;
        }
    }

    /// Vector slot `d` was written and is zero above `bytes` bytes.
    #[inline(always)]
    pub(crate) fn wrote(&mut self, d: V, bytes: u8) {
        let bit = 1u128 << (d.0 & 127);
        self.zero_above[0] = self.zero_above[0] & !bit | if bytes <= 4 { bit } else { 0 };
        self.zero_above[1] = self.zero_above[1] & !bit | if bytes <= 8 { bit } else { 0 };
        self.boxed = self.boxed.map(|known| known & !bit);
        self.pair.wrote(bit);
    }

    /// Vector slot `d` is a boxed number of `1 << es` bytes.
    pub(crate) fn is_boxed(&mut self, d: V, es: u8) {
        if let 1 | 2 = es {
            self.boxed[es as usize - 1] |= 1u128 << (d.0 & 127);
        }
    }

    /// Nothing is known of the vector slots any more.
    pub(crate) fn forget_vectors(&mut self) {
        self.zero_above = [0; 2];
        self.boxed = [0; 2];
        self.pair = sha::Pair::default();
    }
}

//! What is known of values at a place in the unit, so that the next operation can make use of it.
//!
//! All of it holds on the straight line only: it is forgotten where something jumps to. Most facts
//! hold only where the code ends now ([`Here`]).

use super::asm::Asm;
use super::lanes::Lanes;
use super::{Translator, sha, vec};
use anyarch_engine::ops::{R, V, W};

/// A place in the code, or none yet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At(pub(crate) *mut u8);

impl Default for At {
    fn default() -> At {
        At(core::ptr::null_mut())
    }
}

/// A fact that holds where the code ends in a certain place, if nothing jumps to that place.
#[derive(Clone, Copy, Default)]
pub(crate) struct Here<T> {
    fact: T,
    at: At,
}

impl<T: Copy> Here<T> {
    /// The fact holds where the code ends now.
    #[inline(always)]
    pub(crate) fn set(&mut self, a: &Asm, fact: T) {
        *self = Here { fact, at: At(a.p) };
    }

    /// The fact, if it holds where the code ends now.
    #[inline(always)]
    pub(crate) fn get(&self, a: &Asm) -> Option<T> {
        (self.at == At(a.p) && a.label != a.p).then_some(self.fact)
    }
}

/// What a unit's code knows; nothing at its start.
#[derive(Default)]
pub(crate) struct Known {
    /// RAX has the value of this slot, which lives in memory. The store to memory begins there.
    pub(crate) stored: Here<(R, At)>,
    /// ZF tells whether this slot is zero, and whether the lower 32 bits alone tell it.
    zero: Here<(R, bool)>,
    /// This slot has the sign of its lower 32 bits in the upper ones.
    signed: Here<R>,
    /// EAX has been copied to this slot's host register. The copy begins there.
    pub(crate) copied: Here<(R, At)>,
    /// N and Z, which are in memory, are those of EFLAGS too, and whether C is CF.
    pub(crate) nz: Here<bool>,
    /// EFLAGS have the comparison whose NZCV this slot has.
    pub(crate) compared: Here<R>,
    /// EFLAGS have N and Z of a result.
    pub(crate) result: Here<Tested>,
    /// Vector slots.
    pub(crate) vectors: Vectors,
    /// The last half of an AES round.
    pub(crate) aes: vec::AesRound,
    /// A slot that this instruction gives a constant: a constant is built in several steps.
    pub(crate) next_constant: Option<(R, u64)>,
    /// Nothing has been stored to guest memory since the last locked instruction or fence, so that
    /// another fence would order nothing more.
    pub(crate) fenced: bool,
}

/// EFLAGS have N and Z of this slot.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tested {
    pub(crate) slot: R,
    /// At 64 bits.
    pub(crate) wide: bool,
    /// And in CF what this bit of that slot was; without it CF is zero.
    pub(crate) carry: Option<(R, u8)>,
}

/// What is known of slots, vector slots above all.
#[derive(Clone, Copy, Default)]
pub(crate) struct Vectors {
    /// Slots that are zero above 32 bits, and above 64: bit = slot.
    pub(crate) zero_above: [u128; 2],
    /// Slots that are boxed numbers of 16 bits, and of 32: bit = slot.
    pub(crate) boxed: [u128; 2],
    /// Operands of SHA-256.
    pub(crate) pair: sha::Pair,
    /// Integer slots that are multiples of 4: bit = slot.
    words: u64,
    /// Which lanes temporaries have.
    pub(crate) lanes: Lanes,
}

impl Vectors {
    /// Nothing is known. (Word by word: a value built elsewhere and copied is waited for.)
    fn forget(&mut self) {
        // By name, so that none is left out.
        let Vectors { zero_above, boxed, pair, words, lanes } = self;
        *zero_above = [0; 2];
        *boxed = [0; 2];
        pair.forget();
        *words = 0;
        lanes.forget();
    }

    /// Only the slots of the mask are known as before, and none as an operand of SHA-256.
    pub(crate) fn keep(&mut self, slots: u128) {
        self.zero_above = self.zero_above.map(|known| known & slots);
        self.boxed = self.boxed.map(|known| known & slots);
        self.pair.forget();
        self.words = 0;
        self.lanes = Lanes::default();
    }

    /// Where two ways meet: what both know.
    pub(crate) fn join(&mut self, other: &Vectors) {
        for n in 0..2 {
            self.zero_above[n] &= other.zero_above[n];
            self.boxed[n] &= other.boxed[n];
        }
        self.pair.forget();
        self.words &= other.words;
        self.lanes.join(&other.lanes);
    }

    /// Whether the slot is known to be a multiple of 4.
    #[inline(always)]
    pub(crate) fn is_word(&self, r: R) -> bool {
        r != R::ZERO && self.words >> (r.0 & 63) & 1 != 0
    }

    /// Whether the slot is a multiple of 4 from now on.
    #[inline(always)]
    pub(crate) fn set_word(&mut self, r: R, is: bool) {
        let bit = if r == R::ZERO { 0 } else { 1 << (r.0 & 63) };
        self.words = self.words & !bit | if is { bit } else { 0 };
    }
}

impl Translator<'_> {
    /// Whether RAX has the value of a slot that lives in memory.
    #[inline(always)]
    pub(crate) fn is_fresh(&self, r: R) -> bool {
        self.known.stored.get(&self.a).is_some_and(|(slot, _)| slot == r)
    }

    /// Whether ZF tells if the slot is zero.
    #[inline(always)]
    pub(crate) fn is_zero_known(&self, r: R) -> bool {
        self.known.zero.get(&self.a).is_some_and(|(slot, _)| slot == r)
    }

    /// Whether ZF tells if the slot is zero by its lower 32 bits alone.
    #[inline(always)]
    pub(crate) fn is_low_zero_known(&self, r: R) -> bool {
        self.known.zero.get(&self.a) == Some((r, true))
    }

    /// ZF, as the last instruction but for moves left it, tells whether slot `d`, a result of `w`,
    /// is zero.
    #[inline(always)]
    pub(crate) fn zero_known(&mut self, d: R, w: W) {
        self.known.zero.set(&self.a, (d, w == W::W32));
    }

    /// Slot `d` has the sign of its lower 32 bits in the upper ones.
    #[inline(always)]
    pub(crate) fn signed_known(&mut self, d: R) {
        self.known.signed.set(&self.a, d);
    }

    /// Whether [`Translator::signed_known`] holds of the slot.
    #[inline(always)]
    pub(crate) fn is_signed_known(&self, d: R) -> bool {
        self.known.signed.get(&self.a) == Some(d)
    }

    /// Slot `d` is about to be redefined as the extension of its lower 32 bits: if the same guest
    /// instruction has just copied those from EAX, takes the copy back.
    #[inline(always)]
    pub(crate) fn take_copy_back(&mut self, d: R) -> bool {
        match self.known.copied.get(&self.a) {
            Some((slot, from)) if slot == d && from >= self.insn.start => {
                self.a.p = from.0;
                true
            }
            _ => false,
        }
    }

    /// The operation about to be emitted redefines slot `d` out of itself, and takes its value
    /// before anything else is emitted: if the same guest instruction has just stored it to memory,
    /// takes the store back.
    #[inline(always)]
    pub(crate) fn renew(&mut self, d: R) {
        if let Some((slot, from)) = self.known.stored.get(&self.a)
            && slot == d
            && from >= self.insn.start
            && from.0 != self.a.label
        {
            self.a.p = from.0;
            self.known.stored.set(&self.a, (slot, from));
        }
    }

    /// Vector slot `d` was written and is zero above `bytes` bytes.
    #[inline(always)]
    pub(crate) fn wrote(&mut self, d: V, bytes: u8) {
        let bit = 1u128 << (d.0 & 127);
        let known = &mut self.known.vectors;
        known.zero_above[0] = known.zero_above[0] & !bit | if bytes <= 4 { bit } else { 0 };
        known.zero_above[1] = known.zero_above[1] & !bit | if bytes <= 8 { bit } else { 0 };
        known.boxed = known.boxed.map(|known| known & !bit);
        known.pair.wrote(bit);
        known.lanes.wrote(d);
    }

    /// Vector slot `d` is a boxed number of `1 << es` bytes.
    pub(crate) fn is_boxed(&mut self, d: V, es: u8) {
        if let 1 | 2 = es {
            self.known.vectors.boxed[es as usize - 1] |= 1u128 << (d.0 & 127);
        }
    }

    /// Nothing is known of the vector slots any more.
    pub(crate) fn forget_vectors(&mut self) {
        self.known.vectors.forget();
    }
}

//! AES, GHASH and the SHA families.

use super::super::asm::opcodes::*;
use super::{Emit, X0, X1, X2};

impl Emit<'_> {
    /// X0 = s rotated right by r1 ^ rotated right by r2 ^ shifted right by n, lanes of 32 or 64 bits. Uses X1; s is X2 and stays.
    pub(super) fn sigma(&mut self, es: usize, s: u8, r1: u8, r2: u8, n: u8) {
        let bits = 8u8 << es;
        self.shr(es, X0, s, n);
        for r in [r1, r2] {
            self.shr(es, X1, s, r);
            self.op(PXOR, X0, X0, X1);
            self.shl(es, X1, s, bits - r);
            self.op(PXOR, X0, X0, X1);
        }
    }

    /// SHA-256's sigma1 in the low halves of X0's 64-bit lanes, of words that X2 holds twice each; the high halves are of no
    /// use. Uses X1.
    pub(super) fn sigma1_twice(&mut self) {
        // A shift of the doubled word is a rotation of its low half.
        self.shr(2, X0, X2, 10);
        self.shr(3, X1, X2, 17);
        self.op(PXOR, X0, X0, X1);
        self.shr(3, X1, X1, 2);
        self.op(PXOR, X0, X0, X1);
    }
}

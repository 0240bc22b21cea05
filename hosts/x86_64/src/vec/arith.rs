//! Arithmetic within lanes.

use super::super::asm::{NONE, Rm, opcodes::*};
use super::constants::{LEADING, REVERSED, splat};
use super::{Emit, TMP, X0, X1, X2};
use anyarch_engine::ops::V;

impl Emit<'_> {
    /// X0 = the leading zeros of its lanes of up to 32 bits. Uses X1, X2 and TMP.
    pub(super) fn leading_zeros(&mut self, es: usize) {
        let k = self.constant(X1, splat(0, 0x0f));
        self.shr(1, X2, X0, 4);
        self.op(PAND, X2, X2, k);
        self.op(PAND, X0, X0, k);
        // The low four bits count where the high four are zero.
        self.load_constant(X1, LEADING);
        self.a.v3(PSHUFB, X0, X1, Rm::R(X0), false, TMP);
        self.zero(TMP);
        self.a.v3(PCMPEQ[0], TMP, TMP, Rm::R(X2), true, TMP);
        self.op(PAND, X0, X0, TMP);
        self.op(PSHUFB, X2, X1, X2);
        self.op(PADD[0], X0, X0, X2);
        for wide in 1..=es {
            let bits = 4u8 << wide;
            self.shr(wide, X2, X0, bits);
            self.shl(wide, X0, X0, bits);
            self.shr(wide, X0, X0, bits);
            self.load_constant(X1, splat(wide, bits as u64));
            self.op(PCMPEQ[wide], X1, X1, X2);
            self.op(PAND, X0, X0, X1);
            self.op(PADD[wide], X0, X0, X2);
        }
    }

    /// X0 = the low four bits of a's bytes, X2 = their high four bits.
    pub(super) fn nibbles(&mut self, a: V) {
        let k = self.constant(X1, splat(0, 0x0f));
        let ra = self.reg(a, X0);
        self.shr(1, X2, ra, 4);
        self.op(PAND, X2, X2, k);
        self.op(PAND, X0, ra, k);
    }

    /// X0 = the bits of X0's bytes in reverse order. Uses X1 and X2.
    pub(super) fn reverse_bytes_bits(&mut self) {
        let k = self.constant(X1, splat(0, 0x0f));
        self.shr(1, X2, X0, 4);
        self.op(PAND, X2, X2, k);
        self.op(PAND, X0, X0, k);
        self.load_constant(X1, REVERSED);
        self.op(PSHUFB, X1, X1, X2);
        self.load_constant(X2, REVERSED);
        self.op(PSHUFB, X2, X2, X0);
        // The low four bits' mirror image fits below bit 4, so no mask is needed.
        self.shl(1, X0, X2, 4);
        self.op(POR, X0, X0, X1);
    }

    /// x = |a - b|. Uses X0 and X1.
    pub(super) fn abs_diff(&mut self, signed: bool, es: usize, x: u8, a: V, b: V) {
        let ra = self.reg(a, X0);
        if !signed && es < 2 {
            let rb = self.reg(b, X1);
            self.op(PSUBUS[es], X2, rb, ra);
            self.op(PSUBUS[es], X0, ra, rb);
            self.op(POR, x, X0, X2);
        } else {
            let (max, min) = if signed { (PMAXS[es], PMINS[es]) } else { (PMAXU[es], PMINU[es]) };
            self.op(max, X1, ra, self.rm(b));
            self.op(min, X0, ra, self.rm(b));
            self.op(PSUB[es], x, X1, X0);
        }
    }

    /// x = a * b, low halves. Uses X0 to X2.
    pub(super) fn mul(&mut self, es: usize, x: u8, a: V, b: V) {
        if es == 3 {
            // The products of halves, of those that reach the upper half only what is in it.
            let (ra, rb) = (self.reg(a, X0), self.reg(b, X1));
            self.shr(3, X2, ra, 32);
            self.op(PMULUDQ, X2, X2, rb);
            self.shr(3, TMP, rb, 32);
            self.a.v3(PMULUDQ, TMP, TMP, ra, true, NONE);
            self.op(PADD[3], X2, X2, TMP);
            self.shl(3, X2, X2, 32);
            self.op(PMULUDQ, X0, ra, rb);
            return self.op(PADD[3], x, X0, X2);
        }
        match es {
            0 => {
                let (ra, rb) = (self.reg(a, X0), self.reg(b, X1));
                // Even and odd bytes apart.
                self.shr(1, X2, ra, 8);
                self.shr(1, TMP, rb, 8);
                self.op(PMULLW, X2, X2, TMP);
                self.shl(1, X2, X2, 8);
                self.op(PMULLW, X0, ra, rb);
                self.shl(1, X0, X0, 8);
                self.shr(1, X0, X0, 8);
                self.op(POR, x, X0, X2);
            }
            1 => self.binary(PMULLW, x, a, b),
            _ => self.binary(PMULLD, x, a, b),
        }
    }
}

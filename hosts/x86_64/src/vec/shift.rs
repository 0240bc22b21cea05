//! Shifts and rotations of lanes.

use super::super::asm::opcodes::*;
use super::constants::splat;
use super::{Emit, X0, X1, X2};
use anyarch_engine::ops::V;

impl Emit<'_> {
    /// Shifts of lanes of 16 to 64 bits; an amount of the lane's width or more gives zero.
    pub(super) fn shl(&mut self, es: usize, d: u8, a: u8, n: u8) {
        self.a.vshift_imm(psll(es), d, a, n);
    }

    pub(super) fn shr(&mut self, es: usize, d: u8, a: u8, n: u8) {
        self.a.vshift_imm(psrl(es), d, a, n);
    }

    /// 16 and 32 bits only.
    pub(super) fn sar(&mut self, es: usize, d: u8, a: u8, n: u8) {
        self.a.vshift_imm(psra(es), d, a, n);
    }

    /// Left shift of lanes of any size. Uses X1.
    pub(super) fn shl_lane(&mut self, es: usize, x: u8, a: u8, n: u8) {
        if es > 0 {
            self.shl(es, x, a, n);
        } else if n == 0 {
            self.a.vmov(x, a);
        } else {
            let k = self.constant(X1, splat(0, 0xff >> n));
            self.op(PAND, X1, a, k);
            self.shl(1, x, X1, n);
        }
    }

    /// Right shift of lanes of any size, n in 1..=lane bits. Uses X1.
    pub(super) fn shr_lane(&mut self, signed: bool, es: usize, x: u8, a: u8, n: u8) {
        match (es, signed) {
            (0, false) => {
                let k = self.constant(X1, splat(0, 0xff >> n));
                self.shr(1, X0, a, n);
                self.op(PAND, x, X0, k);
            }
            (0, true) => {
                // Unsigned, then the sign bit's new place flipped and subtracted, which fills the bits above it.
                let n = n.min(7);
                let k = self.constant(X1, splat(0, 0xff >> n));
                self.shr(1, X0, a, n);
                self.op(PAND, X0, X0, k);
                let k = self.constant(X1, splat(0, 0x80 >> n));
                self.op(PXOR, X0, X0, k);
                self.op(PSUB[0], x, X0, k);
            }
            (3, true) => {
                self.zero(X1);
                self.op(PCMPGT[3], X1, X1, a);
                self.shl(3, X1, X1, 64 - n);
                self.shr(3, X0, a, n);
                self.op(POR, x, X0, X1);
            }
            (_, true) => self.sar(es, x, a, n),
            (_, false) => self.shr(es, x, a, n),
        }
    }

    /// Rotation of lanes of 16 to 64 bits by n below the width. Uses X1.
    pub(super) fn rotate_right(&mut self, es: usize, x: u8, a: u8, n: u8) {
        if n == 0 {
            return self.a.vmov(x, a);
        }
        self.shl(es, X1, a, (8 << es) - n);
        self.shr(es, X0, a, n);
        self.op(POR, x, X0, X1);
    }

    /// X1 = the low bytes of b's lanes, X2 = those of -b.
    pub(super) fn amounts(&mut self, es: usize, b: V) {
        self.ones(X0);
        self.shr(es, X0, X0, (8 << es) - 8);
        self.zero(X2);
        self.op(PSUB[es], X2, X2, self.rm(b));
        self.op(PAND, X2, X2, X0);
        self.op(PAND, X1, X0, self.rm(b));
    }
}

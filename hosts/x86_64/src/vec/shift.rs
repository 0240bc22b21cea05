//! Shifts and rotations of lanes.

use super::super::asm::{Rm, opcodes::*};
use super::constants::splat;
use super::{Done, Emit, Operands, TMP, X0, X1, X2};
use anyarch_engine::ops::V;
use anyarch_engine::vec::VOp;

/// Shifts by constants and by lanes.
pub(super) fn lower(e: &mut Emit<'_>, op: VOp, o: &Operands) -> Done {
    use VOp::*;
    let &Operands { a, b, c, x, es, bits, n, .. } = o;
    match op {
        ShrRoundU | ShrRoundS | ShrRoundAddU | ShrRoundAddS if es == 0 => {
            let ra = e.reg(a, X0);
            e.shr(1, X2, ra, n - 1);
            let k = e.constant(X1, splat(0, 1));
            e.op(PAND, X2, X2, k);
            e.shr_lane(matches!(op, ShrRoundS | ShrRoundAddS), 0, X0, ra, n);
            if matches!(op, ShrRoundAddU | ShrRoundAddS) {
                e.op(PADD[0], X2, X2, e.rm(c));
            }
            e.op(PADD[0], x, X0, X2);
        }
        Shl => {
            let a = e.reg(a, X0);
            e.shl_lane(es, x, a, n);
        }
        ShrU | ShrS => {
            let a = e.reg(a, X0);
            e.shr_lane(op == ShrS, es, x, a, n);
        }
        ShrAddU | ShrAddS => {
            let a = e.reg(a, X0);
            e.shr_lane(op == ShrAddS, es, X0, a, n);
            e.op(PADD[es], x, X0, e.rm(c));
        }
        ShrRoundU | ShrRoundS | ShrRoundAddU | ShrRoundAddS if es > 0 => {
            // The last bit shifted out, moved to the bottom, is the rounding.
            let ra = e.reg(a, X0);
            e.shl(es, X2, ra, bits - n);
            e.shr(es, X2, X2, bits - 1);
            e.shr_lane(matches!(op, ShrRoundS | ShrRoundAddS), es, X0, ra, n);
            if matches!(op, ShrRoundAddU | ShrRoundAddS) {
                e.op(PADD[es], X2, X2, e.rm(c));
            }
            e.op(PADD[es], x, X0, X2);
        }
        ShlInsert => {
            let ra = e.reg(a, X0);
            if es == 0 {
                let (rc, k) = (e.reg(c, X2), e.constant(X1, splat(0, (1 << n) - 1)));
                e.op(PAND, X2, rc, k);
            } else {
                let rc = e.reg(c, X2);
                e.shl(es, X2, rc, bits - n);
                e.shr(es, X2, X2, bits - n);
            }
            e.shl_lane(es, X0, ra, n);
            e.op(POR, x, X0, X2);
        }
        ShrInsert => {
            let ra = e.reg(a, X0);
            if es == 0 {
                let (rc, k) = (e.reg(c, X2), e.constant(X1, splat(0, !(0xff >> n))));
                e.op(PAND, X2, rc, k);
            } else {
                let rc = e.reg(c, X2);
                e.shr(es, X2, rc, bits - n);
                e.shl(es, X2, X2, bits - n);
            }
            e.shr_lane(false, es, X0, ra, n);
            e.op(POR, x, X0, X2);
        }
        ShiftU | ShiftS if es == 1 && e.features.avx2 => {
            // The halves of 32-bit lanes one after the other.
            for odd in [false, true] {
                let mut rb = e.reg(b, X2);
                if odd {
                    e.shr(2, X2, rb, 16);
                    rb = X2;
                }
                let k = e.constant(TMP, splat(2, 0xff));
                e.zero(X1);
                e.op(PSUB[2], X1, X1, rb);
                e.op(PAND, X1, X1, k);
                e.op(PAND, X2, rb, k);
                let ra = e.reg(a, X0);
                match (op == ShiftS, odd) {
                    (false, true) => e.shr(2, X0, ra, 16),
                    (true, true) => e.sar(2, X0, ra, 16),
                    (false, false) => {
                        let k = e.constant(TMP, splat(2, 0xffff));
                        e.op(PAND, X0, ra, k);
                    }
                    (true, false) => {
                        e.shl(2, X0, ra, 16);
                        e.sar(2, X0, X0, 16);
                    }
                }
                if op == ShiftU {
                    e.op(VPSRLV[0], X1, X0, X1);
                    e.op(VPSLLV[0], X0, X0, X2);
                    e.op(POR, X0, X0, X1);
                } else {
                    e.op(VPSRAVD, X1, X0, X1);
                    e.op(VPSLLV[0], X0, X0, X2);
                    // Bit 7 of the amount chooses.
                    e.shl(2, X2, X2, 24);
                    e.a.vex(VBLENDVP[0], X0, X0, Rm::R(X1));
                    e.a.b(X2 << 4);
                }
                if odd {
                    e.shl(2, X0, X0, 16);
                    e.opi(PBLENDW, x, TMP, Rm::R(X0), 0xaa);
                } else {
                    e.a.vmov(TMP, X0);
                }
            }
        }
        ShiftU if es >= 2 && e.features.avx2 => {
            // A negative amount's low byte is at least 128, which shifts everything out; so does
            // the wrong sign's.
            e.amounts(es, b);
            let ra = e.reg(a, X0);
            e.op(VPSRLV[es - 2], X2, ra, X2);
            e.op(VPSLLV[es - 2], X0, ra, X1);
            e.op(POR, x, X0, X2);
        }
        ShiftS if es >= 2 && e.features.avx2 => {
            e.amounts(es, b);
            let ra = e.reg(a, X0);
            if es == 2 {
                e.op(VPSRAVD, X2, ra, X2);
            } else {
                // No arithmetic form: the bits relative to the sign.
                e.zero(TMP);
                e.op(PCMPGT[3], TMP, TMP, ra);
                e.a.vex(PXOR, TMP, TMP, Rm::R(ra));
                e.op(VPSRLV[1], X2, TMP, X2);
                e.zero(TMP);
                e.op(PCMPGT[3], TMP, TMP, ra);
                e.op(PXOR, X2, X2, TMP);
            }
            e.op(VPSLLV[es - 2], X0, ra, X1);
            // Bit 7 of the amount to the lane's top chooses.
            e.shl(es, X1, X1, bits - 8);
            e.a.vex(VBLENDVP[es - 2], x, X0, Rm::R(X2));
            e.a.b(X1 << 4);
        }
        _ => return Done::No,
    }
    Done::In(x)
}

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
                // Unsigned, then the sign bit's new place flipped and subtracted, which fills the
                // bits above it.
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

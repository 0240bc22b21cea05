//! Lanes that change their width, neighbours and whole vectors that are folded.

use super::super::asm::{Rm, VEnc, opcodes::*};
use super::{Emit, TMP, X0, X1};
use anyarch_engine::ops::{V, VArgs};

impl Emit<'_> {
    /// Lanes of half of `es` to `es`, from the low or the high half.
    pub(super) fn extend(&mut self, signed: bool, high: bool, es: usize, x: u8, a: V) {
        if high {
            self.a.v2i(PSHUFD, TMP, self.rm(a), 0xee);
            self.extend_reg(signed, false, es, x, TMP);
        } else {
            self.a.v2(if signed { PMOVSX[es - 1] } else { PMOVZX[es - 1] }, x, self.rm(a));
        }
    }

    pub(super) fn extend_reg(&mut self, signed: bool, high: bool, es: usize, x: u8, a: u8) {
        let i = if signed { PMOVSX[es - 1] } else { PMOVZX[es - 1] };
        if high {
            self.a.v2i(PSHUFD, TMP, a, 0xee);
            self.a.v2(i, x, TMP);
        } else {
            self.a.v2(i, x, a);
        }
    }

    /// x = the products of the half-size lanes. Uses X0 and X1.
    pub(super) fn mul_long(&mut self, signed: bool, high: bool, es: usize, x: u8, a: V, b: V) {
        match es {
            1 => {
                self.extend(signed, high, 1, X0, a);
                self.extend(signed, high, 1, X1, b);
                self.op(PMULLW, x, X0, X1);
            }
            2 => {
                let ra = self.reg(a, X0);
                self.op(if signed { PMULHW } else { PMULHUW }, X1, ra, self.rm(b));
                self.op(PMULLW, X0, ra, self.rm(b));
                self.op(if high { PUNPCKH[1] } else { PUNPCKL[1] }, x, X0, X1);
            }
            _ => {
                let order = if high { 0xfa } else { 0x50 };
                self.a.v2i(PSHUFD, X0, self.rm(a), order);
                self.a.v2i(PSHUFD, X1, self.rm(b), order);
                self.op(if signed { PMULDQ } else { PMULUDQ }, x, X0, X1);
            }
        }
    }

    /// Low half of d = bits n.. of the double-size lanes of a, truncated to `es`; upper half zero. Uses X1.
    pub(super) fn narrow(&mut self, es: usize, d: u8, a: u8, n: u8) {
        let bits = 8u8 << es;
        if es == 2 {
            let s = if n > 0 {
                self.shr(3, d, a, n);
                d
            } else {
                a
            };
            self.a.v2i(PSHUFD, d, s, 0x08);
            self.a.v2(MOVQ, d, d);
            return;
        }
        let s = if n < bits {
            self.shl(es + 1, d, a, bits - n);
            d
        } else {
            a
        };
        self.shr(es + 1, d, s, bits);
        self.zero(X1);
        self.op(PACKUS[es], d, d, X1);
    }

    /// Puts a narrowed vector in X0 into its half of the destination.
    pub(super) fn place(&mut self, args: &VArgs, high: bool) -> bool {
        if high {
            let x = self.def(args.d);
            let c = self.reg(args.c, X1);
            self.op(PUNPCKL[3], x, c, X0);
            self.put(args.d, x);
        } else {
            // Above the narrowed half it is zero already.
            if args.bytes < 8 { self.put_low(args.d, X0, args.bytes) } else { self.put(args.d, X0) }
        }
        true
    }

    /// Sums of neighbouring half-size lanes. Uses X1; `signed` not for `es` 3.
    pub(super) fn pairs_long(&mut self, signed: bool, es: usize, x: u8, a: V) {
        match (es, signed) {
            (1, _) => {
                // Products with ones.
                let ra = self.reg(a, X0);
                self.ones(X1);
                self.a.v2(PABS[0], X1, X1);
                if signed { self.op(PMADDUBSW, x, X1, ra) } else { self.op(PMADDUBSW, x, ra, X1) }
            }
            (2, true) => {
                self.ones(X1);
                self.a.v2(PABS[1], X1, X1);
                self.op(PMADDWD, x, X1, self.rm(a));
            }
            _ => {
                let half = 4 << es;
                let ra = self.reg(a, X0);
                self.shr(es, X1, ra, half);
                self.shl(es, X0, ra, half);
                self.shr(es, X0, X0, half);
                self.op(PADD[es], x, X0, X1);
            }
        }
    }

    /// x = the sum of a's low `bytes` bytes, zero above. Uses X0 and X1.
    pub(super) fn sum_bytes(&mut self, bytes: u8, x: u8, a: V) {
        self.zero(X1);
        if bytes == 16 {
            self.op(PSADBW, X0, X1, self.rm(a));
            self.a.v2i(PSHUFD, X1, X0, 0xee);
            self.op(PADD[2], X0, X0, X1);
            self.a.v2(MOVQ, x, X0);
        } else {
            let r = self.reg(a, X0);
            self.a.v2(MOVQ, X0, r);
            self.op(PSADBW, x, X0, X1);
        }
    }

    /// Folds the low `bytes` bytes of s to one lane with an associative operation.
    pub(super) fn across(&mut self, i: VEnc, args: &VArgs, s: Rm) -> bool {
        let es = args.es as usize;
        let mut r = s;
        debug_assert!(args.bytes > 1 << es);
        if args.bytes == 16 {
            self.a.v2i(PSHUFD, X1, r, 0xee);
            self.op(i, X0, X1, r);
            r = Rm::R(X0);
        }
        if es < 3 {
            self.a.v2i(PSHUFD, X1, r, 0x55);
            self.op(i, X0, X1, r);
        }
        if es < 2 {
            self.shr(2, X1, X0, 16);
            self.op(i, X0, X0, X1);
        }
        if es < 1 {
            self.shr(1, X1, X0, 8);
            self.op(i, X0, X0, X1);
        }
        let x = self.def(args.d);
        self.clear(x, X0, 1 << es);
        self.put(args.d, x);
        true
    }
}

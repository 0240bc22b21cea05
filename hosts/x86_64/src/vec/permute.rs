//! Lanes and bytes that change places.

use super::super::asm::{Rm, opcodes::*, reg::RAX};
use super::constants::splat;
use super::{Emit, TMP, X0, X1, X2};
use anyarch_engine::ops::V;

/// Emits a table lookup, see [`anyarch_engine::ops::Ops::vtbl`]. False, and nothing emitted,
/// without AVX.
pub(crate) fn table(e: &mut Emit<'_>, keep: bool, d: V, first: V, n: u8, idx: V, bytes: u8) -> bool {
    if !e.a.avx {
        return false;
    }
    let x = e.def(d);
    // PSHUFB looks at the low four bits and gives zero where bit 7 is set: adding 0x70 with saturation sets it from 16 on.
    e.load_constant(TMP, splat(0, 0x70));
    for k in 0..n {
        if k == 0 {
            e.op(PADDUS[0], X0, TMP, e.rm(idx));
        } else {
            e.load_constant(X0, splat(0, 256 - 16 * k as u64));
            e.op(PADD[0], X0, X0, e.rm(idx));
            e.op(PADDUS[0], X0, X0, TMP);
        }
        let t = e.reg(first.after(k), X1);
        if k == 0 {
            e.op(PSHUFB, X2, t, X0);
        } else {
            e.op(PSHUFB, X0, t, X0);
            e.op(POR, X2, X2, X0);
        }
    }
    if keep {
        e.load_constant(X0, splat(0, 0x10 * n as u64));
        e.op(PMAXU[0], X0, X0, e.rm(idx));
        e.op(PCMPEQ[0], X0, X0, e.rm(idx));
        e.op(PAND, X0, X0, e.rm(d));
        e.op(POR, X2, X2, X0);
    }
    e.clear(x, X2, bytes);
    e.put(d, x);
    true
}

impl Emit<'_> {
    /// X0 = even lanes of X1:X0, TMP = odd lanes. Uses X1 and X2; with AVX only.
    pub(super) fn split(&mut self, es: usize) {
        match es {
            3 => {
                self.op(PUNPCKH[3], TMP, X0, X1);
                self.op(PUNPCKL[3], X0, X0, X1);
            }
            2 => {
                self.opi(SHUFPS, TMP, X0, Rm::R(X1), 0xdd);
                self.opi(SHUFPS, X0, X0, Rm::R(X1), 0x88);
            }
            _ => {
                self.shr(es + 1, X2, X1, 8 << es);
                self.shr(es + 1, TMP, X0, 8 << es);
                self.op(PACKUS[es], TMP, TMP, X2);
                self.uzp1(es, X0, X0, X1);
            }
        }
    }

    /// Even lanes of q:p. Uses X0 to X2.
    pub(super) fn uzp1(&mut self, es: usize, x: u8, p: u8, q: u8) {
        match es {
            3 => self.op(PUNPCKL[3], x, p, q),
            2 => self.opi(SHUFPS, x, p, Rm::R(q), 0x88),
            _ => {
                let k = self.constant(X2, splat(es + 1, if es == 0 { 0xff } else { 0xffff }));
                let last = if q == X0 { X0 } else { X1 };
                if q != X0 {
                    self.op(PAND, X1, q, k);
                }
                self.op(PAND, X0, p, k);
                self.op(PACKUS[es], x, X0, last);
            }
        }
    }

    /// Odd lanes of q:p. Uses X0 and X2.
    pub(super) fn uzp2(&mut self, es: usize, x: u8, p: u8, q: u8) {
        match es {
            3 => self.op(PUNPCKH[3], x, p, q),
            2 => self.opi(SHUFPS, x, p, Rm::R(q), 0xdd),
            _ => {
                self.shr(es + 1, X2, q, 8 << es);
                self.shr(es + 1, X0, p, 8 << es);
                self.op(PACKUS[es], x, X0, X2);
            }
        }
    }

    /// Every lane of x (or, for one lane, x itself) = lane n of a.
    pub(super) fn dup_lane(&mut self, x: u8, a: V, es: usize, bytes: u8, n: u8) {
        if bytes == 1 << es {
            let ra = self.reg(a, X0);
            match es {
                3 if n == 0 => self.a.v2(MOVQ, x, ra),
                3 => self.a.vshift_imm(PSRLDQ, x, ra, 8),
                2 => self.opi(INSERTPS, x, ra, Rm::R(ra), n << 6 | 0b1110),
                _ => {
                    self.a.v2i(PEXTR[es], ra, RAX, n);
                    self.a.v2(MOVD, x, RAX);
                }
            }
            return;
        }
        match es {
            3 => self.a.v2i(PSHUFD, x, self.rm(a), if n == 0 { 0x44 } else { 0xee }),
            2 => self.a.v2i(PSHUFD, x, self.rm(a), n * 0x55),
            _ if self.features.avx2 => {
                let mut r = self.reg(a, X0);
                if n > 0 {
                    self.a.vshift_imm(PSRLDQ, X0, r, n << es);
                    r = X0;
                }
                self.a.v2(VPBROADCAST[es], x, r);
            }
            1 if n < 4 => {
                self.a.v2i(PSHUFLW, X0, self.rm(a), n * 0x55);
                self.a.v2i(PSHUFD, x, X0, 0);
            }
            1 => {
                self.a.v2i(PSHUFHW, X0, self.rm(a), (n - 4) * 0x55);
                self.a.v2i(PSHUFD, x, X0, 0xff);
            }
            _ => {
                let r = self.reg(a, X0);
                let k = self.constant(X1, splat(0, n as u64));
                self.op(PSHUFB, x, r, k);
            }
        }
    }
}

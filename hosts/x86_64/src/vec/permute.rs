//! Lanes and bytes that change places.

use super::super::asm::{Rm, opcodes::*, reg::RAX};
use super::constants::{REVERSE, splat};
use super::{Done, Emit, Operands, TMP, X0, X1, X2};
use anyarch_engine::ops::V;
use anyarch_engine::vec::VOp;

/// Lanes and bytes that change places.
pub(super) fn lower(e: &mut Emit<'_>, op: VOp, o: &Operands) -> Done {
    use VOp::*;
    let &Operands { d, a, b, c, x, es, bytes, bits, n, .. } = o;
    match op {
        Reverse => match (es, n) {
            (0, _) => {
                let (ra, k) = (e.reg(a, X0), e.constant(X1, REVERSE[n as usize - 1]));
                e.op(PSHUFB, x, ra, k);
            }
            (1, _) => {
                let order = if n == 2 { 0xb1 } else { 0x1b };
                e.a.v2i(PSHUFLW, X0, e.rm(a), order);
                e.a.v2i(PSHUFHW, x, X0, order);
            }
            _ => e.a.v2i(PSHUFD, x, e.rm(a), 0xb1),
        },
        Extract if bytes == 16 => {
            let b = e.reg(b, X0);
            e.opi(PALIGNR, x, b, e.rm(a), n);
        }
        Extract => {
            let a = e.reg(a, X0);
            e.op(PUNPCKL[3], X0, a, e.rm(b));
            e.a.vshift_imm(PSRLDQ, x, X0, n);
        }
        Zip1 => e.binary(PUNPCKL[es], x, a, b),
        Zip2 if bytes == 16 => e.binary(PUNPCKH[es], x, a, b),
        Zip2 => {
            let a = e.reg(a, X0);
            e.op(PUNPCKL[es], X0, a, e.rm(b));
            e.a.vshift_imm(PSRLDQ, x, X0, 8);
        }
        Uzp1 | Uzp2 => {
            let (mut p, mut q) = (e.reg(a, X0), X0);
            if bytes < 16 {
                e.op(PUNPCKL[3], X0, p, e.rm(b));
                p = X0;
            } else {
                q = e.reg(b, X1);
            }
            if op == Uzp1 { e.uzp1(es, x, p, q) } else { e.uzp2(es, x, p, q) }
        }
        Trn1 => match es {
            3 => e.binary(PUNPCKL[3], x, a, b),
            0 => {
                let b = e.reg(b, X1);
                e.shl(1, X1, b, 8);
                let (a, k) = (e.reg(a, X0), e.constant(X0, splat(1, 0xff)));
                e.op(PAND, X0, a, k);
                e.op(POR, x, X0, X1);
            }
            _ => {
                let (rb, ra) = (e.reg(b, X1), e.reg(a, X0));
                e.shl(es + 1, X1, rb, bits);
                e.opi(PBLENDW, x, ra, Rm::R(X1), if es == 1 { 0xaa } else { 0xcc });
            }
        },
        Trn2 => match es {
            3 => e.binary(PUNPCKH[3], x, a, b),
            0 => {
                let a = e.reg(a, X1);
                e.shr(1, X1, a, 8);
                let (b, k) = (e.reg(b, X0), e.constant(X0, splat(1, 0xff00)));
                e.op(PAND, X0, b, k);
                e.op(POR, x, X0, X1);
            }
            _ => {
                let a = e.reg(a, X0);
                e.shr(es + 1, X0, a, bits);
                e.opi(PBLENDW, x, X0, e.rm(b), if es == 1 { 0xaa } else { 0xcc });
            }
        },
        DupLane => {
            e.dup_lane(x, a, es, bytes, n);
            if bytes == 1 << es {
                e.put(d, x);
                return Done::Whole;
            }
        }
        InsertLane => {
            let (to, from) = (n, (o.imm >> 8) as u8);
            match es {
                3 => match (to, from) {
                    (0, 0) => {
                        let (c, a) = (e.reg(c, X0), e.reg(a, X1));
                        e.op(MOVSD, x, c, a);
                    }
                    (0, _) => e.binary(PUNPCKH[3], x, a, c),
                    (_, 0) => e.binary(PUNPCKL[3], x, c, a),
                    _ => {
                        let c = e.reg(c, X0);
                        e.opi(SHUFPD, x, c, e.rm(a), 2);
                    }
                },
                2 => {
                    let (c, a) = (e.reg(c, X0), e.reg(a, X1));
                    e.opi(INSERTPS, x, c, Rm::R(a), from << 6 | to << 4);
                }
                _ => {
                    let a = e.reg(a, X1);
                    e.a.v2i(PEXTR[es], a, RAX, from);
                    let c = e.reg(c, X0);
                    // A general register has the number of a vector register, but is not that
                    // register.
                    if !e.a.avx {
                        e.a.vmov(x, c);
                        e.a.sse(PINSR[es], x, RAX);
                    } else {
                        e.a.vex(PINSR[es], x, c, RAX);
                    }
                    e.a.b(to);
                }
            }
        }
        _ => return Done::No,
    }
    Done::In(x)
}
/// Emits a table lookup, see [`anyarch_engine::ops::Ops::vtbl`]. False, and nothing emitted,
/// without AVX.
pub(crate) fn table(e: &mut Emit<'_>, keep: bool, d: V, first: V, n: u8, idx: V, bytes: u8) -> bool {
    if !e.a.avx {
        return false;
    }
    let x = e.def(d);
    // PSHUFB looks at the low four bits and gives zero where bit 7 is set: adding 0x70 with
    // saturation sets it from 16 on.
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

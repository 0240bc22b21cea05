//! Neighbours and whole vectors that are folded.

use super::super::asm::{NONE, Rm, VEnc, opcodes::*};
use super::{Done, Emit, Operands, X0, X1, X2};
use anyarch_engine::ops::V;
use anyarch_engine::vec::VOp;

/// Neighbours and whole vectors that are folded.
pub(super) fn lower(e: &mut Emit<'_>, op: VOp, o: &Operands) -> Done {
    use VOp::*;
    let &Operands { d, a, b, c, x, es, bytes, bits, .. } = o;
    match op {
        AddPairs | MaxPairsS | MaxPairsU | MinPairsS | MinPairsU => {
            let instruction = match op {
                AddPairs => PADD[es],
                _ if es == 3 => return Done::No,
                MaxPairsS => PMAXS[es],
                MaxPairsU => PMAXU[es],
                MinPairsS => PMINS[es],
                _ => PMINU[es],
            };
            let ra = e.reg(a, X0);
            if bytes == 16 && op == AddPairs && (es == 1 || es == 2) {
                e.op(PHADD[es - 1], x, ra, e.rm(b));
            } else if es == 3 {
                if bytes != 16 {
                    return Done::No;
                }
                e.op(PUNPCKH[3], X1, ra, e.rm(b));
                e.op(PUNPCKL[3], X0, ra, e.rm(b));
                e.op(PADD[3], x, X0, X1);
            } else {
                let (mut p, mut q) = (ra, NONE);
                if bytes < 16 {
                    e.op(PUNPCKL[3], X0, ra, e.rm(b));
                    p = X0;
                } else {
                    q = e.reg(b, X1);
                }
                // Each pair's result in its even lane, then the even lanes.
                e.shr(es + 1, X2, p, bits);
                e.op(instruction, X0, X2, p);
                if q != NONE {
                    e.shr(es + 1, X2, q, bits);
                    e.op(instruction, X1, X2, q);
                    q = X1;
                } else {
                    q = X0;
                }
                e.uzp1(es, x, X0, q);
            }
        }
        AddPairsLongU | AddPairsLongS | AddPairsLongAddU | AddPairsLongAddS => {
            let signed = matches!(op, AddPairsLongS | AddPairsLongAddS);
            let add = matches!(op, AddPairsLongAddU | AddPairsLongAddS);
            if signed && es == 3 {
                return Done::No;
            }
            let to = if add { X0 } else { x };
            e.pairs_long(signed, es, to, a);
            if add {
                e.op(PADD[es], x, X0, e.rm(c));
            }
        }
        SumAcross if es == 0 => {
            e.sum_bytes(bytes, X0, a);
            e.clear(x, X0, 1);
            e.put(d, x);
            return Done::Whole;
        }
        SumAcrossLongU if es == 1 => {
            e.sum_bytes(bytes, x, a);
            e.put(d, x);
            return Done::Whole;
        }
        SumAcross => {
            e.across(PADD[es], o, e.rm(a));
            return Done::Whole;
        }
        SumAcrossLongS | SumAcrossLongU if es < 3 => {
            e.pairs_long(op == SumAcrossLongS, es, X0, a);
            e.across(PADD[es], o, Rm::R(X0));
            return Done::Whole;
        }
        MinAcrossU | MaxAcrossU if bytes == 16 && es < 2 => {
            let mut r = e.reg(a, X0);
            if op == MaxAcrossU {
                e.ones(X2);
                e.op(PXOR, X0, X2, r);
                r = X0;
            }
            if es == 0 {
                e.shr(1, X1, r, 8);
                e.op(PMINU[0], X0, X1, r);
                r = X0;
            }
            e.a.v2(PHMINPOSUW, X0, r);
            if op == MaxAcrossU {
                e.op(PXOR, X0, X0, X2);
            }
            e.clear(x, X0, 1 << es);
            e.put(d, x);
            return Done::Whole;
        }
        MaxAcrossS if es < 3 => {
            e.across(PMAXS[es], o, e.rm(a));
            return Done::Whole;
        }
        MaxAcrossU if es < 3 => {
            e.across(PMAXU[es], o, e.rm(a));
            return Done::Whole;
        }
        MinAcrossS if es < 3 => {
            e.across(PMINS[es], o, e.rm(a));
            return Done::Whole;
        }
        MinAcrossU if es < 3 => {
            e.across(PMINU[es], o, e.rm(a));
            return Done::Whole;
        }
        _ => return Done::No,
    }
    Done::In(x)
}

impl Emit<'_> {
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
    pub(super) fn across(&mut self, i: VEnc, o: &Operands, s: Rm) {
        let &Operands { d, x, es, bytes, .. } = o;
        let mut r = s;
        debug_assert!(bytes > 1 << es);
        if bytes == 16 {
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
        self.clear(x, X0, 1 << es);
        self.put(d, x);
    }
}

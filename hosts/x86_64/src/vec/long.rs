//! Lanes that change their width, neighbours and whole vectors that are folded.

use super::super::asm::opcodes::*;
use super::constants::{NARROW, splat};
use super::{Done, Emit, Operands, TMP, X0, X1};
use anyarch_engine::ops::V;
use anyarch_engine::vec::VOp;

/// Lanes whose width changes.
pub(super) fn lower(e: &mut Emit<'_>, op: VOp, o: &Operands) -> Done {
    use VOp::*;
    let &Operands { d, a, b, c, x, es, bytes, bits, n, high, .. } = o;
    match op {
        ShlLongU | ShlLongS => {
            if n == 0 {
                e.extend(op == ShlLongS, high, es, x, a);
            } else {
                e.extend(op == ShlLongS, high, es, X0, a);
                e.shl(es, x, X0, n);
            }
        }
        AddLongS | AddLongU | SubLongS | SubLongU => {
            let signed = matches!(op, AddLongS | SubLongS);
            e.extend(signed, high, es, X0, a);
            e.extend(signed, high, es, X1, b);
            let add = matches!(op, AddLongS | AddLongU);
            e.op(if add { PADD[es] } else { PSUB[es] }, x, X0, X1);
        }
        AddWideS | AddWideU | SubWideS | SubWideU => {
            e.extend(matches!(op, AddWideS | SubWideS), high, es, X1, b);
            let a = e.reg(a, X0);
            let add = matches!(op, AddWideS | AddWideU);
            e.op(if add { PADD[es] } else { PSUB[es] }, x, a, X1);
        }
        AbsDiffLongS | AbsDiffLongU | AbsDiffLongAddS | AbsDiffLongAddU => {
            e.abs_diff(matches!(op, AbsDiffLongS | AbsDiffLongAddS), es - 1, X0, a, b);
            let add = matches!(op, AbsDiffLongAddS | AbsDiffLongAddU);
            let to = if add { X0 } else { x };
            e.extend_reg(false, high, es, to, X0);
            if add {
                e.op(PADD[es], x, X0, e.rm(c));
            }
        }
        MulLongS | MulLongU => e.mul_long(op == MulLongS, high, es, x, a, b),
        MulLongAddS | MulLongAddU => {
            e.mul_long(op == MulLongAddS, high, es, X0, a, b);
            e.op(PADD[es], x, X0, e.rm(c));
        }
        MulLongSubS | MulLongSubU => {
            e.mul_long(op == MulLongSubS, high, es, X0, a, b);
            let c = e.reg(c, X1);
            e.op(PSUB[es], x, c, X0);
        }
        MulLongPoly if es == 4 && e.features.pclmul => {
            let a = e.reg(a, X0);
            e.opi(PCLMULQDQ, x, a, e.rm(b), if high { 0x11 } else { 0 });
        }
        ShrNarrow => {
            let ra = e.reg(a, X0);
            if !high && bytes == 8 {
                e.narrow(es, x, ra, n);
                e.put(d, x);
                return Done::Whole;
            }
            e.narrow(es, X0, ra, n);
            e.place(d, c, bytes, high);
            return Done::Whole;
        }
        ShrNarrowRound | AddNarrowHighRound | SubNarrowHighRound | AddNarrowHigh | SubNarrowHigh => {
            let ra = e.reg(a, X0);
            let n = if op == ShrNarrowRound { n } else { bits };
            let sum = match op {
                ShrNarrowRound => ra,
                AddNarrowHigh | AddNarrowHighRound => {
                    e.op(PADD[es + 1], X0, ra, e.rm(b));
                    X0
                }
                _ => {
                    e.op(PSUB[es + 1], X0, ra, e.rm(b));
                    X0
                }
            };
            if matches!(op, AddNarrowHigh | SubNarrowHigh) {
                e.narrow(es, X0, sum, n);
            } else {
                // Half a unit.
                let k = e.constant(X1, splat(es + 1, (1u64 << n) >> 1));
                e.op(PADD[es + 1], X0, sum, k);
                e.narrow(es, X0, X0, n);
            }
            e.place(d, c, bytes, high);
            return Done::Whole;
        }
        _ => return Done::No,
    }
    Done::In(x)
}
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

    /// Low half of d = bits n.. of the double-size lanes of a, truncated to `es`; upper half zero.
    /// Uses X1.
    pub(super) fn narrow(&mut self, es: usize, d: u8, a: u8, n: u8) {
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
        let s = if n > 0 {
            self.shr(es + 1, d, a, n);
            d
        } else {
            a
        };
        let k = self.constant(X1, NARROW[es]);
        self.op(PSHUFB, d, s, k);
    }

    /// Puts a narrowed vector in X0 into its half of the destination.
    pub(super) fn place(&mut self, d: V, c: V, bytes: u8, high: bool) {
        if high {
            let x = self.def(d);
            let c = self.reg(c, X1);
            self.op(PUNPCKL[3], x, c, X0);
            self.put(d, x);
        } else {
            // Above the narrowed half it is zero already.
            if bytes < 8 { self.put_low(d, X0, bytes) } else { self.put(d, X0) }
        }
    }
}

//! Arithmetic within lanes.

use super::super::asm::{NONE, opcodes::*};
use super::{Done, Emit, Operands, TMP, X0, X1, X2};
use anyarch_engine::ops::V;
use anyarch_engine::vec::VOp;

/// Arithmetic within lanes.
pub(super) fn lower(e: &mut Emit<'_>, op: VOp, o: &Operands) -> Done {
    use VOp::*;
    let &Operands { a, b, c, x, es, .. } = o;
    match op {
        Add => e.binary(PADD[es], x, a, b),
        Sub => e.binary(PSUB[es], x, a, b),
        Neg => {
            e.zero(X1);
            e.op(PSUB[es], x, X1, e.rm(a));
        }
        Abs if es < 3 => e.a.v2(PABS[es], x, e.rm(a)),
        Abs => {
            e.zero(X1);
            e.op(PCMPGT[3], X1, X1, e.rm(a));
            e.op(PXOR, X0, X1, e.rm(a));
            e.op(PSUB[3], x, X0, X1);
        }
        HalfAddRoundU if es < 2 => e.binary(PAVG[es], x, a, b),
        HalfAddRoundU if es == 2 => {
            let ra = e.reg(a, X0);
            e.op(PXOR, X1, ra, e.rm(b));
            e.op(POR, X0, ra, e.rm(b));
            e.shr(2, X1, X1, 1);
            e.op(PSUB[2], x, X0, X1);
        }
        AbsDiffS | AbsDiffU if es < 3 => e.abs_diff(op == AbsDiffS, es, x, a, b),
        AbsDiffAddS | AbsDiffAddU if es < 3 => {
            e.abs_diff(op == AbsDiffAddS, es, X0, a, b);
            e.op(PADD[es], x, X0, e.rm(c));
        }
        Mul => e.mul(es, x, a, b),
        MulAdd => {
            e.mul(es, X0, a, b);
            e.op(PADD[es], x, X0, e.rm(c));
        }
        MulSub => {
            e.mul(es, X0, a, b);
            let c = e.reg(c, X1);
            e.op(PSUB[es], x, c, X0);
        }
        HalfAddU | HalfAddS | HalfAddRoundS | HalfSubU | HalfSubS if es < 3 => {
            // The differing bits halved, and the common ones (or those that a sum rounded up, or b
            // alone, has) around them.
            let ra = e.reg(a, X0);
            e.op(PXOR, X2, ra, e.rm(b));
            match op {
                HalfAddU | HalfAddS => e.op(PAND, TMP, ra, e.rm(b)),
                HalfAddRoundS => e.op(POR, TMP, ra, e.rm(b)),
                _ => e.op(PANDN, TMP, ra, e.rm(b)),
            }
            let signed = matches!(op, HalfAddS | HalfAddRoundS | HalfSubS);
            e.shr_lane(signed, es, X0, X2, 1);
            match op {
                HalfAddU | HalfAddS => e.op(PADD[es], x, X0, TMP),
                HalfAddRoundS => {
                    e.op(PSUB[es], TMP, TMP, X0);
                    e.a.vmov(x, TMP);
                }
                _ => e.op(PSUB[es], x, X0, TMP),
            }
        }
        DotS | DotU | DotUS => {
            // Products of 16-bit lanes: their sums in pairs, then the pairs'.
            e.extend(op == DotS, true, 1, X0, a);
            e.extend(op != DotU, true, 1, X1, b);
            e.op(PMADDWD, X2, X0, X1);
            e.extend(op == DotS, false, 1, X0, a);
            e.extend(op != DotU, false, 1, X1, b);
            e.op(PMADDWD, X0, X0, X1);
            e.op(PHADD[1], X0, X0, X2);
            e.op(PADD[2], x, X0, e.rm(c));
        }
        MatMulS | MatMulU | MatMulUS => {
            let (sa, sb) = (op == MatMulS, op != MatMulU);
            e.extend(sa, false, 1, X0, a);
            e.extend(sb, false, 1, X1, b);
            e.extend(sb, true, 1, X2, b);
            e.op(PMADDWD, X1, X1, X0);
            e.op(PMADDWD, X2, X2, X0);
            e.op(PHADD[1], X1, X1, X2);
            e.extend(sa, true, 1, X0, a);
            e.extend(sb, false, 1, X2, b);
            e.op(PMADDWD, X2, X2, X0);
            e.extend(sb, true, 1, TMP, b);
            e.a.v3(PMADDWD, X0, X0, TMP, true, TMP);
            e.op(PHADD[1], X2, X2, X0);
            e.op(PHADD[1], X1, X1, X2);
            e.op(PADD[2], x, X1, e.rm(c));
        }
        _ => return Done::No,
    }
    Done::In(x)
}
impl Emit<'_> {
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

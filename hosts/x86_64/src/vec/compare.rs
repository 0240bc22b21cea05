//! Comparisons, minima and maxima.

use super::super::asm::opcodes::*;
use super::{Done, Emit, Operands, X0, X1};
use anyarch_engine::vec::VOp;

/// Comparisons, minima and maxima.
pub(super) fn lower(e: &mut Emit<'_>, op: VOp, o: &Operands) -> Done {
    use VOp::*;
    let &Operands { a, b, x, es, .. } = o;
    match op {
        CmpEq => e.binary(PCMPEQ[es], x, a, b),
        CmpGtS => e.binary(PCMPGT[es], x, a, b),
        CmpGeS => {
            let b = e.reg(b, X0);
            e.op(PCMPGT[es], X0, b, e.rm(a));
            e.ones(X1);
            e.op(PXOR, x, X0, X1);
        }
        CmpGeU if es < 3 => {
            let ra = e.reg(a, X0);
            e.op(PMAXU[es], X0, ra, e.rm(b));
            e.op(PCMPEQ[es], x, X0, e.rm(a));
        }
        CmpGtU if es < 3 => {
            let ra = e.reg(a, X0);
            e.op(PMINU[es], X0, ra, e.rm(b));
            e.op(PCMPEQ[es], X0, X0, e.rm(a));
            e.ones(X1);
            e.op(PXOR, x, X0, X1);
        }
        CmpGtU | CmpGeU => {
            // With the top bits flipped the order is the signed one.
            let (p, q) = if op == CmpGtU { (a, b) } else { (b, a) };
            e.ones(X1);
            e.shl(3, X1, X1, 63);
            e.op(PXOR, X0, X1, e.rm(p));
            e.op(PXOR, X1, X1, e.rm(q));
            if op == CmpGtU {
                e.op(PCMPGT[3], x, X0, X1);
            } else {
                e.op(PCMPGT[3], X0, X0, X1);
                e.ones(X1);
                e.op(PXOR, x, X0, X1);
            }
        }
        CmpTest => {
            let ra = e.reg(a, X0);
            e.op(PAND, X0, ra, e.rm(b));
            e.zero(X1);
            e.op(PCMPEQ[es], X0, X0, X1);
            e.ones(X1);
            e.op(PXOR, x, X0, X1);
        }
        CmpEqZero => {
            e.zero(X1);
            e.op(PCMPEQ[es], x, X1, e.rm(a));
        }
        CmpGtZero => {
            let a = e.reg(a, X0);
            e.zero(X1);
            e.op(PCMPGT[es], x, a, X1);
        }
        CmpLtZero => {
            e.zero(X1);
            e.op(PCMPGT[es], x, X1, e.rm(a));
        }
        CmpGeZero => {
            let a = e.reg(a, X0);
            e.ones(X1);
            e.op(PCMPGT[es], x, a, X1);
        }
        CmpLeZero => {
            let a = e.reg(a, X0);
            e.zero(X1);
            e.op(PCMPGT[es], X0, a, X1);
            e.ones(X1);
            e.op(PXOR, x, X0, X1);
        }
        MinS if es < 3 => e.binary(PMINS[es], x, a, b),
        MinU if es < 3 => e.binary(PMINU[es], x, a, b),
        MaxS if es < 3 => e.binary(PMAXS[es], x, a, b),
        MaxU if es < 3 => e.binary(PMAXU[es], x, a, b),
        MinS | MinU | MaxS | MaxU => {
            // X1 = where a is the greater.
            if matches!(op, MinS | MaxS) {
                let ra = e.reg(a, X0);
                e.op(PCMPGT[3], X1, ra, e.rm(b));
            } else {
                e.ones(X1);
                e.shl(3, X1, X1, 63);
                e.op(PXOR, X0, X1, e.rm(a));
                e.op(PXOR, X1, X1, e.rm(b));
                e.op(PCMPGT[3], X1, X0, X1);
            }
            let (greater, other) = if matches!(op, MaxS | MaxU) { (a, b) } else { (b, a) };
            e.op(PAND, X0, X1, e.rm(greater));
            e.op(PANDN, X1, X1, e.rm(other));
            e.op(POR, x, X0, X1);
        }
        _ => return Done::No,
    }
    Done::In(x)
}

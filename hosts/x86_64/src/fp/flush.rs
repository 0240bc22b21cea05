//! Mode `FLUSH`: the test that flushing to zero has no part in an operation.

use super::super::asm::{Near, opcodes::*};
use super::arith::{GT_QUIET, LT_QUIET, NE};
use super::constants::K;
use super::convert::host_rounding;
use super::{T, X0, X1, X2, X3};
use anyarch_engine::fp::{FOp, imm};
use anyarch_engine::ops::*;

/// What the magnitudes of operands may be so that flushing to zero has no part in the operation:
/// for a, b, c the constants that they must not be below, unless zero; and one that b must not be
/// above. None if the operation has no host code in that mode.
///
/// Then neither an operand is denormal nor can the result be tiny: a sum is a multiple of the
/// lesser operand's last place, and so on.
pub(super) fn flush_limits(t: &T<'_>, op: FOp, args: &VArgs) -> Option<([Option<K>; 3], Option<K>)> {
    use FOp::*;
    let VArgs { es, bytes, imm, .. } = *args;
    if !t.a.avx || es < 2 {
        return None;
    }
    let pick = |k32: K, k64: K| Some(if es == 3 { k64 } else { k32 });
    let normal = pick(K::Normal32, K::Normal64);
    let sum = pick(K::Sum32, K::Sum64);
    let product = pick(K::Product32, K::Product64);
    let fused = pick(K::Fused32, K::Fused64);
    let rounding = host_rounding(imm::direction(imm)).is_some();
    let limits = match op {
        Add | Sub | AbsDiff | PairAdd => [sum, sum, None],
        Mul | NegMul => [product, product, None],
        Div => return Some(([product, normal, None], pick(K::Divisor32, K::Divisor64))),
        MulAdd | MulSub | NegMulAdd | NegMulSub if t.features.fma => [fused, fused, sum],
        Max | Min | MaxNum | MinNum | MaxNumber | MinNumber | PairMax | PairMin | PairMaxNum | PairMinNum => {
            [normal, normal, None]
        }
        CmpEq | CmpGe | CmpGt | CmpAbsGe | CmpAbsGt => [normal, normal, None],
        Sqrt | CmpEqZero | CmpGeZero | CmpGtZero | CmpLeZero | CmpLtZero => [normal, None, None],
        RoundInt | RoundIntExact if rounding => [normal, None, None],
        ToSigned | ToUnsigned if rounding && imm::fbits(imm) == 0 && (es == 2 || bytes == 8) => {
            [normal, None, None]
        }
        FromSigned | FromUnsigned => [None; 3],
        Convert if es == 2 && imm & 3 == 3 => [normal, None, None],
        Convert | NarrowHigh if es == 3 && imm & 3 == 2 => [Some(K::Single64), None, None],
        _ => return None,
    };
    Some((limits, None))
}

/// A jump if an operand is outside the limits. EFLAGS are free from here on. Uses all scratch
/// registers.
pub(super) fn flush_guard(
    t: &mut T<'_>,
    op: FOp,
    args: &VArgs,
    (least, most): ([Option<K>; 3], Option<K>),
) -> Option<Near> {
    use FOp::*;
    let VArgs { a, b, c, es, mut bytes, .. } = *args;
    t.clobber_flags();
    let mut unary = false;
    match op {
        // The source's bytes, not the result's.
        Convert if es == 2 && bytes == 16 => bytes = 8,
        Convert if es == 2 || bytes == 4 => bytes = 1 << es,
        Convert => bytes = 16,
        PairAdd | PairMax | PairMin | PairMaxNum | PairMinNum if bytes == 1 << es => {
            bytes *= 2;
            unary = true;
        }
        _ => {}
    }
    // Where b is a, a's limit is no weaker than b's.
    let tests = [
        least[0].map(|k| (a, k, LT_QUIET)),
        least[1].filter(|_| a != b && !unary).map(|k| (b, k, LT_QUIET)),
        least[2].map(|k| (c, k, LT_QUIET)),
        most.map(|k| (b, k, GT_QUIET)),
    ];
    flush_tests(t, es, bytes, &tests)
}

/// A jump if in one of the slots a lane's magnitude is below the constant but not zero, or is above
/// it.
pub(super) fn flush_tests(t: &mut T<'_>, es: u8, bytes: u8, tests: &[Option<(V, K, u8)>]) -> Option<Near> {
    let scalar = bytes == 1 << es;
    let cmp = arith(es, scalar, CMP);
    let mut first = true;
    for &(s, k, predicate) in tests.iter().flatten() {
        let r = if scalar { t.lane0(s, es, X1).0 } else { t.lanes(s, bytes, X1) };
        t.with_constant(ANDPS, X2, r, if es == 3 { K::Abs64 } else { K::Abs32 });
        if predicate == LT_QUIET {
            t.a.vex(XORPS, X0, X0, X0);
            t.a.vex(cmp, X0, X0, X2);
            t.a.b(NE);
        }
        t.with_constant(cmp, X2, X2, k);
        t.a.b(predicate);
        if predicate == LT_QUIET {
            t.a.vex(ANDPS, X2, X2, X0);
        }
        if first {
            t.a.vmov(X3, X2);
        } else {
            t.a.vex(ORPS, X3, X3, X2);
        }
        first = false;
    }
    (!first).then(|| t.guard_mask(false, es, scalar).site)
}

/// A jump if lane 0 of a slot is denormal. EFLAGS are free from here on.
pub(super) fn denormal_guard(t: &mut T<'_>, es: u8, slots: [Option<V>; 2]) -> Option<Near> {
    t.clobber_flags();
    let k = if es == 3 { K::Normal64 } else { K::Normal32 };
    flush_tests(t, es, 1 << es, &slots.map(|s| s.map(|s| (s, k, LT_QUIET))))
}

//! Operations whose code changes EFLAGS: those that set the sticky saturation flag, and hash rounds
//! on general registers.

use super::super::asm::{Cc, Op, Rm, opcodes::*, reg::RAX};
use super::super::glue::Piece;
use super::super::state;
use super::constants::splat;
use super::{Emit, Operands, TMP, X0, X1, X2};
use anyarch_engine::fp::FpEnv;
use anyarch_engine::ops::VArgs;
use anyarch_engine::state::Cpu;
use anyarch_engine::vec::VOp;
use core::mem::offset_of;

/// Emits an operation whose code changes EFLAGS, which must be free. False, and nothing emitted, if
/// it has no host code.
pub(crate) fn lower_clobbering(e: &mut Emit<'_>, op: VOp, args: &VArgs) -> bool {
    use VOp::*;
    let o = Operands::new(e, args);
    let Operands { d, a, b, c, es, bytes, .. } = o;
    let rounds = match op {
        Sha1Choose => Some(Piece::Sha1Choose),
        Sha1Parity => Some(Piece::Sha1Parity),
        Sha1Majority => Some(Piece::Sha1Majority),
        Sha256Hash1 => Some(Piece::Sha256Hash1),
        Sha256Hash2 => Some(Piece::Sha256Hash2),
        Sha512Hash1 => Some(Piece::Sha512Hash1),
        Sha512Hash2 => Some(Piece::Sha512Hash2),
        _ => None,
    };
    if let Some(rounds) = rounds {
        // SHA-256's second operation notes its operands as the first one.
        let [p, q] = if op == Sha256Hash2 { [a, c] } else { [c, a] };
        for (x, s) in [(X0, p), (X1, q), (X2, b)] {
            e.a.v2(MOVAPS, x, e.rm(s));
        }
        e.a.call_piece(rounds);
        e.put(d, X0);
        return true;
    }
    match op {
        NegSat | AbsSat if es < 3 || op == NegSat => limit_smallest(e, op, &o),
        AddSatS | SubSatS if es > 1 => add_signed(e, op, &o),
        AddSatU | SubSatU if es == 2 => add_unsigned(e, op, &o),
        ShlSatS | ShlSatU | ShlSatSU if es == 1 || es == 2 => shift_left(e, op, &o),
        MulDoubleHighSat | MulDoubleHighRoundSat if es == 2 => mul_double_words(e, op, &o),
        MulLongDoubleSat | MulLongDoubleAddSat | MulLongDoubleSubSat if bytes == 16 => {
            mul_double_long(e, op, &o)
        }
        AddSatS | AddSatU | SubSatS | SubSatU if es < 2 => add_narrow(e, op, &o),
        MulDoubleHighSat | MulDoubleHighRoundSat if es == 1 => mul_double_halves(e, op, &o),
        ShrNarrowSatS | ShrNarrowSatU | ShrNarrowSatSU | ShrNarrowRoundSatS | ShrNarrowRoundSatU
        | ShrNarrowRoundSatSU
            if es < 2 =>
        {
            shift_narrow(e, op, &o)
        }
        _ => return false,
    }
    true
}

/// Negation and magnitude: only the smallest number has none that fits.
fn limit_smallest(e: &mut Emit<'_>, op: VOp, o: &Operands) {
    use VOp::*;
    let &Operands { d, a, es, bytes, .. } = o;
    if op == NegSat {
        e.zero(X0);
        e.op(PSUB[es], X0, X0, e.rm(a));
    } else {
        e.a.v2(PABS[es], X0, e.rm(a));
    }
    e.saturate_smallest(es, bytes);
    e.put_low(d, X0, bytes);
}

/// Sums and differences of lanes of 32 or 64 bits, signed.
fn add_signed(e: &mut Emit<'_>, op: VOp, o: &Operands) {
    use VOp::*;
    let &Operands { d, a, b, es, bytes, .. } = o;
    let (ra, rb) = (e.reg(a, X0), e.reg(b, X1));
    e.add_saturating(op == SubSatS, es, bytes, ra, rb);
    e.put_low(d, X0, bytes);
}

/// Sums and differences of lanes of 32 bits, unsigned.
fn add_unsigned(e: &mut Emit<'_>, op: VOp, o: &Operands) {
    use VOp::*;
    let &Operands { d, a, b, bytes, .. } = o;
    // As much as fits is added; as much as is there is taken away.
    let (ra, rb) = (e.reg(a, X0), e.reg(b, X1));
    if op == AddSatU {
        e.op(PADD[2], X2, ra, rb);
        e.ones(TMP);
        e.a.v3(PXOR, TMP, TMP, Rm::R(ra), true, TMP);
        e.a.v3(PMINU[2], TMP, TMP, Rm::R(rb), true, TMP);
        e.op(PADD[2], X0, ra, TMP);
    } else {
        e.op(PSUB[2], X2, ra, rb);
        e.op(PMAXU[2], X0, ra, rb);
        e.op(PSUB[2], X0, X0, rb);
    }
    e.note_difference(X0, X2, bytes);
    e.put_low(d, X0, bytes);
}

/// Left shifts of lanes of 16 or 32 bits.
fn shift_left(e: &mut Emit<'_>, op: VOp, o: &Operands) {
    use VOp::*;
    let &Operands { d, a, es, bytes, bits, n, .. } = o;
    // What does not come back when shifted back did not fit.
    let ra = e.reg(a, X0);
    e.a.vmov(X2, ra);
    e.shl(es, X1, X2, n);
    if op == ShlSatS {
        e.sar(es, X0, X1, n);
        e.op(PCMPEQ[es], X0, X0, X2);
        // The largest, or the smallest for a negative number.
        e.sar(es, X2, X2, bits - 1);
        e.ones(TMP);
        e.shr(es, TMP, TMP, 1);
        e.a.v3(PXOR, X2, X2, TMP, true, TMP);
    } else {
        e.shr(es, X0, X1, n);
        e.op(PCMPEQ[es], X0, X0, X2);
        e.sar(es, X2, X2, bits - 1);
        e.ones(TMP);
        if op == ShlSatSU {
            // Negative numbers never fit, and become zero.
            e.a.v3(PXOR, X2, X2, TMP, true, TMP);
            e.op(PAND, X0, X0, X2);
        } else {
            e.a.vmov(X2, TMP);
        }
    }
    // Fits ? shifted : limit.
    e.op(PAND, X1, X1, X0);
    e.op(PANDN, X2, X0, X2);
    e.op(POR, X1, X1, X2);
    e.ones(X2);
    e.note_difference(X0, X2, bytes);
    e.put_low(d, X1, bytes);
}

/// Upper halves of doubled products of 32 bits.
fn mul_double_words(e: &mut Emit<'_>, op: VOp, o: &Operands) {
    use VOp::*;
    let &Operands { d, a, b, bytes, .. } = o;
    let (ra, rb) = (e.reg(a, X0), e.reg(b, X1));
    e.shr(3, X2, ra, 32);
    e.shr(3, TMP, rb, 32);
    e.a.v3(PMULDQ, X2, X2, TMP, true, TMP);
    e.op(PMULDQ, X0, ra, rb);
    if op == MulDoubleHighRoundSat {
        e.load_constant(X1, splat(3, 1 << 30));
        e.op(PADD[3], X0, X0, X1);
        e.op(PADD[3], X2, X2, X1);
    }
    e.shr(3, X0, X0, 31);
    e.shl(3, X2, X2, 1);
    e.opi(PBLENDW, X0, X0, Rm::R(X2), 0xcc);
    e.saturate_smallest(2, bytes);
    e.put_low(d, X0, bytes);
}

/// Doubled products of twice the width, alone, added or subtracted.
fn mul_double_long(e: &mut Emit<'_>, op: VOp, o: &Operands) {
    use VOp::*;
    let &Operands { d, a, b, c, es, bytes, high, .. } = o;
    e.mul_long(true, high, es, X0, a, b);
    e.op(PADD[es], X0, X0, X0);
    e.saturate_smallest(es, 16);
    if op != MulLongDoubleSat {
        e.a.vmov(X1, X0);
        let rc = e.reg(c, X0);
        e.add_saturating(op == MulLongDoubleSubSat, es, 16, rc, X1);
    }
    e.put_low(d, X0, bytes);
}

/// Sums and differences of lanes of 8 or 16 bits, for which the host has instructions.
fn add_narrow(e: &mut Emit<'_>, op: VOp, o: &Operands) {
    use VOp::*;
    let &Operands { d, a, b, es, bytes, .. } = o;
    let (saturating, wrapping) = match op {
        AddSatS => (PADDS[es], PADD[es]),
        AddSatU => (PADDUS[es], PADD[es]),
        SubSatS => (PSUBS[es], PSUB[es]),
        _ => (PSUBUS[es], PSUB[es]),
    };
    let ra = e.reg(a, X0);
    e.op(wrapping, X1, ra, e.rm(b));
    e.op(saturating, X0, ra, e.rm(b));
    e.note_difference(X0, X1, bytes);
    e.put_low(d, X0, bytes);
}

/// Upper halves of doubled products of 16 bits.
fn mul_double_halves(e: &mut Emit<'_>, op: VOp, o: &Operands) {
    use VOp::*;
    let &Operands { d, a, b, bytes, .. } = o;
    let ra = e.reg(a, X0);
    if op == MulDoubleHighRoundSat {
        e.op(PMULHRSW, X0, ra, e.rm(b));
    } else {
        e.op(PMULHW, X1, ra, e.rm(b));
        e.op(PMULLW, X0, ra, e.rm(b));
        e.op(PADD[1], X1, X1, X1);
        e.shr(1, X0, X0, 15);
        e.op(POR, X0, X0, X1);
    }
    // Only the square of the smallest number does not fit, and only its result is this.
    e.ones(X1);
    e.shl(1, X1, X1, 15);
    e.op(PCMPEQ[1], X1, X1, X0);
    e.op(PXOR, X1, X1, X0);
    e.note_difference(X0, X1, bytes);
    e.put_low(d, X1, bytes);
}

/// Right shifts to half the width.
fn shift_narrow(e: &mut Emit<'_>, op: VOp, o: &Operands) {
    use VOp::*;
    let &Operands { d, a, c, es, bytes, bits, n, high, .. } = o;
    let mut r = e.reg(a, X0);
    let rounding = n > 0 && matches!(op, ShrNarrowRoundSatS | ShrNarrowRoundSatU | ShrNarrowRoundSatSU);
    let op = match op {
        ShrNarrowRoundSatS => ShrNarrowSatS,
        ShrNarrowRoundSatU => ShrNarrowSatU,
        ShrNarrowRoundSatSU => ShrNarrowSatSU,
        op => op,
    };
    if rounding {
        // The last bit shifted out.
        e.shl(es + 1, X2, r, 2 * bits - n);
        e.shr(es + 1, X2, X2, 2 * bits - 1);
    }
    if n > 0 {
        if op == ShrNarrowSatU {
            e.shr(es + 1, X0, r, n)
        } else {
            e.sar(es + 1, X0, r, n)
        }
        r = X0;
    }
    if rounding {
        e.op(PADD[es + 1], X0, X0, X2);
    }
    // What comes back when the result is widened again is the same, or did not fit.
    let (pack, widen) = match op {
        ShrNarrowSatS => (PACKSS[es], PMOVSX[es]),
        _ => (PACKUS[es], PMOVZX[es]),
    };
    e.zero(TMP);
    if op == ShrNarrowSatU {
        e.ones(X1);
        e.shr(es + 1, X1, X1, 8 << es);
        e.a.v2(MOVAPS, X2, r);
        e.op(PMINU[es + 1], X1, X1, X2);
        e.zero(X2);
        e.op(pack, X1, X1, X2);
    } else {
        e.a.v2(MOVAPS, X1, r);
        e.op(pack, X1, X1, TMP);
    }
    e.a.v2(widen, X2, X1);
    e.note_difference(r, X2, if bytes < 8 { 2 * bytes } else { 16 });
    e.a.vmov(X0, X1);
    e.place(d, c, bytes, high);
}

impl Emit<'_> {
    /// Sets the sticky saturation flag if the low `bytes` bytes of p and q differ. Uses q, RAX and
    /// EFLAGS.
    pub(super) fn note_difference(&mut self, p: u8, q: u8, bytes: u8) {
        // q may be the result: the comparison goes to TMP.
        self.op(PCMPEQ[0], TMP, q, p);
        self.a.v2(MOVMSK[0], RAX, TMP);
        self.a.not(false, RAX);
        self.a.test_imm(false, RAX, (1 << bytes) - 1);
        self.a.setcc(Cc::Ne, RAX);
        self.a.alu_store8(Op::Or, state(offset_of!(Cpu, fp) + offset_of!(FpEnv, saturated)), RAX);
    }

    /// X0's smallest numbers become the largest, which is noted: the results of operations where
    /// only that one result does not fit. Uses X1.
    pub(super) fn saturate_smallest(&mut self, es: usize, bytes: u8) {
        let k = self.constant(X1, splat(es, 1 << ((8u32 << es) - 1)));
        if es == 3 {
            self.a.v2(MOVAPS, X1, k);
            self.op(PCMPEQ[3], X1, X1, X0);
        } else {
            if k != Rm::R(X1) {
                self.a.v2(MOVAPS, X1, k);
            }
            self.op(PCMPEQ[es], X1, X1, X0);
        }
        self.op(PXOR, X1, X1, X0);
        self.note_difference(X0, X1, bytes);
        self.a.vmov(X0, X1);
    }

    /// X0 = p + q or p - q, signed and saturating, lanes of 32 or 64 bits; notes saturation. Uses
    /// X1, which may be q, and X2.
    pub(super) fn add_saturating(&mut self, sub: bool, es: usize, bytes: u8, p: u8, q: u8) {
        // It did not fit where the result's sign is not p's, although q's says so: p ^ r and (sub ?
        // p ^ q : !(p ^ q)) both negative.
        self.op(if sub { PSUB[es] } else { PADD[es] }, X2, p, q);
        self.a.v3(PXOR, TMP, X2, Rm::R(p), true, TMP);
        if sub {
            self.op(PXOR, X1, q, p);
        } else {
            self.op(PXOR, X1, q, X2);
        }
        self.a.v3(PAND, TMP, TMP, Rm::R(X1), true, TMP);
        self.zero(X1);
        self.op(PCMPGT[es], X1, X1, TMP);
        // The limit in p's direction: all ones or zero, with the top bit flipped.
        self.zero(TMP);
        self.a.v3(PCMPGT[es], TMP, TMP, Rm::R(p), false, X0);
        let k = self.constant(X0, splat(es, (1u64 << ((8 << es) - 1)) - 1));
        self.a.v3(PXOR, TMP, TMP, k, true, TMP);
        // Did not fit ? limit : result.
        self.a.v3(PAND, TMP, TMP, Rm::R(X1), true, TMP);
        self.op(PANDN, X0, X1, X2);
        self.op(POR, X0, X0, TMP);
        self.zero(X2);
        self.note_difference(X1, X2, bytes);
    }
}

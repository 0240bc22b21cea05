//! Scalar floating point (Arm ARM C4.1, "Data Processing -- Scalar Floating-Point and Advanced
//! SIMD", the floating-point classes).

use crate::decode::{Insn, undefined};
use anyarch_engine::field;
use anyarch_engine::fp::{FOp, imm};
use anyarch_engine::ops::{Cond, Ops, R, Round, V, VArgs, W};
use anyarch_engine::vec::VOp;

anyarch_engine::rows! {
    // Conversion between floating point and fixed point.
    "sf 0 0 11110 ftype:2 0 00 01 u scale:6 rn:5 rd:5" CvtfFixed none from_fixed;
    "sf 0 0 11110 ftype:2 0 11 00 u scale:6 rn:5 rd:5" FcvtzFixed none to_fixed;

    // Conversion between floating point and integer.
    "sf 0 0 11110 ftype:2 1 00 00 u 000000 rn:5 rd:5" FcvtnInt none to_integer[Round::NearestEven];
    "sf 0 0 11110 ftype:2 1 01 00 u 000000 rn:5 rd:5" FcvtpInt none to_integer[Round::Up];
    "sf 0 0 11110 ftype:2 1 10 00 u 000000 rn:5 rd:5" FcvtmInt none to_integer[Round::Down];
    "sf 0 0 11110 ftype:2 1 11 00 u 000000 rn:5 rd:5" FcvtzInt none to_integer[Round::Zero];
    "sf 0 0 11110 ftype:2 1 00 10 u 000000 rn:5 rd:5" FcvtaInt none to_integer[Round::NearestAway];
    "sf 0 0 11110 ftype:2 1 00 01 u 000000 rn:5 rd:5" CvtfInt none from_integer;
    "0 0 0 11110 00 1 00 110 000000 rn:5 rd:5" FmovToW none move_to[2, 0];
    "0 0 0 11110 00 1 00 111 000000 rn:5 rd:5" FmovFromW none move_from[2];
    "1 0 0 11110 01 1 00 110 000000 rn:5 rd:5" FmovToX none move_to[3, 0];
    "1 0 0 11110 01 1 00 111 000000 rn:5 rd:5" FmovFromX none move_from[3];
    "1 0 0 11110 10 1 01 110 000000 rn:5 rd:5" FmovTopToX none move_to[3, 1];
    "1 0 0 11110 10 1 01 111 000000 rn:5 rd:5" FmovTopFromX none move_top_from;
    "sf 0 0 11110 11 1 00 110 000000 rn:5 rd:5" FmovHalfTo none move_to[1, 0];
    "sf 0 0 11110 11 1 00 111 000000 rn:5 rd:5" FmovHalfFrom none move_from[1];
    "0 0 0 11110 01 1 11 110 000000 rn:5 rd:5" Fjcvtzs writes javascript;

    // Data processing, one source.
    "0 0 0 11110 ftype:2 1 000000 10000 rn:5 rd:5" FmovReg none move_register;
    "0 0 0 11110 ftype:2 1 000001 10000 rn:5 rd:5" Fabs none one_source[FOp::Abs, 0];
    "0 0 0 11110 ftype:2 1 000010 10000 rn:5 rd:5" Fneg none one_source[FOp::Neg, 0];
    "0 0 0 11110 ftype:2 1 000011 10000 rn:5 rd:5" Fsqrt none one_source[FOp::Sqrt, 0];
    "0 0 0 11110 ftype:2 1 000100 10000 rn:5 rd:5" FcvtToS none convert[2];
    "0 0 0 11110 ftype:2 1 000101 10000 rn:5 rd:5" FcvtToD none convert[3];
    "0 0 0 11110 ftype:2 1 000111 10000 rn:5 rd:5" FcvtToH none convert[1];
    "0 0 0 11110 01 1 000110 10000 rn:5 rd:5" Bfcvt none to_bf16;
    "0 0 0 11110 ftype:2 1 001000 10000 rn:5 rd:5" Frintn none one_source[FOp::RoundInt, imm::round(Round::NearestEven)];
    "0 0 0 11110 ftype:2 1 001001 10000 rn:5 rd:5" Frintp none one_source[FOp::RoundInt, imm::round(Round::Up)];
    "0 0 0 11110 ftype:2 1 001010 10000 rn:5 rd:5" Frintm none one_source[FOp::RoundInt, imm::round(Round::Down)];
    "0 0 0 11110 ftype:2 1 001011 10000 rn:5 rd:5" Frintz none one_source[FOp::RoundInt, imm::round(Round::Zero)];
    "0 0 0 11110 ftype:2 1 001100 10000 rn:5 rd:5" Frinta none one_source[FOp::RoundInt, imm::round(Round::NearestAway)];
    "0 0 0 11110 ftype:2 1 001110 10000 rn:5 rd:5" Frintx none one_source[FOp::RoundIntExact, imm::round(Round::Current)];
    "0 0 0 11110 ftype:2 1 001111 10000 rn:5 rd:5" Frinti none one_source[FOp::RoundInt, imm::round(Round::Current)];
    "0 0 0 11110 0 sz 1 010000 10000 rn:5 rd:5" Frint32z none one_source[FOp::RoundInt32, imm::round(Round::Zero)];
    "0 0 0 11110 0 sz 1 010001 10000 rn:5 rd:5" Frint32x none one_source[FOp::RoundInt32, imm::round(Round::Current)];
    "0 0 0 11110 0 sz 1 010010 10000 rn:5 rd:5" Frint64z none one_source[FOp::RoundInt64, imm::round(Round::Zero)];
    "0 0 0 11110 0 sz 1 010011 10000 rn:5 rd:5" Frint64x none one_source[FOp::RoundInt64, imm::round(Round::Current)];

    // Compare.
    "0 0 0 11110 ftype:2 1 rm:5 00 1000 rn:5 0 0 000" Fcmp writes compare[false];
    "0 0 0 11110 ftype:2 1 rm:5 00 1000 rn:5 0 1 000" FcmpZero writes compare_zero[false];
    "0 0 0 11110 ftype:2 1 rm:5 00 1000 rn:5 1 0 000" Fcmpe writes compare[true];
    "0 0 0 11110 ftype:2 1 rm:5 00 1000 rn:5 1 1 000" FcmpeZero writes compare_zero[true];

    // Immediate.
    "0 0 0 11110 ftype:2 1 imm8:8 100 00000 rd:5" FmovImm none move_immediate;

    // Conditional compare and select.
    "0 0 0 11110 ftype:2 1 rm:5 cond:4 01 rn:5 e nzcv:4" Fccmp both conditional_compare;
    "0 0 0 11110 ftype:2 1 rm:5 cond:4 11 rn:5 rd:5" Fcsel reads select;

    // Data processing, two sources.
    "0 0 0 11110 ftype:2 1 rm:5 0000 10 rn:5 rd:5" Fmul none two_sources[FOp::Mul];
    "0 0 0 11110 ftype:2 1 rm:5 0001 10 rn:5 rd:5" Fdiv none two_sources[FOp::Div];
    "0 0 0 11110 ftype:2 1 rm:5 0010 10 rn:5 rd:5" Fadd none two_sources[FOp::Add];
    "0 0 0 11110 ftype:2 1 rm:5 0011 10 rn:5 rd:5" Fsub none two_sources[FOp::Sub];
    "0 0 0 11110 ftype:2 1 rm:5 0100 10 rn:5 rd:5" Fmax none two_sources[FOp::Max];
    "0 0 0 11110 ftype:2 1 rm:5 0101 10 rn:5 rd:5" Fmin none two_sources[FOp::Min];
    "0 0 0 11110 ftype:2 1 rm:5 0110 10 rn:5 rd:5" Fmaxnm none two_sources[FOp::MaxNum];
    "0 0 0 11110 ftype:2 1 rm:5 0111 10 rn:5 rd:5" Fminnm none two_sources[FOp::MinNum];
    "0 0 0 11110 ftype:2 1 rm:5 1000 10 rn:5 rd:5" Fnmul none two_sources[FOp::NegMul];

    // Data processing, three sources.
    "0 0 0 11111 ftype:2 0 rm:5 0 ra:5 rn:5 rd:5" Fmadd none three_sources[FOp::MulAdd];
    "0 0 0 11111 ftype:2 0 rm:5 1 ra:5 rn:5 rd:5" Fmsub none three_sources[FOp::MulSub];
    "0 0 0 11111 ftype:2 1 rm:5 0 ra:5 rn:5 rd:5" Fnmadd none three_sources[FOp::NegMulAdd];
    "0 0 0 11111 ftype:2 1 rm:5 1 ra:5 rn:5 rd:5" Fnmsub none three_sources[FOp::NegMulSub];
}

/// Lane size (log2 of the bytes) by `ftype` (bits 23 and 22); `None` is reserved.
#[inline]
fn ftype(i: Insn) -> Option<u8> {
    match field!(i.ftype) {
        0 => Some(2),
        1 => Some(3),
        3 => Some(1),
        _ => None,
    }
}

/// Runs the semantics with the lane size of `ftype`.
fn with_type<O: Ops>(o: &mut O, i: Insn, f: impl FnOnce(&mut O, u8)) {
    match ftype(i) {
        Some(es) => f(o, es),
        None => undefined(o),
    }
}

#[inline]
fn args(i: Insn, es: u8, imm: u32) -> VArgs {
    VArgs { d: i.vd(), a: i.vn(), b: i.vm(), c: i.va(), es, bytes: 1 << es, imm }
}

/// The number of fraction bits by `scale`; `None` is reserved.
#[inline]
fn fraction_bits(i: Insn) -> Option<u8> {
    let fbits = 64 - field!(i.scale);
    (fbits <= i.sf().bits()).then_some(fbits as u8)
}

fn from_fixed<O: Ops>(o: &mut O, i: Insn) {
    match (ftype(i), fraction_bits(i)) {
        (Some(es), Some(fbits)) => {
            o.int_to_fp(!field!(set i.u), Round::Current, i.sf(), i.vd(), i.rn(), es, fbits)
        }
        _ => undefined(o),
    }
}

fn to_fixed<O: Ops>(o: &mut O, i: Insn) {
    match (ftype(i), fraction_bits(i)) {
        (Some(es), Some(fbits)) => {
            o.fp_to_int(!field!(set i.u), Round::Zero, i.sf(), i.rd(), i.vn(), es, fbits)
        }
        _ => undefined(o),
    }
}

fn to_integer<O: Ops>(o: &mut O, i: Insn, round: Round) {
    with_type(o, i, |o, es| o.fp_to_int(!field!(set i.u), round, i.sf(), i.rd(), i.vn(), es, 0));
}

fn from_integer<O: Ops>(o: &mut O, i: Insn) {
    with_type(o, i, |o, es| o.int_to_fp(!field!(set i.u), Round::Current, i.sf(), i.vd(), i.rn(), es, 0));
}

fn move_to<O: Ops>(o: &mut O, i: Insn, es: u8, index: u8) {
    o.vget(false, i.sf(), i.rd(), i.vn(), es, index);
}

fn move_from<O: Ops>(o: &mut O, i: Insn, es: u8) {
    o.vfrom(i.vd(), es, i.rn());
}

fn move_top_from<O: Ops>(o: &mut O, i: Insn) {
    o.vset(i.vd(), 3, 1, i.rn());
}

fn javascript<O: Ops>(o: &mut O, i: Insn) {
    o.fp(FOp::ToSignedWrapping, VArgs { d: V::T0, ..args(i, 3, 0) });
    o.vget(false, W::W32, R::T0, V::T0, 2, 1);
    o.write_flags(R::T0);
    o.vget(false, W::W32, i.rd(), V::T0, 2, 0);
}

fn move_register<O: Ops>(o: &mut O, i: Insn) {
    with_type(o, i, |o, es| o.vec(VOp::Mov, args(i, es, 0)));
}

fn one_source<O: Ops>(o: &mut O, i: Insn, op: FOp, imm: u32) {
    with_type(o, i, |o, es| o.fp(op, args(i, es, imm)));
}

fn convert<O: Ops>(o: &mut O, i: Insn, to: u8) {
    match ftype(i) {
        Some(es) if es != to => o.fp(FOp::Convert, VArgs { bytes: 1 << to, ..args(i, es, to as u32) }),
        _ => undefined(o),
    }
}

fn to_bf16<O: Ops>(o: &mut O, i: Insn) {
    o.fp(FOp::ToBf16, VArgs { bytes: 2, ..args(i, 2, 0) });
}

fn compare<O: Ops>(o: &mut O, i: Insn, signaling: bool) {
    with_type(o, i, |o, es| o.fp_compare(signaling, es, i.vn(), Some(i.vm())));
}

fn compare_zero<O: Ops>(o: &mut O, i: Insn, signaling: bool) {
    with_type(o, i, |o, es| o.fp_compare(signaling, es, i.vn(), None));
}

/// VFPExpandImm: sign, exponent of three bits around one, four bits of fraction.
fn move_immediate<O: Ops>(o: &mut O, i: Insn) {
    with_type(o, i, |o, es| {
        let (exp_bits, frac_bits) = [(5, 10), (8, 23), (11, 52)][es as usize - 1];
        let (sign, high, exp, frac) = (i.bits(20, 1), i.bits(19, 1), i.bits(17, 2), i.bits(13, 4));
        // The exponent's highest bit is the inverse of the bit repeated below it.
        let repeated = if high == 1 { (1 << (exp_bits - 3)) - 1 } else { 0 };
        let exponent = (1 - high as u64) << (exp_bits - 1) | repeated << 2 | exp as u64;
        let value = (sign as u64) << (exp_bits + frac_bits)
            | exponent << frac_bits
            | (frac as u64) << (frac_bits - 4);
        o.vconst(i.vd(), value as u128);
    });
}

fn conditional_compare<O: Ops>(o: &mut O, i: Insn) {
    let c = Cond::from_bits(field!(i.cond));
    with_type(o, i, |o, es| o.fp_cond_compare(c, field!(set i.e), es, i.vn(), i.vm(), field!(i.nzcv) as u8));
}

fn select<O: Ops>(o: &mut O, i: Insn) {
    let c = Cond::from_bits(field!(i.cond));
    with_type(o, i, |o, es| o.fp_select(c, es, i.vd(), i.vn(), i.vm()));
}

fn two_sources<O: Ops>(o: &mut O, i: Insn, op: FOp) {
    with_type(o, i, |o, es| o.fp(op, args(i, es, 0)));
}

fn three_sources<O: Ops>(o: &mut O, i: Insn, op: FOp) {
    with_type(o, i, |o, es| o.fp(op, args(i, es, 0)));
}

#[cfg(test)]
mod tests {
    use crate::decode::{decode, lift};
    use anyarch_engine::interp::{Interp, Outcome};
    use anyarch_engine::state::Cpu;

    /// Plays `word` on v1 = a, v2 = b, v3 = c (and v0 = c), x1 = a; the new v0 and x0.
    fn play(word: u32, a: u128, b: u128, c: u128) -> (u128, u64, Outcome) {
        // SAFETY: all-zero bytes are a valid state.
        let mut cpu: Box<Cpu> = unsafe { Box::new(core::mem::zeroed()) };
        (cpu.vec[0], cpu.vec[1], cpu.vec[2], cpu.vec[3], cpu.gpr[1]) = (c, a, b, c, a as u64);
        let mut interp = Interp::new(&mut cpu);
        lift(&mut interp, word, 0);
        let outcome = interp.outcome;
        (cpu.vec[0], cpu.gpr[0], outcome)
    }

    #[test]
    fn words() {
        #[track_caller]
        fn check(word: u32, name: &str, a: u128, b: u128, c: u128, v0: u128) {
            assert_eq!(decode(word).row().map(|r| r.name), Some(name));
            let got = play(word, a, b, c);
            assert_eq!(got.2, Outcome::Next);
            assert_eq!(got.0, v0, "{name}: {:x}", got.0);
        }
        let d = |x: f64| x.to_bits() as u128;
        let s = |x: f32| x.to_bits() as u128;
        let garbage = 0x1234u128 << 100;
        check(0x1e622820, "Fadd", d(1.5) | garbage, d(2.0), garbage, d(3.5));
        check(0x1e620820, "Fmul", d(1.5), d(2.0), 0, d(3.0));
        check(0x1e223820, "Fsub", s(1.5), s(2.0), 0, s(-0.5));
        check(0x1f420c20, "Fmadd", d(3.0), d(2.0), d(1.0), d(7.0));
        check(0x1f428c20, "Fmsub", d(3.0), d(2.0), d(1.0), d(-5.0));
        check(0x1f620c20, "Fnmadd", d(3.0), d(2.0), d(1.0), d(-7.0));
        check(0x1f628c20, "Fnmsub", d(3.0), d(2.0), d(1.0), d(5.0));
        check(0x1e6e1000, "FmovImm", 0, 0, garbage, d(1.0));
        check(0x1e329000, "FmovImm", 0, 0, garbage, s(-5.0));
        check(0x1e624020, "FcvtToS", d(1.5), 0, garbage, s(1.5));
        check(0x1e22c020, "FcvtToD", s(1.5), 0, garbage, d(1.5));
        check(0x1e23c020, "FcvtToH", s(1.5), 0, garbage, 0x3e00);
        check(0x9e620020, "CvtfInt", -3i64 as u64 as u128, 0, garbage, d(-3.0));
    }
}

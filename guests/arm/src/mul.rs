//! Multiplications and divisions (Arm ARM F4.1.3 "Multiply and Accumulate", "Halfword Multiply and
//! Accumulate", "Signed multiply, Divide"; F3.1.3 for T32), and the saturating arithmetic of whole
//! registers. The functions take register numbers, so that both instruction sets share them.
//!
//! A result that may overflow is made in 64 bits, where it is exact; see [`overflow`] and
//! [`saturate`].

use crate::decode::{Insn, r, undefined};
use crate::state::Q;
use anyarch_engine::field;
use anyarch_engine::ops::Mul;
use anyarch_engine::ops::{Alu, Carry, Cmp, DivZero, Ops, R, Shift, Size, Src, W};

anyarch_engine::rows! {
    // Multiply and accumulate.
    "cond:4 0000 000 s rd:4 sbz:4 rm:4 1001 rn:4" Mul sets_nz a32_multiply[Kind::Mul];
    "cond:4 0000 001 s rd:4 ra:4 rm:4 1001 rn:4" Mla sets_nz a32_multiply[Kind::Mla];
    "cond:4 0000 0100 hi:4 lo:4 rm:4 1001 rn:4" Umaal none a32_umaal;
    "cond:4 0000 0110 rd:4 ra:4 rm:4 1001 rn:4" Mls none a32_multiply[Kind::Mls];
    "cond:4 0000 100 s hi:4 lo:4 rm:4 1001 rn:4" Umull sets_nz a32_long[false, false];
    "cond:4 0000 101 s hi:4 lo:4 rm:4 1001 rn:4" Umlal sets_nz a32_long[false, true];
    "cond:4 0000 110 s hi:4 lo:4 rm:4 1001 rn:4" Smull sets_nz a32_long[true, false];
    "cond:4 0000 111 s hi:4 lo:4 rm:4 1001 rn:4" Smlal sets_nz a32_long[true, true];

    // Saturating addition and subtraction.
    "cond:4 00010 00 0 rn:4 rd:4 sbz:4 0101 rm:4" Qadd none a32_q[Alu::Add, false];
    "cond:4 00010 01 0 rn:4 rd:4 sbz:4 0101 rm:4" Qsub none a32_q[Alu::Sub, false];
    "cond:4 00010 10 0 rn:4 rd:4 sbz:4 0101 rm:4" Qdadd none a32_q[Alu::Add, true];
    "cond:4 00010 11 0 rn:4 rd:4 sbz:4 0101 rm:4" Qdsub none a32_q[Alu::Sub, true];

    // Halfword multiply and accumulate.
    "cond:4 00010 00 0 rd:4 ra:4 rm:4 1 m n 0 rn:4" Smla none a32_halves[true];
    "cond:4 00010 01 0 rd:4 ra:4 rm:4 1 m 0 0 rn:4" Smlaw none a32_word_half[true];
    "cond:4 00010 01 0 rd:4 sbz:4 rm:4 1 m 1 0 rn:4" Smulw none a32_word_half[false];
    "cond:4 00010 10 0 hi:4 lo:4 rm:4 1 m n 0 rn:4" SmlalHalves none a32_halves_long;
    "cond:4 00010 11 0 rd:4 sbz:4 rm:4 1 m n 0 rn:4" Smul none a32_halves[false];

    // Signed multiply, divide.
    first "cond:4 01110 000 rd:4 1111 rm:4 00 x 1 rn:4" Smuad none a32_dual[false];
    first "cond:4 01110 000 rd:4 1111 rm:4 01 x 1 rn:4" Smusd none a32_dual[true];
    "cond:4 01110 000 rd:4 ra:4 rm:4 00 x 1 rn:4" Smlad none a32_dual[false];
    "cond:4 01110 000 rd:4 ra:4 rm:4 01 x 1 rn:4" Smlsd none a32_dual[true];
    "cond:4 01110 001 rd:4 sbo:4 rm:4 0001 rn:4" Sdiv none a32_divide[true];
    "cond:4 01110 011 rd:4 sbo:4 rm:4 0001 rn:4" Udiv none a32_divide[false];
    "cond:4 01110 100 hi:4 lo:4 rm:4 00 x 1 rn:4" Smlald none a32_dual_long[false];
    "cond:4 01110 100 hi:4 lo:4 rm:4 01 x 1 rn:4" Smlsld none a32_dual_long[true];
    first "cond:4 01110 101 rd:4 1111 rm:4 00 x 1 rn:4" Smmul none a32_most[false];
    "cond:4 01110 101 rd:4 ra:4 rm:4 00 x 1 rn:4" Smmla none a32_most[false];
    "cond:4 01110 101 rd:4 ra:4 rm:4 11 x 1 rn:4" Smmls none a32_most[true];
}

/// What a plain multiplication adds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Mul,
    Mla,
    Mls,
}

/// Whether one of the registers is the program counter, which multiplications cannot take.
pub(crate) fn pc(regs: &[u8]) -> bool {
    regs.contains(&15)
}

fn a32_multiply<O: Ops>(o: &mut O, i: Insn, kind: Kind) {
    let a = if kind == Kind::Mul { 0 } else { i.reg(12) };
    multiply(o, kind, kind != Kind::Mls && i.bit(20), i.reg(16), i.reg(0), i.reg(8), a);
}

/// d = n * m, a + n * m or a - n * m.
pub(crate) fn multiply<O: Ops>(o: &mut O, kind: Kind, s: bool, d: u8, n: u8, m: u8, a: u8) {
    if pc(&[d, n, m, a]) {
        return undefined(o);
    }
    let op = if kind == Kind::Mls { Mul::Sub(W::W32) } else { Mul::Add(W::W32) };
    let a = if kind == Kind::Mul { R::ZERO } else { r(a) };
    o.mul(op, r(d), r(n), r(m), a);
    if s {
        o.set_nz(W::W32, r(d), Carry::Keep);
    }
}

fn a32_umaal<O: Ops>(o: &mut O, i: Insn) {
    umaal(o, i.reg(12), i.reg(16), i.reg(0), i.reg(8));
}

/// hi:lo = n * m + hi + lo.
pub(crate) fn umaal<O: Ops>(o: &mut O, lo: u8, hi: u8, n: u8, m: u8) {
    if pc(&[lo, hi, n, m]) || lo == hi {
        return undefined(o);
    }
    o.mul(Mul::AddU32, R::T0, r(n), r(m), r(hi));
    o.alu(Alu::Add, W::W64, r(lo), R::T0, Src::Reg(r(lo)));
    split_low(o, lo, hi);
}

/// hi:lo = T0.
fn split<O: Ops>(o: &mut O, lo: u8, hi: u8) {
    o.mov(W::W32, r(lo), Src::Reg(R::T0));
    o.shift(Shift::Lsr, W::W64, r(hi), R::T0, Src::Imm(32));
}

/// hi:lo = the 64 bits in lo.
fn split_low<O: Ops>(o: &mut O, lo: u8, hi: u8) {
    o.mov(W::W64, r(hi), Src::Shifted(r(lo), Shift::Lsr, 32));
    o.mov(W::W32, r(lo), Src::Reg(r(lo)));
}

/// T1 = hi:lo.
fn join<O: Ops>(o: &mut O, lo: u8, hi: u8) {
    o.alu(Alu::Or, W::W64, R::T1, r(lo), Src::Shifted(r(hi), Shift::Lsl, 32));
}

fn a32_long<O: Ops>(o: &mut O, i: Insn, signed: bool, accumulate: bool) {
    long(o, signed, accumulate, field!(set i.s), i.reg(12), i.reg(16), i.reg(0), i.reg(8));
}

/// hi:lo = n * m, or hi:lo + n * m.
pub(crate) fn long<O: Ops>(o: &mut O, signed: bool, accumulate: bool, s: bool, lo: u8, hi: u8, n: u8, m: u8) {
    if pc(&[lo, hi, n, m]) || lo == hi {
        return undefined(o);
    }
    let a = if accumulate {
        join(o, lo, hi);
        R::T1
    } else {
        R::ZERO
    };
    o.mul(if signed { Mul::AddS32 } else { Mul::AddU32 }, r(lo), r(n), r(m), a);
    if s {
        o.set_nz(W::W64, r(lo), Carry::Keep);
    }
    split_low(o, lo, hi);
}

/// d = the low or high half of s, sign-extended.
fn half<O: Ops>(o: &mut O, d: R, s: u8, high: bool) {
    o.extract(true, W::W64, d, r(s), if high { 16 } else { 0 }, 16);
}

/// d = T0, whose exact value is a sum of signed numbers, of 33 bits at most; Q if 32 bits do not
/// hold it.
fn overflow<O: Ops>(o: &mut O, d: u8) {
    // Then bits 31 and 32 differ, and above these all are alike.
    o.alu(Alu::Xor, W::W64, R::T1, R::T0, Src::Shifted(R::T0, Shift::Asr, 1));
    o.mov(W::W32, r(d), Src::Reg(R::T0));
    o.alu(Alu::Or, W::W64, Q, Q, Src::Shifted(R::T1, Shift::Lsr, 31));
}

/// d = t as a number of `bits` bits (0 to 32), signed or not; if that is not t's value, the nearest
/// one, and Q. Uses T1 and T2 beside t.
pub(crate) fn saturate<O: Ops>(o: &mut O, d: R, t: R, unsigned: bool, bits: u8) {
    let (fits, differs) = (R::T1, R::T2);
    let w = W::W64;
    if bits == 0 {
        o.mov(w, fits, Src::Imm(0));
    } else {
        o.extract(!unsigned, w, fits, t, 0, bits);
    }
    o.set_cmp(Cmp::Ne, differs, fits, Src::Reg(t));
    o.alu(Alu::Or, w, Q, Q, Src::Reg(differs));
    o.alu(Alu::Sub, w, differs, R::ZERO, Src::Reg(differs));
    // The bound on t's side.
    o.shift(Shift::Asr, w, t, t, Src::Imm(63));
    if unsigned {
        o.mov(w, R::T3, Src::Imm((1 << bits) - 1));
        o.alu(Alu::AndNot, w, t, R::T3, Src::Reg(t));
    } else {
        o.alu(Alu::Xor, w, t, t, Src::Imm((1 << (bits - 1)) - 1));
    }
    // differs ? bound : fits.
    o.alu(Alu::Xor, w, t, t, Src::Reg(fits));
    o.alu(Alu::And, w, t, t, Src::Reg(differs));
    o.alu(Alu::Xor, W::W32, d, t, Src::Reg(fits));
}

fn a32_q<O: Ops>(o: &mut O, i: Insn, op: Alu, double: bool) {
    saturating(o, op, double, i.reg(12), i.reg(0), i.reg(16));
}

/// QADD, QSUB, QDADD, QDSUB: d = m op n, or m op 2 * n with saturation of the product.
pub(crate) fn saturating<O: Ops>(o: &mut O, op: Alu, double: bool, d: u8, m: u8, n: u8) {
    if pc(&[d, m, n]) {
        return undefined(o);
    }
    let (sum, b) = (R::T0, R(63));
    o.extract(true, W::W64, b, r(n), 0, 32);
    if double {
        o.alu(Alu::Add, W::W64, sum, b, Src::Reg(b));
        saturate(o, sum, sum, false, 32);
        o.extract(true, W::W64, b, sum, 0, 32);
    }
    o.extract(true, W::W64, sum, r(m), 0, 32);
    o.alu(op, W::W64, sum, sum, Src::Reg(b));
    saturate(o, r(d), sum, false, 32);
}

fn a32_halves<O: Ops>(o: &mut O, i: Insn, accumulate: bool) {
    let a = if accumulate { Some(i.reg(12)) } else { None };
    halves(o, i.reg(16), i.reg(0), i.reg(8), a, field!(set i.n), field!(set i.m));
}

/// SMLAxy and SMULxy.
pub(crate) fn halves<O: Ops>(o: &mut O, d: u8, n: u8, m: u8, a: Option<u8>, n_high: bool, m_high: bool) {
    if pc(&[d, n, m, a.unwrap_or(0)]) {
        return undefined(o);
    }
    o.mul_halves(r(d), (r(n), n_high), (r(m), m_high), a.map(|a| (r(a), Q)));
}

fn a32_word_half<O: Ops>(o: &mut O, i: Insn, accumulate: bool) {
    let a = if accumulate { Some(i.reg(12)) } else { None };
    word_half(o, i.reg(16), i.reg(0), i.reg(8), a, field!(set i.m));
}

/// SMLAWy and SMULWy.
pub(crate) fn word_half<O: Ops>(o: &mut O, d: u8, n: u8, m: u8, a: Option<u8>, m_high: bool) {
    if pc(&[d, n, m, a.unwrap_or(0)]) {
        return undefined(o);
    }
    half(o, R::T1, m, m_high);
    o.mul(Mul::AddS32, R::T0, r(n), R::T1, R::ZERO);
    o.shift(Shift::Asr, W::W64, R::T0, R::T0, Src::Imm(16));
    match a {
        None => o.mov(W::W32, r(d), Src::Reg(R::T0)),
        Some(a) => o.add_sticky(r(d), R::T0, r(a), Q),
    }
}

fn a32_halves_long<O: Ops>(o: &mut O, i: Insn) {
    halves_long(o, i.reg(12), i.reg(16), i.reg(0), i.reg(8), field!(set i.n), field!(set i.m));
}

/// SMLALxy.
pub(crate) fn halves_long<O: Ops>(o: &mut O, lo: u8, hi: u8, n: u8, m: u8, n_high: bool, m_high: bool) {
    if pc(&[lo, hi, n, m]) || lo == hi {
        return undefined(o);
    }
    join(o, lo, hi);
    half(o, R::T0, n, n_high);
    half(o, R::T2, m, m_high);
    o.mul(Mul::AddS32, R::T0, R::T0, R::T2, R::T1);
    split(o, lo, hi);
}

/// T0 = the sum or difference of the products of the halves, T1 beside it.
fn dual_products<O: Ops>(o: &mut O, n: u8, m: u8, subtract: bool, exchange: bool) {
    half(o, R::T0, n, false);
    half(o, R::T1, m, exchange);
    o.mul(Mul::AddS32, R::T0, R::T0, R::T1, R::ZERO);
    half(o, R::T1, n, true);
    half(o, R::T2, m, !exchange);
    o.mul(if subtract { Mul::SubS32 } else { Mul::AddS32 }, R::T0, R::T1, R::T2, R::T0);
}

fn a32_dual<O: Ops>(o: &mut O, i: Insn, subtract: bool) {
    dual(o, i.reg(16), i.reg(0), i.reg(8), i.reg(12), subtract, i.bit(5));
}

/// SMLAD, SMLSD; SMUAD, SMUSD where a is 15.
pub(crate) fn dual<O: Ops>(o: &mut O, d: u8, n: u8, m: u8, a: u8, subtract: bool, exchange: bool) {
    if pc(&[d, n, m]) {
        return undefined(o);
    }
    dual_products(o, n, m, subtract, exchange);
    if a != 15 {
        o.extract(true, W::W64, R::T1, r(a), 0, 32);
        o.alu(Alu::Add, W::W64, R::T0, R::T0, Src::Reg(R::T1));
    }
    overflow(o, d);
}

fn a32_dual_long<O: Ops>(o: &mut O, i: Insn, subtract: bool) {
    dual_long(o, i.reg(12), i.reg(16), i.reg(0), i.reg(8), subtract, i.bit(5));
}

/// SMLALD, SMLSLD.
pub(crate) fn dual_long<O: Ops>(o: &mut O, lo: u8, hi: u8, n: u8, m: u8, subtract: bool, exchange: bool) {
    if pc(&[lo, hi, n, m]) || lo == hi {
        return undefined(o);
    }
    dual_products(o, n, m, subtract, exchange);
    join(o, lo, hi);
    o.alu(Alu::Add, W::W64, R::T0, R::T0, Src::Reg(R::T1));
    split(o, lo, hi);
}

fn a32_most<O: Ops>(o: &mut O, i: Insn, subtract: bool) {
    most(o, i.reg(16), i.reg(0), i.reg(8), i.reg(12), subtract, i.bit(5));
}

/// SMMLA, SMMLS; SMMUL where a is 15: the high half of the sum, perhaps rounded.
pub(crate) fn most<O: Ops>(o: &mut O, d: u8, n: u8, m: u8, a: u8, subtract: bool, round: bool) {
    if pc(&[d, n, m]) || subtract && a == 15 {
        return undefined(o);
    }
    if a == 15 {
        o.mov(W::W64, R::T0, Src::Imm(0));
    } else {
        o.shift(Shift::Lsl, W::W64, R::T0, r(a), Src::Imm(32));
    }
    o.mul(if subtract { Mul::SubS32 } else { Mul::AddS32 }, R::T0, r(n), r(m), R::T0);
    if round {
        o.alu(Alu::Add, W::W64, R::T0, R::T0, Src::Imm(1 << 31));
    }
    o.shift(Shift::Lsr, W::W64, r(d), R::T0, Src::Imm(32));
}

fn a32_divide<O: Ops>(o: &mut O, i: Insn, signed: bool) {
    divide(o, signed, i.reg(16), i.reg(0), i.reg(8));
}

/// d = n / m.
pub(crate) fn divide<O: Ops>(o: &mut O, signed: bool, d: u8, n: u8, m: u8) {
    if pc(&[d, n, m]) {
        return undefined(o);
    }
    o.div(signed, DivZero::Zero, W::W32, r(d), r(n), r(m));
}

/// CRC32: d = the checksum of `size` of m over n.
pub(crate) fn crc32<O: Ops>(o: &mut O, castagnoli: bool, size: u32, d: u8, n: u8, m: u8) {
    if pc(&[d, n, m]) || size == 3 {
        return undefined(o);
    }
    o.crc32(castagnoli, Size::from_log2(size), r(d), r(n), r(m));
}

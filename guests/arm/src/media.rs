//! Media instructions and other arithmetic within registers (Arm ARM F4.1.4 "Media instructions"):
//! parallel addition and subtraction, extension, packing, saturation, bit fields, reversal. The
//! functions take register numbers, so that both instruction sets share them.

use crate::decode::{Insn, r, undefined};
use crate::mul::{pc, saturate};
use crate::state::GE;
use anyarch_engine::field;
use anyarch_engine::ops::{Alu, Ops, R, Shift, Src, Trap, Unary, V, VArgs, W};
use anyarch_engine::vec::VOp;

anyarch_engine::rows! {
    // Parallel addition and subtraction.
    "cond:4 01100 001 rn:4 rd:4 sbo:4 000 1 rm:4" Sadd16 none a32_parallel[Result::Plain, true, Shape::Add, 1];
    "cond:4 01100 001 rn:4 rd:4 sbo:4 001 1 rm:4" Sasx none a32_parallel[Result::Plain, true, Shape::Asx, 1];
    "cond:4 01100 001 rn:4 rd:4 sbo:4 010 1 rm:4" Ssax none a32_parallel[Result::Plain, true, Shape::Sax, 1];
    "cond:4 01100 001 rn:4 rd:4 sbo:4 011 1 rm:4" Ssub16 none a32_parallel[Result::Plain, true, Shape::Sub, 1];
    "cond:4 01100 001 rn:4 rd:4 sbo:4 100 1 rm:4" Sadd8 none a32_parallel[Result::Plain, true, Shape::Add, 0];
    "cond:4 01100 001 rn:4 rd:4 sbo:4 111 1 rm:4" Ssub8 none a32_parallel[Result::Plain, true, Shape::Sub, 0];
    "cond:4 01100 010 rn:4 rd:4 sbo:4 000 1 rm:4" Qadd16 none a32_parallel[Result::Saturate, true, Shape::Add, 1];
    "cond:4 01100 010 rn:4 rd:4 sbo:4 001 1 rm:4" Qasx none a32_parallel[Result::Saturate, true, Shape::Asx, 1];
    "cond:4 01100 010 rn:4 rd:4 sbo:4 010 1 rm:4" Qsax none a32_parallel[Result::Saturate, true, Shape::Sax, 1];
    "cond:4 01100 010 rn:4 rd:4 sbo:4 011 1 rm:4" Qsub16 none a32_parallel[Result::Saturate, true, Shape::Sub, 1];
    "cond:4 01100 010 rn:4 rd:4 sbo:4 100 1 rm:4" Qadd8 none a32_parallel[Result::Saturate, true, Shape::Add, 0];
    "cond:4 01100 010 rn:4 rd:4 sbo:4 111 1 rm:4" Qsub8 none a32_parallel[Result::Saturate, true, Shape::Sub, 0];
    "cond:4 01100 011 rn:4 rd:4 sbo:4 000 1 rm:4" Shadd16 none a32_parallel[Result::Halve, true, Shape::Add, 1];
    "cond:4 01100 011 rn:4 rd:4 sbo:4 001 1 rm:4" Shasx none a32_parallel[Result::Halve, true, Shape::Asx, 1];
    "cond:4 01100 011 rn:4 rd:4 sbo:4 010 1 rm:4" Shsax none a32_parallel[Result::Halve, true, Shape::Sax, 1];
    "cond:4 01100 011 rn:4 rd:4 sbo:4 011 1 rm:4" Shsub16 none a32_parallel[Result::Halve, true, Shape::Sub, 1];
    "cond:4 01100 011 rn:4 rd:4 sbo:4 100 1 rm:4" Shadd8 none a32_parallel[Result::Halve, true, Shape::Add, 0];
    "cond:4 01100 011 rn:4 rd:4 sbo:4 111 1 rm:4" Shsub8 none a32_parallel[Result::Halve, true, Shape::Sub, 0];
    "cond:4 01100 101 rn:4 rd:4 sbo:4 000 1 rm:4" Uadd16 none a32_parallel[Result::Plain, false, Shape::Add, 1];
    "cond:4 01100 101 rn:4 rd:4 sbo:4 001 1 rm:4" Uasx none a32_parallel[Result::Plain, false, Shape::Asx, 1];
    "cond:4 01100 101 rn:4 rd:4 sbo:4 010 1 rm:4" Usax none a32_parallel[Result::Plain, false, Shape::Sax, 1];
    "cond:4 01100 101 rn:4 rd:4 sbo:4 011 1 rm:4" Usub16 none a32_parallel[Result::Plain, false, Shape::Sub, 1];
    "cond:4 01100 101 rn:4 rd:4 sbo:4 100 1 rm:4" Uadd8 none a32_parallel[Result::Plain, false, Shape::Add, 0];
    "cond:4 01100 101 rn:4 rd:4 sbo:4 111 1 rm:4" Usub8 none a32_parallel[Result::Plain, false, Shape::Sub, 0];
    "cond:4 01100 110 rn:4 rd:4 sbo:4 000 1 rm:4" Uqadd16 none a32_parallel[Result::Saturate, false, Shape::Add, 1];
    "cond:4 01100 110 rn:4 rd:4 sbo:4 001 1 rm:4" Uqasx none a32_parallel[Result::Saturate, false, Shape::Asx, 1];
    "cond:4 01100 110 rn:4 rd:4 sbo:4 010 1 rm:4" Uqsax none a32_parallel[Result::Saturate, false, Shape::Sax, 1];
    "cond:4 01100 110 rn:4 rd:4 sbo:4 011 1 rm:4" Uqsub16 none a32_parallel[Result::Saturate, false, Shape::Sub, 1];
    "cond:4 01100 110 rn:4 rd:4 sbo:4 100 1 rm:4" Uqadd8 none a32_parallel[Result::Saturate, false, Shape::Add, 0];
    "cond:4 01100 110 rn:4 rd:4 sbo:4 111 1 rm:4" Uqsub8 none a32_parallel[Result::Saturate, false, Shape::Sub, 0];
    "cond:4 01100 111 rn:4 rd:4 sbo:4 000 1 rm:4" Uhadd16 none a32_parallel[Result::Halve, false, Shape::Add, 1];
    "cond:4 01100 111 rn:4 rd:4 sbo:4 001 1 rm:4" Uhasx none a32_parallel[Result::Halve, false, Shape::Asx, 1];
    "cond:4 01100 111 rn:4 rd:4 sbo:4 010 1 rm:4" Uhsax none a32_parallel[Result::Halve, false, Shape::Sax, 1];
    "cond:4 01100 111 rn:4 rd:4 sbo:4 011 1 rm:4" Uhsub16 none a32_parallel[Result::Halve, false, Shape::Sub, 1];
    "cond:4 01100 111 rn:4 rd:4 sbo:4 100 1 rm:4" Uhadd8 none a32_parallel[Result::Halve, false, Shape::Add, 0];
    "cond:4 01100 111 rn:4 rd:4 sbo:4 111 1 rm:4" Uhsub8 none a32_parallel[Result::Halve, false, Shape::Sub, 0];

    // Packing, unpacking, selection.
    "cond:4 01101 000 rn:4 rd:4 imm5:5 tb 01 rm:4" Pkh none a32_pack;
    "cond:4 01101 000 rn:4 rd:4 sbo:4 1011 rm:4" Sel none a32_select;
    first "cond:4 01101 000 1111 rd:4 rot:2 sbz:2 0111 rm:4" Sxtb16 none a32_extend[Part::Bytes, true];
    "cond:4 01101 000 rn:4 rd:4 rot:2 sbz:2 0111 rm:4" Sxtab16 none a32_extend[Part::Bytes, true];
    first "cond:4 01101 010 1111 rd:4 rot:2 sbz:2 0111 rm:4" Sxtb none a32_extend[Part::Byte, true];
    "cond:4 01101 010 rn:4 rd:4 rot:2 sbz:2 0111 rm:4" Sxtab none a32_extend[Part::Byte, true];
    first "cond:4 01101 011 1111 rd:4 rot:2 sbz:2 0111 rm:4" Sxth none a32_extend[Part::Half, true];
    "cond:4 01101 011 rn:4 rd:4 rot:2 sbz:2 0111 rm:4" Sxtah none a32_extend[Part::Half, true];
    first "cond:4 01101 100 1111 rd:4 rot:2 sbz:2 0111 rm:4" Uxtb16 none a32_extend[Part::Bytes, false];
    "cond:4 01101 100 rn:4 rd:4 rot:2 sbz:2 0111 rm:4" Uxtab16 none a32_extend[Part::Bytes, false];
    first "cond:4 01101 110 1111 rd:4 rot:2 sbz:2 0111 rm:4" Uxtb none a32_extend[Part::Byte, false];
    "cond:4 01101 110 rn:4 rd:4 rot:2 sbz:2 0111 rm:4" Uxtab none a32_extend[Part::Byte, false];
    first "cond:4 01101 111 1111 rd:4 rot:2 sbz:2 0111 rm:4" Uxth none a32_extend[Part::Half, false];
    "cond:4 01101 111 rn:4 rd:4 rot:2 sbz:2 0111 rm:4" Uxtah none a32_extend[Part::Half, false];

    // Saturation.
    "cond:4 0110101 sat:5 rd:4 imm5:5 sh 01 rn:4" Ssat none a32_saturate[false];
    "cond:4 01101010 sat:4 rd:4 sbo:4 0011 rn:4" Ssat16 none a32_saturate_halves[false];
    "cond:4 0110111 sat:5 rd:4 imm5:5 sh 01 rn:4" Usat none a32_saturate[true];
    "cond:4 01101110 sat:4 rd:4 sbo:4 0011 rn:4" Usat16 none a32_saturate_halves[true];

    // Reversal.
    "cond:4 01101011 sbo:4 rd:4 sbo:4 0011 rm:4" Rev none a32_reverse[Reversal::Bytes];
    "cond:4 01101011 sbo:4 rd:4 sbo:4 1011 rm:4" Rev16 none a32_reverse[Reversal::Halves];
    "cond:4 01101111 sbo:4 rd:4 sbo:4 0011 rm:4" Rbit none a32_reverse[Reversal::Bits];
    "cond:4 01101111 sbo:4 rd:4 sbo:4 1011 rm:4" Revsh none a32_reverse[Reversal::Signed];
    "cond:4 00010110 sbo:4 rd:4 sbo:4 0001 rm:4" Clz none a32_reverse[Reversal::Zeros];

    // Sums of absolute differences.
    first "cond:4 01111000 rd:4 1111 rm:4 0001 rn:4" Usad8 none a32_differences;
    "cond:4 01111000 rd:4 ra:4 rm:4 0001 rn:4" Usada8 none a32_differences;

    // Bit fields.
    "cond:4 0111101 width:5 rd:4 lsb:5 101 rn:4" Sbfx none a32_extract[true];
    "cond:4 0111111 width:5 rd:4 lsb:5 101 rn:4" Ubfx none a32_extract[false];
    first "cond:4 0111110 msb:5 rd:4 lsb:5 001 1111" Bfc none a32_insert;
    "cond:4 0111110 msb:5 rd:4 lsb:5 001 rn:4" Bfi none a32_insert;

    // Permanently undefined; Linux takes one of them for a breakpoint.
    "cond:4 01111111 imm12:12 1111 imm4:4" Udf none a32_udf;

    // Moves of 16 bits, and checksums.
    "cond:4 00110000 imm4:4 rd:4 imm12:12" Movw none a32_move_wide;
    "cond:4 00110100 imm4:4 rd:4 imm12:12" Movt none a32_move_top;
    "cond:4 00010 sz:2 0 rn:4 rd:4 sbz:2 0 sbz 0100 rm:4" Crc32 none a32_crc32[false];
    "cond:4 00010 sz:2 0 rn:4 rd:4 sbz:2 1 sbz 0100 rm:4" Crc32c none a32_crc32[true];
}

/// What a parallel operation makes of its exact results.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Result {
    /// The low bits, and GE.
    Plain,
    /// The nearest number.
    Saturate,
    /// Half of it.
    Halve,
}

/// Which lanes a parallel operation adds and subtracts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Add,
    Sub,
    /// The high half adds, the low one subtracts, the second operand's halves exchanged.
    Asx,
    /// The other way round.
    Sax,
}

fn a32_parallel<O: Ops>(o: &mut O, i: Insn, result: Result, signed: bool, shape: Shape, es: u8) {
    parallel(o, result, signed, shape, es, i.reg(12), i.reg(16), i.reg(0));
}

/// A value in each 16- or 32-bit lane (`es` of the narrow lanes, 0 or 1) of 8 bytes.
fn lanes(es: u8, value: i64) -> u128 {
    let bits = 16 << es;
    let lane = value as u64 & (u64::MAX >> (64 - bits));
    (0..64 / bits).fold(0, |all, n| all | (lane as u128) << (n * bits))
}

/// Parallel addition and subtraction.
pub(crate) fn parallel<O: Ops>(
    o: &mut O,
    result: Result,
    signed: bool,
    shape: Shape,
    es: u8,
    d: u8,
    n: u8,
    m: u8,
) {
    if pc(&[d, n, m]) {
        return undefined(o);
    }
    match shape {
        Shape::Add | Shape::Sub if result != Result::Saturate || !signed => {
            alike(o, result, signed, shape == Shape::Sub, es, r(d), r(n), r(m));
        }
        _ => exact(o, result, signed, shape, es, r(d), r(n), r(m)),
    }
}

/// All lanes add or subtract, in the lanes themselves. (The zeroes above the four bytes do no
/// harm.)
fn alike<O: Ops>(o: &mut O, result: Result, signed: bool, subtract: bool, es: u8, d: R, n: R, m: R) {
    let (a, b, t) = (V::T0, V::T1, V::T2);
    o.vfrom(a, 2, n);
    o.vfrom(b, 2, m);
    let args = |d, a, b| VArgs { d, a, b, c: b, es, bytes: 16, imm: 0 };
    let pick = |add, sub| if subtract { sub } else { add };
    let halve = match signed {
        true => pick(VOp::HalfAddS, VOp::HalfSubS),
        false => pick(VOp::HalfAddU, VOp::HalfSubU),
    };
    let op = pick(VOp::Add, VOp::Sub);
    match result {
        Result::Halve => o.vec(halve, args(t, a, b)),
        // Not by saturating operations, which say so in FPSCR.
        Result::Saturate if subtract => {
            o.vec(VOp::MaxU, args(t, a, b));
            o.vec(VOp::Sub, args(t, t, b));
        }
        Result::Saturate => {
            o.vec(VOp::Not, args(t, a, a));
            o.vec(VOp::MinU, args(t, t, b));
            o.vec(VOp::Add, args(t, t, a));
        }
        Result::Plain => {
            o.vec(op, args(t, a, b));
            match (signed, subtract) {
                // The exact result is not negative.
                (true, _) => {
                    o.vec(halve, args(a, a, b));
                    o.vec(VOp::CmpGeZero, args(a, a, a));
                }
                // No borrow.
                (false, true) => o.vec(VOp::CmpGeU, args(a, a, b)),
                // A carry.
                (false, false) => o.vec(VOp::CmpGtU, args(a, a, t)),
            }
            o.vget(false, W::W32, GE, a, 2, 0);
        }
    }
    o.vget(false, W::W32, d, t, 2, 0);
}

/// Exact results in lanes of twice the size, then what is asked of them.
fn exact<O: Ops>(o: &mut O, result: Result, signed: bool, shape: Shape, es: u8, d: R, n: R, m: R) {
    let (a, b, exact, other, constant) = (V::T0, V::T1, V::T2, V::T3, V(44));
    o.vfrom(a, 2, n);
    if matches!(shape, Shape::Asx | Shape::Sax) {
        o.mov(W::W32, R::T0, Src::Shifted(m, Shift::Ror, 16));
        o.vfrom(b, 2, R::T0);
    } else {
        o.vfrom(b, 2, m);
    }
    let wide = |d, a, b, c| VArgs { d, a, b, c, es: es + 1, bytes: 8, imm: 0 };
    let narrow = |d, a, imm| VArgs { d, a, b: a, c: a, es, bytes: 8, imm };
    let add = if signed { VOp::AddLongS } else { VOp::AddLongU };
    let sub = if signed { VOp::SubLongS } else { VOp::SubLongU };
    if shape != Shape::Sub {
        o.vec(add, wide(exact, a, b, b));
    }
    if shape != Shape::Add {
        o.vec(sub, wide(if shape == Shape::Sub { exact } else { other }, a, b, b));
    }
    const LOW: u128 = 0xffff_ffff;
    // The lanes that add, among which an unsigned sum carries at 2^bits.
    let adding = match shape {
        Shape::Add => LOW | LOW << 32,
        Shape::Sub => 0,
        Shape::Asx => LOW << 32,
        Shape::Sax => LOW,
    };
    if matches!(shape, Shape::Asx | Shape::Sax) {
        o.vconst(constant, adding);
        o.vec(VOp::Select, wide(exact, exact, other, constant));
    }
    let bits = 8 << es;
    match result {
        Result::Halve => o.vec(VOp::ShrNarrow, narrow(a, exact, 1)),
        Result::Saturate => {
            let (least, most) =
                if signed { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) };
            o.vconst(constant, lanes(es, least));
            o.vec(VOp::MaxS, wide(exact, exact, constant, constant));
            o.vconst(constant, lanes(es, most));
            o.vec(VOp::MinS, wide(exact, exact, constant, constant));
            o.vec(VOp::ShrNarrow, narrow(a, exact, 0));
        }
        Result::Plain => {
            o.vec(VOp::ShrNarrow, narrow(a, exact, 0));
            o.vconst(constant, if signed { 0 } else { lanes(es, 1 << bits) & adding });
            o.vec(VOp::CmpGeS, wide(exact, exact, constant, constant));
            o.vec(VOp::ShrNarrow, narrow(exact, exact, 0));
            o.vget(false, W::W32, GE, exact, 2, 0);
        }
    }
    o.vget(false, W::W32, d, a, 2, 0);
}

fn a32_pack<O: Ops>(o: &mut O, i: Insn) {
    pack(o, field!(set i.tb), field!(i.imm5) as u8, i.reg(12), i.reg(16), i.reg(0));
}

/// PKHBT: the low half of n, the high half of m shifted left; PKHTB (`top`): the high half of n,
/// the low half of m shifted right.
pub(crate) fn pack<O: Ops>(o: &mut O, top: bool, imm5: u8, d: u8, n: u8, m: u8) {
    if pc(&[d, n, m]) {
        return undefined(o);
    }
    if top {
        let by = if imm5 == 0 { 31 } else { imm5 };
        o.mov(W::W32, R::T1, Src::Shifted(r(m), Shift::Asr, by));
        o.mov(W::W32, R::T0, Src::Reg(r(n)));
        o.insert(W::W32, R::T0, R::T1, 0, 16);
    } else {
        o.mov(W::W32, R::T0, Src::Shifted(r(m), Shift::Lsl, imm5));
        o.insert(W::W32, R::T0, r(n), 0, 16);
    }
    o.mov(W::W32, r(d), Src::Reg(R::T0));
}

fn a32_select<O: Ops>(o: &mut O, i: Insn) {
    select(o, i.reg(12), i.reg(16), i.reg(0));
}

/// SEL: byte by byte n where GE is set, else m.
pub(crate) fn select<O: Ops>(o: &mut O, d: u8, n: u8, m: u8) {
    if pc(&[d, n, m]) {
        return undefined(o);
    }
    o.alu(Alu::Xor, W::W32, R::T0, r(n), Src::Reg(r(m)));
    o.alu(Alu::And, W::W32, R::T0, R::T0, Src::Reg(GE));
    o.alu(Alu::Xor, W::W32, r(d), R::T0, Src::Reg(r(m)));
}

/// What of a register is extended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Byte,
    Half,
    /// Bytes 0 and 2, to halves.
    Bytes,
}

fn a32_extend<O: Ops>(o: &mut O, i: Insn, part: Part, signed: bool) {
    extend(o, part, signed, field!(i.rot) as u8 * 8, i.reg(12), i.reg(16), i.reg(0));
}

/// Extends a part of m rotated right, and adds n unless that is 15.
pub(crate) fn extend<O: Ops>(o: &mut O, part: Part, signed: bool, rotate: u8, d: u8, n: u8, m: u8) {
    if pc(&[d, m]) {
        return undefined(o);
    }
    let w = W::W32;
    let bits = if part == Part::Half { 16 } else { 8 };
    let at = |o: &mut O, d: R, from: u8| {
        if from + bits <= 32 {
            o.extract(signed, w, d, r(m), from, bits);
        } else {
            o.mov(w, d, Src::Shifted(r(m), Shift::Ror, from));
            o.extract(signed, w, d, d, 0, bits);
        }
    };
    if part != Part::Bytes {
        let result = if n == 15 { r(d) } else { R::T0 };
        at(o, result, rotate);
        if n != 15 {
            o.alu(Alu::Add, w, r(d), R::T0, Src::Reg(r(n)));
        }
        return;
    }
    at(o, R::T0, rotate);
    at(o, R::T1, (rotate + 16) % 32);
    if n != 15 {
        o.alu(Alu::Add, w, R::T0, R::T0, Src::Reg(r(n)));
        o.alu(Alu::Add, w, R::T1, R::T1, Src::Shifted(r(n), Shift::Lsr, 16));
    }
    o.insert(w, R::T0, R::T1, 16, 16);
    o.mov(w, r(d), Src::Reg(R::T0));
}

fn a32_saturate<O: Ops>(o: &mut O, i: Insn, unsigned: bool) {
    saturate_shifted(
        o,
        unsigned,
        field!(i.sat, of a32_saturate) as u8,
        field!(set i.sh),
        field!(i.imm5) as u8,
        i.reg(12),
        i.reg(0),
    );
}

/// SSAT, USAT: n shifted left, or right where `right`; a right shift by 0 is one by 32.
pub(crate) fn saturate_shifted<O: Ops>(
    o: &mut O,
    unsigned: bool,
    sat: u8,
    right: bool,
    imm5: u8,
    d: u8,
    n: u8,
) {
    if pc(&[d, n]) {
        return undefined(o);
    }
    let (shift, by) =
        if right { (Shift::Asr, if imm5 == 0 { 31 } else { imm5 }) } else { (Shift::Lsl, imm5) };
    o.mov(W::W32, R::T0, Src::Shifted(r(n), shift, by));
    o.extract(true, W::W64, R::T0, R::T0, 0, 32);
    saturate(o, r(d), R::T0, unsigned, if unsigned { sat } else { sat + 1 });
}

fn a32_saturate_halves<O: Ops>(o: &mut O, i: Insn, unsigned: bool) {
    saturate_halves(o, unsigned, i.reg(16), i.reg(12), i.reg(0));
}

/// SSAT16, USAT16.
pub(crate) fn saturate_halves<O: Ops>(o: &mut O, unsigned: bool, sat: u8, d: u8, n: u8) {
    if pc(&[d, n]) {
        return undefined(o);
    }
    let bits = if unsigned { sat } else { sat + 1 };
    let low = R(62);
    o.extract(true, W::W64, R::T0, r(n), 0, 16);
    saturate(o, low, R::T0, unsigned, bits);
    o.extract(true, W::W64, R::T0, r(n), 16, 16);
    saturate(o, R::T0, R::T0, unsigned, bits);
    o.insert(W::W32, low, R::T0, 16, 16);
    o.mov(W::W32, r(d), Src::Reg(low));
}

/// Operations on one register.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reversal {
    Bytes,
    /// Bytes in each half.
    Halves,
    Bits,
    /// Bytes of the low half, sign-extended.
    Signed,
    /// No reversal: leading zeros.
    Zeros,
}

fn a32_reverse<O: Ops>(o: &mut O, i: Insn, reversal: Reversal) {
    reverse(o, reversal, i.reg(12), i.reg(0));
}

/// REV and its kin, and CLZ.
pub(crate) fn reverse<O: Ops>(o: &mut O, reversal: Reversal, d: u8, m: u8) {
    if pc(&[d, m]) {
        return undefined(o);
    }
    match reversal {
        Reversal::Bytes => o.unary(Unary::Rev32, W::W32, r(d), r(m)),
        Reversal::Halves => o.unary(Unary::Rev16, W::W32, r(d), r(m)),
        Reversal::Bits => o.unary(Unary::Rbit, W::W32, r(d), r(m)),
        Reversal::Zeros => o.unary(Unary::Clz, W::W32, r(d), r(m)),
        Reversal::Signed => {
            o.unary(Unary::Rev16, W::W32, r(d), r(m));
            o.extract(true, W::W32, r(d), r(d), 0, 16);
        }
    }
}

fn a32_differences<O: Ops>(o: &mut O, i: Insn) {
    differences(o, i.reg(16), i.reg(0), i.reg(8), i.reg(12));
}

/// USADA8, or USAD8 where a is 15.
pub(crate) fn differences<O: Ops>(o: &mut O, d: u8, n: u8, m: u8, a: u8) {
    if pc(&[d, n, m]) {
        return undefined(o);
    }
    o.vfrom(V::T0, 2, r(n));
    o.vfrom(V::T1, 2, r(m));
    let args = VArgs { d: V::T0, a: V::T0, b: V::T1, c: V::T1, es: 0, bytes: 4, imm: 0 };
    o.vec(VOp::AbsDiffU, args);
    o.vec(VOp::SumAcrossLongU, VArgs { es: 1, ..args });
    let sum = if a == 15 { r(d) } else { R::T0 };
    o.vget(false, W::W32, sum, V::T0, 1, 0);
    if a != 15 {
        o.alu(Alu::Add, W::W32, r(d), R::T0, Src::Reg(r(a)));
    }
}

fn a32_extract<O: Ops>(o: &mut O, i: Insn, signed: bool) {
    extract(o, signed, field!(i.lsb) as u8, field!(i.width) as u8 + 1, i.reg(12), i.reg(0));
}

/// SBFX, UBFX.
pub(crate) fn extract<O: Ops>(o: &mut O, signed: bool, lsb: u8, width: u8, d: u8, n: u8) {
    if pc(&[d, n]) || lsb + width > 32 {
        return undefined(o);
    }
    o.extract(signed, W::W32, r(d), r(n), lsb, width);
}

fn a32_insert<O: Ops>(o: &mut O, i: Insn) {
    insert(o, field!(i.lsb) as u8, field!(i.msb) as u8, i.reg(12), i.reg(0));
}

/// BFI, or BFC where n is 15.
pub(crate) fn insert<O: Ops>(o: &mut O, lsb: u8, msb: u8, d: u8, n: u8) {
    if d == 15 || msb < lsb {
        return undefined(o);
    }
    o.insert(W::W32, r(d), if n == 15 { R::ZERO } else { r(n) }, lsb, msb - lsb + 1);
}

fn a32_udf<O: Ops>(o: &mut O, i: Insn) {
    // The kernel's AARCH32_BREAK_ARM.
    o.trap(if i.word << 4 == 0x7f00_1f00 { Trap::Breakpoint(0) } else { Trap::Undefined });
}

fn a32_move_wide<O: Ops>(o: &mut O, i: Insn) {
    move_wide(o, i.reg(12), field!(i.imm4, of a32_move_wide) << 12 | field!(i.imm12, of a32_move_wide));
}

/// MOVW.
pub(crate) fn move_wide<O: Ops>(o: &mut O, d: u8, imm16: u32) {
    if d == 15 {
        return undefined(o);
    }
    o.mov(W::W32, r(d), Src::Imm(imm16 as u64));
}

fn a32_move_top<O: Ops>(o: &mut O, i: Insn) {
    move_top(o, i.reg(12), field!(i.imm4, of a32_move_top) << 12 | field!(i.imm12, of a32_move_top));
}

/// MOVT.
pub(crate) fn move_top<O: Ops>(o: &mut O, d: u8, imm16: u32) {
    if d == 15 {
        return undefined(o);
    }
    o.insert_imm16(W::W32, r(d), imm16 as u16, 16);
}

fn a32_crc32<O: Ops>(o: &mut O, i: Insn, castagnoli: bool) {
    crate::mul::crc32(o, castagnoli, field!(i.sz), i.reg(12), i.reg(16), i.reg(0));
}

//! Advanced SIMD with one or two registers, moves, permutations and table lookup (Arm ARM F4.1.7
//! "Advanced SIMD one register and modified immediate", "two registers misc", "duplicate (scalar)",
//! VEXT, VTBL).
//!
//! These are cut out of the three registers of different lengths and of the shifts, and win against
//! both. What is left of their space is undefined.

use crate::decode::{Insn, undefined};
use crate::neon::{B, BH, BHS, S, allowed, vector};
use crate::vfp::{expand, operand, put, vd, vm, vn};
use anyarch_engine::field;
use anyarch_engine::fp::{FOp, imm};
use anyarch_engine::ops::{Ops, R, Round, Src, V, VArgs, W};
use anyarch_engine::vec::{VOp, reads};

anyarch_engine::rows! {
    // One register and modified immediate.
    first "1111 001 i 1 d 000 imm3:3 vd:4 cmode:4 0 q op 1 imm4:4" VmovImmV none modified;

    // Extract, table lookup, duplicate.
    first "1111 0010 1 d 11 vn:4 vd:4 imm4:4 n q m 0 vm:4" Vext none extract;
    first "1111 0011 1 d 11 vn:4 vd:4 10 len:2 n 0 m 0 vm:4" Vtbl none table[false];
    first "1111 0011 1 d 11 vn:4 vd:4 10 len:2 n 1 m 0 vm:4" Vtbx none table[true];
    first "1111 0011 1 d 11 imm4:4 vd:4 1100 0 q m 0 vm:4" VdupScalar none duplicate;

    // Two registers misc.
    first "1111 0011 1 d 11 size:2 00 vd:4 0 0000 q m 0 vm:4" Vrev64 none reverse[3];
    first "1111 0011 1 d 11 size:2 00 vd:4 0 0001 q m 0 vm:4" Vrev32 none reverse[2];
    first "1111 0011 1 d 11 size:2 00 vd:4 0 0010 q m 0 vm:4" Vrev16 none reverse[1];
    first "1111 0011 1 d 11 size:2 00 vd:4 0 0100 q m 0 vm:4" VpaddlS none pairs_long[VOp::AddPairsLongS];
    first "1111 0011 1 d 11 size:2 00 vd:4 0 0101 q m 0 vm:4" VpaddlU none pairs_long[VOp::AddPairsLongU];
    first "1111 0011 1 d 11 00 00 vd:4 0 0110 0 m 0 vm:4" Aese none aes_round[VOp::AesEncLast];
    first "1111 0011 1 d 11 00 00 vd:4 0 0110 1 m 0 vm:4" Aesd none aes_round[VOp::AesDecLast];
    first "1111 0011 1 d 11 00 00 vd:4 0 0111 0 m 0 vm:4" Aesmc none full[VOp::AesMixColumns, 0];
    first "1111 0011 1 d 11 00 00 vd:4 0 0111 1 m 0 vm:4" Aesimc none full[VOp::AesInvMixColumns, 0];
    first "1111 0011 1 d 11 size:2 00 vd:4 0 1000 q m 0 vm:4" Vcls none same[VOp::LeadingSigns, BHS];
    first "1111 0011 1 d 11 size:2 00 vd:4 0 1001 q m 0 vm:4" Vclz none same[VOp::LeadingZeros, BHS];
    first "1111 0011 1 d 11 size:2 00 vd:4 0 1010 q m 0 vm:4" Vcnt none same[VOp::Popcount, B];
    first "1111 0011 1 d 11 size:2 00 vd:4 0 1011 q m 0 vm:4" VmvnReg none same[VOp::Not, B];
    first "1111 0011 1 d 11 size:2 00 vd:4 0 1100 q m 0 vm:4" VpadalS none pairs_long[VOp::AddPairsLongAddS];
    first "1111 0011 1 d 11 size:2 00 vd:4 0 1101 q m 0 vm:4" VpadalU none pairs_long[VOp::AddPairsLongAddU];
    first "1111 0011 1 d 11 size:2 00 vd:4 0 1110 q m 0 vm:4" Vqabs none same[VOp::AbsSat, BHS];
    first "1111 0011 1 d 11 size:2 00 vd:4 0 1111 q m 0 vm:4" Vqneg none same[VOp::NegSat, BHS];
    first "1111 0011 1 d 11 size:2 01 vd:4 0 0000 q m 0 vm:4" VcgtZeroI none same[VOp::CmpGtZero, BHS];
    first "1111 0011 1 d 11 10 01 vd:4 0 1000 q m 0 vm:4" VcgtZeroV none float[FOp::CmpGtZero, 0];
    first "1111 0011 1 d 11 size:2 01 vd:4 0 0001 q m 0 vm:4" VcgeZeroI none same[VOp::CmpGeZero, BHS];
    first "1111 0011 1 d 11 10 01 vd:4 0 1001 q m 0 vm:4" VcgeZeroV none float[FOp::CmpGeZero, 0];
    first "1111 0011 1 d 11 size:2 01 vd:4 0 0010 q m 0 vm:4" VceqZeroI none same[VOp::CmpEqZero, BHS];
    first "1111 0011 1 d 11 10 01 vd:4 0 1010 q m 0 vm:4" VceqZeroV none float[FOp::CmpEqZero, 0];
    first "1111 0011 1 d 11 size:2 01 vd:4 0 0011 q m 0 vm:4" VcleZeroI none same[VOp::CmpLeZero, BHS];
    first "1111 0011 1 d 11 10 01 vd:4 0 1011 q m 0 vm:4" VcleZeroV none float[FOp::CmpLeZero, 0];
    first "1111 0011 1 d 11 size:2 01 vd:4 0 0100 q m 0 vm:4" VcltZeroI none same[VOp::CmpLtZero, BHS];
    first "1111 0011 1 d 11 10 01 vd:4 0 1100 q m 0 vm:4" VcltZeroV none float[FOp::CmpLtZero, 0];
    first "1111 0011 1 d 11 size:2 01 vd:4 0 0110 q m 0 vm:4" VabsI none same[VOp::Abs, BHS];
    first "1111 0011 1 d 11 10 01 vd:4 0 1110 q m 0 vm:4" VabsV none sign[FOp::Abs];
    first "1111 0011 1 d 11 size:2 01 vd:4 0 0111 q m 0 vm:4" VnegI none same[VOp::Neg, BHS];
    first "1111 0011 1 d 11 10 01 vd:4 0 1111 q m 0 vm:4" VnegV none sign[FOp::Neg];
    first "1111 0011 1 d 11 10 01 vd:4 0 0101 1 m 0 vm:4" Sha1h none full[VOp::Sha1Rotate, 2];
    first "1111 0011 1 d 11 00 10 vd:4 0 0000 q m 0 vm:4" Vswp none swap;
    first "1111 0011 1 d 11 size:2 10 vd:4 0 0001 q m 0 vm:4" Vtrn none interleave[VOp::Trn1, VOp::Trn2];
    first "1111 0011 1 d 11 size:2 10 vd:4 0 0010 q m 0 vm:4" Vuzp none interleave[VOp::Uzp1, VOp::Uzp2];
    first "1111 0011 1 d 11 size:2 10 vd:4 0 0011 q m 0 vm:4" Vzip none interleave[VOp::Zip1, VOp::Zip2];
    first "1111 0011 1 d 11 size:2 10 vd:4 0 0100 0 m 0 vm:4" Vmovn none narrow[VOp::ShrNarrow];
    first "1111 0011 1 d 11 size:2 10 vd:4 0 0100 1 m 0 vm:4" Vqmovun none narrow[VOp::ShrNarrowSatSU];
    first "1111 0011 1 d 11 size:2 10 vd:4 0 0101 0 m 0 vm:4" VqmovnS none narrow[VOp::ShrNarrowSatS];
    first "1111 0011 1 d 11 size:2 10 vd:4 0 0101 1 m 0 vm:4" VqmovnU none narrow[VOp::ShrNarrowSatU];
    first "1111 0011 1 d 11 size:2 10 vd:4 0 0110 0 m 0 vm:4" VshllMax none shift_long;
    first "1111 0011 1 d 11 10 10 vd:4 0 0111 0 m 0 vm:4" Sha1su1 none full[VOp::Sha1Schedule1, 2];
    first "1111 0011 1 d 11 10 10 vd:4 0 0111 1 m 0 vm:4" Sha256su0 none full[VOp::Sha256Schedule0, 2];
    first "1111 0011 1 d 11 10 10 vd:4 0 1000 q m 0 vm:4" VrintnV none float[FOp::RoundInt, imm::round(Round::NearestEven)];
    first "1111 0011 1 d 11 10 10 vd:4 0 1001 q m 0 vm:4" VrintxV none float[FOp::RoundIntExact, imm::round(Round::NearestEven)];
    first "1111 0011 1 d 11 10 10 vd:4 0 1010 q m 0 vm:4" VrintaV none float[FOp::RoundInt, imm::round(Round::NearestAway)];
    first "1111 0011 1 d 11 10 10 vd:4 0 1011 q m 0 vm:4" VrintzV none float[FOp::RoundInt, imm::round(Round::Zero)];
    first "1111 0011 1 d 11 10 10 vd:4 0 1101 q m 0 vm:4" VrintmV none float[FOp::RoundInt, imm::round(Round::Down)];
    first "1111 0011 1 d 11 10 10 vd:4 0 1111 q m 0 vm:4" VrintpV none float[FOp::RoundInt, imm::round(Round::Up)];
    first "1111 0011 1 d 11 01 10 vd:4 0 1100 0 m 0 vm:4" VcvtToHalf none to_half;
    first "1111 0011 1 d 11 01 10 vd:4 0 1110 0 m 0 vm:4" VcvtFromHalf none from_half;
    first "1111 0011 1 d 11 10 11 vd:4 0 0000 q m 0 vm:4" VcvtaSV none float[FOp::ToSigned, imm::to_int(Round::NearestAway, 0)];
    first "1111 0011 1 d 11 10 11 vd:4 0 0001 q m 0 vm:4" VcvtaUV none float[FOp::ToUnsigned, imm::to_int(Round::NearestAway, 0)];
    first "1111 0011 1 d 11 10 11 vd:4 0 0010 q m 0 vm:4" VcvtnSV none float[FOp::ToSigned, imm::to_int(Round::NearestEven, 0)];
    first "1111 0011 1 d 11 10 11 vd:4 0 0011 q m 0 vm:4" VcvtnUV none float[FOp::ToUnsigned, imm::to_int(Round::NearestEven, 0)];
    first "1111 0011 1 d 11 10 11 vd:4 0 0100 q m 0 vm:4" VcvtpSV none float[FOp::ToSigned, imm::to_int(Round::Up, 0)];
    first "1111 0011 1 d 11 10 11 vd:4 0 0101 q m 0 vm:4" VcvtpUV none float[FOp::ToUnsigned, imm::to_int(Round::Up, 0)];
    first "1111 0011 1 d 11 10 11 vd:4 0 0110 q m 0 vm:4" VcvtmSV none float[FOp::ToSigned, imm::to_int(Round::Down, 0)];
    first "1111 0011 1 d 11 10 11 vd:4 0 0111 q m 0 vm:4" VcvtmUV none float[FOp::ToUnsigned, imm::to_int(Round::Down, 0)];
    first "1111 0011 1 d 11 10 11 vd:4 0 1000 q m 0 vm:4" VrecpeU none same[VOp::RecipEstU, S];
    first "1111 0011 1 d 11 10 11 vd:4 0 1001 q m 0 vm:4" VrsqrteU none same[VOp::RsqrtEstU, S];
    first "1111 0011 1 d 11 10 11 vd:4 0 1010 q m 0 vm:4" VrecpeV none float[FOp::RecipEstimate, 0];
    first "1111 0011 1 d 11 10 11 vd:4 0 1011 q m 0 vm:4" VrsqrteV none float[FOp::RsqrtEstimate, 0];
    first "1111 0011 1 d 11 10 11 vd:4 0 1100 q m 0 vm:4" VcvtFromSV none float[FOp::FromSigned, 0];
    first "1111 0011 1 d 11 10 11 vd:4 0 1101 q m 0 vm:4" VcvtFromUV none float[FOp::FromUnsigned, 0];
    first "1111 0011 1 d 11 10 11 vd:4 0 1110 q m 0 vm:4" VcvtToSV none float[FOp::ToSigned, imm::to_int(Round::Zero, 0)];
    first "1111 0011 1 d 11 10 11 vd:4 0 1111 q m 0 vm:4" VcvtToUV none float[FOp::ToUnsigned, imm::to_int(Round::Zero, 0)];
    first "1111 0011 1 d 11 xxxx vd:4 0 xxxx x m 0 vm:4" VmiscReserved none reserved;
    first "1111 0011 1 d 11 xxxx vd:4 11 xx x x m 0 vm:4" VdupReserved none reserved;
}

fn reserved<O: Ops>(o: &mut O, _: Insn) {
    undefined(o);
}

/// A value of `1 << es` bytes in both or all lanes of eight.
fn repeat(lane: u64, es: u32) -> u64 {
    match es {
        0 => lane * 0x0101_0101_0101_0101,
        1 => lane * 0x0001_0001_0001_0001,
        2 => lane * 0x0000_0001_0000_0001,
        _ => lane,
    }
}

/// AdvSIMDExpandImm, without the inversion of VMVN and VBIC.
fn expand_modified(op: bool, cmode: u32, imm8: u64) -> u64 {
    match cmode {
        0..8 => repeat(imm8 << (8 * (cmode >> 1)), 2),
        8..12 => repeat(imm8 << (8 * (cmode >> 1 & 1)), 1),
        12 => repeat(imm8 << 8 | 0xff, 2),
        13 => repeat(imm8 << 16 | 0xffff, 2),
        14 if op => (0..8).fold(0, |r, n| r | ((imm8 >> n & 1) * 0xff) << (8 * n)),
        14 => repeat(imm8, 0),
        _ => repeat(expand(imm8, 8, 23), 2),
    }
}

/// VMOV, VMVN, VORR, VBIC.
fn modified<O: Ops>(o: &mut O, i: Insn) {
    let (op, cmode, q, d) = (field!(set i.op), field!(i.cmode), field!(set i.q), vd(i, 3));
    if op && cmode == 15 || q && d & 1 != 0 {
        return undefined(o);
    }
    let imm8 = (field!(i.i) << 7 | field!(i.imm3) << 4 | field!(i.imm4, of modified)) as u64;
    let value = expand_modified(op, cmode, imm8);
    if cmode < 12 && cmode & 1 != 0 {
        o.vconst(V(44), value as u128 | (value as u128) << 64);
        let op = if op { VOp::AndNot } else { VOp::Or };
        let alone = Insn { word: i.word & !(0xf_00af), ..i };
        return vector(o, alone, q, true, 0, |o, args| o.vec(op, VArgs { a: args.c, b: V(44), ..args }));
    }
    let value = if op && cmode < 14 { !value } else { value };
    if q {
        o.vconst(V(d >> 1), value as u128 | (value as u128) << 64);
    } else {
        o.mov(W::W64, R::T0, Src::Imm(value));
        o.vset(V(d >> 1), 3, d & 1, R::T0);
    }
}

fn extract<O: Ops>(o: &mut O, i: Insn) {
    let (imm, q) = (field!(i.imm4, of extract), field!(set i.q));
    if !q && imm > 7 {
        return undefined(o);
    }
    vector(o, i, q, false, 0, |o, args| o.vec(VOp::Extract, VArgs { imm, ..args }));
}

/// VTBL, VTBX: the table is one to four D registers, which become halves of temporaries.
fn table<O: Ops>(o: &mut O, i: Insn, keep: bool) {
    let (d, n, count) = (vd(i, 3), vn(i, 3), field!(i.len) as u8 + 1);
    if n + count > 32 {
        return undefined(o);
    }
    let (result, index, first) = (V(44), V(45), V::T0);
    for k in 0..count {
        let (a, half) = (V((n + k) >> 1), ((n + k) & 1) as u32);
        let to = V(first.0 + k / 2);
        if k & 1 == 0 {
            o.vec(VOp::DupLane, VArgs { d: to, a, b: a, c: a, es: 3, bytes: 8, imm: half });
        } else {
            o.vec(VOp::InsertLane, VArgs { d: to, a, b: a, c: to, es: 3, bytes: 16, imm: 1 | half << 8 });
        }
    }
    let of = |d, a, es, imm| VArgs { d, a, b: a, c: a, es, bytes: 8, imm };
    let (m, half) = (V(vm(i, 3) >> 1), (vm(i, 3) & 1) as u32);
    o.vec(VOp::DupLane, of(index, m, 3, half));
    if keep {
        o.vec(VOp::DupLane, of(result, V(d >> 1), 3, (d & 1) as u32));
        if count & 1 != 0 {
            // The upper half of the last temporary is no part of the table.
            let end = V(46);
            o.vconst(end, repeat(8 * count as u64, 0) as u128);
            o.vec(VOp::CmpGeU, VArgs { b: end, ..of(end, index, 0, 0) });
            o.vec(VOp::Or, VArgs { b: end, ..of(index, index, 0, 0) });
        }
    }
    o.vtbl(keep, result, first, count.div_ceil(2), index, 8);
    put(o, 3, d, result);
}

fn duplicate<O: Ops>(o: &mut O, i: Insn) {
    let imm4 = field!(i.imm4, of duplicate);
    let es = imm4.trailing_zeros() as u8;
    let (d, m, q) = (vd(i, 3), vm(i, 3), field!(set i.q));
    if es > 2 || q && d & 1 != 0 {
        return undefined(o);
    }
    let lane = (imm4 >> (es + 1)) + (((m & 1) as u32) << (3 - es));
    let a = V(m >> 1);
    let (to, bytes) = if q { (V(d >> 1), 16) } else { (V::T0, 8) };
    o.vec(VOp::DupLane, VArgs { d: to, a, b: a, c: a, es, bytes, imm: lane });
    if !q {
        put(o, 3, d, to);
    }
}

fn size(i: Insn) -> u8 {
    field!(i.size) as u8
}

/// Vd and Vm alone.
fn two(i: Insn) -> Insn {
    Insn { word: i.word & !(0xf << 16 | 1 << 7), ..i }
}

/// An operation on Vm.
fn unary<O: Ops>(o: &mut O, i: Insn, accumulates: bool, es: u8, f: impl FnOnce(&mut O, VArgs)) {
    vector(o, two(i), field!(set i.q), accumulates, es, |o, args| f(o, VArgs { a: args.b, ..args }));
}

fn same<O: Ops>(o: &mut O, i: Insn, op: VOp, sizes: u8) {
    if !allowed(sizes, size(i)) {
        return undefined(o);
    }
    unary(o, i, false, size(i), |o, args| o.vec(op, args));
}

fn float<O: Ops>(o: &mut O, i: Insn, op: FOp, imm: u32) {
    unary(o, i, false, 2, |o, args| o.fp_standard(op, VArgs { imm, ..args }));
}

fn sign<O: Ops>(o: &mut O, i: Insn, op: FOp) {
    unary(o, i, false, 2, |o, args| o.fp(op, args));
}

fn reverse<O: Ops>(o: &mut O, i: Insn, container: u8) {
    if size(i) >= container {
        return undefined(o);
    }
    unary(o, i, false, size(i), |o, args| o.vec(VOp::Reverse, VArgs { imm: container as u32, ..args }));
}

fn pairs_long<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    if size(i) == 3 {
        return undefined(o);
    }
    unary(o, i, op.info().reads & reads::C != 0, size(i) + 1, |o, args| o.vec(op, args));
}

/// Operations of the cryptographic extension on Q registers.
fn full<O: Ops>(o: &mut O, i: Insn, op: VOp, es: u8) {
    let bytes = if op == VOp::Sha1Rotate { 4 } else { 16 };
    vector(o, two(i), true, true, es, |o, args| o.vec(op, VArgs { a: args.b, bytes, ..args }));
}

fn aes_round<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    vector(o, two(i), true, true, 0, |o, args| o.vec(op, VArgs { a: args.c, ..args }));
}

/// The two registers of VSWP, VTRN, VUZP and VZIP, as slots of the values and after it their
/// results.
fn both<O: Ops>(o: &mut O, i: Insn, f: impl FnOnce(&mut O, VArgs)) {
    let (d, m, q) = (vd(i, 3), vm(i, 3), field!(set i.q));
    if !q {
        let a = operand(o, 3, d, &[]);
        let b = operand(o, 3, m, &[a]);
        let first = o.lane_temporary(&[a, b]);
        let second = o.lane_temporary(&[a, b, first]);
        f(o, VArgs { d: first, a, b, c: second, es: size(i), bytes: 8, imm: 0 });
        put(o, 3, d, first);
        put(o, 3, m, second);
    } else if (d | m) & 1 != 0 {
        undefined(o);
    } else {
        let (d, m) = (V(d >> 1), V(m >> 1));
        f(o, VArgs { d: V::T0, a: d, b: m, c: V::T1, es: size(i), bytes: 16, imm: 0 });
        for (d, a) in [(d, V::T0), (m, V::T1)] {
            o.vec(VOp::Mov, VArgs { d, a, b: a, c: a, es: 0, bytes: 16, imm: 0 });
        }
    }
}

fn swap<O: Ops>(o: &mut O, i: Insn) {
    both(o, i, |o, args| {
        o.vec(VOp::Mov, VArgs { a: args.b, ..args });
        o.vec(VOp::Mov, VArgs { d: args.c, ..args });
    });
}

fn interleave<O: Ops>(o: &mut O, i: Insn, first: VOp, second: VOp) {
    // A D register has two words, and VTRN is all three operations on them.
    let sizes = if field!(set i.q) || first == VOp::Trn1 { BHS } else { BH };
    if !allowed(sizes, size(i)) {
        return undefined(o);
    }
    both(o, i, |o, args| {
        o.vec(first, args);
        o.vec(second, VArgs { d: args.c, ..args });
    });
}

fn narrow<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    let m = vm(i, 3);
    if m & 1 != 0 || size(i) == 3 {
        return undefined(o);
    }
    let a = V(m >> 1);
    let d = o.lane_temporary(&[]);
    o.vec(op, VArgs { d, a, b: a, c: a, es: size(i), bytes: 8, imm: 0 });
    put(o, 3, vd(i, 3), d);
}

/// VSHLL by the element's size.
fn shift_long<O: Ops>(o: &mut O, i: Insn) {
    let d = vd(i, 3);
    if d & 1 != 0 || size(i) == 3 {
        return undefined(o);
    }
    let a = operand(o, 3, vm(i, 3), &[]);
    let d = V(d >> 1);
    o.vec(VOp::ShlLongU, VArgs { d, a, b: a, c: a, es: size(i) + 1, bytes: 16, imm: 8 << size(i) });
}

fn to_half<O: Ops>(o: &mut O, i: Insn) {
    let m = vm(i, 3);
    if m & 1 != 0 {
        return undefined(o);
    }
    let a = V(m >> 1);
    o.fp_standard(FOp::Convert, VArgs { d: V::T0, a, b: a, c: a, es: 2, bytes: 8, imm: 1 });
    put(o, 3, vd(i, 3), V::T0);
}

fn from_half<O: Ops>(o: &mut O, i: Insn) {
    let d = vd(i, 3);
    if d & 1 != 0 {
        return undefined(o);
    }
    let a = operand(o, 3, vm(i, 3), &[]);
    o.fp_standard(FOp::Convert, VArgs { d: V(d >> 1), a, b: a, c: a, es: 1, bytes: 16, imm: 2 });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modified_immediates() {
        let check =
            |op, cmode, imm8, want: u64| assert_eq!(expand_modified(op, cmode, imm8), want, "{cmode}");
        check(false, 0, 0x12, 0x0000_0012_0000_0012);
        check(false, 6, 0x12, 0x1200_0000_1200_0000);
        check(false, 8, 0x12, 0x0012_0012_0012_0012);
        check(false, 10, 0x12, 0x1200_1200_1200_1200);
        check(false, 12, 0x12, 0x0000_12ff_0000_12ff);
        check(false, 13, 0x12, 0x0012_ffff_0012_ffff);
        check(true, 14, 0x81, 0xff00_0000_0000_00ff);
        check(false, 15, 0x70, 0x3f80_0000_3f80_0000);
    }
}

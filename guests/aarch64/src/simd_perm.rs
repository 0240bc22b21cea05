//! Advanced SIMD moves and permutations (Arm ARM C4.1, "Advanced SIMD copy", "permute", "extract",
//! "table lookup" and "modified immediate").

use crate::decode::{Insn, undefined, zr};
use crate::simd::{args, size, vector_bytes};
use anyarch_engine::field;
use anyarch_engine::ops::{Ops, V, VArgs, W};
use anyarch_engine::vec::VOp;

anyarch_engine::rows! {
    // Modified immediate. These win against the shifts by immediate, which they are cut out of
    // (immh = 0).
    first "0 q op 0111100000 abc:3 0 xx 0 01 defgh:5 rd:5" MoviShifted32 none modified_move;
    first "0 q op 0111100000 abc:3 0 xx 1 01 defgh:5 rd:5" OrrBicImm32 none modified_logic;
    first "0 q op 0111100000 abc:3 10 x 0 01 defgh:5 rd:5" MoviShifted16 none modified_move;
    first "0 q op 0111100000 abc:3 10 x 1 01 defgh:5 rd:5" OrrBicImm16 none modified_logic;
    first "0 q op 0111100000 abc:3 110x 01 defgh:5 rd:5" MoviOnes32 none modified_move;
    first "0 q op 0111100000 abc:3 1110 01 defgh:5 rd:5" MoviBytes none modified_move;
    first "0 q op 0111100000 abc:3 1111 01 defgh:5 rd:5" FmovImmVec none modified_move;
    first "0 q 0 0111100000 abc:3 1111 11 defgh:5 rd:5" FmovImmHalfVec none fmov_half;

    // Copy.
    "0 q 0 01110000 imm5:5 0 0000 1 rn:5 rd:5" DupElem none dup_element;
    "0 q 0 01110000 imm5:5 0 0001 1 rn:5 rd:5" DupGeneral none dup_general;
    "0 1 0 01110000 imm5:5 0 0011 1 rn:5 rd:5" InsGeneral none ins_general;
    "0 q 0 01110000 imm5:5 0 0101 1 rn:5 rd:5" Smov none smov;
    "0 q 0 01110000 imm5:5 0 0111 1 rn:5 rd:5" Umov none umov;
    "0 1 1 01110000 imm5:5 0 imm4:4 1 rn:5 rd:5" InsElem none ins_element;
    "01 0 11110000 imm5:5 0 0000 1 rn:5 rd:5" DupElemScalar none dup_scalar;

    // Permute.
    "0 q 001110 size:2 0 rm:5 0 001 10 rn:5 rd:5" Uzp1 none permute[VOp::Uzp1];
    "0 q 001110 size:2 0 rm:5 0 010 10 rn:5 rd:5" Trn1 none permute[VOp::Trn1];
    "0 q 001110 size:2 0 rm:5 0 011 10 rn:5 rd:5" Zip1 none permute[VOp::Zip1];
    "0 q 001110 size:2 0 rm:5 0 101 10 rn:5 rd:5" Uzp2 none permute[VOp::Uzp2];
    "0 q 001110 size:2 0 rm:5 0 110 10 rn:5 rd:5" Trn2 none permute[VOp::Trn2];
    "0 q 001110 size:2 0 rm:5 0 111 10 rn:5 rd:5" Zip2 none permute[VOp::Zip2];

    // Extract, table lookup.
    "0 q 101110 00 0 rm:5 0 imm4:4 0 rn:5 rd:5" ExtVec none extract;
    "0 q 001110 00 0 rm:5 0 len:2 0 00 rn:5 rd:5" Tbl none table[false];
    "0 q 001110 00 0 rm:5 0 len:2 1 00 rn:5 rd:5" Tbx none table[true];
}

/// 8-bit value repeated in every lane of `1 << es` bytes after a function made it that wide.
#[inline]
fn repeat(lane: u64, es: u32) -> u64 {
    match es {
        0 => lane * 0x0101_0101_0101_0101,
        1 => lane * 0x0001_0001_0001_0001,
        2 => lane * 0x0000_0001_0000_0001,
        _ => lane,
    }
}

/// The manual's AdvSIMDExpandImm, without the inversion of MVNI and BIC.
#[inline]
fn expand(op: bool, cmode: u32, imm8: u64) -> u64 {
    match (cmode >> 1, cmode & 1, op) {
        (n @ 0..=3, _, _) => repeat(imm8 << (8 * n), 2),
        (n @ 4..=5, _, _) => repeat(imm8 << (8 * (n - 4)), 1),
        (_, 0, _) if cmode == 12 => repeat(imm8 << 8 | 0xff, 2),
        (_, 1, _) if cmode == 13 => repeat(imm8 << 16 | 0xffff, 2),
        (_, 0, false) => repeat(imm8, 0),
        // Each bit becomes a byte.
        (_, 0, true) => (0..8).fold(0, |r, n| r | ((imm8 >> n & 1) * 0xff) << (8 * n)),
        (_, _, false) => repeat(expand_float(imm8, 8, 23), 2),
        (_, _, true) => expand_float(imm8, 11, 52),
    }
}

/// VFPExpandImm: sign, an exponent of `e` bits made of one bit, its complement and two bits, a
/// fraction of `f` bits.
#[inline]
pub(crate) fn expand_float(imm8: u64, e: u32, f: u32) -> u64 {
    let b = imm8 >> 6 & 1;
    let exponent = (b ^ 1) << (e - 1) | (b * ((1 << (e - 3)) - 1)) << 2 | imm8 >> 4 & 3;
    (imm8 >> 7) << (e + f) | exponent << f | (imm8 & 15) << (f - 4)
}

#[inline]
fn imm8(i: Insn) -> u64 {
    (field!(i.abc) << 5 | i.bits(5, 5)) as u64
}

/// A constant in the low half, and in the upper half if the vector has one.
#[inline]
fn fill(i: Insn, value: u64) -> u128 {
    value as u128 | if field!(set i.q) { (value as u128) << 64 } else { 0 }
}

fn modified_move<O: Ops>(o: &mut O, i: Insn) {
    let (op, cmode) = (field!(set i.op), i.bits(12, 4));
    if cmode == 15 && op && !field!(set i.q) {
        return undefined(o);
    }
    let value = expand(op, cmode, imm8(i));
    o.vconst(i.vd(), fill(i, if op && cmode < 14 { !value } else { value }));
}

fn modified_logic<O: Ops>(o: &mut O, i: Insn) {
    let value = expand(false, i.bits(12, 4), imm8(i));
    o.vconst(V::T0, fill(i, value));
    let op = if field!(set i.op) { VOp::AndNot } else { VOp::Or };
    o.vec(op, VArgs { a: i.vd(), b: V::T0, ..args(i, 0, vector_bytes(i), 0) });
}

fn fmov_half<O: Ops>(o: &mut O, i: Insn) {
    o.vconst(i.vd(), fill(i, repeat(expand_float(imm8(i), 5, 10), 1)));
}

/// Element size and index of imm5; `None` where none is encoded.
#[inline]
fn imm5(i: Insn) -> Option<(u8, u32)> {
    let imm5 = i.bits(16, 5);
    let es = imm5.trailing_zeros();
    (es < 4).then(|| (es as u8, imm5 >> (es + 1)))
}

fn dup_element<O: Ops>(o: &mut O, i: Insn) {
    match imm5(i) {
        Some((es, index)) if es < 3 || field!(set i.q) => {
            o.vec(VOp::DupLane, args(i, es, vector_bytes(i), index))
        }
        _ => undefined(o),
    }
}

fn dup_scalar<O: Ops>(o: &mut O, i: Insn) {
    match imm5(i) {
        Some((es, index)) => o.vec(VOp::DupLane, args(i, es, 1 << es, index)),
        None => undefined(o),
    }
}

fn dup_general<O: Ops>(o: &mut O, i: Insn) {
    match imm5(i) {
        Some((es, _)) if es < 3 || field!(set i.q) => o.vdup(i.vd(), es, vector_bytes(i), zr(i.n())),
        _ => undefined(o),
    }
}

fn ins_general<O: Ops>(o: &mut O, i: Insn) {
    match imm5(i) {
        Some((es, index)) => o.vset(i.vd(), es, index as u8, zr(i.n())),
        None => undefined(o),
    }
}

fn ins_element<O: Ops>(o: &mut O, i: Insn) {
    match imm5(i) {
        Some((es, to)) => {
            let from = field!(i.imm4) >> es;
            o.vec(VOp::InsertLane, args(i, es, 16, to | from << 8));
        }
        None => undefined(o),
    }
}

fn smov<O: Ops>(o: &mut O, i: Insn) {
    let w = if field!(set i.q) { W::W64 } else { W::W32 };
    match imm5(i) {
        Some((es, index)) if es < 2 || es == 2 && field!(set i.q) => {
            o.vget(true, w, i.rd(), i.vn(), es, index as u8);
        }
        _ => undefined(o),
    }
}

fn umov<O: Ops>(o: &mut O, i: Insn) {
    let w = if field!(set i.q) { W::W64 } else { W::W32 };
    match imm5(i) {
        Some((es, index)) if (es == 3) == field!(set i.q) => {
            o.vget(false, w, i.rd(), i.vn(), es, index as u8)
        }
        _ => undefined(o),
    }
}

fn permute<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    if size(i) == 3 && !field!(set i.q) {
        return undefined(o);
    }
    o.vec(op, args(i, size(i), vector_bytes(i), 0));
}

fn extract<O: Ops>(o: &mut O, i: Insn) {
    let at = field!(i.imm4);
    if at >= vector_bytes(i) as u32 {
        return undefined(o);
    }
    o.vec(VOp::Extract, args(i, 0, vector_bytes(i), at));
}

fn table<O: Ops>(o: &mut O, i: Insn, keep: bool) {
    o.vtbl(keep, i.vd(), i.vn(), field!(i.len) as u8 + 1, i.vm(), vector_bytes(i));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modified_immediates() {
        let check = |op, cmode, imm8, want: u64| assert_eq!(expand(op, cmode, imm8), want, "{cmode}");
        check(false, 0, 0x12, 0x0000_0012_0000_0012);
        check(false, 6, 0x12, 0x1200_0000_1200_0000);
        check(false, 8, 0x12, 0x0012_0012_0012_0012);
        check(false, 10, 0x12, 0x1200_1200_1200_1200);
        check(false, 12, 0x12, 0x0000_12ff_0000_12ff);
        check(false, 13, 0x12, 0x0012_ffff_0012_ffff);
        check(false, 14, 0x12, 0x1212_1212_1212_1212);
        check(true, 14, 0x81, 0xff00_0000_0000_00ff);
        // 1.0 and -0.125.
        check(false, 15, 0x70, 0x3f80_0000_3f80_0000);
        check(true, 15, 0x70, 0x3ff0_0000_0000_0000);
        check(true, 15, 0xc0, 0xbfc0_0000_0000_0000);
        assert_eq!(expand_float(0x70, 5, 10), 0x3c00);
    }
}

//! Advanced SIMD element and structure loads and stores (Arm ARM F4.1.7 "Advanced SIMD element or
//! structure load/store").
//!
//! The register Rm says what happens to the base: 15 nothing, 13 it is advanced by the bytes
//! accessed, else Rm is added. An address must be as aligned as the instruction says, and need not
//! be more. Destination registers change after all loads, or singly, since the base is as it was if
//! one faults.

use crate::decode::{Insn, r, undefined};
use crate::mem::{load, store};
use crate::vfp::{put, transfer, vd};
use anyarch_engine::field;
use anyarch_engine::ops::{Addr, Alu, FaultAddr, LoadExt, MemOrder, Ops, R, Size, Src, V, VArgs, W};
use anyarch_engine::vec::VOp;

anyarch_engine::rows! {
    // Multiple structures: the type says how many registers.
    "1111 0100 0 d 0 0 rn:4 vd:4 0010 size:2 align:2 rm:4" Vst1x4 none whole[false, 4];
    "1111 0100 0 d 0 0 rn:4 vd:4 0110 size:2 align:2 rm:4" Vst1x3 none whole[false, 3];
    "1111 0100 0 d 0 0 rn:4 vd:4 0111 size:2 align:2 rm:4" Vst1x1 none whole[false, 1];
    "1111 0100 0 d 0 0 rn:4 vd:4 1010 size:2 align:2 rm:4" Vst1x2 none whole[false, 2];
    "1111 0100 0 d 0 0 rn:4 vd:4 0011 size:2 align:2 rm:4" Vst2x2 none structures[false, 2, 2, 1];
    "1111 0100 0 d 0 0 rn:4 vd:4 1000 size:2 align:2 rm:4" Vst2x1 none structures[false, 2, 1, 1];
    "1111 0100 0 d 0 0 rn:4 vd:4 1001 size:2 align:2 rm:4" Vst2x1Spaced none structures[false, 2, 1, 2];
    "1111 0100 0 d 0 0 rn:4 vd:4 0100 size:2 align:2 rm:4" Vst3 none structures[false, 3, 1, 1];
    "1111 0100 0 d 0 0 rn:4 vd:4 0101 size:2 align:2 rm:4" Vst3Spaced none structures[false, 3, 1, 2];
    "1111 0100 0 d 0 0 rn:4 vd:4 0000 size:2 align:2 rm:4" Vst4 none structures[false, 4, 1, 1];
    "1111 0100 0 d 0 0 rn:4 vd:4 0001 size:2 align:2 rm:4" Vst4Spaced none structures[false, 4, 1, 2];
    "1111 0100 0 d 1 0 rn:4 vd:4 0010 size:2 align:2 rm:4" Vld1x4 none whole[true, 4];
    "1111 0100 0 d 1 0 rn:4 vd:4 0110 size:2 align:2 rm:4" Vld1x3 none whole[true, 3];
    "1111 0100 0 d 1 0 rn:4 vd:4 0111 size:2 align:2 rm:4" Vld1x1 none whole[true, 1];
    "1111 0100 0 d 1 0 rn:4 vd:4 1010 size:2 align:2 rm:4" Vld1x2 none whole[true, 2];
    "1111 0100 0 d 1 0 rn:4 vd:4 0011 size:2 align:2 rm:4" Vld2x2 none structures[true, 2, 2, 1];
    "1111 0100 0 d 1 0 rn:4 vd:4 1000 size:2 align:2 rm:4" Vld2x1 none structures[true, 2, 1, 1];
    "1111 0100 0 d 1 0 rn:4 vd:4 1001 size:2 align:2 rm:4" Vld2x1Spaced none structures[true, 2, 1, 2];
    "1111 0100 0 d 1 0 rn:4 vd:4 0100 size:2 align:2 rm:4" Vld3 none structures[true, 3, 1, 1];
    "1111 0100 0 d 1 0 rn:4 vd:4 0101 size:2 align:2 rm:4" Vld3Spaced none structures[true, 3, 1, 2];
    "1111 0100 0 d 1 0 rn:4 vd:4 0000 size:2 align:2 rm:4" Vld4 none structures[true, 4, 1, 1];
    "1111 0100 0 d 1 0 rn:4 vd:4 0001 size:2 align:2 rm:4" Vld4Spaced none structures[true, 4, 1, 2];

    // A structure to all lanes.
    first "1111 0100 1 d 1 0 rn:4 vd:4 1100 size:2 t a rm:4" Vld1All none all_lanes[1];
    first "1111 0100 1 d 1 0 rn:4 vd:4 1101 size:2 t a rm:4" Vld2All none all_lanes[2];
    first "1111 0100 1 d 1 0 rn:4 vd:4 1110 size:2 t a rm:4" Vld3All none all_lanes[3];
    first "1111 0100 1 d 1 0 rn:4 vd:4 1111 size:2 t a rm:4" Vld4All none all_lanes[4];

    // A structure to or from one lane.
    "1111 0100 1 d 0 0 rn:4 vd:4 size:2 00 index:4 rm:4" Vst1Lane none one_lane[false, 1];
    "1111 0100 1 d 0 0 rn:4 vd:4 size:2 01 index:4 rm:4" Vst2Lane none one_lane[false, 2];
    "1111 0100 1 d 0 0 rn:4 vd:4 size:2 10 index:4 rm:4" Vst3Lane none one_lane[false, 3];
    "1111 0100 1 d 0 0 rn:4 vd:4 size:2 11 index:4 rm:4" Vst4Lane none one_lane[false, 4];
    "1111 0100 1 d 1 0 rn:4 vd:4 size:2 00 index:4 rm:4" Vld1Lane none one_lane[true, 1];
    "1111 0100 1 d 1 0 rn:4 vd:4 size:2 01 index:4 rm:4" Vld2Lane none one_lane[true, 2];
    "1111 0100 1 d 1 0 rn:4 vd:4 size:2 10 index:4 rm:4" Vld3Lane none one_lane[true, 3];
    "1111 0100 1 d 1 0 rn:4 vd:4 size:2 11 index:4 rm:4" Vld4Lane none one_lane[true, 4];
}

/// Faults unless the base is a multiple of `bytes`.
fn aligned<O: Ops>(o: &mut O, i: Insn, bytes: u32, loads: bool) {
    if bytes > 1 {
        o.check_aligned(bytes, r(i.reg(16)), 0, !loads, FaultAddr::Access);
    }
}

fn write_back<O: Ops>(o: &mut O, i: Insn, bytes: u32) {
    let (n, m) = (r(i.reg(16)), i.reg(0));
    match m {
        15 => {}
        13 => o.alu(Alu::Add, W::W32, n, n, Src::Imm(bytes as u64)),
        m => o.alu(Alu::Add, W::W32, n, n, Src::Reg(r(m))),
    }
}

fn at(i: Insn, offset: u32) -> Addr {
    Addr::Base(r(i.reg(16)), offset as i64)
}

/// VLD1, VST1 of `count` registers.
fn whole<O: Ops>(o: &mut O, i: Insn, loads: bool, count: u8) {
    let (d, align, es) = (vd(i, 3), field!(i.align), field!(i.size, of whole) as u8);
    let wrong = match count {
        1 | 3 => align & 2 != 0,
        2 => align == 3,
        _ => false,
    };
    if wrong || d + count > 32 || i.reg(16) == 15 {
        return undefined(o);
    }
    aligned(o, i, if align == 0 { 1 } else { 4 << align }, loads);
    let mut k = 0;
    while k < count {
        let n = d + k;
        let a = at(i, 8 * k as u32);
        if i.big() {
            element_by_element(o, i, loads, es, n, 8 * k as u32);
            k += 1;
        } else if n & 1 == 0 && k + 1 < count {
            if loads {
                o.vload(16, V(n >> 1), a)
            } else {
                o.vstore(16, V(n >> 1), a)
            }
            k += 2;
        } else {
            transfer(o, i, loads, 3, n, a);
            k += 1;
        }
    }
    write_back(o, i, 8 * count as u32);
}

/// A D register whose elements have the byte order each.
fn element_by_element<O: Ops>(o: &mut O, i: Insn, loads: bool, es: u8, d: u8, offset: u32) {
    for e in 0..8 >> es {
        lane(o, i, loads, es, d, e, offset + ((e as u32) << es));
    }
}

/// One element of a D register.
fn lane<O: Ops>(o: &mut O, i: Insn, loads: bool, es: u8, d: u8, index: u8, offset: u32) {
    let (v, index) = (V(d >> 1), index + ((d & 1) << (3 - es)));
    let size = Size::from_log2(es as u32);
    if loads {
        load(o, i, (size, LoadExt::Zero), R::T0, at(i, offset), MemOrder::Plain);
        o.vset(v, es, index, R::T0);
    } else {
        o.vget(false, W::W64, R::T0, v, es, index);
        store(o, i, size, R::T0, at(i, offset), MemOrder::Plain);
    }
}

/// VLD2 to VLD4, VST2 to VST4: structures of `n` elements, in `registers` D registers each, which
/// are `increment` apart.
fn structures<O: Ops>(o: &mut O, i: Insn, loads: bool, n: u8, registers: u8, increment: u8) {
    let (d, align, es) = (vd(i, 3), field!(i.align), field!(i.size, of structures) as u8);
    // The two registers of an element follow each other, and the next element's follow them.
    let increment = if registers == 2 { 2 } else { increment };
    let wrong = match n {
        2 if registers == 1 => align == 3,
        3 => align & 2 != 0,
        _ => false,
    };
    let last = d + (n - 1) * increment + registers - 1;
    if wrong || es == 3 || last > 31 || i.reg(16) == 15 {
        return undefined(o);
    }
    aligned(o, i, if align == 0 { 1 } else { 4 << align }, loads);
    let bytes = 8 * registers;
    let name = |k: u8, half: u8| d + k * increment + half;
    if i.big() {
        for half in 0..registers {
            for e in 0..8 >> es {
                for k in 0..n {
                    let offset = (((half * (8 >> es) + e) * n + k) as u32) << es;
                    lane(o, i, loads, es, name(k, half), e, offset);
                }
            }
        }
    } else if loads {
        o.vload_struct(n, es, bytes, V::T0, r(i.reg(16)));
        for k in 0..n {
            let from = V(V::T0.0 + k);
            put(o, 3, name(k, 0), from);
            if registers == 2 {
                let (to, half) = (V(name(k, 1) >> 1), (name(k, 1) & 1) as u32);
                o.vec(
                    VOp::InsertLane,
                    VArgs { d: to, a: from, b: from, c: to, es: 3, bytes: 16, imm: half | 1 << 8 },
                );
            }
        }
    } else {
        for k in 0..n {
            let to = V(V::T0.0 + k);
            let (a, half) = (V(name(k, 0) >> 1), (name(k, 0) & 1) as u32);
            o.vec(VOp::DupLane, VArgs { d: to, a, b: a, c: a, es: 3, bytes: 8, imm: half });
            if registers == 2 {
                let (a, half) = (V(name(k, 1) >> 1), (name(k, 1) & 1) as u32);
                o.vec(VOp::InsertLane, VArgs { d: to, a, b: a, c: to, es: 3, bytes: 16, imm: 1 | half << 8 });
            }
        }
        o.vstore_struct(n, es, bytes, V::T0, r(i.reg(16)));
    }
    write_back(o, i, (n * bytes) as u32);
}

/// VLDn to all lanes.
fn all_lanes<O: Ops>(o: &mut O, i: Insn, n: u8) {
    let (d, size, t, a) = (vd(i, 3), field!(i.size, of all_lanes) as u8, field!(set i.t), field!(set i.a));
    // VLD4 has words with an alignment of 16 bytes.
    let quad = n == 4 && size == 3;
    if size == 3 && !(quad && a) || n == 1 && size == 0 && a || n == 3 && a || i.reg(16) == 15 {
        return undefined(o);
    }
    let es = if quad { 2 } else { size };
    // For VLD1 T is a second register with the same elements, else the distance of the registers.
    let (registers, increment) = if n == 1 { (1 + t as u8, 1) } else { (1, 1 + t as u8) };
    let last = d + if n == 1 { registers - 1 } else { (n - 1) * increment };
    if last > 31 {
        return undefined(o);
    }
    let alignment = match n {
        _ if !a => 1,
        4 if quad => 16,
        4 if es == 2 => 8,
        _ => (n as u32) << es,
    };
    aligned(o, i, alignment, true);
    let bytes = 1u32 << es;
    for k in 0..n {
        let (to, t) = (V(V::T0.0 + k), R::T0);
        load(o, i, (Size::from_log2(es as u32), LoadExt::Zero), t, at(i, k as u32 * bytes), MemOrder::Plain);
        o.vdup(to, es, 8, t);
    }
    for k in 0..n {
        put(o, 3, d + k * increment, V(V::T0.0 + k));
    }
    if n == 1 && registers == 2 {
        put(o, 3, d + 1, V::T0);
    }
    write_back(o, i, n as u32 * bytes);
}

/// VLDn, VSTn of one lane.
fn one_lane<O: Ops>(o: &mut O, i: Insn, loads: bool, n: u8) {
    let (d, es, align) = (vd(i, 3), field!(i.size, of one_lane) as u8, field!(i.index));
    if es == 3 || i.reg(16) == 15 {
        return undefined(o);
    }
    let index = (align >> (es + 1)) as u8;
    // Below the index are the distance of the registers (but for bytes) and the alignment.
    let (spaced, bits) = match es {
        0 => (false, align & 1),
        1 if n == 1 => (false, align & 3),
        1 => (align & 2 != 0, align & 1),
        _ if n == 1 => (false, align & 7),
        _ => (align & 4 != 0, align & 3),
    };
    let alignment = match (n, es, bits) {
        (_, _, 0) => 1,
        (1, 1, 1) => 2,
        (1, 2, 3) => 4,
        (2, _, 1) => 2 << es,
        (4, 0 | 1, 1) => 4 << es,
        (4, 2, 1 | 2) => 4 << bits,
        _ => return undefined(o),
    };
    let increment = 1 + spaced as u8;
    if d + (n - 1) * increment > 31 {
        return undefined(o);
    }
    aligned(o, i, alignment, loads);
    for k in 0..n {
        lane(o, i, loads, es, d + k * increment, index, (k as u32) << es);
    }
    write_back(o, i, (n as u32) << es);
}

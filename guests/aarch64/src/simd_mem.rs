//! Advanced SIMD structure loads and stores (Arm ARM C4.1, "Advanced SIMD load/store multiple
//! structures" and "single structure").
//!
//! A fault leaves every register as it was. An instruction touches at most 64 bytes in a row, so at
//! most two pages: where several registers are loaded one by one, the first goes to a temporary and
//! the last is loaded next; when both have succeeded the others cannot fault, and the first moves
//! to its place at the end.

use crate::decode::{Insn, undefined, zr};
use crate::simd::vector_bytes;
use anyarch_engine::field;
use anyarch_engine::ops::{Addr, Alu, LoadExt, MemOrder, Ops, R, Size, Src, V, VArgs, W};
use anyarch_engine::vec::VOp;

anyarch_engine::rows! {
    // Multiple structures: registers, then registers of one structure.
    "0 q 0011000 0 000000 0000 size:2 rn:5 rt:5" St4Multiple none store_structs[4];
    "0 q 0011000 0 000000 0010 size:2 rn:5 rt:5" St1Multiple4 none store_plain[4];
    "0 q 0011000 0 000000 0100 size:2 rn:5 rt:5" St3Multiple none store_structs[3];
    "0 q 0011000 0 000000 0110 size:2 rn:5 rt:5" St1Multiple3 none store_plain[3];
    "0 q 0011000 0 000000 0111 size:2 rn:5 rt:5" St1Multiple1 none store_plain[1];
    "0 q 0011000 0 000000 1000 size:2 rn:5 rt:5" St2Multiple none store_structs[2];
    "0 q 0011000 0 000000 1010 size:2 rn:5 rt:5" St1Multiple2 none store_plain[2];
    "0 q 0011000 1 000000 0000 size:2 rn:5 rt:5" Ld4Multiple none load_structs[4];
    "0 q 0011000 1 000000 0010 size:2 rn:5 rt:5" Ld1Multiple4 none load_plain[4];
    "0 q 0011000 1 000000 0100 size:2 rn:5 rt:5" Ld3Multiple none load_structs[3];
    "0 q 0011000 1 000000 0110 size:2 rn:5 rt:5" Ld1Multiple3 none load_plain[3];
    "0 q 0011000 1 000000 0111 size:2 rn:5 rt:5" Ld1Multiple1 none load_plain[1];
    "0 q 0011000 1 000000 1000 size:2 rn:5 rt:5" Ld2Multiple none load_structs[2];
    "0 q 0011000 1 000000 1010 size:2 rn:5 rt:5" Ld1Multiple2 none load_plain[2];

    // The same, post-indexed.
    "0 q 0011001 0 0 rm:5 0000 size:2 rn:5 rt:5" St4MultiplePost none store_structs[4];
    "0 q 0011001 0 0 rm:5 0010 size:2 rn:5 rt:5" St1Multiple4Post none store_plain[4];
    "0 q 0011001 0 0 rm:5 0100 size:2 rn:5 rt:5" St3MultiplePost none store_structs[3];
    "0 q 0011001 0 0 rm:5 0110 size:2 rn:5 rt:5" St1Multiple3Post none store_plain[3];
    "0 q 0011001 0 0 rm:5 0111 size:2 rn:5 rt:5" St1Multiple1Post none store_plain[1];
    "0 q 0011001 0 0 rm:5 1000 size:2 rn:5 rt:5" St2MultiplePost none store_structs[2];
    "0 q 0011001 0 0 rm:5 1010 size:2 rn:5 rt:5" St1Multiple2Post none store_plain[2];
    "0 q 0011001 1 0 rm:5 0000 size:2 rn:5 rt:5" Ld4MultiplePost none load_structs[4];
    "0 q 0011001 1 0 rm:5 0010 size:2 rn:5 rt:5" Ld1Multiple4Post none load_plain[4];
    "0 q 0011001 1 0 rm:5 0100 size:2 rn:5 rt:5" Ld3MultiplePost none load_structs[3];
    "0 q 0011001 1 0 rm:5 0110 size:2 rn:5 rt:5" Ld1Multiple3Post none load_plain[3];
    "0 q 0011001 1 0 rm:5 0111 size:2 rn:5 rt:5" Ld1Multiple1Post none load_plain[1];
    "0 q 0011001 1 0 rm:5 1000 size:2 rn:5 rt:5" Ld2MultiplePost none load_structs[2];
    "0 q 0011001 1 0 rm:5 1010 size:2 rn:5 rt:5" Ld1Multiple2Post none load_plain[2];

    // Single structure. Opcode's bit 0 and r give the number of registers: 1, 2 (r), 3, 4 (r).
    "0 q 0011010 0 r 00000 00 x s size:2 rn:5 rt:5" StSingleB none store_lane;
    "0 q 0011010 0 r 00000 01 x s size:2 rn:5 rt:5" StSingleH none store_lane;
    "0 q 0011010 0 r 00000 10 x s size:2 rn:5 rt:5" StSingleSD none store_lane;
    "0 q 0011010 1 r 00000 00 x s size:2 rn:5 rt:5" LdSingleB none load_lane;
    "0 q 0011010 1 r 00000 01 x s size:2 rn:5 rt:5" LdSingleH none load_lane;
    "0 q 0011010 1 r 00000 10 x s size:2 rn:5 rt:5" LdSingleSD none load_lane;
    "0 q 0011010 1 r 00000 11 x 0 size:2 rn:5 rt:5" LdReplicate none load_replicate;

    // The same, post-indexed.
    "0 q 0011011 0 r rm:5 00 x s size:2 rn:5 rt:5" StSingleBPost none store_lane;
    "0 q 0011011 0 r rm:5 01 x s size:2 rn:5 rt:5" StSingleHPost none store_lane;
    "0 q 0011011 0 r rm:5 10 x s size:2 rn:5 rt:5" StSingleSDPost none store_lane;
    "0 q 0011011 1 r rm:5 00 x s size:2 rn:5 rt:5" LdSingleBPost none load_lane;
    "0 q 0011011 1 r rm:5 01 x s size:2 rn:5 rt:5" LdSingleHPost none load_lane;
    "0 q 0011011 1 r rm:5 10 x s size:2 rn:5 rt:5" LdSingleSDPost none load_lane;
    "0 q 0011011 1 r rm:5 11 x 0 size:2 rn:5 rt:5" LdReplicatePost none load_replicate;
}

/// The n-th register from Vt, wrapping around.
#[inline]
fn vt(i: Insn, n: u8) -> V {
    V((i.d() + n) & 31)
}

#[inline]
fn at(i: Insn, offset: i64) -> Addr {
    Addr::Base(i.rn_sp(), offset)
}

/// Write-back of the post-indexed forms: by Rm, or by the bytes transferred if that is 31.
fn post_index<O: Ops>(o: &mut O, i: Insn, bytes: u64) {
    if i.bit(23) {
        let by = if i.m() == 31 { Src::Imm(bytes) } else { Src::Reg(zr(i.m())) };
        o.alu(Alu::Add, W::W64, i.rn_sp(), i.rn_sp(), by);
    }
}

fn load_plain<O: Ops>(o: &mut O, i: Insn, regs: u8) {
    let bytes = vector_bytes(i);
    let offset = |n: u8| (n * bytes) as i64;
    if regs == 1 {
        o.vload(bytes, vt(i, 0), at(i, 0));
    } else {
        o.vload(bytes, V::T0, at(i, 0));
        for n in (1..regs).rev() {
            o.vload(bytes, vt(i, n), at(i, offset(n)));
        }
        let (d, a) = (vt(i, 0), V::T0);
        o.vec(VOp::Mov, VArgs { d, a, b: a, c: a, es: 0, bytes: 16, imm: 0 });
    }
    post_index(o, i, offset(regs) as u64);
}

fn store_plain<O: Ops>(o: &mut O, i: Insn, regs: u8) {
    let bytes = vector_bytes(i);
    for n in 0..regs {
        o.vstore(bytes, vt(i, n), at(i, (n * bytes) as i64));
    }
    post_index(o, i, (regs * bytes) as u64);
}

/// Element size of the multiple structures; `None` for structures of 1D elements.
#[inline]
fn struct_size(i: Insn) -> Option<u8> {
    let es = field!(i.size) as u8;
    (es < 3 || field!(set i.q)).then_some(es)
}

fn load_structs<O: Ops>(o: &mut O, i: Insn, regs: u8) {
    let Some(es) = struct_size(i) else { return undefined(o) };
    o.vload_struct(regs, es, vector_bytes(i), vt(i, 0), i.rn_sp());
    post_index(o, i, (regs * vector_bytes(i)) as u64);
}

fn store_structs<O: Ops>(o: &mut O, i: Insn, regs: u8) {
    let Some(es) = struct_size(i) else { return undefined(o) };
    o.vstore_struct(regs, es, vector_bytes(i), vt(i, 0), i.rn_sp());
    post_index(o, i, (regs * vector_bytes(i)) as u64);
}

/// Registers of a single structure.
#[inline]
fn single_regs(i: Insn) -> u8 {
    (i.bits(13, 1) << 1 | field!(i.r)) as u8 + 1
}

/// Element size and lane of a single structure: Q:S:size holds the lane above the bits that the
/// size does not need.
#[inline]
fn lane(i: Insn) -> Option<(u8, u8)> {
    let (s, size) = (field!(i.s), field!(i.size));
    let index = field!(i.q) << 3 | s << 2 | size;
    match (i.bits(14, 2), size) {
        (0, _) => Some((0, index as u8)),
        (1, 0 | 2) => Some((1, index as u8 >> 1)),
        (2, 0) => Some((2, index as u8 >> 2)),
        (2, 1) if s == 0 => Some((3, index as u8 >> 3)),
        _ => None,
    }
}

const TEMPS: [R; 4] = [R::T0, R::T1, R::T2, R::T3];

fn load_lane<O: Ops>(o: &mut O, i: Insn) {
    let Some((es, index)) = lane(i) else { return undefined(o) };
    let (size, regs) = (Size::from_log2(es as u32), single_regs(i));
    for n in 0..regs {
        o.load(size, LoadExt::Zero, TEMPS[n as usize], at(i, (n << es) as i64), MemOrder::Plain);
    }
    for n in 0..regs {
        o.vset(vt(i, n), es, index, TEMPS[n as usize]);
    }
    post_index(o, i, (regs << es) as u64);
}

fn store_lane<O: Ops>(o: &mut O, i: Insn) {
    let Some((es, index)) = lane(i) else { return undefined(o) };
    let (size, regs) = (Size::from_log2(es as u32), single_regs(i));
    for n in 0..regs {
        o.vget(false, W::W64, R::T0, vt(i, n), es, index);
        o.store(size, R::T0, at(i, (n << es) as i64), MemOrder::Plain);
    }
    post_index(o, i, (regs << es) as u64);
}

const VTEMPS: [V; 4] = [V::T0, V::T1, V::T2, V::T3];

fn load_replicate<O: Ops>(o: &mut O, i: Insn) {
    let (es, regs) = (field!(i.size) as u8, single_regs(i));
    for n in 0..regs {
        o.vload(1 << es, VTEMPS[n as usize], at(i, (n << es) as i64));
    }
    for n in 0..regs {
        let a = VTEMPS[n as usize];
        let args = VArgs { d: vt(i, n), a, b: a, c: a, es, bytes: vector_bytes(i), imm: 0 };
        o.vec(VOp::DupLane, args);
    }
    post_index(o, i, (regs << es) as u64);
}

//! Loads and stores of general registers, and of whole SIMD&FP registers (Arm ARM C4.1, "Loads and
//! Stores").
//!
//! A row covers one addressing mode; `size` and `opc` tell the access apart (see [`integer_access`]
//! and [`vector_access`]). Base registers change only after the access. Where base and destination
//! are the same register with write-back, which is unpredictable, the address wins.

use crate::decode::{Insn, undefined};
use anyarch_engine::field;
use anyarch_engine::ops::{Addr, Alu, Ext, LoadExt, MemOrder, Ops, R, Size, Src, V, W};

anyarch_engine::rows! {
    // Load register (literal).
    "opc:2 011 0 00 imm19:19 rt:5" LdrLiteral none ldr_literal;
    "opc:2 011 1 00 imm19:19 rt:5" LdrLiteralV none ldr_literal_v;

    // Load/store no-allocate pair, pair (post-indexed, offset, pre-indexed).
    "opc:2 101 0 000 l imm7:7 rt2:5 rn:5 rt:5" Ldnp none ldnp;
    "opc:2 101 0 001 l imm7:7 rt2:5 rn:5 rt:5" LdpPost none ldp_post;
    "opc:2 101 0 010 l imm7:7 rt2:5 rn:5 rt:5" LdpOffset none ldp_offset;
    "opc:2 101 0 011 l imm7:7 rt2:5 rn:5 rt:5" LdpPre none ldp_pre;
    "opc:2 101 1 000 l imm7:7 rt2:5 rn:5 rt:5" LdnpV none ldp_offset_v;
    "opc:2 101 1 001 l imm7:7 rt2:5 rn:5 rt:5" LdpPostV none ldp_post_v;
    "opc:2 101 1 010 l imm7:7 rt2:5 rn:5 rt:5" LdpOffsetV none ldp_offset_v;
    "opc:2 101 1 011 l imm7:7 rt2:5 rn:5 rt:5" LdpPreV none ldp_pre_v;

    // Load/store register (unscaled immediate, immediate post-indexed, unprivileged, immediate
    // pre-indexed).
    "size:2 111 0 00 opc:2 0 imm9:9 00 rn:5 rt:5" Ldur none ldur;
    "size:2 111 0 00 opc:2 0 imm9:9 01 rn:5 rt:5" LdrPost none ldr_post;
    "size:2 111 0 00 opc:2 0 imm9:9 10 rn:5 rt:5" Ldtr none ldtr;
    "size:2 111 0 00 opc:2 0 imm9:9 11 rn:5 rt:5" LdrPre none ldr_pre;
    "size:2 111 1 00 opc:2 0 imm9:9 00 rn:5 rt:5" LdurV none ldur_v;
    "size:2 111 1 00 opc:2 0 imm9:9 01 rn:5 rt:5" LdrPostV none ldr_post_v;
    "size:2 111 1 00 opc:2 0 imm9:9 11 rn:5 rt:5" LdrPreV none ldr_pre_v;

    // Load/store register (register offset).
    "size:2 111 0 00 opc:2 1 rm:5 option:3 s 10 rn:5 rt:5" LdrReg none ldr_reg;
    "size:2 111 1 00 opc:2 1 rm:5 option:3 s 10 rn:5 rt:5" LdrRegV none ldr_reg_v;

    // Load/store register (unsigned immediate).
    "size:2 111 0 01 opc:2 imm12:12 rn:5 rt:5" LdrImm none ldr_imm;
    "size:2 111 1 01 opc:2 imm12:12 rn:5 rt:5" LdrImmV none ldr_imm_v;

    // LDAPR/STLR (unscaled immediate).
    "size:2 011001 opc:2 0 imm9:9 00 rn:5 rt:5" Ldapur none ldapur;
}

/// What a load or store of a general register does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Store,
    Load(LoadExt),
    Prefetch,
}

/// By `size` and `opc`; `None` where not allocated.
#[inline]
fn integer_access(i: Insn) -> Option<(Size, Access)> {
    let (size, opc) = (i.bits(30, 2), i.bits(22, 2));
    let access = match (opc, size) {
        (0, _) => Access::Store,
        (1, _) => Access::Load(LoadExt::Zero),
        (2, 3) => Access::Prefetch,
        (2, _) => Access::Load(LoadExt::Sign64),
        (_, 0 | 1) => Access::Load(LoadExt::Sign32),
        _ => return None,
    };
    Some((Size::from_log2(size), access))
}

/// log2 of the bytes, and whether it is a load, by `size` and `opc`; `None` where not allocated.
#[inline]
fn vector_access(i: Insn) -> Option<(u32, bool)> {
    let log2 = i.bits(23, 1) << 2 | i.bits(30, 2);
    (log2 <= 4).then_some((log2, field!(set i.l)))
}

fn access<O: Ops>(o: &mut O, size: Size, access: Access, t: R, a: Addr, order: MemOrder) {
    match access {
        Access::Store => o.store(size, t, a, order),
        Access::Load(ext) => o.load(size, ext, t, a, order),
        Access::Prefetch => {}
    }
}

fn vector<O: Ops>(o: &mut O, (log2, load): (u32, bool), t: V, a: Addr) {
    if load {
        o.vload(1 << log2, t, a);
    } else {
        o.vstore(1 << log2, t, a);
    }
}

fn write_back<O: Ops>(o: &mut O, base: R, offset: i64) {
    if offset < 0 {
        o.alu(Alu::Sub, W::W64, base, base, Src::Imm(offset.unsigned_abs()));
    } else if offset > 0 {
        o.alu(Alu::Add, W::W64, base, base, Src::Imm(offset as u64));
    }
}

// One general register.

fn ldr_literal<O: Ops>(o: &mut O, i: Insn) {
    let a = literal(i);
    match field!(i.opc, of ldr_literal) {
        0 => o.load(Size::B4, LoadExt::Zero, i.rd(), a, MemOrder::Plain),
        1 => o.load(Size::B8, LoadExt::Zero, i.rd(), a, MemOrder::Plain),
        2 => o.load(Size::B4, LoadExt::Sign64, i.rd(), a, MemOrder::Plain),
        _ => {}
    }
}

#[inline]
fn literal(i: Insn) -> Addr {
    Addr::Abs(i.pc.wrapping_add((field!(i64 i.imm19) << 2) as u64))
}

fn ldr_imm<O: Ops>(o: &mut O, i: Insn) {
    let Some((size, kind)) = integer_access(i) else { return undefined(o) };
    let offset = (field!(i.imm12) << size as u32) as i64;
    access(o, size, kind, i.rd(), Addr::Base(i.rn_sp(), offset), MemOrder::Plain);
}

fn ldur<O: Ops>(o: &mut O, i: Insn) {
    let Some((size, kind)) = integer_access(i) else { return undefined(o) };
    access(o, size, kind, i.rd(), Addr::Base(i.rn_sp(), field!(i64 i.imm9)), MemOrder::Plain);
}

fn ldtr<O: Ops>(o: &mut O, i: Insn) {
    // At user level the unprivileged forms are plain; there is no prefetch among them.
    match integer_access(i) {
        Some((_, Access::Prefetch)) => undefined(o),
        _ => ldur(o, i),
    }
}

fn ldr_indexed<O: Ops>(o: &mut O, i: Insn, pre: bool) {
    let (base, offset) = (i.rn_sp(), field!(i64 i.imm9));
    match integer_access(i) {
        None | Some((_, Access::Prefetch)) => undefined(o),
        Some((size, kind)) => {
            let t = if i.rd() == base && kind != Access::Store { R::ZERO } else { i.rd() };
            access(o, size, kind, t, Addr::Base(base, if pre { offset } else { 0 }), MemOrder::Plain);
            write_back(o, base, offset);
        }
    }
}

fn ldr_post<O: Ops>(o: &mut O, i: Insn) {
    ldr_indexed(o, i, false);
}

fn ldr_pre<O: Ops>(o: &mut O, i: Insn) {
    ldr_indexed(o, i, true);
}

/// Rn + extended Rm; `None` where not allocated.
#[inline]
fn register_offset(i: Insn, log2: u32) -> Option<Addr> {
    let ext = match field!(i.option) {
        2 => Ext::U32,
        3 | 7 => Ext::X64,
        6 => Ext::S32,
        _ => return None,
    };
    let shift = if field!(set i.s) { log2 as u8 } else { 0 };
    Some(match i.rm() {
        R::ZERO => Addr::Base(i.rn_sp(), 0),
        rm => Addr::Index(i.rn_sp(), rm, ext, shift),
    })
}

fn ldr_reg<O: Ops>(o: &mut O, i: Insn) {
    let Some((size, kind)) = integer_access(i) else { return undefined(o) };
    let Some(a) = register_offset(i, size as u32) else { return undefined(o) };
    access(o, size, kind, i.rd(), a, MemOrder::Plain);
}

fn ldapur<O: Ops>(o: &mut O, i: Insn) {
    match integer_access(i) {
        None | Some((_, Access::Prefetch)) => undefined(o),
        Some((size, kind)) => {
            let store = kind == Access::Store;
            let order = if store { MemOrder::Release } else { MemOrder::Acquire };
            crate::atomic::aligned(o, i, size.bytes(), field!(i64 i.imm9), store);
            access(o, size, kind, i.rd(), Addr::Base(i.rn_sp(), field!(i64 i.imm9)), order);
        }
    }
}

// One SIMD&FP register.

fn ldr_literal_v<O: Ops>(o: &mut O, i: Insn) {
    match field!(i.opc, of ldr_literal_v) {
        3 => undefined(o),
        opc => o.vload(4 << opc, i.vd(), literal(i)),
    }
}

fn ldr_imm_v<O: Ops>(o: &mut O, i: Insn) {
    let Some(kind) = vector_access(i) else { return undefined(o) };
    let offset = (field!(i.imm12) << kind.0) as i64;
    vector(o, kind, i.vd(), Addr::Base(i.rn_sp(), offset));
}

fn ldur_v<O: Ops>(o: &mut O, i: Insn) {
    let Some(kind) = vector_access(i) else { return undefined(o) };
    vector(o, kind, i.vd(), Addr::Base(i.rn_sp(), field!(i64 i.imm9)));
}

fn ldr_post_v<O: Ops>(o: &mut O, i: Insn) {
    let Some(kind) = vector_access(i) else { return undefined(o) };
    vector(o, kind, i.vd(), Addr::Base(i.rn_sp(), 0));
    write_back(o, i.rn_sp(), field!(i64 i.imm9));
}

fn ldr_pre_v<O: Ops>(o: &mut O, i: Insn) {
    let Some(kind) = vector_access(i) else { return undefined(o) };
    vector(o, kind, i.vd(), Addr::Base(i.rn_sp(), field!(i64 i.imm9)));
    write_back(o, i.rn_sp(), field!(i64 i.imm9));
}

fn ldr_reg_v<O: Ops>(o: &mut O, i: Insn) {
    let Some(kind) = vector_access(i) else { return undefined(o) };
    let Some(a) = register_offset(i, kind.0) else { return undefined(o) };
    vector(o, kind, i.vd(), a);
}

// Pairs.

/// Where a pair is, and what happens to its base.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Index {
    Offset,
    Pre,
    Post,
}

fn ldp<O: Ops>(o: &mut O, i: Insn, index: Index) {
    let load = field!(set i.l);
    let (size, ext) = match (i.bits(30, 2), load) {
        (0, _) => (Size::B4, LoadExt::Zero),
        (1, true) => (Size::B4, LoadExt::Sign64),
        (2, _) => (Size::B8, LoadExt::Zero),
        _ => return undefined(o),
    };
    let (base, offset) = (i.rn_sp(), field!(i64 i.imm7) << size as u32);
    let at = if index == Index::Post { 0 } else { offset };
    let (first, second) = (Addr::Base(base, at), Addr::Base(base, at + size.bytes() as i64));
    if load {
        // With write-back the base gets the address whatever was loaded into it.
        let keep = |r: R| if index != Index::Offset && r == base { R::ZERO } else { r };
        let (t, t2) = (keep(i.rd()), keep(i.ra()));
        if t == base {
            o.load(size, ext, R::T0, first, MemOrder::Plain);
            o.load(size, ext, t2, second, MemOrder::Plain);
            o.mov(W::W64, t, Src::Reg(R::T0));
        } else {
            o.load(size, ext, t, first, MemOrder::Plain);
            o.load(size, ext, t2, second, MemOrder::Plain);
        }
    } else {
        o.store(size, i.rd(), first, MemOrder::Plain);
        o.store(size, i.ra(), second, MemOrder::Plain);
    }
    if index != Index::Offset {
        write_back(o, base, offset);
    }
}

fn ldnp<O: Ops>(o: &mut O, i: Insn) {
    if field!(i.opc, of ldnp) == 1 {
        return undefined(o);
    }
    ldp(o, i, Index::Offset);
}

fn ldp_offset<O: Ops>(o: &mut O, i: Insn) {
    ldp(o, i, Index::Offset);
}

fn ldp_post<O: Ops>(o: &mut O, i: Insn) {
    ldp(o, i, Index::Post);
}

fn ldp_pre<O: Ops>(o: &mut O, i: Insn) {
    ldp(o, i, Index::Pre);
}

fn ldp_v<O: Ops>(o: &mut O, i: Insn, index: Index) {
    let opc = i.bits(30, 2);
    if opc == 3 {
        return undefined(o);
    }
    let kind = (opc + 2, field!(set i.l));
    let (base, offset) = (i.rn_sp(), field!(i64 i.imm7) << kind.0);
    let at = if index == Index::Post { 0 } else { offset };
    vector(o, kind, i.vd(), Addr::Base(base, at));
    vector(o, kind, i.va(), Addr::Base(base, at + (1 << kind.0)));
    if index != Index::Offset {
        write_back(o, base, offset);
    }
}

fn ldp_offset_v<O: Ops>(o: &mut O, i: Insn) {
    ldp_v(o, i, Index::Offset);
}

fn ldp_post_v<O: Ops>(o: &mut O, i: Insn) {
    ldp_v(o, i, Index::Post);
}

fn ldp_pre_v<O: Ops>(o: &mut O, i: Insn) {
    ldp_v(o, i, Index::Pre);
}

//! Loads and stores of general registers (Arm ARM F4.1.2 "Extra load/store", "Synchronization
//! primitives", F4.1.4, F4.1.5; F3.1.3 for T32). The functions take register numbers, so that both
//! instruction sets share them.
//!
//! Base registers change after the access. Unaligned words and halves are allowed; several words,
//! exclusives and ordered accesses must be aligned ([`Ops::check_aligned`]). At user level the
//! unprivileged forms are the plain ones. Big-endian data is reversed after a load and before a
//! store.

use crate::data::{Operand, go, read, source};
use crate::decode::{Insn, r, undefined};
use crate::state::PC_N;
use anyarch_engine::field;
use anyarch_engine::ops::{Addr, Alu, FaultAddr, LoadExt, MemOrder, Ops, R, Rmw, Shift, Size, Src, Unary, W};

anyarch_engine::rows! {
    // Load/store word, unsigned byte (immediate, register).
    "cond:4 010 p u 0 w 0 rn:4 rt:4 imm12:12" StrImm none immediate[WORD, false];
    "cond:4 010 p u 0 w 1 rn:4 rt:4 imm12:12" LdrImm none immediate[WORD, true];
    "cond:4 010 p u 1 w 0 rn:4 rt:4 imm12:12" StrbImm none immediate[BYTE, false];
    "cond:4 010 p u 1 w 1 rn:4 rt:4 imm12:12" LdrbImm none immediate[BYTE, true];
    "cond:4 011 p u 0 w 0 rn:4 rt:4 imm5:5 type:2 0 rm:4" StrReg none register[WORD, false];
    "cond:4 011 p u 0 w 1 rn:4 rt:4 imm5:5 type:2 0 rm:4" LdrReg none register[WORD, true];
    "cond:4 011 p u 1 w 0 rn:4 rt:4 imm5:5 type:2 0 rm:4" StrbReg none register[BYTE, false];
    "cond:4 011 p u 1 w 1 rn:4 rt:4 imm5:5 type:2 0 rm:4" LdrbReg none register[BYTE, true];

    // Extra load/store.
    "cond:4 000 p u i w 0 rn:4 rt:4 high:4 1011 low:4" Strh none extra[HALF, false];
    "cond:4 000 p u i w 1 rn:4 rt:4 high:4 1011 low:4" Ldrh none extra[HALF, true];
    "cond:4 000 p u i w 1 rn:4 rt:4 high:4 1101 low:4" Ldrsb none extra[SIGNED_BYTE, true];
    "cond:4 000 p u i w 1 rn:4 rt:4 high:4 1111 low:4" Ldrsh none extra[SIGNED_HALF, true];
    "cond:4 000 p u i w 0 rn:4 rt:4 high:4 1101 low:4" Ldrd none extra_dual[true];
    "cond:4 000 p u i w 0 rn:4 rt:4 high:4 1111 low:4" Strd none extra_dual[false];

    // Synchronization primitives and load-acquire, store-release.
    "cond:4 00010 b 00 rn:4 rt:4 sbz:4 1001 rt2:4" Swp none a32_swap;
    "cond:4 00011 00 0 rn:4 sbo:4 sbo:2 00 1001 rt:4" Stl none a32_store_release[Size::B4];
    "cond:4 00011 10 0 rn:4 sbo:4 sbo:2 00 1001 rt:4" Stlb none a32_store_release[Size::B1];
    "cond:4 00011 11 0 rn:4 sbo:4 sbo:2 00 1001 rt:4" Stlh none a32_store_release[Size::B2];
    "cond:4 00011 00 1 rn:4 rt:4 sbo:2 00 1001 sbo:4" Lda none a32_load_acquire[Size::B4];
    "cond:4 00011 10 1 rn:4 rt:4 sbo:2 00 1001 sbo:4" Ldab none a32_load_acquire[Size::B1];
    "cond:4 00011 11 1 rn:4 rt:4 sbo:2 00 1001 sbo:4" Ldah none a32_load_acquire[Size::B2];
    "cond:4 00011 00 0 rn:4 rd:4 sbo:2 10 1001 rt:4" Stlex none a32_store_exclusive[Size::B4];
    "cond:4 00011 01 0 rn:4 rd:4 sbo:2 10 1001 rt:4" Stlexd none a32_store_exclusive[Size::B8];
    "cond:4 00011 10 0 rn:4 rd:4 sbo:2 10 1001 rt:4" Stlexb none a32_store_exclusive[Size::B1];
    "cond:4 00011 11 0 rn:4 rd:4 sbo:2 10 1001 rt:4" Stlexh none a32_store_exclusive[Size::B2];
    "cond:4 00011 00 1 rn:4 rt:4 sbo:2 10 1001 sbo:4" Ldaex none a32_load_exclusive[Size::B4];
    "cond:4 00011 01 1 rn:4 rt:4 sbo:2 10 1001 sbo:4" Ldaexd none a32_load_exclusive[Size::B8];
    "cond:4 00011 10 1 rn:4 rt:4 sbo:2 10 1001 sbo:4" Ldaexb none a32_load_exclusive[Size::B1];
    "cond:4 00011 11 1 rn:4 rt:4 sbo:2 10 1001 sbo:4" Ldaexh none a32_load_exclusive[Size::B2];
    "cond:4 00011 00 0 rn:4 rd:4 sbo:2 11 1001 rt:4" Strex none a32_store_exclusive[Size::B4];
    "cond:4 00011 01 0 rn:4 rd:4 sbo:2 11 1001 rt:4" Strexd none a32_store_exclusive[Size::B8];
    "cond:4 00011 10 0 rn:4 rd:4 sbo:2 11 1001 rt:4" Strexb none a32_store_exclusive[Size::B1];
    "cond:4 00011 11 0 rn:4 rd:4 sbo:2 11 1001 rt:4" Strexh none a32_store_exclusive[Size::B2];
    "cond:4 00011 00 1 rn:4 rt:4 sbo:2 11 1001 sbo:4" Ldrex none a32_load_exclusive[Size::B4];
    "cond:4 00011 01 1 rn:4 rt:4 sbo:2 11 1001 sbo:4" Ldrexd none a32_load_exclusive[Size::B8];
    "cond:4 00011 10 1 rn:4 rt:4 sbo:2 11 1001 sbo:4" Ldrexb none a32_load_exclusive[Size::B1];
    "cond:4 00011 11 1 rn:4 rt:4 sbo:2 11 1001 sbo:4" Ldrexh none a32_load_exclusive[Size::B2];

    // Load/store multiple. (With bit 22 they are of another mode, or a return from an exception.)
    "cond:4 100 p u 0 w 0 rn:4 list:16" Stm none a32_multiple[false];
    "cond:4 100 p u 0 w 1 rn:4 list:16" Ldm none a32_multiple[true];
}

/// Bytes of an access, and how a load fills the register.
pub(crate) type Kind = (Size, LoadExt);
pub(crate) const WORD: Kind = (Size::B4, LoadExt::Zero);
pub(crate) const HALF: Kind = (Size::B2, LoadExt::Zero);
pub(crate) const BYTE: Kind = (Size::B1, LoadExt::Zero);
pub(crate) const SIGNED_HALF: Kind = (Size::B2, LoadExt::Sign32);
pub(crate) const SIGNED_BYTE: Kind = (Size::B1, LoadExt::Sign32);

/// The offset of an address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offset {
    /// A constant.
    Imm(i32),
    /// A register, shifted; added, or subtracted.
    Reg(Operand, bool),
}

/// What happens to the base.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Index {
    Offset,
    Pre,
    Post,
}

impl Index {
    fn of(i: Insn) -> Index {
        match (field!(set i.p), field!(set i.w)) {
            (true, false) => Index::Offset,
            (true, true) => Index::Pre,
            // With write-back as well it is an unprivileged access.
            (false, _) => Index::Post,
        }
    }
}

/// Loads with the byte order.
pub(crate) fn load<O: Ops>(o: &mut O, i: Insn, (size, ext): Kind, d: R, a: Addr, order: MemOrder) {
    if !i.big() || size == Size::B1 {
        return o.load(size, ext, d, a, order);
    }
    o.load(size, LoadExt::Zero, d, a, order);
    reverse(o, size, d, d);
    if ext != LoadExt::Zero {
        o.extract(true, W::W32, d, d, 0, 8 * size.bytes() as u8);
    }
}

/// Stores with the byte order.
pub(crate) fn store<O: Ops>(o: &mut O, i: Insn, size: Size, s: R, a: Addr, order: MemOrder) {
    let s = swapped(o, i, size, s, R(62));
    o.store(size, s, a, order);
}

fn reverse<O: Ops>(o: &mut O, size: Size, d: R, s: R) {
    match size {
        Size::B1 => {}
        Size::B2 => o.unary(Unary::Rev16, W::W32, d, s),
        Size::B4 => o.unary(Unary::Rev32, W::W32, d, s),
        Size::B8 => o.unary(Unary::Rev64, W::W64, d, s),
    }
}

/// What is to be stored of s: s, or its bytes reversed in a temporary.
fn swapped<O: Ops>(o: &mut O, i: Insn, size: Size, s: R, temporary: R) -> R {
    if !i.big() || size == Size::B1 {
        return s;
    }
    reverse(o, size, temporary, s);
    temporary
}

fn immediate<O: Ops>(o: &mut O, i: Insn, kind: Kind, loads: bool) {
    let imm = field!(i.imm12) as i32;
    single(
        o,
        i,
        kind,
        loads,
        i.reg(12),
        i.reg(16),
        Offset::Imm(if field!(set i.u) { imm } else { -imm }),
        Index::of(i),
    );
}

fn register<O: Ops>(o: &mut O, i: Insn, kind: Kind, loads: bool) {
    if i.reg(0) == 15 {
        return undefined(o);
    }
    let operand = Operand::decode(i.reg(0), field!(i.type), field!(i.imm5));
    single(o, i, kind, loads, i.reg(12), i.reg(16), Offset::Reg(operand, field!(set i.u)), Index::of(i));
}

/// The offset of the extra loads and stores; `None` where it is the program counter.
fn extra_offset(i: Insn) -> Option<Offset> {
    if i.bit(22) {
        let imm = (i.bits(8, 4) << 4 | i.bits(0, 4)) as i32;
        return Some(Offset::Imm(if field!(set i.u) { imm } else { -imm }));
    }
    (i.reg(0) != 15).then(|| Offset::Reg(Operand::reg(i.reg(0)), field!(set i.u)))
}

fn extra<O: Ops>(o: &mut O, i: Insn, kind: Kind, loads: bool) {
    match extra_offset(i) {
        Some(offset) => single(o, i, kind, loads, i.reg(12), i.reg(16), offset, Index::of(i)),
        None => undefined(o),
    }
}

/// T1 = n with the offset.
fn sum<O: Ops>(o: &mut O, i: Insn, n: u8, operand: Operand, add: bool) {
    let base = if n == 15 { read(o, i, n, PC_N) } else { r(n) };
    let (b, _) = source(o, i, operand, false);
    o.alu(if add { Alu::Add } else { Alu::Sub }, W::W32, R::T1, base, b);
}

/// n += a constant.
fn advance<O: Ops>(o: &mut O, n: R, by: i32) {
    if by < 0 {
        o.alu(Alu::Sub, W::W32, n, n, Src::Imm(by.unsigned_abs() as u64));
    } else if by > 0 {
        o.alu(Alu::Add, W::W32, n, n, Src::Imm(by as u64));
    }
}

/// One register, t, at an address from n.
pub(crate) fn single<O: Ops>(
    o: &mut O,
    i: Insn,
    kind: Kind,
    loads: bool,
    t: u8,
    n: u8,
    offset: Offset,
    index: Index,
) {
    let writes_back = index != Index::Offset;
    let to_pc = loads && t == 15;
    if writes_back && n == 15 || t == 15 && kind != WORD || to_pc && i.inside_it() {
        return undefined(o);
    }
    let a = match offset {
        Offset::Imm(imm) if n == 15 => Addr::Abs(i.pc_aligned().wrapping_add(imm as u32) as u64),
        Offset::Imm(_) if index == Index::Post => Addr::Base(r(n), 0),
        Offset::Imm(imm) => Addr::Base(r(n), imm as i64),
        Offset::Reg(Operand::Shifted(m, Shift::Lsl, by @ 0..4), true) if !writes_back => {
            Addr::Scaled(read(o, i, n, PC_N), r(m), by, 0)
        }
        Offset::Reg(operand, add) => {
            sum(o, i, n, operand, add);
            Addr::Base(if index == Index::Post { r(n) } else { R::T1 }, 0)
        }
    };
    let write_back = |o: &mut O| match offset {
        _ if !writes_back => {}
        Offset::Imm(imm) => advance(o, r(n), imm),
        Offset::Reg(..) => o.mov(W::W32, r(n), Src::Reg(R::T1)),
    };
    if !loads {
        let s = read(o, i, t, R::T0);
        store(o, i, kind.0, s, a, MemOrder::Plain);
        write_back(o);
    } else if to_pc || writes_back && t == n {
        load(o, i, kind, R::T0, a, MemOrder::Plain);
        write_back(o);
        if to_pc {
            go(o, i, R::T0, n == 13 && index == Index::Post);
        } else {
            o.mov(W::W32, r(t), Src::Reg(R::T0));
        }
    } else {
        load(o, i, kind, r(t), a, MemOrder::Plain);
        write_back(o);
    }
}

fn extra_dual<O: Ops>(o: &mut O, i: Insn, loads: bool) {
    let t = i.reg(12);
    match extra_offset(i) {
        // There is no unprivileged form.
        Some(_) if !field!(set i.p) && field!(set i.w) => undefined(o),
        Some(offset) if t & 1 == 0 => dual(o, i, loads, t, t + 1, i.reg(16), offset, Index::of(i)),
        _ => undefined(o),
    }
}

/// LDRD, STRD.
pub(crate) fn dual<O: Ops>(
    o: &mut O,
    i: Insn,
    loads: bool,
    t: u8,
    t2: u8,
    n: u8,
    offset: Offset,
    index: Index,
) {
    if t == 15 || t2 == 15 || n == 15 && index != Index::Offset || loads && t == t2 {
        return undefined(o);
    }
    let (base, at) = match offset {
        Offset::Imm(imm) if n == 15 => {
            o.mov_addr(R::T1, i.pc_aligned().wrapping_add(imm as u32) as u64);
            (R::T1, 0)
        }
        Offset::Imm(_) if index == Index::Post => (r(n), 0),
        Offset::Imm(imm) => (r(n), imm as i64),
        Offset::Reg(operand, add) => {
            sum(o, i, n, operand, add);
            (if index == Index::Post { r(n) } else { R::T1 }, 0)
        }
    };
    o.check_aligned(4, base, at, !loads, FaultAddr::Access);
    let (first, second) = (Addr::Base(base, at), Addr::Base(base, at + 4));
    if i.big() && loads {
        load(o, i, WORD, R::T0, first, MemOrder::Plain);
        load(o, i, WORD, R::T2, second, MemOrder::Plain);
        o.mov(W::W32, r(t), Src::Reg(R::T0));
        o.mov(W::W32, r(t2), Src::Reg(R::T2));
    } else if i.big() {
        store(o, i, Size::B4, r(t), first, MemOrder::Plain);
        store(o, i, Size::B4, r(t2), second, MemOrder::Plain);
    } else if loads {
        // One access: of eight bytes that are aligned to eight other threads see all or nothing.
        o.load(Size::B8, LoadExt::Zero, r(t), first, MemOrder::Plain);
        o.mov(W::W64, r(t2), Src::Shifted(r(t), Shift::Lsr, 32));
        o.mov(W::W32, r(t), Src::Reg(r(t)));
    } else {
        o.alu(Alu::Or, W::W64, R::T0, r(t), Src::Shifted(r(t2), Shift::Lsl, 32));
        o.store(Size::B8, R::T0, first, MemOrder::Plain);
    }
    match offset {
        _ if index == Index::Offset => {}
        // What is loaded stays.
        _ if loads && (t == n || t2 == n) => {}
        Offset::Imm(imm) => advance(o, r(n), imm),
        Offset::Reg(..) => o.mov(W::W32, r(n), Src::Reg(R::T1)),
    }
}

fn a32_multiple<O: Ops>(o: &mut O, i: Insn, loads: bool) {
    multiple(o, i, loads, i.reg(16), field!(i.list), field!(set i.p), field!(set i.u), field!(set i.w));
}

/// LDM, STM: `before` and `increments` are the P and U bits.
pub(crate) fn multiple<O: Ops>(
    o: &mut O,
    i: Insn,
    loads: bool,
    n: u8,
    list: u32,
    before: bool,
    increments: bool,
    writes_back: bool,
) {
    let to_pc = loads && list >> 15 & 1 != 0;
    if n == 15 || list == 0 || to_pc && i.inside_it() {
        return undefined(o);
    }
    let bytes = 4 * list.count_ones() as i32;
    let mut at = match (increments, before) {
        (true, false) => 0,
        (true, true) => 4,
        (false, false) => 4 - bytes,
        (false, true) => -bytes,
    } as i64;
    o.check_aligned(4, r(n), at, !loads, FaultAddr::Access);
    for t in (0..16).filter(|t| list >> t & 1 != 0) {
        let a = Addr::Base(r(n), at);
        at += 4;
        if loads {
            let d = match t {
                15 => R::T0,
                t if t == n => R::T1,
                t => r(t),
            };
            load(o, i, WORD, d, a, MemOrder::Plain);
        } else {
            let s = read(o, i, t, R::T0);
            store(o, i, Size::B4, s, a, MemOrder::Plain);
        }
    }
    if writes_back {
        advance(o, r(n), if increments { bytes } else { -bytes });
    }
    if loads && list >> n & 1 != 0 {
        o.mov(W::W32, r(n), Src::Reg(R::T1));
    }
    if to_pc {
        go(o, i, R::T0, n == 13);
    }
}

fn a32_swap<O: Ops>(o: &mut O, i: Insn) {
    let (n, t, t2) = (i.reg(16), i.reg(12), i.reg(0));
    if [n, t, t2].contains(&15) {
        return undefined(o);
    }
    let size = if field!(set i.b) { Size::B1 } else { Size::B4 };
    // Linux emulates it (arch/arm64/kernel/armv8_deprecated.c, swp_handler).
    o.check_aligned(size.bytes(), r(n), 0, true, FaultAddr::Segment);
    let s = swapped(o, i, size, r(t2), R::T0);
    o.rmw(Rmw::Swap, size, r(t), s, r(n));
    if i.big() {
        reverse(o, size, r(t), r(t));
    }
}

fn a32_store_release<O: Ops>(o: &mut O, i: Insn, size: Size) {
    store_release(o, i, size, i.reg(0), i.reg(16));
}

/// STL.
pub(crate) fn store_release<O: Ops>(o: &mut O, i: Insn, size: Size, t: u8, n: u8) {
    if t == 15 || n == 15 {
        return undefined(o);
    }
    o.check_aligned(size.bytes(), r(n), 0, true, FaultAddr::Access);
    store(o, i, size, r(t), Addr::Base(r(n), 0), MemOrder::SeqCst);
}

fn a32_load_acquire<O: Ops>(o: &mut O, i: Insn, size: Size) {
    load_acquire(o, i, size, i.reg(12), i.reg(16));
}

/// LDA.
pub(crate) fn load_acquire<O: Ops>(o: &mut O, i: Insn, size: Size, t: u8, n: u8) {
    if t == 15 || n == 15 {
        return undefined(o);
    }
    o.check_aligned(size.bytes(), r(n), 0, false, FaultAddr::Access);
    load(o, i, (size, LoadExt::Zero), r(t), Addr::Base(r(n), 0), MemOrder::SeqCst);
}

fn a32_load_exclusive<O: Ops>(o: &mut O, i: Insn, size: Size) {
    let t = i.reg(12);
    if size == Size::B8 && t & 1 != 0 {
        return undefined(o);
    }
    load_exclusive(o, i, size, t, t + 1, i.reg(16), 0);
}

/// LDREX and LDAEX: of a pair of registers where `size` is B8.
pub(crate) fn load_exclusive<O: Ops>(o: &mut O, i: Insn, size: Size, t: u8, t2: u8, n: u8, offset: i64) {
    if t == 15 || n == 15 || size == Size::B8 && (t2 == 15 || t == t2) {
        return undefined(o);
    }
    let a = exclusive_address(o, size, n, offset, false);
    if size == Size::B8 {
        o.load_exclusive(size, r(t), a);
        o.mov(W::W64, r(t2), Src::Shifted(r(t), Shift::Lsr, 32));
        o.mov(W::W32, r(t), Src::Reg(r(t)));
        if i.big() {
            reverse(o, Size::B4, r(t), r(t));
            reverse(o, Size::B4, r(t2), r(t2));
        }
    } else {
        o.load_exclusive(size, r(t), a);
        if i.big() {
            reverse(o, size, r(t), r(t));
        }
    }
}

fn exclusive_address<O: Ops>(o: &mut O, size: Size, n: u8, offset: i64, write: bool) -> R {
    o.check_aligned(size.bytes(), r(n), offset, write, FaultAddr::Access);
    if offset == 0 {
        return r(n);
    }
    o.alu(Alu::Add, W::W32, R::T1, r(n), Src::Imm(offset as u64));
    R::T1
}

fn a32_store_exclusive<O: Ops>(o: &mut O, i: Insn, size: Size) {
    let t = i.reg(0);
    if size == Size::B8 && t & 1 != 0 {
        return undefined(o);
    }
    store_exclusive(o, i, size, i.reg(12), t, t + 1, i.reg(16), 0);
}

/// STREX and STLEX: of a pair of registers where `size` is B8.
pub(crate) fn store_exclusive<O: Ops>(
    o: &mut O,
    i: Insn,
    size: Size,
    d: u8,
    t: u8,
    t2: u8,
    n: u8,
    offset: i64,
) {
    let pair = size == Size::B8;
    if d == 15 || t == 15 || n == 15 || d == n || d == t || pair && (t2 == 15 || d == t2) {
        return undefined(o);
    }
    let a = exclusive_address(o, size, n, offset, true);
    if pair {
        let s = swapped(o, i, Size::B4, r(t), R(62));
        let s2 = swapped(o, i, Size::B4, r(t2), R(63));
        o.alu(Alu::Or, W::W64, R::T0, s, Src::Shifted(s2, Shift::Lsl, 32));
        o.store_exclusive(size, r(d), R::T0, a);
    } else {
        let s = swapped(o, i, size, r(t), R(62));
        o.store_exclusive(size, r(d), s, a);
    }
}

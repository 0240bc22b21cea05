//! Exclusives, ordered loads and stores, and the atomic memory operations of FEAT_LSE (Arm ARM
//! C4.1, "Loads and Stores").
//!
//! The acquire and release bits of read-modify-write operations are not looked at: the operations
//! are sequentially consistent. The same holds for exclusives, whose store is.
//!
//! All of them fault unless the address is a multiple of what they access, as without FEAT_LSE2
//! (Arm ARM B2.8.2), which would also promise that LDP and STP of 16 bytes are atomic. The
//! store-exclusive's address is checked before its monitor.

use crate::decode::{Insn, undefined, zr};
use anyarch_engine::field;
use anyarch_engine::ops::{Addr, FaultAddr, LoadExt, MemOrder, Ops, Rmw, Size};

anyarch_engine::rows! {
    // Compare and swap pair.
    "0 sz 001000 0 l 1 rs:5 o0 11111 rn:5 rt:5" Casp none casp;

    // Load/store exclusive pair.
    "1 sz 001000 0 0 1 rs:5 o0 rt2:5 rn:5 rt:5" Stxp none stxp;
    "1 sz 001000 0 1 1 xxxxx o0 rt2:5 rn:5 rt:5" Ldxp none ldxp;

    // Load/store exclusive register.
    "size:2 001000 0 0 0 rs:5 o0 xxxxx rn:5 rt:5" Stxr none stxr;
    "size:2 001000 0 1 0 xxxxx o0 xxxxx rn:5 rt:5" Ldxr none ldxr;

    // Load/store ordered (LDAR, STLR; LDLAR, STLLR of FEAT_LOR, which may order more than they
    // must).
    "size:2 001000 1 0 0 xxxxx o0 xxxxx rn:5 rt:5" Stlr none stlr;
    "size:2 001000 1 1 0 xxxxx o0 xxxxx rn:5 rt:5" Ldar none ldar;

    // Compare and swap.
    "size:2 001000 1 l 1 rs:5 o0 11111 rn:5 rt:5" Cas none cas;

    // Atomic memory operations.
    "size:2 111 0 00 a r 1 rs:5 0 opc:3 00 rn:5 rt:5" Ldop none ldop;
    "size:2 111 0 00 a r 1 rs:5 1 000 00 rn:5 rt:5" Swp none swp;
    "size:2 111 0 00 1 0 1 11111 1 100 00 rn:5 rt:5" Ldapr none ldapr;
}

#[inline]
fn size(i: Insn) -> Size {
    Size::from_log2(field!(i.size))
}

/// Size of the registers of a pair.
#[inline]
fn pair_size(i: Insn) -> Size {
    if field!(set i.sz) { Size::B8 } else { Size::B4 }
}

/// Faults unless the address of the access is a multiple of its `bytes`.
pub(crate) fn aligned<O: Ops>(o: &mut O, i: Insn, bytes: u32, offset: i64, write: bool) {
    o.check_aligned(bytes, i.rn_sp(), offset, write, FaultAddr::Access);
}

fn casp<O: Ops>(o: &mut O, i: Insn) {
    let (s, t) = (i.m(), i.d());
    if s & 1 != 0 || t & 1 != 0 {
        return undefined(o);
    }
    aligned(o, i, 2 * pair_size(i).bytes(), 0, false);
    o.cas_pair(pair_size(i), [zr(s), zr(s + 1)], [zr(t), zr(t + 1)], i.rn_sp());
}

fn stxp<O: Ops>(o: &mut O, i: Insn) {
    aligned(o, i, 2 * pair_size(i).bytes(), 0, true);
    o.store_exclusive_pair(pair_size(i), i.rm(), [i.rd(), i.ra()], i.rn_sp());
}

fn ldxp<O: Ops>(o: &mut O, i: Insn) {
    aligned(o, i, 2 * pair_size(i).bytes(), 0, false);
    o.load_exclusive_pair(pair_size(i), [i.rd(), i.ra()], i.rn_sp());
}

fn stxr<O: Ops>(o: &mut O, i: Insn) {
    aligned(o, i, size(i).bytes(), 0, true);
    o.store_exclusive(size(i), i.rm(), i.rd(), i.rn_sp());
}

fn ldxr<O: Ops>(o: &mut O, i: Insn) {
    aligned(o, i, size(i).bytes(), 0, false);
    o.load_exclusive(size(i), i.rd(), i.rn_sp());
}

fn stlr<O: Ops>(o: &mut O, i: Insn) {
    aligned(o, i, size(i).bytes(), 0, true);
    o.store(size(i), i.rd(), Addr::Base(i.rn_sp(), 0), MemOrder::SeqCst);
}

fn ldar<O: Ops>(o: &mut O, i: Insn) {
    aligned(o, i, size(i).bytes(), 0, false);
    o.load(size(i), LoadExt::Zero, i.rd(), Addr::Base(i.rn_sp(), 0), MemOrder::SeqCst);
}

fn ldapr<O: Ops>(o: &mut O, i: Insn) {
    aligned(o, i, size(i).bytes(), 0, false);
    o.load(size(i), LoadExt::Zero, i.rd(), Addr::Base(i.rn_sp(), 0), MemOrder::Acquire);
}

fn cas<O: Ops>(o: &mut O, i: Insn) {
    aligned(o, i, size(i).bytes(), 0, false);
    o.cas(size(i), i.rm(), i.rd(), i.rn_sp());
}

fn ldop<O: Ops>(o: &mut O, i: Insn) {
    use Rmw::*;
    let op = [Add, AndNot, Xor, Or, MaxS, MinS, MaxU, MinU][field!(i.opc) as usize];
    aligned(o, i, size(i).bytes(), 0, false);
    o.rmw(op, size(i), i.rd(), i.rm(), i.rn_sp());
}

fn swp<O: Ops>(o: &mut O, i: Insn) {
    aligned(o, i, size(i).bytes(), 0, false);
    o.rmw(Rmw::Swap, size(i), i.rd(), i.rm(), i.rn_sp());
}

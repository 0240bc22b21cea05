//! Atomics: A, Zacas, Zabha. The ordering bits are not looked at: all are sequentially consistent,
//! except that a load-reserved is what the host makes of any load.
//!
//! All of them fault unless the address is a multiple of what they access, as without Zama16b
//! (which Linux has no way to tell of). Linux makes that SIGBUS with the address of the instruction
//! (do_trap_load_misaligned and do_trap_store_misaligned of arch/riscv/kernel/traps.c).

use crate::decode::{Insn, undefined, x};
use anyarch_engine::field;
use anyarch_engine::ops::{Ext, FaultAddr, Ops, R, Rmw, Size, Src, W};

crate::rows! {
    "00010 a r 00000 rs1:5 010 rd:5 0101111" LrW load_reserved[Size::B4];
    "00010 a r 00000 rs1:5 011 rd:5 0101111" LrD load_reserved[Size::B8];
    "00011 a r rs2:5 rs1:5 010 rd:5 0101111" ScW store_conditional[Size::B4];
    "00011 a r rs2:5 rs1:5 011 rd:5 0101111" ScD store_conditional[Size::B8];
    "00001 a r rs2:5 rs1:5 0 sz:2 rd:5 0101111" Amoswap amo[Rmw::Swap];
    "00000 a r rs2:5 rs1:5 0 sz:2 rd:5 0101111" Amoadd amo[Rmw::Add];
    "00100 a r rs2:5 rs1:5 0 sz:2 rd:5 0101111" Amoxor amo[Rmw::Xor];
    "01100 a r rs2:5 rs1:5 0 sz:2 rd:5 0101111" Amoand amo[Rmw::And];
    "01000 a r rs2:5 rs1:5 0 sz:2 rd:5 0101111" Amoor amo[Rmw::Or];
    "10000 a r rs2:5 rs1:5 0 sz:2 rd:5 0101111" Amomin amo[Rmw::MinS];
    "10100 a r rs2:5 rs1:5 0 sz:2 rd:5 0101111" Amomax amo[Rmw::MaxS];
    "11000 a r rs2:5 rs1:5 0 sz:2 rd:5 0101111" Amominu amo[Rmw::MinU];
    "11100 a r rs2:5 rs1:5 0 sz:2 rd:5 0101111" Amomaxu amo[Rmw::MaxU];
    "00101 a r rs2:5 rs1:5 0 sz:2 rd:5 0101111" Amocas amocas;
    "00101 a r rs2:5 rs1:5 100 rd:5 0101111" AmocasQ amocas_q;
}

fn sign<O: Ops>(o: &mut O, size: Size, d: R) {
    let ext = match size {
        Size::B1 => Ext::S8,
        Size::B2 => Ext::S16,
        Size::B4 => Ext::S32,
        Size::B8 => return,
    };
    o.mov(W::W64, d, Src::Extended(d, ext, 0));
}

/// Faults unless the address of the access is a multiple of its `bytes`.
fn aligned<O: Ops>(o: &mut O, i: Insn, bytes: u32, write: bool) {
    o.check_aligned(bytes, i.rs1(), 0, write, FaultAddr::Insn);
}

fn load_reserved<O: Ops>(o: &mut O, i: Insn, size: Size) {
    aligned(o, i, size.bytes(), false);
    o.load_exclusive(size, i.rd(), i.rs1());
    sign(o, size, i.rd());
}

fn store_conditional<O: Ops>(o: &mut O, i: Insn, size: Size) {
    aligned(o, i, size.bytes(), true);
    o.store_exclusive(size, i.rd(), i.rs2(), i.rs1());
}

fn amo<O: Ops>(o: &mut O, i: Insn, op: Rmw) {
    let size = Size::from_log2(field!(i.sz));
    aligned(o, i, size.bytes(), true);
    o.rmw(op, size, i.rd(), i.rs2(), i.rs1());
    sign(o, size, i.rd());
}

fn amocas<O: Ops>(o: &mut O, i: Insn) {
    let size = Size::from_log2(field!(i.sz));
    aligned(o, i, size.bytes(), true);
    o.cas(size, i.rd(), i.rs2(), i.rs1());
    sign(o, size, i.rd());
}

fn amocas_q<O: Ops>(o: &mut O, i: Insn) {
    let (d, s) = (i.d(), i.s2());
    if d & 1 != 0 || s & 1 != 0 {
        return undefined(o);
    }
    // The pair x0, x1 is zero altogether.
    let pair = |n: u32| if n == 0 { [R::ZERO; 2] } else { [x(n), x(n + 1)] };
    aligned(o, i, 16, true);
    o.cas_pair(Size::B8, pair(d), pair(s), i.rs1());
}

//! A32 instructions without a condition (Arm ARM F4.1.7 "Unconditional instructions"), but for
//! floating point and Advanced SIMD.

use crate::branch::call;
use crate::decode::{Insn, pc, undefined};
use anyarch_engine::field;
use anyarch_engine::ops::{Barrier, Ops};

anyarch_engine::rows! {
    // Miscellaneous. CPS does nothing at user level.
    "1111 00010000 imod:2 m 0 sbz:4 sbz:3 a i f 0 mode:5" Cps none cps;
    "1111 00010000 sbz:3 1 sbz:4 sbz:2 e sbz 0000 sbz:4" Setend none a32_setend;

    // Memory hints.
    "1111 0100 x 101 rn:4 sbo:4 imm12:12" PliImm none nop;
    "1111 0101 u r 01 rn:4 sbo:4 imm12:12" PldImm none nop;
    "1111 0110 x 101 rn:4 sbo:4 imm5:5 type:2 0 rm:4" PliReg none nop;
    "1111 0111 u r 01 rn:4 sbo:4 imm5:5 type:2 0 rm:4" PldReg none nop;
    "1111 0100 x 001 xxxx xxxx xxxx xxxx xxxx" HintImm none nop;
    "1111 0110 x 001 xxxx xxxx xxxx xxx 0 xxxx" HintReg none nop;

    // Barriers.
    "1111 0101 0111 sbo:4 sbo:4 sbz:4 0001 sbo:4" Clrex none clrex;
    "1111 0101 0111 sbo:4 sbo:4 sbz:4 0100 option:4" Dsb none dsb;
    "1111 0101 0111 sbo:4 sbo:4 sbz:4 0101 option:4" Dmb none dmb;
    "1111 0101 0111 sbo:4 sbo:4 sbz:4 0110 option:4" Isb none isb;
    "1111 0101 0111 sbo:4 sbo:4 sbz:4 0111 sbz:4" Sb none nop;

    // Branch with link and exchange.
    "1111 101 h imm24:24" BlxImm none blx;
}

/// Does nothing.
pub(crate) fn nop<O: Ops>(_: &mut O, _: Insn) {}

/// CPS does nothing at user level, but must be asked for something.
fn cps<O: Ops>(o: &mut O, i: Insn) {
    let (imod, changes_mode) = (i.bits(18, 2), i.bit(17));
    if imod == 1 || imod == 0 && !changes_mode {
        undefined(o);
    }
}

fn a32_setend<O: Ops>(o: &mut O, i: Insn) {
    setend(o, i, field!(set i.e));
}

/// SETEND: on in the other byte order, which is a place of its own.
pub(crate) fn setend<O: Ops>(o: &mut O, i: Insn, big: bool) {
    if i.in_it() {
        return undefined(o);
    }
    if big != i.big() {
        o.jump(i.next() ^ pc::E);
    }
}

/// CLREX.
pub(crate) fn clrex<O: Ops>(o: &mut O, _: Insn) {
    o.clear_exclusive();
}

/// DSB.
pub(crate) fn dsb<O: Ops>(o: &mut O, _: Insn) {
    o.barrier(Barrier::Full);
}

/// DMB. Bits 1 and 0 of the option are the kinds of access: loads, stores or both.
pub(crate) fn dmb<O: Ops>(o: &mut O, i: Insn) {
    o.barrier(match i.bits(0, 2) {
        1 => Barrier::Load,
        2 => Barrier::Store,
        _ => Barrier::Full,
    });
}

/// ISB.
pub(crate) fn isb<O: Ops>(o: &mut O, _: Insn) {
    o.sync_fetch();
}

fn blx<O: Ops>(o: &mut O, i: Insn) {
    let offset = (field!(i32 i.imm24) << 2) as u32 | field!(i.h) << 1;
    call(o, i, i.other_place(i.pc_value().wrapping_add(offset)));
}

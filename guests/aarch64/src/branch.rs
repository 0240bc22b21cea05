//! Branches, exception generation, hints and barriers (Arm ARM C4.1, "Branches, Exception
//! Generating and System").
//!
//! Pointer authentication is not advertised: its instructions in the hint space do nothing, the
//! others are undefined. BTI is a hint and does nothing.

use crate::decode::Insn;
use anyarch_engine::field;
use anyarch_engine::ops::{Barrier, Cond, Ops, R, Trap};
use anyarch_engine::run::Transfer;

anyarch_engine::rows! {
    // Conditional branch (immediate).
    "0101010 0 imm19:19 0 cond:4" BCond reads b_cond;

    // Exception generation. HVC, SMC, HLT and DCPS are undefined at user level.
    "11010100 000 imm16:16 000 01" Svc none svc;
    "11010100 001 imm16:16 000 00" Brk none brk;

    // Hints: all do nothing, known or not.
    "1101010100 0 00 011 0010 crm:4 op2:3 11111" Hint none hint;

    // Barriers.
    "1101010100 0 00 011 0011 crm:4 010 11111" Clrex none clrex;
    "1101010100 0 00 011 0011 crm:4 100 11111" Dsb none dsb;
    "1101010100 0 00 011 0011 crm:4 101 11111" Dmb none dmb;
    "1101010100 0 00 011 0011 crm:4 110 11111" Isb none isb;
    "1101010100 0 00 011 0011 0000 111 11111" Sb none hint;

    // Unconditional branch (register).
    "1101011 0000 11111 000000 rn:5 00000" Br none br;
    "1101011 0001 11111 000000 rn:5 00000" Blr none blr;
    "1101011 0010 11111 000000 rn:5 00000" Ret none ret;

    // Unconditional branch (immediate).
    "0 00101 imm26:26" B none b;
    "1 00101 imm26:26" Bl none bl;

    // Compare and branch (immediate).
    "sf 011010 op imm19:19 rt:5" Cbz none cbz;

    // Test and branch (immediate).
    "b5 011011 op b40:5 imm14:14 rt:5" Tbz none tbz;
}

#[inline]
fn target(i: Insn, lsb: u32, len: u32) -> u64 {
    i.pc.wrapping_add((i.sbits(lsb, len) << 2) as u64)
}

fn b_cond<O: Ops>(o: &mut O, i: Insn) {
    match Cond::from_bits(field!(i.cond)) {
        Cond::Al => o.jump(target(i, 5, 19)),
        cond => o.branch(cond, target(i, 5, 19)),
    }
}

fn b<O: Ops>(o: &mut O, i: Insn) {
    o.jump(target(i, 0, 26));
}

fn bl<O: Ops>(o: &mut O, i: Insn) {
    o.call(R(30), target(i, 0, 26));
}

fn cbz<O: Ops>(o: &mut O, i: Insn) {
    o.branch_zero(field!(set i.op), i.sf(), i.rd(), target(i, 5, 19));
}

fn tbz<O: Ops>(o: &mut O, i: Insn) {
    let bit = (field!(i.b5) << 5 | field!(i.b40)) as u8;
    o.branch_bit(field!(set i.op), i.rd(), bit, target(i, 5, 14));
}

fn br<O: Ops>(o: &mut O, i: Insn) {
    o.jump_reg(i.rn());
}

fn blr<O: Ops>(o: &mut O, i: Insn) {
    o.call_reg(R(30), i.rn());
}

fn ret<O: Ops>(o: &mut O, i: Insn) {
    o.ret(i.rn());
}

fn svc<O: Ops>(o: &mut O, _: Insn) {
    // Linux does not look at the immediate.
    o.syscall();
}

fn brk<O: Ops>(o: &mut O, i: Insn) {
    o.trap(Trap::Breakpoint(field!(i.imm16) as u16));
}

fn hint<O: Ops>(_: &mut O, _: Insn) {}

fn isb<O: Ops>(o: &mut O, _: Insn) {
    o.sync_fetch();
}

fn clrex<O: Ops>(o: &mut O, _: Insn) {
    o.clear_exclusive();
}

fn dsb<O: Ops>(o: &mut O, _: Insn) {
    o.barrier(Barrier::Full);
}

fn dmb<O: Ops>(o: &mut O, i: Insn) {
    o.barrier(match i.bits(8, 2) {
        1 => Barrier::Load,
        2 => Barrier::Store,
        _ => Barrier::Full,
    });
}

/// Where control goes after an instruction word, for the translator's look ahead. What it does not
/// know is `Other` only where control may leave; calls, returns, system calls and traps are.
#[inline]
pub(crate) fn transfer(insn: u32, pc: u64) -> Transfer {
    let to = |offset: i64| pc.wrapping_add((offset as u64) << 2);
    let i = Insn { word: insn, pc };
    // Branches, exception generation and system instructions have op0 = 101x in bits 28 to 25;
    // undefined words trap at once and do not matter here.
    if insn >> 26 & 7 != 0b101 {
        return Transfer::Next;
    }
    match insn >> 24 {
        0x14..=0x17 => Transfer::Jump(to(field!(i64 i.imm26))),
        0x34 | 0x35 | 0xb4 | 0xb5 => Transfer::Cond(to(field!(i64 i.imm19))),
        0x36 | 0x37 | 0xb6 | 0xb7 => Transfer::Cond(to(field!(i64 i.imm14))),
        0x54 => Transfer::Cond(to(field!(i64 i.imm19))),
        0xd5 => Transfer::Next,
        _ => Transfer::Other,
    }
}

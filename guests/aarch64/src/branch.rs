//! Branches, exception generation, hints and barriers (Arm ARM C4.1, "Branches, Exception Generating and System").
//!
//! Pointer authentication is not advertised: its instructions in the hint space do nothing, the others are undefined.
//! BTI is a hint and does nothing.

use crate::decode::Insn;
use anyarch_engine::ops::{Barrier, Cond, Ops, R, Trap};

crate::rows! {
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
    "1101010100 0 00 011 0011 crm:4 110 11111" Isb none hint;
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

fn target(i: Insn, lsb: u32, len: u32) -> u64 {
    i.pc.wrapping_add((i.sbits(lsb, len) << 2) as u64)
}

fn b_cond<O: Ops>(o: &mut O, i: Insn) {
    match Cond::from_bits(i.bits(0, 4)) {
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
    o.branch_zero(i.bit(24), i.sf(), i.rd(), target(i, 5, 19));
}

fn tbz<O: Ops>(o: &mut O, i: Insn) {
    let bit = (i.bits(31, 1) << 5 | i.bits(19, 5)) as u8;
    o.branch_bit(i.bit(24), i.rd(), bit, target(i, 5, 14));
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
    o.trap(Trap::Breakpoint(i.bits(5, 16) as u16));
}

fn hint<O: Ops>(_: &mut O, _: Insn) {}

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

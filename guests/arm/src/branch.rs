//! Branches, exceptions, status and system registers (Arm ARM F4.1.2 "Miscellaneous", F4.1.5
//! "Branch, branch with link, and block data transfer", F4.1.6).

use crate::data::go;
use crate::decode::{Insn, Set, goes_on, pc, r, undefined};
use crate::state::{GE, LR, Q, TPIDRURO, TPIDRURW};
use crate::system;
use anyarch_engine::field;
use anyarch_engine::ops::{Alu, Barrier, Cond, Ops, R, Shift, Src, Trap, V, VArgs, W};
use anyarch_engine::run::Transfer;
use anyarch_engine::vec::VOp;

anyarch_engine::rows! {
    // Branches.
    "cond:4 1010 imm24:24" B none b;
    "cond:4 1011 imm24:24" Bl none bl;
    "cond:4 00010010 sbo:4 sbo:4 sbo:4 0001 rm:4" Bx none bx;
    "cond:4 00010010 sbo:4 sbo:4 sbo:4 0010 rm:4" Bxj none bx;
    "cond:4 00010010 sbo:4 sbo:4 sbo:4 0011 rm:4" Blx none blx;

    // Exceptions. HLT, HVC, SMC and ERET are undefined at user level.
    "cond:4 1111 imm24:24" Svc none svc;
    "cond:4 00010010 imm12:12 0111 imm4:4" Bkpt none bkpt;

    // Status.
    "cond:4 00010 000 sbo:4 rd:4 sbz:2 0 sbz 0000 sbz:4" Mrs reads a32_mrs;
    "cond:4 00010 010 mask:4 sbo:4 sbz:2 0 sbz 0000 rn:4" MsrReg both a32_msr;
    first "cond:4 00110010 0000 sbo:4 imm12:12" Nop none hint;
    "cond:4 00110010 mask:4 sbo:4 imm12:12" MsrImm both a32_msr_imm;

    // The system coprocessor, 15.
    "cond:4 1110 opc1:3 0 crn:4 rt:4 1111 opc2:3 1 crm:4" Mcr none mcr;
    "cond:4 1110 opc1:3 1 crn:4 rt:4 1111 opc2:3 1 crm:4" Mrc none mrc;
    "cond:4 1100 0101 rt2:4 rt:4 1111 opc1:4 crm:4" Mrrc none mrrc;
}

/// The target of a branch without link of A32, or of T32 within an IT block.
pub(crate) fn target(i: Insn) -> Option<u64> {
    if i.inside_it() {
        return None;
    }
    match i.set() {
        Set::Cond if i.word >> 24 & 15 == 10 => Some(a32_target(i)),
        Set::T16 if i.word >> 11 == 0b11100 => Some(short_target(i)),
        Set::T32 if i.word & 0xf800_d000 == 0xf000_9000 => Some(i.place(wide_target(i))),
        _ => None,
    }
}

/// The target of T32's B (T2).
pub(crate) fn short_target(i: Insn) -> u64 {
    i.place(i.pc_value().wrapping_add((i.sbits(0, 11) << 1) as u32))
}

/// Where control goes after an instruction, for looking ahead. What is not known to go on at the
/// next instruction is `Other`.
#[inline(always)]
pub(crate) fn transfer(i: Insn) -> Transfer {
    if i.set() == Set::T16 && goes_on(i.word) {
        return Transfer::Next;
    }
    if let Some(target) = target(i) {
        return if i.cond == Cond::Al { Transfer::Jump(target) } else { Transfer::Cond(target) };
    }
    let w = i.word;
    match i.set() {
        Set::T16 if w >> 12 == 0xd && w >> 9 & 7 != 7 => {
            Transfer::Cond(i.place(i.pc_value().wrapping_add((i.sbits(0, 8) << 1) as u32)))
        }
        // CBZ and CBNZ, BX and BLX, an operation on or a load of the program counter, exceptions,
        // SETEND.
        Set::T16 => match w >> 8 {
            0xb1 | 0xb3 | 0xb9 | 0xbb => {
                Transfer::Cond(i.place(i.pc_value().wrapping_add(i.bits(9, 1) << 6 | i.bits(3, 5) << 1)))
            }
            0x47 | 0xbd | 0xbe | 0xb6 | 0xdf | 0xde => Transfer::Other,
            0x44 | 0x46 if w & 0x87 == 0x87 => Transfer::Other,
            _ => Transfer::Next,
        },
        // Branches and miscellaneous control; table branches and loads of the program counter.
        Set::T32 if w & 0xf800_d000 == 0xf000_8000 && i.bits(23, 3) != 7 && !i.in_it() => {
            Transfer::Cond(wide_conditional_target(i))
        }
        Set::T32 if w >> 27 == 0b11110 && i.bit(15) => Transfer::Other,
        // LDM with the program counter in its list (and what is not one), TBB and TBH.
        Set::T32 if w >> 25 == 0b1110100 && !i.bit(22) => match i.bits(23, 2) {
            1 | 2 if !(i.bit(20) && i.bit(15)) => Transfer::Next,
            _ => Transfer::Other,
        },
        Set::T32 if w & 0xfff0_ffe0 == 0xe8d0_f000 => Transfer::Other,
        // LDR of a word to the program counter.
        Set::T32 if w & 0xfe70_f000 == 0xf850_f000 => Transfer::Other,
        Set::T32 => Transfer::Next,
        Set::Uncond if w >> 25 == 0b1111101 || w >> 20 == 0xf10 => Transfer::Other,
        Set::Uncond => Transfer::Next,
        Set::Cond => match w >> 25 & 7 {
            // Rd is the program counter, or a miscellaneous instruction.
            0 | 1 if i.reg(12) == 15 || w >> 23 & 3 == 2 && !i.bit(20) => Transfer::Other,
            2 | 3 if i.bit(20) && i.reg(12) == 15 => Transfer::Other,
            3 if i.bit(4) && i.bits(20, 8) == 0x7f => Transfer::Other,
            4 if i.bit(20) && i.bit(15) => Transfer::Other,
            5 => Transfer::Other,
            7 if i.bit(24) => Transfer::Other,
            _ => Transfer::Next,
        },
    }
}

fn a32_target(i: Insn) -> u64 {
    i.place(i.pc_value().wrapping_add((field!(i32 i.imm24) << 2) as u32))
}

/// The target of T32's B (T4) and BL.
pub(crate) fn wide_target(i: Insn) -> u32 {
    let s = i.bits(26, 1);
    let (i1, i2) = (i.bits(13, 1) ^ s ^ 1, i.bits(11, 1) ^ s ^ 1);
    let offset = s << 24 | i1 << 23 | i2 << 22 | i.bits(16, 10) << 12 | i.bits(0, 11) << 1;
    i.pc_value().wrapping_add(((offset << 7) as i32 >> 7) as u32)
}

/// The target of T32's B (T3), which has a condition of its own.
pub(crate) fn wide_conditional_target(i: Insn) -> u64 {
    let offset = i.bits(26, 1) << 20
        | i.bits(11, 1) << 19
        | i.bits(13, 1) << 18
        | i.bits(16, 6) << 12
        | i.bits(0, 11) << 1;
    i.place(i.pc_value().wrapping_add(((offset << 11) as i32 >> 11) as u32))
}

fn b<O: Ops>(o: &mut O, i: Insn) {
    o.jump(a32_target(i));
}

fn bl<O: Ops>(o: &mut O, i: Insn) {
    call(o, i, a32_target(i));
}

/// Calls a place.
pub(crate) fn call<O: Ops>(o: &mut O, i: Insn, place: u64) {
    if i.inside_it() {
        undefined(o);
    } else if i.big() {
        // The link register has no room for the byte order.
        o.mov_addr(LR, i.next() as u32 as u64);
        o.jump(place);
    } else {
        o.call(LR, place);
    }
}

fn bx<O: Ops>(o: &mut O, i: Insn) {
    branch_exchange(o, i, i.reg(0));
}

/// BX, and BXJ, which is the same where there is no Jazelle.
pub(crate) fn branch_exchange<O: Ops>(o: &mut O, i: Insn, m: u8) {
    if i.inside_it() {
        return undefined(o);
    }
    match m {
        15 => o.jump(i.pc_value() as u64 | i.pc & pc::E),
        m => go(o, i, r(m), m == 14),
    }
}

fn blx<O: Ops>(o: &mut O, i: Insn) {
    call_exchange(o, i, i.reg(0));
}

/// BLX (register).
pub(crate) fn call_exchange<O: Ops>(o: &mut O, i: Insn, m: u8) {
    if m == 15 || i.inside_it() {
        undefined(o);
    } else if i.big() {
        o.mov(W::W32, R::T1, Src::Reg(r(m)));
        o.mov_addr(LR, i.next() as u32 as u64);
        go(o, i, R::T1, false);
    } else {
        o.call_reg(LR, r(m));
    }
}

/// SVC. Linux does not look at the number in it.
pub(crate) fn svc<O: Ops>(o: &mut O, _: Insn) {
    o.syscall();
}

fn bkpt<O: Ops>(o: &mut O, i: Insn) {
    o.trap(Trap::Breakpoint((field!(i.imm12, of bkpt) << 4 | field!(i.imm4)) as u16));
}

/// NOP and the hints: all do nothing, known or not.
pub(crate) fn hint<O: Ops>(_: &mut O, _: Insn) {}

fn a32_mrs<O: Ops>(o: &mut O, i: Insn) {
    mrs(o, i, i.reg(12));
}

/// MRS: d = CPSR as user level sees it: the flags, Q, GE, E, and user mode.
pub(crate) fn mrs<O: Ops>(o: &mut O, i: Insn, d: u8) {
    if d == 15 {
        return undefined(o);
    }
    let w = W::W32;
    o.read_flags(R::T0);
    o.alu(Alu::Or, w, R::T0, R::T0, Src::Shifted(Q, Shift::Lsl, 27));
    o.vfrom(V::T0, 2, GE);
    o.vsigns(R::T1, V::T0, 0);
    o.alu(Alu::Or, w, R::T0, R::T0, Src::Shifted(R::T1, Shift::Lsl, 16));
    o.alu(Alu::Or, w, r(d), R::T0, Src::Imm(0x10 | (i.big() as u64) << 9));
}

fn a32_msr<O: Ops>(o: &mut O, i: Insn) {
    if i.reg(0) == 15 {
        return undefined(o);
    }
    msr(o, i, field!(i.mask), r(i.reg(0)));
}

fn a32_msr_imm<O: Ops>(o: &mut O, i: Insn) {
    let value = i.bits(0, 8).rotate_right(2 * i.bits(8, 4));
    o.mov(W::W32, R::T0, Src::Imm(value as u64));
    msr(o, i, field!(i.mask), R::T0);
}

/// MSR: by `mask` the flags and Q, GE, and E; user level changes nothing else. With another E it
/// goes on at a place of its own.
pub(crate) fn msr<O: Ops>(o: &mut O, i: Insn, mask: u32, s: R) {
    if mask & 8 != 0 {
        o.write_flags(s);
        o.extract(false, W::W64, Q, s, 27, 1);
    }
    if mask & 4 != 0 {
        o.vfrom(V::T0, 2, s);
        let v = V::T0;
        o.vec(VOp::BitsToLanes, VArgs { d: v, a: v, b: v, c: v, es: 0, bytes: 4, imm: 16 });
        o.vget(false, W::W32, GE, v, 2, 0);
    }
    if mask & 2 != 0 {
        const E: u32 = pc::E.trailing_zeros();
        let next = i.next();
        o.extract(false, W::W64, R::T1, s, 9, 1);
        o.shift(Shift::Lsl, W::W64, R::T1, R::T1, Src::Imm(E as u64));
        o.alu(Alu::Or, W::W64, R::T1, R::T1, Src::Imm(next & !pc::E & !0xffff_ffff));
        o.mov_addr(R::T0, next as u32 as u64);
        o.alu(Alu::Or, W::W64, R::T0, R::T0, Src::Reg(R::T1));
        o.jump_reg(R::T0);
    }
}

/// CRn, opc1, CRm, opc2.
fn system_register(i: Insn) -> (u32, u32, u32, u32) {
    (i.bits(16, 4), i.bits(21, 3), i.bits(0, 4), field!(i.opc2))
}

fn mcr<O: Ops>(o: &mut O, i: Insn) {
    if i.reg(12) == 15 {
        return undefined(o);
    }
    match system_register(i) {
        (7, 0, 5, 4) => o.sync_fetch(),
        (7, 0, 10, 4 | 5) => o.barrier(Barrier::Full),
        (13, 0, 0, 2) => o.mov(W::W32, TPIDRURW, Src::Reg(r(i.reg(12)))),
        _ => undefined(o),
    }
}

fn mrc<O: Ops>(o: &mut O, i: Insn) {
    if i.reg(12) == 15 {
        return undefined(o);
    }
    let source = match system_register(i) {
        // PMUSERENR: programs may read that they may read no counter.
        (9, 0, 14, 0) => Src::Imm(0),
        (13, 0, 0, 2) => Src::Reg(TPIDRURW),
        (13, 0, 0, 3) => Src::Reg(TPIDRURO),
        (14, 0, 0, 0) => Src::Imm(system::COUNTER_HZ),
        _ => return undefined(o),
    };
    o.mov(W::W32, r(i.reg(12)), source);
}

fn mrrc<O: Ops>(o: &mut O, i: Insn) {
    let (t, t2) = (i.reg(12), i.reg(16));
    match (field!(i.opc1, of mrrc), field!(i.crm)) {
        (1, 14) if t != t2 && t != 15 && t2 != 15 => {
            o.helper(system::READ_COUNTER, t as u64 | (t2 as u64) << 8)
        }
        _ => undefined(o),
    }
}

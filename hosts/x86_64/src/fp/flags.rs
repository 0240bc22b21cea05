//! The sticky flags, which are in MXCSR and in the state.

use super::super::asm::{Cc, Mem, Op, Rm, reg::*};
use super::super::glue::mxcsr;
use super::super::helpers::{self};
use super::super::{Cold, ColdKind, HostPart, host_part, state};
use super::T;
use anyarch_engine::fp::{FpEnv, flag};
use anyarch_engine::ops::*;
use anyarch_engine::state::Cpu;
use core::mem::offset_of;

pub(super) fn sticky_flags() -> Mem {
    state(offset_of!(Cpu, fp) + offset_of!(FpEnv, flags))
}

/// Where [`FLAG_TABLES`] has NZCV, in the upper half of a byte, by what LAHF gives of a comparison:
/// less 1000, equal 0110, greater 0010, unordered 0011.
pub(crate) const COMPARED: usize = 96;

/// MXCSR's flags (IE DE ZE OE UE PE from bit 0) as [`Ops::fp_flags`] has them, and behind them
/// these as MXCSR's.
pub(crate) const FLAG_TABLES: [u8; COMPARED + 0x48] = {
    let mut out = [0; COMPARED + 0x48];
    let mut i = 0;
    while i < 64 {
        out[i] = flag::reversed((i & 1 | i >> 1 & 0x1e) as u8);
        i += 1;
    }
    while i < 96 {
        let flags = flag::reversed(i as u8);
        out[i] = flags & 1 | (flags & 0x1e) << 1;
        i += 1;
    }
    // Bit 1 is always set; CF is bit 0, PF bit 2, ZF bit 6.
    out[COMPARED + 0x03] = 0x80;
    out[COMPARED + 0x42] = 0x60;
    out[COMPARED + 0x02] = 0x20;
    out[COMPARED + 0x47] = 0x30;
    out
};

/// RAX = the byte at RAX in the table that begins at `from` of [`FLAG_TABLES`]. Uses RCX.
pub(super) fn look_up_flags(t: &mut T<'_>, from: u64) {
    t.a.lea(true, RCX, state(host_part(offset_of!(HostPart, flag_tables)) + from as usize));
    t.a.movzx(1, RAX, Mem::index(RCX, RAX, 0, 0));
}

pub(crate) fn flags(t: &mut T<'_>, d: R) {
    if d == R::ZERO {
        return;
    }
    t.clobber_flags();
    // Flags that reference functions raised go to MXCSR first, where they stay.
    let again = t.a.p;
    t.a.label = again;
    t.a.test8_imm(sticky_flags(), flag::IEEE);
    let site = t.a.jcc_near(Cc::Ne);
    let insn = t.draft.marks.len() as u16;
    let kind = ColdKind::Helper(helpers::gather_fp_flags, 0);
    t.cold.push(Cold { site, resume: again, kind, insn });
    mxcsr(&mut t.a, false);
    t.a.movzx(1, RAX, state(offset_of!(Cpu, host_fp)));
    t.a.alu_imm(Op::And, false, Rm::R(RAX), 0x3f);
    look_up_flags(t, 0);
    t.put(d, RAX);
}

pub(crate) fn set_flags(t: &mut T<'_>, s: R) {
    t.clobber_flags();
    t.get_into(false, s, RAX);
    t.a.alu_imm(Op::And, false, Rm::R(RAX), flag::IEEE as i32);
    look_up_flags(t, 64);
    t.a.mov_store8_imm(sticky_flags(), 0);
    // Often they are what they were.
    mxcsr(&mut t.a, false);
    t.a.mov(false, RCX, state(offset_of!(Cpu, host_fp)));
    t.a.alu(Op::Xor, false, RAX, Rm::R(RCX));
    t.a.alu_imm(Op::And, false, Rm::R(RAX), 0x3f);
    let same = t.a.jcc_short(Cc::E);
    t.a.alu(Op::Xor, false, RAX, Rm::R(RCX));
    t.a.mov_store(false, state(offset_of!(Cpu, host_fp)), RAX);
    mxcsr(&mut t.a, true);
    t.a.bind(same);
}

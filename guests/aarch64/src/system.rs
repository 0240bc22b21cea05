//! System instructions and registers that user level may use (Arm ARM C5), and those Linux emulates
//! for it.
//!
//! The thread pointer is an integer slot. FPCR and FPSR are kept in the engine's floating-point
//! environment: [`fpcr`], [`set_fpcr`], [`fpsr`] and [`set_fpsr`] are the only places that know the
//! registers' layout, and [`set_fpcr`] chooses the translation mode. Identification registers come
//! from [`crate::features`].

use crate::decode::{Insn, undefined, zr};
use crate::features;
use anyarch_engine::fp::Rounding;
use anyarch_engine::interp::effective;
use anyarch_engine::ops::{
    Addr, Alu, Effects, Helper, HelperExit, LoadExt, MemOrder, Ops, R, Size, Src, V, W,
};
use anyarch_engine::run::code;
use anyarch_engine::state::{Cpu, mode, slot};

anyarch_engine::rows! {
    // PSTATE: FEAT_FlagM and FEAT_FlagM2.
    "1101010100 0 00 000 0100 0000 000 11111" Cfinv both cfinv;
    "1101010100 0 00 000 0100 0000 001 11111" Xaflag both xaflag;
    "1101010100 0 00 000 0100 0000 010 11111" Axflag both axflag;

    // SYS: cache maintenance.
    "1101010100 0 01 011 0111 0100 001 rt:5" DcZva none dc_zva;
    "1101010100 0 01 011 0111 0101 001 rt:5" IcIvau none ic_ivau;
    "1101010100 0 01 011 0111 1010 001 rt:5" DcCvac none nop;
    "1101010100 0 01 011 0111 1011 001 rt:5" DcCvau none nop;
    "1101010100 0 01 011 0111 1100 001 rt:5" DcCvap none dc_persist;
    "1101010100 0 01 011 0111 1101 001 rt:5" DcCvadp none dc_persist;
    "1101010100 0 01 011 0111 1110 001 rt:5" DcCivac none nop;

    // System register moves.
    first "1101010100 0 11 011 0100 0010 000 rt:5" MsrNzcv writes msr_nzcv;
    "1101010100 0 11 op1:3 crn:4 crm:4 op2:3 rt:5" Msr none msr;
    first "1101010100 1 11 011 0100 0010 000 rt:5" MrsNzcv reads mrs_nzcv;
    "1101010100 1 11 op1:3 crn:4 crm:4 op2:3 rt:5" Mrs none mrs;
}

/// The field op1:CRn:CRm:op2 of a system register with op0 = 3.
const fn register(op1: u32, crn: u32, crm: u32, op2: u32) -> u32 {
    op1 << 11 | crn << 7 | crm << 3 | op2
}

const CTR_EL0: u32 = register(3, 0, 0, 1);
const DCZID_EL0: u32 = register(3, 0, 0, 7);
const FPCR: u32 = register(3, 4, 4, 0);
const FPSR: u32 = register(3, 4, 4, 1);
const TPIDR_EL0: u32 = register(3, 13, 0, 2);
const TPIDRRO_EL0: u32 = register(3, 13, 0, 3);
const CNTFRQ_EL0: u32 = register(3, 14, 0, 0);
const CNTVCT_EL0: u32 = register(3, 14, 0, 2);

/// CTR_EL0: 64-byte lines; no clean of the data cache is needed before instruction fetch (IDC), but
/// the instruction cache must be invalidated, which is how the guest announces new code.
const CTR: u64 = 0x9444_c004;
/// DCZID_EL0: DC ZVA is allowed and zeroes 64 bytes.
const DCZID: u64 = 4;
/// Bytes of a cache line and of DC ZVA's block.
const LINE: u64 = 64;
/// CNTFRQ_EL0: the counter counts nanoseconds.
const COUNTER_HZ: u64 = 1_000_000_000;

fn mrs<O: Ops>(o: &mut O, i: Insn) {
    let (rt, number) = (i.rd(), i.bits(5, 14));
    let value = match number {
        TPIDR_EL0 => return o.mov(W::W64, rt, Src::Reg(R(slot::TLS))),
        FPCR => return o.helper(READ_FPCR, i.d() as u64),
        FPSR => return o.helper(READ_FPSR, i.d() as u64),
        CNTVCT_EL0 => return o.helper(READ_COUNTER, i.d() as u64),
        TPIDRRO_EL0 => 0,
        CTR_EL0 => CTR,
        DCZID_EL0 => DCZID,
        CNTFRQ_EL0 => COUNTER_HZ,
        _ => match features::id_register(number) {
            Some(value) => value,
            None => return undefined(o),
        },
    };
    o.mov(W::W64, rt, Src::Imm(value));
}

fn msr<O: Ops>(o: &mut O, i: Insn) {
    match i.bits(5, 14) {
        TPIDR_EL0 => o.mov(W::W64, R(slot::TLS), Src::Reg(i.rd())),
        FPCR => o.helper(WRITE_FPCR, i.d() as u64),
        FPSR => o.helper(WRITE_FPSR, i.d() as u64),
        _ => undefined(o),
    }
}

fn mrs_nzcv<O: Ops>(o: &mut O, i: Insn) {
    o.read_flags(i.rd());
}

fn msr_nzcv<O: Ops>(o: &mut O, i: Insn) {
    o.write_flags(i.rd());
}

// Flag manipulation: bits 31 to 28 are N, Z, C, V.

const Z: u64 = 1 << 30;
const C: u64 = 1 << 29;
const VF: u64 = 1 << 28;

fn cfinv<O: Ops>(o: &mut O, _: Insn) {
    o.read_flags(R::T0);
    o.alu(Alu::Xor, W::W32, R::T0, R::T0, Src::Imm(C));
    o.write_flags(R::T0);
}

/// N = !C & !Z, Z = Z & C, C = C | Z, V = !C & Z.
fn xaflag<O: Ops>(o: &mut O, _: Insn) {
    use anyarch_engine::ops::Shift::{Lsl, Lsr};
    let (old, new, t) = (R::T0, R::T1, R::T2);
    o.read_flags(old);
    // C | Z at C, and its complement at N.
    o.alu(Alu::Or, W::W32, new, old, Src::Shifted(old, Lsr, 1));
    o.alu(Alu::And, W::W32, new, new, Src::Imm(C));
    o.alu(Alu::Xor, W::W32, t, new, Src::Imm(C));
    o.alu(Alu::Or, W::W32, new, new, Src::Shifted(t, Lsl, 2));
    // Z & C at Z.
    o.alu(Alu::And, W::W32, t, old, Src::Shifted(old, Lsl, 1));
    o.alu(Alu::And, W::W32, t, t, Src::Imm(Z));
    o.alu(Alu::Or, W::W32, new, new, Src::Reg(t));
    // Z & !C at Z, moved to V.
    o.alu(Alu::AndNot, W::W32, t, old, Src::Shifted(old, Lsl, 1));
    o.alu(Alu::And, W::W32, t, t, Src::Imm(Z));
    o.alu(Alu::Or, W::W32, new, new, Src::Shifted(t, Lsr, 2));
    o.write_flags(new);
}

/// N = 0, Z = Z | V, C = C & !V, V = 0.
fn axflag<O: Ops>(o: &mut O, _: Insn) {
    use anyarch_engine::ops::Shift::Lsl;
    let (old, new, t) = (R::T0, R::T1, R::T2);
    o.read_flags(old);
    o.alu(Alu::And, W::W32, t, old, Src::Imm(VF));
    o.alu(Alu::Or, W::W32, new, old, Src::Shifted(t, Lsl, 2));
    o.alu(Alu::AndNot, W::W32, new, new, Src::Shifted(t, Lsl, 1));
    o.alu(Alu::And, W::W32, new, new, Src::Imm(Z | C));
    o.write_flags(new);
}

// Cache maintenance.

fn nop<O: Ops>(_: &mut O, _: Insn) {}

fn dc_zva<O: Ops>(o: &mut O, i: Insn) {
    // The block lies in one page, so that the first store faults or none does.
    o.alu(Alu::And, W::W64, R::T0, i.rd(), Src::Imm(!(LINE - 1)));
    o.vconst(V::T0, 0);
    for at in (0..LINE as i64).step_by(16) {
        o.vstore(16, V::T0, Addr::Base(R::T0, at));
    }
}

/// Cleaning to the point of persistence faults where the address is not mapped.
fn dc_persist<O: Ops>(o: &mut O, i: Insn) {
    o.load(Size::B1, LoadExt::Zero, R::ZERO, Addr::Base(i.rd(), 0), MemOrder::Plain);
}

fn ic_ivau<O: Ops>(o: &mut O, i: Insn) {
    o.helper(INVALIDATE, i.d() as u64);
}

extern "C" fn invalidate(cpu: &mut Cpu, rt: u64) -> HelperExit {
    let line = effective(general(cpu, rt), cpu.ignored_bits) & !(LINE - 1);
    code::invalidate_from(cpu, line, line.saturating_add(LINE))
}

// Helpers. Their argument is the number of the general register, 31 = XZR.

const READ_FPCR: Helper =
    Helper { function: read_fpcr, effects: |rt| Effects::NONE.writes(zr(rt as u8)).environment() };
const WRITE_FPCR: Helper =
    Helper { function: write_fpcr, effects: |rt| Effects::NONE.reads(zr(rt as u8)).environment() };
const READ_FPSR: Helper =
    Helper { function: read_fpsr, effects: |rt| Effects::NONE.writes(zr(rt as u8)).environment() };
const WRITE_FPSR: Helper =
    Helper { function: write_fpsr, effects: |rt| Effects::NONE.reads(zr(rt as u8)).environment() };
const READ_COUNTER: Helper =
    Helper { function: read_counter, effects: |rt| Effects::NONE.writes(zr(rt as u8)).outside() };
const INVALIDATE: Helper =
    Helper { function: invalidate, effects: |rt| Effects::NONE.reads(zr(rt as u8)).outside() };

fn general(cpu: &Cpu, rt: u64) -> u64 {
    if rt == 31 { 0 } else { cpu.gpr[rt as usize & 31] }
}

fn set_general(cpu: &mut Cpu, rt: u64, value: u64) {
    if rt != 31 {
        cpu.gpr[rt as usize & 31] = value;
    }
}

extern "C" fn read_fpcr(cpu: &mut Cpu, rt: u64) -> HelperExit {
    set_general(cpu, rt, fpcr(cpu) as u64);
    HelperExit::Continue
}

extern "C" fn write_fpcr(cpu: &mut Cpu, rt: u64) -> HelperExit {
    let value = general(cpu, rt) as u32;
    if set_fpcr(cpu, value) { HelperExit::Resync } else { HelperExit::Continue }
}

extern "C" fn read_fpsr(cpu: &mut Cpu, rt: u64) -> HelperExit {
    set_general(cpu, rt, fpsr(cpu) as u64);
    HelperExit::Continue
}

extern "C" fn write_fpsr(cpu: &mut Cpu, rt: u64) -> HelperExit {
    let value = general(cpu, rt) as u32;
    set_fpsr(cpu, value);
    HelperExit::Continue
}

extern "C" fn read_counter(cpu: &mut Cpu, rt: u64) -> HelperExit {
    set_general(cpu, rt, anyarch_linux::calls::time::monotonic());
    HelperExit::Continue
}

// The floating-point control and status registers.

const FPCR_AHP: u32 = 1 << 26;
const FPCR_DN: u32 = 1 << 25;
const FPCR_FZ: u32 = 1 << 24;
const FPCR_RMODE: u32 = 3 << 22;
const FPCR_FZ16: u32 = 1 << 19;
const FPSR_QC: u32 = 1 << 27;
/// IDC and the five IEEE 754 flags.
const FPSR_FLAGS: u32 = 0x9f;

/// FPCR.
pub fn fpcr(cpu: &Cpu) -> u32 {
    cpu.fpcr
}

/// Sets FPCR, the environment and the translation mode. Bits that are not implemented stay zero.
/// True if something changed, so that code translated for the old value must not go on.
pub fn set_fpcr(cpu: &mut Cpu, value: u32) -> bool {
    let value = value & (FPCR_AHP | FPCR_DN | FPCR_FZ | FPCR_RMODE | FPCR_FZ16);
    let changed = value != cpu.fpcr;
    cpu.fpcr = value;
    cpu.fp.alt_half = value & FPCR_AHP != 0;
    cpu.fp.default_nan = value & FPCR_DN != 0;
    cpu.fp.flush = value & FPCR_FZ != 0;
    cpu.fp.flush_half = value & FPCR_FZ16 != 0;
    cpu.fp.rounding = match (value & FPCR_RMODE) >> 22 {
        0 => Rounding::NearestEven,
        1 => Rounding::Up,
        2 => Rounding::Down,
        _ => Rounding::Zero,
    };
    cpu.apply_rounding();
    cpu.mode = match value & !FPCR_RMODE {
        0 => mode::EXACT,
        FPCR_FZ => mode::FLUSH,
        _ => mode::OTHER,
    };
    changed
}

/// FPSR.
pub fn fpsr(cpu: &Cpu) -> u32 {
    cpu.fp_flags() as u32 | if cpu.fp.saturated { FPSR_QC } else { 0 }
}

/// Sets FPSR. Bits that are not implemented stay zero.
pub(crate) fn set_fpsr(cpu: &mut Cpu, value: u32) {
    cpu.set_fp_flags((value & FPSR_FLAGS) as u8);
    cpu.fp.saturated = value & FPSR_QC != 0;
}

//! FPSCR, and what helpers do for system registers.

use crate::state::FP_FLAGS;
use anyarch_engine::fp::Rounding;
use anyarch_engine::ops::{Effects, Helper, HelperExit, R};
use anyarch_engine::state::{Cpu, mode};

/// CNTFRQ: the counter counts nanoseconds.
pub(crate) const COUNTER_HZ: u64 = 1_000_000_000;

/// CNTVCT into the two registers of the argument.
pub(crate) const READ_COUNTER: Helper = Helper {
    function: read_counter,
    effects: |arg| Effects::NONE.writes(R(arg as u8 & 15)).writes(R((arg >> 8) as u8 & 15)).outside(),
};

extern "C" fn read_counter(cpu: &mut Cpu, arg: u64) -> HelperExit {
    let count = anyarch_linux::calls::time::monotonic();
    cpu.gpr[(arg & 15) as usize] = count as u32 as u64;
    cpu.gpr[(arg >> 8 & 15) as usize] = count >> 32;
    HelperExit::Continue
}

/// FPSCR's NZCV.
const NZCV: u32 = 0xf000_0000;
const QC: u32 = 1 << 27;
const AHP: u32 = 1 << 26;
const DN: u32 = 1 << 25;
const FZ: u32 = 1 << 24;
const RMODE: u32 = 3 << 22;
/// Length and stride of short vectors.
const SHORT: u32 = 0x0037_0000;
/// IDC and the five IEEE 754 flags.
const FLAGS: u32 = 0x9f;

/// FPSCR.
pub fn fpscr(cpu: &Cpu) -> u32 {
    let flags = cpu.gpr[FP_FLAGS.0 as usize] as u32 & NZCV;
    flags | cpu.fpcr | cpu.fp_flags() as u32 & FLAGS | if cpu.fp.saturated { QC } else { 0 }
}

/// Sets FPSCR, the environment and the translation mode. Bits that are not implemented stay zero:
/// FZ16 (there is no half-precision arithmetic) and the trap enables. True if something changed
/// that code is translated for.
///
/// Short vectors are not implemented, and most arithmetic is undefined while their length or stride
/// is not zero (Arm ARM, FPSCR.Len): [`mode::RESTRICTED`].
pub fn set_fpscr(cpu: &mut Cpu, value: u32) -> bool {
    cpu.gpr[FP_FLAGS.0 as usize] = (value & NZCV) as u64;
    cpu.fp.saturated = value & QC != 0;
    cpu.set_fp_flags((value & FLAGS) as u8);
    let value = value & (AHP | DN | FZ | RMODE | SHORT);
    let changed = value != cpu.fpcr;
    cpu.fpcr = value;
    cpu.fp.alt_half = value & AHP != 0;
    cpu.fp.default_nan = value & DN != 0;
    cpu.fp.flush = value & FZ != 0;
    cpu.fp.rounding = match (value & RMODE) >> 22 {
        0 => Rounding::NearestEven,
        1 => Rounding::Up,
        2 => Rounding::Down,
        _ => Rounding::Zero,
    };
    cpu.apply_rounding();
    cpu.mode = match (value & !(RMODE | SHORT), value & RMODE) {
        (0, 0) => mode::EXACT,
        (0, _) => mode::DIRECTED,
        (FZ, 0) => mode::FLUSH,
        _ => mode::OTHER,
    };
    if value & SHORT != 0 {
        cpu.mode |= mode::RESTRICTED;
    }
    changed
}

/// VMRS: FPSCR into a register.
pub(crate) const READ_FPSCR: Helper = Helper {
    function: read_fpscr,
    effects: |t| Effects::NONE.reads(FP_FLAGS).writes(R(t as u8 & 15)).environment(),
};

/// VMSR: a register into FPSCR.
pub(crate) const WRITE_FPSCR: Helper = Helper {
    function: write_fpscr,
    effects: |t| Effects::NONE.reads(R(t as u8 & 15)).writes(FP_FLAGS).environment(),
};

extern "C" fn read_fpscr(cpu: &mut Cpu, t: u64) -> HelperExit {
    cpu.gpr[(t & 15) as usize] = fpscr(cpu) as u64;
    HelperExit::Continue
}

extern "C" fn write_fpscr(cpu: &mut Cpu, t: u64) -> HelperExit {
    let value = cpu.gpr[(t & 15) as usize] as u32;
    if set_fpscr(cpu, value) { HelperExit::Resync } else { HelperExit::Continue }
}

//! System instructions: calls, breakpoints, fences, cache blocks, waiting, and the control and
//! status registers of user level.

use crate::decode::{Insn, undefined, x};
use crate::v;
use anyarch_engine::field;
use anyarch_engine::fp::{Rounding, flag};
use anyarch_engine::ops::{
    Addr, Alu, Barrier, Effects, Helper, HelperExit, LoadExt, MemOrder, Ops, R, Size, Src, Trap, V, W,
};
use anyarch_engine::run::code;
use anyarch_engine::state::{Cpu, Fault, mode};

crate::rows! {
    "000000000000 00000 000 00000 1110011" Ecall ecall;
    "000000000001 00000 000 00000 1110011" Ebreak ebreak;
    first "0000 pred:4 succ:4 rs1:5 000 rd:5 0001111" Fence fence;
    first "1000 0011 0011 rs1:5 000 rd:5 0001111" FenceTso nop;
    "fm:4 pred:4 succ:4 rs1:5 000 rd:5 0001111" FenceOther full_fence;
    "imm:12 rs1:5 001 rd:5 0001111" FenceI fence_i;
    // Zawrs: waiting may end at any time.
    "000000001101 00000 000 00000 1110011" WrsNto nop;
    "000000011101 00000 000 00000 1110011" WrsSto nop;
    // Zicbom, Zicboz. CBO.INVAL is not for user level.
    "000000000001 rs1:5 010 00000 0001111" CboClean cbo_manage;
    "000000000010 rs1:5 010 00000 0001111" CboFlush cbo_manage;
    "000000000100 rs1:5 010 00000 0001111" CboZero cbo_zero;

    "csr:12 rs1:5 001 rd:5 1110011" Csrrw csr;
    "csr:12 rs1:5 010 rd:5 1110011" Csrrs csr;
    "csr:12 rs1:5 011 rd:5 1110011" Csrrc csr;
    "csr:12 imm:5 101 rd:5 1110011" Csrrwi csr;
    "csr:12 imm:5 110 rd:5 1110011" Csrrsi csr;
    "csr:12 imm:5 111 rd:5 1110011" Csrrci csr;
}

/// Bytes of a cache block.
pub const BLOCK: u64 = 64;
/// The time CSR counts nanoseconds.
pub(crate) const TIME_HZ: u64 = 1_000_000_000;

const FFLAGS: u32 = 1;
const FRM: u32 = 2;
const FCSR: u32 = 3;
/// Of the counters this alone: cycle, instret and hpmcounters are not for user level unless
/// `kernel.perf_user_access` says so.
const TIME: u32 = 0xc01;

fn ecall<O: Ops>(o: &mut O, _: Insn) {
    o.syscall();
}

fn ebreak<O: Ops>(o: &mut O, _: Insn) {
    o.trap(Trap::Breakpoint(0));
}

fn nop<O: Ops>(_: &mut O, _: Insn) {}

fn full_fence<O: Ops>(o: &mut O, _: Insn) {
    o.barrier(Barrier::Full);
}

/// Only earlier writes against later reads need anything on the host. (PAUSE is a fence of nothing
/// before.)
fn fence<O: Ops>(o: &mut O, i: Insn) {
    let (before, after) = (field!(i.pred), field!(i.succ));
    if before & 0b0101 != 0 && after & 0b1010 != 0 {
        o.barrier(Barrier::Full);
    } else {
        o.barrier(Barrier::Load);
        o.barrier(Barrier::Store);
    }
}

fn fence_i<O: Ops>(o: &mut O, _: Insn) {
    o.helper(INVALIDATE_ALL, 0);
    o.sync_fetch();
}

const INVALIDATE_ALL: Helper = Helper { function: invalidate_all, effects: |_| Effects::NONE.outside() };

extern "C" fn invalidate_all(cpu: &mut Cpu, _: u64) -> HelperExit {
    code::invalidate_from(cpu, 0, u64::MAX)
}

/// Host caches are coherent; but the memory must be there.
fn cbo_manage<O: Ops>(o: &mut O, i: Insn) {
    o.load(Size::B1, LoadExt::Zero, R::T0, Addr::Base(i.rs1(), 0), MemOrder::Plain);
}

fn cbo_zero<O: Ops>(o: &mut O, i: Insn) {
    // The block lies in one page, so that the first store faults or none does.
    o.alu(Alu::And, W::W64, R::T0, i.rs1(), Src::Imm(!(BLOCK - 1)));
    o.vconst(V::T0, 0);
    for at in (0..BLOCK as i64).step_by(16) {
        o.vstore(16, V::T0, Addr::Base(R::T0, at));
    }
}

fn csr<O: Ops>(o: &mut O, i: Insn) {
    // CSRRS and CSRRC with x0 or zero do not write.
    let writes = i.bits(12, 2) == 1 || i.s1() != 0;
    match field!(i.csr) {
        number @ (FFLAGS | FRM | FCSR) => float_csr(o, i, number, writes),
        TIME if !writes => o.helper(CSR, i.word as u64),
        v::csr::VSTART | v::csr::VXSAT | v::csr::VXRM | v::csr::VCSR => o.helper(CSR, i.word as u64),
        v::csr::VL | v::csr::VTYPE | v::csr::VLENB if !writes => {
            let from = match field!(i.csr) {
                v::csr::VL => Src::Reg(v::VL),
                v::csr::VTYPE => Src::Reg(v::VTYPE),
                _ => Src::Imm(v::VLENB),
            };
            o.mov(W::W64, i.rd(), from);
            o.mov(W::W64, v::DIRTY, Src::Imm(1));
        }
        _ => undefined(o),
    }
}

/// Accesses of fflags, frm and fcsr. Where the direction of rounding is to nearest even it is
/// known, and a write that leaves it that needs no helper either.
fn float_csr<O: Ops>(o: &mut O, i: Insn, number: u32, writes: bool) {
    let (op, immediate) = (i.bits(12, 2), i.bits(14, 1) != 0);
    if number != FFLAGS && o.fp_mode() != mode::EXACT {
        return o.helper(CSR, i.word as u64);
    }
    // The bits of the operand that go to frm; CSRRC leaves it zero.
    let mask = match number {
        FRM => 7,
        FCSR => 7 << 5,
        _ => 0,
    };
    if writes && op != 3 && mask != 0 && i.s1() != 0 {
        if immediate && i.s1() & mask != 0 {
            return o.helper(CSR, i.word as u64);
        }
        if !immediate && !o.guard_bits(i.rs1(), mask, 0, CSR, i.word as u64) {
            return;
        }
    }
    if number == FRM {
        return o.mov(W::W64, i.rd(), Src::Imm(0));
    }
    if !writes {
        return o.fp_flags(i.rd());
    }
    let operand = if immediate { Src::Imm(i.s1() as u64) } else { Src::Reg(i.rs1()) };
    if op != 1 || i.d() != 0 {
        o.fp_flags(R::T0);
    }
    match (op, operand) {
        (1, Src::Reg(s)) => o.set_fp_flags(s),
        (1, s) => {
            o.mov(W::W64, R::T1, s);
            o.set_fp_flags(R::T1);
        }
        (_, s) => {
            o.alu(if op == 2 { Alu::Or } else { Alu::AndNot }, W::W64, R::T1, R::T0, s);
            o.set_fp_flags(R::T1);
        }
    }
    if i.d() != 0 {
        o.mov(W::W64, i.rd(), Src::Reg(R::T0));
    }
}

fn nanoseconds() -> u64 {
    let [seconds, nanoseconds] = anyarch_sys::calls::monotonic();
    seconds.wrapping_mul(TIME_HZ).wrapping_add(nanoseconds)
}

const CSR: Helper = Helper {
    function: csr_helper,
    effects: |word| {
        let i = Insn { word: word as u32, pc: 0, len: 4 };
        Effects::NONE.reads(i.rs1()).writes(i.rd()).changes(v::STATE).environment().outside()
    },
};

extern "C" fn csr_helper(cpu: &mut Cpu, word: u64) -> HelperExit {
    let i = Insn { word: word as u32, pc: 0, len: 4 };
    let operand = match (i.bits(14, 1), x(i.s1())) {
        (1, _) => i.s1() as u64,
        (_, R::ZERO) => 0,
        (_, r) => cpu.gpr[r.0 as usize],
    };
    let all = fcsr(cpu);
    let number = i.bits(20, 12);
    let old = match number {
        FFLAGS => (all & 31) as u64,
        FRM => (all >> 5) as u64,
        FCSR => all as u64,
        TIME => nanoseconds(),
        _ => {
            v::touch(cpu);
            v::read_csr(cpu, number)
        }
    };
    let new = match i.bits(12, 2) {
        1 => operand,
        2 => old | operand,
        _ => old & !operand,
    };
    if let r @ R(1..=31) = i.rd() {
        cpu.gpr[r.0 as usize] = old;
    }
    if i.bits(12, 2) != 1 && i.s1() == 0 {
        return HelperExit::Continue;
    }
    if !matches!(number, FFLAGS | FRM | FCSR) {
        v::write_csr(cpu, number, new);
        return HelperExit::Continue;
    }
    let new = new as u32;
    let changed = match number {
        FFLAGS => set_fcsr(cpu, all & !31 | new & 31),
        FRM => set_fcsr(cpu, all & 31 | (new & 7) << 5),
        FCSR => set_fcsr(cpu, new),
        _ => false,
    };
    if changed { HelperExit::Resync } else { HelperExit::Continue }
}

/// fcsr: frm in bits 7 to 5, fflags below.
pub fn fcsr(cpu: &Cpu) -> u32 {
    (cpu.fpcr & 7) << 5 | flag::reversed(cpu.fp_flags()) as u32
}

/// Sets fcsr and the floating-point environment. True if the translation mode changed.
pub fn set_fcsr(cpu: &mut Cpu, value: u32) -> bool {
    use anyarch_engine::fp::{FpEnv, IntInvalid};
    cpu.set_fp_flags(flag::reversed(value as u8));
    cpu.fpcr = value >> 5 & 7;
    cpu.fp = FpEnv {
        rounding: rounding(cpu.fpcr).unwrap_or_default(),
        default_nan: true,
        int_invalid: IntInvalid::NanMax,
        tiny_after_rounding: true,
        flags: cpu.fp.flags,
        ..FpEnv::default()
    };
    cpu.apply_rounding();
    let mode = cpu.mode & mode::RESTRICTED
        | match cpu.fpcr {
            0 => mode::EXACT,
            1..=3 => mode::DIRECTED,
            _ => mode::OTHER,
        };
    core::mem::replace(&mut cpu.mode, mode) != mode
}

/// A rounding mode by number; `None` for the reserved ones.
pub fn rounding(number: u32) -> Option<Rounding> {
    use Rounding::*;
    [NearestEven, Zero, Down, Up, NearestAway].get(number as usize).copied()
}

/// Ends a helper with an illegal instruction.
pub fn illegal(cpu: &mut Cpu) -> HelperExit {
    cpu.fault = Fault { signo: 4, code: 1, addr: cpu.pc, write: false };
    HelperExit::Fault
}

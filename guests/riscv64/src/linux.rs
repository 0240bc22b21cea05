//! Linux on riscv64 as its programs see it: registers of the system call convention, layouts that
//! differ from the host's, and the signal frame, which is the kernel's own
//! (arch/riscv/kernel/signal.c, uapi/asm/sigcontext.h) byte for byte.

use crate::features;
use crate::system::{fcsr, set_fcsr};
use crate::v::{self, V0, VLENB};
use alloc::string::String;
use alloc::vec::Vec;
use anyarch_engine::run::{Guest, code};
use anyarch_engine::state::Cpu;
use anyarch_linux::abi::{Abi, AltStack, FrameBuf, SignalDelivery, Vdso};
use anyarch_linux::calls::misc::online_cpus;
use anyarch_linux::calls::numbers::Column;
use anyarch_linux::calls::table::Sys;
use anyarch_linux::signal::on_altstack;
use anyarch_linux::structure::{Model, model};
use anyarch_linux::task::Task;
use anyarch_sys::{Errno, read, read_bytes, write, write_bytes};

/// The riscv64 ABI.
pub static ABI: &dyn Abi = &Riscv64;

struct Riscv64;

const RA: usize = 1;
const SP: usize = 2;
const TP: usize = 4;
const A0: usize = 10;

/// Offsets in `struct rt_sigframe` { siginfo; ucontext { flags, link, stack, sigmask, unused,
/// mcontext } }.
mod frame {
    use anyarch_linux::abi::FrameBuf;
    /// uc_mcontext: pc, x1 to x31.
    pub(super) const REGS: usize = FrameBuf::MCONTEXT;
    /// f0 to f31, fcsr.
    pub(super) const FP: usize = REGS + 256;
    pub(super) const FCSR: usize = FP + 256;
    /// `reserved`, which is zero.
    pub(super) const RESERVED: usize = FP + 516;
    /// The records of the extensions, each with magic and size; zeroes end them.
    pub(super) const RECORDS: usize = FP + 520;
    /// Size of a frame without records.
    const SIZE: usize = FP + 528;
    /// Magic of the vector record: `struct __riscv_v_ext_state` { vstart, vl, vtype, vcsr, vlenb,
    /// datap } and the registers, where datap points.
    pub(super) const V_MAGIC: u32 = 0x5346_5457;
    pub(super) const V_STATE: usize = 48;
    pub(super) const V_SIZE: usize = 8 + V_STATE + 512;

    /// Size of a frame: beside a record there is room for the zeroes that end the records.
    pub(super) const fn size(vector: bool) -> usize {
        SIZE + if vector { V_SIZE + 8 } else { 0 }
    }
}

/// What prctl PR_RISCV_V_SET_CONTROL sets of a thread: whether it may use vectors, in two bits;
/// what is to become of that at the next execve, in two bits (0: it is as in any new program); and
/// whether that stays so for the execve after it (Documentation/arch/riscv/vector.rst).
mod control {
    use crate::v;
    use anyarch_engine::state::{Cpu, mode};

    pub(super) const OFF: u64 = 1;
    pub(super) const ON: u64 = 2;
    const INHERIT: u64 = 1 << 4;
    /// All bits.
    pub(super) const MASK: u64 = 0x1f;

    pub(super) fn current(control: u64) -> u64 {
        control & 3
    }

    pub(super) fn next(control: u64) -> u64 {
        control >> 2 & 3
    }

    pub(super) fn on(control: u64) -> bool {
        current(control) == ON
    }

    /// The kernel's riscv_v_vstate_ctrl_init.
    pub(super) fn after_exec(control: u64) -> u64 {
        let current = if next(control) == 0 { ON } else { next(control) };
        if control & INHERIT != 0 { control & !3 | current } else { current }
    }

    /// That of a program which was handed this. Nobody but a forger hands on what makes no sense.
    pub(super) fn of_new_program(handed: Option<u64>) -> u64 {
        handed.filter(|c| c & !MASK == 0 && matches!(current(*c), OFF | ON) && next(*c) != 3).unwrap_or(ON)
    }

    pub(super) fn set(cpu: &mut Cpu, control: u64) {
        cpu.gpr[v::POLICY.0 as usize] = control;
        cpu.mode = cpu.mode & !mode::RESTRICTED | if on(control) { 0 } else { mode::RESTRICTED };
    }
}

/// `li a7, number` (addi a7, x0), `ecall`, `ret`.
macro_rules! call_stub {
    ($number:literal) => {
        &[0x93, 0x08, (($number & 15) << 4) as u8, ($number >> 4) as u8, 0x73, 0, 0, 0, 0x67, 0x80, 0, 0]
    };
}

static VDSO: Vdso = Vdso {
    elf_flags: 0,
    version: "LINUX_4.15",
    functions: &[
        ("__vdso_rt_sigreturn", call_stub!(139)),
        ("__vdso_clock_gettime", call_stub!(113)),
        ("__vdso_gettimeofday", call_stub!(169)),
        ("__vdso_clock_getres", call_stub!(114)),
        ("__vdso_getcpu", call_stub!(168)),
        ("__vdso_flush_icache", call_stub!(259)),
        ("__vdso_riscv_hwprobe", call_stub!(258)),
    ],
    sigreturn: 0,
};

impl Abi for Riscv64 {
    fn guest(&self) -> &'static Guest {
        &crate::GUEST
    }

    fn model(&self) -> &'static Model {
        &model::RISCV64
    }
    fn machine(&self) -> &'static str {
        "riscv64"
    }

    fn elf_machine(&self) -> u16 {
        243
    }

    fn hwcaps(&self, handed: Option<u64>) -> [u64; 3] {
        [features::hwcap(control::on(control::of_new_program(handed))), 0, 0]
    }

    fn largest_frame(&self) -> u64 {
        frame::size(true) as u64
    }

    fn cpuinfo(&self, cpus: usize) -> String {
        features::cpuinfo(cpus)
    }

    fn calls(&self) -> Column {
        Column::Generic
    }

    fn syscall(&self, number: u64) -> Option<Sys> {
        match number {
            258 => Some(Sys::riscv_hwprobe),
            259 => Some(Sys::riscv_flush_icache),
            // renameat is older than the architecture: it has renameat2 only.
            38 => None,
            _ => self.calls().call(number),
        }
    }

    fn syscall_args(&self, cpu: &Cpu) -> (u64, [u64; 6]) {
        let g = &cpu.gpr;
        (g[17], [g[10], g[11], g[12], g[13], g[14], g[15]])
    }

    fn set_result(&self, cpu: &mut Cpu, raw: u64) {
        cpu.gpr[A0] = raw;
    }

    fn start(&self, cpu: &mut Cpu, entry: u64, sp: u64, handed: Option<u64>) {
        cpu.pc = entry;
        cpu.gpr[SP] = sp;
        set_fcsr(cpu, 0);
        v::reset(cpu);
        control::set(cpu, control::of_new_program(handed));
    }

    fn hand_on(&self, cpu: &Cpu) -> Option<u64> {
        let next = control::after_exec(cpu.gpr[v::POLICY.0 as usize]);
        (next != control::ON).then_some(next)
    }

    fn exec_keeps_implied_exec(&self) -> bool {
        // All but the lowest byte (PER_MASK) stays.
        true
    }

    fn clone_child(&self, cpu: &mut Cpu, sp: u64, tls: Option<u64>) {
        cpu.gpr[A0] = 0;
        // A new task's vectors are those of one that has not used them; whether it may is
        // inherited.
        v::reset(cpu);
        if sp != 0 {
            cpu.gpr[SP] = sp;
        }
        if let Some(tls) = tls {
            cpu.gpr[TP] = tls;
        }
    }

    fn min_sigstack(&self) -> u64 {
        2048
    }

    fn has_restorer(&self) -> bool {
        false
    }

    fn sp(&self, cpu: &Cpu) -> u64 {
        cpu.gpr[SP]
    }

    fn push_signal_frame(&self, cpu: &mut Cpu, d: &SignalDelivery) -> Result<(), Errno> {
        let vector = v::used(cpu);
        let size = frame::size(vector);
        // A frame that would leave the alternate stack is not begun.
        let sp = cpu.gpr[SP];
        if on_altstack(d.altstack, sp) && !on_altstack(d.altstack, sp.wrapping_sub(size as u64)) {
            return Err(Errno::EFAULT);
        }
        let base = d.sp.wrapping_sub(size as u64) & !15;
        let mut f = FrameBuf::new(size);
        f.set_info(d);
        f.set_ucontext(d);
        f.u64(frame::REGS, cpu.pc);
        for i in 1..32 {
            f.u64(frame::REGS + 8 * i, cpu.gpr[i]);
        }
        for i in 0..32 {
            f.u64(frame::FP + 8 * i, cpu.vec[i] as u64);
        }
        f.u32(frame::FCSR, fcsr(cpu));
        if vector {
            f.u32(frame::RECORDS, frame::V_MAGIC);
            f.u32(frame::RECORDS + 4, frame::V_SIZE as u32);
            let state = frame::RECORDS + 8;
            for (n, r) in V_REGISTERS.into_iter().enumerate() {
                f.u64(state + 8 * n, cpu.gpr[r.0 as usize]);
            }
            f.u64(state + 32, VLENB);
            let data = state + frame::V_STATE;
            f.u64(state + 40, base + data as u64);
            for n in 0..32 {
                f.u128(data + 16 * n, cpu.vec[V0 + n]);
            }
        }
        write_bytes(base, &f.0)?;
        cpu.gpr[A0] = d.signo as u64;
        cpu.gpr[A0 + 1] = base;
        cpu.gpr[A0 + 2] = base + FrameBuf::UC as u64;
        cpu.gpr[SP] = base;
        cpu.gpr[RA] = d.restorer;
        cpu.pc = d.handler;
        Ok(())
    }

    fn pop_signal_frame(&self, cpu: &mut Cpu) -> Result<(u64, AltStack), Option<u64>> {
        let base = cpu.gpr[SP];
        let mut f = FrameBuf::new(frame::size(false));
        read_bytes(base, &mut f.0).map_err(|_| None)?;
        // What comes before something bad in the frame is restored.
        cpu.pc = f.get64(frame::REGS);
        for i in 1..32 {
            cpu.gpr[i] = f.get64(frame::REGS + 8 * i);
        }
        for i in 0..32 {
            cpu.vec[i] = f.get64(frame::FP + 8 * i) as u128;
        }
        set_fcsr(cpu, f.get32(frame::FCSR));
        cpu.excl_addr = u64::MAX;
        let (mask, altstack) = f.ucontext();
        if f.get32(frame::RESERVED) != 0 {
            return Err(Some(mask));
        }
        restore_records(cpu, base.wrapping_add(frame::RECORDS as u64)).map_err(|_| Some(mask))?;
        Ok((mask, altstack))
    }

    fn vdso(&self) -> &'static Vdso {
        &VDSO
    }

    fn arch_syscall(&self, _task: &mut Task, sys: Sys, args: [u64; 6]) -> Result<u64, Errno> {
        match sys {
            Sys::riscv_hwprobe => hwprobe(args),
            Sys::riscv_flush_icache => {
                let [start, end, flags, ..] = args;
                // SYS_RISCV_FLUSH_ICACHE_LOCAL is all there is.
                if flags & !1 != 0 {
                    return Err(Errno::EINVAL);
                }
                // Programs must name the range, which is what a JIT compiler's speed depends on.
                // The kernel flushes everything so far, so a range that makes no sense means that.
                let (start, end) = if start < end { (start, end) } else { (0, u64::MAX) };
                code::invalidate(start, end);
                Ok(0)
            }
            _ => Err(Errno::ENOSYS),
        }
    }

    fn arch_prctl(&self, cpu: &mut Cpu, [option, arg, scope, ..]: [u64; 6]) -> Result<u64, Errno> {
        const V_SET_CONTROL: u32 = 69;
        const V_GET_CONTROL: u32 = 70;
        const SET_ICACHE_FLUSH_CTX: u32 = 71;
        let old = cpu.gpr[v::POLICY.0 as usize];
        match option as u32 {
            V_SET_CONTROL if arg & !control::MASK != 0 => Err(Errno::EINVAL),
            V_SET_CONTROL => {
                let current = match control::current(arg) {
                    0 => control::current(old),
                    // What is on stays on until the next program.
                    control::OFF if control::on(old) => return Err(Errno::EPERM),
                    current @ (control::OFF | control::ON) => current,
                    _ => return Err(Errno::EINVAL),
                };
                if control::next(arg) == 3 {
                    return Err(Errno::EINVAL);
                }
                control::set(cpu, arg & !3 | current);
                Ok(0)
            }
            V_GET_CONTROL => Ok(old),
            // PR_RISCV_CTX_SW_FENCEI_ON and _OFF, PR_RISCV_SCOPE_PER_PROCESS and _PER_THREAD:
            // FENCE.I always counts for all processors here.
            SET_ICACHE_FLUSH_CTX if arg <= 1 && scope <= 1 => Ok(0),
            _ => Err(Errno::EINVAL),
        }
    }

    fn cpu_models(&self) -> &'static [&'static str] {
        &["max", "any", "rv64"]
    }
}

/// The registers of the vector record, in its order.
const V_REGISTERS: [anyarch_engine::ops::R; 4] = [v::VSTART, v::VL, v::VTYPE, v::VCSR];

/// Restores what the records of a frame have.
fn restore_records(cpu: &mut Cpu, mut at: u64) -> Result<(), Errno> {
    loop {
        let [magic, size]: [u32; 2] = read(at)?;
        match (magic, size as usize) {
            (0, 0) => return Ok(()),
            // There are no vectors to restore where they were never used.
            (frame::V_MAGIC, frame::V_SIZE) if v::used(cpu) => {
                let [vstart, vl, vtype, vcsr, _, data]: [u64; 6] = read(at.wrapping_add(8))?;
                let mut registers = [0; 512];
                read_bytes(data, &mut registers)?;
                v::restore(cpu, [vstart, vl, vtype, vcsr], &registers);
                at = at.wrapping_add(size as u64);
            }
            _ => return Err(Errno::EINVAL),
        }
    }
}

/// riscv_hwprobe(pairs, pair_count, cpusetsize, cpus, flags): values of keys, or the processors
/// that have given values (arch/riscv/kernel/sys_hwprobe.c). All processors are equal.
fn hwprobe([pairs, count, set_size, cpus, flags, _]: [u64; 6]) -> Result<u64, Errno> {
    const WHICH_CPUS: u32 = 1;
    let which = match flags as u32 {
        0 => false,
        WHICH_CPUS if set_size != 0 && cpus != 0 => true,
        _ => return Err(Errno::EINVAL),
    };
    let mut set = Vec::new();
    if set_size != 0 || cpus != 0 {
        let online = online_cpus();
        set.resize((set_size as usize).min(online.len()), 0);
        read_bytes(cpus, &mut set)?;
        let all = which && set.iter().all(|b| *b == 0);
        for (byte, online) in set.iter_mut().zip(&online) {
            *byte = online & if all { u8::MAX } else { *byte };
        }
        if !which && set.iter().all(|b| *b == 0) {
            return Err(Errno::EINVAL);
        }
    }
    let mut all = true;
    for n in 0..count {
        let at = pairs.wrapping_add(n.wrapping_mul(16));
        let key: u64 = read(at)?;
        let known = features::probe(key as i64);
        match known {
            None => {
                all = false;
                write(at, &[u64::MAX, 0])?;
            }
            Some(p) if which => {
                let wanted: u64 = read(at.wrapping_add(8))?;
                all &= if p.bitmask { p.value & wanted == wanted } else { p.value == wanted };
            }
            Some(p) => write(at, &[key, p.value])?,
        }
    }
    if which {
        if !all {
            set.fill(0);
        }
        write_bytes(cpus, &set)?;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_offsets_are_the_kernels() {
        assert_eq!((frame::size(false), frame::size(true)), (1088, 1664));
        assert_eq!(frame::RECORDS - frame::FP, 520);
        assert_eq!(frame::V_SIZE, 568);
    }

    #[test]
    fn vectors_across_execve() {
        use control::{OFF, ON, after_exec, of_new_program};
        for (before, after) in [
            (ON, ON),
            (OFF, ON),
            (ON | OFF << 2, OFF),
            (ON | ON << 2, ON),
            (OFF | ON << 2, ON),
            (ON | OFF << 2 | 16, OFF | OFF << 2 | 16),
            (OFF | ON << 2 | 16, ON | ON << 2 | 16),
            (OFF | 16, ON | 16),
        ] {
            assert_eq!(after_exec(before), after, "{before:#x}");
            assert_eq!(of_new_program(Some(after)), after);
        }
        for bad in [None, Some(0), Some(3), Some(ON | 3 << 2), Some(ON | 32), Some(u64::MAX)] {
            assert_eq!(of_new_program(bad), ON, "{bad:x?}");
        }
    }
}

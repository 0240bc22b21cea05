//! Linux on riscv64 as its programs see it: registers of the system call convention, layouts that differ from the host's, and
//! the signal frame, which is the kernel's own (arch/riscv/kernel/signal.c, uapi/asm/sigcontext.h) byte for byte.

use crate::features;
use crate::system::{fcsr, set_fcsr};
use crate::v::{self, V0, VLENB};
use alloc::string::String;
use alloc::vec::Vec;
use anyarch_engine::run::{Guest, code};
use anyarch_engine::state::Cpu;
use anyarch_linux::abi::{Abi, FrameBuf, SignalDelivery, Vdso};
use anyarch_linux::table::Sys;
use anyarch_linux::task::Task;
use anyarch_sys::{Errno, read, read_bytes, write, write_bytes};

/// The riscv64 ABI.
pub static ABI: &dyn Abi = &Riscv64;

struct Riscv64;

const RA: usize = 1;
const SP: usize = 2;
const TP: usize = 4;
const A0: usize = 10;

/// Offsets in `struct rt_sigframe` { siginfo; ucontext { flags, link, stack, sigmask, unused, mcontext } }.
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
    pub(super) const SIZE: usize = FP + 528;
    /// Magic of the vector record: `struct __riscv_v_ext_state` { vstart, vl, vtype, vcsr, vlenb, datap } and the registers, where datap points.
    pub(super) const V_MAGIC: u32 = 0x5346_5457;
    pub(super) const V_STATE: usize = 48;
    pub(super) const V_SIZE: usize = 8 + V_STATE + 512;
}

/// `li a7, number` (addi a7, x0), `ecall`, `ret`.
macro_rules! call_stub {
    ($number:literal) => {
        &[0x93, 0x08, (($number & 15) << 4) as u8, ($number >> 4) as u8, 0x73, 0, 0, 0, 0x67, 0x80, 0, 0]
    };
}

static VDSO: Vdso = Vdso {
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

    fn machine(&self) -> &'static str {
        "riscv64"
    }

    fn elf_machine(&self) -> u16 {
        243
    }

    fn hwcaps(&self) -> [u64; 3] {
        [features::HWCAP, 0, 0]
    }

    fn cpuinfo(&self, cpus: usize) -> String {
        features::cpuinfo(cpus)
    }

    fn syscall(&self, number: u64) -> Option<Sys> {
        match number {
            258 => Some(Sys::riscv_hwprobe),
            259 => Some(Sys::riscv_flush_icache),
            // renameat is older than the architecture: it has renameat2 only.
            38 => None,
            _ => Sys::generic(number),
        }
    }

    fn syscall_args(&self, cpu: &Cpu) -> (u64, [u64; 6]) {
        let g = &cpu.gpr;
        (g[17], [g[10], g[11], g[12], g[13], g[14], g[15]])
    }

    fn set_result(&self, cpu: &mut Cpu, raw: u64) {
        cpu.gpr[A0] = raw;
    }

    fn start(&self, cpu: &mut Cpu, entry: u64, sp: u64) {
        cpu.pc = entry;
        cpu.gpr[SP] = sp;
        set_fcsr(cpu, 0);
        v::reset(cpu);
    }

    fn clone_child(&self, cpu: &mut Cpu, sp: u64, tls: Option<u64>) {
        cpu.gpr[A0] = 0;
        // A new task's vectors are those of one that has not used them.
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
        let size = frame::SIZE + if vector { frame::V_SIZE } else { 0 };
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

    fn pop_signal_frame(&self, cpu: &mut Cpu) -> Result<(u64, (u64, i32, u64)), Errno> {
        let mut f = FrameBuf::new(frame::SIZE);
        read_bytes(cpu.gpr[SP], &mut f.0)?;
        if f.get32(frame::RESERVED) != 0 {
            return Err(Errno::EFAULT);
        }
        let vector = restore_records(cpu.gpr[SP].wrapping_add(frame::RECORDS as u64))?;
        cpu.pc = f.get64(frame::REGS);
        for i in 1..32 {
            cpu.gpr[i] = f.get64(frame::REGS + 8 * i);
        }
        for i in 0..32 {
            cpu.vec[i] = f.get64(frame::FP + 8 * i) as u128;
        }
        set_fcsr(cpu, f.get32(frame::FCSR));
        if let Some((registers, data)) = vector {
            v::restore(cpu, registers, &data);
        }
        cpu.excl_addr = u64::MAX;
        Ok(f.ucontext())
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
                // Programs must name the range, which is what a JIT compiler's speed depends on. The kernel flushes everything so far,
                // so a range that makes no sense means that.
                let (start, end) = if start < end { (start, end) } else { (0, u64::MAX) };
                code::invalidate(start, end);
                Ok(0)
            }
            _ => Err(Errno::ENOSYS),
        }
    }

    fn arch_prctl(&self, cpu: &mut Cpu, [option, arg, ..]: [u64; 6]) -> Result<u64, Errno> {
        const SET_CONTROL: u64 = 69;
        const GET_CONTROL: u64 = 70;
        // PR_RISCV_V_VSTATE_CTRL: the present state in two bits, that of the next program in two, and whether that is handed on.
        const OFF: u64 = 1;
        const ON: u64 = 2;
        match option {
            SET_CONTROL if arg & !0x1f != 0 || arg & 3 == 3 => Err(Errno::EINVAL),
            // Vectors are on, and cannot be taken away then.
            SET_CONTROL if arg & 3 == OFF => Err(Errno::EPERM),
            // A next program without vectors is not offered.
            SET_CONTROL if matches!(arg >> 2 & 3, OFF | 3) => Err(Errno::EINVAL),
            SET_CONTROL => {
                cpu.gpr[v::POLICY.0 as usize] = arg & 0x1c;
                Ok(0)
            }
            GET_CONTROL => Ok(ON | cpu.gpr[v::POLICY.0 as usize]),
            _ => Err(Errno::EINVAL),
        }
    }

    fn cpu_models(&self) -> &'static [&'static str] {
        &["max", "any", "rv64"]
    }
}

/// The registers of the vector record, in its order.
const V_REGISTERS: [anyarch_engine::ops::R; 4] = [v::VSTART, v::VL, v::VTYPE, v::VCSR];

/// Reads the records of a frame: what the vector record has, if there is one.
#[allow(clippy::type_complexity)]
fn restore_records(mut at: u64) -> Result<Option<([u64; 4], Vec<u8>)>, Errno> {
    let mut vector = None;
    loop {
        let [magic, size]: [u32; 2] = read(at)?;
        match (magic, size as usize) {
            (0, 0) => return Ok(vector),
            (frame::V_MAGIC, frame::V_SIZE) => {
                let [vstart, vl, vtype, vcsr, _, data]: [u64; 6] = read(at.wrapping_add(8))?;
                let mut registers = alloc::vec![0; 512];
                read_bytes(data, &mut registers)?;
                vector = Some(([vstart, vl, vtype, vcsr], registers));
                at = at.wrapping_add(size as u64);
            }
            _ => return Err(Errno::EINVAL),
        }
    }
}

/// riscv_hwprobe(pairs, pair_count, cpusetsize, cpus, flags). All processors are equal, so the set matters only where it is empty or changed.
fn hwprobe([pairs, count, set_size, cpus, flags, _]: [u64; 6]) -> Result<u64, Errno> {
    /// TASK_SIZE of sv48 less one, what RISCV_HWPROBE_KEY_HIGHEST_VIRT_ADDRESS means.
    const HIGHEST: u64 = (1 << 47) - 1;
    // RISCV_HWPROBE_WHICH_CPUS asks for the processors with given values.
    const WHICH_CPUS: u64 = 1;
    if flags & !WHICH_CPUS != 0 || (set_size == 0) != (cpus == 0) || (flags != 0 && cpus == 0) {
        return Err(Errno::EINVAL);
    }
    let mut all = true;
    for n in 0..count {
        let at = pairs.wrapping_add(16 * n);
        let [key, wanted]: [u64; 2] = read(at)?;
        let value = features::probe(key as i64, HIGHEST);
        if flags == WHICH_CPUS {
            all &= value.is_some_and(|v| matches!(key, 3 | 4) && v & wanted == wanted || v == wanted);
            if value.is_none() {
                write(at, &[u64::MAX, 0])?;
            }
            continue;
        }
        match value {
            Some(value) => write(at + 8, &value)?,
            None => write(at, &[u64::MAX, 0])?,
        }
    }
    if flags == WHICH_CPUS && !all {
        write_bytes(cpus, &alloc::vec![0; set_size.min(128) as usize])?;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_offsets_are_the_kernels() {
        assert_eq!(frame::SIZE, 1088);
        assert_eq!(frame::RECORDS - frame::FP, 520);
        assert_eq!(frame::V_SIZE, 568);
    }
}

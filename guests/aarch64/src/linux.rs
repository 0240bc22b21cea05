//! Linux on aarch64 as its programs see it: registers of the system call convention, layouts that
//! differ from the host's, and the signal frame.
//!
//! The frame is the kernel's own (arch/arm64/kernel/signal.c, uapi/asm/sigcontext.h), byte for
//! byte: unwinders, garbage collectors and language runtimes read and change it.

use crate::features;
use crate::system::{fpcr, fpsr, set_fpcr, set_fpsr};
use alloc::string::String;
use anyarch_engine::run::Guest;
use anyarch_engine::state::{Cpu, slot};
use anyarch_linux::abi::{Abi, AltStack, FrameBuf, SignalDelivery, Vdso};
use anyarch_linux::calls::numbers::Column;
use anyarch_linux::structure::{Model, model};
use anyarch_sys::{Errno, read, read_bytes, write, write_bytes};

/// The aarch64 ABI.
pub static ABI: &dyn Abi = &Aarch64;

struct Aarch64;

/// Stack pointer's slot.
const SP: usize = 31;
/// Frame pointer's slot.
const FP: usize = 29;
/// Link register's slot.
const LR: usize = 30;

/// Offsets in `struct rt_sigframe` { siginfo; ucontext { flags, link, stack, sigmask, pad,
/// sigcontext } }.
mod frame {
    use anyarch_linux::abi::FrameBuf;
    /// uc_mcontext: fault_address, regs[31], sp, pc, pstate.
    pub(super) const MCONTEXT: usize = FrameBuf::MCONTEXT;
    /// regs[0].
    pub(super) const REGS: usize = MCONTEXT + 8;
    /// __reserved: a chain of records.
    pub(super) const RESERVED: usize = MCONTEXT + 288;
    /// The whole frame.
    pub(super) const SIZE: usize = RESERVED + 4096;

    pub(super) const FPSIMD_MAGIC: u32 = 0x4650_8001;
    pub(super) const FPSIMD_SIZE: usize = 528;
    pub(super) const ESR_MAGIC: u32 = 0x4553_5201;
    pub(super) const ESR_SIZE: usize = 16;
    pub(super) const EXTRA_MAGIC: u32 = 0x4558_5401;
}

/// The stand-in for the kernel's vDSO (arch/arm64/kernel/vdso). Unwinders recognise the trampoline
/// by its code: `mov x8, #139; svc #0`.
static VDSO: Vdso = Vdso {
    elf_flags: 0,
    version: "LINUX_2.6.39",
    functions: &[
        // mov x8, #113; svc #0; ret, and so on: the call itself is cheap, since it is made by the
        // emulator.
        ("__kernel_clock_gettime", &[0x28, 0x0e, 0x80, 0xd2, 0x01, 0, 0, 0xd4, 0xc0, 0x03, 0x5f, 0xd6]),
        ("__kernel_gettimeofday", &[0x28, 0x15, 0x80, 0xd2, 0x01, 0, 0, 0xd4, 0xc0, 0x03, 0x5f, 0xd6]),
        ("__kernel_clock_getres", &[0x48, 0x0e, 0x80, 0xd2, 0x01, 0, 0, 0xd4, 0xc0, 0x03, 0x5f, 0xd6]),
        ("__kernel_rt_sigreturn", &[0x68, 0x11, 0x80, 0xd2, 0x01, 0, 0, 0xd4]),
    ],
    sigreturn: 3,
};

/// ESR_EL1 for a data abort or an undefined instruction taken from EL0.
fn esr(d: &SignalDelivery) -> u64 {
    const SEGV_MAPERR: i32 = 1;
    const BUS_ADRALN: i32 = 1;
    let code = i32::from_le_bytes([d.info[8], d.info[9], d.info[10], d.info[11]]);
    match d.signo {
        // Data abort from a lower level; fault status: translation or permission fault, level 3;
        // alignment fault or external abort for SIGBUS.
        11 => 0x9200_0000 | (d.fault_write as u64) << 6 | if code == SEGV_MAPERR { 0x07 } else { 0x0f },
        7 => 0x9200_0000 | (d.fault_write as u64) << 6 | if code == BUS_ADRALN { 0x21 } else { 0x10 },
        _ => 0,
    }
}

impl Abi for Aarch64 {
    fn guest(&self) -> &'static Guest {
        &crate::GUEST
    }

    fn model(&self) -> &'static Model {
        &model::AARCH64
    }
    fn machine(&self) -> &'static str {
        "aarch64"
    }

    fn elf_machine(&self) -> u16 {
        183
    }

    fn platform(&self) -> Option<&'static str> {
        Some(self.machine())
    }

    fn hwcaps(&self, _handed: Option<u64>) -> [u64; 3] {
        features::HWCAPS
    }

    fn largest_frame(&self) -> u64 {
        // The record below which it lies, and what alignment may take.
        frame::SIZE as u64 + 16 + 16
    }

    fn cpuinfo(&self, cpus: usize) -> String {
        features::cpuinfo(cpus)
    }

    fn calls(&self) -> Column {
        Column::Generic
    }

    fn syscall_args(&self, cpu: &Cpu) -> (u64, [u64; 6]) {
        let g = &cpu.gpr;
        // The kernel looks at w8 only (do_el0_svc).
        (g[8] as u32 as u64, [g[0], g[1], g[2], g[3], g[4], g[5]])
    }

    fn set_result(&self, cpu: &mut Cpu, raw: u64) {
        cpu.gpr[0] = raw;
    }

    fn start(&self, cpu: &mut Cpu, entry: u64, sp: u64, _handed: Option<u64>) {
        cpu.pc = entry;
        cpu.gpr[SP] = sp;
    }

    fn clone_child(&self, cpu: &mut Cpu, sp: u64, tls: Option<u64>) {
        cpu.gpr[0] = 0;
        if sp != 0 {
            cpu.gpr[SP] = sp;
        }
        if let Some(tls) = tls {
            cpu.gpr[slot::TLS as usize] = tls;
        }
    }

    fn min_sigstack(&self) -> u64 {
        5120
    }

    fn sp(&self, cpu: &Cpu) -> u64 {
        cpu.gpr[SP]
    }

    fn push_signal_frame(&self, cpu: &mut Cpu, d: &SignalDelivery) -> Result<(), Errno> {
        const SA_SIGINFO: u64 = 4;
        // The frame record that links the handler's caller to the interrupted code, then the frame
        // below it.
        let record = d.sp.wrapping_sub(16) & !15;
        let base = record.wrapping_sub(frame::SIZE as u64);
        let mut f = FrameBuf::new(frame::RESERVED + frame::FPSIMD_SIZE + frame::ESR_SIZE + 8);
        if d.flags & SA_SIGINFO != 0 {
            f.set_info(d);
        }
        f.set_ucontext(d);
        f.u64(frame::MCONTEXT, d.fault_addr);
        // regs[0..=30] and sp are adjacent, as are the slots.
        for i in 0..32 {
            f.u64(frame::REGS + 8 * i, cpu.gpr[i]);
        }
        f.u64(frame::REGS + 8 * 32, cpu.pc);
        f.u64(frame::REGS + 8 * 33, (cpu.nzcv() as u64) << 28);
        let fpsimd = frame::RESERVED;
        f.u32(fpsimd, frame::FPSIMD_MAGIC);
        f.u32(fpsimd + 4, frame::FPSIMD_SIZE as u32);
        f.u32(fpsimd + 8, fpsr(cpu));
        f.u32(fpsimd + 12, fpcr(cpu));
        for i in 0..32 {
            f.u128(fpsimd + 16 + 16 * i, cpu.vec[i]);
        }
        let esr = esr(d);
        if esr != 0 {
            let at = fpsimd + frame::FPSIMD_SIZE;
            f.u32(at, frame::ESR_MAGIC);
            f.u32(at + 4, frame::ESR_SIZE as u32);
            f.u64(at + 8, esr);
        }
        write(record, &[cpu.gpr[FP], cpu.gpr[LR]])?;
        // Without SA_SIGINFO the kernel leaves the siginfo alone. The tail of __reserved is not
        // written either.
        let from = if d.flags & SA_SIGINFO != 0 { 0 } else { FrameBuf::UC };
        write_bytes(base + from as u64, &f.0[from..])?;
        cpu.gpr[0] = d.signo as u64;
        if d.flags & SA_SIGINFO != 0 {
            cpu.gpr[1] = base;
            cpu.gpr[2] = base + FrameBuf::UC as u64;
        }
        cpu.gpr[SP] = base;
        cpu.gpr[FP] = record;
        cpu.gpr[LR] = d.restorer;
        cpu.pc = d.handler;
        Ok(())
    }

    fn pop_signal_frame(&self, cpu: &mut Cpu) -> Result<(u64, AltStack), Option<u64>> {
        let base = cpu.gpr[SP];
        if base & 15 != 0 {
            return Err(None);
        }
        let mut f = FrameBuf::new(frame::RESERVED);
        read_bytes(base.wrapping_add(FrameBuf::UC as u64), &mut f.0[FrameBuf::UC..]).map_err(|_| None)?;
        restore(cpu, &f, base).map_err(|_| Some(f.ucontext().0))?;
        Ok(f.ucontext())
    }

    fn bad_frame(&self, sp: u64) -> (i32, u64) {
        const SEGV_MAPERR: i32 = 1;
        (SEGV_MAPERR, sp)
    }

    fn vdso(&self) -> &'static Vdso {
        &VDSO
    }

    fn cpu_models(&self) -> &'static [&'static str] {
        // All are accepted for the sake of scripts; the features are always those of "max".
        &["max", "any", "neoverse-n1", "cortex-a53", "cortex-a57", "cortex-a72", "cortex-a76"]
    }
}

/// Restores everything but the signal mask from the frame at `base`, of which `f` is the first
/// part.
fn restore(cpu: &mut Cpu, f: &FrameBuf, base: u64) -> Result<(), Errno> {
    // Find the records before anything changes. fpsimd_context must be there.
    let (mut fpsimd, mut extra) = (None, false);
    let mut at = base.wrapping_add(frame::RESERVED as u64);
    let mut end = at.checked_add(4096).ok_or(Errno::EFAULT)?;
    loop {
        if end - at < 8 {
            return Err(Errno::EFAULT);
        }
        let [magic, size]: [u32; 2] = read(at)?;
        match (magic, size as usize) {
            (0, 0) => break,
            (frame::FPSIMD_MAGIC, frame::FPSIMD_SIZE) if fpsimd.is_none() => fpsimd = Some(at),
            (frame::ESR_MAGIC, _) => {}
            (frame::EXTRA_MAGIC, 32) if !extra => {
                extra = true;
                // The chain goes on elsewhere; we never write this, but a frame may have been
                // copied by the guest.
                let [data, _, bytes]: [u64; 3] = [read(at + 8)?, 0, read::<u32>(at.wrapping_add(16))? as u64];
                (at, end) = (data, data.checked_add(bytes).ok_or(Errno::EFAULT)?);
                continue;
            }
            _ => return Err(Errno::EFAULT),
        }
        let size = size as u64;
        if size < 8 || size & 15 != 0 || size > end - at {
            return Err(Errno::EFAULT);
        }
        at += size;
    }
    let fpsimd = fpsimd.ok_or(Errno::EFAULT)?;
    let mut v = FrameBuf::new(frame::FPSIMD_SIZE);
    read_bytes(fpsimd, &mut v.0)?;

    for i in 0..32 {
        cpu.gpr[i] = f.get64(frame::REGS + 8 * i);
    }
    cpu.pc = f.get64(frame::REGS + 8 * 32);
    cpu.set_nzcv((f.get64(frame::REGS + 8 * 33) >> 28) as u8 & 15);
    set_fpsr(cpu, v.get32(8));
    set_fpcr(cpu, v.get32(12));
    for i in 0..32 {
        cpu.vec[i] = v.get128(16 + 16 * i);
    }
    cpu.excl_addr = u64::MAX;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_offsets_are_the_kernels() {
        assert_eq!(frame::MCONTEXT, 128 + 176);
        assert_eq!(frame::SIZE, 4688);
    }
}

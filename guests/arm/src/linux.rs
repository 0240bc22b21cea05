//! Linux on arm as its programs see it: the EABI's system calls, the signal frames, the page of
//! helpers, and calls that belong to the architecture.
//!
//! What counts is what programs find under a 64-bit kernel (arch/arm64/kernel/signal32.c,
//! sys_compat.c, kuser32.S), which is what runs them today: the frames are those of a 32-bit kernel
//! (arch/arm/kernel/signal.c) but for their end, which nobody looks at.

use crate::decode::pc;
use crate::features::{self, Model as Processor};
use crate::state::{GE, LR, Q, SP, TPIDRURO};
use crate::system::{fpscr, set_fpscr};
use alloc::string::String;
use anyarch_engine::run::{Guest, code};
use anyarch_engine::state::{Cpu, Fault};
use anyarch_linux::abi::{Abi, AltStack, FrameBuf, Helpers, SignalDelivery, Vdso};
use anyarch_linux::calls::dispatch::KEEP_REGISTERS;
use anyarch_linux::calls::numbers::Column;
use anyarch_linux::calls::table::Sys;
use anyarch_linux::config;
use anyarch_linux::memory::space::Narrow;
use anyarch_linux::signal::raise_fault;
use anyarch_linux::structure::{Model, model};
use anyarch_linux::task::Task;
use anyarch_sys::{Errno, read_bytes, write_bytes};

/// The arm ABI.
pub static ABI: &dyn Abi = &Arm;

struct Arm;

const SP_SLOT: usize = SP.0 as usize;
const LR_SLOT: usize = LR.0 as usize;

/// TASK_SIZE_32, and AARCH32_VECTORS_BASE, below which the stack ends
/// (arch/arm64/include/asm/processor.h); 2^11 random pages (STACK_RND_MASK,
/// ARCH_MMAP_RND_COMPAT_BITS).
static SPACE: Narrow = Narrow { end: 0xffff_f000, stack_top: 0xffff_0000, random_pages: 1 << 11 };

/// Offsets in `struct sigframe` { ucontext; retcode } and in `struct rt_sigframe` { siginfo;
/// sigframe } (arch/arm/include/asm/ucontext.h, uapi/asm/sigcontext.h).
mod frame {
    /// ucontext: uc_flags, uc_link, uc_stack.
    pub(super) const STACK: usize = 8;
    /// uc_mcontext: trap_no, error_code, oldmask, r0 to r15, cpsr, fault_address.
    pub(super) const MCONTEXT: usize = 20;
    pub(super) const ERROR_CODE: usize = MCONTEXT + 4;
    pub(super) const OLDMASK: usize = MCONTEXT + 8;
    pub(super) const REGS: usize = MCONTEXT + 12;
    pub(super) const CPSR: usize = REGS + 64;
    pub(super) const FAULT_ADDRESS: usize = CPSR + 4;
    pub(super) const SIGMASK: usize = FAULT_ADDRESS + 4;
    /// uc_regspace: room for 1024 signals lies before it. The records of coprocessors, each with
    /// magic and size; a zero ends them.
    pub(super) const REGSPACE: usize = SIGMASK + 128;
    /// `struct vfp_sigframe` { magic, size, 32 registers, fpscr, fpexc, fpinst, fpinst2 }.
    pub(super) const VFP: usize = REGSPACE;
    pub(super) const VFP_REGS: usize = VFP + 8;
    pub(super) const FPSCR: usize = VFP_REGS + 256;
    pub(super) const FPEXC: usize = FPSCR + 8;
    pub(super) const END: usize = VFP + VFP_SIZE as usize;
    pub(super) const RETCODE: usize = REGSPACE + 512;
    /// `struct sigframe`.
    pub(super) const SIZE: usize = RETCODE + 8;
    /// Bytes of the siginfo before it in `struct rt_sigframe`.
    pub(super) const INFO: usize = 128;

    pub(super) const VFP_MAGIC: u32 = 0x5646_5001;
    pub(super) const VFP_SIZE: u32 = 288;
    /// uc_flags of a frame without siginfo.
    pub(super) const OLD: u32 = 0x5ac3_c35a;
}

/// CPSR: the bits that the state has elsewhere (Arm ARM G8.2.36).
mod cpsr {
    pub(super) const T: u32 = 1 << 5;
    pub(super) const E: u32 = 1 << 9;
    pub(super) const Q: u32 = 27;
    /// User mode.
    pub(super) const USER: u32 = 0x10;
    pub(super) const MODE: u32 = 0x1f;
    /// Masked exceptions: A, I and F.
    pub(super) const MASKED: u32 = 7 << 6;
}

/// `push {r7}`, `movw r7, #number`, `svc #0`, `pop {r7}`, `bx lr`.
macro_rules! call_stub {
    ($number:literal) => {
        &[
            0x04,
            0x70,
            0x2d,
            0xe5,
            ($number & 0xff) as u8,
            0x70 | ($number >> 8) as u8,
            0x00,
            0xe3,
            0,
            0,
            0,
            0xef,
            0x04,
            0x70,
            0x9d,
            0xe4,
            0x1e,
            0xff,
            0x2f,
            0xe1,
        ]
    };
}

/// The four trampolines lie 16 bytes from one another, in this order. Unwinders and debuggers know
/// them by their code.
static VDSO: Vdso = Vdso {
    // EF_ARM_EABI_VER5
    elf_flags: 0x0500_0000,
    version: "LINUX_2.6",
    functions: &[
        // mov r7, #119; svc #0, and so on.
        ("__kernel_sigreturn_arm", &[0x77, 0x70, 0xa0, 0xe3, 0, 0, 0, 0xef]),
        ("__kernel_sigreturn_thumb", &[0x77, 0x27, 0x00, 0xdf]),
        ("__kernel_rt_sigreturn_arm", &[0xad, 0x70, 0xa0, 0xe3, 0, 0, 0, 0xef]),
        ("__kernel_rt_sigreturn_thumb", &[0xad, 0x27, 0x00, 0xdf]),
        ("__vdso_gettimeofday", call_stub!(78)),
        ("__vdso_clock_gettime", call_stub!(263)),
        ("__vdso_clock_gettime64", call_stub!(403)),
        ("__vdso_clock_getres", call_stub!(264)),
    ],
    sigreturn: 0,
};

/// The page that programs for processors before ARMv7 call
/// (Documentation/arch/arm/kernel_user_helpers.rst).
static HELPERS: Helpers = Helpers {
    page: 0xffff_0000,
    name: "[vectors]",
    functions: &[
        // __kuser_cmpxchg64(old, new, ptr)
        (
            0xf60,
            &[
                0xe92d_00f0, // push {r4-r7}
                0xe1c0_40d0, // ldrd r4, r5, [r0]
                0xe1c1_60d0, // ldrd r6, r7, [r1]
                0xf57f_f05b, // dmb ish
                0xe1b2_0f9f, // 1: ldrexd r0, r1, [r2]
                0xe030_3004, // eors r3, r0, r4
                0x0031_3005, // eorseq r3, r1, r5
                0x01a2_3f96, // strexdeq r3, r6, r7, [r2]
                0x0333_0001, // teqeq r3, #1
                0x0aff_fff9, // beq 1b
                0xf57f_f05b, // dmb ish
                0xe273_0000, // rsbs r0, r3, #0
                0xe8bd_00f0, // pop {r4-r7}
                0xe12f_ff1e, // bx lr
            ],
        ),
        // __kuser_memory_barrier()
        (0xfa0, &[0xf57f_f05b, 0xe12f_ff1e]),
        // __kuser_cmpxchg(old, new, ptr)
        (
            0xfc0,
            &[
                0xf57f_f05b, // dmb ish
                0xe192_3f9f, // 1: ldrex r3, [r2]
                0xe053_3000, // subs r3, r3, r0
                0x0182_3f91, // strexeq r3, r1, [r2]
                0x0333_0001, // teqeq r3, #1
                0x0aff_fffa, // beq 1b
                0xe273_0000, // rsbs r0, r3, #0
                0xeaff_fff0, // b __kuser_memory_barrier
            ],
        ),
        // __kuser_get_tls(): mrc p15, 0, r0, c13, c0, 3; bx lr
        (0xfe0, &[0xee1d_0f70, 0xe12f_ff1e]),
        // __kuser_helper_version
        (0xffc, &[5]),
    ],
};

/// The first number of the architecture's own calls, and the end of those that fail with ENOSYS and
/// not by SIGILL (arch/arm64/include/asm/unistd.h).
const PRIVATE: u64 = 0xf0000;
const PRIVATE_END: i32 = 0xf0800;

impl Abi for Arm {
    fn guest(&self) -> &'static Guest {
        &crate::GUEST
    }

    fn model(&self) -> &'static Model {
        &model::ARM
    }

    fn machine(&self) -> &'static str {
        processor().machine
    }

    fn platform(&self) -> Option<&'static str> {
        Some(processor().platform)
    }

    fn elf_machine(&self) -> u16 {
        40
    }

    fn hwcaps(&self, _handed: Option<u64>) -> [u64; 3] {
        processor().hwcaps()
    }

    fn largest_frame(&self) -> u64 {
        (frame::INFO + frame::SIZE) as u64
    }

    fn cpuinfo(&self, cpus: usize) -> String {
        processor().cpuinfo(cpus)
    }

    fn narrow(&self) -> Option<&'static Narrow> {
        Some(&SPACE)
    }

    fn helpers(&self) -> Option<&'static Helpers> {
        Some(&HELPERS)
    }

    fn calls(&self) -> Column {
        Column::Arm
    }

    fn syscall(&self, number: u64) -> Option<Sys> {
        match number.checked_sub(PRIVATE) {
            None => self.calls().call(number),
            Some(1) => Some(Sys::arm_breakpoint),
            Some(2) => Some(Sys::arm_cacheflush),
            Some(5) => Some(Sys::arm_set_tls),
            Some(6) => Some(Sys::arm_get_tls),
            // usr26 and usr32 among them: there is no mode of 26 bits.
            Some(_) if (number as i32) < PRIVATE_END => None,
            Some(_) => Some(Sys::arm_bad_call),
        }
    }

    fn syscall_args(&self, cpu: &Cpu) -> (u64, [u64; 6]) {
        let g = &cpu.gpr;
        (g[7] as u32 as u64, [g[0], g[1], g[2], g[3], g[4], g[5]])
    }

    fn set_result(&self, cpu: &mut Cpu, raw: u64) {
        cpu.gpr[0] = raw as u32 as u64;
    }

    fn syscall_insn_len(&self, cpu: &Cpu) -> u64 {
        if cpu.pc & pc::T != 0 { 2 } else { 4 }
    }

    fn start(&self, cpu: &mut Cpu, entry: u64, sp: u64, _handed: Option<u64>) {
        cpu.pc = entry;
        cpu.gpr[SP_SLOT] = sp;
    }

    fn clone_child(&self, cpu: &mut Cpu, sp: u64, tls: Option<u64>) {
        cpu.gpr[0] = 0;
        if sp != 0 {
            cpu.gpr[SP_SLOT] = sp;
        }
        if let Some(tls) = tls {
            cpu.gpr[TPIDRURO.0 as usize] = tls as u32 as u64;
        }
    }

    fn min_sigstack(&self) -> u64 {
        2048
    }

    fn sp(&self, cpu: &Cpu) -> u64 {
        cpu.gpr[SP_SLOT]
    }

    fn push_signal_frame(&self, cpu: &mut Cpu, d: &SignalDelivery) -> Result<(), Errno> {
        const SA_SIGINFO: u64 = 4;
        const SA_RESTORER: u64 = 0x0400_0000;
        /// FSR's bit of a write.
        const WRITE: u32 = 1 << 11;
        let rt = d.flags & SA_SIGINFO != 0;
        let info = if rt { frame::INFO } else { 0 };
        let base = (d.sp as u32).wrapping_sub((info + frame::SIZE) as u32) & !7;
        let context = base.wrapping_add(info as u32);
        let mut f = FrameBuf::new(frame::END + 4);
        if rt {
            f.u32(frame::STACK, d.altstack.0 as u32);
            f.u32(frame::STACK + 4, d.altstack.1 as u32);
            f.u32(frame::STACK + 8, d.altstack.2 as u32);
        } else {
            f.u32(0, frame::OLD);
        }
        f.u32(frame::ERROR_CODE, if d.fault_write { WRITE } else { 0 });
        f.u32(frame::OLDMASK, d.old_mask as u32);
        for i in 0..15 {
            f.u32(frame::REGS + 4 * i, cpu.gpr[i] as u32);
        }
        f.u32(frame::REGS + 60, pc::address(cpu.pc));
        f.u32(frame::CPSR, cpsr(cpu));
        f.u32(frame::FAULT_ADDRESS, d.fault_addr as u32);
        f.u64(frame::SIGMASK, d.old_mask);
        f.u32(frame::VFP, frame::VFP_MAGIC);
        f.u32(frame::VFP + 4, frame::VFP_SIZE);
        for i in 0..16 {
            f.u128(frame::VFP_REGS + 16 * i, cpu.vec[i]);
        }
        f.u32(frame::FPSCR, fpscr(cpu));
        // Enabled.
        f.u32(frame::FPEXC, 1 << 30);
        if rt {
            write_bytes(base as u64, &d.info)?;
        }
        write_bytes(context as u64, &f.0)?;

        cpu.gpr[0] = d.signo as u64;
        if rt {
            cpu.gpr[1] = base as u64;
            cpu.gpr[2] = context as u64;
        }
        cpu.gpr[SP_SLOT] = base as u64;
        let thumb = d.handler & 1;
        cpu.gpr[LR_SLOT] = match d.flags & SA_RESTORER {
            // The trampoline for the handler's instruction set.
            0 => d.restorer + if rt { 32 } else { 0 } + 17 * thumb,
            _ => d.restorer,
        };
        // ITSTATE is empty, and data is little-endian.
        cpu.pc = d.handler;
        Ok(())
    }

    fn pop_signal_frame(&self, cpu: &mut Cpu) -> Result<(u64, AltStack), Option<u64>> {
        let at = cpu.gpr[SP_SLOT] + frame::INFO as u64;
        let mut stack = FrameBuf::new(12);
        read_bytes(at + frame::STACK as u64, &mut stack.0).map_err(|_| None)?;
        let mask = restore(cpu, at)?;
        let (sp, flags, size) = (stack.get32(0), stack.get32(4), stack.get32(8));
        Ok((mask, (sp as u64, flags as i32, size as u64)))
    }

    fn pop_old_signal_frame(&self, cpu: &mut Cpu) -> Result<u64, Option<u64>> {
        let at = cpu.gpr[SP_SLOT];
        restore(cpu, at)
    }

    fn bad_frame(&self, sp: u64) -> (i32, u64) {
        const SEGV_MAPERR: i32 = 1;
        (SEGV_MAPERR, sp)
    }

    fn vdso(&self) -> &'static Vdso {
        &VDSO
    }

    fn arch_syscall(&self, task: &mut Task, sys: Sys, args: [u64; 6]) -> Result<u64, Errno> {
        let cpu = &mut task.thread.cpu;
        let raise = |task: &mut Task, signo, code, addr| {
            raise_fault(task, Fault { signo, code, addr, write: false });
            Err(KEEP_REGISTERS)
        };
        match sys {
            Sys::arm_breakpoint => {
                const SIGTRAP: i32 = 5;
                const TRAP_BRKPT: i32 = 1;
                let at = cpu.address();
                raise(task, SIGTRAP, TRAP_BRKPT, at)
            }
            Sys::arm_cacheflush => {
                let [start, end, flags, ..] = args;
                if end < start || flags as u32 != 0 {
                    return Err(Errno::EINVAL);
                }
                code::invalidate(start, end);
                Ok(0)
            }
            Sys::arm_set_tls => {
                cpu.gpr[TPIDRURO.0 as usize] = args[0];
                Ok(0)
            }
            Sys::arm_get_tls => Ok(cpu.gpr[TPIDRURO.0 as usize]),
            Sys::arm_bad_call => {
                const SIGILL: i32 = 4;
                const ILL_ILLTRP: i32 = 4;
                let at = cpu.address().wrapping_sub(self.syscall_insn_len(cpu));
                raise(task, SIGILL, ILL_ILLTRP, at)
            }
            _ => Err(Errno::ENOSYS),
        }
    }

    fn cpu_models(&self) -> &'static [&'static str] {
        features::NAMES
    }
}

/// The processor that programs are told of.
fn processor() -> &'static Processor {
    features::model(config::get().cpu)
}

/// CPSR as user level and signal frames have it.
fn cpsr(cpu: &Cpu) -> u32 {
    let (it, ge) = (pc::it(cpu.pc) as u32, cpu.gpr[GE.0 as usize]);
    let ge = (0..4).fold(0, |bits, i| bits | (ge as u32 >> (8 * i) & 1) << i);
    (cpu.nzcv() as u32) << 28
        | (cpu.gpr[Q.0 as usize] as u32 & 1) << cpsr::Q
        | (it & 3) << 25
        | it >> 2 << 10
        | ge << 16
        | if cpu.pc & pc::E != 0 { cpsr::E } else { 0 }
        | if cpu.pc & pc::T != 0 { cpsr::T } else { 0 }
        | cpsr::USER
}

/// Sets flags and place from CPSR and the program counter.
fn set_cpsr(cpu: &mut Cpu, value: u32, address: u32) {
    cpu.set_nzcv((value >> 28) as u8);
    cpu.gpr[Q.0 as usize] = (value >> cpsr::Q & 1) as u64;
    let ge = (0..4).fold(0, |bytes, i| bytes | (((value >> (16 + i)) & 1) * 0xff) << (8 * i));
    cpu.gpr[GE.0 as usize] = ge as u64;
    let thumb = value & cpsr::T != 0;
    let it = if thumb { value >> 25 & 3 | value >> 10 << 2 & 0xfc } else { 0 };
    let address = if thumb { address & !1 | 1 } else { address & !1 };
    cpu.pc = address as u64 | (it as u64) << pc::IT | if value & cpsr::E != 0 { pc::E } else { 0 };
}

/// Restores everything but the alternate stack from the `struct sigframe` at `at`; returns the
/// signal mask.
fn restore(cpu: &mut Cpu, at: u64) -> Result<u64, Option<u64>> {
    if cpu.gpr[SP_SLOT] & 7 != 0 {
        return Err(None);
    }
    let mut f = FrameBuf::new(frame::END);
    read_bytes(at, &mut f.0).map_err(|_| None)?;
    let mask = f.get64(frame::SIGMASK);
    // What comes before something bad in the frame is restored.
    for i in 0..15 {
        cpu.gpr[i] = f.get32(frame::REGS + 4 * i) as u64;
    }
    let value = f.get32(frame::CPSR);
    set_cpsr(cpu, value, f.get32(frame::REGS + 60));
    cpu.excl_addr = u64::MAX;
    let vfp = (f.get32(frame::VFP), f.get32(frame::VFP + 4));
    if value & (cpsr::MODE | cpsr::MASKED) != cpsr::USER || vfp != (frame::VFP_MAGIC, frame::VFP_SIZE) {
        return Err(Some(mask));
    }
    for i in 0..16 {
        cpu.vec[i] = f.get128(frame::VFP_REGS + 16 * i);
    }
    set_fpscr(cpu, f.get32(frame::FPSCR));
    Ok(mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_offsets_are_the_kernels() {
        assert_eq!((frame::CPSR, frame::SIGMASK, frame::REGSPACE), (96, 104, 232));
        assert_eq!((frame::FPSCR - frame::VFP, frame::FPEXC - frame::VFP), (264, 272));
        assert_eq!((frame::RETCODE, frame::SIZE), (744, 752));
    }

    #[test]
    fn status_goes_to_the_frame_and_back() {
        let thread = anyarch_engine::run::ThreadBox::new(&crate::GUEST);
        let mut thread = thread;
        let cpu = &mut thread.cpu;
        for (value, address, place) in [
            (0x10, 0x1_0000, 0x1_0000),
            (0x30, 0x1_0002, 0x1_0003),
            // ITSTATE 0xa7 of T32, data big-endian, all flags.
            (0xf80f_0230 | 3 << 25 | 0x29 << 10, 0xffff_fffe, 0x1a7_ffff_ffff),
            (0x080a_0010, 0xffff_0000, 0xffff_0000),
        ] {
            set_cpsr(cpu, value, address);
            assert_eq!(cpu.pc, place, "{value:#x}");
            assert_eq!(cpsr(cpu), value, "{value:#x}");
        }
        // There is no ITSTATE in A32.
        set_cpsr(cpu, 0x10 | 3 << 25, 0);
        assert_eq!(cpsr(cpu), 0x10);
    }

    #[test]
    fn the_architectures_calls() {
        assert!(ABI.syscall(0xf0002) == Some(Sys::arm_cacheflush));
        assert!(ABI.syscall(0xf0003).is_none() && ABI.syscall(0xf07ff).is_none());
        assert!(ABI.syscall(u32::MAX as u64).is_none());
        assert!(ABI.syscall(0xf0800) == Some(Sys::arm_bad_call));
        assert!(ABI.syscall(0x90_0004) == Some(Sys::arm_bad_call), "an OABI number");
    }
}

//! What the Linux layer needs to know about a guest architecture. One implementation per guest folder.

use crate::table::Sys;
use crate::task::Task;
use anyarch_engine::run::Guest;
use anyarch_engine::state::Cpu;
use anyarch_sys::Errno;

/// How a guest signal is to be delivered: what the frame holds besides the CPU state.
#[derive(Clone, Debug)]
pub struct SignalDelivery {
    /// Signal number.
    pub signo: i32,
    /// The 128-byte siginfo in the kernel's 64-bit layout.
    pub info: [u8; 128],
    /// Handler address.
    pub handler: u64,
    /// sa_flags as the guest gave them (generic values).
    pub flags: u64,
    /// sa_restorer if the ABI has one and SA_RESTORER was given, else 0.
    pub restorer: u64,
    /// Signal mask to restore on sigreturn.
    pub old_mask: u64,
    /// Stack pointer to build the frame below (alternate stack already chosen).
    pub sp: u64,
    /// The alternate stack to record in the frame: (ss_sp, ss_flags, ss_size).
    pub altstack: (u64, i32, u64),
    /// Fault address and "error code" material for the frame (0 if none).
    pub fault_addr: u64,
    /// Whether the fault was a write.
    pub fault_write: bool,
}

/// Contents of the vDSO: functions in guest code, as the kernel's vDSO of that architecture exports them.
pub struct Vdso {
    /// Symbol version of all functions.
    pub version: &'static str,
    /// Name and code of each; each starts at a multiple of 16.
    pub functions: &'static [(&'static str, &'static [u8])],
    /// Which of the functions is the signal trampoline.
    pub sigreturn: usize,
}

/// A guest architecture's Linux ABI.
pub trait Abi: Sync {
    /// The engine's description.
    fn guest(&self) -> &'static Guest;
    /// `uname -m`.
    fn machine(&self) -> &'static str;
    /// AT_PLATFORM.
    fn platform(&self) -> &'static str;
    /// ELF `e_machine`.
    fn elf_machine(&self) -> u16;
    /// AT_HWCAP, AT_HWCAP2, AT_HWCAP3.
    fn hwcaps(&self) -> [u64; 3];
    /// Text of /proc/cpuinfo for `cpus` processors.
    fn cpuinfo(&self, cpus: usize) -> alloc::string::String;
    /// The row of the system call table for a guest number. `None`: no such call (ENOSYS).
    fn syscall(&self, number: u64) -> Option<Sys>;
    /// Number and arguments of the system call that the CPU just made.
    fn syscall_args(&self, cpu: &Cpu) -> (u64, [u64; 6]);
    /// Sets the system call's result (raw: -errno on error).
    fn set_result(&self, cpu: &mut Cpu, raw: u64);
    /// Bytes of the system call instruction (to back up for a restart).
    fn syscall_insn_len(&self) -> u64;
    /// Initial state of a new program: stack pointer and entry point; all else zero.
    fn start(&self, cpu: &mut Cpu, entry: u64, sp: u64);
    /// State of a new thread or process (clone): result 0, new stack if not 0, new thread pointer if given.
    fn clone_child(&self, cpu: &mut Cpu, sp: u64, tls: Option<u64>);
    /// Whether clone(2) takes the thread pointer before the child's thread id (CONFIG_CLONE_BACKWARDS).
    fn clone_tls_first(&self) -> bool;
    /// Whether `struct sigaction` has a member `sa_restorer` (the architecture defines SA_RESTORER).
    fn has_restorer(&self) -> bool {
        true
    }
    /// The smallest alternate signal stack (MINSIGSTKSZ).
    fn min_sigstack(&self) -> u64;
    /// Stack pointer.
    fn sp(&self, cpu: &Cpu) -> u64;
    /// open(2) flags, guest to host.
    fn open_flags_to_host(&self, flags: u32) -> u32;
    /// open(2) flags, host to guest (fcntl F_GETFL).
    fn open_flags_from_host(&self, flags: u32) -> u32;
    /// Writes the guest's `struct stat` (newfstatat, fstat) from the host's.
    ///
    /// # Errors
    /// `EFAULT`.
    fn write_stat(&self, addr: u64, st: &linux_raw_sys::general::stat) -> Result<(), Errno>;
    /// Whether `struct epoll_event` is packed (12 bytes, as on x86-64) or padded to 16 bytes.
    fn epoll_event_packed(&self) -> bool;
    /// Whether `struct semid64_ds` has the generic layout and not x86-64's.
    fn semid_ds_generic(&self) -> bool {
        true
    }
    /// Builds the signal frame on the guest's stack and sets the CPU to enter the handler.
    ///
    /// # Errors
    /// `EFAULT` when the stack cannot take it: the caller kills the process with SIGSEGV.
    fn push_signal_frame(&self, cpu: &mut Cpu, delivery: &SignalDelivery) -> Result<(), Errno>;
    /// rt_sigreturn: restores the CPU from the frame; returns the signal mask and the alternate stack stored in it.
    ///
    /// # Errors
    /// `EFAULT` for a bad frame.
    fn pop_signal_frame(&self, cpu: &mut Cpu) -> Result<(u64, (u64, i32, u64)), Errno>;
    /// What the stand-in for the kernel's vDSO holds. The loader builds the ELF image; `program::get().sigreturn` is then the address of
    /// the signal trampoline.
    fn vdso(&self) -> &'static Vdso;
    /// An architecture-specific system call (a row of kind `Arch`).
    ///
    /// # Errors
    /// Any errno.
    fn arch_syscall(&self, task: &mut Task, sys: Sys, args: [u64; 6]) -> Result<u64, Errno>;
    /// The -cpu help text and the names accepted.
    fn cpu_models(&self) -> &'static [&'static str];
}

//! What the Linux layer needs to know about a guest architecture. One implementation per guest
//! folder.

use crate::calls::numbers::Column;
use crate::calls::table::Sys;
use crate::memory::space::Narrow;
use crate::structure::Model;
use crate::structure::constants::OPEN_FLAGS;
use crate::task::Task;
use alloc::vec;
use alloc::vec::Vec;
use anyarch_engine::run::Guest;
use anyarch_engine::state::Cpu;
use anyarch_sys::Errno;

/// An alternate signal stack: ss_sp, ss_flags, ss_size.
pub type AltStack = (u64, i32, u64);

/// How a guest signal is to be delivered: what the frame holds besides the CPU state.
#[derive(Clone, Debug)]
pub struct SignalDelivery {
    /// The guest's number of the signal.
    pub signo: i32,
    /// The siginfo as the guest lays it out.
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
    pub altstack: AltStack,
    /// Fault address and "error code" material for the frame (0 if none).
    pub fault_addr: u64,
    /// Whether the fault was a write.
    pub fault_write: bool,
}

/// Contents of the vDSO: functions in guest code, as the kernel's vDSO of that architecture exports
/// them.
pub struct Vdso {
    /// `e_flags` of its ELF header.
    pub elf_flags: u32,
    /// Symbol version of all functions.
    pub version: &'static str,
    /// Name and code of each; each starts at a multiple of 16.
    pub functions: &'static [(&'static str, &'static [u8])],
    /// Which of the functions is the signal trampoline.
    pub sigreturn: usize,
}

/// A page of the kernel's at an address that programs know, with functions in guest code.
pub struct Helpers {
    /// Its address.
    pub page: u64,
    /// As /proc/self/maps calls it.
    pub name: &'static str,
    /// Offset and words of each function.
    pub functions: &'static [(usize, &'static [u32])],
}

impl Helpers {
    /// The page's contents.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut page = vec![0; 4096];
        for (offset, words) in self.functions {
            for (i, word) in words.iter().enumerate() {
                page[offset + 4 * i..][..4].copy_from_slice(&word.to_le_bytes());
            }
        }
        page
    }
}

/// A signal frame in the making or read back: bytes with little-endian fields, and what all guests
/// with the generic `struct rt_sigframe` { siginfo; ucontext { flags, link, stack, sigmask, ... } }
/// have in common (uapi/asm-generic/ucontext.h; the machine's context, `uc_mcontext`, follows).
pub struct FrameBuf(pub Vec<u8>);

impl FrameBuf {
    /// Offset of the ucontext: behind the siginfo.
    pub const UC: usize = 128;
    /// Offset of uc_mcontext: the signal mask is followed by room for 1024 signals, and padding to
    /// 16 bytes.
    pub const MCONTEXT: usize = Self::UC + 176;
    const UC_STACK: usize = Self::UC + 16;
    const UC_SIGMASK: usize = Self::UC + 40;

    /// `size` zero bytes.
    pub fn new(size: usize) -> FrameBuf {
        FrameBuf(vec![0; size])
    }
    /// Stores a field.
    pub fn u32(&mut self, at: usize, v: u32) {
        self.0[at..at + 4].copy_from_slice(&v.to_le_bytes());
    }
    /// Stores a field.
    pub fn u64(&mut self, at: usize, v: u64) {
        self.0[at..at + 8].copy_from_slice(&v.to_le_bytes());
    }
    /// Stores a field.
    pub fn u128(&mut self, at: usize, v: u128) {
        self.0[at..at + 16].copy_from_slice(&v.to_le_bytes());
    }
    /// Reads a field.
    pub fn get32(&self, at: usize) -> u32 {
        u32::from_le_bytes([self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]])
    }
    /// Reads a field.
    pub fn get64(&self, at: usize) -> u64 {
        self.get32(at) as u64 | (self.get32(at + 4) as u64) << 32
    }
    /// Reads a field.
    pub fn get128(&self, at: usize) -> u128 {
        self.get64(at) as u128 | (self.get64(at + 8) as u128) << 64
    }
    /// Stores the siginfo.
    pub fn set_info(&mut self, d: &SignalDelivery) {
        self.0[..Self::UC].copy_from_slice(&d.info);
    }
    /// Stores the alternate stack and the signal mask.
    pub fn set_ucontext(&mut self, d: &SignalDelivery) {
        self.u64(Self::UC_STACK, d.altstack.0);
        self.u32(Self::UC_STACK + 8, d.altstack.1 as u32);
        self.u64(Self::UC_STACK + 16, d.altstack.2);
        self.u64(Self::UC_SIGMASK, d.old_mask);
    }
    /// Signal mask and alternate stack, as [`Abi::pop_signal_frame`] returns them.
    pub fn ucontext(&self) -> (u64, AltStack) {
        let stack = (
            self.get64(Self::UC_STACK),
            self.get32(Self::UC_STACK + 8) as i32,
            self.get64(Self::UC_STACK + 16),
        );
        (self.get64(Self::UC_SIGMASK), stack)
    }
}

/// A guest architecture's Linux ABI. What has a default is the kernel's generic ABI
/// (include/uapi/asm-generic), which newer architectures have unchanged.
pub trait Abi: Sync {
    /// The engine's description.
    fn guest(&self) -> &'static Guest;
    /// How it lays out the kernel's structures.
    fn model(&self) -> &'static Model;
    /// `uname -m`. (The guest's name is [`Guest::name`].)
    fn machine(&self) -> &'static str;
    /// AT_PLATFORM, if the architecture has that (ELF_PLATFORM).
    fn platform(&self) -> Option<&'static str> {
        None
    }
    /// ELF `e_machine`.
    fn elf_machine(&self) -> u16;
    /// AT_HWCAP, AT_HWCAP2, AT_HWCAP3 of a program that was handed that by [`Abi::hand_on`].
    fn hwcaps(&self, handed: Option<u64>) -> [u64; 3];
    /// AT_MINSIGSTKSZ: the size of the largest signal frame.
    fn largest_frame(&self) -> u64;
    /// Text of /proc/cpuinfo for `cpus` processors.
    fn cpuinfo(&self, cpus: usize) -> alloc::string::String;
    /// Which numbers its system calls have.
    fn calls(&self) -> Column;
    /// The row of the system call table for a guest number. `None`: no such call (ENOSYS).
    fn syscall(&self, number: u64) -> Option<Sys> {
        self.calls().call(number)
    }
    /// Number of the system call that the CPU just made, and the registers with its arguments.
    fn syscall_args(&self, cpu: &Cpu) -> (u64, [u64; 6]);
    /// Sets the system call's result (raw: -errno on error).
    fn set_result(&self, cpu: &mut Cpu, raw: u64);
    /// Bytes of the system call instruction that the CPU just made (to back up for a restart).
    fn syscall_insn_len(&self, _cpu: &Cpu) -> u64 {
        4
    }
    /// Its address space, if its addresses have 32 bits.
    fn narrow(&self) -> Option<&'static Narrow> {
        None
    }
    /// Code of the kernel's at a place of its own.
    fn helpers(&self) -> Option<&'static Helpers> {
        None
    }
    /// Initial state of a new program: stack pointer and entry point, and what it was handed by
    /// [`Abi::hand_on`]; all else zero.
    fn start(&self, cpu: &mut Cpu, entry: u64, sp: u64, handed: Option<u64>);
    /// What the thread's processor state leaves to the program that an execve starts, unless that
    /// begins as any other. (The caller carries it over, see `exec.rs`; it may have been forged,
    /// but not for a program that gains rights.)
    fn hand_on(&self, _cpu: &Cpu) -> Option<u64> {
        None
    }
    /// Whether execve keeps the personality READ_IMPLIES_EXEC (SET_PERSONALITY in the
    /// architecture's asm/elf.h).
    fn exec_keeps_implied_exec(&self) -> bool {
        false
    }
    /// State of a new thread or process (clone): result 0, new stack if not 0, new thread pointer
    /// if given.
    fn clone_child(&self, cpu: &mut Cpu, sp: u64, tls: Option<u64>);
    /// Whether clone(2) takes the thread pointer before the child's thread id
    /// (CONFIG_CLONE_BACKWARDS).
    fn clone_tls_first(&self) -> bool {
        true
    }
    /// Whether `struct sigaction` has a member `sa_restorer` (the architecture defines
    /// SA_RESTORER).
    fn has_restorer(&self) -> bool {
        true
    }
    /// The smallest alternate signal stack (MINSIGSTKSZ).
    fn min_sigstack(&self) -> u64;
    /// Stack pointer.
    fn sp(&self, cpu: &Cpu) -> u64;
    /// open(2) flags, guest to host.
    fn open_flags_to_host(&self, flags: u32) -> u32 {
        OPEN_FLAGS.to_host(self.model(), flags).unwrap_or(flags)
    }
    /// open(2) flags, host to guest (fcntl F_GETFL).
    fn open_flags_from_host(&self, flags: u32) -> u32 {
        OPEN_FLAGS.to_guest(self.model(), flags).unwrap_or(flags)
    }
    /// Builds the signal frame on the guest's stack and sets the CPU to enter the handler.
    ///
    /// # Errors
    /// `EFAULT` when the stack cannot take it: the caller kills the process with SIGSEGV.
    fn push_signal_frame(&self, cpu: &mut Cpu, delivery: &SignalDelivery) -> Result<(), Errno>;
    /// rt_sigreturn: restores the CPU from the frame; returns the signal mask and the alternate
    /// stack stored in it.
    ///
    /// # Errors
    /// A bad frame: its signal mask, which counts all the same, unless that cannot be read.
    fn pop_signal_frame(&self, cpu: &mut Cpu) -> Result<(u64, AltStack), Option<u64>>;
    /// sigreturn(2): restores the CPU from the frame of a handler without SA_SIGINFO, where the
    /// architecture has two kinds of frames; returns the signal mask stored in it.
    ///
    /// # Errors
    /// As [`Abi::pop_signal_frame`].
    fn pop_old_signal_frame(&self, _cpu: &mut Cpu) -> Result<u64, Option<u64>> {
        Err(None)
    }
    /// si_code and si_addr of the SIGSEGV for a bad frame at `sp`.
    fn bad_frame(&self, _sp: u64) -> (i32, u64) {
        const SI_KERNEL: i32 = 0x80;
        (SI_KERNEL, 0)
    }
    /// What the stand-in for the kernel's vDSO holds. The loader builds the ELF image;
    /// `program::get().sigreturn` is then the address of the signal trampoline.
    fn vdso(&self) -> &'static Vdso;
    /// An architecture-specific system call (a row of kind `Arch`).
    fn arch_syscall(&self, _task: &mut Task, _sys: Sys, _args: [u64; 6]) -> Result<u64, Errno> {
        Err(Errno::ENOSYS)
    }
    /// An option of prctl that belongs to an architecture.
    ///
    /// # Errors
    /// `EINVAL` for another architecture's.
    fn arch_prctl(&self, _cpu: &mut Cpu, _args: [u64; 6]) -> Result<u64, Errno> {
        Err(Errno::EINVAL)
    }
    /// The -cpu help text and the names accepted.
    fn cpu_models(&self) -> &'static [&'static str];
}

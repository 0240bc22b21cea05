//! The program this process runs: what is known of it from its start and does not change until the
//! next execve.

pub mod elf;
pub mod exec;
mod exec_check;
pub mod loader;
pub mod own;
pub mod perf;
mod symbols;
pub(crate) mod vdso;

use crate::abi::Abi;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicPtr, Ordering};

/// The running program.
pub struct Program {
    /// Its ABI.
    pub abi: &'static dyn Abi,
    /// The ABI of an ELF `e_machine`: the registry of guests.
    pub abi_of: fn(u16) -> Option<&'static dyn Abi>,
    /// Path of the executable file as it was named.
    pub path: Vec<u8>,
    /// Address of the signal trampoline in the vDSO.
    pub sigreturn: u64,
    /// The vDSO's page.
    pub vdso: u64,
    /// An address inside the executable's first mapping.
    pub exe_address: u64,
    /// Initial break: where the heap starts.
    pub brk_start: u64,
    /// The auxiliary vector, as bytes.
    pub auxv: Vec<u8>,
    /// The argument strings in the stack, each with its NUL: start and end address.
    pub args: (u64, u64),
    /// The environment strings in the stack.
    pub env: (u64, u64),
    /// The stack pointer at entry.
    pub start_stack: u64,
    /// The kernel took the loader's description, so that /proc/PID/cmdline, environ and auxv are
    /// the guest's.
    pub described: bool,
    /// Whether AT_SECURE is set: the environment is not to be trusted.
    pub secure: bool,
}

static PROGRAM: AtomicPtr<Program> = AtomicPtr::new(core::ptr::null_mut());

/// Sets the program; once, before guest code runs.
pub fn set(program: Program) {
    PROGRAM.store(alloc::boxed::Box::into_raw(alloc::boxed::Box::new(program)), Ordering::Release);
}

/// The program, if it has been loaded (in unit tests there is none).
pub(crate) fn try_get() -> Option<&'static Program> {
    // SAFETY: only ever set to a leaked box.
    unsafe { PROGRAM.load(Ordering::Acquire).as_ref() }
}

/// The program.
///
/// # Panics
/// Before it has been loaded, which no guest code precedes.
pub fn get() -> &'static Program {
    try_get().expect("the program is loaded before guest code runs")
}

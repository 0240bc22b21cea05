//! Running guest code on a thread: the boundary between the engine and the Linux layer.
//!
//! The Linux layer creates a [`Thread`] per guest thread, calls [`Thread::run`] in a loop, and acts on the [`Exit`]. From its
//! host signal handler it calls [`on_host_fault`] and [`on_host_signal`].

use crate::interp::{Interp, Outcome};
use crate::state::{Cpu, Fault};
use alloc::boxed::Box;
use core::sync::atomic::{AtomicBool, Ordering};

/// What the engine needs to know about a guest architecture.
pub struct Guest {
    /// Name as in `uname -m`.
    pub name: &'static str,
    /// Interprets the instruction at `interp.cpu.pc`: fetches (through `anyarch_sys::load_bytes`, a fault becomes
    /// `Outcome::Fault`), sets `next_pc`, plays the semantics.
    pub interpret: fn(&mut Interp<'_>),
}

/// Why [`Thread::run`] returned. The state is exact: `cpu.pc` is the address of the next instruction to run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// A system call instruction ran; `cpu.pc` is the address after it.
    Syscall,
    /// The instruction at `cpu.pc` faulted.
    Fault(Fault),
    /// [`Thread::interrupt`] was called (a host signal is pending).
    Interrupted,
}

/// One guest thread's engine state.
#[repr(C)]
pub struct Thread {
    /// Guest CPU state.
    pub cpu: Cpu,
    guest: &'static Guest,
    interrupted: AtomicBool,
}

impl Thread {
    /// A thread with all registers zero.
    pub fn new(guest: &'static Guest) -> Box<Thread> {
        // SAFETY: all-zero bytes are a valid Cpu; `guest` and `interrupted` are set before use.
        let mut thread: Box<Thread> = unsafe {
            let layout = core::alloc::Layout::new::<Thread>();
            let p = alloc::alloc::alloc_zeroed(layout).cast::<Thread>();
            assert!(!p.is_null(), "out of memory");
            (&raw mut (*p).guest).write(guest);
            Box::from_raw(p)
        };
        thread.cpu.excl_addr = u64::MAX;
        thread
    }

    /// Runs guest code from `cpu.pc` until something is to be done.
    pub fn run(&mut self) -> Exit {
        loop {
            if self.interrupted.swap(false, Ordering::Relaxed) {
                return Exit::Interrupted;
            }
            let mut interp = Interp { next_pc: 0, outcome: Outcome::Next, cpu: &mut self.cpu };
            (self.guest.interpret)(&mut interp);
            let (next, outcome) = (interp.next_pc, interp.outcome);
            match outcome {
                Outcome::Next => self.cpu.pc = next,
                Outcome::Syscall => {
                    self.cpu.pc = next;
                    return Exit::Syscall;
                }
                Outcome::Fault => return Exit::Fault(self.cpu.fault),
            }
        }
    }

    /// Takes over another thread's guest CPU state.
    pub fn copy_cpu(&mut self, from: &Thread) {
        // SAFETY: plain data; two threads are never the same object.
        unsafe { core::ptr::copy_nonoverlapping(&raw const from.cpu, &raw mut self.cpu, 1) };
        self.cpu.excl_addr = u64::MAX;
    }

    /// Makes [`Thread::run`] return [`Exit::Interrupted`] at the next guest instruction boundary. Async-signal-safe; called on the
    /// thread itself from a signal handler (see [`on_host_signal`]) or before `run`.
    pub fn interrupt(&self) {
        self.interrupted.store(true, Ordering::Relaxed);
    }
}

/// The host's `ucontext_t` as the engine needs it is passed through as a raw pointer (arch/x86/include/uapi/asm/ucontext.h).
pub type HostContext = *mut u8;

/// Called from the host's handler for SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGTRAP raised by the processor. True if the fault
/// happened in generated code or a guest copy: the context has been changed so that, on return from the handler, execution
/// continues in the engine (and `run` returns `Exit::Fault`). False: the fault is the emulator's own.
///
/// # Safety
/// `thread` is the current thread's; `context` is the handler's third argument.
pub unsafe fn on_host_fault(thread: &mut Thread, context: HostContext, fault: Fault) -> bool {
    let _ = (thread, context, fault);
    false
}

/// Called from the host's handler for asynchronous signals: makes `run` return `Exit::Interrupted` at the next boundary.
///
/// # Safety
/// `thread` is the current thread's; `context` is the handler's third argument.
pub unsafe fn on_host_signal(thread: &mut Thread, context: HostContext) {
    let _ = context;
    thread.interrupt();
}

/// What a host signal handler finds about its thread: the GS base points at one of these.
#[repr(C)]
pub struct Current {
    /// Its own address, readable as `gs:[0]`.
    this: *mut Current,
    /// The Linux layer's task, readable as `gs:[8]`.
    task: *mut u8,
}

impl Current {
    /// No thread yet.
    pub const fn new() -> Current {
        Current { this: core::ptr::null_mut(), task: core::ptr::null_mut() }
    }
}

impl Default for Current {
    fn default() -> Current {
        Current::new()
    }
}

/// Makes `block` the current thread's, holding `task`.
///
/// # Safety
/// `block` stays valid and in place as long as this thread may take a signal.
pub unsafe fn set_current(block: *mut Current, task: *mut u8) {
    const ARCH_SET_GS: u64 = 0x1001;
    // SAFETY: by the caller; nothing else uses the GS base.
    unsafe {
        block.write(Current { this: block, task });
        anyarch_sys::raw_syscall(
            linux_raw_sys::general::__NR_arch_prctl,
            [ARCH_SET_GS, block as u64, 0, 0, 0, 0],
        );
    }
}

/// The task given to [`set_current`] on this thread. Async-signal-safe.
///
/// # Safety
/// `set_current` was called on this thread.
#[inline]
pub unsafe fn current_task() -> *mut u8 {
    let task;
    // SAFETY: by the caller the GS base points at a `Current`.
    unsafe { core::arch::asm!("mov {}, gs:[8]", out(reg) task, options(nostack, readonly, preserves_flags)) };
    task
}

/// Executable guest memory: the Linux layer reports every change, so that stale translations disappear.
pub mod code {
    /// [start, end) is now executable guest memory.
    pub fn mapped_exec(start: u64, end: u64) {
        let _ = (start, end);
    }

    /// [start, end) is no longer executable guest memory (unmapped, or protected otherwise).
    pub fn unmapped_exec(start: u64, end: u64) {
        let _ = (start, end);
    }

    /// The guest announced that it changed code in [start, end).
    pub fn invalidate(start: u64, end: u64) {
        let _ = (start, end);
    }
}

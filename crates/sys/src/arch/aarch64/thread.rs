//! How a thread begins and ends. TPIDR_EL0 leads to what it is: there is no libc that would use it.

use crate::SysResult;
use crate::raw::general::__NR_exit;
use core::arch::{asm, global_asm};

global_asm!(
    ".globl anyarch_spawn, anyarch_leave",
    // (number, five arguments): a clone whose child has a stack of its own, on which two words lie:
    // argument and function.
    "anyarch_spawn:",
    "mov x8, x0",
    "mov x0, x1",
    "mov x1, x2",
    "mov x2, x3",
    "mov x3, x4",
    "mov x4, x5",
    "svc #0",
    "cbz x0, 2f",
    "ret",
    "2:",
    "mov x29, xzr",
    "mov x30, xzr",
    "ldp x0, x1, [sp], #16",
    "blr x1",
    "brk #1",
    // (busy word, exit code): from the store on the stack may be another thread's.
    "anyarch_leave:",
    "mov x2, x0",
    "mov x0, x1",
    "mov x8, #{exit}",
    "stlr wzr, [x2]",
    "svc #0",
    "brk #1",
    exit = const __NR_exit,
);

unsafe extern "C" {
    fn anyarch_spawn(nr: u64, a0: u64, a1: u64, a2: u64, a3: u64, a4: u64) -> u64;
    fn anyarch_leave(busy: *mut u32, code: u64) -> !;
}

/// A host clone or clone3 whose child has a stack of its own. At the child's stack pointer lie two
/// words, an argument and the function that the child calls with it, which does not return.
///
/// # Safety
/// The stack is nobody else's, and the call is sound for this process.
pub unsafe fn spawn(nr: u32, a: [u64; 5]) -> SysResult {
    // SAFETY: by the caller; the routine follows the C calling convention.
    crate::check(unsafe { anyarch_spawn(nr as u64, a[0], a[1], a[2], a[3], a[4]) })
}

/// Ends the calling thread. Its stack may be another thread's as soon as `busy` is zero.
///
/// # Safety
/// `busy` is valid, and no signal comes.
pub unsafe fn leave(busy: *mut u32, code: u64) -> ! {
    // SAFETY: by the caller.
    unsafe { anyarch_leave(busy, code) }
}

/// Arguments of clone(2) in the order that the host's kernel takes them (CONFIG_CLONE_BACKWARDS):
/// flags, stack pointer, addresses for the parent's and for the child's thread id; there is no
/// thread pointer.
pub fn clone_args(flags: u64, sp: u64, parent_tid: u64, child_tid: u64) -> [u64; 5] {
    [flags, sp, parent_tid, 0, child_tid]
}

/// Sets the register by which [`current_task`] finds its [`Current`](crate::arch::Current).
///
/// # Safety
/// See [`set_current`](crate::arch::set_current).
pub(crate) unsafe fn set_thread_base(base: u64) {
    // SAFETY: by the caller; nothing else uses the register.
    unsafe { asm!("msr tpidr_el0, {}", in(reg) base, options(nostack, preserves_flags)) };
}

/// The task given to [`set_current`](crate::arch::set_current) on this thread. Async-signal-safe.
///
/// # Safety
/// `set_current` was called on this thread.
#[inline]
pub unsafe fn current_task() -> *mut u8 {
    let task;
    // SAFETY: by the caller the register points at a `Current`.
    unsafe {
        asm!("mrs {0}, tpidr_el0", "ldr {0}, [{0}]", out(reg) task, options(nostack, readonly, preserves_flags));
    };
    task
}

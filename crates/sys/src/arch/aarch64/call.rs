//! The system call instruction.

use core::arch::{asm, global_asm};
use core::sync::atomic::AtomicU32;

/// Makes host system call `nr` and returns the kernel's raw value (-errno on error).
///
/// # Safety
/// The call must be sound for this process: pointers valid, mappings of the emulator not disturbed.
#[inline]
pub(crate) unsafe fn raw_syscall(nr: u32, a: [u64; 6]) -> u64 {
    let ret;
    // SAFETY: the arm64 system call convention: all registers but x0 are kept.
    unsafe {
        asm!("svc #0", in("x8") nr as u64, inlateout("x0") a[0] => ret,
            in("x1") a[1], in("x2") a[2], in("x3") a[3], in("x4") a[4], in("x5") a[5], options(nostack));
    }
    ret
}

// See `safe_syscall`.
global_asm!(
    ".globl anyarch_safe_syscall, anyarch_safe_syscall_start, anyarch_safe_syscall_insn, anyarch_safe_syscall_abort",
    "anyarch_safe_syscall:", // x0 = pending word, w1 = number, x2 = six arguments
    "mov x9, x0",
    "mov w8, w1",
    "mov x10, x2",
    "ldp x0, x1, [x10]",
    "ldp x2, x3, [x10, #16]",
    "ldp x4, x5, [x10, #32]",
    "anyarch_safe_syscall_start:",
    "ldr w11, [x9]",
    "cbnz w11, anyarch_safe_syscall_abort",
    "anyarch_safe_syscall_insn:",
    "svc #0",
    "ret",
    "anyarch_safe_syscall_abort:",
    "mov x0, #-512",
    "ret",
);

unsafe extern "C" {
    pub(crate) fn anyarch_safe_syscall(pending: *const AtomicU32, nr: u32, args: *const u64) -> u64;
}

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
    // SAFETY: the x86-64 system call convention: rcx and r11 are clobbered, all else is kept.
    unsafe {
        asm!("syscall", inlateout("rax") nr as u64 => ret,
            in("rdi") a[0], in("rsi") a[1], in("rdx") a[2], in("r10") a[3], in("r8") a[4], in("r9") a[5],
            lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    ret
}

// See `safe_syscall`.
global_asm!(
    ".globl anyarch_safe_syscall, anyarch_safe_syscall_start, anyarch_safe_syscall_insn, anyarch_safe_syscall_abort",
    "anyarch_safe_syscall:", // rdi = pending word, esi = number, rdx = six arguments
    "mov rcx, rdi",
    "mov eax, esi",
    "mov r11, rdx",
    "mov rdi, [r11]",
    "mov rsi, [r11 + 8]",
    "mov rdx, [r11 + 16]",
    "mov r10, [r11 + 24]",
    "mov r8, [r11 + 32]",
    "mov r9, [r11 + 40]",
    "anyarch_safe_syscall_start:",
    "cmp dword ptr [rcx], 0",
    "jne anyarch_safe_syscall_abort",
    "anyarch_safe_syscall_insn:",
    "syscall",
    "ret",
    "anyarch_safe_syscall_abort:",
    "mov rax, -512",
    "ret",
);

unsafe extern "C" {
    pub(crate) fn anyarch_safe_syscall(pending: *const AtomicU32, nr: u32, args: *const u64) -> u64;
}

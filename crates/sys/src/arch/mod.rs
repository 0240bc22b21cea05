//! The host's processor: everything that is written in its instructions or depends on its
//! registers, and what the kernel numbers or lays out differently for it.
//!
//! Every folder has the same names, and one of them is compiled. To add a host is to add a folder,
//! the engine's backend apart. All hosts are 64-bit and little-endian, with pages of 4 KiB.
//!
//! - `facts`: names and numbers of the host, and the plan of its address space.
//! - `call`: the system call instruction, and the call that a signal may abort.
//! - `memory`: copies to and from the guest's memory and single accesses to it, whose faults are
//!   caught. The interpreter counts on an order between accesses as x86-64 has it: every load is a
//!   load-acquire and every store a store-release, so each host sees to that here.
//! - `context`: registers of an interrupted thread, and the return from a host signal handler.
//! - `thread`: how a thread begins and ends, and how a signal handler finds the thread that it is
//!   on.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
pub use aarch64::*;
#[cfg(target_arch = "x86_64")]
pub use x86_64::*;

/// Which column of the table of system calls has the host's numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallNumbers {
    /// arch/x86/entry/syscalls/syscall_64.tbl.
    X86_64,
    /// include/uapi/asm-generic/unistd.h, which newer architectures share.
    Generic,
}

/// What a host signal handler finds about its thread, by [`current_task`].
#[repr(C)]
pub struct Current {
    task: *mut u8,
}

impl Current {
    /// No thread yet.
    pub const fn new() -> Current {
        Current { task: core::ptr::null_mut() }
    }
}

impl Default for Current {
    fn default() -> Current {
        Current::new()
    }
}

/// Makes `block` the calling thread's, holding `task`.
///
/// # Safety
/// `block` stays valid and in place as long as this thread may take a signal, and nothing else uses
/// the register that [`set_thread_base`] sets.
pub unsafe fn set_current(block: *mut Current, task: *mut u8) {
    // SAFETY: by the caller.
    unsafe {
        block.write(Current { task });
        set_thread_base(block as u64);
    }
}

//! execve and direct exec: a program of the guest's architecture runs although no handler is registered.
//!
//! While direct exec is on, the emulator holds its own executable open. That descriptor is not the guest's: calls that close or
//! replace descriptors ask [`hidden_fd`] and [`vacate_fd`].

use crate::task::Task;
use anyarch_sys::{Errno, SysResult};
use core::sync::atomic::{AtomicI32, Ordering};

static OWN_FD: AtomicI32 = AtomicI32::new(-1);

/// The descriptor that belongs to the emulator, if any: the guest must find it closed (EBADF), and close_range skips it.
pub fn hidden_fd() -> Option<i32> {
    let fd = OWN_FD.load(Ordering::Relaxed);
    (fd >= 0).then_some(fd)
}

/// Called before a call that puts a descriptor at the number `fd` (dup2, dup3): moves ours out of the way.
pub fn vacate_fd(fd: i32) {
    let _ = fd;
}

/// execve(2).
///
/// # Errors
/// Any errno.
pub fn execve(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// execveat(2).
///
/// # Errors
/// Any errno.
pub fn execveat(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

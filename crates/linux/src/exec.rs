//! execve and direct exec: a program of the guest's architecture runs although no handler is registered.
//!
//! While direct exec is on, the emulator holds its own executable open. That descriptor is not the guest's: calls that close or
//! replace descriptors ask [`hidden_fd`] and [`vacate_fd`].

use crate::task::Task;
use anyarch_sys::{Errno, SysResult};
use core::sync::atomic::{AtomicI32, Ordering};

/// The emulator's option by which a direct exec hands over two descriptors, separated by a comma: its executable and the program. The
/// program's path, argv[0] and the other arguments follow.
pub const DIRECT_OPTION: &str = "anyarch-direct";

/// Turns direct exec on: the emulator was not started by the kernel as an interpreter. `inherited` is the descriptor of its
/// executable if it is already known; `exec_fn` the address of AT_EXECFN's string, where it is without /proc.
pub fn enable_direct(inherited: Option<i32>, exec_fn: u64) {
    let _ = (inherited, exec_fn);
}

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

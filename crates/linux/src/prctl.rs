//! prctl and seccomp.

use crate::task::Task;
use anyarch_sys::{Errno, SysResult};

/// prctl(2).
///
/// # Errors
/// Any errno.
pub fn prctl(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// seccomp(2).
///
/// # Errors
/// Any errno.
pub fn seccomp(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

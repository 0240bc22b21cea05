//! Identity and limits.

use crate::task::Task;
use anyarch_sys::{Errno, SysResult};

/// uname(2).
///
/// # Errors
/// Any errno.
pub fn uname(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// personality(2).
///
/// # Errors
/// Any errno.
pub fn personality(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// getrlimit(2).
///
/// # Errors
/// Any errno.
pub fn getrlimit(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// setrlimit(2).
///
/// # Errors
/// Any errno.
pub fn setrlimit(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// prlimit64(2).
///
/// # Errors
/// Any errno.
pub fn prlimit64(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

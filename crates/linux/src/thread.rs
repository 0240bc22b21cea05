//! Threads.

use crate::task::Task;
use anyarch_sys::{Errno, SysResult};

/// set_tid_address(2).
///
/// # Errors
/// Any errno.
pub fn set_tid_address(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// set_robust_list(2).
///
/// # Errors
/// Any errno.
pub fn set_robust_list(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// get_robust_list(2).
///
/// # Errors
/// Any errno.
pub fn get_robust_list(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

//! Processes.

use crate::task::Task;
use anyarch_sys::{Errno, SysResult};

/// clone(2).
///
/// # Errors
/// Any errno.
pub fn clone(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// clone3(2).
///
/// # Errors
/// Any errno.
pub fn clone3(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// fork(2).
///
/// # Errors
/// Any errno.
pub fn fork(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// vfork(2).
///
/// # Errors
/// Any errno.
pub fn vfork(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// exit(2).
///
/// # Errors
/// Any errno.
pub fn exit(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// exit_group(2).
///
/// # Errors
/// Any errno.
pub fn exit_group(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

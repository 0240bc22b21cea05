//! Waiting for descriptors.

use crate::task::Task;
use anyarch_sys::{Errno, SysResult};

/// epoll_ctl(2).
///
/// # Errors
/// Any errno.
pub fn epoll_ctl(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// epoll_wait(2).
///
/// # Errors
/// Any errno.
pub fn epoll_wait(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// epoll_pwait(2).
///
/// # Errors
/// Any errno.
pub fn epoll_pwait(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// epoll_pwait2(2).
///
/// # Errors
/// Any errno.
pub fn epoll_pwait2(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// ppoll(2).
///
/// # Errors
/// Any errno.
pub fn ppoll(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// pselect6(2).
///
/// # Errors
/// Any errno.
pub fn pselect6(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// io_pgetevents(2).
///
/// # Errors
/// Any errno.
pub fn io_pgetevents(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// io_uring_enter(2).
///
/// # Errors
/// Any errno.
pub fn io_uring_enter(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

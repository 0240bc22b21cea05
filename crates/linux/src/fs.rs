//! Files.

use crate::task::Task;
use anyarch_sys::{Errno, SysResult};

/// open(2).
///
/// # Errors
/// Any errno.
pub fn open(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// openat(2).
///
/// # Errors
/// Any errno.
pub fn openat(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// openat2(2).
///
/// # Errors
/// Any errno.
pub fn openat2(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// creat(2).
///
/// # Errors
/// Any errno.
pub fn creat(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// readlink(2).
///
/// # Errors
/// Any errno.
pub fn readlink(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// readlinkat(2).
///
/// # Errors
/// Any errno.
pub fn readlinkat(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// stat(2).
///
/// # Errors
/// Any errno.
pub fn stat(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// lstat(2).
///
/// # Errors
/// Any errno.
pub fn lstat(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// fstat(2).
///
/// # Errors
/// Any errno.
pub fn fstat(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// newfstatat(2).
///
/// # Errors
/// Any errno.
pub fn newfstatat(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// fcntl(2).
///
/// # Errors
/// Any errno.
pub fn fcntl(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// close(2).
///
/// # Errors
/// Any errno.
pub fn close(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// close_range(2).
///
/// # Errors
/// Any errno.
pub fn close_range(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// dup2(2).
///
/// # Errors
/// Any errno.
pub fn dup2(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// dup3(2).
///
/// # Errors
/// Any errno.
pub fn dup3(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

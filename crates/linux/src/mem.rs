//! Memory calls.

use crate::task::Task;
use anyarch_sys::{Errno, SysResult};

/// mmap(2).
///
/// # Errors
/// Any errno.
pub fn mmap(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// munmap(2).
///
/// # Errors
/// Any errno.
pub fn munmap(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// mremap(2).
///
/// # Errors
/// Any errno.
pub fn mremap(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// mprotect(2).
///
/// # Errors
/// Any errno.
pub fn mprotect(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// pkey_mprotect(2).
///
/// # Errors
/// Any errno.
pub fn pkey_mprotect(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// brk(2).
///
/// # Errors
/// Any errno.
pub fn brk(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// madvise(2).
///
/// # Errors
/// Any errno.
pub fn madvise(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// shmat(2).
///
/// # Errors
/// Any errno.
pub fn shmat(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// shmdt(2).
///
/// # Errors
/// Any errno.
pub fn shmdt(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// remap_file_pages(2).
///
/// # Errors
/// Any errno.
pub fn remap_file_pages(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

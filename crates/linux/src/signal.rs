//! Signals.

use crate::task::Task;
use anyarch_sys::{Errno, SysResult};

/// rt_sigaction(2).
///
/// # Errors
/// Any errno.
pub fn rt_sigaction(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// rt_sigprocmask(2).
///
/// # Errors
/// Any errno.
pub fn rt_sigprocmask(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// rt_sigreturn(2).
///
/// # Errors
/// Any errno.
pub fn rt_sigreturn(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// rt_sigpending(2).
///
/// # Errors
/// Any errno.
pub fn rt_sigpending(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// rt_sigtimedwait(2).
///
/// # Errors
/// Any errno.
pub fn rt_sigtimedwait(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// rt_sigsuspend(2).
///
/// # Errors
/// Any errno.
pub fn rt_sigsuspend(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// sigaltstack(2).
///
/// # Errors
/// Any errno.
pub fn sigaltstack(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

/// Makes `call` while the guest's signal mask is the one at guest address `set` (0: unchanged), as ppoll and its kin want it; `call` gets the address of the
/// mask to hand to the host's kernel, or 0.
///
/// # Errors
/// `EINVAL` for a wrong `size`, `EFAULT`, and those of `call`.
pub fn with_mask(
    task: &mut Task,
    set: u64,
    size: u64,
    call: impl FnOnce(&mut Task, u64) -> SysResult,
) -> SysResult {
    if set == 0 {
        return call(task, 0);
    }
    if size != 8 {
        return Err(Errno::EINVAL);
    }
    let mask: u64 = anyarch_sys::read(set)?;
    call(task, &raw const mask as u64)
}

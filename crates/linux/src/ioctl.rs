//! ioctl.

use crate::task::Task;
use anyarch_sys::{Errno, SysResult};

/// ioctl(2).
///
/// # Errors
/// Any errno.
pub fn ioctl(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

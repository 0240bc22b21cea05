//! SysV IPC.

use crate::task::Task;
use anyarch_sys::{Errno, SysResult};

/// semctl(2).
///
/// # Errors
/// Any errno.
pub fn semctl(task: &mut Task, args: [u64; 6]) -> SysResult {
    let _ = (task, args);
    Err(Errno::ENOSYS)
}

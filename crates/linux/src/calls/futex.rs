//! futex(2) of guests whose words are of another order: the kernel compares words of its own.

use crate::calls::dispatch::host_call;
use crate::structure::call::read_by;
use crate::structure::{ByteOrder, rows};
use crate::task::Task;
use anyarch_sys::raw::general::__NR_futex;
use anyarch_sys::{Errno, SysResult};

const WAIT: u64 = 0;
const CMP_REQUEUE: u64 = 4;
const WAKE_OP: u64 = 5;
const LOCK_PI: u64 = 6;
const UNLOCK_PI: u64 = 7;
const TRYLOCK_PI: u64 = 8;
const WAIT_BITSET: u64 = 9;
const WAIT_REQUEUE_PI: u64 = 11;
const CMP_REQUEUE_PI: u64 = 12;
const LOCK_PI2: u64 = 13;

/// An operation without its flags.
fn operation(op: u64) -> u64 {
    op & 0x7f
}

/// Whether the fourth argument is a time.
pub(super) fn has_time(op: u64) -> bool {
    matches!(operation(op), WAIT | LOCK_PI | WAIT_BITSET | WAIT_REQUEUE_PI | LOCK_PI2)
}

/// futex(2) of a guest whose words or pointers differ from the host's. The time has 64 bits.
///
/// # Errors
/// `ENOSYS` where the kernel would keep a number of its own order in the word.
pub(crate) fn futex(task: &mut Task, args: [u64; 6]) -> SysResult {
    if !has_time(args[1]) || args[3] == 0 {
        return with_time(task, &args);
    }
    read_by(&rows::timespec64, task.abi.model(), args[3], |time| {
        with_time(task, &[args[0], args[1], args[2], time, args[4], args[5]])
    })
}

/// The same, with the host's time.
pub(super) fn with_time(task: &mut Task, args: &[u64; 6]) -> SysResult {
    let mut args = *args;
    if task.abi.model().order == ByteOrder::Big {
        let swap = |value: u64| (value as u32).swap_bytes() as u64;
        match operation(args[1]) {
            WAIT | WAIT_BITSET => args[2] = swap(args[2]),
            CMP_REQUEUE => args[5] = swap(args[5]),
            WAKE_OP | LOCK_PI | UNLOCK_PI | TRYLOCK_PI | WAIT_REQUEUE_PI | CMP_REQUEUE_PI | LOCK_PI2 => {
                return Err(Errno::ENOSYS);
            }
            _ => {}
        }
    }
    host_call(task, __NR_futex, &args)
}

//! Prints system calls as they happen (`-strace`), like qemu-user: `PID name(args) = result`.

use crate::table::Row;
use crate::task::Task;
use alloc::string::String;
use anyarch_sys::SysResult;

/// A call without a row.
pub fn unknown(task: &Task, number: u64, args: &[u64; 6]) {
    anyarch_sys::eprintln!("{} Unknown syscall {number} {args:x?}", task.tid);
}

/// Formats the call before it is made.
pub fn enter(task: &Task, row: &Row, args: &[u64; 6]) -> String {
    alloc::format!("{} {}({:x?})", task.tid, row.name, &args[..row.args.len()])
}

/// Prints the call and its result.
pub fn leave(task: &Task, row: &Row, args: &[u64; 6], entered: String, result: SysResult) {
    let _ = (task, row, args);
    anyarch_sys::eprintln!("{entered} = {result:x?}");
}

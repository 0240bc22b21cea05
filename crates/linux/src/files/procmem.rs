//! Guest code that is written through /proc/PID/mem.
//!
//! The kernel synchronizes instruction caches with what it writes there (`copy_to_user_page` of the
//! architectures), so that programs announce nothing. Nobody opens the file to write but debuggers
//! and translators that keep their code unwritable; only then are calls that write looked at.

use crate::calls::table::Sys;
use crate::files::procfile::File;
use crate::files::procfs::path_of;
use crate::task::Task;
use anyarch_engine::run::{code, fast_calls};
use anyarch_sys::calls;
use core::sync::atomic::{AtomicBool, Ordering};

/// The calls that write to the file.
const WRITERS: [Sys; 5] = [Sys::write, Sys::writev, Sys::pwrite64, Sys::pwritev, Sys::pwritev2];

/// Whether this process, or one that it was forked from, has opened such a file to write.
static WATCHED: AtomicBool = AtomicBool::new(false);

/// Whether a descriptor of procfs is the memory of a process.
pub(crate) fn is_mem(fd: i32) -> bool {
    let is_it = |path: &[u8]| matches!(File::named(path), Some(File::Process { name: b"mem", .. }));
    path_of(fd).is_some_and(|path| is_it(&path))
}

/// Such a file was opened to write: from now on [`after`] sees what is written.
pub(crate) fn watch(task: &Task) {
    WATCHED.store(true, Ordering::SeqCst);
    for number in 0..fast_calls::LEN {
        if task.abi.syscall(number as u64).is_some_and(|sys| WRITERS.contains(&sys)) {
            fast_calls::remove(number);
        }
    }
}

/// After a call that went to the host's kernel: if it wrote to the file, translations of what was
/// there disappear. Those of other processes do not.
pub(crate) fn after(sys: Sys, args: &[u64; 6], result: u64) {
    if !WATCHED.load(Ordering::Relaxed) || result == 0 || !WRITERS.contains(&sys) {
        return;
    }
    let fd = args[0] as i32;
    if !is_mem(fd) {
        return;
    }
    // pwritev2(2) at -1 writes at the position.
    let is_none = args[3] == u64::MAX || [args[3], args[4]].map(|part| part as u32) == [u32::MAX; 2];
    let start = match sys {
        Sys::pwrite64 | Sys::pwritev => Ok(args[3]),
        Sys::pwritev2 if !is_none => Ok(args[3]),
        _ => calls::position(fd).map(|end| end.wrapping_sub(result)),
    };
    match start {
        Ok(start) => code::invalidate(start, start.saturating_add(result)),
        // Where it was written is not known.
        Err(_) => code::invalidate(0, u64::MAX),
    }
}

//! Other processes of the same executable: what they keep at the same addresses.
//!
//! Nothing is trusted: what is read goes back to who asked, and whoever may read another process's
//! memory may do so without the emulator.

use crate::files::procfs;
use alloc::format;
use anyarch_sys::mappings;

/// Whether the emulator runs in the process, as the same executable as here.
pub(crate) fn is_ours(pid: i32) -> bool {
    let link = procfs::read_link(crate::files::path::AT_FDCWD, format!("/proc/{pid}/exe").as_bytes());
    link.is_some() && link == procfs::own_executable()
}

/// What the process has at `address`, if it is of this executable and may be read.
pub(crate) fn read<T: Copy>(pid: i32, address: u64) -> Option<T> {
    if !is_ours(pid) {
        return None;
    }
    // SAFETY: filled, by a process in which the same code keeps a value of this type there.
    mappings::read_process::<T>(pid, address).map(|value| unsafe { value.assume_init() })
}

/// Changes what such a process has at `address`.
pub(crate) fn write<T: Copy>(pid: i32, address: u64, value: &T) {
    // SAFETY: the other process keeps a value of this type there. It may end meanwhile, which is no
    // failure.
    let _ = unsafe { mappings::write_process(pid, address, value) };
}

//! Paths that the guest looks at: the emulated /proc, then the sysroot (`-L`), then the host's own.
//!
//! Like qemu-user's, a sysroot is an overlay for absolute paths: PREFIX/path is used if it exists.
//! It serves calls that look a file up (open, stat, access, execve and their kin), never calls that
//! create, rename or remove one.

use crate::config;
use crate::files::procfs;
use alloc::vec::Vec;
use anyarch_sys::calls;
use anyarch_sys::read_cstr;

/// Stands for the current directory.
pub(crate) const AT_FDCWD: i32 = anyarch_sys::raw::general::AT_FDCWD;
/// Longest path including its NUL.
pub(crate) const PATH_MAX: usize = 4096;

const AT_SYMLINK_NOFOLLOW: u32 = 0x100;

/// `path` within the sysroot, if there is one and the path exists in it. With NUL at the end.
pub(crate) fn in_sysroot(path: &[u8]) -> Option<Vec<u8>> {
    let prefix = config::get().sysroot.as_ref()?;
    if path.first() != Some(&b'/') {
        return None;
    }
    let mut full = Vec::with_capacity(prefix.len() + path.len() + 1);
    full.extend_from_slice(prefix);
    full.extend_from_slice(path);
    full.push(0);
    calls::access_at(AT_FDCWD, &full, 0, AT_SYMLINK_NOFOLLOW).ok()?;
    Some(full)
}

/// What a call that looks at the path at guest address `addr` is to use instead, with NUL at the
/// end; `None`: the path itself. `nofollow`: a symbolic link at the path's end is meant itself.
pub(crate) fn substitute(dir: i32, addr: u64, nofollow: bool) -> Option<Vec<u8>> {
    // AT_EMPTY_PATH lets newer kernels take a null path.
    if addr == 0 {
        return None;
    }
    // What cannot be read is the kernel's to refuse, after the arguments that it looks at first.
    let Ok(path) = read_cstr(addr, PATH_MAX) else { return None };
    if !nofollow && let Some(mut instead) = procfs::path_hook(dir, &path) {
        instead.push(0);
        return Some(instead);
    }
    in_sysroot(&path)
}

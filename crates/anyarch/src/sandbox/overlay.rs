//! A root of several folders: the lower ones are only read, what is written goes to the upper one.
//!
//! Folders are handed to the kernel as descriptors: the options of a mount have the size of a page,
//! and paths may be long or hold the characters that separate folders.
//!
//! - `userxattr`: the kernel's marks are attributes that ordinary users may set, so that what root
//!   has made and what users have made look the same.
//! - `volatile`: nothing waits for the disk. What is above is thrown away after a run, and a layer
//!   is synchronised when it is complete.

use super::mounts::clone_tree;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount as mount_at, unmount};
use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// The most that options may take, with the NUL behind them.
const OPTIONS_MAX: usize = 4096;

/// Mounts an overlay and takes it off again: the mount belongs to the descriptor. It is mounted on
/// `at` meanwhile, in a mount namespace of the caller's own. `lower` goes from the bottom up.
///
/// # Errors
/// The kernel's: it knows no overlays here, or not on this file system; E2BIG for too many layers.
pub(crate) fn mount(lower: &[PathBuf], upper: &Path, work: &Path, at: &Path) -> rustix::io::Result<OwnedFd> {
    let open = |path: &Path| {
        rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
    };
    let name = |fd: &OwnedFd| format!("/proc/self/fd/{}", fd.as_raw_fd());
    let below = lower.iter().rev().map(|path| open(path)).collect::<rustix::io::Result<Vec<_>>>()?;
    let (above, work) = (open(upper)?, open(work)?);
    let options = format!(
        "lowerdir={},upperdir={},workdir={},userxattr,volatile",
        below.iter().map(name).collect::<Vec<_>>().join(":"),
        name(&above),
        name(&work)
    );
    if options.len() >= OPTIONS_MAX {
        return Err(Errno::TOOBIG);
    }
    let options = CString::new(options).map_err(|_| Errno::INVAL)?;
    mount_at("anyarch", at, "overlay", MountFlags::empty(), options.as_c_str())?;
    let tree = clone_tree(at, false);
    unmount(at, UnmountFlags::DETACH)?;
    tree
}

/// Whether overlays work on the file system of an empty folder, with all that layers need: files
/// that are gone (device nodes 0/0) and folders that replace others (an attribute).
///
/// # Errors
/// What does not work.
pub(crate) fn probe(folder: &Path) -> rustix::io::Result<()> {
    let mode = Mode::from_raw_mode(0o755);
    for name in ["lower", "lower/folder", "lower/gone", "upper", "work"] {
        rustix::fs::mkdirat(CWD, folder.join(name), mode)?;
    }
    let tree = mount(&[folder.join("lower")], &folder.join("upper"), &folder.join("work"), folder)?;
    for name in ["folder", "gone"] {
        rustix::fs::unlinkat(&tree, name, rustix::fs::AtFlags::REMOVEDIR)?;
    }
    rustix::fs::mkdirat(&tree, "folder", mode)
}

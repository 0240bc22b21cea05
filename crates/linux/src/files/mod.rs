//! Files: opening, closing, descriptors, `struct stat` and symbolic links.
//!
//! What differs from the host is the bits of open flags (converted by argument type where a row
//! carries them directly), the layout of `struct stat`, and a few names in /proc that must show the
//! guest (see [`crate::files::procfs`]). A descriptor that the emulator itself holds open is spared
//! by calls that close or replace descriptors (see [`crate::program::own`]).

pub(crate) mod dirent;
mod fcntl;
pub(crate) mod hidden;
pub(crate) mod path;
pub(crate) mod procfile;
pub(crate) mod procfs;
pub(crate) mod procmem;
mod procstatus;

pub(crate) use fcntl::{fcntl, fcntl64};

use crate::calls::dispatch::host_call;
use crate::files::path::{AT_FDCWD, PATH_MAX};
use crate::program::own;
use crate::task::Task;
use alloc::vec::Vec;
use anyarch_sys::raw::general::{
    __NR_close_range, __NR_dup3, __NR_fcntl, __NR_fstat, __NR_getdents64, __NR_newfstatat,
    __NR_open_by_handle_at, __NR_openat, __NR_openat2, __NR_readlinkat, __NR_statx, AT_SYMLINK_NOFOLLOW,
    F_GETFD, FASYNC, O_ACCMODE, O_APPEND, O_CLOEXEC, O_CREAT, O_DIRECT, O_DIRECTORY, O_DSYNC, O_EXCL,
    O_LARGEFILE, O_NOATIME, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_PATH, O_SYNC, O_TMPFILE, O_TRUNC, O_WRONLY,
    S_IFMT, S_IFREG, stat as HostStat,
};
use anyarch_sys::{Errno, SysResult, args6, read, read_bytes, read_cstr, write_bytes};
use core::mem::offset_of;

/// openat(2). The flags are the host's.
pub(crate) fn openat(task: &mut Task, mut args: [u64; 6]) -> SysResult {
    let small = task.abi.model().word == 4 && args[2] as u32 & (O_LARGEFILE | O_PATH) == 0;
    if small && args[2] as u32 & O_TRUNC != 0 && is_large_file(args[0] as i32, args[1]) {
        // Refused below, as it is.
        args[2] &= !(O_TRUNC as u64);
    }
    let fd = open_with(task, [args[0], args[1]], args[2] as u32, |task, addr, resolve| {
        if resolve == 0 {
            return host_call(task, __NR_openat, &args6(&[args[0], addr, args[2], args[3]]));
        }
        // openat takes unknown flags without a word, and x86-64's allows large files by itself.
        let how = [args[2] & VALID_OPEN_FLAGS as u64 | O_LARGEFILE as u64, 0, resolve];
        host_call(task, __NR_openat2, &args6(&[args[0], addr, how.as_ptr() as u64, OPEN_HOW_SIZE]))
    })?;
    if small {
        refuse_large(fd as i32)?;
    }
    Ok(fd)
}

/// open_by_handle_at(2).
///
/// # Errors
/// `EOVERFLOW` as openat.
pub(crate) fn open_by_handle_at(task: &mut Task, args: [u64; 6]) -> SysResult {
    let fd = host_call(task, __NR_open_by_handle_at, &args)?;
    if task.abi.model().word == 4 && args[2] as u32 & (O_LARGEFILE | O_PATH) == 0 {
        refuse_large(fd as i32)?;
    }
    Ok(fd)
}

/// A 32-bit program that does not ask for large files is given none (generic_file_open). The host's
/// kernel does not know that it is one.
fn refuse_large(fd: i32) -> Result<(), Errno> {
    if procfile::fstat(fd).is_some_and(|st| is_large(&st)) {
        procfs::close(fd);
        return Err(Errno::EOVERFLOW);
    }
    Ok(())
}

/// Whether [`refuse_large`] would refuse the file of a path at a guest address.
fn is_large_file(dir: i32, addr: u64) -> bool {
    let Ok(path) = read_cstr(addr, PATH_MAX) else { return false };
    let path = path::in_sysroot(&path).unwrap_or_else(|| procfs::with_nul(&path));
    procfile::stat_at(dir, &path).is_some_and(|st| is_large(&st))
}

fn is_large(st: &HostStat) -> bool {
    /// MAX_NON_LFS
    const LARGEST: i64 = i32::MAX as i64;
    st.st_mode & S_IFMT == S_IFREG && st.st_size > LARGEST
}

/// All flags that open(2) knows (include/linux/fcntl.h).
const VALID_OPEN_FLAGS: u32 = O_ACCMODE
    | O_CREAT
    | O_EXCL
    | O_NOCTTY
    | O_TRUNC
    | O_APPEND
    | O_NONBLOCK
    | O_SYNC
    | O_DSYNC
    | FASYNC
    | O_DIRECT
    | O_LARGEFILE
    | O_DIRECTORY
    | O_NOFOLLOW
    | O_NOATIME
    | O_CLOEXEC
    | O_PATH
    | O_TMPFILE;

/// Opens (`dir`, path at a guest address) by `open`, from the sysroot or the emulated /proc if it
/// is there. `open` gets an address, and flags for openat2's `resolve` if they are not 0.
fn open_with(
    task: &mut Task,
    [dir, addr]: [u64; 2],
    flags: u32,
    open: impl Fn(&mut Task, u64, u64) -> SysResult,
) -> SysResult {
    let path = read_cstr(addr, PATH_MAX)?;
    if hidden::is_entry(task, dir as i32, &path) {
        return Err(Errno::ENOENT);
    }
    let instead = path::in_sysroot(&path);
    let at = instead.as_ref().map_or(addr, |path| path.as_ptr() as u64);
    let opened = procfile::open_by(dir as i32, &path, flags, |resolve| open(task, at, resolve));
    let (fd, maybe) = match opened {
        // A program that runs cannot be written to, nor one that belongs to root or is on a mount
        // without writing, and it is no directory; natively the link leads nowhere.
        Err(Errno::ETXTBSY | Errno::EACCES | Errno::EPERM | Errno::EROFS | Errno::ENOTDIR)
            if hidden::is_behind(task, dir as i32, &path) =>
        {
            return Err(Errno::ENOENT);
        }
        opened => opened?,
    };
    let fd = if maybe || flags & O_PATH != 0 && own::is_held() {
        procfs::open_hook(task, dir as i32, &path, flags, fd)?
    } else {
        fd
    };
    Ok(fd as u64)
}

/// open(2).
pub(crate) fn open(task: &mut Task, args: [u64; 6]) -> SysResult {
    openat(task, args6(&[AT_FDCWD as u64, args[0], args[1], args[2]]))
}

/// creat(2). It is one call for programs of all widths, which asks for large files.
pub(crate) fn creat(task: &mut Task, args: [u64; 6]) -> SysResult {
    let flags = O_CREAT | O_WRONLY | O_TRUNC | O_LARGEFILE;
    openat(task, args6(&[AT_FDCWD as u64, args[0], flags as u64, args[1]]))
}

/// Size of the first version of `struct open_how`: flags, mode, resolve.
const OPEN_HOW_SIZE: u64 = 24;

/// openat2(2).
pub(crate) fn openat2(task: &mut Task, args: [u64; 6]) -> SysResult {
    let (how_addr, size) = (args[2], args[3]);
    if size < OPEN_HOW_SIZE {
        return Err(Errno::EINVAL);
    }
    if size > 4096 {
        return Err(Errno::E2BIG);
    }
    // Fields that a newer guest knows and this file does not are the host kernel's to judge.
    let mut how = alloc::vec![0u64; size.div_ceil(8) as usize];
    // SAFETY: the words are plain memory of at least `size` bytes.
    read_bytes(how_addr, unsafe { core::slice::from_raw_parts_mut(how.as_mut_ptr().cast(), size as usize) })?;
    let flags = how[0];
    how[0] = flags & !0xffff_ffff | task.abi.open_flags_to_host(flags as u32) as u64;
    open_with(task, [args[0], args[1]], how[0] as u32, |task, addr, resolve| {
        let mut how = how.clone();
        how[2] |= resolve;
        host_call(task, __NR_openat2, &args6(&[args[0], addr, how.as_ptr() as u64, size]))
    })
}

/// linux/close_range.h.
const CLOSE_RANGE_UNSHARE: u64 = 1 << 1;

/// close_range(2).
pub(crate) fn close_range(task: &mut Task, args: [u64; 6]) -> SysResult {
    let ours = own::hidden_fd(task).map_or(u64::MAX, |fd| fd as u64);
    let mut args = args;
    if [args[0], args[1]].map(|n| n as u32 as u64) == [ours; 2] {
        // Nothing is closed, but the flags count: a number that no descriptor has.
        args[..2].fill(u32::MAX as u64);
    }
    let (first, last, flags) = (args[0] as u32, args[1] as u32, args[2]);
    let hidden = match own::hidden_fd(task) {
        Some(fd) if (first..=last).contains(&(fd as u32)) => fd as u32,
        _ => {
            let result = host_call(task, __NR_close_range, &args)?;
            if flags & CLOSE_RANGE_UNSHARE != 0 {
                task.own = task.own.copy();
            }
            return Ok(result);
        }
    };
    let mut flags = flags;
    for (from, to) in [(first, hidden.checked_sub(1)), (hidden + 1, Some(last))] {
        let Some(to) = to.filter(|&to| from <= to) else { continue };
        host_call(task, __NR_close_range, &args6(&[from as u64, to as u64, flags]))?;
        // The table of descriptors is this task's own by now.
        if flags & CLOSE_RANGE_UNSHARE != 0 {
            task.own = task.own.copy();
        }
        flags &= !CLOSE_RANGE_UNSHARE;
    }
    Ok(0)
}

/// dup2(2).
pub(crate) fn dup2(task: &mut Task, args: [u64; 6]) -> SysResult {
    if args[0] as u32 == args[1] as u32 {
        // Nothing to do for a descriptor, which dup3 refuses.
        host_call(task, __NR_fcntl, &args6(&[args[0], F_GETFD as u64]))?;
        return Ok(args[1] as u32 as u64);
    }
    dup3(task, args6(&[args[0], args[1]]))
}

/// dup3(2).
pub(crate) fn dup3(task: &mut Task, args: [u64; 6]) -> SysResult {
    own::vacate_fd(task, args[1] as i32);
    host_call(task, __NR_dup3, &args)
}

/// newfstatat(2), its path converted.
pub(crate) fn newfstatat(task: &mut Task, args: [u64; 6]) -> SysResult {
    let result = host_call(task, __NR_newfstatat, &args)?;
    instead_of_stand_in(task, args[2], [args[0], args[1]])?;
    Ok(result)
}

const _: () = {
    assert!(offset_of!(HostStat, st_dev) == 0 && offset_of!(HostStat, st_ino) == 8);
    assert!(offset_of!(HostStat, st_mode) < 48 && offset_of!(HostStat, st_nlink) < 48);
    assert!(offset_of!(HostStat, st_size) == 48);
};

/// Where a call has filled the host's `struct stat` at `addr` with what stands in for another file,
/// asks for that one. `file`: the descriptor and the path's address that the call is about.
///
/// # Errors
/// ENOENT where natively there is no such file ([`hidden`]).
fn instead_of_stand_in(task: &mut Task, addr: u64, file: [u64; 2]) -> Result<(), Errno> {
    // All of it is among the first members.
    let Ok(head) = read::<[u64; 7]>(addr) else { return Ok(()) };
    let int = |at: usize| (head[at / 8] >> (at % 8 * 8)) as u32;
    let (mode, links) = (int(offset_of!(HostStat, st_mode)), int(offset_of!(HostStat, st_nlink)));
    if let Some(path) = original(task, (mode, links as u64, head[6], (head[0], head[1])), file)? {
        // Where the process it is about has ended, the stand-in's own stat is what is left.
        let _ = host_call(task, __NR_newfstatat, &args6(&[AT_FDCWD as u64, path.as_ptr() as u64, addr]));
    }
    Ok(())
}

/// The path, with NUL, of the file that a stat call was about where it found another in its place:
/// the stand-in of a file in /proc, or the emulator's executable for the guest's. `file` is a
/// descriptor and a path's address; mode, number of links, size, device and inode are what the call
/// found.
///
/// # Errors
/// What the call is to fail with: a path's that led to the emulator's own descriptor.
fn original(
    task: &Task,
    (mode, links, size, (dev, ino)): (u32, u64, u64, (u64, u64)),
    [dir, addr]: [u64; 2],
) -> Result<Option<Vec<u8>>, Errno> {
    // The common case needs no path.
    let (stands_in, emulator) =
        (procfile::maybe_stand_in(mode, links), procfile::is_emulator(mode, dev, ino));
    if !stands_in && !emulator && !hidden::is_suspect(mode, size) {
        return Ok(None);
    }
    let path = if addr == 0 { Ok(Vec::new()) } else { read_cstr(addr, PATH_MAX) };
    let Ok(path) = path else { return Ok(None) };
    if hidden::is_behind(task, dir as i32, &path) {
        return Err(Errno::ENOENT);
    }
    let path = if stands_in {
        procfile::original(dir as i32, &path)
    } else if emulator {
        procfs::linked_program(dir as i32, &path)
    } else {
        None
    };
    Ok(path.map(|path| procfs::with_nul(&path)))
}

/// statx(2), its path converted.
pub(crate) fn statx(task: &mut Task, args: [u64; 6]) -> SysResult {
    let result = host_call(task, __NR_statx, &args)?;
    // stx_nlink, stx_uid, stx_gid, stx_mode (uapi/linux/stat.h).
    let [links, _, _, mode]: [u32; 4] = read(args[4].wrapping_add(16))?;
    let [ino, size]: [u64; 2] = read(args[4].wrapping_add(32))?;
    // stx_dev_major and stx_dev_minor, put together as in struct stat (include/linux/kdev_t.h).
    let [major, minor]: [u32; 2] = read(args[4].wrapping_add(136))?;
    let dev = (minor & 0xff | major << 8 | (minor & !0xff) << 12) as u64;
    let found = (mode & 0xffff, links as u64, size, (dev, ino));
    if let Some(path) = original(task, found, [args[0], args[1]])? {
        let at = [AT_FDCWD as u64, path.as_ptr() as u64, 0, args[3], args[4]];
        let _ = host_call(task, __NR_statx, &args6(&at));
    }
    Ok(result)
}

/// stat(2), its path converted.
pub(crate) fn stat(task: &mut Task, args: [u64; 6]) -> SysResult {
    newfstatat(task, args6(&[AT_FDCWD as u64, args[0], args[1], 0]))
}

/// lstat(2), its path converted.
pub(crate) fn lstat(task: &mut Task, args: [u64; 6]) -> SysResult {
    newfstatat(task, args6(&[AT_FDCWD as u64, args[0], args[1], AT_SYMLINK_NOFOLLOW as u64]))
}

/// fstat(2).
pub(crate) fn fstat(task: &mut Task, args: [u64; 6]) -> SysResult {
    let result = host_call(task, __NR_fstat, &args)?;
    instead_of_stand_in(task, args[1], [args[0], 0])?;
    Ok(result)
}

/// getdents64(2).
pub(crate) fn getdents64(task: &mut Task, args: [u64; 6]) -> SysResult {
    loop {
        let len = host_call(task, __NR_getdents64, &args)?;
        if let Some(len) = procfs::dirents_hook(task, args[0] as i32, args[1], len) {
            dirent::shorten(task.abi.model(), args[0] as i32, args[1], len)?;
            dirent::reorder(task.abi.model(), args[1], len)?;
            return Ok(len);
        }
    }
}

/// readlinkat(2).
pub(crate) fn readlinkat(task: &mut Task, args: [u64; 6]) -> SysResult {
    let size = args[3] as i32;
    if size <= 0 {
        return Err(Errno::EINVAL);
    }
    let path = read_cstr(args[1], PATH_MAX)?;
    if hidden::is_entry(task, args[0] as i32, &path) {
        return Err(Errno::ENOENT);
    }
    if let Some(target) = procfs::readlink_hook(args[0] as i32, &path) {
        let n = target.len().min(size as usize);
        write_bytes(args[2], &target[..n])?;
        return Ok(n as u64);
    }
    let instead: Option<Vec<u8>> = path::in_sysroot(&path);
    let addr = instead.as_ref().map_or(args[1], |path| path.as_ptr() as u64);
    let n = host_call(task, __NR_readlinkat, &args6(&[args[0], addr, args[2], args[3]]))?;
    // The buffer may be shorter than what tells for sure.
    let mut start = [0u8; 8];
    let start = &mut start[..(n as usize).min(8)];
    read_bytes(args[2], start)?;
    if procfile::maybe_ours(start)
        && let Some(target) = procfs::read_link(args[0] as i32, &path)
        && let Some(target) = procfile::visible_link(&target)
    {
        let n = target.len().min(size as usize);
        write_bytes(args[2], &target[..n])?;
        return Ok(n as u64);
    }
    Ok(n)
}

/// readlink(2).
pub(crate) fn readlink(task: &mut Task, args: [u64; 6]) -> SysResult {
    readlinkat(task, args6(&[AT_FDCWD as u64, args[0], args[1], args[2]]))
}

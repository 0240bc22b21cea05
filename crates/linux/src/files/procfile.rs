//! Files in /proc that are generated for the guest: which these are, and how they look like the
//! kernel's own.
//!
//! What counts is the file that the kernel has opened, by its own name for it (/proc/self/fd/N),
//! and never how the guest spelled the path: symbolic links, directory descriptors, bind mounts and
//! descriptors opened again all lead to the same file. To ask costs two system calls, so that opens
//! which cannot have reached /proc are not asked about ([`open_by`]).
//!
//! The content is a snapshot in a memfd, which takes the number of the descriptor that was opened.
//! Its name is the file's in /proc, by which everything that is asked about the descriptor later
//! finds the file, also in another process that has inherited it.

use crate::calls::dispatch::host_call;
use crate::files::path::AT_FDCWD;
use crate::files::procfs::{self, close, open, path_of, read_link, with_nul};
use crate::task::Task;
use alloc::format;
use alloc::vec::Vec;
use anyarch_sys::calls;
use anyarch_sys::raw::general::*;
use anyarch_sys::{Errno, SysResult, read, write_bytes};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// What the name of a generated file's memfd begins with, as /proc/PID/fd/N shows it, and ends
/// with.
const MEMFD: &[u8] = b"/memfd:anyarch:";
const MEMFD_END: &[u8] = b" (deleted)";
/// The longest name of a memfd (mm/memfd.c), without the kernel's own prefix.
const MEMFD_NAME_MAX: usize = 249;
/// The mode that tells a generated file from others at a glance.
const MODE: u32 = 0o444;

/// Whether an open may have reached a file that is generated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Suspect {
    /// It cannot.
    No,
    /// Only through a symbolic link, from outside of /proc: a mount point lies on the way.
    Across,
    /// It may.
    Yes,
}

/// Whether files of /proc concerned have this as last path component.
fn is_concerned(name: &[u8]) -> bool {
    match name.len() {
        3 => matches!(name, b"exe" | b"mem"),
        4 => matches!(name, b"maps" | b"auxv" | b"stat" | b"arch"),
        5 => matches!(name, b"smaps" | b"statm" | b"stdin"),
        6 => matches!(name, b"status" | b"limits" | b"stdout" | b"stderr"),
        7 => matches!(name, b"cmdline" | b"environ" | b"cpuinfo"),
        9 => name == b"numa_maps",
        _ => false,
    }
}

/// A hash that is not 0 of a directory's descriptor and a path in it.
fn hash(dir: i32, path: &[u8]) -> u32 {
    let (words, rest) = path.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let words = words.iter().chain([&last]).map(|word| u64::from_le_bytes(*word));
    let mix = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (words.fold(dir as u32 as u64 ^ (path.len() as u64) << 32, mix) >> 32).max(1) as u32
}

/// Judges an open by its path's last component and its flags (the host's).
fn suspect(name: &[u8], flags: u32) -> Suspect {
    if is_concerned(name) || name.iter().all(u8::is_ascii_digit) {
        return Suspect::Yes;
    }
    const OTHERS: u32 = O_DIRECTORY | O_PATH | O_NOFOLLOW;
    let creates = flags & O_CREAT != 0;
    // O_EXCL alone says nothing of links. What is generated cannot be written to, and `mem` has
    // nothing to create.
    if flags & OTHERS != 0 || creates && flags & (O_EXCL | O_WRONLY) != 0 {
        Suspect::No
    } else if creates {
        Suspect::Yes
    } else {
        Suspect::Across
    }
}

/// Whether openat2 with RESOLVE_NO_XDEV turned out to be of no use here.
static UNSUPPORTED: AtomicBool = AtomicBool::new(false);

/// Directories, by hash, in whose paths a mount point was found: there the attempt is not worth its
/// time.
static CROSSING: [AtomicU32; 64] = [const { AtomicU32::new(0) }; 64];

/// Opens (`dir`, `path`) by `open`, which is given flags for openat2's `resolve`, or 0 for a plain
/// open. Returns the descriptor, and whether it may be of a file that is generated.
pub(crate) fn open_by(
    dir: i32,
    path: &[u8],
    flags: u32,
    mut open: impl FnMut(u64) -> SysResult,
) -> Result<(i32, bool), Errno> {
    let name = procfs::base_name(path);
    let suspect = suspect(name, flags);
    if suspect != Suspect::Across || UNSUPPORTED.load(Ordering::Relaxed) {
        return Ok((open(0)? as i32, suspect != Suspect::No));
    }
    // 0 stands for an empty place.
    let hash = hash(dir, &path[..path.len() - name.len()]);
    let place = &CROSSING[(hash >> 26) as usize];
    if place.load(Ordering::Relaxed) == hash {
        return Ok((open(0)? as i32, true));
    }
    // Costs no more than a plain open, where there is no mount point on the way.
    let refused = match open(RESOLVE_NO_XDEV as u64) {
        Ok(fd) => return Ok((fd as i32, false)),
        Err(Errno::EXDEV) => {
            place.store(hash, Ordering::Relaxed);
            false
        }
        // An old kernel, or a filter around the emulator.
        Err(Errno::ENOSYS | Errno::EPERM | Errno::EINVAL) => true,
        Err(e) => return Err(e),
    };
    let fd = open(0)? as i32;
    if refused {
        UNSUPPORTED.store(true, Ordering::Relaxed);
    }
    Ok((fd, true))
}

/// A file in /proc that may be generated, from what the kernel calls it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum File<'a> {
    /// `cpuinfo`.
    Cpuinfo,
    /// `sys/kernel/arch`.
    Arch,
    /// `PID/name` or `PID/task/TID/name`.
    Process { pid: i32, tid: Option<i32>, name: &'a [u8] },
    /// A descriptor's file in `fdinfo`.
    Fdinfo,
}

pub(crate) fn number(part: Option<&[u8]>) -> Option<i32> {
    core::str::from_utf8(part?).ok()?.parse().ok().filter(|&n| n >= 0)
}

impl File<'_> {
    /// By the path's last components: /proc may be mounted anywhere.
    pub(crate) fn named(path: &[u8]) -> Option<File<'_>> {
        let mut parts = path.rsplit(|&b| b == b'/');
        let name = parts.next()?;
        let above = parts.next()?;
        match (name, above) {
            (b"cpuinfo", _) => return Some(File::Cpuinfo),
            (b"arch", b"kernel") => return (parts.next() == Some(b"sys")).then_some(File::Arch),
            (_, b"fdinfo") => return number(Some(name)).map(|_| File::Fdinfo),
            _ => {}
        }
        let id = number(Some(above))?;
        if parts.next() == Some(b"task")
            && let Some(pid) = number(parts.next())
        {
            return Some(File::Process { pid, tid: Some(id), name });
        }
        Some(File::Process { pid: id, tid: None, name })
    }
}

/// Whether `fd` is a file of procfs; `st` is its fstat.
pub(crate) fn is_proc(fd: i32, st: &stat) -> bool {
    st.st_mode & S_IFMT == S_IFREG && st.st_size == 0 && is_on_proc(fd)
}

/// Whether `fd` is anything of procfs.
pub(crate) fn is_on_proc(fd: i32) -> bool {
    const PROC_SUPER_MAGIC: u64 = 0x9fa0;
    calls::fstatfs(fd).is_ok_and(|fs| fs[0] == PROC_SUPER_MAGIC)
}

fn stat_of(path: &[u8]) -> Option<stat> {
    stat_at(AT_FDCWD, path)
}

/// The host's stat of a path that ends with NUL.
pub(crate) fn stat_at(dir: i32, path: &[u8]) -> Option<stat> {
    calls::stat_at(dir, path, 0).ok()
}

/// Device and inode of the emulator's executable, once they were needed.
static OWN: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

/// Whether a regular executable file is the emulator's.
pub(crate) fn is_emulator(mode: u32, dev: u64, ino: u64) -> bool {
    if mode & S_IFMT != S_IFREG || mode & 0o111 == 0 {
        return false;
    }
    if OWN[1].load(Ordering::Acquire) == 0
        && let Some(own) = stat_of(b"/proc/self/exe\0")
    {
        OWN[0].store(own.st_dev, Ordering::Relaxed);
        OWN[1].store(own.st_ino, Ordering::Release);
    }
    OWN.each_ref().map(|own| own.load(Ordering::Relaxed)) == [dev, ino]
}

/// The host's fstat.
pub(crate) fn fstat(fd: i32) -> Option<stat> {
    calls::fstat(fd).ok()
}

/// The name in /proc of a file of procfs that was opened. A single file mounted somewhere else has
/// that place's.
pub(crate) fn proc_path(fd: i32, st: &stat) -> Option<Vec<u8>> {
    let path = path_of(fd)?;
    if File::named(&path).is_some() {
        return Some(path);
    }
    if path.starts_with(b"/proc/") {
        return None;
    }
    [b"/proc/cpuinfo\0".as_slice(), b"/proc/sys/kernel/arch\0"].into_iter().find_map(|known| {
        let other = stat_of(known)?;
        ((other.st_dev, other.st_ino) == (st.st_dev, st.st_ino)).then(|| known[..known.len() - 1].to_vec())
    })
}

/// Whether this process has generated any file.
static ANY: AtomicBool = AtomicBool::new(false);

/// A file that stands for `path` in /proc, opened with `flags`, at its beginning.
pub(crate) fn stand_in(path: &[u8], content: &[u8], flags: u32) -> Result<i32, Errno> {
    const MFD_NOEXEC_SEAL: u32 = 8;
    const SEAL_ALL: u32 = 0xf;
    ANY.store(true, Ordering::Relaxed);
    let prefix = &MEMFD[b"/memfd:".len()..];
    let name =
        with_nul(&[prefix, &path[path.len().saturating_sub(MEMFD_NAME_MAX - prefix.len())..]].concat());
    let create = |more: u32| calls::memfd_create(&name, MFD_CLOEXEC | MFD_ALLOW_SEALING | more);
    // Kernels before 6.3 do not know the flag.
    let fd = create(MFD_NOEXEC_SEAL).or_else(|_| create(0))?;
    anyarch_sys::write_all(fd, content);
    // None of these fails for a file that was just made.
    let _ = calls::fchmod(fd, MODE);
    let _ = calls::add_seals(fd, SEAL_ALL);
    calls::seek(fd, 0);
    // Opened again it has the guest's access mode and flags.
    let gone = O_CREAT | O_EXCL | O_TRUNC | O_NOFOLLOW | O_NOCTTY;
    match open(format!("/proc/thread-self/fd/{fd}").as_bytes(), flags & !gone) {
        Ok(again) => {
            close(fd);
            Ok(again)
        }
        Err(_) => Ok(fd),
    }
}

/// What the guest is to see of a link's target in /proc/PID/fd; `None`: the target.
pub(crate) fn visible_link(target: &[u8]) -> Option<&[u8]> {
    target.strip_prefix(MEMFD)?.strip_suffix(MEMFD_END)
}

/// Whether the first bytes of a link's target are such that [`visible_link`] has to be asked.
pub(crate) fn maybe_ours(start: &[u8]) -> bool {
    MEMFD.starts_with(start)
}

/// The file in /proc for which the open `fd` stands.
fn stands_for(fd: i32) -> Option<Vec<u8>> {
    visible_link(&path_of(fd)?).map(<[u8]>::to_vec)
}

/// Whether a file of this mode and number of links may be a stand-in.
pub(crate) fn maybe_stand_in(mode: u32, links: u64) -> bool {
    mode == S_IFREG | MODE && links == 0
}

/// The file in /proc for which the file at (`dir`, `path`) stands; the latter is empty for the
/// descriptor `dir` itself.
pub(crate) fn original(dir: i32, path: &[u8]) -> Option<Vec<u8>> {
    if path.is_empty() {
        return stands_for(dir);
    }
    let path = with_nul(path);
    let fd = calls::open_at(dir, &path, O_PATH | O_CLOEXEC, 0).ok()?;
    let name = stands_for(fd);
    close(fd);
    name
}

/// What mmap(2) of the descriptor fails with, if it is a stand-in: as the kernel's files in /proc.
///
/// # Errors
/// That.
pub(crate) fn refuse_mmap(fd: i32) -> Result<(), Errno> {
    if !ANY.load(Ordering::Relaxed) {
        return Ok(());
    }
    match stands_for(fd).as_deref().map(File::named) {
        None => Ok(()),
        Some(Some(File::Cpuinfo)) => Err(Errno::EIO),
        Some(_) => Err(Errno::ENODEV),
    }
}

/// fstatfs(2): of a stand-in, that of /proc.
pub(crate) fn fstatfs(task: &mut Task, args: [u64; 6]) -> SysResult {
    const TMPFS_MAGIC: u64 = 0x0102_1994;
    let result = host_call(task, __NR_fstatfs, &args)?;
    if read::<u64>(args[1])? == TMPFS_MAGIC
        && let Some(path) = stands_for(args[0] as i32)
    {
        let path = with_nul(&path);
        if let Ok(fs) = calls::statfs(&path) {
            write_bytes(args[1], fs.map(u64::to_ne_bytes).as_flattened())?;
        }
    }
    Ok(result)
}

/// Follows the symbolic links at a path's end to one that `is_it` knows: (`dir`, `path`) of that
/// link.
pub(crate) fn link_on_the_way<T>(
    dir: i32,
    path: &[u8],
    is_it: impl Fn(i32, &[u8]) -> Option<T>,
) -> Option<T> {
    /// MAXSYMLINKS of the kernel.
    const MOST: usize = 40;
    let mut path = path.to_vec();
    for _ in 0..MOST {
        if let Some(found) = is_it(dir, &path) {
            return Some(found);
        }
        let target = read_link(dir, &path)?;
        if !target.starts_with(b"/") {
            path.truncate(path.iter().rposition(|&b| b == b'/').map_or(0, |slash| slash + 1));
        } else {
            path.clear();
        }
        path.extend_from_slice(&target);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_by_the_kernels_names() {
        let process = |pid, tid, name| Some(File::Process { pid, tid, name });
        for (path, want) in [
            ("/proc/cpuinfo", Some(File::Cpuinfo)),
            ("/mnt/p/sys/kernel/arch", Some(File::Arch)),
            ("/proc/12/maps", process(12, None, b"maps".as_slice())),
            ("/proc/12/task/13/status", process(12, Some(13), b"status")),
            ("/proc/12/fdinfo/3", Some(File::Fdinfo)),
            ("/proc/12/task/13/fdinfo/3", Some(File::Fdinfo)),
            ("/proc/sys/kernel/osrelease", None),
            ("/tmp/copy", None),
            ("maps", None),
        ] {
            assert_eq!(File::named(path.as_bytes()), want, "{path}");
        }
    }

    #[test]
    fn opens_that_are_looked_at() {
        for (name, flags, want) in [
            ("cpuinfo", 0, Suspect::Yes),
            ("7", 0, Suspect::Yes),
            ("passwd", 0, Suspect::Across),
            ("passwd", O_RDWR | O_CLOEXEC, Suspect::Across),
            ("passwd", O_CREAT, Suspect::Yes),
            ("passwd", O_CREAT | O_EXCL, Suspect::No),
            ("passwd", O_WRONLY, Suspect::Across),
            ("passwd", O_CREAT | O_WRONLY, Suspect::No),
            ("mem", O_WRONLY, Suspect::Yes),
            ("dir", O_DIRECTORY, Suspect::No),
        ] {
            assert_eq!(suspect(name.as_bytes(), flags), want, "{name} {flags:o}");
        }
    }

    #[test]
    fn stand_ins_are_known_by_their_names() {
        let fd = stand_in(b"/proc/cpuinfo", b"text", O_RDONLY).unwrap();
        assert_eq!(stands_for(fd).unwrap(), b"/proc/cpuinfo");
        let st = fstat(fd).unwrap();
        assert!(maybe_stand_in(st.st_mode, st.st_nlink));
        assert_eq!(original(fd, b"").unwrap(), b"/proc/cpuinfo");
        assert_eq!(refuse_mmap(fd), Err(Errno::EIO));
        close(fd);
        let other = open(b"/proc/self/maps", O_RDONLY).unwrap();
        assert!(stands_for(other).is_none() && is_proc(other, &fstat(other).unwrap()));
        close(other);
    }
}

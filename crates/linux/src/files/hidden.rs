//! The emulator's own descriptor ([`crate::program::own`]) in /proc: natively neither `fd` nor
//! `fdinfo` has an entry for it.
//!
//! What counts is the directory that the kernel finds for a path, and never the path's spelling. In
//! a table of this task the number tells which entry is the emulator's. In one of another process,
//! an entry is its emulator's that leads to the emulator's executable, has a number from
//! [`FD_FROM`] on, and was opened as the emulator does.
//!
//! To look costs a few system calls, so that only names that are numbers are looked at at once. A
//! symbolic link to such a name is followed beforehand by calls that are rare ([`FOLLOW`]). open,
//! stat and their kin look at what they have found ([`is_opened`], [`is_suspect`]). access is not
//! rare, finds nothing that could be looked at, and gives nothing away but that the entry is there:
//! a symbolic link is not followed for it.

use crate::calls::table::{Arg, Row, Sys};
use crate::files::path::{AT_FDCWD, PATH_MAX};
use crate::files::procfile;
use crate::files::procfs::{self, base_name, close, getpid, open, path_of, read_file, with_nul};
use crate::program::own::{self, FD_FROM};
use crate::task::Task;
use alloc::format;
use alloc::vec::Vec;
use anyarch_sys::calls;
use anyarch_sys::raw::general::*;
use anyarch_sys::read_cstr;

/// Calls but open and stat that follow a symbolic link at a path's end.
const FOLLOW: [Sys; 21] = [
    Sys::chdir,
    Sys::chmod,
    Sys::chown,
    Sys::chroot,
    Sys::execve,
    Sys::execveat,
    Sys::fchmodat,
    Sys::fchmodat2,
    Sys::fchownat,
    Sys::getxattr,
    Sys::inotify_add_watch,
    Sys::listxattr,
    Sys::open_tree,
    Sys::removexattr,
    Sys::setxattr,
    Sys::statfs,
    Sys::statfs64,
    Sys::truncate,
    Sys::utime,
    Sys::utimensat,
    Sys::utimes,
];

/// Calls whose handlers look themselves: they are made often.
const HANDLED: [Sys; 10] = [
    Sys::creat,
    Sys::lstat,
    Sys::newfstatat,
    Sys::open,
    Sys::openat,
    Sys::openat2,
    Sys::readlink,
    Sys::readlinkat,
    Sys::stat,
    Sys::statx,
];

/// Whether a call, unless its handler looks, is given a path that ends at an entry of the
/// emulator's descriptor.
pub(crate) fn is_named(task: &Task, sys: Sys, row: &Row, args: &[u64; 6]) -> bool {
    if !own::is_held() || !row.args.iter().any(|arg| arg.is_path()) || HANDLED.contains(&sys) {
        return false;
    }
    row.args.iter().enumerate().any(|(i, arg)| {
        if !arg.is_path() || args[i] == 0 {
            return false;
        }
        // What cannot be read is the kernel's to refuse.
        let Ok(path) = read_cstr(args[i], PATH_MAX) else { return false };
        let dir = match i.checked_sub(1) {
            Some(before) if row.args[before] == Arg::DirFd => args[before] as i32,
            _ => AT_FDCWD,
        };
        is_entry(task, dir, &path) || follows(sys, row, args) && is_behind(task, dir, &path)
    })
}

fn follows(sys: Sys, row: &Row, args: &[u64; 6]) -> bool {
    let flags = |i: usize| args[i] as u32;
    let nofollow = match sys {
        Sys::linkat => return flags(4) & AT_SYMLINK_FOLLOW != 0,
        Sys::fchmodat2 => flags(3) & AT_SYMLINK_NOFOLLOW,
        Sys::open_tree => flags(2) & AT_SYMLINK_NOFOLLOW,
        Sys::execveat => flags(4) & AT_SYMLINK_NOFOLLOW,
        Sys::inotify_add_watch => flags(2) & IN_DONT_FOLLOW,
        _ => match row.args.iter().position(|arg| *arg == Arg::AtFlags) {
            Some(i) => flags(i) & AT_SYMLINK_NOFOLLOW,
            None => 0,
        },
    };
    nofollow == 0 && FOLLOW.contains(&sys)
}

/// linux/inotify.h
const IN_DONT_FOLLOW: u32 = 0x0200_0000;

/// Whether a file of this mode and size, which is not the emulator's executable, may be such an
/// entry: a link to an O_PATH descriptor has no permissions (fs/proc/fd.c), unlike all others.
pub(crate) fn is_suspect(mode: u32, size: u64) -> bool {
    own::is_held() && (mode == S_IFLNK || mode == S_IFREG | 0o444 && size == 0)
}

/// Whether (`dir`, `path`), or a symbolic link that it ends with, is an entry of the emulator's
/// descriptor.
pub(crate) fn is_behind(task: &Task, dir: i32, path: &[u8]) -> bool {
    own::is_held()
        && procfile::link_on_the_way(dir, path, |dir, path| is_entry(task, dir, path).then_some(())).is_some()
}

/// Whether an open of (`dir`, `path`) that gave `fd` went through such an entry.
pub(crate) fn is_opened(task: &Task, dir: i32, path: &[u8], flags: u32, fd: i32) -> bool {
    if !own::is_held() || flags & O_NOFOLLOW != 0 {
        return false;
    }
    procfile::fstat(fd).is_some_and(|st| {
        let found = procfile::is_emulator(st.st_mode, st.st_dev, st.st_ino)
            || is_suspect(st.st_mode, st.st_size as u64);
        found && is_behind(task, dir, path)
    })
}

/// Whether `fd` of a process is its emulator's descriptor.
pub(crate) fn is_of(task: &Task, pid: i32, fd: i32) -> bool {
    is_entry(task, AT_FDCWD, format!("/proc/{pid}/fd/{fd}").as_bytes())
}

/// The process that a pidfd is about.
pub(crate) fn process_of(pidfd: i32) -> Option<i32> {
    field(&read_file(format!("/proc/thread-self/fdinfo/{pidfd}").as_bytes())?, b"Pid:", 10)
}

/// A number in a file of `fdinfo`.
fn field(text: &[u8], name: &[u8], radix: u32) -> Option<i32> {
    let line = text.split(|&b| b == b'\n').find_map(|line| line.strip_prefix(name))?;
    i32::from_str_radix(core::str::from_utf8(line).ok()?.trim(), radix).ok()
}

/// Whether (`dir`, `path`) itself is an entry of the emulator's descriptor.
pub(crate) fn is_entry(task: &Task, dir: i32, path: &[u8]) -> bool {
    let end = path.iter().rposition(|&b| b != b'/').map_or(0, |last| last + 1);
    let name = base_name(&path[..end]);
    // In a table of this task there is one number.
    let Some(own) = own::hidden_fd(task) else { return false };
    if !number(name).is_some_and(|n| n == own || n >= FD_FROM) {
        return false;
    }
    let parent = match &path[..end - name.len()] {
        b"" => b".".as_slice(),
        parent => parent,
    };
    let parent = with_nul(parent);
    let flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
    let open = || calls::open_at(dir, &parent, flags, 0);
    let Ok(fd) = own::with_room(open) else { return false };
    let hides = Table::listed_by(task, fd).is_some_and(|table| table.hides(name));
    close(fd);
    hides
}

/// The number that a name in /proc is (name_to_int in fs/proc/util.c).
fn number(name: &[u8]) -> Option<i32> {
    let digits = name.iter().all(u8::is_ascii_digit) && (name.len() == 1 || name.first() != Some(&b'0'));
    procfile::number(digits.then_some(name))
}

/// The table of descriptors that a directory of procfs lists.
pub(crate) struct Table {
    /// The emulator's descriptor in this task's table.
    own: i32,
    /// The open directory.
    dir: i32,
    whose: Whose,
}

enum Whose {
    /// This task's.
    Own,
    /// Of the task with this directory in /proc.
    Other(Vec<u8>),
    /// The directory is mounted somewhere else, and its path does not tell.
    Mounted,
}

impl Table {
    /// Of an open directory; `None`: it is none of procfs, or there is nothing to hide.
    pub(crate) fn listed_by(task: &Task, dir: i32) -> Option<Table> {
        let own = own::hidden_fd(task)?;
        if !procfile::is_on_proc(dir) {
            return None;
        }
        let path = path_of(dir)?;
        let mut parts = path.rsplit(|&b| b == b'/');
        let last = parts.next()?;
        let id = number(parts.next().unwrap_or_default());
        let of = &path[..path.len() - last.len()];
        let whose = match (last, id) {
            (b"fd" | b"fdinfo", Some(id)) => {
                let process = match parts.next() {
                    Some(b"task") => number(parts.next().unwrap_or_default()),
                    _ => Some(id),
                };
                // A process's directory shows its first thread's table.
                let same = process == Some(getpid()) && (process == Some(id) || id == task.tid());
                if same { Whose::Own } else { Whose::Other(of.to_vec()) }
            }
            _ => Whose::Mounted,
        };
        Some(Table { own, dir, whose })
    }

    /// Whether an entry is the emulator's descriptor.
    pub(crate) fn hides(&self, name: &[u8]) -> bool {
        let Some(fd) = number(name) else { return false };
        match &self.whose {
            Whose::Own => fd == self.own,
            Whose::Other(of) => {
                let entry = |folder: &str| [of, folder.as_bytes(), b"/", name].concat();
                fd >= FD_FROM
                    && leads_to_emulator(AT_FDCWD, &entry("fd"))
                    && read_file(&entry("fdinfo")).is_some_and(|text| is_opened_as_own(&text))
            }
            Whose::Mounted => {
                let info = || self.content(name).is_some_and(|text| is_opened_as_own(&text));
                fd == self.own && (leads_to_emulator(self.dir, name) || info())
            }
        }
    }

    /// A file of the directory, where it has one of that name.
    fn content(&self, name: &[u8]) -> Option<Vec<u8>> {
        let path = [path_of(self.dir)?.as_slice(), b"/", name].concat();
        let fd = open(&path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW).ok()?;
        let file = procfile::fstat(fd).is_some_and(|st| procfile::is_proc(fd, &st));
        let text = if file { procfs::read_all(fd).ok() } else { None };
        close(fd);
        text
    }
}

fn leads_to_emulator(dir: i32, path: &[u8]) -> bool {
    procfile::stat_at(dir, &with_nul(path))
        .is_some_and(|st| procfile::is_emulator(st.st_mode, st.st_dev, st.st_ino))
}

/// By a descriptor's text in `fdinfo`.
fn is_opened_as_own(text: &[u8]) -> bool {
    let flags = O_PATH | O_CLOEXEC;
    field(text, b"flags:", 8).is_some_and(|found| found as u32 & flags == flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_fields() {
        for (name, want) in [("200", Some(200)), ("0", Some(0)), ("0200", None), ("+1", None), ("", None)] {
            assert_eq!(number(name.as_bytes()), want, "{name}");
        }
        let text = b"pos:\t0\nflags:\t012000000\nPid:\t12\n";
        assert_eq!(field(text, b"Pid:", 10), Some(12));
        assert!(is_opened_as_own(text) && !is_opened_as_own(b"flags:\t02000000\n"));
        assert!(!is_opened_as_own(b""));
    }
}

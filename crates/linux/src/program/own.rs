//! The emulator's own executable as an open file: direct exec ([`crate::program::exec`]) starts it
//! anew, and it may be out of reach by any path (in a chroot, without /proc).
//!
//! The descriptor is not the guest's, which must find its number closed: calls that are given it
//! fail with EBADF ([`is_given`]), calls that close or replace descriptors spare it ([`hidden_fd`],
//! [`vacate_fd`]), and /proc has no entry for it ([`crate::files::hidden`]). It is an O_PATH
//! descriptor, so that most calls say EBADF by themselves. Its number belongs to a table of
//! descriptors and not to memory: a vfork child shares its parent's memory, has a table of its own,
//! and may move it there ([`Own`]).

use crate::calls::table::{Arg, Row, Sys};
use crate::files::{hidden, procfile};
use crate::memory::space;
use crate::task::Task;
use alloc::sync::Arc;
use anyarch_sys::calls;
use anyarch_sys::raw::general::*;
use anyarch_sys::{Errno, read};
use core::ffi::{CStr, c_char};
use core::sync::atomic::{AtomicI32, Ordering};

/// Our descriptors get numbers from here on, out of the way of programs that count on low numbers.
pub(crate) const FD_FROM: i32 = 200;

/// The number behind those of the standard streams.
const FIRST_OTHER: i32 = 3;

/// The executable's name where there is /proc.
pub(crate) const PATH: &CStr = c"/proc/self/exe";

/// Number of the descriptor in a table of descriptors, or -1. Tasks that share the table share
/// this.
#[derive(Clone)]
pub struct Own(Arc<AtomicI32>);

/// The number at the program's start.
static FIRST: AtomicI32 = AtomicI32::new(-1);

impl Own {
    /// For the first task.
    pub fn first() -> Own {
        Own(Arc::new(AtomicI32::new(FIRST.load(Ordering::Relaxed))))
    }

    /// For a task with a copy of the table.
    pub fn copy(&self) -> Own {
        Own(Arc::new(AtomicI32::new(self.0.load(Ordering::Relaxed))))
    }
}

/// The descriptor that belongs to the emulator, if any.
pub(crate) fn hidden_fd(task: &Task) -> Option<i32> {
    let fd = task.own.0.load(Ordering::Relaxed);
    (fd >= 0).then_some(fd)
}

/// Called before a call that puts a descriptor at the number `fd` (dup2, dup3): moves ours out of
/// the way.
pub(crate) fn vacate_fd(task: &Task, fd: i32) {
    if hidden_fd(task) != Some(fd) {
        return;
    }
    // Numbers above may be beyond RLIMIT_NOFILE; low ones are what programs count on.
    let places = [fd + 1, FD_FROM, FIRST_OTHER];
    let moved = places.into_iter().map(|from| move_up(fd, from)).find(|&new| new != fd);
    if moved.is_none() {
        close(fd);
    }
    task.own.0.store(moved.unwrap_or(-1), Ordering::Relaxed);
}

/// Closes the descriptor, so that its number is free for an execve that finds no other; whether it
/// could be, and can be had again ([`take_back`]).
pub(crate) fn lend(task: &Task) -> bool {
    let reachable = calls::access(PATH.to_bytes_with_nul(), X_OK).is_ok();
    match hidden_fd(task) {
        Some(fd) if reachable => {
            task.own.0.store(-1, Ordering::Relaxed);
            close(fd);
            true
        }
        _ => false,
    }
}

/// Opens the descriptor again if it was `lent`.
pub(crate) fn take_back(task: &Task, lent: bool) {
    if lent {
        let fd = open_own(0).map_or(-1, |fd| move_up(fd, FD_FROM));
        task.own.0.store(fd, Ordering::Relaxed);
    }
}

/// Whether direct exec has been turned on.
pub(crate) fn is_held() -> bool {
    FIRST.load(Ordering::Relaxed) >= 0
}

/// Whether [`is_given`] or [`after`] has to look at a call: it closes descriptors, takes an O_PATH
/// descriptor of a file, or fails then with something else than EBADF; it takes a path; or it gives
/// the task a table of descriptors of its own.
pub(crate) const fn is_asked(sys: Sys, row: &Row) -> bool {
    const CALLS: [Sys; 11] = [
        Sys::close,
        Sys::dup,
        Sys::fchdir,
        Sys::fstatfs,
        Sys::kcmp,
        Sys::landlock_add_rule,
        Sys::pidfd_getfd,
        Sys::select,
        Sys::sendmsg,
        Sys::sendmmsg,
        Sys::unshare,
    ];
    let mut i = 0;
    while i < CALLS.len() {
        if CALLS[i].0 == sys.0 {
            return true;
        }
        i += 1;
    }
    let mut i = 0;
    while i < row.args.len() {
        if matches!(row.args[i], Arg::DirFd) || row.args[i].is_path() {
            return true;
        }
        i += 1;
    }
    false
}

/// Called after a call has succeeded: from now on the task may have a table of descriptors of its
/// own.
pub fn after(task: &mut Task, sys: Sys, args: &[u64; 6]) {
    if sys == Sys::unshare && args[0] & CLONE_FILES as u64 != 0 {
        task.own = task.own.copy();
    }
}

/// Whether a call is given the emulator's descriptor, also within a message (SCM_RIGHTS).
pub(crate) fn is_given(task: &Task, sys: Sys, row: &Row, args: &[u64; 6]) -> bool {
    /// sizeof(struct mmsghdr)
    const MMSGHDR: u64 = 64;
    /// The kernel sends so many messages at most (UIO_MAXIOV).
    const MESSAGES_MAX: u64 = 1024;
    /// linux/kcmp.h and linux/landlock.h.
    const KCMP_FILE: u64 = 0;
    const LANDLOCK_RULE_PATH_BENEATH: u64 = 1;
    let Some(own) = hidden_fd(task) else { return false };
    match sys {
        Sys::select | Sys::pselect6 => args[1..4].iter().any(|&set| is_in_set(args[0] as i32, set, own)),
        Sys::kcmp if args[2] as i32 as u64 == KCMP_FILE => {
            [0, 1].into_iter().any(|i| hidden::is_of(task, args[i] as i32, args[3 + i] as i32))
        }
        Sys::pidfd_getfd => {
            args[0] as i32 == own
                || hidden::process_of(args[0] as i32)
                    .is_some_and(|pid| hidden::is_of(task, pid, args[1] as i32))
        }
        // struct landlock_path_beneath_attr is packed: eight bytes of rights, then the descriptor.
        Sys::landlock_add_rule => {
            args[0] as i32 == own
                || args[1] as u32 as u64 == LANDLOCK_RULE_PATH_BENEATH
                    && read::<i32>(args[2].wrapping_add(8)) == Ok(own)
        }
        // The number to replace may be ours. Twice the same is wrong for dup3 before it is closed.
        Sys::dup2 => args[0] as i32 == own,
        Sys::dup3 => args[0] as i32 == own && args[1] as i32 != own,
        // A range begins where nothing need be open.
        Sys::close_range => false,
        Sys::sendmsg => args[0] as i32 == own || is_sent(args[1], own),
        Sys::sendmmsg => {
            let count = (args[2] as u32 as u64).min(MESSAGES_MAX);
            args[0] as i32 == own || (0..count).any(|i| is_sent(args[1].wrapping_add(i * MMSGHDR), own))
        }
        _ => {
            let path = |i: usize| row.args.get(i).is_some_and(|arg| arg.is_path());
            // An absolute path does without the directory, unless openat2 is to take that for the
            // root.
            let absolute = |i: usize| path(i) && sys != Sys::openat2 && read::<u8>(args[i]) == Ok(b'/');
            row.args.iter().zip(args).enumerate().any(|(i, (arg, &v))| {
                v as i32 == own && (*arg == Arg::Fd || *arg == Arg::DirFd && !absolute(i + 1))
            })
        }
    }
}

/// Whether a descriptor below `count` is in the `fd_set` at a guest address.
fn is_in_set(count: i32, set: u64, fd: i32) -> bool {
    let word = || read::<u64>(set.wrapping_add(fd as u64 / 64 * 8));
    set != 0 && fd < count && word().is_ok_and(|word| word >> (fd % 64) & 1 != 0)
}

/// Whether the control data of a `struct msghdr` holds the descriptor. What cannot be read is the
/// kernel's to refuse.
fn is_sent(msghdr: u64, own: i32) -> bool {
    const SOL_SOCKET: u64 = 1;
    const SCM_RIGHTS: u64 = 1;
    /// More control data than the kernel takes (net.core.optmem_max is 128 KiB by default).
    const CONTROL_MAX: u64 = 1 << 20;
    /// sizeof(struct cmsghdr)
    const HEAD: u64 = 16;
    let Ok([control, size]) = read::<[u64; 2]>(msghdr.wrapping_add(32)) else { return false };
    let mut at = 0;
    while at + HEAD <= size.min(CONTROL_MAX) {
        let Ok([len, kind]) = read::<[u64; 2]>(control.wrapping_add(at)) else { return false };
        if len < HEAD || len > size - at {
            return false;
        }
        if kind == SCM_RIGHTS << 32 | SOL_SOCKET {
            let fds = (at + HEAD..at + len - len % 4).step_by(4);
            if fds.into_iter().any(|fd| read::<i32>(control.wrapping_add(fd)) == Ok(own)) {
                return true;
            }
        }
        at += len.next_multiple_of(8);
    }
    false
}

pub(crate) use anyarch_sys::calls::close;

/// Moves a descriptor of ours to a number from `from` on, or as high as it goes; returns the new
/// number.
fn move_up(fd: i32, from: i32) -> i32 {
    match with_room(|| calls::duplicate(fd, from)) {
        Ok(new) => {
            close(fd);
            new
        }
        // RLIMIT_NOFILE is lower than that: it stays where it is.
        Err(_) => fd,
    }
}

/// Makes a call that needs a free number for a descriptor. The kernel's execve needs none, so where
/// all are in use the soft limit is raised for the moment, as everybody may up to the hard one, and
/// root beyond it.
///
/// # Errors
/// The call's.
pub(crate) fn with_room<T>(call: impl Fn() -> Result<T, Errno>) -> Result<T, Errno> {
    const RLIMIT_NOFILE: u32 = 7;
    const MORE: u64 = 16;
    let result = call();
    if !matches!(result, Err(Errno::EMFILE)) {
        return result;
    }
    let Ok(limit) = calls::resource_limit(RLIMIT_NOFILE) else { return result };
    let more = limit[0].saturating_add(MORE);
    let raise = |raised: [u64; 2]| calls::set_resource_limit(RLIMIT_NOFILE, raised).is_ok();
    if !raise([more, limit[1].max(more)]) && !raise([more.min(limit[1]), limit[1]]) {
        return result;
    }
    let result = call();
    // Where it cannot be put back it stays higher, which harms nothing.
    let _ = calls::set_resource_limit(RLIMIT_NOFILE, limit);
    result
}

/// Turns direct exec on: the emulator was not started by the kernel as an interpreter. `inherited`
/// is the descriptor of its executable if it is already known; `exec_fn` the address of AT_EXECFN's
/// string, where it is without /proc.
pub fn enable_direct(inherited: Option<i32>, exec_fn: u64) {
    let fd = match inherited {
        Some(fd) => {
            set_cloexec(fd, true);
            Some(fd)
        }
        None => open_own(exec_fn).map(|fd| move_up(fd, FD_FROM)),
    };
    FIRST.store(fd.unwrap_or(-1), Ordering::Relaxed);
}

/// Opens the emulator's own executable.
fn open_own(exec_fn: u64) -> Option<i32> {
    let at = AT_FDCWD;
    let flags = O_PATH | O_CLOEXEC;
    if let Ok(fd) = with_room(|| calls::open_at(at, PATH.to_bytes_with_nul(), flags, 0)) {
        return Some(fd);
    }
    if exec_fn == 0 {
        return None;
    }
    // SAFETY: the kernel's string, which stays.
    let name = unsafe { CStr::from_ptr(exec_fn as *const c_char) }.to_bytes_with_nul();
    let fd = with_room(|| calls::open_at(at, name, O_RDONLY | O_CLOEXEC, 0)).ok()?;
    // The path could lead elsewhere by now: the file must begin like the image in memory, build id
    // included.
    let mut head = [0u8; 640];
    let is_whole = calls::read_at(fd, &mut head, 0) == Ok(head.len());
    // SAFETY: the image's first page is mapped at its fixed address.
    let same =
        is_whole && unsafe { core::slice::from_raw_parts(space::EMU_START as *const u8, head.len()) == head };
    let named = || calls::open_at(at, name, flags, 0);
    let own = if same { with_room(named).ok() } else { None };
    let file = |fd: i32| procfile::fstat(fd).map(|st| (st.st_dev, st.st_ino));
    let own = own.filter(|&own| {
        let same = file(own) == file(fd);
        if !same {
            close(own);
        }
        same
    });
    close(fd);
    own
}

pub(crate) fn set_cloexec(fd: i32, on: bool) {
    // It is a descriptor of ours, or one that the guest executes, and open.
    let _ = calls::set_closes_on_exec(fd, on);
}

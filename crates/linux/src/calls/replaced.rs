//! Calls that the host's kernel lacks because a newer one does more: each made as that one.
//!
//! Architectures of the last years have only the newer calls. A guest of an older one asks for
//! both, and on a host of a newer one ([`Row::host`](super::table::Row::host) is `None`) the older
//! ones come here, with the host's layouts and after all checks of their rows. A host that has them
//! never does.

use super::dispatch::host_call;
use super::table::Sys;
use crate::task::Task;
use anyarch_sys::raw::general::{
    __NR_epoll_create1, __NR_eventfd2, __NR_faccessat, __NR_fchmodat, __NR_fchownat, __NR_getpgid,
    __NR_inotify_init1, __NR_linkat, __NR_mkdirat, __NR_mknodat, __NR_pipe2, __NR_ppoll, __NR_pselect6,
    __NR_renameat2, __NR_signalfd4, __NR_symlinkat, __NR_unlinkat, __NR_utimensat, AT_FDCWD, AT_REMOVEDIR,
    AT_SYMLINK_NOFOLLOW,
};
use anyarch_sys::{Errno, SysResult, args6, read, write};

/// The folder that older calls begin at.
const HERE: u64 = AT_FDCWD as i64 as u64;

/// Makes a call that the host lacks.
///
/// # Errors
/// Those of the call; `ENOSYS` where no newer one does the same (ustat, sysfs, and what is not
/// Linux's any more).
pub(crate) fn host(task: &Task, sys: Sys, args: &[u64; 6]) -> SysResult {
    let &[a, b, c, ..] = args;
    let call = |number: u32, args: &[u64]| host_call(task, number, &args6(args));
    match sys {
        Sys::access => call(__NR_faccessat, &[HERE, a, b]),
        Sys::chmod => call(__NR_fchmodat, &[HERE, a, b]),
        Sys::chown => call(__NR_fchownat, &[HERE, a, b, c, 0]),
        Sys::lchown => call(__NR_fchownat, &[HERE, a, b, c, AT_SYMLINK_NOFOLLOW as u64]),
        Sys::link => call(__NR_linkat, &[HERE, a, HERE, b, 0]),
        Sys::mkdir => call(__NR_mkdirat, &[HERE, a, b]),
        Sys::mknod => call(__NR_mknodat, &[HERE, a, b, c]),
        Sys::rename => call(__NR_renameat2, &[HERE, a, HERE, b, 0]),
        Sys::rmdir => call(__NR_unlinkat, &[HERE, a, AT_REMOVEDIR as u64]),
        Sys::symlink => call(__NR_symlinkat, &[a, HERE, b]),
        Sys::unlink => call(__NR_unlinkat, &[HERE, a, 0]),
        Sys::utimes => utimes(task, HERE, a, b),
        Sys::futimesat => utimes(task, a, b, c),
        Sys::pipe => call(__NR_pipe2, &[a, 0]),
        Sys::eventfd => call(__NR_eventfd2, &[a, 0]),
        Sys::inotify_init => call(__NR_inotify_init1, &[0]),
        Sys::signalfd => call(__NR_signalfd4, &[a, b, c, 0]),
        Sys::epoll_create if a as i32 <= 0 => Err(Errno::EINVAL),
        Sys::epoll_create => call(__NR_epoll_create1, &[0]),
        Sys::getpgrp => call(__NR_getpgid, &[0]),
        // Nothing to wait for but a signal.
        Sys::pause => call(__NR_ppoll, &[0, 0, 0, 0]),
        Sys::poll => poll(task, a, b, c as i32),
        Sys::select => select(task, args),
        _ => Err(Errno::ENOSYS),
    }
}

/// poll(2): a time in milliseconds, without end if it is negative.
fn poll(task: &Task, descriptors: u64, count: u64, milliseconds: i32) -> SysResult {
    let time = u64::try_from(milliseconds).ok().map(|ms| [ms / 1000, ms % 1000 * 1_000_000]);
    let time = time.as_ref().map_or(0, |time| time.as_ptr() as u64);
    host_call(task, __NR_ppoll, &args6(&[descriptors, count, time, 0]))
}

/// select(2): the time is in microseconds, of which there may be more than a second, and what is
/// left of it is told.
fn select(task: &Task, args: &[u64; 6]) -> SysResult {
    let &[count, read_from, write_to, exceptions, at, _] = args;
    if at == 0 {
        return host_call(task, __NR_pselect6, &args6(&args[..5]));
    }
    let [seconds, micros]: [i64; 2] = read(at)?;
    let mut time = [seconds.saturating_add(micros / 1_000_000), micros % 1_000_000 * 1000];
    if time.iter().any(|&part| part < 0) {
        return Err(Errno::EINVAL);
    }
    let given = time.as_mut_ptr() as u64;
    let result = host_call(task, __NR_pselect6, &args6(&[count, read_from, write_to, exceptions, given]));
    // As the kernel, which then has done its work.
    let _ = write(at, &[time[0], time[1] / 1000]);
    result
}

/// utimes(2) and futimesat(2): times in microseconds, or none for now.
fn utimes(task: &Task, folder: u64, path: u64, at: u64) -> SysResult {
    let mut times = [0u64; 4];
    let mut given = 0;
    if at != 0 {
        let theirs: [u64; 4] = read(at)?;
        for (own, their) in times.chunks_exact_mut(2).zip(theirs.chunks_exact(2)) {
            if their[1] >= 1_000_000 {
                return Err(Errno::EINVAL);
            }
            own.copy_from_slice(&[their[0], their[1] * 1000]);
        }
        given = times.as_ptr() as u64;
    }
    host_call(task, __NR_utimensat, &args6(&[folder, path, given, 0]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::player;
    use std::ffi::CString;
    use std::os::unix::fs::MetadataExt;
    use std::string::{String, ToString};
    use std::vec::Vec;

    /// What calls did in a folder: their results, and what they left.
    fn play(folder: &std::path::Path, call: &mut dyn FnMut(Sys, &[u64]) -> SysResult) -> Vec<String> {
        std::fs::create_dir(folder).unwrap();
        let path = |name: &str| CString::new(std::format!("{}/{name}", folder.display())).unwrap();
        let [dir, file, link, hard, soft, fifo, none] =
            ["dir", "file", "link", "hard", "soft", "fifo", "none/x"].map(path);
        std::fs::write(folder.join("file"), "text").unwrap();
        let at = |path: &CString| path.as_ptr() as u64;
        let mut told = Vec::new();
        let mut tell = |call: &mut dyn FnMut(Sys, &[u64]) -> SysResult, sys: Sys, args: &[u64]| {
            let result = call(sys, args);
            told.push(std::format!("{} {result:?}", sys.row().name));
            result
        };
        tell(call, Sys::mkdir, &[at(&dir), 0o705]).unwrap();
        tell(call, Sys::mkdir, &[at(&dir), 0o705]).unwrap_err();
        tell(call, Sys::mkdir, &[at(&none), 0o705]).unwrap_err();
        tell(call, Sys::link, &[at(&file), at(&hard)]).unwrap();
        tell(call, Sys::symlink, &[at(&none), at(&soft)]).unwrap();
        tell(call, Sys::symlink, &[at(&file), at(&link)]).unwrap();
        tell(call, Sys::mknod, &[at(&fifo), 0o10604, 0]).unwrap();
        tell(call, Sys::access, &[at(&link), 6]).unwrap();
        tell(call, Sys::access, &[at(&soft), 0]).unwrap_err();
        tell(call, Sys::chmod, &[at(&link), 0o640]).unwrap();
        let ids = u32::MAX as u64;
        tell(call, Sys::chown, &[at(&link), ids, ids]).unwrap();
        tell(call, Sys::chown, &[at(&soft), ids, ids]).unwrap_err();
        tell(call, Sys::lchown, &[at(&soft), ids, ids]).unwrap();
        let times = |second: u64| [1_000_000_000u64, 123_456, 1_500_000_000, second];
        tell(call, Sys::utimes, &[at(&link), times(999_999).as_ptr() as u64]).unwrap();
        tell(call, Sys::utimes, &[at(&link), times(1_000_000).as_ptr() as u64]).unwrap_err();
        tell(call, Sys::futimesat, &[HERE, at(&dir), times(7).as_ptr() as u64]).unwrap();
        tell(call, Sys::futimesat, &[HERE, at(&none), 0]).unwrap_err();
        for name in ["file", "hard", "fifo", "dir"] {
            let m = std::fs::metadata(folder.join(name)).unwrap();
            let times = (m.atime(), m.atime_nsec(), m.mtime(), m.mtime_nsec());
            let times = if name == "fifo" { None } else { Some(times) };
            told.push(std::format!("{name} {:o} {} {times:?}", m.mode(), m.nlink()));
        }
        let mut tell = |sys: Sys, args: &[u64]| told.push(std::format!("{:?}", call(sys, args)));
        tell(Sys::rename, &[at(&hard), at(&fifo)]);
        tell(Sys::rename, &[at(&dir), at(&fifo)]);
        tell(Sys::unlink, &[at(&dir)]);
        tell(Sys::rmdir, &[at(&fifo)]);
        tell(Sys::rmdir, &[at(&dir)]);
        tell(Sys::unlink, &[at(&soft)]);
        let mut left: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        told.push(std::format!("{left:?}"));
        told.push(std::format!("{:?}", call(Sys::getpgrp, &[])));
        told.push(std::format!("{:?}", call(Sys::epoll_create, &[0])));
        told
    }

    /// The same of descriptors: whether they are as they are to be.
    fn descriptors(call: &mut dyn FnMut(Sys, &[u64]) -> SysResult) -> Vec<String> {
        let mut told = Vec::new();
        let mut ends = [-1i32; 2];
        told.push(std::format!("{:?}", call(Sys::pipe, &[ends.as_mut_ptr() as u64])));
        let mask = 1u64 << 9;
        let created = [
            call(Sys::eventfd, &[5]),
            call(Sys::inotify_init, &[]),
            call(Sys::signalfd, &[u64::MAX, &raw const mask as u64, 8]),
            call(Sys::epoll_create, &[1]),
        ];
        for fd in created.map(Result::unwrap).into_iter().chain(ends.map(|fd| fd as u64)) {
            let info = std::fs::read_to_string(std::format!("/proc/self/fdinfo/{fd}")).unwrap();
            let link = std::fs::read_link(std::format!("/proc/self/fd/{fd}")).unwrap();
            let kind = link.to_string_lossy().split(':').next().unwrap_or("").to_string();
            told.push(std::format!("{kind} {:?}", info.lines().nth(1)));
        }
        // POLLIN for an end of a pipe that has nothing, POLLOUT for the other.
        let mut polled = [[ends[0], 1], [ends[1], 4]];
        let poll =
            |polled: &mut [[i32; 2]; 2], call: &mut dyn FnMut(Sys, &[u64]) -> SysResult, n, ms: i32| {
                let result = call(Sys::poll, &[polled.as_mut_ptr() as u64, n, ms as u64]);
                std::format!("{result:?} {:?}", polled.map(|p| p[1] >> 16))
            };
        for (count, milliseconds) in [(2, -1), (2, 0), (1, 0), (1, 30), (1 << 40, 0)] {
            let begin = std::time::Instant::now();
            told.push(poll(&mut polled, call, count, milliseconds));
            assert!(begin.elapsed().as_millis() as i32 >= milliseconds || count == 2);
        }
        let mut select = |time: Option<[i64; 2]>, readable: bool| {
            let mut set = [0u64; 16];
            let fd = ends[if readable { 0 } else { 1 }] as usize;
            set[fd / 64] |= 1 << (fd % 64);
            let at = set.as_mut_ptr() as u64;
            let sets = if readable { [at, 0] } else { [0, at] };
            let mut left = time.unwrap_or_default();
            let time = if time.is_some() { left.as_mut_ptr() as u64 } else { 0 };
            let result = call(Sys::select, &[fd as u64 + 1, sets[0], sets[1], 0, time]);
            told.push(std::format!("{result:?} {} {}", set[fd / 64] >> (fd % 64), left[0]));
        };
        select(None, false);
        select(Some([0, 0]), true);
        select(Some([0, 20_000]), true);
        select(Some([100, 3_900_000]), false);
        select(Some([-1, 0]), true);
        select(Some([0, -1]), true);
        for fd in ends {
            assert!(anyarch_sys::calls::is_open(fd));
            anyarch_sys::calls::close(fd);
        }
        told
    }

    #[test]
    fn newer_calls_do_what_the_older_ones_did() {
        if Sys::mkdir.row().host().is_none() {
            // Nothing to compare with on such a host.
            return;
        }
        let task = player::task();
        let mut older =
            |sys: Sys, args: &[u64]| host_call(&task, sys.row().host().unwrap() as u32, &args6(args));
        let mut newer = |sys: Sys, args: &[u64]| host(&task, sys, &args6(args));
        let folder = std::env::temp_dir().join(std::format!("anyarch-replaced-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        assert_eq!(play(&folder.join("o"), &mut older), play(&folder.join("n"), &mut newer));
        assert_eq!(descriptors(&mut older), descriptors(&mut newer));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

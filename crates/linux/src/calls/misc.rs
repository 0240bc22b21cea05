//! The machine's name, its processors, and locked memory.

use crate::calls::dispatch::host_call;
use crate::config;
use crate::task::Task;
use alloc::vec::Vec;
use anyarch_sys::raw::general::{
    __NR_close, __NR_mlockall, __NR_openat, __NR_read, __NR_sched_getaffinity, __NR_uname, AT_FDCWD,
    O_CLOEXEC, O_RDONLY,
};
use anyarch_sys::{SysResult, args6, syscall, write_bytes};

/// Length of a field of `struct new_utsname`.
const UTS_FIELD: usize = 65;

/// uname(2): the host's, with the guest's machine.
///
/// # Errors
/// `EFAULT`.
pub fn uname(task: &mut Task, args: [u64; 6]) -> SysResult {
    // sysname, nodename, release, version, machine, domainname
    let mut uts = [[0u8; UTS_FIELD]; 6];
    // SAFETY: the buffer has the structure's size.
    unsafe { syscall!(__NR_uname, uts.as_mut_ptr())? };
    let mut set = |field: usize, text: &[u8]| {
        let n = text.len().min(UTS_FIELD - 1);
        uts[field] = [0; UTS_FIELD];
        uts[field][..n].copy_from_slice(&text[..n]);
    };
    set(4, task.abi.machine().as_bytes());
    if let Some(release) = &config::get().release {
        set(2, release);
    }
    write_bytes(args[0], uts.as_flattened())?;
    Ok(0)
}

/// The processors that are online, as a set of the size that the kernel's have.
pub fn online_cpus() -> Vec<u8> {
    let mut set = alloc::vec![0u8; 8192];
    // SAFETY: the kernel fills our buffer, and tells how much of it.
    let size = unsafe { syscall!(__NR_sched_getaffinity, 0, set.len(), set.as_mut_ptr()) }.unwrap_or(8);
    set.truncate(size as usize);
    let mut text = [0u8; 4096];
    let path = c"/sys/devices/system/cpu/online".as_ptr();
    // SAFETY: a NUL-terminated path, a buffer of ours and a descriptor of ours.
    let read = unsafe {
        syscall!(__NR_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0).and_then(|fd| {
            let n = syscall!(__NR_read, fd, text.as_mut_ptr(), text.len());
            let _ = syscall!(__NR_close, fd);
            n
        })
    };
    // Without /sys there are at least those on which we may run.
    if let Ok(n) = read {
        add_ranges(&mut set, &text[..n as usize]);
    }
    set
}

/// Adds what a list such as `0-3,7` names.
fn add_ranges(set: &mut [u8], list: &[u8]) {
    for range in list.trim_ascii().split(|&b| b == b',') {
        let number = |digits: &[u8]| core::str::from_utf8(digits).ok()?.parse::<usize>().ok();
        let mut ends = range.split(|&b| b == b'-');
        let Some(first) = ends.next().and_then(number) else { continue };
        let last = ends.next().and_then(number).unwrap_or(first).min((8 * set.len()).saturating_sub(1));
        for n in first..=last {
            set[n / 8] |= 1 << (n % 8);
        }
    }
}

/// mlockall(2): pages are locked as they are touched, since the emulator's own memory is mostly reserved and not used.
///
/// # Errors
/// Any errno of mlockall.
pub fn mlockall(task: &mut Task, args: [u64; 6]) -> SysResult {
    const MCL_CURRENT: u64 = 1;
    const MCL_FUTURE: u64 = 2;
    const MCL_ONFAULT: u64 = 4;
    let onfault = if args[0] & (MCL_CURRENT | MCL_FUTURE) != 0 { MCL_ONFAULT } else { 0 };
    host_call(task, __NR_mlockall, &args6(&[args[0] | onfault]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_processors() {
        for (list, want) in [
            ("0-3,7\n", [0x8f, 0]),
            ("0\n", [1, 0]),
            ("", [0, 0]),
            ("8-99999", [0, 0xff]),
            ("99,x,1", [2, 0]),
        ] {
            let mut set = [0; 2];
            add_ranges(&mut set, list.as_bytes());
            assert_eq!(set, want, "{list:?}");
        }
        let set = online_cpus();
        assert!(set.len() % 8 == 0 && set.iter().any(|b| *b != 0));
    }
}

//! The machine's name, its processors, and locked memory.

use crate::calls::dispatch::host_call;
use crate::config;
use crate::structure::{call::filled_by, rows};
use crate::task::Task;
use alloc::vec::Vec;
use anyarch_sys::calls::{self, Fd};
use anyarch_sys::raw::general::{__NR_mlockall, __NR_sysinfo, O_RDONLY};
use anyarch_sys::{SysResult, args6, write_bytes};

/// Length of a field of `struct new_utsname`.
const UTS_FIELD: usize = 65;

/// uname(2): the host's, with the guest's machine.
///
/// # Errors
/// `EFAULT`.
pub fn uname(task: &mut Task, args: [u64; 6]) -> SysResult {
    let mut uts = calls::uname()?;
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
    let size = calls::sched_getaffinity(&mut set).unwrap_or(8);
    set.truncate(size);
    let mut text = [0u8; 4096];
    let online = Fd::open(b"/sys/devices/system/cpu/online\0", O_RDONLY, 0);
    // Without /sys there are at least those on which we may run.
    if let Ok(n) = online.and_then(|fd| fd.read(&mut text)) {
        add_ranges(&mut set, &text[..n]);
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

/// sysinfo(2) of a guest whose structure differs: what a 32-bit guest's members cannot hold is told
/// in larger units (the kernel's compat_sys_sysinfo).
pub fn sysinfo(task: &mut Task, args: [u64; 6]) -> SysResult {
    let guest = task.abi.model();
    filled_by(&rows::sysinfo, guest, args[0], |host| {
        let result = host_call(task, __NR_sysinfo, &args6(&[host]))?;
        if guest.word == 4 {
            // SAFETY: the host's structure, which the call filled: words, and mem_unit at 104.
            scale(unsafe { &mut *(host as *mut [u64; 14]) });
        }
        Ok(result)
    })
}

/// Makes the unit of memory larger until its numbers have 32 bits. (Words of the host's structure:
/// totalram to freeswap are 4 to 9, totalhigh and freehigh 11 and 12, the unit is in 13.)
fn scale(info: &mut [u64; 14]) {
    let mut unit = info[13] as u32;
    let mut shift = 0;
    if info[4] >> 32 != 0 || info[8] >> 32 != 0 {
        while unit < 4096 {
            unit <<= 1;
            shift += 1;
        }
        for word in [4, 5, 6, 7, 8, 9, 11, 12] {
            info[word] >>= shift;
        }
    }
    info[13] = info[13] & !0xffff_ffff | unit as u64;
}

/// mlockall(2): pages are locked as they are touched, since the emulator's own memory is mostly
/// reserved and not used.
pub(crate) fn mlockall(task: &mut Task, args: [u64; 6]) -> SysResult {
    const MCL_CURRENT: u64 = 1;
    const MCL_FUTURE: u64 = 2;
    const MCL_ONFAULT: u64 = 4;
    let onfault = if args[0] & (MCL_CURRENT | MCL_FUTURE) != 0 { MCL_ONFAULT } else { 0 };
    host_call(task, __NR_mlockall, &args6(&[args[0] | onfault]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structure::model;

    #[test]
    fn memory_is_told_in_larger_units() {
        let mut info = [0; 14];
        (info[4], info[9], info[13]) = (24 << 30, 1 << 30, 1);
        scale(&mut info);
        assert_eq!((info[4], info[9], info[13]), ((24 << 30) / 4096, (1 << 30) / 4096, 4096));
        let mut small = [1; 14];
        scale(&mut small);
        assert_eq!(small, [1; 14]);
        for (name, at) in [("totalram", 32), ("totalswap", 64), ("totalhigh", 88), ("mem_unit", 104)] {
            assert_eq!(rows::sysinfo.offset(name, &model::X86_64), Some(at), "{name}");
        }
    }

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
        assert!(set.len().is_multiple_of(8) && set.iter().any(|b| *b != 0));
    }
}

//! Resource limits. RLIMIT_AS and RLIMIT_DATA are the guest's own, without what the emulator maps
//! ([`anyarch_sys::footprint`]); all others are the host's.
//!
//! Another process of the emulator has an account of its own at the same address, which is read and
//! changed there. That needs the rights of ptrace(2), which prlimit(2) asks for in nearly the same
//! way; where they are missing, the host's limits are shown as they are.

use crate::calls::dispatch::host_call;
use crate::program::exec;
use crate::task::Task;
use crate::task::peer;
use alloc::format;
use alloc::vec::Vec;
use anyarch_sys::calls::getpid;
use anyarch_sys::footprint::{self, Account, Limits, RESOURCES};
use anyarch_sys::raw::general::{__NR_getrlimit, __NR_prlimit64};
use anyarch_sys::{Errno, SysResult, args6, read, write};

/// prlimit64(2).
pub(crate) fn prlimit64(task: &mut Task, args: [u64; 6]) -> SysResult {
    let (pid, resource) = (args[0] as i32, args[1] as u32);
    let Some(r) = RESOURCES.iter().position(|&r| r == resource) else {
        return host_call(task, __NR_prlimit64, &args);
    };
    let own = pid == 0 || pid == getpid();
    let new = if args[2] != 0 { Some(read::<Limits>(args[2])?) } else { None };
    let old = if own {
        footprint::account().prlimit(0, r, new)?
    } else {
        match peer::read::<Account>(pid, footprint::account_address()) {
            Some(mut account) => {
                let old = account.prlimit(pid, r, new)?;
                if new.is_some() {
                    peer::write(pid, footprint::account_address(), &account);
                }
                old
            }
            None => return host_call(task, __NR_prlimit64, &args),
        }
    };
    if args[3] != 0 {
        write(args[3], &old)?;
    }
    Ok(0)
}

/// getrlimit(2).
pub fn getrlimit(task: &mut Task, args: [u64; 6]) -> SysResult {
    let Some(r) = RESOURCES.iter().position(|&r| r == args[0] as u32) else {
        return host_call(task, __NR_getrlimit, &args);
    };
    let old = footprint::account().prlimit(0, r, None)?;
    write(args[1], &old).map(|()| 0)
}

/// setrlimit(2).
pub fn setrlimit(task: &mut Task, args: [u64; 6]) -> SysResult {
    if args[1] == 0 {
        return Err(Errno::EFAULT);
    }
    prlimit64(task, args6(&[0, args[0], args[1], 0]))
}

/// RLIMIT_DATA's soft limit of this process, in bytes, if it is finite.
pub(crate) fn of_data() -> Option<u64> {
    let account = footprint::account();
    account.finite().then(|| account.soft_limit(footprint::DATA)).flatten()
}

/// The variable that tells the next emulator what hard limits have on top of the guest's: the
/// host's limit and what it has on top, for both resources, as hexadecimal numbers with colons in
/// between.
pub(crate) const VARIABLE: &[u8] = b"ANYARCH_LIMITS=";

/// The variable for the environment of an execve, with NUL, where it is needed.
pub(crate) fn variable() -> Option<Vec<u8>> {
    let account = footprint::account();
    let [[a, b], [c, d]] = if account.finite() { account.room() } else { return None };
    drop(account);
    (b != 0 || d != 0).then(|| [VARIABLE, format!("{a:x}:{b:x}:{c:x}:{d:x}\0").as_bytes()].concat())
}

/// Counts the emulator's own memory, `sizes` bytes of all and of private writable kind, with what
/// the environment says about the limits.
pub fn begin(sizes: [u64; 2], env: &[&[u8]]) {
    let mut room = [[0; 2]; 2];
    if let Some(value) = env.iter().find_map(|v| v.strip_prefix(VARIABLE)) {
        let numbers = value.split(|&b| b == b':').map(|digits| {
            core::str::from_utf8(digits).ok().and_then(|d| u64::from_str_radix(d, 16).ok()).unwrap_or(0)
        });
        for (place, number) in room.as_flattened_mut().iter_mut().zip(numbers) {
            *place = number;
        }
    }
    footprint::begin(sizes, room);
}

/// Makes the limits those of the program that an execve of this file is about to start; `None` if
/// there are none. [`after_exec`] takes it back. `path` ends with NUL.
pub(crate) fn before_exec(dir: i32, path: &[u8], flags: u64) -> Option<[Limits; 2]> {
    if !footprint::account().finite() {
        return None;
    }
    let raised = footprint::account().room() != [[0; 2]; 2];
    let foreign = raised && exec::is_foreign_program(dir, path, flags);
    Some(footprint::account().before_exec(foreign))
}

/// After a failed execve.
pub(crate) fn after_exec(before: Option<[Limits; 2]>) {
    if let Some(before) = before {
        footprint::account().after_exec(before);
    }
}

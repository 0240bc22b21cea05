//! Waiting for descriptors: calls that carry a signal mask, and epoll with its packed events.

use crate::dispatch::host_call;
use crate::signal::with_mask;
use crate::task::Task;
use crate::uring::Converted;
use alloc::{vec, vec::Vec};
use anyarch_sys::raw::general::{
    __NR_epoll_ctl, __NR_epoll_pwait, __NR_epoll_pwait2, __NR_epoll_wait, __NR_io_pgetevents,
    __NR_io_uring_enter, __NR_ppoll, __NR_pselect6, EPOLL_CTL_ADD, EPOLL_CTL_MOD,
};
use anyarch_sys::{Errno, SysResult, args6, read, read_bytes, write_bytes};

/// Size of the kernel's signal set.
const SIGSET_SIZE: u64 = 8;

/// ppoll(2).
///
/// # Errors
/// Any errno of ppoll.
pub fn ppoll(task: &mut Task, args: [u64; 6]) -> SysResult {
    with_mask(task, args[3], args[4], |task, set| {
        host_call(task, __NR_ppoll, &args6(&[args[0], args[1], args[2], set, SIGSET_SIZE]))
    })
}

/// pselect6(2).
///
/// # Errors
/// Any errno of pselect6.
pub fn pselect6(task: &mut Task, args: [u64; 6]) -> SysResult {
    // The sixth argument holds the mask's address and size.
    let [set, size]: [u64; 2] = if args[5] == 0 { [0, 0] } else { read(args[5])? };
    with_mask(task, set, size, |task, set| {
        let pair = [set, SIGSET_SIZE];
        host_call(task, __NR_pselect6, &[args[0], args[1], args[2], args[3], args[4], pair.as_ptr() as u64])
    })
}

/// io_pgetevents(2).
///
/// # Errors
/// Any errno of io_pgetevents.
pub fn io_pgetevents(task: &mut Task, args: [u64; 6]) -> SysResult {
    let [set, size]: [u64; 2] = if args[5] == 0 { [0, 0] } else { read(args[5])? };
    with_mask(task, set, size, |task, set| {
        let pair = [set, SIGSET_SIZE];
        host_call(
            task,
            __NR_io_pgetevents,
            &[args[0], args[1], args[2], args[3], args[4], pair.as_ptr() as u64],
        )
    })
}

/// The last arguments are `struct io_uring_getevents_arg` instead of a signal mask.
const IORING_ENTER_EXT_ARG: u64 = 1 << 3;
/// They are an offset into a registered region: nothing of it is ours to convert.
const IORING_ENTER_EXT_ARG_REG: u64 = 1 << 6;

/// io_uring_enter(2).
///
/// # Errors
/// Any errno of io_uring_enter.
pub fn io_uring_enter(task: &mut Task, args: [u64; 6]) -> SysResult {
    let (flags, arg, size) = (args[3], args[4], args[5]);
    let call = |task: &mut Task, arg: u64, size: u64| {
        let _converted = Converted::new(task.abi, args[0], args[1]);
        host_call(task, __NR_io_uring_enter, &[args[0], args[1], args[2], flags, arg, size])
    };
    if flags & IORING_ENTER_EXT_ARG == 0 {
        return with_mask(task, arg, size, |task, set| call(task, set, SIGSET_SIZE));
    }
    if flags & IORING_ENTER_EXT_ARG_REG != 0 || size != 24 {
        return call(task, arg, size);
    }
    // sigmask, sigmask_sz and min_wait_usec, ts
    let ext: [u64; 3] = read(arg)?;
    with_mask(task, ext[0], ext[1] & 0xffff_ffff, |task, set| {
        let ext = [set, ext[1], ext[2]];
        call(task, ext.as_ptr() as u64, size)
    })
}

/// `struct epoll_event` as x86-64 packs it: events, data.
const HOST_EVENT: usize = 12;
/// And as all others lay it out: events, padding, data.
const GUEST_EVENT: usize = 16;

/// epoll_ctl(2).
///
/// # Errors
/// Any errno of epoll_ctl.
pub fn epoll_ctl(task: &mut Task, args: [u64; 6]) -> SysResult {
    if task.abi.epoll_event_packed() || !matches!(args[1] as u32, EPOLL_CTL_ADD | EPOLL_CTL_MOD) {
        return host_call(task, __NR_epoll_ctl, &args);
    }
    let host = host_event(args[3])?;
    host_call(task, __NR_epoll_ctl, &args6(&[args[0], args[1], args[2], host.as_ptr() as u64]))
}

/// The guest's event at `addr` as the host lays it out.
pub(crate) fn host_event(addr: u64) -> Result<[u8; HOST_EVENT], Errno> {
    let mut event = [0; GUEST_EVENT];
    read_bytes(addr, &mut event)?;
    let mut host = [0; HOST_EVENT];
    host[..4].copy_from_slice(&event[..4]);
    host[4..].copy_from_slice(&event[8..]);
    Ok(host)
}

/// Lets `call(buffer, count)` fill the guest's array at `addr`, with room for `max`, with host events, and makes them the guest's.
fn events(
    task: &mut Task,
    addr: u64,
    max: u64,
    call: impl FnOnce(&mut Task, u64, u64) -> SysResult,
) -> SysResult {
    let max = max as i32;
    if task.abi.epoll_event_packed() {
        return call(task, addr, max as u64);
    }
    if max <= 0 || max > i32::MAX / GUEST_EVENT as i32 {
        // The kernel refuses it, with the errno that comes first.
        return call(task, addr, i32::MAX as u64);
    }
    // The host's events are smaller, so that the guest's array holds as many as it is to hold in the end.
    let n = call(task, addr, max as u64)? as usize;
    let mut host = vec![0; n * HOST_EVENT];
    read_bytes(addr, &mut host)?;
    let mut guest = Vec::with_capacity(n * GUEST_EVENT);
    for event in host.chunks_exact(HOST_EVENT) {
        guest.extend_from_slice(&event[..4]);
        guest.extend_from_slice(&[0; 4]);
        guest.extend_from_slice(&event[4..]);
    }
    write_bytes(addr, &guest)?;
    Ok(n as u64)
}

/// epoll_wait(2).
///
/// # Errors
/// Any errno of epoll_wait.
pub fn epoll_wait(task: &mut Task, args: [u64; 6]) -> SysResult {
    events(task, args[1], args[2], |task, host, room| {
        host_call(task, __NR_epoll_wait, &args6(&[args[0], host, room, args[3]]))
    })
}

/// epoll_pwait(2).
///
/// # Errors
/// Any errno of epoll_pwait.
pub fn epoll_pwait(task: &mut Task, args: [u64; 6]) -> SysResult {
    with_mask(task, args[4], args[5], |task, set| {
        events(task, args[1], args[2], |task, host, room| {
            host_call(task, __NR_epoll_pwait, &[args[0], host, room, args[3], set, SIGSET_SIZE])
        })
    })
}

/// epoll_pwait2(2).
///
/// # Errors
/// Any errno of epoll_pwait2.
pub fn epoll_pwait2(task: &mut Task, args: [u64; 6]) -> SysResult {
    with_mask(task, args[4], args[5], |task, set| {
        events(task, args[1], args[2], |task, host, room| {
            host_call(task, __NR_epoll_pwait2, &[args[0], host, room, args[3], set, SIGSET_SIZE])
        })
    })
}

//! Waiting for descriptors: calls that carry a signal mask, and epoll with its packed events.

use crate::calls::dispatch::host_call;
use crate::calls::table::Sys;
use crate::calls::uring::Converted;
use crate::signal::with_mask;
use crate::structure::call::converted;
use crate::task::Task;
use anyarch_sys::raw::general::{
    __NR_epoll_ctl, __NR_epoll_pwait, __NR_epoll_pwait2, __NR_io_pgetevents, __NR_io_uring_enter, __NR_ppoll,
    __NR_pselect6, EPOLL_CTL_ADD, EPOLL_CTL_MOD,
};
use anyarch_sys::{SysResult, args6, read};

/// ppoll(2).
pub(crate) fn ppoll(task: &mut Task, args: [u64; 6]) -> SysResult {
    with_mask(task, args[3], args[4], |task, set, size| {
        host_call(task, __NR_ppoll, &args6(&[args[0], args[1], args[2], set, size]))
    })
}

/// pselect6(2).
pub(crate) fn pselect6(task: &mut Task, args: [u64; 6]) -> SysResult {
    // The sixth argument holds the mask's address and size.
    let [set, size]: [u64; 2] = match args[5] {
        0 => [0, 0],
        pair => match read(pair) {
            Ok(pair) => pair,
            Err(_) => return host_call(task, __NR_pselect6, &args),
        },
    };
    with_mask(task, set, size, |task, set, size| {
        let pair = [set, size];
        host_call(task, __NR_pselect6, &[args[0], args[1], args[2], args[3], args[4], pair.as_ptr() as u64])
    })
}

/// io_pgetevents(2).
pub(crate) fn io_pgetevents(task: &mut Task, args: [u64; 6]) -> SysResult {
    let [set, size]: [u64; 2] = match args[5] {
        0 => [0, 0],
        pair => match read(pair) {
            Ok(pair) => pair,
            Err(_) => return host_call(task, __NR_io_pgetevents, &args),
        },
    };
    with_mask(task, set, size, |task, set, size| {
        let pair = [set, size];
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
pub(crate) fn io_uring_enter(task: &mut Task, args: [u64; 6]) -> SysResult {
    let (flags, arg, size) = (args[3], args[4], args[5]);
    let call = |task: &mut Task, arg: u64, size: u64| {
        let _converted = Converted::new(task.abi, args[0], args[1]);
        host_call(task, __NR_io_uring_enter, &[args[0], args[1], args[2], flags, arg, size])
    };
    if flags & IORING_ENTER_EXT_ARG == 0 {
        return with_mask(task, arg, size, call);
    }
    if flags & IORING_ENTER_EXT_ARG_REG != 0 || size != 24 {
        return call(task, arg, size);
    }
    // sigmask, sigmask_sz and min_wait_usec, ts
    let Ok(ext) = read::<[u64; 3]>(arg) else { return call(task, arg, size) };
    with_mask(task, ext[0], ext[1] & 0xffff_ffff, |task, set, _| {
        let ext = [set, ext[1], ext[2]];
        call(task, ext.as_ptr() as u64, size)
    })
}

/// epoll_ctl(2).
pub(crate) fn epoll_ctl(task: &mut Task, args: [u64; 6]) -> SysResult {
    if !matches!(args[1] as u32, EPOLL_CTL_ADD | EPOLL_CTL_MOD) {
        // The event is not looked at.
        return host_call(task, __NR_epoll_ctl, &args);
    }
    converted(Sys::epoll_ctl.row(), task.abi.model(), &args, |host| host_call(task, __NR_epoll_ctl, host))
}

/// epoll_wait(2).
pub(crate) fn epoll_wait(task: &mut Task, args: [u64; 6]) -> SysResult {
    host_call(task, __NR_epoll_pwait, &args6(&args[..4]))
}

/// epoll_pwait(2).
pub(crate) fn epoll_pwait(task: &mut Task, args: [u64; 6]) -> SysResult {
    with_mask(task, args[4], args[5], |task, set, size| {
        host_call(task, __NR_epoll_pwait, &[args[0], args[1], args[2], args[3], set, size])
    })
}

/// epoll_pwait2(2).
pub(crate) fn epoll_pwait2(task: &mut Task, args: [u64; 6]) -> SysResult {
    with_mask(task, args[4], args[5], |task, set, size| {
        host_call(task, __NR_epoll_pwait2, &[args[0], args[1], args[2], args[3], set, size])
    })
}

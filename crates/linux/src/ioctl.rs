//! ioctl: request numbers and layouts are the same on all 64-bit little-endian architectures whose headers use the generic encoding,
//! so the host's kernel judges all of them. The table below holds the exceptions.

use crate::dispatch::host_call;
use crate::structure::call::{filled_by, read_by};
use crate::structure::rows;
use crate::task::Task;
use anyarch_sys::raw::general::__NR_ioctl;
use anyarch_sys::{Errno, SysResult, args6};

/// What to do with a request instead of passing it through.
enum Exception {
    /// Fails with this errno.
    Refused(Errno),
    /// Has a handler.
    Handler(fn(&mut Task, [u64; 6]) -> SysResult),
}

/// Matches requests: (mask, value).
type Requests = (u32, u32);

/// The exceptions, with why.
static EXCEPTIONS: &[(Requests, Exception)] = &[
    // KVM (linux/kvm.h, type 0xAE): the virtual machine would be the host's architecture, its register structures too.
    ((0xff00, 0xae00), Exception::Refused(Errno::ENOTTY)),
    // LOOP_SET_STATUS, LOOP_GET_STATUS: `struct loop_info` holds __kernel_old_dev_t, 8 bytes on x86-64 only.
    ((!0, 0x4c02), Exception::Handler(loop_set_status)),
    ((!0, 0x4c03), Exception::Handler(loop_get_status)),
    // TIOCGPTPEER takes open flags.
    ((!0, 0x5441), Exception::Handler(tiocgptpeer)),
];

/// ioctl(2).
///
/// # Errors
/// Any errno of ioctl.
pub fn ioctl(task: &mut Task, args: [u64; 6]) -> SysResult {
    let request = args[1] as u32;
    // Terminals, sockets and files, which are nearly all: no exception has these types but one request.
    match EXCEPTIONS.iter().find(|((mask, value), _)| request & mask == *value) {
        None => host_call(task, __NR_ioctl, &args),
        Some((_, Exception::Refused(errno))) => Err(*errno),
        Some((_, Exception::Handler(handler))) => handler(task, args),
    }
}

fn loop_get_status(task: &mut Task, args: [u64; 6]) -> SysResult {
    filled_by(&rows::loop_info, task.abi.model(), args[2], |host| {
        host_call(task, __NR_ioctl, &args6(&[args[0], args[1], host]))
    })
}

fn loop_set_status(task: &mut Task, args: [u64; 6]) -> SysResult {
    read_by(&rows::loop_info, task.abi.model(), args[2], |host| {
        host_call(task, __NR_ioctl, &args6(&[args[0], args[1], host]))
    })
}

fn tiocgptpeer(task: &mut Task, args: [u64; 6]) -> SysResult {
    let flags = task.abi.open_flags_to_host(args[2] as u32);
    host_call(task, __NR_ioctl, &args6(&[args[0], args[1], flags as u64]))
}

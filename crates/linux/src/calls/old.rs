//! Calls that 32-bit architectures have beside or instead of those of 64-bit ones, and calls that
//! newer ones have replaced. Each is another call with its arguments brought into that one's form.

use crate::calls::dispatch::{host_call, instead};
use crate::calls::futex;
use crate::calls::table::Sys;
use crate::files::{dirent, procfile};
use crate::structure::call::{converted, read_by};
use crate::structure::{Direction, Family, Model, Plan, model, rows};
use crate::task::Task;
use alloc::vec;
use alloc::vec::Vec;
use anyarch_sys::raw::general::{
    __NR_fadvise64, __NR_getegid, __NR_geteuid, __NR_getgid, __NR_getpriority, __NR_getuid, __NR_keyctl,
    __NR_move_pages, __NR_sendfile, __NR_setfsgid, __NR_setfsuid, __NR_setpriority, __NR_settimeofday,
    __NR_statfs, __NR_sync_file_range,
};
use anyarch_sys::{Errno, SysResult, args6, read, read_bytes, write};

/// A `long` of the guest's in memory, without its sign.
///
/// # Errors
/// `EFAULT`.
pub(crate) fn read_long(guest: &Model, addr: u64) -> Result<u64, Errno> {
    let plan = Plan::kept(&rows::a_ulong, Direction::ToHost, guest);
    let (mut theirs, mut host) = ([0; 8], [0; 8]);
    read_bytes(addr, &mut theirs[..plan.from_size])?;
    plan.convert(&theirs, &mut host);
    Ok(u64::from_le_bytes(host))
}

/// _llseek(2): the result goes to memory.
pub(crate) fn llseek(task: &mut Task, [fd, high, low, result, whence, _]: [u64; 6]) -> SysResult {
    let offset = high << 32 | low & 0xffff_ffff;
    let at = dirent::lseek(task, args6(&[fd, offset, whence]))?;
    write(result, &at).map(|()| 0)
}

/// lseek(2) with a result of 32 bits.
///
/// # Errors
/// `EOVERFLOW` for a place that `off_t` cannot tell, where the file is then.
pub(crate) fn lseek32(task: &mut Task, args: [u64; 6]) -> SysResult {
    let at = dirent::lseek(task, args)?;
    if at > i32::MAX as u64 { Err(Errno::EOVERFLOW) } else { Ok(at) }
}

/// sendfile(2) with a place of 32 bits, which has been converted: it copies up to the last one
/// that the place can tell (do_sendfile).
///
/// # Errors
/// `EOVERFLOW` at that one and beyond.
pub(crate) fn sendfile32(task: &mut Task, [to, from, place, count, ..]: [u64; 6]) -> SysResult {
    const LARGEST: u64 = i32::MAX as u64;
    let at = if place == 0 { 0 } else { read::<u64>(place)? };
    let left = LARGEST.saturating_sub(at);
    // A negative place is the kernel's to refuse.
    if place == 0 || at as i64 <= -1 || count <= left {
        return host_call(task, __NR_sendfile, &args6(&[to, from, place, count]));
    }
    let sent = host_call(task, __NR_sendfile, &args6(&[to, from, place, left]))?;
    if left == 0 { Err(Errno::EOVERFLOW) } else { Ok(sent) }
}

/// mmap(2) with its arguments in memory.
pub(crate) fn old_mmap(task: &mut Task, [args, ..]: [u64; 6]) -> SysResult {
    let args: [u64; 6] = read(args)?;
    instead(task, Sys::mmap, &args)
}

/// Whether a caller of statfs64 knows the structure: ARM's wrapper also takes its size as it would
/// be if it were not packed.
fn check_statfs_size(guest: &Model, size: u64) -> Result<(), Errno> {
    let own = rows::statfs64.size(guest) as u64;
    let known = size == own || guest.family == Family::Arm && size == own.next_multiple_of(8);
    if known { Ok(()) } else { Err(Errno::EINVAL) }
}

/// statfs64(2). On 64-bit hosts the structure is that of statfs.
pub(crate) fn statfs64(task: &mut Task, [path, size, to, ..]: [u64; 6]) -> SysResult {
    check_statfs_size(task.abi.model(), size)?;
    host_call(task, __NR_statfs, &args6(&[path, to]))
}

/// fstatfs64(2).
pub(crate) fn fstatfs64(task: &mut Task, [fd, size, to, ..]: [u64; 6]) -> SysResult {
    check_statfs_size(task.abi.model(), size)?;
    procfile::fstatfs(task, args6(&[fd, to]))
}

/// sync_file_range2(2): the flags come before the numbers that take two registers.
pub(crate) fn sync_file_range2(task: &mut Task, [fd, flags, offset, size, ..]: [u64; 6]) -> SysResult {
    host_call(task, __NR_sync_file_range, &args6(&[fd, offset, size, flags]))
}

/// arm_fadvise64_64(2): the advice comes before the numbers that take two registers.
pub(crate) fn arm_fadvise64_64(task: &mut Task, [fd, advice, offset, size, ..]: [u64; 6]) -> SysResult {
    host_call(task, __NR_fadvise64, &args6(&[fd, offset, size, advice]))
}

/// A user or group in 16 bits, or the one that stands for all that do not fit (`overflowuid`).
fn id16(result: SysResult) -> SysResult {
    result.map(|id| if id > u16::MAX as u64 { 65534 } else { id })
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident $number:ident;)*) => {
        $($(#[$doc])* pub(crate) fn $name(task: &mut Task, args: [u64; 6]) -> SysResult {
            id16(host_call(task, $number, &args))
        })*
    };
}

ids! {
    /// getuid(2) with a result of 16 bits.
    getuid16 __NR_getuid;
    /// getgid(2) with a result of 16 bits.
    getgid16 __NR_getgid;
    /// geteuid(2) with a result of 16 bits.
    geteuid16 __NR_geteuid;
    /// getegid(2) with a result of 16 bits.
    getegid16 __NR_getegid;
    /// setfsuid(2) with a result of 16 bits.
    setfsuid16 __NR_setfsuid;
    /// setfsgid(2) with a result of 16 bits.
    setfsgid16 __NR_setfsgid;
}

/// futex(2) with a time of two `long`s.
pub(crate) fn futex_time32(task: &mut Task, args: [u64; 6]) -> SysResult {
    let guest = task.abi.model();
    if !futex::has_time(args[1]) || args[3] == 0 {
        return futex::futex(task, args);
    }
    read_by(&rows::timespec, guest, args[3], |time| {
        futex::with_time(task, &[args[0], args[1], args[2], time, args[4], args[5]])
    })
}

/// stime(2).
pub(crate) fn stime(task: &mut Task, [seconds, ..]: [u64; 6]) -> SysResult {
    let time = [read::<u64>(seconds)?, 0];
    host_call(task, __NR_settimeofday, &args6(&[time.as_ptr() as u64, 0]))
}

/// nice(2), whose result is 0.
///
/// # Errors
/// `EPERM` without the right to a higher priority.
pub(crate) fn nice(task: &mut Task, [increment, ..]: [u64; 6]) -> SysResult {
    // The kernel tells 20 less the nice value, so that it is never negative.
    let now = 20 - host_call(task, __NR_getpriority, &[0; 6])? as i64;
    let nice = (now + (increment as i32).clamp(-40, 40) as i64).clamp(-20, 19);
    match host_call(task, __NR_setpriority, &args6(&[0, 0, nice as u64])) {
        Err(Errno::EACCES) => Err(Errno::EPERM),
        result => result,
    }
}

/// The calls of socketcall by number, and how many arguments each takes (net/socket.c).
const SOCKET_CALLS: [(Sys, usize); 20] = [
    (Sys::socket, 3),
    (Sys::bind, 3),
    (Sys::connect, 3),
    (Sys::listen, 2),
    (Sys::accept, 3),
    (Sys::getsockname, 3),
    (Sys::getpeername, 3),
    (Sys::socketpair, 4),
    (Sys::send, 4),
    (Sys::recv, 4),
    (Sys::sendto, 6),
    (Sys::recvfrom, 6),
    (Sys::shutdown, 2),
    (Sys::setsockopt, 5),
    (Sys::getsockopt, 5),
    (Sys::sendmsg, 3),
    (Sys::recvmsg, 3),
    (Sys::accept4, 4),
    (Sys::recvmmsg, 5),
    (Sys::sendmmsg, 4),
];

/// socketcall(2): a number of a call, and its arguments in memory.
pub(crate) fn socketcall(task: &mut Task, [call, args, ..]: [u64; 6]) -> SysResult {
    let number = (call as u32 as usize).wrapping_sub(1);
    let &(sys, count) = SOCKET_CALLS.get(number).ok_or(Errno::EINVAL)?;
    let guest = task.abi.model();
    let mut words = [0; 6];
    for (i, word) in words.iter_mut().enumerate().take(count) {
        *word = read_long(guest, args.wrapping_add((guest.word * i) as u64))?;
    }
    // With times of 64 bits recvmmsg has a number of its own.
    let sys = if sys == Sys::recvmmsg && guest.word == 4 { Sys::recvmmsg_time32 } else { sys };
    instead(task, sys, &words)
}

/// ipc(2): a number of a call of SysV IPC, and its arguments (ipc/syscall.c).
pub(crate) fn ipc(task: &mut Task, [call, first, second, third, ptr, fifth]: [u64; 6]) -> SysResult {
    let guest = task.abi.model();
    // s390's has five arguments.
    let fifth = if guest.family == Family::S390 { third } else { fifth };
    let version = call as u32 >> 16;
    match call & 0xffff {
        1 => instead(task, Sys::semop, &[first, ptr, second]),
        2 => instead(task, Sys::semget, &[first, second, third]),
        3 if ptr == 0 => Err(Errno::EINVAL),
        3 => {
            let arg = read_long(guest, ptr)?;
            instead(task, Sys::semctl, &[first, second, third, arg])
        }
        4 if guest.word == 4 => instead(task, Sys::semtimedop_time32, &[first, ptr, second, fifth]),
        4 => instead(task, Sys::semtimedop, &[first, ptr, second, fifth]),
        11 => instead(task, Sys::msgsnd, &[first, ptr, second, third]),
        12 if version == 0 && ptr == 0 => Err(Errno::EINVAL),
        12 if version == 0 => {
            // `struct ipc_kludge`: the message's address and type.
            let message = read_long(guest, ptr)?;
            let kind = read_long(guest, ptr.wrapping_add(guest.word as u64))?;
            instead(task, Sys::msgrcv, &[first, message, second, kind, third])
        }
        12 => instead(task, Sys::msgrcv, &[first, ptr, second, fifth, third]),
        13 => instead(task, Sys::msgget, &[first, second]),
        14 => instead(task, Sys::msgctl, &[first, second, ptr]),
        21 if version == 1 => Err(Errno::EINVAL),
        21 => {
            let at = instead(task, Sys::shmat, &[first, ptr, second])?;
            let plan = Plan::kept(&rows::a_ulong, Direction::ToGuest, guest);
            let mut theirs = [0; 8];
            plan.convert(&at.to_le_bytes(), &mut theirs);
            anyarch_sys::write_bytes(third, &theirs[..plan.to_size]).map(|()| 0)
        }
        22 => instead(task, Sys::shmdt, &[ptr]),
        23 => instead(task, Sys::shmget, &[first, second, third]),
        24 => instead(task, Sys::shmctl, &[first, second, ptr]),
        _ => Err(Errno::ENOSYS),
    }
}

/// More addresses than are converted at once.
const TOO_MANY: u64 = 1 << 20;

/// move_pages(2) of a guest whose array of addresses is another.
pub(crate) fn move_pages(task: &mut Task, args: [u64; 6]) -> SysResult {
    let (guest, count) = (task.abi.model(), args[1] as u32 as u64);
    if count > TOO_MANY {
        return Err(Errno::E2BIG);
    }
    let mut pages = Vec::with_capacity(count as usize);
    for i in 0..count {
        pages.push(read_long(guest, args[2].wrapping_add(i * guest.word as u64))?);
    }
    let args = [args[0], count, pages.as_ptr() as u64, args[3], args[4], args[5]];
    converted(Sys::move_pages.row(), guest, &args, |args| host_call(task, __NR_move_pages, args))
}

/// keyctl(2) of a guest whose pieces of data are laid out otherwise.
pub(crate) fn keyctl(task: &mut Task, args: [u64; 6]) -> SysResult {
    const KEYCTL_INSTANTIATE_IOV: u64 = 20;
    /// UIO_MAXIOV.
    const PIECES_MAX: u64 = 1024;
    let guest = task.abi.model();
    if args[0] as u32 as u64 != KEYCTL_INSTANTIATE_IOV || !(1..=PIECES_MAX).contains(&args[3]) {
        return host_call(task, __NR_keyctl, &args);
    }
    let plan = Plan::kept(&rows::iovec, Direction::ToHost, guest);
    let count = args[3] as usize;
    let (mut theirs, mut host) = (vec![0; count * plan.from_size], vec![0; count * plan.to_size]);
    read_bytes(args[2], &mut theirs)?;
    for i in 0..count {
        plan.convert(&theirs[i * plan.from_size..], &mut host[i * plan.to_size..]);
    }
    host_call(task, __NR_keyctl, &[args[0], args[1], host.as_ptr() as u64, args[3], args[4], 0])
}

const _: () = assert!(rows::mmap_args.size(&model::HOST) == 48, "six words");

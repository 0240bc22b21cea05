//! Prints system calls as they happen (`-strace`, QEMU_STRACE), in the manner of qemu-user:
//! `PID name(args) = result`.
//!
//! The call is printed before it is made and its result after, so that a call that never returns is
//! seen. What each argument looks like follows from its type in the table's row. Nothing here may
//! fail: a pointer that cannot be read is printed as a number.

use crate::calls::old::read_long;
use crate::calls::table::{Arg, Row};
use crate::config;
use crate::errno;
use crate::structure::{self, Model};
use crate::task::Task;
use alloc::string::String;
use anyarch_sys::{Errno, SysResult, read, read_bytes, read_cstr};
use core::fmt::Write;

/// Longest piece of a string or buffer that is printed.
const SHOWN: usize = 64;

/// A call without a row.
pub(crate) fn unknown(task: &Task, number: u64, args: &[u64; 6]) {
    let line = alloc::format!(
        "{} Unknown syscall {number}({:#x},{:#x},{:#x},{:#x},{:#x},{:#x}) = -1 ENOSYS (Function not implemented)\n",
        task.tid(),
        args[0],
        args[1],
        args[2],
        args[3],
        args[4],
        args[5]
    );
    config::log(line.as_bytes());
}

/// Prints the call before it is made.
pub(crate) fn enter(task: &Task, row: &Row, args: &[u64; 6]) {
    let mut line = alloc::format!("{} {}(", task.tid(), row.name);
    for i in 0..row.args.len() {
        if i > 0 {
            line.push(',');
        }
        argument(&mut line, task, row, args, i);
    }
    line.push_str(if row.name.starts_with("exit") { ")\n" } else { ")" });
    config::log(line.as_bytes());
}

/// Prints the result.
pub(crate) fn leave(result: SysResult) {
    let mut line = String::new();
    // Writing to a String cannot fail.
    let _ = match result {
        Ok(value) if value > 0xffff_ffff => writeln!(line, " = {value:#018x}"),
        Ok(value) => writeln!(line, " = {value}"),
        Err(crate::calls::dispatch::KEEP_REGISTERS) => writeln!(line, " = ? (registers replaced)"),
        Err(Errno::ERESTARTSYS) => writeln!(line, " = ? ERESTARTSYS (To be restarted after a signal)"),
        Err(e) => match errno::describe(e) {
            Some((name, text)) => writeln!(line, " = -1 {name} ({text})"),
            None => writeln!(line, " = -1 errno={}", e.0),
        },
    };
    config::log(line.as_bytes());
}

fn argument(line: &mut String, task: &Task, row: &Row, args: &[u64; 6], i: usize) {
    let value = args[i];
    let _ = match row.args[i] {
        Arg::Int | Arg::Fd | Arg::Pid | Arg::Uid | Arg::Id16 => write!(line, "{}", value as i32),
        Arg::Uint => write!(line, "{}", value as u32),
        Arg::Hex | Arg::High | Arg::LockFlags => write!(line, "{value:#x}"),
        Arg::Size | Arg::SigSize => write!(line, "{value}"),
        Arg::Off | Arg::Loff | Arg::Low | Arg::Pages => write!(line, "{}", value as i64),
        Arg::Mode => write!(line, "{:#o}", value as u32),
        Arg::DirFd if value as i32 == crate::files::path::AT_FDCWD => write!(line, "AT_FDCWD"),
        Arg::DirFd => write!(line, "{}", value as i32),
        Arg::In(of) if *of == structure::rows::timespec64 => match read::<[i64; 2]>(value) {
            Ok([sec, nsec]) => write!(line, "{{tv_sec={sec},tv_nsec={nsec}}}"),
            Err(_) => pointer(line, value),
        },
        Arg::Addr
        | Arg::Opaque(_)
        | Arg::Chosen(_)
        | Arg::In(_)
        | Arg::Out(_)
        | Arg::InOut(_)
        | Arg::InArray(..)
        | Arg::OutArray(..)
        | Arg::InOutArray(..)
        | Arg::Sized(_)
        | Arg::InWords(_)
        | Arg::OutWords(_)
        | Arg::InBits(_)
        | Arg::OutBits(_)
        | Arg::FdSet
        | Arg::OutSockaddr
        | Arg::SockOpt
        | Arg::OutBuf => pointer(line, value),
        Arg::Str | Arg::Path | Arg::LookupPath | Arg::LinkPath => string(line, value),
        Arg::InBuf => bytes(line, value, args[(i + 1) % 6]),
        Arg::Argv => strings(line, task.abi.model(), value),
        Arg::OFlags => open_flags(line, task.abi.open_flags_to_host(value as u32)),
        Arg::OpenHow => match read::<[u64; 3]>(value) {
            Ok([flags, mode, resolve]) => {
                line.push_str("{flags=");
                let _ = open_flags(line, task.abi.open_flags_to_host(flags as u32));
                write!(line, ",mode={mode:#o},resolve={resolve:#x}}}")
            }
            Err(_) => pointer(line, value),
        },
        Arg::AtFlags => bits(line, value, AT_FLAGS, "0"),
        Arg::Access => bits(line, value, ACCESS, "F_OK"),
        Arg::Prot => bits(line, value, PROT, "PROT_NONE"),
        Arg::MapFlags => bits(line, value, MAP, "0"),
        Arg::SockType => {
            let _ = name(line, value & 0xf, SOCK);
            if value & !0xf != 0 {
                line.push('|');
                bits(line, value & !0xf, SOCK_FLAGS, "0")
            } else {
                Ok(())
            }
        }
        Arg::Whence => name(line, value, WHENCE),
        Arg::Signal => name(line, value, SIGNALS),
        Arg::SigHow => name(line, value, SIG_HOW),
        Arg::SigSet => match read::<u64>(value) {
            Ok(set) => write!(line, "[{set:#x}]"),
            Err(_) => pointer(line, value),
        },
        Arg::Clock => name(line, value & 0xffff_ffff, CLOCKS),
        Arg::Sockaddr => sockaddr(line, value, args[(i + 1) % 6]),
        Arg::Ioctl => name(line, value & 0xffff_ffff, IOCTLS),
        Arg::Fcntl => name(line, value & 0xffff_ffff, FCNTL),
        Arg::EpollOp => name(line, value, EPOLL_OPS),
        Arg::FutexOp => {
            let _ = name(line, value & 0x7f, FUTEX_OPS);
            if value & !0x7f & 0xffff_ffff != 0 {
                line.push('|');
                bits(line, value & !0x7f & 0xffff_ffff, FUTEX_FLAGS, "0")
            } else {
                Ok(())
            }
        }
        Arg::Prctl => name(line, value & 0xffff_ffff, PRCTL),
        Arg::Resource => name(line, value, RESOURCES),
    };
}

fn pointer(line: &mut String, value: u64) -> core::fmt::Result {
    if value == 0 { line.write_str("NULL") } else { write!(line, "{value:#x}") }
}

fn quoted(line: &mut String, text: &[u8], more: bool) -> core::fmt::Result {
    line.push('"');
    for &b in text {
        match b {
            b'\n' => line.push_str("\\n"),
            b'\t' => line.push_str("\\t"),
            b'\r' => line.push_str("\\r"),
            b'"' | b'\\' => write!(line, "\\{}", b as char)?,
            b' '..=b'~' => line.push(b as char),
            _ => write!(line, "\\{b:03o}")?,
        }
    }
    line.push_str(if more { "\"..." } else { "\"" });
    Ok(())
}

fn string(line: &mut String, addr: u64) -> core::fmt::Result {
    if addr == 0 {
        return pointer(line, addr);
    }
    match read_cstr(addr, crate::files::path::PATH_MAX) {
        Ok(text) => quoted(line, &text, false),
        Err(_) => pointer(line, addr),
    }
}

fn bytes(line: &mut String, addr: u64, len: u64) -> core::fmt::Result {
    let mut buffer = [0; SHOWN];
    let shown = &mut buffer[..len.min(SHOWN as u64) as usize];
    match read_bytes(addr, shown) {
        Ok(()) if addr != 0 => quoted(line, shown, len > SHOWN as u64),
        _ => pointer(line, addr),
    }
}

fn strings(line: &mut String, guest: &Model, addr: u64) -> core::fmt::Result {
    if addr == 0 {
        return pointer(line, addr);
    }
    line.push('{');
    for i in 0..SHOWN as u64 {
        match read_long(guest, addr.wrapping_add(guest.word as u64 * i)) {
            Ok(0) => break,
            Ok(text) => string(line, text)?,
            Err(_) => break,
        }
        line.push(',');
    }
    line.push_str("NULL}");
    Ok(())
}

fn sockaddr(line: &mut String, addr: u64, len: u64) -> core::fmt::Result {
    let mut buffer = [0u8; 128];
    let len = len.min(128) as usize;
    if addr == 0 || len < 2 || read_bytes(addr, &mut buffer[..len]).is_err() {
        return pointer(line, addr);
    }
    let port = u16::from_be_bytes([buffer[2], buffer[3]]);
    match u16::from_le_bytes([buffer[0], buffer[1]]) {
        1 => {
            let path = &buffer[2..len];
            // An abstract name begins with a NUL and ends with the length, a path ends with a NUL.
            let end = path
                .iter()
                .skip(1)
                .position(|&b| b == 0)
                .filter(|_| path.first() != Some(&0))
                .map_or(path.len(), |n| n + 1);
            line.push_str("{AF_UNIX,");
            quoted(line, &path[..end], false)?;
            line.write_char('}')
        }
        2 => write!(
            line,
            "{{AF_INET,port={port},addr={}.{}.{}.{}}}",
            buffer[4], buffer[5], buffer[6], buffer[7]
        ),
        10 => {
            write!(line, "{{AF_INET6,port={port},addr=")?;
            for (i, pair) in buffer[8..24].chunks_exact(2).enumerate() {
                write!(line, "{}{:x}", if i > 0 { ":" } else { "" }, u16::from_be_bytes([pair[0], pair[1]]))?;
            }
            line.write_char('}')
        }
        16 => line.write_str("{AF_NETLINK}"),
        family => write!(line, "{{family={family}}}"),
    }
}

/// Flags by their bits, the rest in hexadecimal.
fn bits(line: &mut String, value: u64, table: Names, none: &str) -> core::fmt::Result {
    let mut rest = value & 0xffff_ffff;
    let mut first = true;
    for &(bit, text) in table {
        if rest & bit == bit {
            rest &= !bit;
            line.push_str(if first { "" } else { "|" });
            line.push_str(text);
            first = false;
        }
    }
    match (first, rest) {
        (true, 0) => line.write_str(none),
        (true, _) => write!(line, "{rest:#x}"),
        (false, 0) => Ok(()),
        (false, _) => write!(line, "|{rest:#x}"),
    }
}

/// Open flags in the host's bits.
fn open_flags(line: &mut String, flags: u32) -> core::fmt::Result {
    line.push_str(["O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"][flags as usize & 3]);
    if flags & !3 == 0 {
        return Ok(());
    }
    line.push('|');
    bits(line, (flags & !3) as u64, OPEN, "0")
}

fn name(line: &mut String, value: u64, table: Names) -> core::fmt::Result {
    match table.iter().find(|row| row.0 == value) {
        Some((_, text)) => line.write_str(text),
        None if value <= 64 => write!(line, "{value}"),
        None => write!(line, "{value:#x}"),
    }
}

type Names = &'static [(u64, &'static str)];

/// x86-64's bits.
static OPEN: Names = &[
    (0o20200000, "O_TMPFILE"),
    (0o4010000, "O_SYNC"),
    (0o100, "O_CREAT"),
    (0o200, "O_EXCL"),
    (0o400, "O_NOCTTY"),
    (0o1000, "O_TRUNC"),
    (0o2000, "O_APPEND"),
    (0o4000, "O_NONBLOCK"),
    (0o10000, "O_DSYNC"),
    (0o20000, "FASYNC"),
    (0o40000, "O_DIRECT"),
    (0o100000, "O_LARGEFILE"),
    (0o200000, "O_DIRECTORY"),
    (0o400000, "O_NOFOLLOW"),
    (0o1000000, "O_NOATIME"),
    (0o2000000, "O_CLOEXEC"),
    (0o10000000, "O_PATH"),
];
static AT_FLAGS: Names = &[
    (0x100, "AT_SYMLINK_NOFOLLOW"),
    (0x200, "AT_REMOVEDIR"),
    (0x400, "AT_SYMLINK_FOLLOW"),
    (0x800, "AT_NO_AUTOMOUNT"),
    (0x1000, "AT_EMPTY_PATH"),
    (0x2000, "AT_STATX_FORCE_SYNC"),
    (0x4000, "AT_STATX_DONT_SYNC"),
    (0x8000, "AT_RECURSIVE"),
];
static ACCESS: Names = &[(1, "X_OK"), (2, "W_OK"), (4, "R_OK")];
static PROT: Names = &[
    (1, "PROT_READ"),
    (2, "PROT_WRITE"),
    (4, "PROT_EXEC"),
    (0x10, "PROT_BTI"),
    (0x20, "PROT_MTE"),
    (0x1000000, "PROT_GROWSDOWN"),
];
static MAP: Names = &[
    (3, "MAP_SHARED_VALIDATE"),
    (1, "MAP_SHARED"),
    (2, "MAP_PRIVATE"),
    (0x10, "MAP_FIXED"),
    (0x20, "MAP_ANONYMOUS"),
    (0x100, "MAP_GROWSDOWN"),
    (0x800, "MAP_DENYWRITE"),
    (0x2000, "MAP_LOCKED"),
    (0x4000, "MAP_NORESERVE"),
    (0x8000, "MAP_POPULATE"),
    (0x10000, "MAP_NONBLOCK"),
    (0x20000, "MAP_STACK"),
    (0x40000, "MAP_HUGETLB"),
    (0x80000, "MAP_SYNC"),
    (0x100000, "MAP_FIXED_NOREPLACE"),
];
static SOCK: Names = &[
    (1, "SOCK_STREAM"),
    (2, "SOCK_DGRAM"),
    (3, "SOCK_RAW"),
    (4, "SOCK_RDM"),
    (5, "SOCK_SEQPACKET"),
    (10, "SOCK_PACKET"),
];
static SOCK_FLAGS: Names = &[(0o4000, "SOCK_NONBLOCK"), (0o2000000, "SOCK_CLOEXEC")];
static WHENCE: Names =
    &[(0, "SEEK_SET"), (1, "SEEK_CUR"), (2, "SEEK_END"), (3, "SEEK_DATA"), (4, "SEEK_HOLE")];
static SIG_HOW: Names = &[(0, "SIG_BLOCK"), (1, "SIG_UNBLOCK"), (2, "SIG_SETMASK")];
static SIGNALS: Names = &[
    (1, "SIGHUP"),
    (2, "SIGINT"),
    (3, "SIGQUIT"),
    (4, "SIGILL"),
    (5, "SIGTRAP"),
    (6, "SIGABRT"),
    (7, "SIGBUS"),
    (8, "SIGFPE"),
    (9, "SIGKILL"),
    (10, "SIGUSR1"),
    (11, "SIGSEGV"),
    (12, "SIGUSR2"),
    (13, "SIGPIPE"),
    (14, "SIGALRM"),
    (15, "SIGTERM"),
    (16, "SIGSTKFLT"),
    (17, "SIGCHLD"),
    (18, "SIGCONT"),
    (19, "SIGSTOP"),
    (20, "SIGTSTP"),
    (21, "SIGTTIN"),
    (22, "SIGTTOU"),
    (23, "SIGURG"),
    (24, "SIGXCPU"),
    (25, "SIGXFSZ"),
    (26, "SIGVTALRM"),
    (27, "SIGPROF"),
    (28, "SIGWINCH"),
    (29, "SIGIO"),
    (30, "SIGPWR"),
    (31, "SIGSYS"),
];
static CLOCKS: Names = &[
    (0, "CLOCK_REALTIME"),
    (1, "CLOCK_MONOTONIC"),
    (2, "CLOCK_PROCESS_CPUTIME_ID"),
    (3, "CLOCK_THREAD_CPUTIME_ID"),
    (4, "CLOCK_MONOTONIC_RAW"),
    (5, "CLOCK_REALTIME_COARSE"),
    (6, "CLOCK_MONOTONIC_COARSE"),
    (7, "CLOCK_BOOTTIME"),
    (8, "CLOCK_REALTIME_ALARM"),
    (9, "CLOCK_BOOTTIME_ALARM"),
    (10, "CLOCK_SGI_CYCLE"),
    (11, "CLOCK_TAI"),
];
static EPOLL_OPS: Names = &[(1, "EPOLL_CTL_ADD"), (2, "EPOLL_CTL_DEL"), (3, "EPOLL_CTL_MOD")];
static FUTEX_OPS: Names = &[
    (0, "FUTEX_WAIT"),
    (1, "FUTEX_WAKE"),
    (2, "FUTEX_FD"),
    (3, "FUTEX_REQUEUE"),
    (4, "FUTEX_CMP_REQUEUE"),
    (5, "FUTEX_WAKE_OP"),
    (6, "FUTEX_LOCK_PI"),
    (7, "FUTEX_UNLOCK_PI"),
    (8, "FUTEX_TRYLOCK_PI"),
    (9, "FUTEX_WAIT_BITSET"),
    (10, "FUTEX_WAKE_BITSET"),
    (11, "FUTEX_WAIT_REQUEUE_PI"),
    (12, "FUTEX_CMP_REQUEUE_PI"),
    (13, "FUTEX_LOCK_PI2"),
];
static FUTEX_FLAGS: Names = &[(0x80, "FUTEX_PRIVATE_FLAG"), (0x100, "FUTEX_CLOCK_REALTIME")];
static RESOURCES: Names = &[
    (0, "RLIMIT_CPU"),
    (1, "RLIMIT_FSIZE"),
    (2, "RLIMIT_DATA"),
    (3, "RLIMIT_STACK"),
    (4, "RLIMIT_CORE"),
    (5, "RLIMIT_RSS"),
    (6, "RLIMIT_NPROC"),
    (7, "RLIMIT_NOFILE"),
    (8, "RLIMIT_MEMLOCK"),
    (9, "RLIMIT_AS"),
    (10, "RLIMIT_LOCKS"),
    (11, "RLIMIT_SIGPENDING"),
    (12, "RLIMIT_MSGQUEUE"),
    (13, "RLIMIT_NICE"),
    (14, "RLIMIT_RTPRIO"),
    (15, "RLIMIT_RTTIME"),
];
static PRCTL: Names = &[
    (0x1, "PR_SET_PDEATHSIG"),
    (0x2, "PR_GET_PDEATHSIG"),
    (0x3, "PR_GET_DUMPABLE"),
    (0x4, "PR_SET_DUMPABLE"),
    (0x7, "PR_GET_KEEPCAPS"),
    (0x8, "PR_SET_KEEPCAPS"),
    (0xf, "PR_SET_NAME"),
    (0x10, "PR_GET_NAME"),
    (0x15, "PR_GET_SECCOMP"),
    (0x16, "PR_SET_SECCOMP"),
    (0x17, "PR_CAPBSET_READ"),
    (0x18, "PR_CAPBSET_DROP"),
    (0x1b, "PR_GET_SECUREBITS"),
    (0x1c, "PR_SET_SECUREBITS"),
    (0x1d, "PR_SET_TIMERSLACK"),
    (0x1e, "PR_GET_TIMERSLACK"),
    (0x23, "PR_SET_MM"),
    (0x24, "PR_SET_CHILD_SUBREAPER"),
    (0x25, "PR_GET_CHILD_SUBREAPER"),
    (0x26, "PR_SET_NO_NEW_PRIVS"),
    (0x27, "PR_GET_NO_NEW_PRIVS"),
    (0x28, "PR_GET_TID_ADDRESS"),
    (0x29, "PR_SET_THP_DISABLE"),
    (0x2f, "PR_CAP_AMBIENT"),
    (0x37, "PR_SET_TAGGED_ADDR_CTRL"),
    (0x53564d41, "PR_SET_VMA"),
];
static FCNTL: Names = &[
    (0x0, "F_DUPFD"),
    (0x1, "F_GETFD"),
    (0x2, "F_SETFD"),
    (0x3, "F_GETFL"),
    (0x4, "F_SETFL"),
    (0x5, "F_GETLK"),
    (0x6, "F_SETLK"),
    (0x7, "F_SETLKW"),
    (0x8, "F_SETOWN"),
    (0x9, "F_GETOWN"),
    (0xa, "F_SETSIG"),
    (0xb, "F_GETSIG"),
    (0xf, "F_SETOWN_EX"),
    (0x10, "F_GETOWN_EX"),
    (0x24, "F_OFD_GETLK"),
    (0x25, "F_OFD_SETLK"),
    (0x26, "F_OFD_SETLKW"),
    (0x400, "F_SETLEASE"),
    (0x401, "F_GETLEASE"),
    (0x402, "F_NOTIFY"),
    (0x406, "F_DUPFD_CLOEXEC"),
    (0x407, "F_SETPIPE_SZ"),
    (0x408, "F_GETPIPE_SZ"),
    (0x409, "F_ADD_SEALS"),
    (0x40a, "F_GET_SEALS"),
];
static IOCTLS: Names = &[
    (0x5401, "TCGETS"),
    (0x5402, "TCSETS"),
    (0x5403, "TCSETSW"),
    (0x5404, "TCSETSF"),
    (0x540e, "TIOCSCTTY"),
    (0x540f, "TIOCGPGRP"),
    (0x5410, "TIOCSPGRP"),
    (0x5413, "TIOCGWINSZ"),
    (0x5414, "TIOCSWINSZ"),
    (0x541b, "FIONREAD"),
    (0x5421, "FIONBIO"),
    (0x5422, "TIOCNOTTY"),
    (0x5429, "TIOCGSID"),
    (0x5430, "TIOCGPTN"),
    (0x5431, "TIOCSPTLCK"),
    (0x5441, "TIOCGPTPEER"),
    (0x5450, "FIONCLEX"),
    (0x5451, "FIOCLEX"),
    (0x5452, "FIOASYNC"),
    (0x8912, "SIOCGIFCONF"),
    (0x8913, "SIOCGIFFLAGS"),
    (0x8933, "SIOCGIFINDEX"),
    (0x40049409, "FICLONE"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structure::model::HOST;

    fn shown(f: impl FnOnce(&mut String) -> core::fmt::Result) -> String {
        let mut line = String::new();
        f(&mut line).unwrap();
        line
    }

    #[test]
    fn flags_and_names() {
        for (got, want) in [
            (shown(|l| open_flags(l, 0)), "O_RDONLY"),
            (shown(|l| open_flags(l, 0o2200001)), "O_WRONLY|O_DIRECTORY|O_CLOEXEC"),
            (shown(|l| open_flags(l, 0o20200002)), "O_RDWR|O_TMPFILE"),
            (shown(|l| bits(l, 0x22, MAP, "0")), "MAP_PRIVATE|MAP_ANONYMOUS"),
            (shown(|l| bits(l, 0, PROT, "PROT_NONE")), "PROT_NONE"),
            (shown(|l| bits(l, 0x8000_0001, PROT, "PROT_NONE")), "PROT_READ|0x80000000"),
            (shown(|l| name(l, 11, SIGNALS)), "SIGSEGV"),
            (shown(|l| name(l, 34, SIGNALS)), "34"),
            (shown(|l| name(l, 0x5413, IOCTLS)), "TIOCGWINSZ"),
        ] {
            assert_eq!(got, want);
        }
    }

    #[test]
    fn memory() {
        let argv = [c"ls".as_ptr() as u64, c"-l\n".as_ptr() as u64, 0];
        let inet = [2u8, 0, 0, 80, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        let unix = *b"\x01\0/run/x\0\0";
        for (got, want) in [
            (shown(|l| strings(l, &HOST, argv.as_ptr() as u64)), r#"{"ls","-l\n",NULL}"#),
            (shown(|l| string(l, 0)), "NULL"),
            (shown(|l| bytes(l, b"a\"\x01".as_ptr() as u64, 3)), r#""a\"\001""#),
            (shown(|l| sockaddr(l, inet.as_ptr() as u64, 16)), "{AF_INET,port=80,addr=127.0.0.1}"),
            (shown(|l| sockaddr(l, unix.as_ptr() as u64, unix.len() as u64)), r#"{AF_UNIX,"/run/x"}"#),
        ] {
            assert_eq!(got, want);
        }
    }
}

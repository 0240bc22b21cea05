//! The guest's seccomp filters in the host's kernel: how they get across execve, and what of them
//! the kernel can enforce.
//!
//! # Keeping
//!
//! The kernel gives a program that execve starts all filters of its caller, whatever else changes:
//! set-user-ID bits, capabilities, the environment. The guest's filters must be as hard to lose and
//! as hard to forge. AT_SECURE decides nothing: it is set where rights are gained, but also where
//! they are not (the effective user differs from the real one; no_new_privs has kept file
//! capabilities away). And a filter may be present whenever it is set:
//!
//! - A filter installed under no_new_privs is there to stay, and so is no_new_privs: no execve of
//!   this process or its children gains rights ever after.
//! - A filter installed without it needs CAP_SYS_ADMIN. Its heirs may have dropped that, and a
//!   set-user-ID program that they start gains rights with the filter on. Nobody else may put a
//!   filter on a program that gains rights: a program whose setuid() only pretends to succeed would
//!   work on as root.
//!
//! An environment, a descriptor or a file is the caller's to forge and to leave out, and the caller
//! may run native code. So the filters are kept where only the kernel's own rule puts them: each is
//! the content of a host filter, installed by the same task at the same moment with the same flags.
//! That filter lets every call pass but one, prctl with the option [`KEEP`], a filter's index and a
//! position, which fails with 12 bits of the guest's filter as its errno. A new emulator asks for
//! all of them; without filters that is one prctl, which the kernel fails with EINVAL. Threads,
//! children, execve through any handler with any flags, and native programs in between hand host
//! filters on; errors (EACCES, ENOMEM, the thread that FLAG_TSYNC cannot reach) are the kernel's as
//! well. Who answers [`KEEP`] with a filter of his own has either no_new_privs or CAP_SYS_ADMIN: he
//! could have installed what he forges. He may replace a guest's filter for those after him only
//! from native code, which the guest's filter does not bind anyway.
//!
//! Of several host filters that fail one call with an errno the newest decides, so each answers for
//! its own index alone.
//!
//! # Enforcing
//!
//! A host filter could replace the emulated one only where calls map one to one. It need not
//! replace it: it is a second wall, for a guest that breaks out of the emulator (or writes its
//! memory), and binds native programs that the guest starts. It refuses a host call ([`refused`])
//! if
//!
//! - the emulator itself never makes it ([`OWN`]),
//! - all guest calls that it stands for are passed through (or never made), and the guest's filter
//!   refuses them whatever their arguments are.
//!
//! Older forms of such a call (mkdir for mkdirat, [`OLDER`]) are refused with it, and those of
//! 32-bit programs as the guest's filter judges their architecture.

use crate::abi::Abi;
use crate::calls::numbers::Column;
use crate::calls::table::{Kind, Sys};
use crate::seccomp::{
    Insn, RET_ACTION_FULL, RET_ALLOW, RET_ERRNO, RET_LOG, RET_TRACE, RET_USER_NOTIF, audit_arch, bpf,
    constant,
};
use crate::structure::model::HOST;
use alloc::vec::Vec;
use anyarch_sys::arch::{COMPAT_AUDIT_ARCH, ELF_MACHINE, OTHER_ABI_NUMBERS};
use anyarch_sys::raw::general::__NR_prctl;
use anyarch_sys::{Errno, SysResult, calls};

/// The option of prctl to which the host filters answer; no kernel has it.
const KEEP: u32 = 0x616e_7963;
/// AUDIT_ARCH_* of the host.
const HOST_ARCH: u32 = audit_arch(ELF_MACHINE, &HOST);
/// Host numbers end before this one.
const NUMBERS: usize = 512;

/// Bits of an answer: errnos end at 4095.
const UNIT: u32 = 12;
/// The first answer has this bit, which no errno of the kernel's has.
const FIRST: u16 = 0x800;
/// Answers in one host filter. Each takes two instructions, seldom three, and the kernel takes
/// 4096.
const PART: usize = 1300;
/// No more instructions fit in all filters of a thread (MAX_INSNS_PER_PATH), so a chain that has
/// more is forged.
const INSNS_PER_PATH: usize = (1 << 18) / 8;

/// Host calls that the emulator makes for itself. A test compares this with the sources.
#[rustfmt::skip]
const OWN: &[Sys] = &[
    Sys::arch_prctl, Sys::capget, Sys::clock_gettime, Sys::clone, Sys::clone3, Sys::close, Sys::close_range, Sys::dup3, Sys::epoll_ctl,
    Sys::epoll_pwait, Sys::epoll_pwait2, Sys::execve, Sys::execveat, Sys::exit, Sys::exit_group, Sys::faccessat, Sys::faccessat2, Sys::fchmod, Sys::fcntl,
    Sys::fstat, Sys::fstatfs, Sys::futex, Sys::get_robust_list, Sys::getcpu, Sys::getcwd, Sys::getdents64, Sys::geteuid, Sys::getpid, Sys::getrandom, Sys::getrlimit, Sys::gettid,
    Sys::gettimeofday, Sys::io_pgetevents, Sys::io_uring_enter, Sys::io_uring_setup, Sys::ioctl, Sys::lseek, Sys::madvise, Sys::memfd_create, Sys::mlockall,
    Sys::mmap, Sys::mprotect, Sys::mremap, Sys::munmap, Sys::newfstatat, Sys::openat, Sys::openat2, Sys::personality, Sys::ppoll, Sys::prctl, Sys::pread64,
    Sys::prlimit64, Sys::process_vm_readv, Sys::process_vm_writev, Sys::pselect6, Sys::read, Sys::readlinkat, Sys::remap_file_pages, Sys::rt_sigaction, Sys::rt_sigpending, Sys::rt_sigprocmask,
    Sys::rt_sigreturn, Sys::rt_sigsuspend, Sys::rt_sigtimedwait, Sys::sched_getaffinity, Sys::sched_yield, Sys::seccomp, Sys::semctl, Sys::set_robust_list, Sys::set_tid_address,
    Sys::shmat, Sys::shmctl, Sys::shmdt, Sys::sigaltstack, Sys::statfs, Sys::sysinfo, Sys::tgkill, Sys::uname, Sys::write,
];

/// Host calls that stand for old calls of some architectures as well as for their own.
#[rustfmt::skip]
const FOR_OLD: &[Sys] = &[
    Sys::fadvise64, Sys::getegid, Sys::getgid, Sys::getpriority, Sys::getuid, Sys::setfsgid, Sys::setfsuid,
    Sys::setpriority, Sys::settimeofday, Sys::sync_file_range,
];

/// Older forms of calls: (the old one, what it is a case of). A host that lacks the old one makes
/// the other for it ([`crate::calls::replaced`]).
#[rustfmt::skip]
const OLDER: &[(Sys, Sys)] = &[
    (Sys::mkdir, Sys::mkdirat), (Sys::rmdir, Sys::unlinkat), (Sys::unlink, Sys::unlinkat), (Sys::rename, Sys::renameat2), (Sys::renameat, Sys::renameat2),
    (Sys::link, Sys::linkat), (Sys::symlink, Sys::symlinkat), (Sys::mknod, Sys::mknodat), (Sys::chmod, Sys::fchmodat), (Sys::chown, Sys::fchownat),
    (Sys::lchown, Sys::fchownat), (Sys::utime, Sys::utimensat), (Sys::utimes, Sys::utimensat), (Sys::futimesat, Sys::utimensat), (Sys::pipe, Sys::pipe2),
    (Sys::eventfd, Sys::eventfd2), (Sys::signalfd, Sys::signalfd4), (Sys::inotify_init, Sys::inotify_init1), (Sys::epoll_create, Sys::epoll_create1),
    (Sys::getpgrp, Sys::getpgid),
];

/// Whether the host makes this call for an older one too, which it lacks.
fn replaces(sys: Sys) -> bool {
    OLDER.iter().any(|&(old, new)| new == sys && old.row().host().is_none())
}

/// The guest's filter as 12-bit units: their number in two of them, then the instructions, fields
/// that an instruction does not use left out.
fn units(program: &[Insn]) -> Vec<u16> {
    let mut bytes = Vec::with_capacity(5 * program.len());
    for insn in program {
        bytes.push(insn.code as u8);
        if bpf::jumps_on_condition(insn.code) {
            bytes.extend([insn.jt, insn.jf]);
        }
        let mut k = insn.k;
        while k >= 0x80 {
            bytes.push(k as u8 | 0x80);
            k >>= 7;
        }
        bytes.push(k as u8);
    }
    let count = (2 * bytes.len()).div_ceil(3);
    let mut units = alloc::vec![FIRST | (count >> UNIT) as u16, count as u16 & 0xfff];
    for three in bytes.chunks(3) {
        let word = (0..3).fold(0u32, |w, i| w << 8 | three.get(i).copied().unwrap_or(0) as u32);
        units.extend([(word >> 12) as u16, word as u16 & 0xfff]);
    }
    units.truncate(2 + count);
    units
}

/// The filter that units stand for, without their number. `None`: units that are not from
/// [`units`].
fn program(units: &[u16]) -> Option<Vec<Insn>> {
    let mut bytes = Vec::with_capacity(units.len() * 3 / 2 + 2);
    for two in units.chunks(2) {
        let word = (two[0] as u32) << 12 | two.get(1).copied().unwrap_or(0) as u32;
        bytes.extend([(word >> 16) as u8, (word >> 8) as u8, word as u8]);
    }
    bytes.truncate(units.len() * 3 / 2);
    let mut bytes = bytes.into_iter().peekable();
    let mut out = Vec::new();
    while let Some(code) = bytes.next() {
        // What is left over of the last unit. No filter ends with this code, which is a load.
        if code == 0 && bytes.peek().is_none() {
            break;
        }
        let (jt, jf) =
            if bpf::jumps_on_condition(code as u16) { (bytes.next()?, bytes.next()?) } else { (0, 0) };
        let mut k = 0u64;
        for shift in (0..).step_by(7) {
            let byte = bytes.next()?;
            k |= (byte as u64 & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
            if shift > 28 {
                return None;
            }
        }
        out.push(Insn { code: code as u16, jt, jf, k: u32::try_from(k).ok()? });
    }
    Some(out)
}

/// Instructions that jump to the return of `value(i)` where A is `from + i`, for all i below `len`.
/// A is at least `from`.
fn tree(out: &mut Vec<Insn>, from: u32, values: &[u32]) {
    // Runs of one value are one leaf.
    let half = values.len() / 2;
    let Some(split) =
        (half..values.len()).chain((1..half).rev()).find(|&i| i != 0 && values[i] != values[i - 1])
    else {
        return out.push(bpf::ret(values[0]));
    };
    let mut left = Vec::new();
    tree(&mut left, from, &values[..split]);
    if left.len() <= 255 {
        out.push(bpf::jge(from + split as u32, left.len() as u8, 0));
    } else {
        out.extend([bpf::jge(from + split as u32, 0, 1), bpf::ja(left.len() as u32)]);
    }
    out.append(&mut left);
    tree(out, from + split as u32, &values[split..]);
}

/// What a host filter refuses: actions by number, and one for all calls of 32-bit programs.
struct Refused {
    calls: Vec<u32>,
    compat: u32,
}

/// The action of a host filter for the guest's.
fn host_action(action: u32) -> u32 {
    match action & RET_ACTION_FULL {
        RET_LOG => RET_ALLOW,
        // Nobody traces or listens, which is ENOSYS for the guest as well.
        RET_TRACE | RET_USER_NOTIF => RET_ERRNO | Errno::ENOSYS.0 as u32,
        _ => action,
    }
}

/// What of the guest's filter the host's kernel can enforce. See the module's text.
fn refused(program: &[Insn], arch: u32, abi: &dyn Abi) -> Refused {
    let mut calls = alloc::vec![RET_ALLOW; NUMBERS];
    // Numbers with a verdict so far; a second guest call of the same host call must agree.
    let mut seen = [false; NUMBERS];
    let has_old = !matches!(abi.calls(), Column::X86_64 | Column::Generic);
    let host_number = |sys: Sys| sys.row().host().map(usize::from).filter(|&n| n < NUMBERS);
    for number in 0..NUMBERS as u64 {
        let Some(call) = abi.syscall(number) else { continue };
        let row = call.row();
        // A call that is as another, once its arguments are converted.
        let sys = if let Kind::Like(other) = row.kind { other } else { call };
        let Some(host) = host_number(sys) else { continue };
        let action = constant(program, arch, Some(number as u32)).map_or(RET_ALLOW, host_action);
        let plain = match sys.row().kind {
            Kind::Passthrough | Kind::Refused(..) => true,
            Kind::Agreed(_) => !row.differs_for(abi.model()),
            _ => false,
        };
        let stands_for_old = has_old && (FOR_OLD.contains(&sys) || replaces(sys));
        let mine = plain && !OWN.contains(&sys) && !stands_for_old;
        calls[host] = match (mine, seen[host]) {
            (false, _) => RET_ALLOW,
            (true, false) => action,
            (true, true) if calls[host] == action => action,
            (true, true) => RET_ALLOW,
        };
        seen[host] = true;
    }
    for &(old, new) in OLDER {
        if let (Some(old), Some(new)) = (host_number(old), host_number(new))
            && !seen[old]
        {
            calls[old] = calls[new];
        }
    }
    let compat = constant(program, COMPAT_AUDIT_ARCH, None).map_or(RET_ALLOW, host_action);
    Refused { calls, compat }
}

/// A host filter: answers for the units from `from` on of filter `index`, and what it refuses, if
/// it is to refuse anything.
fn host_filter(index: u32, from: u32, part: &[u16], refused: Option<&Refused>) -> Vec<Insn> {
    // Offsets in struct seccomp_data: the low halves of the first three arguments.
    const NR: u32 = 0;
    const ARCH: u32 = 4;
    const ARGS: [u32; 3] = [16, 24, 32];
    let allow = bpf::ret(RET_ALLOW);
    let other_arch = match refused {
        Some(refused) => alloc::vec![bpf::jeq(COMPAT_AUDIT_ARCH, 0, 1), bpf::ret(refused.compat), allow],
        None => alloc::vec![allow],
    };
    let mut answers = alloc::vec![
        bpf::load(ARGS[0]),
        bpf::jeq(KEEP, 1, 0),
        allow,
        bpf::load(ARGS[1]),
        bpf::jeq(index, 1, 0),
        allow,
        bpf::load(ARGS[2]),
        bpf::jge(from, 1, 0),
        allow,
        bpf::jge(from + part.len() as u32, 0, 1),
        allow,
    ];
    let values: Vec<u32> = part.iter().map(|&unit| RET_ERRNO | unit as u32).collect();
    tree(&mut answers, from, &values);
    let mut out = alloc::vec![bpf::load(ARCH), bpf::jeq(HOST_ARCH, other_arch.len() as u8, 0)];
    out.extend(other_arch);
    out.extend([bpf::load(NR), bpf::jeq(__NR_prctl, 1, 0), bpf::ja(answers.len() as u32)]);
    out.append(&mut answers);
    match refused {
        Some(refused) if refused.calls.iter().any(|&action| action != RET_ALLOW) => {
            // The numbers of another ABI would be a way around.
            if let Some(first) = OTHER_ABI_NUMBERS {
                out.extend([bpf::jge(first, 0, 1), bpf::ret(RET_ERRNO | Errno::ENOSYS.0 as u32)]);
            }
            let numbers: Vec<u32> = refused.calls.iter().copied().chain([RET_ALLOW]).collect();
            tree(&mut out, 0, &numbers);
        }
        _ => out.push(allow),
    }
    out
}

/// Has the host's kernel keep the calling thread's filter `index` (and those of the other threads,
/// where `flags` say so), and enforce what it can of it.
///
/// # Errors
/// The kernel's for seccomp(2). `Ok` with a thread's id: FLAG_TSYNC finds that thread with other
/// filters, and nothing is installed.
pub(crate) fn install(index: u32, program: &[Insn], arch: u32, abi: &dyn Abi, flags: u64) -> SysResult {
    let units = units(program);
    let refused = refused(program, arch, abi);
    // The parts from the last to the first: only the first makes the filter known.
    for (n, part) in units.chunks(PART).enumerate().rev() {
        let filter = host_filter(index, (n * PART) as u32, part, (n == 0).then_some(&refused));
        let words: Vec<u64> = filter.iter().map(|insn| insn.word()).collect();
        let thread = calls::install_filter(flags, &words)?;
        if thread != 0 {
            return Ok(thread);
        }
    }
    Ok(0)
}

/// A unit of filter `index`.
fn unit(index: u32, at: usize) -> Option<u16> {
    match calls::ask_filter(KEEP, index, at) {
        Ok(0) => Some(0),
        Err(Errno(e)) => u16::try_from(e).ok(),
        Ok(_) => None,
    }
}

/// The filter `index` of the calling thread, as an emulator before this one installed it. It has
/// not been verified.
pub(crate) fn kept(index: u32) -> Option<Vec<Insn>> {
    let first = unit(index, 0).filter(|unit| unit & FIRST != 0)?;
    let count = ((first & !FIRST) as usize) << UNIT | unit(index, 1)? as usize;
    // An instruction is eight bytes at most.
    if index as usize > INSNS_PER_PATH || count > INSNS_PER_PATH {
        return None;
    }
    let units: Option<Vec<u16>> = (2..2 + count).map(|at| unit(index, at)).collect();
    program(&units?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::table::ROWS;
    use crate::seccomp::{interpret, seccomp_data, verify};
    use anyarch_sys::raw::general::__NR_read;

    fn filters() -> Vec<Vec<Insn>> {
        let mut long = Vec::new();
        for n in 0..2000 {
            long.extend([bpf::jeq(n * n, 0, 1), bpf::ret(RET_ERRNO | n)]);
        }
        long.push(bpf::ret(RET_ALLOW));
        let every_length = (1..9).map(|n| {
            let mut filter = alloc::vec![bpf::load(4); n];
            filter.push(bpf::ret(0));
            filter
        });
        every_length
            .chain([
                alloc::vec![bpf::ret(RET_ALLOW)],
                alloc::vec![bpf::load(0), bpf::jeq(0xffff_ffff, 1, 0), bpf::ret(0), bpf::ret(0x8000_0000)],
                alloc::vec![Insn { code: 0x87, jt: 0, jf: 0, k: 0 }, Insn { code: 0x16, jt: 0, jf: 0, k: 0 }],
                long,
            ])
            .collect()
    }

    #[test]
    fn units_become_the_filter_again() {
        for filter in filters() {
            let units = units(&filter);
            assert!(units.iter().all(|&unit| unit < 1 << UNIT));
            let count = ((units[0] & !FIRST) as usize) << UNIT | units[1] as usize;
            assert_eq!(count, units.len() - 2);
            assert_eq!(program(&units[2..]).as_ref(), Some(&filter));
        }
    }

    #[test]
    fn any_units_are_survived() {
        let mut seed = 7u64;
        for _ in 0..100_000 {
            let mut next = || {
                seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (seed >> 33) as u16
            };
            let units: Vec<u16> = (0..next() % 30).map(|_| next() & 0xfff).collect();
            let _ = program(&units).is_some_and(|p| verify(&p));
        }
    }

    /// A host filter lets everything pass but the one prctl, which it answers.
    #[test]
    fn host_filters_answer() {
        let refused = Refused { calls: alloc::vec![RET_ALLOW; NUMBERS], compat: RET_ALLOW };
        for filter in filters() {
            let units = units(&filter);
            for (n, part) in units.chunks(PART).enumerate() {
                let host = host_filter(3, (n * PART) as u32, part, (n == 0).then_some(&refused));
                assert!(verify(&host) && host.len() <= 4096, "{}", host.len());
                let ask = |nr, args: [u64; 3]| {
                    let args = [args[0], args[1], args[2], 0, 0, 0];
                    interpret(&host, &seccomp_data(HOST_ARCH, nr, 0, &args))
                };
                for (at, &unit) in units.iter().enumerate() {
                    let mine = (n * PART..n * PART + part.len()).contains(&at);
                    let want = if mine { RET_ERRNO | unit as u32 } else { RET_ALLOW };
                    assert_eq!(ask(__NR_prctl, [KEEP as u64, 3, at as u64]), want);
                }
                for other in
                    [[KEEP as u64, 2, 0], [KEEP as u64 + 1, 3, 0], [KEEP as u64, 3, units.len() as u64]]
                {
                    assert_eq!(ask(__NR_prctl, other), RET_ALLOW);
                }
                assert_eq!(ask(__NR_read, [KEEP as u64, 3, 0]), RET_ALLOW);
            }
        }
    }

    #[test]
    fn trees() {
        for values in [
            alloc::vec![5u32],
            alloc::vec![1, 1, 1, 2, 2, 3, 1, 1],
            (0..PART as u32).collect(),
            (0..3000).map(|n| n / 70).collect(),
        ] {
            let mut program = alloc::vec![bpf::load(0)];
            tree(&mut program, 10, &values);
            assert!(verify(&program), "{}", program.len());
            for (i, &value) in values.iter().enumerate() {
                let data = seccomp_data(0, 10 + i as u32, 0, &[0; 6]);
                assert_eq!(interpret(&program, &data), value);
            }
        }
    }

    /// Calls that the sources name, but make only as the guest's own call of that name.
    const GUESTS: [&str; 21] = [
        "getsockopt",
        "io_destroy",
        "io_setup",
        "io_submit",
        "io_uring_register",
        "keyctl",
        "mbind",
        "mincore",
        "mlock",
        "mlock2",
        "move_pages",
        "mseal",
        "msgctl",
        "msgrcv",
        "msgsnd",
        "msync",
        "munlock",
        "open_by_handle_at",
        "sendfile",
        "setsockopt",
        "statx",
    ];

    /// Every host call that the emulator's sources name is in [`OWN`], unless it is one of
    /// [`GUESTS`].
    #[test]
    fn own_calls() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut folders: Vec<_> =
            ["sys", "engine", "linux", "emu"].map(|c| root.join("crates").join(c)).into();
        for all in ["guests", "hosts"] {
            folders.extend(std::fs::read_dir(root.join(all)).unwrap().map(|e| e.unwrap().path()));
        }
        let mut files = 0;
        let this = std::path::Path::new(file!()).file_name().unwrap();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|e| e == "rs") && path.file_name() != Some(this) {
                    files += 1;
                    let text = std::fs::read_to_string(&path).unwrap();
                    for name in text.split("__NR_").skip(1) {
                        let end =
                            name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
                        let name = &name[..end];
                        if ROWS.iter().any(|row| row.name == name) && !GUESTS.contains(&name) {
                            let newer = OLDER.iter().map(|(_, newer)| newer);
                            let own =
                                OWN.iter().chain(FOR_OLD).chain(newer).any(|sys| sys.row().name == name);
                            assert!(own, "{}: {name}", path.display());
                        }
                    }
                }
            }
        }
        assert!(files > 50, "{files}");
    }
}

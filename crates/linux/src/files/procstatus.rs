//! What /proc tells about a process in numbers: status, stat, statm and limits without what is the
//! emulator's, and flags of descriptors in the guest's bits.
//!
//! The text is the kernel's; single fields are written anew. About the calling thread all of it is
//! right. Of other threads of the process, the blocked signals are the host's, in which the signals
//! that faults raise are never blocked, and the seccomp filters are taken to be the caller's. Of
//! other processes of the same emulator what lies in [`Account`] and [`Faults`] is read there, if
//! the caller has the right to; their seccomp filters are not seen.

use crate::files::procfs::getpid;
use crate::memory;
use crate::memory::space;
use crate::signal::{self, Faults};
use crate::task::Task;
use crate::task::peer;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use anyarch_sys::footprint::{self, Account, Limits};
use core::fmt::Write;

/// What differs from the host's view of a process or thread.
struct Seen {
    /// Bytes that are the emulator's: all, and private writable ones.
    own: [u64; 2],
    /// Dispositions of the signals of faults.
    faults: Faults,
    /// Of the calling thread: its mask, and signals of faults that are pending for it and for the
    /// process.
    signals: Option<(u64, u64, u64)>,
    /// Seccomp mode and number of filters, if they can be known.
    seccomp: Option<(u64, u64)>,
    /// Bytes of executable mappings, if they can be known.
    exec: Option<u64>,
}

/// `None`: not of this emulator, or not to be read.
fn seen(task: &Task, pid: i32, tid: Option<i32>) -> Option<Seen> {
    if pid != getpid() {
        let account: Account = peer::read(pid, footprint::account_address())?;
        let faults = peer::read(pid, signal::faults_address()).unwrap_or_default();
        return Some(Seen { own: account.own(), faults, signals: None, seccomp: None, exec: None });
    }
    let signals = (tid.unwrap_or(pid) == task.tid()).then(|| {
        let (thread, process) = task.pending_faults_by_target();
        (task.sigmask(), thread, process)
    });
    Some(Seen {
        own: footprint::mapped(),
        faults: signal::faults(task),
        signals,
        seccomp: Some(task.seccomp.summary()),
        exec: Some(memory::exec_ranges().iter().map(|r| r.1 - r.0).sum()),
    })
}

/// The guest's view of `name` of a process, from the host's text. `None`: the host's is right, or
/// nothing is known.
pub(crate) fn generated(
    task: &Task,
    pid: i32,
    tid: Option<i32>,
    name: &[u8],
    text: impl FnOnce() -> Option<Vec<u8>>,
) -> Option<String> {
    type View = fn(&Seen, &str) -> Option<String>;
    let view: View = match name {
        b"status" => status,
        b"stat" => stat,
        b"statm" => statm,
        b"limits" => return limits(pid, &String::from_utf8_lossy(&text()?)),
        _ => return None,
    };
    let seen = seen(task, pid, tid)?;
    // The name of a program may be any bytes; what is not text stays as it is by being split off.
    let text = text()?;
    if name == b"stat" {
        let end = text.iter().rposition(|&b| b == b')')? + 1;
        let rest = view(&seen, core::str::from_utf8(&text[end..]).ok()?)?;
        return Some(String::from_utf8_lossy(&text[..end]).into_owned() + &rest);
    }
    view(&seen, &String::from_utf8_lossy(&text))
}

impl Seen {
    /// The host's set of handled signals as the guest's: of faults those that it handles itself.
    fn caught(&self, host: u64) -> u64 {
        host & !signal::FAULT_SET | self.faults.caught
    }

    fn ignored(&self, host: u64) -> u64 {
        host & !signal::FAULT_SET | self.faults.ignored
    }
}

fn status(seen: &Seen, text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut code = 0;
    for line in text.lines() {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let set = || u64::from_str_radix(value.trim(), 16).unwrap_or(0);
        let kb = || value.trim().strip_suffix(" kB").and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
        let (blocked, thread, process) = seen.signals.unwrap_or_default();
        let new = match name {
            "SigPnd" => Ok(set() | thread),
            "ShdPnd" => Ok(set() | process),
            "SigBlk" if seen.signals.is_some() => Ok(blocked),
            "SigIgn" => Ok(seen.ignored(set())),
            "SigCgt" => Ok(seen.caught(set())),
            "VmPeak" | "VmSize" => Err(kb().saturating_sub(seen.own[0] >> 10)),
            "VmData" => Err(kb().saturating_sub(seen.own[1] >> 10)),
            "VmExe" => {
                code = kb();
                Err(code)
            }
            "VmLib" if let Some(exec) = seen.exec => Err((exec >> 10).saturating_sub(code)),
            "Seccomp" | "Seccomp_filters" if let Some((mode, filters)) = seen.seccomp => {
                let _ = writeln!(out, "{name}:\t{}", if name == "Seccomp" { mode } else { filters });
                continue;
            }
            _ => {
                let _ = writeln!(out, "{line}");
                continue;
            }
        };
        // Writing to a String cannot fail.
        let _ = match new {
            Ok(set) => writeln!(out, "{name}:\t{set:016x}"),
            Err(kb) => writeln!(out, "{name}:\t{kb:8} kB"),
        };
    }
    Some(out)
}

/// Changes fields of a line that is separated by blanks: `change` gets each field's index and
/// value, and returns the new one.
fn fields(line: &str, change: impl Fn(usize, u64) -> u64) -> String {
    let new = |(i, field): (usize, &str)| match field.parse() {
        Ok(value) => format!("{}", change(i, value)),
        Err(_) => String::from(field),
    };
    line.trim_end_matches('\n').split(' ').enumerate().map(new).collect::<Vec<_>>().join(" ") + "\n"
}

/// The rest of stat behind the name: fields are numbered from 1 in proc_pid_stat(5), of which the
/// first two are gone.
fn stat(seen: &Seen, rest: &str) -> Option<String> {
    // The kernel prints the lower half of the sets.
    const LOW: u64 = 0x7fff_ffff;
    Some(fields(rest, |i, value| match (i + 2, seen.signals) {
        (23, _) => value.saturating_sub(seen.own[0]),
        (31, Some((_, thread, process))) => (value | thread | process) & LOW,
        (32, Some((blocked, ..))) => blocked & LOW,
        (33, _) => seen.ignored(value) & LOW,
        (34, _) => seen.caught(value) & LOW,
        _ => value,
    }))
}

fn statm(seen: &Seen, text: &str) -> Option<String> {
    let pages = seen.own.map(|n| n / space::PAGE);
    Some(fields(text, |i, value| match i {
        0 => value.saturating_sub(pages[0]),
        5 => value.saturating_sub(pages[1]),
        _ => value,
    }))
}

fn limits(pid: i32, text: &str) -> Option<String> {
    let mut account: Account =
        if pid == getpid() { *footprint::account() } else { peer::read(pid, footprint::account_address())? };
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let row = ["Max address space", "Max data size"].iter().position(|name| line.starts_with(name));
        let new: Option<Limits> = row.and_then(|r| account.prlimit(pid, r, None).ok());
        let _ = match new {
            Some(limits) => {
                let [soft, hard] = limits.map(|limit| match limit {
                    footprint::INFINITY => String::from("unlimited"),
                    limit => format!("{limit}"),
                });
                writeln!(out, "{}{soft:<20} {hard:<20} {:<10}", &line[..26], "bytes")
            }
            None => writeln!(out, "{line}"),
        };
    }
    Some(out)
}

/// fdinfo with the flags in the guest's bits.
pub(crate) fn fdinfo(task: &Task, text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for line in String::from_utf8_lossy(text).lines() {
        let flags = line.strip_prefix("flags:\t").and_then(|f| u32::from_str_radix(f, 8).ok());
        let _ = match flags {
            Some(flags) => writeln!(out, "flags:\t0{:o}", task.abi.open_flags_from_host(flags)),
            None => writeln!(out, "{line}"),
        };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Seen {
        let faults = Faults { caught: 0x400, ignored: 0x10 };
        Seen {
            own: [1 << 20, 8192],
            faults,
            signals: Some((6, 0x80, 0)),
            seccomp: Some((2, 3)),
            exec: Some(9 << 10),
        }
    }

    #[test]
    fn status_of_the_guest() {
        let host = "Name:\ta: b\nVmPeak:\t    3060 kB\nVmData:\t     360 kB\nVmExe:\t       2 kB\nVmLib:\t      12 kB\n\
             SigPnd:\t0000000000000001\nSigBlk:\tfffffffffffffb27\nSigIgn:\t0000000000000001\nSigCgt:\t00000001000004d8\n\
             Seccomp:\t0\nSeccomp_filters:\t0\nThreads:\t1\n";
        let want = "Name:\ta: b\nVmPeak:\t    2036 kB\nVmData:\t     352 kB\nVmExe:\t       2 kB\nVmLib:\t       7 kB\n\
             SigPnd:\t0000000000000081\nSigBlk:\t0000000000000006\nSigIgn:\t0000000000000011\nSigCgt:\t0000000100000400\n\
             Seccomp:\t2\nSeccomp_filters:\t3\nThreads:\t1\n";
        assert_eq!(status(&example(), host).unwrap(), want);
    }

    #[test]
    fn numbers_in_lines() {
        let mut rest = String::new();
        for n in 3..=52 {
            rest += &if n == 3 { String::from(" R") } else { format!(" {}", n * 1_000_000) };
        }
        let got = stat(&example(), &(rest + "\n")).unwrap();
        let at = |n: usize| got.trim_end().split(' ').nth(n - 2).unwrap().parse::<u64>().unwrap();
        assert_eq!((at(22), at(23), at(32)), (22_000_000, 23_000_000 - (1 << 20), 6));
        assert_eq!(at(34), 34_000_000 & !signal::FAULT_SET | 0x400);
        assert!(got.ends_with("52000000\n"));
        assert_eq!(statm(&example(), "765 444 416 5 0 123 0\n").unwrap(), "509 444 416 5 0 121 0\n");
    }
}

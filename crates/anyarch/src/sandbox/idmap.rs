//! Which ids exist in a new user namespace.
//!
//! What the machine's root runs in a root file system gets a range of ids of its own: nothing of
//! the machine belongs to them, so what the machine lets its root write (the settings below
//! /proc/sys) is closed to whoever is root inside. The files keep their owners through an id-mapped
//! mount ([`crate::sandbox::mounts`]), or have the range's ids on disk, as an unpacked image.
//!
//! Where there is no such range, and in `anyarch with`, whose command works on the machine's files,
//! root maps every id it has onto itself, in two pieces: container engines take a map of one piece
//! from 0 to the end for the machine's first namespace, and then try what only its root may do
//! (device nodes, the devices cgroup). Others become root inside: their own id as 0 and, where
//! /etc/subuid gives them ranges and `newuidmap` is installed, those as 1 and up, so that a package
//! manager can change owners. Without it the one id must do.

use crate::failure::{Code, Failure, OrFail, Result};
use crate::sandbox::{fork, kill, no_user_namespace, pipe, read_exact, reap, unshare};
use rustix::fs::{Mode, OFlags};
use rustix::thread::UnshareFlags;
use std::fs;
use std::os::fd::OwnedFd;
use std::process::Command;

/// Ids of the machine that stand for 0 and up in a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The user that is root inside.
    pub uid: u32,
    /// The group that is root's inside.
    pub gid: u32,
    /// How many users and groups there are.
    pub count: u32,
}

impl Range {
    /// The machine's ids for those of the inside; `None` where one of them has none.
    pub fn outside(&self, uid: u32, gid: u32) -> Option<(u32, u32)> {
        (uid < self.count && gid < self.count).then(|| (self.uid + uid, self.gid + gid))
    }
}

/// How many ids a range has: those that distributions and images use.
const COUNT: u32 = 65536;
/// The last of the ids that systemd has for containers, which are given to no user (uapi-group.org,
/// "Users, Groups, UIDs and GIDs on systemd Systems").
const OWN_RANGE: u32 = 0x6fff_0000;

/// The range for what the machine's root runs: root's own of /etc/subuid and /etc/subgid, else one
/// that belongs to nobody. `None` for ordinary users, and where these ids do not exist, as in most
/// user namespaces.
pub(crate) fn range() -> Option<Range> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let first = |kind: &str| {
        let text = fs::read_to_string(format!("/etc/sub{kind}")).unwrap_or_default();
        let own = subids(&text, Some("root"), 0).into_iter().find(|(_, count)| *count >= COUNT.into());
        let start = own.map_or(OWN_RANGE, |(start, _)| start.try_into().unwrap_or(OWN_RANGE));
        let map = fs::read_to_string(format!("/proc/self/{kind}_map")).unwrap_or_default();
        contains(&map, start).then_some(start)
    };
    Some(Range { uid: first("uid")?, gid: first("gid")?, count: COUNT })
}

/// Whether a map of this namespace has all ids of the range that begins there; 0 is not to be among
/// them.
fn contains(map: &str, start: u32) -> bool {
    let line = |line: &str| {
        let mut fields = line.split_whitespace().map(str::parse::<u64>);
        let (inside, _, count) = (fields.next()?.ok()?, fields.next()?.ok()?, fields.next()?.ok()?);
        Some(inside <= start.into() && u64::from(start) + u64::from(COUNT) <= inside + count)
    };
    start > 0 && map.lines().filter_map(line).any(|fits| fits)
}

/// A user namespace with these ids, else with those that are usual for who we are; to be entered
/// with setns(2).
pub(crate) fn namespace(range: Option<Range>) -> Result<OwnedFd> {
    let (entered_read, entered_write) = pipe()?;
    let (done_read, done_write) = pipe()?;
    match fork()? {
        0 => {
            drop((entered_read, done_write));
            let errno = unshare(UnshareFlags::NEWUSER).err().map_or(0, |e| e.raw_os_error());
            let _ = rustix::io::write(&entered_write, &errno.to_ne_bytes());
            // The namespace lives in this process until the parent has opened it.
            read_exact(&done_read, &mut [0]);
            // SAFETY: ends the child without the parent's exit handlers.
            unsafe { libc::_exit(0) }
        }
        pid => {
            drop((entered_write, done_read));
            let mut word = [0; 4];
            let entered = read_exact(&entered_read, &mut word);
            let attempt = || {
                match i32::from_ne_bytes(word) {
                    0 if entered => {}
                    0 => {
                        return Err(Failure::new(
                            Code::NotStarted,
                            "the user namespace's process was killed",
                        ));
                    }
                    errno => return Err(no_user_namespace(rustix::io::Errno::from_raw_os_error(errno))),
                }
                match range {
                    Some(range) => {
                        put(pid, "uid_map", &format!("0 {} {}\n", range.uid, range.count))?;
                        put(pid, "gid_map", &format!("0 {} {}\n", range.gid, range.count))?;
                    }
                    None => write(pid)?,
                }
                let flags = OFlags::RDONLY | OFlags::CLOEXEC;
                rustix::fs::open(format!("/proc/{pid}/ns/user"), flags, Mode::empty())
                    .or_fail(Code::NotStarted, || "cannot open the user namespace".into())
            };
            let result = attempt();
            drop(done_write);
            if result.is_err() {
                kill(pid, libc::SIGKILL);
            }
            reap(pid);
            result
        }
    }
}

fn put(pid: i32, file: &str, text: &str) -> Result<()> {
    fs::write(format!("/proc/{pid}/{file}"), text)
        .or_fail(Code::NotStarted, || format!("cannot write the sandbox's {file}"))
}

/// Writes both maps of a process that waits in its new namespace.
pub(crate) fn write(pid: i32) -> Result<()> {
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    if rustix::process::geteuid().is_root() {
        for kind in ["uid_map", "gid_map"] {
            let map = identity(&fs::read_to_string(format!("/proc/self/{kind}")).unwrap_or_default());
            if fs::write(format!("/proc/{pid}/{kind}"), &map).is_err() {
                return single(pid, uid, gid);
            }
        }
        return Ok(());
    }
    match helpers(pid, uid, gid) {
        Ok(()) => Ok(()),
        Err(reason) => {
            detail!("{reason}: only one user and one group exist inside");
            single(pid, uid, gid)
        }
    }
}

/// Ids in the first of the two pieces of a whole map.
const FIRST_PIECE: u64 = 65536;

/// Every range that exists here, onto itself.
fn identity(map: &str) -> String {
    let line = |line: &str| {
        let mut fields = line.split_whitespace();
        let (inside, _, count) = (fields.next()?, fields.next()?, fields.next()?);
        Some(match count.parse::<u64>() {
            Ok(count @ 4_294_967_295) if inside == "0" => {
                format!("0 0 {FIRST_PIECE}\n{FIRST_PIECE} {FIRST_PIECE} {}\n", count - FIRST_PIECE)
            }
            _ => format!("{inside} {inside} {count}\n"),
        })
    };
    map.lines().filter_map(line).collect()
}

/// Our own ids as root, nothing else: needs no rights at all.
fn single(pid: i32, uid: u32, gid: u32) -> Result<()> {
    // The kernel wants setgroups given up before an unprivileged group map.
    let _ = fs::write(format!("/proc/{pid}/setgroups"), "deny");
    put(pid, "uid_map", &format!("0 {uid} 1\n"))?;
    put(pid, "gid_map", &format!("0 {gid} 1\n"))
}

/// With the setuid helpers of the uidmap package; the error says why that is not possible.
fn helpers(pid: i32, uid: u32, gid: u32) -> std::result::Result<(), String> {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = user_name(&passwd, uid);
    for (program, file, id) in [("newuidmap", "/etc/subuid", uid), ("newgidmap", "/etc/subgid", gid)] {
        let text = fs::read_to_string(file).map_err(|e| format!("{file}: {e}"))?;
        let ranges = subids(&text, name.as_deref(), uid);
        if ranges.is_empty() {
            return Err(format!("{file} has no range for this user"));
        }
        let mut command = Command::new(program);
        command.arg(pid.to_string()).args(["0", &id.to_string(), "1"]);
        let mut next = 1u64;
        for (start, count) in ranges {
            command.args([next.to_string(), start.to_string(), count.to_string()]);
            next += count;
        }
        let output = command.output().map_err(|e| format!("{program} (package uidmap): {e}"))?;
        if !output.status.success() {
            return Err(format!("{program} failed: {}", String::from_utf8_lossy(&output.stderr).trim()));
        }
    }
    Ok(())
}

fn user_name(passwd: &str, uid: u32) -> Option<String> {
    let line = passwd.lines().find(|l| l.split(':').nth(2) == Some(uid.to_string().as_str()))?;
    line.split(':').next().map(str::to_string)
}

/// Ranges of a user, by name or number.
fn subids(text: &str, name: Option<&str>, uid: u32) -> Vec<(u64, u64)> {
    let uid = uid.to_string();
    let line = |line: &str| {
        let mut fields = line.split(':');
        let owner = fields.next()?;
        let (start, count) = (fields.next()?.parse().ok()?, fields.next()?.trim().parse().ok()?);
        (Some(owner) == name || owner == uid).then_some((start, count))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_exists_or_not() {
        assert!(contains("         0          0 4294967295\n", OWN_RANGE));
        assert!(contains("0 1000 1\n1 100000 165536\n", 100_000));
        assert!(!contains("0 1000 1\n1 100000 65536\n", 100_000));
        assert!(!contains("0 0 4294967295\n", 0));
        let range = Range { uid: 100_000, gid: 200_000, count: 65536 };
        assert_eq!(range.outside(0, 5), Some((100_000, 200_005)));
        assert_eq!(range.outside(65536, 0), None);
    }

    #[test]
    fn maps_are_read() {
        assert_eq!(identity("         0          0 4294967295\n"), "0 0 65536\n65536 65536 4294901759\n");
        assert_eq!(identity("0 1000 1\n1 100000 65536\n"), "0 0 1\n1 1 65536\n");
        let subuid = "ann:100000:65536\nbob:165536:65536\n1001:5:6\n";
        assert_eq!(subids(subuid, Some("bob"), 1001), [(165536, 65536), (5, 6)]);
        assert_eq!(subids(subuid, None, 7), []);
        assert_eq!(
            user_name("root:x:0:0::/:/bin/sh\nann:x:1000:1000::/:/bin/sh\n", 1000).as_deref(),
            Some("ann")
        );
    }
}

//! Which ids exist in a new user namespace.
//!
//! Root maps every id it has onto itself, in two pieces: container engines take a map of one piece from 0 to the end for the
//! machine's first namespace, and then try what only its root may do (device nodes, the devices cgroup). Others become root inside: their own id as 0 and, where /etc/subuid gives them
//! ranges and `newuidmap` is installed, those as 1 and up, so that a package manager can change owners. Without it the
//! one id must do.

use crate::failure::{Code, OrFail, Result};
use crate::ui::detail;
use std::fs;
use std::process::Command;

/// Writes both maps of a process that waits in its new namespace.
pub fn write(pid: i32) -> Result<()> {
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
    let put = |file: &str, text: String| {
        fs::write(format!("/proc/{pid}/{file}"), text)
            .or_fail(Code::NotStarted, || format!("cannot write the sandbox's {file}"))
    };
    // The kernel wants setgroups given up before an unprivileged group map.
    let _ = fs::write(format!("/proc/{pid}/setgroups"), "deny");
    put("uid_map", format!("0 {uid} 1\n"))?;
    put("gid_map", format!("0 {gid} 1\n"))
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

//! Whether this is a container, or the machine itself.
//!
//! A container has namespaces of its own. The first pid namespace of a machine has a number that
//! never changes; its pid 1 has the machine's mounts. Everybody may read both, without rights.

use std::fs;
use std::path::Path;

/// PROC_PID_INIT_INO of linux/proc_ns.h, as /proc/PID/ns/pid shows it.
const MACHINES_PIDS: &str = "pid:[4026531836]";

/// Whether pids or mounts are others than the machine's.
pub(crate) fn is_inside() -> bool {
    is_inside_of(Path::new("/"))
}

/// The same for what lies below a root. What cannot be read there is taken for the machine's.
pub(crate) fn is_inside_of(root: &Path) -> bool {
    let pids = fs::read_link(root.join("proc/self/ns/pid")).ok();
    if pids.is_some_and(|pids| pids.as_os_str() != MACHINES_PIDS) {
        return true;
    }
    match (mounts_of(root, "self"), mounts_of(root, "1")) {
        (Some(ours), Some(theirs)) => ours != theirs,
        _ => false,
    }
}

/// What the mounts of a process begin with: the id of its first mount, which no two mount
/// namespaces share (proc_pid_mountinfo(5)).
fn mounts_of(root: &Path, process: &str) -> Option<String> {
    let text = fs::read_to_string(root.join("proc").join(process).join("mountinfo")).ok()?;
    Some(text.split(' ').next()?.to_string())
}

/// What made the container, as far as that has left its mark.
pub(crate) fn engine(root: &Path) -> Option<String> {
    let marks = [
        (".dockerenv", "docker"),
        ("run/.containerenv", "podman"),
        ("run/secrets/kubernetes.io", "Kubernetes"),
    ];
    if let Some((_, name)) = marks.iter().rev().find(|(path, _)| root.join(path).exists()) {
        return Some(name.to_string());
    }
    // systemd's interface of containers: the variable `container` of pid 1.
    let read = |path: &str| fs::read(root.join(path)).ok();
    let named = read("run/host/container-manager").or_else(|| {
        let environ = read("proc/1/environ")?;
        environ.split(|b| *b == 0).find_map(|v| v.strip_prefix(b"container=")).map(<[u8]>::to_vec)
    })?;
    Some(String::from_utf8_lossy(&named).trim().to_string()).filter(|name| !name.is_empty())
}

/// Whether this kernel removes entries with the last mount of their instance: Linux 6.7 and later.
pub(crate) fn forgets_entries() -> bool {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (6, 7)
}

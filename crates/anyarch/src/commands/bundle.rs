//! The configuration of an OCI runtime's bundle: what runc, crun and youki are told to run.

use crate::failure::{Code, Failure, Result};
use crate::sandbox::{CONTAINER_CAPABILITIES, Command, Volume};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::path::Path;

/// What the runtime is told beside the command.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings<'a> {
    /// The root's folder, relative to the bundle or absolute.
    pub root: std::path::PathBuf,
    /// Whether it is mounted read-only.
    pub read_only: bool,
    /// Whether the command gets a terminal.
    pub terminal: bool,
    /// Whether it keeps the network that the runtime sees.
    pub host_network: bool,
    /// Its host name.
    pub hostname: Option<&'a str>,
    /// Capabilities as bits; `None` for all.
    pub capabilities: Option<u64>,
    /// Further mounts.
    pub volumes: &'a [Volume],
    /// Whether the runtime makes a user namespace, in which this user is root.
    pub user_namespace: Option<(u32, u32)>,
}

/// The kernel's names, by bit.
const CAPABILITIES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// `config.json`.
pub(crate) fn config(command: &Command, settings: &Settings<'_>) -> Result<Value> {
    let capabilities: Vec<String> = CAPABILITIES
        .iter()
        .enumerate()
        .filter(|(bit, _)| settings.capabilities.unwrap_or(u64::MAX) & (1 << bit) != 0)
        .map(|(_, name)| format!("CAP_{name}"))
        .collect();
    let text = |words: &OsString| {
        let no_text =
            || Failure::new(Code::Usage, format!("{}: an OCI runtime takes UTF-8 only", words.display()));
        words.to_str().map(str::to_string).ok_or_else(no_text)
    };
    let args = command.args.iter().map(text).collect::<Result<Vec<_>>>()?;
    let pair = |(k, v): &(OsString, OsString)| Ok(format!("{}={}", text(k)?, text(v)?));
    let env = command.env.iter().map(pair).collect::<Result<Vec<_>>>()?;
    let mount = |to: &str, kind: &str, options: &[&str]| json!({ "destination": to, "type": kind, "source": kind, "options": options });
    let bind = |from: &Path, to: &Path, options: &[&str]| json!({ "destination": to, "type": "bind", "source": from, "options": options });
    let mut mounts = vec![
        mount("/proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount("/dev/pts", "devpts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]),
        mount("/dev/shm", "tmpfs", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
        mount("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
    ];
    let mut namespaces = vec!["pid", "ipc", "uts", "mount"];
    if settings.host_network {
        for file in ["/etc/resolv.conf", "/etc/hosts"].map(Path::new).into_iter().filter(|f| f.exists()) {
            mounts.push(bind(file, file, &["bind", "ro"]));
        }
        // A new sysfs would need a network of one's own.
        mounts.push(bind(
            Path::new("/sys"),
            Path::new("/sys"),
            &["rbind", "nosuid", "noexec", "nodev", "ro"],
        ));
    } else {
        namespaces.push("network");
        mounts.push(mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]));
    }
    for volume in settings.volumes {
        let access = if volume.read_only { "ro" } else { "rw" };
        mounts.push(bind(&volume.source, &volume.target, &["rbind", access]));
    }
    let mut linux = json!({});
    if let Some((uid, gid)) = settings.user_namespace {
        namespaces.push("user");
        let id = |host: u32| json!([{ "containerID": 0, "hostID": host, "size": 1 }]);
        linux = json!({ "uidMappings": id(uid), "gidMappings": id(gid) });
    }
    linux["namespaces"] = namespaces.iter().map(|n| json!({ "type": n })).collect();
    linux["maskedPaths"] = json!(crate::sandbox::mounts::MASKED);
    let mut read_only = crate::sandbox::mounts::READ_ONLY.to_vec();
    if settings.capabilities.is_some() {
        // The runtime has it writable, for its own container. Where ids cannot be mapped, all
        // groups of the machine's below ours would be open to root inside.
        read_only.push("/sys/fs/cgroup");
    }
    linux["readonlyPaths"] = json!(read_only);
    let mut value = json!({
        "ociVersion": "1.0.2",
        "process": {
            "terminal": settings.terminal,
            "user": { "uid": command.uid, "gid": command.gid, "additionalGids": command.groups },
            "args": args,
            "env": env,
            "cwd": command.cwd.as_deref().unwrap_or(Path::new("/")),
            "capabilities": { "bounding": capabilities, "effective": capabilities, "permitted": capabilities },
            "noNewPrivileges": false,
        },
        "root": { "path": settings.root, "readonly": settings.read_only },
        "hostname": settings.hostname.unwrap_or("anyarch"),
        "mounts": mounts,
        "linux": linux,
    });
    // runc looks at its own terminal, crun here.
    if let Ok(size) = rustix::termios::tcgetwinsize(std::io::stdin())
        && settings.terminal
    {
        value["process"]["consoleSize"] = json!({ "height": size.ws_row, "width": size.ws_col });
    }
    Ok(value)
}

/// What docker grants.
pub(crate) fn default_capabilities() -> Option<u64> {
    Some(CONTAINER_CAPABILITIES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_have_their_names() {
        let names = |capabilities| {
            let settings =
                Settings { root: "rootfs".into(), host_network: true, capabilities, ..Settings::default() };
            let value = config(&Command::default(), &settings).unwrap();
            let list = value["process"]["capabilities"]["bounding"].as_array().unwrap().clone();
            list.iter().map(|v| v.as_str().unwrap().to_string()).collect::<Vec<_>>()
        };
        // containerd's and docker's documented default.
        let mut docker: Vec<_> = "AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID SYS_CHROOT"
            .split(' ')
            .map(|n| format!("CAP_{n}"))
            .collect();
        let mut have = names(default_capabilities());
        docker.sort();
        have.sort();
        assert_eq!(have, docker);
        assert_eq!(names(None).len(), 41);
    }
}

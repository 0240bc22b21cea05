//! Runs a command in namespaces of its own, with a binfmt_misc of its own, without root where the kernel allows it.
//!
//! Since Linux 6.7 each user namespace can have its own binfmt_misc instance, which is what makes this possible: the
//! command's handlers are registered for it alone and vanish with it; the machine's are neither used nor touched.
//!
//! Four processes take part:
//!
//! ```text
//! anyarch     waits, writes the id maps, passes signals on, hands the exit status up
//!  └ middle   enters the new namespaces; exists because a new pid namespace begins with the next child
//!     └ init  pid 1: mounts, registers handlers, leaves the old root, starts the command, reaps
//!        └ command
//! ```
//!
//! What must stay true:
//! - No threads before `fork`: the children run ordinary Rust code.
//! - Each process dies with its parent, so that killing anyarch ends everything.
//! - Paths inside a root file system are never resolved from outside: a root with `proc -> /etc` must not make us mount
//!   or write on the host. All sources are opened as descriptors first; then the root is entered; only then are targets
//!   looked up, so that symbolic links lead nowhere but inside.
//! - Handlers are registered with F while the host's files are still visible, so that the root needs none of them.
//!
//! Where the kernel gives no instance of binfmt_misc (before Linux 6.7), anyarch's own emulator is opened in its place and
//! executed with the command; it then executes itself with every foreign program that the command starts.

use crate::failure::{Code, Failure, OrFail, Result, fail};
use crate::ui::detail;
use anyarch_binfmt::{Instance, Kernel, Rule};
use rustix::fs::{CWD, Gid, Mode, OFlags, Uid};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen, mount, mount_change,
    move_mount, open_tree, unmount,
};
use rustix::thread::UnshareFlags;
use serde_json::json;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// What the command sees.
#[derive(Clone, Debug, Default)]
pub struct Sandbox {
    /// Its root folder; `None` for the machine's own.
    pub root: Option<PathBuf>,
    /// Handlers to register for it.
    pub rules: Vec<Rule>,
    /// anyarch's own emulator, where it can start the command without a handler.
    pub emulator: Option<PathBuf>,
    /// Whether it does so although handlers could be registered.
    pub no_binfmt: bool,
    /// Whether it keeps the host's network.
    pub host_network: bool,
    /// Further mounts, in this order.
    pub volumes: Vec<Volume>,
    /// Its host name.
    pub hostname: Option<String>,
    /// Capabilities that the command keeps, as bits; `None` for all (of its user namespace).
    pub capabilities: Option<u64>,
    /// Whether the root is mounted read-only.
    pub read_only: bool,
    /// Whether a terminal is made for it.
    pub terminal: bool,
    /// With the machine's own root: whether the command is a container runtime, which gets pids and a /dev of its own.
    pub runtime: bool,
}

/// A folder or file of the host, seen at a place of the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// On the host.
    pub source: PathBuf,
    /// Inside.
    pub target: PathBuf,
    /// Whether it can only be read.
    pub read_only: bool,
}

/// The command.
#[derive(Clone, Debug, Default)]
pub struct Command {
    /// Program and arguments.
    pub args: Vec<String>,
    /// Environment, whole.
    pub env: Vec<(String, String)>,
    /// Where it starts.
    pub cwd: Option<PathBuf>,
    /// As whom, in the ids of the sandbox.
    pub uid: u32,
    /// As whom.
    pub gid: u32,
    /// Further groups.
    pub groups: Vec<u32>,
}

/// Docker's default set: chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap, net_bind_service, net_raw,
/// sys_chroot, mknod, audit_write, setfcap.
pub const CONTAINER_CAPABILITIES: u64 = {
    let bits = [0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31];
    let (mut set, mut i) = (0u64, 0);
    while i < bits.len() {
        set |= 1 << bits[i];
        i += 1;
    }
    set
};

/// Runs the command and returns its exit code, 128 + N where signal N ended it.
pub fn run(sandbox: &Sandbox, command: &Command) -> Result<u8> {
    if command.args.is_empty() {
        fail!(Code::Usage, "no command was given");
    }
    // Signals that are to reach the command are blocked in all of our processes and read where they are handled.
    let original = block_signals();
    let nodes = if sandbox.root.is_some() || sandbox.runtime { own_nodes() } else { None };
    let (report_read, report_write) = pipe()?;
    let (ready_read, ready_write) = pipe()?;
    let (mapped_read, mapped_write) = pipe()?;
    let terminal = if sandbox.terminal { Some(crate::terminal::channel()?) } else { None };
    match fork()? {
        0 => {
            drop((report_read, ready_read, mapped_write));
            let (_, theirs) = terminal.unzip();
            let ends = Ends {
                report: report_write,
                ready: ready_write,
                mapped: mapped_read,
                terminal: theirs,
                nodes,
            };
            let outcome = middle(sandbox, command, &ends, &original);
            leave(&ends.report, outcome)
        }
        middle_pid => {
            drop((report_write, ready_write, mapped_read, nodes));
            let (ours, _) = terminal.unzip();
            let result = watch(
                middle_pid,
                Watch { report: report_read, ready: ready_read, mapped: mapped_write, terminal: ours },
            );
            set_signals(&original);
            result
        }
    }
}

/// The child's ends of the pipes.
struct Ends {
    report: OwnedFd,
    ready: OwnedFd,
    mapped: OwnedFd,
    terminal: Option<OwnedFd>,
    nodes: Option<OwnedFd>,
}

/// The parent's.
struct Watch {
    report: OwnedFd,
    ready: OwnedFd,
    mapped: OwnedFd,
    terminal: Option<OwnedFd>,
}

/// Does something with the ids that [`run`] will map, so that files get the owners they have inside. Root needs no
/// namespace for that.
pub fn with_mapped_ids(work: impl FnOnce() -> Result<()>) -> Result<()> {
    if rustix::process::geteuid().is_root() {
        return work();
    }
    let (report_read, report_write) = pipe()?;
    let (ready_read, ready_write) = pipe()?;
    let (mapped_read, mapped_write) = pipe()?;
    match fork()? {
        0 => {
            drop((report_read, ready_read, mapped_write));
            let attempt = || -> Result<()> {
                die_with_parent();
                unshare(UnshareFlags::NEWUSER).map_err(no_user_namespace)?;
                let _ = rustix::io::write(&ready_write, b"user");
                if !read_exact(&mapped_read, &mut [0]) {
                    std::process::exit(125);
                }
                set_ids(0, 0, None)?;
                die_with_parent();
                work()
            };
            match attempt() {
                // SAFETY: ends the child without the parent's exit handlers.
                Ok(()) => unsafe { libc::_exit(0) },
                Err(failure) => leave(&report_write, failure),
            }
        }
        pid => {
            drop((report_write, ready_write, mapped_read));
            if read_exact(&ready_read, &mut [0; 4]) {
                if let Err(failure) = crate::idmap::write(pid) {
                    kill(pid, libc::SIGKILL);
                    reap(pid);
                    return Err(failure);
                }
                let _ = rustix::io::write(&mapped_write, b"m");
            }
            drop(mapped_write);
            let mut text = String::new();
            let _ = File::from(report_read).read_to_string(&mut text);
            let mut status = 0;
            // SAFETY: waitpid writes one int.
            unsafe { libc::waitpid(pid, &mut status, 0) };
            match (status, text.is_empty()) {
                (0, true) => Ok(()),
                (_, true) => Err(Failure::new(
                    Code::Failed,
                    "the process that handles files with mapped ids was killed",
                )),
                _ => read_report(&text).map(drop),
            }
        }
    }
}

// ---- parent ---------------------------------------------------------------------------------------------------------

/// Maps ids, passes signals on, waits.
fn watch(middle: i32, ends: Watch) -> Result<u8> {
    let mut word = [0; 4];
    // End of file instead of a word: the child failed and its report says why.
    let entered = read_exact(&ends.ready, &mut word);
    if entered {
        if let Err(failure) = crate::idmap::write(middle) {
            kill(middle, libc::SIGKILL);
            reap(middle);
            return Err(failure);
        }
        let _ = rustix::io::write(&ends.mapped, b"m");
    }
    drop(ends.mapped);
    let init = if read_exact(&ends.ready, &mut word) { i32::from_ne_bytes(word) } else { 0 };
    let relay = ends.terminal.and_then(crate::terminal::Relay::receive);
    loop {
        let signal = match &relay {
            Some(relay) => relay.wait(),
            None => wait_signal(),
        };
        match signal {
            Some(info) if info.number == libc::SIGCHLD && reap_if_done(middle) => {
                break;
            }
            // What the terminal sends reaches the command by itself: it is in the same foreground group.
            Some(info)
                if init > 0 && (info.by_process || (info.number == libc::SIGWINCH && relay.is_some())) =>
            {
                if let Some(relay) = relay.as_ref().filter(|_| info.number == libc::SIGWINCH) {
                    relay.resize();
                }
                kill(init, info.number);
            }
            _ => {}
        }
    }
    drop(relay);
    let mut text = String::new();
    let _ = File::from(ends.report).read_to_string(&mut text);
    read_report(&text)
}

/// The report is one JSON value: a status or a failure.
fn read_report(text: &str) -> Result<u8> {
    let value: serde_json::Value = serde_json::from_str(text)
        .map_err(|_| Failure::new(Code::NotStarted, "the sandbox was killed before its command ended"))?;
    if let Some(status) = value["status"].as_u64() {
        return Ok(status as u8);
    }
    let code = match value["code"].as_u64() {
        Some(126) => Code::NotExecutable,
        Some(127) => Code::NotFound,
        Some(9) => Code::Image,
        Some(1) => Code::Failed,
        _ => Code::NotStarted,
    };
    let what = value["what"].as_str().unwrap_or("the sandbox failed").to_string();
    Err(Failure { code, what, mend: value["mend"].as_str().map(str::to_string) })
}

// ---- middle ---------------------------------------------------------------------------------------------------------

/// Enters the namespaces and waits for pid 1. Returns only with a failure.
fn middle(sandbox: &Sandbox, command: &Command, ends: &Ends, original: &libc::sigset_t) -> Failure {
    let attempt = || -> Result<()> {
        die_with_parent();
        let mut namespaces = UnshareFlags::NEWUSER | UnshareFlags::NEWNS;
        if sandbox.root.is_some() {
            namespaces |= UnshareFlags::NEWPID | UnshareFlags::NEWUTS | UnshareFlags::NEWIPC;
        }
        if sandbox.runtime {
            namespaces |= UnshareFlags::NEWPID | UnshareFlags::NEWCGROUP;
        }
        if !sandbox.host_network {
            namespaces |= UnshareFlags::NEWNET;
        }
        unshare(namespaces).map_err(no_user_namespace)?;
        let _ = rustix::io::write(&ends.ready, b"user");
        let mut byte = [0];
        if !read_exact(&ends.mapped, &mut byte) {
            // The parent prints its own failure.
            std::process::exit(125);
        }
        // Ids of the new namespace from here on; the change of ids cleared the death signal.
        set_ids(0, 0, None)?;
        die_with_parent();
        match fork()? {
            0 => {
                die_with_parent();
                let failure = init(sandbox, command, ends, original).err();
                leave(
                    &ends.report,
                    failure.unwrap_or_else(|| Failure::new(Code::NotStarted, "the command was not started")),
                )
            }
            pid => {
                let _ = rustix::io::write(&ends.ready, &pid.to_ne_bytes());
                reap(pid);
                std::process::exit(0)
            }
        }
    };
    attempt().err().unwrap_or_else(|| Failure::new(Code::NotStarted, "the sandbox was not entered"))
}

fn no_user_namespace(error: rustix::io::Errno) -> Failure {
    use rustix::io::Errno;
    let failure = Failure::new(Code::NotStarted, format!("cannot make a user namespace: {error}"));
    match error {
        Errno::NOSPC => failure.mend("sudo sysctl -w user.max_user_namespaces=15000"),
        Errno::PERM | Errno::ACCESS => failure.mend(
            "allow them: sudo sysctl -w kernel.unprivileged_userns_clone=1 (Debian, older), \
             sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu); in a container: start it with \
             --security-opt seccomp=unconfined",
        ),
        Errno::INVAL => failure.mend("use a kernel built with CONFIG_USER_NS"),
        _ => failure,
    }
}

// ---- init -----------------------------------------------------------------------------------------------------------

/// Builds what the command sees, starts it and reaps. Does not return except with a failure.
fn init(sandbox: &Sandbox, command: &Command, ends: &Ends, original: &libc::sigset_t) -> Result<()> {
    // Nothing mounted here reaches the host.
    mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE)
        .or_fail(Code::NotStarted, || "cannot make mounts private".into())?;
    let emulator = match &sandbox.root {
        Some(root) => enter_root(sandbox, root, ends.nodes.as_ref())?,
        None => {
            if sandbox.runtime {
                // Its pids; the machine's proc below stays, so that the kernel lets containers mount theirs.
                mount_proc(Path::new("/"))?;
                // Cgroups of version 2 alone: crun refuses a machine that has both. Where that cannot be, so it stays.
                let _ = mount(
                    "cgroup2",
                    "/sys/fs/cgroup",
                    "cgroup2",
                    MountFlags::NOSUID | MountFlags::NODEV,
                    None,
                );
                if let Some(nodes) = &ends.nodes {
                    mount_dev(Some(nodes))?;
                }
            }
            make_handlers(sandbox)?
        }
    };
    if !sandbox.host_network {
        loopback_up();
    }
    if let Some(name) = sandbox.hostname.as_deref().filter(|_| sandbox.root.is_some()) {
        rustix::system::sethostname(name.as_bytes())
            .or_fail(Code::NotStarted, || format!("cannot set the host name {name}"))?;
    }
    let terminal = match &ends.terminal {
        Some(channel) => Some(crate::terminal::open_inside(channel)?),
        None => None,
    };
    let (failed_read, failed_write) = pipe()?;
    match fork()? {
        0 => {
            drop(failed_read);
            set_signals(original);
            let failure = start(sandbox, command, terminal, emulator).err();
            leave(
                &failed_write,
                failure.unwrap_or_else(|| Failure::new(Code::NotStarted, "the command was not started")),
            )
        }
        pid => {
            drop((failed_write, terminal, emulator));
            let status = supervise(pid);
            let mut text = String::new();
            let _ = File::from(failed_read).read_to_string(&mut text);
            if text.is_empty() {
                text = json!({ "status": status }).to_string();
            }
            let _ = rustix::io::write(&ends.report, text.as_bytes());
            std::process::exit(0)
        }
    }
}

/// Mounts an instance of this user namespace over the usual place and registers the rules; or opens the emulator that
/// does without, while the host's files can be seen.
///
/// The mount stays: the last one to go takes all entries along.
fn make_handlers(sandbox: &Sandbox) -> Result<Option<OwnedFd>> {
    let dir = anyarch_binfmt::instance::DEFAULT_DIR;
    if !sandbox.no_binfmt {
        let hardened = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        match mount("binfmt_misc", dir, "binfmt_misc", hardened, None) {
            Ok(()) => return register_rules(&sandbox.rules, dir).map(|()| None),
            Err(error) if sandbox.emulator.is_none() => return Err(no_instance(error)),
            Err(error) => detail!("no binfmt_misc of its own ({error}): the emulator starts what runs"),
        }
    }
    let Some(path) = &sandbox.emulator else { return Ok(None) };
    rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .or_fail(Code::NotStarted, || format!("cannot open {}", path.display()))
        .map(Some)
}

fn no_instance(error: rustix::io::Errno) -> Failure {
    let failure = Failure::new(Code::NotStarted, format!("cannot mount a binfmt_misc of its own: {error}"));
    match error {
        rustix::io::Errno::PERM => {
            failure.mend("use Linux 6.7 or later (see uname -r), or as root: anyarch register, then chroot")
        }
        rustix::io::Errno::NODEV => failure.mend("sudo modprobe binfmt_misc"),
        rustix::io::Errno::NOENT => failure.mend("mount proc on /proc"),
        _ => failure,
    }
}

fn register_rules(rules: &[Rule], dir: &str) -> Result<()> {
    let mut instance =
        Instance::open(dir).map_err(|e| started(crate::register::explain(e, Path::new(dir))))?;
    for rule in rules {
        detail!("registering {} {} {}", rule.name, rule.interpreter, rule.flags);
        instance.register(rule).map_err(|e| started(crate::register::explain(e, Path::new(dir))))?;
    }
    Ok(())
}

fn started(failure: Failure) -> Failure {
    Failure { code: Code::NotStarted, ..failure }
}

/// A mount detached from every tree, to be put at its place once the root is entered.
struct Detached {
    tree: OwnedFd,
    target: PathBuf,
    is_dir: bool,
    read_only: bool,
    recursive: bool,
}

fn detach(source: &Path, target: impl Into<PathBuf>, read_only: bool, recursive: bool) -> Result<Detached> {
    let what = || format!("cannot mount {}", source.display());
    let meta = std::fs::metadata(source).or_fail(Code::NotStarted, what)?;
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    let tree = open_tree(CWD, source, flags).or_fail(Code::NotStarted, what)?;
    Ok(Detached { tree, target: target.into(), is_dir: meta.is_dir(), read_only, recursive })
}

/// The devices that every program may expect, with their numbers; those that runc makes.
const DEVICES: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

/// A /dev with nodes of its own, not mounted anywhere yet. The kernel lets only the machine's root make some, so this is done
/// before the user namespace is entered; `None` where we are not that root. Then the machine's nodes must be shown, whose
/// owner is not the user, read-only all the same: somebody who is root here and there could change their modes.
fn own_nodes() -> Option<OwnedFd> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let attempt = || -> rustix::io::Result<OwnedFd> {
        let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_set_string(&context, "mode", "755")?;
        fsconfig_set_string(&context, "size", "65536k")?;
        fsconfig_create(&context)?;
        let dev = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::MOUNT_ATTR_NOSUID)?;
        for (name, major, minor) in DEVICES {
            let mode = Mode::from_raw_mode(0o666);
            let number = rustix::fs::makedev(major, minor);
            rustix::fs::mknodat(&dev, name, rustix::fs::FileType::CharacterDevice, mode, number)?;
            // What the umask took.
            rustix::fs::chmodat(&dev, name, mode, rustix::fs::AtFlags::empty())?;
        }
        Ok(dev)
    };
    attempt().inspect_err(|e| detail!("no device nodes can be made here ({e}): the machine's are shown")).ok()
}

/// Makes `root` the root, with /proc, /sys, /dev, the network's files and the volumes in place. The emulator is returned
/// where it must start the command.
fn enter_root(sandbox: &Sandbox, root: &Path, nodes: Option<&OwnedFd>) -> Result<Option<OwnedFd>> {
    let what = || format!("cannot use {} as root", root.display());
    // The root must be a mount of its own.
    mount(root, root, c"", MountFlags::BIND | MountFlags::REC, None).or_fail(Code::NotStarted, what)?;
    let root_fd = open_dir(root).or_fail(Code::NotStarted, what)?;
    // Registered while the emulators' files can be seen.
    let emulator = make_handlers(sandbox)?;
    let mut later = Vec::new();
    if nodes.is_none() {
        for (device, ..) in DEVICES {
            // A node on a read-only mount can be written to, but its mode and owner cannot be changed.
            let path = Path::new("/dev").join(device);
            later.push(detach(&path, &path, true, false)?);
        }
    }
    if sandbox.host_network {
        later.push(detach(Path::new("/sys"), "/sys", true, true)?);
        for file in ["/etc/resolv.conf", "/etc/hosts"] {
            if Path::new(file).exists() {
                later.push(detach(Path::new(file), file, true, false)?);
            }
        }
    }
    for volume in &sandbox.volumes {
        later.push(detach(&volume.source, &volume.target, volume.read_only, true)?);
    }
    // The old root stays mounted over the new one until the end: the kernel lets a user namespace mount proc only
    // where another, unobstructed proc can be seen.
    rustix::process::fchdir(&root_fd).or_fail(Code::NotStarted, what)?;
    rustix::process::pivot_root(".", ".").or_fail(Code::NotStarted, what)?;
    mount_proc(root)?;
    let hardened = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    // The same instance as before, since it belongs to the user namespace.
    if emulator.is_none() {
        mount("binfmt_misc", "/proc/sys/fs/binfmt_misc", "binfmt_misc", hardened, None)
            .or_fail(Code::NotStarted, || "cannot mount binfmt_misc inside".into())?;
    }
    if !sandbox.host_network {
        make_dir("/sys")?;
        // Not worth a failure: few programs look at it.
        let _ = mount("sysfs", "/sys", "sysfs", hardened | MountFlags::RDONLY, None);
    }
    mount_dev(nodes)?;
    for item in later {
        attach(&item)?;
    }
    // The working directory is still the old root.
    unmount(".", UnmountFlags::DETACH).or_fail(Code::NotStarted, || "cannot leave the old root".into())?;
    rustix::process::chdir("/").or_fail(Code::NotStarted, what)?;
    if sandbox.read_only {
        set_read_only(&open_dir(Path::new("/")).or_fail(Code::NotStarted, what)?, false)
            .or_fail(Code::NotStarted, || "cannot make the root read-only".into())?;
    }
    Ok(emulator)
}

/// The proc of this pid namespace on /proc; `root` is what /proc is in, for the message.
fn mount_proc(root: &Path) -> Result<()> {
    let hardened = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    make_dir("/proc")?;
    mount("proc", "/proc", "proc", hardened, None).map_err(|error| {
        Failure::new(Code::NotStarted, format!("cannot mount proc in {}: {error}", root.display()))
            .mend("in a container, start it with --security-opt systempaths=unconfined: parts of its /proc are covered")
    })
}

/// Everything of /dev but the nodes where `nodes` has none.
fn mount_dev(nodes: Option<&OwnedFd>) -> Result<()> {
    let hardened = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let what = || "cannot mount /dev".to_string();
    make_dir("/dev")?;
    match nodes {
        Some(nodes) => {
            let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_SYMLINKS;
            move_mount(nodes, c"", CWD, "/dev", flags).or_fail(Code::NotStarted, what)?;
        }
        None => mount("tmpfs", "/dev", "tmpfs", MountFlags::NOSUID, c"mode=755,size=65536k")
            .or_fail(Code::NotStarted, what)?,
    }
    for (dir, kind, data) in [
        ("/dev/pts", "devpts", c"newinstance,ptmxmode=0666,mode=0620"),
        ("/dev/shm", "tmpfs", c"mode=1777,size=65536k"),
    ] {
        make_dir(dir)?;
        let _ = std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755));
        mount(kind, dir, kind, MountFlags::NOSUID | MountFlags::NOEXEC, data)
            .or_fail(Code::NotStarted, || format!("cannot mount {dir}"))?;
    }
    make_dir("/dev/mqueue")?;
    let _ = mount("mqueue", "/dev/mqueue", "mqueue", hardened, None);
    for (link, to) in [
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        symlink(to, Path::new("/dev").join(link))
            .or_fail(Code::NotStarted, || format!("cannot make /dev/{link}"))?;
    }
    Ok(())
}

fn open_dir(path: &Path) -> rustix::io::Result<OwnedFd> {
    rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// Inside the root: creates a folder unless it is there. A link to itself, which debootstrap leaves as /proc, leads
/// nowhere for anybody and is replaced.
fn make_dir(path: &str) -> Result<()> {
    let target = Path::new(path);
    if std::fs::read_link(target).is_ok_and(|to| to == target) {
        detail!("{path} is a link to itself: replaced by a folder");
        let _ = std::fs::remove_file(target);
    }
    match std::fs::create_dir_all(path) {
        Ok(()) => Ok(()),
        Err(_) if target.is_dir() => Ok(()),
        Err(error) => Err(Failure::new(
            Code::NotStarted,
            format!("the root has no folder {path} and it cannot be made: {error}"),
        )),
    }
}

/// Puts a detached mount at its place inside the root, which is made where it is missing.
fn attach(item: &Detached) -> Result<()> {
    let target = &item.target;
    let optional = target.starts_with("/etc");
    if std::fs::metadata(target).is_err() {
        let made = if item.is_dir {
            std::fs::create_dir_all(target)
        } else {
            target
                .parent()
                .map_or(Ok(()), std::fs::create_dir_all)
                .and_then(|()| File::create(target).map(drop))
        };
        match made {
            Err(_) if optional => return Ok(()),
            other => other.or_fail(Code::NotStarted, || {
                format!("cannot make the place {} inside the root", target.display())
            })?,
        }
    }
    let what = || format!("cannot mount on {}", target.display());
    // move_mount does not follow a final symbolic link by itself; resolv.conf often is one.
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_SYMLINKS;
    move_mount(&item.tree, c"", CWD, target.as_path(), flags).or_fail(Code::NotStarted, what)?;
    if item.read_only {
        let placed = rustix::fs::open(target.as_path(), OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
            .or_fail(Code::NotStarted, what)?;
        set_read_only(&placed, item.recursive).or_fail(Code::NotStarted, what)?;
    }
    Ok(())
}

/// mount_setattr(2): read-only, with everything below where asked for. Linux 5.12.
fn set_read_only(mount_point: impl AsFd, recursive: bool) -> std::io::Result<()> {
    #[repr(C)]
    struct MountAttr {
        attr_set: u64,
        attr_clr: u64,
        propagation: u64,
        userns_fd: u64,
    }
    const MOUNT_ATTR_RDONLY: u64 = 1;
    let attr = MountAttr { attr_set: MOUNT_ATTR_RDONLY, attr_clr: 0, propagation: 0, userns_fd: 0 };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    let fd = std::os::fd::AsRawFd::as_raw_fd(&mount_point.as_fd());
    // SAFETY: the path is an empty C string, the structure is the kernel's first version and outlives the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            fd,
            c"".as_ptr(),
            flags,
            &raw const attr,
            size_of::<MountAttr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// Brings the loopback interface of a new network namespace up; without it not even localhost answers.
fn loopback_up() {
    // SAFETY: plain system calls on a socket of our own; ifreq is zeroed and its name ends in zeros.
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        if socket < 0 {
            return;
        }
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = b'l' as libc::c_char;
        request.ifr_name[1] = b'o' as libc::c_char;
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        libc::ioctl(socket, libc::SIOCSIFFLAGS, &request);
        libc::close(socket);
    }
}

/// Waits for the command, passes signals on to it, and buries whatever else pid 1 inherits.
fn supervise(command: i32) -> u8 {
    loop {
        let Some(info) = wait_signal() else { continue };
        if info.number != libc::SIGCHLD {
            kill(command, info.number);
            continue;
        }
        loop {
            let mut status = 0;
            // SAFETY: waitpid writes one int.
            let pid = unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG) };
            if pid <= 0 {
                break;
            }
            if pid == command {
                return exit_code(status);
            }
        }
    }
}

fn exit_code(status: i32) -> u8 {
    if libc::WIFSIGNALED(status) {
        128u8.wrapping_add(libc::WTERMSIG(status) as u8)
    } else {
        libc::WEXITSTATUS(status) as u8
    }
}

// ---- command --------------------------------------------------------------------------------------------------------

/// Becomes the command. Returns only with a failure.
fn start(
    sandbox: &Sandbox,
    command: &Command,
    terminal: Option<OwnedFd>,
    emulator: Option<OwnedFd>,
) -> Result<()> {
    if let Some(terminal) = terminal {
        crate::terminal::take(&terminal)?;
    }
    if sandbox.root.is_some() {
        // Descriptors of the caller's are no business of what runs inside.
        // SAFETY: they are only marked to be closed by execve.
        unsafe { libc::close_range(3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC as i32) };
    }
    if let Some(cwd) = &command.cwd
        && rustix::process::chdir(cwd.as_path()).is_err()
    {
        // As docker does: a working directory of an image is made.
        let made = std::fs::create_dir_all(cwd);
        made.and_then(|()| std::env::set_current_dir(cwd))
            .or_fail(Code::NotStarted, || format!("cannot start in {}", cwd.display()))?;
    }
    if let Some(keep) = sandbox.capabilities {
        drop_bounding(keep);
    }
    if command.uid != 0 || command.gid != 0 || !command.groups.is_empty() {
        set_ids(command.uid, command.gid, Some(&command.groups))?;
    }
    if let Some(keep) = sandbox.capabilities.filter(|_| command.uid == 0) {
        restrict_capabilities(keep);
    }
    // SAFETY: restores the default action; Rust's runtime ignores SIGPIPE, which programs do not expect.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    Err(exec(command, emulator.as_ref()))
}

/// execve, with the search of PATH that a shell would make. Returns why none could be executed.
fn exec(command: &Command, emulator: Option<&OwnedFd>) -> Failure {
    let c = |s: &str| CString::new(s.replace('\0', "")).unwrap_or_default();
    let args: Vec<CString> = command.args.iter().map(|a| c(a)).collect();
    let env: Vec<CString> = command.env.iter().map(|(k, v)| c(&format!("{k}={v}"))).collect();
    let name = command.args[0].as_str();
    let path = command
        .env
        .iter()
        .find(|(k, _)| k == "PATH")
        .map_or("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", |(_, v)| v.as_str());
    let candidates: Vec<PathBuf> = if name.contains('/') {
        vec![name.into()]
    } else {
        path.split(':').map(|d| Path::new(if d.is_empty() { "." } else { d }).join(name)).collect()
    };
    let mut worst = libc::ENOENT;
    let mut tried = PathBuf::from(name);
    for candidate in candidates {
        let file = CString::new(candidate.as_os_str().as_bytes()).unwrap_or_default();
        let error = match (execve(&file, &args, &env), emulator) {
            // No handler: the emulator, with the file's path and the argv[0] that it is to see.
            (libc::ENOEXEC, Some(emulator)) => {
                let mut words =
                    vec![c(anyarch_binfmt::entry::EMULATOR), c("-0"), args[0].clone(), c("--"), file];
                words.extend_from_slice(&args[1..]);
                execveat(emulator, &words, &env)
            }
            (error, _) => error,
        };
        if error != libc::ENOENT && error != libc::ENOTDIR {
            (worst, tried) = (error, candidate);
            if error != libc::EACCES {
                break;
            }
        } else if candidate.exists() {
            // The file is there: what is missing is its interpreter or loader.
            return missing_loader(&candidate);
        }
    }
    match worst {
        libc::ENOENT if name.contains('/') => {
            Failure::new(Code::NotFound, format!("{name}: no such file in the root"))
        }
        libc::ENOENT => {
            Failure::new(Code::NotFound, format!("{name}: no such command in the root (PATH is {path})"))
        }
        libc::ENOEXEC => Failure::new(
            Code::NotExecutable,
            format!("{}: {}", tried.display(), crate::explain::why_not_executable(&tried)),
        ),
        libc::EACCES => {
            Failure::new(Code::NotExecutable, format!("{}: no permission to execute it", tried.display()))
        }
        other => Failure::new(
            Code::NotExecutable,
            format!("{}: {}", tried.display(), std::io::Error::from_raw_os_error(other)),
        ),
    }
}

fn missing_loader(file: &Path) -> Failure {
    let loader = crate::elf::Elf::open(file).ok().flatten().and_then(|e| e.interpreter);
    let script = || {
        let mut first = [0; 256];
        let n = File::open(file).and_then(|mut f| f.read(&mut first)).unwrap_or(0);
        let line = String::from_utf8_lossy(&first[..n]).lines().next().unwrap_or("").to_string();
        line.strip_prefix("#!").map(|l| l.split_whitespace().next().unwrap_or("").to_string())
    };
    let what = match (loader, script()) {
        (Some(loader), _) if !Path::new(&loader).exists() => {
            format!("{}: its loader {loader} is not in the root", file.display())
        }
        (None, Some(interpreter)) => {
            format!("{}: its interpreter {interpreter} is not in the root", file.display())
        }
        _ => format!("{}: the handler of its architecture cannot be started", file.display()),
    };
    Failure::new(Code::NotFound, what)
}

/// The errno of a failed execveat of an open file.
fn execveat(file: &OwnedFd, args: &[CString], env: &[CString]) -> i32 {
    let (args, env) = (pointers(args), pointers(env));
    let (fd, path) = (std::os::fd::AsRawFd::as_raw_fd(file), c"".as_ptr());
    // SAFETY: both lists end in null and their strings outlive the call.
    unsafe { libc::syscall(libc::SYS_execveat, fd, path, args.as_ptr(), env.as_ptr(), libc::AT_EMPTY_PATH) };
    std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

/// Null-terminated, as the kernel wants lists.
fn pointers(list: &[CString]) -> Vec<*const libc::c_char> {
    list.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect()
}

/// The errno of a failed execve.
fn execve(file: &CStr, args: &[CString], env: &[CString]) -> i32 {
    let (args, env) = (pointers(args), pointers(env));
    // SAFETY: both lists end in null and their strings outlive the call.
    unsafe { libc::execve(file.as_ptr(), args.as_ptr(), env.as_ptr()) };
    std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

/// Removes every capability outside `keep` from the bounding set, while we still may.
fn drop_bounding(keep: u64) {
    for bit in (0..64).filter(|b| keep & (1 << b) == 0) {
        // SAFETY: a plain system call; unknown bits answer EINVAL.
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, bit as libc::c_ulong, 0, 0, 0) };
    }
}

/// Restricts the sets of this process: execve as uid 0 refills them from the bounding set, so that is what counts.
fn restrict_capabilities(keep: u64) {
    // SAFETY: header and data are version 3 of the kernel's structures and outlive the call.
    unsafe {
        let header: [u32; 2] = [0x2008_0522, 0];
        let (low, high) = (keep as u32, (keep >> 32) as u32);
        let data: [[u32; 3]; 2] = [[low, low, 0], [high, high, 0]];
        libc::syscall(libc::SYS_capset, header.as_ptr(), data.as_ptr());
    }
}

// ---- small things ---------------------------------------------------------------------------------------------------

/// Ends a child with a report for the parent.
fn leave(report: &OwnedFd, failure: Failure) -> ! {
    let text = json!({ "code": failure.code as u8, "what": failure.what, "mend": failure.mend }).to_string();
    let _ = rustix::io::write(report, text.as_bytes());
    // SAFETY: ends the process without running the parent's exit handlers.
    unsafe { libc::_exit(125) }
}

fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .or_fail(Code::NotStarted, || "cannot make a pipe".into())
}

/// Reads until the buffer is full; false at end of file.
fn read_exact(fd: &OwnedFd, buffer: &mut [u8]) -> bool {
    let mut have = 0;
    while have < buffer.len() {
        match rustix::io::read(fd, &mut buffer[have..]) {
            Ok(0) => return false,
            Ok(n) => have += n,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
    true
}

fn fork() -> Result<i32> {
    let _ = std::io::stdout().flush();
    // SAFETY: the process has one thread, so the child may go on with ordinary code.
    match unsafe { libc::fork() } {
        -1 => Err(Failure::new(
            Code::NotStarted,
            format!("cannot start a process: {}", std::io::Error::last_os_error()),
        )),
        pid => Ok(pid),
    }
}

fn unshare(flags: UnshareFlags) -> rustix::io::Result<()> {
    // SAFETY: the file table is not unshared, so no descriptor changes its meaning.
    unsafe { rustix::thread::unshare_unsafe(flags) }
}

fn die_with_parent() {
    // SAFETY: a plain system call.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) };
}

/// All three ids of each kind; groups where given and permitted.
fn set_ids(uid: u32, gid: u32, groups: Option<&[u32]>) -> Result<()> {
    if let Some(groups) = groups {
        // SAFETY: the pointer and length are a slice's. Refused where the id map forbids it, which leaves the groups as
        // they are.
        unsafe { libc::setgroups(groups.len(), groups.as_ptr()) };
    }
    let what = |id: u32| {
        move || {
            format!("cannot become {id}: it is not mapped into the sandbox (see /etc/subuid and newuidmap)")
        }
    };
    let (gid, uid) = (Gid::from_raw(gid), Uid::from_raw(uid));
    rustix::thread::set_thread_res_gid(gid, gid, gid).or_fail(Code::NotStarted, what(gid.as_raw()))?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).or_fail(Code::NotStarted, what(uid.as_raw()))
}

fn kill(pid: i32, signal: i32) {
    // SAFETY: a plain system call.
    unsafe { libc::kill(pid, signal) };
}

fn reap(pid: i32) {
    // SAFETY: a plain system call; interrupted ones are repeated.
    unsafe {
        while libc::waitpid(pid, std::ptr::null_mut(), 0) < 0 && *libc::__errno_location() == libc::EINTR {}
    }
}

fn reap_if_done(pid: i32) -> bool {
    // SAFETY: a plain system call.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG) == pid }
}

/// A signal that arrived, and whether a process sent it (and not the terminal or the kernel).
pub struct Arrived {
    /// Its number.
    pub number: i32,
    /// Sent with kill(2) or the like.
    pub by_process: bool,
}

/// What is passed on, and SIGCHLD.
pub fn handled_signals() -> libc::sigset_t {
    // SAFETY: the set is initialised by sigemptyset before use.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        for signal in [
            libc::SIGCHLD,
            libc::SIGHUP,
            libc::SIGINT,
            libc::SIGQUIT,
            libc::SIGTERM,
            libc::SIGUSR1,
            libc::SIGUSR2,
            libc::SIGALRM,
            libc::SIGWINCH,
            libc::SIGCONT,
            libc::SIGURG,
            libc::SIGIO,
            libc::SIGVTALRM,
            libc::SIGPROF,
        ] {
            libc::sigaddset(&mut set, signal);
        }
        set
    }
}

/// Blocks them; returns the mask to be restored.
fn block_signals() -> libc::sigset_t {
    let set = handled_signals();
    // SAFETY: both sets are initialised.
    unsafe {
        let mut old = std::mem::zeroed();
        libc::sigprocmask(libc::SIG_BLOCK, &set, &mut old);
        old
    }
}

fn set_signals(mask: &libc::sigset_t) {
    // SAFETY: the set came from sigprocmask.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, mask, std::ptr::null_mut()) };
}

/// From here on, signals wait for [`wait_for_end`].
pub fn hold_signals() {
    block_signals();
}

/// Sleeps until SIGTERM, SIGINT or SIGHUP.
pub fn wait_for_end() {
    while !wait_signal().is_some_and(|s| matches!(s.number, libc::SIGTERM | libc::SIGINT | libc::SIGHUP)) {}
}

fn wait_signal() -> Option<Arrived> {
    let set = handled_signals();
    // SAFETY: the set is initialised, the information is written by the kernel.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let number = libc::sigwaitinfo(&set, &mut info);
        // SI_USER, SI_TKILL, SI_QUEUE are zero or negative; SI_KERNEL and the CLD_ codes are positive.
        (number > 0).then_some(Arrived { number, by_process: info.si_code <= 0 })
    }
}

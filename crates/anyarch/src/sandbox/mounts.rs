//! What the command sees: its root with /proc, /sys, /dev and volumes, or the machine's files with
//! a few places covered.
//!
//! What must stay true:
//! - Paths inside a root file system are never resolved from outside: a root with `proc -> /etc`
//!   must not make us mount or write on the host. All sources are opened as descriptors first; then
//!   the root is entered and the old one is left; only then are targets looked up ([`place_of`]),
//!   so that symbolic links lead nowhere but inside. While the old root still covers the new one,
//!   `/..` is the old one; and a link of /proc to one of our descriptors leads wherever that does.
//! - Handlers are registered with F while the host's files are still visible, so that the root
//!   needs none of them.
//! - Nothing inside writes the machine's settings. /proc/sys and its like are read-only, as under
//!   OCI runtimes, and closed to the ids inside, which are not the machine's root ([`idmap`]).
//!   Where they are, covers that could be taken away are locked by a further namespace
//!   ([`crate::sandbox`]).
//! - Nothing inside reaches the machine's binfmt_misc: root's mount namespace has it no more when
//!   the command's begins.

use crate::failure::{Code, Failure, OrFail, Result};
use crate::sandbox::idmap::{self, Range};
use crate::sandbox::network::Network;
use crate::sandbox::{Sandbox, become_root};
use anyarch_binfmt::{Instance, Kernel as _, Rule};
use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, ResolveFlags, Uid};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen, mount, mount_change,
    move_mount, open_tree, unmount,
};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Read-only inside, as runc, containerd and docker have it.
pub const READ_ONLY: [&str; 5] = ["/proc/sys", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/sysrq-trigger"];

/// Not seen inside, as docker has it.
pub const MASKED: [&str; 11] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// What is opened before the namespaces are entered: the machine's root may do more than root
/// inside, and goes where root inside is kept out.
pub struct Host {
    /// The user namespace.
    pub namespace: OwnedFd,
    nodes: Option<OwnedFd>,
    root: Option<OwnedFd>,
    volumes: Option<Vec<Detached>>,
    /// Whether the command could take covers away and would then be the machine's root: who that
    /// is cannot be told inside, where everybody is root.
    pub lock: bool,
}

impl Host {
    /// Opens everything.
    pub fn open(sandbox: &Sandbox) -> Result<Host> {
        let again = |fd: &OwnedFd| {
            fd.try_clone().or_fail(Code::NotStarted, || "cannot use the root that was made".into())
        };
        let (namespace, prepared) = match &sandbox.prepared {
            Some(prepared) => (again(&prepared.namespace)?, Some(again(&prepared.root)?)),
            None => (idmap::namespace(sandbox.range)?, None),
        };
        let nodes = if sandbox.root.is_some() || sandbox.runtime { own_nodes(sandbox.range) } else { None };
        let Some(range) = sandbox.range else {
            let all = sandbox.root.is_some() && sandbox.capabilities.is_none();
            let lock = all && rustix::process::geteuid().is_root();
            return Ok(Host { namespace, nodes, root: prepared, volumes: None, lock });
        };
        let root = match &sandbox.root {
            _ if prepared.is_some() => prepared,
            Some(root) => {
                let what = || format!("cannot use {} as root", root.display());
                let tree = clone_tree(root, true).or_fail(Code::NotStarted, what)?;
                show_owners(&tree, (!sandbox.shifted).then_some(&namespace))
                    .or_fail(Code::NotStarted, what)?;
                Some(tree)
            }
            None => None,
        };
        let mut volumes = Vec::new();
        for volume in &sandbox.volumes {
            let item = detach(&volume.source, &volume.target, volume.read_only, true)?;
            let owners = (!volume.shifted).then_some(&namespace);
            if let Err(error) = show_owners(&item.tree, owners) {
                show_owners(&item.tree, None)
                    .or_fail(Code::NotStarted, || format!("cannot mount {}", volume.source.display()))?;
                caution!(
                    "{} is not shown with its owners, because its file system knows no id-mapped mounts ({error}): \
                     its files belong to nobody inside",
                    volume.source.display()
                );
            }
            volumes.push(item);
        }
        hand_over_pipes(range);
        Ok(Host { namespace, nodes, root, volumes: Some(volumes), lock: false })
    }
}

/// The ids for what runs on these files: `None` for those that are usual for who we are. With
/// `shifted` the files will have the range's own ids; else their file system must be able to map
/// them.
pub(crate) fn range_for(files: &Path, shifted: bool) -> Option<Range> {
    let range = idmap::range()?;
    let attempt = || -> std::io::Result<()> {
        let tree = clone_tree(files, false)?;
        if !shifted {
            let namespace = idmap::namespace(Some(range)).map_err(|f| std::io::Error::other(f.what))?;
            show_owners(&tree, Some(&namespace))?;
        }
        Ok(())
    };
    attempt()
        .inspect_err(|e| {
            detail!("no id-mapped mount of {} ({e}): root inside has root's ids", files.display())
        })
        .ok()
        .map(|()| range)
}

/// As runc does: pipes of ours are given to root inside, so that it can open /dev/stdout.
fn hand_over_pipes(range: Range) {
    const PIPEFS_MAGIC: i64 = 0x5049_5045;
    let stdio = [std::io::stdin().as_raw_fd(), std::io::stdout().as_raw_fd(), std::io::stderr().as_raw_fd()];
    for fd in stdio {
        // SAFETY: the three descriptors are not closed before the process ends.
        let fd = unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) };
        if rustix::fs::fstatfs(fd).is_ok_and(|s| s.f_type == PIPEFS_MAGIC) {
            let owner = (Some(Uid::from_raw(range.uid)), Some(Gid::from_raw(range.gid)));
            if let Err(error) = rustix::fs::fchown(fd, owner.0, owner.1) {
                detail!("a pipe cannot be given to root inside: {error}");
            }
        }
    }
}

/// Takes the machine's binfmt_misc out of a mount namespace of ours, and what would mount it again.
/// Called by the machine's root; others could not write there.
pub(crate) fn leave_machines_instance() -> rustix::io::Result<()> {
    mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE)?;
    let dir = anyarch_binfmt::instance::DEFAULT_DIR;
    // systemd's automount point lies below the instance.
    while unmount(dir, UnmountFlags::DETACH).is_ok() {}
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    for place in instances(&table) {
        unmount(place.as_path(), UnmountFlags::DETACH)?;
    }
    Ok(())
}

/// Where a table of mounts (proc_pid_mountinfo(5)) has an instance of binfmt_misc, the last mounted
/// first.
fn instances(table: &str) -> Vec<PathBuf> {
    let place = |line: &str| {
        let (mount, kind) = line.split_once(" - ")?;
        let place = mount.split(' ').nth(4).filter(|_| kind.starts_with("binfmt_misc "))?;
        let place = place.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n");
        Some(PathBuf::from(place.replace("\\134", "\\")))
    };
    table.lines().rev().filter_map(place).collect()
}

/// The machine's /sys without what is mounted below. Only the machine's root may take it so, before
/// it enters a user namespace.
pub(crate) fn bare_sys() -> rustix::io::Result<OwnedFd> {
    clone_tree(Path::new("/sys"), false)
}

/// Keeps a /proc that nothing covers, and the /sys where there is one, out of sight. The kernel
/// lets a user namespace mount its own where its mount namespace has one with no locked mount over
/// anything but folders that are always empty (mount_too_revealing in fs/namespace.c), and in a
/// namespace made inside every mount of ours is locked.
pub(crate) fn keep_uncovered(sys: Option<&OwnedFd>) -> Result<()> {
    // Such a folder.
    let dir = Path::new(anyarch_binfmt::instance::DEFAULT_DIR);
    if !dir.exists() {
        return Ok(());
    }
    let what = || format!("cannot mount on {}", dir.display());
    let proc = clone_tree(Path::new("/proc"), true).or_fail(Code::NotStarted, what)?;
    let hardened = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("tmpfs", dir, "tmpfs", hardened, c"size=64k,mode=700").or_fail(Code::NotStarted, what)?;
    for (name, tree) in [("proc", Some(&proc)), ("sys", sys)] {
        let Some(tree) = tree else { continue };
        let target = dir.join(name);
        std::fs::create_dir(&target).or_fail(Code::NotStarted, what)?;
        open_dir(&target).and_then(|dir| move_onto(tree, &dir)).or_fail(Code::NotStarted, what)?;
    }
    mount("tmpfs", dir, "tmpfs", hardened | MountFlags::RDONLY, c"size=0,mode=555")
        .or_fail(Code::NotStarted, what)
}

/// A /sys of this network namespace, which the one that is there does not show.
pub(crate) fn own_sys() -> rustix::io::Result<()> {
    let cgroups = clone_tree(Path::new(CGROUPS), true);
    let place = |path: &str| open_dir(Path::new(path));
    move_onto(&new_mount("sysfs")?, &place("/sys")?)?;
    cgroups.and_then(|cgroups| move_onto(&cgroups, &place(CGROUPS)?))
}

/// Where control groups are.
const CGROUPS: &str = "/sys/fs/cgroup";

/// What [`cover`] leaves as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Open {
    /// The network's settings stay writable: container engines set up there what networks they
    /// make.
    pub network: bool,
    /// /sys stays whole: there is no other one for [`keep_uncovered`].
    pub sys: bool,
}

/// The settings of a network, each network namespace's own.
const NETWORK: &str = "/proc/sys/net";

/// What stands for the machine's settings in /proc and /sys: read-only or not seen.
pub(crate) fn cover(open: Open) -> Result<()> {
    let network = Some(NETWORK).filter(|path| open.network && Path::new(path).exists());
    let network = network.map(|path| detach(Path::new(path), path, false, true)).transpose()?;
    for path in READ_ONLY {
        if Path::new(path).exists() {
            attach(&detach(Path::new(path), path, true, true)?)?;
        }
    }
    network.iter().try_for_each(attach)?;
    for path in MASKED.into_iter().filter(|path| !(open.sys && path.starts_with("/sys/"))) {
        let what = || format!("cannot cover {path}");
        match std::fs::metadata(path) {
            Ok(meta) if meta.is_dir() => {
                let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY;
                mount("tmpfs", path, "tmpfs", flags, c"size=0,mode=555").or_fail(Code::NotStarted, what)?;
            }
            Ok(_) => attach(&detach(Path::new("/dev/null"), path, true, false)?)?,
            Err(_) => {}
        }
    }
    Ok(())
}

/// Mounts an instance of this user namespace over the usual place and registers the rules; or opens
/// the emulator that does without, while the host's files can be seen.
///
/// The mount stays: the last one to go takes all entries along.
pub(crate) fn make_handlers(sandbox: &Sandbox) -> Result<Option<OwnedFd>> {
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
        Instance::open(dir).map_err(|e| started(crate::commands::register::explain(e, Path::new(dir))))?;
    for rule in rules {
        detail!("registering {} {} {}", rule.name, rule.interpreter, rule.flags);
        instance
            .register(rule)
            .map_err(|e| started(crate::commands::register::explain(e, Path::new(dir))))?;
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

impl Detached {
    fn file(tree: OwnedFd, target: &Path) -> Detached {
        Detached { tree, target: target.into(), is_dir: false, read_only: true, recursive: false }
    }
}

fn detach(source: &Path, target: impl Into<PathBuf>, read_only: bool, recursive: bool) -> Result<Detached> {
    let what = || format!("cannot mount {}", source.display());
    let meta = std::fs::metadata(source).or_fail(Code::NotStarted, what)?;
    let tree = clone_tree(source, recursive).or_fail(Code::NotStarted, what)?;
    Ok(Detached { tree, target: target.into(), is_dir: meta.is_dir(), read_only, recursive })
}

pub(crate) fn clone_tree(source: &Path, recursive: bool) -> rustix::io::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    open_tree(CWD, source, flags)
}

/// Where the C library reads whom to ask for names.
pub(crate) const RESOLV_CONF: &str = "/etc/resolv.conf";

/// A file with this text, as a mount. It lies in a tmpfs of its own, which is at a place of ours
/// for a moment: what is mounted nowhere cannot be cloned, and a file without a name cannot be mounted.
pub(crate) fn file_of(text: &str) -> rustix::io::Result<OwnedFd> {
    let place = Path::new("/etc");
    move_onto(&new_mount("tmpfs")?, &open_dir(place)?)?;
    let make = || {
        let file = place.join("file");
        let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
        let open = rustix::fs::open(&file, flags, Mode::from_raw_mode(0o644))?;
        rustix::fs::fchmod(&open, Mode::from_raw_mode(0o644))?;
        rustix::io::write(&open, text.as_bytes())?;
        clone_tree(&file, false)
    };
    let tree = make();
    unmount(place, UnmountFlags::DETACH)?;
    tree
}

/// Puts such a mount over a file of the machine's, read-only.
pub(crate) fn cover_file(tree: OwnedFd, target: &Path) -> Result<()> {
    attach(&Detached::file(tree, target))
}

/// The devices that every program may expect, with their numbers; those that runc makes.
const DEVICES: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

/// A /dev with nodes of its own, not mounted anywhere yet. The kernel lets only the machine's root
/// make some, so this is done before the user namespace is entered; `None` where we are not that
/// root. Then the machine's nodes must be shown, whose owner is not the user, read-only all the
/// same: somebody who is root here and there could change their modes.
fn own_nodes(range: Option<Range>) -> Option<OwnedFd> {
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
            rustix::fs::chmodat(&dev, name, mode, AtFlags::empty())?;
        }
        if let Some(range) = range {
            let (uid, gid) = (Some(Uid::from_raw(range.uid)), Some(Gid::from_raw(range.gid)));
            for name in DEVICES.map(|d| d.0).into_iter().chain(["."]) {
                rustix::fs::chownat(&dev, name, uid, gid, AtFlags::empty())?;
            }
        }
        Ok(dev)
    };
    attempt().inspect_err(|e| detail!("no device nodes can be made here ({e}): the machine's are shown")).ok()
}

/// Makes `root` the root, with /proc, /sys, /dev, the network's files and the volumes in place. The
/// emulator is returned where it must start the command.
pub(crate) fn enter_root(sandbox: &Sandbox, root: &Path, host: &Host) -> Result<Option<OwnedFd>> {
    let what = || format!("cannot use {} as root", root.display());
    // The root must be a mount of its own.
    let own;
    let root_fd = match &host.root {
        Some(tree) => {
            open_dir(Path::new("/")).and_then(|old| move_onto(tree, &old)).or_fail(Code::NotStarted, what)?;
            tree
        }
        None => {
            mount(root, root, c"", MountFlags::BIND | MountFlags::REC, None)
                .or_fail(Code::NotStarted, what)?;
            own = open_dir(root).or_fail(Code::NotStarted, what)?;
            &own
        }
    };
    // Registered while the emulators' files can be seen.
    let emulator = make_handlers(sandbox)?;
    let mut later = Vec::new();
    if host.nodes.is_none() {
        for (device, ..) in DEVICES {
            // A node on a read-only mount can be written to, but its mode and owner cannot be
            // changed.
            let path = Path::new("/dev").join(device);
            later.push(detach(&path, &path, true, false)?);
        }
    }
    let mut files = vec![];
    if sandbox.network.is_host() {
        later.push(detach(Path::new("/sys"), "/sys", true, true)?);
        files = vec![RESOLV_CONF, "/etc/hosts"];
    }
    if let Network::Outside(_) = &sandbox.network {
        files = vec!["/etc/hosts"];
    }
    for file in files.into_iter().filter(|file| Path::new(file).exists()) {
        later.push(detach(Path::new(file), file, true, false)?);
    }
    if host.volumes.is_none() {
        for volume in &sandbox.volumes {
            later.push(detach(&volume.source, &volume.target, volume.read_only, true)?);
        }
    }
    // Until here the machine's files were seen as by the user who asked for it.
    become_root()?;
    if let Network::Outside(way) = &sandbox.network {
        later.push(Detached::file(way.resolv_conf()?, Path::new(RESOLV_CONF)));
    }
    // Made while the old root is there: the kernel lets a user namespace mount proc and sysfs only
    // where others, unobstructed, can be seen.
    let proc = new_mount("proc").map_err(|error| no_proc(root, error))?;
    // Not worth a failure: few programs look at it.
    let sys = if sandbox.network.is_host() { None } else { new_mount("sysfs").ok() };
    // An instance lives as long as somebody has it.
    let instance = if emulator.is_none() {
        let dir = Path::new(anyarch_binfmt::instance::DEFAULT_DIR);
        Some(open_dir(dir).or_fail(Code::NotStarted, || format!("cannot open {}", dir.display()))?)
    } else {
        None
    };
    rustix::process::fchdir(root_fd).or_fail(Code::NotStarted, what)?;
    rustix::process::pivot_root(".", ".").or_fail(Code::NotStarted, what)?;
    // The old root lies over the new one.
    unmount(".", UnmountFlags::DETACH).or_fail(Code::NotStarted, || "cannot leave the old root".into())?;
    rustix::process::chdir("/").or_fail(Code::NotStarted, what)?;
    put(&proc, "/proc")?;
    if !sandbox.network.is_host() {
        make_dir("/sys")?;
        if let Some(sys) = sys {
            put(&sys, "/sys")?;
            set_read_only(&sys, false).or_fail(Code::NotStarted, || "cannot make /sys read-only".into())?;
        }
    }
    let hardened = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount_dev(host)?;
    later.iter().chain(host.volumes.iter().flatten()).try_for_each(attach)?;
    if sandbox.capabilities.is_none() && !host.lock {
        keep_uncovered(None)?;
    }
    cover(Open::default())?;
    // The same instance as before, since it belongs to the user namespace; above what is read-only.
    if emulator.is_none() {
        mount("binfmt_misc", anyarch_binfmt::instance::DEFAULT_DIR, "binfmt_misc", hardened, None)
            .or_fail(Code::NotStarted, || "cannot mount binfmt_misc inside".into())?;
    }
    drop(instance);
    if sandbox.read_only {
        set_read_only(&open_dir(Path::new("/")).or_fail(Code::NotStarted, what)?, false)
            .or_fail(Code::NotStarted, || "cannot make the root read-only".into())?;
    }
    Ok(emulator)
}

/// What a container runtime gets beside its pids: cgroups, a /dev and the volumes.
pub(crate) fn prepare_runtime(host: &Host) -> Result<()> {
    // Cgroups of version 2 alone: crun refuses a machine that has both. Where that cannot be, so it
    // stays.
    let _ = mount("cgroup2", "/sys/fs/cgroup", "cgroup2", MountFlags::NOSUID | MountFlags::NODEV, None);
    if host.nodes.is_some() {
        mount_dev(host)?;
    }
    host.volumes.iter().flatten().try_for_each(attach)
}

/// The proc of this pid namespace on /proc of the machine's own root.
pub(crate) fn mount_proc() -> Result<()> {
    let root = Path::new("/");
    let proc = new_mount("proc").map_err(|error| no_proc(root, error))?;
    put(&proc, "/proc")
}

/// `root` is what /proc is in.
fn no_proc(root: &Path, error: Errno) -> Failure {
    Failure::new(Code::NotStarted, format!("cannot mount proc in {}: {error}", root.display())).mend(
        "in a container, start it with --security-opt systempaths=unconfined: parts of its /proc are covered",
    )
}

/// A mount of this kind that is nowhere yet.
fn new_mount(kind: &str) -> rustix::io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    let hardened = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, hardened)
}

/// Everything of /dev; without the nodes where there are none of our own.
pub(crate) fn mount_dev(host: &Host) -> Result<()> {
    let hardened = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let what = || "cannot mount /dev".to_string();
    match &host.nodes {
        Some(nodes) => put(nodes, "/dev")?,
        None => {
            make_dir("/dev")?;
            mount("tmpfs", "/dev", "tmpfs", MountFlags::NOSUID, c"mode=755,size=65536k")
                .or_fail(Code::NotStarted, what)?;
        }
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

/// Inside the root: creates a folder unless it is there. A link to itself, which debootstrap leaves
/// as /proc, leads nowhere for anybody and is replaced.
fn make_dir(path: &str) -> Result<OwnedFd> {
    let target = Path::new(path);
    if std::fs::read_link(target).is_ok_and(|to| to == target) {
        detail!("{path} is a link to itself: replaced by a folder");
        let _ = std::fs::remove_file(target);
    }
    place_of(target, true)
        .or_fail(Code::NotStarted, || format!("the root has no folder {path} and it cannot be made"))
}

/// A folder or file inside the root, made with its folders where it is missing. No link on the way
/// may be one of /proc's to a descriptor of ours: it would lead out of the root.
pub(crate) fn place_of(path: &Path, is_dir: bool) -> rustix::io::Result<OwnedFd> {
    let open = |flags: OFlags| {
        let mode = if flags.contains(OFlags::CREATE) { Mode::from_raw_mode(0o644) } else { Mode::empty() };
        rustix::fs::openat2(CWD, path, flags | OFlags::CLOEXEC, mode, ResolveFlags::NO_MAGICLINKS)
    };
    match open(OFlags::PATH) {
        Err(Errno::NOENT) => {}
        other => return other,
    }
    let parent = path.parent().ok_or(Errno::NOENT)?;
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let parent = place_of(parent, true)?;
    match path.file_name() {
        // `..` of a folder that was missing.
        None => {}
        Some(name) if is_dir => rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755))?,
        // By its path: where a link leads it is made there.
        Some(_) => drop(open(OFlags::CREATE | OFlags::WRONLY | OFlags::NOCTTY)?),
    }
    open(OFlags::PATH)
}

/// Puts a detached mount at its place inside the root, which is made where it is missing.
fn attach(item: &Detached) -> Result<()> {
    let target = &item.target;
    let place = match place_of(target, item.is_dir) {
        Err(_) if target.starts_with("/etc") => return Ok(()),
        other => other.or_fail(Code::NotStarted, || {
            format!("cannot make the place {} inside the root", target.display())
        })?,
    };
    let is_dir = |fd: &OwnedFd| {
        rustix::fs::fstat(fd).is_ok_and(|it| rustix::fs::FileType::from_raw_mode(it.st_mode).is_dir())
    };
    if is_dir(&place) != item.is_dir {
        let kind = |is_dir| if is_dir { "a folder" } else { "a file" };
        let what = format!("{} is {} inside", target.display(), kind(!item.is_dir));
        return Err(Failure::new(
            Code::NotStarted,
            format!("{what}, and {} is to be shown there", kind(item.is_dir)),
        ));
    }
    let what = || format!("cannot mount on {}", target.display());
    move_onto(&item.tree, &place).or_fail(Code::NotStarted, what)?;
    if item.read_only {
        set_read_only(&item.tree, item.recursive).or_fail(Code::NotStarted, what)?;
    }
    Ok(())
}

/// Mounts what is detached, on a folder that is made where it is missing.
fn put(tree: &OwnedFd, target: &str) -> Result<()> {
    move_onto(tree, &make_dir(target)?).or_fail(Code::NotStarted, || format!("cannot mount {target}"))
}

/// Mounts what is detached.
fn move_onto(tree: &OwnedFd, place: &OwnedFd) -> rustix::io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(tree, c"", place, c"", flags)
}

/// Makes a mount read-only, with everything below where asked for.
fn set_read_only(mount_point: impl AsFd, recursive: bool) -> std::io::Result<()> {
    const MOUNT_ATTR_RDONLY: u64 = 1;
    set_attributes(mount_point, recursive, MountAttr { attr_set: MOUNT_ATTR_RDONLY, ..MountAttr::default() })
}

/// Makes a detached mount show its files to a user namespace with the owners they have on disk, as
/// its own ids; and keeps what is mounted there later to itself. Without a namespace the owners
/// stay. What is mounted below is left as it is where it cannot be mapped.
fn show_owners(tree: &OwnedFd, namespace: Option<&OwnedFd>) -> std::io::Result<()> {
    const MOUNT_ATTR_IDMAP: u64 = 0x10_0000;
    let private = MountAttr { propagation: libc::MS_PRIVATE, ..MountAttr::default() };
    set_attributes(tree, true, private)?;
    let Some(namespace) = namespace else { return Ok(()) };
    let mapped = MountAttr {
        attr_set: MOUNT_ATTR_IDMAP,
        userns_fd: namespace.as_raw_fd() as u64,
        ..MountAttr::default()
    };
    set_attributes(tree, true, mapped).or_else(|_| set_attributes(tree, false, mapped))
}

/// `struct mount_attr` of mount_setattr(2), in its first version.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct MountAttr {
    attr_set: u64,
    attr_clr: u64,
    propagation: u64,
    userns_fd: u64,
}

/// mount_setattr(2), with everything below where asked for. Linux 5.12.
fn set_attributes(mount_point: impl AsFd, recursive: bool, attr: MountAttr) -> std::io::Result<()> {
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    let fd = mount_point.as_fd().as_raw_fd();
    // SAFETY: the path is an empty C string, the structure is the kernel's first version and
    // outlives the call.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_are_found_wherever_they_are_mounted() {
        let table = "30 29 0:28 / /proc rw shared:12 - proc proc rw\n\
                     31 30 0:29 / /proc/sys/fs/binfmt_misc rw shared:13 - autofs systemd-1 rw\n\
                     32 31 0:30 / /proc/sys/fs/binfmt_misc rw - binfmt_misc binfmt_misc rw\n\
                     33 29 0:30 / /mnt/a\\040b rw - binfmt_misc binfmt_misc rw\n";
        assert_eq!(instances(table), ["/mnt/a b", "/proc/sys/fs/binfmt_misc"].map(PathBuf::from));
    }
}

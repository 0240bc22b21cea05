//! Runs a command in namespaces of its own, with a binfmt_misc of its own, without root where the
//! kernel allows it.
//!
//! Since Linux 6.7 each user namespace can have its own binfmt_misc instance, which is what makes
//! this possible: the command's handlers are registered for it alone and vanish with it; the
//! machine's are neither used nor touched.
//!
//! Four processes take part, and two more for a network with a way out ([`network`]):
//!
//! ```text
//! anyarch     opens what only it can, waits, passes signals on, hands the exit status up
//!  └ middle   enters the new namespaces; exists because a new pid namespace begins with the next child
//!     └ init  pid 1: mounts, registers handlers, leaves the old root, starts the command, reaps
//!        └ command
//! ```
//!
//! What must stay true:
//! - No threads before `fork`: the children run ordinary Rust code.
//! - Each process dies with its parent, so that killing anyarch ends everything.
//! - What [`crate::sandbox::mounts`] says about mounts.
//!
//! Where the kernel gives no instance of binfmt_misc (before Linux 6.7), anyarch's own emulator is
//! opened in its place and executed with the command; it then executes itself with every foreign
//! program that the command starts.

pub(crate) mod idmap;
pub mod mounts;
pub mod network;
pub(crate) mod overlay;
pub(crate) mod terminal;

use crate::failure::{Code, Failure, OrFail, Result, fail};
use anyarch_binfmt::Rule;
use idmap::Range;
use mounts::Host;
use network::{Complaint, Network};
use rustix::fs::{Gid, Uid};
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};
use serde_json::json;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

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
    /// Its network.
    pub network: Network,
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
    /// With the machine's own root: whether the command is a container runtime, which gets pids and
    /// a /dev of its own.
    pub runtime: bool,
    /// The machine's ids that exist inside, if not those that are usual for who we are
    /// ([`mounts::range_for`]).
    pub range: Option<Range>,
    /// Whether the root's files have these ids, and not those that they are to have inside.
    pub shifted: bool,
    /// The root's mount, where it was made before.
    pub prepared: Option<Rc<Prepared>>,
}

/// A root that is mounted nowhere yet, and the user namespace that it is for.
#[derive(Debug)]
pub struct Prepared {
    /// To be entered.
    pub namespace: OwnedFd,
    /// The mount.
    pub root: OwnedFd,
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
    /// As [`Sandbox::shifted`].
    pub shifted: bool,
}

/// The command.
#[derive(Clone, Debug, Default)]
pub struct Command {
    /// Program and arguments.
    pub args: Vec<OsString>,
    /// Environment, whole.
    pub env: Vec<(OsString, OsString)>,
    /// Where it starts.
    pub cwd: Option<PathBuf>,
    /// As whom, in the ids of the sandbox.
    pub uid: u32,
    /// As whom.
    pub gid: u32,
    /// Further groups.
    pub groups: Vec<u32>,
}

/// Docker's default set: chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap,
/// net_bind_service, net_raw, sys_chroot, mknod, audit_write, setfcap.
pub(crate) const CONTAINER_CAPABILITIES: u64 = {
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
    // Signals that are to reach the command are blocked in all of our processes and read where they
    // are handled.
    let original = block_signals();
    let host = Host::open(sandbox)?;
    let (report_read, report_write) = pipe()?;
    let (ready_read, ready_write) = pipe()?;
    let terminal = if sandbox.terminal { Some(terminal::channel()?) } else { None };
    let complaint = network::complaint(&sandbox.network)?;
    match fork()? {
        0 => {
            drop((report_read, ready_read));
            let (_, theirs) = terminal.unzip();
            let no_way = complaint.map(|Complaint { read, .. }| read);
            let ends = Ends { report: report_write, ready: ready_write, terminal: theirs, host, no_way };
            let outcome = middle(sandbox, command, &ends, &original);
            leave(&ends.report, outcome)
        }
        middle_pid => {
            drop((report_write, ready_write, host));
            let (ours, _) = terminal.unzip();
            let ends = Watch { report: report_read, ready: ready_read, terminal: ours };
            let way_out = |pid| match (&sandbox.network, complaint) {
                (Network::Outside(way), Some(Complaint { write, .. })) => {
                    network::keep(way, pid, write, &original).map(Some)
                }
                _ => Ok(None),
            };
            let result = watch(middle_pid, ends, way_out);
            set_signals(&original);
            result
        }
    }
}

/// The child's ends of the pipes, and what was opened for it.
struct Ends {
    report: OwnedFd,
    ready: OwnedFd,
    terminal: Option<OwnedFd>,
    host: Host,
    /// Where it is told that the network has no way out.
    no_way: Option<OwnedFd>,
}

/// The parent's.
struct Watch {
    report: OwnedFd,
    ready: OwnedFd,
    terminal: Option<OwnedFd>,
}

/// Does something with the ids that [`run`] will map, so that files get the owners they have
/// inside. Root needs no namespace for that.
pub(crate) fn with_mapped_ids(work: impl FnOnce() -> Result<()>) -> Result<()> {
    if rustix::process::geteuid().is_root() {
        return work();
    }
    let namespace = idmap::namespace(None)?;
    make_mount(Some(&namespace), || work().map(|()| None)).map(drop)
}

/// Has a child make a mount, as root of a user namespace where one is given: the child may take
/// a mount namespace of its own, and what it returns is handed over.
pub(crate) fn make_mount(
    namespace: Option<&OwnedFd>,
    work: impl FnOnce() -> Result<Option<OwnedFd>>,
) -> Result<Option<OwnedFd>> {
    let (report_read, report_write) = pipe()?;
    let (ours, theirs) = terminal::channel()?;
    match fork()? {
        0 => {
            drop((report_read, ours));
            let attempt = || -> Result<()> {
                die_with_parent();
                if let Some(namespace) = namespace {
                    enter(namespace)?;
                    become_root()?;
                }
                match work()? {
                    None => Ok(()),
                    Some(mount) => terminal::send(&theirs, &mount)
                        .or_fail(Code::NotStarted, || "cannot hand a mount over".into()),
                }
            };
            match attempt() {
                // SAFETY: ends the child without the parent's exit handlers.
                Ok(()) => unsafe { libc::_exit(0) },
                Err(failure) => leave(&report_write, failure),
            }
        }
        pid => {
            drop((report_write, theirs));
            let mount = terminal::receive(&ours);
            let mut text = String::new();
            let _ = File::from(report_read).read_to_string(&mut text);
            let mut status = 0;
            // SAFETY: waitpid writes one int.
            unsafe { libc::waitpid(pid, &mut status, 0) };
            match (status, text.is_empty()) {
                (0, true) => Ok(mount),
                (_, true) => Err(Failure::new(
                    Code::Failed,
                    "the process that handles files with mapped ids was killed",
                )),
                _ => Err(read_report(&text).err().unwrap_or_else(|| {
                    Failure::new(Code::Failed, "the process that handles files with mapped ids was odd")
                })),
            }
        }
    }
}

// ---- parent
// -----------------------------------------------------------------------------------------------

/// Passes signals on, waits. When pid 1 is there, it is given its way out.
fn watch(middle: i32, ends: Watch, way_out: impl FnOnce(i32) -> Result<Option<OwnedFd>>) -> Result<u8> {
    let mut word = [0; 4];
    // End of file instead of a word: the child failed and its report says why.
    let init = if read_exact(&ends.ready, &mut word) { i32::from_ne_bytes(word) } else { 0 };
    let way_out = if init > 0 { way_out(init) } else { Ok(None) };
    if way_out.is_err() {
        kill(init, libc::SIGKILL);
    }
    let relay = ends.terminal.and_then(terminal::Relay::receive);
    loop {
        let signal = match &relay {
            Some(relay) => relay.wait(),
            None => wait_signal(),
        };
        match signal {
            Some(info) if info.number == libc::SIGCHLD && reap_if_done(middle) => {
                break;
            }
            // What the terminal sends reaches the command by itself: it is in the same foreground
            // group.
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
    drop(way_out?);
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

// ---- middle
// -----------------------------------------------------------------------------------------------

/// Enters the namespaces and waits for pid 1. Returns only with a failure.
fn middle(sandbox: &Sandbox, command: &Command, ends: &Ends, original: &libc::sigset_t) -> Failure {
    let attempt = || -> Result<()> {
        die_with_parent();
        let mut sys = None;
        if rustix::process::geteuid().is_root() {
            let left = unshare(UnshareFlags::NEWNS).and_then(|()| mounts::leave_machines_instance());
            match left.and_then(|()| mounts::bare_sys()) {
                Ok(tree) => sys = Some(tree),
                Err(error) => detail!("the machine's binfmt_misc cannot be taken out of sight: {error}"),
            }
        }
        enter(&ends.host.namespace)?;
        let mut namespaces = UnshareFlags::NEWNS;
        if sandbox.root.is_some() {
            namespaces |= UnshareFlags::NEWPID | UnshareFlags::NEWUTS | UnshareFlags::NEWIPC;
        }
        if sandbox.runtime {
            namespaces |= UnshareFlags::NEWPID | UnshareFlags::NEWCGROUP;
        }
        if !sandbox.network.is_host() {
            namespaces |= UnshareFlags::NEWNET;
        }
        unshare(namespaces).or_fail(Code::NotStarted, || "cannot make namespaces".into())?;
        match fork()? {
            0 => {
                die_with_parent();
                let failure = init(sandbox, command, ends, sys, original).err();
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

/// Enters a user namespace; its ids are taken by [`become_root`].
fn enter(namespace: &OwnedFd) -> Result<()> {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::User)).map_err(no_user_namespace)
}

/// Takes the ids of root inside.
pub(crate) fn become_root() -> Result<()> {
    set_ids(0, 0, None)?;
    // The change of ids cleared the death signal.
    die_with_parent();
    Ok(())
}

/// Why there is no user namespace, and what helps.
pub(crate) fn no_user_namespace(error: rustix::io::Errno) -> Failure {
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

// ---- init
// -----------------------------------------------------------------------------------------------

/// Builds what the command sees, starts it and reaps. Does not return except with a failure.
fn init(
    sandbox: &Sandbox,
    command: &Command,
    ends: &Ends,
    sys: Option<OwnedFd>,
    original: &libc::sigset_t,
) -> Result<()> {
    // Nothing mounted here reaches the host.
    mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE)
        .or_fail(Code::NotStarted, || "cannot make mounts private".into())?;
    let emulator = match &sandbox.root {
        Some(root) => mounts::enter_root(sandbox, root, &ends.host)?,
        None => {
            if sandbox.runtime {
                // Its pids; the machine's proc below stays, so that the kernel lets containers
                // mount theirs.
                mounts::mount_proc()?;
            } else {
                mounts::keep_uncovered(sys.as_ref())?;
            }
            let with = !sandbox.runtime;
            if !sandbox.network.is_host()
                && let Err(error) = mounts::own_sys()
            {
                detail!("/sys shows the interfaces of the machine: {error}");
            }
            mounts::cover(mounts::Open { network: with, sys: with && sys.is_none() })?;
            let emulator = mounts::make_handlers(sandbox)?;
            become_root()?;
            if let Network::Outside(way) = &sandbox.network {
                way.cover_resolv_conf()?;
            }
            if sandbox.runtime {
                mounts::prepare_runtime(&ends.host)?;
            }
            emulator
        }
    };
    if !sandbox.network.is_host() {
        loopback_up();
    }
    if let (Network::Outside(way), Some(no_way)) = (&sandbox.network, &ends.no_way) {
        way.wait(no_way)?;
    }
    if let Some(name) = sandbox.hostname.as_deref().filter(|_| sandbox.root.is_some()) {
        rustix::system::sethostname(name.as_bytes())
            .or_fail(Code::NotStarted, || format!("cannot set the host name {name}"))?;
    }
    let terminal = match &ends.terminal {
        Some(channel) => Some(terminal::open_inside(channel)?),
        None => None,
    };
    let lock = if ends.host.lock { Some(idmap::namespace(None)?) } else { None };
    let (failed_read, failed_write) = pipe()?;
    match fork()? {
        0 => {
            drop(failed_read);
            set_signals(original);
            let locked = lock.as_ref().map_or(Ok(()), lock_mounts);
            let started = locked.and_then(|()| start(sandbox, command, terminal, emulator, &failed_write));
            let failure = started.err();
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

/// Enters a namespace of less rights: what is mounted by now cannot be taken away there
/// (mount_namespaces(7)).
fn lock_mounts(namespace: &OwnedFd) -> Result<()> {
    enter(namespace)?;
    unshare(UnshareFlags::NEWNS).or_fail(Code::NotStarted, || "cannot lock mounts".into())
}

/// Brings the loopback interface of a new network namespace up; without it not even localhost
/// answers.
fn loopback_up() {
    // SAFETY: plain system calls on a socket of our own; ifreq is zeroed and its name ends in
    // zeros.
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

// ---- command
// -----------------------------------------------------------------------------------------------

/// Becomes the command. Returns only with a failure.
fn start(
    sandbox: &Sandbox,
    command: &Command,
    terminal: Option<OwnedFd>,
    emulator: Option<OwnedFd>,
    report: &OwnedFd,
) -> Result<()> {
    if let Some(terminal) = terminal {
        terminal::take(&terminal)?;
    }
    if sandbox.root.is_some() {
        close_others(&[Some(report), emulator.as_ref()]);
    }
    if let Some(cwd) = &command.cwd {
        // As docker does: a working directory of an image is made.
        mounts::place_of(cwd, true)
            .and_then(rustix::process::fchdir)
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
    // SAFETY: restores the default action; Rust's runtime ignores SIGPIPE, which programs do not
    // expect.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    Err(exec(command, emulator.as_ref()))
}

/// An executable by path, or by name in PATH and where root's programs are.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return std::path::absolute(name).ok().filter(|p| p.is_file());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/bin"].map(PathBuf::from));
    folders.map(|f| f.join(name)).find(|p| p.is_file())
}

/// Closes all descriptors but standard input and output and these. Descriptors of ours and the
/// caller's are no business of what runs inside, and through a folder of the machine's among them
/// (/proc/self/fd/3/..) a program's name would lead out of the root, execve's closing coming too
/// late.
fn close_others(keep: &[Option<&OwnedFd>]) {
    let mut keep: Vec<u32> = keep.iter().flatten().map(|fd| fd.as_raw_fd() as u32).collect();
    keep.sort_unstable();
    let mut first = 3;
    for fd in keep.into_iter().chain([u32::MAX]) {
        if first < fd {
            // SAFETY: their owners belong to functions that this process does not return to.
            unsafe { libc::close_range(first, fd.saturating_sub(1), 0) };
        }
        first = fd.saturating_add(1);
    }
}

/// execve, with the search of PATH that a shell would make. Returns why none could be executed.
fn exec(command: &Command, emulator: Option<&OwnedFd>) -> Failure {
    let c = |s: &OsStr| {
        // An image's text may have what no argument can have.
        let bytes = s.as_bytes().iter().copied().filter(|byte| *byte != 0).collect::<Vec<u8>>();
        CString::new(bytes).unwrap_or_default()
    };
    let args: Vec<CString> = command.args.iter().map(|a| c(a)).collect();
    let pair = |(name, value): &(OsString, OsString)| [name.as_bytes(), b"=", value.as_bytes()].concat();
    let env: Vec<CString> = command.env.iter().map(|it| c(&OsString::from_vec(pair(it)))).collect();
    let path = command
        .env
        .iter()
        .find(|(k, _)| k == "PATH")
        .map_or("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".as_ref(), |(_, v)| {
            v.as_os_str()
        });
    let name = command.args[0].as_os_str();
    let is_path = name.as_bytes().contains(&b'/');
    let candidates: Vec<PathBuf> = if is_path {
        vec![name.into()]
    } else {
        let folders = path.as_bytes().split(|byte| *byte == b':').map(OsStr::from_bytes);
        folders.map(|d| Path::new(if d.is_empty() { ".".as_ref() } else { d }).join(name)).collect()
    };
    let (name, path) = (name.display(), path.display());
    let mut worst = libc::ENOENT;
    let mut tried = PathBuf::from(&command.args[0]);
    for candidate in candidates {
        let file = CString::new(candidate.as_os_str().as_bytes()).unwrap_or_default();
        let error = match (execve(&file, &args, &env), emulator) {
            // No handler: the emulator, with the file's path and the argv[0] that it is to see.
            (libc::ENOEXEC, Some(emulator)) => {
                let mut words = vec![
                    c(anyarch_binfmt::entry::EMULATOR.as_ref()),
                    c("-0".as_ref()),
                    args[0].clone(),
                    c("--".as_ref()),
                    file,
                ];
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
        libc::ENOENT if is_path => Failure::new(Code::NotFound, format!("{name}: no such file in the root")),
        libc::ENOENT => {
            Failure::new(Code::NotFound, format!("{name}: no such command in the root (PATH is {path})"))
        }
        libc::ENOEXEC => Failure::new(
            Code::NotExecutable,
            format!("{}: {}", tried.display(), crate::commands::explain::why_not_executable(&tried)),
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

/// Restricts the sets of this process: execve as uid 0 refills them from the bounding set, so that
/// is what counts.
fn restrict_capabilities(keep: u64) {
    // SAFETY: header and data are version 3 of the kernel's structures and outlive the call.
    unsafe {
        let header: [u32; 2] = [0x2008_0522, 0];
        let (low, high) = (keep as u32, (keep >> 32) as u32);
        let data: [[u32; 3]; 2] = [[low, low, 0], [high, high, 0]];
        libc::syscall(libc::SYS_capset, header.as_ptr(), data.as_ptr());
    }
}

// ---- small things
// -----------------------------------------------------------------------------------------------

/// Ends a child with a report for the parent.
fn leave(report: &OwnedFd, failure: Failure) -> ! {
    let text = json!({ "code": failure.code as u8, "what": failure.what, "mend": failure.mend }).to_string();
    let _ = rustix::io::write(report, text.as_bytes());
    // SAFETY: ends the process without running the parent's exit handlers.
    unsafe { libc::_exit(125) }
}

pub(crate) fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .or_fail(Code::NotStarted, || "cannot make a pipe".into())
}

/// Reads until the buffer is full; false at end of file.
pub(crate) fn read_exact(fd: &OwnedFd, buffer: &mut [u8]) -> bool {
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

pub(crate) fn fork() -> Result<i32> {
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

pub(crate) fn unshare(flags: UnshareFlags) -> rustix::io::Result<()> {
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
        // SAFETY: the pointer and length are a slice's.
        let result = unsafe { libc::setgroups(groups.len(), groups.as_ptr()) };
        // EPERM: the id map forbids it, which leaves the groups as they are.
        let error = std::io::Error::last_os_error();
        if result != 0 && error.raw_os_error() != Some(libc::EPERM) {
            fail!(Code::NotStarted, "cannot join the groups {groups:?}, which are not mapped: {error}");
        }
    }
    let what = |id: u32| {
        move || {
            format!("cannot become {id}: it is not mapped into the sandbox (see /etc/subuid and newuidmap)")
        }
    };
    // The kernel takes this number for "as it is", which is root.
    if [uid, gid].contains(&u32::MAX) {
        return Err(Failure::new(Code::NotStarted, what(u32::MAX)()));
    }
    let (gid, uid) = (Gid::from_raw(gid), Uid::from_raw(uid));
    rustix::thread::set_thread_res_gid(gid, gid, gid).or_fail(Code::NotStarted, what(gid.as_raw()))?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).or_fail(Code::NotStarted, what(uid.as_raw()))
}

pub(crate) fn kill(pid: i32, signal: i32) {
    // SAFETY: a plain system call.
    unsafe { libc::kill(pid, signal) };
}

pub(crate) fn reap(pid: i32) {
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
pub(crate) struct Arrived {
    /// Its number.
    pub number: i32,
    /// Sent with kill(2) or the like.
    pub by_process: bool,
}

/// What is passed on, and SIGCHLD.
pub(crate) fn handled_signals() -> libc::sigset_t {
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
pub(crate) fn hold_signals() {
    block_signals();
}

/// Sleeps until SIGTERM, SIGINT or SIGHUP.
pub(crate) fn wait_for_end() {
    while !wait_signal().is_some_and(|s| matches!(s.number, libc::SIGTERM | libc::SIGINT | libc::SIGHUP)) {}
}

fn wait_signal() -> Option<Arrived> {
    let set = handled_signals();
    // SAFETY: the set is initialised, the information is written by the kernel.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let number = libc::sigwaitinfo(&set, &mut info);
        // SI_USER, SI_TKILL, SI_QUEUE are zero or negative; SI_KERNEL and the CLD_ codes are
        // positive.
        (number > 0).then_some(Arrived { number, by_process: info.si_code <= 0 })
    }
}

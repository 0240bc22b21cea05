//! `run`: a command in a foreign root file system or image; `with`: a command here, with handlers
//! of its own.

use crate::commands::bundle;
use crate::commands::image::{self, Found, Pull, find};
use crate::commands::register::{self, Options, Planned};
use crate::elf::{Elf, host_machine};
use crate::emulators::{Choice, Kind, NATIVE_GUESTS};
use crate::failure::{Code, Failure, OrFail, Result, fail};
use crate::oci::unpack::How;
use crate::oci::{Image, Layout, kept};
use crate::sandbox::idmap::{self, Range};
use crate::sandbox::mounts::range_for;
use crate::sandbox::network::Network;
use crate::sandbox::{self, Command, Prepared, Sandbox, Volume, find_program};
use anyarch_binfmt::Family;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use serde_json::json;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// What `run` was asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunOptions {
    /// A folder, an image's file or folder, or a reference.
    pub target: String,
    /// The command; empty for the image's own.
    pub args: Vec<OsString>,
    /// The platform, where the image has several or the root does not tell.
    pub platform: Option<String>,
    /// Engines, as for `register`.
    pub engines: Vec<(Option<String>, crate::emulators::Choice)>,
    /// `NAME=VALUE`, or `NAME` to pass ours on.
    pub env: Vec<String>,
    /// `HOST:INSIDE[:ro]`.
    pub volumes: Vec<String>,
    /// Working directory.
    pub workdir: Option<PathBuf>,
    /// `USER[:GROUP]`.
    pub user: Option<String>,
    /// Make a terminal.
    pub terminal: bool,
    /// Its network: `host`, `none`, `user` or the program of the last.
    pub network: String,
    /// Inside.
    pub hostname: Option<String>,
    /// The root cannot be written.
    pub read_only: bool,
    /// Keep every capability.
    pub privileged: bool,
    /// Replaces the image's.
    pub entrypoint: Option<String>,
    /// Handlers keep credentials of setuid programs.
    pub credentials: bool,
    /// The emulator starts everything itself.
    pub no_binfmt: bool,
    /// An OCI runtime by name or path, instead of our own.
    pub runtime: Option<String>,
    /// How many bytes a layer may unpack to.
    pub layer_limit: u64,
    /// When a registry is asked.
    pub pull: Pull,
    /// Where a report is written as JSON.
    pub report: Option<PathBuf>,
}

/// The environment that every command starts with.
const BASE_ENV: [(&str, &str); 2] =
    [("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), ("HOME", "/root")];

fn base_env() -> Env {
    BASE_ENV.iter().map(|(k, v)| (k.into(), v.into())).collect()
}

/// An environment, in its order.
pub(crate) type Env = Vec<(OsString, OsString)>;

/// `anyarch run TARGET -- CMD...`: a root file system, an image's file or folder, or a reference.
pub(crate) fn run(options: &RunOptions) -> Result<u8> {
    // Opened first: a report that cannot be written is no reason to have run the command.
    let report = options.report.as_ref().map(|file| {
        File::create(file).or_fail(Code::NotStarted, || format!("cannot write the report {}", file.display()))
    });
    let report = report.transpose()?;
    let mut told = json!({ "schema": 1, "target": options.target, "platform": null, "digest": null });
    let mut tell = |image: &Image| {
        told["platform"] = json!(image.platform().to_string());
        told["digest"] = json!(image.manifest.digest.to_string());
    };
    let mut attempt = || {
        let archive = image::archive(&options.target, options.platform.as_deref())?;
        if let Some(image) = archive.as_ref().and_then(|archive| archive.recall()) {
            tell(&image);
            if let Some(code) = run_image(options, None, &image)? {
                return Ok(code);
            }
        }
        match find(&options.target, options.platform.as_deref(), options.pull)? {
            Found::Root => run_root(options),
            Found::Image(layout, image) => {
                tell(&image);
                if let Some(archive) = archive
                    && let Err(failure) = archive.remember(&image)
                {
                    detail!("{failure}");
                }
                let code = run_image(options, Some(&layout), &image)?;
                code.ok_or_else(|| Failure::new(Code::NotStarted, "the image was not unpacked"))
            }
        }
    };
    let result = attempt();
    if let Some(mut report) = report {
        told["exit_code"] =
            json!(result.as_ref().map_or_else(|f| crate::cli::not_started(f.clone()).code as u8, |c| *c));
        told["failure"] = json!(result.as_ref().err().map(Failure::json));
        let written = writeln!(report, "{told}");
        // The command's own exit code is the more important one.
        if let Err(error) = written {
            caution!("the report is not written: {error}");
        }
    }
    result
}

/// Unpacks an image where its layers are not kept already, runs its command, removes what it wrote.
/// `None` where they are not kept and there is nothing to unpack.
fn run_image(options: &RunOptions, layout: Option<&Layout>, image: &Image) -> Result<Option<u8>> {
    let Some(unpacked) = Unpacked::of(layout, image, options)? else { return Ok(None) };
    let inside = unpacked.inside()?;
    let result = command_of(options, image, &inside).and_then(|command| {
        if command.args.is_empty() {
            return Err(Failure::new(Code::Usage, "the image has no command")
                .mend(format!("anyarch run {} -- CMD", options.target)));
        }
        let mut options = options.clone();
        // The configuration says it; the files need not be looked at.
        options.platform = options
            .platform
            .or(Some(image.platform().to_string()))
            .filter(|p| !anyarch_binfmt::family::lookup(p).is_empty());
        start(&options, &unpacked.place(), &inside, command)
    });
    drop(inside);
    unpacked.remove();
    result.map(Some)
}

/// An image's command with what the options change of it; without arguments where the image has
/// none.
pub(crate) fn command_of(options: &RunOptions, image: &Image, inside: &Inside) -> Result<Command> {
    let mut env = base_env();
    if let Some(term) = std::env::var_os("TERM").filter(|_| options.terminal) {
        env.push(("TERM".into(), term));
    }
    let user = User::resolve(inside, options.user.clone().or(image.user()?).as_deref())?;
    if let Some(home) = &user.home {
        set_env(&mut env, "HOME", home);
    }
    merge_env(&mut env, &image.list("Env"))?;
    merge_env(&mut env, &options.env)?;
    let words = |list: Vec<String>| list.into_iter().map(OsString::from).collect::<Vec<_>>();
    let mut args = words(match &options.entrypoint {
        Some(entrypoint) => vec![entrypoint.clone()],
        None => image.list("Entrypoint"),
    });
    args.retain(|a| !a.is_empty());
    // An entry point of one's own drops the image's arguments, as docker does.
    let rest = if options.args.is_empty() && options.entrypoint.is_none() {
        words(image.list("Cmd"))
    } else {
        options.args.clone()
    };
    args.extend(rest);
    let cwd = options.workdir.clone().or(image.text("WorkingDir").map(PathBuf::from));
    Ok(Command { args, env, cwd, uid: user.uid, gid: user.gid, groups: user.groups })
}

/// A root's folder, or the mount that stands for it, and whose its files are.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    prepared: Option<Rc<Prepared>>,
    path: PathBuf,
    /// The machine's ids that exist inside, if not the usual ones.
    range: Option<Range>,
    /// Whether the files have these ids on disk.
    shifted: bool,
}

/// A root that is removed when it was used.
struct Unpacked {
    /// Holds it: who does not get the lock leaves the folder alone. Children have it as well, until
    /// they are gone.
    lock: File,
    parent: PathBuf,
    root: PathBuf,
    range: Option<Range>,
    /// The root over layers that are kept; without it, `root` holds all.
    prepared: Option<Rc<Prepared>>,
}

impl Unpacked {
    fn of(layout: Option<&Layout>, image: &Image, options: &RunOptions) -> Result<Option<Unpacked>> {
        let cache = crate::commands::image::cache_dir()?;
        let place = cache.join("roots");
        let what = || format!("cannot make a folder in {}", place.display());
        std::fs::create_dir_all(&place).or_fail(Code::NotStarted, what)?;
        match remove_leftovers(&cache) {
            Ok(0) => {}
            Ok(count) => detail!("removed {count} roots of runs that were killed"),
            Err(failure) => detail!("{failure}"),
        }
        let (parent, lock) = {
            let _all = crate::commands::image::lock_cache(&place)?;
            let new = tempfile::Builder::new().prefix("run-").tempdir_in(&place);
            let new = new.or_fail(Code::NotStarted, what)?.keep();
            let lock = lock_root(&new).or_fail(Code::NotStarted, what)?;
            (new, lock)
        };
        let root = parent.join("root");
        let range = range_for(&parent, true);
        let mut unpacked = Unpacked { lock, parent, root, range, prepared: None };
        let how = How { range, limit: options.layer_limit };
        // A runtime takes a folder and no mount.
        let kept = match options.runtime {
            Some(_) => Ok(None),
            None => unpacked.over_layers(&cache, layout, image, &how),
        };
        let result = kept.and_then(|kept| match kept {
            Some(prepared) => {
                unpacked.prepared = Some(Rc::new(prepared));
                Ok(true)
            }
            None => layout.map_or(Ok(false), |layout| {
                sandbox::with_mapped_ids(|| {
                    // An attempt with layers may have left it.
                    if !unpacked.root.exists() {
                        std::fs::create_dir(&unpacked.root).or_fail(Code::NotStarted, what)?;
                    }
                    crate::oci::unpack::unpack(layout, image, &unpacked.root, &how)
                })
                .map(|()| true)
            }),
        });
        match result {
            Ok(true) => Ok(Some(unpacked)),
            Ok(false) => {
                unpacked.remove();
                Ok(None)
            }
            Err(failure) => {
                let full = [libc::ENOSPC, libc::EDQUOT]
                    .iter()
                    .any(|code| failure.what.contains(&std::io::Error::from_raw_os_error(*code).to_string()));
                unpacked.remove();
                Err(match failure.mend {
                    None if full => failure.mend("anyarch image prune --all, or XDG_CACHE_HOME elsewhere"),
                    _ => failure,
                })
            }
        }
    }

    /// The root over the image's kept layers, where such can be mounted.
    fn over_layers(
        &self,
        cache: &Path,
        layout: Option<&Layout>,
        image: &Image,
        how: &How,
    ) -> Result<Option<Prepared>> {
        let namespace = idmap::namespace(self.range)?;
        let maker = (!rustix::process::geteuid().is_root()).then_some(&namespace);
        let run = kept::Run { cache, folder: &self.parent, namespace: maker };
        Ok(run.root(layout, image, how)?.map(|root| Prepared { namespace, root }))
    }

    fn inside(&self) -> Result<Inside> {
        match &self.prepared {
            None => Inside::open(&self.root),
            Some(prepared) => prepared
                .root
                .try_clone()
                .map(|root| Inside { root })
                .or_fail(Code::NotStarted, || "cannot use the root that was made".into()),
        }
    }

    fn place(&self) -> Place {
        let prepared = self.prepared.clone();
        Place { path: self.root.clone(), range: self.range, shifted: true, prepared }
    }

    fn remove(mut self) {
        // Nothing of it is in use then.
        self.prepared = None;
        if let Err(failure) = remove_root(&self.parent) {
            caution!("{failure}");
        }
        drop(self.lock);
    }
}

/// The lock of a folder below `roots` or `layers`; an error where another process has it.
pub(crate) fn lock_root(folder: &Path) -> rustix::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let lock = rustix::fs::open(folder, flags, Mode::empty())?;
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive)?;
    Ok(File::from(lock))
}

/// With the ids it was unpacked with; what nobody else may remove goes as well.
pub(crate) fn remove_root(folder: &Path) -> Result<()> {
    let what = || format!("cannot remove {}", folder.display());
    sandbox::with_mapped_ids(|| {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let parent = rustix::fs::open(crate::oci::layout::parent(folder), flags, Mode::empty());
        let name = Path::new(folder.file_name().unwrap_or_default());
        crate::oci::unpack::remove(&parent.or_fail(Code::Failed, what)?, name).or_fail(Code::Failed, what)
    })
}

/// Removes what runs that were killed have left in the cache; the number of roots.
pub(crate) fn remove_leftovers(cache: &Path) -> Result<usize> {
    let roots = remove_unlocked(&cache.join("roots"), b"run-")?;
    let layers = remove_unlocked(&kept::place(cache), b"new-")?;
    if layers > 0 {
        detail!("removed {layers} layers that killed runs have not completed");
    }
    Ok(roots)
}

/// Removes the folders of this kind that nobody has locked; their number.
fn remove_unlocked(place: &Path, prefix: &[u8]) -> Result<usize> {
    if !place.exists() {
        return Ok(0);
    }
    // A folder of this moment has its lock before this one is released.
    let left: Vec<(PathBuf, File)> = {
        let _all = crate::commands::image::lock_cache(place)?;
        let list =
            std::fs::read_dir(place).or_fail(Code::Failed, || format!("cannot read {}", place.display()))?;
        let folders = list.flatten().filter(|e| e.file_name().as_bytes().starts_with(prefix));
        folders.filter_map(|e| Some((e.path(), lock_root(&e.path()).ok()?))).collect()
    };
    for (folder, _lock) in &left {
        remove_root(folder)?;
    }
    Ok(left.len())
}

/// `anyarch run ROOTFS -- CMD...`
pub(crate) fn run_root(options: &RunOptions) -> Result<u8> {
    let root = Path::new(&options.target)
        .canonicalize()
        .or_fail(Code::NotStarted, || format!("cannot use {} as root", options.target))?;
    let inside = Inside::open(&root)?;
    let mut env = base_env();
    if let Some(term) = std::env::var_os("TERM") {
        env.push(("TERM".into(), term));
    }
    let mut args: Vec<OsString> =
        options.entrypoint.iter().filter(|e| !e.is_empty()).map(OsString::from).collect();
    args.extend_from_slice(&options.args);
    if args.is_empty() {
        args.push("/bin/sh".into());
    }
    let user = User::resolve(&inside, options.user.as_deref())?;
    if let Some(home) = &user.home {
        set_env(&mut env, "HOME", home);
    }
    merge_env(&mut env, &options.env)?;
    let command = Command {
        args,
        env,
        cwd: options.workdir.clone(),
        uid: user.uid,
        gid: user.gid,
        groups: user.groups,
    };
    let range = range_for(&root, false);
    start(options, &Place { path: root, range, shifted: false, prepared: None }, &inside, command)
}

/// The common end of `run`: handlers, volumes, namespaces.
fn start(options: &RunOptions, root: &Place, inside: &Inside, command: Command) -> Result<u8> {
    let path = command.env.iter().find(|(k, _)| k == "PATH").map(|(_, v)| v.as_os_str()).unwrap_or_default();
    let guests = guests(options, inside, &command.args[0], path)?;
    let planned = handlers(&guests, options)?;
    let volumes: Vec<Volume> = options.volumes.iter().map(|v| parse_volume(v)).collect::<Result<_>>()?;
    let rules = planned.iter().map(|p| p.rule.clone()).collect();
    if let Some(runtime) = &options.runtime {
        return start_runtime(options, root, &command, &volumes, rules, runtime);
    }
    let emulator = own_emulator(&guests, options)?;
    let sandbox = Sandbox {
        root: Some(root.path.clone()),
        range: root.range,
        shifted: root.shifted,
        prepared: root.prepared.clone(),
        emulator,
        no_binfmt: options.no_binfmt,
        rules,
        network: Network::find(&options.network)?,
        volumes,
        hostname: options.hostname.clone(),
        capabilities: (!options.privileged).then_some(sandbox::CONTAINER_CAPABILITIES),
        read_only: options.read_only,
        terminal: options.terminal,
        runtime: false,
    };
    sandbox::run(&sandbox, &command)
}

/// The same through runc, crun or another OCI runtime, which sees the handlers because it runs in
/// the sandbox itself.
fn start_runtime(
    options: &RunOptions,
    root: &Place,
    command: &Command,
    volumes: &[Volume],
    rules: Vec<anyarch_binfmt::Rule>,
    runtime: &str,
) -> Result<u8> {
    let program = find_program(runtime).ok_or_else(|| {
        Failure::new(Code::NotFound, format!("the container runtime {runtime} is not installed"))
            .mend("apt install runc, or leave --runtime out: anyarch needs none")
    })?;
    let what = || "cannot make a bundle for the container runtime".to_string();
    let folder =
        tempfile::Builder::new().prefix("anyarch-bundle-").tempdir().or_fail(Code::NotStarted, what)?;
    // The runtime is root of the sandbox: where that is not the machine's, it finds its bundle's
    // parts in the bundle, as they are to be seen.
    let mut shown = Vec::new();
    let mut show = |volume: &Volume, name: String, is_dir: bool| -> Result<Volume> {
        let target = folder.path().join(name);
        let made = if is_dir { std::fs::create_dir(&target) } else { std::fs::write(&target, "") };
        made.or_fail(Code::NotStarted, what)?;
        shown.push(Volume { target: target.clone(), ..volume.clone() });
        Ok(Volume { source: target, ..volume.clone() })
    };
    let mut root_path = root.path.clone();
    let mut inner = volumes.to_vec();
    if root.range.is_some() {
        let whole = Volume {
            source: root_path,
            target: "/".into(),
            read_only: options.read_only,
            shifted: root.shifted,
        };
        root_path = show(&whole, "rootfs".into(), true)?.source;
        for (i, volume) in inner.iter_mut().enumerate() {
            *volume = show(volume, format!("volume-{i}"), volume.source.is_dir())?;
        }
    }
    let settings = bundle::Settings {
        root: root_path,
        read_only: options.read_only,
        terminal: options.terminal,
        host_network: options.network != "none",
        hostname: options.hostname.as_deref(),
        capabilities: if options.privileged { None } else { bundle::default_capabilities() },
        volumes: &inner,
        user_namespace: None,
    };
    std::fs::write(folder.path().join("config.json"), bundle::config(command, &settings)?.to_string())
        .or_fail(Code::NotStarted, what)?;
    if let Some(range) = root.range {
        std::os::unix::fs::chown(folder.path(), Some(range.uid), Some(range.gid))
            .or_fail(Code::NotStarted, what)?;
    }
    let mut args: Vec<OsString> =
        vec![program.clone().into(), "--root".into(), folder.path().join("state").into()];
    if program.file_name().is_some_and(|n| n.to_string_lossy().starts_with("crun")) {
        // It insists on cgroups, which belong to somebody else here; runc does without by itself.
        args.push("--cgroup-manager=disabled".into());
    }
    let id = format!("anyarch-{}", std::process::id());
    args.extend(["run".into(), "--bundle".into(), folder.path().into(), id.into()]);
    let env = std::env::vars_os().collect();
    let sandbox = Sandbox {
        rules,
        // The runtime makes a network without a way out itself, inside; others are the sandbox's.
        network: match options.network.as_str() {
            "none" => Network::Host,
            other => Network::find(other)?,
        },
        terminal: options.terminal,
        runtime: true,
        volumes: shown,
        range: root.range,
        ..Sandbox::default()
    };
    detail!("{}", args.join(OsStr::new(" ")).display());
    sandbox::run(&sandbox, &Command { args, env, ..Command::default() })
}

/// Which architectures the command may need: the platform asked for, else what its program and the
/// root's shell are.
fn guests(
    options: &RunOptions,
    inside: &Inside,
    program: &OsStr,
    path: &OsStr,
) -> Result<Vec<&'static Family>> {
    if let Some(platform) = &options.platform {
        let found = anyarch_binfmt::family::lookup(platform);
        if found.is_empty() {
            return Err(register::unknown_architecture(platform));
        }
        return Ok(found);
    }
    let mut files: Vec<PathBuf> = if program.as_bytes().contains(&b'/') {
        vec![program.into()]
    } else {
        std::env::split_paths(path).filter(|d| !d.as_os_str().is_empty()).map(|d| d.join(program)).collect()
    };
    files.extend(["/bin/sh", "/usr/bin/env", "/bin/busybox", "/sbin/init"].map(PathBuf::from));
    let mut list: Vec<&'static Family> = Vec::new();
    for file in files {
        let elf = inside.read(&file).and_then(|f| Elf::read(&f).ok().flatten());
        if let Some(family) = elf.and_then(|e| e.family()).filter(|f| list.iter().all(|k| k.name != f.name)) {
            detail!("{} is for {}", file.display(), family.name);
            list.push(family);
        }
    }
    Ok(list)
}

/// Our own emulator if it runs all of these guests and the user did not choose another: QEMU's
/// cannot start what its programs start.
fn own_emulator(guests: &[&'static Family], options: &RunOptions) -> Result<Option<PathBuf>> {
    let machine = host_machine();
    let choice = Options { engines: options.engines.clone(), registered: true, ..Options::default() };
    let mut found = None;
    for guest in guests.iter().filter(|f| !f.is_native_to(&machine)) {
        // Where it interprets, QEMU's is the first choice; without handlers there is none.
        let found_one = match choice.choice(guest) {
            Choice::Auto if options.no_binfmt => Choice::Native.find(guest),
            _ => choice.emulator(guest),
        };
        match found_one {
            Ok(emulator) if emulator.kind == Kind::Native => found = Some(emulator.path),
            other if options.no_binfmt => {
                other?;
                let what = format!("without binfmt_misc only anyarch's own emulator runs {}", guest.name);
                return Err(Failure::new(Code::NoEmulator, what).mend("leave out --no-binfmt, or --engine"));
            }
            _ => return Ok(None),
        }
    }
    Ok(found)
}

/// Rules for these guests, and for all others that our own emulator runs. A guest that the machine
/// runs itself needs none; the first guest without an emulator is a failure.
fn handlers(guests: &[&'static Family], options: &RunOptions) -> Result<Vec<Planned>> {
    let machine = host_machine();
    let foreign: Vec<String> =
        guests.iter().filter(|f| !f.is_native_to(&machine)).map(|f| f.name.to_string()).collect();
    let register = |targets: Vec<String>| Options {
        targets,
        engines: options.engines.clone(),
        credentials: options.credentials,
        registered: true,
        ..Options::default()
    };
    let mut planned = Vec::new();
    if !foreign.is_empty() {
        let (found, failures) = register(foreign.clone()).resolve()?;
        if let Some(failure) = failures.into_iter().next() {
            return Err(failure);
        }
        register::warn_of_interpreter(&found);
        planned = found;
    }
    let ours = NATIVE_GUESTS.iter().filter_map(|name| anyarch_binfmt::family::by_name(name));
    let others: Vec<String> = ours
        .filter(|f| !f.is_native_to(&machine) && foreign.iter().all(|name| name != f.name))
        .map(|f| f.name.to_string())
        .collect();
    if !others.is_empty() {
        planned.extend(register(others).resolve()?.0);
    }
    Ok(planned)
}

/// `anyarch with [ARCH...] -- CMD...`
pub(crate) fn with(options: &Options, network: &str, args: Vec<OsString>) -> Result<u8> {
    if args.is_empty() {
        return Err(Failure::new(Code::Usage, "no command was given").mend("anyarch with arm64 -- CMD..."));
    }
    let targets = if options.targets.is_empty() { vec!["all".to_string()] } else { options.targets.clone() };
    let (planned, failures) = Options { targets, registered: true, ..options.clone() }.resolve()?;
    if let Some(failure) = failures.into_iter().next() {
        return Err(failure);
    }
    if planned.is_empty() {
        fail!(Code::NoEmulator, "no emulator was found for any architecture");
    }
    let network = Network::find(network)?;
    let mut env: Env = std::env::vars_os().collect();
    if !rustix::process::geteuid().is_root() || !raise_limits() {
        // What `podman unshare` and `buildah unshare` set: the namespace is there already.
        let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        set_env(&mut env, "_CONTAINERS_USERNS_CONFIGURED", "done");
        set_env(&mut env, "_CONTAINERS_ROOTLESS_UID", uid.to_string());
        set_env(&mut env, "_CONTAINERS_ROOTLESS_GID", gid.to_string());
    }
    let sandbox =
        Sandbox { rules: planned.iter().map(|p| p.rule.clone()).collect(), network, ..Sandbox::default() };
    sandbox::run(&sandbox, &Command { args, env, ..Command::default() })
}

/// Podman gives containers that root starts limits of 1048576 open files and processes, and in a
/// user namespace nobody may raise a limit. So it is done before; false where we may not either.
fn raise_limits() -> bool {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    const WANTED: u64 = 1 << 20;
    [Resource::Nofile, Resource::Nproc].into_iter().all(|resource| {
        let now = getrlimit(resource);
        let enough = now.maximum.is_none_or(|hard| hard >= WANTED);
        enough || setrlimit(resource, Rlimit { current: now.current, maximum: Some(WANTED) }).is_ok()
    })
}

/// `HOST:INSIDE[:ro|rw]`.
fn parse_volume(text: &str) -> Result<Volume> {
    let mut parts = text.split(':');
    let (source, target, mode) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""), parts.next());
    let sound = !source.is_empty()
        && target.starts_with('/')
        && matches!(mode, None | Some("ro" | "rw"))
        && parts.next().is_none();
    if !sound {
        fail!(Code::Usage, "the volume `{text}` is not HOST:/INSIDE or HOST:/INSIDE:ro");
    }
    let source = std::path::absolute(source).or_fail(Code::Usage, || format!("the volume `{text}`"))?;
    if !source.exists() {
        fail!(Code::NotStarted, "the volume's source {} does not exist", source.display());
    }
    Ok(Volume { source, target: target.into(), read_only: mode == Some("ro"), shifted: false })
}

/// Sets a variable, in its place if it is there.
pub(crate) fn set_env(env: &mut Env, name: &str, value: impl Into<OsString>) {
    match env.iter_mut().find(|(k, _)| k == name) {
        Some((_, v)) => *v = value.into(),
        None => env.push((name.into(), value.into())),
    }
}

/// Adds `NAME=VALUE`, and `NAME` with our own value if there is one.
pub(crate) fn merge_env(env: &mut Env, items: &[String]) -> Result<()> {
    for item in items {
        match item.split_once('=') {
            Some(("", _)) => fail!(Code::Usage, "`{item}` has no name before ="),
            Some((name, value)) => set_env(env, name, value),
            None => {
                if let Some(value) = std::env::var_os(item) {
                    set_env(env, item, value);
                }
            }
        }
    }
    Ok(())
}

/// The lines of `--env-file`, as docker reads them: `NAME=VALUE` with the value as it is, `NAME` to
/// pass ours on; blanks in front, empty lines and those with `#` in front do not count.
pub(crate) fn read_env_file(file: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(file)
        .or_fail(Code::NotStarted, || format!("cannot read the variables of {}", file.display()))?;
    let lines = text.lines().map(str::trim_start).filter(|l| !l.is_empty() && !l.starts_with('#'));
    for line in lines.clone() {
        let name = line.split('=').next().unwrap_or("");
        if name.is_empty() || name.contains(char::is_whitespace) {
            fail!(Code::Usage, "{}: `{line}` has no name, or one with blanks", file.display());
        }
    }
    Ok(lines.map(str::to_string).collect())
}

/// A root, from outside, with every path resolved as if it were `/` already.
pub(crate) struct Inside {
    root: OwnedFd,
}

impl Inside {
    /// Opens a folder as a root.
    pub(crate) fn open(root: &Path) -> Result<Inside> {
        let open = rustix::fs::open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        Ok(Inside {
            root: open.or_fail(Code::NotStarted, || format!("cannot use {} as root", root.display()))?,
        })
    }

    /// Opens a file for reading; symbolic links lead nowhere but inside.
    pub(crate) fn read(&self, path: &Path) -> Option<File> {
        let path = path.strip_prefix("/").unwrap_or(path);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let fd = rustix::fs::openat2(
            &self.root,
            path,
            flags,
            Mode::empty(),
            ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
        )
        .ok()?;
        let file = File::from(fd);
        file.metadata().is_ok_and(|m| m.is_file()).then_some(file)
    }

    fn text(&self, path: &str) -> String {
        let mut text = Vec::new();
        if let Some(file) = self.read(Path::new(path)) {
            let _ = file.take(1 << 22).read_to_end(&mut text);
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// Who a command runs as.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct User {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Further groups.
    pub groups: Vec<u32>,
    /// Home.
    pub home: Option<String>,
}

impl User {
    /// `USER[:GROUP]`, by the root's own passwd and group files, as docker reads it.
    pub(crate) fn resolve(inside: &Inside, text: Option<&str>) -> Result<User> {
        let text = text.unwrap_or("");
        User::from_files(text, &inside.text("/etc/passwd"), &inside.text("/etc/group"))
    }

    fn from_files(text: &str, passwd: &str, group: &str) -> Result<User> {
        let (user, wanted_group) = text.split_once(':').map_or((text, ""), |(u, g)| (u, g));
        let user = if user.is_empty() { "0" } else { user };
        let id = id(user)?;
        // A number is never a name.
        let is = |f: &[&str], id: Option<u32>, name: &str| match id {
            Some(id) => f[2].parse() == Ok(id),
            None => f[0] == name,
        };
        let line = passwd
            .lines()
            .map(|l| l.split(':').collect::<Vec<_>>())
            .find(|f| f.len() >= 6 && is(f, id, user));
        let mut found = match (&line, id) {
            (Some(f), _) => {
                let number = |text: &str| {
                    text.parse().or_fail(Code::NotStarted, || format!("the root's passwd line of {user}"))
                };
                User { uid: number(f[2])?, gid: number(f[3])?, groups: vec![], home: Some(f[5].to_string()) }
            }
            (None, Some(0)) => User::default(),
            (None, Some(uid)) => User { uid, home: Some("/".into()), ..User::default() },
            (None, None) => fail!(Code::NotStarted, "there is no user {user} in the root's /etc/passwd"),
        };
        let groups = group.lines().map(|l| l.split(':').collect::<Vec<_>>()).filter(|f| f.len() >= 3);
        if wanted_group.is_empty() {
            let name = line.map_or("", |f| f[0]);
            let member = |f: &Vec<&str>| f.len() >= 4 && f[3].split(',').any(|m| m == name && !m.is_empty());
            found.groups = groups.filter(member).filter_map(|f| f[2].parse().ok()).collect();
        } else {
            let wanted = self::id(wanted_group)?;
            let known = groups.filter(|f| is(f, wanted, wanted_group)).find_map(|f| f[2].parse().ok());
            match known.or(wanted) {
                Some(gid) => found.gid = gid,
                None => fail!(Code::NotStarted, "there is no group {wanted_group} in the root's /etc/group"),
            }
        }
        Ok(found)
    }
}

/// A user or group given as a number; `None` for a name. Docker and runc have the same bounds.
fn id(text: &str) -> Result<Option<u32>> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(None);
    }
    match text.parse::<i32>() {
        Ok(id) => Ok(Some(id as u32)),
        Err(_) => fail!(Code::NotStarted, "there is no user or group {text}: {} is the last", i32::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_those_of_the_root() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/srv:/bin/sh\n";
        let group = "root:x:0:\nadm:x:4:app,other\nstaff:x:50:\n";
        let check = |text: &str, uid, gid, groups: &[u32], home: Option<&str>| {
            let want = User { uid, gid, groups: groups.to_vec(), home: home.map(str::to_string) };
            assert_eq!(User::from_files(text, passwd, group).unwrap(), want, "{text}");
        };
        check("", 0, 0, &[], Some("/root"));
        check("app", 1000, 1001, &[4], Some("/srv"));
        check("1000", 1000, 1001, &[4], Some("/srv"));
        check("app:staff", 1000, 50, &[], Some("/srv"));
        check("7:8", 7, 8, &[], Some("/"));
        check("7", 7, 0, &[], Some("/"));
        check("7:", 7, 0, &[], Some("/"));
        check("7:staff", 7, 50, &[], Some("/"));
        check("01000:050", 1000, 50, &[], Some("/srv"));
        check(":8", 0, 8, &[], Some("/root"));
        check("0", 0, 0, &[], Some("/root"));
        check("2147483647:2147483647", 2147483647, 2147483647, &[], Some("/"));
        for text in ["2147483648", "4294967296", "0:2147483648", "99999999999999999999", "-1", "+7", "1.0"] {
            assert!(User::from_files(text, passwd, group).is_err(), "{text}");
        }
        // A name that is a number is not found by it.
        let odd = "7:x:1000:1000::/srv:/bin/sh\n";
        let user = User::from_files("7", odd, "8:x:50:\n").unwrap();
        assert_eq!((user.uid, user.gid), (7, 0));
        assert_eq!(User::from_files("7:8", odd, "8:x:50:\n").unwrap().gid, 8);
        assert_eq!(User::from_files("0", "", "").unwrap(), User::default());
        assert!(User::from_files("nobody", passwd, group).is_err());
        assert!(User::from_files("app:nogroup", passwd, group).is_err());
    }

    #[test]
    fn volumes_and_variables_are_read() {
        let volume = parse_volume("/usr:/mnt:ro").unwrap();
        let want = Volume { source: "/usr".into(), target: "/mnt".into(), read_only: true, shifted: false };
        assert_eq!(volume, want);
        for bad in ["/usr", "/usr:mnt", ":/x", "/usr:/x:rx", "/nonexistent:/x", "/usr:/x:ro:z"] {
            assert!(parse_volume(bad).is_err(), "{bad}");
        }
        let mut env: Env = vec![("A".into(), "1".into())];
        merge_env(&mut env, &["A=2=3".into(), "B=".into(), "SURELY_UNSET_VARIABLE".into()]).unwrap();
        assert_eq!(env, [("A".into(), "2=3".into()), ("B".into(), OsString::new())]);
    }
}

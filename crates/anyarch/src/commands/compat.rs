//! The command lines of other tools: multiarch/qemu-user-static's `register`, QEMU's
//! `qemu-binfmt-conf.sh` and tonistiigi/binfmt, so that scripts and images built on them go on
//! working.
//!
//! What is printed, written and registered is what those programs print, write and register, byte
//! for byte where others read it. Where they lie we do not: an exit code of 0 means that everything
//! asked for was done (multiarch's and the script's answer for the last target only, tonistiigi's
//! is always 0), and options after a mistyped one are not ignored. Changes are made without a gap,
//! and an entry that already says the same is left as it is instead of failing with `File exists`.
//! docs/host-tool.md lists every difference.

use crate::commands::register::{self, explain};
use crate::container;
use crate::emulators::Choice;
use crate::failure::{Code, Failure, OrFail, Result, fail};
use anyarch_binfmt::plan::{Kind, apply};
use anyarch_binfmt::{
    FAMILIES, Family, Flags, Instance, InstanceError, Kernel, Matcher, Outcome, Policy, Rule, family,
    formats, plan_register, plan_unregister,
};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The program that a name stands for: the name we were called by, or the word after
/// `anyarch compat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Personality {
    /// multiarch/qemu-user-static's /register.
    Multiarch,
    /// QEMU's script.
    Script,
    /// tonistiigi/binfmt.
    Tonistiigi,
    /// Our image, which stands for the images of both: the arguments tell.
    Image,
}

/// The name of our image's entry point.
pub(crate) const IMAGE_ENTRY: &str = "entrypoint";

impl Personality {
    /// By the name of the executable.
    pub(crate) fn of_executable(name: &str) -> Option<Personality> {
        match Path::new(name).file_name()?.to_str()? {
            "register" | "register.sh" => Some(Personality::Multiarch),
            "qemu-binfmt-conf.sh" | "qemu-binfmt-conf" => Some(Personality::Script),
            "binfmt" => Some(Personality::Tonistiigi),
            IMAGE_ENTRY => Some(Personality::Image),
            _ => None,
        }
    }

    /// By the arguments of our image: without any, and with an option that tonistiigi's image alone
    /// has, it is tonistiigi's.
    fn of_arguments(args: &[String]) -> Personality {
        let is_tonistiigis = |arg: &String| {
            let name = arg.strip_prefix("--").or(arg.strip_prefix('-')).unwrap_or("");
            let name = name.split_once('=').map_or(name, |(name, _)| name);
            ["install", "uninstall", "mount", "version"].contains(&name)
        };
        if args.first().is_none_or(is_tonistiigis) { Personality::Tonistiigi } else { Personality::Multiarch }
    }

    /// By the word on anyarch's own command line.
    pub(crate) fn of_word(word: &str) -> Option<Personality> {
        match word {
            "multiarch" => Some(Personality::Multiarch),
            "qemu-binfmt-conf" => Some(Personality::Script),
            "tonistiigi" => Some(Personality::Tonistiigi),
            _ => None,
        }
    }

    /// Runs it; the exit code. These programs answer 1 for every failure and put no name before
    /// their messages.
    pub(crate) fn run(self, args: &[String], dir: &Path) -> u8 {
        let env = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
        let outcome = match self {
            Personality::Multiarch => multiarch(args, dir, &env),
            Personality::Script => Script::parse(args, Script::new(&env)).and_then(|s| s.run(dir, false)),
            Personality::Tonistiigi => tonistiigi(args, dir, &env),
            Personality::Image => return Personality::of_arguments(args).run(args, dir),
        };
        outcome.unwrap_or_else(|failure| {
            eprintln!("{failure}");
            1
        })
    }
}

type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

// ---- multiarch ----------------------------------------------------------------------------------

fn multiarch(args: &[String], dir: &Path, env: Env) -> Result<u8> {
    if !dir.is_dir() {
        println!("No binfmt support in the kernel.");
        println!("  Try: '/sbin/modprobe binfmt_misc' from the host");
        return Ok(1);
    }
    let reset = args.iter().any(|a| a == "--reset");
    let rest: Vec<String> = args.iter().filter(|a| *a != "--reset").cloned().collect();
    let mut script = Script::new(env);
    script.suffix = "-static".into();
    script.partial = true;
    script.path = env("QEMU_BIN_DIR").unwrap_or_else(|| "/usr/bin".into());
    Script::parse(&rest, script)?.run(dir, reset)
}

// ---- qemu-binfmt-conf.sh ------------------------------------------------------------------------

/// What the script does with each architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Output {
    Kernel,
    Systemd,
    Debian,
}

/// The script's variables.
#[derive(Clone, Debug)]
struct Script {
    output: Output,
    cpu: Option<String>,
    path: String,
    suffix: String,
    export: Option<String>,
    credential: bool,
    persistent: bool,
    preserve: bool,
    ignore_family: bool,
    host: String,
    help: bool,
    /// Emulators that are not there are left out.
    partial: bool,
}

/// An option: short, long, whether a value follows.
type Getopt = (char, &'static str, bool);

/// The script's options.
const OPTIONS: &[Getopt] = &[
    ('d', "debian", false),
    ('s', "systemd", true),
    ('Q', "qemu-path", true),
    ('F', "qemu-suffix", true),
    ('e', "exportdir", true),
    ('c', "credential", true),
    ('p', "persistent", true),
    ('g', "preserve-argv0", true),
    ('i', "ignore-family", true),
    ('h', "help", false),
];

impl Script {
    fn new(env: Env) -> Script {
        Script {
            output: Output::Kernel,
            cpu: None,
            path: "/usr/local/bin".into(),
            suffix: String::new(),
            export: env("EXPORTDIR"),
            credential: false,
            persistent: false,
            preserve: false,
            ignore_family: false,
            host: env("HOST_ARCH").unwrap_or_else(crate::elf::host_machine),
            help: false,
            partial: false,
        }
    }

    /// getopt's rules: values may be joined (`-pyes`, `--persistent=yes`), long names shortened as
    /// far as they are clear.
    fn parse(args: &[String], mut script: Script) -> Result<Script> {
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut items: Vec<(&Getopt, Option<String>)> = Vec::new();
            if arg == "--" {
                break;
            } else if let Some(long) = arg.strip_prefix("--") {
                let (name, value) =
                    long.split_once('=').map_or((long, None), |(n, v)| (n, Some(v.to_string())));
                let fits: Vec<_> = OPTIONS.iter().filter(|o| o.1.starts_with(name)).collect();
                match (OPTIONS.iter().find(|o| o.1 == name), &fits[..]) {
                    (Some(option), _) => items.push((option, value)),
                    (None, [option]) => items.push((option, value)),
                    _ => fail!(Code::Failed, "unrecognized option '{arg}'"),
                }
            } else if let Some(short) = arg.strip_prefix('-').filter(|s| !s.is_empty()) {
                let letters = short.char_indices();
                for (at, letter) in letters {
                    let Some(option) = OPTIONS.iter().find(|o| o.0 == letter) else {
                        fail!(Code::Failed, "invalid option -- '{letter}'");
                    };
                    if option.2 {
                        let joined = &short[at + letter.len_utf8()..];
                        items.push((option, (!joined.is_empty()).then(|| joined.to_string())));
                        break;
                    }
                    items.push((option, None));
                }
            }
            // The script ignores other words.
            for (option, value) in items {
                let value = match value {
                    Some(value) => value,
                    None if option.2 => match args.next() {
                        Some(value) => value.clone(),
                        None => fail!(Code::Failed, "option requires an argument -- '{}'", option.0),
                    },
                    None => String::new(),
                };
                script.set(option.0, value)?;
            }
        }
        Ok(script)
    }

    fn set(&mut self, option: char, value: String) -> Result<()> {
        match option {
            'd' => self.output = Output::Debian,
            's' => {
                self.output = Output::Systemd;
                if value != "ALL" && family::by_name(&value).is_none() {
                    print!("{}\n", usage());
                    fail!(Code::Failed, "ERROR: unknown CPU \"{value}\"");
                }
                self.cpu = (value != "ALL").then_some(value);
            }
            'Q' => self.path = value,
            'F' => self.suffix = value,
            'e' => self.export = Some(value),
            'c' => self.credential = value == "yes",
            'p' => self.persistent = value == "yes",
            'g' => self.preserve = value == "yes",
            'i' => self.ignore_family = value != "no",
            _ => self.help = true,
        }
        Ok(())
    }

    /// Without the host's family, or, where families are ignored, without what its own emulator
    /// would run.
    fn families(&self) -> Result<Vec<&'static Family>> {
        let Some(host) = family::of_host(&self.host) else {
            fail!(Code::Failed, "INTERNAL ERROR: unknown host cpu {}", self.host);
        };
        let wanted = |f: &&'static Family| {
            let native = if self.ignore_family { f.emulator() == host.name } else { f.family == host.family };
            !native && self.cpu.as_deref().is_none_or(|c| c == f.name)
        };
        Ok(FAMILIES.iter().filter(wanted).collect())
    }

    fn rule(&self, f: &Family) -> Rule {
        let flags = [
            (self.credential, Flags::CREDENTIALS | Flags::OPEN_BINARY),
            (self.persistent, Flags::FIX_BINARY),
            (self.preserve, Flags::PRESERVE_ARGV0),
        ];
        Rule {
            name: f.entry_name(),
            matcher: Matcher::Magic { offset: 0, magic: f.magic(), mask: f.mask() },
            interpreter: format!("{}/qemu-{}{}", self.path, f.emulator(), self.suffix),
            flags: flags.iter().filter(|(on, _)| *on).fold(Flags::default(), |set, (_, flag)| set | *flag),
        }
    }

    fn run(&self, dir: &Path, reset: bool) -> Result<u8> {
        if self.help {
            print!("{}\n", usage());
            return Ok(0);
        }
        match self.output {
            Output::Kernel => self.register(dir, reset),
            Output::Systemd => {
                if !succeeds("systemctl", &["-q", "is-enabled", "systemd-binfmt.service"]) {
                    eprintln!("WARNING: systemd-binfmt.service is missing or disabled");
                }
                self.export("/etc/binfmt.d", ".conf", &|rule| {
                    let (path, arch) = (&rule.interpreter, arch_of(rule));
                    println!("Setting {path} as binfmt interpreter for {arch} for systemd-binfmt.service");
                    formats::systemd(rule).or_fail(Code::Failed, || format!("ERROR: {arch}"))
                })
            }
            Output::Debian => {
                if !Path::new("/etc/debian_version").exists() {
                    eprintln!("WARNING: your system is not a Debian based distro");
                } else if !succeeds("dpkg", &["--status", "binfmt-support"]) {
                    eprintln!("WARNING: package binfmt-support is needed");
                }
                self.export("/usr/share/binfmts", "", &|rule| Ok(formats::debian(rule).unwrap_or_default()))
            }
        }
    }

    fn export(&self, default: &str, suffix: &str, render: &dyn Fn(&Rule) -> Result<String>) -> Result<u8> {
        let folder = PathBuf::from(self.export.as_deref().unwrap_or(default));
        writable(&folder)?;
        for f in self.families()? {
            let rule = self.rule(f);
            let text = render(&rule)?;
            let file = folder.join(format!("{}{suffix}", rule.name));
            let attempt = || -> std::io::Result<()> {
                let mut new = tempfile::Builder::new()
                    .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
                    .tempfile_in(&folder)?;
                new.write_all(text.as_bytes())?;
                new.persist(&file)?;
                Ok(())
            };
            attempt().or_fail(Code::Failed, || format!("ERROR: cannot write to {}", file.display()))?;
        }
        Ok(0)
    }

    fn register(&self, dir: &Path, reset: bool) -> Result<u8> {
        let mut instance = open_or_mount(dir)?;
        writable(&dir.join("register"))?;
        let _lock = instance.lock(std::time::Duration::from_secs(10)).map_err(|e| explain(e, dir))?;
        let current = instance.entries().map_err(|e| explain(e, dir))?;
        // An image may hold emulators of some architectures only: what it lacks is left out, not
        // failed.
        let is_lacking =
            |rule: &Rule| self.partial && self.persistent && !Path::new(&rule.interpreter).exists();
        let all: Vec<Rule> = self.families()?.into_iter().map(|f| self.rule(f)).collect();
        let (lacking, rules): (Vec<Rule>, Vec<Rule>) = all.into_iter().partition(is_lacking);
        let policy = if reset { Policy::Replace } else { Policy::Keep };
        let (mut code, mut present) = (0, false);
        if reset {
            // Everything that is not about to be replaced.
            let stale = |name: &str| rules.iter().all(|r| r.name != name);
            for change in plan_unregister(&current, &stale, true) {
                if let Outcome::Failed { error, .. } = apply(&mut instance, &change) {
                    complain(&explain(error, dir), &mut code);
                }
            }
        }
        for rule in &lacking {
            eprintln!("{}: no such file, left out", rule.interpreter);
        }
        for (change, rule) in plan_register(&current, &rules, policy, reset).iter().zip(&rules) {
            println!("Setting {} as binfmt interpreter for {}", rule.interpreter, arch_of(rule));
            match apply(&mut instance, change) {
                Outcome::Done => present = true,
                Outcome::Conflict(entry) => {
                    let what = format!(
                        "{} exists already ({} {})",
                        entry.rule.name, entry.rule.interpreter, entry.rule.flags
                    );
                    complain(&Failure::new(Code::Conflict, what).mend("add --reset"), &mut code);
                }
                Outcome::Failed { error, .. } => complain(&explain(error, dir), &mut code),
            }
        }
        if self.partial && !present && code == 0 {
            complain(
                &Failure::new(Code::NoEmulator, format!("there is no emulator in {}", self.path)),
                &mut code,
            );
        }
        Ok(code)
    }
}

fn arch_of(rule: &Rule) -> &str {
    rule.name.trim_start_matches("qemu-")
}

fn succeeds(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|s| s.success())
}

/// What the script checks before it begins.
fn writable(path: &Path) -> Result<()> {
    if rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_err() {
        fail!(Code::Permission, "ERROR: cannot write to {}", path.display());
    }
    Ok(())
}

/// A failure of one target.
fn complain(failure: &Failure, code: &mut u8) {
    eprintln!("{failure}");
    *code = 1;
}

/// What these programs do where the module is not loaded or nothing is mounted.
///
/// A mount shows the machine's entries wherever the machine has a mount of its own, and it may go
/// again. Otherwise it makes a new instance. Since Linux 6.7 entries vanish with the last mount, so
/// in a container that would end with it; that is a failure.
fn open_or_mount(dir: &Path) -> Result<Instance> {
    if !dir.exists() {
        succeeds("/sbin/modprobe", &["binfmt_misc"]);
    }
    let Err(InstanceError::NotMounted(_)) = Instance::open(dir) else { return register::open(dir) };
    // An automount of the machine's is mounted by whoever looks, where its files can be seen.
    let machines = Path::new("/proc/1/root").join(dir.strip_prefix("/").unwrap_or(dir));
    let _ = Instance::open(machines);
    use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let before = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
    mount("binfmt_misc", dir, "binfmt_misc", flags, None)
        .or_fail(Code::Kernel, || format!("cannot mount binfmt_misc on {}", dir.display()))?;
    let instance = register::open(dir)?;
    // The kernel dates its own files when it makes an instance, by the coarse clock.
    let is_new = instance.registered_at("status").is_some_and(|made| {
        made >= std::time::UNIX_EPOCH + std::time::Duration::new(before.tv_sec as u64, before.tv_nsec as u32)
    });
    if is_new && container::is_inside() && container::forgets_entries() {
        let _ = unmount(dir, UnmountFlags::DETACH);
        return Err(Failure::new(
            Code::Kernel,
            "binfmt_misc is not mounted on the machine: what is registered in a container would end with it",
        )
        .mend(format!(
            "on the machine: ls {0}, where systemd mounts it on first use; else sudo mount -t binfmt_misc binfmt_misc {0}",
            anyarch_binfmt::instance::DEFAULT_DIR
        )));
    }
    Ok(instance)
}

fn usage() -> String {
    let names: Vec<_> = FAMILIES.iter().map(|f| f.name).collect();
    format!(
        "Usage: qemu-binfmt-conf.sh [--qemu-path PATH][--debian][--systemd CPU]\n\
         \x20                          [--help][--credential yes|no][--exportdir PATH]\n\
         \x20                          [--persistent yes|no][--qemu-suffix SUFFIX]\n\
         \x20                          [--preserve-argv0 yes|no][--ignore-family yes|no]\n\
         \n\
         Configures binfmt_misc to run programs of other architectures with QEMU's interpreters.\n\
         \n\
         \x20   --help:           this text\n\
         \x20   --qemu-path:      folder of the interpreters (default /usr/local/bin)\n\
         \x20   --qemu-suffix:    suffix of their names (for example -static)\n\
         \x20   --debian:         write files for update-binfmts (default folder /usr/share/binfmts)\n\
         \x20   --systemd:        write files for systemd-binfmt, for one CPU or ALL (default folder /etc/binfmt.d)\n\
         \x20   --exportdir:      write them to this folder\n\
         \x20   --credential:     yes: take credentials from the program (flags OC)\n\
         \x20   --persistent:     yes: keep the interpreter open (flag F)\n\
         \x20   --preserve-argv0: yes: keep the program's argv[0] (flag P)\n\
         \x20   --ignore-family:  yes: also for architectures that the host runs itself\n\
         \n\
         Environment: HOST_ARCH overrides `uname -m`.\n\
         CPUs: {}",
        names.join(" ")
    )
}

// ---- tonistiigi ---------------------------------------------------------------------------------

const TONISTIIGI_USAGE: &str = "Usage of binfmt:
  -install string
    \tarchitectures to install, or all
  -mount string
    \twhere binfmt_misc is mounted (default \"/proc/sys/fs/binfmt_misc\")
  -uninstall string
    \tarchitectures or entries to uninstall; * and ? are wildcards
  -version
    \tdisplay version";

/// The platforms that BuildKit probes for, in its order; `supported` names no others.
const BUILDKIT_PLATFORMS: [&str; 12] = [
    "linux/amd64",
    "linux/arm64",
    "linux/riscv64",
    "linux/ppc64",
    "linux/ppc64le",
    "linux/s390x",
    "linux/386",
    "linux/mips64le",
    "linux/mips64",
    "linux/loong64",
    "linux/arm/v7",
    "linux/arm/v6",
];

/// Everything but the final JSON goes to stderr, as with Go's `log`.
fn tonistiigi(args: &[String], dir: &Path, env: Env) -> Result<u8> {
    let (mut install, mut uninstall, mut version, mut dir) = (vec![], vec![], false, dir.to_path_buf());
    let mut args = args.iter();
    // Go's flags: one dash or two, the value joined with = or the next word; the first other word
    // ends them.
    while let Some(flag) = args.next().and_then(|a| a.strip_prefix('-')) {
        let flag = flag.strip_prefix('-').unwrap_or(flag);
        let (name, joined) = flag.split_once('=').map_or((flag, None), |(n, v)| (n, Some(v.to_string())));
        let complaint = match name {
            "" => break,
            "h" | "help" => {
                eprint!("{TONISTIIGI_USAGE}\n");
                return Ok(0);
            }
            "version" => {
                version = joined.is_none_or(|v| v == "true");
                continue;
            }
            "install" | "uninstall" | "mount" => match joined.or_else(|| args.next().cloned()) {
                Some(value) => {
                    let list = || value.split(',').filter(|w| !w.is_empty()).map(str::to_string).collect();
                    match name {
                        "install" => install = list(),
                        "uninstall" => uninstall = list(),
                        _ => dir = value.into(),
                    }
                    continue;
                }
                None => format!("flag needs an argument: -{name}"),
            },
            _ => format!("flag provided but not defined: -{name}"),
        };
        eprintln!("{complaint}");
        eprint!("{TONISTIIGI_USAGE}\n");
        return Ok(Code::Usage as u8);
    }
    if version {
        eprintln!("binfmt/{0} anyarch/{0}", env!("CARGO_PKG_VERSION"));
        return Ok(0);
    }
    let dir = dir.as_path();
    let mut instance = open_or_mount(dir)?;
    let mut code = 0;
    let _lock = instance.lock(std::time::Duration::from_secs(10)).map_err(|e| explain(e, dir))?;
    code |= tonistiigi_uninstall(&mut instance, &uninstall).map_err(|e| explain(e, dir))?;
    let place = env("QEMU_BINARY_PATH").map(PathBuf::from);
    let prefix = env("QEMU_BINARY_PREFIX").unwrap_or_default();
    let binary = |f: &Family| format!("{prefix}qemu-{}", f.emulator());
    // The variables name QEMU's binaries; without them every emulator counts that `register` finds.
    let emulator = |f: &Family| match &place {
        None if prefix.is_empty() => Choice::Auto.find(f).map(|emulator| emulator.path),
        _ => Ok(place.as_deref().unwrap_or(Path::new("/usr/bin")).join(binary(f))),
    };
    let mut wanted: Vec<(String, Option<&'static Family>)> = Vec::new();
    for word in &install {
        if word != "all" {
            let found = family::lookup(word).first().copied();
            wanted.push((found.map_or(word.clone(), |f| f.go_name().to_string()), found));
            continue;
        }
        // What the machine does not run yet and there is an emulator for.
        let supported = register::supported_platforms(&register::survey(&instance)?);
        let is_new =
            |f: &&Family| f.published_platforms().next().is_some_and(|p| !supported.iter().any(|s| s == p));
        let mut found = false;
        for f in FAMILIES.iter().filter(is_new).filter(|f| emulator(f).is_ok_and(|path| path.exists())) {
            found = true;
            if wanted.iter().all(|(name, _)| name != f.go_name()) {
                wanted.push((f.go_name().to_string(), Some(f)));
            }
        }
        // Nothing to do is no failure where an emulator is registered already.
        let emulated = |f: &Family| !is_new(&f) && !f.is_native_to(&crate::elf::host_machine());
        let published = |f: &&Family| f.published_platforms().next().is_some();
        if !found && !FAMILIES.iter().filter(published).any(emulated) {
            let where_not = match &place {
                Some(place) => format!("{} holds no emulator", place.display()),
                None => "no emulator was found for any architecture".into(),
            };
            code = 1;
            eprintln!("installing: all {where_not}");
        }
    }
    for (word, family) in wanted {
        let mut attempt = || -> std::result::Result<(), (String, bool)> {
            let f = family.ok_or((format!("unsupported architecture: {word}"), true))?;
            if prefix.contains('/') {
                let hint = "(Hint: set $QEMU_BINARY_PATH to specify the directory)";
                return Err((format!("binary prefix must not contain path separator {hint}"), true));
            }
            let mut flags = Flags::CREDENTIALS | Flags::FIX_BINARY;
            if env("QEMU_PRESERVE_ARGV0").is_some() {
                flags = flags | Flags::PRESERVE_ARGV0;
            }
            let rule = Rule {
                // The prefix is part of the entry's name as well.
                name: binary(f),
                matcher: Matcher::Magic { offset: 0, magic: f.magic(), mask: f.mask() },
                interpreter: emulator(f).map_err(|failure| (failure.what, true))?.display().to_string(),
                flags,
            };
            let current = instance.entries().map_err(|e| (e.to_string(), true))?;
            let change = plan_register(&current, std::slice::from_ref(&rule), Policy::Keep, false).remove(0);
            match (&change.kind, apply(&mut instance, &change)) {
                (Kind::Present { .. }, Outcome::Done) => {
                    Err((format!("{} already registered", rule.name), false))
                }
                (_, Outcome::Done) => Ok(()),
                // It is registered, though otherwise; theirs says so and goes on.
                (_, Outcome::Conflict(_)) => Err((format!("{} already registered", rule.name), true)),
                (_, Outcome::Failed { error, .. }) => {
                    let to = dir.join("register");
                    let what = format!("cannot register {:?} to {}: {error}", rule.interpreter, to.display());
                    Err((what, true))
                }
            }
        };
        match attempt() {
            Ok(()) => eprintln!("installing: {word} OK"),
            Err((what, failed)) => {
                code |= failed as u8;
                eprintln!("installing: {word} {what}");
            }
        }
    }
    let rows = register::survey(&instance)?;
    let mut emulators: Vec<_> =
        rows.iter().filter(|r| r.entry.enabled).map(|r| r.entry.rule.name.clone()).collect();
    emulators.sort();
    let runs = register::supported_platforms(&rows);
    let own = runs.first().cloned().into_iter();
    let others = BUILDKIT_PLATFORMS.iter().map(|p| p.to_string());
    let others = others.filter(|p| runs.iter().position(|r| r == p).is_some_and(|at| at > 0));
    let value = json!({ "supported": own.chain(others).collect::<Vec<_>>(), "emulators": emulators });
    print!("{}\n", serde_json::to_string_pretty(&value).unwrap_or_default());
    Ok(code)
}

/// Removes what each word names: an architecture's handlers, or entries by a pattern. 1 if
/// something could not be removed.
fn tonistiigi_uninstall(
    instance: &mut Instance,
    words: &[String],
) -> std::result::Result<u8, anyarch_binfmt::InstanceError> {
    let mut code = 0;
    for word in words {
        let present: Vec<String> = instance.entries()?.into_iter().map(|e| e.rule.name).collect();
        let names = match family::lookup(word).first() {
            Some(f) if !word.starts_with("qemu-") => vec![f.name.to_string()],
            _ => match present.iter().filter(|n| glob(word, n)).cloned().collect::<Vec<_>>() {
                none if none.is_empty() => vec![word.clone()],
                some => some,
            },
        };
        for name in names {
            let is_meant = |n: &&String| {
                (**n == name || n.ends_with(&format!("-{name}"))) && !n.starts_with("WSLInterop")
            };
            let outcome = match present.iter().find(is_meant) {
                Some(entry) => instance.remove(entry).map_err(|e| e.to_string()),
                None => Err("not found".to_string()),
            };
            code |= outcome.is_err() as u8;
            eprintln!("uninstalling: {name} {}", outcome.err().unwrap_or("OK".into()));
        }
    }
    Ok(code)
}

/// `*` and `?`, as path.Match has them.
fn glob(pattern: &str, text: &str) -> bool {
    match (pattern.chars().next(), text.chars().next()) {
        (None, None) => true,
        (Some('*'), _) => {
            glob(&pattern[1..], text)
                || text.chars().next().is_some_and(|c| glob(pattern, &text[c.len_utf8()..]))
        }
        (Some('?'), Some(c)) => glob(&pattern[1..], &text[c.len_utf8()..]),
        (Some(p), Some(c)) if p == c => glob(&pattern[p.len_utf8()..], &text[c.len_utf8()..]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none(_: &str) -> Option<String> {
        None
    }

    fn script(args: &[&str]) -> Result<Script> {
        let args: Vec<_> = args.iter().map(|a| a.to_string()).collect();
        Script::parse(&args, Script { host: "x86_64".into(), ..Script::new(&none) })
    }

    #[test]
    fn options_are_getopts() {
        for args in [
            &["-p", "yes", "-Q", "/q"][..],
            &["-pyes", "-Q/q"],
            &["--persistent=yes", "--qemu-path", "/q"],
            &["--pers", "yes", "--qemu-p=/q"],
        ] {
            let s = script(args).unwrap();
            assert!(s.persistent && s.path == "/q", "{args:?}");
        }
        assert_eq!(script(&["--systemd", "vax"]).unwrap_err().what, "ERROR: unknown CPU \"vax\"");
        assert_eq!(script(&["--qemu", "/q"]).unwrap_err().what, "unrecognized option '--qemu'");
        assert_eq!(script(&["-x"]).unwrap_err().what, "invalid option -- 'x'");
        assert_eq!(script(&["-p"]).unwrap_err().what, "option requires an argument -- 'p'");
    }

    /// How many the script goes through on a host, by its own rules.
    #[test]
    fn the_hosts_family_is_left_out() {
        let check = |host: &str, args: &[&str], want: usize| {
            let args: Vec<_> = args.iter().map(|a| a.to_string()).collect();
            let s = Script::parse(&args, Script { host: host.into(), ..Script::new(&none) }).unwrap();
            assert_eq!(s.families().unwrap().len(), want, "{host} {args:?}");
        };
        check("x86_64", &[], 31);
        check("x86_64", &["-i", "yes"], 33);
        check("i686", &["-i", "yes"], 32);
        check("amd64", &[], 31);
        check("armhf", &[], 32);
        check("mips64", &[], 28);
        check("x86_64", &["-s", "s390x"], 1);
        check("s390x", &["-s", "s390x", "-i", "yes"], 0);
        let vax = Script { host: "vax".into(), ..Script::new(&none) };
        assert_eq!(vax.families().unwrap_err().what, "INTERNAL ERROR: unknown host cpu vax");
    }

    #[test]
    fn globs_match() {
        for (pattern, text, want) in [
            ("qemu-*", "qemu-arm", true),
            ("*", "x", true),
            ("qemu-?", "qemu-ab", false),
            ("a*c", "abbc", true),
            ("a*c", "ab", false),
        ] {
            assert_eq!(glob(pattern, text), want, "{pattern} {text}");
        }
    }

    #[test]
    fn names_are_personalities() {
        assert_eq!(Personality::of_executable("/register"), Some(Personality::Multiarch));
        assert_eq!(Personality::of_executable("./qemu-binfmt-conf.sh"), Some(Personality::Script));
        assert_eq!(Personality::of_executable("/usr/bin/anyarch"), None);
        assert_eq!(Personality::of_executable("/entrypoint"), Some(Personality::Image));
    }

    #[test]
    fn arguments_of_the_image_are_personalities() {
        let check = |args: &str, want| {
            let args: Vec<_> = args.split_whitespace().map(str::to_string).collect();
            assert_eq!(Personality::of_arguments(&args), want, "{args:?}");
        };
        for args in ["", "--install all", "-install=arm64,riscv64", "--uninstall qemu-aarch64", "--version"] {
            check(args, Personality::Tonistiigi);
        }
        for args in ["--reset -p yes", "--reset", "-p yes", "--help", "--credential yes", "-- --install"] {
            check(args, Personality::Multiarch);
        }
    }
}

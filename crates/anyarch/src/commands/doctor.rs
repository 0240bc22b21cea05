//! `doctor`: what stands in the way of foreign programs and containers on this machine, and what
//! mends it.
//!
//! Each check is a row of [`CHECKS`]: a function that looks at one thing and tells findings.
//! Whatever is not good has the reason and the command that mends it; what anyarch can mend itself
//! has a [`Fix`] (`--fix`). Nothing is changed while looking: in particular nothing is mounted.
//! Files of /proc, /sys and /etc are read below ANYARCH_ROOT where that is set, so that another
//! machine's can be looked at.

use crate::commands::register::{self, Row};
use crate::container;
use crate::elf::{Elf, host_machine};
use crate::emulators::{Choice, TRANSLATES};
use crate::failure::{Code, Result};
use crate::ui::Paint;
use anyarch_binfmt::plan::{self, apply};
use anyarch_binfmt::{
    FAMILIES, Flags, Instance, InstanceError, Kernel, Maker, Matcher, Outcome, Policy, Rule, entry, family,
};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Good,
    Note,
    Warning,
    Problem,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Level::Good => "ok",
            Level::Note => "note",
            Level::Warning => "warning",
            Level::Problem => "problem",
        }
    }
}

/// What `--fix` does itself, for warnings and problems.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fix {
    /// A command of the system.
    Run(Vec<String>),
    /// Write a text to a file of the kernel's.
    Write(PathBuf, &'static str),
    /// Make this rule an entry, in place of the one of its name.
    Register(Box<Rule>),
    /// Remove an entry.
    Remove(String),
    /// Register an architecture (or `all`) with an emulator found here, in place of what is there.
    Replace(String),
}

/// One thing found.
#[derive(Clone, Debug)]
struct Finding {
    level: Level,
    what: String,
    /// Reason, and the command that mends it; what is good has none.
    advice: Option<(String, String)>,
    fix: Option<Fix>,
}

fn good(what: impl Into<String>) -> Finding {
    Finding { level: Level::Good, what: what.into(), advice: None, fix: None }
}

/// What is not good always has a reason and a command.
fn found(level: Level, what: impl Into<String>, why: impl Into<String>, mend: impl Into<String>) -> Finding {
    Finding { level, what: what.into(), advice: Some((why.into(), mend.into())), fix: None }
}

impl Finding {
    fn fix(mut self, fix: Fix) -> Finding {
        self.fix = Some(fix);
        self
    }
}

/// What the checks look at.
struct Machine {
    dir: PathBuf,
    root: PathBuf,
    rows: Option<Vec<Row>>,
    release: Version,
    mounts: String,
}

type Check = fn(&Machine) -> Vec<Finding>;

/// Every check, in the order of the report.
const CHECKS: &[(&str, Check)] = &[
    ("kernel", kernel),
    ("container", container),
    ("binfmt_misc", binfmt_misc),
    ("user-namespaces", user_namespaces),
    ("entries", entries),
    ("emulators", emulators),
    ("update-binfmts", update_binfmts),
    ("docker", docker),
    ("temporary-folder", temporary_folder),
    ("wsl", wsl),
    ("selinux", selinux),
    ("yama", yama),
];

/// `anyarch doctor`.
pub(crate) fn doctor(fix: bool, as_json: bool, dir: &Path) -> Result<u8> {
    let machine = Machine::look(dir);
    let mut reports = Vec::new();
    let (mut problems, mut fixed) = (0, 0);
    for (name, check) in CHECKS {
        for finding in check(&machine) {
            let outcome = match &finding.fix {
                Some(what) if fix && finding.level >= Level::Warning => Some(mend(what, dir)),
                _ => None,
            };
            let mended = matches!(outcome, Some(Ok(_)));
            problems += (finding.level == Level::Problem && !mended) as u32;
            fixed += mended as u32;
            if as_json {
                reports.push(report(name, &finding, &outcome));
            } else {
                show(name, &finding, &outcome);
            }
        }
    }
    if as_json {
        let value = json!({ "schema": 1, "ok": problems == 0, "problems": problems, "fixed": fixed, "findings": reports });
        print!("{}\n", serde_json::to_string_pretty(&value).unwrap_or_default());
    } else if problems > 0 {
        println!("");
        println!("{problems} problem{} left.", if problems == 1 { "" } else { "s" });
    }
    Ok(if problems == 0 { 0 } else { Code::Findings as u8 })
}

fn show(name: &str, finding: &Finding, outcome: &Option<std::result::Result<String, String>>) {
    if crate::ui::quiet() && finding.level <= Level::Note {
        return;
    }
    let paint = match finding.level {
        Level::Good => Paint::Green,
        Level::Note => Paint::Dim,
        Level::Warning => Paint::Yellow,
        Level::Problem => Paint::Red,
    };
    println!("{} {name}: {}", paint.on_stdout(&format!("{:8}", finding.level.word())), finding.what);
    if let Some((why, mend)) = &finding.advice {
        println!("         {why}");
        match outcome {
            Some(Ok(did)) => println!("         fixed: {did}"),
            Some(Err(error)) => {
                println!("         could not be fixed: {error}");
                println!("         mend: {mend}");
            }
            None => println!("         mend: {mend}"),
        }
    }
}

fn report(name: &str, finding: &Finding, outcome: &Option<std::result::Result<String, String>>) -> Value {
    json!({
        "check": name,
        "level": finding.level.word(),
        "what": finding.what,
        "why": finding.advice.as_ref().map(|a| &a.0),
        "mend": finding.advice.as_ref().map(|a| &a.1),
        "fixable": finding.fix.is_some() && finding.level >= Level::Warning,
        "fixed": outcome.as_ref().map(|o| o.is_ok()),
        "fix": outcome.as_ref().map(|o| match o { Ok(text) | Err(text) => text.clone() }),
    })
}

fn mend(fix: &Fix, dir: &Path) -> std::result::Result<String, String> {
    match fix {
        Fix::Run(words) => {
            let output = Command::new(&words[0])
                .args(&words[1..])
                .output()
                .map_err(|e| format!("{}: {e}", words[0]))?;
            if output.status.success() {
                Ok(words.join(" "))
            } else {
                Err(format!("{}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
            }
        }
        Fix::Write(path, text) => fs::write(path, text)
            .map(|()| format!("wrote {text} to {}", path.display()))
            .map_err(|e| format!("{}: {e}", path.display())),
        Fix::Register(rule) => {
            // Anew, also where an entry of ours says the same of another file.
            change(dir, &|current| plan::plan_register(current, &[(**rule).clone()], Policy::Replace, true))
                .map(|()| format!("registered {} again with flags {}", rule.name, rule.flags))
        }
        Fix::Remove(name) => {
            let change_of = |current: &[anyarch_binfmt::Entry]| {
                let mut list = plan::plan_unregister(current, &|_| true, false);
                list.retain(|c| c.name == *name);
                list
            };
            change(dir, &change_of).map(|()| format!("removed {name}"))
        }
        Fix::Replace(arch) => {
            let options = register::Options { targets: vec![arch.clone()], ..Default::default() };
            let (planned, failures) = options.resolve().map_err(|f| f.what)?;
            let rules: Vec<Rule> = planned.iter().map(|p| p.rule.clone()).collect();
            if rules.is_empty() {
                return Err(failures.first().map_or("no emulator was found here".into(), |f| f.what.clone()));
            }
            let names: Vec<_> = planned.iter().map(|p| p.family.name).collect();
            change(dir, &|current| plan::plan_register(current, &rules, Policy::Replace, false))
                .map(|()| format!("registered {}", names.join(", ")))
        }
    }
}

/// Does a plan under the instance's lock.
fn change(
    dir: &Path,
    plan: &dyn Fn(&[anyarch_binfmt::Entry]) -> Vec<anyarch_binfmt::Change>,
) -> std::result::Result<(), String> {
    let mut instance = Instance::open(dir).map_err(|e| e.to_string())?;
    let _lock = instance.lock(Duration::from_secs(10)).map_err(|e| e.to_string())?;
    let current = instance.entries().map_err(|e| e.to_string())?;
    for change in plan(&current) {
        match apply(&mut instance, &change) {
            Outcome::Done => {}
            Outcome::Conflict(entry) => return Err(format!("{} is somebody else's", entry.rule.name)),
            Outcome::Failed { error, .. } => return Err(error.to_string()),
        }
    }
    Ok(())
}

impl Machine {
    fn look(dir: &Path) -> Machine {
        let root = std::env::var_os("ANYARCH_ROOT").filter(|r| !r.is_empty()).unwrap_or("/".into());
        let mut machine = Machine {
            dir: dir.to_path_buf(),
            root: root.into(),
            rows: Instance::open(dir).ok().and_then(|i| register::survey(&i).ok()),
            release: Version::default(),
            mounts: String::new(),
        };
        machine.release = Version::parse(&machine.read("/proc/sys/kernel/osrelease").unwrap_or_default());
        machine.mounts = machine.read("/proc/self/mounts").unwrap_or_default();
        machine
    }

    fn place(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// A file's text without blanks at its ends.
    fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.place(path)).ok().map(|t| t.trim().to_string())
    }

    /// The mounts on a folder, the top one last: their types and options.
    fn mounted_on<'a>(&'a self, dir: &str) -> Vec<(&'a str, &'a str)> {
        let line = |l: &'a str| {
            let mut f = l.split(' ');
            let (_, on, kind, options) = (f.next()?, f.next()?, f.next()?, f.next()?);
            (on == dir).then_some((kind, options))
        };
        self.mounts.lines().filter_map(line).collect()
    }
}

/// Whether a mount's options have this word.
fn has_option(mount: Option<&(&str, &str)>, word: &str) -> bool {
    mount.is_some_and(|(_, options)| options.split(',').any(|o| o == word))
}

/// A version, compared number by number and not as text: 2.1.10 is newer than 2.1.7.
#[derive(Clone, Debug, Default)]
struct Version {
    /// As it was written: 19.03.8.
    text: String,
    numbers: Vec<u64>,
}

impl Version {
    /// The first run of numbers and dots.
    fn parse(text: &str) -> Version {
        let start = text.find(|c: char| c.is_ascii_digit()).unwrap_or(text.len());
        let rest = &text[start..];
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let text = rest[..end].trim_end_matches('.').to_string();
        Version { numbers: text.split('.').filter_map(|n| n.parse().ok()).collect(), text }
    }

    fn at_least(&self, numbers: &[u64]) -> bool {
        self.numbers.as_slice() >= numbers
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

// ---- checks -------------------------------------------------------------------------------------

fn kernel(m: &Machine) -> Vec<Finding> {
    let v = &m.release;
    if !v.at_least(&[4, 8]) {
        let why = "it has no flag F: emulators would have to be copied into every container";
        return vec![found(
            Level::Problem,
            format!("Linux {v} is older than 4.8"),
            why,
            "install a newer kernel",
        )];
    }
    let mut list = vec![good(format!("Linux {v}"))];
    if !v.at_least(&[6, 7]) {
        list.push(found(
            Level::Note,
            "no registration without root",
            "user namespaces have a binfmt_misc of their own since Linux 6.7",
            "register once as root: sudo anyarch register all --persist",
        ));
    }
    list
}

fn container(m: &Machine) -> Vec<Finding> {
    if !container::is_inside_of(&m.root) {
        return vec![];
    }
    let by = container::engine(&m.root).map_or(String::new(), |engine| format!(" ({engine})"));
    vec![found(
        Level::Note,
        format!("this is a container{by}, not the machine itself"),
        "what is found below is what the container sees; to register, it needs --privileged or the machine's binfmt_misc",
        "run anyarch doctor on the machine itself",
    )]
}

fn binfmt_misc(m: &Machine) -> Vec<Finding> {
    let d = m.dir.display().to_string();
    let mounts = m.mounted_on(&d);
    let words = |text: &str| text.split(' ').map(str::to_string).collect::<Vec<_>>();
    let instance = match Instance::open(&m.dir) {
        Err(InstanceError::Missing(_)) => {
            let why =
                "the kernel has no binfmt_misc, or its module is not loaded: no handler can be registered";
            return vec![
                found(Level::Problem, format!("{d} does not exist"), why, "sudo modprobe binfmt_misc")
                    .fix(Fix::Run(words("modprobe binfmt_misc"))),
            ];
        }
        Err(InstanceError::NotMounted(_)) => {
            let what = format!("binfmt_misc is not mounted on {d}");
            // Mounting is right only on the machine itself: one made in a container ends with it.
            if container::is_inside_of(&m.root) {
                let why =
                    "this is a container: a mount made here would end with it, and take its entries along";
                let mend =
                    "run anyarch doctor on the machine itself, or give the container the machine's folder";
                return vec![found(Level::Problem, what, why, mend)];
            }
            let command = format!("mount -t binfmt_misc binfmt_misc {d}");
            let why = "handlers are registered and seen there; systemd mounts it where it runs";
            return vec![
                found(Level::Problem, what, why, format!("sudo {command}")).fix(Fix::Run(words(&command))),
            ];
        }
        Err(error) => {
            let why = "its handlers cannot be seen";
            return vec![found(Level::Problem, error.to_string(), why, format!("ls -l {d}"))];
        }
        Ok(instance) => instance,
    };
    let mut list = Vec::new();
    if instance.enabled().is_ok_and(|on| !on) {
        let what = "binfmt_misc is switched off";
        let mend = format!("echo 1 | sudo tee {d}/status");
        list.push(
            found(Level::Problem, what, "no entry is used, whoever made it", mend)
                .fix(Fix::Write(m.dir.join("status"), "1")),
        );
    } else {
        list.push(good(format!("mounted on {d} and switched on")));
    }
    if mounts.iter().any(|(kind, _)| *kind == "autofs") {
        list.push(found(
            Level::Note,
            "systemd mounts it on first use (autofs)",
            "a container that gets the folder before anybody has looked into it sees nothing there",
            format!("look into it first, as now: ls {d}"),
        ));
    }
    // In a user namespace the upper one is an instance of its own, as `anyarch with` makes it.
    let machines_own = m.read("/proc/self/uid_map").is_some_and(|m| m.contains("4294967295"));
    if mounts.iter().filter(|(kind, _)| *kind == "binfmt_misc").count() > 1 && machines_own {
        list.push(found(
            Level::Warning,
            "binfmt_misc is mounted more than once on the same folder",
            "each program that mounts it where it is mounted already leaves one more; they show the same entries",
            format!("sudo umount {d}"),
        ));
    }
    if has_option(mounts.last(), "ro") {
        let command = format!("mount -o remount,rw {d}");
        list.push(
            found(
                Level::Problem,
                "binfmt_misc is mounted read-only",
                "nothing can be registered, as in a container without --privileged",
                format!("sudo {command}"),
            )
            .fix(Fix::Run(words(&command))),
        );
    }
    list
}

fn user_namespaces(m: &Machine) -> Vec<Finding> {
    const WHY: &str = "anyarch run and anyarch with, and rootless podman and docker, need them";
    let mut list = Vec::new();
    if !m.place("/proc/self/ns/user").exists() {
        let mend = "use a kernel built with CONFIG_USER_NS";
        return vec![found(Level::Warning, "the kernel has no user namespaces", WHY, mend)];
    }
    let mut switch = |path: &str, bad: &str, what: &str, value: &'static str| {
        if m.read(path).as_deref() == Some(bad) {
            let name = path.trim_start_matches("/proc/sys/").replace('/', ".");
            let mend = format!("sudo sysctl -w {name}={value}");
            list.push(found(Level::Warning, what, WHY, mend).fix(Fix::Write(m.place(path), value)));
        }
    };
    switch("/proc/sys/user/max_user_namespaces", "0", "user namespaces are switched off", "15000");
    switch("/proc/sys/kernel/unprivileged_userns_clone", "0", "only root may make user namespaces", "1");
    if m.read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").as_deref() == Some("1") {
        list.push(found(
            Level::Warning,
            "AppArmor restricts user namespaces",
            "without root, anyarch run and anyarch with get namespaces without rights in them",
            "a profile for anyarch with `userns,`, or for all: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ));
    }
    if !rustix::process::geteuid().is_root() && program("newuidmap", &["-h"]).is_none() {
        list.push(found(
            Level::Note,
            "newuidmap is not installed",
            "without root, only one user exists inside anyarch run: package managers that change owners fail",
            "sudo apt install uidmap (Debian, Ubuntu) or shadow-utils (Fedora)",
        ));
    }
    if list.is_empty() {
        let rootless = if m.release.at_least(&[6, 7]) { ", each with a binfmt_misc of its own" } else { "" };
        list.push(good(format!("available{rootless}")));
    }
    list
}

fn entries(m: &Machine) -> Vec<Finding> {
    let Some(rows) = &m.rows else { return vec![] };
    let foreign: Vec<_> = rows.iter().filter(|r| r.family.is_some()).collect();
    if foreign.is_empty() {
        let why = "foreign programs and containers end with `exec format error`";
        let mend = "sudo anyarch register all --persist";
        return vec![
            found(Level::Warning, "no foreign architecture is registered", why, mend)
                .fix(Fix::Replace("all".into())),
        ];
    }
    let mut list: Vec<Finding> = foreign.iter().flat_map(|row| entry_findings(m, row)).collect();
    if list.is_empty() {
        let count = foreign.len();
        list.push(good(format!("{count} architectures registered, all with F and a static emulator")));
    }
    list
}

fn entry_findings(m: &Machine, row: &Row) -> Vec<Finding> {
    let rule = &row.entry.rule;
    let (name, path) = (rule.name.as_str(), entry::plain_path(&rule.interpreter));
    let (d, arch) = (m.dir.display(), row.family.map_or("", |f| f.name));
    let replace = || Fix::Replace(arch.into());
    let pinned = rule.flags.contains(Flags::FIX_BINARY);
    let mut list = Vec::new();
    if row.entry.is_swap_leftover() {
        let whole = Rule { name: format!("qemu-{arch}"), ..rule.clone() };
        list.push(
            found(
                Level::Warning,
                format!("{name} was left by a register run that was killed"),
                "it works, under a name that nobody looks for",
                format!("sudo anyarch register {arch}"),
            )
            .fix(Fix::Register(Box::new(whole))),
        );
    }
    if !row.entry.enabled {
        let mend = format!("echo 1 | sudo tee {d}/{name}");
        list.push(
            found(Level::Warning, format!("{name} is disabled"), "the kernel passes over it", mend)
                .fix(Fix::Write(m.dir.join(name), "1")),
        );
    }
    if let Some(by) = &row.shadowed_by {
        let what = format!("{name} is shadowed by {by}");
        let mend = format!("remove the one that is not wanted: sudo sh -c 'echo -1 > {d}/{name}'");
        let why = "both match the same programs; the newer entry wins";
        let finding = found(Level::Warning, what, why, mend);
        // Which one is wanted is the user's to say, unless the idle one is ours.
        let idle = row.entry.is_ours() && !row.entry.is_swap_leftover();
        list.push(if idle { finding.fix(Fix::Remove(name.into())) } else { finding });
    }
    let elf = Elf::open(Path::new(path)).ok().flatten();
    let is_program = elf.is_some() || row.interpreter_exists != Some(true);
    let dynamic = elf.and_then(|e| e.interpreter);
    if !is_program {
        list.push(
            found(
                Level::Problem,
                format!("{name}: its interpreter {path} is a script or no program"),
                "containers and chroots lack the script and the shell that it needs, with flag F as well",
                format!("sudo anyarch register --replace {arch} (with the emulator that it calls: --engine qemu:PATH)"),
            )
            .fix(replace()),
        );
    }
    let meta = fs::metadata(path).ok().filter(|_| row.interpreter_exists == Some(true));
    if meta.as_ref().is_some_and(|m| m.permissions().mode() & 0o111 == 0) {
        list.push(
            found(
                Level::Problem,
                format!("{name}: its interpreter {path} is not executable"),
                "every program of this architecture fails with `permission denied`",
                format!("sudo chmod +x {path}"),
            )
            .fix(Fix::Run(vec!["chmod".into(), "+x".into(), path.into()])),
        );
    }
    // The kernel keeps the file open that was there when the entry was made.
    let changed = meta.and_then(|m| {
        let since = Duration::new(u64::try_from(m.ctime()).ok()?, m.ctime_nsec() as u32);
        Some(std::time::UNIX_EPOCH + since)
    });
    if let (true, Some(changed), Some(registered)) = (pinned, changed, row.registered_at)
        && changed > registered
    {
        let finding = found(
            Level::Warning,
            format!("{name}: {path} was changed after it was registered"),
            "the kernel runs the file that was there before, in containers too",
            format!(
                "sudo anyarch register --refresh {arch}; or restart what registers it, as systemd-binfmt"
            ),
        );
        let ours = row.entry.is_ours();
        list.push(if ours { finding.fix(Fix::Register(Box::new(rule.clone()))) } else { finding });
    }
    match (row.interpreter_exists, pinned) {
        (Some(false), false) => list.push(
            found(
                Level::Problem,
                format!("{name}: its interpreter {path} does not exist"),
                "every program of this architecture fails with `no such file or directory`",
                format!("sudo anyarch register --replace {arch}"),
            )
            .fix(replace()),
        ),
        // Without a static emulator F would not help: see below.
        (_, false) if dynamic.is_none() && is_program => list.push(
            found(
                Level::Problem,
                format!("{name} lacks flag F"),
                format!("containers and chroots need {path} inside: `no such file or directory` or `exec format error`"),
                "sudo anyarch doctor --fix",
            )
            .fix(Fix::Register(Box::new(Rule { flags: rule.flags | Flags::FIX_BINARY, ..rule.clone() }))),
        ),
        _ => {}
    }
    if let Some(loader) = dynamic {
        list.push(
            found(
                Level::Problem,
                format!("{name}: {path} is not static"),
                format!("at each start it loads {loader} from the container's root, which is of another architecture"),
                format!("sudo anyarch register --replace {arch} (with a static emulator: apt install qemu-user-static)"),
            )
            .fix(replace()),
        );
    }
    if rule.flags.contains(Flags::CREDENTIALS) {
        list.push(found(
            Level::Warning,
            format!("{name} has flag C"),
            "setuid programs get their owner's rights under the emulator: sudo works in containers, and a fault of the emulator is a way to root",
            format!("if you do not need it: sudo anyarch register --replace {arch}"),
        ));
    }
    list
}

fn emulators(_: &Machine) -> Vec<Finding> {
    let machine = host_machine();
    let published =
        FAMILIES.iter().filter(|f| f.published_platforms().next().is_some() && !f.is_native_to(&machine));
    let (have, lack): (Vec<_>, Vec<_>) = published.partition(|f| Choice::Auto.find(f).is_ok());
    let names = |l: &[&anyarch_binfmt::Family]| l.iter().map(|f| f.name).collect::<Vec<_>>().join(", ");
    let mut list = Vec::new();
    if !have.is_empty() {
        list.push(good(format!("static emulators found for {}", names(&have))));
    }
    let native = family::by_name("aarch64").map(|f| Choice::Native.find(f));
    if !TRANSLATES {
        let what = "anyarch's own emulator interprets on this host";
        let why = "it is slow; QEMU's static builds are taken where they are installed";
        list.push(found(Level::Note, what, why, "apt install qemu-user-static"));
    } else if let Some(Err(failure)) = native {
        let why = "architectures that it runs fall back to QEMU, which is slower";
        list.push(found(Level::Warning, failure.what, why, failure.mend.unwrap_or_default()));
    }
    if !lack.is_empty() {
        list.push(found(
            Level::Note,
            format!("no emulator for {}", names(&lack)),
            "images of these platforms cannot be run here",
            "apt install qemu-user-static (Debian, Ubuntu; since Debian 13: qemu-user)",
        ));
    }
    list
}

fn update_binfmts(_: &Machine) -> Vec<Finding> {
    let Some((_, text)) = program("update-binfmts", &["--version"]) else { return vec![] };
    let version = Version::parse(&text);
    if version.at_least(&[2, 1, 7]) {
        return vec![good(format!("binfmt-support {version}"))];
    }
    vec![found(
        Level::Problem,
        format!("binfmt-support {version} is older than 2.1.7"),
        "it drops flag F when it registers",
        "sudo apt install binfmt-support, or remove it: systemd-binfmt does the same",
    )]
}

fn docker(_: &Machine) -> Vec<Finding> {
    // The client answers also where the server does not; then the command fails.
    let format = ["version", "--format", "{{.Client.Version}} {{.Client.Experimental}}"];
    let client = program("docker", &format).map(|(_, text)| text).filter(|t| !t.trim().is_empty());
    let Some(client) = client.or_else(|| Some(program("docker", &["--version"])?.1)) else {
        let why = "needed only for docker's own containers: podman, buildah and anyarch run do without";
        return vec![found(
            Level::Note,
            "docker is not installed",
            why,
            "apt install docker.io docker-buildx",
        )];
    };
    let version = Version::parse(&client);
    let experimental = client.trim_end().ends_with("true")
        || std::env::var("DOCKER_CLI_EXPERIMENTAL").is_ok_and(|v| v == "enabled");
    let mut list = Vec::new();
    match () {
        () if !version.at_least(&[19, 3]) => list.push(found(
            Level::Problem,
            format!("docker {version} is older than 19.03"),
            "it has no buildx, and no --platform without experimental mode",
            "install a newer docker",
        )),
        () if !version.at_least(&[20, 10]) && !experimental => list.push(found(
            Level::Warning,
            format!("docker {version} has its experimental mode off"),
            "before 20.10, buildx and --platform are experimental",
            "export DOCKER_CLI_EXPERIMENTAL=enabled",
        )),
        () => list.push(good(format!("docker {version}"))),
    }
    match program("docker", &["buildx", "version"]) {
        Some((true, text)) => {
            let version = Version::parse(text.split_whitespace().nth(1).unwrap_or(&text));
            list.push(if version.at_least(&[0, 4]) {
                good(format!("buildx {version}"))
            } else {
                found(
                    Level::Warning,
                    format!("buildx {version} is older than 0.4"),
                    "it does not detect emulated platforms",
                    "install a newer docker-buildx plugin",
                )
            });
        }
        _ => list.push(found(
            Level::Note,
            "the buildx plugin is not installed",
            "docker builds for other platforms with it",
            "apt install docker-buildx, or docker-buildx-plugin from docker's own repository",
        )),
    }
    if !program("docker", &["info", "--format", "{{.ServerVersion}}"])
        .is_some_and(|(good, text)| good && !text.trim().is_empty())
    {
        list.push(found(
            Level::Note,
            "docker's server does not answer",
            "it is not started, or this user may not talk to it",
            "sudo systemctl start docker; or be in the group docker",
        ));
    }
    list
}

fn temporary_folder(m: &Machine) -> Vec<Finding> {
    let dir = std::env::temp_dir();
    if !has_option(m.mounted_on(&dir.display().to_string()).last(), "noexec") {
        return vec![];
    }
    vec![found(
        Level::Note,
        format!("{} is mounted noexec", dir.display()),
        "anyarch does not mind; builds that run what they unpack there fail",
        "export TMPDIR=/var/tmp",
    )]
}

fn wsl(m: &Machine) -> Vec<Finding> {
    let is_wsl = m.read("/proc/sys/kernel/osrelease").is_some_and(|t| t.to_lowercase().contains("microsoft"));
    let Some(rows) = m.rows.as_ref().filter(|_| is_wsl) else { return vec![] };
    if rows.iter().any(|r| r.entry.maker() == Maker::Wsl) {
        return vec![good("WSL's own entry is there; anyarch never touches it")];
    }
    let rule = Rule {
        name: "WSLInterop".into(),
        matcher: Matcher::Magic { offset: 0, magic: b"MZ".to_vec(), mask: vec![] },
        interpreter: "/init".into(),
        flags: Flags::PRESERVE_ARGV0 | Flags::FIX_BINARY,
    };
    let mend = "sudo sh -c 'echo :WSLInterop:M::MZ::/init:PF > /usr/lib/binfmt.d/WSLInterop.conf' and restart systemd-binfmt";
    vec![
        found(
            Level::Warning,
            "WSL's own entry (WSLInterop) is gone",
            "Windows programs do not start; systemd-binfmt removes all entries when it restarts",
            mend,
        )
        .fix(Fix::Register(Box::new(rule))),
    ]
}

fn selinux(m: &Machine) -> Vec<Finding> {
    if m.read("/sys/fs/selinux/enforce").as_deref() != Some("1") {
        return vec![];
    }
    vec![found(
        Level::Note,
        "SELinux is enforcing",
        "an emulator labelled for a home or temporary folder cannot be executed from containers",
        "keep it in /usr/libexec and: sudo restorecon -v /usr/libexec/anyarch/*",
    )]
}

fn yama(m: &Machine) -> Vec<Finding> {
    if !matches!(m.read("/proc/sys/kernel/yama/ptrace_scope").as_deref(), Some("2" | "3")) {
        return vec![];
    }
    vec![found(
        Level::Note,
        "Yama forbids ptrace",
        "gdb and strace do not work on anything; anyarch-emu -strace does without",
        "sudo sysctl -w kernel.yama.ptrace_scope=1",
    )]
}

/// Whether a program succeeds within ten seconds, and what it prints; nothing where it does not
/// exist or end.
fn program(name: &str, args: &[&str]) -> Option<(bool, String)> {
    let mut command = Command::new(name);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let begin = Instant::now();
    while child.try_wait().ok()?.is_none() {
        if begin.elapsed().as_secs() >= 10 {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().ok()?;
    Some((output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_versions() {
        let check = |text: &str, least: &[u64], want: bool| {
            assert_eq!(Version::parse(text).at_least(least), want, "{text}")
        };
        check("binfmt-support 2.1.10", &[2, 1, 7], true);
        check("2.1.6-1", &[2, 1, 7], false);
        check("20.10.5+dfsg1", &[19, 3], true);
        check("19.03.8", &[19, 3], true);
        check("18.09", &[19, 3], false);
        check("6.18.44-fc-v595", &[6, 7], true);
        check("6.6.9", &[6, 7], false);
        check("v0.29.1", &[0, 4], true);
        check("", &[1], false);
    }
}

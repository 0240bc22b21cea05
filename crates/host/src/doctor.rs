//! `doctor`: what stands in the way of foreign programs and containers on this machine, and what mends it.
//!
//! Each check is a row of [`CHECKS`]: a function that looks at one thing and tells findings. A finding has the reason and
//! the command that mends it; some can be mended by anyarch itself (`--fix`). Nothing is changed while looking: in
//! particular nothing is mounted.

use crate::elf::Elf;
use crate::engine::Choice;
use crate::failure::{Code, Result};
use crate::register::{self, Row};
use crate::ui::Paint;
use anyarch_binfmt::plan::{self, apply};
use anyarch_binfmt::{FAMILIES, Flags, Instance, Maker, Outcome, Rule, entry};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// What `--fix` can do itself.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fix {
    /// A command of the system.
    Run(Vec<String>),
    /// Write `1` to the instance's status.
    Enable,
    /// Register an entry again, from its own magic and mask, with F.
    AddF(Box<Rule>),
}

/// One thing found.
#[derive(Clone, Debug)]
struct Finding {
    level: Level,
    what: String,
    why: Option<String>,
    mend: Option<String>,
    fix: Option<Fix>,
}

fn found(level: Level, what: impl Into<String>) -> Finding {
    Finding { level, what: what.into(), why: None, mend: None, fix: None }
}

impl Finding {
    fn why(mut self, why: impl Into<String>) -> Finding {
        self.why = Some(why.into());
        self
    }
    fn mend(mut self, mend: impl Into<String>) -> Finding {
        self.mend = Some(mend.into());
        self
    }
    fn fix(mut self, fix: Fix) -> Finding {
        self.fix = Some(fix);
        self
    }
}

/// What the checks look at.
struct Machine {
    dir: PathBuf,
    rows: Option<Vec<Row>>,
    release: Version,
    mounts: String,
}

type Check = fn(&Machine) -> Vec<Finding>;

/// Every check, in the order of the report.
const CHECKS: &[(&str, Check)] = &[
    ("kernel", kernel),
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
pub fn doctor(fix: bool, as_json: bool, dir: &Path) -> Result<u8> {
    let machine = Machine::look(dir);
    let mut reports = Vec::new();
    let (mut problems, mut fixed) = (0, 0);
    for (name, check) in CHECKS {
        for finding in check(&machine) {
            let outcome = match &finding.fix {
                Some(what) if fix && finding.level as u8 >= Level::Warning as u8 => Some(mend(what, dir)),
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
        println!("{}", serde_json::to_string_pretty(&value).unwrap_or_default());
    } else if problems > 0 {
        println!("\n{problems} problem{} left.", if problems == 1 { "" } else { "s" });
    }
    Ok(if problems == 0 { 0 } else { Code::Findings as u8 })
}

fn show(name: &str, finding: &Finding, outcome: &Option<std::result::Result<String, String>>) {
    let quiet = crate::ui::quiet();
    if quiet && finding.level as u8 <= Level::Note as u8 {
        return;
    }
    let paint = match finding.level {
        Level::Good => Paint::Green,
        Level::Note => Paint::Dim,
        Level::Warning => Paint::Yellow,
        Level::Problem => Paint::Red,
    };
    println!("{} {name}: {}", paint.on_stdout(&format!("{:8}", finding.level.word())), finding.what);
    if let Some(why) = &finding.why {
        println!("         {why}");
    }
    match (outcome, &finding.mend) {
        (Some(Ok(did)), _) => println!("         fixed: {did}"),
        (Some(Err(error)), _) => println!("         could not be fixed: {error}"),
        (None, Some(mend)) => println!("         mend: {mend}"),
        (None, None) => {}
    }
}

fn report(name: &str, finding: &Finding, outcome: &Option<std::result::Result<String, String>>) -> Value {
    json!({
        "check": name,
        "level": finding.level.word(),
        "what": finding.what,
        "why": finding.why,
        "mend": finding.mend,
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
        Fix::Enable => fs::write(dir.join("status"), "1")
            .map(|()| format!("wrote 1 to {}/status", dir.display()))
            .map_err(|e| e.to_string()),
        Fix::AddF(rule) => {
            let mut instance = Instance::open(dir).map_err(|e| e.to_string())?;
            let _lock = instance.lock(std::time::Duration::from_secs(10)).map_err(|e| e.to_string())?;
            let current = anyarch_binfmt::Kernel::entries(&instance).map_err(|e| e.to_string())?;
            let change =
                plan::plan_register(&current, &[(**rule).clone()], anyarch_binfmt::Policy::Replace, false)
                    .remove(0);
            match apply(&mut instance, &change) {
                Outcome::Done => Ok(format!("registered {} again with flags {}", rule.name, rule.flags)),
                Outcome::Conflict(_) => Err("somebody else has the name".into()),
                Outcome::Failed { error, .. } => Err(error.to_string()),
            }
        }
    }
}

impl Machine {
    fn look(dir: &Path) -> Machine {
        let rows = Instance::open(dir).ok().and_then(|i| register::survey(&i).ok());
        Machine {
            dir: dir.to_path_buf(),
            rows,
            release: Version::parse(&rustix::system::uname().release().to_string_lossy()),
            mounts: fs::read_to_string("/proc/self/mounts").unwrap_or_default(),
        }
    }

    /// The mounts on a folder, the top one last: their types.
    fn mounted_on<'a>(&'a self, dir: &str) -> Vec<(&'a str, &'a str)> {
        let line = |l: &'a str| {
            let mut f = l.split(' ');
            let (_, on, kind, options) = (f.next()?, f.next()?, f.next()?, f.next()?);
            (on == dir).then_some((kind, options))
        };
        self.mounts.lines().filter_map(line).collect()
    }
}

/// A version, compared number by number and not as text: 2.1.10 is newer than 2.1.7.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version(Vec<u64>);

impl Version {
    /// The first run of numbers and dots.
    fn parse(text: &str) -> Version {
        let start = text.find(|c: char| c.is_ascii_digit()).unwrap_or(text.len());
        let end =
            text[start..].find(|c: char| !c.is_ascii_digit() && c != '.').map_or(text.len(), |e| start + e);
        Version(text[start..end].split('.').filter_map(|n| n.parse().ok()).collect())
    }

    fn at_least(&self, numbers: &[u64]) -> bool {
        self.0.as_slice() >= numbers
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.iter().map(u64::to_string).collect::<Vec<_>>().join("."))
    }
}

// ---- checks ---------------------------------------------------------------------------------------------------------

fn kernel(m: &Machine) -> Vec<Finding> {
    let v = &m.release;
    if !v.at_least(&[4, 8]) {
        return vec![
            found(Level::Problem, format!("Linux {v} is older than 4.8"))
                .why("it has no flag F: emulators would have to be copied into every container")
                .mend("install a newer kernel"),
        ];
    }
    let mut list = vec![found(Level::Good, format!("Linux {v}"))];
    if !v.at_least(&[6, 7]) {
        list.push(
            found(Level::Note, "no registration without root")
                .why("user namespaces have a binfmt_misc of their own since Linux 6.7")
                .mend("register once as root: sudo anyarch register all --persist"),
        );
    }
    list
}

fn binfmt_misc(m: &Machine) -> Vec<Finding> {
    let d = m.dir.display().to_string();
    let mounts = m.mounted_on(&d);
    let in_init = fs::read_link("/proc/self/ns/mnt").ok() == fs::read_link("/proc/1/ns/mnt").ok();
    match Instance::open(&m.dir) {
        Err(anyarch_binfmt::InstanceError::Missing(_)) => vec![
            found(Level::Problem, "the kernel has no binfmt_misc, or its module is not loaded")
                .mend("sudo modprobe binfmt_misc")
                .fix(Fix::Run(vec!["modprobe".into(), "binfmt_misc".into()])),
        ],
        Err(anyarch_binfmt::InstanceError::NotMounted(_)) => {
            let finding = found(Level::Problem, format!("binfmt_misc is not mounted on {d}"));
            // Mounting is right only on the machine itself: one made in a container ends with it.
            if in_init {
                let words = ["mount", "-t", "binfmt_misc", "binfmt_misc", &d].map(str::to_string).to_vec();
                vec![finding.mend(format!("sudo {}", words.join(" "))).fix(Fix::Run(words))]
            } else {
                vec![
                    finding
                        .why("this is a mount namespace of its own (a container?): a mount made here would end with it, and take its entries along")
                        .mend("run anyarch doctor on the machine itself, or give the container the machine's folder"),
                ]
            }
        }
        Err(error) => vec![found(Level::Problem, error.to_string())],
        Ok(instance) => {
            let mut list = Vec::new();
            if instance.enabled().is_ok_and(|on| !on) {
                list.push(
                    found(Level::Problem, "binfmt_misc is switched off: no entry is used")
                        .mend(format!("echo 1 | sudo tee {d}/status"))
                        .fix(Fix::Enable),
                );
            } else {
                list.push(found(Level::Good, format!("mounted on {d} and switched on")));
            }
            if mounts.iter().any(|(kind, _)| *kind == "autofs") {
                list.push(
                    found(Level::Note, "systemd mounts it on first use (autofs)")
                        .why("containers that start before somebody looks into the folder may see nothing; looking at it, as now, mounts it"),
                );
            }
            // In a user namespace the upper one is an instance of its own, as `anyarch with` makes it.
            let machines_own =
                fs::read_to_string("/proc/self/uid_map").is_ok_and(|m| m.contains("4294967295"));
            if mounts.iter().filter(|(kind, _)| *kind == "binfmt_misc").count() > 1 && machines_own && in_init
            {
                list.push(
                    found(Level::Warning, "binfmt_misc is mounted more than once on the same folder")
                        .why("the upper mount hides the lower one")
                        .mend(format!("sudo umount {d}")),
                );
            }
            if mounts.last().is_some_and(|(_, options)| options.split(',').any(|o| o == "ro")) {
                list.push(
                    found(Level::Problem, "binfmt_misc is mounted read-only")
                        .mend(format!("sudo mount -o remount,rw {d}")),
                );
            }
            list
        }
    }
}

fn user_namespaces(m: &Machine) -> Vec<Finding> {
    let read = |path: &str| fs::read_to_string(path).ok().map(|t| t.trim().to_string());
    let mut list = Vec::new();
    if !Path::new("/proc/self/ns/user").exists() {
        return vec![
            found(Level::Warning, "the kernel has no user namespaces")
                .why("anyarch run and anyarch with need them")
                .mend("use a kernel built with CONFIG_USER_NS"),
        ];
    }
    if read("/proc/sys/user/max_user_namespaces").as_deref() == Some("0") {
        list.push(
            found(Level::Warning, "user namespaces are switched off")
                .why("anyarch run and anyarch with need them")
                .mend("sudo sysctl -w user.max_user_namespaces=15000"),
        );
    }
    if read("/proc/sys/kernel/unprivileged_userns_clone").as_deref() == Some("0") {
        list.push(
            found(Level::Warning, "only root may make user namespaces")
                .why("anyarch run and anyarch with need root then")
                .mend("sudo sysctl -w kernel.unprivileged_userns_clone=1"),
        );
    }
    if read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").as_deref() == Some("1") {
        list.push(
            found(Level::Warning, "AppArmor restricts user namespaces")
                .why("anyarch run and anyarch with get namespaces without rights in them")
                .mend("sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or a profile for anyarch with `userns,`"),
        );
    }
    let in_path = |name: &str| {
        std::env::var_os("PATH").is_some_and(|p| std::env::split_paths(&p).any(|d| d.join(name).is_file()))
    };
    if !rustix::process::geteuid().is_root() && !in_path("newuidmap") {
        list.push(
            found(Level::Note, "newuidmap is not installed")
                .why("without root, only one user exists inside anyarch run: package managers that change owners fail")
                .mend("sudo apt install uidmap (Debian, Ubuntu) or shadow-utils (Fedora)"),
        );
    }
    if list.is_empty() {
        let rootless = if m.release.at_least(&[6, 7]) { ", each with a binfmt_misc of its own" } else { "" };
        list.push(found(Level::Good, format!("available{rootless}")));
    }
    list
}

fn entries(m: &Machine) -> Vec<Finding> {
    let Some(rows) = &m.rows else { return vec![] };
    let mut list = Vec::new();
    let foreign: Vec<_> = rows.iter().filter(|r| r.family.is_some()).collect();
    if foreign.is_empty() {
        return vec![
            found(Level::Warning, "no foreign architecture is registered")
                .mend("sudo anyarch register all --persist"),
        ];
    }
    for row in &foreign {
        let rule = &row.entry.rule;
        let (name, path) = (rule.name.as_str(), entry::plain_path(&rule.interpreter));
        let arch = row.family.map_or("", |f| f.name);
        let pinned = rule.flags.contains(Flags::FIX_BINARY);
        let elf = Elf::open(Path::new(path)).ok().flatten();
        if row.entry.is_swap_leftover() {
            list.push(
                found(Level::Warning, format!("{name} was left by a register run that was killed"))
                    .why("it works, under a name that nobody looks for")
                    .mend(format!("sudo anyarch register {arch}")),
            );
        }
        if !row.entry.enabled {
            list.push(
                found(Level::Warning, format!("{name} is disabled"))
                    .mend(format!("echo 1 | sudo tee {}/{name}", m.dir.display())),
            );
        }
        if let Some(by) = &row.shadowed_by {
            list.push(
                found(Level::Warning, format!("{name} is shadowed by {by}"))
                    .why("both match the same programs; the newer entry wins")
                    .mend(format!(
                        "remove the one that is not wanted: sudo sh -c 'echo -1 > {}/{name}'",
                        m.dir.display()
                    )),
            );
        }
        match (row.interpreter_exists, pinned) {
            (Some(false), false) => list.push(
                found(Level::Problem, format!("{name}: its interpreter {path} does not exist"))
                    .why("every program of this architecture fails with `no such file or directory`")
                    .mend(format!("sudo anyarch register --replace {arch}")),
            ),
            (_, false) => {
                let fixed = Rule { flags: rule.flags | Flags::FIX_BINARY, ..rule.clone() };
                list.push(
                    found(Level::Problem, format!("{name} lacks flag F"))
                        .why(format!("containers and chroots need {path} inside: `no such file or directory` or `exec format error`"))
                        .mend("sudo anyarch doctor --fix")
                        .fix(Fix::AddF(Box::new(fixed))),
                );
            }
            _ => {}
        }
        if let Some(loader) = elf.and_then(|e| e.interpreter) {
            list.push(
                found(Level::Problem, format!("{name}: {path} is not static"))
                    .why(format!("at each start it loads {loader} from the container's root, which is of another architecture"))
                    .mend(format!("sudo anyarch register --replace {arch} (with a static emulator: apt install qemu-user-static)")),
            );
        }
        if rule.flags.contains(Flags::CREDENTIALS) {
            list.push(
                found(Level::Warning, format!("{name} has flag C"))
                    .why("setuid programs get their owner's rights under the emulator: sudo works in containers, and a fault of the emulator is a way to root")
                    .mend(format!("if you do not need it: sudo anyarch register --replace {arch}")),
            );
        }
    }
    if list.iter().all(|f| f.level == Level::Good) {
        list.push(found(
            Level::Good,
            format!("{} architectures registered, all with F and a static emulator", foreign.len()),
        ));
    }
    list
}

fn emulators(_: &Machine) -> Vec<Finding> {
    let machine = crate::elf::host_machine();
    let published =
        FAMILIES.iter().filter(|f| f.published_platforms().next().is_some() && !f.is_native_to(&machine));
    let (have, lack): (Vec<_>, Vec<_>) = published.partition(|f| Choice::Auto.find(f).is_ok());
    let names = |l: &[&anyarch_binfmt::Family]| l.iter().map(|f| f.name).collect::<Vec<_>>().join(", ");
    let mut list = Vec::new();
    if !have.is_empty() {
        list.push(found(Level::Good, format!("static emulators found for {}", names(&have))));
    }
    if let Err(failure) =
        Choice::Native.find(anyarch_binfmt::family::by_name("aarch64").unwrap_or(&FAMILIES[0]))
    {
        list.push(Finding { mend: failure.mend, ..found(Level::Warning, failure.what) });
    }
    if !lack.is_empty() {
        list.push(
            found(Level::Note, format!("no emulator for {}", names(&lack)))
                .mend("apt install qemu-user-static (Debian, Ubuntu; since Debian 13: qemu-user)"),
        );
    }
    list
}

fn update_binfmts(_: &Machine) -> Vec<Finding> {
    let Some(text) = output("update-binfmts", &["--version"]) else { return vec![] };
    let version = Version::parse(&text);
    if version.at_least(&[2, 1, 7]) {
        return vec![found(Level::Good, format!("binfmt-support {version}"))];
    }
    vec![
        found(Level::Problem, format!("binfmt-support {version} is older than 2.1.7"))
            .why("it drops flag F when it registers")
            .mend("sudo apt install binfmt-support, or remove it: systemd-binfmt does the same"),
    ]
}

fn docker(_: &Machine) -> Vec<Finding> {
    let Some(client) =
        output("docker", &["version", "--format", "{{.Client.Version}} {{.Client.Experimental}}"])
            .or_else(|| output("docker", &["--version"]))
    else {
        return vec![];
    };
    let version = Version::parse(&client);
    let mut list = Vec::new();
    match () {
        () if !version.at_least(&[19, 3]) => list.push(
            found(Level::Problem, format!("docker {version} is older than 19.03"))
                .why("it has no buildx and no --platform")
                .mend("install a newer docker"),
        ),
        () if !version.at_least(&[20, 10]) && client.trim_end().ends_with("false") => list.push(
            found(Level::Warning, format!("docker {version} has its experimental mode off"))
                .why("before 20.10, buildx and --platform are experimental")
                .mend("export DOCKER_CLI_EXPERIMENTAL=enabled"),
        ),
        () => list.push(found(Level::Good, format!("docker {version}"))),
    }
    match output("docker", &["buildx", "version"]) {
        Some(text) => {
            let version = Version::parse(text.split_whitespace().nth(1).unwrap_or(&text));
            let level = if version.at_least(&[0, 4]) { Level::Good } else { Level::Warning };
            let finding = found(level, format!("buildx {version}"));
            list.push(if level == Level::Good {
                finding
            } else {
                finding
                    .why("before 0.4, emulated platforms are not detected")
                    .mend("install a newer docker-buildx plugin")
            });
        }
        None => list.push(
            found(Level::Note, "the buildx plugin is not installed")
                .mend("apt install docker-buildx, or docker-buildx-plugin from docker's own repository"),
        ),
    }
    if output("docker", &["info", "--format", "{{.ServerVersion}}"]).is_none() {
        list.push(
            found(Level::Note, "docker's server does not answer")
                .mend("sudo systemctl start docker; or be in the group docker"),
        );
    }
    list
}

fn temporary_folder(m: &Machine) -> Vec<Finding> {
    let dir = std::env::temp_dir();
    let noexec = m
        .mounted_on(&dir.display().to_string())
        .last()
        .is_some_and(|(_, o)| o.split(',').any(|o| o == "noexec"));
    if noexec {
        return vec![
            found(Level::Note, format!("{} is mounted noexec", dir.display()))
                .why("anyarch does not mind; builds that run what they unpack there fail")
                .mend("set TMPDIR to another folder"),
        ];
    }
    vec![]
}

fn wsl(m: &Machine) -> Vec<Finding> {
    let has = m.rows.as_ref().is_some_and(|rows| rows.iter().any(|r| r.entry.maker() == Maker::Wsl));
    let is_wsl = fs::read_to_string("/proc/sys/kernel/osrelease")
        .is_ok_and(|t| t.to_lowercase().contains("microsoft"));
    match (is_wsl, has) {
        (true, true) => vec![found(Level::Good, "WSL's own entry is there; anyarch never touches it")],
        (true, false) => vec![
            found(Level::Warning, "WSL's own entry (WSLInterop) is gone")
                .why("Windows programs do not start; systemd-binfmt removes all entries when it restarts")
                .mend("wsl --shutdown, and keep it: sudo sh -c 'echo :WSLInterop:M::MZ::/init:PF > /usr/lib/binfmt.d/WSLInterop.conf'"),
        ],
        _ => vec![],
    }
}

fn selinux(_: &Machine) -> Vec<Finding> {
    match fs::read_to_string("/sys/fs/selinux/enforce").as_deref().map(str::trim) {
        Ok("1") => vec![
            found(Level::Note, "SELinux is enforcing")
                .why("an emulator labelled for a home or temporary folder cannot be executed from containers")
                .mend("keep it in /usr/libexec and: sudo restorecon -v /usr/libexec/anyarch/*"),
        ],
        _ => vec![],
    }
}

fn yama(_: &Machine) -> Vec<Finding> {
    match fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").as_deref().map(str::trim) {
        Ok("2" | "3") => vec![
            found(Level::Note, "Yama forbids ptrace")
                .why("gdb and strace do not work on anything; anyarch-emu -strace does without")
                .mend("sudo sysctl -w kernel.yama.ptrace_scope=1"),
        ],
        _ => vec![],
    }
}

/// What a program prints, where it exists and succeeds within ten seconds.
fn output(program: &str, args: &[&str]) -> Option<String> {
    let mut child = Command::new(program)
        .args(args)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .ok()?;
    let begin = std::time::Instant::now();
    while child.try_wait().ok()?.is_none() {
        if begin.elapsed().as_secs() >= 10 {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let output = child.wait_with_output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
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

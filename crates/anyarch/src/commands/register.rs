//! `register`, `unregister` and `status`: the machine's binfmt_misc, or any other mounted instance.
//!
//! The work is a plan computed by the library and applied under the instance's lock; here are the
//! choice of emulators, the words, and what to do about each way it can fail. Nothing here mounts
//! binfmt_misc: a mount made in a container vanishes with it and takes the entries along.

use crate::commands::persist;
use crate::elf::host_machine;
use crate::emulators::{Choice, Emulator, INTERPRETS, TRANSLATES};
use crate::failure::{Code, Failure, OrFail, Result, fail};
use crate::ui::{self, Complaints};
use anyarch_binfmt::plan::{Kind, apply};
use anyarch_binfmt::{
    Change, Entry, FAMILIES, Family, Flags, Instance, InstanceError, Kernel, Matcher, Outcome, Policy, Rule,
    entry, family, plan_register, plan_unregister,
};
use rustix::fs::MemfdFlags;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long to wait for another program that holds the lock.
const PATIENCE: Duration = Duration::from_secs(10);

/// What `register` was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Architectures, platforms, `all`; empty for what our own emulator runs.
    pub targets: Vec<String>,
    /// `(architecture or none for every one, emulator)`; the last that fits wins.
    pub engines: Vec<(Option<String>, Choice)>,
    /// C.
    pub credentials: bool,
    /// P.
    pub preserve_argv0: bool,
    /// F.
    pub fix_binary: bool,
    /// Register a copy in memory.
    pub from_memfd: bool,
    /// Also after a reboot.
    pub persist: Option<persist::Way>,
    /// Only say what would be done.
    pub dry_run: bool,
    /// What to do with names that others have.
    pub policy: Policy,
    /// First remove every `qemu-*` that no longer is wanted.
    pub reset: bool,
    /// Swap entries of ours even if they look the same: the emulator's file was replaced.
    pub refresh: bool,
    /// Where none is found, take the emulator of a registered handler.
    pub registered: bool,
    /// Tell what was done as JSON.
    pub json: bool,
    /// The instance's folder.
    pub dir: PathBuf,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            targets: vec![],
            engines: vec![],
            credentials: false,
            preserve_argv0: true,
            fix_binary: true,
            from_memfd: false,
            persist: None,
            dry_run: false,
            policy: Policy::Keep,
            reset: false,
            refresh: false,
            registered: false,
            json: false,
            dir: anyarch_binfmt::instance::DEFAULT_DIR.into(),
        }
    }
}

/// A rule with the emulator it stands for, and the memory file that must live until it is
/// registered.
pub(crate) struct Planned {
    /// The row.
    pub family: &'static Family,
    /// The emulator.
    pub emulator: Emulator,
    /// The rule.
    pub rule: Rule,
    _memfd: Option<OwnedFd>,
}

impl Options {
    /// The choice for an architecture.
    pub(crate) fn choice(&self, guest: &Family) -> Choice {
        let named = |name: &str| family::lookup(name).iter().any(|f| f.name == guest.name);
        let fits = |arch: &Option<String>| arch.as_deref().is_none_or(named);
        self.engines.iter().rev().find(|(arch, _)| fits(arch)).map(|(_, c)| c.clone()).unwrap_or_default()
    }

    /// The emulator for an architecture: the chosen one, or, where that is said to do and the
    /// user asks for none, of the handler that the machine has.
    pub(crate) fn emulator(&self, guest: &Family) -> Result<Emulator> {
        let choice = self.choice(guest);
        choice.find(guest).or_else(|failure| match self.registered && choice == Choice::Auto {
            true => registered_emulator(guest, &self.dir).ok_or(failure),
            false => Err(failure),
        })
    }

    /// The flags asked for.
    pub(crate) fn flags(&self) -> Flags {
        [
            (self.preserve_argv0, Flags::PRESERVE_ARGV0),
            (self.credentials, Flags::CREDENTIALS),
            (self.fix_binary, Flags::FIX_BINARY),
        ]
        .iter()
        .filter(|(wanted, _)| *wanted)
        .fold(Flags::default(), |set, (_, flag)| set | *flag)
    }

    /// Every architecture asked for with its emulator; what cannot be is in the second list. `all`
    /// leaves out what has no emulator here.
    pub(crate) fn resolve(&self) -> Result<(Vec<Planned>, Vec<Failure>)> {
        let machine = host_machine();
        let (mut planned, mut failures) = (Vec::new(), Vec::new());
        for (guest, explicit) in targets(&self.targets, &machine)? {
            match self.emulator(guest).and_then(|emulator| self.plan_for(guest, emulator)) {
                Ok(item) => planned.push(item),
                Err(failure) if explicit => failures.push(failure),
                Err(failure) => ui::detail!("skipping {}: {}", guest.name, failure.what),
            }
        }
        Ok((planned, failures))
    }

    fn plan_for(&self, guest: &'static Family, emulator: Emulator) -> Result<Planned> {
        let path = emulator.path.to_str();
        let Some(path) = path else {
            fail!(Code::NoEmulator, "the path {} is not UTF-8", emulator.path.display());
        };
        let memfd = if self.from_memfd { Some(copy_to_memory(&emulator.path)?) } else { None };
        let interpreter = match &memfd {
            Some(fd) => entry::mark(&format!("/proc/self/fd/{}", fd.as_raw_fd())),
            // Our own emulator's name is mark enough.
            None if path.ends_with(&format!("/{}", entry::EMULATOR)) => path.to_string(),
            None => entry::mark(path),
        };
        let matcher = Matcher::Magic { offset: 0, magic: guest.magic(), mask: guest.mask() };
        let rule = Rule { name: guest.entry_name(), matcher, interpreter, flags: self.flags() };
        rule.line().or_fail(Code::NoEmulator, || format!("cannot register {}", guest.name))?;
        Ok(Planned { family: guest, emulator, rule, _memfd: memfd })
    }
}

/// The emulator of the handler that an instance has for an architecture, where its file can be
/// registered elsewhere.
fn registered_emulator(guest: &Family, dir: &Path) -> Option<Emulator> {
    let rows = survey(&Instance::open(dir).ok()?).ok()?;
    let wins = |r: &&Row| r.entry.enabled && r.shadowed_by.is_none();
    let row = rows.iter().filter(wins).find(|r| r.family.is_some_and(|f| f.name == guest.name))?;
    let path = PathBuf::from(entry::plain_path(&row.entry.rule.interpreter));
    let mut emulator = Choice::Qemu(Some(path)).find(guest).ok()?;
    if row.engine() == crate::emulators::Kind::Native.name() {
        emulator.kind = crate::emulators::Kind::Native;
    }
    ui::detail!("{}: the emulator of the handler {}", guest.name, row.entry.rule.name);
    Some(emulator)
}

/// The rows meant by the words of a command line, and whether each was named (not only meant by
/// `all`).
fn targets(words: &[String], machine: &str) -> Result<Vec<(&'static Family, bool)>> {
    let mut list: Vec<(&'static Family, bool)> = Vec::new();
    let mut add = |f: &'static Family, explicit: bool| {
        if let Some(known) = list.iter_mut().find(|(k, _)| k.name == f.name) {
            known.1 |= explicit;
        } else {
            list.push((f, explicit));
        }
    };
    let words: Vec<&str> = words.iter().flat_map(|w| w.split(',')).filter(|w| !w.is_empty()).collect();
    if words.is_empty() {
        // A handler for the machine's own programs would take them away from the kernel.
        let foreign = |f: &&Family| !f.is_native_to(machine);
        let ours = crate::emulators::NATIVE_GUESTS.iter().filter_map(|n| family::by_name(n));
        ours.filter(foreign).for_each(|f| add(f, true));
    }
    for word in words {
        if word.eq_ignore_ascii_case("all") {
            FAMILIES.iter().filter(|f| !f.is_native_to(machine)).for_each(|f| add(f, false));
            continue;
        }
        let found = family::lookup(word);
        if found.is_empty() {
            return Err(unknown_architecture(word));
        }
        for f in found {
            if f.name == machine || (machine == "x86_64" && f.family == "i386") {
                fail!(Code::Usage, "{} binaries run on this {machine} machine without an emulator", f.name);
            }
            add(f, true);
        }
    }
    Ok(list)
}

/// Says that our emulator is slow on this host, where it is what was chosen.
pub(crate) fn warn_of_interpreter(planned: &[Planned]) {
    if !TRANSLATES && planned.iter().any(|p| p.emulator.kind == crate::emulators::Kind::Native) {
        ui::caution!("{INTERPRETS}");
    }
}

/// The failure for a word that means no architecture.
pub(crate) fn unknown_architecture(word: &str) -> Failure {
    let names: Vec<_> = FAMILIES.iter().map(|f| f.name).collect();
    Failure::new(Code::Usage, format!("`{word}` is no architecture or platform anyarch knows"))
        .mend(format!("use one of {}, an OCI platform (linux/arm64), or all", names.join(", ")))
}

/// What `register` and `unregister` tell with `--json`.
#[derive(Default)]
struct Report {
    wanted: bool,
    changes: Vec<Value>,
    complaints: Complaints,
    failures: Vec<Value>,
}

impl Report {
    fn new(wanted: bool) -> Report {
        Report { wanted, ..Report::default() }
    }

    fn complain(&mut self, failure: &Failure) {
        self.failures.push(failure.json());
        self.complaints.add(failure);
    }

    /// A change that was made, would be made, was left or failed, as a line or as an object.
    fn change(&mut self, change: &Change, planned: Option<&Planned>, dry_run: bool, result: &str) {
        if !self.wanted {
            if matches!(result, "done" | "planned") || dry_run {
                say!("{}", describe(change, planned, dry_run));
            }
            if dry_run {
                change.steps.iter().for_each(|step| say!("  {step}"));
            }
            return;
        }
        let (kind, before) = match &change.kind {
            Kind::Add => ("register", None),
            Kind::Present { .. } => ("keep", None),
            Kind::Replace(old) => ("replace", Some(old)),
            Kind::Finish => ("finish", None),
            Kind::Remove(old) => ("remove", Some(old)),
            Kind::Conflict(old) => ("leave", Some(old)),
        };
        let entry = |entry: &Entry| {
            json!({ "interpreter": entry.rule.interpreter, "flags": entry.rule.flags.to_string(),
                    "maker": entry.maker().to_string() })
        };
        self.changes.push(json!({
            "name": change.name,
            "kind": kind,
            "result": result,
            "arch": planned.map(|p| p.family.name),
            "platforms": planned.map(|p| p.family.published_platforms().collect::<Vec<_>>()),
            "engine": planned.map(|p| p.emulator.kind.name()),
            "interpreter": planned.map(|p| p.emulator.path.display().to_string()),
            "flags": planned.map(|p| p.rule.flags.to_string()),
            "before": before.map(entry),
            "steps": change.steps.iter().map(|step| step.to_string()).collect::<Vec<_>>(),
        }));
    }

    /// Prints the document, if it is wanted; what failed as a whole is in it.
    fn end(mut self, instance: &Path, dry_run: bool, result: Result<()>) -> Result<u8> {
        let result = result.map(|()| self.complaints.code());
        if let Err(failure) = &result {
            self.failures.push(failure.json());
        }
        if self.wanted {
            ui::json(&json!({
                "schema": 1,
                "ok": matches!(result, Ok(0)),
                "instance": instance.display().to_string(),
                "dry_run": dry_run,
                "changes": self.changes,
                "failures": self.failures,
            }));
        }
        result
    }
}

/// `anyarch register`. The result is the exit code.
pub(crate) fn register(options: &Options) -> Result<u8> {
    let mut report = Report::new(options.json);
    let result = register_all(options, &mut report);
    report.end(&options.dir, options.dry_run, result)
}

fn register_all(options: &Options, report: &mut Report) -> Result<()> {
    if options.credentials {
        ui::caution!(
            "with C, a setuid program of a foreign architecture runs with its owner's rights under the emulator: \
             anyone who can start such a program can try to exploit the emulator as root"
        );
    }
    let (planned, failures) = options.resolve()?;
    failures.iter().for_each(|f| report.complain(f));
    warn_of_interpreter(&planned);
    let mut instance = open(&options.dir)?;
    let _lock = lock(&instance)?;
    let current = instance.entries().map_err(|e| explain(e, &options.dir))?;
    let rules: Vec<Rule> = planned.iter().map(|p| p.rule.clone()).collect();
    // What is in memory cannot be compared, so it is always new.
    let refresh = options.refresh || options.from_memfd;
    let policy = if options.reset { Policy::Replace } else { options.policy };
    let mut changes = Vec::new();
    for item in &planned {
        let newer = is_newer(&instance, item);
        let rule = std::slice::from_ref(&item.rule);
        changes.extend(plan_register(&current, rule, policy, refresh || newer));
    }
    if options.reset {
        let stale = |name: &str| name.starts_with("qemu-") && rules.iter().all(|r| r.name != name);
        changes.extend(plan_unregister(&current, &stale, true));
    }
    for change in &changes {
        let wanted = planned.iter().find(|p| {
            p.rule.name == change.name || anyarch_binfmt::plan::shadow_name(&p.rule.name) == change.name
        });
        if options.dry_run {
            let result = if matches!(change.kind, Kind::Conflict(_)) { "conflict" } else { "planned" };
            report.change(change, wanted, true, result);
            if let Kind::Conflict(entry) = &change.kind {
                report.complain(&conflict(entry));
            }
            continue;
        }
        match apply(&mut instance, change) {
            Outcome::Done => report.change(change, wanted, false, "done"),
            Outcome::Conflict(entry) => {
                report.change(change, wanted, false, "conflict");
                report.complain(&conflict(&entry));
            }
            Outcome::Failed { done, error } => {
                report.change(change, wanted, false, "failed");
                let mut failure = explain(error, &options.dir);
                if done > 0 {
                    failure.what += "; a handler is still registered, under another name, and the next `anyarch register` finishes the work";
                }
                report.complain(&failure);
                if failure.code == Code::Permission {
                    // It will be the same for every other one.
                    break;
                }
            }
        }
    }
    if let Some(way) = options.persist
        && (report.complaints.code() == 0 || !planned.is_empty())
    {
        match persist::write(way, &planned, options) {
            Ok(()) => {}
            Err(failure) => report.complain(&failure),
        }
    }
    if planned.is_empty() && report.complaints.code() == 0 {
        fail!(Code::NoEmulator, "no emulator was found for any architecture");
    }
    Ok(())
}

/// `anyarch unregister`.
pub(crate) fn unregister(words: &[String], reset: bool, dry_run: bool, json: bool, dir: &Path) -> Result<u8> {
    let mut report = Report::new(json);
    let result = unregister_all(words, reset, dry_run, dir, &mut report);
    report.end(dir, dry_run, result)
}

fn unregister_all(
    words: &[String],
    reset: bool,
    dry_run: bool,
    dir: &Path,
    report: &mut Report,
) -> Result<()> {
    let all = words.is_empty() || words.iter().any(|w| w.eq_ignore_ascii_case("all"));
    let mut names = Vec::new();
    for word in
        words.iter().flat_map(|w| w.split(',')).filter(|w| !w.eq_ignore_ascii_case("all") && !w.is_empty())
    {
        let found = family::lookup(word);
        if found.is_empty() {
            return Err(unknown_architecture(word));
        }
        names.extend(found.iter().map(|f| f.entry_name()));
    }
    let mut instance = open(dir)?;
    let _lock = lock(&instance)?;
    let current = instance.entries().map_err(|e| explain(e, dir))?;
    let changes = plan_unregister(&current, &|name| all || names.iter().any(|n| n == name), reset);
    let mut removed = 0;
    for change in &changes {
        if let Kind::Conflict(entry) = &change.kind {
            // `all` means all of ours; only a name that was asked for is worth a complaint.
            if !all {
                report.change(change, None, dry_run, "conflict");
                report.complain(
                    &Failure::new(
                        Code::Conflict,
                        format!(
                            "{} was not made by anyarch ({}, interpreter {}): left alone",
                            change.name,
                            entry.maker(),
                            entry.rule.interpreter
                        ),
                    )
                    .mend(format!(
                        "sudo anyarch unregister --reset {}",
                        change.name.trim_start_matches("qemu-")
                    )),
                );
            }
            continue;
        }
        if !dry_run && let Outcome::Failed { error, .. } = apply(&mut instance, change) {
            report.change(change, None, false, "failed");
            report.complain(&explain(error, dir));
            continue;
        }
        removed += 1;
        report.change(change, None, dry_run, if dry_run { "planned" } else { "done" });
    }
    if removed == 0 && report.complaints.code() == 0 && !report.wanted {
        say!("nothing to remove");
    }
    if !dry_run {
        persist::forget(&|name| all || names.iter().any(|n| n == name), all)?;
    }
    Ok(())
}

/// Whether the emulator's file was put in its place after it was registered: then the kernel still
/// has the older one open. A file's change time (ctime) is set when it is written, renamed or
/// linked, by the same clock as the entry's, and no tool can set it back. It changes for a new mode
/// as well; then the same file is registered once more, which harms nothing.
fn is_newer(instance: &Instance, planned: &Planned) -> bool {
    let changed = || {
        let file = std::fs::metadata(&planned.emulator.path).ok()?;
        let time = Duration::new(u64::try_from(file.ctime()).ok()?, file.ctime_nsec() as u32);
        Some(std::time::UNIX_EPOCH + time)
    };
    let shadow = anyarch_binfmt::plan::shadow_name(&planned.rule.name);
    let registered =
        [&planned.rule.name, &shadow].into_iter().filter_map(|n| instance.registered_at(n)).max();
    matches!((changed(), registered), (Some(changed), Some(registered)) if changed > registered)
}

/// One line about a change: `registered  aarch64 (linux/arm64): anyarch,
/// /usr/lib/anyarch/anyarch-emu, flags PF`.
fn describe(change: &Change, planned: Option<&Planned>, dry_run: bool) -> String {
    let (done, would) = match &change.kind {
        Kind::Add => ("registered", "would register"),
        Kind::Present { .. } => ("unchanged", "unchanged"),
        Kind::Replace(_) => ("replaced", "would replace"),
        Kind::Finish => ("finished", "would finish"),
        Kind::Remove(_) => ("removed", "would remove"),
        Kind::Conflict(_) => ("left alone", "would leave alone"),
    };
    let verb = if dry_run { would } else { done };
    let width = if dry_run { 17 } else { 10 };
    let mut line = format!("{verb:width$}  {}", change.name);
    if let Some(p) = planned {
        let platforms: Vec<_> = p.family.published_platforms().collect();
        if !platforms.is_empty() {
            line += &format!(" ({})", platforms.join(", "));
        }
        line +=
            &format!(": {} {}, flags {}", p.emulator.kind.name(), p.emulator.path.display(), p.rule.flags);
    }
    match &change.kind {
        Kind::Replace(old)
            if planned.is_some_and(|p| old.does(&Rule { name: old.rule.name.clone(), ..p.rule.clone() })) =>
        {
            line += " (registered anew)"
        }
        Kind::Replace(old) => {
            line += &format!(" (was {} {}, {})", old.rule.interpreter, old.rule.flags, old.maker())
        }
        Kind::Present { ours: false } => line += " (made by another program)",
        _ => {}
    }
    line
}

fn conflict(entry: &Entry) -> Failure {
    let arch = entry.rule.name.trim_start_matches("qemu-");
    Failure::new(
        Code::Conflict,
        format!(
            "{} is taken by an entry that anyarch did not make ({}, interpreter {}, flags {}): left alone",
            entry.rule.name,
            entry.maker(),
            entry.rule.interpreter,
            entry.rule.flags
        ),
    )
    .mend(format!("put anyarch's in front of it: anyarch register --shadow {arch}; or in its place: anyarch register --replace {arch}"))
}

/// Opens an instance, or says what to do.
pub(crate) fn open(dir: &Path) -> Result<Instance> {
    let instance = Instance::open(dir).map_err(|e| explain(e, dir))?;
    if !instance.enabled().map_err(|e| explain(e, dir))? {
        return Err(explain(InstanceError::Disabled(dir.to_path_buf()), dir));
    }
    Ok(instance)
}

fn lock(instance: &Instance) -> Result<anyarch_binfmt::instance::Lock> {
    instance.lock(PATIENCE).map_err(|e| explain(e, instance.dir()))
}

/// The library's error with its exit code and the command that mends it.
pub(crate) fn explain(error: InstanceError, dir: &Path) -> Failure {
    use rustix::io::Errno;
    let d = dir.display();
    let (code, mend) = match &error {
        InstanceError::Missing(_) => (Code::Kernel, Some("sudo modprobe binfmt_misc".to_string())),
        InstanceError::NotMounted(_) => (
            Code::Kernel,
            Some(format!(
                "on the machine itself, not in a container: sudo mount -t binfmt_misc binfmt_misc {d}"
            )),
        ),
        InstanceError::Disabled(_) => (Code::Kernel, Some(format!("echo 1 | sudo tee {d}/status"))),
        InstanceError::Locked(_) => (
            Code::Failed,
            Some("wait for the other program, or see who it is: fuser -v ".to_string() + &d.to_string()),
        ),
        InstanceError::Rule(_) => (Code::Failed, None),
        InstanceError::Refused { .. } => match error.errno() {
            Some(Errno::ACCESS | Errno::PERM) => (
                Code::Permission,
                Some(
                    "run it as root (sudo), or without root for one command only: anyarch with -- CMD"
                        .to_string(),
                ),
            ),
            Some(Errno::ROFS) => (Code::Permission, Some(format!("sudo mount -o remount,rw {d}"))),
            _ => (Code::Failed, None),
        },
    };
    Failure { code, what: error.to_string(), mend }
}

/// A copy of a file that lives as long as somebody has it open: the kernel, once it is registered
/// with F.
pub(crate) fn copy_to_memory(path: &Path) -> Result<OwnedFd> {
    let what = || format!("cannot copy {} to memory", path.display());
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    // MFD_EXEC says so since 6.3, where the machine may refuse to execute memory files without it;
    // older kernels do not know the flag.
    let create = rustix::fs::memfd_create(&name, MemfdFlags::CLOEXEC | MemfdFlags::EXEC)
        .or_else(|_| rustix::fs::memfd_create(&name, MemfdFlags::CLOEXEC));
    let memfd = create.or_fail(Code::Failed, what)?;
    let mut from = File::open(path).or_fail(Code::NoEmulator, what)?;
    let mut to = File::from(memfd);
    std::io::copy(&mut from, &mut to).or_fail(Code::Failed, what)?;
    to.flush().or_fail(Code::Failed, what)?;
    Ok(to.into())
}

/// One line of the status: an entry and what follows from it and the others.
pub(crate) struct Row {
    /// The entry.
    pub entry: Entry,
    /// Its architecture.
    pub family: Option<&'static Family>,
    /// The newer entry that matches the same binaries.
    pub shadowed_by: Option<String>,
    /// Whether its interpreter exists, seen from here; nothing for memory files.
    pub interpreter_exists: Option<bool>,
    /// When it was registered.
    pub registered_at: Option<std::time::SystemTime>,
}

/// Everything that is registered, with who wins. Entries in the kernel's order, newest first.
pub(crate) fn survey(instance: &Instance) -> Result<Vec<Row>> {
    let entries = instance.newest_first().map_err(|e| explain(e, instance.dir()))?;
    let row = |(i, entry): (usize, &Entry)| {
        let family = match &entry.rule.matcher {
            Matcher::Magic { offset: 0, magic, .. } => FAMILIES
                .iter()
                .find(|f| entry.rule.matcher.matches(&padded(&f.magic()), "") && magic.len() >= 4),
            _ => None,
        };
        let header = family.map(|f| padded(&f.magic()));
        let winner = entries
            .iter()
            .find(|e| e.enabled && header.as_ref().is_some_and(|h| e.rule.matcher.matches(h, "")));
        let shadowed_by = winner
            .filter(|w| entry.enabled && w.rule.name != entry.rule.name && i > 0)
            .map(|w| w.rule.name.clone());
        let path = entry::plain_path(&entry.rule.interpreter);
        let interpreter_exists =
            if path.starts_with("/proc/") { None } else { Some(Path::new(path).exists()) };
        let registered_at = instance.registered_at(&entry.rule.name);
        Row { entry: entry.clone(), family, shadowed_by, interpreter_exists, registered_at }
    };
    Ok(entries.iter().enumerate().map(row).collect())
}

fn padded(magic: &[u8]) -> Vec<u8> {
    let mut header = magic.to_vec();
    header.resize(256, 0);
    header
}

impl Row {
    /// Whose emulator the interpreter is, by its name.
    pub(crate) fn engine(&self) -> &'static str {
        let file = self.entry.rule.interpreter.rsplit('/').next().unwrap_or("");
        let path = &self.entry.rule.interpreter;
        match () {
            () if file == entry::EMULATOR => "anyarch",
            () if file.starts_with("qemu-")
                || file.starts_with("buildkit-qemu-")
                || path.contains("/qemu-binfmt/") =>
            {
                "qemu"
            }
            () if path.contains("/proc/self/fd/") => "in memory",
            () => "other",
        }
    }

    fn note(&self) -> String {
        let f_pinned = self.entry.rule.flags.contains(Flags::FIX_BINARY);
        match () {
            () if !self.entry.enabled => "disabled".into(),
            () if self.shadowed_by.is_some() => {
                format!("shadowed by {}", self.shadowed_by.as_deref().unwrap_or_default())
            }
            () if self.interpreter_exists == Some(false) && f_pinned => "file gone, kernel keeps it".into(),
            () if self.interpreter_exists == Some(false) => "interpreter missing".into(),
            () if !f_pinned => "no F: not in containers".into(),
            () => String::new(),
        }
    }

    fn json(&self) -> Value {
        let rule = &self.entry.rule;
        let (offset, magic, mask) = match &rule.matcher {
            Matcher::Magic { offset, magic, mask } => (json!(offset), json!(hex(magic)), json!(hex(mask))),
            Matcher::Extension(_) => (Value::Null, Value::Null, Value::Null),
        };
        json!({
            "name": rule.name,
            "arch": self.family.map(|f| f.name),
            "platforms": self.family.map(|f| f.platforms().collect::<Vec<_>>()).unwrap_or_default(),
            "engine": self.engine(),
            "interpreter": entry::plain_path(&rule.interpreter),
            "interpreter_exists": self.interpreter_exists,
            "flags": rule.flags.to_string(),
            "enabled": self.entry.enabled,
            "maker": self.entry.maker().to_string(),
            "shadowed_by": self.shadowed_by,
            "offset": offset,
            "magic": magic,
            "mask": mask,
        })
    }
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The platforms this machine runs: its own, and those with a handler that wins.
pub(crate) fn supported_platforms(rows: &[Row]) -> Vec<String> {
    let machine = host_machine();
    let also = if machine == "x86_64" { family::by_name("i386") } else { None };
    let own = family::by_name(&machine).into_iter().chain(also);
    let handled = FAMILIES.iter().filter(|f| {
        rows.iter()
            .any(|r| r.entry.enabled && r.shadowed_by.is_none() && r.family.is_some_and(|g| g.name == f.name))
    });
    let mut list: Vec<String> = Vec::new();
    for platform in own.chain(handled).flat_map(|f| f.platforms()) {
        if !list.iter().any(|p| p == platform) {
            list.push(platform.to_string());
        }
    }
    list
}

/// `anyarch status`.
pub(crate) fn status(as_json: bool, all: bool, dir: &Path) -> Result<u8> {
    let instance = Instance::open(dir).map_err(|e| explain(e, dir))?;
    let enabled = instance.enabled().map_err(|e| explain(e, dir))?;
    let mut rows = survey(&instance)?;
    let supported = supported_platforms(&rows);
    rows.sort_by_key(|r| {
        (
            r.family.map_or(usize::MAX, |f| FAMILIES.iter().position(|g| g.name == f.name).unwrap_or(0)),
            r.entry.rule.name.clone(),
        )
    });
    if as_json {
        let emulators: Vec<_> =
            rows.iter().filter(|r| r.entry.enabled).map(|r| r.entry.rule.name.clone()).collect();
        let value = json!({
            "schema": 1,
            "instance": dir.display().to_string(),
            "enabled": enabled,
            "supported": supported,
            "emulators": emulators,
            "entries": rows.iter().map(Row::json).collect::<Vec<_>>(),
        });
        print!("{}\n", serde_json::to_string_pretty(&value).unwrap_or_default());
        return Ok(0);
    }
    if !enabled {
        ui::caution!(
            "binfmt_misc is switched off: no entry is used (mend: echo 1 | sudo tee {}/status)",
            dir.display()
        );
    }
    let heading = ["ARCH", "PLATFORMS", "ENGINE", "FLAGS", "MADE BY", "INTERPRETER", "NOTE"];
    let mut cells = vec![heading.map(str::to_string).to_vec()];
    let mut hidden = 0;
    for row in &rows {
        if row.family.is_none() && !all {
            hidden += 1;
            continue;
        }
        let platforms: Vec<_> = row.family.map(|f| f.published_platforms().collect()).unwrap_or_default();
        let arch = row.family.map_or(row.entry.rule.name.as_str(), |f| f.name);
        let interpreter = match row.engine() {
            "in memory" => "(in memory)",
            _ => entry::plain_path(&row.entry.rule.interpreter),
        };
        cells.push(vec![
            arch.to_string(),
            if platforms.is_empty() { "-".into() } else { platforms.join(",") },
            row.engine().to_string(),
            row.entry.rule.flags.to_string(),
            row.entry.maker().to_string(),
            interpreter.to_string(),
            row.note(),
        ]);
    }
    if cells.len() == 1 {
        println!(
            "No foreign architecture is registered in {}. To register: anyarch register [ARCH... | all]",
            dir.display()
        );
    } else {
        print!("{}", ui::table(&cells));
    }
    if hidden > 0 {
        println!("({hidden} entries for other kinds of files; --all shows them)");
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_mean_architectures() {
        let check = |words: &[&str], want: &[&str]| {
            let words: Vec<_> = words.iter().map(|w| w.to_string()).collect();
            let list: Vec<_> = targets(&words, "x86_64").unwrap().iter().map(|(f, _)| f.name).collect();
            assert_eq!(list, want, "{words:?}");
        };
        check(&[], crate::emulators::NATIVE_GUESTS);
        check(&["arm64", "aarch64", "linux/arm64"], &["aarch64"]);
        check(&["arm64,s390x"], &["aarch64", "s390x"]);
        assert_eq!(targets(&["all".into()], "x86_64").unwrap().len(), 31);
        let on_arm64: Vec<_> = targets(&[], "aarch64").unwrap().iter().map(|(f, _)| f.name).collect();
        assert!(!on_arm64.contains(&"aarch64") && on_arm64.contains(&"riscv64"), "{on_arm64:?}");
        assert_eq!(targets(&["vax".into()], "x86_64").unwrap_err().code, Code::Usage);
        assert_eq!(
            targets(&["amd64".into()], "x86_64").unwrap_err().what,
            "x86_64 binaries run on this x86_64 machine without an emulator"
        );
    }

    #[test]
    fn the_last_fitting_engine_wins() {
        let options = Options {
            engines: vec![(None, Choice::Native), (Some("s390x".into()), Choice::Qemu(None))],
            ..Options::default()
        };
        assert_eq!(options.choice(family::by_name("s390x").unwrap()), Choice::Qemu(None));
        assert_eq!(options.choice(family::by_name("aarch64").unwrap()), Choice::Native);
    }
}

//! Why a file does or does not run here.

use crate::commands::register;
use crate::elf::{Elf, host_machine};
use crate::failure::{Code, OrFail, Result, fail};
use anyarch_binfmt::{Family, Flags};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// After ENOEXEC: the reason in half a sentence, seen from where the file was to be executed.
pub(crate) fn why_not_executable(path: &Path) -> String {
    match Elf::open(path) {
        Ok(Some(elf)) => match elf.family() {
            Some(f) if f.is_native_to(&host_machine()) => {
                "the kernel takes it for damaged (exec format error)".into()
            }
            Some(f) => format!(
                "it is a program for {}, for which no handler is registered (add --platform {})",
                f.name, f.name
            ),
            None => format!(
                "it is a program for an architecture anyarch does not know (ELF machine {})",
                elf.machine
            ),
        },
        Ok(None) => {
            let mut first = [0; 2];
            match File::open(path).and_then(|mut f| f.read(&mut first)) {
                Ok(0) => "it is empty".into(),
                Ok(_) if &first == b"#!" => "its interpreter cannot be executed".into(),
                _ => "it is neither an ELF program nor a script with #!".into(),
            }
        }
        Err(failure) => failure.what,
    }
}

/// `anyarch explain FILE|IMAGE`: 0 where this machine runs it. What is no file here is an image's
/// name.
pub(crate) fn explain(target: &str, platform: Option<&str>, as_json: bool, dir: &Path) -> Result<u8> {
    let path = Path::new(target);
    // Whoever opens a FIFO waits for its writer.
    let may_be_opened = std::fs::metadata(path).is_ok_and(|m| m.is_file() || m.is_dir());
    let is_program = path.exists() && !(may_be_opened && crate::commands::explain_image::is_image(path));
    if !is_program && (!target.starts_with(['/', '.']) || names_a_layout(target)) {
        return crate::commands::explain_image::explain(target, platform, as_json, dir);
    }
    let facts = Facts::of(path, dir)?;
    if as_json {
        print!("{}\n", serde_json::to_string_pretty(&facts.json()).unwrap_or_default());
    } else {
        facts.show();
    }
    Ok(if facts.runs.is_ok() { 0 } else { Code::Failed as u8 })
}

/// `DIR:TAG`, or a layout's or archive's path itself.
fn names_a_layout(target: &str) -> bool {
    let bare = |t: &str| crate::commands::explain_image::is_image(Path::new(t));
    bare(target) || target.rsplit_once(':').is_some_and(|(path, _)| bare(path))
}

/// What there is to say about a file.
struct Facts {
    path: String,
    kind: String,
    platform: Option<String>,
    loader: Option<(String, bool)>,
    /// By what it runs, or why not and what would change that.
    runs: std::result::Result<String, (String, Option<String>)>,
}

impl Facts {
    fn of(path: &Path, dir: &Path) -> Result<Facts> {
        let meta =
            std::fs::metadata(path).or_fail(Code::Failed, || format!("cannot look at {}", path.display()))?;
        let mut facts = Facts {
            path: path.display().to_string(),
            kind: String::new(),
            platform: None,
            loader: None,
            runs: Ok(String::new()),
        };
        if meta.is_dir() {
            fail!(
                Code::Usage,
                "{} is a folder and no OCI layout; to run what is in it: anyarch run {} -- CMD",
                path.display(),
                path.display()
            );
        }
        facts.runs = runs_file(path, dir, 0);
        if !meta.is_file() {
            facts.kind = "FIFO, socket or device".into();
            return Ok(facts);
        }
        let Some(elf) = Elf::open(path)? else {
            let is_script = first_bytes(path).is_ok_and(|first| first.starts_with(b"#!"));
            facts.kind = if is_script { "script" } else { "neither an ELF program nor a script" }.into();
            return Ok(facts);
        };
        facts.kind = describe(&elf);
        let family = elf.family();
        facts.platform = family.and_then(|f| platform(&elf, f));
        facts.loader = elf.interpreter.clone().map(|l| {
            let exists = Path::new(&l).exists();
            (l, exists)
        });
        Ok(facts)
    }

    fn show(&self) {
        println!("{}: {}", self.path, self.kind);
        if let Some(platform) = &self.platform {
            println!("  platform:  {platform}");
        }
        match &self.loader {
            Some((loader, exists)) => {
                println!("  loader:    {loader}{}", if *exists { "" } else { " (not here)" })
            }
            None if self.platform.is_some() => println!("  loader:    none (static)"),
            None => {}
        }
        match &self.runs {
            Ok(by) => println!("  runs here: yes, by {by}"),
            Err((why, mend)) => {
                println!("  runs here: no: {why}");
                if let Some(mend) = mend {
                    println!("  mend:      {mend}");
                }
            }
        }
    }

    fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "schema": 1,
            "file": self.path,
            "kind": self.kind,
            "platform": self.platform,
            "loader": self.loader.as_ref().map(|l| l.0.clone()),
            "loader_exists": self.loader.as_ref().map(|l| l.1),
            "runs": self.runs.is_ok(),
            "by": self.runs.as_ref().ok(),
            "why_not": self.runs.as_ref().err().map(|e| e.0.clone()),
            "mend": self.runs.as_ref().err().and_then(|e| e.1.clone()),
        })
    }
}

/// `64-bit little-endian aarch64 program, position independent`.
pub(crate) fn describe(elf: &Elf) -> String {
    let arch = elf.family().map_or_else(
        || format!("unknown architecture (ELF machine {})", elf.machine),
        |f| f.name.to_string(),
    );
    let order = if elf.little { "little" } else { "big" };
    let kind = match (elf.kind, &elf.interpreter) {
        (2, _) => "program",
        (3, Some(_)) => "program, position independent",
        (3, None) => "shared library or static position-independent program",
        (1, _) => "object file",
        (4, _) => "core dump",
        _ => "file of unknown kind",
    };
    format!("{}-bit {order}-endian {arch} {kind}{}", elf.bits, abi(elf))
}

/// What e_flags tell about the calling convention, where one architecture has several.
fn abi(elf: &Elf) -> &'static str {
    match elf.family().map(|f| f.name) {
        Some("arm") if elf.flags & 0x400 != 0 => ", hard-float (armhf)",
        Some("arm") if elf.flags & 0x200 != 0 => ", soft-float (armel)",
        Some("ppc64" | "ppc64le") if elf.flags & 3 == 2 => ", ELFv2",
        Some("ppc64") => ", ELFv1",
        Some("riscv64" | "riscv32") => match elf.flags & 6 {
            0 => ", soft-float",
            2 => ", single-float",
            4 => ", double-float",
            _ => ", quad-float",
        },
        _ => "",
    }
}

fn platform(elf: &Elf, family: &Family) -> Option<String> {
    let all: Vec<_> = family.platforms().collect();
    match family.name {
        // Hard-float objects need at least version 7 in every distribution.
        "arm" if elf.flags & 0x400 == 0 => Some("linux/arm/v5".into()),
        _ => all.first().map(|p| p.to_string()),
    }
}

/// By what something runs, or why not and what would change that.
type Verdict = std::result::Result<String, (String, Option<String>)>;

/// What runs without an emulator.
const NATIVE: &str = "the processor itself";

/// How often the kernel goes on to an interpreter (`exec_binprm` of fs/exec.c).
const MAX_DEPTH: u32 = 5;

/// By what the kernel runs a file. It asks whether the file may be executed, then its formats in
/// this order: binfmt_misc with the newest entry first, `#!`, ELF.
fn runs_file(path: &Path, dir: &Path, depth: u32) -> Verdict {
    let meta = std::fs::metadata(path).map_err(|e| (e.to_string(), None))?;
    may_execute(path, &meta)?;
    let first = first_bytes(path).map_err(|e| (format!("it cannot be read: {e}"), None))?;
    let name = path.to_string_lossy();
    let elf = match Elf::open(path) {
        Ok(Some(elf)) => elf,
        other => {
            // Without any entries, the other formats remain.
            let rows = register::open(dir).and_then(|i| register::survey(&i)).unwrap_or_default();
            return match by_entry(&rows, &first, &name, dir, "")? {
                Some(by) => Ok(by),
                None if first.starts_with(b"#!") => runs_script(&first, dir, depth),
                None => {
                    disabled_entry(&rows, &first, &name, dir)?;
                    Err((other.err().map_or_else(|| why_not_executable(path), |f| f.what), None))
                }
            };
        }
    };
    let family = elf.family();
    let other_way = family.map(|f| format!("without root: anyarch with {} -- FILE", f.go_name()));
    let by = runs(&elf, family, &name, dir, &other_way.unwrap_or_default())?;
    match &elf.interpreter {
        Some(loader) if !Path::new(loader).exists() => {
            let mend = format!(
                "run it in a root file system that has it: anyarch run ROOTFS -- {name}; or give the emulator a sysroot: QEMU_LD_PREFIX=DIR"
            );
            Err((format!("its loader {loader} does not exist here"), Some(mend)))
        }
        _ => Ok(by),
    }
}

/// What the kernel reads of a file to choose its format: 256 bytes, zeros after its end.
fn first_bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut first = Vec::new();
    File::open(path)?.take(256).read_to_end(&mut first)?;
    first.resize(256, 0);
    Ok(first)
}

fn may_execute(path: &Path, meta: &std::fs::Metadata) -> std::result::Result<(), (String, Option<String>)> {
    use rustix::fs::{Access, StatVfsMountFlags, access, statvfs};
    if !meta.is_file() {
        return Err(("it is not a regular file".into(), None));
    }
    if meta.permissions().mode() & 0o111 == 0 {
        return Err(("it is not executable".into(), Some(format!("chmod +x {}", path.display()))));
    }
    if access(path, Access::EXEC_OK).is_ok() {
        return Ok(());
    }
    let is_noexec = statvfs(path).is_ok_and(|s| s.f_flag.contains(StatVfsMountFlags::NOEXEC));
    let why = if is_noexec { "its file system is mounted with noexec" } else { "you may not execute it" };
    Err((why.into(), None))
}

fn runs_script(first: &[u8], dir: &Path, depth: u32) -> Verdict {
    let line = first[2..].split(|b| *b == b'\n' || *b == 0).next().unwrap_or_default();
    let line = String::from_utf8_lossy(line).into_owned();
    let Some(interpreter) = line.split([' ', '\t']).find(|word| !word.is_empty()) else {
        return Err(("its line #! names no interpreter".into(), None));
    };
    let path = Path::new(interpreter);
    if !path.exists() {
        return Err((format!("its interpreter {interpreter} does not exist here"), None));
    }
    if depth == MAX_DEPTH {
        return Err((format!("its interpreters are scripts, more than {MAX_DEPTH} of them"), None));
    }
    match runs_file(path, dir, depth + 1) {
        Ok(by) if by == NATIVE => Ok(format!("its interpreter {interpreter}")),
        Ok(by) => Ok(format!("its interpreter {interpreter}, by {by}")),
        Err((why, mend)) => Err((format!("its interpreter {interpreter} does not run: {why}"), mend)),
    }
}

/// The enabled entry that the kernel takes for a file, if there is one, or why it fails with it.
fn by_entry(
    rows: &[register::Row],
    first: &[u8],
    name: &str,
    dir: &Path,
    register: &str,
) -> std::result::Result<Option<String>, (String, Option<String>)> {
    let takes = |r: &&register::Row| r.entry.enabled && r.entry.rule.matcher.matches(first, name);
    let Some(row) = rows.iter().find(takes) else { return Ok(None) };
    let rule = &row.entry.rule;
    let interpreter = anyarch_binfmt::entry::plain_path(&rule.interpreter);
    let mut only_here = "";
    if !rule.flags.contains(Flags::FIX_BINARY) {
        only_here = "; not in containers: the entry lacks flag F";
        let what = format!("its handler {} points to {interpreter}, which", rule.name);
        if row.interpreter_exists == Some(false) {
            let remove = format!("sudo sh -c 'echo -1 > {}/{}'", dir.display(), rule.name);
            let mend = if register.is_empty() { remove } else { register.to_string() };
            return Err((format!("{what} does not exist"), Some(mend)));
        }
        if let Ok(meta) = std::fs::metadata(interpreter)
            && (!meta.is_file() || meta.permissions().mode() & 0o111 == 0)
        {
            return Err((format!("{what} is not executable"), Some(format!("sudo chmod +x {interpreter}"))));
        }
    }
    let flags = rule.flags.to_string();
    let flags = if flags.is_empty() { "no flags".into() } else { format!("flags {flags}") };
    Ok(Some(format!("{interpreter} ({}, {flags}){only_here}", rule.name)))
}

/// A failure where an entry would take a file, if it were not disabled.
fn disabled_entry(
    rows: &[register::Row],
    first: &[u8],
    name: &str,
    dir: &Path,
) -> std::result::Result<(), (String, Option<String>)> {
    match rows.iter().find(|r| r.entry.rule.matcher.matches(first, name)) {
        Some(row) => {
            let entry = &row.entry.rule.name;
            let mend = format!("echo 1 | sudo tee {}/{entry}", dir.display());
            Err((format!("its handler {entry} is disabled"), Some(mend)))
        }
        None => Ok(()),
    }
}

/// By what this machine runs a program called `name`, or why not and what changes that:
/// registering, or `other_way`.
pub(crate) fn runs(
    elf: &Elf,
    family: Option<&'static Family>,
    name: &str,
    dir: &Path,
    other_way: &str,
) -> std::result::Result<String, (String, Option<String>)> {
    let mut first = elf.header.clone();
    first.resize(256, 0);
    let register = family.map(|f| format!("sudo anyarch register {}; or {other_way}", f.go_name()));
    let survey = register::open(dir).and_then(|i| register::survey(&i));
    let rows = survey.as_deref().unwrap_or_default();
    if let Some(by) = by_entry(rows, &first, name, dir, register.as_deref().unwrap_or_default())? {
        return Ok(by);
    }
    let machine = host_machine();
    if family.is_some_and(|f| f.name == machine || (machine == "x86_64" && f.family == "i386")) {
        return Ok(NATIVE.into());
    }
    disabled_entry(rows, &first, name, dir)?;
    let Some(family) = family else {
        return Err(("anyarch knows no emulator for it".into(), None));
    };
    if !matches!(elf.kind, 2 | 3) {
        return Err(("it is not a program".into(), None));
    }
    match survey {
        Err(failure) => Err((failure.what, failure.mend)),
        Ok(_) => Err((format!("no handler is registered for {}", family.name), register)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_executable_runs() {
        let exe = std::env::current_exe().unwrap();
        let facts = Facts::of(&exe, Path::new("/nonexistent")).unwrap();
        assert_eq!(facts.runs.unwrap(), "the processor itself");
    }

    #[test]
    fn reasons_are_given() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        let check = |bytes: &[u8], mode: u32, want: &str| {
            std::fs::write(&file, bytes).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            let facts = Facts::of(&file, Path::new("/nonexistent")).unwrap();
            assert_eq!(facts.runs.unwrap_err().0, want);
        };
        check(b"#!/nonexistent/sh\n", 0o755, "its interpreter /nonexistent/sh does not exist here");
        check(b"#!/bin/sh\n", 0o644, "it is not executable");
        check(b"#! \n", 0o755, "its line #! names no interpreter");
        let own = format!("#!{}\n", file.display());
        let many = "its interpreters are scripts, more than 5 of them".to_string();
        let chain = |why, _| format!("its interpreter {} does not run: {why}", file.display());
        check(own.as_bytes(), 0o755, &(0..5).fold(many, chain));
        check(b"", 0o755, "it is empty");
        check(b"text", 0o755, "it is neither an ELF program nor a script with #!");
        let guest = include_bytes!("../../verify/bin/s390x");
        check(guest, 0o755, "/nonexistent does not exist: the kernel's binfmt_misc is not loaded");
    }
}

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
pub fn why_not_executable(path: &Path) -> String {
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

/// `anyarch explain FILE|IMAGE`: 0 where this machine runs it. What is no file here is an image's name.
pub fn explain(target: &str, platform: Option<&str>, as_json: bool, dir: &Path) -> Result<u8> {
    let path = Path::new(target);
    let is_program = path.exists() && !crate::commands::explain_image::is_image(path);
    if !is_program && !(target.starts_with(['/', '.']) && !names_a_layout(target)) {
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
        let elf = Elf::open(path)?;
        let executable = meta.permissions().mode() & 0o111 != 0;
        let Some(elf) = elf else {
            facts.script(path);
            if !executable {
                facts.runs =
                    Err(("it is not executable".into(), Some(format!("chmod +x {}", path.display()))));
            }
            return Ok(facts);
        };
        facts.kind = describe(&elf);
        let family = elf.family();
        facts.platform = family.and_then(|f| platform(&elf, f));
        facts.loader = elf.interpreter.clone().map(|l| {
            let exists = Path::new(&l).exists();
            (l, exists)
        });
        facts.runs = if !executable {
            Err(("it is not executable".into(), Some(format!("chmod +x {}", path.display()))))
        } else {
            let other_way = family.map(|f| format!("without root: anyarch with {} -- FILE", f.go_name()));
            runs(&elf, family, dir, &other_way.unwrap_or_default())
        };
        if let (Ok(_), Some((loader, false))) = (&facts.runs, &facts.loader) {
            let mend = format!(
                "run it in a root file system that has it: anyarch run ROOTFS -- {}; or give the emulator a sysroot: QEMU_LD_PREFIX=DIR",
                path.display()
            );
            facts.runs = Err((format!("its loader {loader} does not exist here"), Some(mend)));
        }
        Ok(facts)
    }

    fn script(&mut self, path: &Path) {
        let mut first = [0; 256];
        let n = File::open(path).and_then(|mut f| f.read(&mut first)).unwrap_or(0);
        let line = String::from_utf8_lossy(&first[..n]).lines().next().unwrap_or("").to_string();
        match line.strip_prefix("#!") {
            Some(rest) => {
                let interpreter = rest.split_whitespace().next().unwrap_or("").to_string();
                self.kind = "script".into();
                self.runs = if Path::new(&interpreter).exists() {
                    Ok(format!("its interpreter {interpreter}"))
                } else {
                    Err((format!("its interpreter {interpreter} does not exist here"), None))
                };
            }
            None => {
                self.kind = "neither an ELF program nor a script".into();
                self.runs = Err((why_not_executable(path), None));
            }
        }
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
pub fn describe(elf: &Elf) -> String {
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

/// By what this machine runs a program, or why not and what changes that: registering, or `other_way`.
pub fn runs(
    elf: &Elf,
    family: Option<&'static Family>,
    dir: &Path,
    other_way: &str,
) -> std::result::Result<String, (String, Option<String>)> {
    let Some(family) = family else {
        return Err(("anyarch knows no emulator for it".into(), None));
    };
    let machine = host_machine();
    if family.name == machine || (machine == "x86_64" && family.family == "i386") {
        return Ok("the processor itself".into());
    }
    if !matches!(elf.kind, 2 | 3) {
        return Err(("it is not a program".into(), None));
    }
    let register = format!("sudo anyarch register {}; or {other_way}", family.go_name());
    let rows = match register::open(dir).and_then(|i| register::survey(&i)) {
        Ok(rows) => rows,
        Err(failure) => return Err((failure.what, failure.mend)),
    };
    let handler = rows.iter().find(|r| r.entry.enabled && r.entry.rule.matcher.matches(&elf.header, ""));
    match handler {
        None => Err((format!("no handler is registered for {}", family.name), Some(register))),
        Some(row)
            if row.interpreter_exists == Some(false) && !row.entry.rule.flags.contains(Flags::FIX_BINARY) =>
        {
            Err((
                format!(
                    "its handler {} points to {}, which does not exist",
                    row.entry.rule.name, row.entry.rule.interpreter
                ),
                Some(register),
            ))
        }
        Some(row) => {
            let only_here = if row.entry.rule.flags.contains(Flags::FIX_BINARY) {
                ""
            } else {
                "; not in containers: the entry lacks flag F"
            };
            Ok(format!(
                "{} ({}, flags {}){only_here}",
                anyarch_binfmt::entry::plain_path(&row.entry.rule.interpreter),
                row.entry.rule.name,
                row.entry.rule.flags
            ))
        }
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
        check(b"", 0o755, "it is empty");
        check(b"text", 0o755, "it is neither an ELF program nor a script with #!");
        let guest = include_bytes!("../../verify/bin/s390x");
        check(guest, 0o755, "/nonexistent does not exist: the kernel's binfmt_misc is not loaded");
    }
}

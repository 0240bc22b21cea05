//! `explain IMAGE`: for whom an image is, what its command needs, and whether this machine runs it.

use crate::commands::explain::{describe, runs};
use crate::commands::image::{self, Found};
use crate::commands::register;
use crate::elf::{Elf, host_machine};
use crate::emulators::Choice;
use crate::failure::{Code, Failure, OrFail, Result, fail};
use crate::oci::peek::Tree;
use crate::oci::{Image, Platform};
use anyarch_binfmt::{Family, Flags, family};
use serde_json::json;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Whether a path is to be looked at as an image and not as a program: a layout, or an archive by
/// its first bytes.
pub(crate) fn is_image(path: &Path) -> bool {
    if path.is_dir() {
        return path.join("oci-layout").is_file();
    }
    let mut first = Vec::new();
    let read = File::open(path).and_then(|f| f.take(512).read_to_end(&mut first));
    read.is_ok()
        && (first.get(257..262) == Some(b"ustar")
            || first.starts_with(&[0x1f, 0x8b])
            || first.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
            // tar of before 1988, which umoci and old dockers never write, is told by its suffix.
            || path.extension().is_some_and(|e| e == "tar"))
}

/// The image's facts; 0 where this machine runs its command.
pub(crate) fn explain(target: &str, platform: Option<&str>, as_json: bool, dir: &Path) -> Result<u8> {
    // docker's own images come as an archive; the file is removed at the end.
    let saved = from_docker(target)?;
    let source = saved.as_ref().map_or(target.to_string(), |f| f.path().display().to_string());
    let platforms = image::platforms(&source)?;
    let chosen = match platform {
        Some(words) => Platform::of_words(words)?,
        None => match platforms.iter().find(|p| **p == Platform::host()).or(platforms.first()) {
            Some(first) => first.clone(),
            None => fail!(Code::Image, "{target} has no image in it"),
        },
    };
    let Found::Image(layout, image) = image::find(&source, Some(&chosen.to_string()), image::Pull::Always)?
    else {
        fail!(Code::Usage, "{target} is a root file system: anyarch run {target} -- CMD");
    };
    let program = Program::of(&Tree::read(&layout, &image)?, &image)?;
    let other_way = format!("without root: anyarch run --platform {chosen} {target}");
    let verdict = program.verdict(&chosen, dir, &other_way);
    let list: Vec<(String, std::result::Result<String, String>)> =
        platforms.iter().map(|p| (p.to_string(), by_platform(p, dir))).collect();
    if as_json {
        let value = json!({
            "schema": 1,
            "image": target,
            "platforms": list.iter().map(|(p, r)| json!({ "platform": p, "runs": r.is_ok(), "by": r.as_ref().ok(), "why_not": r.as_ref().err() })).collect::<Vec<_>>(),
            "platform": chosen.to_string(),
            "command": program.command,
            "file": program.path,
            "kind": program.elf.as_ref().map(describe),
            "loader": program.loader.as_ref().map(|l| &l.0),
            "loader_exists": program.loader.as_ref().map(|l| l.1),
            "runs": verdict.is_ok(),
            "by": verdict.as_ref().ok(),
            "why_not": verdict.as_ref().err().map(|e| &e.0),
            "mend": verdict.as_ref().err().and_then(|e| e.1.as_ref()),
        });
        print!("{}\n", serde_json::to_string_pretty(&value).unwrap_or_default());
    } else {
        let kind = if saved.is_some() { "image of docker's" } else { "image" };
        println!("{target}: {kind} for {chosen}");
        for (platform, result) in list.iter().filter(|_| list.len() > 1) {
            let by = result.clone().unwrap_or_else(|why| why);
            println!("  has:       {platform} ({by})");
        }
        match &program.command {
            Some(command) => println!("  command:   {command}"),
            None => println!("  command:   none"),
        }
        if let Some(path) = &program.path {
            let kind = program.elf.as_ref().map_or("neither an ELF program nor a script".into(), describe);
            println!("  program:   {}: {kind}", path.display());
        }
        match &program.loader {
            Some((loader, there)) => {
                println!("  loader:    {loader}{}", if *there { "" } else { " (not in the image)" })
            }
            None if program.elf.is_some() => println!("  loader:    none (static)"),
            None => {}
        }
        match &verdict {
            Ok(by) => println!("  runs here: yes, by {by}"),
            Err((why, mend)) => {
                println!("  runs here: no: {why}");
                if let Some(mend) = mend {
                    println!("  mend:      {mend}");
                }
            }
        }
    }
    Ok(if verdict.is_ok() { 0 } else { Code::Failed as u8 })
}

/// `docker save` of an image that a daemon here has; nothing where there is no daemon, or it has
/// none of this name.
fn from_docker(target: &str) -> Result<Option<tempfile::NamedTempFile>> {
    let local = Path::new(target).exists() || target.contains("://") || target.starts_with(['/', '.', '-']);
    let ask = |args: &[&str]| {
        let mut c = Command::new("docker");
        c.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        c.status().is_ok_and(|s| s.success())
    };
    if local || !ask(&["image", "inspect", target]) {
        return Ok(None);
    }
    let file = tempfile::Builder::new()
        .suffix(".tar")
        .tempfile()
        .or_fail(Code::Failed, || "cannot make a temporary file".into())?;
    if !ask(&["save", "-o", &file.path().display().to_string(), target]) {
        fail!(Code::Image, "docker has the image {target} and cannot save it");
    }
    Ok(Some(file))
}

/// What an image starts.
struct Program {
    command: Option<String>,
    /// The program's file, which for a script is that of its interpreter.
    path: Option<PathBuf>,
    elf: Option<Elf>,
    loader: Option<(String, bool)>,
    missing: Option<String>,
}

impl Program {
    fn of(tree: &Tree<'_>, image: &Image) -> Result<Program> {
        let mut words = image.list("Entrypoint");
        words.extend(image.list("Cmd"));
        words.retain(|w| !w.is_empty());
        let mut program = Program {
            command: (!words.is_empty()).then(|| words.join(" ")),
            path: None,
            elf: None,
            loader: None,
            missing: None,
        };
        let Some(first) = words.first() else { return Ok(program) };
        let env = image.list("Env");
        let path = env
            .iter()
            .find_map(|e| e.strip_prefix("PATH="))
            .unwrap_or("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        let cwd = PathBuf::from(image.text("WorkingDir").unwrap_or_else(|| "/".into()));
        let places: Vec<PathBuf> = if first.contains('/') {
            vec![cwd.join(first)]
        } else {
            path.split(':').map(|d| cwd.join(d).join(first)).collect()
        };
        let Some(mut place) = places.into_iter().find(|p| tree.has(p)) else {
            program.missing = Some(format!("its command {first} is not in the image"));
            return Ok(program);
        };
        // A script's interpreter may be a script again; the kernel follows four of them.
        for _ in 0..5 {
            let Some(mut file) = tree.open(&place)? else {
                program.missing = Some(format!("{} is not in the image", place.display()));
                return Ok(program);
            };
            program.path = Some(place.clone());
            program.elf = Elf::read(&file)
                .map_err(|f| Failure { what: format!("{}: {}", place.display(), f.what), ..f })?;
            if let Some(elf) = &program.elf {
                program.loader = elf.interpreter.clone().map(|l| {
                    let there = tree.has(Path::new(&l));
                    (l, there)
                });
                return Ok(program);
            }
            let mut text = [0; 256];
            let _ = std::io::Seek::rewind(&mut file);
            let n = file.read(&mut text).unwrap_or(0);
            let line = String::from_utf8_lossy(&text[..n]).lines().next().unwrap_or("").to_string();
            match line.strip_prefix("#!").and_then(|l| l.split_whitespace().next()) {
                Some(interpreter) => place = PathBuf::from(interpreter),
                None => break,
            }
        }
        Ok(program)
    }

    /// By what this machine runs it, or why not and the command that changes it.
    fn verdict(
        &self,
        platform: &Platform,
        dir: &Path,
        other_way: &str,
    ) -> std::result::Result<String, (String, Option<String>)> {
        if let Some(missing) = &self.missing {
            return Err((missing.clone(), None));
        }
        let Some(elf) = &self.elf else {
            return match &self.path {
                Some(path) => {
                    Err((format!("{} is neither an ELF program nor a script with #!", path.display()), None))
                }
                // Without a command of its own it is as good as its platform.
                None => by_platform(platform, dir).map_err(|why| (why, None)),
            };
        };
        let by = runs(elf, elf.family(), "", dir, other_way).map_err(|(why, mend)| {
            // Where there is nothing to register, that is what must change first.
            match elf.family().map(|f| Choice::Auto.find(f)) {
                Some(Err(failure)) => (format!("{why}, and {}", failure.what), failure.mend),
                _ => (why, mend),
            }
        })?;
        if let Some(handler) = elf.family().and_then(|f| handler(f, dir))
            && !handler.1
            && by != NATIVE
        {
            let name = elf.family().map_or("", |f| f.go_name());
            let why =
                format!("its handler {} lacks flag F, so containers do not see the emulator", handler.0);
            return Err((why, Some(format!("sudo anyarch register --replace {name}"))));
        }
        if let Some((loader, false)) = &self.loader {
            return Err((format!("its loader {loader} is not in the image"), None));
        }
        Ok(by)
    }
}

/// The words of [`runs`] for what needs no emulator.
const NATIVE: &str = "the processor itself";

/// The first enabled entry for an architecture: its name, and whether it has flag F.
fn handler(guest: &Family, dir: &Path) -> Option<(String, bool)> {
    let mut header = guest.magic();
    header.resize(256, 0);
    let rows = register::open(dir).and_then(|i| register::survey(&i)).ok()?;
    let row = rows.iter().find(|r| r.entry.enabled && r.entry.rule.matcher.matches(&header, ""))?;
    Some((row.entry.rule.name.clone(), row.entry.rule.flags.contains(Flags::FIX_BINARY)))
}

/// What there is for a platform, or that there is nothing.
fn by_platform(platform: &Platform, dir: &Path) -> std::result::Result<String, String> {
    let machine = host_machine();
    let families = family::lookup(&platform.to_string());
    if platform.os != "linux" || families.is_empty() {
        return Err("not run by Linux emulators".into());
    }
    if families.iter().any(|f| f.is_native_to(&machine)) {
        return Ok(NATIVE.into());
    }
    match families.iter().find_map(|f| handler(f, dir)) {
        Some((name, true)) => Ok(name),
        Some((name, false)) => Err(format!("{name}, which lacks flag F")),
        None => Err("no handler".into()),
    }
}

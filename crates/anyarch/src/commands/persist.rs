//! What a reboot keeps: a line in /etc/binfmt.d, a file for Debian's update-binfmts, or a systemd
//! unit.
//!
//! A file says in its first line that anyarch wrote it; files without that line are never
//! overwritten or removed. Each is written beside its place and renamed, so that a full disk or a
//! kill leaves the old one.

use crate::commands::register::{Options, Planned};
use crate::failure::{Code, Failure, OrFail, Result, fail};
use anyarch_binfmt::formats;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The ways to persist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// systemd-binfmt's file where that is installed, else Debian's, else a unit.
    Auto,
    /// /etc/binfmt.d/qemu-ARCH.conf.
    BinfmtD,
    /// /usr/share/binfmts/qemu-ARCH, imported by update-binfmts.
    Debian,
    /// A systemd unit that runs `anyarch register` at boot.
    Unit,
}

/// The first words of every file that anyarch writes.
const SIGNATURE: &str = "# Written by anyarch register --persist";
/// The same for update-binfmts, which knows no comments.
const DEBIAN_SIGNATURE: &str = "package anyarch\n";
const BINFMT_D: &str = "/etc/binfmt.d";
const DEBIAN: &str = "/usr/share/binfmts";
const UNIT: &str = "/etc/systemd/system/anyarch-register.service";

/// ANYARCH_ROOT is put before every path: image builders and tests write to another root.
fn place(path: &str) -> PathBuf {
    match std::env::var_os("ANYARCH_ROOT") {
        Some(root) if !root.is_empty() => Path::new(&root).join(path.trim_start_matches('/')),
        _ => PathBuf::from(path),
    }
}

/// Writes the files for what was registered.
pub(crate) fn write(way: Way, planned: &[Planned], options: &Options) -> Result<()> {
    let has = |p: &str| place(p).exists();
    let way = match way {
        Way::Auto if options.from_memfd => Way::Unit,
        Way::Auto
            if has("/usr/lib/systemd/systemd-binfmt")
                || has("/lib/systemd/systemd-binfmt")
                || has(BINFMT_D) =>
        {
            Way::BinfmtD
        }
        Way::Auto if has("/usr/sbin/update-binfmts") => Way::Debian,
        Way::Auto => Way::Unit,
        way => way,
    };
    if options.from_memfd && way != Way::Unit {
        fail!(
            Code::Usage,
            "--from-memfd persists only through a unit: no file names a copy in memory (--persist=unit)"
        );
    }
    match way {
        Way::Unit => put(&place(UNIT), &unit(options)?, options.dry_run)?,
        Way::BinfmtD => {
            for p in planned {
                let file = place(BINFMT_D).join(format!("{}.conf", p.rule.name));
                let line = formats::systemd(&p.rule)
                    .or_fail(Code::Failed, || format!("cannot write {}", file.display()))?;
                put(&file, &format!("{SIGNATURE}\n{line}"), options.dry_run)?;
            }
        }
        Way::Debian => {
            for p in planned {
                let file = place(DEBIAN).join(&p.rule.name);
                let text = formats::debian(&p.rule).unwrap_or_default();
                let text = text.replacen(&format!("package {}\n", p.rule.name), DEBIAN_SIGNATURE, 1);
                put(&file, &text, options.dry_run)?;
            }
        }
        Way::Auto => {}
    }
    if way == Way::Unit && !options.dry_run {
        say!("to start it at boot: systemctl enable anyarch-register.service");
    }
    Ok(())
}

/// The unit repeats the command with its options.
pub(crate) fn unit(options: &Options) -> Result<String> {
    let exe =
        std::env::current_exe().or_fail(Code::Failed, || "cannot tell where anyarch itself is".into())?;
    let mut words = vec![exe.display().to_string(), "register".into()];
    for (arch, choice) in &options.engines {
        use crate::emulators::Choice;
        let engine = match choice {
            Choice::Auto => "auto".to_string(),
            Choice::Native => "native".into(),
            Choice::Qemu(None) => "qemu".into(),
            Choice::Qemu(Some(path)) => format!("qemu:{}", path.display()),
        };
        words
            .push(format!("--engine={}{engine}", arch.as_ref().map(|a| format!("{a}=")).unwrap_or_default()));
    }
    let flags = [
        (options.credentials, "--credentials"),
        (!options.preserve_argv0, "--preserve-argv0=no"),
        (!options.fix_binary, "--fix-binary=no"),
        (options.from_memfd, "--from-memfd"),
        (options.policy == anyarch_binfmt::Policy::Shadow, "--shadow"),
        (options.policy == anyarch_binfmt::Policy::Replace, "--replace"),
    ];
    words.extend(flags.iter().filter(|(on, _)| *on).map(|(_, word)| word.to_string()));
    words.extend(options.targets.iter().cloned());
    let quoted: Vec<_> = words
        .iter()
        .map(|w| {
            if w.contains([' ', '"', '%', '$']) {
                format!("\"{}\"", w.replace('%', "%%").replace('$', "$$").replace('"', "\\\""))
            } else {
                w.clone()
            }
        })
        .collect();
    // systemd-binfmt flushes every entry when it restarts: be started after it, and again when it
    // is.
    Ok(format!(
        "{SIGNATURE}\n\
         [Unit]\n\
         Description=Register emulators for foreign architectures\n\
         Documentation=man:anyarch-register(1)\n\
         After=proc-sys-fs-binfmt_misc.mount systemd-binfmt.service\n\
         Wants=proc-sys-fs-binfmt_misc.mount\n\
         PartOf=systemd-binfmt.service\n\
         ConditionPathIsMountPoint=/proc/sys/fs/binfmt_misc\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         RemainAfterExit=yes\n\
         ExecStart={}\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target systemd-binfmt.service\n",
        quoted.join(" ")
    ))
}

/// Removes our files for these entries, and with `all` the unit, which stands for any.
pub(crate) fn forget(wanted: &dyn Fn(&str) -> bool, all: bool) -> Result<()> {
    let remove = |path: &Path| {
        fs::remove_file(path)
            .or_fail(Code::Permission, || format!("cannot remove {}", path.display()))
            .map(|()| say!("removed     {}", path.display()))
    };
    for (folder, suffix) in [(BINFMT_D, ".conf"), (DEBIAN, "")] {
        let Ok(list) = fs::read_dir(place(folder)) else { continue };
        for item in list.flatten() {
            let file = item.file_name().to_string_lossy().into_owned();
            let name = file.strip_suffix(suffix).unwrap_or(&file);
            if name.starts_with("qemu-") && wanted(name) && is_ours(&item.path()) {
                remove(&item.path())?;
            }
        }
    }
    let unit = place(UNIT);
    if all && is_ours(&unit) {
        remove(&unit)?;
    } else if is_ours(&unit) {
        crate::ui::caution!("{} registers at the next boot what it names", unit.display());
    }
    Ok(())
}

fn is_ours(path: &Path) -> bool {
    fs::read_to_string(path)
        .is_ok_and(|text| text.starts_with(SIGNATURE) || text.starts_with(DEBIAN_SIGNATURE))
}

fn put(path: &Path, text: &str, dry_run: bool) -> Result<()> {
    if path.exists() && !is_ours(path) {
        return Err(Failure::new(
            Code::Conflict,
            format!("{} exists and anyarch did not write it: left alone", path.display()),
        )
        .mend("remove it, or choose another way: --persist=unit"));
    }
    if dry_run {
        say!("would write        {}", path.display());
        return Ok(());
    }
    let what = || format!("cannot write {}", path.display());
    let code = |e: &std::io::Error| {
        if e.kind() == std::io::ErrorKind::PermissionDenied { Code::Permission } else { Code::Failed }
    };
    let folder = path.parent().unwrap_or(Path::new("/"));
    let attempt = || -> std::io::Result<()> {
        fs::create_dir_all(folder)?;
        let mut file = tempfile::Builder::new()
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
            .tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    attempt().map_err(|e| Failure::new(code(&e), format!("{}: {e}", what())))?;
    say!("wrote       {}", path.display());
    Ok(())
}

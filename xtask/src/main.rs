//! The project's own commands, run as `cargo xtask COMMAND`.

mod bench;
mod registration;

use anyarch_harness::debian::{cache_dir, mirror};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const USAGE: &str = "\
usage: cargo xtask COMMAND

  debian [COMMAND...]
                 builds anyarch, makes an arm64 Debian once, and runs COMMAND in it (default: tells what it is)
  fuzz [--row NAME] [--cases N] [--seed N] [--sequences N] [--loops N] [--through interp|translator|both] [--list]
                 instructions on random operands against QEMU
  bench [--quick] [--list] [--emulator PATH] [--json FILE] [NAME...]
                 native, QEMU and anyarch side by side
  registration [--runs N] [--script FILE] [--anyarch FILE]
                 qemu-binfmt-conf.sh of Debian's QEMU and anyarch side by side: what they write, and how long they take
  e2e [--suite NAME] [--keep DIR] [--only-base] [--no-docker] [--emulator PATH]
                 makes and uses an arm64 Debian through binfmt_misc and docker (needs root)
";

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let command = args.next().unwrap_or_default();
    let rest: Vec<OsString> = args.collect();
    match command.to_str() {
        Some("fuzz") => cargo(
            &["run", "--quiet", "-p", "anyarch-oracle", "--bin", "fuzz", "--profile", "fast", "--"],
            &rest,
        ),
        Some("bench") => bench::main(&rest),
        Some("bench-worker") => bench::worker(&rest),
        Some("registration") => registration::main(&rest),
        Some("registration-worker") => registration::worker(&rest),
        Some("debian") => match debian(&rest) {
            Ok(code) => code,
            Err(e) => {
                eprintln!("xtask: {e}");
                ExitCode::FAILURE
            }
        },
        Some("e2e") => e2e(rest),
        Some("help" | "-h" | "--help") => {
            print!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => {
            eprint!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// The workspace's folder.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

/// Builds these packages; the folder they are in.
fn build(profile: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(&cargo);
    command.args(["build", "--quiet", "--profile", profile]).current_dir(workspace());
    for package in packages {
        command.args(["-p", package]);
    }
    run(&mut command).map_err(|e| format!("{e}: {} do not build", packages.join(", ")))?;
    // This executable lies in target/PROFILE.
    let me = std::env::current_exe().map_err(|e| e.to_string())?;
    let target = me.ancestors().nth(2).ok_or("xtask lies in target/PROFILE")?;
    Ok(target.join(profile))
}

fn e2e(mut rest: Vec<OsString>) -> ExitCode {
    let emulator = match rest.iter().position(|a| a == "--emulator") {
        Some(i) if i + 1 < rest.len() => {
            let path = PathBuf::from(rest.remove(i + 1));
            rest.remove(i);
            Ok(path)
        }
        _ => build("release", &["anyarch-emu"]).map(|dir| dir.join("anyarch-emu")),
    };
    match emulator {
        Ok(emulator) => status(Command::new(workspace().join("tests/e2e/run.sh")).arg(emulator).args(rest)),
        Err(e) => {
            eprintln!("xtask: {e}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a command in an arm64 Debian, which is made from the mirror at the first call: its packages are unpacked by debootstrap and then
/// configured by their own arm64 programs, under our emulator.
fn debian(command: &[OsString]) -> Result<ExitCode, String> {
    let built = build("release", &["anyarch", "anyarch-emu"])?;
    let anyarch = built.join("anyarch");
    let tree = cache_dir()?.join("debian-arm64");
    let in_tree = |tree: &Path| {
        let mut c = Command::new(&anyarch);
        c.arg("run").arg(tree).arg("--");
        c
    };
    if !tree.join("etc/debian_version").exists() {
        let new = tree.with_extension("new");
        if new.exists() {
            std::fs::remove_dir_all(&new).map_err(|e| format!("{}: {e}", new.display()))?;
        }
        let mut first = Command::new("debootstrap");
        first.args(["--arch=arm64", "--foreign", "--variant=minbase", "bookworm"]).arg(&new).arg(mirror()?);
        run(&mut first).map_err(|e| format!("{e} (package debootstrap; it needs root)"))?;
        // debootstrap makes device nodes, which a user namespace forbids: a plain chroot, and the emulator started by name, which then
        // starts every program of the tree itself.
        let copy = new.join("anyarch-emu");
        std::fs::copy(built.join("anyarch-emu"), &copy).map_err(|e| format!("{}: {e}", copy.display()))?;
        let script = "mount -t proc proc \"$0/proc\" && exec chroot \"$0\" /anyarch-emu /bin/sh /debootstrap/debootstrap --second-stage";
        run(Command::new("unshare").args(["--mount", "sh", "-c", script]).arg(&new))?;
        std::fs::remove_file(&copy).map_err(|e| format!("{}: {e}", copy.display()))?;
        std::fs::rename(&new, &tree).map_err(|e| format!("{}: {e}", tree.display()))?;
    }
    let mut c = in_tree(&tree);
    if command.is_empty() {
        c.args([
            "/bin/sh",
            "-c",
            "grep PRETTY_NAME /etc/os-release; uname -m; perl -e 'print \"perl $^V\\n\"'; dpkg -l | wc -l",
        ]);
    } else {
        c.args(command);
    }
    Ok(status(&mut c))
}

/// Runs a command that must succeed.
fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    match command.status() {
        Ok(s) if s.success() => Ok(()),
        Ok(s) => Err(format!("{name}: {s}")),
        Err(e) => Err(format!("{name}: {e}")),
    }
}

/// Runs cargo; its exit status.
fn cargo(args: &[&str], rest: &[OsString]) -> ExitCode {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    status(Command::new(cargo).args(args).args(rest))
}

fn status(command: &mut Command) -> ExitCode {
    match command.status() {
        Ok(status) => ExitCode::from(status.code().unwrap_or(1) as u8),
        Err(e) => {
            eprintln!("xtask: {:?}: {e}", command.get_program());
            ExitCode::FAILURE
        }
    }
}

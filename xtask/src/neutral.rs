//! `cargo xtask check-host-neutral`: what names no host builds and works on another one.
//!
//! The emulator is built for arm64, where all instructions are interpreted. The compiler is Debian sid's, which has the standard library for other architectures
//! in packages; crates are the machine's own copies. The emulator for this machine then plays an arm64 machine: in a user namespace with an instance of
//! binfmt_misc of its own, which knows the emulator for arm64 by a mark in its header and nothing else. So each program that a test starts, and each that it
//! executes in turn, is run by the emulator for arm64. The results are compared as always (tests/README.md).

use crate::debian::{Shared, Tree};
use crate::packages;
use anyarch_harness::guests::GUESTS;
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// The host that is built for, as Rust and as Debian name it.
const TARGET: &str = "aarch64-unknown-linux-gnu";
const DEBIAN: &str = "arm64";
/// The suite whose compiler has a standard library for other architectures.
const SUITE: &str = "sid";
/// Compiler, standard library, linker.
const PACKAGES: &[&str] = &["rustc", "cargo", "libstd-rust-dev:arm64", "gcc-aarch64-linux-gnu"];
/// Profile of both emulators.
const PROFILE: &str = "fast";
/// Replaces the padding of the ELF header, which means nothing.
const MARK: &[u8] = b"ANYARCH";
/// Offset of that padding (EI_PAD).
const MARK_AT: u64 = 9;
/// How much longer a program may take than natively translated: two emulators, one of which interprets.
const PATIENCE: &str = "10";

/// Programs that cannot pass, and why.
const NOT: &[(&str, &str)] = &[
    ("syscalls::signal_timer::", "signals come faster than two emulators can deliver them"),
    ("syscalls::signal_faults_sent::", "signals come faster than two emulators can deliver them"),
    ("syscalls::limits_memory::", "both emulators hand on what they know of hard limits in one variable"),
    ("syscalls::seccomp_host::", "a filter's copy of a filter's copy is longer than the kernel admits"),
];

/// The command.
///
/// # Errors
/// What failed before the tests.
pub(crate) fn main(names: &[OsString]) -> Result<ExitCode, String> {
    packages::need(&[packages::BUILD, packages::DEBIAN, packages::PROGRAMS])?;
    let built = build()?;
    let marked = mark(&built)?;
    let emulator = crate::build(PROFILE, &["anyarch-emu"])?.join("anyarch-emu");
    for (name, why) in NOT {
        println!("left out: {name} {why}");
    }
    run(&marked, &emulator, names)
}

/// Builds the emulator for the other host; where it is.
fn build() -> Result<PathBuf, String> {
    let tree = Tree::new(&format!("build-{SUITE}-amd64"), "amd64", SUITE, None)?;
    tree.add_architecture(DEBIAN)?;
    tree.install(PACKAGES)?;
    // Whatever of the crates is missing here is fetched here: the tree's cargo is offline.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let workspace = crate::workspace();
    let mut fetch = Command::new(cargo);
    crate::run(fetch.args(["fetch", "--locked", "--quiet"]).current_dir(&workspace))?;
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = match home {
        Some(home) => home,
        None => Path::new(&std::env::var_os("HOME").ok_or("HOME is not set")?).join(".cargo"),
    };
    let target = crate::target()?.join("host-neutral");
    fs::create_dir_all(&target).map_err(|e| format!("{}: {e}", target.display()))?;
    let mut cargo = tree.command_with(&[
        Shared { folder: &workspace, at: "/src", writable: false },
        Shared { folder: &home.join("registry"), at: "/root/.cargo/registry", writable: false },
        Shared { folder: &target, at: "/target", writable: true },
    ])?;
    cargo.args([
        "env",
        "--chdir=/src",
        "CARGO_TARGET_DIR=/target",
        "cargo",
        "build",
        "--offline",
        "--locked",
    ]);
    cargo.args(["--quiet", "--profile", PROFILE, "--target", TARGET, "-p", "anyarch-emu"]);
    crate::run(&mut cargo).map_err(|e| format!("{e}: the emulator does not build for {TARGET}"))?;
    Ok(target.join(TARGET).join(PROFILE).join("anyarch-emu"))
}

/// A copy of the emulator with [`MARK`].
fn mark(emulator: &Path) -> Result<PathBuf, String> {
    let marked = emulator.with_extension("marked");
    let copy = || {
        fs::copy(emulator, &marked)?;
        fs::OpenOptions::new().write(true).open(&marked)?.write_all_at(MARK, MARK_AT)
    };
    copy().map_err(|e| format!("{}: {e}", marked.display()))?;
    Ok(marked)
}

/// Runs the test programs with the emulator `marked`, which `emulator` runs.
fn run(marked: &Path, emulator: &Path, names: &[OsString]) -> Result<ExitCode, String> {
    const SCRIPT: &str = "\
        set -e; echo; read -r _; mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc; \
        printf %s \"$0\" > /proc/sys/fs/binfmt_misc/register; exec setpriv --ambient-caps -all -- \"$@\"";
    let mark = String::from_utf8_lossy(MARK);
    let line = format!(":host:M:{MARK_AT}:{mark}::{}:POCF", emulator.display());
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut c = Command::new("unshare");
    c.args(["--user", "--keep-caps", "--mount", "sh", "-c", SCRIPT, &line]).arg(cargo);
    c.args(["test", "--quiet", "-p", "anyarch-harness", "--test", "programs", "--"]);
    c.current_dir(crate::workspace()).env("ANYARCH_EMU", marked).env("ANYARCH_PATIENCE", PATIENCE);
    for (name, _) in NOT {
        c.args(["--skip", name]);
    }
    for other in ["::dynamic", "::no-pie", "::musl", "::interp"] {
        c.args(["--skip", other]);
    }
    if names.is_empty() {
        c.args(GUESTS.iter().map(|guest| format!("::{}::static", guest.name)));
    } else {
        c.args(names);
    }
    in_namespace(c.stdin(Stdio::piped()).stdout(Stdio::piped())).map_err(|e| format!("unshare: {e}"))
}

/// Runs a command that unshares the user namespace, says so by a line, and waits for one until it has users: programs test what root may do and others may not.
fn in_namespace(command: &mut Command) -> io::Result<ExitCode> {
    const ALL: &str = "0 0 65536";
    let mut child = command.spawn()?;
    if let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) {
        let mut output = BufReader::new(output);
        output.read_line(&mut String::new())?;
        for map in ["uid_map", "gid_map"] {
            fs::write(format!("/proc/{}/{map}", child.id()), ALL)?;
        }
        input.write_all(b"\n")?;
        drop(input);
        io::copy(&mut output, &mut io::stdout())?;
    }
    Ok(ExitCode::from(child.wait()?.code().unwrap_or(1) as u8))
}

//! `cargo xtask check-host-neutral`: what names no host builds and works on another one.
//!
//! The emulator is built for arm64, where all instructions are interpreted. The compiler is Debian
//! sid's, which has the standard library for other architectures in packages; crates are the
//! machine's own copies. The emulator for this machine then plays an arm64 machine: in a user
//! namespace with an instance of binfmt_misc of its own, which knows the emulator for arm64 by a
//! mark in its header and nothing else. So each program that a test starts, and each that it
//! executes in turn, is run by the emulator for arm64. The results are compared as always
//! (tests/README.md).
//!
//! A few programs cannot pass in such a namespace, also natively. For these the emulator for this
//! machine is called by name, and runs what they execute in turn by itself.

use crate::debian::{Shared, Tree};
use crate::packages;
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
/// Compiler, standard library, linker, and the C library that anyarch's crates are built on. mdbook
/// is for [`crate::site`], so that there is one tree of sid and not two.
const PACKAGES: &[&str] =
    &["rustc", "cargo", "libstd-rust-dev:arm64", "gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross", "mdbook"];
/// Where the tree has this workspace and cargo's crates.
pub(crate) const SOURCE: &str = "/src";
/// See [`SOURCE`].
pub(crate) const REGISTRY: &str = "/root/.cargo/registry";
/// Profile of both emulators.
const PROFILE: &str = "fast";
/// Replaces the padding of the ELF header, which means nothing.
const MARK: &[u8] = b"ANYARCH";
/// Offset of that padding (EI_PAD).
const MARK_AT: u64 = 9;
/// How much longer a program may take than natively translated: two emulators, one of which
/// interprets.
const PATIENCE: &str = "10";

/// Programs that cannot pass, and why.
const NOT: &[(&str, &str)] = &[
    ("syscalls::signal_timer::", "signals come faster than two emulators can deliver them"),
    ("syscalls::signal_faults_sent::", "signals come faster than two emulators can deliver them"),
    ("syscalls::limits_memory::", "both emulators hand on what they know of hard limits in one variable"),
    ("syscalls::io_uring::arm::", "nobody can have a ring below 4 GiB on arm64, which lacks MAP_32BIT"),
    (
        "syscalls::narrow_memory::arm::",
        "the emulator in the middle cannot tell where the stack is (PR_SET_MM)",
    ),
    ("syscalls::seccomp_host::", "a filter's copy of a filter's copy is longer than the kernel admits"),
];

/// Programs that do not pass in a user namespace, and why.
const OUTSIDE: &[(&str, &str)] = &[
    ("syscalls::exec_personality::riscv64", "both emulators hand on what execve keeps in one variable"),
    ("syscalls::inotify_fanotify::", "fanotify_init needs the machine's root"),
    ("syscalls::namespaces::", "setns needs the machine's root"),
    ("syscalls::proc_files::", "/proc cannot be bound without what is mounted in it"),
    ("syscalls::scheduling::", "sched_setattr needs the machine's root"),
    ("syscalls::spawn_descriptors::", "the kernel opens a file for a handler, and no descriptor is free"),
    ("syscalls::vector_control_riscv64::", "both emulators hand on what execve keeps in one variable"),
];

/// The command: all programs, or those whose names contain one of `names`.
///
/// # Errors
/// What failed before the tests.
pub(crate) fn main(names: &[OsString]) -> Result<ExitCode, String> {
    packages::need(&[packages::BUILD, packages::DEBIAN, packages::PROGRAMS])?;
    let marked = mark(&build()?)?;
    let emulator = crate::build(PROFILE, &["anyarch-emu"])?.join("anyarch-emu");
    let chosen: Vec<String> = programs()?
        .into_iter()
        .filter(|program| {
            names.is_empty() || names.iter().any(|name| program.contains(&*name.to_string_lossy()))
        })
        .collect();
    let is_in = |program: &String, list: &[(&str, &str)]| list.iter().any(|it| program.starts_with(it.0));
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    for program in chosen.iter().filter(|program| !is_in(program, NOT)) {
        if is_in(program, OUTSIDE) { &mut outside } else { &mut inside }.push(program);
    }
    for (list, what) in [(NOT, "left out"), (OUTSIDE, "outside of the namespace")] {
        for (name, why) in list {
            println!("{what}: {name} {why}");
        }
    }
    let mut good = true;
    if !inside.is_empty() {
        good &= in_namespace(&emulator, &tests(&marked, &inside)).map_err(|e| format!("unshare: {e}"))?;
    }
    if !outside.is_empty() {
        let status = tests(&marked, &outside).env("ANYARCH_UNDER", &emulator).status();
        good &= status.map_err(|e| format!("cargo: {e}"))?.success();
    }
    if inside.is_empty() && outside.is_empty() {
        return Err("no such program".into());
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// cargo, which is to test these programs.
fn harness() -> Command {
    let mut c = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    c.args(["test", "--quiet", "-p", "anyarch-harness", "--test", "programs", "--"]);
    c.current_dir(crate::workspace());
    c
}

/// The names of all static programs.
fn programs() -> Result<Vec<String>, String> {
    let out = harness().arg("--list").output().map_err(|e| format!("cargo: {e}"))?;
    if !out.status.success() {
        return Err(format!("the test programs do not build: {}", String::from_utf8_lossy(&out.stderr)));
    }
    let text = String::from_utf8_lossy(&out.stdout);
    let names = text.lines().filter_map(|line| line.strip_suffix(": test"));
    Ok(names
        .filter(|name| name.ends_with("::static") || name.ends_with("::static-pie"))
        .map(str::to_owned)
        .collect())
}

/// Tests these programs with the emulator `marked`.
fn tests(marked: &Path, programs: &[&String]) -> Command {
    let mut c = harness();
    c.arg("--exact").args(programs).env("ANYARCH_EMU", marked).env("ANYARCH_PATIENCE", PATIENCE);
    c
}

/// Builds the emulator for the other host; where it is.
fn build() -> Result<PathBuf, String> {
    Ok(cross(&["anyarch-emu"], PROFILE, &crate::target()?.join("host-neutral"), &[])?.join("anyarch-emu"))
}

/// Builds packages for arm64 in a Debian sid; the folder they are in. The flags are rustc's beside
/// those of .cargo/config.toml.
///
/// # Errors
/// What failed.
pub(crate) fn cross(
    packages: &[&str],
    profile: &str,
    target: &Path,
    flags: &[String],
) -> Result<PathBuf, String> {
    let tree = sid()?;
    // Whatever of the crates is missing here is fetched here: the tree's cargo is offline.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let workspace = crate::workspace();
    let mut fetch = Command::new(cargo);
    crate::run(fetch.args(["fetch", "--locked", "--quiet"]).current_dir(&workspace))?;
    let home = crate::sbom::cargo_home()?;
    fs::create_dir_all(target).map_err(|e| format!("{}: {e}", target.display()))?;
    let mut cargo = tree.command_with(&[
        Shared { folder: &workspace, at: SOURCE, writable: false },
        Shared { folder: &home.join("registry"), at: REGISTRY, writable: false },
        Shared { folder: target, at: "/target", writable: true },
    ])?;
    cargo.args(["env", &format!("--chdir={SOURCE}"), "CARGO_TARGET_DIR=/target", "cargo", "build"]);
    cargo.args(["--offline", "--locked", "--quiet", "--profile", profile, "--target", TARGET]);
    let flags: Vec<String> = flags.iter().map(|flag| format!("\"{flag}\"")).collect();
    cargo.args(["--config", &format!("target.{TARGET}.rustflags=[{}]", flags.join(", "))]);
    cargo.args(packages.iter().flat_map(|name| ["-p", name]));
    crate::run(&mut cargo).map_err(|e| format!("{e}: {} for {TARGET}", packages.join(", ")))?;
    Ok(target.join(TARGET).join(profile))
}

/// The Debian sid with [`PACKAGES`].
fn sid() -> Result<Tree, String> {
    let tree = Tree::new(&format!("build-{SUITE}-amd64"), "amd64", SUITE, None)?;
    tree.add_architecture(DEBIAN)?;
    tree.install(PACKAGES)?;
    Ok(tree)
}

/// Begins a command of a program of that Debian in a folder of this machine.
///
/// # Errors
/// If the Debian cannot be made.
pub(crate) fn tool(program: &str, folder: &Path, words: &[&str]) -> Result<Command, String> {
    packages::need(&[packages::DEBIAN])?;
    let mut c = sid()?.command_with(&[Shared { folder, at: "/work", writable: true }])?;
    c.args(["env", "--chdir=/work", program]).args(words);
    Ok(c)
}

/// A copy of the emulator with [`MARK`].
///
/// # Errors
/// If it cannot be made.
pub(crate) fn mark(emulator: &Path) -> Result<PathBuf, String> {
    let marked = emulator.with_extension("marked");
    let copy = || {
        // One that runs already cannot be written, but replaced.
        let new = emulator.with_extension("marking");
        fs::copy(emulator, &new)?;
        fs::OpenOptions::new().write(true).open(&new)?.write_all_at(MARK, MARK_AT)?;
        fs::rename(&new, &marked)
    };
    copy().map_err(|e| format!("{}: {e}", marked.display()))?;
    Ok(marked)
}

/// Runs a command in namespaces where files with [`MARK`] are the emulator's; whether it succeeds.
fn in_namespace(emulator: &Path, command: &Command) -> io::Result<bool> {
    const SCRIPT: &str = "\
        set -e; echo; read -r _; mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc; \
        printf %s \"$0\" > /proc/sys/fs/binfmt_misc/register; exec setpriv --ambient-caps -all -- \"$@\"";
    let mark = String::from_utf8_lossy(MARK);
    let line = format!(":host:M:{MARK_AT}:{mark}::{}:POCF", emulator.display());
    let mut outer = Command::new("unshare");
    outer
        .args(["--user", "--keep-caps", "--mount", "sh", "-c", SCRIPT, &line])
        .arg(command.get_program())
        .args(command.get_args())
        .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .current_dir(command.get_current_dir().unwrap_or(Path::new(".")));
    Ok(with_users(&mut outer)? == 0)
}

/// Runs a command that unshares the user namespace, says so by a line, and waits for one until the
/// namespace has users: programs test what root may do and others may not. The command's exit code.
pub(crate) fn with_users(command: &mut Command) -> io::Result<u8> {
    const USERS: &str = "0 0 65536";
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    if let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) {
        // It says by a line that it is there, and waits for one.
        let mut output = BufReader::new(output);
        output.read_line(&mut String::new())?;
        for map in ["uid_map", "gid_map"] {
            fs::write(format!("/proc/{}/{map}", child.id()), USERS)?;
        }
        input.write_all(b"\n")?;
        drop(input);
        io::copy(&mut output, &mut io::stdout())?;
    }
    Ok(child.wait()?.code().unwrap_or(1) as u8)
}

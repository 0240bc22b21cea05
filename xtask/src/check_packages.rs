//! `cargo xtask check-packages`: a release as its users meet it.
//!
//! It is made twice, and the bytes must be the same. Its Debian package is installed, upgraded,
//! removed and purged in a Debian of its own, with and without other packages that register
//! handlers (tests/e2e/packages.sh); the one for arm64 hosts likewise, in an arm64 Debian whose
//! programs the emulator runs. install.sh fetches it from a server on this machine, and the
//! script of the GitHub action does its work. What is for arm64 hosts is installed and used too,
//! under the emulator for this machine (tests/e2e/arm64.sh). All of it runs in user namespaces, each with an
//! instance of binfmt_misc of its own: the machine's handlers are never touched.

use crate::debian::Tree;
use crate::dist::{self, ARM64, Executables, HERE, Release};
use crate::{neutral, packages};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The Debian that packages are installed in, and what is installed there beside them.
const SUITE: &str = "bookworm";
const OTHERS: &[&str] = &["qemu-user-static", "binfmt-support", "systemd"];

/// The command.
///
/// # Errors
/// What failed before the tests.
pub(crate) fn main(mut rest: Vec<OsString>) -> Result<ExitCode, String> {
    packages::need(&[packages::BUILD, packages::DEBIAN, packages::PACKAGES])?;
    let mut given = |name| -> Result<Option<PathBuf>, String> {
        Ok(crate::take_option(&mut rest, name)?.pop().map(PathBuf::from))
    };
    let (here, arm64) = (given("--executables")?, given("--arm64")?);
    let with_arm64 = !crate::take_flag(&mut rest, "--no-arm64");
    if !rest.is_empty() {
        return Err("check-packages takes no words".into());
    }
    let here = match here {
        Some(dir) => dir,
        None => crate::build("release", &dist::EXECUTABLES)?,
    };
    let mut executables: Vec<Executables> = vec![(HERE, here.clone())];
    if with_arm64 {
        let arm64 = match arm64 {
            Some(dir) => dir,
            // What is looked at does not depend on how well it is optimised.
            None => neutral::cross(&dist::EXECUTABLES, "fast", &crate::target()?.join("host-neutral"), &[])?,
        };
        executables.push((ARM64, arm64));
    }
    let out = crate::target()?.join("check-packages");
    let (first, second) = (out.join("release"), out.join("again"));
    let files = dist::make(&first, &executables, true)?;
    dist::make(&second, &executables, true)?;
    let mut good = told("reproducible", same(&first, &second, &files));

    for of_host in &executables {
        good &= life_cycle(of_host, &out, &here)?;
    }
    good &= installer(&first, &out)?;
    if with_arm64 {
        good &= other_host(&first, &out, &here)?;
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A line as cargo's test programs print it.
fn told(name: &str, result: Result<(), String>) -> bool {
    println!("test packages::{name} ... {}", if result.is_ok() { "ok" } else { "FAILED" });
    if let Err(e) = &result {
        println!("{e}");
    }
    result.is_ok()
}

/// Whether two folders have the same files.
fn same(first: &Path, second: &Path, files: &[String]) -> Result<(), String> {
    for name in files {
        let read = |dir: &Path| fs::read(dir.join(name)).map_err(|e| format!("{name}: {e}"));
        if read(first)? != read(second)? {
            return Err(format!("{name}: other bytes in {} and {}", first.display(), second.display()));
        }
    }
    Ok(())
}

/// Installs, upgrades, removes and purges a host's Debian package; whether all went well. `here` is
/// the folder of this machine's executables.
fn life_cycle(executables: &Executables, out: &Path, here: &Path) -> Result<bool, String> {
    let arch = executables.0.debian;
    let debs = out.join("debs").join(arch);
    fs::create_dir_all(&debs).map_err(|e| format!("{}: {e}", debs.display()))?;
    let version = env!("CARGO_PKG_VERSION");
    for (name, version) in [("old.deb", version.to_owned()), ("new.deb", format!("{version}+1"))] {
        let made = Release::new(&out.join("work"), executables, here, &version)?.deb(&debs)?;
        fs::rename(debs.join(made), debs.join(name)).map_err(|e| format!("{name}: {e}"))?;
    }
    let emulator = (executables.0 != HERE).then(|| here.join("anyarch-emu"));
    let tree = Tree::new(&format!("packages-{SUITE}-{arch}"), arch, SUITE, emulator.as_deref())?;
    // They are installed where they have an instance of binfmt_misc of their own.
    tree.install(&[&["--download-only"], OTHERS].concat())?;
    // On arm64 the others register a handler of this machine's programs, which marked ones are not.
    let mut marked = None;
    if let Some(emulator) = &emulator {
        let copy = out.join("emulator");
        fs::copy(emulator, &copy).map_err(|e| format!("{}: {e}", copy.display()))?;
        marked = Some(neutral::mark(&copy)?);
    }
    let mut good = true;
    for others in [&[][..], OTHERS] {
        good &= in_tree(&tree, arch, &debs, marked.as_deref(), others)?;
    }
    Ok(good)
}

/// Runs packages.sh in a copy of the tree that vanishes with it; whether all went well. An emulator
/// starts every program of the tree by itself: handlers in the tree's instance are anyarch's own.
fn in_tree(
    tree: &Tree,
    arch: &str,
    debs: &Path,
    emulator: Option<&Path>,
    others: &[&str],
) -> Result<bool, String> {
    const SCRIPT: &str = "\
        set -e; echo; read -r _; mount -t tmpfs tmpfs \"$0\"; cd \"$0\"; mkdir upper work root; \
        mount -t overlay -o \"lowerdir=$1,upperdir=upper,workdir=work,userxattr\" overlay root; \
        mkdir root/test; cp \"$2\"/*.deb \"$3\"/packages.sh \"$3\"/steps.sh root/test; mount --rbind /dev root/dev; \
        [ -z \"$4\" ] || cp \"$4\" root/test/emulator; start=${4:+/test/emulator}; shift 4; \
        exec unshare --pid --fork --kill-child chroot root $start /bin/sh /test/packages.sh \"$@\"";
    let place = debs.with_extension("tree");
    fs::create_dir_all(&place).map_err(|e| format!("{}: {e}", place.display()))?;
    let mut c = Command::new("unshare");
    c.args(["--user", "--keep-caps", "--mount", "sh", "-c", SCRIPT]).arg(&place).arg(tree.root());
    c.arg(debs).arg(crate::workspace().join("tests/e2e")).arg(emulator.unwrap_or(Path::new("")));
    c.arg(arch).args(others);
    c.env_clear().envs([
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("HOME", "/root"),
        ("LC_ALL", "C.UTF-8"),
        ("DEBIAN_FRONTEND", "noninteractive"),
    ]);
    run_inside(&mut c)
}

/// Runs install.sh and the action's script.
fn installer(release: &Path, out: &Path) -> Result<bool, String> {
    script("install.sh", &[release, &out.join("installed"), &crate::workspace()])
}

/// Tries the release for arm64 hosts: this machine's emulator plays one.
fn other_host(release: &Path, out: &Path, executables: &Path) -> Result<bool, String> {
    let executables = std::path::absolute(executables).map_err(|e| e.to_string())?;
    script("arm64.sh", &[release, &out.join("arm64"), &crate::workspace(), &executables])
}

/// Runs a script of tests/e2e, in a namespace with an instance of binfmt_misc.
fn script(name: &str, words: &[&Path]) -> Result<bool, String> {
    const SCRIPT: &str = "\
        set -e; echo; read -r _; mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc; exec sh \"$@\"";
    let mut c = Command::new("unshare");
    c.args(["--user", "--keep-caps", "--mount", "sh", "-c", SCRIPT, "sh"]);
    run_inside(c.arg(crate::workspace().join("tests/e2e").join(name)).args(words))
}

fn run_inside(c: &mut Command) -> Result<bool, String> {
    let code = crate::neutral::with_users(c);
    Ok(code.map_err(|e| format!("unshare: {e}"))? == 0)
}

//! `cargo xtask check-docker`: images of several platforms in one call of buildx.
//!
//! Debian sid's docker has containerd's image store, which keeps them; bookworm's has not. It runs
//! in a Debian sid of its own, in namespaces with handlers and a network of their own (`anyarch with
//! --net none`): the machine's handlers, daemons and network are not used.

use crate::debian::Tree;
use crate::{dist, packages};
use anyarch_harness::debian::unpacked;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// What is installed in the tree.
const PACKAGES: &[&str] =
    &["docker.io", "docker-cli", "docker-buildx", "docker-registry", "iptables", "ca-certificates", "curl"];

/// The platforms that are built for, and a suite that has them.
const PLATFORMS: &[(&str, &str)] = &[("amd64", "bookworm"), ("arm64", "bookworm"), ("riscv64", "trixie")];

/// The command: `[--executables DIR]`.
///
/// # Errors
/// What failed before the tests.
pub(crate) fn main(mut rest: Vec<OsString>) -> Result<ExitCode, String> {
    // runc wants a mount point as the root of what calls it.
    const SCRIPT: &str = "\
        set -e; mount --rbind \"$0\" \"$0\"; for it in proc sys dev; do mount --rbind \"/$it\" \"$0/$it\"; done; \
        mkdir -p \"$0/test\"; for it in tmp run test var/lib; do mount -t tmpfs tmpfs \"$0/$it\"; done; \
        mkdir -p \"$0/var/lib/docker\"; cp \"$@\" \"$0/test\"; \
        exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 chroot \"$0\" sh /test/platforms.sh";
    packages::need(&[packages::BUILD, packages::DEBIAN])?;
    let folder = match crate::take_option(&mut rest, "--executables")?.pop() {
        Some(folder) => PathBuf::from(folder),
        None => crate::build("release", &dist::EXECUTABLES)?,
    };
    if !rest.is_empty() {
        return Err("check-docker takes no words".into());
    }
    let work = crate::target()?.join("check-docker");
    fs::create_dir_all(&work).map_err(|e| format!("{}: {e}", work.display()))?;
    let mut shown = vec![crate::workspace().join("tests/e2e/platforms.sh")];
    for (arch, suite) in PLATFORMS {
        let package = unpacked(&format!("busybox-{arch}"), arch, suite, &["busybox-static"], |_| Ok(()))?;
        let program = ["bin/busybox", "usr/bin/busybox"].map(|path| package.join(path));
        let program = program.iter().find(|path| path.exists()).ok_or("busybox-static has no busybox")?;
        let copy = work.join(format!("busybox-{arch}"));
        fs::copy(program, &copy).map_err(|e| format!("{}: {e}", copy.display()))?;
        shown.push(copy);
    }
    let tree = Tree::new("docker-sid-amd64", "amd64", "sid", None)?;
    tree.install(PACKAGES)?;
    // With a process namespace, nothing is left of the daemons.
    let mut c = Command::new("unshare");
    c.args(["-mpf", "--mount-proc", "--propagation", "private"]).arg(folder.join("anyarch"));
    c.args(["with", "--net", "none", "arm64", "riscv64", "--", "sh", "-c", SCRIPT]);
    let status = c.arg(tree.root()).args(shown.iter().map(Path::new)).status();
    let status = status.map_err(|e| format!("unshare: {e}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

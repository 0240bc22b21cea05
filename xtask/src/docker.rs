//! `cargo xtask check-docker`: what Debian sid has and bookworm has not. Its docker has
//! containerd's image store, which keeps images of several platforms, and there is apptainer.
//!
//! It runs in a Debian sid of its own, in namespaces with handlers and a network of their own
//! (`anyarch with --net user`, whose outside is a network namespace with a server): the machine's
//! handlers, daemons and network are not used.

use crate::debian::Tree;
use crate::{dist, packages};
use anyarch_harness::debian::unpacked;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// What is installed in the tree.
const PACKAGES: &[&str] = &[
    "docker.io",
    "docker-cli",
    "docker-buildx",
    "docker-registry",
    "iptables",
    "ca-certificates",
    "curl",
    "python3-minimal",
    "apptainer",
];

/// The platforms that are built for, and a suite that has them.
const PLATFORMS: &[(&str, &str)] = &[("amd64", "bookworm"), ("arm64", "bookworm"), ("riscv64", "trixie")];

/// The command: `[--executables DIR]`.
///
/// # Errors
/// What failed before the tests.
pub(crate) fn main(mut rest: Vec<OsString>) -> Result<ExitCode, String> {
    // runc wants a mount point as the root of what calls it. A namespace within this one wants a
    // root that chroot(2) has not made.
    const SCRIPT: &str = "\
        set -e; mount --rbind \"$0\" \"$0\"; for it in proc sys dev; do mount --rbind \"/$it\" \"$0/$it\"; done; \
        mkdir -p \"$0/test\"; for it in tmp run test var/lib; do mount -t tmpfs tmpfs \"$0/$it\"; done; \
        mkdir -p \"$0/var/lib/docker\" \"$0/var/lib/apptainer/mnt/session\"; cp \"$@\" \"$0/test\"; cd \"$0\"; pivot_root . .; umount -l .; \
        exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 sh /test/platforms.sh";
    // What is outside of the network: a bridge's address and a server.
    const OUTSIDE: &str = "\
        set -e; ip link set lo up; ip link add outside type bridge; ip addr add 10.99.0.1/24 dev outside; \
        ip link set outside up; ip route add default via 10.99.0.254; mkdir -p \"$0/www\"; echo served >\"$0/www/page\"; \
        \"$0/busybox-amd64\" httpd -p 10.99.0.1:8000 -h \"$0/www\"; exec \"$@\"";
    packages::need(&[packages::BUILD, packages::DEBIAN, packages::NETWORKS])?;
    let folder = match crate::take_option(&mut rest, "--executables")?.pop() {
        Some(folder) => PathBuf::from(folder),
        None => crate::build("release", &dist::EXECUTABLES)?,
    };
    if !rest.is_empty() {
        return Err("check-docker takes no words".into());
    }
    let work = crate::target()?.join("check-docker");
    fs::create_dir_all(&work).map_err(|e| format!("{}: {e}", work.display()))?;
    let scripts = crate::workspace().join("tests/e2e");
    let mut shown = vec![folder.join("anyarch"), folder.join("anyarch-emu")];
    shown.extend(["platforms.sh", "steps.sh", "buildkit.py"].map(|name| scripts.join(name)));
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
    c.args(["-nmpf", "--mount-proc", "--propagation", "private", "sh", "-c", OUTSIDE]).arg(&work);
    c.arg(folder.join("anyarch"))
        .args(["with", "--net", "user", "arm64", "riscv64", "--", "sh", "-c", SCRIPT]);
    let status = c.arg(tree.root()).args(shown.iter().map(Path::new)).status();
    let status = status.map_err(|e| format!("unshare: {e}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

//! The Debian packages that the project's commands need, by purpose. This is the only list of them:
//! each command asks for its purposes before it begins, and what is missing is installed, or the
//! user is told in one line what to run.
//!
//! (What xtask itself needs, a linker, must be there before it: README.md says so.)

use std::ffi::OsStr;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

/// Packages for one purpose.
pub(crate) type Purpose = &'static [&'static str];

/// The linker of Rust, with the C library's static files.
pub(crate) const BUILD: Purpose = &["gcc", "libc6-dev"];
/// The linker for arm64 hosts, and the C library there.
pub(crate) const ARM64: Purpose = &["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"];
/// Making Debians. (Ubuntu has Debian's keys in a package of its own.)
pub(crate) const DEBIAN: Purpose = &["debootstrap", "debian-archive-keyring"];
/// Compilers of the test programs, for this machine and for every guest.
pub(crate) const PROGRAMS: Purpose = &[
    "gcc",
    "g++",
    "libc6-dev",
    "gcc-aarch64-linux-gnu",
    "g++-aarch64-linux-gnu",
    "gcc-riscv64-linux-gnu",
    "g++-riscv64-linux-gnu",
    "gcc-arm-linux-gnueabihf",
    "g++-arm-linux-gnueabihf",
    "gcc-arm-linux-gnueabi",
    "g++-arm-linux-gnueabi",
    // What the host's kernel answers to programs of 32 bits.
    "gcc-i686-linux-gnu",
    "libc6-dev-i386-cross",
];
/// Compilers and kernel headers of the architectures whose structures are compared with the table.
pub(crate) const STRUCTURES: Purpose = &[
    "gcc-arm-linux-gnueabihf",
    "libc6-dev-armhf-cross",
    "gcc-s390x-linux-gnu",
    "libc6-dev-s390x-cross",
    "gcc-powerpc64le-linux-gnu",
    "libc6-dev-ppc64el-cross",
    "gcc-mips64el-linux-gnuabi64",
    "libc6-dev-mips64el-cross",
];
/// QEMU as the other opinion, and Debian's keys for the guests' musl.
pub(crate) const ORACLE: Purpose = &["qemu-user-static", "debian-archive-keyring"];
/// What the host tool's completions, manual and units are tried with, its users' ids, and a
/// registry with private certificates.
pub(crate) const HOST_TOOL: Purpose = &[
    "bash",
    "zsh",
    "fish",
    "man-db",
    "mandoc",
    "systemd",
    "python3",
    "python3-yaml",
    "uidmap",
    "xz-utils",
    "docker-registry",
    "openssl",
    "perl",
];
/// Networks with a way out, and what makes networks.
pub(crate) const NETWORKS: Purpose = &["slirp4netns", "passt", "iproute2"];
/// The end-to-end test beside [`DEBIAN`]: its own tools, and everything that runs containers.
/// (docker.io starts no daemon where there is no init; the test starts its own.)
pub(crate) const CONTAINERS: Purpose = &[
    "bc",
    "perl",
    "python3",
    "python3-grpcio",
    "python3-yaml",
    "uidmap",
    "docker.io",
    "podman",
    "buildah",
    "skopeo",
    "umoci",
    "runc",
    "crun",
    "docker-registry",
];
/// What packs a release, the server that install.sh is tried with, and what checks scripts and
/// workflows.
pub(crate) const PACKAGES: Purpose =
    &["dpkg", "rpm", "xz-utils", "curl", "python3", "python3-venv", "shellcheck"];
/// What `cargo xtask test` needs.
pub(crate) const TESTS: &[Purpose] = &[PROGRAMS, STRUCTURES, ORACLE, HOST_TOOL, NETWORKS];

/// Whether this process has root's rights.
pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0)
}

/// Sees to it that the packages are installed. Root installs what is missing; others are asked on a
/// terminal, and sudo does it.
///
/// # Errors
/// What to run, where nobody can be asked or the answer is no; what failed.
pub(crate) fn need(purposes: &[Purpose]) -> Result<(), String> {
    let missing = missing(purposes)?;
    if missing.is_empty() {
        return Ok(());
    }
    let line = format!("apt-get install --no-install-recommends {}", missing.join(" "));
    if !is_root() && !asked(&format!("Missing packages: {}.\nInstall them with sudo?", missing.join(" "))) {
        return Err(format!("packages are missing; run: sudo apt-get update && sudo {line}"));
    }
    eprintln!("xtask: {line}");
    let hint = |e: String| format!("{e}; these packages are needed: {}", missing.join(" "));
    apt(&["update", "-qq"]).map_err(hint)?;
    apt(&[&["install", "-y", "-qq", "--no-install-recommends"], &missing[..]].concat()).map_err(hint)
}

/// A command that runs as root: by sudo, if this process is not root's.
pub(crate) fn as_root(program: impl AsRef<OsStr>) -> Command {
    if is_root() {
        return Command::new(program);
    }
    let mut c = Command::new("sudo");
    c.arg(program);
    c
}

/// Asks a question on the terminal, if there is one; yes is the default there.
pub(crate) fn asked(question: &str) -> bool {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return false;
    }
    eprint!("{question} [Y/n] ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    read.is_ok_and(|n| n > 0) && matches!(answer.trim(), "" | "y" | "Y" | "yes")
}

/// Packages of the purposes that are not installed, each once.
fn missing(purposes: &[Purpose]) -> Result<Vec<&'static str>, String> {
    let mut wanted: Vec<&str> = purposes.concat();
    wanted.sort_unstable();
    wanted.dedup();
    // It fails if it knows one of them not at all, and tells about the others nevertheless.
    let output = Command::new("dpkg-query")
        .args(["-W", "-f", "${Package} ${db:Status-Status}\n"])
        .args(&wanted)
        .output()
        .map_err(|e| {
            format!(
                "dpkg-query: {e}; not a Debian? These packages, by Debian's names, are needed: {}",
                wanted.join(" ")
            )
        })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let installed: Vec<&str> = text.lines().filter_map(|l| l.strip_suffix(" installed")).collect();
    wanted.retain(|name| !installed.contains(name));
    Ok(wanted)
}

fn apt(args: &[&str]) -> Result<(), String> {
    let mut c = as_root("env");
    // No question of a package's, and only what goes wrong is told.
    c.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]).args(args).stdin(Stdio::null());
    let output = c.stderr(Stdio::inherit()).output().map_err(|e| format!("{:?}: {e}", c.get_program()))?;
    if output.status.success() {
        return Ok(());
    }
    eprint!("{}", String::from_utf8_lossy(&output.stdout));
    Err(format!("apt-get {}: {}", args[0], output.status))
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyarch_harness::guests::{GUESTS, OTHER_ABIS};

    #[test]
    fn every_guest_has_its_compilers() {
        for guest in GUESTS.iter().chain(OTHER_ABIS) {
            for compiler in ["gcc", "g++"] {
                let name = format!("{compiler}-{}", guest.triple);
                assert!(PROGRAMS.contains(&name.as_str()), "{name}");
            }
        }
    }

    #[test]
    fn what_is_not_installed_is_missing() {
        let Ok(found) = missing(&[&["dpkg", "anyarch-no-such-package"], &["dpkg"]]) else {
            return eprintln!("no dpkg here");
        };
        assert_eq!(found, ["anyarch-no-such-package"]);
    }
}

//! Debians that the project's commands make from the mirror, once, and keep in the user's cache
//! folder. Their packages are unpacked by debootstrap and configured by their own programs:
//! natively, or under our emulator.
//!
//! debootstrap makes device nodes, which a user namespace forbids, so root is needed; the programs
//! run in a plain chroot. The emulator is started by name from a copy in the tree, and then starts
//! every program of the tree itself: nothing is registered.

use anyarch_harness::debian::{cache_dir, mirror};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The emulator's place in a tree.
const EMULATOR: &str = "anyarch-emu";

/// A root file system of Debian.
pub(crate) struct Tree {
    root: PathBuf,
    /// The emulator of this machine that runs its programs, if they are foreign.
    emulator: Option<PathBuf>,
}

/// A folder of this machine that a command in a tree finds.
pub(crate) struct Shared<'a> {
    /// The folder.
    pub(crate) folder: &'a Path,
    /// Where it is found.
    pub(crate) at: &'a str,
    /// The command may write there.
    pub(crate) writable: bool,
}

/// Whether there is a Debian in the folder, which appears when it is complete.
pub(crate) fn is_made(root: &Path) -> bool {
    root.join("etc/debian_version").exists()
}

impl Tree {
    /// The base system of an architecture, made when it is not there. The name is that of its
    /// folder in the cache.
    ///
    /// # Errors
    /// What failed, with what is missing.
    pub(crate) fn new(name: &str, arch: &str, suite: &str, emulator: Option<&Path>) -> Result<Tree, String> {
        let root = cache_dir()?.join(name);
        let emulator = emulator.map(Path::to_path_buf);
        if is_made(&root) {
            return Ok(Tree { root, emulator });
        }
        let tree = Tree { root: root.with_extension("new"), emulator };
        let new = &tree.root;
        if new.exists() {
            fs::remove_dir_all(new).map_err(|e| format!("{}: {e}", new.display()))?;
        }
        let mut first = Command::new("debootstrap");
        first.arg(format!("--arch={arch}")).args(tree.emulator.as_ref().map(|_| "--foreign"));
        first.args(["--variant=minbase", suite]).arg(new).arg(mirror()?);
        crate::run(&mut first).map_err(|e| format!("{e} (it needs root)"))?;
        if tree.emulator.is_some() {
            let mut second = tree.command()?;
            crate::run(second.args(["/bin/sh", "/debootstrap/debootstrap", "--second-stage"]))?;
            fs::remove_file(new.join(EMULATOR)).map_err(|e| format!("{}: {e}", new.display()))?;
        }
        fs::rename(new, &root).map_err(|e| format!("{}: {e}", root.display()))?;
        Ok(Tree { root, ..tree })
    }

    /// Where it is.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Begins a command whose words, which follow, are a program of the tree and its arguments. The
    /// process is that program's: nothing between forks.
    ///
    /// # Errors
    /// If the emulator cannot be copied.
    pub(crate) fn command(&self) -> Result<Command, String> {
        self.command_with(&[])
    }

    /// The same, with folders of this machine in the tree.
    ///
    /// # Errors
    /// If the emulator cannot be copied.
    pub(crate) fn command_with(&self, shared: &[Shared<'_>]) -> Result<Command, String> {
        const SCRIPT: &str = "\
            set -e; mount -t proc proc \"$0/proc\"; \
            while [ \"$1\" != -- ]; do \
                mkdir -p \"$0$2\"; mount --bind \"$1\" \"$0$2\"; mount -o \"remount,bind,$3\" \"$0$2\"; shift 3; \
            done; \
            shift; exec chroot \"$0\" \"$@\"";
        let mut c = Command::new("unshare");
        c.args(["--mount", "sh", "-c", SCRIPT]).arg(&self.root);
        for it in shared {
            c.arg(it.folder).args([it.at, if it.writable { "rw" } else { "ro" }]);
        }
        c.arg("--");
        if let Some(emulator) = &self.emulator {
            // A copy that runs already cannot be written, but replaced.
            let (copy, new) = (self.root.join(EMULATOR), self.root.join("anyarch-emu.new"));
            fs::copy(emulator, &new)
                .and_then(|_| fs::rename(&new, &copy))
                .map_err(|e| format!("{}: {e}", copy.display()))?;
            c.arg(Path::new("/").join(EMULATOR));
        }
        c.env_clear().envs([
            ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            ("HOME", "/root"),
            ("LC_ALL", "C.UTF-8"),
            ("DEBIAN_FRONTEND", "noninteractive"),
        ]);
        Ok(c)
    }

    /// Lets apt install packages of another architecture, whose names end with it.
    ///
    /// # Errors
    /// What failed.
    pub(crate) fn add_architecture(&self, arch: &str) -> Result<(), String> {
        crate::run(self.command()?.args(["dpkg", "--add-architecture", arch]))
    }

    /// Installs packages with the tree's own apt, once.
    ///
    /// # Errors
    /// What failed.
    pub(crate) fn install(&self, packages: &[&str]) -> Result<(), String> {
        let (done, wanted) = (self.root.join("etc/anyarch-packages"), packages.join(" "));
        if fs::read_to_string(&done).is_ok_and(|installed| installed == wanted) {
            return Ok(());
        }
        // Names and the way to the mirror are this machine's. Services are not started.
        let etc = self.root.join("etc");
        let put = |path: PathBuf, text: &[u8]| {
            fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))
        };
        for name in ["resolv.conf", "hosts"] {
            put(etc.join(name), &fs::read(Path::new("/etc").join(name)).unwrap_or_default())?;
        }
        let config =
            Command::new("apt-config").arg("dump").output().map_err(|e| format!("apt-config: {e}"))?;
        let proxies: String = String::from_utf8_lossy(&config.stdout)
            .lines()
            .filter(|l| l.starts_with("Acquire::") && l.contains("Proxy"))
            // A mirror's lists may be older than their authors expect.
            .fold(
                "APT::Install-Recommends \"0\";\nAcquire::Check-Valid-Until \"false\";\n".into(),
                |all, line| all + line + "\n",
            );
        put(etc.join("apt/apt.conf.d/90anyarch"), proxies.as_bytes())?;
        put(self.root.join("usr/sbin/policy-rc.d"), b"#!/bin/sh\nexit 101\n")?;
        crate::run(Command::new("chmod").arg("755").arg(self.root.join("usr/sbin/policy-rc.d")))?;
        crate::run(self.command()?.args(["apt-get", "update", "-qq"]))?;
        crate::run(self.command()?.args(["apt-get", "install", "-y", "-qq"]).args(packages))?;
        put(done, wanted.as_bytes())
    }
}

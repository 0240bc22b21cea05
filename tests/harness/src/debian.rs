//! Packages of Debian, of any suite and architecture: an apt of our own, whose state lies in the
//! user's cache folder, so that the machine's stays untouched.
//!
//! What is unpacked is made beside its place and renamed when it is complete, under a lock: tests
//! of several processes may ask at once.

use crate::guests::Guest;
use std::fmt::Write;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Errors are told to the user.
type Result<T> = std::result::Result<T, String>;

/// Where downloads stay.
///
/// # Errors
/// If there is no such folder and none can be made.
pub fn cache_dir() -> Result<PathBuf> {
    let base = match std::env::var_os("XDG_CACHE_HOME") {
        Some(dir) if !dir.is_empty() => PathBuf::from(dir),
        _ => PathBuf::from(std::env::var_os("HOME").ok_or("neither XDG_CACHE_HOME nor HOME is set")?)
            .join(".cache"),
    };
    let dir = base.join("anyarch");
    fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    Ok(dir)
}

/// The mirror where no other is known.
const USUAL_MIRROR: &str = "http://deb.debian.org/debian";
/// Debian's keys: Ubuntu's apt does not trust them by itself.
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The Debian mirror that this machine's apt uses, or the usual one: Ubuntu's apt uses none.
///
/// # Errors
/// If there is no apt.
pub fn mirror() -> Result<String> {
    let output = Command::new("apt-get")
        .args(["indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"])
        .output()
        .map_err(|e| format!("apt-get: {e}"))?;
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|l| {
            let mut words = l.split(' ');
            let (uri, release, component) = (words.next()?, words.next()?, words.next()?);
            let debian = uri.trim_end_matches('/').ends_with("debian");
            (component == "main" && !release.contains('-') && debian).then(|| uri.to_owned())
        })
        .next()
        .unwrap_or_else(|| USUAL_MIRROR.into()))
}

/// An apt for another suite or architecture than the machine's.
pub struct Apt {
    dir: PathBuf,
    arch: String,
}

impl Apt {
    /// One whose files lie in `dir`; `types` are `deb`, `deb-src` or both with a blank between.
    ///
    /// # Errors
    /// If the folder cannot be written, or no mirror is known.
    pub fn new(dir: PathBuf, arch: &str, suite: &str, types: &str) -> Result<Apt> {
        for d in ["lists/partial", "archives/partial", "etc"] {
            fs::create_dir_all(dir.join(d)).map_err(|e| format!("{}: {e}", dir.join(d).display()))?;
        }
        let mirror = mirror()?;
        let signed = if Path::new(KEYS).exists() { format!("[signed-by={KEYS}] ") } else { String::new() };
        let mut list = String::new();
        for t in types.split(' ') {
            let _ = writeln!(list, "{t} {signed}{mirror} {suite} main");
        }
        fs::write(dir.join("etc/sources.list"), list).map_err(|e| e.to_string())?;
        fs::write(dir.join("status"), "").map_err(|e| e.to_string())?;
        Ok(Apt { dir, arch: arch.into() })
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut c = Command::new("apt-get");
        let d = self.dir.display();
        for option in [
            format!("Dir::Etc::sourcelist={d}/etc/sources.list"),
            "Dir::Etc::sourceparts=/dev/null".into(),
            format!("Dir::State::lists={d}/lists"),
            format!("Dir::State::status={d}/status"),
            format!("Dir::Cache={d}"),
            format!("Dir::Cache::archives={d}/archives"),
            format!("APT::Architecture={}", self.arch),
            format!("APT::Architectures={}", self.arch),
            "APT::Install-Recommends=0".into(),
            "APT::Sandbox::User=root".into(),
            "Acquire::Languages=none".into(),
            // A mirror's lists may be older than their authors expect, sid's after a week. Their
            // signatures are checked all the same.
            "Acquire::Check-Valid-Until=false".into(),
        ] {
            c.arg("-o").arg(option);
        }
        c.args(args).current_dir(&self.dir);
        c
    }

    /// Runs `apt-get` in the folder.
    ///
    /// # Errors
    /// What it says on standard error.
    pub fn run(&self, args: &[&str]) -> Result<()> {
        let o = self.command(args).output().map_err(|e| format!("apt-get: {e}"))?;
        if o.status.success() {
            Ok(())
        } else {
            Err(format!("apt-get {args:?}: {}", String::from_utf8_lossy(&o.stderr)))
        }
    }

    /// Files of one of its folders by the end of their names.
    pub fn files(&self, folder: &str, end: &str) -> Vec<PathBuf> {
        let mut all: Vec<PathBuf> = fs::read_dir(self.dir.join(folder))
            .into_iter()
            .flatten()
            .flatten()
            .map(|e| e.path())
            .filter(|p| p.to_string_lossy().ends_with(end))
            .collect();
        all.sort();
        all
    }
}

/// Packages unpacked in a folder of the cache, which is made when it is not there. `finish` may add
/// to it.
///
/// # Errors
/// Why that cannot be done: no mirror, no network.
pub fn unpacked(
    name: &str,
    arch: &str,
    suite: &str,
    packages: &[&str],
    finish: impl FnOnce(&Path) -> std::io::Result<()>,
) -> Result<PathBuf> {
    let cache = cache_dir()?;
    let root = cache.join(name);
    let text = |e: std::io::Error| format!("{}: {e}", root.display());
    let lock = File::create(cache.join(format!("{name}.lock"))).map_err(text)?;
    // SAFETY: no memory is involved; closing the file gives the lock back.
    if unsafe { libc::flock(lock.as_raw_fd(), libc::LOCK_EX) } != 0 {
        return Err(text(std::io::Error::last_os_error()));
    }
    if root.exists() {
        return Ok(root);
    }
    let work = cache.join(format!("{name}.new"));
    let _ = fs::remove_dir_all(&work);
    let apt = Apt::new(work.clone(), arch, suite, "deb")?;
    apt.run(&["update"])?;
    apt.run(&[&["download"], packages].concat())?;
    let new = work.join("root");
    for deb in apt.files("", ".deb") {
        let o = Command::new("dpkg").arg("-x").arg(&deb).arg(&new).output().map_err(text)?;
        if !o.status.success() {
            return Err(format!("{}: {}", deb.display(), String::from_utf8_lossy(&o.stderr)));
        }
    }
    finish(&new).map_err(text)?;
    fs::rename(&new, &root).map_err(text)?;
    fs::remove_dir_all(&work).map_err(text)?;
    Ok(root)
}

/// Debian's musl for a guest, with the kernel's headers of the cross compiler's C library in
/// `kernel-headers`: both are needed to build for it.
///
/// # Errors
/// See [`unpacked`].
pub fn musl(guest: &Guest) -> Result<PathBuf> {
    // The number changes with what is done to the files below.
    let name = format!("musl-2-{}", guest.debian);
    unpacked(&name, guest.debian, guest.suite, &["musl", "musl-dev"], |root| {
        let headers = root.join("kernel-headers");
        fs::create_dir_all(&headers)?;
        for d in ["linux", "asm", "asm-generic"] {
            symlink(guest.sysroot().join("include").join(d), headers.join(d))?;
        }
        // Since trixie the packages leave this link to the base system.
        if !root.join("lib").exists() {
            symlink("usr/lib", root.join("lib"))?;
        }
        // A cross linker that is older than the compiler which made musl fails at relocations of
        // its debug information.
        let lib = root.join("usr/lib").join(guest.musl[1]);
        for name in ["libc.a", "crt1.o", "Scrt1.o", "rcrt1.o", "crti.o", "crtn.o"] {
            let strip = format!("{}-strip", guest.triple);
            let status = Command::new(strip).arg("-g").arg(lib.join(name)).status()?;
            if !status.success() {
                return Err(std::io::Error::other(format!("strip -g {name}: {status}")));
            }
        }
        Ok(())
    })
}

/// QEMU's user mode of Debian sid for a guest, which is newer than what stable releases have;
/// fetched once.
///
/// # Errors
/// See [`unpacked`].
pub fn qemu(guest: &str) -> Result<PathBuf> {
    let root = unpacked("qemu-user-sid", "amd64", "sid", &["qemu-user"], |_| Ok(()))?;
    Ok(root.join("usr/bin").join(format!("qemu-{guest}")))
}

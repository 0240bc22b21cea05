//! One mounted binfmt_misc.
//!
//! Nothing here mounts: a mount in the wrong namespace hides the machine's handlers, and unmounting
//! the last one drops them all. The lock is a flock on the instance's own root folder, so it needs
//! no file anywhere and is shared by exactly those who share the instance, containers included.

use crate::entry::Entry;
use crate::rule::{Rule, RuleError};
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where every system has it.
pub const DEFAULT_DIR: &str = "/proc/sys/fs/binfmt_misc";

/// BINFMTFS_MAGIC of linux/magic.h.
const BINFMTFS_MAGIC: u64 = 0x4249_4e4d;

/// What a plan needs of binfmt_misc; a list in memory is enough to test one.
pub trait Kernel {
    /// All entries, in the order of their names.
    fn entries(&self) -> Result<Vec<Entry>, InstanceError>;
    /// Adds one.
    fn register(&mut self, rule: &Rule) -> Result<(), InstanceError>;
    /// Removes one.
    fn remove(&mut self, name: &str) -> Result<(), InstanceError>;
}

/// A mounted binfmt_misc, found by its folder.
#[derive(Debug)]
pub struct Instance {
    dir: PathBuf,
}

/// Holds the lock of an instance until dropped.
#[derive(Debug)]
pub struct Lock {
    _dir: OwnedFd,
}

/// What can go wrong with an instance. The caller adds what to do about it.
#[derive(Debug)]
pub enum InstanceError {
    /// The folder does not exist: the kernel has no binfmt_misc, or its module is not loaded, or
    /// /proc is missing.
    Missing(PathBuf),
    /// The folder exists and nothing is mounted on it.
    NotMounted(PathBuf),
    /// The whole instance is switched off (`echo 0 > status`).
    Disabled(PathBuf),
    /// Somebody else kept the lock for the time given.
    Locked(Duration),
    /// The rule breaks one of the kernel's limits.
    Rule(RuleError),
    /// The kernel refused.
    Refused {
        /// What was attempted: `register qemu-aarch64`.
        action: String,
        /// Its answer.
        error: io::Error,
        /// The interpreter, where that is what the answer is about.
        interpreter: Option<String>,
    },
}

impl InstanceError {
    /// The kernel's errno, where it gave one.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            InstanceError::Refused { error, .. } => Errno::from_io_error(error),
            _ => None,
        }
    }
}

impl std::error::Error for InstanceError {}

impl fmt::Display for InstanceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InstanceError::Missing(dir) => {
                write!(f, "{} does not exist: the kernel's binfmt_misc is not loaded", dir.display())
            }
            InstanceError::NotMounted(dir) => write!(f, "binfmt_misc is not mounted on {}", dir.display()),
            InstanceError::Disabled(dir) => {
                write!(f, "binfmt_misc is switched off ({}/status says disabled)", dir.display())
            }
            InstanceError::Locked(time) => {
                write!(f, "another program has held the lock on binfmt_misc for {} s", time.as_secs())
            }
            InstanceError::Rule(error) => error.fmt(f),
            InstanceError::Refused { action, error, interpreter } => {
                write!(f, "the kernel refused to {action}: ")?;
                match (Errno::from_io_error(error), interpreter) {
                    (Some(Errno::NOENT), Some(i)) => write!(f, "the interpreter {i} does not exist"),
                    (Some(Errno::ACCESS), Some(i)) => {
                        write!(f, "no permission to write, or the interpreter {i} is not executable")
                    }
                    (Some(Errno::PERM), Some(_)) => {
                        write!(f, "no permission (root of the user namespace that owns the mount is needed)")
                    }
                    (Some(Errno::TXTBSY), Some(i)) => write!(f, "the interpreter {i} is open for writing"),
                    (Some(Errno::EXIST), _) => write!(f, "an entry of this name exists"),
                    (Some(Errno::INVAL), _) => {
                        write!(f, "invalid argument (a flag this kernel does not know?)")
                    }
                    (Some(Errno::ROFS), _) => write!(f, "binfmt_misc is mounted read-only"),
                    _ => error.fmt(f),
                }
            }
        }
    }
}

impl From<RuleError> for InstanceError {
    fn from(error: RuleError) -> Self {
        InstanceError::Rule(error)
    }
}

impl Instance {
    /// The instance mounted on a folder.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Instance, InstanceError> {
        let dir = dir.into();
        match rustix::fs::statfs(&dir) {
            Ok(stat) if stat.f_type as u64 == BINFMTFS_MAGIC => Ok(Instance { dir }),
            Ok(_) => Err(InstanceError::NotMounted(dir)),
            Err(Errno::NOENT | Errno::NOTDIR) => Err(InstanceError::Missing(dir)),
            Err(error) => Err(refused(format!("open {}", dir.display()), error.into(), None)),
        }
    }

    /// Where it is mounted.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether the kernel uses it at all.
    pub fn enabled(&self) -> Result<bool, InstanceError> {
        let path = self.dir.join("status");
        let text =
            fs::read_to_string(&path).map_err(|e| refused(format!("read {}", path.display()), e, None))?;
        Ok(text.trim() == "enabled")
    }

    /// Waits until no other program that locks changes this instance.
    pub fn lock(&self, patience: Duration) -> Result<Lock, InstanceError> {
        let open =
            rustix::fs::open(&self.dir, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        let dir = open.map_err(|e| refused(format!("open {}", self.dir.display()), e.into(), None))?;
        let begin = Instant::now();
        loop {
            match rustix::fs::flock(&dir, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Lock { _dir: dir }),
                Err(Errno::WOULDBLOCK) if begin.elapsed() < patience => {
                    std::thread::sleep(Duration::from_millis(5))
                }
                Err(Errno::WOULDBLOCK) => return Err(InstanceError::Locked(patience)),
                Err(error) => return Err(refused("lock binfmt_misc".into(), error.into(), None)),
            }
        }
    }

    /// The entry of this name.
    pub fn entry(&self, name: &str) -> Result<Option<Entry>, InstanceError> {
        match fs::read(self.dir.join(name)) {
            Ok(bytes) => Ok(Some(Entry::parse(name, &String::from_utf8_lossy(&bytes))?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(refused(format!("read {name}"), error, None)),
        }
    }

    /// When an entry was registered: the kernel dates the file that shows it. Switching it off and
    /// on again dates it anew.
    pub fn registered_at(&self, name: &str) -> Option<std::time::SystemTime> {
        fs::metadata(self.dir.join(name)).ok()?.modified().ok()
    }

    /// All entries, the one that the kernel tries first in front. The kernel lists the folder in
    /// this order: each new entry goes to the head of both lists.
    pub fn newest_first(&self) -> Result<Vec<Entry>, InstanceError> {
        let failed = |e| refused(format!("list {}", self.dir.display()), e, None);
        let mut entries = Vec::new();
        for item in fs::read_dir(&self.dir).map_err(failed)? {
            let name = item.map_err(failed)?.file_name().to_string_lossy().into_owned();
            if name != "register" && name != "status" {
                // One that vanished since the listing is no error.
                entries.extend(self.entry(&name)?);
            }
        }
        Ok(entries)
    }

    /// Writes in one write call: the kernel takes a line whole or not at all.
    fn write(&self, file: &str, text: &str) -> io::Result<()> {
        fs::OpenOptions::new().write(true).open(self.dir.join(file))?.write(text.as_bytes()).map(drop)
    }
}

impl Kernel for Instance {
    fn entries(&self) -> Result<Vec<Entry>, InstanceError> {
        let mut entries = self.newest_first()?;
        entries.sort_by(|a, b| a.rule.name.cmp(&b.rule.name));
        Ok(entries)
    }

    fn register(&mut self, rule: &Rule) -> Result<(), InstanceError> {
        let line = rule.line()?;
        self.write("register", &line).map_err(|error| {
            refused(
                format!("register {}", rule.name),
                error,
                Some(crate::entry::plain_path(&rule.interpreter).to_string()),
            )
        })
    }

    fn remove(&mut self, name: &str) -> Result<(), InstanceError> {
        self.write(name, "-1").map_err(|error| refused(format!("remove {name}"), error, None))
    }
}

fn refused(action: String, error: io::Error, interpreter: Option<String>) -> InstanceError {
    InstanceError::Refused { action, error, interpreter }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_instance_is_told_apart() {
        assert!(matches!(Instance::open("/nonexistent/binfmt_misc"), Err(InstanceError::Missing(_))));
        assert!(matches!(Instance::open("/usr"), Err(InstanceError::NotMounted(_))));
    }
}

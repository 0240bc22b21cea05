//! Folders and files `.anyarch-*` for what is being made: none stays, however the command ends.
//!
//! Who made one holds its lock (flock(2)), and the kernel gives that back when the process is gone.
//! So a later command tells what a killed one has left beside its own, and removes it
//! ([`remove_leftovers`]). A new one might be taken for such between its making and its lock: who
//! has the lock looks whether the name still leads to it, and tries again where it does not.
//!
//! A command that is told to end (SIGINT, SIGTERM, SIGHUP) removes its own at once
//! ([`watch_signals`]).

use crate::oci::layout::parent;
use crate::oci::unpack::remove;
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tempfile::NamedTempFile;

const PREFIX: &str = ".anyarch-";
/// Characters behind the prefix.
const RANDOM: usize = 6;

/// A folder that is removed with all in it.
pub(crate) struct Folder {
    path: PathBuf,
    _entry: Entry,
    _lock: OwnedFd,
}

impl Folder {
    /// A new one in a folder, in which leftovers are removed.
    ///
    /// # Errors
    /// It cannot be made or locked.
    pub(crate) fn within(folder: &Path) -> io::Result<Folder> {
        remove_leftovers(folder);
        loop {
            let (path, entry) = Entry::made(|| {
                let path = builder().tempdir_in(folder)?.keep();
                Ok((path.clone(), path))
            })?;
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let Some(lock) = gone_or(rustix::fs::open(&path, flags, Mode::empty()))? else { continue };
            if hold(&lock, &path)? {
                return Ok(Folder { path, _entry: entry, _lock: lock });
            }
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = remove_path(&self.path) {
            caution!("{} stays: {error}", self.path.display());
        }
    }
}

/// A file that is removed unless it is put at its place.
pub(crate) struct NewFile {
    file: NamedTempFile,
    _entry: Entry,
}

impl NewFile {
    /// A new one in a folder. The umask takes from its permissions, as from every file's.
    ///
    /// # Errors
    /// It cannot be made or locked.
    pub(crate) fn within(folder: &Path) -> io::Result<NewFile> {
        loop {
            let (file, entry) = Entry::made(|| {
                let file = builder().permissions(fs::Permissions::from_mode(0o666)).tempfile_in(folder)?;
                let path = file.path().to_path_buf();
                Ok((file, path))
            })?;
            if hold(file.as_file(), file.path())? {
                return Ok(NewFile { file, _entry: entry });
            }
        }
    }

    /// The open file.
    pub(crate) fn as_file(&self) -> &File {
        self.file.as_file()
    }

    /// Gives it its name, in place of what has that.
    ///
    /// # Errors
    /// rename's.
    pub(crate) fn persist(self, to: &Path) -> io::Result<()> {
        self.file.persist(to).map(drop).map_err(|e| e.error)
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn builder() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).rand_bytes(RANDOM);
    builder
}

/// Takes the lock of a new file or folder; whether its name still leads to it.
fn hold(fd: impl AsFd, path: &Path) -> io::Result<bool> {
    match rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        // Somebody who may read it was faster: a cleaner, or another user who means ill.
        Err(Errno::WOULDBLOCK) => return Ok(false),
        // A file system without locks: nobody else gets one either.
        Err(Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOLCK | Errno::INVAL) => return Ok(true),
        Err(error) => return Err(error.into()),
    }
    leads_to(path, &fd)
}

fn leads_to(path: &Path, fd: impl AsFd) -> io::Result<bool> {
    let open = rustix::fs::fstat(fd)?;
    let named = gone_or(rustix::fs::lstat(path))?;
    Ok(named.is_some_and(|named| (named.st_dev, named.st_ino) == (open.st_dev, open.st_ino)))
}

fn gone_or<T>(result: rustix::io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(Errno::NOENT) => Ok(None),
        other => Ok(other.map(Some)?),
    }
}

fn remove_path(path: &Path) -> rustix::io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(parent(path), flags, Mode::empty())?;
    remove(&folder, Path::new(path.file_name().unwrap_or_default()))
}

/// Whether a name is one of ours.
fn is_ours(name: &OsStr) -> bool {
    name.as_bytes()
        .strip_prefix(PREFIX.as_bytes())
        .is_some_and(|rest| rest.len() == RANDOM && rest.iter().all(u8::is_ascii_alphanumeric))
}

/// Removes from a folder what commands of this user have left that are gone; the number.
pub(crate) fn remove_leftovers(folder: &Path) -> usize {
    let Ok(list) = fs::read_dir(folder) else { return 0 };
    let ours = list.flatten().filter(|e| is_ours(&e.file_name()));
    ours.filter(|entry| {
        let path = entry.path();
        match remove_leftover(&path) {
            Ok(removed) => {
                if removed {
                    detail!("removed {}, which a command that was killed has left", path.display());
                }
                removed
            }
            Err(error) => {
                detail!("{} stays: {error}", path.display());
                false
            }
        }
    })
    .count()
}

fn remove_leftover(path: &Path) -> io::Result<bool> {
    let stat = rustix::fs::statat(rustix::fs::CWD, path, AtFlags::SYMLINK_NOFOLLOW)?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    if stat.st_uid != rustix::process::geteuid().as_raw()
        || !matches!(kind, FileType::Directory | FileType::RegularFile)
    {
        return Ok(false);
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Some(fd) = gone_or(rustix::fs::open(path, flags, Mode::empty()))? else { return Ok(false) };
    if rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive).is_err() || !leads_to(path, &fd)? {
        return Ok(false);
    }
    remove_path(path)?;
    Ok(true)
}

// ---- signals ------------------------------------------------------------------------------------

/// What is to be removed, the last first.
static LIVE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn live() -> MutexGuard<'static, Vec<PathBuf>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A path that a signal removes until this is dropped: a folder `.anyarch-*` with all in it, any
/// other one if it is empty.
pub(crate) struct Entry {
    path: PathBuf,
}

impl Entry {
    /// For what `make` makes, and gives with its path. A signal finds nothing of it or all: it
    /// waits until `make` is done.
    ///
    /// # Errors
    /// `make`'s.
    pub(crate) fn made<T>(make: impl FnOnce() -> io::Result<(T, PathBuf)>) -> io::Result<(T, Entry)> {
        let mut live = live();
        let (made, path) = make()?;
        live.push(path.clone());
        Ok((made, Entry { path }))
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        live().retain(|path| *path != self.path);
    }
}

/// Has signals that end the command remove what it is making first. To be called before there are
/// other threads, which have these signals blocked then.
pub(crate) fn watch_signals() {
    // SAFETY: an all-zero set is one, and the calls get valid ones.
    let set = unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            libc::sigaddset(&raw mut set, signal);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
        set
    };
    let wait = move || {
        let mut signal = 0;
        // SAFETY: a set and an integer.
        if unsafe { libc::sigwait(&raw const set, &raw mut signal) } != 0 {
            return;
        }
        // Whoever ends meanwhile waits for the lock, and prints nothing.
        let live = live();
        for path in live.iter().rev() {
            remove_now(path);
        }
        // SAFETY: the signal's own action, which ends the process.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut());
            libc::raise(signal);
        }
    };
    if let Err(error) = std::thread::Builder::new().spawn(wait) {
        detail!("signals leave what is half-made: {error}");
        // SAFETY: as above.
        unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut()) };
    }
}

/// Removes a path while another thread may still be making files in it.
fn remove_now(path: &Path) {
    const TRIES: u32 = 100;
    if !path.file_name().is_some_and(is_ours) {
        let _ = fs::remove_dir(path);
        return;
    }
    let mut result = remove_path(path);
    for _ in 1..TRIES {
        // What it was about to remove may be gone or have a neighbour.
        if !matches!(result, Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOENT)) {
            break;
        }
        result = remove_path(path);
    }
    if let Err(error) = result {
        caution!("{} stays: {error}", path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_are_what_nobody_holds() {
        let dir = tempfile::tempdir().unwrap();
        let names = || {
            let mut names: Vec<_> =
                fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let folder = Folder::within(dir.path()).unwrap();
        let file = NewFile::within(dir.path()).unwrap();
        assert_eq!(remove_leftovers(dir.path()), 0);
        // Not ours, by their names or what they are.
        for name in [".anyarch-", ".anyarch-1234567", ".anyarch-12-456", "anyarch-123456", ".anyarch"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        std::os::unix::fs::symlink("/", dir.path().join(".anyarch-linked")).unwrap();
        let before = names();
        fs::create_dir_all(dir.path().join(".anyarch-aB3456/layout/blobs")).unwrap();
        fs::write(dir.path().join(".anyarch-aB3456/layout/x"), "x").unwrap();
        fs::write(dir.path().join(".anyarch-zzzzzz"), "x").unwrap();
        assert_eq!(remove_leftovers(dir.path()), 2);
        assert_eq!(names(), before);
        file.persist(&dir.path().join("kept")).unwrap();
        drop(folder);
        assert_eq!(names().len(), before.len() - 1);
        assert!(dir.path().join("kept").exists() && live().is_empty());
    }
}

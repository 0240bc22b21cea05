//! Tells the host's profiler of translated code: `-perfmap` and `-jitdump`.
//!
//! - `-perfmap` writes /tmp/perf-PID.map, which `perf report` reads by itself
//!   (tools/perf/Documentation/jit-interface.txt): a line for each unit. Code that has been
//!   replaced by other code at the same place is in it too, so a program that makes code all the
//!   time is better looked at with the other.
//! - `-jitdump` writes jit-PID.dump in the current directory
//!   (tools/perf/Documentation/jitdump-specification.txt), with each unit's bytes and time, for
//!   `perf record -k mono` and `perf inject --jit`. perf finds it by a mapping of its first page
//!   that is executable.
//!
//! Units of one guest function have one name, so that perf adds them up.
//!
//! The files are opened for each unit: a descriptor kept open would have to be hidden from the
//! guest. /tmp is everybody's, so a file is written only if it is a plain one of the user's own,
//! without other names and without rights for others to write, and the one that was made at the
//! start. Where it cannot be opened any more (after a chroot, with another user's rights), nothing
//! is written.
//!
//! A child with a copy of memory (fork) has a map of its own, which begins with its parent's lines.
//! Its records go to its parent's dump, with its own process id. A child that shares memory shares
//! both.
//!
//! [`made`] runs under the code cache's lock: it takes no lock that is held while the engine is
//! called, and allocates.

use crate::calls::time;
use crate::config;
use crate::memory::space;
use crate::program::own;
use crate::program::symbols::Symbols;
use alloc::format;
use alloc::vec::Vec;
use anyarch_engine::run::{self, Made};
use anyarch_sys::calls::{self, getpid, gettid};
use anyarch_sys::raw::general::*;
use anyarch_sys::{Errno, Mutex, mappings};

/// A file, and why it cannot be written.
pub struct Error {
    /// Its path.
    pub path: Vec<u8>,
    /// The reason.
    pub errno: Errno,
}

/// What is being written.
struct State {
    /// Of the process whose memory this is.
    pid: u32,
    map: Option<File>,
    dump: Option<File>,
    /// Records in the dump so far.
    records: u64,
    symbols: Symbols,
}

/// Behind the code cache's lock in the order of locks.
static STATE: Mutex<Option<State>> = Mutex::new(None);

struct File {
    /// Absolute, with a NUL at its end.
    path: Vec<u8>,
    /// Device and inode.
    id: (u64, u64),
    /// Bytes written by this process.
    len: u64,
}

/// Opens a file of ours without following a link, and tells which it is.
///
/// # Errors
/// The host's; EPERM for what is not a plain file of the user's own.
fn open(path: &[u8], flags: u32) -> Result<(i32, (u64, u64)), Errno> {
    let flags = flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    let fd = own::with_room(|| calls::open_at(AT_FDCWD, path, flags, 0o600))?;
    let is_ours = |st: &stat| {
        st.st_uid == calls::geteuid()
            && st.st_mode & S_IFMT == S_IFREG
            && st.st_mode & 0o022 == 0
            && st.st_nlink == 1
    };
    match calls::fstat(fd) {
        Ok(st) if is_ours(&st) => Ok((fd, (st.st_dev, st.st_ino))),
        result => {
            own::close(fd);
            Err(result.err().unwrap_or(Errno::EPERM))
        }
    }
}

impl File {
    /// Makes a file, or empties one that an earlier program has left. Returns its descriptor, too.
    fn create(path: Vec<u8>) -> Result<(File, i32), Error> {
        let made = open(&path, O_RDWR | O_CREAT | O_EXCL).or_else(|e| match e {
            Errno::EEXIST => {
                // It is looked at before anything happens to it.
                own::close(open(&path, O_RDWR)?.0);
                open(&path, O_RDWR | O_TRUNC)
            }
            e => Err(e),
        });
        match made {
            Ok((fd, id)) => Ok((File { path, id, len: 0 }, fd)),
            Err(errno) => Err(Error { path: path[..path.len() - 1].to_vec(), errno }),
        }
    }

    /// Writes at the end, in one piece. `None`: part of it may be missing, so that no more is to
    /// follow.
    fn append(&mut self, bytes: &[u8]) -> Option<()> {
        let Ok((fd, id)) = open(&self.path, O_WRONLY | O_APPEND) else { return Some(()) };
        let result = if id == self.id { write(fd, bytes) } else { Some(()) };
        own::close(fd);
        self.len += bytes.len() as u64;
        result
    }
}

/// `None` if not all could be written.
fn write(fd: i32, bytes: &[u8]) -> Option<()> {
    (calls::write(fd, bytes) == Ok(bytes.len())).then_some(())
}

fn pid() -> u32 {
    getpid() as u32
}

fn map_path(pid: u32) -> Vec<u8> {
    format!("/tmp/perf-{pid}.map\0").into_bytes()
}

/// Makes the files that the options ask for. Called once, before the code cache exists.
///
/// # Errors
/// A file that cannot be written. There may be the other.
pub fn create() -> Result<(), Error> {
    let config = config::get();
    if !config.perfmap && !config.jitdump {
        return Ok(());
    }
    let pid = pid();
    let mut error = None;
    let mut good = |file: Result<File, Error>| file.map_err(|e| error = Some(e)).ok();
    let map = if config.perfmap { good(begin_map(pid)) } else { None };
    let dump = if config.jitdump { good(begin_dump(pid)) } else { None };
    *STATE.lock() = Some(State { pid, map, dump, records: 0, symbols: Symbols::default() });
    error.map_or(Ok(()), Err)
}

fn begin_map(pid: u32) -> Result<File, Error> {
    let (file, fd) = File::create(map_path(pid))?;
    own::close(fd);
    Ok(file)
}

fn begin_dump(pid: u32) -> Result<File, Error> {
    let mut buf = [0u8; 4096];
    let n = calls::getcwd(&mut buf).unwrap_or(0);
    let name = format!("/jit-{pid}.dump\0");
    let (mut file, fd) = File::create([&buf[..n.saturating_sub(1)], name.as_bytes()].concat())?;
    let header = header(pid);
    let begun = write(fd, &header).ok_or(Errno::EIO).and_then(|()| mark(fd));
    own::close(fd);
    file.len = header.len() as u64;
    match begun {
        Ok(()) => Ok(file),
        Err(errno) => {
            file.path.pop();
            Err(Error { path: file.path, errno })
        }
    }
}

/// From now on the files get what is translated, where [`create`] has made some.
pub(crate) fn start() {
    if config::get().perfmap || config::get().jitdump {
        run::tell_units(made);
    }
}

/// The file header of a dump.
fn header(pid: u32) -> Vec<u8> {
    const MAGIC: u32 = 0x4a69_5444;
    const VERSION: u32 = 1;
    const SIZE: u32 = 40;
    let mut out = Vec::with_capacity(SIZE as usize);
    for word in [MAGIC, VERSION, SIZE, anyarch_sys::arch::ELF_MACHINE as u32, 0, pid] {
        out.extend(word.to_le_bytes());
    }
    // The time, and flags: none, since times are those of CLOCK_MONOTONIC.
    for word in [time::monotonic(), 0] {
        out.extend(word.to_le_bytes());
    }
    out
}

/// Maps the first page of a dump where the emulator's memory is: perf sees executable mappings, and
/// this one's name.
fn mark(fd: i32) -> Result<(), Errno> {
    let size = space::PAGE;
    let place = anyarch_sys::heap::place(size);
    // SAFETY: fresh memory.
    let at = unsafe { anyarch_sys::footprint::map(place, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS) }?;
    let (prot, flags) = (PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED);
    // SAFETY: replaces what has just been mapped, which nobody uses.
    unsafe { mappings::mmap(at, size, prot.into(), flags.into(), fd, 0) }.map(|_| ())
}

/// A JIT_CODE_LOAD record.
fn load(pid: u32, index: u64, name: &str, code: &[u8]) -> Vec<u8> {
    const JIT_CODE_LOAD: u32 = 0;
    const FIXED: usize = 56;
    let size = FIXED + name.len() + 1 + code.len();
    let at = code.as_ptr() as u64;
    let tid = gettid() as u32;
    let mut out = Vec::with_capacity(size);
    out.extend(JIT_CODE_LOAD.to_le_bytes());
    out.extend((size as u32).to_le_bytes());
    out.extend(time::monotonic().to_le_bytes());
    out.extend(pid.to_le_bytes());
    out.extend(tid.to_le_bytes());
    for word in [at, at, code.len() as u64, index] {
        out.extend(word.to_le_bytes());
    }
    out.extend(name.as_bytes());
    out.push(0);
    out.extend(code);
    out
}

/// The engine has made a unit. Under the code cache's lock.
fn made(made: &Made<'_>) {
    let mut guard = STATE.lock();
    let Some(State { pid, map, dump, records, symbols }) = guard.as_mut() else { return };
    if map.is_none() && dump.is_none() {
        return;
    }
    let name = match made.key {
        Some(key) => symbols.name(key.pc, made.changes),
        None => "glue [anyarch-emu]".into(),
    };
    if let Some(file) = map {
        let line = format!("{:x} {:x} {name}\n", made.code.as_ptr() as u64, made.code.len());
        if file.append(line.as_bytes()).is_none() {
            *map = None;
        }
    }
    if let Some(file) = dump {
        *records += 1;
        if file.append(&load(*pid, *records, &name, made.code)).is_none() {
            *dump = None;
        }
    }
}

/// Called in a child with a copy of memory, before it runs code.
pub(crate) fn after_fork() {
    if !config::get().perfmap && !config::get().jitdump {
        return;
    }
    let mut guard = STATE.lock();
    let Some(state) = guard.as_mut() else { return };
    state.pid = pid();
    state.map = state.map.take().and_then(|parent| {
        let (file, fd) = File::create(map_path(state.pid)).ok()?;
        let copied = copy(&parent, fd);
        own::close(fd);
        copied?;
        show_cache_again();
        Some(File { len: parent.len, ..file })
    });
}

/// Copies what a parent had written when it forked.
fn copy(parent: &File, to: i32) -> Option<()> {
    let (fd, id) = open(&parent.path, O_RDONLY).ok()?;
    let copied = (|| {
        let mut buf = alloc::vec![0u8; 64 << 10];
        let mut done = 0;
        while done < parent.len && id == parent.id {
            let part = &mut buf[..(parent.len - done).min(64 << 10) as usize];
            let n = crate::program::loader::read_at(fd, part, done).ok().filter(|&n| n > 0)?;
            write(to, &part[..n])?;
            done += n as u64;
        }
        Some(())
    })();
    own::close(fd);
    copied
}

/// For perf a child's mappings are its parent's, and so is the map that their names come from,
/// until the kernel reports a mapping of the child's own. It reports a mapping that becomes
/// executable.
fn show_cache_again() {
    let (start, end) = anyarch_engine::cache::bounds();
    let writable = PROT_READ | PROT_WRITE;
    for prot in [writable, writable | PROT_EXEC] {
        // SAFETY: the process has one thread, which is not in generated code.
        let _ = unsafe { mappings::mprotect(start, end - start, prot.into()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What tools/perf/util/jitdump.h has of sizes and offsets.
    #[test]
    fn records_as_specified() {
        let header = header(7);
        assert_eq!(header.len(), 40);
        assert_eq!(header[..16], [0x44, 0x54, 0x69, 0x4a, 1, 0, 0, 0, 40, 0, 0, 0, 62, 0, 0, 0]);
        assert_eq!(header[20..24], [7, 0, 0, 0]);
        let code = [0x90u8, 0xc3, 0xcc];
        let record = load(7, 5, "f [g]", &code);
        let word = |at: usize| u64::from_le_bytes(record[at..at + 8].try_into().unwrap());
        assert_eq!(word(0), (record.len() as u64) << 32);
        assert_eq!(word(16) as u32, 7);
        let at = code.as_ptr() as u64;
        assert_eq!([24, 32, 40, 48].map(word), [at, at, 3, 5]);
        assert_eq!(record[56..], *b"f [g]\0\x90\xc3\xcc");
    }
}

//! What the guest sees of itself in /proc: its own program, command line, maps and processor, never
//! the emulator.
//!
//! Most of it the kernel tells by itself, since the loader described the program to it
//! (`PR_SET_MM_MAP`). What is left is the link to the executable, the maps, the processor, and what
//! [`crate::files::procstatus`] tells in numbers.
//!
//! The handlers of open, stat, readlink and execve call the hooks here. Which opened files are
//! generated, and how they come to look like the kernel's own, is told in
//! [`crate::files::procfile`].
//!
//! Without /proc every hook does nothing: there is nothing to correct then.

use crate::files::path::AT_FDCWD;
use crate::files::{hidden, procfile, procmem, procstatus};
use crate::memory;
use crate::memory::space::{self, EMU_END, EMU_START, PAGE};
use crate::program;
use crate::task::Task;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use anyarch_sys::Errno;
use anyarch_sys::calls::{self, Fd, read};
use anyarch_sys::raw::general::*;
use core::fmt::Write;

/// A path's last component.
pub(crate) fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|&b| b == b'/').next().unwrap_or(path)
}

pub(crate) fn with_nul(path: &[u8]) -> Vec<u8> {
    [path, b"\0"].concat()
}

pub(crate) use anyarch_sys::calls::{close, getpid};

pub(crate) fn open(path: &[u8], flags: u32) -> Result<i32, Errno> {
    calls::open_at(AT_FDCWD, &with_nul(path), flags, 0)
}

pub(crate) fn read_all(fd: i32) -> Result<Vec<u8>, Errno> {
    let mut out = Vec::new();
    loop {
        let len = out.len();
        out.resize(len + 16384, 0);
        match read(fd, &mut out[len..]) {
            Ok(n) => {
                out.truncate(len + n);
                if n == 0 {
                    return Ok(out);
                }
            }
            Err(Errno::EINTR) => out.truncate(len),
            Err(e) => return Err(e),
        }
    }
}

/// The host's file, or nothing where it cannot be read.
pub(crate) fn read_file(path: &[u8]) -> Option<Vec<u8>> {
    let file = Fd::open(&with_nul(path), O_RDONLY, 0).ok()?;
    read_all(file.number()).ok()
}

/// The host's readlinkat of a path without NUL.
pub(crate) fn read_link(dir: i32, path: &[u8]) -> Option<Vec<u8>> {
    let mut out = alloc::vec![0u8; 4096];
    let n = calls::read_link_at(dir, &with_nul(path), &mut out).ok()?;
    out.truncate(n);
    Some(out)
}

/// The emulator's executable, as the kernel names it.
pub(crate) fn own_executable() -> Option<Vec<u8>> {
    read_link(AT_FDCWD, b"/proc/self/exe")
}

/// What the kernel says an open descriptor is. A thread may have a table of its own, and
/// /proc/self shows the first thread's.
pub(crate) fn path_of(fd: i32) -> Option<Vec<u8>> {
    read_link(AT_FDCWD, format!("/proc/thread-self/fd/{fd}").as_bytes())
}

/// The process that a path in /proc is about, from the components before its last:
/// `/proc/12/task/13` and `12` are 12.
enum Whose {
    Own,
    Other(i32),
}

fn whose(dir: &[u8]) -> Whose {
    let own = getpid();
    // A thread's directory lies in its process's, which comes first.
    for part in dir.split(|&b| b == b'/') {
        if part == b"self" || part == b"thread-self" {
            return Whose::Own;
        }
        if let Some(pid) = core::str::from_utf8(part).ok().and_then(|p| p.parse::<i32>().ok()) {
            return if pid == own { Whose::Own } else { Whose::Other(pid) };
        }
    }
    Whose::Own
}

/// The executable of the program at an address of its mapping, as /proc/PID/maps names it.
fn file_mapped_at(maps: &[u8], address: u64) -> Option<Vec<u8>> {
    maps.split(|&b| b == b'\n').find_map(|line| {
        let m = Mapping::parse(core::str::from_utf8(line).ok()?)?;
        (m.start <= address && address < m.end && m.name.starts_with('/')).then(|| m.name.as_bytes().to_vec())
    })
}

/// Path of the guest program of this process.
fn own_program() -> Option<Vec<u8>> {
    let program = program::try_get()?;
    let by_maps = read_file(b"/proc/self/maps").and_then(|maps| file_mapped_at(&maps, program.exe_address));
    by_maps.or_else(|| program.path.starts_with(b"/").then(|| program.path.clone()))
}

/// Path of the guest program of another process that the emulator runs: its auxiliary vector tells
/// where the program lies.
fn other_program(pid: i32) -> Option<Vec<u8>> {
    const AT_PHDR: u64 = 3;
    let auxv = read_file(format!("/proc/{pid}/auxv").as_bytes())?;
    let number = |b: &[u8]| b.iter().rev().fold(0u64, |w, &b| w << 8 | b as u64);
    // The first key is one of few, so that of a 32-bit program its value is within the first 8
    // bytes.
    let word = if auxv.get(4..8).is_some_and(|high| high != [0; 4]) { 4 } else { 8 };
    let entry = auxv.chunks_exact(2 * word).find(|e| number(&e[..word]) == AT_PHDR)?;
    file_mapped_at(&read_file(format!("/proc/{pid}/maps").as_bytes())?, number(&entry[word..]))
}

/// If (`dir`, `path`) is a link to the executable of a process that runs under the emulator: the
/// program's path.
fn program_link(dir: i32, path: &[u8]) -> Option<Vec<u8>> {
    if base_name(path) != b"exe" {
        return None;
    }
    let target = read_link(dir, path)?;
    if Some(target) != own_executable() {
        return None;
    }
    let parent = &path[..path.len() - 3];
    let parent = if parent.is_empty() || !parent.starts_with(b"/") && dir != AT_FDCWD {
        let mut full = path_of(dir).unwrap_or_default();
        full.push(b'/');
        full.extend_from_slice(parent);
        full
    } else {
        parent.to_vec()
    };
    match whose(&parent) {
        Whose::Own => own_program(),
        Whose::Other(pid) => other_program(pid),
    }
}

/// Called before a host readlink(2) of (`dirfd`, `path`): `Some` is the target that the guest is to
/// see.
pub(crate) fn readlink_hook(dirfd: i32, path: &[u8]) -> Option<Vec<u8>> {
    // The descriptor itself may be of the link (O_PATH with O_NOFOLLOW).
    if path.is_empty() && dirfd != AT_FDCWD {
        return program_link(AT_FDCWD, &path_of(dirfd)?);
    }
    program_link(dirfd, path)
}

/// Called by handlers that follow a path to the end (execve, stat, access, ...): a path that names
/// the program of this process through /proc (`/proc/self/exe`) becomes the guest program's.
pub(crate) fn path_hook(dirfd: i32, path: &[u8]) -> Option<Vec<u8>> {
    program_link(dirfd, path)
}

/// For a path that led to the emulator's executable: the guest program, if that was through a link
/// to it in /proc, which any symbolic link may name.
pub(crate) fn linked_program(dir: i32, path: &[u8]) -> Option<Vec<u8>> {
    procfile::link_on_the_way(dir, path, program_link)
}

/// The same as [`path_hook`] for execve, which also follows symbolic links to such a path.
pub(crate) fn exec_hook(dirfd: i32, path: &[u8]) -> Option<Vec<u8>> {
    program_link(dirfd, path).or_else(|| {
        let st = procfile::stat_at(dirfd, &with_nul(path))?;
        procfile::is_emulator(st.st_mode, st.st_dev, st.st_ino).then(|| linked_program(dirfd, path))?
    })
}

/// Called with the descriptor that a host open(2) of (`dir`, `path`) just returned, and the host
/// open flags used. Returns the descriptor to hand to the guest: the same number, which may stand
/// for a generated file or the guest's own program now.
///
/// # Errors
/// What the open is to fail with; `fd` has been closed.
pub(crate) fn open_hook(task: &Task, dir: i32, path: &[u8], flags: u32, fd: i32) -> Result<i32, Errno> {
    if base_name(path) == b"exe" {
        let Some(program) = opened_program(path, flags, fd) else { return Ok(fd) };
        return replace(fd, open(&program, flags & !(O_CREAT | O_TRUNC | O_EXCL)), flags);
    }
    if flags & O_PATH != 0 && hidden::is_opened(task, dir, path, flags, fd) {
        close(fd);
        return Err(Errno::ENOENT);
    }
    if flags & (O_PATH | O_DIRECTORY) != 0 {
        return Ok(fd);
    }
    let Some(st) = procfile::fstat(fd) else { return Ok(fd) };
    let is_proc = procfile::is_proc(fd, &st);
    if flags & (O_WRONLY | O_RDWR) != 0 && is_proc && procmem::is_mem(fd) {
        procmem::watch(task);
    }
    if flags & O_WRONLY != 0 {
        return Ok(fd);
    }
    if hidden::is_opened(task, dir, path, flags, fd) {
        close(fd);
        return Err(Errno::ENOENT);
    }
    if is_proc {
        let Some(path) = procfile::proc_path(fd, &st) else { return Ok(fd) };
        return match generated(task, &path, fd) {
            Some(content) => replace(fd, procfile::stand_in(&path, &content, flags), flags),
            None => Ok(fd),
        };
    }
    if flags & O_NOFOLLOW == 0
        && procfile::is_emulator(st.st_mode, st.st_dev, st.st_ino)
        && let Some(program) = linked_program(dir, path)
    {
        return replace(fd, open(&program, flags), flags);
    }
    Ok(fd)
}

/// More than the descriptors of a process can fill, 32 bytes each (fs.nr_open is a million by
/// default).
const LISTING_MAX: u64 = 64 << 20;

/// Called after a host getdents64(2) on `fd` wrote `len` bytes at guest address `addr`: takes the
/// emulator's own descriptor out of a listing of /proc/self/fd; returns the bytes left. `None`: the
/// listing held nothing else, and the next part is to be read.
pub(crate) fn dirents_hook(task: &Task, fd: i32, addr: u64, len: u64) -> Option<u64> {
    if len == 0 || len > LISTING_MAX {
        return Some(len);
    }
    let Some(table) = hidden::Table::listed_by(task, fd) else { return Some(len) };
    let mut entries = alloc::vec![0u8; len as usize];
    if anyarch_sys::read_bytes(addr, &mut entries).is_err() {
        return Some(len);
    }
    let left = without_entries(&mut entries, |name| table.hides(name));
    if left as u64 != len && anyarch_sys::write_bytes(addr, &entries[..left]).is_err() {
        return Some(len);
    }
    (left != 0).then_some(left as u64)
}

/// Takes the entries that `hides` knows by their names out of a buffer of `struct linux_dirent64`;
/// returns the bytes left.
fn without_entries(entries: &mut [u8], hides: impl Fn(&[u8]) -> bool) -> usize {
    // d_ino, d_off, d_reclen (at 16), d_type, d_name (at 19).
    let (mut at, mut left) = (0, entries.len());
    while at + 19 <= left {
        let size = u16::from_le_bytes([entries[at + 16], entries[at + 17]]) as usize;
        if size < 20 || at + size > left {
            break;
        }
        let this = &entries[at + 19..at + size];
        if this.split(|&b| b == 0).next().is_some_and(&hides) {
            entries.copy_within(at + size..left, at);
            left -= size;
        } else {
            at += size;
        }
    }
    left
}

/// If `fd` is the emulator's executable, reached through a link in /proc: the guest program's path.
fn opened_program(path: &[u8], flags: u32, fd: i32) -> Option<Vec<u8>> {
    if flags & O_NOFOLLOW != 0 || path_of(fd)? != own_executable()? {
        return None;
    }
    match whose(&path[..path.len() - 3]) {
        Whose::Own => own_program(),
        Whose::Other(pid) => other_program(pid),
    }
}

/// Puts the file of `new` at the number `fd`.
fn replace(fd: i32, new: Result<i32, Errno>, flags: u32) -> Result<i32, Errno> {
    let new = new.inspect_err(|_| close(fd))?;
    let result = calls::duplicate_to(new, fd, flags & O_CLOEXEC);
    close(new);
    result.inspect_err(|_| close(fd))
}

/// Content of the file of procfs that `fd` is, by the kernel's name for it, where the kernel's is
/// not right for the guest.
fn generated(task: &Task, path: &[u8], fd: i32) -> Option<Vec<u8>> {
    let program = program::try_get()?;
    let host = || read_all(fd).ok();
    let (pid, tid, name) = match procfile::File::named(path)? {
        procfile::File::Cpuinfo => {
            let cpus = host()?.split(|&b| b == b'\n').filter(|l| l.starts_with(b"processor")).count();
            return Some(program.abi.cpuinfo(cpus.max(1)).into_bytes());
        }
        procfile::File::Arch => return Some(format!("{}\n", program.abi.machine()).into_bytes()),
        procfile::File::Fdinfo => return Some(procstatus::fdinfo(task, &host()?).into_bytes()),
        procfile::File::Process { pid, tid, name } => (pid, tid, name),
    };
    if let Some(text) = procstatus::generated(task, pid, tid, name, host) {
        return Some(text.into_bytes());
    }
    if pid != getpid() {
        return None;
    }
    let memory = |(start, end): (u64, u64)| {
        let mut out = alloc::vec![0u8; (end - start) as usize];
        anyarch_sys::read_bytes(start, &mut out).ok().map(|()| out)
    };
    match name {
        b"maps" | b"smaps" | b"numa_maps" => {
            let text = String::from_utf8_lossy(&read_all(fd).ok()?).into_owned();
            let mut named = alloc::vec![(program.vdso, "[vdso]")];
            named.extend(program.abi.helpers().map(|helpers| (helpers.page, helpers.name)));
            let view = View { exec: memory::exec_ranges(), heap: memory::brk_range(), named };
            Some(if name == b"numa_maps" { view.numa_maps(&text) } else { view.maps(&text) }.into_bytes())
        }
        // The kernel tells these right if it took the loader's description.
        _ if program.described => None,
        b"auxv" => Some(program.auxv.clone()),
        b"cmdline" => memory(program.args),
        b"environ" => memory(program.env),
        _ => None,
    }
}

/// The first line of a mapping in maps and smaps.
struct Mapping<'a> {
    start: u64,
    end: u64,
    perms: &'a str,
    offset: u64,
    /// Device and inode.
    file: &'a str,
    name: &'a str,
}

impl<'a> Mapping<'a> {
    fn parse(line: &'a str) -> Option<Mapping<'a>> {
        let hex = |s: &str| u64::from_str_radix(s, 16).ok();
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let (perms, rest) = rest.split_once(' ')?;
        let (offset, rest) = rest.split_once(' ')?;
        // Device, inode, blanks, name.
        let inode = rest.find(' ')? + 1;
        let file_end = rest[inode..].find(' ').map_or(rest.len(), |n| inode + n);
        Some(Mapping {
            start: hex(start)?,
            end: hex(end)?,
            perms,
            offset: hex(offset)?,
            file: &rest[..file_end],
            name: rest[file_end..].trim_start_matches(' '),
        })
    }

    fn print(&self, out: &mut String, start: u64, end: u64, exec: bool, name: &str) {
        let perms = self.perms.as_bytes();
        let flag = |i: usize| perms.get(i).copied().unwrap_or(b'-') as char;
        let offset = if self.file.ends_with(" 0") { 0 } else { self.offset + (start - self.start) };
        let x = if exec { 'x' } else { '-' };
        let at = out.len();
        let _ = write!(
            out,
            "{start:08x}-{end:08x} {}{}{x}{} {offset:08x} {}",
            flag(0),
            flag(1),
            flag(3),
            self.file
        );
        if !name.is_empty() {
            // The kernel aligns names to column 73.
            let width = out.len() - at;
            (width..72).for_each(|_| out.push(' '));
            let _ = write!(out, " {name}");
        }
        out.push('\n');
    }
}

/// How the guest sees its mappings.
struct View {
    exec: Vec<(u64, u64)>,
    heap: (u64, u64),
    /// Pages of the kernel's, in a manner of speaking: address and name.
    named: Vec<(u64, &'static str)>,
}

impl View {
    fn hidden(&self, start: u64, name: &str) -> bool {
        let cache = space::code_cache_base();
        start >= space::end()
            || (EMU_START..EMU_END).contains(&start)
            || (cache..cache + space::CODE_CACHE_SIZE).contains(&start)
            || matches!(name, "[vdso]" | "[vvar]" | "[vvar_vclock]" | "[vsyscall]")
    }

    fn name<'a>(&self, m: &Mapping<'a>) -> &'a str {
        if let Some(named) = self.named.iter().find(|named| named.0 == m.start) {
            named.1
        } else if m.name == "[heap]" || m.name.is_empty() && m.start < self.heap.1 && m.end > self.heap.0 {
            if m.end > self.heap.0 && m.start < self.heap.1 { "[heap]" } else { "" }
        } else {
            m.name
        }
    }

    /// Rewrites maps or smaps: mappings of the emulator disappear, executable parts become so.
    fn maps(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut skip = false;
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let Some(m) = Mapping::parse(line) else {
                // A line of smaps about the mapping before it.
                if !skip {
                    out.push_str(line);
                    out.push('\n');
                }
                continue;
            };
            skip = self.hidden(m.start, m.name);
            if skip {
                continue;
            }
            let name = self.name(&m);
            let details = lines.peek().is_some_and(|next| Mapping::parse(next).is_none());
            if details {
                let exec = self.exec.iter().any(|r| r.0 < m.end && r.1 > m.start);
                m.print(&mut out, m.start, m.end, exec, name);
                continue;
            }
            let mut at = m.start;
            for &(start, end) in self.exec.iter().filter(|r| r.0 < m.end && r.1 > m.start) {
                let (start, end) = (start.max(m.start), end.min(m.end));
                if at < start {
                    m.print(&mut out, at, start, false, name);
                }
                m.print(&mut out, start, end, true, name);
                at = end;
            }
            if at < m.end {
                m.print(&mut out, at, m.end, false, name);
            }
        }
        out
    }

    /// Drops the emulator's lines, which begin with their address.
    fn numa_maps(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for line in text.lines() {
            let start = line.split(' ').next().and_then(|s| u64::from_str_radix(s, 16).ok()).unwrap_or(0);
            if !self.hidden(start & !(PAGE - 1), "") {
                out.push_str(line);
                out.push('\n');
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_as_the_guest_sees_them() {
        let cache = space::code_cache_base();
        let host = format!(
            "00400000-00480000 r--p 00000000 08:01 1234                               /bin/a b\n\
             00490000-004a0000 rw-p 00080000 08:01 1234                               /bin/a b\n\
             10000000-10002000 rw-p 00000000 00:00 0 \n\
             {:x}-{:x} rwxp 00000000 00:00 0 \n\
             700000000000-700000001000 r--p 00000000 08:01 99                         /usr/bin/emu\n\
             7f0000000000-7f0000001000 r--p 00000000 00:00 0 \n\
             7fff00000000-7fff00021000 rw-p 00000000 00:00 0                          [stack]\n\
             7fff00100000-7fff00102000 r-xp 00000000 00:00 0                          [vdso]\n",
            cache,
            cache + 4096
        );
        let view = View {
            exec: vec![(0x410000, 0x420000), (0x7f0000000000, 0x7f0000001000)],
            heap: (0x10000000, 0x10001800),
            named: vec![(0x7f0000000000, "[vdso]")],
        };
        let want = "00400000-00410000 r--p 00000000 08:01 1234                               /bin/a b\n\
             00410000-00420000 r-xp 00010000 08:01 1234                               /bin/a b\n\
             00420000-00480000 r--p 00020000 08:01 1234                               /bin/a b\n\
             00490000-004a0000 rw-p 00080000 08:01 1234                               /bin/a b\n\
             10000000-10002000 rw-p 00000000 00:00 0                                  [heap]\n\
             7f0000000000-7f0000001000 r-xp 00000000 00:00 0                          [vdso]\n\
             7fff00000000-7fff00021000 rw-p 00000000 00:00 0                          [stack]\n";
        assert_eq!(view.maps(&host), want);
    }

    #[test]
    fn smaps_keep_their_details() {
        let host = "00400000-00480000 r--p 00000000 08:01 1234                               /bin/a\n\
             Size:                512 kB\nVmFlags: rd mr \n\
             700000000000-700000001000 r--p 00000000 08:01 99                         /usr/bin/emu\n\
             Size:                  4 kB\nVmFlags: rd mr \n";
        let view = View { exec: vec![(0x410000, 0x420000)], heap: (0, 0), named: vec![] };
        let want = "00400000-00480000 r-xp 00000000 08:01 1234                               /bin/a\n\
             Size:                512 kB\nVmFlags: rd mr \n";
        assert_eq!(view.maps(host), want);
    }

    #[test]
    fn real_maps_are_understood() {
        let text = String::from_utf8(read_file(b"/proc/self/maps").unwrap()).unwrap();
        let view = View { exec: vec![], heap: (0, 0), named: vec![] };
        let own = std::env::current_exe().unwrap();
        let some_function: fn(&[u8]) -> &[u8] = base_name;
        let file = file_mapped_at(text.as_bytes(), some_function as usize as u64).unwrap();
        assert_eq!(String::from_utf8(file).unwrap(), own.to_str().unwrap());
        for (line, got) in text.lines().zip(view.maps(&text).lines()) {
            if line.ends_with("[vdso]") || line.contains("[vv") || line.ends_with("[heap]") {
                break;
            }
            let plain = line.replace("r-xp", "r--p");
            assert_eq!(got.trim_end(), plain.trim_end());
        }
    }

    #[test]
    fn entries_of_a_directory() {
        let entry = |name: &str| {
            let mut e = vec![0u8; 24 + name.len() / 8 * 8];
            e[16] = e.len() as u8;
            e[19..19 + name.len()].copy_from_slice(name.as_bytes());
            e
        };
        let (a, b, c) = (entry("1"), entry("200"), entry("2000"));
        let mut list = [a.clone(), b.clone(), c.clone()].concat();
        let left = without_entries(&mut list, |name| name == b"200");
        assert_eq!(list[..left], [a.clone(), c].concat());
        assert_eq!(without_entries(&mut [b.clone(), b.clone()].concat(), |name| name == b"200"), 0);
        assert_eq!(without_entries(&mut a.clone(), |name| name == b"200"), a.len());
        assert_eq!(without_entries(&mut [0; 30], |_| true), 30);
    }

    #[test]
    fn processes_in_paths() {
        let own = format!("/proc/{}/", getpid());
        for (dir, want) in [
            ("/proc/self/", None),
            (&own, None),
            ("/proc/thread-self/", None),
            ("/proc/1/task/7/", Some(1)),
            ("", None),
        ] {
            let got = match whose(dir.as_bytes()) {
                Whose::Own => None,
                Whose::Other(pid) => Some(pid),
            };
            assert_eq!(got, want, "{dir}");
        }
    }
}

//! What Linux finds wrong with an ELF file before execve's point of no return (load_elf_binary in
//! fs/binfmt_elf.c up to begin_new_exec): the caller gets an errno. An emulator that the kernel has
//! started already could only end; posix_spawn, execvp's search of PATH and a shell's exit codes
//! 126 and 127 depend on the errno.
//!
//! What Linux finds only afterwards, such as a segment that cannot be mapped, ends the new program
//! by SIGSEGV, there as here ([`crate::program::loader::Why::is_late`]).

use crate::files::path;
use crate::program;
use crate::program::elf;
use crate::program::exec;
use crate::program::loader;
use crate::program::own::{close, with_room};
use alloc::vec::Vec;
use anyarch_sys::Errno;
use anyarch_sys::calls;
use anyarch_sys::raw::general::*;

/// faccessat(2): by the effective ids.
const AT_EACCESS: u64 = 0x200;

/// The file header of the guest's program in an open file. `None`: the file is something else, and
/// not ours to judge.
///
/// # Errors
/// `ENOEXEC`: a guest's program that cannot be started.
pub(crate) fn header(fd: i32) -> Result<Option<elf::Header>, Errno> {
    let mut head = [0u8; elf::EHDR_SIZE];
    let Ok(n) = loader::read_at(fd, &mut head, 0) else { return Ok(None) };
    if !head.starts_with(b"\x7fELF") {
        return Ok(None);
    }
    // A kernel reads zeros behind the file's end.
    let Some(abi) = (program::get().abi_of)(elf::machine(&head)) else { return Ok(None) };
    let header = elf::header(&head[..n]).map_err(|_| Errno::ENOEXEC)?;
    if header.word == abi.model().word { Ok(Some(header)) } else { Err(Errno::ENOEXEC) }
}

/// The program headers; `None` for what the kernel's load_elf_phdrs refuses.
fn table(fd: i32, header: &elf::Header) -> Option<Vec<u8>> {
    let mut table = alloc::vec![0u8; header.phnum as usize * header.phdr_size()];
    (loader::read_at(fd, &mut table, header.phoff) == Ok(table.len())).then_some(table)
}

/// Reads all of `buf` (elf_read).
fn read_all(fd: i32, buf: &mut [u8], offset: u64) -> Result<(), Errno> {
    match loader::read_at(fd, buf, offset) {
        Ok(n) if n == buf.len() => Ok(()),
        Ok(_) => Err(Errno::EIO),
        Err(why) => Err(why.errno()),
    }
}

/// Checks the file that an execve is to start: through `#!` lines, if it is a guest's ELF file.
/// What is wrong with anything else the kernel tells.
///
/// # Errors
/// The kernel's for that file; `EMFILE` where there is no number left to open it. The kernel's
/// reasons not to open it, which come first, are not looked for: see [`reason`].
pub(crate) fn check(dir: i32, name: &[u8], flags: u64) -> Result<(), Errno> {
    let Ok(st) = calls::stat_at(dir, name, flags as u32) else { return Ok(()) };
    // To open anything but a regular file could have effects.
    if st.st_mode & S_IFMT != S_IFREG || st.st_mode & 0o111 == 0 {
        return Ok(());
    }
    let opened = exec::open_file(dir, name, flags).and_then(|fd| exec::follow_scripts(name, fd));
    let fd = match opened {
        Ok((fd, _)) => fd,
        Err(Errno::EMFILE) => return Err(Errno::EMFILE),
        Err(_) => return Ok(()),
    };
    let wanted = wanted_loader(fd);
    // Not two descriptors at a time.
    close(fd);
    let Some((name, machine)) = wanted? else { return Ok(()) };
    let loader = open_exec(&name)?;
    let result = check_loader(loader, machine);
    close(loader);
    result
}

/// The name of the program loader that a guest's ELF file asks for, and the file's machine.
fn wanted_loader(fd: i32) -> Result<Option<(Vec<u8>, u16)>, Errno> {
    let Some(header) = header(fd)? else { return Ok(None) };
    let table = table(fd, &header).ok_or(Errno::ENOEXEC)?;
    let Some((offset, size)) = elf::interp(&header, &table) else { return Ok(None) };
    if !elf::INTERP_SIZES.contains(&size) {
        return Err(Errno::ENOEXEC);
    }
    let mut name = alloc::vec![0u8; size as usize];
    read_all(fd, &mut name, offset)?;
    if name.last() != Some(&0) {
        return Err(Errno::ENOEXEC);
    }
    name.truncate(name.iter().position(|&b| b == 0).unwrap_or(0));
    Ok(Some((name, header.machine)))
}

fn check_loader(fd: i32, machine: u16) -> Result<(), Errno> {
    let mut head = [0u8; elf::EHDR_SIZE];
    read_all(fd, &mut head, 0)?;
    if !head.starts_with(b"\x7fELF") || elf::machine(&head) != machine {
        return Err(Errno::ELIBBAD);
    }
    // What kind of ELF file it is the kernel looks at later.
    let header = elf::header_of_any_type(&head).map_err(|_| Errno::ELIBBAD)?;
    table(fd, &header).map(|_| ()).ok_or(Errno::ELIBBAD)
}

/// Opens a program loader as the kernel's open_exec: a regular file that may be executed.
fn open_exec(name: &[u8]) -> Result<i32, Errno> {
    let name = path::in_sysroot(name).unwrap_or_else(|| [name, b"\0"].concat());
    let st = calls::stat_at(AT_FDCWD, &name, 0)?;
    if st.st_mode & S_IFMT != S_IFREG || !may_execute(AT_FDCWD, &name, 0) {
        return Err(Errno::EACCES);
    }
    with_room(|| calls::open_at(AT_FDCWD, &name, O_RDONLY | O_CLOEXEC, 0))
}

/// Whether the permissions of a regular file and its mount allow to execute it.
fn may_execute(dir: i32, name: &[u8], flags: u64) -> bool {
    let result = calls::access_at(dir, name, X_OK, (flags | AT_EACCESS) as u32);
    // A kernel before 5.8, or a filter that does not know the call, leaves it to what comes later.
    !matches!(result, Err(Errno::EACCES | Errno::EROFS | Errno::ELOOP))
}

/// The errno for a program that [`check`] has refused with `found`: the kernel looks at permissions
/// and arguments first.
pub(crate) fn reason(found: Errno, dir: i32, name: &[u8], [argv, envp, flags]: [u64; 3]) -> Errno {
    /// Linux 6.14 and later: everything but the program itself is looked at.
    const AT_EXECVE_CHECK: u64 = 0x10000;
    // Nothing is started.
    match calls::execve_at(dir, name, argv, envp, flags | AT_EXECVE_CHECK) {
        Err(Errno::EINVAL | Errno::ENOSYS) => {
            match calls::access_at(dir, name, X_OK, (flags | AT_EACCESS) as u32) {
                Err(Errno::EACCES) => Errno::EACCES,
                _ => found,
            }
        }
        Err(first) => first,
        Ok(_) => found,
    }
}

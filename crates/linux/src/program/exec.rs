//! execve and direct exec: a program of the guest's architecture runs although no handler is
//! registered.
//!
//! Every execve is first the kernel's: it knows permissions, scripts, native programs and
//! registered handlers, and returns before the point of no return when it cannot run the file. Only
//! its ENOEXEC is for us: in direct mode the emulator then follows `#!` lines as the kernel does,
//! and if a guest's ELF file is at the end of them, executes itself with that file.
//!
//! For this the emulator holds its own executable open: see [`crate::program::own`]. What the
//! kernel would refuse in an ELF file of its own architecture is looked for before: see
//! [`crate::program::exec_check`].
//!
//! What the next program inherits and the host's kernel knows nothing of goes through the
//! environment, in a variable that the new emulator takes out again ([`VARIABLES`]): what the
//! architecture hands on ([`Abi::hand_on`]).
//!
//! All of this may run in a vfork child, which shares memory with its waiting parent: what is
//! allocated here for the call belongs to the task, which the parent frees.

use crate::abi::Abi;
use crate::config;
use crate::files::path;
use crate::files::procfs;
use crate::memory;
use crate::program;
use crate::program::exec_check;
use crate::program::loader;
use crate::program::own::{self, FD_FROM, close, hidden_fd, set_cloexec, with_room};
use crate::signal;
use crate::task::Task;
use crate::task::limits;
use alloc::format;
use alloc::vec::Vec;
use anyarch_sys::calls;
use anyarch_sys::raw::general::*;
use anyarch_sys::{Errno, SysResult, read, read_bytes, read_cstr};

/// The emulator's option by which a direct exec hands over two descriptors, separated by a comma:
/// its executable and the program. The program's path, argv[0] and the other arguments follow.
pub const DIRECT_OPTION: &str = "anyarch-direct";

/// The kernel reads this much of a script (BINPRM_BUF_SIZE).
const SCRIPT_HEAD: usize = 256;
/// And follows this many interpreters.
const SCRIPT_DEPTH: usize = 5;

/// No kernel takes as many variables: their pointers alone would be larger than what it allows for
/// all strings (6 MB).
const ENVIRONMENT_MAX: u64 = 1 << 20;

const AT_EMPTY_PATH: u64 = 0x1000;

/// The variable that carries what an architecture hands on: its name (uname -m), a colon, a
/// hexadecimal number.
const HANDED: &[u8] = b"ANYARCH_HANDED=";
/// The variable that names a descriptor which the exec should have closed, but through which the
/// kernel finds the program ([`through_closing_fd`]).
const CLOSE: &[u8] = b"ANYARCH_CLOSE=";
/// The variable that carries the personality READ_IMPLIES_EXEC: the name of an architecture whose
/// execve keeps it.
const IMPLIED_EXEC: &[u8] = b"ANYARCH_IMPLIED_EXEC=";
/// The variables of the environment that are between emulators.
pub const VARIABLES: [&[u8]; 4] = [HANDED, CLOSE, IMPLIED_EXEC, limits::VARIABLE];

/// What the environment has for a program of this architecture.
pub fn handed(env: &[&[u8]], abi: &dyn Abi) -> Option<u64> {
    let value = env.iter().find_map(|v| v.strip_prefix(HANDED))?;
    let digits = value.strip_prefix(abi.guest().name.as_bytes())?.strip_prefix(b":")?;
    u64::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()
}

/// Whether the personality of a program of this architecture has READ_IMPLIES_EXEC from the program
/// before it.
pub(crate) fn implies_exec(env: &[&[u8]], abi: &dyn Abi) -> bool {
    let from = env.iter().find_map(|v| v.strip_prefix(IMPLIED_EXEC));
    abi.exec_keeps_implied_exec() && from == Some(abi.guest().name.as_bytes())
}

/// What a call to execve needs to keep alive; part of the task.
#[derive(Default)]
pub struct Buffers {
    path: Vec<u8>,
    strings: Vec<Vec<u8>>,
    argv: Vec<u64>,
    variables: Vec<Vec<u8>>,
    envp: Vec<u64>,
}

/// execve(2).
pub fn execve(task: &mut Task, [path, argv, envp, ..]: [u64; 6]) -> SysResult {
    exec(task, path::AT_FDCWD, path, argv, envp, 0)
}

/// execveat(2).
pub fn execveat(task: &mut Task, [dir, path, argv, envp, flags, _]: [u64; 6]) -> SysResult {
    exec(task, dir as i32, path, argv, envp, flags)
}

fn exec(task: &mut Task, dir: i32, path: u64, argv: u64, envp: u64, flags: u64) -> SysResult {
    task.exec.path = read_cstr(path, path::PATH_MAX)?;
    let follows = flags & AT_SYMLINK_NOFOLLOW as u64 == 0;
    let instead = follows
        .then(|| procfs::exec_hook(dir, &task.exec.path))
        .flatten()
        .map(|mut p| {
            p.push(0);
            p
        })
        .or_else(|| path::in_sysroot(&task.exec.path));
    let mut dir = dir;
    if let Some(instead) = instead {
        task.exec.path = instead;
        dir = path::AT_FDCWD;
    } else {
        task.exec.path.push(0);
    }
    let given = envp;
    let envp = with_variables(task, given, None)?;
    let mut lent = false;
    if flags & !(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW as u64) == 0 {
        let mut checked = exec_check::check(dir, &task.exec.path, flags);
        if checked == Err(Errno::EMFILE) {
            lent = own::lend(task);
            checked = exec_check::check(dir, &task.exec.path, flags);
        }
        if let Err(found) = checked
            && found != Errno::EMFILE
            && (config::get().sysroot.is_some() || !names_sysroot(given))
        {
            let reason = exec_check::reason(found, dir, &task.exec.path, [argv, envp, flags]);
            own::take_back(task, lent);
            task.exec = Buffers::default();
            return Err(reason);
        }
    }
    let limits = limits::before_exec(dir, &task.exec.path, flags);
    signal::prepare_exec(task);
    let mut result = calls::execve_at(dir, &task.exec.path, argv, envp, flags);
    if result == Err(Errno::ENOSYS) && flags == 0 && dir == path::AT_FDCWD {
        // A kernel or seccomp filter without execveat.
        result = calls::execve(&task.exec.path, argv, envp);
    }
    if result == Err(Errno::ENOEXEC)
        && (lent || hidden_fd(task).is_some())
        && let Err(e) = direct(task, dir, argv, envp, flags)
    {
        result = Err(e);
    }
    if result == Err(Errno::ENOENT)
        && dir != path::AT_FDCWD
        && task.exec.path.first() != Some(&b'/')
        && let Err(e) = through_closing_fd(task, dir, argv, (envp, given), flags)
    {
        result = Err(e);
    }
    own::take_back(task, lent);
    task.exec = Buffers::default();
    signal::exec_failed(task);
    limits::after_exec(limits);
    result
}

/// The environment with [`VARIABLES`] in front; as it is if there are none.
fn with_variables(task: &mut Task, envp: u64, closing: Option<i32>) -> Result<u64, Errno> {
    let handed = task.abi.hand_on(&task.thread.cpu);
    let limits = limits::variable();
    let implied = task.abi.exec_keeps_implied_exec() && memory::read_implies_exec();
    if handed.is_none() && closing.is_none() && limits.is_none() && !implied {
        return Ok(envp);
    }
    task.exec.variables = Vec::new();
    task.exec.variables.extend(limits);
    if let Some(fd) = closing {
        task.exec.variables.push([CLOSE, format!("{fd}\0").as_bytes()].concat());
    }
    if implied {
        task.exec.variables.push([IMPLIED_EXEC, task.abi.guest().name.as_bytes(), b"\0"].concat());
    }
    if let Some(handed) = handed {
        let value = format!("{}:{handed:x}\0", task.abi.guest().name);
        task.exec.variables.push([HANDED, value.as_bytes()].concat());
    }
    task.exec.envp = task.exec.variables.iter().map(|v| v.as_ptr() as u64).collect();
    for_each_variable(envp, |at| {
        if !VARIABLES.into_iter().any(|name| begins(at, name)) {
            task.exec.envp.push(at);
        }
    })?;
    task.exec.envp.push(0);
    Ok(task.exec.envp.as_ptr() as u64)
}

/// Calls `each` with the address of every variable of an environment.
fn for_each_variable(envp: u64, mut each: impl FnMut(u64)) -> Result<(), Errno> {
    for i in 0.. {
        if envp == 0 {
            break;
        }
        if i > ENVIRONMENT_MAX {
            return Err(Errno::E2BIG);
        }
        match read(envp.wrapping_add(8 * i))? {
            0 => break,
            at => each(at),
        }
    }
    Ok(())
}

/// Whether the string at a guest address begins like this.
fn begins(at: u64, start: &[u8]) -> bool {
    let mut bytes = alloc::vec![0u8; start.len()];
    read_bytes(at, &mut bytes).is_ok() && bytes == start
}

/// Whether an environment names a sysroot: where the new program's loader is, only its emulator
/// knows.
fn names_sysroot(envp: u64) -> bool {
    let mut named = false;
    // What cannot be read is the kernel's to refuse.
    let _ = for_each_variable(envp, |at| named |= begins(at, b"QEMU_LD_PREFIX="));
    named
}

/// The kernel names a program found through a descriptor /dev/fd/N, and refuses to start an
/// interpreter for it (`ENOENT`) when that descriptor is closed by the exec. It does so for
/// scripts, and would for native programs' foreign brothers, which must start nevertheless:
/// directly, or, where this emulator is a registered handler, with the descriptor left open, which
/// the new emulator closes. `envp` is the environment with [`VARIABLES`] and as given.
fn through_closing_fd(task: &mut Task, dir: i32, argv: u64, envp: (u64, u64), flags: u64) -> SysResult {
    let fd = open_file(dir, &task.exec.path, flags).map_err(|_| Errno::ENOENT)?;
    let known = exec_check::header(fd);
    close(fd);
    if !matches!(known, Ok(Some(_))) {
        return Err(Errno::ENOENT);
    }
    if hidden_fd(task).is_some() {
        return direct(task, dir, argv, envp.0, flags);
    }
    if !calls::closes_on_exec(dir)? {
        return Err(Errno::ENOENT);
    }
    let envp = with_variables(task, envp.1, Some(dir))?;
    set_cloexec(dir, false);
    let result = calls::execve_at(dir, &task.exec.path, argv, envp, flags);
    set_cloexec(dir, true);
    result
}

/// Opens the program that the kernel names to its interpreter. A name in /dev/fd is the kernel's
/// own word for a program found through a descriptor, which is still open: the name need not exist.
///
/// # Errors
/// The open's.
pub fn open_program(path: &[u8]) -> Result<i32, Errno> {
    let name = [path, b"\0"].concat();
    open_file(path::AT_FDCWD, &name, 0).or_else(|e| {
        let (fd, rest) = behind_descriptor(path).ok_or(e)?;
        open_file(fd, &[rest, b"\0"].concat(), AT_EMPTY_PATH).map_err(|_| e)
    })
}

/// Descriptor and the rest of a name that [`visible_path`] makes.
fn behind_descriptor(path: &[u8]) -> Option<(i32, &[u8])> {
    let path = path.strip_prefix(b"/dev/fd/")?;
    let end = path.iter().position(|&b| b == b'/').unwrap_or(path.len());
    let (digits, rest) = path.split_at(end);
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let fd = core::str::from_utf8(digits).ok()?.parse().ok()?;
    Some((fd, rest.strip_prefix(b"/").unwrap_or(rest)))
}

/// Closes the descriptor that the emulator before this one has left open for it, now that the
/// program at `path` has been opened.
pub fn close_left_open(path: &[u8], env: &[&[u8]]) {
    let Some((fd, _)) = behind_descriptor(path) else { return };
    let named = |value: &[u8]| core::str::from_utf8(value).ok()?.parse::<i32>().ok();
    if env.iter().find_map(|v| v.strip_prefix(CLOSE)).and_then(named) == Some(fd) {
        close(fd);
    }
}

/// Interpreter and optional argument of a `#!` line (fs/binfmt_script.c). `None`: no such line, or
/// one that the kernel rejects.
fn script_line(head: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let blank = |b: &u8| matches!(b, b' ' | b'\t');
    let rest = head.strip_prefix(b"#!")?;
    let mut line = match rest.iter().position(|&b| b == b'\n') {
        Some(end) => &rest[..end],
        None => {
            let text = &rest[..rest.iter().position(|&b| b == 0).unwrap_or(rest.len())];
            // Without a newline in reach the interpreter's path may be cut off, unless something
            // ends it.
            if rest.len() + 2 == SCRIPT_HEAD
                && text.len() == rest.len()
                && !text.trim_ascii_start().iter().any(blank)
            {
                return None;
            }
            text
        }
    };
    while let [first, tail @ ..] = line
        && blank(first)
    {
        line = tail;
    }
    while let [body @ .., last] = line
        && blank(last)
    {
        line = body;
    }
    let end = line.iter().position(|b| blank(b) || *b == 0).unwrap_or(line.len());
    let (name, mut arg) = line.split_at(end);
    while let [first, tail @ ..] = arg
        && blank(first)
    {
        arg = tail;
    }
    let arg = &arg[..arg.iter().position(|&b| b == 0).unwrap_or(arg.len())];
    (!name.is_empty()).then_some((name, (!arg.is_empty()).then_some(arg)))
}

/// Opens the file of an exec; `path` ends with NUL.
pub(crate) fn open_file(dir: i32, path: &[u8], flags: u64) -> Result<i32, Errno> {
    let open = |dir: i32, path: &[u8], more: u32| {
        with_room(|| calls::open_at(dir, path, O_RDONLY | O_CLOEXEC | more, 0))
    };
    if path.len() > 1 || flags & AT_EMPTY_PATH == 0 {
        return open(dir, path, if flags & AT_SYMLINK_NOFOLLOW as u64 != 0 { O_NOFOLLOW } else { 0 });
    }
    let copy = |from: i32| with_room(|| calls::duplicate(dir, from));
    // Where RLIMIT_NOFILE is too low for our numbers, any will do.
    if let Ok(fd) = copy(FD_FROM).or_else(|_| copy(0)) {
        if calls::read_at(fd, &mut [0], 0).is_ok() {
            return Ok(fd);
        }
        close(fd);
    }
    // The descriptor is O_PATH or without the right to read.
    open(path::AT_FDCWD, format!("/proc/thread-self/fd/{dir}\0").as_bytes(), 0)
}

/// The name that the kernel gives a program found through a directory descriptor (do_open_execat).
fn visible_path(dir: i32, path: &[u8]) -> Vec<u8> {
    if dir == path::AT_FDCWD || path.first() == Some(&b'/') {
        return path.to_vec();
    }
    let mut out = format!("/dev/fd/{dir}").into_bytes();
    if path.len() > 1 {
        out.push(b'/');
    }
    out.extend_from_slice(path);
    out
}

/// The program at the end of the `#!` lines that begin in an open file, whose descriptor this takes
/// over. The strings stand in front of the file's own arguments but argv[0]: the program's path,
/// the line's argument, the file's path. There are none where the file is no script. All paths end
/// with NUL.
///
/// # Errors
/// The kernel's: a missing interpreter, too many lines.
pub fn follow_scripts(path: &[u8], fd: i32) -> Result<(i32, Vec<Vec<u8>>), Errno> {
    let mut fd = fd;
    let mut front: Vec<Vec<u8>> = Vec::new();
    for depth in 0.. {
        let mut head = [0u8; SCRIPT_HEAD];
        let n = calls::read_at(fd, &mut head, 0).unwrap_or(0);
        let Some((name, arg)) = script_line(&head[..n]) else { break };
        close(fd);
        if depth >= SCRIPT_DEPTH {
            return Err(Errno::ELOOP);
        }
        let with_nul = |s: &[u8]| [s, b"\0"].concat();
        // What was to run so far is an argument of this line's interpreter.
        let script = if front.is_empty() { path.to_vec() } else { front.remove(0) };
        let mut line = alloc::vec![with_nul(name)];
        line.extend(arg.map(with_nul));
        line.push(script);
        line.append(&mut front);
        front = line;
        let open_path = path::in_sysroot(name).unwrap_or_else(|| with_nul(name));
        fd = open_file(path::AT_FDCWD, &open_path, 0)?;
    }
    Ok((fd, front))
}

/// Whether the file, or the program at the end of its `#!` lines, is one that the emulator does not
/// run. `path` ends with NUL.
pub(crate) fn is_foreign_program(dir: i32, path: &[u8], flags: u64) -> bool {
    let file = open_file(dir, path, flags).and_then(|fd| follow_scripts(path, fd));
    let Ok((fd, _)) = file else { return false };
    let headers = loader::read_headers(fd, true);
    close(fd);
    headers.is_ok_and(|h| (program::get().abi_of)(h.header.machine).is_none())
}

/// Executes ourselves with the guest program at the end of the `#!` lines. Returns only on failure.
fn direct(task: &mut Task, dir: i32, argv: u64, envp: u64, flags: u64) -> SysResult {
    // -1: the descriptor was lent, and /proc has the executable.
    let own = hidden_fd(task).unwrap_or(-1);
    // The guest's arguments; argv[0] is replaced where a script's interpreter comes in.
    let mut rest: Vec<u64> = Vec::new();
    if argv != 0 {
        loop {
            match read(argv + 8 * rest.len() as u64)? {
                0 => break,
                arg => rest.push(arg),
            }
        }
    }
    let mut file = visible_path(dir, &task.exec.path);
    let (fd, mut front) = follow_scripts(&file, open_file(dir, &task.exec.path, flags)?)?;
    if let Some(first) = front.first() {
        file = first.clone();
        rest = rest.split_off(1.min(rest.len()));
    }
    if !matches!(exec_check::header(fd), Ok(Some(_))) {
        close(fd);
        return Err(Errno::ENOEXEC);
    }

    let config = config::get();
    let strings = &mut task.exec.strings;
    let mut push = |s: &[u8]| strings.push([s, b"\0"].concat());
    push(b"anyarch-emu");
    let release = config.release.as_deref();
    let cpu = config.cpu.map(str::as_bytes);
    for (option, value) in [("-L", config.sysroot.as_deref()), ("-r", release), ("-cpu", cpu)] {
        if let Some(value) = value {
            push(option.as_bytes());
            push(value);
        }
    }
    if let Some(size) = config.stack_size {
        push(b"-s");
        push(format!("{size}").as_bytes());
    }
    if let Some(size) = config.code_cache {
        push(b"-tb-size");
        push(format!("{}", size >> 20).as_bytes());
    }
    if config.strace {
        push(b"-strace");
    }
    if config.perfmap {
        push(b"-perfmap");
    }
    if config.jitdump {
        push(b"-jitdump");
    }
    if let Some(log) = config.log.as_deref() {
        push(b"-D");
        push(log);
    }
    if config.interpret {
        push(b"-d");
        push(b"interp");
    }
    push(format!("--{DIRECT_OPTION}").as_bytes());
    push(format!("{own},{fd}").as_bytes());
    push(b"--");
    strings.push(file);
    if front.is_empty() && rest.is_empty() {
        strings.push(Vec::from(b"\0".as_slice()));
    }
    strings.append(&mut front);
    let argv = &mut task.exec.argv;
    argv.extend(strings.iter().map(|s| s.as_ptr() as u64));
    argv.extend(rest);
    argv.push(0);
    set_cloexec(own, false);
    set_cloexec(fd, false);
    let path = if own >= 0 { c"" } else { own::PATH };
    let argv = argv.as_ptr() as u64;
    let result = calls::execve_at(own, path.to_bytes_with_nul(), argv, envp, AT_EMPTY_PATH);
    set_cloexec(own, true);
    close(fd);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn script_lines() {
        type Want = Option<(&'static str, Option<&'static str>)>;
        let long = format!("#!/{}\n", "x".repeat(400));
        let long_arg = format!("#!/bin/sh {}\n", "x".repeat(400));
        let cut = "x".repeat(SCRIPT_HEAD - "#!/bin/sh ".len());
        let cut: &'static str = cut.leak();
        let rows: Vec<(&str, Want)> = vec![
            ("#!/bin/sh\necho", Some(("/bin/sh", None))),
            ("#! \t/bin/sh \t\n", Some(("/bin/sh", None))),
            ("#!/usr/bin/env python3 -u \n", Some(("/usr/bin/env", Some("python3 -u")))),
            ("#!/bin/sh", Some(("/bin/sh", None))),
            ("#!/bin/sh -e", Some(("/bin/sh", Some("-e")))),
            ("#!\n/bin/sh", None),
            ("#!   \n", None),
            ("echo", None),
            ("", None),
            (&long, None),
            (&long_arg, Some(("/bin/sh", Some(cut)))),
        ];
        for (text, want) in rows {
            let head = &text.as_bytes()[..text.len().min(SCRIPT_HEAD)];
            let want = want.map(|(a, b)| (a.as_bytes(), b.map(str::as_bytes)));
            assert_eq!(script_line(head), want, "{text:?}");
        }
    }

    #[test]
    fn names_of_files_behind_descriptors() {
        for (dir, path, want) in [
            (path::AT_FDCWD, "a\0", "a\0"),
            (5, "/a\0", "/a\0"),
            (5, "a/b\0", "/dev/fd/5/a/b\0"),
            (5, "\0", "/dev/fd/5\0"),
        ] {
            assert_eq!(visible_path(dir, path.as_bytes()), want.as_bytes());
        }
        for (path, want) in [
            ("/dev/fd/5", Some((5, ""))),
            ("/dev/fd/5/a/b", Some((5, "a/b"))),
            ("/dev/fd/", None),
            ("/dev/fd/x", None),
            ("/dev/fd/+5", None),
            ("/dev/fd/99999999999", None),
            ("/proc/self/fd/5", None),
        ] {
            let want = want.map(|(fd, rest): (i32, &str)| (fd, rest.as_bytes()));
            assert_eq!(behind_descriptor(path.as_bytes()), want, "{path}");
        }
    }
}

//! From the kernel's initial stack to the first guest instruction.
//!
//! The kernel starts the emulator in one of two ways. As interpreter of a program by binfmt_misc
//! the arguments are: own name, the program's path, and then the program's arguments behind argv[0]
//! (flag P) or including it; the auxiliary vector tells about P (AT_FLAGS) and hands over the
//! opened program (flags O and C: AT_EXECFD). From a command line there are options first. Without
//! any of P, O and C the two look the same, which is fine: a path is a command line without
//! options.

use crate::cli::{self, Input, Invocation};
use crate::guests;
use alloc::vec::Vec;
use anyarch_linux::calls::dispatch;
use anyarch_linux::calls::time;
use anyarch_linux::config;
use anyarch_linux::errno;
use anyarch_linux::memory::space::PAGE;
use anyarch_linux::program::exec;
use anyarch_linux::program::loader::{self, Host, Str, at};
use anyarch_linux::program::own;
use anyarch_linux::program::perf;
use anyarch_linux::seccomp;
use anyarch_linux::task;
use anyarch_linux::task::limits;
use anyarch_sys::calls;
use anyarch_sys::raw::general::*;
use anyarch_sys::{Errno, eprintln, exit_group};

/// AT_FLAGS bit 0: the interpreter gets the program's own argv[0] behind its path.
const AT_FLAGS_PRESERVE_ARGV0: u64 = 1;
/// personality(2): no randomisation of addresses.
const ADDR_NO_RANDOMIZE: u32 = 0x004_0000;

/// The kernel's string at `at`, without its NUL.
///
/// # Safety
/// `at` is an entry of the kernel's argument or environment vector.
unsafe fn string<'a>(at: u64) -> &'a [u8] {
    // SAFETY: by the caller.
    unsafe { core::ffi::CStr::from_ptr(at as *const _) }.to_bytes()
}

/// Reads a vector up to its null word; returns the address behind it.
///
/// # Safety
/// `at` is the start of one of the kernel's vectors.
unsafe fn vector(mut at: u64, out: &mut Vec<u64>) -> u64 {
    loop {
        // SAFETY: not beyond the null word.
        let word = unsafe { *(at as *const u64) };
        at += 8;
        if word == 0 {
            return at;
        }
        out.push(word);
    }
}

fn report(path: &[u8], reason: impl core::fmt::Display) {
    eprintln!("anyarch-emu: {}: {reason}", alloc::string::String::from_utf8_lossy(path));
}

fn fail(path: &[u8], reason: impl core::fmt::Display, code: i32) -> ! {
    report(path, reason);
    exit_group(code)
}

/// Whether `path` is a regular file that may be executed.
fn executable(path: &[u8]) -> bool {
    let mut name = path.to_vec();
    name.push(0);
    calls::stat_at(AT_FDCWD, &name, 0).is_ok_and(|st| st.st_mode & S_IFMT == S_IFREG)
        && calls::access(&name, X_OK).is_ok()
}

/// Finds the program of a command line: a name without slash also in PATH, like execvp.
fn find(name: &[u8], env: &[&[u8]], path_first: bool) -> Vec<u8> {
    if name.contains(&b'/') || name.is_empty() || !path_first && executable(name) {
        return name.to_vec();
    }
    let path = env.iter().find_map(|v| v.strip_prefix(b"PATH=")).unwrap_or(b"/bin:/usr/bin");
    for dir in path.split(|&b| b == b':') {
        let mut full = Vec::from(if dir.is_empty() { b".".as_slice() } else { dir });
        full.push(b'/');
        full.extend_from_slice(name);
        if executable(&full) {
            return full;
        }
    }
    name.to_vec()
}

/// What the emulator's variables begin with.
const OUR_PREFIXES: [&[u8]; 2] = [b"QEMU_", b"ANYARCH_"];

/// The environment after -E and -U. A program that is started `secure` (AT_SECURE) does not see
/// what its caller has put there for the emulator: the programs that it starts in turn may be
/// without that mark, and would obey. (So glibc's loader takes LD_LIBRARY_PATH and its kin out.)
fn environment(env: &[u64], invocation: &Invocation, secure: bool) -> Vec<Str> {
    fn name_of(var: &[u8]) -> &[u8] {
        var.split(|&b| b == b'=').next().unwrap_or(var)
    }
    let changed = |var: &[u8]| {
        let name = name_of(var);
        exec::VARIABLES.iter().any(|v| var.starts_with(v))
            || secure && OUR_PREFIXES.iter().any(|p| var.starts_with(p))
            || invocation.unset_env.iter().any(|u| u == name)
            || invocation.set_env.iter().any(|s| name_of(s) == name)
    };
    let mut out: Vec<Str> = Vec::with_capacity(env.len() + invocation.set_env.len());
    // SAFETY: entries of the kernel's vector.
    out.extend(env.iter().filter(|&&e| !changed(unsafe { string(e) })).map(|&e| Str::At(e)));
    let last = |i: usize, s: &[u8]| !invocation.set_env[i + 1..].iter().any(|t| name_of(t) == name_of(s));
    out.extend(
        invocation.set_env.iter().enumerate().filter(|(i, s)| last(*i, s)).map(|(_, s)| Str::Own(s.clone())),
    );
    out
}

/// The log file's absolute path. It is emptied, unless this is another program of a process that
/// has begun it.
fn log_file(file: &[u8], begun: bool) -> Vec<u8> {
    let mut path = Vec::new();
    if file.first() != Some(&b'/') {
        let mut buf = [0u8; 4096];
        let n = calls::getcwd(&mut buf).unwrap_or(0);
        path.extend_from_slice(&buf[..n.saturating_sub(1)]);
        path.push(b'/');
    }
    match file.windows(2).position(|w| w == b"%d") {
        Some(at) => {
            let pid = calls::getpid();
            path.extend_from_slice(&file[..at]);
            path.extend_from_slice(alloc::format!("{pid}").as_bytes());
            path.extend_from_slice(&file[at + 2..]);
        }
        None => path.extend_from_slice(file),
    }
    if !begun && !config::start_log(&path) {
        fail(file, "the log file cannot be written", 1);
    }
    path
}

/// Randomness for the layout: none if the personality says so.
fn randomness() -> u64 {
    let mut random = [0; 8];
    if calls::personality() & ADDR_NO_RANDOMIZE == 0 {
        calls::getrandom(&mut random);
    }
    u64::from_ne_bytes(random)
}

/// Bytes that the kernel has mapped of the emulator's image: all, and writable ones.
///
/// # Safety
/// The auxiliary vector is the kernel's.
unsafe fn image_sizes(host: &Host) -> [u64; 2] {
    const PT_LOAD: u32 = 1;
    const PF_W: u32 = 2;
    let (at, n) = (host.aux(at::PHDR).unwrap_or(0), host.aux(at::PHNUM).unwrap_or(0));
    // SAFETY: the program headers are part of the image.
    let headers = unsafe { core::slice::from_raw_parts(at as *const [u64; 7], n as usize) };
    let mut sizes = [0; 2];
    for header in headers.iter().filter(|h| h[0] as u32 == PT_LOAD) {
        // p_flags shares a word with p_type; p_vaddr and p_memsz.
        let (flags, from, to) = ((header[0] >> 32) as u32, header[2], header[2] + header[5]);
        let size = to.next_multiple_of(PAGE) - from / PAGE * PAGE;
        sizes[0] += size;
        sizes[1] += if flags & PF_W != 0 { size } else { 0 };
    }
    sizes
}

/// Starts the program; `sp` is the stack pointer that the kernel gave the emulator, `before` the
/// bytes that the entry point has mapped.
///
/// # Safety
/// Called once by the entry point, on a stack that is not the kernel's.
pub unsafe fn start(sp: u64, before: u64) -> ! {
    let (mut argv, mut envp, mut auxv) =
        (Vec::with_capacity(16), Vec::with_capacity(32), Vec::with_capacity(24));
    // SAFETY: the kernel's layout of the initial stack: argc, argv, envp, auxv.
    unsafe {
        let mut p = vector(sp + 8, &mut argv);
        p = vector(p, &mut envp);
        loop {
            let entry = *(p as *const (u64, u64));
            if entry.0 == 0 {
                break;
            }
            auxv.push(entry);
            p += 16;
        }
    }
    let host = Host { sp, auxv };
    let page = host.aux(at::PAGESZ).unwrap_or(PAGE);
    if page != PAGE {
        eprintln!("anyarch-emu: this kernel has pages of {page} bytes; those of {PAGE} bytes are needed");
        exit_group(127);
    }
    // SAFETY: entries of the kernel's vectors.
    let (args, env): (Vec<&[u8]>, Vec<&[u8]>) =
        unsafe { (argv.iter().map(|&a| string(a)).collect(), envp.iter().map(|&a| string(a)).collect()) };

    let secure = host.aux(at::SECURE).unwrap_or(0) != 0;
    // SAFETY: the kernel's description of the emulator's own image.
    let image = unsafe { image_sizes(&host) };
    limits::begin(image.map(|size| size + before), if secure { &[] } else { &env });

    let preserve = host.aux(at::FLAGS).unwrap_or(0) & AT_FLAGS_PRESERVE_ARGV0 != 0;
    let exec_fd = host.aux(at::EXECFD);
    let interpreter = (preserve || exec_fd.is_some()) && args.len() > 1;
    // Without those flags the kernel still names the program, and not us, as what it has executed.
    // SAFETY: the kernel's string.
    let executed = host.aux(at::EXECFN).map(|name| unsafe { string(name) });
    let by_kernel = interpreter || executed != args.first().copied() && executed == args.get(1).copied();
    let input = Input { args: &args, env: &env, secure };
    let parsed = if interpreter { cli::parse_interpreter(&input, preserve) } else { cli::parse(&input) };
    let invocation = match parsed {
        Ok(invocation) => invocation,
        Err(done) => {
            let fd = if done.code == 0 { 1 } else { 2 };
            anyarch_sys::write_all(fd, alloc::format!("{}\n", done.text).as_bytes());
            exit_group(done.code)
        }
    };
    let mut options = invocation.config.clone();
    let wanted = options.strace || options.stats;
    options.log = options.log.filter(|_| wanted).map(|file| log_file(&file, invocation.direct.is_some()));
    // What they write is not for who started a program with more rights.
    options.perfmap &= !secure;
    options.jitdump &= !secure;
    config::set(options);
    time::init(host.aux(at::SYSINFO_EHDR).unwrap_or(0));
    // A program that another one starts has not been asked for it, and runs without.
    if let Err(e) = perf::create()
        && !by_kernel
        && invocation.direct.is_none()
    {
        fail(&e.path, format_args!("cannot be written: {}", errno::text(e.errno)), 1);
    }

    let mut path = args[invocation.program].to_vec();
    // What a script's line puts in the place of its argv[0].
    let mut script = Vec::new();
    let fd = match (invocation.direct, exec_fd) {
        (Some((_, fd)), _) => fd,
        (None, Some(fd)) => fd as i32,
        (None, None) => {
            if !interpreter {
                path = find(&path, &env, cli::searches_path_first(args[0]));
            }
            let code = |e| if matches!(e, Errno::ENOENT | Errno::ENOTDIR) { 127 } else { 126 };
            let fd = exec::open_program(&path).unwrap_or_else(|e| fail(&path, errno::text(e), code(e)));
            let followed = exec::follow_scripts(&[&path, b"\0".as_slice()].concat(), fd);
            let (fd, front) = followed.unwrap_or_else(|e| fail(&path, errno::text(e), code(e)));
            script = front;
            for string in &mut script {
                string.pop();
            }
            if let Some(program) = script.first() {
                path = program.clone();
            }
            fd
        }
    };
    // Where all numbers are in use, the program has the one that is for the emulator's executable
    // until it is loaded.
    let exec_fn = host.aux(at::EXECFN).unwrap_or(0);
    let late = invocation.direct.is_some_and(|d| d.0 < 0);
    if !interpreter && !late {
        own::enable_direct(invocation.direct.map(|d| d.0), exec_fn);
    }

    let mut guest_args: Vec<Str> = argv[invocation.program..].iter().map(|&a| Str::At(a)).collect();
    if invocation.argv0_follows {
        guest_args.remove(0);
    } else if !script.is_empty() {
        guest_args.splice(..1, script.into_iter().map(Str::Own));
    } else if let Some(argv0) = &invocation.argv0 {
        guest_args[0] = Str::Own(argv0.clone());
    }
    let started = loader::load(&loader::Request {
        fd,
        path: &path,
        exec_fn: if interpreter { host.aux(at::EXECFN) } else { None },
        args: &guest_args,
        env: &environment(&envp, &invocation, secure),
        host: &host,
        abi_of: guests::by_elf_machine,
        backend_of: guests::backend,
        random: randomness(),
        handed: if secure { &[] } else { &env },
        set_comm: !interpreter,
    })
    .unwrap_or_else(|e| {
        let name = if e.path.is_empty() { &path } else { &e.path };
        if e.why.is_late() && (by_kernel || invocation.direct.is_some()) {
            report(name, e.why);
            loader::end_late()
        }
        fail(name, e.why, e.why.exit_code())
    });
    if late {
        own::enable_direct(None, exec_fn);
    }
    // Also for a program that gains rights: its caller could have had the descriptor closed by the
    // exec all the same.
    exec::close_left_open(args[invocation.program], &env);

    let mut task = task::Task::first(started.abi);
    dispatch::enable_fast_calls(started.abi);
    seccomp::inherit(&mut task);
    started.abi.start(&mut task.thread.cpu, started.entry, started.sp, started.handed);
    task::run(alloc::boxed::Box::leak(task))
}

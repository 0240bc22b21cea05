//! Starts a program: maps the executable and its program loader as the kernel's execve would, and
//! builds the initial stack.
//!
//! The guest's stack is the one the kernel gave the emulator: it already holds the strings, grows
//! by itself and is the right one for the kernel's own account of the process (/proc/PID/cmdline
//! and environ). The emulator runs on a stack of its own, so everything below the kernel's initial
//! stack pointer is free for the guest's vectors.

use crate::abi::Abi;
use crate::config;
use crate::errno;
use crate::files::path;
use crate::memory;
use crate::memory::space::{self, PAGE};
use crate::program::elf::{self, Bad, Plan};
use crate::program::exec;
use crate::program::own;
use crate::program::perf;
use crate::program::vdso;
use crate::program::{self, Program};
use crate::signal;
use alloc::vec::Vec;
use anyarch_engine::backend::Backend;
use anyarch_sys::Errno;
use anyarch_sys::calls;
use anyarch_sys::raw::general::*;

/// Keys of the auxiliary vector (include/uapi/linux/auxvec.h and the architectures').
#[allow(missing_docs)]
pub mod at {
    pub const EXECFD: u64 = 2;
    pub const PHDR: u64 = 3;
    pub(crate) const PHENT: u64 = 4;
    pub const PHNUM: u64 = 5;
    pub const PAGESZ: u64 = 6;
    pub const BASE: u64 = 7;
    pub const FLAGS: u64 = 8;
    pub const ENTRY: u64 = 9;
    pub(crate) const UID: u64 = 11;
    pub(crate) const EUID: u64 = 12;
    pub(crate) const GID: u64 = 13;
    pub(crate) const EGID: u64 = 14;
    pub const PLATFORM: u64 = 15;
    pub(crate) const HWCAP: u64 = 16;
    pub(crate) const CLKTCK: u64 = 17;
    pub const SECURE: u64 = 23;
    pub const RANDOM: u64 = 25;
    pub(crate) const HWCAP2: u64 = 26;
    pub(crate) const HWCAP3: u64 = 29;
    pub const EXECFN: u64 = 31;
    pub const SYSINFO_EHDR: u64 = 33;
    pub(crate) const MINSIGSTKSZ: u64 = 51;
}

/// A string of the initial stack.
#[derive(Clone, Debug)]
pub enum Str {
    /// Where the kernel put it, with a NUL at its end.
    At(u64),
    /// Ours, without NUL; to be copied.
    Own(Vec<u8>),
}

/// What the kernel told the emulator at its own start.
pub struct Host {
    /// The kernel's initial stack pointer: all below is free.
    pub sp: u64,
    /// The auxiliary vector.
    pub auxv: Vec<(u64, u64)>,
}

impl Host {
    /// Value of an entry of the auxiliary vector.
    pub fn aux(&self, key: u64) -> Option<u64> {
        self.auxv.iter().find(|a| a.0 == key).map(|a| a.1)
    }
}

/// What to start.
pub struct Request<'a> {
    /// The executable, open for reading. It is closed.
    pub fd: i32,
    /// Its path, for messages and AT_EXECFN.
    pub path: &'a [u8],
    /// Address of AT_EXECFN's string if the kernel already has it.
    pub exec_fn: Option<u64>,
    /// Arguments.
    pub args: &'a [Str],
    /// Environment.
    pub env: &'a [Str],
    /// The environment before the emulator took out its own variables; empty if they do not count.
    pub handed: &'a [&'a [u8]],
    /// What the kernel said.
    pub host: &'a Host,
    /// The registry of guests.
    pub abi_of: fn(u16) -> Option<&'static dyn Abi>,
    /// What runs a guest's instructions: the host's code, or the interpreter where that is asked
    /// for.
    pub backend_of: fn(&dyn Abi, bool) -> &'static Backend,
    /// Randomness for the layout; 0 to place everything at fixed addresses.
    pub random: u64,
    /// Whether the kernel does not know the program's name yet (it does when it started us as
    /// interpreter).
    pub set_comm: bool,
}

/// A program ready to run.
pub struct Started {
    /// Its ABI.
    pub abi: &'static dyn Abi,
    /// Where it begins.
    pub entry: u64,
    /// Its stack pointer.
    pub sp: u64,
    /// What the program before it handed on ([`exec::handed`]).
    pub handed: Option<u64>,
}

/// Why a program could not be started.
#[derive(Clone, Debug)]
pub struct Error {
    /// The file concerned.
    pub path: Vec<u8>,
    /// The reason.
    pub why: Why,
}

/// Reasons not to start a program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// The file cannot be run.
    Bad(Bad),
    /// Its segments cannot be loaded.
    Segments(Bad),
    /// The program loader it names does not exist or cannot be opened.
    NoLoader(Errno),
    /// Reading failed.
    Read(Errno),
    /// Not a regular file, or no permission to execute.
    NotExecutable,
    /// A segment could not be mapped.
    Map(u64, Errno),
    /// No memory for the code cache.
    Engine(Errno),
    /// No memory for the stack.
    Stack(Errno),
}

impl core::fmt::Display for Why {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Why::Bad(bad) | Why::Segments(bad) => write!(f, "{bad}"),
            Why::NoLoader(e) => {
                write!(
                    f,
                    "the program's loader cannot be opened: {} (use -L for its sysroot)",
                    errno::text(*e)
                )
            }
            Why::Read(e) => write!(f, "cannot be read: {}", errno::text(*e)),
            Why::NotExecutable => f.write_str("permission denied: not an executable file"),
            Why::Map(addr, e) => write!(f, "cannot be mapped at {addr:#x}: {}", errno::text(*e)),
            Why::Engine(e) => write!(f, "no memory for translated code: {}", errno::text(*e)),
            Why::Stack(e) => write!(f, "no memory for the stack: {}", errno::text(*e)),
        }
    }
}

impl Why {
    /// The exit code: 127 and 126 as a shell's for what is missing and what is not executable,
    /// otherwise 255 as qemu-user's.
    pub fn exit_code(&self) -> i32 {
        match self {
            Why::NoLoader(Errno::ENOENT | Errno::ENOTDIR) => 127,
            Why::NoLoader(_) | Why::NotExecutable => 126,
            _ => 255,
        }
    }

    /// Whether Linux would find this only behind execve's point of no return: the new program ends
    /// by SIGSEGV.
    pub fn is_late(&self) -> bool {
        matches!(self, Why::Segments(_) | Why::Map(..) | Why::Engine(_) | Why::Stack(_))
    }

    /// The errno that execve would give.
    pub fn errno(&self) -> Errno {
        match *self {
            Why::Bad(_) | Why::Segments(_) => Errno::ENOEXEC,
            Why::NoLoader(e) | Why::Read(e) | Why::Map(_, e) | Why::Engine(e) | Why::Stack(e) => e,
            Why::NotExecutable => Errno::EACCES,
        }
    }
}

/// Ends the process as the kernel ends one whose program turns out to be impossible to load behind
/// the point of no return.
pub fn end_late() -> ! {
    const SIGSEGV: i32 = 11;
    signal::die_by(SIGSEGV)
}

/// A file's headers.
pub struct Headers {
    /// The file header.
    pub header: elf::Header,
    /// The segments.
    pub plan: Plan,
}

/// Reads as much as there is at `offset`.
pub(crate) fn read_at(fd: i32, buf: &mut [u8], offset: u64) -> Result<usize, Why> {
    let mut done = 0;
    while done < buf.len() {
        let rest = &mut buf[done..];
        match calls::read_at(fd, rest, offset + done as u64) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(Errno::EINTR) => {}
            Err(e) => return Err(Why::Read(e)),
        }
    }
    Ok(done)
}

/// Checks that `fd` is an executable regular file and reads its headers.
///
/// # Errors
/// Why it cannot be run.
pub(crate) fn read_headers(fd: i32, must_be_executable: bool) -> Result<Headers, Why> {
    let st = calls::fstat(fd).map_err(Why::Read)?;
    if st.st_mode & S_IFMT != S_IFREG || must_be_executable && st.st_mode & 0o111 == 0 {
        return Err(Why::NotExecutable);
    }
    let mut head = [0u8; 1024];
    let n = read_at(fd, &mut head, 0)?;
    let header = elf::header(&head[..n]).map_err(Why::Bad)?;
    let size = header.phnum as usize * header.phdr_size();
    let end = header.phoff.checked_add(size as u64).ok_or(Why::Bad(Bad::Truncated))?;
    if end > st.st_size as u64 {
        return Err(Why::Bad(Bad::Truncated));
    }
    let mut long;
    let table = if end <= n as u64 {
        &head[header.phoff as usize..end as usize]
    } else {
        long = alloc::vec![0u8; size];
        if read_at(fd, &mut long, header.phoff)? < size {
            return Err(Why::Bad(Bad::Truncated));
        }
        &long[..]
    };
    let plan = elf::plan(&header, table, st.st_size as u64).map_err(Why::Segments)?;
    Ok(Headers { header, plan })
}

const PRIVATE: u64 = MAP_PRIVATE as u64;
const ANONYMOUS: u64 = (MAP_PRIVATE | MAP_ANONYMOUS) as u64;
const NOREPLACE: u64 = MAP_FIXED_NOREPLACE as u64;
const FIXED: u64 = MAP_FIXED as u64;

/// Maps all segments at their addresses plus `bias`.
fn map_segments(fd: i32, plan: &Plan, bias: u64) -> Result<(), Why> {
    // End of what this file has mapped so far: a segment may share a page with the one before it,
    // but never replace anything else.
    let mut mapped = 0u64;
    let mut place = |start: u64, end: u64, prot: u64, file: Option<u64>| -> Result<(), Why> {
        let one = |from: u64, to: u64, fixed: u64| {
            let (flags, fd, offset) = match file {
                Some(offset) => (PRIVATE, fd, offset + (from - start)),
                None => (ANONYMOUS, -1, 0),
            };
            memory::do_mmap(from, to - from, prot, flags | fixed, fd, offset).map_err(|e| match e {
                // A mount without execution, for which the kernel's execve gives EACCES.
                Errno::EPERM => Why::NotExecutable,
                e => Why::Map(from, e),
            })
        };
        if start < mapped {
            one(start, end.min(mapped), FIXED)?;
        }
        if end > mapped.max(start) {
            one(start.max(mapped), end, NOREPLACE)?;
        }
        mapped = mapped.max(end.next_multiple_of(PAGE));
        Ok(())
    };
    for s in &plan.segments {
        let skew = s.vaddr % PAGE;
        let start = bias.wrapping_add(s.vaddr - skew);
        let file_end = start + skew + s.filesz;
        let end = start + skew + s.memsz;
        let mut next = start;
        if s.filesz != 0 {
            place(start, file_end, s.prot, Some(s.offset - skew))?;
            next = file_end.next_multiple_of(PAGE);
            if s.memsz > s.filesz && s.prot & PROT_WRITE as u64 != 0 {
                // SAFETY: the rest of the last page of a writable private mapping just made; the
                // file reaches into that page.
                unsafe { (file_end as *mut u8).write_bytes(0, (next - file_end) as usize) };
            }
        }
        if end > next {
            place(next, end, s.prot, None)?;
        }
    }
    Ok(())
}

/// The name of the program loader, which lies in the program's file at (offset, bytes).
fn interp_name(program_fd: i32, at: (u64, u64)) -> Result<Vec<u8>, Why> {
    let mut name = alloc::vec![0u8; at.1 as usize];
    let n = read_at(program_fd, &mut name, at.0)?;
    name.truncate(n);
    if name.pop() != Some(0) {
        return Err(Why::Bad(Bad::Header("the program loader's name")));
    }
    if let Some(nul) = name.iter().position(|&b| b == 0) {
        name.truncate(nul);
    }
    Ok(name)
}

/// Opens and maps the program loader; returns (base, entry).
fn load_interp(name: Vec<u8>, program: &elf::Header) -> Result<(u64, u64), Error> {
    let fail = |name: &[u8], why| Error { path: name.to_vec(), why };
    let mut open_name = path::in_sysroot(&name).unwrap_or_else(|| name.clone());
    if open_name.last() != Some(&0) {
        open_name.push(0);
    }
    let flags = O_RDONLY | O_CLOEXEC;
    let open = || calls::open_at(AT_FDCWD, &open_name, flags, 0);
    let fd = own::with_room(open).map_err(|e| fail(&name, Why::NoLoader(e)))?;
    let loaded = (|| {
        let h = read_headers(fd, true).map_err(|why| match why {
            // Linux looks at a loader's type when it maps it.
            Why::Bad(bad @ Bad::Type(_)) => Why::Segments(bad),
            why => why,
        })?;
        if h.header.machine != program.machine {
            return Err(Why::Bad(Bad::Machine(h.header.machine)));
        }
        if h.header.word != program.word {
            return Err(Why::Bad(Bad::Class));
        }
        let bias = if h.header.fixed {
            0
        } else {
            let size = h.plan.end - h.plan.start;
            let base = memory::library_place(size, h.plan.align);
            if base == 0 || space::is_reserved(base, size) {
                return Err(Why::Segments(Bad::Address(h.plan.end)));
            }
            base.wrapping_sub(h.plan.start)
        };
        map_segments(fd, &h.plan, bias)?;
        Ok((bias, bias.wrapping_add(h.header.entry)))
    })();
    own::close(fd);
    loaded.map_err(|why| fail(&name, why))
}

/// Sets the code cache up in its place; with less room where the address space is limited
/// (RLIMIT_AS, strict overcommit).
fn start_engine(abi: &dyn Abi, backend: &'static Backend) -> Result<(), Errno> {
    let mut size = crate::config::get().code_cache.unwrap_or(space::CODE_CACHE_SIZE);
    if let Some(limit) = anyarch_sys::footprint::account().tight() {
        // Most of it is the guest's.
        size = size.min((limit / 16).max(8 << 20) & !(PAGE - 1));
    }
    loop {
        match anyarch_engine::run::init(abi.guest(), backend, space::code_cache_base(), size) {
            Err(Errno::ENOMEM) if size > 8 << 20 => size /= 4,
            result => {
                let config = crate::config::get();
                anyarch_engine::run::bound_by(crate::task::cgroup::memory);
                if config.stats {
                    anyarch_engine::run::measure();
                }
                perf::start();
                return result;
            }
        }
    }
}

/// Maps the program and builds its stack.
///
/// # Errors
/// Why it cannot be run; nothing of the process is usable then.
pub fn load(req: &Request<'_>) -> Result<Started, Error> {
    let fail = |why| Error { path: req.path.to_vec(), why };
    let Headers { header, plan } = read_headers(req.fd, true).map_err(fail)?;
    let abi = (req.abi_of)(header.machine).ok_or_else(|| fail(Why::Bad(Bad::Machine(header.machine))))?;
    if header.word != abi.model().word {
        return Err(fail(Why::Bad(Bad::Class)));
    }
    space::init(req.random);
    if let Some(narrow) = abi.narrow() {
        const ADDR_COMPAT_LAYOUT: u32 = 0x020_0000;
        let upwards = calls::personality() & ADDR_COMPAT_LAYOUT != 0;
        space::init_narrow(narrow, req.random, stack_limit(), upwards);
    }
    // Before anything executable is mapped, which the engine is told.
    let backend = (req.backend_of)(abi, crate::config::get().interpret);
    start_engine(abi, backend).map_err(|e| fail(Why::Engine(e)))?;

    let bias = if header.fixed {
        0
    } else {
        let size = plan.end - plan.start;
        let base = space::pie_base().next_multiple_of(plan.align);
        if space::is_reserved(base, size) {
            return Err(fail(Why::Segments(Bad::Address(plan.end))));
        }
        base.wrapping_sub(plan.start)
    };
    map_segments(req.fd, &plan, bias).map_err(fail)?;
    let entry = bias.wrapping_add(header.entry);
    let interp = plan.interp.map(|at| interp_name(req.fd, at)).transpose().map_err(fail)?;
    // Before the loader is opened: there may be one number only.
    own::close(req.fd);
    let (interp_base, start) = match interp {
        Some(name) => load_interp(name, &header)?,
        None => (0, entry),
    };
    // The heap begins some random pages behind the program, as the kernel's (arch_randomize_brk).
    let brk = bias.wrapping_add(plan.brk).next_multiple_of(PAGE) + (req.random >> 20) % (1 << 13) * PAGE;
    memory::set_brk(brk);

    let image = vdso::build(header.machine, header.word, abi.vdso());
    let page = memory::library_place(PAGE, PAGE);
    map_code(page, &image.bytes).map_err(|e| fail(Why::Map(page, e)))?;
    if let Some(helpers) = abi.helpers() {
        map_code(helpers.page, &helpers.bytes()).map_err(|e| fail(Why::Map(helpers.page, e)))?;
    }

    let mut program = Program {
        abi,
        abi_of: req.abi_of,
        path: req.path.to_vec(),
        sigreturn: page + image.sigreturn,
        vdso: page,
        exe_address: bias.wrapping_add(plan.start),
        brk_start: brk,
        auxv: Vec::new(),
        args: (0, 0),
        env: (0, 0),
        start_stack: 0,
        described: false,
        secure: req.host.aux(at::SECURE).unwrap_or(0) != 0,
    };
    let handed = exec::handed(req.handed, abi);
    if exec::implies_exec(req.handed, abi) {
        memory::set_read_implies_exec();
    }
    let hwcaps = abi.hwcaps(handed);
    let id = |key: u64| (key, req.host.aux(key).unwrap_or(0));
    let entries = [
        (at::SYSINFO_EHDR, page),
        (at::HWCAP, hwcaps[0]),
        (at::PAGESZ, PAGE),
        (at::CLKTCK, req.host.aux(at::CLKTCK).unwrap_or(100)),
        (at::PHDR, if plan.phdr == 0 { 0 } else { bias.wrapping_add(plan.phdr) }),
        (at::PHENT, header.phdr_size() as u64),
        (at::PHNUM, header.phnum as u64),
        (at::BASE, interp_base),
        (at::FLAGS, 0),
        (at::ENTRY, entry),
        id(at::UID),
        id(at::EUID),
        id(at::GID),
        id(at::EGID),
        id(at::SECURE),
        id(at::RANDOM),
        (at::HWCAP2, hwcaps[1]),
        (at::HWCAP3, hwcaps[2]),
        (at::MINSIGSTKSZ, abi.largest_frame()),
    ];
    let sp = build_stack(req, abi, &entries, plan.exec_stack, &mut program).map_err(fail)?;
    program.described = describe_to_kernel(req, &plan, bias, &program);
    program::set(program);
    Ok(Started { abi, entry: start, sp, handed })
}

/// Maps a page of code that the kernel would.
fn map_code(page: u64, code: &[u8]) -> Result<(), Errno> {
    memory::do_mmap(page, PAGE, 3, ANONYMOUS | NOREPLACE, -1, 0)?;
    // SAFETY: the page was just mapped for this, and the code fits.
    unsafe { (page as *mut u8).copy_from_nonoverlapping(code.as_ptr(), code.len().min(PAGE as usize)) };
    memory::do_mprotect(page, PAGE, 5).map(|_| ())
}

/// RLIMIT_STACK's soft limit; the kernel's default where it is not told.
fn stack_limit() -> u64 {
    calls::resource_limit(RLIMIT_STACK).map_or(8 << 20, |limit| limit[0])
}

/// The stack of a guest whose addresses have 32 bits, with `room` for what it begins with; it grows
/// by itself as the kernel's stack does. Returns its end.
fn map_narrow_stack(room: u64) -> Result<u64, Why> {
    // What execve maps of a stack beside its contents.
    const MORE: u64 = 32 * PAGE;
    let (top, lowest) = space::stack(stack_limit());
    let size = (room + MORE).next_multiple_of(PAGE);
    if size > top - lowest {
        return Err(Why::Stack(Errno::E2BIG));
    }
    let flags = ANONYMOUS | NOREPLACE | (MAP_GROWSDOWN | MAP_NORESERVE | MAP_STACK) as u64;
    memory::do_mmap(top - size, size, 3, flags, -1, 0).map_err(Why::Stack)?;
    memory::set_narrow_stack(top - size, top);
    Ok(top)
}

/// Length of a NUL-terminated string that the kernel put on the stack.
fn str_len(at: u64) -> u64 {
    let mut n = 0;
    // SAFETY: the kernel's strings end with NUL.
    while unsafe { *((at + n) as *const u8) } != 0 {
        n += 1;
    }
    n
}

/// Start and end of the strings if they lie one behind the other already.
fn contiguous(strings: &[Str], mut from: Option<u64>) -> Option<(u64, u64)> {
    let mut range = from.map(|f| (f, f));
    for s in strings {
        let Str::At(at) = s else { return None };
        if from.is_some_and(|f| f != *at) {
            return None;
        }
        let end = at + str_len(*at) + 1;
        range = Some((range.map_or(*at, |r| r.0), end));
        from = Some(end);
    }
    range
}

/// Writes downwards from a stack pointer.
struct Stack(u64);

impl Stack {
    fn bytes(&mut self, bytes: &[u8]) -> u64 {
        self.0 -= bytes.len() as u64;
        // SAFETY: the stack below the kernel's initial pointer is free, and its size was checked.
        unsafe { (self.0 as *mut u8).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        self.0
    }

    fn string(&mut self, s: &[u8]) -> u64 {
        self.bytes(&[0]);
        self.bytes(s)
    }
}

/// Puts strings, vectors and counts on the stack; returns the stack pointer.
fn build_stack(
    req: &Request<'_>,
    abi: &dyn Abi,
    entries: &[(u64, u64)],
    exec_stack: bool,
    program: &mut Program,
) -> Result<u64, Why> {
    let mut top = req.host.sp;
    let word = abi.model().word;
    let narrow = word == 4;
    let words = 4 + req.args.len() + req.env.len() + 2 * (entries.len() + 4);
    // The strings stay where the kernel put them if they are all there in order and the guest can
    // reach them, else all are copied.
    let in_place = if narrow { None } else { contiguous(req.args, None) };
    let in_place = in_place.and_then(|a| Some((a, contiguous(req.env, Some(a.1))?)));
    let copied = |s: &Str| match s {
        Str::Own(b) => b.len() as u64 + 1,
        Str::At(at) if narrow => str_len(*at) + 1,
        Str::At(_) => 0,
    };
    let strings: u64 = req.args.iter().chain(req.env).map(copied).sum();
    let room = (words * word) as u64 + strings + req.path.len() as u64 + PAGE;
    if let Some(size) = config::get().stack_size {
        let size = size.max(32 * PAGE).checked_next_multiple_of(PAGE).ok_or(Why::Stack(Errno::ENOMEM))?;
        let flags = ANONYMOUS | (MAP_NORESERVE | MAP_STACK) as u64;
        top = memory::do_mmap(0, size, 3, flags, -1, 0).map_err(Why::Stack)? + size;
    }
    if narrow && config::get().stack_size.is_none() {
        top = map_narrow_stack(room)?;
    }
    if exec_stack {
        memory::note_exec_stack(top);
    }
    let mut stack = Stack(top & !15);
    if let Some(size) = config::get().stack_size
        && size < room + 16 * PAGE
    {
        return Err(Why::Stack(Errno::E2BIG));
    }
    let (mut args, mut env): (Vec<u64>, Vec<u64>) = (Vec::new(), Vec::new());
    if let Some((a, e)) = in_place {
        let address = |s: &Str| if let Str::At(at) = s { *at } else { 0 };
        args.extend(req.args.iter().map(address));
        env.extend(req.env.iter().map(address));
        (program.args, program.env) = (a, e);
    } else {
        let env_end = stack.0;
        let mut copy = |strings: &[Str], out: &mut Vec<u64>| {
            for s in strings.iter().rev() {
                out.push(match s {
                    // SAFETY: a string of the kernel's, above everything written here.
                    Str::At(at) => stack.string(unsafe {
                        core::slice::from_raw_parts(*at as *const u8, str_len(*at) as usize)
                    }),
                    Str::Own(b) => stack.string(b),
                });
            }
            out.reverse();
            stack.0
        };
        let env_start = copy(req.env, &mut env);
        let args_start = copy(req.args, &mut args);
        (program.args, program.env) = ((args_start, env_start), (env_start, env_end));
    }
    let platform = abi.platform().map(|name| (at::PLATFORM, stack.string(name.as_bytes())));
    let exec_fn = req.exec_fn.filter(|_| !narrow).unwrap_or_else(|| stack.string(req.path));
    let mut entries = entries.to_vec();
    for (_, value) in entries.iter_mut().filter(|(key, value)| *key == at::RANDOM && narrow && *value != 0) {
        // SAFETY: the kernel's 16 bytes.
        *value = stack.bytes(unsafe { core::slice::from_raw_parts(*value as *const u8, 16) });
    }

    let mut vector: Vec<u64> = Vec::with_capacity(words);
    vector.push(args.len() as u64);
    vector.extend(args);
    vector.push(0);
    vector.extend(env);
    vector.push(0);
    let auxv_at = vector.len();
    let strings = [(at::EXECFN, exec_fn), (0, 0)];
    for (key, value) in entries.iter().chain(&platform).chain(&strings) {
        vector.extend([*key, *value]);
    }
    let bytes: Vec<u8> = vector.iter().flat_map(|v| v.to_le_bytes().into_iter().take(word)).collect();
    program.auxv = bytes[auxv_at * word..].to_vec();
    stack.0 = (stack.0 - bytes.len() as u64) & !15;
    // SAFETY: as in `Stack::bytes`.
    unsafe { (stack.0 as *mut u8).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    program.start_stack = stack.0;
    Ok(stack.0)
}

/// Tells the kernel about the program in its place, so that /proc/PID/cmdline, environ, auxv, stat
/// and comm speak of the guest for everybody who looks. Without CONFIG_CHECKPOINT_RESTORE the
/// kernel refuses, which [`crate::files::procfs`] makes up for within the process.
fn describe_to_kernel(req: &Request<'_>, plan: &Plan, bias: u64, program: &Program) -> bool {
    let code = plan.segments.iter().find(|s| s.prot & 4 != 0).unwrap_or(&plan.segments[0]);
    let data = plan.segments.iter().rfind(|s| s.prot & 2 != 0).unwrap_or(code);
    let at = |v: u64| bias.wrapping_add(v);
    let mut map = [
        at(code.vaddr),
        at(code.vaddr) + code.filesz.max(1),
        at(data.vaddr),
        at(data.vaddr) + data.filesz,
        program.brk_start,
        program.brk_start,
        program.start_stack,
        program.args.0,
        program.args.1,
        program.env.0,
        program.env.1,
        program.auxv.as_ptr() as u64,
        // auxv_size, and exe_fd = -1: unchanged.
        program.auxv.len() as u64 | 0xffff_ffff << 32,
    ];
    if req.args.is_empty() {
        (map[7], map[8]) = (program.env.0, program.env.0);
    }
    let described = calls::set_mm_map(&map).is_ok();
    if req.set_comm {
        let name = req.path.rsplit(|&b| b == b'/').next().unwrap_or(b"");
        let mut comm = [0u8; 16];
        let n = name.len().min(15);
        comm[..n].copy_from_slice(&name[..n]);
        calls::set_name(&comm);
    }
    described
}

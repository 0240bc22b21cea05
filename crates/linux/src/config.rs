//! What the command line and the environment decide for the whole process: set once at the start,
//! read everywhere.

use alloc::boxed::Box;
use alloc::vec::Vec;
use anyarch_sys::calls::Fd;
use anyarch_sys::raw::general::*;
use anyarch_sys::{Errno, write_all};
use core::sync::atomic::{AtomicPtr, Ordering};

/// Options of the process.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// -strace, QEMU_STRACE: print system calls.
    pub strace: bool,
    /// -D, QEMU_LOG_FILENAME: absolute path of the file to print to instead of stderr.
    pub log: Option<Vec<u8>>,
    /// -d stats: translation figures when the process ends.
    pub stats: bool,
    /// -d interp: run everything through the reference interpreter.
    pub interpret: bool,
    /// -perfmap, QEMU_PERFMAP: see [`crate::program::perf`].
    pub perfmap: bool,
    /// -jitdump, QEMU_JITDUMP: see [`crate::program::perf`].
    pub jitdump: bool,
    /// -cpu, QEMU_CPU: one of the names that some guest has ([`crate::abi::Abi::cpu_models`]).
    pub cpu: Option<&'static str>,
    /// -L, QEMU_LD_PREFIX: where absolute paths are looked up first, without a slash at its end.
    pub sysroot: Option<Vec<u8>>,
    /// -r, QEMU_UNAME: what uname reports as release.
    pub release: Option<Vec<u8>>,
    /// -tb-size, QEMU_TB_SIZE: bytes of the code cache, if not the usual.
    pub code_cache: Option<u64>,
    /// -s, QEMU_STACK_SIZE: stack size of the program; `None`: the kernel's stack within
    /// RLIMIT_STACK.
    pub stack_size: Option<u64>,
}

static DEFAULT: Config = Config {
    strace: false,
    log: None,
    stats: false,
    interpret: false,
    perfmap: false,
    jitdump: false,
    cpu: None,
    sysroot: None,
    release: None,
    code_cache: None,
    stack_size: None,
};
static CONFIG: AtomicPtr<Config> = AtomicPtr::new(core::ptr::null_mut());

/// The process's options.
#[inline]
pub fn get() -> &'static Config {
    // SAFETY: null, or a leaked box that nobody changes.
    unsafe { CONFIG.load(Ordering::Acquire).as_ref() }.unwrap_or(&DEFAULT)
}

/// Sets the process's options. Called before the guest runs.
pub fn set(config: Config) {
    CONFIG.store(Box::leak(Box::new(config)), Ordering::Release);
}

/// Prints to the log: stderr, or the end of the file of `-D`. That file is opened each time: a
/// descriptor kept open would have to be hidden from the guest. Where it cannot be opened (after a
/// chroot, without rights), stderr is better than silence.
pub fn log(text: &[u8]) {
    match get().log.as_deref().map(|path| open_log(path, O_APPEND)) {
        Some(Ok(fd)) => write_all(fd.number(), text),
        _ => write_all(2, text),
    }
}

/// Empties the log file; whether it can be written.
pub fn start_log(path: &[u8]) -> bool {
    open_log(path, O_TRUNC).is_ok()
}

fn open_log(path: &[u8], how: u32) -> Result<Fd, Errno> {
    Fd::open(&[path, b"\0"].concat(), O_WRONLY | O_CREAT | O_NOCTTY | how, 0o666)
}

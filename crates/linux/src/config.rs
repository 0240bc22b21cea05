//! What the command line and the environment decide for the whole process: set once at the start, read everywhere.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicPtr, Ordering};

/// Options of the process.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// -strace, QEMU_STRACE: print system calls on stderr.
    pub strace: bool,
    /// -d stats: translation figures on stderr when the process ends.
    pub stats: bool,
    /// -d interp: run everything through the reference interpreter.
    pub interpret: bool,
    /// -L, QEMU_LD_PREFIX: where absolute paths are looked up first, without a slash at its end.
    pub sysroot: Option<Vec<u8>>,
    /// -r, QEMU_UNAME: what uname reports as release.
    pub release: Option<Vec<u8>>,
    /// -tb-size, QEMU_TB_SIZE: bytes of the code cache, if not the usual.
    pub code_cache: Option<u64>,
    /// -s, QEMU_STACK_SIZE: stack size of the program; `None`: the kernel's stack within RLIMIT_STACK.
    pub stack_size: Option<u64>,
}

static DEFAULT: Config = Config {
    strace: false,
    stats: false,
    interpret: false,
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

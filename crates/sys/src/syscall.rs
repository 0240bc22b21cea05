//! Raw host system calls. They are private to this crate: what the emulator calls for itself has
//! types in [`crate::calls`], [`crate::mappings`] and [`crate::footprint`]. Outside, numbers and
//! arguments that are not typed go to [`safe_syscall`] alone, for calls that the guest makes.

use crate::arch::anyarch_safe_syscall;
pub(crate) use crate::arch::raw_syscall;
use core::sync::atomic::AtomicU32;

/// A Linux error number, positive (`ENOENT` is 2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Errno(pub i32);

/// Result of a host system call.
pub type SysResult = Result<u64, Errno>;

macro_rules! errnos {
    ($($name:ident = $value:expr),* $(,)?) => {
        impl Errno { $(#[doc = stringify!($name)] pub const $name: Errno = Errno($value);)* }
    };
}
errnos! {
    EPERM = 1, ENOENT = 2, ESRCH = 3, EINTR = 4, EIO = 5, ENXIO = 6, E2BIG = 7, ENOEXEC = 8, EBADF = 9,
    ECHILD = 10, EAGAIN = 11, ENOMEM = 12, EACCES = 13, EFAULT = 14, ENOTBLK = 15, EBUSY = 16, EEXIST = 17,
    EXDEV = 18, ENODEV = 19, ENOTDIR = 20, EISDIR = 21, EINVAL = 22, ENFILE = 23, EMFILE = 24, ENOTTY = 25,
    ETXTBSY = 26, EFBIG = 27, ENOSPC = 28, ESPIPE = 29, EROFS = 30, EMLINK = 31, EPIPE = 32, EDOM = 33,
    ERANGE = 34, EDEADLK = 35, ENAMETOOLONG = 36, ENOLCK = 37, ENOSYS = 38, ENOTEMPTY = 39, ELOOP = 40,
    EOVERFLOW = 75, ELIBBAD = 80, ENOPROTOOPT = 92, EOPNOTSUPP = 95, ETIMEDOUT = 110,
    // Never seen by a guest: tells the signal code to restart the call (include/linux/errno.h).
    ERESTARTSYS = 512, ERESTARTNOINTR = 513, ERESTARTNOHAND = 514, ERESTART_RESTARTBLOCK = 516,
}

/// Turns a raw kernel return value into a result: -4095 to -1 are errors.
#[inline]
pub fn check(ret: u64) -> SysResult {
    if ret > -4096i64 as u64 { Err(Errno(-(ret as i64) as i32)) } else { Ok(ret) }
}

/// Turns a result into the kernel's raw form.
#[inline]
pub fn to_raw(result: SysResult) -> u64 {
    match result {
        Ok(value) => value,
        Err(Errno(e)) => -(e as i64) as u64,
    }
}

/// Makes a host system call; arguments are converted to `u64` and missing ones are zero.
///
/// # Safety
/// See [`raw_syscall`].
macro_rules! syscall {
    ($nr:expr $(, $arg:expr)* $(,)?) => {
        $crate::check($crate::raw_syscall($nr as u32, $crate::args6(&[$($arg as u64),*])))
    };
}

pub(crate) use syscall;

/// Pads an argument list to six; helper of [`syscall!`].
#[inline(always)]
pub fn args6(args: &[u64]) -> [u64; 6] {
    let mut out = [0; 6];
    let mut i = 0;
    while i < args.len() {
        out[i] = args[i];
        i += 1;
    }
    out
}

/// Writes all of `bytes` to `fd`, ignoring errors (for messages on stderr).
pub fn write_all(fd: i32, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        // SAFETY: the buffer is a valid slice.
        match unsafe { syscall!(crate::raw::general::__NR_write, fd, bytes.as_ptr(), bytes.len()) } {
            Ok(0) => return,
            Ok(n) => bytes = &bytes[n as usize..],
            Err(Errno::EINTR) => {}
            Err(_) => return,
        }
    }
}

/// Prints a formatted line on stderr.
#[macro_export]
macro_rules! eprintln {
    ($($arg:tt)*) => { $crate::write_all(2, ::alloc::format!("{}\n", ::core::format_args!($($arg)*)).as_bytes()) };
}

/// Ends the whole process at once.
pub fn exit_group(code: i32) -> ! {
    loop {
        // SAFETY: ends the process.
        unsafe { raw_syscall(crate::raw::general::__NR_exit_group, args6(&[code as u64])) };
    }
}

// The interruptible call. A signal that arrives before the kernel has entered the call must not be
// lost in a call that then blocks: the emulator's handler notes the signal in the pending word and
// moves the program counter by `safe_syscall_fixup`, so from the test of that word to the system
// call instruction there is no gap.
unsafe extern "C" {
    fn anyarch_safe_syscall_start();
    fn anyarch_safe_syscall_insn();
    fn anyarch_safe_syscall_abort();
}

/// Makes a host system call that may block, unless `pending` is not zero; returns the kernel's raw
/// value, or -ERESTARTSYS when the call was not made or is to be made again.
///
/// With a host handler installed with SA_RESTART exactly when the guest's has it, -ERESTARTSYS
/// always means to run the guest's handler first and then make the call again: a call interrupted
/// by a handler without SA_RESTART comes back as -EINTR from the kernel itself.
///
/// # Safety
/// See [`raw_syscall`].
pub unsafe fn safe_syscall(pending: &AtomicU32, nr: u32, args: &[u64; 6]) -> u64 {
    // SAFETY: by the caller; the routine follows the C calling convention.
    unsafe { anyarch_safe_syscall(pending, nr, args.as_ptr()) }
}

/// For the handler of an asynchronous signal, once it has noted the signal in the pending word:
/// where the interrupted context at `pc` must go on instead, if it was about to enter (or to
/// restart) a call of [`safe_syscall`]. Async-signal-safe.
pub fn safe_syscall_fixup(pc: u64) -> Option<u64> {
    let (start, insn) =
        (anyarch_safe_syscall_start as *const () as u64, anyarch_safe_syscall_insn as *const () as u64);
    (start..=insn).contains(&pc).then_some(anyarch_safe_syscall_abort as *const () as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::general::{__NR_getpid, __NR_read};

    #[test]
    fn safe_syscall_calls_or_aborts() {
        let pending = AtomicU32::new(0);
        // SAFETY: calls without side effects.
        unsafe {
            assert_eq!(safe_syscall(&pending, __NR_getpid, &[0; 6]), std::process::id() as u64);
            assert_eq!(
                check(safe_syscall(&pending, __NR_read, &args6(&[u64::MAX, 0, 1]))),
                Err(Errno::EBADF)
            );
            pending.store(1, core::sync::atomic::Ordering::Relaxed);
            assert_eq!(check(safe_syscall(&pending, __NR_getpid, &[0; 6])), Err(Errno::ERESTARTSYS));
        }
    }

    #[test]
    fn fixup_covers_test_and_instruction() {
        let (start, insn) =
            (anyarch_safe_syscall_start as *const () as u64, anyarch_safe_syscall_insn as *const () as u64);
        let abort = Some(anyarch_safe_syscall_abort as *const () as u64);
        for (pc, want) in [(start - 1, None), (start, abort), (insn, abort), (insn + 2, None)] {
            assert_eq!(safe_syscall_fixup(pc), want);
        }
    }
}

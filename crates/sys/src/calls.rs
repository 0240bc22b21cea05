//! Calls of the host's kernel that the emulator makes for itself, by types: a descriptor is owned
//! and an error an [`Errno`].

use crate::raw::general::{
    __NR_capget, __NR_clock_gettime, __NR_close, __NR_dup3, __NR_execve, __NR_execveat, __NR_exit,
    __NR_faccessat, __NR_faccessat2, __NR_fchmod, __NR_fcntl, __NR_fstat, __NR_fstatfs, __NR_futex,
    __NR_getcwd, __NR_geteuid, __NR_getpid, __NR_getrandom, __NR_gettid, __NR_lseek, __NR_memfd_create,
    __NR_newfstatat, __NR_openat, __NR_personality, __NR_prctl, __NR_pread64, __NR_prlimit64, __NR_read,
    __NR_readlinkat, __NR_rt_sigaction, __NR_rt_sigpending, __NR_rt_sigprocmask, __NR_sched_getaffinity,
    __NR_sched_yield, __NR_seccomp, __NR_sigaltstack, __NR_statfs, __NR_sysinfo, __NR_tgkill, __NR_uname,
    __NR_write, AT_FDCWD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, FD_CLOEXEC, FUTEX_WAKE, O_CLOEXEC, SIG_SETMASK,
    stat,
};
use crate::{Errno, SysResult, raw_syscall, syscall};

// Ids and clocks.

/// This process's id.
pub fn getpid() -> i32 {
    // SAFETY: asks an id, and cannot fail.
    unsafe { raw_syscall(__NR_getpid, [0; 6]) as i32 }
}

/// This thread's id.
pub fn gettid() -> i32 {
    // SAFETY: as above.
    unsafe { raw_syscall(__NR_gettid, [0; 6]) as i32 }
}

/// The process's effective user.
pub fn geteuid() -> u32 {
    // SAFETY: as above.
    unsafe { raw_syscall(__NR_geteuid, [0; 6]) as u32 }
}

/// Seconds and nanoseconds of CLOCK_MONOTONIC.
pub fn monotonic() -> [u64; 2] {
    const CLOCK_MONOTONIC: i32 = 1;
    let mut time = [0u64; 2];
    // SAFETY: fills a timespec of ours; the clock exists.
    let _ = unsafe { syscall!(__NR_clock_gettime, CLOCK_MONOTONIC, time.as_mut_ptr()) };
    time
}

/// Nanoseconds of CLOCK_MONOTONIC.
pub fn monotonic_nanoseconds() -> u64 {
    let [seconds, nanoseconds] = monotonic();
    seconds * 1_000_000_000 + nanoseconds
}

/// Ends this thread.
pub fn exit_thread(code: u64) -> ! {
    loop {
        // SAFETY: ends the thread. Its stack stays mapped.
        unsafe { raw_syscall(__NR_exit, [code, 0, 0, 0, 0, 0]) };
    }
}

/// Lets other threads run.
pub fn sched_yield() {
    // SAFETY: no pointers.
    let _ = unsafe { syscall!(__NR_sched_yield) };
}

// What the machine and the process are.

/// uname(2): sysname, nodename, release, version, machine, domainname.
///
/// # Errors
/// None that the kernel has; a seccomp filter may have one.
pub fn uname() -> Result<[[u8; 65]; 6], Errno> {
    let mut names = [[0u8; 65]; 6];
    // SAFETY: the buffer has the structure's size.
    unsafe { syscall!(__NR_uname, names.as_mut_ptr()) }?;
    Ok(names)
}

/// sysinfo(2): totalram is word 4, mem_unit the low half of word 13.
pub fn sysinfo() -> Result<[u64; 14], Errno> {
    let mut info = [0u64; 14];
    // SAFETY: the buffer has the structure's size, 112 bytes.
    unsafe { syscall!(__NR_sysinfo, info.as_mut_ptr()) }?;
    Ok(info)
}

/// The processors on which this thread may run, as a set of bits; how many bytes the kernel's sets
/// have.
///
/// # Errors
/// `EINVAL` if the set has no room for them.
pub fn sched_getaffinity(set: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: the buffer is a valid slice.
    unsafe { syscall!(__NR_sched_getaffinity, 0, set.len(), set.as_mut_ptr()) }.map(|n| n as usize)
}

/// The process's personality.
pub fn personality() -> u32 {
    // SAFETY: this value asks, and changes nothing.
    unsafe { syscall!(__NR_personality, u32::MAX) }.unwrap_or(0) as u32
}

/// Fills a buffer of up to 256 bytes with randomness, or leaves it where there is none.
pub fn getrandom(to: &mut [u8]) {
    // SAFETY: the buffer is a valid slice.
    let _ = unsafe { syscall!(__NR_getrandom, to.as_mut_ptr(), to.len(), 0) };
}

/// Whether the thread has no_new_privs.
pub fn no_new_privs() -> bool {
    const PR_GET_NO_NEW_PRIVS: u64 = 39;
    // SAFETY: asks.
    unsafe { syscall!(__NR_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == Ok(1) }
}

/// The thread's effective capabilities, as a set of bits.
pub fn capabilities() -> Result<u64, Errno> {
    const VERSION_3: u32 = 0x2008_0522;
    let header = [VERSION_3, 0];
    // Effective, permitted, inheritable: the low words, then the high ones.
    let mut sets = [0u32; 6];
    // SAFETY: the buffers have the sizes of that version.
    unsafe { syscall!(__NR_capget, header.as_ptr(), sets.as_mut_ptr()) }?;
    Ok(sets[0] as u64 | (sets[3] as u64) << 32)
}

/// A limit of this process, soft and hard.
///
/// # Errors
/// `EINVAL` if there is no such resource.
pub fn resource_limit(resource: u32) -> Result<[u64; 2], Errno> {
    let mut limit = [0u64; 2];
    // SAFETY: struct rlimit64 is two words; the kernel fills ours.
    unsafe { syscall!(__NR_prlimit64, 0, resource, 0, limit.as_mut_ptr()) }?;
    Ok(limit)
}

/// Changes a limit of this process, soft and hard.
pub fn set_resource_limit(resource: u32, limit: [u64; 2]) -> Result<(), Errno> {
    // SAFETY: the kernel reads two words.
    unsafe { syscall!(__NR_prlimit64, 0, resource, limit.as_ptr(), 0) }.map(|_| ())
}

/// Sets the thread's name: up to 15 bytes and a NUL.
pub fn set_name(name: &[u8; 16]) {
    const PR_SET_NAME: u32 = 15;
    // SAFETY: the kernel reads up to 16 bytes.
    let _ = unsafe { syscall!(__NR_prctl, PR_SET_NAME, name.as_ptr()) };
}

/// Tells the kernel where the program's parts are, by struct prctl_mm_map
/// (include/uapi/linux/prctl.h).
///
/// # Errors
/// `EINVAL` without CONFIG_CHECKPOINT_RESTORE, or for places that are not mapped.
pub fn set_mm_map(map: &[u64; 13]) -> Result<(), Errno> {
    const PR_SET_MM: u32 = 35;
    const PR_SET_MM_MAP: u32 = 14;
    // SAFETY: the structure is these 13 words. The kernel reads what they point to, or has EFAULT.
    unsafe { syscall!(__NR_prctl, PR_SET_MM, PR_SET_MM_MAP, map.as_ptr(), size_of_val(map), 0) }.map(|_| ())
}

/// Installs a seccomp filter of struct sock_filter as words; 0, or with SECCOMP_FILTER_FLAG_TSYNC
/// the id of a thread that has other filters.
pub fn install_filter(flags: u64, program: &[u64]) -> SysResult {
    const SET_MODE_FILTER: u64 = 1;
    // struct sock_fprog
    let fprog = [program.len() as u64, program.as_ptr() as u64];
    // SAFETY: the structure and what it points to live across the call, which changes no memory.
    unsafe { syscall!(__NR_seccomp, SET_MODE_FILTER, flags, fprog.as_ptr()) }
}

/// prctl(2) with an option that the kernel does not know: only a seccomp filter answers.
pub fn ask_filter(option: u32, a: u32, b: usize) -> SysResult {
    // SAFETY: by its name the option is none of the kernel's; a filter changes no memory.
    unsafe { syscall!(__NR_prctl, option, a, b, 0, 0) }
}

/// The current folder's path with its NUL; how many bytes.
pub fn getcwd(to: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: the buffer is a valid slice.
    unsafe { syscall!(__NR_getcwd, to.as_mut_ptr(), to.len()) }.map(|n| n as usize)
}

// Signals and waiting.

/// Sends a signal to this thread.
pub fn raise(signo: i32) {
    // SAFETY: what the signal does is its action's business.
    let _ = unsafe { syscall!(__NR_tgkill, getpid(), gettid(), signo) };
}

/// Sets the thread's signal mask, if one is given; the mask before.
pub fn signal_mask(new: Option<u64>) -> u64 {
    let mut old = 0u64;
    let new = new.as_ref().map_or(core::ptr::null(), core::ptr::from_ref);
    // SAFETY: both masks are ours, or there is no new one.
    let _ = unsafe { syscall!(__NR_rt_sigprocmask, SIG_SETMASK, new, &raw mut old, 8) };
    old
}

/// A disposition as rt_sigaction(2) has it, where there is SA_RESTORER, which all hosts have:
/// handler, flags, restorer, mask.
pub type SigAction = [u64; 4];

/// Sets a disposition, if one is given; the one before.
///
/// # Errors
/// `EINVAL`: no such signal, or one that cannot be handled.
///
/// # Safety
/// A handler may run at any time from then on.
pub unsafe fn sigaction(signo: i32, new: Option<&SigAction>) -> Result<SigAction, Errno> {
    let mut old = [0; 4];
    let new = new.map_or(core::ptr::null(), |action| action.as_ptr());
    // SAFETY: both point at a structure, or there is no new one.
    unsafe { syscall!(__NR_rt_sigaction, signo, new, old.as_mut_ptr(), 8) }?;
    Ok(old)
}

/// Sets the alternate stack of the thread's signal handlers.
///
/// # Safety
/// The memory stays, and is used for nothing else.
pub unsafe fn set_altstack(start: u64, size: u64) {
    let stack = [start, 0, size];
    // SAFETY: the kernel reads stack_t, which is these words; the rest by the caller.
    let _ = unsafe { syscall!(__NR_sigaltstack, stack.as_ptr(), 0) };
}

/// The signals that are pending for the thread.
pub fn pending_signals() -> Result<u64, Errno> {
    let mut pending = 0u64;
    // SAFETY: fills our word.
    unsafe { syscall!(__NR_rt_sigpending, &raw mut pending, 8) }?;
    Ok(pending)
}

/// Wakes up to `count` threads that wait at an address, in whichever process shares it.
pub fn futex_wake(at: u64, count: u32) {
    // SAFETY: the kernel does not touch the memory.
    let _ = unsafe { syscall!(__NR_futex, at, FUTEX_WAKE, count) };
}

// Files. A path ends with its NUL; `EINVAL` is the error of one that does not.

fn checked(path: &[u8]) -> Result<*const u8, Errno> {
    if path.last() == Some(&0) { Ok(path.as_ptr()) } else { Err(Errno::EINVAL) }
}

/// openat(2); the descriptor's number.
pub fn open_at(dir: i32, path: &[u8], flags: u32, mode: u32) -> Result<i32, Errno> {
    let path = checked(path)?;
    // SAFETY: the path ends with a NUL.
    unsafe { syscall!(__NR_openat, dir, path, flags, mode) }.map(|fd| fd as i32)
}

/// execveat(2). `argv` and `envp` are addresses of vectors; the kernel has `EFAULT` for bad ones.
pub fn execve_at(dir: i32, path: &[u8], argv: u64, envp: u64, flags: u64) -> SysResult {
    let path = checked(path)?;
    // SAFETY: the path ends with a NUL, and the kernel only reads.
    unsafe { syscall!(__NR_execveat, dir, path, argv, envp, flags) }
}

/// execve(2), as [`execve_at`].
pub fn execve(path: &[u8], argv: u64, envp: u64) -> SysResult {
    let path = checked(path)?;
    // SAFETY: as above.
    unsafe { syscall!(__NR_execve, path, argv, envp) }
}

/// memfd_create(2); the descriptor's number.
pub fn memfd_create(name: &[u8], flags: u32) -> Result<i32, Errno> {
    let name = checked(name)?;
    // SAFETY: the name ends with a NUL.
    unsafe { syscall!(__NR_memfd_create, name, flags) }.map(|fd| fd as i32)
}

/// Closes a descriptor of the emulator's that is known by its number alone.
pub fn close(fd: i32) {
    // SAFETY: by the caller's word it is the emulator's, and no memory hangs on it.
    let _ = unsafe { syscall!(__NR_close, fd) };
}

/// Reads what comes next from a descriptor, up to the length of `to`; how many bytes.
pub fn read(fd: i32, to: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: the buffer is a valid slice.
    unsafe { syscall!(__NR_read, fd, to.as_mut_ptr(), to.len()) }.map(|n| n as usize)
}

/// Reads from `offset` on.
pub fn read_at(fd: i32, to: &mut [u8], offset: u64) -> Result<usize, Errno> {
    // SAFETY: the buffer is a valid slice.
    unsafe { syscall!(__NR_pread64, fd, to.as_mut_ptr(), to.len(), offset) }.map(|n| n as usize)
}

/// Writes once; how many bytes were written.
pub fn write(fd: i32, bytes: &[u8]) -> Result<usize, Errno> {
    // SAFETY: the bytes are a valid slice.
    unsafe { syscall!(__NR_write, fd, bytes.as_ptr(), bytes.len()) }.map(|n| n as usize)
}

/// Puts a descriptor's position at `offset` from the beginning.
pub fn seek(fd: i32, offset: u64) {
    // SAFETY: no pointers.
    let _ = unsafe { syscall!(__NR_lseek, fd, offset, 0) };
}

/// A descriptor's position in bytes from the beginning.
///
/// # Errors
/// ESPIPE, EBADF.
pub fn position(fd: i32) -> Result<u64, Errno> {
    const SEEK_CUR: u32 = 1;
    // SAFETY: no pointers.
    unsafe { syscall!(__NR_lseek, fd, 0, SEEK_CUR) }
}

fn stat_by(call: impl FnOnce(*mut stat) -> Result<u64, Errno>) -> Result<stat, Errno> {
    // SAFETY: all-zero is a valid stat.
    let mut st = unsafe { core::mem::zeroed() };
    call(&raw mut st).map(|_| st)
}

/// fstat(2).
pub fn fstat(fd: i32) -> Result<stat, Errno> {
    // SAFETY: the kernel fills a stat of ours.
    stat_by(|st| unsafe { syscall!(__NR_fstat, fd, st) })
}

/// fstatat(2).
pub fn stat_at(dir: i32, path: &[u8], flags: u32) -> Result<stat, Errno> {
    let path = checked(path)?;
    // SAFETY: the path ends with a NUL; the kernel fills a stat of ours.
    stat_by(|st| unsafe { syscall!(__NR_newfstatat, dir, path, st, flags) })
}

/// struct statfs as words; the first is the file system's type.
pub(crate) type StatFs = [u64; 15];

/// statfs(2).
pub fn statfs(path: &[u8]) -> Result<StatFs, Errno> {
    let path = checked(path)?;
    let mut fs = [0; 15];
    // SAFETY: the path ends with a NUL; struct statfs is 120 bytes.
    unsafe { syscall!(__NR_statfs, path, fs.as_mut_ptr()) }?;
    Ok(fs)
}

/// fstatfs(2).
pub fn fstatfs(fd: i32) -> Result<StatFs, Errno> {
    let mut fs = [0; 15];
    // SAFETY: struct statfs is 120 bytes.
    unsafe { syscall!(__NR_fstatfs, fd, fs.as_mut_ptr()) }?;
    Ok(fs)
}

/// access(2): what the real user may do.
pub fn access(path: &[u8], mode: u32) -> Result<(), Errno> {
    let path = checked(path)?;
    // SAFETY: the path ends with a NUL.
    unsafe { syscall!(__NR_faccessat, AT_FDCWD, path, mode) }.map(|_| ())
}

/// faccessat2(2).
///
/// # Errors
/// Those of faccessat2(2); `ENOSYS` before Linux 5.8.
pub fn access_at(dir: i32, path: &[u8], mode: u32, flags: u32) -> Result<(), Errno> {
    let path = checked(path)?;
    // SAFETY: the path ends with a NUL.
    unsafe { syscall!(__NR_faccessat2, dir, path, mode, flags) }.map(|_| ())
}

/// readlinkat(2); how many bytes.
pub fn read_link_at(dir: i32, path: &[u8], to: &mut [u8]) -> Result<usize, Errno> {
    let path = checked(path)?;
    // SAFETY: the path ends with a NUL; the buffer is a valid slice.
    unsafe { syscall!(__NR_readlinkat, dir, path, to.as_mut_ptr(), to.len()) }.map(|n| n as usize)
}

/// Changes a file's permissions.
pub fn fchmod(fd: i32, mode: u32) -> Result<(), Errno> {
    // SAFETY: no pointers.
    unsafe { syscall!(__NR_fchmod, fd, mode) }.map(|_| ())
}

/// Forbids what `seals` names of a memory file.
pub fn add_seals(fd: i32, seals: u32) -> Result<(), Errno> {
    const F_ADD_SEALS: u32 = 1033;
    // SAFETY: no pointers.
    unsafe { syscall!(__NR_fcntl, fd, F_ADD_SEALS, seals) }.map(|_| ())
}

/// The lowest free number from `from` on, for the same open file, closed at an exec.
pub fn duplicate(fd: i32, from: i32) -> Result<i32, Errno> {
    // SAFETY: no pointers.
    unsafe { syscall!(__NR_fcntl, fd, F_DUPFD_CLOEXEC, from) }.map(|fd| fd as i32)
}

/// Puts a second name of an open file at a number of the emulator's.
pub fn duplicate_to(fd: i32, to: i32, flags: u32) -> Result<i32, Errno> {
    // SAFETY: no pointers.
    unsafe { syscall!(__NR_dup3, fd, to, flags) }.map(|fd| fd as i32)
}

/// Whether there is such a descriptor.
pub fn is_open(fd: i32) -> bool {
    closes_on_exec(fd).is_ok()
}

/// Whether an exec closes the descriptor.
///
/// # Errors
/// `EBADF`.
pub fn closes_on_exec(fd: i32) -> Result<bool, Errno> {
    // SAFETY: no pointers.
    unsafe { syscall!(__NR_fcntl, fd, F_GETFD) }.map(|flags| flags & FD_CLOEXEC as u64 != 0)
}

/// Says whether an exec closes the descriptor.
///
/// # Errors
/// `EBADF`.
pub fn set_closes_on_exec(fd: i32, on: bool) -> Result<(), Errno> {
    // SAFETY: no pointers.
    unsafe { syscall!(__NR_fcntl, fd, F_SETFD, if on { FD_CLOEXEC } else { 0 }) }.map(|_| ())
}

/// A descriptor of the emulator's, closed when dropped.
#[derive(Debug)]
pub struct Fd(i32);

impl Fd {
    /// Opens the file at `path`, which ends with its NUL, with O_CLOEXEC.
    ///
    /// # Errors
    /// Those of open(2); `EINVAL` without a NUL at the end.
    pub fn open(path: &[u8], flags: u32, mode: u32) -> Result<Fd, Errno> {
        open_at(AT_FDCWD, path, flags | O_CLOEXEC, mode).map(Fd)
    }

    /// Its number.
    pub fn number(&self) -> i32 {
        self.0
    }

    /// As [`read`].
    pub fn read(&self, to: &mut [u8]) -> Result<usize, Errno> {
        read(self.0, to)
    }

    /// Reads from `offset` on.
    pub fn read_at(&self, to: &mut [u8], offset: u64) -> Result<usize, Errno> {
        read_at(self.0, to, offset)
    }
}

impl Drop for Fd {
    fn drop(&mut self) {
        close(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_and_closed() {
        assert_eq!(getpid(), std::process::id() as i32);
        assert!(gettid() > 0);
        let file = Fd::open(b"/proc/self/status\0", 0, 0).unwrap();
        let (mut start, mut again) = ([0; 5], [0; 5]);
        assert_eq!((file.read(&mut start), file.read_at(&mut again, 0)), (Ok(5), Ok(5)));
        assert_eq!((&start, start), (b"Name:", again));
        let number = file.number();
        drop(file);
        let closed = Fd(number);
        assert_eq!(closed.read(&mut start), Err(Errno::EBADF));
        core::mem::forget(closed);
        assert_eq!(Fd::open(b"/", 0, 0).err(), Some(Errno::EINVAL));
        assert_eq!(Fd::open(b"/nothing/here\0", 0, 0).err(), Some(Errno::ENOENT));
    }

    /// Calls that fill something of ours fill it with what another way tells, too.
    #[test]
    fn answers_are_the_kernels() {
        assert_eq!(geteuid(), fs_owner("/proc/self/status"));
        let fd = memfd_create(b"calls\0", 0).unwrap();
        assert_eq!((write(fd, b"abcd"), fchmod(fd, 0o640)), (Ok(4), Ok(())));
        let mut text = [0; 8];
        assert_eq!((read_at(fd, &mut text, 1), &text[..3]), (Ok(3), b"bcd".as_slice()));
        seek(fd, 2);
        assert_eq!((read(fd, &mut text), &text[..2]), (Ok(2), b"cd".as_slice()));
        let st = fstat(fd).unwrap();
        assert_eq!((st.st_size, st.st_mode & 0o777), (4, 0o640));
        let path = std::format!("/proc/self/fd/{fd}\0");
        assert_eq!(stat_at(AT_FDCWD, path.as_bytes(), 0).unwrap().st_ino, st.st_ino);
        assert_eq!(fstatfs(fd).unwrap()[0], statfs(path.as_bytes()).unwrap()[0]);
        let n = read_link_at(AT_FDCWD, path.as_bytes(), &mut [0; 64]).unwrap();
        assert!(n > b"/memfd:calls".len());
        assert_eq!(
            (access(path.as_bytes(), 4), access_at(AT_FDCWD, path.as_bytes(), 4, 0)),
            (Ok(()), Ok(()))
        );
        let copy = duplicate(fd, 100).unwrap();
        assert!(copy >= 100 && closes_on_exec(copy) == Ok(true) && closes_on_exec(fd) == Ok(false));
        assert_eq!((set_closes_on_exec(copy, false), closes_on_exec(copy)), (Ok(()), Ok(false)));
        close(copy);
        assert_eq!(fstat(copy).err(), Some(Errno::EBADF));
        close(fd);
        for path in [b"".as_slice(), b"/", b"no end"] {
            assert_eq!(open_at(AT_FDCWD, path, 0, 0), Err(Errno::EINVAL));
        }

        let mut folder = [0; 4096];
        let n = getcwd(&mut folder).unwrap();
        assert_eq!(std::env::current_dir().unwrap().as_os_str().as_encoded_bytes(), &folder[..n - 1]);
        assert_eq!(uname().unwrap()[0][..6], *b"Linux\0");
        assert!(sysinfo().unwrap()[4] > 0);
        let mask = signal_mask(None);
        assert_eq!((signal_mask(Some(mask | 1 << 9)), signal_mask(Some(mask))), (mask, mask | 1 << 9));
        const RLIMIT_NOFILE: u32 = 7;
        let limit = resource_limit(RLIMIT_NOFILE).unwrap();
        assert_eq!(
            (set_resource_limit(RLIMIT_NOFILE, limit), resource_limit(99)),
            (Ok(()), Err(Errno::EINVAL))
        );
        assert!(sched_getaffinity(&mut [0; 8192]).unwrap() > 0);
        let (before, after) = (monotonic(), monotonic());
        assert!(before <= after && before[0] > 0);
        let mut random = [0; 32];
        getrandom(&mut random);
        assert_ne!(random, [0; 32]);
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let field =
            |name: &str| status.lines().find_map(|l| l.strip_prefix(name)).unwrap().trim().to_string();
        assert_eq!(std::format!("{:016x}", capabilities().unwrap()), field("CapEff:"));
        assert_eq!(std::format!("{}", no_new_privs() as u8), field("NoNewPrivs:"));
    }

    fn fs_owner(path: &str) -> u32 {
        std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(path).unwrap())
    }

    /// In a thread of its own, whose name, mask and alternate stack are nobody else's.
    #[test]
    fn threads_have_names_filters_and_handlers() {
        std::thread::spawn(|| {
            set_name(b"fifteen letters\0");
            assert_eq!(std::fs::read("/proc/thread-self/comm").unwrap(), b"fifteen letters\n");
            // No filter of ours is there, and the kernel knows no such option.
            assert_eq!(ask_filter(0x616e_0001, 0, 0), Err(Errno::EINVAL));
            // A filter without instructions.
            assert_eq!(install_filter(0, &[]), Err(Errno::EINVAL));
            assert_eq!(set_mm_map(&[0; 13]).err(), Some(Errno::EINVAL));
            const SIGURG: i32 = 23;
            let ignored = [1, 0, 0, 0];
            // SAFETY: no handler; the signal is ignored by default, too.
            let before = unsafe { sigaction(SIGURG, Some(&ignored)) }.unwrap();
            // SAFETY: as above.
            unsafe {
                assert_eq!(sigaction(SIGURG, None).unwrap()[0], 1);
                assert_eq!(sigaction(SIGURG, Some(&before)).unwrap()[0], 1);
                assert_eq!(sigaction(65, None), Err(Errno::EINVAL));
            }
        })
        .join()
        .unwrap();
    }

    #[test]
    fn programs_that_cannot_be_started() {
        assert_eq!(execve(b"/nothing/here\0", 0, 0), Err(Errno::ENOENT));
        assert_eq!(execve(b"/", 0, 0), Err(Errno::EINVAL));
        assert_eq!(execve_at(AT_FDCWD, b"/\0", 0, 0, 0), Err(Errno::EACCES));
        let fd = memfd_create(b"other\0", 0).unwrap();
        let other = duplicate(fd, 150).unwrap();
        assert_eq!(duplicate_to(fd, other, O_CLOEXEC), Ok(other));
        assert_eq!((is_open(other), closes_on_exec(other)), (true, Ok(true)));
        assert_eq!(duplicate_to(fd, fd, 0), Err(Errno::EINVAL));
        close(other);
        assert!(!is_open(other));
        close(fd);
    }
}

//! Calls of the host's kernel that the emulator makes for itself, by types: a descriptor is owned and
//! an error an [`Errno`].

use crate::raw::general::{
    __NR_close, __NR_getpid, __NR_gettid, __NR_openat, __NR_pread64, __NR_read, AT_FDCWD, O_CLOEXEC,
};
use crate::{Errno, raw_syscall, syscall};

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

/// Closes a descriptor of the emulator's that is known by its number alone.
pub fn close(fd: i32) {
    // SAFETY: by the caller's word it is the emulator's, and no memory hangs on it.
    let _ = unsafe { syscall!(__NR_close, fd) };
}

/// Reads what comes next from a descriptor, up to the length of `to`; how many bytes.
///
/// # Errors
/// Those of read(2).
pub fn read(fd: i32, to: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: the buffer is a valid slice.
    unsafe { syscall!(__NR_read, fd, to.as_mut_ptr(), to.len()) }.map(|n| n as usize)
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
        if path.last() != Some(&0) {
            return Err(Errno::EINVAL);
        }
        let flags = flags | O_CLOEXEC;
        // SAFETY: the path ends with a NUL.
        let fd = unsafe { syscall!(__NR_openat, AT_FDCWD, path.as_ptr(), flags, mode) }?;
        Ok(Fd(fd as i32))
    }

    /// Its number.
    pub fn number(&self) -> i32 {
        self.0
    }

    /// Its number, for whoever closes it from here on.
    pub fn into_number(self) -> i32 {
        let number = self.0;
        core::mem::forget(self);
        number
    }

    /// As [`read`].
    ///
    /// # Errors
    /// Those of read(2).
    pub fn read(&self, to: &mut [u8]) -> Result<usize, Errno> {
        read(self.0, to)
    }

    /// Reads from `offset` on.
    ///
    /// # Errors
    /// Those of pread(2).
    pub fn read_at(&self, to: &mut [u8], offset: u64) -> Result<usize, Errno> {
        // SAFETY: the buffer is a valid slice.
        unsafe { syscall!(__NR_pread64, self.0, to.as_mut_ptr(), to.len(), offset) }.map(|n| n as usize)
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
}

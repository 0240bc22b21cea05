//! Calls of the host's kernel that change mappings: those of the process's own memory, by types,
//! and memory of other processes.
//!
//! Most have no way to be safe: what an address stands for is the caller's to know. So each asks
//! for that, and nothing else: numbers and errors are typed as in [`crate::calls`]. The emulator's
//! own memory comes from [`crate::footprint`], which counts it.

use crate::raw::general::{
    __NR_madvise, __NR_mmap, __NR_mprotect, __NR_mremap, __NR_munmap, __NR_process_vm_readv,
    __NR_process_vm_writev, __NR_remap_file_pages, __NR_shmat, __NR_shmctl, __NR_shmdt,
};
use crate::{Errno, SysResult, syscall};
use core::mem::MaybeUninit;

/// mmap(2); `fd` is -1 for anonymous memory.
///
/// # Safety
/// What a fixed place replaces is not used by anybody.
pub unsafe fn mmap(at: u64, len: u64, prot: u64, flags: u64, fd: i32, offset: u64) -> SysResult {
    // SAFETY: by the caller.
    unsafe { syscall!(__NR_mmap, at, len, prot, flags, fd, offset) }
}

/// munmap(2).
///
/// # Safety
/// Nobody uses what is mapped there.
pub unsafe fn munmap(at: u64, len: u64) -> SysResult {
    // SAFETY: by the caller.
    unsafe { syscall!(__NR_munmap, at, len) }
}

/// mprotect(2).
///
/// # Safety
/// Nobody needs an access that is taken.
pub unsafe fn mprotect(at: u64, len: u64, prot: u64) -> SysResult {
    // SAFETY: by the caller.
    unsafe { syscall!(__NR_mprotect, at, len, prot) }
}

/// mremap(2); the kernel reads `to` with MREMAP_FIXED or MREMAP_DONTUNMAP.
///
/// # Safety
/// Nobody uses what is moved, nor what a fixed place replaces.
pub unsafe fn mremap(at: u64, len: u64, new_len: u64, flags: u64, to: u64) -> SysResult {
    // SAFETY: by the caller.
    unsafe { syscall!(__NR_mremap, at, len, new_len, flags, to) }
}

/// madvise(2).
///
/// # Safety
/// Nobody needs what the advice takes (with MADV_DONTNEED the content).
pub unsafe fn madvise(at: u64, len: u64, advice: u64) -> SysResult {
    // SAFETY: by the caller.
    unsafe { syscall!(__NR_madvise, at, len, advice) }
}

/// Whether all of [at, at + len) is mapped; `at` begins a page.
pub fn is_mapped(at: u64, len: u64) -> bool {
    const MADV_NORMAL: u64 = 0;
    // SAFETY: this advice changes no memory. It fails where something is not mapped.
    unsafe { madvise(at, len, MADV_NORMAL) }.is_ok()
}

/// remap_file_pages(2).
///
/// # Safety
/// Nobody uses the content that is replaced.
pub unsafe fn remap_file_pages(at: u64, len: u64, prot: u64, page_offset: u64, flags: u64) -> SysResult {
    // SAFETY: by the caller.
    unsafe { syscall!(__NR_remap_file_pages, at, len, prot, page_offset, flags) }
}

/// shmat(2).
///
/// # Safety
/// Nobody uses what is replaced with SHM_REMAP.
pub unsafe fn shmat(id: i32, at: u64, flags: u64) -> SysResult {
    // SAFETY: by the caller.
    unsafe { syscall!(__NR_shmat, id, at, flags) }
}

/// shmdt(2).
///
/// # Safety
/// Nobody uses what is mapped there.
pub unsafe fn shmdt(at: u64) -> SysResult {
    // SAFETY: by the caller.
    unsafe { syscall!(__NR_shmdt, at) }
}

/// Size of a System V shared memory segment.
///
/// # Errors
/// Those of shmctl(2) with IPC_STAT.
pub fn shm_size(id: i32) -> Result<u64, Errno> {
    const IPC_STAT: u32 = 2;
    // struct shmid64_ds: ipc64_perm (48 bytes), then shm_segsz (include/uapi/asm-generic/shmbuf.h).
    let mut ds = [0u64; 16];
    // SAFETY: the structure is 112 bytes.
    unsafe { syscall!(__NR_shmctl, id, IPC_STAT, ds.as_mut_ptr()) }?;
    Ok(ds[6])
}

/// The bytes of a `T` that a process has at `at`, if all of them can be read.
pub fn read_process<T: Copy>(pid: i32, at: u64) -> Option<MaybeUninit<T>> {
    let mut value = MaybeUninit::<T>::uninit();
    let size = size_of::<T>() as u64;
    let (here, there) = ([value.as_mut_ptr() as u64, size], [at, size]);
    // SAFETY: the kernel fills the value.
    let n = unsafe { syscall!(__NR_process_vm_readv, pid, here.as_ptr(), 1, there.as_ptr(), 1, 0) };
    (n == Ok(size)).then_some(value)
}

/// Changes what a process has at `at`; how many bytes.
///
/// # Safety
/// The process keeps a value of that type there.
pub unsafe fn write_process<T: Copy>(pid: i32, at: u64, value: &T) -> SysResult {
    let size = size_of::<T>() as u64;
    let (here, there) = ([core::ptr::from_ref(value) as u64, size], [at, size]);
    // SAFETY: the kernel reads the value; the rest by the caller.
    unsafe { syscall!(__NR_process_vm_writev, pid, here.as_ptr(), 1, there.as_ptr(), 1, 0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::general::{
        MADV_DONTNEED, MAP_ANONYMOUS, MAP_PRIVATE, MREMAP_MAYMOVE, PROT_NONE, PROT_READ, PROT_WRITE,
    };

    const PAGE: u64 = 4096;

    #[test]
    fn mappings_are_made_moved_and_gone() {
        let rw = (PROT_READ | PROT_WRITE) as u64;
        // SAFETY: all of it is memory that this test maps.
        unsafe {
            let at = mmap(0, 2 * PAGE, rw, (MAP_PRIVATE | MAP_ANONYMOUS) as u64, -1, 0).unwrap();
            (at as *mut u32).write(0x1234_5678);
            assert_eq!(read_process::<u32>(crate::calls::getpid(), at).unwrap().assume_init(), 0x1234_5678);
            assert_eq!(write_process(crate::calls::getpid(), at + 4, &7u32), Ok(4));
            assert_eq!((at as *const u32).add(1).read(), 7);
            assert_eq!(mprotect(at, PAGE, PROT_NONE as u64), Ok(0));
            assert!(read_process::<u32>(crate::calls::getpid(), at).is_none());
            assert_eq!(write_process(crate::calls::getpid(), at, &7u32), Err(Errno::EFAULT));
            assert_eq!(mprotect(at, PAGE, rw), Ok(0));
            assert!(is_mapped(at, 2 * PAGE));
            let to = mremap(at, 2 * PAGE, 64 * PAGE, MREMAP_MAYMOVE as u64, 0).unwrap();
            assert_eq!((to as *const u32).read(), 0x1234_5678);
            assert_eq!(madvise(to, PAGE, MADV_DONTNEED as u64), Ok(0));
            assert_eq!((to as *const u32).read(), 0);
            assert_eq!(munmap(to + PAGE, PAGE), Ok(0));
            assert!(is_mapped(to, PAGE) && !is_mapped(to, 2 * PAGE));
            assert_eq!(munmap(to, 64 * PAGE), Ok(0));
        }
    }

    #[test]
    fn errors_are_the_kernels() {
        // SAFETY: nothing is mapped at the page 0, and no segment has such an id.
        unsafe {
            assert_eq!(shm_size(-1), Err(Errno::EINVAL));
            assert_eq!(shmat(-1, 0, 0), Err(Errno::EINVAL));
            assert_eq!(shmdt(0), Err(Errno::EINVAL));
            assert_eq!(remap_file_pages(0, PAGE, 0, 0, 0), Err(Errno::EINVAL));
            assert_eq!(mprotect(0, PAGE, 0), Err(Errno::ENOMEM));
        }
    }
}

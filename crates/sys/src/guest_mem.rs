//! Guest memory, reached without trusting the guest's pointers.
//!
//! Guest address = host address. A copy runs in one assembly routine ([`crate::arch`]); the
//! emulator's SIGSEGV/SIGBUS handler calls [`fixup`], and when the interrupted program counter is
//! that routine's faulting instruction the copy ends and reports the fault.

use crate::Errno;
use crate::arch::{self, Context, GUEST_END};
use alloc::vec::Vec;
use core::mem::{MaybeUninit, size_of};

/// A fault on guest memory, as the kernel reported it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemFault {
    /// SIGSEGV or SIGBUS.
    pub signo: i32,
    /// si_code.
    pub code: i32,
    /// si_addr.
    pub addr: u64,
}

impl MemFault {
    /// A fault from what the routines of [`crate::arch`] tell: [`fixup`]'s word, and the address.
    pub(crate) fn of((signal, addr): (u64, u64)) -> MemFault {
        MemFault { signo: (signal >> 32) as i32, code: signal as i32, addr }
    }
}

/// Called from the handler of SIGSEGV and SIGBUS: if the interrupted thread faulted in a guest copy
/// or another access of this crate, makes that end with the fault, and returns true.
pub fn fixup(context: &mut Context, fault: MemFault) -> bool {
    let Some(next) = arch::continuation(context.pc()) else { return false };
    context.set_pc(next);
    context.set_fault((fault.signo as u64) << 32 | fault.code as u32 as u64, fault.addr);
    true
}

/// Copies `len` bytes where either side may be guest memory.
///
/// # Errors
/// The fault, after which a prefix may have been copied.
///
/// # Safety
/// The side that is not guest memory is valid for `len` bytes; no Rust reference covers the guest's
/// side.
pub(crate) unsafe fn try_copy(dst: *mut u8, src: *const u8, len: usize) -> Result<(), MemFault> {
    // SAFETY: by the caller; a fault is caught by `fixup`.
    unsafe { arch::copy(dst, src, len) }.map_err(MemFault::of)
}

fn out_of_range(addr: u64) -> MemFault {
    MemFault { signo: 11, code: 1, addr }
}

/// Copies guest memory at `addr` into `out`, telling how it faulted (for guest instructions).
///
/// # Errors
/// The fault.
pub fn load_bytes(addr: u64, out: &mut [u8]) -> Result<(), MemFault> {
    if !in_range(addr, out.len()) {
        return Err(out_of_range(addr));
    }
    // SAFETY: the destination is ours.
    unsafe { try_copy(out.as_mut_ptr(), addr as *const u8, out.len()) }
}

/// Copies `bytes` to guest memory at `addr`, telling how it faulted (for guest instructions).
///
/// # Errors
/// The fault.
pub fn store_bytes(addr: u64, bytes: &[u8]) -> Result<(), MemFault> {
    if !in_range(addr, bytes.len()) {
        return Err(out_of_range(addr));
    }
    // SAFETY: the source is ours; the destination is the guest's own address.
    unsafe { try_copy(addr as *mut u8, bytes.as_ptr(), bytes.len()) }
}

fn in_range(addr: u64, len: usize) -> bool {
    addr.checked_add(len as u64).is_some_and(|end| end <= GUEST_END)
}

/// Copies guest memory at `addr` into `out`.
///
/// # Errors
/// `EFAULT` if any byte is not readable.
pub fn read_bytes(addr: u64, out: &mut [u8]) -> Result<(), Errno> {
    load_bytes(addr, out).map_err(|_| Errno::EFAULT)
}

/// Copies `bytes` to guest memory at `addr`.
///
/// # Errors
/// `EFAULT` if any byte is not writable; bytes before it are written.
pub fn write_bytes(addr: u64, bytes: &[u8]) -> Result<(), Errno> {
    store_bytes(addr, bytes).map_err(|_| Errno::EFAULT)
}

/// Types that any byte pattern is a value of, so that they may be copied from a guest.
///
/// # Safety
/// The type has no padding that matters, no references and no invalid bit patterns.
pub unsafe trait Plain: Copy {}
macro_rules! plain { ($($t:ty)*) => { $(
    // SAFETY: integers have no invalid bit patterns.
    unsafe impl Plain for $t {}
)* } }
plain!(u8 i8 u16 i16 u32 i32 u64 i64 u128 i128);
// SAFETY: an array of plain values is plain.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

/// Reads a plain value from guest memory.
///
/// # Errors
/// `EFAULT`.
pub fn read<T: Plain>(addr: u64) -> Result<T, Errno> {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: the slice covers exactly the value, which read_bytes fills or reports.
    let bytes = unsafe { core::slice::from_raw_parts_mut(value.as_mut_ptr().cast::<u8>(), size_of::<T>()) };
    read_bytes(addr, bytes)?;
    // SAFETY: filled above, and every bit pattern is valid.
    Ok(unsafe { value.assume_init() })
}

/// Writes a plain value to guest memory.
///
/// # Errors
/// `EFAULT`.
pub fn write<T: Plain>(addr: u64, value: &T) -> Result<(), Errno> {
    // SAFETY: a plain value can be seen as bytes.
    write_bytes(addr, unsafe {
        core::slice::from_raw_parts((value as *const T).cast::<u8>(), size_of::<T>())
    })
}

/// Reads a NUL-terminated string of at most `max` bytes, without its NUL.
///
/// # Errors
/// `EFAULT`, or `ENAMETOOLONG` when no NUL is found in `max` bytes.
pub fn read_cstr(addr: u64, max: usize) -> Result<Vec<u8>, Errno> {
    const PART: usize = 256;
    let mut out = Vec::new();
    let mut part = MaybeUninit::<[u8; PART]>::uninit();
    while out.len() < max {
        // Up to the end of the page, which is readable as a whole if its first byte is.
        let at = addr + out.len() as u64;
        let n = (4096 - (at as usize & 4095)).min(PART).min(max - out.len());
        // SAFETY: so many bytes of the room, which read_bytes fills or reports.
        let part = unsafe { core::slice::from_raw_parts_mut(part.as_mut_ptr().cast::<u8>(), n) };
        read_bytes(at, part)?;
        if let Some(nul) = part.iter().position(|&b| b == 0) {
            out.extend_from_slice(&part[..nul]);
            return Ok(out);
        }
        out.extend_from_slice(part);
    }
    Err(Errno::ENAMETOOLONG)
}

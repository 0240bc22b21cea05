//! Single accesses to guest memory that are atomic as the processor's own are: what a guest's
//! loads, stores and atomic instructions need beyond a copy.
//!
//! The routines are the host's ([`crate::arch`]); the fault handler's [`fixup`](crate::fixup) ends
//! them.

use crate::MemFault;
use crate::arch::{self, GUEST_END, Routine};

fn check_range(addr: u64, bytes: u64) -> Result<(), MemFault> {
    match addr.checked_add(bytes) {
        Some(end) if end <= GUEST_END => Ok(()),
        _ => Err(MemFault { signo: 11, code: 1, addr }),
    }
}

/// Makes an access: the value expected and the new one, each as low and high half; the value
/// loaded.
///
/// # Safety
/// The guest's own memory may change.
unsafe fn access(
    routine: Routine,
    addr: u64,
    expected: [u64; 2],
    new: [u64; 2],
) -> Result<[u64; 2], MemFault> {
    // SAFETY: by the caller.
    unsafe { arch::access(routine, addr, expected, new) }.map_err(MemFault::of)
}

/// Loads 1, 2, 4 or 8 bytes in one access, zero-extended. Any alignment.
///
/// # Errors
/// The fault.
pub fn load_once(addr: u64, bytes: u32) -> Result<u64, MemFault> {
    check_range(addr, bytes as u64)?;
    let routine = match bytes {
        1 => arch::LOAD1,
        2 => arch::LOAD2,
        4 => arch::LOAD4,
        _ => arch::LOAD8,
    };
    // SAFETY: a load changes nothing.
    Ok(unsafe { access(routine, addr, [0; 2], [0; 2]) }?[0])
}

macro_rules! fetch {
    ($(#[$doc:meta])* $name:ident $value:ident) => {
        $(#[$doc])*
        #[inline(always)]
        pub fn $name(addr: u64) -> Option<$value> {
            if addr > GUEST_END - size_of::<$value>() as u64 {
                return None;
            }
            arch::$name(addr).map(|value| value as $value)
        }
    };
}
fetch! {
    /// [`load_once`] of two bytes, for a decoder that goes over many instructions; `None` where it
    /// faults.
    fetch2 u16
}
fetch! {
    /// The same of four bytes.
    fetch4 u32
}

/// Stores 1, 2, 4 or 8 bytes in one access. Any alignment.
///
/// # Errors
/// The fault.
pub fn store_once(addr: u64, bytes: u32, value: u64) -> Result<(), MemFault> {
    check_range(addr, bytes as u64)?;
    let routine = match bytes {
        1 => arch::STORE1,
        2 => arch::STORE2,
        4 => arch::STORE4,
        _ => arch::STORE8,
    };
    // SAFETY: the address is the guest's own.
    unsafe { access(routine, addr, [0; 2], [value, 0]) }.map(drop)
}

/// Atomic compare and swap of 1, 2, 4 or 8 bytes; returns the old value (zero-extended), which
/// equals the low part of `expected` if the swap happened.
///
/// # Errors
/// The fault.
pub fn compare_exchange(addr: u64, bytes: u32, expected: u64, new: u64) -> Result<u64, MemFault> {
    check_range(addr, bytes as u64)?;
    let routine = match bytes {
        1 => arch::CAS1,
        2 => arch::CAS2,
        4 => arch::CAS4,
        _ => arch::CAS8,
    };
    let mask = u64::MAX >> (64 - 8 * bytes);
    // SAFETY: the address is the guest's own.
    Ok(unsafe { access(routine, addr, [expected & mask, 0], [new, 0]) }?[0] & mask)
}

/// Atomic compare and swap of 16 bytes, aligned; returns the old value.
///
/// # Errors
/// The fault.
pub fn compare_exchange16(addr: u64, expected: u128, new: u128) -> Result<u128, MemFault> {
    check_range(addr, 16)?;
    let [expected, new] = [expected, new].map(|value| [value as u64, (value >> 64) as u64]);
    // SAFETY: the address is the guest's own.
    let [low, high] = unsafe { access(arch::CAS16, addr, expected, new) }?;
    Ok(low as u128 | (high as u128) << 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accesses() {
        let mut memory = [0x1122_3344_5566_7788u64, 5];
        let addr = memory.as_mut_ptr() as u64;
        for (bytes, value) in [(1, 0x88), (2, 0x7788), (4, 0x5566_7788), (8, 0x1122_3344_5566_7788)] {
            assert_eq!(load_once(addr, bytes), Ok(value));
            assert_eq!(compare_exchange(addr, bytes, value ^ 1, 0), Ok(value));
            assert_eq!(
                compare_exchange(addr, bytes, value | !(u64::MAX >> (64 - 8 * bytes)), value),
                Ok(value)
            );
        }
        store_once(addr + 1, 2, 0xabcd).unwrap();
        assert_eq!(load_once(addr, 8), Ok(0x1122_3344_55ab_cd88));
        let line = std::boxed::Box::leak(std::boxed::Box::new(Line([7, 9])));
        let addr = line as *mut Line as u64;
        assert_eq!(compare_exchange16(addr, 0, 1), Ok(9 << 64 | 7));
        assert_eq!(compare_exchange16(addr, 9 << 64 | 7, 3 << 64 | 1), Ok(9 << 64 | 7));
        assert_eq!(compare_exchange16(addr, 0, 0), Ok(3 << 64 | 1));
        assert_eq!(load_once(u64::MAX, 1), Err(MemFault { signo: 11, code: 1, addr: u64::MAX }));
    }

    #[repr(align(16))]
    #[allow(dead_code)]
    struct Line([u64; 2]);
}

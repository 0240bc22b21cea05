//! Which error comes first where several arguments of a call on memory are wrong.
//!
//! The kernel looks at arguments in an order of its own, the address range rather late. A range
//! that the guest cannot have is refused here, but the other arguments are the host's to judge
//! before that: it is asked for the same where nothing is mapped and nothing can be, so that all
//! that comes of it is an error. Calls with a range as it ought to be cost nothing.

use crate::memory::page_up;
use crate::memory::space::{self, PAGE};
use anyarch_sys::raw::general::*;
use anyarch_sys::{Errno, SysResult, mappings};

/// An address in the kernel's half, as far off from a page's beginning as `addr`.
fn beyond(addr: u64) -> u64 {
    addr | !(PAGE - 1)
}

/// Whether a range is such that no mapping of the guest's can be in it throughout.
fn unusual(addr: u64, len: u64) -> bool {
    page_up(len).is_none_or(|size| size == 0 || space::is_reserved(addr, size))
}

/// For a range that is [`unusual`]: one with the same errors, but for what is mapped there.
fn nowhere(addr: u64, len: u64) -> (u64, u64) {
    match page_up(len) {
        // The sum overflows, or it lies in the kernel's half.
        None => (addr, len),
        _ if addr >= space::end() => (addr, len),
        // The page at 0 is nobody's (vm.mmap_min_addr).
        Some(size) => (addr % PAGE, size.min(PAGE)),
    }
}

/// An error but for `expected`, which the callers themselves find.
fn before(expected: Errno, result: SysResult) -> Result<(), Errno> {
    match result {
        Err(e) if e != expected => Err(e),
        _ => Ok(()),
    }
}

/// mmap(2).
///
/// # Errors
/// What the host finds before it finds that there is no memory.
pub(crate) fn mmap([addr, len, prot, flags, fd, offset]: [u64; 6]) -> Result<(), Errno> {
    let fixed = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE) as u64 != 0;
    let bad_size = page_up(len).is_none_or(|size| size == 0 || size > space::end());
    if !(bad_size || fixed && unusual(addr, len)) {
        return Ok(());
    }
    let at = if fixed { beyond(addr) } else { 0 };
    // SAFETY: a fixed place in the kernel's half, or a size that cannot be.
    before(Errno::ENOMEM, unsafe {
        mappings::mmap(at, len, prot & !(PROT_EXEC as u64), flags, fd as i32, offset)
    })
}

/// mprotect(2).
///
/// # Errors
/// What the host finds before it finds that nothing is mapped.
pub(crate) fn mprotect(addr: u64, len: u64, prot: u64) -> Result<(), Errno> {
    if !unusual(addr, len) {
        return Ok(());
    }
    let (at, len) = nowhere(addr, len);
    // SAFETY: nothing is mapped there.
    before(Errno::ENOMEM, unsafe { mappings::mprotect(at, len, prot) })
}

/// madvise(2).
///
/// # Errors
/// What the host finds before it finds that nothing is mapped.
pub(crate) fn madvise(addr: u64, len: u64, advice: u64) -> Result<(), Errno> {
    if !unusual(addr, len) {
        return Ok(());
    }
    let (at, len) = nowhere(addr, len);
    // SAFETY: nothing is mapped there.
    before(Errno::ENOMEM, unsafe { mappings::madvise(at, len, advice) })
}

/// mremap(2): the old size, of which the kernel cuts off what overflows when it counts pages.
///
/// # Errors
/// Of an old range that leaves user space: the host's.
pub(crate) fn mremap([old, old_len, new_len, flags, new, _]: [u64; 6]) -> SysResult {
    let (size, old_len) = page_up(old_len).map_or((0, 0), |size| (size, old_len));
    if old.checked_add(size).is_some_and(|end| end <= space::end()) && old < space::end() {
        return Ok(old_len);
    }
    // The kernel would make room at a fixed place first.
    if flags & MREMAP_FIXED as u64 != 0 {
        return if flags > 7 || !old.is_multiple_of(PAGE) { Err(Errno::EINVAL) } else { Ok(old_len) };
    }
    const ABSURD: u64 = 1 << 62;
    let len = if size == 0 { 0 } else { old_len | ABSURD };
    // SAFETY: an old size that no address space has makes this fail, or an old address that is not
    // the guest's.
    unsafe { mappings::mremap(old, len, new_len, flags, new) }.and(Err(Errno::EFAULT))
}

/// shmat(2).
///
/// # Errors
/// Of an address beyond user space: the host's.
pub(crate) fn shmat(id: u64, addr: u64, flags: u64) -> Result<(), Errno> {
    if addr < space::end() {
        return Ok(());
    }
    // SAFETY: a place in the kernel's half.
    unsafe { mappings::shmat(id as i32, beyond(addr), flags) }.and(Err(Errno::ENOMEM))
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyarch_sys::GUEST_END;

    #[test]
    fn ranges_that_are_as_they_ought_to_be_are_not_asked_about() {
        for (addr, len, want) in [
            (0x40_0000, PAGE, false),
            (0x40_0000, 1, false),
            (0x40_0000, 0, true),
            (0x40_0000, u64::MAX, true),
            (0x40_0000, GUEST_END, true),
            (GUEST_END, PAGE, true),
            (space::EMU_START, PAGE, true),
        ] {
            assert_eq!(unusual(addr, len), want, "{addr:#x}+{len:#x}");
        }
    }

    #[test]
    fn what_the_host_is_asked_changes_nothing() {
        for addr in [0, 0x40_0000, space::EMU_START, space::EMU_START + 1, GUEST_END, 0u64.wrapping_sub(PAGE)]
        {
            for len in [PAGE, 1 << 46, 1 << 47, 1 << 62, u64::MAX] {
                if unusual(addr, len) {
                    let (at, len) = nowhere(addr, len);
                    let size = page_up(len);
                    assert!(at >= GUEST_END || at < PAGE && size == Some(PAGE) || size.is_none());
                }
            }
            assert!(beyond(addr) > GUEST_END && beyond(addr) % PAGE == addr % PAGE);
        }
    }
}

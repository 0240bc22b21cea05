//! Calls about a range of memory that may hold the emulator's own.
//!
//! To the guest the emulator's memory is a hole, where nothing is mapped. So a call about a range
//! around it is made for the parts that are the guest's, in ascending order, and ends as the
//! kernel's does where it comes upon a hole ([`Hole`]).

use crate::calls::dispatch::host_call;
use crate::memory;
use crate::memory::space::{self, PAGE};
use crate::task::Task;
use anyarch_sys::raw::general::{
    __NR_mbind, __NR_mincore, __NR_mlock, __NR_mlock2, __NR_mseal, __NR_msync, __NR_munlock,
};
use anyarch_sys::{Errno, SysResult};

/// What a call makes of a hole in its range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Hole {
    /// Nothing: munmap(2).
    Skipped,
    /// It goes on behind it, and fails with ENOMEM in the end: madvise(2), msync(2).
    Reported,
    /// It ends there with ENOMEM: mprotect(2), mlock(2), mincore(2).
    End,
    /// It does nothing and fails: mbind(2), mseal(2).
    Refused(Errno),
}

/// Makes `call` for the guest's parts (address and size) of a range of `size` bytes. A range that
/// holds nothing of the emulator's is one part.
///
/// # Errors
/// Those of `call`, and what the hole makes of the call.
pub(crate) fn each(
    start: u64,
    size: u64,
    hole: Hole,
    mut call: impl FnMut(u64, u64) -> SysResult,
) -> SysResult {
    if !space::is_reserved(start, size) {
        return call(start, size);
    }
    if let Hole::Refused(errno) = hole {
        return Err(errno);
    }
    // The end wraps for no call: those that allow it have found the size wrong before.
    let end = start.saturating_add(size);
    let mut part = |at: u64, to: u64| match call(at, to - at) {
        Err(Errno::ENOMEM) if hole == Hole::Reported => Ok(0),
        result => result,
    };
    let mut at = start;
    for (from, to) in space::reserved().into_iter().filter(|r| r.0 < end && r.1 > start) {
        if at < from {
            part(at, from)?;
        }
        if hole == Hole::End {
            return Err(Errno::ENOMEM);
        }
        at = to;
    }
    if at < end {
        part(at, end)?;
    }
    if hole == Hole::Reported { Err(Errno::ENOMEM) } else { Ok(0) }
}

/// A call whose first arguments are the range, and whose others stay.
fn host(task: &mut Task, number: u32, a: [u64; 6], hole: Hole) -> SysResult {
    let start = a[0] & !(PAGE - 1);
    let end = a[0].checked_add(a[1]).and_then(memory::page_up);
    // What wraps, or lies beyond user space, the kernel refuses in its own words.
    let Some(end) = end.filter(|&end| space::is_emulators(start, end)) else {
        return host_call(task, number, &a);
    };
    // What is wrong with the other arguments comes first.
    host_call(task, number, &[a[0], 0, a[2], a[3], a[4], a[5]])?;
    each(start, end - start, hole, |at, size| host_call(task, number, &[at, size, a[2], a[3], a[4], a[5]]))
}

macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident = $number:ident, $hole:expr;)*) => { $(
        $(#[$doc])*
        ///
        /// # Errors
        /// The host's, and those of [`Hole`].
        pub(crate) fn $name(task: &mut Task, a: [u64; 6]) -> SysResult {
            host(task, $number, a, $hole)
        }
    )* };
}

calls! {
    /// msync(2).
    msync = __NR_msync, Hole::Reported;
    /// mlock(2).
    mlock = __NR_mlock, Hole::End;
    /// mlock2(2).
    mlock2 = __NR_mlock2, Hole::End;
    /// munlock(2).
    munlock = __NR_munlock, Hole::End;
    /// mbind(2).
    mbind = __NR_mbind, Hole::Refused(Errno::EFAULT);
    /// mseal(2).
    mseal = __NR_mseal, Hole::Refused(Errno::ENOMEM);
}

/// mincore(2).
///
/// # Errors
/// The host's, and those of [`Hole::End`].
pub(crate) fn mincore(task: &mut Task, a: [u64; 6]) -> SysResult {
    // A range that leaves user space the kernel refuses before it looks at the other arguments.
    let end = memory::page_up(a[1]).and_then(|size| a[0].checked_add(size));
    if end.is_none_or(|end| end > space::end()) {
        return host_call(task, __NR_mincore, &a);
    }
    host(task, __NR_mincore, a, Hole::End)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::space::{CODE_CACHE_SIZE, EMU_END, EMU_START, code_cache_base};
    use alloc::vec::Vec;

    /// The parts called for, and the result.
    fn parts(start: u64, end: u64, hole: Hole) -> (Vec<(u64, u64)>, SysResult) {
        let mut seen = Vec::new();
        let result = each(start, end - start, hole, |at, size| {
            seen.push((at, at + size));
            Ok(0)
        });
        (seen, result)
    }

    #[test]
    fn what_is_the_emulators_is_a_hole() {
        let (cache, cache_end) = (code_cache_base(), code_cache_base() + CODE_CACHE_SIZE);
        let last = anyarch_sys::GUEST_END;
        type Row<'a> = (u64, u64, &'a [(u64, u64)]);
        let rows: [Row<'_>; 8] = [
            (PAGE, 3 * PAGE, &[(PAGE, 3 * PAGE)]),
            (PAGE, cache + PAGE, &[(PAGE, cache)]),
            (cache, cache_end, &[]),
            (cache + PAGE, cache_end + PAGE, &[(cache_end, cache_end + PAGE)]),
            (PAGE, EMU_START + PAGE, &[(PAGE, cache), (cache_end, EMU_START)]),
            (PAGE, last, &[(PAGE, cache), (cache_end, EMU_START), (EMU_END, last)]),
            (EMU_START, EMU_END, &[]),
            (EMU_END - PAGE, last + PAGE, &[(EMU_END, last)]),
        ];
        for (start, end, want) in rows {
            let holes = start != PAGE || end != 3 * PAGE;
            assert_eq!(parts(start, end, Hole::Skipped), (want.to_vec(), Ok(0)), "{start:#x}");
            let result = if holes { Err(Errno::ENOMEM) } else { Ok(0) };
            assert_eq!(parts(start, end, Hole::Reported), (want.to_vec(), result), "{start:#x}");
            let until = want.iter().copied().take_while(|p| p.0 == start).collect();
            assert_eq!(parts(start, end, Hole::End), (until, result), "{start:#x}");
            let refused = if holes { (Vec::new(), Err(Errno::EFAULT)) } else { (want.to_vec(), Ok(0)) };
            assert_eq!(parts(start, end, Hole::Refused(Errno::EFAULT)), refused, "{start:#x}");
        }
    }
}

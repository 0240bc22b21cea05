//! Guest memory: the mmap family and brk.
//!
//! The guest's mappings are the host's at the same addresses, with one difference: memory that the
//! guest may execute is only readable for the host, since the host never runs it. Which ranges the
//! guest may execute is kept here ([`exec_ranges`]), for /proc/self/maps and for the engine, which
//! hears of every change before the call returns to the guest and drops its translations.
//!
//! Whether a file's pages may be executed at all (mounts without it, security modules) is the
//! host's to say: a file mapping is made executable for it first, and only readable right after.
//! Where files are mapped is kept for that, so that nothing else pays.
//!
//! Nothing the guest asks for may touch the emulator's own ranges ([`space::is_reserved`]).
//!
//! One lock covers a host call and the change of the set, so that both tell the same story. Lock
//! order: this lock, then the engine's (inside its reports).

mod narrow;
pub(crate) mod range;
pub mod space;

use crate::calls::dispatch::host_call;
use crate::calls::first_error;
use crate::calls::time;
use crate::calls::uring;
use crate::files::procfile;
use crate::memory::narrow::Narrow;
use crate::memory::range::Hole;
use crate::memory::space::PAGE;
use crate::task::{Task, limits};
use alloc::vec::Vec;
use anyarch_engine::ranges::RangeSet;
use anyarch_engine::run::code::{self, View};
use anyarch_sys::raw::general::*;
use anyarch_sys::{Errno, Mutex, MutexGuard, SysResult, args6, calls, mappings};
use core::sync::atomic::{AtomicBool, Ordering};

const EXEC: u64 = PROT_EXEC as u64;
const PROT_BITS: u64 = (PROT_READ | PROT_WRITE | PROT_EXEC) as u64;
/// MAP_32BIT and MAP_ABOVE4G exist on x86 only; other architectures ignore the bits.
const X86_MAP_FLAGS: u64 = 0x40 | 0x80;
/// Hint-less PROT_NONE reservations up to this size are taken for a program loader's that aligns a
/// library.
const SMALL_RESERVATION: u64 = 32 << 20;

/// What is kept about the guest's memory.
pub(crate) struct State {
    exec: RangeSet,
    /// Mappings of files.
    files: RangeSet,
    /// Attached System V shared memory: (address, size).
    shm: Vec<(u64, u64)>,
    brk_start: u64,
    brk: u64,
    /// The next library ends here at the latest (0: not begun).
    next_library: u64,
    /// What a child of fork may find gone or zero (`MADV_DONTFORK`, `MADV_WIPEONFORK`), and what
    /// was mapped there since.
    not_inherited: RangeSet,
    /// What is mapped of a guest whose addresses have 32 bits.
    narrow: Narrow,
    /// What [`bring_near`] has moved: (address, size).
    brought: Vec<(u64, u64)>,
}

static STATE: Mutex<State> = Mutex::new(State {
    exec: RangeSet::new(),
    files: RangeSet::new(),
    shm: Vec::new(),
    brk_start: 0,
    brk: 0,
    next_library: 0,
    not_inherited: RangeSet::new(),
    narrow: Narrow::new(),
    brought: Vec::new(),
});

/// Keeps this module's lock while it lives.
pub struct ForkGuard(#[allow(dead_code)] MutexGuard<'static, State>);

/// Held across a fork, so that the child does not find the lock held by a thread it does not have.
pub fn lock_for_fork() -> ForkGuard {
    ForkGuard(STATE.lock())
}

/// After a fork, in the child: code of memory that it has not inherited is none.
pub(crate) fn after_fork() {
    let state = STATE.lock();
    for &(start, end) in state.not_inherited.ranges() {
        state.changed(start, end);
    }
}

/// A copy of the ranges that the guest may execute.
pub(crate) fn exec_ranges() -> Vec<(u64, u64)> {
    STATE.lock().exec.ranges().to_vec()
}

/// Start and end of the heap.
pub(crate) fn brk_range() -> (u64, u64) {
    let state = STATE.lock();
    (state.brk_start, state.brk)
}

/// Sets where the heap begins; by the loader.
pub(crate) fn set_brk(start: u64) {
    let mut state = STATE.lock();
    (state.brk_start, state.brk) = (start, start);
}

/// A place for a library of `size` bytes aligned to `align` in the library window; by the loader.
pub(crate) fn library_place(size: u64, align: u64) -> u64 {
    let mut state = STATE.lock();
    let at = state.library_hint(size.saturating_add(align)) & !(align - 1);
    if at != 0 {
        state.next_library = at;
    }
    at
}

/// Moves what the host's kernel has mapped beyond a narrow guest's reach to where that has it;
/// returns the address.
///
/// # Errors
/// The host's, and `ENOMEM`.
pub(crate) fn bring_near(at: u64, len: u64) -> SysResult {
    let size = page_up(len).ok_or(Errno::ENOMEM)?;
    let mut state = STATE.lock();
    let to = state.narrow.place(size)?;
    let flags = MREMAP_MAYMOVE | MREMAP_FIXED;
    // SAFETY: a mapping that the kernel has just made for the guest goes to a free place.
    let got = unsafe { mappings::mremap(at, size, size, flags.into(), to) }?;
    state.occupied(got, got + size, true);
    state.brought.push((got, size));
    Ok(got)
}

/// What [`bring_near`] has moved is no longer mapped.
pub(crate) fn gone_near(at: u64) {
    let mut state = STATE.lock();
    if let Some(i) = state.brought.iter().position(|b| b.0 == at) {
        let (start, size) = state.brought.swap_remove(i);
        state.occupied(start, start + size, false);
    }
}

/// The stack of a narrow guest is [start, end).
pub(crate) fn set_narrow_stack(start: u64, end: u64) {
    STATE.lock().narrow.set_stack(start, end);
}

/// The stack that ends at `top` is executable (PT_GNU_STACK): as far as it may grow by default.
pub(crate) fn note_exec_stack(top: u64) {
    let end = top & !(PAGE - 1);
    STATE.lock().protected(end - (8 << 20), end + (1 << 20), PROT_EXEC as u64);
}

pub(crate) fn page_up(n: u64) -> Option<u64> {
    Some(n.checked_add(PAGE - 1)? & !(PAGE - 1))
}

/// The host's protection for the guest's: executable becomes readable.
fn host_prot(prot: u64) -> u64 {
    if prot & PROT_EXEC as u64 != 0 { prot & !(PROT_EXEC as u64) | PROT_READ as u64 } else { prot }
}

impl State {
    /// [start, end) now has protection `prot`, with contents that may be new.
    fn protected(&mut self, start: u64, end: u64, prot: u64) {
        if prot & PROT_EXEC as u64 != 0 {
            self.exec.insert(start, end);
            code::mapped_exec(start, end);
        } else {
            self.unmapped(start, end);
        }
    }

    /// [start, end) is gone or no longer executable.
    fn unmapped(&mut self, start: u64, end: u64) {
        if self.exec.remove(start, end) {
            code::unmapped_exec(start, end);
        }
    }

    /// [start, end) in pieces of which each is of file mappings throughout or of none: (start, end,
    /// file).
    fn pieces(&self, start: u64, end: u64) -> Vec<(u64, u64, bool)> {
        let mut pieces = Vec::new();
        let mut at = start;
        for &(from, to) in self.files.ranges().iter().filter(|r| r.0 < end && r.1 > start) {
            let (from, to) = (from.max(start), to.min(end));
            pieces.extend([(at, from, false), (from, to, true)]);
            at = to;
        }
        pieces.push((at, end, false));
        pieces.retain(|piece| piece.0 < piece.1);
        pieces
    }

    /// The contents of [start, end) changed.
    fn changed(&self, start: u64, end: u64) {
        if self.exec.overlaps(start, end) {
            code::invalidate(start, end);
        }
    }

    /// [start, end) is mapped now, or no longer.
    fn occupied(&mut self, start: u64, end: u64, is: bool) {
        if space::is_narrow() {
            self.narrow.occupied(start, end, is);
        }
    }

    /// Makes a call of mremap(2) of a narrow guest, whose mapping goes to no fixed address: `remap`
    /// is given the flags and the address.
    fn remap_narrow(
        &mut self,
        (old, old_len, old_size): (u64, u64, u64),
        new_size: u64,
        flags: u64,
        remap: impl Fn(u64, u64) -> SysResult,
    ) -> SysResult {
        const MAY_MOVE: u64 = MREMAP_MAYMOVE as u64;
        const DONTUNMAP: u64 = 4;
        let (end, grows) = (old + old_size, new_size.saturating_sub(old_size));
        // The host's kernel does not know where the guest's memory ends, nor the stack's guard.
        let stays = old_len != 0 && flags & DONTUNMAP == 0 && (grows == 0 || self.narrow.is_free(end, grows));
        if flags & MAY_MOVE == 0 {
            return if stays || old_len == 0 { remap(flags, 0) } else { Err(Errno::ENOMEM) };
        }
        if stays {
            match remap(flags & !MAY_MOVE, 0) {
                Err(Errno::ENOMEM) => {}
                result => return result,
            }
        }
        remap(flags | MREMAP_FIXED as u64, self.narrow.place(new_size)?)
    }

    /// An address to propose for `len` bytes in the library window, or 0.
    fn library_hint(&mut self, len: u64) -> u64 {
        if space::is_narrow() {
            return self.narrow.place(len).unwrap_or(0);
        }
        let top = space::code_cache_base();
        let bottom = top - space::LIBRARY_WINDOW;
        if len > space::LIBRARY_WINDOW / 4 {
            return 0;
        }
        if self.next_library < bottom + len || self.next_library > top {
            self.next_library = top;
        }
        self.next_library -= len;
        self.next_library
    }
}

/// mmap(2).
///
/// # Errors
/// See [`do_mmap`].
pub fn mmap(_: &mut Task, a: [u64; 6]) -> SysResult {
    first_error::mmap(a)?;
    let file = a[3] & MAP_ANONYMOUS as u64 == 0;
    if file {
        procfile::refuse_mmap(a[4] as i32)?;
    }
    let at = do_mmap(a[0], a[1], a[2], a[3], a[4] as i32, a[5])?;
    if file {
        uring::mapped(a[4] as i32, a[5], at);
    }
    Ok(at)
}

/// munmap(2).
///
/// # Errors
/// See [`do_munmap`].
pub fn munmap(_: &mut Task, a: [u64; 6]) -> SysResult {
    do_munmap(a[0], a[1])
}

/// mprotect(2).
///
/// # Errors
/// See [`do_mprotect`].
pub(crate) fn mprotect(_: &mut Task, a: [u64; 6]) -> SysResult {
    first_error::mprotect(a[0], a[1], a[2])?;
    do_mprotect(a[0], a[1], a[2])
}

/// pkey_mprotect(2).
///
/// # Errors
/// See [`do_pkey_mprotect`].
pub(crate) fn pkey_mprotect(_: &mut Task, a: [u64; 6]) -> SysResult {
    do_pkey_mprotect(a[0], a[1], a[2], a[3] as i32)
}

/// mremap(2).
///
/// # Errors
/// See [`do_mremap`].
pub fn mremap(_: &mut Task, a: [u64; 6]) -> SysResult {
    do_mremap(a[0], first_error::mremap(a)?, a[2], a[3], a[4])
}

/// madvise(2).
///
/// # Errors
/// See [`do_madvise`].
pub(crate) fn madvise(_: &mut Task, a: [u64; 6]) -> SysResult {
    first_error::madvise(a[0], a[1], a[2])?;
    if a[1] == 0 {
        return Ok(0);
    }
    do_madvise(a[0], a[1], a[2])
}

/// remap_file_pages(2).
///
/// # Errors
/// See [`do_remap_file_pages`].
pub(crate) fn remap_file_pages(_: &mut Task, a: [u64; 6]) -> SysResult {
    do_remap_file_pages(a[0], a[1], a[2], a[3], a[4])
}

/// shmat(2).
///
/// # Errors
/// See [`do_shmat`].
pub(crate) fn shmat(_: &mut Task, a: [u64; 6]) -> SysResult {
    first_error::shmat(a[0], a[1], a[2])?;
    do_shmat(a[0] as i32, a[1], a[2])
}

/// shmdt(2).
///
/// # Errors
/// See [`do_shmdt`].
pub(crate) fn shmdt(_: &mut Task, a: [u64; 6]) -> SysResult {
    do_shmdt(a[0])
}

/// brk(2).
///
/// # Errors
/// Never: the result tells.
pub fn brk(_: &mut Task, a: [u64; 6]) -> SysResult {
    Ok(do_brk(a[0]))
}

/// Bytes of the pages that a mapping with these flags has: MAP_HUGETLB says which, or means those of
/// most hosts. Sizes that x86-64 and arm64 do not have beside pages of 4 KiB count as none: the kernel
/// refuses them.
fn huge_page(flags: u64) -> u64 {
    const DEFAULT: u32 = 21;
    const HUGE_MASK: u64 = 0x3f;
    if flags & MAP_HUGETLB as u64 == 0 {
        return PAGE;
    }
    match (flags >> MAP_HUGE_SHIFT & HUGE_MASK) as u32 {
        0 => 1 << DEFAULT,
        shift @ (16 | 21 | 25 | 30) => 1 << shift,
        _ => PAGE,
    }
}

/// mmap(2).
///
/// # Errors
/// The host's; for a fixed place that is the emulator's `ENOMEM`, or `EEXIST` if nothing is to be
/// replaced.
pub(crate) fn do_mmap(addr: u64, len: u64, prot: u64, flags: u64, fd: i32, offset: u64) -> SysResult {
    let flags = flags & !X86_MAP_FLAGS;
    let anonymous = flags & MAP_ANONYMOUS as u64 != 0;
    // The kernel looks at the descriptor before the addresses.
    let invalid = || {
        if anonymous || calls::is_open(fd) { Errno::EINVAL } else { Errno::EBADF }
    };
    if !offset.is_multiple_of(PAGE) {
        return Err(Errno::EINVAL);
    }
    if len == 0 {
        return Err(invalid());
    }
    let size = page_up(len).and_then(|size| size.checked_next_multiple_of(huge_page(flags)));
    let size = size.filter(|&size| size <= space::end()).ok_or(Errno::ENOMEM)?;
    let fixed = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE) as u64 != 0;
    let mut flags = flags;
    let mut at = addr;
    if fixed {
        if !addr.is_multiple_of(PAGE) {
            return Err(invalid());
        }
        if space::is_reserved(addr, size) {
            let within = addr.checked_add(size).is_some_and(|end| end <= space::end());
            let keep = within && flags & MAP_FIXED_NOREPLACE as u64 != 0;
            return Err(if keep { Errno::EEXIST } else { Errno::ENOMEM });
        }
        time::replaced(addr, addr + size);
    } else if space::is_reserved(addr & !(PAGE - 1), size) {
        at = 0;
    }
    let private = flags & MAP_TYPE as u64 == MAP_PRIVATE as u64;
    let implied = implied_exec(prot);
    let mut state = STATE.lock();
    if space::is_narrow() {
        if !fixed {
            let huge = huge_page(flags);
            at = page_up(at)
                .filter(|&at| at != 0 && huge == PAGE && state.narrow.is_free(at, size))
                .map_or_else(|| state.narrow.place_aligned(size, huge), Ok)?;
            // That type knows its own flags only. The place is free, so the kernel takes the hint.
            if flags & MAP_TYPE as u64 != MAP_SHARED_VALIDATE as u64 {
                flags |= MAP_FIXED_NOREPLACE as u64;
            }
        }
    } else if at == 0
        && !fixed
        && private
        && (!anonymous || prot & PROT_BITS == 0 && size <= SMALL_RESERVATION)
    {
        at = state.library_hint(size);
    }
    let map = |prot: u64| {
        // SAFETY: the range asked for is not the emulator's; without a fixed address the kernel
        // replaces nothing.
        unsafe { mappings::mmap(at, len, prot, flags, fd, offset) }
    };
    let map_as_asked = |map: &dyn Fn(u64) -> SysResult| match anonymous || prot & EXEC == 0 && !implied {
        true if implied => Ok((map(host_prot(prot))?, prot | EXEC)),
        true => Ok((map(host_prot(prot))?, prot)),
        false => map_exec(prot, implied, map),
    };
    let asked = map_as_asked(&map);
    // Some files let nobody but the kernel choose the place (io_uring's).
    let refused = matches!(asked, Err(Errno::EINVAL)) && !anonymous && !fixed && addr == 0;
    let (got, prot) = match anyarch_sys::arch::MAP_LOW {
        Some(low) if refused && space::is_narrow() => map_as_asked(&|prot| {
            let flags = flags & !(MAP_FIXED_NOREPLACE as u64) | low as u64;
            // SAFETY: the kernel replaces nothing.
            unsafe { mappings::mmap(0, len, prot, flags, fd, offset) }
        })?,
        _ => asked?,
    };
    if got >= space::end() {
        // SAFETY: what was just mapped.
        let _ = unsafe { mappings::munmap(got, len) };
        return Err(Errno::ENOMEM);
    }
    let end = got + size;
    if fixed && flags & MAP_FIXED as u64 == 0 && got != at {
        // A kernel before 4.17, which takes the address for a hint.
        // SAFETY: what was just mapped.
        let _ = unsafe { mappings::munmap(got, len) };
        return Err(Errno::EEXIST);
    }
    if !anonymous && prot & EXEC != 0 {
        // SAFETY: what was just mapped.
        unsafe { mappings::mprotect(got, len, host_prot(prot)) }?;
    }
    let view = (!private || !anonymous).then_some(View { offset, shared: !private });
    if fixed || view.is_some() {
        code::viewed(got, end, view);
    }
    state.protected(got, end, prot);
    state.occupied(got, end, true);
    if anonymous {
        state.files.remove(got, end);
    } else {
        state.files.insert(got, end);
    }
    Ok(got)
}

/// Maps a file by `map`, which is given a protection, so that the host says whether it may be
/// executed; returns the address and the guest's protection. What is only `implied` by the
/// personality goes without where it is forbidden.
fn map_exec(prot: u64, implied: bool, map: &dyn Fn(u64) -> SysResult) -> Result<(u64, u64), Errno> {
    match map(host_prot(prot) | EXEC) {
        Ok(at) => Ok((at, prot | EXEC)),
        Err(Errno::EPERM) if implied && prot & EXEC == 0 => Ok((map(prot)?, prot)),
        Err(e) => Err(e),
    }
}

/// munmap(2).
///
/// # Errors
/// The host's. The emulator's memory is skipped as if nothing were there.
pub(crate) fn do_munmap(addr: u64, len: u64) -> SysResult {
    if len == 0 || !addr.is_multiple_of(PAGE) {
        return Err(Errno::EINVAL);
    }
    let size = page_up(len).ok_or(Errno::EINVAL)?;
    if addr.checked_add(size).is_none_or(|end| end > space::end()) {
        return Err(Errno::EINVAL);
    }
    range::each(addr, size, Hole::Skipped, |addr, size| {
        time::replaced(addr, addr + size);
        let mut state = STATE.lock();
        // SAFETY: the range is not the emulator's.
        let result = unsafe { mappings::munmap(addr, size) }?;
        code::viewed(addr, addr + size, None);
        state.unmapped(addr, addr + size);
        state.files.remove(addr, addr + size);
        state.occupied(addr, addr + size, false);
        Ok(result)
    })
}

/// mprotect(2).
///
/// # Errors
/// The host's; `ENOMEM` for the emulator's memory, once what lies before it is changed.
pub(crate) fn do_mprotect(addr: u64, len: u64, prot: u64) -> SysResult {
    if !addr.is_multiple_of(PAGE) {
        return Err(Errno::EINVAL);
    }
    if len == 0 {
        return Ok(0);
    }
    let size = page_up(len).filter(|size| addr.checked_add(*size).is_some()).ok_or(Errno::ENOMEM)?;
    range::each(addr, size, Hole::End, |addr, size| {
        time::replaced(addr, addr + size);
        protect_guest(addr, addr + size, prot)
    })
}

/// mprotect(2) of [addr, end), which is the guest's.
fn protect_guest(addr: u64, end: u64, prot: u64) -> SysResult {
    let mut state = STATE.lock();
    let implied = implied_exec(prot);
    if prot & EXEC == 0 && !implied || !state.files.overlaps(addr, end) {
        protect(addr, end, host_prot(prot))?;
        state.protected(addr, end, if implied { prot | EXEC } else { prot });
        return Ok(0);
    }
    for (from, to, file) in state.pieces(addr, end) {
        let mut prot = if implied { prot | EXEC } else { prot };
        if file && let Err(e) = protect(from, to, host_prot(prot) | EXEC) {
            if e != Errno::EACCES || !implied {
                return Err(e);
            }
            prot &= !EXEC;
        }
        protect(from, to, host_prot(prot))?;
        state.protected(from, to, prot);
    }
    Ok(0)
}

/// The host's mprotect of [from, to), which is not the emulator's.
fn protect(from: u64, to: u64, prot: u64) -> SysResult {
    // SAFETY: by the callers.
    unsafe { mappings::mprotect(from, to - from, prot) }
}

/// Whether the personality makes executable what is readable (READ_IMPLIES_EXEC). The host's has
/// the bit never: no execve to a 64-bit program of x86 keeps it.
static READ_IMPLIES_EXEC: AtomicBool = AtomicBool::new(false);

/// Whether the personality has READ_IMPLIES_EXEC.
pub(crate) fn read_implies_exec() -> bool {
    READ_IMPLIES_EXEC.load(Ordering::Relaxed)
}

/// Sets READ_IMPLIES_EXEC in a new program's personality.
pub(crate) fn set_read_implies_exec() {
    READ_IMPLIES_EXEC.store(true, Ordering::Relaxed);
}

fn implied_exec(prot: u64) -> bool {
    prot & EXEC == 0 && prot & PROT_READ as u64 != 0 && read_implies_exec()
}

/// personality(2).
pub fn personality(task: &mut Task, args: [u64; 6]) -> SysResult {
    const BIT: u64 = 0x040_0000;
    const ASK: u64 = 0xffff_ffff;
    let new = args[0] & ASK;
    let bit = if read_implies_exec() { BIT } else { 0 };
    let old = host_call(task, __NR_personality, &args6(&[if new == ASK { ASK } else { new & !BIT }]))?;
    if new != ASK {
        READ_IMPLIES_EXEC.store(new & BIT != 0, Ordering::Relaxed);
    }
    Ok(old | bit)
}

/// pkey_mprotect(2): only without a key, since guests are offered none.
///
/// # Errors
/// As [`do_mprotect`]; `EINVAL` for any key.
pub(crate) fn do_pkey_mprotect(addr: u64, len: u64, prot: u64, pkey: i32) -> SysResult {
    if pkey == -1 { do_mprotect(addr, len, prot) } else { Err(Errno::EINVAL) }
}

/// mremap(2).
///
/// # Errors
/// The host's; for the emulator's memory `EFAULT`, but for a part that is to be cut off; `ENOMEM`
/// for a place there.
pub(crate) fn do_mremap(old: u64, old_len: u64, new_len: u64, flags: u64, new: u64) -> SysResult {
    const FIXED: u64 = MREMAP_FIXED as u64;
    const DONTUNMAP: u64 = 4;
    if !old.is_multiple_of(PAGE) {
        return Err(Errno::EINVAL);
    }
    let (old_size, new_size) =
        (page_up(old_len).ok_or(Errno::EINVAL)?, page_up(new_len).ok_or(Errno::EINVAL)?);
    if flags & FIXED != 0 && space::is_reserved(new, new_size) {
        let within = new.checked_add(new_size).is_some_and(|end| end <= space::end());
        return Err(if within { Errno::ENOMEM } else { Errno::EINVAL });
    }
    if space::is_reserved(old, old_size.max(1)) {
        if new_len == 0 || flags & FIXED != 0 && new < old.saturating_add(old_size) && new + new_size > old {
            return Err(Errno::EINVAL);
        }
        if old_len <= new_len || space::is_reserved(old, new_size) {
            return Err(Errno::EFAULT);
        }
        // What is cut off is unmapped, whatever it is.
        let got = do_mremap(old, new_len, new_len, flags, new)?;
        do_munmap(old + new_size, old_size - new_size)?;
        return Ok(got);
    }
    time::replaced(old, old + old_size);
    if flags & FIXED != 0 {
        time::replaced(new, new + new_size);
    }
    let mut state = STATE.lock();
    let was_exec = state.exec.overlaps(old, old + old_size.max(1));
    let was_file = state.files.overlaps(old, old + old_size.max(1));
    let remap = |flags: u64, new: u64| {
        // SAFETY: neither range is the emulator's; without a fixed address, or with one that is
        // free, the kernel replaces nothing.
        unsafe { mappings::mremap(old, old_len, new_len, flags, new) }
    };
    let got = if space::is_narrow() && flags & FIXED == 0 {
        state.remap_narrow((old, old_len, old_size), new_size, flags, remap)?
    } else {
        remap(flags, new)?
    };
    if old_len != 0 && flags & DONTUNMAP == 0 {
        state.occupied(old, old + old_size, false);
    }
    state.occupied(got, got + new_size, true);
    code::moved(old, old_size, got, new_size, old_len == 0 || flags & DONTUNMAP != 0);
    // old_len 0 makes a second mapping of shared pages and leaves the first alone.
    if old_len != 0 {
        if got != old && flags & DONTUNMAP == 0 {
            state.unmapped(old, old + old_size);
        } else if got != old {
            state.changed(old, old + old_size);
        } else if new_size < old_size {
            state.unmapped(old + new_size, old + old_size);
        }
    }
    if got != old || new_size > old_size {
        state.protected(got, got + new_size, if was_exec { PROT_EXEC as u64 } else { 0 });
        if was_file {
            state.files.insert(got, got + new_size);
        } else {
            state.files.remove(got, got + new_size);
        }
    }
    Ok(got)
}

/// madvise(2).
///
/// # Errors
/// The host's; `ENOMEM` for the emulator's memory, once the advice is taken for the rest.
pub(crate) fn do_madvise(addr: u64, len: u64, advice: u64) -> SysResult {
    let size = page_up(len).ok_or(Errno::EINVAL)?;
    if addr & 4095 != 0 || addr.checked_add(size).is_none() {
        return Err(Errno::EINVAL);
    }
    range::each(addr, size, Hole::Reported, |addr, size| {
        let mut state = STATE.lock();
        // SAFETY: the range is not the emulator's.
        let result = unsafe { mappings::madvise(addr, size, advice) }?;
        match advice as u32 {
            MADV_DONTNEED | MADV_REMOVE | MADV_FREE | MADV_DONTNEED_LOCKED => {
                state.changed(addr, addr + size);
            }
            MADV_DONTFORK | MADV_WIPEONFORK => state.not_inherited.insert(addr, addr + size),
            _ => {}
        }
        Ok(result)
    })
}

/// remap_file_pages(2).
///
/// # Errors
/// The host's; `EINVAL` for the emulator's memory.
pub(crate) fn do_remap_file_pages(addr: u64, len: u64, prot: u64, page_offset: u64, flags: u64) -> SysResult {
    let size = page_up(len).ok_or(Errno::EINVAL)?;
    if space::is_reserved(addr, size) {
        return Err(Errno::EINVAL);
    }
    let state = STATE.lock();
    // SAFETY: the range is not the emulator's.
    let result = unsafe { mappings::remap_file_pages(addr, len, prot, page_offset, flags) }?;
    let view = View { offset: page_offset.wrapping_mul(PAGE), shared: true };
    code::viewed(addr & !(PAGE - 1), addr + size, Some(view));
    state.changed(addr & !(PAGE - 1), addr + size);
    Ok(result)
}

/// shmat(2).
///
/// # Errors
/// The host's; `EINVAL` for the emulator's memory.
pub(crate) fn do_shmat(id: i32, addr: u64, flags: u64) -> SysResult {
    const SHM_EXEC: u64 = 0o100000;
    let host_flags = flags & !SHM_EXEC;
    let flags = if implied_exec(PROT_READ as u64) { flags | SHM_EXEC } else { flags };
    let size = page_up(mappings::shm_size(id)?).ok_or(Errno::EINVAL)?;
    if addr != 0 && space::is_reserved(addr & !(PAGE - 1), size) {
        return Err(Errno::EINVAL);
    }
    time::replaced(addr, addr.saturating_add(size));
    let mut state = STATE.lock();
    let addr = if addr == 0 && space::is_narrow() { state.narrow.place(size)? } else { addr };
    // SAFETY: the place is not the emulator's.
    let got = unsafe { mappings::shmat(id, addr, host_flags) }?;
    state.occupied(got, got + size, true);
    code::viewed(got, got + size, Some(View { offset: 0, shared: true }));
    state.protected(got, got + size, if flags & SHM_EXEC != 0 { PROT_EXEC as u64 } else { 0 });
    state.shm.push((got, size));
    Ok(got)
}

/// shmdt(2).
///
/// # Errors
/// The host's; `EINVAL` for the emulator's memory.
pub(crate) fn do_shmdt(addr: u64) -> SysResult {
    if space::is_reserved(addr, 1) {
        return Err(Errno::EINVAL);
    }
    let mut state = STATE.lock();
    // SAFETY: detaches a segment that is not the emulator's, which attaches none.
    let result = unsafe { mappings::shmdt(addr) }?;
    if let Some(i) = state.shm.iter().position(|s| s.0 == addr) {
        let (start, size) = state.shm.swap_remove(i);
        code::viewed(start, start + size, None);
        state.unmapped(start, start + size);
        state.occupied(start, start + size, false);
    }
    Ok(result)
}

/// brk(2): the new break, or the old one if it cannot be moved there. The kernel's own break is the
/// emulator's and never used.
pub(crate) fn do_brk(addr: u64) -> u64 {
    let mut state = STATE.lock();
    if addr < state.brk_start {
        return state.brk;
    }
    let (Some(old), Some(new)) = (page_up(state.brk), page_up(addr)) else { return state.brk };
    // The heap alone, whatever else there is: with a limit of 0 too, at which mmap looks elsewhere.
    if limits::of_data().is_some_and(|limit| addr - state.brk_start > limit) {
        return state.brk;
    }
    if new > old {
        if space::is_reserved(old, new - old) || space::is_narrow() && !state.narrow.is_free(old, new - old) {
            return state.brk;
        }
        let flags = (MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE) as u64;
        // SAFETY: maps free memory only.
        match unsafe { mappings::mmap(old, new - old, (PROT_READ | PROT_WRITE) as u64, flags, -1, 0) } {
            Ok(at) if at == old => {
                state.occupied(old, new, true);
                if implied_exec(PROT_READ as u64) {
                    state.protected(old, new, EXEC);
                }
            }
            Ok(at) => {
                // SAFETY: what was just mapped.
                let _ = unsafe { mappings::munmap(at, new - old) };
                return state.brk;
            }
            Err(_) => return state.brk,
        }
    } else if new < old {
        // SAFETY: the heap is the guest's.
        if unsafe { mappings::munmap(new, old - new) }.is_err() {
            return state.brk;
        }
        state.unmapped(new, old);
        state.occupied(new, old, false);
    }
    state.brk = addr;
    addr
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the guest may execute the byte at `addr`.
    fn is_exec(addr: u64) -> bool {
        exec_ranges().iter().any(|&(start, end)| (start..end).contains(&addr))
    }

    #[test]
    fn exec_is_not_given_to_the_host_but_remembered() {
        let flags = (MAP_PRIVATE | MAP_ANONYMOUS) as u64;
        let at = do_mmap(0, 3 * PAGE, 5, flags, -1, 0).unwrap();
        assert!(is_exec(at) && is_exec(at + 3 * PAGE - 1));
        do_mprotect(at + PAGE, PAGE, 3).unwrap();
        assert!(is_exec(at) && !is_exec(at + PAGE) && is_exec(at + 2 * PAGE));
        do_mmap(at, PAGE, 1, flags | MAP_FIXED as u64, -1, 0).unwrap();
        assert!(!is_exec(at));
        do_munmap(at, 3 * PAGE).unwrap();
        assert!(!is_exec(at + 2 * PAGE));
        let rows: [(SysResult, Errno); 8] = [
            (do_mmap(0, 0, 1, flags, -1, 0), Errno::EINVAL),
            (do_mmap(0, u64::MAX, 1, flags, -1, 0), Errno::ENOMEM),
            (do_mmap(space::EMU_START, PAGE, 1, flags | MAP_FIXED as u64, -1, 0), Errno::ENOMEM),
            (do_munmap(anyarch_sys::GUEST_END, PAGE), Errno::EINVAL),
            (do_munmap(1, PAGE), Errno::EINVAL),
            (do_mprotect(space::code_cache_base(), PAGE, 1), Errno::ENOMEM),
            (do_mremap(at, PAGE, PAGE, 3, space::EMU_START), Errno::ENOMEM),
            (do_shmdt(space::EMU_START), Errno::EINVAL),
        ];
        for (i, (got, want)) in rows.into_iter().enumerate() {
            assert_eq!(got, Err(want), "row {i}");
        }
    }

    #[test]
    fn heap_moves() {
        let start = 0x10_0000_0800;
        set_brk(start);
        assert_eq!(do_brk(0), start);
        assert_eq!(do_brk(start + 0x10000), start + 0x10000);
        // SAFETY: the heap was just mapped.
        unsafe { ((start + 0xffff) as *mut u8).write(1) };
        assert_eq!(do_brk(start - 1), start + 0x10000);
        assert_eq!(do_brk(start), start);
        assert_eq!(do_brk(space::EMU_START), start);
    }
}

//! Where things lie in the address space that guest and emulator share.
//!
//! Guest address = host address. Two ranges are the emulator's own: its image and heap at
//! [`EMU_START`], and the code cache. The code cache sits in the middle of what it translates:
//! shared libraries below it, position-independent programs above it, all within reach of a 32-bit
//! displacement, so that generated code names guest addresses relative to its own. The place itself
//! is random for every program.
//!
//! ```text
//! A - 1.25 GiB .. A     private file mappings without an address of the guest's choice (shared libraries), downwards
//! A .. A + 512 MiB      the code cache
//! A + 512 MiB ..        position-independent program, then the heap (brk) with room to grow
//! ```
//!
//! Of a guest whose addresses have 32 bits ([`Narrow`]) all memory lies below 4 GiB, where nothing
//! is the emulator's, in the order in which the kernel lays it out (mm/util.c):
//!
//! ```text
//! program without another place, its heap   where the program says
//! two thirds of the space                   position-independent program, then the heap
//! .. B                                      mappings without an address of the guest's choice, downwards
//! B ..                                      room for the stack, which ends below what the architecture has there
//! ```
//!
//! Where the stack has no limit, or the personality asks for it (ADDR_COMPAT_LAYOUT), there is no
//! B: mappings go upwards from a quarter of the space (mmap_is_legacy).

use core::sync::atomic::{AtomicU64, Ordering};

/// Pages of the guest and of the host.
pub const PAGE: u64 = 4096;
/// The emulator's image, stack and heap: the host's affair.
pub use anyarch_sys::arch::EMU_START;
/// End of the emulator's range.
pub(crate) const EMU_END: u64 = EMU_START + (1 << 40);
/// Bytes set apart for the engine's code cache.
pub const CODE_CACHE_SIZE: u64 = 512 << 20;
/// Libraries are placed in this many bytes below the code cache.
pub(crate) const LIBRARY_WINDOW: u64 = 1280 << 20;
/// The base A lies at this address plus a random number of pages.
const BASE_START: u64 = anyarch_sys::arch::PROGRAMS_START;
/// Random pages of the base (28 bits, as the kernel's mmap randomisation).
const BASE_RANDOM_PAGES: u64 = 1 << 28;
/// Random pages between the code cache and a position-independent program.
const PIE_RANDOM_PAGES: u64 = 1 << 13;

/// An address space of 32 bits.
#[derive(Clone, Copy, Debug)]
pub struct Narrow {
    /// Its end (TASK_SIZE).
    pub end: u64,
    /// Where the stack ends at the latest (STACK_TOP).
    pub stack_top: u64,
    /// Random pages below that, and of every other place.
    pub random_pages: u64,
}

/// The lowest address that is proposed for a mapping: vm.mmap_min_addr as distributions have it.
pub(crate) const LOWEST: u64 = 0x1_0000;
/// The kernel keeps this free below a stack (stack_guard_gap).
pub(super) const STACK_GUARD: u64 = 256 * PAGE;

/// End of the guest's address space.
static END: AtomicU64 = AtomicU64::new(anyarch_sys::GUEST_END);
/// Where the stack of a narrow guest ends.
static STACK_TOP: AtomicU64 = AtomicU64::new(0);
/// Where mappings of a narrow guest end, if they go downwards.
static MAPPINGS_END: AtomicU64 = AtomicU64::new(0);
/// Where they begin, if they go upwards.
static MAPPINGS_START: AtomicU64 = AtomicU64::new(0);

static BASE: AtomicU64 = AtomicU64::new(BASE_START);
static PIE: AtomicU64 = AtomicU64::new(BASE_START + CODE_CACHE_SIZE);

/// Chooses the places from `random` (0: the fixed places, for ADDR_NO_RANDOMIZE). Called once,
/// before anything is mapped.
pub fn init(random: u64) {
    let base = BASE_START + random % BASE_RANDOM_PAGES * PAGE;
    let pie = base + CODE_CACHE_SIZE + (random >> 40) % PIE_RANDOM_PAGES * PAGE;
    BASE.store(base, Ordering::Relaxed);
    PIE.store(pie, Ordering::Relaxed);
}

/// Chooses the places below 4 GiB, for a stack that may have `stack` bytes (`u64::MAX` is no
/// limit); `upwards`: mappings go upwards whatever it may have. After [`init`].
pub(crate) fn init_narrow(space: &Narrow, random: u64, stack: u64, upwards: bool) {
    const GAP_MIN: u64 = 128 << 20;
    let pages = |shift: u32| (random >> shift) % space.random_pages * PAGE;
    let slack = if random == 0 { 0 } else { space.random_pages * PAGE };
    let gap = stack.saturating_add(STACK_GUARD + slack).clamp(GAP_MIN, space.end / 6 * 5);
    END.store(space.end, Ordering::Relaxed);
    STACK_TOP.store(space.stack_top - pages(0), Ordering::Relaxed);
    let (upwards, quarter) = (upwards || stack == u64::MAX, (space.end / 4).next_multiple_of(PAGE));
    let end = (space.stack_top - gap - pages(16)) & !(PAGE - 1);
    MAPPINGS_END.store(if upwards { 0 } else { end }, Ordering::Relaxed);
    // Beyond their end they go upwards too, from the same place always.
    MAPPINGS_START.store(quarter + if upwards { pages(16) } else { 0 }, Ordering::Relaxed);
    PIE.store(((space.end / 3 * 2) & !(PAGE - 1)) + pages(40), Ordering::Relaxed);
}

/// End of the guest's address space.
pub fn end() -> u64 {
    END.load(Ordering::Relaxed)
}

/// Whether the guest's addresses have 32 bits.
pub(crate) fn is_narrow() -> bool {
    end() <= 1 << 32
}

/// Of a narrow guest: where the stack ends, and the lowest address that it may grow to if it may
/// have so many bytes.
pub fn stack(bytes: u64) -> (u64, u64) {
    let top = STACK_TOP.load(Ordering::Relaxed);
    let room = top - mappings_end().max(mappings_start()) - STACK_GUARD;
    (top, (top - bytes.min(room)) & !(PAGE - 1))
}

/// Of a narrow guest: where mappings without an address of its choice end, if they go downwards;
/// else 0.
pub(crate) fn mappings_end() -> u64 {
    MAPPINGS_END.load(Ordering::Relaxed)
}

/// Of a narrow guest: where those begin that go upwards.
pub fn mappings_start() -> u64 {
    MAPPINGS_START.load(Ordering::Relaxed)
}

/// Start of the code cache; it is [`CODE_CACHE_SIZE`] long. Nothing is mapped there until the
/// engine does.
pub(crate) fn code_cache_base() -> u64 {
    BASE.load(Ordering::Relaxed)
}

/// Where a position-independent program goes.
pub(crate) fn pie_base() -> u64 {
    PIE.load(Ordering::Relaxed)
}

/// What is not the guest's, ascending: the code cache, the emulator's image and heap, and what lies
/// beyond user space. (Of a narrow guest all of them are beyond.)
pub fn reserved() -> [(u64, u64); 3] {
    let (cache, end) = (code_cache_base(), end());
    if end <= cache {
        return [(end, u64::MAX); 3];
    }
    [(cache, cache + CODE_CACHE_SIZE), (EMU_START, EMU_END), (end, u64::MAX)]
}

/// Whether [start, end) touches a range of the emulator's own.
pub fn is_emulators(start: u64, end: u64) -> bool {
    reserved()[..2].iter().any(|&(from, to)| start < to && end > from)
}

/// Whether [start, start + len) touches a range of the emulator's own or leaves user space.
pub(crate) fn is_reserved(start: u64, len: u64) -> bool {
    let Some(end) = start.checked_add(len) else { return true };
    reserved().iter().any(|&(from, to)| start < to && end > from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_ranges() {
        let cache = code_cache_base();
        let rows = [
            (0x400000, 0x1000, false),
            (EMU_START - 0x1000, 0x1000, false),
            (EMU_START - 0x1000, 0x1001, true),
            (EMU_END - 1, 1, true),
            (EMU_END, 0x1000, false),
            (cache, 1, true),
            (cache - 0x1000, 0x1000, false),
            (cache + CODE_CACHE_SIZE, 0x1000, false),
            (0, u64::MAX, true),
            (u64::MAX, 2, true),
            (anyarch_sys::GUEST_END, 0, false),
            (anyarch_sys::GUEST_END, 1, true),
        ];
        for (start, len, want) in rows {
            assert_eq!(is_reserved(start, len), want, "{start:#x}+{len:#x}");
        }
    }
}

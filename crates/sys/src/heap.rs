//! The emulator's heap: a global allocator without libc and without thread-local storage.
//!
//! Blocks come in size classes, four to a power of two, each with a free list; what no list has is
//! cut off the end of an arena that grows upwards from [`ARENA`] and never shrinks (the pages of
//! large free blocks go back to the kernel). One futex lock guards it all. Whoever forks holds the
//! lock across the fork ([`lock_for_fork`]), so that the child, which has only the forking thread,
//! never finds it held by a thread that is gone. A signal handler must not allocate.

use crate::arch::EMU_START;
use crate::raw::general::__NR_madvise;
use crate::{Mutex, MutexGuard, footprint};
use crate::{args6, raw_syscall};
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicU64, Ordering};

/// First address of the arena; the entry point maps the first [`FIRST`] bytes together with the
/// emulator's stack.
pub const ARENA: u64 = EMU_START + 0x1000_0000;
/// Bytes mapped by the entry point: less than a huge page, so that the first touch does not clear 2
/// MiB.
pub const FIRST: u64 = 1 << 20;
/// The arena's end.
const ARENA_END: u64 = EMU_START + 0x40_0000_0000;
/// Other mappings of the emulator go from the arena's end up to here.
const PLACES_END: u64 = EMU_START + 0x80_0000_0000;
/// The arena grows by at least this much.
const STEP: u64 = 4 << 20;
/// Free blocks of at least this size give their pages back.
const GIVE_BACK: usize = 256 << 10;
/// Smallest block; also the alignment of every block.
const MIN: usize = 16;
/// Classes: 16 to 112 in steps of 16 (7), then four per power of two from 128 up to 2^40.
const CLASSES: usize = 7 + 33 * 4;

/// The allocator. There is one, the emulator's `#[global_allocator]`.
pub struct Heap {
    inner: Mutex<Inner>,
}

/// Lists and arena.
pub(crate) struct Inner {
    free: [*mut Block; CLASSES],
    /// Next byte never handed out.
    next: u64,
    /// End of what is mapped.
    end: u64,
}

struct Block {
    next: *mut Block,
}

// SAFETY: the blocks on the lists belong to nobody else.
unsafe impl Send for Inner {}

/// Class and block size for a request. Blocks aligned to more than [`MIN`] are powers of two, cut
/// at multiples of their size.
fn class_of(layout: Layout) -> Option<(usize, usize)> {
    let mut size = layout.size().max(1);
    if layout.align() > MIN {
        size = size.max(layout.align()).checked_next_power_of_two()?.max(128);
    }
    if size <= 112 {
        let class = (size - 1) / 16;
        return Some((class, (class + 1) * 16));
    }
    // Round up to a quarter of the power of two below.
    let size = size.max(128);
    let power = (usize::BITS - 1 - size.leading_zeros()) as usize;
    let step = 1usize << (power - 2);
    let size = size.checked_add(step - 1)? & !(step - 1);
    let power = (usize::BITS - 1 - size.leading_zeros()) as usize;
    let quarter = (size >> (power - 2)) & 3;
    let class = 7 + (power - 7) * 4 + quarter;
    (class < CLASSES).then_some((class, size))
}

impl Heap {
    /// An empty heap whose first [`FIRST`] bytes at [`ARENA`] are mapped by the entry point.
    pub const fn new() -> Heap {
        Heap { inner: Mutex::new(Inner { free: [null_mut(); CLASSES], next: ARENA, end: ARENA + FIRST }) }
    }

    /// A block and whether its bytes are known to be zero.
    fn take(&self, layout: Layout) -> (*mut u8, bool) {
        let Some((class, size)) = class_of(layout) else { return (null_mut(), false) };
        let mut inner = self.inner.lock();
        let head = inner.free[class];
        if head.is_null() {
            (inner.cut(size), true)
        } else {
            // SAFETY: blocks on a list are ours and hold a link in their first bytes.
            inner.free[class] = unsafe { (*head).next };
            (head.cast::<u8>(), false)
        }
    }
}

impl Default for Heap {
    fn default() -> Heap {
        Heap::new()
    }
}

impl Inner {
    /// Cuts a fresh block off the arena. Its memory is zero.
    fn cut(&mut self, size: usize) -> *mut u8 {
        let align = if size.is_power_of_two() { size.min(2 << 20) } else { MIN } as u64;
        let start = (self.next + align - 1) & !(align - 1);
        let end = start + size as u64;
        if end > ARENA_END {
            return null_mut();
        }
        if end > self.end {
            let more = (end - self.end).next_multiple_of(STEP);
            const RW: u32 = 3;
            // MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE
            const FLAGS: u32 = 0x2 | 0x20 | 0x4000 | 0x10_0000;
            // SAFETY: maps fresh memory in the emulator's own range; nothing else is mapped there.
            let at = unsafe { footprint::map(self.end, more, RW, FLAGS) };
            if at != Ok(self.end) {
                return null_mut();
            }
            const MADV_NOHUGEPAGE: u64 = 15;
            // SAFETY: advice on what was just mapped.
            unsafe { raw_syscall(__NR_madvise, args6(&[self.end, more, MADV_NOHUGEPAGE])) };
            self.end += more;
        }
        self.next = end;
        start as *mut u8
    }
}

// SAFETY: blocks are at least as large and as aligned as asked for and handed out once until freed.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.take(layout).0
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        let Some((class, size)) = class_of(layout) else { return };
        if size >= GIVE_BACK {
            const MADV_DONTNEED: u64 = 4;
            let (from, to) = ((ptr as u64).next_multiple_of(4096), (ptr as u64 + size as u64) & !4095);
            // SAFETY: the block is free and ours; its pages read as zero afterwards.
            unsafe { raw_syscall(__NR_madvise, args6(&[from, to - from, MADV_DONTNEED])) };
        }
        let mut inner = self.inner.lock();
        let block = ptr.cast::<Block>();
        // SAFETY: the block is ours again.
        unsafe { (*block).next = inner.free[class] };
        inner.free[class] = block;
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let (ptr, zero) = self.take(layout);
        if !zero && !ptr.is_null() {
            // SAFETY: the block is at least this large.
            unsafe { ptr.write_bytes(0, layout.size()) };
        }
        ptr
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller guarantees a valid new layout.
        let new = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        if class_of(new) == class_of(layout) {
            return ptr;
        }
        // SAFETY: both blocks are valid for the bytes copied.
        unsafe {
            let to = self.alloc(new);
            if !to.is_null() {
                to.copy_from_nonoverlapping(ptr, layout.size().min(new_size));
                self.dealloc(ptr, layout);
            }
            to
        }
    }
}

/// An address to propose to mmap (without MAP_FIXED) for a mapping of the emulator's own, so that
/// it lies in the emulator's range, which the guest does not see. After a quarter of a TiB it
/// begins again; the kernel then chooses where a place is still taken.
pub fn place(size: u64) -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let size = size.next_multiple_of(4096) + 4096;
    ARENA_END + NEXT.fetch_add(size, Ordering::Relaxed) % (PLACES_END - ARENA_END) / 4096 * 4096
}

/// The heap of the executable, if it uses this allocator: what [`lock_for_fork`] locks.
static mut INSTALLED: Option<&'static Heap> = None;

/// Tells which heap [`lock_for_fork`] is about.
///
/// # Safety
/// Called once, before there are threads.
pub unsafe fn install(heap: &'static Heap) {
    // SAFETY: by the caller.
    unsafe { INSTALLED = Some(heap) };
}

/// Asks the kernel at once for the pages of all that was handed out so far: a fault for each would
/// cost more.
pub fn populate() {
    // SAFETY: written once before there were threads.
    let Some(heap) = (unsafe { INSTALLED }) else { return };
    let len = heap.inner.lock().next - ARENA;
    footprint::populate(ARENA as *mut u8, len as usize);
}

/// Keeps the heap's lock while it lives, and that of what the emulator has mapped.
pub struct ForkGuard(
    #[allow(dead_code)] Option<MutexGuard<'static, Inner>>,
    #[allow(dead_code)] MutexGuard<'static, footprint::Account>,
);

/// Held across a fork, by parent and child until after it. Not needed for children that share
/// memory (vfork, threads).
pub fn lock_for_fork() -> ForkGuard {
    // SAFETY: written once before there were threads.
    let heap = unsafe { INSTALLED }.map(|heap| heap.inner.lock());
    ForkGuard(heap, footprint::account())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::general::__NR_mmap;

    fn check(size: usize, align: usize) -> (usize, usize) {
        class_of(Layout::from_size_align(size, align).unwrap()).unwrap()
    }

    #[test]
    fn classes_fit_and_are_monotonic() {
        let mut last = (0, 16);
        for size in (1..5000).chain((13..40).flat_map(|p| [(1 << p) - 1, 1 << p, (1 << p) + 1])) {
            let (class, block) = check(size, 8);
            assert!(block >= size && block % 16 == 0, "{size}");
            assert!(block - size <= 16.max(block / 4), "{size} in {block}");
            assert!(class == last.0 && block == last.1 || class > last.0 && block > last.1, "{size}");
            last = (class, block);
        }
        for align in [32, 64, 4096, 1 << 21] {
            let (_, block) = check(40, align);
            assert!(block.is_power_of_two() && block >= align);
        }
        assert!(class_of(Layout::from_size_align(1 << 50, 8).unwrap()).is_none());
    }

    #[test]
    fn blocks_do_not_overlap() {
        // Not the executable's arena: the entry point maps the first part there, so this test does
        // it.
        const FLAGS: u64 = 0x2 | 0x20 | 0x4000 | 0x10_0000;
        // SAFETY: a fresh mapping far from everything the test process uses.
        let at = unsafe { raw_syscall(__NR_mmap, [ARENA, FIRST, 3, FLAGS, -1i64 as u64, 0]) };
        assert_eq!(at, ARENA);
        let heap = Heap::new();
        let mut live: Vec<(*mut u8, Layout, u8)> = Vec::new();
        let mut seed = 1u64;
        for i in 0..20_000u32 {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let size =
                1 + (seed >> 33) as usize % [40, 400, 9000, 300_000][i as usize % 4 * (i % 97 == 0) as usize];
            let layout = Layout::from_size_align(size, [8, 16, 64][i as usize % 3]).unwrap();
            // SAFETY: layouts match between the calls, and blocks are used within their size.
            unsafe {
                let p = heap.alloc_zeroed(layout);
                assert_eq!(p as usize % layout.align(), 0);
                assert!(core::slice::from_raw_parts(p, size).iter().all(|&b| b == 0));
                p.write_bytes(i as u8, size);
                live.push((p, layout, i as u8));
                if seed >> 63 == 0 {
                    let (p, layout, fill) = live.swap_remove((seed >> 40) as usize % live.len());
                    assert!(core::slice::from_raw_parts(p, layout.size()).iter().all(|&b| b == fill));
                    heap.dealloc(p, layout);
                }
            }
        }
    }
}

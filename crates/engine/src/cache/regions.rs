//! The regions of the code cache, and when one generation ends and another begins: see [`super`],
//! "When it is full".
//!
//! How much memory generated code takes is decided here. A region has its pages only while it holds
//! code that a thread may be in. A generation ends early when most of its code was taken out, and
//! where the machine or the process's control group has little memory.

use super::*;

/// A part of the cache.
pub(super) struct Region {
    pub(super) start: *mut u8,
    pub(super) end: *mut u8,
    /// The dead generation that it holds, in which a thread may still be, or [`FREE`].
    pub(super) generation: u64,
    /// That generation's code.
    pub(super) dead: Code,
    /// End of its pages, or null.
    pub(super) committed: *mut u8,
}

/// [`Region::generation`] of a region without dead code.
pub(super) const FREE: u64 = 0;

/// Bytes of units taken out from which a generation may end before it is full. So few that code and
/// tables of a program that patches code for ever stay in the processor's caches, and in the same
/// pages.
pub(super) const DEAD_MIN: usize = 256 << 10;
/// A free region keeps so many bytes of its pages, for the next generation.
const KEEP: usize = 1 << 20;
/// Bytes of code from which the machine's memory matters. Every generation may have as many.
const MUCH: usize = 8 << 20;
/// A generation's code may take this part of the memory. What is known of the code takes as much
/// again, and there are two generations while threads leave the older one.
const MEMORY_PARTS: u64 = 16;

impl Cache {
    /// Says whom to ask, once there is much code, how many bytes of memory the process may use.
    pub(crate) fn ask_memory(&mut self, memory: fn() -> u64) {
        self.memory = Some(memory);
    }

    /// Makes room for a unit in the current region: a new generation begins where this one has its
    /// share, or is mostly dead.
    pub(super) fn make_room(&mut self) -> Result<(), NoCode> {
        let used = self.at as usize - self.regions[self.current].start as usize;
        if used > MUCH
            && let Some(memory) = self.memory.take()
        {
            self.share = MUCH.max((memory() / MEMORY_PARTS) as usize);
            self.limit = self.limit_of(self.current);
        }
        if (self.limit as usize).saturating_sub(self.at as usize) < UNIT_ROOM * 2 {
            return if self.next_region() { Ok(()) } else { Err(NoCode::Full) };
        }
        // Whether it is in old code is asked of every thread: not for each unit.
        if self.holds_dead && self.code.units.len().is_multiple_of(64) {
            self.release_dead();
        }
        if self.dead_bytes > self.dead_limit {
            self.dead_limit = self.dead_bytes + DEAD_MIN;
            // What is alive is translated again, which is at most a quarter of what was taken out.
            // Threads that wait for long hold regions: enough of them stay for what fills a region.
            let free = self.regions.iter().filter(|r| r.generation == FREE).count();
            if self.dead_bytes > used.saturating_sub(self.dead_bytes) * 4 && free > self.regions.len() / 2 {
                self.next_region();
            }
        }
        Ok(())
    }

    fn limit_of(&self, region: usize) -> *mut u8 {
        let Region { start, end, .. } = self.regions[region];
        start.wrapping_add(self.share.min(end as usize - start as usize))
    }

    /// Frees the regions of dead generations that no thread is in. What is more than a few pages is
    /// given back.
    fn release_dead(&mut self) {
        const MADV_DONTNEED: u64 = 4;
        self.holds_dead = false;
        for region in self.regions.iter_mut().filter(|r| r.generation != FREE) {
            // SAFETY: registered threads are alive.
            if self.threads.iter().any(|&t| unsafe { (*t).seen.load(Ordering::SeqCst) } == region.generation)
            {
                self.holds_dead = true;
                continue;
            }
            region.generation = FREE;
            region.dead = Code::default();
            let start = (region.start as usize + KEEP).next_multiple_of(4096);
            if region.committed as usize <= start {
                continue;
            }
            let unused = (region.committed as usize - start) as u64;
            // SAFETY: our own mapping, and no thread is in this code or will be.
            let _ = unsafe { mappings::madvise(start as u64, unused, MADV_DONTNEED) };
            region.committed = start as *mut u8;
        }
    }

    /// Ends the current generation and makes another region the current one. False if threads are
    /// in all others. The caller is outside generated code.
    fn next_region(&mut self) -> bool {
        self.release_dead();
        let count = self.regions.len();
        // The first ones, which may have pages.
        let free = |i: &usize| *i != self.current && self.regions[*i].generation == FREE;
        let Some(next) = (0..count).find(free) else { return false };
        for i in 0..self.code.units.len() {
            let mut link = self.code.units[i].links;
            while link != NIL {
                let Link { site, stub, next } = self.links[link as usize];
                self.patch(site, stub);
                link = next;
            }
        }
        for &thread in &self.threads {
            // SAFETY: registered threads are alive; other threads' generated code reads these words
            // while they change, each word whole.
            unsafe { Thread::forget_lookups(thread) };
        }
        let generation = GENERATION.load(Ordering::Relaxed);
        let old = &mut self.regions[self.current];
        old.generation = generation;
        old.dead = core::mem::replace(&mut self.code, Code::new());
        // The last unit may reach beyond what was asked for.
        let used = self.at.wrapping_add(self.at.align_offset(4096));
        old.committed = self.committed.max(used);
        self.holds_dead = true;
        self.dead_bytes = 0;
        self.dead_limit = DEAD_MIN;
        // The tables' memory goes with their content.
        self.entries = Entries::new();
        self.links = Vec::new();
        self.free_links = NIL;
        self.calls = Vec::new();
        self.sources = Vec::new();
        self.pages = HashMap::with_hasher(PcHash);
        let Region { start, committed, .. } = self.regions[next];
        self.at = start;
        self.committed = committed.max(start);
        self.limit = self.limit_of(next);
        self.current = next;
        self.stats.flushes += 1;
        GENERATION.store(generation + 1, Ordering::SeqCst);
        true
    }
}

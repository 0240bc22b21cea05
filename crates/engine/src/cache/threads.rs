//! The threads that run generated code, and what they have of the cache.

use super::*;
use crate::reservations::Keeper;
use crate::thread::{NO_RETURN, SHADOW};

impl Cache {
    /// Whether no thread has been registered yet.
    pub(crate) fn is_unused(&self) -> bool {
        self.threads.is_empty()
    }

    /// Registers a thread.
    pub(crate) fn add_thread(&mut self, thread: *mut Thread) {
        self.threads.push(thread);
    }

    /// Makes locked instructions look at the table of [`reservations`].
    pub(super) fn watch(&self, sites: &[*mut u8]) {
        let Some(Host { generator, .. }) = &self.host else { return };
        for &site in sites {
            // SAFETY: a place that a unit's maker told.
            unsafe { (generator.watch)(site) };
        }
    }

    /// From now on all locked instructions look at the table of [`reservations`].
    pub(crate) fn watch_reservations(&mut self) {
        reservations::watch();
        let Some(Host { generator, .. }) = &self.host else { return };
        for code in core::iter::once(&self.code).chain(self.regions.iter().map(|r| &r.dead)) {
            for &site in &code.locked {
                // SAFETY: a place that a unit's maker told.
                unsafe { (generator.watch)(self.base.add(site as usize)) };
            }
        }
    }

    /// State and process of every registered thread.
    pub(crate) fn thread_states(&self) -> impl Iterator<Item = (*const Cpu, i32)> {
        // SAFETY: registered threads are alive, and this word is atomic.
        self.threads.iter().map(|&t| unsafe { (&raw const (*t).cpu, (*t).process.load(Ordering::Relaxed)) })
    }

    /// Unregisters a thread.
    pub(crate) fn remove_thread(&mut self, thread: *mut Thread) {
        self.threads.retain(|&t| t != thread);
    }

    /// Keeps a thread that has ended for reuse, unless there are enough.
    pub(crate) fn keep_idle(&mut self, thread: *mut Thread) -> bool {
        const KEEP: usize = 64;
        let keep = self.idle.len() < KEEP;
        if keep {
            self.idle.push(thread);
        }
        keep
    }

    /// A thread kept by [`Cache::keep_idle`].
    pub(crate) fn take_idle(&mut self) -> Option<*mut Thread> {
        self.idle.pop()
    }

    /// A scratch place for a thread, which may have one already: [`SCRATCH_SIZE`] bytes near the
    /// units, to run the rest of a guest instruction in. `None` if all are in use.
    pub fn take_scratch(&mut self, thread: *const Thread) -> Option<*mut u8> {
        let mine = self.scratch.iter().position(|&t| t == thread);
        let i = mine.or_else(|| self.scratch.iter().position(|t| t.is_null()))?;
        self.scratch[i] = thread;
        Some(self.end.wrapping_sub((i + 1) * SCRATCH_SIZE))
    }

    /// The thread has left its scratch place.
    pub fn free_scratch(&mut self, thread: *const Thread) {
        self.scratch.iter_mut().filter(|t| **t == thread).for_each(|t| *t = core::ptr::null());
    }

    /// After a fork: only `thread` lives on.
    pub(crate) fn only_thread(&mut self, thread: *mut Thread) {
        self.scratch = [core::ptr::null(); SCRATCH_PLACES];
        self.threads.clear();
        self.idle.clear();
        self.threads.push(thread);
    }
}

impl Thread {
    /// Makes the returns to host addresses chosen by `stale` mismatch.
    ///
    /// # Safety
    /// `thread` is alive. Its own host thread may be running generated code meanwhile.
    pub(crate) unsafe fn break_returns(thread: *mut Thread, stale: impl Fn(u64) -> bool) {
        let mut p = (thread as usize - 32) as *mut [u64; 2];
        // SAFETY: within the shadow stack; pairs below the top are (host, guest), and the first
        // that was never used is zero.
        unsafe {
            while p as usize >= thread as usize - SHADOW {
                let [host, guest] = p.read_volatile();
                if host == 0 {
                    break;
                }
                // A call of the glue (a helper, a system call) leaves a host address alone where a
                // pair has the guest's, above words of a pair long popped.
                if stale(host) && !has(guest) {
                    let word = AtomicU64::from_ptr(&raw mut (*p)[1]);
                    let _ = word.compare_exchange(guest, NO_RETURN, Ordering::Relaxed, Ordering::Relaxed);
                }
                p = p.sub(1);
            }
        }
    }
}

/// What the table of reservations asks of the cache.
pub(super) static KEEPER: Keeper = Keeper {
    watch: || match CACHE.lock().as_deref_mut() {
        Some(cache) => cache.watch_reservations(),
        None => reservations::watch(),
    },
    with_threads: |look| {
        // Who has the lock may be the one that waits; next time then.
        if let Some(guard) = CACHE.try_lock()
            && let Some(cache) = guard.as_deref()
        {
            look(&mut cache.thread_states());
        }
    },
};

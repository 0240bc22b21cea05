//! What the cache does for code that changes through another view of its memory: see
//! [`crate::shared`].

use super::{CACHE, Cache, Origin};
use crate::shared::Copy;
use crate::thread::Thread;

impl Cache {
    /// The page around `pc` as it is now, if units made from it are to be checked. (The last
    /// instruction may reach into the next page.)
    pub(crate) fn copy_to_check(&self, pc: u64) -> Option<Copy> {
        let shared = self.views.is_shared(pc) || pc & 4095 > 4092 && self.views.is_shared((pc | 4095) + 1);
        shared.then(|| Copy::take(pc))
    }

    /// The guest announced new code in [start, end): as [`Cache::invalidate`], wherever else that
    /// memory is seen.
    pub fn announced(&mut self, start: u64, end: u64, by: *const Thread) -> bool {
        let mut any = self.invalidate(start, end, by);
        for (start, end) in self.views.copies(start, end) {
            any |= self.invalidate(start, end, by);
        }
        any
    }
}

/// The unit that `thread` just left at a host address is not what its bytes are now: takes it out.
/// The thread goes on at its start.
pub(crate) fn drop_stale(thread: &mut Thread, host: u64) {
    let Some(cache) = &mut *CACHE.lock() else { return };
    if let Origin::Insn { pc, .. } | Origin::Check { pc } = cache.origin(host - 1) {
        thread.cpu.pc = pc;
        let at = cache.guest.address(pc);
        cache.invalidate(at, at + 1, thread);
    }
}

//! Taking units out: see [`super`], "Invalidation".

use super::*;

impl Cache {
    /// [start, end) is executable.
    pub fn map_exec(&mut self, start: u64, end: u64) {
        self.invalidate(start, end, core::ptr::null());
        self.targets.forget(start, end);
        self.views.executable(start, end);
        self.changes += 1;
        self.exec.insert(start, end);
    }

    /// [start, end) is not executable.
    pub fn unmap_exec(&mut self, start: u64, end: u64) {
        self.invalidate(start, end, core::ptr::null());
        self.targets.forget(start, end);
        self.changes += 1;
        self.exec.remove(start, end);
        EXEC_CHANGES.fetch_add(1, Ordering::Release);
    }

    /// Takes out every unit that overlaps [start, end); whether there was one. `by` is a thread
    /// that asks for it from a helper and does not go on in its unit if there was, or null.
    pub fn invalidate(&mut self, start: u64, end: u64, by: *const Thread) -> bool {
        if start >= end {
            return false;
        }
        self.targets.change(start, end);
        if self.pages.is_empty() {
            return false;
        }
        let (first, last) = (start >> 12, (end - 1) >> 12);
        let mut dead = core::mem::take(&mut self.dead);
        let (sources, units) = (&self.sources, &mut self.code.units);
        let mut visit = |head: u32| {
            let mut i = head;
            while i != NIL {
                let s = &sources[i as usize];
                let overlaps = s.start < end && s.start + s.len as u64 > start;
                // A unit with several sources counts once.
                if overlaps && core::mem::take(&mut units[s.unit as usize].alive) {
                    dead.push(s.unit);
                }
                i = s.next_in_page;
            }
        };
        // A unit may reach past its page by one instruction: look one page earlier too.
        let first = first.saturating_sub(1);
        if last - first < self.pages.len() as u64 {
            for page in first..=last {
                if let Some(&head) = self.pages.get(&page) {
                    visit(head);
                }
            }
        } else {
            for (&page, &head) in &self.pages {
                if page >= first && page <= last {
                    visit(head);
                }
            }
        }
        if dead.is_empty() {
            self.dead = dead;
            return false;
        }
        // Drop the dead from their pages' lists, so that code that is patched for ever does not
        // make them long.
        let mut pages = core::mem::take(&mut self.pruned);
        for &i in &dead {
            self.kill(i);
            let u = &self.code.units[i as usize];
            let sources = &self.sources[u.sources as usize..][..u.source_count as usize];
            pages.extend(sources.iter().map(|s| s.start >> 12));
        }
        pages.sort_unstable();
        pages.dedup();
        for page in pages.drain(..) {
            self.prune(page);
        }
        self.pruned = pages;
        self.forget_in_threads(&dead, by);
        dead.clear();
        self.dead = dead;
        true
    }

    fn prune(&mut self, page: u64) {
        let Some(&head) = self.pages.get(&page) else { return };
        let mut kept = NIL;
        let mut i = head;
        while i != NIL {
            let Source { unit, next_in_page, .. } = self.sources[i as usize];
            if self.code.units[unit as usize].alive {
                self.sources[i as usize].next_in_page = kept;
                kept = i;
            }
            i = next_in_page;
        }
        if kept == NIL {
            self.pages.remove(&page);
        } else {
            self.pages.insert(page, kept);
        }
    }

    /// Cuts a unit off that no longer counts as alive.
    fn kill(&mut self, index: u32) {
        let u = &mut self.code.units[index as usize];
        // With the padding behind it.
        self.dead_bytes += (u.host_end - u.host).next_multiple_of(UNIT_ALIGN) as usize;
        let (start, len, mode) = (u.start, u.guest_len as u64, u.mode);
        let mut link = core::mem::replace(&mut u.links, NIL);
        if self.guest.address_bits == 32 {
            self.code.each_pc(index as usize, |pc| self.entries.remove(key(pc, mode as u32), index));
        } else {
            let mut at = start;
            while at < start + len {
                self.entries.remove(key(at, mode as u32), index);
                at += self.guest.pc_align_mask + 1;
            }
        }
        while link != NIL {
            let Link { site, stub, next } = self.links[link as usize];
            self.patch(site, stub);
            self.links[link as usize].next = self.free_links;
            self.free_links = link;
            link = next;
        }
        let u = &self.code.units[index as usize];
        for call in u.calls as usize..u.calls as usize + u.call_count as usize {
            let (site, stub) = self.calls[call];
            self.patch(site, stub);
        }
    }

    /// Makes the threads forget the dead units.
    ///
    /// A thread that is in generated code may be in such a unit at this moment, may still make a
    /// call from it, and is not to return there: its calls now all come to the run loop (direct
    /// ones by [`Cache::kill`], indirect ones since the lookup table is emptied), which sees
    /// `look_for_dead`. A thread that is outside (`by`, which asks for this from a helper and
    /// leaves its unit, or one that [`Thread::seen`] says so of) cannot, so that what it knows of
    /// other units stays. It tells `seen` before it looks at `look_for_dead`, and here it is the
    /// other way round: so either it is seen to be inside, or it waits for the cache's lock until
    /// this is done.
    fn forget_in_threads(&mut self, dead: &[u32], by: *const Thread) {
        let units = || dead.iter().map(|&u| &self.code.units[u as usize]);
        let calls = units().any(|u| u.calls_out);
        // A shadow stack may be long: most returns are outside of what these units span.
        let (from, to) = units().fold((u32::MAX, 0), |(from, to), u| (from.min(u.host), to.max(u.host_end)));
        let base = self.base as u64;
        let stale = |host: u64| {
            u32::try_from(host.wrapping_sub(base)).is_ok_and(|offset| {
                let unit = (from..to).contains(&offset).then(|| self.code.unit_at(offset)).flatten();
                unit.is_some_and(|u| !self.code.units[u as usize].alive)
            })
        };
        let step = self.guest.pc_align_mask as usize + 1;
        let pcs = || units().flat_map(|u| (u.start..u.start + u.guest_len as u64).step_by(step));
        let many = units().map(|u| u.guest_len as usize / step).sum::<usize>() > LOOKUPS;
        for &thread in &self.threads {
            // SAFETY: registered threads are alive; all this is done with atomic words, which other
            // threads' generated code reads whole.
            unsafe {
                let told = calls && (*thread).look_for_dead.swap(true, Ordering::SeqCst);
                let outside = thread.cast_const() == by || (*thread).seen.load(Ordering::SeqCst) == NOWHERE;
                if many {
                    Thread::forget_lookups(thread);
                } else if outside || !calls {
                    pcs().for_each(|pc| Thread::forget_lookup(thread, self.guest, pc));
                }
                match (calls, outside) {
                    (false, _) => {}
                    (true, false) => {
                        // A thread that waits in a call made from generated code learns nothing
                        // meanwhile.
                        if (*thread).knows.swap(false, Ordering::Relaxed) {
                            Thread::forget_lookups(thread);
                        }
                        Thread::break_returns(thread, stale);
                    }
                    (true, true) => {
                        if !told && Thread::break_few_returns(thread, stale) {
                            (*thread).look_for_dead.store(false, Ordering::Release);
                        }
                    }
                }
            }
        }
    }
}

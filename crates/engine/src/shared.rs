//! Code whose bytes change through another view of its memory.
//!
//! The guest announces new code by a virtual address, and its processor promises a physically
//! tagged instruction cache (CTR_EL0.L1Ip on arm64; the other guests' processors behave so too): an
//! announcement at one address of a page holds for all addresses that the page is mapped at, in
//! every process. And a page that a truncated file has lost cannot be fetched from, which nobody
//! announces. Two means give that here.
//!
//! **Checked units.** Memory mapped with MAP_SHARED may be written by other processes, of which
//! nothing is heard. So a unit made from it compares at its entry the bytes that it was made from
//! with what is there now. If they differ, or can no longer be read, it goes to the run loop, which
//! drops the unit and translates anew or finds the fault. What makes this enough:
//!
//! - A checked unit has one entry, its start. Where another unit would have a second one (after a
//!   branch, a call, a system call), it ends.
//! - It also ends after an instruction that synchronizes the fetch (ISB, FENCE.I), so that code
//!   behind it is looked at again.
//! - Nothing but the bytes compared decides what it does: it is made from a copy of its page
//!   ([`Copy`]), the check has that copy's bytes, no function is translated in the place of a call,
//!   and no look ahead at other code tells that flags are dead.
//!
//! The cost goes with the length of what is run: a load and a comparison for two instructions of
//! four bytes. Code of many short calls takes twice the time, loops of longer blocks a tenth more.
//! A counter in shared memory that announcements raise would cost less, but processes that are not
//! the emulator's, files opened by name and truncation raise no counter. Whether a unit is checked
//! depends on its mapping alone, not on its bytes.
//!
//! **Copies of a file.** A private mapping of a file shows the file's pages until it is written to.
//! All programs and libraries are mapped so, and are not to pay: an announcement anywhere in a
//! mapping with an object holds for every private mapping of the same offset that has the same
//! bytes at that moment (which the same page has; another file's page with equal bytes loses some
//! translations for nothing). A change of such a file by another process, or its truncation, is
//! noticed only when this process announces it or maps the file anew.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

const PAGE: u64 = 4096;

/// What a mapping shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct View {
    /// Offset in its object, a file or shared memory, in bytes.
    pub offset: u64,
    /// Others may write what is seen here (MAP_SHARED).
    pub shared: bool,
}

/// The mappings that show an object. Private anonymous memory has none.
#[derive(Default)]
pub(crate) struct Views {
    /// By start: end, what the start shows.
    map: BTreeMap<u64, (u64, View)>,
    /// Memory that others may write has been executable: few programs have that.
    checks: bool,
    /// Where an announcement was last found to be of no object's memory, as start and end: there is
    /// no view in it.
    gap: (u64, u64),
}

impl Views {
    /// None.
    pub(crate) const fn new() -> Views {
        Views { map: BTreeMap::new(), checks: false, gap: (0, 0) }
    }

    /// The parts of views that lie in [start, end), ascending: start, end, what the start shows.
    fn within(&self, start: u64, end: u64) -> impl Iterator<Item = (u64, u64, View)> {
        let first = self.map.range(..=start).next_back().map_or(start, |(&at, _)| at);
        self.map.range(first..end.max(first)).filter(move |(_, (to, _))| *to > start).map(
            move |(&at, &(to, view))| {
                let from = at.max(start);
                (from, to.min(end), View { offset: view.offset.wrapping_add(from - at), ..view })
            },
        )
    }

    /// [start, end) is mapped anew, or no longer: it shows `view`.
    pub(crate) fn set(&mut self, start: u64, end: u64, view: Option<View>) {
        let cut: Vec<_> = self.within(start, end).collect();
        for (from, to, _) in cut {
            if let Some((&at, &(old_end, old))) = self.map.range(..=from).next_back() {
                self.map.remove(&at);
                if at < from {
                    self.map.insert(at, (from, old));
                }
                if old_end > to {
                    self.map.insert(to, (old_end, View { offset: old.offset.wrapping_add(to - at), ..old }));
                }
            }
        }
        if let Some(view) = view.filter(|_| start < end) {
            self.gap = (0, 0);
            self.map.insert(start, (end, view));
        }
    }

    /// What [old, old + old_len) shows is at [new, new + new_len) now, as mremap(2) moves, grows
    /// and shrinks; `stays` at the old place too.
    pub(crate) fn moved(&mut self, old: u64, old_len: u64, new: u64, new_len: u64, stays: bool) {
        let mut parts: Vec<_> = self.within(old, old + old_len.max(PAGE)).collect();
        if !stays {
            self.set(old, old + old_len, None);
        }
        self.set(new, new + new_len, None);
        if let Some(last) = parts.last_mut() {
            last.1 = old.saturating_add(new_len).max(last.0);
        }
        for (from, to, view) in parts {
            let at = |address: u64| new + (address - old).min(new_len);
            self.set(at(from), at(to), Some(view));
        }
    }

    /// [start, end) is executable.
    pub(crate) fn executable(&mut self, start: u64, end: u64) {
        self.checks = self.checks || self.within(start, end).any(|(.., view)| view.shared);
    }

    /// Whether others may write the executable byte at `at`.
    #[inline]
    pub(crate) fn is_shared(&self, at: u64) -> bool {
        self.checks && self.is_in_shared(at)
    }

    fn is_in_shared(&self, at: u64) -> bool {
        self.map.range(..=at).next_back().is_some_and(|(_, &(end, view))| at < end && view.shared)
    }

    /// Where private mappings outside of [start, end) show what is there.
    pub(crate) fn copies(&mut self, start: u64, end: u64) -> Vec<(u64, u64)> {
        let mut found = Vec::new();
        if self.gap.0 <= start && end <= self.gap.1 {
            return found;
        }
        if self.within(start, end).next().is_none() {
            let before = self.map.range(..=start).next_back().map_or(0, |(_, &(to, _))| to);
            let after = self.map.range(end..).next().map_or(u64::MAX, |(&from, _)| from);
            self.gap = (before, after);
            return found;
        }
        for (from, to, view) in self.within(start, end) {
            for (&at, &(at_end, other)) in &self.map {
                let first = view.offset.max(other.offset);
                let last = (view.offset + (to - from)).min(other.offset + (at_end - at));
                if other.shared || first >= last || at < end && at_end > start {
                    continue;
                }
                let (here, there) = (from + (first - view.offset), at + (first - other.offset));
                found.extend(equal_parts(here, there, last - first));
            }
        }
        found
    }
}

/// The parts of [b, b + len) that equal [a, a + len).
fn equal_parts(a: u64, b: u64, len: u64) -> impl Iterator<Item = (u64, u64)> {
    const PART: usize = 64;
    (0..len).step_by(PART).filter_map(move |at| {
        let n = PART.min((len - at) as usize);
        let [mut x, mut y] = [[0; PART]; 2];
        let loaded = anyarch_sys::load_bytes(a + at, &mut x[..n]).is_ok()
            && anyarch_sys::load_bytes(b + at, &mut y[..n]).is_ok();
        (loaded && x == y).then_some((b + at, b + at + n as u64))
    })
}

/// A page of code at one moment, with the beginning of the next one.
pub struct Copy {
    start: u64,
    bytes: Vec<u8>,
}

impl Copy {
    /// Of the page around `pc`, as far as it can be read.
    pub fn take(pc: u64) -> Copy {
        let start = pc & !(PAGE - 1);
        let mut bytes = alloc::vec![0; PAGE as usize + 4];
        let mut readable = 0;
        for len in [PAGE as usize, PAGE as usize + 4] {
            match anyarch_sys::load_bytes(start + readable as u64, &mut bytes[readable..len]) {
                Ok(()) => readable = len,
                Err(_) => break,
            }
        }
        bytes.truncate(readable);
        Copy { start, bytes }
    }

    /// At most 8 bytes at `at`, zero-extended.
    #[cold]
    pub fn load(&self, at: u64, bytes: u32) -> Option<u64> {
        let from = usize::try_from(at.checked_sub(self.start)?).ok()?;
        let part = self.bytes.get(from..from.checked_add(bytes as usize)?)?;
        Some(part.iter().rev().fold(0, |value, &byte| value << 8 | byte as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Views against one entry for each page: offset in pages and whether it is shared.
    #[test]
    fn views_against_pages() {
        let mut views = Views::new();
        let mut pages = [None; 64];
        let mut seed = 3u64;
        let mut random = |n: u64| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) % n
        };
        for _ in 0..20_000 {
            let (a, b) = (random(64), random(64));
            let (start, end) = (a.min(b), a.max(b));
            let view = (random(3) > 0).then(|| (random(100), random(2) == 1));
            views.set(
                start * PAGE,
                end * PAGE,
                view.map(|(offset, shared)| View { offset: offset * PAGE, shared }),
            );
            for page in start..end {
                pages[page as usize] = view.map(|(offset, shared)| (offset + page - start, shared));
            }
            views.executable(0, 64 * PAGE);
            let mut found = [None; 64];
            for (from, to, view) in views.within(0, 64 * PAGE) {
                for page in from / PAGE..to / PAGE {
                    found[page as usize] = Some((view.offset / PAGE + page - from / PAGE, view.shared));
                }
            }
            assert_eq!(found, pages);
            let at = random(64);
            assert_eq!(
                views.is_shared(at * PAGE + random(PAGE)),
                pages[at as usize].is_some_and(|(_, shared)| shared)
            );
        }
    }

    #[test]
    fn views_move_as_mappings_do() {
        const OLD: u64 = 16 * PAGE;
        const NEW: u64 = 64 * PAGE;
        let view = |offset: u64| View { offset: offset * PAGE, shared: true };
        // Old and new length in pages, whether it stays; then what is at the old and at the new
        // place: offset and pages.
        type Found<'a> = &'a [(u64, u64)];
        let rows: [(u64, u64, bool, Found<'_>, Found<'_>); 5] = [
            (4, 4, false, &[], &[(7, 4)]),
            (4, 2, false, &[], &[(7, 2)]),
            (4, 6, false, &[], &[(7, 6)]),
            (2, 2, false, &[(9, 2)], &[(7, 2)]),
            (0, 3, true, &[(7, 4)], &[(7, 3)]),
        ];
        for (i, (old, new, stays, at_old, at_new)) in rows.into_iter().enumerate() {
            let mut views = Views::new();
            views.set(OLD, OLD + 4 * PAGE, Some(view(7)));
            views.set(NEW, NEW + 8 * PAGE, None);
            views.moved(OLD, old * PAGE, NEW, new * PAGE, stays);
            let at = |start: u64| -> Vec<(u64, u64)> {
                let parts = views.within(start, start + 8 * PAGE);
                parts.map(|(from, to, view)| (view.offset / PAGE, (to - from) / PAGE)).collect()
            };
            assert_eq!((&at(OLD)[..], &at(NEW)[..]), (at_old, at_new), "row {i}");
        }
    }

    #[test]
    fn announcements_reach_equal_parts_of_private_mappings() {
        let bytes = alloc::vec![5u8; 4 * PAGE as usize];
        let mut other = bytes.clone();
        other[PAGE as usize + 100] = 6;
        let (a, b) = (bytes.as_ptr() as u64, other.as_ptr() as u64);
        let mut views = Views::new();
        views.set(a, a + 2 * PAGE, Some(View { offset: 3 * PAGE, shared: true }));
        // One page further on in the file.
        views.set(b, b + 2 * PAGE, Some(View { offset: 4 * PAGE, shared: false }));
        assert_eq!(views.copies(a, a + PAGE), []);
        assert_eq!(views.copies(a + PAGE + 8, a + PAGE + 16), [(b + 8, b + 16)]);
        other[10] = 6;
        assert_eq!(views.copies(a + PAGE + 8, a + PAGE + 16), []);
        // What is shared is checked.
        views.set(b, b + 2 * PAGE, Some(View { offset: 4 * PAGE, shared: true }));
        assert_eq!(views.copies(a + PAGE + 64, a + PAGE + 72), []);
    }

    #[test]
    fn a_copy_has_its_page_and_four_bytes_more() {
        let bytes: Vec<u8> = (0..3 * PAGE as usize).map(|i| i as u8 ^ (i >> 8) as u8).collect();
        let start = (bytes.as_ptr() as u64).next_multiple_of(PAGE);
        let copy = Copy::take(start + 40);
        for at in [0, 40, PAGE - 4, PAGE - 2, PAGE] {
            assert_eq!(copy.load(start + at, 4), anyarch_sys::load_once(start + at, 4).ok(), "{at}");
        }
        assert_eq!((copy.load(start - 1, 2), copy.load(start + PAGE + 1, 4)), (None, None));
    }
}

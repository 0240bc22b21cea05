//! Where the branches of pages lead that units were made from.

use crate::guest::Guest;
use crate::hash::PcHash;
use crate::targets::{PAGE, Targets};
use alloc::boxed::Box;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

/// The targets of the pages that units were made from.
pub struct Pages {
    /// `None` where the text has changed since it was mapped: programs that change code do so
    /// again, and are not to pay for a look at a whole page each time.
    pages: HashMap<u64, Option<Box<Targets>>, PcHash>,
}

impl Default for Pages {
    fn default() -> Pages {
        // Those of a small program: its table does not grow step by step.
        Pages { pages: HashMap::with_capacity_and_hasher(100, PcHash) }
    }
}

impl Pages {
    /// Those of the page of `pc`, unless its text has changed.
    pub fn of(&mut self, guest: &Guest, pc: u64) -> Option<&Targets> {
        let page = guest.address(pc) & !(PAGE as u64 - 1);
        // The lowest bit tells the instruction set where there are two.
        let place = page | pc & 1;
        match self.pages.entry(place) {
            Entry::Occupied(known) => known.into_mut().as_deref(),
            Entry::Vacant(new) => {
                let mut text = [0; PAGE];
                let mut targets = Box::new(Targets::new());
                if anyarch_sys::load_bytes(page, &mut text).is_ok() {
                    (guest.targets)(place, &text, &mut targets);
                }
                new.insert(Some(targets)).as_deref()
            }
        }
    }

    /// Something else is mapped in [start, end).
    pub(super) fn forget(&mut self, start: u64, end: u64) {
        if Self::are_few(start, end, self.pages.len()) {
            for place in Self::places(start, end) {
                self.pages.remove(&place);
            }
        } else {
            self.pages.retain(|place, _| !(start..end).contains(&(place & !1)));
        }
    }

    /// The text of [start, end), which is not empty, has changed. Where it is all of memory nobody
    /// has said what has, and most has not: pages are looked at anew.
    pub(super) fn change(&mut self, start: u64, end: u64) {
        if (start, end) == (0, u64::MAX) {
            return self.pages.clear();
        }
        if Self::are_few(start, end, self.pages.len()) {
            for place in Self::places(start, end) {
                if let Some(known) = self.pages.get_mut(&place) {
                    *known = None;
                }
            }
        } else {
            let start = start & !(PAGE as u64 - 1);
            for (place, known) in &mut self.pages {
                if (start..end).contains(&(place & !1)) {
                    *known = None;
                }
            }
        }
    }

    fn are_few(start: u64, end: u64, known: usize) -> bool {
        end.saturating_sub(start) / (PAGE as u64) < known as u64
    }

    fn places(start: u64, end: u64) -> impl Iterator<Item = u64> {
        (start / PAGE as u64..end.div_ceil(PAGE as u64)).flat_map(|page| {
            let place = page * PAGE as u64;
            [place, place | 1]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_forgotten_and_changed_by_range() {
        for others in [0, 1000] {
            let known = |places: &[u64]| {
                let all = (0..others).map(|n| 0x10_0000 + n * 0x1000).chain(places.iter().copied());
                let mut pages = Pages::default();
                pages.pages.extend(all.map(|place| (place, Some(Box::new(Targets::new())))));
                pages
            };
            let places = [0x1000, 0x2000, 0x2001, 0x3000, 0x4000];
            let mut pages = known(&places);
            pages.forget(0x2000, 0x4000);
            assert_eq!(places.map(|p| pages.pages.contains_key(&p)), [true, false, false, false, true]);
            let mut pages = known(&places);
            pages.change(0x2ffe, 0x3002);
            assert_eq!(places.map(|p| pages.pages[&p].is_some()), [true, false, false, false, true]);
            assert!(pages.pages.len() as u64 == others + 5, "no page is added");
        }
    }
}

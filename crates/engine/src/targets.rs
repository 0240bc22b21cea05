//! Where a page's branches lead, which says where units end and can be entered.

use crate::cache::PcHash;
use crate::run::Guest;
use alloc::boxed::Box;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

/// Bytes of a page.
pub const PAGE: usize = 4096;

/// A bit for each second byte of a page.
type Set = [u64; PAGE / 128];

/// The addresses in one page that its own jumps and conditional branches lead to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Targets {
    /// Those that a branch leads back to, and those that one leads ahead to.
    sets: [Set; 2],
}

/// Of a page without branches.
pub static NO_TARGETS: Targets = Targets::new();

impl Targets {
    /// None.
    pub const fn new() -> Targets {
        Targets { sets: [[0; PAGE / 128]; 2] }
    }

    /// Adds the branch at an address. That it leads to another page does not matter.
    #[inline]
    pub fn add(&mut self, from: u64, to: u64) {
        let is_here = (from ^ to) < PAGE as u64;
        self.sets[(to > from) as usize][Self::word(to)] |= (is_here as u64) << (to / 2 % 64);
    }

    /// Whether one leads ahead to this address.
    #[inline]
    pub fn is_ahead(&self, address: u64) -> bool {
        self.sets[1][Self::word(address)] >> (address / 2 % 64) & 1 != 0
    }

    /// Whether one leads back to this address.
    #[inline]
    pub fn is_back(&self, address: u64) -> bool {
        self.sets[0][Self::word(address)] >> (address / 2 % 64) & 1 != 0
    }

    /// The first target behind an address in its page, or the page's end.
    #[inline]
    pub fn after(&self, address: u64) -> u64 {
        let page = address & !(PAGE as u64 - 1);
        let bit = (address - page) / 2 + 1;
        let mut mask = u64::MAX << (bit % 64);
        for word in (bit / 64) as usize..self.sets[0].len() {
            let bits = (self.sets[0][word] | self.sets[1][word]) & mask;
            if bits != 0 {
                return page + (word as u64 * 64 + bits.trailing_zeros() as u64) * 2;
            }
            mask = u64::MAX;
        }
        page + PAGE as u64
    }

    fn word(address: u64) -> usize {
        address as usize % PAGE / 128
    }
}

impl Default for Targets {
    fn default() -> Targets {
        Targets::new()
    }
}

/// Of 64 halves of instructions, by which of them look like the first half of one of two halves:
/// those that are second halves, since they follow such a one that is not a second half itself.
/// `carry` says it of the first, and then of the one behind the last.
#[inline(always)]
pub fn second_halves(is_wide: u64, carry: &mut bool) -> u64 {
    // In a run of halves that look wide, every other one is a second half. A run that begins at an
    // odd place has its first bit added, which clears the run and sets the bit behind it.
    const EVEN: u64 = 0x5555_5555_5555_5555;
    let first = is_wide & !(*carry as u64);
    let follows = first << 1 | *carry as u64;
    let odd_starts = first & !EVEN & !follows;
    let (sum, overflows) = odd_starts.overflowing_add(first);
    *carry = overflows;
    (EVEN ^ sum << 1) & follows
}

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
    pub fn forget(&mut self, start: u64, end: u64) {
        if Self::are_few(start, end, self.pages.len()) {
            for place in Self::places(start, end) {
                self.pages.remove(&place);
            }
        } else {
            self.pages.retain(|place, _| !(start..end).contains(&(place & !1)));
        }
    }

    /// The text of [start, end), which is not empty, has changed. Where it is all of memory nobody has
    /// said what has, and most has not: pages are looked at anew.
    pub fn change(&mut self, start: u64, end: u64) {
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
    fn branches_within_a_page_are_found() {
        let mut t = Targets::new();
        t.add(0x7000, 0x7080);
        t.add(0x7100, 0x7082);
        t.add(0x7ffc, 0x7ffc);
        t.add(0x7ffc, 0x8000);
        t.add(0x7000, 0x6ffe);
        assert!(t.is_ahead(0x7080) && !t.is_back(0x7080) && t.is_back(0x7082) && !t.is_ahead(0x7082));
        assert!(t.is_back(0x7ffc), "a branch to itself");
        let all: Vec<u64> = core::iter::successors(Some(0x7000), |&at| Some(t.after(at))).take(5).collect();
        assert_eq!(all, [0x7000, 0x7080, 0x7082, 0x7ffc, 0x8000]);
    }

    #[test]
    fn halves_are_paired() {
        let mut x = 7u64;
        let (mut carry, mut slow) = (false, false);
        for n in 0..100_000u32 {
            x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            // Long runs too.
            let is_wide = [x, x | x << 7 | x >> 9, !0, !0 << (x >> 58), x & x << 1][n as usize % 5];
            let mut expected = 0;
            for bit in 0..64 {
                expected |= (slow as u64) << bit;
                slow = !slow && is_wide >> bit & 1 != 0;
            }
            assert_eq!(second_halves(is_wide, &mut carry), expected, "{is_wide:x}");
            assert_eq!(carry, slow);
        }
    }

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

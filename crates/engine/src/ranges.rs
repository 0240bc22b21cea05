//! Sets of addresses.

use alloc::vec::Vec;

/// Ascending ranges [start, end), of which none is empty, and none overlaps or touches another.
#[derive(Default)]
pub struct RangeSet(Vec<(u64, u64)>);

impl RangeSet {
    /// An empty set.
    pub const fn new() -> RangeSet {
        RangeSet(Vec::new())
    }

    /// The first range that ends after `at`.
    fn first_after(&self, at: u64) -> usize {
        self.0.partition_point(|r| r.1 <= at)
    }

    /// Whether an address is in the set.
    pub fn contains(&self, at: u64) -> bool {
        self.0.get(self.first_after(at)).is_some_and(|r| r.0 <= at)
    }

    /// Whether any address of [start, end) is in the set.
    pub fn overlaps(&self, start: u64, end: u64) -> bool {
        self.0.get(self.first_after(start)).is_some_and(|r| r.0 < end)
    }

    /// Adds [start, end). Ranges that overlap it or touch it become one with it.
    pub fn insert(&mut self, mut start: u64, mut end: u64) {
        if start >= end {
            return;
        }
        let from = self.0.partition_point(|r| r.1 < start);
        let to = self.0.partition_point(|r| r.0 <= end);
        if from < to {
            start = start.min(self.0[from].0);
            end = end.max(self.0[to - 1].1);
        }
        self.0.splice(from..to, [(start, end)]);
    }

    /// Takes [start, end) out; true if any of it was in the set.
    pub fn remove(&mut self, start: u64, end: u64) -> bool {
        let from = self.first_after(start);
        let to = self.0.partition_point(|r| r.0 < end);
        if start >= end || from >= to {
            return false;
        }
        let (left, right) = (self.0[from].0, self.0[to - 1].1);
        let rest = [(left, start), (end, right)];
        self.0.splice(from..to, rest.into_iter().filter(|r| r.0 < r.1));
        true
    }

    /// The start of the highest `size` bytes within [from, to) that are not in the set.
    pub fn last_gap(&self, from: u64, to: u64, size: u64) -> Option<u64> {
        let mut end = to;
        for r in self.0[..self.0.partition_point(|r| r.0 < to)].iter().rev() {
            if r.1 <= end && end - r.1.max(from) >= size {
                break;
            }
            end = end.min(r.0);
            if end <= from {
                return None;
            }
        }
        end.checked_sub(size).filter(|&start| start >= from)
    }

    /// The start of the lowest `size` bytes within [from, to) that are not in the set.
    pub fn first_gap(&self, from: u64, to: u64, size: u64) -> Option<u64> {
        let mut start = from;
        for r in &self.0[self.0.partition_point(|r| r.1 <= from)..] {
            if r.0 >= start && r.0.min(to).saturating_sub(start) >= size {
                break;
            }
            start = start.max(r.1);
        }
        (to.checked_sub(start)? >= size).then_some(start)
    }

    /// The ranges in order.
    pub fn ranges(&self) -> &[(u64, u64)] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_gap() {
        let mut set = RangeSet::new();
        for (start, end) in [(10, 20), (30, 40), (90, 95)] {
            set.insert(start, end);
        }
        for (from, to, size, want) in [
            (0, 100, 5, Some(95)),
            (0, 100, 6, Some(84)),
            (0, 90, 50, Some(40)),
            (0, 90, 51, None),
            (0, 35, 10, Some(20)),
            (0, 35, 11, None),
            (5, 12, 5, Some(5)),
            (6, 12, 5, None),
            (50, 60, 10, Some(50)),
            (50, 60, 11, None),
            (32, 38, 1, None),
            (100, 200, 100, Some(100)),
        ] {
            assert_eq!(set.last_gap(from, to, size), want, "{from}..{to}, {size}");
        }
    }

    #[test]
    fn the_lowest_gap() {
        let mut set = RangeSet::new();
        for (start, end) in [(10, 20), (30, 40), (90, 95)] {
            set.insert(start, end);
        }
        for (from, to, size, want) in [
            (0, 100, 10, Some(0)),
            (0, 100, 11, Some(40)),
            (0, 25, 11, None),
            (5, 100, 10, Some(20)),
            (15, 100, 5, Some(20)),
            (0, 89, 50, None),
            (0, 90, 50, Some(40)),
            (0, 35, 11, None),
            (92, 100, 5, Some(95)),
            (92, 100, 6, None),
            (32, 38, 1, None),
            (100, 200, 100, Some(100)),
            (200, 100, 1, None),
        ] {
            assert_eq!(set.first_gap(from, to, size), want, "{from}..{to}, {size}");
        }
    }

    #[test]
    fn range_set_against_a_bitmap() {
        let mut set = RangeSet::new();
        let mut bits = [false; 64];
        let mut seed = 7u64;
        for _ in 0..20_000 {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let (a, b) = ((seed >> 33) % 64, (seed >> 43) % 64);
            let (start, end) = (a.min(b), a.max(b));
            let any = bits[start as usize..end as usize].contains(&true);
            assert_eq!(start < end && set.overlaps(start, end), any);
            if seed >> 62 & 1 == 0 {
                set.insert(start, end);
            } else {
                assert_eq!(set.remove(start, end), any);
            }
            bits[start as usize..end as usize].fill(seed >> 62 & 1 == 0);
            let mut want = [false; 64];
            for w in set.ranges() {
                assert!(w.0 < w.1);
                want[w.0 as usize..w.1 as usize].fill(true);
            }
            assert!(set.ranges().windows(2).all(|w| w[0].1 < w[1].0));
            assert_eq!(bits, want);
            assert!((0..64).all(|at| set.contains(at) == bits[at as usize]));
        }
    }
}

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

    /// The ranges in order.
    pub fn ranges(&self) -> &[(u64, u64)] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

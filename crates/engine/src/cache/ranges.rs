//! Sets of addresses as ascending ranges that neither overlap nor touch.

use alloc::vec::Vec;

/// Whether an address lies in one of the ascending ranges.
pub(super) fn is_within(ranges: &[(u64, u64)], at: u64) -> bool {
    let i = ranges.partition_point(|r| r.0 <= at);
    i > 0 && at < ranges[i - 1].1
}

/// Adds [start, end) to ascending ranges. Those that overlap it or touch it become one with it.
pub(super) fn add_range(ranges: &mut Vec<(u64, u64)>, start: u64, end: u64) {
    if start >= end {
        return;
    }
    let first = ranges.partition_point(|r| r.1 < start);
    let after = ranges.partition_point(|r| r.0 <= end);
    let old = ranges[first..after].iter();
    let whole = old.fold((start, end), |whole, r| (whole.0.min(r.0), whole.1.max(r.1)));
    ranges.splice(first..after, [whole]);
}

/// Takes [start, end) out of ascending ranges.
pub(super) fn cut_range(ranges: &mut Vec<(u64, u64)>, start: u64, end: u64) {
    let first = ranges.partition_point(|r| r.1 <= start);
    let after = ranges.partition_point(|r| r.0 < end);
    if start < end && first < after {
        let parts = [(ranges[first].0, start), (end, ranges[after - 1].1)];
        ranges.splice(first..after, parts.into_iter().filter(|r| r.0 < r.1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_a_set_of_addresses() {
        let mut ranges = Vec::new();
        let mut set = [false; 64];
        let mut seed = 1u64;
        for _ in 0..20_000 {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let (start, end, add) = (seed >> 58, seed >> 52 & 63, seed >> 51 & 1 != 0);
            if add {
                add_range(&mut ranges, start, end);
            } else {
                cut_range(&mut ranges, start, end);
            }
            (start..end).for_each(|at| set[at as usize] = add);
            assert!((0..64).all(|at| is_within(&ranges, at) == set[at as usize]), "{ranges:?}");
            assert!(
                ranges.iter().all(|r| r.0 < r.1) && ranges.windows(2).all(|w| w[0].1 < w[1].0),
                "{ranges:?}"
            );
        }
    }
}

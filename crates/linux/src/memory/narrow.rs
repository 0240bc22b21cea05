//! Places for the mappings of a guest whose addresses have 32 bits: the host's kernel would choose
//! places beyond its reach.
//!
//! They are those of the kernel's search (arch_get_unmapped_area_topdown, arch_get_unmapped_area):
//! the highest one below the mappings' end, else the lowest one from a quarter of the space on. The
//! room that the stack may grow into lies behind the mappings' end. It is given away at last, but
//! for what the stack has taken and the guard before it.

use crate::memory::space::{self, PAGE};
use anyarch_engine::ranges::RangeSet;
use anyarch_sys::{Errno, SysResult, mappings};

/// What is mapped.
pub(super) struct Narrow {
    /// All of it, but for what the stack has grown by.
    mapped: RangeSet,
    /// Where the stack began when it was looked at, and its end.
    stack: (u64, u64),
}

impl Narrow {
    pub(super) const fn new() -> Narrow {
        Narrow { mapped: RangeSet::new(), stack: (u64::MAX, u64::MAX) }
    }

    /// [start, end) is mapped now, or no longer.
    pub(super) fn occupied(&mut self, start: u64, end: u64, is: bool) {
        match is {
            true => self.mapped.insert(start, end),
            false => _ = self.mapped.remove(start, end),
        }
    }

    /// Where the stack is.
    pub(super) fn set_stack(&mut self, start: u64, end: u64) {
        self.stack = (start, end);
    }

    /// Whether [start, start + size) is free.
    pub(super) fn is_free(&mut self, start: u64, size: u64) -> bool {
        let free = start >= space::LOWEST
            && !space::is_reserved(start, size)
            && !self.mapped.overlaps(start, start + size);
        // The stack can have grown where it may alone.
        free && (start + size <= space::mappings_end() || {
            let (from, to) = self.guarded_stack();
            start + size <= from || start >= to
        })
    }

    /// A free place for `size` bytes.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub(super) fn place(&mut self, size: u64) -> SysResult {
        let end = space::mappings_end();
        if let Some(below) = self.mapped.last_gap(space::LOWEST, end, size) {
            return Ok(below);
        }
        let (from, to) = self.guarded_stack();
        let first = self.mapped.first_gap(space::mappings_start(), from, size);
        first.or_else(|| self.mapped.first_gap(to, space::end(), size)).ok_or(Errno::ENOMEM)
    }

    /// A free place for `size` bytes at a multiple of `align`, which is a page or more.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub(super) fn place_aligned(&mut self, size: u64, align: u64) -> SysResult {
        Ok(self.place(size.checked_add(align - PAGE).ok_or(Errno::ENOMEM)?)?.next_multiple_of(align))
    }

    /// The stack as it is now, with the guard before it.
    fn guarded_stack(&mut self) -> (u64, u64) {
        let (start, end) = self.stack;
        if start < end {
            let is_mapped = |pages: u64| mappings::is_mapped(start - pages * PAGE, pages * PAGE);
            let most = (start - space::LOWEST) / PAGE;
            self.stack.0 = start - last_true(most, is_mapped) * PAGE;
        }
        (self.stack.0.saturating_sub(space::STACK_GUARD), self.stack.1)
    }
}

/// The largest number up to `most` that `is` holds for, which holds for all smaller ones: it is
/// looked for near 0 first.
fn last_true(most: u64, is: impl Fn(u64) -> bool) -> u64 {
    let (mut yes, mut step) = (0, 1);
    while yes + step <= most && is(yes + step) {
        yes += step;
        step *= 2;
    }
    while step > 0 {
        if yes + step <= most && is(yes + step) {
            yes += step;
        }
        step /= 2;
    }
    yes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one() {
        for most in [0, 1, 2, 63, 64, 1000] {
            for last in 0..=most {
                assert_eq!(last_true(most, |n| n <= last), last, "{most}");
            }
        }
    }
}

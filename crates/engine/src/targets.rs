//! Where a page's branches lead, which says where units end and can be entered.

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
        let [back, ahead] = &self.sets;
        bit_after(PAGE / 128, |n| back[n] | ahead[n], (address - page) / 2)
            .map_or(page + PAGE as u64, |bit| page + bit * 2)
    }

    /// Adds the branches of a page at `page` whose instructions are words: those that `is_branch`
    /// tells, by the `target` of such a word at an address.
    #[inline(always)]
    pub fn add_words(
        &mut self,
        page: u64,
        text: &[u8; PAGE],
        is_branch: impl Fn(u32) -> bool,
        target: impl Fn(u32, u64) -> u64,
    ) {
        for (n, words) in text.as_chunks::<4>().0.as_chunks::<32>().0.iter().enumerate() {
            let mut found = 0;
            for (word, bit) in words.iter().zip(BITS) {
                found |= if is_branch(u32::from_le_bytes(*word)) { bit } else { 0 };
            }
            for k in ones(found as u64) {
                let pc = page + (n as u64 * 32 + k as u64) * 4;
                self.add(pc, target(u32::from_le_bytes(words[k]), pc));
            }
        }
    }

    /// Adds the branches of a page at `page` whose instructions are one half of a word or two.
    #[inline(always)]
    pub fn add_halves<H: Halves>(&mut self, page: u64, text: &[u8; PAGE]) {
        let halves = text.as_chunks::<2>().0;
        let half = |at: usize| u16::from_le_bytes(halves[at]);
        let mut carry = false;
        for (n, part) in halves.as_chunks::<64>().0.iter().enumerate() {
            let (mut is_wide, mut narrow, mut wide) = (0u64, 0u64, 0u64);
            for (k, part) in part.as_chunks::<16>().0.iter().enumerate() {
                let mut found = [0; 3];
                for (half, bit) in part.iter().zip(BITS) {
                    let (half, bit) = (u16::from_le_bytes(*half), bit as u16);
                    found[0] |= if H::is_wide(half) { bit } else { 0 };
                    found[1] |= if H::is_narrow_branch(half) { bit } else { 0 };
                    found[2] |= if H::is_wide_branch(half) { bit } else { 0 };
                }
                is_wide |= (found[0] as u64) << (16 * k);
                narrow |= (found[1] as u64) << (16 * k);
                wide |= (found[2] as u64) << (16 * k);
            }
            let second = second_halves(is_wide, &mut carry);
            let place = |k: usize| (n * 64 + k, page + (n * 64 + k) as u64 * 2);
            for k in ones(narrow & !second) {
                let (at, pc) = place(k);
                self.add(pc, pc.wrapping_add(H::narrow_distance(half(at)) as u64));
            }
            for k in ones(wide & !second) {
                let (at, pc) = place(k);
                // What the end of the page cuts off is not known.
                if at + 1 < halves.len()
                    && let Some(distance) = H::wide_distance(half(at), half(at + 1))
                {
                    self.add(pc, pc.wrapping_add(distance as u64));
                }
            }
        }
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

/// An instruction set of narrow instructions, one half of a word each, and wide ones, two. What a
/// half looks like is told whether an instruction begins with it or not.
pub trait Halves {
    /// Whether it looks like the first half of a wide instruction.
    fn is_wide(half: u16) -> bool;

    /// Whether it looks like a narrow jump or conditional branch.
    fn is_narrow_branch(half: u16) -> bool;

    /// Whether it looks like the first half of a wide one. [`Halves::wide_distance`] decides.
    fn is_wide_branch(half: u16) -> bool;

    /// Bytes from a narrow one to its target.
    fn narrow_distance(half: u16) -> i64;

    /// Bytes from a wide one to its target; `None` for another instruction.
    fn wide_distance(first: u16, second: u16) -> Option<i64>;
}

/// Numbers of one bit each. Text is searched for branches in two steps, since a page has many
/// instructions of which few are branches: compilers make vector code of the loops over these.
const BITS: [u32; 32] = {
    let mut bits = [0; 32];
    let mut n = 0;
    while n < 32 {
        bits[n] = 1 << n;
        n += 1;
    }
    bits
};

/// The places of the ones in a set, ascending.
#[inline(always)]
fn ones(mut set: u64) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let first = (set != 0).then(|| set.trailing_zeros() as usize);
        set &= set.wrapping_sub(1);
        first
    })
}

/// The first one behind a place in a set of so many words.
#[inline]
pub fn bit_after(len: usize, word: impl Fn(usize) -> u64, place: u64) -> Option<u64> {
    let from = place + 1;
    let mut mask = u64::MAX << (from % 64);
    for n in (from / 64) as usize..len {
        let found = word(n) & mask;
        if found != 0 {
            return Some(n as u64 * 64 + found.trailing_zeros() as u64);
        }
        mask = u64::MAX;
    }
    None
}

/// Of 64 halves of instructions, by which of them look like the first half of one of two halves:
/// those that are second halves, since they follow such a one that is not a second half itself.
/// `carry` says it of the first, and then of the one behind the last.
#[inline(always)]
fn second_halves(is_wide: u64, carry: &mut bool) -> u64 {
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
}

//! Where a page's branches lead: see [`anyarch_engine::run::Guest::targets`].
//!
//! Units are short and a page is not, so that this is in three steps of which only the last goes
//! over branches one by one. The first is a loop that compilers make vector code of.

use anyarch_engine::targets::{PAGE, Targets, second_halves};

/// Jumps and conditional branches, by length.
#[derive(Clone, Copy)]
enum Form {
    /// C.J, C.BEQZ, C.BNEZ.
    Narrow,
    /// JAL without a register, BEQ and kin.
    Wide,
}

impl Form {
    const ALL: [Form; 2] = [Form::Narrow, Form::Wide];

    /// Whether the first half of an instruction looks like it.
    #[inline(always)]
    fn is(self, half: u16) -> bool {
        match self {
            Form::Narrow => half & 0xe003 == 0xa001 || half & 0xc003 == 0xc001,
            Form::Wide => half & 0x7f == 0x63 || half & 0xfff == 0x06f,
        }
    }

    /// The distance to the target. Of the narrow form the lower half of a word counts.
    ///
    /// Jumps and branches are both taken apart and one is chosen, since which it is is hard to
    /// foretell.
    #[inline(always)]
    fn offset(self, word: u32) -> i64 {
        let at = |lowest: u32, len: u32, to: u32| (word >> lowest & ((1 << len) - 1)) << to;
        let sign = |bit: u32, to: u32| (((word << (31 - bit)) as i32 >> 31) << to) as u32;
        let (is_jump, jump, branch) = match self {
            Form::Narrow => {
                let low = at(3, 3, 1) | at(11, 1, 4) | at(2, 1, 5) | at(7, 1, 6);
                let jump = low | at(6, 1, 7) | at(9, 2, 8) | at(8, 1, 10) | sign(12, 11);
                let branch = at(3, 2, 1) | at(10, 2, 3) | at(2, 1, 5) | at(5, 2, 6) | sign(12, 8);
                (word & 0x4000 == 0, jump, branch)
            }
            Form::Wide => {
                let jump = at(21, 10, 1) | at(20, 1, 11) | at(12, 8, 12) | sign(31, 20);
                let branch = at(8, 4, 1) | at(25, 6, 5) | at(7, 1, 11) | sign(31, 12);
                (word & 4 != 0, jump, branch)
            }
        };
        let offset = core::hint::select_unpredictable(is_jump, jump, branch);
        offset as i32 as i64
    }
}

/// 64 halves of instructions: a bit for each.
#[derive(Default)]
struct Halves {
    /// Looks like the first half of an instruction of four bytes.
    is_wide: u64,
    /// Looks like the first half of one of the forms, in the order of [`Form::ALL`].
    is: [u64; 2],
}

impl Halves {
    #[inline(always)]
    fn of(text: &[[u8; 2]; 64]) -> Halves {
        const BIT: [u16; 16] = {
            let mut bits = [0; 16];
            let mut n = 0;
            while n < 16 {
                bits[n] = 1 << n;
                n += 1;
            }
            bits
        };
        let mut halves = Halves::default();
        for (n, part) in text.as_chunks::<16>().0.iter().enumerate() {
            let mut is_wide = 0;
            let mut is = [0; 2];
            for (half, bit) in part.iter().zip(BIT) {
                let half = u16::from_le_bytes(*half);
                is_wide |= if half & 3 == 3 { bit } else { 0 };
                for (is, form) in is.iter_mut().zip(Form::ALL) {
                    *is |= if form.is(half) { bit } else { 0 };
                }
            }
            halves.is_wide |= (is_wide as u64) << (16 * n);
            for (all, is) in halves.is.iter_mut().zip(is) {
                *all |= (is as u64) << (16 * n);
            }
        }
        halves
    }
}

/// See [`anyarch_engine::run::Guest::targets`].
pub(crate) fn targets(page: u64, text: &[u8; PAGE], to: &mut Targets) {
    let halves = text.as_chunks::<2>().0;
    let half = |at: usize| halves.get(at).map_or(0, |half| u16::from_le_bytes(*half) as u32);
    let mut carry = false;
    for (n, part) in halves.as_chunks::<64>().0.iter().enumerate() {
        let Halves { is_wide, is } = Halves::of(part);
        let second = second_halves(is_wide, &mut carry);
        // An instruction of four bytes that is cut off by the end of the page is not known.
        let is_last = n == halves.len() / 64 - 1;
        let unknown = second | ((is_last && carry) as u64) << 63;
        for (is, form) in is.into_iter().zip(Form::ALL) {
            let mut branches = is & !unknown;
            while branches != 0 {
                let at = n * 64 + branches.trailing_zeros() as usize;
                branches &= branches - 1;
                let pc = page + at as u64 * 2;
                to.add(pc, pc.wrapping_add(form.offset(half(at) | half(at + 1) << 16) as u64));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fetch_from, peek_insn};
    use anyarch_engine::run::Transfer;
    use std::collections::BTreeSet;

    /// A page: instructions of both lengths and branches among them, and what is no code.
    fn page(seed: u64) -> [u8; PAGE] {
        let mut x = seed;
        let mut next = || {
            x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (x >> 33) as u32
        };
        let mut text = [0; PAGE];
        for half in text.as_chunks_mut::<2>().0 {
            let value = match next() % 6 {
                0 => next() | 3,
                1 => next() & !0x7f | 0x63,
                2 => next() & !0xfff | 0x06f,
                3 => next() & !0x2003 | 0xa001,
                4 => next() | 0xc001,
                _ => next(),
            };
            *half = (value as u16).to_le_bytes();
        }
        text
    }

    #[test]
    fn branches_are_those_that_a_walk_finds() {
        const AT: u64 = 0x7000_1000;
        for seed in 0..2000 {
            let text = page(seed);
            let half =
                |at: u64| text.get(at as usize..at as usize + 2).map(|h| u16::from_le_bytes([h[0], h[1]]));
            let (mut walked, mut at) = (Targets::new(), 0);
            while let Some(i) = fetch_from(AT + at, |pc| half(pc - AT)) {
                if let Transfer::Jump(target) | Transfer::Cond(target) = peek_insn(i).transfer {
                    walked.add(i.pc, target);
                }
                at += i.len;
            }
            let mut found = Targets::new();
            targets(AT, &text, &mut found);
            let all = |t: &Targets| -> BTreeSet<(u64, bool, bool)> {
                (AT..AT + PAGE as u64).step_by(2).map(|a| (a, t.is_ahead(a), t.is_back(a))).collect()
            };
            assert_eq!(all(&found), all(&walked), "seed {seed}");
            assert_ne!(found, Targets::new());
        }
    }
}

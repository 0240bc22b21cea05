//! Where a page's branches lead: see [`anyarch_engine::run::Guest::targets`].

use anyarch_engine::targets::{Halves, PAGE, Targets};
use core::hint::select_unpredictable;

/// See [`anyarch_engine::run::Guest::targets`].
pub(crate) fn targets(page: u64, text: &[u8; PAGE], to: &mut Targets) {
    to.add_halves::<Riscv>(page, text);
}

/// Of a narrow or wide form there are jumps and branches. Both are taken apart and one is chosen,
/// since which one it is is hard to foretell.
struct Riscv;

/// So many bits of a word from `lowest` on, placed at bit `to`.
#[inline(always)]
fn bits(word: u32, lowest: u32, len: u32, to: u32) -> u32 {
    (word >> lowest & ((1 << len) - 1)) << to
}

/// A bit of a word as all bits from `to` on.
#[inline(always)]
fn sign(word: u32, bit: u32, to: u32) -> u32 {
    (((word << (31 - bit)) as i32 >> 31) << to) as u32
}

impl Halves for Riscv {
    #[inline(always)]
    fn is_wide(half: u16) -> bool {
        half & 3 == 3
    }

    /// C.J, C.BEQZ, C.BNEZ.
    #[inline(always)]
    fn is_narrow_branch(half: u16) -> bool {
        half & 0xe003 == 0xa001 || half & 0xc003 == 0xc001
    }

    /// JAL without a register, BEQ and kin.
    #[inline(always)]
    fn is_wide_branch(half: u16) -> bool {
        half & 0x7f == 0x63 || half & 0xfff == 0x06f
    }

    #[inline(always)]
    fn narrow_distance(half: u16) -> i64 {
        let word = half as u32;
        let at = |lowest, len, to| bits(word, lowest, len, to);
        let low = at(3, 3, 1) | at(11, 1, 4) | at(2, 1, 5) | at(7, 1, 6);
        let jump = low | at(6, 1, 7) | at(9, 2, 8) | at(8, 1, 10) | sign(word, 12, 11);
        let branch = at(3, 2, 1) | at(10, 2, 3) | at(2, 1, 5) | at(5, 2, 6) | sign(word, 12, 8);
        select_unpredictable(word & 0x4000 == 0, jump, branch) as i32 as i64
    }

    #[inline(always)]
    fn wide_distance(first: u16, second: u16) -> Option<i64> {
        let word = first as u32 | (second as u32) << 16;
        let at = |lowest, len, to| bits(word, lowest, len, to);
        let jump = at(21, 10, 1) | at(20, 1, 11) | at(12, 8, 12) | sign(word, 31, 20);
        let branch = at(8, 4, 1) | at(25, 6, 5) | at(7, 1, 11) | sign(word, 31, 12);
        Some(select_unpredictable(word & 4 != 0, jump, branch) as i32 as i64)
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

//! Where a page's branches lead: see [`anyarch_engine::run::Guest::targets`].

use crate::decode::pc;
use anyarch_engine::targets::{Halves, PAGE, Targets};

/// See [`anyarch_engine::run::Guest::targets`].
pub(crate) fn targets(page: u64, text: &[u8; PAGE], to: &mut Targets) {
    if page & pc::T == 0 {
        to.add_words(page, text, is_branch, target);
    } else {
        to.add_halves::<T32>(page & !pc::T, text);
    }
}

/// Whether a word of A32 is B; with the condition 1111 it is BLX.
fn is_branch(word: u32) -> bool {
    word & 0x0f00_0000 == 0x0a00_0000 && word & 0xf000_0000 != 0xf000_0000
}

/// The target of such a word at `pc`.
fn target(word: u32, pc: u64) -> u64 {
    pc.wrapping_add(((word << 8) as i32 >> 6) as u64).wrapping_add(8)
}

/// From an instruction of T32 to the program counter that it sees.
const AHEAD: i64 = 4;

struct T32;

impl Halves for T32 {
    fn is_wide(half: u16) -> bool {
        half >= 0xe800
    }

    /// B (T1, T2), CBZ and CBNZ.
    fn is_narrow_branch(half: u16) -> bool {
        half & 0xf800 == 0xe000
            || half & 0xf500 == 0xb100
            || half & 0xf000 == 0xd000 && half & 0x0e00 != 0x0e00
    }

    /// B (T3, T4) and others.
    fn is_wide_branch(half: u16) -> bool {
        half & 0xf800 == 0xf000
    }

    fn narrow_distance(half: u16) -> i64 {
        let half = half as i32;
        let offset = match half >> 12 {
            0xb => (half >> 9 & 1) << 6 | (half >> 3 & 31) << 1,
            0xd => (half << 24) >> 23,
            _ => (half << 21) >> 20,
        };
        offset as i64 + AHEAD
    }

    fn wide_distance(first: u16, second: u16) -> Option<i64> {
        let (first, second) = (first as i32, second as i32);
        let sign = (first << 21) >> 31;
        let offset = match second >> 12 & 0xd {
            0x8 if first >> 7 & 7 != 7 => {
                let (j1, j2) = (second >> 13 & 1, second >> 11 & 1);
                sign << 20 | j2 << 19 | j1 << 18 | (first & 0x3f) << 12 | (second & 0x7ff) << 1
            }
            0x9 => {
                let (i1, i2) = (!(second >> 13 ^ sign) & 1, !(second >> 11 ^ sign) & 1);
                sign << 24 | i1 << 23 | i2 << 22 | (first & 0x3ff) << 12 | (second & 0x7ff) << 1
            }
            _ => return None,
        };
        Some(offset as i64 + AHEAD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::branch::transfer;
    use crate::decode::Insn;
    use anyarch_engine::run::Transfer;

    const AT: u64 = 0x7000_1000;

    fn random(seed: u64) -> impl FnMut() -> u32 {
        let mut x = seed;
        move || {
            x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (x >> 32) as u32
        }
    }

    fn same(found: &Targets, walked: &Targets, what: &str) {
        for at in (AT..AT + PAGE as u64).step_by(2) {
            assert_eq!(found.is_ahead(at), walked.is_ahead(at), "{what}, ahead to {at:x}");
            assert_eq!(found.is_back(at), walked.is_back(at), "{what}, back to {at:x}");
        }
        assert_ne!(*found, Targets::new());
    }

    #[test]
    fn a32_branches_are_those_of_the_look_ahead() {
        for seed in 0..300 {
            let mut next = random(seed);
            let mut text = [0; PAGE];
            let mut walked = Targets::new();
            for (n, word) in text.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                let value = match next() % 3 {
                    0 => next() & 0xf000_03ff | 0x0a00_0000,
                    1 => next() | 0x00ff_fc00,
                    _ => next(),
                };
                *word = value.to_le_bytes();
                let pc = AT + n as u64 * 4;
                if let Transfer::Jump(to) | Transfer::Cond(to) = transfer(Insn::a32(value, pc)) {
                    walked.add(pc, to);
                }
            }
            let mut found = Targets::new();
            targets(AT, &text, &mut found);
            same(&found, &walked, &format!("seed {seed}"));
        }
    }

    #[test]
    fn t32_branches_are_those_that_a_walk_finds() {
        for seed in 0..300 {
            let mut next = random(seed);
            let mut text = [0; PAGE];
            for half in text.as_chunks_mut::<2>().0 {
                let value = match next() % 5 {
                    0 => 0xd000 | next() & 0xfff,
                    1 => 0xe000 | next() & 0x7ff,
                    2 => 0xb100 | next() & 0xaff,
                    3 => 0xf000 | next() & 0x7ff,
                    _ => next(),
                };
                *half = (value as u16).to_le_bytes();
            }
            let half = |at: usize| u16::from_le_bytes([text[at], text[at + 1]]) as u32;
            let (mut walked, mut at) = (Targets::new(), 0);
            while at < PAGE {
                let is_wide = half(at) >= 0xe800;
                if is_wide && at + 2 == PAGE {
                    break;
                }
                let word = if is_wide { half(at) << 16 | half(at + 2) } else { half(at) };
                let pc = AT + at as u64;
                let to = match transfer(Insn::t32(word, pc | 1)) {
                    Transfer::Jump(to) | Transfer::Cond(to) => Some(to & !1),
                    _ => None,
                };
                if let Some(to) = to {
                    walked.add(pc, to);
                }
                at += if is_wide { 4 } else { 2 };
            }
            let mut found = Targets::new();
            targets(AT | 1, &text, &mut found);
            same(&found, &walked, &format!("seed {seed}"));
        }
    }
}

//! Where a page's branches lead: see [`anyarch_engine::run::Guest::targets`].
//!
//! Units are short and a page is not, so that only the last step goes over branches one by one. The
//! first is a loop that compilers make vector code of.

use crate::decode::pc;
use anyarch_engine::targets::{PAGE, Targets, second_halves};

/// See [`anyarch_engine::run::Guest::targets`].
pub(crate) fn targets(page: u64, text: &[u8; PAGE], to: &mut Targets) {
    if page & pc::T == 0 { a32(page, text, to) } else { t32(page & !pc::T, text, to) }
}

/// Bits 0 to 31.
const BIT: [u32; 32] = {
    let mut bits = [0; 32];
    let mut n = 0;
    while n < 32 {
        bits[n] = 1 << n;
        n += 1;
    }
    bits
};

fn a32(page: u64, text: &[u8; PAGE], to: &mut Targets) {
    for (n, words) in text.as_chunks::<4>().0.as_chunks::<32>().0.iter().enumerate() {
        let mut found = 0;
        for (word, bit) in words.iter().zip(BIT) {
            let word = u32::from_le_bytes(*word);
            // B; with the condition 1111 it is BLX.
            let is_branch = word & 0x0f00_0000 == 0x0a00_0000 && word & 0xf000_0000 != 0xf000_0000;
            found |= if is_branch { bit } else { 0 };
        }
        while found != 0 {
            let k = found.trailing_zeros();
            found &= found - 1;
            let pc = page + (n as u64 * 32 + k as u64) * 4;
            let word = u32::from_le_bytes(words[k as usize]);
            to.add(pc, pc.wrapping_add(((word << 8) as i32 >> 6) as u64).wrapping_add(8));
        }
    }
}

/// B (T1, T2), CBZ and CBNZ.
fn is_narrow_branch(half: u16) -> bool {
    half & 0xf800 == 0xe000 || half & 0xf500 == 0xb100 || half & 0xf000 == 0xd000 && half & 0x0e00 != 0x0e00
}

/// The distance that such an instruction leads, from the address of the next but one.
fn narrow_offset(half: u16) -> i32 {
    let half = half as i32;
    match half >> 12 {
        0xb => (half >> 9 & 1) << 6 | (half >> 3 & 31) << 1,
        0xd => (half << 24) >> 23,
        _ => (half << 21) >> 20,
    }
}

/// The same of a wide instruction, if it is B (T3, T4).
fn wide_offset(first: u16, second: u16) -> Option<i32> {
    let (first, second) = (first as i32, second as i32);
    let sign = (first << 21) >> 31;
    match second >> 12 & 0xd {
        0x8 if first >> 7 & 7 != 7 => {
            let (j1, j2) = (second >> 13 & 1, second >> 11 & 1);
            Some(sign << 20 | j2 << 19 | j1 << 18 | (first & 0x3f) << 12 | (second & 0x7ff) << 1)
        }
        0x9 => {
            let (i1, i2) = (!(second >> 13 ^ sign) & 1, !(second >> 11 ^ sign) & 1);
            Some(sign << 24 | i1 << 23 | i2 << 22 | (first & 0x3ff) << 12 | (second & 0x7ff) << 1)
        }
        _ => None,
    }
}

fn t32(page: u64, text: &[u8; PAGE], to: &mut Targets) {
    let halves = text.as_chunks::<2>().0;
    let half = |at: usize| halves.get(at).map_or(0, |half| u16::from_le_bytes(*half));
    let mut carry = false;
    for (n, part) in halves.as_chunks::<64>().0.iter().enumerate() {
        let (mut is_wide, mut narrow, mut wide) = (0u64, 0u64, 0u64);
        for (k, part) in part.as_chunks::<32>().0.iter().enumerate() {
            let mut found = [0; 3];
            for (half, bit) in part.iter().zip(BIT) {
                let half = u16::from_le_bytes(*half);
                found[0] |= if half >= 0xe800 { bit } else { 0 };
                found[1] |= if is_narrow_branch(half) { bit } else { 0 };
                found[2] |= if half & 0xf800 == 0xf000 { bit } else { 0 };
            }
            is_wide |= (found[0] as u64) << (32 * k);
            narrow |= (found[1] as u64) << (32 * k);
            wide |= (found[2] as u64) << (32 * k);
        }
        let second = second_halves(is_wide, &mut carry);
        let (mut narrow, mut wide) = (narrow & !second, wide & !second);
        let place = |bit: u32| n * 64 + bit as usize;
        let mut add = |at: usize, offset: i32| {
            let pc = page + at as u64 * 2;
            to.add(pc, pc.wrapping_add(4).wrapping_add(offset as u64));
        };
        while narrow != 0 {
            let at = place(narrow.trailing_zeros());
            narrow &= narrow - 1;
            add(at, narrow_offset(half(at)));
        }
        while wide != 0 {
            let at = place(wide.trailing_zeros());
            wide &= wide - 1;
            // Of what the end of the page cuts off, the second half is zero: no branch.
            if let Some(offset) = wide_offset(half(at), half(at + 1)) {
                add(at, offset);
            }
        }
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

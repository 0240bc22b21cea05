//! Where a page's branches lead: see [`anyarch_engine::run::Guest::targets`].

use anyarch_engine::targets::{PAGE, Targets};

/// Whether a word is a jump or a conditional branch whose target it says.
#[inline(always)]
fn has_target(insn: u32) -> bool {
    insn & 0xfc00_0000 == 0x1400_0000
        || insn & 0x7c00_0000 == 0x3400_0000
        || insn & 0xff00_0000 == 0x5400_0000
}

/// The target of such a word at `pc`.
#[inline(always)]
fn target(insn: u32, pc: u64) -> u64 {
    // Chosen without branches, since which it is is hard to foretell.
    let number = |lowest: u32, len: u32| ((insn << (32 - lowest - len)) as i32) >> (32 - len);
    let (of26, of14, of19) = (number(0, 26), number(5, 14), number(5, 19));
    let of = if insn >> 26 & 0x1f == 5 { of26 } else { of19 };
    let of = if insn >> 25 & 0x3f == 0x1b { of14 } else { of };
    pc.wrapping_add((of << 2) as u64)
}

/// See [`anyarch_engine::run::Guest::targets`].
pub(crate) fn targets(page: u64, text: &[u8; PAGE], to: &mut Targets) {
    to.add_words(page, text, has_target, target);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::branch::transfer;
    use anyarch_engine::run::Transfer;

    #[test]
    fn words_with_targets_are_those_of_the_look_ahead() {
        const PC: u64 = 0x7000_1000;
        let mut x = 1u64;
        let mut found = 0;
        for n in 0..4_000_000u32 {
            x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            // All upper bytes in turn.
            let word = n << 24 | (x >> 40) as u32;
            let known = match transfer(word, PC) {
                Transfer::Jump(target) | Transfer::Cond(target) => Some(target),
                _ => None,
            };
            assert_eq!(has_target(word).then(|| target(word, PC)), known, "{word:08x}");
            found += known.is_some() as u32;
        }
        assert!(found > 100_000);
    }

    #[test]
    fn a_page_has_the_targets_of_its_words() {
        const PAGE_AT: u64 = 0x7000_1000;
        let mut text = [0; PAGE];
        let mut put = |at: usize, word: u32| text[at..at + 4].copy_from_slice(&word.to_le_bytes());
        put(0x10, 0x1400_0004); // b +16
        put(0x7c, 0x54ff_ff80); // b.eq -16
        put(0x80, 0x3600_0040); // tbz w0, #0, +8
        put(0xffc, 0xb400_0020); // cbz x0, +4: in the next page
        put(0x200, 0x9400_0010); // bl +64: a call
        let mut found = Targets::new();
        targets(PAGE_AT, &text, &mut found);
        let mut expected = Targets::new();
        expected.add(PAGE_AT + 0x10, PAGE_AT + 0x20);
        expected.add(PAGE_AT + 0x7c, PAGE_AT + 0x6c);
        expected.add(PAGE_AT + 0x80, PAGE_AT + 0x88);
        assert_eq!(found, expected);
    }
}

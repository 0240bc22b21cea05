//! Checked units: see [`anyarch_engine::shared`].

use super::asm::{Cc, Mem, Op, Rm, reg::*};
use super::{Cold, ColdKind, Translator};
use alloc::vec::Vec;
use anyarch_engine::shared::Copy;

impl<'a> Translator<'a> {
    /// The unit is made from `copy`, if that is given, and is to be checked. It begins with the
    /// comparison of these ranges, which the translation of the same copy without them used
    /// ([`Translator::ranges`]). Called before the first instruction.
    pub(super) fn make_from(&mut self, copy: Option<&'a Copy>, ranges: &[(u64, u64)]) {
        let Some(copy) = copy else { return };
        self.copy = Some(copy);
        self.keep_flags();
        for &(start, end) in ranges {
            self.guest_addr(RCX, start);
            let len = end - start;
            let mut at = 0;
            while at < len {
                // The last bytes together with some before them, if there are any.
                let (from, bytes) = match len - at {
                    8.. => (at, 8),
                    5..8 if len >= 8 => (len - 8, 8),
                    4..8 => (at, 4),
                    _ if len >= 4 => (len - 4, 4),
                    _ => (at, 2),
                };
                let here = Mem::base(RCX, from as i32);
                let value = copy.load(start + from, bytes).unwrap_or(0);
                match bytes {
                    8 => {
                        self.a.mov_imm(RAX, value);
                        self.a.alu(Op::Cmp, true, RAX, here);
                    }
                    4 => self.a.alu_imm(Op::Cmp, false, here, value as i32),
                    _ => {
                        self.a.movzx(2, RAX, here);
                        self.a.alu_imm(Op::Cmp, false, Rm::R(RAX), value as i32);
                    }
                }
                let site = self.a.jcc_near(Cc::Ne);
                self.cold.push(Cold { site, resume: self.a.p, kind: ColdKind::Stale(false), insn: 0 });
                at = from + bytes as u64;
            }
        }
        if let Some(last) = self.cold.last_mut() {
            last.kind = ColdKind::Stale(true);
        }
        self.checked = self.a.p;
    }

    /// The guest code that the unit is made from.
    pub(super) fn ranges(&self) -> Vec<(u64, u64)> {
        core::iter::once((self.start_pc, self.end_pc)).chain(self.draft.sources.iter().copied()).collect()
    }

    /// Host bytes of the check.
    pub(super) fn check_len(&self) -> usize {
        self.checked as usize - self.start as usize
    }

    /// The unit ends behind this instruction, where it would be entered without its check.
    pub(super) fn end_checked(&mut self) {
        self.exit_to(self.next_pc);
        self.course.ended = true;
    }
}

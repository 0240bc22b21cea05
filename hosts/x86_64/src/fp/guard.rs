//! Jumps to cold code where the host alone is not enough.

use super::super::asm::{Cc, NONE, Near, Op, Rm, opcodes::*, reg::*};
use super::super::{Cold, ColdKind, HostFlags};
use super::arith::{EQ, EQ_UNORD, UNORD};
use super::constants::K;
use super::{T, X0, X2, X3};
use anyarch_engine::ops::*;

/// A jump to cold code in wait of the place to come back to.
pub(super) struct Guard {
    pub(super) site: Near,
    pub(super) keep_flags: bool,
}

impl T<'_> {
    /// Makes EFLAGS free, by saving them only if that is cheap; true if they must be left alone.
    pub(super) fn flags_kept(&mut self) -> bool {
        let theirs = self.flags.host != HostFlags::None && !self.flags.in_memory;
        if theirs && self.flags_live() && self.spare_flags() {
            return true;
        }
        self.drop_flags();
        false
    }

    /// A jump if XMM15 has a lane that is not zero in its sign (`scalar`: lane 0 all ones).
    pub(super) fn guard_mask(&mut self, keep_flags: bool, es: u8, scalar: bool) -> Guard {
        if scalar {
            self.a.v2(MOVD_STORE, X3, RCX);
        } else {
            self.a.v2(MOVMSK[es as usize & 3], RCX, X3);
        }
        self.guard_rcx(keep_flags)
    }

    /// A jump if RCX is not zero.
    pub(super) fn guard_rcx(&mut self, keep_flags: bool) -> Guard {
        if keep_flags {
            self.a.jrcxz_over_near();
            return Guard { site: self.a.jmp_near(), keep_flags };
        }
        self.a.test(false, Rm::R(RCX), RCX);
        Guard { site: self.a.jcc_near(Cc::Ne), keep_flags }
    }

    /// A jump if a result that may be tiny has a lane that is a NaN, or is the smallest normal
    /// number: it may have become that by rounding, which is underflow where tininess counts before
    /// rounding, and the host counts it after. Uses XMM15, and XMM14 without AVX.
    pub(super) fn guard_result(&mut self, es: u8, scalar: bool, x: u8) -> Guard {
        if self.form.boxing {
            return self.guard_nan(es, scalar, x, Rm::R(x));
        }
        let keep_flags = self.flags_kept();
        let (abs, normal) = if es == 3 { (K::Abs64, K::Normal64) } else { (K::Abs32, K::Normal32) };
        self.with_constant(ANDPS, X3, x, abs);
        if scalar && !keep_flags {
            let a = if self.a.avx { 0 } else { X3 };
            self.with_constant(ucomis(es), X3, a, normal);
            // Equal or unordered.
            return Guard { site: self.a.jcc_near(Cc::E), keep_flags };
        }
        let cmp = arith(es, scalar, CMP);
        self.with_constant(cmp, X3, X3, normal);
        if self.a.avx {
            self.a.b(EQ_UNORD);
        } else {
            self.a.b(EQ);
            self.a.v3i(cmp, X2, x, Rm::R(x), UNORD, X2);
            self.a.v3(ORPS, X3, X3, Rm::R(X2), true, NONE);
        }
        self.guard_mask(keep_flags, es, scalar)
    }

    /// A jump if the result of a conversion between single and double has a lane that may need more
    /// than the host did.
    pub(super) fn guard_converted(&mut self, to: u8, scalar: bool, x: u8) -> Guard {
        if to == 2 { self.guard_result(2, scalar, x) } else { self.guard_nan(to, scalar, x, Rm::R(x)) }
    }

    /// As [`Self::guard_result`] for halves, which are no NaNs, in `x` (zero above the result).
    pub(super) fn guard_half(&mut self, x: u8) -> Option<Guard> {
        if self.form.boxing {
            return None;
        }
        let keep_flags = self.flags_kept();
        self.with_constant(ANDPS, X3, x, K::Abs16);
        self.with_constant(PCMPEQ[1], X3, X3, K::Normal16);
        self.a.v2(MOVMSK[0], RCX, X3);
        Some(self.guard_rcx(keep_flags))
    }

    /// A jump if a or b is a NaN, in lane 0 or any lane.
    pub(super) fn guard_nan(&mut self, es: u8, scalar: bool, a: u8, b: Rm) -> Guard {
        let keep_flags = self.flags_kept();
        if scalar && !keep_flags {
            self.a.v2(ucomis(es), a, b);
            return Guard { site: self.a.jcc_near(Cc::P), keep_flags };
        }
        self.a.v3i(arith(es, scalar, CMP), X3, a, b, UNORD, X3);
        self.guard_mask(keep_flags, es, scalar)
    }

    /// The cold code of a guard: calls the helper, and comes back to here.
    pub(super) fn resume(&mut self, guard: Guard, f: HelperFn, arg: u64) {
        let kind =
            if guard.keep_flags { ColdKind::HelperKeepingFlags(f, arg) } else { ColdKind::Helper(f, arg) };
        self.resume_as(guard.site, kind);
    }

    pub(super) fn resume_as(&mut self, site: Near, kind: ColdKind) {
        let insn = self.draft.marks.len() as u16;
        self.a.label = self.a.p;
        self.cold.push(Cold { site, resume: self.a.p, kind, insn });
    }
}

/// Jumps to the helper in place of the instruction unless the slots are boxed.
pub(crate) fn check_boxes(t: &mut T<'_>, es: u8, slots: &[V], f: HelperFn, arg: u64) {
    let (mut pinned, mut n) = (NONE, 0);
    let mut sites = [Near(core::ptr::null_mut()); 4];
    if !(1..=2).contains(&es) {
        return;
    }
    for (i, &s) in slots.iter().enumerate() {
        let known = t.known.vectors.boxed[es as usize - 1] >> (s.0 & 127) & 1 != 0;
        if known || slots[..i].contains(&s) {
            continue;
        }
        t.clobber_flags();
        let h = t.vhost(s);
        if h == NONE && es == 2 {
            let mut m = T::vslot(s);
            m.disp += 4;
            t.a.alu_imm(Op::Cmp, false, m, -1);
            sites[n & 3] = t.a.jcc_near(Cc::Ne);
            n += 1;
        } else if h == NONE {
            if pinned == NONE {
                t.a.v2(MOVQ, X0, T::vslot(s));
            } else {
                t.a.v3(ANDPS, X0, pinned, T::vslot(s), true, X3);
            }
            pinned = X0;
        } else if pinned == NONE {
            pinned = h;
        } else {
            t.a.v3(ANDPS, X0, pinned, Rm::R(h), true, X3);
            pinned = X0;
        }
    }
    if pinned != NONE {
        if es == 2 {
            t.a.v2i(PEXTR[2], pinned, RAX, 1);
            t.a.alu_imm(Op::Cmp, false, Rm::R(RAX), -1);
        } else {
            t.a.v2(MOVQ_TO_GPR, pinned, RAX);
            t.a.alu_imm(Op::Cmp, true, Rm::R(RAX), -0x10000);
        }
        sites[n & 3] = t.a.jcc_near(if es == 2 { Cc::Ne } else { Cc::B });
        n += 1;
    }
    let next = t.next_pc;
    for site in sites.into_iter().take(n) {
        t.resume_as(site, ColdKind::Instead(f, arg, next));
    }
    for &s in slots {
        t.is_boxed(s, es);
    }
}

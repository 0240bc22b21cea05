//! Jumps, branches, calls, returns, system calls and traps.

use super::asm::{Cc, Mem, NONE, Op, Rm, reg::*};
use super::glue::{self, Piece, lookup_mask, lookup_mem};
use super::integer::is64;
use super::unit::Inlined;
use super::{Cold, ColdKind, Flags, Translator};
use anyarch_engine::ops::{Cmp, Cond, R, Trap, W};

impl Translator<'_> {
    pub(crate) fn jump(&mut self, target: u64) {
        self.exit_to(target);
        self.end_unit();
    }

    pub(crate) fn branch(&mut self, c: Cond, target: u64) {
        if c == Cond::Al {
            return self.jump(target);
        }
        self.before_exit(target);
        let test = self.cond(c);
        self.exit_test(test, target);
        self.mark_entry();
    }

    pub(crate) fn branch_zero(&mut self, nonzero: bool, w: W, r: R, target: u64) {
        if r == R::ZERO {
            if !nonzero {
                self.jump(target);
            }
            return;
        }
        self.clobber_flags();
        let start = self.a.p;
        if w == W::W32 || !self.is_zero_known(r) {
            self.test_zero(w, r);
        }
        self.place_jump(start, target);
        self.exit_if(if nonzero { Cc::Ne } else { Cc::E }, target);
        self.mark_entry();
    }

    pub(crate) fn branch_bit(&mut self, set: bool, r: R, bit: u8, target: u64) {
        if r == R::ZERO {
            if !set {
                self.jump(target);
            }
            return;
        }
        self.clobber_flags();
        let h = self.host(r);
        if h == NONE {
            // The byte that holds the bit.
            let mut m = Self::slot(r);
            m.disp += (bit / 8) as i32;
            self.a.test8_imm(m, 1 << (bit & 7));
            self.exit_if(if set { Cc::Ne } else { Cc::E }, target);
        } else {
            self.a.bt_imm(bit >= 32, Rm::R(h), bit);
            self.exit_if(if set { Cc::B } else { Cc::Ae }, target);
        }
        self.mark_entry();
    }

    pub(crate) fn branch_cmp(&mut self, cmp: Cmp, a: R, b: R, target: u64) {
        self.clobber_flags();
        let start = self.a.p;
        let cc = self.compare(cmp, a, b);
        self.place_jump(start, target);
        self.exit_if(cc, target);
        self.mark_entry();
    }

    pub(crate) fn call(&mut self, link: R, target: u64) {
        if self.inline(link, target) {
            return;
        }
        self.flush_flags(Some(target));
        self.push_link(link);
        self.a.keep_rel32_whole(1);
        let site = self.a.call_near();
        self.draft.exits.push(super::Exit {
            site: site.0,
            target,
            stub: core::ptr::null_mut(),
            is_call: true,
        });
        self.landing();
    }

    pub(crate) fn jump_reg(&mut self, r: R) {
        self.flush_flags(None);
        self.get_into(true, r, RAX);
        self.inline_lookup();
        let miss = self.a.jcc_short(Cc::Ne);
        self.a.jmp_rm(lookup_mem(self.guest, 8));
        self.a.bind(miss);
        self.a.jmp_piece(Piece::Lookup);
        self.end_unit();
    }

    pub(crate) fn call_reg(&mut self, link: R, r: R) {
        self.flush_flags(None);
        self.get_into(true, r, RAX);
        self.push_link(link);
        self.inline_lookup();
        let site = self.a.jcc_near(Cc::Ne);
        self.a.call_rm(lookup_mem(self.guest, 8));
        let resume = self.a.p;
        let insn = self.draft.marks.len() as u16;
        self.cold.push(Cold { site, resume, kind: ColdKind::CallLookup, insn });
        self.landing();
    }

    pub(crate) fn ret(&mut self, r: R) {
        if let Some(inlined) = self.course.inlined.take() {
            // The link register still has what the call gave it: see `Guest::leaf`.
            self.next_pc = inlined.back;
            self.course.turned = true;
            return;
        }
        self.flush_flags(None);
        self.get_into(true, r, RAX);
        self.a.alu(Op::Cmp, true, RAX, Mem::base(RSP, 8));
        let other = self.a.jcc_short(Cc::Ne);
        self.a.ret();
        self.a.bind(other);
        self.a.jmp_piece(Piece::Lookup);
        self.end_unit();
    }

    pub(crate) fn syscall(&mut self) {
        self.flush_flags(Some(self.next_pc));
        // The glue returns here when it has made the call; what it needs to know otherwise is the
        // immediate of an instruction without effect.
        let next = self.next_pc;
        self.a.call_piece(Piece::Syscall);
        let delta = next.wrapping_sub(self.a.p as u64 + 1) as i64;
        if delta == delta as i32 as i64 {
            self.a.b(super::glue::NEAR_DATA);
            self.a.d(delta as u32);
        } else {
            self.a.mov_imm64(RAX, next);
            self.draft.absolute = true;
        }
        self.flags = Flags::IN_MEMORY;
        self.mark_entry();
    }

    pub(crate) fn trap(&mut self, t: Trap) {
        if !self.flags.in_memory {
            self.save_flags();
        }
        let (code, arg) = match t {
            Trap::Undefined => {
                self.course.undefined = true;
                (glue::TRAP_UNDEFINED, 0)
            }
            Trap::Breakpoint(n) => (glue::TRAP_BREAKPOINT, n as u32),
        };
        self.a.mov_imm(RCX, (code | arg << 8) as u64);
        self.a.call_piece(Piece::Trap);
        self.end_unit();
    }

    fn test_zero(&mut self, w: W, r: R) {
        let h = self.host(r);
        if h != NONE {
            self.a.test(is64(w), Rm::R(h), h);
        } else {
            self.a.alu_imm(Op::Cmp, is64(w), Self::slot(r), 0);
        }
    }

    /// The comparison emitted since `start` is to be followed by a conditional jump to `target`:
    /// places both well if that makes a loop.
    fn place_jump(&mut self, start: *mut u8, target: u64) {
        if target <= self.pc {
            self.a.keep_in_window(start, 6);
        }
    }

    /// link = next instruction; pushes it for the return prediction. Uses RCX. Leaves EFLAGS alone.
    fn push_link(&mut self, link: R) {
        let next = self.next_pc;
        let t = if self.host(link) == NONE { RCX } else { self.host(link) };
        self.guest_addr(t, next);
        self.put(link, t);
        self.a.push(t);
    }

    /// Goes on with the function at `target` in the place of a call, if that is short and calls
    /// nothing. What leaves its straight line goes on in units of its own, which return by the
    /// lookup.
    pub(crate) fn inline(&mut self, link: R, target: u64) -> bool {
        if self.course.inlined.is_some() || self.copy.is_some() || self.bodies.within || !self.inlines {
            return false;
        }
        let Some(end) = (self.guest.leaf)(target) else { return false };
        let back = self.next_pc;
        if let Some(h) = Some(self.host(link)).filter(|&h| h != NONE) {
            self.guest_addr(h, back);
        } else {
            self.guest_addr(RCX, back);
            self.put(link, RCX);
        }
        self.draft.sources.push((target, end));
        self.course.inlined = Some(Inlined { start: target, end, back });
        self.next_pc = target;
        self.course.turned = true;
        true
    }

    /// After the host call: the landing of the return.
    fn landing(&mut self) {
        self.draft.calls_out = true;
        self.a.pop(RCX);
        self.flags = Flags::IN_MEMORY;
        self.mark_entry();
    }

    /// The table lookup of an indirect transfer: RAX = target; afterwards, if equal (E), the entry
    /// is at `lookup_mem`.
    fn inline_lookup(&mut self) {
        self.a.mov(false, RCX, RAX);
        self.a.alu_imm(Op::And, false, Rm::R(RCX), lookup_mask(self.guest));
        self.a.alu(Op::Cmp, true, RAX, lookup_mem(self.guest, 0));
    }
}

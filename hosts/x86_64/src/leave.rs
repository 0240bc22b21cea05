//! What generated code leaves to the emulator: helpers, in line or on a cold path, and guards that
//! decide whether one is needed.

use super::asm::{Cc, Mem, NONE, Op, Rm, Sh, reg::*};
use super::glue::Piece;
use super::{Cold, ColdKind, Flags, HostFlags, Translator, state, vec};
use anyarch_engine::ops::{Helper, HelperFn, R};
use anyarch_engine::state::Cpu;
use core::mem::offset_of;

impl Translator<'_> {
    pub(crate) fn helper(&mut self, f: Helper, arg: u64) {
        // A helper may read and write the flags.
        if !self.flags.in_memory {
            self.save_flags();
        }
        self.inline_helper(f.function, arg);
        self.forget_vectors();
    }

    pub(crate) fn guard(&mut self, r: R, value: u32, f: Helper, arg: u64) -> bool {
        self.clobber_flags();
        match self.host(r) {
            NONE => self.a.alu_imm(Op::Cmp, true, Self::slot(r), value as i32),
            h => self.a.alu_imm(Op::Cmp, true, Rm::R(h), value as i32),
        }
        self.refer_unless_equal(f.function, arg);
        true
    }

    pub(crate) fn guard_bits(&mut self, r: R, mask: u32, value: u32, f: Helper, arg: u64) -> bool {
        self.clobber_flags();
        if mask == 0xff && self.host(r) == NONE {
            self.a.cmp8_imm(Self::slot(r), value as u8);
        } else if value == 0 {
            match self.host(r) {
                NONE => self.a.test_imm(false, Self::slot(r), mask as i32),
                h => self.a.test_imm(false, Rm::R(h), mask as i32),
            }
        } else {
            self.get_into(false, r, RAX);
            self.a.alu_imm(Op::And, false, Rm::R(RAX), mask as i32);
            self.a.alu_imm(Op::Cmp, false, Rm::R(RAX), value as i32);
        }
        self.refer_unless_equal(f.function, arg);
        true
    }

    pub(crate) fn choose(
        &mut self,
        r: R,
        value: u32,
        then: impl FnOnce(&mut Self),
        otherwise: impl FnOnce(&mut Self),
    ) {
        self.clobber_flags();
        match self.host(r) {
            NONE => self.a.alu_imm(Op::Cmp, true, Self::slot(r), value as i32),
            h => self.a.alu_imm(Op::Cmp, true, Rm::R(h), value as i32),
        }
        let other = self.a.jcc_near(Cc::Ne);
        let known = (self.known.vectors, self.insn.constant);
        then(self);
        self.drop_flags();
        let end = self.a.jmp_near();
        self.a.bind_near(other);
        (self.known.vectors, self.insn.constant) = known;
        otherwise(self);
        self.a.bind_near(end);
        // What is known of the slots from 48 up is what one way did, and the end of the instruction
        // forgets it.
        self.insn.guarded = true;
        self.known.aes = vec::AesRound::NONE;
    }

    /// The end of a guard: the helper does the rest of the instruction unless EFLAGS say equal.
    fn refer_unless_equal(&mut self, f: HelperFn, arg: u64) {
        let site = self.a.jcc_near(Cc::Ne);
        let insn = self.draft.marks.len() as u16;
        self.cold.push(Cold { site, resume: core::ptr::null(), kind: ColdKind::Helper(f, arg), insn });
        self.insn.guarded = true;
    }

    /// Emits a call to a helper with the whole state in memory, in line.
    pub(crate) fn inline_helper(&mut self, f: HelperFn, arg: u64) {
        self.clobber_flags();
        self.call_helper(f, arg);
        self.known.fenced = false;
        self.flags = Flags::IN_MEMORY;
    }

    /// Calls a helper with the whole state in memory. Flags were dealt with.
    pub(crate) fn call_helper(&mut self, f: HelperFn, arg: u64) {
        self.a.mov_imm(RAX, f as usize as u64);
        self.a.mov_imm(RCX, arg);
        self.a.call_piece(Piece::Helper);
    }

    /// As `call_helper`, with EFLAGS (whatever they hold) saved and restored in the place of the
    /// guest's, which is free while they are not in memory.
    pub(crate) fn call_helper_keeping_flags(&mut self, f: HelperFn, arg: u64) {
        self.a.lahf();
        self.a.setcc(Cc::O, RAX);
        self.a.mov_store16(state(offset_of!(Cpu, host_flags)), RAX);
        self.call_helper(f, arg);
        self.a.movzx(2, RAX, state(offset_of!(Cpu, host_flags)));
        self.a.add_al(0x7f);
        self.a.sahf();
    }

    /// A conditional jump to a cold path that calls a helper and comes back to where this call
    /// stands. EFLAGS are free there.
    pub(crate) fn cold_helper(&mut self, cc: Cc, f: HelperFn, arg: u64) {
        let site = self.a.jcc_near(cc);
        let resume = self.a.p;
        self.a.label = resume;
        self.known.fenced = false;
        let insn = self.draft.marks.len() as u16;
        self.cold.push(Cold { site, resume, kind: ColdKind::Helper(f, arg), insn });
    }

    /// Leaves for the interpreter, which raises the signal, unless base + offset is a multiple of
    /// `bytes`.
    pub(crate) fn leave_unless_aligned(&mut self, bytes: u32, base: R, offset: i64) {
        if bytes == 1 || base == R::ZERO && offset == 0 {
            return;
        }
        let low = bytes as u8 - 1;
        let in_eflags = self.flags.host != HostFlags::None && !self.flags.in_memory;
        if bytes >= 4 && self.features.bmi2 && in_eflags && self.spare_flags() {
            return self.leave_keeping_flags(bytes, base, offset);
        }
        self.settle_flags();
        if offset as u8 & low != 0 || base == R::ZERO {
            let r = self.get(true, base, RAX);
            self.a.lea(false, RAX, Mem::base(r, offset as i32));
            self.a.test8_imm(Rm::R(RAX), low);
        } else {
            match self.host(base) {
                NONE => self.a.test8_imm(Self::slot(base), low),
                r => self.a.test8_imm(Rm::R(r), low),
            }
        }
        let site = self.a.jcc_near(Cc::Ne);
        let insn = self.draft.marks.len() as u16;
        let kind = ColdKind::Replay(Flags::IN_MEMORY);
        self.cold.push(Cold { site, resume: self.a.p, kind, insn });
    }

    /// The same where NZCV are in EFLAGS alone: saving them takes longer.
    fn leave_keeping_flags(&mut self, bytes: u32, base: R, offset: i64) {
        let mut r = self.get(true, base, RAX);
        if offset & (bytes as i64 - 1) != 0 {
            self.a.lea(false, RAX, Mem::base(r, offset as i32));
            r = RAX;
        }
        // The low bits alone.
        self.a.mov_imm(RCX, 32 - bytes.trailing_zeros() as u64);
        self.a.shiftx(Sh::Shl, false, RCX, Rm::R(r), RCX);
        self.a.jrcxz_over_near();
        let site = self.a.jmp_near();
        let insn = self.draft.marks.len() as u16;
        let kind = ColdKind::Replay(self.flags);
        self.cold.push(Cold { site, resume: self.a.p, kind, insn });
    }
}

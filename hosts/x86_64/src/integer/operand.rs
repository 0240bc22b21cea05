//! Second operands: constants, shifted and extended slots.

use crate::Translator;
use crate::asm::{Mem, NONE, Op, Rm, Sh, reg::*};
use anyarch_engine::ops::*;

/// A second operand made ready.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opnd {
    Rm(Rm),
    Imm(i32),
}

pub(crate) fn is64(w: W) -> bool {
    w == W::W64
}

pub(crate) fn trunc(w: W, imm: u64) -> u64 {
    if w == W::W32 { imm as u32 as u64 } else { imm }
}

/// The constant as a sign-extended 32-bit immediate at this width, if it is one.
pub(crate) fn imm32(w: W, imm: u64) -> Option<i32> {
    match w {
        W::W32 => Some(imm as u32 as i32),
        W::W64 => (imm as i64 == imm as i32 as i64).then_some(imm as i32),
    }
}

pub(crate) fn sh(op: Shift) -> Sh {
    match op {
        Shift::Lsl => Sh::Shl,
        Shift::Lsr => Sh::Shr,
        Shift::Asr => Sh::Sar,
        Shift::Ror => Sh::Ror,
    }
}

/// The host's instruction, and whether the second operand is inverted first.
pub(crate) fn host_op(op: Alu) -> (Op, bool) {
    match op {
        Alu::Add => (Op::Add, false),
        Alu::Sub => (Op::Sub, false),
        Alu::And => (Op::And, false),
        Alu::Or => (Op::Or, false),
        Alu::Xor => (Op::Xor, false),
        Alu::AndNot => (Op::And, true),
        Alu::OrNot => (Op::Or, true),
        Alu::XorNot => (Op::Xor, true),
    }
}

impl Translator<'_> {
    /// d (a host register) = slot shifted by a constant at the width. Clobbers flags unless the
    /// shift is a small left one.
    pub(crate) fn shifted(&mut self, w: W, d: u8, r: R, op: Shift, n: u8) {
        let w = is64(w);
        if n == 0 {
            self.get_into(w, r, d);
        } else if op == Shift::Ror && self.features.bmi2 {
            let rm = self.rm_now(r, d);
            self.a.rorx(w, d, rm, n);
        } else if op == Shift::Lsl && n <= 3 {
            let s = if self.is_fresh(r) { RAX } else { self.get(w, r, d) };
            if n == 1 {
                self.a.lea(w, d, Mem::index(s, s, 0, 0));
            } else {
                self.a.lea(w, d, Mem::index(NONE, s, n, 0));
            }
        } else {
            self.clobber_flags();
            self.get_low_into(w, r, d);
            self.a.shift_imm(sh(op), w, Rm::R(d), n);
        }
    }

    /// Whether `shifted` by a constant leaves EFLAGS alone.
    pub(crate) fn shift_keeps_flags(&self, op: Shift, n: u8) -> bool {
        n == 0 || (op == Shift::Lsl && n <= 3) || (op == Shift::Ror && self.features.bmi2)
    }

    pub(crate) fn clobber_if_shift(&mut self, op: Shift, n: u8) {
        if !self.shift_keeps_flags(op, n) {
            self.clobber_flags();
        }
    }

    /// d = slot extended to 64 bits, shifted left by 0 to 4. Clobbers flags only if the shift is 4.
    pub(crate) fn extended(&mut self, d: u8, r: R, ext: Ext, n: u8) {
        let s = self.rm_now(r, d);
        match ext {
            Ext::U8 => self.a.movzx(1, d, s),
            Ext::U16 => self.a.movzx(2, d, s),
            Ext::U32 => self.a.mov(false, d, s),
            Ext::X64 => {
                if s != Rm::R(d) {
                    self.a.mov(true, d, s);
                }
            }
            Ext::S8 => self.a.movsx(true, 1, d, s),
            Ext::S16 => self.a.movsx(true, 2, d, s),
            Ext::S32 => self.a.movsx(true, 4, d, s),
        }
        match n {
            0 => {}
            1 => self.a.lea(true, d, Mem::index(d, d, 0, 0)),
            2 | 3 => self.a.lea(true, d, Mem::index(NONE, d, n, 0)),
            _ => {
                self.a.lea(true, d, Mem::index(NONE, d, 3, 0));
                self.a.lea(true, d, Mem::index(NONE, d, n - 3, 0));
            }
        }
    }

    /// Makes a second operand ready; registers other than pinned ones go to RCX. May clobber flags
    /// (and so RAX): call before loading RAX.
    pub(crate) fn src(&mut self, w: W, s: Src) -> Opnd {
        match s {
            Src::Reg(R::ZERO) => Opnd::Imm(0),
            Src::Reg(r) => Opnd::Rm(self.rm(r, RCX)),
            Src::Imm(imm) => match imm32(w, imm) {
                Some(i) => Opnd::Imm(i),
                None => {
                    self.a.mov_imm(RCX, trunc(w, imm));
                    Opnd::Rm(Rm::R(RCX))
                }
            },
            Src::Shifted(R::ZERO, ..) | Src::Extended(R::ZERO, ..) => Opnd::Imm(0),
            Src::Shifted(r, _, 0) => Opnd::Rm(self.rm(r, RCX)),
            Src::Shifted(r, op, n) => {
                self.shifted(w, RCX, r, op, n);
                Opnd::Rm(Rm::R(RCX))
            }
            Src::Extended(r, ext, n) => {
                self.extended(RCX, r, ext, n);
                Opnd::Rm(Rm::R(RCX))
            }
        }
    }

    /// Makes a second operand ready in a register.
    pub(crate) fn src_reg(&mut self, w: W, s: Src) -> u8 {
        match self.src(w, s) {
            Opnd::Rm(Rm::R(r)) => r,
            Opnd::Rm(m) => {
                self.a.mov(is64(w), RCX, m);
                RCX
            }
            Opnd::Imm(i) => {
                self.a.mov_imm(RCX, trunc(w, i as i64 as u64));
                RCX
            }
        }
    }

    #[inline(always)]
    pub(crate) fn alu_opnd(&mut self, op: Op, w: bool, t: u8, b: Opnd) {
        match b {
            Opnd::Rm(rm) => self.a.alu(op, w, t, rm),
            Opnd::Imm(i) => self.a.alu_imm(op, w, Rm::R(t), i),
        }
    }

    /// t = a op b for an operation of x86, where b may be in t.
    pub(crate) fn alu2(&mut self, op: Op, w: bool, t: u8, a: R, b: Opnd) {
        let ra = self.host(a);
        if ra == t {
            self.alu_opnd(op, w, t, b);
            return;
        }
        if b == Opnd::Rm(Rm::R(t)) {
            if matches!(op, Op::Add | Op::And | Op::Or | Op::Xor) {
                let arm = self.rm_now(a, RAX);
                self.a.alu(op, w, t, arm);
                return;
            }
            // t is a pinned register that also is b: compute in RAX.
            self.get_into(w, a, RAX);
            self.alu_opnd(op, w, RAX, b);
            self.a.mov(w, t, RAX);
            return;
        }
        self.get_low_into(w, a, t);
        self.alu_opnd(op, w, t, b);
    }
}

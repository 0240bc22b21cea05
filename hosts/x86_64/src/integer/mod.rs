//! Integer operations: moves, arithmetic, logic and shifts here, the rest in the modules.

mod bits;
mod crc;
mod multiply;
mod operand;
mod select;

pub(crate) use operand::{host_op, is64};

use super::asm::{Cc, Mem, NONE, Op, Rm, Sh, reg::*};
use super::{Cold, ColdKind, HostFlags, Translator};
use anyarch_engine::ops::*;
use operand::{Opnd, imm32, sh, trunc};

impl Translator<'_> {
    pub(crate) fn mov(&mut self, w: W, d: R, s: Src) {
        if d == R::ZERO {
            return;
        }
        let t = self.def(d);
        match s {
            Src::Imm(imm) => {
                let imm = trunc(w, imm);
                self.known.next_constant = Some((d, imm));
                if self.host(d) == NONE && imm as i64 == imm as i32 as i64 {
                    self.a.mov_store_imm(true, Self::slot(d), imm as i32);
                    return;
                }
                self.a.mov_imm(t, imm);
            }
            Src::Reg(R::ZERO) => {
                if self.host(d) == NONE {
                    self.a.mov_store_imm(true, Self::slot(d), 0);
                    return;
                }
                self.a.mov_imm(t, 0);
            }
            Src::Reg(r) => {
                if self.host(d) == NONE && w == W::W64 {
                    let s = self.get(true, r, RAX);
                    return self.put(d, s);
                }
                let s = self.rm_now(r, RAX);
                self.a.mov(is64(w), t, s);
            }
            Src::Shifted(r, op, n) => {
                if r == R::ZERO {
                    self.a.mov_imm(t, 0);
                } else {
                    self.clobber_if_shift(op, n);
                    if r == d {
                        self.renew(d);
                    }
                    self.shifted(w, t, r, op, n);
                    if n == 0 && w == W::W32 && self.host(r) == t {
                        self.a.mov(false, t, t);
                    }
                    // ROR leaves ZF as it was.
                    if !self.shift_keeps_flags(op, n) && op != Shift::Ror {
                        self.put(d, t);
                        if r != d {
                            let bit = if op == Shift::Lsl { w.bits() as u8 - n } else { n - 1 };
                            self.result_known(d, w, Some((r, bit)));
                        }
                        return self.zero_known(d, w);
                    }
                }
            }
            Src::Extended(r, Ext::S32, 0) if r == d && w == W::W64 => {
                // A result of 32 bits and its extension are zero together; one of 64 bits may have
                // a lower half of zero.
                if self.is_signed_known(d) {
                    return;
                }
                let known = self.is_low_zero_known(d);
                if self.take_copy_back(d) {
                    self.a.movsx(true, 4, t, Rm::R(RAX));
                } else {
                    self.renew(d);
                    self.extended(t, d, Ext::S32, 0);
                    self.put(d, t);
                }
                if known {
                    self.zero_known(d, W::W32);
                }
                return self.signed_known(d);
            }
            Src::Extended(r, ext, n) => {
                self.extended(t, r, ext, n);
                if w == W::W32 {
                    self.a.mov(false, t, t);
                }
            }
        }
        self.put(d, t);
    }

    pub(crate) fn mov_addr(&mut self, d: R, target: u64) {
        if d == R::ZERO {
            return;
        }
        let t = self.def(d);
        self.guest_addr(t, target);
        self.put(d, t);
    }

    pub(crate) fn alu(&mut self, op: Alu, w: W, d: R, a: R, b: Src) {
        if d == R::ZERO {
            return;
        }
        if a == R::ZERO && matches!(op, Alu::Add | Alu::Or | Alu::Xor) {
            return self.mov(w, d, b);
        }
        if a == R::ZERO && matches!(op, Alu::And | Alu::AndNot) {
            return self.mov(w, d, Src::Imm(0));
        }
        let wide = is64(w);
        let t = self.def(d);
        match (op, b) {
            (Alu::Add | Alu::Sub, Src::Imm(imm)) => {
                let imm = if op == Alu::Sub { imm.wrapping_neg() } else { imm };
                if let Some(i) = imm32(w, imm) {
                    if d == a
                        && self.host(d) == NONE
                        && wide
                        && self.flags.host == HostFlags::None
                        && !self.is_fresh(d)
                    {
                        self.a.alu_imm(Op::Add, true, Self::slot(d), i);
                        return self.zero_known(d, w);
                    }
                    if a == R::ZERO {
                        self.a.mov_imm(t, trunc(w, imm));
                    } else {
                        if d == a {
                            self.renew(d);
                        }
                        let ra = self.get(wide, a, RAX);
                        if ra == t && self.flags.host == HostFlags::None {
                            self.a.alu_imm(Op::Add, wide, Rm::R(t), i);
                            self.put(d, t);
                            return self.zero_known(d, w);
                        } else {
                            self.a.lea(wide, t, Mem::base(ra, i));
                        }
                    }
                } else {
                    let ra = self.get(wide, a, RAX);
                    self.a.mov_imm(RCX, imm);
                    self.a.lea(wide, t, Mem::index(ra, RCX, 0, 0));
                }
                self.put(d, t);
                return;
            }
            (Alu::Add, Src::Reg(rb) | Src::Shifted(rb, Shift::Lsl, 0..=3)) if rb != R::ZERO => {
                let n = if let Src::Shifted(_, _, n) = b { n } else { 0 };
                let ra = self.host(a);
                if n == 0 && ra == t && self.flags.host == HostFlags::None {
                    let rb = self.rm_now(rb, RCX);
                    self.a.alu(Op::Add, wide, t, rb);
                    self.put(d, t);
                    return self.zero_known(d, w);
                } else {
                    let rb = if ra != NONE && self.is_fresh(rb) { RAX } else { self.get(wide, rb, RCX) };
                    let ra = self.get(wide, a, RAX);
                    self.a.lea(wide, t, Mem::index(ra, rb, n, 0));
                }
                self.put(d, t);
                return;
            }
            (Alu::Add, Src::Extended(rb, ext, n)) if rb != R::ZERO && n <= 3 => {
                self.extended(RCX, rb, ext, 0);
                let ra = self.get(wide, a, RAX);
                self.a.lea(wide, t, Mem::index(ra, RCX, n, 0));
                self.put(d, t);
                return;
            }
            _ => {}
        }
        self.clobber_flags();
        let (xop, inverted) = host_op(op);
        if inverted {
            if let Src::Imm(imm) = b {
                let direct = match op {
                    Alu::AndNot => Alu::And,
                    Alu::OrNot => Alu::Or,
                    _ => Alu::Xor,
                };
                return self.alu(direct, w, d, a, Src::Imm(!imm));
            }
            let rb = self.src_reg(w, b);
            if a == R::ZERO {
                // MVN
                if t != rb {
                    self.a.mov(wide, t, rb);
                }
                self.a.not(wide, Rm::R(t));
                if !wide && t == rb {
                    self.a.mov(false, t, t);
                }
            } else {
                if rb != RCX {
                    self.a.mov(wide, RCX, rb);
                }
                self.a.not(wide, Rm::R(RCX));
                self.alu2(xop, wide, t, a, Opnd::Rm(Rm::R(RCX)));
            }
            self.put(d, t);
            return;
        }
        // Constants that fit zero-extended take the 32-bit form.
        if let (Alu::And, Src::Imm(imm), W::W64) = (op, b, w)
            && imm <= u32::MAX as u64
        {
            return self.alu(op, W::W32, d, a, b);
        }
        let b = self.src(w, b);
        if op == Alu::Sub && a == R::ZERO {
            match b {
                Opnd::Rm(rm) => {
                    if rm != Rm::R(t) {
                        self.a.mov(wide, t, rm);
                    }
                    self.a.neg(wide, Rm::R(t));
                }
                Opnd::Imm(i) => {
                    self.a.mov_imm(t, trunc(w, (i as i64 as u64).wrapping_neg()));
                    return self.put(d, t);
                }
            }
        } else {
            if d == a && matches!(b, Opnd::Imm(_)) {
                self.renew(d);
            }
            self.alu2(xop, wide, t, a, b);
            if matches!(xop, Op::And | Op::Or | Op::Xor) {
                self.put(d, t);
                self.result_known(d, w, None);
                return self.zero_known(d, w);
            }
        }
        self.put(d, t);
        self.zero_known(d, w);
    }

    pub(crate) fn alu_flags(&mut self, op: Alu, w: W, d: R, a: R, b: Src) {
        let wide = is64(w);
        let form = if op == Alu::Sub { HostFlags::Sub } else { HostFlags::Add };
        let b = if op == Alu::AndNot {
            match b {
                Src::Imm(imm) => self.src(w, Src::Imm(!imm)),
                b => {
                    let rb = self.src_reg(w, b);
                    if rb != RCX {
                        self.a.mov(wide, RCX, rb);
                    }
                    self.a.not(wide, Rm::R(RCX));
                    Opnd::Rm(Rm::R(RCX))
                }
            }
        } else {
            self.src(w, b)
        };
        let xop = match op {
            Alu::Add => Op::Add,
            Alu::Sub => Op::Sub,
            _ => Op::And,
        };
        if d == R::ZERO {
            match op {
                Alu::Sub => {
                    let ra = self.host(a);
                    match b {
                        Opnd::Imm(i) if ra == NONE && a != R::ZERO => {
                            self.a.alu_imm(Op::Cmp, wide, Self::slot(a), i);
                        }
                        Opnd::Imm(0) if ra != NONE => self.a.test_as_cmp(wide, ra),
                        _ => {
                            let ra = self.get(wide, a, RAX);
                            self.alu_opnd(Op::Cmp, wide, ra, b);
                        }
                    }
                }
                Alu::Add => {
                    self.get_into(wide, a, RAX);
                    self.alu_opnd(Op::Add, wide, RAX, b);
                }
                _ => match b {
                    Opnd::Rm(Rm::R(rb)) => {
                        let rm = self.rm(a, RAX);
                        self.a.test(wide, rm, rb);
                    }
                    Opnd::Rm(m) => {
                        let ra = self.get(wide, a, RAX);
                        self.a.test(wide, m, ra);
                    }
                    Opnd::Imm(i) => {
                        let rm = self.rm(a, RAX);
                        self.a.test_imm(wide, rm, i);
                    }
                },
            }
        } else {
            let t = self.def(d);
            self.alu2(xop, wide, t, a, b);
            self.put(d, t);
        }
        self.flags_are(form);
    }

    pub(crate) fn add_carry(&mut self, sub: bool, flags: bool, w: W, d: R, a: R, b: R) {
        let wide = is64(w);
        if !flags {
            self.need_int_flags();
            // ADC clobbers what a later reader may need.
            if !self.flags.in_memory {
                let live = self.live_at(self.next_pc, 2);
                if live {
                    self.save_flags();
                }
            }
        } else {
            self.need_int_flags();
        }
        let has_borrow = self.flags.host == HostFlags::Sub;
        let rb = self.get(wide, b, RCX);
        let t = match self.def(d) {
            t if t == rb && a != d || d == R::ZERO => RAX,
            t => t,
        };
        self.get_into(wide, a, t);
        // ADC wants CF = C; SBB wants CF = !C.
        if sub != has_borrow {
            self.a.cmc();
        }
        self.a.alu(if sub { Op::Sbb } else { Op::Adc }, wide, t, Rm::R(rb));
        self.put(d, t);
        if flags {
            self.flags_are(if sub { HostFlags::Sub } else { HostFlags::Add });
        } else {
            self.drop_flags();
        }
    }

    /// See [`Ops::add_sticky`].
    pub(crate) fn add_sticky(&mut self, d: R, a: R, b: R, sticky: R) {
        self.clobber_flags();
        let rb = self.get(false, b, RCX);
        self.get_into(false, a, RAX);
        self.a.alu(Op::Add, false, RAX, Rm::R(rb));
        self.note_overflow(sticky);
        self.put(d, RAX);
    }

    /// Cold code sets the slot if OF is set.
    fn note_overflow(&mut self, sticky: R) {
        let site = self.a.jcc_near(Cc::O);
        self.a.label = self.a.p;
        let insn = self.draft.marks.len() as u16;
        self.cold.push(Cold { site, resume: self.a.p, kind: ColdKind::One(sticky), insn });
    }

    /// See [`Ops::mul_halves`].
    #[inline(never)]
    pub(crate) fn mul_halves(&mut self, d: R, a: (R, bool), b: (R, bool), add: Option<(R, R)>) {
        if d == R::ZERO {
            return;
        }
        self.clobber_flags();
        for (t, (r, high)) in [(RAX, a), (RCX, b)] {
            match self.host(r) {
                NONE => {
                    let mut m = Self::slot(r);
                    m.disp += if high { 2 } else { 0 };
                    self.a.movsx(false, 2, t, m);
                }
                h if high => {
                    self.a.mov(false, t, h);
                    self.a.shift_imm(Sh::Sar, false, Rm::R(t), 16);
                }
                h => self.a.movsx(false, 2, t, h),
            }
        }
        self.a.imul(false, RAX, Rm::R(RCX));
        if let Some((c, sticky)) = add {
            let c = self.rm(c, RCX);
            self.a.alu(Op::Add, false, RAX, c);
            self.note_overflow(sticky);
        }
        self.put(d, RAX);
    }

    /// See [`Ops::shift_far`]: a shift of 64 bits does what is right up to 63.
    pub(crate) fn shift_far(&mut self, op: Shift, d: R, a: R, s: R) {
        if d == R::ZERO {
            return;
        }
        self.clobber_flags();
        let rs = self.rm_now(s, RCX);
        self.a.movzx(1, RCX, rs);
        let t = self.def(d);
        let value = self.rm_now(a, RAX);
        let signed = op == Shift::Asr;
        if signed {
            self.a.movsx(true, 4, RAX, value);
            self.a.test8_imm(Rm::R(RCX), 0xc0);
            let within = self.a.jcc_short(Cc::E);
            self.a.mov_imm(RCX, 63);
            self.a.bind(within);
        }
        let value = if signed { Rm::R(RAX) } else { value };
        if self.features.bmi2 {
            self.a.shiftx(sh(op), true, t, value, RCX);
        } else {
            match value {
                Rm::R(RAX) => {}
                value => self.a.mov(true, RAX, value),
            }
            self.a.shift_cl(sh(op), true, Rm::R(RAX));
        }
        let from = if self.features.bmi2 { t } else { RAX };
        if signed {
            self.a.mov(false, t, from);
        } else {
            // All ones for an amount below 64.
            self.a.alu_imm(Op::Cmp, false, Rm::R(RCX), 64);
            self.a.alu(Op::Sbb, false, RCX, Rm::R(RCX));
            if t != from {
                self.a.mov(false, t, from);
            }
            self.a.alu(Op::And, false, t, Rm::R(RCX));
        }
        self.put(d, t);
        if !signed {
            self.result_known(d, W::W32, None);
        }
    }

    pub(crate) fn shift(&mut self, op: Shift, w: W, d: R, a: R, b: Src) {
        if d == R::ZERO {
            return;
        }
        let wide = is64(w);
        let t = self.def(d);
        match b {
            Src::Imm(n) => {
                let n = (n as u32 & (w.bits() - 1)) as u8;
                return self.mov(w, d, Src::Shifted(a, op, n));
            }
            b => {
                if self.features.bmi2 && op != Shift::Ror {
                    let count = self.src_reg(w, b);
                    let arm = self.rm_now(a, RAX);
                    self.a.shiftx(sh(op), wide, t, arm, count);
                } else {
                    self.clobber_flags();
                    let count = self.src_reg(w, b);
                    if count != RCX {
                        self.a.mov(false, RCX, count);
                    }
                    self.get_into(wide, a, RAX);
                    self.a.shift_cl(sh(op), wide, Rm::R(RAX));
                    self.put(d, RAX);
                    return;
                }
            }
        }
        self.put(d, t);
    }
}

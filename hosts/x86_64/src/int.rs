//! The operation vocabulary as x86-64 code.

use super::asm::{Cc, Mem, NONE, Op, Rm, Sh, reg::*};
use super::glue::Piece;
use super::{Cold, ColdKind, HostFlags, Test, Translator, glue, helpers, state, vector};
use anyarch_engine::fp::FOp;
use anyarch_engine::ops::*;
use anyarch_engine::run::Thread;
use anyarch_engine::state::{Cpu, mode};
use anyarch_engine::vec::VOp;
use core::mem::offset_of;

/// A second operand made ready.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Opnd {
    Rm(Rm),
    Imm(i32),
}

fn is64(w: W) -> bool {
    w == W::W64
}

fn trunc(w: W, imm: u64) -> u64 {
    if w == W::W32 { imm as u32 as u64 } else { imm }
}

/// The constant as a sign-extended 32-bit immediate at this width, if it is one.
fn imm32(w: W, imm: u64) -> Option<i32> {
    match w {
        W::W32 => Some(imm as u32 as i32),
        W::W64 => (imm as i64 == imm as i32 as i64).then_some(imm as i32),
    }
}

fn sh(op: Shift) -> Sh {
    match op {
        Shift::Lsl => Sh::Shl,
        Shift::Lsr => Sh::Shr,
        Shift::Asr => Sh::Sar,
        Shift::Ror => Sh::Ror,
    }
}

/// The host's instruction, and whether the second operand is inverted first.
pub(super) fn host_op(op: Alu) -> (Op, bool) {
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
    /// The end of a guard: the helper does the rest of the instruction unless EFLAGS say equal.
    fn refer_unless_equal(&mut self, f: HelperFn, arg: u64) {
        let site = self.a.jcc_near(Cc::Ne);
        let insn = self.draft.marks.len() as u16;
        self.cold.push(Cold { site, resume: core::ptr::null(), kind: ColdKind::Helper(f, arg), insn });
        self.guarded = true;
    }

    /// A slot as register-or-memory operand. In memory, all 64 bits are valid.
    #[inline(always)]
    pub(super) fn rm(&mut self, r: R, scratch: u8) -> Rm {
        if r == R::ZERO {
            self.a.mov_imm(scratch, 0);
            return Rm::R(scratch);
        }
        let h = self.host(r);
        if h != NONE {
            return Rm::R(h);
        }
        if self.is_fresh(r) {
            if scratch != RAX {
                self.a.mov(true, scratch, RAX);
            }
            return Rm::R(scratch);
        }
        Rm::M(Self::slot(r))
    }

    /// As `rm`, where the operand is used at once, before RAX changes.
    #[inline(always)]
    fn rm_now(&mut self, r: R, scratch: u8) -> Rm {
        if r != R::ZERO && self.is_fresh(r) { Rm::R(RAX) } else { self.rm(r, scratch) }
    }

    /// d (a host register) = slot shifted by a constant at the width. Clobbers flags unless the shift is a small left one.
    fn shifted(&mut self, w: W, d: u8, r: R, op: Shift, n: u8) {
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

    /// d = slot extended to 64 bits, shifted left by 0 to 4. Clobbers flags only if the shift is 4.
    pub(super) fn extended(&mut self, d: u8, r: R, ext: Ext, n: u8) {
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

    /// Makes a second operand ready; registers other than pinned ones go to RCX. May clobber flags (and so RAX): call before loading RAX.
    fn src(&mut self, w: W, s: Src) -> Opnd {
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
    fn src_reg(&mut self, w: W, s: Src) -> u8 {
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
    fn alu_opnd(&mut self, op: Op, w: bool, t: u8, b: Opnd) {
        match b {
            Opnd::Rm(rm) => self.a.alu(op, w, t, rm),
            Opnd::Imm(i) => self.a.alu_imm(op, w, Rm::R(t), i),
        }
    }

    /// t = a op b for an operation of x86, where b may be in t.
    fn alu2(&mut self, op: Op, w: bool, t: u8, a: R, b: Opnd) {
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

    /// The guest address as an x86 memory operand. Uses RAX (base) and RCX (index); leaves EFLAGS alone.
    pub(super) fn addr(&mut self, a: Addr) -> Mem {
        let mut m = self.wide_addr(a);
        m.narrow = self.guest.address_bits == 32 && (m.disp != 0 || m.index != NONE);
        m
    }

    /// The sum without the guest's width of addresses.
    #[inline(always)]
    fn wide_addr(&mut self, a: Addr) -> Mem {
        match a {
            Addr::Base(r, disp) => {
                let base = self.get(true, r, RAX);
                self.with_disp(base, disp)
            }
            Addr::Index(base, index, ext, shift) => {
                if index == R::ZERO {
                    let base = self.get(true, base, RAX);
                    return Mem::base(base, 0);
                }
                let h = self.host(index);
                let (index, scale) = if ext == Ext::X64 && h != NONE && shift <= 3 {
                    (h, shift)
                } else if shift <= 3 {
                    self.extended(RCX, index, ext, 0);
                    (RCX, shift)
                } else {
                    self.extended(RCX, index, ext, 1);
                    (RCX, shift - 1)
                };
                let base = self.get(true, base, RAX);
                Mem::index(base, index, scale, 0)
            }
            Addr::Scaled(base, index, shift, disp) => {
                let index = self.get(true, index, RCX);
                let base = self.get(true, base, RAX);
                Mem::index(base, index, shift, disp)
            }
            Addr::Abs(target) => {
                self.guest_addr(RAX, target);
                Mem::base(RAX, 0)
            }
        }
    }

    fn with_disp(&mut self, base: u8, disp: i64) -> Mem {
        if disp == disp as i32 as i64 {
            return Mem::base(base, disp as i32);
        }
        self.a.mov_imm(RCX, disp as u64);
        Mem::index(base, RCX, 0, 0)
    }

    /// Loads `bytes` zero-extended into a host register.
    pub(super) fn load_to(&mut self, bytes: u32, ext: LoadExt, t: u8, m: Mem) {
        match (bytes, ext) {
            (1, LoadExt::Zero) => self.a.movzx(1, t, m),
            (2, LoadExt::Zero) => self.a.movzx(2, t, m),
            (4, LoadExt::Zero | LoadExt::Sign32) => self.a.mov(false, t, m),
            (8, _) => self.a.mov(true, t, m),
            (b, LoadExt::Sign32) => self.a.movsx(false, b as u8, t, m),
            (b, _) => self.a.movsx(true, b as u8, t, m),
        }
    }

    fn store_from(&mut self, bytes: u32, m: Mem, r: u8) {
        match bytes {
            1 => self.a.mov_store8(m, r),
            2 => self.a.mov_store16(m, r),
            b => self.a.mov_store(b == 8, m, r),
        }
    }

    /// t = zero-extension of the low `bytes` of host register s.
    pub(super) fn zero_extend(&mut self, bytes: u32, t: u8, s: u8) {
        match bytes {
            1 => self.a.movzx(1, t, s),
            2 => self.a.movzx(2, t, s),
            4 => self.a.mov(false, t, s),
            _ => {
                if t != s {
                    self.a.mov(true, t, s);
                }
            }
        }
    }

    /// Ends the unit after an unconditional transfer.
    fn end_unit(&mut self) {
        self.ended = true;
    }

    /// link = next instruction; pushes it for the return prediction. Uses RCX. Leaves EFLAGS alone.
    fn push_link(&mut self, link: R) {
        let next = self.next_pc;
        let t = if self.host(link) == NONE { RCX } else { self.host(link) };
        self.guest_addr(t, next);
        self.put(link, t);
        self.a.push(t);
    }

    /// Goes on with the function at `target` in the place of a call, if that is short and calls nothing. What leaves its straight line goes on in units of
    /// its own, which return by the lookup.
    fn inline(&mut self, link: R, target: u64) -> bool {
        if self.inlined.is_some() || self.copy.is_some() || self.conditional.within || !self.inlines {
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
        self.inlined = Some(super::Inlined { start: target, end, back });
        self.next_pc = target;
        self.turned = true;
        true
    }

    /// After the host call: the landing of the return.
    fn landing(&mut self) {
        self.draft.calls_out = true;
        self.a.pop(RCX);
        self.host_flags = HostFlags::None;
        self.mem_flags = true;
        self.mark_entry();
    }

    /// The table lookup of an indirect transfer: RAX = target; afterwards, if equal (E), the entry is at `lookup_mem`.
    fn inline_lookup(&mut self) {
        self.a.mov(false, RCX, RAX);
        self.a.alu_imm(Op::And, false, Rm::R(RCX), self.guest.lookup_mask as i32);
        self.a.alu(Op::Cmp, true, RAX, Self::lookup_mem(0));
    }

    fn test_zero(&mut self, w: W, r: R) {
        let h = self.host(r);
        if h != NONE {
            self.a.test(is64(w), Rm::R(h), h);
        } else {
            self.a.alu_imm(Op::Cmp, is64(w), Self::slot(r), 0);
        }
    }

    /// Before a conditional exit to `target`: memory holds NZCV if they may be read there.
    pub(super) fn before_exit(&mut self, target: u64) {
        if !self.mem_flags && self.host_flags != HostFlags::None {
            self.flush_flags(Some(target));
        }
    }

    fn exit_test(&mut self, test: Test, target: u64) {
        match test {
            Test::One(cc) => self.exit_if(cc, target),
            Test::Or(a, b) => {
                self.exit_if(a, target);
                self.exit_if(b, target);
            }
            Test::And(a, b) => {
                let skip = self.a.jcc_short(a.invert());
                self.exit_if(b, target);
                self.a.bind(skip);
            }
            Test::Always => {
                self.exit_to(target);
                self.end_unit();
            }
        }
    }

    /// t = condition ? a : t, on host registers or memory.
    fn cmov_test(&mut self, test: Test, w: bool, t: u8, a: Rm) {
        match test {
            Test::One(cc) => self.a.cmov(cc, w, t, a),
            Test::Or(x, y) => {
                self.a.cmov(x, w, t, a);
                self.a.cmov(y, w, t, a);
            }
            Test::And(x, y) => {
                let skip = self.a.jcc_short(x.invert());
                self.a.cmov(y, w, t, a);
                self.a.bind(skip);
                if !w {
                    // A 32-bit CMOV clears the upper half even when false, and the skipped path must do so too.
                    self.a.mov(false, t, t);
                }
            }
            Test::Always => self.a.mov(w, t, a),
        }
    }

    /// t (byte register, then zero-extended) = condition.
    fn setcc_test(&mut self, test: Test, t: u8, scratch: u8) {
        match test {
            Test::One(cc) => {
                self.a.setcc(cc, t);
                self.a.movzx(1, t, t);
            }
            Test::Or(x, y) | Test::And(x, y) => {
                self.a.setcc(x, t);
                self.a.setcc(y, scratch);
                // AND and OR of byte values clobber EFLAGS, CMOV does not: t = x && y, or x || y.
                self.a.movzx(1, t, t);
                self.a.movzx(1, scratch, scratch);
                let or = matches!(test, Test::Or(..));
                self.a.cmov(if or { y } else { y.invert() }, false, t, scratch);
            }
            Test::Always => self.a.mov_imm(t, 1),
        }
    }

    /// Emits a call to a helper with the whole state in memory, in line.
    pub(super) fn inline_helper(&mut self, f: HelperFn, arg: u64) {
        self.clobber_flags();
        self.call_helper(f, arg);
        self.fenced = false;
        self.host_flags = HostFlags::None;
        self.mem_flags = true;
    }

    /// Leaves for the interpreter, which raises the signal, unless base + offset is a multiple of `bytes`.
    pub(super) fn leave_unless_aligned(&mut self, bytes: u32, base: R, offset: i64) {
        if bytes == 1 || base == R::ZERO && offset == 0 {
            return;
        }
        self.settle_flags();
        let low = bytes as u8 - 1;
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
        self.cold.push(Cold { site, resume: self.a.p, kind: ColdKind::Replay, insn });
    }

    /// The base register of an atomic access: in a host register other than RAX if `not_rax`.
    fn atomic_addr(&mut self, addr: R) -> Mem {
        let base = self.get(true, addr, RCX);
        Mem::base(base, 0)
    }
}

impl Ops for Translator<'_> {
    fn mov(&mut self, w: W, d: R, s: Src) {
        if d == R::ZERO {
            return;
        }
        let t = self.def(d);
        match s {
            Src::Imm(imm) => {
                let imm = trunc(w, imm);
                self.next_constant = Some((d, imm));
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
                // A result of 32 bits and its extension are zero together; one of 64 bits may have a lower half of zero.
                if self.is_signed_known(d) {
                    return;
                }
                let known = self.is_zero_known(d) && self.fresh.zero_low;
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

    fn mov_addr(&mut self, d: R, target: u64) {
        if d == R::ZERO {
            return;
        }
        let t = self.def(d);
        self.guest_addr(t, target);
        self.put(d, t);
    }

    fn alu(&mut self, op: Alu, w: W, d: R, a: R, b: Src) {
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
                        && self.host_flags == HostFlags::None
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
                        if ra == t && self.host_flags == HostFlags::None {
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
                if n == 0 && ra == t && self.host_flags == HostFlags::None {
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

    fn alu_flags(&mut self, op: Alu, w: W, d: R, a: R, b: Src) {
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

    fn add_carry(&mut self, sub: bool, flags: bool, w: W, d: R, a: R, b: R) {
        let wide = is64(w);
        if !flags {
            self.need_int_flags();
            // ADC clobbers what a later reader may need.
            if !self.mem_flags {
                let live = self.live_at(self.next_pc, 2);
                if live {
                    self.save_flags();
                }
            }
        } else {
            self.need_int_flags();
        }
        let has_borrow = self.host_flags == HostFlags::Sub;
        let rb = self.get(wide, b, RCX);
        self.get_into(wide, a, RAX);
        // ADC wants CF = C; SBB wants CF = !C.
        if sub != has_borrow {
            self.a.cmc();
        }
        self.a.alu(if sub { Op::Sbb } else { Op::Adc }, wide, RAX, Rm::R(rb));
        self.put(d, RAX);
        if flags {
            self.flags_are(if sub { HostFlags::Sub } else { HostFlags::Add });
        } else {
            self.drop_flags();
        }
    }

    fn shift(&mut self, op: Shift, w: W, d: R, a: R, b: Src) {
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

    fn extract(&mut self, signed: bool, w: W, d: R, a: R, lsb: u8, len: u8) {
        if d == R::ZERO {
            return;
        }
        let wide = is64(w);
        let bits = w.bits() as u8;
        let t = self.def(d);
        if lsb == 0 && matches!(len, 8 | 16 | 32) {
            let s = self.rm_now(a, RAX);
            match (signed, len) {
                (false, 32) => self.a.mov(false, t, s),
                (false, n) => self.a.movzx(n / 8, t, s),
                (true, 32) if !wide => self.a.mov(false, t, s),
                (true, n) => self.a.movsx(wide, n / 8, t, s),
            }
            self.put(d, t);
            return;
        }
        if lsb + len == bits {
            return self.mov(w, d, Src::Shifted(a, if signed { Shift::Asr } else { Shift::Lsr }, lsb));
        }
        self.clobber_flags();
        self.get_into(wide, a, t);
        if signed {
            self.a.shift_imm(Sh::Shl, wide, Rm::R(t), bits - lsb - len);
            self.a.shift_imm(Sh::Sar, wide, Rm::R(t), bits - len);
        } else if len < 32 {
            if lsb != 0 {
                self.a.shift_imm(Sh::Shr, wide, Rm::R(t), lsb);
            }
            self.a.alu_imm(Op::And, false, Rm::R(t), ((1u64 << len) - 1) as i32);
        } else {
            self.a.shift_imm(Sh::Shl, wide, Rm::R(t), bits - lsb - len);
            self.a.shift_imm(Sh::Shr, wide, Rm::R(t), bits - len);
        }
        self.put(d, t);
        self.zero_known(d, w);
    }

    fn extract_shl(&mut self, signed: bool, w: W, d: R, a: R, lsb: u8, len: u8) {
        if d == R::ZERO {
            return;
        }
        let wide = is64(w);
        let bits = w.bits() as u8;
        if lsb + len == bits {
            return self.mov(w, d, Src::Shifted(a, Shift::Lsl, lsb));
        }
        if lsb == 0 {
            return self.extract(signed, w, d, a, 0, len);
        }
        let t = self.def(d);
        self.clobber_flags();
        if matches!(len, 8 | 16 | 32) {
            let s = self.rm_now(a, RAX);
            if signed {
                self.a.movsx(wide, len / 8, t, s);
            } else if len == 32 {
                self.a.mov(false, t, s);
            } else {
                self.a.movzx(len / 8, t, s);
            }
            self.a.shift_imm(Sh::Shl, wide, Rm::R(t), lsb);
        } else {
            self.get_into(wide, a, t);
            self.a.shift_imm(Sh::Shl, wide, Rm::R(t), bits - len);
            self.a.shift_imm(if signed { Sh::Sar } else { Sh::Shr }, wide, Rm::R(t), bits - len - lsb);
        }
        self.put(d, t);
    }

    fn insert(&mut self, w: W, d: R, a: R, lsb: u8, len: u8) {
        if d == R::ZERO {
            return;
        }
        let wide = is64(w);
        if len as u32 == w.bits() {
            return self.mov(w, d, Src::Reg(a));
        }
        self.clobber_flags();
        let ones = (1u64 << len) - 1;
        // RCX = field in place.
        let s = self.get(wide, a, RCX);
        if len == 8 || len == 16 {
            self.a.movzx(len / 8, RCX, s);
        } else if len == 32 {
            self.a.mov(false, RCX, s);
        } else {
            if s != RCX {
                self.a.mov(wide, RCX, s);
            }
            if len < 32 {
                self.a.alu_imm(Op::And, false, Rm::R(RCX), ones as i32);
            } else {
                self.a.shift_imm(Sh::Shl, true, Rm::R(RCX), 64 - len);
                self.a.shift_imm(Sh::Shr, true, Rm::R(RCX), 64 - len);
            }
        }
        if lsb != 0 {
            self.a.shift_imm(Sh::Shl, wide, Rm::R(RCX), lsb);
        }
        let mask = !(ones << lsb);
        let t = self.def(d);
        let old = self.get(wide, d, t);
        debug_assert!(old == t);
        match imm32(w, mask) {
            Some(i) => self.a.alu_imm(Op::And, wide, Rm::R(t), i),
            None => {
                self.a.mov_store(true, state(offset_of!(Thread, spill)), RCX);
                self.a.mov_imm(RCX, mask);
                self.a.alu(Op::And, true, t, Rm::R(RCX));
                self.a.mov(true, RCX, state(offset_of!(Thread, spill)));
            }
        }
        self.a.alu(Op::Or, wide, t, Rm::R(RCX));
        self.put(d, t);
    }

    fn insert_imm16(&mut self, w: W, d: R, imm: u16, lsb: u8) {
        if d == R::ZERO {
            return;
        }
        if let Some((r, old)) = self.constant
            && r == d
        {
            return self.mov(w, d, Src::Imm(old & !(0xffff << lsb) | (imm as u64) << lsb));
        }
        if self.host(d) == NONE {
            let at = |bytes: usize| state(offset_of!(Cpu, gpr) + (d.0 as usize & 63) * 8 + bytes);
            self.a.mov16_imm(at(lsb as usize / 8), imm);
            if w == W::W32 {
                self.a.mov_store_imm(false, at(4), 0);
            }
            return;
        }
        let (t, wide) = (self.def(d), is64(w));
        if lsb != 0 {
            self.clobber_flags();
            self.a.shift_imm(Sh::Ror, wide, Rm::R(t), lsb);
        }
        self.a.mov16_imm(Rm::R(t), imm);
        if lsb != 0 {
            self.a.shift_imm(Sh::Rol, wide, Rm::R(t), lsb);
        } else if !wide {
            self.a.mov(false, t, t);
        }
    }

    fn extract_pair(&mut self, w: W, d: R, hi: R, lo: R, lsb: u8) {
        if d == R::ZERO {
            return;
        }
        if hi == lo {
            return self.mov(w, d, Src::Shifted(lo, Shift::Ror, lsb));
        }
        if lsb == 0 {
            return self.mov(w, d, Src::Reg(lo));
        }
        let wide = is64(w);
        self.clobber_flags();
        let h = self.get(wide, hi, RCX);
        self.get_into(wide, lo, RAX);
        self.a.shrd(wide, RAX, h, lsb);
        self.put(d, RAX);
    }

    fn unary(&mut self, op: Unary, w: W, d: R, a: R) {
        if d == R::ZERO {
            return;
        }
        let wide = is64(w);
        let t = self.def(d);
        match op {
            Unary::Clz => {
                self.clobber_flags();
                self.leading_zeros(wide, t, a);
            }
            Unary::Cls => {
                self.clobber_flags();
                // Leading sign bits: the leading zeros of x ^ (x >> 1 arithmetic), less one.
                let s = self.get(wide, a, RAX);
                self.a.mov(wide, RCX, s);
                if s != RAX {
                    self.a.mov(wide, RAX, s);
                }
                self.a.shift_imm(Sh::Sar, wide, Rm::R(RAX), 1);
                self.a.alu(Op::Xor, wide, RCX, Rm::R(RAX));
                // No leading one remains; a set bit at the bottom bounds the count: clz(x << 1 | 1).
                self.a.lea(wide, RCX, Mem::index(RCX, RCX, 0, 1));
                if self.features.lzcnt {
                    self.a.lzcnt(wide, t, Rm::R(RCX));
                } else {
                    self.a.bsr(wide, RAX, Rm::R(RCX));
                    self.a.alu_imm(Op::Xor, false, Rm::R(RAX), w.bits() as i32 - 1);
                    if t != RAX {
                        self.a.mov(false, t, RAX);
                    }
                }
            }
            Unary::Ctz => {
                self.clobber_flags();
                let s = self.rm(a, RCX);
                self.a.mov_imm(RAX, w.bits() as u64);
                self.a.bsf(wide, RCX, s);
                self.a.cmov(Cc::Ne, false, RAX, Rm::R(RCX));
                if t != RAX {
                    self.a.mov(false, t, RAX);
                }
            }
            Unary::Popcount => {
                self.clobber_flags();
                let s = self.rm_now(a, RAX);
                self.a.popcnt(wide, t, s);
            }
            Unary::Rbit => {
                self.clobber_flags();
                self.get_into(wide, a, RAX);
                for (mask, n) in
                    [(0x5555_5555_5555_5555u64, 1), (0x3333_3333_3333_3333, 2), (0x0f0f_0f0f_0f0f_0f0f, 4)]
                {
                    // RAX = (RAX >> n & mask) | (RAX & mask) << n, with the mask in memory-free form.
                    self.a.mov(wide, RCX, RAX);
                    self.a.shift_imm(Sh::Shr, wide, Rm::R(RCX), n);
                    self.a.mov_store(true, state(offset_of!(Thread, spill)), RDX);
                    self.a.mov_imm(RDX, trunc(w, mask));
                    self.a.alu(Op::And, wide, RCX, Rm::R(RDX));
                    self.a.alu(Op::And, wide, RAX, Rm::R(RDX));
                    self.a.mov(true, RDX, state(offset_of!(Thread, spill)));
                    self.a.shift_imm(Sh::Shl, wide, Rm::R(RAX), n);
                    self.a.alu(Op::Or, wide, RAX, Rm::R(RCX));
                }
                self.a.bswap(wide, RAX);
                if t != RAX {
                    self.a.mov(wide, t, RAX);
                }
            }
            Unary::Rev16 => {
                self.clobber_flags();
                self.get_into(wide, a, RAX);
                if wide {
                    // Reverse all, then swap the 16-bit parts back: two rotations within halves.
                    self.a.bswap(true, RAX);
                    self.a.mov(true, RCX, RAX);
                    // Each 32-bit half rotated by 16, and the halves swapped.
                    self.a.shift_imm(Sh::Shr, true, Rm::R(RCX), 32);
                    self.a.shift_imm(Sh::Ror, false, Rm::R(RAX), 16);
                    self.a.shift_imm(Sh::Ror, false, Rm::R(RCX), 16);
                    self.a.shift_imm(Sh::Shl, true, Rm::R(RAX), 32);
                    self.a.alu(Op::Or, true, RAX, Rm::R(RCX));
                } else {
                    self.a.bswap(false, RAX);
                    self.a.shift_imm(Sh::Ror, false, Rm::R(RAX), 16);
                }
                if t != RAX {
                    self.a.mov(wide, t, RAX);
                }
            }
            Unary::Rev32 => {
                self.get_into(wide, a, RAX);
                self.a.bswap(wide, RAX);
                if wide {
                    if self.features.bmi2 {
                        self.a.rorx(true, RAX, Rm::R(RAX), 32);
                    } else {
                        self.a.mov_store(true, state(offset_of!(Thread, spill)), RAX);
                        self.clobber_flags();
                        self.a.mov(true, RAX, state(offset_of!(Thread, spill)));
                        self.a.shift_imm(Sh::Ror, true, Rm::R(RAX), 32);
                    }
                }
                if t != RAX {
                    self.a.mov(wide, t, RAX);
                }
            }
            Unary::Rev64 => {
                let s = self.get(true, a, RAX);
                if s != t {
                    self.a.mov(true, t, s);
                }
                self.a.bswap(true, t);
            }
        }
        self.put(d, t);
    }

    fn mul(&mut self, op: Mul, d: R, a: R, b: R, acc: R) {
        if d == R::ZERO {
            return;
        }
        match op {
            Mul::HighU | Mul::HighS => {
                self.clobber_flags();
                self.get_into(true, a, RAX);
                // RDX is a pinned register: kept in RCX, unless b needs RCX; b as a memory or pinned operand never does.
                let brm = self.rm_or_zero(b);
                self.a.mov(true, RCX, RDX);
                match op {
                    Mul::HighU => self.a.mul(true, brm),
                    _ => self.a.imul1(true, brm),
                }
                self.a.mov(true, RAX, RDX);
                self.a.mov(true, RDX, RCX);
                self.put(d, RAX);
                return;
            }
            _ => {}
        }
        let (wide, sub, narrow) = match op {
            Mul::Add(w) => (is64(w), false, None),
            Mul::Sub(w) => (is64(w), true, None),
            Mul::AddU32 => (true, false, Some(false)),
            Mul::SubU32 => (true, true, Some(false)),
            Mul::AddS32 => (true, false, Some(true)),
            Mul::SubS32 => (true, true, Some(true)),
            _ => return,
        };
        self.clobber_flags();
        match narrow {
            None => {
                let t = self.def(d);
                if acc == R::ZERO && !sub && t != RAX {
                    // In place.
                    let (a, b) = if self.host(b) == t { (b, a) } else { (a, b) };
                    let brm = self.rm(b, RCX);
                    if self.host(a) != t {
                        self.get_into(wide, a, t);
                    }
                    self.a.imul(wide, t, brm);
                    return;
                }
                self.get_into(wide, a, RAX);
                let brm = self.rm(b, RCX);
                self.a.imul(wide, RAX, brm);
            }
            Some(signed) => {
                let (arm, brm) = (self.rm(a, RAX), self.rm(b, RCX));
                if signed {
                    self.a.movsx(true, 4, RAX, arm);
                    self.a.movsx(true, 4, RCX, brm);
                } else {
                    self.a.mov(false, RAX, arm);
                    self.a.mov(false, RCX, brm);
                }
                self.a.imul(true, RAX, Rm::R(RCX));
            }
        }
        if acc == R::ZERO {
            if sub {
                self.a.neg(wide, Rm::R(RAX));
            }
            self.put(d, RAX);
            return;
        }
        if sub {
            self.a.neg(wide, Rm::R(RAX));
        }
        let crm = self.rm(acc, RCX);
        self.a.alu(Op::Add, wide, RAX, crm);
        self.put(d, RAX);
    }

    fn div(&mut self, signed: bool, zero: DivZero, w: W, d: R, a: R, b: R) {
        self.division(signed, Some(zero), w, d, a, b);
    }

    fn rem(&mut self, signed: bool, w: W, d: R, a: R, b: R) {
        self.division(signed, None, w, d, a, b);
    }

    fn select(&mut self, c: Cond, w: W, d: R, a: R, b: R, sel: Sel) {
        if d == R::ZERO {
            return;
        }
        let wide = is64(w);
        if c == Cond::Al {
            return self.mov(w, d, Src::Reg(a));
        }
        let test = self.cond(c);
        let t = self.def(d);
        if a == R::ZERO && b == R::ZERO && sel != Sel::Plain {
            match sel {
                Sel::Inc => {
                    // CSET of the opposite condition.
                    if let Test::One(cc) = invert(test) {
                        self.a.setcc(cc, RAX);
                        self.a.movzx(1, t, RAX);
                        return self.put(d, t);
                    }
                    self.setcc_test(invert(test), RAX, RCX);
                    self.put(d, RAX);
                }
                Sel::Not => {
                    self.a.mov_imm(RCX, 0);
                    self.a.mov_imm(RAX, trunc(w, u64::MAX));
                    self.cmov_test(test, wide, RAX, Rm::R(RCX));
                    self.put(d, RAX);
                }
                _ => {
                    self.a.mov_imm(t, 0);
                    self.put(d, t);
                }
            }
            return;
        }
        // RAX = sel(b), without touching EFLAGS.
        let hb = self.host(b);
        match sel {
            Sel::Plain => {
                let ha = self.host(a);
                if t != RAX && ha == t && !matches!(test, Test::And(..)) && hb != t {
                    // d is a: move b in when the condition is false.
                    let brm = self.rm(b, RCX);
                    self.cmov_test(invert(test), wide, t, brm);
                    if !wide && !matches!(test, Test::One(_)) {
                        self.a.mov(false, t, t);
                    }
                    self.put(d, t);
                    return;
                }
                let arm = self.rm(a, RCX);
                if t != RAX && arm != Rm::R(t) {
                    // Compute in place.
                    if hb != t {
                        let brm = self.rm(b, t);
                        if brm != Rm::R(t) {
                            self.a.mov(wide, t, brm);
                        }
                    } else if !wide {
                        self.a.mov(false, t, t);
                    }
                    self.cmov_test(test, wide, t, arm);
                    self.put(d, t);
                    return;
                }
                self.get_into(wide, b, RAX);
                self.cmov_test(test, wide, RAX, arm);
            }
            _ => {
                let rb = self.get(wide, b, RAX);
                match sel {
                    Sel::Inc => self.a.lea(wide, RAX, Mem::base(rb, 1)),
                    _ => {
                        if rb != RAX {
                            self.a.mov(wide, RAX, rb);
                        }
                        self.a.not(wide, Rm::R(RAX));
                        if sel == Sel::Neg {
                            self.a.lea(wide, RAX, Mem::base(RAX, 1));
                        }
                    }
                }
                let arm = self.rm(a, RCX);
                self.cmov_test(test, wide, RAX, arm);
            }
        }
        self.put(d, RAX);
    }

    fn cond_compare(&mut self, c: Cond, sub: bool, w: W, a: R, b: Src, nzcv: u8) {
        let wide = is64(w);
        let test = self.cond(c);
        // When the condition is false, go and set the constant flags.
        let (no1, no2) = match invert(test) {
            Test::One(cc) => (Some(self.a.jcc_short(cc)), None),
            Test::Or(x, y) => {
                let f = self.a.jcc_short(x);
                (Some(f), Some(self.a.jcc_short(y)))
            }
            Test::And(x, y) => {
                let yes = self.a.jcc_short(x.invert());
                let f = self.a.jcc_short(y);
                self.a.bind(yes);
                (Some(f), None)
            }
            Test::Always => (None, None),
        };
        let b = self.src(w, b);
        let ra = self.get(wide, a, RAX);
        if sub {
            self.alu_opnd(Op::Cmp, wide, ra, b);
        } else {
            if ra != RAX {
                self.a.mov(wide, RAX, ra);
            }
            self.alu_opnd(Op::Add, wide, RAX, b);
        }
        if let Some(no1) = no1 {
            let done = self.a.jmp_short();
            self.a.bind(no1);
            if let Some(no2) = no2 {
                self.a.bind(no2);
            }
            // EFLAGS = the constant, in the same form.
            let (n, z, cc, v) = (nzcv >> 3 & 1, nzcv >> 2 & 1, nzcv >> 1 & 1, nzcv & 1);
            let cf = if sub { cc ^ 1 } else { cc };
            let ah = (n << 7 | z << 6 | cf) as u32;
            self.a.mov_imm(RAX, (ah << 8 | v as u32) as u64);
            self.a.add_al(0x7f);
            self.a.sahf();
            self.a.bind(done);
        }
        self.flags_are(if sub { HostFlags::Sub } else { HostFlags::Add });
    }

    fn set_cmp(&mut self, cmp: Cmp, d: R, a: R, b: Src) {
        if d == R::ZERO {
            return;
        }
        self.clobber_flags();
        let t = self.def(d);
        let cc = match b {
            Src::Reg(b) => self.compare(cmp, a, b),
            b => {
                let b = self.src(W::W64, b);
                match (b, self.rm_now(a, RAX)) {
                    (Opnd::Imm(i), a) => self.a.alu_imm(Op::Cmp, true, a, i),
                    (Opnd::Rm(b), Rm::R(a)) => self.a.alu(Op::Cmp, true, a, b),
                    (b, a) => {
                        self.a.mov(true, RAX, a);
                        self.alu_opnd(Op::Cmp, true, RAX, b);
                    }
                }
                cmp_cc(cmp)
            }
        };
        self.a.setcc(cc, RAX);
        self.a.movzx(1, t, RAX);
        self.put(d, t);
    }

    fn crc32(&mut self, castagnoli: bool, size: Size, d: R, a: R, b: R) {
        if castagnoli {
            if d == R::ZERO {
                return;
            }
            let rb = self.get(true, b, RCX);
            self.get_into(false, a, RAX);
            self.a.crc32(size.bytes() as u8, RAX, rb);
            self.a.mov(false, RAX, RAX);
            self.put(d, RAX);
        } else if self.features.pclmul {
            if d == R::ZERO {
                return;
            }
            self.clobber_flags();
            self.get_into(false, a, RAX);
            let brm = self.rm(b, RCX);
            self.a.mov(false, RCX, brm);
            self.a.alu(Op::Xor, false, RCX, Rm::R(RAX));
            match size {
                Size::B8 => {
                    self.crc_step();
                    self.a.mov(false, RAX, RCX);
                    let brm = self.rm(b, RCX);
                    self.a.mov(true, RCX, brm);
                    self.a.shift_imm(Sh::Shr, true, Rm::R(RCX), 32);
                    self.a.alu(Op::Xor, false, RCX, Rm::R(RAX));
                    self.crc_step();
                }
                Size::B4 => self.crc_step(),
                _ => {
                    // The bits that leave the register, as a polynomial of their own; the others move up to their places.
                    let bits = 8 * size.bytes() as u8;
                    self.a.shift_imm(Sh::Shl, false, Rm::R(RCX), 32 - bits);
                    self.crc_step();
                    self.a.shift_imm(Sh::Shr, false, Rm::R(RAX), bits);
                    self.a.alu(Op::Xor, false, RCX, Rm::R(RAX));
                }
            }
            self.put(d, RCX);
        } else {
            self.inline_helper(helpers::crc32, pack(&[d, a, b]) | (size as u64) << 40);
        }
    }

    fn set_nz(&mut self, w: W, r: R, carry: Carry) {
        self.nz_of(w, r, carry);
    }

    fn shift_nz(&mut self, op: Shift, w: W, d: R, a: R, n: u8) {
        self.nz_of_shift(op, w, d, a, n);
    }

    fn read_flags(&mut self, d: R) {
        if !self.mem_flags {
            self.save_flags();
        }
        if d == R::ZERO {
            return;
        }
        // Memory form: SF 15, ZF 14, CF 8, OF 0.
        self.clobber_flags_slow();
        self.a.movzx(2, RAX, state(offset_of!(Cpu, host_flags)));
        self.a.mov(false, RCX, RAX);
        self.a.alu_imm(Op::And, false, Rm::R(RCX), 0xc000);
        self.a.shift_imm(Sh::Shl, false, Rm::R(RCX), 16);
        self.a.test_imm(false, Rm::R(RAX), 1);
        self.a.bt_imm(false, Rm::R(RAX), 8);
        self.a.setcc(Cc::B, RAX);
        self.a.movzx(1, RAX, RAX);
        self.a.shift_imm(Sh::Shl, false, Rm::R(RAX), 29);
        self.a.alu(Op::Or, false, RCX, Rm::R(RAX));
        self.a.movzx(1, RAX, state(offset_of!(Cpu, host_flags)));
        self.a.shift_imm(Sh::Shl, false, Rm::R(RAX), 28);
        self.a.alu(Op::Or, false, RCX, Rm::R(RAX));
        self.put(d, RCX);
    }

    fn write_flags(&mut self, s: R) {
        if self.take_compared(s) {
            return;
        }
        // N Z at 31, 30; C at 29; V at 28.
        self.get_into(false, s, RCX);
        self.host_flags = HostFlags::None;
        self.a.mov(false, RAX, RCX);
        self.a.shift_imm(Sh::Shr, false, Rm::R(RAX), 16);
        self.a.alu_imm(Op::And, false, Rm::R(RAX), 0xc000);
        self.a.bt_imm(false, Rm::R(RCX), 28);
        self.a.setcc(Cc::B, RAX);
        self.a.shift_imm(Sh::Shr, false, Rm::R(RCX), 21);
        self.a.alu_imm(Op::And, false, Rm::R(RCX), 0x100);
        self.a.alu(Op::Or, false, RAX, Rm::R(RCX));
        self.a.mov_store16(state(offset_of!(Cpu, host_flags)), RAX);
        self.mem_flags = true;
    }

    // Memory.

    fn check_aligned(&mut self, bytes: u32, base: R, offset: i64, _: bool, _: FaultAddr) {
        self.leave_unless_aligned(bytes, base, offset);
    }

    fn load(&mut self, size: Size, ext: LoadExt, d: R, a: Addr, _order: Order) {
        // Every x86 load is an acquire.
        let m = self.addr(a);
        let t = self.def(d);
        self.load_to(size.bytes(), ext, t, m);
        self.put(d, t);
    }

    fn store(&mut self, size: Size, s: R, a: Addr, order: Order) {
        self.fenced = order == Order::SeqCst;
        if order == Order::SeqCst {
            // XCHG is the store and the fence after it in one.
            self.settle_flags();
            let mut m = self.addr(a);
            if m.index != NONE || m.disp != 0 {
                self.a.lea(true, RAX, m);
                m = Mem::base(RAX, 0);
            }
            self.get_into(true, s, RCX);
            self.a.xchg(size.bytes() as u8, m, RCX);
            return self.written(m);
        }
        if s == R::ZERO {
            let m = self.addr(a);
            match size {
                Size::B8 => self.a.mov_store_imm(true, m, 0),
                Size::B4 => self.a.mov_store_imm(false, m, 0),
                _ => self.store_small_zero(size, m),
            }
            return;
        }
        let hs = self.host(s);
        if hs != NONE {
            let m = self.addr(a);
            self.store_from(size.bytes(), m, hs);
            return;
        }
        // The value needs a scratch register too: leave RCX for it.
        let m = self.addr(a);
        if self.is_fresh(s) {
            // Nothing has been emitted for the address.
            return self.store_from(size.bytes(), m, RAX);
        }
        if m.index == RCX {
            if m.base == RAX {
                self.a.lea(true, RAX, m);
                self.a.mov(true, RCX, Self::slot(s));
                self.store_from(size.bytes(), Mem::base(RAX, 0), RCX);
            } else {
                self.a.mov(true, RAX, Self::slot(s));
                self.store_from(size.bytes(), m, RAX);
            }
        } else {
            self.a.mov(size == Size::B8, RCX, Self::slot(s));
            self.store_from(size.bytes(), m, RCX);
        }
    }

    fn vload(&mut self, bytes: u8, d: V, a: Addr) {
        let m = self.addr(a);
        vector::load(self, bytes, d, m);
        self.wrote(d, bytes);
    }

    fn vstore(&mut self, bytes: u8, s: V, a: Addr) {
        self.fenced = false;
        let m = self.addr(a);
        vector::store(self, bytes, s, m);
    }

    fn rmw(&mut self, op: Rmw, size: Size, d: R, s: R, addr: R) {
        self.clobber_flags();
        let bytes = size.bytes() as u8;
        let m = self.atomic_addr(addr);
        match op {
            Rmw::Add | Rmw::And | Rmw::AndNot | Rmw::Or | Rmw::Xor if d == R::ZERO => {
                let xop = match op {
                    Rmw::Add => Op::Add,
                    Rmw::Or => Op::Or,
                    Rmw::Xor => Op::Xor,
                    _ => Op::And,
                };
                let mut rs = self.get(true, s, RAX);
                if op == Rmw::AndNot {
                    self.get_into(true, s, RAX);
                    self.a.not(true, Rm::R(RAX));
                    rs = RAX;
                }
                self.a.lock_alu(xop, bytes, m, rs);
                self.written(m);
                self.fenced = true;
                return;
            }
            Rmw::Add | Rmw::Swap => {
                self.get_into(true, s, RAX);
                if op == Rmw::Add {
                    self.a.lock_xadd(bytes, m, RAX);
                } else {
                    self.a.xchg(bytes, m, RAX);
                }
                self.written(m);
            }
            _ => {
                // RAX = old, RCX = new; loop until it sticks. The address must be in a pinned register.
                if m.base == RCX {
                    let arg = pack(&[d, s, addr]) | (size as u64) << 40 | (op as u64) << 48;
                    return self.inline_helper(helpers::rmw, arg);
                }
                self.load_to(size.bytes(), LoadExt::Zero, RAX, m);
                let again = self.a.p;
                self.rmw_new(op, bytes, s);
                self.a.lock_cmpxchg(bytes, m, RCX);
                self.a.jcc_to(Cc::Ne, again);
                self.written(m);
            }
        }
        self.fenced = true;
        if d != R::ZERO {
            let (t, from) = (self.def(d), self.a.p);
            self.zero_extend(size.bytes(), t, RAX);
            self.put(d, t);
            if size == Size::B4 && t != RAX {
                self.fresh = super::Fresh { copied: d, copied_from: from, copied_at: self.a.p, ..self.fresh };
            }
        }
    }

    fn cas(&mut self, size: Size, expected: R, new: R, addr: R) {
        self.clobber_flags();
        let m = self.atomic_addr(addr);
        self.get_into(true, expected, RAX);
        let hn = self.host(new);
        if hn != NONE {
            self.a.lock_cmpxchg(size.bytes() as u8, m, hn);
        } else if m.base != RCX {
            let rn = self.get(true, new, RCX);
            self.a.lock_cmpxchg(size.bytes() as u8, m, rn);
        } else {
            let arg = pack(&[expected, new, addr]) | (size as u64) << 40;
            return self.inline_helper(helpers::cas, arg);
        }
        self.written(m);
        self.fenced = true;
        if expected != R::ZERO {
            let t = self.def(expected);
            self.zero_extend(size.bytes(), t, RAX);
            self.put(expected, t);
        }
    }

    fn cas_pair(&mut self, size: Size, expected: [R; 2], new: [R; 2], addr: R) {
        let arg = pack(&[expected[0], expected[1], new[0], new[1], addr]) | (size as u64) << 40;
        self.inline_helper(helpers::cas_pair, arg);
    }

    fn load_exclusive(&mut self, size: Size, d: R, addr: R) {
        self.reserve_and_load(size, d, addr);
    }

    fn load_exclusive_pair(&mut self, size: Size, d: [R; 2], addr: R) {
        self.draft.reserves = true;
        let arg = pack(&[d[0], d[1], addr]) | (size as u64) << 40;
        self.inline_helper(helpers::load_exclusive_pair, arg);
    }

    fn store_exclusive(&mut self, size: Size, status: R, s: R, addr: R) {
        if self.host(s) == NONE && self.host(addr) == NONE {
            let arg = pack(&[status, s, addr]) | (size as u64) << 40;
            return self.inline_helper(helpers::store_exclusive, arg);
        }
        self.store_if_reserved(size, status, s, addr);
    }

    fn store_exclusive_pair(&mut self, size: Size, status: R, s: [R; 2], addr: R) {
        let arg = pack(&[status, s[0], s[1], addr]) | (size as u64) << 40;
        self.inline_helper(helpers::store_exclusive_pair, arg);
    }

    fn clear_exclusive(&mut self) {
        self.a.mov_store_imm(true, state(offset_of!(Cpu, excl_addr)), -1);
    }

    fn barrier(&mut self, b: Barrier) {
        if b == Barrier::Full && !core::mem::replace(&mut self.fenced, true) {
            self.clobber_flags();
            self.a.fence();
        }
    }

    fn sync_fetch(&mut self) {
        if self.copy.is_some() {
            self.end_checked();
        }
    }

    // Control flow.

    fn jump(&mut self, target: u64) {
        self.exit_to(target);
        self.end_unit();
    }

    fn branch(&mut self, c: Cond, target: u64) {
        if c == Cond::Al {
            return self.jump(target);
        }
        if self.known_nz(c).is_none() {
            self.need_flags();
        }
        self.before_exit(target);
        let test = self.cond(c);
        self.exit_test(test, target);
        self.branched(target);
    }

    fn branch_zero(&mut self, nonzero: bool, w: W, r: R, target: u64) {
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
        self.branched(target);
    }

    fn branch_bit(&mut self, set: bool, r: R, bit: u8, target: u64) {
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
        self.branched(target);
    }

    fn branch_cmp(&mut self, cmp: Cmp, a: R, b: R, target: u64) {
        self.clobber_flags();
        let start = self.a.p;
        let cc = self.compare(cmp, a, b);
        self.place_jump(start, target);
        self.exit_if(cc, target);
        self.branched(target);
    }

    fn call(&mut self, link: R, target: u64) {
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

    fn jump_reg(&mut self, r: R) {
        self.flush_flags(None);
        self.get_into(true, r, RAX);
        self.inline_lookup();
        let miss = self.a.jcc_short(Cc::Ne);
        self.a.jmp_rm(Self::lookup_mem(8));
        self.a.bind(miss);
        self.a.jmp_piece(Piece::Lookup);
        self.end_unit();
    }

    fn call_reg(&mut self, link: R, r: R) {
        self.flush_flags(None);
        self.get_into(true, r, RAX);
        self.push_link(link);
        self.inline_lookup();
        let site = self.a.jcc_near(Cc::Ne);
        self.a.call_rm(Self::lookup_mem(8));
        let resume = self.a.p;
        let insn = self.draft.marks.len() as u16;
        self.cold.push(Cold { site, resume, kind: ColdKind::CallLookup, insn });
        self.landing();
    }

    fn ret(&mut self, r: R) {
        if let Some(inlined) = self.inlined.take() {
            // The link register still has what the call gave it: see `Guest::leaf`.
            self.next_pc = inlined.back;
            self.turned = true;
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

    fn syscall(&mut self) {
        self.flush_flags(Some(self.next_pc));
        // The glue returns here when it has made the call; what it needs to know otherwise is the immediate of an instruction without effect.
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
        self.host_flags = HostFlags::None;
        self.mem_flags = true;
        self.mark_entry();
    }

    fn trap(&mut self, t: Trap) {
        if !self.mem_flags {
            self.save_flags();
        }
        let (code, arg) = match t {
            Trap::Undefined => {
                self.undefined = true;
                (glue::TRAP_UNDEFINED, 0)
            }
            Trap::Breakpoint(n) => (glue::TRAP_BREAKPOINT, n as u32),
        };
        self.a.mov_imm(RCX, (code | arg << 8) as u64);
        self.a.call_piece(Piece::Trap);
        self.end_unit();
    }

    fn helper(&mut self, f: Helper, arg: u64) {
        // A helper may read and write the flags.
        if !self.mem_flags {
            self.save_flags();
        }
        self.inline_helper(f.function, arg);
        self.forget_vectors();
    }

    fn likely(&self) -> u64 {
        self.asked_likely.set(self.asked_likely.get() || !self.said_likely);
        self.likely
    }

    fn set_likely(&mut self, value: u64) {
        self.likely = value;
        self.said_likely = true;
    }

    fn guard(&mut self, r: R, value: u32, f: Helper, arg: u64) -> bool {
        self.clobber_flags();
        match self.host(r) {
            NONE => self.a.alu_imm(Op::Cmp, true, Self::slot(r), value as i32),
            h => self.a.alu_imm(Op::Cmp, true, Rm::R(h), value as i32),
        }
        self.refer_unless_equal(f.function, arg);
        true
    }

    fn guard_bits(&mut self, r: R, mask: u32, value: u32, f: Helper, arg: u64) -> bool {
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

    fn when(&mut self, c: Cond, _: u64, body: impl FnOnce(&mut Self)) {
        self.if_holds(c, body);
    }

    fn choose(&mut self, r: R, value: u32, then: impl FnOnce(&mut Self), otherwise: impl FnOnce(&mut Self)) {
        self.clobber_flags();
        match self.host(r) {
            NONE => self.a.alu_imm(Op::Cmp, true, Self::slot(r), value as i32),
            h => self.a.alu_imm(Op::Cmp, true, Rm::R(h), value as i32),
        }
        let other = self.a.jcc_near(Cc::Ne);
        let known = (self.zero_above, self.boxed, self.pair, self.constant);
        then(self);
        self.drop_flags();
        let end = self.a.jmp_near();
        self.a.bind_near(other);
        (self.zero_above, self.boxed, self.pair, self.constant) = known;
        otherwise(self);
        self.a.bind_near(end);
        // What is known of the slots from 48 up is what one way did, and the end of the instruction forgets it.
        self.guarded = true;
        self.aes = super::vec::AesRound::NONE;
    }

    // Vectors and floating point.

    fn vec(&mut self, op: VOp, args: VArgs) {
        let pair = self.pair;
        vector::vec(self, op, args);
        self.wrote(args.d, args.bytes);
        self.pair.did(pair, op, &args);
    }

    fn sha2_rounds(&mut self, wide: bool, abef: V, cdgh: V, words: V) {
        super::sha::sha2_rounds(self, wide, abef, cdgh, words);
        for s in [abef, cdgh] {
            (0..=wide as u8).for_each(|n| self.wrote(V(s.0 + n), 16));
        }
    }

    fn fp(&mut self, op: FOp, args: VArgs) {
        super::fp::fp(self, op, args);
    }

    fn fp_standard(&mut self, op: FOp, args: VArgs) {
        super::fp::fp_standard(self, op, args);
    }

    fn fp_mode(&self) -> u32 {
        self.exact_mode & mode::FP
    }

    fn restricted(&self) -> bool {
        self.exact_mode & mode::RESTRICTED != 0
    }

    fn fp_flags(&mut self, d: R) {
        super::fp::flags(self, d);
    }

    fn set_fp_flags(&mut self, s: R) {
        super::fp::set_flags(self, s);
    }

    fn check_boxes(&mut self, es: u8, slots: &[V], f: Helper, arg: u64) -> bool {
        super::fp::check_boxes(self, es, slots, f.function, arg);
        true
    }

    fn fp_box(&mut self, d: V, es: u8) {
        super::fp::fp_box(self, d, es);
    }

    fn vget(&mut self, signed: bool, w: W, d: R, a: V, es: u8, idx: u8) {
        vector::vget(self, signed, w, d, a, es, idx);
    }

    fn vset(&mut self, d: V, es: u8, idx: u8, s: R) {
        vector::vset(self, d, es, idx, s);
        self.wrote(d, 16);
    }

    fn vfrom(&mut self, d: V, es: u8, s: R) {
        vector::vfrom(self, d, es, s);
        self.wrote(d, 1 << es);
    }

    fn vdup(&mut self, d: V, es: u8, bytes: u8, s: R) {
        vector::vdup(self, d, es, bytes, s);
        self.wrote(d, bytes);
    }

    fn vconst(&mut self, d: V, value: u128) {
        vector::vconst(self, d, value);
        self.wrote(
            d,
            if value >> 32 == 0 {
                4
            } else if value >> 64 == 0 {
                8
            } else {
                16
            },
        );
        for es in [1, 2] {
            if value as u64 & box_bits(es) == box_bits(es) {
                self.is_boxed(d, es);
            }
        }
    }

    fn vtail(&mut self, d: V, a: V, b: Option<V>, es: u8, first: u8, count: R) {
        vector::tail(self, d, a, b, es, first, count);
        self.wrote(d, 16);
    }

    fn vsigns(&mut self, d: R, a: V, es: u8) {
        vector::signs(self, d, a, es);
    }

    fn vload_part(&mut self, first: V, slots: u8, es: u8, addr: R, count: R) {
        vector::part(self, false, first, slots, es, addr, count);
    }

    fn vstore_part(&mut self, first: V, slots: u8, es: u8, addr: R, count: R) {
        self.fenced = false;
        vector::part(self, true, first, slots, es, addr, count);
    }

    fn vstore_masked(&mut self, es: u8, s: V, mask: V, addr: R, offset: i32) {
        self.fenced = false;
        vector::store_masked(self, es, s, mask, addr, offset);
    }

    fn vtbl(&mut self, keep: bool, d: V, first: V, n: u8, idx: V, bytes: u8) {
        vector::vtbl(self, keep, d, first, n, idx, bytes);
        self.wrote(d, bytes);
    }

    fn vload_struct(&mut self, n: u8, es: u8, bytes: u8, first: V, addr: R) {
        vector::struct_access(self, false, n, es, bytes, first, addr);
        self.forget_vectors();
    }

    fn vstore_struct(&mut self, n: u8, es: u8, bytes: u8, first: V, addr: R) {
        self.fenced = false;
        vector::struct_access(self, true, n, es, bytes, first, addr);
    }

    fn fp_to_int(&mut self, signed: bool, round: Round, w: W, d: R, a: V, es: u8, fbits: u8) {
        super::fp::fp_to_int(self, signed, round, w, d, a, es, fbits);
    }

    fn int_to_fp(&mut self, signed: bool, round: Round, w: W, d: V, s: R, es: u8, fbits: u8) {
        super::fp::int_to_fp(self, signed, round, w, d, s, es, fbits);
    }

    fn fp_compare(&mut self, signaling: bool, es: u8, a: V, b: Option<V>) {
        super::fp::fp_compare(self, signaling, es, a, b);
    }

    fn fp_compare_to(&mut self, d: R, signaling: bool, es: u8, a: V, b: Option<V>) {
        self.compare_to(d, signaling, es, a, b);
    }

    fn fp_cond_compare(&mut self, c: Cond, signaling: bool, es: u8, a: V, b: V, nzcv: u8) {
        super::fp::fp_cond_compare(self, c, signaling, es, a, b, nzcv);
    }

    fn fp_select(&mut self, c: Cond, es: u8, d: V, a: V, b: V) {
        super::fp::fp_select(self, c, es, d, a, b);
    }
}

/// Up to five slots in one constant, 8 bits each.
pub(crate) fn pack(slots: &[R]) -> u64 {
    slots.iter().rev().fold(0, |acc, r| acc << 8 | r.0 as u64)
}

fn cmp_cc(cmp: Cmp) -> Cc {
    match cmp {
        Cmp::Eq => Cc::E,
        Cmp::Ne => Cc::Ne,
        Cmp::Lt => Cc::L,
        Cmp::Ge => Cc::Ge,
        Cmp::Ltu => Cc::B,
        Cmp::Geu => Cc::Ae,
    }
}

/// The opposite test.
pub(super) fn invert(test: Test) -> Test {
    match test {
        Test::One(cc) => Test::One(cc.invert()),
        Test::And(a, b) => Test::Or(a.invert(), b.invert()),
        Test::Or(a, b) => Test::And(a.invert(), b.invert()),
        Test::Always => Test::Always,
    }
}

impl Translator<'_> {
    /// A slot as operand where the zero register is a zero in memory.
    fn rm_or_zero(&mut self, r: R) -> Rm {
        if r == R::ZERO {
            self.a.mov_store_imm(true, state(offset_of!(Thread, spill)), 0);
            return Rm::M(state(offset_of!(Thread, spill)));
        }
        let h = self.host(r);
        if h != NONE { Rm::R(h) } else { Rm::M(Self::slot(r)) }
    }

    /// Whether `shifted` by a constant leaves EFLAGS alone.
    fn shift_keeps_flags(&self, op: Shift, n: u8) -> bool {
        n == 0 || (op == Shift::Lsl && n <= 3) || (op == Shift::Ror && self.features.bmi2)
    }

    fn clobber_if_shift(&mut self, op: Shift, n: u8) {
        if !self.shift_keeps_flags(op, n) {
            self.clobber_flags();
        }
    }

    /// The comparison emitted since `start` is to be followed by a conditional jump to `target`: places both well if that makes a loop.
    fn place_jump(&mut self, start: *mut u8, target: u64) {
        if target <= self.pc {
            self.a.keep_in_window(start, 6);
        }
    }

    /// EFLAGS = those of a comparison of two slots; the host's condition for `cmp`. They are free.
    fn compare(&mut self, cmp: Cmp, a: R, b: R) -> Cc {
        // Zero goes second: a constant without a register.
        let (cc, a, b) = match (cmp, a, b) {
            (_, R::ZERO, R::ZERO) => (cmp_cc(cmp), a, b),
            (Cmp::Eq | Cmp::Ne, R::ZERO, b) => (cmp_cc(cmp), b, R::ZERO),
            (Cmp::Lt, R::ZERO, b) => (Cc::G, b, R::ZERO),
            (Cmp::Ge, R::ZERO, b) => (Cc::Le, b, R::ZERO),
            (Cmp::Ltu, R::ZERO, b) => (Cc::Ne, b, R::ZERO),
            (Cmp::Geu, R::ZERO, b) => (Cc::E, b, R::ZERO),
            _ => (cmp_cc(cmp), a, b),
        };
        if b == R::ZERO && a != R::ZERO {
            if matches!(cc, Cc::E | Cc::Ne) && self.is_zero_known(a) {
                return cc;
            }
            match self.rm_now(a, RAX) {
                Rm::R(a) => self.a.test(true, Rm::R(a), a),
                Rm::M(a) => self.a.alu_imm(Op::Cmp, true, a, 0),
            }
            return cc;
        }
        let hb = self.host(b);
        if a != R::ZERO && hb != NONE {
            match self.rm_now(a, RAX) {
                Rm::R(a) => self.a.alu(Op::Cmp, true, a, hb),
                Rm::M(a) => self.a.alu_store(Op::Cmp, true, a, hb),
            }
            return cc;
        }
        let brm = if self.host(a) != NONE { self.rm_now(b, RCX) } else { self.rm(b, RCX) };
        let ra = self.get(true, a, RAX);
        self.a.alu(Op::Cmp, true, ra, brm);
        cc
    }

    /// RCX = op(RAX, s) for a read-modify-write loop; RAX may be extended in place.
    fn rmw_new(&mut self, op: Rmw, bytes: u8, s: R) {
        let srm = self.rm(s, RCX);
        match op {
            Rmw::AndNot => {
                self.a.mov(true, RCX, srm);
                self.a.not(true, Rm::R(RCX));
                self.a.alu(Op::And, true, RCX, Rm::R(RAX));
            }
            Rmw::And | Rmw::Xor | Rmw::Or => {
                let xop = match op {
                    Rmw::And => Op::And,
                    Rmw::Xor => Op::Xor,
                    _ => Op::Or,
                };
                if srm != Rm::R(RCX) {
                    self.a.mov(true, RCX, srm);
                }
                self.a.alu(xop, true, RCX, Rm::R(RAX));
            }
            _ => {
                let signed = matches!(op, Rmw::MaxS | Rmw::MinS);
                if signed && bytes < 8 {
                    self.a.movsx(true, bytes, RCX, srm);
                    self.a.movsx(true, bytes, RAX, Rm::R(RAX));
                } else if bytes < 4 {
                    self.a.movzx(bytes, RCX, srm);
                } else if srm != Rm::R(RCX) || bytes == 4 {
                    self.a.mov(bytes == 8, RCX, srm);
                }
                self.a.alu(Op::Cmp, true, RCX, Rm::R(RAX));
                let cc = match op {
                    Rmw::MaxS => Cc::L,
                    Rmw::MinS => Cc::G,
                    Rmw::MaxU => Cc::B,
                    _ => Cc::A,
                };
                self.a.cmov(cc, true, RCX, Rm::R(RAX));
            }
        }
    }

    /// ECX = ECX times x^32 modulo the polynomial 0x04C11DB7, all with bits reflected, by Barrett's reduction: the first product with
    /// x^64 divided by the polynomial gives the quotient, the second what to subtract.
    fn crc_step(&mut self) {
        const QUOTIENT: u64 = 0x1_f701_1641;
        const POLYNOMIAL: u64 = 0x1_db71_0641;
        use super::asm::opcodes::{MOVD, MOVD_STORE, MOVQ_FROM_GPR, PCLMULQDQ, PEXTR};
        let (x, k) = (vector::X0, vector::X1);
        for constant in [QUOTIENT, POLYNOMIAL] {
            self.a.v2(MOVD, x, RCX);
            self.a.mov_imm(RCX, constant);
            self.a.v2(MOVQ_FROM_GPR, k, RCX);
            self.a.v3i(PCLMULQDQ, x, x, Rm::R(k), 0, k);
            if constant == QUOTIENT {
                self.a.v2(MOVD_STORE, x, RCX);
            } else {
                self.a.v2i(PEXTR[2], x, RCX, 1);
            }
        }
    }

    fn store_small_zero(&mut self, size: Size, m: Mem) {
        if size == Size::B1 {
            self.a.mov_store8_imm(m, 0);
        } else {
            self.a.mov16_imm(m, 0);
        }
    }

    fn leading_zeros(&mut self, wide: bool, t: u8, a: R) {
        let s = self.rm(a, RCX);
        if self.features.lzcnt {
            self.a.lzcnt(wide, t, s);
            return;
        }
        let bits = if wide { 64 } else { 32 };
        self.a.mov_imm(RAX, 2 * bits - 1);
        self.a.bsr(wide, RCX, s);
        self.a.cmov(Cc::E, false, RCX, Rm::R(RAX));
        self.a.alu_imm(Op::Xor, false, Rm::R(RCX), bits as i32 - 1);
        self.a.mov(false, t, Rm::R(RCX));
    }

    /// d = a / b, which is `zero` where b is zero, or without that a % b.
    fn division(&mut self, signed: bool, zero: Option<DivZero>, w: W, d: R, a: R, b: R) {
        if d == R::ZERO {
            return;
        }
        let wide = is64(w);
        self.clobber_flags();
        self.get_into(wide, b, RCX);
        self.get_into(wide, a, RAX);
        self.a.mov_store(true, state(offset_of!(Thread, spill)), RDX);
        let small = wide.then(|| {
            // Most operands have less than 33 bits, and a division of 64 bits takes two or three times as long as one of 32.
            self.a.mov(true, RDX, RAX);
            self.a.alu(Op::Or, true, RDX, RCX);
            self.a.shift_imm(Sh::Shr, true, Rm::R(RDX), 32);
            self.a.jcc_short(Cc::E)
        });
        self.a.test(wide, Rm::R(RCX), RCX);
        let by_zero = self.a.jcc_short(Cc::E);
        let overflow = signed.then(|| {
            self.a.alu_imm(Op::Cmp, wide, Rm::R(RCX), -1);
            self.a.jcc_short(Cc::E)
        });
        if signed {
            self.a.cqo(wide);
            self.a.idiv(wide, Rm::R(RCX));
        } else {
            self.a.mov_imm(RDX, 0);
            self.a.div(wide, Rm::R(RCX));
        }
        if zero.is_none() {
            self.a.mov(wide, RAX, Rm::R(RDX));
        }
        let done = self.a.jmp_short();
        if let Some(overflow) = overflow {
            self.a.bind(overflow);
            match zero {
                Some(_) => self.a.neg(wide, Rm::R(RAX)),
                None => self.a.mov_imm(RAX, 0),
            }
        }
        let after = overflow.is_some().then(|| self.a.jmp_short());
        let small = small.map(|small| {
            self.a.bind(small);
            self.a.test(false, Rm::R(RCX), RCX);
            let by_zero = self.a.jcc_short(Cc::E);
            self.a.div(false, Rm::R(RCX));
            if zero.is_none() {
                self.a.mov(false, RAX, RDX);
            }
            let done = self.a.jmp_short();
            self.a.bind(by_zero);
            done
        });
        self.a.bind(by_zero);
        if let Some(zero) = zero {
            self.a.mov_imm(RAX, if zero == DivZero::Zero { 0 } else { trunc(w, u64::MAX) });
        }
        for done in [Some(done), after, small].into_iter().flatten() {
            self.a.bind(done);
        }
        self.a.mov(true, RDX, state(offset_of!(Thread, spill)));
        self.put(d, RAX);
    }
}

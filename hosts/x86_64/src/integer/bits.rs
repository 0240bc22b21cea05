//! Fields of bits, and operations that count or reverse bits.

use super::operand::{imm32, is64, trunc};
use crate::asm::{Cc, Mem, NONE, Op, Rm, Sh, reg::*};
use crate::{Translator, state};
use anyarch_engine::ops::*;
use anyarch_engine::run::Thread;
use anyarch_engine::state::Cpu;
use core::mem::offset_of;

impl Translator<'_> {
    pub(crate) fn extract(&mut self, signed: bool, w: W, d: R, a: R, lsb: u8, len: u8) {
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

    pub(crate) fn extract_shl(&mut self, signed: bool, w: W, d: R, a: R, lsb: u8, len: u8) {
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

    pub(crate) fn insert(&mut self, w: W, d: R, a: R, lsb: u8, len: u8) {
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

    pub(crate) fn insert_imm16(&mut self, w: W, d: R, imm: u16, lsb: u8) {
        if d == R::ZERO {
            return;
        }
        if let Some((r, old)) = self.insn.constant
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

    pub(crate) fn extract_pair(&mut self, w: W, d: R, hi: R, lo: R, lsb: u8) {
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

    pub(crate) fn unary(&mut self, op: Unary, w: W, d: R, a: R) {
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
                // No leading one remains; a set bit at the bottom bounds the count: clz(x << 1 |
                // 1).
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
                    // RAX = (RAX >> n & mask) | (RAX & mask) << n, with the mask in memory-free
                    // form.
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

    pub(crate) fn leading_zeros(&mut self, wide: bool, t: u8, a: R) {
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
}

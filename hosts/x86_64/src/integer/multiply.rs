//! Multiplication and division.

use super::operand::{is64, trunc};
use crate::asm::{Cc, Op, Rm, Sh, reg::*};
use crate::{Translator, state};
use anyarch_engine::ops::*;
use anyarch_engine::run::Thread;
use core::mem::offset_of;

impl Translator<'_> {
    pub(crate) fn mul(&mut self, op: Mul, d: R, a: R, b: R, acc: R) {
        if d == R::ZERO {
            return;
        }
        match op {
            Mul::HighU | Mul::HighS => {
                self.clobber_flags();
                self.get_into(true, a, RAX);
                // RDX is a pinned register: kept in RCX, unless b needs RCX; b as a memory or
                // pinned operand never does.
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

    /// d = a / b, which is `zero` where b is zero, or without that a % b.
    pub(crate) fn division(&mut self, signed: bool, zero: Option<DivZero>, w: W, d: R, a: R, b: R) {
        if d == R::ZERO {
            return;
        }
        let wide = is64(w);
        self.clobber_flags();
        self.get_into(wide, b, RCX);
        self.get_into(wide, a, RAX);
        self.a.mov_store(true, state(offset_of!(Thread, spill)), RDX);
        let small = wide.then(|| {
            // Most operands have less than 33 bits, and a division of 64 bits takes two or three
            // times as long as one of 32.
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

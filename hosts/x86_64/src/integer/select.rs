//! Comparisons, and what is chosen by a condition.

use super::operand::{Opnd, is64, trunc};
use crate::asm::{Cc, Mem, NONE, Op, Rm, reg::*};
use crate::flags::invert;
use crate::{HostFlags, Test, Translator};
use anyarch_engine::ops::*;

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

impl Translator<'_> {
    pub(crate) fn select(&mut self, c: Cond, w: W, d: R, a: R, b: R, sel: Sel) {
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

    pub(crate) fn cond_compare(&mut self, c: Cond, sub: bool, w: W, a: R, b: Src, nzcv: u8) {
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

    pub(crate) fn set_cmp(&mut self, cmp: Cmp, d: R, a: R, b: Src) {
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

    /// EFLAGS = those of a comparison of two slots; the host's condition for `cmp`. They are free.
    pub(crate) fn compare(&mut self, cmp: Cmp, a: R, b: R) -> Cc {
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
}

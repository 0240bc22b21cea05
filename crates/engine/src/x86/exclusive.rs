//! Loops around a load exclusive and a store exclusive, each as one step with one locked instruction of the host.
//!
//! Alone, the two halves remember address and value in the thread's state and compare and swap by value (`load_exclusive`, `store_exclusive`). A
//! guest that finds a whole loop says what it does with [`RmwLoop`] or [`CasLoop`] instead, and the step leaves every register as the loop would:
//! the old value, the new one, a status of 0, the flags of the comparison, the monitor clear.
//!
//! Registers change after the last access that may fault. If one faults the run loop plays the first instruction, the load exclusive, by the
//! interpreter and goes on behind it in code without the step, so that the fault is that of the load or of the store, with the registers that belong to it.

use super::asm::{Cc, Mem, NONE, Op, Rm, reg::*};
use super::int::host_op;
use super::{HostFlags, Translator};
use crate::ops::*;

/// `old = [base]; new = old op src; [base] = new`, or without `op` a swap: `old = [base]; [base] = new`.
pub struct RmwLoop {
    /// Of the access.
    pub size: Size,
    /// Gets the old value.
    pub old: R,
    /// Holds the address.
    pub base: R,
    /// The operation on the old value and its width (64 bits if the access has 8 bytes): [`Src::Reg`] or [`Src::Imm`].
    pub op: Option<(Alu, W, Src)>,
    /// Gets the new value, or holds it where there is no operation.
    pub new: R,
    /// Becomes 0.
    pub status: R,
}

/// The comparison of a [`CasLoop`].
pub enum Expect {
    /// NZCV = old - src at the width, or src - old if reversed.
    Compare {
        /// Of the comparison.
        w: W,
        /// The expected value.
        src: Src,
        /// The operands are the other way round.
        reversed: bool,
    },
    /// Zero, without touching the flags.
    Zero(W),
}

/// `old = [base]; if old is what is expected { [base] = new; status = 0 }`, and then on to `equal` or `different`, one of which is the next instruction.
pub struct CasLoop {
    /// Of the access.
    pub size: Size,
    /// Gets the old value.
    pub old: R,
    /// Holds the address.
    pub base: R,
    /// The old value is sign-extended, else zero-extended.
    pub signed: bool,
    /// What to compare.
    pub expect: Expect,
    /// Holds the new value.
    pub new: R,
    /// Becomes 0 where the store was made.
    pub status: R,
    /// Where control goes after a store.
    pub equal: u64,
    /// Where it goes without.
    pub different: u64,
}

impl Translator<'_> {
    /// Translates the loop if it can; else emits nothing.
    pub fn rmw_loop(&mut self, l: &RmwLoop) -> bool {
        let &RmwLoop { size, old, base, op, new, status } = l;
        let bytes = size.bytes() as u8;
        let written = [old, status, if op.is_some() { new } else { status }];
        let read = |r: R| r == R::ZERO || !written.contains(&r);
        if !read(base)
            || status == R::ZERO
            || status == new
            || !matches!(op, None | Some((_, _, Src::Imm(_) | Src::Reg(_))))
        {
            return false;
        }
        match op {
            None => {
                if !read(new) {
                    return false;
                }
                let m = self.exclusive_base(base);
                self.get_into(true, new, RAX);
                self.a.xchg(bytes, m, RAX);
                self.put_old(size, old);
            }
            Some((.., Src::Reg(r))) if !read(r) => return false,
            Some(_) if old == R::ZERO || new == R::ZERO => return false,
            Some((op @ (Alu::Add | Alu::Sub), w, src)) => {
                self.clobber_flags();
                let m = self.exclusive_base(base);
                match src {
                    Src::Imm(imm) => {
                        self.a.mov_imm(RAX, if op == Alu::Sub { imm.wrapping_neg() } else { imm })
                    }
                    Src::Reg(r) => {
                        self.get_into(true, r, RAX);
                        if op == Alu::Sub {
                            self.a.neg(true, Rm::R(RAX));
                        }
                    }
                    _ => {}
                }
                self.a.lock_xadd(bytes, m, RAX);
                self.put_old(size, old);
                self.alu(op, w, new, old, src);
            }
            Some((op, w, src)) => {
                // RAX = old, RCX = new: the address must be in a register of its own.
                let base = self.host(base);
                if base == NONE {
                    return false;
                }
                self.clobber_flags();
                let wide = w == W::W64;
                let (xop, inverted) = host_op(op);
                let m = Mem::base(base, 0);
                let again = self.a.p;
                self.load_to(bytes as u32, LoadExt::Zero, RAX, m);
                match src {
                    Src::Imm(imm) => self.a.mov_imm(RCX, if inverted { !imm } else { imm }),
                    Src::Reg(r) => {
                        self.get_into(wide, r, RCX);
                        if inverted {
                            self.a.not(wide, Rm::R(RCX));
                        }
                    }
                    _ => {}
                }
                self.a.alu(xop, wide, RCX, Rm::R(RAX));
                self.a.lock_cmpxchg(bytes, m, RCX);
                self.a.jcc_to(Cc::Ne, again);
                self.put(old, RAX);
                self.put(new, RCX);
            }
        }
        self.fenced = true;
        self.mov(W::W32, status, Src::Imm(0));
        self.clear_exclusive();
        true
    }

    /// Translates the loop if it can; else emits nothing. `next_pc` is set.
    pub fn cas_loop(&mut self, l: &CasLoop) -> bool {
        let &CasLoop { size, signed, old, base, ref expect, new, status, equal, different } = l;
        let read = |r: R| r == R::ZERO || r != old && r != status;
        let expected = match *expect {
            Expect::Compare { src: Src::Reg(r) | Src::Extended(r, _, 0), .. } => r,
            Expect::Compare { src: Src::Imm(imm), .. } if imm <= i32::MAX as u64 => R::ZERO,
            Expect::Compare { .. } => return false,
            Expect::Zero(_) => R::ZERO,
        };
        let next = self.next_pc;
        if !read(base)
            || !read(new)
            || !read(expected)
            || status == R::ZERO
            || (equal != next && different != next)
        {
            return false;
        }
        let (hb, hn) = (self.host(base), self.host(new));
        let extended = matches!(expect, Expect::Compare { src: Src::Extended(..), .. });
        if matches!(*expect, Expect::Compare { src: Src::Reg(r), reversed: true, .. } if self.host(r) == NONE)
        {
            return false;
        }
        if (hb == NONE) as u8 + (hn == NONE) as u8 + extended as u8 > 1 {
            return false;
        }
        self.clobber_flags();
        let m = self.exclusive_base(base);
        if extended && let Expect::Compare { src: Src::Extended(r, ext, _), .. } = *expect {
            self.extended(RCX, r, ext, 0);
        }
        let again = self.a.p;
        self.load_to(size.bytes(), if signed { LoadExt::Sign64 } else { LoadExt::Zero }, RAX, m);
        match *expect {
            Expect::Compare { w, src: Src::Imm(imm), .. } => {
                self.a.alu_imm(Op::Cmp, w == W::W64, Rm::R(RAX), imm as i32)
            }
            Expect::Compare { w, src: Src::Reg(R::ZERO), reversed: false } => {
                self.a.alu_imm(Op::Cmp, w == W::W64, Rm::R(RAX), 0);
            }
            Expect::Compare { w, src, reversed } => {
                let rm = match src {
                    Src::Reg(r) => self.rm(r, RCX),
                    _ => Rm::R(RCX),
                };
                match (reversed, rm) {
                    (true, Rm::R(r)) => self.a.alu(Op::Cmp, w == W::W64, r, Rm::R(RAX)),
                    _ => self.a.alu(Op::Cmp, w == W::W64, RAX, rm),
                }
            }
            Expect::Zero(w) => self.a.test(w == W::W64, Rm::R(RAX), RAX),
        }
        let differs = self.a.jcc_short(Cc::Ne);
        let value = if hn == NONE { self.get(true, new, RCX) } else { hn };
        self.a.lock_cmpxchg(size.bytes() as u8, m, value);
        self.a.jcc_to(Cc::Ne, again);
        // EFLAGS are those of comparing equal values, whichever instruction left them. From here on nothing changes them.
        if signed && size != Size::B8 {
            // The instruction may have cleared the upper half.
            self.a.movsx(true, size.bytes() as u8, RAX, Rm::R(RAX));
        }
        if status == old {
            self.a.mov_imm(RAX, 0);
        } else {
            self.mov(W::W32, status, Src::Imm(0));
        }
        self.next_constant = None;
        self.a.bind(differs);
        self.put(old, RAX);
        self.clear_exclusive();
        if matches!(expect, Expect::Compare { .. }) {
            self.flags_are(HostFlags::Sub);
        }
        let (cc, target) = if different != next { (Cc::Ne, different) } else { (Cc::E, equal) };
        if target != next {
            // Where the access faults EFLAGS have not been saved here yet.
            let saved = self.saved_flags;
            self.before_exit(target);
            self.saved_flags = saved;
            self.exit_if(cc, target);
            self.mark_entry();
        }
        true
    }

    /// The address of an exclusive access, in RCX unless its slot has a register.
    fn exclusive_base(&mut self, base: R) -> Mem {
        Mem::base(self.get(true, base, RCX), 0)
    }

    /// old = the low part of RAX.
    fn put_old(&mut self, size: Size, old: R) {
        if old != R::ZERO {
            let t = self.def(old);
            self.zero_extend(size.bytes(), t, RAX);
            self.put(old, t);
        }
    }
}

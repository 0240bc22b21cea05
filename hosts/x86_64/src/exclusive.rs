//! Loops around a load exclusive and a store exclusive, each as one step with one locked
//! instruction of the host.
//!
//! Alone, the two halves remember address and value in the thread's state, and compare and swap by
//! value while a reservation stands (`load_exclusive`, `store_exclusive`, and [`Monitor`], which
//! does in generated code what [`anyarch_engine::reservations`] explains). A guest that finds a
//! whole loop says what it does with [`RmwLoop`] or [`CasLoop`] instead, and the step leaves every
//! register as the loop would: the old value, the new one, a status of 0, the flags of the
//! comparison, the monitor clear.
//!
//! Registers change after the last access that may fault. If one faults the run loop plays the
//! first instruction, the load exclusive, by the interpreter and goes on behind it in code without
//! the step, so that the fault is that of the load or of the store, with the registers that belong
//! to it.

use super::asm::{Asm, Cc, Mem, NONE, Op, Rm, Sh, reg::*};
use super::glue::Piece;
use super::integer::host_op;
use super::{Cold, ColdKind, HostFlags, Translator, state};
use anyarch_engine::lift::{CasLoop, Expect, RmwLoop};
use anyarch_engine::ops::*;
use anyarch_engine::reservations::{self, ARMED, COUNT, GRANULE, HELD, WORDS};
use anyarch_engine::run::Thread;
use anyarch_engine::state::Cpu;
use core::mem::offset_of;

/// Pieces of the glue. Each is called and changes RAX, RCX and EFLAGS.
pub(crate) struct Monitor {
    /// Reserves the granule of `Cpu::excl_addr`.
    pub(super) reserve: *const u8,
    /// Begins a store-exclusive to `Cpu::excl_addr`: ZF if the reservation stands.
    pub(super) hold: *const u8,
    /// RCX = an address that was written: ends the reservations of its granule.
    pub(super) written: *const u8,
}

extern "C" fn reserve(cpu: &mut Cpu, _: u64) -> HelperExit {
    reservations::reserve(cpu, cpu.excl_addr);
    HelperExit::Continue
}

extern "C" fn written(_: &mut Cpu, word: u64) -> HelperExit {
    reservations::end(word);
    HelperExit::Continue
}

/// Emits [`Monitor`]. What is rare is left to functions of the same names.
pub(crate) fn emit(a: &mut Asm, helper: *const u8) -> Monitor {
    // RCX = the word of the address in RCX. Changes RAX.
    let word = |a: &mut Asm| {
        a.shift_imm(Sh::Shr, false, Rm::R(RCX), GRANULE.trailing_zeros() as u8 - 3);
        a.alu_imm(Op::And, false, Rm::R(RCX), (WORDS as i32 - 1) * 8);
        a.mov_imm(RAX, reservations::table());
        a.alu(Op::Add, true, RCX, Rm::R(RAX));
    };

    let at_reserve = a.p as *const u8;
    a.mov(true, RCX, state(offset_of!(Cpu, excl_addr)));
    word(a);
    a.mov(true, RAX, Mem::base(RCX, 0));
    a.test8_imm(Rm::R(RAX), HELD as u8);
    let busy = a.jcc_near(Cc::Ne);
    a.test8_imm(Rm::R(RAX), ARMED as u8);
    let armed = a.jcc_short(Cc::Ne);
    a.mov_store(true, state(offset_of!(Thread, spill)), RDX);
    a.lea(true, RDX, Mem::base(RAX, (COUNT | ARMED) as i32));
    a.lock_cmpxchg(8, Mem::base(RCX, 0), RDX);
    a.mov(true, RAX, RDX);
    a.mov(true, RDX, state(offset_of!(Thread, spill)));
    let raced = a.jcc_near(Cc::Ne);
    a.bind(armed);
    a.mov_store(true, state(offset_of!(Cpu, excl_word)), RAX);
    a.ret();
    a.bind_near(busy);
    a.bind_near(raced);
    a.mov_imm(RAX, reserve as *const () as u64);
    a.jmp_to(helper);

    let hold = a.p as *const u8;
    a.mov(true, RCX, state(offset_of!(Cpu, excl_addr)));
    word(a);
    a.mov_store(true, state(offset_of!(Thread, spill)), RDX);
    a.mov(true, RAX, state(offset_of!(Cpu, excl_word)));
    a.lea(true, RDX, Mem::base(RAX, HELD as i32 - ARMED as i32));
    // Named before it is held.
    a.mov_store(true, state(offset_of!(Cpu, excl_held)), RCX);
    a.lock_cmpxchg(8, Mem::base(RCX, 0), RDX);
    a.mov(true, RDX, state(offset_of!(Thread, spill)));
    let lost = a.jcc_short(Cc::Ne);
    a.ret();
    a.bind(lost);
    a.mov_store_imm(true, state(offset_of!(Cpu, excl_held)), 0);
    a.ret();

    let at_written = a.p as *const u8;
    word(a);
    a.test8_imm(Mem::base(RCX, 0), (ARMED | HELD) as u8);
    let some = a.jcc_short(Cc::Ne);
    a.ret();
    a.bind(some);
    a.mov_imm(RAX, written as *const () as u64);
    a.jmp_to(helper);

    Monitor { reserve: at_reserve, hold, written: at_written }
}

impl Translator<'_> {
    /// Emits what follows a locked instruction that wrote at `m`, which has a base alone. Changes
    /// RCX, and EFLAGS stay or become those of a comparison of equals.
    pub(super) fn written(&mut self, m: Mem) {
        let site = self.a.jmp_later();
        let resume = self.a.p;
        self.a.label = resume;
        let insn = self.draft.marks.len() as u16;
        self.cold.push(Cold { site, resume, kind: ColdKind::Written(m.base), insn });
    }

    /// The cold path of [`Translator::written`].
    pub(super) fn written_cold(&mut self, base: u8) {
        self.a.mov_store(true, state(offset_of!(Thread, spill)), RAX);
        if base != RCX {
            self.a.mov(true, RCX, base);
        }
        self.a.call_piece(Piece::Written);
        self.a.mov(true, RAX, state(offset_of!(Thread, spill)));
        self.a.alu(Op::Cmp, false, RAX, Rm::R(RAX));
    }

    /// See [`Ops::load_exclusive`].
    pub(super) fn reserve_and_load(&mut self, size: Size, d: R, addr: R) {
        self.draft.reserves = true;
        self.settle_flags();
        let base = self.get(true, addr, RCX);
        self.a.mov_store(true, state(offset_of!(Cpu, excl_addr)), base);
        self.a.call_piece(Piece::Reserve);
        if base == RCX {
            self.a.mov(true, RCX, state(offset_of!(Cpu, excl_addr)));
        }
        self.load_to(size.bytes(), LoadExt::Zero, RAX, Mem::base(base, 0));
        self.a.mov_store(true, state(offset_of!(Cpu, excl_value)), RAX);
        self.put(d, RAX);
    }

    /// See [`Ops::store_exclusive`]. One of `s` and `addr` at least is pinned, or zero.
    pub(super) fn store_if_reserved(&mut self, size: Size, status: R, s: R, addr: R) {
        self.settle_flags();
        let base = self.get(true, addr, RCX);
        self.a.alu(Op::Cmp, true, base, state(offset_of!(Cpu, excl_addr)));
        let other = self.a.jcc_short(Cc::Ne);
        self.a.call_piece(Piece::Hold);
        let lost = self.a.jcc_short(Cc::Ne);
        if base == RCX {
            self.a.mov(true, RCX, state(offset_of!(Cpu, excl_addr)));
        }
        let rs = self.get(true, s, RCX);
        self.a.mov(true, RAX, state(offset_of!(Cpu, excl_value)));
        self.a.lock_cmpxchg(size.bytes() as u8, Mem::base(base, 0), rs);
        self.a.setcc(Cc::Ne, RAX);
        self.a.mov(true, RCX, state(offset_of!(Cpu, excl_held)));
        // As `reservations::release` does.
        self.a.alu_imm(Op::Add, true, Mem::base(RCX, 0), (COUNT + ARMED - HELD) as i32);
        self.a.mov_store_imm(true, state(offset_of!(Cpu, excl_held)), 0);
        let done = self.a.jmp_short();
        self.a.bind(other);
        self.a.bind(lost);
        self.a.mov_imm(RAX, 1);
        self.a.bind(done);
        self.a.movzx(1, RAX, RAX);
        self.a.mov_store_imm(true, state(offset_of!(Cpu, excl_addr)), -1);
        self.known.fenced = false;
        self.put(status, RAX);
    }

    /// See [`UnitBuilder::rmw_loop`](anyarch_engine::lift::UnitBuilder::rmw_loop).
    pub(super) fn locked_rmw(&mut self, l: &RmwLoop) -> bool {
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
                let m = self.exclusive_base(size, base);
                self.get_into(true, new, RAX);
                self.a.xchg(bytes, m, RAX);
                self.written(m);
                self.put_old(size, old);
            }
            Some((.., Src::Reg(r))) if !read(r) => return false,
            Some(_) if old == R::ZERO || new == R::ZERO => return false,
            Some((op @ (Alu::Add | Alu::Sub), w, src)) => {
                let m = self.exclusive_base(size, base);
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
                self.written(m);
                self.put_old(size, old);
                self.alu(op, w, new, old, src);
            }
            Some((op, w, src)) => {
                // RAX = old, RCX = new: the address must be in a register of its own.
                if self.host(base) == NONE {
                    return false;
                }
                let wide = w == W::W64;
                let (xop, inverted) = host_op(op);
                let m = self.exclusive_base(size, base);
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
                self.put(new, RCX);
                self.written(m);
                if old != new {
                    self.put(old, RAX);
                }
            }
        }
        self.known.fenced = true;
        self.mov(W::W32, status, Src::Imm(0));
        self.clear_exclusive();
        true
    }

    /// See [`UnitBuilder::cas_loop`](anyarch_engine::lift::UnitBuilder::cas_loop).
    pub(super) fn locked_cas(&mut self, l: &CasLoop) -> bool {
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
        let m = self.exclusive_base(size, base);
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
        self.written(m);
        // EFLAGS are those of comparing equal values. From here on nothing changes them.
        if status == old {
            self.a.mov_imm(RAX, 0);
        } else {
            self.mov(W::W32, status, Src::Imm(0));
        }
        self.known.next_constant = None;
        self.a.bind(differs);
        if signed && size != Size::B8 {
            // The locked instruction may have cleared the upper half.
            let t = self.def(old);
            self.a.movsx(true, size.bytes() as u8, t, Rm::R(RAX));
            self.put(old, t);
        } else {
            self.put(old, RAX);
        }
        self.clear_exclusive();
        if signed && size == Size::B4 {
            self.signed_known(old);
        }
        if matches!(expect, Expect::Compare { .. }) {
            self.flags_are(HostFlags::Sub);
        }
        let (cc, target) = if different != next { (Cc::Ne, different) } else { (Cc::E, equal) };
        if target != next {
            // Where the access faults EFLAGS have not been saved here yet.
            let saved = self.insn.saved_flags;
            self.before_exit(target);
            self.insn.saved_flags = saved;
            self.exit_if(cc, target);
            self.mark_entry();
        }
        true
    }

    /// The address of an exclusive access, in RCX unless its slot has a register. Nothing has been
    /// emitted in the step.
    fn exclusive_base(&mut self, size: Size, base: R) -> Mem {
        self.leave_unless_aligned(size.bytes(), base, 0);
        self.clobber_flags();
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

//! Slots of the guest's state as host operands: a pinned slot is a host register, any other one has
//! its place in memory.

use super::asm::{self, Mem, NONE, Rm, reg::*};
use super::known::At;
use super::{Translator, state};
use anyarch_engine::ops::{R, V};
use anyarch_engine::run::Thread;
use anyarch_engine::state::Cpu;
use core::mem::offset_of;

impl Translator<'_> {
    /// The host register of an integer slot, or NONE.
    #[inline(always)]
    pub(crate) fn host(&self, r: R) -> u8 {
        if r == R::ZERO { NONE } else { self.gpr_host[r.0 as usize & 63] }
    }

    /// An integer slot's place in memory.
    #[inline(always)]
    pub(crate) fn slot(r: R) -> Mem {
        state(offset_of!(Cpu, gpr) + (r.0 as usize & 63) * 8)
    }

    /// The slot's value in a host register: its own, or `scratch` after loading. 32-bit uses may
    /// have anything above.
    #[inline(always)]
    pub(crate) fn get(&mut self, w: bool, r: R, scratch: u8) -> u8 {
        if r == R::ZERO {
            self.a.mov_imm(scratch, 0);
            return scratch;
        }
        let h = self.host(r);
        if h != NONE {
            return h;
        }
        if !self.is_fresh(r) {
            self.a.mov(w, scratch, Self::slot(r));
        } else if scratch != RAX {
            self.a.mov(w, scratch, RAX);
        }
        scratch
    }

    /// Host register `t` = the slot's value, with anything above 32 bits unless `w`.
    #[inline(always)]
    pub(crate) fn get_low_into(&mut self, w: bool, r: R, t: u8) {
        match self.get(w, r, t) {
            s if s == t => {}
            s => self.a.mov(w, t, s),
        }
    }

    /// Host register `t` = the slot's value. Leaves EFLAGS alone.
    #[inline(always)]
    pub(crate) fn get_into(&mut self, w: bool, r: R, t: u8) {
        let whole = !w && self.is_fresh(r);
        let s = self.get(w, r, t);
        if s != t || whole && t == RAX {
            self.a.mov(w, t, s);
        }
    }

    /// A slot as register-or-memory operand. In memory, all 64 bits are valid.
    #[inline(always)]
    pub(crate) fn rm(&mut self, r: R, scratch: u8) -> Rm {
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
    pub(crate) fn rm_now(&mut self, r: R, scratch: u8) -> Rm {
        if r != R::ZERO && self.is_fresh(r) { Rm::R(RAX) } else { self.rm(r, scratch) }
    }

    /// A slot as operand where the zero register is a zero in memory.
    pub(crate) fn rm_or_zero(&mut self, r: R) -> Rm {
        if r == R::ZERO {
            self.a.mov_store_imm(true, state(offset_of!(Thread, spill)), 0);
            return Rm::M(state(offset_of!(Thread, spill)));
        }
        let h = self.host(r);
        if h != NONE { Rm::R(h) } else { Rm::M(Self::slot(r)) }
    }

    /// The register to compute slot `d` in: its own, or RAX.
    #[inline(always)]
    pub(crate) fn def(&self, d: R) -> u8 {
        let h = self.host(d);
        if h == NONE { RAX } else { h }
    }

    /// Completes a definition computed in `t` (64 bits valid).
    #[inline(always)]
    pub(crate) fn put(&mut self, d: R, t: u8) {
        if d == R::ZERO {
            return;
        }
        self.known.vectors.set_word(d, false);
        let h = self.host(d);
        if h == NONE {
            let from = At(self.a.p);
            self.a.mov_store(true, Self::slot(d), t);
            if t == RAX {
                self.known.stored.set(&self.a, (d, from));
            }
        } else if h != t {
            self.a.mov(true, h, t);
        }
    }

    /// The host register of a vector slot, or NONE.
    #[inline(always)]
    pub(crate) fn vhost(&self, v: V) -> u8 {
        self.vec_host[v.0 as usize]
    }

    /// A vector slot's place in memory (16-byte aligned).
    #[inline(always)]
    pub(crate) fn vslot(v: V) -> Mem {
        state(offset_of!(Cpu, vec) + v.0 as usize * 16)
    }

    /// The slot's value in a vector register: its own, or `scratch` after loading.
    #[inline(always)]
    pub(crate) fn vgetr(&mut self, v: V, scratch: u8) -> u8 {
        let h = self.vhost(v);
        if h != NONE {
            return h;
        }
        self.a.v2(asm::opcodes::MOVAPS, scratch, Self::vslot(v));
        scratch
    }

    /// The slot as an operand: its register, or its place in memory (aligned).
    #[inline(always)]
    pub(crate) fn vrm(&self, v: V) -> asm::Rm {
        let h = self.vhost(v);
        if h != NONE { asm::Rm::R(h) } else { asm::Rm::M(Self::vslot(v)) }
    }

    /// The register to compute vector slot `d` in: its own, or `scratch`.
    #[inline(always)]
    pub(crate) fn vdef(&self, d: V, scratch: u8) -> u8 {
        let h = self.vhost(d);
        if h == NONE { scratch } else { h }
    }

    /// Completes a vector definition computed in `t`.
    #[inline(always)]
    pub(crate) fn vput(&mut self, d: V, t: u8) {
        let h = self.vhost(d);
        if h == NONE {
            self.a.v2(asm::opcodes::MOVAPS_STORE, t, Self::vslot(d));
        } else if h != t {
            self.a.vmov(h, t);
        }
    }
}

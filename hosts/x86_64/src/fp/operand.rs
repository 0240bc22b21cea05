//! Lanes of slots, and results in slots.

use super::super::asm::{NONE, Rm, opcodes::*, reg::*};
use super::super::helpers::pack_vec;
use super::constants::K;
use super::{T, X0, X3};
use anyarch_engine::fp::FOp;
use anyarch_engine::ops::*;

impl T<'_> {
    /// Whether the slot is known to be zero above its first lane; among boxed numbers, to be boxed.
    pub(super) fn is_clean(&self, s: V, es: u8) -> bool {
        if self.form.boxing {
            return es == 3 || self.known.vectors.boxed[(es >= 2) as usize] >> (s.0 & 127) & 1 != 0;
        }
        self.known.vectors.zero_above[(es >= 3) as usize] >> (s.0 & 127) & 1 != 0
    }

    /// Lane 0 of a slot in a register, its own or `x`, and whether that is zero above.
    pub(super) fn lane0(&mut self, s: V, es: u8, x: u8) -> (u8, bool) {
        let h = self.vhost(s);
        if h != NONE {
            return (h, self.is_clean(s, es));
        }
        if self.form.boxing {
            self.a.v2(MOVQ, x, T::vslot(s));
            return (x, self.is_clean(s, es));
        }
        self.a.v2(movs(es), x, T::vslot(s));
        (x, true)
    }

    /// Whether a result that is zero above its lane is complete.
    pub(super) fn zeroes_complete(&self, bytes: u8) -> bool {
        !self.form.boxing || bytes == 8
    }

    /// The argument by which the reference function does the operation over.
    pub(super) fn packed(&self, op: FOp, args: &VArgs) -> u64 {
        let bytes = if self.form.boxing { VArgs::BOXED } else { args.bytes };
        pack_vec(op as u16, &VArgs { bytes, ..*args })
    }

    /// The `bytes` bytes of a slot in a register, its own or `x`; 8 bytes twice, so that the upper
    /// half raises no flags of its own.
    pub(super) fn lanes(&mut self, s: V, bytes: u8, x: u8) -> u8 {
        if bytes == 16 {
            return self.vgetr(s, x);
        }
        self.a.v2(MOVDDUP, x, self.vrm(s));
        x
    }

    /// Where to compute what goes to `d`: its own register if it is none of the sources', else
    /// XMM12.
    pub(super) fn target(&self, d: V, sources: &[V]) -> u8 {
        let h = self.vhost(d);
        if h == NONE || sources.contains(&d) { X0 } else { h }
    }

    /// d = the low `bytes` bytes of x; `clean` if x is zero above them (boxed).
    pub(super) fn complete(&mut self, d: V, bytes: u8, x: u8, clean: bool) {
        let h = self.vhost(d);
        let to = if h == NONE { x } else { h };
        match bytes {
            _ if clean || self.form.loose => self.a.vmov(to, x),
            2 if self.form.boxing => self.with_constant(ORPS, to, x, K::Box16),
            4 if self.form.boxing => self.with_constant(ORPS, to, x, K::Box32),
            16 => self.a.vmov(to, x),
            8 => self.a.v2(MOVQ, to, x),
            4 => self.a.v3i(INSERTPS, to, x, Rm::R(x), 0b1110, X3),
            _ => {
                self.a.v2i(PEXTR[1], x, RAX, 0);
                self.a.v2(MOVD, to, RAX);
            }
        }
        if h == NONE {
            self.a.v2(MOVAPS_STORE, to, T::vslot(d));
        }
    }
}

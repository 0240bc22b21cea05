//! Operands and constants of vector code: slots to registers and back.

use super::super::asm::{NONE, Rm, VEnc, opcodes::*, reg::RAX};
use super::super::{HostPart, host_part, state};
use super::constants::CONSTANTS;
use super::{Emit, TMP, X0};
use anyarch_engine::ops::V;
use anyarch_engine::state::Cpu;
use core::mem::offset_of;

impl Emit<'_> {
    /// d = the low `bytes` bytes of x.
    pub(super) fn put_low(&mut self, d: V, x: u8, bytes: u8) {
        self.clear(x, x, bytes);
        self.put(d, x);
    }

    /// The slot's register, or `scratch` after loading.
    pub(super) fn reg(&mut self, s: V, scratch: u8) -> u8 {
        let h = self.host[s.0 as usize];
        if h != NONE {
            return h;
        }
        self.a.v2(MOVAPS, scratch, self.rm(s));
        scratch
    }

    /// The slot as an operand: its register or its memory.
    pub(super) fn rm(&self, s: V) -> Rm {
        let h = self.host[s.0 as usize];
        if h != NONE { Rm::R(h) } else { Rm::M(state(offset_of!(Cpu, vec) + s.0 as usize * 16)) }
    }

    /// The register to compute `d` in.
    pub(super) fn def(&self, d: V) -> u8 {
        let h = self.host[d.0 as usize];
        if h == NONE { X0 } else { h }
    }

    /// Completes a definition computed in `x`.
    pub(super) fn put(&mut self, d: V, x: u8) {
        match self.rm(d) {
            Rm::R(h) => self.a.vmov(h, x),
            m => self.a.v2(MOVAPS_STORE, x, m),
        }
    }

    pub(super) fn op(&mut self, i: VEnc, d: u8, a: u8, b: impl Into<Rm>) {
        self.a.v3(i, d, a, b, false, TMP);
    }

    pub(super) fn opi(&mut self, i: VEnc, d: u8, a: u8, b: impl Into<Rm>, imm: u8) {
        self.a.v3i(i, d, a, b, imm, TMP);
    }

    /// x = a op b, b perhaps in memory.
    pub(super) fn binary(&mut self, i: VEnc, x: u8, a: V, b: V) {
        let a = self.reg(a, X0);
        self.op(i, x, a, self.rm(b));
    }

    pub(super) fn zero(&mut self, x: u8) {
        self.op(PXOR, x, x, x);
    }

    pub(super) fn ones(&mut self, x: u8) {
        self.op(PCMPEQ[2], x, x, x);
    }

    /// d = the low `bytes` bytes of s, zero above.
    pub(super) fn clear(&mut self, d: u8, s: u8, bytes: u8) {
        match bytes {
            16 => self.a.vmov(d, s),
            8 => self.a.v2(MOVQ, d, s),
            4 => self.opi(INSERTPS, d, s, Rm::R(s), 0b1110),
            _ => {
                self.a.v2i(PEXTR[(bytes == 2) as usize], s, RAX, 0);
                self.a.v2(MOVD, d, RAX);
            }
        }
    }

    /// A constant as an operand: in the state if it is there, else made in `x`. Uses RAX.
    pub(super) fn constant(&mut self, x: u8, value: u128) -> Rm {
        if let Some(n) = CONSTANTS.iter().position(|&c| c == value) {
            return Rm::M(state(host_part(offset_of!(HostPart, constants)) + n * 16));
        }
        let (low, high) = (value as u64, (value >> 64) as u64);
        if low == high && low as u32 == (low >> 32) as u32 {
            self.a.mov_imm(RAX, low as u32 as u64);
            self.a.v2(MOVD, x, RAX);
            self.a.v2i(PSHUFD, x, x, 0);
            return Rm::R(x);
        }
        self.a.mov_imm(RAX, low);
        self.a.v2(MOVQ_FROM_GPR, x, RAX);
        if low == high {
            self.a.v2i(PSHUFD, x, x, 0x44);
            return Rm::R(x);
        }
        self.a.mov_imm(RAX, high);
        if self.a.avx {
            self.a.vex(PINSR[3], x, x, RAX)
        } else {
            self.a.sse(PINSR[3], x, RAX)
        }
        self.a.b(1);
        Rm::R(x)
    }

    /// x = a constant. Uses RAX.
    pub(super) fn load_constant(&mut self, x: u8, value: u128) {
        if let m @ Rm::M(_) = self.constant(x, value) {
            self.a.v2(MOVAPS, x, m);
        }
    }
}

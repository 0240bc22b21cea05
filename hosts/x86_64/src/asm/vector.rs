//! Vector instructions, in SSE or VEX encoding.

use super::opcodes::{Group, MOVAPS};
use super::{Asm, Mem, Rm};

/// A vector instruction's encoding: mandatory prefix, opcode map, opcode, VEX.W.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct VEnc {
    /// 0 none, 1 = 66, 2 = F3, 3 = F2.
    pub pp: u8,
    /// 1 = 0F, 2 = 0F38, 3 = 0F3A.
    pub map: u8,
    /// Opcode byte.
    pub op: u8,
    /// REX.W / VEX.W.
    pub w: bool,
}

/// Shorthand for [`VEnc`] with W = 0.
pub(crate) const fn v(pp: u8, map: u8, op: u8) -> VEnc {
    VEnc { pp, map, op, w: false }
}

/// Shorthand for [`VEnc`] with W = 1.
pub(crate) const fn vw(pp: u8, map: u8, op: u8) -> VEnc {
    VEnc { pp, map, op, w: true }
}

impl Asm {
    /// Legacy SSE form: reg, rm.
    #[inline(always)]
    pub(crate) fn sse(&mut self, e: VEnc, reg: u8, rm: impl Into<Rm>) {
        let rm = rm.into();
        if e.pp != 0 {
            self.b([0, 0x66, 0xf3, 0xf2][e.pp as usize & 3]);
        }
        let rex = self.rex_bits(reg, rm) | (e.w as u8) << 3;
        if rex != 0 {
            self.b(0x40 | rex);
        }
        self.b(0x0f);
        match e.map {
            2 => self.b(0x38),
            3 => self.b(0x3a),
            _ => {}
        }
        self.b(e.op);
        self.modrm(reg, rm);
    }

    /// VEX.128 form: reg, vvvv, rm.
    #[inline(always)]
    pub(crate) fn vex(&mut self, e: VEnc, reg: u8, vvvv: u8, rm: impl Into<Rm>) {
        let rm = rm.into();
        let rex = self.rex_bits(reg, rm);
        if e.map == 1 && !e.w && rex & 3 == 0 {
            self.b(0xc5);
            self.b((!rex & 4) << 5 | (!vvvv & 15) << 3 | e.pp);
        } else {
            self.b(0xc4);
            self.b((!rex & 7) << 5 | e.map);
            self.b((e.w as u8) << 7 | (!vvvv & 15) << 3 | e.pp);
        }
        self.b(e.op);
        self.modrm(reg, rm);
    }

    /// d = s, all 128 bits (nothing if they are the same).
    #[inline(always)]
    pub(crate) fn vmov(&mut self, d: u8, s: u8) {
        if d != s {
            self.v2(MOVAPS, d, s);
        }
    }

    /// Two-operand vector instruction (moves, converts, unary ones): reg, rm, in the best encoding.
    #[inline(always)]
    pub(crate) fn v2(&mut self, e: VEnc, reg: u8, rm: impl Into<Rm>) {
        if self.avx { self.vex(e, reg, 0, rm) } else { self.sse(e, reg, rm) }
    }

    /// As `v2` with an immediate.
    #[inline(always)]
    pub(crate) fn v2i(&mut self, e: VEnc, reg: u8, rm: impl Into<Rm>, imm: u8) {
        self.v2(e, reg, rm);
        self.b(imm);
    }

    /// Three-operand vector instruction d = a op b. Without AVX it becomes movaps + op; then `d`
    /// may equal `b` only if `commutes` (the operands are swapped) or `tmp` (a scratch vector
    /// register) is used to hold b. Memory operands of legacy SSE must be aligned: pass registers
    /// for b unless it lies in the state.
    #[inline(always)]
    pub(crate) fn v3(&mut self, e: VEnc, d: u8, a: u8, b: impl Into<Rm>, commutes: bool, tmp: u8) {
        let b = b.into();
        if self.avx {
            return self.vex(e, d, a, b);
        }
        if d == a {
            self.sse(e, d, b);
        } else if b == Rm::R(d) {
            if commutes {
                self.sse(e, d, a);
            } else {
                self.vmov(tmp, d);
                self.vmov(d, a);
                self.sse(e, d, tmp);
            }
        } else {
            self.vmov(d, a);
            self.sse(e, d, b);
        }
    }

    /// As `v3` with an immediate.
    #[inline(always)]
    pub(crate) fn v3i(&mut self, e: VEnc, d: u8, a: u8, b: impl Into<Rm>, imm: u8, tmp: u8) {
        self.v3(e, d, a, b, false, tmp);
        self.b(imm);
    }

    /// Shift of vector lanes by a constant: d = a shifted.
    #[inline(always)]
    pub(crate) fn vshift_imm(&mut self, shift: Group, d: u8, a: u8, n: u8) {
        if self.avx {
            self.vex(v(1, 1, shift.op), shift.ext, d, a);
        } else {
            self.vmov(d, a);
            self.sse(v(1, 1, shift.op), shift.ext, d);
        }
        self.b(n);
    }

    /// ldmxcsr m
    #[inline(always)]
    pub(crate) fn ldmxcsr(&mut self, m: Mem) {
        self.op2(0, false, 0xae, 2, Rm::M(m));
    }

    /// stmxcsr m
    #[inline(always)]
    pub(crate) fn stmxcsr(&mut self, m: Mem) {
        self.op2(0, false, 0xae, 3, Rm::M(m));
    }
}

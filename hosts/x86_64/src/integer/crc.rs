//! Checksums.

use crate::asm::opcodes::{MOVD, MOVD_STORE, MOVQ_FROM_GPR, PCLMULQDQ, PEXTR};
use crate::asm::{Op, Rm, Sh, reg::*};
use crate::helpers::{self, pack};
use crate::{Translator, vector};
use anyarch_engine::ops::*;

impl Translator<'_> {
    pub(crate) fn crc32(&mut self, castagnoli: bool, size: Size, d: R, a: R, b: R) {
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
                    // The bits that leave the register, as a polynomial of their own; the others
                    // move up to their places.
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

    /// ECX = ECX times x^32 modulo the polynomial 0x04C11DB7, all with bits reflected, by Barrett's
    /// reduction: the first product with x^64 divided by the polynomial gives the quotient, the
    /// second what to subtract.
    fn crc_step(&mut self) {
        const QUOTIENT: u64 = 0x1_f701_1641;
        const POLYNOMIAL: u64 = 0x1_db71_0641;
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
}

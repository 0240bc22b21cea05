//! Moves, integer arithmetic, and shifts.

use super::{Asm, Cc, Mem, Op, Rm, Sh};

impl Asm {
    /// mov r, rm
    #[inline(always)]
    pub(crate) fn mov(&mut self, w: bool, r: u8, rm: impl Into<Rm>) {
        self.op1(w, 0x8b, r, rm.into());
    }

    /// mov m, r
    #[inline(always)]
    pub(crate) fn mov_store(&mut self, w: bool, m: Mem, r: u8) {
        self.op1(w, 0x89, r, Rm::M(m));
    }

    /// mov byte m, r
    #[inline(always)]
    pub(crate) fn mov_store8(&mut self, m: Mem, r: u8) {
        self.op1_byte(0x88, r, Rm::M(m));
    }

    /// mov byte m, imm
    #[inline(always)]
    pub(crate) fn mov_store8_imm(&mut self, m: Mem, imm: u8) {
        self.op1(false, 0xc6, 0, Rm::M(m));
        self.b(imm);
    }

    /// mov word m, r
    #[inline(always)]
    pub(crate) fn mov_store16(&mut self, m: Mem, r: u8) {
        self.b(0x66);
        self.op1(false, 0x89, r, Rm::M(m));
    }

    /// mov m, imm32 (sign-extended when w)
    #[inline(always)]
    pub(crate) fn mov_store_imm(&mut self, w: bool, m: Mem, imm: i32) {
        self.op1(w, 0xc7, 0, Rm::M(m));
        self.d(imm as u32);
    }

    /// The low 16 bits of rm = constant.
    #[inline(always)]
    pub(crate) fn mov16_imm(&mut self, rm: impl Into<Rm>, imm: u16) {
        self.b(0x66);
        self.op1(false, 0xc7, 0, rm.into());
        self.b(imm as u8);
        self.b((imm >> 8) as u8);
    }

    /// r = constant, in the shortest form that leaves the flags alone.
    #[inline(always)]
    pub(crate) fn mov_imm(&mut self, r: u8, imm: u64) {
        if imm <= u32::MAX as u64 {
            if r >= 8 {
                self.b(0x41);
            }
            self.b(0xb8 | (r & 7));
            self.d(imm as u32);
        } else if imm as i64 == imm as i32 as i64 {
            self.op1(true, 0xc7, 0, Rm::R(r));
            self.d(imm as u32);
        } else {
            self.mov_imm64(r, imm);
        }
    }

    /// r = zero-extended byte or word of rm.
    #[inline(always)]
    pub(crate) fn movzx(&mut self, bytes: u8, r: u8, rm: impl Into<Rm>) {
        let rm = rm.into();
        if bytes == 1 {
            let rex = self.rex_bits(r, rm);
            if rex != 0 || matches!(rm, Rm::R(x) if x >= 4) {
                self.b(0x40 | rex);
            }
            self.b(0x0f);
            self.b(0xb6);
            self.modrm(r, rm);
        } else {
            self.op2(0, false, 0xb7, r, rm);
        }
    }

    /// r = sign-extended byte, word or dword (w only) of rm.
    #[inline(always)]
    pub(crate) fn movsx(&mut self, w: bool, bytes: u8, r: u8, rm: impl Into<Rm>) {
        let rm = rm.into();
        match bytes {
            1 => {
                let rex = self.rex_bits(r, rm) | (w as u8) << 3;
                if rex != 0 || matches!(rm, Rm::R(x) if x >= 4) {
                    self.b(0x40 | rex);
                }
                self.b(0x0f);
                self.b(0xbe);
                self.modrm(r, rm);
            }
            2 => self.op2(0, w, 0xbf, r, rm),
            _ => self.op1(w, 0x63, r, rm),
        }
    }

    /// lea r, m
    #[inline(always)]
    pub(crate) fn lea(&mut self, w: bool, r: u8, m: Mem) {
        self.op1(w, 0x8d, r, Rm::M(m));
    }

    /// lea r, [rip + (target - next)]
    #[inline(always)]
    pub(crate) fn lea_rip(&mut self, r: u8, target: u64) {
        self.b(0x48 | (r >> 3) << 2);
        self.b(0x8d);
        self.b((r & 7) << 3 | 5);
        let next = self.p as u64 + 4;
        self.d(target.wrapping_sub(next) as u32);
    }

    /// push r
    #[inline(always)]
    pub(crate) fn push(&mut self, r: u8) {
        if r >= 8 {
            self.b(0x41);
        }
        self.b(0x50 | (r & 7));
    }

    /// pop r
    #[inline(always)]
    pub(crate) fn pop(&mut self, r: u8) {
        if r >= 8 {
            self.b(0x41);
        }
        self.b(0x58 | (r & 7));
    }

    /// xchg m, r
    #[inline(always)]
    pub(crate) fn xchg(&mut self, bytes: u8, m: Mem, r: u8) {
        self.sized(bytes, 0x86, r, m);
    }

    /// op r, rm
    #[inline(always)]
    pub(crate) fn alu(&mut self, op: Op, w: bool, r: u8, rm: impl Into<Rm>) {
        self.op1(w, (op as u8) << 3 | 3, r, rm.into());
    }

    /// op m, r
    #[inline(always)]
    pub(crate) fn alu_store(&mut self, op: Op, w: bool, m: Mem, r: u8) {
        self.op1(w, (op as u8) << 3 | 1, r, Rm::M(m));
    }

    /// op byte m, r
    #[inline(always)]
    pub(crate) fn alu_store8(&mut self, op: Op, m: Mem, r: u8) {
        self.op1_byte((op as u8) << 3, r, Rm::M(m));
    }

    /// op rm, imm32 (sign-extended when w)
    #[inline(always)]
    pub(crate) fn alu_imm(&mut self, op: Op, w: bool, rm: impl Into<Rm>, imm: i32) {
        let rm = rm.into();
        if imm == imm as i8 as i32 {
            self.op1(w, 0x83, op as u8, rm);
            self.b(imm as u8);
        } else if rm == Rm::R(0) {
            if w {
                self.b(0x48);
            }
            self.b((op as u8) << 3 | 5);
            self.d(imm as u32);
        } else {
            self.op1(w, 0x81, op as u8, rm);
            self.d(imm as u32);
        }
    }

    /// cmp byte m, imm
    #[inline(always)]
    pub(crate) fn cmp8_imm(&mut self, m: Mem, imm: u8) {
        self.op1(false, 0x80, 7, Rm::M(m));
        self.b(imm);
    }

    /// test byte rm, imm
    #[inline(always)]
    pub(crate) fn test8_imm(&mut self, rm: impl Into<Rm>, imm: u8) {
        self.op1_byte(0xf6, 0, rm.into());
        self.b(imm);
    }

    /// test rm, r
    #[inline(always)]
    pub(crate) fn test(&mut self, w: bool, rm: impl Into<Rm>, r: u8) {
        self.op1(w, 0x85, r, rm.into());
    }

    /// test rm, imm32 (sign-extended when w)
    #[inline(always)]
    pub(crate) fn test_imm(&mut self, w: bool, rm: impl Into<Rm>, imm: i32) {
        self.op1(w, 0xf7, 0, rm.into());
        self.d(imm as u32);
    }

    /// bt rm, imm (registers only: for memory it addresses the dword at the operand)
    #[inline(always)]
    pub(crate) fn bt_imm(&mut self, w: bool, rm: impl Into<Rm>, bit: u8) {
        self.op2(0, w, 0xba, 4, rm.into());
        self.b(bit);
    }

    /// not rm
    #[inline(always)]
    pub(crate) fn not(&mut self, w: bool, rm: impl Into<Rm>) {
        self.op1(w, 0xf7, 2, rm.into());
    }

    /// neg rm
    #[inline(always)]
    pub(crate) fn neg(&mut self, w: bool, rm: impl Into<Rm>) {
        self.op1(w, 0xf7, 3, rm.into());
    }

    /// shift rm by a constant
    #[inline(always)]
    pub(crate) fn shift_imm(&mut self, sh: Sh, w: bool, rm: impl Into<Rm>, n: u8) {
        if n == 1 {
            self.op1(w, 0xd1, sh as u8, rm.into());
        } else {
            self.op1(w, 0xc1, sh as u8, rm.into());
            self.b(n);
        }
    }

    /// shift rm by CL
    #[inline(always)]
    pub(crate) fn shift_cl(&mut self, sh: Sh, w: bool, rm: impl Into<Rm>) {
        self.op1(w, 0xd3, sh as u8, rm.into());
    }

    /// shrd rm, r, imm
    #[inline(always)]
    pub(crate) fn shrd(&mut self, w: bool, rm: u8, r: u8, n: u8) {
        self.op2(0, w, 0xac, r, Rm::R(rm));
        self.b(n);
    }

    /// imul r, rm
    #[inline(always)]
    pub(crate) fn imul(&mut self, w: bool, r: u8, rm: impl Into<Rm>) {
        self.op2(0, w, 0xaf, r, rm.into());
    }

    /// mul rm (rdx:rax = rax * rm)
    #[inline(always)]
    pub(crate) fn mul(&mut self, w: bool, rm: impl Into<Rm>) {
        self.op1(w, 0xf7, 4, rm.into());
    }

    /// imul rm (rdx:rax = rax * rm, signed)
    #[inline(always)]
    pub(crate) fn imul1(&mut self, w: bool, rm: impl Into<Rm>) {
        self.op1(w, 0xf7, 5, rm.into());
    }

    /// div rm
    #[inline(always)]
    pub(crate) fn div(&mut self, w: bool, rm: impl Into<Rm>) {
        self.op1(w, 0xf7, 6, rm.into());
    }

    /// idiv rm
    #[inline(always)]
    pub(crate) fn idiv(&mut self, w: bool, rm: impl Into<Rm>) {
        self.op1(w, 0xf7, 7, rm.into());
    }

    /// cdq / cqo
    #[inline(always)]
    pub(crate) fn cqo(&mut self, w: bool) {
        if w {
            self.b(0x48);
        }
        self.b(0x99);
    }

    /// bswap r
    #[inline(always)]
    pub(crate) fn bswap(&mut self, w: bool, r: u8) {
        let rex = (w as u8) << 3 | r >> 3;
        if rex != 0 {
            self.b(0x40 | rex);
        }
        self.b(0x0f);
        self.b(0xc8 | (r & 7));
    }

    /// bsr r, rm
    #[inline(always)]
    pub(crate) fn bsr(&mut self, w: bool, r: u8, rm: impl Into<Rm>) {
        self.op2(0, w, 0xbd, r, rm.into());
    }

    /// bsf r, rm
    #[inline(always)]
    pub(crate) fn bsf(&mut self, w: bool, r: u8, rm: impl Into<Rm>) {
        self.op2(0, w, 0xbc, r, rm.into());
    }

    /// btr rm, r: the bit of a 32-bit register becomes 0.
    #[inline(always)]
    pub(crate) fn bit_reset(&mut self, rm: u8, bit: u8) {
        self.op2(0, false, 0xb3, bit, Rm::R(rm));
    }

    /// lzcnt r, rm
    #[inline(always)]
    pub(crate) fn lzcnt(&mut self, w: bool, r: u8, rm: impl Into<Rm>) {
        self.op2(0xf3, w, 0xbd, r, rm.into());
    }

    /// popcnt r, rm
    #[inline(always)]
    pub(crate) fn popcnt(&mut self, w: bool, r: u8, rm: impl Into<Rm>) {
        self.op2(0xf3, w, 0xb8, r, rm.into());
    }

    /// crc32 r, rm of 1, 2, 4 or 8 bytes (Castagnoli)
    #[inline(always)]
    pub(crate) fn crc32(&mut self, bytes: u8, r: u8, rm: u8) {
        if bytes == 2 {
            self.b(0x66);
        }
        self.b(0xf2);
        let rex = self.rex_bits(r, Rm::R(rm)) | ((bytes == 8) as u8) << 3;
        if rex != 0 || (bytes == 1 && rm >= 4) {
            self.b(0x40 | rex);
        }
        self.b(0x0f);
        self.b(0x38);
        self.b(if bytes == 1 { 0xf0 } else { 0xf1 });
        self.modrm(r, Rm::R(rm));
    }

    /// setcc r8
    #[inline(always)]
    pub(crate) fn setcc(&mut self, cc: Cc, r: u8) {
        if r >= 4 {
            self.b(0x40 | r >> 3);
        }
        self.b(0x0f);
        self.b(0x90 | cc as u8);
        self.b(0xc0 | (r & 7));
    }

    /// cmovcc r, rm
    #[inline(always)]
    pub(crate) fn cmov(&mut self, cc: Cc, w: bool, r: u8, rm: impl Into<Rm>) {
        self.op2(0, w, 0x40 | cc as u8, r, rm.into());
    }

    /// lahf
    #[inline(always)]
    pub(crate) fn lahf(&mut self) {
        self.b(0x9f);
    }

    /// movzx r, ah (r below 8).
    pub(crate) fn movzx_ah(&mut self, r: u8) {
        self.b(0x0f);
        self.b(0xb6);
        self.b(0xc4 | (r & 7) << 3);
    }

    /// sahf
    #[inline(always)]
    pub(crate) fn sahf(&mut self) {
        self.b(0x9e);
    }

    /// cmc
    #[inline(always)]
    pub(crate) fn cmc(&mut self) {
        self.b(0xf5);
    }

    /// stc
    #[inline(always)]
    pub(crate) fn stc(&mut self) {
        self.b(0xf9);
    }

    /// mov byte m, ah (`m` needs no REX prefix)
    #[inline(always)]
    pub(crate) fn mov_store_ah(&mut self, m: Mem) {
        self.op1(false, 0x88, 4, Rm::M(m));
    }

    /// inc r
    #[inline(always)]
    pub(crate) fn inc(&mut self, w: bool, r: u8) {
        self.op1(w, 0xff, 0, Rm::R(r));
    }

    /// VEX-encoded general-register instruction: reg, vvvv, rm.
    #[inline(always)]
    pub(crate) fn vex_gpr(&mut self, pp: u8, map: u8, op: u8, w: bool, reg: u8, vvvv: u8, rm: Rm) {
        let rex = self.rex_bits(reg, rm);
        self.b(0xc4);
        self.b((!rex & 7) << 5 | map);
        self.b((w as u8) << 7 | (!vvvv & 15) << 3 | pp);
        self.b(op);
        self.modrm(reg, rm);
    }

    /// shlx/shrx/sarx d, rm, count
    #[inline(always)]
    pub(crate) fn shiftx(&mut self, sh: Sh, w: bool, d: u8, rm: impl Into<Rm>, count: u8) {
        let pp = match sh {
            Sh::Shl => 1,
            Sh::Shr => 3,
            _ => 2,
        };
        self.vex_gpr(pp, 2, 0xf7, w, d, count, rm.into());
    }

    /// rorx d, rm, imm
    #[inline(always)]
    pub(crate) fn rorx(&mut self, w: bool, d: u8, rm: impl Into<Rm>, n: u8) {
        self.vex_gpr(3, 3, 0xf0, w, d, 0, rm.into());
        self.b(n);
    }

    /// add al, imm
    #[inline(always)]
    pub(crate) fn add_al(&mut self, imm: u8) {
        self.b(0x04);
        self.b(imm);
    }

    /// r = constant, in the form with all its eight bytes.
    #[inline(always)]
    pub(crate) fn mov_imm64(&mut self, r: u8, imm: u64) {
        self.b(0x48 | r >> 3);
        self.b(0xb8 | (r & 7));
        self.q(imm);
    }

    /// Flags of r - 0: TEST leaves CF = OF = 0 as CMP with zero does.
    #[inline(always)]
    pub(crate) fn test_as_cmp(&mut self, w: bool, r: u8) {
        self.test(w, Rm::R(r), r);
    }
}

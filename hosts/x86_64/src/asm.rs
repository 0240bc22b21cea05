//! The x86-64 encoder: one method per instruction form, straight to bytes in the code cache.
//!
//! There is no instruction object and no second pass: the translator'"'"'s cost per guest instruction is a few dozen byte stores.
//! The caller guarantees [`Asm::room`] before emitting a guest instruction; single emits do not check.
//! (Intel SDM volume 2, chapter 2 for the formats.)

pub(crate) mod opcodes;

use opcodes::{Group, MOVAPS};

/// Host general registers.
#[allow(missing_docs)]
pub mod reg {
    pub const RAX: u8 = 0;
    pub const RCX: u8 = 1;
    pub const RDX: u8 = 2;
    pub const RBX: u8 = 3;
    pub const RSP: u8 = 4;
    pub const RBP: u8 = 5;
    pub const RSI: u8 = 6;
    pub const RDI: u8 = 7;
    pub const R8: u8 = 8;
    pub const R9: u8 = 9;
    pub const R10: u8 = 10;
    pub const R11: u8 = 11;
    pub const R12: u8 = 12;
    pub const R13: u8 = 13;
    pub const R14: u8 = 14;
    pub const R15: u8 = 15;
}

/// No register.
pub const NONE: u8 = 0xff;

/// A memory operand: base + index << scale + disp.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mem {
    /// Base register, or [`NONE`] (then disp is an absolute 32-bit address).
    pub base: u8,
    /// Index register (not RSP), or [`NONE`].
    pub index: u8,
    /// log2 of the index'"'"'s scale.
    pub scale: u8,
    /// Displacement.
    pub disp: i32,
    /// The sum is one of 32 bits.
    pub narrow: bool,
}

impl Mem {
    /// base + disp
    #[inline(always)]
    pub fn base(base: u8, disp: i32) -> Mem {
        Mem { base, index: NONE, scale: 0, disp, narrow: false }
    }

    /// base + index << scale + disp
    #[inline(always)]
    pub fn index(base: u8, index: u8, scale: u8, disp: i32) -> Mem {
        Mem { base, index, scale, disp, narrow: false }
    }
}

/// A register or memory operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rm {
    /// A register, general or vector as the instruction asks.
    R(u8),
    /// Memory.
    M(Mem),
}

impl From<u8> for Rm {
    #[inline(always)]
    fn from(r: u8) -> Rm {
        Rm::R(r)
    }
}

impl From<Mem> for Rm {
    #[inline(always)]
    fn from(m: Mem) -> Rm {
        Rm::M(m)
    }
}

/// Condition codes of Jcc, SETcc and CMOVcc.
#[allow(missing_docs)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Cc {
    O,
    No,
    B,
    Ae,
    E,
    Ne,
    Be,
    A,
    S,
    Ns,
    P,
    Np,
    L,
    Ge,
    Le,
    G,
}

impl Cc {
    /// The opposite condition.
    #[inline(always)]
    pub fn invert(self) -> Cc {
        use Cc::*;
        [O, No, B, Ae, E, Ne, Be, A, S, Ns, P, Np, L, Ge, Le, G][self as usize ^ 1]
    }
}

/// The eight classic two-operand operations, by their opcode number.
#[allow(missing_docs)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Op {
    Add,
    Or,
    Adc,
    Sbb,
    And,
    Sub,
    Xor,
    Cmp,
}

/// Shifts by their opcode extension.
#[allow(missing_docs)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Sh {
    Rol = 0,
    Ror = 1,
    Rcl = 2,
    Rcr = 3,
    Shl = 4,
    Shr = 5,
    Sar = 7,
}

/// A vector instruction'"'"'s encoding: mandatory prefix, opcode map, opcode, VEX.W.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VEnc {
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
pub const fn v(pp: u8, map: u8, op: u8) -> VEnc {
    VEnc { pp, map, op, w: false }
}

/// Shorthand for [`VEnc`] with W = 1.
pub const fn vw(pp: u8, map: u8, op: u8) -> VEnc {
    VEnc { pp, map, op, w: true }
}

/// The emitter.
pub struct Asm {
    /// Next byte to write.
    pub p: *mut u8,
    /// End of the buffer.
    pub end: *mut u8,
    /// Whether VEX encodings may be used.
    pub avx: bool,
    /// The last place that something jumps to from elsewhere: nothing is known there of what the code before it left in registers.
    pub label: *mut u8,
}

/// A forward jump whose target is not known yet: points at its rel8.
#[derive(Clone, Copy)]
pub struct Short(*mut u8);

/// A forward jump with a 32-bit displacement: points at its rel32.
#[derive(Clone, Copy)]
pub struct Near(pub *mut u8);

/// Opcode of jmp rel32.
pub const JUMP: u8 = 0xe9;

impl Asm {
    /// Bytes left in the buffer.
    #[inline(always)]
    pub fn room(&self) -> usize {
        self.end as usize - self.p as usize
    }

    /// Emits one byte.
    #[inline(always)]
    pub fn b(&mut self, byte: u8) {
        // SAFETY: the translator checks `room` before each guest instruction for more than one can need.
        unsafe {
            self.p.write(byte);
            self.p = self.p.add(1);
        }
    }

    /// Emits four bytes.
    #[inline(always)]
    pub fn d(&mut self, value: u32) {
        // SAFETY: see `b`.
        unsafe {
            self.p.cast::<u32>().write_unaligned(value);
            self.p = self.p.add(4);
        }
    }

    /// Emits two bytes.
    #[inline(always)]
    pub fn h(&mut self, value: u16) {
        // SAFETY: see `b`.
        unsafe {
            self.p.cast::<u16>().write_unaligned(value);
            self.p = self.p.add(2);
        }
    }

    /// Emits eight bytes.
    #[inline(always)]
    pub fn q(&mut self, value: u64) {
        // SAFETY: see `b`.
        unsafe {
            self.p.cast::<u64>().write_unaligned(value);
            self.p = self.p.add(8);
        }
    }

    #[inline(always)]
    fn modrm(&mut self, reg: u8, rm: Rm) {
        let reg = (reg & 7) << 3;
        match rm {
            Rm::R(r) => self.b(0xc0 | reg | (r & 7)),
            Rm::M(m) => {
                if m.base == NONE {
                    self.b(reg | 4);
                    let index = if m.index == NONE { 4 } else { m.index & 7 };
                    self.b(m.scale << 6 | index << 3 | 5);
                    self.d(m.disp as u32);
                    return;
                }
                let b = m.base & 7;
                let mode = if m.disp == 0 && b != 5 {
                    0
                } else if m.disp == m.disp as i8 as i32 {
                    0x40
                } else {
                    0x80
                };
                if m.index == NONE && b != 4 {
                    self.b(mode | reg | b);
                } else {
                    let index = if m.index == NONE { 4 } else { m.index & 7 };
                    self.b(mode | reg | 4);
                    self.b(m.scale << 6 | index << 3 | b);
                }
                match mode {
                    0x40 => self.b(m.disp as u8),
                    0x80 => self.d(m.disp as u32),
                    _ => {}
                }
            }
        }
    }

    /// The bits of a REX prefix, before which the prefix for a sum of 32 bits is emitted.
    #[inline(always)]
    fn rex_bits(&mut self, reg: u8, rm: Rm) -> u8 {
        let mut bits = (reg >> 3 & 1) << 2;
        match rm {
            Rm::R(r) => bits |= r >> 3 & 1,
            Rm::M(m) => {
                if m.narrow {
                    self.b(0x67);
                }
                if m.index != NONE {
                    bits |= (m.index >> 3 & 1) << 1;
                }
                if m.base != NONE {
                    bits |= m.base >> 3 & 1;
                }
            }
        }
        bits
    }

    /// REX if needed, one-byte opcode, operands.
    #[inline(always)]
    pub fn op1(&mut self, w: bool, opcode: u8, reg: u8, rm: Rm) {
        let rex = self.rex_bits(reg, rm) | (w as u8) << 3;
        if rex != 0 {
            self.b(0x40 | rex);
        }
        self.b(opcode);
        self.modrm(reg, rm);
    }

    /// Byte-register form: forces REX so that registers 4 to 7 mean SPL to DIL.
    #[inline(always)]
    fn op1_byte(&mut self, opcode: u8, reg: u8, rm: Rm) {
        let rex = self.rex_bits(reg, rm);
        if rex != 0 || reg >= 4 || matches!(rm, Rm::R(r) if r >= 4) {
            self.b(0x40 | rex);
        }
        self.b(opcode);
        self.modrm(reg, rm);
    }

    /// 0F-map opcode, with an optional mandatory prefix (0 for none) before REX.
    #[inline(always)]
    pub fn op2(&mut self, prefix: u8, w: bool, opcode: u8, reg: u8, rm: Rm) {
        if prefix != 0 {
            self.b(prefix);
        }
        let rex = self.rex_bits(reg, rm) | (w as u8) << 3;
        if rex != 0 {
            self.b(0x40 | rex);
        }
        self.b(0x0f);
        self.b(opcode);
        self.modrm(reg, rm);
    }

    // Moves.

    /// mov r, rm
    #[inline(always)]
    pub fn mov(&mut self, w: bool, r: u8, rm: impl Into<Rm>) {
        self.op1(w, 0x8b, r, rm.into());
    }

    /// mov m, r
    #[inline(always)]
    pub fn mov_store(&mut self, w: bool, m: Mem, r: u8) {
        self.op1(w, 0x89, r, Rm::M(m));
    }

    /// mov byte m, r
    #[inline(always)]
    pub fn mov_store8(&mut self, m: Mem, r: u8) {
        self.op1_byte(0x88, r, Rm::M(m));
    }

    /// mov byte m, imm
    #[inline(always)]
    pub fn mov_store8_imm(&mut self, m: Mem, imm: u8) {
        self.op1(false, 0xc6, 0, Rm::M(m));
        self.b(imm);
    }

    /// mov word m, r
    #[inline(always)]
    pub fn mov_store16(&mut self, m: Mem, r: u8) {
        self.b(0x66);
        self.op1(false, 0x89, r, Rm::M(m));
    }

    /// mov m, imm32 (sign-extended when w)
    #[inline(always)]
    pub fn mov_store_imm(&mut self, w: bool, m: Mem, imm: i32) {
        self.op1(w, 0xc7, 0, Rm::M(m));
        self.d(imm as u32);
    }

    /// The low 16 bits of rm = constant.
    #[inline(always)]
    pub fn mov16_imm(&mut self, rm: impl Into<Rm>, imm: u16) {
        self.b(0x66);
        self.op1(false, 0xc7, 0, rm.into());
        self.b(imm as u8);
        self.b((imm >> 8) as u8);
    }

    /// r = constant, in the shortest form that leaves the flags alone.
    #[inline(always)]
    pub fn mov_imm(&mut self, r: u8, imm: u64) {
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
    pub fn movzx(&mut self, bytes: u8, r: u8, rm: impl Into<Rm>) {
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
    pub fn movsx(&mut self, w: bool, bytes: u8, r: u8, rm: impl Into<Rm>) {
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
    pub fn lea(&mut self, w: bool, r: u8, m: Mem) {
        self.op1(w, 0x8d, r, Rm::M(m));
    }

    /// lea r, [rip + (target - next)]
    #[inline(always)]
    pub fn lea_rip(&mut self, r: u8, target: u64) {
        self.b(0x48 | (r >> 3) << 2);
        self.b(0x8d);
        self.b((r & 7) << 3 | 5);
        let next = self.p as u64 + 4;
        self.d(target.wrapping_sub(next) as u32);
    }

    /// push r
    #[inline(always)]
    pub fn push(&mut self, r: u8) {
        if r >= 8 {
            self.b(0x41);
        }
        self.b(0x50 | (r & 7));
    }

    /// pop r
    #[inline(always)]
    pub fn pop(&mut self, r: u8) {
        if r >= 8 {
            self.b(0x41);
        }
        self.b(0x58 | (r & 7));
    }

    /// xchg m, r
    #[inline(always)]
    pub fn xchg(&mut self, bytes: u8, m: Mem, r: u8) {
        self.sized(bytes, 0x86, r, m);
    }

    // Integer arithmetic.

    /// op r, rm
    #[inline(always)]
    pub fn alu(&mut self, op: Op, w: bool, r: u8, rm: impl Into<Rm>) {
        self.op1(w, (op as u8) << 3 | 3, r, rm.into());
    }

    /// op m, r
    #[inline(always)]
    pub fn alu_store(&mut self, op: Op, w: bool, m: Mem, r: u8) {
        self.op1(w, (op as u8) << 3 | 1, r, Rm::M(m));
    }

    /// op byte m, r
    #[inline(always)]
    pub fn alu_store8(&mut self, op: Op, m: Mem, r: u8) {
        self.op1_byte((op as u8) << 3, r, Rm::M(m));
    }

    /// op rm, imm32 (sign-extended when w)
    #[inline(always)]
    pub fn alu_imm(&mut self, op: Op, w: bool, rm: impl Into<Rm>, imm: i32) {
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
    pub fn cmp8_imm(&mut self, m: Mem, imm: u8) {
        self.op1(false, 0x80, 7, Rm::M(m));
        self.b(imm);
    }

    /// test byte rm, imm
    #[inline(always)]
    pub fn test8_imm(&mut self, rm: impl Into<Rm>, imm: u8) {
        self.op1_byte(0xf6, 0, rm.into());
        self.b(imm);
    }

    /// test rm, r
    #[inline(always)]
    pub fn test(&mut self, w: bool, rm: impl Into<Rm>, r: u8) {
        self.op1(w, 0x85, r, rm.into());
    }

    /// test rm, imm32 (sign-extended when w)
    #[inline(always)]
    pub fn test_imm(&mut self, w: bool, rm: impl Into<Rm>, imm: i32) {
        self.op1(w, 0xf7, 0, rm.into());
        self.d(imm as u32);
    }

    /// bt rm, imm (registers only: for memory it addresses the dword at the operand)
    #[inline(always)]
    pub fn bt_imm(&mut self, w: bool, rm: impl Into<Rm>, bit: u8) {
        self.op2(0, w, 0xba, 4, rm.into());
        self.b(bit);
    }

    /// not rm
    #[inline(always)]
    pub fn not(&mut self, w: bool, rm: impl Into<Rm>) {
        self.op1(w, 0xf7, 2, rm.into());
    }

    /// neg rm
    #[inline(always)]
    pub fn neg(&mut self, w: bool, rm: impl Into<Rm>) {
        self.op1(w, 0xf7, 3, rm.into());
    }

    /// shift rm by a constant
    #[inline(always)]
    pub fn shift_imm(&mut self, sh: Sh, w: bool, rm: impl Into<Rm>, n: u8) {
        if n == 1 {
            self.op1(w, 0xd1, sh as u8, rm.into());
        } else {
            self.op1(w, 0xc1, sh as u8, rm.into());
            self.b(n);
        }
    }

    /// shift rm by CL
    #[inline(always)]
    pub fn shift_cl(&mut self, sh: Sh, w: bool, rm: impl Into<Rm>) {
        self.op1(w, 0xd3, sh as u8, rm.into());
    }

    /// shrd rm, r, imm
    #[inline(always)]
    pub fn shrd(&mut self, w: bool, rm: u8, r: u8, n: u8) {
        self.op2(0, w, 0xac, r, Rm::R(rm));
        self.b(n);
    }

    /// imul r, rm
    #[inline(always)]
    pub fn imul(&mut self, w: bool, r: u8, rm: impl Into<Rm>) {
        self.op2(0, w, 0xaf, r, rm.into());
    }

    /// mul rm (rdx:rax = rax * rm)
    #[inline(always)]
    pub fn mul(&mut self, w: bool, rm: impl Into<Rm>) {
        self.op1(w, 0xf7, 4, rm.into());
    }

    /// imul rm (rdx:rax = rax * rm, signed)
    #[inline(always)]
    pub fn imul1(&mut self, w: bool, rm: impl Into<Rm>) {
        self.op1(w, 0xf7, 5, rm.into());
    }

    /// div rm
    #[inline(always)]
    pub fn div(&mut self, w: bool, rm: impl Into<Rm>) {
        self.op1(w, 0xf7, 6, rm.into());
    }

    /// idiv rm
    #[inline(always)]
    pub fn idiv(&mut self, w: bool, rm: impl Into<Rm>) {
        self.op1(w, 0xf7, 7, rm.into());
    }

    /// cdq / cqo
    #[inline(always)]
    pub fn cqo(&mut self, w: bool) {
        if w {
            self.b(0x48);
        }
        self.b(0x99);
    }

    /// bswap r
    #[inline(always)]
    pub fn bswap(&mut self, w: bool, r: u8) {
        let rex = (w as u8) << 3 | r >> 3;
        if rex != 0 {
            self.b(0x40 | rex);
        }
        self.b(0x0f);
        self.b(0xc8 | (r & 7));
    }

    /// bsr r, rm
    #[inline(always)]
    pub fn bsr(&mut self, w: bool, r: u8, rm: impl Into<Rm>) {
        self.op2(0, w, 0xbd, r, rm.into());
    }

    /// bsf r, rm
    #[inline(always)]
    pub fn bsf(&mut self, w: bool, r: u8, rm: impl Into<Rm>) {
        self.op2(0, w, 0xbc, r, rm.into());
    }

    /// btr rm, r: the bit of a 32-bit register becomes 0.
    #[inline(always)]
    pub fn bit_reset(&mut self, rm: u8, bit: u8) {
        self.op2(0, false, 0xb3, bit, Rm::R(rm));
    }

    /// lzcnt r, rm
    #[inline(always)]
    pub fn lzcnt(&mut self, w: bool, r: u8, rm: impl Into<Rm>) {
        self.op2(0xf3, w, 0xbd, r, rm.into());
    }

    /// popcnt r, rm
    #[inline(always)]
    pub fn popcnt(&mut self, w: bool, r: u8, rm: impl Into<Rm>) {
        self.op2(0xf3, w, 0xb8, r, rm.into());
    }

    /// crc32 r, rm of 1, 2, 4 or 8 bytes (Castagnoli)
    #[inline(always)]
    pub fn crc32(&mut self, bytes: u8, r: u8, rm: u8) {
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
    pub fn setcc(&mut self, cc: Cc, r: u8) {
        if r >= 4 {
            self.b(0x40 | r >> 3);
        }
        self.b(0x0f);
        self.b(0x90 | cc as u8);
        self.b(0xc0 | (r & 7));
    }

    /// cmovcc r, rm
    #[inline(always)]
    pub fn cmov(&mut self, cc: Cc, w: bool, r: u8, rm: impl Into<Rm>) {
        self.op2(0, w, 0x40 | cc as u8, r, rm.into());
    }

    /// lahf
    #[inline(always)]
    pub fn lahf(&mut self) {
        self.b(0x9f);
    }

    /// sahf
    #[inline(always)]
    pub fn sahf(&mut self) {
        self.b(0x9e);
    }

    /// cmc
    #[inline(always)]
    pub fn cmc(&mut self) {
        self.b(0xf5);
    }

    /// stc
    #[inline(always)]
    pub fn stc(&mut self) {
        self.b(0xf9);
    }

    /// mov byte m, ah (`m` needs no REX prefix)
    #[inline(always)]
    pub fn mov_store_ah(&mut self, m: Mem) {
        self.op1(false, 0x88, 4, Rm::M(m));
    }

    /// inc r
    #[inline(always)]
    pub fn inc(&mut self, w: bool, r: u8) {
        self.op1(w, 0xff, 0, Rm::R(r));
    }

    // BMI.

    /// VEX-encoded general-register instruction: reg, vvvv, rm.
    #[inline(always)]
    pub fn vex_gpr(&mut self, pp: u8, map: u8, op: u8, w: bool, reg: u8, vvvv: u8, rm: Rm) {
        let rex = self.rex_bits(reg, rm);
        self.b(0xc4);
        self.b((!rex & 7) << 5 | map);
        self.b((w as u8) << 7 | (!vvvv & 15) << 3 | pp);
        self.b(op);
        self.modrm(reg, rm);
    }

    /// shlx/shrx/sarx d, rm, count
    #[inline(always)]
    pub fn shiftx(&mut self, sh: Sh, w: bool, d: u8, rm: impl Into<Rm>, count: u8) {
        let pp = match sh {
            Sh::Shl => 1,
            Sh::Shr => 3,
            _ => 2,
        };
        self.vex_gpr(pp, 2, 0xf7, w, d, count, rm.into());
    }

    /// rorx d, rm, imm
    #[inline(always)]
    pub fn rorx(&mut self, w: bool, d: u8, rm: impl Into<Rm>, n: u8) {
        self.vex_gpr(3, 3, 0xf0, w, d, 0, rm.into());
        self.b(n);
    }

    /// andn d, a, rm: d = !a & rm
    #[inline(always)]
    pub fn andn(&mut self, w: bool, d: u8, a: u8, rm: impl Into<Rm>) {
        self.vex_gpr(0, 2, 0xf2, w, d, a, rm.into());
    }

    // Atomics.

    #[inline(always)]
    fn sized(&mut self, bytes: u8, opcode: u8, r: u8, m: Mem) {
        match bytes {
            1 => self.op1_byte(opcode, r, Rm::M(m)),
            2 => {
                self.b(0x66);
                self.op1(false, opcode | 1, r, Rm::M(m));
            }
            _ => self.op1(bytes == 8, opcode | 1, r, Rm::M(m)),
        }
    }

    #[inline(always)]
    fn sized2(&mut self, bytes: u8, opcode: u8, r: u8, m: Mem) {
        if bytes == 2 {
            self.b(0x66);
        }
        let rex = self.rex_bits(r, Rm::M(m)) | ((bytes == 8) as u8) << 3;
        if rex != 0 || (bytes == 1 && r >= 4) {
            self.b(0x40 | rex);
        }
        self.b(0x0f);
        self.b(if bytes == 1 { opcode } else { opcode | 1 });
        self.modrm(r, Rm::M(m));
    }

    /// lock cmpxchg m, r
    #[inline(always)]
    pub fn lock_cmpxchg(&mut self, bytes: u8, m: Mem, r: u8) {
        self.b(0xf0);
        self.sized2(bytes, 0xb0, r, m);
    }

    /// lock xadd m, r
    #[inline(always)]
    pub fn lock_xadd(&mut self, bytes: u8, m: Mem, r: u8) {
        self.b(0xf0);
        self.sized2(bytes, 0xc0, r, m);
    }

    /// lock op m, r
    #[inline(always)]
    pub fn lock_alu(&mut self, op: Op, bytes: u8, m: Mem, r: u8) {
        self.b(0xf0);
        self.sized(bytes, (op as u8) << 3, r, m);
    }

    /// lock cmpxchg16b m (or cmpxchg8b)
    #[inline(always)]
    pub fn lock_cmpxchg_pair(&mut self, w: bool, m: Mem) {
        self.b(0xf0);
        self.op2(0, w, 0xc7, 1, Rm::M(m));
    }

    /// A full barrier, cheaper than mfence: lock or dword [rsp], 0
    #[inline(always)]
    pub fn fence(&mut self) {
        self.b(0xf0);
        self.alu_imm(Op::Or, false, Mem::base(reg::RSP, 0), 0);
    }

    // Control flow.

    /// jcc rel8, to be bound.
    #[inline(always)]
    pub fn jcc_short(&mut self, cc: Cc) -> Short {
        self.b(0x70 | cc as u8);
        self.b(0);
        Short(self.p.wrapping_sub(1))
    }

    /// jrcxz over a `jmp_near` that comes next.
    #[inline(always)]
    pub fn jrcxz_over_near(&mut self) {
        self.b(0xe3);
        self.b(5);
    }

    /// jmp rel8, to be bound.
    #[inline(always)]
    pub fn jmp_short(&mut self) -> Short {
        self.b(0xeb);
        self.b(0);
        Short(self.p.wrapping_sub(1))
    }

    /// jcc rel32, to be bound.
    #[inline(always)]
    pub fn jcc_near(&mut self, cc: Cc) -> Near {
        self.b(0x0f);
        self.b(0x80 | cc as u8);
        self.d(0);
        Near(self.p.wrapping_sub(4))
    }

    /// jmp rel32, to be bound.
    #[inline(always)]
    pub fn jmp_near(&mut self) -> Near {
        self.b(JUMP);
        self.d(0);
        Near(self.p.wrapping_sub(4))
    }

    /// Something that does nothing until its first byte becomes [`JUMP`], and is then as
    /// `jmp_near`: mov ecx, imm32
    #[inline(always)]
    pub fn jmp_later(&mut self) -> Near {
        self.b(0xb9);
        self.d(0);
        Near(self.p.wrapping_sub(4))
    }

    /// Pads so that the rel32 of a jump emitted next, behind `opcode` bytes, lies within one cache line: it will be changed while other
    /// threads run it, and a store across lines could be seen half done. Leaves EFLAGS alone.
    #[inline(always)]
    pub fn keep_rel32_whole(&mut self, opcode: usize) {
        const LINE: usize = 64;
        let at = (self.p as usize + opcode) % LINE;
        if at > LINE - 4 {
            let nop: &[u8] = match LINE - at {
                1 => &[0x90],
                2 => &[0x66, 0x90],
                _ => &[0x0f, 0x1f, 0x00],
            };
            for &byte in nop {
                self.b(byte);
            }
        }
    }

    /// Pads the code since `start` (a comparison that does not refer to its own place, or nothing) such that it and a jump of `jump` bytes behind it
    /// neither cross a boundary of 32 bytes nor end at one: Skylake's processors and their kin then decode the jump anew each time.
    pub(super) fn keep_in_window(&mut self, start: *mut u8, jump: usize) {
        const NOP: [u8; 9] = [0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0];
        const SHORT: [&[u8]; 9] = [
            &[],
            &[0x90],
            &[0x66, 0x90],
            &[0x0f, 0x1f, 0],
            &[0x0f, 0x1f, 0x40, 0],
            &[0x0f, 0x1f, 0x44, 0, 0],
            &[0x66, 0x0f, 0x1f, 0x44, 0, 0],
            &[0x0f, 0x1f, 0x80, 0, 0, 0, 0],
            &[0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0],
        ];
        let len = self.p as usize - start as usize;
        if start as usize >> 5 == (self.p as usize + jump) >> 5 || len > 16 {
            return;
        }
        let mut code = [0; 16];
        // SAFETY: points into what was emitted just before.
        unsafe { core::ptr::copy_nonoverlapping(start, code.as_mut_ptr(), len) };
        let mut pad = 32 - (start as usize & 31);
        self.p = start;
        while pad > 0 {
            let nop = SHORT.get(pad).copied().unwrap_or(&NOP);
            pad -= nop.len();
            nop.iter().for_each(|&byte| self.b(byte));
        }
        code[..len].iter().for_each(|&byte| self.b(byte));
    }

    /// call rel32, to be bound.
    #[inline(always)]
    pub fn call_near(&mut self) -> Near {
        self.b(0xe8);
        self.d(0);
        Near(self.p.wrapping_sub(4))
    }

    /// jcc to a known address
    #[inline(always)]
    pub fn jcc_to(&mut self, cc: Cc, target: *const u8) {
        let n = self.jcc_near(cc);
        self.bind_near_to(n, target);
    }

    /// jmp to a known address
    #[inline(always)]
    pub fn jmp_to(&mut self, target: *const u8) {
        let n = self.jmp_near();
        self.bind_near_to(n, target);
    }

    /// call a known address
    #[inline(always)]
    pub fn call_to(&mut self, target: *const u8) {
        let n = self.call_near();
        self.bind_near_to(n, target);
    }

    /// Binds a short jump here.
    #[inline(always)]
    pub fn bind(&mut self, s: Short) {
        let d = self.p as isize - s.0 as isize - 1;
        debug_assert!(d <= 127);
        // SAFETY: points into what was emitted just before.
        unsafe { s.0.write(d as u8) };
        self.label = self.p;
    }

    /// Whether a short jump reaches here.
    pub fn reaches(&self, s: Short) -> bool {
        self.p as isize - s.0 as isize - 1 <= 127
    }

    /// Binds a near jump here.
    #[inline(always)]
    pub fn bind_near(&mut self, n: Near) {
        self.bind_near_to(n, self.p);
        self.label = self.p;
    }

    /// Binds a near jump to an address.
    #[inline(always)]
    pub fn bind_near_to(&mut self, n: Near, target: *const u8) {
        let d = target as isize - n.0 as isize - 4;
        // SAFETY: points into what was emitted just before.
        unsafe { n.0.cast::<i32>().write_unaligned(d as i32) };
    }

    /// jmp rm
    #[inline(always)]
    pub fn jmp_rm(&mut self, rm: impl Into<Rm>) {
        self.op1(false, 0xff, 4, rm.into());
    }

    /// call rm
    #[inline(always)]
    pub fn call_rm(&mut self, rm: impl Into<Rm>) {
        self.op1(false, 0xff, 2, rm.into());
    }

    /// Calls a piece of the glue through the thread's state.
    #[inline(always)]
    pub fn call_piece(&mut self, piece: super::glue::Piece) {
        self.call_rm(piece.place());
    }

    /// Jumps to one.
    #[inline(always)]
    pub fn jmp_piece(&mut self, piece: super::glue::Piece) {
        self.jmp_rm(piece.place());
    }

    /// ret
    #[inline(always)]
    pub fn ret(&mut self) {
        self.b(0xc3);
    }

    /// ud2
    #[inline(always)]
    pub fn ud2(&mut self) {
        self.b(0x0f);
        self.b(0x0b);
    }

    // Vectors.

    /// Legacy SSE form: reg, rm.
    #[inline(always)]
    pub fn sse(&mut self, e: VEnc, reg: u8, rm: impl Into<Rm>) {
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
    pub fn vex(&mut self, e: VEnc, reg: u8, vvvv: u8, rm: impl Into<Rm>) {
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
    pub fn vmov(&mut self, d: u8, s: u8) {
        if d != s {
            self.v2(MOVAPS, d, s);
        }
    }

    /// Two-operand vector instruction (moves, converts, unary ones): reg, rm, in the best encoding.
    #[inline(always)]
    pub fn v2(&mut self, e: VEnc, reg: u8, rm: impl Into<Rm>) {
        if self.avx { self.vex(e, reg, 0, rm) } else { self.sse(e, reg, rm) }
    }

    /// As `v2` with an immediate.
    #[inline(always)]
    pub fn v2i(&mut self, e: VEnc, reg: u8, rm: impl Into<Rm>, imm: u8) {
        self.v2(e, reg, rm);
        self.b(imm);
    }

    /// Three-operand vector instruction d = a op b. Without AVX it becomes movaps + op; then `d` may equal `b` only if
    /// `commutes` (the operands are swapped) or `tmp` (a scratch vector register) is used to hold b.
    /// Memory operands of legacy SSE must be aligned: pass registers for b unless it lies in the state.
    #[inline(always)]
    pub fn v3(&mut self, e: VEnc, d: u8, a: u8, b: impl Into<Rm>, commutes: bool, tmp: u8) {
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
    #[allow(clippy::too_many_arguments)]
    pub fn v3i(&mut self, e: VEnc, d: u8, a: u8, b: impl Into<Rm>, imm: u8, tmp: u8) {
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
}

impl Asm {
    /// add al, imm
    #[inline(always)]
    pub fn add_al(&mut self, imm: u8) {
        self.b(0x04);
        self.b(imm);
    }

    /// r = constant, in the form with all its eight bytes.
    #[inline(always)]
    pub fn mov_imm64(&mut self, r: u8, imm: u64) {
        self.b(0x48 | r >> 3);
        self.b(0xb8 | (r & 7));
        self.q(imm);
    }

    /// ldmxcsr m
    #[inline(always)]
    pub fn ldmxcsr(&mut self, m: Mem) {
        self.op2(0, false, 0xae, 2, Rm::M(m));
    }

    /// stmxcsr m
    #[inline(always)]
    pub fn stmxcsr(&mut self, m: Mem) {
        self.op2(0, false, 0xae, 3, Rm::M(m));
    }

    /// syscall
    #[inline(always)]
    pub fn syscall(&mut self) {
        self.b(0x0f);
        self.b(0x05);
    }

    /// Flags of r - 0: TEST leaves CF = OF = 0 as CMP with zero does.
    #[inline(always)]
    pub fn test_as_cmp(&mut self, w: bool, r: u8) {
        self.test(w, Rm::R(r), r);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(align(64))]
    struct Lines([u8; 192]);

    /// Whatever the place and the length of the opcode, a patched field does not cross a cache line, and at most three bytes are lost.
    #[test]
    fn patched_fields_lie_within_a_line() {
        let mut lines = Lines([0; 192]);
        let base = lines.0.as_mut_ptr();
        for opcode in [1, 2] {
            for at in 0..64 {
                let p = base.wrapping_add(at);
                let mut a = Asm { p, end: base.wrapping_add(192), avx: false, label: core::ptr::null_mut() };
                a.keep_rel32_whole(opcode);
                let field = a.p as usize + opcode;
                assert!(field % 64 <= 60, "opcode of {opcode} bytes at {at}");
                assert!(a.p as usize - p as usize <= 3, "padding at {at}");
            }
        }
    }
}

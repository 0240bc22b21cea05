//! The x86-64 encoder: one method per instruction form, straight to bytes in the code cache.
//!
//! There is no instruction object and no second pass: the translator's cost per guest instruction
//! is a few dozen byte stores. The caller guarantees that there is room up to [`Asm::end`]: only
//! debug builds check. (Intel SDM volume 2, chapter 2 for the formats.)

mod atomic;
mod integer;
mod jump;
pub(crate) mod opcodes;
mod vector;

pub(crate) use jump::{JUMP, Near, Short};
pub(crate) use vector::{VEnc, v, vw};

/// Host general registers.
#[allow(missing_docs)]
pub(crate) mod reg {
    pub(crate) const RAX: u8 = 0;
    pub(crate) const RCX: u8 = 1;
    pub(crate) const RDX: u8 = 2;
    pub(crate) const RBX: u8 = 3;
    pub(crate) const RSP: u8 = 4;
    pub(crate) const RBP: u8 = 5;
    pub(crate) const RSI: u8 = 6;
    pub(crate) const RDI: u8 = 7;
    pub(crate) const R8: u8 = 8;
    pub(crate) const R9: u8 = 9;
    pub(crate) const R10: u8 = 10;
    pub(crate) const R11: u8 = 11;
    pub(crate) const R12: u8 = 12;
    pub(crate) const R13: u8 = 13;
    pub(crate) const R14: u8 = 14;
    pub(crate) const R15: u8 = 15;
}

/// No register.
pub(crate) const NONE: u8 = 0xff;

/// A memory operand: base + index << scale + disp.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mem {
    /// Base register, or [`NONE`] (then disp is an absolute 32-bit address).
    pub base: u8,
    /// Index register (not RSP), or [`NONE`].
    pub index: u8,
    /// log2 of the index's scale.
    pub scale: u8,
    /// Displacement.
    pub disp: i32,
    /// The sum is one of 32 bits.
    pub narrow: bool,
}

impl Mem {
    /// base + disp
    #[inline(always)]
    pub(crate) fn base(base: u8, disp: i32) -> Mem {
        Mem { base, index: NONE, scale: 0, disp, narrow: false }
    }

    /// base + index << scale + disp
    #[inline(always)]
    pub(crate) fn index(base: u8, index: u8, scale: u8, disp: i32) -> Mem {
        Mem { base, index, scale, disp, narrow: false }
    }
}

/// A register or memory operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rm {
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
pub(crate) enum Cc {
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
    pub(crate) fn invert(self) -> Cc {
        use Cc::*;
        [O, No, B, Ae, E, Ne, Be, A, S, Ns, P, Np, L, Ge, Le, G][self as usize ^ 1]
    }
}

/// The eight classic two-operand operations, by their opcode number.
#[allow(missing_docs)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Op {
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
pub(crate) enum Sh {
    Rol = 0,
    Ror = 1,
    Shl = 4,
    Shr = 5,
    Sar = 7,
}

/// The emitter.
pub(crate) struct Asm {
    /// Next byte to write.
    pub p: *mut u8,
    /// End of the buffer.
    pub end: *mut u8,
    /// Whether VEX encodings may be used.
    pub avx: bool,
    /// The last place that something jumps to from elsewhere: nothing is known there of what the
    /// code before it left in registers.
    pub label: *mut u8,
}

impl Asm {
    /// Emits one byte.
    #[inline(always)]
    pub(crate) fn b(&mut self, byte: u8) {
        debug_assert!(self.p < self.end);
        // SAFETY: whoever makes a unit leaves before each guest instruction room for more than one
        // can need.
        unsafe {
            self.p.write(byte);
            self.p = self.p.add(1);
        }
    }

    /// Emits four bytes.
    #[inline(always)]
    pub(crate) fn d(&mut self, value: u32) {
        // SAFETY: see `b`.
        unsafe {
            self.p.cast::<u32>().write_unaligned(value);
            self.p = self.p.add(4);
        }
    }

    /// Emits two bytes.
    #[inline(always)]
    pub(crate) fn h(&mut self, value: u16) {
        // SAFETY: see `b`.
        unsafe {
            self.p.cast::<u16>().write_unaligned(value);
            self.p = self.p.add(2);
        }
    }

    /// Emits eight bytes.
    #[inline(always)]
    pub(crate) fn q(&mut self, value: u64) {
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
    pub(crate) fn op1(&mut self, w: bool, opcode: u8, reg: u8, rm: Rm) {
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
    pub(crate) fn op2(&mut self, prefix: u8, w: bool, opcode: u8, reg: u8, rm: Rm) {
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
}

//! Locked instructions, and the fence.

use super::{Asm, Mem, Op, Rm, reg};

impl Asm {
    #[inline(always)]
    pub(super) fn sized(&mut self, bytes: u8, opcode: u8, r: u8, m: Mem) {
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
    pub(crate) fn lock_cmpxchg(&mut self, bytes: u8, m: Mem, r: u8) {
        self.b(0xf0);
        self.sized2(bytes, 0xb0, r, m);
    }

    /// lock xadd m, r
    #[inline(always)]
    pub(crate) fn lock_xadd(&mut self, bytes: u8, m: Mem, r: u8) {
        self.b(0xf0);
        self.sized2(bytes, 0xc0, r, m);
    }

    /// lock op m, r
    #[inline(always)]
    pub(crate) fn lock_alu(&mut self, op: Op, bytes: u8, m: Mem, r: u8) {
        self.b(0xf0);
        self.sized(bytes, (op as u8) << 3, r, m);
    }

    /// A full barrier, cheaper than mfence: lock or dword [rsp], 0
    #[inline(always)]
    pub(crate) fn fence(&mut self) {
        self.b(0xf0);
        self.alu_imm(Op::Or, false, Mem::base(reg::RSP, 0), 0);
    }
}

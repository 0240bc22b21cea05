//! Jumps, calls and traps, and where they stand.

use super::{Asm, Cc, Rm};
use crate::glue::Piece;

/// A forward jump whose target is not known yet: points at its rel8.
#[derive(Clone, Copy)]
pub(crate) struct Short(*mut u8);

/// A forward jump with a 32-bit displacement: points at its rel32.
#[derive(Clone, Copy)]
pub(crate) struct Near(pub *mut u8);

/// Opcode of jmp rel32.
pub(crate) const JUMP: u8 = 0xe9;

impl Asm {
    /// jcc rel8, to be bound.
    #[inline(always)]
    pub(crate) fn jcc_short(&mut self, cc: Cc) -> Short {
        self.b(0x70 | cc as u8);
        self.b(0);
        Short(self.p.wrapping_sub(1))
    }

    /// jrcxz over a `jmp_near` that comes next.
    #[inline(always)]
    pub(crate) fn jrcxz_over_near(&mut self) {
        self.b(0xe3);
        self.b(5);
    }

    /// jmp rel8, to be bound.
    #[inline(always)]
    pub(crate) fn jmp_short(&mut self) -> Short {
        self.b(0xeb);
        self.b(0);
        Short(self.p.wrapping_sub(1))
    }

    /// jcc rel32, to be bound.
    #[inline(always)]
    pub(crate) fn jcc_near(&mut self, cc: Cc) -> Near {
        self.b(0x0f);
        self.b(0x80 | cc as u8);
        self.d(0);
        Near(self.p.wrapping_sub(4))
    }

    /// jmp rel32, to be bound.
    #[inline(always)]
    pub(crate) fn jmp_near(&mut self) -> Near {
        self.b(JUMP);
        self.d(0);
        Near(self.p.wrapping_sub(4))
    }

    /// Something that does nothing until its first byte becomes [`JUMP`], and is then as
    /// `jmp_near`: mov ecx, imm32
    #[inline(always)]
    pub(crate) fn jmp_later(&mut self) -> Near {
        self.b(0xb9);
        self.d(0);
        Near(self.p.wrapping_sub(4))
    }

    /// Pads so that the rel32 of a jump emitted next, behind `opcode` bytes, lies within one cache
    /// line: it will be changed while other threads run it, and a store across lines could be seen
    /// half done. Leaves EFLAGS alone.
    #[inline(always)]
    pub(crate) fn keep_rel32_whole(&mut self, opcode: usize) {
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

    /// Pads the code since `start` (a comparison that does not refer to its own place, or nothing)
    /// such that it and a jump of `jump` bytes behind it neither cross a boundary of 32 bytes nor
    /// end at one: Skylake's processors and their kin then decode the jump anew each time.
    pub(crate) fn keep_in_window(&mut self, start: *mut u8, jump: usize) {
        let len = self.p as usize - start as usize;
        if start as usize >> 5 == (self.p as usize + jump) >> 5 || len > 16 {
            return;
        }
        let mut code = [0; 16];
        // SAFETY: points into what was emitted just before.
        unsafe { core::ptr::copy_nonoverlapping(start, code.as_mut_ptr(), len) };
        self.p = start;
        self.pad(32 - (start as usize & 31));
        code[..len].iter().for_each(|&byte| self.b(byte));
    }

    /// So many bytes without effect.
    pub(crate) fn pad(&mut self, mut bytes: usize) {
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
        while bytes > 0 {
            let nop = SHORT.get(bytes).copied().unwrap_or(&NOP);
            bytes -= nop.len();
            nop.iter().for_each(|&byte| self.b(byte));
        }
    }

    /// call rel32, to be bound.
    #[inline(always)]
    pub(crate) fn call_near(&mut self) -> Near {
        self.b(0xe8);
        self.d(0);
        Near(self.p.wrapping_sub(4))
    }

    /// jcc to a known address
    #[inline(always)]
    pub(crate) fn jcc_to(&mut self, cc: Cc, target: *const u8) {
        let n = self.jcc_near(cc);
        self.bind_near_to(n, target);
    }

    /// jmp to a known address
    #[inline(always)]
    pub(crate) fn jmp_to(&mut self, target: *const u8) {
        let n = self.jmp_near();
        self.bind_near_to(n, target);
    }

    /// Binds a short jump here.
    #[inline(always)]
    pub(crate) fn bind(&mut self, s: Short) {
        let d = self.p as isize - s.0 as isize - 1;
        debug_assert!(d <= 127);
        // SAFETY: points into what was emitted just before.
        unsafe { s.0.write(d as u8) };
        self.label = self.p;
    }

    /// Whether a short jump reaches here.
    pub(crate) fn reaches(&self, s: Short) -> bool {
        self.p as isize - s.0 as isize - 1 <= 127
    }

    /// Binds a near jump here.
    #[inline(always)]
    pub(crate) fn bind_near(&mut self, n: Near) {
        self.bind_near_to(n, self.p);
        self.label = self.p;
    }

    /// Binds a near jump to an address.
    #[inline(always)]
    pub(crate) fn bind_near_to(&mut self, n: Near, target: *const u8) {
        let d = target as isize - n.0 as isize - 4;
        // SAFETY: points into what was emitted just before.
        unsafe { n.0.cast::<i32>().write_unaligned(d as i32) };
    }

    /// jmp rm
    #[inline(always)]
    pub(crate) fn jmp_rm(&mut self, rm: impl Into<Rm>) {
        self.op1(false, 0xff, 4, rm.into());
    }

    /// call rm
    #[inline(always)]
    pub(crate) fn call_rm(&mut self, rm: impl Into<Rm>) {
        self.op1(false, 0xff, 2, rm.into());
    }

    /// Calls a piece of the glue through the thread's state.
    #[inline(always)]
    pub(crate) fn call_piece(&mut self, piece: Piece) {
        self.call_rm(piece.place());
    }

    /// Jumps to one.
    #[inline(always)]
    pub(crate) fn jmp_piece(&mut self, piece: Piece) {
        self.jmp_rm(piece.place());
    }

    /// ret
    #[inline(always)]
    pub(crate) fn ret(&mut self) {
        self.b(0xc3);
    }

    /// syscall
    #[inline(always)]
    pub(crate) fn syscall(&mut self) {
        self.b(0x0f);
        self.b(0x05);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(align(64))]
    struct Lines([u8; 192]);

    /// Whatever the place and the length of the opcode, a patched field does not cross a cache
    /// line, and at most three bytes are lost.
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

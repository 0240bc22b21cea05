//! Bits: copies, logic, selection, counts.

use super::super::asm::{Mem, NONE, Rm, opcodes::*};
use super::constants::{COUNTS, LEADING, REVERSED, splat};
use super::{Done, Emit, Operands, TMP, X0, X1, X2};
use anyarch_engine::ops::V;
use anyarch_engine::vec::VOp;

/// Bits: copies, logic, selection, counts.
pub(super) fn lower(e: &mut Emit<'_>, op: VOp, o: &Operands) -> Done {
    use VOp::*;
    let &Operands { d, a, b, c, x, es, bytes, bits, n, .. } = o;
    match op {
        Mov => {
            if bytes == 16 {
                if x == X0 && e.host[a.0 as usize] != NONE {
                    let r = e.reg(a, X0);
                    e.put(d, r);
                    return Done::Whole;
                }
                if Rm::R(x) != e.rm(a) {
                    e.a.v2(MOVAPS, x, e.rm(a));
                }
                e.put(d, x);
                return Done::Whole;
            }
            let r = e.reg(a, X0);
            e.clear(x, r, bytes);
            e.put(d, x);
            return Done::Whole;
        }
        And => e.binary(PAND, x, a, b),
        Or => e.binary(POR, x, a, b),
        Xor => {
            if a == b {
                e.zero(x);
            } else {
                e.binary(PXOR, x, a, b);
            }
        }
        AndNot => e.binary(PANDN, x, b, a),
        OrNot => {
            e.ones(X1);
            e.op(PXOR, X1, X1, e.rm(b));
            e.op(POR, x, X1, e.rm(a));
        }
        Not => {
            e.ones(X1);
            e.op(PXOR, x, X1, e.rm(a));
        }
        Select => {
            let a = e.reg(a, X0);
            e.op(PXOR, X0, a, e.rm(b));
            e.op(PAND, X0, X0, e.rm(c));
            e.op(PXOR, x, X0, e.rm(b));
        }
        Blend => {
            if e.a.avx {
                let (b, c) = (e.reg(b, X0), e.reg(c, X1));
                let a = e.rm(a);
                e.a.vex(VPBLENDVB, x, b, a);
                e.a.b(c << 4);
            } else {
                // The bytes' top bits everywhere in them.
                e.zero(X1);
                e.op(PCMPGT[0], X1, X1, e.rm(c));
                let a = e.reg(a, X0);
                e.op(PXOR, X0, a, e.rm(b));
                e.op(PAND, X0, X0, X1);
                e.op(PXOR, x, X0, e.rm(b));
            }
        }
        BitsToLanes => {
            // The byte with the bits everywhere, or two of them in half a register each; then in
            // each lane its own bit of the byte.
            let byte = n / 8;
            match e.rm(a) {
                Rm::M(m) if es > 0 && e.features.avx2 => {
                    e.a.v2(VPBROADCAST[0], X0, Mem { disp: m.disp + byte as i32, ..m });
                }
                _ => {
                    let (low, high) = (splat(0, byte as u64), splat(0, byte as u64 + (es == 0) as u64));
                    let k = e.constant(X1, low & u64::MAX as u128 | high << 64);
                    let ra = e.reg(a, X0);
                    e.op(PSHUFB, X0, ra, k);
                }
            }
            let mut lanes = 0;
            for lane in 0..16 >> es {
                lanes |= 1u128 << ((n as usize + lane) % 8) << (lane * bits as usize);
            }
            e.load_constant(X1, lanes);
            e.op(PAND, X0, X0, X1);
            e.op(PCMPEQ[es], x, X0, X1);
        }
        Xor3 => {
            let a = e.reg(a, X0);
            e.op(PXOR, X0, a, e.rm(b));
            e.op(PXOR, x, X0, e.rm(c));
        }
        XorAndNot => {
            let c = e.reg(c, X0);
            e.op(PANDN, X0, c, e.rm(b));
            e.op(PXOR, x, X0, e.rm(a));
        }
        XorRor if es > 0 => {
            let a = e.reg(a, X0);
            e.op(PXOR, X0, a, e.rm(b));
            e.rotate_right(es, x, X0, n % bits);
        }
        XorRol if es > 0 => {
            let b = e.reg(b, X0);
            e.rotate_right(es, X0, b, (bits - n % bits) % bits);
            e.op(PXOR, x, X0, e.rm(a));
        }
        Popcount if es == 0 => {
            e.nibbles(a);
            e.load_constant(X1, COUNTS);
            e.op(PSHUFB, X2, X1, X2);
            e.op(PSHUFB, X0, X1, X0);
            e.op(PADD[0], x, X0, X2);
        }
        ReverseBits if es == 0 => {
            e.a.v2(MOVAPS, X0, e.rm(a));
            e.reverse_bytes_bits();
            e.a.vmov(x, X0);
        }
        LeadingZeros | LeadingSigns if es < 3 => {
            if op == LeadingSigns {
                e.zero(X1);
                e.op(PCMPGT[es], X1, X1, e.rm(a));
                e.op(PXOR, X0, X1, e.rm(a));
            } else {
                e.a.v2(MOVAPS, X0, e.rm(a));
            }
            e.leading_zeros(es);
            if op == LeadingSigns {
                e.ones(X1);
                e.op(PADD[es], X0, X0, X1);
            }
            e.a.vmov(x, X0);
        }
        _ => return Done::No,
    }
    Done::In(x)
}

impl Emit<'_> {
    /// X0 = the leading zeros of its lanes of up to 32 bits. Uses X1, X2 and TMP.
    pub(super) fn leading_zeros(&mut self, es: usize) {
        let k = self.constant(X1, splat(0, 0x0f));
        self.shr(1, X2, X0, 4);
        self.op(PAND, X2, X2, k);
        self.op(PAND, X0, X0, k);
        // The low four bits count where the high four are zero.
        self.load_constant(X1, LEADING);
        self.a.v3(PSHUFB, X0, X1, Rm::R(X0), false, TMP);
        self.zero(TMP);
        self.a.v3(PCMPEQ[0], TMP, TMP, Rm::R(X2), true, TMP);
        self.op(PAND, X0, X0, TMP);
        self.op(PSHUFB, X2, X1, X2);
        self.op(PADD[0], X0, X0, X2);
        for wide in 1..=es {
            let bits = 4u8 << wide;
            self.shr(wide, X2, X0, bits);
            self.shl(wide, X0, X0, bits);
            self.shr(wide, X0, X0, bits);
            self.load_constant(X1, splat(wide, bits as u64));
            self.op(PCMPEQ[wide], X1, X1, X2);
            self.op(PAND, X0, X0, X1);
            self.op(PADD[wide], X0, X0, X2);
        }
    }

    /// X0 = the low four bits of a's bytes, X2 = their high four bits.
    pub(super) fn nibbles(&mut self, a: V) {
        let k = self.constant(X1, splat(0, 0x0f));
        let ra = self.reg(a, X0);
        self.shr(1, X2, ra, 4);
        self.op(PAND, X2, X2, k);
        self.op(PAND, X0, ra, k);
    }

    /// X0 = the bits of X0's bytes in reverse order. Uses X1 and X2.
    pub(super) fn reverse_bytes_bits(&mut self) {
        let k = self.constant(X1, splat(0, 0x0f));
        self.shr(1, X2, X0, 4);
        self.op(PAND, X2, X2, k);
        self.op(PAND, X0, X0, k);
        self.load_constant(X1, REVERSED);
        self.op(PSHUFB, X1, X1, X2);
        self.load_constant(X2, REVERSED);
        self.op(PSHUFB, X2, X2, X0);
        // The low four bits' mirror image fits below bit 4, so no mask is needed.
        self.shl(1, X0, X2, 4);
        self.op(POR, X0, X0, X1);
    }
}

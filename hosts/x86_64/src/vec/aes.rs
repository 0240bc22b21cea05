//! AES and GHASH.

use super::super::asm::opcodes::*;
use super::constants::GHASH;
use super::{AesRound, Done, Emit, Operands, TMP, X0, X1, X2};
use anyarch_engine::vec::VOp;

/// AES and GHASH.
pub(super) fn lower(e: &mut Emit<'_>, op: VOp, o: &Operands) -> Done {
    use VOp::*;
    let &Operands { d, a, b, c, x, .. } = o;
    match op {
        AesEncLast | AesDecLast if e.features.aes => {
            let a = e.reg(a, X0);
            e.op(PXOR, X0, a, e.rm(b));
            e.zero(X1);
            e.op(if op == AesEncLast { AESENCLAST } else { AESDECLAST }, x, X0, X1);
            // The opcode stands before the last byte, which names the registers.
            let opcode = e.a.p.wrapping_sub(2);
            e.put(d, x);
            *e.aes = AesRound { opcode, end: e.a.p, decrypt: op == AesDecLast, d };
            return Done::Whole;
        }
        AesEncLastKey | AesEncKey | AesDecLastKey if e.features.aes => {
            let i = match op {
                AesEncLastKey => AESENCLAST,
                AesEncKey => AESENC,
                _ => AESDECLAST,
            };
            e.binary(i, x, a, b);
        }
        GhashMul if e.features.pclmul => {
            // Powers in the bits' order, by reversing the bits of bytes; the product of 256 bits in
            // X2 and X0; reduction from the top in two steps.
            e.a.v2(MOVAPS, X0, e.rm(b));
            e.reverse_bytes_bits();
            e.a.vmov(TMP, X0);
            e.a.v2(MOVAPS, X0, e.rm(c));
            e.op(PXOR, X0, X0, e.rm(a));
            e.reverse_bytes_bits();
            e.opi(PCLMULQDQ, X1, X0, TMP, 0x10);
            e.opi(PCLMULQDQ, X2, X0, TMP, 0x01);
            e.op(PXOR, X1, X1, X2);
            e.opi(PCLMULQDQ, X2, X0, TMP, 0x11);
            e.opi(PCLMULQDQ, X0, X0, TMP, 0x00);
            e.a.vshift_imm(PSLLDQ, TMP, X1, 8);
            e.op(PXOR, X0, X0, TMP);
            e.a.vshift_imm(PSRLDQ, X1, X1, 8);
            e.op(PXOR, X2, X2, X1);
            let k = e.constant(X1, GHASH);
            e.opi(PCLMULQDQ, X1, X2, k, 0x01);
            e.a.vshift_imm(PSLLDQ, TMP, X1, 8);
            e.op(PXOR, X0, X0, TMP);
            e.a.vshift_imm(PSRLDQ, X1, X1, 8);
            e.op(PXOR, X2, X2, X1);
            e.opi(PCLMULQDQ, X2, X2, k, 0x00);
            e.op(PXOR, X0, X0, X2);
            e.reverse_bytes_bits();
            e.put(d, X0);
            return Done::Whole;
        }
        AesMixColumns | AesInvMixColumns
            if a == d && e.aes.d == d && e.aes.end == e.a.p && e.aes.decrypt == (op == AesInvMixColumns) =>
        {
            // SAFETY: nothing was emitted since, so it is the opcode byte of this unit's AESENCLAST
            // or AESDECLAST.
            unsafe { e.aes.opcode.write(if e.aes.decrypt { AESDEC.op } else { AESENC.op }) };
            *e.aes = AesRound::NONE;
            return Done::Whole;
        }
        AesMixColumns if e.features.aes => {
            // The round's other steps undone first.
            let a = e.reg(a, X0);
            e.zero(X1);
            e.op(AESDECLAST, X0, a, X1);
            e.op(AESENC, x, X0, X1);
        }
        AesInvMixColumns if e.features.aes => e.a.v2(AESIMC, x, e.rm(a)),
        _ => return Done::No,
    }
    Done::In(x)
}

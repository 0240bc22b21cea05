//! The SHA families.

use super::super::asm::{Rm, opcodes::*};
use super::constants::{SHA1, splat};
use super::{Done, Emit, Operands, TMP, X0, X1, X2};
use anyarch_engine::vec::VOp;

/// The SHA families.
pub(super) fn lower(e: &mut Emit<'_>, op: VOp, o: &Operands) -> Done {
    use VOp::*;
    let &Operands { d, a, b, c, x, .. } = o;
    match op {
        Sha1Rotate => {
            let a = e.reg(a, X0);
            e.rotate_right(2, X0, a, 2);
            e.clear(x, X0, 4);
            e.put(d, x);
            return Done::Whole;
        }
        Sha1Schedule0 => {
            let ra = e.reg(a, X0);
            e.opi(PALIGNR, X0, ra, e.rm(c), 8);
            e.op(PXOR, X0, X0, e.rm(c));
            e.op(PXOR, x, X0, e.rm(b));
        }
        Sha1Schedule1 => {
            let ra = e.reg(a, X0);
            e.a.vshift_imm(PSRLDQ, X0, ra, 4);
            e.op(PXOR, X2, X0, e.rm(c));
            e.rotate_right(2, X2, X2, 31);
            // The last word also takes the first result, which is ready only now.
            e.a.vshift_imm(PSLLDQ, TMP, X2, 12);
            e.shl(2, X1, TMP, 1);
            e.shr(2, TMP, TMP, 31);
            e.op(PXOR, X1, X1, TMP);
            e.op(PXOR, x, X2, X1);
        }
        Sha1Choose | Sha1Parity | Sha1Majority if e.features.sha => {
            // The host's instruction adds the round constant itself, and has lane 0 at the top.
            let number = match op {
                Sha1Choose => 0,
                Sha1Parity => 1,
                _ => 2,
            };
            let (rb, k) = (e.reg(b, X1), e.constant(X2, splat(2, SHA1[number as usize] as u64)));
            e.op(PSUB[2], X1, rb, k);
            e.a.v2i(PSHUFD, X1, X1, 0x1b);
            let ra = e.reg(a, X2);
            e.a.vshift_imm(PSLLDQ, X2, ra, 12);
            e.op(PADD[2], X1, X1, X2);
            e.a.v2i(PSHUFD, X0, e.rm(c), 0x1b);
            e.a.sse(SHA1RNDS4, X0, X1);
            e.a.b(number);
            e.a.v2i(PSHUFD, x, X0, 0x1b);
        }
        Sha256Hash1 | Sha256Hash2 if e.features.sha => {
            let (abcd, efgh) = if op == Sha256Hash1 { (c, a) } else { (a, c) };
            // Lanes from the bottom: X0 = f e b a, X1 = h g d c.
            e.a.v2i(PSHUFD, X2, e.rm(abcd), 0xb1);
            e.a.v2i(PSHUFD, X0, e.rm(efgh), 0xb1);
            e.op(PUNPCKH[3], X1, X0, X2);
            e.op(PUNPCKL[3], X0, X0, X2);
            // The schedule words must be in XMM0.
            e.a.vmov(TMP, 0);
            e.a.v2(MOVAPS, X2, e.rm(b));
            e.a.vmov(0, X2);
            e.a.sse(SHA256RNDS2, X1, X0);
            e.a.v2i(PSHUFD, 0, X2, 0xee);
            e.a.sse(SHA256RNDS2, X0, X1);
            e.a.vmov(0, TMP);
            e.op(if op == Sha256Hash1 { PUNPCKH[3] } else { PUNPCKL[3] }, X0, X0, X1);
            e.a.v2i(PSHUFD, x, X0, 0xb1);
        }
        Sha256Schedule0 if e.features.sha => {
            let c = e.reg(c, X0);
            e.a.vmov(X0, c);
            let a = e.reg(a, X1);
            e.a.sse(SHA256MSG1, X0, a);
            e.a.vmov(x, X0);
        }
        Sha256Schedule1 if e.features.sha => {
            let rb = e.reg(b, X1);
            e.opi(PALIGNR, X0, rb, e.rm(a), 4);
            e.op(PADD[2], X0, X0, e.rm(c));
            e.a.sse(SHA256MSG2, X0, rb);
            e.a.vmov(x, X0);
        }
        Sha256Schedule0 => {
            let ra = e.reg(a, X0);
            e.opi(PALIGNR, X2, ra, e.rm(c), 4);
            e.sigma(2, X2, 7, 18, 3);
            e.op(PADD[2], x, X0, e.rm(c));
        }
        Sha256Schedule1 if e.a.avx => {
            let rb = e.reg(b, X0);
            e.opi(PALIGNR, X0, rb, e.rm(a), 4);
            e.op(PADD[2], TMP, X0, e.rm(c));
            // The upper two words need the lower two.
            e.a.v2i(PSHUFD, X2, e.rm(b), 0xfa);
            e.sigma1_twice();
            e.a.v2i(PSHUFD, X0, X0, 0x08);
            e.a.v2(MOVQ, X0, X0);
            e.op(PADD[2], TMP, TMP, X0);
            e.a.v2i(PSHUFD, X2, TMP, 0x50);
            e.sigma1_twice();
            e.zero(X1);
            e.opi(SHUFPS, X0, X1, Rm::R(X0), 0x80);
            e.op(PADD[2], x, TMP, X0);
        }
        Sha512Schedule0 => {
            let ra = e.reg(a, X0);
            e.opi(PALIGNR, X2, ra, e.rm(c), 8);
            e.sigma(3, X2, 1, 8, 7);
            e.op(PADD[3], x, X0, e.rm(c));
        }
        Sha512Schedule1 => {
            let ra = e.reg(a, X0);
            e.a.vmov(X2, ra);
            e.sigma(3, X2, 19, 61, 6);
            e.op(PADD[3], X0, X0, e.rm(c));
            e.op(PADD[3], x, X0, e.rm(b));
        }
        _ => return Done::No,
    }
    Done::In(x)
}

impl Emit<'_> {
    /// X0 = s rotated right by r1 ^ rotated right by r2 ^ shifted right by n, lanes of 32 or 64
    /// bits. Uses X1; s is X2 and stays.
    pub(super) fn sigma(&mut self, es: usize, s: u8, r1: u8, r2: u8, n: u8) {
        let bits = 8u8 << es;
        self.shr(es, X0, s, n);
        for r in [r1, r2] {
            self.shr(es, X1, s, r);
            self.op(PXOR, X0, X0, X1);
            self.shl(es, X1, s, bits - r);
            self.op(PXOR, X0, X0, X1);
        }
    }

    /// SHA-256's sigma1 in the low halves of X0's 64-bit lanes, of words that X2 holds twice each;
    /// the high halves are of no use. Uses X1.
    pub(super) fn sigma1_twice(&mut self) {
        // A shift of the doubled word is a rotation of its low half.
        self.shr(2, X0, X2, 10);
        self.shr(3, X1, X2, 17);
        self.op(PXOR, X0, X0, X1);
        self.shr(3, X1, X1, 2);
        self.op(PXOR, X0, X0, X1);
    }
}

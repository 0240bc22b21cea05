//! Host code for the integer vector operations: SSE4.2, or AVX and AVX2 where the processor has them.
//!
//! [`lower`] emits an operation or says that it has no code for it, and then has emitted nothing: the caller calls the reference
//! function instead. [`lower_clobbering`] does the same for operations whose code changes EFLAGS (those that set the sticky saturation flag, hash
//! rounds); [`lower`] leaves them alone: no instruction used there changes them.
//!
//! Scratch registers are XMM12 to XMM15 and RAX. The destination's
//! register may be a source's, so it is written only by the last instruction that reads a source.

use super::Features;
use super::asm::{Asm, Cc, Mem, NONE, Op, Rm, VEnc, opcodes::*, reg::RAX};
use super::sha::Sha;
use super::{Scratch, scratch, state};
use anyarch_engine::fp::FpEnv;
use anyarch_engine::ops::{V, VArgs};
use anyarch_engine::state::{Cpu, VEC_SLOTS};
use anyarch_engine::vec::{HIGH, VOp};
use core::mem::offset_of;

const X0: u8 = 12;
const X1: u8 = 13;
const X2: u8 = 14;
/// Only for SSE forms whose destination is their second source; see [`Asm::v3`].
const TMP: u8 = 15;

/// Bytes by which PSHUFB reverses the bytes of lanes of 2, 4, 8 bytes.
const REVERSE: [u128; 3] = [
    0x0e0f_0c0d_0a0b_0809_0607_0405_0203_0001,
    0x0c0d_0e0f_0809_0a0b_0405_0607_0001_0203,
    0x0809_0a0b_0c0d_0e0f_0001_0203_0405_0607,
];
/// For each byte how many of its low four bits are set.
const COUNTS: u128 = 0x0403_0302_0302_0201_0302_0201_0201_0100;
/// Four bits in reverse order.
const REVERSED: u128 = 0x0f07_0b03_0d05_0901_0e06_0a02_0c04_0800;
/// Four bits' leading zeros, of four.
const LEADING: u128 = 0x0000_0000_0000_0000_0101_0101_0202_0304;
/// GHASH's polynomial without x^128.
const GHASH: u128 = 0x87;
const SHA1: [u32; 3] = [0x5a82_7999, 0x6ed9_eba1, 0x8f1b_bcdc];

/// The value in every lane of `1 << es` bytes.
const fn splat(es: usize, value: u64) -> u128 {
    let bits = 8 << es;
    (value as u128 & (u128::MAX >> (128 - bits))) * (u128::MAX / (u128::MAX >> (128 - bits)))
}

/// Constants that code finds in the thread's state. Others are made in RAX.
pub(crate) const CONSTANTS: [u128; 68] = {
    let mut all = [0; 68];
    let mut at = 0;
    let mut n = 0;
    while n < 7 {
        all[at] = splat(0, 0x7f >> n);
        all[at + 1] = splat(0, 0xfe << n);
        all[at + 2] = splat(0, 0x40 >> n);
        at += 3;
        n += 1;
    }
    // Half units of roundings.
    n = 0;
    while n < 8 {
        all[at] = splat(1, 1 << n);
        all[at + 1] = splat(2, 1 << n);
        all[at + 2] = splat(2, 256 << n);
        at += 3;
        n += 1;
    }
    let others = [
        REVERSE[0],
        REVERSE[1],
        REVERSE[2],
        COUNTS,
        REVERSED,
        LEADING,
        splat(0, 0x70),
        splat(0, 0xd0),
        splat(0, 0x30),
        splat(1, 0xff),
        splat(1, 0xff00),
        splat(1, 0x8000),
        splat(1, 0x7fff),
        splat(2, 0xff),
        splat(2, 0xffff),
        splat(2, 0x7fff_ffff),
        splat(2, 0x8000_0000),
        splat(3, 1 << 63),
        splat(3, 0xffff_ffff),
        splat(2, SHA1[0] as u64),
        splat(2, SHA1[1] as u64),
        splat(2, SHA1[2] as u64),
        GHASH,
    ];
    n = 0;
    while n < others.len() {
        all[at] = others[n];
        at += 1;
        n += 1;
    }
    all
};

/// What lowering works with.
pub(crate) struct Emit<'a> {
    /// The emitter.
    pub(crate) a: &'a mut Asm,
    /// What the processor has.
    pub(crate) features: Features,
    /// Host registers of the vector slots.
    pub(crate) host: &'a [u8; VEC_SLOTS],
    /// The unit's last AES round.
    pub(crate) aes: &'a mut AesRound,
    /// Hash rounds on general registers.
    pub(crate) sha: Sha,
}

/// The last half of an AES round that was emitted, so that MixColumns right behind it becomes part of it: x86's AESENC differs from
/// AESENCLAST in one byte. The second guest instruction then has no code of its own, so no host address lies between the two.
#[derive(Clone, Copy)]
pub(crate) struct AesRound {
    /// The opcode byte.
    opcode: *mut u8,
    /// Where the code after it began.
    end: *mut u8,
    decrypt: bool,
    d: V,
}

impl AesRound {
    /// None yet.
    pub(crate) const NONE: AesRound =
        AesRound { opcode: core::ptr::null_mut(), end: core::ptr::null_mut(), decrypt: false, d: V(0) };
}

/// Emits `op`. False, and nothing emitted, if it has no host code.
pub(crate) fn lower(e: &mut Emit<'_>, op: VOp, args: &VArgs) -> bool {
    use VOp::*;
    let es = args.es as usize;
    let VArgs { d, a, b, c, bytes, .. } = *args;
    let n = (args.imm & 0xff) as u8;
    let high = args.imm & HIGH != 0;
    let bits = 8u8 << es;
    let x = e.def(d);
    if es > 3 && op != MulLongPoly {
        return false;
    }
    match op {
        Mov => {
            if bytes == 16 {
                if x == X0 && e.host[a.0 as usize] != NONE {
                    let r = e.reg(a, X0);
                    e.put(d, r);
                    return true;
                }
                if Rm::R(x) != e.rm(a) {
                    e.a.v2(MOVAPS, x, e.rm(a));
                }
                e.put(d, x);
                return true;
            }
            let r = e.reg(a, X0);
            e.clear(x, r, bytes);
            e.put(d, x);
            return true;
        }
        Add => e.binary(PADD[es], x, a, b),
        Sub => e.binary(PSUB[es], x, a, b),
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
            // The byte with the bits everywhere, or two of them in half a register each; then in each lane its own bit of the byte.
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
        Neg => {
            e.zero(X1);
            e.op(PSUB[es], x, X1, e.rm(a));
        }
        Abs if es < 3 => e.a.v2(PABS[es], x, e.rm(a)),
        Abs => {
            e.zero(X1);
            e.op(PCMPGT[3], X1, X1, e.rm(a));
            e.op(PXOR, X0, X1, e.rm(a));
            e.op(PSUB[3], x, X0, X1);
        }
        CmpEq => e.binary(PCMPEQ[es], x, a, b),
        CmpGtS => e.binary(PCMPGT[es], x, a, b),
        CmpGeS => {
            let b = e.reg(b, X0);
            e.op(PCMPGT[es], X0, b, e.rm(a));
            e.ones(X1);
            e.op(PXOR, x, X0, X1);
        }
        CmpGeU if es < 3 => {
            let ra = e.reg(a, X0);
            e.op(PMAXU[es], X0, ra, e.rm(b));
            e.op(PCMPEQ[es], x, X0, e.rm(a));
        }
        CmpGtU if es < 3 => {
            let ra = e.reg(a, X0);
            e.op(PMINU[es], X0, ra, e.rm(b));
            e.op(PCMPEQ[es], X0, X0, e.rm(a));
            e.ones(X1);
            e.op(PXOR, x, X0, X1);
        }
        CmpGtU | CmpGeU => {
            // With the top bits flipped the order is the signed one.
            let (p, q) = if op == CmpGtU { (a, b) } else { (b, a) };
            e.ones(X1);
            e.shl(3, X1, X1, 63);
            e.op(PXOR, X0, X1, e.rm(p));
            e.op(PXOR, X1, X1, e.rm(q));
            if op == CmpGtU {
                e.op(PCMPGT[3], x, X0, X1);
            } else {
                e.op(PCMPGT[3], X0, X0, X1);
                e.ones(X1);
                e.op(PXOR, x, X0, X1);
            }
        }
        CmpTest => {
            let ra = e.reg(a, X0);
            e.op(PAND, X0, ra, e.rm(b));
            e.zero(X1);
            e.op(PCMPEQ[es], X0, X0, X1);
            e.ones(X1);
            e.op(PXOR, x, X0, X1);
        }
        CmpEqZero => {
            e.zero(X1);
            e.op(PCMPEQ[es], x, X1, e.rm(a));
        }
        CmpGtZero => {
            let a = e.reg(a, X0);
            e.zero(X1);
            e.op(PCMPGT[es], x, a, X1);
        }
        CmpLtZero => {
            e.zero(X1);
            e.op(PCMPGT[es], x, X1, e.rm(a));
        }
        CmpGeZero => {
            let a = e.reg(a, X0);
            e.ones(X1);
            e.op(PCMPGT[es], x, a, X1);
        }
        CmpLeZero => {
            let a = e.reg(a, X0);
            e.zero(X1);
            e.op(PCMPGT[es], X0, a, X1);
            e.ones(X1);
            e.op(PXOR, x, X0, X1);
        }
        MinS if es < 3 => e.binary(PMINS[es], x, a, b),
        MinU if es < 3 => e.binary(PMINU[es], x, a, b),
        MaxS if es < 3 => e.binary(PMAXS[es], x, a, b),
        MaxU if es < 3 => e.binary(PMAXU[es], x, a, b),
        MinS | MinU | MaxS | MaxU => {
            // X1 = where a is the greater.
            if matches!(op, MinS | MaxS) {
                let ra = e.reg(a, X0);
                e.op(PCMPGT[3], X1, ra, e.rm(b));
            } else {
                e.ones(X1);
                e.shl(3, X1, X1, 63);
                e.op(PXOR, X0, X1, e.rm(a));
                e.op(PXOR, X1, X1, e.rm(b));
                e.op(PCMPGT[3], X1, X0, X1);
            }
            let (greater, other) = if matches!(op, MaxS | MaxU) { (a, b) } else { (b, a) };
            e.op(PAND, X0, X1, e.rm(greater));
            e.op(PANDN, X1, X1, e.rm(other));
            e.op(POR, x, X0, X1);
        }
        HalfAddRoundU if es < 2 => e.binary(PAVG[es], x, a, b),
        HalfAddRoundU if es == 2 => {
            let ra = e.reg(a, X0);
            e.op(PXOR, X1, ra, e.rm(b));
            e.op(POR, X0, ra, e.rm(b));
            e.shr(2, X1, X1, 1);
            e.op(PSUB[2], x, X0, X1);
        }
        AbsDiffS | AbsDiffU if es < 3 => e.abs_diff(op == AbsDiffS, es, x, a, b),
        AbsDiffAddS | AbsDiffAddU if es < 3 => {
            e.abs_diff(op == AbsDiffAddS, es, X0, a, b);
            e.op(PADD[es], x, X0, e.rm(c));
        }
        Mul => e.mul(es, x, a, b),
        MulAdd => {
            e.mul(es, X0, a, b);
            e.op(PADD[es], x, X0, e.rm(c));
        }
        MulSub => {
            e.mul(es, X0, a, b);
            let c = e.reg(c, X1);
            e.op(PSUB[es], x, c, X0);
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

        HalfAddU | HalfAddS | HalfAddRoundS | HalfSubU | HalfSubS if es < 3 => {
            // The differing bits halved, and the common ones (or those that a sum rounded up, or b alone, has) around them.
            let ra = e.reg(a, X0);
            e.op(PXOR, X2, ra, e.rm(b));
            match op {
                HalfAddU | HalfAddS => e.op(PAND, TMP, ra, e.rm(b)),
                HalfAddRoundS => e.op(POR, TMP, ra, e.rm(b)),
                _ => e.op(PANDN, TMP, ra, e.rm(b)),
            }
            let signed = matches!(op, HalfAddS | HalfAddRoundS | HalfSubS);
            e.shr_lane(signed, es, X0, X2, 1);
            match op {
                HalfAddU | HalfAddS => e.op(PADD[es], x, X0, TMP),
                HalfAddRoundS => {
                    e.op(PSUB[es], TMP, TMP, X0);
                    e.a.vmov(x, TMP);
                }
                _ => e.op(PSUB[es], x, X0, TMP),
            }
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
        DotS | DotU | DotUS => {
            // Products of 16-bit lanes: their sums in pairs, then the pairs'.
            e.extend(op == DotS, true, 1, X0, a);
            e.extend(op != DotU, true, 1, X1, b);
            e.op(PMADDWD, X2, X0, X1);
            e.extend(op == DotS, false, 1, X0, a);
            e.extend(op != DotU, false, 1, X1, b);
            e.op(PMADDWD, X0, X0, X1);
            e.op(PHADD[1], X0, X0, X2);
            e.op(PADD[2], x, X0, e.rm(c));
        }
        MatMulS | MatMulU | MatMulUS => {
            let (sa, sb) = (op == MatMulS, op != MatMulU);
            e.extend(sa, false, 1, X0, a);
            e.extend(sb, false, 1, X1, b);
            e.extend(sb, true, 1, X2, b);
            e.op(PMADDWD, X1, X1, X0);
            e.op(PMADDWD, X2, X2, X0);
            e.op(PHADD[1], X1, X1, X2);
            e.extend(sa, true, 1, X0, a);
            e.extend(sb, false, 1, X2, b);
            e.op(PMADDWD, X2, X2, X0);
            e.extend(sb, true, 1, TMP, b);
            e.a.v3(PMADDWD, X0, X0, TMP, true, TMP);
            e.op(PHADD[1], X2, X2, X0);
            e.op(PHADD[1], X1, X1, X2);
            e.op(PADD[2], x, X1, e.rm(c));
        }
        ShrRoundU | ShrRoundS | ShrRoundAddU | ShrRoundAddS if es == 0 => {
            let ra = e.reg(a, X0);
            e.shr(1, X2, ra, n - 1);
            let k = e.constant(X1, splat(0, 1));
            e.op(PAND, X2, X2, k);
            e.shr_lane(matches!(op, ShrRoundS | ShrRoundAddS), 0, X0, ra, n);
            if matches!(op, ShrRoundAddU | ShrRoundAddS) {
                e.op(PADD[0], X2, X2, e.rm(c));
            }
            e.op(PADD[0], x, X0, X2);
        }

        Shl => {
            let a = e.reg(a, X0);
            e.shl_lane(es, x, a, n);
        }
        ShrU | ShrS => {
            let a = e.reg(a, X0);
            e.shr_lane(op == ShrS, es, x, a, n);
        }
        ShrAddU | ShrAddS => {
            let a = e.reg(a, X0);
            e.shr_lane(op == ShrAddS, es, X0, a, n);
            e.op(PADD[es], x, X0, e.rm(c));
        }
        ShrRoundU | ShrRoundS | ShrRoundAddU | ShrRoundAddS if es > 0 => {
            // The last bit shifted out, moved to the bottom, is the rounding.
            let ra = e.reg(a, X0);
            e.shl(es, X2, ra, bits - n);
            e.shr(es, X2, X2, bits - 1);
            e.shr_lane(matches!(op, ShrRoundS | ShrRoundAddS), es, X0, ra, n);
            if matches!(op, ShrRoundAddU | ShrRoundAddS) {
                e.op(PADD[es], X2, X2, e.rm(c));
            }
            e.op(PADD[es], x, X0, X2);
        }
        ShlInsert => {
            let ra = e.reg(a, X0);
            if es == 0 {
                let (rc, k) = (e.reg(c, X2), e.constant(X1, splat(0, (1 << n) - 1)));
                e.op(PAND, X2, rc, k);
            } else {
                let rc = e.reg(c, X2);
                e.shl(es, X2, rc, bits - n);
                e.shr(es, X2, X2, bits - n);
            }
            e.shl_lane(es, X0, ra, n);
            e.op(POR, x, X0, X2);
        }
        ShrInsert => {
            let ra = e.reg(a, X0);
            if es == 0 {
                let (rc, k) = (e.reg(c, X2), e.constant(X1, splat(0, !(0xff >> n))));
                e.op(PAND, X2, rc, k);
            } else {
                let rc = e.reg(c, X2);
                e.shr(es, X2, rc, bits - n);
                e.shl(es, X2, X2, bits - n);
            }
            e.shr_lane(false, es, X0, ra, n);
            e.op(POR, x, X0, X2);
        }
        ShiftU | ShiftS if es == 1 && e.features.avx2 => {
            // The halves of 32-bit lanes one after the other.
            for odd in [false, true] {
                let mut rb = e.reg(b, X2);
                if odd {
                    e.shr(2, X2, rb, 16);
                    rb = X2;
                }
                let k = e.constant(TMP, splat(2, 0xff));
                e.zero(X1);
                e.op(PSUB[2], X1, X1, rb);
                e.op(PAND, X1, X1, k);
                e.op(PAND, X2, rb, k);
                let ra = e.reg(a, X0);
                match (op == ShiftS, odd) {
                    (false, true) => e.shr(2, X0, ra, 16),
                    (true, true) => e.sar(2, X0, ra, 16),
                    (false, false) => {
                        let k = e.constant(TMP, splat(2, 0xffff));
                        e.op(PAND, X0, ra, k);
                    }
                    (true, false) => {
                        e.shl(2, X0, ra, 16);
                        e.sar(2, X0, X0, 16);
                    }
                }
                if op == ShiftU {
                    e.op(VPSRLV[0], X1, X0, X1);
                    e.op(VPSLLV[0], X0, X0, X2);
                    e.op(POR, X0, X0, X1);
                } else {
                    e.op(VPSRAVD, X1, X0, X1);
                    e.op(VPSLLV[0], X0, X0, X2);
                    // Bit 7 of the amount chooses.
                    e.shl(2, X2, X2, 24);
                    e.a.vex(VBLENDVP[0], X0, X0, Rm::R(X1));
                    e.a.b(X2 << 4);
                }
                if odd {
                    e.shl(2, X0, X0, 16);
                    e.opi(PBLENDW, x, TMP, Rm::R(X0), 0xaa);
                } else {
                    e.a.vmov(TMP, X0);
                }
            }
        }
        ShiftU if es >= 2 && e.features.avx2 => {
            // A negative amount's low byte is at least 128, which shifts everything out; so does the wrong sign's.
            e.amounts(es, b);
            let ra = e.reg(a, X0);
            e.op(VPSRLV[es - 2], X2, ra, X2);
            e.op(VPSLLV[es - 2], X0, ra, X1);
            e.op(POR, x, X0, X2);
        }
        ShiftS if es >= 2 && e.features.avx2 => {
            e.amounts(es, b);
            let ra = e.reg(a, X0);
            if es == 2 {
                e.op(VPSRAVD, X2, ra, X2);
            } else {
                // No arithmetic form: the bits relative to the sign.
                e.zero(TMP);
                e.op(PCMPGT[3], TMP, TMP, ra);
                e.a.vex(PXOR, TMP, TMP, Rm::R(ra));
                e.op(VPSRLV[1], X2, TMP, X2);
                e.zero(TMP);
                e.op(PCMPGT[3], TMP, TMP, ra);
                e.op(PXOR, X2, X2, TMP);
            }
            e.op(VPSLLV[es - 2], X0, ra, X1);
            // Bit 7 of the amount to the lane's top chooses.
            e.shl(es, X1, X1, bits - 8);
            e.a.vex(VBLENDVP[es - 2], x, X0, Rm::R(X2));
            e.a.b(X1 << 4);
        }

        ShlLongU | ShlLongS => {
            if n == 0 {
                e.extend(op == ShlLongS, high, es, x, a);
            } else {
                e.extend(op == ShlLongS, high, es, X0, a);
                e.shl(es, x, X0, n);
            }
        }
        AddLongS | AddLongU | SubLongS | SubLongU => {
            let signed = matches!(op, AddLongS | SubLongS);
            e.extend(signed, high, es, X0, a);
            e.extend(signed, high, es, X1, b);
            let add = matches!(op, AddLongS | AddLongU);
            e.op(if add { PADD[es] } else { PSUB[es] }, x, X0, X1);
        }
        AddWideS | AddWideU | SubWideS | SubWideU => {
            e.extend(matches!(op, AddWideS | SubWideS), high, es, X1, b);
            let a = e.reg(a, X0);
            let add = matches!(op, AddWideS | AddWideU);
            e.op(if add { PADD[es] } else { PSUB[es] }, x, a, X1);
        }
        AbsDiffLongS | AbsDiffLongU | AbsDiffLongAddS | AbsDiffLongAddU => {
            e.abs_diff(matches!(op, AbsDiffLongS | AbsDiffLongAddS), es - 1, X0, a, b);
            let add = matches!(op, AbsDiffLongAddS | AbsDiffLongAddU);
            let to = if add { X0 } else { x };
            e.extend_reg(false, high, es, to, X0);
            if add {
                e.op(PADD[es], x, X0, e.rm(c));
            }
        }
        MulLongS | MulLongU => e.mul_long(op == MulLongS, high, es, x, a, b),
        MulLongAddS | MulLongAddU => {
            e.mul_long(op == MulLongAddS, high, es, X0, a, b);
            e.op(PADD[es], x, X0, e.rm(c));
        }
        MulLongSubS | MulLongSubU => {
            e.mul_long(op == MulLongSubS, high, es, X0, a, b);
            let c = e.reg(c, X1);
            e.op(PSUB[es], x, c, X0);
        }
        MulLongPoly if es == 4 && e.features.pclmul => {
            let a = e.reg(a, X0);
            e.opi(PCLMULQDQ, x, a, e.rm(b), if high { 0x11 } else { 0 });
        }

        ShrNarrow => {
            let ra = e.reg(a, X0);
            e.narrow(es, X0, ra, n);
            return e.place(args, high);
        }
        ShrNarrowRound | AddNarrowHighRound | SubNarrowHighRound | AddNarrowHigh | SubNarrowHigh => {
            let ra = e.reg(a, X0);
            let n = if op == ShrNarrowRound { n } else { bits };
            let sum = match op {
                ShrNarrowRound => ra,
                AddNarrowHigh | AddNarrowHighRound => {
                    e.op(PADD[es + 1], X0, ra, e.rm(b));
                    X0
                }
                _ => {
                    e.op(PSUB[es + 1], X0, ra, e.rm(b));
                    X0
                }
            };
            if matches!(op, AddNarrowHigh | SubNarrowHigh) {
                e.narrow(es, X0, sum, n);
            } else {
                // Half a unit.
                let k = e.constant(X1, splat(es + 1, (1u64 << n) >> 1));
                e.op(PADD[es + 1], X0, sum, k);
                e.narrow(es, X0, X0, n);
            }
            return e.place(args, high);
        }

        AddPairs | MaxPairsS | MaxPairsU | MinPairsS | MinPairsU => {
            let instruction = match op {
                AddPairs => PADD[es],
                _ if es == 3 => return false,
                MaxPairsS => PMAXS[es],
                MaxPairsU => PMAXU[es],
                MinPairsS => PMINS[es],
                _ => PMINU[es],
            };
            let ra = e.reg(a, X0);
            if bytes == 16 && op == AddPairs && (es == 1 || es == 2) {
                e.op(PHADD[es - 1], x, ra, e.rm(b));
            } else if es == 3 {
                if bytes != 16 {
                    return false;
                }
                e.op(PUNPCKH[3], X1, ra, e.rm(b));
                e.op(PUNPCKL[3], X0, ra, e.rm(b));
                e.op(PADD[3], x, X0, X1);
            } else {
                let (mut p, mut q) = (ra, NONE);
                if bytes < 16 {
                    e.op(PUNPCKL[3], X0, ra, e.rm(b));
                    p = X0;
                } else {
                    q = e.reg(b, X1);
                }
                // Each pair's result in its even lane, then the even lanes.
                e.shr(es + 1, X2, p, bits);
                e.op(instruction, X0, X2, p);
                if q != NONE {
                    e.shr(es + 1, X2, q, bits);
                    e.op(instruction, X1, X2, q);
                    q = X1;
                } else {
                    q = X0;
                }
                e.uzp1(es, x, X0, q);
            }
        }
        AddPairsLongU | AddPairsLongS | AddPairsLongAddU | AddPairsLongAddS => {
            let signed = matches!(op, AddPairsLongS | AddPairsLongAddS);
            let add = matches!(op, AddPairsLongAddU | AddPairsLongAddS);
            if signed && es == 3 {
                return false;
            }
            let to = if add { X0 } else { x };
            e.pairs_long(signed, es, to, a);
            if add {
                e.op(PADD[es], x, X0, e.rm(c));
            }
        }

        SumAcross if es == 0 => {
            e.sum_bytes(bytes, X0, a);
            e.clear(x, X0, 1);
            e.put(d, x);
            return true;
        }
        SumAcrossLongU if es == 1 => {
            e.sum_bytes(bytes, x, a);
            e.put(d, x);
            return true;
        }
        SumAcross => return e.across(PADD[es], args, e.rm(a)),
        SumAcrossLongS | SumAcrossLongU if es < 3 => {
            e.pairs_long(op == SumAcrossLongS, es, X0, a);
            return e.across(PADD[es], args, Rm::R(X0));
        }
        MinAcrossU | MaxAcrossU if bytes == 16 && es < 2 => {
            let mut r = e.reg(a, X0);
            if op == MaxAcrossU {
                e.ones(X2);
                e.op(PXOR, X0, X2, r);
                r = X0;
            }
            if es == 0 {
                e.shr(1, X1, r, 8);
                e.op(PMINU[0], X0, X1, r);
                r = X0;
            }
            e.a.v2(PHMINPOSUW, X0, r);
            if op == MaxAcrossU {
                e.op(PXOR, X0, X0, X2);
            }
            e.clear(x, X0, 1 << es);
            e.put(d, x);
            return true;
        }
        MaxAcrossS if es < 3 => return e.across(PMAXS[es], args, e.rm(a)),
        MaxAcrossU if es < 3 => return e.across(PMAXU[es], args, e.rm(a)),
        MinAcrossS if es < 3 => return e.across(PMINS[es], args, e.rm(a)),
        MinAcrossU if es < 3 => return e.across(PMINU[es], args, e.rm(a)),

        Reverse => match (es, n) {
            (0, _) => {
                let (ra, k) = (e.reg(a, X0), e.constant(X1, REVERSE[n as usize - 1]));
                e.op(PSHUFB, x, ra, k);
            }
            (1, _) => {
                let order = if n == 2 { 0xb1 } else { 0x1b };
                e.a.v2i(PSHUFLW, X0, e.rm(a), order);
                e.a.v2i(PSHUFHW, x, X0, order);
            }
            _ => e.a.v2i(PSHUFD, x, e.rm(a), 0xb1),
        },
        Extract if bytes == 16 => {
            let b = e.reg(b, X0);
            e.opi(PALIGNR, x, b, e.rm(a), n);
        }
        Extract => {
            let a = e.reg(a, X0);
            e.op(PUNPCKL[3], X0, a, e.rm(b));
            e.a.vshift_imm(PSRLDQ, x, X0, n);
        }
        Zip1 => e.binary(PUNPCKL[es], x, a, b),
        Zip2 if bytes == 16 => e.binary(PUNPCKH[es], x, a, b),
        Zip2 => {
            let a = e.reg(a, X0);
            e.op(PUNPCKL[es], X0, a, e.rm(b));
            e.a.vshift_imm(PSRLDQ, x, X0, 8);
        }
        Uzp1 | Uzp2 => {
            let (mut p, mut q) = (e.reg(a, X0), X0);
            if bytes < 16 {
                e.op(PUNPCKL[3], X0, p, e.rm(b));
                p = X0;
            } else {
                q = e.reg(b, X1);
            }
            if op == Uzp1 { e.uzp1(es, x, p, q) } else { e.uzp2(es, x, p, q) }
        }
        Trn1 => match es {
            3 => e.binary(PUNPCKL[3], x, a, b),
            0 => {
                let b = e.reg(b, X1);
                e.shl(1, X1, b, 8);
                let (a, k) = (e.reg(a, X0), e.constant(X0, splat(1, 0xff)));
                e.op(PAND, X0, a, k);
                e.op(POR, x, X0, X1);
            }
            _ => {
                let (rb, ra) = (e.reg(b, X1), e.reg(a, X0));
                e.shl(es + 1, X1, rb, bits);
                e.opi(PBLENDW, x, ra, Rm::R(X1), if es == 1 { 0xaa } else { 0xcc });
            }
        },
        Trn2 => match es {
            3 => e.binary(PUNPCKH[3], x, a, b),
            0 => {
                let a = e.reg(a, X1);
                e.shr(1, X1, a, 8);
                let (b, k) = (e.reg(b, X0), e.constant(X0, splat(1, 0xff00)));
                e.op(PAND, X0, b, k);
                e.op(POR, x, X0, X1);
            }
            _ => {
                let a = e.reg(a, X0);
                e.shr(es + 1, X0, a, bits);
                e.opi(PBLENDW, x, X0, e.rm(b), if es == 1 { 0xaa } else { 0xcc });
            }
        },
        DupLane => {
            e.dup_lane(x, a, es, bytes, n);
            if bytes == 1 << es {
                e.put(d, x);
                return true;
            }
        }
        InsertLane => {
            let (to, from) = (n, (args.imm >> 8) as u8);
            match es {
                3 => match (to, from) {
                    (0, 0) => {
                        let (c, a) = (e.reg(c, X0), e.reg(a, X1));
                        e.op(MOVSD, x, c, a);
                    }
                    (0, _) => e.binary(PUNPCKH[3], x, a, c),
                    (_, 0) => e.binary(PUNPCKL[3], x, c, a),
                    _ => {
                        let c = e.reg(c, X0);
                        e.opi(SHUFPD, x, c, e.rm(a), 2);
                    }
                },
                2 => {
                    let (c, a) = (e.reg(c, X0), e.reg(a, X1));
                    e.opi(INSERTPS, x, c, Rm::R(a), from << 6 | to << 4);
                }
                _ => {
                    let a = e.reg(a, X1);
                    e.a.v2i(PEXTR[es], a, RAX, from);
                    let c = e.reg(c, X0);
                    // A general register has the number of a vector register, but is not that register.
                    if !e.a.avx {
                        e.a.vmov(x, c);
                        e.a.sse(PINSR[es], x, RAX);
                    } else {
                        e.a.vex(PINSR[es], x, c, RAX);
                    }
                    e.a.b(to);
                }
            }
        }

        AesEncLast | AesDecLast if e.features.aes => {
            let a = e.reg(a, X0);
            e.op(PXOR, X0, a, e.rm(b));
            e.zero(X1);
            e.op(if op == AesEncLast { AESENCLAST } else { AESDECLAST }, x, X0, X1);
            // The opcode stands before the last byte, which names the registers.
            let opcode = e.a.p.wrapping_sub(2);
            e.put(d, x);
            *e.aes = AesRound { opcode, end: e.a.p, decrypt: op == AesDecLast, d };
            return true;
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
            // Powers in the bits' order, by reversing the bits of bytes; the product of 256 bits in X2 and X0; reduction from the top in two steps.
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
            return true;
        }
        AesMixColumns | AesInvMixColumns
            if a == d && e.aes.d == d && e.aes.end == e.a.p && e.aes.decrypt == (op == AesInvMixColumns) =>
        {
            // SAFETY: nothing was emitted since, so it is the opcode byte of this unit's AESENCLAST or AESDECLAST.
            unsafe { e.aes.opcode.write(if e.aes.decrypt { AESDEC.op } else { AESENC.op }) };
            *e.aes = AesRound::NONE;
            return true;
        }
        AesMixColumns if e.features.aes => {
            // The round's other steps undone first.
            let a = e.reg(a, X0);
            e.zero(X1);
            e.op(AESDECLAST, X0, a, X1);
            e.op(AESENC, x, X0, X1);
        }
        AesInvMixColumns if e.features.aes => e.a.v2(AESIMC, x, e.rm(a)),

        Sha1Rotate => {
            let a = e.reg(a, X0);
            e.rotate_right(2, X0, a, 2);
            e.clear(x, X0, 4);
            e.put(d, x);
            return true;
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
        _ => return false,
    }
    if bytes < 16 {
        e.clear(x, x, bytes);
    }
    e.put(d, x);
    true
}

/// Emits an operation whose code changes EFLAGS, which must be free. False, and nothing emitted, if it has no host code.
pub(crate) fn lower_clobbering(e: &mut Emit<'_>, op: VOp, args: &VArgs) -> bool {
    use VOp::*;
    let es = args.es as usize;
    let VArgs { d, a, b, c, bytes, .. } = *args;
    let n = (args.imm & 0xff) as u8;
    let rounds = match op {
        Sha1Choose => e.sha.sha1[0],
        Sha1Parity => e.sha.sha1[1],
        Sha1Majority => e.sha.sha1[2],
        Sha256Hash1 => e.sha.sha256[0],
        Sha256Hash2 => e.sha.sha256[1],
        Sha512Hash1 => e.sha.sha512[0],
        Sha512Hash2 => e.sha.sha512[1],
        _ => core::ptr::null(),
    };
    if !rounds.is_null() {
        // SHA-256's second operation notes its operands as the first one.
        let [p, q] = if op == Sha256Hash2 { [a, c] } else { [c, a] };
        for (x, s) in [(X0, p), (X1, q), (X2, b)] {
            e.a.v2(MOVAPS, x, e.rm(s));
        }
        e.a.call_to(rounds);
        e.put(d, X0);
        return true;
    }
    let bits = 8u8 << es;
    match op {
        NegSat | AbsSat if es < 3 || op == NegSat => {
            if op == NegSat {
                e.zero(X0);
                e.op(PSUB[es], X0, X0, e.rm(a));
            } else {
                e.a.v2(PABS[es], X0, e.rm(a));
            }
            e.saturate_smallest(es, bytes);
            e.put_low(d, X0, bytes);
            true
        }
        AddSatS | SubSatS if es > 1 => {
            let (ra, rb) = (e.reg(a, X0), e.reg(b, X1));
            e.add_saturating(op == SubSatS, es, bytes, ra, rb);
            e.put_low(d, X0, bytes);
            true
        }
        AddSatU | SubSatU if es == 2 => {
            // As much as fits is added; as much as is there is taken away.
            let (ra, rb) = (e.reg(a, X0), e.reg(b, X1));
            if op == AddSatU {
                e.op(PADD[2], X2, ra, rb);
                e.ones(TMP);
                e.a.v3(PXOR, TMP, TMP, Rm::R(ra), true, TMP);
                e.a.v3(PMINU[2], TMP, TMP, Rm::R(rb), true, TMP);
                e.op(PADD[2], X0, ra, TMP);
            } else {
                e.op(PSUB[2], X2, ra, rb);
                e.op(PMAXU[2], X0, ra, rb);
                e.op(PSUB[2], X0, X0, rb);
            }
            e.note_difference(X0, X2, bytes);
            e.put_low(d, X0, bytes);
            true
        }
        ShlSatS | ShlSatU | ShlSatSU if es == 1 || es == 2 => {
            // What does not come back when shifted back did not fit.
            let ra = e.reg(a, X0);
            e.a.vmov(X2, ra);
            e.shl(es, X1, X2, n);
            if op == ShlSatS {
                e.sar(es, X0, X1, n);
                e.op(PCMPEQ[es], X0, X0, X2);
                // The largest, or the smallest for a negative number.
                e.sar(es, X2, X2, bits - 1);
                e.ones(TMP);
                e.shr(es, TMP, TMP, 1);
                e.a.v3(PXOR, X2, X2, TMP, true, TMP);
            } else {
                e.shr(es, X0, X1, n);
                e.op(PCMPEQ[es], X0, X0, X2);
                e.sar(es, X2, X2, bits - 1);
                e.ones(TMP);
                if op == ShlSatSU {
                    // Negative numbers never fit, and become zero.
                    e.a.v3(PXOR, X2, X2, TMP, true, TMP);
                    e.op(PAND, X0, X0, X2);
                } else {
                    e.a.vmov(X2, TMP);
                }
            }
            // Fits ? shifted : limit.
            e.op(PAND, X1, X1, X0);
            e.op(PANDN, X2, X0, X2);
            e.op(POR, X1, X1, X2);
            e.ones(X2);
            e.note_difference(X0, X2, bytes);
            e.put_low(d, X1, bytes);
            true
        }
        MulDoubleHighSat | MulDoubleHighRoundSat if es == 2 => {
            let (ra, rb) = (e.reg(a, X0), e.reg(b, X1));
            e.shr(3, X2, ra, 32);
            e.shr(3, TMP, rb, 32);
            e.a.v3(PMULDQ, X2, X2, TMP, true, TMP);
            e.op(PMULDQ, X0, ra, rb);
            if op == MulDoubleHighRoundSat {
                e.load_constant(X1, splat(3, 1 << 30));
                e.op(PADD[3], X0, X0, X1);
                e.op(PADD[3], X2, X2, X1);
            }
            e.shr(3, X0, X0, 31);
            e.shl(3, X2, X2, 1);
            e.opi(PBLENDW, X0, X0, Rm::R(X2), 0xcc);
            e.saturate_smallest(2, bytes);
            e.put_low(d, X0, bytes);
            true
        }
        MulLongDoubleSat | MulLongDoubleAddSat | MulLongDoubleSubSat if bytes == 16 => {
            e.mul_long(true, args.imm & HIGH != 0, es, X0, a, b);
            e.op(PADD[es], X0, X0, X0);
            e.saturate_smallest(es, 16);
            if op != MulLongDoubleSat {
                e.a.vmov(X1, X0);
                let rc = e.reg(c, X0);
                e.add_saturating(op == MulLongDoubleSubSat, es, 16, rc, X1);
            }
            e.put_low(d, X0, bytes);
            true
        }
        AddSatS | AddSatU | SubSatS | SubSatU if es < 2 => {
            let (saturating, wrapping) = match op {
                AddSatS => (PADDS[es], PADD[es]),
                AddSatU => (PADDUS[es], PADD[es]),
                SubSatS => (PSUBS[es], PSUB[es]),
                _ => (PSUBUS[es], PSUB[es]),
            };
            let ra = e.reg(a, X0);
            e.op(wrapping, X1, ra, e.rm(b));
            e.op(saturating, X0, ra, e.rm(b));
            e.note_difference(X0, X1, bytes);
            e.put_low(d, X0, bytes);
            true
        }
        MulDoubleHighSat | MulDoubleHighRoundSat if es == 1 => {
            let ra = e.reg(a, X0);
            if op == MulDoubleHighRoundSat {
                e.op(PMULHRSW, X0, ra, e.rm(b));
            } else {
                e.op(PMULHW, X1, ra, e.rm(b));
                e.op(PMULLW, X0, ra, e.rm(b));
                e.op(PADD[1], X1, X1, X1);
                e.shr(1, X0, X0, 15);
                e.op(POR, X0, X0, X1);
            }
            // Only the square of the smallest number does not fit, and only its result is this.
            e.ones(X1);
            e.shl(1, X1, X1, 15);
            e.op(PCMPEQ[1], X1, X1, X0);
            e.op(PXOR, X1, X1, X0);
            e.note_difference(X0, X1, bytes);
            e.put_low(d, X1, bytes);
            true
        }
        ShrNarrowSatS | ShrNarrowSatU | ShrNarrowSatSU | ShrNarrowRoundSatS | ShrNarrowRoundSatU
        | ShrNarrowRoundSatSU
            if es < 2 =>
        {
            let high = args.imm & HIGH != 0;
            let mut r = e.reg(a, X0);
            let rounding =
                n > 0 && matches!(op, ShrNarrowRoundSatS | ShrNarrowRoundSatU | ShrNarrowRoundSatSU);
            let op = match op {
                ShrNarrowRoundSatS => ShrNarrowSatS,
                ShrNarrowRoundSatU => ShrNarrowSatU,
                ShrNarrowRoundSatSU => ShrNarrowSatSU,
                op => op,
            };
            if rounding {
                // The last bit shifted out.
                e.shl(es + 1, X2, r, 2 * bits - n);
                e.shr(es + 1, X2, X2, 2 * bits - 1);
            }
            if n > 0 {
                if op == ShrNarrowSatU {
                    e.shr(es + 1, X0, r, n)
                } else {
                    e.sar(es + 1, X0, r, n)
                }
                r = X0;
            }
            if rounding {
                e.op(PADD[es + 1], X0, X0, X2);
            }
            // What comes back when the result is widened again is the same, or did not fit.
            let (pack, widen) = match op {
                ShrNarrowSatS => (PACKSS[es], PMOVSX[es]),
                _ => (PACKUS[es], PMOVZX[es]),
            };
            e.zero(TMP);
            if op == ShrNarrowSatU {
                e.ones(X1);
                e.shr(es + 1, X1, X1, 8 << es);
                e.a.v2(MOVAPS, X2, r);
                e.op(PMINU[es + 1], X1, X1, X2);
                e.zero(X2);
                e.op(pack, X1, X1, X2);
            } else {
                e.a.v2(MOVAPS, X1, r);
                e.op(pack, X1, X1, TMP);
            }
            e.a.v2(widen, X2, X1);
            e.note_difference(r, X2, if bytes < 8 { 2 * bytes } else { 16 });
            e.a.vmov(X0, X1);
            e.place(args, high)
        }
        _ => false,
    }
}

/// Emits a table lookup, see [`anyarch_engine::ops::Ops::vtbl`]. False, and nothing emitted,
/// without AVX.
pub(crate) fn table(e: &mut Emit<'_>, keep: bool, d: V, first: V, n: u8, idx: V, bytes: u8) -> bool {
    if !e.a.avx {
        return false;
    }
    let x = e.def(d);
    // PSHUFB looks at the low four bits and gives zero where bit 7 is set: adding 0x70 with saturation sets it from 16 on.
    e.load_constant(TMP, splat(0, 0x70));
    for k in 0..n {
        if k == 0 {
            e.op(PADDUS[0], X0, TMP, e.rm(idx));
        } else {
            e.load_constant(X0, splat(0, 256 - 16 * k as u64));
            e.op(PADD[0], X0, X0, e.rm(idx));
            e.op(PADDUS[0], X0, X0, TMP);
        }
        let t = e.reg(first.after(k), X1);
        if k == 0 {
            e.op(PSHUFB, X2, t, X0);
        } else {
            e.op(PSHUFB, X0, t, X0);
            e.op(POR, X2, X2, X0);
        }
    }
    if keep {
        e.load_constant(X0, splat(0, 0x10 * n as u64));
        e.op(PMAXU[0], X0, X0, e.rm(idx));
        e.op(PCMPEQ[0], X0, X0, e.rm(idx));
        e.op(PAND, X0, X0, e.rm(d));
        e.op(POR, X2, X2, X0);
    }
    e.clear(x, X2, bytes);
    e.put(d, x);
    true
}

/// Whether [`load_struct`] and [`store_struct`] have code for structures of `n` elements.
pub(crate) fn has_struct(e: &Emit<'_>, n: u8) -> bool {
    e.a.avx && n != 3
}

/// Emits a structure load from the address in general register `base` (not RAX), see
/// [`anyarch_engine::ops::Ops::vload_struct`]. Loads come before any change; intermediate vectors
/// wait in the slots of temporaries.
pub(crate) fn load_struct(e: &mut Emit<'_>, n: u8, es: u8, bytes: u8, first: V, base: u8) {
    let es = es as usize;
    let d = |k: u8| first.after(k);
    let temp = |k: u8| state(offset_of!(Cpu, vec) + (V::T0.0 + k) as usize * 16);
    let load = |e: &mut Emit<'_>, x: u8, k: i32| e.a.v2(MOVUPS, x, Mem::base(base, 16 * k));
    load(e, X0, 0);
    match (n, bytes) {
        (2, 16) => load(e, X1, 1),
        (2, _) => e.a.vmov(X1, X0),
        _ => {
            load(e, X1, 1);
            e.split(es);
            if bytes == 16 {
                e.a.v2(MOVAPS_STORE, X0, temp(0));
                e.a.v2(MOVAPS_STORE, TMP, temp(1));
                load(e, X0, 2);
                load(e, X1, 3);
                e.split(es);
                e.a.v2(MOVAPS_STORE, TMP, temp(2));
                e.a.vmov(X1, X0);
                e.a.v2(MOVAPS, X0, temp(0));
            } else {
                e.a.v2(MOVAPS_STORE, TMP, temp(1));
                e.a.vmov(X1, X0);
            }
        }
    }
    e.split(es);
    e.put_low(d(0), X0, bytes);
    if n == 2 {
        return e.put_low(d(1), TMP, bytes);
    }
    e.put_low(d(2), TMP, bytes);
    e.a.v2(MOVAPS, X0, temp(1));
    e.a.v2(MOVAPS, X1, temp(if bytes == 16 { 2 } else { 1 }));
    e.split(es);
    e.put_low(d(1), X0, bytes);
    e.put_low(d(3), TMP, bytes);
}

/// Emits a structure store to the address in general register `base` (not RAX).
pub(crate) fn store_struct(e: &mut Emit<'_>, n: u8, es: u8, bytes: u8, first: V, base: u8) {
    let es = es as usize;
    let s = |k: u8| first.after(k);
    let store = |e: &mut Emit<'_>, x: u8, k: i32| e.a.v2(MOVUPS_STORE, x, Mem::base(base, 16 * k));
    if n == 2 {
        e.binary(PUNPCKL[es], X1, s(0), s(1));
        store(e, X1, 0);
        if bytes == 16 {
            e.binary(PUNPCKH[es], X1, s(0), s(1));
            store(e, X1, 1);
        }
        return;
    }
    for (half, zip) in [PUNPCKL[es], PUNPCKH[es]].into_iter().enumerate() {
        if half == 1 && bytes == 8 {
            break;
        }
        e.binary(zip, X1, s(0), s(2));
        e.binary(zip, X2, s(1), s(3));
        e.op(PUNPCKL[es], X0, X1, X2);
        store(e, X0, 2 * half as i32);
        e.op(PUNPCKH[es], X0, X1, X2);
        store(e, X0, 2 * half as i32 + 1);
    }
}

impl Emit<'_> {
    /// X0 = even lanes of X1:X0, TMP = odd lanes. Uses X1 and X2; with AVX only.
    fn split(&mut self, es: usize) {
        match es {
            3 => {
                self.op(PUNPCKH[3], TMP, X0, X1);
                self.op(PUNPCKL[3], X0, X0, X1);
            }
            2 => {
                self.opi(SHUFPS, TMP, X0, Rm::R(X1), 0xdd);
                self.opi(SHUFPS, X0, X0, Rm::R(X1), 0x88);
            }
            _ => {
                self.shr(es + 1, X2, X1, 8 << es);
                self.shr(es + 1, TMP, X0, 8 << es);
                self.op(PACKUS[es], TMP, TMP, X2);
                self.uzp1(es, X0, X0, X1);
            }
        }
    }

    /// Sets the sticky saturation flag if the low `bytes` bytes of p and q differ. Uses q, RAX and EFLAGS.
    fn note_difference(&mut self, p: u8, q: u8, bytes: u8) {
        // q may be the result: the comparison goes to TMP.
        self.op(PCMPEQ[0], TMP, q, p);
        self.a.v2(MOVMSK[0], RAX, TMP);
        self.a.not(false, RAX);
        self.a.test_imm(false, RAX, (1 << bytes) - 1);
        self.a.setcc(Cc::Ne, RAX);
        self.a.alu_store8(Op::Or, state(offset_of!(Cpu, fp) + offset_of!(FpEnv, saturated)), RAX);
    }

    /// X0's smallest numbers become the largest, which is noted: the results of operations where only that one result does not fit. Uses X1.
    fn saturate_smallest(&mut self, es: usize, bytes: u8) {
        let k = self.constant(X1, splat(es, 1 << ((8u32 << es) - 1)));
        if es == 3 {
            self.a.v2(MOVAPS, X1, k);
            self.op(PCMPEQ[3], X1, X1, X0);
        } else {
            if k != Rm::R(X1) {
                self.a.v2(MOVAPS, X1, k);
            }
            self.op(PCMPEQ[es], X1, X1, X0);
        }
        self.op(PXOR, X1, X1, X0);
        self.note_difference(X0, X1, bytes);
        self.a.vmov(X0, X1);
    }

    /// X0 = p + q or p - q, signed and saturating, lanes of 32 or 64 bits; notes saturation. Uses X1, which may be q, and X2.
    fn add_saturating(&mut self, sub: bool, es: usize, bytes: u8, p: u8, q: u8) {
        // It did not fit where the result's sign is not p's, although q's says so: p ^ r and (sub ? p ^ q : !(p ^ q)) both negative.
        self.op(if sub { PSUB[es] } else { PADD[es] }, X2, p, q);
        self.a.v3(PXOR, TMP, X2, Rm::R(p), true, TMP);
        if sub {
            self.op(PXOR, X1, q, p);
        } else {
            self.op(PXOR, X1, q, X2);
        }
        self.a.v3(PAND, TMP, TMP, Rm::R(X1), true, TMP);
        self.zero(X1);
        self.op(PCMPGT[es], X1, X1, TMP);
        // The limit in p's direction: all ones or zero, with the top bit flipped.
        self.zero(TMP);
        self.a.v3(PCMPGT[es], TMP, TMP, Rm::R(p), false, X0);
        let k = self.constant(X0, splat(es, (1u64 << ((8 << es) - 1)) - 1));
        self.a.v3(PXOR, TMP, TMP, k, true, TMP);
        // Did not fit ? limit : result.
        self.a.v3(PAND, TMP, TMP, Rm::R(X1), true, TMP);
        self.op(PANDN, X0, X1, X2);
        self.op(POR, X0, X0, TMP);
        self.zero(X2);
        self.note_difference(X1, X2, bytes);
    }

    /// X0 = the leading zeros of its lanes of up to 32 bits. Uses X1, X2 and TMP.
    fn leading_zeros(&mut self, es: usize) {
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

    /// d = the low `bytes` bytes of x.
    fn put_low(&mut self, d: V, x: u8, bytes: u8) {
        self.clear(x, x, bytes);
        self.put(d, x);
    }

    /// The slot's register, or `scratch` after loading.
    fn reg(&mut self, s: V, scratch: u8) -> u8 {
        let h = self.host[s.0 as usize];
        if h != NONE {
            return h;
        }
        self.a.v2(MOVAPS, scratch, self.rm(s));
        scratch
    }

    /// The slot as an operand: its register or its memory.
    fn rm(&self, s: V) -> Rm {
        let h = self.host[s.0 as usize];
        if h != NONE { Rm::R(h) } else { Rm::M(state(offset_of!(Cpu, vec) + s.0 as usize * 16)) }
    }

    /// The register to compute `d` in.
    fn def(&self, d: V) -> u8 {
        let h = self.host[d.0 as usize];
        if h == NONE { X0 } else { h }
    }

    /// Completes a definition computed in `x`.
    fn put(&mut self, d: V, x: u8) {
        match self.rm(d) {
            Rm::R(h) => self.a.vmov(h, x),
            m => self.a.v2(MOVAPS_STORE, x, m),
        }
    }

    fn op(&mut self, i: VEnc, d: u8, a: u8, b: impl Into<Rm>) {
        self.a.v3(i, d, a, b, false, TMP);
    }

    fn opi(&mut self, i: VEnc, d: u8, a: u8, b: impl Into<Rm>, imm: u8) {
        self.a.v3i(i, d, a, b, imm, TMP);
    }

    /// x = a op b, b perhaps in memory.
    fn binary(&mut self, i: VEnc, x: u8, a: V, b: V) {
        let a = self.reg(a, X0);
        self.op(i, x, a, self.rm(b));
    }

    fn zero(&mut self, x: u8) {
        self.op(PXOR, x, x, x);
    }

    fn ones(&mut self, x: u8) {
        self.op(PCMPEQ[2], x, x, x);
    }

    /// d = the low `bytes` bytes of s, zero above.
    fn clear(&mut self, d: u8, s: u8, bytes: u8) {
        match bytes {
            16 => self.a.vmov(d, s),
            8 => self.a.v2(MOVQ, d, s),
            4 => self.opi(INSERTPS, d, s, Rm::R(s), 0b1110),
            _ => {
                self.a.v2i(PEXTR[(bytes == 2) as usize], s, RAX, 0);
                self.a.v2(MOVD, d, RAX);
            }
        }
    }

    /// A constant as an operand: in the state if it is there, else made in `x`. Uses RAX.
    fn constant(&mut self, x: u8, value: u128) -> Rm {
        if let Some(n) = CONSTANTS.iter().position(|&c| c == value) {
            return Rm::M(state(scratch(offset_of!(Scratch, constants)) + n * 16));
        }
        let (low, high) = (value as u64, (value >> 64) as u64);
        if low == high && low as u32 == (low >> 32) as u32 {
            self.a.mov_imm(RAX, low as u32 as u64);
            self.a.v2(MOVD, x, RAX);
            self.a.v2i(PSHUFD, x, x, 0);
            return Rm::R(x);
        }
        self.a.mov_imm(RAX, low);
        self.a.v2(MOVQ_FROM_GPR, x, RAX);
        if low == high {
            self.a.v2i(PSHUFD, x, x, 0x44);
            return Rm::R(x);
        }
        self.a.mov_imm(RAX, high);
        if self.a.avx {
            self.a.vex(PINSR[3], x, x, RAX)
        } else {
            self.a.sse(PINSR[3], x, RAX)
        }
        self.a.b(1);
        Rm::R(x)
    }

    /// x = a constant. Uses RAX.
    fn load_constant(&mut self, x: u8, value: u128) {
        if let m @ Rm::M(_) = self.constant(x, value) {
            self.a.v2(MOVAPS, x, m);
        }
    }

    /// X0 = the low four bits of a's bytes, X2 = their high four bits.
    fn nibbles(&mut self, a: V) {
        let k = self.constant(X1, splat(0, 0x0f));
        let ra = self.reg(a, X0);
        self.shr(1, X2, ra, 4);
        self.op(PAND, X2, X2, k);
        self.op(PAND, X0, ra, k);
    }

    /// X0 = the bits of X0's bytes in reverse order. Uses X1 and X2.
    fn reverse_bytes_bits(&mut self) {
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

    /// Shifts of lanes of 16 to 64 bits; an amount of the lane's width or more gives zero.
    fn shl(&mut self, es: usize, d: u8, a: u8, n: u8) {
        self.a.vshift_imm(psll(es), d, a, n);
    }

    fn shr(&mut self, es: usize, d: u8, a: u8, n: u8) {
        self.a.vshift_imm(psrl(es), d, a, n);
    }

    /// 16 and 32 bits only.
    fn sar(&mut self, es: usize, d: u8, a: u8, n: u8) {
        self.a.vshift_imm(psra(es), d, a, n);
    }

    /// Left shift of lanes of any size. Uses X1.
    fn shl_lane(&mut self, es: usize, x: u8, a: u8, n: u8) {
        if es > 0 {
            self.shl(es, x, a, n);
        } else if n == 0 {
            self.a.vmov(x, a);
        } else {
            let k = self.constant(X1, splat(0, 0xff >> n));
            self.op(PAND, X1, a, k);
            self.shl(1, x, X1, n);
        }
    }

    /// Right shift of lanes of any size, n in 1..=lane bits. Uses X1.
    fn shr_lane(&mut self, signed: bool, es: usize, x: u8, a: u8, n: u8) {
        match (es, signed) {
            (0, false) => {
                let k = self.constant(X1, splat(0, 0xff >> n));
                self.shr(1, X0, a, n);
                self.op(PAND, x, X0, k);
            }
            (0, true) => {
                // Unsigned, then the sign bit's new place flipped and subtracted, which fills the bits above it.
                let n = n.min(7);
                let k = self.constant(X1, splat(0, 0xff >> n));
                self.shr(1, X0, a, n);
                self.op(PAND, X0, X0, k);
                let k = self.constant(X1, splat(0, 0x80 >> n));
                self.op(PXOR, X0, X0, k);
                self.op(PSUB[0], x, X0, k);
            }
            (3, true) => {
                self.zero(X1);
                self.op(PCMPGT[3], X1, X1, a);
                self.shl(3, X1, X1, 64 - n);
                self.shr(3, X0, a, n);
                self.op(POR, x, X0, X1);
            }
            (_, true) => self.sar(es, x, a, n),
            (_, false) => self.shr(es, x, a, n),
        }
    }

    /// Rotation of lanes of 16 to 64 bits by n below the width. Uses X1.
    fn rotate_right(&mut self, es: usize, x: u8, a: u8, n: u8) {
        if n == 0 {
            return self.a.vmov(x, a);
        }
        self.shl(es, X1, a, (8 << es) - n);
        self.shr(es, X0, a, n);
        self.op(POR, x, X0, X1);
    }

    /// X0 = s rotated right by r1 ^ rotated right by r2 ^ shifted right by n, lanes of 32 or 64 bits. Uses X1; s is X2 and stays.
    fn sigma(&mut self, es: usize, s: u8, r1: u8, r2: u8, n: u8) {
        let bits = 8u8 << es;
        self.shr(es, X0, s, n);
        for r in [r1, r2] {
            self.shr(es, X1, s, r);
            self.op(PXOR, X0, X0, X1);
            self.shl(es, X1, s, bits - r);
            self.op(PXOR, X0, X0, X1);
        }
    }

    /// SHA-256's sigma1 in the low halves of X0's 64-bit lanes, of words that X2 holds twice each; the high halves are of no
    /// use. Uses X1.
    fn sigma1_twice(&mut self) {
        // A shift of the doubled word is a rotation of its low half.
        self.shr(2, X0, X2, 10);
        self.shr(3, X1, X2, 17);
        self.op(PXOR, X0, X0, X1);
        self.shr(3, X1, X1, 2);
        self.op(PXOR, X0, X0, X1);
    }

    /// X1 = the low bytes of b's lanes, X2 = those of -b.
    fn amounts(&mut self, es: usize, b: V) {
        self.ones(X0);
        self.shr(es, X0, X0, (8 << es) - 8);
        self.zero(X2);
        self.op(PSUB[es], X2, X2, self.rm(b));
        self.op(PAND, X2, X2, X0);
        self.op(PAND, X1, X0, self.rm(b));
    }

    /// x = |a - b|. Uses X0 and X1.
    fn abs_diff(&mut self, signed: bool, es: usize, x: u8, a: V, b: V) {
        let ra = self.reg(a, X0);
        if !signed && es < 2 {
            let rb = self.reg(b, X1);
            self.op(PSUBUS[es], X2, rb, ra);
            self.op(PSUBUS[es], X0, ra, rb);
            self.op(POR, x, X0, X2);
        } else {
            let (max, min) = if signed { (PMAXS[es], PMINS[es]) } else { (PMAXU[es], PMINU[es]) };
            self.op(max, X1, ra, self.rm(b));
            self.op(min, X0, ra, self.rm(b));
            self.op(PSUB[es], x, X1, X0);
        }
    }

    /// x = a * b, low halves. Uses X0 to X2.
    fn mul(&mut self, es: usize, x: u8, a: V, b: V) {
        if es == 3 {
            // The products of halves, of those that reach the upper half only what is in it.
            let (ra, rb) = (self.reg(a, X0), self.reg(b, X1));
            self.shr(3, X2, ra, 32);
            self.op(PMULUDQ, X2, X2, rb);
            self.shr(3, TMP, rb, 32);
            self.a.v3(PMULUDQ, TMP, TMP, ra, true, NONE);
            self.op(PADD[3], X2, X2, TMP);
            self.shl(3, X2, X2, 32);
            self.op(PMULUDQ, X0, ra, rb);
            return self.op(PADD[3], x, X0, X2);
        }
        match es {
            0 => {
                let (ra, rb) = (self.reg(a, X0), self.reg(b, X1));
                // Even and odd bytes apart.
                self.shr(1, X2, ra, 8);
                self.shr(1, TMP, rb, 8);
                self.op(PMULLW, X2, X2, TMP);
                self.shl(1, X2, X2, 8);
                self.op(PMULLW, X0, ra, rb);
                self.shl(1, X0, X0, 8);
                self.shr(1, X0, X0, 8);
                self.op(POR, x, X0, X2);
            }
            1 => self.binary(PMULLW, x, a, b),
            _ => self.binary(PMULLD, x, a, b),
        }
    }

    /// Lanes of half of `es` to `es`, from the low or the high half.
    fn extend(&mut self, signed: bool, high: bool, es: usize, x: u8, a: V) {
        if high {
            self.a.v2i(PSHUFD, TMP, self.rm(a), 0xee);
            self.extend_reg(signed, false, es, x, TMP);
        } else {
            self.a.v2(if signed { PMOVSX[es - 1] } else { PMOVZX[es - 1] }, x, self.rm(a));
        }
    }

    fn extend_reg(&mut self, signed: bool, high: bool, es: usize, x: u8, a: u8) {
        let i = if signed { PMOVSX[es - 1] } else { PMOVZX[es - 1] };
        if high {
            self.a.v2i(PSHUFD, TMP, a, 0xee);
            self.a.v2(i, x, TMP);
        } else {
            self.a.v2(i, x, a);
        }
    }

    /// x = the products of the half-size lanes. Uses X0 and X1.
    fn mul_long(&mut self, signed: bool, high: bool, es: usize, x: u8, a: V, b: V) {
        match es {
            1 => {
                self.extend(signed, high, 1, X0, a);
                self.extend(signed, high, 1, X1, b);
                self.op(PMULLW, x, X0, X1);
            }
            2 => {
                let ra = self.reg(a, X0);
                self.op(if signed { PMULHW } else { PMULHUW }, X1, ra, self.rm(b));
                self.op(PMULLW, X0, ra, self.rm(b));
                self.op(if high { PUNPCKH[1] } else { PUNPCKL[1] }, x, X0, X1);
            }
            _ => {
                let order = if high { 0xfa } else { 0x50 };
                self.a.v2i(PSHUFD, X0, self.rm(a), order);
                self.a.v2i(PSHUFD, X1, self.rm(b), order);
                self.op(if signed { PMULDQ } else { PMULUDQ }, x, X0, X1);
            }
        }
    }

    /// Low half of d = bits n.. of the double-size lanes of a, truncated to `es`; upper half zero. Uses X1.
    fn narrow(&mut self, es: usize, d: u8, a: u8, n: u8) {
        let bits = 8u8 << es;
        if es == 2 {
            let s = if n > 0 {
                self.shr(3, d, a, n);
                d
            } else {
                a
            };
            self.a.v2i(PSHUFD, d, s, 0x08);
            self.a.v2(MOVQ, d, d);
            return;
        }
        let s = if n < bits {
            self.shl(es + 1, d, a, bits - n);
            d
        } else {
            a
        };
        self.shr(es + 1, d, s, bits);
        self.zero(X1);
        self.op(PACKUS[es], d, d, X1);
    }

    /// Puts a narrowed vector in X0 into its half of the destination.
    fn place(&mut self, args: &VArgs, high: bool) -> bool {
        if high {
            let x = self.def(args.d);
            let c = self.reg(args.c, X1);
            self.op(PUNPCKL[3], x, c, X0);
            self.put(args.d, x);
        } else {
            // Above the narrowed half it is zero already.
            if args.bytes < 8 { self.put_low(args.d, X0, args.bytes) } else { self.put(args.d, X0) }
        }
        true
    }

    /// Even lanes of q:p. Uses X0 to X2.
    fn uzp1(&mut self, es: usize, x: u8, p: u8, q: u8) {
        match es {
            3 => self.op(PUNPCKL[3], x, p, q),
            2 => self.opi(SHUFPS, x, p, Rm::R(q), 0x88),
            _ => {
                let k = self.constant(X2, splat(es + 1, if es == 0 { 0xff } else { 0xffff }));
                let last = if q == X0 { X0 } else { X1 };
                if q != X0 {
                    self.op(PAND, X1, q, k);
                }
                self.op(PAND, X0, p, k);
                self.op(PACKUS[es], x, X0, last);
            }
        }
    }

    /// Odd lanes of q:p. Uses X0 and X2.
    fn uzp2(&mut self, es: usize, x: u8, p: u8, q: u8) {
        match es {
            3 => self.op(PUNPCKH[3], x, p, q),
            2 => self.opi(SHUFPS, x, p, Rm::R(q), 0xdd),
            _ => {
                self.shr(es + 1, X2, q, 8 << es);
                self.shr(es + 1, X0, p, 8 << es);
                self.op(PACKUS[es], x, X0, X2);
            }
        }
    }

    /// Sums of neighbouring half-size lanes. Uses X1; `signed` not for `es` 3.
    fn pairs_long(&mut self, signed: bool, es: usize, x: u8, a: V) {
        match (es, signed) {
            (1, _) => {
                // Products with ones.
                let ra = self.reg(a, X0);
                self.ones(X1);
                self.a.v2(PABS[0], X1, X1);
                if signed { self.op(PMADDUBSW, x, X1, ra) } else { self.op(PMADDUBSW, x, ra, X1) }
            }
            (2, true) => {
                self.ones(X1);
                self.a.v2(PABS[1], X1, X1);
                self.op(PMADDWD, x, X1, self.rm(a));
            }
            _ => {
                let half = 4 << es;
                let ra = self.reg(a, X0);
                self.shr(es, X1, ra, half);
                self.shl(es, X0, ra, half);
                self.shr(es, X0, X0, half);
                self.op(PADD[es], x, X0, X1);
            }
        }
    }

    /// x = the sum of a's low `bytes` bytes, zero above. Uses X0 and X1.
    fn sum_bytes(&mut self, bytes: u8, x: u8, a: V) {
        self.zero(X1);
        if bytes == 16 {
            self.op(PSADBW, X0, X1, self.rm(a));
            self.a.v2i(PSHUFD, X1, X0, 0xee);
            self.op(PADD[2], X0, X0, X1);
            self.a.v2(MOVQ, x, X0);
        } else {
            let r = self.reg(a, X0);
            self.a.v2(MOVQ, X0, r);
            self.op(PSADBW, x, X0, X1);
        }
    }

    /// Folds the low `bytes` bytes of s to one lane with an associative operation.
    fn across(&mut self, i: VEnc, args: &VArgs, s: Rm) -> bool {
        let es = args.es as usize;
        let mut r = s;
        debug_assert!(args.bytes > 1 << es);
        if args.bytes == 16 {
            self.a.v2i(PSHUFD, X1, r, 0xee);
            self.op(i, X0, X1, r);
            r = Rm::R(X0);
        }
        if es < 3 {
            self.a.v2i(PSHUFD, X1, r, 0x55);
            self.op(i, X0, X1, r);
        }
        if es < 2 {
            self.shr(2, X1, X0, 16);
            self.op(i, X0, X0, X1);
        }
        if es < 1 {
            self.shr(1, X1, X0, 8);
            self.op(i, X0, X0, X1);
        }
        let x = self.def(args.d);
        self.clear(x, X0, 1 << es);
        self.put(args.d, x);
        true
    }

    /// Every lane of x (or, for one lane, x itself) = lane n of a.
    fn dup_lane(&mut self, x: u8, a: V, es: usize, bytes: u8, n: u8) {
        if bytes == 1 << es {
            let ra = self.reg(a, X0);
            match es {
                3 if n == 0 => self.a.v2(MOVQ, x, ra),
                3 => self.a.vshift_imm(PSRLDQ, x, ra, 8),
                2 => self.opi(INSERTPS, x, ra, Rm::R(ra), n << 6 | 0b1110),
                _ => {
                    self.a.v2i(PEXTR[es], ra, RAX, n);
                    self.a.v2(MOVD, x, RAX);
                }
            }
            return;
        }
        match es {
            3 => self.a.v2i(PSHUFD, x, self.rm(a), if n == 0 { 0x44 } else { 0xee }),
            2 => self.a.v2i(PSHUFD, x, self.rm(a), n * 0x55),
            _ if self.features.avx2 => {
                let mut r = self.reg(a, X0);
                if n > 0 {
                    self.a.vshift_imm(PSRLDQ, X0, r, n << es);
                    r = X0;
                }
                self.a.v2(VPBROADCAST[es], x, r);
            }
            1 if n < 4 => {
                self.a.v2i(PSHUFLW, X0, self.rm(a), n * 0x55);
                self.a.v2i(PSHUFD, x, X0, 0);
            }
            1 => {
                self.a.v2i(PSHUFHW, X0, self.rm(a), (n - 4) * 0x55);
                self.a.v2i(PSHUFD, x, X0, 0xff);
            }
            _ => {
                let r = self.reg(a, X0);
                let k = self.constant(X1, splat(0, n as u64));
                self.op(PSHUFB, x, r, k);
            }
        }
    }
}

#[cfg(test)]
mod tests;

//! Host code for the integer vector operations: SSE4.2, or AVX and AVX2 where the processor has them.
//!
//! [`lower`] emits an operation or says that it has no code for it, and then has emitted nothing: the caller calls the reference
//! function instead. [`lower_clobbering`] does the same for operations whose code changes EFLAGS (those that set the sticky saturation flag, hash
//! rounds); [`lower`] leaves them alone: no instruction used there changes them.
//!
//! Scratch registers are XMM12 to XMM15 and RAX. The destination's
//! register may be a source's, so it is written only by the last instruction that reads a source.

mod arith;
mod constants;
mod crypto;
mod emit;
mod long;
mod permute;
mod saturate;
mod shift;
mod structures;

pub(crate) use constants::CONSTANTS;
pub(crate) use permute::table;
pub(crate) use saturate::lower_clobbering;
pub(crate) use structures::{has_struct, load_struct, store_struct};

use self::constants::{COUNTS, GHASH, REVERSE, SHA1, splat};
use super::Features;
use super::asm::{Asm, Mem, NONE, Rm, opcodes::*, reg::RAX};
use super::sha::Sha;
use anyarch_engine::ops::{V, VArgs};
use anyarch_engine::state::VEC_SLOTS;
use anyarch_engine::vec::{HIGH, VOp};

const X0: u8 = 12;
const X1: u8 = 13;
const X2: u8 = 14;
/// Only for SSE forms whose destination is their second source; see [`Asm::v3`].
const TMP: u8 = 15;

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

#[cfg(test)]
mod tests;

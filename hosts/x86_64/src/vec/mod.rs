//! Host code for the integer vector operations: SSE4.2, or AVX and AVX2 where the processor has
//! them.
//!
//! [`lower`] emits an operation or says that it has no code for it, and then has emitted nothing:
//! the caller calls the reference function instead. [`lower_clobbering`] does the same for
//! operations whose code changes EFLAGS (those that set the sticky saturation flag, hash rounds);
//! [`lower`] leaves them alone: no instruction used there changes them.
//!
//! Scratch registers are XMM12 to XMM15 and RAX. The destination's
//! register may be a source's, so it is written only by the last instruction that reads a source.

mod aes;
mod arith;
mod compare;
mod constants;
mod emit;
mod fold;
mod hash;
mod logic;
mod long;
mod permute;
mod saturate;
mod shift;
mod structures;

pub(crate) use constants::CONSTANTS;
pub(crate) use permute::table;
pub(crate) use saturate::lower_clobbering;
pub(crate) use structures::{has_struct, load_struct, store_struct};

use super::Features;
use super::asm::Asm;
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
}

/// The last half of an AES round that was emitted, so that MixColumns right behind it becomes part
/// of it: x86's AESENC differs from AESENCLAST in one byte. The second guest instruction then has
/// no code of its own, so no host address lies between the two.
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

impl Default for AesRound {
    fn default() -> AesRound {
        AesRound::NONE
    }
}

/// Emits `op`. False, and nothing emitted, if it has no host code.
pub(crate) fn lower(e: &mut Emit<'_>, op: VOp, args: &VArgs) -> bool {
    use VOp::*;
    if args.es > 3 && op != MulLongPoly {
        return false;
    }
    let o = Operands::new(e, args);
    let done = match op {
        Mov | And | Or | Xor | AndNot | OrNot | Not | Select | Blend | BitsToLanes | Xor3 | XorAndNot
        | XorRor | XorRol | Popcount | ReverseBits | LeadingZeros | LeadingSigns => logic::lower(e, op, &o),
        CmpEq | CmpGtS | CmpGeS | CmpGeU | CmpGtU | CmpTest | CmpEqZero | CmpGtZero | CmpLtZero
        | CmpGeZero | CmpLeZero | MinS | MinU | MaxS | MaxU => compare::lower(e, op, &o),
        Add | Sub | Neg | Abs | HalfAddRoundU | AbsDiffS | AbsDiffU | AbsDiffAddS | AbsDiffAddU | Mul
        | MulAdd | MulSub | HalfAddU | HalfAddS | HalfAddRoundS | HalfSubU | HalfSubS | DotS | DotU
        | DotUS | MatMulS | MatMulU | MatMulUS => arith::lower(e, op, &o),
        ShrRoundU | ShrRoundS | ShrRoundAddU | ShrRoundAddS | Shl | ShrU | ShrS | ShrAddU | ShrAddS
        | ShlInsert | ShrInsert | ShiftU | ShiftS => shift::lower(e, op, &o),
        ShlLongU | ShlLongS | AddLongS | AddLongU | SubLongS | SubLongU | AddWideS | AddWideU | SubWideS
        | SubWideU | AbsDiffLongS | AbsDiffLongU | AbsDiffLongAddS | AbsDiffLongAddU | MulLongS
        | MulLongU | MulLongAddS | MulLongAddU | MulLongSubS | MulLongSubU | MulLongPoly | ShrNarrow
        | ShrNarrowRound | AddNarrowHighRound | SubNarrowHighRound | AddNarrowHigh | SubNarrowHigh => {
            long::lower(e, op, &o)
        }
        AddPairs | MaxPairsS | MaxPairsU | MinPairsS | MinPairsU | AddPairsLongU | AddPairsLongS
        | AddPairsLongAddU | AddPairsLongAddS | SumAcross | SumAcrossLongU | SumAcrossLongS | MinAcrossU
        | MaxAcrossU | MaxAcrossS | MinAcrossS => fold::lower(e, op, &o),
        Reverse | Extract | Zip1 | Zip2 | Uzp1 | Uzp2 | Trn1 | Trn2 | DupLane | InsertLane => {
            permute::lower(e, op, &o)
        }
        AesEncLast | AesDecLast | AesEncLastKey | AesEncKey | AesDecLastKey | AesMixColumns
        | AesInvMixColumns | GhashMul => aes::lower(e, op, &o),
        Sha1Rotate | Sha1Schedule0 | Sha1Schedule1 | Sha1Choose | Sha1Parity | Sha1Majority | Sha256Hash1
        | Sha256Hash2 | Sha256Schedule0 | Sha256Schedule1 | Sha512Schedule0 | Sha512Schedule1 => {
            hash::lower(e, op, &o)
        }
        _ => Done::No,
    };
    match done {
        Done::No => false,
        Done::Whole => true,
        Done::In(x) => {
            if o.bytes < 16 {
                e.clear(x, x, o.bytes);
            }
            e.put(o.d, x);
            true
        }
    }
}

/// What an operation works with, in the forms that code is made from.
struct Operands {
    d: V,
    a: V,
    b: V,
    c: V,
    /// The register in which the result is made: `d`'s own, or XMM12.
    x: u8,
    /// Log2 of the lane's bytes.
    es: usize,
    /// Bytes of the operation.
    bytes: u8,
    /// Bits of a lane.
    bits: u8,
    /// The whole immediate.
    imm: u32,
    /// The immediate's low byte: an amount or a lane.
    n: u8,
    /// Whether the operation takes, or makes, the upper half.
    high: bool,
}

impl Operands {
    #[inline(always)]
    fn new(e: &Emit<'_>, args: &VArgs) -> Operands {
        let VArgs { d, a, b, c, es, bytes, imm } = *args;
        let (es, n, high) = (es as usize, (imm & 0xff) as u8, imm & HIGH != 0);
        Operands { d, a, b, c, x: e.def(d), es, bytes, bits: 8u8 << es, imm, n, high }
    }
}

/// What became of an operation.
enum Done {
    /// It has no code, and nothing was emitted.
    No,
    /// All of the destination is written.
    Whole,
    /// The result is in this register, right in its low `bytes` bytes.
    In(u8),
}

#[cfg(test)]
mod tests;

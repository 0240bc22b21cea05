//! Floating-point vector instructions (chapter 13, and the floating-point parts of 14 and 16), half
//! precision included (Zvfh).
//!
//! Every element is computed by the engine's reference functions in the rounding mode of frm.

use crate::decode::Insn;
use crate::fp::{canonical_nan, class, is_nan, is_signaling, sign_bit};
use crate::system::rounding;
use crate::v::{Done, Group, Stop, Unit, either, legal, play, vectors, vectors_and_result};
use crate::v_fast::perm::{self, Pushed};
use crate::v_fast::{self, reduce, widen};
use crate::v_perm::slide1;
use anyarch_engine::fp::{self, FOp, FpEnv, Rounding, flag, imm};
use anyarch_engine::ops::{Helper, HelperExit, Ops, Round, V, VArgs};
use anyarch_engine::state::Cpu;

crate::rows! {
    "000000 m vs2:5 vs1:5 001 vd:5 1010111" VfaddVv float[Op::Add];
    "000000 m vs2:5 fs1:5 101 vd:5 1010111" VfaddVf float[Op::Add];
    "000010 m vs2:5 vs1:5 001 vd:5 1010111" VfsubVv float[Op::Sub];
    "000010 m vs2:5 fs1:5 101 vd:5 1010111" VfsubVf float[Op::Sub];
    "000100 m vs2:5 vs1:5 001 vd:5 1010111" VfminVv float[Op::Min];
    "000100 m vs2:5 fs1:5 101 vd:5 1010111" VfminVf float[Op::Min];
    "000110 m vs2:5 vs1:5 001 vd:5 1010111" VfmaxVv float[Op::Max];
    "000110 m vs2:5 fs1:5 101 vd:5 1010111" VfmaxVf float[Op::Max];
    "001000 m vs2:5 vs1:5 001 vd:5 1010111" VfsgnjVv float[Op::Sgnj];
    "001000 m vs2:5 fs1:5 101 vd:5 1010111" VfsgnjVf float[Op::Sgnj];
    "001001 m vs2:5 vs1:5 001 vd:5 1010111" VfsgnjnVv float[Op::Sgnjn];
    "001001 m vs2:5 fs1:5 101 vd:5 1010111" VfsgnjnVf float[Op::Sgnjn];
    "001010 m vs2:5 vs1:5 001 vd:5 1010111" VfsgnjxVv float[Op::Sgnjx];
    "001010 m vs2:5 fs1:5 101 vd:5 1010111" VfsgnjxVf float[Op::Sgnjx];
    "100000 m vs2:5 vs1:5 001 vd:5 1010111" VfdivVv float[Op::Div];
    "100000 m vs2:5 fs1:5 101 vd:5 1010111" VfdivVf float[Op::Div];
    "100001 m vs2:5 fs1:5 101 vd:5 1010111" VfrdivVf float[Op::Rdiv];
    "100100 m vs2:5 vs1:5 001 vd:5 1010111" VfmulVv float[Op::Mul];
    "100100 m vs2:5 fs1:5 101 vd:5 1010111" VfmulVf float[Op::Mul];
    "100111 m vs2:5 fs1:5 101 vd:5 1010111" VfrsubVf float[Op::Rsub];
    "101000 m vs2:5 vs1:5 001 vd:5 1010111" VfmaddVv float[Op::Madd];
    "101000 m vs2:5 fs1:5 101 vd:5 1010111" VfmaddVf float[Op::Madd];
    "101001 m vs2:5 vs1:5 001 vd:5 1010111" VfnmaddVv float[Op::Nmadd];
    "101001 m vs2:5 fs1:5 101 vd:5 1010111" VfnmaddVf float[Op::Nmadd];
    "101010 m vs2:5 vs1:5 001 vd:5 1010111" VfmsubVv float[Op::Msub];
    "101010 m vs2:5 fs1:5 101 vd:5 1010111" VfmsubVf float[Op::Msub];
    "101011 m vs2:5 vs1:5 001 vd:5 1010111" VfnmsubVv float[Op::Nmsub];
    "101011 m vs2:5 fs1:5 101 vd:5 1010111" VfnmsubVf float[Op::Nmsub];
    "101100 m vs2:5 vs1:5 001 vd:5 1010111" VfmaccVv float[Op::Macc];
    "101100 m vs2:5 fs1:5 101 vd:5 1010111" VfmaccVf float[Op::Macc];
    "101101 m vs2:5 vs1:5 001 vd:5 1010111" VfnmaccVv float[Op::Nmacc];
    "101101 m vs2:5 fs1:5 101 vd:5 1010111" VfnmaccVf float[Op::Nmacc];
    "101110 m vs2:5 vs1:5 001 vd:5 1010111" VfmsacVv float[Op::Msac];
    "101110 m vs2:5 fs1:5 101 vd:5 1010111" VfmsacVf float[Op::Msac];
    "101111 m vs2:5 vs1:5 001 vd:5 1010111" VfnmsacVv float[Op::Nmsac];
    "101111 m vs2:5 fs1:5 101 vd:5 1010111" VfnmsacVf float[Op::Nmsac];
    "010011 m vs2:5 00000 001 vd:5 1010111" VfsqrtV float[Op::Sqrt];
    "010011 m vs2:5 00100 001 vd:5 1010111" Vfrsqrt7V float[Op::Rsqrt7];
    "010011 m vs2:5 00101 001 vd:5 1010111" Vfrec7V float[Op::Rec7];
    "010011 m vs2:5 10000 001 vd:5 1010111" VfclassV float[Op::Class];
    "110000 m vs2:5 vs1:5 001 vd:5 1010111" VfwaddVv wide[Op::Add];
    "110000 m vs2:5 fs1:5 101 vd:5 1010111" VfwaddVf wide[Op::Add];
    "110010 m vs2:5 vs1:5 001 vd:5 1010111" VfwsubVv wide[Op::Sub];
    "110010 m vs2:5 fs1:5 101 vd:5 1010111" VfwsubVf wide[Op::Sub];
    "111000 m vs2:5 vs1:5 001 vd:5 1010111" VfwmulVv wide[Op::Mul];
    "111000 m vs2:5 fs1:5 101 vd:5 1010111" VfwmulVf wide[Op::Mul];
    "111100 m vs2:5 vs1:5 001 vd:5 1010111" VfwmaccVv wide[Op::Macc];
    "111100 m vs2:5 fs1:5 101 vd:5 1010111" VfwmaccVf wide[Op::Macc];
    "111101 m vs2:5 vs1:5 001 vd:5 1010111" VfwnmaccVv wide[Op::Nmacc];
    "111101 m vs2:5 fs1:5 101 vd:5 1010111" VfwnmaccVf wide[Op::Nmacc];
    "111110 m vs2:5 vs1:5 001 vd:5 1010111" VfwmsacVv wide[Op::Msac];
    "111110 m vs2:5 fs1:5 101 vd:5 1010111" VfwmsacVf wide[Op::Msac];
    "111111 m vs2:5 vs1:5 001 vd:5 1010111" VfwnmsacVv wide[Op::Nmsac];
    "111111 m vs2:5 fs1:5 101 vd:5 1010111" VfwnmsacVf wide[Op::Nmsac];
    "110100 m vs2:5 vs1:5 001 vd:5 1010111" VfwaddWv wide_w[Op::Add];
    "110100 m vs2:5 fs1:5 101 vd:5 1010111" VfwaddWf wide_w[Op::Add];
    "110110 m vs2:5 vs1:5 001 vd:5 1010111" VfwsubWv wide_w[Op::Sub];
    "110110 m vs2:5 fs1:5 101 vd:5 1010111" VfwsubWf wide_w[Op::Sub];
    "011000 m vs2:5 vs1:5 001 vd:5 1010111" VmfeqVv compare[Test::Eq];
    "011000 m vs2:5 fs1:5 101 vd:5 1010111" VmfeqVf compare[Test::Eq];
    "011001 m vs2:5 vs1:5 001 vd:5 1010111" VmfleVv compare[Test::Le];
    "011001 m vs2:5 fs1:5 101 vd:5 1010111" VmfleVf compare[Test::Le];
    "011011 m vs2:5 vs1:5 001 vd:5 1010111" VmfltVv compare[Test::Lt];
    "011011 m vs2:5 fs1:5 101 vd:5 1010111" VmfltVf compare[Test::Lt];
    "011100 m vs2:5 vs1:5 001 vd:5 1010111" VmfneVv compare[Test::Ne];
    "011100 m vs2:5 fs1:5 101 vd:5 1010111" VmfneVf compare[Test::Ne];
    "011101 m vs2:5 fs1:5 101 vd:5 1010111" VmfgtVf compare[Test::Gt];
    "011111 m vs2:5 fs1:5 101 vd:5 1010111" VmfgeVf compare[Test::Ge];
    "000001 m vs2:5 vs1:5 001 vd:5 1010111" VfredusumVs reduce[Op::Add];
    "000011 m vs2:5 vs1:5 001 vd:5 1010111" VfredosumVs reduce[Op::Add];
    "000101 m vs2:5 vs1:5 001 vd:5 1010111" VfredminVs reduce[Op::Min];
    "000111 m vs2:5 vs1:5 001 vd:5 1010111" VfredmaxVs reduce[Op::Max];
    "110001 m vs2:5 vs1:5 001 vd:5 1010111" VfwredusumVs reduce_wide;
    "110011 m vs2:5 vs1:5 001 vd:5 1010111" VfwredosumVs reduce_wide;
    "010010 m vs2:5 00000 001 vd:5 1010111" VfcvtXuFV convert[Conversion::ToU];
    "010010 m vs2:5 00001 001 vd:5 1010111" VfcvtXFV convert[Conversion::ToS];
    "010010 m vs2:5 00010 001 vd:5 1010111" VfcvtFXuV convert[Conversion::FromU];
    "010010 m vs2:5 00011 001 vd:5 1010111" VfcvtFXV convert[Conversion::FromS];
    "010010 m vs2:5 00110 001 vd:5 1010111" VfcvtRtzXuFV convert[Conversion::ToUz];
    "010010 m vs2:5 00111 001 vd:5 1010111" VfcvtRtzXFV convert[Conversion::ToSz];
    "010010 m vs2:5 01000 001 vd:5 1010111" VfwcvtXuFV convert[Conversion::WideToU];
    "010010 m vs2:5 01001 001 vd:5 1010111" VfwcvtXFV convert[Conversion::WideToS];
    "010010 m vs2:5 01010 001 vd:5 1010111" VfwcvtFXuV convert[Conversion::WideFromU];
    "010010 m vs2:5 01011 001 vd:5 1010111" VfwcvtFXV convert[Conversion::WideFromS];
    "010010 m vs2:5 01100 001 vd:5 1010111" VfwcvtFFV convert[Conversion::WideFloat];
    "010010 m vs2:5 01110 001 vd:5 1010111" VfwcvtRtzXuFV convert[Conversion::WideToUz];
    "010010 m vs2:5 01111 001 vd:5 1010111" VfwcvtRtzXFV convert[Conversion::WideToSz];
    "010010 m vs2:5 10000 001 vd:5 1010111" VfncvtXuFW convert[Conversion::NarrowToU];
    "010010 m vs2:5 10001 001 vd:5 1010111" VfncvtXFW convert[Conversion::NarrowToS];
    "010010 m vs2:5 10010 001 vd:5 1010111" VfncvtFXuW convert[Conversion::NarrowFromU];
    "010010 m vs2:5 10011 001 vd:5 1010111" VfncvtFXW convert[Conversion::NarrowFromS];
    "010010 m vs2:5 10100 001 vd:5 1010111" VfncvtFFW convert[Conversion::NarrowFloat];
    "010010 m vs2:5 10101 001 vd:5 1010111" VfncvtRodFFW convert[Conversion::NarrowOdd];
    "010010 m vs2:5 10110 001 vd:5 1010111" VfncvtRtzXuFW convert[Conversion::NarrowToUz];
    "010010 m vs2:5 10111 001 vd:5 1010111" VfncvtRtzXFW convert[Conversion::NarrowToSz];
    "010000 1 vs2:5 00000 001 fd:5 1010111" VfmvFS moves[Move::ToF];
    "010000 1 00000 fs1:5 101 vd:5 1010111" VfmvSF moves[Move::FromF];
    "010111 m vs2:5 fs1:5 101 vd:5 1010111" VfmergeVf moves[Move::Merge];
    "001110 m vs2:5 fs1:5 101 vd:5 1010111" Vfslide1upVf moves[Move::Slide1Up];
    "001111 m vs2:5 fs1:5 101 vd:5 1010111" Vfslide1downVf moves[Move::Slide1Down];
}

crate::v::numbered! {
    /// What is computed of vs2's element a, the other operand's b and vd's old d.
    Op {
        Add Sub Rsub Mul Div Rdiv Min Max Sgnj Sgnjn Sgnjx
        Madd Nmadd Msub Nmsub Macc Nmacc Msac Nmsac
        Sqrt Rsqrt7 Rec7 Class
    }
}

crate::v::numbered! {
    /// Comparisons.
    Test { Eq Ne Lt Le Gt Ge }
}

crate::v::numbered! {
    /// Conversions: of the same width, to twice the width, to half the width.
    Conversion {
        ToU ToS ToUz ToSz FromU FromS
        WideToU WideToS WideToUz WideToSz WideFromU WideFromS WideFloat
        NarrowToU NarrowToS NarrowToUz NarrowToSz NarrowFromU NarrowFromS NarrowFloat NarrowOdd
    }
}

crate::v::numbered! {
    /// Moves and the like.
    Move { ToF FromF Merge Slide1Up Slide1Down }
}

const WIDE: u32 = 1 << 8;
const WIDE_A: u32 = 1 << 9;

fn float<O: Ops>(o: &mut O, i: Insn, op: Op) {
    let arg = i.word as u64 | (op as u64) << 32;
    if !v_fast::fp::float(o, i, op, ARITH, arg) {
        o.helper(ARITH, arg);
    }
}

fn wide<O: Ops>(o: &mut O, i: Insn, op: Op) {
    either(o, i, op as u32 | WIDE, ARITH, |o, f, arg| widen::float(o, i, op, false, f, arg));
}

fn wide_w<O: Ops>(o: &mut O, i: Insn, op: Op) {
    either(o, i, op as u32 | WIDE | WIDE_A, ARITH, |o, f, arg| widen::float(o, i, op, true, f, arg));
}

fn compare<O: Ops>(o: &mut O, i: Insn, test: Test) {
    let arg = i.word as u64 | (test as u64) << 32;
    if !v_fast::fp::compare(o, i, test, COMPARE, arg) {
        o.helper(COMPARE, arg);
    }
}

fn convert<O: Ops>(o: &mut O, i: Insn, c: Conversion) {
    either(o, i, c as u32, CONVERT, |o, f, arg| {
        v_fast::fp::convert(o, i, c, f, arg) || widen::convert(o, i, c, f, arg)
    });
}

fn reduce<O: Ops>(o: &mut O, i: Insn, op: Op) {
    either(o, i, op as u32, REDUCE, |o, f, arg| reduce::float(o, i, op, false, f, arg));
}

fn reduce_wide<O: Ops>(o: &mut O, i: Insn) {
    let op = Op::Add;
    either(o, i, op as u32 | WIDE, REDUCE, |o, f, arg| reduce::float(o, i, op, true, f, arg));
}

fn moves<O: Ops>(o: &mut O, i: Insn, m: Move) {
    let arg = i.word as u64 | (m as u64) << 32;
    let done = match m {
        Move::ToF => perm::to_f(o, i, MOVE, arg),
        Move::FromF => perm::from_f(o, i, MOVE, arg),
        Move::Merge => v_fast::fp::moves(o, i, MOVE, arg),
        Move::Slide1Up => perm::slide1(o, i, true, Pushed::F, MOVE, arg),
        Move::Slide1Down => perm::slide1(o, i, false, Pushed::F, MOVE, arg),
    };
    if !done {
        o.helper(MOVE, arg);
    }
}

/// Runs an instruction with the environment of frm, and keeps the flags it raises. Any of them is
/// reserved while frm is.
fn with_env(cpu: &mut Cpu, arg: u64, f: impl FnOnce(&mut Unit<'_>, &mut FpEnv) -> Done) -> HelperExit {
    play(cpu, arg, true, |u| {
        let mode = rounding(u.cpu.fpcr).ok_or(Stop::Illegal)?;
        let mut env = FpEnv { rounding: mode, ..u.cpu.fp };
        f(u, &mut env)?;
        u.cpu.fp.flags |= env.flags;
        Ok(())
    })
}

/// SEW must be a floating-point format's.
fn format(ew: u32) -> Result<u32, Stop> {
    legal((1..=3).contains(&ew))?;
    Ok(ew)
}

/// One operation of the engine on single elements; `to` is the result's width.
fn lane(op: FOp, from: u32, to: u32, imm: u32, [a, b, c]: [u64; 3], env: &mut FpEnv) -> u64 {
    let args = VArgs { d: V(0), a: V(0), b: V(0), c: V(0), es: from as u8, bytes: 1 << to, imm };
    fp::eval(op, &args, a as u128, b as u128, c as u128, env) as u64
}

fn eval(op: Op, ew: u32, a: u64, b: u64, d: u64, env: &mut FpEnv) -> u64 {
    let es = ew as u8;
    let mut plain = |op, a, b, c| lane(op, ew, ew, imm::round(Round::Current), [a, b, c], env);
    let (sign, rest) = (sign_bit(es), a & !sign_bit(es));
    match op {
        Op::Add => plain(FOp::Add, a, b, 0),
        Op::Sub => plain(FOp::Sub, a, b, 0),
        Op::Rsub => plain(FOp::Sub, b, a, 0),
        Op::Mul => plain(FOp::Mul, a, b, 0),
        Op::Div => plain(FOp::Div, a, b, 0),
        Op::Rdiv => plain(FOp::Div, b, a, 0),
        Op::Min => plain(FOp::MinNumber, a, b, 0),
        Op::Max => plain(FOp::MaxNumber, a, b, 0),
        Op::Sgnj => rest | b & sign,
        Op::Sgnjn => rest | !b & sign,
        Op::Sgnjx => a ^ b & sign,
        Op::Madd => plain(FOp::MulAdd, d, b, a),
        Op::Nmadd => plain(FOp::NegMulAdd, d, b, a),
        Op::Msub => plain(FOp::NegMulSub, d, b, a),
        Op::Nmsub => plain(FOp::MulSub, d, b, a),
        Op::Macc => plain(FOp::MulAdd, a, b, d),
        Op::Nmacc => plain(FOp::NegMulAdd, a, b, d),
        Op::Msac => plain(FOp::NegMulSub, a, b, d),
        Op::Nmsac => plain(FOp::MulSub, a, b, d),
        Op::Sqrt => plain(FOp::Sqrt, a, 0, 0),
        Op::Rsqrt7 => rsqrt7(es, a, env),
        Op::Rec7 => rec7(es, a, env),
        Op::Class => class(es, a),
    }
}

/// (fraction bits, exponent bits).
fn fields(es: u8) -> (u32, u32) {
    [(10, 5), (10, 5), (23, 8), (52, 11)][es as usize & 3]
}

/// Exponent and the fraction's bits below an implicit one, of a number that is not zero.
fn normalised(es: u8, a: u64) -> (i64, u64) {
    let (frac, exp) = fields(es);
    let mask = (1u64 << frac) - 1;
    let (e, f) = ((a >> frac & ((1 << exp) - 1)) as i64, a & mask);
    if e != 0 {
        return (e, f);
    }
    let up = frac - (63 - f.leading_zeros());
    (1 - up as i64, f << up & mask)
}

/// VFRSQRT7's table (13.9): the fraction's seven bits of 1 / sqrt(m) rounded to nearest, m in the
/// middle of its interval; the lower half is for even exponents.
const RSQRT7: [u8; 128] = {
    let mut table = [0; 128];
    let mut n = 0;
    while n < 128 {
        // m * 128: of 2 to 4, or of 1 to 2.
        let m = (129 + 2 * (n as u64 & 63)) * if n < 64 { 2 } else { 1 };
        let mut v = 128u64;
        // The largest v that rounds down to it: (2 v - 1)^2 * m <= (2 * 256)^2.
        while (2 * v + 1) * (2 * v + 1) * m <= 512 * 512 * 128 {
            v += 1;
        }
        table[n] = (v - 128) as u8;
        n += 1;
    }
    table
};

/// VFREC7's table (13.10): the same of 1 / m.
const REC7: [u8; 128] = {
    let mut table = [0; 128];
    let mut n = 0;
    while n < 128 {
        let m = 257 + 2 * n as u64;
        table[n] = ((2 * 128 * 512 + m) / (2 * m) - 128) as u8;
        n += 1;
    }
    table
};

fn rsqrt7(es: u8, a: u64, env: &mut FpEnv) -> u64 {
    let (frac, exp) = fields(es);
    let (negative, zero) = (a & sign_bit(es) != 0, a & !sign_bit(es) == 0);
    let infinity = ((1u64 << exp) - 1) << frac;
    if is_nan(es, a) || negative && !zero {
        if !is_nan(es, a) || is_signaling(es, a) {
            env.flags |= flag::INVALID;
        }
        return canonical_nan(es);
    }
    if zero {
        env.flags |= flag::DIV_ZERO;
        return a | infinity;
    }
    if a == infinity {
        return 0;
    }
    let (e, f) = normalised(es, a);
    let index = (e as u64 & 1) << 6 | f >> (frac - 6);
    let bias = (1i64 << (exp - 1)) - 1;
    let e = (3 * bias - 1 - e) >> 1;
    (e as u64) << frac | (RSQRT7[index as usize & 127] as u64) << (frac - 7)
}

fn rec7(es: u8, a: u64, env: &mut FpEnv) -> u64 {
    let (frac, exp) = fields(es);
    let sign = a & sign_bit(es);
    let infinity = ((1u64 << exp) - 1) << frac;
    if is_nan(es, a) {
        if is_signaling(es, a) {
            env.flags |= flag::INVALID;
        }
        return canonical_nan(es);
    }
    if a & !sign == 0 {
        env.flags |= flag::DIV_ZERO;
        return sign | infinity;
    }
    if a & !sign == infinity {
        return sign;
    }
    let (e, f) = normalised(es, a);
    if e < -1 {
        env.flags |= flag::OVERFLOW | flag::INEXACT;
        let finite = match env.rounding {
            Rounding::Zero => true,
            Rounding::Down => sign == 0,
            Rounding::Up => sign != 0,
            _ => false,
        };
        return sign | (infinity - finite as u64);
    }
    let bias = (1i64 << (exp - 1)) - 1;
    let e = 2 * bias - 1 - e;
    let out = (REC7[(f >> (frac - 7)) as usize & 127] as u64) << (frac - 7);
    sign | match e {
        0 => (1 << frac | out) >> 1,
        -1 => (1 << frac | out) >> 2,
        _ => (e as u64) << frac | out,
    }
}

/// The scalar operand: a single or half that is not boxed is a NaN.
fn scalar(u: &Unit<'_>, ew: u32) -> u64 {
    let v = u.cpu.vec[u.i.s1() as usize & 31] as u64;
    let above = if ew == 3 { 0 } else { u64::MAX << (8 << ew) };
    if v & above == above { v & !above } else { canonical_nan(ew as u8) }
}

/// The other operand: a vector's register, or a value.
enum Other {
    Vector(Group),
    Scalar(u64),
}

impl Other {
    fn of(u: &Unit<'_>) -> Result<Other, Stop> {
        Ok(if u.has_vs1() {
            Other::Vector(u.group(u.vs1(), u.sew)?)
        } else {
            Other::Scalar(scalar(u, u.sew))
        })
    }

    fn get(&self, u: &Unit<'_>, n: usize) -> u64 {
        match self {
            Other::Vector(g) => u.get(g.reg, u.sew, n),
            Other::Scalar(v) => *v,
        }
    }

    fn check(&self, u: &Unit<'_>, d: Group, a: Group) -> Done {
        match *self {
            Other::Vector(b) => {
                u.sources(&[a, b])?;
                u.destination(d, &[a, b])
            }
            Other::Scalar(_) => {
                u.sources(&[a])?;
                u.destination(d, &[a])
            }
        }
    }
}

fn widened(ew: u32, v: u64, env: &mut FpEnv) -> u64 {
    lane(FOp::Convert, ew, ew + 1, ew + 1, [v, 0, 0], env)
}

const ARITH: Helper = Helper { function: arith_helper, effects: vectors };

extern "C" fn arith_helper(cpu: &mut Cpu, arg: u64) -> HelperExit {
    with_env(cpu, arg, |u, env| {
        let (op, tag) = (Op::from_arg(arg), (arg >> 32) as u32);
        let sew = format(u.sew)?;
        let dw = format(sew + (tag & WIDE != 0) as u32)?;
        let aw = sew + (tag & WIDE_A != 0) as u32;
        let (d, a) = (u.group(u.vd(), dw)?, u.group(u.vs2(), aw)?);
        let unary = matches!(op, Op::Sqrt | Op::Rsqrt7 | Op::Rec7 | Op::Class);
        let b = if unary { Other::Scalar(0) } else { Other::of(u)? };
        b.check(u, d, a)?;
        if op as u8 >= Op::Madd as u8 && !unary {
            // The accumulator is a source too.
            u.sources(&[d, a])?;
            if let Other::Vector(b) = b {
                u.sources(&[d, b])?;
            }
        }
        for n in u.vstart..u.vl {
            if !u.active(n) {
                continue;
            }
            let (mut x, mut y) = (u.get(a.reg, aw, n), b.get(u, n));
            if dw != sew {
                y = widened(sew, y, env);
                if aw == sew {
                    x = widened(sew, x, env);
                }
            }
            let old = u.get(d.reg, dw, n);
            let value = eval(op, dw, x, y, old, env);
            u.set(d.reg, dw, n, value);
        }
        Ok(())
    })
}

const COMPARE: Helper = Helper { function: compare_helper, effects: vectors };

extern "C" fn compare_helper(cpu: &mut Cpu, arg: u64) -> HelperExit {
    with_env(cpu, arg, |u, env| {
        let (test, sew) = (Test::from_arg(arg), format(u.sew)?);
        let (d, a, b) = (Group::mask(u.vd()), u.group(u.vs2(), sew)?, Other::of(u)?);
        b.check(u, d, a)?;
        for n in u.vstart..u.vl {
            if !u.active(n) {
                continue;
            }
            let signaling = !matches!(test, Test::Eq | Test::Ne);
            let (less, equal, greater) =
                match fp::compare(sew as u8, u.get(a.reg, sew, n), b.get(u, n), signaling, env) {
                    0b1000 => (true, false, false),
                    0b0110 => (false, true, false),
                    0b0010 => (false, false, true),
                    _ => (false, false, false),
                };
            let holds = match test {
                Test::Eq => equal,
                Test::Ne => !equal,
                Test::Lt => less,
                Test::Le => less || equal,
                Test::Gt => greater,
                Test::Ge => greater || equal,
            };
            u.set_bit(d.reg, n, holds);
        }
        Ok(())
    })
}

const CONVERT: Helper = Helper { function: convert_helper, effects: vectors };

extern "C" fn convert_helper(cpu: &mut Cpu, arg: u64) -> HelperExit {
    use Conversion::*;
    with_env(cpu, arg, |u, env| {
        let (c, sew) = (Conversion::from_arg(arg), u.sew);
        // Widths of source and destination.
        let (from, to) = match c {
            ToU | ToS | ToUz | ToSz | FromU | FromS => (sew, sew),
            WideToU | WideToS | WideToUz | WideToSz | WideFromU | WideFromS | WideFloat => (sew, sew + 1),
            _ => (sew + 1, sew),
        };
        let from_int = matches!(c, FromU | FromS | WideFromU | WideFromS | NarrowFromU | NarrowFromS);
        let to_float = from_int || matches!(c, WideFloat | NarrowFloat | NarrowOdd);
        if !from_int {
            format(from)?;
        }
        if to_float {
            format(to)?;
        }
        let (d, a) = (u.group(u.vd(), to)?, u.group(u.vs2(), from)?);
        u.sources(&[a])?;
        u.destination(d, &[a])?;
        for n in u.vstart..u.vl {
            if !u.active(n) {
                continue;
            }
            let x = u.get(a.reg, from, n);
            let bits = 8 << to;
            let mut to_int = |signed, round| fp::to_int(from as u8, x, signed, round, bits, 0, env);
            let value = match c {
                ToU | WideToU | NarrowToU => to_int(false, Round::Current),
                ToS | WideToS | NarrowToS => to_int(true, Round::Current),
                ToUz | WideToUz | NarrowToUz => to_int(false, Round::Zero),
                ToSz | WideToSz | NarrowToSz => to_int(true, Round::Zero),
                FromU | WideFromU | NarrowFromU => {
                    fp::from_int(to as u8, x, false, Round::Current, 8 << from, 0, env)
                }
                FromS | WideFromS | NarrowFromS => {
                    fp::from_int(to as u8, x, true, Round::Current, 8 << from, 0, env)
                }
                WideFloat | NarrowFloat => lane(FOp::Convert, from, to, to, [x, 0, 0], env),
                NarrowOdd => {
                    let mut odd = FpEnv { rounding: Rounding::Odd, ..*env };
                    let value = lane(FOp::Convert, from, to, to, [x, 0, 0], &mut odd);
                    env.flags |= odd.flags;
                    value
                }
            };
            u.set(d.reg, to, n, value);
        }
        Ok(())
    })
}

const REDUCE: Helper = Helper { function: reduce_helper, effects: vectors };

extern "C" fn reduce_helper(cpu: &mut Cpu, arg: u64) -> HelperExit {
    with_env(cpu, arg, |u, env| {
        let (op, wide) = (Op::from_arg(arg), (arg >> 32) as u32 & WIDE != 0);
        let sew = format(u.sew)?;
        let dw = format(sew + wide as u32)?;
        u.begins_at_zero()?;
        let a = u.group(u.vs2(), sew)?;
        u.sources(&[a, u.first(u.vs1(), dw)])?;
        if u.vl == 0 {
            return Ok(());
        }
        let mut sum = u.get(u.vs1(), dw, 0);
        for n in 0..u.vl {
            if u.active(n) {
                let mut x = u.get(a.reg, sew, n);
                if wide {
                    x = widened(sew, x, env);
                }
                sum = eval(op, dw, sum, x, 0, env);
            }
        }
        u.set(u.vd(), dw, 0, sum);
        Ok(())
    })
}

const MOVE: Helper = Helper { function: move_helper, effects: vectors_and_result };

extern "C" fn move_helper(cpu: &mut Cpu, arg: u64) -> HelperExit {
    with_env(cpu, arg, |u, _| {
        let sew = format(u.sew)?;
        match Move::from_arg(arg) {
            Move::ToF => {
                let above = if sew == 3 { 0 } else { u64::MAX << (8 << sew) };
                let value = u.get(u.vs2(), sew, 0) | above;
                u.cpu.vec[u.i.d() as usize & 31] = value as u128;
            }
            Move::FromF => {
                if u.vstart < u.vl {
                    let value = scalar(u, sew);
                    u.set(u.vd(), sew, 0, value);
                }
            }
            Move::Merge => {
                let d = u.group(u.vd(), sew)?;
                let moves = u.unmasked();
                legal(!moves || u.vs2() == 0)?;
                let a = if moves { d } else { u.group(u.vs2(), sew)? };
                u.sources(&[a])?;
                u.destination(d, &[a])?;
                let value = scalar(u, sew);
                for n in u.vstart..u.vl {
                    let value = if moves || u.bit(0, n) { value } else { u.get(a.reg, sew, n) };
                    u.set(d.reg, sew, n, value);
                }
            }
            Move::Slide1Up => {
                let value = scalar(u, sew);
                slide1(u, true, value)?;
            }
            Move::Slide1Down => {
                let value = scalar(u, sew);
                slide1(u, false, value)?;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_the_manuals() {
        let check = |table: &[u8], at: usize, want: &[u8]| assert_eq!(&table[at..at + want.len()], want);
        check(&RSQRT7, 0, &[52, 51, 50, 48, 47, 46, 44, 43, 42, 41, 40, 39, 38, 36, 35, 34]);
        check(&RSQRT7, 64, &[127, 125, 123, 121, 119, 118, 116, 114, 113, 111, 109, 108, 106, 105, 103, 102]);
        check(&RSQRT7, 60, &[2, 1, 1, 0]);
        check(&REC7, 0, &[127, 125, 123, 121, 119, 117, 116, 114, 112, 110, 109, 107, 105, 104, 102, 100]);
    }
}

//! Floating point: F, D, Zfh, Zfa.
//!
//! A single or half in a register is boxed: all bits above are ones, and a value without that
//! counts as NaN. Operations of the vocabulary do what compiled code does: numbers that are boxed,
//! rounded as the environment says. Everything else is [`compute`], which uses the engine's
//! reference functions: other directions of rounding, half precision but for conversions, classes,
//! and operands that are not boxed ([`Ops::check_boxes`]).

use crate::decode::{Insn, undefined};
use crate::system::{illegal, rounding};
use anyarch_engine::field;
use anyarch_engine::fp::{self, FOp, FpEnv, imm};
use anyarch_engine::ops::{
    Addr, Alu, Cmp, Cond, Effects, Ext, Helper, HelperExit, Ops, R, Round, Sel, Shift, Src, V, VArgs, W,
    box_bits,
};
use anyarch_engine::state::{Cpu, mode};

crate::rows! {
    "imm:12 rs1:5 001 rd:5 0000111" Flh load[1];
    "imm:12 rs1:5 010 rd:5 0000111" Flw load[2];
    "imm:12 rs1:5 011 rd:5 0000111" Fld load[3];
    "im:7 rs2:5 rs1:5 001 im2:5 0100111" Fsh store[1];
    "im:7 rs2:5 rs1:5 010 im2:5 0100111" Fsw store[2];
    "im:7 rs2:5 rs1:5 011 im2:5 0100111" Fsd store[3];

    "rs3:5 fmt:2 rs2:5 rs1:5 rm:3 rd:5 1000011" Fmadd arithmetic[FOp::MulAdd];
    "rs3:5 fmt:2 rs2:5 rs1:5 rm:3 rd:5 1000111" Fmsub arithmetic[FOp::NegMulSub];
    "rs3:5 fmt:2 rs2:5 rs1:5 rm:3 rd:5 1001011" Fnmsub arithmetic[FOp::MulSub];
    "rs3:5 fmt:2 rs2:5 rs1:5 rm:3 rd:5 1001111" Fnmadd arithmetic[FOp::NegMulAdd];

    "00000 fmt:2 rs2:5 rs1:5 rm:3 rd:5 1010011" Fadd arithmetic[FOp::Add];
    "00001 fmt:2 rs2:5 rs1:5 rm:3 rd:5 1010011" Fsub arithmetic[FOp::Sub];
    "00010 fmt:2 rs2:5 rs1:5 rm:3 rd:5 1010011" Fmul arithmetic[FOp::Mul];
    "00011 fmt:2 rs2:5 rs1:5 rm:3 rd:5 1010011" Fdiv arithmetic[FOp::Div];
    "01011 fmt:2 00000 rs1:5 rm:3 rd:5 1010011" Fsqrt arithmetic[FOp::Sqrt];
    "00100 fmt:2 rs2:5 rs1:5 000 rd:5 1010011" Fsgnj unrounded[FOp::CopySign];
    "00100 fmt:2 rs2:5 rs1:5 001 rd:5 1010011" Fsgnjn unrounded[FOp::CopySignNot];
    "00100 fmt:2 rs2:5 rs1:5 010 rd:5 1010011" Fsgnjx unrounded[FOp::XorSign];
    "00101 fmt:2 rs2:5 rs1:5 0 xx rd:5 1010011" FminFmax min_max;
    "01000 fmt:2 000 from:2 rs1:5 rm:3 rd:5 1010011" FcvtFF convert;
    "01000 fmt:2 00100 rs1:5 rm:3 rd:5 1010011" Fround round_integral[FOp::RoundInt];
    "01000 fmt:2 00101 rs1:5 rm:3 rd:5 1010011" Froundnx round_integral[FOp::RoundIntExact];
    "10100 fmt:2 rs2:5 rs1:5 000 rd:5 1010011" Fle compare[true, Cond::Ge];
    "10100 fmt:2 rs2:5 rs1:5 001 rd:5 1010011" Flt compare[true, Cond::Gt];
    "10100 fmt:2 rs2:5 rs1:5 010 rd:5 1010011" Feq compare[false, Cond::Eq];
    "10100 fmt:2 rs2:5 rs1:5 100 rd:5 1010011" Fleq compare[false, Cond::Ge];
    "10100 fmt:2 rs2:5 rs1:5 101 rd:5 1010011" Fltq compare[false, Cond::Gt];
    "11000 fmt:2 000xx rs1:5 rm:3 rd:5 1010011" FcvtIF to_integer;
    "11000 01 01000 rs1:5 001 rd:5 1010011" FcvtmodWD referred;
    "11010 fmt:2 000xx rs1:5 rm:3 rd:5 1010011" FcvtFI from_integer;
    "11100 fmt:2 00000 rs1:5 000 rd:5 1010011" FmvXF move_to_x;
    "11100 fmt:2 00000 rs1:5 001 rd:5 1010011" Fclass classify;
    "11110 fmt:2 00000 rs1:5 000 rd:5 1010011" FmvFX move_from_x;
    "11110 fmt:2 00001 imm:5 000 rd:5 1010011" Fli load_immediate;
}

/// Lane size (log2 of the bytes) by the format field's value; `None` is reserved (quad).
#[inline]
fn lane(fmt: u32) -> Option<u8> {
    [Some(2), Some(3), Some(1), None][fmt as usize & 3]
}

fn load<O: Ops>(o: &mut O, i: Insn, es: u8) {
    o.vload(1 << es, i.fd(), Addr::Base(i.rs1(), i.imm_i()));
    if es != 3 {
        o.fp_box(i.fd(), es);
    }
}

fn store<O: Ops>(o: &mut O, i: Insn, es: u8) {
    o.vstore(1 << es, i.fs2(), Addr::Base(i.rs1(), i.imm_s()));
}

/// Runs the semantics with the format of the instruction.
fn with_format<O: Ops>(o: &mut O, i: Insn, f: impl FnOnce(&mut O, u8)) {
    match lane(field!(i.fmt)) {
        Some(es) => f(o, es),
        None => undefined(o),
    }
}

fn move_to_x<O: Ops>(o: &mut O, i: Insn) {
    with_format(o, i, |o, es| o.vget(true, W::W64, i.rd(), i.fs1(), es, 0));
}

fn move_from_x<O: Ops>(o: &mut O, i: Insn) {
    with_format(o, i, |o, es| {
        o.vfrom(i.fd(), es, i.rs1());
        if es != 3 {
            o.fp_box(i.fd(), es);
        }
    });
}

fn load_immediate<O: Ops>(o: &mut O, i: Insn) {
    with_format(o, i, |o, es| o.vconst(i.fd(), (constant(es, i.s1()) | box_bits(es)) as u128));
}

/// The field `rm`.
#[inline]
fn rm(i: Insn) -> u32 {
    i.bits(12, 3)
}

/// The value of `rm` that means frm.
const DYNAMIC: u32 = 7;

/// Plays the instruction by [`compute`].
fn refer<O: Ops>(o: &mut O, i: Insn) {
    o.helper(COMPUTE, i.word as u64);
}

fn referred<O: Ops>(o: &mut O, i: Insn) {
    with_format(o, i, |o, _| refer(o, i));
}

/// Runs the semantics of an instruction with the field `rm` if the environment's direction of
/// rounding serves; `exact`: any does.
fn rounded<O: Ops>(o: &mut O, i: Insn, exact: bool, f: impl FnOnce(&mut O)) {
    match (o.fp_mode(), rm(i)) {
        (_, 5 | 6) => undefined(o),
        (mode::EXACT, 0 | DYNAMIC) | (mode::DIRECTED, DYNAMIC) => f(o),
        (mode::EXACT | mode::DIRECTED, _) if exact => f(o),
        _ => refer(o, i),
    }
}

/// `rm` as a direction; the environment's where that is known to be the same.
fn direction<O: Ops>(o: &O, i: Insn) -> Round {
    use Round::*;
    if o.fp_mode() == mode::EXACT && rm(i) == 0 {
        return Current;
    }
    [NearestEven, Zero, Down, Up, NearestAway, Current, Current, Current][rm(i) as usize & 7]
}

/// d = op(a, b, c) where the operands are boxed.
fn play<O: Ops>(o: &mut O, i: Insn, op: FOp, es: u8, imm: u32) {
    let c = V(field!(i.rs3) as u8);
    let args = VArgs { d: i.fd(), a: i.fs1(), b: i.fs2(), c, es, bytes: VArgs::BOXED, imm };
    let reads = op.reads();
    let all = [args.a, if reads & 2 == 0 { args.a } else { args.b }, if reads & 4 == 0 { args.a } else { c }];
    if es == 3 || o.check_boxes(es, &all, COMPUTE, i.word as u64) {
        o.fp(op, args);
    }
}

fn arithmetic<O: Ops>(o: &mut O, i: Insn, op: FOp) {
    with_format(o, i, |o, es| match es {
        1 if !matches!(rm(i), 5 | 6) => refer(o, i),
        _ => rounded(o, i, false, |o| play(o, i, op, es, 0)),
    });
}

fn unrounded<O: Ops>(o: &mut O, i: Insn, op: FOp) {
    with_format(o, i, |o, es| play(o, i, op, es, 0));
}

/// FMIN, FMAX, FMINM, FMAXM.
#[inline]
fn min_max_op(rm: u32) -> FOp {
    [FOp::MinNumber, FOp::MaxNumber, FOp::Min, FOp::Max][rm as usize & 3]
}

fn min_max<O: Ops>(o: &mut O, i: Insn) {
    unrounded(o, i, min_max_op(rm(i)));
}

fn round_integral<O: Ops>(o: &mut O, i: Insn, op: FOp) {
    with_format(o, i, |o, es| rounded(o, i, true, |o| play(o, i, op, es, imm::round(direction(o, i)))));
}

fn convert<O: Ops>(o: &mut O, i: Insn) {
    match (lane(i.s2()), lane(field!(i.fmt))) {
        (Some(from), Some(to)) if from != to => {
            rounded(o, i, from < to, |o| play(o, i, FOp::Convert, from, to as u32));
        }
        _ => undefined(o),
    }
}

/// d = b c a: the comparisons are those of a with b the other way round, so that none holds of
/// unordered operands.
fn compare<O: Ops>(o: &mut O, i: Insn, signaling: bool, c: Cond) {
    with_format(o, i, |o, es| {
        if es == 3 || o.check_boxes(es, &[i.fs1(), i.fs2()], COMPUTE, i.word as u64) {
            o.fp_compare(signaling, es, i.fs2(), Some(i.fs1()));
            o.select(c.invert(), W::W64, i.rd(), R::ZERO, R::ZERO, Sel::Inc);
        }
    });
}

/// Whether the integer of a conversion is signed, and its width.
#[inline]
fn integer(i: Insn) -> (bool, W) {
    (i.s2() & 1 == 0, if i.s2() & 2 == 0 { W::W32 } else { W::W64 })
}

fn to_integer<O: Ops>(o: &mut O, i: Insn) {
    let (signed, w) = integer(i);
    with_format(o, i, |o, es| {
        rounded(o, i, true, |o| {
            if es == 3 || o.check_boxes(es, &[i.fs1()], COMPUTE, i.word as u64) {
                o.fp_to_int(signed, direction(o, i), w, i.rd(), i.fs1(), es, 0);
                if w == W::W32 {
                    o.mov(W::W64, i.rd(), Src::Extended(i.rd(), Ext::S32, 0));
                }
            }
        });
    });
}

fn from_integer<O: Ops>(o: &mut O, i: Insn) {
    let (signed, w) = integer(i);
    with_format(o, i, |o, es| {
        rounded(o, i, true, |o| {
            o.int_to_fp(signed, direction(o, i), w, i.fd(), i.rs1(), es, 0);
            if es != 3 {
                o.fp_box(i.fd(), es);
            }
        });
    });
}

/// FCLASS: see [`class`].
fn classify<O: Ops>(o: &mut O, i: Insn) {
    with_format(o, i, |o, es| {
        if es != 3 && !o.check_boxes(es, &[i.fs1()], COMPUTE, i.word as u64) {
            return;
        }
        let (frac, bits) = format(es);
        // T1 = the magnitude in the uppermost bits; T0 = 4 for a zero and up to 7 for an infinity.
        o.vget(true, W::W64, R::T2, i.fs1(), es, 0);
        o.shift(Shift::Lsl, W::W64, R::T1, R::T2, Src::Imm((65 - bits) as u64));
        o.mov(W::W64, R::T0, Src::Imm(4));
        let exponent = (1u64 << (bits - 1 - frac)) - 1;
        for least in [1, 1 << (65 - bits + frac), exponent << (65 - bits + frac)] {
            o.mov(W::W64, R::T3, Src::Imm(least));
            o.set_cmp(Cmp::Geu, R::T3, R::T1, Src::Reg(R::T3));
            o.alu(Alu::Add, W::W64, R::T0, R::T0, Src::Reg(R::T3));
        }
        // The negative ones are the others' mirror image.
        o.shift(Shift::Asr, W::W64, R::T2, R::T2, Src::Imm(63));
        o.alu(Alu::And, W::W64, R::T2, R::T2, Src::Imm(7));
        o.alu(Alu::Xor, W::W64, R::T0, R::T0, Src::Reg(R::T2));
        // 8 and 9 are signaling and quiet NaNs.
        o.extract(false, W::W64, R::T2, R::T1, (64 - bits + frac) as u8, 1);
        o.alu(Alu::Add, W::W64, R::T2, R::T2, Src::Imm(8));
        o.mov(W::W64, R::T3, Src::Imm(exponent << (65 - bits + frac)));
        o.alu_flags(Alu::Sub, W::W64, R::ZERO, R::T1, Src::Reg(R::T3));
        o.select(Cond::Hi, W::W64, R::T0, R::T2, R::T0, Sel::Plain);
        o.mov(W::W64, R::T1, Src::Imm(1));
        o.shift(Shift::Lsl, W::W64, i.rd(), R::T1, Src::Reg(R::T0));
    });
}

/// A format: fraction bits, all bits.
#[inline]
fn format(es: u8) -> (u32, u32) {
    [(0, 0), (10, 16), (23, 32), (52, 64)][es as usize & 3]
}

#[inline]
fn exponent_ones(es: u8) -> u64 {
    let (frac, bits) = format(es);
    ((1u64 << (bits - 1 - frac)) - 1) << frac
}

#[inline]
pub(crate) fn sign_bit(es: u8) -> u64 {
    1 << (format(es).1 - 1)
}

#[inline]
pub(crate) fn canonical_nan(es: u8) -> u64 {
    exponent_ones(es) | 1 << (format(es).0 - 1)
}

#[inline]
pub(crate) fn is_nan(es: u8, v: u64) -> bool {
    v & !sign_bit(es) > exponent_ones(es)
}

#[inline]
pub(crate) fn is_signaling(es: u8, v: u64) -> bool {
    is_nan(es, v) && v >> (format(es).0 - 1) & 1 == 0
}

/// The constants of FLI.
fn constant(es: u8, n: u32) -> u64 {
    // Exponent and the fraction's upper two bits.
    const TABLE: [(i32, u64); 28] = [
        (-16, 0),
        (-15, 0),
        (-8, 0),
        (-7, 0),
        (-4, 0),
        (-3, 0),
        (-2, 0),
        (-2, 1),
        (-2, 2),
        (-2, 3),
        (-1, 0),
        (-1, 1),
        (-1, 2),
        (-1, 3),
        (0, 0),
        (0, 1),
        (0, 2),
        (0, 3),
        (1, 0),
        (1, 1),
        (1, 2),
        (2, 0),
        (3, 0),
        (4, 0),
        (7, 0),
        (8, 0),
        (15, 0),
        (16, 0),
    ];
    let (frac, bits) = format(es);
    let bias = (1 << (bits - frac - 2)) - 1;
    match n {
        0 => sign_bit(es) | (bias as u64) << frac,
        1 => 1 << frac,
        30 => exponent_ones(es),
        31 => canonical_nan(es),
        _ => {
            let (e, f) = TABLE[(n as usize - 2) & 31];
            match e + bias {
                // The two smallest are denormal in half precision.
                biased @ ..=0 => 1 << (frac as i32 - 1 + biased),
                biased if biased > 2 * bias => exponent_ones(es),
                biased => (biased as u64) << frac | f << (frac - 2),
            }
        }
    }
}

/// FCLASS.
#[inline]
pub(crate) fn class(es: u8, v: u64) -> u64 {
    let negative = v & sign_bit(es) != 0;
    let magnitude = v & !sign_bit(es);
    let kind = if is_nan(es, v) {
        return if is_signaling(es, v) { 1 << 8 } else { 1 << 9 };
    } else if magnitude == exponent_ones(es) {
        0
    } else if magnitude >> format(es).0 != 0 {
        1
    } else if magnitude != 0 {
        2
    } else {
        3
    };
    1 << if negative { kind } else { 7 - kind }
}

/// Sources are the floating-point registers of three fields, or a general register; there is one
/// destination of either kind.
fn operands(word: u64) -> Effects {
    let i = Insn { word: word as u32, pc: 0, len: 4 };
    let [d, a, b, c] = [i.d(), i.s1(), i.s2(), field!(i.rs3)].map(|n| V(n as u8));
    let reads = Effects::NONE.reads(i.rs1()).reads_vectors(a, 1).reads_vectors(b, 1).reads_vectors(c, 1);
    reads.writes(i.rd()).writes_vectors(d, 1).faults().environment()
}

pub(crate) const COMPUTE: Helper = Helper { function: compute, effects: operands };

/// Every instruction that is not a load, store or move; the argument is its word.
pub(crate) extern "C" fn compute(cpu: &mut Cpu, word: u64) -> HelperExit {
    let i = Insn { word: word as u32, pc: 0, len: 4 };
    let Some(es) = lane(field!(i.fmt)) else { return illegal(cpu) };
    let (funct, rm) = (field!(i.rs3), i.bits(12, 3));
    let fused = i.bits(0, 7) != 0b1010011;
    let has_mode = fused || matches!(funct, 0..=3 | 0b01011 | 0b01000 | 0b11000 | 0b11010);
    let mut env = cpu.fp;
    if has_mode {
        match rounding(if rm == 7 { cpu.fpcr } else { rm }) {
            Some(mode) => env.rounding = mode,
            None => return illegal(cpu),
        }
    }
    let unboxed = |n: u32, es: u8| {
        let v = cpu.vec[n as usize & 31] as u64;
        if v & box_bits(es) == box_bits(es) { v & !box_bits(es) } else { canonical_nan(es) }
    };
    let (a, b) = (unboxed(i.s1(), es), unboxed(i.s2(), es));
    let eval = |op: FOp, from: u8, to: u8, imm: u32, a: u64, b: u64, c: u64, env: &mut FpEnv| {
        let args = VArgs { d: V(0), a: V(0), b: V(0), c: V(0), es: from, bytes: 1 << to, imm };
        fp::eval(op, &args, a as u128, b as u128, c as u128, env) as u64
    };
    let same = |op, a, b, c, env: &mut FpEnv| eval(op, es, es, imm::round(Round::Current), a, b, c, env);
    // The result and whether it goes to a general register.
    let (value, to_x) = if fused {
        let c = unboxed(field!(i.rs3), es);
        let op = [FOp::MulAdd, FOp::NegMulSub, FOp::MulSub, FOp::NegMulAdd][i.bits(2, 2) as usize];
        (same(op, a, b, c, &mut env), false)
    } else {
        match funct {
            0b00000 => (same(FOp::Add, a, b, 0, &mut env), false),
            0b00001 => (same(FOp::Sub, a, b, 0, &mut env), false),
            0b00010 => (same(FOp::Mul, a, b, 0, &mut env), false),
            0b00011 => (same(FOp::Div, a, b, 0, &mut env), false),
            0b01011 => (same(FOp::Sqrt, a, 0, 0, &mut env), false),
            0b00100 => {
                let sign = match rm {
                    0 => b,
                    1 => !b,
                    _ => a ^ b,
                };
                (a & !sign_bit(es) | sign & sign_bit(es), false)
            }
            0b00101 => (same(min_max_op(rm), a, b, 0, &mut env), false),
            0b01000 if i.s2() == 4 => (same(FOp::RoundInt, a, 0, 0, &mut env), false),
            0b01000 if i.s2() == 5 => (same(FOp::RoundIntExact, a, 0, 0, &mut env), false),
            0b01000 => {
                let Some(from) = lane(i.s2()) else { return illegal(cpu) };
                (eval(FOp::Convert, from, es, es as u32, unboxed(i.s1(), from), 0, 0, &mut env), false)
            }
            0b10100 => {
                let (less, equal) = match fp::compare(es, a, b, matches!(rm, 0 | 1), &mut env) {
                    0b1000 => (true, false),
                    0b0110 => (false, true),
                    _ => (false, false),
                };
                let holds = match rm {
                    2 => equal,
                    0 | 4 => less || equal,
                    _ => less,
                };
                (holds as u64, true)
            }
            0b11000 if i.s2() == 8 => {
                let value = eval(FOp::ToSignedWrapping, 3, 3, 0, a, 0, 0, &mut env);
                (value as i32 as u64, true)
            }
            0b11000 => {
                let (signed, width) = (i.s2() & 1 == 0, if i.s2() & 2 == 0 { 32 } else { 64 });
                let value = fp::to_int(es, a, signed, Round::Current, width, 0, &mut env);
                (if width == 32 { value as i32 as u64 } else { value }, true)
            }
            0b11010 => {
                let (signed, width) = (i.s2() & 1 == 0, if i.s2() & 2 == 0 { 32 } else { 64 });
                let s = if i.s1() == 0 { 0 } else { cpu.gpr[i.s1() as usize & 31] };
                (fp::from_int(es, s, signed, Round::Current, width, 0, &mut env), false)
            }
            0b11100 => (class(es, a), true),
            _ => return illegal(cpu),
        }
    };
    cpu.fp.flags |= env.flags;
    if !to_x {
        cpu.vec[i.d() as usize & 31] = (value | box_bits(es)) as u128;
    } else if i.d() != 0 {
        cpu.gpr[i.d() as usize & 31] = value;
    }
    HelperExit::Continue
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants() {
        let check = |n, want: f64| assert_eq!(f64::from_bits(constant(3, n)), want, "{n}");
        check(0, -1.0);
        check(2, 1.0 / 65536.0);
        check(9, 0.3125);
        check(16, 1.0);
        check(22, 3.0);
        check(25, 16.0);
        check(29, 65536.0);
        assert_eq!(
            (constant(1, 2), constant(1, 3), constant(1, 4), constant(1, 29)),
            (0x100, 0x200, 0x1c00, 0x7c00)
        );
        assert_eq!(constant(2, 31), 0x7fc0_0000);
    }

    #[test]
    fn classes() {
        let check = |v: f64, bit: u32| assert_eq!(class(3, v.to_bits()), 1 << bit, "{v}");
        check(f64::NEG_INFINITY, 0);
        check(-1.0, 1);
        check(-1e-310, 2);
        check(-0.0, 3);
        check(0.0, 4);
        check(1e-310, 5);
        check(1.0, 6);
        check(f64::INFINITY, 7);
        check(f64::NAN, 9);
    }
}

//! Host code for the vector instructions of every loop: unit-stride loads and stores, integer arithmetic, moves, AES rounds.
//!
//! They are emitted for the vtype that is likely (of the VSETVLI before, or of the time of translation), unmasked, for all of a group of whole
//! registers, behind a guard that compares [`KEY`]; whatever else is true then, the reference function does the instruction. The interpreter always
//! uses the reference. A load that faults halfway is made again by the interpreter, which finds the element ([`faults_again`]).

use crate::decode::Insn;
use crate::v::{FULL, KEY, USED, V0, parse};
use crate::v_crypto::Aes;
use crate::v_fp::Op as Float;
use crate::v_int::Op;
use anyarch_engine::fp::{FOp, imm};
use anyarch_engine::ops::{Addr, Alu, Helper, Ops, R, Round, Src, V, VArgs, W};
use anyarch_engine::state::mode;
use anyarch_engine::vec::VOp;

/// A vtype that is likely, with vl at VLMAX and groups of at least one register.
#[derive(Clone, Copy)]
struct Likely {
    key: u64,
    lmul: i32,
    sew: u32,
}

fn likely<O: Ops>(o: &O, i: Insn) -> Option<Likely> {
    let key = o.likely();
    let (lmul, sew) = parse(key & 0xff)?;
    (i.bits(25, 1) == 1 && key & (FULL | USED) == FULL | USED && lmul >= 0).then_some(Likely {
        key,
        lmul,
        sew,
    })
}

/// Slot of vector register `n`.
fn v(n: u32) -> V {
    V((V0 as u32 + (n & 31)) as u8)
}

fn in_line(reg: u32, emul: i32) -> bool {
    reg & ((1 << emul) - 1) == 0
}

/// A unit-stride load or store of one field. False: nothing was emitted.
pub(crate) fn unit<O: Ops>(o: &mut O, i: Insn, ew: u32, f: Helper, arg: u64) -> bool {
    let Some(l) = likely(o, i) else { return false };
    let emul = l.lmul + ew as i32 - l.sew as i32;
    if i.bits(29, 3) != 0 || !(0..=3).contains(&emul) || !in_line(i.d(), emul) {
        return false;
    }
    if !o.guard(KEY, l.key as u32, f, arg) {
        return true;
    }
    for n in 0..1 << emul {
        let at = Addr::Base(i.rs1(), 16 * n as i64);
        if i.bits(5, 1) != 0 { o.vstore(16, v(i.d() + n), at) } else { o.vload(16, v(i.d() + n), at) }
    }
    true
}

/// Whether the instruction may have changed elements before it faulted, and is to be interpreted for the exact state.
pub(crate) fn faults_again(word: u32) -> bool {
    let width = word >> 12 & 7;
    matches!(word & 0x7f, 0x07 | 0x27) && (width == 0 || width >= 5)
}

/// How an operation is written in the vocabulary: `op`, with which operands.
enum Plan {
    /// d = op(a, b).
    Plain(VOp),
    /// d = op(b, a).
    Swapped(VOp),
    /// d = c of vd, op(c, a, b).
    Accumulate(VOp),
    /// d = op(c = a, vd, b).
    Multiply(VOp),
    /// A shift left or right, by amounts below the width: `VOp` by a constant, and by a register; whether right.
    Shift(VOp, VOp, bool),
    /// A rotation right by a constant.
    Rotate,
}

fn plan(op: Op) -> Option<Plan> {
    use Plan::*;
    Some(match op {
        Op::Add => Plain(VOp::Add),
        Op::Sub => Plain(VOp::Sub),
        Op::Rsub => Swapped(VOp::Sub),
        Op::And => Plain(VOp::And),
        Op::Or => Plain(VOp::Or),
        Op::Xor => Plain(VOp::Xor),
        Op::Andn => Plain(VOp::AndNot),
        Op::MinU => Plain(VOp::MinU),
        Op::MinS => Plain(VOp::MinS),
        Op::MaxU => Plain(VOp::MaxU),
        Op::MaxS => Plain(VOp::MaxS),
        Op::Mul => Plain(VOp::Mul),
        Op::Macc => Accumulate(VOp::MulAdd),
        Op::Nmsac => Accumulate(VOp::MulSub),
        Op::Madd => Multiply(VOp::MulAdd),
        Op::Nmsub => Multiply(VOp::MulSub),
        Op::Sll => Shift(VOp::Shl, VOp::ShiftU, false),
        Op::Srl => Shift(VOp::ShrU, VOp::ShiftU, true),
        Op::Sra => Shift(VOp::ShrS, VOp::ShiftS, true),
        Op::Ror => Rotate,
        _ => return None,
    })
}

fn splat(sew: u32, value: u64) -> u128 {
    let lane = value as u128 & u128::MAX >> (128 - (8 << sew));
    (0..16 >> sew).fold(0, |all, n| all | lane << ((8 << sew) * n))
}

/// An integer operation of one width. False: nothing was emitted.
pub(crate) fn int<O: Ops>(o: &mut O, i: Insn, op: Op, f: Helper, arg: u64) -> bool {
    let (Some(l), Some(plan)) = (likely(o, i), plan(op)) else { return false };
    let (sew, form) = (l.sew, i.bits(12, 3));
    let (vector, immediate) = (form < 3, form == 3);
    if !in_line(i.d() | i.s2() | if vector { i.s1() } else { 0 }, l.lmul) {
        return false;
    }
    if matches!(plan, Plan::Rotate) && !immediate {
        return false;
    }
    if !o.guard(KEY, l.key as u32, f, arg) {
        return true;
    }
    let bits = 8u64 << sew;
    let imm6 = (i.bits(26, 1) << 5 | i.s1()) as u64;
    let amount = if matches!(plan, Plan::Rotate) { imm6 } else { i.s1() as u64 } as u32 & (bits as u32 - 1);
    let args = |d, a, b, c, imm| VArgs { d, a, b, c, es: sew as u8, bytes: 16, imm };
    // The other operand, if it is the same for all registers.
    match &plan {
        Plan::Shift(..) if immediate => {}
        Plan::Rotate => o.vconst(V::T0, 0),
        Plan::Shift(_, _, right) if !vector => {
            o.alu(Alu::And, W::W64, R::T0, i.rs1(), Src::Imm(bits - 1));
            if *right {
                o.alu(Alu::Sub, W::W64, R::T0, R::ZERO, Src::Reg(R::T0));
            }
            o.vdup(V::T0, sew as u8, 16, R::T0);
        }
        Plan::Shift(_, _, _) => o.vconst(V::T1, splat(sew, bits - 1)),
        _ if immediate => o.vconst(V::T0, splat(sew, ((i.s1() as i64) << 59 >> 59) as u64)),
        _ if !vector => o.vdup(V::T0, sew as u8, 16, i.rs1()),
        _ => {}
    }
    for n in 0..1 << l.lmul {
        let (d, a) = (v(i.d() + n), v(i.s2() + n));
        let b = if vector { v(i.s1() + n) } else { V::T0 };
        match &plan {
            Plan::Plain(op) => o.vec(*op, args(d, a, b, d, 0)),
            Plan::Swapped(op) => o.vec(*op, args(d, b, a, d, 0)),
            Plan::Accumulate(op) => o.vec(*op, args(d, a, b, d, 0)),
            Plan::Multiply(op) => o.vec(*op, args(d, d, b, a, 0)),
            Plan::Rotate => o.vec(VOp::XorRor, args(d, a, b, d, amount)),
            Plan::Shift(..) if immediate && amount == 0 => o.vec(VOp::Mov, args(d, a, a, a, 0)),
            Plan::Shift(op, _, _) if immediate => o.vec(*op, args(d, a, a, a, amount)),
            Plan::Shift(_, op, right) => {
                if vector {
                    o.vec(VOp::And, args(V::T0, b, V::T1, b, 0));
                    if *right {
                        o.vec(VOp::Neg, args(V::T0, V::T0, V::T0, V::T0, 0));
                    }
                }
                o.vec(*op, args(d, a, V::T0, d, 0));
            }
        }
    }
    true
}

/// A floating-point operation of one width. False: nothing was emitted.
pub(crate) fn float<O: Ops>(o: &mut O, i: Insn, op: Float, f: Helper, arg: u64) -> bool {
    let Some(l) = likely(o, i) else { return false };
    let vector = i.bits(12, 3) == 1;
    let (sew, exact) = (l.sew, matches!(o.fp_mode(), mode::EXACT | mode::DIRECTED));
    if !exact || sew < 2 {
        return false;
    }
    // Which of (vs2, other, vd) are the operands a, b, c.
    let (fop, order) = match op {
        Float::Add => (FOp::Add, [0, 1, 2]),
        Float::Sub => (FOp::Sub, [0, 1, 2]),
        Float::Rsub => (FOp::Sub, [1, 0, 2]),
        Float::Mul => (FOp::Mul, [0, 1, 2]),
        Float::Div => (FOp::Div, [0, 1, 2]),
        Float::Rdiv => (FOp::Div, [1, 0, 2]),
        Float::Macc => (FOp::MulAdd, [0, 1, 2]),
        Float::Nmacc => (FOp::NegMulAdd, [0, 1, 2]),
        Float::Msac => (FOp::NegMulSub, [0, 1, 2]),
        Float::Nmsac => (FOp::MulSub, [0, 1, 2]),
        Float::Madd => (FOp::MulAdd, [2, 1, 0]),
        Float::Nmadd => (FOp::NegMulAdd, [2, 1, 0]),
        Float::Msub => (FOp::NegMulSub, [2, 1, 0]),
        Float::Nmsub => (FOp::MulSub, [2, 1, 0]),
        _ => return false,
    };
    if !in_line(i.d() | i.s2() | if vector { i.s1() } else { 0 }, l.lmul) {
        return false;
    }
    // Before the guard: that the scalar is boxed must hold on both of its ways.
    if !vector && sew != 3 && !o.check_boxes(sew as u8, &[i.fs1()], f, arg) {
        return true;
    }
    if !o.guard(KEY, l.key as u32, f, arg) {
        return true;
    }
    if !vector {
        let a = i.fs1();
        o.vec(VOp::DupLane, VArgs { d: V::T0, a, b: a, c: a, es: sew as u8, bytes: 16, imm: 0 });
    }
    for n in 0..1 << l.lmul {
        let b = if vector { v(i.s1() + n) } else { V::T0 };
        let from = [v(i.s2() + n), b, v(i.d() + n)];
        let [a, b, c] = order.map(|k: usize| from[k % 3]);
        o.fp(
            fop,
            VArgs { d: v(i.d() + n), a, b, c, es: sew as u8, bytes: 16, imm: imm::round(Round::Current) },
        );
    }
    true
}

/// VMV.V.V, VMV.V.X, VMV.V.I. False: nothing was emitted.
pub(crate) fn moves<O: Ops>(o: &mut O, i: Insn, f: Helper, arg: u64) -> bool {
    let Some(l) = likely(o, i) else { return false };
    let form = i.bits(12, 3);
    if i.s2() != 0 || !in_line(i.d() | if form == 0 { i.s1() } else { 0 }, l.lmul) {
        return false;
    }
    if !o.guard(KEY, l.key as u32, f, arg) {
        return true;
    }
    for n in 0..1 << l.lmul {
        let d = v(i.d() + n);
        match form {
            0 => {
                let a = v(i.s1() + n);
                o.vec(VOp::Mov, VArgs { d, a, b: a, c: a, es: l.sew as u8, bytes: 16, imm: 0 });
            }
            3 => o.vconst(d, splat(l.sew, ((i.s1() as i64) << 59 >> 59) as u64)),
            _ => o.vdup(d, l.sew as u8, 16, i.rs1()),
        }
    }
    true
}

/// An AES round. False: nothing was emitted.
pub(crate) fn aes<O: Ops>(o: &mut O, i: Insn, op: Aes, f: Helper, arg: u64) -> bool {
    let Some(l) = likely(o, i) else { return false };
    let scalar = i.bits(26, 1) != 0;
    let registers = 1 << l.lmul;
    let overlap = scalar && i.s2().wrapping_sub(i.d()) < registers;
    if l.sew != 2 || overlap || !in_line(i.d() | if scalar { 0 } else { i.s2() }, l.lmul) {
        return false;
    }
    let (first, mix) = match op {
        Aes::Em => (Some(VOp::AesEncLast), Some(VOp::AesMixColumns)),
        Aes::Ef => (Some(VOp::AesEncLast), None),
        Aes::Dm => (Some(VOp::AesDecLast), Some(VOp::AesInvMixColumns)),
        Aes::Df => (Some(VOp::AesDecLast), None),
        Aes::Z => (None, None),
        _ => return false,
    };
    if !o.guard(KEY, l.key as u32, f, arg) {
        return true;
    }
    let args = |d, a, b| VArgs { d, a, b, c: d, es: 0, bytes: 16, imm: 0 };
    if first.is_some() {
        o.vconst(V::T1, 0);
    }
    for n in 0..registers {
        let (d, key) = (v(i.d() + n), v(i.s2() + if scalar { 0 } else { n }));
        let Some(first) = first else {
            o.vec(VOp::Xor, args(d, d, key));
            continue;
        };
        o.vec(first, args(V::T0, d, V::T1));
        match mix {
            Some(VOp::AesMixColumns) => {
                o.vec(VOp::AesMixColumns, args(V::T0, V::T0, V::T0));
                o.vec(VOp::Xor, args(d, V::T0, key));
            }
            Some(mix) => {
                o.vec(VOp::Xor, args(V::T0, V::T0, key));
                o.vec(mix, args(d, V::T0, V::T0));
            }
            None => o.vec(VOp::Xor, args(d, V::T0, key)),
        }
    }
    true
}

//! Floating point, VFPv2 to VFPv4 (Arm ARM F4.1.6 "Floating-point data-processing", "... load/store
//! and 64-bit register moves", "... 32-bit move"), and moves between core and vector registers. T32
//! has the same fields.
//!
//! A scalar operation works on lane 0. So an operand in another lane comes from a temporary, and the
//! result goes from a temporary to its lane ([`operand`], [`result`], [`put`]).
//!
//! Half precision is converted only. Short vectors are not implemented: see
//! [`crate::system::set_fpscr`].

use crate::decode::{Insn, r, undefined};
use crate::mem::{Kind, WORD, load, store};
use crate::state::FP_FLAGS;
use crate::system;
use anyarch_engine::field;
use anyarch_engine::fp::{self, FOp, imm};
use anyarch_engine::ops::{
    Addr, Alu, Effects, FaultAddr, Helper, HelperExit, LoadExt, MemOrder, Ops, R, Round, Size, Src, V, VArgs,
    W,
};
use anyarch_engine::state::Cpu;
use anyarch_engine::vec::VOp;

anyarch_engine::rows! {
    // Data processing, three registers.
    "cond:4 1110 0 d 00 vn:4 vd:4 101 sz n 0 m 0 vm:4" VmlaF none multiply_add[false, false];
    "cond:4 1110 0 d 00 vn:4 vd:4 101 sz n 1 m 0 vm:4" VmlsF none multiply_add[false, true];
    "cond:4 1110 0 d 01 vn:4 vd:4 101 sz n 0 m 0 vm:4" VnmlsF none multiply_add[true, false];
    "cond:4 1110 0 d 01 vn:4 vd:4 101 sz n 1 m 0 vm:4" VnmlaF none multiply_add[true, true];
    "cond:4 1110 0 d 10 vn:4 vd:4 101 sz n 0 m 0 vm:4" VmulF none three[FOp::Mul];
    "cond:4 1110 0 d 10 vn:4 vd:4 101 sz n 1 m 0 vm:4" VnmulF none three[FOp::NegMul];
    "cond:4 1110 0 d 11 vn:4 vd:4 101 sz n 0 m 0 vm:4" VaddF none three[FOp::Add];
    "cond:4 1110 0 d 11 vn:4 vd:4 101 sz n 1 m 0 vm:4" VsubF none three[FOp::Sub];
    "cond:4 1110 1 d 00 vn:4 vd:4 101 sz n 0 m 0 vm:4" VdivF none three[FOp::Div];
    "cond:4 1110 1 d 01 vn:4 vd:4 101 sz n 0 m 0 vm:4" VfnmsF none fused[FOp::NegMulSub];
    "cond:4 1110 1 d 01 vn:4 vd:4 101 sz n 1 m 0 vm:4" VfnmaF none fused[FOp::NegMulAdd];
    "cond:4 1110 1 d 10 vn:4 vd:4 101 sz n 0 m 0 vm:4" VfmaF none fused[FOp::MulAdd];
    "cond:4 1110 1 d 10 vn:4 vd:4 101 sz n 1 m 0 vm:4" VfmsF none fused[FOp::MulSub];

    // Immediate, and two registers.
    "cond:4 1110 1 d 11 imm4h:4 vd:4 101 sz sbz 0 sbz 0 imm4l:4" VmovImm none move_immediate;
    "cond:4 1110 1 d 11 0000 vd:4 101 sz 0 1 m 0 vm:4" VmovReg none move_register;
    "cond:4 1110 1 d 11 0000 vd:4 101 sz 1 1 m 0 vm:4" VabsF none two[FOp::Abs, 0];
    "cond:4 1110 1 d 11 0001 vd:4 101 sz 0 1 m 0 vm:4" VnegF none two[FOp::Neg, 0];
    "cond:4 1110 1 d 11 0001 vd:4 101 sz 1 1 m 0 vm:4" VsqrtF none two[FOp::Sqrt, 0];
    "cond:4 1110 1 d 11 0010 vd:4 101 sz 0 1 m 0 vm:4" VcvtbFrom none from_half[0];
    "cond:4 1110 1 d 11 0010 vd:4 101 sz 1 1 m 0 vm:4" VcvttFrom none from_half[1];
    "cond:4 1110 1 d 11 0011 vd:4 101 sz 0 1 m 0 vm:4" VcvtbTo none to_half[0];
    "cond:4 1110 1 d 11 0011 vd:4 101 sz 1 1 m 0 vm:4" VcvttTo none to_half[1];
    "cond:4 1110 1 d 11 0100 vd:4 101 sz 0 1 m 0 vm:4" Vcmp none compare[false, false];
    "cond:4 1110 1 d 11 0100 vd:4 101 sz 1 1 m 0 vm:4" Vcmpe none compare[true, false];
    "cond:4 1110 1 d 11 0101 vd:4 101 sz 0 1 sbz 0 sbz:4" VcmpZero none compare[false, true];
    "cond:4 1110 1 d 11 0101 vd:4 101 sz 1 1 sbz 0 sbz:4" VcmpeZero none compare[true, true];
    "cond:4 1110 1 d 11 0110 vd:4 101 sz 0 1 m 0 vm:4" Vrintr none round[FOp::RoundInt, Round::Current];
    "cond:4 1110 1 d 11 0110 vd:4 101 sz 1 1 m 0 vm:4" Vrintz none round[FOp::RoundInt, Round::Zero];
    "cond:4 1110 1 d 11 0111 vd:4 101 sz 0 1 m 0 vm:4" Vrintx none round[FOp::RoundIntExact, Round::Current];
    "cond:4 1110 1 d 11 0111 vd:4 101 sz 1 1 m 0 vm:4" VcvtPrecision none convert;
    "cond:4 1110 1 d 11 1000 vd:4 101 sz s 1 m 0 vm:4" VcvtFromInt none from_integer;
    "cond:4 1110 1 d 11 101 u vd:4 101 sz sx 1 i 0 imm4:4" VcvtFromFixed none from_fixed;
    "cond:4 1110 1 d 11 1100 vd:4 101 sz 0 1 m 0 vm:4" VcvtrU none to_integer[false, Round::Current];
    "cond:4 1110 1 d 11 1100 vd:4 101 sz 1 1 m 0 vm:4" VcvtU none to_integer[false, Round::Zero];
    "cond:4 1110 1 d 11 1101 vd:4 101 sz 0 1 m 0 vm:4" VcvtrS none to_integer[true, Round::Current];
    "cond:4 1110 1 d 11 1101 vd:4 101 sz 1 1 m 0 vm:4" VcvtS none to_integer[true, Round::Zero];
    "cond:4 1110 1 d 11 111 u vd:4 101 sz sx 1 i 0 imm4:4" VcvtToFixed none to_fixed;

    // Moves between core and vector registers.
    "cond:4 1110 000 0 vn:4 rt:4 1010 n sbz:2 1 sbz:4" VmovToS none move_single[true];
    "cond:4 1110 000 1 vn:4 rt:4 1010 n sbz:2 1 sbz:4" VmovFromS none move_single[false];
    "cond:4 1110 111 0 0001 rt:4 1010 sbz:3 1 sbz:4" Vmsr none write_fpscr;
    "cond:4 1110 111 1 0001 rt:4 1010 sbz:3 1 sbz:4" Vmrs both read_fpscr;
    "cond:4 1110 0 opc1:2 0 vd:4 rt:4 1011 d opc2:2 1 sbz:4" VmovToLane none move_to_lane;
    "cond:4 1110 u opc1:2 1 vn:4 rt:4 1011 n opc2:2 1 sbz:4" VmovFromLane none move_from_lane;
    "cond:4 1110 1 b q 0 vd:4 rt:4 1011 d 0 e 1 sbz:4" VdupCore none duplicate;
    "cond:4 1100 010 op rt2:4 rt:4 1010 00 m 1 vm:4" VmovSs none move_singles;
    "cond:4 1100 010 op rt2:4 rt:4 1011 00 m 1 vm:4" VmovD none move_double;

    // Load/store.
    "cond:4 1101 u d 00 rn:4 vd:4 101 sz imm8:8" Vstr none single[false];
    "cond:4 1101 u d 01 rn:4 vd:4 101 sz imm8:8" Vldr none single[true];
    "cond:4 1100 1 d w 0 rn:4 vd:4 101 sz imm8:8" Vstmia none multiple[false, true];
    "cond:4 1100 1 d w 1 rn:4 vd:4 101 sz imm8:8" Vldmia none multiple[true, true];
    "cond:4 1101 0 d 10 rn:4 vd:4 101 sz imm8:8" Vstmdb none multiple[false, false];
    "cond:4 1101 0 d 11 rn:4 vd:4 101 sz imm8:8" Vldmdb none multiple[true, false];
}

/// log2 of the bytes, by the size bit.
pub(crate) fn es(i: Insn) -> u8 {
    if field!(set i.sz) { 3 } else { 2 }
}

/// A register by its four-bit field and its single bit: S registers have the bit below, D registers
/// above.
fn number(es: u8, field: u32, bit: u32) -> u8 {
    (if es == 3 { bit << 4 | field } else { field << 1 | bit }) as u8
}

pub(crate) fn vd(i: Insn, es: u8) -> u8 {
    number(es, i.bits(12, 4), i.bits(22, 1))
}

pub(crate) fn vn(i: Insn, es: u8) -> u8 {
    number(es, i.bits(16, 4), i.bits(7, 1))
}

pub(crate) fn vm(i: Insn, es: u8) -> u8 {
    number(es, i.bits(0, 4), i.bits(5, 1))
}

/// Slot and lane of an S or D register.
pub(crate) fn place(es: u8, n: u8) -> (V, u8) {
    let log2 = 4 - es;
    (V(n >> log2), n & ((1 << log2) - 1))
}

/// A slot whose lane 0 is the S or D register; no temporary of `busy`.
pub(crate) fn operand<O: Ops>(o: &mut O, es: u8, n: u8, busy: &[V]) -> V {
    let (v, lane) = place(es, n);
    o.lane(v, es, lane, busy)
}

/// The S or D register = lane 0 of a slot.
pub(crate) fn put<O: Ops>(o: &mut O, es: u8, n: u8, from: V) {
    let (d, lane) = place(es, n);
    o.put_lane(d, es, lane, from);
}

/// Operands of the three registers, with the result in a temporary.
pub(crate) fn operands<O: Ops>(o: &mut O, i: Insn, es: u8) -> VArgs {
    let a = operand(o, es, vn(i, es), &[]);
    let b = operand(o, es, vm(i, es), &[a]);
    let d = o.lane_temporary(&[a, b]);
    VArgs { d, a, b, c: b, es, bytes: 1 << es, imm: 0 }
}

fn three<O: Ops>(o: &mut O, i: Insn, op: FOp) {
    if o.restricted() {
        return undefined(o);
    }
    let args = operands(o, i, es(i));
    o.fp_lane(op, args);
    put(o, es(i), vd(i, es(i)), args.d);
}

fn fused<O: Ops>(o: &mut O, i: Insn, op: FOp) {
    if o.restricted() {
        return undefined(o);
    }
    let args = operands(o, i, es(i));
    let c = operand(o, es(i), vd(i, es(i)), &[args.d, args.a, args.b]);
    o.fp_lane(op, VArgs { c, ..args });
    put(o, es(i), vd(i, es(i)), args.d);
}

/// VMLA and its kin: the product is rounded, and perhaps negated, then added to the accumulator,
/// perhaps negated.
fn multiply_add<O: Ops>(o: &mut O, i: Insn, negate: bool, negate_product: bool) {
    if o.restricted() {
        return undefined(o);
    }
    let es = es(i);
    let args = operands(o, i, es);
    let product = args.d;
    o.fp_lane(if negate_product { FOp::NegMul } else { FOp::Mul }, args);
    let mut a = operand(o, es, vd(i, es), &[product]);
    if negate {
        let d = o.lane_temporary(&[product, a]);
        o.fp_lane(FOp::Neg, VArgs { d, a, ..args });
        a = d;
    }
    let d = o.lane_temporary(&[product, a]);
    o.fp_lane(FOp::Add, VArgs { d, a, b: product, ..args });
    put(o, es, vd(i, es), d);
}

/// VFPExpandImm: sign, an exponent of `e` bits made of one bit, its complement and two bits, a
/// fraction of `f` bits.
pub(crate) fn expand(imm8: u64, e: u32, f: u32) -> u64 {
    let b = imm8 >> 6 & 1;
    let exponent = (b ^ 1) << (e - 1) | (b * ((1 << (e - 3)) - 1)) << 2 | imm8 >> 4 & 3;
    (imm8 >> 7) << (e + f) | exponent << f | (imm8 & 15) << (f - 4)
}

fn move_immediate<O: Ops>(o: &mut O, i: Insn) {
    if o.restricted() {
        return undefined(o);
    }
    let (es, imm8) = (es(i), (field!(i.imm4h) << 4 | field!(i.imm4l)) as u64);
    let d = o.lane_temporary(&[]);
    o.vconst(d, if es == 3 { expand(imm8, 11, 52) } else { expand(imm8, 8, 23) } as u128);
    put(o, es, vd(i, es), d);
}

fn move_register<O: Ops>(o: &mut O, i: Insn) {
    if o.restricted() {
        return undefined(o);
    }
    let es = es(i);
    let a = operand(o, es, vm(i, es), &[]);
    put(o, es, vd(i, es), a);
}

fn two<O: Ops>(o: &mut O, i: Insn, op: FOp, imm: u32) {
    if o.restricted() {
        return undefined(o);
    }
    unary(o, i, op, imm);
}

/// An operation on Vm.
pub(crate) fn unary<O: Ops>(o: &mut O, i: Insn, op: FOp, imm: u32) {
    let es = es(i);
    let a = operand(o, es, vm(i, es), &[]);
    let d = o.lane_temporary(&[a]);
    o.fp_lane(op, VArgs { d, a, b: a, c: a, es, bytes: 1 << es, imm });
    put(o, es, vd(i, es), d);
}

fn round<O: Ops>(o: &mut O, i: Insn, op: FOp, direction: Round) {
    unary(o, i, op, imm::round(direction));
}

fn from_half<O: Ops>(o: &mut O, i: Insn, top: u8) {
    let to = es(i);
    let (v, lane) = place(2, vm(i, 2));
    let half = 2 * lane + top;
    let args = VArgs { d: V::T1, a: v, b: v, c: v, es: 1, bytes: 2, imm: half as u32 };
    let a = if half == 0 {
        v
    } else {
        o.vec(VOp::DupLane, args);
        V::T1
    };
    o.fp(FOp::Convert, VArgs { d: V::T0, a, bytes: 1 << to, imm: to as u32, ..args });
    put(o, to, vd(i, to), V::T0);
}

fn to_half<O: Ops>(o: &mut O, i: Insn, top: u8) {
    let from = es(i);
    let a = operand(o, from, vm(i, from), &[V::T0]);
    o.fp(FOp::Convert, VArgs { d: V::T0, a, b: a, c: a, es: from, bytes: 2, imm: 1 });
    let (d, lane) = place(2, vd(i, 2));
    let imm = (2 * lane + top) as u32;
    o.vec(VOp::InsertLane, VArgs { d, a: V::T0, b: V::T0, c: d, es: 1, bytes: 16, imm });
}

/// FPSCR has flags of its own.
fn compare<O: Ops>(o: &mut O, i: Insn, signaling: bool, zero: bool) {
    let es = es(i);
    let a = operand(o, es, vd(i, es), &[]);
    let b = if zero { None } else { Some(operand(o, es, vm(i, es), &[a])) };
    o.fp_compare_to(FP_FLAGS, signaling, es, a, b);
}

fn convert<O: Ops>(o: &mut O, i: Insn) {
    let from = es(i);
    let to = 5 - from;
    let a = operand(o, from, vm(i, from), &[]);
    let d = o.lane_temporary(&[a]);
    o.fp_lane(FOp::Convert, VArgs { d, a, b: a, c: a, es: from, bytes: 1 << to, imm: to as u32 });
    put(o, to, vd(i, to), d);
}

fn from_integer<O: Ops>(o: &mut O, i: Insn) {
    let es = es(i);
    let (v, lane) = place(2, vm(i, 2));
    o.vget(false, W::W32, R::T0, v, 2, lane);
    let d = o.lane_temporary(&[]);
    o.int_to_fp(field!(set i.s), Round::Current, W::W32, d, R::T0, es, 0);
    put(o, es, vd(i, es), d);
}

/// Vm to an integer in an S register.
pub(crate) fn to_integer<O: Ops>(o: &mut O, i: Insn, signed: bool, round: Round) {
    let es = es(i);
    let a = operand(o, es, vm(i, es), &[]);
    o.fp_to_int(signed, round, W::W32, R::T0, a, es, 0);
    let (d, lane) = place(2, vd(i, 2));
    o.vset(d, 2, lane, R::T0);
}

/// Bits of a fixed-point number and of its fraction; `None` where there are more of the latter.
fn fixed(i: Insn) -> Option<(u8, u8)> {
    let size = if i.bit(7) { 32 } else { 16 };
    let bits = i.bits(0, 4) << 1 | i.bits(5, 1);
    Some((size, (size as u32).checked_sub(bits)? as u8))
}

fn from_fixed<O: Ops>(o: &mut O, i: Insn) {
    let Some((size, fbits)) = fixed(i) else { return undefined(o) };
    let (es, signed) = (es(i), !field!(set i.u, of from_fixed));
    let (v, lane) = place(es, vd(i, es));
    let source = if size == 16 { 1 } else { 2 };
    o.vget(signed, W::W32, R::T0, v, source, lane << (es - source));
    let d = o.lane_temporary(&[]);
    o.int_to_fp(signed, Round::NearestEven, W::W32, d, R::T0, es, fbits);
    put(o, es, vd(i, es), d);
}

fn to_fixed<O: Ops>(o: &mut O, i: Insn) {
    let Some((size, fbits)) = fixed(i) else { return undefined(o) };
    let (es, signed) = (es(i), !field!(set i.u, of to_fixed));
    let (v, lane) = place(es, vd(i, es));
    if size == 16 {
        let arg = v.0 as u64 | (lane as u64) << 8 | (es as u64) << 16 | (fbits as u64) << 24;
        return o.helper(TO_FIXED16, arg | (signed as u64) << 32);
    }
    let a = operand(o, es, vd(i, es), &[]);
    o.fp_to_int(signed, Round::Zero, W::W32, R::T0, a, es, fbits);
    if signed {
        o.extract(true, W::W64, R::T0, R::T0, 0, 32);
    }
    o.vset(v, es, lane, R::T0);
}

const TO_FIXED16: Helper = Helper {
    function: to_fixed16,
    effects: |arg| Effects::NONE.reads_vectors(V(arg as u8), 1).writes_vectors(V(arg as u8), 1).environment(),
};

/// To a fixed-point number of 16 bits, extended to the register's size.
extern "C" fn to_fixed16(cpu: &mut Cpu, arg: u64) -> HelperExit {
    let byte = |n: u32| (arg >> (8 * n)) as u8;
    let (v, lane, es, fbits, signed) = (byte(0) as usize, byte(1), byte(2), byte(3), byte(4) != 0);
    let bits = 8u32 << es;
    let (at, mask) = (lane as u32 * bits, u64::MAX >> (64 - bits));
    let a = (cpu.vec[v] >> at) as u64 & mask;
    let value = fp::to_int(es, a, signed, Round::Zero, 16, fbits, &mut cpu.fp);
    let value = if signed { value as i16 as i64 as u64 } else { value };
    cpu.vec[v] = cpu.vec[v] & !((mask as u128) << at) | ((value & mask) as u128) << at;
    HelperExit::Continue
}

fn move_single<O: Ops>(o: &mut O, i: Insn, to_vector: bool) {
    let (v, lane) = place(2, vn(i, 2));
    let t = i.reg(12);
    if t == 15 {
        undefined(o);
    } else if to_vector {
        o.vset(v, 2, lane, r(t));
    } else {
        o.vget(false, W::W32, r(t), v, 2, lane);
    }
}

fn write_fpscr<O: Ops>(o: &mut O, i: Insn) {
    if i.reg(12) == 15 {
        return undefined(o);
    }
    o.helper(system::WRITE_FPSCR, i.reg(12) as u64);
}

fn read_fpscr<O: Ops>(o: &mut O, i: Insn) {
    match i.reg(12) {
        15 => o.write_flags(FP_FLAGS),
        t => o.helper(system::READ_FPSCR, t as u64),
    }
}

/// The D register of a lane's field at `lsb` with its bit 7, the lane's size and number; `None` is
/// undefined.
fn lane(i: Insn) -> Option<(V, u8, u8)> {
    let (high, opc2) = (i.bits(21, 1), i.bits(5, 2));
    let (es, index) = match (i.bit(22), opc2) {
        (true, _) => (0, high << 2 | opc2),
        (false, 1 | 3) => (1, high << 1 | opc2 >> 1),
        (false, 0) => (2, high),
        _ => return None,
    };
    let (v, half) = place(3, vn(i, 3));
    Some((v, es, index as u8 + (half << (3 - es))))
}

fn move_to_lane<O: Ops>(o: &mut O, i: Insn) {
    match lane(i) {
        Some((v, es, index)) if i.reg(12) != 15 => o.vset(v, es, index, r(i.reg(12))),
        _ => undefined(o),
    }
}

fn move_from_lane<O: Ops>(o: &mut O, i: Insn) {
    match lane(i) {
        // A word has no extension.
        Some((v, es, index)) if i.reg(12) != 15 && !(es == 2 && field!(set i.u, of move_from_lane)) => {
            o.vget(!field!(set i.u, of move_from_lane), W::W32, r(i.reg(12)), v, es, index);
        }
        _ => undefined(o),
    }
}

fn duplicate<O: Ops>(o: &mut O, i: Insn) {
    let es = match (field!(set i.b), field!(set i.e)) {
        (false, false) => 2,
        (false, true) => 1,
        (true, false) => 0,
        _ => return undefined(o),
    };
    let d = vn(i, 3);
    let t = i.reg(12);
    if t == 15 || field!(set i.q) && d & 1 != 0 {
        undefined(o);
    } else if field!(set i.q) {
        o.vdup(V(d >> 1), es, 16, r(t));
    } else {
        o.vdup(V::T0, es, 8, r(t));
        put(o, 3, d, V::T0);
    }
}

fn move_singles<O: Ops>(o: &mut O, i: Insn) {
    let (t, t2, m) = (i.reg(12), i.reg(16), vm(i, 2));
    let to_core = field!(set i.op);
    if t == 15 || t2 == 15 || m == 31 || to_core && t == t2 {
        return undefined(o);
    }
    for (t, m) in [(t, m), (t2, m + 1)] {
        let (v, lane) = place(2, m);
        if to_core {
            o.vget(false, W::W32, r(t), v, 2, lane);
        } else {
            o.vset(v, 2, lane, r(t));
        }
    }
}

fn move_double<O: Ops>(o: &mut O, i: Insn) {
    let (t, t2) = (i.reg(12), i.reg(16));
    let (v, half) = place(3, vm(i, 3));
    let to_core = field!(set i.op);
    if t == 15 || t2 == 15 || to_core && t == t2 {
        undefined(o);
    } else if to_core {
        o.vget(false, W::W32, r(t), v, 2, 2 * half);
        o.vget(false, W::W32, r(t2), v, 2, 2 * half + 1);
    } else {
        o.alu(Alu::Or, W::W64, R::T0, r(t), Src::Shifted(r(t2), anyarch_engine::ops::Shift::Lsl, 32));
        o.vset(v, 3, half, R::T0);
    }
}

fn kind(es: u8) -> Kind {
    if es == 3 { (Size::B8, LoadExt::Zero) } else { WORD }
}

/// Loads or stores an S or D register.
pub(crate) fn transfer<O: Ops>(o: &mut O, i: Insn, loads: bool, es: u8, d: u8, a: Addr) {
    let (v, lane) = place(es, d);
    if loads && !i.big() {
        o.vload_lane(v, es, lane, a);
    } else if !i.big() {
        o.vstore_lane(v, es, lane, a);
    } else if loads {
        load(o, i, kind(es), R::T0, a, MemOrder::Plain);
        o.vset(v, es, lane, R::T0);
    } else {
        o.vget(false, W::W64, R::T0, v, es, lane);
        store(o, i, kind(es).0, R::T0, a, MemOrder::Plain);
    }
}

fn single<O: Ops>(o: &mut O, i: Insn, loads: bool) {
    let (es, n) = (es(i), i.reg(16));
    let offset = (field!(i.imm8) << 2) as i64;
    let offset = if field!(set i.u, of single) { offset } else { -offset };
    let a = if n == 15 {
        Addr::Abs(i.pc_aligned().wrapping_add(offset as u32) as u64)
    } else {
        o.check_aligned(4, r(n), offset, !loads, FaultAddr::Access);
        Addr::Base(r(n), offset)
    };
    transfer(o, i, loads, es, vd(i, es), a);
}

fn multiple<O: Ops>(o: &mut O, i: Insn, loads: bool, increments: bool) {
    let (es, n) = (es(i), i.reg(16));
    let first = vd(i, es);
    let words = field!(i.imm8);
    // An odd number of words of D registers is the old FLDMX, which leaves out the last.
    let count = if es == 3 { words / 2 } else { words } as u8;
    if count == 0
        || first as u32 + count as u32 > 32
        || es == 3 && count > 16
        || n == 15 && (i.bit(21) || i.thumb())
    {
        return undefined(o);
    }
    let bytes = (4 * words) as i64;
    let at = if increments { 0 } else { -bytes };
    let base = if n == 15 {
        o.mov_addr(R::T1, i.pc_value() as u64);
        R::T1
    } else {
        r(n)
    };
    o.check_aligned(4, base, at, !loads, FaultAddr::Access);
    let mut k = 0;
    while k < count {
        let a = Addr::Base(base, at + ((k as i64) << es));
        let d = first + k;
        if es == 3 && d & 1 == 0 && k + 1 < count && !i.big() {
            // Two halves of a slot.
            if loads {
                o.vload(16, V(d >> 1), a)
            } else {
                o.vstore(16, V(d >> 1), a)
            }
            k += 2;
        } else {
            transfer(o, i, loads, es, d, a);
            k += 1;
        }
    }
    if i.bit(21) {
        let op = if increments { Alu::Add } else { Alu::Sub };
        o.alu(op, W::W32, base, base, Src::Imm(bytes as u64));
    }
}

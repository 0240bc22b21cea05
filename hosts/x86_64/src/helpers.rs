//! Operations that generated code leaves to the reference interpreter: rare ones, and those whose
//! fast form has not enough host registers at hand. The constant argument packs the operands.

use anyarch_engine::fp::{FOp, flag};
use anyarch_engine::interp::{Interp, Outcome};
use anyarch_engine::ops::*;
use anyarch_engine::state::Cpu;
use anyarch_engine::vec::VOp;

fn play(cpu: &mut Cpu, f: impl FnOnce(&mut Interp<'_>)) -> HelperExit {
    let mut interp = Interp::new(cpu);
    f(&mut interp);
    if interp.outcome == Outcome::Fault { HelperExit::Fault } else { HelperExit::Continue }
}

fn r(arg: u64, n: u32) -> R {
    R((arg >> (8 * n)) as u8)
}

fn size(arg: u64) -> Size {
    Size::from_log2((arg >> 40) as u32)
}

pub(super) extern "C" fn crc32(cpu: &mut Cpu, arg: u64) -> HelperExit {
    play(cpu, |i| i.crc32(false, size(arg), r(arg, 0), r(arg, 1), r(arg, 2)))
}

pub(super) extern "C" fn rmw(cpu: &mut Cpu, arg: u64) -> HelperExit {
    use Rmw::*;
    let op = [Add, AndNot, And, Xor, Or, MaxS, MinS, MaxU, MinU, Swap][(arg >> 48) as usize % 10];
    play(cpu, |i| i.rmw(op, size(arg), r(arg, 0), r(arg, 1), r(arg, 2)))
}

pub(super) extern "C" fn cas(cpu: &mut Cpu, arg: u64) -> HelperExit {
    play(cpu, |i| i.cas(size(arg), r(arg, 0), r(arg, 1), r(arg, 2)))
}

pub(super) extern "C" fn cas_pair(cpu: &mut Cpu, arg: u64) -> HelperExit {
    play(cpu, |i| i.cas_pair(size(arg), [r(arg, 0), r(arg, 1)], [r(arg, 2), r(arg, 3)], r(arg, 4)))
}

pub(super) extern "C" fn load_exclusive_pair(cpu: &mut Cpu, arg: u64) -> HelperExit {
    play(cpu, |i| i.load_exclusive_pair(size(arg), [r(arg, 0), r(arg, 1)], r(arg, 2)))
}

pub(super) extern "C" fn store_exclusive(cpu: &mut Cpu, arg: u64) -> HelperExit {
    play(cpu, |i| i.store_exclusive(size(arg), r(arg, 0), r(arg, 1), r(arg, 2)))
}

pub(super) extern "C" fn store_exclusive_pair(cpu: &mut Cpu, arg: u64) -> HelperExit {
    play(cpu, |i| i.store_exclusive_pair(size(arg), r(arg, 0), [r(arg, 1), r(arg, 2)], r(arg, 3)))
}

/// Packs a vector operation: op 12 bits, es 3, bytes 5, four slots of 7, imm 16 at the top... in 64
/// bits.
pub(super) fn pack_vec(op: u16, v: &VArgs) -> u64 {
    debug_assert!(v.imm < 1 << 16 && op < 1 << 12);
    op as u64
        | (v.es as u64) << 12
        | (v.bytes as u64) << 15
        | (v.d.0 as u64) << 20
        | (v.a.0 as u64) << 27
        | (v.b.0 as u64) << 34
        | (v.c.0 as u64) << 41
        | (v.imm as u64) << 48
}

fn unpack_vec(arg: u64) -> (u16, VArgs) {
    let f = |at: u32, len: u32| (arg >> at) as u32 & ((1 << len) - 1);
    let args = VArgs {
        d: V(f(20, 7) as u8),
        a: V(f(27, 7) as u8),
        b: V(f(34, 7) as u8),
        c: V(f(41, 7) as u8),
        es: f(12, 3) as u8,
        bytes: f(15, 5) as u8,
        imm: f(48, 16),
    };
    (f(0, 12) as u16, args)
}

pub(super) extern "C" fn vec(cpu: &mut Cpu, arg: u64) -> HelperExit {
    let (op, args) = unpack_vec(arg);
    // SAFETY: the number was made from a VOp by `pack_vec`.
    let op = unsafe { core::mem::transmute::<u16, VOp>(op) };
    play(cpu, |i| i.vec(op, args))
}

pub(super) extern "C" fn fp(cpu: &mut Cpu, arg: u64) -> HelperExit {
    let (op, args) = unpack_vec(arg);
    // SAFETY: the number was made from an FOp by `pack_vec`.
    let op = unsafe { core::mem::transmute::<u8, FOp>(op as u8) };
    play(cpu, |i| i.fp(op, args))
}

pub(super) extern "C" fn vtbl(cpu: &mut Cpu, arg: u64) -> HelperExit {
    let (keep, args) = unpack_vec(arg);
    play(cpu, |i| i.vtbl(keep != 0, args.d, args.a, args.es, args.b, args.bytes))
}

pub(super) extern "C" fn vload_struct(cpu: &mut Cpu, arg: u64) -> HelperExit {
    let (n, args) = unpack_vec(arg);
    play(cpu, |i| i.vload_struct(n as u8, args.es, args.bytes, args.d, R(args.imm as u8)))
}

pub(super) extern "C" fn vstore_struct(cpu: &mut Cpu, arg: u64) -> HelperExit {
    let (n, args) = unpack_vec(arg);
    play(cpu, |i| i.vstore_struct(n as u8, args.es, args.bytes, args.d, R(args.imm as u8)))
}

fn round(n: u32) -> Round {
    use Round::*;
    [NearestEven, Up, Down, Zero, NearestAway, Odd, Current, Current][n as usize & 7]
}

fn width(wide: u32) -> W {
    if wide != 0 { W::W64 } else { W::W32 }
}

/// Packs a conversion: signed, wide, rounding in the op field; the register in the low byte of imm,
/// fraction bits above.
pub(super) fn pack_convert(signed: bool, w: W, round: u8, v: V, reg: R, es: u8, fbits: u8) -> u64 {
    let op = signed as u16 | ((w == W::W64) as u16) << 1 | (round as u16) << 2;
    let imm = reg.0 as u32 | (fbits as u32) << 8;
    pack_vec(op, &VArgs { d: v, a: v, b: v, c: v, es, bytes: 0, imm })
}

pub(super) extern "C" fn fp_to_int(cpu: &mut Cpu, arg: u64) -> HelperExit {
    let (op, v) = unpack_vec(arg);
    let (signed, w, rnd) = (op & 1 != 0, width(op as u32 & 2), round(op as u32 >> 2));
    play(cpu, |i| i.fp_to_int(signed, rnd, w, R(v.imm as u8), v.a, v.es, (v.imm >> 8) as u8))
}

pub(super) extern "C" fn int_to_fp(cpu: &mut Cpu, arg: u64) -> HelperExit {
    let (op, v) = unpack_vec(arg);
    let (signed, w, rnd) = (op & 1 != 0, width(op as u32 & 2), round(op as u32 >> 2));
    play(cpu, |i| i.int_to_fp(signed, rnd, w, v.d, R(v.imm as u8), v.es, (v.imm >> 8) as u8))
}

/// imm: bit 0 signaling, bit 1 compare with zero.
pub(super) extern "C" fn fp_compare(cpu: &mut Cpu, arg: u64) -> HelperExit {
    let (_, v) = unpack_vec(arg);
    play(cpu, |i| i.fp_compare(v.imm & 1 != 0, v.es, v.a, (v.imm & 2 == 0).then_some(v.b)))
}

/// Moves the sticky flags of the floating-point environment to MXCSR.
pub(super) extern "C" fn gather_fp_flags(cpu: &mut Cpu, _: u64) -> HelperExit {
    let flags = (cpu.fp.flags & flag::IEEE) as u32;
    cpu.host_fp.0 |= flags & 1 | (flags & 0x1e) << 1;
    cpu.fp.flags &= !flag::IEEE;
    HelperExit::Continue
}

/// The sticky flags become those in the slot of this number, as `Ops::set_fp_flags` does it.
pub(super) extern "C" fn restore_fp_flags(cpu: &mut Cpu, slot: u64) -> HelperExit {
    play(cpu, |i| i.set_fp_flags(R(slot as u8)))
}

/// Up to five slots in one constant, 8 bits each.
pub(crate) fn pack(slots: &[R]) -> u64 {
    slots.iter().rev().fold(0, |acc, r| acc << 8 | r.0 as u64)
}

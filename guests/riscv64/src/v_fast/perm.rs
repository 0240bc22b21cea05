//! Permutations, and moves between vectors and scalars.

use super::parts::{Shape, T, args, copy, define, put_low, unmasked};
use super::widen::extend_half;
use super::{splat, v};
use crate::decode::Insn;
use crate::v::{Group, KEY, USED, VL, parse};
use anyarch_engine::ops::{Alu, Cmp, Cond, Helper, Ops, R, Sel, Shift, Src, V, VArgs, W};
use anyarch_engine::state::mode;
use anyarch_engine::vec::VOp;

/// A guard for instructions that depend on SEW alone of vtype. The SEW that is likely; `None`: there is none. Then and with `Some(None)` nothing more is to be
/// emitted, in the first case because nothing was.
fn any_length<O: Ops>(o: &mut O, f: Helper, arg: u64) -> Option<Option<u32>> {
    const SEW: u64 = 0x38;
    let key = o.likely();
    let (_, sew) = parse(key & 0xff).filter(|_| key & USED != 0)?;
    let holds = o.guard_bits(KEY, (USED | SEW) as u32, (key & (USED | SEW)) as u32, f, arg);
    Some(holds.then_some(sew))
}

/// The same for those that do nothing if vl is zero.
fn any_length_but_zero<O: Ops>(o: &mut O, f: Helper, arg: u64) -> Option<Option<u32>> {
    let sew = any_length(o, f, arg)?;
    if sew.is_none() {
        return Some(None);
    }
    o.set_cmp(Cmp::Eq, R::T0, VL, Src::Imm(0));
    Some(if o.guard(R::T0, 0, f, arg) { sew } else { None })
}

/// VMV.X.S.
pub(crate) fn to_x<O: Ops>(o: &mut O, i: Insn, f: Helper, arg: u64) -> bool {
    let Some(sew) = any_length(o, f, arg) else { return false };
    if let Some(sew) = sew {
        o.vget(true, W::W64, i.rd(), v(i.s2()), sew as u8, 0);
    }
    true
}

/// VMV.S.X.
pub(crate) fn from_x<O: Ops>(o: &mut O, i: Insn, f: Helper, arg: u64) -> bool {
    let Some(sew) = any_length_but_zero(o, f, arg) else { return false };
    if let Some(sew) = sew {
        o.vset(v(i.d()), sew as u8, 0, i.rs1());
    }
    true
}

/// VMV1R.V to VMV8R.V.
pub(crate) fn whole<O: Ops>(o: &mut O, i: Insn, f: Helper, arg: u64) -> bool {
    let registers = i.s1() + 1;
    if o.likely() & USED == 0 || (i.d() | i.s2()) & (registers - 1) != 0 {
        return false;
    }
    if o.guard_bits(KEY, USED as u32, USED as u32, f, arg) {
        for n in 0..registers {
            copy(o, v(i.d() + n), v(i.s2() + n));
        }
    }
    true
}

/// Whether the environment's direction of rounding is one that host code knows: moves of floating-point numbers are reserved while there is none.
fn rounds<O: Ops>(o: &O) -> bool {
    matches!(o.fp_mode(), mode::EXACT | mode::DIRECTED)
}

/// VFMV.F.S.
pub(crate) fn to_f<O: Ops>(o: &mut O, i: Insn, f: Helper, arg: u64) -> bool {
    if !rounds(o) || o.likely() & 0x38 == 0 {
        return false;
    }
    let Some(sew) = any_length(o, f, arg) else { return false };
    if let Some(sew) = sew {
        let (a, d) = (v(i.s2()), i.fd());
        o.vec(VOp::DupLane, VArgs { d, a, b: a, c: a, es: sew as u8, bytes: 1 << sew, imm: 0 });
        if sew != 3 {
            o.fp_box(d, sew as u8);
        }
    }
    true
}

/// VFMV.S.F.
pub(crate) fn from_f<O: Ops>(o: &mut O, i: Insn, f: Helper, arg: u64) -> bool {
    let sew = o.likely() as u8 >> 3 & 7;
    if !rounds(o) || sew == 0 || o.likely() & USED == 0 {
        return false;
    }
    if sew != 3 && !o.check_boxes(sew, &[i.fs1()], f, arg) {
        return true;
    }
    if let Some(Some(sew)) = any_length_but_zero(o, f, arg) {
        put_low(o, v(i.d()), i.fs1(), 1 << sew);
    }
    true
}

/// The groups of a permutation of elements, which may overlap only if `in_place`.
fn groups<O: Ops>(o: &O, i: Insn, in_place: bool) -> Option<(Shape, Group, Group)> {
    let s = unmasked(o, i)?;
    let (d, a) = (s.group(i.d(), s.sew)?, s.group(i.s2(), s.sew)?);
    (in_place || !d.overlaps(a)).then_some((s, d, a))
}

/// d = the 16 bytes from byte `at` (0 to 16) of high:low.
fn window<O: Ops>(o: &mut O, d: V, low: V, high: V, at: u32) {
    match at {
        0 => copy(o, d, low),
        16 => copy(o, d, high),
        _ => o.vec(VOp::Extract, args(0, d, low, high, low, at)),
    }
}

/// VSLIDEUP.VI.
pub(crate) fn slide_up<O: Ops>(o: &mut O, i: Insn, f: Helper, arg: u64) -> bool {
    let Some((s, d, a)) = groups(o, i, false) else { return false };
    if !s.guard(o, f, arg) {
        return true;
    }
    let offset = i.s1().min(s.elements()) << s.sew;
    let (first, bytes) = (offset / 16, offset % 16);
    for n in first..d.registers() {
        let old = v(d.reg + n);
        define(o, d, n, |o, slot| {
            if n > first {
                window(o, slot, v(a.reg + n - first - 1), v(a.reg + n - first), 16 - bytes);
            } else if bytes == 0 {
                copy(o, slot, v(a.reg));
            } else {
                // Its low bytes stay: turned to the top, from where the window takes them.
                window(o, T[0], old, old, bytes);
                window(o, slot, T[0], v(a.reg), 16 - bytes);
            }
        });
    }
    true
}

/// VSLIDEDOWN.VI.
pub(crate) fn slide_down<O: Ops>(o: &mut O, i: Insn, f: Helper, arg: u64) -> bool {
    let Some((s, d, a)) = groups(o, i, true) else { return false };
    if !s.guard(o, f, arg) {
        return true;
    }
    let offset = i.s1().min(s.elements()) << s.sew;
    let (first, bytes) = (offset / 16, offset % 16);
    o.vconst(T[4], 0);
    if a.bytes() < 16 {
        o.vec(VOp::Mov, VArgs { bytes: a.bytes(), ..args(0, T[5], v(a.reg), T[5], T[5], 0) });
    }
    let source = |n: u32| match n {
        n if n >= a.registers() => T[4],
        _ if a.bytes() < 16 => T[5],
        n => v(a.reg + n),
    };
    for n in 0..d.registers() {
        define(o, d, n, |o, slot| window(o, slot, source(n + first), source(n + first + 1), bytes));
    }
    true
}

/// What VSLIDE1UP and its like push in: a general register's value, or a floating-point register's (boxed).
#[derive(Clone, Copy)]
pub(crate) enum Pushed {
    X,
    F,
}

/// VSLIDE1UP, VSLIDE1DOWN, VFSLIDE1UP, VFSLIDE1DOWN.
pub(crate) fn slide1<O: Ops>(o: &mut O, i: Insn, up: bool, pushed: Pushed, f: Helper, arg: u64) -> bool {
    let Some((s, d, a)) = groups(o, i, !up) else { return false };
    match pushed {
        Pushed::F if !rounds(o) || s.sew == 0 => return false,
        Pushed::F if s.sew != 3 && !o.check_boxes(s.sew as u8, &[i.fs1()], f, arg) => return true,
        _ => {}
    }
    if !s.guard(o, f, arg) {
        return true;
    }
    match pushed {
        Pushed::X => o.vdup(T[4], s.sew as u8, 16, i.rs1()),
        Pushed::F => o.vec(VOp::DupLane, args(s.sew, T[4], i.fs1(), T[4], T[4], 0)),
    }
    let size = 1 << s.sew;
    if !up && a.bytes() < 16 {
        // The new element in the place behind the last.
        copy(o, T[5], v(a.reg));
        let at = a.bytes() as u32 >> s.sew;
        o.vec(VOp::InsertLane, args(s.sew, T[5], T[4], T[4], T[5], at));
    }
    let source = |n: u32| match n {
        n if n >= a.registers() => T[4],
        _ if !up && a.bytes() < 16 => T[5],
        n => v(a.reg + n),
    };
    for n in 0..d.registers() {
        define(o, d, n, |o, slot| {
            if up {
                // Below the first register: all ones of -1.
                window(o, slot, source(n.wrapping_sub(1)), source(n), 16 - size);
            } else {
                window(o, slot, source(n), source(n + 1), size);
            }
        });
    }
    true
}

/// The numbers of the bytes within their elements.
fn byte_numbers(sew: u32) -> u128 {
    (0..16).fold(0, |all, n| all | (n & ((1 << sew) - 1)) << (8 * n))
}

/// The same byte of each element, for all of its bytes: its first one.
fn first_bytes(sew: u32) -> u128 {
    (0..16).fold(0, |all, n| all | (n >> sew << sew) << (8 * n))
}

/// Registers at most of a table: [`Ops::vtbl`]'s.
const TABLE: u32 = 4;

/// VRGATHER.VI and VRGATHER.VX.
pub(crate) fn gather_one<O: Ops>(o: &mut O, i: Insn, f: Helper, arg: u64) -> bool {
    let Some((s, d, a)) = groups(o, i, false) else { return false };
    let immediate = i.bits(12, 3) == 3;
    if !immediate && a.registers() > TABLE {
        return false;
    }
    if !s.guard(o, f, arg) {
        return true;
    }
    let (index, max) = (i.s1(), s.elements());
    let lanes = 16 >> s.sew;
    if immediate && index >= max {
        o.vconst(T[4], 0);
    } else if immediate {
        let a = v(a.reg + index / lanes);
        o.vec(VOp::DupLane, args(s.sew, T[4], a, a, a, index % lanes));
    } else {
        // 128 is beyond every table.
        o.mov(W::W64, R::T0, Src::Imm(128));
        o.shift(Shift::Lsl, W::W64, R::T1, i.rs1(), Src::Imm(s.sew as u64));
        o.alu_flags(Alu::Sub, W::W64, R::ZERO, i.rs1(), Src::Imm(max as u64));
        o.select(Cond::Cc, W::W64, R::T0, R::T1, R::T0, Sel::Plain);
        o.vdup(T[4], 0, 16, R::T0);
        o.vconst(T[5], byte_numbers(s.sew));
        o.vec(VOp::Add, args(0, T[4], T[4], T[5], T[4], 0));
        o.vtbl(false, T[4], v(a.reg), a.registers() as u8, T[4], 16);
    }
    for n in 0..d.registers() {
        define(o, d, n, |o, slot| copy(o, slot, T[4]));
    }
    true
}

/// VRGATHER.VV and VRGATHEREI16.VV: indices of `1 << ew` bytes.
pub(crate) fn gather<O: Ops>(o: &mut O, i: Insn, half_indices: bool, f: Helper, arg: u64) -> bool {
    let Some((s, d, a)) = groups(o, i, false) else { return false };
    let sew = s.sew;
    let ew = if half_indices { 1 } else { sew };
    let Some(index) = s.group(i.s1(), ew) else { return false };
    if a.registers() > TABLE || !a.readable_with(index) || d.overlaps(index) {
        return false;
    }
    if !s.guard(o, f, arg) {
        return true;
    }
    // VLMAX - 1, of which what is greater is out of range, and what makes bytes' numbers of elements' numbers.
    o.vconst(T[4], splat(ew, s.elements() as u64 - 1));
    if sew > 0 {
        o.vconst(T[5], first_bytes(sew));
        o.vconst(T[6], byte_numbers(sew));
    }
    for n in 0..d.registers() {
        define(o, d, n, |o, slot| {
            // T[0] = the numbers, T[1] = ones where they are out of range, in elements of SEW.
            let compare = |o: &mut O, d: V, a: V| o.vec(VOp::CmpGtU, args(ew, d, a, T[4], a, 0));
            match (ew, sew) {
                (1, 0) => {
                    // Their low bytes, of two registers.
                    let x = v(index.reg + 2 * n);
                    let y = v(index.reg + if index.emul > 0 { 2 * n + 1 } else { 0 });
                    compare(o, T[0], x);
                    compare(o, T[1], y);
                    o.vec(VOp::Uzp1, args(0, T[1], T[0], T[1], T[1], 0));
                    o.vec(VOp::Uzp1, args(0, T[0], x, y, x, 0));
                }
                (1, 2 | 3) => {
                    let x = v(index.reg + (n >> (sew - 1)));
                    compare(o, T[1], x);
                    let mut numbers = x;
                    for step in 2..=sew {
                        extend_half(o, true, step, T[0], numbers, n >> (sew - step));
                        extend_half(o, true, step, T[1], T[1], n >> (sew - step));
                        numbers = T[0];
                    }
                }
                _ => {
                    let x = v(index.reg + n);
                    compare(o, T[1], x);
                    copy(o, T[0], x);
                }
            }
            if sew > 0 {
                o.vec(VOp::Shl, args(sew, T[0], T[0], T[0], T[0], sew));
                o.vtbl(false, T[0], T[0], 1, T[5], 16);
                o.vec(VOp::Add, args(0, T[0], T[0], T[6], T[0], 0));
            }
            o.vec(VOp::Or, args(0, T[0], T[0], T[1], T[0], 0));
            o.vtbl(false, slot, v(a.reg), a.registers() as u8, T[0], 16);
        });
    }
    true
}

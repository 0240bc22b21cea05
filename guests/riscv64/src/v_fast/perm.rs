//! Permutations, and moves between vectors and scalars.

use super::fp::rounds;
use super::parts::{T, args, copy, exactly, put_low};
use super::widen::extend_half;
use super::{Form, forms, splat, v};
use crate::decode::Insn;
use crate::v::{KEY, USED, VL, parse};
use anyarch_engine::ops::{Alu, Cmp, Cond, Helper, Ops, R, Sel, Shift, Src, V, VArgs, W};
use anyarch_engine::vec::VOp;

/// A guard for instructions that depend on SEW alone of vtype. The SEW that is likely; `None`:
/// there is none. Then and with `Some(None)` nothing more is to be emitted, in the first case
/// because nothing was.
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

/// Whether the groups of a permutation of elements may be where they are: they may overlap only if
/// `in_place`.
fn allowed(form: Form, i: Insn, in_place: bool) -> bool {
    let groups = form.group(i.d(), form.sew).zip(form.group(i.s2(), form.sew));
    groups.is_some_and(|(d, a)| in_place || !d.overlaps(a))
}

/// Registers of a group of VLMAX elements.
fn all(form: Form) -> u32 {
    1 << form.lmul.max(0)
}

/// Bytes of each of them.
fn bytes(form: Form) -> u32 {
    16 >> -form.lmul.min(0)
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
    let fits = |form: Form| allowed(form, i, false);
    forms(o, i, f, arg, fits, |o, form| {
        let offset = i.s1().min(form.elements()) << form.sew;
        let (first, bytes) = (offset / 16, offset % 16);
        for n in first..form.registers() {
            let old = v(i.d() + n);
            form.define(o, i.d(), n, |o, slot| {
                if n > first {
                    window(o, slot, v(i.s2() + n - first - 1), v(i.s2() + n - first), 16 - bytes);
                } else if bytes == 0 {
                    copy(o, slot, v(i.s2()));
                } else {
                    // Its low bytes stay: turned to the top, from where the window takes them.
                    window(o, T[0], old, old, bytes);
                    window(o, slot, T[0], v(i.s2()), 16 - bytes);
                }
            });
        }
    })
}

/// VSLIDEDOWN.VI.
pub(crate) fn slide_down<O: Ops>(o: &mut O, i: Insn, f: Helper, arg: u64) -> bool {
    let fits = |form: Form| allowed(form, i, true);
    forms(o, i, f, arg, fits, |o, form| {
        let offset = i.s1().min(form.elements()) << form.sew;
        let (first, at) = (offset / 16, offset % 16);
        // Behind VLMAX there are zeroes.
        o.vconst(T[4], 0);
        let part = bytes(form);
        if part < 16 {
            let a = v(i.s2());
            o.vec(VOp::Mov, VArgs { bytes: part as u8, ..args(0, T[0], a, a, a, 0) });
        }
        let source = |n: u32| match n {
            n if n >= all(form) => T[4],
            _ if part < 16 => T[0],
            n => v(i.s2() + n),
        };
        for n in 0..form.registers() {
            form.define(o, i.d(), n, |o, slot| window(o, slot, source(n + first), source(n + first + 1), at));
        }
    })
}

/// VSLIDEUP.VX and VSLIDEDOWN.VX: by tables of bytes.
pub(crate) fn slide_by_register<O: Ops>(o: &mut O, i: Insn, up: bool, f: Helper, arg: u64) -> bool {
    let fits = |form: Form| allowed(form, i, !up) && all(form) <= TABLE;
    forms(o, i, f, arg, fits, |o, form| {
        let (max, part) = (form.elements() as u64, bytes(form));
        // The offset in bytes, as far as it matters: all of the group at most.
        o.mov(W::W64, R::T0, Src::Imm(max << form.sew));
        o.shift(Shift::Lsl, W::W64, R::T1, i.rs1(), Src::Imm(form.sew as u64));
        o.alu_flags(Alu::Sub, W::W64, R::ZERO, i.rs1(), Src::Imm(max));
        o.select(Cond::Cc, W::W64, R::T0, R::T1, R::T0, Sel::Plain);
        o.vdup(T[4], 0, 16, R::T0);
        let mut table = v(i.s2());
        if part < 16 {
            // Behind VLMAX there are zeroes.
            o.vec(VOp::Mov, VArgs { bytes: part as u8, ..args(0, T[2], table, table, table, 0) });
            table = T[2];
        }
        for n in 0..form.registers() {
            let old = v(i.d() + n);
            form.define(o, i.d(), n, |o, slot| {
                o.vconst(T[0], byte_numbers(4) + splat(0, 16 * n as u64));
                o.vec(if up { VOp::Sub } else { VOp::Add }, args(0, T[0], T[0], T[4], T[0], 0));
                if up && slot != old {
                    copy(o, slot, old);
                }
                // Below the offset numbers are negative, and so beyond the table: there the old
                // bytes stay.
                o.vtbl(up, slot, table, all(form) as u8, T[0], 16);
            });
        }
    })
}

/// What VSLIDE1UP and its like push in: a general register's value, or a floating-point register's
/// (boxed).
#[derive(Clone, Copy)]
pub(crate) enum Pushed {
    X,
    F,
}

/// VSLIDE1UP, VSLIDE1DOWN, VFSLIDE1UP, VFSLIDE1DOWN.
pub(crate) fn slide1<O: Ops>(o: &mut O, i: Insn, up: bool, pushed: Pushed, f: Helper, arg: u64) -> bool {
    let sew = o.likely() as u8 >> 3 & 7;
    match pushed {
        Pushed::F if !rounds(o) || sew == 0 || o.likely() & USED == 0 => return false,
        // Before the guard: that the scalar is boxed must hold on all of its ways.
        Pushed::F if sew != 3 && !o.check_boxes(sew, &[i.fs1()], f, arg) => return true,
        _ => {}
    }
    let push = |o: &mut O, form: Form| match pushed {
        Pushed::X => o.vdup(T[4], form.sew as u8, 16, i.rs1()),
        Pushed::F => o.vec(VOp::DupLane, args(form.sew, T[4], i.fs1(), T[4], T[4], 0)),
    };
    let fits = |form: Form| allowed(form, i, !up);
    if up {
        return forms(o, i, f, arg, fits, |o, form| {
            push(o, form);
            for n in 0..form.registers() {
                let below = if n == 0 { T[4] } else { v(i.s2() + n - 1) };
                form.define(o, i.d(), n, |o, slot| {
                    window(o, slot, below, v(i.s2() + n), 16 - (1 << form.sew))
                });
            }
        });
    }
    exactly(o, i, f, arg, fits, |o, form| {
        push(o, form);
        let vl = form.vl.unwrap_or(0);
        let (last, lanes) = (vl / form.lanes(), form.lanes());
        if vl % lanes != 0 {
            // The new element in the place behind the last.
            copy(o, T[0], v(i.s2() + last));
            o.vec(VOp::InsertLane, args(form.sew, T[0], T[4], T[4], T[0], vl % lanes));
        }
        let source = |n: u32| match n {
            n if n == last && vl % lanes != 0 => T[0],
            n if n >= last => T[4],
            n => v(i.s2() + n),
        };
        for n in 0..form.registers() {
            form.define(o, i.d(), n, |o, slot| window(o, slot, source(n), source(n + 1), 1 << form.sew));
        }
    })
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
    let immediate = i.bits(12, 3) == 3;
    let fits = |form: Form| allowed(form, i, false) && (immediate || all(form) <= TABLE);
    forms(o, i, f, arg, fits, |o, form| {
        let (index, max, sew) = (i.s1(), form.elements(), form.sew);
        if immediate && index >= max {
            o.vconst(T[4], 0);
        } else if immediate {
            let a = v(i.s2() + index / form.lanes());
            o.vec(VOp::DupLane, args(sew, T[4], a, a, a, index % form.lanes()));
        } else {
            // 128 is beyond every table.
            o.mov(W::W64, R::T0, Src::Imm(128));
            o.shift(Shift::Lsl, W::W64, R::T1, i.rs1(), Src::Imm(sew as u64));
            o.alu_flags(Alu::Sub, W::W64, R::ZERO, i.rs1(), Src::Imm(max as u64));
            o.select(Cond::Cc, W::W64, R::T0, R::T1, R::T0, Sel::Plain);
            o.vdup(T[4], 0, 16, R::T0);
            o.vconst(T[0], byte_numbers(sew));
            o.vec(VOp::Add, args(0, T[4], T[4], T[0], T[4], 0));
            o.vtbl(false, T[4], v(i.s2()), all(form) as u8, T[4], 16);
        }
        for n in 0..form.registers() {
            form.define(o, i.d(), n, |o, slot| copy(o, slot, T[4]));
        }
    })
}

/// VRGATHER.VV and VRGATHEREI16.VV.
pub(crate) fn gather<O: Ops>(o: &mut O, i: Insn, half_indices: bool, f: Helper, arg: u64) -> bool {
    let width = |form: Form| if half_indices { 1 } else { form.sew };
    let fits = |form: Form| {
        let (d, a) = (form.group(i.d(), form.sew), form.group(i.s2(), form.sew));
        let (Some(d), Some(a), Some(index)) = (d, a, form.group(i.s1(), width(form))) else { return false };
        all(form) <= TABLE && a.readable_with(index) && !d.overlaps(index) && !d.overlaps(a)
    };
    forms(o, i, f, arg, fits, |o, form| {
        let (sew, ew) = (form.sew, width(form));
        // VLMAX - 1, of which what is greater is out of range.
        o.vconst(T[4], splat(ew, form.elements() as u64 - 1));
        for n in 0..form.registers() {
            form.define(o, i.d(), n, |o, slot| {
                // T[0] = the numbers, T[1] = ones where they are out of range, in elements of SEW.
                let compare = |o: &mut O, d: V, a: V| o.vec(VOp::CmpGtU, args(ew, d, a, T[4], a, 0));
                match (ew, sew) {
                    (1, 0) => {
                        // Their low bytes, of two registers.
                        let x = v(i.s1() + 2 * n);
                        let y = v(i.s1() + if form.lmul >= 0 { 2 * n + 1 } else { 0 });
                        compare(o, T[0], x);
                        compare(o, T[1], y);
                        o.vec(VOp::Uzp1, args(0, T[1], T[0], T[1], T[1], 0));
                        o.vec(VOp::Uzp1, args(0, T[0], x, y, x, 0));
                    }
                    (1, 2 | 3) => {
                        let mut numbers = v(i.s1() + (n >> (sew - 1)));
                        compare(o, T[1], numbers);
                        for step in 2..=sew {
                            extend_half(o, true, step, T[0], numbers, n >> (sew - step));
                            extend_half(o, true, step, T[1], T[1], n >> (sew - step));
                            numbers = T[0];
                        }
                    }
                    _ => {
                        let x = v(i.s1() + n);
                        compare(o, T[1], x);
                        copy(o, T[0], x);
                    }
                }
                if sew > 0 {
                    // Bytes' numbers of elements' numbers.
                    o.vec(VOp::Shl, args(sew, T[0], T[0], T[0], T[0], sew));
                    o.vconst(T[2], first_bytes(sew));
                    o.vtbl(false, T[0], T[0], 1, T[2], 16);
                    o.vconst(T[2], byte_numbers(sew));
                    o.vec(VOp::Add, args(0, T[0], T[0], T[2], T[0], 0));
                }
                o.vec(VOp::Or, args(0, T[0], T[0], T[1], T[0], 0));
                o.vtbl(false, slot, v(i.s2()), all(form) as u8, T[0], 16);
            });
        }
    })
}

//! Permutations, and moves between vectors and scalars.

use super::parts::{copy, put_low};
use super::v;
use crate::decode::Insn;
use crate::v::{KEY, USED, VL, parse};
use anyarch_engine::ops::{Cmp, Helper, Ops, R, Src, VArgs, W};
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

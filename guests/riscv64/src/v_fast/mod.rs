//! Host code for the vector instructions of every loop. A file for each subject; here what they
//! share.
//!
//! It is emitted for the vtype and vl that are likely (of the VSETVLI before, or of the time of
//! translation), behind a guard that compares [`KEY`]; whatever else is true then, the reference
//! function does the instruction. The interpreter always uses the reference. A load that faults
//! halfway is made again by the interpreter, which finds the element ([`mem::faults_again`]).
//!
//! Where vl was counted down from a register there are two forms of the code, see [`forms`]: for
//! VLMAX, which is every round of a loop but the last, and for any vl.
//!
//! Every function here gets the reference function and its argument, and returns whether it emitted
//! anything: if not, the caller calls the reference.

pub(crate) mod bits;
pub(crate) mod crypto;
pub(crate) mod fp;
pub(crate) mod int;
pub(crate) mod mask;
pub(crate) mod mem;
mod parts;
pub(crate) mod perm;
pub(crate) mod reduce;
pub(crate) mod segment;
pub(crate) mod widen;

use crate::decode::Insn;
use crate::v::{COUNTED, KEY, KEY_VL, USED, V0, VL, parse, vlmax};
use anyarch_engine::ops::{Helper, Ops, V, VArgs};
use anyarch_engine::vec::VOp;

/// Slot of vector register `n`.
pub(crate) fn v(n: u32) -> V {
    V((V0 as u32 + (n & 31)) as u8)
}

pub(crate) fn in_line(reg: u32, emul: i32) -> bool {
    reg & ((1 << emul.max(0)) - 1) == 0
}

/// A vector of lanes of `1 << sew` bytes that all are `value`.
pub(crate) fn splat(sew: u32, value: u64) -> u128 {
    let lane = value as u128 & u128::MAX >> (128 - (8 << sew));
    (0..16 >> sew).fold(0, |all, n| all | lane << ((8 << sew) * n))
}

/// Where a register is computed that is not written as a whole.
const TARGET: V = V(46);
/// The lanes that are.
const MASK: V = V(47);

/// Which elements of a group of registers one form of an instruction's code works on.
#[derive(Clone, Copy)]
pub(crate) struct Form {
    /// log2 of an element's bytes.
    pub(crate) sew: u32,
    /// log2 of the registers.
    pub(crate) lmul: i32,
    /// vl, unless it is only known when the code runs.
    pub(crate) vl: Option<u32>,
    /// Whether the elements that v0 has no bit for are left out.
    pub(crate) masked: bool,
}

impl Form {
    /// The same elements at another width.
    pub(crate) fn with_width(self, ew: u32) -> Form {
        Form { sew: ew, lmul: self.lmul + ew as i32 - self.sew as i32, ..self }
    }

    /// Elements of a register.
    pub(crate) fn lanes(self) -> u32 {
        16 >> self.sew
    }

    /// VLMAX.
    pub(crate) fn elements(self) -> u32 {
        vlmax((self.lmul, self.sew)) as u32
    }

    /// How many registers have elements that may be active.
    pub(crate) fn registers(self) -> u32 {
        self.vl.unwrap_or(self.elements()).div_ceil(self.lanes())
    }

    /// How many bytes of register `n` lie before vl.
    fn bytes(self, n: u32) -> Option<u32> {
        self.vl.map(|vl| ((vl << self.sew) - (16 * n).min(vl << self.sew)).min(16))
    }

    fn whole(self, n: u32) -> bool {
        !self.masked && self.bytes(n) == Some(16)
    }

    /// Where to compute register `n` of a group, which is `d`. [`Form::put`] is to follow.
    pub(crate) fn target(self, n: u32, d: V) -> V {
        if self.whole(n) { d } else { TARGET }
    }

    /// d's active elements are those of the target.
    pub(crate) fn put<O: Ops>(self, o: &mut O, n: u32, d: V) {
        if self.whole(n) {
            return;
        }
        let args = |es: u32, d, a, b, c, imm| VArgs { d, a, b, c, es: es as u8, bytes: 16, imm };
        match self.bytes(n) {
            Some(bytes) if !self.masked && bytes.is_power_of_two() => {
                o.vec(VOp::InsertLane, args(bytes.trailing_zeros(), d, TARGET, TARGET, d, 0));
            }
            None if !self.masked => {
                o.vtail(d, TARGET, Some(d), self.sew as u8, (n * self.lanes()) as u8, VL);
            }
            _ => {
                let mask = self.active(o, n);
                o.vec(VOp::Blend, args(0, d, TARGET, d, mask, 0));
            }
        }
    }

    /// How many bytes of register `n` single operations may work on, and otherwise the active
    /// lanes: the others' operands are to be replaced, for nothing to be computed (and no flag
    /// raised) of what is there.
    pub(crate) fn part<O: Ops>(self, o: &mut O, n: u32) -> (u8, Option<V>) {
        match self.bytes(n) {
            Some(bytes) if !self.masked && bytes.is_power_of_two() => (bytes as u8, None),
            _ => (16, Some(self.active(o, n))),
        }
    }

    /// Ones in the active lanes of register `n`, in a temporary.
    pub(crate) fn active<O: Ops>(self, o: &mut O, n: u32) -> V {
        let first = n * self.lanes();
        let before = self.bytes(n).map(|bytes| u128::MAX.checked_shr(128 - 8 * bytes).unwrap_or(0));
        let args = |a, b, imm| VArgs { d: MASK, a, b, c: a, es: self.sew as u8, bytes: 16, imm };
        match before {
            _ if self.masked => o.vec(VOp::BitsToLanes, args(v(0), v(0), first)),
            before => o.vconst(MASK, before.unwrap_or(u128::MAX)),
        }
        match before {
            None => o.vtail(MASK, MASK, None, self.sew as u8, first as u8, VL),
            Some(before) if self.masked && before != u128::MAX => {
                o.vconst(TAIL, before);
                o.vec(VOp::And, args(MASK, TAIL, 0));
            }
            Some(_) => {}
        }
        MASK
    }
}

/// Only for a constant tail.
const TAIL: V = V(45);

/// Emits an instruction in the forms that are likely. `fits` looks at LMUL and SEW and says whether
/// there is code for them (the encoding may be reserved with them); `body` emits it.
///
/// With vl from VSETIVLI there is the form for that vl. Otherwise there are one for VLMAX and,
/// where vl is something else, one for any vl.
pub(crate) fn forms<O: Ops>(
    o: &mut O,
    i: Insn,
    f: Helper,
    arg: u64,
    fits: impl FnOnce(Form) -> bool,
    body: impl Fn(&mut O, Form),
) -> bool {
    let Some((key, form)) = likely_form(o, i) else { return false };
    if !fits(form) {
        return false;
    }
    guarded(o, key, form, f, arg, body);
    true
}

/// The likely [`KEY`], and the form for VLMAX if vl is not constant.
pub(crate) fn likely_form<O: Ops>(o: &O, i: Insn) -> Option<(u64, Form)> {
    let key = o.likely();
    let (lmul, sew) = parse(key & 0x3f).filter(|_| key & USED != 0)?;
    let vl = if key & COUNTED != 0 { vlmax((lmul, sew)) } else { key >> KEY_VL };
    Some((key, Form { sew, lmul, vl: Some(vl as u32), masked: i.bits(25, 1) == 0 }))
}

/// The likely [`KEY`] and its form where there is code for nothing else: for VLMAX if vl is not
/// constant.
pub(crate) fn exact<O: Ops>(o: &O, i: Insn) -> Option<(u32, Form)> {
    let (key, form) = likely_form(o, i)?;
    let full = key & 0xffff | (form.elements() as u64) << KEY_VL;
    Some((if key & COUNTED != 0 { full } else { key } as u32, form))
}

/// Emits `body` behind guards.
pub(crate) fn guarded<O: Ops>(
    o: &mut O,
    key: u64,
    form: Form,
    f: Helper,
    arg: u64,
    body: impl Fn(&mut O, Form),
) {
    if key & COUNTED == 0 {
        if o.guard(KEY, key as u32, f, arg) {
            body(o, form);
        }
        return;
    }
    let full = key & 0xffff | (form.elements() as u64) << KEY_VL;
    o.choose(
        KEY,
        full as u32,
        |o| body(o, form),
        |o| {
            if o.guard_bits(KEY, 0xff, (key & 0xff) as u32, f, arg) {
                body(o, Form { vl: None, ..form });
            }
        },
    );
}

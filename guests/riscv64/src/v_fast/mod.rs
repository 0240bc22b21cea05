//! Host code for the vector instructions of every loop. A file for each subject; here what they share.
//!
//! It is emitted for the vtype that is likely (of the VSETVLI before, or of the time of translation), unmasked, for all of a group of whole
//! registers, behind a guard that compares [`KEY`](crate::v::KEY); whatever else is true then, the reference function does the instruction. The interpreter always
//! uses the reference. A load that faults halfway is made again by the interpreter, which finds the element ([`mem::faults_again`]).
//!
//! Every function here gets the reference function and its argument, and returns whether it emitted anything: if not, the caller calls the reference.

pub(crate) mod crypto;
pub(crate) mod fp;
pub(crate) mod int;
pub(crate) mod mem;
mod parts;
pub(crate) mod perm;
pub(crate) mod segment;

use crate::decode::Insn;
use crate::v::{FULL, USED, V0, parse};
use anyarch_engine::ops::{Ops, V};

/// A vtype that is likely, with vl at VLMAX and groups of at least one register.
#[derive(Clone, Copy)]
pub(crate) struct Likely {
    pub(crate) key: u64,
    pub(crate) lmul: i32,
    pub(crate) sew: u32,
}

pub(crate) fn likely<O: Ops>(o: &O, i: Insn) -> Option<Likely> {
    let key = o.likely();
    let (lmul, sew) = parse(key & 0xff)?;
    (i.bits(25, 1) == 1 && key & (FULL | USED) == FULL | USED && lmul >= 0).then_some(Likely {
        key,
        lmul,
        sew,
    })
}

/// Slot of vector register `n`.
pub(crate) fn v(n: u32) -> V {
    V((V0 as u32 + (n & 31)) as u8)
}

pub(crate) fn in_line(reg: u32, emul: i32) -> bool {
    reg & ((1 << emul) - 1) == 0
}

/// A vector of lanes of `1 << sew` bytes that all are `value`.
pub(crate) fn splat(sew: u32, value: u64) -> u128 {
    let lane = value as u128 & u128::MAX >> (128 - (8 << sew));
    (0..16 >> sew).fold(0, |all, n| all | lane << ((8 << sew) * n))
}

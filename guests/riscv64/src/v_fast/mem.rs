//! Loads and stores.

use super::{in_line, likely, v};
use crate::decode::Insn;
use crate::v::KEY;
use anyarch_engine::ops::{Addr, Helper, Ops};

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

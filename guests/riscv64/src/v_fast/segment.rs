//! Loads and stores other than plain unit-stride ones.
//!
//! An access that faults is made again by the interpreter (see [`super::mem::faults_again`]), from the instruction's beginning. So what is loaded before
//! may go to its registers at once, if they are none that the instruction reads.

use super::v;
use crate::decode::Insn;
use crate::v::{DIRTY, VSTART};
use anyarch_engine::ops::{Addr, Helper, Ops, Src, W};

/// Whether the instruction is a store.
fn is_store(i: Insn) -> bool {
    i.bits(5, 1) != 0
}

/// VL1RE8.V to VL8RE64.V, VS1R.V to VS8R.V: these need no vtype, but the interpreter has none that is likely.
pub(crate) fn whole<O: Ops>(o: &mut O, i: Insn, f: Helper, arg: u64) -> bool {
    if o.likely() == 0 {
        return false;
    }
    if !o.guard(VSTART, 0, f, arg) {
        return true;
    }
    for n in 0..i.bits(29, 3) + 1 {
        let (slot, at) = (v(i.d() + n), Addr::Base(i.rs1(), 16 * n as i64));
        if is_store(i) { o.vstore(16, slot, at) } else { o.vload(16, slot, at) }
    }
    o.mov(W::W64, DIRTY, Src::Imm(1));
    true
}

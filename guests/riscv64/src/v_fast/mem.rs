//! Loads and stores.

use super::{Form, forms, in_line, v};
use crate::decode::Insn;
use crate::v::VL;
use anyarch_engine::ops::{Addr, Helper, Ops, R, Src, W};

/// A unit-stride load or store of one field. False: nothing was emitted.
pub(crate) fn unit<O: Ops>(o: &mut O, i: Insn, ew: u32, f: Helper, arg: u64) -> bool {
    let store = i.bits(5, 1) != 0;
    let fits = |form: Form| {
        let form = form.with_width(ew);
        let legal = (-3..=3).contains(&form.lmul) && in_line(i.d(), form.lmul);
        i.bits(29, 3) == 0 && legal && !(form.masked && i.d() == 0)
    };
    forms(o, i, f, arg, fits, |o, form| {
        let form = form.with_width(ew);
        if store { put(o, i, form) } else { get(o, i, form) }
    })
}

/// Memory behind the last element is not written. It may be read, which nobody sees: if it cannot
/// be read, the interpreter makes the instruction again.
fn get<O: Ops>(o: &mut O, i: Insn, form: Form) {
    if !form.masked && copies(o, form) {
        return o.vload_part(v(i.d()), slots(form), form.sew as u8, i.rs1(), count(form));
    }
    for n in 0..form.registers() {
        let (d, at) = (v(i.d() + n), Addr::Base(i.rs1(), 16 * n as i64));
        let bytes = if form.masked { 16 } else { form.bytes(n).unwrap_or(16) };
        o.vload(bytes as u8, form.target(n, d), at);
        form.put(o, n, d);
    }
}

fn put<O: Ops>(o: &mut O, i: Insn, form: Form) {
    if form.masked {
        for n in 0..form.registers() {
            let mask = form.active(o, n);
            o.vstore_masked(form.sew as u8, v(i.d() + n), mask, i.rs1(), 16 * n as i32);
        }
        return;
    }
    if copies(o, form) {
        return o.vstore_part(v(i.d()), slots(form), form.sew as u8, i.rs1(), count(form));
    }
    for n in 0..form.registers() {
        let at = Addr::Base(i.rs1(), 16 * n as i64);
        o.vstore(form.bytes(n).unwrap_or(16) as u8, v(i.d() + n), at);
    }
}

/// Whether the number of bytes is not one that single accesses have. If it is known, `count` is
/// made to hold the number of elements.
fn copies<O: Ops>(o: &mut O, form: Form) -> bool {
    let Some(vl) = form.vl else { return true };
    let copies = (0..form.registers()).any(|n| form.bytes(n).is_none_or(|bytes| !bytes.is_power_of_two()));
    if copies {
        o.mov(W::W64, R::T0, Src::Imm(vl as u64));
    }
    copies
}

fn slots(form: Form) -> u8 {
    form.registers().next_power_of_two() as u8
}

fn count(form: Form) -> R {
    if form.vl.is_some() { R::T0 } else { VL }
}

/// Whether the instruction may have changed elements before it faulted, and is to be interpreted
/// for the exact state.
pub(crate) fn faults_again(word: u32) -> bool {
    let width = word >> 12 & 7;
    matches!(word & 0x7f, 0x07 | 0x27) && (width == 0 || width >= 5)
}

//! Loads and stores other than plain unit-stride ones.
//!
//! An access that faults is made again by the interpreter (see [`super::mem::faults_again`]), from
//! the instruction's beginning. So what is loaded before may go to its registers at once, if they
//! are none that the instruction reads.

use super::parts::{exactly, put_low};
use super::{Form, exact, in_line, v};
use crate::decode::Insn;
use crate::v::{DIRTY, KEY, VSTART};
use anyarch_engine::ops::{Addr, Alu, Helper, LoadExt, MemOrder, Ops, R, Size, Src, V, VArgs, W};
use anyarch_engine::vec::VOp;

/// Whether the instruction is a store.
fn is_store(i: Insn) -> bool {
    i.bits(5, 1) != 0
}

/// VL1RE8.V to VL8RE64.V, VS1R.V to VS8R.V: these need no vtype, but the interpreter has none that
/// is likely.
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

/// VLM and VSM.
pub(crate) fn mask<O: Ops>(o: &mut O, i: Insn, f: Helper, arg: u64) -> bool {
    let bytes = |form: Form| form.vl.unwrap_or(0).div_ceil(8) as u8;
    let fits = |form: Form| bytes(form).is_power_of_two();
    exactly(o, i, f, arg, fits, |o, form| {
        let (bytes, at) = (bytes(form), Addr::Base(i.rs1(), 0));
        if is_store(i) {
            o.vstore(bytes, v(i.d()), at);
        } else {
            o.vload(bytes, V::T0, at);
            put_low(o, v(i.d()), V::T0, bytes);
        }
    })
}

/// Slots of four registers that follow one another, for fields whose registers do not.
const REGISTERS: V = V(44);

/// Unit-stride loads and stores of two or four fields: of each field a register at once, or its
/// half.
pub(crate) fn structures<O: Ops>(o: &mut O, i: Insn, ew: u32, f: Helper, arg: u64) -> bool {
    let count = i.bits(29, 3) + 1;
    let fits = |form: Form| {
        let data = form.with_width(ew);
        let whole = (0..data.registers()).all(|n| matches!(data.bytes(n), Some(8 | 16)));
        let few = data.elements() * count <= FEW;
        whole && !few && matches!(count, 2 | 4) && groups_fit(i, Places::Unit, form, data, count)
    };
    exactly(o, i, f, arg, fits, |o, form| {
        let (form, count) = (form.with_width(ew), count as u8);
        let each = 1 << form.lmul.max(0);
        for n in 0..form.registers() {
            o.alu(Alu::Add, W::W64, R::T0, i.rs1(), Src::Imm((16 * n * count as u32) as u64));
            let bytes = form.bytes(n).unwrap_or(0) as u8;
            let in_place = each == 1 && bytes == 16;
            let first = if in_place { v(i.d()) } else { REGISTERS };
            let all = (0..count).map(|field| (v(i.d() + field as u32 * each + n), REGISTERS.after(field)));
            if is_store(i) {
                if !in_place {
                    all.for_each(|(slot, copy)| put_low(o, copy, slot, 16));
                }
                o.vstore_struct(count, ew as u8, bytes, first, R::T0);
            } else {
                o.vload_struct(count, ew as u8, bytes, first, R::T0);
                if !in_place {
                    all.for_each(|(slot, copy)| put_low(o, slot, copy, bytes));
                }
            }
        }
    })
}

/// As many elements are loaded and stored as quickly one by one.
const FEW: u32 = 4;

/// Elements that are worth host code of their own.
const MOST: u32 = 48;

/// Where elements lie.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Places {
    /// One after another.
    Unit,
    /// At multiples of rs2.
    Strided,
    /// Where the elements of vs2 say, log2 of whose bytes this is.
    Indexed(u32),
}

/// Loads and stores of a few elements, one by one. False: nothing was emitted.
pub(crate) fn elements<O: Ops>(o: &mut O, i: Insn, places: Places, ew: u32, f: Helper, arg: u64) -> bool {
    let Some((key, form)) = exact(o, i) else { return false };
    let ew = if let Places::Indexed(_) = places { form.sew } else { ew };
    let (data, fields, vl) = (form.with_width(ew), i.bits(29, 3) + 1, form.vl.unwrap_or(0));
    if form.masked || vl * fields > MOST || !groups_fit(i, places, form, data, fields) {
        return false;
    }
    if !o.guard(KEY, key, f, arg) {
        return true;
    }
    if places == Places::Strided && ew == 2 && vl == 4 && fields % 4 == 0 && data.lmul <= 0 {
        rows(o, i, fields);
        return true;
    }
    let (size, each) = (Size::from_log2(ew), 1 << data.lmul.max(0));
    for n in 0..vl {
        let at = match places {
            Places::Unit => (i.rs1(), ((n * fields) << ew) as i64),
            Places::Strided if n == 0 => (i.rs1(), 0),
            Places::Strided => {
                let before = if n == 1 { i.rs1() } else { R::T0 };
                o.alu(Alu::Add, W::W64, R::T0, before, Src::Reg(i.rs2()));
                (R::T0, 0)
            }
            Places::Indexed(iw) => {
                let lanes = 16 >> iw;
                o.vget(false, W::W64, R::T0, v(i.s2() + n / lanes), iw as u8, (n % lanes) as u8);
                o.alu(Alu::Add, W::W64, R::T0, i.rs1(), Src::Reg(R::T0));
                (R::T0, 0)
            }
        };
        for field in 0..fields {
            let (slot, lane) = (v(i.d() + field * each + n / data.lanes()), (n % data.lanes()) as u8);
            let at = Addr::Base(at.0, at.1 + ((field << ew) as i64));
            if is_store(i) {
                o.vget(false, W::W64, R::T1, slot, ew as u8, lane);
                o.store(size, R::T1, at, MemOrder::Plain);
            } else {
                o.load(size, LoadExt::Zero, R::T1, at, MemOrder::Plain);
                o.vset(slot, ew as u8, lane, R::T1);
            }
        }
    }
    true
}

fn groups_fit(i: Insn, places: Places, form: Form, data: Form, fields: u32) -> bool {
    let each = 1 << data.lmul.max(0);
    let legal = |form: Form, reg| (-3..=3).contains(&form.lmul) && in_line(reg, form.lmul);
    let fits = legal(data, i.d()) && fields * each <= 8 && i.d() + fields * each <= 32;
    let Places::Indexed(iw) = places else { return fits };
    // What is loaded goes to its registers before all of the index was read.
    let index = form.with_width(iw);
    let (first, end) = (i.s2(), i.s2() + (1 << index.lmul.max(0)));
    fits && legal(index, i.s2()) && (end <= i.d() || i.d() + fields * each <= first)
}

/// Four elements of four or eight fields of 32 bits, at multiples of rs2: rows of memory are
/// columns of registers.
fn rows<O: Ops>(o: &mut O, i: Insn, fields: u32) {
    const LOW: [V; 4] = [V(40), V(41), V(42), V(43)];
    const HIGH: [V; 4] = [V(44), V(45), V(46), V(47)];
    let registers = |part: u32| [0, 1, 2, 3].map(|n| v(i.d() + 4 * part + n));
    let next = |o: &mut O, n: usize| match n {
        0 => i.rs1(),
        _ => {
            o.alu(Alu::Add, W::W64, R::T0, if n == 1 { i.rs1() } else { R::T0 }, Src::Reg(i.rs2()));
            R::T0
        }
    };
    let both = fields == 8;
    if is_store(i) {
        // An element is stored before the next one, which may lie over it.
        zip(o, registers(0), HIGH);
        (0..4).for_each(|n| join(o, n, HIGH, LOW[n]));
        if both {
            zip(o, registers(1), HIGH);
        }
        for (n, row) in LOW.into_iter().enumerate() {
            let at = next(o, n);
            o.vstore(16, row, Addr::Base(at, 0));
            if both {
                join(o, n, HIGH, row);
                o.vstore(16, row, Addr::Base(at, 16));
            }
        }
        return;
    }
    for n in 0..4 {
        let at = next(o, n);
        o.vload(16, LOW[n], Addr::Base(at, 0));
        if both {
            o.vload(16, HIGH[n], Addr::Base(at, 16));
        }
    }
    // Everything is loaded: the second half's registers may change before they get what they are to
    // hold.
    let between = if both { registers(1) } else { HIGH };
    zip(o, LOW, between);
    registers(0).into_iter().enumerate().for_each(|(n, d)| join(o, n, between, d));
    if both {
        zip(o, HIGH, LOW);
        registers(1).into_iter().enumerate().for_each(|(n, d)| join(o, n, LOW, d));
    }
}

fn lanes(es: u8, d: V, a: V, b: V) -> VArgs {
    VArgs { d, a, b, c: a, es, bytes: 16, imm: 0 }
}

/// The first half of exchanging rows and columns: the words of two neighbouring rows alternate in
/// two slots.
fn zip<O: Ops>(o: &mut O, rows: [V; 4], to: [V; 4]) {
    for n in [0, 2] {
        o.vec(VOp::Zip1, lanes(2, to[n], rows[n], rows[n + 1]));
        o.vec(VOp::Zip2, lanes(2, to[n + 1], rows[n], rows[n + 1]));
    }
}

/// d = column `n` from what [`zip`] made.
fn join<O: Ops>(o: &mut O, n: usize, from: [V; 4], d: V) {
    let op = if n & 1 == 0 { VOp::Zip1 } else { VOp::Zip2 };
    o.vec(op, lanes(3, d, from[n / 2], from[n / 2 + 2]));
}

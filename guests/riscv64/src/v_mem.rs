//! Vector loads and stores (chapter 7).
//!
//! One loop serves them all: element `n` has one address, at which its fields lie one after
//! another. An unmasked unit-stride access of one field is first tried as a whole; the loop then
//! only serves to find the element that faults.

use crate::decode::{Insn, undefined};
use crate::v::{Done, Group, Stop, Unit, legal, play, vectors_and_memory, zero};
use crate::v_fast;
use crate::v_fast::segment::{self, Places};
use anyarch_engine::field;
use anyarch_engine::ops::{Helper, HelperExit, Ops};
use anyarch_engine::state::Cpu;

crate::rows! {
    "nf:3 000 m 00000 rs1:5 000 vd:5 0000111" Vle8 unit[0];
    "nf:3 000 m 00000 rs1:5 101 vd:5 0000111" Vle16 unit[1];
    "nf:3 000 m 00000 rs1:5 110 vd:5 0000111" Vle32 unit[2];
    "nf:3 000 m 00000 rs1:5 111 vd:5 0000111" Vle64 unit[3];
    "nf:3 000 m 00000 rs1:5 000 vs3:5 0100111" Vse8 unit[0];
    "nf:3 000 m 00000 rs1:5 101 vs3:5 0100111" Vse16 unit[1];
    "nf:3 000 m 00000 rs1:5 110 vs3:5 0100111" Vse32 unit[2];
    "nf:3 000 m 00000 rs1:5 111 vs3:5 0100111" Vse64 unit[3];
    "000 000 1 01011 rs1:5 000 vd:5 0000111" Vlm other[Kind::Mask];
    "000 000 1 01011 rs1:5 000 vs3:5 0100111" Vsm other[Kind::Mask];
    "nf:3 000 m 10000 rs1:5 000 vd:5 0000111" Vle8ff other[Kind::FaultFirst];
    "nf:3 000 m 10000 rs1:5 101 vd:5 0000111" Vle16ff other[Kind::FaultFirst];
    "nf:3 000 m 10000 rs1:5 110 vd:5 0000111" Vle32ff other[Kind::FaultFirst];
    "nf:3 000 m 10000 rs1:5 111 vd:5 0000111" Vle64ff other[Kind::FaultFirst];
    "nf:3 000 1 01000 rs1:5 000 vd:5 0000111" VlrE8 whole;
    "nf:3 000 1 01000 rs1:5 101 vd:5 0000111" VlrE16 whole;
    "nf:3 000 1 01000 rs1:5 110 vd:5 0000111" VlrE32 whole;
    "nf:3 000 1 01000 rs1:5 111 vd:5 0000111" VlrE64 whole;
    "nf:3 000 1 01000 rs1:5 000 vs3:5 0100111" Vsr whole;
    "nf:3 010 m rs2:5 rs1:5 000 vd:5 0000111" Vlse8 other[Kind::Strided];
    "nf:3 010 m rs2:5 rs1:5 101 vd:5 0000111" Vlse16 other[Kind::Strided];
    "nf:3 010 m rs2:5 rs1:5 110 vd:5 0000111" Vlse32 other[Kind::Strided];
    "nf:3 010 m rs2:5 rs1:5 111 vd:5 0000111" Vlse64 other[Kind::Strided];
    "nf:3 010 m rs2:5 rs1:5 000 vs3:5 0100111" Vsse8 other[Kind::Strided];
    "nf:3 010 m rs2:5 rs1:5 101 vs3:5 0100111" Vsse16 other[Kind::Strided];
    "nf:3 010 m rs2:5 rs1:5 110 vs3:5 0100111" Vsse32 other[Kind::Strided];
    "nf:3 010 m rs2:5 rs1:5 111 vs3:5 0100111" Vsse64 other[Kind::Strided];
    "nf:3 001 m vs2:5 rs1:5 000 vd:5 0000111" Vluxei8 other[Kind::Indexed];
    "nf:3 001 m vs2:5 rs1:5 101 vd:5 0000111" Vluxei16 other[Kind::Indexed];
    "nf:3 001 m vs2:5 rs1:5 110 vd:5 0000111" Vluxei32 other[Kind::Indexed];
    "nf:3 001 m vs2:5 rs1:5 111 vd:5 0000111" Vluxei64 other[Kind::Indexed];
    "nf:3 011 m vs2:5 rs1:5 000 vd:5 0000111" Vloxei8 other[Kind::Indexed];
    "nf:3 011 m vs2:5 rs1:5 101 vd:5 0000111" Vloxei16 other[Kind::Indexed];
    "nf:3 011 m vs2:5 rs1:5 110 vd:5 0000111" Vloxei32 other[Kind::Indexed];
    "nf:3 011 m vs2:5 rs1:5 111 vd:5 0000111" Vloxei64 other[Kind::Indexed];
    "nf:3 001 m vs2:5 rs1:5 000 vs3:5 0100111" Vsuxei8 other[Kind::Indexed];
    "nf:3 001 m vs2:5 rs1:5 101 vs3:5 0100111" Vsuxei16 other[Kind::Indexed];
    "nf:3 001 m vs2:5 rs1:5 110 vs3:5 0100111" Vsuxei32 other[Kind::Indexed];
    "nf:3 001 m vs2:5 rs1:5 111 vs3:5 0100111" Vsuxei64 other[Kind::Indexed];
    "nf:3 011 m vs2:5 rs1:5 000 vs3:5 0100111" Vsoxei8 other[Kind::Indexed];
    "nf:3 011 m vs2:5 rs1:5 101 vs3:5 0100111" Vsoxei16 other[Kind::Indexed];
    "nf:3 011 m vs2:5 rs1:5 110 vs3:5 0100111" Vsoxei32 other[Kind::Indexed];
    "nf:3 011 m vs2:5 rs1:5 111 vs3:5 0100111" Vsoxei64 other[Kind::Indexed];
}

crate::v::numbered! {
    /// What determines the addresses.
    Kind { Unit Mask FaultFirst Strided Indexed }
}

fn unit<O: Ops>(o: &mut O, i: Insn, ew: u32) {
    let arg = i.word as u64 | (Kind::Unit as u64) << 32;
    let done = match field!(i.nf) {
        0 => v_fast::mem::unit(o, i, ew, ACCESS, arg),
        _ => {
            segment::structures(o, i, ew, ACCESS, arg)
                || segment::elements(o, i, Places::Unit, ew, ACCESS, arg)
        }
    };
    if !done {
        o.helper(ACCESS, arg);
    }
}

fn other<O: Ops>(o: &mut O, i: Insn, kind: Kind) {
    let arg = i.word as u64 | (kind as u64) << 32;
    let done = match kind {
        Kind::Strided => segment::elements(o, i, Places::Strided, width(i), ACCESS, arg),
        Kind::Indexed => segment::elements(o, i, Places::Indexed(width(i)), width(i), ACCESS, arg),
        Kind::Mask => segment::mask(o, i, ACCESS, arg),
        Kind::FaultFirst | Kind::Unit => false,
    };
    if !done {
        o.helper(ACCESS, arg);
    }
}

fn whole<O: Ops>(o: &mut O, i: Insn) {
    let registers = field!(i.nf) + 1;
    if !registers.is_power_of_two() || i.d() & (registers - 1) != 0 {
        return undefined(o);
    }
    if !segment::whole(o, i, WHOLE, i.word as u64) {
        o.helper(WHOLE, i.word as u64);
    }
}

/// log2 of the bytes that the width field means.
fn width(i: Insn) -> u32 {
    match i.bits(12, 3) {
        0 => 0,
        n => n & 3,
    }
}

fn is_store(i: Insn) -> bool {
    i.bits(5, 1) != 0
}

/// Loads or stores one element.
fn element(u: &mut Unit<'_>, addr: u64, reg: u32, ew: u32, n: usize) -> Result<(), anyarch_sys::MemFault> {
    if is_store(u.i) {
        let value = u.get(reg, ew, n);
        anyarch_sys::store_once(addr, 1 << ew, value)
    } else {
        let value = anyarch_sys::load_once(addr, 1 << ew)?;
        u.set(reg, ew, n, value);
        Ok(())
    }
}

/// Elements `vstart..end` of the registers at vd, one after another in memory: all at once, or
/// nothing certain.
fn bulk(u: &mut Unit<'_>, ew: u32, end: usize) -> bool {
    let at = u.x(u.i.s1()).wrapping_add((u.vstart << ew) as u64);
    let first = u.vd() as usize * 16;
    let (from, to) = (first + (u.vstart << ew), first + (end << ew));
    if from >= to || to > 512 {
        return false;
    }
    if is_store(u.i) {
        return anyarch_sys::store_bytes(at, &u.bytes_mut()[from..to]).is_ok();
    }
    // Not in place: an element that faults must stay whole.
    let mut loaded = [0; 128];
    let Some(loaded) = loaded.get_mut(..to - from) else { return false };
    let done = anyarch_sys::load_bytes(at, loaded).is_ok();
    if done {
        u.bytes_mut()[from..to].copy_from_slice(loaded);
    }
    done
}

const WHOLE: Helper = Helper { function: whole_helper, effects: vectors_and_memory };

extern "C" fn whole_helper(cpu: &mut Cpu, word: u64) -> HelperExit {
    play(cpu, word, false, |u| {
        let ew = width(u.i);
        let end = (16 * (u.i.bits(29, 3) as usize + 1)) >> ew;
        if u.vstart >= end || bulk(u, ew, end) {
            return Ok(());
        }
        let base = u.x(u.i.s1());
        for n in u.vstart..end {
            let done = element(u, base.wrapping_add((n << ew) as u64), u.vd(), ew, n);
            stop(u, n, done)?;
        }
        Ok(())
    })
}

/// A fault of element `n`.
fn stop(u: &mut Unit<'_>, n: usize, done: Result<(), anyarch_sys::MemFault>) -> Done {
    done.map_err(|fault| {
        crate::v::set_vstart(u.cpu, n as u64);
        Stop::Fault(fault, is_store(u.i))
    })
}

const ACCESS: Helper = Helper { function: helper, effects: vectors_and_memory };

extern "C" fn helper(cpu: &mut Cpu, arg: u64) -> HelperExit {
    play(cpu, arg, true, |u| access(u, Kind::from_arg(arg)))
}

fn access(u: &mut Unit<'_>, kind: Kind) -> Done {
    let (fields, store) = (u.i.bits(29, 3) + 1, is_store(u.i));
    let ew = if kind == Kind::Indexed { u.sew } else { width(u.i) };
    let data = match kind {
        Kind::Mask => Group { reg: u.vd(), ew: 0, emul: 0 },
        _ => u.group(u.vd(), ew)?,
    };
    let each = 1 << data.emul.max(0);
    legal(fields * each <= 8 && data.reg + fields * each <= 32)?;
    let index = if kind == Kind::Indexed { Some(u.group(u.vs2(), width(u.i))?) } else { None };
    let sources: &[Group] = index.as_slice();
    u.sources(sources)?;
    for field in 0..fields {
        let part = Group { reg: data.reg + field * each, ..data };
        if store {
            u.sources(&[part])?;
            // The index may lie in the data if both are of one width.
            legal(sources.iter().all(|s| s.ew == part.ew || !s.overlaps(part)))?;
        } else {
            // A segment load could otherwise not be restarted.
            legal(fields == 1 || sources.iter().all(|s| !s.overlaps(part)))?;
            u.destination(part, sources)?;
        }
    }
    let end = if kind == Kind::Mask { u.vl.div_ceil(8) } else { u.vl };
    if matches!(kind, Kind::Unit | Kind::Mask | Kind::FaultFirst)
        && fields == 1
        && (u.unmasked() || kind == Kind::Mask)
        && (u.vstart >= end || bulk(u, ew, end))
    {
        return Ok(());
    }
    let base = u.x(u.i.s1());
    let stride = match kind {
        Kind::Strided => u.x(u.i.s2()),
        _ => (fields as u64) << ew,
    };
    for n in u.vstart..end {
        if !u.active(n) {
            continue;
        }
        let at = match index {
            Some(index) => zero(index.ew as u32, u.get(index.reg, index.ew as u32, n)),
            None => stride.wrapping_mul(n as u64),
        };
        let at = base.wrapping_add(at);
        for field in 0..fields {
            let done = element(u, at.wrapping_add((field as u64) << ew), data.reg + field * each, ew, n);
            if done.is_err() && kind == Kind::FaultFirst && n > 0 {
                crate::v::trim(u.cpu, n as u64);
                return Ok(());
            }
            stop(u, n, done)?;
        }
    }
    Ok(())
}

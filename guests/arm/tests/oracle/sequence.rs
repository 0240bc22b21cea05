//! Sequences: what one instruction leaves behind (flags, registers, ITSTATE, floating-point state)
//! meets the next.

use crate::generate::{self, Case, FORMS, NOP_T16, in_memory, is_branch, play, state, word};
use crate::unpredictable;
use crate::{Arm, from_a32, insn};
use anyarch_arm::decode::{self, Insn, Set, pc};
use anyarch_oracle::batch::MAX_WORDS;
use anyarch_oracle::state::{EDGE, MID, Rng};

/// Bytes of code that fit in a case's place.
const BYTES: u64 = 4 * MAX_WORDS as u64;

/// Draws an instruction of a random row for a place; none that leaves the code. Of `vectors` are
/// most of them, on few registers, which overlap.
fn draw(r: &mut Rng, place: u64, vectors: bool) -> Option<(u32, Insn)> {
    let thumb = place & pc::T != 0;
    let forms: Vec<_> = FORMS.into_iter().filter(|(_, t)| *t == thumb).collect();
    let vectors = vectors && !r.one_in(5);
    let (set, _) = match (thumb, r.below(8)) {
        _ if vectors => (if r.one_in(2) { Set::Cond } else { Set::Uncond }, thumb),
        (true, 0..4) => (Set::T16, true),
        (true, 4 | 5) => (Set::T32, true),
        (false, 0..4) => (Set::Cond, false),
        _ => r.pick(&forms),
    };
    let rows = decode::rows(set);
    let row = &rows[r.below(rows.len() as u64) as usize];
    if vectors && !row.name.starts_with('V') {
        return None;
    }
    if is_branch(row.name) || matches!(row.name, "Svc" | "Bkpt" | "Udf" | "Setend" | "Mrrc" | "Mrc") {
        return None;
    }
    // Which exclusives of other sizes fit together is open, and the other side's FPSCR has FZ16.
    let fits = !["Strex", "Stlex"].iter().any(|name| row.name.starts_with(name));
    if !fits || !generate::exists(set, thumb, row) || row.name.ends_with("Reserved") {
        return None;
    }
    let mut w = word(r, set, thumb, row);
    // A small set of registers, so that instructions meet.
    for (name, lsb) in [("rd:4", 12), ("rn:4", 16), ("rm:4", 0), ("rt:4", 12)] {
        if row.pattern.contains(name) && set != Set::T32 && r.one_in(2) {
            w = w & !(15 << lsb & !row.mask) | (r.below(5) as u32) << lsb & !row.mask;
        }
    }
    for (name, lsb) in [("vd:4", 12), ("vn:4", 16), ("vm:4", 0)] {
        if row.pattern.contains(name) && vectors {
            w = w & !(15 << lsb & !row.mask) | (r.below(3) as u32) << lsb & !row.mask;
        }
    }
    if set == Set::Cond && !thumb {
        w = w & 0x0fff_ffff | if r.one_in(3) { r.below(14) as u32 } else { 14 } << 28;
    }
    let manual = if thumb && matches!(set, Set::Cond | Set::Uncond) { from_a32(w)? } else { w };
    let word = in_memory(thumb, manual);
    let i = insn(place, word);
    let own = decode::decode(i).row().map(|row| row.name) == Some(row.name);
    let own = own && (row.name != "Vmrs" || i.reg(12) == 15);
    (own && unpredictable::excluded(i, row).is_none()).then_some((word, i))
}

/// A forward branch over `bytes` bytes behind it.
fn skip(r: &mut Rng, thumb: bool, bytes: u32) -> u32 {
    if !thumb {
        return (r.below(14) as u32) << 28 | 0x0a00_0000 | (bytes / 4).wrapping_sub(1) & 0xff_ffff;
    }
    let offset = bytes.wrapping_sub(2) >> 1;
    match r.below(3) {
        0 if bytes >= 2 => 0xb100 | (r.below(2) as u32) << 11 | (offset & 31) << 3 | r.below(8) as u32,
        _ => 0xd000 | (r.below(14) as u32) << 8 | offset & 0xff,
    }
}

/// A sequence at `at`. What would fault or leave it is drawn anew, most of the time.
pub(crate) fn sequence(r: &mut Rng, at: u64, thumb: bool) -> Option<Case> {
    let place = at | thumb as u64;
    let mut s = state(r, place);
    for n in 8..13 {
        s.r.r[n] = if r.one_in(6) { EDGE as u32 + 32 } else { MID as u32 + 64 + 4 * r.below(32) as u32 };
    }
    let length = 2 + r.below(11) as usize;
    let vectors = r.one_in(3);
    anyarch_oracle::ours::in_memory::<Arm, _>(&s, |cpu| {
        let (mut words, mut bytes) = (Vec::new(), 0);
        let mut left = 0;
        for _ in 0..length * 30 {
            if words.len() >= length && left == 0 || bytes + 16 > BYTES {
                break;
            }
            let here = cpu.pc;
            let before = anyarch_oracle::ours::copy(cpu);
            // A branch over the next instruction.
            let branch = left == 0 && r.one_in(8);
            let from = if branch { here + if thumb { 2 } else { 4 } } else { here };
            let Some((word, i)) = draw(r, from, vectors) else { continue };
            let it = thumb && i.set() == Set::T16 && i.word >> 8 == 0xbf && i.word & 15 != 0;
            if it && (left > 0 || branch) {
                continue;
            }
            if branch {
                let over = skip(r, thumb, i.len as u32);
                let b = insn(here, over);
                match play(cpu, b) {
                    Some(to) => cpu.pc = to,
                    None => {
                        *cpu = before;
                        continue;
                    }
                }
                if cpu.pc == from {
                    match play(cpu, i) {
                        Some(to) if to == i.next() => cpu.pc = to,
                        _ => {
                            *cpu = before;
                            continue;
                        }
                    }
                }
                words.extend([over, word]);
                bytes += b.len as u64 + i.len as u64;
                continue;
            }
            match play(cpu, i) {
                Some(to) if to == i.next() => cpu.pc = to,
                None if r.one_in(40) => cpu.pc = i.next(),
                _ => {
                    *cpu = before;
                    continue;
                }
            }
            left = if it { 4 - i.word.trailing_zeros() as i32 } else { (left - 1).max(0) };
            words.push(word);
            bytes += i.len as u64;
        }
        let name = if thumb { "T32 sequence" } else { "A32 sequence" };
        (words.len() >= 2).then_some(Case { row: name, words, state: s })
    })
    .ok()?
}

/// A loop around a load exclusive and a store exclusive: an addition, an exchange, a comparison and
/// exchange.
pub(crate) fn exclusive_loop(r: &mut Rng, at: u64, thumb: bool) -> Case {
    let mut s = state(r, at | thumb as u64);
    let size = r.below(3) as u32; // a word, a byte, a half
    let bytes = [4, 1, 2][size as usize];
    let address = match r.below(12) {
        0 => EDGE + 64 + 8 * r.below(8),
        1 => EDGE + 64 - bytes,
        _ => MID + 64 + 8 * r.below(15),
    };
    s.r.r[6] = address as u32;
    if let Some(value) = s.memory(address, bytes).filter(|_| r.one_in(2)) {
        s.r.r[2] = value as u32;
    }
    // r0: the old value; r1: the new one; r2: what is compared or added; r3: the status; r6: the
    // address.
    let words = if thumb {
        let h = |first: u32, second: u32| second << 16 | first;
        let load = match size {
            0 => h(0xe856, 0x0f00),
            1 => h(0xe8d6, 0x0f4f),
            _ => h(0xe8d6, 0x0f5f),
        };
        let store = match size {
            0 => h(0xe846, 0x1300),
            1 => h(0xe8c6, 0x1f43),
            _ => h(0xe8c6, 0x1f53),
        };
        let (add, mov, cmp, test) = (0x1881, 0x4611, 0x4290, 0x2b00);
        // Distances in halves: the load and the store have two each.
        match r.below(3) {
            0 => vec![load, add, store, test, 0xd100 | (-8i32 as u32 & 0xff)],
            1 => vec![load, store, test, 0xd100 | (-7i32 as u32 & 0xff), mov],
            _ => vec![load, cmp, 0xd100 | 3, store, test, 0xd100 | (-9i32 as u32 & 0xff)],
        }
    } else {
        let kind = [0u32, 2, 3][size as usize] << 21;
        let (load, store) = (0xe196_0f9f | kind, 0xe186_3f91 | kind);
        let (add, cmp, test) = (0xe080_1002, 0xe150_0002, 0xe353_0000);
        let back = |words: i32| 0x1a00_0000 | (-(words + 2)) as u32 & 0xff_ffff;
        match r.below(4) {
            0 => vec![load, add, store, test, back(4)],
            1 => vec![load, store, test, back(3)],
            2 => vec![load, cmp, 0x1a00_0002, store, test, back(5)],
            // Conditional instructions, as compilers for v6 write them.
            _ => vec![load, cmp, 0x0186_3f91 | kind, 0x0353_0000, 0x1a00_0000],
        }
    };
    let mut words = words;
    if thumb {
        words.push(NOP_T16);
    }
    let name = if thumb { "T32 exclusive loop" } else { "A32 exclusive loop" };
    Case { row: name, words, state: s }
}

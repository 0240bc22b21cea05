//! Making cases: random encodings of a row, operands with a preference for the edges.
//!
//! Loads and stores need addresses in the scratch memory, so the addressing mode is read from the
//! word here, independently of the decode table, and the base register set such that the access
//! falls into one of the two windows (or, now and then, anywhere).

use crate::known::{KNOWN, SYSTEM_REGISTERS, excluded};
use crate::{Aarch64, Registers};
use anyarch_aarch64::decode;
use anyarch_engine::pattern::Row;
use anyarch_oracle::batch::{BRANCH_STRIDE, MAX_WORDS, POOL, POOL_BYTES};
use anyarch_oracle::state::{EDGE, MID, Rng};
use anyarch_oracle::values::{integer, memory, target, vector};

type Case = anyarch_oracle::batch::Case<Aarch64>;
type State = anyarch_oracle::state::State<Registers>;

/// A random state at `pc`.
pub(crate) fn state(r: &mut Rng, pc: u64) -> State {
    let mut s = State::zero();
    for x in &mut s.r.x {
        *x = integer(r);
    }
    s.r.sp = if r.one_in(2) { MID + 16 * r.below(16) } else { integer(r) };
    s.pc = pc;
    s.r.nzcv = r.below(16) << 28;
    if r.one_in(2) {
        s.r.fpcr = r.below(4) << 22 | r.below(2) << 24 | r.below(2) << 25;
        if r.one_in(2) {
            s.r.fpcr |= r.below(2) << 19 | r.below(2) << 26;
        }
    }
    if r.one_in(3) {
        s.r.fpsr = r.next() & 0x0800_009f;
    }
    s.r.tpidr = r.next();
    for v in &mut s.r.v {
        *v = vector(r);
    }
    memory(r, &mut s);
    s
}

/// A random encoding of a row. Register fields coincide more often than by chance.
pub(crate) fn word(r: &mut Rng, row: &Row) -> u32 {
    let mut w = r.next() as u32;
    if r.one_in(3) {
        for (to, from) in [(0, 5), (0, 16), (5, 16), (0, 10)] {
            if r.one_in(4) {
                w = w & !(31 << to) | (w >> from & 31) << to;
            }
        }
        if r.one_in(4) {
            w |= 31 << r.pick(&[0, 5, 10, 16]);
        }
    }
    w = w & !row.mask | row.value;
    if w & 0xffd0_0000 == 0xd510_0000 && row.mask >> 5 & 0x7fff != 0x7fff {
        let register = (r.pick(SYSTEM_REGISTERS) << 5) & !row.mask;
        w = w & !(0x7fff << 5 & !row.mask) | register;
    }
    w
}

/// Whether the word is of the class of loads and stores (Arm ARM C4.1).
pub(crate) fn is_memory(w: u32) -> bool {
    w & 0x0a00_0000 == 0x0800_0000
}

/// Whether the word may branch: bits 28 to 26 are 101 and it is neither an exception nor a system
/// instruction.
pub(crate) fn is_branch(w: u32) -> bool {
    w & 0x1c00_0000 == 0x1400_0000 && w & 0xff00_0000 != 0xd400_0000 && w & 0xff00_0000 != 0xd500_0000
}

fn sign(value: u32, bits: u32) -> i64 {
    ((value << (32 - bits)) as i32 >> (32 - bits)) as i64
}

/// Makes the word's access, if it is one, fall where something is, changing the state or (literals)
/// the word.
pub(crate) fn aim(r: &mut Rng, word: &mut u32, s: &mut State, pc: u64) {
    let w = *word;
    if !is_memory(w) {
        return;
    }
    let (rn, rm) = ((w >> 5 & 31) as usize, (w >> 16 & 31) as usize);
    let at = target(r);
    let fp = w >> 26 & 1;
    let scale = (w >> 30) as i64 | if fp == 1 && w >> 23 & 1 == 1 { 4 } else { 0 };
    let offset = match w >> 28 & 3 {
        // Literal.
        1 if w >> 24 & 3 == 0 => {
            let place = POOL + r.below(POOL_BYTES / 4 - 8) * 4;
            *word = w & !(0x7ffff << 5) | ((place.wrapping_sub(pc) >> 2) as u32 & 0x7ffff) << 5;
            return;
        }
        // Pairs: imm7, scaled; no-allocate and post-index are near enough to 0.
        2 => {
            let scale = if fp == 1 { 2 + (w >> 30) } else { 2 + (w >> 31) };
            if w >> 23 & 3 == 1 { 0 } else { sign(w >> 15 & 127, 7) << scale }
        }
        3 if w >> 24 & 1 == 1 => ((w >> 10 & 0xfff) as i64) << scale.min(4),
        // Register offset.
        3 if w >> 21 & 1 == 1 && w >> 10 & 3 == 2 => {
            if rm != 31 && rm != rn && !r.one_in(8) {
                let garbage = if w >> 13 & 1 == 0 { r.next() << 32 } else { 0 };
                s.r.x[rm] = (r.below(64) as i64 - 32) as u64
                    & if garbage != 0 { 0xffff_ffff } else { u64::MAX }
                    | garbage;
            }
            let index = if rm == 31 { 0 } else { s.r.x[rm] };
            let index = match w >> 13 & 7 {
                2 => index as u32 as i64,
                6 => index as i32 as i64,
                _ => index as i64,
            };
            if w >> 12 & 1 == 1 { index << scale.min(4) } else { index }
        }
        3 if w >> 21 & 1 == 0 && w >> 10 & 3 != 1 => sign(w >> 12 & 511, 9),
        // RCpc with an offset.
        1 if w >> 24 & 3 == 1 && w >> 21 & 1 == 0 && w >> 10 & 3 == 0 => sign(w >> 12 & 511, 9),
        _ => 0,
    };
    let base = at.wrapping_sub(offset as u64);
    if rn == 31 { s.r.sp = base } else { s.r.x[rn] = base }
}

/// Makes a branch's target a place without code of another case. False if it cannot.
pub(crate) fn aim_branch(r: &mut Rng, word: &mut u32, pc: u64, s: &mut State) -> bool {
    let w = *word;
    let (bits, lsb) = if w & 0x7c00_0000 == 0x1400_0000 {
        (26, 0)
    } else if w & 0x7e00_0000 == 0x3600_0000 {
        (14, 5)
    } else if w & 0xfe00_0000 == 0xd600_0000 {
        let rn = (w >> 5 & 31) as usize;
        if rn != 31 {
            s.r.x[rn] = match r.below(4) {
                0 => s.r.x[rn],
                1 => pc + 4 * (2 + r.below(4)),
                _ => pc + 16 + 4 * r.below(4000),
            };
        }
        return true;
    } else {
        (19, 5)
    };
    for _ in 0..100 {
        let imm = match r.below(3) {
            0 => (r.below(16) as u32).wrapping_sub(8),
            _ => r.next() as u32 >> r.below(32) as u32,
        } & ((1 << bits) - 1);
        let offset = sign(imm, bits) * 4;
        let from_start = (offset + 4).rem_euclid(BRANCH_STRIDE as i64);
        if (offset == 4 || from_start >= 16)
            && offset.unsigned_abs() < 0x700_0000
            && !(-0x600_0000..-0x8000).contains(&offset)
        {
            *word = w & !(((1u32 << bits) - 1) << lsb) | imm << lsb;
            return true;
        }
    }
    false
}

/// One case of `row` at `pc`. `None` if the word drawn is not for this kind of test.
pub(crate) fn single(r: &mut Rng, row: &'static Row, pc: u64) -> Option<Case> {
    let mut w = word(r, row);
    let mut s = state(r, pc);
    if is_branch(w) {
        aim_branch(r, &mut w, pc, &mut s).then_some(())?;
    } else {
        aim(r, &mut w, &mut s, pc);
    }
    // A row before it may win.
    let own = decode::decode(w).row().is_some_and(|r| r.name == row.name);
    (own && excluded(w).is_none()).then(|| Case { row: row.name, words: vec![w], state: s })
}

/// A sequence without branches at `pc`: what one instruction leaves behind (flags, registers,
/// floating-point state) meets the next. Accesses keep their base register where they can.
pub(crate) fn sequence(r: &mut Rng, rows: &[&'static Row], pc: u64) -> Option<Case> {
    let mut s = state(r, pc);
    let length = 2 + r.below(MAX_WORDS as u64 - 2) as usize;
    let mut words: Vec<u32> = Vec::new();
    // Some have forward branches between their instructions, and mostly such as deal with flags.
    let branchy = r.one_in(2);
    let flaggy: Vec<&'static Row> = if branchy && r.one_in(2) {
        rows.iter()
            .copied()
            .filter(|row| row.flags.reads != 0 || row.flags.writes != 0 || row.name.starts_with("Csel"))
            .collect()
    } else {
        Vec::new()
    };
    // Bases that accesses rely on, set at the start and spared afterwards.
    let mut spared = 0u32;
    for _ in 0..length * 8 {
        if words.len() == length {
            break;
        }
        let left = (length - words.len()) as u32;
        if branchy && left > 1 && r.one_in(4) {
            let offset = 1 + r.below(left as u64 - 1) as u32;
            let rt = r.below(4) as u32;
            let (sf, op) = ((r.below(2) as u32) << 31, (r.below(2) as u32) << 24);
            words.push(match r.below(4) {
                0 => 0x3400_0000 | sf | op | (offset + 1) << 5 | rt,
                1 => 0x3600_0000 | sf | op | (r.below(32) as u32) << 19 | (offset + 1) << 5 | rt,
                _ => 0x5400_0000 | (offset + 1) << 5 | r.below(16) as u32,
            });
            continue;
        }
        let row = if flaggy.is_empty() || r.one_in(4) { r.pick(rows) } else { r.pick(&flaggy) };
        if KNOWN.iter().any(|k| k.row != "*" && k.names(row.name)) {
            continue;
        }
        let mut w = word(r, row);
        // A small set of registers, so that instructions meet.
        for lsb in [0, 5, 16] {
            if !r.one_in(3) {
                let field = (31u32 << lsb) & !row.mask;
                w = w & !field | (r.below(4) as u32) << lsb & field;
            }
        }
        if is_branch(w) || excluded(w).is_some() || decode::decode(w).row().map(|d| d.name) != Some(row.name)
        {
            continue;
        }
        if spared >> (w & 31) & 1 != 0 && w & 31 != 31 {
            continue;
        }
        if is_memory(w) {
            let rn = w >> 5 & 31;
            // A written base, or one that an instruction before may have changed, would lead
            // anywhere.
            if words.iter().any(|p| p & 31 == rn) || rn < 8 || spared >> rn & 1 != 0 || w & 31 == rn {
                continue;
            }
            let index = w >> 16 & 31;
            if words.iter().any(|p| p & 31 == index) {
                continue;
            }
            aim(r, &mut w, &mut s, pc + 4 * words.len() as u64);
            spared |= 1 << rn;
        }
        words.push(w);
    }
    // Branches reckon with the full length.
    words.resize(length, 0xd503_201f);
    (words.len() >= 2).then_some(Case { row: "sequence", words, state: s })
}

/// A loop around a load exclusive and a store exclusive in one of the shapes that are translated as
/// one step (or nearly one of them), between an instruction that sets the flags and some that read
/// flags and registers.
pub(crate) fn exclusive_loop(r: &mut Rng, pc: u64) -> Case {
    let mut s = state(r, pc);
    let size = r.below(4) as u32;
    let bytes = 1u64 << size;
    let wide = if size == 3 || r.one_in(8) { 1u32 << 31 } else { 0 };
    // Registers mostly differ; the status never is the base or the value stored, which would be
    // unpredictable.
    let register = |r: &mut Rng| {
        let with_zero = r.one_in(12);
        r.below(if with_zero { 32 } else { 31 }) as u32
    };
    let base = r.below(32) as u32;
    let mut other = |avoid: &[u32]| loop {
        let n = register(r);
        if !avoid.contains(&n) {
            break n;
        }
    };
    let (old, src, mut new) = (other(&[base]), other(&[base]), other(&[base]));
    let status = other(&[base, new, 31]);
    if new == base || r.one_in(6) && old != status {
        new = old;
    }
    let address = match r.below(12) {
        0 => EDGE + 64 + 8 * r.below(8),
        1 => EDGE + 64 - bytes,
        _ => MID + 16 * r.below(15),
    };
    match base {
        31 => s.r.sp = address & !15,
        n => s.r.x[n as usize] = address,
    }
    let address = if base == 31 { s.r.sp } else { address };
    if let Some(i) = address.checked_sub(MID).filter(|&i| i < 248) {
        // What is compared is often equal.
        let value = u64::from_le_bytes(s.mid[i as usize..i as usize + 8].try_into().unwrap_or_default());
        if r.one_in(2) && src != 31 && src != base {
            s.r.x[src as usize] =
                value & u64::MAX >> (64 - 8 * bytes) | if r.one_in(8) { 1 << 33 } else { 0 };
        } else if r.one_in(3) {
            s.mid[i as usize..i as usize + 8].copy_from_slice(&[0; 8]);
        }
    }
    let (acquire, release) = ((r.below(2) as u32) << 15, (r.below(2) as u32) << 15);
    let load = size << 30 | 0x085f_7c00 | acquire | base << 5 | old;
    let store = |value: u32| size << 30 | 0x0800_7c00 | status << 16 | release | base << 5 | value;
    let branch = |nonzero: u32, reg: u32, words: i32| {
        0x3400_0000 | nonzero << 24 | (words as u32 & 0x7_ffff) << 5 | reg
    };
    // Flags for the sequence to keep, or to replace.
    let mut words = vec![r.pick(&[0xeb02_003fu32, 0xab02_003f, 0xd503_201f])];
    let compare = match r.below(6) {
        0 => 0x7100_001f | r.pick(&[0, 1, 0x7f, 0xfff]) << 10 | old << 5,
        1 => 0x6b00_001f | src << 5 | old << 16,
        2 => 0x6b20_001f | old << 5 | src << 16 | (r.below(8) as u32) << 13,
        _ => 0x6b00_001f | old << 5 | src << 16,
    } | wide;
    match r.below(8) {
        0 => words.extend([load, store(src), branch(1, status, -2)]),
        1..=3 => {
            let rm = src << 16;
            let operation = match r.below(5) {
                0 => 0x1100_0000 | (r.below(2) as u32) << 30 | (r.below(4096) as u32) << 10 | old << 5,
                1 => {
                    let opc = r.pick(&[0u32, 1, 2]) << 29;
                    let n = if wide != 0 { (r.below(2) as u32) << 22 } else { 0 };
                    0x1200_0000 | opc | n | (r.below(32) as u32) << 16 | (r.below(30) as u32) << 10 | old << 5
                }
                2 => 0x0b00_0000 | (r.below(2) as u32) << 30 | rm | old << 5,
                3 => 0x0b00_0000 | old << 16 | src << 5,
                _ => 0x0a00_0000 | (r.below(3) as u32) << 29 | (r.below(2) as u32) << 21 | rm | old << 5,
            };
            words.extend([load, operation | wide | new, store(new), branch(1, status, -3)]);
        }
        4 | 5 => {
            // The way out when different: behind the loop, or further on.
            let out = r.pick(&[3u32, 3, 4, 5]);
            words.extend([load, compare, 0x5400_0001 | out << 5, store(new), branch(1, status, -4)]);
        }
        6 => words.extend([load, branch(1, old, r.pick(&[3, 4])), store(new), branch(1, status, -3)]),
        _ => {
            let zero = r.one_in(2);
            if !zero {
                // Flags that are dead behind a jump are not kept for a fault there.
                words[0] = 0xd503_201f;
            }
            let out = if zero { 5 } else { 6 } - r.below(2) as i32;
            words.extend([0x1400_0003, store(new), branch(0, status, out)]);
            if zero {
                words.extend([load, branch(0, old, -3)]);
            } else {
                words.extend([load, compare, 0x5400_0000 | (-4i32 as u32 & 0x7_ffff) << 5]);
            }
        }
    }
    // Conditional selects for the flags, additions for the registers.
    words.extend([0x9a9f_37e0 | 9, 0x9a9f_57e0 | 10, 0x8b00_0000 | old << 16 | 11 << 5 | 11, 0xd503_201f]);
    Case { row: "exclusive loop", words, state: s }
}

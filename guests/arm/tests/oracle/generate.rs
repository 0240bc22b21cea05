//! Making cases: random encodings of a row, operands with a preference for the edges.
//!
//! Loads and stores need addresses in the scratch memory: the base register is set such that the
//! access falls into one of the two windows (or, now and then, anywhere). T32 instructions often
//! stand in an IT block, and accesses are big-endian now and then.

use crate::unpredictable::{self, fields};
use crate::{Arm, Registers, from_a32, insn, set_name};
use anyarch_arm::decode::{self, Insn, Set, pc};
use anyarch_engine::interp::{Interp, Outcome};
use anyarch_engine::ops::Cond;
use anyarch_engine::pattern::Row;
use anyarch_engine::state::Cpu;
use anyarch_oracle::Guest;
use anyarch_oracle::batch::BRANCH_STRIDE;
use anyarch_oracle::state::{CODE_BASE, MID, Rng};
use anyarch_oracle::values::{integer, memory, target, vector};

pub(crate) type Case = anyarch_oracle::batch::Case<Arm>;
pub(crate) type State = anyarch_oracle::state::State<Registers>;

/// SETEND BE in both sets, as in memory.
const SETEND_A32: u32 = 0xf101_0200;
const SETEND_T16: u32 = 0xb658;
/// NOP of 16 bits.
pub(crate) const NOP_T16: u32 = 0xbf00;

/// A row in an instruction set.
#[derive(Clone, Copy)]
pub(crate) struct Form {
    pub(crate) set: Set,
    pub(crate) thumb: bool,
    pub(crate) row: &'static Row,
    pub(crate) name: &'static str,
}

/// Sets of rows, each with the instruction sets that have them.
pub(crate) const FORMS: [(Set, bool); 6] = [
    (Set::Cond, false),
    (Set::Uncond, false),
    (Set::T16, true),
    (Set::T32, true),
    (Set::Cond, true),
    (Set::Uncond, true),
];

/// Whether the instruction set has the row: T32 has A32's rows of floating point, Advanced SIMD and
/// coprocessors.
pub(crate) fn exists(set: Set, thumb: bool, row: &Row) -> bool {
    !thumb || !matches!(set, Set::Cond | Set::Uncond) || from_a32(row.value).is_some()
}

/// The name of a kind.
pub(crate) fn name(set: Set, thumb: bool, row: &Row) -> &'static str {
    format!("{} {}", set_name(set, thumb), row.name).leak()
}

/// Rows whose code goes far away: by name.
pub(crate) fn is_branch(row: &str) -> bool {
    matches!(row, "B" | "Bl" | "BlxImm" | "BCond" | "Cbz" | "Cbnz" | "Bx" | "Bxj" | "Blx" | "Tbb" | "Tbh")
}

/// The word as in memory of a word in the manual's order.
pub(crate) fn in_memory(thumb: bool, word: u32) -> u32 {
    if thumb && word > 0xffff { word.rotate_right(16) } else { word }
}

/// Where the runner and QEMU have things of their own.
pub(crate) fn taken(address: u32) -> bool {
    matches!(address >> 24, 0x10..0x20 | 0x3f..0x42) || address >> 16 == 0xffff
}

/// An address for an access.
fn place_of_access(r: &mut Rng) -> u32 {
    let at = target(r) as u32;
    if taken(at) { at ^ 0x8000_0000 } else { at }
}

/// A random state at `pc`.
pub(crate) fn state(r: &mut Rng, pc: u64) -> State {
    let mut s = State::zero();
    s.pc = pc;
    for x in &mut s.r.r {
        *x = integer(r) as u32;
        // Addresses of the runner's and QEMU's, but for small negative numbers.
        if taken(*x) && *x >> 24 != 0xff {
            *x ^= 0x8000_0000;
        }
    }
    if r.one_in(2) {
        s.r.r[13] = MID as u32 + 8 * r.below(32) as u32;
    }
    s.r.cpsr = r.next() as u32 & 0xf80f_0000;
    s.r.fpscr = match r.below(4) {
        0 => 0,
        1 => r.next() as u32 & 0xffc0_009f,
        2 => r.next() as u32 & 0xf0c0_0000,
        _ => r.next() as u32 & 0xf9c0_0000,
    };
    if r.one_in(30) {
        s.r.fpscr |= r.next() as u32 & 0x0037_0000;
    }
    s.r.tpidr = r.next() as u32;
    for pair in s.r.d.chunks_mut(2) {
        pair.copy_from_slice(&vector(r));
    }
    memory(r, &mut s);
    s
}

/// A random word of a row in the manual's order. Register fields coincide more often than by
/// chance.
pub(crate) fn word(r: &mut Rng, set: Set, thumb: bool, row: &Row) -> u32 {
    let random = r.next() as u32;
    let mut w = match r.below(4) {
        0 => random & (r.next() as u32),
        1 => random | r.next() as u32,
        _ => random,
    };
    if r.one_in(3) {
        for (to, from) in [(12, 16), (0, 16), (0, 12), (8, 0)] {
            if r.one_in(4) {
                w = w & !(15 << to) | (w >> from & 15) << to;
            }
        }
    }
    w = w & !row.mask | row.value;
    if set == Set::Cond && (thumb || !r.one_in(4)) {
        w = w & 0x0fff_ffff | 0xe000_0000;
    }
    row.should_be(w)
}

/// A value of a field by its name.
fn value(fields: &[(&str, u32)], name: &str) -> Option<u32> {
    fields.iter().find(|(n, _)| *n == name).map(|(_, value)| *value)
}

/// Whether an instruction accesses memory.
pub(crate) fn is_memory(i: Insn) -> bool {
    let w = i.word;
    match i.set() {
        Set::Cond => match w >> 25 & 7 {
            0 => w & 0x90 == 0x90 && (w & 0x60 != 0 || w >> 24 & 1 == 1),
            2 => true,
            3 => w & 0x10 == 0,
            4 => true,
            6 => true,
            _ => false,
        },
        Set::Uncond => w >> 24 & 15 == 4 && w >> 20 & 1 == 0,
        Set::T16 => matches!(w >> 12, 5..=9 | 12) || w >> 11 == 9 || w >> 9 == 0x5a || w >> 9 == 0x5e,
        Set::T32 => matches!(w >> 25, 0b1110100 | 0b1111100),
    }
}

/// The base register of an access.
pub(crate) fn base(i: Insn) -> Option<usize> {
    let lsb = match i.set() {
        Set::T16 => match i.word >> 12 {
            5..=8 => 3,
            12 => 8,
            4 => return None,
            _ => return Some(13),
        },
        _ => return Some(i.bits(16, 4) as usize),
    };
    Some(i.bits(lsb, 3) as usize)
}

/// Makes the access of an instruction, if it is one, fall where something is.
pub(crate) fn aim(r: &mut Rng, i: Insn, row: &Row, s: &mut State) {
    if !is_memory(i) {
        return;
    }
    let Some(n) = base(i).filter(|n| *n < 15) else { return };
    let f = fields(row, i.word);
    let field = |name| value(&f, name);
    let mut at = place_of_access(r);
    if row.name.contains("ex") && !r.one_in(8) {
        at &= !7;
    }
    // What is added, before the access.
    let imm = field("imm12").or(field("imm8")).or(field("imm5"));
    let scale = match (i.set(), row.name) {
        (Set::T16, "StrhImm" | "LdrhImm") => 1,
        (Set::T16, "StrbImm" | "LdrbImm") => 0,
        (Set::T16, _) | (Set::Cond, "Vldr" | "Vstr") => 2,
        (Set::T32, "Ldrd" | "Strd" | "Ldrex" | "Strex") => 2,
        _ => 0,
    };
    let list = ["Stm", "Ldm", "Vst", "Vld", "Push", "Pop"].iter().any(|p| row.name.starts_with(p));
    let mut offset = match (field("rm"), imm) {
        (Some(m), _) if i.set() != Set::Uncond => {
            let m = m as usize;
            if m < 15 && m != n && !r.one_in(8) {
                s.r.r[m] = (r.below(64) as u32).wrapping_sub(32);
            }
            let index = if m == 15 { i.pc_value() } else { s.r.r[m] };
            match (i.set(), field("imm5")) {
                (Set::Cond, Some(amount)) => match (field("type"), amount) {
                    (Some(0), n) => index << n,
                    (Some(1), n) => index.checked_shr(if n == 0 { 32 } else { n }).unwrap_or(0),
                    (Some(2), n) => (index as i32 >> if n == 0 { 31 } else { n }) as u32,
                    (_, 0) => (s.r.cpsr >> 29 & 1) << 31 | index >> 1,
                    (_, n) => index.rotate_right(n),
                },
                (Set::T32, _) => index << field("imm2").unwrap_or(0),
                _ => index,
            }
        }
        (_, Some(imm)) => imm << scale,
        _ => 0,
    };
    if i.set() == Set::Cond && i.bits(25, 3) == 0 {
        // Extra loads and stores: an immediate in two parts, or a register.
        offset = match (i.bit(22), i.reg(0) as usize) {
            (true, low) => i.bits(8, 4) << 4 | low as u32,
            (false, 15) => return,
            (false, m) => {
                if m != n && !r.one_in(8) {
                    s.r.r[m] = (r.below(64) as u32).wrapping_sub(32);
                }
                s.r.r[m]
            }
        };
        if i.bits(4, 4) == 9 {
            offset = 0;
        }
    }
    let list = list && !matches!(row.name, "Vldr" | "Vstr");
    if field("p") == Some(0) || row.name.ends_with("Post") || list {
        offset = 0;
    }
    if field("u") == Some(0) {
        offset = offset.wrapping_neg();
    }
    s.r.r[n] = at.wrapping_sub(offset);
}

/// A word of a direct branch whose target is so far from the instruction's program counter value;
/// `None` if it is no such branch or cannot reach it.
fn branch_word(form: Form, w: u32, offset: i64) -> Option<u32> {
    let fits = |bits: u32| -(1i64 << (bits - 1)) <= offset && offset < 1i64 << (bits - 1);
    let o = offset as u32;
    let s = o >> 31;
    Some(match (form.set, form.row.name) {
        (Set::Cond, "B" | "Bl") if fits(26) => w & 0xff00_0000 | o >> 2 & 0xff_ffff,
        (Set::Uncond, "BlxImm") if fits(26) => w & 0xfe00_0000 | (o >> 1 & 1) << 24 | o >> 2 & 0xff_ffff,
        (Set::T32, "B" | "Bl" | "BlxImm") if fits(25) => {
            let (j1, j2) = (o >> 23 & 1 ^ s ^ 1, o >> 22 & 1 ^ s ^ 1);
            let o = if form.row.name == "BlxImm" { o & !3 } else { o };
            w & 0xf800_d000 | s << 26 | (o >> 12 & 0x3ff) << 16 | j1 << 13 | j2 << 11 | o >> 1 & 0x7ff
        }
        (Set::T32, "BCond") if fits(21) => {
            let imm6 = (o >> 12 & 63) << 16;
            w & 0xfbc0_d000 | s << 26 | imm6 | (o >> 18 & 1) << 13 | (o >> 19 & 1) << 11 | o >> 1 & 0x7ff
        }
        (Set::T16, "B") if fits(12) => w & 0xf800 | o >> 1 & 0x7ff,
        (Set::T16, "BCond") if fits(9) => w & 0xff00 | o >> 1 & 0xff,
        (Set::T16, "Cbz" | "Cbnz") if (0..128).contains(&offset) => {
            w & 0xfd07 | (o >> 6 & 1) << 9 | (o >> 1 & 31) << 3
        }
        _ => return None,
    })
}

/// A place without code of another case near `from`, or far behind it, in one of the sets.
fn free_place(r: &mut Rng, from: u32) -> u32 {
    let near = from & !0xffff | 0x8000;
    match r.below(4) {
        0 | 1 => from + 64 + 2 * r.below(60) as u32,
        2 => near - 4 - 2 * r.below(0x3000) as u32,
        _ => {
            let slots = r.below(300) as u32 * BRANCH_STRIDE as u32;
            near + slots + 128 + 2 * r.below(0x3000) as u32
        }
    }
}

/// Sees to the target of a branch at `i`. `None` if it cannot.
fn aim_branch(r: &mut Rng, form: Form, i: Insn, s: &mut State) -> Option<u32> {
    let pc = i.address();
    let direct = branch_word(form, i.word, 0).is_some();
    if direct {
        for _ in 0..50 {
            let to = if form.row.name.starts_with("Cb") {
                pc + 4 + 2 * r.below(62) as u32
            } else {
                free_place(r, pc)
            };
            let base = if form.row.name == "BlxImm" { i.pc_aligned() } else { i.pc_value() };
            if let Some(w) = branch_word(form, i.word, to.wrapping_sub(base) as i32 as i64) {
                return Some(w);
            }
        }
        return None;
    }
    if matches!(form.row.name, "Bx" | "Bxj" | "Blx") {
        let m = if i.set() == Set::T16 { i.reg(3) } else { i.reg(if form.thumb { 16 } else { 0 }) } as usize;
        if m < 15 && !r.one_in(8) {
            let to = free_place(r, pc);
            s.r.r[m] = if r.one_in(2) { to | 1 } else { to & !3 | (r.one_in(8) as u32) << 1 };
        }
    }
    Some(i.word)
}

/// Plays an instruction that accesses no memory; where it leads, if anywhere.
pub(crate) fn leads(s: &State, i: Insn) -> Option<u64> {
    thread_local! {
        static CPU: std::cell::RefCell<Box<Cpu>> = std::cell::RefCell::new(anyarch_oracle::ours::zeroed());
    }
    CPU.with_borrow_mut(|cpu| {
        Arm::load(&s.r, cpu);
        cpu.pc = i.pc;
        play(cpu, i)
    })
}

/// Plays an instruction; where it leads, if anywhere.
pub(crate) fn play(cpu: &mut Cpu, i: Insn) -> Option<u64> {
    let mut interp = Interp::new(cpu);
    interp.next_pc = i.next();
    decode::lift(&mut interp, i);
    matches!(interp.outcome, Outcome::Next).then_some(interp.next_pc)
}

/// One case of a row at `pc`. `None` if the word drawn is not for this kind of test.
pub(crate) fn single(r: &mut Rng, form: Form, pc: u64) -> Option<Case> {
    let place = pc | form.thumb as u64;
    let mut s = state(r, place);
    let w = word(r, form.set, form.thumb, form.row);
    if form.set == Set::Cond && w >> 28 == 15 || form.row.name == "Svc" {
        return None;
    }
    let manual = if form.thumb && matches!(form.set, Set::Cond | Set::Uncond) { from_a32(w)? } else { w };
    let mut words = Vec::new();
    let mut i = insn(place, in_memory(form.thumb, manual));
    let before = |words: &mut Vec<u32>, at: &mut Insn, word: u32, place: u64| {
        words.push(word);
        *at = insn(place, in_memory(form.thumb, manual));
    };
    if r.one_in(12) && form.row.name != "Setend" {
        let word = if form.thumb { SETEND_T16 } else { SETEND_A32 };
        before(&mut words, &mut i, word, insn(place, word).next() | pc::E);
    }
    let exclusive = form.row.name.contains("ex") && form.row.name.starts_with("St") && r.one_in(2);
    if exclusive {
        let load = load_exclusive(form.row.name, i)?;
        let next = insn(i.pc, load).next();
        before(&mut words, &mut i, load, next);
    } else if form.thumb && r.one_in(3) && form.row.name != "It" {
        let (count, at) = (1 + r.below(4) as u32, r.below(4) as u32);
        let first = r.below(14) as u32;
        let mask = (r.next() as u32 & 15 | 1) << (4 - count) & 15;
        let mask = mask >> (4 - count) << (4 - count) & !(1 << (4 - count)) | 1 << (4 - count);
        let it = 0xbf00 | first << 4 | mask;
        let mut next = insn(i.pc, it).next();
        before(&mut words, &mut i, it, next);
        for _ in 0..at.min(count - 1) {
            next = insn(next, NOP_T16).next();
            before(&mut words, &mut i, NOP_T16, next);
        }
    }
    if decode::decode(i).row().map(|row| row.name) != Some(form.row.name) {
        return None; // a row before it wins
    }
    let mut word = in_memory(form.thumb, manual);
    if is_branch(form.row.name) {
        let changed = aim_branch(r, form, i, &mut s)?;
        if i.set() != Set::Cond || !form.thumb {
            word = in_memory(form.thumb, changed);
        }
        i = insn(i.pc, word);
    }
    if unpredictable::excluded(i, form.row).is_some() {
        return None;
    }
    aim(r, i, form.row, &mut s);
    words.push(word);
    let case = Case { row: form.name, words, state: s };
    // It must not go round.
    if !is_memory(i) && form.row.name != "Svc" {
        let mut taken = i;
        taken.cond = Cond::Al;
        let to = leads(&s, taken).filter(|to| *to != i.next());
        // Nor go into the code of another case.
        let code = match is_branch(form.row.name) {
            true => case.start() as u32..case.end() as u32,
            false => CODE_BASE as u32..CODE_BASE as u32 + 0x800_0000,
        };
        if to.is_some_and(|to| code.contains(&pc::address(to)) || pc::address(to) >> 24 == 0x10) {
            return None;
        }
    }
    Some(case)
}

/// The load that an exclusive store of the same size and address needs, as in memory.
fn load_exclusive(row: &str, i: Insn) -> Option<u32> {
    let n = i.bits(16, 4);
    if i.set() == Set::Cond {
        let t = ((n ^ 4) & 14) << 12;
        return Some(0xe190_0f9f | i.word & 0x0060_0000 | n << 16 | t);
    }
    let t = (n ^ 4) & 7;
    Some(in_memory(
        true,
        match (row, i.bits(4, 2)) {
            ("Strex", _) => 0xe850_0f00 | n << 16 | t << 12 | i.word & 0xff,
            (_, 2) => 0xe850_0f00 | n << 16 | t << 12,
            (_, 3) => 0xe8d0_007f | n << 16 | t << 12 | (t + 1) << 8,
            (_, size) => 0xe8d0_0f4f | n << 16 | t << 12 | size << 4,
        },
    ))
}

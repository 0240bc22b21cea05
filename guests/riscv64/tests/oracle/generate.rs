//! Making cases: random encodings of a row, operands with a preference for the edges.
//!
//! Loads and stores need addresses in the scratch memory: the base register is set such that the
//! access falls into one of the two windows (or, now and then, anywhere). Vectors have a file of
//! their own.

use crate::known::{KNOWN, excluded};
use crate::{Registers, Riscv64, vector};
use anyarch_engine::pattern::Row;
use anyarch_oracle::batch::{BRANCH_BASE, BRANCH_STRIDE};
use anyarch_oracle::state::Rng;
use anyarch_oracle::values::{float, integer, memory, target, vector};
use anyarch_riscv64::compressed::expand;
use anyarch_riscv64::decode::{self, Insn};

pub(crate) type Case = anyarch_oracle::batch::Case<Riscv64>;
pub(crate) type State = anyarch_oracle::state::State<Registers>;

/// Lowest bits of the fields rd, rs1, rs2, rs3.
const RD: u32 = 7;
const RS1: u32 = 15;
const RS2: u32 = 20;
const RS3: u32 = 27;

/// The word as it is decoded: of 32 bits.
pub(crate) fn long(word: u32) -> u32 {
    if word & 3 == 3 { word } else { expand(word as u16) }
}

/// A field of five bits.
pub(crate) fn field(word: u32, lsb: u32) -> usize {
    (word >> lsb & 31) as usize
}

/// `word` with a register's number, as far as the row leaves it open.
pub(crate) fn put(row: &Row, word: u32, lsb: u32, bits: u32, value: u32) -> u32 {
    let mask = ((1 << bits) - 1) << lsb & !row.mask;
    word & !mask | value << lsb & mask
}

fn insn(word: u32, pc: u64) -> Insn {
    Insn { word: long(word), pc, len: if word & 3 == 3 { 4 } else { 2 } }
}

fn float_register(r: &mut Rng) -> u64 {
    match r.below(8) {
        0..=2 => float(r, 64),
        3 | 4 => boxed(r, 32),
        5 => boxed(r, 16),
        // Singles that are not boxed.
        6 => float(r, 32) | r.next() << 32,
        _ => r.next(),
    }
}

/// A NaN-boxed number.
pub(crate) fn boxed(r: &mut Rng, bits: u32) -> u64 {
    let value = float(r, bits);
    if bits == 64 { value } else { value | u64::MAX << bits }
}

/// A random state at `pc`.
pub(crate) fn state(r: &mut Rng, pc: u64) -> State {
    let mut s = State::zero();
    s.pc = pc;
    for x in &mut s.r.x[1..] {
        *x = integer(r);
    }
    for f in &mut s.r.f {
        *f = float_register(r);
    }
    s.r.fcsr = match r.below(4) {
        0 | 1 => 0,
        2 => r.below(32),
        _ => r.below(32) | if r.one_in(8) { r.below(8) } else { r.below(5) } << 5,
    };
    for v in &mut s.r.v {
        *v = vector(r);
    }
    vector::configure(r, &mut s.r);
    memory(r, &mut s);
    s
}

/// A random encoding of a row. Register fields coincide more often than by chance, and are x0.
pub(crate) fn word(r: &mut Rng, row: &Row) -> u32 {
    let mut w = r.next() as u32;
    if r.one_in(3) {
        for (to, from) in [(RD, RS1), (RD, RS2), (RS1, RS2), (RD, RS3)] {
            if r.one_in(4) {
                w = w & !(31 << to) | (field(w, from) as u32) << to;
            }
        }
        if r.one_in(4) {
            w &= !(31 << r.pick(&[RD, RS1, RS2]));
        }
    }
    w = w & !row.mask | row.value;
    match w & 0x7f {
        // Control registers that are there.
        0x73 if row.mask >> 20 == 0 && w >> 12 & 3 != 0 && !r.one_in(8) => {
            let number = r.pick(&[1, 2, 3, 8, 9, 10, 15, 0xc20, 0xc21, 0xc22]);
            put(row, w, RS2, 12, number)
        }
        // Formats and rounding modes that are there.
        0x43 | 0x47 | 0x4b | 0x4f | 0x53 if !r.one_in(8) => {
            let w = put(row, w, 25, 2, r.below(3) as u32);
            put(row, w, 12, 3, r.pick(&[0, 1, 2, 3, 4, 7, 7, 7]))
        }
        // Pairs.
        0x2f if row.name == "AmocasQ" && !r.one_in(8) => {
            let even = |w| put(row, put(row, w, RD, 1, 0), RS2, 1, 0);
            even(w)
        }
        _ => w,
    }
}

/// A load or store of scalars, an atomic operation, or a cache block's.
pub(crate) fn is_memory(w: u32) -> bool {
    match w & 0x7f {
        0x03 | 0x07 | 0x23 | 0x27 | 0x2f => !vector::is_memory(w),
        0x0f => w >> 12 & 7 == 2,
        _ => false,
    }
}

/// JAL, JALR and the branches.
pub(crate) fn is_branch(w: u32) -> bool {
    matches!(w & 0x7f, 0x63 | 0x67 | 0x6f)
}

/// Makes the access of the word (of 32 bits), if it is one, fall where something is.
pub(crate) fn aim(r: &mut Rng, w: u32, s: &mut State) {
    let base = field(w, RS1);
    if !is_memory(w) || base == 0 {
        return;
    }
    let i = insn(w, 0);
    let offset = match w & 0x7f {
        0x03 | 0x07 => i.imm_i(),
        0x23 | 0x27 => i.imm_s(),
        _ => 0,
    };
    let mut at = target(r);
    if w & 0x7f == 0x2f {
        let size = 1 << (w >> 12 & 7);
        // QEMU 11 ends itself at a misaligned SC, which programs/signals_riscv64.c tries.
        if w >> 27 == 0b00011 || !r.one_in(8) {
            at &= !(size - 1);
        }
        // What is compared is often equal.
        if w >> 27 == 0b00101 && r.one_in(2) {
            for (n, at) in [(field(w, RD), at), (field(w, RD) + 1, at + 8)] {
                if let Some(value) = s.memory(at, size.min(8)).filter(|_| n < 32 && n != 0 && n != base) {
                    s.r.x[n] = value | if r.one_in(4) && size < 8 { r.next() << (8 * size) } else { 0 };
                }
            }
        }
    }
    s.r.x[base] = at.wrapping_sub(offset as u64);
}

/// Makes the operands of a floating-point instruction numbers of its format.
fn match_format(r: &mut Rng, w: u32, s: &mut State) {
    if !matches!(w & 0x7f, 0x43 | 0x47 | 0x4b | 0x4f | 0x53) || r.one_in(4) {
        return;
    }
    let format = if w >> 27 == 0b01000 && w >> 20 & 31 < 4 { w >> 20 } else { w >> 25 };
    let bits = [32, 64, 16, 64][(format & 3) as usize];
    for lsb in [RS1, RS2, RS3] {
        s.r.f[field(w, lsb)] = boxed(r, bits);
    }
}

/// Whether a branch may go there: a place without code of any case.
fn free(pc: u64, target: u64, end: u64) -> bool {
    let from_start = target.wrapping_sub(pc).wrapping_add(8) % BRANCH_STRIDE;
    target == end || from_start >= 24 && target >= BRANCH_BASE
}

/// Sees to the target of a branch. False if it is not free.
fn aim_branch(r: &mut Rng, word: u32, pc: u64, s: &mut State) -> bool {
    let i = insn(word, pc);
    let end = pc + i.len;
    let offset = match i.word & 0x7f {
        0x63 => i.imm_b(),
        0x6f => i.imm_j(),
        _ => {
            let (base, offset) = (i.s1() as usize, i.imm_i());
            if base != 0 {
                let near = r.pick(&[4096, 16384]);
                let at = pc + 24 + 2 * r.below(near);
                s.r.x[base] = if r.one_in(4) { s.r.x[base] } else { at.wrapping_sub(offset as u64) };
            }
            let target = s.r.x[base].wrapping_add(offset as u64) & !1;
            // Behind the branch slots, in front of the code, or between.
            return free(pc, target, end) || target < 0x1000_0000;
        }
    };
    // The operands of a comparison are often equal.
    if i.word & 0x7f == 0x63 && r.one_in(3) && i.s1() != 0 {
        s.r.x[i.s1() as usize] = s.r.x[i.s2() as usize];
    }
    free(pc, pc.wrapping_add(offset as u64), end)
}

/// One case of `row` at `pc`. `None` if the word drawn is not for this kind of test.
pub(crate) fn single(r: &mut Rng, row: &'static Row, pc: u64) -> Option<Case> {
    let mut w = word(r, row);
    let mut s = state(r, pc);
    if vector::is_vector(w) {
        w = vector::single(r, row, &mut s);
    }
    // A row before it may win.
    if decode::name(w) != Some(row.name) || excluded(w).is_some() {
        return None;
    }
    finish(r, row.name, w, s)
}

/// One case of a compressed instruction.
pub(crate) fn compressed(r: &mut Rng, name: &'static str, halves: &[u16], pc: u64) -> Option<Case> {
    let s = state(r, pc);
    finish(r, name, r.clone().pick(halves) as u32, s)
}

fn finish(r: &mut Rng, row: &'static str, word: u32, mut s: State) -> Option<Case> {
    let w = long(word);
    match_format(r, w, &mut s);
    aim(r, w, &mut s);
    if is_branch(w) && !aim_branch(r, word, s.pc, &mut s) {
        return None;
    }
    s.r.x[0] = 0;
    // Behind a VSETVLI or VSETIVLI, what the state of the vector unit is may be known to the
    // translator.
    let words = match vector::set(&s.r).filter(|_| vector::is_vector(w) && r.one_in(3)) {
        Some(set) => {
            s.r.vstart = 0;
            vec![set, word]
        }
        None => vec![word],
    };
    Some(Case { row, words, state: s })
}

/// A word that no row decodes.
pub(crate) fn undefined(r: &mut Rng, pc: u64) -> Option<Case> {
    let w = r.next() as u32 | 3;
    let s = state(r, pc);
    decode::decode(w).is_none().then(|| Case { row: UNDEFINED, words: vec![w], state: s })
}

/// The kind of [`undefined`].
pub(crate) const UNDEFINED: &str = "no row";

fn branch(funct3: u32, rs1: u32, rs2: u32, offset: i64) -> u32 {
    let o = offset as u32;
    (o >> 12 & 1) << 31
        | (o >> 5 & 63) << 25
        | rs2 << 20
        | rs1 << 15
        | funct3 << 12
        | (o >> 1 & 15) << 8
        | (o >> 11 & 1) << 7
        | 0x63
}

/// What sequences are made of.
pub(crate) struct Pool {
    rows: Vec<&'static Row>,
    vectors: Vec<&'static Row>,
    halves: Vec<u16>,
}

impl Pool {
    /// All that neither leaves the sequence nor deviates.
    pub(crate) fn new() -> Pool {
        let usable = |row: &&Row| {
            let known = KNOWN.iter().any(|k| k.row != "*" && k.names(row.name));
            !is_branch(row.value)
                && !known
                && !matches!(row.name, "Ecall" | "Ebreak" | "FenceI")
                // What it leaves past a smaller vl is open, and known only here.
                && !row.name.ends_with("ff")
        };
        let all = decode::ROWS.iter().filter(usable);
        let (vectors, rows) = all.partition(|row| vector::is_vector(row.value));
        let halves = (0..=u16::MAX).filter(|h| h & 3 != 3 && expand(*h) != 0);
        let halves = halves.filter(|h| !is_branch(expand(*h)) && expand(*h) & 0x7f != 0x73).collect();
        Pool { rows, vectors, halves }
    }

    /// A sequence at `pc`: what one instruction leaves behind (registers, floating-point state, vl
    /// and vtype, what the translator knows of a result) meets the next. Accesses keep their base
    /// register.
    pub(crate) fn sequence(&self, r: &mut Rng, pc: u64) -> Option<Case> {
        const BYTES: u64 = 56;
        let mut s = state(r, pc);
        let (branchy, vectors) = (r.one_in(2), r.one_in(3));
        // Instructions, and for branches how many they skip.
        let mut code: Vec<(u32, usize)> = Vec::new();
        let (mut bytes, mut written, mut spared) = (0, 0u32, 0u32);
        let length = 2 + r.below(12) as usize;
        for _ in 0..length * 8 {
            if bytes + 4 > BYTES || code.len() == length {
                break;
            }
            if branchy && r.one_in(4) {
                let funct3 = r.pick(&[0, 1, 4, 5, 6, 7]);
                let (a, b) = (r.pick(&[0, 10, 11, 12, 13]), r.pick(&[0, 10, 11, 12]));
                code.push((branch(funct3, a, b, 0), r.below(3) as usize));
                bytes += 4;
                continue;
            }
            let w = match r.below(4) {
                0 => r.pick(&self.halves) as u32,
                1 | 2 if vectors => {
                    let row = r.pick(&self.vectors);
                    vector::word(r, row, &[8, 16, 24], 8)
                }
                _ => {
                    let row = r.pick(&self.rows);
                    // A small set of registers, so that instructions meet.
                    [RD, RS1, RS2].into_iter().fold(word(r, row), |w, lsb| {
                        let number = 10 + r.below(4) as u32;
                        let whole = row.mask >> lsb & 31 == 0;
                        if whole && !r.one_in(4) { put(row, w, lsb, 5, number) } else { w }
                    })
                }
            };
            let i = long(w);
            if decode::name(i).is_none() || excluded(i).is_some() {
                continue;
            }
            let stores = matches!(i & 0x7f, 0x23 | 0x27);
            let writes = if stores { 0 } else { 1 << field(i, RD) };
            if writes & spared != 0 {
                continue;
            }
            if is_memory(i) || vector::is_memory(i) {
                let base = field(i, RS1);
                let used = |n: usize| (written | spared) >> n & 1 != 0;
                if base == 0 || base < 16 && base > 9 || used(base) || writes >> base & 1 != 0 {
                    continue;
                }
                // Strides and indices are as they are at the start.
                if vector::is_memory(i) && i >> 26 & 3 != 0 {
                    continue;
                }
                aim(r, i, &mut s);
                vector::aim(r, i, &mut s);
                spared |= 1 << base;
            }
            written |= writes;
            code.push((w, 0));
            bytes += if w & 3 == 3 { 4 } else { 2 };
        }
        if code.len() < 2 {
            return None;
        }
        s.r.x[0] = 0;
        let length = |w: u32| if w & 3 == 3 { 4 } else { 2 };
        let words = (0..code.len())
            .map(|n| match code[n] {
                (w, skip) if w & 0x7f == 0x63 => {
                    let over = &code[n..code.len().min(n + 1 + skip)];
                    let offset: i64 = over.iter().map(|(w, _)| length(*w)).sum();
                    w | branch(0, 0, 0, offset)
                }
                (w, _) => w,
            })
            .collect();
        Some(Case { row: "sequence", words, state: s })
    }
}

/// A loop around LR and SC, whose success and failure must both be seen: a word is swapped, added
/// to, or compared and swapped.
pub(crate) fn exclusive_loop(r: &mut Rng, pc: u64) -> Option<Case> {
    let mut s = state(r, pc);
    let double = r.below(2) as u32;
    let size = 4 << double;
    let (order, base) = (|r: &mut Rng| (r.below(4) as u32) << 25, 20);
    // The old value, what is compared with it, the new value, the status.
    let [old, want, new, status] = if r.one_in(8) { [10, 11, 12, 10] } else { [10, 11, 12, 13] };
    let at = target(r) & !(size - 1);
    s.r.x[base as usize] = at;
    if let Some(value) = s.memory(at, size).filter(|_| r.one_in(2)) {
        let sign = if double == 0 { value as u32 as i32 as i64 as u64 } else { value };
        s.r.x[want as usize] = sign;
    }
    let width = (2 + double) << 12 | 0x2f;
    let load = 0b00010 << 27 | order(r) | base << 15 | old << 7 | width;
    let store =
        |r: &mut Rng, from: u32| 0b00011 << 27 | order(r) | from << 20 | base << 15 | status << 7 | width;
    let add = |rd: u32, a: u32, b: u32| b << 20 | a << 15 | rd << 7 | 0x33;
    let words = match r.below(4) {
        0 => vec![load, store(r, new), branch(1, status, 0, -8)],
        1 => vec![load, add(new, old, want), store(r, new), branch(1, status, 0, -12)],
        2 => vec![load, branch(1, old, want, 12), store(r, new), branch(1, status, 0, -12)],
        // Without a reservation, or with another one's.
        _ => vec![store(r, new), load, branch(1, old, want, 8), store(r, new)],
    };
    let words = [words, vec![add(14, status, old), 0x13]].concat();
    Some(Case { row: "exclusive loop", words, state: s })
}

//! Sequences of instructions that the translator makes one step of: an address or a constant that
//! takes two instructions, with a call or a load through it; an index, a sum and the load from
//! there into its place; shifts that zero-extend, sign-extend or scale an index; the two halves of
//! four rounds of SHA-2; comparisons of floating-point numbers that raise no flags or are followed
//! by a branch; and the loop of a compare and swap as compilers and libraries write it.
//!
//! ```text
//! auipc d    auipc d       auipc ra         lui d         slli d, a    slli d, a    1: lr old, (base)
//! addi d, d  ld d, n(d)    jalr ra, n(ra)   addi[w] d, d  srli d, d    add d, d, b     bne old, expected, 2f
//!                                                                                     sc status, new, (base)
//!                                                                                     bnez status, 1b
//!                                                                                  2:
//!
//! frflags d         flt.d d, a, b
//! flt.d c, a, b     bnez d, 1f
//! fsflags d
//! ```
//!
//! Everything lies in one page; code that jumps into the middle is translated as single
//! instructions from there. Also [`leaf`] functions.

use crate::decode::{Insn, decode, x};
use crate::v_crypto::{is_sha2_low, sha2_rounds};
use anyarch_engine::lift::{CasLoop, Expect, UnitBuilder};
use anyarch_engine::ops::{Addr, Alu, Cond, LoadExt, MemOrder, Ops, R, Sel, Shift, Size, Src, V, W};
use anyarch_engine::pattern::nzcv;
use anyarch_engine::run::{Peek, Transfer};
use anyarch_engine::state::mode;

const LUI: u32 = 0x37;
const AUIPC: u32 = 0x17;
const LR: u32 = 0x2f;

/// Whether a word may begin a sequence.
#[inline(always)]
pub(crate) fn is_candidate(word: u32) -> bool {
    match word & 0x7f {
        LUI | AUIPC => word >> 7 & 31 != 0,
        // ADD, SH1ADD, SH2ADD, SH3ADD.
        0x33 => is_sum(word) && word >> 7 & 31 != 0,
        // SLLI.
        0x13 => word & 0xfc00_707f == 0x1013 && word >> 7 & 31 != 0,
        // VSHA2CL.
        0x77 => is_sha2_low(word),
        LR => word & 0xf9f0_607f == 0x1000_202f,
        0x73 => is_frflags(word),
        0x53 => is_compare(word),
        _ => false,
    }
}

/// ADD, SH1ADD, SH2ADD or SH3ADD.
#[inline(always)]
fn is_sum(word: u32) -> bool {
    word & 0xfe00_707f == 0x33 || word & 0xfe00_107f == 0x2000_0033 && word & 0x6000 != 0
}

/// The load behind an address in `d`, if it overwrites it.
#[inline]
fn load_over(d: u32, next: Insn) -> bool {
    let funct3 = next.bits(12, 3);
    next.word & 0x7f == 0x03 && funct3 < 7 && next.s1() == d && next.d() == d
}

fn load<O: Ops>(t: &mut O, i: Insn, at: Addr) {
    let funct3 = i.bits(12, 3);
    let ext = if funct3 < 3 { LoadExt::Sign64 } else { LoadExt::Zero };
    t.load(Size::from_log2(funct3 & 3), ext, i.rd(), at, MemOrder::Plain);
}

#[inline]
fn peek(len: u64, transfer: Transfer) -> Peek {
    Peek { len: len as u8, reads: 0, writes: nzcv::ALL, changes: true, transfer }
}

/// The instruction at an address, if it lies in the page of `first` altogether.
fn within(first: u64, pc: u64, fetch: &impl Fn(u64) -> Option<Insn>) -> Option<Insn> {
    let same = |at: u64| (at ^ first) >> 12 == 0;
    same(pc).then(|| fetch(pc)).flatten().filter(|i| same(pc.wrapping_add(i.len - 1)))
}

/// The instruction behind `i`, if it lies in the same page.
fn behind(i: Insn, fetch: &impl Fn(u64) -> Option<Insn>) -> Option<Insn> {
    within(i.pc, i.pc.wrapping_add(i.len), fetch)
}

/// Translates the sequence that begins with the instruction, if it is one of ours. `fetch` knows
/// what lies in one page.
pub(crate) fn step<T: UnitBuilder>(t: &mut T, i: Insn, fetch: impl Fn(u64) -> Option<Insn>) -> bool {
    match i.word & 0x7f {
        LR => return compare_and_swap(t, i, fetch),
        0x73 => return quiet_compare(t, i, fetch),
        0x53 => return compare_and_branch(t, i, fetch),
        _ => {}
    }
    let Some(next) = behind(i, &fetch) else { return false };
    if is_sha2_low(i.word) {
        if t.restricted() {
            return false;
        }
        let begin = |t: &mut T| t.begin(8, peek(8, Transfer::Next));
        let done = sha2_rounds(t, i, next, begin);
        if done {
            t.end_step(&[4, 4]);
        }
        return done;
    }
    let d = i.rd();
    if next.s1() != i.d() && (next.s2() != i.d() || i.word & 0x7f != 0x13) {
        return false;
    }
    if i.word & 0x7f == 0x33 && next.word & 0x7f != 0x03 {
        return false;
    }
    let same = next.d() == i.d();
    let (opcode, funct3) = (next.word & 0x7f, next.bits(12, 3));
    let begin = |t: &mut T, transfer| t.begin(i.len + next.len, peek(i.len + next.len, transfer));
    match (i.word & 0x7f, opcode, funct3) {
        (LUI, 0x13 | 0x1b, 0) if same => {
            let mut value = i.imm_u().wrapping_add(next.imm_i());
            if opcode == 0x1b {
                value = value as i32 as i64;
            }
            begin(t, Transfer::Next);
            t.mov(W::W64, d, Src::Imm(value as u64));
        }
        (AUIPC, 0x13, 0) if same => {
            begin(t, Transfer::Next);
            t.mov_addr(d, target(i, next));
        }
        (AUIPC, 0x03, 0..=6) if same => {
            begin(t, Transfer::Next);
            load(t, next, Addr::Abs(target(i, next)));
        }
        // A call, or a jump that leaves the temporary behind.
        (AUIPC, 0x67, 0) if i.d() == 1 && same => {
            begin(t, Transfer::Other);
            t.call(d, target(i, next) & !1);
        }
        (AUIPC, 0x67, 0) if next.d() == 0 => {
            let to = target(i, next) & !1;
            begin(t, Transfer::Jump(to));
            t.mov_addr(d, i.pc.wrapping_add(i.imm_u() as u64));
            t.jump(to);
        }
        // SRLI, SRAI.
        (0x13, 0x13, 5) if same && next.s1() == i.d() && next.word >> 26 & !0x10 == 0 => {
            let (left, right, signed) = (i.shamt(), next.shamt(), next.word >> 30 & 1 != 0);
            if left == 0 || right == 0 {
                return false;
            }
            begin(t, Transfer::Next);
            if left >= right {
                t.extract_shl(signed, W::W64, d, i.rs1(), left - right, 64 - left);
            } else {
                t.extract(signed, W::W64, d, i.rs1(), right - left, 64 - right);
            }
        }
        // ADD.
        (0x13, 0x33, 0) if same && next.word >> 25 == 0 && (1..=3).contains(&i.shamt()) => {
            let other = if next.s1() == i.d() { next.s2() } else { next.s1() };
            if other == i.d() || other == 0 {
                return false;
            }
            let third = behind(next, &fetch).filter(|third| i.s1() != 0 && load_over(i.d(), *third));
            if let Some(third) = third {
                let len = i.len + next.len + third.len;
                t.begin(len, peek(len, Transfer::Next));
                load(t, third, Addr::Scaled(x(other), i.rs1(), i.shamt(), third.imm_i() as i32));
                t.end_step(&[i.len, next.len, third.len]);
                return true;
            }
            begin(t, Transfer::Next);
            t.alu(Alu::Add, W::W64, d, x(other), Src::Shifted(i.rs1(), Shift::Lsl, i.shamt()));
        }
        // A sum, and the load from there into its place.
        (0x33, 0x03, 0..=6) if load_over(i.d(), next) && i.s1() != 0 && i.s2() != 0 => {
            let (index, base) = if i.word >> 25 == 0 { (i.rs2(), i.rs1()) } else { (i.rs1(), i.rs2()) };
            let shift = if i.word >> 25 == 0 { 0 } else { i.bits(13, 2) as u8 };
            begin(t, Transfer::Next);
            load(t, next, Addr::Scaled(base, index, shift, next.imm_i() as i32));
        }
        _ => return false,
    }
    t.end_step(&[i.len, next.len]);
    true
}

/// What AUIPC and the immediate behind it make.
#[inline]
fn target(auipc: Insn, next: Insn) -> u64 {
    auipc.pc.wrapping_add(auipc.imm_u() as u64).wrapping_add(next.imm_i() as u64)
}

/// FRFLAGS to a register.
#[inline]
fn is_frflags(word: u32) -> bool {
    word & 0xffff_f07f == 0x0010_2073 && word & 0xf80 != 0
}

/// FLE, FLT or FEQ of singles or doubles with a result.
#[inline]
fn is_compare(word: u32) -> bool {
    word & 0xfc00_407f == 0xa000_0053 && word >> 12 & 3 != 3 && word & 0xf80 != 0
}

/// A comparison: log2 of the operands' bytes, the operands, and the condition under which it holds
/// after [`Ops::fp_compare`] of them.
#[inline]
fn operands(i: Insn) -> (u8, [V; 2], Cond) {
    let es = 2 + (i.word >> 25 & 1) as u8;
    (es, [i.fs2(), i.fs1()], [Cond::Ge, Cond::Gt, Cond::Eq, Cond::Eq][i.bits(12, 2) as usize])
}

/// Whether the operands of a comparison in a step are boxed. If not the step ends behind it: the
/// instructions after the comparison are then played alone.
fn are_boxed<T: UnitBuilder>(t: &mut T, i: Insn, after: u64) -> bool {
    let (es, slots, _) = operands(i);
    es != 2 || t.check_boxes_within(es, &[slots[1], slots[0]], crate::fp::COMPUTE, i.word as u64, after)
}

/// FRFLAGS, FLE or FLT, FSFLAGS: compilers' comparison that raises nothing.
fn quiet_compare<T: UnitBuilder>(t: &mut T, read: Insn, fetch: impl Fn(u64) -> Option<Insn>) -> bool {
    let Some(compare) = behind(read, &fetch) else { return false };
    let Some(write) = behind(compare, &fetch) else { return false };
    if t.fp_mode() != mode::EXACT
        || !is_compare(compare.word)
        || compare.d() == read.d()
        || write.word != 0x0010_1073 | read.d() << 15
    {
        return false;
    }
    let len = read.len + compare.len + write.len;
    t.begin(len, peek(len, Transfer::Next));
    t.fp_flags(read.rd());
    if are_boxed(t, compare, write.pc) {
        let (es, [a, b], c) = operands(compare);
        t.fp_compare_quiet(c, es, compare.rd(), a, b, read.rd());
    }
    t.end_step(&[read.len, compare.len, write.len]);
    true
}

/// FLE, FLT or FEQ, and a branch on the result.
fn compare_and_branch<T: UnitBuilder>(t: &mut T, i: Insn, fetch: impl Fn(u64) -> Option<Insn>) -> bool {
    let Some(branch) = behind(i, &fetch) else { return false };
    // BEQ or BNE with x0.
    if t.fp_mode() != mode::EXACT || branch.word & 0x01f0_607f != 0x63 || branch.s1() != i.d() {
        return false;
    }
    let (len, target) = (i.len + branch.len, branch.pc.wrapping_add(branch.imm_b() as u64));
    t.begin(len, peek(len, Transfer::Cond(target)));
    if are_boxed(t, i, branch.pc) {
        let (es, [a, b], c) = operands(i);
        t.fp_compare(i.bits(12, 2) != 2, es, a, Some(b));
        t.select(c.invert(), W::W64, i.rd(), R::ZERO, R::ZERO, Sel::Inc);
        t.branch(if branch.bits(12, 1) == 0 { c.invert() } else { c }, target);
    }
    t.end_step(&[i.len, branch.len]);
    true
}

fn compare_and_swap<T: UnitBuilder>(t: &mut T, lr: Insn, fetch: impl Fn(u64) -> Option<Insn>) -> bool {
    let Some(compare) = behind(lr, &fetch) else { return false };
    let Some(sc) = behind(compare, &fetch) else { return false };
    let Some(again) = behind(sc, &fetch) else { return false };
    let end = again.pc.wrapping_add(again.len);
    // BNE old, expected, end; SC of the same size at the same address; BNE status, x0, lr.
    let is_bne = |i: Insn| i.word & 0x707f == 0x1063;
    let fits = is_bne(compare)
        && compare.s1() == lr.d()
        && compare.s2() != lr.d()
        && compare.pc.wrapping_add(compare.imm_b() as u64) == end
        && sc.word & 0xf800_707f == 0x1800_002f | (lr.word & 0x7000)
        && sc.s1() == lr.s1()
        && is_bne(again)
        && again.s1() == sc.d()
        && again.s2() == 0
        && again.pc.wrapping_add(again.imm_b() as u64) == lr.pc;
    if !fits || lr.d() == 0 {
        return false;
    }
    t.begin(end.wrapping_sub(lr.pc), peek(end.wrapping_sub(lr.pc), Transfer::Next));
    let done = t.cas_loop(&CasLoop {
        size: Size::from_log2(lr.bits(12, 2)),
        signed: true,
        old: lr.rd(),
        base: lr.rs1(),
        expect: Expect::Compare { w: W::W64, src: Src::Reg(compare.rs2()), reversed: false },
        new: sc.rs2(),
        status: sc.rd(),
        equal: end,
        different: end,
    });
    if done {
        t.end_step(&[lr.len, compare.len, sc.len, again.len]);
    }
    done
}

/// See [`anyarch_engine::run::Guest::leaf`]: up to eight instructions and the return through ra.
pub(crate) fn leaf(target: u64, fetch: impl Fn(u64) -> Option<Insn>) -> Option<u64> {
    const RET: u32 = 0x0000_8067;
    let mut pc = target;
    for _ in 0..=8 {
        let i = within(target, pc, &fetch)?;
        pc = pc.wrapping_add(i.len);
        if i.word == RET {
            return Some(pc);
        }
        let is_store = matches!(i.word & 0x7f, 0x23 | 0x27);
        let transfers = matches!(i.word & 0x7f, 0x63 | 0x67 | 0x6f | 0x73 | 0x0f);
        if transfers || !is_store && x(i.d()) == R(1) || decode(i.word).is_none() {
            return None;
        }
    }
    None
}

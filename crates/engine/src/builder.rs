//! What a host builds a unit with.
//!
//! **Steps.** A guest that finds a sequence of instructions with a meaning of its own (a loop
//! around exclusives, a comparison that raises nothing) plays it as one step: `begin` with the sum
//! of the lengths, operations, `end_step`. Some steps have words of their own here. Each word has a
//! default that plays its parts with the operations of [`Ops`]; a host that has something better
//! says so. A word that answers false has played nothing, and the guest goes on with single
//! instructions.
//!
//! A step that faults counts as not begun: its first instruction is interpreted, so that the fault
//! is that of the instruction that raises it. So nothing that the instructions of the step read may
//! change before its last access to memory.

use crate::ops::{Alu, Cmp, Cond, Ext, FaultAddr, Helper, Ops, R, Rmw, Sel, Size, Src, V, W};
use crate::peek::Peek;

/// What a unit is built with.
pub trait UnitBuilder: Ops + Sized {
    /// Whether another instruction is to be lifted; if so [`UnitBuilder::pc`] is its address and
    /// `begin` is to be called.
    fn more(&mut self) -> bool;
    /// Address of the instruction being lifted.
    fn pc(&self) -> u64;
    /// Address of the next one, once this one has begun.
    fn next_pc(&self) -> u64;
    /// Ends the unit before the instruction at `pc`: its code can no longer be read.
    fn stop(&mut self);
    /// Starts the instruction at `pc`, or a step of several, `len` bytes long. May be called again
    /// where nothing was played since.
    fn begin(&mut self, len: u64, peek: Peek);
    /// The next instruction's `pc` is this one, and not `pc` plus the length: what a guest keeps in
    /// it beside the address has changed. Comes after `begin`.
    fn goes_on_at(&mut self, pc: u64);
    /// Ends the instruction.
    fn end(&mut self);
    /// Ends a step that covers several instructions, of these lengths; `begin` was given their sum.
    fn end_step(&mut self, lens: &[u64]);
    /// The unit is also made from guest code in [start, end), which lies within one page.
    fn depends_on(&mut self, start: u64, end: u64);

    /// As [`Ops::check_boxes`] for one of the step's instructions: where the helper was called,
    /// control goes on at `next`, the instruction behind that one.
    fn check_boxes_within(&mut self, es: u8, slots: &[V], f: Helper, arg: u64, next: u64) -> bool {
        let boxed = self.check_boxes(es, slots, f, arg);
        if !boxed {
            self.jump(next);
        }
        boxed
    }

    /// d = whether the condition holds for the comparison of lane 0 of a and b, which raises
    /// nothing: the sticky flags are those in `flags`, as [`Ops::fp_flags`] gave them in this step.
    /// Sets NZCV.
    fn fp_compare_quiet(&mut self, c: Cond, es: u8, d: R, a: V, b: V, flags: R) {
        self.fp_compare(false, es, a, Some(b));
        self.select(c.invert(), W::W64, d, R::ZERO, R::ZERO, Sel::Inc);
        self.set_fp_flags(flags);
    }

    /// A loop around exclusives that changes memory unconditionally, as the whole step.
    fn rmw_loop(&mut self, l: &RmwLoop) -> bool {
        rmw_loop(self, l)
    }

    /// A loop around exclusives that compares and swaps, as the whole step.
    fn cas_loop(&mut self, l: &CasLoop) -> bool {
        cas_loop(self, l)
    }
}

/// `old = [base]; new = old op src; [base] = new`, or without `op` a swap: `old = [base]; [base] =
/// new`.
///
/// The step leaves every register as the loop would: the old value, the new one, a status of 0, the
/// monitor clear.
pub struct RmwLoop {
    /// Of the access.
    pub size: Size,
    /// Gets the old value, zero-extended.
    pub old: R,
    /// Holds the address.
    pub base: R,
    /// The operation on the old value and its width (64 bits if the access has 8 bytes):
    /// [`Src::Reg`] or [`Src::Imm`].
    pub op: Option<(Alu, W, Src)>,
    /// Gets the new value, or holds it where there is no operation.
    pub new: R,
    /// Becomes 0.
    pub status: R,
}

/// The comparison of a [`CasLoop`].
pub enum Expect {
    /// NZCV = old - src at the width, or src - old if reversed.
    Compare {
        /// Of the comparison.
        w: W,
        /// The expected value.
        src: Src,
        /// The operands are the other way round.
        reversed: bool,
    },
    /// Zero, without touching the flags.
    Zero(W),
}

/// `old = [base]; if old is what is expected { [base] = new; status = 0 }`, and then on to `equal`
/// or `different`, one of which is the next instruction.
pub struct CasLoop {
    /// Of the access.
    pub size: Size,
    /// Gets the old value.
    pub old: R,
    /// Holds the address.
    pub base: R,
    /// The old value is sign-extended, else zero-extended.
    pub signed: bool,
    /// What to compare.
    pub expect: Expect,
    /// Holds the new value.
    pub new: R,
    /// Becomes 0 where the store was made.
    pub status: R,
    /// Where control goes after a store.
    pub equal: u64,
    /// Where it goes without.
    pub different: u64,
}

/// The default of [`UnitBuilder::rmw_loop`]: one atomic operation.
fn rmw_loop<T: UnitBuilder>(t: &mut T, l: &RmwLoop) -> bool {
    let &RmwLoop { size, old, base, op, new, status } = l;
    let written = [old, status, if op.is_some() { new } else { status }];
    let is_kept = |r: R| r == R::ZERO || !written.contains(&r);
    let operands_kept = match op {
        None => is_kept(new),
        Some((_, _, Src::Reg(r))) => is_kept(r) && old != R::ZERO && new != R::ZERO,
        Some((_, _, Src::Imm(_))) => old != R::ZERO && new != R::ZERO,
        Some(_) => false,
    };
    if !is_kept(base) || !operands_kept || status == R::ZERO || status == new {
        return false;
    }
    t.check_aligned(size.bytes(), base, 0, false, FaultAddr::Access);
    match op {
        None => t.rmw(Rmw::Swap, size, old, new, base),
        Some((op, w, src)) => {
            // The low bits of the result are those of an operation that there is.
            let operand = R::T0;
            t.mov(w, operand, src);
            let kind = match op {
                Alu::Add | Alu::Sub => Rmw::Add,
                Alu::And => Rmw::And,
                Alu::AndNot => Rmw::AndNot,
                Alu::Or | Alu::OrNot => Rmw::Or,
                Alu::Xor | Alu::XorNot => Rmw::Xor,
            };
            match op {
                Alu::Sub => t.alu(Alu::Sub, w, operand, R::ZERO, Src::Reg(operand)),
                Alu::OrNot | Alu::XorNot => t.alu(Alu::XorNot, w, operand, R::ZERO, Src::Reg(operand)),
                _ => {}
            }
            t.rmw(kind, size, old, operand, base);
            t.alu(op, w, new, old, src);
        }
    }
    t.mov(W::W64, status, Src::Imm(0));
    t.clear_exclusive();
    true
}

/// The default of [`UnitBuilder::cas_loop`]: one compare and swap, where that compares what the
/// loop compares.
fn cas_loop<T: UnitBuilder>(t: &mut T, l: &CasLoop) -> bool {
    let &CasLoop { size, signed, old, base, ref expect, new, status, equal, different } = l;
    let (w, src) = match *expect {
        Expect::Compare { w, src, .. } => (w, src),
        Expect::Zero(w) => (w, Src::Imm(0)),
    };
    let (bits, next) = (8 * size.bytes(), t.next_pc());
    let is_kept = |r: R| r == R::ZERO || r != old && r != status;
    let source = match src {
        Src::Reg(r) | Src::Extended(r, _, 0) => r,
        Src::Imm(_) => R::ZERO,
        _ => return false,
    };
    // Whether the expected value is one that the access can find. Of a value that is not the
    // compare and swap would see a part.
    let is_whole = w.bits() >= bits
        && match src {
            Src::Reg(_) => w.bits() == bits,
            Src::Imm(value) => value < 1 << (bits.min(33) - 1),
            Src::Extended(_, Ext::U8, _) => !signed && bits == 8,
            Src::Extended(_, Ext::U16, _) => !signed && bits == 16,
            _ => false,
        };
    if !(is_whole && is_kept(base) && is_kept(new) && is_kept(source))
        || status == R::ZERO
        || status == old
        || equal != next && different != next
    {
        return false;
    }
    let (expected, found, is_equal, mask) = (R::T0, R::T1, R::T2, R::T3);
    t.check_aligned(size.bytes(), base, 0, false, FaultAddr::Access);
    t.mov(w, expected, src);
    t.mov(W::W64, found, Src::Reg(expected));
    t.cas(size, found, new, base);
    if signed && bits < 64 {
        t.extract(true, W::W64, found, found, 0, bits as u8);
    }
    t.alu(Alu::Xor, w, is_equal, found, Src::Reg(expected));
    t.set_cmp(Cmp::Eq, is_equal, is_equal, Src::Imm(0));
    t.alu(Alu::Sub, W::W64, mask, is_equal, Src::Imm(1));
    t.alu(Alu::And, W::W64, status, status, Src::Reg(mask));
    t.mov(W::W64, old, Src::Reg(found));
    t.clear_exclusive();
    if let Expect::Compare { reversed, .. } = *expect {
        let (a, b) = if reversed { (expected, found) } else { (found, expected) };
        t.alu_flags(Alu::Sub, w, R::ZERO, a, Src::Reg(b));
    }
    if different != next {
        t.branch_zero(false, W::W64, is_equal, different);
    } else if equal != next {
        t.branch_zero(true, W::W64, is_equal, equal);
    }
    true
}

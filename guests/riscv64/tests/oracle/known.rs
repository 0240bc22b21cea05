//! What is not compared, and what is known to deviate, with reasons.

use crate::generate::{Case, State};
use crate::{Riscv64, vector};
use anyarch_oracle::{Elsewhere, Known};
use anyarch_riscv64::v;

/// Rows without cases.
pub(crate) const ELSEWHERE: &[Elsewhere] = &[
    Elsewhere {
        row: "Ecall",
        why: "the runner has no use for random system calls",
        file: "programs/transfers_riscv64.c",
        text: "ecall",
    },
    Elsewhere {
        row: "CboClean",
        why: "QEMU's user mode does not let programs have it, Linux does (riscv_user_isa_enable)",
        file: "programs/hints_riscv64.c",
        text: "CBO_CLEAN",
    },
    Elsewhere { row: "CboFlush", why: "as CboClean", file: "programs/hints_riscv64.c", text: "CBO_FLUSH" },
];

/// Why a word (of 32 bits) cannot be compared in this way, if it cannot.
pub(crate) fn excluded(w: u32) -> Option<&'static str> {
    let csr = w & 0x7f == 0x73 && w >> 12 & 3 != 0;
    if csr && matches!(w >> 20, 0xc00..=0xc1f) {
        return Some("time is another one each time; cycle and instret are not for user level under Linux");
    }
    ELSEWHERE.iter().find(|e| anyarch_riscv64::decode::name(w) == Some(e.row)).map(|e| e.why)
}

/// A vector instruction under the state's vtype.
struct Vector {
    word: u32,
    sew: i32,
    lmul: i32,
}

impl Vector {
    fn bits(&self, lsb: u32, len: u32) -> u32 {
        self.word >> lsb & ((1 << len) - 1)
    }

    /// An instruction of opcode OP-V of elements, with a mask and with v0 as one of the sources.
    fn is_masked_arithmetic_of_v0(&self, funct6: std::ops::RangeInclusive<u32>, forms: &[u32]) -> bool {
        let form = self.bits(12, 3);
        self.bits(0, 7) == 0x57
            && self.bits(25, 1) == 0
            && funct6.contains(&self.bits(26, 6))
            && forms.contains(&form)
            && (self.bits(20, 5) == 0 || form < 3 && self.bits(15, 5) == 0)
    }

    /// VCOMPRESS with its mask among the elements.
    fn compresses_its_mask(&self) -> bool {
        let (vs1, vs2) = (self.bits(15, 5), self.bits(20, 5));
        self.bits(0, 7) == 0x57
            && self.bits(26, 6) == 0b010111
            && self.bits(12, 3) == 2
            && (vs2..vs2 + (1 << self.lmul.max(0))).contains(&vs1)
    }

    /// A vector store: its addressing mode.
    fn store(&self) -> Option<u32> {
        (self.bits(0, 7) == 0x27 && matches!(self.bits(12, 3), 0 | 5..=7)).then(|| self.bits(26, 2))
    }

    /// The index of an indexed segment store lies in the data beyond the first field, and is of
    /// another width.
    fn has_index_in_fields(&self) -> bool {
        let width = self.bits(12, 2) as i32;
        if self.store().is_none_or(|mode| mode & 1 == 0) || width == self.sew {
            return false;
        }
        let each = 1 << self.lmul.max(0);
        let (data, fields, index) = (self.bits(7, 5), self.bits(29, 3) + 1, self.bits(20, 5));
        let index_end = index + (1 << (self.lmul + width - self.sew).clamp(0, 3));
        index < data + fields * each && data + each < index_end
    }
}

/// We raise SIGILL, the other side executes, and `holds` of the instruction.
fn reserved(case: &Case, ours: &State, theirs: &State, holds: fn(&Vector) -> bool) -> bool {
    let executed = ours.signo == 4 && (theirs.signo != 4 || theirs.pc != ours.pc);
    let Some(word) = case.word_at(ours.pc).filter(|w| executed && vector::is_vector(*w)) else {
        return false;
    };
    let Some((lmul, sew)) = v::parse(ours.r.vtype) else { return false };
    holds(&Vector { word, sew: sew as i32, lmul })
}

/// A row of [`KNOWN`]: an encoding that the specification reserves and QEMU executes. Hardware and
/// compilers may not rely on any behaviour of these.
macro_rules! reserved {
    ($row:literal, $holds:expr, $reason:literal) => {
        Known {
            row: $row,
            reference: "sid",
            when: |case, ours, theirs| reserved(case, ours, theirs, $holds),
            reason: $reason,
            certain: true,
        }
    };
}

/// An AMO, LR or SC by its bits 31 to 27, if it is one.
fn atomic(case: &Case, pc: u64) -> Option<u32> {
    case.word_at(pc).filter(|w| w & 0x7f == 0x2f).map(|w| w >> 27)
}

/// The list. What is reserved is so by the one rule of section 5.2 of the vector specification:
/// no vector register is read with two element widths, the mask's being
/// one. QEMU applies it to all other instructions.
pub(crate) const KNOWN: &[Known<Riscv64>] = &[
    Known {
        row: "*",
        reference: "",
        when: |case, ours, theirs| {
            atomic(case, ours.pc).is_some()
                && (ours.signo, theirs.signo, ours.code, theirs.code) == (7, 7, 1, 1)
                && (ours.pc, ours.addr, ours.r) == (theirs.pc, ours.pc, theirs.r)
        },
        reason: "si_addr of a misaligned atomic access is the instruction's (do_trap_load_misaligned and \
                 do_trap_store_misaligned of arch/riscv/kernel/traps.c); QEMU tells the datum's",
        certain: true,
    },
    Known {
        row: "*",
        reference: "sid",
        when: |case, ours, theirs| {
            atomic(case, theirs.pc) == Some(0b00011) && theirs.signo == 11 && ours.pc != theirs.pc
        },
        reason: "an SC without a reservation fails without access; QEMU faults. Both are right: \"for the \
                 purposes of memory protection, a failed SC.W may be treated like a store\" (A \
                 extension, Load-Reserved/Store-Conditional Instructions)",
        certain: true,
    },
    Known {
        row: "*",
        reference: "sid",
        when: |case, ours, theirs| {
            let word = case
                .word_at(ours.pc)
                .filter(|w| vector::is_memory(*w) && w >> 26 & 3 == 0 && w >> 20 & 31 == 8);
            let vstart = theirs.r.vstart;
            let same = |s: &State| (s.pc, s.signo, s.code, s.r.x, s.r.vl, s.r.vtype);
            word.is_some() && ours.signo == 11 && same(ours) == same(theirs) && vstart < ours.r.vstart
        },
        reason: "after a fault of a whole register's load or store, vstart is the element that faulted \
                 (V 3.7, 7.9); QEMU tells one in front of it, from which the instruction can go on as well",
        certain: true,
    },
    reserved!(
        "*",
        |v| v.is_masked_arithmetic_of_v0(0b011000..=0b011111, &[0, 1, 3, 4, 5]),
        "masked comparisons of v0: V 5.2, v0 is read with two element widths"
    ),
    reserved!(
        "*",
        |v| v.is_masked_arithmetic_of_v0(0b010000..=0b010011, &[0, 3, 4]),
        "sums and differences of v0 with v0 as the carry: V 5.2"
    ),
    reserved!(
        "*",
        |v| v.store().is_some_and(|mode| mode & 1 == 0) && v.bits(25, 1) == 0 && v.bits(7, 5) == 0,
        "masked stores of v0, but for indexed ones: V 5.2"
    ),
    reserved!("*", Vector::compresses_its_mask, "elements compressed by a mask among them: V 5.2"),
    reserved!(
        "*",
        Vector::has_index_in_fields,
        "indexed segment stores with the index among the later fields: V 5.2"
    ),
];

//! What is not compared, and what is known to deviate, with reasons.

use crate::batch::Case;
use crate::state::State;

/// Why a word cannot be compared in this way, if it cannot. Such instructions are tested by programs (`tests/programs`).
pub fn excluded(w: u32) -> Option<&'static str> {
    if w & 0xff00_001c == 0xd400_0000 && w & 3 != 0 {
        return Some("SVC, HVC, SMC: the runner has no use for random system calls");
    }
    if w & 0xffd0_0000 == 0xd510_0000 && !SYSTEM_REGISTERS.contains(&(w >> 5 & 0x7fff)) {
        return Some("MRS, MSR of registers whose values belong to the processor model or to time");
    }
    if w & 0xfff8_0000 == 0xd508_0000 || w & 0xfff8_0000 == 0xd528_0000 {
        return Some("SYS, SYSL: DC ZVA's block size is the processor model's, IC and DC need code");
    }
    if w & 0xffff_ffdf == 0xd503_205f {
        return Some("WFE, WFI: may wait");
    }
    None
}

/// NZCV, FPCR, FPSR, TPIDR_EL0 as in bits 19 to 5 of MRS and MSR.
pub const SYSTEM_REGISTERS: &[u32] =
    &[sysreg(3, 4, 2, 0), sysreg(3, 4, 4, 0), sysreg(3, 4, 4, 1), sysreg(3, 13, 0, 2)];

const fn sysreg(op1: u32, crn: u32, crm: u32, op2: u32) -> u32 {
    1 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2
}

/// A deviation that is accepted.
pub struct Known {
    /// Row name; a trailing `*` stands for anything.
    pub row: &'static str,
    /// Which of its mismatches: case, ours, theirs.
    pub when: fn(&Case, &State, &State) -> bool,
    /// Why.
    pub reason: &'static str,
    /// It must show in a long enough run; else it is an error that it is listed.
    pub certain: bool,
}

impl Known {
    /// Whether the row's name matches.
    pub fn covers(&self, row: &str) -> bool {
        match self.row.strip_suffix('*') {
            Some(prefix) => row.starts_with(prefix),
            None => self.row == row,
        }
    }
}

/// The list.
pub const KNOWN: &[Known] = &[];

//! What is not compared, and what is known to deviate, with reasons.

use crate::{Aarch64, Registers};
use anyarch_oracle::{Elsewhere, Known};

type Case = anyarch_oracle::batch::Case<Aarch64>;
type State = anyarch_oracle::state::State<Registers>;

/// Why a word cannot be compared in this way, if it cannot. Such instructions are tested by
/// programs (`tests/programs`).
pub(crate) fn excluded(w: u32) -> Option<&'static str> {
    if w & 0xff00_001c == 0xd400_0000 && w & 3 != 0 {
        return Some("SVC, HVC, SMC: the runner has no use for random system calls");
    }
    if w & 0xffd0_0000 == 0xd510_0000 && !SYSTEM_REGISTERS.contains(&(w >> 5 & 0x7fff)) {
        return Some("MRS, MSR of registers whose values belong to the processor model or to time");
    }
    if w & 0xfff8_0000 == 0xd508_0000 || w & 0xfff8_0000 == 0xd528_0000 {
        return Some("SYS, SYSL: DC ZVA's block size is the processor model's, IC and DC need code");
    }
    // Loads of a pair into one register; write-back to a register that is transferred.
    let (t, n, t2, pair) = (w & 31, w >> 5 & 31, w >> 10 & 31, w & 0x3a00_0000 == 0x2800_0000);
    let (load, write_back) = (w >> 22 & 1 == 1, w >> 23 & 1 == 1);
    let single = w & 0x3b20_0400 == 0x3800_0400;
    let unpredictable = pair && load && t == t2
        || pair && write_back && w >> 26 & 1 == 0 && n != 31 && (t == n || t2 == n)
        || single && w >> 26 & 1 == 0 && n != 31 && t == n
        || w & 0x3fe0_fc00 == 0x38a0_c000 && w >> 16 & 31 != 31
        || w & 0x3f00_0000 == 0x0800_0000 && {
            let (s, store, paired) = (w >> 16 & 31, w & 0x40_0000 == 0, w & 0x20_0000 != 0);
            let exclusive = w & 0x80_0000 == 0;
            exclusive
                && (store && (s == t || s == n && n != 31 || paired && s == t2)
                    || !store && paired && t == t2)
                || exclusive && !store && s != 31
                || exclusive && !paired && t2 != 31
                || !exclusive && !paired && (s != 31 || t2 != 31)
        };
    if unpredictable {
        return Some("constrained unpredictable: what happens is the implementation's choice");
    }
    if w & 0xff60_0000 == 0x9b40_0000 && w >> 10 & 31 != 31 {
        return Some("SMULH, UMULH with an Ra that should be 31: constrained unpredictable");
    }
    if w & 0xfe40_0000 == 0x6800_0000 {
        return Some("STGP of FEAT_MTE, which the other side has and we do not");
    }
    if w & 0xffff_ffdf == 0xd503_205f {
        return Some("WFE, WFI: may wait");
    }
    None
}

/// NZCV, FPCR, FPSR, TPIDR_EL0 as in bits 19 to 5 of MRS and MSR.
pub(crate) const SYSTEM_REGISTERS: &[u32] =
    &[sysreg(3, 4, 2, 0), sysreg(3, 4, 4, 0), sysreg(3, 4, 4, 1), sysreg(3, 13, 0, 2)];

const fn sysreg(op1: u32, crn: u32, crm: u32, op2: u32) -> u32 {
    1 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2
}

/// Rows without cases.
pub(crate) const ELSEWHERE: &[Elsewhere] = &[
    Elsewhere {
        row: "Svc",
        why: "the runner has no use for random system calls",
        file: "harness/src/guests.rs",
        text: "svc #0",
    },
    Elsewhere {
        row: "DcZva",
        why: "its block size is the processor model's",
        file: "programs/system.c",
        text: "dc zva",
    },
    Elsewhere {
        row: "IcIvau",
        why: "it needs code that changes",
        file: "programs/system.c",
        text: "ic ivau",
    },
    Elsewhere {
        row: "DcCvac",
        why: "it does nothing that a state shows, and faults as a load does",
        file: "programs/system.c",
        text: "dc cvac",
    },
    Elsewhere { row: "DcCvau", why: "as DcCvac", file: "programs/system.c", text: "dc cvau" },
    Elsewhere { row: "DcCvap", why: "as DcCvac", file: "programs/features.c", text: "dc cvap" },
    Elsewhere { row: "DcCvadp", why: "as DcCvac", file: "programs/features.c", text: "dc cvadp" },
    Elsewhere { row: "DcCivac", why: "as DcCvac", file: "programs/system.c", text: "dc civac" },
];

/// The word that raised a signal because its access was not aligned.
fn unaligned(case: &Case, s: &State) -> Option<u32> {
    let index = s.pc.checked_sub(case.state.pc)? / 4;
    (s.signo == 7 && s.code == 1).then(|| case.words.get(index as usize).copied()).flatten()
}

/// The list.
pub(crate) const KNOWN: &[Known<Aarch64>] = &[
    Known {
        row: "*",
        reference: "sid",
        when: |c, ours, theirs| unaligned(c, ours).is_some() && (theirs.signo, theirs.pc) != (7, ours.pc),
        reason: "an unaligned atomic access faults, as without FEAT_LSE2, which newer QEMU's processor has",
        certain: true,
    },
    Known {
        row: "*",
        reference: "installed",
        when: |c, ours, _| unaligned(c, ours).is_some_and(|w| w & 0x3fc0_0000 == 0x0800_0000),
        reason: "an unaligned store-exclusive faults; the other side does not come so far as to access",
        certain: false,
    },
    Known {
        row: "*",
        reference: "installed",
        when: |c, ours, _| unaligned(c, ours).is_some_and(|w| w & 0x3fff_fc00 == 0x38bf_c000),
        reason: "an unaligned LDAPR faults, as without FEAT_LSE2; QEMU 7.2 does not check its alignment",
        certain: false,
    },
    Known {
        row: "Casp",
        reference: "installed",
        when: |c, _, theirs| c.words[0] >> 16 & 31 == 30 && theirs.r.sp != c.state.r.sp,
        reason: "QEMU 7.2 writes the stack pointer for the pair x30, xzr",
        certain: false,
    },
    Known {
        row: "FcvtzsFixedScalarH",
        reference: "installed",
        when: |c, ours, theirs| {
            let d = (c.words[0] & 31) as usize;
            ours.r.v[d][0] as u16 == theirs.r.v[d][0] as u16 && theirs.r.v[d][0] >> 16 == 0xffff
        },
        reason: "QEMU 7.2 sign-extends the 16-bit result into bits 31 to 16",
        certain: true,
    },
    Known {
        row: "Fjcvtzs",
        reference: "installed",
        when: |c, ours, theirs| {
            let flush = c.state.r.fpcr >> 24 & 1 != 0;
            flush
                && (ours.r.nzcv, theirs.r.nzcv) == (0, 4 << 28)
                && (ours.r.x, ours.r.fpsr) == (theirs.r.x, theirs.r.fpsr)
        },
        reason: "QEMU 7.2 sets Z for a positive denormal flushed to zero; FPToFixedJS says that it was no integer",
        certain: false,
    },
];

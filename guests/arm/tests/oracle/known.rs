//! What is tested elsewhere, and what is known to deviate, with reasons.

use crate::generate::{self, Case, State};
use crate::{Arm, insn};
use anyarch_arm::decode::{self, Insn};
use anyarch_oracle::{Elsewhere, Known};

/// Rows without cases.
pub(crate) const ELSEWHERE: &[Elsewhere] = &[
    Elsewhere {
        row: "A32 Svc",
        why: "the runner has no use for random system calls",
        file: "programs/linux_arm.c",
        text: "svc",
    },
    Elsewhere { row: "T16 Svc", why: "as A32 Svc", file: "programs/linux_arm.c", text: "svc" },
];

/// The instruction that raised a signal on our side.
fn raised(case: &Case, ours: &State, signal: u64) -> Option<Insn> {
    let word = case.word_at(ours.pc).filter(|_| ours.signo == signal)?;
    Some(insn(ours.pc, word))
}

/// Whether we raise SIGILL at an instruction of a row of this name (in any set), and the other side
/// does not.
fn refused(case: &Case, ours: &State, theirs: &State, names: &[&str]) -> bool {
    (theirs.signo != 4 || theirs.pc != ours.pc) && raised(case, ours, 4).is_some_and(|i| is(i, names))
}

/// Whether an instruction is of a row whose name is one of these, or begins so (`Name*`).
fn is(i: Insn, names: &[&str]) -> bool {
    let row = decode::decode(i).row().map_or("", |row| row.name);
    names.iter().any(|name| match name.strip_suffix('*') {
        Some(prefix) => row.starts_with(prefix),
        None => *name == row,
    })
}

/// The list.
pub(crate) const KNOWN: &[Known<Arm>] = &[
    Known {
        row: "*",
        reference: "",
        when: |c, ours, theirs| ours.r.fpscr & 0x0037_0000 != 0 && refused(c, ours, theirs, &["V*"]),
        reason: "FPSCR.Len and Stride (G8, FPSCR): QEMU ignores them where it has no short vectors; \
                 what depends on them is undefined then",
        certain: false,
    },
    Known {
        row: "*",
        reference: "",
        when: |c, ours, theirs| {
            raised(c, ours, 7).is_some_and(|i| is(i, &["Strex*", "Stlex*"])) && theirs.signo != 7
        },
        reason: "AArch32.ExclusiveMonitorsPass (DDI 0487, J1): the address is checked before the \
                 monitor; QEMU checks the monitor first",
        certain: false,
    },
    Known {
        row: "*",
        reference: "",
        when: |c, ours, theirs| {
            raised(c, ours, 11).is_some_and(|i| is(i, &["Swp"])) && (ours.code, theirs.signo) == (2, 7)
        },
        reason: "an unaligned SWP raises SIGSEGV: Linux emulates SWP (swp_handler, arm64_notify_segfault)",
        certain: false,
    },
    Known {
        row: "*",
        reference: "sid",
        when: |c, ours, theirs| {
            raised(c, ours, 7).is_some_and(|i| {
                ["Vld", "Vst"].iter().any(|p| {
                    let row = decode::decode(i).row().map_or("", |row| row.name);
                    row.starts_with(p) && row.ends_with("Lane")
                })
            }) && theirs.signo != 7
        },
        reason: "VLDn and VSTn of one lane with an alignment (F6): QEMU 11 does not check it",
        certain: false,
    },
    Known {
        row: "*",
        reference: "installed",
        when: |c, ours, theirs| {
            raised(c, ours, 7).is_some_and(|i| is(i, &["Vld*", "Vst*"]) && i.bits(4, 2) == 3)
                && theirs.signo != 7
        },
        reason: "VLDn and VSTn with an alignment of 256 bits (F6): QEMU 7.2 checks 16 of the 32 bytes",
        certain: false,
    },
    Known {
        row: "*",
        reference: "",
        when: |_, ours, theirs| {
            let there = |s: &State| s.signo == 11 && generate::taken(s.addr as u32);
            there(ours) || there(theirs)
        },
        reason: "addresses where the runner and QEMU have things of their own",
        certain: false,
    },
    Known {
        row: "*",
        reference: "",
        when: |c, ours, theirs| refused(c, ours, theirs, &["VmiscReserved"]),
        reason: "half-precision arithmetic (FEAT_FP16), which no processor of this guest has",
        certain: false,
    },
    Known {
        row: "*",
        reference: "",
        when: |c, ours, theirs| {
            raised(c, ours, 4).is_some_and(|i| is(i, &["Mrc"]) && i.bits(16, 4) == 0) && theirs.signo != 4
        },
        reason: "MRC of identification registers, which QEMU lets programs read and Linux does not",
        certain: false,
    },
    Known {
        row: "*",
        reference: "",
        when: |c, ours, theirs| {
            let counter = |w: u32| is(insn(ours.pc, w), &["Mrc", "Mrrc"]);
            ours.signo == 0 && c.word_at(theirs.pc).is_some_and(counter) && theirs.signo == 4
        },
        reason: "CNTFRQ and CNTVCT, which Linux lets programs read and QEMU does not",
        certain: false,
    },
];

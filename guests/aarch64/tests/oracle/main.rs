//! aarch64 in the instruction oracle: see `anyarch_oracle`.

mod generate;
mod known;
mod loops;

use anyarch_aarch64::{decode, system};
use anyarch_engine::fp::Rounding;
use anyarch_engine::state::{Cpu, slot};
use anyarch_harness::trial::Trial;
use anyarch_oracle::check::{field, vectors};
use anyarch_oracle::state::{EXIT, MID, Plain};
use anyarch_oracle::{Change, Elsewhere, Ending, Guest, Kind, Known, Reference, reference};
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

/// As `struct registers` in runner.h.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Registers {
    /// x0 to x30.
    x: [u64; 31],
    sp: u64,
    /// Flags in bits 31 to 28.
    nzcv: u64,
    fpcr: u64,
    fpsr: u64,
    tpidr: u64,
    /// v0 to v31, low half first.
    v: [[u64; 2]; 32],
}

const _: () = assert!(size_of::<Registers>() == 800);

// SAFETY: numbers of 64 bits only.
unsafe impl Plain for Registers {}

/// The guest.
#[derive(Clone, Debug)]
pub(crate) struct Aarch64;

impl Guest for Aarch64 {
    type Registers = Registers;

    const NAME: &'static str = "aarch64";
    type Instructions = anyarch_aarch64::Instructions;
    const MACHINE: &'static str = "aarch64";
    const RUNNER_FLAGS: &'static [&'static str] = &["-mgeneral-regs-only"];
    /// ldp x0, x1, [x0, 32]
    const PREFIX: &'static [u32] = &[0xa942_0400];
    const ELSEWHERE: &'static [Elsewhere] = known::ELSEWHERE;
    const KNOWN: &'static [Known<Aarch64>] = known::KNOWN;

    fn folder() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle"))
    }

    /// Features that we do not advertise are off where they change what an instruction of ours
    /// does.
    fn references() -> Vec<Reference> {
        let cpu = "max,pauth=off,sve=off,sme=off";
        vec![
            Reference { name: "installed", program: reference::installed, cpu: cpu.into(), lacks: &[] },
            Reference { name: "sid", program: reference::sid, cpu: cpu.into(), lacks: &[] },
        ]
    }

    fn length(_: u64, _: u32) -> u64 {
        4
    }

    fn nop(_: u64, _: u32) -> u32 {
        0xd503_201f
    }

    /// B to the exit.
    fn leave(_: u64, at: u64) -> u32 {
        0x1400_0000 | (EXIT.wrapping_sub(at) >> 2) as u32 & 0x3ff_ffff
    }

    fn kinds() -> Vec<Kind<Aarch64>> {
        let rows = decode::ROWS.iter().map(|row| Kind {
            name: row.name,
            times: 1,
            branches: generate::is_branch(row.value),
            make: Box::new(move |r, pc| generate::single(r, row, pc)),
        });
        let sequences = Kind {
            name: "sequence",
            times: 16,
            branches: false,
            make: Box::new(|r, pc| {
                let rows: Vec<_> = decode::ROWS.iter().collect();
                generate::sequence(r, &rows, pc)
            }),
        };
        let loops = Kind {
            name: "exclusive loop",
            times: 16,
            branches: false,
            make: Box::new(|r, pc| Some(generate::exclusive_loop(r, pc))),
        };
        rows.chain([sequences, loops]).collect()
    }

    fn row(_: u64, word: u32) -> Option<&'static str> {
        decode::decode(word).row().map(|row| row.name)
    }

    fn load(s: &Registers, cpu: &mut Cpu) {
        cpu.gpr[..31].copy_from_slice(&s.x);
        cpu.gpr[31] = s.sp;
        cpu.gpr[slot::TLS as usize] = s.tpidr;
        cpu.set_nzcv((s.nzcv >> 28) as u8);
        set_fp(cpu, s.fpcr as u32, s.fpsr as u32);
        for (to, from) in cpu.vec.iter_mut().zip(&s.v) {
            *to = from[0] as u128 | (from[1] as u128) << 64;
        }
    }

    fn set_environment(s: &Registers, cpu: &mut Cpu) {
        system::set_fpcr(cpu, s.fpcr as u32);
    }

    /// Rounding is to nearest, and nothing is flushed.
    fn make_likely(s: &mut Registers) {
        s.fpcr = 0;
    }

    fn store(cpu: &Cpu) -> Registers {
        let mut s = Registers {
            x: [0; 31],
            sp: cpu.gpr[31],
            nzcv: (cpu.nzcv() as u64) << 28,
            fpcr: cpu.fpcr as u64,
            fpsr: cpu.fp.flags as u64 | (cpu.fp.saturated as u64) << 27,
            tpidr: cpu.gpr[slot::TLS as usize],
            v: [[0; 2]; 32],
        };
        s.x.copy_from_slice(&cpu.gpr[..31]);
        for (to, from) in s.v.iter_mut().zip(&cpu.vec) {
            *to = [*from as u64, (*from >> 64) as u64];
        }
        s
    }

    fn compare(at: &Ending<'_, Aarch64>, ours: &Registers, theirs: &Registers, out: &mut Vec<String>) {
        // What a faulting load of several registers has already loaded is unknown, except that it
        // is restartable.
        let (partial, word) = (at.faulted(), at.word);
        let loaded_x = |i: usize| {
            partial
                && word >> 26 & 1 == 0
                && (word & 31 == i as u32 || word >> 10 & 31 == i as u32)
                && word >> 5 & 31 != i as u32
        };
        let loaded_v = |i: usize| {
            let first = word & 31;
            partial
                && word >> 26 & 1 == 1
                && ((i as u32).wrapping_sub(first) & 31 < 4 || word >> 10 & 31 == i as u32)
        };
        for i in (0..31).filter(|&i| !loaded_x(i)) {
            field(out, &format!("x{i}"), ours.x[i], theirs.x[i]);
        }
        field(out, "sp", ours.sp, theirs.sp);
        // The translator drops flags before a reserved encoding of an instruction that would write
        // all of them.
        if at.signal != 4 || at.case.words.len() == 1 {
            field(out, "nzcv", ours.nzcv, theirs.nzcv);
        }
        // The other side lets MSR set the bits that only AArch32 has.
        field(out, "fpcr", ours.fpcr, theirs.fpcr & 0x07c8_9f00);
        field(out, "fpsr", ours.fpsr, theirs.fpsr & 0x0800_009f);
        for i in (0..32).filter(|&i| !loaded_v(i)) {
            vectors(out, &format!("v{i}"), ours.v[i], theirs.v[i]);
        }
    }

    fn simplifications() -> Vec<Change<Registers>> {
        let mut changes: Vec<Change<Registers>> = vec![
            Box::new(|s| s.fpsr = 0),
            Box::new(|s| s.fpcr = 0),
            Box::new(|s| s.nzcv = 0),
            Box::new(|s| s.tpidr = 0),
            Box::new(|s| s.sp = MID + 128),
        ];
        for i in 0..31 {
            changes.push(Box::new(move |s| s.x[i] = 0));
        }
        for i in 0..32 {
            changes.push(Box::new(move |s| s.v[i] = [0; 2]));
            changes.push(Box::new(move |s| s.v[i][1] = 0));
        }
        changes
    }

    fn print(s: &Registers) -> String {
        let mut out = String::new();
        for (i, x) in s.x.iter().enumerate().filter(|(_, x)| **x != 0) {
            let _ = write!(out, " x{i}={x:#x}");
        }
        for (i, v) in s.v.iter().enumerate().filter(|(_, v)| **v != [0; 2]) {
            let _ = write!(out, " v{i}={:016x}_{:016x}", v[1], v[0]);
        }
        for (name, value) in [("sp", s.sp), ("nzcv", s.nzcv >> 28), ("fpcr", s.fpcr), ("fpsr", s.fpsr)] {
            if value != 0 {
                let _ = write!(out, " {name}={value:#x}");
            }
        }
        out
    }
}

/// FPCR and FPSR into the environment, written here once more so that the guest's own mapping is
/// tested too.
fn set_fp(cpu: &mut Cpu, fpcr: u32, fpsr: u32) {
    cpu.fpcr = fpcr;
    cpu.fp.rounding =
        [Rounding::NearestEven, Rounding::Up, Rounding::Down, Rounding::Zero][(fpcr >> 22 & 3) as usize];
    cpu.fp.flush_half = fpcr >> 19 & 1 != 0;
    cpu.fp.flush = fpcr >> 24 & 1 != 0;
    cpu.fp.default_nan = fpcr >> 25 & 1 != 0;
    cpu.fp.alt_half = fpcr >> 26 & 1 != 0;
    cpu.fp.flags = (fpsr & 0x9f) as u8;
    cpu.fp.saturated = fpsr >> 27 & 1 != 0;
}

fn main() -> ExitCode {
    let shapes =
        Trial { name: "oracle::aarch64::shapes".into(), run: Box::new(loops::shapes_are_recognised) };
    anyarch_oracle::main::<Aarch64>(vec![shapes])
}

//! arm in the instruction oracle: see `anyarch_oracle`.
//!
//! A kind of cases is a row in an instruction set: `A32 AddImm`, `T16 AddReg`, `T32 VaddF`. Words
//! of T32 are as in memory, with the first half in the low bits.

mod generate;
mod known;
mod sequence;
mod space;
mod unpredictable;

use anyarch_arm::decode::{self, Insn, Set, pc};
use anyarch_arm::{state, system};
use anyarch_engine::state::Cpu;
use anyarch_harness::trial::Trial;
use anyarch_oracle::check::field;
use anyarch_oracle::state::{MID, Plain};
use anyarch_oracle::{Change, Elsewhere, Ending, Guest, Kind, Known, Reference, reference};
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

/// As `struct registers` in runner.h.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Registers {
    /// r0 to r14.
    r: [u32; 15],
    /// The runner's.
    entry: u32,
    /// NZCV, Q and GE in their places.
    cpsr: u32,
    fpscr: u32,
    tpidr: u32,
    pad: u32,
    d: [u64; 32],
}

const _: () = assert!(size_of::<Registers>() == 336);

// SAFETY: numbers without padding.
unsafe impl Plain for Registers {}

/// The guest.
#[derive(Clone, Debug)]
pub(crate) struct Arm;

/// The instruction of a case's word at a place.
pub(crate) fn insn(place: u64, word: u32) -> Insn {
    match place & pc::T != 0 {
        false => Insn::a32(word, place),
        true if word & 0xffff < 0xe800 => Insn::t32(word & 0xffff, place),
        true => Insn::t32(word.rotate_right(16), place),
    }
}

impl Guest for Arm {
    type Registers = Registers;

    const NAME: &'static str = "arm";
    type Instructions = anyarch_arm::Instructions;
    const MACHINE: &'static str = "arm";
    const RUNNER_FLAGS: &'static [&'static str] =
        &["-marm", "-march=armv8-a", "-mfpu=neon-fp-armv8", "-mfloat-abi=hard", "-fno-tree-vectorize"];
    const PREFIX: &'static [u32] = &[];
    /// CDP of coprocessor 14 in A32, and in T32 from the second half on; UDF in T32.
    const FILLER: u32 = 0xee00_de0f;
    const ELSEWHERE: &'static [Elsewhere] = known::ELSEWHERE;
    const KNOWN: &'static [Known<Arm>] = known::KNOWN;

    fn folder() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle"))
    }

    fn references() -> Vec<Reference> {
        let cpu = "max";
        vec![
            Reference { name: "sid", program: reference::sid, cpu: cpu.into(), lacks: &[] },
            Reference { name: "installed", program: reference::installed, cpu: cpu.into(), lacks: &[] },
        ]
    }

    fn address(place: u64) -> u64 {
        pc::address(place) as u64
    }

    fn length(place: u64, word: u32) -> u64 {
        insn(place, word).len as u64
    }

    fn nop(place: u64, word: u32) -> u32 {
        match (place & pc::T != 0, insn(place, word).len) {
            (false, _) => 0xe320_f000,
            (true, 2) => 0xbf00,
            (true, _) => 0x8000_f3af,
        }
    }

    /// BKPT.
    fn leave(place: u64, _: u64) -> u32 {
        if place & pc::T != 0 { 0xbe00 } else { 0xe120_0070 }
    }

    fn kinds() -> Vec<Kind<Arm>> {
        let kind = |name, times, branches, make| Kind { name, times, branches, make };
        let mut kinds: Vec<Kind<Arm>> = generate::FORMS
            .into_iter()
            .flat_map(|(set, thumb)| decode::rows(set).iter().map(move |row| (set, thumb, row)))
            .filter(|(set, thumb, row)| generate::exists(*set, *thumb, row))
            .map(|(set, thumb, row)| {
                let form = generate::Form { set, thumb, row, name: generate::name(set, thumb, row) };
                kind(
                    form.name,
                    1,
                    generate::is_branch(row.name),
                    Box::new(move |r, pc| generate::single(r, form, pc)),
                )
            })
            .collect();
        for thumb in [false, true] {
            let name = |a, t| if thumb { t } else { a };
            kinds.extend([
                kind(
                    name("A32 sequence", "T32 sequence"),
                    32,
                    false,
                    Box::new(move |r, pc| sequence::sequence(r, pc, thumb)),
                ),
                kind(
                    name("A32 exclusive loop", "T32 exclusive loop"),
                    4,
                    false,
                    Box::new(move |r, pc| Some(sequence::exclusive_loop(r, pc, thumb))),
                ),
            ]);
        }
        kinds
    }

    fn all_undefined(kind: &str) -> bool {
        kind.ends_with("Reserved") || kind.ends_with(" Udf")
    }

    fn row(place: u64, word: u32) -> Option<&'static str> {
        decode::decode(insn(place, word)).row().map(|row| row.name)
    }

    fn disassembler_options(place: u64) -> &'static [&'static str] {
        if place & pc::T != 0 { &["-Mforce-thumb"] } else { &[] }
    }

    fn load(s: &Registers, cpu: &mut Cpu) {
        cpu.gpr = [0; 64];
        for (to, from) in cpu.gpr.iter_mut().zip(s.r) {
            *to = from as u64;
        }
        cpu.narrow = true;
        cpu.set_nzcv((s.cpsr >> 28) as u8);
        cpu.gpr[state::Q.0 as usize] = (s.cpsr >> 27 & 1) as u64;
        cpu.gpr[state::GE.0 as usize] =
            (0..4).fold(0, |all, n| all | if s.cpsr >> (16 + n) & 1 != 0 { 0xff << (8 * n) } else { 0 });
        cpu.gpr[state::TPIDRURW.0 as usize] = s.tpidr as u64;
        system::set_fpscr(cpu, s.fpscr);
        for (n, to) in cpu.vec.iter_mut().take(16).enumerate() {
            *to = s.d[2 * n] as u128 | (s.d[2 * n + 1] as u128) << 64;
        }
    }

    fn set_environment(s: &Registers, cpu: &mut Cpu) {
        system::set_fpscr(cpu, s.fpscr);
    }

    /// Rounding is to nearest, and nothing is flushed.
    fn make_likely(s: &mut Registers) {
        s.fpscr &= 0xf800_009f;
    }

    fn store(cpu: &Cpu) -> Registers {
        let ge = cpu.gpr[state::GE.0 as usize];
        let ge = (0..4).fold(0, |all, n| all | (ge >> (8 * n) & 1) << n) as u32;
        let q = cpu.gpr[state::Q.0 as usize] as u32;
        let mut s = Registers {
            r: [0; 15],
            entry: 0,
            cpsr: (cpu.nzcv() as u32) << 28 | q << 27 | ge << 16,
            fpscr: system::fpscr(cpu),
            tpidr: cpu.gpr[state::TPIDRURW.0 as usize] as u32,
            // Registers are kept zero-extended: what is above shows as a difference.
            pad: cpu.gpr[..15].iter().fold(0, |all, r| all | r >> 32) as u32,
            d: [0; 32],
        };
        for (to, from) in s.r.iter_mut().zip(&cpu.gpr) {
            *to = *from as u32;
        }
        for (n, from) in cpu.vec.iter().take(16).enumerate() {
            s.d[2 * n] = *from as u64;
            s.d[2 * n + 1] = (*from >> 64) as u64;
        }
        s
    }

    fn compare(at: &Ending<'_, Arm>, ours: &Registers, theirs: &Registers, out: &mut Vec<String>) {
        // What a faulting load of several registers has already loaded is unknown, except that its
        // base is as it was.
        let partial = at.faulted();
        let base = generate::base(insn(at.case.state.pc, at.word));
        for n in (0..15).filter(|n| !partial || Some(*n) == base) {
            field(out, &format!("r{n}"), ours.r[n] as u64, theirs.r[n] as u64);
        }
        // Generated code drops flags that an instruction writes anyway, before an access of a
        // sequence that faults.
        if !partial && at.signal != 4 || at.case.words.len() == 1 {
            field(out, "nzcv", (ours.cpsr >> 28) as u64, (theirs.cpsr >> 28) as u64);
        }
        field(out, "q, ge", (ours.cpsr & 0x080f_0000) as u64, (theirs.cpsr & 0x080f_0000) as u64);
        // The other side has FZ16, with half-precision arithmetic.
        field(out, "fpscr", ours.fpscr as u64, (theirs.fpscr & !(1 << 19)) as u64);
        field(out, "tpidrurw", ours.tpidr as u64, theirs.tpidr as u64);
        field(out, "registers beyond 32 bits", ours.pad as u64, 0);
        for n in (0..32).filter(|_| !partial) {
            field(out, &format!("d{n}"), ours.d[n], theirs.d[n]);
        }
    }

    fn simplifications() -> Vec<Change<Registers>> {
        let mut changes: Vec<Change<Registers>> = vec![
            Box::new(|s| s.fpscr = 0),
            Box::new(|s| s.fpscr &= 0x07f7_0000),
            Box::new(|s| s.cpsr = 0),
            Box::new(|s| s.tpidr = 0),
            Box::new(|s| s.r[13] = MID as u32 + 128),
        ];
        for i in 0..15 {
            changes.push(Box::new(move |s| s.r[i] = 0));
        }
        for i in 0..32 {
            changes.push(Box::new(move |s| s.d[i] = 0));
        }
        changes
    }

    fn print(s: &Registers) -> String {
        let mut out = String::new();
        for (i, r) in s.r.iter().enumerate().filter(|(_, r)| **r != 0) {
            let _ = write!(out, " r{i}={r:#x}");
        }
        for (i, d) in s.d.iter().enumerate().filter(|(_, d)| **d != 0) {
            let _ = write!(out, " d{i}={d:#x}");
        }
        for (name, value) in [("cpsr", s.cpsr), ("fpscr", s.fpscr), ("tpidrurw", s.tpidr)] {
            if value != 0 {
                let _ = write!(out, " {name}={value:#x}");
            }
        }
        out
    }
}

fn main() -> ExitCode {
    // Cases are made with looks at what instructions do.
    anyarch_oracle::faults::catch();
    let trial = |name: &str, run: fn() -> Result<(), String>| Trial {
        name: format!("oracle::arm::{name}"),
        run: Box::new(run),
    };
    anyarch_oracle::main::<Arm>(vec![
        trial("space", space::agrees_with_the_reference),
        trial("unpredictable", unpredictable::choices_are_made),
    ])
}

/// Rows of T32 that are written as rows of A32, as the word of T32 in the manual's order.
pub(crate) fn from_a32(word: u32) -> Option<u32> {
    match word >> 24 {
        0xf2 | 0xf3 => Some(0xef00_0000 | (word >> 24 & 1) << 28 | word & 0xff_ffff),
        0xf4 if word >> 20 & 1 == 0 => Some(0xf900_0000 | word & 0xff_ffff),
        n if n & 0x0c == 0x0c && n & 0x0f != 0x0f => {
            Some(if n >> 4 == 15 { word } else { word & 0x0fff_ffff | 0xe000_0000 })
        }
        _ => None,
    }
}

/// The set of rows for a name.
pub(crate) fn set_name(set: Set, thumb: bool) -> &'static str {
    match set {
        Set::T16 => "T16",
        Set::T32 => "T32",
        _ if thumb => "T32",
        _ => "A32",
    }
}

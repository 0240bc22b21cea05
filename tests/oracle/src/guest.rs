//! What the oracle needs of a guest.

use crate::batch::Case;
use crate::reference::Reference;
use crate::state::{Plain, Rng, State};
use anyarch_engine::state::Cpu;
use std::path::Path;

/// A guest's part of the oracle.
pub trait Guest: Clone + core::fmt::Debug + Send + Sync + Sized + 'static {
    /// The registers, laid out as the runner's `struct registers`.
    type Registers: Plain;

    /// The kernel's name, which finds compiler and QEMU in `anyarch_harness::guests`.
    const NAME: &'static str;
    /// The guest's instructions as the engine sees them.
    type Instructions: anyarch_engine::lift::Lift;
    /// What objdump calls the machine.
    const MACHINE: &'static str;
    /// Flags of the runner's compiler, beside those that every guest's has.
    const RUNNER_FLAGS: &'static [&'static str];
    /// Instructions in front of a case's code, which load the last registers.
    const PREFIX: &'static [u32];
    /// What fills the space between the code of cases: words that raise a signal in each
    /// instruction set. Zeroes, unless they do not.
    const FILLER: u32 = 0;
    /// Rows without cases, and where they are tested.
    const ELSEWHERE: &'static [Elsewhere];
    /// Deviations that are accepted.
    const KNOWN: &'static [Known<Self>];

    /// The guest's folder `tests/oracle`, where `runner.h` lies.
    fn folder() -> &'static Path;

    /// Independent implementations; the first is the one that the tests ask.
    fn references() -> Vec<Reference>;

    /// The address in a `pc`. What else a `pc` has (the instruction set) is the same for all of a
    /// case's code, and the functions below that take one look at that alone.
    fn address(pc: u64) -> u64 {
        pc
    }

    /// Bytes of the instruction in the low bits of `word`.
    fn length(pc: u64, word: u32) -> u64;

    /// An instruction as long as `word` that does nothing.
    fn nop(pc: u64, word: u32) -> u32;

    /// What lies behind a case's code, at address `at`, and ends it.
    fn leave(pc: u64, at: u64) -> u32;

    /// All that cases are made of: the rows of the decode table, and sequences.
    fn kinds() -> Vec<Kind<Self>>;

    /// Name of the row that decodes the instruction.
    fn row(pc: u64, word: u32) -> Option<&'static str>;

    /// Options of objdump for code at `pc`.
    fn disassembler_options(_pc: u64) -> &'static [&'static str] {
        &[]
    }

    /// Whether a kind is of encodings that are all undefined.
    fn all_undefined(_kind: &str) -> bool {
        false
    }

    /// Puts registers into the engine's state, in which everything else is zero or left over.
    fn load(registers: &Self::Registers, cpu: &mut Cpu);

    /// Sets the floating-point environment by the guest's own function, which prepares generated
    /// code.
    fn set_environment(registers: &Self::Registers, cpu: &mut Cpu);

    /// Makes registers what the translator takes for likely, if it takes anything for that.
    fn make_likely(_registers: &mut Self::Registers) {}

    /// The registers of the engine's state.
    fn store(cpu: &Cpu) -> Self::Registers;

    /// Compares registers: tells `out` of each difference as a line.
    fn compare(
        at: &Ending<'_, Self>,
        ours: &Self::Registers,
        theirs: &Self::Registers,
        out: &mut Vec<String>,
    );

    /// Changes that make registers simpler, each of one register.
    fn simplifications() -> Vec<Change<Self::Registers>>;

    /// Registers as text, without those that are zero.
    fn print(registers: &Self::Registers) -> String;
}

/// A change that makes registers simpler.
pub type Change<R> = Box<dyn Fn(&mut R)>;

/// Whether a mismatch is of a kind: case, ours, theirs.
pub type Mismatch<G> = fn(&Case<G>, &State<<G as Guest>::Registers>, &State<<G as Guest>::Registers>) -> bool;

/// How a case ended, for the comparison.
pub struct Ending<'a, G: Guest> {
    /// The case.
    pub case: &'a Case<G>,
    /// The signal that an instruction of the case raised, 0 for none.
    pub signal: u64,
    /// The instruction that raised it.
    pub word: u32,
    /// Whether both sides ended there.
    pub same: bool,
}

impl<G: Guest> Ending<'_, G> {
    /// Whether an access faulted, on both sides at the same instruction.
    pub fn faulted(&self) -> bool {
        self.same && matches!(self.signal, 7 | 11)
    }
}

/// What a kind's cases are made by: random numbers, the address of the code.
pub type Make<G> = Box<dyn Fn(&mut Rng, u64) -> Option<Case<G>> + Send + Sync>;

/// A kind of cases: those of one row, or a kind of sequences.
pub struct Kind<G: Guest> {
    /// The row's name, or what the sequences are.
    pub name: &'static str,
    /// Cases for each one of a row.
    pub times: usize,
    /// Whether the code may go far away from its place.
    pub branches: bool,
    /// Makes a case with its code at an address; `None` if what was drawn is none of this kind.
    pub make: Make<G>,
}

/// A row that the oracle cannot try.
pub struct Elsewhere {
    /// Its name.
    pub row: &'static str,
    /// Why.
    pub why: &'static str,
    /// The file that tests it, in the folder `tests`.
    pub file: &'static str,
    /// Words of that file.
    pub text: &'static str,
}

/// A deviation that is accepted.
pub struct Known<G: Guest> {
    /// Name of the kind; a trailing `*` stands for anything.
    pub row: &'static str,
    /// The reference that deviates; empty for all.
    pub reference: &'static str,
    /// Which of its mismatches: case, ours, theirs.
    pub when: Mismatch<G>,
    /// Why, with the manual's section if the reference is wrong.
    pub reason: &'static str,
    /// It must show in a long enough run; else it is an error that it is listed.
    pub certain: bool,
}

impl<G: Guest> Known<G> {
    /// Whether it is about this kind of cases.
    pub fn names(&self, row: &str) -> bool {
        match self.row.strip_suffix('*') {
            Some(prefix) => row.starts_with(prefix),
            None => self.row == row,
        }
    }

    /// Whether it is about this kind of cases, with this reference.
    pub fn covers(&self, row: &str, reference: &str) -> bool {
        self.names(row) && (self.reference.is_empty() || self.reference == reference)
    }
}

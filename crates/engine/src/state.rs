//! The guest CPU's state in memory, one per guest thread.
//!
//! Generated code keeps some of it in host registers (the pinned slots) and reaches the rest
//! through a base register that points at `gpr[16]`, so that all 32 general slots are within an
//! 8-bit displacement. Offsets are part of the generated code's format.

use crate::fp::{FpEnv, Rounding};
use core::sync::atomic::{AtomicPtr, Ordering};

/// Index of special slots the engine itself knows. Guests use the others from 32 on as they like.
pub mod slot {
    /// Guest thread pointer (a plain slot for the engine; named because the Linux layer sets it on
    /// clone).
    pub const TLS: u8 = 32;
    /// First slot free for the guest.
    pub const GUEST: u8 = 33;
}

/// Vector slots of [`Cpu`].
pub const VEC_SLOTS: usize = 80;

/// Translation modes: one of the first four, about floating point, and perhaps
/// [`RESTRICTED`](mode::RESTRICTED) beside it.
pub mod mode {
    /// The floating-point environment differs from the guest's usual one in nothing but the
    /// direction of rounding, which [`Cpu::host_fp`] has. (The usual one has the defaults or, where
    /// scalars are boxed, the default NaN for every NaN result.)
    pub const EXACT: u32 = 0;
    /// It differs in other ways.
    pub const OTHER: u32 = 1;
    /// It differs in `flush` too, and nothing else.
    pub const FLUSH: u32 = 2;
    /// As `EXACT`, for guests whose instructions may name a direction of rounding: the
    /// environment's is not to nearest even (and in `EXACT` it is).
    pub const DIRECTED: u32 = 3;
    /// The bits of those.
    pub const FP: u32 = 3;
    /// Instructions that the guest may forbid its threads are forbidden now; which those are is the
    /// guest's to know (`Ops::restricted`).
    pub const RESTRICTED: u32 = 4;
}

/// NZCV in a form of the host's, which [`Words`] reads and writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(transparent)]
pub struct FlagWord(pub u16);

/// Floating-point status and control in a form of the host's, which [`Words`] reads
/// and writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(transparent)]
pub struct FpWord(pub u32);

/// The parts of [`Cpu`] that are in a form of the host's.
pub struct Words {
    /// NZCV in bits 3 to 0.
    pub nzcv: fn(FlagWord) -> u8,
    /// The other way round.
    pub flag_word: fn(u8) -> FlagWord,
    /// What a thread begins with: to nearest even, no flags.
    pub fp_start: FpWord,
    /// The sticky flags, in the order of [`crate::fp::flag`].
    pub fp_flags: fn(FpWord) -> u8,
    /// Without sticky flags.
    pub fp_cleared: fn(FpWord) -> FpWord,
    /// With a direction of rounding. (For those that the host lacks the translation mode is not one
    /// in which it matters.)
    pub fp_rounding: fn(FpWord, Rounding) -> FpWord,
}

/// Forms that anything can have: those of a host that keeps nothing of its own.
pub(crate) const PLAIN: Words = Words {
    nzcv: |word| word.0 as u8 & 15,
    flag_word: |nzcv| FlagWord(nzcv as u16),
    fp_start: FpWord(0),
    fp_flags: |_| 0,
    fp_cleared: |word| word,
    fp_rounding: |word, _| word,
};

static WORDS: AtomicPtr<Words> = AtomicPtr::new((&raw const PLAIN_WORDS).cast_mut());
static PLAIN_WORDS: Words = PLAIN;

#[inline]
fn words() -> &'static Words {
    // SAFETY: always some that live for ever.
    unsafe { &*WORDS.load(Ordering::Relaxed) }
}

/// Makes them the process's; by [`crate::backend::choose`].
pub(crate) fn choose(words: &'static Words) {
    WORDS.store((&raw const *words).cast_mut(), Ordering::Relaxed);
}

/// How a guest instruction faulted; becomes a guest signal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Fault {
    /// Host signal number (SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP).
    pub signo: i32,
    /// si_code.
    pub code: i32,
    /// si_addr.
    pub addr: u64,
    /// Whether the access was a write (where known).
    pub write: bool,
}

/// The address in the `pc` of a guest with addresses of 32 bits.
#[inline]
pub(crate) fn address_in(pc: u64) -> u64 {
    pc & 0xffff_fffe
}

/// The guest CPU state of one thread.
#[repr(C, align(64))]
pub struct Cpu {
    /// Integer slots: see [`crate::ops::R`].
    pub gpr: [u64; 64],
    /// Vector slots: see [`crate::ops::V`].
    pub vec: [u128; VEC_SLOTS],
    /// Guest program counter, valid outside generated code.
    pub pc: u64,
    /// NZCV in the host's form.
    pub host_flags: FlagWord,
    /// Translation mode: blocks are looked up by (pc, mode). See [`mode`].
    pub mode: u32,
    /// Floating-point environment for the reference functions; guests map their control registers
    /// onto it.
    pub fp: FpEnv,
    /// Direction of rounding and sticky flags, in the host's form.
    pub host_fp: FpWord,
    /// Guest's floating-point control register, raw.
    pub fpcr: u32,
    /// Exclusive monitor: remembered address (`u64::MAX` when clear).
    pub excl_addr: u64,
    /// Exclusive monitor: remembered value(s).
    pub excl_value: [u64; 2],
    /// Exclusive monitor: the reservation's word as it was armed (see `reservations`).
    pub excl_word: u64,
    /// The address of the word that a store-exclusive of this thread holds, or 0.
    pub excl_held: u64,
    /// The high bits of an address that the guest's processor ignores
    /// ([`crate::guest::Guest::ignored_bits`]).
    pub ignored_bits: u64,
    /// Those bits of the interpreter's last access, for the address that a fault reports.
    pub tag: u64,
    /// Set together with `HelperExit::Fault` and by the run loop.
    pub fault: Fault,
    /// Guest's own per-thread data, opaque to the engine (the Linux layer's task).
    pub task: usize,
    /// Addresses are sums of 32 bits ([`crate::guest::Guest::address_bits`]).
    pub narrow: bool,
}

impl Cpu {
    /// The address in `pc`. What a guest with addresses of 32 bits keeps in `pc` beside it (in bit
    /// 0 and above bit 31) is no part of it.
    #[inline]
    pub fn address(&self) -> u64 {
        if self.narrow { address_in(self.pc) } else { self.pc }
    }

    /// NZCV in bits 3 to 0.
    pub fn nzcv(&self) -> u8 {
        (words().nzcv)(self.host_flags)
    }

    /// Sets NZCV from bits 3 to 0.
    pub fn set_nzcv(&mut self, nzcv: u8) {
        self.host_flags = (words().flag_word)(nzcv);
    }

    /// What the host has of the floating-point environment becomes what a thread begins with.
    pub fn reset_host_fp(&mut self) {
        self.host_fp = words().fp_start;
    }

    /// Moves the flags that generated code left to the floating-point environment. Call before
    /// reading `fp.flags`.
    pub fn collect_fp_flags(&mut self) {
        self.fp.flags = self.fp_flags();
        self.host_fp = (words().fp_cleared)(self.host_fp);
    }

    /// All sticky flags so far, in the order of [`crate::fp::flag`].
    pub fn fp_flags(&self) -> u8 {
        self.fp.flags | (words().fp_flags)(self.host_fp)
    }

    /// Replaces the sticky flags.
    pub fn set_fp_flags(&mut self, flags: u8) {
        self.host_fp = (words().fp_cleared)(self.host_fp);
        self.fp.flags = flags;
    }

    /// Makes the host round as `fp.rounding` says. Call after changing it. (Modes that the host
    /// lacks run as translation mode 1.)
    pub fn apply_rounding(&mut self) {
        self.host_fp = (words().fp_rounding)(self.host_fp, self.fp.rounding);
    }
}

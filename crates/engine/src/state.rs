//! The guest CPU's state in memory, one per guest thread.
//!
//! Generated code keeps some of it in host registers (the pinned slots) and reaches the rest through a base register
//! that points at `gpr[16]`, so that all 32 general slots are within an 8-bit displacement. Offsets are part of
//! the generated code's format.

use crate::fp::FpEnv;

/// Index of special slots the engine itself knows. Guests use the others from 32 on as they like.
pub mod slot {
    /// Guest thread pointer (a plain slot for the engine; named because the Linux layer sets it on clone).
    pub const TLS: u8 = 32;
    /// First slot free for the guest.
    pub const GUEST: u8 = 33;
}

/// Vector slots of [`Cpu`].
pub const VEC_SLOTS: usize = 80;

/// Translation modes: one of the first four, about floating point, and perhaps [`RESTRICTED`](mode::RESTRICTED) beside it.
pub mod mode {
    /// The floating-point environment differs from the guest's usual one in nothing but the direction of rounding, which the host's MXCSR has. (The usual
    /// one has the defaults or, where scalars are boxed, the default NaN for every NaN result.)
    pub const EXACT: u32 = 0;
    /// It differs in other ways.
    pub const OTHER: u32 = 1;
    /// It differs in `flush` too, and nothing else.
    pub const FLUSH: u32 = 2;
    /// As `EXACT`, for guests whose instructions may name a direction of rounding: the environment's is not to nearest even (and in `EXACT` it is).
    pub const DIRECTED: u32 = 3;
    /// The bits of those.
    pub const FP: u32 = 3;
    /// Instructions that the guest may forbid its threads are forbidden now; which those are is the guest's to know (`Ops::restricted`).
    pub const RESTRICTED: u32 = 4;
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

/// The guest CPU state of one thread.
#[repr(C, align(64))]
pub struct Cpu {
    /// Integer slots: see [`crate::ops::R`].
    pub gpr: [u64; 64],
    /// Vector slots: see [`crate::ops::V`].
    pub vec: [u128; VEC_SLOTS],
    /// Guest program counter, valid outside generated code.
    pub pc: u64,
    /// NZCV as the host's LAHF and SETO leave them: bits 15 to 8 SF ZF - AF - PF - CF (CF is the guest's carry), bits 7 to 0 OF as 0 or 1.
    pub host_flags: u16,
    /// Translation mode: blocks are looked up by (pc, mode). See [`mode`].
    pub mode: u32,
    /// Floating-point environment for the reference functions; guests map their control registers onto it.
    pub fp: FpEnv,
    /// The host's MXCSR while generated code runs: rounding mode and sticky flags.
    pub mxcsr: u32,
    /// Guest's floating-point control register, raw.
    pub fpcr: u32,
    /// Exclusive monitor: remembered address (`u64::MAX` when clear).
    pub excl_addr: u64,
    /// Exclusive monitor: remembered value(s).
    pub excl_value: [u64; 2],
    /// Exclusive monitor: the reservation's word as it was armed (see `reservations`).
    pub(crate) excl_word: u64,
    /// The address of the word that a store-exclusive of this thread holds, or 0.
    pub(crate) excl_held: u64,
    /// The high bits of an address that the guest's processor ignores ([`crate::run::Guest::ignored_bits`]).
    pub ignored_bits: u64,
    /// Those bits of the interpreter's last access, for the address that a fault reports.
    pub(crate) tag: u64,
    /// Set together with `HelperExit::Fault` and by the run loop.
    pub fault: Fault,
    /// Guest's own per-thread data, opaque to the engine (the Linux layer's task).
    pub task: usize,
}

impl Cpu {
    /// NZCV in bits 3 to 0.
    pub fn nzcv(&self) -> u8 {
        let f = self.host_flags;
        (((f >> 15 & 1) << 3) | ((f >> 14 & 1) << 2) | ((f >> 8 & 1) << 1) | (f & 1)) as u8
    }

    /// Sets NZCV from bits 3 to 0.
    pub fn set_nzcv(&mut self, nzcv: u8) {
        let n = nzcv as u16;
        self.host_flags = (n >> 3 & 1) << 15 | (n >> 2 & 1) << 14 | (n >> 1 & 1) << 8 | (n & 1);
    }

    /// Moves the flags that generated code left in the host's MXCSR to the floating-point environment. Call before reading
    /// `fp.flags`.
    pub fn collect_fp_flags(&mut self) {
        self.fp.flags = self.fp_flags();
        self.mxcsr &= !0x3f;
    }

    /// All sticky flags so far, in the order of [`crate::fp::flag`].
    pub fn fp_flags(&self) -> u8 {
        // MXCSR: IE DE ZE OE UE PE from bit 0; the host's denormal flag has no counterpart.
        let m = self.mxcsr as u8;
        self.fp.flags | (m & 1) | (m >> 1 & 0x1e)
    }

    /// Replaces the sticky flags.
    pub fn set_fp_flags(&mut self, flags: u8) {
        self.mxcsr &= !0x3f;
        self.fp.flags = flags;
    }

    /// Makes the host round as `fp.rounding` says. Call after changing it. (Modes that the host lacks run as translation mode 1.)
    pub fn apply_rounding(&mut self) {
        use crate::fp::Rounding;
        let rc = match self.fp.rounding {
            Rounding::Down => 1,
            Rounding::Up => 2,
            Rounding::Zero => 3,
            _ => 0,
        };
        self.mxcsr = self.mxcsr & !0x6000 | rc << 13;
    }
}

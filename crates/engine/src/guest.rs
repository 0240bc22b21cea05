//! What a guest architecture tells the engine of itself.

use crate::interp::Interp;
use crate::ops::R;
use crate::peek::Peek;
use crate::state::address_in;
use crate::targets::{PAGE, Targets};

/// Entries of a thread's table for indirect transfers: a power of two.
pub const LOOKUPS: usize = 4096;

/// What the engine needs to know about a guest architecture.
pub struct Guest {
    /// Name as in `uname -m`.
    pub name: &'static str,
    /// Interprets the instruction at `interp.cpu.pc`: fetches (through `anyarch_sys::load_bytes`, a
    /// fault becomes `Outcome::Fault`), sets `next_pc`, plays the semantics.
    pub interpret: fn(&mut Interp<'_>),
    /// Looks at the instruction at an address in a page known to be readable code. `None` if it
    /// reaches out of the page.
    pub peek: fn(u64) -> Option<Peek>,
    /// Whether a short function begins at an address in executable memory that calls nothing and is
    /// left in a straight line, by a return through the link register that it does not change; if
    /// so its end, in the same page.
    pub leaf: fn(u64) -> Option<u64>,
    /// Adds the jumps and conditional branches of a page, whose bytes are given. It begins at the
    /// first argument, but for the lowest bit, which is as in a `pc` of its code. What is no
    /// instruction may add some too.
    pub targets: fn(u64, &[u8; PAGE], &mut Targets),
    /// Its slots by frequency of use.
    pub slots: &'static Slots,
    /// The lowest bit of an address that counts in a thread's table for indirect transfers: below
    /// it jumps of real code hardly differ.
    pub lookup_shift: u32,
    /// Low address bits that are zero for every instruction.
    pub pc_align_mask: u64,
    /// The highest bits of an address that the processor ignores in the lower half of the address
    /// space: programs keep tags there. The host faults on such an address, and the interpreter
    /// then makes the access.
    pub ignored_bits: u64,
    /// Bits of an address, 32 or 64: an access goes to the sum of [`crate::ops::Addr`] without what
    /// is above them.
    pub address_bits: u32,
    /// Registers of the system call convention, for [`crate::run::fast_calls`].
    pub syscall: SyscallRegs,
    /// Low bits of the target that indirect jumps clear.
    pub jump_clears: u64,
    /// The slot that [`crate::ops::Ops::likely`] begins with, or R::ZERO.
    pub likely: R,
    /// Whether the instruction at an address, whose access faulted in generated code, may have
    /// changed part of what it changes: the interpreter then makes it again, for the exact state.
    pub faults_again: fn(u64) -> bool,
}

/// A guest's slots in the order of their use in real code, those used most first. How many live in
/// host registers, and in which, is the host's business; those that are not listed live in memory.
#[derive(Debug)]
pub struct Slots {
    /// Integer slots. (Of two that are used much, one that is used with operands of 32 bits comes
    /// first.)
    pub gpr: &'static [u8],
    /// Those of them that hardly ever are the base of an address.
    pub no_bases: &'static [u8],
    /// Vector slots.
    pub vec: &'static [u8],
}

/// Where a system call finds its number (as 32 bits) and arguments and leaves its result.
#[derive(Clone, Copy, Debug)]
pub struct SyscallRegs {
    /// The number.
    pub number: R,
    /// The arguments.
    pub args: [R; 6],
    /// The result.
    pub result: R,
}

impl Guest {
    /// The address of the instruction at `pc`. A guest with addresses of 32 bits may keep more
    /// there that its code depends on: in bit 0, and above bit 31.
    #[inline(always)]
    pub fn address(&self, pc: u64) -> u64 {
        if self.address_bits == 32 { address_in(pc) } else { pc }
    }

    pub(crate) fn lookup_index(&self, pc: u64) -> usize {
        (pc >> self.lookup_shift) as usize % LOOKUPS
    }
}

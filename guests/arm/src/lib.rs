//! The arm guest, 32 bits: A32 and T32 at user level, from ARMv5TE to AArch32 of ARMv8.0 with CRC32
//! and the cryptographic extension (Arm ARM, DDI 0487, part G and F).
//!
//! # The place of an instruction
//!
//! What the engine calls `pc` is more than an address here ([`decode::pc`]): bit 0 is the
//! instruction set (T32), as in the addresses of interworking branches; bits 39 to 32 are ITSTATE;
//! bit 40 is the byte order of data (SETEND). All of this is known when an instruction is
//! translated, and is part of what a unit is looked up by. So a branch to another instruction set
//! is a jump to another `pc`, a link register holds what a return goes to, and a unit may begin
//! within an IT block.
//!
//! # State
//!
//! - r0 to r14 are the integer slots 0 to 14, zero-extended. The other slots are in [`state`].
//! - The registers Q0 to Q15 are the vector slots 0 to 15. A D register is half of one, an S
//!   register a quarter.
//! - FPSCR lies in the engine's environment ([`system::fpscr`]), its NZCV in a slot.
//!
//! # What is unpredictable
//!
//! `docs/arm.md` lists what is done where the manual says UNPREDICTABLE; the oracle holds the
//! semantics to it (`tests/oracle/unpredictable.rs`).
#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod branch;
mod data;
pub mod decode;
mod features;
mod fuse;
pub mod linux;
mod media;
mod mem;
mod mul;
mod neon;
mod neon_mem;
mod neon_misc;
mod neon_shift;
pub mod state;
pub mod system;
mod t16;
mod t32;
mod t32_mem;
mod targets;
mod uncond;
mod vfp;
mod vfp_uncond;

use anyarch_engine::interp::Interp;
use anyarch_engine::lift::{Lift, UnitBuilder};
use anyarch_engine::ops::{Effects, Helper, HelperExit, R, V};
use anyarch_engine::pattern::FlagUse;
use anyarch_engine::run::{Guest, Peek, Slots, SyscallRegs, Transfer};
use anyarch_engine::shared::Copy;
use anyarch_engine::state::{Cpu, Fault};
use anyarch_sys::MemFault;
use decode::{Insn, pc};

/// The guest as the engine sees it.
pub static GUEST: Guest = Guest {
    name: "arm",
    interpret,
    peek,
    leaf: |_| None,
    targets: targets::targets,
    slots: &SLOTS,
    lookup_shift: 2,
    pc_align_mask: 1,
    ignored_bits: 0,
    address_bits: 32,
    syscall: SyscallRegs { number: R(7), args: [R(0), R(1), R(2), R(3), R(4), R(5)], result: R(0) },
    jump_clears: 0,
    likely: R::ZERO,
    faults_again: |_| false,
};

/// Counted in the code of Debian's bash, python3, perl, git, libc and libm: general registers by
/// the instructions that name them, and the link register by the calls too. Vectors by S and D
/// registers, and those that vectorized code takes first; the temporaries have the S and
/// D registers that were used last.
static SLOTS: Slots = Slots {
    gpr: &[3, 0, 2, 1, 13, 4, 5, 6, 7, 14, 12, 8],
    no_bases: &[14],
    vec: &[3, 0, 8, 9, V::T0.0, V::T1.0, V::T2.0, 4, 2, 1, 10, 11],
};

/// The guest's instructions.
pub struct Instructions;

impl Lift for Instructions {
    const GUEST: &'static Guest = &GUEST;

    fn lift<T: UnitBuilder>(t: &mut T, copy: Option<&Copy>) {
        match copy {
            None => lift_from(t, anyarch_sys::fetch2),
            Some(copy) => lift_from(t, |at| copy.load(at, 2).map(|half| half as u16)),
        }
    }
}

#[inline(never)]
fn lift_from<T: UnitBuilder>(t: &mut T, half: impl Fn(u64) -> Option<u16> + core::marker::Copy) {
    while t.more() {
        let place = t.pc();
        if place & (pc::T | 2) == 2 {
            t.begin(4, Peek { len: 4, transfer: Transfer::Other, ..Peek::default() });
            t.helper(MISALIGNED, place as u32 as u64);
            t.jump(place);
            return t.end();
        }
        let Some(i) = fetch_from(place, half) else { return t.stop() };
        if fuse::is_candidate(i) && fuse::exclusive_loop(t, i, |place| fetch_from(place, half)) {
            continue;
        }
        let id = decode::decode(i);
        let peek = short_peek(i).unwrap_or_else(|| peek_decoded(id, i));
        t.begin(i.len as u64, peek);
        if i.next() != place + i.len as u64 {
            t.goes_on_at(i.next());
        }
        decode::lift_decoded(t, id, i);
        t.end();
    }
}

#[inline(always)]
fn fetch_from(place: u64, half: impl Fn(u64) -> Option<u16>) -> Option<Insn> {
    let address = pc::address(place) as u64;
    let (first, second) = (half(address)? as u32, || half((address + 2) as u32 as u64));
    Some(if place & pc::T == 0 {
        Insn::a32(first | (second()? as u32) << 16, place)
    } else if first < 0xe800 {
        Insn::t32(first, place)
    } else {
        Insn::t32(first << 16 | second()? as u32, place)
    })
}

/// [`peek_decoded`] of most instructions by far.
#[inline(always)]
fn short_peek(i: Insn) -> Option<Peek> {
    let FlagUse { reads, writes } = decode::short_flags(i)?;
    Some(Peek { len: 2, reads, writes, changes: writes != 0, transfer: Transfer::Next })
}

/// (In the place of its calls: what it returns would go through memory.)
#[inline(always)]
fn peek_decoded(id: decode::RowId, i: Insn) -> Peek {
    let flags = decode::flag_use(id, i);
    let transfer = match branch::transfer(i) {
        // ITSTATE changes.
        Transfer::Next if i.next() != i.pc + i.len as u64 => Transfer::Jump(i.next()),
        Transfer::Cond(_) if i.next() != i.pc + i.len as u64 => Transfer::Other,
        transfer => transfer,
    };
    let changes = id.flags().writes != 0;
    Peek { len: i.len, reads: flags.reads, writes: flags.writes, changes, transfer }
}

/// See [`Guest::peek`].
fn peek(place: u64) -> Option<Peek> {
    // The second half of a T32 instruction may lie in the next page.
    let address = pc::address(place) as u64;
    if place & pc::T != 0 && address & 4095 == 4094 && anyarch_sys::fetch2(address)? >= 0xe800 {
        return None;
    }
    let i = fetch_from(place, anyarch_sys::fetch2)?;
    short_peek(i).or_else(|| Some(peek_decoded(decode::decode(i), i)))
}

/// The instruction at a place.
///
/// # Errors
/// The fault of the fetch.
pub fn fetch(place: u64) -> Result<Insn, MemFault> {
    let address = pc::address(place) as u64;
    if place & pc::T == 0 {
        return Ok(Insn::a32(anyarch_sys::load_once(address, 4)? as u32, place));
    }
    let first = anyarch_sys::load_once(address, 2)? as u32;
    if first < 0xe800 {
        return Ok(Insn::t32(first, place));
    }
    let second = anyarch_sys::load_once(address.wrapping_add(2) as u32 as u64, 2)? as u32;
    Ok(Insn::t32(first << 16 | second, place))
}

/// The fault of an A32 instruction whose address is not a multiple of four.
fn misaligned(address: u64) -> Fault {
    const SIGBUS: i32 = 7;
    const BUS_ADRALN: i32 = 1;
    Fault { signo: SIGBUS, code: BUS_ADRALN, addr: address, write: false }
}

/// Raises [`misaligned`] for the address in the argument.
const MISALIGNED: Helper = Helper { function: raise_misaligned, effects: |_| Effects::NONE.faults() };

extern "C" fn raise_misaligned(cpu: &mut Cpu, address: u64) -> HelperExit {
    cpu.fault = misaligned(address);
    HelperExit::Fault
}

/// Fetches, decodes and plays the instruction at `cpu.pc`.
pub fn interpret(i: &mut Interp<'_>) {
    let place = i.cpu.pc;
    if place & (pc::T | 2) == 2 {
        return i.fault(misaligned(place as u32 as u64));
    }
    match fetch(place) {
        Ok(insn) => {
            i.next_pc = insn.next();
            decode::lift(i, insn);
        }
        Err(f) => i.fault(Fault { signo: f.signo, code: f.code, addr: f.addr, write: false }),
    }
}

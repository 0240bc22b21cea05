//! The aarch64 guest: decode rows and semantics ([`decode`] and the files of its tables), and its
//! Linux ABI.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod atomic;
mod branch;
pub mod decode;
#[cfg(test)]
mod effects;
mod features;
mod fp;
mod fp_vec;
mod fuse;
mod int;
mod ldst;
pub mod linux;
#[cfg(test)]
mod second_opinion;
mod simd;
mod simd_crypto;
mod simd_mem;
mod simd_perm;
mod simd_shift;
pub mod system;
mod targets;

use anyarch_engine::interp::Interp;
use anyarch_engine::lift::{Lift, UnitBuilder};
use anyarch_engine::ops::R;
use anyarch_engine::run::{Guest, Peek, Slots, SyscallRegs};
use anyarch_engine::shared::Copy;
use anyarch_engine::state::Fault;

/// The guest as the engine sees it.
pub static GUEST: Guest = Guest {
    name: "aarch64",
    interpret,
    peek,
    leaf: |target| fuse::leaf(target, word),
    targets: targets::targets,
    slots: &SLOTS,
    lookup_shift: 2,
    pc_align_mask: 3,
    // Linux sets TCR_EL1.TBI0, and TBID0 only with pointer authentication.
    ignored_bits: 0xff << 56,
    address_bits: 64,
    syscall: SyscallRegs { number: R(8), args: [R(0), R(1), R(2), R(3), R(4), R(5)], result: R(0) },
    jump_clears: 0,
    likely: R::ZERO,
    faults_again: |_| false,
};

/// The registers most used by compiled code: arguments and temporaries, the first callee-saved
/// ones, and the stack pointer.
static SLOTS: Slots = Slots {
    gpr: &[0, 1, 2, 31, 19, 3, 20, 4, 21, 5, 22, 29],
    no_bases: &[],
    vec: &[0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19],
};

/// The instruction word at `pc`; `None` if its page has vanished meanwhile.
#[inline]
fn word(pc: u64) -> Option<u32> {
    anyarch_sys::fetch4(pc)
}

/// The guest's instructions.
pub struct Instructions;

impl Lift for Instructions {
    const GUEST: &'static Guest = &GUEST;

    fn lift<T: UnitBuilder>(t: &mut T, copy: Option<&Copy>) {
        match copy {
            None => lift_from(t, word),
            Some(copy) => lift_from(t, |pc| copy.load(pc, 4).map(|word| word as u32)),
        }
    }
}

#[inline(never)]
fn lift_from<T: UnitBuilder>(t: &mut T, word: impl Fn(u64) -> Option<u32> + core::marker::Copy) {
    while t.more() {
        let pc = t.pc();
        let Some(insn) = word(pc) else { return t.stop() };
        if fuse::is_candidate(insn) && fuse::step(t, decode::Insn { word: insn, pc }, word) {
            continue;
        }
        let id = decode::decode(insn);
        t.begin(4, peek_decoded(id, insn, pc));
        decode::lift_decoded(t, id, insn, pc);
        t.end();
    }
}

/// See [`Guest::peek`].
#[inline]
pub fn peek(pc: u64) -> Option<Peek> {
    let insn = word(pc)?;
    Some(peek_decoded(decode::decode(insn), insn, pc))
}

#[inline]
fn peek_decoded(id: decode::RowId, insn: u32, pc: u64) -> Peek {
    let flags = decode::flag_use_decoded(id);
    let transfer = branch::transfer(insn, pc);
    Peek { len: 4, reads: flags.reads, writes: flags.writes, changes: flags.writes != 0, transfer }
}

/// Fetches, decodes and plays the instruction at `cpu.pc`.
pub fn interpret(i: &mut Interp<'_>) {
    const SIGBUS: i32 = 7;
    const BUS_ADRALN: i32 = 1;
    let pc = i.cpu.pc;
    i.next_pc = pc.wrapping_add(4);
    if pc & 3 != 0 {
        return i.fault(Fault { signo: SIGBUS, code: BUS_ADRALN, addr: pc, write: false });
    }
    match anyarch_sys::load_once(pc, 4) {
        Ok(insn) => decode::lift(i, insn as u32, pc),
        Err(f) => i.fault(Fault { signo: f.signo, code: f.code, addr: f.addr, write: false }),
    }
}

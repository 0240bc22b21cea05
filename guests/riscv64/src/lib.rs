//! The riscv64 guest: decode rows and semantics ([`decode`] and the files of its tables), and its
//! Linux ABI.
//!
//! x1 to x31 are the slots 1 to 31 (slot 0 is free), f0 to f31 the low 64 bits of the vector slots,
//! whose high halves have no meaning. NZCV is used within single instructions only, so every
//! instruction is told to the engine as one that overwrites it.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod atomic;
pub mod compressed;
pub mod decode;
#[cfg(test)]
mod effects;
pub mod features;
mod fp;
mod fuse;
mod int;
pub mod linux;
#[cfg(test)]
mod second_opinion;
pub mod system;
mod targets;
pub mod v;
mod v_crypto;
mod v_fast;
mod v_fp;
mod v_int;
mod v_mem;
mod v_perm;

use anyarch_engine::interp::Interp;
use anyarch_engine::lift::{Lift, UnitBuilder};
use anyarch_engine::ops::R;
use anyarch_engine::pattern::nzcv;
use anyarch_engine::run::{Guest, Peek, Slots, SyscallRegs, Transfer};
use anyarch_engine::shared::Copy;
use anyarch_engine::state::Fault;
use decode::Insn;

/// The guest as the engine sees it.
pub static GUEST: Guest = Guest {
    name: "riscv64",
    interpret,
    peek,
    leaf: |target| fuse::leaf(target, fetch),
    targets: targets::targets,
    slots: &SLOTS,
    lookup_shift: 2,
    pc_align_mask: 1,
    ignored_bits: 0,
    address_bits: 64,
    syscall: SyscallRegs { number: R(17), args: [R(10), R(11), R(12), R(13), R(14), R(15)], result: R(10) },
    jump_clears: 1,
    likely: v::KEY,
    faults_again,
};

/// The general registers most used: uses per 100 instructions run, each as base, operand or result,
/// by bash, python3, cc1, perl and git of Debian 13 and the benchmark's C programs, all with the
/// same weight.
///
/// ```text
/// a5 39.8  sp 19.2  a0 13.7  a2  9.5  s1 6.9  s2 5.6  a6 3.0  t3 2.1  s5 1.9  s6  1.7  s10 1.6  s8 1.5  s11 0.9  t5 0.5  tp, t0 0.3
/// a4 25.9  a3 14.4  s0  9.8  a1  8.7  ra 5.8  s3 3.4  s4 2.7  t1 1.9  s9 1.8  a7  1.7  s7  1.6  t2 1.2  t4  0.9  t6 0.3  gp     0.0
/// ```
///
/// The first twelve would be those with s3 in the place of a6, but the C library's loops that copy
/// memory use a6. The four hottest of those used with 32 bits come first, and sp, which hardly is,
/// later; ra is no base.
static SLOTS: Slots = Slots {
    gpr: &[15, 14, 13, 10, 8, 12, 11, 2, 9, 1, 18, 16],
    no_bases: &[1],
    vec: &[10, 11, 12, 13, 14, 15, 8, 9, 0, 1, 2, 3],
};

/// See [`Guest::faults_again`].
#[inline]
fn faults_again(pc: u64) -> bool {
    fetch(pc).is_some_and(|i| v_fast::mem::faults_again(i.word))
}

#[inline]
fn half(at: u64) -> Option<u16> {
    anyarch_sys::fetch2(at)
}

/// The instruction at `pc`: its word, expanded if compressed, and its length. `None` if its page
/// has vanished meanwhile.
#[inline]
fn fetch(pc: u64) -> Option<Insn> {
    fetch_from(pc, half)
}

fn fetch_from(pc: u64, half: impl Fn(u64) -> Option<u16>) -> Option<Insn> {
    let low = half(pc)?;
    Some(if low & 3 == 3 {
        Insn { word: low as u32 | (half(pc + 2)? as u32) << 16, pc, len: 4 }
    } else {
        Insn { word: compressed::expand(low), pc, len: 2 }
    })
}

/// Whether the instruction at `pc` reaches into the next page.
#[inline]
fn crosses(pc: u64) -> bool {
    pc & 4095 == 4094 && half(pc).is_none_or(|low| low & 3 == 3)
}

/// The guest's instructions.
pub struct Instructions;

impl Lift for Instructions {
    const GUEST: &'static Guest = &GUEST;

    fn lift<T: UnitBuilder>(t: &mut T, copy: Option<&Copy>) {
        match copy {
            None => lift_from(t, fetch),
            Some(copy) => {
                lift_from(t, |pc| fetch_from(pc, |at| copy.load(at, 2).map(|half| half as u16)));
            }
        }
    }
}

#[inline(never)]
fn lift_from<T: UnitBuilder>(t: &mut T, fetch: impl Fn(u64) -> Option<Insn> + core::marker::Copy) {
    while t.more() {
        let Some(i) = fetch(t.pc()) else { return t.stop() };
        if fuse::is_candidate(i.word) && fuse::step(t, i, fetch) {
            continue;
        }
        t.begin(i.len, peek_insn(i));
        decode::lift(t, i);
        t.end();
    }
}

/// See [`Guest::peek`].
#[inline]
pub fn peek(pc: u64) -> Option<Peek> {
    if pc & 1 != 0 || crosses(pc) {
        return None;
    }
    fetch(pc).map(peek_insn)
}

#[inline]
fn peek_insn(i: Insn) -> Peek {
    let transfer = match i.word & 0x7f {
        0x63 => Transfer::Cond(i.pc.wrapping_add(i.imm_b() as u64)),
        0x6f if i.d() == 0 => Transfer::Jump(i.pc.wrapping_add(i.imm_j() as u64)),
        0x6f | 0x67 | 0x73 => Transfer::Other,
        _ => Transfer::Next,
    };
    Peek { len: i.len as u8, reads: 0, writes: nzcv::ALL, changes: true, transfer }
}

/// Fetches, decodes and plays the instruction at `cpu.pc`.
pub fn interpret(i: &mut Interp<'_>) {
    const SIGBUS: i32 = 7;
    const BUS_ADRALN: i32 = 1;
    let pc = i.cpu.pc;
    if pc & 1 != 0 {
        return i.fault(Fault { signo: SIGBUS, code: BUS_ADRALN, addr: pc, write: false });
    }
    let halves = anyarch_sys::load_once(pc, 2).and_then(|low| {
        let high = if low & 3 == 3 { anyarch_sys::load_once(pc + 2, 2)? } else { 0 };
        Ok((low as u16, high as u16))
    });
    match halves {
        Ok((low, high)) => {
            let insn = if low & 3 == 3 {
                Insn { word: low as u32 | (high as u32) << 16, pc, len: 4 }
            } else {
                Insn { word: compressed::expand(low), pc, len: 2 }
            };
            i.next_pc = pc.wrapping_add(insn.len);
            decode::lift(i, insn);
            i.next_pc &= !1;
        }
        Err(f) => i.fault(Fault { signo: f.signo, code: f.code, addr: f.addr, write: false }),
    }
}

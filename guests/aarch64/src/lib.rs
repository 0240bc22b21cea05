//! The aarch64 guest: decode rows and semantics ([`decode`] and the files of its tables), and its Linux ABI.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod atomic;
mod branch;
pub mod decode;
pub mod features;
mod fp;
mod fp_vec;
mod int;
mod ldst;
pub mod linux;
mod simd;
mod simd_crypto;
mod simd_mem;
mod simd_perm;
mod simd_shift;
pub mod system;

use anyarch_engine::interp::Interp;
use anyarch_engine::run::Guest;
use anyarch_engine::state::Fault;

/// The guest as the engine sees it.
pub static GUEST: Guest = Guest { name: "aarch64", interpret };

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

//! The aarch64 guest: decode rows and semantics ([`decode`] and the files of its tables), and its Linux ABI.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod decode;
mod int;
pub mod linux;
mod simd;
mod simd_crypto;
mod simd_mem;
mod simd_perm;
mod simd_shift;

use anyarch_engine::interp::{Interp, Outcome};
use anyarch_engine::run::Guest;
use anyarch_engine::state::Fault;

/// The engine's description of the guest.
pub static GUEST: Guest = Guest { name: "aarch64", interpret };

fn interpret(interp: &mut Interp<'_>) {
    const SIGBUS: i32 = 7;
    const BUS_ADRALN: i32 = 1;
    let pc = interp.cpu.pc;
    let mut insn = [0; 4];
    if pc & 3 != 0 {
        return interp.fault(Fault { signo: SIGBUS, code: BUS_ADRALN, addr: pc, write: false });
    }
    if let Err(f) = anyarch_sys::load_bytes(pc, &mut insn) {
        return interp.fault(Fault { signo: f.signo, code: f.code, addr: pc, write: false });
    }
    interp.next_pc = pc + 4;
    interp.outcome = Outcome::Next;
    decode::lift(interp, u32::from_le_bytes(insn), pc);
}

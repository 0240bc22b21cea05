//! The fixed pieces of code at the start of the code cache: entering and leaving generated code, calling helpers, the shared lookup.
//!
//! All of it is emitted once at start, from the guest's register map.

use super::asm::{Asm, Cc, Mem, NONE, Op, Rm, reg::*, v};
use super::{Buffers, STATE_BIAS, state};
use crate::run::Thread;
use crate::state::Cpu;
use core::mem::offset_of;

/// Why generated code was left: the value that `enter` returns, bits 7 to 0.
pub mod reason {
    /// A stub of a jump not yet chained; `exit_rax` is the address of the stub's data (near form).
    pub const CHAIN: u32 = 0;
    /// The same, far form.
    pub const CHAIN_FAR: u32 = 1;
    /// An indirect transfer to the guest address in `exit_rax` missed the lookup table.
    pub const LOOKUP: u32 = 2;
    /// A system call; `exit_rax` is the address of the stub's data (near form).
    pub const SYSCALL: u32 = 3;
    /// The same, far form.
    pub const SYSCALL_FAR: u32 = 4;
    /// The thread was interrupted before it entered, or at a boundary; `cpu.pc` is valid.
    pub const INTERRUPTED: u32 = 5;
    /// A fault was caught by the signal handler; `cpu.pc` and `cpu.fault` are valid.
    pub const FAULT: u32 = 6;
    /// A trap instruction; `exit_rax` is a host address in it.
    pub const TRAP: u32 = 7;
    /// A helper returned something other than Continue (in bits 15 to 8); `exit_rax` is a host address in the instruction.
    pub const HELPER: u32 = 8;
}

/// Addresses of the pieces.
pub struct Glue {
    /// `extern "C" fn(state: RBP value, host code) -> reason`.
    pub enter: *const u8,
    /// Called by stubs.
    pub chain: *const u8,
    /// Called by stubs, far form.
    pub chain_far: *const u8,
    /// Jumped to, or called where a return is to follow, with RAX = guest address.
    pub lookup: *const u8,
    /// Called.
    pub syscall: *const u8,
    /// Called.
    pub syscall_far: *const u8,
    /// Called with RCX = reason.
    pub trap: *const u8,
    /// Called with RAX = function, RCX = argument.
    pub helper: *const u8,
    /// Continuation for the signal handler: the state is in memory, ECX = reason.
    pub leave: *const u8,
    /// The constants of floating-point code: see `fp::POOL`.
    pub pool: *const u8,
    /// Rounds of hash functions.
    pub(crate) sha: super::sha::Sha,
    /// First byte after the glue.
    pub end: *const u8,
}

// SAFETY: addresses of code that never moves.
unsafe impl Send for Glue {}

fn move_pins(a: &mut Asm, buffers: &Buffers, load: bool) {
    let (gpr, vec) = buffers.maps();
    for (slot, &h) in gpr.iter().enumerate() {
        if h != NONE {
            let m = state(offset_of!(Cpu, gpr) + slot * 8);
            if load {
                a.mov(true, h, m);
            } else {
                a.mov_store(true, m, h);
            }
        }
    }
    for (slot, &h) in vec.iter().enumerate() {
        if h != NONE {
            let m = state(offset_of!(Cpu, vec) + slot * 16);
            a.v2(if load { v(0, 1, 0x28) } else { v(0, 1, 0x29) }, h, m);
        }
    }
}

/// LDMXCSR (ext 2) or STMXCSR (ext 3).
fn mxcsr(a: &mut Asm, ext: u8) {
    a.op2(0, false, 0xae, ext, Rm::M(state(offset_of!(Cpu, mxcsr))));
}

/// Emits the glue at `a.p`.
pub fn emit(a: &mut Asm, buffers: &Buffers, lookup_mask: u32) -> Glue {
    let saved = [RBX, RBP, R12, R13, R14, R15];

    // leave: the state is in memory, ECX = reason.
    let leave = a.p as *const u8;
    a.mov(true, RSP, state(offset_of!(Thread, host_rsp)));
    a.mov(false, RAX, RCX);
    a.alu_imm(Op::Add, true, Rm::R(RSP), 8);
    for &r in saved.iter().rev() {
        a.pop(r);
    }
    a.ret();

    // exit: RAX = material, ECX = reason, guest state in registers.
    let exit = a.p as *const u8;
    a.mov_store(true, state(offset_of!(Thread, exit_rax)), RAX);
    move_pins(a, buffers, false);
    mxcsr(a, 3);
    a.mov_store(true, state(offset_of!(Thread, shadow_rsp)), RSP);
    a.jmp_to(leave);

    let popping = |a: &mut Asm, why: u32| {
        let at = a.p as *const u8;
        a.pop(RAX);
        a.mov_imm(RCX, why as u64);
        a.jmp_to(exit);
        at
    };
    let chain = popping(a, reason::CHAIN);
    let chain_far = popping(a, reason::CHAIN_FAR);
    let syscall = popping(a, reason::SYSCALL);
    let syscall_far = popping(a, reason::SYSCALL_FAR);

    let trap = a.p as *const u8;
    a.pop(RAX);
    a.jmp_to(exit);

    let enter = a.p as *const u8;
    for &r in &saved {
        a.push(r);
    }
    a.alu_imm(Op::Sub, true, Rm::R(RSP), 8);
    a.mov(true, RBP, RDI);
    a.mov(true, RAX, RSI);
    a.mov_store(true, state(offset_of!(Thread, host_rsp)), RSP);
    move_pins(a, buffers, true);
    mxcsr(a, 2);
    a.mov(true, RSP, state(offset_of!(Thread, shadow_rsp)));
    a.alu_imm(Op::Cmp, false, state(offset_of!(Thread, interrupted)), 0);
    let stop = a.jcc_short(Cc::Ne);
    a.jmp_rm(RAX);
    a.bind(stop);
    a.mov_imm(RCX, reason::INTERRUPTED as u64);
    a.jmp_to(exit);

    let lookup = a.p as *const u8;
    a.mov(false, RCX, RAX);
    a.alu_imm(Op::And, false, Rm::R(RCX), lookup_mask as i32);
    let entry =
        |field: usize| Mem::index(RBP, RCX, 2, (offset_of!(Thread, lookup) + field) as i32 - STATE_BIAS);
    a.alu(Op::Cmp, true, RAX, entry(0));
    let miss = a.jcc_short(Cc::Ne);
    a.jmp_rm(entry(8));
    a.bind(miss);
    a.mov_imm(RCX, reason::LOOKUP as u64);
    a.jmp_to(exit);

    let helper = a.p as *const u8;
    move_pins(a, buffers, false);
    mxcsr(a, 3);
    a.mov_store(true, state(offset_of!(Thread, shadow_rsp)), RSP);
    a.mov(true, RSP, state(offset_of!(Thread, host_rsp)));
    a.mov(true, RSI, RCX);
    a.lea(true, RDI, Mem::base(RBP, -STATE_BIAS));
    a.call_rm(RAX);
    a.mov(true, RSP, state(offset_of!(Thread, shadow_rsp)));
    a.test(false, Rm::R(RAX), RAX);
    let other = a.jcc_near(Cc::Ne);
    move_pins(a, buffers, true);
    mxcsr(a, 2);
    a.alu_imm(Op::Cmp, false, state(offset_of!(Thread, interrupted)), 0);
    let pending = a.jcc_short(Cc::Ne);
    a.ret();
    // A signal came while the helper ran: single-step to the next guest instruction boundary (see `run::on_host_fault`).
    a.bind(pending);
    a.b(0x9c); // pushfq
    a.alu_imm(Op::Or, true, Mem::base(RSP, 0), 0x100);
    a.b(0x9d); // popfq
    a.ret();
    a.bind_near(other);
    a.mov(false, RCX, RAX);
    a.shift_imm(super::asm::Sh::Shl, false, Rm::R(RCX), 8);
    a.alu_imm(Op::Or, false, Rm::R(RCX), reason::HELPER as i32);
    a.pop(RAX);
    a.mov_store(true, state(offset_of!(Thread, exit_rax)), RAX);
    a.mov_store(true, state(offset_of!(Thread, shadow_rsp)), RSP);
    a.jmp_to(leave);

    let sha = super::sha::emit(a, buffers);

    while a.p as usize % 16 != 0 {
        a.b(0xcc);
    }
    let pool = a.p as *const u8;
    for value in super::fp::POOL {
        a.q(value as u64);
        a.q((value >> 64) as u64);
    }

    Glue { enter, chain, chain_far, lookup, syscall, syscall_far, trap, helper, leave, pool, sha, end: a.p }
}

//! The fixed pieces of code at the start of the code cache: entering and leaving generated code,
//! calling helpers, the shared lookup.
//!
//! All of it is emitted once at start, from the guest's register map.

use super::asm::opcodes::{MOVAPS, MOVAPS_STORE};
use super::asm::{Asm, Cc, Mem, NONE, Op, Rm, reg::*};
use super::{Buffers, HostPart, STATE_BIAS, host_part, state};
use anyarch_engine::ops::R;
use anyarch_engine::run::fast_calls::{self, HELPER, TABLE};
use anyarch_engine::run::{Guest, Lookup, Thread};
use anyarch_engine::state::Cpu;
use anyarch_engine::thread::LOOKUPS;
use core::mem::offset_of;

/// Why generated code was left: the value that `enter` returns, bits 7 to 0.
pub mod reason {
    /// A stub of a jump not yet chained; `exit_value` is the address of the stub's data (near
    /// form).
    pub(crate) const CHAIN: u32 = 0;
    /// The same, far form.
    pub(crate) const CHAIN_FAR: u32 = 1;
    /// An indirect transfer to the guest address in `exit_value` missed the lookup table.
    pub(crate) const LOOKUP: u32 = 2;
    /// A system call; `exit_value` is the address of the stub's data (near form).
    pub(crate) const SYSCALL: u32 = 3;
    /// The same, far form.
    pub(crate) const SYSCALL_FAR: u32 = 4;
    /// The thread was interrupted before it entered, or at a boundary; `cpu.pc` is valid.
    pub(crate) const INTERRUPTED: u32 = 5;
    /// A fault was caught by the signal handler; `cpu.pc` and `cpu.fault` are valid.
    pub(crate) const FAULT: u32 = 6;
    /// A trap instruction; `exit_value` is a host address in it.
    pub(crate) const TRAP: u32 = 7;
    /// A helper returned something other than Continue (in bits 15 to 8); `exit_value` is a host
    /// address in the instruction.
    pub const HELPER: u32 = 8;
    /// A step of several instructions faulted: its first is to be interpreted.
    pub(crate) const STEP_FAULT: u32 = 9;
    /// A system call that generated code made, and a signal is pending; `exit_value` is the address
    /// of the stub's data (near form).
    pub const MADE: u32 = 10;
    /// The same, far form.
    pub(crate) const MADE_FAR: u32 = 11;
    /// The unit's bytes have changed since it was made; `exit_value` is a host address in it. See
    /// [`anyarch_engine::shared`].
    pub(crate) const STALE: u32 = 12;
    /// The instruction is to be interpreted; `exit_value` is a host address in it.
    pub(crate) const REPLAY: u32 = 13;
}

/// In RCX for [`Glue::trap`]: an undefined instruction.
pub(crate) const TRAP_UNDEFINED: u32 = reason::TRAP;
/// A breakpoint; its number in the bits above 8.
pub(crate) const TRAP_BREAKPOINT: u32 = reason::TRAP | 0x80;

/// The instruction INT3. Unlike single steps, breakpoints are nothing to hypervisors.
pub(crate) const BREAKPOINT: u8 = 0xcc;

/// Opcode of `test eax, imm32`.
pub(crate) const NEAR_DATA: u8 = 0xa9;

/// Where a signal that comes while the program counter is from `from` to `to` (both included) sends
/// it: behind a test of `interrupted` the thread would else go on without seeing the flag.
#[derive(Clone, Copy)]
pub(crate) struct Detour {
    from: u64,
    to: u64,
    target: u64,
}

/// A piece of the glue that units call or jump to. Its address stands in the thread's state, at
/// [`Piece::place`]: a unit's bytes do not depend on where the glue lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Piece {
    /// Called by stubs.
    Chain,
    /// Called by stubs, far form.
    ChainFar,
    /// Jumped to, or called where a return is to follow, with RAX = guest address.
    Lookup,
    /// Called, see [`syscalls`].
    Syscall,
    /// Called with RCX = reason.
    Trap,
    /// Called with RAX = function, RCX = argument.
    Helper,
    /// See [`super::exclusive::Monitor`].
    Reserve,
    /// The same.
    Hold,
    /// The same.
    Written,
    /// See [`super::sha::Sha`].
    Sha1Choose,
    /// The same.
    Sha1Parity,
    /// The same.
    Sha1Majority,
    /// The same.
    Sha256Hash1,
    /// The same.
    Sha256Hash2,
    /// The same.
    Sha512Hash1,
    /// The same.
    Sha512Hash2,
    /// The same.
    Sha256Rounds,
    /// The same.
    Sha512Rounds,
}

impl Piece {
    /// All, in their order.
    pub const ALL: [Piece; 18] = [
        Piece::Chain,
        Piece::ChainFar,
        Piece::Lookup,
        Piece::Syscall,
        Piece::Trap,
        Piece::Helper,
        Piece::Reserve,
        Piece::Hold,
        Piece::Written,
        Piece::Sha1Choose,
        Piece::Sha1Parity,
        Piece::Sha1Majority,
        Piece::Sha256Hash1,
        Piece::Sha256Hash2,
        Piece::Sha512Hash1,
        Piece::Sha512Hash2,
        Piece::Sha256Rounds,
        Piece::Sha512Rounds,
    ];
    /// How many there are.
    pub const COUNT: usize = Piece::ALL.len();

    /// Where the thread's state has its address.
    pub(crate) fn place(self) -> Mem {
        state(host_part(offset_of!(HostPart, pieces)) + self as usize * 8)
    }
}

/// Addresses of the glue's parts.
pub struct Glue {
    /// `extern "C" fn(state: RBP value, host code) -> reason`.
    pub enter: *const u8,
    /// Continuation for the signal handler: the state is in memory, ECX = reason.
    pub leave: *const u8,
    /// What units call or jump to, by [`Piece`].
    pub pieces: [*const u8; Piece::COUNT],
    /// The code of hash rounds and of [`super::exclusive::Monitor`]: called from units, with
    /// nothing but the return address pushed.
    pub(crate) quiet: (u64, u64),
    /// See [`Detour`].
    pub(crate) detours: [Detour; 6],
    /// A breakpoint: a signal is pending at the end of a helper, whose return address is the last
    /// pushed.
    pub(crate) helped: u64,
    /// A breakpoint to return to instead of a unit.
    pub(crate) returned: u64,
    /// First byte after the glue.
    pub end: *const u8,
}

// SAFETY: addresses of code that never moves.
unsafe impl Send for Glue {}
// SAFETY: as above.
unsafe impl Sync for Glue {}

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
            a.v2(if load { MOVAPS } else { MOVAPS_STORE }, h, m);
        }
    }
}

/// MXCSR from the state (`load`), or to it.
pub(super) fn mxcsr(a: &mut Asm, load: bool) {
    let m = state(offset_of!(Cpu, host_fp));
    if load { a.ldmxcsr(m) } else { a.stmxcsr(m) }
}

/// The bits of an address that choose its entry of a thread's table for indirect transfers.
pub(crate) fn lookup_mask(guest: &Guest) -> i32 {
    ((LOOKUPS - 1) << guest.lookup_shift) as i32
}

/// A word of the entry that those bits, in RCX, choose. An entry has 16 bytes, which are reached by
/// a scale.
pub(crate) fn lookup_mem(guest: &Guest, word: usize) -> Mem {
    const ENTRY: u32 = size_of::<Lookup>().ilog2();
    let scale = (ENTRY - guest.lookup_shift) as u8;
    Mem::index(RBP, RCX, scale, (offset_of!(Thread, lookup) + word) as i32 - STATE_BIAS)
}

/// Emits the glue at `a.p`.
pub(crate) fn emit(a: &mut Asm, buffers: &Buffers, guest: &Guest) -> Glue {
    let saved = [RBX, RBP, R12, R13, R14, R15];

    // leave: the state is in memory, ECX = reason.
    let leave = a.p as *const u8;
    a.mov(true, RSP, state(offset_of!(Thread, host_sp)));
    a.mov(false, RAX, RCX);
    a.alu_imm(Op::Add, true, Rm::R(RSP), 8);
    for &r in saved.iter().rev() {
        a.pop(r);
    }
    a.ret();

    // exit: RAX = material, ECX = reason, guest state in registers.
    let exit = a.p as *const u8;
    a.mov_store(true, state(offset_of!(Thread, exit_value)), RAX);
    move_pins(a, buffers, false);
    mxcsr(a, false);
    a.mov_store(true, state(offset_of!(Thread, shadow_sp)), RSP);
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
    a.mov_store(true, state(offset_of!(Thread, host_sp)), RSP);
    move_pins(a, buffers, true);
    mxcsr(a, true);
    a.mov(true, RSP, state(offset_of!(Thread, shadow_sp)));
    a.alu_imm(Op::Cmp, false, state(offset_of!(Thread, interrupted)), 0);
    let from = a.p as u64;
    let stop = a.jcc_short(Cc::Ne);
    let to = a.p as u64;
    a.jmp_rm(RAX);
    let entering = Detour { from, to, target: a.p as u64 };
    a.bind(stop);
    a.mov_imm(RCX, reason::INTERRUPTED as u64);
    a.jmp_to(exit);

    let lookup = a.p as *const u8;
    a.mov(false, RCX, RAX);
    a.alu_imm(Op::And, false, Rm::R(RCX), lookup_mask(guest));
    a.alu(Op::Cmp, true, RAX, lookup_mem(guest, 0));
    let miss = a.jcc_short(Cc::Ne);
    let to = a.p as u64;
    a.jmp_rm(lookup_mem(guest, 8));
    let looking = Detour { from: lookup as u64, to, target: a.p as u64 };
    a.bind(miss);
    a.mov_imm(RCX, reason::LOOKUP as u64);
    a.jmp_to(exit);

    let helper = a.p as *const u8;
    move_pins(a, buffers, false);
    mxcsr(a, false);
    a.mov_store(true, state(offset_of!(Thread, shadow_sp)), RSP);
    a.mov(true, RSP, state(offset_of!(Thread, host_sp)));
    a.mov(true, RSI, RCX);
    a.lea(true, RDI, Mem::base(RBP, -STATE_BIAS));
    a.call_rm(RAX);
    a.mov(true, RSP, state(offset_of!(Thread, shadow_sp)));
    a.test(false, Rm::R(RAX), RAX);
    let other = a.jcc_near(Cc::Ne);
    move_pins(a, buffers, true);
    mxcsr(a, true);
    a.alu_imm(Op::Cmp, false, state(offset_of!(Thread, interrupted)), 0);
    let from = a.p as u64;
    let pending = a.jcc_short(Cc::Ne);
    let to = a.p as u64;
    a.ret();
    // A signal came while the helper ran, in the middle of a guest instruction (see `boundary`).
    let helped = a.p as u64;
    let helping = Detour { from, to, target: helped };
    a.bind(pending);
    // Behind each there is a byte where nothing begins: see `boundary::on_sent_signal`.
    a.b(BREAKPOINT);
    a.b(BREAKPOINT);
    let returned = a.p as u64;
    a.b(BREAKPOINT);
    a.b(BREAKPOINT);
    a.bind_near(other);
    a.mov(false, RCX, RAX);
    a.shift_imm(super::asm::Sh::Shl, false, Rm::R(RCX), 8);
    a.alu_imm(Op::Or, false, Rm::R(RCX), reason::HELPER as i32);
    a.pop(RAX);
    a.mov_store(true, state(offset_of!(Thread, exit_value)), RAX);
    a.mov_store(true, state(offset_of!(Thread, shadow_sp)), RSP);
    a.jmp_to(leave);

    let from = a.p as u64;
    let monitor = super::exclusive::emit(a, helper);
    let sha = super::sha::emit(a, buffers);
    let quiet = (from, a.p as u64);

    let (syscall, [calling, called, served]) = syscalls(a, buffers, guest, exit);

    let pieces = Piece::ALL.map(|piece| match piece {
        Piece::Chain => chain,
        Piece::ChainFar => chain_far,
        Piece::Lookup => lookup,
        Piece::Syscall => syscall,
        Piece::Trap => trap,
        Piece::Helper => helper,
        Piece::Reserve => monitor.reserve,
        Piece::Hold => monitor.hold,
        Piece::Written => monitor.written,
        hash => sha.piece(hash),
    });

    Glue {
        enter,
        leave,
        pieces,
        quiet,
        detours: [entering, looking, helping, calling, called, served],
        helped,
        returned,
        end: a.p,
    }
}

impl Glue {
    /// Where a thread at `host` that has just been interrupted goes on instead.
    pub(crate) fn detour(&self, host: u64) -> Option<u64> {
        self.detours.iter().find(|d| (d.from..=d.to).contains(&host)).map(|d| d.target)
    }

    /// The address of a piece.
    pub fn piece(&self, piece: Piece) -> *const u8 {
        self.pieces[piece as usize]
    }

    /// The piece whose address the thread's state has at a distance from RBP.
    pub(crate) fn piece_at(&self, from_rbp: i32) -> Option<u64> {
        let offset = from_rbp.checked_sub(Piece::Chain.place().disp)?;
        let piece = self.pieces.get(usize::try_from(offset / 8).ok()?)?;
        (offset % 8 == 0).then_some(*piece as u64)
    }

    /// Whether the call of `host` either leaves generated code or looks for a pending signal before
    /// it returns.
    pub(crate) fn sees_signals(&self, host: u64) -> bool {
        let seeing = [Piece::Chain, Piece::ChainFar, Piece::Trap, Piece::Helper];
        seeing.iter().any(|&piece| self.piece(piece) as u64 == host)
    }
}

/// The entry for system calls. It is called with guest registers as at an instruction boundary. The
/// return address points at an instruction without effect whose immediate is the address of the
/// next guest instruction: [`NEAR_DATA`] and its distance from its own place, or two bytes and all
/// of it.
///
/// A call that [`fast_calls`] knows is made here. The kernel preserves all registers but RAX, RCX
/// and R11 (and the vector registers), so only those that carry arguments are saved. From the test
/// of `interrupted` to the kernel's entry there is no gap: it is the first of the detours returned.
/// The second and the third are those behind a call that the kernel or the helper has made.
fn syscalls(a: &mut Asm, buffers: &Buffers, guest: &Guest, exit: *const u8) -> (*const u8, [Detour; 3]) {
    const ARGS: [u8; 6] = [RDI, RSI, RDX, R10, R8, R9];
    let regs = &guest.syscall;
    let (gpr, _) = buffers.maps();
    let slot = |r: R| state(offset_of!(Cpu, gpr) + r.0 as usize * 8);
    let changed = |h: u8| ARGS.contains(&h) || h == R11;
    let (_, vec) = buffers.maps();
    let vectors = |a: &mut Asm, load: bool| {
        for (slot, &h) in vec.iter().enumerate().filter(|(_, h)| **h != NONE) {
            let m = state(offset_of!(Cpu, vec) + slot * 16);
            a.v2(if load { MOVAPS } else { MOVAPS_STORE }, h, m);
        }
    };
    // Pinned slots that the call would lose, or that are arguments.
    let saved = |s: usize| gpr[s] != NONE && (changed(gpr[s]) || regs.args.contains(&R(s as u8)));
    let reload = |a: &mut Asm| {
        for s in (0..64).filter(|&s| gpr[s] != NONE && changed(gpr[s])) {
            a.mov(true, gpr[s], slot(R(s as u8)));
        }
    };

    let entry = a.p as *const u8;
    // As a return from an exception does.
    a.mov_store_imm(true, state(offset_of!(Cpu, excl_addr)), -1);
    match gpr[regs.number.0 as usize & 63] {
        NONE => a.mov(false, RAX, slot(regs.number)),
        h => a.mov(false, RAX, h),
    }
    a.alu_imm(Op::Cmp, false, Rm::R(RAX), fast_calls::LEN as i32);
    let large = a.jcc_near(Cc::Ae);
    a.mov_imm(RCX, TABLE.as_ptr() as u64);
    a.movzx(2, RCX, Mem::index(RCX, RAX, 1, 0));
    a.alu_imm(Op::Sub, false, Rm::R(RCX), 1);
    let none = a.jcc_near(Cc::B);
    a.alu_imm(Op::Cmp, false, Rm::R(RCX), fast_calls::LOCAL as i32 - 1);
    let local = a.jcc_near(Cc::E);
    for s in (0..64).filter(|&s| saved(s)) {
        a.mov_store(true, slot(R(s as u8)), gpr[s]);
    }
    a.mov(false, RAX, RCX);
    for (&host, &r) in ARGS.iter().zip(&regs.args) {
        a.mov(true, host, slot(r));
    }
    let test = a.p as u64;
    a.alu_imm(Op::Cmp, false, state(offset_of!(Thread, interrupted)), 0);
    let pending = a.jcc_near(Cc::Ne);
    let enter = a.p as u64;
    a.syscall();
    let finish = |a: &mut Asm| {
        reload(a);
        match gpr[regs.result.0 as usize & 63] {
            NONE => a.mov_store(true, slot(regs.result), RAX),
            h => a.mov(true, h, RAX),
        }
    };
    let behind = a.p as u64;
    finish(a);
    let behind_last = a.p as u64;
    a.ret();
    // The helper of the Linux layer reads the arguments from memory, computes with integers only
    // (MXCSR stays), keeps the registers that C functions keep, and sets the result there or does
    // nothing.
    a.bind_near(local);
    for s in (0..64).filter(|&s| saved(s)) {
        a.mov_store(true, slot(R(s as u8)), gpr[s]);
    }
    vectors(a, false);
    a.mov_store(true, state(offset_of!(Thread, shadow_sp)), RSP);
    a.mov(true, RSP, state(offset_of!(Thread, host_sp)));
    a.mov(false, RSI, RAX);
    a.lea(true, RDI, Mem::base(RBP, -STATE_BIAS));
    a.mov_imm(RAX, &raw const HELPER as u64);
    a.call_rm(Mem::base(RAX, 0));
    a.mov(true, RSP, state(offset_of!(Thread, shadow_sp)));
    vectors(a, true);
    a.test(false, Rm::R(RAX), RAX);
    let refused = a.jcc_near(Cc::Ne);
    reload(a);
    if let Some(h) = Some(gpr[regs.result.0 as usize & 63]).filter(|&h| h != NONE && !changed(h)) {
        a.mov(true, h, slot(regs.result));
    }
    a.alu_imm(Op::Cmp, false, state(offset_of!(Thread, interrupted)), 0);
    let tested = a.p as u64;
    let stop = a.jcc_near(Cc::Ne);
    let tested_last = a.p as u64;
    a.ret();
    let leave = |a: &mut Asm, near: u32, far: u32| {
        a.pop(RAX);
        a.movzx(1, RCX, Mem::base(RAX, 0));
        a.alu_imm(Op::Cmp, false, Rm::R(RCX), NEAR_DATA as i32);
        a.mov_imm(RCX, near as u64);
        let is_near = a.jcc_short(Cc::E);
        a.alu_imm(Op::Add, true, Rm::R(RAX), 1);
        a.mov_imm(RCX, far as u64);
        a.bind(is_near);
        a.alu_imm(Op::Add, true, Rm::R(RAX), 1);
        a.jmp_to(exit);
    };
    let abort = a.p as u64;
    a.bind_near(pending);
    a.bind_near(refused);
    reload(a);
    a.bind_near(large);
    a.bind_near(none);
    leave(a, reason::SYSCALL, reason::SYSCALL_FAR);
    // What is done behind the call can be begun anew.
    let made = a.p as u64;
    finish(a);
    let served = a.p as u64;
    a.bind_near(stop);
    leave(a, reason::MADE, reason::MADE_FAR);
    let detours = [
        Detour { from: test, to: enter, target: abort },
        Detour { from: behind, to: behind_last, target: made },
        Detour { from: tested, to: tested_last, target: served },
    ];
    (entry, detours)
}

//! The guest's state in the context of an interrupted thread
//! (arch/x86/include/uapi/asm/ucontext.h), and faults in generated code.

use crate::backend::{Fixed, fixed};
use crate::boundary::{self, TRAP_FLAG};
use crate::glue::reason;
use crate::{HostFlags, HostPart, STATE_BIAS};
use anyarch_engine::cache::{self, CACHE, Origin};
use anyarch_engine::reservations;
use anyarch_engine::run::{HostContext, Thread};
use anyarch_engine::state::{Fault, FpWord};

const SIGTRAP: i32 = 5;
const SIGSEGV: i32 = 11;

/// The parts of `ucontext_t` and `struct sigcontext` used here.
#[repr(C)]
pub(crate) struct Uc {
    flags: u64,
    link: u64,
    stack: [u64; 3],
    /// r8 to r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags, segments, err, trapno,
    /// oldmask, cr2.
    pub(crate) gregs: [u64; 23],
    fpstate: *mut u8,
}

const G_RBP: usize = 10;
pub(crate) const G_RCX: usize = 14;
pub(crate) const G_RSP: usize = 15;
pub(crate) const G_RIP: usize = 16;
pub(crate) const G_EFL: usize = 17;
const G_ERR: usize = 19;
/// Index in `gregs` by host register number.
const GREG: [usize; 16] = [13, 14, 12, 11, 15, 10, 9, 8, 0, 1, 2, 3, 4, 5, 6, 7];

/// The guest state of an interrupted context goes to memory, and the context continues at the
/// glue's exit.
///
/// # Safety
/// The context is of this thread, interrupted in generated code at an instruction boundary or a
/// fault.
pub(crate) unsafe fn leave(
    thread: &mut Thread,
    uc: &mut Uc,
    fixed: &Fixed,
    pc: u64,
    flags: HostFlags,
    why: u32,
) {
    let (gpr, vec) = &fixed.maps;
    for (slot, &h) in gpr.iter().enumerate() {
        if let Some(&g) = GREG.get(h as usize) {
            thread.cpu.gpr[slot] = uc.gregs[g];
        }
    }
    // SAFETY: the kernel gives an FXSAVE image: MXCSR at 24, XMM registers from 160.
    unsafe {
        for (slot, &h) in vec.iter().enumerate() {
            if h < 16 {
                thread.cpu.vec[slot] = uc.fpstate.add(160 + 16 * h as usize).cast::<u128>().read_unaligned();
            }
        }
        thread.cpu.host_fp = FpWord(uc.fpstate.add(24).cast::<u32>().read_unaligned());
    }
    let efl = uc.gregs[G_EFL];
    let (sf, zf, cf, of, pf) = (efl >> 7 & 1, efl >> 6 & 1, efl & 1, efl >> 11 & 1, efl >> 2 & 1);
    match flags {
        HostFlags::None => {}
        HostFlags::Add => thread.cpu.set_nzcv((sf << 3 | zf << 2 | cf << 1 | of) as u8),
        HostFlags::Sub => thread.cpu.set_nzcv((sf << 3 | zf << 2 | (cf ^ 1) << 1 | of) as u8),
        HostFlags::Fp => thread.cpu.set_nzcv(match (pf, zf, cf) {
            (1, ..) => 0b0011,
            (_, 1, _) => 0b0110,
            (_, _, 1) => 0b1000,
            _ => 0b0010,
        }),
    }
    thread.cpu.pc = pc;
    reservations::release(&mut thread.cpu, true);
    thread.shadow_sp = uc.gregs[G_RSP];
    uc.gregs[G_RIP] = fixed.glue.leave as u64;
    uc.gregs[G_RCX] = why as u64;
    uc.gregs[G_EFL] &= !TRAP_FLAG;
    HostPart::of(thread).rest.stepping = false;
}

/// See [`anyarch_engine::run::on_host_fault`].
///
/// # Safety
/// As there.
pub(crate) unsafe fn on_fault(thread: &mut Thread, context: HostContext, fault: Fault) -> bool {
    // SAFETY: by the caller.
    let uc = unsafe { &mut *context.cast::<Uc>() };
    let Some(fixed) = fixed() else { return false };
    // SAFETY: by the caller.
    if fault.signo == SIGTRAP && unsafe { boundary::on_trap(thread, uc) } {
        return true;
    }
    let rip = HostPart::of(thread).rest.original(uc.gregs[G_RIP]);
    // The emulator's own fault may come with the lock held.
    if !cache::has(rip) {
        return false;
    }
    if fault.signo == SIGSEGV && thread.is_full(uc.gregs[G_RSP], fault.addr) {
        // Returns beyond this point go through the lookup.
        uc.gregs[G_RSP] = thread.shadow_bottom();
        return true;
    }
    let guard = CACHE.lock();
    let Some(cache) = guard.as_deref() else { return false };
    if uc.gregs[G_RBP] != thread as *mut Thread as u64 + STATE_BIAS as u64 {
        return false;
    }
    let (pc, mark, fused) = match cache.origin(rip) {
        Origin::Insn { pc, mark, fused, .. } => (pc, mark, fused),
        Origin::Check { pc } => {
            // Its bytes can no longer be read: the fetch from there will tell how it faults.
            thread.exit_value = rip + 1;
            // SAFETY: by the caller; the check changes nothing of the guest's.
            unsafe { leave(thread, uc, fixed, pc, HostFlags::None, reason::STALE) };
            return true;
        }
        Origin::Glue | Origin::Outside => return false,
    };
    let mut fault = fault;
    fault.write = fault.signo == SIGSEGV && uc.gregs[G_ERR] & 2 != 0;
    thread.cpu.fault = fault;
    let why = if fused { reason::STEP_FAULT } else { reason::FAULT };
    // SAFETY: by the caller; the place is in a unit.
    unsafe { leave(thread, uc, fixed, pc, HostFlags::of_mark(mark.at_fault()), why) };
    true
}

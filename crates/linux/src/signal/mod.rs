//! Signals: from the host's kernel to the guest's handlers.
//!
//! **Who keeps what.** The kernel keeps almost everything. A disposition of the guest that is
//! "default" or "ignore" is the host's disposition too, so that stops, terminations and ignored
//! signals are the kernel's business; where the guest has a handler the host has ours
//! ([`host::on_signal`]). The guest's signal mask is the host thread's mask. The exception are the
//! five signals that faults raise: they are always unblocked and always handled on the host, and
//! mask and disposition are emulated here.
//!
//! **Delivery.** The host's handler never runs guest code. It records the siginfo in the task's
//! [`Inbox`], sets `signal_pending`, and returns with everything blocked, so that the kernel keeps
//! further signals until this one is delivered. The run loop then reaches a guest instruction
//! boundary, [`deliver`] pushes the guest's frame, computes the guest's new mask and gives it to
//! the host, whereupon the kernel hands over the next signal.
//!
//! **System calls.** Handlers are installed with SA_RESTART exactly when the guest asks for it.
//! Then the kernel itself decides between EINTR and restart; a restart shows as a program counter
//! at the system call instruction, which `safe_syscall_fixup` turns into ERESTARTSYS, and dispatch
//! backs the guest's program counter up, so that the call is made again after the handler.

mod actions;
mod calls;
mod deliver;
mod host;

pub(crate) use actions::SigHand;
pub use calls::*;
pub use deliver::on_altstack;
pub use deliver::raise_fault;
pub(crate) use deliver::{deliver, die_by, raise_sigsys};
pub(crate) use host::{Inbox, begin, block_all, init, reinstall, set_host_mask};
pub(crate) use host::{exec_failed, prepare_exec};

use crate::task::Task;
use anyarch_engine::state::Fault;
use core::sync::atomic::{AtomicU64, Ordering};

/// Number of signals; they are numbered from 1.
const NSIG: usize = 64;

const SIGILL: i32 = 4;
const SIGTRAP: i32 = 5;
const SIGBUS: i32 = 7;
const SIGFPE: i32 = 8;
const SIGKILL: i32 = 9;
const SIGSEGV: i32 = 11;
const SIGSTOP: i32 = 19;

const SIG_DFL: u64 = 0;
const SIG_IGN: u64 = 1;

const SA_NOCLDSTOP: u64 = 1;
const SA_NOCLDWAIT: u64 = 2;
const SA_SIGINFO: u64 = 4;
const SA_RESTORER: u64 = 0x0400_0000;
const SA_EXPOSE_TAGBITS: u64 = 0x800;
const SA_ONSTACK: u64 = 0x0800_0000;
const SA_RESTART: u64 = 0x1000_0000;
const SA_NODEFER: u64 = 0x4000_0000;
const SA_RESETHAND: u64 = 0x8000_0000;
/// All flags that the kernel knows (UAPI_SA_FLAGS); it clears the others so that a program can
/// tell.
const SA_KNOWN: u64 = SA_NOCLDSTOP
    | SA_NOCLDWAIT
    | SA_SIGINFO
    | SA_RESTORER
    | SA_ONSTACK
    | SA_RESTART
    | SA_NODEFER
    | SA_RESETHAND
    | SA_EXPOSE_TAGBITS;

/// sigaltstack flags.
const SS_ONSTACK: i32 = 1;
pub(crate) const SS_DISABLE: i32 = 2;
const SS_AUTODISARM: i32 = i32::MIN;

const SEGV_MAPERR: i32 = 1;
const SI_KERNEL: i32 = 0x80;

const SIG_BLOCK: u64 = 0;
const SIG_UNBLOCK: u64 = 1;
const SIG_SETMASK: u64 = 2;

const fn bit(signo: i32) -> u64 {
    1 << (signo - 1)
}

/// The signals that faults raise.
const FAULTS: [i32; 5] = [SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV];
pub(crate) const FAULT_SET: u64 = bit(SIGILL) | bit(SIGTRAP) | bit(SIGBUS) | bit(SIGFPE) | bit(SIGSEGV);
const UNBLOCKABLE: u64 = bit(SIGKILL) | bit(SIGSTOP);

/// What the host blocks while a recorded signal waits.
const HOLD_ALL: u64 = !FAULT_SET;

/// The guest's dispositions of the signals of faults, which the host's do not show.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct Faults {
    /// The set of those that have a handler.
    pub(crate) caught: u64,
    /// The set of those that are ignored.
    pub(crate) ignored: u64,
}

/// The process's [`Faults`], for other processes, which read them at the same address. A vfork
/// child leaves them alone.
static FAULTS_SEEN: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

/// Where a process of the same executable has its [`Faults`].
pub(crate) fn faults_address() -> u64 {
    FAULTS_SEEN.as_ptr() as u64
}

/// The dispositions of the task's process.
pub(crate) fn faults(task: &Task) -> Faults {
    let mut actions = task.sighand.0.lock();
    let mut faults = Faults::default();
    for signo in FAULTS {
        match actions.get(signo).handler {
            SIG_DFL => {}
            SIG_IGN => faults.ignored |= bit(signo),
            _ => faults.caught |= bit(signo),
        }
    }
    faults
}

fn show_faults(task: &Task) {
    if !task.vfork_child {
        let faults = faults(task);
        FAULTS_SEEN[0].store(faults.caught, Ordering::Relaxed);
        FAULTS_SEEN[1].store(faults.ignored, Ordering::Relaxed);
    }
}

fn fault_index(signo: i32) -> Option<usize> {
    FAULTS.iter().position(|&s| s == signo)
}

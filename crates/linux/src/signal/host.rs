//! The host's side: the handler of all signals, the mask of the host's thread, and what another
//! program inherits.

use super::actions::{Action, host_action, install};
use super::*;
use anyarch_engine::run::{on_host_fault, on_host_signal, on_sent_signal};
use anyarch_sys::arch::{Context, current_task};
use anyarch_sys::calls;
use anyarch_sys::{MemFault, safe_syscall_fixup};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicU32, compiler_fence};

/// Signals that the host's handler recorded. It writes, the run loop reads; both run on the same
/// thread.
pub(crate) struct Inbox {
    /// The one signal recorded by a handler, after which all are blocked. 0: none.
    pub(super) signo: AtomicU32,
    pub(super) info: UnsafeCell<[u8; 128]>,
    /// Signals of [`FAULT_SET`] that were sent (kill, sigqueue), which the guest may have blocked.
    /// As standard signals they do not queue.
    pub(super) sent: AtomicU64,
    pub(super) sent_info: UnsafeCell<[[u8; 128]; FAULTS.len()]>,
}

impl Inbox {
    pub(crate) fn new() -> Inbox {
        Inbox {
            signo: AtomicU32::new(0),
            info: UnsafeCell::new([0; 128]),
            sent: AtomicU64::new(0),
            sent_info: UnsafeCell::new([[0; 128]; FAULTS.len()]),
        }
    }
}

/// Sets the host thread's mask and returns the old one.
pub(crate) fn set_host_mask(mask: u64) -> u64 {
    calls::signal_mask(Some(mask))
}

/// Installs the handlers of faults and learns what the program inherited.
pub(crate) fn init(task: &mut Task) {
    crate::task::thread::set_first_altstack();
    reinstall(task);
    let mask = calls::signal_mask(None);
    *task.sigmask.get_mut() = mask;
    if mask & FAULT_SET != 0 {
        set_host_mask(mask & !FAULT_SET);
    }
}

/// Installs the handlers of faults again, after the kernel reset all.
pub(crate) fn reinstall(task: &mut Task) {
    let mut actions = task.sighand.0.lock();
    for signo in FAULTS {
        if actions.known & bit(signo) != 0 {
            install(signo, &actions.rows[signo as usize - 1]);
        } else {
            // What was inherited comes back from the same call.
            let inherited = install(signo, &Action::DEFAULT);
            actions.inherit(signo, inherited);
        }
    }
    drop(actions);
    show_faults(task);
}

/// A new host thread, with everything blocked, takes signals from here on.
pub(crate) fn begin(task: &mut Task) {
    if task.reinstall {
        reinstall(task);
    }
    if task.sigmask() | FAULT_SET | UNBLOCKABLE != u64::MAX {
        set_host_mask(task.sigmask() & !FAULT_SET);
    }
}

/// Blocks what the host's handler records, for a clone whose child has no task at first: `Some` is
/// the mask to go back to. The signals of faults stay as they are: one that is sent in that moment
/// to the child ends up in the parent's inbox, which does no harm.
pub(crate) fn block_all(task: &Task) -> Option<u64> {
    let blocked = task.sigmask() | FAULT_SET | UNBLOCKABLE == u64::MAX && !task.host_mask_stale;
    (!blocked).then(|| set_host_mask(HOLD_ALL))
}

/// The handler of every signal that the emulator handles on the host. Runs on the thread's
/// alternate stack with [`HOLD_ALL`] blocked; takes no lock but the code cache's, and that only
/// where it interrupted generated code, which holds none; allocates nothing.
pub(super) extern "C" fn on_signal(signo: i32, info: *const u8, context: *mut u8) {
    // SAFETY: the kernel's siginfo and ucontext; the thread has its task before anything is
    // unblocked.
    unsafe {
        let code = info.add(8).cast::<i32>().read();
        let mut interrupted = Context::new(context);
        let task = current_task().cast::<Task>();
        if FAULT_SET & bit(signo) != 0 && code > 0 {
            // Raised by the processor. A general-protection fault (non-canonical address) tells no
            // address: in generated code the engine finds it out.
            let addr = info.add(16).cast::<u64>().read();
            let known = if code == SI_KERNEL && signo == SIGSEGV { SEGV_MAPERR } else { code };
            if anyarch_sys::fixup(&mut interrupted, MemFault { signo, code: known, addr }) {
                return;
            }
            let write = interrupted.is_write();
            if on_host_fault(&mut (*task).thread, context, Fault { signo, code, addr, write }) {
                return;
            }
            own_fault(signo, interrupted.pc(), addr);
        }
        on_sent_signal(&mut (*task).thread, context);
        let inbox = &raw const (*task).inbox;
        let deliverable = if let Some(i) = fault_index(signo) {
            if (*inbox).sent.load(Ordering::Relaxed) & bit(signo) == 0 {
                let slot = (*inbox).sent_info.get().cast::<[u8; 128]>().add(i);
                slot.cast::<u8>().copy_from_nonoverlapping(info, 128);
                compiler_fence(Ordering::Release);
                (*inbox).sent.fetch_or(bit(signo), Ordering::Relaxed);
            }
            (*task).sigmask.load(Ordering::Relaxed) & bit(signo) == 0
        } else {
            (*inbox).info.get().cast::<u8>().copy_from_nonoverlapping(info, 128);
            compiler_fence(Ordering::Release);
            (*inbox).signo.store(signo as u32, Ordering::Relaxed);
            interrupted.set_mask(HOLD_ALL);
            true
        };
        if deliverable {
            (*task).signal_pending.store(1, Ordering::Relaxed);
            if let Some(pc) = safe_syscall_fixup(interrupted.pc()) {
                interrupted.set_pc(pc);
            }
            on_host_signal(&mut (*task).thread, context);
        }
    }
}

/// The emulator itself faulted, which is a bug of it: says so and lets the process die of the
/// signal.
pub(super) fn own_fault(signo: i32, pc: u64, addr: u64) {
    static REPORTED: AtomicBool = AtomicBool::new(false);
    if !REPORTED.swap(true, Ordering::Relaxed) {
        let mut line = *b"anyarch: internal fault, signal 00 at 0000000000000000, address 0000000000000000\n";
        line[32] = b'0' + (signo / 10) as u8;
        line[33] = b'0' + (signo % 10) as u8;
        for (at, value) in [(38, pc), (64, addr)] {
            for i in 0..16 {
                line[at + i] = b"0123456789abcdef"[(value >> (60 - 4 * i)) as usize & 15];
            }
        }
        anyarch_sys::write_all(2, &line);
    }
    // On return the instruction faults again, now with the default action.
    host_action(signo, Some(&Action { flags: SA_RESTORER, ..Action::DEFAULT }));
}

/// Before a host execve: the new program inherits the guest's mask and ignored signals.
pub(crate) fn prepare_exec(task: &mut Task) {
    let mut actions = task.sighand.0.lock();
    for signo in FAULTS {
        if actions.get(signo).handler == SIG_IGN {
            host_action(signo, Some(&Action { handler: SIG_IGN, flags: SA_RESTORER, ..Action::DEFAULT }));
        }
    }
    set_host_mask(task.sigmask());
}

/// The host execve failed: everything as before.
pub(crate) fn exec_failed(task: &mut Task) {
    {
        let mut actions = task.sighand.0.lock();
        for signo in FAULTS {
            let action = actions.get(signo);
            if action.handler == SIG_IGN {
                install(signo, &action);
            }
        }
    }
    task.host_mask_stale = true;
}

//! Delivery: which signal is next, its frame, and what happens without a handler.

use super::actions::{Action, host_action};
use super::calls::flags_to_guest;
use super::host::set_host_mask;
use super::*;
use crate::abi::{AltStack, SignalDelivery};
use crate::structure::constants::SIGNALS;
use crate::structure::siginfo;
use anyarch_engine::interp::effective;
use anyarch_sys::calls;
use anyarch_sys::exit_group;
use core::sync::atomic::compiler_fence;

/// What a delivery is about.
pub(super) struct Event {
    pub(super) signo: i32,
    pub(super) info: [u8; 128],
    pub(super) fault_addr: u64,
    pub(super) fault_write: bool,
}

pub(super) fn host_info(signo: i32, code: i32, addr: u64) -> [u8; 128] {
    let mut info = [0; 128];
    info[..4].copy_from_slice(&signo.to_le_bytes());
    info[8..12].copy_from_slice(&code.to_le_bytes());
    info[16..24].copy_from_slice(&addr.to_le_bytes());
    info
}

impl Task {
    /// Sets the guest's mask. The host's follows in [`deliver`], unless the caller has seen to it.
    pub(crate) fn set_sigmask(&mut self, mask: u64) {
        let mask = mask & !UNBLOCKABLE;
        self.sigmask.store(mask, Ordering::Relaxed);
        // The handler did not announce signals that were blocked when they came.
        if self.inbox.sent.load(Ordering::Relaxed) & !mask != 0 {
            self.signal_pending.store(1, Ordering::Relaxed);
        }
    }

    pub(super) fn next_signal(&mut self) -> Option<Event> {
        self.signal_pending.store(0, Ordering::Relaxed);
        let event = |signo, info| Some(Event { signo, info, fault_addr: 0, fault_write: false });
        let sent = self.inbox.sent.load(Ordering::Relaxed) & !self.sigmask();
        if sent != 0 {
            let signo = sent.trailing_zeros() as i32 + 1;
            return event(signo, self.take_sent(signo));
        }
        let signo = self.inbox.signo.load(Ordering::Relaxed) as i32;
        if signo == 0 {
            return None;
        }
        compiler_fence(Ordering::Acquire);
        // SAFETY: everything is blocked until the slot is free again, so the handler does not
        // write.
        let info = unsafe { self.inbox.info.get().read() };
        self.inbox.signo.store(0, Ordering::Relaxed);
        self.host_mask_stale = true;
        event(signo, info)
    }

    /// Takes a sent signal of [`FAULT_SET`] that is in the inbox.
    pub(super) fn take_sent(&mut self, signo: i32) -> [u8; 128] {
        // SAFETY: the handler does not write to a slot whose bit is set.
        let info = unsafe {
            self.inbox.sent_info.get().cast::<[u8; 128]>().add(fault_index(signo).unwrap_or(0)).read()
        };
        compiler_fence(Ordering::Release);
        self.inbox.sent.fetch_and(!bit(signo), Ordering::Relaxed);
        info
    }

    /// The signals of [`FAULT_SET`] that are pending, for [`Task::forget_pending`].
    pub(crate) fn pending_faults(&self) -> u64 {
        self.inbox.sent.load(Ordering::Relaxed)
    }

    /// The same, apart: those that were sent to the thread, and those that were sent to the
    /// process.
    pub(crate) fn pending_faults_by_target(&self) -> (u64, u64) {
        const SI_TKILL: i32 = -6;
        let (mut thread, mut process) = (0, 0);
        let sent = self.pending_faults();
        for (i, signo) in FAULTS.into_iter().enumerate().filter(|f| sent & bit(f.1) != 0) {
            compiler_fence(Ordering::Acquire);
            // SAFETY: the handler does not write to a slot whose bit is set.
            let info = unsafe { self.inbox.sent_info.get().cast::<[u8; 128]>().add(i).read() };
            let code = i32::from_le_bytes([info[8], info[9], info[10], info[11]]);
            *(if code == SI_TKILL { &mut thread } else { &mut process }) |= bit(signo);
        }
        (thread, process)
    }

    /// A child of fork starts with no signal pending: forgets `inherited`. Nothing else is the
    /// parent's, since a fork is only made while nothing is recorded; what is recorded now was sent
    /// to the child itself, perhaps before it got here, and must reach it.
    pub(crate) fn forget_pending(&mut self, inherited: u64) {
        self.inbox.sent.fetch_and(!inherited, Ordering::Relaxed);
        self.saved_sigmask = None;
    }
}

/// Delivers what has been recorded, and brings the host's mask in line with the guest's. At a guest
/// instruction boundary.
pub(crate) fn deliver(task: &mut Task) {
    loop {
        while let Some(event) = task.next_signal() {
            handle(task, &event);
        }
        if let Some(mask) = task.saved_sigmask.take() {
            task.set_sigmask(mask);
            task.host_mask_stale = true;
        }
        if !task.host_mask_stale {
            return;
        }
        task.host_mask_stale = false;
        // Whatever the kernel held back arrives here, one signal, and the loop goes on.
        set_host_mask(task.sigmask() & !FAULT_SET);
        if task.signal_pending.load(Ordering::Relaxed) == 0 {
            return;
        }
    }
}

/// The instruction at `cpu.pc` faulted: as the kernel's force_sig_fault, the signal cannot be
/// blocked or ignored.
pub fn raise_fault(task: &mut Task, fault: Fault) {
    let event = Event {
        signo: fault.signo,
        info: host_info(fault.signo, fault.code, fault.addr),
        fault_addr: fault.addr,
        fault_write: fault.write,
    };
    force(task, &event);
}

/// SIGSYS for a call that a seccomp filter caught: as the kernel's force_sig_seccomp.
pub(crate) fn raise_sigsys(task: &mut Task, errno: i32, call_addr: u64, number: i32, arch: u32) {
    pub(super) const SIGSYS: i32 = 31;
    pub(super) const SYS_SECCOMP: i32 = 1;
    let mut info = host_info(SIGSYS, SYS_SECCOMP, call_addr);
    info[4..8].copy_from_slice(&errno.to_le_bytes());
    info[24..28].copy_from_slice(&number.to_le_bytes());
    info[28..32].copy_from_slice(&arch.to_le_bytes());
    force(task, &Event { signo: SIGSYS, info, fault_addr: 0, fault_write: false });
}

/// Delivers a signal that must take effect: blocked or ignored, it kills.
pub(super) fn force(task: &mut Task, event: &Event) {
    let action = task.sighand.0.lock().get(event.signo);
    if !action.has_handler() || task.sigmask() & bit(event.signo) != 0 {
        die_by(event.signo);
    }
    handle(task, event);
}

/// SIGSEGV when a frame cannot be written or read.
pub(super) fn force_segv(task: &mut Task, (code, addr): (i32, u64)) {
    force(
        task,
        &Event { signo: SIGSEGV, info: host_info(SIGSEGV, code, addr), fault_addr: addr, fault_write: false },
    );
}

pub(super) fn handle(task: &mut Task, event: &Event) {
    let signo = event.signo;
    let action = {
        let mut actions = task.sighand.0.lock();
        let action = actions.get(signo);
        if action.has_handler() && action.flags & SA_RESETHAND != 0 {
            actions.set(signo, Action { handler: SIG_DFL, ..action });
        }
        action
    };
    match action.handler {
        SIG_IGN => return,
        SIG_DFL => return default_action(signo),
        _ => {}
    }
    let sp = task.abi.sp(&task.thread.cpu);
    let (ss_sp, ss_flags, ss_size) = task.altstack;
    let use_altstack = action.flags & SA_ONSTACK != 0 && ss_size != 0 && !on_altstack(task.altstack, sp);
    let mask = task.sigmask.load(Ordering::Relaxed);
    let mut info = event.info;
    // si_addr of a fault has no tag unless the handler asks for it (arch_untagged_si_addr).
    if matches!(signo, SIGSEGV | SIGBUS) && event.fault_addr != 0 && action.flags & SA_EXPOSE_TAGBITS == 0 {
        let addr = effective(event.fault_addr, task.thread.cpu.ignored_bits);
        info[16..24].copy_from_slice(&addr.to_le_bytes());
    }
    let model = task.abi.model();
    let delivery = SignalDelivery {
        signo: SIGNALS.to_guest(model, signo as u32).map_or(signo, |signo| signo as i32),
        info: if siginfo::same(model) { info } else { siginfo::to_guest(model, &info) },
        handler: action.handler,
        flags: flags_to_guest(task, action.flags),
        restorer: if action.flags & SA_RESTORER != 0 {
            action.restorer
        } else {
            crate::program::try_get().map_or(0, |p| p.sigreturn)
        },
        old_mask: task.saved_sigmask.unwrap_or(mask),
        sp: if use_altstack { ss_sp.wrapping_add(ss_size) } else { sp },
        altstack: (ss_sp, ss_flags, ss_size),
        fault_addr: event.fault_addr,
        fault_write: event.fault_write,
    };
    if task.abi.push_signal_frame(&mut task.thread.cpu, &delivery).is_err() {
        // As force_sigsegv: a second failure, or one while delivering SIGSEGV, is fatal.
        if signo == SIGSEGV {
            die_by(SIGSEGV);
        }
        return force_segv(task, (SI_KERNEL, 0));
    }
    task.saved_sigmask = None;
    if ss_flags & SS_AUTODISARM != 0 {
        task.altstack = (0, SS_DISABLE, 0);
    }
    let own = if action.flags & SA_NODEFER != 0 { 0 } else { bit(signo) };
    if mask | action.mask | own != mask {
        task.set_sigmask(mask | action.mask | own);
        task.host_mask_stale = true;
    }
}

/// The default action of a signal that came to us although the guest has no handler: one of the
/// faults' that was sent, or the disposition changed meanwhile. The kernel performs it.
pub(super) fn default_action(signo: i32) {
    const IGNORED: u64 = bit(17) | bit(18) | bit(23) | bit(28); // CHLD, CONT, URG, WINCH
    const STOPS: u64 = bit(19) | bit(20) | bit(21) | bit(22); // STOP, TSTP, TTIN, TTOU
    if IGNORED & bit(signo) != 0 {
        return;
    }
    if STOPS & bit(signo) != 0 {
        let old = set_host_mask(HOLD_ALL & !bit(signo));
        raise_on_host(signo);
        set_host_mask(old);
        return;
    }
    die_by(signo);
}

pub(super) fn raise_on_host(signo: i32) {
    calls::raise(signo);
}

/// Ends the process by the signal's default action, so that whoever waits sees the truth.
pub(crate) fn die_by(signo: i32) -> ! {
    host_action(signo, Some(&Action { flags: SA_RESTORER, ..Action::DEFAULT }));
    set_host_mask(!bit(signo));
    raise_on_host(signo);
    // Reached only by the first process of a pid namespace, which default actions do not kill.
    exit_group(128 + signo)
}

/// The kernel's on_sig_stack.
pub fn on_altstack((ss_sp, ss_flags, ss_size): AltStack, sp: u64) -> bool {
    ss_flags & SS_AUTODISARM == 0 && sp > ss_sp && sp - ss_sp <= ss_size
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn altstack_bounds() {
        let stack = (0x1000, 0, 0x2000);
        for (sp, want) in [(0x1000, false), (0x1001, true), (0x3000, true), (0x3001, false)] {
            assert_eq!(on_altstack(stack, sp), want, "{sp:#x}");
        }
        assert!(!on_altstack((0x1000, SS_AUTODISARM, 0x2000), 0x2000));
    }

    #[test]
    fn siginfo_layout() {
        let info = host_info(SIGSEGV, SEGV_MAPERR, 0x1122_3344_5566_7788);
        assert_eq!(info[..12], [11, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
        assert_eq!(info[16..24], 0x1122_3344_5566_7788u64.to_le_bytes());
    }
}

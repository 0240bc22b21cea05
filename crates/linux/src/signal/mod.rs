//! Signals: from the host's kernel to the guest's handlers.
//!
//! **Who keeps what.** The kernel keeps almost everything. A disposition of the guest that is "default" or "ignore" is the host's disposition too,
//! so that stops, terminations and ignored signals are the kernel's business; where the guest has a handler the host has ours
//! ([`on_signal`]). The guest's signal mask is the host thread's mask. The exception are the five signals that faults raise: they are always
//! unblocked and always handled on the host, and mask and disposition are emulated here.
//!
//! **Delivery.** The host's handler never runs guest code. It records the siginfo in the task's [`Inbox`], sets `signal_pending`, and
//! returns with everything blocked, so that the kernel keeps further signals until this one is delivered. The run loop then reaches a
//! guest instruction boundary, [`deliver`] pushes the guest's frame, computes the guest's new mask and gives it to the host, whereupon the kernel hands
//! over the next signal.
//!
//! **System calls.** Handlers are installed with SA_RESTART exactly when the guest asks for it. Then the kernel itself decides between EINTR and
//! restart; a restart shows as a program counter at the system call instruction, which `safe_syscall_fixup` turns into ERESTARTSYS, and
//! dispatch backs the guest's program counter up, so that the call is made again after the handler.

use crate::abi::SignalDelivery;
use crate::calls::dispatch::{KEEP_REGISTERS, host_call};
use crate::task::Task;
use anyarch_engine::interp::effective;
use anyarch_engine::run::{on_host_fault, on_host_signal, on_sent_signal};
use anyarch_engine::state::Fault;
use anyarch_sys::arch::{Context, current_task, restorer};
use anyarch_sys::raw::general::{
    __NR_exit_group, __NR_getpid, __NR_gettid, __NR_rt_sigaction, __NR_rt_sigpending, __NR_rt_sigprocmask,
    __NR_rt_sigsuspend, __NR_rt_sigtimedwait, __NR_tgkill,
};
use anyarch_sys::{Errno, MemFault, Mutex, SysResult, raw_syscall, read, safe_syscall_fixup, syscall, write};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, compiler_fence};

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
/// All flags that the kernel knows (UAPI_SA_FLAGS); it clears the others so that a program can tell.
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

/// A disposition as the guest set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Action {
    handler: u64,
    flags: u64,
    restorer: u64,
    mask: u64,
}

impl Action {
    const DEFAULT: Action = Action { handler: SIG_DFL, flags: 0, restorer: 0, mask: 0 };

    fn has_handler(&self) -> bool {
        self.handler > SIG_IGN
    }
}

struct Actions {
    rows: [Action; NSIG],
    /// Bit n-1: row n holds the disposition. The others are still as inherited, and are asked from the host when needed.
    known: u64,
}

impl Actions {
    fn get(&mut self, signo: i32) -> Action {
        if self.known & bit(signo) == 0 {
            self.inherit(signo, host_action(signo, None));
        }
        self.rows[signo as usize - 1]
    }

    fn inherit(&mut self, signo: i32, inherited: Action) {
        let handler = if inherited.handler == SIG_IGN { SIG_IGN } else { SIG_DFL };
        self.rows[signo as usize - 1] = Action { handler, ..inherited };
        self.known |= bit(signo);
    }

    /// Changes a disposition, here and on the host.
    fn set(&mut self, signo: i32, action: Action) {
        self.rows[signo as usize - 1] = action;
        self.known |= bit(signo);
        install(signo, &action);
    }
}

/// The dispositions of a process. Locked for short times and never by a host signal handler.
pub(crate) struct SigHand(Mutex<Actions>);

impl SigHand {
    pub(crate) fn new() -> SigHand {
        SigHand(Mutex::new(Actions { rows: [Action::DEFAULT; NSIG], known: 0 }))
    }

    /// A copy for a process that shares memory but not dispositions. `clear`: handlers become default (CLONE_CLEAR_SIGHAND, where the kernel
    /// has done the same on the host).
    pub(crate) fn copy(&self, clear: bool) -> SigHand {
        let actions = self.0.lock();
        let mut rows = actions.rows;
        if clear {
            for row in &mut rows {
                if row.has_handler() {
                    *row = Action::DEFAULT;
                }
            }
        }
        SigHand(Mutex::new(Actions { rows, known: actions.known }))
    }

    /// Takes the lock for a fork; the guard is given back in parent and child.
    pub(crate) fn hold(&self) -> impl Drop + '_ {
        self.0.lock()
    }
}

/// Signals that the host's handler recorded. It writes, the run loop reads; both run on the same thread.
pub(crate) struct Inbox {
    /// The one signal recorded by a handler, after which all are blocked. 0: none.
    signo: AtomicU32,
    info: UnsafeCell<[u8; 128]>,
    /// Signals of [`FAULT_SET`] that were sent (kill, sigqueue), which the guest may have blocked. As standard signals they do not queue.
    sent: AtomicU64,
    sent_info: UnsafeCell<[[u8; 128]; FAULTS.len()]>,
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

// ---------------------------------------------------------------------------------------------------------------------------------
// The host side.

/// Sets (or only asks) the host's disposition; returns the old one.
fn host_action(signo: i32, new: Option<&Action>) -> Action {
    let mut old = Action::DEFAULT;
    let new = new.map_or(core::ptr::null(), |a| a as *const Action as *const u64);
    let new_raw: [u64; 4] = if new.is_null() {
        [0; 4]
    } else {
        // The order of architectures that have SA_RESTORER, which all hosts are: handler, flags, restorer, mask, as Action's.
        // SAFETY: `new` points at an Action.
        let a = unsafe { &*(new as *const Action) };
        [a.handler, a.flags, a.restorer, a.mask]
    };
    let mut old_raw = [0u64; 4];
    // SAFETY: both point at four words, or null.
    let result = unsafe {
        syscall!(
            __NR_rt_sigaction,
            signo,
            if new.is_null() { 0 } else { new_raw.as_ptr() as u64 },
            old_raw.as_mut_ptr(),
            8
        )
    };
    if result.is_ok() {
        old = Action { handler: old_raw[0], flags: old_raw[1], restorer: old_raw[2], mask: old_raw[3] };
    }
    old
}

/// Makes the host's disposition fit the guest's; returns the host's old one.
fn install(signo: i32, action: &Action) -> Action {
    if signo == SIGKILL || signo == SIGSTOP {
        return Action::DEFAULT;
    }
    let ours = action.has_handler() || FAULT_SET & bit(signo) != 0;
    let kept = action.flags & (SA_NOCLDSTOP | SA_NOCLDWAIT);
    let host = if ours {
        // Without a handler of the guest's nothing may see an interruption, so calls restart.
        let restart = if action.has_handler() { action.flags & SA_RESTART } else { SA_RESTART };
        Action {
            handler: on_signal as *const () as u64,
            flags: kept | restart | SA_SIGINFO | SA_ONSTACK | SA_RESTORER,
            restorer: restorer(),
            mask: HOLD_ALL,
        }
    } else {
        Action { handler: action.handler, flags: kept | SA_RESTORER, restorer: restorer(), mask: 0 }
    };
    host_action(signo, Some(&host))
}

/// Sets the host thread's mask and returns the old one.
pub(crate) fn set_host_mask(mask: u64) -> u64 {
    let mut old = 0u64;
    // SAFETY: both masks are ours.
    let _ = unsafe { syscall!(__NR_rt_sigprocmask, SIG_SETMASK, &raw const mask, &raw mut old, 8) };
    old
}

/// Installs the handlers of faults and learns what the program inherited.
pub(crate) fn init(task: &mut Task) {
    crate::task::thread::set_first_altstack();
    reinstall(task);
    let mut mask = 0u64;
    // SAFETY: asks the mask.
    let _ = unsafe { syscall!(__NR_rt_sigprocmask, SIG_SETMASK, 0, &raw mut mask, 8) };
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

/// Blocks what the host's handler records, for a clone whose child has no task at first: `Some` is the mask to go back to. The signals of faults stay as they are: one
/// that is sent in that moment to the child ends up in the parent's inbox, which does no harm.
pub(crate) fn block_all(task: &Task) -> Option<u64> {
    let blocked = task.sigmask() | FAULT_SET | UNBLOCKABLE == u64::MAX && !task.host_mask_stale;
    (!blocked).then(|| set_host_mask(HOLD_ALL))
}

/// The handler of every signal that the emulator handles on the host. Runs on the thread's alternate stack with [`HOLD_ALL`] blocked; takes no
/// lock but the code cache's, and that only where it interrupted generated code, which holds none; allocates nothing.
extern "C" fn on_signal(signo: i32, info: *const u8, context: *mut u8) {
    // SAFETY: the kernel's siginfo and ucontext; the thread has its task before anything is unblocked.
    unsafe {
        let code = info.add(8).cast::<i32>().read();
        let mut interrupted = Context::new(context);
        let task = current_task().cast::<Task>();
        if FAULT_SET & bit(signo) != 0 && code > 0 {
            // Raised by the processor. A general-protection fault (non-canonical address) tells no address: in generated code the engine finds it out.
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

/// The emulator itself faulted, which is a bug of it: says so and lets the process die of the signal.
fn own_fault(signo: i32, pc: u64, addr: u64) {
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

// ---------------------------------------------------------------------------------------------------------------------------------
// The guest side.

/// What a delivery is about.
struct Event {
    signo: i32,
    info: [u8; 128],
    fault_addr: u64,
    fault_write: bool,
}

fn siginfo(signo: i32, code: i32, addr: u64) -> [u8; 128] {
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

    fn next_signal(&mut self) -> Option<Event> {
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
        // SAFETY: everything is blocked until the slot is free again, so the handler does not write.
        let info = unsafe { self.inbox.info.get().read() };
        self.inbox.signo.store(0, Ordering::Relaxed);
        self.host_mask_stale = true;
        event(signo, info)
    }

    /// Takes a sent signal of [`FAULT_SET`] that is in the inbox.
    fn take_sent(&mut self, signo: i32) -> [u8; 128] {
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

    /// A child of fork starts with no signal pending: forgets `inherited`. Nothing else is the parent's, since a fork is only made while nothing is
    /// recorded; what is recorded now was sent to the child itself, perhaps before it got here, and must reach it.
    pub(crate) fn forget_pending(&mut self, inherited: u64) {
        self.inbox.sent.fetch_and(!inherited, Ordering::Relaxed);
        self.saved_sigmask = None;
    }
}

/// Delivers what has been recorded, and brings the host's mask in line with the guest's. At a guest instruction boundary.
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

/// The instruction at `cpu.pc` faulted: as the kernel's force_sig_fault, the signal cannot be blocked or ignored.
pub(crate) fn raise_fault(task: &mut Task, fault: Fault) {
    let event = Event {
        signo: fault.signo,
        info: siginfo(fault.signo, fault.code, fault.addr),
        fault_addr: fault.addr,
        fault_write: fault.write,
    };
    force(task, &event);
}

/// SIGSYS for a call that a seccomp filter caught: as the kernel's force_sig_seccomp.
pub(crate) fn raise_sigsys(task: &mut Task, errno: i32, call_addr: u64, number: i32, arch: u32) {
    const SIGSYS: i32 = 31;
    const SYS_SECCOMP: i32 = 1;
    let mut info = siginfo(SIGSYS, SYS_SECCOMP, call_addr);
    info[4..8].copy_from_slice(&errno.to_le_bytes());
    info[24..28].copy_from_slice(&number.to_le_bytes());
    info[28..32].copy_from_slice(&arch.to_le_bytes());
    force(task, &Event { signo: SIGSYS, info, fault_addr: 0, fault_write: false });
}

/// Delivers a signal that must take effect: blocked or ignored, it kills.
fn force(task: &mut Task, event: &Event) {
    let action = task.sighand.0.lock().get(event.signo);
    if !action.has_handler() || task.sigmask() & bit(event.signo) != 0 {
        die_by(event.signo);
    }
    handle(task, event);
}

/// SIGSEGV when a frame cannot be written or read.
fn force_segv(task: &mut Task, (code, addr): (i32, u64)) {
    force(
        task,
        &Event { signo: SIGSEGV, info: siginfo(SIGSEGV, code, addr), fault_addr: addr, fault_write: false },
    );
}

fn handle(task: &mut Task, event: &Event) {
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
    let cpu = &mut task.thread.cpu;
    let sp = task.abi.sp(cpu);
    let (ss_sp, ss_flags, ss_size) = task.altstack;
    let use_altstack = action.flags & SA_ONSTACK != 0 && ss_size != 0 && !on_altstack(task.altstack, sp);
    let mask = task.sigmask.load(Ordering::Relaxed);
    let mut info = event.info;
    // si_addr of a fault has no tag unless the handler asks for it (arch_untagged_si_addr).
    if matches!(signo, SIGSEGV | SIGBUS) && event.fault_addr != 0 && action.flags & SA_EXPOSE_TAGBITS == 0 {
        let addr = effective(event.fault_addr, cpu.ignored_bits);
        info[16..24].copy_from_slice(&addr.to_le_bytes());
    }
    let delivery = SignalDelivery {
        signo,
        info,
        handler: action.handler,
        flags: action.flags,
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

/// The default action of a signal that came to us although the guest has no handler: one of the faults' that was sent, or the disposition
/// changed meanwhile. The kernel performs it.
fn default_action(signo: i32) {
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

fn raise_on_host(signo: i32) {
    // SAFETY: signals the calling thread.
    unsafe {
        let (pid, tid) = (raw_syscall(__NR_getpid, [0; 6]), raw_syscall(__NR_gettid, [0; 6]));
        let _ = syscall!(__NR_tgkill, pid, tid, signo);
    }
}

/// Ends the process by the signal's default action, so that whoever waits sees the truth.
pub(crate) fn die_by(signo: i32) -> ! {
    host_action(signo, Some(&Action { flags: SA_RESTORER, ..Action::DEFAULT }));
    set_host_mask(!bit(signo));
    raise_on_host(signo);
    loop {
        // Reached only by the first process of a pid namespace, which default actions do not kill.
        // SAFETY: ends the process.
        unsafe { raw_syscall(__NR_exit_group, [128 + signo as u64, 0, 0, 0, 0, 0]) };
    }
}

/// The kernel's on_sig_stack.
pub fn on_altstack((ss_sp, ss_flags, ss_size): (u64, i32, u64), sp: u64) -> bool {
    ss_flags & SS_AUTODISARM == 0 && sp > ss_sp && sp - ss_sp <= ss_size
}

// ---------------------------------------------------------------------------------------------------------------------------------
// exec: what another program inherits.

/// Before a host execve: the new program inherits the guest's mask and ignored signals.
pub fn prepare_exec(task: &mut Task) {
    let mut actions = task.sighand.0.lock();
    for signo in FAULTS {
        if actions.get(signo).handler == SIG_IGN {
            host_action(signo, Some(&Action { handler: SIG_IGN, flags: SA_RESTORER, ..Action::DEFAULT }));
        }
    }
    set_host_mask(task.sigmask());
}

/// The host execve failed: everything as before.
pub fn exec_failed(task: &mut Task) {
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

// ---------------------------------------------------------------------------------------------------------------------------------
// System calls.

fn check_size(size: u64) -> Result<(), Errno> {
    if size == 8 { Ok(()) } else { Err(Errno::EINVAL) }
}

/// rt_sigaction(2).
///
/// # Errors
/// `EINVAL`, `EFAULT`.
pub fn rt_sigaction(task: &mut Task, [signo, new, old, size, ..]: [u64; 6]) -> SysResult {
    check_size(size)?;
    let new = if new == 0 {
        None
    } else {
        let (handler, flags, restorer, mask) = if task.abi.has_restorer() {
            let [handler, flags, restorer, mask]: [u64; 4] = read(new)?;
            (handler, flags & SA_KNOWN, restorer, mask)
        } else {
            let [handler, flags, mask]: [u64; 3] = read(new)?;
            (handler, flags & SA_KNOWN & !SA_RESTORER, 0, mask)
        };
        Some(Action { handler, flags, restorer, mask: mask & !UNBLOCKABLE })
    };
    let signo = signo as i32;
    if !(1..=NSIG as i32).contains(&signo) || new.is_some() && bit(signo) & UNBLOCKABLE != 0 {
        return Err(Errno::EINVAL);
    }
    let before = {
        let mut actions = task.sighand.0.lock();
        let before = actions.get(signo);
        if let Some(new) = new {
            actions.set(signo, new);
        }
        before
    };
    if new.is_some() && FAULT_SET & bit(signo) != 0 {
        show_faults(task);
    }
    if new.is_some_and(|a| a.handler == SIG_IGN) && FAULT_SET & bit(signo) != 0 {
        // Ignoring a signal discards a pending one.
        task.inbox.sent.fetch_and(!bit(signo), Ordering::Relaxed);
    }
    if old != 0 {
        if task.abi.has_restorer() {
            write(old, &[before.handler, before.flags, before.restorer, before.mask])?;
        } else {
            write(old, &[before.handler, before.flags, before.mask])?;
        }
    }
    Ok(0)
}

/// rt_sigprocmask(2).
///
/// # Errors
/// `EINVAL`, `EFAULT`.
pub fn rt_sigprocmask(task: &mut Task, [how, set, old, size, ..]: [u64; 6]) -> SysResult {
    check_size(size)?;
    let before = task.sigmask();
    if set != 0 {
        let set: u64 = read(set)?;
        let mask = match how {
            SIG_BLOCK => before | set,
            SIG_UNBLOCK => before & !set,
            SIG_SETMASK => set,
            _ => return Err(Errno::EINVAL),
        } & !UNBLOCKABLE;
        if (mask ^ before) & !FAULT_SET != 0 {
            // Interruptible, so that a signal recorded before is delivered under the old mask.
            let host = mask & !FAULT_SET;
            host_call(task, __NR_rt_sigprocmask, &[SIG_SETMASK, &raw const host as u64, 0, 8, 0, 0])?;
        }
        task.set_sigmask(mask);
    }
    if old != 0 {
        write(old, &before)?;
    }
    Ok(0)
}

/// rt_sigreturn(2).
///
/// # Errors
/// `KEEP_REGISTERS`.
pub fn rt_sigreturn(task: &mut Task, _args: [u64; 6]) -> SysResult {
    let abi = task.abi;
    let sp = abi.sp(&task.thread.cpu);
    let frame = abi.pop_signal_frame(&mut task.thread.cpu);
    let mask = match frame {
        Ok((mask, _)) => Some(mask),
        Err(mask) => mask,
    };
    if let Some(mask) = mask.map(|mask| mask & !UNBLOCKABLE).filter(|mask| *mask != task.sigmask()) {
        task.set_sigmask(mask);
        task.host_mask_stale = true;
    }
    match frame {
        // A bad or unchangeable alternate stack is not an error here.
        Ok((_, altstack)) => _ = set_altstack(task, altstack),
        Err(_) => force_segv(task, abi.bad_frame(sp)),
    }
    Err(KEEP_REGISTERS)
}

/// rt_sigpending(2).
///
/// # Errors
/// `EINVAL`, `EFAULT`.
pub fn rt_sigpending(task: &mut Task, [set, size, ..]: [u64; 6]) -> SysResult {
    if size > 8 {
        return Err(Errno::EINVAL);
    }
    let mut pending = 0u64;
    // SAFETY: fills our word.
    unsafe { syscall!(__NR_rt_sigpending, &raw mut pending, 8) }?;
    pending |= task.inbox.sent.load(Ordering::Relaxed) & task.sigmask();
    if size != 0 {
        anyarch_sys::write_bytes(set, &pending.to_le_bytes()[..size as usize])?;
    }
    Ok(0)
}

/// rt_sigtimedwait(2).
///
/// # Errors
/// `EINVAL`, `EFAULT`, `EAGAIN`, `EINTR`.
pub fn rt_sigtimedwait(task: &mut Task, args: [u64; 6]) -> SysResult {
    let [set, info, _, size, ..] = args;
    check_size(size)?;
    let wanted: u64 = read(set)?;
    let sent = task.inbox.sent.load(Ordering::Relaxed) & wanted;
    if sent != 0 {
        let signo = sent.trailing_zeros() as i32 + 1;
        let taken = task.take_sent(signo);
        if info != 0 {
            write(info, &taken)?;
        }
        return Ok(signo as u64);
    }
    host_call(task, __NR_rt_sigtimedwait, &args)
}

/// rt_sigsuspend(2).
///
/// # Errors
/// `EINTR`, `EINVAL`, `EFAULT`.
pub fn rt_sigsuspend(task: &mut Task, [set, size, ..]: [u64; 6]) -> SysResult {
    check_size(size)?;
    with_mask(task, set, size, |task, mask, size| {
        host_call(task, __NR_rt_sigsuspend, &[mask, size, 0, 0, 0, 0])
    })
}

/// Makes `call` while the guest's signal mask is the one at guest address `set` (0: unchanged), as ppoll and its kin want it; `call` gets the address of the
/// mask to hand to the host's kernel, or 0.
///
/// # Errors
/// `EINVAL` for a wrong `size`, `EFAULT`, and those of `call`.
pub fn with_mask(
    task: &mut Task,
    set: u64,
    size: u64,
    call: impl FnOnce(&mut Task, u64, u64) -> SysResult,
) -> SysResult {
    // A mask that the kernel will refuse, if nothing else before it, is the kernel's to refuse.
    let mask = if set != 0 && size == 8 { read::<u64>(set).ok() } else { None };
    let Some(mask) = mask else { return call(task, set, size) };
    let mask = mask & !UNBLOCKABLE;
    let host = mask & !FAULT_SET;
    // A fault's signal that was sent while blocked interrupts at once when the temporary mask admits it.
    let result = if task.inbox.sent.load(Ordering::Relaxed) & !mask != 0 {
        Err(Errno::EINTR)
    } else {
        call(task, &raw const host as u64, size)
    };
    if result == Err(Errno::EINTR) {
        // The kernel keeps the temporary mask until the handler is entered; its frame restores the old one.
        task.saved_sigmask = Some(task.sigmask());
        task.set_sigmask(mask);
        task.host_mask_stale = true;
    }
    result
}

/// sigaltstack(2).
///
/// # Errors
/// `EPERM`, `EINVAL`, `ENOMEM`, `EFAULT`.
pub fn sigaltstack(task: &mut Task, [new, old, ..]: [u64; 6]) -> SysResult {
    let (ss_sp, ss_flags, ss_size) = task.altstack;
    let sp = task.abi.sp(&task.thread.cpu);
    let state = if ss_size == 0 {
        SS_DISABLE
    } else if on_altstack(task.altstack, sp) {
        SS_ONSTACK
    } else {
        0
    };
    if new != 0 {
        let [new_sp, flags, new_size]: [u64; 3] = read(new)?;
        set_altstack(task, (new_sp, flags as i32, new_size))?;
    }
    if old != 0 {
        write(old, &[ss_sp, (state | ss_flags & SS_AUTODISARM) as u32 as u64, ss_size])?;
    }
    Ok(0)
}

/// The kernel's do_sigaltstack.
fn set_altstack(task: &mut Task, (ss_sp, ss_flags, ss_size): (u64, i32, u64)) -> Result<(), Errno> {
    if on_altstack(task.altstack, task.abi.sp(&task.thread.cpu)) {
        return Err(Errno::EPERM);
    }
    let new = match ss_flags & !SS_AUTODISARM {
        SS_DISABLE => (0, ss_flags, 0),
        0 | SS_ONSTACK if ss_size < task.abi.min_sigstack() => return Err(Errno::ENOMEM),
        0 | SS_ONSTACK => (ss_sp, ss_flags, ss_size),
        _ => return Err(Errno::EINVAL),
    };
    task.altstack = new;
    Ok(())
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
        let info = siginfo(SIGSEGV, SEGV_MAPERR, 0x1122_3344_5566_7788);
        assert_eq!(info[..12], [11, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
        assert_eq!(info[16..24], 0x1122_3344_5566_7788u64.to_le_bytes());
    }
}

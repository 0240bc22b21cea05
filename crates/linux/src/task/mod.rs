//! A guest thread (task) and its process, as the Linux layer sees them, and the loop that runs it.
//!
//! One guest thread is one host thread. The host's signal handler finds the task through
//! [`current_task`](anyarch_sys::arch::current_task) and only ever touches what is atomic in it
//! ([`crate::signal::Inbox`], `signal_pending`, `sigmask`).

pub(crate) mod cgroup;
pub mod limits;
pub(crate) mod peer;
pub mod process;
mod robust;
pub(crate) mod thread;

use crate::abi::{Abi, AltStack};
use crate::seccomp::Seccomp;
use crate::signal::{self, Inbox, SigHand};
use crate::task::thread::HostStack;
use alloc::boxed::Box;
use alloc::sync::Arc;
use anyarch_engine::run::{Stopped, ThreadBox};
use anyarch_sys::arch::{Current, set_current};
use anyarch_sys::calls::gettid;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// One guest thread.
pub struct Task {
    /// Engine state, in memory of its own that does not move: generated code and signal handlers
    /// hold its address.
    pub thread: ThreadBox,
    /// The guest's ABI.
    pub abi: &'static dyn Abi,
    /// Not zero while a signal waits to be delivered: set by the host's signal handler, so that a
    /// call that may block is not begun.
    pub signal_pending: AtomicU32,
    /// Signal mask as the guest set it (bit n-1 = signal n). The host's is the same except for the
    /// signals of faults, which are never blocked there.
    pub(crate) sigmask: AtomicU64,
    /// Mask to go back to once a signal was delivered under a temporary one (sigsuspend, ppoll).
    pub(crate) saved_sigmask: Option<u64>,
    /// The host's mask differs from the guest's: everything has been blocked since the handler
    /// recorded a signal, or the guest's changed.
    pub(crate) host_mask_stale: bool,
    /// Alternate signal stack: (ss_sp, ss_flags, ss_size).
    pub(crate) altstack: AltStack,
    /// Signals recorded by the host's handler.
    pub(crate) inbox: Inbox,
    /// Dispositions, shared by the tasks of a process (CLONE_SIGHAND).
    pub(crate) sighand: Arc<SigHand>,
    /// The host stack and alternate stack, if they are the emulator's to free.
    pub(crate) stack: Option<HostStack>,
    /// A new process whose host dispositions the kernel has reset (CLONE_CLEAR_SIGHAND): it begins
    /// by installing the handlers of faults.
    pub(crate) reinstall: bool,
    /// The parent waits until this process has exec'ed or ended, and frees this task then.
    pub(crate) vfork_child: bool,
    /// The list of robust futexes, where the host's kernel does not keep it.
    pub(crate) robust: robust::Robust,
    /// The guest's seccomp mode and filters.
    pub(crate) seccomp: Seccomp,
    /// The descriptor of the emulator's executable.
    pub(crate) own: crate::program::own::Own,
    /// What an execve under way keeps alive.
    pub(crate) exec: crate::program::exec::Buffers,
    current: Current,
}

impl Task {
    /// Whether the task is the only thread of its process.
    pub(crate) fn is_alone(&self) -> bool {
        Arc::strong_count(&self.sighand) == 1
    }

    /// A task around an engine thread. It becomes the running host thread's by [`Task::attach`].
    pub(crate) fn new(thread: ThreadBox, abi: &'static dyn Abi, sighand: Arc<SigHand>) -> Box<Task> {
        Box::new(Task {
            thread,
            abi,
            signal_pending: AtomicU32::new(0),
            sigmask: AtomicU64::new(0),
            saved_sigmask: None,
            host_mask_stale: false,
            altstack: (0, signal::SS_DISABLE, 0),
            inbox: Inbox::new(),
            sighand,
            stack: None,
            reinstall: false,
            vfork_child: false,
            robust: robust::Robust::default(),
            seccomp: Seccomp::default(),
            own: crate::program::own::Own::first(),
            exec: crate::program::exec::Buffers::default(),
            current: Current::new(),
        })
    }

    /// The first task of a program: the calling host thread, with the signal mask and dispositions
    /// that it inherited. Installs the host's signal handlers.
    pub fn first(abi: &'static dyn Abi) -> Box<Task> {
        let mut task = Task::new(ThreadBox::new(abi.guest()), abi, Arc::new(SigHand::new()));
        // SAFETY: the box is never dropped while its thread lives, and does not move.
        unsafe { task.attach() };
        task.thread.begin();
        signal::init(&mut task);
        task
    }

    /// Makes this the running host thread's task.
    ///
    /// # Safety
    /// The task stays in place as long as the thread may take a signal.
    pub(crate) unsafe fn attach(&mut self) {
        let this: *mut Task = self;
        // SAFETY: by the caller.
        unsafe { set_current(&raw mut (*this).current, this.cast()) };
    }

    /// Kernel thread id.
    pub(crate) fn tid(&self) -> i32 {
        gettid()
    }

    /// The guest's signal mask.
    pub fn sigmask(&self) -> u64 {
        self.sigmask.load(Ordering::Relaxed)
    }
}

/// Runs the task's guest code until its thread or process ends.
pub fn run(task: &mut Task) -> ! {
    loop {
        match task.thread.run() {
            Stopped::Syscall => crate::calls::dispatch::dispatch(task),
            Stopped::Fault(fault) => signal::raise_fault(task, fault),
            Stopped::Interrupted => {}
        }
        if task.signal_pending.load(Ordering::Relaxed) != 0 || task.host_mask_stale {
            signal::deliver(task);
        }
    }
}

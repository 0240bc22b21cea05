//! A guest thread (task) and its process, as the Linux layer sees them.

use crate::abi::Abi;
use alloc::boxed::Box;
use anyarch_engine::run::Thread;
use core::sync::atomic::AtomicU32;

/// One guest thread.
pub struct Task {
    /// Engine state. Boxed because generated code and signal handlers hold its address.
    pub thread: Box<Thread>,
    /// The guest's ABI.
    pub abi: &'static dyn Abi,
    /// Kernel thread id.
    pub tid: i32,
    /// Signal mask as the guest set it (bit n-1 = signal n).
    pub sigmask: u64,
    /// Alternate signal stack: (ss_sp, ss_flags, ss_size).
    pub altstack: (u64, i32, u64),
    /// Address to clear and wake on exit (set_tid_address, CLONE_CHILD_CLEARTID).
    pub clear_child_tid: u64,
    /// get/set_robust_list: (head, len).
    pub robust_list: (u64, u64),
    /// Not zero while a signal waits to be delivered: set by the host's signal handler, so that a call that may block is not begun.
    pub signal_pending: AtomicU32,
}

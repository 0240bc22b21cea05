//! Faults of a test's process: a look at guest memory ends with an error as in the emulator, and
//! generated code leaves with the guest's fault.

use anyarch_engine::run::{Thread, on_host_fault};
use anyarch_engine::state::Fault;
use anyarch_sys::arch::Context;
use anyarch_sys::{MemFault, fixup};
use core::sync::atomic::{AtomicPtr, Ordering};

/// The thread whose generated code may fault.
static CURRENT: AtomicPtr<Thread> = AtomicPtr::new(core::ptr::null_mut());

/// Tells whose generated code may fault from now on; null for nobody's.
pub fn set_thread(thread: *mut Thread) {
    CURRENT.store(thread, Ordering::Relaxed);
}

/// Catches SIGSEGV and SIGBUS. Other faults than these two kinds get the default action.
pub fn catch() {
    for signal in [libc::SIGSEGV, libc::SIGBUS] {
        // SAFETY: the handler is async-signal-safe, and an all-zero structure is one.
        unsafe {
            let mut act: libc::sigaction = core::mem::zeroed();
            act.sa_sigaction = on_fault as *const () as usize;
            act.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER | libc::SA_ONSTACK;
            libc::sigaction(signal, &raw const act, core::ptr::null_mut());
        }
    }
}

extern "C" fn on_fault(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel's arguments. Not a fault of a guest access: the default action, by
    // returning to it.
    unsafe {
        let fault = MemFault { signo: signal, code: (*info).si_code, addr: (*info).si_addr() as u64 };
        let thread = CURRENT.load(Ordering::Relaxed);
        let engine_fault = Fault { signo: signal, code: fault.code, addr: fault.addr, write: false };
        let caught = fixup(&mut Context::new(context.cast()), fault)
            || !thread.is_null() && on_host_fault(&mut *thread, context.cast(), engine_fault);
        if !caught {
            libc::signal(signal, libc::SIG_DFL);
        }
    }
}

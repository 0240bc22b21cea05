//! What a host signal handler gets and how it returns (arch/x86/include/uapi/asm/ucontext.h,
//! sigcontext.h).

/// Offsets in `ucontext_t`.
mod at {
    pub(super) const RDX: usize = 136;
    pub(super) const RAX: usize = 144;
    pub(super) const RIP: usize = 168;
    pub(super) const ERR: usize = 192;
    pub(super) const SIGMASK: usize = 296;
}

/// The `ucontext_t` of an interrupted thread.
pub struct Context(*mut u8);

impl Context {
    /// # Safety
    /// `context` is a handler's third argument, and the handler has not returned.
    pub unsafe fn new(context: *mut u8) -> Context {
        Context(context)
    }

    fn word(&self, at: usize) -> *mut u64 {
        // SAFETY: an offset in the kernel's structure.
        unsafe { self.0.add(at).cast() }
    }

    /// The program counter.
    pub fn pc(&self) -> u64 {
        // SAFETY: the kernel's structure.
        unsafe { self.word(at::RIP).read() }
    }

    /// Sets where the thread goes on.
    pub fn set_pc(&mut self, pc: u64) {
        // SAFETY: the kernel's structure, which is ours to change.
        unsafe { self.word(at::RIP).write(pc) }
    }

    /// Whether the fault that raised the signal was a store's.
    pub fn is_write(&self) -> bool {
        // SAFETY: the kernel's structure. Bit 1 of a page fault's error code.
        unsafe { self.word(at::ERR).read() & 2 != 0 }
    }

    /// Sets the signal mask that the thread goes on with.
    pub fn set_mask(&mut self, mask: u64) {
        // SAFETY: the kernel's structure, which is ours to change.
        unsafe { self.word(at::SIGMASK).write(mask) }
    }

    /// Sets the registers in which an access to the guest's memory tells of its fault.
    pub(crate) fn set_fault(&mut self, signal: u64, addr: u64) {
        // SAFETY: the kernel's structure, which is ours to change.
        unsafe {
            self.word(at::RAX).write(signal);
            self.word(at::RDX).write(addr);
        }
    }
}

core::arch::global_asm!(
    ".globl anyarch_rt_sigreturn",
    "anyarch_rt_sigreturn:",
    "mov eax, 15",
    "syscall",
    "ud2",
);

/// Address of the code at `sa_restorer`.
pub fn restorer() -> u64 {
    unsafe extern "C" {
        fn anyarch_rt_sigreturn();
    }
    anyarch_rt_sigreturn as *const () as u64
}

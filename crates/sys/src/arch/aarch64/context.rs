//! What a host signal handler gets and how it returns (arch/arm64/include/uapi/asm/ucontext.h,
//! sigcontext.h).

/// Offsets in `ucontext_t`.
mod at {
    pub(super) const SIGMASK: usize = 40;
    pub(super) const X5: usize = 224;
    pub(super) const X6: usize = 232;
    pub(super) const PC: usize = 440;
    /// A chain of records: magic number, size in bytes, content.
    pub(super) const RECORDS: usize = 464;
    pub(super) const RECORDS_END: usize = RECORDS + 4096;
}

const ESR_MAGIC: u32 = 0x4553_5201;

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
        unsafe { self.word(at::PC).read() }
    }

    /// Sets where the thread goes on.
    pub fn set_pc(&mut self, pc: u64) {
        // SAFETY: the kernel's structure, which is ours to change.
        unsafe { self.word(at::PC).write(pc) }
    }

    /// Whether the fault that raised the signal was a store's.
    pub fn is_write(&self) -> bool {
        const DATA_ABORT_FROM_BELOW: u64 = 0x24;
        const WRITE_NOT_READ: u64 = 1 << 6;
        let mut at = at::RECORDS;
        while at + 16 <= at::RECORDS_END {
            // SAFETY: within the kernel's structure.
            let head = unsafe { self.word(at).read() };
            let (magic, size) = (head as u32, (head >> 32) as usize);
            if magic == ESR_MAGIC {
                // SAFETY: the record's content, within the structure.
                let esr = unsafe { self.word(at + 8).read() };
                return esr >> 26 & 0x3f == DATA_ABORT_FROM_BELOW && esr & WRITE_NOT_READ != 0;
            }
            if magic == 0 || size == 0 {
                break;
            }
            at += size;
        }
        false
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
            self.word(at::X5).write(signal);
            self.word(at::X6).write(addr);
        }
    }
}

core::arch::global_asm!(
    ".globl anyarch_rt_sigreturn",
    "anyarch_rt_sigreturn:",
    "mov x8, #139",
    "svc #0",
    "brk #1",
);

/// Address of the code at `sa_restorer`.
pub fn restorer() -> u64 {
    unsafe extern "C" {
        fn anyarch_rt_sigreturn();
    }
    anyarch_rt_sigreturn as *const () as u64
}

//! The emulator's executable: entry point, heap, panic handler and memory routines of a program
//! without libc.
//!
//! The kernel's stack becomes the guest's; the emulator continues at once on a stack of its own,
//! mapped together with the first part of its heap.
#![no_std]
#![no_main]

extern crate alloc;

#[cfg_attr(target_arch = "x86_64", path = "arch/x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "arch/aarch64.rs")]
mod arch;

use anyarch_sys::heap::{self, Heap};

#[global_allocator]
static HEAP: Heap = Heap::new();

/// Bytes of the main thread's host stack, just below the heap; below it nothing is mapped.
const STACK: u64 = 1 << 20;

/// What the entry point maps: the stack, and the first part of the heap.
const MAPPED: u64 = STACK + heap::FIRST;

/// First code in Rust, on the emulator's own stack; `sp` is the kernel's.
unsafe extern "C" fn main(sp: u64) -> ! {
    // SAFETY: the process has one thread, and this runs once, on the emulator's own stack.
    unsafe {
        heap::install(&HEAP);
        anyarch_emu::start::start(sp, MAPPED)
    }
}

/// A panic is a bug of the emulator: one line, and the exit code of a process that abort() killed,
/// without a core dump.
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    struct Line([u8; 512], usize);
    impl core::fmt::Write for Line {
        fn write_str(&mut self, s: &str) -> core::fmt::Result {
            for &b in s.as_bytes() {
                if self.1 < self.0.len() - 1 {
                    self.0[self.1] = if b == b'\n' { b' ' } else { b };
                    self.1 += 1;
                }
            }
            Ok(())
        }
    }
    let mut line = Line([0; 512], 0);
    let _ = core::fmt::Write::write_fmt(&mut line, format_args!("anyarch-emu: internal error: {info}"));
    line.0[line.1] = b'\n';
    anyarch_sys::write_all(2, &line.0[..line.1 + 1]);
    anyarch_sys::exit_group(134)
}

/// Named by the precompiled core library's unwind tables; never called, since panics abort.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// See [`rust_eh_personality`].
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    anyarch_sys::exit_group(134)
}

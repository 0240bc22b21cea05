//! The emulator's executable: entry point, heap, panic handler and memory routines of a program without libc.
//!
//! The kernel's stack becomes the guest's; the emulator continues at once on a stack of its own, mapped together with the first part of its
//! heap.
#![no_std]
#![no_main]

extern crate alloc;

mod memory;

use anyarch_sys::heap::{self, Heap};
use core::arch::naked_asm;

#[global_allocator]
static HEAP: Heap = Heap::new();

/// Bytes of the main thread's host stack, just below the heap; below it nothing is mapped.
const STACK: u64 = 1 << 20;

/// The kernel enters here with the stack pointer at argc. Maps stack and heap, then goes on in Rust on that stack.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!(
        "xor ebp, ebp",
        "mov rdi, {base}",
        "mov esi, {size}",
        "mov edx, 3",        // PROT_READ | PROT_WRITE
        "mov r10d, 0x104022", // MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE
        "mov r8, -1",
        "xor r9d, r9d",
        "mov eax, 9",
        "syscall",
        "mov rcx, {base}",
        "cmp rax, rcx",
        "jne 2f",
        "mov rdi, rsp",
        "mov rsp, {top}",
        "call {main}",
        "2: mov edi, 255",
        "mov eax, 231",
        "syscall",
        "ud2",
        base = const heap::ARENA - STACK,
        size = const STACK + heap::FIRST,
        top = const heap::ARENA,
        main = sym main,
    )
}

unsafe extern "C" fn main(sp: u64) -> ! {
    // SAFETY: the process has one thread, and this runs once, on the emulator's own stack.
    unsafe {
        heap::install(&HEAP);
        anyarch_emu::start::start(sp, STACK + heap::FIRST)
    }
}

/// A panic is a bug of the emulator: one line, and the exit code of a process that abort() killed, without a core dump.
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

//! arm64: the entry point, and the memory routines that compiled code calls by name. In assembly,
//! so that the compiler cannot turn them into calls of themselves.
//!
//! Short copies load everything before they store anything, which also makes them right for
//! overlapping buffers; long ones go from one end to the other, so that nothing is overwritten
//! before it is read.

use anyarch_sys::heap;
use core::arch::naked_asm;

/// The kernel enters here with the stack pointer at argc. Maps stack and heap, then goes on in Rust
/// on that stack.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!(
        "mov x29, xzr",
        "mov x30, xzr",
        "ldr x0, ={base}",
        "ldr x1, ={size}",
        "mov x2, #3",        // PROT_READ | PROT_WRITE
        "ldr x3, =0x104022", // MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE
        "mov x4, #-1",
        "mov x5, xzr",
        "mov x8, #222",
        "svc #0",
        "ldr x9, ={base}",
        "cmp x0, x9",
        "b.ne 2f",
        "mov x0, sp",
        "ldr x9, ={top}",
        "mov sp, x9",
        "bl {main}",
        "2: mov x0, #255",
        "mov x8, #94",
        "svc #0",
        "brk #1",
        ".ltorg",
        base = const heap::ARENA - crate::STACK,
        size = const crate::MAPPED,
        top = const heap::ARENA,
        main = sym crate::main,
    )
}

/// The compiler's routines for atomic accesses use the instructions of ARMv8.1 where this is not 0.
/// What defines it elsewhere asks a libc; here it stays 0.
#[unsafe(no_mangle)]
static __aarch64_have_lse_atomics: u8 = 0;

/// memcpy and memmove in one.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(dst: *mut u8, src: *const u8, n: usize) -> *mut u8 {
    naked_asm!(
        "add x3, x1, x2", // the ends
        "add x4, x0, x2",
        "cmp x2, #16",
        "b.lo 3f",
        "cmp x2, #32",
        "b.hi 2f",
        "ldp x5, x6, [x1]",
        "ldp x7, x8, [x3, #-16]",
        "stp x5, x6, [x0]",
        "stp x7, x8, [x4, #-16]",
        "ret",
        "2: cmp x2, #64",
        "b.hi 6f",
        "ldp x5, x6, [x1]",
        "ldp x7, x8, [x1, #16]",
        "ldp x9, x10, [x3, #-32]",
        "ldp x11, x12, [x3, #-16]",
        "stp x5, x6, [x0]",
        "stp x7, x8, [x0, #16]",
        "stp x9, x10, [x4, #-32]",
        "stp x11, x12, [x4, #-16]",
        "ret",
        // Below 16 bytes.
        "3: tbz x2, #3, 4f",
        "ldr x5, [x1]",
        "ldr x6, [x3, #-8]",
        "str x5, [x0]",
        "str x6, [x4, #-8]",
        "ret",
        "4: tbz x2, #2, 5f",
        "ldr w5, [x1]",
        "ldr w6, [x3, #-4]",
        "str w5, [x0]",
        "str w6, [x4, #-4]",
        "ret",
        "5: cbz x2, 5f",
        // 1 to 3 bytes: the first, the middle and the last.
        "lsr x9, x2, #1",
        "ldrb w5, [x1]",
        "ldrb w6, [x1, x9]",
        "ldrb w7, [x3, #-1]",
        "strb w5, [x0]",
        "strb w6, [x0, x9]",
        "strb w7, [x4, #-1]",
        "5: ret",
        // More than 64 bytes.
        "6: sub x9, x0, x1",
        "cmp x9, x2",
        "b.lo 8f", // the destination starts inside the source: backwards
        // Forwards: the last 32 bytes are loaded first and stored last.
        "ldp x9, x10, [x3, #-32]",
        "ldp x11, x12, [x3, #-16]",
        "sub x3, x4, #32",
        "mov x4, x0",
        "7: ldp x5, x6, [x1]",
        "ldp x7, x8, [x1, #16]",
        "add x1, x1, #32",
        "stp x5, x6, [x4]",
        "stp x7, x8, [x4, #16]",
        "add x4, x4, #32",
        "cmp x4, x3",
        "b.lo 7b",
        "stp x9, x10, [x3]",
        "stp x11, x12, [x3, #16]",
        "ret",
        // Backwards: the first 32 bytes are loaded first and stored last.
        "8: ldp x9, x10, [x1]",
        "ldp x11, x12, [x1, #16]",
        "9: ldp x5, x6, [x3, #-16]",
        "ldp x7, x8, [x3, #-32]!",
        "stp x5, x6, [x4, #-16]",
        "stp x7, x8, [x4, #-32]!",
        "sub x2, x2, #32",
        "cmp x2, #32",
        "b.hi 9b",
        "stp x9, x10, [x0]",
        "stp x11, x12, [x0, #16]",
        "ret",
    )
}

/// The same as [`memmove`].
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(dst: *mut u8, src: *const u8, n: usize) -> *mut u8 {
    naked_asm!("b {}", sym memmove)
}

/// memset.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(dst: *mut u8, byte: i32, n: usize) -> *mut u8 {
    naked_asm!(
        "and x1, x1, #0xff",
        "mov x3, #0x0101010101010101",
        "mul x1, x1, x3",
        "add x4, x0, x2",
        "cmp x2, #16",
        "b.lo 3f",
        "mov x3, x0",
        "sub x5, x4, #16",
        "2: cmp x3, x5",
        "b.hs 2f",
        "stp x1, x1, [x3], #16",
        "b 2b",
        "2: stp x1, x1, [x5]",
        "ret",
        "3: tbz x2, #3, 3f",
        "str x1, [x0]",
        "str x1, [x4, #-8]",
        "ret",
        "3: tbz x2, #2, 3f",
        "str w1, [x0]",
        "str w1, [x4, #-4]",
        "ret",
        "3: cbz x2, 3f",
        "lsr x3, x2, #1",
        "strb w1, [x0]",
        "strb w1, [x0, x3]",
        "strb w1, [x4, #-1]",
        "3: ret",
    )
}

/// memcmp.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, n: usize) -> i32 {
    naked_asm!(
        "mov x3, xzr",
        "cmp x2, #8",
        "b.lo 3f",
        "sub x2, x2, #8",
        // Eight bytes at a time; the last eight may overlap those before.
        "2: ldr x4, [x0, x3]",
        "ldr x5, [x1, x3]",
        "cmp x4, x5",
        "b.ne 4f",
        "cmp x3, x2",
        "b.eq 5f",
        "add x3, x3, #8",
        "cmp x3, x2",
        "csel x3, x2, x3, hi",
        "b 2b",
        "3: cmp x3, x2",
        "b.eq 5f",
        "ldrb w4, [x0, x3]",
        "ldrb w5, [x1, x3]",
        "add x3, x3, #1",
        "subs w6, w4, w5",
        "b.eq 3b",
        "mov w0, w6",
        "ret",
        "4: rev x4, x4",
        "rev x5, x5",
        "cmp x4, x5",
        "mov w0, #1",
        "cneg w0, w0, lo",
        "ret",
        "5: mov w0, wzr",
        "ret",
    )
}

/// The same as [`memcmp`].
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, n: usize) -> i32 {
    naked_asm!("b {}", sym memcmp)
}

/// strlen, eight aligned bytes at a time, which never touch a page without a byte of the string.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(s: *const u8) -> usize {
    naked_asm!(
        "mov x5, #0x0101010101010101",
        "and x1, x0, #-8",
        "and x2, x0, #7",
        "lsl x2, x2, #3",
        "ldr x3, [x1]",
        // Bytes before the string are not zero.
        "mov x4, #-1",
        "lsl x4, x4, x2",
        "orn x3, x3, x4",
        // The lowest byte of which the highest bit remains is the first zero.
        "2: sub x4, x3, x5",
        "bic x4, x4, x3",
        "ands x4, x4, #0x8080808080808080",
        "b.ne 3f",
        "ldr x3, [x1, #8]!",
        "b 2b",
        "3: rbit x4, x4",
        "clz x4, x4",
        "add x1, x1, x4, lsr #3",
        "sub x0, x1, x0",
        "ret",
    )
}

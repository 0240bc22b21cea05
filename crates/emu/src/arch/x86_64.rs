//! x86-64: the entry point, and the memory routines that compiled code calls by name. In assembly,
//! so that the compiler cannot turn them into calls of themselves.
//!
//! Short copies load everything before they store anything, which also makes them right for
//! overlapping buffers; long ones use the processor's string instructions.

use anyarch_sys::heap;
use core::arch::naked_asm;

/// The kernel enters here with the stack pointer at argc. Maps stack and heap, then goes on in Rust
/// on that stack.
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
        base = const heap::ARENA - crate::STACK,
        size = const crate::MAPPED,
        top = const heap::ARENA,
        main = sym crate::main,
    )
}

/// memcpy and memmove in one.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(dst: *mut u8, src: *const u8, n: usize) -> *mut u8 {
    naked_asm!(
        "mov rax, rdi",
        "cmp rdx, 16",
        "jb 3f",
        "cmp rdx, 32",
        "ja 2f",
        "movups xmm0, [rsi]",
        "movups xmm1, [rsi + rdx - 16]",
        "movups [rdi], xmm0",
        "movups [rdi + rdx - 16], xmm1",
        "ret",
        "2: cmp rdx, 64",
        "ja 5f",
        "movups xmm0, [rsi]",
        "movups xmm1, [rsi + 16]",
        "movups xmm2, [rsi + rdx - 32]",
        "movups xmm3, [rsi + rdx - 16]",
        "movups [rdi], xmm0",
        "movups [rdi + 16], xmm1",
        "movups [rdi + rdx - 32], xmm2",
        "movups [rdi + rdx - 16], xmm3",
        "ret",
        // Below 16 bytes.
        "3: cmp edx, 8",
        "jb 4f",
        "mov rcx, [rsi]",
        "mov r8, [rsi + rdx - 8]",
        "mov [rdi], rcx",
        "mov [rdi + rdx - 8], r8",
        "ret",
        "4: cmp edx, 4",
        "jb 4f",
        "mov ecx, [rsi]",
        "mov r8d, [rsi + rdx - 4]",
        "mov [rdi], ecx",
        "mov [rdi + rdx - 4], r8d",
        "ret",
        "4: test edx, edx",
        "jz 4f",
        // 1 to 3 bytes: the first, the middle and the last.
        "movzx ecx, byte ptr [rsi]",
        "movzx r8d, byte ptr [rsi + rdx - 1]",
        "mov r9, rdx",
        "shr r9, 1",
        "movzx r10d, byte ptr [rsi + r9]",
        "mov [rdi], cl",
        "mov [rdi + r9], r10b",
        "mov [rdi + rdx - 1], r8b",
        "4: ret",
        // More than 64 bytes.
        "5: mov rcx, rdi",
        "sub rcx, rsi",
        "cmp rcx, rdx",
        "jb 7f", // the destination starts inside the source: backwards
        "cmp rdx, 512",
        "jae 8f",
        // Forwards: the last 32 bytes are loaded first and stored last.
        "movups xmm2, [rsi + rdx - 32]",
        "movups xmm3, [rsi + rdx - 16]",
        "lea r8, [rdi + rdx - 32]",
        "5: movups xmm0, [rsi]",
        "movups xmm1, [rsi + 16]",
        "movups [rdi], xmm0",
        "movups [rdi + 16], xmm1",
        "add rsi, 32",
        "add rdi, 32",
        "cmp rdi, r8",
        "jb 5b",
        "movups [r8], xmm2",
        "movups [r8 + 16], xmm3",
        "ret",
        // Backwards: the first 32 bytes are loaded first and stored last.
        "7: movups xmm2, [rsi]",
        "movups xmm3, [rsi + 16]",
        "7: movups xmm0, [rsi + rdx - 16]",
        "movups xmm1, [rsi + rdx - 32]",
        "movups [rdi + rdx - 16], xmm0",
        "movups [rdi + rdx - 32], xmm1",
        "sub rdx, 32",
        "cmp rdx, 32",
        "ja 7b",
        "movups [rdi], xmm2",
        "movups [rdi + 16], xmm3",
        "ret",
        "8: mov rcx, rdx",
        "rep movsb",
        "ret",
    )
}

/// The same as [`memmove`].
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(dst: *mut u8, src: *const u8, n: usize) -> *mut u8 {
    naked_asm!("jmp {}", sym memmove)
}

/// memset.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(dst: *mut u8, byte: i32, n: usize) -> *mut u8 {
    naked_asm!(
        "movzx ecx, sil",
        "mov r8, 0x0101010101010101",
        "imul rcx, r8",
        "mov rax, rdi",
        "cmp rdx, 16",
        "jb 3f",
        "movq xmm0, rcx",
        "punpcklqdq xmm0, xmm0",
        "movups [rdi + rdx - 16], xmm0",
        "cmp rdx, 1024",
        "jae 4f",
        "lea r8, [rdi + rdx - 16]",
        "2: movups [rdi], xmm0",
        "add rdi, 16",
        "cmp rdi, r8",
        "jb 2b",
        "ret",
        "3: cmp edx, 8",
        "jb 3f",
        "mov [rdi], rcx",
        "mov [rdi + rdx - 8], rcx",
        "ret",
        "3: cmp edx, 4",
        "jb 3f",
        "mov [rdi], ecx",
        "mov [rdi + rdx - 4], ecx",
        "ret",
        "3: test edx, edx",
        "jz 3f",
        "mov [rdi + rdx - 1], cl",
        "shr edx, 1",
        "mov [rdi + rdx], cl",
        "mov [rdi], cl",
        "3: ret",
        "4: mov r9, rax",
        "mov eax, ecx",
        "mov rcx, rdx",
        "rep stosb",
        "mov rax, r9",
        "ret",
    )
}

/// memcmp.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, n: usize) -> i32 {
    naked_asm!(
        "xor ecx, ecx",
        "cmp rdx, 8",
        "jb 3f",
        "sub rdx, 8",
        // Eight bytes at a time; the last eight may overlap those before.
        "2: mov rax, [rdi + rcx]",
        "mov r8, [rsi + rcx]",
        "cmp rax, r8",
        "jne 4f",
        "cmp rcx, rdx",
        "je 5f",
        "add rcx, 8",
        "cmp rcx, rdx",
        "cmova rcx, rdx",
        "jmp 2b",
        "3: cmp rcx, rdx",
        "je 5f",
        "movzx eax, byte ptr [rdi + rcx]",
        "movzx r8d, byte ptr [rsi + rcx]",
        "inc rcx",
        "cmp eax, r8d",
        "je 3b",
        "sub eax, r8d",
        "ret",
        "4: bswap rax",
        "bswap r8",
        "cmp rax, r8",
        "sbb eax, eax",
        "or eax, 1",
        "ret",
        "5: xor eax, eax",
        "ret",
    )
}

/// The same as [`memcmp`].
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, n: usize) -> i32 {
    naked_asm!("jmp {}", sym memcmp)
}

/// strlen, sixteen aligned bytes at a time, which never touch a page without a byte of the string.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(s: *const u8) -> usize {
    naked_asm!(
        "pxor xmm0, xmm0",
        "mov rax, rdi",
        "and rax, -16",
        "mov ecx, edi",
        "and ecx, 15",
        "movdqa xmm1, [rax]",
        "pcmpeqb xmm1, xmm0",
        "pmovmskb edx, xmm1",
        "shr edx, cl",
        "shl edx, cl",
        "test edx, edx",
        "jnz 3f",
        "2: add rax, 16",
        "movdqa xmm1, [rax]",
        "pcmpeqb xmm1, xmm0",
        "pmovmskb edx, xmm1",
        "test edx, edx",
        "jz 2b",
        "3: bsf edx, edx",
        "add rax, rdx",
        "sub rax, rdi",
        "ret",
    )
}

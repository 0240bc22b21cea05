//! Guest memory: a copy, and single accesses.
//!
//! An access is a load, store or locked instruction between `r8 = 1` and `r8 = 0`. A fault on one
//! of them goes to the routine's end ([`continuation`]) with rax and rdx describing it, where r8 is
//! still 1.

use core::arch::{asm, global_asm};

global_asm!(
    ".globl anyarch_guest_copy, anyarch_guest_copy_fault, anyarch_guest_copy_done",
    "anyarch_guest_copy:", // rdi = destination, rsi = source, rcx = bytes; leaves in rcx the bytes not copied
    "anyarch_guest_copy_fault:",
    "rep movsb",
    "anyarch_guest_copy_done:",
    "ret",
    ".macro anyarch_access name, insn:vararg",
    ".globl anyarch_guest_\\name, anyarch_guest_\\name\\()_fault",
    "anyarch_guest_\\name:",
    "mov r8d, 1",
    "anyarch_guest_\\name\\()_fault:",
    "\\insn",
    "mov r8d, 0",
    "ret",
    ".endm",
    // rdi = address; rsi = value to store; rax = value loaded or expected.
    "anyarch_access load1, movzx eax, byte ptr [rdi]",
    "anyarch_access load2, movzx eax, word ptr [rdi]",
    "anyarch_access load4, mov eax, dword ptr [rdi]",
    "anyarch_access load8, mov rax, qword ptr [rdi]",
    "anyarch_access store1, mov byte ptr [rdi], sil",
    "anyarch_access store2, mov word ptr [rdi], si",
    "anyarch_access store4, mov dword ptr [rdi], esi",
    "anyarch_access store8, mov qword ptr [rdi], rsi",
    "anyarch_access cas1, lock cmpxchg byte ptr [rdi], sil",
    "anyarch_access cas2, lock cmpxchg word ptr [rdi], si",
    "anyarch_access cas4, lock cmpxchg dword ptr [rdi], esi",
    "anyarch_access cas8, lock cmpxchg qword ptr [rdi], rsi",
    // The same with rdx:rax expected and rcx:rsi new.
    ".globl anyarch_guest_cas16, anyarch_guest_cas16_fault",
    "anyarch_guest_cas16:",
    "mov r9, rbx",
    "mov rbx, rsi",
    "mov r8d, 1",
    "anyarch_guest_cas16_fault:",
    "lock cmpxchg16b [rdi]",
    "mov r8d, 0",
    "anyarch_guest_cas16_done:",
    "mov rbx, r9",
    "ret",
    ".globl anyarch_guest_access_done, anyarch_guest_cas16_done",
    "anyarch_guest_access_done:",
    "ret",
);

/// An access to guest memory, for [`access`].
pub(crate) type Routine = unsafe extern "C" fn();

macro_rules! routines {
    ($($name:ident $routine:ident $fault:ident)*) => {
        unsafe extern "C" { $(fn $routine(); fn $fault();)* fn anyarch_guest_cas16(); }

        $(pub(crate) const $name: Routine = $routine;)*
        pub(crate) const CAS16: Routine = anyarch_guest_cas16;

        /// Where a copy or an access that faulted at `pc` goes on, if it is one of these.
        pub(crate) fn continuation(pc: u64) -> Option<u64> {
            unsafe extern "C" {
                fn anyarch_guest_copy_fault();
                fn anyarch_guest_copy_done();
                fn anyarch_guest_access_done();
                fn anyarch_guest_cas16_fault();
                fn anyarch_guest_cas16_done();
            }
            if pc == anyarch_guest_copy_fault as *const () as u64 {
                return Some(anyarch_guest_copy_done as *const () as u64);
            }
            if pc == anyarch_guest_cas16_fault as *const () as u64 {
                return Some(anyarch_guest_cas16_done as *const () as u64);
            }
            [$($fault as *const () as u64),*].contains(&pc).then_some(anyarch_guest_access_done as *const () as u64)
        }
    };
}
routines! {
    LOAD1 anyarch_guest_load1 anyarch_guest_load1_fault
    LOAD2 anyarch_guest_load2 anyarch_guest_load2_fault
    LOAD4 anyarch_guest_load4 anyarch_guest_load4_fault
    LOAD8 anyarch_guest_load8 anyarch_guest_load8_fault
    STORE1 anyarch_guest_store1 anyarch_guest_store1_fault
    STORE2 anyarch_guest_store2 anyarch_guest_store2_fault
    STORE4 anyarch_guest_store4 anyarch_guest_store4_fault
    STORE8 anyarch_guest_store8 anyarch_guest_store8_fault
    CAS1 anyarch_guest_cas1 anyarch_guest_cas1_fault
    CAS2 anyarch_guest_cas2 anyarch_guest_cas2_fault
    CAS4 anyarch_guest_cas4 anyarch_guest_cas4_fault
    CAS8 anyarch_guest_cas8 anyarch_guest_cas8_fault
}

macro_rules! fetch {
    ($name:ident $routine:ident) => {
        /// A load by a direct call; `None` where it faults. The address lies below the guest's end.
        #[inline(always)]
        pub(crate) fn $name(addr: u64) -> Option<u64> {
            let (value, faulted): (u64, u64);
            // SAFETY: a load changes nothing. The routine touches these registers and its return
            // address; a fault is caught by `fixup`.
            unsafe {
                core::arch::asm!("call {routine}", routine = sym $routine, in("rdi") addr, out("rax") value, out("rdx") _, out("r8") faulted);
            }
            (faulted == 0).then_some(value)
        }
    };
}
fetch!(fetch2 anyarch_guest_load2);
fetch!(fetch4 anyarch_guest_load4);

/// Copies `len` bytes. After a fault: the words given to [`Context::set_fault`](super::Context).
///
/// # Errors
/// A fault, after which all bytes before it have been copied.
///
/// # Safety
/// The side that is not guest memory is valid for `len` bytes; no Rust reference covers the guest's
/// side.
#[inline]
pub(crate) unsafe fn copy(dst: *mut u8, src: *const u8, len: usize) -> Result<(), (u64, u64)> {
    unsafe extern "C" {
        fn anyarch_guest_copy();
    }
    let (left, signal, addr): (usize, u64, u64);
    // SAFETY: by the caller; a fault is caught. The routine touches the registers named and its
    // return address.
    unsafe {
        asm!("call {copy}", copy = sym anyarch_guest_copy,
            inout("rdi") dst => _, inout("rsi") src => _, inout("rcx") len => left,
            inout("rax") 0u64 => signal, inout("rdx") 0u64 => addr, clobber_abi("sysv64"));
    }
    if left == 0 { Ok(()) } else { Err((signal, addr)) }
}

/// Makes an access: the value expected and the new one, each as low and high half; the value
/// loaded.
///
/// # Errors
/// A fault: the words given to [`Context::set_fault`](super::Context).
///
/// # Safety
/// The guest's own memory may change.
#[inline]
pub(crate) unsafe fn access(
    routine: Routine,
    addr: u64,
    expected: [u64; 2],
    new: [u64; 2],
) -> Result<[u64; 2], (u64, u64)> {
    let (rax, rdx, faulted): (u64, u64, u64);
    // SAFETY: the routines touch the registers named (all caller-saved but rbx, which cas16
    // restores) and their return address; a fault is caught.
    unsafe {
        asm!("call {routine}", routine = in(reg) routine as *const () as u64,
            inout("rdi") addr => _, inout("rax") expected[0] => rax, inout("rsi") new[0] => _,
            inout("rdx") expected[1] => rdx, inout("rcx") new[1] => _, out("r8") faulted, clobber_abi("sysv64"));
    }
    if faulted == 0 { Ok([rax, rdx]) } else { Err((rax, rdx)) }
}

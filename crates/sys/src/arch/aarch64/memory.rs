//! Guest memory: a copy, and single accesses.
//!
//! x5 and x6 describe a fault, with which the routine ends ([`continuation`]). In an access w7 is 1
//! from before its first instruction that may fault until after its last.
//!
//! The barriers make of each load a load-acquire and of each store a store-release, whatever its
//! alignment, which the instructions of these names do not admit. What is atomic with LDAXR and
//! STLXR is followed by a full barrier, as x86-64's locked instructions are one. It stores always,
//! the old value if that was not the expected one: so it faults where a store would, and 16 bytes
//! are loaded as one.

use core::arch::{asm, global_asm};

global_asm!(
    ".globl anyarch_guest_copy, anyarch_guest_copy_words, anyarch_guest_copy_bytes, anyarch_guest_copy_done",
    "anyarch_guest_copy:", // x0 = destination, x1 = source, x2 = bytes; leaves in x2 the bytes not copied
    "dmb ish",
    "anyarch_guest_copy_words:",
    "cmp x2, #16",
    "b.lo anyarch_guest_copy_bytes",
    "ldp x3, x4, [x1]",
    "stp x3, x4, [x0]",
    "add x1, x1, #16",
    "add x0, x0, #16",
    "sub x2, x2, #16",
    "b anyarch_guest_copy_words",
    // Also from a fault above, so that all bytes before the one that faults are copied.
    "anyarch_guest_copy_bytes:",
    "cbz x2, anyarch_guest_copy_done",
    "ldrb w3, [x1], #1",
    "strb w3, [x0], #1",
    "sub x2, x2, #1",
    "b anyarch_guest_copy_bytes",
    "anyarch_guest_copy_done:",
    "dmb ishld",
    "ret",
    ".macro anyarch_load name, insn:vararg",
    ".globl anyarch_guest_\\name",
    "anyarch_guest_\\name:",
    "mov w7, #1",
    "\\insn",
    "dmb ishld",
    "mov w7, #0",
    "ret",
    ".endm",
    ".macro anyarch_store name, insn:vararg",
    ".globl anyarch_guest_\\name",
    "anyarch_guest_\\name:",
    "mov w7, #1",
    "dmb ish",
    "\\insn",
    "mov w7, #0",
    "ret",
    ".endm",
    ".macro anyarch_cas name, suffix, r",
    ".globl anyarch_guest_\\name",
    "anyarch_guest_\\name:",
    "mov w7, #1",
    "2: ldaxr\\suffix \\r\\()8, [x0]",
    "cmp \\r\\()8, \\r\\()3",
    "csel \\r\\()10, \\r\\()1, \\r\\()8, eq",
    "stlxr\\suffix w9, \\r\\()10, [x0]",
    "cbnz w9, 2b",
    "dmb ish",
    "mov x3, x8",
    "mov w7, #0",
    "ret",
    ".endm",
    // x0 = address; x1 = new value; x3 = value loaded or expected.
    ".globl anyarch_guest_access_first, anyarch_guest_access_done",
    "anyarch_guest_access_first:",
    "anyarch_load load1, ldrb w3, [x0]",
    "anyarch_load load2, ldrh w3, [x0]",
    "anyarch_load load4, ldr w3, [x0]",
    "anyarch_load load8, ldr x3, [x0]",
    "anyarch_store store1, strb w1, [x0]",
    "anyarch_store store2, strh w1, [x0]",
    "anyarch_store store4, str w1, [x0]",
    "anyarch_store store8, str x1, [x0]",
    "anyarch_cas cas1, b, w",
    "anyarch_cas cas2, h, w",
    "anyarch_cas cas4, , w",
    "anyarch_cas cas8, , x",
    // The same with x4:x3 expected and x2:x1 new.
    ".globl anyarch_guest_cas16",
    "anyarch_guest_cas16:",
    "mov w7, #1",
    "2: ldaxp x8, x9, [x0]",
    "cmp x8, x3",
    "ccmp x9, x4, #0, eq",
    "csel x10, x1, x8, eq",
    "csel x11, x2, x9, eq",
    "stlxp w12, x10, x11, [x0]",
    "cbnz w12, 2b",
    "dmb ish",
    "mov x3, x8",
    "mov x4, x9",
    "mov w7, #0",
    "anyarch_guest_access_done:",
    "ret",
);

/// An access to guest memory, for [`access`].
pub(crate) type Routine = unsafe extern "C" fn();

macro_rules! routines {
    ($($name:ident $routine:ident)*) => {
        unsafe extern "C" { $(fn $routine();)* }
        $(pub(crate) const $name: Routine = $routine;)*
    };
}
routines! {
    LOAD1 anyarch_guest_load1
    LOAD2 anyarch_guest_load2
    LOAD4 anyarch_guest_load4
    LOAD8 anyarch_guest_load8
    STORE1 anyarch_guest_store1
    STORE2 anyarch_guest_store2
    STORE4 anyarch_guest_store4
    STORE8 anyarch_guest_store8
    CAS1 anyarch_guest_cas1
    CAS2 anyarch_guest_cas2
    CAS4 anyarch_guest_cas4
    CAS8 anyarch_guest_cas8
    CAS16 anyarch_guest_cas16
}

macro_rules! fetch {
    ($name:ident $routine:ident) => {
        /// A load; `None` where it faults. The address lies below the guest's end.
        #[inline(always)]
        pub(crate) fn $name(addr: u64) -> Option<u64> {
            // SAFETY: a load changes nothing.
            unsafe { access($routine, addr, [0; 2], [0; 2]) }.ok().map(|value| value[0])
        }
    };
}
fetch!(fetch2 LOAD2);
fetch!(fetch4 LOAD4);

/// Where a copy or an access that faulted at `pc` goes on, if it is one of these.
pub(crate) fn continuation(pc: u64) -> Option<u64> {
    unsafe extern "C" {
        fn anyarch_guest_copy_words();
        fn anyarch_guest_copy_bytes();
        fn anyarch_guest_copy_done();
        fn anyarch_guest_access_first();
        fn anyarch_guest_access_done();
    }
    let [words, bytes, copied, first, done] = [
        anyarch_guest_copy_words,
        anyarch_guest_copy_bytes,
        anyarch_guest_copy_done,
        anyarch_guest_access_first,
        anyarch_guest_access_done,
    ]
    .map(|label: unsafe extern "C" fn()| label as *const () as u64);
    // Nothing else in these ranges can fault.
    [(words, bytes, bytes), (bytes, copied, copied), (first, done, done)]
        .iter()
        .find(|(from, to, _)| (*from..*to).contains(&pc))
        .map(|range| range.2)
}

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
    // SAFETY: by the caller; a fault is caught. The routine touches caller-saved registers.
    unsafe {
        asm!("bl {copy}", copy = sym anyarch_guest_copy,
            inout("x0") dst => _, inout("x1") src => _, inout("x2") len => left,
            inout("x5") 0u64 => signal, inout("x6") 0u64 => addr, clobber_abi("C"));
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
    let (low, high, signal, at, faulted): (u64, u64, u64, u64, u64);
    // SAFETY: the routines touch caller-saved registers; a fault is caught.
    unsafe {
        asm!("blr {routine}", routine = in(reg) routine as *const () as u64,
            inout("x0") addr => _, inout("x1") new[0] => _, inout("x2") new[1] => _,
            inout("x3") expected[0] => low, inout("x4") expected[1] => high,
            out("x5") signal, out("x6") at, out("x7") faulted, clobber_abi("C"));
    }
    if faulted == 0 { Ok([low, high]) } else { Err((signal, at)) }
}

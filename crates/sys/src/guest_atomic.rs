//! Single accesses to guest memory that are atomic as the processor's own are: what a guest's loads, stores and atomic
//! instructions need beyond a copy.
//!
//! Each routine is one access between `r8 = 1` and `r8 = 0`. The fault handler's [`fixup`](crate::fixup) sends a fault on one of
//! them to the routine's end with rax and rdx describing the fault, where r8 is still 1.

use crate::{GUEST_END, MemFault};

core::arch::global_asm!(
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

macro_rules! routines {
    ($($name:ident $fault:ident)*) => {
        unsafe extern "C" { $(fn $name(); fn $fault();)* fn anyarch_guest_cas16(); }

        /// Where an access that faulted at `pc` goes on, if it is one of these.
        pub(crate) fn continuation(pc: u64) -> Option<u64> {
            unsafe extern "C" {
                fn anyarch_guest_access_done();
                fn anyarch_guest_cas16_fault();
                fn anyarch_guest_cas16_done();
            }
            if pc == anyarch_guest_cas16_fault as *const () as u64 {
                return Some(anyarch_guest_cas16_done as *const () as u64);
            }
            [$($fault as *const () as u64),*].contains(&pc).then_some(anyarch_guest_access_done as *const () as u64)
        }
    };
}
routines! {
    anyarch_guest_load1 anyarch_guest_load1_fault
    anyarch_guest_load2 anyarch_guest_load2_fault
    anyarch_guest_load4 anyarch_guest_load4_fault
    anyarch_guest_load8 anyarch_guest_load8_fault
    anyarch_guest_store1 anyarch_guest_store1_fault
    anyarch_guest_store2 anyarch_guest_store2_fault
    anyarch_guest_store4 anyarch_guest_store4_fault
    anyarch_guest_store8 anyarch_guest_store8_fault
    anyarch_guest_cas1 anyarch_guest_cas1_fault
    anyarch_guest_cas2 anyarch_guest_cas2_fault
    anyarch_guest_cas4 anyarch_guest_cas4_fault
    anyarch_guest_cas8 anyarch_guest_cas8_fault
}

fn check_range(addr: u64, bytes: u64) -> Result<(), MemFault> {
    match addr.checked_add(bytes) {
        Some(end) if end <= GUEST_END => Ok(()),
        _ => Err(MemFault { signo: 11, code: 1, addr }),
    }
}

/// Calls a routine: (rax, rdx) in, (rax, rdx) out.
///
/// # Safety
/// `routine` is one of the routines above; the guest's own memory may change.
unsafe fn access(
    routine: unsafe extern "C" fn(),
    addr: u64,
    low: (u64, u64),
    high: (u64, u64),
) -> Result<(u64, u64), MemFault> {
    let (rax, rdx, faulted): (u64, u64, u64);
    // SAFETY: the routines touch the registers named (all caller-saved but rbx, which cas16 restores) and their return
    // address; a fault is caught by `fixup`.
    unsafe {
        core::arch::asm!("call {routine}", routine = in(reg) routine as *const () as u64,
            inout("rdi") addr => _, inout("rax") low.0 => rax, inout("rsi") low.1 => _,
            inout("rdx") high.0 => rdx, inout("rcx") high.1 => _, out("r8") faulted, clobber_abi("sysv64"));
    }
    if faulted == 0 {
        Ok((rax, rdx))
    } else {
        Err(MemFault { signo: (rax >> 32) as i32, code: rax as i32, addr: rdx })
    }
}

/// Loads 1, 2, 4 or 8 bytes in one access, zero-extended. Any alignment.
///
/// # Errors
/// The fault.
pub fn load_once(addr: u64, bytes: u32) -> Result<u64, MemFault> {
    check_range(addr, bytes as u64)?;
    let routine = match bytes {
        1 => anyarch_guest_load1,
        2 => anyarch_guest_load2,
        4 => anyarch_guest_load4,
        _ => anyarch_guest_load8,
    };
    // SAFETY: a load changes nothing.
    Ok(unsafe { access(routine, addr, (0, 0), (0, 0)) }?.0)
}

/// Stores 1, 2, 4 or 8 bytes in one access. Any alignment.
///
/// # Errors
/// The fault.
pub fn store_once(addr: u64, bytes: u32, value: u64) -> Result<(), MemFault> {
    check_range(addr, bytes as u64)?;
    let routine = match bytes {
        1 => anyarch_guest_store1,
        2 => anyarch_guest_store2,
        4 => anyarch_guest_store4,
        _ => anyarch_guest_store8,
    };
    // SAFETY: the address is the guest's own.
    unsafe { access(routine, addr, (0, value), (0, 0)) }.map(drop)
}

/// Atomic compare and swap of 1, 2, 4 or 8 bytes; returns the old value (zero-extended), which equals the low part
/// of `expected` if the swap happened.
///
/// # Errors
/// The fault.
pub fn compare_exchange(addr: u64, bytes: u32, expected: u64, new: u64) -> Result<u64, MemFault> {
    check_range(addr, bytes as u64)?;
    let routine = match bytes {
        1 => anyarch_guest_cas1,
        2 => anyarch_guest_cas2,
        4 => anyarch_guest_cas4,
        _ => anyarch_guest_cas8,
    };
    let mask = u64::MAX >> (64 - 8 * bytes);
    // SAFETY: the address is the guest's own.
    Ok(unsafe { access(routine, addr, (expected & mask, new), (0, 0)) }?.0 & mask)
}

/// Atomic compare and swap of 16 bytes, aligned; returns the old value.
///
/// # Errors
/// The fault.
pub fn compare_exchange16(addr: u64, expected: u128, new: u128) -> Result<u128, MemFault> {
    check_range(addr, 16)?;
    let (low, high) = ((expected as u64, new as u64), ((expected >> 64) as u64, (new >> 64) as u64));
    // SAFETY: the address is the guest's own.
    let (low, high) = unsafe { access(anyarch_guest_cas16, addr, low, high) }?;
    Ok(low as u128 | (high as u128) << 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accesses() {
        let mut memory = [0x1122_3344_5566_7788u64, 5];
        let addr = memory.as_mut_ptr() as u64;
        for (bytes, value) in [(1, 0x88), (2, 0x7788), (4, 0x5566_7788), (8, 0x1122_3344_5566_7788)] {
            assert_eq!(load_once(addr, bytes), Ok(value));
            assert_eq!(compare_exchange(addr, bytes, value ^ 1, 0), Ok(value));
            assert_eq!(
                compare_exchange(addr, bytes, value | !(u64::MAX >> (64 - 8 * bytes)), value),
                Ok(value)
            );
        }
        store_once(addr + 1, 2, 0xabcd).unwrap();
        assert_eq!(load_once(addr, 8), Ok(0x1122_3344_55ab_cd88));
        let line = std::boxed::Box::leak(std::boxed::Box::new(Line([7, 9])));
        let addr = line as *mut Line as u64;
        assert_eq!(compare_exchange16(addr, 0, 1), Ok(9 << 64 | 7));
        assert_eq!(compare_exchange16(addr, 9 << 64 | 7, 3 << 64 | 1), Ok(9 << 64 | 7));
        assert_eq!(compare_exchange16(addr, 0, 0), Ok(3 << 64 | 1));
        assert_eq!(load_once(u64::MAX, 1), Err(MemFault { signo: 11, code: 1, addr: u64::MAX }));
    }

    #[repr(align(16))]
    #[allow(dead_code)]
    struct Line([u64; 2]);
}

//! Names and numbers.
//!
//! The address space: user space of 48 bits (or of 47, as the emulator for x86-64 gives its guests)
//! is supported. With 39 or 42 bits, which some kernels for small boards have, the emulator's
//! image cannot be loaded, and the kernel says so. The places differ from x86-64's, so that the
//! emulator for arm64 runs under that for x86-64.

use crate::arch::CallNumbers;
use core::ffi::CStr;

/// The architecture, as `uname -m` names it.
pub const MACHINE: &str = "aarch64";
/// ELF `e_machine`, of which AUDIT_ARCH_* is made as well.
pub const ELF_MACHINE: u16 = 183;
/// Its system calls.
pub const CALL_NUMBERS: CallNumbers = CallNumbers::Generic;
/// AUDIT_ARCH_* of the 32-bit programs that the host's kernel may run: arm.
pub const COMPAT_AUDIT_ARCH: u32 = 0x4000_0028;
/// Numbers of system calls from here on are another ABI's under the same AUDIT_ARCH_*: none are.
pub const OTHER_ABI_NUMBERS: Option<u32> = None;

/// The vDSO's clock_gettime.
pub const VDSO_CLOCK_GETTIME: &CStr = c"__kernel_clock_gettime";
/// The vDSO's gettimeofday.
pub const VDSO_GETTIMEOFDAY: &CStr = c"__kernel_gettimeofday";
/// The vDSO's getcpu, which arm64's kernel does not have: no symbol is found.
pub const VDSO_GETCPU: &CStr = c"__kernel_getcpu";

/// The lowest address that no guest mapping reaches: user space ends at 2^48.
pub const GUEST_END: u64 = 0x1_0000_0000_0000;
/// First address of the emulator's range of 1 TiB. The linker puts its image there
/// (crates/emu/build.rs).
pub const EMU_START: u64 = 0x6000_0000_0000;
/// mmap's flag for the lowest 2 GiB (MAP_32BIT), which is x86's.
pub const MAP_LOW: Option<u32> = None;
/// The code cache and position-independent programs lie in the TiB from here on.
pub const PROGRAMS_START: u64 = 0x3500_0000_0000;

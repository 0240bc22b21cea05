//! Names and numbers.

use crate::arch::CallNumbers;
use core::ffi::CStr;

/// The architecture, as `uname -m` names it.
pub const MACHINE: &str = "x86_64";
/// ELF `e_machine`, of which AUDIT_ARCH_* is made as well.
pub const ELF_MACHINE: u16 = 62;
/// Its system calls.
pub const CALL_NUMBERS: CallNumbers = CallNumbers::X86_64;
/// AUDIT_ARCH_* of the 32-bit programs that the host's kernel may run: i386.
pub const COMPAT_AUDIT_ARCH: u32 = 0x4000_0003;
/// Numbers of system calls from here on are another ABI's under the same AUDIT_ARCH_*: x32.
pub const OTHER_ABI_NUMBERS: Option<u32> = Some(0x4000_0000);

/// The vDSO's clock_gettime.
pub const VDSO_CLOCK_GETTIME: &CStr = c"__vdso_clock_gettime";
/// The vDSO's gettimeofday.
pub const VDSO_GETTIMEOFDAY: &CStr = c"__vdso_gettimeofday";
/// The vDSO's getcpu.
pub const VDSO_GETCPU: &CStr = c"__vdso_getcpu";

/// The lowest address that no guest mapping reaches: user space ends a page below 2^47.
pub const GUEST_END: u64 = 0x7fff_ffff_f000;
/// First address of the emulator's range of 1 TiB. The linker puts its image there
/// (crates/emu/build.rs).
pub const EMU_START: u64 = 0x7000_0000_0000;
/// mmap's flag for the lowest 2 GiB (MAP_32BIT).
pub const MAP_LOW: Option<u32> = Some(0x40);
/// The code cache and position-independent programs lie in the TiB from here on.
pub const PROGRAMS_START: u64 = 0x5500_0000_0000;

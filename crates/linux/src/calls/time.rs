//! The time of day and the current processor, asked through the host's vDSO: a call that guests
//! make millions of times then costs no entry into the kernel.
//!
//! The vDSO's functions get the emulator's buffers and never a guest pointer, so they cannot fault.

use crate::calls::dispatch::host_call;
use crate::calls::table::Sys;
use crate::memory::space::PAGE;
use crate::task::Task;
use anyarch_sys::arch::{VDSO_CLOCK_GETTIME, VDSO_GETCPU, VDSO_GETTIMEOFDAY};
use anyarch_sys::calls;
use anyarch_sys::raw::general::{__NR_clock_gettime, __NR_getcpu, __NR_gettimeofday};
use anyarch_sys::{Errno, SysResult, store_once, write};
use core::ffi::CStr;
use core::mem::transmute;
use core::sync::atomic::{AtomicU64, Ordering};

type ClockGettime = unsafe extern "C" fn(i32, *mut [i64; 2]) -> i32;
type Gettimeofday = unsafe extern "C" fn(*mut [i64; 2], *mut [i32; 2]) -> i32;
type Getcpu = unsafe extern "C" fn(*mut u32, *mut u32, *mut u8) -> i32;

/// Where the kernel mapped the vDSO (AT_SYSINFO_EHDR), or 0.
static VDSO: AtomicU64 = AtomicU64::new(0);

/// A function of the vDSO: 0 = not looked up, 1 = not there, else its address.
struct Function {
    name: &'static CStr,
    address: AtomicU64,
}

impl Function {
    const fn new(name: &'static CStr) -> Function {
        Function { name, address: AtomicU64::new(0) }
    }

    #[inline]
    fn address(&self) -> Option<u64> {
        let mut address = self.address.load(Ordering::Relaxed);
        if address == 0 {
            let base = VDSO.load(Ordering::Relaxed);
            // SAFETY: the kernel's own mapping, or 0.
            address = if base == 0 { None } else { unsafe { symbol(base, self.name) } }.unwrap_or(1);
            self.address.store(address, Ordering::Relaxed);
        }
        (address != 1).then_some(address)
    }
}

static CLOCK_GETTIME: Function = Function::new(VDSO_CLOCK_GETTIME);
static GETTIMEOFDAY: Function = Function::new(VDSO_GETTIMEOFDAY);
static GETCPU: Function = Function::new(VDSO_GETCPU);

/// Tells where the host's vDSO is (the host's AT_SYSINFO_EHDR). Without it all goes through the
/// kernel.
pub fn init(host_vdso: u64) {
    VDSO.store(host_vdso, Ordering::Relaxed);
}

/// The guest is about to map, unmap or protect [start, end): if the vDSO may lie there, with its
/// data before it, all goes through the kernel from here on.
pub(crate) fn replaced(start: u64, end: u64) {
    let base = VDSO.load(Ordering::Relaxed);
    if base != 0 && near(base, start, end) {
        for function in [&CLOCK_GETTIME, &GETTIMEOFDAY, &GETCPU] {
            function.address.store(1, Ordering::Relaxed);
        }
        VDSO.store(0, Ordering::Relaxed);
    }
}

/// Whether [start, end) touches a vDSO at `base`, whose size and whose data's size are the kernel's
/// affair: more than it ever was.
fn near(base: u64, start: u64, end: u64) -> bool {
    const BEFORE: u64 = 16 * PAGE;
    const BEHIND: u64 = 4 * PAGE;
    start < base.saturating_add(BEHIND) && end > base.saturating_sub(BEFORE)
}

/// Address of a dynamic symbol of the ELF image at `base`.
///
/// # Safety
/// `base` is a mapped shared object whose first segment lies at its file's start, as the kernel's
/// vDSO does.
unsafe fn symbol(base: u64, name: &CStr) -> Option<u64> {
    const PT_LOAD: u32 = 1;
    const PT_DYNAMIC: u32 = 2;
    const DT_HASH: u64 = 4;
    const DT_STRTAB: u64 = 5;
    const DT_SYMTAB: u64 = 6;
    // SAFETY: by the caller, all of this lies in the image.
    unsafe {
        let at = |addr: u64| *(addr as *const u64);
        let (headers, count) = (base + at(base + 32), *((base + 56) as *const u16) as u64);
        let (mut bias, mut dynamic) = (None, None);
        for i in 0..count {
            let header = headers + i * 56;
            match *(header as *const u32) {
                PT_LOAD => bias = bias.or(Some((base + at(header + 8)).wrapping_sub(at(header + 16)))),
                PT_DYNAMIC => dynamic = Some(at(header + 16)),
                _ => {}
            }
        }
        let bias = bias?;
        let mut entry = bias.wrapping_add(dynamic?);
        let (mut hash, mut strings, mut symbols) = (None, None, None);
        while at(entry) != 0 {
            let address = bias.wrapping_add(at(entry + 8));
            match at(entry) {
                DT_HASH => hash = Some(address),
                DT_STRTAB => strings = Some(address),
                DT_SYMTAB => symbols = Some(address),
                _ => {}
            }
            entry += 16;
        }
        let (strings, symbols) = (strings?, symbols?);
        // Without the old hash table (its second word is the number of symbols), the strings that
        // follow the symbols bound them.
        let count = match hash {
            Some(hash) => *((hash + 4) as *const u32) as u64,
            None => strings.saturating_sub(symbols) / 24,
        };
        (0..count).map(|i| symbols + i * 24).find_map(|symbol| {
            let (string, value) = (strings + *(symbol as *const u32) as u64, at(symbol + 8));
            (value != 0 && CStr::from_ptr(string as *const _) == name).then(|| bias.wrapping_add(value))
        })
    }
}

fn result(raw: i32) -> Result<(), Errno> {
    if raw < 0 { Err(Errno(-raw)) } else { Ok(()) }
}

/// CLOCK_MONOTONIC in nanoseconds.
pub fn monotonic() -> u64 {
    const CLOCK_MONOTONIC: i32 = 1;
    let mut ts = [0i64; 2];
    // SAFETY: the vDSO's function of this type fills our buffer, or the kernel does.
    unsafe {
        match CLOCK_GETTIME.address() {
            Some(function) => {
                transmute::<u64, ClockGettime>(function)(CLOCK_MONOTONIC, &mut ts);
            }
            None => {
                ts = calls::monotonic().map(|word| word as i64);
            }
        }
    }
    (ts[0] as u64).wrapping_mul(1_000_000_000).wrapping_add(ts[1] as u64)
}

/// Whether the vDSO answers a call, so that it needs no task.
pub(crate) fn is_local(sys: Sys) -> bool {
    match sys {
        Sys::clock_gettime => CLOCK_GETTIME.address().is_some(),
        Sys::gettimeofday => GETTIMEOFDAY.address().is_some(),
        Sys::getcpu => GETCPU.address().is_some(),
        _ => false,
    }
}

/// Answers a call for which [`is_local`] holds; called from generated code.
pub(crate) fn local(sys: Sys, args: [u64; 6]) -> Option<SysResult> {
    match sys {
        Sys::clock_gettime => Some(read_clock(CLOCK_GETTIME.address()?, args)),
        Sys::gettimeofday => Some(read_timeofday(GETTIMEOFDAY.address()?, args)),
        Sys::getcpu => Some(read_cpu(GETCPU.address()?, args)),
        _ => None,
    }
}

/// clock_gettime(2) through the vDSO.
#[inline]
pub(crate) fn local_clock(clock: u64, addr: u64) -> Option<SysResult> {
    Some(read_clock(CLOCK_GETTIME.address()?, [clock, addr, 0, 0, 0, 0]))
}

/// clock_gettime(2).
///
/// # Errors
/// `EINVAL`, `EFAULT`.
pub fn clock_gettime(task: &mut Task, args: [u64; 6]) -> SysResult {
    match CLOCK_GETTIME.address() {
        Some(function) => read_clock(function, args),
        None => host_call(task, __NR_clock_gettime, &args),
    }
}

fn read_clock(function: u64, args: [u64; 6]) -> SysResult {
    let mut ts = [0; 2];
    // SAFETY: the vDSO's function of this type fills our buffer.
    result(unsafe { transmute::<u64, ClockGettime>(function)(args[0] as i32, &mut ts) })?;
    // Two plain stores: the general copy takes longer than all the rest.
    for (addr, value) in [(args[1], ts[0]), (args[1].wrapping_add(8), ts[1])] {
        store_once(addr, 8, value as u64).map_err(|_| Errno::EFAULT)?;
    }
    Ok(0)
}

/// gettimeofday(2).
///
/// # Errors
/// `EFAULT`.
pub fn gettimeofday(task: &mut Task, args: [u64; 6]) -> SysResult {
    match GETTIMEOFDAY.address() {
        Some(function) => read_timeofday(function, args),
        None => host_call(task, __NR_gettimeofday, &args),
    }
}

fn read_timeofday(function: u64, args: [u64; 6]) -> SysResult {
    let (mut tv, mut zone) = ([0; 2], [0; 2]);
    // SAFETY: the vDSO's function of this type fills our buffers.
    result(unsafe { transmute::<u64, Gettimeofday>(function)(&mut tv, &mut zone) })?;
    if args[0] != 0 {
        write(args[0], &tv)?;
    }
    if args[1] != 0 {
        write(args[1], &zone)?;
    }
    Ok(0)
}

/// getcpu(2).
///
/// # Errors
/// `EFAULT`.
pub fn getcpu(task: &mut Task, args: [u64; 6]) -> SysResult {
    match GETCPU.address() {
        Some(function) => read_cpu(function, args),
        None => host_call(task, __NR_getcpu, &args),
    }
}

fn read_cpu(function: u64, args: [u64; 6]) -> SysResult {
    let (mut cpu, mut node) = (0, 0);
    // SAFETY: the vDSO's function of this type fills our buffers.
    result(unsafe { transmute::<u64, Getcpu>(function)(&mut cpu, &mut node, core::ptr::null_mut()) })?;
    if args[0] != 0 {
        write(args[0], &cpu)?;
    }
    if args[1] != 0 {
        write(args[1], &node)?;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_near_the_vdso() {
        let base = 0x7fff_1234_5000;
        for (start, end, want) in [
            (base, base + PAGE, true),
            (base - 4 * PAGE, base - 3 * PAGE, true),
            (base + PAGE, base + 2 * PAGE, true),
            (0, anyarch_sys::GUEST_END, true),
            (base - 64 * PAGE, base - 16 * PAGE, false),
            (base + 4 * PAGE, base + 8 * PAGE, false),
        ] {
            assert_eq!(near(base, start, end), want, "{start:#x} {end:#x}");
        }
    }

    #[test]
    fn functions_of_the_vdso() {
        let auxv = std::fs::read("/proc/self/auxv").unwrap();
        let word = |b: &[u8]| u64::from_le_bytes(b.try_into().unwrap());
        let Some(vdso) = auxv.chunks_exact(16).find(|e| word(&e[..8]) == 33) else { return };
        let base = word(&vdso[8..]);
        // SAFETY: the kernel's mapping.
        let find = |name: &CStr| unsafe { symbol(base, name) };
        assert_eq!(find(c"__vdso_nothing"), None);
        for function in [&CLOCK_GETTIME, &GETTIMEOFDAY, &GETCPU] {
            assert!(
                find(function.name).is_some_and(|address| address > base && address - base < 0x10000),
                "{:?}",
                function.name
            );
        }
        let mut ts = [0; 2];
        // SAFETY: the function has this type.
        let status = unsafe { transmute::<u64, ClockGettime>(find(CLOCK_GETTIME.name).unwrap())(0, &mut ts) };
        let now =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
        assert!(status == 0 && (now - ts[0]).abs() <= 1);
    }
}

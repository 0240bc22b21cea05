//! Guest code and units lie at fixed addresses, as near to each other as in the emulator. They
//! belong to this process as a whole, and so do the features that code is made for: one user at a
//! time.

use crate::{Arch, Host};
use anyarch_host_x86_64::listing::Lister;
use std::io;
use std::sync::Mutex;

/// The symbol `far`, a function within the reach of a branch, from the guest's code on.
pub const FAR: u64 = 0x8_0000;
/// The symbol `data`.
pub const DATA: u64 = 0x10_0000;
/// Where units lie.
const UNITS: u64 = 0x1000_0000;

static BUSY: Mutex<()> = Mutex::new(());

/// Memory at an address of our choice.
pub struct Mapping(u64, usize);

impl Mapping {
    /// Zeroes where nothing is yet.
    ///
    /// # Errors
    /// If it cannot be mapped there.
    pub fn new(at: u64, len: usize) -> io::Result<Mapping> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED_NOREPLACE;
        // SAFETY: a fresh mapping where nothing is.
        let p = unsafe { libc::mmap(at as *mut _, len, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
        if p as u64 == at { Ok(Mapping(at, len)) } else { Err(io::Error::last_os_error()) }
    }

    /// Its bytes.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the mapping is ours, and borrowed as this is. (What reads guest code by its
        // address does so while nobody writes.)
        unsafe { std::slice::from_raw_parts_mut(self.0 as *mut u8, self.1) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: made by `new`; nobody has its bytes any more.
        unsafe { libc::munmap(self.0 as *mut _, self.1) };
    }
}

/// Lends a lister for a host, with the guest's code at [`Arch::code`].
///
/// # Errors
/// If memory cannot be mapped.
pub fn with<T>(arch: &Arch, host: &Host, code: &[u8], f: impl FnOnce(&mut Lister<'_>) -> T) -> io::Result<T> {
    let _busy = BUSY.lock().unwrap_or_else(|e| e.into_inner());
    host.features.assume();
    // With a page of zeroes behind.
    let mut guest = Mapping::new(arch.code, code.len().next_multiple_of(4096) + 4096)?;
    guest.bytes()[..code.len()].copy_from_slice(code);
    let _far = Mapping::new(arch.code + FAR, 4096)?;
    let mut units = Mapping::new(arch.code + UNITS, Lister::ROOM)?;
    Ok(f(&mut (arch.lister)(units.bytes())))
}

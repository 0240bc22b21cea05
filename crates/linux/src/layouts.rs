//! Structures whose layout differs between the host and the generic 64-bit ABI, as runs of bytes that have the same contents.

use alloc::vec;
use anyarch_sys::{SysResult, read_bytes, write_bytes};

/// How a structure maps between the guest's and the host's layout.
pub struct Layout {
    /// Bytes of the guest's structure.
    pub guest_size: usize,
    /// Bytes of the host's structure.
    pub host_size: usize,
    /// (offset in the guest's, offset in the host's, bytes). Bytes outside all runs are padding.
    pub runs: &'static [(usize, usize, usize)],
}

impl Layout {
    /// Lets `call` fill the host's structure at the address it is given, and writes it to guest address `addr`.
    ///
    /// # Errors
    /// Those of `call`, then `EFAULT`.
    pub fn filled_by(&self, addr: u64, call: impl FnOnce(u64) -> SysResult) -> SysResult {
        let mut host = vec![0u8; self.host_size];
        let result = call(host.as_mut_ptr() as u64)?;
        let mut guest = vec![0u8; self.guest_size];
        for &(to, from, len) in self.runs {
            guest[to..to + len].copy_from_slice(&host[from..from + len]);
        }
        write_bytes(addr, &guest)?;
        Ok(result)
    }

    /// Lets `call` read the structure at guest address `addr` in the host's layout at the address it is given.
    ///
    /// # Errors
    /// `EFAULT`, then those of `call`.
    pub fn read_by(&self, addr: u64, call: impl FnOnce(u64) -> SysResult) -> SysResult {
        let mut guest = vec![0u8; self.guest_size];
        read_bytes(addr, &mut guest)?;
        let mut host = vec![0u8; self.host_size];
        for &(from, to, len) in self.runs {
            host[to..to + len].copy_from_slice(&guest[from..from + len]);
        }
        call(host.as_ptr() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyarch_sys::Errno;

    static PAIR: Layout = Layout { guest_size: 8, host_size: 12, runs: &[(0, 0, 4), (4, 8, 4)] };

    #[test]
    fn runs_move_both_ways() {
        let mut guest = [0u8; 8];
        let result = PAIR.filled_by(guest.as_mut_ptr() as u64, |host| {
            // SAFETY: the layout's buffer has 12 bytes.
            unsafe { (host as *mut [u8; 12]).write([1, 2, 3, 4, 9, 9, 9, 9, 5, 6, 7, 8]) };
            Ok(7)
        });
        assert_eq!((result, guest), (Ok(7), [1, 2, 3, 4, 5, 6, 7, 8]));
        let result = PAIR.read_by(guest.as_ptr() as u64, |host| {
            // SAFETY: the layout's buffer has 12 bytes.
            assert_eq!(unsafe { *(host as *const [u8; 12]) }, [1, 2, 3, 4, 0, 0, 0, 0, 5, 6, 7, 8]);
            Err(Errno::EPERM)
        });
        assert_eq!(result, Err(Errno::EPERM));
    }
}

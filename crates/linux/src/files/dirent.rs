//! Entries of directories, for guests that lay them out otherwise.
//!
//! **Places in directories of 32-bit guests.** Some file systems tell hashes of names for the
//! places of entries. To a 32-bit program the kernel's compat layer tells 31 bits of them (ext4's
//! hash2pos), since the program's C library fails where a place has more bits. The host's kernel
//! tells this process, which has 64 bits, all 63: the other 32 are cut off here, and which
//! directories that was done in is kept for lseek(2).

use crate::calls::dispatch::host_call;
use crate::files::procfile;
use crate::structure::{ByteOrder, Model};
use crate::task::Task;
use alloc::vec;
use alloc::vec::Vec;
use anyarch_sys::raw::general::{__NR_getdents64, __NR_lseek, SEEK_SET};
use anyarch_sys::{Errno, SysResult, args6, read_bytes, write_bytes};
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Offsets in `struct linux_dirent64`: d_ino, d_off, d_reclen, d_type, d_name.
const OFF: usize = 8;
const RECLEN: usize = 16;
const TYPE: usize = 18;
const NAME: usize = 19;

fn word(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + 8].iter().rev().fold(0, |word, &byte| word << 8 | byte as u64)
}

/// The entries in a buffer of `struct linux_dirent64`.
fn entries(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    core::iter::from_fn(move || {
        let size = u16::from_le_bytes([*rest.get(RECLEN)?, *rest.get(RECLEN + 1)?]) as usize;
        let entry = rest.get(..size).filter(|_| size > NAME)?;
        rest = &rest[size..];
        Some(entry)
    })
}

/// Appends an entry as `struct linux_dirent` of the guest's: the type is in its last byte.
///
/// # Errors
/// `EOVERFLOW` for a number of a file that the member cannot hold.
fn append(guest: &Model, entry: &[u8], out: &mut Vec<u8>) -> Result<(), Errno> {
    let (ino, off) = (word(entry, 0), word(entry, OFF));
    let off = if guest.word == 4 { short_place(off) } else { off };
    if guest.word == 4 && ino > u32::MAX as u64 {
        return Err(Errno::EOVERFLOW);
    }
    let name = entry[NAME..].split(|&b| b == 0).next().unwrap_or(&[]);
    let size = (2 * guest.word + 2 + name.len() + 2).next_multiple_of(guest.word);
    let start = out.len();
    let mut number = |value: u64, size: usize| {
        let at = out.len();
        out.extend_from_slice(&value.to_le_bytes()[..size]);
        if guest.order == ByteOrder::Big {
            out[at..].reverse();
        }
    };
    number(ino, guest.word);
    number(off, guest.word);
    number(size as u64, 2);
    out.extend_from_slice(name);
    out.resize(start + size, 0);
    out[start + size - 1] = entry[TYPE];
    Ok(())
}

/// getdents(2) of a guest whose `struct linux_dirent` differs from the host's.
///
/// # Errors
/// `EINVAL` without room for one entry, `EOVERFLOW`.
pub(crate) fn getdents(task: &mut Task, [fd, addr, room, ..]: [u64; 6]) -> SysResult {
    const LONGEST: u64 = 1 << 16;
    let (guest, room) = (task.abi.model(), (room as u32 as u64).min(LONGEST));
    // An entry of the host's may be a little longer.
    let mut host = vec![0; room as usize + 32];
    let len = host_call(task, __NR_getdents64, &args6(&[fd, host.as_mut_ptr() as u64, host.len() as u64]))?;
    let mut out = Vec::new();
    if guest.word == 4 && entries(&host[..len as usize]).any(|entry| is_hash(word(entry, OFF))) {
        remember(fd as i32);
    }
    let mut next = None;
    for entry in entries(&host[..len as usize]) {
        let before = out.len();
        let fits = append(guest, entry, &mut out).map(|()| out.len() as u64 <= room);
        if fits != Ok(true) {
            out.truncate(before);
            match (next, fits) {
                (None, Err(e)) => return Err(e),
                (None, _) => return Err(Errno::EINVAL),
                // What has been read too much is read again.
                (Some(off), _) => {
                    host_call(task, __NR_lseek, &args6(&[fd, off, SEEK_SET as u64]))?;
                    break;
                }
            }
        }
        next = Some(word(entry, OFF));
    }
    write_bytes(addr, &out)?;
    Ok(out.len() as u64)
}

/// A place at the directory's end, where places are hashes (EXT4_HTREE_EOF_64BIT).
const HASHES_END: u64 = i64::MAX as u64;

fn is_hash(place: u64) -> bool {
    place > u32::MAX as u64
}

/// A place as a 32-bit guest is told it.
fn short_place(place: u64) -> u64 {
    if is_hash(place) { place >> 32 } else { place }
}

/// The place in a directory of hashes that a 32-bit guest means.
fn long_place(place: u64) -> u64 {
    if place == short_place(HASHES_END) { HASHES_END } else { place << 32 }
}

/// Directories whose places are hashes, the latest ones.
static HASHED: [AtomicU64; 64] = [const { AtomicU64::new(0) }; 64];
static HASHED_NEXT: AtomicUsize = AtomicUsize::new(0);

/// Device and inode of a directory in one number, which is not 0.
fn directory(fd: i32) -> Option<u64> {
    const S_IFMT: u32 = 0o170000;
    const S_IFDIR: u32 = 0o040000;
    let st = procfile::fstat(fd)?;
    let key = st.st_dev.rotate_left(32) ^ st.st_ino;
    (st.st_mode & S_IFMT == S_IFDIR).then_some(key.max(1))
}

fn is_hashed(key: u64) -> bool {
    HASHED.iter().any(|known| known.load(Ordering::Relaxed) == key)
}

fn remember(fd: i32) {
    if let Some(key) = directory(fd).filter(|key| !is_hashed(*key)) {
        let at = HASHED_NEXT.fetch_add(1, Ordering::Relaxed) % HASHED.len();
        HASHED[at].store(key, Ordering::Relaxed);
    }
}

/// lseek(2) of a 32-bit guest: its places in directories are not the host's.
pub(crate) fn lseek(task: &mut Task, [fd, offset, whence, ..]: [u64; 6]) -> SysResult {
    let mut offset = offset;
    let known = HASHED_NEXT.load(Ordering::Relaxed) != 0;
    if known
        && whence == SEEK_SET as u64
        && offset != 0
        && !is_hash(offset)
        && directory(fd as i32).is_some_and(is_hashed)
    {
        offset = long_place(offset);
    }
    let place = host_call(task, __NR_lseek, &args6(&[fd, offset, whence]))?;
    let hashed = known && is_hash(place) && directory(fd as i32).is_some_and(is_hashed);
    Ok(if hashed { short_place(place) } else { place })
}

/// Brings the places in a buffer of `struct linux_dirent64`, at a guest's address, to what a 32-bit
/// guest is told.
pub(super) fn shorten(guest: &Model, fd: i32, addr: u64, len: u64) -> Result<(), Errno> {
    if guest.word != 4 {
        return Ok(());
    }
    let mut bytes = vec![0; len as usize];
    read_bytes(addr, &mut bytes)?;
    let sizes: Vec<usize> = entries(&bytes).map(<[u8]>::len).collect();
    let (mut at, mut any) = (0, false);
    for size in sizes {
        let place = word(&bytes, at + OFF);
        any |= is_hash(place);
        bytes[at + OFF..at + RECLEN].copy_from_slice(&short_place(place).to_le_bytes());
        at += size;
    }
    if any {
        remember(fd);
        write_bytes(addr, &bytes)?;
    }
    Ok(())
}

/// Brings the numbers in a buffer of `struct linux_dirent64` at a guest's address to its byte
/// order.
pub(super) fn reorder(guest: &Model, addr: u64, len: u64) -> Result<(), Errno> {
    if guest.order == ByteOrder::Little {
        return Ok(());
    }
    let mut bytes = vec![0; len as usize];
    read_bytes(addr, &mut bytes)?;
    let sizes: Vec<usize> = entries(&bytes).map(<[u8]>::len).collect();
    let mut at = 0;
    for size in sizes {
        bytes[at..at + OFF].reverse();
        bytes[at + OFF..at + RECLEN].reverse();
        bytes[at + RECLEN..at + TYPE].reverse();
        at += size;
    }
    write_bytes(addr, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structure::model;

    #[test]
    fn places_of_32_bit_guests() {
        for (long, short) in
            [(0, 0), (7, 7), (u32::MAX as u64, u32::MAX as u64), (1 << 32, 1), (HASHES_END, 0x7fff_ffff)]
        {
            assert_eq!(short_place(long), short, "{long:#x}");
        }
        for (short, long) in [(1, 1 << 32), (0x1234_5678, 0x1234_5678_0000_0000), (0x7fff_ffff, HASHES_END)] {
            assert_eq!(long_place(short), long, "{short:#x}");
        }
    }

    #[test]
    fn entries_of_32_bit_guests() {
        let mut host = vec![0; 24];
        (host[0], host[8], host[16], host[18]) = (5, 7, 24, 8);
        host[19..22].copy_from_slice(b"abc");
        for (guest, want) in [
            (&model::ARM, &b"\x05\0\0\0\x07\0\0\0\x10\0abc\0\0\x08"[..]),
            (&model::ARMEB, b"\0\0\0\x05\0\0\0\x07\0\x10abc\0\0\x08"),
        ] {
            let mut out = Vec::new();
            assert_eq!(append(guest, &host, &mut out), Ok(()));
            assert_eq!(out, want, "{}", guest.name);
        }
        host[4] = 1;
        assert_eq!(append(&model::ARM, &host, &mut Vec::new()), Err(Errno::EOVERFLOW));
        assert_eq!(append(&model::S390X, &host, &mut Vec::new()), Ok(()));
        assert_eq!(entries(&host).count(), 1);
        assert_eq!(entries(&host[..20]).count(), 0);
    }
}

//! io_uring(7): requests that carry what guest and host lay out differently.
//!
//! The kernel takes requests from memory that it shares with the guest, and almost all of them are
//! the same everywhere. Not so `struct epoll_event`, which only x86-64 packs, and the open flags,
//! of which some architectures have their own: such a request is converted in the ring while the
//! kernel takes it, which it does within io_uring_enter, and is then given back its own values.
//! Requests begin to run before that call returns, but the kernel has copied by then what they are
//! made of.
//!
//! So it must be known where a descriptor's ring lies: [`setup`] notes the offsets in it,
//! [`mapped`] where the guest maps its two parts. A descriptor that is closed leaves its row until
//! the number is a ring's again; a request that a row finds where there is no ring any more is only
//! ever read, unless it happens to look like one that is to be converted.
//!
//! Not converted are requests of a ring that a kernel thread polls (IORING_SETUP_SQPOLL), or that
//! is entered through a copy of its descriptor or by the number it is registered under.
//! IORING_OP_EPOLL_WAIT would have its results packed at any later time: it fails as on a kernel
//! that does not know it.
//!
//! A 32-bit guest's pieces of data are converted, too, and its messages fail likewise: what comes
//! with one is written at any later time. A guest of the other byte order has no rings, whose heads
//! and tails the kernel writes.

use crate::abi::Abi;
use crate::calls::dispatch::host_call;
use crate::structure::model::HOST;
use crate::structure::{Direction, Model, Plan, rows};
use crate::task::Task;
use alloc::vec::Vec;
use anyarch_sys::raw::general::{__NR_io_uring_register, __NR_io_uring_setup, EPOLL_CTL_ADD, EPOLL_CTL_MOD};
use anyarch_sys::raw::io_uring::*;
use anyarch_sys::{Errno, Mutex, MutexGuard, SysResult, args6, compare_exchange, read, read_bytes};
use core::mem::offset_of;
use core::sync::atomic::{AtomicBool, Ordering};

/// A ring that a descriptor stands for.
#[derive(Clone, Copy, Debug)]
struct Ring {
    fd: i32,
    setup_flags: u32,
    /// Offsets in the ring.
    head: u32,
    tail: u32,
    mask: u32,
    array: u32,
    /// Where the guest has the ring and the requests, 0 if it has not mapped them yet.
    ring: u64,
    requests: u64,
}

static RINGS: Mutex<Vec<Ring>> = Mutex::new(Vec::new());
/// Whether there has ever been one.
static ANY: AtomicBool = AtomicBool::new(false);

/// Keeps this module's lock while it lives.
pub(crate) struct ForkGuard(#[allow(dead_code)] MutexGuard<'static, Vec<Ring>>);

/// Held across a fork, so that the child does not find the lock held by a thread it does not have.
pub(crate) fn lock_for_fork() -> ForkGuard {
    ForkGuard(RINGS.lock())
}

/// io_uring_setup(2).
pub(crate) fn setup(task: &mut Task, args: [u64; 6]) -> SysResult {
    if task.abi.model().order != HOST.order {
        return Err(Errno::ENOSYS);
    }
    let fd = host_call(task, __NR_io_uring_setup, &args6(&args[..2]))?;
    let params = args[1];
    let word = |offset: usize| read::<u32>(params + offset as u64);
    let sq = offset_of!(io_uring_params, sq_off);
    let cq = offset_of!(io_uring_params, cq_off);
    let setup_flags = word(offset_of!(io_uring_params, flags))?;
    // With IORING_SETUP_NO_MMAP the memory is the guest's own.
    let own = |offset: usize| match setup_flags & IORING_SETUP_NO_MMAP {
        0 => Ok(0),
        _ => read::<u64>(params + offset as u64),
    };
    let ring = Ring {
        fd: fd as i32,
        setup_flags,
        head: word(sq + offset_of!(io_sqring_offsets, head))?,
        tail: word(sq + offset_of!(io_sqring_offsets, tail))?,
        mask: word(sq + offset_of!(io_sqring_offsets, ring_mask))?,
        array: word(sq + offset_of!(io_sqring_offsets, array))?,
        ring: own(cq + offset_of!(io_cqring_offsets, user_addr))?,
        requests: own(sq + offset_of!(io_sqring_offsets, user_addr))?,
    };
    let mut rings = RINGS.lock();
    rings.retain(|r| r.fd != ring.fd);
    rings.push(ring);
    ANY.store(true, Ordering::Relaxed);
    Ok(fd)
}

/// io_uring_register(2) of a guest whose pieces of data are laid out otherwise. What else
/// operations carry is the same everywhere but for addresses, which have 64 bits in it.
pub(crate) fn register(task: &mut Task, args: [u64; 6]) -> SysResult {
    const BUFFERS: u32 = io_uring_register_op::IORING_REGISTER_BUFFERS as u32;
    /// IORING_MAX_REG_BUFFERS.
    const BUFFERS_MAX: u64 = 1 << 14;
    let ([_, operation, at, count, ..], model) = (args, task.abi.model());
    if operation as u32 != BUFFERS || at == 0 || !(1..=BUFFERS_MAX).contains(&(count as u32 as u64)) {
        return host_call(task, __NR_io_uring_register, &args);
    }
    let host = pieces(model, at, count as u32)?;
    host_call(task, __NR_io_uring_register, &[args[0], operation, host.as_ptr() as u64, count, 0, 0])
}

/// So many pieces of data of a guest's, as the host lays them out.
fn pieces(guest: &Model, at: u64, count: u32) -> Result<Vec<u8>, Errno> {
    let plan = Plan::kept(&rows::iovec, Direction::ToHost, guest);
    let mut theirs = alloc::vec![0; count as usize * plan.from_size];
    read_bytes(at, &mut theirs)?;
    let mut host = alloc::vec![0; count as usize * plan.to_size];
    for i in 0..count as usize {
        plan.convert(&theirs[i * plan.from_size..], &mut host[i * plan.to_size..]);
    }
    Ok(host)
}

/// The guest has mapped a descriptor from `offset` on at `at`.
pub(crate) fn mapped(fd: i32, offset: u64, at: u64) {
    if !ANY.load(Ordering::Relaxed) {
        return;
    }
    if let Some(ring) = RINGS.lock().iter_mut().find(|r| r.fd == fd) {
        const SQES: u64 = IORING_OFF_SQES as u64;
        const SQ_RING: u64 = IORING_OFF_SQ_RING as u64;
        match offset {
            SQ_RING => ring.ring = at,
            SQES => ring.requests = at,
            _ => {}
        }
    }
}

/// What was changed in the ring for the kernel to see: address, size, the guest's value and the
/// host's.
type Change = (u64, u32, u64, u64);

/// The requests that the kernel is about to take, as it is to see them. Changed back when dropped.
#[derive(Default)]
pub(crate) struct Converted {
    changes: Vec<Change>,
    /// What changed requests point at. Their memory does not move.
    structures: Vec<Vec<u8>>,
}

impl Drop for Converted {
    fn drop(&mut self) {
        for &(at, size, guest, host) in self.changes.iter().rev() {
            // The guest may have begun another request there.
            let _ = compare_exchange(at, size, host, guest);
        }
    }
}

impl Converted {
    /// Converts up to `count` requests that wait in the ring of `fd`.
    pub(crate) fn new(abi: &dyn Abi, fd: u64, count: u64) -> Converted {
        let mut converted = Converted::default();
        if count != 0 && ANY.load(Ordering::Relaxed) {
            let ring = RINGS.lock().iter().find(|r| r.fd == fd as i32).copied();
            if let Some(ring) =
                ring.filter(|r| r.ring != 0 && r.requests != 0 && r.setup_flags & IORING_SETUP_SQPOLL == 0)
            {
                // What cannot be read is the kernel's to complain about.
                let _ = converted.requests(abi, &ring, count);
            }
        }
        converted
    }

    fn requests(&mut self, abi: &dyn Abi, ring: &Ring, count: u64) -> Result<(), Errno> {
        let word = |offset: u32| read::<u32>(ring.ring + offset as u64);
        let (head, mask) = (word(ring.head)?, word(ring.mask)?);
        let waiting = word(ring.tail)?.wrapping_sub(head).min(mask.wrapping_add(1));
        let size = if ring.setup_flags & IORING_SETUP_SQE128 != 0 { 128 } else { 64 };
        for i in 0..count.min(waiting as u64) as u32 {
            let slot = head.wrapping_add(i) & mask;
            let index = match ring.setup_flags & IORING_SETUP_NO_SQARRAY {
                0 => read::<u32>(ring.ring + ring.array as u64 + 4 * slot as u64)?,
                _ => slot,
            };
            if index <= mask {
                // A request that cannot be converted fails for itself.
                let _ = self.request(abi, ring.requests + size * index as u64);
            }
        }
        Ok(())
    }

    fn request(&mut self, abi: &dyn Abi, at: u64) -> Result<(), Errno> {
        // The unions of `struct io_uring_sqe` by their most common members: off, addr, and the
        // flags of the operation.
        const OFF: u64 = offset_of!(io_uring_sqe, __bindgen_anon_1) as u64;
        const ADDR: u64 = offset_of!(io_uring_sqe, __bindgen_anon_2) as u64;
        const LEN: u64 = offset_of!(io_uring_sqe, len) as u64;
        const FLAGS: u64 = offset_of!(io_uring_sqe, __bindgen_anon_3) as u64;
        const OPENAT: u8 = io_uring_op::IORING_OP_OPENAT as u8;
        const READV: u8 = io_uring_op::IORING_OP_READV as u8;
        const WRITEV: u8 = io_uring_op::IORING_OP_WRITEV as u8;
        const SENDMSG: u8 = io_uring_op::IORING_OP_SENDMSG as u8;
        const RECVMSG: u8 = io_uring_op::IORING_OP_RECVMSG as u8;
        const PIPE: u8 = io_uring_op::IORING_OP_PIPE as u8;
        const OPENAT2: u8 = io_uring_op::IORING_OP_OPENAT2 as u8;
        const EPOLL_CTL: u8 = io_uring_op::IORING_OP_EPOLL_CTL as u8;
        const EPOLL_WAIT: u8 = io_uring_op::IORING_OP_EPOLL_WAIT as u8;
        const UNKNOWN: u64 = 255;
        let word = |offset: u64| read::<u32>(at + offset);
        match read::<u8>(at)? {
            OPENAT | PIPE => {
                let flags = word(FLAGS)?;
                self.change(at + FLAGS, 4, flags as u64, abi.open_flags_to_host(flags) as u64);
            }
            OPENAT2 => {
                let (how, size): (u64, u32) = (read(at + OFF)?, word(LEN)?);
                if !(8..=4096).contains(&size) {
                    return Ok(());
                }
                let mut bytes = alloc::vec![0; size as usize];
                read_bytes(how, &mut bytes)?;
                let flags = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
                bytes[..4].copy_from_slice(&abi.open_flags_to_host(flags).to_le_bytes());
                self.point(at + OFF, how, bytes);
            }
            EPOLL_CTL if rows::epoll_event.differs_for(abi.model()) => {
                let event: u64 = read(at + ADDR)?;
                if matches!(word(LEN)?, EPOLL_CTL_ADD | EPOLL_CTL_MOD) {
                    let plan = Plan::kept(&rows::epoll_event, Direction::ToHost, abi.model());
                    let mut theirs = alloc::vec![0; plan.from_size];
                    read_bytes(event, &mut theirs)?;
                    let mut host = alloc::vec![0; plan.to_size];
                    plan.convert(&theirs, &mut host);
                    self.point(at + ADDR, event, host);
                }
            }
            READV | WRITEV if rows::iovec.differs_for(abi.model()) => {
                let (pieces, count): (u64, u32) = (read(at + ADDR)?, word(LEN)?);
                if !(1..=1024).contains(&count) {
                    return Ok(());
                }
                let host = self::pieces(abi.model(), pieces, count)?;
                self.point(at + ADDR, pieces, host);
            }
            op @ (SENDMSG | RECVMSG) if rows::msghdr.differs_for(abi.model()) => {
                self.change(at, 1, op as u64, UNKNOWN)
            }
            EPOLL_WAIT if rows::epoll_event.differs_for(abi.model()) => {
                self.change(at, 1, EPOLL_WAIT as u64, UNKNOWN)
            }
            _ => {}
        }
        Ok(())
    }

    fn change(&mut self, at: u64, size: u32, guest: u64, host: u64) {
        if guest != host && compare_exchange(at, size, guest, host) == Ok(guest) {
            self.changes.push((at, size, guest, host));
        }
    }

    fn point(&mut self, at: u64, guest: u64, structure: Vec<u8>) {
        self.change(at, 8, guest, structure.as_ptr() as u64);
        self.structures.push(structure);
    }
}

//! Asynchronous requests of guests that lay them out otherwise, and contexts whose numbers fit 32
//! bits.
//!
//! A request's address comes back with its event, so the kernel must be given the guest's own. What
//! differs is changed there while the kernel takes it, which it does within the call, and is given
//! back its own values.

use crate::calls::dispatch::host_call;
use crate::calls::old::read_long;
use crate::memory;
use crate::structure::{Direction, Model, Plan, rows};
use crate::task::Task;
use alloc::vec;
use alloc::vec::Vec;
use anyarch_sys::raw::general::{__NR_io_destroy, __NR_io_setup, __NR_io_submit};
use anyarch_sys::{Errno, SysResult, args6, read, read_bytes, write_bytes};

/// io_setup(2) of a guest whose words are others. A context's number is the address of its ring,
/// which goes where a 32-bit guest's numbers reach.
pub(crate) fn io_setup(task: &mut Task, [count, at, ..]: [u64; 6]) -> SysResult {
    let guest = task.abi.model();
    let mut context = read_long(guest, at)?;
    host_call(task, __NR_io_setup, &args6(&[count, &raw mut context as u64]))?;
    let number = if guest.word == 4 { near(context) } else { Ok(context) };
    let told = number.and_then(|number| {
        let plan = Plan::kept(&rows::a_ulong, Direction::ToGuest, guest);
        let mut theirs = [0; 8];
        plan.convert(&number.to_le_bytes(), &mut theirs);
        context = number;
        write_bytes(at, &theirs[..plan.to_size])
    });
    if let Err(e) = told {
        io_destroy(task, args6(&[context]))?;
        return Err(e);
    }
    Ok(0)
}

/// Brings a context's ring to where a 32-bit guest reaches it; returns its new number.
fn near(context: u64) -> SysResult {
    /// `struct aio_ring` (fs/aio.c): id, nr, head, tail, and four numbers more; then the events.
    const HEADER: u64 = 32;
    const EVENT: u64 = 32;
    let events: u32 = read(context + 4)?;
    memory::bring_near(context, HEADER + events as u64 * EVENT)
}

/// io_destroy(2).
pub(crate) fn io_destroy(task: &mut Task, [context, ..]: [u64; 6]) -> SysResult {
    let result = host_call(task, __NR_io_destroy, &args6(&[context]))?;
    memory::gone_near(context);
    Ok(result)
}

/// `aio_lio_opcode` of requests with several pieces of data.
const PREADV: u16 = 7;
const PWRITEV: u16 = 8;
/// Offsets in the host's `struct iocb`.
const OPCODE: usize = 16;
const BUF: usize = 24;
const COUNT: usize = 32;
/// Bytes of it, everywhere.
const SIZE: usize = 64;
/// UIO_MAXIOV.
const PIECES_MAX: u64 = 1024;
/// More than any queue holds.
const REQUESTS_MAX: u64 = 1 << 16;

/// A request that has been changed in the guest's memory. Changed back when dropped, but for
/// `aio_key`, which the kernel has written.
struct Changed<'a> {
    guest: &'a Model,
    at: u64,
    theirs: [u8; SIZE],
    _pieces: Vec<u8>,
}

impl Drop for Changed<'_> {
    fn drop(&mut self) {
        let mut now = [0; SIZE];
        if read_bytes(self.at, &mut now).is_err() {
            return;
        }
        // The key is zero (KIOCB_KEY), in either order.
        if let Some(key) = rows::iocb.offset("aio_key", self.guest) {
            self.theirs[key..key + 4].copy_from_slice(&now[8..12]);
        }
        let _ = write_bytes(self.at, &self.theirs);
    }
}

fn change(guest: &Model, at: u64) -> Result<Option<Changed<'_>>, Errno> {
    let mut theirs = [0; SIZE];
    read_bytes(at, &mut theirs)?;
    let mut host = [0; SIZE];
    Plan::kept(&rows::iocb, Direction::ToHost, guest).convert(&theirs, &mut host);
    let word = |at: usize| host[at..at + 8].iter().rev().fold(0, |word, &byte| word << 8 | byte as u64);
    let (opcode, buf, count) = (word(OPCODE) as u16, word(BUF), word(COUNT));
    let mut pieces = Vec::new();
    if matches!(opcode, PREADV | PWRITEV) && (1..=PIECES_MAX).contains(&count) {
        let plan = Plan::kept(&rows::iovec, Direction::ToHost, guest);
        let mut bytes = vec![0; count as usize * plan.from_size];
        read_bytes(buf, &mut bytes)?;
        pieces = vec![0; count as usize * plan.to_size];
        for i in 0..count as usize {
            plan.convert(&bytes[i * plan.from_size..], &mut pieces[i * plan.to_size..]);
        }
        host[BUF..BUF + 8].copy_from_slice(&(pieces.as_ptr() as u64).to_le_bytes());
    } else if !rows::iocb.differs_for(guest) {
        return Ok(None);
    }
    write_bytes(at, &host)?;
    Ok(Some(Changed { guest, at, theirs, _pieces: pieces }))
}

/// io_submit(2).
pub(crate) fn io_submit(task: &mut Task, args: [u64; 6]) -> SysResult {
    let guest = task.abi.model();
    if args[1] as i64 <= 0 {
        return host_call(task, __NR_io_submit, &args);
    }
    let (mut requests, mut changed) = (Vec::new(), Vec::new());
    for i in 0..args[1].min(REQUESTS_MAX) {
        // What cannot be read is where the kernel stops too.
        let Ok(at) = read_long(guest, args[2].wrapping_add(i * guest.word as u64)) else { break };
        let Ok(request) = change(guest, at) else { break };
        requests.push(at);
        changed.extend(request);
    }
    if requests.is_empty() {
        return Err(Errno::EFAULT);
    }
    let at = requests.as_ptr() as u64;
    host_call(task, __NR_io_submit, &args6(&[args[0], requests.len() as u64, at]))
}

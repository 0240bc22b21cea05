//! Lists of robust futexes (set_robust_list(2)) of guests whose pointers are not the host's: the
//! host's kernel cannot walk them, so the emulator does when a thread ends.
//!
//! A thread that is killed leaves its futexes as they are.

use crate::structure::{Direction, Model, Plan, model, rows};
use crate::task::Task;
use anyarch_sys::calls;
use anyarch_sys::{Errno, SysResult, compare_exchange, read_bytes, write};

const FUTEX_TID_MASK: u32 = 0x3fff_ffff;
const FUTEX_OWNER_DIED: u32 = 0x4000_0000;
const FUTEX_WAITERS: u32 = 0x8000_0000;
/// ROBUST_LIST_LIMIT: the list may be a circle.
const LONGEST: usize = 2048;

/// A thread's list: the thread and the head's address. A child begins without.
#[derive(Clone, Copy, Default)]
pub(crate) struct Robust {
    tid: i32,
    head: u64,
}

/// Whether the host's kernel can walk a guest's lists.
pub(crate) fn is_hosts(guest: &Model) -> bool {
    !rows::robust_list_head.differs_for(guest)
}

/// set_robust_list(2) where it [is not the host's](is_hosts).
pub(crate) fn set(task: &mut Task, head: u64, size: u64) -> SysResult {
    if size != rows::robust_list_head.size(task.abi.model()) as u64 {
        return Err(Errno::EINVAL);
    }
    task.robust = Robust { tid: task.tid(), head };
    Ok(0)
}

/// get_robust_list(2), likewise, of the thread itself.
pub(crate) fn get(task: &mut Task, head: u64, size: u64) -> SysResult {
    let own = if task.robust.tid == task.tid() { task.robust.head } else { 0 };
    write(size, &(rows::robust_list_head.size(task.abi.model()) as u64))?;
    write(head, &own)?;
    Ok(0)
}

/// A structure of three words at most in the host's layout.
fn words<const N: usize>(
    of: &'static crate::structure::Struct,
    guest: &Model,
    at: u64,
) -> Result<[u64; N], Errno> {
    let plan = Plan::kept(of, Direction::ToHost, guest);
    let (mut theirs, mut host) = ([0; 32], [0; 32]);
    read_bytes(at, &mut theirs[..plan.from_size])?;
    plan.convert(&theirs, &mut host);
    let mut words = [0; N];
    for (i, word) in words.iter_mut().enumerate() {
        *word = host[8 * i..8 * i + 8].iter().rev().fold(0, |word, &byte| word << 8 | byte as u64);
    }
    Ok(words)
}

/// The thread ends: what it holds is given up (the kernel's exit_robust_list).
pub(crate) fn exit(task: &mut Task) {
    let Robust { tid, head } = core::mem::take(&mut task.robust);
    if head != 0 && tid == task.tid() {
        // What cannot be read ends the walk.
        let _ = walk(task, tid, head);
    }
}

fn walk(task: &mut Task, tid: i32, head: u64) -> Result<(), Errno> {
    let guest = task.abi.model();
    let [first, offset, pending] = words::<3>(&rows::robust_list_head, guest, head)?;
    // The lowest bit of an address marks a futex with priority inheritance, which there is not.
    let plain = |entry: u64| entry & !1;
    let futex = |entry: u64| {
        let at = plain(entry).wrapping_add(offset);
        if guest.word == 4 { at as u32 as u64 } else { at }
    };
    let mut entry = first;
    for _ in 0..LONGEST {
        if plain(entry) == head {
            break;
        }
        // The next one is read before this one is given up.
        let next = words::<1>(&rows::a_pointer, guest, plain(entry));
        if plain(entry) != plain(pending) {
            give_up(task, tid, futex(entry));
        }
        entry = next?[0];
    }
    if plain(pending) != 0 {
        give_up(task, tid, futex(pending));
    }
    Ok(())
}

/// Marks a futex that the thread holds, and wakes one that waits for it.
fn give_up(task: &mut Task, tid: i32, at: u64) {
    let swap = |word: u32| {
        if task.abi.model().order == model::ByteOrder::Big { word.swap_bytes() } else { word }
    };
    loop {
        let mut bytes = [0; 4];
        if read_bytes(at, &mut bytes).is_err() {
            return;
        }
        let seen = u32::from_le_bytes(bytes);
        let word = swap(seen);
        if word & FUTEX_TID_MASK != tid as u32 {
            return;
        }
        let new = swap(word & FUTEX_WAITERS | FUTEX_OWNER_DIED);
        match compare_exchange(at, 4, seen as u64, new as u64) {
            Ok(before) if before == seen as u64 => {
                if word & FUTEX_WAITERS != 0 {
                    calls::futex_wake(at, 1);
                }
                return;
            }
            Ok(_) => {}
            Err(_) => return,
        }
    }
}

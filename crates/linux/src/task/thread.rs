//! Host threads for guest threads: their stacks, how they begin and end.
//!
//! A thread's host stack is the emulator's own mapping and is reused after the thread's end:
//! creating a thread in a program that does so often costs no mapping. A thread gives its stack
//! back with its very last instructions before the kernel's exit, which use no stack ([`leave`]),
//! with all signals blocked. The guest's thread-exit protocol (robust list, cleared thread id) is
//! the kernel's own: it has the guest's addresses.

use crate::calls::dispatch::host_call;
use crate::memory::space::{EMU_END, EMU_START, PAGE};
use crate::task::{self, Task, robust};
use alloc::boxed::Box;
use alloc::vec::Vec;
use anyarch_sys::arch::leave;
use anyarch_sys::raw::general::{__NR_get_robust_list, __NR_set_robust_list, __NR_set_tid_address};
use anyarch_sys::{Errno, Mutex, SysResult, calls, footprint};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU32, Ordering};

/// Bytes of a host stack's mapping: a page that stays unmapped, the alternate signal stack, and the
/// stack with another unmapped page below it.
const SIZE: u64 = 1 << 20;
/// Bytes of the alternate signal stack: the host's frame with AVX-512 and AMX state, and the
/// handler.
const ALT_SIZE: u64 = 32 << 10;
/// Offset of the alternate stack.
const ALT_START: u64 = PAGE;
/// Offset of the stack's lowest byte.
const STACK_START: u64 = ALT_START + ALT_SIZE + PAGE;
/// Stacks lie from here up to the end of the emulator's range.
const AREA: u64 = EMU_START + 0x80_0000_0000;
/// This many idle stacks are kept; those beyond are unmapped.
const KEEP: usize = 64;

/// A host stack with its alternate stack. The first word of the alternate stack tells whether a
/// thread is still on it.
pub(crate) struct HostStack(u64);

impl HostStack {
    /// An idle stack, or a new one.
    pub(crate) fn get() -> Result<HostStack, Errno> {
        let mut pool = POOL.lock();
        if let Some(i) = pool.left() {
            return Ok(pool.idle.swap_remove(i));
        }
        const PROT_READ_WRITE: u32 = 3;
        const FLAGS: u32 = 0x2 | 0x20 | 0x4000 | 0x100000; // PRIVATE | ANONYMOUS | NORESERVE | FIXED_NOREPLACE
        loop {
            let at = match pool.free.pop() {
                Some(at) => at,
                None if pool.next + SIZE > EMU_END => return Err(Errno::EAGAIN),
                None => {
                    pool.next += SIZE;
                    pool.next - SIZE
                }
            };
            // The unmapped pages come free: the pieces are mapped apart.
            // SAFETY: fresh addresses of the emulator's own range.
            let alt = unsafe { footprint::map(at + ALT_START, ALT_SIZE, PROT_READ_WRITE, FLAGS) };
            match alt {
                Ok(_) => {}
                // Somebody else's, who does not give it back here.
                Err(Errno::EEXIST) => continue,
                Err(_) => {
                    pool.free.push(at);
                    return Err(Errno::EAGAIN);
                }
            }
            // SAFETY: as above.
            let stack =
                unsafe { footprint::map(at + STACK_START, SIZE - STACK_START, PROT_READ_WRITE, FLAGS) };
            if stack.is_err() {
                pool.unmap(at, ALT_SIZE);
                return Err(Errno::EAGAIN);
            }
            return Ok(HostStack(at));
        }
    }

    /// Nonzero while the thread that gave the stack back has not left it.
    fn busy(&self) -> &AtomicU32 {
        // SAFETY: the word is mapped as long as the stack is, and only used atomically.
        unsafe { AtomicU32::from_ptr((self.0 + ALT_START) as *mut u32) }
    }

    /// Makes the stack available to others. Whoever is still on it sets `busy` first.
    pub(crate) fn put(self) {
        let mut pool = POOL.lock();
        pool.idle.push(self);
        pool.trim();
    }

    /// Address of the stack's lowest byte.
    pub(crate) fn bottom(&self) -> u64 {
        self.0 + STACK_START
    }

    fn use_altstack(&self) {
        // The first word is `busy`, which a frame never reaches: it would have overflowed.
        host_altstack(self.0 + ALT_START, ALT_SIZE);
    }
}

/// The stacks that no thread has.
struct Pool {
    idle: Vec<HostStack>,
    /// Places of stacks that were unmapped.
    free: Vec<u64>,
    /// Where no stack has been yet.
    next: u64,
}

impl Pool {
    /// An idle stack whose thread has left it.
    fn left(&self) -> Option<usize> {
        self.idle.iter().rposition(|stack| stack.busy().load(Ordering::Acquire) == 0)
    }

    /// Unmaps what is too much, but for stacks whose threads have not left them.
    fn trim(&mut self) {
        while self.idle.len() > KEEP
            && let Some(i) = self.left()
        {
            let stack = self.idle.swap_remove(i);
            self.unmap(stack.0, ALT_SIZE + SIZE - STACK_START);
        }
    }

    /// `mapped`: the bytes of the place that are.
    fn unmap(&mut self, at: u64, mapped: u64) {
        // SAFETY: a place of ours that nobody uses.
        unsafe { footprint::unmap(at, SIZE, [mapped; 2]) };
        self.free.push(at);
    }
}

static POOL: Mutex<Pool> = Mutex::new(Pool { idle: Vec::new(), free: Vec::new(), next: AREA });

/// Takes the lock for a fork; the guard is given back in parent and child.
pub(crate) fn hold() -> impl Drop {
    POOL.lock()
}

fn host_altstack(start: u64, size: u64) {
    // SAFETY: the memory is the emulator's and stays.
    unsafe { calls::set_altstack(start, size) };
}

#[repr(align(16))]
struct FirstAlt(UnsafeCell<[u8; ALT_SIZE as usize]>);
// SAFETY: only the kernel writes there, for one thread.
unsafe impl Sync for FirstAlt {}

/// The alternate stack of the process's first thread.
pub(crate) fn set_first_altstack() {
    static ALT: FirstAlt = FirstAlt(UnsafeCell::new([0; ALT_SIZE as usize]));
    host_altstack(ALT.0.get() as u64, ALT_SIZE);
}

/// Puts what the child pops onto its stack; returns the child's stack pointer.
pub(crate) fn prepare_stack(task: &Task) -> u64 {
    let Some(stack) = &task.stack else { return 0 };
    // 16-byte aligned once both words are popped.
    let sp = stack.0 + SIZE - 16;
    // SAFETY: the top of a stack that nobody uses yet.
    unsafe { (sp as *mut [u64; 2]).write([task as *const Task as u64, begin as *const () as u64]) };
    sp
}

/// Frees a task whose thread never ran or is gone for good.
pub(crate) fn free(mut task: Box<Task>) {
    if let Some(stack) = task.stack.take() {
        stack.put();
    }
}

/// First code of a new host thread: all signals that are sent to it are blocked.
extern "C" fn begin(task: *mut Task) -> ! {
    // SAFETY: the parent made the task for this thread and forgot it.
    let task = unsafe { &mut *task };
    // SAFETY: the task's box lives until `exit`.
    unsafe { task.attach() };
    task.thread.begin();
    if let Some(stack) = &task.stack {
        stack.use_altstack();
    }
    crate::signal::begin(task);
    task::run(task)
}

/// Ends the calling thread. The last one's end is the process's.
pub(crate) fn exit(task: &mut Task, code: u64) -> ! {
    robust::exit(task);
    crate::signal::set_host_mask(u64::MAX);
    let stack = if task.vfork_child { None } else { task.stack.take() };
    if let Some(stack) = stack {
        let busy = stack.busy().as_ptr();
        stack.busy().store(1, Ordering::Relaxed);
        // SAFETY: made by `Box::into_raw` for this thread; nothing uses it any more, since signals
        // are blocked.
        drop(unsafe { Box::from_raw(task as *mut Task) });
        stack.put();
        // SAFETY: the word belongs to this thread's stack.
        unsafe { leave(busy, code) }
    }
    calls::exit_thread(code)
}

/// set_tid_address(2).
///
/// # Errors
/// None.
pub(crate) fn set_tid_address(task: &mut Task, args: [u64; 6]) -> SysResult {
    host_call(task, __NR_set_tid_address, &args)
}

/// set_robust_list(2).
///
/// # Errors
/// `EINVAL`.
pub(crate) fn set_robust_list(task: &mut Task, args: [u64; 6]) -> SysResult {
    if !robust::is_hosts(task.abi.model()) {
        return robust::set(task, args[0], args[1]);
    }
    host_call(task, __NR_set_robust_list, &args)
}

/// get_robust_list(2).
///
/// # Errors
/// `ESRCH`, `EPERM`, `EFAULT`.
pub(crate) fn get_robust_list(task: &mut Task, args: [u64; 6]) -> SysResult {
    if !robust::is_hosts(task.abi.model()) && [0, task.tid()].contains(&(args[0] as i32)) {
        return robust::get(task, args[1], args[2]);
    }
    host_call(task, __NR_get_robust_list, &args)
}

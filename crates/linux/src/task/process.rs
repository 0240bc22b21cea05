//! clone in all its forms, and exit.
//!
//! Every form is the host's clone with the guest's flags; only the thread pointer (CLONE_SETTLS)
//! and the stack are the emulator's business, since they are CPU state of the guest.
//!
//! - Without CLONE_VM (fork): the child goes on with a copy of everything on a copy of the same
//!   host stack. Locks of the emulator are held across the call ([`hold_locks`]), since the child
//!   has only the forking thread.
//! - With CLONE_VM (threads, vfork, posix_spawn, or processes that share memory): the child gets a
//!   task, a copy of the CPU state and a host stack of its own. With CLONE_VFORK the kernel holds
//!   the calling thread until the child has exec'ed or ended, and the parent then frees what the
//!   child used. The child's tasks and dispositions are its own, so that nothing it does to them
//!   shows in the parent.

use crate::calls::dispatch::host_call;
use crate::signal;
use crate::structure::constants::SIGNALS;
use crate::task::Task;
use crate::task::robust;
use crate::task::thread::{self, HostStack};
use alloc::boxed::Box;
use alloc::sync::Arc;
use anyarch_engine::run::ThreadBox;
use anyarch_sys::arch::{clone_args, spawn};
use anyarch_sys::raw::general::{
    __NR_clone, __NR_clone3, CLONE_CLEAR_SIGHAND, CLONE_FILES, CLONE_SETTLS, CLONE_SIGHAND, CLONE_VFORK,
    CLONE_VM,
};
use anyarch_sys::{Errno, SysResult};
use core::sync::atomic::Ordering;

/// Words of the kernel's `struct clone_args` (CLONE_ARGS_SIZE_VER2).
const CLONE_ARGS: usize = 11;
/// CLONE_ARGS_SIZE_VER0.
const CLONE_ARGS_MIN: u64 = 64;

/// Indices of `struct clone_args`.
mod arg {
    pub(super) const FLAGS: usize = 0;
    pub(super) const STACK: usize = 5;
    pub(super) const STACK_SIZE: usize = 6;
    pub(super) const TLS: usize = 7;
}

/// How the host's kernel is asked.
enum Call {
    /// clone(2): flags with the exit signal, address for the parent's and for the child's thread
    /// id.
    Clone { flags: u64, parent_tid: u64, child_tid: u64 },
    /// clone3(2).
    Clone3 { args: [u64; CLONE_ARGS], size: u64 },
}

impl Call {
    fn flags(&self) -> u64 {
        match self {
            Call::Clone { flags, .. } => *flags & 0xffff_ffff,
            Call::Clone3 { args, .. } => args[arg::FLAGS],
        }
    }

    /// Number and arguments for the host, with the child's host stack (bottom and size; both 0 for
    /// a fork).
    fn host(&mut self, bottom: u64, size: u64) -> (u32, [u64; 5]) {
        let settls = CLONE_SETTLS as u64;
        match self {
            Call::Clone { flags, parent_tid, child_tid } => {
                (__NR_clone, clone_args(*flags & !settls, bottom + size, *parent_tid, *child_tid))
            }
            Call::Clone3 { args, size: bytes } => {
                args[arg::FLAGS] &= !settls;
                args[arg::TLS] = 0;
                args[arg::STACK] = bottom;
                args[arg::STACK_SIZE] = size;
                (__NR_clone3, [args.as_ptr() as u64, *bytes, 0, 0, 0])
            }
        }
    }
}

/// Of clone's flags: the signal that the child's end sends.
const CSIGNAL: u32 = 0xff;

/// clone(2).
pub fn clone(task: &mut Task, [flags, sp, parent_tid, a3, a4, _]: [u64; 6]) -> SysResult {
    let signo = SIGNALS.to_host(task.abi.model(), flags as u32 & CSIGNAL).ok_or(Errno::EINVAL)?;
    let flags = flags & !(CSIGNAL as u64) | signo as u64;
    let (tls, child_tid) = if task.abi.clone_tls_first() { (a3, a4) } else { (a4, a3) };
    do_clone(task, Call::Clone { flags, parent_tid, child_tid }, sp, tls)
}

/// clone3(2).
pub fn clone3(task: &mut Task, [address, size, ..]: [u64; 6]) -> SysResult {
    const KNOWN: u64 = 8 * CLONE_ARGS as u64;
    if size > crate::memory::space::PAGE {
        return Err(Errno::E2BIG);
    }
    if size < CLONE_ARGS_MIN {
        return Err(Errno::EINVAL);
    }
    let mut args = [0u64; CLONE_ARGS];
    let mut bytes = [0u8; KNOWN as usize];
    anyarch_sys::read_bytes(address, &mut bytes[..size.min(KNOWN) as usize])?;
    for (word, chunk) in args.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = chunk.iter().rev().fold(0, |w, &b| w << 8 | b as u64);
    }
    // Fields of a later kernel must be unused.
    for at in KNOWN..size {
        if anyarch_sys::read::<u8>(address + at)? != 0 {
            return Err(Errno::E2BIG);
        }
    }
    let (stack, stack_size, tls) = (args[arg::STACK], args[arg::STACK_SIZE], args[arg::TLS]);
    if (stack == 0) != (stack_size == 0) {
        return Err(Errno::EINVAL);
    }
    do_clone(task, Call::Clone3 { args, size: size.min(KNOWN) }, stack.wrapping_add(stack_size), tls)
}

/// fork(2), of guests that have it.
pub fn fork(task: &mut Task, _args: [u64; 6]) -> SysResult {
    const SIGCHLD: u64 = 17;
    do_clone(task, Call::Clone { flags: SIGCHLD, parent_tid: 0, child_tid: 0 }, 0, 0)
}

/// vfork(2), of guests that have it.
pub fn vfork(task: &mut Task, _args: [u64; 6]) -> SysResult {
    const FLAGS: u64 = (CLONE_VM | CLONE_VFORK | 17) as u64;
    do_clone(task, Call::Clone { flags: FLAGS, parent_tid: 0, child_tid: 0 }, 0, 0)
}

fn do_clone(task: &mut Task, call: Call, sp: u64, tls: u64) -> SysResult {
    let tls = (call.flags() & CLONE_SETTLS as u64 != 0).then_some(tls);
    if call.flags() & CLONE_VM as u64 == 0 {
        separate(task, call, sp, tls)
    } else {
        sharing(task, call, sp, tls)
    }
}

/// A child with a copy of memory.
fn separate(task: &mut Task, mut call: Call, sp: u64, tls: Option<u64>) -> SysResult {
    let flags = call.flags();
    let (nr, a) = call.host(0, 0);
    let inherited = task.pending_faults();
    let result = hold_locks(task, |task| host_call(task, nr, &[a[0], a[1], a[2], a[3], a[4], 0]));
    if result == Ok(0) {
        task.thread.after_fork();
        crate::memory::after_fork();
        crate::program::perf::after_fork();
        task.forget_pending(inherited);
        if flags & CLONE_CLEAR_SIGHAND != 0 {
            task.sighand = Arc::new(task.sighand.copy(true));
            signal::reinstall(task);
        }
        let abi = task.abi;
        abi.clone_child(&mut task.thread.cpu, sp, tls);
    }
    result
}

/// Runs `call` with every lock held that a forked child may need, in the one order in which the
/// emulator takes several: dispositions, idle stacks, mappings, code cache (with what is written
/// of it), rings, heap, and the account of what the emulator has mapped.
fn hold_locks<T>(task: &mut Task, call: impl FnOnce(&mut Task) -> T) -> T {
    let sighand = task.sighand.clone();
    let actions = sighand.hold();
    let stacks = thread::hold();
    let mappings = crate::memory::lock_for_fork();
    let code = anyarch_engine::run::lock_for_fork();
    let rings = crate::calls::uring::lock_for_fork();
    let heap = anyarch_sys::heap::lock_for_fork();
    let result = call(task);
    drop((heap, rings, code, mappings, stacks, actions));
    result
}

/// A child that shares memory: a thread, a vfork child, or another process.
fn sharing(task: &mut Task, mut call: Call, sp: u64, tls: Option<u64>) -> SysResult {
    let flags = call.flags();
    let clear = flags & CLONE_CLEAR_SIGHAND != 0;
    let stack = HostStack::get()?;
    let thread = match ThreadBox::try_new(task.abi.guest()) {
        Ok(thread) => thread,
        Err(_) => {
            stack.put();
            return Err(Errno::EAGAIN);
        }
    };
    let sighand = if flags & CLONE_SIGHAND as u64 != 0 {
        task.sighand.clone()
    } else {
        Arc::new(task.sighand.copy(clear))
    };
    let mut child = Task::new(thread, task.abi, sighand);
    child.thread.copy_cpu(&task.thread);
    task.abi.clone_child(&mut child.thread.cpu, sp, tls);
    *child.sigmask.get_mut() = task.sigmask();
    if flags & CLONE_VFORK as u64 != 0 {
        child.altstack = task.altstack;
        child.vfork_child = true;
    }
    child.seccomp = task.seccomp.clone();
    child.reinstall = clear;
    child.own = if flags & CLONE_FILES as u64 != 0 { task.own.clone() } else { task.own.copy() };
    let bottom = stack.bottom();
    child.stack = Some(stack);
    let child = Box::into_raw(child);
    // SAFETY: just made.
    let top = thread::prepare_stack(unsafe { &*child });

    // The child must not take a signal before it has its task, and the parent's pending ones come
    // first. C libraries block all signals around clone themselves.
    let old = signal::block_all(task);
    let result = if task.signal_pending.load(Ordering::Relaxed) != 0 {
        Err(Errno::ERESTARTSYS)
    } else {
        let (nr, a) = call.host(bottom, top - bottom);
        // SAFETY: the stack was prepared, the task belongs to the child, signals are blocked.
        unsafe { spawn(nr, a) }
    };
    if let Some(old) = old {
        signal::set_host_mask(old);
    }
    if result.is_err() || flags & CLONE_VFORK as u64 != 0 {
        // SAFETY: there is no child, or it has left this memory for good.
        thread::free(unsafe { Box::from_raw(child) });
    }
    result
}

/// exit(2).
pub fn exit(task: &mut Task, [code, ..]: [u64; 6]) -> SysResult {
    thread::exit(task, code)
}

/// exit_group(2).
pub fn exit_group(task: &mut Task, [code, ..]: [u64; 6]) -> SysResult {
    if crate::config::get().stats {
        crate::config::log(anyarch_engine::run::report().as_bytes());
    }
    robust::exit(task);
    anyarch_sys::exit_group(code as i32)
}

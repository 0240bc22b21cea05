//! Running guest code on a thread: the boundary between the engine and the Linux layer.
//!
//! The Linux layer creates a [`Thread`] per guest thread, calls [`Thread::run`] in a loop, and acts
//! on the [`Stopped`]. From its host signal handler it calls [`on_host_fault`] and
//! [`on_host_signal`].

pub use crate::backend::HostContext;
use crate::backend::{Backend, Generator, Left, Way, backend};
pub use crate::cache::Made;
use crate::cache::{self, CACHE, GENERATION, NoCode, Origin};
pub use crate::guest::{Guest, Slots, SyscallRegs};
use crate::interp::{Interp, Outcome, effective};
use crate::ops::HelperExit;
pub use crate::peek::{Peek, Transfer};
use crate::state::Fault;
use crate::targets::PAGE;
use crate::thread::NOWHERE;
pub use crate::thread::{HOST_ROOM, HostRoom, Lookup, SHADOW, Thread};
use anyarch_sys::raw::general::*;
use anyarch_sys::{Errno, footprint};
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU64, Ordering};

const SIGILL: i32 = 4;
const SIGTRAP: i32 = 5;
const SIGSEGV: i32 = 11;
/// si_code of a fault whose address the processor did not tell (a non-canonical address).
const SI_KERNEL: i32 = 0x80;

/// Why [`Thread::run`] returned. The state is exact, but for NZCV that the text sets anew before it
/// reads them; `cpu.pc` is the address of the next instruction to run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stopped {
    /// A system call instruction ran; `cpu.pc` is the address after it.
    Syscall,
    /// The instruction at `cpu.pc` faulted.
    Fault(Fault),
    /// [`Thread::interrupt`] was called (a host signal is pending).
    Interrupted,
}

/// A [`Thread`] and its memory.
pub struct ThreadBox(*mut Thread);

// SAFETY: owns its mapping; moved to the host thread that runs it before it runs.
unsafe impl Send for ThreadBox {}

impl Deref for ThreadBox {
    type Target = Thread;
    fn deref(&self) -> &Thread {
        // SAFETY: valid until dropped.
        unsafe { &*self.0 }
    }
}

impl DerefMut for ThreadBox {
    fn deref_mut(&mut self) -> &mut Thread {
        // SAFETY: valid until dropped, and owned.
        unsafe { &mut *self.0 }
    }
}

const THREAD_MAPPING: usize = PAGE + SHADOW + size_of::<Thread>().div_ceil(PAGE) * PAGE;

impl Drop for ThreadBox {
    fn drop(&mut self) {
        if let Some(cache) = CACHE.lock().as_deref_mut() {
            if cache.keep_idle(self.0) {
                return;
            }
            cache.remove_thread(self.0);
        }
        let base = self.0 as usize - SHADOW - PAGE;
        // SAFETY: the mapping made by `new`; nobody runs this thread any more.
        unsafe {
            footprint::unmap(
                base as u64,
                THREAD_MAPPING as u64,
                [THREAD_MAPPING, THREAD_MAPPING - PAGE].map(|n| n as u64),
            )
        };
    }
}

/// Sets the engine up for a guest and the backend for it, whose code goes to [base, base + size)
/// (anywhere if base is 0). Without this call the first thread does so, with the interpreter.
///
/// # Errors
/// The host kernel's errno when the memory cannot be had.
pub fn init(guest: &'static Guest, backend: &'static Backend, base: u64, size: u64) -> Result<(), Errno> {
    cache::init(guest, backend, base, size)
}

/// Single steps for signals so far in this process, where a host takes any.
pub static STEPS: AtomicU64 = AtomicU64::new(0);

/// Bounds the code cache by the memory that the process may use: `memory` tells how many bytes, and
/// is asked at most once, when there is much code. It may make system calls and allocate.
pub fn bound_by(memory: fn() -> u64) {
    if let Some(cache) = CACHE.lock().as_deref_mut() {
        cache.ask_memory(memory);
    }
}

/// Has `told` called with the glue and with each unit that is made from now on. That happens under
/// the cache's lock: `told` may make system calls and allocate, and must not call the engine or
/// wait for a lock that is held while the engine is called.
pub fn tell_units(told: fn(&Made<'_>)) {
    if let Some(cache) = CACHE.lock().as_deref_mut() {
        cache.tell_units(told);
    }
}

/// Starts measuring the time of translation, for [`report`].
pub fn measure() {
    if let Some(cache) = CACHE.lock().as_deref_mut() {
        cache.timing = true;
    }
}

/// The figures of translation so far, as text.
pub fn report() -> alloc::string::String {
    let guard = CACHE.lock();
    let Some(s) = guard.as_deref().map(|c| &c.stats) else { return alloc::string::String::new() };
    let per = |n: u64| (n * 10).checked_div(s.insns).unwrap_or(0);
    alloc::format!(
        "translated {} units, {} instructions, {} host bytes ({}.{} each), {} us ({} ns each)\n\
         {} of them in steps of several; left code {} times to chain, {} for a lookup; {} flushes\n\
         {} single steps for signals\n",
        s.units,
        s.insns,
        s.bytes,
        per(s.bytes) / 10,
        per(s.bytes) % 10,
        s.nanos / 1000,
        per(s.nanos) / 10,
        s.covered,
        s.chains,
        s.lookups,
        s.flushes,
        STEPS.load(Ordering::Relaxed)
    )
}

impl ThreadBox {
    /// A thread with all registers zero. Ends the process where there is no memory for it.
    pub fn new(guest: &'static Guest) -> ThreadBox {
        ThreadBox::try_new(guest).unwrap_or_else(|e| {
            anyarch_sys::eprintln!("anyarch-emu: no memory for a thread: error {}", e.0);
            anyarch_sys::exit_group(127)
        })
    }

    /// A thread with all registers zero.
    ///
    /// # Errors
    /// The host kernel's errno where there is no memory for it.
    pub fn try_new(guest: &'static Guest) -> Result<ThreadBox, Errno> {
        let idle = CACHE.lock().as_deref_mut().and_then(|cache| cache.take_idle());
        if let Some(idle) = idle {
            let mut thread = ThreadBox(idle);
            // SAFETY: all-zero bytes are a valid Cpu.
            unsafe { (&raw mut thread.cpu).write_bytes(0, 1) };
            thread.guest = guest;
            thread.interrupted.store(0, Ordering::Relaxed);
            thread.process.store(0, Ordering::Relaxed);
            thread.reset();
            return Ok(thread);
        }
        // SAFETY: a fresh mapping; all-zero bytes are a valid Thread but for `guest`, which is
        // written before use.
        let thread = unsafe {
            let base = footprint::map(
                anyarch_sys::heap::place(THREAD_MAPPING as u64),
                THREAD_MAPPING as u64,
                PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
            )?;
            footprint::forbid(base, PAGE as u64);
            let p = (base as usize + PAGE + SHADOW) as *mut Thread;
            (&raw mut (*p).guest).write(guest);
            ThreadBox(p)
        };
        let mut cache = CACHE.lock();
        if cache.is_none() {
            drop(cache);
            cache::init(guest, backend(), 0, 512 << 20)?;
            cache = CACHE.lock();
        }
        let mut thread = thread;
        let p = thread.0;
        if cache.as_deref().is_some_and(|cache| cache.is_unused()) {
            // Even a short program soon touches every page of its first thread's lookup table, most
            // of them twice: by a load, then by a store.
            footprint::populate(p.cast(), size_of::<Thread>());
        }
        if let Some(cache) = cache.as_deref_mut() {
            cache.add_thread(p);
        }
        drop(cache);
        // Index 0 would else claim to know guest address 0.
        thread.lookup[0].pc.store(u64::MAX, Ordering::Relaxed);
        thread.reset();
        Ok(thread)
    }
}

impl Thread {
    /// What is not zero at a thread's beginning.
    fn reset(&mut self) {
        self.seen.store(NOWHERE, Ordering::Relaxed);
        self.cpu.excl_addr = u64::MAX;
        self.cpu.ignored_bits = self.guest.ignored_bits;
        self.cpu.narrow = self.guest.address_bits == 32;
        self.cpu.reset_host_fp();
        if let Way::Generated(generator) = &backend().way {
            (generator.prepare)(self);
        }
        self.reset_shadow();
    }

    /// Takes over the guest-visible state of another thread (clone, fork).
    pub fn copy_cpu(&mut self, from: &Thread) {
        // SAFETY: two different threads' states, plain data.
        unsafe { core::ptr::copy_nonoverlapping(&raw const from.cpu, &raw mut self.cpu, 1) };
        self.cpu.excl_addr = u64::MAX;
    }

    /// Runs guest code from `cpu.pc` until something is to be done.
    pub fn run(&mut self) -> Stopped {
        let exit = match &backend().way {
            Way::Generated(generator) => {
                let exit = self.run_generated(generator);
                self.seen.store(NOWHERE, Ordering::Release);
                exit
            }
            Way::Interpreted(play) => self.run_interpreted(*play),
        };
        // A return from an exception clears the monitor.
        self.cpu.excl_addr = u64::MAX;
        exit
    }

    /// Tells that this thread is in code of the current generation, which is returned.
    fn see_generation(&self) -> u64 {
        loop {
            let generation = GENERATION.load(Ordering::SeqCst);
            if self.seen.load(Ordering::Relaxed) == generation {
                return generation;
            }
            self.seen.store(generation, Ordering::SeqCst);
            // Else whoever ended the generation may not have seen the store.
            if GENERATION.load(Ordering::SeqCst) == generation {
                return generation;
            }
        }
    }

    fn run_generated(&mut self, generator: &Generator) -> Stopped {
        let mut next: Option<*const u8> = None;
        loop {
            if self.interrupted.load(Ordering::Relaxed) != 0 {
                self.interrupted.store(0, Ordering::Relaxed);
                return Stopped::Interrupted;
            }
            // In this order, see `Cache::forget_in_threads`.
            let generation = self.see_generation();
            if self.look_for_dead.load(Ordering::SeqCst) {
                let _until_done = CACHE.lock();
                if self.look_for_dead.swap(false, Ordering::SeqCst) {
                    self.reset_shadow();
                    next = None;
                }
            }
            if self.cpu.mode != self.code_mode {
                // Returns and lookups must not go on in code of the old mode.
                self.code_mode = self.cpu.mode;
                self.reset_shadow();
                // SAFETY: this thread.
                unsafe { Thread::forget_lookups(self) };
                next = None;
            }
            if generation != self.code_generation {
                self.code_generation = generation;
                self.reset_shadow();
                next = None;
            }
            let known = &self.lookup[self.guest.lookup_index(self.cpu.pc)];
            let host = if let Some(host) = next.take() {
                host
            } else if known.pc.load(Ordering::Relaxed) == self.cpu.pc {
                // As generated code does: without the lock.
                known.host.load(Ordering::Relaxed) as *const u8
            } else {
                let mut guard = CACHE.lock();
                let Some(cache) = guard.as_deref_mut() else { return self.run_interpreted(|_| false) };
                cache.likely = self.likely();
                match cache.entry(self.cpu.pc, self.cpu.mode) {
                    Ok(entry) => {
                        if GENERATION.load(Ordering::Relaxed) != generation {
                            continue;
                        }
                        let host = cache.host(entry.host);
                        self.remember(self.cpu.pc, host);
                        host
                    }
                    Err(NoCode::Fetch(signo, code, addr)) => {
                        let real = effective(self.cpu.pc, self.cpu.ignored_bits);
                        if real != self.cpu.pc {
                            self.cpu.pc = real;
                            continue;
                        }
                        let fault = Fault { signo, code, addr, write: false };
                        self.cpu.fault = fault;
                        return Stopped::Fault(fault);
                    }
                    Err(NoCode::Full) => {
                        drop(guard);
                        match self.interpret_one() {
                            None => continue,
                            Some(exit) => return exit,
                        }
                    }
                }
            };
            // SAFETY: an entry of a unit for the thread's `pc` and mode.
            match unsafe { (generator.enter)(self, host) } {
                Left::Jump { target, site, stub } => next = self.chain(target, site, stub),
                Left::Lookup(pc) => next = self.look_up(pc),
                Left::Syscall(after) => {
                    self.cpu.pc = after;
                    return Stopped::Syscall;
                }
                Left::Made(after) => self.cpu.pc = after,
                Left::Interrupted => {}
                Left::Fault => {
                    let unknown = self.cpu.fault.signo == SIGSEGV && self.cpu.fault.code == SI_KERNEL;
                    // A sum of more than 32 bits: the interpreter wraps it round.
                    let wraps = self.guest.address_bits == 32 && self.cpu.fault.addr >> 32 != 0;
                    if unknown || wraps || (self.guest.faults_again)(self.cpu.pc) {
                        // The processor does not tell a non-canonical address: the interpreter
                        // computes it.
                        if let Some(exit) = self.interpret_one() {
                            return exit;
                        }
                        continue;
                    }
                    return Stopped::Fault(self.cpu.fault);
                }
                Left::StepFault => {
                    if let Some(exit) = self.interpret_one() {
                        return exit;
                    }
                }
                Left::Replay { host } => {
                    (self.cpu.pc, _) = self.insn_before(host);
                    if let Some(exit) = self.interpret_one() {
                        return exit;
                    }
                }
                Left::Stale { host } => cache::drop_stale(self, host),
                Left::Trap { host, is_breakpoint } => {
                    let (pc, _) = self.insn_before(host);
                    self.cpu.pc = pc;
                    let signo = if is_breakpoint { SIGTRAP } else { SIGILL };
                    let fault = Fault { signo, code: 1, addr: self.guest.address(pc), write: false };
                    self.cpu.fault = fault;
                    return Stopped::Fault(fault);
                }
                Left::Helper { host, exit } => {
                    let (pc, after) = self.insn_before(host);
                    match exit {
                        HelperExit::Continue | HelperExit::Jump => {}
                        HelperExit::Resync => self.cpu.pc = after,
                        HelperExit::Syscall => {
                            self.cpu.pc = after;
                            return Stopped::Syscall;
                        }
                        HelperExit::Fault => {
                            self.cpu.pc = pc;
                            // It may have been one for part of the instruction.
                            if self.cpu.fault.signo != SIGILL && (self.guest.faults_again)(pc) {
                                if let Some(exit) = self.interpret_one() {
                                    return exit;
                                }
                                continue;
                            }
                            // The helper did not know where it was.
                            if self.cpu.fault.signo == SIGILL {
                                self.cpu.fault.addr = self.guest.address(pc);
                            }
                            return Stopped::Fault(self.cpu.fault);
                        }
                    }
                }
            }
        }
    }

    /// Handles a jump that is not chained yet: finds its target, chains it.
    fn chain(&mut self, target: u64, site: *const u8, stub: *const u8) -> Option<*const u8> {
        self.cpu.pc = target;
        let mut guard = CACHE.lock();
        let cache = guard.as_deref_mut()?;
        cache.stats.chains += 1;
        let epoch = cache.stats.flushes;
        cache.likely = self.likely();
        let entry = cache.entry(target, self.cpu.mode).ok()?;
        if cache.stats.flushes == epoch {
            let base = cache.host(0) as usize;
            cache.chain((site as usize - base) as u32, (stub as usize - base) as u32, entry);
        }
        Some(cache.host(entry.host))
    }

    fn likely(&self) -> u64 {
        self.cpu.gpr.get(self.guest.likely.0 as usize).copied().unwrap_or(0)
    }

    /// Handles a miss of the lookup table.
    fn look_up(&mut self, pc: u64) -> Option<*const u8> {
        let pc = pc & !self.guest.jump_clears;
        self.cpu.pc = pc;
        let mut guard = CACHE.lock();
        let cache = guard.as_deref_mut()?;
        cache.stats.lookups += 1;
        cache.likely = self.likely();
        let entry = cache.entry(pc, self.cpu.mode).ok()?;
        let host = cache.host(entry.host);
        self.remember(pc, host);
        Some(host)
    }

    /// Puts an entry into the lookup table. The cache's lock is held, so that an invalidation by
    /// another thread comes wholly before or after.
    fn remember(&mut self, pc: u64, host: *const u8) {
        self.knows.store(true, Ordering::Relaxed);
        let l = &self.lookup[self.guest.lookup_index(pc)];
        l.host.store(host as u64, Ordering::Relaxed);
        l.pc.store(pc, Ordering::Relaxed);
    }

    /// The guest instruction that a host return address belongs to: its address and the next one's.
    fn insn_before(&self, host: u64) -> (u64, u64) {
        match CACHE.lock().as_deref().map(|c| c.origin(host - 1)) {
            Some(Origin::Insn { pc, next, .. }) => (pc, next),
            _ => (self.cpu.pc, self.cpu.pc),
        }
    }

    /// Interprets the instruction at `cpu.pc`.
    fn interpret_one(&mut self) -> Option<Stopped> {
        self.play(|_| false)
    }

    /// Plays the instruction at `cpu.pc`, or with `step` what begins there.
    fn play(&mut self, step: fn(&mut Interp<'_>) -> bool) -> Option<Stopped> {
        let mut interp = Interp::new(&mut self.cpu);
        if step(&mut interp) {
            interp.next_pc &= !self.guest.jump_clears;
        } else {
            (self.guest.interpret)(&mut interp);
        }
        let (next, outcome) = (interp.next_pc, interp.outcome);
        match outcome {
            Outcome::Next => {
                self.cpu.pc = next;
                None
            }
            Outcome::Syscall => {
                self.cpu.pc = next;
                Some(Stopped::Syscall)
            }
            Outcome::Fault => Some(Stopped::Fault(self.cpu.fault)),
        }
    }

    fn run_interpreted(&mut self, step: fn(&mut Interp<'_>) -> bool) -> Stopped {
        // The page that the instruction before was in, as long as no page has ceased to be
        // executable.
        let mut known = (u64::MAX, 0);
        loop {
            // (Most often zero, and a swap would cost more than the instruction.)
            if self.interrupted.load(Ordering::Relaxed) != 0
                && self.interrupted.swap(0, Ordering::Relaxed) != 0
            {
                return Stopped::Interrupted;
            }
            let at = self.cpu.address();
            let here = (at / PAGE as u64, cache::EXEC_CHANGES.load(Ordering::Acquire));
            // What is not aligned, or reaches into the next page, is looked at in any case.
            let unusual = at % PAGE as u64 > PAGE as u64 - 4 || at & self.guest.pc_align_mask != 0;
            if here != known || unusual {
                if let Some(exit) = self.check_fetch() {
                    return exit;
                }
                known = here;
            }
            if let Some(exit) = self.play(step) {
                return exit;
            }
        }
    }

    /// Whether the instruction at `cpu.pc` may be executed: what the translator asks once for a
    /// unit, the interpreter asks for a page.
    fn check_fetch(&mut self) -> Option<Stopped> {
        self.cpu.pc = effective(self.cpu.pc, self.cpu.ignored_bits);
        let Err(NoCode::Fetch(signo, code, addr)) = CACHE.lock().as_deref_mut()?.check_fetch(self.cpu.pc)
        else {
            return None;
        };
        self.cpu.fault = Fault { signo, code, addr, write: false };
        Some(Stopped::Fault(self.cpu.fault))
    }

    /// After a fork, in the child: the other threads are gone.
    pub fn after_fork(&mut self) {
        self.begin();
        crate::reservations::after_fork();
        if let Some(cache) = CACHE.lock().as_deref_mut() {
            cache.only_thread(self);
        }
    }
}

fn generator() -> Option<&'static Generator> {
    match &backend().way {
        Way::Generated(generator) => Some(generator),
        Way::Interpreted(_) => None,
    }
}

/// Called from the host's handler for SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGTRAP raised by the
/// processor. True if the fault happened in generated code: the context has been changed so that,
/// on return from the handler, execution continues in the engine (and `run` returns
/// `Stopped::Fault`). False: the fault is the emulator's own.
///
/// # Safety
/// `thread` is the current thread's; `context` is the handler's third argument.
pub unsafe fn on_host_fault(thread: &mut Thread, context: HostContext, fault: Fault) -> bool {
    // SAFETY: by the caller.
    generator().is_some_and(|generator| unsafe { (generator.on_fault)(thread, context, fault) })
}

/// Called from the host's handler for asynchronous signals: makes `run` return
/// `Stopped::Interrupted` at the next boundary.
///
/// # Safety
/// As [`on_host_fault`].
pub unsafe fn on_host_signal(thread: &mut Thread, context: HostContext) {
    thread.interrupt();
    if let Some(generator) = generator() {
        // SAFETY: by the caller.
        unsafe { (generator.on_signal)(thread, context) };
    }
}

/// Called from the host's handler for every signal that was sent, first of all: a host whose
/// generated code traps for its own purposes may find that the thread has just done so, and that
/// nothing else will tell.
///
/// # Safety
/// As [`on_host_fault`].
pub unsafe fn on_sent_signal(thread: &mut Thread, context: HostContext) {
    if let Some(generator) = generator() {
        // SAFETY: by the caller.
        unsafe { (generator.on_sent_signal)(thread, context) };
    }
}

/// System calls that need nothing of the Linux layer: generated code enters the host's kernel
/// itself.
pub mod fast_calls {
    use crate::ops::HelperFn;
    use core::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

    /// Guest numbers from here on are never fast.
    pub const LEN: usize = 512;
    /// In a table entry: call the helper given to [`set`].
    pub const LOCAL: u16 = 0x8000;

    /// By guest number: 0 = leave generated code; else the host's number plus one, or [`LOCAL`].
    pub static TABLE: [AtomicU16; LEN] = [const { AtomicU16::new(0) }; LEN];
    /// The helper's address.
    pub static HELPER: AtomicUsize = AtomicUsize::new(0);

    /// What generated code does by itself.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub enum Fast {
        /// The host's call of this number with the same arguments, and its raw result.
        Host(u16),
        /// The helper, whose argument is the guest's number. It sets the result and returns
        /// `Continue`, or returns `Syscall` and changes nothing.
        Local,
    }

    /// Sets the table for this process, before guest code runs.
    pub fn set(helper: HelperFn, rows: impl Iterator<Item = (usize, Fast)>) {
        HELPER.store(helper as usize, Ordering::Relaxed);
        for (number, fast) in rows {
            let Some(entry) = TABLE.get(number) else { continue };
            entry.store(
                match fast {
                    Fast::Host(n) => n + 1,
                    Fast::Local => LOCAL,
                },
                Ordering::Relaxed,
            );
        }
    }

    /// From now on the Linux layer sees the calls of this number, of every thread of the process.
    pub fn remove(number: usize) {
        if let Some(entry) = TABLE.get(number) {
            entry.store(0, Ordering::SeqCst);
        }
    }

    /// From now on the Linux layer sees every call, of every thread of the process.
    pub fn clear() {
        for entry in &TABLE {
            entry.store(0, Ordering::SeqCst);
        }
    }
}

/// Holds the code cache's lock across a fork, so that the child finds it in order.
pub fn lock_for_fork() -> impl Sized {
    CACHE.lock()
}

/// Executable guest memory: the Linux layer reports every change, so that stale translations
/// disappear.
pub mod code {
    use crate::cache::{CACHE, Cache};
    use crate::ops::HelperExit;
    pub use crate::shared::View;
    use crate::state::Cpu;

    /// [start, end) is mapped anew, or no longer, and shows this. To be told before what is
    /// executable there.
    pub fn viewed(start: u64, end: u64, view: Option<View>) {
        with(|cache| cache.views.set(start, end, view));
    }

    /// mremap(2) moved what [old, old + old_len) shows to [new, new + new_len); `stays` at the old
    /// place too. To be told as [`viewed`].
    pub fn moved(old: u64, old_len: u64, new: u64, new_len: u64, stays: bool) {
        with(|cache| cache.views.moved(old, old_len, new, new_len, stays));
    }

    /// [start, end) is now executable guest memory.
    pub fn mapped_exec(start: u64, end: u64) {
        with(|cache| cache.map_exec(start, end));
    }

    /// [start, end) is no longer executable guest memory (unmapped, or protected otherwise).
    pub fn unmapped_exec(start: u64, end: u64) {
        with(|cache| cache.unmap_exec(start, end));
    }

    /// The guest announced that it changed code in [start, end).
    pub fn invalidate(start: u64, end: u64) {
        with(|cache| _ = cache.announced(start, end, core::ptr::null()));
    }

    /// The same for a helper that generated code called: `Resync` if there were translations of it,
    /// perhaps the unit that the thread runs in.
    pub fn invalidate_from(cpu: &mut Cpu, start: u64, end: u64) -> HelperExit {
        // `cpu` is the first field of its thread, as generated code knows too; only the address
        // counts here.
        let by = (&raw const *cpu).cast();
        match CACHE.lock().as_deref_mut().is_some_and(|cache| cache.announced(start, end, by)) {
            true => HelperExit::Resync,
            false => HelperExit::Continue,
        }
    }

    fn with(f: impl FnOnce(&mut Cache)) {
        if let Some(cache) = CACHE.lock().as_deref_mut() {
            f(cache);
        }
    }
}

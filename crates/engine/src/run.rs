//! Running guest code on a thread: the boundary between the engine and the Linux layer.
//!
//! The Linux layer creates a [`Thread`] per guest thread, calls [`Thread::run`] in a loop, and acts
//! on the [`Stopped`]. From its host signal handler it calls [`on_host_fault`] and [`on_host_signal`].

use crate::backend::{Backend, Generator, Left, Way, backend};
pub use crate::cache::Made;
use crate::cache::{self, CACHE, GENERATION, NoCode, Origin};
use crate::interp::{Interp, Outcome, effective};
use crate::ops::{HelperExit, R};
use crate::shared;
use crate::state::{Cpu, Fault, address_in};
use crate::targets::{PAGE, Targets};
use anyarch_sys::calls;
use anyarch_sys::raw::general::*;
use anyarch_sys::{Errno, footprint};
use core::marker::PhantomPinned;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};

const SIGILL: i32 = 4;
const SIGTRAP: i32 = 5;
const SIGSEGV: i32 = 11;
/// si_code of a fault whose address the processor did not tell (a non-canonical address).
const SI_KERNEL: i32 = 0x80;

/// Where control goes after an instruction, for looking ahead.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Transfer {
    /// To the next instruction.
    #[default]
    Next,
    /// To an address.
    Jump(u64),
    /// To an address or to the next instruction.
    Cond(u64),
    /// Somewhere unknown (indirect, call, system call, trap).
    Other,
}

/// What the translator wants to know about an instruction before or instead of translating it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Peek {
    /// Bytes.
    pub len: u8,
    /// The flags of NZCV that it may read: see [`crate::pattern::nzcv`].
    pub reads: u8,
    /// The flags of NZCV that it writes (after reading them, if they are among `reads`).
    pub writes: u8,
    /// It writes flags, or may write them.
    pub changes: bool,
    /// Where control goes.
    pub transfer: Transfer,
}

/// What the engine needs to know about a guest architecture.
pub struct Guest {
    /// Name as in `uname -m`.
    pub name: &'static str,
    /// Interprets the instruction at `interp.cpu.pc`: fetches (through `anyarch_sys::load_bytes`, a
    /// fault becomes `Outcome::Fault`), sets `next_pc`, plays the semantics.
    pub interpret: fn(&mut Interp<'_>),
    /// Looks at the instruction at an address in a page known to be readable code. `None` if it
    /// reaches out of the page.
    pub peek: fn(u64) -> Option<Peek>,
    /// Whether a short function begins at an address in executable memory that calls nothing and is
    /// left in a straight line, by a return through the link register that it does not change; if
    /// so its end, in the same page.
    pub leaf: fn(u64) -> Option<u64>,
    /// Adds the jumps and conditional branches of a page, whose bytes are given. It begins at the
    /// first argument, but for the lowest bit, which is as in a `pc` of its code. What is no
    /// instruction may add some too.
    pub targets: fn(u64, &[u8; PAGE], &mut Targets),
    /// Its slots by frequency of use.
    pub slots: &'static Slots,
    /// Bits of an address that index the lookup table, times its 4096 entries of 16 bytes: the mask
    /// is applied to the address and the result scaled by 4.
    pub lookup_mask: u32,
    /// Low address bits that are zero for every instruction.
    pub pc_align_mask: u64,
    /// The highest bits of an address that the processor ignores in the lower half of the address
    /// space: programs keep tags there. The host faults on such an address, and the interpreter
    /// then makes the access.
    pub ignored_bits: u64,
    /// Bits of an address, 32 or 64: an access goes to the sum of [`crate::ops::Addr`] without what
    /// is above them.
    pub address_bits: u32,
    /// Registers of the system call convention, for [`fast_calls`].
    pub syscall: SyscallRegs,
    /// Low bits of the target that indirect jumps clear.
    pub jump_clears: u64,
    /// The slot that [`crate::ops::Ops::likely`] begins with, or R::ZERO.
    pub likely: R,
    /// Whether the instruction at an address, whose access faulted in generated code, may have
    /// changed part of what it changes: the interpreter then makes it again, for the exact state.
    pub faults_again: fn(u64) -> bool,
}

/// A guest's slots in the order of their use in real code, those used most first. How many live in
/// host registers, and in which, is the host's business; those that are not listed live in memory.
#[derive(Debug)]
pub struct Slots {
    /// Integer slots. (Of two that are used much, one that is used with operands of 32 bits comes
    /// first.)
    pub gpr: &'static [u8],
    /// Those of them that hardly ever are the base of an address.
    pub no_bases: &'static [u8],
    /// Vector slots.
    pub vec: &'static [u8],
}

/// Where a system call finds its number (as 32 bits) and arguments and leaves its result.
#[derive(Clone, Copy, Debug)]
pub struct SyscallRegs {
    /// The number.
    pub number: R,
    /// The arguments.
    pub args: [R; 6],
    /// The result.
    pub result: R,
}

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

/// An entry of a thread's table for indirect transfers, within one cache line. Other threads empty
/// entries.
#[repr(C, align(16))]
pub struct Lookup {
    pc: AtomicU64,
    host: AtomicU64,
}

/// Entries of the table for indirect transfers.
pub(crate) const LOOKUPS: usize = 4096;
/// Bytes of a shadow stack; a pair of return addresses takes 16.
pub const SHADOW: usize = 1 << 20;
/// A guest address that no return has: it is not canonical and not aligned, and not a value that
/// programs keep in registers as 0 or -1 are.
const NO_RETURN: u64 = 0xa5c3_96e7_1d2b_4f61;

/// Room for what a host keeps for a thread: it alone knows what that is ([`Generator::prepare`]).
#[repr(C, align(16))]
pub struct HostRoom([u8; HOST_ROOM]);

/// Bytes of a [`HostRoom`].
pub const HOST_ROOM: usize = 2304;

/// One guest thread's engine state. Lives at the end of a mapping of its own, above its shadow
/// stack and a guard page.
#[repr(C)]
pub struct Thread {
    /// Guest CPU state.
    pub cpu: Cpu,
    /// Stack pointer of the emulator while generated code runs.
    pub host_sp: u64,
    /// Stack pointer of generated code while it does not.
    pub shadow_sp: u64,
    /// What generated code brought when it left: for the host.
    pub exit_value: u64,
    /// Room of generated code within one operation.
    pub spill: u64,
    /// Set by [`Thread::interrupt`]; generated code looks at it where it enters and after calls.
    pub interrupted: AtomicU32,
    /// What else the host keeps for a thread.
    pub host_room: HostRoom,
    /// Code that makes calls was taken out while this thread may have been in it.
    pub(crate) look_for_dead: AtomicBool,
    /// There may be entries in `lookup`. Under the cache's lock.
    pub(crate) knows: AtomicBool,
    /// The mode of the code that lookups and returns lead to.
    code_mode: u32,
    /// Their generation (see [`cache`]).
    code_generation: u64,
    /// The generation whose code this thread may be in, or [`cache::NOWHERE`].
    pub(crate) seen: AtomicU64,
    guest: &'static Guest,
    /// The process that it runs in, or 0 before it does.
    pub(crate) process: AtomicI32,
    /// See [`Lookup`].
    pub lookup: [Lookup; LOOKUPS],
    /// Its atomic words are written by other threads while this one has it as `&mut`: that must not
    /// promise the compiler that nobody does.
    shared: PhantomPinned,
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
        self.seen.store(cache::NOWHERE, Ordering::Relaxed);
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

    /// End of the shadow stack.
    pub fn shadow_top(&self) -> u64 {
        self as *const Thread as u64
    }

    /// Stack pointer of generated code where the shadow stack has no return that matches: at a pair
    /// that no return has.
    pub fn shadow_bottom(&self) -> u64 {
        self.shadow_top() - 16
    }

    /// Whether the access to `addr`, made in generated code, is a push onto the full shadow stack.
    ///
    /// Pairs are aligned and so is the stack's end, so that a push reaches the guard page with the
    /// first of two words, or with the one word of a call of the glue: the stack pointer is at the
    /// end and the word would be the next below. Where the instruction stands does not matter:
    /// units that are alive or dead, their cold paths and exit stubs push, each before it has
    /// changed anything else. The stack pointer is nowhere else there, and a guest's own access to
    /// that word faults again once it has moved.
    pub fn is_full(&self, sp: u64, addr: u64) -> bool {
        let end = self.shadow_top() - SHADOW as u64;
        sp == end && addr == end - 8
    }

    /// Empties the shadow stack: the next returns go through the lookup.
    pub(crate) fn reset_shadow(&mut self) {
        let sp = self.shadow_bottom();
        // SAFETY: the upper pairs of our shadow stack. The second says to `break_returns` that none
        // below it is in use.
        unsafe { ((sp - 16) as *mut [[u64; 2]; 2]).write([[0, 0], [0, NO_RETURN]]) };
        self.shadow_sp = sp;
    }

    /// Empties the table of indirect transfers.
    ///
    /// # Safety
    /// `thread` is alive. Its own host thread may be running generated code meanwhile.
    pub(crate) unsafe fn forget_lookups(thread: *const Thread) {
        // SAFETY: by the caller; atomic words.
        let lookup = unsafe { &(*thread).lookup };
        for (i, l) in lookup.iter().enumerate() {
            if l.pc.load(Ordering::Relaxed) != 0 {
                l.pc.store(if i == 0 { u64::MAX } else { 0 }, Ordering::Relaxed);
            }
        }
    }

    /// Takes one guest address out of the table of indirect transfers.
    ///
    /// # Safety
    /// As [`Thread::forget_lookups`].
    pub(crate) unsafe fn forget_lookup(thread: *const Thread, guest: &Guest, pc: u64) {
        let i = guest.lookup_index(pc);
        // SAFETY: by the caller; an atomic word.
        let l = unsafe { &(*thread).lookup[i] };
        if guest.address(l.pc.load(Ordering::Relaxed)) == pc {
            l.pc.store(if i == 0 { u64::MAX } else { 0 }, Ordering::Relaxed);
        }
    }

    /// Makes the returns to host addresses chosen by `stale` mismatch.
    ///
    /// # Safety
    /// `thread` is alive. Its own host thread may be running generated code meanwhile.
    pub(crate) unsafe fn break_returns(thread: *mut Thread, stale: impl Fn(u64) -> bool) {
        let mut p = (thread as usize - 32) as *mut [u64; 2];
        // SAFETY: within the shadow stack; pairs below the top are (host, guest), and the first
        // that was never used is zero.
        unsafe {
            while p as usize >= thread as usize - SHADOW {
                let [host, guest] = p.read_volatile();
                if host == 0 {
                    break;
                }
                // A call of the glue (a helper, a system call) leaves a host address alone where a
                // pair has the guest's, above words of a pair long popped.
                if stale(host) && !cache::has(guest) {
                    let word = AtomicU64::from_ptr(&raw mut (*p)[1]);
                    let _ = word.compare_exchange(guest, NO_RETURN, Ordering::Relaxed, Ordering::Relaxed);
                }
                p = p.sub(1);
            }
        }
    }

    /// [`Thread::break_returns`] where the thread is outside generated code or in a helper, so that
    /// it is known how many there are. False, and nothing done, if they are too many: returns that
    /// never come stay on the shadow stack until it is full (see `on_host_fault`), and starting
    /// anew then costs less.
    ///
    /// # Safety
    /// As [`Thread::forget_lookups`], and the thread stays where it is meanwhile.
    pub(crate) unsafe fn break_few_returns(thread: *mut Thread, stale: impl Fn(u64) -> bool) -> bool {
        const MANY: usize = 512;
        // SAFETY: by the caller.
        unsafe {
            // In a helper there is its return address below the last pair.
            let mut p = (((*thread).shadow_sp as usize + 8) & !15) as *mut [u64; 2];
            let top = thread.cast::<[u64; 2]>().sub(1);
            if (top as usize).saturating_sub(p as usize) > MANY * 16 {
                return false;
            }
            while p < top {
                if stale((*p)[0]) {
                    (*p)[1] = NO_RETURN;
                }
                p = p.add(1);
            }
        }
        true
    }

    /// Runs guest code from `cpu.pc` until something is to be done.
    pub fn run(&mut self) -> Stopped {
        let exit = match &backend().way {
            Way::Generated(generator) => {
                let exit = self.run_generated(generator);
                self.seen.store(cache::NOWHERE, Ordering::Release);
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
                Left::Stale { host } => shared::drop_stale(self, host),
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

    /// Makes [`Thread::run`] return [`Stopped::Interrupted`] at the next guest instruction boundary.
    /// Async-signal-safe; called on the thread itself from a signal handler (see
    /// [`on_host_signal`]) or before `run`.
    pub fn interrupt(&self) {
        self.interrupted.store(1, Ordering::Relaxed);
    }

    /// The calling host thread is going to run this one.
    pub fn begin(&self) {
        self.process.store(calls::getpid(), Ordering::Relaxed);
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

/// The context that the host's kernel gives a signal handler (`ucontext_t`): a host knows what is
/// in it.
pub type HostContext = *mut u8;

fn generator() -> Option<&'static Generator> {
    match &backend().way {
        Way::Generated(generator) => Some(generator),
        Way::Interpreted(_) => None,
    }
}

/// Called from the host's handler for SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGTRAP raised by the
/// processor. True if the fault happened in generated code: the context has been changed so that,
/// on return from the handler, execution continues in the engine (and `run` returns `Stopped::Fault`).
/// False: the fault is the emulator's own.
///
/// # Safety
/// `thread` is the current thread's; `context` is the handler's third argument.
pub unsafe fn on_host_fault(thread: &mut Thread, context: HostContext, fault: Fault) -> bool {
    // SAFETY: by the caller.
    generator().is_some_and(|generator| unsafe { (generator.on_fault)(thread, context, fault) })
}

/// Called from the host's handler for asynchronous signals: makes `run` return `Stopped::Interrupted`
/// at the next boundary.
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

impl Guest {
    /// The address of the instruction at `pc`. A guest with addresses of 32 bits may keep more
    /// there that its code depends on: in bit 0, and above bit 31.
    #[inline(always)]
    pub fn address(&self, pc: u64) -> u64 {
        if self.address_bits == 32 { address_in(pc) } else { pc }
    }

    fn lookup_index(&self, pc: u64) -> usize {
        (pc as u32 & self.lookup_mask) as usize * 4 / 16 % LOOKUPS
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

//! What the engine keeps of a guest thread: its state, its shadow stack and its table of indirect
//! transfers, in the form that generated code knows.

use crate::guest::Guest;
pub use crate::guest::LOOKUPS;
use crate::state::Cpu;
use anyarch_sys::calls;
use core::marker::PhantomPinned;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};

/// [`Thread::seen`] of a thread that is not in generated code.
pub const NOWHERE: u64 = u64::MAX;

/// An entry of a thread's table for indirect transfers, within one cache line. Other threads empty
/// entries.
#[repr(C, align(16))]
pub struct Lookup {
    pub(crate) pc: AtomicU64,
    pub(crate) host: AtomicU64,
}

/// Bytes of a shadow stack; a pair of return addresses takes 16.
pub const SHADOW: usize = 1 << 20;
/// A guest address that no return has: it is not canonical and not aligned, and not a value that
/// programs keep in registers as 0 or -1 are.
pub(crate) const NO_RETURN: u64 = 0xa5c3_96e7_1d2b_4f61;

/// Room for what a host keeps for a thread: it alone knows what that is
/// ([`Generator::prepare`](crate::backend::Generator::prepare)).
#[repr(C, align(16))]
pub struct HostRoom([u8; HOST_ROOM]);

/// Bytes of a [`HostRoom`]: more than hosts need. A host asserts that its part fits.
pub const HOST_ROOM: usize = 4096;

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
    pub(crate) code_mode: u32,
    /// Their generation (see [`crate::cache`]).
    pub(crate) code_generation: u64,
    /// The generation whose code this thread may be in, or [`NOWHERE`].
    pub(crate) seen: AtomicU64,
    pub(crate) guest: &'static Guest,
    /// The process that it runs in, or 0 before it does.
    pub(crate) process: AtomicI32,
    /// See [`Lookup`].
    pub lookup: [Lookup; LOOKUPS],
    /// Its atomic words are written by other threads while this one has it as `&mut`: that must not
    /// promise the compiler that nobody does.
    shared: PhantomPinned,
}

impl Thread {
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

    /// Makes `run` return [`crate::run::Stopped::Interrupted`] at the next guest instruction boundary.
    /// Async-signal-safe; called on the thread itself from a signal handler (see
    /// [`crate::run::on_host_signal`]) or before `run`.
    pub fn interrupt(&self) {
        self.interrupted.store(1, Ordering::Relaxed);
    }

    /// The calling host thread is going to run this one.
    pub fn begin(&self) {
        self.process.store(calls::getpid(), Ordering::Relaxed);
    }
}

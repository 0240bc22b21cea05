//! Reservations: what lets a store-exclusive fail although memory holds the old value again
//! (A-B-A).
//!
//! A load-exclusive that is not part of a step (see [`crate::lift`]) takes a reservation of the
//! granule of 16 bytes around its address, and the store-exclusive compares and swaps by value only
//! while that reservation stands. Every locked instruction that a guest instruction becomes ends
//! the reservations of its granule: exclusives, compare and swap, atomic operations, and stores
//! with release that are sequentially consistent.
//!
//! **Words.** A word of [`TABLE`] stands for the granules that hash to it. Its lowest byte has the
//! bits [`ARMED`] and [`HELD`], the others count. To reserve is to make the word armed, with a new
//! count, unless it is armed already, and to remember it. So any number of threads have
//! reservations of the same granule, of which the first store ends all. To end them is to clear
//! `ARMED`. A store-exclusive exchanges the word it remembers for the same one with `HELD` in place
//! of `ARMED`, compares and swaps, and makes the word armed again with a new count, for the next
//! load-exclusive to find; it fails where the word is another. That two granules share a word makes
//! a store-exclusive fail now and then, which it may always do.
//!
//! **Why a writer looks only after its write.** The write is a locked instruction, and so is what
//! arms a word: each is in memory before its thread reads on. Thus either the load-exclusive reads
//! what was written, or the writer sees the word armed and clears it before it plays its next
//! instruction. It also waits while the word is `HELD`. So a thread that writes B over A and then
//! does anything more, such as to free what A points at or to tell another thread of it, has ended
//! the reservation before, and no store-exclusive of the time before succeeds afterwards. What
//! still succeeds: two threads write B and A, each with one instruction that it has not finished,
//! while a third is between its load and its store. Since neither knows of the other's write, and
//! nobody has learnt of either, nothing tells that from both writes before the load.
//!
//! **Who holds a word** names it in [`Cpu::excl_held`] before it takes it, and until it has given
//! it back. A process that shares memory (vfork, posix_spawn) may be killed in between, and its
//! word would be held for ever. So who has waited for long looks who names the word, and gives it
//! back where all of them are gone. The word has not changed meanwhile, so that whoever holds it
//! has named it before the look.
//!
//! **What is not noticed.** Plain stores, stores of the kernel, and other processes' writes to
//! shared memory end no reservation: they are noticed by the value, that is unless they leave the
//! old one. (To notice plain stores would cost each of them a look at the table.)
//!
//! **What it costs.** In generated code a locked instruction is followed by one instruction that
//! does nothing. When such a load-exclusive is translated for the first time, all of these become
//! jumps to code that looks at the table ([`Cache::watch_reservations`](crate::cache::Cache)). A
//! processor may still execute what it has fetched before, but for much less time than it takes
//! from there to the load.

use crate::state::Cpu;
use anyarch_sys::Errno;
use anyarch_sys::calls::{self, Fd};
use anyarch_sys::raw::general::*;
use core::hint::spin_loop;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};

/// Words of the table.
pub const WORDS: usize = 512;
/// Bytes of a granule: an aligned pair of doublewords lies in one.
pub const GRANULE: u64 = 16;
/// There may be reservations.
pub const ARMED: u64 = 1;
/// A store-exclusive is between its look at the reservation and the end of its store.
pub const HELD: u64 = 2;
/// What the count begins at.
pub const COUNT: u64 = 1 << 8;

static TABLE: [AtomicU64; WORDS] = [const { AtomicU64::new(0) }; WORDS];
/// A load-exclusive that takes a reservation has been translated or interpreted.
static WATCHING: AtomicBool = AtomicBool::new(false);

/// Looks at state and process of threads.
pub(crate) type Look<'a> = dyn FnMut(&mut dyn Iterator<Item = (*const Cpu, i32)>) + 'a;

/// Who keeps generated code and its threads: the code cache, once there is one.
pub(crate) struct Keeper {
    /// Makes all locked instructions look at the table, and calls [`watch`].
    pub(crate) watch: fn(),
    /// Shows the threads, unless that would have to wait. They stay meanwhile.
    pub(crate) with_threads: fn(&mut Look<'_>),
}

static KEEPER: AtomicPtr<Keeper> = AtomicPtr::new(core::ptr::null_mut());

/// Tells who keeps generated code.
pub(crate) fn kept_by(keeper: &'static Keeper) {
    KEEPER.store((&raw const *keeper).cast_mut(), Ordering::Release);
}

fn keeper() -> Option<&'static Keeper> {
    // SAFETY: null, or one that lives for ever.
    unsafe { KEEPER.load(Ordering::Acquire).as_ref() }
}

/// Whether locked instructions look at the table.
pub(crate) fn watching() -> bool {
    WATCHING.load(Ordering::SeqCst)
}

/// From now on they do.
pub(crate) fn watch() {
    WATCHING.store(true, Ordering::SeqCst);
}

/// The table's address.
pub fn table() -> u64 {
    TABLE.as_ptr() as u64
}

/// The word of an address.
fn word(addr: u64) -> &'static AtomicU64 {
    &TABLE[(addr / GRANULE) as usize % WORDS]
}

/// A wait for another thread to end its store.
#[derive(Default)]
struct Wait {
    rounds: u32,
    /// When it was looked whether there is such a thread; 0: not yet.
    looked: u64,
    /// When it began to look, in nanoseconds.
    since: u64,
}

impl Wait {
    /// Waits a little. `seen`: what the word was that is held.
    fn pause(&mut self, word: &AtomicU64, seen: u64) {
        /// Nanoseconds. A store takes a few, and what a thread waits for its processor comes on
        /// top.
        const LONG: u64 = 20_000_000;
        /// After this nobody is asked any more: a holder may have been killed where nothing tells
        /// so (in another pid namespace, without /proc). One that goes on after all stores by
        /// comparing the value, as everywhere, so that no more than its reservation is lost.
        const TOO_LONG: u64 = 1_000_000_000;
        self.rounds += 1;
        if self.rounds < 100 {
            return spin_loop();
        }
        calls::sched_yield();
        let now = calls::monotonic_nanoseconds();
        if self.looked == 0 {
            self.looked = now;
            self.since = now;
        } else if now - self.looked > LONG {
            self.looked = now;
            give_back(word, seen, now - self.since > TOO_LONG);
        }
    }
}

/// Gives back a word, if it is held since it was `seen` and all threads that name it are gone, or
/// `anyway`.
fn give_back(word: &AtomicU64, seen: u64, anyway: bool) {
    let named_by = |(cpu, process): (*const Cpu, i32)| {
        // SAFETY: a thread's state is there as long as `with_threads` shows it; its owner
        // changes the word meanwhile.
        let held = unsafe { (&raw const (*cpu).excl_held).read_volatile() };
        (held == word.as_ptr() as u64).then_some(process)
    };
    let mut look = |threads: &mut dyn Iterator<Item = (*const Cpu, i32)>| {
        if anyway || threads.filter_map(named_by).all(is_gone) {
            // As `release` does. Where it has changed, it is no longer that one's.
            let free = (seen ^ (ARMED | HELD)) + COUNT;
            let _ = word.compare_exchange(seen, free, Ordering::SeqCst, Ordering::SeqCst);
        }
    };
    if let Some(keeper) = keeper() {
        (keeper.with_threads)(&mut look);
    }
}

/// Whether a process has ended, be it that nobody has waited for it. What cannot be told is not so:
/// 0 stands for a process that is not known, and /proc may be missing.
fn is_gone(process: i32) -> bool {
    let own = calls::getpid();
    if process == 0 || process == own {
        return false;
    }
    let mut text = [0u8; 256];
    let mut state = |process: i32| {
        let path = alloc::format!("/proc/{process}/stat\0");
        let n = Fd::open(path.as_bytes(), O_RDONLY, 0)?.read(&mut text)?;
        // The state stands behind the name, which is in parentheses and may hold some.
        let text = &text[..n];
        let name = text.iter().rposition(|&b| b == b')').unwrap_or(0);
        Ok(text.get(name + 2).copied().unwrap_or(b'?'))
    };
    match state(process) {
        Ok(state) => matches!(state, b'Z' | b'X'),
        Err(Errno::ENOENT | Errno::ESRCH) => state(own).is_ok(),
        Err(_) => false,
    }
}

/// Reserves the granule of `addr`. What is read from now on is what the reservation is about.
pub fn reserve(cpu: &mut Cpu, addr: u64) {
    if !watching() {
        match keeper() {
            Some(keeper) => (keeper.watch)(),
            None => watch(),
        }
    }
    let (word, mut wait) = (word(addr), Wait::default());
    loop {
        let old = word.load(Ordering::SeqCst);
        let new = if old & ARMED != 0 { old } else { (old + COUNT) | ARMED };
        if old & HELD != 0 {
            wait.pause(word, old);
        } else if new == old || word.compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            cpu.excl_word = new;
            return;
        }
    }
}

/// The granule of `addr` was written, by a locked instruction: ends its reservations.
pub fn written(addr: u64) {
    if watching() {
        end(word(addr).as_ptr() as u64);
    }
}

/// Ends the reservations that the word at this address stands for.
pub fn end(word: u64) {
    // SAFETY: a word of the table, by our callers.
    let word = unsafe { &*(word as *const AtomicU64) };
    let mut wait = Wait::default();
    while word.load(Ordering::SeqCst) & (ARMED | HELD) != 0 {
        let old = word.fetch_and(!ARMED, Ordering::SeqCst);
        if old & HELD != 0 {
            wait.pause(word, old & !ARMED);
        }
    }
}

/// Begins a store-exclusive to `addr`: whether the thread's reservation stands. If so [`release`]
/// must follow soon.
pub fn hold(cpu: &mut Cpu, addr: u64) -> bool {
    let (word, own) = (word(addr), cpu.excl_word);
    let held = own ^ (ARMED | HELD);
    // The locked instruction below makes it visible before the word is held.
    // SAFETY: a field of ours.
    unsafe { (&raw mut cpu.excl_held).write_volatile(word.as_ptr() as u64) };
    let stands = word.compare_exchange(own, held, Ordering::SeqCst, Ordering::SeqCst).is_ok();
    if !stands {
        cpu.excl_held = 0;
    }
    stands
}

/// Ends a store-exclusive, if one was begun. Where it did not store because it faulted, the
/// reservations stand. Called from signal handlers too.
pub fn release(cpu: &mut Cpu, faulted: bool) {
    let held = cpu.excl_held as *const AtomicU64;
    // SAFETY: null, or what `hold` or its like in generated code stored: a word of the table.
    if let Some(word) = unsafe { held.as_ref() } {
        // Nobody else changes a word that is held.
        let count = if faulted { 0 } else { COUNT };
        word.store((word.load(Ordering::Relaxed) ^ (ARMED | HELD)) + count, Ordering::Release);
        // Named as long as it is held.
        // SAFETY: a field of ours.
        unsafe { (&raw mut cpu.excl_held).write_volatile(0) };
    }
}

/// After a fork, in the child: the threads that may have held words are gone.
pub(crate) fn after_fork() {
    if watching() {
        TABLE.iter().for_each(|word| _ = word.fetch_and(!(ARMED | HELD), Ordering::Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu() -> Cpu {
        // SAFETY: all-zero bytes are a valid Cpu.
        unsafe { core::mem::zeroed() }
    }

    #[test]
    fn one_of_several_stores() {
        let (mut a, mut b) = (cpu(), cpu());
        // Words that no other test has.
        let (x, y) = (16 * 7, 16 * 9);
        reserve(&mut a, x);
        reserve(&mut b, x);
        assert_eq!(a.excl_word, b.excl_word);
        assert!(hold(&mut a, x) && !hold(&mut b, x));
        release(&mut a, false);
        assert!(!hold(&mut b, x) && !hold(&mut a, x) && a.excl_held == 0);
        // A new one is not the old one.
        reserve(&mut b, x);
        assert!(!hold(&mut a, x));
        // A store that faulted leaves it; a write elsewhere too; a write here ends it.
        assert!(hold(&mut b, x));
        release(&mut b, true);
        written(y);
        assert!(hold(&mut b, x));
        release(&mut b, true);
        written(x + 15);
        assert!(!hold(&mut b, x));
    }

    #[test]
    fn who_is_gone() {
        let parent = std::os::unix::process::parent_id() as i32;
        assert!(!is_gone(0) && !is_gone(parent) && !is_gone(std::process::id() as i32));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let process = child.id() as i32;
        // Nobody has waited for it: it is a zombie.
        while !is_gone(process) {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(is_gone(process));
    }

    #[test]
    fn a_writer_waits() {
        let mut a = cpu();
        let x = 16 * 11;
        reserve(&mut a, x);
        assert!(hold(&mut a, x));
        let done = AtomicBool::new(false);
        std::thread::scope(|s| {
            s.spawn(|| {
                written(x);
                done.store(true, Ordering::SeqCst);
            });
            for _ in 0..1000 {
                assert!(!done.load(Ordering::SeqCst));
                std::thread::yield_now();
            }
            release(&mut a, true);
        });
        assert!(!hold(&mut a, x));
    }
}

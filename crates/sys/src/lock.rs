//! A mutex over the host's futex.
//!
//! The emulator's locks are held for short, bounded work and never while guest code runs.
//! Asynchronous host signal handlers only record, and take none unless it was guest code that they
//! interrupted. A fork must hold every lock that its child needs (see
//! `anyarch_linux::task::process`), since the child inherits the locks' state but not their owners.

use crate::raw::general::{__NR_futex, FUTEX_PRIVATE_FLAG, FUTEX_WAIT, FUTEX_WAKE};
use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU32, Ordering};

/// Mutual exclusion around a value. Works between threads that share memory, a vfork child
/// included.
pub struct Mutex<T> {
    /// 0 free, 1 held, 2 held and somebody may wait.
    state: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached by one holder at a time.
unsafe impl<T: Send> Sync for Mutex<T> {}
// SAFETY: owning the mutex is owning the value.
unsafe impl<T: Send> Send for Mutex<T> {}

impl<T> Mutex<T> {
    /// A free mutex.
    pub const fn new(value: T) -> Mutex<T> {
        Mutex { state: AtomicU32::new(0), value: UnsafeCell::new(value) }
    }

    /// Where the value is, for who reads it from another process.
    pub const fn as_ptr(&self) -> *mut T {
        self.value.get()
    }

    /// Waits until free and takes it.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        if self.state.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
            self.lock_slow();
        }
        MutexGuard { mutex: self }
    }

    /// Takes it if free.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.state.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).ok()?;
        Some(MutexGuard { mutex: self })
    }

    #[cold]
    fn lock_slow(&self) {
        for _ in 0..100 {
            if self.state.load(Ordering::Relaxed) == 0
                && self.state.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_ok()
            {
                return;
            }
            core::hint::spin_loop();
        }
        while self.state.swap(2, Ordering::Acquire) != 0 {
            // SAFETY: waits on our own word.
            let _ = unsafe {
                crate::syscall!(__NR_futex, self.state.as_ptr(), FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 2, 0)
            };
        }
    }
}

/// The right to the value; gives the mutex back when dropped.
pub struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: held.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: held.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        if self.mutex.state.swap(0, Ordering::Release) == 2 {
            // SAFETY: wakes a waiter of our own word.
            let _ = unsafe {
                crate::syscall!(__NR_futex, self.mutex.state.as_ptr(), FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1)
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_right_under_contention() {
        static COUNT: Mutex<u64> = Mutex::new(0);
        let threads: std::vec::Vec<_> =
            (0..4).map(|_| std::thread::spawn(|| (0..20_000).for_each(|_| *COUNT.lock() += 1))).collect();
        for t in threads {
            t.join().unwrap();
        }
        assert_eq!(*COUNT.lock(), 80_000);
    }
}

//! A value that is made at its first use and then kept for the life of the process.

use alloc::boxed::Box;
use core::sync::atomic::{AtomicPtr, Ordering};

/// See the module. Takes no lock, so that a signal handler may use it.
pub struct Kept<T>(AtomicPtr<T>);

// SAFETY: only shared references to the value are given out, and it is never freed.
unsafe impl<T: Send + Sync> Sync for Kept<T> {}

impl<T: Send + Sync + 'static> Kept<T> {
    /// Nothing yet.
    pub const fn new() -> Kept<T> {
        Kept(AtomicPtr::new(core::ptr::null_mut()))
    }

    /// The value, if there is one.
    pub fn get(&self) -> Option<&'static T> {
        // SAFETY: null, or a box that is never freed.
        unsafe { self.0.load(Ordering::Acquire).as_ref() }
    }

    /// Puts a value in the place of the one before, which stays valid.
    pub fn set(&self, value: T) -> &'static T {
        let value = Box::leak(Box::new(value));
        self.0.store(value, Ordering::Release);
        value
    }

    /// The value, made by `make` if there is none. Two threads that come at once may both make one:
    /// either is right, and both stay.
    pub fn get_or_make(&self, make: impl FnOnce() -> T) -> &'static T {
        self.get().unwrap_or_else(|| self.set(make()))
    }
}

impl<T: Send + Sync + 'static> Default for Kept<T> {
    fn default() -> Kept<T> {
        Kept::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_stays() {
        static KEPT: Kept<u32> = Kept::new();
        assert_eq!(KEPT.get(), None);
        assert_eq!((KEPT.get_or_make(|| 5), KEPT.get_or_make(|| 6)), (&5, &5));
        assert_eq!((KEPT.set(7), KEPT.get()), (&7, Some(&7)));
    }
}

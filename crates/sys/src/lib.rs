//! The host kernel as the emulator sees it: raw system calls without libc, and guest memory access
//! that turns a fault into an errno instead of a crash.
//!
//! Everything above this crate is written against these few functions, so that the emulator needs
//! no libc and no thread-local storage: it starts in a tenth of the time and keeps working after a
//! raw `clone`.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod arch;
pub mod calls;
pub mod footprint;
mod guest_atomic;
mod guest_mem;
pub mod heap;
mod kept;
mod lock;
pub mod mappings;
mod syscall;

pub use arch::GUEST_END;
pub use guest_atomic::*;
pub use guest_mem::*;
pub use kept::*;
pub use linux_raw_sys as raw;
pub use lock::*;
pub use syscall::*;

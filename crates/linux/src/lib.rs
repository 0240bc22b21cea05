//! Linux for the guest: everything between a guest's system call instruction and the host kernel.
//! It never names a guest: what differs between architectures comes through [`abi::Abi`].
//!
//! Guest address = host address. What the two sides lay out or number differently is converted by
//! the rows of [`structure`], [`ioctl`] and [`sockopt`], which know every architecture by its C
//! types.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod abi;
pub mod calls;
pub mod config;
pub mod errno;
mod files;
pub mod memory;
pub mod program;
pub mod seccomp;
pub mod signal;
pub mod structure;
pub mod task;

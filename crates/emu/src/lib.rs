//! The emulator's start: what the kernel handed over, the command line, the registry of guests. The
//! executable adds the entry point and what a program without libc needs (see `main.rs`).
#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod cli;
mod guests;
pub mod start;

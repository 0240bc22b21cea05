//! Linux for the guest: everything between a guest's system call instruction and the host kernel. It never names a
//! guest: what differs between architectures comes through [`abi::Abi`].
//!
//! Guest address = host address. What the two sides lay out or number differently is converted by the
//! rows of [`structure`], [`ioctl`] and [`sockopt`], which know every architecture by its C types.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod abi;
pub mod cgroup;
pub mod config;
pub mod dispatch;
pub mod elf;
pub mod errno;
pub mod exec;
mod exec_check;
pub mod fs;
pub mod ioctl;
pub mod ipc;
pub mod layout;
pub mod limits;
pub mod loader;
pub mod mem;
pub mod misc;
mod order;
pub mod own;
pub mod page;
pub mod path;
mod peer;
pub mod perf;
pub mod poll;
pub mod prctl;
pub mod process;
pub mod procfile;
pub mod procfs;
mod procstatus;
pub mod program;
pub mod range;
pub mod seccomp;
mod seccomp_host;
pub mod signal;
pub mod sockopt;
pub mod strace;
pub mod structure;
mod symbols;
pub mod table;
pub mod task;
pub mod thread;
pub mod time;
pub mod uring;
pub mod vdso;

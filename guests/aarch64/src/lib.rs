//! The aarch64 guest: decode rows and semantics ([`decode`] and the files of its tables), and its Linux ABI.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod decode;
mod int;

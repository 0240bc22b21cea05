//! The aarch64 guest: decode rows and semantics ([`decode`] and the files of its tables), and its Linux ABI.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod decode;
mod int;
mod simd;
mod simd_crypto;
mod simd_mem;
mod simd_perm;
mod simd_shift;

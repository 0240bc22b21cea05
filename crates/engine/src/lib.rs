//! The translation engine. It never names a guest.
//!
//! A guest's semantics are written once, as calls to the operation vocabulary [`ops::Ops`]. Two things play
//! them: [`interp::Interp`], slow and obvious, the oracle in tests; and [`x86::Translator`], which turns each call
//! straight into x86-64 bytes. Both work on [`state::Cpu`].
#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod boundary;
pub mod cache;
pub mod fp;
pub mod interp;
pub mod ops;
pub mod pattern;
mod reservations;
pub mod run;
pub mod shared;
pub mod state;
pub mod vec;
pub mod x86;

//! The translation engine. It never names a guest.
//!
//! A guest's semantics are written once, as calls to the operation vocabulary [`ops::Ops`]. Two
//! things play them: [`interp::Interp`], slow and obvious, the oracle in tests; and a host's
//! translator, which turns each call straight into bytes. Both work on [`state::Cpu`].
//!
//! The engine names neither guests nor hosts: a guest is a [`guest::Guest`] and a [`lift::Lift`], a
//! host a [`backend::Backend`].
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod backend;
pub mod builder;
pub mod cache;
pub mod effects;
pub mod fp;
pub mod guest;
mod hash;
pub mod interp;
pub mod interpreter;
pub mod lift;
pub mod marks;
pub mod operands;
pub mod ops;
pub mod pattern;
pub mod peek;
pub mod ranges;
pub mod reservations;
pub mod run;
pub mod shared;
pub mod state;
pub mod targets;
pub mod thread;
pub mod vec;

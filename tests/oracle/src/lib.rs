//! Differential tests of instructions: ours against an independent implementation, for every guest.
//!
//! A case is one instruction word (or a short sequence) with a full register state and windows of
//! memory. It runs in this process by each of the [`players`](ours::players) (the reference
//! interpreter, the translator), and in a small program of the guest under QEMU ([`batch`],
//! `runner/runner.c`). The states afterwards must be equal ([`check`]).
//!
//! This crate knows no guest. A guest's test `tests/oracle` implements [`Guest`]: the shape of its
//! state, the runner's assembly, cases from the rows of its decode table, what is compared, and
//! what is known to deviate. Its `main` calls [`main`].
//!
//! What must stay true: code and memory lie at the same addresses on both sides; every row has
//! cases, or is listed with the place of its test; a deviation that is accepted is a row of the
//! guest's table with its reason, and one that must show and does not is an error.
//!
//! `ORACLE_QEMU=PATH` takes another QEMU than the reference's own.

pub mod batch;
pub mod check;
mod cli;
pub mod faults;
pub mod guest;
pub mod ours;
mod reduce;
pub mod reference;
pub mod state;
pub mod values;

pub use cli::main;
pub use guest::{Change, Elsewhere, Ending, Guest, Kind, Known};
pub use reference::Reference;

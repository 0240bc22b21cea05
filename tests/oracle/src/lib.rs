//! Differential tests of instructions: ours against an independent implementation.
//!
//! A case is one instruction word (or a short sequence) with a full register state and a window of memory. It runs twice: in this
//! process, by the reference interpreter or by the translator ([`ours`]); and in a small aarch64 program under QEMU ([`batch`],
//! `runner/runner.c`). The states afterwards must be equal ([`check`]). Cases come from the decode table's rows with random and
//! edge operands ([`generate`]), so that a new row is tested as soon as it exists.
//!
//! What must stay true: code and memory lie at the same addresses on both sides; a deviation that is accepted is a row of
//! [`known`] with its reason, and one that no longer shows is an error.
//!
//! Environment: `ORACLE_SEED`, `ORACLE_CASES` (per row), `ORACLE_QEMU` (which `qemu-aarch64`), `ORACLE_CPU`.

pub mod batch;
pub mod check;
pub mod generate;
pub mod known;
pub mod ours;
pub mod state;

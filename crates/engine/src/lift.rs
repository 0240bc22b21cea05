//! From a guest's instructions to units: what a guest gives ([`Lift`]), and what a host builds a
//! unit with ([`UnitBuilder`]).
//!
//! A guest names no host and a host names no guest: a host compiles the guest's one lift for its
//! own builder, and the emulator puts the two together.

pub use crate::builder::*;
use crate::guest::Guest;
use crate::shared::Copy;

/// A guest's instructions, for any host.
pub trait Lift: 'static {
    /// The guest.
    const GUEST: &'static Guest;

    /// Lifts the instructions of one unit: `while t.more() { fetch at t.pc(); t.begin(len, peek);
    /// semantics; t.end() }`. They are fetched from `copy`, where there is one, in the place of
    /// guest memory.
    fn lift<T: UnitBuilder>(t: &mut T, copy: Option<&Copy>);
}

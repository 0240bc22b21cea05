//! The backend that generates no code: every host has it, and a host without a translator has
//! nothing else.
//!
//! Steps of several instructions are played by the defaults of
//! [`UnitBuilder`](crate::lift::UnitBuilder)'s words, all else by the guest's single instructions.
//! Accesses to guest memory are `anyarch_sys`'s, whose faults come back as values, so that the
//! state is exact without a look at the host's context; an asynchronous signal is seen before the
//! next instruction.

use crate::backend::Backend;
pub use crate::backend::INTERPRETER as BACKEND;
use crate::interp::Interp;
use crate::lift::Lift;

/// For a guest.
pub const fn backend<L: Lift>() -> Backend {
    Backend::interpreter(play::<L>)
}

/// Plays what begins at `cpu.pc`.
fn play<L: Lift>(i: &mut Interp<'_>) -> bool {
    i.play_lift(|i| L::lift(i, None))
}

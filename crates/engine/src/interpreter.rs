//! The backend that generates no code: every host has it, and a host without a translator has
//! nothing else.
//!
//! Steps of several instructions are played by the defaults of
//! [`UnitBuilder`](crate::lift::UnitBuilder)'s words, all else by the guest's single instructions.
//! Accesses to guest memory are `anyarch_sys`'s, whose faults come back as values, so that the
//! state is exact without a look at the host's context; an asynchronous signal is seen before the
//! next instruction.

use crate::backend::{Abilities, Backend, Way, Words};
use crate::interp::Interp;
use crate::lift::Lift;
use crate::state::{FlagWord, FpWord};
use crate::vec::{self, VOp};

/// For any guest, without steps.
pub static BACKEND: Backend = table(|_| false);

/// For a guest.
pub const fn backend<L: Lift>() -> Backend {
    table(play::<L>)
}

const fn table(play: fn(&mut Interp<'_>) -> bool) -> Backend {
    Backend {
        name: "interpreter",
        way: Way::Interpreted(play),
        words: Words {
            nzcv: |word| word.0 as u8 & 15,
            flag_word: |nzcv| FlagWord(nzcv as u16),
            fp_start: FpWord(0),
            fp_flags: |_| 0,
            fp_cleared: |word| word,
            fp_rounding: |word, _| word,
        },
        abilities: || Abilities { aes: false, carryless_mul: false },
        aes,
    }
}

/// The reference function, whose time depends on the operand.
fn aes(op: VOp, a: u128) -> u128 {
    vec::aes_step(op, a)
}

/// Plays what begins at `cpu.pc`.
fn play<L: Lift>(i: &mut Interp<'_>) -> bool {
    i.play_lift(|i| L::lift(i, None))
}

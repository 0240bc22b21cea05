//! What helpers do, told beside each: what a host may keep in registers across a call, and what an
//! optimiser and a fault map need to know.
//!
//! An [`Effects`] says what a call may do at most. Debug builds hold every helper that the
//! interpreter plays to it: what is not written stays, and what is not read does not matter.

use crate::operands::{HelperExit, R, V};
use crate::state::Cpu;

/// The function of a helper.
pub type HelperFn = extern "C" fn(cpu: &mut Cpu, arg: u64) -> HelperExit;

/// A function that generated code or the interpreter calls with the whole state in memory, and what
/// it does. The argument is a constant chosen at translation.
///
/// What it may do: read and change any guest register, read and write guest memory through
/// `anyarch_sys`. In generated code `pc` is not the instruction's own; a fault that is SIGILL gets
/// its address from the engine. It must not change `pc` unless it returns something other than
/// [`HelperExit::Continue`].
#[derive(Clone, Copy)]
pub struct Helper {
    /// The function.
    pub function: HelperFn,
    /// What it does with an argument.
    pub effects: fn(arg: u64) -> Effects,
}

/// Some of [`Cpu`]'s slots: bit = slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SlotSet {
    /// Integer slots.
    pub gpr: u64,
    /// Vector slots.
    pub vec: u128,
}

impl SlotSet {
    /// With an integer slot. `R::ZERO` is none.
    pub const fn with(self, r: R) -> SlotSet {
        SlotSet { gpr: if r.0 < 64 { self.gpr | 1 << r.0 } else { self.gpr }, ..self }
    }

    /// With `count` vector slots.
    pub const fn with_vectors(self, first: V, count: u8) -> SlotSet {
        SlotSet { vec: self.vec | u128::MAX >> (128 - count as u32) << first.0, ..self }
    }

    const fn and(self, other: SlotSet) -> SlotSet {
        SlotSet { gpr: self.gpr | other.gpr, vec: self.vec | other.vec }
    }
}

/// What a call may do at most. A slot that is written only sometimes, or in part, need not be
/// listed as read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Effects {
    /// Slots that what it does depends on.
    pub reads: SlotSet,
    /// Slots that it writes.
    pub writes: SlotSet,
    /// It accesses guest memory.
    pub memory: bool,
    /// It may return [`HelperExit::Fault`].
    pub faults: bool,
    /// It reads or changes what [`Cpu`] has beside slots: NZCV, the floating-point environment, the
    /// mode.
    pub environment: bool,
    /// It reads or changes something else: the time, the code cache.
    pub outside: bool,
}

impl Effects {
    /// Nothing.
    pub const NONE: Effects = Effects {
        reads: SlotSet { gpr: 0, vec: 0 },
        writes: SlotSet { gpr: 0, vec: 0 },
        memory: false,
        faults: false,
        environment: false,
        outside: false,
    };

    /// It reads an integer slot.
    pub const fn reads(self, r: R) -> Effects {
        Effects { reads: self.reads.with(r), ..self }
    }

    /// It writes an integer slot.
    pub const fn writes(self, r: R) -> Effects {
        Effects { writes: self.writes.with(r), ..self }
    }

    /// It reads vector slots.
    pub const fn reads_vectors(self, first: V, count: u8) -> Effects {
        Effects { reads: self.reads.with_vectors(first, count), ..self }
    }

    /// It writes vector slots.
    pub const fn writes_vectors(self, first: V, count: u8) -> Effects {
        Effects { writes: self.writes.with_vectors(first, count), ..self }
    }

    /// It reads and writes all of these.
    pub const fn changes(self, slots: SlotSet) -> Effects {
        Effects { reads: self.reads.and(slots), writes: self.writes.and(slots), ..self }
    }

    /// See [`Effects::memory`].
    pub const fn memory(self) -> Effects {
        Effects { memory: true, ..self }
    }

    /// See [`Effects::faults`].
    pub const fn faults(self) -> Effects {
        Effects { faults: true, ..self }
    }

    /// See [`Effects::environment`].
    pub const fn environment(self) -> Effects {
        Effects { environment: true, ..self }
    }

    /// See [`Effects::outside`].
    pub const fn outside(self) -> Effects {
        Effects { outside: true, ..self }
    }
}

impl Helper {
    /// Calls it.
    #[cfg(not(debug_assertions))]
    pub fn call(self, cpu: &mut Cpu, arg: u64) -> HelperExit {
        (self.function)(cpu, arg)
    }

    /// Calls it, and looks that it does no more than it says.
    #[cfg(debug_assertions)]
    pub fn call(self, cpu: &mut Cpu, arg: u64) -> HelperExit {
        checked::call(self, cpu, arg)
    }
}

#[cfg(debug_assertions)]
mod checked {
    use super::*;
    use alloc::boxed::Box;

    fn copy(cpu: &Cpu) -> Box<Cpu> {
        // SAFETY: plain data.
        Box::new(unsafe { core::ptr::read(cpu) })
    }

    /// What of the state is no slot and is a guest's.
    fn environment(cpu: &Cpu) -> impl PartialEq + core::fmt::Debug {
        let fp = &cpu.fp;
        let modes = (fp.rounding, fp.default_nan, fp.flush, fp.flush_half, fp.alt_half, fp.saturated);
        (cpu.nzcv(), cpu.fp_flags(), modes, cpu.mode, cpu.fpcr)
    }

    /// The numbers of the slots of `among` in which two states differ, integer ones and vector
    /// ones.
    fn differing(among: SlotSet, a: &Cpu, b: &Cpu) -> SlotSet {
        let mut found = SlotSet::default();
        for n in (0..a.gpr.len()).filter(|&n| a.gpr[n] != b.gpr[n]) {
            found.gpr |= among.gpr & 1 << n;
        }
        for n in (0..a.vec.len()).filter(|&n| a.vec[n] != b.vec[n]) {
            found.vec |= among.vec & 1 << n;
        }
        found
    }

    pub(super) fn call(helper: Helper, cpu: &mut Cpu, arg: u64) -> HelperExit {
        let effects = (helper.effects)(arg);
        let before = copy(cpu);
        let exit = (helper.function)(cpu, arg);
        let not = |set: SlotSet| SlotSet { gpr: !set.gpr, vec: !set.vec };
        let stray = differing(not(effects.writes), &before, cpu);
        assert_eq!(stray, SlotSet::default(), "slots written, helper of {arg:#x}");
        assert!(effects.faults || exit != HelperExit::Fault, "a fault, helper of {arg:#x}");
        let same = environment(&before) == environment(cpu);
        assert!(effects.environment || same, "the environment changed, helper of {arg:#x}");
        if effects.memory || effects.outside {
            return exit;
        }
        // Once more, with other values in what is not read.
        let unread = not(effects.reads);
        let mut start = copy(&before);
        for n in (0..start.gpr.len()).filter(|n| unread.gpr >> n & 1 != 0) {
            start.gpr[n] = !start.gpr[n];
        }
        for n in (0..start.vec.len()).filter(|n| unread.vec >> n & 1 != 0) {
            start.vec[n] = !start.vec[n];
        }
        let mut other = copy(&start);
        let again = (helper.function)(&mut other, arg);
        assert_eq!(again, exit, "depends on a slot that is not read, helper of {arg:#x}");
        // A slot that was not written has kept each its own value.
        let mut written = differing(effects.writes, &before, cpu);
        let also = differing(effects.writes, &start, &other);
        written = SlotSet { gpr: written.gpr | also.gpr, vec: written.vec | also.vec };
        let wrong = differing(written, cpu, &other);
        assert_eq!(wrong, SlotSet::default(), "depends on a slot that is not read, helper of {arg:#x}");
        exit
    }
}

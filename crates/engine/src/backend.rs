//! What the engine asks of the host: a [`Backend`], one table for each pair of guest and host.
//!
//! The table is chosen once, when the engine is set up ([`crate::run::init`]). It is asked for
//! units, patches, signals and the like, never for single instructions. A backend that generates no
//! code has all instructions interpreted: [`crate::interpreter`].

use crate::interp::Interp;
use crate::marks::InsnMark;
use crate::ops::HelperExit;
use crate::shared::Copy;
pub use crate::state::Words;
use crate::state::{self, Fault};
use crate::targets::Targets;
use crate::thread::Thread;
use crate::vec::{self, VOp};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicPtr, Ordering};

/// The context that the host's kernel gives a signal handler (`ucontext_t`): a host knows what is
/// in it.
pub type HostContext = *mut u8;

/// A host, for one guest.
pub struct Backend {
    /// The host's name.
    pub name: &'static str,
    /// How guest code is run.
    pub way: Way,
    /// What is kept of the guest's state in the host's form.
    pub words: Words,
    /// What the host does fast. It may be asked often.
    pub abilities: fn() -> Abilities,
    /// A step of AES on a whole state ([`VOp::AesEncLast`], `AesDecLast`, `AesMixColumns` or
    /// `AesInvMixColumns`, the key zero), in a time that does not depend on it. Called where the
    /// host has the ability.
    pub aes: fn(VOp, u128) -> u128,
}

/// How guest code is run.
pub enum Way {
    /// By code that is made of it.
    Generated(Generator),
    /// By the interpreter. The function plays a step at `cpu.pc`, if one begins there, with the
    /// words' defaults; false, and nothing done, if none does.
    Interpreted(fn(&mut Interp<'_>) -> bool),
}

/// What a host does fast that a guest may tell its programs of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Abilities {
    /// Rounds of AES, in a time that depends on no operand.
    pub aes: bool,
    /// Carry-less products of 64 bits, as well.
    pub carryless_mul: bool,
}

/// A maker of units, and the end of the code that all units share.
pub type Opened = (Box<dyn UnitMaker>, *mut u8);

/// How code is made and run.
pub struct Generator {
    /// Begins to make code in [start, end), which begins at a page: puts there what all units
    /// share, the glue, and returns its end.
    pub open: fn(start: *mut u8, end: *mut u8) -> Opened,
    /// Puts the host's part of a thread's state ([`Thread::host_room`]) in order, for a thread that
    /// is new or begins anew.
    pub prepare: fn(&mut Thread),
    /// Runs a thread's code at a host address, until it leaves it.
    ///
    /// # Safety
    /// The thread is the caller's, and the address an entry of a unit for its `cpu.pc` and mode.
    pub enter: unsafe fn(&mut Thread, *const u8) -> Left,
    /// Makes a jump ([`Exit::site`]) lead elsewhere, its stub or an entry. Other threads may be
    /// executing it: they take the old way or the new one.
    ///
    /// # Safety
    /// The place is one, in a unit.
    pub patch: unsafe fn(site: *mut u8, target: *const u8),
    /// Makes the instruction at a place of [`Draft::locked`] a jump to the code that looks at the
    /// table of reservations. Other threads may be executing it.
    ///
    /// # Safety
    /// The place is one, in a unit.
    pub watch: unsafe fn(site: *mut u8),
    /// See [`crate::run::on_host_fault`].
    ///
    /// # Safety
    /// As there.
    pub on_fault: unsafe fn(&mut Thread, HostContext, Fault) -> bool,
    /// See [`crate::run::on_host_signal`]; `Thread::interrupt` was called.
    ///
    /// # Safety
    /// As there.
    pub on_signal: unsafe fn(&mut Thread, HostContext),
    /// See [`crate::run::on_sent_signal`].
    ///
    /// # Safety
    /// As there.
    pub on_sent_signal: unsafe fn(&mut Thread, HostContext),
    /// Whether the host code in [start, end), that of one guest instruction or a cold path, can be
    /// read back as signals need it. Asked by debug builds.
    pub is_readable: fn(start: u64, end: u64) -> bool,
}

/// Room that a unit may need, in bytes.
pub const UNIT_ROOM: usize = 64 * 1024;

/// Makes units.
pub trait UnitMaker: Send {
    /// Makes one. What it is made of and where goes to `draft`, in the place of what is there.
    fn make(&mut self, spec: &UnitSpec<'_>, draft: &mut Draft) -> Finished;
}

/// A unit to be made.
///
/// Units are *canonical*: what is here, the guest's text, the host's features and the build choose
/// all of a unit's code, and nothing that was made before. Of the two addresses `pc` and `at` only
/// the distance counts, unless the code says otherwise ([`Draft::absolute`]). So equal orders at
/// equal distances of equal text give equal bytes.
pub struct UnitSpec<'a> {
    /// Guest address.
    pub pc: u64,
    /// Translation mode ([`crate::state::mode`]).
    pub mode: u32,
    /// Where its code goes: at the beginning of a cache line.
    pub at: *mut u8,
    /// End of the room there, which is [`UNIT_ROOM`] at least.
    pub end: *mut u8,
    /// What [`crate::ops::Ops::likely`] begins with.
    pub likely: u64,
    /// Where the branches of its page lead.
    pub targets: &'a Targets,
    /// The copy of guest code that it is made from, and that it compares with memory before it
    /// runs: see [`crate::shared`].
    pub copy: Option<&'a Copy>,
    /// Functions may be translated in the place of calls: who orders looks afterwards whether the
    /// code that was taken in ([`Draft::sources`]) may be used.
    pub inlines: bool,
}

/// What chose a unit's code, but for the guest's text, its distance, the host's features and the
/// build: see [`UnitSpec`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnitKey {
    /// Guest address.
    pub pc: u64,
    /// See [`UnitSpec::mode`].
    pub mode: u32,
    /// See [`UnitSpec::likely`]. Zero where nothing depends on it. Code for another value would be as
    /// right: units are looked up without it.
    pub likely: u64,
    /// See [`UnitSpec::inlines`].
    pub inlines: bool,
    /// Its page's branches were looked at, see [`UnitSpec::targets`]. A page whose text has changed is
    /// not looked at.
    pub knows_page: bool,
    /// It compares its bytes with memory: see [`UnitSpec::copy`].
    pub is_checked: bool,
    /// See [`Draft::absolute`].
    pub absolute: bool,
}

/// What is known of a unit when it is made.
pub struct Finished {
    /// End of its host code.
    pub host_end: *mut u8,
    /// End of the guest code from its start on.
    pub guest_end: u64,
    /// Host bytes of the check that it begins with.
    pub check: usize,
    /// An undefined instruction ends it.
    pub is_undefined: bool,
}

/// A jump out of a unit.
pub struct Exit {
    /// What [`Generator::patch`] patches.
    pub site: *mut u8,
    /// Guest address jumped to.
    pub target: u64,
    /// Where it goes until it is patched: code that leaves.
    pub stub: *mut u8,
    /// A call.
    pub is_call: bool,
}

/// In a unit's cold marks: the end of its cold code.
pub const COLD_END: u16 = u16::MAX;

/// A unit's parts. Buffers that are used again.
#[derive(Default)]
pub struct Draft {
    /// Its jumps to elsewhere.
    pub exits: Vec<Exit>,
    /// Per guest instruction: host length and flag states.
    pub marks: Vec<InsnMark>,
    /// (host offset, instruction index) of cold code, ascending; the last is [`COLD_END`].
    pub cold_marks: Vec<(u32, u16)>,
    /// (guest pc, host offset) of each entry.
    pub entries: Vec<(u64, u32)>,
    /// Guest code elsewhere that the unit was made from: ranges within one page each.
    pub sources: Vec<(u64, u64)>,
    /// The end of the guest code from the unit's start on that its code depends on: that of the
    /// unit, or of what follows it and was looked at to find out that flags are not read.
    pub looked_to: u64,
    /// Ranges elsewhere in its page that were looked at for the same.
    pub looked: Vec<(u64, u64)>,
    /// Where the unit does not go on at the next address: index of a mark, its address.
    pub turns: Vec<(u32, u64)>,
    /// Where locked instructions look at the table of reservations, or will: see
    /// [`Generator::watch`].
    pub locked: Vec<*mut u8>,
    /// The unit makes calls.
    pub calls_out: bool,
    /// The unit has load-exclusives that take reservations.
    pub reserves: bool,
    /// Code says a guest address as it is, where the distance does not allow another form: it is
    /// good at this place in the address space alone.
    pub absolute: bool,
    /// [`crate::ops::Ops::likely`] was asked before the unit itself had said what is likely.
    pub asked_likely: bool,
    /// Instructions that are part of the step of one before them.
    pub covered: u32,
}

// SAFETY: addresses in the code cache, which its owner's lock guards.
unsafe impl Send for Draft {}

impl Draft {
    /// Makes it empty.
    pub fn clear(&mut self) {
        self.exits.clear();
        self.marks.clear();
        self.cold_marks.clear();
        self.entries.clear();
        self.sources.clear();
        self.looked.clear();
        self.turns.clear();
        self.locked.clear();
        (self.calls_out, self.reserves, self.covered) = (false, false, 0);
        (self.absolute, self.asked_likely) = (false, false);
    }
}

/// How generated code was left. Guest registers are in memory. `host` is a host address in the
/// instruction that left, not at its start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Left {
    /// Through a jump that was not patched: the guest address, and what [`Exit`] says of it.
    Jump {
        /// Guest address.
        target: u64,
        /// See [`Exit::site`].
        site: *const u8,
        /// See [`Exit::stub`].
        stub: *const u8,
    },
    /// An indirect transfer to a guest address that the lookup table does not have.
    Lookup(u64),
    /// At a system call; the address after it.
    Syscall(u64),
    /// A system call that generated code made itself, and a signal is pending; the address after
    /// it.
    Made(u64),
    /// Interrupted before it entered, or at a boundary; `cpu.pc` is valid.
    Interrupted,
    /// A fault that a signal handler caught; `cpu.pc` and `cpu.fault` are valid.
    Fault,
    /// As `Fault`, in a step of several instructions: its first is to be interpreted.
    StepFault,
    /// A trap instruction.
    Trap {
        /// See above.
        host: u64,
        /// A breakpoint; else an undefined instruction.
        is_breakpoint: bool,
    },
    /// A helper returned something other than [`HelperExit::Continue`].
    Helper {
        /// See above.
        host: u64,
        /// What it returned.
        exit: HelperExit,
    },
    /// The unit's bytes have changed since it was made. See [`crate::shared`].
    Stale {
        /// See above.
        host: u64,
    },
    /// The instruction is to be interpreted: it has changed nothing.
    Replay {
        /// See above.
        host: u64,
    },
}

impl Backend {
    /// The interpreter, which plays steps with `play`: see [`crate::interpreter`].
    pub(crate) const fn interpreter(play: fn(&mut Interp<'_>) -> bool) -> Backend {
        Backend {
            name: "interpreter",
            way: Way::Interpreted(play),
            words: state::PLAIN,
            abilities: || Abilities { aes: false, carryless_mul: false },
            // The reference function, whose time depends on the operand.
            aes: vec::aes_step,
        }
    }
}

/// The interpreter for any guest, without steps.
pub static INTERPRETER: Backend = Backend::interpreter(|_| false);

static CURRENT: AtomicPtr<Backend> = AtomicPtr::new((&raw const INTERPRETER).cast_mut());

/// The backend of the process.
#[inline]
pub fn backend() -> &'static Backend {
    // SAFETY: always one that lives for ever.
    unsafe { &*CURRENT.load(Ordering::Relaxed) }
}

/// Makes it the process's, before there are threads ([`crate::run::init`] does).
pub fn choose(backend: &'static Backend) {
    CURRENT.store((&raw const *backend).cast_mut(), Ordering::Relaxed);
    state::choose(&backend.words);
}

//! The code of single units, for reading: what the file tests of emitted code print. Nothing here
//! runs it.
//!
//! A [`Lister`] does what the code cache does to make a unit, in memory that is written anew for
//! each, with the features that [`Features::of_host`] answers ([`Features::assume`]). Units know
//! nothing of each other, and no jump is chained.
//!
//! [`Features::of_host`]: super::Features::of_host
//! [`Features::assume`]: super::Features::assume

use super::backend::make;
use super::glue::Piece;
use super::{Buffers, HostPart, NONE, STATE_BIAS, Translator, host_part};
use alloc::vec::Vec;
use anyarch_engine::backend::{self, Draft, UNIT_ROOM, UnitKey, UnitSpec};
use anyarch_engine::cache::Pages;
use anyarch_engine::lift::Lift;
use anyarch_engine::run::{Guest, Thread};
use anyarch_engine::shared::Copy;
use anyarch_engine::state::Cpu;
use anyarch_engine::targets::NO_TARGETS;
use core::mem::offset_of;
use core::ops::Range;

/// One unit. Places in it are byte offsets.
pub struct Listing {
    /// Its host address.
    pub at: u64,
    /// Its host code.
    pub bytes: Vec<u8>,
    /// Its guest instructions, in the order of their code.
    pub insns: Vec<Insn>,
    /// Code behind the straight line, and the index of the instruction that it belongs to.
    pub cold: Vec<(Range<usize>, usize)>,
    /// The stubs of its jumps, in the order of these.
    pub exits: Vec<Exit>,
    /// Where locked instructions look at reservations: instructions without effect whose immediate
    /// becomes that of a jump.
    pub locked: Vec<usize>,
    /// An undefined instruction ends it.
    pub is_undefined: bool,
}

/// A guest instruction of a unit.
pub struct Insn {
    /// Its guest address.
    pub pc: u64,
    /// Its code in the straight line.
    pub code: Range<usize>,
    /// It is part of the step of the one before, which has the code.
    pub is_covered: bool,
}

/// A way out of a unit.
pub struct Exit {
    /// The four bytes that lead to the stub, until the jump is chained.
    pub site: usize,
    /// Its stub.
    pub stub: usize,
    /// The guest address where it goes.
    pub target: u64,
    /// A call.
    pub is_call: bool,
}

/// Makes listings.
pub struct Lister<'a> {
    guest: &'static Guest,
    lift: fn(&mut Translator<'_>, Option<&Copy>),
    buffers: Buffers,
    draft: Draft,
    /// Room for units.
    memory: &'a mut [u8],
}

impl<'a> Lister<'a> {
    /// Bytes of memory that are enough for a unit.
    pub const ROOM: usize = UNIT_ROOM;

    /// Makes units in `memory`, which begins at a page. The backend becomes the process's: the
    /// guest asks it what it can do.
    pub fn new<L: Lift>(memory: &'a mut [u8]) -> Lister<'a> {
        assert!(memory.len() >= Self::ROOM && memory.as_ptr().addr().is_multiple_of(4096));
        backend::choose(const { &super::backend::<L>() });
        let buffers = Buffers::new(L::GUEST.slots);
        Lister { guest: L::GUEST, lift: |t, copy| L::lift(t, copy), buffers, draft: Draft::default(), memory }
    }

    /// Which of the guest's integer and of its vector slots live in host registers.
    pub fn pinned(&self) -> ([bool; 64], [bool; anyarch_engine::state::VEC_SLOTS]) {
        let (integers, vectors) = self.buffers.maps();
        (integers.map(|host| host != NONE), vectors.map(|host| host != NONE))
    }

    /// Translates a unit, `from` bytes into the memory. The guest's code there is readable to the
    /// end of its page, and so are the functions that it calls, where `inlines`. `likely` is what
    /// the guest's slot of this name holds.
    pub fn unit(&mut self, pc: u64, mode: u32, likely: u64, inlines: bool, from: usize) -> Listing {
        let key = UnitKey { pc, mode, likely, inlines, knows_page: true, is_checked: false, absolute: false };
        self.unit_of(&key, from)
    }

    /// As [`Lister::unit`], for what a unit's key says: all of it that goes into [`UnitSpec`], but
    /// for units that are checked.
    pub fn unit_of(&mut self, key: &UnitKey, from: usize) -> Listing {
        let &UnitKey { pc, mode, likely, inlines, knows_page, .. } = key;
        let Range { start, end } = self.memory.as_mut_ptr_range();
        let at = start.wrapping_add(from);
        assert!(from.is_multiple_of(64) && from + Self::ROOM <= self.memory.len());
        let mut pages = Pages::default();
        let known = knows_page.then(|| pages.of(self.guest, pc).expect("nobody told of a change"));
        let targets = known.unwrap_or(&NO_TARGETS);
        let spec = UnitSpec { pc, mode, at, end, likely, targets, copy: None, inlines };
        let made = make(&mut self.buffers, &mut self.draft, self.guest, &spec, self.lift);
        let (host_end, is_undefined) = (made.host_end, made.is_undefined);
        let len = host_end as usize - at as usize;
        let (insns, numbers) = self.insns(pc);
        let cold = self.draft.cold_marks.windows(2);
        Listing {
            at: at as u64,
            bytes: self.memory[from..from + len].to_vec(),
            cold: cold.map(|w| (w[0].0 as usize..w[1].0 as usize, numbers[w[0].1 as usize])).collect(),
            exits: (self.draft.exits.iter())
                .map(|e| Exit {
                    site: e.site as usize - at as usize,
                    stub: e.stub as usize - at as usize,
                    target: e.target,
                    is_call: e.is_call,
                })
                .collect(),
            locked: self.draft.locked.iter().map(|&site| site as usize - at as usize).collect(),
            insns,
            is_undefined,
        }
    }

    /// The unit's instructions, and the instruction's number for each mark.
    fn insns(&self, pc: u64) -> (Vec<Insn>, Vec<usize>) {
        let (mut insns, mut numbers) = (Vec::<Insn>::new(), Vec::new());
        let (mut pc, mut at, mut goes_on) = (pc, 0, false);
        for (i, mark) in self.draft.marks.iter().enumerate() {
            if let Some(turn) = self.draft.turns.iter().find(|t| t.0 as usize == i) {
                pc = turn.1;
            }
            let len = if mark.is_covered() { 0 } else { mark.host_len() as usize };
            match insns.last_mut() {
                Some(last) if goes_on => last.code.end += len,
                _ => insns.push(Insn { pc, code: at..at + len, is_covered: mark.is_covered() }),
            }
            numbers.push(insns.len() - 1);
            at += len;
            pc += mark.guest_len();
            goes_on = mark.is_more();
        }
        (insns, numbers)
    }
}

/// The piece of the glue whose address the thread's state has at a distance from RBP.
pub fn piece(from_rbp: i32) -> Option<Piece> {
    Piece::ALL.into_iter().find(|piece| piece.place().disp == from_rbp)
}

/// The part of a thread's state at a distance from RBP, and how many bytes into it.
pub fn field(from_rbp: i32) -> Option<(&'static str, usize)> {
    let offset = usize::try_from(from_rbp + STATE_BIAS).ok()?;
    let fields = [
        ("gpr", offset_of!(Cpu, gpr)),
        ("vec", offset_of!(Cpu, vec)),
        ("pc", offset_of!(Cpu, pc)),
        ("flags", offset_of!(Cpu, host_flags)),
        ("mode", offset_of!(Cpu, mode)),
        ("fp", offset_of!(Cpu, fp)),
        ("mxcsr", offset_of!(Cpu, host_fp)),
        ("fpcr", offset_of!(Cpu, fpcr)),
        ("excl_addr", offset_of!(Cpu, excl_addr)),
        ("excl_value", offset_of!(Cpu, excl_value)),
        ("excl_word", offset_of!(Cpu, excl_word)),
        ("excl_held", offset_of!(Cpu, excl_held)),
        ("ignored_bits", offset_of!(Cpu, ignored_bits)),
        ("tag", offset_of!(Cpu, tag)),
        ("fault", offset_of!(Cpu, fault)),
        ("task", offset_of!(Cpu, task)),
        ("host_rsp", offset_of!(Thread, host_sp)),
        ("shadow_rsp", offset_of!(Thread, shadow_sp)),
        ("exit_rax", offset_of!(Thread, exit_value)),
        ("spill", offset_of!(Thread, spill)),
        ("interrupted", offset_of!(Thread, interrupted)),
        ("sha", host_part(offset_of!(HostPart, sha))),
        ("constants", host_part(offset_of!(HostPart, constants))),
        ("pool", host_part(offset_of!(HostPart, pool))),
        ("flag_tables", host_part(offset_of!(HostPart, flag_tables))),
        ("pieces", host_part(offset_of!(HostPart, pieces))),
        ("tails", host_part(offset_of!(HostPart, tails))),
        ("rest", host_part(offset_of!(HostPart, rest))),
        ("lookup", offset_of!(Thread, lookup)),
        ("", size_of::<Thread>()),
    ];
    let field = fields.iter().filter(|f| f.1 <= offset).max_by_key(|f| f.1)?;
    (field.1 < size_of::<Thread>()).then(|| (field.0, offset - field.1))
}

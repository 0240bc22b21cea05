//! Where a unit ends, where it can be entered, and how it is left for another one.
//!
//! The crate's text ("How generated code is laid out") has the rules.

use super::asm::Cc;
use super::glue::Piece;
use super::known::At;
use super::{Flags, HostFlags, HostPart, MAX_INSNS, STATE_BIAS, Test, Translator, host_part, vec};
use anyarch_engine::backend::Exit;
use anyarch_engine::ops::R;
use anyarch_engine::run::Peek;
use anyarch_engine::targets::{Targets, bit_after};
use core::cell::Cell;
use core::mem::offset_of;

/// A function that is translated in the place of a call to it: its code and where it returns.
#[derive(Clone, Copy)]
pub(crate) struct Inlined {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) back: u64,
}

/// What the instructions of a unit have said of it so far.
#[derive(Default)]
pub(crate) struct Course {
    /// The unit is complete.
    pub(super) ended: bool,
    /// An undefined instruction ended it.
    pub(super) undefined: bool,
    /// Every NZCV counts as read: no look ahead.
    pub(super) keep_all_flags: bool,
    /// Flags were dropped because the look ahead found a writer before any reader.
    pub(super) dropped_flags: bool,
    /// The function that is being translated in the place of a call to it.
    pub(super) inlined: Option<Inlined>,
    /// The next instruction is not the one behind the last.
    pub(super) turned: bool,
    /// Where its branches go, as far as that is in the unit and yet to come.
    pub(super) ahead: Ahead,
    /// What there is at the next instruction, if that was asked at the end of the last, and its
    /// address.
    pub(super) next: (u64, Option<Meeting>),
    /// The end of the text behind `next_pc` that its code depends on.
    pub(super) looked_to: u64,
    /// The number from 1 up of the instruction for which code was chosen that leaves NZCV in
    /// EFLAGS, since they are there.
    pub(super) spared_flags: usize,
    /// See [`anyarch_engine::ops::Ops::set_likely`].
    pub(super) said_likely: bool,
    /// See [`anyarch_engine::backend::Draft::asked_likely`].
    pub(super) asked_likely: Cell<bool>,
}

/// The instruction that is being translated.
#[derive(Default)]
pub(crate) struct Insn {
    /// It has two bytes.
    pub(super) short: bool,
    /// Where its code begins.
    pub(super) start: At,
    /// What EFLAGS had of NZCV at its start, if memory did not have them.
    pub(super) flags: HostFlags,
    /// It has stored the flags to memory.
    pub(super) saved_flags: bool,
    /// It has set flags, which are in EFLAGS since.
    pub(super) set_flags: bool,
    /// What the guest says of it.
    pub(super) peeked: Peek,
    /// The flags of NZCV that may be read after it, once that was asked.
    pub(super) live_next: Option<u8>,
    /// A slot that the instruction before gave a constant.
    pub(super) constant: Option<(R, u64)>,
    /// It has cold paths that come back at its end.
    pub(super) guarded: bool,
}

/// Bytes of the call that a stub begins with.
pub(super) const STUB_CALL: usize = 6;
const _: () = assert!(host_part(offset_of!(HostPart, pieces)) as i32 - STATE_BIAS > i8::MAX as i32);

/// Loops that a unit runs into begin at such a multiple of bytes.
const LOOP_ALIGN: usize = 16;
/// So many bytes at most are padded: a loop around this one runs them in each round.
const LOOP_PADDING: usize = 8;

/// Places in a unit that the unit itself jumps forward to.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ahead([u64; MAX_INSNS.div_ceil(32)]);

impl Ahead {
    fn bit(from_start: u64) -> (usize, u64) {
        ((from_start / 128) as usize, 1 << (from_start / 2 % 64))
    }

    #[inline(always)]
    pub(super) fn add(&mut self, from_start: u64) {
        let (word, bit) = Self::bit(from_start);
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
    }

    /// The first behind one.
    fn after(&self, from_start: u64) -> Option<u64> {
        bit_after(self.0.len(), |n| self.0[n], from_start / 2).map(|bit| bit * 2)
    }

    fn has(&self, from_start: u64) -> bool {
        let (word, bit) = Self::bit(from_start);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }
}

/// What there is at an address that branches lead to.
#[derive(Clone, Copy)]
pub(crate) struct Meeting {
    /// The unit ends before it: a branch from outside leads ahead to it, and none from the unit.
    ends: bool,
    /// A branch leads back to it.
    is_loop: bool,
}

/// The first address behind one at which [`Translator::looks_to_end`] is to look.
pub(crate) fn next_look(targets: &Targets, address: u64) -> u64 {
    targets.after(address).min(last_in_page(address))
}

/// From here on an instruction may reach out of the page of `pc`.
pub(crate) fn last_in_page(pc: u64) -> u64 {
    (pc | 4095) - 2
}

impl Translator<'_> {
    /// Whether the instruction at `pc`, not the unit's first, lies in another page than the unit or
    /// reaches into it.
    fn leaves_page(&self) -> bool {
        (self.guest.address(self.pc) ^ self.start_pc) >> 12 != 0
            || self.pc & 4095 > 4092 && (self.guest.peek)(self.pc).is_none()
    }

    /// Emits an unconditional jump to guest address `target`. Flags are in order.
    pub(crate) fn exit_to(&mut self, target: u64) {
        self.flush_flags(Some(target));
        self.a.keep_rel32_whole(1);
        let site = self.a.jmp_near();
        self.draft.exits.push(Exit { site: site.0, target, stub: core::ptr::null_mut(), is_call: false });
    }

    /// Emits a conditional jump to guest address `target`. Flags were flushed for it.
    pub(crate) fn exit_if(&mut self, cc: Cc, target: u64) {
        if target > self.pc {
            self.course.ahead.add(target.wrapping_sub(self.start_pc));
            self.look_at = self.look_at.min(target);
        }
        self.a.keep_rel32_whole(2);
        let site = self.a.jcc_near(cc);
        self.draft.exits.push(Exit { site: site.0, target, stub: core::ptr::null_mut(), is_call: false });
    }

    /// Before a conditional exit to `target`: memory holds NZCV if they may be read there.
    pub(crate) fn before_exit(&mut self, target: u64) {
        if !self.flags.in_memory && self.flags.host != HostFlags::None {
            self.flush_flags(Some(target));
        }
    }

    pub(crate) fn exit_test(&mut self, test: Test, target: u64) {
        match test {
            Test::One(cc) => self.exit_if(cc, target),
            Test::Or(a, b) => {
                self.exit_if(a, target);
                self.exit_if(b, target);
            }
            Test::And(a, b) => {
                let skip = self.a.jcc_short(a.invert());
                self.exit_if(b, target);
                self.a.bind(skip);
            }
            Test::Always => {
                self.exit_to(target);
                self.end_unit();
            }
        }
    }

    /// Ends the unit after an unconditional transfer.
    pub(crate) fn end_unit(&mut self) {
        self.course.ended = true;
    }

    /// The next instruction can be entered from outside if the flags are only in memory (what comes
    /// in through the entry has nothing in EFLAGS) or dead there: makes it an entry.
    pub(crate) fn mark_entry(&mut self) {
        if self.course.inlined.is_some() {
            return;
        }
        if self.copy.is_some() {
            return self.end_checked();
        }
        self.a.label = self.a.p;
        self.known.fenced = false;
        self.forget_vectors();
        let canonical = self.flags == Flags::IN_MEMORY;
        let next = self.guest.address(self.next_pc);
        if (next ^ self.start_pc) >> 12 == 0 && (canonical || !self.live_at(self.next_pc, 1)) {
            self.add_entry(self.next_pc);
        }
    }

    fn add_entry(&mut self, pc: u64) {
        self.draft.entries.push((pc, (self.a.p as usize - self.start as usize) as u32));
    }

    /// Whether the unit ends before the instruction at `pc`, which is not before `look_at`. If it
    /// does not, makes it an entry where branches lead to it.
    #[inline(never)]
    pub(crate) fn looks_to_end(&mut self) -> bool {
        let address = self.guest.address(self.pc);
        if self.course.inlined.is_some() || address == self.start_pc {
            return false;
        }
        if self.leaves_page() {
            return true;
        }
        let (known, meeting) = self.course.next;
        match if known == address { meeting } else { self.meeting(address) } {
            Some(Meeting { ends: true, .. }) => return true,
            Some(Meeting { is_loop, .. }) => self.meet(is_loop),
            None => {}
        }
        self.look_at = next_look(self.targets, address);
        if let Some(next) = self.course.ahead.after(address.wrapping_sub(self.start_pc)) {
            self.look_at = self.look_at.min(self.start_pc + next);
        }
        false
    }

    /// What there is at an address, if branches lead to it.
    fn meeting(&self, address: u64) -> Option<Meeting> {
        let from_here = self.course.ahead.has(address.wrapping_sub(self.start_pc));
        let is_ahead = self.targets.is_ahead(address);
        let is_loop = self.targets.is_back(address);
        (from_here || is_ahead || is_loop).then_some(Meeting { ends: is_ahead && !from_here, is_loop })
    }

    /// At the end of an instruction, before one that branches lead to: stores the flags to memory
    /// if they may be read there. Flags that nobody reads are stored too where a loop begins. The
    /// loop's first access may fault, and its signal's frame has the flags from memory.
    #[inline(never)]
    pub(crate) fn prepare_target(&mut self) {
        let address = self.guest.address(self.next_pc);
        self.course.next = (address, self.meeting(address));
        let Some(Meeting { is_loop, .. }) = self.course.next.1 else { return };
        if !self.course.ended && self.course.inlined.is_none() && self.copy.is_none() {
            // The instruction may have faulted before.
            let saved = self.insn.saved_flags;
            if is_loop && !self.flags.in_memory {
                self.save_flags();
            } else {
                self.flush_flags(Some(self.next_pc));
            }
            self.insn.saved_flags = saved;
        }
    }

    /// Branches lead to the instruction at `pc`: makes it an entry, so that they come here.
    fn meet(&mut self, is_loop: bool) {
        if self.copy.is_some() {
            return;
        }
        self.course.dropped_flags |= !self.flags.in_memory;
        self.flags = Flags::IN_MEMORY;
        if is_loop {
            self.align_loop();
        }
        self.a.label = self.a.p;
        self.known.fenced = false;
        self.forget_vectors();
        self.known.aes = vec::AesRound::NONE;
        self.known.next_constant = None;
        // Behind the padding, where the branch before has made it an entry already.
        self.draft.entries.pop_if(|e| e.0 == self.pc);
        self.add_entry(self.pc);
    }

    /// Pads the code of the instruction before, so that a loop begins at a multiple of
    /// [`LOOP_ALIGN`] where little is missing.
    fn align_loop(&mut self) {
        let pad = self.a.p.align_offset(LOOP_ALIGN);
        if pad > LOOP_PADDING {
            return;
        }
        if self.draft.marks.last_mut().is_some_and(|mark| mark.lengthen(pad)) {
            self.a.pad(pad);
        }
    }

    /// The call of the glue, followed by a guest address: a 32-bit distance from its own place, or
    /// 64 bits absolute.
    pub(crate) fn stub(&mut self, target: u64) {
        let delta = target.wrapping_sub(self.a.p as u64 + STUB_CALL as u64) as i64;
        if delta == delta as i32 as i64 {
            self.a.call_piece(Piece::Chain);
            self.a.d(delta as u32);
        } else {
            self.a.call_piece(Piece::ChainFar);
            self.a.q(target);
            self.draft.absolute = true;
        }
    }

    /// Emits a guest address into a host register, position-free where near. Leaves EFLAGS alone.
    #[inline]
    pub(crate) fn guest_addr(&mut self, r: u8, target: u64) {
        let delta = target.wrapping_sub(self.a.p as u64 + 7) as i64;
        if target >> 32 != 0 && delta == delta as i32 as i64 {
            self.a.lea_rip(r, target);
        } else {
            self.a.mov_imm(r, target);
            self.draft.absolute = true;
        }
    }
}

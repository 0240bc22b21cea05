//! The x86-64 host: the baseline translator, which plays the operation vocabulary as x86-64 bytes
//! in one pass, and all else that an [`anyarch_engine::backend::Backend`] is asked for
//! ([`backend()`]).
//!
//! # How generated code is laid out
//!
//! A *unit* is a run of guest instructions at ascending addresses within one guest page.
//! Conditional branches leave it sideways and calls return into it, so it has several *entries*:
//! its start, each instruction after a branch or call, each that it branches forward to, and the
//! loops in it. At an entry the state is the same whoever comes: pinned slots in their host
//! registers, all others in memory, flags in memory.
//!
//! The text alone says where a unit ends, whatever other units there are: at an unconditional
//! transfer; before an instruction that a branch ahead leads to from outside the unit, since that
//! begins a unit of its own ([`anyarch_engine::targets`]); after [`MAX_INSNS`] instructions. So one
//! address may be in several units. The rules keep such duplicates few, and jumps lead to the entry
//! that was made first.
//!
//! # Host registers
//!
//! RBP points at `Cpu::gpr[16]`. RSP is the thread's shadow stack of (guest return address, host
//! return address) pairs. RAX and RCX are scratch within one operation; the other twelve hold the
//! guest's pinned slots. XMM12 to XMM15 are scratch, XMM0 to XMM11 pinned.
//!
//! # Flags
//!
//! What a value that was just stored to its slot leaves in RAX, and a result in ZF, the next
//! operation takes from there ([`known::Known`]), if nothing has been emitted in between and
//! nothing jumps there.
//!
//! NZCV may be in EFLAGS (as an addition or a subtraction left them, or a floating-point
//! comparison), in memory, or in both. Before EFLAGS are clobbered they are saved only if a look
//! ahead in the guest code finds a reader before the next writer. Some tests have a form that leaves
//! EFLAGS alone. It is taken once; a second such test saves them.
//!
//! # Lanes
//!
//! Single lanes of vector slots are also in temporaries ([`lanes`]), from where the next operation
//! takes them.
//!
//! # Addresses of 32 bits
//!
//! The slots of a guest with such addresses hold numbers of 32 bits, zero-extended. An address that
//! is a slot's is used as it is. A sum has the address-size prefix, which makes it one of 32 bits
//! ([`asm::Mem::narrow`]). The few sums without it (vectors in several parts) lead behind the
//! guest's memory where they are too large, and the interpreter then makes the access.
//!
//! # Position
//!
//! A unit can be kept and mapped elsewhere ([`anyarch_engine::backend::UnitSpec`] says what its bytes
//! depend on). All that code says of addresses has one of these forms:
//!
//! | what | form | depends on |
//! | --- | --- | --- |
//! | places in the unit | distances | nothing |
//! | the glue | its address in the state, [`glue::Piece`] | nothing |
//! | constants | in the state, [`HostPart`] | nothing |
//! | functions and tables of the emulator | 64 bits | the build |
//! | guest addresses that the code computes | LEA with a 32-bit distance from its own place | the distance |
//! | guest addresses in stubs and behind system calls | a 32-bit distance from their own place | the distance |
//! | guest addresses below 4 GiB, or too far away | all of it ([`Draft::absolute`]) | the address |
//!
//! Fields of jumps that may be patched, and the opcodes behind locked instructions, change while
//! code runs; [`Draft`] tells where they are and what they were. Padding looks at the place within
//! a cache line, and every unit begins at one.

#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod asm;
mod backend;
mod boundary;
mod check;
mod conditional;
mod context;
mod control;
mod decode;
mod exclusive;
mod features;
mod flags;
mod fp;
#[cfg(test)]
mod fp_facts;
pub mod glue;
mod helpers;
mod integer;
mod known;
mod lanes;
mod leave;
pub mod listing;
mod memory;
mod ops;
mod sha;
mod slots;
mod unit;
mod vec;
mod vector;

pub use backend::backend;
pub use features::Features;

use alloc::vec::Vec;
use anyarch_engine::backend::{COLD_END, Draft, Exit, UNIT_ROOM, UnitSpec};
use anyarch_engine::cache::InsnMark;
use anyarch_engine::lift::{CasLoop, RmwLoop, UnitBuilder};
use anyarch_engine::ops::{Cond, Helper, HelperFn, Ops, R, Sel, V, W};
use anyarch_engine::run::{Guest, Peek, Slots, Thread};
use anyarch_engine::shared::Copy;
use anyarch_engine::state::{VEC_SLOTS, mode};
use anyarch_engine::targets::Targets;
use asm::{Asm, Cc, Mem, NONE, Near, reg::*};
use conditional::Bodies;
use core::mem::offset_of;
use flags::{Flags, HostFlags, Test};
use glue::Piece;
use known::{At, Known};
use unit::{Course, Insn, next_look};

/// Host registers for integer slots, the best first: those that need no REX prefix, and last one
/// that needs a displacement as a base.
const PIN_HOST: [u8; 12] = [RBX, RSI, RDI, RDX, R8, R9, R10, R11, R12, R14, R15, R13];
/// Of them, the one that costs a byte as a base: for a slot that is none, if there is one.
const NO_BASE: u8 = R12;
/// Vector registers for slots.
const PIN_VECTORS: usize = 12;

/// Byte distance of RBP from the start of the thread's state.
pub(crate) const STATE_BIAS: i32 = 128;

/// A state field as a memory operand.
#[inline(always)]
fn state(offset: usize) -> Mem {
    Mem::base(RBP, offset as i32 - STATE_BIAS)
}

/// What this host keeps in a thread's [`anyarch_engine::run::HostRoom`].
#[repr(C)]
pub(crate) struct HostPart {
    /// Operands and result of the last hash rounds, see `sha`.
    sha: [u128; 7],
    /// Constants of vector code, see [`vec::CONSTANTS`].
    constants: [u128; vec::CONSTANTS.len()],
    /// Constants of floating-point code, see [`fp::POOL`].
    pool: [u128; fp::POOL.len()],
    /// See [`fp::FLAG_TABLES`].
    flag_tables: [u8; fp::FLAG_TABLES.len()],
    /// Addresses by [`glue::Piece`].
    pieces: [*const u8; glue::Piece::COUNT],
    /// Ones, then zeroes, for vectors of which the first bytes count, see [`vector::TAILS`].
    tails: [u128; 16],
    /// What is left of a guest instruction in which a signal came.
    rest: boundary::Rest,
}

const _: () =
    assert!(size_of::<HostPart>() <= anyarch_engine::run::HOST_ROOM && align_of::<HostPart>() <= 16);

impl HostPart {
    /// Of a thread.
    fn of(thread: &mut Thread) -> &mut HostPart {
        // SAFETY: the area is large enough and aligned, and any bytes are valid but for `rest`,
        // which is zero or was written by `backend::prepare`.
        unsafe { &mut *(&raw mut thread.host_room).cast() }
    }
}

/// A field of [`HostPart`], by its offset there, as an offset in the thread's state.
const fn host_part(offset: usize) -> usize {
    offset_of!(Thread, host_room) + offset
}

/// Code placed after the unit's straight line: reached by a conditional jump, calls a helper, jumps
/// back.
pub(crate) struct Cold {
    site: Near,
    resume: *const u8,
    kind: ColdKind,
    insn: u16,
}

/// What a cold path does.
pub(crate) enum ColdKind {
    /// Calls a helper with the whole state in memory, then resumes.
    Helper(HelperFn, u64),
    /// As `Helper`, and EFLAGS are afterwards what they were.
    HelperKeepingFlags(HelperFn, u64),
    /// As `Helper`, after the first vector register has got back its value from the second.
    HelperRestoring(HelperFn, u64, u8, u8, bool),
    /// Sets an integer slot to 1.
    One(R),
    /// The lookup of a `call_reg` missed: calls the lookup glue, then resumes at the landing.
    CallLookup,
    /// Calls a helper in place of the instruction, then leaves for the guest address after it.
    Instead(HelperFn, u64, u64),
    /// The unit's bytes are not what they were. `true` for the last such path: all are one.
    Stale(bool),
    /// A locked instruction wrote at the address in this host register: see
    /// [`anyarch_engine::reservations`].
    Written(u8),
    /// Leaves before the instruction has changed anything: the interpreter plays it.
    /// NZCV are where it says.
    Replay(Flags),
}

/// Instructions per unit at most.
const MAX_INSNS: usize = 64;
/// Translates one unit. Created by the cache for each translation; buffers are reused.
pub(crate) struct Translator<'a> {
    /// The emitter.
    a: Asm,
    /// Host features.
    features: Features,
    guest: &'static Guest,
    gpr_host: &'a [u8; 64],
    vec_host: &'a [u8; VEC_SLOTS],
    /// What the unit consists of so far.
    draft: &'a mut Draft,
    cold: &'a mut Vec<Cold>,
    /// Translation mode of the unit as to floating point (see `Cpu::mode`), where `DIRECTED` counts
    /// as `EXACT`.
    mode: u32,
    /// Translation mode of the unit.
    exact_mode: u32,
    /// See [`UnitSpec::inlines`].
    inlines: bool,
    /// See [`anyarch_engine::ops::Ops::likely`].
    likely: u64,
    /// The copy of guest code that the unit is made from, if it is to be checked.
    copy: Option<&'a Copy>,
    start: *mut u8,
    /// End of the check.
    checked: *mut u8,
    /// Address of the unit's first instruction.
    start_pc: u64,
    /// End of the guest code from `start_pc` on.
    end_pc: u64,
    /// Address of the instruction being translated.
    pc: u64,
    /// Address of the next instruction.
    next_pc: u64,
    /// Where the branches of its page lead.
    targets: &'a Targets,
    /// No address before this one is the last of the page, one of `targets` or where the unit has
    /// branched to.
    look_at: u64,
    flags: Flags,
    known: Known,
    insn: Insn,
    course: Course,
    bodies: Bodies,
    form: fp::Form,
}

/// What outlives one unit.
pub(crate) struct Buffers {
    cold: Vec<Cold>,
    gpr_host: [u8; 64],
    vec_host: [u8; VEC_SLOTS],
    /// Host features.
    pub(crate) features: Features,
}

// SAFETY: the addresses are of the unit being made, in the code cache, which its owner's lock
// guards.
unsafe impl Send for Buffers {}

impl Buffers {
    /// For a guest's slots.
    pub(crate) fn new(slots: &Slots) -> Buffers {
        let mut gpr_host = [NONE; 64];
        let pinned = &slots.gpr[..slots.gpr.len().min(PIN_HOST.len())];
        let no_base = pinned.iter().find(|slot| slots.no_bases.contains(slot));
        if let Some(&slot) = no_base {
            gpr_host[slot as usize] = NO_BASE;
        }
        let hosts = PIN_HOST.iter().filter(|&&host| no_base.is_none() || host != NO_BASE);
        for (&slot, &host) in pinned.iter().filter(|slot| no_base != Some(slot)).zip(hosts) {
            gpr_host[slot as usize] = host;
        }
        let mut vec_host = [NONE; VEC_SLOTS];
        for (host, &slot) in slots.vec.iter().take(PIN_VECTORS).enumerate() {
            vec_host[slot as usize] = host as u8;
        }
        Buffers { cold: Vec::new(), gpr_host, vec_host, features: Features::of_host() }
    }

    /// Host registers by integer and by vector slot.
    pub(crate) fn maps(&self) -> (&[u8; 64], &[u8; VEC_SLOTS]) {
        (&self.gpr_host, &self.vec_host)
    }
}

impl<'a> Translator<'a> {
    /// Prepares for a unit.
    #[inline]
    pub(crate) fn new(
        buffers: &'a mut Buffers,
        draft: &'a mut Draft,
        guest: &'static Guest,
        spec: &UnitSpec<'a>,
    ) -> Translator<'a> {
        let &UnitSpec { pc, mode, at, end, likely, targets, inlines, .. } = spec;
        let Buffers { cold, gpr_host, vec_host, features } = buffers;
        draft.clear();
        draft.entries.push((pc, 0));
        cold.clear();
        Translator {
            a: Asm { p: at, end, avx: features.avx, label: core::ptr::null_mut() },
            features: *features,
            guest,
            gpr_host,
            vec_host,
            draft,
            cold,
            mode: if mode & mode::FP == mode::DIRECTED { mode::EXACT } else { mode & mode::FP },
            exact_mode: mode,
            inlines,
            likely,
            copy: None,
            start: at,
            checked: at,
            start_pc: guest.address(pc),
            end_pc: guest.address(pc),
            pc,
            next_pc: pc,
            targets,
            look_at: next_look(targets, guest.address(pc)),
            flags: Flags::IN_MEMORY,
            known: Known::default(),
            insn: Insn::default(),
            course: Course::default(),
            bodies: Bodies::default(),
            form: fp::Form::default(),
        }
    }

    /// The unit ends in an undefined instruction, whose signal handler sees the flags, and they may
    /// have been dropped as dead before it: the look ahead takes a word with reserved field values
    /// for the instruction it almost is. Translate again after [`Translator::keep_flags`].
    pub(crate) fn flags_missing(&self) -> bool {
        self.course.undefined && self.course.dropped_flags && !self.course.keep_all_flags
    }

    /// Whether an undefined instruction ended the unit.
    pub(crate) fn is_undefined(&self) -> bool {
        self.course.undefined
    }

    /// Treats every NZCV as read.
    pub(crate) fn keep_flags(&mut self) {
        self.course.keep_all_flags = true;
    }

    /// The end of an instruction with guards, where their cold paths come back.
    fn join(&mut self) {
        self.insn.guarded = false;
        self.known.fenced = false;
        self.a.label = self.a.p;
        let insn = self.draft.marks.len() as u16;
        for c in self.cold.iter_mut().rev().take_while(|c| c.insn == insn) {
            if c.resume.is_null() {
                c.resume = self.a.p;
            }
        }
        self.known.next_constant = None;
        self.drop_flags();
        // What the helper may have changed: the file of vector registers.
        self.known.vectors.keep((1 << 48) - 1);
    }

    /// After the last instruction: emits stubs and cold paths. Returns the end of the unit's host
    /// code and of its guest code.
    pub(crate) fn finish(&mut self) -> (*mut u8, u64) {
        let cold = core::mem::take(self.cold);
        for c in &cold {
            self.draft.cold_marks.push((self.a.p as u32 - self.start as u32, c.insn));
            self.a.bind_near(c.site);
            match c.kind {
                ColdKind::Helper(f, arg) => self.call_helper(f, arg),
                ColdKind::HelperKeepingFlags(f, arg) => self.call_helper_keeping_flags(f, arg),
                ColdKind::HelperRestoring(f, arg, to, from, keep) => {
                    self.a.vmov(to, from);
                    if keep {
                        self.call_helper_keeping_flags(f, arg);
                    } else {
                        self.call_helper(f, arg);
                    }
                }
                ColdKind::One(r) => match self.host(r) {
                    NONE => self.a.mov_store_imm(true, Self::slot(r), 1),
                    h => self.a.mov_imm(h, 1),
                },
                ColdKind::CallLookup => self.a.call_piece(Piece::Lookup),
                ColdKind::Stale(last) => {
                    if last {
                        self.a.mov_imm(RCX, glue::reason::STALE as u64);
                        self.a.call_piece(Piece::Trap);
                    }
                    continue;
                }
                ColdKind::Written(base) => self.written_cold(base),
                ColdKind::Replay(flags) => {
                    if !flags.in_memory {
                        self.flags = flags;
                        self.save_flags();
                    }
                    self.a.mov_imm(RCX, glue::reason::REPLAY as u64);
                    self.a.call_piece(Piece::Trap);
                    continue;
                }
                ColdKind::Instead(f, arg, next) => {
                    self.call_helper(f, arg);
                    self.flags = Flags::IN_MEMORY;
                    self.exit_to(next);
                    continue;
                }
            }
            self.a.jmp_to(c.resume);
        }
        if !cold.is_empty() {
            let written = cold.iter().filter(|c| matches!(c.kind, ColdKind::Written(_)));
            self.draft.locked.extend(written.map(|c| c.site.0.wrapping_sub(1)));
            self.draft.cold_marks.push((self.a.p as u32 - self.start as u32, COLD_END));
        }
        *self.cold = cold;
        self.draft.asked_likely = self.course.asked_likely.get();
        self.draft.looked_to = self.course.looked_to.max(self.end_pc);
        let mut exits = core::mem::take(&mut self.draft.exits);
        for e in &mut exits {
            e.stub = self.a.p;
            self.a.bind_near(Near(e.site));
            self.stub(e.target);
            let back = self.a.p as usize - e.site as usize;
            self.a.h(back as u16);
            self.a.b((back >> 16) as u8);
        }
        self.draft.exits = exits;
        (self.a.p, self.end_pc)
    }
}

impl UnitBuilder for Translator<'_> {
    #[inline(always)]
    fn pc(&self) -> u64 {
        self.pc
    }

    #[inline(always)]
    fn next_pc(&self) -> u64 {
        self.next_pc
    }

    #[inline(always)]
    fn more(&mut self) -> bool {
        if self.course.ended {
            return false;
        }
        self.pc = self.next_pc;
        if core::mem::take(&mut self.course.turned) {
            self.draft.turns.push((self.draft.marks.len() as u32, self.pc));
        }
        if self.pc >= self.look_at && self.looks_to_end()
            || self.draft.marks.len() >= MAX_INSNS
            || self.a.p as usize - self.start as usize > UNIT_ROOM / 2
        {
            self.stop();
            return false;
        }
        true
    }

    fn stop(&mut self) {
        // An entry made here would be this very jump.
        self.draft.entries.pop_if(|e| e.0 == self.pc);
        self.exit_to(self.pc);
        self.course.ended = true;
    }

    #[inline]
    fn begin(&mut self, len: u64, peek: Peek) {
        self.next_pc = self.pc + len;
        if self.course.inlined.is_none() {
            self.end_pc = self.guest.address(self.pc) + len;
        }
        self.insn = Insn {
            short: len == 2,
            start: At(self.a.p),
            flags: if self.flags.in_memory { HostFlags::None } else { self.flags.host },
            peeked: peek,
            constant: self.known.next_constant.take(),
            ..Insn::default()
        };
    }

    fn goes_on_at(&mut self, pc: u64) {
        self.next_pc = pc;
        self.course.turned = true;
    }

    #[inline]
    fn end(&mut self) {
        if self.insn.guarded {
            self.join();
        }
        if self.next_pc >= self.look_at {
            self.prepare_target();
        }
        let len = self.a.p as usize - self.insn.start.0 as usize;
        // Flags dropped as dead are still in EFLAGS when the access faults: what clobbers them
        // comes after it.
        let at_fault = if self.insn.saved_flags { HostFlags::None } else { self.insn.flags };
        InsnMark::push(&mut self.draft.marks, len, self.insn.short, self.insn.flags.mark(), at_fault.mark());
    }

    fn end_step(&mut self, lens: &[u64]) {
        if self.insn.guarded {
            self.join();
        }
        // A step may hold branches to its end.
        self.course.ahead.add(self.guest.address(self.next_pc).wrapping_sub(self.start_pc));
        if self.next_pc >= self.look_at {
            self.prepare_target();
        }
        let len = self.a.p as usize - self.insn.start.0 as usize;
        let at_fault = if self.insn.saved_flags { HostFlags::None } else { self.insn.flags };
        InsnMark::push(&mut self.draft.marks, len, lens[0] == 2, self.insn.flags.mark(), at_fault.mark());
        self.draft.covered += lens.len() as u32 - 1;
        self.draft.marks.extend(lens[1..].iter().map(|&n| InsnMark::covered(n == 2)));
    }

    fn depends_on(&mut self, start: u64, end: u64) {
        self.draft.sources.push((start, end));
    }

    fn check_boxes_within(&mut self, es: u8, slots: &[V], f: Helper, arg: u64, next: u64) -> bool {
        let end = core::mem::replace(&mut self.next_pc, next);
        let boxed = self.check_boxes(es, slots, f, arg);
        self.next_pc = end;
        boxed
    }

    fn fp_compare_quiet(&mut self, c: Cond, es: u8, d: R, a: V, b: V, flags: R) {
        self.fp_compare(false, es, a, Some(b));
        // Leaves PF, which tells of a NaN, as the comparison does.
        self.select(c.invert(), W::W64, d, R::ZERO, R::ZERO, Sel::Inc);
        // Only a signaling NaN raises a flag here.
        self.cold_helper(Cc::P, helpers::restore_fp_flags, flags.0 as u64);
    }

    fn rmw_loop(&mut self, l: &RmwLoop) -> bool {
        self.locked_rmw(l)
    }

    fn cas_loop(&mut self, l: &CasLoop) -> bool {
        self.locked_cas(l)
    }
}

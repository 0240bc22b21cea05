//! The x86-64 host: the baseline translator, which plays the operation vocabulary as x86-64 bytes
//! in one pass, and all else that an [`anyarch_engine::backend::Backend`] is asked for
//! ([`backend()`]).
//!
//! # How generated code is laid out
//!
//! A *unit* is a run of guest instructions at ascending addresses within one guest page. Conditional
//! branches leave it sideways and calls return into it, so it has several *entries*: its start, each
//! instruction after a branch or call, and each that it branches forward to. At an entry the state
//! is the same whoever comes: pinned slots in their host registers, all others in memory, flags in
//! memory.
//!
//! The text alone says where a unit ends, whatever other units there are: at an unconditional
//! transfer; behind a branch to its start, which makes it a loop; behind its fifth conditional
//! branch, since what follows is often not reached; where those meet that jump over its start
//! ([`Translator::join`]); after [`MAX_INSNS`] instructions. So one address may be in several units.
//! The rules keep such duplicates few, and jumps lead to the entry that was made first.
//!
//! # Host registers
//!
//! RBP points at `Cpu::gpr[16]`. RSP is the thread's shadow stack of (guest return address, host return address) pairs. RAX and RCX are
//! scratch within one operation; the other twelve hold the guest's pinned slots. XMM12 to XMM15 are scratch, XMM0 to XMM11 pinned.
//!
//! # Flags
//!
//! What a value that was just stored to its slot leaves in RAX, and a result in ZF, the next operation takes from there ([`Fresh`]), if
//! nothing has been emitted in between and nothing jumps there.
//!
//! NZCV may be in EFLAGS (as an addition or a subtraction left them, or a floating-point comparison), in memory, or in both.
//! Before EFLAGS are clobbered they are saved only if a look ahead in the guest code finds a reader before the next writer.
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
//! A unit can be kept and mapped elsewhere ([`anyarch_engine::backend::Order`] says what its bytes
//! depend on). All that code says of addresses has one of these forms:
//!
//! | what | form | depends on |
//! | --- | --- | --- |
//! | places in the unit | distances | nothing |
//! | the glue | its address in the state, [`glue::Piece`] | nothing |
//! | constants | in the state, [`Scratch`] | nothing |
//! | functions and tables of the emulator | 64 bits | the build |
//! | guest addresses that the code computes | LEA with a 32-bit distance from its own place | the distance |
//! | guest addresses in stubs and behind system calls | a 32-bit distance from their own place | the distance |
//! | guest addresses below 4 GiB, or too far away | all of it ([`Draft::absolute`]) | the address |
//!
//! Fields of jumps that may be patched, and the opcodes behind locked instructions, change while
//! code runs; [`Draft`] tells where they are and what they were. Padding looks at the place within a
//! cache line, and every unit begins at one.

#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod asm;
mod backend;
mod boundary;
mod check;
mod conditional;
mod context;
pub mod decode;
mod exclusive;
mod features;
mod fp;
#[cfg(test)]
mod fp_facts;
pub mod glue;
mod helpers;
mod int;
pub mod listing;
mod sha;
mod vec;
mod vector;

pub use backend::backend;
pub use features::Features;

use alloc::vec::Vec;
use anyarch_engine::backend::{COLD_END, Draft, Exit, Order, UNIT_ROOM};
use anyarch_engine::cache::{FlagState, InsnMark};
use anyarch_engine::lift::{CasLoop, RmwLoop, UnitBuilder};
use anyarch_engine::ops::{Cond, Helper, HelperFn, Ops, R, Sel, V, W};
use anyarch_engine::pattern::nzcv;
use anyarch_engine::run::{Guest, Peek, Slots, Thread, Transfer};
use anyarch_engine::shared::Copy;
use anyarch_engine::state::{Cpu, VEC_SLOTS, mode};
use asm::{Asm, Cc, Mem, NONE, Near, reg::*};
use core::cell::Cell;
use core::mem::offset_of;
use glue::Piece;

/// Host registers for integer slots, the best first: those that need no REX prefix, and last one
/// that needs a displacement as a base.
const PIN_HOST: [u8; 12] = [RBX, RSI, RDI, RDX, R8, R9, R10, R11, R12, R14, R15, R13];
/// Of them, the one that costs a byte as a base: for a slot that is none, if there is one.
const NO_BASE: u8 = R12;
/// Vector registers for slots.
const PIN_VECTORS: usize = 12;

/// Byte distance of RBP from the start of the thread's state.
pub const STATE_BIAS: i32 = 128;

/// A state field as a memory operand.
#[inline(always)]
fn state(offset: usize) -> Mem {
    Mem::base(RBP, offset as i32 - STATE_BIAS)
}

/// What this host keeps in a thread's [`anyarch_engine::run::Scratch`].
#[repr(C)]
pub(crate) struct Scratch {
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

const _: () = assert!(size_of::<Scratch>() <= anyarch_engine::run::SCRATCH && align_of::<Scratch>() <= 16);

impl Scratch {
    /// Of a thread.
    fn of(thread: &mut Thread) -> &mut Scratch {
        // SAFETY: the area is large enough and aligned, and any bytes are valid but for `rest`,
        // which is zero or was written by `backend::prepare`.
        unsafe { &mut *(&raw mut thread.scratch).cast() }
    }
}

/// A field of [`Scratch`], by its offset there, as an offset in the thread's state.
const fn scratch(offset: usize) -> usize {
    offset_of!(Thread, scratch) + offset
}

/// What EFLAGS hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum HostFlags {
    /// Nothing of the guest's.
    None,
    /// NZCV with CF = C.
    Add,
    /// NZCV with CF = !C.
    Sub,
    /// What UCOMISS/UCOMISD left: unordered ZF PF CF, less CF, equal ZF.
    Fp,
}

impl HostFlags {
    /// As a mark has it.
    #[inline(always)]
    fn mark(self) -> FlagState {
        FlagState::new(self as u8)
    }

    /// From a mark.
    fn of_mark(state: FlagState) -> HostFlags {
        [HostFlags::None, HostFlags::Add, HostFlags::Sub, HostFlags::Fp][state.number() as usize & 3]
    }
}

/// A function that is translated in the place of a call to it: its code and where it returns.
#[derive(Clone, Copy)]
struct Inlined {
    start: u64,
    end: u64,
    back: u64,
}

/// Code placed after the unit's straight line: reached by a conditional jump, calls a helper, jumps back.
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
    Replay,
}

/// What is known of RAX, ZF and a slot where the code ends in a certain place and nothing jumps to that place.
#[derive(Clone, Copy)]
struct Fresh {
    /// RAX has the value of this slot, which lives in memory.
    slot: R,
    /// Where the store to memory begins.
    from: *mut u8,
    /// Where it ends.
    at: *mut u8,
    /// ZF tells whether this slot is zero.
    zero: R,
    /// Where the code ended then.
    zero_at: *mut u8,
    /// The lower 32 bits alone tell it.
    zero_low: bool,
    /// This slot has the sign of its lower 32 bits in the upper ones.
    signed: R,
    /// Where the code ended then.
    signed_at: *mut u8,
    /// EAX has been copied to this slot's host register.
    copied: R,
    /// Where that begins, and where it ends.
    copied_from: *mut u8,
    copied_at: *mut u8,
}

/// Bytes of the call that a stub begins with.
const STUB_CALL: usize = 6;
const _: () = assert!(scratch(offset_of!(Scratch, pieces)) as i32 - STATE_BIAS > i8::MAX as i32);

/// Instructions per unit at most.
const MAX_INSNS: usize = 96;
/// Conditional branches that a unit goes on behind at most: what is behind more of them is often
/// not reached.
const MAX_BRANCHES: u32 = 4;

/// Places in a unit that the unit itself jumps forward to.
#[derive(Clone, Copy, Default)]
struct Targets([u64; MAX_INSNS.div_ceil(32)]);

impl Targets {
    fn bit(from_start: u64) -> (usize, u64) {
        ((from_start / 128) as usize, 1 << (from_start / 2 % 64))
    }

    #[inline(always)]
    fn add(&mut self, from_start: u64) {
        let (word, bit) = Self::bit(from_start);
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
    }

    /// The first behind one.
    fn after(&self, from_start: u64) -> Option<u64> {
        let at = from_start / 2 + 1;
        let words = self.0.iter().enumerate().skip((at / 64) as usize);
        let mut mask = u64::MAX << (at % 64);
        for (n, word) in words {
            if word & mask != 0 {
                return Some((n as u64 * 64 + (word & mask).trailing_zeros() as u64) * 2);
            }
            mask = u64::MAX;
        }
        None
    }

    fn has(&self, from_start: u64) -> bool {
        let (word, bit) = Self::bit(from_start);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }
}

/// From here on an instruction may reach out of the page of `pc`.
fn last_in_page(pc: u64) -> u64 {
    (pc | 4095) - 2
}

/// Translates one unit. Created by the cache for each translation; buffers are reused.
pub(crate) struct Translator<'a> {
    /// The emitter.
    a: Asm,
    /// Host features.
    features: Features,
    /// Address of the instruction being translated.
    pc: u64,
    /// Address of the next instruction.
    next_pc: u64,
    /// Translation mode of the unit as to floating point (see `Cpu::mode`), where `DIRECTED` counts as `EXACT`.
    mode: u32,
    /// Translation mode of the unit.
    exact_mode: u32,
    guest: &'static Guest,
    gpr_host: &'a [u8; 64],
    vec_host: &'a [u8; VEC_SLOTS],
    aes: vec::AesRound,
    host_flags: HostFlags,
    mem_flags: bool,
    fresh: Fresh,
    /// Nothing has been stored to guest memory since the last locked instruction or fence, so that another fence would order nothing more.
    fenced: bool,
    /// Vector slots known to be zero above 32 bits, and above 64: bit = slot.
    zero_above: [u128; 2],
    /// Vector slots known to be boxed numbers of 16 bits, and of 32: bit = slot.
    boxed: [u128; 2],
    /// The instruction has two bytes.
    short: bool,
    /// The operation being emitted is one of [`VArgs::BOXED`].
    boxing: bool,
    pair: sha::Pair,
    peeked: Peek,
    live_next: Option<u8>,
    /// A slot that the previous instruction gave a constant, and that of this instruction: a constant is built in several steps.
    constant: Option<(R, u64)>,
    next_constant: Option<(R, u64)>,
    ended: bool,
    /// What the unit consists of so far.
    draft: &'a mut Draft,
    cold: &'a mut Vec<Cold>,
    start: *mut u8,
    /// Address of the unit's first instruction.
    start_pc: u64,
    /// End of the guest code from `start_pc` on.
    end_pc: u64,
    /// The function that is being translated in the place of a call to it.
    inlined: Option<Inlined>,
    /// The next instruction is not the one behind the last.
    turned: bool,
    insn_start: *mut u8,
    start_flags: HostFlags,
    /// The instruction has stored the flags to memory.
    saved_flags: bool,
    /// See [`Order::inlines`].
    inlines: bool,
    /// The copy of guest code that the unit is made from, if it is to be checked.
    copy: Option<&'a Copy>,
    /// End of the check.
    checked: *mut u8,
    /// Every NZCV counts as read: no look ahead.
    keep_all_flags: bool,
    /// Flags were dropped because the look ahead found a writer before any reader.
    dropped_flags: bool,
    /// An undefined instruction ended the unit.
    undefined: bool,
    /// Where its branches go, as far as that is in the unit and yet to come.
    targets: Targets,
    /// Conditional branches so far.
    branches: u32,
    /// The target of an unconditional jump that stands right before the unit's start, or zero. What
    /// jumps over the start and what goes through it meet there, and who came first made that place
    /// the start of a unit: this one ends there.
    join: u64,
    /// No address before this one is the end of the page, `join` or one of `targets`.
    look_at: u64,
    /// The instruction has cold paths that come back at its end.
    guarded: bool,
    /// See [`anyarch_engine::ops::Ops::likely`], and [`Draft::asked_likely`].
    likely: u64,
    said_likely: bool,
    asked_likely: Cell<bool>,
    /// What is computed is of [`Ops::fp_standard`].
    standard: bool,
    /// See [`conditional`].
    conditional: conditional::Known,
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
        order: &Order<'a>,
    ) -> Translator<'a> {
        let &Order { pc, mode, at, end, likely, inlines, .. } = order;
        let Buffers { cold, gpr_host, vec_host, features } = buffers;
        let join = (guest.jump_before)(pc).unwrap_or(0);
        let last = last_in_page(guest.address(pc));
        draft.clear();
        draft.entries.push((pc, 0));
        cold.clear();
        Translator {
            a: Asm { p: at, end, avx: features.avx, label: core::ptr::null_mut() },
            features: *features,
            pc,
            next_pc: pc,
            mode: if mode & mode::FP == mode::DIRECTED { mode::EXACT } else { mode & mode::FP },
            exact_mode: mode,
            guest,
            gpr_host,
            vec_host,
            aes: vec::AesRound::NONE,
            host_flags: HostFlags::None,
            mem_flags: true,
            fenced: false,
            fresh: Fresh {
                slot: R::ZERO,
                from: at,
                at: core::ptr::null_mut(),
                zero: R::ZERO,
                zero_at: core::ptr::null_mut(),
                zero_low: false,
                signed: R::ZERO,
                signed_at: core::ptr::null_mut(),
                copied: R::ZERO,
                copied_from: at,
                copied_at: core::ptr::null_mut(),
            },
            zero_above: [0; 2],
            boxed: [0; 2],
            short: false,
            boxing: false,
            pair: sha::Pair::default(),
            peeked: Peek::default(),
            live_next: None,
            constant: None,
            next_constant: None,
            ended: false,
            draft,
            cold,
            start: at,
            start_pc: guest.address(pc),
            end_pc: guest.address(pc),
            inlined: None,
            turned: false,
            insn_start: at,
            start_flags: HostFlags::None,
            saved_flags: false,
            inlines,
            copy: None,
            checked: at,
            keep_all_flags: false,
            dropped_flags: false,
            undefined: false,
            targets: Targets::default(),
            branches: 0,
            join,
            look_at: if join > pc { join.min(last) } else { last },
            guarded: false,
            likely,
            said_likely: false,
            asked_likely: Cell::new(false),
            standard: false,
            conditional: conditional::Known::default(),
        }
    }

    /// The unit ends in an undefined instruction, whose signal handler sees the flags, and they may have been dropped as dead before it: the
    /// look ahead takes a word with reserved field values for the instruction it almost is. Translate again after [`Translator::keep_flags`].
    pub(crate) fn flags_missing(&self) -> bool {
        self.undefined && self.dropped_flags && !self.keep_all_flags
    }

    /// Whether an undefined instruction ended the unit.
    pub(crate) fn is_undefined(&self) -> bool {
        self.undefined
    }

    /// Treats every NZCV as read.
    pub(crate) fn keep_flags(&mut self) {
        self.keep_all_flags = true;
    }

    /// Whether the instruction at `pc`, not the unit's first, lies in another page than the unit or reaches into it.
    fn leaves_page(&self) -> bool {
        (self.guest.address(self.pc) ^ self.start_pc) >> 12 != 0
            || self.pc & 4095 > 4092 && (self.guest.peek)(self.pc).is_none()
    }

    /// The end of an instruction with guards, where their cold paths come back.
    fn join(&mut self) {
        self.guarded = false;
        self.fenced = false;
        self.a.label = self.a.p;
        let insn = self.draft.marks.len() as u16;
        for c in self.cold.iter_mut().rev().take_while(|c| c.insn == insn) {
            if c.resume.is_null() {
                c.resume = self.a.p;
            }
        }
        self.next_constant = None;
        self.drop_flags();
        // What the helper may have changed: the file of vector registers.
        let others = (1u128 << 48) - 1;
        self.zero_above = self.zero_above.map(|known| known & others);
        self.boxed = self.boxed.map(|known| known & others);
        self.pair = sha::Pair::default();
    }

    /// After the last instruction: emits stubs and cold paths. Returns the end of the unit's host code and of its guest code.
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
                ColdKind::CallLookup => self.a.call_piece(Piece::Lookup),
                ColdKind::Stale(last) => {
                    if last {
                        self.a.mov_imm(RCX, glue::reason::STALE as u64);
                        self.a.call_piece(Piece::Trap);
                    }
                    continue;
                }
                ColdKind::Written(base) => self.written_cold(base),
                ColdKind::Replay => {
                    self.a.mov_imm(RCX, glue::reason::REPLAY as u64);
                    self.a.call_piece(Piece::Trap);
                    continue;
                }
                ColdKind::Instead(f, arg, next) => {
                    self.call_helper(f, arg);
                    self.host_flags = HostFlags::None;
                    self.mem_flags = true;
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
        self.draft.asked_likely = self.asked_likely.get();
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

    /// The call of the glue, followed by a guest address: a 32-bit distance from its own place, or
    /// 64 bits absolute.
    fn stub(&mut self, target: u64) {
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

    // Slots.

    /// The host register of an integer slot, or NONE.
    #[inline(always)]
    fn host(&self, r: R) -> u8 {
        if r == R::ZERO { NONE } else { self.gpr_host[r.0 as usize & 63] }
    }

    /// An integer slot's place in memory.
    #[inline(always)]
    fn slot(r: R) -> Mem {
        state(offset_of!(Cpu, gpr) + (r.0 as usize & 63) * 8)
    }

    /// The slot's value in a host register: its own, or `scratch` after loading. 32-bit uses may have anything above.
    #[inline(always)]
    fn get(&mut self, w: bool, r: R, scratch: u8) -> u8 {
        if r == R::ZERO {
            self.a.mov_imm(scratch, 0);
            return scratch;
        }
        let h = self.host(r);
        if h != NONE {
            return h;
        }
        if !self.is_fresh(r) {
            self.a.mov(w, scratch, Self::slot(r));
        } else if scratch != RAX {
            self.a.mov(w, scratch, RAX);
        }
        scratch
    }

    /// Host register `t` = the slot's value, with anything above 32 bits unless `w`.
    #[inline(always)]
    fn get_low_into(&mut self, w: bool, r: R, t: u8) {
        match self.get(w, r, t) {
            s if s == t => {}
            s => self.a.mov(w, t, s),
        }
    }

    /// Whether RAX has the value of a slot that lives in memory.
    #[inline(always)]
    fn is_fresh(&self, r: R) -> bool {
        self.fresh.at == self.a.p && self.fresh.slot == r && self.a.label != self.a.p
    }

    /// Whether ZF tells if the slot is zero.
    #[inline(always)]
    fn is_zero_known(&self, r: R) -> bool {
        self.fresh.zero_at == self.a.p && self.fresh.zero == r && self.a.label != self.a.p
    }

    /// ZF, as the last instruction but for moves left it, tells whether slot `d`, a result of `w`, is zero.
    #[inline(always)]
    fn zero_known(&mut self, d: R, w: W) {
        self.fresh.zero = d;
        self.fresh.zero_low = w == W::W32;
        self.fresh.zero_at = self.a.p;
    }

    /// Slot `d` has the sign of its lower 32 bits in the upper ones.
    #[inline(always)]
    fn signed_known(&mut self, d: R) {
        self.fresh.signed = d;
        self.fresh.signed_at = self.a.p;
    }

    /// Whether [`Translator::signed_known`] holds of the slot.
    #[inline(always)]
    fn is_signed_known(&self, d: R) -> bool {
        self.fresh.signed_at == self.a.p && self.fresh.signed == d && self.a.label != self.a.p
    }

    /// Slot `d` is about to be redefined as the extension of its lower 32 bits: if the same guest instruction has just copied those from EAX, takes the copy back.
    #[inline(always)]
    fn take_copy_back(&mut self, d: R) -> bool {
        let Fresh { copied, copied_from, copied_at, .. } = self.fresh;
        let here = copied_at == self.a.p && self.a.label != self.a.p;
        let last = here && copied == d && copied_from >= self.insn_start;
        if last {
            self.a.p = copied_from;
        }
        last
    }

    /// The operation about to be emitted redefines slot `d` out of itself, and takes its value before anything else is emitted: if the same guest instruction has
    /// just stored it to memory, takes the store back.
    #[inline(always)]
    fn renew(&mut self, d: R) {
        if self.is_fresh(d) && self.fresh.from >= self.insn_start && self.fresh.from != self.a.label {
            self.a.p = self.fresh.from;
            self.fresh.at = self.a.p;
        }
    }

    /// Host register `t` = the slot's value. Leaves EFLAGS alone.
    #[inline(always)]
    fn get_into(&mut self, w: bool, r: R, t: u8) {
        let whole = !w && self.is_fresh(r);
        let s = self.get(w, r, t);
        if s != t || whole && t == RAX {
            self.a.mov(w, t, s);
        }
    }

    /// The register to compute slot `d` in: its own, or RAX.
    #[inline(always)]
    fn def(&self, d: R) -> u8 {
        let h = self.host(d);
        if h == NONE { RAX } else { h }
    }

    /// Completes a definition computed in `t` (64 bits valid).
    #[inline(always)]
    fn put(&mut self, d: R, t: u8) {
        if d == R::ZERO {
            return;
        }
        let h = self.host(d);
        if h == NONE {
            let from = self.a.p;
            self.a.mov_store(true, Self::slot(d), t);
            if t == RAX {
                self.fresh = Fresh { slot: d, from, at: self.a.p, ..self.fresh };
            }
        } else if h != t {
            self.a.mov(true, h, t);
        }
    }

    /// The host register of a vector slot, or NONE.
    #[inline(always)]
    fn vhost(&self, v: V) -> u8 {
        self.vec_host[v.0 as usize]
    }

    /// A vector slot's place in memory (16-byte aligned).
    #[inline(always)]
    fn vslot(v: V) -> Mem {
        state(offset_of!(Cpu, vec) + v.0 as usize * 16)
    }

    /// The slot's value in a vector register: its own, or `scratch` after loading.
    #[inline(always)]
    fn vgetr(&mut self, v: V, scratch: u8) -> u8 {
        let h = self.vhost(v);
        if h != NONE {
            return h;
        }
        self.a.v2(asm::opcodes::MOVAPS, scratch, Self::vslot(v));
        scratch
    }

    /// The slot as an operand: its register, or its place in memory (aligned).
    #[inline(always)]
    fn vrm(&self, v: V) -> asm::Rm {
        let h = self.vhost(v);
        if h != NONE { asm::Rm::R(h) } else { asm::Rm::M(Self::vslot(v)) }
    }

    /// The register to compute vector slot `d` in: its own, or `scratch`.
    #[inline(always)]
    fn vdef(&self, d: V, scratch: u8) -> u8 {
        let h = self.vhost(d);
        if h == NONE { scratch } else { h }
    }

    /// Completes a vector definition computed in `t`.
    #[inline(always)]
    fn vput(&mut self, d: V, t: u8) {
        let h = self.vhost(d);
        if h == NONE {
            self.a.v2(asm::opcodes::MOVAPS_STORE, t, Self::vslot(d));
        } else if h != t {
            self.a.vmov(h, t);
        }
    }

    /// Vector slot `d` was written and is zero above `bytes` bytes.
    #[inline(always)]
    fn wrote(&mut self, d: V, bytes: u8) {
        let bit = 1u128 << (d.0 & 127);
        self.zero_above[0] = self.zero_above[0] & !bit | if bytes <= 4 { bit } else { 0 };
        self.zero_above[1] = self.zero_above[1] & !bit | if bytes <= 8 { bit } else { 0 };
        self.boxed = self.boxed.map(|known| known & !bit);
        self.pair.wrote(bit);
    }

    /// Vector slot `d` is a boxed number of `1 << es` bytes.
    fn is_boxed(&mut self, d: V, es: u8) {
        if let 1 | 2 = es {
            self.boxed[es as usize - 1] |= 1u128 << (d.0 & 127);
        }
    }

    /// Nothing is known of the vector slots any more.
    fn forget_vectors(&mut self) {
        self.zero_above = [0; 2];
        self.boxed = [0; 2];
        self.pair = sha::Pair::default();
    }

    // Flags.

    /// Whether NZCV, as they are now, are read after this point.
    fn flags_live(&mut self) -> bool {
        let open = nzcv::ALL & !self.peeked.writes;
        self.peeked.reads != 0 || open != 0 && self.live_after() & open != 0
    }

    /// The flags of NZCV that may be read after this instruction.
    fn live_after(&mut self) -> u8 {
        match self.live_next {
            Some(live) => live,
            None => {
                let all = nzcv::ALL;
                let live = match self.peeked.transfer {
                    Transfer::Next => self.live_in(self.next_pc, 2, all),
                    Transfer::Cond(t) => self.live_in(self.next_pc, 1, all) | self.live_in(t, 1, all),
                    Transfer::Jump(t) => self.live_in(t, 1, all),
                    Transfer::Other => all,
                };
                self.live_next = Some(live);
                live
            }
        }
    }

    /// Whether the guest code at `pc` may read NZCV before writing it.
    fn live_at(&self, pc: u64, depth: u32) -> bool {
        self.live_in(pc, depth, nzcv::ALL) != 0
    }

    /// Which of these flags the guest code at `pc` may read before it writes them: looks a few instructions ahead, within the page translated.
    fn live_in(&self, mut pc: u64, depth: u32, mut open: u8) -> u8 {
        if self.keep_all_flags {
            return open;
        }
        let mut live = 0;
        let page = self.start_pc & !4095;
        let inlined = self.inlined.map_or(0..0, |i| i.start..i.end);
        // Loops of floating-point code are long, and a save at the end of each round is not free.
        for _ in 0..32 {
            if self.guest.address(pc) & !4095 != page && !inlined.contains(&pc) {
                break;
            }
            let Some(peek) = (self.guest.peek)(pc) else { break };
            live |= open & peek.reads;
            open &= !(peek.reads | peek.writes);
            if open == 0 {
                return live;
            }
            match peek.transfer {
                Transfer::Next => pc = pc.wrapping_add(peek.len as u64),
                Transfer::Jump(t) => pc = t,
                Transfer::Cond(t) => {
                    if depth == 0 {
                        break;
                    }
                    let there = self.live_in(t, depth - 1, open);
                    live |= there;
                    open &= !there;
                    if open == 0 {
                        return live;
                    }
                    pc = pc.wrapping_add(peek.len as u64);
                }
                Transfer::Other => break,
            }
        }
        live | open
    }

    /// Call before emitting anything that changes EFLAGS. Uses RAX.
    #[inline(always)]
    fn clobber_flags(&mut self) {
        if self.host_flags != HostFlags::None {
            self.clobber_flags_slow();
        }
    }

    fn clobber_flags_slow(&mut self) {
        if !self.mem_flags && self.flags_live() {
            self.save_flags();
        }
        self.drop_flags();
    }

    /// NZCV go to memory, even if they are dead: for what changes EFLAGS before an access that may fault. Uses RAX, RCX.
    fn settle_flags(&mut self) {
        if !self.mem_flags {
            self.save_flags();
        }
        self.host_flags = HostFlags::None;
    }

    /// EFLAGS no longer hold NZCV, which are in memory or dead.
    fn drop_flags(&mut self) {
        if !self.mem_flags && self.peeked.writes != nzcv::ALL {
            self.dropped_flags = true;
        }
        self.host_flags = HostFlags::None;
        self.mem_flags = true;
    }

    /// EFLAGS now hold NZCV in the form given.
    #[inline(always)]
    fn flags_are(&mut self, form: HostFlags) {
        self.host_flags = form;
        self.mem_flags = false;
    }

    /// Stores NZCV to memory, keeping them in EFLAGS (perhaps in another form). Uses RAX, for `Fp` also RCX.
    fn save_flags(&mut self) {
        match self.host_flags {
            HostFlags::None => return,
            HostFlags::Add => {
                self.a.lahf();
                self.a.setcc(Cc::O, RAX);
            }
            HostFlags::Sub => {
                self.a.cmc();
                self.a.lahf();
                self.a.setcc(Cc::O, RAX);
                self.host_flags = HostFlags::Add;
            }
            HostFlags::Fp => {
                // greater 0010, equal 0110, less 1000, unordered 0011.
                self.a.mov_imm(RAX, 0x0100);
                self.a.mov_imm(RCX, 0x4100);
                self.a.cmov(Cc::E, false, RAX, RCX);
                self.a.mov_imm(RCX, 0x8000);
                self.a.cmov(Cc::B, false, RAX, RCX);
                self.a.mov_imm(RCX, 0x0101);
                self.a.cmov(Cc::P, false, RAX, RCX);
            }
        }
        self.a.mov_store16(state(offset_of!(Cpu, host_flags)), RAX);
        self.mem_flags = true;
        self.saved_flags = true;
    }

    /// NZCV are about to be needed by code at `target` (None: unknown code): makes memory hold them if they may be read. Uses RAX, RCX.
    fn flush_flags(&mut self, target: Option<u64>) {
        if !self.mem_flags {
            let live = match target {
                Some(t) => self.live_at(t, 1),
                None => true,
            };
            if live {
                self.save_flags();
            }
        }
    }

    /// Makes EFLAGS hold NZCV (in whatever form). Uses RAX.
    fn need_flags(&mut self) {
        if self.host_flags == HostFlags::None {
            self.a.movzx(2, RAX, state(offset_of!(Cpu, host_flags)));
            // AL = 1 overflows, AL = 0 does not; SAHF sets the rest.
            self.a.add_al(0x7f);
            self.a.sahf();
            self.host_flags = HostFlags::Add;
        }
    }

    /// Makes EFLAGS hold NZCV as an addition or subtraction leaves them. Uses RAX, RCX.
    fn need_int_flags(&mut self) {
        if self.host_flags == HostFlags::Fp {
            if !self.mem_flags {
                self.save_flags();
            }
            self.host_flags = HostFlags::None;
        }
        self.need_flags();
    }

    /// Makes the condition testable: the host conditions to combine. Uses RAX.
    fn cond(&mut self, c: Cond) -> Test {
        if let Some(cc) = self.known_nz(c) {
            return Test::One(cc);
        }
        self.need_flags();
        use Cond::*;
        match self.host_flags {
            HostFlags::Fp => match c {
                Eq => Test::And(self::Cc::Np, self::Cc::E),
                Ne => Test::Or(self::Cc::P, self::Cc::Ne),
                Cs | Pl => Test::Or(self::Cc::P, self::Cc::Ae),
                Cc | Mi => Test::And(self::Cc::Np, self::Cc::B),
                Vs => Test::One(self::Cc::P),
                Vc => Test::One(self::Cc::Np),
                Hi => Test::Or(self::Cc::P, self::Cc::A),
                Ls => Test::And(self::Cc::Np, self::Cc::Be),
                Ge => Test::One(self::Cc::Ae),
                Lt => Test::One(self::Cc::B),
                Gt => Test::One(self::Cc::A),
                Le => Test::One(self::Cc::Be),
                Al => Test::Always,
            },
            form => {
                let mut sub = form == HostFlags::Sub;
                if !sub && matches!(c, Hi | Ls) {
                    self.a.cmc();
                    self.host_flags = HostFlags::Sub;
                    sub = true;
                }
                let cc = match c {
                    Eq => self::Cc::E,
                    Ne => self::Cc::Ne,
                    Cs if sub => self::Cc::Ae,
                    Cs => self::Cc::B,
                    Cc if sub => self::Cc::B,
                    Cc => self::Cc::Ae,
                    Mi => self::Cc::S,
                    Pl => self::Cc::Ns,
                    Vs => self::Cc::O,
                    Vc => self::Cc::No,
                    Hi => self::Cc::A,
                    Ls => self::Cc::Be,
                    Ge => self::Cc::Ge,
                    Lt => self::Cc::L,
                    Gt => self::Cc::G,
                    Le => self::Cc::Le,
                    Al => return Test::Always,
                };
                Test::One(cc)
            }
        }
    }

    // Leaving the unit.

    /// Emits an unconditional jump to guest address `target`. Flags are in order.
    fn exit_to(&mut self, target: u64) {
        self.flush_flags(Some(target));
        self.a.keep_rel32_whole(1);
        let site = self.a.jmp_near();
        self.draft.exits.push(Exit { site: site.0, target, stub: core::ptr::null_mut(), is_call: false });
    }

    /// Emits a conditional jump to guest address `target`. Flags were flushed for it.
    fn exit_if(&mut self, cc: Cc, target: u64) {
        if target > self.pc {
            self.targets.add(target.wrapping_sub(self.start_pc));
            self.look_at = self.look_at.min(target);
        }
        self.a.keep_rel32_whole(2);
        let site = self.a.jcc_near(cc);
        self.draft.exits.push(Exit { site: site.0, target, stub: core::ptr::null_mut(), is_call: false });
    }

    /// The unit goes on behind a conditional branch to `target`, unless that ends a loop that the
    /// unit begins with, or was one of many.
    fn branched(&mut self, target: u64) {
        self.branches += 1;
        self.mark_entry_or_end(self.branches > MAX_BRANCHES || self.guest.address(target) == self.start_pc);
    }

    /// The next instruction can be entered from outside if the flags are only in memory (what comes in through the entry has nothing in EFLAGS) or
    /// dead there: makes it an entry.
    fn mark_entry(&mut self) {
        self.mark_entry_or_end(false);
    }

    /// As [`Translator::mark_entry`]; or `ends` the unit where it could make an entry.
    fn mark_entry_or_end(&mut self, ends: bool) {
        if self.inlined.is_some() {
            return;
        }
        if self.copy.is_some() {
            return self.end_checked();
        }
        self.a.label = self.a.p;
        self.fenced = false;
        self.forget_vectors();
        let canonical = self.mem_flags && self.host_flags == HostFlags::None;
        let next = self.guest.address(self.next_pc);
        if (next ^ self.start_pc) >> 12 == 0 && (canonical || !self.live_at(self.next_pc, 1)) {
            if ends {
                self.exit_to(self.next_pc);
                self.ended = true;
            } else {
                self.add_entry(self.next_pc);
            }
        }
    }

    fn add_entry(&mut self, pc: u64) {
        self.draft.entries.push((pc, (self.a.p as usize - self.start as usize) as u32));
    }

    /// Whether the unit ends before the instruction at `pc`, which is not before `look_at`; if it
    /// does not, makes it an entry where the unit branches there.
    #[inline(never)]
    fn looks_to_end(&mut self) -> bool {
        let from_start = self.guest.address(self.pc).wrapping_sub(self.start_pc);
        if self.inlined.is_some() || from_start == 0 {
            return false;
        }
        if self.leaves_page() || self.pc == self.join {
            return true;
        }
        if self.targets.has(from_start) {
            self.meet();
        }
        // What it jumped to and has passed does not count any more.
        let next = self.targets.after(from_start);
        self.look_at = next.map_or(u64::MAX, |n| self.start_pc + n).min(last_in_page(self.start_pc));
        if self.join > self.pc {
            self.look_at = self.look_at.min(self.join);
        }
        false
    }

    /// The unit has branched to the instruction at `pc`: makes it an entry, so that the branch comes
    /// here, unless flags in EFLAGS are read there.
    fn meet(&mut self) {
        let canonical = self.mem_flags && self.host_flags == HostFlags::None;
        if self.copy.is_some() || !canonical && self.live_at(self.pc, 1) {
            return;
        }
        if !canonical {
            self.dropped_flags |= !self.mem_flags;
            (self.mem_flags, self.host_flags) = (true, HostFlags::None);
        }
        self.a.label = self.a.p;
        self.fenced = false;
        self.forget_vectors();
        self.aes = vec::AesRound::NONE;
        self.next_constant = None;
        if self.draft.entries.last().is_none_or(|e| e.0 != self.pc) {
            self.add_entry(self.pc);
        }
    }

    /// Emits a guest address into a host register, position-free where near. Leaves EFLAGS alone.
    #[inline]
    fn guest_addr(&mut self, r: u8, target: u64) {
        let delta = target.wrapping_sub(self.a.p as u64 + 7) as i64;
        if target >> 32 != 0 && delta == delta as i32 as i64 {
            self.a.lea_rip(r, target);
        } else {
            self.a.mov_imm(r, target);
            self.draft.absolute = true;
        }
    }

    /// Calls a helper with the whole state in memory. Flags were dealt with.
    fn call_helper(&mut self, f: HelperFn, arg: u64) {
        self.a.mov_imm(RAX, f as usize as u64);
        self.a.mov_imm(RCX, arg);
        self.a.call_piece(Piece::Helper);
    }

    /// As `call_helper`, with EFLAGS (whatever they hold) saved and restored in the place of the guest's, which is free while they are not in memory.
    fn call_helper_keeping_flags(&mut self, f: HelperFn, arg: u64) {
        self.a.lahf();
        self.a.setcc(Cc::O, RAX);
        self.a.mov_store16(state(offset_of!(Cpu, host_flags)), RAX);
        self.call_helper(f, arg);
        self.a.movzx(2, RAX, state(offset_of!(Cpu, host_flags)));
        self.a.add_al(0x7f);
        self.a.sahf();
    }

    /// A conditional jump to a cold path that calls a helper and comes back to where this call stands. EFLAGS are free there.
    fn cold_helper(&mut self, cc: Cc, f: HelperFn, arg: u64) {
        let site = self.a.jcc_near(cc);
        let resume = self.a.p;
        self.a.label = resume;
        self.fenced = false;
        let insn = self.draft.marks.len() as u16;
        self.cold.push(Cold { site, resume, kind: ColdKind::Helper(f, arg), insn });
    }

    fn lookup_mem(field: usize) -> Mem {
        Mem::index(RBP, RCX, 2, (offset_of!(Thread, lookup) + field) as i32 - STATE_BIAS)
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
        if self.ended {
            return false;
        }
        self.pc = self.next_pc;
        if core::mem::take(&mut self.turned) {
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
        self.ended = true;
    }

    #[inline]
    fn begin(&mut self, len: u64, peek: Peek) {
        self.next_pc = self.pc + len;
        self.short = len == 2;
        if self.inlined.is_none() {
            self.end_pc = self.guest.address(self.pc) + len;
        }
        self.peeked = peek;
        self.live_next = None;
        self.constant = self.next_constant.take();
        self.insn_start = self.a.p;
        self.start_flags = if self.mem_flags { HostFlags::None } else { self.host_flags };
        self.saved_flags = false;
    }

    fn goes_on_at(&mut self, pc: u64) {
        self.next_pc = pc;
        self.turned = true;
    }

    #[inline]
    fn end(&mut self) {
        if self.guarded {
            self.join();
        }
        let len = self.a.p as usize - self.insn_start as usize;
        // Flags dropped as dead are still in EFLAGS when the access faults: what clobbers them comes after it.
        let at_fault = if self.saved_flags { HostFlags::None } else { self.start_flags };
        InsnMark::push(&mut self.draft.marks, len, self.short, self.start_flags.mark(), at_fault.mark());
    }

    fn end_step(&mut self, lens: &[u64]) {
        if self.guarded {
            self.join();
        }
        let len = self.a.p as usize - self.insn_start as usize;
        let at_fault = if self.saved_flags { HostFlags::None } else { self.start_flags };
        InsnMark::push(&mut self.draft.marks, len, lens[0] == 2, self.start_flags.mark(), at_fault.mark());
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

/// How to test a condition on EFLAGS.
#[derive(Clone, Copy)]
pub(crate) enum Test {
    /// One host condition.
    One(Cc),
    /// Both.
    And(Cc, Cc),
    /// Either.
    Or(Cc, Cc),
    /// No test needed.
    Always,
}

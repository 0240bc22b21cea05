//! The baseline translator: plays the operation vocabulary as x86-64 bytes, in one pass.
//!
//! # How generated code is laid out
//!
//! A *unit* is a run of guest instructions at ascending addresses within one guest page, ended by an unconditional transfer. Conditional
//! branches leave it sideways and calls return into it, so it has several *entries*: its start, and each instruction after a
//! branch or call. At an entry the state is canonical: pinned slots in their host registers, all others in memory, flags in memory.
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
//! # Position
//!
//! Guest addresses in code are RIP-relative where the distance allows, and everything of the emulator is reached through RBP or lies in the
//! code region itself, so a unit's bytes depend only on the guest's text and on the distance between the two.

pub mod asm;
mod check;
pub mod decode;
pub mod exclusive;
mod fp;
pub mod glue;
mod helpers;
mod int;
pub mod listing;
mod sha;
mod vec;
mod vector;

pub(crate) use vec::CONSTANTS;
pub(crate) use vector::TAILS;

use crate::cache::InsnMark;
use crate::ops::{Cond, R, V, W};
use crate::run::{Guest, Peek, Thread, Transfer};
use crate::shared::Copy;
use crate::state::{Cpu, VEC_SLOTS, mode};
use alloc::vec::Vec;
use asm::{Asm, Cc, Mem, NONE, Near, reg::*};
use core::mem::offset_of;
use core::sync::atomic::{AtomicU32, Ordering};

/// Which slots live in host registers. Chosen by the guest from the frequency of its registers in real code.
pub struct Pins {
    /// Up to 12 integer slots, hottest first.
    pub gpr: &'static [u8],
    /// Up to 12 vector slots.
    pub vec: &'static [u8],
}

/// Host registers for pinned integer slots, in the order of [`Pins::gpr`]: those that need no REX prefix first.
pub const PIN_HOST: [u8; 12] = [RBX, RSI, RDI, RDX, R8, R9, R10, R11, R12, R14, R15, R13];

/// What the host processor offers beyond the x86-64-v2 baseline.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs)]
pub struct Features {
    pub avx: bool,
    pub avx2: bool,
    pub fma: bool,
    pub f16c: bool,
    pub bmi1: bool,
    pub bmi2: bool,
    pub lzcnt: bool,
    pub aes: bool,
    pub pclmul: bool,
    pub sha: bool,
}

/// [`Features::of_host`]'s answer: zero until it is known, then a bit for each feature, and [`KNOWN`].
static HOST: AtomicU32 = AtomicU32::new(0);
const KNOWN: u32 = 1 << 31;

impl Features {
    /// What this processor offers. It is asked once: under a hypervisor every question is slow.
    pub fn of_host() -> Features {
        let mut bits = HOST.load(Ordering::Relaxed);
        if bits == 0 {
            bits = Features::detect().remember();
        }
        let mut next = {
            let mut left = bits;
            move || {
                let bit = left & 1 != 0;
                left >>= 1;
                bit
            }
        };
        Features {
            avx: next(),
            avx2: next(),
            fma: next(),
            f16c: next(),
            bmi1: next(),
            bmi2: next(),
            lzcnt: next(),
            aes: next(),
            pclmul: next(),
            sha: next(),
        }
    }

    /// Makes these [`Features::of_host`]'s answer for the process, whatever the processor offers: for tests that read code and do not run it.
    pub fn assume(self) {
        self.remember();
    }

    fn remember(self) -> u32 {
        let f = self;
        let all = [f.avx, f.avx2, f.fma, f.f16c, f.bmi1, f.bmi2, f.lzcnt, f.aes, f.pclmul, f.sha];
        let bits = all.iter().rev().fold(0, |bits, &f| bits << 1 | f as u32) | KNOWN;
        HOST.store(bits, Ordering::Relaxed);
        bits
    }

    /// Asks the processor.
    pub fn detect() -> Features {
        use core::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
        let l1 = __cpuid(1);
        let l7 = __cpuid_count(7, 0);
        let ext = __cpuid(0x8000_0001);
        let osxsave = l1.ecx >> 27 & 1 != 0;
        // SAFETY: XGETBV exists when OSXSAVE is set.
        let ymm = osxsave && unsafe { _xgetbv(0) } & 6 == 6;
        let avx = ymm && l1.ecx >> 28 & 1 != 0;
        Features {
            avx,
            avx2: avx && l7.ebx >> 5 & 1 != 0,
            fma: avx && l1.ecx >> 12 & 1 != 0,
            f16c: avx && l1.ecx >> 29 & 1 != 0,
            bmi1: avx && l7.ebx >> 3 & 1 != 0,
            bmi2: avx && l7.ebx >> 8 & 1 != 0,
            lzcnt: ext.ecx >> 5 & 1 != 0,
            aes: l1.ecx >> 25 & 1 != 0,
            pclmul: l1.ecx >> 1 & 1 != 0,
            sha: l7.ebx >> 29 & 1 != 0,
        }
    }
}

/// Byte distance of RBP from the start of the thread's state.
pub const STATE_BIAS: i32 = 128;

/// A state field as a memory operand.
#[inline(always)]
pub fn state(offset: usize) -> Mem {
    Mem::base(RBP, offset as i32 - STATE_BIAS)
}

/// What EFLAGS hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HostFlags {
    /// Nothing of the guest's.
    None,
    /// NZCV with CF = C.
    Add,
    /// NZCV with CF = !C.
    Sub,
    /// What UCOMISS/UCOMISD left: unordered ZF PF CF, less CF, equal ZF.
    Fp,
}

/// A jump out of the unit whose stub is yet to be emitted.
pub(crate) struct Exit {
    /// The jump's rel32.
    pub(crate) site: Near,
    /// Guest address jumped to.
    pub(crate) target: u64,
    /// The stub, set by `finish`.
    pub(crate) stub: *mut u8,
    /// A call: it pushes a return address.
    pub(crate) is_call: bool,
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

/// In a unit's cold marks: the end of its cold code.
pub const COLD_END: u16 = u16::MAX;

/// What a cold path does.
pub(crate) enum ColdKind {
    /// Calls a helper with the whole state in memory, then resumes.
    Helper(crate::ops::Helper, u64),
    /// As `Helper`, and EFLAGS are afterwards what they were.
    HelperKeepingFlags(crate::ops::Helper, u64),
    /// As `Helper`, after the first vector register has got back its value from the second.
    HelperRestoring(crate::ops::Helper, u64, u8, u8, bool),
    /// The lookup of a `call_reg` missed: calls the lookup glue, then resumes at the landing.
    CallLookup,
    /// Calls a helper in place of the instruction, then leaves for the guest address after it.
    Instead(crate::ops::Helper, u64, u64),
    /// The unit's bytes are not what they were. `true` for the last such path: all are one.
    Stale(bool),
    /// A locked instruction wrote at the address in this host register: see [`crate::reservations`].
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

/// Room that one guest instruction and the unit's remaining stubs may need, in bytes.
pub const UNIT_ROOM: usize = 64 * 1024;

/// Instructions per unit at most.
const MAX_INSNS: usize = 96;

/// Translates one unit. Created by the cache for each translation; buffers are reused.
pub struct Translator<'a> {
    /// The emitter.
    pub a: Asm,
    /// Host features.
    pub features: Features,
    /// Address of the instruction being translated.
    pub pc: u64,
    /// Address of the next instruction.
    pub next_pc: u64,
    /// Translation mode of the unit as to floating point (see `Cpu::mode`), where `DIRECTED` counts as `EXACT`.
    pub mode: u32,
    /// Translation mode of the unit.
    exact_mode: u32,
    guest: &'static Guest,
    glue: &'a glue::Glue,
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
    live_next: Option<bool>,
    /// A slot that the previous instruction gave a constant, and that of this instruction: a constant is built in several steps.
    constant: Option<(R, u64)>,
    next_constant: Option<(R, u64)>,
    ended: bool,
    exits: &'a mut Vec<Exit>,
    cold: &'a mut Vec<Cold>,
    marks: &'a mut Vec<InsnMark>,
    cold_marks: &'a mut Vec<(u32, u16)>,
    entries: &'a mut Vec<(u64, u32)>,
    sources: &'a mut Vec<(u64, u64)>,
    #[allow(dead_code)]
    turns: &'a mut Vec<(u32, u64)>,
    calls_out: &'a mut bool,
    reserves: &'a mut bool,
    covered: &'a mut u32,
    start: *mut u8,
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
    is_known: &'a dyn Fn(u64) -> bool,
    /// Whether a function there may be translated in the place of a call.
    is_inlinable: &'a dyn Fn(u64) -> bool,
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
    /// The instruction has cold paths that come back at its end.
    guarded: bool,
    /// See [`crate::ops::Ops::likely`].
    pub likely: u64,
}

/// Buffers and constants that outlive one unit.
pub struct Buffers {
    pub(crate) exits: Vec<Exit>,
    cold: Vec<Cold>,
    /// Per guest instruction: host length and flag states.
    pub marks: Vec<InsnMark>,
    /// (host offset, instruction index) of cold code, ascending; the last is [`COLD_END`].
    pub cold_marks: Vec<(u32, u16)>,
    /// (guest pc, host offset) of each entry.
    pub entries: Vec<(u64, u32)>,
    /// Guest code elsewhere that the unit was made from: ranges within one page each.
    pub(crate) sources: Vec<(u64, u64)>,
    /// Where the unit does not go on at the next address: index of a mark, its address.
    pub(crate) turns: Vec<(u32, u64)>,
    /// The unit makes calls.
    pub(crate) calls_out: bool,
    /// The unit has load-exclusives that take reservations.
    pub(crate) reserves: bool,
    /// Instructions that are part of the step of one before them.
    pub(crate) covered: u32,
    gpr_host: [u8; 64],
    vec_host: [u8; VEC_SLOTS],
    /// Host features.
    pub features: Features,
}

impl Buffers {
    /// For a guest's register map.
    pub fn new(pins: &Pins) -> Buffers {
        let mut gpr_host = [NONE; 64];
        for (i, &slot) in pins.gpr.iter().enumerate() {
            gpr_host[slot as usize] = PIN_HOST[i];
        }
        let mut vec_host = [NONE; VEC_SLOTS];
        for (i, &slot) in pins.vec.iter().enumerate() {
            vec_host[slot as usize] = i as u8;
        }
        Buffers {
            exits: Vec::new(),
            cold: Vec::new(),
            marks: Vec::new(),
            cold_marks: Vec::new(),
            entries: Vec::new(),
            sources: Vec::new(),
            turns: Vec::new(),
            calls_out: false,
            reserves: false,
            covered: 0,
            gpr_host,
            vec_host,
            features: Features::of_host(),
        }
    }

    /// Where locked instructions look at the table of reservations, or will: see [`exclusive`].
    pub(crate) fn locked(&self) -> impl Iterator<Item = *const u8> {
        let written = self.cold.iter().filter(|c| matches!(c.kind, ColdKind::Written(_)));
        written.map(|c| c.site.0.wrapping_sub(1).cast_const())
    }

    /// Host registers by integer and by vector slot.
    pub fn maps(&self) -> (&[u8; 64], &[u8; VEC_SLOTS]) {
        (&self.gpr_host, &self.vec_host)
    }
}

impl<'a> Translator<'a> {
    /// Prepares for a unit at guest address `pc`, emitting at `at`.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        buffers: &'a mut Buffers,
        guest: &'static Guest,
        glue: &'a glue::Glue,
        at: *mut u8,
        end: *mut u8,
        pc: u64,
        mode: u32,
        is_known: &'a dyn Fn(u64) -> bool,
        is_inlinable: &'a dyn Fn(u64) -> bool,
    ) -> Translator<'a> {
        let Buffers {
            exits,
            cold,
            marks,
            cold_marks,
            entries,
            sources,
            turns,
            calls_out,
            reserves,
            covered,
            gpr_host,
            vec_host,
            features,
        } = buffers;
        sources.clear();
        turns.clear();
        *calls_out = false;
        *reserves = false;
        *covered = 0;
        exits.clear();
        cold.clear();
        marks.clear();
        cold_marks.clear();
        entries.clear();
        entries.push((pc, 0));
        Translator {
            a: Asm { p: at, end, avx: features.avx, label: core::ptr::null_mut() },
            features: *features,
            pc,
            next_pc: pc,
            mode: if mode & mode::FP == mode::DIRECTED { mode::EXACT } else { mode & mode::FP },
            exact_mode: mode,
            guest,
            glue,
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
            exits,
            cold,
            marks,
            cold_marks,
            entries,
            sources,
            turns,
            calls_out,
            reserves,
            covered,
            start: at,
            start_pc: pc,
            end_pc: pc,
            inlined: None,
            turned: false,
            insn_start: at,
            start_flags: HostFlags::None,
            saved_flags: false,
            is_known,
            is_inlinable,
            copy: None,
            checked: at,
            keep_all_flags: false,
            dropped_flags: false,
            undefined: false,
            guarded: false,
            likely: 0,
        }
    }

    /// The unit ends in an undefined instruction, whose signal handler sees the flags, and they may have been dropped as dead before it: the
    /// look ahead takes a word with reserved field values for the instruction it almost is. Translate again after [`Translator::keep_flags`].
    pub fn flags_missing(&self) -> bool {
        self.undefined && self.dropped_flags && !self.keep_all_flags
    }

    /// Whether an undefined instruction ended the unit.
    pub(crate) fn is_undefined(&self) -> bool {
        self.undefined
    }

    /// Treats every NZCV as read.
    pub fn keep_flags(&mut self) {
        self.keep_all_flags = true;
    }

    /// Whether another instruction is to be translated; if so `pc` is its address and `begin` is to be called.
    #[inline]
    pub fn more(&mut self) -> bool {
        if self.ended {
            return false;
        }
        self.pc = self.next_pc;
        let first = self.marks.is_empty();
        if core::mem::take(&mut self.turned) {
            self.turns.push((self.marks.len() as u32, self.pc));
        }
        if !first
            && (self.inlined.is_none() && self.leaves_page()
                || self.marks.len() >= MAX_INSNS
                || self.a.room() < UNIT_ROOM / 2)
        {
            self.stop();
            return false;
        }
        true
    }

    /// Ends the unit before the instruction at `pc`: the limit is reached, or its code can no longer be read (which the next unit's
    /// first fetch reports).
    pub fn stop(&mut self) {
        // An entry made here would be this very jump.
        self.entries.pop_if(|e| e.0 == self.pc);
        self.exit_to(self.pc);
        self.ended = true;
    }

    /// Whether the instruction at `pc`, not the unit's first, lies in another page than the unit or reaches into it.
    fn leaves_page(&self) -> bool {
        (self.pc ^ self.start_pc) >> 12 != 0 || self.pc & 4095 > 4092 && (self.guest.peek)(self.pc).is_none()
    }

    /// Starts the instruction at `pc`, `len` bytes long. (A guest instruction does not cross the page its unit began in, or is
    /// alone in its unit.)
    #[inline]
    pub fn begin(&mut self, len: u64, peek: Peek) {
        self.next_pc = self.pc + len;
        self.short = len == 2;
        if self.inlined.is_none() {
            self.end_pc = self.next_pc;
        }
        self.peeked = peek;
        self.live_next = None;
        self.constant = self.next_constant.take();
        self.insn_start = self.a.p;
        self.start_flags = if self.mem_flags { HostFlags::None } else { self.host_flags };
        self.saved_flags = false;
    }

    /// Ends the instruction.
    #[inline]
    pub fn end(&mut self) {
        if self.guarded {
            self.join();
        }
        let len = self.a.p as usize - self.insn_start as usize;
        // Flags dropped as dead are still in EFLAGS when the access faults: what clobbers them comes after it.
        let at_fault = if self.saved_flags { HostFlags::None } else { self.start_flags };
        InsnMark::push(self.marks, len, self.short, self.start_flags, at_fault);
    }

    /// Ends a step that covers several instructions, of these lengths; `begin` was given their sum.
    pub fn end_step(&mut self, lens: &[u64]) {
        if self.guarded {
            self.join();
        }
        let len = self.a.p as usize - self.insn_start as usize;
        let at_fault = if self.saved_flags { HostFlags::None } else { self.start_flags };
        InsnMark::push(self.marks, len, lens[0] == 2, self.start_flags, at_fault);
        *self.covered += lens.len() as u32 - 1;
        self.marks.extend(lens[1..].iter().map(|&n| InsnMark::covered(n == 2)));
    }

    /// The unit is also made from guest code in [start, end), which lies within one page.
    pub fn depends_on(&mut self, start: u64, end: u64) {
        self.sources.push((start, end));
    }

    /// The end of an instruction with guards, where their cold paths come back.
    fn join(&mut self) {
        self.guarded = false;
        self.fenced = false;
        self.a.label = self.a.p;
        let insn = self.marks.len() as u16;
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
    pub fn finish(&mut self) -> (*mut u8, u64) {
        let cold = core::mem::take(self.cold);
        for c in &cold {
            self.cold_marks.push((self.a.p as u32 - self.start as u32, c.insn));
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
                ColdKind::CallLookup => self.a.call_to(self.glue.lookup),
                ColdKind::Stale(last) => {
                    if last {
                        self.a.mov_imm(RCX, glue::reason::STALE as u64);
                        self.a.call_to(self.glue.trap);
                    }
                    continue;
                }
                ColdKind::Written(base) => self.written_cold(base),
                ColdKind::Replay => {
                    self.a.mov_imm(RCX, glue::reason::REPLAY as u64);
                    self.a.call_to(self.glue.trap);
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
            self.cold_marks.push((self.a.p as u32 - self.start as u32, COLD_END));
        }
        *self.cold = cold;
        let mut exits = core::mem::take(self.exits);
        for e in &mut exits {
            e.stub = self.a.p;
            self.a.bind_near(e.site);
            self.stub(self.glue.chain, self.glue.chain_far, e.target);
            let back = self.a.p as usize - e.site.0 as usize;
            self.a.d(back as u32);
        }
        *self.exits = exits;
        (self.a.p, self.end_pc)
    }

    /// `call glue` followed by a guest address: a 32-bit distance from its own place, or 64 bits absolute for the far glue.
    fn stub(&mut self, near: *const u8, far: *const u8, target: u64) {
        let delta = target.wrapping_sub(self.a.p as u64 + 5) as i64;
        if delta == delta as i32 as i64 {
            self.a.call_to(near);
            self.a.d(delta as u32);
        } else {
            self.a.call_to(far);
            self.a.q(target);
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
    pub fn vhost(&self, v: V) -> u8 {
        self.vec_host[v.0 as usize]
    }

    /// A vector slot's place in memory (16-byte aligned).
    #[inline(always)]
    pub fn vslot(v: V) -> Mem {
        state(offset_of!(Cpu, vec) + v.0 as usize * 16)
    }

    /// The slot's value in a vector register: its own, or `scratch` after loading.
    #[inline(always)]
    pub fn vgetr(&mut self, v: V, scratch: u8) -> u8 {
        let h = self.vhost(v);
        if h != NONE {
            return h;
        }
        self.a.v2(asm::v(0, 1, 0x28), scratch, Self::vslot(v));
        scratch
    }

    /// The slot as an operand: its register, or its place in memory (aligned).
    #[inline(always)]
    pub fn vrm(&self, v: V) -> asm::Rm {
        let h = self.vhost(v);
        if h != NONE { asm::Rm::R(h) } else { asm::Rm::M(Self::vslot(v)) }
    }

    /// The register to compute vector slot `d` in: its own, or `scratch`.
    #[inline(always)]
    pub fn vdef(&self, d: V, scratch: u8) -> u8 {
        let h = self.vhost(d);
        if h == NONE { scratch } else { h }
    }

    /// Completes a vector definition computed in `t`.
    #[inline(always)]
    pub fn vput(&mut self, d: V, t: u8) {
        let h = self.vhost(d);
        if h == NONE {
            self.a.v2(asm::v(0, 1, 0x29), t, Self::vslot(d));
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
        if self.peeked.reads {
            return true;
        }
        if self.peeked.writes {
            return false;
        }
        match self.live_next {
            Some(live) => live,
            None => {
                let live = match self.peeked.transfer {
                    Transfer::Next => self.live_at(self.next_pc, 2),
                    Transfer::Cond(t) => self.live_at(self.next_pc, 1) || self.live_at(t, 1),
                    Transfer::Jump(t) => self.live_at(t, 1),
                    Transfer::Other => true,
                };
                self.live_next = Some(live);
                live
            }
        }
    }

    /// Whether the guest code at `pc` may read NZCV before writing it: looks a few instructions ahead, within the page translated.
    fn live_at(&self, mut pc: u64, depth: u32) -> bool {
        if self.keep_all_flags {
            return true;
        }
        let page = self.start_pc & !4095;
        let inlined = self.inlined.map_or(0..0, |i| i.start..i.end);
        // Loops of floating-point code are long, and a save at the end of each round is not free.
        for _ in 0..32 {
            if pc & !4095 != page && !inlined.contains(&pc) {
                return true;
            }
            let Some(peek) = (self.guest.peek)(pc) else { return true };
            if peek.reads {
                return true;
            }
            if peek.writes {
                return false;
            }
            match peek.transfer {
                Transfer::Next => pc = pc.wrapping_add(peek.len as u64),
                Transfer::Jump(t) => pc = t,
                Transfer::Cond(t) => {
                    if depth == 0 || self.live_at(t, depth - 1) {
                        return true;
                    }
                    pc = pc.wrapping_add(peek.len as u64);
                }
                Transfer::Other => return true,
            }
        }
        true
    }

    /// Call before emitting anything that changes EFLAGS. Uses RAX.
    #[inline(always)]
    pub fn clobber_flags(&mut self) {
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
        if !self.mem_flags && !self.peeked.writes {
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
            self.a.b(0x04);
            self.a.b(0x7f);
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
        self.exits.push(Exit { site, target, stub: core::ptr::null_mut(), is_call: false });
    }

    /// Emits a conditional jump to guest address `target`. Flags were flushed for it.
    fn exit_if(&mut self, cc: Cc, target: u64) {
        self.a.keep_rel32_whole(2);
        let site = self.a.jcc_near(cc);
        self.exits.push(Exit { site, target, stub: core::ptr::null_mut(), is_call: false });
    }

    /// The next instruction can be entered from outside if the flags are only in memory (what comes in through the entry has nothing in EFLAGS) or
    /// dead there: makes it an entry.
    fn mark_entry(&mut self) {
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
        if (self.next_pc ^ self.start_pc) >> 12 == 0 && (canonical || !self.live_at(self.next_pc, 1)) {
            if (self.is_known)(self.next_pc) {
                self.exit_to(self.next_pc);
                self.ended = true;
            } else {
                self.entries.push((self.next_pc, (self.a.p as usize - self.start as usize) as u32));
            }
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
        }
    }

    /// Calls a helper with the whole state in memory. Flags were dealt with.
    fn call_helper(&mut self, f: crate::ops::Helper, arg: u64) {
        self.a.mov_imm(RAX, f as usize as u64);
        self.a.mov_imm(RCX, arg);
        self.a.call_to(self.glue.helper);
    }

    /// As `call_helper`, with EFLAGS (whatever they hold) saved and restored in the place of the guest's, which is free while they are not in memory.
    fn call_helper_keeping_flags(&mut self, f: crate::ops::Helper, arg: u64) {
        self.a.lahf();
        self.a.setcc(Cc::O, RAX);
        self.a.mov_store16(state(offset_of!(Cpu, host_flags)), RAX);
        self.call_helper(f, arg);
        self.a.movzx(2, RAX, state(offset_of!(Cpu, host_flags)));
        self.a.b(0x04);
        self.a.b(0x7f);
        self.a.sahf();
    }

    /// A conditional jump to a cold path that calls a helper and comes back to where this call stands. EFLAGS are free there.
    pub fn cold_helper(&mut self, cc: Cc, f: crate::ops::Helper, arg: u64) {
        let site = self.a.jcc_near(cc);
        let resume = self.a.p;
        self.a.label = resume;
        self.fenced = false;
        let insn = self.marks.len() as u16;
        self.cold.push(Cold { site, resume, kind: ColdKind::Helper(f, arg), insn });
    }

    fn lookup_mem(field: usize) -> Mem {
        Mem::index(RBP, RCX, 2, (offset_of!(Thread, lookup) + field) as i32 - STATE_BIAS)
    }
}

/// How to test a condition on EFLAGS.
#[derive(Clone, Copy)]
pub enum Test {
    /// One host condition.
    One(Cc),
    /// Both.
    And(Cc, Cc),
    /// Either.
    Or(Cc, Cc),
    /// No test needed.
    Always,
}

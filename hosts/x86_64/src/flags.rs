//! NZCV: where they are, whether anything reads them, and conditions on them. The crate's text
//! ("Flags") has the scheme.

use super::asm::opcodes::PDEP;
use super::asm::{Cc, Op, Rm, Sh, reg::*};
use super::{Translator, state};
use anyarch_engine::cache::FlagState;
use anyarch_engine::ops::{Cond, R};
use anyarch_engine::pattern::nzcv;
use anyarch_engine::run::Transfer;
use anyarch_engine::state::Cpu;
use core::mem::offset_of;

/// The opposite test.
pub(crate) fn invert(test: Test) -> Test {
    match test {
        Test::One(cc) => Test::One(cc.invert()),
        Test::And(a, b) => Test::Or(a.invert(), b.invert()),
        Test::Or(a, b) => Test::And(a.invert(), b.invert()),
        Test::Always => Test::Always,
    }
}

/// The byte of NZCV in memory that tells a condition of one flag, its bit there, and whether the
/// condition holds where that is set.
fn stored_bit(c: Cond) -> Option<(usize, u8, bool)> {
    Some(match c {
        Cond::Eq => (1, 0x40, true),
        Cond::Ne => (1, 0x40, false),
        Cond::Cs => (1, 0x01, true),
        Cond::Cc => (1, 0x01, false),
        Cond::Mi => (1, 0x80, true),
        Cond::Pl => (1, 0x80, false),
        Cond::Vs => (0, 0x01, true),
        Cond::Vc => (0, 0x01, false),
        _ => return None,
    })
}

/// Where NZCV are: in EFLAGS, in memory, or both.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flags {
    /// What EFLAGS hold.
    pub(crate) host: HostFlags,
    /// Memory has them, or they are dead.
    pub(crate) in_memory: bool,
}

impl Flags {
    /// As they are at an entry.
    pub(crate) const IN_MEMORY: Flags = Flags { host: HostFlags::None, in_memory: true };
}

/// What EFLAGS hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum HostFlags {
    /// Nothing of the guest's.
    #[default]
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
    pub(super) fn mark(self) -> FlagState {
        FlagState::new(self as u8)
    }

    /// From a mark.
    pub(super) fn of_mark(state: FlagState) -> HostFlags {
        [HostFlags::None, HostFlags::Add, HostFlags::Sub, HostFlags::Fp][state.number() as usize & 3]
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

impl Translator<'_> {
    /// Whether NZCV, as they are now, are read after this point.
    pub(crate) fn flags_live(&mut self) -> bool {
        let open = if self.insn.set_flags { nzcv::ALL } else { nzcv::ALL & !self.insn.peeked.writes };
        self.insn.peeked.reads != 0 || open != 0 && self.live_after() & open != 0
    }

    /// The flags of NZCV that may be read after this instruction.
    pub(crate) fn live_after(&mut self) -> u8 {
        match self.insn.live_next {
            Some(live) => live,
            None => {
                let all = nzcv::ALL;
                let live = match self.insn.peeked.transfer {
                    Transfer::Next => self.live_in(self.next_pc, 2, all),
                    Transfer::Cond(t) => self.live_in(self.next_pc, 1, all) | self.live_in(t, 1, all),
                    Transfer::Jump(t) => self.live_in(t, 1, all),
                    Transfer::Other => all,
                };
                self.insn.live_next = Some(live);
                live
            }
        }
    }

    /// Whether the guest code at `pc` may read NZCV before writing it.
    pub(crate) fn live_at(&mut self, pc: u64, depth: u32) -> bool {
        self.live_in(pc, depth, nzcv::ALL) != 0
    }

    /// Which of these flags the guest code at `pc` may read before it writes them: looks a few
    /// instructions ahead, within the page translated. What it has read there to find some dead
    /// becomes a part of what the unit is made of.
    fn live_in(&mut self, mut pc: u64, depth: u32, all: u8) -> u8 {
        if self.course.keep_all_flags {
            return all;
        }
        let (mut live, mut open) = (0, all);
        let mut from = pc;
        let page = self.start_pc & !4095;
        let inlined = self.course.inlined.map_or(0..0, |i| i.start..i.end);
        // Loops of floating-point code are long, and a save at the end of each round is not free.
        for _ in 0..32 {
            if self.guest.address(pc) & !4095 != page && !inlined.contains(&pc) {
                break;
            }
            let Some(peek) = (self.guest.peek)(pc) else { break };
            live |= open & peek.reads;
            open &= !(peek.reads | peek.writes);
            let next = pc.wrapping_add(peek.len as u64);
            if open == 0 {
                pc = next;
                break;
            }
            match peek.transfer {
                Transfer::Next => pc = next,
                Transfer::Jump(t) => {
                    self.looked(from, next);
                    (from, pc) = (t, t);
                }
                Transfer::Cond(t) => {
                    if depth == 0 {
                        break;
                    }
                    let there = self.live_in(t, depth - 1, open);
                    live |= there;
                    open &= !there;
                    pc = next;
                    if open == 0 {
                        break;
                    }
                }
                Transfer::Other => break,
            }
        }
        if live | open != all {
            self.looked(from, pc);
        }
        live | open
    }

    /// Code depends on the text from one instruction up to another.
    fn looked(&mut self, from: u64, to: u64) {
        let (from, to) = (self.guest.address(from), self.guest.address(to));
        let next = if self.course.inlined.is_some() { self.end_pc } else { self.guest.address(self.next_pc) };
        if (self.start_pc..=next).contains(&from) {
            self.course.looked_to = self.course.looked_to.max(to);
        } else if from < to && self.draft.looked.last() != Some(&(from, to)) {
            self.draft.looked.push((from, to));
        }
    }

    /// Call before emitting anything that changes EFLAGS. Uses RAX.
    #[inline(always)]
    pub(crate) fn clobber_flags(&mut self) {
        if self.flags.host != HostFlags::None {
            self.clobber_flags_slow();
        }
    }

    fn clobber_flags_slow(&mut self) {
        if !self.flags.in_memory && self.flags_live() {
            self.save_flags();
        }
        self.drop_flags();
    }

    /// NZCV go to memory, even if they are dead: for what changes EFLAGS before an access that may
    /// fault. Uses RAX, RCX.
    pub(crate) fn settle_flags(&mut self) {
        if !self.flags.in_memory {
            self.save_flags();
        }
        self.flags.host = HostFlags::None;
    }

    /// EFLAGS no longer hold NZCV, which are in memory or dead.
    pub(crate) fn drop_flags(&mut self) {
        if !self.flags.in_memory && self.insn.peeked.writes != nzcv::ALL {
            self.course.dropped_flags = true;
        }
        self.flags = Flags::IN_MEMORY;
    }

    /// EFLAGS now hold NZCV in the form given.
    #[inline(always)]
    pub(crate) fn flags_are(&mut self, form: HostFlags) {
        self.flags = Flags { host: form, in_memory: false };
        self.insn.set_flags = true;
        self.course.spared_flags = 0;
    }

    /// Whether code that leaves EFLAGS alone is worth it, which they have to themselves and somebody
    /// reads: for one instruction it is. Afterwards it is cheaper to save them, which makes them
    /// free. (Within an instruction it stays so: its cold paths come back behind all of its tests.)
    pub(crate) fn spare_flags(&mut self) -> bool {
        let number = self.draft.marks.len() + 1;
        if self.course.spared_flags == 0 {
            self.course.spared_flags = number;
        }
        let spares = self.course.spared_flags == number;
        if !spares {
            self.save_flags();
        }
        spares
    }

    /// Stores NZCV to memory, keeping them in EFLAGS (perhaps in another form). Uses RAX, for `Fp`
    /// also RCX.
    pub(crate) fn save_flags(&mut self) {
        match self.flags.host {
            HostFlags::None => return,
            HostFlags::Add => {
                self.a.lahf();
                self.a.setcc(Cc::O, RAX);
            }
            HostFlags::Sub => {
                self.a.cmc();
                self.a.lahf();
                self.a.setcc(Cc::O, RAX);
                self.flags.host = HostFlags::Add;
            }
            HostFlags::Fp => {
                // greater 0010, equal 0110, less 1000, unordered 0011. (A table by what LAHF gives is
                // shorter, and its load makes floating-point loops 3 % slower.)
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
        self.flags.in_memory = true;
        self.insn.saved_flags = true;
    }

    /// NZCV are about to be needed by code at `target` (None: unknown code): makes memory hold them
    /// if they may be read. Uses RAX, RCX.
    pub(crate) fn flush_flags(&mut self, target: Option<u64>) {
        if !self.flags.in_memory {
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
    pub(crate) fn need_flags(&mut self) {
        if self.flags.host == HostFlags::None {
            self.a.movzx(2, RAX, state(offset_of!(Cpu, host_flags)));
            // AL = 1 overflows, AL = 0 does not; SAHF sets the rest.
            self.a.add_al(0x7f);
            self.a.sahf();
            self.flags.host = HostFlags::Add;
        }
    }

    /// Makes EFLAGS hold NZCV as an addition or subtraction leaves them. Uses RAX, RCX.
    pub(crate) fn need_int_flags(&mut self) {
        if self.flags.host == HostFlags::Fp {
            if !self.flags.in_memory {
                self.save_flags();
            }
            self.flags.host = HostFlags::None;
        }
        self.need_flags();
    }

    /// Makes the condition testable: the host conditions to combine. Uses RAX.
    pub(crate) fn cond(&mut self, c: Cond) -> Test {
        if let Some(cc) = self.known_nz(c) {
            return Test::One(cc);
        }
        if let (HostFlags::None, Some((byte, bit, set))) = (self.flags.host, stored_bit(c))
            && !self.next_reads_flags()
        {
            self.a.test8_imm(state(offset_of!(Cpu, host_flags) + byte), bit);
            return Test::One(if set { self::Cc::Ne } else { self::Cc::E });
        }
        self.need_flags();
        use Cond::*;
        match self.flags.host {
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
                    self.flags.host = HostFlags::Sub;
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

    /// Whether the next instruction in a straight line reads NZCV too.
    fn next_reads_flags(&mut self) -> bool {
        let next = self.next_pc;
        if !matches!(self.insn.peeked.transfer, Transfer::Next) {
            return false;
        }
        let Some(peek) = (self.guest.peek)(next) else { return false };
        self.looked(next, next + peek.len as u64);
        peek.reads != 0
    }

    /// t = condition ? a : t, on host registers or memory.
    pub(crate) fn cmov_test(&mut self, test: Test, w: bool, t: u8, a: Rm) {
        match test {
            Test::One(cc) => self.a.cmov(cc, w, t, a),
            Test::Or(x, y) => {
                self.a.cmov(x, w, t, a);
                self.a.cmov(y, w, t, a);
            }
            Test::And(x, y) => {
                let skip = self.a.jcc_short(x.invert());
                self.a.cmov(y, w, t, a);
                self.a.bind(skip);
                if !w {
                    // A 32-bit CMOV clears the upper half even when false, and the skipped path
                    // must do so too.
                    self.a.mov(false, t, t);
                }
            }
            Test::Always => self.a.mov(w, t, a),
        }
    }

    /// t (byte register, then zero-extended) = condition.
    pub(crate) fn setcc_test(&mut self, test: Test, t: u8, scratch: u8) {
        match test {
            Test::One(cc) => {
                self.a.setcc(cc, t);
                self.a.movzx(1, t, t);
            }
            Test::Or(x, y) | Test::And(x, y) => {
                self.a.setcc(x, t);
                self.a.setcc(y, scratch);
                // AND and OR of byte values clobber EFLAGS, CMOV does not: t = x && y, or x || y.
                self.a.movzx(1, t, t);
                self.a.movzx(1, scratch, scratch);
                let or = matches!(test, Test::Or(..));
                self.a.cmov(if or { y } else { y.invert() }, false, t, scratch);
            }
            Test::Always => self.a.mov_imm(t, 1),
        }
    }

    pub(crate) fn read_flags(&mut self, d: R) {
        if !self.flags.in_memory {
            self.save_flags();
        }
        if d == R::ZERO {
            return;
        }
        // Memory form: SF 15, ZF 14, CF 8, OF 0.
        self.clobber_flags_slow();
        self.a.movzx(2, RAX, state(offset_of!(Cpu, host_flags)));
        self.a.mov(false, RCX, RAX);
        self.a.alu_imm(Op::And, false, Rm::R(RCX), 0xc000);
        self.a.shift_imm(Sh::Shl, false, Rm::R(RCX), 16);
        self.a.test_imm(false, Rm::R(RAX), 1);
        self.a.bt_imm(false, Rm::R(RAX), 8);
        self.a.setcc(Cc::B, RAX);
        self.a.movzx(1, RAX, RAX);
        self.a.shift_imm(Sh::Shl, false, Rm::R(RAX), 29);
        self.a.alu(Op::Or, false, RCX, Rm::R(RAX));
        self.a.movzx(1, RAX, state(offset_of!(Cpu, host_flags)));
        self.a.shift_imm(Sh::Shl, false, Rm::R(RAX), 28);
        self.a.alu(Op::Or, false, RCX, Rm::R(RAX));
        self.put(d, RCX);
    }

    pub(crate) fn write_flags(&mut self, s: R) {
        if self.take_compared(s) {
            return;
        }
        // N Z at 31, 30; C at 29; V at 28.
        self.get_into(false, s, RCX);
        self.flags.host = HostFlags::None;
        if self.features.bmi2 {
            self.a.shift_imm(Sh::Shr, false, Rm::R(RCX), 28);
            self.a.mov_imm(RAX, 0xc101);
            self.a.vex(PDEP, RAX, RCX, Rm::R(RAX));
            self.a.mov_store16(state(offset_of!(Cpu, host_flags)), RAX);
            self.flags.in_memory = true;
            return;
        }
        self.a.mov(false, RAX, RCX);
        self.a.shift_imm(Sh::Shr, false, Rm::R(RAX), 16);
        self.a.alu_imm(Op::And, false, Rm::R(RAX), 0xc000);
        self.a.bt_imm(false, Rm::R(RCX), 28);
        self.a.setcc(Cc::B, RAX);
        self.a.shift_imm(Sh::Shr, false, Rm::R(RCX), 21);
        self.a.alu_imm(Op::And, false, Rm::R(RCX), 0x100);
        self.a.alu(Op::Or, false, RAX, Rm::R(RCX));
        self.a.mov_store16(state(offset_of!(Cpu, host_flags)), RAX);
        self.flags.in_memory = true;
    }
}

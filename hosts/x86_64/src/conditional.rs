//! Conditional instructions, and operations that set NZCV in part.
//!
//! # A body that is jumped over
//!
//! [`Translator::if_holds`] emits a conditional jump over the body. At the join both ways have the
//! same state: what only one of them knows is forgotten, and NZCV are where both have them. If the
//! body changed EFLAGS, and NZCV were nowhere else, the way around the body saves them too, in code
//! of its own behind the body. A body that sets NZCV leaves them in EFLAGS in the form that they
//! had before.
//!
//! The jump has a distance of eight bits. Where a body is longer the unit is made again with longer
//! jumps ([`Translator::is_too_far`]).
//!
//! # Flags in part
//!
//! N and Z are those of a result, C is perhaps another one, V stays. V lives in a byte of its own
//! in memory, so that the others are stored beside it. Where V is dead, which is nearly always,
//! nothing is stored: the result is tested, and EFLAGS have NZCV but for what is dead.

use super::asm::{Cc, Mem, NONE, Near, Op, Rm, Sh, Short, reg::*};
use super::flags::Flags;
use super::known::Tested;
use super::{HostFlags, HostPart, STATE_BIAS, Test, Translator, fp, host_part, state, vec};
use anyarch_engine::ops::{self, Carry, Cond, Ops, R, Shift, Src, W};
use anyarch_engine::pattern::nzcv::{C, N, V, Z};
use anyarch_engine::state::{Cpu, mode};
use core::mem::offset_of;

/// Of bodies that are jumped over.
#[derive(Default)]
pub(crate) struct Bodies {
    /// One is being emitted.
    pub(super) within: bool,
    /// Jumps over them have long distances.
    far: bool,
    /// One was too long for a short one.
    is_too_far: bool,
}

/// A jump over a body.
#[derive(Clone, Copy)]
enum Skip {
    Short(Short),
    Near(Near),
}

/// NZ and C in memory: AH as LAHF left it.
fn flags_byte() -> Mem {
    state(offset_of!(Cpu, host_flags) + 1)
}

impl Translator<'_> {
    /// The unit is to be made again after [`Translator::jump_far`].
    pub(crate) fn is_too_far(&self) -> bool {
        self.bodies.is_too_far
    }

    /// Jumps over bodies are long.
    pub(crate) fn jump_far(&mut self) {
        self.bodies.far = true;
    }

    /// EFLAGS have N and Z of slot `d`, a result of width `w` that was just computed.
    #[inline(always)]
    pub(super) fn result_known(&mut self, d: R, w: W, carry: Option<(R, u8)>) {
        self.known.result.set(&self.a, Tested { slot: d, wide: w == W::W64, carry });
    }

    /// The host's condition, where EFLAGS tell it though NZCV count as in memory.
    #[inline(always)]
    pub(super) fn known_nz(&self, c: Cond) -> Option<Cc> {
        let has_carry = self.known.nz.get(&self.a)?;
        if self.flags.host != HostFlags::None {
            return None;
        }
        match c {
            Cond::Eq => Some(Cc::E),
            Cond::Ne => Some(Cc::Ne),
            Cond::Mi => Some(Cc::S),
            Cond::Pl => Some(Cc::Ns),
            Cond::Cs if has_carry => Some(Cc::B),
            Cond::Cc if has_carry => Some(Cc::Ae),
            _ => None,
        }
    }

    /// See [`anyarch_engine::ops::Ops::set_nz`].
    pub(super) fn nz_of(&mut self, w: W, r: R, carry: Carry) {
        let live = self.live_after();
        let sets = if carry == Carry::Keep { N | Z } else { N | Z | C };
        if live & sets == 0 {
            self.course.dropped_flags = true;
            return;
        }
        // Where C does not matter it need not be right.
        let carry = (live & C != 0).then_some(carry);
        if live & V == 0 {
            let form = if carry == Some(Carry::Const(true)) { HostFlags::Sub } else { HostFlags::Add };
            self.test_result(w, r, carry);
            self.flags_are(form);
            self.course.dropped_flags = true;
            return;
        }
        if !self.flags.in_memory {
            self.save_flags();
        }
        self.test_result(w, r, carry);
        if carry == Some(Carry::Const(true)) {
            self.a.stc();
        }
        self.a.lahf();
        self.a.mov_store_ah(flags_byte());
        self.flags = Flags::IN_MEMORY;
        self.insn.saved_flags = true;
        self.known.nz.set(&self.a, carry.is_some());
    }

    /// See [`anyarch_engine::ops::Ops::shift_nz`].
    pub(super) fn nz_of_shift(&mut self, op: Shift, w: W, d: R, a: R, n: u8) {
        let (sh, bit) = match op {
            Shift::Lsl => (Sh::Shl, w.bits() as u8 - n),
            Shift::Lsr => (Sh::Shr, n - 1),
            _ => (Sh::Sar, n - 1),
        };
        if self.live_after() & (N | Z | C) == 0 {
            self.course.dropped_flags = true;
            return self.mov(w, d, Src::Shifted(a, op, n));
        }
        self.clobber_flags();
        let t = self.def(d);
        let wide = w == W::W64;
        self.get_low_into(wide, a, t);
        self.a.shift_imm(sh, wide, Rm::R(t), n);
        self.put(d, t);
        self.result_known(d, w, Some((a, bit)));
        self.nz_of(w, d, Carry::Bit(a, bit));
    }

    /// EFLAGS have N and Z of a slot, and CF is C, but zero for a constant. Without `carry` CF does
    /// not matter.
    fn test_result(&mut self, w: W, r: R, carry: Option<Carry>) {
        let wide = w == W::W64;
        let known = self.known.result.get(&self.a).filter(|known| known.slot == r && known.wide == wide);
        match carry {
            None if known.is_some() => return,
            Some(Carry::Const(_)) if known.is_some_and(|known| known.carry.is_none()) => return,
            Some(Carry::Bit(s, n)) if known.is_some_and(|known| known.carry == Some((s, n))) => return,
            None | Some(Carry::Const(_)) => {
                return match self.host(r) {
                    NONE if self.is_fresh(r) => self.a.test(wide, Rm::R(RAX), RAX),
                    NONE => self.a.alu_imm(Op::Cmp, wide, Self::slot(r), 0),
                    h => self.a.test(wide, Rm::R(h), h),
                };
            }
            Some(Carry::Keep) => match self.flags.host {
                HostFlags::Add => {}
                HostFlags::Sub => self.a.cmc(),
                HostFlags::None | HostFlags::Fp => {
                    if !self.flags.in_memory {
                        self.save_flags();
                    }
                    self.a.movzx(1, RCX, flags_byte());
                    self.a.shift_imm(Sh::Shr, false, Rm::R(RCX), 1);
                }
            },
            Some(Carry::Bit(s, n)) => match self.host(s) {
                NONE => self.a.bt_imm(n >= 32, Self::slot(s), n),
                h => self.a.bt_imm(n >= 32, Rm::R(h), n),
            },
        }
        // An increment leaves CF as it is.
        let r = self.get(wide, r, RAX);
        self.a.lea(wide, RCX, Mem::base(r, -1));
        self.a.inc(wide, RCX);
    }

    /// See [`anyarch_engine::ops::Ops::fp_compare_to`].
    pub(super) fn compare_to(&mut self, d: R, signaling: bool, es: u8, a: ops::V, b: Option<ops::V>) {
        if self.mode != mode::EXACT || es < 2 {
            let flags = R(63);
            self.read_flags(flags);
            self.fp_compare(signaling, es, a, b);
            self.read_flags(d);
            return self.write_flags(flags);
        }
        self.clobber_flags();
        self.fp_compare(signaling, es, a, b);
        // None of these changes EFLAGS.
        self.a.lahf();
        self.a.movzx_ah(RCX);
        let table = host_part(offset_of!(HostPart, flag_tables)) + fp::COMPARED;
        self.a.movzx(1, RAX, Mem::index(RBP, RCX, 0, table as i32 - STATE_BIAS));
        self.a.bswap(false, RAX);
        self.flags = Flags::IN_MEMORY;
        self.put(d, RAX);
        self.known.compared.set(&self.a, d);
    }

    /// NZCV = those of a slot, if they are what EFLAGS have of a comparison that was just made.
    pub(super) fn take_compared(&mut self, s: R) -> bool {
        let is_it = self.known.compared.get(&self.a) == Some(s);
        if is_it {
            self.flags_are(HostFlags::Fp);
        }
        is_it
    }

    /// See [`anyarch_engine::ops::Ops::when`].
    pub(super) fn if_holds(&mut self, c: Cond, body: impl FnOnce(&mut Self)) {
        if c == Cond::Al {
            return body(self);
        }
        let changes = self.insn.peeked.changes;
        if changes && self.flags.host == HostFlags::Fp {
            self.need_int_flags();
        }
        let test = self.cond(c);
        let before = self.flags;
        let (vectors, fenced) = (self.known.vectors, self.known.fenced);
        let skips = self.skip_unless(test);
        self.bodies.within = true;
        body(self);
        self.bodies.within = false;
        self.known.next_constant = None;
        self.known.aes = vec::AesRound::NONE;
        if core::mem::take(&mut self.course.ended) {
            self.bind_skips(skips);
            self.flags = before;
            self.known.vectors = vectors;
            self.known.vectors.keep(u128::MAX);
            self.known.fenced = fenced;
            return;
        }
        self.known.fenced &= fenced;
        self.known.vectors.join(&vectors);
        self.join_flags(before, changes, skips);
    }

    /// The join of a body, which left NZCV as they are now, and the way around it, on which they
    /// are as `before`.
    fn join_flags(&mut self, before: Flags, changes: bool, skips: [Option<Skip>; 2]) {
        let after = self.flags;
        if after == before {
            return self.bind_skips(skips);
        }
        if after.in_memory && before.in_memory || self.live_after() == 0 {
            if !(after.in_memory && before.in_memory) {
                self.course.dropped_flags = true;
            }
            self.flags = Flags::IN_MEMORY;
            return self.bind_skips(skips);
        }
        if changes && !self.insn.guarded && matches!(before.host, HostFlags::Add | HostFlags::Sub) {
            self.need_int_flags();
            if self.flags.host != before.host {
                self.a.cmc();
            }
            self.flags_are(before.host);
            return self.bind_skips(skips);
        }
        if !self.flags.in_memory {
            self.save_flags();
        }
        if before.in_memory {
            self.bind_skips(skips);
        } else {
            let join = self.a.jmp_short();
            self.bind_skips(skips);
            self.flags = before;
            // A fault within the body knows nothing of this.
            let saved = self.insn.saved_flags;
            self.save_flags();
            self.insn.saved_flags = saved;
            self.a.bind(join);
        }
        self.flags = Flags::IN_MEMORY;
    }

    /// Jumps where the test fails.
    fn skip_unless(&mut self, test: Test) -> [Option<Skip>; 2] {
        match super::flags::invert(test) {
            Test::One(cc) => [Some(self.skip(cc)), None],
            Test::Or(x, y) => [Some(self.skip(x)), Some(self.skip(y))],
            Test::And(x, y) => {
                let no = self.a.jcc_short(x.invert());
                let skip = self.skip(y);
                self.a.bind(no);
                [Some(skip), None]
            }
            Test::Always => [None, None],
        }
    }

    fn skip(&mut self, cc: Cc) -> Skip {
        if self.bodies.far { Skip::Near(self.a.jcc_near(cc)) } else { Skip::Short(self.a.jcc_short(cc)) }
    }

    fn bind_skips(&mut self, skips: [Option<Skip>; 2]) {
        for skip in skips.into_iter().flatten() {
            match skip {
                Skip::Near(near) => self.a.bind_near(near),
                Skip::Short(short) if self.a.reaches(short) => self.a.bind(short),
                // The unit is made again.
                Skip::Short(_) => self.bodies.is_too_far = true,
            }
        }
    }
}

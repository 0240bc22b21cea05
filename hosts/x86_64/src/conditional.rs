//! Conditional instructions, and operations that set NZCV in part.
//!
//! # A body that is jumped over
//!
//! [`Translator::if_holds`] emits a conditional jump over the body. At the join both ways have the
//! same state: what only one of them knows is forgotten, and NZCV are where both have them. If the
//! body changed EFLAGS, and NZCV were nowhere else, the way around the body saves them too, in code
//! of its own behind the body. A body that sets NZCV leaves them in EFLAGS in the form that they had
//! before.
//!
//! The jump has a distance of eight bits. Where a body is longer the unit is made again with longer
//! jumps ([`Translator::is_too_far`]).
//!
//! # Flags in part
//!
//! N and Z are those of a result, C is perhaps another one, V stays. V lives in a byte of its own in
//! memory, so that the others are stored beside it. Where V is dead, which is nearly always, nothing
//! is stored: the result is tested, and EFLAGS have NZCV but for what is dead.

use super::asm::{Cc, Mem, NONE, Near, Op, Rm, Sh, Short, reg::*};
use super::{HostFlags, Test, Translator, sha, state, vec};
use anyarch_engine::ops::{self, Carry, Cond, Ops, R, Shift, Src, W};
use anyarch_engine::pattern::nzcv::{C, N, V, Z};
use anyarch_engine::state::{Cpu, mode};
use core::mem::offset_of;

/// What is known where the code ends in a certain place, and of the unit.
pub(crate) struct Known {
    /// N and Z, which are in memory, are those of EFLAGS too.
    nz: *mut u8,
    /// And C is CF.
    has_carry: bool,
    /// EFLAGS have the comparison whose NZCV this slot has.
    compared: R,
    compared_at: *mut u8,
    /// EFLAGS have N and Z of this slot.
    result: R,
    /// At 64 bits.
    wide: bool,
    /// And in CF what this bit of that slot was; without it CF is zero.
    carry: Option<(R, u8)>,
    result_at: *mut u8,
    /// A body is being emitted.
    pub(super) within: bool,
    /// Jumps over bodies have long distances.
    far: bool,
    /// A body was too long for a short one.
    is_too_far: bool,
}

impl Default for Known {
    fn default() -> Known {
        Known {
            nz: core::ptr::null_mut(),
            has_carry: false,
            compared: R::ZERO,
            compared_at: core::ptr::null_mut(),
            result: R::ZERO,
            wide: false,
            carry: None,
            result_at: core::ptr::null_mut(),
            within: false,
            far: false,
            is_too_far: false,
        }
    }
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
        self.conditional.is_too_far
    }

    /// Jumps over bodies are long.
    pub(crate) fn jump_far(&mut self) {
        self.conditional.far = true;
    }

    /// EFLAGS have N and Z of slot `d`, a result of width `w` that was just computed.
    #[inline(always)]
    pub(super) fn result_known(&mut self, d: R, w: W, carry: Option<(R, u8)>) {
        let known = &mut self.conditional;
        (known.result, known.wide, known.carry) = (d, w == W::W64, carry);
        known.result_at = self.a.p;
    }

    /// The host's condition, where EFLAGS tell it though NZCV count as in memory.
    #[inline(always)]
    pub(super) fn known_nz(&self, c: Cond) -> Option<Cc> {
        if self.conditional.nz != self.a.p || self.a.label == self.a.p || self.host_flags != HostFlags::None {
            return None;
        }
        match c {
            Cond::Eq => Some(Cc::E),
            Cond::Ne => Some(Cc::Ne),
            Cond::Mi => Some(Cc::S),
            Cond::Pl => Some(Cc::Ns),
            Cond::Cs if self.conditional.has_carry => Some(Cc::B),
            Cond::Cc if self.conditional.has_carry => Some(Cc::Ae),
            _ => None,
        }
    }

    /// See [`anyarch_engine::ops::Ops::set_nz`].
    pub(super) fn nz_of(&mut self, w: W, r: R, carry: Carry) {
        let live = self.live_after();
        let sets = if carry == Carry::Keep { N | Z } else { N | Z | C };
        if live & sets == 0 {
            self.dropped_flags = true;
            return;
        }
        // Where C does not matter it need not be right.
        let carry = (live & C != 0).then_some(carry);
        if live & V == 0 {
            let form = if carry == Some(Carry::Const(true)) { HostFlags::Sub } else { HostFlags::Add };
            self.test_result(w, r, carry);
            self.flags_are(form);
            self.dropped_flags = true;
            return;
        }
        if !self.mem_flags {
            self.save_flags();
        }
        self.test_result(w, r, carry);
        if carry == Some(Carry::Const(true)) {
            self.a.stc();
        }
        self.a.lahf();
        self.a.mov_store_ah(flags_byte());
        self.host_flags = HostFlags::None;
        self.mem_flags = true;
        self.saved_flags = true;
        self.conditional.nz = self.a.p;
        self.conditional.has_carry = carry.is_some();
    }

    /// See [`anyarch_engine::ops::Ops::shift_nz`].
    pub(super) fn nz_of_shift(&mut self, op: Shift, w: W, d: R, a: R, n: u8) {
        let (sh, bit) = match op {
            Shift::Lsl => (Sh::Shl, w.bits() as u8 - n),
            Shift::Lsr => (Sh::Shr, n - 1),
            _ => (Sh::Sar, n - 1),
        };
        if self.live_after() & (N | Z | C) == 0 {
            self.dropped_flags = true;
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
        let known = &self.conditional;
        let is_known = known.result_at == self.a.p
            && self.a.label != self.a.p
            && known.result == r
            && known.wide == wide;
        match carry {
            None if is_known => return,
            Some(Carry::Const(_)) if is_known && known.carry.is_none() => return,
            Some(Carry::Bit(s, n)) if is_known && known.carry == Some((s, n)) => return,
            None | Some(Carry::Const(_)) => {
                return match self.host(r) {
                    NONE if self.is_fresh(r) => self.a.test(wide, Rm::R(RAX), RAX),
                    NONE => self.a.alu_imm(Op::Cmp, wide, Self::slot(r), 0),
                    h => self.a.test(wide, Rm::R(h), h),
                };
            }
            Some(Carry::Keep) => match self.host_flags {
                HostFlags::Add => {}
                HostFlags::Sub => self.a.cmc(),
                HostFlags::None | HostFlags::Fp => {
                    if !self.mem_flags {
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
        // Less 1000, equal 0110, greater 0010, unordered 0011: moves leave EFLAGS as they are.
        self.a.mov_imm(RAX, 0x2000_0000);
        for (cc, nzcv) in [(Cc::E, 0x6000_0000), (Cc::B, 0x8000_0000), (Cc::P, 0x3000_0000)] {
            self.a.mov_imm(RCX, nzcv);
            self.a.cmov(cc, false, RAX, RCX);
        }
        (self.host_flags, self.mem_flags) = (HostFlags::None, true);
        self.put(d, RAX);
        (self.conditional.compared, self.conditional.compared_at) = (d, self.a.p);
    }

    /// NZCV = those of a slot, if they are what EFLAGS have of a comparison that was just made.
    pub(super) fn take_compared(&mut self, s: R) -> bool {
        let known = &self.conditional;
        let is_it = known.compared == s && known.compared_at == self.a.p && self.a.label != self.a.p;
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
        let changes = self.peeked.changes;
        if changes && self.host_flags == HostFlags::Fp {
            self.need_int_flags();
        }
        let test = self.cond(c);
        let before = (self.host_flags, self.mem_flags);
        let (known, fenced) = ((self.zero_above, self.boxed), self.fenced);
        let skips = self.skip_unless(test);
        self.conditional.within = true;
        body(self);
        self.conditional.within = false;
        self.next_constant = None;
        self.pair = sha::Pair::default();
        self.aes = vec::AesRound::NONE;
        if core::mem::take(&mut self.ended) {
            self.bind_skips(skips);
            (self.host_flags, self.mem_flags) = before;
            (self.zero_above, self.boxed) = known;
            self.fenced = fenced;
            return;
        }
        self.fenced &= fenced;
        for n in 0..2 {
            self.zero_above[n] &= known.0[n];
            self.boxed[n] &= known.1[n];
        }
        self.join_flags(before, changes, skips);
    }

    /// The join of a body, which left NZCV as they are now, and the way around it, on which they are
    /// as `before`.
    fn join_flags(&mut self, before: (HostFlags, bool), changes: bool, skips: [Option<Skip>; 2]) {
        let after = (self.host_flags, self.mem_flags);
        let in_memory = (HostFlags::None, true);
        if after == before {
            return self.bind_skips(skips);
        }
        if after.1 && before.1 || self.live_after() == 0 {
            if !(after.1 && before.1) {
                self.dropped_flags = true;
            }
            (self.host_flags, self.mem_flags) = in_memory;
            return self.bind_skips(skips);
        }
        if changes && !self.guarded && matches!(before.0, HostFlags::Add | HostFlags::Sub) {
            self.need_int_flags();
            if self.host_flags != before.0 {
                self.a.cmc();
            }
            self.flags_are(before.0);
            return self.bind_skips(skips);
        }
        if !self.mem_flags {
            self.save_flags();
        }
        if before.1 {
            self.bind_skips(skips);
        } else {
            let join = self.a.jmp_short();
            self.bind_skips(skips);
            (self.host_flags, self.mem_flags) = before;
            // A fault within the body knows nothing of this.
            let saved = self.saved_flags;
            self.save_flags();
            self.saved_flags = saved;
            self.a.bind(join);
        }
        (self.host_flags, self.mem_flags) = in_memory;
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
        if self.conditional.far { Skip::Near(self.a.jcc_near(cc)) } else { Skip::Short(self.a.jcc_short(cc)) }
    }

    fn bind_skips(&mut self, skips: [Option<Skip>; 2]) {
        for skip in skips.into_iter().flatten() {
            match skip {
                Skip::Near(near) => self.a.bind_near(near),
                Skip::Short(short) if self.a.reaches(short) => self.a.bind(short),
                // The unit is made again.
                Skip::Short(_) => self.conditional.is_too_far = true,
            }
        }
    }
}

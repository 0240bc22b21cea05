//! Lanes of slots that temporaries have too.
//!
//! Registers of 32 and 64 bits that are lanes of slots (32-bit Arm's S and D registers) are read
//! and written one by one. Written in place, each would wait for all others of its slot: what
//! computes it comes out of a lane and goes into one. So a lane is computed in a temporary, which
//! has a host register of its own. From there it goes to its slot, and who reads it next takes it
//! from the temporary.
//!
//! A temporary is a slot like any other: helpers find it in memory, and it is what it was when they
//! return. What is known of temporaries is part of [`super::known::Vectors`] and forgotten with
//! that, at entries above all. Whatever writes the slot or the temporary ends it
//! ([`Translator::wrote`]).
//!
//! A slot that lives in memory gets a lane by a store of that lane alone, and a load of the whole
//! slot would wait for that store. So the upper half, which is often written after the lower one,
//! is stored with the lower half.

use super::Translator;
use super::asm::{Mem, NONE, Rm, opcodes::*, reg::RAX};
use anyarch_engine::ops::{R, V, VArgs};
use anyarch_engine::vec::VOp;

/// Scratch.
const X0: u8 = 12;
const X1: u8 = 13;

/// The temporaries that keep lanes.
const KEEPERS: [V; 3] = [V::T0, V::T1, V::T2];

/// A lane of `1 << es` bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Lane {
    slot: V,
    es: u8,
    idx: u8,
}

impl Lane {
    fn overlaps(self, other: Lane) -> bool {
        let bytes = |l: Lane| (l.idx << l.es, (l.idx + 1) << l.es);
        let ((from, to), (start, end)) = (bytes(self), bytes(other));
        self.slot == other.slot && from < end && start < to
    }
}

/// The lanes that temporaries have.
#[derive(Clone, Copy, Default)]
pub(crate) struct Lanes {
    of: [Option<Lane>; KEEPERS.len()],
    /// When each was last asked for or set.
    used: [u32; KEEPERS.len()],
    /// The time.
    now: u32,
}

impl Lanes {
    /// No temporary has a lane.
    #[inline(always)]
    pub(crate) fn forget(&mut self) {
        let Lanes { of, used, now } = self;
        of.iter_mut().for_each(|lane| *lane = None);
        used.fill(0);
        *now = 0;
    }

    /// Slot `d` was written.
    #[inline(always)]
    pub(crate) fn wrote(&mut self, d: V) {
        if self.of != [None; KEEPERS.len()] {
            self.end(d);
        }
    }

    #[inline(never)]
    fn end(&mut self, d: V) {
        for (keeper, of) in KEEPERS.iter().zip(&mut self.of) {
            if of.is_some_and(|lane| lane.slot == d) || *keeper == d {
                *of = None;
            }
        }
    }

    /// Where two ways meet: what both know.
    pub(crate) fn join(&mut self, other: &Lanes) {
        for (of, other) in self.of.iter_mut().zip(&other.of) {
            if of != other {
                *of = None;
            }
        }
    }

    fn find(&mut self, lane: Lane) -> Option<V> {
        let n = self.of.iter().position(|of| *of == Some(lane))?;
        self.touch(n);
        Some(KEEPERS[n])
    }

    fn touch(&mut self, n: usize) {
        self.now += 1;
        self.used[n] = self.now;
    }

    /// The temporary has the lane, which was written if `anew`.
    fn set(&mut self, t: V, lane: Lane, anew: bool) {
        for (n, &keeper) in KEEPERS.iter().enumerate() {
            if keeper == t {
                self.of[n] = Some(lane);
                self.touch(n);
            } else if anew && self.of[n].is_some_and(|other| other.overlaps(lane)) {
                self.of[n] = None;
            }
        }
    }

    /// A temporary that is none of `busy`: one without a lane, or the one that has waited longest.
    fn take(&mut self, busy: &[V]) -> V {
        let free = (0..KEEPERS.len()).filter(|&n| !busy.contains(&KEEPERS[n]));
        let Some(n) = free.min_by_key(|&n| (self.of[n].is_some(), self.used[n])) else { return V::T3 };
        self.of[n] = None;
        KEEPERS[n]
    }
}

impl Translator<'_> {
    /// Whether temporaries have host registers, so that they are worth it.
    #[inline(always)]
    pub(super) fn keeps_lanes(&self) -> bool {
        self.vhost(V::T0) != NONE
    }

    /// A temporary that has the lane.
    pub(super) fn known_lane(&mut self, slot: V, es: u8, idx: u8) -> Option<V> {
        self.known.vectors.lanes.find(Lane { slot, es, idx })
    }

    /// See [`anyarch_engine::ops::Ops::lane_temporary`].
    #[inline(never)]
    pub(super) fn take_temporary(&mut self, busy: &[V]) -> V {
        self.known.vectors.lanes.take(busy)
    }

    /// The moves that `f` emits leave EFLAGS as they are: what they have of a comparison stays.
    fn moving(&mut self, f: impl FnOnce(&mut Self)) {
        let compared = self.known.compared.get(&self.a);
        f(self);
        if let Some(slot) = compared {
            self.known.compared.set(&self.a, slot);
        }
    }

    /// See [`anyarch_engine::ops::Ops::lane`].
    #[inline(never)]
    pub(super) fn lane_of(&mut self, v: V, es: u8, idx: u8, busy: &[V]) -> V {
        if let Some(t) = self.known_lane(v, es, idx) {
            return t;
        }
        if idx == 0 && (self.vhost(v) != NONE || !self.keeps_lanes()) {
            return v;
        }
        let t = self.take_temporary(busy);
        self.moving(|s| match s.vhost(v) {
            NONE => {
                let x = s.vdef(t, X0);
                s.a.v2(movs(es), x, Self::lane_place(v, es, idx));
                s.vput(t, x);
            }
            _ => {
                let args = VArgs { d: t, a: v, b: v, c: v, es, bytes: 1 << es, imm: idx as u32 };
                super::vector::vec(s, VOp::DupLane, args);
            }
        });
        self.wrote(t, 1 << es);
        self.known.vectors.lanes.set(t, Lane { slot: v, es, idx }, false);
        t
    }

    fn lane_place(v: V, es: u8, idx: u8) -> Mem {
        let mut m = Self::vslot(v);
        m.disp += (idx as i32) << es;
        m
    }

    /// See [`anyarch_engine::ops::Ops::put_lane`].
    #[inline(never)]
    pub(super) fn insert_lane(&mut self, d: V, es: u8, idx: u8, from: V) {
        self.moving(|s| s.emit_insert(d, es, idx, from));
        let lanes = self.known.vectors.lanes;
        self.wrote(d, 16);
        let known = &mut self.known.vectors.lanes;
        *known = lanes;
        // (If `from` keeps nothing, this ends what overlaps.)
        known.set(from, Lane { slot: d, es, idx }, true);
    }

    fn emit_insert(&mut self, d: V, es: u8, idx: u8, from: V) {
        let x = self.vgetr(from, X1);
        match (self.vhost(d), es, idx) {
            (NONE, 3, 1) => {
                self.a.v2(movs(3), X0, Self::vslot(d));
                self.a.v3(UNPCKLPD, X0, X0, Rm::R(x), false, NONE);
                self.a.v2(MOVAPS_STORE, X0, Self::vslot(d));
            }
            (NONE, ..) => self.a.v2(movs_store(es), x, Self::lane_place(d, es, idx)),
            (h, 3, 1) => self.a.v3(UNPCKLPD, h, h, Rm::R(x), false, NONE),
            (h, 3, _) => self.a.v3i(BLENDPS, h, h, Rm::R(x), 3, NONE),
            (h, _, 0) => self.a.v3i(BLENDPS, h, h, Rm::R(x), 1, NONE),
            (h, ..) => self.a.v3i(INSERTPS, h, h, Rm::R(x), idx << 4, NONE),
        }
    }

    /// A load of a lane, which a temporary then has too.
    #[inline(never)]
    pub(super) fn load_lane(&mut self, d: V, es: u8, idx: u8, m: Mem) {
        let t = self.take_temporary(&[]);
        let x = self.vhost(t);
        self.a.v2(movs(es), x, m);
        self.wrote(t, 1 << es);
        self.insert_lane(d, es, idx, t);
    }

    /// See [`anyarch_engine::ops::Ops::vset`].
    #[inline(never)]
    pub(super) fn set_lane(&mut self, d: V, es: u8, idx: u8, s: R) {
        let t = self.take_temporary(&[]);
        let x = self.vhost(t);
        let r = self.get(es == 3, s, RAX);
        self.a.v2(if es == 3 { MOVQ_FROM_GPR } else { MOVD }, x, r);
        self.wrote(t, 1 << es);
        self.insert_lane(d, es, idx, t);
    }
}

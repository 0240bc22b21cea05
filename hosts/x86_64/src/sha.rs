//! Rounds of SHA-1, SHA-256 and SHA-512 for hosts without instructions for them: pieces of the glue
//! on general registers.
//!
//! A piece is called with its operands in XMM12 to XMM14 and leaves its result in XMM12. It may
//! change XMM12 to XMM15, RAX, RCX and EFLAGS, and pushes nothing: the shadow stack may be full.
//! Pinned integer slots wait in their places in memory meanwhile.
//!
//! SHA-256's guest instructions come in pairs that each do the same four rounds and keep one half
//! of the new state. The first notes its operands and the other half of the result. The second
//! finds that its operands are the same: at run time, or at translation where [`Pair`] has followed
//! the usual sequence (a copy of a to d, the first, the second) through a unit. That is sound
//! because nothing else of the guest runs between two instructions of a unit: after a signal or a
//! fault, execution goes on in code for which nothing was known.

use super::asm::{Asm, Cc, Mem, NONE, Op, Rm, Sh, opcodes::*, reg::*};
use super::glue::Piece;
use super::{Buffers, HostPart, Translator, host_part, state};
use anyarch_engine::ops::{V, VArgs};
use anyarch_engine::state::Cpu;
use anyarch_engine::vec::VOp;
use anyarch_engine::vec::crypto::SUMS;
use core::mem::offset_of;

const X0: u8 = 12;
const X1: u8 = 13;
const X2: u8 = 14;
const X3: u8 = 15;

/// Registers the rounds work in, besides RAX and RCX.
const WORK: [u8; 10] = [RBX, RSI, RDI, RDX, R8, R9, R10, R11, R12, R14];

/// Addresses of the pieces.
#[derive(Clone, Copy)]
pub(crate) struct Sha {
    /// XMM12 = the new a to d from a to d in XMM12, e in XMM13, words in XMM14: with Ch, Parity,
    /// Maj.
    pub(crate) sha1: [*const u8; 3],
    /// XMM12 = the new a to d from a to d in XMM12, e to h in XMM13, words in XMM14; and the new e
    /// to h.
    pub(crate) sha256: [*const u8; 2],
    /// SHA512H and SHA512H2 of (Vd, Vn, Vm).
    pub(crate) sha512: [*const u8; 2],
    /// Four rounds of SHA-256 and SHA-512 in place, see [`sha2_rounds`]: the address of the slots
    /// of f, e, b, a in RAX, of those of h, g, d, c in RCX, the words in XMM14 and XMM15.
    pub(crate) sha2: [*const u8; 2],
}

impl Sha {
    /// The address of a piece, null if it is none of these.
    pub(crate) fn piece(&self, piece: Piece) -> *const u8 {
        match piece {
            Piece::Sha1Choose => self.sha1[0],
            Piece::Sha1Parity => self.sha1[1],
            Piece::Sha1Majority => self.sha1[2],
            Piece::Sha256Hash1 => self.sha256[0],
            Piece::Sha256Hash2 => self.sha256[1],
            Piece::Sha512Hash1 => self.sha512[0],
            Piece::Sha512Hash2 => self.sha512[1],
            Piece::Sha256Rounds => self.sha2[0],
            Piece::Sha512Rounds => self.sha2[1],
            _ => core::ptr::null(),
        }
    }
}

/// What is known at translation about the operands of SHA-256's second instruction.
#[derive(Clone, Copy, Default)]
pub(super) struct Pair {
    /// Two slots that hold the same, if the mask is not zero, and their bits.
    same: ([u8; 2], u128),
    /// Slots that still hold a to d, e to h and the words of the last first instruction, if the
    /// mask is not zero, and their bits.
    operands: ([u8; 3], u128),
}

impl Pair {
    /// Nothing is known.
    #[inline(always)]
    pub(super) fn forget(&mut self) {
        self.same.1 = 0;
        self.operands.1 = 0;
    }

    /// The slot with this bit was written.
    #[inline(always)]
    pub(super) fn wrote(&mut self, bit: u128) {
        if (self.same.1 | self.operands.1) & bit != 0 {
            if self.same.1 & bit != 0 {
                self.same.1 = 0;
            }
            if self.operands.1 & bit != 0 {
                self.operands.1 = 0;
            }
        }
    }

    /// The operation was emitted; `before` was known before it.
    #[inline(always)]
    pub(super) fn did(&mut self, before: Pair, op: VOp, args: &VArgs) {
        let bit = |s: u8| 1u128 << (s & 127);
        match op {
            VOp::Mov if args.bytes == 16 && args.d != args.a => {
                self.same = ([args.d.0, args.a.0], bit(args.d.0) | bit(args.a.0));
            }
            VOp::Sha256Hash1 => {
                self.operands.1 = 0;
                let ([p, q], mask) = before.same;
                let (d, a, b, c) = (args.d.0, args.a.0, args.b.0, args.c.0);
                if mask != 0 && (c == p || c == q) && d == c && a != d && b != d {
                    let old = p ^ q ^ c;
                    self.operands = ([old, a, b], bit(old) | bit(a) | bit(b));
                }
            }
            _ => {}
        }
    }

    /// Whether the other half of the last rounds is the result.
    pub(super) fn is_second(&self, args: &VArgs) -> bool {
        self.operands.1 != 0 && self.operands.0 == [args.a.0, args.c.0, args.b.0]
    }
}

/// Where the last rounds left their other half.
pub(super) fn other_half() -> Mem {
    word(3, 0, 0)
}

/// Word `n` of `bytes` bytes of operand `k`, as noted in the state.
fn word(k: usize, n: usize, bytes: usize) -> Mem {
    state(host_part(offset_of!(HostPart, sha)) + k * 16 + n * bytes)
}

fn note(a: &mut Asm, x: u8, k: usize) {
    a.v2(MOVAPS_STORE, x, word(k, 0, 0));
}

/// Moves the pinned slots among the first `n` working registers to or from memory.
fn pins(a: &mut Asm, buffers: &Buffers, n: usize, load: bool) {
    for (slot, &h) in buffers.maps().0.iter().enumerate() {
        if h != NONE && WORK[..n].contains(&h) {
            let m = state(offset_of!(Cpu, gpr) + slot * 8);
            if load { a.mov(true, h, m) } else { a.mov_store(true, m, h) }
        }
    }
}

struct Rounds<'a> {
    a: &'a mut Asm,
    rorx: bool,
}

impl Rounds<'_> {
    /// d = s rotated right.
    fn rotate(&mut self, w: bool, d: u8, s: u8, n: u8) {
        if self.rorx {
            self.a.rorx(w, d, s, n);
        } else {
            self.a.mov(w, d, s);
            self.a.shift_imm(Sh::Ror, w, d, n);
        }
    }

    /// d = s rotated by each of three amounts, combined. Uses t with BMI2.
    fn sum(&mut self, w: bool, d: u8, t: u8, s: u8, n: [u8; 3]) {
        if self.rorx {
            self.a.rorx(w, d, s, n[2]);
            self.a.rorx(w, t, s, n[1]);
            self.a.alu(Op::Xor, w, d, t);
            self.a.rorx(w, t, s, n[0]);
            self.a.alu(Op::Xor, w, d, t);
        } else {
            self.a.mov(w, d, s);
            self.a.shift_imm(Sh::Ror, w, d, n[2] - n[1]);
            self.a.alu(Op::Xor, w, d, s);
            self.a.shift_imm(Sh::Ror, w, d, n[1] - n[0]);
            self.a.alu(Op::Xor, w, d, s);
            self.a.shift_imm(Sh::Ror, w, d, n[0]);
        }
    }

    /// d = x ? y : z by bits.
    fn choose(&mut self, w: bool, d: u8, x: u8, y: u8, z: u8) {
        self.a.mov(w, d, y);
        self.a.alu(Op::Xor, w, d, z);
        self.a.alu(Op::And, w, d, x);
        self.a.alu(Op::Xor, w, d, z);
    }

    /// d = what at least two of three bits are. Uses t.
    fn majority(&mut self, w: bool, d: u8, t: u8, x: u8, y: u8, z: u8) {
        self.a.mov(w, d, x);
        self.a.mov(w, t, x);
        self.a.alu(Op::Or, w, d, y);
        self.a.alu(Op::And, w, t, y);
        self.a.alu(Op::And, w, d, z);
        self.a.alu(Op::Or, w, d, t);
    }

    /// x = four 32-bit words, zero-extended in their registers, which change.
    fn pack(&mut self, x: u8, r: [u8; 4]) {
        for k in [0, 2] {
            self.a.shift_imm(Sh::Shl, true, r[k + 1], 32);
            self.a.alu(Op::Or, true, r[k], r[k + 1]);
        }
        self.pack_longs(x, r[0], r[2]);
    }

    fn pack_longs(&mut self, x: u8, low: u8, high: u8) {
        self.a.v2(MOVQ_FROM_GPR, x, low);
        self.a.v3i(PINSR[3], x, x, Rm::R(high), 1, X3);
    }

    fn sha1(&mut self, buffers: &Buffers, function: usize) {
        for (k, x) in [X0, X1, X2].into_iter().enumerate() {
            note(self.a, x, k);
        }
        pins(self.a, buffers, 5, false);
        let [mut a, mut b, mut c, mut d, mut e] = [RBX, RSI, RDI, RDX, R8];
        for (n, r) in [a, b, c, d].into_iter().enumerate() {
            self.a.mov(false, r, word(0, n, 4));
        }
        self.a.mov(false, e, word(1, 0, 4));
        for n in 0..4 {
            self.a.alu(Op::Add, false, e, word(2, n, 4));
            match function {
                0 => self.choose(false, RAX, b, c, d),
                1 => {
                    self.a.mov(false, RAX, b);
                    self.a.alu(Op::Xor, false, RAX, c);
                    self.a.alu(Op::Xor, false, RAX, d);
                }
                _ => self.majority(false, RAX, RCX, c, d, b),
            }
            self.a.alu(Op::Add, false, e, RAX);
            self.rotate(false, RCX, a, 27);
            self.a.alu(Op::Add, false, e, RCX);
            self.rotate(false, b, b, 2);
            (a, b, c, d, e) = (e, a, b, c, d);
        }
        self.pack(X0, [a, b, c, d]);
        pins(self.a, buffers, 5, true);
        self.a.ret();
    }

    /// Four rounds of SHA-256 or SHA-512 on `r`, a to h, with the words at operand `k`. Uses RAX,
    /// RCX and R12.
    fn four_rounds(&mut self, w: bool, mut r: [u8; 8], k: usize) -> [u8; 8] {
        let [sum0, sum1] = SUMS[w as usize].map(|n| n.map(|n| n as u8));
        // Maj(a, b, c) is b ^ (a ^ b) & (b ^ c), and a ^ b is the next round's b ^ c.
        let (mut bc, mut ab, t) = (R12, RCX, RAX);
        self.a.mov(w, bc, r[1]);
        self.a.alu(Op::Xor, w, bc, r[2]);
        for n in 0..4 {
            let [a, b, _, d, e, f, g, h] = r;
            self.a.alu(Op::Add, w, h, word(k, n, if w { 8 } else { 4 }));
            self.choose(w, t, e, f, g);
            self.a.alu(Op::Add, w, h, t);
            self.sum(w, t, ab, e, sum1);
            self.a.alu(Op::Add, w, h, t);
            self.a.alu(Op::Add, w, d, h);
            self.sum(w, t, ab, a, sum0);
            self.a.alu(Op::Add, w, h, t);
            self.a.mov(w, ab, a);
            self.a.alu(Op::Xor, w, ab, b);
            self.a.alu(Op::And, w, bc, ab);
            self.a.alu(Op::Xor, w, bc, b);
            self.a.alu(Op::Add, w, h, bc);
            (bc, ab) = (ab, bc);
            r.rotate_right(1);
        }
        r
    }

    /// Four rounds on words in memory, one at a time: a store of eight bytes or fewer is seen by
    /// the load of the same bytes without delay.
    fn sha2(&mut self, buffers: &Buffers, w: bool) {
        note(self.a, X2, 5);
        if w {
            note(self.a, X3, 6);
        }
        self.a.mov_store(true, word(4, 0, 8), RAX);
        self.a.mov_store(true, word(4, 1, 8), RCX);
        pins(self.a, buffers, 9, false);
        let r = [RBX, RSI, RDI, RDX, R8, R9, R10, R11];
        // Where a to h are: 3 2 3 2 1 0 1 0 in the two.
        let place = |n: usize| {
            let lane = (3 - n % 2) as i32 - if n < 4 { 0 } else { 2 };
            Mem::base(if n & 2 == 0 { RAX } else { RCX }, lane << if w { 3 } else { 2 })
        };
        for (n, &r) in r.iter().enumerate() {
            self.a.mov(w, r, place(n));
        }
        let r = self.four_rounds(w, r, 5);
        self.a.mov(true, RAX, word(4, 0, 8));
        self.a.mov(true, RCX, word(4, 1, 8));
        for (n, &r) in r.iter().enumerate() {
            self.a.mov_store(w, place(n), r);
        }
        pins(self.a, buffers, 9, true);
        self.a.ret();
    }

    /// Four rounds: XMM12 and XMM13 become the new state.
    fn sha256(&mut self, buffers: &Buffers) {
        for (k, x) in [X0, X1, X2].into_iter().enumerate() {
            note(self.a, x, k);
        }
        pins(self.a, buffers, 9, false);
        let r = [RBX, RSI, RDI, RDX, R8, R9, R10, R11];
        for (n, &r) in r.iter().enumerate() {
            self.a.mov(false, r, word(n / 4, n % 4, 4));
        }
        let [a, b, c, d, e, f, g, h] = self.four_rounds(false, r, 2);
        self.pack(X0, [a, b, c, d]);
        self.pack(X1, [e, f, g, h]);
        note(self.a, X1, 3);
        pins(self.a, buffers, 9, true);
    }

    /// The other half of rounds just done, or the rounds again.
    fn sha256_second(&mut self, buffers: &Buffers) {
        let other = [(0, X0), (1, X1), (2, X2)].map(|(k, x)| {
            self.a.v3(PXOR, X3, x, word(k, 0, 0), true, X3);
            self.a.v2(PTEST, X3, X3);
            self.a.jcc_short(Cc::Ne)
        });
        self.a.v2(MOVAPS, X0, word(3, 0, 0));
        self.a.ret();
        other.into_iter().for_each(|jump| self.a.bind(jump));
        self.sha256(buffers);
        self.a.vmov(X0, X1);
        self.a.ret();
    }

    fn sha512(&mut self, buffers: &Buffers, second: bool) {
        for (k, x) in [X0, X1, X2].into_iter().enumerate() {
            note(self.a, x, k);
        }
        pins(self.a, buffers, 6, false);
        let [x0, x1, y0, y1, r0, r1] = [RBX, RSI, RDI, RDX, R8, R9];
        for (r, k, n) in [(r0, 0, 0), (r1, 0, 1), (x0, 1, 0), (x1, 1, 1), (y0, 2, 0), (y1, 2, 1)] {
            self.a.mov(true, r, word(k, n, 8));
        }
        if second {
            for (r, [x, y, z], s) in [(r1, [x0, y1, y0], y0), (r0, [r1, y0, y1], r1)] {
                self.majority(true, RAX, RCX, y, z, x);
                self.a.alu(Op::Add, true, r, RAX);
                self.sum(true, RAX, RCX, s, [28, 34, 39]);
                self.a.alu(Op::Add, true, r, RAX);
            }
        } else {
            // y0 becomes the sum that the second round works on.
            for (r, [x, y, z]) in [(r1, [y1, x0, x1]), (r0, [y0, y1, x0])] {
                self.choose(true, RAX, x, y, z);
                self.a.alu(Op::Add, true, r, RAX);
                self.sum(true, RAX, RCX, x, [14, 18, 41]);
                self.a.alu(Op::Add, true, r, RAX);
                if r == r1 {
                    self.a.alu(Op::Add, true, y0, r1);
                }
            }
        }
        self.pack_longs(X0, r0, r1);
        pins(self.a, buffers, 6, true);
        self.a.ret();
    }
}

/// Emits the pieces.
pub(super) fn emit(a: &mut Asm, buffers: &Buffers) -> Sha {
    let rorx = buffers.features.bmi2;
    let mut rounds = Rounds { a, rorx };
    let sha1 = core::array::from_fn(|function| {
        let at = rounds.a.p as *const u8;
        rounds.sha1(buffers, function);
        at
    });
    let first = rounds.a.p as *const u8;
    rounds.sha256(buffers);
    rounds.a.ret();
    let second = rounds.a.p as *const u8;
    rounds.sha256_second(buffers);
    let sha256 = [first, second];
    let sha512 = [false, true].map(|second| {
        let at = rounds.a.p as *const u8;
        rounds.sha512(buffers, second);
        at
    });
    let sha2 = [false, true].map(|w| {
        let at = rounds.a.p as *const u8;
        rounds.sha2(buffers, w);
        at
    });
    Sha { sha1, sha256, sha512, sha2 }
}

/// See [`anyarch_engine::ops::Ops::sha2_rounds`].
pub(super) fn sha2_rounds(t: &mut Translator<'_>, wide: bool, abef: V, cdgh: V, words: V) {
    let part = |s: V, n: u8| V(s.0 + n);
    if !wide && t.features.sha {
        let (state, other) = (t.vgetr(abef, X0), t.vgetr(cdgh, X1));
        t.a.vmov(X0, state);
        t.a.vmov(X1, other);
        let w = t.vgetr(words, X2);
        t.a.vmov(X2, w);
        // The words must be in XMM0.
        t.a.vmov(X3, 0);
        t.a.vmov(0, X2);
        t.a.sse(SHA256RNDS2, X1, X0);
        t.a.v2i(PSHUFD, 0, X2, 0xee);
        t.a.sse(SHA256RNDS2, X0, X1);
        t.a.vmov(0, X3);
        t.vput(abef, X0);
        t.vput(cdgh, X1);
        return;
    }
    t.clobber_flags();
    let slots = [abef, cdgh].into_iter().flat_map(|s| (0..=wide as u8).map(move |n| part(s, n)));
    for s in slots.clone() {
        match t.vhost(s) {
            NONE => {}
            h => t.a.v2(MOVAPS_STORE, h, Translator::vslot(s)),
        }
    }
    for (x, n) in [(X2, 0), (X3, 1)].into_iter().take(1 + wide as usize) {
        let w = t.vgetr(part(words, n), x);
        t.a.vmov(x, w);
    }
    t.a.lea(true, RAX, Translator::vslot(abef));
    t.a.lea(true, RCX, Translator::vslot(cdgh));
    t.a.call_piece(if wide { Piece::Sha512Rounds } else { Piece::Sha256Rounds });
    for s in slots {
        match t.vhost(s) {
            NONE => {}
            h => t.a.v2(MOVAPS, h, Translator::vslot(s)),
        }
    }
}

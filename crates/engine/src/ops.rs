//! The operation vocabulary: what a guest's semantics are written in.
//!
//! One call is one small step of one guest instruction. The reference interpreter carries it out at
//! once; the translator emits host code for it. The words are guest-neutral: widths, slots and
//! addresses, and no guest's names.
//!
//! Rules for semantics:
//! - **Precise faults.** An operation that may fault (memory) comes before any change of
//!   guest-visible state in the same guest instruction; loads whose results could overwrite a still
//!   needed base go to a temporary first. An instruction with several memory accesses must be
//!   restartable from its first.
//! - **Temporaries** (`R::T0..`, `V::T0..`) live within one guest instruction only.
//! - **Flags.** NZCV of the state change only through operations that say so.
//! - **Control flow.** At most one control-flow operation, the last of its instruction, except that
//!   `branch*` fall through when not taken.
//! - **Alignment.** Any access may have any address (an unaligned atomic one costs a split lock),
//!   except that a compare and swap of 16 bytes that is not aligned to them raises an alignment
//!   fault (SIGBUS, BUS_ADRALN).
//! - `R::ZERO` reads as zero and swallows writes (as a destination it still performs loads).

pub use crate::effects::{Effects, Helper, HelperFn, SlotSet};
use crate::fp::FOp;
pub use crate::operands::*;
use crate::state::Cpu;
use crate::vec::VOp;

/// The helper behind [`Ops::fp_standard`]: its argument is [`standard_args`].
pub const FP_STANDARD: Helper = Helper {
    function: fp_standard,
    effects: |arg| {
        let (_, VArgs { d, a, b, c, .. }) = of_standard_args(arg);
        let sources = Effects::NONE.reads_vectors(a, 1).reads_vectors(b, 1).reads_vectors(c, 1);
        sources.writes_vectors(d, 1).environment()
    },
};

fn of_standard_args(arg: u64) -> (FOp, VArgs) {
    let byte = |n: u32| (arg >> (8 * n)) as u8;
    let op = FOp::ALL[byte(0) as usize % FOp::ALL.len()];
    let [d, a, b, c] = [byte(1), byte(2), byte(3), byte(4)].map(V);
    (op, VArgs { d, a, b, c, es: byte(5) & 7, bytes: byte(5) >> 3, imm: (arg >> 48) as u32 })
}

extern "C" fn fp_standard(cpu: &mut Cpu, arg: u64) -> HelperExit {
    let (op, args) = of_standard_args(arg);
    let VArgs { d, a, b, c, .. } = args;
    let [x, y, z] = [a, b, c].map(|v| cpu.vec[v.0 as usize]);
    cpu.vec[d.0 as usize] = crate::fp::eval_standard(op, &args, x, y, z, &mut cpu.fp);
    HelperExit::Continue
}

/// Operation and operands in one constant, for [`FP_STANDARD`]. `imm` has 16 bits.
pub fn standard_args(op: FOp, args: VArgs) -> u64 {
    let VArgs { d, a, b, c, es, bytes, imm } = args;
    u64::from_le_bytes([op as u8, d.0, a.0, b.0, c.0, es | bytes << 3, imm as u8, (imm >> 8) as u8])
}

/// What semantics are written in. See the module's rules.
pub trait Ops {
    // Integer.

    /// d = s (truncated to the width, zero-extended).
    fn mov(&mut self, w: W, d: R, s: Src);
    /// d = guest address `target`, near the instruction (position-free in generated code).
    fn mov_addr(&mut self, d: R, target: u64);
    /// d = a op b.
    fn alu(&mut self, op: Alu, w: W, d: R, a: R, b: Src);
    /// d = a op b, sets NZCV. `op` is Add, Sub (C = no borrow), And or AndNot (C = V = 0).
    fn alu_flags(&mut self, op: Alu, w: W, d: R, a: R, b: Src);
    /// d = a + b + C, or a + !b + C when `sub`; sets NZCV if `flags`.
    fn add_carry(&mut self, sub: bool, flags: bool, w: W, d: R, a: R, b: R);
    /// d = a shifted by b modulo the width.
    fn shift(&mut self, op: Shift, w: W, d: R, a: R, b: Src);
    /// d = a + b, of 32 bits; bit 0 of `sticky`, which has no others, becomes 1 if the signed sum
    /// does not fit. Uses the temporaries 62 and 63.
    fn add_sticky(&mut self, d: R, a: R, b: R, sticky: R) {
        let (sum, other) = (R(62), R(63));
        self.extract(true, W::W64, sum, a, 0, 32);
        self.extract(true, W::W64, other, b, 0, 32);
        self.alu(Alu::Add, W::W64, sum, sum, Src::Reg(other));
        // Bits 31 and 32 differ, and above these all are alike.
        self.alu(Alu::Xor, W::W64, other, sum, Src::Shifted(sum, Shift::Asr, 1));
        self.mov(W::W32, d, Src::Reg(sum));
        self.alu(Alu::Or, W::W64, sticky, sticky, Src::Shifted(other, Shift::Lsr, 31));
    }
    /// d = the product of two halves of registers, signed (`true`: the upper half), or that plus
    /// another register with the overflow in a slot as [`Ops::add_sticky`] has it. Uses the
    /// temporaries T0, T1, 62 and 63.
    fn mul_halves(&mut self, d: R, a: (R, bool), b: (R, bool), add: Option<(R, R)>) {
        for (t, (r, high)) in [(R::T0, a), (R::T1, b)] {
            self.extract(true, W::W64, t, r, if high { 16 } else { 0 }, 16);
        }
        match add {
            None => self.mul(Mul::Add(W::W32), d, R::T0, R::T1, R::ZERO),
            Some((c, sticky)) => {
                self.mul(Mul::Add(W::W32), R::T0, R::T0, R::T1, R::ZERO);
                self.add_sticky(d, R::T0, c, sticky);
            }
        }
    }
    /// d = the lower half of a shifted, not rotated, by the low byte of s, whatever that is:
    /// nothing of it is left beyond 31, but for Asr the sign. Uses the temporaries 62 and 63.
    fn shift_far(&mut self, op: Shift, d: R, a: R, s: R) {
        // Of 64 bits, in which amounts above 63 count as 63.
        let (amount, beyond) = (R(62), R(63));
        self.extract(false, W::W64, amount, s, 0, 8);
        self.set_cmp(Cmp::Geu, beyond, amount, Src::Imm(64));
        self.alu(Alu::Sub, W::W64, beyond, R::ZERO, Src::Reg(beyond));
        self.alu(Alu::Or, W::W64, amount, amount, Src::Reg(beyond));
        self.extract(op == Shift::Asr, W::W64, beyond, a, 0, 32);
        self.shift(op, W::W64, beyond, beyond, Src::Reg(amount));
        self.mov(W::W32, d, Src::Reg(beyond));
    }
    /// d = `len` bits of a at `lsb`, extended to the width. lsb + len <= width.
    fn extract(&mut self, signed: bool, w: W, d: R, a: R, lsb: u8, len: u8);
    /// d = low `len` bits of a, extended to the width, shifted left by `lsb`. lsb + len <= width.
    fn extract_shl(&mut self, signed: bool, w: W, d: R, a: R, lsb: u8, len: u8);
    /// Bits lsb..lsb+len of d = low `len` bits of a; the other bits of d (at the width) stay.
    fn insert(&mut self, w: W, d: R, a: R, lsb: u8, len: u8);
    /// Bits lsb..lsb+16 of d = imm; the other bits of d (at the width) stay. lsb is 0, 16, 32
    /// or 48.
    fn insert_imm16(&mut self, w: W, d: R, imm: u16, lsb: u8);
    /// Low width bits of the double-width hi:lo shifted right by lsb.
    fn extract_pair(&mut self, w: W, d: R, hi: R, lo: R, lsb: u8);
    /// d = op a.
    fn unary(&mut self, op: Unary, w: W, d: R, a: R);
    /// d = multiplication. See [`Mul`].
    fn mul(&mut self, op: Mul, d: R, a: R, b: R, acc: R);
    /// d = a / b.
    fn div(&mut self, signed: bool, zero: DivZero, w: W, d: R, a: R, b: R);
    /// d = a % b; by zero gives a.
    fn rem(&mut self, signed: bool, w: W, d: R, a: R, b: R);
    /// d = cond ? a : sel(b).
    fn select(&mut self, c: Cond, w: W, d: R, a: R, b: R, sel: Sel);
    /// If the condition holds, NZCV = flags of a + b or a - b; else NZCV = `nzcv`.
    fn cond_compare(&mut self, c: Cond, sub: bool, w: W, a: R, b: Src, nzcv: u8);
    /// d = (a cmp b) ? 1 : 0.
    fn set_cmp(&mut self, cmp: Cmp, d: R, a: R, b: Src);
    /// d = CRC32 of `size` bytes of b over a (polynomial 0x1EDC6F41 if `castagnoli`, else
    /// 0x04C11DB7; both reflected).
    fn crc32(&mut self, castagnoli: bool, size: Size, d: R, a: R, b: R);
    /// Whether some of these flags ([`crate::pattern::nzcv`]) may be read before they are set
    /// again; if not, an instruction that sets them need not do so.
    fn flags_matter(&mut self, flags: u8) -> bool {
        _ = flags;
        true
    }
    /// NZ = sign and zero of r at the width; C as `carry` says; V stays. Uses the temporaries 61 to
    /// 63. The last operation of its instruction that has to do with NZCV.
    fn set_nz(&mut self, w: W, r: R, carry: Carry) {
        const C: u64 = 1 << 29;
        let (old, new, bit) = (R(61), R(62), R(63));
        let mut stay = 1 << 28;
        match carry {
            Carry::Keep => stay |= C,
            Carry::Const(_) => {}
            Carry::Bit(s, n) => self.extract(false, W::W64, bit, s, n, 1),
        }
        self.read_flags(old);
        self.alu_flags(Alu::And, w, R::ZERO, r, Src::Reg(r));
        self.read_flags(new);
        self.alu(Alu::And, W::W32, old, old, Src::Imm(stay));
        self.alu(Alu::Or, W::W32, new, new, Src::Reg(old));
        match carry {
            Carry::Keep | Carry::Const(false) => {}
            Carry::Const(true) => self.alu(Alu::Or, W::W32, new, new, Src::Imm(C)),
            Carry::Bit(..) => self.insert(W::W32, new, bit, 29, 1),
        }
        self.write_flags(new);
    }
    /// d = a shifted by n (1 to width - 1), not rotated; NZ as [`Ops::set_nz`] sets them, C = the
    /// last bit shifted out; V stays. Uses the temporaries 60 to 63.
    fn shift_nz(&mut self, op: Shift, w: W, d: R, a: R, n: u8) {
        let result = R(60);
        let bit = if op == Shift::Lsl { w.bits() as u8 - n } else { n - 1 };
        self.mov(w, result, Src::Shifted(a, op, n));
        self.set_nz(w, result, Carry::Bit(a, bit));
        self.mov(w, d, Src::Reg(result));
    }
    /// d = NZCV in bits 31 to 28.
    fn read_flags(&mut self, d: R);
    /// NZCV = bits 31 to 28 of s.
    fn write_flags(&mut self, s: R);

    // Memory.

    /// Faults (SIGBUS, BUS_ADRALN, but see [`FaultAddr`]) unless base + offset, where the
    /// instruction is about to access memory, is a multiple of `bytes`, a power of 2. `offset` is
    /// at most 12 bits long. Comes before anything else in the instruction or, in a step, before
    /// anything is changed.
    fn check_aligned(&mut self, bytes: u32, base: R, offset: i64, write: bool, tells: FaultAddr);
    /// d = memory.
    fn load(&mut self, size: Size, ext: LoadExt, d: R, a: Addr, order: MemOrder);
    /// memory = s.
    fn store(&mut self, size: Size, s: R, a: Addr, order: MemOrder);
    /// d = `bytes` (1, 2, 4, 8, 16) bytes of memory, zero above.
    fn vload(&mut self, bytes: u8, d: V, a: Addr);
    /// memory = low `bytes` bytes of s.
    fn vstore(&mut self, bytes: u8, s: V, a: Addr);
    /// Lane `idx` of d = memory; other lanes stay. `es` is 2 or 3. Uses T0.
    fn vload_lane(&mut self, d: V, es: u8, idx: u8, a: Addr) {
        self.load(Size::from_log2(es as u32), LoadExt::Zero, R::T0, a, MemOrder::Plain);
        self.vset(d, es, idx, R::T0);
    }
    /// Memory = lane `idx` of s. `es` is 2 or 3. Uses T0.
    fn vstore_lane(&mut self, s: V, es: u8, idx: u8, a: Addr) {
        self.vget(false, W::W64, R::T0, s, es, idx);
        self.store(Size::from_log2(es as u32), R::T0, a, MemOrder::Plain);
    }
    /// d = old value (zero-extended), memory = op(old, s); all atomic and sequentially consistent.
    fn rmw(&mut self, op: Rmw, size: Size, d: R, s: R, addr: R);
    /// Compare and swap: if memory == low part of `expected` then memory = new; `expected` = old
    /// memory (zero-extended).
    fn cas(&mut self, size: Size, expected: R, new: R, addr: R);
    /// Compare and swap of two registers of `size` (B4: an 8-byte access, B8: 16 bytes, aligned to
    /// it); first register at the lower address.
    fn cas_pair(&mut self, size: Size, expected: [R; 2], new: [R; 2], addr: R);
    /// Load exclusive: d = memory (zero-extended), and remember address and value, and reserve the
    /// memory (see [`crate::reservations`]).
    fn load_exclusive(&mut self, size: Size, d: R, addr: R);
    /// Load exclusive of a pair of registers of `size` (B4 or B8).
    fn load_exclusive_pair(&mut self, size: Size, d: [R; 2], addr: R);
    /// Store exclusive: status = 0 if the memory at the remembered address is still reserved, held
    /// the remembered value and now holds s, else 1.
    fn store_exclusive(&mut self, size: Size, status: R, s: R, addr: R);
    /// Store exclusive of a pair.
    fn store_exclusive_pair(&mut self, size: Size, status: R, s: [R; 2], addr: R);
    /// Forgets the remembered exclusive address.
    fn clear_exclusive(&mut self);
    /// Memory barrier.
    fn barrier(&mut self, b: Barrier);
    /// The instructions that follow are fetched after this one: the last operation of an
    /// instruction that makes new code visible to its own thread.
    fn sync_fetch(&mut self);

    // Control flow.

    /// Go to a guest address.
    fn jump(&mut self, target: u64);
    /// Go to `target` if the condition holds.
    fn branch(&mut self, c: Cond, target: u64);
    /// Go to `target` if r (at the width) is zero, or not zero when `nonzero`.
    fn branch_zero(&mut self, nonzero: bool, w: W, r: R, target: u64);
    /// Go to `target` if bit `bit` of r is 0, or 1 when `set`.
    fn branch_bit(&mut self, set: bool, r: R, bit: u8, target: u64);
    /// Go to `target` if a cmp b (64 bits).
    fn branch_cmp(&mut self, cmp: Cmp, a: R, b: R, target: u64);
    /// link = address of the next instruction; go to `target`. A call for the return predictor.
    fn call(&mut self, link: R, target: u64);
    /// Go to the address in r.
    fn jump_reg(&mut self, r: R);
    /// t = r; link = address of the next instruction; go to t. A call for the return predictor.
    fn call_reg(&mut self, link: R, r: R);
    /// Go to the address in r, predicted as the return of the matching call.
    fn ret(&mut self, r: R);
    /// System call; execution goes on at the next instruction.
    fn syscall(&mut self);
    /// Raise a trap at this instruction.
    fn trap(&mut self, t: Trap);
    /// Call a helper with the whole state in memory.
    fn helper(&mut self, f: Helper, arg: u64);
    /// What a slot of run-time state likely holds at this instruction, to choose host code behind a
    /// [`Ops::guard`]: the last value of [`Ops::set_likely`] in the unit, before the first the
    /// value that [`crate::run::Guest::likely`] had when the unit was translated. Zero in the
    /// interpreter.
    fn likely(&self) -> u64;
    /// See [`Ops::likely`].
    fn set_likely(&mut self, value: u64);
    /// If the slot's value is not `value`, calls a helper as the whole rest of the instruction.
    /// Returns whether the operations that follow are to be played (generated code has both ways).
    /// No control flow may follow in the instruction, and nothing may have changed before; the
    /// helper may change no general register and no vector slot below 48 that the instruction does
    /// not change otherwise.
    fn guard(&mut self, r: R, value: u32, f: Helper, arg: u64) -> bool;
    /// As [`Ops::guard`] of the bits of `mask` alone. An instruction may have several guards.
    fn guard_bits(&mut self, r: R, mask: u32, value: u32, f: Helper, arg: u64) -> bool;
    /// The rest of the instruction, which is `body`, is played if the condition holds. `next` is
    /// the address of the next instruction. The body may have control flow of its own. (By default
    /// this is a branch to `next` in front of the body.)
    fn when(&mut self, c: Cond, next: u64, body: impl FnOnce(&mut Self))
    where
        Self: Sized,
    {
        self.branch(c.invert(), next);
        body(self);
    }
    /// Plays `then` if the slot's value is `value`, else `otherwise`, as the whole rest of the
    /// instruction. (Generated code has both.) Neither has control flow, sets NZCV or writes a
    /// general register or vector slot below 48 that the instruction does not write on the other
    /// way as well; `otherwise` may begin with guards.
    fn choose(&mut self, r: R, value: u32, then: impl FnOnce(&mut Self), otherwise: impl FnOnce(&mut Self))
    where
        Self: Sized;

    // Vectors and floating point.

    /// d = op(a, b, c) on integer lanes. See [`VArgs`] and [`VOp`].
    fn vec(&mut self, op: VOp, args: VArgs);
    /// Four rounds of SHA-2 in place: `abef` holds f, e, b, a from lane 0 up, `cdgh` holds h, g, d,
    /// c, and `words` the schedule with constants added. Words of 32 bits; or of 64, and then each
    /// of the three is that slot and the next. The three are different slots.
    fn sha2_rounds(&mut self, wide: bool, abef: V, cdgh: V, words: V);
    /// d = op(a, b, c) on floating-point lanes, in the current floating-point environment. See
    /// [`VArgs`] and [`FOp`].
    fn fp(&mut self, op: FOp, args: VArgs);
    /// A slot whose lane 0 is a lane of `v`: `v` itself, or a temporary (T0 to T3) that is none of
    /// `busy`. What is above the lane has no meaning. `es` is 2 or 3. The temporary is not to be
    /// written, but for [`Ops::lane_temporary`]'s answer.
    fn lane(&mut self, v: V, es: u8, idx: u8, busy: &[V]) -> V {
        if idx == 0 {
            return v;
        }
        let t = self.lane_temporary(busy);
        self.vec(VOp::DupLane, VArgs { d: t, a: v, b: v, c: v, es, bytes: 1 << es, imm: idx as u32 });
        t
    }
    /// A temporary (T0 to T3) that is none of `busy`, to be written next.
    fn lane_temporary(&mut self, busy: &[V]) -> V {
        [V::T0, V::T1, V::T2].into_iter().find(|t| !busy.contains(t)).unwrap_or(V::T3)
    }
    /// Lane `idx` of d = lane 0 of `from`; other lanes stay. `es` is 2 or 3.
    fn put_lane(&mut self, d: V, es: u8, idx: u8, from: V) {
        self.vec(VOp::InsertLane, VArgs { d, a: from, b: from, c: d, es, bytes: 16, imm: idx as u32 });
    }
    /// As [`Ops::fp`] of one lane, and what is above it in d has no meaning.
    fn fp_lane(&mut self, op: FOp, args: VArgs) {
        self.fp(op, args);
    }
    /// As [`Ops::fp`] in an environment of its own, whatever the guest's says: round to nearest,
    /// flush denormals of single and double precision to zero, default NaN (Arm's "standard FPSCR",
    /// in which AArch32's Advanced SIMD computes). The half-precision fields are the environment's,
    /// and the flags are added to its own.
    fn fp_standard(&mut self, op: FOp, args: VArgs) {
        self.helper(FP_STANDARD, standard_args(op, args));
    }
    /// The translation mode ([`crate::state::mode`]): whether an instruction's own direction of
    /// rounding is the environment's.
    fn fp_mode(&self) -> u32;
    /// Whether instructions are forbidden now that the guest may forbid
    /// ([`crate::state::mode::RESTRICTED`]).
    fn restricted(&self) -> bool;
    /// d = the five sticky flags of IEEE 754: inexact in bit 0, underflow, overflow, division by
    /// zero, invalid in bit 4 ([`crate::fp::flag`] the other way round).
    fn fp_flags(&mut self, d: R);
    /// Those flags = the low bits of s, in the same order; the others are cleared.
    fn set_fp_flags(&mut self, s: R);
    /// Whether all of the slots hold boxed numbers of `1 << es` bytes (ones from there to bit 63).
    /// If not, the helper is called in place of the whole instruction, nothing of which has been
    /// played yet; on false nothing more of it is to be played.
    fn check_boxes(&mut self, es: u8, slots: &[V], f: Helper, arg: u64) -> bool;
    /// The bits of d above its low `1 << es` bytes become ones up to bit 63.
    fn fp_box(&mut self, d: V, es: u8);
    /// d = lane `idx` of a, zero- or sign-extended (`signed`) to the width.
    fn vget(&mut self, signed: bool, w: W, d: R, a: V, es: u8, idx: u8);
    /// Lane `idx` of d = low bits of s; other lanes stay.
    fn vset(&mut self, d: V, es: u8, idx: u8, s: R);
    /// d = low `1 << es` bytes of s, zero above.
    fn vfrom(&mut self, d: V, es: u8, s: R);
    /// Every lane of d (low `bytes` bytes) = low bits of s, zero above.
    fn vdup(&mut self, d: V, es: u8, bytes: u8, s: R);
    /// d = a constant.
    fn vconst(&mut self, d: V, value: u128);
    /// d = a in the lanes whose number is below `count` (at most 128 bytes of lanes), `b` (zero for
    /// None) in the others. Lane 0 of d has the number `first`.
    fn vtail(&mut self, d: V, a: V, b: Option<V>, es: u8, first: u8, count: R);
    /// d = the top bits of a's lanes, the first lane's in bit 0.
    fn vsigns(&mut self, d: R, a: V, es: u8);
    /// The first `count << es` bytes of consecutive slots = memory at [addr]; the bytes behind them
    /// stay. `slots` is 1, 2, 4 or 8, all of them from 48 up, and `count` no more than they hold.
    /// If it faults, bytes below the one that faults may have changed.
    fn vload_part(&mut self, first: V, slots: u8, es: u8, addr: R, count: R);
    /// Memory at [addr] = the first `count << es` bytes of consecutive slots, as
    /// [`Ops::vload_part`].
    fn vstore_part(&mut self, first: V, slots: u8, es: u8, addr: R, count: R);
    /// Memory at [addr + offset] = those lanes of s for which the top bit of mask's lane is 1;
    /// nothing else is written, nor does it matter whether it could be. `s` is from 48 up. If it
    /// faults, lanes below the one that faults may have been written.
    fn vstore_masked(&mut self, es: u8, s: V, mask: V, addr: R, offset: i32);
    /// Table lookup: byte i of d = byte idx[i] of the `n` (1 to 4) consecutive registers from
    /// `first` (see [`V::after`]); out of range gives zero, or the old byte of d when `keep`. Low
    /// `bytes` bytes, zero above.
    fn vtbl(&mut self, keep: bool, d: V, first: V, n: u8, idx: V, bytes: u8);
    /// Structure load: `n` (2 to 4) consecutive registers from `first` (see [`V::after`]) get
    /// elements de-interleaved from memory at [addr]; each register has `bytes` (8 or 16) bytes,
    /// zero above. Faults before any register changes.
    fn vload_struct(&mut self, n: u8, es: u8, bytes: u8, first: V, addr: R);
    /// Structure store: elements of `n` consecutive registers interleaved to memory at [addr].
    fn vstore_struct(&mut self, n: u8, es: u8, bytes: u8, first: V, addr: R);
    /// d = floating-point lane 0 of a (1 << es bytes) to integer of width w, times 2^fbits first;
    /// saturating, NaN gives zero.
    fn fp_to_int(&mut self, signed: bool, round: Round, w: W, d: R, a: V, es: u8, fbits: u8);
    /// d = integer of width w in s, divided by 2^fbits, as floating point of 1 << es bytes, zero
    /// above.
    fn int_to_fp(&mut self, signed: bool, round: Round, w: W, d: V, s: R, es: u8, fbits: u8);
    /// NZCV = comparison of lane 0 of a and b (b is +0 when None): less 1000, equal 0110, greater
    /// 0010, unordered 0011. `signaling` raises Invalid for any NaN.
    fn fp_compare(&mut self, signaling: bool, es: u8, a: V, b: Option<V>);
    /// d = what [`Ops::fp_compare`] makes of NZCV, in bits 31 to 28; NZCV stay. Uses the temporary
    /// 63.
    fn fp_compare_to(&mut self, d: R, signaling: bool, es: u8, a: V, b: Option<V>) {
        let flags = R(63);
        self.read_flags(flags);
        self.fp_compare(signaling, es, a, b);
        self.read_flags(d);
        self.write_flags(flags);
    }
    /// If the condition holds, as `fp_compare`; else NZCV = `nzcv`.
    fn fp_cond_compare(&mut self, c: Cond, signaling: bool, es: u8, a: V, b: V, nzcv: u8);
    /// d = cond ? a : b, low 1 << es bytes, zero above.
    fn fp_select(&mut self, c: Cond, es: u8, d: V, a: V, b: V);
}

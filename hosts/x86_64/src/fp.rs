//! Floating point as host instructions, with the results and flags of the reference
//! (`anyarch_engine::fp`) bit by bit.
//!
//! The host's unit and the guest's agree on numbers (see `anyarch_engine::fp` for the facts and
//! their tests). They differ in NaNs, so an operation is done by the host, and if its result is a
//! NaN then cold code has the reference function do it over; the sticky flags which the first
//! attempt left are those that the reference raises too. The reference also has its turn where a
//! product, a quotient or a narrowed number is the smallest normal number, which it may have become
//! by rounding: the host does not take that for underflow. Where the attempt could raise a flag too
//! many, the operands are tested before. That holds in translation mode `EXACT`, where the guest's
//! control register differs from the host's default in the direction of rounding alone. In mode
//! `FLUSH` (what programs compiled with `-ffast-math` set) the same code serves after a test that
//! no operand is so small that flushing to zero could have a part in it. In other modes the
//! reference does everything but bit operations.
//!
//! Scalars among boxed numbers (`VArgs::BOXED`, RISC-V) are the same code with ones above the lane instead of zeroes, which the host's scalar instructions
//! take from their first operand too. There every NaN result is the default NaN, so whatever can have one is tested for it.
//!
//! A source must be whole where the cold code begins: the destination is written before that only if it is no source.
//!
//! What always calls the reference: half precision but for conversions, estimates and reciprocal steps, complex and BFloat16 operations, FMULX, FMLAL,
//! rounding to odd and to bounded integers, ties away in vectors, fixed point in vectors and unsigned; fused operations where the host lacks FMA3.
//!
//! Scratch registers are XMM12 to XMM15, RAX and RCX. Scalar results are zero above their lane, for which the translator keeps track of the slots
//! known to be zero there (`zero_above`; or boxed: `boxed`): the host's scalar instructions take those bits from their first operand.

use super::asm::{Cc, Mem, NONE, Near, Op, Rm, Sh, VEnc, opcodes::*, reg::*};
use super::glue::mxcsr;
use super::helpers::{self, pack_convert, pack_vec};
use super::{ColdKind, HostFlags, Test, Translator, state};
use anyarch_engine::fp::{FOp, FpEnv, flag, imm};
use anyarch_engine::ops::*;
use anyarch_engine::state::{Cpu, mode};
use core::mem::offset_of;

const X0: u8 = 12;
const X1: u8 = 13;
const X2: u8 = 14;
const X3: u8 = 15;

type T<'a> = Translator<'a>;

/// Constants at the start of the code region; [`K`] numbers them.
pub(super) const POOL: [u128; 33] = [
    0x7fff_ffff_7fff_ffff_7fff_ffff_7fff_ffff,
    0x7fff_ffff_ffff_ffff_7fff_ffff_ffff_ffff,
    0x8000_0000_8000_0000_8000_0000_8000_0000,
    0x8000_0000_0000_0000_8000_0000_0000_0000,
    0x7fff_ffff,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000,
    0x8000_0000_0000_0000,
    0x4f00_0000_4f00_0000_4f00_0000_4f00_0000,
    0x7fff_7fff_7fff_7fff_7fff_7fff_7fff_7fff,
    0x8000_8000_8000_8000_8000_8000_8000_8000,
    0x7fff,
    0x8000,
    single(-1),
    double(-1),
    single(0),
    double(0),
    single(-126),
    double(-1022),
    single(-100),
    double(-960),
    single(-63),
    double(-511),
    single(-40),
    double(-450),
    single(62),
    double(510),
    double(-126),
    0xffff_ffff_ffff_0000,
    0xffff_ffff_0000_0000,
    0xffff_ffff_ffff_7fff,
    0xffff_ffff_7fff_ffff,
    0x0400_0400_0400_0400_0400_0400_0400_0400,
];

/// 2^n in single precision, four times.
const fn single(n: i32) -> u128 {
    ((127 + n) as u128) << 23 << 32
        | ((127 + n) as u128) << 23
        | ((127 + n) as u128) << 23 << 64
        | ((127 + n) as u128) << 23 << 96
}

/// 2^n in double precision, twice.
const fn double(n: i32) -> u128 {
    ((1023 + n) as u128) << 52 | ((1023 + n) as u128) << 52 << 64
}

/// Index into [`POOL`]. `One` is lane 0 alone.
#[derive(Clone, Copy)]
enum K {
    Abs32,
    Abs64,
    Sign32,
    Sign64,
    AbsOne32,
    AbsOne64,
    SignOne32,
    SignOne64,
    /// 2^31 in single precision.
    TwoTo31,
    Abs16,
    Sign16,
    AbsOne16,
    SignOne16,
    Half32,
    Half64,
    One32,
    One64,
    // Smallest operands, see `flush_limits`.
    Normal32,
    Normal64,
    Sum32,
    Sum64,
    Product32,
    Product64,
    Fused32,
    Fused64,
    // Largest divisors.
    Divisor32,
    Divisor64,
    /// The smallest normal single, as doubles.
    Single64,
    /// What is above a boxed number.
    Box16,
    Box32,
    /// That and all but the number's sign.
    AbsBox16,
    AbsBox32,
    /// The smallest normal half.
    Normal16,
}

/// The constant that clears (or, `sign`, selects) the sign of lanes, of all or of lane 0.
fn sign_constant(sign: bool, es: u8, scalar: bool) -> Option<K> {
    Some(match (sign, es, scalar) {
        (false, 1, false) => K::Abs16,
        (true, 1, false) => K::Sign16,
        (false, 1, true) => K::AbsOne16,
        (true, 1, true) => K::SignOne16,
        (false, 2, false) => K::Abs32,
        (false, 3, false) => K::Abs64,
        (true, 2, false) => K::Sign32,
        (true, 3, false) => K::Sign64,
        (false, 2, true) => K::AbsOne32,
        (false, 3, true) => K::AbsOne64,
        (true, 2, true) => K::SignOne32,
        (true, 3, true) => K::SignOne64,
        _ => return None,
    })
}

// Predicates of CMP.
const EQ: u8 = 0;
const LT: u8 = 1;
const LE: u8 = 2;
const UNORD: u8 = 3;
/// Equal or unordered, without an exception (AVX).
const EQ_UNORD: u8 = 8;
const NE: u8 = 4;
const NLT: u8 = 5;
// Those that raise nothing for quiet NaNs (AVX).
const LT_QUIET: u8 = 0x11;
const GT_QUIET: u8 = 0x1e;

/// A jump to cold code in wait of the place to come back to.
struct Guard {
    site: Near,
    keep_flags: bool,
}

/// What is done with a number after the operation proper.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Post {
    None,
    Abs,
    Neg,
}

impl T<'_> {
    /// d = a op constant.
    fn with_constant(&mut self, e: VEnc, d: u8, a: u8, k: K) {
        self.constant_operand(e, d, a, k, 0);
    }

    /// As `with_constant`; `tail` bytes of the instruction are yet to come.
    fn constant_operand(&mut self, e: VEnc, d: u8, a: u8, k: K, tail: isize) {
        // Encoded with an operand at a 32-bit distance from RBP; then made RIP-relative.
        self.a.v3(e, d, a, Mem::base(RBP, i32::MAX), false, X3);
        let target = self.glue.pool.wrapping_add(k as usize * 16);
        let distance = target as isize - self.a.p as isize - tail;
        self.a.p = self.a.p.wrapping_sub(5);
        // SAFETY: these five bytes were just emitted.
        let modrm = unsafe { self.a.p.read() };
        self.a.b(modrm & 0x38 | 5);
        self.a.d(distance as u32);
    }

    /// Whether the slot is known to be zero above its first lane; among boxed numbers, to be boxed.
    fn is_clean(&self, s: V, es: u8) -> bool {
        if self.boxing {
            return es == 3 || self.boxed[(es >= 2) as usize] >> (s.0 & 127) & 1 != 0;
        }
        self.zero_above[(es >= 3) as usize] >> (s.0 & 127) & 1 != 0
    }

    /// Lane 0 of a slot in a register, its own or `x`, and whether that is zero above.
    fn lane0(&mut self, s: V, es: u8, x: u8) -> (u8, bool) {
        let h = self.vhost(s);
        if h != NONE {
            return (h, self.is_clean(s, es));
        }
        if self.boxing {
            self.a.v2(MOVQ, x, T::vslot(s));
            return (x, self.is_clean(s, es));
        }
        self.a.v2(movs(es), x, T::vslot(s));
        (x, true)
    }

    /// Whether a result that is zero above its lane is complete.
    fn zeroes_complete(&self, bytes: u8) -> bool {
        !self.boxing || bytes == 8
    }

    /// The argument by which the reference function does the operation over.
    fn packed(&self, op: FOp, args: &VArgs) -> u64 {
        let bytes = if self.boxing { VArgs::BOXED } else { args.bytes };
        pack_vec(op as u16, &VArgs { bytes, ..*args })
    }

    /// The `bytes` bytes of a slot in a register, its own or `x`; 8 bytes twice, so that the upper half raises no flags of its own.
    fn lanes(&mut self, s: V, bytes: u8, x: u8) -> u8 {
        if bytes == 16 {
            return self.vgetr(s, x);
        }
        self.a.v2(MOVDDUP, x, self.vrm(s));
        x
    }

    /// Where to compute what goes to `d`: its own register if it is none of the sources', else XMM12.
    fn target(&self, d: V, sources: &[V]) -> u8 {
        let h = self.vhost(d);
        if h == NONE || sources.contains(&d) { X0 } else { h }
    }

    /// d = the low `bytes` bytes of x; `clean` if x is zero above them (boxed).
    fn complete(&mut self, d: V, bytes: u8, x: u8, clean: bool) {
        let h = self.vhost(d);
        let to = if h == NONE { x } else { h };
        match bytes {
            _ if clean => self.a.vmov(to, x),
            2 if self.boxing => self.with_constant(ORPS, to, x, K::Box16),
            4 if self.boxing => self.with_constant(ORPS, to, x, K::Box32),
            16 => self.a.vmov(to, x),
            8 => self.a.v2(MOVQ, to, x),
            4 => self.a.v3i(INSERTPS, to, x, Rm::R(x), 0b1110, X3),
            _ => {
                self.a.v2i(PEXTR[1], x, RAX, 0);
                self.a.v2(MOVD, to, RAX);
            }
        }
        if h == NONE {
            self.a.v2(MOVAPS_STORE, to, T::vslot(d));
        }
    }

    /// Makes EFLAGS free, by saving them only if that is cheap; true if they must be left alone.
    fn flags_kept(&mut self) -> bool {
        if self.host_flags != HostFlags::None && !self.mem_flags && self.flags_live() {
            return true;
        }
        self.drop_flags();
        false
    }

    /// A jump if XMM15 has a lane that is not zero in its sign (`scalar`: lane 0 all ones).
    fn guard_mask(&mut self, keep_flags: bool, es: u8, scalar: bool) -> Guard {
        if scalar {
            self.a.v2(MOVD_STORE, X3, RCX);
        } else {
            self.a.v2(MOVMSK[es as usize & 3], RCX, X3);
        }
        self.guard_rcx(keep_flags)
    }

    /// A jump if RCX is not zero.
    fn guard_rcx(&mut self, keep_flags: bool) -> Guard {
        if keep_flags {
            self.a.jrcxz_over_near();
            return Guard { site: self.a.jmp_near(), keep_flags };
        }
        self.a.test(false, Rm::R(RCX), RCX);
        Guard { site: self.a.jcc_near(Cc::Ne), keep_flags }
    }

    /// A jump if a result that may be tiny has a lane that is a NaN, or is the smallest normal number: it may have become that by rounding, which
    /// is underflow where tininess counts before rounding, and the host counts it after. Uses XMM15, and XMM14 without AVX.
    fn guard_result(&mut self, es: u8, scalar: bool, x: u8) -> Guard {
        if self.boxing {
            return self.guard_nan(es, scalar, x, Rm::R(x));
        }
        let keep_flags = self.flags_kept();
        let (abs, normal) = if es == 3 { (K::Abs64, K::Normal64) } else { (K::Abs32, K::Normal32) };
        self.with_constant(ANDPS, X3, x, abs);
        if scalar && !keep_flags {
            let a = if self.a.avx { 0 } else { X3 };
            self.with_constant(ucomis(es), X3, a, normal);
            // Equal or unordered.
            return Guard { site: self.a.jcc_near(Cc::E), keep_flags };
        }
        let cmp = arith(es, scalar, CMP);
        self.constant_operand(cmp, X3, X3, normal, 1);
        if self.a.avx {
            self.a.b(EQ_UNORD);
        } else {
            self.a.b(EQ);
            self.a.v3i(cmp, X2, x, Rm::R(x), UNORD, X2);
            self.a.v3(ORPS, X3, X3, Rm::R(X2), true, NONE);
        }
        self.guard_mask(keep_flags, es, scalar)
    }

    /// A jump if the result of a conversion between single and double has a lane that may need more than the host did.
    fn guard_converted(&mut self, to: u8, scalar: bool, x: u8) -> Guard {
        if to == 2 { self.guard_result(2, scalar, x) } else { self.guard_nan(to, scalar, x, Rm::R(x)) }
    }

    /// As [`Self::guard_result`] for halves, which are no NaNs, in `x` (zero above the result).
    fn guard_half(&mut self, x: u8) -> Option<Guard> {
        if self.boxing {
            return None;
        }
        let keep_flags = self.flags_kept();
        self.with_constant(ANDPS, X3, x, K::Abs16);
        self.with_constant(PCMPEQ[1], X3, X3, K::Normal16);
        self.a.v2(MOVMSK[0], RCX, X3);
        Some(self.guard_rcx(keep_flags))
    }

    /// A jump if a or b is a NaN, in lane 0 or any lane.
    fn guard_nan(&mut self, es: u8, scalar: bool, a: u8, b: Rm) -> Guard {
        let keep_flags = self.flags_kept();
        if scalar && !keep_flags {
            self.a.v2(ucomis(es), a, b);
            return Guard { site: self.a.jcc_near(Cc::P), keep_flags };
        }
        self.a.v3i(arith(es, scalar, CMP), X3, a, b, UNORD, X3);
        self.guard_mask(keep_flags, es, scalar)
    }

    /// The cold code of a guard: calls the helper, and comes back to here.
    fn resume(&mut self, guard: Guard, f: HelperFn, arg: u64) {
        let kind =
            if guard.keep_flags { ColdKind::HelperKeepingFlags(f, arg) } else { ColdKind::Helper(f, arg) };
        self.resume_as(guard.site, kind);
    }

    fn resume_as(&mut self, site: Near, kind: ColdKind) {
        let insn = self.draft.marks.len() as u16;
        self.a.label = self.a.p;
        self.cold.push(super::Cold { site, resume: self.a.p, kind, insn });
    }

    fn post(&mut self, post: Post, es: u8, scalar: bool, x: u8) {
        match sign_constant(post == Post::Neg, es, scalar) {
            Some(k) if post != Post::None => {
                self.with_constant(if post == Post::Neg { XORPS } else { ANDPS }, x, x, k)
            }
            _ => {}
        }
    }
}

/// Jumps to the helper in place of the instruction unless the slots are boxed.
pub(super) fn check_boxes(t: &mut T<'_>, es: u8, slots: &[V], f: HelperFn, arg: u64) {
    let (mut pinned, mut n) = (NONE, 0);
    let mut sites = [Near(core::ptr::null_mut()); 4];
    if !(1..=2).contains(&es) {
        return;
    }
    for (i, &s) in slots.iter().enumerate() {
        let known = t.boxed[es as usize - 1] >> (s.0 & 127) & 1 != 0;
        if known || slots[..i].contains(&s) {
            continue;
        }
        t.clobber_flags();
        let h = t.vhost(s);
        if h == NONE && es == 2 {
            let mut m = T::vslot(s);
            m.disp += 4;
            t.a.alu_imm(Op::Cmp, false, m, -1);
            sites[n & 3] = t.a.jcc_near(Cc::Ne);
            n += 1;
        } else if h == NONE {
            if pinned == NONE {
                t.a.v2(MOVQ, X0, T::vslot(s));
            } else {
                t.a.v3(ANDPS, X0, pinned, T::vslot(s), true, X3);
            }
            pinned = X0;
        } else if pinned == NONE {
            pinned = h;
        } else {
            t.a.v3(ANDPS, X0, pinned, Rm::R(h), true, X3);
            pinned = X0;
        }
    }
    if pinned != NONE {
        if es == 2 {
            t.a.v2i(PEXTR[2], pinned, RAX, 1);
            t.a.alu_imm(Op::Cmp, false, Rm::R(RAX), -1);
        } else {
            t.a.v2(MOVQ_TO_GPR, pinned, RAX);
            t.a.alu_imm(Op::Cmp, true, Rm::R(RAX), -0x10000);
        }
        sites[n & 3] = t.a.jcc_near(if es == 2 { Cc::Ne } else { Cc::B });
        n += 1;
    }
    let next = t.next_pc;
    for site in sites.into_iter().take(n) {
        t.resume_as(site, ColdKind::Instead(f, arg, next));
    }
    for &s in slots {
        t.is_boxed(s, es);
    }
}

fn sticky_flags() -> Mem {
    state(offset_of!(Cpu, fp) + offset_of!(FpEnv, flags))
}

/// MXCSR's flags (IE DE ZE OE UE PE from bit 0) as [`Ops::fp_flags`] has them, and behind them these as MXCSR's.
pub(super) const FLAG_TABLES: [u8; 96] = {
    let mut out = [0; 96];
    let mut i = 0;
    while i < 64 {
        out[i] = flag::reversed((i & 1 | i >> 1 & 0x1e) as u8);
        i += 1;
    }
    while i < 96 {
        let flags = flag::reversed(i as u8);
        out[i] = flags & 1 | (flags & 0x1e) << 1;
        i += 1;
    }
    out
};

/// RAX = the byte at RAX in the table that begins at `from` of [`FLAG_TABLES`]. Uses RCX.
fn look_up_flags(t: &mut T<'_>, from: u64) {
    t.a.lea_rip(RCX, t.glue.flag_tables as u64 + from);
    t.a.movzx(1, RAX, Mem::index(RCX, RAX, 0, 0));
}

pub(super) fn flags(t: &mut T<'_>, d: R) {
    if d == R::ZERO {
        return;
    }
    t.clobber_flags();
    // Flags that reference functions raised go to MXCSR first, where they stay.
    let again = t.a.p;
    t.a.label = again;
    t.a.test8_imm(sticky_flags(), flag::IEEE);
    let site = t.a.jcc_near(Cc::Ne);
    let insn = t.draft.marks.len() as u16;
    let kind = ColdKind::Helper(helpers::gather_fp_flags, 0);
    t.cold.push(super::Cold { site, resume: again, kind, insn });
    mxcsr(&mut t.a, 3);
    t.a.movzx(1, RAX, state(offset_of!(Cpu, host_fp)));
    t.a.alu_imm(Op::And, false, Rm::R(RAX), 0x3f);
    look_up_flags(t, 0);
    t.put(d, RAX);
}

pub(super) fn set_flags(t: &mut T<'_>, s: R) {
    t.clobber_flags();
    t.get_into(false, s, RAX);
    t.a.alu_imm(Op::And, false, Rm::R(RAX), flag::IEEE as i32);
    look_up_flags(t, 64);
    t.a.mov_store8_imm(sticky_flags(), 0);
    // Often they are what they were.
    mxcsr(&mut t.a, 3);
    t.a.mov(false, RCX, state(offset_of!(Cpu, host_fp)));
    t.a.alu(Op::Xor, false, RAX, Rm::R(RCX));
    t.a.alu_imm(Op::And, false, Rm::R(RAX), 0x3f);
    let same = t.a.jcc_short(Cc::E);
    t.a.alu(Op::Xor, false, RAX, Rm::R(RCX));
    t.a.mov_store(false, state(offset_of!(Cpu, host_fp)), RAX);
    mxcsr(&mut t.a, 2);
    t.a.bind(same);
}

pub(super) fn fp_box(t: &mut T<'_>, d: V, es: u8) {
    let k = match es {
        1 => K::Box16,
        2 => K::Box32,
        _ => return,
    };
    let x = t.vgetr(d, X0);
    t.with_constant(ORPS, x, x, k);
    t.vput(d, x);
    t.wrote(d, 16);
    t.is_boxed(d, es);
}

pub(super) fn fp(t: &mut T<'_>, op: FOp, mut args: VArgs) {
    use FOp::*;
    let arg = pack_vec(op as u16, &args);
    if args.bytes == VArgs::BOXED {
        args.bytes = 1 << args.boxed_size(op);
        t.boxing = true;
    }
    let bits = matches!(op, Abs | Neg | CopySign | CopySignNot | XorSign);
    if t.mode == mode::FLUSH && !bits {
        match flush_limits(t, op, &args) {
            Some(limits) => {
                let site = flush_guard(t, op, &args, limits);
                let done = lower(t, op, &args);
                debug_assert!(done, "{op:?} {args:?}");
                if let Some(site) = site {
                    t.resume_as(site, ColdKind::Helper(helpers::fp, arg));
                }
            }
            None => t.inline_helper(helpers::fp, arg),
        }
    } else if t.mode == mode::OTHER && !bits || !lower(t, op, &args) {
        t.inline_helper(helpers::fp, arg);
    }
    let bytes = match op {
        AcrossMax | AcrossMin | AcrossMaxNum | AcrossMinNum => 1 << args.es,
        _ => args.bytes,
    };
    if t.boxing {
        t.boxing = false;
        t.wrote(args.d, 16);
        return t.is_boxed(args.d, args.boxed_size(op));
    }
    t.wrote(args.d, bytes);
}

/// What the magnitudes of operands may be so that flushing to zero has no part in the operation: for a, b, c the constants that they must not be below,
/// unless zero; and one that b must not be above. None if the operation has no host code in that mode.
///
/// Then neither an operand is denormal nor can the result be tiny: a sum is a multiple of the lesser operand's last place, and so on.
fn flush_limits(t: &T<'_>, op: FOp, args: &VArgs) -> Option<([Option<K>; 3], Option<K>)> {
    use FOp::*;
    let VArgs { es, bytes, imm, .. } = *args;
    if !t.a.avx || es < 2 {
        return None;
    }
    let pick = |k32: K, k64: K| Some(if es == 3 { k64 } else { k32 });
    let normal = pick(K::Normal32, K::Normal64);
    let sum = pick(K::Sum32, K::Sum64);
    let product = pick(K::Product32, K::Product64);
    let fused = pick(K::Fused32, K::Fused64);
    let rounding = host_rounding(imm::direction(imm)).is_some();
    let limits = match op {
        Add | Sub | AbsDiff | PairAdd => [sum, sum, None],
        Mul | NegMul => [product, product, None],
        Div => return Some(([product, normal, None], pick(K::Divisor32, K::Divisor64))),
        MulAdd | MulSub | NegMulAdd | NegMulSub if t.features.fma => [fused, fused, sum],
        Max | Min | MaxNum | MinNum | MaxNumber | MinNumber | PairMax | PairMin | PairMaxNum | PairMinNum => {
            [normal, normal, None]
        }
        CmpEq | CmpGe | CmpGt | CmpAbsGe | CmpAbsGt => [normal, normal, None],
        Sqrt | CmpEqZero | CmpGeZero | CmpGtZero | CmpLeZero | CmpLtZero => [normal, None, None],
        RoundInt | RoundIntExact if rounding => [normal, None, None],
        ToSigned | ToUnsigned if rounding && imm::fbits(imm) == 0 && (es == 2 || bytes == 8) => {
            [normal, None, None]
        }
        FromSigned | FromUnsigned => [None; 3],
        Convert if es == 2 && imm & 3 == 3 => [normal, None, None],
        Convert | NarrowHigh if es == 3 && imm & 3 == 2 => [Some(K::Single64), None, None],
        _ => return None,
    };
    Some((limits, None))
}

/// A jump if an operand is outside the limits. EFLAGS are free from here on. Uses all scratch registers.
fn flush_guard(
    t: &mut T<'_>,
    op: FOp,
    args: &VArgs,
    (least, most): ([Option<K>; 3], Option<K>),
) -> Option<Near> {
    use FOp::*;
    let VArgs { a, b, c, es, mut bytes, .. } = *args;
    t.clobber_flags();
    let mut unary = false;
    match op {
        // The source's bytes, not the result's.
        Convert if es == 2 && bytes == 16 => bytes = 8,
        Convert if es == 2 || bytes == 4 => bytes = 1 << es,
        Convert => bytes = 16,
        PairAdd | PairMax | PairMin | PairMaxNum | PairMinNum if bytes == 1 << es => {
            bytes *= 2;
            unary = true;
        }
        _ => {}
    }
    // Where b is a, a's limit is no weaker than b's.
    let tests = [
        least[0].map(|k| (a, k, LT_QUIET)),
        least[1].filter(|_| a != b && !unary).map(|k| (b, k, LT_QUIET)),
        least[2].map(|k| (c, k, LT_QUIET)),
        most.map(|k| (b, k, GT_QUIET)),
    ];
    flush_tests(t, es, bytes, &tests)
}

/// A jump if in one of the slots a lane's magnitude is below the constant but not zero, or is above it.
fn flush_tests(t: &mut T<'_>, es: u8, bytes: u8, tests: &[Option<(V, K, u8)>]) -> Option<Near> {
    let scalar = bytes == 1 << es;
    let cmp = arith(es, scalar, CMP);
    let mut first = true;
    for &(s, k, predicate) in tests.iter().flatten() {
        let r = if scalar { t.lane0(s, es, X1).0 } else { t.lanes(s, bytes, X1) };
        t.with_constant(ANDPS, X2, r, if es == 3 { K::Abs64 } else { K::Abs32 });
        if predicate == LT_QUIET {
            t.a.vex(XORPS, X0, X0, X0);
            t.a.vex(cmp, X0, X0, X2);
            t.a.b(NE);
        }
        t.constant_operand(cmp, X2, X2, k, 1);
        t.a.b(predicate);
        if predicate == LT_QUIET {
            t.a.vex(ANDPS, X2, X2, X0);
        }
        if first {
            t.a.vmov(X3, X2);
        } else {
            t.a.vex(ORPS, X3, X3, X2);
        }
        first = false;
    }
    (!first).then(|| t.guard_mask(false, es, scalar).site)
}

/// A jump if lane 0 of a slot is denormal. EFLAGS are free from here on.
fn denormal_guard(t: &mut T<'_>, es: u8, slots: [Option<V>; 2]) -> Option<Near> {
    t.clobber_flags();
    let k = if es == 3 { K::Normal64 } else { K::Normal32 };
    flush_tests(t, es, 1 << es, &slots.map(|s| s.map(|s| (s, k, LT_QUIET))))
}

/// Emits the operation. False, and nothing emitted, if it has no host code.
fn lower(t: &mut T<'_>, op: FOp, args: &VArgs) -> bool {
    use FOp::*;
    let VArgs { d, a, b, c, es, bytes, imm } = *args;
    let scalar = bytes == 1 << es;
    if let CopySign | CopySignNot | XorSign = op {
        return copy_sign(t, op, args);
    }
    if let Abs | Neg = op {
        let Some(mut k) = sign_constant(op == Neg, es, scalar) else { return false };
        if t.boxing && op == Abs {
            k = abs_boxed(es);
        }
        let ra = t.vgetr(a, X0);
        let clean = bytes == 16 || scalar && (op == Abs || (es > 1 || t.boxing) && t.is_clean(a, es));
        let x = t.vdef(d, X0);
        t.with_constant(if op == Neg { XORPS } else { ANDPS }, x, ra, k);
        t.complete(d, bytes, x, clean);
        return true;
    }
    if let Convert | WidenHigh | NarrowHigh = op {
        return convert(t, op, args);
    }
    if !(es == 2 || es == 3) {
        return false;
    }
    let again = (helpers::fp as HelperFn, t.packed(op, args));
    match op {
        Add => binary(t, ADD, true, args, Post::None, again),
        Sub => binary(t, SUB, false, args, Post::None, again),
        Mul => binary(t, MUL, true, args, Post::None, again),
        NegMul => binary(t, MUL, true, args, Post::Neg, again),
        Div => binary(t, DIV, false, args, Post::None, again),
        AbsDiff => binary(t, SUB, false, args, Post::Abs, again),
        Sqrt => {
            let (x, clean) = if scalar {
                (unary(t, arith(es, true, SQRT), None, args, true, es), true)
            } else {
                let ra = t.lanes(a, bytes, X1);
                let x = t.target(d, &[a]);
                t.a.v2(arith(es, false, SQRT), x, ra);
                (x, bytes == 16)
            };
            let guard = t.guard_nan(es, scalar, x, Rm::R(x));
            t.complete(d, bytes, x, clean);
            t.resume(guard, again.0, again.1);
        }
        RoundInt if scalar && imm::direction(imm) == Round::NearestAway => {
            t.clobber_flags();
            let site = small_magnitude(t, es, if es == 3 { 52 } else { 23 }, a);
            round_away(t, es, a);
            t.complete(d, bytes, X0, t.zeroes_complete(bytes));
            t.resume_as(site, ColdKind::Helper(again.0, again.1));
        }
        RoundInt | RoundIntExact => {
            let Some(mut mode) = host_rounding(imm::direction(imm)) else { return false };
            if op == RoundInt {
                mode |= 8;
            }
            if scalar {
                let x = unary(t, rounds(es), Some(mode), args, true, es);
                let guard = t.boxing.then(|| t.guard_nan(es, true, x, Rm::R(x)));
                t.complete(d, bytes, x, true);
                if let Some(guard) = guard {
                    t.resume(guard, again.0, again.1);
                }
            } else {
                let ra = t.lanes(a, bytes, X1);
                let x = t.vdef(d, X0);
                t.a.v2i(roundp(es), x, ra, mode);
                t.complete(d, bytes, x, bytes == 16);
            }
        }
        Max | MaxNum | MaxNumber | Min | MinNum | MinNumber => {
            let max = matches!(op, Max | MaxNum | MaxNumber);
            let (ra, rb, clean) = if scalar {
                let (ra, clean_a) = t.lane0(a, es, X1);
                let (rb, clean_b) = t.lane0(b, es, X2);
                (ra, rb, if max && !t.boxing { clean_a || clean_b } else { clean_a && clean_b })
            } else {
                (t.lanes(a, bytes, X1), t.lanes(b, bytes, X2), bytes == 16)
            };
            let guard = t.guard_nan(es, scalar, ra, Rm::R(rb));
            let x = t.vdef(d, X0);
            extreme(t, max, es, scalar, x, ra, rb);
            t.complete(d, bytes, x, clean);
            t.resume(guard, again.0, again.1);
        }
        PairAdd => {
            let (ra, rb, clean) = pair_sources(t, args);
            let x = t.target(d, &[a, b]);
            t.a.v3(arith(es, scalar, ADD), x, ra, rb, true, X3);
            let guard = t.guard_nan(es, scalar, x, Rm::R(x));
            t.complete(d, bytes, x, clean);
            t.resume(guard, again.0, again.1);
        }
        PairMax | PairMaxNum | PairMin | PairMinNum => {
            let (ra, rb, _) = pair_sources(t, args);
            let guard = t.guard_nan(es, scalar, ra, Rm::R(rb));
            let x = t.vdef(d, X0);
            extreme(t, matches!(op, PairMax | PairMaxNum), es, scalar, x, ra, rb);
            t.complete(d, bytes, x, bytes == 16);
            t.resume(guard, again.0, again.1);
        }
        AcrossMax | AcrossMaxNum | AcrossMin | AcrossMinNum if es == 2 && bytes == 16 => {
            let max = matches!(op, AcrossMax | AcrossMaxNum);
            let ra = t.vgetr(a, X1);
            let guard = t.guard_nan(es, false, ra, Rm::R(ra));
            t.a.v2i(PSHUFD, X2, ra, 0xb1);
            extreme(t, max, es, false, X0, ra, X2);
            t.a.v2i(PSHUFD, X2, X0, 0x4e);
            extreme(t, max, es, false, X1, X0, X2);
            t.complete(d, 4, X1, false);
            t.resume(guard, again.0, again.1);
        }
        MulAdd | MulSub | NegMulAdd | NegMulSub if t.features.fma => {
            let form = match op {
                MulAdd => Fused::Madd,
                NegMulSub => Fused::Msub,
                MulSub => Fused::Nmadd,
                _ => Fused::Nmsub,
            };
            mul_add(t, form, args, again);
        }
        CmpEq => compare(t, args, Some(a), Some(b), EQ, false),
        CmpGe => compare(t, args, Some(b), Some(a), LE, false),
        CmpGt => compare(t, args, Some(b), Some(a), LT, false),
        CmpAbsGe => compare(t, args, Some(b), Some(a), LE, true),
        CmpAbsGt => compare(t, args, Some(b), Some(a), LT, true),
        CmpEqZero => compare(t, args, Some(a), None, EQ, false),
        CmpGeZero => compare(t, args, None, Some(a), LE, false),
        CmpGtZero => compare(t, args, None, Some(a), LT, false),
        CmpLeZero => compare(t, args, Some(a), None, LE, false),
        CmpLtZero => compare(t, args, Some(a), None, LT, false),
        ToSigned | ToUnsigned => return to_int(t, op == ToSigned, args, again),
        FromSigned | FromUnsigned => return from_int(t, op == FromSigned, args, again),
        _ => return false,
    }
    let _ = (b, c);
    true
}

/// ROUNDPS's immediate for a direction. There is no ties-away and no rounding to odd.
fn host_rounding(round: Round) -> Option<u8> {
    match round {
        Round::NearestEven => Some(0),
        Round::Down => Some(1),
        Round::Up => Some(2),
        Round::Zero => Some(3),
        Round::Current => Some(4),
        Round::NearestAway | Round::Odd => None,
    }
}

fn binary(t: &mut T<'_>, op: u8, commutes: bool, args: &VArgs, post: Post, again: (HelperFn, u64)) {
    let VArgs { d, a, b, es, bytes, .. } = *args;
    let scalar = bytes == 1 << es;
    let x = t.target(d, &[a, b]);
    let clean = if scalar {
        let (mut p, mut q) = (a, b);
        if commutes && t.vhost(p) != NONE && !t.is_clean(p, es) && (t.vhost(q) == NONE || t.is_clean(q, es)) {
            (p, q) = (q, p);
        }
        let (rp, clean) = t.lane0(p, es, X1);
        let q = t.vrm(q);
        t.a.v3(arith(es, true, op), x, rp, q, false, X3);
        clean
    } else if bytes == 16 {
        let ra = t.vgetr(a, X1);
        let b = t.vrm(b);
        t.a.v3(arith(es, false, op), x, ra, b, false, X3);
        true
    } else {
        let ra = t.lanes(a, bytes, X1);
        let rb = t.lanes(b, bytes, X2);
        t.a.v3(arith(es, false, op), x, ra, rb, false, X3);
        false
    };
    let guard = match op {
        MUL | DIV => t.guard_result(es, scalar, x),
        _ => t.guard_nan(es, scalar, x, Rm::R(x)),
    };
    t.post(post, es, scalar, x);
    t.complete(d, bytes, x, clean);
    t.resume(guard, again.0, again.1);
}

/// A scalar instruction of one source with a result of `1 << to` bytes. The register of the result, which is not the source's and is zero above (boxed).
/// (With `merge` the bits above may come from the source itself, if they are zero.)
fn unary(t: &mut T<'_>, e: VEnc, imm: Option<u8>, args: &VArgs, merge: bool, to: u8) -> u8 {
    let VArgs { d, a, es, .. } = *args;
    let x = t.target(d, &[a]);
    let rm = t.vrm(a);
    match rm {
        Rm::R(r) if merge && t.is_clean(a, es) && t.a.avx => t.a.v3(e, x, r, rm, false, X3),
        _ => {
            // The bits above come from a constant, without waiting for the old value.
            if t.boxing && to == 2 {
                t.with_constant(MOVAPS, x, 0, K::Box32);
            } else {
                t.a.v3(XORPS, x, x, Rm::R(x), true, X3);
            }
            t.a.v3(e, x, x, rm, false, X3);
        }
    }
    if let Some(imm) = imm {
        t.a.b(imm);
    }
    x
}

/// The constant that clears the sign of a boxed number.
fn abs_boxed(es: u8) -> K {
    match es {
        1 => K::AbsBox16,
        2 => K::AbsBox32,
        _ => K::AbsOne64,
    }
}

/// a with a sign that depends on b's.
fn copy_sign(t: &mut T<'_>, op: FOp, args: &VArgs) -> bool {
    let VArgs { d, a, b, es, bytes, .. } = *args;
    let scalar = bytes == 1 << es;
    let (Some(sign), Some(mut abs)) = (sign_constant(true, es, scalar), sign_constant(false, es, scalar))
    else {
        return false;
    };
    if t.boxing {
        abs = abs_boxed(es);
    }
    let ra = t.vgetr(a, X1);
    let clean_a = scalar && (es > 1 || t.boxing) && t.is_clean(a, es);
    let (x, clean) = if op == FOp::CopySign && a == b {
        if bytes == 16 || clean_a {
            (ra, true)
        } else {
            t.a.vmov(X0, ra);
            (X0, false)
        }
    } else {
        let rb = t.vgetr(b, X2);
        t.with_constant(if op == FOp::CopySignNot { ANDNPS } else { ANDPS }, X2, rb, sign);
        let x = t.vdef(d, X0);
        if op == FOp::XorSign {
            t.a.v3(XORPS, x, ra, Rm::R(X2), true, X3);
            (x, bytes == 16 || clean_a)
        } else {
            t.with_constant(ANDPS, X0, ra, abs);
            t.a.v3(ORPS, x, X0, Rm::R(X2), true, X3);
            (x, bytes == 16 || scalar)
        }
    };
    t.complete(d, bytes, x, clean);
    true
}

/// x = the larger or smaller of p and q, which are no NaNs. Uses XMM15; x may be p or q.
fn extreme(t: &mut T<'_>, max: bool, es: u8, scalar: bool, x: u8, p: u8, q: u8) {
    // Of two zeroes the instruction takes the second, so both orders together have both signs.
    let e = arith(es, scalar, if max { MAX } else { MIN });
    t.a.v3(e, X3, p, q, false, X3);
    if x == p {
        if t.a.avx {
            t.a.v3(e, x, q, p, false, NONE);
        } else {
            // No third operand: q op p in a register of its own. XMM12 is only ever a result here.
            t.a.vmov(X0, q);
            t.a.sse(e, X0, p);
            t.a.vmov(x, X0);
        }
    } else {
        t.a.v3(e, x, q, p, false, NONE);
    }
    t.a.v3(if max { ANDPS } else { ORPS }, x, x, X3, true, NONE);
}

/// The even and the odd lanes of what a pairwise operation combines, the latter not a source's register; and whether the result will be zero above.
fn pair_sources(t: &mut T<'_>, args: &VArgs) -> (u8, u8, bool) {
    let VArgs { a, b, es, bytes, .. } = *args;
    if bytes == 1 << es {
        let ra = t.vgetr(a, X1);
        t.a.v2i(PSHUFD, X2, ra, if es == 3 { 0xee } else { 0x55 });
        return (ra, X2, false);
    }
    let ra = t.vgetr(a, X1);
    let rb = t.vrm(b);
    match (es, bytes) {
        (3, _) => {
            t.a.v3(UNPCKHPD, X2, ra, rb, false, X3);
            t.a.v3(UNPCKLPD, X1, ra, rb, false, X3);
        }
        (_, 16) => {
            t.a.v3i(SHUFPS, X2, ra, rb, 0xdd, X3);
            t.a.v3i(SHUFPS, X1, ra, rb, 0x88, X3);
        }
        _ => {
            t.a.v3(UNPCKLPS, X0, ra, rb, false, X3);
            t.a.v2i(PSHUFD, X1, X0, 0x44);
            t.a.v2i(PSHUFD, X2, X0, 0xee);
        }
    }
    (X1, X2, bytes == 16)
}

/// FMA3.
fn mul_add(t: &mut T<'_>, form: Fused, args: &VArgs, again: (HelperFn, u64)) {
    let VArgs { d, a, b, c, es, bytes, .. } = *args;
    let scalar = bytes == 1 << es;
    // Addend in the destination; addend in the third operand.
    let (f231, f213) = (fma231(form, es, scalar), fma213(form, es, scalar));
    let h = t.vhost(d);
    if bytes == 8 && !scalar {
        t.a.v2(MOVDDUP, X0, t.vrm(c));
        t.a.v2(MOVDDUP, X1, t.vrm(a));
        t.a.v2(MOVDDUP, X2, t.vrm(b));
        t.a.vex(f231, X0, X1, X2);
        let guard = t.guard_result(es, false, X0);
        t.complete(d, 8, X0, false);
        return t.resume(guard, again.0, again.1);
    }
    let clean_c = !scalar || t.is_clean(c, es) || t.vhost(c) == NONE;
    if h != NONE && d == c && d != a && d != b && clean_c {
        // In place; the addend is put back if it was for nothing.
        let ra = t.vgetr(a, X1);
        t.a.vmov(X0, h);
        t.a.vex(f231, h, ra, t.vrm(b));
        let guard = t.guard_result(es, scalar, h);
        let kind = ColdKind::HelperRestoring(again.0, again.1, h, X0, guard.keep_flags);
        return t.resume_as(guard.site, kind);
    }
    let x = t.target(d, &[a, b, c]);
    let mut clean = true;
    if clean_c {
        let ra = t.vgetr(a, X1);
        if scalar && t.vhost(c) == NONE {
            t.a.v2(if t.boxing { MOVQ } else { movs(es) }, x, T::vslot(c));
        } else {
            t.a.v2(MOVAPS, x, t.vrm(c));
        }
        t.a.vex(f231, x, ra, t.vrm(b));
    } else {
        // A scalar whose addend has something above: a factor may have nothing there.
        let (mut p, mut q) = (a, b);
        if t.vhost(p) != NONE && !t.is_clean(p, es) {
            (p, q) = (q, p);
        }
        let (rp, clean_p) = t.lane0(p, es, x);
        t.a.vmov(x, rp);
        let rq = t.vgetr(q, X1);
        t.a.vex(f213, x, rq, t.vrm(c));
        clean = clean_p;
    }
    let guard = t.guard_result(es, scalar, x);
    t.complete(d, bytes, x, clean);
    t.resume(guard, again.0, again.1);
}

/// d = mask of p predicate q (None: zero). The instruction's flags are right for all operands.
fn compare(t: &mut T<'_>, args: &VArgs, p: Option<V>, q: Option<V>, predicate: u8, abs: bool) {
    let VArgs { d, es, bytes, .. } = *args;
    let scalar = bytes == 1 << es;
    let mut operand = |s: Option<V>, x: u8| match s {
        None => {
            t.a.v3(XORPS, x, x, Rm::R(x), true, X3);
            (x, true)
        }
        Some(s) if scalar => t.lane0(s, es, x),
        Some(s) => (t.lanes(s, bytes, x), bytes == 16),
    };
    let (mut rp, clean) = operand(p, X1);
    let (mut rq, _) = operand(q, X2);
    if let (true, Some(k)) = (abs, sign_constant(false, es, false)) {
        t.with_constant(ANDPS, X1, rp, k);
        t.with_constant(ANDPS, X2, rq, k);
        (rp, rq) = (X1, X2);
    }
    let x = t.vdef(d, X0);
    t.a.v3i(arith(es, scalar, CMP), x, rp, rq, predicate, X3);
    // The mask of zero operands above may be ones.
    t.complete(d, bytes, x, if scalar { clean } else { bytes == 16 });
}

fn convert(t: &mut T<'_>, op: FOp, args: &VArgs) -> bool {
    let VArgs { d, a, c, es, bytes, .. } = *args;
    let to = args.imm as u8 & 3;
    let again = (helpers::fp as HelperFn, t.packed(op, args));
    match (op, es, to) {
        (FOp::Convert, 2, 3) | (FOp::Convert, 3, 2) if bytes == 1 << to => {
            let x = unary(t, arith(es, true, CVT), None, args, es == 2, to);
            let guard = t.guard_converted(to, true, x);
            t.complete(d, bytes, x, true);
            t.resume(guard, again.0, again.1);
        }
        (FOp::Convert, 2, 3) | (FOp::Convert, 3, 2) | (FOp::WidenHigh, 2, 3) => {
            let mut rm = t.vrm(a);
            if op == FOp::WidenHigh {
                t.a.v2i(PSHUFD, X1, rm, 0xee);
                rm = Rm::R(X1);
            }
            let x = t.target(d, &[a]);
            t.a.v2(arith(es, false, CVT), x, rm);
            let guard = t.guard_converted(to, false, x);
            t.complete(d, bytes, x, true);
            t.resume(guard, again.0, again.1);
        }
        (FOp::NarrowHigh, 3, 2) => {
            t.a.v2(arith(3, false, CVT), X1, t.vrm(a));
            let guard = t.guard_result(2, false, X1);
            let rc = t.vgetr(c, X2);
            let x = t.vdef(d, X0);
            t.a.v3(UNPCKLPD, x, rc, X1, false, X3);
            t.complete(d, 16, x, true);
            t.resume(guard, again.0, again.1);
        }
        (FOp::Convert, 1, 2 | 3) if t.features.f16c && bytes == 1 << to => {
            // Above lane 0 may be signalling NaNs.
            let ra = t.vgetr(a, X1);
            t.a.v2i(PEXTRW_GPR, RAX, ra, 0);
            t.a.v2(MOVD, X1, RAX);
            t.a.v2(VCVTPH2PS, X1, X1);
            let guard = t.guard_nan(2, true, X1, Rm::R(X1));
            let mut x = X1;
            if to == 3 {
                t.a.v2(arith(2, false, CVT), X0, X1);
                x = X0;
            }
            t.complete(d, bytes, x, t.zeroes_complete(bytes));
            t.resume(guard, again.0, again.1);
        }
        (FOp::Convert | FOp::WidenHigh, 1, 2) if t.features.f16c => {
            let mut rm = t.vrm(a);
            if op == FOp::WidenHigh {
                t.a.v2i(PSHUFD, X1, rm, 0xee);
                rm = Rm::R(X1);
            }
            t.a.v2(VCVTPH2PS, X1, rm);
            let guard = t.guard_nan(2, false, X1, Rm::R(X1));
            t.complete(d, 16, X1, true);
            t.resume(guard, again.0, again.1);
        }
        (FOp::Convert, 2, 1) if t.features.f16c && bytes == 2 => {
            let (mut ra, clean) = t.lane0(a, 2, X1);
            let guard = t.guard_nan(2, true, ra, Rm::R(ra));
            if !clean || t.boxing {
                t.a.v3i(INSERTPS, X1, ra, Rm::R(ra), 0b1110, X3);
                ra = X1;
            }
            t.a.v2i(VCVTPS2PH, ra, X0, 4);
            let tiny = t.guard_half(X0);
            t.complete(d, 2, X0, t.zeroes_complete(2));
            for guard in [Some(guard), tiny].into_iter().flatten() {
                t.resume(guard, again.0, again.1);
            }
        }
        (FOp::Convert | FOp::NarrowHigh, 2, 1) if t.features.f16c => {
            let ra = t.vgetr(a, X1);
            let guard = t.guard_nan(2, false, ra, Rm::R(ra));
            t.a.v2i(VCVTPS2PH, ra, X0, 4);
            let tiny = t.guard_half(X0);
            if op == FOp::NarrowHigh {
                let rc = t.vgetr(c, X2);
                t.a.v3(UNPCKLPD, X1, rc, X0, false, X3);
                t.complete(d, 16, X1, true);
            } else {
                t.complete(d, 16, X0, true);
            }
            for guard in [Some(guard), tiny].into_iter().flatten() {
                t.resume(guard, again.0, again.1);
            }
        }
        _ => return false,
    }
    true
}

/// Lanes to integers of the same size.
fn to_int(t: &mut T<'_>, signed: bool, args: &VArgs, again: (HelperFn, u64)) -> bool {
    let VArgs { d, a, es, bytes, .. } = *args;
    let scalar = bytes == 1 << es;
    let round = imm::direction(args.imm);
    let Some(mode) = host_rounding(round) else { return false };
    if imm::fbits(args.imm) != 0 {
        return false;
    }
    if scalar {
        let (sites, n) = scalar_to_int(t, signed, round, mode, es == 3, a, es);
        t.a.v2(if es == 3 { MOVQ_FROM_GPR } else { MOVD }, X0, RAX);
        t.complete(d, bytes, X0, true);
        for site in sites.into_iter().take(n) {
            t.resume_as(site, ColdKind::Helper(again.0, again.1));
        }
        return true;
    }
    if es == 3 {
        if !signed || round != Round::Zero {
            return false;
        }
        t.clobber_flags();
        t.a.v2i(PSHUFD, X1, t.vrm(a), 0xee);
        t.a.v2(cvtts2si(3, true), RAX, t.vrm(a));
        t.a.v2(cvtts2si(3, true), RCX, X1);
        t.a.alu_imm(Op::Cmp, true, Rm::R(RAX), 1);
        let first = t.a.jcc_near(Cc::O);
        t.a.alu_imm(Op::Cmp, true, Rm::R(RCX), 1);
        let second = t.a.jcc_near(Cc::O);
        t.a.v2(MOVQ_FROM_GPR, X0, RAX);
        t.a.v2(MOVQ_FROM_GPR, X1, RCX);
        t.a.v3(UNPCKLPD, X0, X0, X1, false, X3);
        t.complete(d, 16, X0, true);
        t.resume_as(first, ColdKind::Helper(again.0, again.1));
        t.resume_as(second, ColdKind::Helper(again.0, again.1));
        return true;
    }
    let mut ra = t.lanes(a, bytes, X1);
    let keep_flags = t.flags_kept();
    let mut guard = None;
    if !signed {
        // 2^31 and beyond, and what is negative.
        t.with_constant(PMAXU[2], X3, ra, K::TwoTo31);
        t.a.v3(PCMPEQ[2], X3, X3, ra, true, NONE);
        guard = Some(t.guard_mask(keep_flags, es, false));
    }
    let source = ra;
    if !matches!(round, Round::Zero | Round::Current) {
        t.a.v2i(roundp(2), X2, ra, mode | 8);
        ra = X2;
    }
    t.a.v2(if round == Round::Current { CVTPS2DQ } else { CVTTPS2DQ }, X0, ra);
    if signed {
        t.with_constant(PCMPEQ[2], X3, X0, K::Sign32);
        guard = Some(t.guard_mask(keep_flags, es, false));
    }
    if ra != source {
        // For Inexact.
        t.a.v2(CVTTPS2DQ, X2, source);
    }
    t.complete(d, bytes, X0, bytes == 16);
    if let Some(guard) = guard {
        t.resume(guard, again.0, again.1);
    }
    true
}

/// Integer lanes to floating point of the same size.
fn from_int(t: &mut T<'_>, signed: bool, args: &VArgs, again: (HelperFn, u64)) -> bool {
    let VArgs { d, a, es, bytes, .. } = *args;
    let scalar = bytes == 1 << es;
    let fbits = imm::fbits(args.imm);
    let mut guard = None;
    let ra = match bytes {
        16 => t.vgetr(a, X1),
        8 => {
            t.a.v2(MOVQ, X1, t.vrm(a));
            X1
        }
        _ => {
            let (ra, clean) = t.lane0(a, es, X1);
            if !clean {
                t.a.v3i(INSERTPS, X1, ra, Rm::R(ra), 0b1110, X3);
            }
            if clean { ra } else { X1 }
        }
    };
    if !signed {
        let keep_flags = t.flags_kept();
        t.a.vmov(X3, ra);
        guard = Some(t.guard_mask(keep_flags, es, false));
    }
    if es == 2 {
        t.a.v2(CVTDQ2PS, X0, ra);
    } else {
        t.a.v2(MOVQ_TO_GPR, ra, RAX);
        t.a.v3(XORPS, X0, X0, X0, true, X3);
        t.a.v3(cvtsi2s(3, true), X0, X0, Rm::R(RAX), false, X3);
        if !scalar {
            t.a.v2i(PEXTR[3], ra, RAX, 1);
            t.a.v3(XORPS, X2, X2, X2, true, X3);
            t.a.v3(cvtsi2s(3, true), X2, X2, Rm::R(RAX), false, X3);
            t.a.v3(UNPCKLPD, X0, X0, X2, false, X3);
        }
    }
    if fbits != 0 {
        scale_down(t, es, fbits, X0, X2);
    }
    t.complete(d, bytes, X0, true);
    if let Some(guard) = guard {
        t.resume(guard, again.0, again.1);
    }
    true
}

/// x = x / 2^fbits in every lane: exact, since x is an integer or zero. Uses RAX and `y`.
fn scale_down(t: &mut T<'_>, es: u8, fbits: u8, x: u8, y: u8) {
    if es == 2 {
        t.a.mov_imm(RAX, (127 - fbits as u64) << 23);
        t.a.v2(MOVD, y, RAX);
        t.a.v2i(PSHUFD, y, y, 0);
    } else {
        t.a.mov_imm(RAX, (1023 - fbits as u64) << 52);
        t.a.v2(MOVQ_FROM_GPR, y, RAX);
        t.a.v2i(PSHUFD, y, y, 0x44);
    }
    t.a.v3(arith(es, false, MUL), x, x, y, true, X3);
}

/// A jump if lane 0 of a is no number below 2^n in magnitude. RAX holds its bits, shifted left by one. Uses RCX.
fn small_magnitude(t: &mut T<'_>, es: u8, n: i32, a: V) -> Near {
    let w = es == 3;
    match t.vrm(a) {
        Rm::R(h) => t.a.v2(if w { MOVQ_TO_GPR } else { MOVD_STORE }, h, RAX),
        m => t.a.mov(w, RAX, m),
    }
    t.a.alu(Op::Add, w, RAX, Rm::R(RAX));
    t.a.mov_imm(RCX, if w { ((1023 + n) as u64) << 53 } else { ((127 + n) as u64) << 24 });
    t.a.alu(Op::Cmp, w, RAX, Rm::R(RCX));
    t.a.jcc_near(Cc::Ae)
}

/// XMM12 = lane 0 of a, which is small, rounded to an integral value, ties away from zero; zero above. Raises nothing. Uses XMM13 to XMM15.
fn round_away(t: &mut T<'_>, es: u8, a: V) {
    let pick = |k32: K, k64: K| if es == 3 { k64 } else { k32 };
    let ra = if es == 3 {
        t.a.v2(MOVQ, X1, t.vrm(a));
        X1
    } else {
        let (ra, _) = t.lane0(a, es, X1);
        t.a.v3i(INSERTPS, X1, ra, Rm::R(ra), 0b1110, X3);
        X1
    };
    // Truncated, plus one with its sign if at least a half is missing: all exact.
    t.a.v2i(roundp(es), X0, ra, 3 | 8);
    t.a.v3(arith(es, false, SUB), X2, ra, X0, false, X3);
    t.with_constant(ANDPS, X2, X2, pick(K::Abs32, K::Abs64));
    t.constant_operand(arith(es, false, CMP), X2, X2, pick(K::Half32, K::Half64), 1);
    t.a.b(NLT);
    t.with_constant(ANDPS, X2, X2, pick(K::One32, K::One64));
    t.with_constant(ANDPS, X1, X1, pick(K::Sign32, K::Sign64));
    t.a.v3(ORPS, X2, X2, X1, true, X3);
    // Above the lane this is 0 + 0, but a zero's sign depends on the direction of rounding only in sums of unlike zeroes.
    t.a.v3(arith(es, false, ADD), X0, X0, X2, true, X3);
}

/// RAX = lane 0 of a as an integer. The jumps to cold code, and how many.
fn scalar_to_int(
    t: &mut T<'_>,
    signed: bool,
    round: Round,
    mode: u8,
    wide: bool,
    a: V,
    es: u8,
) -> ([Near; 2], usize) {
    t.clobber_flags();
    let rm = t.vrm(a);
    let mut sites = [Near(core::ptr::null_mut()); 2];
    let mut n = 0;
    // Unsigned: the result fits in 63 bits, or the way is the other one. A range test of the operand as an integer excludes what is negative too.
    let w = wide || !signed;
    if !signed {
        let limit = match (es, wide) {
            (2, false) => 0x4f80_0000,
            (2, true) => 0x5f00_0000,
            (_, false) => 0x41ef_ffff_ffe0_0001,
            (_, true) => 0x43e0_0000_0000_0000,
        };
        match rm {
            Rm::R(h) => t.a.v2(if es == 3 { MOVQ_TO_GPR } else { MOVD_STORE }, h, RAX),
            Rm::M(_) => t.a.mov(es == 3, RAX, rm),
        }
        if es == 3 {
            t.a.mov_imm(RCX, limit);
            t.a.alu(Op::Cmp, true, RAX, Rm::R(RCX));
        } else {
            t.a.alu_imm(Op::Cmp, false, Rm::R(RAX), limit as i32);
        }
        sites[n] = t.a.jcc_near(Cc::Ae);
        n += 1;
    }
    match round {
        Round::Zero => t.a.v2(cvtts2si(es, w), RAX, rm),
        Round::Current => t.a.v2(cvts2si(es, w), RAX, rm),
        _ => {
            t.a.v3(rounds(es), X0, X0, rm, false, X3);
            t.a.b(mode | 8);
            t.a.v2(cvtts2si(es, w), RAX, X0);
        }
    }
    if signed {
        t.a.alu_imm(Op::Cmp, w, Rm::R(RAX), 1);
        sites[n] = t.a.jcc_near(Cc::O);
        n += 1;
    }
    if !matches!(round, Round::Zero | Round::Current) {
        // For Inexact.
        t.a.v2(cvtts2si(es, w), RCX, rm);
    }
    (sites, n)
}

#[allow(clippy::too_many_arguments)]
pub(super) fn fp_to_int(t: &mut T<'_>, signed: bool, round: Round, w: W, d: R, a: V, es: u8, fbits: u8) {
    let again = (helpers::fp_to_int as HelperFn, pack_convert(signed, w, round as u8, a, d, es, fbits));
    if t.mode == mode::EXACT
        && es >= 2
        && signed
        && (round == Round::NearestAway && fbits == 0 || round == Round::Zero && fbits > 0)
    {
        return fp_to_int_scaled(t, w == W::W64, d, a, es, fbits, again);
    }
    let flush = t.mode == mode::FLUSH && t.a.avx;
    let possible = (flush || t.mode == mode::EXACT) && es >= 2 && fbits == 0;
    let Some(mode) = host_rounding(round).filter(|_| possible) else {
        return t.inline_helper(again.0, again.1);
    };
    let denormal = if flush { denormal_guard(t, es, [Some(a), None]) } else { None };
    let (sites, n) = scalar_to_int(t, signed, round, mode, w == W::W64, a, es);
    t.put(d, RAX);
    for site in sites.into_iter().take(n).chain(denormal) {
        t.resume_as(site, ColdKind::Helper(again.0, again.1));
    }
}

/// Signed: times 2^fbits and truncated, or with `fbits` 0 rounded with ties away from zero.
fn fp_to_int_scaled(t: &mut T<'_>, wide: bool, d: R, a: V, es: u8, fbits: u8, again: (HelperFn, u64)) {
    t.clobber_flags();
    let mut limit = if wide { 63 } else { 31 } - fbits as i32;
    if fbits == 0 {
        // Without a fraction from here on, and with room for the rounding.
        limit = if es == 2 { 23 } else { limit.min(52) - 1 };
    }
    let site = small_magnitude(t, es, limit, a);
    let to = cvtts2si(es, wide);
    if fbits == 0 {
        round_away(t, es, a);
        t.a.v2(to, RAX, X0);
        // For Inexact.
        t.a.v2(to, RCX, t.vrm(a));
    } else {
        t.a.mov_imm(RAX, if es == 3 { (1023 + fbits as u64) << 52 } else { (127 + fbits as u64) << 23 });
        t.a.v2(if es == 3 { MOVQ_FROM_GPR } else { MOVD }, X0, RAX);
        let rm = t.vrm(a);
        t.a.v3(arith(es, true, MUL), X0, X0, rm, false, X3);
        t.a.v2(to, RAX, X0);
    }
    t.put(d, RAX);
    t.resume_as(site, ColdKind::Helper(again.0, again.1));
}

pub(super) fn int_to_fp(t: &mut T<'_>, signed: bool, round: Round, w: W, d: V, s: R, es: u8, fbits: u8) {
    let again = (helpers::int_to_fp as HelperFn, pack_convert(signed, w, round as u8, d, s, es, fbits));
    // Rounding has a part in it unless every integer is exact, or this one is because it is small.
    let test = round != Round::Current && !(es == 3 && w == W::W32);
    // Flushing has no part in it.
    if t.mode == mode::OTHER || es < 2 || test && fbits != 0 {
        t.inline_helper(again.0, again.1);
        return t.wrote(d, 1 << es);
    }
    let wide = w == W::W64;
    let x = t.vdef(d, X0);
    let mut cold = None;
    if !signed && wide || test {
        t.clobber_flags();
    }
    let mut r = t.get(wide, s, RAX);
    if test {
        let exact = if es == 3 { 53 } else { 24 };
        match (signed, wide) {
            (true, false) => t.a.movsx(true, 4, RCX, r),
            (_, wide) => t.a.mov(wide, RCX, r),
        }
        if signed {
            // From -2^exact up to, but not including, 2^exact: 0 or 1.
            t.a.shift_imm(Sh::Sar, true, Rm::R(RCX), exact);
            t.a.alu_imm(Op::Add, true, Rm::R(RCX), 1);
        }
        t.a.shift_imm(Sh::Shr, true, Rm::R(RCX), if signed { 1 } else { exact });
        cold = Some(t.a.jcc_near(Cc::Ne));
    }
    if !signed && !wide {
        t.a.mov(false, RAX, r);
        r = RAX;
    } else if !signed && !test {
        t.a.test(true, Rm::R(r), r);
        cold = Some(t.a.jcc_near(Cc::S));
    }
    t.a.v3(XORPS, x, x, Rm::R(x), true, X3);
    t.a.v3(cvtsi2s(es, wide || !signed), x, x, Rm::R(r), false, X3);
    if fbits != 0 {
        scale_down(t, es, fbits, x, X1);
    }
    t.vput(d, x);
    if let Some(site) = cold {
        t.resume_as(site, ColdKind::Helper(again.0, again.1));
    }
    t.wrote(d, 1 << es);
}

/// EFLAGS = comparison of lane 0 of a with b (None: zero), in the form `HostFlags::Fp`.
fn host_compare(t: &mut T<'_>, signaling: bool, es: u8, a: V, b: Option<V>) {
    let ra = t.vgetr(a, X0);
    let rb = match b {
        Some(b) => t.vrm(b),
        None => {
            t.a.v3(XORPS, X1, X1, Rm::R(X1), true, X3);
            Rm::R(X1)
        }
    };
    t.a.v2(if signaling { comis(es) } else { ucomis(es) }, ra, rb);
    t.flags_are(HostFlags::Fp);
}

pub(super) fn fp_compare(t: &mut T<'_>, signaling: bool, es: u8, a: V, b: Option<V>) {
    if t.mode == mode::EXACT && es >= 2 {
        return host_compare(t, signaling, es, a, b);
    }
    let imm = signaling as u32 | (b.is_none() as u32) << 1;
    let args = VArgs { d: a, a, b: b.unwrap_or(a), c: a, es, bytes: 0, imm };
    if t.mode == mode::FLUSH && es >= 2 && t.a.avx {
        // The helper leaves the flags in memory.
        let site = denormal_guard(t, es, [Some(a), b]);
        host_compare(t, signaling, es, a, b);
        t.save_flags();
        t.host_flags = HostFlags::None;
        if let Some(site) = site {
            t.resume_as(site, ColdKind::Helper(helpers::fp_compare, pack_vec(0, &args)));
        }
        return;
    }
    t.inline_helper(helpers::fp_compare, pack_vec(0, &args));
}

pub(super) fn fp_cond_compare(t: &mut T<'_>, c: Cond, signaling: bool, es: u8, a: V, b: V, nzcv: u8) {
    // Flags go to memory in either case.
    t.need_flags();
    let (yes1, yes2) = match t.cond(c) {
        Test::One(cc) => (Some(t.a.jcc_near(cc)), None),
        Test::Or(x, y) => (Some(t.a.jcc_near(x)), Some(t.a.jcc_near(y))),
        Test::And(x, y) => {
            let no = t.a.jcc_short(x.invert());
            let yes = t.a.jcc_near(y);
            t.a.bind(no);
            (Some(yes), None)
        }
        Test::Always => (None, None),
    };
    let done = yes1.map(|yes| {
        let bit = |n: u32| nzcv as u32 >> n & 1;
        t.a.mov_imm(RAX, (bit(3) << 15 | bit(2) << 14 | bit(1) << 8 | bit(0)) as u64);
        t.a.mov_store16(state(offset_of!(Cpu, host_flags)), RAX);
        let done = t.a.jmp_near();
        t.a.bind_near(yes);
        done
    });
    if let Some(yes) = yes2 {
        t.a.bind_near(yes);
    }
    if t.mode == mode::EXACT && es >= 2 {
        host_compare(t, signaling, es, a, Some(b));
        t.save_flags();
    } else {
        t.host_flags = HostFlags::None;
        t.mem_flags = true;
        let args = VArgs { d: a, a, b, c: a, es, bytes: 0, imm: signaling as u32 };
        t.inline_helper(helpers::fp_compare, pack_vec(0, &args));
    }
    t.host_flags = HostFlags::None;
    if let Some(done) = done {
        t.a.bind_near(done);
    }
}

pub(super) fn fp_select(t: &mut T<'_>, c: Cond, es: u8, d: V, a: V, b: V) {
    // Through general registers, which have a conditional move. RAX is free after `cond`.
    let test = t.cond(c);
    let w = es == 3;
    let load = |t: &mut T<'_>, r: u8, s: V| match t.vrm(s) {
        Rm::R(x) => t.a.v2(if w { MOVQ_TO_GPR } else { MOVD_STORE }, x, r),
        m => t.a.mov(w, r, m),
    };
    load(t, RAX, a);
    if !matches!(test, Test::Always) {
        load(t, RCX, b);
    }
    match test {
        Test::Always => {}
        Test::One(cc) => t.a.cmov(cc.invert(), w, RAX, RCX),
        Test::And(x, y) => {
            t.a.cmov(x.invert(), w, RAX, RCX);
            t.a.cmov(y.invert(), w, RAX, RCX);
        }
        Test::Or(x, y) => {
            // b, or a if either holds.
            t.a.cmov(x, w, RCX, RAX);
            t.a.cmov(y, w, RCX, RAX);
            t.a.mov(w, RAX, RCX);
        }
    }
    if es == 1 {
        t.a.movzx(2, RAX, RAX);
    }
    let x = t.vdef(d, X0);
    t.a.v2(if w { MOVQ_FROM_GPR } else { MOVD }, x, RAX);
    t.vput(d, x);
    t.wrote(d, 1 << es);
}

#[cfg(test)]
pub(super) mod tests;

//! What host code may rely on: facts about SSE (round-to-nearest or directed, no FTZ and DAZ)
//! against an environment of the reference ([`anyarch_engine::fp`]) with all fields but `rounding`
//! at their defaults, each checked here. "Same" means result and flags (IE, ZE, OE, UE, PE for
//! Invalid, DivZero, Overflow, Underflow, Inexact).
//!
//! - **Underflow before rounding.** In all of the following, UE is missing where an inexact result
//!   is ± the smallest normal number and was smaller before rounding; nowhere else.
//! - `Add`, `Sub`, `Mul`, `Div`, `Sqrt`, `MulAdd` with FMA3, `Convert` between single and double:
//!   same if the result is no NaN. A NaN result is the same too if the operation raised no Invalid
//!   and is not `MulAdd`; if it raised Invalid and no operand is a NaN, the sign is to be inverted
//!   (SSE's default NaN is negative). What is left needs `eval`: signalling NaNs, and NaNs in
//!   `MulAdd`, where the addend comes first here and last there.
//! - SSE raises a flag that `eval` does not only for: MAXPS and MINPS with quiet NaNs, `MulX` and
//!   the reciprocal steps with zero times infinity. Test these before the operation; elsewhere an
//!   operation may be repeated by `eval` after the fact.
//! - `Max` of numbers is MAXPS(a, b) & MAXPS(b, a) (the and only matters for zeros), `Min` is
//!   MINPS(a, b) | MINPS(b, a).
//! - `CmpEq` is CMPEQPS, `CmpGe` and `CmpGt` are CMPLEPS and CMPLTPS with the operands exchanged:
//!   same for all operands.
//! - `RoundInt` is ROUNDPS with precision exception suppressed, `RoundIntExact` without: same for
//!   all operands. There is no ties-away.
//! - `ToSigned` to 32 bits is CVT(T)PS2DQ: same unless the result is 0x80000000 (which may also be
//!   right). `FromSigned` is CVTDQ2PS: same.
//! - Half precision `Add`, `Sub`, `Mul`, `Div`, `Sqrt` are the same done in single and converted
//!   back, in every rounding mode, as is `MulAdd` done in double, if the result is no NaN: the
//!   first rounding is too fine to disturb the second. (F16C's VCVTPS2PH ignores FTZ; Underflow as
//!   above.)
//! - With `flush` the differences are many (FTZ detects after rounding, DAZ raises nothing): use
//!   `eval`. `default_nan` only makes every NaN result the default NaN.

use anyarch_engine::fp::{FOp, Format, FpEnv, HALF, IntInvalid, NanRule, Rounding, eval, flag};
use anyarch_engine::ops::{Round, V, VArgs};

#[path = "../../../crates/engine/src/fp/operands.rs"]
mod operands;

use operands::{Rng, one};

const MODES: [Rounding; 4] = [Rounding::NearestEven, Rounding::Up, Rounding::Down, Rounding::Zero];

const ARM: FpEnv = FpEnv {
    rounding: Rounding::NearestEven,
    default_nan: false,
    flush: false,
    flush_half: false,
    alt_half: false,
    nan_negative: false,
    flags: 0,
    saturated: false,
    nan_rule: NanRule::SignalingFirst,
    int_invalid: IntInvalid::NanZero,
    tiny_after_rounding: false,
};

fn args(es: u8, bytes: u8, imm: u32) -> VArgs {
    VArgs { d: V(0), a: V(0), b: V(0), c: V(0), es, bytes, imm }
}

/// One lane.
fn run(op: FOp, es: u8, imm: u32, [a, b, c]: [u64; 3], env: &mut FpEnv) -> u64 {
    eval(op, &args(es, 1 << es, imm), a as u128, b as u128, c as u128, env) as u64
}

mod host {
    use super::*;
    use anyarch_engine::fp::imm;
    use core::arch::asm;

    fn mxcsr(rounding: Rounding) -> u32 {
        let rc = match rounding {
            Rounding::NearestEven => 0,
            Rounding::Down => 1,
            Rounding::Up => 2,
            _ => 3,
        };
        0x1f80 | rc << 13
    }

    /// MXCSR's flags as ours. Its denormal flag has no counterpart without `flush`.
    fn flags(mxcsr: u32) -> u8 {
        let bit = |n: u32, f: u8| if mxcsr >> n & 1 != 0 { f } else { 0 };
        bit(0, flag::INVALID)
            | bit(2, flag::DIV_ZERO)
            | bit(3, flag::OVERFLOW)
            | bit(4, flag::UNDERFLOW)
            | bit(5, flag::INEXACT)
    }

    macro_rules! sse_op {
        ($name:ident, $text:literal) => {
            /// Plays one instruction on a (also the destination), b, c under `csr`; returns result
            /// and MXCSR.
            fn $name(a: u64, b: u64, c: u64, csr: u32) -> (u64, u32) {
                let (mut result, mut old, mut after) = (a, 0u32, 0u32);
                // SAFETY: register-only instructions; MXCSR is restored.
                unsafe {
                    asm!(
                        "stmxcsr [{old}]", "ldmxcsr [{csr}]",
                        "movq xmm0, {r}", "movq xmm1, {b}", "movq xmm2, {c}",
                        $text,
                        "stmxcsr [{after}]", "ldmxcsr [{old}]", "movq {r}, xmm0",
                        old = in(reg) &mut old, csr = in(reg) &csr, after = in(reg) &mut after,
                        r = inout(reg) result, b = in(reg) b, c = in(reg) c,
                        out("xmm0") _, out("xmm1") _, out("xmm2") _,
                    );
                }
                (result, after)
            }
        };
    }

    sse_op!(addss, "addss xmm0, xmm1");
    sse_op!(addsd, "addsd xmm0, xmm1");
    sse_op!(subss, "subss xmm0, xmm1");
    sse_op!(subsd, "subsd xmm0, xmm1");
    sse_op!(mulss, "mulss xmm0, xmm1");
    sse_op!(mulsd, "mulsd xmm0, xmm1");
    sse_op!(divss, "divss xmm0, xmm1");
    sse_op!(divsd, "divsd xmm0, xmm1");
    sse_op!(sqrtss, "sqrtss xmm0, xmm0");
    sse_op!(sqrtsd, "sqrtsd xmm0, xmm0");
    sse_op!(cvtss2sd, "cvtss2sd xmm0, xmm0");
    sse_op!(cvtsd2ss, "cvtsd2ss xmm0, xmm0");
    sse_op!(cvtps2dq, "cvtps2dq xmm0, xmm0");
    sse_op!(cvttps2dq, "cvttps2dq xmm0, xmm0");
    sse_op!(cvtdq2ps, "cvtdq2ps xmm0, xmm0");
    sse_op!(cmpeqss, "cmpeqss xmm0, xmm1");
    sse_op!(cmpgess, "cmpless xmm1, xmm0\n movaps xmm0, xmm1");
    sse_op!(cmpgtsd, "cmpltsd xmm1, xmm0\n movaps xmm0, xmm1");
    sse_op!(roundsd, "roundsd xmm0, xmm0, 12");
    sse_op!(roundss_up, "roundss xmm0, xmm0, 2");
    sse_op!(maxss, "movaps xmm2, xmm1\n maxss xmm1, xmm0\n maxss xmm0, xmm2\n andps xmm0, xmm1");
    sse_op!(minsd, "movaps xmm2, xmm1\n minsd xmm1, xmm0\n minsd xmm0, xmm2\n orps xmm0, xmm1");
    sse_op!(fmass, "vfmadd213ss xmm1, xmm0, xmm2\n movaps xmm0, xmm1");
    sse_op!(fmasd, "vfmadd213sd xmm1, xmm0, xmm2\n movaps xmm0, xmm1");

    type Instruction = fn(u64, u64, u64, u32) -> (u64, u32);

    /// Operations for which the host's instruction is right as it is; `Max` and `Min` for numbers
    /// only.
    #[test]
    fn instructions_that_fit_as_they_are() {
        let table: [(FOp, u8, u32, Instruction); 7] = [
            (FOp::CmpEq, 2, 0, cmpeqss),
            (FOp::CmpGe, 2, 0, cmpgess),
            (FOp::CmpGt, 3, 0, cmpgtsd),
            (FOp::RoundInt, 3, imm::round(Round::Current), roundsd),
            (FOp::RoundIntExact, 2, imm::round(Round::Up), roundss_up),
            (FOp::Max, 2, 0, maxss),
            (FOp::Min, 3, 0, minsd),
        ];
        let mut rng = Rng(78);
        for (op, es, imm, instruction) in table {
            let f = Format::of(es);
            for n in 0..20_000 {
                let mode = MODES[n % 4];
                let a = rng.operand(f, one(f));
                let b = rng.operand(f, a);
                if matches!(op, FOp::Max | FOp::Min) && (is_nan(f, a) || is_nan(f, b)) {
                    continue;
                }
                let mut env = FpEnv { rounding: mode, ..ARM };
                let ours = run(op, es, imm, [a, b, 0], &mut env);
                let (theirs, csr) = instruction(a, b, 0, mxcsr(mode));
                assert_eq!((ours, env.flags), (theirs & f.mask(), flags(csr)), "{op:?} {mode:?} {a:x} {b:x}");
            }
        }
    }

    #[test]
    fn arithmetic_agrees_with_the_host() {
        let round = imm::to_int(Round::Current, 0);
        let zero = imm::to_int(Round::Zero, 0);
        let fma = std::is_x86_feature_detected!("fma");
        let table: [(FOp, u8, u8, u32, Instruction); 17] = [
            (FOp::Add, 2, 2, 0, addss),
            (FOp::Add, 3, 3, 0, addsd),
            (FOp::Sub, 2, 2, 0, subss),
            (FOp::Sub, 3, 3, 0, subsd),
            (FOp::Mul, 2, 2, 0, mulss),
            (FOp::Mul, 3, 3, 0, mulsd),
            (FOp::Div, 2, 2, 0, divss),
            (FOp::Div, 3, 3, 0, divsd),
            (FOp::Sqrt, 2, 2, 0, sqrtss),
            (FOp::Sqrt, 3, 3, 0, sqrtsd),
            (FOp::Convert, 2, 3, 3, cvtss2sd),
            (FOp::Convert, 3, 2, 2, cvtsd2ss),
            (FOp::ToSigned, 2, 2, round, cvtps2dq),
            (FOp::ToSigned, 2, 2, zero, cvttps2dq),
            (FOp::FromSigned, 2, 2, 0, cvtdq2ps),
            (FOp::MulAdd, 2, 2, 0, fmass),
            (FOp::MulAdd, 3, 3, 0, fmasd),
        ];
        let mut rng = Rng(77);
        for (op, es, to, imm, instruction) in table {
            if op == FOp::MulAdd && !fma {
                continue;
            }
            let f = Format::of(es);
            for n in 0..40_000 {
                let mode = MODES[n % 4];
                let a = if op == FOp::FromSigned { rng.next() as u32 as u64 } else { rng.operand(f, one(f)) };
                let b = rng.operand(f, a);
                let near = run(FOp::Mul, es, 0, [a, b, 0], &mut FpEnv::default());
                let c = rng.operand(f, near);
                let mut env = sse(mode);
                let ours =
                    eval(op, &args(es, 1 << to, imm), a as u128, b as u128, c as u128, &mut env) as u64;
                let (theirs, csr) = instruction(a, b, c, mxcsr(mode));
                let theirs = theirs & Format::of(to).mask();
                assert_eq!(
                    (ours, env.flags),
                    (theirs, flags(csr)),
                    "{op:?} es {es} {mode:?} {a:x} {b:x} {c:x}: {ours:x}, host {theirs:x}"
                );
            }
        }
    }
}

// With SSE's environment as stand-in for the host.

fn is_nan(f: Format, bits: u64) -> bool {
    bits & !f.sign_bit() > f.infinity(false)
}

/// The environment that describes SSE.
fn sse(rounding: Rounding) -> FpEnv {
    FpEnv {
        rounding,
        nan_negative: true,
        nan_rule: NanRule::FirstOperand,
        int_invalid: IntInvalid::Indefinite,
        tiny_after_rounding: true,
        ..FpEnv::default()
    }
}

/// Whether results and flags are the same but for Underflow at the smallest normal number.
fn same(f: Format, ours: (u64, u8), host: (u64, u8)) -> bool {
    let smallest = ours.0 & !f.sign_bit() == 1 << f.frac_bits;
    let extra = if smallest && ours.1 & flag::INEXACT != 0 { flag::UNDERFLOW } else { 0 };
    ours.0 == host.0 && ours.1 & !extra == host.1 & !extra
}

#[test]
fn host_code_may_rely_on() {
    let mut rng = Rng(4242);
    for (op, es, to) in [
        (FOp::Add, 2, 2),
        (FOp::Add, 3, 3),
        (FOp::Sub, 2, 2),
        (FOp::Mul, 2, 2),
        (FOp::Mul, 3, 3),
        (FOp::Div, 2, 2),
        (FOp::Sqrt, 3, 3),
        (FOp::MulAdd, 2, 2),
        (FOp::Convert, 2, 3),
        (FOp::Convert, 3, 2),
    ] {
        let (f, t) = (Format::of(es), Format::of(to));
        for n in 0..20_000 {
            let mode = MODES[n % 4];
            let a = rng.operand(f, one(f));
            let b = rng.operand(f, a);
            let c = rng.operand(f, a);
            let play = |mut env: FpEnv| {
                let v = args(es, 1 << to, to as u32);
                (eval(op, &v, a as u128, b as u128, c as u128, &mut env) as u64, env.flags)
            };
            let (arm, host) = (play(FpEnv { rounding: mode, ..ARM }), play(sse(mode)));
            let operands = [a, b, c];
            let nan_operand = operands[..op.reads().count_ones() as usize].iter().any(|&x| is_nan(f, x));
            if !is_nan(t, host.0) || host.1 & flag::INVALID == 0 && op != FOp::MulAdd {
                assert!(same(t, arm, host), "{op:?} {operands:x?} {arm:x?} {host:x?}");
            } else if !nan_operand {
                assert_eq!((arm.0 ^ t.sign_bit(), arm.1), host, "{op:?} {operands:x?}");
            } else {
                // Repeated by `eval` after the fact.
                assert_eq!(host.1 & !arm.1, 0, "{op:?} {operands:x?}");
            }
        }
    }
}

#[test]
fn half_precision_may_be_done_wider() {
    let mut rng = Rng(515);
    for n in 0..200_000 {
        let mode = MODES[n % 4];
        let (a, b, c) =
            (rng.operand(HALF, one(HALF)), rng.operand(HALF, one(HALF)), rng.operand(HALF, one(HALF)));
        for (op, wide) in
            [(FOp::Add, 2), (FOp::Sub, 2), (FOp::Mul, 2), (FOp::Div, 2), (FOp::Sqrt, 2), (FOp::MulAdd, 3)]
        {
            let mut env = FpEnv { rounding: mode, ..ARM };
            let ours = (run(op, 1, 0, [a, b, c], &mut env), env.flags);
            if is_nan(HALF, ours.0) {
                continue;
            }
            let mut env = sse(mode);
            let [x, y, z] = [a, b, c].map(|v| {
                // Operands that the operation does not read must not raise anything.
                eval(FOp::Convert, &args(1, 1 << wide, wide as u32), v as u128, 0, 0, &mut ARM.clone()) as u64
            });
            let exact = run(op, wide, 0, [x, y, z], &mut env);
            let back = eval(FOp::Convert, &args(wide, 2, 1), exact as u128, 0, 0, &mut env) as u64;
            assert!(
                same(HALF, ours, (back, env.flags)),
                "{op:?} {mode:?} {a:x} {b:x} {c:x}: {ours:x?} {back:x} {}",
                env.flags
            );
        }
    }
}

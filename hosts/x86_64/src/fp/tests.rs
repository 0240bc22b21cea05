//! Floating-point code against the reference, bit by bit, flags included.

use super::super::backend::{MXCSR_START, emit_glue};
use super::super::glue::Glue;
use super::super::{Buffers, Features, HostPart, STATE_BIAS};
use super::*;
use anyarch_engine::backend::{Draft, UnitSpec};
use anyarch_engine::fp::{FpEnv, Rounding};
use anyarch_engine::interp::Interp;
use anyarch_engine::lift::{Lift, UnitBuilder};
use anyarch_engine::pattern::nzcv;
use anyarch_engine::run::{Guest, Peek, Slots, Thread};
use anyarch_engine::shared;
use anyarch_engine::state::Cpu;
use anyarch_engine::targets::NO_TARGETS;
use anyarch_sys::mappings;
use linux_raw_sys::general as sys;
use std::collections::BTreeMap;

/// A piece of a unit in words of the vocabulary.
pub(crate) type Step<'a> = &'a dyn Fn(&mut dyn Ops);

static SLOTS_USED: Slots =
    Slots { gpr: &[0, 1, 2, 3, 4, 5, 6, 7], no_bases: &[], vec: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] };
static GUEST: Guest = Guest {
    name: "test",
    interpret: |_| {},
    peek: |pc| {
        Some(Peek {
            len: 4,
            reads: if pc < DEAD { nzcv::ALL } else { 0 },
            writes: nzcv::ALL,
            ..Peek::default()
        })
    },
    leaf: |_| None,
    targets: |_, _, _| {},
    slots: &SLOTS_USED,
    lookup_shift: 2,
    pc_align_mask: 3,
    ignored_bits: 0,
    address_bits: 64,
    syscall: anyarch_engine::run::SyscallRegs {
        number: R(8),
        args: [R(0), R(1), R(2), R(3), R(4), R(5)],
        result: R(0),
    },
    jump_clears: 0,
    likely: R::ZERO,
    faults_again: |_| false,
};
/// Of that guest, which has no instructions.
pub(crate) struct NoLift;

impl Lift for NoLift {
    const GUEST: &'static Guest = &GUEST;
    fn lift<T: UnitBuilder>(_: &mut T, _: Option<&shared::Copy>) {}
}

/// Guest code that reads the flags, and guest code that does not.
const LIVE: u64 = 0x10000;
pub(crate) const DEAD: u64 = 0x20000;
/// Slots used: pinned ones and others.
const SLOTS: [u8; 8] = [0, 1, 2, 11, 20, 21, 22, 40];

/// Runs operations as generated code.
pub(crate) struct Bench {
    thread: *mut Thread,
    buffers: Buffers,
    draft: Draft,
    glue: Glue,
    end: *mut u8,
}

impl Bench {
    pub(crate) fn new(features: Features) -> Bench {
        anyarch_engine::backend::choose(const { &super::super::backend::<NoLift>() });
        let map = |len: u64| {
            let prot = (sys::PROT_READ | sys::PROT_WRITE | sys::PROT_EXEC) as u64;
            let flags = (sys::MAP_PRIVATE | sys::MAP_ANONYMOUS) as u64;
            // SAFETY: an anonymous mapping.
            unsafe { mappings::mmap(0, len, prot, flags, -1, 0) }.unwrap() as *mut u8
        };
        let code = map(1 << 20);
        let end = code.wrapping_add(1 << 20);
        let mut buffers = Buffers::new(&SLOTS_USED);
        buffers.features = features;
        let (glue, _) = emit_glue(code, end, &buffers, &GUEST);
        let stack = map(1 << 20).wrapping_add(1 << 19);
        let thread = stack.cast::<Thread>();
        // SAFETY: zeroed memory of its own; below it is the shadow stack.
        unsafe {
            (*thread).shadow_sp = stack as u64 - 4096;
            let own = HostPart::of(&mut *thread);
            own.constants = super::super::vec::CONSTANTS;
            own.tails = super::super::vector::TAILS;
            own.pool = POOL;
            own.flag_tables = FLAG_TABLES;
            own.pieces = glue.pieces;
        }
        Bench { thread, buffers, draft: Draft::default(), glue, end }
    }

    /// Plays on the state by generated code. Whether a helper was called for good.
    pub(crate) fn run(&mut self, pc: u64, steps: &[Step<'_>]) -> usize {
        let at = self.glue.end as *mut u8;
        let mode = self.cpu().mode;
        let spec = UnitSpec {
            pc,
            mode,
            at,
            end: self.end,
            likely: 0,
            targets: &NO_TARGETS,
            copy: None,
            inlines: false,
        };
        let mut t = Translator::new(&mut self.buffers, &mut self.draft, &GUEST, &spec);
        let mut len = 0;
        for (i, step) in steps.iter().enumerate() {
            t.pc = pc + 4 * i as u64;
            t.begin(4, Peek { len: 4, ..Peek::default() });
            let before = t.a.p as usize;
            step(&mut t);
            len = t.a.p as usize - before;
            t.end();
        }
        let next = t.next_pc;
        t.exit_to(next);
        t.finish();
        // SAFETY: the code just made reads and writes the thread's state only.
        unsafe {
            let enter: extern "C" fn(*mut u8, *const u8) -> u32 = core::mem::transmute(self.glue.enter);
            enter(self.thread.cast::<u8>().wrapping_add(STATE_BIAS as usize), at);
        }
        len
    }

    pub(crate) fn cpu(&mut self) -> &mut Cpu {
        // SAFETY: owned.
        unsafe { &mut (*self.thread).cpu }
    }
}

pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn pick<X: Copy>(&mut self, from: &[X]) -> X {
        from[(self.next() >> 20) as usize % from.len()]
    }

    /// A lane's bits: special, near a power of two, or any.
    fn lane(&mut self, es: u8) -> u64 {
        let (bits, fraction) = [(16, 10), (16, 10), (32, 23), (64, 52)][es as usize];
        let one = ((1u64 << (bits - 2 - fraction)) - 1) << fraction;
        let infinity = ((1u64 << (bits - 1 - fraction)) - 1) << fraction;
        let sign = (self.next() >> 40 & 1) << (bits - 1);
        let exponent = |n: i64| one.wrapping_add((n << fraction) as u64) & infinity;
        let r = self.next() >> 8;
        let value = match self.next() >> 30 & 15 {
            0 => 0,
            1 => self.pick(&[1, 2, (1 << fraction) - 1, 1 << fraction, (1 << fraction) + 1]),
            2 => self.pick(&[
                infinity,
                infinity - 1,
                infinity | 1 << (fraction - 1),
                infinity | 1,
                infinity | 1 << (fraction - 1) | 5,
            ]),
            3 => {
                // Around the limits of integers.
                let n = self.pick(&[15, 16, 31, 32, 63, 64]);
                exponent(n).wrapping_add(self.pick(&[0, 1, u64::MAX, 1 << (fraction / 2)]))
            }
            4 => exponent(self.pick(&[-1, 0, 1, 2, 3])),
            5 => exponent(self.pick(&[-1, 0, 1, 2, 3])) | 1 << (fraction - 1),
            6 => self.pick(&[0, 1, 2, 100, 0x7fff_ffff, 0x8000_0000, u64::MAX, i64::MAX as u64]),
            7 | 8 => r,
            9 => r & ((1 << fraction) - 1),
            10 => exponent((r % 64) as i64) | r >> 8 & ((1 << fraction) - 1),
            11 => exponent(self.pick(&[-8, -20, -60, -70])) | r & ((1 << fraction) - 1),
            _ => exponent((r % 8) as i64 - 4) | r >> 8 & ((1 << fraction) - 1),
        };
        (value ^ sign) & (u64::MAX >> (64 - bits))
    }

    /// A lane's bits: factors, dividends and wide numbers whose products, quotients and narrowed
    /// values are rounded to the smallest normal number.
    fn brink(&mut self, es: u8) -> u64 {
        let below = |x: u64| x - 1;
        let sign = |r: &mut Random, bits: u32| (r.next() >> 40 & 1) << (bits - 1);
        let value = match es {
            // 2^-14 as the narrower lane has it; one and two; just below two of the smallest.
            0 | 1 => self.pick(&[0x0400, 0x3bff, 0x3c00, 0x4000, 0x07ff]),
            2 => self.pick(&[
                0x0080_0000,
                0x3f7f_ffff,
                0x3f80_0000,
                0x4000_0000,
                0x00ff_ffff,
                below(0x3880_0000),
            ]),
            _ => self.pick(&[
                1 << 52,
                below(0x3ff << 52),
                0x3ff << 52,
                0x400 << 52,
                below(2 << 52),
                below((1023 - 126) << 52),
            ]),
        };
        value | sign(self, [16, 16, 32, 64][es as usize])
    }

    fn vector(&mut self, es: u8) -> u128 {
        let brink = self.next() >> 30 & 3 == 0;
        (0..16 >> es).fold(0, |v, i| {
            v | (if brink { self.brink(es) } else { self.lane(es) } as u128) << ((8u32 << es) * i)
        })
    }
}

fn feature_sets() -> [Features; 2] {
    let all = Features::detect();
    [all, Features { avx: false, avx2: false, fma: false, f16c: false, ..all }]
}

/// Plays `op` by generated code and by the interpreter, on the same random state, and compares.
fn check(bench: &mut Bench, r: &mut Random, es: u8, name: &str, op: Step<'_>) -> usize {
    let rounding = r.pick(&[Rounding::NearestEven, Rounding::Up, Rounding::Down, Rounding::Zero]);
    let cpu = bench.cpu();
    for s in SLOTS {
        cpu.vec[s as usize] = r.vector(es);
    }
    for g in 0..12 {
        cpu.gpr[g] = r.lane(if g & 1 == 0 { 3 } else { es });
    }
    cpu.set_nzcv(r.next() as u8 & 15);
    cpu.fp = Default::default();
    cpu.fp.rounding = rounding;
    cpu.mode = r.pick(&[mode::EXACT, mode::EXACT, mode::FLUSH, mode::OTHER]);
    cpu.fp.flush = cpu.mode == mode::FLUSH;
    cpu.fp.default_nan = cpu.mode == mode::OTHER;
    let fp_mode = cpu.mode;
    cpu.host_fp = MXCSR_START;
    cpu.apply_rounding();
    // Slots known to be zero above, and flags in registers.
    let (clean1, clean2, size) = (V(r.pick(&SLOTS)), V(r.pick(&SLOTS)), r.pick(&[2, 3]));
    let clean = |o: &mut dyn Ops| {
        o.vfrom(clean1, size, R(1));
        o.vfrom(clean2, size, R(3));
    };
    let compare = |o: &mut dyn Ops| o.alu_flags(Alu::Sub, W::W64, R::ZERO, R(5), Src::Reg(R(6)));
    let fp_flags = |o: &mut dyn Ops| o.fp_compare(false, 3, V(0), Some(V(20)));
    let nothing = |_: &mut dyn Ops| {};
    let nothing: Step<'_> = &nothing;
    let flags = r.pick::<Step<'_>>(&[&compare, &fp_flags, nothing]);
    let clean: Step<'_> = if r.next() & 0x100 == 0 { &clean } else { nothing };
    let pc = r.pick(&[LIVE, DEAD]);
    // SAFETY: plain data.
    let mut want = Box::new(unsafe { core::ptr::read(cpu) });
    let (before, gpr) = (cpu.vec, cpu.gpr);
    let steps = [clean, flags, op];
    let len = bench.run(pc, &steps);
    for step in steps {
        step(&mut Interp::new(&mut want));
    }
    let cpu = bench.cpu();
    let context = || {
        let show = SLOTS.map(|s| format!("v{s} = {:032x}", before[s as usize])).join("\n");
        format!(
            "{name} mode {fp_mode} {rounding:?} pc {pc:x} clean {clean1:?} {clean2:?} {size}\n{show}\n{:x?}",
            &gpr[..8]
        )
    };
    for s in SLOTS {
        let (got, want) = (cpu.vec[s as usize], want.vec[s as usize]);
        assert!(got == want, "v{s}: got {got:032x}, want {want:032x}: {}", context());
    }
    assert!(cpu.gpr == want.gpr, "got {:x?}, want {:x?}: {}", &cpu.gpr[..12], &want.gpr[..12], context());
    if pc == LIVE {
        assert!(cpu.nzcv() == want.nzcv(), "NZCV {:x}, want {:x}: {}", cpu.nzcv(), want.nzcv(), context());
    }
    let (got, want) = (cpu.fp_flags(), want.fp.flags);
    assert!(got == want, "flags {got:x}, want {want:x}: {}", context());
    len
}

/// Sizes of the result and constants that an operation is used with, by lane.
fn layouts(op: FOp) -> Vec<(u8, u8, u32)> {
    use FOp::*;
    let rounds = [0, 1, 2, 3, 4, 6];
    let mut all = Vec::new();
    let conversions: &[(u8, u8, u32)] = match op {
        Convert => &[
            (1, 4, 2),
            (1, 8, 3),
            (2, 2, 1),
            (2, 8, 3),
            (3, 2, 1),
            (3, 4, 2),
            (1, 16, 2),
            (2, 16, 3),
            (2, 8, 1),
            (3, 8, 2),
        ],
        WidenHigh => &[(1, 16, 2), (2, 16, 3)],
        NarrowHigh => &[(2, 16, 1), (3, 16, 2)],
        NarrowOdd => &[(3, 4, 2), (3, 8, 2)],
        NarrowOddHigh => &[(3, 16, 2)],
        MulAddLong | MulSubLong => &[(1, 8, 0), (1, 16, 1)],
        ToSignedWrapping => &[(3, 8, 0)],
        ToBf16 => &[(2, 2, 0), (2, 8, 0)],
        ToBf16High | Bf16MulAdd | Bf16Dot | Bf16MatMul => &[(2, 16, 0)],
        AcrossMax | AcrossMin | AcrossMaxNum | AcrossMinNum => &[(1, 8, 0), (1, 16, 0), (2, 16, 0)],
        _ => &[],
    };
    if !conversions.is_empty() {
        return conversions.to_vec();
    }
    for es in 1..=3u8 {
        for bytes in [1 << es, 8, 16] {
            let imms: Vec<u32> = match op {
                RoundInt | RoundIntExact | RoundInt32 | RoundInt64 => rounds.to_vec(),
                ToSigned | ToUnsigned => rounds.iter().flat_map(|&r| [r, r | 5 << 8]).collect(),
                FromSigned | FromUnsigned => vec![0, 3 << 8, (8 << es) << 8],
                ComplexAdd | ComplexMulAdd if bytes < 8 || es == 3 && bytes == 8 => vec![],
                ComplexAdd => vec![1, 3],
                ComplexMulAdd => vec![0, 1, 2, 3],
                _ => vec![0],
            };
            if !(es == 3 && bytes == 8 && all.last().is_some_and(|&(e, b, _)| (e, b) == (3, 8))) {
                all.extend(imms.iter().map(|&imm| (es, bytes, imm)));
            }
        }
    }
    all
}

#[test]
fn operations_agree_with_the_reference() {
    let mut r = Random(0x9e37_79b9_7f4a_7c15);
    let rounds = std::env::var("ROUNDS").ok().and_then(|s| s.parse().ok()).unwrap_or(60);
    for features in feature_sets() {
        let mut bench = Bench::new(features);
        for &op in FOp::ALL {
            let mut sizes = BTreeMap::new();
            for (es, bytes, imm) in layouts(op) {
                for _ in 0..rounds {
                    let mut slot = || V(r.pick(&SLOTS));
                    let args = VArgs { d: slot(), a: slot(), b: slot(), c: slot(), es, bytes, imm };
                    let name = format!("{op:?} {args:?} avx {}", features.avx);
                    let len = check(&mut bench, &mut r, es, &name, &|o| o.fp(op, args));
                    let size = sizes.entry((es, bytes)).or_insert(0);
                    *size = (*size).max(len);
                }
            }
            println!("{op:?} avx {}: bytes of code by lane and size {sizes:?}", features.avx);
        }
    }
}

/// Counts the instructions whose operands were not boxed.
extern "C" fn instead(cpu: &mut Cpu, n: u64) -> HelperExit {
    cpu.gpr[11] = cpu.gpr[11].wrapping_add(n);
    HelperExit::Continue
}

const INSTEAD: Helper = Helper { function: instead, effects: |_| Effects::NONE.reads(R(11)).writes(R(11)) };

/// Plays an operation on boxed numbers as RISC-V has them, by generated code and by the
/// interpreter. Flags are equal without exception. What is above bit 63 is not compared.
fn check_boxed(bench: &mut Bench, r: &mut Random, name: &str, op: Step<'_>) -> bool {
    use anyarch_engine::fp::IntInvalid;
    let rounding = r.pick(&[Rounding::NearestEven, Rounding::Up, Rounding::Down, Rounding::Zero]);
    let sizes = [r.pick(&[1, 2, 3]), r.pick(&[2, 3])];
    let cpu = bench.cpu();
    for s in SLOTS {
        let es = r.pick(&sizes);
        let boxed = r.lane(es) | if r.next() & 0xf00 == 0 { 0 } else { box_bits(es) };
        cpu.vec[s as usize] = boxed as u128 | (r.next() as u128) << 64;
    }
    for g in 0..12 {
        cpu.gpr[g] = r.lane(3);
    }
    cpu.fp = FpEnv {
        rounding,
        default_nan: true,
        int_invalid: IntInvalid::NanMax,
        tiny_after_rounding: true,
        ..FpEnv::default()
    };
    cpu.mode = r.pick(&[mode::EXACT, mode::DIRECTED, mode::OTHER]);
    cpu.host_fp = MXCSR_START;
    cpu.apply_rounding();
    // Boxes known from the instructions before.
    let (slot, reg, size) = (V(r.pick(&SLOTS)), R(r.pick(&[1, 9])), r.pick(&[1, 2, 3]));
    let known = |o: &mut dyn Ops| {
        o.vfrom(slot, size, reg);
        o.fp_box(slot, size);
    };
    let nothing = |_: &mut dyn Ops| {};
    let known: Step<'_> = if r.next() & 0x100 == 0 { &known } else { &nothing };
    // SAFETY: plain data.
    let mut want = Box::new(unsafe { core::ptr::read(cpu) });
    let (before, gpr) = (cpu.vec, cpu.gpr);
    let steps = [known, op];
    bench.run(DEAD, &steps);
    for step in steps {
        step(&mut Interp::new(&mut want));
    }
    let cpu = bench.cpu();
    let context = || {
        let show = SLOTS.map(|s| format!("v{s} = {:032x}", before[s as usize])).join("\n");
        format!(
            "{name} mode {} {rounding:?} known {slot:?} {reg:?} {size}\n{show}\n{:x?}",
            want.mode,
            &gpr[..12]
        )
    };
    for s in SLOTS {
        let (got, want) = (cpu.vec[s as usize] as u64, want.vec[s as usize] as u64);
        assert!(got == want, "v{s}: got {got:016x}, want {want:016x}: {}", context());
    }
    assert!(cpu.gpr == want.gpr, "got {:x?}, want {:x?}: {}", &cpu.gpr[..12], &want.gpr[..12], context());
    let (got, flags) = (cpu.fp_flags(), want.fp.flags);
    assert!(got == flags, "flags {got:x}, want {flags:x}: {}", context());
    want.gpr[11] == gpr[11]
}

#[test]
fn boxed_operations_agree_with_the_reference() {
    use FOp::*;
    let operations = [
        Abs,
        Neg,
        CopySign,
        CopySignNot,
        XorSign,
        Add,
        Sub,
        Mul,
        Div,
        Sqrt,
        Max,
        Min,
        MaxNumber,
        MinNumber,
        MulAdd,
        MulSub,
        NegMulAdd,
        NegMulSub,
        RoundInt,
        RoundIntExact,
        Convert,
    ];
    let mut r = Random(0x2545_f491_4f6c_dd1d);
    let rounds: usize = std::env::var("ROUNDS").ok().and_then(|s| s.parse().ok()).unwrap_or(60) * 8;
    for features in feature_sets() {
        let mut bench = Bench::new(features);
        for op in operations {
            let mut played = 0;
            for i in 0..rounds {
                let es = [2, 3, 2, 3, 1][i % 5];
                let mut slot = || V(r.pick(&SLOTS));
                let mut args =
                    VArgs { d: slot(), a: slot(), b: slot(), c: slot(), es, bytes: VArgs::BOXED, imm: 0 };
                match op {
                    RoundInt | RoundIntExact => args.imm = r.pick(&[0, 1, 2, 3, 4, 6]),
                    Convert => args.imm = (es as u32 + r.pick(&[0, 1])) % 3 + 1,
                    _ => {}
                }
                let all = [args.a, args.b, args.c];
                let reads: Vec<V> = (0..3).filter(|n| op.reads() >> n & 1 != 0).map(|n| all[n]).collect();
                let name = format!("{op:?} {args:?} avx {}", features.avx);
                played += check_boxed(&mut bench, &mut r, &name, &|o| {
                    if o.check_boxes(es, &reads, INSTEAD, 1) {
                        o.fp(op, args);
                    }
                }) as usize;
                let (signed, w, reg) = (i & 8 != 0, r.pick(&[W::W32, W::W64]), R(r.pick(&[0, 9])));
                let round = r.pick(&[Round::Current, Round::NearestEven, Round::Down, Round::NearestAway]);
                let name = format!("from int {args:?} {reg:?} {signed} {w:?} {round:?}");
                check_boxed(&mut bench, &mut r, &name, &|o| {
                    o.int_to_fp(signed, round, w, args.d, reg, es, 0);
                    o.fp_box(args.d, es);
                });
                check_boxed(&mut bench, &mut r, "flags", &|o| {
                    o.int_to_fp(true, Round::Current, W::W64, args.d, R(1), 2, 0);
                    o.fp_flags(reg);
                    if signed {
                        o.set_fp_flags(R(0));
                        o.fp_flags(R(1));
                    }
                    o.fp_box(args.d, 2);
                });
                let name = format!("compare {args:?} {signed}");
                check_boxed(&mut bench, &mut r, &name, &|o| {
                    if o.check_boxes(es, &[args.a, args.b], INSTEAD, 1) {
                        o.fp_compare(signed, es, args.a, Some(args.b));
                        o.select(Cond::Le, W::W64, reg, R::ZERO, R::ZERO, Sel::Inc);
                    }
                });
            }
            assert!(played > rounds / 10 && played < rounds, "{op:?}: {played} of {rounds}");
        }
    }
}

#[test]
fn sha2_rounds_agree_with_the_reference() {
    let mut r = Random(0x6a09_e667_f3bc_c908);
    let all = Features::detect();
    let plain = Features { sha: false, bmi2: false, ..all };
    for features in [all, Features { sha: false, ..all }, Features { avx: false, avx2: false, ..plain }] {
        let mut bench = Bench::new(features);
        for i in 0..300 {
            // Pinned slots, others, and pairs of both kinds.
            let mut slots = [0, 2, 11, 20, 22, 40].map(V);
            (1..slots.len()).for_each(|n| slots.swap(n, r.next() as usize % (n + 1)));
            let [abef, cdgh, words, ..] = slots;
            let name = format!("{slots:?} {features:?}");
            check(&mut bench, &mut r, 3, &name, &|o| o.sha2_rounds(i & 1 != 0, abef, cdgh, words));
        }
    }
}

#[test]
fn comparisons_conversions_and_selections_agree_with_the_reference() {
    let mut r = Random(0x1234_5678_9abc_def1);
    let rounds = std::env::var("ROUNDS").ok().and_then(|s| s.parse().ok()).unwrap_or(60) * 20;
    for features in feature_sets() {
        let mut bench = Bench::new(features);
        for i in 0..rounds {
            let es = [3, 2, 3, 2, 1][i % 5];
            let (d, a, b) = (V(r.pick(&SLOTS)), V(r.pick(&SLOTS)), V(r.pick(&SLOTS)));
            let (reg, signed, w) =
                (R(r.pick(&[0, 1, 9, 10])), r.next() & 256 == 0, r.pick(&[W::W32, W::W64]));
            let fbits = r.pick(&[0, 0, 0, 1, 17, 32]);
            let cond = Cond::from_bits(r.next() as u32 >> 9);
            let nzcv = (r.next() >> 11) as u8 & 15;
            use Round::*;
            let round = r.pick(&[NearestEven, Up, Down, Zero, NearestAway, Current]);
            let mut each = |name: &str, op: Step<'_>| {
                let name = format!(
                    "{name} es {es} {d:?} {a:?} {b:?} {reg:?} signed {signed} {w:?} fbits {fbits} {cond:?} {nzcv:x} {round:?} avx {}",
                    features.avx
                );
                check(&mut bench, &mut r, es, &name, op);
            };
            each("to int", &|o| o.fp_to_int(signed, round, w, reg, a, es, fbits));
            each("from int", &|o| o.int_to_fp(signed, Round::Current, w, d, reg, es, fbits));
            each("from int by direction", &|o| o.int_to_fp(signed, round, w, d, reg, es, fbits));
            each("compare", &|o| o.fp_compare(signed, es, a, Some(b)));
            each("compare with zero", &|o| o.fp_compare(signed, es, a, None));
            each("conditional compare", &|o| o.fp_cond_compare(cond, signed, es, a, b, nzcv));
            each("select", &|o| o.fp_select(cond, es, d, a, b));
        }
    }
}

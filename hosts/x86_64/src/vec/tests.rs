//! Vector code against the reference.

use super::super::Buffers;
use super::super::asm::{
    Mem, NONE,
    opcodes::{MOVAPS, MOVAPS_STORE},
    reg::*,
};
use super::super::glue::Piece;
use super::super::{HostPart, state};
use super::*;
use anyarch_engine::run::{Slots, Thread};
use anyarch_engine::state::Cpu;
use anyarch_engine::vec::{Form, Imm, eval};
use anyarch_sys::mappings;
use core::mem::offset_of;
use linux_raw_sys::general as sys;
use std::collections::BTreeMap;

const PINNED: u8 = 12;

/// Executable memory, a state, and the register map.
struct Bench {
    code: *mut u8,
    cpu: &'static mut Cpu,
    host: [u8; VEC_SLOTS],
    flags_free: bool,
}

impl Bench {
    fn new() -> Bench {
        // SAFETY: an anonymous mapping; an all-zero Cpu is valid.
        let (code, thread) = unsafe {
            let prot = (sys::PROT_READ | sys::PROT_WRITE | sys::PROT_EXEC) as u64;
            let flags = (sys::MAP_PRIVATE | sys::MAP_ANONYMOUS) as u64;
            let code = mappings::mmap(0, 65536, prot, flags, -1, 0).unwrap();
            let thread = std::alloc::alloc_zeroed(std::alloc::Layout::new::<Thread>()).cast::<Thread>();
            HostPart::of(&mut *thread).constants = CONSTANTS;
            (code as *mut u8, &mut *thread)
        };
        static SLOTS: Slots = Slots { gpr: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], no_bases: &[], vec: &[] };
        let features = Features::detect();
        let mut a =
            Asm { p: code, end: code.wrapping_add(65536), avx: features.avx, label: core::ptr::null_mut() };
        let sha = super::super::sha::emit(&mut a, &Buffers::new(&SLOTS));
        HostPart::of(thread).pieces = Piece::ALL.map(|piece| sha.piece(piece));
        let code = a.p;
        let mut host = [NONE; VEC_SLOTS];
        for (i, h) in host.iter_mut().enumerate().take(PINNED as usize) {
            *h = i as u8;
        }
        Bench { code, cpu: &mut thread.cpu, host, flags_free: false }
    }

    /// Runs an operation's code. None if there is none, else its length.
    fn run(&mut self, features: Features, op: VOp, args: &VArgs) -> Option<usize> {
        self.run_code(features, |e| lower(e, op, args)).or_else(|| {
            self.flags_free = true;
            let length = self.run_code(features, |e| lower_clobbering(e, op, args));
            self.flags_free = false;
            length
        })
    }

    fn run_code(&mut self, features: Features, mut emit: impl FnMut(&mut Emit<'_>) -> bool) -> Option<usize> {
        let mut a = Asm {
            p: self.code,
            end: self.code.wrapping_add(32768),
            avx: features.avx,
            label: core::ptr::null_mut(),
        };
        a.push(RBP);
        a.lea(true, RBP, Mem::base(RDI, super::super::STATE_BIAS));
        let at = |s: u8| state(offset_of!(Cpu, vec) + s as usize * 16);
        for s in 0..PINNED {
            a.v2(MOVAPS, s, at(s));
        }
        // Flags must survive: CF set before, added to the result's place after.
        a.b(0xf9);
        let start = a.p;
        let mut aes = AesRound::NONE;
        let mut e = Emit { a: &mut a, features, host: &self.host, aes: &mut aes };
        if !emit(&mut e) {
            assert_eq!(a.p, start, "emitted something and gave up");
            return None;
        }
        let length = a.p as usize - start as usize;
        a.setcc(super::super::asm::Cc::B, RAX);
        for s in 0..PINNED {
            a.v2(MOVAPS_STORE, s, at(s));
        }
        a.movzx(1, RAX, RAX);
        a.pop(RBP);
        a.ret();
        // SAFETY: the code was just written: it saves what it must and reads and writes only `cpu`.
        let flag = unsafe {
            let f: extern "C" fn(*mut Cpu) -> u64 = core::mem::transmute(self.code);
            f(&mut *self.cpu)
        };
        assert!(flag == 1 || self.flags_free, "changed the flags");
        Some(length)
    }
}

fn random() -> impl FnMut() -> u64 {
    let mut x = 88172645463325252u64;
    move || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x
    }
}

fn imms(imm: Imm, es: u8, bytes: u8) -> Vec<u32> {
    let bits = 8u32 << es;
    match imm {
        Imm::No => vec![0],
        Imm::Shl | Imm::Rot => (0..bits).collect(),
        Imm::Shr => (1..=bits).collect(),
        Imm::LongShl => (0..=bits / 2).collect(),
        Imm::NarrowShr => (0..=bits).collect(),
        Imm::Byte => (0..bytes as u32).collect(),
        Imm::Lane => (0..16 >> es).collect(),
        Imm::Lanes2 => (0..16 >> es).flat_map(|t| (0..16 >> es).map(move |f| t | f << 8)).collect(),
        Imm::Container => (es as u32 + 1..4).collect(),
        Imm::Bit => (0..128).step_by(16 >> es).collect(),
    }
}

/// Every operation, layout and constant, with operands in registers and memory that coincide in
/// many ways, on SSE and AVX.
#[test]
fn agrees_with_the_reference() {
    let mut bench = Bench::new();
    let all = Features::detect();
    let sse = Features { avx: false, avx2: false, ..all };
    let avx = Features { avx2: false, ..all };
    let mut next = random();
    let mut lowered: BTreeMap<&str, (usize, usize, usize)> = BTreeMap::new();
    for &op in VOp::ALL {
        let info = op.info();
        for es in info.es.0..=info.es.1 {
            let sizes: &[u8] = match info.form {
                Form::Full => &[16],
                Form::Scalar => &[4],
                _ => &[1, 2, 4, 8, 16],
            };
            let lanes_ok = |b: u8| b >= 1 << es && (b >= 8 || b == 1 << es);
            for &bytes in sizes.iter().filter(|&&b| lanes_ok(b)) {
                if op == VOp::InsertLane && bytes != 16
                    || info.form == Form::Across && (bytes < 8 || bytes == 1 << es)
                    || info.form == Form::Pairs && bytes == 1 << es
                    || matches!(op, VOp::Zip1 | VOp::Zip2 | VOp::Uzp1 | VOp::Uzp2 | VOp::Trn1 | VOp::Trn2)
                        && bytes == 1 << es
                    || op == VOp::Reverse && bytes < 8
                    || matches!(info.form, Form::Long | Form::Wide) && bytes == 8 && es < 3
                    || op == VOp::Extract && bytes < 8
                    || matches!(op, VOp::AddPairsLongS | VOp::AddPairsLongU) && bytes < 8
                    || info.form == Form::Narrow && bytes == 16
                {
                    continue;
                }
                let mut variants = imms(info.imm, es, bytes);
                if matches!(info.form, Form::Long | Form::Wide) && bytes == 16 {
                    variants.extend(variants.clone().iter().map(|i| i | HIGH));
                }
                for imm in variants {
                    let narrow_high = info.form == Form::Narrow && bytes == 8;
                    for round in 0..24 {
                        let pool = [0, 1, 2, 11, 20, 21, 22, 40];
                        let mut pick = || V(pool[next() as usize % pool.len()]);
                        let mut args = VArgs { d: pick(), a: pick(), b: pick(), c: pick(), es, bytes, imm };
                        if narrow_high && round % 2 == 1 {
                            args.bytes = 16;
                            args.imm |= HIGH;
                        }
                        for slot in pool {
                            let (low, high) = (next(), next());
                            let fill = match next() % 4 {
                                0 => 0x7f80_8000_ff01_8000u64.rotate_left(next() as u32 % 8 * 8),
                                1 => low & 0x0f07_1f03_0f3f_0f07,
                                _ => low,
                            };
                            bench.cpu.vec[slot as usize] = fill as u128 | (high as u128) << 64;
                        }
                        let before = bench.cpu.vec;
                        let get = |v: V| before[v.0 as usize];
                        let mut q = false;
                        let want = eval(op, &args, get(args.a), get(args.b), get(args.c), &mut q);
                        bench.cpu.fp.saturated = false;
                        let features = [all, sse, avx][round % 3];
                        let entry = lowered.entry(info.name).or_default();
                        let Some(length) = bench.run(features, op, &args) else {
                            entry.1 += 1;
                            continue;
                        };
                        entry.0 += 1;
                        assert_eq!(bench.cpu.fp.saturated, q, "{op:?} {args:?}: saturation");
                        entry.2 = entry.2.max(length);
                        assert_eq!(
                            bench.cpu.vec[args.d.0 as usize],
                            want,
                            "{op:?} {args:?} round {round}: got {:032x} wanted {want:032x} a {:032x} b {:032x} c {:032x}",
                            bench.cpu.vec[args.d.0 as usize],
                            get(args.a),
                            get(args.b),
                            get(args.c)
                        );
                        for slot in pool.iter().filter(|&&s| s != args.d.0) {
                            assert_eq!(
                                bench.cpu.vec[*slot as usize], before[*slot as usize],
                                "{op:?} changes v{slot}"
                            );
                        }
                    }
                }
            }
        }
    }
    for (name, (with, without, length)) in &lowered {
        println!("{name}: {with} cases with code (at most {length} bytes), {without} without");
    }
}
#[test]
fn tables() {
    let mut bench = Bench::new();
    let features = Features::detect();
    let mut next = random();
    for round in 0..2000 {
        let (keep, n, bytes) = (round % 2 == 1, next() as u8 % 4 + 1, [8, 16][next() as usize % 2]);
        let mut pick = || V([0, 1, 2, 9, 10, 11, 12, 20, 30, 31][next() as usize % 10]);
        let (d, first, idx) = (pick(), pick(), pick());
        for slot in 0..32 {
            bench.cpu.vec[slot] = next() as u128 | (next() as u128) << 64;
            if next().is_multiple_of(2) {
                bench.cpu.vec[slot] &= u128::MAX / 255 * 0x3f;
            }
        }
        let before = bench.cpu.vec;
        let table: Vec<u8> = (0..n).flat_map(|k| before[(first.0 + k) as usize & 31].to_le_bytes()).collect();
        let old = before[d.0 as usize].to_le_bytes();
        let mut want = [0u8; 16];
        for (i, &at) in before[idx.0 as usize].to_le_bytes().iter().enumerate().take(bytes as usize) {
            want[i] = table.get(at as usize).copied().unwrap_or(if keep { old[i] } else { 0 });
        }
        if bench.run_code(features, |e| super::table(e, keep, d, first, n, idx, bytes)).is_some() {
            assert_eq!(bench.cpu.vec[d.0 as usize].to_le_bytes(), want, "{keep} {n} {d:?} {first:?} {idx:?}");
        }
    }
}

#[test]
fn aes_rounds_fuse() {
    let features = Features::detect();
    if !features.aes {
        return;
    }
    let mut bench = Bench::new();
    let mut next = random();
    for round in 0..200 {
        let decrypt = round % 2 == 1;
        let ops = if decrypt {
            [VOp::AesDecLast, VOp::AesInvMixColumns]
        } else {
            [VOp::AesEncLast, VOp::AesMixColumns]
        };
        let d = V([0, 11, 20][next() as usize % 3]);
        let b = V([1, 0, 21][next() as usize % 3]);
        for slot in 0..32 {
            bench.cpu.vec[slot] = next() as u128 | (next() as u128) << 64;
        }
        let before = bench.cpu.vec;
        let args = VArgs { d, a: d, b, c: d, es: 0, bytes: 16, imm: 0 };
        let mut q = false;
        let first = eval(ops[0], &args, before[d.0 as usize], before[b.0 as usize], 0, &mut q);
        let want = eval(ops[1], &args, first, 0, 0, &mut q);
        let features = Features { avx: features.avx && round % 3 != 0, ..features };
        bench.run_code(features, |e| {
            let one = lower(e, ops[0], &args);
            let between = e.a.p;
            let two = lower(e, ops[1], &args);
            assert_eq!(e.a.p, between);
            one && two
        });
        assert_eq!(bench.cpu.vec[d.0 as usize], want, "{ops:?} {d:?} {b:?}");
    }
}

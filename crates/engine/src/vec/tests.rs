//! Known answers. Broad coverage comes from running guest instructions against an independent
//! implementation.

use super::*;
use crate::operands::{V, VArgs};

const D: V = V(0);

fn args(es: u8, bytes: u8, imm: u32) -> VArgs {
    VArgs { d: D, a: D, b: D, c: D, es, bytes, imm }
}

fn run(op: VOp, es: u8, bytes: u8, imm: u32, a: u128, b: u128, c: u128) -> (u128, bool) {
    let mut q = false;
    (eval(op, &args(es, bytes, imm), a, b, c, &mut q), q)
}

#[test]
fn known_answers() {
    use VOp::*;
    let check = |op, (es, bytes, imm), a, b, c, want: u128, q: bool| {
        let got = run(op, es, bytes, imm, a, b, c);
        assert_eq!(got, (want, q), "{op:?} es {es} bytes {bytes} imm {imm}: {:x} wanted {want:x}", got.0);
    };
    let x = 0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100u128;
    let y = x + 0x1010_1010_1010_1010_1010_1010_1010_1010;
    check(Add, (0, 8, 0), 0xff_ff, 0x01_02, 0, 0x00_01, false);
    check(Mov, (0, 8, 0), x, 0, 0, 0x0706_0504_0302_0100, false);
    check(AddSatS, (1, 16, 0), 0x7fff, 1, 0, 0x7fff, true);
    check(AddSatU, (0, 1, 0), 0xf0, 0x10, 0, 0xff, true);
    check(SubSatU, (0, 1, 0), 0x0f, 0x10, 0, 0, true);
    check(AddSatSU, (0, 1, 0), 0x80, 0xff, 0, 0x7f, false);
    check(AddSatUS, (0, 1, 0), 0x01, 0xfe, 0, 0, true);
    check(HalfSubU, (0, 1, 0), 0, 1, 0, 0xff, false);
    check(ShrS, (0, 2, 8), 0x807f, 0, 0, 0xff00, false);
    check(ShrU, (3, 8, 64), u128::MAX, 0, 0, 0, false);
    check(ShrRoundU, (3, 8, 64), u128::MAX, 0, 0, 1, false);
    check(ShlInsert, (0, 1, 4), 0x5a, 0, 0x0f, 0xaf, false);
    check(ShrInsert, (0, 1, 4), 0x5a, 0, 0xf0, 0xf5, false);
    check(ShlSatSU, (0, 2, 1), 0x80_7f, 0, 0, 0x00_fe, true);
    check(ShiftS, (3, 8, 0), 1 << 63, 0x80, 0, u64::MAX as u128, false);
    check(ShiftU, (3, 8, 0), 1, 64, 0, 0, false);
    check(ShiftSatS, (3, 8, 0), u64::MAX as u128, 127, 0, 1 << 63, true);
    check(ShiftRoundU, (0, 1, 0), 0xff, 0xf8, 0, 1, false);
    check(AddLongS, (1, 16, HIGH), 0x80 << 64, 0x80 << 64, 0, 0xff00, false);
    check(MulLongPoly, (4, 16, HIGH), 3 << 64, (1 << 127) | (1 << 64), 0, (3 << 63) | 3, false);
    check(SubWideU, (1, 16, 0), 0, 1, 0, 0xffff, false);
    check(ShrNarrow, (0, 8, 0), x, 0, 0, 0x0e0c_0a08_0604_0200, false);
    check(ShrNarrow, (0, 16, HIGH | 8), x, 0, 5, (0x0f0d_0b09_0705_0301 << 64) | 5, false);
    check(ShrNarrowSatSU, (0, 1, 0), 0xffff, 0, 0, 0, true);
    check(AddPairs, (0, 8, 0), x, y, 0, 0x2d29_2521_0d09_0501, false);
    check(MaxPairsU, (2, 8, 0), 0xffff_ffff_0000_0001, 1, 0, 0x0000_0001_ffff_ffff, false);
    check(AddPairsLongS, (1, 8, 0), 0xff01, 0, 0, 0, false);
    check(SumAcross, (0, 16, 0), x, 0, 0, 120, false);
    check(SumAcross, (3, 16, 0), x, 0, 0, 0x1614_1210_0e0c_0a08, false);
    check(SumAcrossLongS, (1, 8, 0), 0xfeff, 0, 0, 0xfffd, false);
    check(MinAcrossS, (0, 8, 0), 0x80, 0, 0, 0x80, false);
    check(Reverse, (0, 16, 1), x, 0, 0, 0x0e0f_0c0d_0a0b_0809_0607_0405_0203_0001, false);
    check(Reverse, (2, 8, 3), x, 0, 0, 0x0302_0100_0706_0504, false);
    check(Extract, (0, 8, 3), x, y, 0, 0x1211_1007_0605_0403, false);
    check(Zip2, (0, 8, 0), x, y, 0, 0x1707_1606_1505_1404, false);
    check(Uzp2, (0, 16, 0), x, y, 0, 0x1f1d_1b19_1715_1311_0f0d_0b09_0705_0301, false);
    check(Trn1, (2, 16, 0), x, y, 0, 0x1b1a_1918_0b0a_0908_1312_1110_0302_0100, false);
    check(DupLane, (0, 8, 9), x, 0, 0, 0x0909_0909_0909_0909, false);
    check(InsertLane, (1, 16, 0x0701), x, 0, 0, 0x0f0e_0000, false);
    check(LeadingSigns, (0, 2, 0), 0xff_01, 0, 0, 0x07_06, false);
    check(RecipEstU, (2, 4, 0), 0x8000_0000, 0, 0, 0xff80_0000, false);
    check(RsqrtEstU, (2, 4, 0), 0x4000_0000, 0, 0, 0xff80_0000, false);
    check(MulDoubleHighSat, (1, 2, 0), 0x8000, 0x8000, 0, 0x7fff, true);
    check(DotUS, (2, 4, 0), 0xff, 0xff, 1, 0u32.wrapping_sub(254) as u128, false);
    check(MatMulU, (2, 16, 0), 2, 3 << 64, 0, 6 << 32, false);
    check(XorRor, (3, 8, 8), 0x1ff, 0, 0, 0xff00_0000_0000_0001, false);
}

/// FIPS 197, appendix B: one round of encryption, and its inverse.
#[test]
fn aes() {
    use VOp::*;
    let state = u128::from_be_bytes(*b"\x19\x3d\xe3\xbe\xa0\xf4\xe2\x2b\x9a\xc6\x8d\x2a\xe9\xf8\x48\x08")
        .swap_bytes();
    let shifted = 0xd4bf5d30_e0b452ae_b84111f1_1e2798e5u128.swap_bytes();
    let mixed = 0x046681e5_e0cb199a_48f8d37a_2806264cu128.swap_bytes();
    assert_eq!(run(AesEncLast, 0, 16, 0, state, 0, 0).0, shifted);
    assert_eq!(run(AesMixColumns, 0, 16, 0, shifted, 0, 0).0, mixed);
    assert_eq!(run(AesInvMixColumns, 0, 16, 0, mixed, 0, 0).0, shifted);
    assert_eq!(run(AesDecLast, 0, 16, 0, shifted, 0, 0).0, state);
}

/// The block of "abc" (FIPS 180-4's example) through the operations as a program would use them.
#[test]
fn sha256_of_abc() {
    use VOp::*;
    const K: [u32; 64] = sha256_constants();
    let v = |w: [u32; 4]| w.iter().rev().fold(0u128, |r, &w| r << 32 | w as u128);
    let ev = |op, a, b, c| run(op, 2, 16, 0, a, b, c).0;
    let mut m = [v([0x6162_6380, 0, 0, 0]), 0, 0, v([0, 0, 0, 24])];
    let (mut x, mut y) = (
        v([0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a]),
        v([0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19]),
    );
    let start = (x, y);
    for i in 0..16 {
        let w = ev(Add, m[0], v(core::array::from_fn(|k| K[4 * i + k])), 0);
        (x, y) = (ev(Sha256Hash1, y, w, x), ev(Sha256Hash2, x, w, y));
        let next = ev(Sha256Schedule1, m[2], m[3], ev(Sha256Schedule0, m[1], 0, m[0]));
        m = [m[1], m[2], m[3], next];
    }
    assert_eq!(ev(Add, x, start.0, 0), v([0xba78_16bf, 0x8f01_cfea, 0x4141_40de, 0x5dae_2223]));
    assert_eq!(ev(Add, y, start.1, 0), v([0xb003_61a3, 0x9617_7a9c, 0xb410_ff61, 0xf200_15ad]));
}

/// The first 32 bits of the fractions of the cube roots of the first 64 primes.
const fn sha256_constants() -> [u32; 64] {
    let mut k = [0; 64];
    let (mut n, mut i) = (2u128, 0);
    while i < 64 {
        let mut d = 2;
        while n % d != 0 {
            d += 1;
        }
        if d == n {
            // floor(cbrt(n) * 2^32) by bisection.
            let (mut lo, mut hi) = (0u128, 1 << 35);
            while hi - lo > 1 {
                let mid = (lo + hi) / 2;
                // mid^3 <= n * 2^96 without overflow: 35 * 3 bits.
                if mid * mid * mid <= n << 96 { lo = mid } else { hi = mid }
            }
            k[i] = lo as u32;
            i += 1;
        }
        n += 1;
    }
    k
}

/// No operand may panic, and nothing may appear above the destination's bytes.
#[test]
fn every_operation_with_every_layout() {
    let mut x = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c834u128;
    let mut next = || {
        x = x.wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645).wrapping_add(0x5851_f42d_4c95_7f2d);
        x ^ x >> 64
    };
    for &op in VOp::ALL {
        let info = op.info();
        for es in info.es.0..=info.es.1 {
            for bytes in [1 << es, 8, 16] {
                for imm in (0..=65).chain([HIGH, HIGH | 1]) {
                    for _ in 0..4 {
                        let (r, _) = run(op, es, bytes, imm, next(), next(), next());
                        let top = match info.form {
                            Form::Across => 1 << es,
                            Form::Full => 16,
                            Form::Narrow if imm & HIGH != 0 => 16,
                            _ => bytes.max(1 << es),
                        };
                        assert!(top == 16 || r >> (8 * top) == 0, "{op:?} {es} {bytes} {imm}");
                    }
                }
            }
        }
    }
}

//! Vector cryptography: Zvkned (AES), Zvknhb (SHA-2), Zvkg (GHASH). The rest of Zvkng is in
//! `v_int.rs`; all of it takes time that depends on no operand: AES is told (`features.rs`) on
//! hosts that do it fast, and whose steps are used here too.
//!
//! These work on groups of four elements; vl and vstart are multiples of four.

use crate::decode::Insn;
use crate::v::{Group, Unit, legal, play, vectors};
use crate::v_fast::crypto;
use anyarch_engine::backend::backend;
use anyarch_engine::lift::UnitBuilder;
use anyarch_engine::ops::{Helper, HelperExit, Ops};
use anyarch_engine::state::Cpu;
use anyarch_engine::vec::VOp;
use anyarch_engine::vec::crypto::{ghash_mul, sha2_rounds as rounds};

crate::rows! {
    "101000 1 vs2:5 00000 010 vd:5 1110111" VaesdmVv aes[Aes::Dm];
    "101001 1 vs2:5 00000 010 vd:5 1110111" VaesdmVs aes[Aes::Dm];
    "101000 1 vs2:5 00001 010 vd:5 1110111" VaesdfVv aes[Aes::Df];
    "101001 1 vs2:5 00001 010 vd:5 1110111" VaesdfVs aes[Aes::Df];
    "101000 1 vs2:5 00010 010 vd:5 1110111" VaesemVv aes[Aes::Em];
    "101001 1 vs2:5 00010 010 vd:5 1110111" VaesemVs aes[Aes::Em];
    "101000 1 vs2:5 00011 010 vd:5 1110111" VaesefVv aes[Aes::Ef];
    "101001 1 vs2:5 00011 010 vd:5 1110111" VaesefVs aes[Aes::Ef];
    "101001 1 vs2:5 00111 010 vd:5 1110111" VaeszVs aes[Aes::Z];
    "100010 1 vs2:5 uimm:5 010 vd:5 1110111" Vaeskf1Vi aes[Aes::Kf1];
    "101010 1 vs2:5 uimm:5 010 vd:5 1110111" Vaeskf2Vi aes[Aes::Kf2];
    "101101 1 vs2:5 vs1:5 010 vd:5 1110111" Vsha2msVv sha2[Sha2::Ms];
    "101110 1 vs2:5 vs1:5 010 vd:5 1110111" Vsha2chVv sha2[Sha2::Ch];
    "101111 1 vs2:5 vs1:5 010 vd:5 1110111" Vsha2clVv sha2[Sha2::Cl];
    "101100 1 vs2:5 vs1:5 010 vd:5 1110111" VghshVv ghash[true];
    "101000 1 vs2:5 10001 010 vd:5 1110111" VgmulVv ghash[false];
}

crate::v::numbered! {
    /// AES instructions: middle and final rounds, round zero, key schedule.
    Aes { Dm Df Em Ef Z Kf1 Kf2 }
}

impl Aes {
    /// Of a key schedule's instruction: whether SubWord's result is rotated right by a byte, and
    /// the round constant.
    pub(crate) fn schedule(self, round: u32) -> (bool, u32) {
        // The numbers that are no round have their high bit inverted.
        let round = round & 15;
        let constant = |n: u32| RCON.get(n.wrapping_sub(1) as usize).copied().unwrap_or(0);
        if self == Aes::Kf1 {
            return (true, constant(if round == 0 || round > 10 { round ^ 8 } else { round }));
        }
        let round = if !(2..=14).contains(&round) { round ^ 8 } else { round };
        if round & 1 == 1 { (false, 0) } else { (true, constant(round / 2)) }
    }
}

crate::v::numbered! {
    /// SHA-2 instructions.
    Sha2 { Ms Ch Cl }
}

fn aes<O: Ops>(o: &mut O, i: Insn, op: Aes) {
    let arg = i.word as u64 | (op as u64) << 32;
    if !crypto::aes(o, i, op, AES, arg) {
        o.helper(AES, arg);
    }
}

fn sha2<O: Ops>(o: &mut O, i: Insn, op: Sha2) {
    let arg = i.word as u64 | (op as u64) << 32;
    if op != Sha2::Ms || !crypto::sha2_schedule(o, i, SHA2, arg) {
        o.helper(SHA2, arg);
    }
}

/// Whether a word is VSHA2CL, which with VSHA2CH behind it does four rounds.
#[inline(always)]
pub(crate) fn is_sha2_low(word: u32) -> bool {
    word & 0xfe00_707f == 0xbe00_2077
}

/// Translates the two as one step, if they are the two halves of four rounds.
pub(crate) fn sha2_rounds<T: UnitBuilder>(
    t: &mut T,
    low: Insn,
    high: Insn,
    begin: impl FnOnce(&mut T),
) -> bool {
    if high.word & 0xfe00_707f != 0xba00_2077 {
        return false;
    }
    let Some(what) = crypto::sha2_pair(t, low, high) else { return false };
    begin(t);
    crypto::sha2_rounds(t, low, what, SHA2_PAIR, low.word as u64 | (high.word as u64) << 32);
    true
}

fn ghash<O: Ops>(o: &mut O, i: Insn, add: bool) {
    let arg = i.word as u64 | (add as u64) << 32;
    if !crypto::ghash(o, i, add, GHASH, arg) {
        o.helper(GHASH, arg);
    }
}

/// Checks that groups of four elements of SEW are possible, and gives the destination.
fn quads(u: &Unit<'_>) -> Result<Group, crate::v::Stop> {
    let d = u.group(u.vd(), u.sew)?;
    // A group of elements fits into the register group.
    legal(u.lmul + 2 >= u.sew as i32 && u.vl.is_multiple_of(4) && u.vstart.is_multiple_of(4))?;
    Ok(d)
}

/// A step of AES on a whole state, by the host: the engine's reference looks bytes up in tables,
/// and how long that takes depends on them.
fn whole(op: VOp, a: u128) -> u128 {
    (backend().aes)(op, a)
}

/// SubWord: the rows are shifted by SubBytes' neighbour in the vocabulary, which a word in all
/// columns does not notice.
fn sub_word(w: u32) -> u32 {
    whole(VOp::AesEncLast, w as u128 * (1 | 1 << 32 | 1 << 64 | 1 << 96)) as u32
}

/// Round constants.
const RCON: [u32; 10] = [1, 2, 4, 8, 16, 32, 64, 128, 0x1b, 0x36];

fn words(x: u128) -> [u32; 4] {
    core::array::from_fn(|n| (x >> (32 * n)) as u32)
}

/// The next round key: each word is the previous one with that of the key `old` added, the first
/// with `first`.
fn next_key(first: u32, old: u128) -> u128 {
    let mut last = first;
    words(old).iter().enumerate().fold(0, |key, (n, w)| {
        last ^= w;
        key | (last as u128) << (32 * n)
    })
}

fn aes_step(op: Aes, state: u128, key: u128, round: u32) -> u128 {
    match op {
        Aes::Em => whole(VOp::AesMixColumns, whole(VOp::AesEncLast, state)) ^ key,
        Aes::Ef => whole(VOp::AesEncLast, state) ^ key,
        Aes::Dm => whole(VOp::AesInvMixColumns, whole(VOp::AesDecLast, state) ^ key),
        Aes::Df => whole(VOp::AesDecLast, state) ^ key,
        Aes::Z => state ^ key,
        Aes::Kf1 | Aes::Kf2 => {
            let (rotate, constant) = op.schedule(round);
            let first = sub_word(words(key)[3]).rotate_right(if rotate { 8 } else { 0 }) ^ constant;
            next_key(first, if op == Aes::Kf1 { key } else { state })
        }
    }
}

const AES: Helper = Helper { function: aes_helper, effects: vectors };

extern "C" fn aes_helper(cpu: &mut Cpu, arg: u64) -> HelperExit {
    play(cpu, arg, true, |u| {
        let op = Aes::from_arg(arg);
        let (d, immediate) = (quads(u)?, matches!(op, Aes::Kf1 | Aes::Kf2));
        legal(u.sew == 2)?;
        let scalar = !immediate && u.i.bits(26, 1) != 0;
        let key = if scalar { u.first(u.vs2(), 2) } else { u.group(u.vs2(), 2)? };
        legal(!scalar || !d.overlaps(key))?;
        for n in u.vstart / 4..u.vl / 4 {
            let n = n as u32;
            let key = *u.whole(key.reg + if scalar { 0 } else { n });
            let (state, round) = (*u.whole(d.reg + n), u.i.s1() & 15);
            *u.whole(d.reg + n) = aes_step(op, state, key, round);
        }
        Ok(())
    })
}

/// The rotations of FIPS 180-4's sigma0 and sigma1 on words of 32 or 64 bits, the last of which is
/// a shift.
const ROTATIONS: [[[u32; 3]; 2]; 2] = [[[7, 18, 3], [17, 19, 10]], [[1, 8, 7], [19, 61, 6]]];

fn sigma(wide: bool, which: usize, x: u64) -> u64 {
    let [a, b, c] = ROTATIONS[wide as usize][which & 1];
    let rotate = |n: u32| if wide { x.rotate_right(n) } else { (x as u32).rotate_right(n) as u64 };
    rotate(a) ^ rotate(b) ^ x >> c
}

/// Four words of schedule from the last sixteen, of which `old` has the first four, `b` those
/// numbered 4 and 9 to 11, `a` those from 12 on.
fn schedule(wide: bool, old: [u64; 4], b: [u64; 4], a: [u64; 4]) -> [u64; 4] {
    let cut = |x: u64| if wide { x } else { x as u32 as u64 };
    let small = |which, x| sigma(wide, which, x);
    let sum = |s1: u64, w: u64, s0: u64, w0: u64| {
        cut(small(1, s1).wrapping_add(w).wrapping_add(small(0, s0)).wrapping_add(w0))
    };
    let w16 = sum(a[2], b[1], old[1], old[0]);
    let w17 = sum(a[3], b[2], old[2], old[1]);
    let w18 = sum(w16, b[3], old[3], old[2]);
    [w16, w17, w18, sum(w17, a[0], b[0], old[3])]
}

const SHA2: Helper = Helper { function: sha2_helper, effects: vectors };

extern "C" fn sha2_helper(cpu: &mut Cpu, arg: u64) -> HelperExit {
    play(cpu, arg, true, |u| {
        let (op, sew, d) = (Sha2::from_arg(arg), u.sew, quads(u)?);
        legal(sew >= 2)?;
        let (a, b) = (u.group(u.vs1(), sew)?, u.group(u.vs2(), sew)?);
        legal(!d.overlaps(a) && !d.overlaps(b))?;
        for n in u.vstart / 4..u.vl / 4 {
            let quad = |g: Group| core::array::from_fn(|k| u.get(g.reg, sew, 4 * n + k));
            let (x, y, old): ([u64; 4], [u64; 4], [u64; 4]) = (quad(a), quad(b), quad(d));
            let out = match op {
                Sha2::Ms => schedule(sew == 3, old, y, x),
                Sha2::Ch => rounds(sew == 3, y, old, [x[2], x[3]]),
                Sha2::Cl => rounds(sew == 3, y, old, [x[0], x[1]]),
            };
            for (k, &word) in out.iter().enumerate() {
                u.set(d.reg, sew, 4 * n + k, word);
            }
        }
        Ok(())
    })
}

const SHA2_PAIR: Helper = Helper { function: sha2_pair_helper, effects: vectors };

/// Two instructions one after the other, the first's word in the low half. What makes the second
/// one illegal does so with the first.
extern "C" fn sha2_pair_helper(cpu: &mut Cpu, arg: u64) -> HelperExit {
    match sha2_helper(cpu, arg & 0xffff_ffff | (Sha2::Cl as u64) << 32) {
        HelperExit::Continue => sha2_helper(cpu, arg >> 32 | (Sha2::Ch as u64) << 32),
        other => other,
    }
}

const GHASH: Helper = Helper { function: ghash_helper, effects: vectors };

extern "C" fn ghash_helper(cpu: &mut Cpu, arg: u64) -> HelperExit {
    play(cpu, arg, true, |u| {
        let (d, add) = (quads(u)?, arg >> 32 != 0);
        legal(u.sew == 2)?;
        let key = u.group(u.vs2(), 2)?;
        let text = if add { Some(u.group(u.vs1(), 2)?) } else { None };
        for n in u.vstart as u32 / 4..u.vl as u32 / 4 {
            let text = text.map_or(0, |g| *u.whole(g.reg + n));
            let key = *u.whole(key.reg + n);
            let d = u.whole(d.reg + n);
            *d = ghash_mul(*d ^ text, key);
        }
        Ok(())
    })
}

/// What the tests of known answers need.
#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> u128 {
        u128::from_str_radix(hex, 16).unwrap().swap_bytes()
    }

    #[test]
    fn aes_128_of_fips_197() {
        // Appendix B: key and plain text, the cipher text.
        let mut keys = [bytes("2b7e151628aed2a6abf7158809cf4f3c"); 11];
        for n in 1..11 {
            keys[n] = aes_step(Aes::Kf1, 0, keys[n - 1], n as u32);
        }
        assert_eq!(keys[10], bytes("d014f9a8c9ee2589e13f0cc8b6630ca6"));
        let plain = bytes("3243f6a8885a308d313198a2e0370734");
        let mut state = aes_step(Aes::Z, plain, keys[0], 0);
        for key in &keys[1..10] {
            state = aes_step(Aes::Em, state, *key, 0);
        }
        let cipher = aes_step(Aes::Ef, state, keys[10], 0);
        assert_eq!(cipher, bytes("3925841d02dc09fbdc118597196a0b32"));
        let mut state = cipher ^ keys[10];
        for key in keys[1..10].iter().rev() {
            state = aes_step(Aes::Dm, state, *key, 0);
        }
        assert_eq!(aes_step(Aes::Df, state, keys[0], 0), plain);
    }

    #[test]
    fn aes_256_key_schedule_of_fips_197() {
        // Appendix A.3.
        let mut keys = [bytes("603deb1015ca71be2b73aef0857d7781"), bytes("1f352c073b6108d72d9810a30914dff4")];
        for n in 2..=14 {
            let next = aes_step(Aes::Kf2, keys[0], keys[1], n);
            keys = [keys[1], next];
        }
        assert_eq!(keys[1], bytes("fe4890d1e6188d0b046df344706c631e"));
    }

    /// One block of SHA-2 as programs do it: two rounds at a time, the schedule four words at a
    /// time.
    fn block(wide: bool, start: [u64; 8], constants: &[u64], message: [u64; 16]) -> [u64; 8] {
        let cut = |x: u64| if wide { x } else { x as u32 as u64 };
        let mut w = message.to_vec();
        while w.len() < constants.len() {
            let t = w.len() - 16;
            let next = schedule(
                wide,
                [w[t], w[t + 1], w[t + 2], w[t + 3]],
                [w[t + 4], w[t + 9], w[t + 10], w[t + 11]],
                [w[t + 12], w[t + 13], w[t + 14], w[t + 15]],
            );
            w.extend(next);
        }
        let [a, b, c, d, e, f, g, h] = start;
        let (mut abef, mut cdgh) = ([f, e, b, a], [h, g, d, c]);
        for (w, k) in w.chunks(2).zip(constants.chunks(2)) {
            let w = [cut(w[0].wrapping_add(k[0])), cut(w[1].wrapping_add(k[1]))];
            (cdgh, abef) = (abef, rounds(wide, abef, cdgh, w));
        }
        let end = [abef[3], abef[2], cdgh[3], cdgh[2], abef[1], abef[0], cdgh[1], cdgh[0]];
        core::array::from_fn(|n| cut(start[n].wrapping_add(end[n])))
    }

    /// The first bits of the fractional parts of the square or cube roots of the first primes.
    fn roots(count: usize, cube: bool, bits: u32) -> Vec<u64> {
        let primes = (2u64..).filter(|n| (2..*n).take_while(|d| d * d <= *n).all(|d| n % d != 0));
        primes
            .take(count)
            .map(|p| {
                // The largest r with r^k <= p * 2^(k bits), by bisection; products are compared in
                // pieces of 32 bits.
                let (mut low, mut high) = (0u128, 1u128 << (bits + 5));
                while high - low > 1 {
                    let r = (low + high) / 2;
                    if power_fits(r, if cube { 3 } else { 2 }, p, bits) { low = r } else { high = r }
                }
                low as u64 & u64::MAX >> (64 - bits)
            })
            .collect()
    }

    /// Whether r^k <= p * 2^(k bits).
    fn power_fits(r: u128, k: u32, p: u64, bits: u32) -> bool {
        let limbs = |mut x: u128| {
            let mut v = Vec::new();
            while x != 0 {
                v.push(x as u32 as u64);
                x >>= 32;
            }
            v
        };
        let mul = |a: &[u64], b: &[u64]| {
            let mut out = vec![0u64; a.len() + b.len() + 1];
            for (i, x) in a.iter().enumerate() {
                let mut carry = 0u128;
                for (j, y) in b.iter().enumerate() {
                    let t = out[i + j] as u128 + *x as u128 * *y as u128 + carry;
                    out[i + j] = t as u32 as u64;
                    carry = t >> 32;
                }
                out[i + b.len()] += carry as u64;
            }
            out
        };
        let mut left = limbs(r);
        for _ in 1..k {
            left = mul(&left, &limbs(r));
        }
        let mut right = vec![0u64; (k * bits / 32) as usize];
        right.push(p);
        let n = left.len().max(right.len());
        left.resize(n, 0);
        right.resize(n, 0);
        left.iter().rev().le(right.iter().rev())
    }

    #[test]
    fn sha2_of_abc() {
        let mut message = [0u64; 16];
        message[0] = 0x6162_6380;
        message[15] = 24;
        let start: Vec<u64> = roots(8, false, 32);
        let out = block(false, start.try_into().unwrap(), &roots(64, true, 32), message);
        assert_eq!(
            out.map(|w| w as u32),
            [0xba7816bf, 0x8f01cfea, 0x414140de, 0x5dae2223, 0xb00361a3, 0x96177a9c, 0xb410ff61, 0xf20015ad]
        );
        message[0] = 0x6162_6380_0000_0000;
        let start: Vec<u64> = roots(8, false, 64);
        let out = block(true, start.try_into().unwrap(), &roots(80, true, 64), message);
        assert_eq!((out[0], out[7]), (0xddaf_35a1_9361_7aba, 0x2a9a_c94f_a54c_a49f));
    }

    #[test]
    fn ghash_of_gcm_test_case_2() {
        // McGrew and Viega, test case 2: H, one block of cipher text, the lengths.
        let h = bytes("66e94bd4ef8a2c3b884cfa59ca342b2e");
        let text = bytes("0388dace60b6a392f328c2b971b2fe78");
        let first = ghash_mul(text, h);
        assert_eq!(first, bytes("5e2ec746917062882c85b0685353deb7"));
        assert_eq!(ghash_mul(first ^ bytes("80"), h), bytes("f38cbb1ad69223dcc3457ae5b6b0f885"));
    }
}

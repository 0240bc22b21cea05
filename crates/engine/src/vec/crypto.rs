//! Reference AES (FIPS 197), SHA-1, SHA-256 and SHA-512 (FIPS 180-4) and GHASH (SP 800-38D) steps
//! on 128-bit vectors.
//!
//! AES states are in column order: byte 4c + r of the vector is row r, column c.

/// Multiplication by x in AES's field.
const fn times2(x: u8) -> u8 {
    (x << 1) ^ (if x & 0x80 != 0 { 0x1b } else { 0 })
}

/// The S-box, built by walking the field with the generator 3 and its inverse side by side.
const SBOX: [u8; 256] = {
    let mut table = [0u8; 256];
    let (mut p, mut q) = (1u8, 1u8);
    loop {
        p ^= times2(p);
        q ^= q << 1;
        q ^= q << 2;
        q ^= q << 4;
        if q & 0x80 != 0 {
            q ^= 0x09;
        }
        table[p as usize] =
            q ^ q.rotate_left(1) ^ q.rotate_left(2) ^ q.rotate_left(3) ^ q.rotate_left(4) ^ 0x63;
        if p == 1 {
            break;
        }
    }
    table[0] = 0x63;
    table
};

const INV_SBOX: [u8; 256] = {
    let mut table = [0u8; 256];
    let mut i = 0;
    while i < 256 {
        table[SBOX[i] as usize] = i as u8;
        i += 1;
    }
    table
};

/// ShiftRows, then SubBytes.
pub(super) fn aes_sub_shift(x: u128) -> u128 {
    let x = x.to_le_bytes();
    u128::from_le_bytes(core::array::from_fn(|i| SBOX[x[(i + i % 4 * 4) % 16] as usize]))
}

/// InvShiftRows, then InvSubBytes.
pub(super) fn aes_inv_sub_shift(x: u128) -> u128 {
    let x = x.to_le_bytes();
    u128::from_le_bytes(core::array::from_fn(|i| INV_SBOX[x[(i + 16 - i % 4 * 4) % 16] as usize]))
}

/// MixColumns.
pub(super) fn aes_mix_columns(x: u128) -> u128 {
    let x = x.to_le_bytes();
    u128::from_le_bytes(core::array::from_fn(|i| {
        let at = |k: usize| x[i & !3 | (i + k) & 3];
        times2(at(0)) ^ times2(at(1)) ^ at(1) ^ at(2) ^ at(3)
    }))
}

/// InvMixColumns: MixColumns after adding 4 * (x[i] + x[i + 2]) to each byte of a column.
pub(super) fn aes_inv_mix_columns(x: u128) -> u128 {
    let b = x.to_le_bytes();
    aes_mix_columns(u128::from_le_bytes(core::array::from_fn(|i| {
        b[i] ^ times2(times2(b[i] ^ b[i & !3 | (i + 2) & 3]))
    })))
}

/// 32-bit words, lane 0 first.
fn words(x: u128) -> [u32; 4] {
    core::array::from_fn(|i| (x >> (32 * i)) as u32)
}

fn from_words(w: [u32; 4]) -> u128 {
    w.iter().rev().fold(0, |r, &w| r << 32 | w as u128)
}

/// 64-bit words, lane 0 first.
fn longs(x: u128) -> [u64; 2] {
    [x as u64, (x >> 64) as u64]
}

fn from_longs(w: [u64; 2]) -> u128 {
    (w[1] as u128) << 64 | w[0] as u128
}

/// FIPS 180-4's Ch.
pub(super) fn choose(x: u32, y: u32, z: u32) -> u32 {
    (y ^ z) & x ^ z
}

/// FIPS 180-4's Maj.
pub(super) fn majority(x: u32, y: u32, z: u32) -> u32 {
    x & y | (x | y) & z
}

/// Four rounds of SHA-1: state a to d in `abcd`, e in lane 0 of `e`, schedule words with constants
/// added.
pub(super) fn sha1_rounds(abcd: u128, e: u128, schedule: u128, f: fn(u32, u32, u32) -> u32) -> u128 {
    let [mut a, mut b, mut c, mut d] = words(abcd);
    let mut e = e as u32;
    for w in words(schedule) {
        let t = a.rotate_left(5).wrapping_add(f(b, c, d)).wrapping_add(e).wrapping_add(w);
        (e, d, c, b, a) = (d, c, b.rotate_left(30), a, t);
    }
    from_words([a, b, c, d])
}

/// The second part of SHA-1's schedule. The last word depends on the first result.
pub(super) fn sha1_schedule1(first: u128, last: u128) -> u128 {
    let t = words(first ^ last >> 32).map(|w| w.rotate_left(1));
    from_words([t[0], t[1], t[2], t[3] ^ t[0].rotate_left(1)])
}

/// Four rounds of SHA-256: the new (a to d, e to h).
pub(super) fn sha256_rounds(abcd: u128, efgh: u128, schedule: u128) -> (u128, u128) {
    let [mut a, mut b, mut c, mut d] = words(abcd);
    let [mut e, mut f, mut g, mut h] = words(efgh);
    for w in words(schedule) {
        let sum1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let sum0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let t1 = h.wrapping_add(sum1).wrapping_add(choose(e, f, g)).wrapping_add(w);
        let t2 = sum0.wrapping_add(majority(a, b, c));
        (h, g, f, e) = (g, f, e, d.wrapping_add(t1));
        (d, c, b, a) = (c, b, a, t1.wrapping_add(t2));
    }
    (from_words([a, b, c, d]), from_words([e, f, g, h]))
}

/// c + sigma0 of the words that follow each of c's.
pub(super) fn sha256_schedule0(c: u128, next: u128) -> u128 {
    let w = words(c);
    let following = words(c >> 32 | next << 96);
    from_words(core::array::from_fn(|i| {
        let x = following[i];
        w[i].wrapping_add(x.rotate_right(7) ^ x.rotate_right(18) ^ x >> 3)
    }))
}

/// The second part of SHA-256's schedule: the upper two words depend on the lower two.
pub(super) fn sha256_schedule1(c: u128, a: u128, b: u128) -> u128 {
    let w = words(c);
    let middle = words(a >> 32 | b << 96);
    let last = words(b);
    let mut r = [0u32; 4];
    for i in 0..4 {
        let x = if i < 2 { last[i + 2] } else { r[i - 2] };
        let sigma1 = x.rotate_right(17) ^ x.rotate_right(19) ^ x >> 10;
        r[i] = w[i].wrapping_add(middle[i]).wrapping_add(sigma1);
    }
    from_words(r)
}

fn sum0_512(x: u64) -> u64 {
    x.rotate_right(28) ^ x.rotate_right(34) ^ x.rotate_right(39)
}

fn sum1_512(x: u64) -> u64 {
    x.rotate_right(14) ^ x.rotate_right(18) ^ x.rotate_right(41)
}

/// AArch64's SHA512H: two rounds' Sigma1 and Ch part.
pub(super) fn sha512_hash1(w: u128, x: u128, y: u128) -> u128 {
    let ([w0, w1], [x0, x1], [y0, y1]) = (longs(w), longs(x), longs(y));
    let ch = |a: u64, b: u64, c: u64| a & b ^ !a & c;
    let r1 = ch(y1, x0, x1).wrapping_add(sum1_512(y1)).wrapping_add(w1);
    let t = r1.wrapping_add(y0);
    let r0 = ch(t, y1, x0).wrapping_add(sum1_512(t)).wrapping_add(w0);
    from_longs([r0, r1])
}

/// AArch64's SHA512H2: two rounds' Sigma0 and Maj part.
pub(super) fn sha512_hash2(w: u128, x: u128, y: u128) -> u128 {
    let ([w0, w1], [x0, _], [y0, y1]) = (longs(w), longs(x), longs(y));
    let maj = |a: u64, b: u64, c: u64| a & b ^ a & c ^ b & c;
    let r1 = maj(x0, y1, y0).wrapping_add(sum0_512(y0)).wrapping_add(w1);
    let r0 = maj(r1, y0, y1).wrapping_add(sum0_512(r1)).wrapping_add(w0);
    from_longs([r0, r1])
}

/// c + sigma0 of the following words.
pub(super) fn sha512_schedule0(c: u128, a: u128) -> u128 {
    let ([w0, w1], [x0, _]) = (longs(c), longs(a));
    let sigma0 = |x: u64| x.rotate_right(1) ^ x.rotate_right(8) ^ x >> 7;
    from_longs([w0.wrapping_add(sigma0(w1)), w1.wrapping_add(sigma0(x0))])
}

/// c + sigma1(a) + b.
pub(super) fn sha512_schedule1(c: u128, a: u128, b: u128) -> u128 {
    let (w, x, y) = (longs(c), longs(a), longs(b));
    let sigma1 = |x: u64| x.rotate_right(19) ^ x.rotate_right(61) ^ x >> 6;
    from_longs(core::array::from_fn(|i| w[i].wrapping_add(sigma1(x[i])).wrapping_add(y[i])))
}

/// Two rounds of SHA-2: the new f, e, b, a from f, e, b, a and h, g, d, c, with two words of
/// schedule with constants added; of 64 bits if `wide`.
pub fn sha2_rounds(wide: bool, [f, e, b, a]: [u64; 4], [h, g, d, c]: [u64; 4], w: [u64; 2]) -> [u64; 4] {
    let cut = |x: u64| if wide { x } else { x as u32 as u64 };
    let rotate = |x: u64, n| if wide { x.rotate_right(n) } else { (x as u32).rotate_right(n) as u64 };
    let sum = |x, [p, q, r]: [u32; 3]| rotate(x, p) ^ rotate(x, q) ^ rotate(x, r);
    let [sum0, sum1] = SUMS[wide as usize];
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = [a, b, c, d, e, f, g, h];
    for w in w {
        let t1 = h.wrapping_add(sum(e, sum1)).wrapping_add(e & f ^ !e & g).wrapping_add(w);
        let t2 = sum(a, sum0).wrapping_add(a & b ^ a & c ^ b & c);
        (h, g, f, e) = (g, f, e, cut(d.wrapping_add(t1)));
        (d, c, b, a) = (c, b, a, cut(t1.wrapping_add(t2)));
    }
    [f, e, b, a]
}

/// The rotations of SHA-2's Sigma0 and Sigma1, for words of 32 and of 64 bits.
/// The rotations of FIPS 180-4's Sigma0 and Sigma1 on words of 32 and of 64 bits.
pub const SUMS: [[[u32; 3]; 2]; 2] = [[[2, 13, 22], [6, 11, 25]], [[28, 34, 39], [14, 18, 41]]];

/// The product modulo x^128 + x^7 + x^2 + x + 1, bits of each byte in GCM's order.
pub fn ghash_mul(a: u128, b: u128) -> u128 {
    let brev8 = |x: u128| x.reverse_bits().swap_bytes();
    let (a, mut b) = (brev8(a), brev8(b));
    let mut product = 0;
    for n in 0..128 {
        product ^= b & (a >> n & 1).wrapping_neg();
        b = (b << 1) ^ ((b >> 127) * 0x87);
    }
    brev8(product)
}

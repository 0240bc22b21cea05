//! Constants of vector code, and which of them the thread's state has.

/// Bytes by which PSHUFB reverses the bytes of lanes of 2, 4, 8 bytes.
pub(super) const REVERSE: [u128; 3] = [
    0x0e0f_0c0d_0a0b_0809_0607_0405_0203_0001,
    0x0c0d_0e0f_0809_0a0b_0405_0607_0001_0203,
    0x0809_0a0b_0c0d_0e0f_0001_0203_0405_0607,
];

/// Bytes by which PSHUFB takes the low halves of lanes of 2 and 4 bytes, zero above.
pub(super) const NARROW: [u128; 2] =
    [0x8080_8080_8080_8080_0e0c_0a08_0604_0200, 0x8080_8080_8080_8080_0d0c_0908_0504_0100];

/// For each byte how many of its low four bits are set.
pub(super) const COUNTS: u128 = 0x0403_0302_0302_0201_0302_0201_0201_0100;

/// Four bits in reverse order.
pub(super) const REVERSED: u128 = 0x0f07_0b03_0d05_0901_0e06_0a02_0c04_0800;

/// Four bits' leading zeros, of four.
pub(super) const LEADING: u128 = 0x0000_0000_0000_0000_0101_0101_0202_0304;

/// GHASH's polynomial without x^128.
pub(super) const GHASH: u128 = 0x87;

pub(super) const SHA1: [u32; 3] = [0x5a82_7999, 0x6ed9_eba1, 0x8f1b_bcdc];

/// The value in every lane of `1 << es` bytes.
pub(super) const fn splat(es: usize, value: u64) -> u128 {
    let bits = 8 << es;
    (value as u128 & (u128::MAX >> (128 - bits))) * (u128::MAX / (u128::MAX >> (128 - bits)))
}

/// Constants that code finds in the thread's state. Others are made in RAX.
pub(crate) const CONSTANTS: [u128; 70] = {
    let mut all = [0; 70];
    let mut at = 0;
    let mut n = 0;
    while n < 7 {
        all[at] = splat(0, 0x7f >> n);
        all[at + 1] = splat(0, 0xfe << n);
        all[at + 2] = splat(0, 0x40 >> n);
        at += 3;
        n += 1;
    }
    // Half units of roundings.
    n = 0;
    while n < 8 {
        all[at] = splat(1, 1 << n);
        all[at + 1] = splat(2, 1 << n);
        all[at + 2] = splat(2, 256 << n);
        at += 3;
        n += 1;
    }
    let others = [
        REVERSE[0],
        REVERSE[1],
        REVERSE[2],
        COUNTS,
        REVERSED,
        LEADING,
        splat(0, 0x70),
        splat(0, 0xd0),
        splat(0, 0x30),
        splat(1, 0xff),
        splat(1, 0xff00),
        splat(1, 0x8000),
        splat(1, 0x7fff),
        splat(2, 0xff),
        splat(2, 0xffff),
        splat(2, 0x7fff_ffff),
        splat(2, 0x8000_0000),
        splat(3, 1 << 63),
        splat(3, 0xffff_ffff),
        splat(2, SHA1[0] as u64),
        splat(2, SHA1[1] as u64),
        splat(2, SHA1[2] as u64),
        GHASH,
        NARROW[0],
        NARROW[1],
    ];
    n = 0;
    while n < others.len() {
        all[at] = others[n];
        at += 1;
        n += 1;
    }
    all
};

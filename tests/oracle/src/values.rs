//! Operands, with a preference for the edges.

use crate::state::{EDGE, MID, Plain, Rng, State};

/// 64-bit values where things happen.
const EDGES: &[u64] = &[
    0,
    1,
    2,
    3,
    7,
    8,
    0x1f,
    0x20,
    0x3f,
    0x40,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0x8000,
    0xffff,
    0x10000,
    0x7fff_ffff,
    0x8000_0000,
    0x8000_0001,
    0xffff_fffe,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0x8000_0000_0000_0001,
    0xffff_ffff_0000_0000,
    0xffff_ffff_7fff_ffff,
    0xffff_ffff_8000_0000,
    0xffff_ffff_ffff_fffe,
    0xffff_ffff_ffff_ffff,
    0x5555_5555_5555_5555,
    0xaaaa_aaaa_aaaa_aaaa,
    0x0102_0304_0506_0708,
];

const HALVES: &[u64] = &[
    0x0000, 0x8000, 0x0001, 0x8001, 0x03ff, 0x83ff, 0x0400, 0x8400, 0x7bff, 0xfbff, 0x7c00, 0xfc00, 0x7e00,
    0xfe00, 0x7c01, 0xfc01, 0x7dff, 0x7fff, 0xffff, 0x3c00, 0xbc00, 0x3800, 0x3e00, 0x4100, 0x3bff, 0x3c01,
    0x4000, 0x7800, 0x5bff, 0x0401, 0x6400,
];
const SINGLES: &[u64] = &[
    0x0000_0000,
    0x8000_0000,
    0x0000_0001,
    0x8000_0001,
    0x007f_ffff,
    0x807f_ffff,
    0x0080_0000,
    0x8080_0000,
    0x7f7f_ffff,
    0xff7f_ffff,
    0x7f80_0000,
    0xff80_0000,
    0x7fc0_0000,
    0xffc0_0000,
    0x7f80_0001,
    0xff80_0001,
    0x7fbf_ffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x3f80_0000,
    0xbf80_0000,
    0x3f00_0000,
    0x3fc0_0000,
    0x4020_0000,
    0x3f7f_ffff,
    0x3f80_0001,
    0x4f00_0000,
    0xcf00_0000,
    0x4eff_ffff,
    0x4f7f_ffff,
    0x4f80_0000,
    0x5f00_0000,
    0xdf00_0000,
    0x5f7f_ffff,
    0x0080_0001,
    0x4b00_0000,
    0x3380_0000,
    0x3880_0000,
    0x477f_f000,
    0x4b7f_ffff,
    0x2000_0000,
    0x1fff_ffff,
    0x0070_0000,
];
const DOUBLES: &[u64] = &[
    0,
    0x8000_0000_0000_0000,
    1,
    0x8000_0000_0000_0001,
    0x000f_ffff_ffff_ffff,
    0x800f_ffff_ffff_ffff,
    0x0010_0000_0000_0000,
    0x8010_0000_0000_0000,
    0x7fef_ffff_ffff_ffff,
    0xffef_ffff_ffff_ffff,
    0x7ff0_0000_0000_0000,
    0xfff0_0000_0000_0000,
    0x7ff8_0000_0000_0000,
    0xfff8_0000_0000_0000,
    0x7ff0_0000_0000_0001,
    0xfff0_0000_0000_0001,
    0x7ff7_ffff_ffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0xffff_ffff_ffff_ffff,
    0x3ff0_0000_0000_0000,
    0xbff0_0000_0000_0000,
    0x3fe0_0000_0000_0000,
    0x3ff8_0000_0000_0000,
    0x4004_0000_0000_0000,
    0x3fef_ffff_ffff_ffff,
    0x3ff0_0000_0000_0001,
    0x41df_ffff_ffc0_0000,
    0x41e0_0000_0000_0000,
    0xc1e0_0000_0000_0000,
    0x41ef_ffff_ffe0_0000,
    0x41f0_0000_0000_0000,
    0x43e0_0000_0000_0000,
    0xc3e0_0000_0000_0000,
    0x43df_ffff_ffff_ffff,
    0x43f0_0000_0000_0000,
    0x43ef_ffff_ffff_ffff,
    0x3690_0000_0000_0000,
    0x36a0_0000_0000_0000,
    0x3810_0000_0000_0000,
    0x380f_ffff_ffff_ffff,
    0x47ef_ffff_e000_0000,
    0x47ef_ffff_f000_0000,
    0x3f10_0000_0000_0000,
    0x40ef_fc00_0000_0000,
    0x40ef_fe00_0000_0000,
    0x3e70_0000_0000_0000,
];

/// A 64-bit value, mostly one near an edge.
pub fn integer(r: &mut Rng) -> u64 {
    match r.below(8) {
        0..=3 => r.pick(EDGES),
        4 => 1 << r.below(64),
        5 => (r.pick(EDGES)).wrapping_add(r.below(5)).wrapping_sub(2),
        6 => r.next() >> r.below(64),
        _ => r.next(),
    }
}

/// A floating-point value of `bits` bits: an edge, one with a middling exponent (so that sums and
/// products stay finite), or anything.
pub fn float(r: &mut Rng, bits: u32) -> u64 {
    let (edges, exponent, fraction) = match bits {
        16 => (HALVES, 5, 10),
        32 => (SINGLES, 8, 23),
        _ => (DOUBLES, 11, 52),
    };
    let mask = u64::MAX >> (64 - bits);
    match r.below(8) {
        0..=2 => r.pick(edges),
        3 => r.pick(edges) ^ 1 << r.below(bits as u64),
        4..=6 => {
            let bias = (1u64 << (exponent - 1)) - 1;
            let e = bias.wrapping_add(r.below(2 * fraction.min(bias))).wrapping_sub(fraction.min(bias));
            (r.next() & mask & !(((1 << exponent) - 1) << fraction) | e << fraction) & mask
        }
        _ => r.next() & mask,
    }
}

/// A vector of elements of `bits` bits, each made by `one`; once in a while all are the same.
pub fn fill(r: &mut Rng, bits: u32, one: &mut dyn FnMut(&mut Rng) -> u64) -> [u64; 2] {
    let mut out = [0u64; 2];
    let same = r.one_in(6).then(|| one(r));
    for lane in 0..128 / bits {
        let value = same.unwrap_or_else(|| one(r)) & u64::MAX >> (64 - bits);
        out[(lane * bits / 64) as usize] |= value << (lane * bits % 64);
    }
    out
}

/// A vector, mostly of elements of one width that have something in common.
pub fn vector(r: &mut Rng) -> [u64; 2] {
    match r.below(16) {
        0 => [r.next(), r.next()],
        1 => [0, 0],
        2 => {
            fill(r, 8, &mut |r| if r.one_in(2) { r.pick(&[0, 1, 0x7f, 0x80, 0x81, 0xff]) } else { r.next() })
        }
        3 => fill(r, 8, &mut |r| r.below(64)),
        4 => fill(r, 16, &mut integer),
        5 => fill(r, 32, &mut integer),
        6 => fill(r, 64, &mut integer),
        7 => [integer(r), 0],
        8 | 9 => fill(r, 16, &mut |r| float(r, 16)),
        10..=12 => fill(r, 32, &mut |r| float(r, 32)),
        _ => fill(r, 64, &mut |r| float(r, 64)),
    }
}

/// Fills the windows of memory.
pub fn memory<R: Plain>(r: &mut Rng, s: &mut State<R>) {
    for i in (0..256).step_by(8) {
        let value = if r.one_in(2) { integer(r) } else { r.next() };
        s.mid[i..i + 8].copy_from_slice(&value.to_le_bytes());
    }
    for i in (0..64).step_by(8) {
        s.edge[i..i + 8].copy_from_slice(&r.next().to_le_bytes());
    }
}

/// Where an access goes: a window's address, aligned more often than not.
pub fn target(r: &mut Rng) -> u64 {
    let align = !(r.pick(&[0, 1, 3, 7, 15, 15, 15, 15]) as u64);
    match r.below(16) {
        0 => (EDGE + r.below(64)) & align,
        1 => {
            // Anywhere but where this process or the runner has something.
            let anywhere = r.next() >> r.below(48);
            if (0x1000_0000..0x2000_0000).contains(&anywhere) { anywhere + 0x4000_0000 } else { anywhere }
        }
        // Far enough from the window's ends for any access.
        _ => (MID + 64 + r.below(128)) & align,
    }
}

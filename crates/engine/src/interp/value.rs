//! What operations make of values, without a state.

use crate::ops::*;

pub(super) fn trunc(w: W, value: u64) -> u64 {
    match w {
        W::W32 => value as u32 as u64,
        W::W64 => value,
    }
}

/// The value at the width, as a signed number.
pub(super) fn signed(w: W, value: u64) -> i64 {
    match w {
        W::W32 => value as i32 as i64,
        W::W64 => value as i64,
    }
}

pub(super) fn shifted(w: W, op: Shift, value: u64, n: u32) -> u64 {
    match w {
        W::W32 => {
            let v = value as u32;
            (match op {
                Shift::Lsl => v.wrapping_shl(n),
                Shift::Lsr => v.wrapping_shr(n),
                Shift::Asr => (v as i32).wrapping_shr(n) as u32,
                Shift::Ror => v.rotate_right(n & 31),
            }) as u64
        }
        W::W64 => match op {
            Shift::Lsl => value.wrapping_shl(n),
            Shift::Lsr => value.wrapping_shr(n),
            Shift::Asr => (value as i64).wrapping_shr(n) as u64,
            Shift::Ror => value.rotate_right(n & 63),
        },
    }
}

pub(super) fn extended(ext: Ext, value: u64) -> u64 {
    match ext {
        Ext::U8 => value as u8 as u64,
        Ext::U16 => value as u16 as u64,
        Ext::U32 => value as u32 as u64,
        Ext::X64 => value,
        Ext::S8 => value as i8 as u64,
        Ext::S16 => value as i16 as u64,
        Ext::S32 => value as i32 as u64,
    }
}

/// a + b + carry and its NZCV.
pub(super) fn add_flags(w: W, a: u64, b: u64, carry: bool) -> (u64, u8) {
    let (a, b) = (trunc(w, a), trunc(w, b));
    let wide = a as u128 + b as u128 + carry as u128;
    let result = trunc(w, wide as u64);
    let overflow = signed(w, a) as i128 + signed(w, b) as i128 + carry as i128 != signed(w, result) as i128;
    (result, nz(w, result) | ((wide != result as u128) as u8) << 1 | overflow as u8)
}

pub(super) fn nz(w: W, result: u64) -> u8 {
    ((signed(w, result) < 0) as u8) << 3 | ((trunc(w, result) == 0) as u8) << 2
}

pub(super) fn alu(op: Alu, a: u64, b: u64) -> u64 {
    match op {
        Alu::Add => a.wrapping_add(b),
        Alu::Sub => a.wrapping_sub(b),
        Alu::And => a & b,
        Alu::Or => a | b,
        Alu::Xor => a ^ b,
        Alu::AndNot => a & !b,
        Alu::OrNot => a | !b,
        Alu::XorNot => a ^ !b,
    }
}

/// `len` low bits of `value`, extended to 64.
pub(super) fn field(sign: bool, value: u64, len: u32) -> u64 {
    let up = 64 - len;
    if sign { ((value << up) as i64 >> up) as u64 } else { value << up >> up }
}

pub(super) fn low_bytes(bytes: u32) -> u128 {
    if bytes == 0 { 0 } else { u128::MAX >> (128 - 8 * bytes) }
}

pub(super) fn crc(castagnoli: bool, bytes: u32, mut crc: u32, value: u64) -> u32 {
    let polynomial = if castagnoli { 0x82f6_3b78 } else { 0xedb8_8320 };
    for i in 0..bytes * 8 {
        let bit = crc & 1 ^ (value >> i) as u32 & 1;
        crc = (crc >> 1) ^ (polynomial * bit);
    }
    crc
}

pub(super) fn compare(cmp: Cmp, a: u64, b: u64) -> bool {
    match cmp {
        Cmp::Eq => a == b,
        Cmp::Ne => a != b,
        Cmp::Lt => (a as i64) < b as i64,
        Cmp::Ge => a as i64 >= b as i64,
        Cmp::Ltu => a < b,
        Cmp::Geu => a >= b,
    }
}

//! Cases of vector instructions: encodings that are mostly not reserved under the state's vtype,
//! and addresses and indices that lead into the windows of memory.

use crate::Registers;
use crate::generate::{State, boxed, field, put};
use anyarch_engine::pattern::Row;
use anyarch_oracle::state::{EDGE, MID, Rng};
use anyarch_oracle::values::{fill, float, integer, target};
use anyarch_riscv64::v;

const VILL: u64 = 1 << 63;
/// What element groups of the cryptographic instructions hold.
const GROUP: u64 = 4;

/// Whether it is a load or store of vectors.
pub(crate) fn is_memory(w: u32) -> bool {
    matches!(w & 0x7f, 0x07 | 0x27) && matches!(w >> 12 & 7, 0 | 5..=7)
}

/// Whether it is an instruction of the vector extensions.
pub(crate) fn is_vector(w: u32) -> bool {
    matches!(w & 0x7f, 0x57 | 0x77) || is_memory(w)
}

/// log2 of the bytes of a load's or store's elements.
fn width(w: u32) -> i32 {
    [0, 0, 0, 0, 0, 1, 2, 3][(w >> 12 & 7) as usize]
}

/// LMUL as a power of two, and SEW as log2 of its bytes.
fn shape(r: &Registers) -> (i32, u32) {
    v::parse(r.vtype).unwrap_or((0, 0))
}

/// A fault-only-first load.
pub(crate) fn is_fault_only_first(w: u32) -> bool {
    w & 0x7f == 0x07 && is_memory(w) && w >> 26 & 3 == 0 && w >> 20 & 31 == 16
}

/// Sets the bits of `open` for a load's elements from number `from` to before `vl`, of all fields.
pub(crate) fn open_elements(w: u32, regs: &Registers, from: u64, vl: u64, open: &mut [[u64; 2]; 32]) {
    if !is_memory(w) || w & 0x7f != 0x07 {
        return;
    }
    let (lmul, sew) = shape(regs);
    let whole = w >> 26 & 3 == 0 && w >> 20 & 31 == 8;
    let (element, lmul) = match w >> 26 & 1 {
        1 => (sew as i32, lmul),
        _ => (width(w), width(w) - sew as i32 + lmul),
    };
    let (each, fields) = match whole {
        true => (16 << (w >> 29).count_ones(), 1),
        false => (16 << lmul.clamp(0, 3), w >> 29),
    };
    let end = if whole { each as u64 >> element } else { vl };
    let fields = if whole { 0..1 } else { 0..fields + 1 };
    for field_number in fields {
        let start = field(w, 7) as u64 * 16 + field_number as u64 * each as u64;
        for byte in start + (from << element)..start + (end << element) {
            open[(byte / 16) as usize % 32][(byte / 8 % 2) as usize] |= 0xff << (8 * (byte % 8));
        }
    }
}

/// Random vtype, vl, vstart and vcsr.
pub(crate) fn configure(r: &mut Rng, regs: &mut Registers) {
    if r.one_in(32) {
        (regs.vtype, regs.vl) = (VILL, 0);
        return;
    }
    let (lmul, sew) = (r.pick(&[0, 1, 2, 3, 5, 6, 7]), r.below(4));
    regs.vtype = lmul | sew << 3 | r.next() & 0xc0;
    let Some(shape) = v::parse(regs.vtype) else { return configure(r, regs) };
    let max = v::vlmax(shape);
    regs.vl = match r.below(6) {
        0 => 0,
        1 => 1,
        2 => r.below(max + 1),
        _ => max,
    };
    regs.vstart = if r.one_in(8) { r.below(max) } else { 0 };
    regs.vcsr = r.below(8);
}

/// An instruction that sets vtype and vl to what they are.
pub(crate) fn set(regs: &Registers) -> Option<u32> {
    v::parse(regs.vtype)?;
    match regs.vl {
        vl if vl == regs.x[31] => Some(0x7057 | (regs.vtype as u32) << 20 | 31 << 15),
        vl @ 0..32 => Some(0xc000_7057 | (regs.vtype as u32) << 20 | (vl as u32) << 15),
        _ => None,
    }
}

/// A group's register, mostly one where groups of eight begin.
fn register(r: &mut Rng) -> u32 {
    let n = r.next() as u32;
    match n & 7 {
        0..=4 => n >> 8 & 0b11000,
        5 => n >> 8 & 0b11100,
        6 => n >> 8 & 0b11110,
        _ => n >> 8 & 31,
    }
}

/// Registers of a group under the configuration.
fn group(regs: &Registers) -> u32 {
    1 << shape(regs).0.max(0)
}

/// Whether the row's other operand is a scalar register, and not vs1.
fn has_scalar(w: u32) -> bool {
    matches!(w >> 12 & 7, 4..=6) && w & 0x7f == 0x57
}

/// Whether the configuration is one that the row does not reserve, as far as that is easily told.
fn fits(row: &Row, w: u32, regs: &Registers) -> bool {
    let (lmul, sew) = shape(regs);
    let float = w & 0x7f == 0x57 && matches!(w >> 12 & 7, 1 | 5);
    let named = |all: &[&str]| all.iter().any(|p| row.name.starts_with(p));
    let two_widths = named(&["Vw", "Vnsr", "Vnclip", "Vfw", "Vfncvt"]);
    let of_bytes = named(&["VfwcvtFX", "VfncvtX", "VfncvtRtzX"]);
    if named(&["Vclmul"]) {
        return sew == 3;
    }
    if w & 0x7f == 0x77 {
        let wide = row.name.starts_with("Vsha2c") || row.name.starts_with("Vsha2ms");
        return (sew == 2 || sew == 3 && wide) && lmul >= sew as i32 - 2;
    }
    if is_memory(w) && w >> 26 & 3 == 0 && w >> 20 & 31 == 8 {
        return true;
    }
    if is_memory(w) {
        let emul = width(w) - sew as i32 + lmul;
        let data = if w >> 26 & 1 != 0 { lmul } else { emul };
        return (-3..=3).contains(&emul) && ((w >> 29) + 1) << data.max(0) <= 8;
    }
    !(float && sew == 0 && !of_bytes) && !(two_widths && (lmul > 2 || sew > 2))
}

/// A word of the row. Its vector operands are `groups`, or begin at multiples of `align` mostly.
pub(crate) fn word(r: &mut Rng, row: &Row, groups: &[u32], align: u32) -> u32 {
    let mut w = r.next() as u32 & !row.mask | row.value;
    if w & 0x7f == 0x57 && w >> 12 & 7 == 7 {
        // VSETVLI and its like: a vtype that is there; VSETVL's operand is a register.
        let vtype = r.pick(&[0, 1, 2, 3, 5, 6, 7]) | (r.below(4) as u32 * 8) | (r.below(4) as u32 * 64);
        if row.name != "Vsetvl" && !r.one_in(8) {
            w = put(row, w, 20, if row.name == "Vsetivli" { 10 } else { 11 }, vtype);
        }
        return match r.below(6) {
            0 => put(row, w, 7, 5, 0),
            1 => put(row, w, 15, 5, 0),
            2 => put(row, put(row, w, 7, 5, 0), 15, 5, 0),
            _ => w,
        };
    }
    let group = |r: &mut Rng| match groups {
        [] if r.one_in(16) => register(r),
        [] => register(r) & !(align - 1),
        _ => r.pick(groups),
    };
    let to_scalar = matches!(row.name, "VcpopM" | "VfirstM" | "VmvXS");
    if !to_scalar {
        w = put(row, w, 7, 5, group(r));
    }
    if is_memory(w) {
        let fields = if r.one_in(2) { 0 } else { r.next() as u32 & 7 };
        w = put(row, w, 29, 3, fields);
        // The base is another one than the stride, and often none of the compressed instructions'.
        w = put(row, w, 15, 5, 16 + r.below(8) as u32);
        if w >> 26 & 1 != 0 {
            w = put(row, w, 20, 5, group(r));
        } else {
            w = put(row, w, 20, 5, r.pick(&[0, 5, 10, 11, 12, 13]));
        }
        // Whole registers by powers of two.
        if w >> 26 & 3 == 0 && w >> 20 & 31 == 8 {
            w = put(row, w, 29, 3, r.pick(&[0, 1, 3, 7]));
        }
    } else {
        w = put(row, w, 20, 5, group(r));
        if w >> 12 & 7 < 3 && w & 0x7f == 0x57 || w & 0x7f == 0x77 && row.name.ends_with('v') {
            w = put(row, w, 15, 5, group(r));
        }
    }
    let masked = w & 1 << 25 == 0;
    // A destination that is the mask is reserved, but for results that are masks or scalars.
    if masked && field(w, 7) == 0 && !r.one_in(4) {
        w = put(row, w, 7, 5, 8);
    }
    w
}

/// A word of the row with a state that fits.
pub(crate) fn single(r: &mut Rng, row: &'static Row, s: &mut State) -> u32 {
    let mut w = word(r, row, &[], group(&s.r));
    if w & 0x7f == 0x57 && w >> 12 & 7 == 7 {
        // A vtype, and an AVL about VLMAX.
        if !r.one_in(4) {
            s.r.x[field(w, 20)] = r.below(256);
        }
        if !r.one_in(4) {
            s.r.x[field(w, 15)] = r.below(160);
        }
        s.r.x[0] = 0;
        return w;
    }
    for _ in 0..12 {
        if fits(row, w, &s.r) {
            break;
        }
        configure(r, &mut s.r);
        w = word(r, row, &[], group(&s.r));
    }
    let sew = 8u32 << shape(&s.r).1;
    if w & 0x7f == 0x77 && !r.one_in(4) {
        s.r.vl &= !(GROUP - 1);
        s.r.vstart &= !(GROUP - 1);
    }
    if is_memory(w) && w >> 26 & 3 == 0 && w >> 20 & 31 == 8 {
        // QEMU 11 ends itself where vstart is behind all elements.
        s.r.vstart %= (16 * ((w >> 29) as u64 + 1)) >> width(w);
    }
    // Reductions and the like may not be resumed.
    if r.one_in(2) {
        s.r.vstart = 0;
    }
    let is_float = w & 0x7f == 0x57 && matches!(w >> 12 & 7, 1 | 5);
    if r.one_in(2) {
        for v in &mut s.r.v {
            *v = match (is_float, r.below(4)) {
                (true, _) => fill(r, sew.max(16), &mut |r| float(r, sew.max(16))),
                (_, 0) => fill(r, sew, &mut |r| r.below(72)),
                _ => fill(r, sew, &mut integer),
            };
        }
    }
    if has_scalar(w) {
        let n = field(w, 15);
        if is_float && !r.one_in(6) {
            s.r.f[n] = boxed(r, sew.max(16));
        } else if !is_float && r.one_in(3) {
            s.r.x[n] = r.below(160);
        }
    }
    if r.one_in(3) {
        s.r.x[31] = s.r.vl;
    }
    aim(r, w, s);
    s.r.x[0] = 0;
    w
}

/// Makes the accesses fall where something is, most of them.
pub(crate) fn aim(r: &mut Rng, w: u32, s: &mut State) {
    let base = field(w, 15);
    if !is_memory(w) || base == 0 {
        return;
    }
    let sew = shape(&s.r).1;
    let fields = (w >> 29) as u64 + 1;
    let element = 1u64 << if w >> 26 & 1 != 0 { sew } else { width(w) as u32 };
    let align = if r.one_in(4) { !0 } else { !(element - 1) };
    let vl = s.r.vl.max(1);
    s.r.x[base] = match w >> 26 & 3 {
        0 => {
            let bytes = match w >> 20 & 31 {
                8 => 16 * fields,
                11 => vl.div_ceil(8),
                _ => (vl * fields * element).min(256),
            };
            match r.below(8) {
                0 => EDGE.wrapping_add(64).wrapping_sub(r.below(bytes.min(64) + 1)) & align,
                1 => target(r),
                _ => (MID + r.below(256 - bytes + 1)) & align,
            }
        }
        2 => {
            let group = (fields * element).min(64);
            let most = ((256 - group) / (vl - 1).max(1)).min(64);
            let rs2 = field(w, 20);
            let stride = match r.below(16) {
                0 => integer(r) as i64,
                1 => 0,
                _ => (r.below(2 * most + 1) as i64 - most as i64) & align as i64,
            };
            if rs2 != 0 && rs2 != base {
                s.r.x[rs2] = stride as u64;
            }
            let stride = if rs2 == 0 { 0 } else { stride };
            let span = stride.unsigned_abs().min(most) * (vl - 1) + group;
            let room = 256u64.saturating_sub(span);
            let low = MID + r.below(room + 1);
            match r.below(8) {
                0 => (EDGE + r.below(64)) & align,
                _ if stride >= 0 => low & align,
                _ => (low + span - group) & align,
            }
        }
        _ => {
            let (eew, room) = (width(w) as u32, 128 - (fields * element).min(64));
            let bytes = 1u64 << eew;
            let wild = r.one_in(8).then(|| r.below(vl));
            let vs2 = field(w, 20);
            for n in 0..vl {
                let index = match wild {
                    Some(at) if at == n => match eew {
                        0 => 255,
                        1 => 0xf000 | r.next() & 0xfff,
                        _ => r.next() | 1 << 31,
                    },
                    _ => r.below(room + 1) & align,
                };
                let at = (vs2 * 16) as u64 + n * bytes;
                let (v, shift) = (&mut s.r.v[(at / 16) as usize % 32][(at / 8 % 2) as usize], 8 * (at % 8));
                let mask = (u64::MAX >> (64 - 8 * bytes)) << shift;
                *v = *v & !mask | index << shift & mask;
            }
            if r.one_in(8) { (EDGE - 64) & align } else { MID + (r.below(64) & align) }
        }
    };
}

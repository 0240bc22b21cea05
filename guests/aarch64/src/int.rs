//! Data processing, immediate and register (Arm ARM C4.1, "Data Processing -- Immediate" and "--
//! Register").

use crate::decode::{Insn, undefined};
use anyarch_engine::field;
use anyarch_engine::ops::{Alu, Cond, DivZero, Ext, Mul, Ops, R, Sel, Shift, Size, Src, Unary, W};

anyarch_engine::rows! {
    // PC-relative addressing.
    "0 immlo:2 10000 immhi:19 rd:5" Adr none adr;
    "1 immlo:2 10000 immhi:19 rd:5" Adrp none adrp;

    // Add/subtract (immediate).
    "sf 0 0 100010 sh imm12:12 rn:5 rd:5" AddImm none add_imm;
    "sf 0 1 100010 sh imm12:12 rn:5 rd:5" AddsImm writes adds_imm;
    "sf 1 0 100010 sh imm12:12 rn:5 rd:5" SubImm none sub_imm;
    "sf 1 1 100010 sh imm12:12 rn:5 rd:5" SubsImm writes subs_imm;

    // Logical (immediate).
    "sf 00 100100 n immr:6 imms:6 rn:5 rd:5" AndImm none and_imm;
    "sf 01 100100 n immr:6 imms:6 rn:5 rd:5" OrrImm none orr_imm;
    "sf 10 100100 n immr:6 imms:6 rn:5 rd:5" EorImm none eor_imm;
    "sf 11 100100 n immr:6 imms:6 rn:5 rd:5" AndsImm writes ands_imm;

    // Move wide (immediate).
    "sf 00 100101 hw:2 imm16:16 rd:5" Movn none movn;
    "sf 10 100101 hw:2 imm16:16 rd:5" Movz none movz;
    "sf 11 100101 hw:2 imm16:16 rd:5" Movk none movk;

    // Bitfield.
    "sf 00 100110 n immr:6 imms:6 rn:5 rd:5" Sbfm none sbfm;
    "sf 01 100110 n immr:6 imms:6 rn:5 rd:5" Bfm none bfm;
    "sf 10 100110 n immr:6 imms:6 rn:5 rd:5" Ubfm none ubfm;

    // Extract.
    "sf 00 100111 n 0 rm:5 imms:6 rn:5 rd:5" Extr none extr;

    // Data-processing (2 source).
    "sf 0 0 11010110 rm:5 000010 rn:5 rd:5" Udiv none udiv;
    "sf 0 0 11010110 rm:5 000011 rn:5 rd:5" Sdiv none sdiv;
    "sf 0 0 11010110 rm:5 0010 op2:2 rn:5 rd:5" ShiftVar none shift_var;
    "sf 0 0 11010110 rm:5 0100 sz:2 rn:5 rd:5" Crc32 none crc32;
    "sf 0 0 11010110 rm:5 0101 sz:2 rn:5 rd:5" Crc32c none crc32c;

    // Data-processing (1 source).
    "sf 1 0 11010110 00000 000000 rn:5 rd:5" Rbit none rbit;
    "sf 1 0 11010110 00000 000001 rn:5 rd:5" Rev16 none rev16;
    "sf 1 0 11010110 00000 000010 rn:5 rd:5" Rev32 none rev32;
    "1 1 0 11010110 00000 000011 rn:5 rd:5" Rev64 none rev64;
    "sf 1 0 11010110 00000 000100 rn:5 rd:5" Clz none clz;
    "sf 1 0 11010110 00000 000101 rn:5 rd:5" Cls none cls;

    // Logical (shifted register).
    "sf 00 01010 shift:2 n rm:5 imm6:6 rn:5 rd:5" AndReg none and_reg;
    "sf 01 01010 shift:2 n rm:5 imm6:6 rn:5 rd:5" OrrReg none orr_reg;
    "sf 10 01010 shift:2 n rm:5 imm6:6 rn:5 rd:5" EorReg none eor_reg;
    "sf 11 01010 shift:2 n rm:5 imm6:6 rn:5 rd:5" AndsReg writes ands_reg;

    // Add/subtract (shifted register).
    "sf 0 0 01011 shift:2 0 rm:5 imm6:6 rn:5 rd:5" AddShifted none add_shifted;
    "sf 0 1 01011 shift:2 0 rm:5 imm6:6 rn:5 rd:5" AddsShifted writes adds_shifted;
    "sf 1 0 01011 shift:2 0 rm:5 imm6:6 rn:5 rd:5" SubShifted none sub_shifted;
    "sf 1 1 01011 shift:2 0 rm:5 imm6:6 rn:5 rd:5" SubsShifted writes subs_shifted;

    // Add/subtract (extended register).
    "sf 0 0 01011 00 1 rm:5 option:3 imm3:3 rn:5 rd:5" AddExtended none add_extended;
    "sf 0 1 01011 00 1 rm:5 option:3 imm3:3 rn:5 rd:5" AddsExtended writes adds_extended;
    "sf 1 0 01011 00 1 rm:5 option:3 imm3:3 rn:5 rd:5" SubExtended none sub_extended;
    "sf 1 1 01011 00 1 rm:5 option:3 imm3:3 rn:5 rd:5" SubsExtended writes subs_extended;

    // Add/subtract (with carry).
    "sf op 0 11010000 rm:5 000000 rn:5 rd:5" Adc reads adc;
    "sf op 1 11010000 rm:5 000000 rn:5 rd:5" Adcs both adcs;

    // Rotate right into flags; evaluate into flags.
    "1 0 1 11010000 imm6:6 00001 rn:5 0 mask:4" Rmif both rmif;
    "0 0 1 11010000 000000 0 0010 rn:5 0 1101" Setf8 both setf8;
    "0 0 1 11010000 000000 1 0010 rn:5 0 1101" Setf16 both setf16;

    // Conditional compare.
    "sf op 1 11010010 rm:5 cond:4 0 0 rn:5 0 nzcv:4" CcmpReg both ccmp_reg;
    "sf op 1 11010010 imm5:5 cond:4 1 0 rn:5 0 nzcv:4" CcmpImm both ccmp_imm;

    // Conditional select.
    "sf 0 0 11010100 rm:5 cond:4 00 rn:5 rd:5" Csel reads csel;
    "sf 0 0 11010100 rm:5 cond:4 01 rn:5 rd:5" Csinc reads csinc;
    "sf 1 0 11010100 rm:5 cond:4 00 rn:5 rd:5" Csinv reads csinv;
    "sf 1 0 11010100 rm:5 cond:4 01 rn:5 rd:5" Csneg reads csneg;

    // Data-processing (3 source).
    "sf 00 11011 000 rm:5 0 ra:5 rn:5 rd:5" Madd none madd;
    "sf 00 11011 000 rm:5 1 ra:5 rn:5 rd:5" Msub none msub;
    "1 00 11011 001 rm:5 0 ra:5 rn:5 rd:5" Smaddl none smaddl;
    "1 00 11011 001 rm:5 1 ra:5 rn:5 rd:5" Smsubl none smsubl;
    "1 00 11011 010 rm:5 0 xxxxx rn:5 rd:5" Smulh none smulh;
    "1 00 11011 101 rm:5 0 ra:5 rn:5 rd:5" Umaddl none umaddl;
    "1 00 11011 101 rm:5 1 ra:5 rn:5 rd:5" Umsubl none umsubl;
    "1 00 11011 110 rm:5 0 xxxxx rn:5 rd:5" Umulh none umulh;
}

// PC-relative addressing.

fn adr<O: Ops>(o: &mut O, i: Insn) {
    o.mov_addr(i.rd(), i.pc.wrapping_add(adr_offset(i) as u64));
}

fn adrp<O: Ops>(o: &mut O, i: Insn) {
    o.mov_addr(i.rd(), adrp_target(i));
}

/// The address that ADRP makes.
#[inline]
pub(crate) fn adrp_target(i: Insn) -> u64 {
    (i.pc & !0xfff).wrapping_add((adr_offset(i) << 12) as u64)
}

#[inline]
fn adr_offset(i: Insn) -> i64 {
    field!(i64 i.immhi) << 2 | field!(i.immlo) as i64
}

// Add/subtract.

#[inline]
fn imm12(i: Insn) -> Src {
    Src::Imm((field!(i.imm12) as u64) << if i.bit(22) { 12 } else { 0 })
}

fn add_imm<O: Ops>(o: &mut O, i: Insn) {
    match imm12(i) {
        // The only way to move to and from SP.
        Src::Imm(0) => o.mov(i.sf(), i.rd_sp(), Src::Reg(i.rn_sp())),
        imm => o.alu(Alu::Add, i.sf(), i.rd_sp(), i.rn_sp(), imm),
    }
}

fn adds_imm<O: Ops>(o: &mut O, i: Insn) {
    o.alu_flags(Alu::Add, i.sf(), i.rd(), i.rn_sp(), imm12(i));
}

fn sub_imm<O: Ops>(o: &mut O, i: Insn) {
    o.alu(Alu::Sub, i.sf(), i.rd_sp(), i.rn_sp(), imm12(i));
}

fn subs_imm<O: Ops>(o: &mut O, i: Insn) {
    o.alu_flags(Alu::Sub, i.sf(), i.rd(), i.rn_sp(), imm12(i));
}

/// Rm shifted by a constant; `None` where the amount is reserved.
#[inline]
fn shifted_rm(i: Insn) -> Option<Src> {
    let (n, rm) = (i.bits(10, 6) as u8, i.rm());
    if !field!(set i.sf) && n >= 32 {
        return None;
    }
    let shift = [Shift::Lsl, Shift::Lsr, Shift::Asr, Shift::Ror][field!(i.shift) as usize];
    Some(if n == 0 || rm == R::ZERO { Src::Reg(rm) } else { Src::Shifted(rm, shift, n) })
}

fn add_sub_shifted<O: Ops>(o: &mut O, i: Insn, op: Alu, flags: bool) {
    match shifted_rm(i) {
        Some(src) if field!(i.shift) != 3 => {
            if flags {
                o.alu_flags(op, i.sf(), i.rd(), i.rn(), src);
            } else {
                o.alu(op, i.sf(), i.rd(), i.rn(), src);
            }
        }
        _ => undefined(o),
    }
}

fn add_shifted<O: Ops>(o: &mut O, i: Insn) {
    add_sub_shifted(o, i, Alu::Add, false);
}

fn adds_shifted<O: Ops>(o: &mut O, i: Insn) {
    add_sub_shifted(o, i, Alu::Add, true);
}

fn sub_shifted<O: Ops>(o: &mut O, i: Insn) {
    add_sub_shifted(o, i, Alu::Sub, false);
}

fn subs_shifted<O: Ops>(o: &mut O, i: Insn) {
    add_sub_shifted(o, i, Alu::Sub, true);
}

fn add_sub_extended<O: Ops>(o: &mut O, i: Insn, op: Alu, flags: bool) {
    let (n, rm) = (field!(i.imm3) as u8, i.rm());
    if n > 4 {
        return undefined(o);
    }
    let ext = [Ext::U8, Ext::U16, Ext::U32, Ext::X64, Ext::S8, Ext::S16, Ext::S32, Ext::X64];
    let ext = ext[field!(i.option) as usize];
    // An extension from the whole width is none.
    let whole = ext == Ext::X64 || (!field!(set i.sf) && matches!(ext, Ext::U32 | Ext::S32));
    let src = match (whole, n) {
        _ if rm == R::ZERO => Src::Reg(rm),
        (true, 0) => Src::Reg(rm),
        (true, n) => Src::Shifted(rm, Shift::Lsl, n),
        (false, n) => Src::Extended(rm, ext, n),
    };
    if flags {
        o.alu_flags(op, i.sf(), i.rd(), i.rn_sp(), src);
    } else {
        o.alu(op, i.sf(), i.rd_sp(), i.rn_sp(), src);
    }
}

fn add_extended<O: Ops>(o: &mut O, i: Insn) {
    add_sub_extended(o, i, Alu::Add, false);
}

fn adds_extended<O: Ops>(o: &mut O, i: Insn) {
    add_sub_extended(o, i, Alu::Add, true);
}

fn sub_extended<O: Ops>(o: &mut O, i: Insn) {
    add_sub_extended(o, i, Alu::Sub, false);
}

fn subs_extended<O: Ops>(o: &mut O, i: Insn) {
    add_sub_extended(o, i, Alu::Sub, true);
}

fn adc<O: Ops>(o: &mut O, i: Insn) {
    o.add_carry(field!(set i.op), false, i.sf(), i.rd(), i.rn(), i.rm());
}

fn adcs<O: Ops>(o: &mut O, i: Insn) {
    o.add_carry(field!(set i.op), true, i.sf(), i.rd(), i.rn(), i.rm());
}

// Logical.

/// DecodeBitMasks of the manual for logical immediates; `None` where reserved.
pub(crate) fn bit_mask(n: bool, immr: u32, imms: u32, w: W) -> Option<u64> {
    if n && w == W::W32 {
        return None;
    }
    let selector = (n as u32) << 6 | !imms & 0x3f;
    let len = selector.checked_ilog2().filter(|&len| len >= 1)?;
    let size = 1 << len;
    let (s, r) = (imms & (size - 1), immr & (size - 1));
    if s == size - 1 {
        return None;
    }
    let ones = u64::MAX >> (63 - s);
    // The pattern rotated within its element, then repeated.
    let mut value = ones >> r | if r == 0 { 0 } else { ones << (size - r) };
    value &= u64::MAX >> (64 - size);
    let mut filled = size;
    while filled < 64 {
        value |= value << filled;
        filled *= 2;
    }
    Some(if w == W::W32 { value as u32 as u64 } else { value })
}

fn logical_imm<O: Ops>(o: &mut O, i: Insn, f: impl FnOnce(&mut O, Src)) {
    match bit_mask(i.bit(22), field!(i.immr), i.bits(10, 6), i.sf()) {
        Some(value) => f(o, Src::Imm(value)),
        None => undefined(o),
    }
}

fn and_imm<O: Ops>(o: &mut O, i: Insn) {
    logical_imm(o, i, |o, imm| o.alu(Alu::And, i.sf(), i.rd_sp(), i.rn(), imm));
}

fn orr_imm<O: Ops>(o: &mut O, i: Insn) {
    logical_imm(o, i, |o, imm| match i.rn() {
        R::ZERO => o.mov(i.sf(), i.rd_sp(), imm),
        rn => o.alu(Alu::Or, i.sf(), i.rd_sp(), rn, imm),
    });
}

fn eor_imm<O: Ops>(o: &mut O, i: Insn) {
    logical_imm(o, i, |o, imm| o.alu(Alu::Xor, i.sf(), i.rd_sp(), i.rn(), imm));
}

fn ands_imm<O: Ops>(o: &mut O, i: Insn) {
    logical_imm(o, i, |o, imm| o.alu_flags(Alu::And, i.sf(), i.rd(), i.rn(), imm));
}

fn logical_reg<O: Ops>(o: &mut O, i: Insn, plain: Alu, not: Alu) {
    let Some(src) = shifted_rm(i) else { return undefined(o) };
    o.alu(if i.bit(21) { not } else { plain }, i.sf(), i.rd(), i.rn(), src);
}

fn and_reg<O: Ops>(o: &mut O, i: Insn) {
    logical_reg(o, i, Alu::And, Alu::AndNot);
}

fn orr_reg<O: Ops>(o: &mut O, i: Insn) {
    if i.rn() == R::ZERO && !field!(set i.n, of orr_reg) {
        return match shifted_rm(i) {
            Some(src) => o.mov(i.sf(), i.rd(), src),
            None => undefined(o),
        };
    }
    logical_reg(o, i, Alu::Or, Alu::OrNot);
}

fn eor_reg<O: Ops>(o: &mut O, i: Insn) {
    logical_reg(o, i, Alu::Xor, Alu::XorNot);
}

fn ands_reg<O: Ops>(o: &mut O, i: Insn) {
    let Some(src) = shifted_rm(i) else { return undefined(o) };
    o.alu_flags(
        if field!(set i.n, of ands_reg) { Alu::AndNot } else { Alu::And },
        i.sf(),
        i.rd(),
        i.rn(),
        src,
    );
}

// Move wide.

/// The shift of a move wide; `None` where reserved.
#[inline]
fn move_wide(i: Insn) -> Option<(u64, u8)> {
    let lsb = field!(i.hw) as u8 * 16;
    (field!(set i.sf) || lsb < 32).then_some((field!(i.imm16) as u64, lsb))
}

fn movn<O: Ops>(o: &mut O, i: Insn) {
    match move_wide(i) {
        Some((imm, lsb)) => o.mov(i.sf(), i.rd(), Src::Imm(!(imm << lsb))),
        None => undefined(o),
    }
}

fn movz<O: Ops>(o: &mut O, i: Insn) {
    match move_wide(i) {
        Some((imm, lsb)) => o.mov(i.sf(), i.rd(), Src::Imm(imm << lsb)),
        None => undefined(o),
    }
}

fn movk<O: Ops>(o: &mut O, i: Insn) {
    match move_wide(i) {
        Some((imm, lsb)) => {
            o.insert_imm16(i.sf(), i.rd(), imm as u16, lsb);
        }
        None => undefined(o),
    }
}

// Bitfield.

/// immr, imms and the width in bits; `None` where reserved.
#[inline]
fn bitfield(i: Insn) -> Option<(u8, u8, u8)> {
    let (r, s, bits) = (field!(i.immr) as u8, i.bits(10, 6) as u8, i.sf().bits() as u8);
    (i.bit(22) == field!(set i.sf) && r < bits && s < bits).then_some((r, s, bits))
}

fn extend_field<O: Ops>(o: &mut O, i: Insn, signed: bool) {
    let Some((r, s, bits)) = bitfield(i) else { return undefined(o) };
    let (w, d, n) = (i.sf(), i.rd(), i.rn());
    if s == bits - 1 {
        o.shift(if signed { Shift::Asr } else { Shift::Lsr }, w, d, n, Src::Imm(r as u64));
    } else if s >= r {
        o.extract(signed, w, d, n, r, s - r + 1);
    } else if s + 1 == r {
        o.shift(Shift::Lsl, w, d, n, Src::Imm((bits - r) as u64));
    } else {
        o.extract_shl(signed, w, d, n, bits - r, s + 1);
    }
}

fn sbfm<O: Ops>(o: &mut O, i: Insn) {
    extend_field(o, i, true);
}

fn ubfm<O: Ops>(o: &mut O, i: Insn) {
    extend_field(o, i, false);
}

fn bfm<O: Ops>(o: &mut O, i: Insn) {
    let Some((r, s, bits)) = bitfield(i) else { return undefined(o) };
    let (w, d, n) = (i.sf(), i.rd(), i.rn());
    if s < r {
        o.insert(w, d, n, bits - r, s + 1);
    } else if r == 0 {
        o.insert(w, d, n, 0, s + 1);
    } else {
        o.extract(false, w, R::T0, n, r, s - r + 1);
        o.insert(w, d, R::T0, 0, s - r + 1);
    }
}

fn extr<O: Ops>(o: &mut O, i: Insn) {
    let (w, lsb) = (i.sf(), field!(i.imms));
    if field!(set i.n, of extr) != field!(set i.sf) || lsb >= w.bits() {
        undefined(o);
    } else if i.n() == i.m() {
        o.shift(Shift::Ror, w, i.rd(), i.rn(), Src::Imm(lsb as u64));
    } else {
        o.extract_pair(w, i.rd(), i.rn(), i.rm(), lsb as u8);
    }
}

// One, two and three sources.

fn udiv<O: Ops>(o: &mut O, i: Insn) {
    o.div(false, DivZero::Zero, i.sf(), i.rd(), i.rn(), i.rm());
}

fn sdiv<O: Ops>(o: &mut O, i: Insn) {
    o.div(true, DivZero::Zero, i.sf(), i.rd(), i.rn(), i.rm());
}

fn shift_var<O: Ops>(o: &mut O, i: Insn) {
    let shift = [Shift::Lsl, Shift::Lsr, Shift::Asr, Shift::Ror][field!(i.op2) as usize];
    o.shift(shift, i.sf(), i.rd(), i.rn(), Src::Reg(i.rm()));
}

fn crc<O: Ops>(o: &mut O, i: Insn, castagnoli: bool) {
    let size = Size::from_log2(i.bits(10, 2));
    if (size == Size::B8) != field!(set i.sf) {
        return undefined(o);
    }
    o.crc32(castagnoli, size, i.rd(), i.rn(), i.rm());
}

fn crc32<O: Ops>(o: &mut O, i: Insn) {
    crc(o, i, false);
}

fn crc32c<O: Ops>(o: &mut O, i: Insn) {
    crc(o, i, true);
}

fn rbit<O: Ops>(o: &mut O, i: Insn) {
    o.unary(Unary::Rbit, i.sf(), i.rd(), i.rn());
}

fn rev16<O: Ops>(o: &mut O, i: Insn) {
    o.unary(Unary::Rev16, i.sf(), i.rd(), i.rn());
}

fn rev32<O: Ops>(o: &mut O, i: Insn) {
    o.unary(Unary::Rev32, i.sf(), i.rd(), i.rn());
}

fn rev64<O: Ops>(o: &mut O, i: Insn) {
    o.unary(Unary::Rev64, W::W64, i.rd(), i.rn());
}

fn clz<O: Ops>(o: &mut O, i: Insn) {
    o.unary(Unary::Clz, i.sf(), i.rd(), i.rn());
}

fn cls<O: Ops>(o: &mut O, i: Insn) {
    o.unary(Unary::Cls, i.sf(), i.rd(), i.rn());
}

fn madd<O: Ops>(o: &mut O, i: Insn) {
    o.mul(Mul::Add(i.sf()), i.rd(), i.rn(), i.rm(), i.ra());
}

fn msub<O: Ops>(o: &mut O, i: Insn) {
    o.mul(Mul::Sub(i.sf()), i.rd(), i.rn(), i.rm(), i.ra());
}

fn smaddl<O: Ops>(o: &mut O, i: Insn) {
    o.mul(Mul::AddS32, i.rd(), i.rn(), i.rm(), i.ra());
}

fn smsubl<O: Ops>(o: &mut O, i: Insn) {
    o.mul(Mul::SubS32, i.rd(), i.rn(), i.rm(), i.ra());
}

fn umaddl<O: Ops>(o: &mut O, i: Insn) {
    o.mul(Mul::AddU32, i.rd(), i.rn(), i.rm(), i.ra());
}

fn umsubl<O: Ops>(o: &mut O, i: Insn) {
    o.mul(Mul::SubU32, i.rd(), i.rn(), i.rm(), i.ra());
}

fn smulh<O: Ops>(o: &mut O, i: Insn) {
    o.mul(Mul::HighS, i.rd(), i.rn(), i.rm(), R::ZERO);
}

fn umulh<O: Ops>(o: &mut O, i: Insn) {
    o.mul(Mul::HighU, i.rd(), i.rn(), i.rm(), R::ZERO);
}

// Flags.

fn rmif<O: Ops>(o: &mut O, i: Insn) {
    let mask = (field!(i.mask) as u64) << 28;
    o.shift(Shift::Ror, W::W64, R::T0, i.rn(), Src::Imm(field!(i.imm6, of rmif) as u64));
    o.alu(Alu::And, W::W64, R::T0, R::T0, Src::Imm(15));
    o.shift(Shift::Lsl, W::W64, R::T0, R::T0, Src::Imm(28));
    o.alu(Alu::And, W::W64, R::T0, R::T0, Src::Imm(mask));
    o.read_flags(R::T1);
    o.alu(Alu::And, W::W64, R::T1, R::T1, Src::Imm(!mask));
    o.alu(Alu::Or, W::W64, R::T0, R::T0, Src::Reg(R::T1));
    o.write_flags(R::T0);
}

/// N and Z from the low `bits` bits of Rn, V = bit `bits` differs from the bit below; C stays.
fn setf<O: Ops>(o: &mut O, i: Insn, bits: u64) {
    o.read_flags(R::T0);
    o.alu(Alu::And, W::W32, R::T0, R::T0, Src::Imm(1 << 29));
    // V, moved to bit 28.
    o.alu(Alu::Xor, W::W32, R::T1, i.rn(), Src::Shifted(i.rn(), Shift::Lsl, 1));
    o.extract(false, W::W32, R::T1, R::T1, bits as u8, 1);
    o.alu(Alu::Or, W::W32, R::T0, R::T0, Src::Shifted(R::T1, Shift::Lsl, 28));
    // N and Z, with C = V = 0.
    o.shift(Shift::Lsl, W::W32, R::T1, i.rn(), Src::Imm(32 - bits));
    o.alu_flags(Alu::And, W::W32, R::ZERO, R::T1, Src::Reg(R::T1));
    o.read_flags(R::T1);
    o.alu(Alu::Or, W::W32, R::T0, R::T0, Src::Reg(R::T1));
    o.write_flags(R::T0);
}

fn setf8<O: Ops>(o: &mut O, i: Insn) {
    setf(o, i, 8);
}

fn setf16<O: Ops>(o: &mut O, i: Insn) {
    setf(o, i, 16);
}

// Conditional compare and select.

#[inline]
fn cond(i: Insn) -> Cond {
    Cond::from_bits(field!(i.cond))
}

fn ccmp_reg<O: Ops>(o: &mut O, i: Insn) {
    o.cond_compare(cond(i), field!(set i.op), i.sf(), i.rn(), Src::Reg(i.rm()), field!(i.nzcv) as u8);
}

fn ccmp_imm<O: Ops>(o: &mut O, i: Insn) {
    let imm = Src::Imm(field!(i.imm5) as u64);
    o.cond_compare(cond(i), field!(set i.op), i.sf(), i.rn(), imm, field!(i.nzcv) as u8);
}

fn csel<O: Ops>(o: &mut O, i: Insn) {
    o.select(cond(i), i.sf(), i.rd(), i.rn(), i.rm(), Sel::Plain);
}

fn csinc<O: Ops>(o: &mut O, i: Insn) {
    o.select(cond(i), i.sf(), i.rd(), i.rn(), i.rm(), Sel::Inc);
}

fn csinv<O: Ops>(o: &mut O, i: Insn) {
    o.select(cond(i), i.sf(), i.rd(), i.rn(), i.rm(), Sel::Not);
}

fn csneg<O: Ops>(o: &mut O, i: Insn) {
    o.select(cond(i), i.sf(), i.rd(), i.rn(), i.rm(), Sel::Neg);
}

//! Data processing with the shifter operand (Arm ARM F4.1.2 and F3.1.3 "Data-processing"), and how
//! results reach the program counter.
//!
//! A conditional move of a register is a select between it and the old value of the destination;
//! see [`crate::decode`].

use crate::decode::{Insn, r, undefined};
use crate::state::{LR, PC_M, PC_N};
use anyarch_engine::field;
use anyarch_engine::ops::{Alu, Carry, Cmp, Cond, Ops, R, Sel, Shift, Src, W};
use anyarch_engine::pattern::nzcv;

anyarch_engine::rows! {
    // Data-processing register (immediate shift).
    "cond:4 000 0000 s rn:4 rd:4 imm5:5 type:2 0 rm:4" AndReg sets_nz shifted[Dp::And];
    "cond:4 000 0001 s rn:4 rd:4 imm5:5 type:2 0 rm:4" EorReg sets_nz shifted[Dp::Eor];
    "cond:4 000 0010 s rn:4 rd:4 imm5:5 type:2 0 rm:4" SubReg writes shifted[Dp::Sub];
    "cond:4 000 0011 s rn:4 rd:4 imm5:5 type:2 0 rm:4" RsbReg writes shifted[Dp::Rsb];
    "cond:4 000 0100 s rn:4 rd:4 imm5:5 type:2 0 rm:4" AddReg writes shifted[Dp::Add];
    "cond:4 000 0101 s rn:4 rd:4 imm5:5 type:2 0 rm:4" AdcReg carries shifted[Dp::Adc];
    "cond:4 000 0110 s rn:4 rd:4 imm5:5 type:2 0 rm:4" SbcReg carries shifted[Dp::Sbc];
    "cond:4 000 0111 s rn:4 rd:4 imm5:5 type:2 0 rm:4" RscReg carries shifted[Dp::Rsc];
    "cond:4 000 1000 1 rn:4 sbz:4 imm5:5 type:2 0 rm:4" TstReg sets_nz shifted[Dp::Tst];
    "cond:4 000 1001 1 rn:4 sbz:4 imm5:5 type:2 0 rm:4" TeqReg sets_nz shifted[Dp::Teq];
    "cond:4 000 1010 1 rn:4 sbz:4 imm5:5 type:2 0 rm:4" CmpReg writes shifted[Dp::Cmp];
    "cond:4 000 1011 1 rn:4 sbz:4 imm5:5 type:2 0 rm:4" CmnReg writes shifted[Dp::Cmn];
    "cond:4 000 1100 s rn:4 rd:4 imm5:5 type:2 0 rm:4" OrrReg sets_nz shifted[Dp::Orr];
    "cond:4 000 1101 s sbz:4 rd:4 imm5:5 type:2 0 rm:4" MovReg sets_nz shifted[Dp::Mov];
    "cond:4 000 1110 s rn:4 rd:4 imm5:5 type:2 0 rm:4" BicReg sets_nz shifted[Dp::Bic];
    "cond:4 000 1111 s sbz:4 rd:4 imm5:5 type:2 0 rm:4" MvnReg sets_nz shifted[Dp::Mvn];

    // Data-processing register (register shift).
    "cond:4 000 0000 s rn:4 rd:4 rs:4 0 type:2 1 rm:4" AndRsr carries_nz by_register[Dp::And];
    "cond:4 000 0001 s rn:4 rd:4 rs:4 0 type:2 1 rm:4" EorRsr carries_nz by_register[Dp::Eor];
    "cond:4 000 0010 s rn:4 rd:4 rs:4 0 type:2 1 rm:4" SubRsr writes by_register[Dp::Sub];
    "cond:4 000 0011 s rn:4 rd:4 rs:4 0 type:2 1 rm:4" RsbRsr writes by_register[Dp::Rsb];
    "cond:4 000 0100 s rn:4 rd:4 rs:4 0 type:2 1 rm:4" AddRsr writes by_register[Dp::Add];
    "cond:4 000 0101 s rn:4 rd:4 rs:4 0 type:2 1 rm:4" AdcRsr carries by_register[Dp::Adc];
    "cond:4 000 0110 s rn:4 rd:4 rs:4 0 type:2 1 rm:4" SbcRsr carries by_register[Dp::Sbc];
    "cond:4 000 0111 s rn:4 rd:4 rs:4 0 type:2 1 rm:4" RscRsr carries by_register[Dp::Rsc];
    "cond:4 000 1000 1 rn:4 sbz:4 rs:4 0 type:2 1 rm:4" TstRsr carries_nz by_register[Dp::Tst];
    "cond:4 000 1001 1 rn:4 sbz:4 rs:4 0 type:2 1 rm:4" TeqRsr carries_nz by_register[Dp::Teq];
    "cond:4 000 1010 1 rn:4 sbz:4 rs:4 0 type:2 1 rm:4" CmpRsr writes by_register[Dp::Cmp];
    "cond:4 000 1011 1 rn:4 sbz:4 rs:4 0 type:2 1 rm:4" CmnRsr writes by_register[Dp::Cmn];
    "cond:4 000 1100 s rn:4 rd:4 rs:4 0 type:2 1 rm:4" OrrRsr carries_nz by_register[Dp::Orr];
    "cond:4 000 1101 s sbz:4 rd:4 rs:4 0 type:2 1 rm:4" MovRsr carries_nz by_register[Dp::Mov];
    "cond:4 000 1110 s rn:4 rd:4 rs:4 0 type:2 1 rm:4" BicRsr carries_nz by_register[Dp::Bic];
    "cond:4 000 1111 s sbz:4 rd:4 rs:4 0 type:2 1 rm:4" MvnRsr carries_nz by_register[Dp::Mvn];

    // Data-processing immediate.
    "cond:4 001 0000 s rn:4 rd:4 imm12:12" AndImm sets_nz immediate[Dp::And];
    "cond:4 001 0001 s rn:4 rd:4 imm12:12" EorImm sets_nz immediate[Dp::Eor];
    "cond:4 001 0010 s rn:4 rd:4 imm12:12" SubImm writes immediate[Dp::Sub];
    "cond:4 001 0011 s rn:4 rd:4 imm12:12" RsbImm writes immediate[Dp::Rsb];
    "cond:4 001 0100 s rn:4 rd:4 imm12:12" AddImm writes immediate[Dp::Add];
    "cond:4 001 0101 s rn:4 rd:4 imm12:12" AdcImm carries immediate[Dp::Adc];
    "cond:4 001 0110 s rn:4 rd:4 imm12:12" SbcImm carries immediate[Dp::Sbc];
    "cond:4 001 0111 s rn:4 rd:4 imm12:12" RscImm carries immediate[Dp::Rsc];
    "cond:4 001 1000 1 rn:4 sbz:4 imm12:12" TstImm sets_nz immediate[Dp::Tst];
    "cond:4 001 1001 1 rn:4 sbz:4 imm12:12" TeqImm sets_nz immediate[Dp::Teq];
    "cond:4 001 1010 1 rn:4 sbz:4 imm12:12" CmpImm writes immediate[Dp::Cmp];
    "cond:4 001 1011 1 rn:4 sbz:4 imm12:12" CmnImm writes immediate[Dp::Cmn];
    "cond:4 001 1100 s rn:4 rd:4 imm12:12" OrrImm sets_nz immediate[Dp::Orr];
    "cond:4 001 1101 s sbz:4 rd:4 imm12:12" MovImm sets_nz immediate[Dp::Mov];
    "cond:4 001 1110 s rn:4 rd:4 imm12:12" BicImm sets_nz immediate[Dp::Bic];
    "cond:4 001 1111 s sbz:4 rd:4 imm12:12" MvnImm sets_nz immediate[Dp::Mvn];
}

/// The operations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dp {
    And,
    Eor,
    Sub,
    Rsb,
    Add,
    Adc,
    Sbc,
    Rsc,
    Tst,
    Teq,
    Cmp,
    Cmn,
    Orr,
    Mov,
    Bic,
    Mvn,
    Orn,
}

impl Dp {
    /// Whether flags are the only result.
    fn compares(self) -> bool {
        matches!(self, Dp::Tst | Dp::Teq | Dp::Cmp | Dp::Cmn)
    }

    /// Whether there is no first operand.
    fn moves(self) -> bool {
        matches!(self, Dp::Mov | Dp::Mvn)
    }
}

/// The second operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Operand {
    /// A constant, and the carry if it was rotated.
    Imm(u32, Carry),
    /// A register shifted by 0 to 31 bits, or 32 for the right shifts.
    Shifted(u8, Shift, u8),
    /// A register rotated right by one bit through the carry.
    Rrx(u8),
    /// A register shifted by another's low byte.
    By(u8, Shift, u8),
}

impl Operand {
    /// A register.
    pub(crate) fn reg(m: u8) -> Operand {
        Operand::Shifted(m, Shift::Lsl, 0)
    }

    /// DecodeImmShift.
    pub(crate) fn decode(m: u8, kind: u32, imm5: u32) -> Operand {
        match (shift_kind(kind), imm5) {
            (Shift::Ror, 0) => Operand::Rrx(m),
            (shift @ (Shift::Lsr | Shift::Asr), 0) => Operand::Shifted(m, shift, 32),
            (shift, n) => Operand::Shifted(m, shift, n as u8),
        }
    }

    /// A32ExpandImm_C.
    pub(crate) fn expand(imm12: u32) -> Operand {
        let rotation = imm12 >> 8 & 15;
        let value = (imm12 & 0xff).rotate_right(2 * rotation);
        Operand::Imm(value, if rotation == 0 { Carry::Keep } else { Carry::Const(value >> 31 != 0) })
    }
}

/// Shift kind by its two bits.
pub(crate) fn shift_kind(bits: u32) -> Shift {
    [Shift::Lsl, Shift::Lsr, Shift::Asr, Shift::Ror][bits as usize & 3]
}

fn shifted<O: Ops>(o: &mut O, i: Insn, op: Dp) {
    let operand = Operand::decode(i.reg(0), field!(i.type), field!(i.imm5));
    process(o, i, op, i.bit(20), i.reg(12), i.reg(16), operand);
}

fn by_register<O: Ops>(o: &mut O, i: Insn, op: Dp) {
    let (d, n, m, s) = (i.reg(12), i.reg(16), i.reg(0), i.reg(8));
    let pc = m == 15 || s == 15 || (d == 15 && !op.compares()) || (n == 15 && !op.moves());
    if pc {
        return undefined(o);
    }
    process(o, i, op, i.bit(20), d, n, Operand::By(m, shift_kind(field!(i.type)), s));
}

fn immediate<O: Ops>(o: &mut O, i: Insn, op: Dp) {
    process(o, i, op, i.bit(20), i.reg(12), i.reg(16), Operand::expand(field!(i.imm12)));
}

/// A register as an operand; the program counter is put into `temporary`.
pub(crate) fn read<O: Ops>(o: &mut O, i: Insn, n: u8, temporary: R) -> R {
    if n != 15 {
        return r(n);
    }
    o.mov_addr(temporary, i.pc_value() as u64);
    temporary
}

/// Data processing: d = n op operand, with the condition. `s`: sets flags.
pub(crate) fn process<O: Ops>(o: &mut O, i: Insn, op: Dp, s: bool, d: u8, n: u8, operand: Operand) {
    if op.compares() {
        return when(o, i, |o, _| compute(o, i, op, true, R::ZERO, n, operand));
    }
    if d == 15 {
        // With flags this is a return from an exception, and A32 alone has the other.
        if s || i.inside_it() {
            return when(o, i, |o, _| undefined(o));
        }
        return when(o, i, |o, i| {
            let returns = op == Dp::Mov && operand == Operand::reg(14);
            if returns && !i.thumb() {
                return go(o, i, LR, true);
            }
            compute(o, i, op, false, R::T0, n, operand);
            if i.thumb() { go_same(o, i, R::T0) } else { go(o, i, R::T0, false) }
        });
    }
    let d = r(d);
    match (op, operand) {
        (Dp::Mov, Operand::Shifted(m @ 0..15, Shift::Lsl, 0)) if !s && i.cond != Cond::Al => {
            o.select(i.cond, W::W32, d, r(m), d, Sel::Plain);
        }
        _ => when(o, i, |o, i| compute(o, i, op, s, d, n, operand)),
    }
}

fn when<O: Ops>(o: &mut O, i: Insn, f: impl FnOnce(&mut O, Insn)) {
    let always = Insn { cond: Cond::Al, ..i };
    if i.cond == Cond::Al { f(o, always) } else { o.when(i.cond, i.next(), |o| f(o, always)) }
}

fn compute<O: Ops>(o: &mut O, i: Insn, op: Dp, s: bool, d: R, n: u8, operand: Operand) {
    if let (Dp::Mov, true, Operand::Shifted(m @ 0..15, shift, by @ 1..32)) = (op, s, operand)
        && shift != Shift::Ror
    {
        return o.shift_nz(shift, W::W32, d, r(m), by);
    }
    if let (Dp::Mov, Operand::By(m, shift @ (Shift::Lsl | Shift::Lsr | Shift::Asr), by)) = (op, operand)
        && (!s || !o.flags_matter(nzcv::C))
    {
        o.shift_far(shift, d, r(m), r(by));
        if s {
            o.set_nz(W::W32, d, Carry::Keep);
        }
        return;
    }
    let a = if op.moves() { R::ZERO } else { read(o, i, n, PC_N) };
    let logical =
        !matches!(op, Dp::Sub | Dp::Rsb | Dp::Add | Dp::Adc | Dp::Sbc | Dp::Rsc | Dp::Cmp | Dp::Cmn);
    let (b, carry) = source(o, i, operand, s && logical);
    let w = W::W32;
    match op {
        Dp::Add | Dp::Cmn if s => o.alu_flags(Alu::Add, w, d, a, b),
        Dp::Sub | Dp::Cmp if s => o.alu_flags(Alu::Sub, w, d, a, b),
        Dp::Add => o.alu(Alu::Add, w, d, a, b),
        Dp::Sub => o.alu(Alu::Sub, w, d, a, b),
        Dp::Rsb if !s && matches!(b, Src::Imm(1..)) => {
            o.alu(Alu::Sub, w, d, R::ZERO, Src::Reg(a));
            o.alu(Alu::Add, w, d, d, b);
        }
        Dp::Rsb => {
            let b = register(o, b);
            if s {
                o.alu_flags(Alu::Sub, w, d, b, Src::Reg(a))
            } else {
                o.alu(Alu::Sub, w, d, b, Src::Reg(a))
            }
        }
        Dp::Adc | Dp::Sbc => {
            let b = register(o, b);
            o.add_carry(op == Dp::Sbc, s, w, d, a, b);
        }
        Dp::Rsc => {
            let b = register(o, b);
            o.add_carry(true, s, w, d, b, a);
        }
        _ => {
            // The carry may come from a register that the result replaces.
            let target = match carry {
                Carry::Bit(from, _) if s && from == d => R::T0,
                _ if d == R::ZERO => R::T0,
                _ => d,
            };
            match op {
                Dp::And | Dp::Tst => o.alu(Alu::And, w, target, a, b),
                Dp::Eor | Dp::Teq => o.alu(Alu::Xor, w, target, a, b),
                Dp::Orr => o.alu(Alu::Or, w, target, a, b),
                Dp::Bic => o.alu(Alu::AndNot, w, target, a, b),
                Dp::Orn => o.alu(Alu::OrNot, w, target, a, b),
                Dp::Mvn => match b {
                    Src::Imm(value) => o.mov(w, target, Src::Imm(!value)),
                    b => o.alu(Alu::OrNot, w, target, R::ZERO, b),
                },
                _ => o.mov(w, target, b),
            }
            if s {
                o.set_nz(w, target, carry);
            }
            if target != d && d != R::ZERO {
                o.mov(w, d, Src::Reg(target));
            }
        }
    }
}

/// An operand as a register.
fn register<O: Ops>(o: &mut O, b: Src) -> R {
    match b {
        Src::Reg(b) => b,
        Src::Imm(0) => R::ZERO,
        b => {
            o.mov(W::W32, R::T2, b);
            R::T2
        }
    }
}

/// The second operand, and the shifter's carry if it is asked for. Uses T1 to T3.
pub(crate) fn source<O: Ops>(o: &mut O, i: Insn, operand: Operand, carries: bool) -> (Src, Carry) {
    match operand {
        Operand::Imm(value, carry) => (Src::Imm(value as u64), carry),
        Operand::Shifted(m, shift, n) => {
            let m = read(o, i, m, PC_M);
            match (shift, n) {
                (Shift::Lsl, 0) => (Src::Reg(m), Carry::Keep),
                (Shift::Lsl, n) => (Src::Shifted(m, shift, n), Carry::Bit(m, 32 - n)),
                (Shift::Lsr, 32) => (Src::Imm(0), Carry::Bit(m, 31)),
                (Shift::Asr, 32) => (Src::Shifted(m, shift, 31), Carry::Bit(m, 31)),
                (_, n) => (Src::Shifted(m, shift, n), Carry::Bit(m, n - 1)),
            }
        }
        Operand::Rrx(m) => {
            let m = read(o, i, m, PC_M);
            o.read_flags(R::T2);
            o.alu(Alu::And, W::W32, R::T2, R::T2, Src::Imm(1 << 29));
            o.mov(W::W32, R::T2, Src::Shifted(R::T2, Shift::Lsl, 2));
            o.alu(Alu::Or, W::W32, R::T2, R::T2, Src::Shifted(m, Shift::Lsr, 1));
            (Src::Reg(R::T2), Carry::Bit(m, 0))
        }
        Operand::By(m, shift, s) => by(o, r(m), shift, r(s), carries),
    }
}

/// m shifted by s's low byte. The shifts are of 64 bits, in which amounts above 63 count as 63; for
/// the carry they take along one bit more, which without a shift is the old carry.
fn by<O: Ops>(o: &mut O, m: R, shift: Shift, s: R, carries: bool) -> (Src, Carry) {
    let (amount, x, t) = (R::T1, R::T2, R::T3);
    let w = W::W64;
    if shift == Shift::Ror {
        o.shift(Shift::Ror, W::W32, x, m, Src::Reg(s));
        if carries {
            // Bit 31 of the result, or the old carry where the amount is zero.
            o.extract(false, w, amount, s, 0, 8);
            o.set_cmp(Cmp::Eq, amount, amount, Src::Imm(0));
            o.read_flags(t);
            o.extract(false, w, t, t, 29, 1);
            o.alu(Alu::Xor, w, t, t, Src::Shifted(x, Shift::Lsr, 31));
            o.alu(Alu::And, w, t, t, Src::Reg(amount));
            o.alu(Alu::Xor, w, t, t, Src::Shifted(x, Shift::Lsr, 31));
        }
        return (Src::Reg(x), Carry::Bit(t, 0));
    }
    if !carries || !o.flags_matter(nzcv::C) {
        o.shift_far(shift, x, m, s);
        return (Src::Reg(x), Carry::Keep);
    }
    o.extract(false, w, amount, s, 0, 8);
    o.set_cmp(Cmp::Geu, t, amount, Src::Imm(64));
    o.alu(Alu::Sub, w, t, R::ZERO, Src::Reg(t));
    o.alu(Alu::Or, w, amount, amount, Src::Reg(t));
    o.extract(shift == Shift::Asr, w, x, m, 0, 32);
    o.read_flags(t);
    o.extract(false, w, t, t, 29, 1);
    if shift == Shift::Lsl {
        o.alu(Alu::Or, w, x, x, Src::Shifted(t, Shift::Lsl, 32));
        o.shift(shift, w, x, x, Src::Reg(amount));
        return (Src::Reg(x), Carry::Bit(x, 32));
    }
    o.alu(Alu::Or, w, x, t, Src::Shifted(x, Shift::Lsl, 1));
    o.shift(shift, w, t, x, Src::Reg(amount));
    o.shift(Shift::Lsr, w, x, t, Src::Imm(1));
    (Src::Reg(x), Carry::Bit(t, 0))
}

/// BXWritePC: to the address in a register, whose bit 0 is the instruction set. `returns`: as the
/// return of a call.
pub(crate) fn go<O: Ops>(o: &mut O, i: Insn, target: R, returns: bool) {
    let target = if i.big() {
        o.alu(Alu::Or, W::W64, R::T0, target, Src::Imm(crate::decode::pc::E));
        R::T0
    } else {
        target
    };
    if returns { o.ret(target) } else { o.jump_reg(target) }
}

/// BranchWritePC: to the address in a register, in the same instruction set.
pub(crate) fn go_same<O: Ops>(o: &mut O, i: Insn, target: R) {
    if i.thumb() {
        o.alu(Alu::Or, W::W32, R::T0, target, Src::Imm(1));
    } else {
        o.alu(Alu::And, W::W32, R::T0, target, Src::Imm(!3));
    }
    go(o, i, R::T0, false);
}

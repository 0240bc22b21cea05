//! T32 instructions of 16 bits (Arm ARM F3.1.2): their fields, and the functions that they share
//! with A32.
//!
//! Data processing sets flags, except within an IT block.

use crate::branch;
use crate::data::{Dp, Operand, process};
use crate::decode::{Insn, r, undefined};
use crate::media::{self, Part, Reversal};
use crate::mem::{self, BYTE, HALF, Index, Kind, Offset, SIGNED_BYTE, SIGNED_HALF, WORD};
use crate::mul;
use crate::uncond;
use anyarch_engine::field;
use anyarch_engine::ops::{Carry, Cond, Ops, Shift, Trap, W};

anyarch_engine::rows! {
    // Shift (immediate), add, subtract, move, and compare.
    "0000000000000000 00010 imm5:5 rm:3 rd:3" AsrImm sets_nz shift[2];
    "0000000000000000 00000 imm5:5 rm:3 rd:3" LslImm sets_nz shift[0];
    "0000000000000000 00001 imm5:5 rm:3 rd:3" LsrImm sets_nz shift[1];
    "0000000000000000 0001100 rm:3 rn:3 rd:3" AddReg writes three[Dp::Add, true];
    "0000000000000000 0001101 rm:3 rn:3 rd:3" SubReg writes three[Dp::Sub, true];
    "0000000000000000 0001110 imm3:3 rn:3 rd:3" AddImm3 writes three[Dp::Add, false];
    "0000000000000000 0001111 imm3:3 rn:3 rd:3" SubImm3 writes three[Dp::Sub, false];
    "0000000000000000 00100 rd:3 imm8:8" MovImm sets_nz immediate[Dp::Mov];
    "0000000000000000 00101 rn:3 imm8:8" CmpImm writes immediate[Dp::Cmp];
    "0000000000000000 00110 rdn:3 imm8:8" AddImm8 writes immediate[Dp::Add];
    "0000000000000000 00111 rdn:3 imm8:8" SubImm8 writes immediate[Dp::Sub];

    // Data processing.
    "0000000000000000 010000 0000 rm:3 rdn:3" AndReg sets_nz two[Dp::And];
    "0000000000000000 010000 0001 rm:3 rdn:3" EorReg sets_nz two[Dp::Eor];
    "0000000000000000 010000 0010 rm:3 rdn:3" LslReg carries_nz shift_register[Shift::Lsl];
    "0000000000000000 010000 0011 rm:3 rdn:3" LsrReg carries_nz shift_register[Shift::Lsr];
    "0000000000000000 010000 0100 rm:3 rdn:3" AsrReg carries_nz shift_register[Shift::Asr];
    "0000000000000000 010000 0101 rm:3 rdn:3" AdcReg carries two[Dp::Adc];
    "0000000000000000 010000 0110 rm:3 rdn:3" SbcReg carries two[Dp::Sbc];
    "0000000000000000 010000 0111 rm:3 rdn:3" RorReg carries_nz shift_register[Shift::Ror];
    "0000000000000000 010000 1000 rm:3 rn:3" TstReg sets_nz two[Dp::Tst];
    "0000000000000000 010000 1001 rn:3 rd:3" RsbImm writes negate;
    "0000000000000000 010000 1010 rm:3 rn:3" CmpReg writes two[Dp::Cmp];
    "0000000000000000 010000 1011 rm:3 rn:3" CmnReg writes two[Dp::Cmn];
    "0000000000000000 010000 1100 rm:3 rdn:3" OrrReg sets_nz two[Dp::Orr];
    "0000000000000000 010000 1101 rn:3 rdm:3" Mul sets_nz multiply;
    "0000000000000000 010000 1110 rm:3 rdn:3" BicReg sets_nz two[Dp::Bic];
    "0000000000000000 010000 1111 rm:3 rd:3" MvnReg sets_nz two[Dp::Mvn];

    // Special data instructions and branch and exchange.
    "0000000000000000 010001 00 d rm:4 rdn:3" AddHigh none high[Dp::Add];
    "0000000000000000 010001 01 n rm:4 rn:3" CmpHigh writes high[Dp::Cmp];
    "0000000000000000 010001 10 d rm:4 rd:3" MovHigh none high[Dp::Mov];
    "0000000000000000 010001 110 rm:4 sbz:3" Bx none bx;
    "0000000000000000 010001 111 rm:4 sbz:3" Blx none blx;

    // Load (literal), load/store (register, immediate), halfword, with the stack pointer.
    "0000000000000000 01001 rt:3 imm8:8" LdrLiteral none literal;
    "0000000000000000 0101 000 rm:3 rn:3 rt:3" StrReg none register[WORD, false];
    "0000000000000000 0101 001 rm:3 rn:3 rt:3" StrhReg none register[HALF, false];
    "0000000000000000 0101 010 rm:3 rn:3 rt:3" StrbReg none register[BYTE, false];
    "0000000000000000 0101 011 rm:3 rn:3 rt:3" LdrsbReg none register[SIGNED_BYTE, true];
    "0000000000000000 0101 100 rm:3 rn:3 rt:3" LdrReg none register[WORD, true];
    "0000000000000000 0101 101 rm:3 rn:3 rt:3" LdrhReg none register[HALF, true];
    "0000000000000000 0101 110 rm:3 rn:3 rt:3" LdrbReg none register[BYTE, true];
    "0000000000000000 0101 111 rm:3 rn:3 rt:3" LdrshReg none register[SIGNED_HALF, true];
    "0000000000000000 01100 imm5:5 rn:3 rt:3" StrImm none offset[WORD, false];
    "0000000000000000 01101 imm5:5 rn:3 rt:3" LdrImm none offset[WORD, true];
    "0000000000000000 01110 imm5:5 rn:3 rt:3" StrbImm none offset[BYTE, false];
    "0000000000000000 01111 imm5:5 rn:3 rt:3" LdrbImm none offset[BYTE, true];
    "0000000000000000 10000 imm5:5 rn:3 rt:3" StrhImm none offset[HALF, false];
    "0000000000000000 10001 imm5:5 rn:3 rt:3" LdrhImm none offset[HALF, true];
    "0000000000000000 10010 rt:3 imm8:8" StrSp none stack[false];
    "0000000000000000 10011 rt:3 imm8:8" LdrSp none stack[true];

    // Add PC/SP (immediate).
    "0000000000000000 10100 rd:3 imm8:8" Adr none adr;
    "0000000000000000 10101 rd:3 imm8:8" AddSp none add_sp;

    // Miscellaneous.
    "0000000000000000 10110000 0 imm7:7" AddSpImm none adjust[Dp::Add];
    "0000000000000000 10110000 1 imm7:7" SubSpImm none adjust[Dp::Sub];
    "0000000000000000 1011 0 0 i 1 imm5:5 rn:3" Cbz none compare_branch[false];
    "0000000000000000 1011 1 0 i 1 imm5:5 rn:3" Cbnz none compare_branch[true];
    "0000000000000000 10110010 00 rm:3 rd:3" Sxth none extend[Part::Half, true];
    "0000000000000000 10110010 01 rm:3 rd:3" Sxtb none extend[Part::Byte, true];
    "0000000000000000 10110010 10 rm:3 rd:3" Uxth none extend[Part::Half, false];
    "0000000000000000 10110010 11 rm:3 rd:3" Uxtb none extend[Part::Byte, false];
    "0000000000000000 1011010 m list:8" Push none push;
    "0000000000000000 10110110 010 sbo e sbz:3" Setend none setend;
    "0000000000000000 10110110 011 im sbz a i f" Cps none cps;
    "0000000000000000 10111010 00 rm:3 rd:3" Rev none reverse[Reversal::Bytes];
    "0000000000000000 10111010 01 rm:3 rd:3" Rev16 none reverse[Reversal::Halves];
    "0000000000000000 10111010 11 rm:3 rd:3" Revsh none reverse[Reversal::Signed];
    "0000000000000000 1011110 p list:8" Pop none pop;
    "0000000000000000 10111110 imm8:8" Bkpt none bkpt;
    first "0000000000000000 10111111 hint:4 0000" Nop none branch::hint;
    "0000000000000000 10111111 cond:4 mask:4" It none it;

    // Load/store multiple.
    "0000000000000000 11000 rn:3 list:8" Stm none store_multiple;
    "0000000000000000 11001 rn:3 list:8" Ldm none load_multiple;

    // Conditional branch, exceptions, branch.
    first "0000000000000000 1101 1110 imm8:8" Udf none udf;
    first "0000000000000000 1101 1111 imm8:8" Svc none branch::svc;
    "0000000000000000 1101 cond:4 imm8:8" BCond reads b_cond;
    "0000000000000000 11100 imm11:11" B none b;
}

fn low(i: Insn, lsb: u32) -> u8 {
    i.bits(lsb, 3) as u8
}

fn shift<O: Ops>(o: &mut O, i: Insn, kind: u32) {
    process(
        o,
        i,
        Dp::Mov,
        !i.in_it(),
        low(i, 0),
        0,
        Operand::decode(low(i, 3), kind, field!(i.imm5, of shift)),
    );
}

fn three<O: Ops>(o: &mut O, i: Insn, op: Dp, register: bool) {
    let operand = if register { Operand::reg(low(i, 6)) } else { Operand::Imm(i.bits(6, 3), Carry::Keep) };
    process(o, i, op, !i.in_it(), low(i, 0), low(i, 3), operand);
}

fn immediate<O: Ops>(o: &mut O, i: Insn, op: Dp) {
    process(o, i, op, !i.in_it(), low(i, 8), low(i, 8), Operand::Imm(field!(i.imm8), Carry::Keep));
}

fn two<O: Ops>(o: &mut O, i: Insn, op: Dp) {
    process(o, i, op, !i.in_it(), low(i, 0), low(i, 0), Operand::reg(low(i, 3)));
}

fn shift_register<O: Ops>(o: &mut O, i: Insn, shift: Shift) {
    process(o, i, Dp::Mov, !i.in_it(), low(i, 0), 0, Operand::By(low(i, 0), shift, low(i, 3)));
}

fn negate<O: Ops>(o: &mut O, i: Insn) {
    process(o, i, Dp::Rsb, !i.in_it(), low(i, 0), low(i, 3), Operand::Imm(0, Carry::Keep));
}

fn multiply<O: Ops>(o: &mut O, i: Insn) {
    mul::multiply(o, mul::Kind::Mul, !i.in_it(), low(i, 0), low(i, 3), low(i, 0), 0);
}

fn high<O: Ops>(o: &mut O, i: Insn, op: Dp) {
    let d = (i.bits(7, 1) << 3 | i.bits(0, 3)) as u8;
    let m = i.reg(3);
    // The program counter is compared with nothing.
    if op == Dp::Cmp && (d == 15 || m == 15) || op == Dp::Add && d == 15 && m == 15 {
        return match i.cond {
            Cond::Al => undefined(o),
            cond => o.when(cond, i.next(), undefined),
        };
    }
    process(o, i, op, false, d, d, Operand::reg(m));
}

fn bx<O: Ops>(o: &mut O, i: Insn) {
    branch::branch_exchange(o, i, i.reg(3));
}

fn blx<O: Ops>(o: &mut O, i: Insn) {
    branch::call_exchange(o, i, i.reg(3));
}

fn literal<O: Ops>(o: &mut O, i: Insn) {
    mem::single(o, i, WORD, true, low(i, 8), 15, Offset::Imm((field!(i.imm8) << 2) as i32), Index::Offset);
}

fn register<O: Ops>(o: &mut O, i: Insn, kind: Kind, loads: bool) {
    let offset = Offset::Reg(Operand::reg(low(i, 6)), true);
    mem::single(o, i, kind, loads, low(i, 0), low(i, 3), offset, Index::Offset);
}

fn offset<O: Ops>(o: &mut O, i: Insn, kind: Kind, loads: bool) {
    let offset = (field!(i.imm5, of offset) * kind.0.bytes()) as i32;
    mem::single(o, i, kind, loads, low(i, 0), low(i, 3), Offset::Imm(offset), Index::Offset);
}

fn stack<O: Ops>(o: &mut O, i: Insn, loads: bool) {
    mem::single(o, i, WORD, loads, low(i, 8), 13, Offset::Imm((field!(i.imm8) << 2) as i32), Index::Offset);
}

fn adr<O: Ops>(o: &mut O, i: Insn) {
    o.mov_addr(r(low(i, 8)), i.pc_aligned().wrapping_add(field!(i.imm8) << 2) as u64);
}

fn add_sp<O: Ops>(o: &mut O, i: Insn) {
    process(o, i, Dp::Add, false, low(i, 8), 13, Operand::Imm(field!(i.imm8) << 2, Carry::Keep));
}

fn adjust<O: Ops>(o: &mut O, i: Insn, op: Dp) {
    process(o, i, op, false, 13, 13, Operand::Imm(field!(i.imm7) << 2, Carry::Keep));
}

fn compare_branch<O: Ops>(o: &mut O, i: Insn, nonzero: bool) {
    if i.in_it() {
        return undefined(o);
    }
    let target = i.place(
        i.pc_value()
            .wrapping_add(field!(i.i, of compare_branch) << 6 | field!(i.imm5, of compare_branch) << 1),
    );
    o.branch_zero(nonzero, W::W32, r(low(i, 0)), target);
}

fn extend<O: Ops>(o: &mut O, i: Insn, part: Part, signed: bool) {
    media::extend(o, part, signed, 0, low(i, 0), 15, low(i, 3));
}

fn push<O: Ops>(o: &mut O, i: Insn) {
    mem::multiple(o, i, false, 13, field!(i.list) | field!(i.m) << 14, true, false, true);
}

fn pop<O: Ops>(o: &mut O, i: Insn) {
    mem::multiple(o, i, true, 13, field!(i.list) | field!(i.p) << 15, false, true, true);
}

fn setend<O: Ops>(o: &mut O, i: Insn) {
    uncond::setend(o, i, field!(set i.e));
}

fn cps<O: Ops>(o: &mut O, i: Insn) {
    if i.in_it() {
        undefined(o);
    }
}

fn reverse<O: Ops>(o: &mut O, i: Insn, reversal: Reversal) {
    media::reverse(o, reversal, low(i, 0), low(i, 3));
}

fn bkpt<O: Ops>(o: &mut O, i: Insn) {
    o.trap(Trap::Breakpoint(field!(i.imm8) as u16));
}

/// IT does nothing itself: the next instruction's place has the ITSTATE (see [`Insn::next`]).
fn it<O: Ops>(o: &mut O, i: Insn) {
    let (cond, mask) = (field!(i.cond, of it), field!(i.mask));
    if i.in_it() || cond == 15 || cond == 14 && mask.count_ones() != 1 {
        undefined(o);
    }
}

fn store_multiple<O: Ops>(o: &mut O, i: Insn) {
    mem::multiple(o, i, false, low(i, 8), field!(i.list), false, true, true);
}

fn load_multiple<O: Ops>(o: &mut O, i: Insn) {
    let (n, list) = (low(i, 8), field!(i.list));
    mem::multiple(o, i, true, n, list, false, true, list >> n & 1 == 0);
}

fn udf<O: Ops>(o: &mut O, i: Insn) {
    // The kernel's AARCH32_BREAK_THUMB.
    o.trap(if i.word == 0xde01 { Trap::Breakpoint(0) } else { Trap::Undefined });
}

fn b_cond<O: Ops>(o: &mut O, i: Insn) {
    if i.in_it() {
        return undefined(o);
    }
    let offset = (field!(i32 i.imm8) << 1) as u32;
    o.branch(Cond::from_bits(field!(i.cond, of b_cond)), i.place(i.pc_value().wrapping_add(offset)));
}

fn b<O: Ops>(o: &mut O, i: Insn) {
    if i.inside_it() {
        return undefined(o);
    }
    o.jump(branch::short_target(i));
}

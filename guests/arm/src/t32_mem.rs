//! T32 loads and stores of 32 bits (Arm ARM F3.1.3): their fields, and the functions that they
//! share with A32.

use crate::data::{Operand, go_same};
use crate::decode::{Insn, r, undefined};
use crate::mem::{self, BYTE, HALF, Index, Kind, Offset, SIGNED_BYTE, SIGNED_HALF, WORD, load};
use crate::state::PC_N;
use crate::uncond;
use anyarch_engine::field;
use anyarch_engine::ops::{Addr, Alu, MemOrder, Ops, R, Shift, Size, Src, W};

anyarch_engine::rows! {
    // Load/store multiple.
    "1110100 01 0 w 0 rn:4 list:16" Stm none multiple[false, false];
    "1110100 01 0 w 1 rn:4 list:16" Ldm none multiple[true, false];
    "1110100 10 0 w 0 rn:4 list:16" Stmdb none multiple[false, true];
    "1110100 10 0 w 1 rn:4 list:16" Ldmdb none multiple[true, true];

    // Load/store exclusive, load-acquire, store-release, table branch.
    "1110100 0010 0 rn:4 rt:4 rd:4 imm8:8" Strex none strex;
    "1110100 0010 1 rn:4 rt:4 sbo:4 imm8:8" Ldrex none ldrex;
    "1110100 0110 1 rn:4 sbo:4 sbz:4 0000 rm:4" Tbb none table[BYTE];
    "1110100 0110 1 rn:4 sbo:4 sbz:4 0001 rm:4" Tbh none table[HALF];
    "1110100 0110 0 rn:4 rt:4 sbo:4 1000 sbo:4" Stlb none release[Size::B1];
    "1110100 0110 0 rn:4 rt:4 sbo:4 1001 sbo:4" Stlh none release[Size::B2];
    "1110100 0110 0 rn:4 rt:4 sbo:4 1010 sbo:4" Stl none release[Size::B4];
    "1110100 0110 1 rn:4 rt:4 sbo:4 1000 sbo:4" Ldab none acquire[Size::B1];
    "1110100 0110 1 rn:4 rt:4 sbo:4 1001 sbo:4" Ldah none acquire[Size::B2];
    "1110100 0110 1 rn:4 rt:4 sbo:4 1010 sbo:4" Lda none acquire[Size::B4];
    "1110100 0110 0 rn:4 rt:4 sbo:4 0100 rd:4" Strexb none store_exclusive[Size::B1];
    "1110100 0110 0 rn:4 rt:4 sbo:4 0101 rd:4" Strexh none store_exclusive[Size::B2];
    "1110100 0110 0 rn:4 rt:4 rt2:4 0111 rd:4" Strexd none store_exclusive[Size::B8];
    "1110100 0110 0 rn:4 rt:4 sbo:4 1100 rd:4" Stlexb none store_exclusive[Size::B1];
    "1110100 0110 0 rn:4 rt:4 sbo:4 1101 rd:4" Stlexh none store_exclusive[Size::B2];
    "1110100 0110 0 rn:4 rt:4 sbo:4 1110 rd:4" Stlex none store_exclusive[Size::B4];
    "1110100 0110 0 rn:4 rt:4 rt2:4 1111 rd:4" Stlexd none store_exclusive[Size::B8];
    "1110100 0110 1 rn:4 rt:4 sbo:4 0100 sbo:4" Ldrexb none load_exclusive[Size::B1];
    "1110100 0110 1 rn:4 rt:4 sbo:4 0101 sbo:4" Ldrexh none load_exclusive[Size::B2];
    "1110100 0110 1 rn:4 rt:4 rt2:4 0111 sbo:4" Ldrexd none load_exclusive[Size::B8];
    "1110100 0110 1 rn:4 rt:4 sbo:4 1100 sbo:4" Ldaexb none load_exclusive[Size::B1];
    "1110100 0110 1 rn:4 rt:4 sbo:4 1101 sbo:4" Ldaexh none load_exclusive[Size::B2];
    "1110100 0110 1 rn:4 rt:4 sbo:4 1110 sbo:4" Ldaex none load_exclusive[Size::B4];
    "1110100 0110 1 rn:4 rt:4 rt2:4 1111 sbo:4" Ldaexd none load_exclusive[Size::B8];

    // Load/store dual.
    "1110100 0 u 1 1 0 rn:4 rt:4 rt2:4 imm8:8" StrdPost none dual[false];
    "1110100 0 u 1 1 1 rn:4 rt:4 rt2:4 imm8:8" LdrdPost none dual[true];
    "1110100 1 u 1 w 0 rn:4 rt:4 rt2:4 imm8:8" Strd none dual[false];
    "1110100 1 u 1 w 1 rn:4 rt:4 rt2:4 imm8:8" Ldrd none dual[true];

    // Load/store single: hints, literal, register, immediates.
    first "1111100 x x 0 x 1 1111 1111 imm12:12" PldLiteral none uncond::nop;
    first "1111100 x 1 0 x 1 rn:4 1111 imm12:12" PldImm12 none uncond::nop;
    first "1111100 x 0 0 x 1 rn:4 1111 1100 imm8:8" PldImm8 none uncond::nop;
    first "1111100 x 0 0 x 1 rn:4 1111 000000 imm2:2 rm:4" PldReg none prefetch;
    first "1111100 0 u 00 1 1111 rt:4 imm12:12" LdrbLiteral none literal[BYTE];
    first "1111100 0 u 01 1 1111 rt:4 imm12:12" LdrhLiteral none literal[HALF];
    first "1111100 0 u 10 1 1111 rt:4 imm12:12" LdrLiteral none literal[WORD];
    first "1111100 1 u 00 1 1111 rt:4 imm12:12" LdrsbLiteral none literal[SIGNED_BYTE];
    first "1111100 1 u 01 1 1111 rt:4 imm12:12" LdrshLiteral none literal[SIGNED_HALF];
    "1111100 0 0 00 0 rn:4 rt:4 000000 imm2:2 rm:4" StrbReg none register[BYTE, false];
    "1111100 0 0 01 0 rn:4 rt:4 000000 imm2:2 rm:4" StrhReg none register[HALF, false];
    "1111100 0 0 10 0 rn:4 rt:4 000000 imm2:2 rm:4" StrReg none register[WORD, false];
    "1111100 0 0 00 1 rn:4 rt:4 000000 imm2:2 rm:4" LdrbReg none register[BYTE, true];
    "1111100 0 0 01 1 rn:4 rt:4 000000 imm2:2 rm:4" LdrhReg none register[HALF, true];
    "1111100 0 0 10 1 rn:4 rt:4 000000 imm2:2 rm:4" LdrReg none register[WORD, true];
    "1111100 1 0 00 1 rn:4 rt:4 000000 imm2:2 rm:4" LdrsbReg none register[SIGNED_BYTE, true];
    "1111100 1 0 01 1 rn:4 rt:4 000000 imm2:2 rm:4" LdrshReg none register[SIGNED_HALF, true];
    "1111100 0 0 00 0 rn:4 rt:4 1 p u w imm8:8" StrbImm8 none immediate8[BYTE, false];
    "1111100 0 0 01 0 rn:4 rt:4 1 p u w imm8:8" StrhImm8 none immediate8[HALF, false];
    "1111100 0 0 10 0 rn:4 rt:4 1 p u w imm8:8" StrImm8 none immediate8[WORD, false];
    "1111100 0 0 00 1 rn:4 rt:4 1 p u w imm8:8" LdrbImm8 none immediate8[BYTE, true];
    "1111100 0 0 01 1 rn:4 rt:4 1 p u w imm8:8" LdrhImm8 none immediate8[HALF, true];
    "1111100 0 0 10 1 rn:4 rt:4 1 p u w imm8:8" LdrImm8 none immediate8[WORD, true];
    "1111100 1 0 00 1 rn:4 rt:4 1 p u w imm8:8" LdrsbImm8 none immediate8[SIGNED_BYTE, true];
    "1111100 1 0 01 1 rn:4 rt:4 1 p u w imm8:8" LdrshImm8 none immediate8[SIGNED_HALF, true];
    "1111100 0 1 00 0 rn:4 rt:4 imm12:12" StrbImm12 none immediate12[BYTE, false];
    "1111100 0 1 01 0 rn:4 rt:4 imm12:12" StrhImm12 none immediate12[HALF, false];
    "1111100 0 1 10 0 rn:4 rt:4 imm12:12" StrImm12 none immediate12[WORD, false];
    "1111100 0 1 00 1 rn:4 rt:4 imm12:12" LdrbImm12 none immediate12[BYTE, true];
    "1111100 0 1 01 1 rn:4 rt:4 imm12:12" LdrhImm12 none immediate12[HALF, true];
    "1111100 0 1 10 1 rn:4 rt:4 imm12:12" LdrImm12 none immediate12[WORD, true];
    "1111100 1 1 00 1 rn:4 rt:4 imm12:12" LdrsbImm12 none immediate12[SIGNED_BYTE, true];
    "1111100 1 1 01 1 rn:4 rt:4 imm12:12" LdrshImm12 none immediate12[SIGNED_HALF, true];
}

fn multiple<O: Ops>(o: &mut O, i: Insn, loads: bool, decrements: bool) {
    let (n, list, w) = (i.reg(16), field!(i.list), field!(set i.w, of multiple));
    let wrong = list.count_ones() < 2 || list >> 15 != 0 && !loads;
    if wrong || w && list >> n & 1 != 0 {
        return undefined(o);
    }
    mem::multiple(o, i, loads, n, list, decrements, !decrements, w);
}

fn strex<O: Ops>(o: &mut O, i: Insn) {
    mem::store_exclusive(o, i, Size::B4, i.reg(8), i.reg(12), 0, i.reg(16), (field!(i.imm8) << 2) as i64);
}

fn ldrex<O: Ops>(o: &mut O, i: Insn) {
    mem::load_exclusive(o, i, Size::B4, i.reg(12), 0, i.reg(16), (field!(i.imm8) << 2) as i64);
}

fn release<O: Ops>(o: &mut O, i: Insn, size: Size) {
    mem::store_release(o, i, size, i.reg(12), i.reg(16));
}

fn acquire<O: Ops>(o: &mut O, i: Insn, size: Size) {
    mem::load_acquire(o, i, size, i.reg(12), i.reg(16));
}

fn store_exclusive<O: Ops>(o: &mut O, i: Insn, size: Size) {
    mem::store_exclusive(o, i, size, i.reg(0), i.reg(12), i.reg(8), i.reg(16), 0);
}

fn load_exclusive<O: Ops>(o: &mut O, i: Insn, size: Size) {
    mem::load_exclusive(o, i, size, i.reg(12), i.reg(8), i.reg(16), 0);
}

/// TBB, TBH: on by twice the entry of a table.
fn table<O: Ops>(o: &mut O, i: Insn, kind: Kind) {
    let (n, m) = (i.reg(16), i.reg(0));
    if m == 15 || i.inside_it() {
        return undefined(o);
    }
    let base = crate::data::read(o, i, n, PC_N);
    load(o, i, kind, R::T0, Addr::Scaled(base, r(m), (kind == HALF) as u8, 0), MemOrder::Plain);
    o.mov_addr(R::T1, i.pc_value() as u64);
    o.alu(Alu::Add, W::W32, R::T0, R::T1, Src::Shifted(R::T0, Shift::Lsl, 1));
    go_same(o, i, R::T0);
}

fn dual<O: Ops>(o: &mut O, i: Insn, loads: bool) {
    let imm = (field!(i.imm8) << 2) as i32;
    let index = match (i.bit(24), i.bit(21)) {
        (true, false) => Index::Offset,
        (true, true) => Index::Pre,
        (false, _) => Index::Post,
    };
    let n = i.reg(16);
    if n == 15 && !loads {
        return undefined(o);
    }
    mem::dual(
        o,
        i,
        loads,
        i.reg(12),
        i.reg(8),
        n,
        Offset::Imm(if field!(set i.u, of dual) { imm } else { -imm }),
        index,
    );
}

fn prefetch<O: Ops>(o: &mut O, i: Insn) {
    if i.reg(0) == 15 {
        undefined(o);
    }
}

fn literal<O: Ops>(o: &mut O, i: Insn, kind: Kind) {
    let imm = field!(i.imm12) as i32;
    let offset = Offset::Imm(if field!(set i.u, of literal) { imm } else { -imm });
    mem::single(o, i, kind, true, i.reg(12), 15, offset, Index::Offset);
}

/// Whether a store reads the program counter, which only A32's can.
fn wrong_store(i: Insn, loads: bool) -> bool {
    !loads && (i.reg(16) == 15 || i.reg(12) == 15)
}

fn immediate12<O: Ops>(o: &mut O, i: Insn, kind: Kind, loads: bool) {
    if wrong_store(i, loads) {
        return undefined(o);
    }
    mem::single(o, i, kind, loads, i.reg(12), i.reg(16), Offset::Imm(field!(i.imm12) as i32), Index::Offset);
}

fn immediate8<O: Ops>(o: &mut O, i: Insn, kind: Kind, loads: bool) {
    let imm = field!(i.imm8) as i32;
    let signed = if field!(set i.u, of immediate8) { imm } else { -imm };
    let (offset, index) =
        match (field!(set i.p), field!(set i.u, of immediate8), field!(set i.w, of immediate8)) {
            // The unprivileged forms; none loads the program counter.
            (true, true, false) if i.reg(12) == 15 => return undefined(o),
            (true, _, false) => (signed, Index::Offset),
            (true, _, true) => (signed, Index::Pre),
            (false, _, true) => (signed, Index::Post),
            (false, _, false) => return undefined(o),
        };
    if wrong_store(i, loads) {
        return undefined(o);
    }
    mem::single(o, i, kind, loads, i.reg(12), i.reg(16), Offset::Imm(offset), index);
}

fn register<O: Ops>(o: &mut O, i: Insn, kind: Kind, loads: bool) {
    if wrong_store(i, loads) || i.reg(0) == 15 {
        return undefined(o);
    }
    let operand = Operand::Shifted(i.reg(0), Shift::Lsl, field!(i.imm2) as u8);
    mem::single(o, i, kind, loads, i.reg(12), i.reg(16), Offset::Reg(operand, true), Index::Offset);
}

//! Data processing, immediate and register (Arm ARM C4.1, "Data Processing -- Immediate" and "-- Register").

use crate::decode::Insn;
use anyarch_engine::ops::{Alu, Ops, Src};

crate::rows! {
    // Add/subtract (immediate).
    "sf 0 0 100010 sh imm12:12 rn:5 rd:5" AddImm none add_imm;
    "sf 0 1 100010 sh imm12:12 rn:5 rd:5" AddsImm writes adds_imm;
}

fn imm12(i: Insn) -> Src {
    Src::Imm((i.bits(10, 12) as u64) << if i.bit(22) { 12 } else { 0 })
}

fn add_imm<O: Ops>(o: &mut O, i: Insn) {
    o.alu(Alu::Add, i.sf(), i.rd_sp(), i.rn_sp(), imm12(i));
}

fn adds_imm<O: Ops>(o: &mut O, i: Insn) {
    o.alu_flags(Alu::Add, i.sf(), i.rd(), i.rn_sp(), imm12(i));
}

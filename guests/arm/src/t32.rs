//! T32 instructions of 32 bits but for loads and stores (Arm ARM F3.1.3): their fields, and the
//! functions that they share with A32.

use crate::branch::{self, call};
use crate::data::{Dp, Operand, process};
use crate::decode::{Insn, r, undefined};
use crate::media::{self, Part, Result, Reversal, Shape};
use crate::mul::{self, Kind};
use crate::uncond;
use anyarch_engine::field;
use anyarch_engine::ops::{Alu, Carry, Cond, Ops, Shift, Trap};

anyarch_engine::rows! {
    // Data-processing (shifted register).
    first "1110101 0000 1 rn:4 sbz imm3:3 1111 imm2:2 type:2 rm:4" TstReg sets_nz shifted[Dp::Tst];
    "1110101 0000 s rn:4 sbz imm3:3 rd:4 imm2:2 type:2 rm:4" AndReg sets_nz shifted[Dp::And];
    "1110101 0001 s rn:4 sbz imm3:3 rd:4 imm2:2 type:2 rm:4" BicReg sets_nz shifted[Dp::Bic];
    first "1110101 0010 s 1111 sbz imm3:3 rd:4 imm2:2 type:2 rm:4" MovReg sets_nz shifted[Dp::Mov];
    "1110101 0010 s rn:4 sbz imm3:3 rd:4 imm2:2 type:2 rm:4" OrrReg sets_nz shifted[Dp::Orr];
    first "1110101 0011 s 1111 sbz imm3:3 rd:4 imm2:2 type:2 rm:4" MvnReg sets_nz shifted[Dp::Mvn];
    "1110101 0011 s rn:4 sbz imm3:3 rd:4 imm2:2 type:2 rm:4" OrnReg sets_nz shifted[Dp::Orn];
    first "1110101 0100 1 rn:4 sbz imm3:3 1111 imm2:2 type:2 rm:4" TeqReg sets_nz shifted[Dp::Teq];
    "1110101 0100 s rn:4 sbz imm3:3 rd:4 imm2:2 type:2 rm:4" EorReg sets_nz shifted[Dp::Eor];
    first "1110101 1000 1 rn:4 sbz imm3:3 1111 imm2:2 type:2 rm:4" CmnReg writes shifted[Dp::Cmn];
    "1110101 1000 s rn:4 sbz imm3:3 rd:4 imm2:2 type:2 rm:4" AddReg writes shifted[Dp::Add];
    "1110101 1010 s rn:4 sbz imm3:3 rd:4 imm2:2 type:2 rm:4" AdcReg carries shifted[Dp::Adc];
    "1110101 1011 s rn:4 sbz imm3:3 rd:4 imm2:2 type:2 rm:4" SbcReg carries shifted[Dp::Sbc];
    first "1110101 1101 1 rn:4 sbz imm3:3 1111 imm2:2 type:2 rm:4" CmpReg writes shifted[Dp::Cmp];
    "1110101 1101 s rn:4 sbz imm3:3 rd:4 imm2:2 type:2 rm:4" SubReg writes shifted[Dp::Sub];
    "1110101 1110 s rn:4 sbz imm3:3 rd:4 imm2:2 type:2 rm:4" RsbReg writes shifted[Dp::Rsb];
    "1110101 0110 0 rn:4 sbz imm3:3 rd:4 imm2:2 tb 0 rm:4" Pkh none pack;

    // Data-processing (modified immediate).
    first "11110 i 0 0000 1 rn:4 0 imm3:3 1111 imm8:8" TstImm sets_nz immediate[Dp::Tst];
    "11110 i 0 0000 s rn:4 0 imm3:3 rd:4 imm8:8" AndImm sets_nz immediate[Dp::And];
    "11110 i 0 0001 s rn:4 0 imm3:3 rd:4 imm8:8" BicImm sets_nz immediate[Dp::Bic];
    first "11110 i 0 0010 s 1111 0 imm3:3 rd:4 imm8:8" MovImm sets_nz immediate[Dp::Mov];
    "11110 i 0 0010 s rn:4 0 imm3:3 rd:4 imm8:8" OrrImm sets_nz immediate[Dp::Orr];
    first "11110 i 0 0011 s 1111 0 imm3:3 rd:4 imm8:8" MvnImm sets_nz immediate[Dp::Mvn];
    "11110 i 0 0011 s rn:4 0 imm3:3 rd:4 imm8:8" OrnImm sets_nz immediate[Dp::Orn];
    first "11110 i 0 0100 1 rn:4 0 imm3:3 1111 imm8:8" TeqImm sets_nz immediate[Dp::Teq];
    "11110 i 0 0100 s rn:4 0 imm3:3 rd:4 imm8:8" EorImm sets_nz immediate[Dp::Eor];
    first "11110 i 0 1000 1 rn:4 0 imm3:3 1111 imm8:8" CmnImm writes immediate[Dp::Cmn];
    "11110 i 0 1000 s rn:4 0 imm3:3 rd:4 imm8:8" AddImm writes immediate[Dp::Add];
    "11110 i 0 1010 s rn:4 0 imm3:3 rd:4 imm8:8" AdcImm carries immediate[Dp::Adc];
    "11110 i 0 1011 s rn:4 0 imm3:3 rd:4 imm8:8" SbcImm carries immediate[Dp::Sbc];
    first "11110 i 0 1101 1 rn:4 0 imm3:3 1111 imm8:8" CmpImm writes immediate[Dp::Cmp];
    "11110 i 0 1101 s rn:4 0 imm3:3 rd:4 imm8:8" SubImm writes immediate[Dp::Sub];
    "11110 i 0 1110 s rn:4 0 imm3:3 rd:4 imm8:8" RsbImm writes immediate[Dp::Rsb];

    // Data-processing (plain binary immediate).
    first "11110 i 1 00000 1111 0 imm3:3 rd:4 imm8:8" AdrAdd none adr[true];
    "11110 i 1 00000 rn:4 0 imm3:3 rd:4 imm8:8" Addw none plain[Dp::Add];
    "11110 i 1 00100 imm4:4 0 imm3:3 rd:4 imm8:8" Movw none move_wide;
    first "11110 i 1 01010 1111 0 imm3:3 rd:4 imm8:8" AdrSub none adr[false];
    "11110 i 1 01010 rn:4 0 imm3:3 rd:4 imm8:8" Subw none plain[Dp::Sub];
    "11110 i 1 01100 imm4:4 0 imm3:3 rd:4 imm8:8" Movt none move_top;
    first "11110 sbz 11 001 0 rn:4 0 000 rd:4 00 sbz:2 sat:4" Ssat16 none saturate_halves[false];
    "11110 sbz 11 00 sh 0 rn:4 0 imm3:3 rd:4 imm2:2 sbz sat:5" Ssat none saturate[false];
    "11110 sbz 11 010 0 rn:4 0 imm3:3 rd:4 imm2:2 sbz width:5" Sbfx none extract[true];
    first "11110 sbz 11 011 0 1111 0 imm3:3 rd:4 imm2:2 sbz msb:5" Bfc none insert;
    "11110 sbz 11 011 0 rn:4 0 imm3:3 rd:4 imm2:2 sbz msb:5" Bfi none insert;
    first "11110 sbz 11 101 0 rn:4 0 000 rd:4 00 sbz:2 sat:4" Usat16 none saturate_halves[true];
    "11110 sbz 11 10 sh 0 rn:4 0 imm3:3 rd:4 imm2:2 sbz sat:5" Usat none saturate[true];
    "11110 sbz 11 110 0 rn:4 0 imm3:3 rd:4 imm2:2 sbz width:5" Ubfx none extract[false];

    // Branches and miscellaneous control.
    first "11110 0 1110 0 r rn:4 10 sbz 0 mask:4 sbz:2 0 sbz:5" Msr both msr;
    first "11110 0 1110 10 sbo:4 10 sbz 0 sbz 000 op:8" Nop none branch::hint;
    first "11110 0 1110 10 sbo:4 10 sbz 0 sbz imod:2 m a i f mode:5" Cps none cps;
    first "11110 0 1110 11 sbo:4 10 sbz 0 sbo:4 0010 sbo:4" Clrex none uncond::clrex;
    first "11110 0 1110 11 sbo:4 10 sbz 0 sbo:4 0100 option:4" Dsb none uncond::dsb;
    first "11110 0 1110 11 sbo:4 10 sbz 0 sbo:4 0101 option:4" Dmb none uncond::dmb;
    first "11110 0 1110 11 sbo:4 10 sbz 0 sbo:4 0110 option:4" Isb none uncond::isb;
    first "11110 0 1110 11 sbo:4 10 sbz 0 sbo:4 0111 sbz:4" Sb none uncond::nop;
    first "11110 0 1111 00 rm:4 10 sbz 0 sbo:4 sbz:4 sbz:4" Bxj none bxj;
    first "11110 0 1111 10 sbo:4 10 sbz 0 rd:4 sbz:2 0 sbz:5" Mrs reads mrs;
    first "11110 1 1111 11 imm4:4 10 1 0 imm12:12" Udf none udf;
    first "11110 x 111 xxx xxxx 10 x 0 xxxx xxxx xxxx" Reserved none reserved;
    "11110 s cond:4 imm6:6 10 j1 0 j2 imm11:11" BCond reads b_cond;
    "11110 s imm10:10 10 j1 1 j2 imm11:11" B none b;
    "11110 s imm10:10 11 j1 0 j2 imm10l:10 0" BlxImm none blx;
    "11110 s imm10:10 11 j1 1 j2 imm11:11" Bl none bl;

    // Data-processing (register).
    "11111010 0 00 s rn:4 1111 rd:4 0000 rm:4" LslRsr carries_nz by_register[Shift::Lsl];
    "11111010 0 01 s rn:4 1111 rd:4 0000 rm:4" LsrRsr carries_nz by_register[Shift::Lsr];
    "11111010 0 10 s rn:4 1111 rd:4 0000 rm:4" AsrRsr carries_nz by_register[Shift::Asr];
    "11111010 0 11 s rn:4 1111 rd:4 0000 rm:4" RorRsr carries_nz by_register[Shift::Ror];
    first "11111010 0 000 1111 1111 rd:4 1 sbz rot:2 rm:4" Sxth none t32_extend[Part::Half, true];
    "11111010 0 000 rn:4 1111 rd:4 1 sbz rot:2 rm:4" Sxtah none t32_extend[Part::Half, true];
    first "11111010 0 001 1111 1111 rd:4 1 sbz rot:2 rm:4" Uxth none t32_extend[Part::Half, false];
    "11111010 0 001 rn:4 1111 rd:4 1 sbz rot:2 rm:4" Uxtah none t32_extend[Part::Half, false];
    first "11111010 0 010 1111 1111 rd:4 1 sbz rot:2 rm:4" Sxtb16 none t32_extend[Part::Bytes, true];
    "11111010 0 010 rn:4 1111 rd:4 1 sbz rot:2 rm:4" Sxtab16 none t32_extend[Part::Bytes, true];
    first "11111010 0 011 1111 1111 rd:4 1 sbz rot:2 rm:4" Uxtb16 none t32_extend[Part::Bytes, false];
    "11111010 0 011 rn:4 1111 rd:4 1 sbz rot:2 rm:4" Uxtab16 none t32_extend[Part::Bytes, false];
    first "11111010 0 100 1111 1111 rd:4 1 sbz rot:2 rm:4" Sxtb none t32_extend[Part::Byte, true];
    "11111010 0 100 rn:4 1111 rd:4 1 sbz rot:2 rm:4" Sxtab none t32_extend[Part::Byte, true];
    first "11111010 0 101 1111 1111 rd:4 1 sbz rot:2 rm:4" Uxtb none t32_extend[Part::Byte, false];
    "11111010 0 101 rn:4 1111 rd:4 1 sbz rot:2 rm:4" Uxtab none t32_extend[Part::Byte, false];

    // Parallel addition and subtraction.
    "11111010 1 001 rn:4 1111 rd:4 0 0 00 rm:4" Sadd16 none t32_parallel[Result::Plain, true, Shape::Add, 1];
    "11111010 1 010 rn:4 1111 rd:4 0 0 00 rm:4" Sasx none t32_parallel[Result::Plain, true, Shape::Asx, 1];
    "11111010 1 110 rn:4 1111 rd:4 0 0 00 rm:4" Ssax none t32_parallel[Result::Plain, true, Shape::Sax, 1];
    "11111010 1 101 rn:4 1111 rd:4 0 0 00 rm:4" Ssub16 none t32_parallel[Result::Plain, true, Shape::Sub, 1];
    "11111010 1 000 rn:4 1111 rd:4 0 0 00 rm:4" Sadd8 none t32_parallel[Result::Plain, true, Shape::Add, 0];
    "11111010 1 100 rn:4 1111 rd:4 0 0 00 rm:4" Ssub8 none t32_parallel[Result::Plain, true, Shape::Sub, 0];
    "11111010 1 001 rn:4 1111 rd:4 0 0 01 rm:4" Qadd16 none t32_parallel[Result::Saturate, true, Shape::Add, 1];
    "11111010 1 010 rn:4 1111 rd:4 0 0 01 rm:4" Qasx none t32_parallel[Result::Saturate, true, Shape::Asx, 1];
    "11111010 1 110 rn:4 1111 rd:4 0 0 01 rm:4" Qsax none t32_parallel[Result::Saturate, true, Shape::Sax, 1];
    "11111010 1 101 rn:4 1111 rd:4 0 0 01 rm:4" Qsub16 none t32_parallel[Result::Saturate, true, Shape::Sub, 1];
    "11111010 1 000 rn:4 1111 rd:4 0 0 01 rm:4" Qadd8 none t32_parallel[Result::Saturate, true, Shape::Add, 0];
    "11111010 1 100 rn:4 1111 rd:4 0 0 01 rm:4" Qsub8 none t32_parallel[Result::Saturate, true, Shape::Sub, 0];
    "11111010 1 001 rn:4 1111 rd:4 0 0 10 rm:4" Shadd16 none t32_parallel[Result::Halve, true, Shape::Add, 1];
    "11111010 1 010 rn:4 1111 rd:4 0 0 10 rm:4" Shasx none t32_parallel[Result::Halve, true, Shape::Asx, 1];
    "11111010 1 110 rn:4 1111 rd:4 0 0 10 rm:4" Shsax none t32_parallel[Result::Halve, true, Shape::Sax, 1];
    "11111010 1 101 rn:4 1111 rd:4 0 0 10 rm:4" Shsub16 none t32_parallel[Result::Halve, true, Shape::Sub, 1];
    "11111010 1 000 rn:4 1111 rd:4 0 0 10 rm:4" Shadd8 none t32_parallel[Result::Halve, true, Shape::Add, 0];
    "11111010 1 100 rn:4 1111 rd:4 0 0 10 rm:4" Shsub8 none t32_parallel[Result::Halve, true, Shape::Sub, 0];
    "11111010 1 001 rn:4 1111 rd:4 0 1 00 rm:4" Uadd16 none t32_parallel[Result::Plain, false, Shape::Add, 1];
    "11111010 1 010 rn:4 1111 rd:4 0 1 00 rm:4" Uasx none t32_parallel[Result::Plain, false, Shape::Asx, 1];
    "11111010 1 110 rn:4 1111 rd:4 0 1 00 rm:4" Usax none t32_parallel[Result::Plain, false, Shape::Sax, 1];
    "11111010 1 101 rn:4 1111 rd:4 0 1 00 rm:4" Usub16 none t32_parallel[Result::Plain, false, Shape::Sub, 1];
    "11111010 1 000 rn:4 1111 rd:4 0 1 00 rm:4" Uadd8 none t32_parallel[Result::Plain, false, Shape::Add, 0];
    "11111010 1 100 rn:4 1111 rd:4 0 1 00 rm:4" Usub8 none t32_parallel[Result::Plain, false, Shape::Sub, 0];
    "11111010 1 001 rn:4 1111 rd:4 0 1 01 rm:4" Uqadd16 none t32_parallel[Result::Saturate, false, Shape::Add, 1];
    "11111010 1 010 rn:4 1111 rd:4 0 1 01 rm:4" Uqasx none t32_parallel[Result::Saturate, false, Shape::Asx, 1];
    "11111010 1 110 rn:4 1111 rd:4 0 1 01 rm:4" Uqsax none t32_parallel[Result::Saturate, false, Shape::Sax, 1];
    "11111010 1 101 rn:4 1111 rd:4 0 1 01 rm:4" Uqsub16 none t32_parallel[Result::Saturate, false, Shape::Sub, 1];
    "11111010 1 000 rn:4 1111 rd:4 0 1 01 rm:4" Uqadd8 none t32_parallel[Result::Saturate, false, Shape::Add, 0];
    "11111010 1 100 rn:4 1111 rd:4 0 1 01 rm:4" Uqsub8 none t32_parallel[Result::Saturate, false, Shape::Sub, 0];
    "11111010 1 001 rn:4 1111 rd:4 0 1 10 rm:4" Uhadd16 none t32_parallel[Result::Halve, false, Shape::Add, 1];
    "11111010 1 010 rn:4 1111 rd:4 0 1 10 rm:4" Uhasx none t32_parallel[Result::Halve, false, Shape::Asx, 1];
    "11111010 1 110 rn:4 1111 rd:4 0 1 10 rm:4" Uhsax none t32_parallel[Result::Halve, false, Shape::Sax, 1];
    "11111010 1 101 rn:4 1111 rd:4 0 1 10 rm:4" Uhsub16 none t32_parallel[Result::Halve, false, Shape::Sub, 1];
    "11111010 1 000 rn:4 1111 rd:4 0 1 10 rm:4" Uhadd8 none t32_parallel[Result::Halve, false, Shape::Add, 0];
    "11111010 1 100 rn:4 1111 rd:4 0 1 10 rm:4" Uhsub8 none t32_parallel[Result::Halve, false, Shape::Sub, 0];

    // Data-processing (two source registers).
    "11111010 1 000 rn:4 1111 rd:4 1000 rm:4" Qadd none q[Alu::Add, false];
    "11111010 1 000 rn:4 1111 rd:4 1001 rm:4" Qdadd none q[Alu::Add, true];
    "11111010 1 000 rn:4 1111 rd:4 1010 rm:4" Qsub none q[Alu::Sub, false];
    "11111010 1 000 rn:4 1111 rd:4 1011 rm:4" Qdsub none q[Alu::Sub, true];
    "11111010 1 001 rn:4 1111 rd:4 1000 rm:4" Rev none reverse[Reversal::Bytes];
    "11111010 1 001 rn:4 1111 rd:4 1001 rm:4" Rev16 none reverse[Reversal::Halves];
    "11111010 1 001 rn:4 1111 rd:4 1010 rm:4" Rbit none reverse[Reversal::Bits];
    "11111010 1 001 rn:4 1111 rd:4 1011 rm:4" Revsh none reverse[Reversal::Signed];
    "11111010 1 010 rn:4 1111 rd:4 1000 rm:4" Sel none select;
    "11111010 1 011 rn:4 1111 rd:4 1000 rm:4" Clz none reverse[Reversal::Zeros];
    "11111010 1 100 rn:4 1111 rd:4 10 sz:2 rm:4" Crc32 none crc32[false];
    "11111010 1 101 rn:4 1111 rd:4 10 sz:2 rm:4" Crc32c none crc32[true];

    // Multiply, multiply accumulate, and absolute difference.
    first "11111011 0 000 rn:4 1111 rd:4 0000 rm:4" Mul none multiply[Kind::Mul];
    "11111011 0 000 rn:4 ra:4 rd:4 0000 rm:4" Mla none multiply[Kind::Mla];
    "11111011 0 000 rn:4 ra:4 rd:4 0001 rm:4" Mls none multiply[Kind::Mls];
    first "11111011 0 001 rn:4 1111 rd:4 00 n m rm:4" Smul none halves;
    "11111011 0 001 rn:4 ra:4 rd:4 00 n m rm:4" Smla none halves;
    first "11111011 0 010 rn:4 1111 rd:4 000 x rm:4" Smuad none dual[false];
    "11111011 0 010 rn:4 ra:4 rd:4 000 x rm:4" Smlad none dual[false];
    first "11111011 0 011 rn:4 1111 rd:4 000 m rm:4" Smulw none word_half;
    "11111011 0 011 rn:4 ra:4 rd:4 000 m rm:4" Smlaw none word_half;
    first "11111011 0 100 rn:4 1111 rd:4 000 x rm:4" Smusd none dual[true];
    "11111011 0 100 rn:4 ra:4 rd:4 000 x rm:4" Smlsd none dual[true];
    first "11111011 0 101 rn:4 1111 rd:4 000 x rm:4" Smmul none most[false];
    "11111011 0 101 rn:4 ra:4 rd:4 000 x rm:4" Smmla none most[false];
    "11111011 0 110 rn:4 ra:4 rd:4 000 x rm:4" Smmls none most[true];
    first "11111011 0 111 rn:4 1111 rd:4 0000 rm:4" Usad8 none differences;
    "11111011 0 111 rn:4 ra:4 rd:4 0000 rm:4" Usada8 none differences;

    // Long multiply and divide.
    "11111011 1 000 rn:4 lo:4 hi:4 0000 rm:4" Smull none long[true, false];
    "11111011 1 001 rn:4 sbo:4 rd:4 1111 rm:4" Sdiv none divide[true];
    "11111011 1 010 rn:4 lo:4 hi:4 0000 rm:4" Umull none long[false, false];
    "11111011 1 011 rn:4 sbo:4 rd:4 1111 rm:4" Udiv none divide[false];
    "11111011 1 100 rn:4 lo:4 hi:4 0000 rm:4" Smlal none long[true, true];
    "11111011 1 100 rn:4 lo:4 hi:4 10 n m rm:4" SmlalHalves none halves_long;
    "11111011 1 100 rn:4 lo:4 hi:4 110 x rm:4" Smlald none dual_long[false];
    "11111011 1 101 rn:4 lo:4 hi:4 110 x rm:4" Smlsld none dual_long[true];
    "11111011 1 110 rn:4 lo:4 hi:4 0000 rm:4" Umlal none long[false, true];
    "11111011 1 110 rn:4 lo:4 hi:4 0110 rm:4" Umaal none umaal;
}

/// i:imm3:imm8.
fn imm12(i: Insn) -> u32 {
    i.bits(26, 1) << 11 | field!(i.imm3) << 8 | i.bits(0, 8)
}

/// imm3:imm2.
fn imm5(i: Insn) -> u32 {
    field!(i.imm3) << 2 | i.bits(6, 2)
}

/// T32ExpandImm_C.
fn expand(imm12: u32) -> Operand {
    let byte = imm12 & 0xff;
    match imm12 >> 8 {
        0 => Operand::Imm(byte, Carry::Keep),
        1 => Operand::Imm(byte * 0x0001_0001, Carry::Keep),
        2 => Operand::Imm(byte * 0x0100_0100, Carry::Keep),
        3 => Operand::Imm(byte * 0x0101_0101, Carry::Keep),
        _ => {
            let value = (0x80 | imm12 & 0x7f).rotate_right(imm12 >> 7);
            Operand::Imm(value, Carry::Const(value >> 31 != 0))
        }
    }
}

/// Data processing with the program counter nowhere.
fn data<O: Ops>(o: &mut O, i: Insn, op: Dp, s: bool, operand: Operand) {
    let (n, d) = (i.reg(16), i.reg(8));
    let no_first = matches!(op, Dp::Mov | Dp::Mvn);
    let no_result = matches!(op, Dp::Tst | Dp::Teq | Dp::Cmp | Dp::Cmn);
    let m = match operand {
        Operand::Shifted(m, ..) | Operand::Rrx(m) => m,
        _ => 0,
    };
    if n == 15 && !no_first || d == 15 && !no_result || m == 15 {
        return when_undefined(o, i);
    }
    process(o, i, op, s, d, n, operand);
}

/// An undefined instruction whose condition `data.rs` would see to.
fn when_undefined<O: Ops>(o: &mut O, i: Insn) {
    match i.cond {
        Cond::Al => undefined(o),
        cond => o.when(cond, i.next(), undefined),
    }
}

fn shifted<O: Ops>(o: &mut O, i: Insn, op: Dp) {
    data(o, i, op, i.bit(20), Operand::decode(i.reg(0), field!(i.type), imm5(i)));
}

fn immediate<O: Ops>(o: &mut O, i: Insn, op: Dp) {
    data(o, i, op, i.bit(20), expand(imm12(i)));
}

fn pack<O: Ops>(o: &mut O, i: Insn) {
    media::pack(o, field!(set i.tb), imm5(i) as u8, i.reg(8), i.reg(16), i.reg(0));
}

fn adr<O: Ops>(o: &mut O, i: Insn, add: bool) {
    if i.reg(8) == 15 {
        return undefined(o);
    }
    let imm = imm12(i);
    let offset = if add { imm } else { imm.wrapping_neg() };
    o.mov_addr(r(i.reg(8)), i.pc_aligned().wrapping_add(offset) as u64);
}

fn plain<O: Ops>(o: &mut O, i: Insn, op: Dp) {
    if i.reg(8) == 15 {
        return undefined(o);
    }
    process(o, i, op, false, i.reg(8), i.reg(16), Operand::Imm(imm12(i), Carry::Keep));
}

fn move_wide<O: Ops>(o: &mut O, i: Insn) {
    media::move_wide(o, i.reg(8), field!(i.imm4) << 12 | imm12(i));
}

fn move_top<O: Ops>(o: &mut O, i: Insn) {
    media::move_top(o, i.reg(8), field!(i.imm4) << 12 | imm12(i));
}

fn saturate<O: Ops>(o: &mut O, i: Insn, unsigned: bool) {
    media::saturate_shifted(
        o,
        unsigned,
        field!(i.sat, of saturate) as u8,
        field!(set i.sh),
        imm5(i) as u8,
        i.reg(8),
        i.reg(16),
    );
}

fn saturate_halves<O: Ops>(o: &mut O, i: Insn, unsigned: bool) {
    media::saturate_halves(o, unsigned, i.reg(0), i.reg(8), i.reg(16));
}

fn extract<O: Ops>(o: &mut O, i: Insn, signed: bool) {
    media::extract(o, signed, imm5(i) as u8, field!(i.width) as u8 + 1, i.reg(8), i.reg(16));
}

fn insert<O: Ops>(o: &mut O, i: Insn) {
    media::insert(o, imm5(i) as u8, field!(i.msb) as u8, i.reg(8), i.reg(16));
}

fn msr<O: Ops>(o: &mut O, i: Insn) {
    if field!(set i.r) || i.reg(16) == 15 {
        return undefined(o);
    }
    branch::msr(o, i, field!(i.mask), r(i.reg(16)));
}

fn mrs<O: Ops>(o: &mut O, i: Insn) {
    branch::mrs(o, i, i.reg(8));
}

/// CPS does nothing at user level, but must be asked for something.
fn cps<O: Ops>(o: &mut O, i: Insn) {
    let (imod, changes_mode) = (field!(i.imod), field!(set i.m, of cps));
    if imod == 1 || imod == 0 && !changes_mode || i.in_it() {
        undefined(o);
    }
}

fn bxj<O: Ops>(o: &mut O, i: Insn) {
    if i.reg(16) == 15 {
        return undefined(o);
    }
    branch::branch_exchange(o, i, i.reg(16));
}

fn udf<O: Ops>(o: &mut O, i: Insn) {
    // The kernel's AARCH32_BREAK_THUMB2.
    o.trap(if i.word == 0xf7f0_a000 { Trap::Breakpoint(0) } else { Trap::Undefined });
}

/// What would be a branch with a condition of 14 or 15.
fn reserved<O: Ops>(o: &mut O, _: Insn) {
    undefined(o);
}

fn b_cond<O: Ops>(o: &mut O, i: Insn) {
    if i.in_it() {
        return undefined(o);
    }
    o.branch(Cond::from_bits(field!(i.cond)), branch::wide_conditional_target(i));
}

fn b<O: Ops>(o: &mut O, i: Insn) {
    if i.inside_it() {
        return undefined(o);
    }
    o.jump(i.place(branch::wide_target(i)));
}

fn bl<O: Ops>(o: &mut O, i: Insn) {
    call(o, i, i.place(branch::wide_target(i)));
}

fn blx<O: Ops>(o: &mut O, i: Insn) {
    let offset = branch::wide_target(i).wrapping_sub(i.pc_value());
    call(o, i, i.other_place(i.pc_aligned().wrapping_add(offset)));
}

fn by_register<O: Ops>(o: &mut O, i: Insn, shift: Shift) {
    let (d, n, m) = (i.reg(8), i.reg(16), i.reg(0));
    if mul::pc(&[d, n, m]) {
        return undefined(o);
    }
    process(o, i, Dp::Mov, field!(set i.s, of by_register), d, 0, Operand::By(n, shift, m));
}

fn t32_extend<O: Ops>(o: &mut O, i: Insn, part: Part, signed: bool) {
    media::extend(o, part, signed, field!(i.rot) as u8 * 8, i.reg(8), i.reg(16), i.reg(0));
}

fn t32_parallel<O: Ops>(o: &mut O, i: Insn, result: Result, signed: bool, shape: Shape, es: u8) {
    media::parallel(o, result, signed, shape, es, i.reg(8), i.reg(16), i.reg(0));
}

fn q<O: Ops>(o: &mut O, i: Insn, op: Alu, double: bool) {
    mul::saturating(o, op, double, i.reg(8), i.reg(0), i.reg(16));
}

fn reverse<O: Ops>(o: &mut O, i: Insn, reversal: Reversal) {
    media::reverse(o, reversal, i.reg(8), i.reg(0));
}

fn select<O: Ops>(o: &mut O, i: Insn) {
    media::select(o, i.reg(8), i.reg(16), i.reg(0));
}

fn crc32<O: Ops>(o: &mut O, i: Insn, castagnoli: bool) {
    mul::crc32(o, castagnoli, field!(i.sz), i.reg(8), i.reg(16), i.reg(0));
}

fn multiply<O: Ops>(o: &mut O, i: Insn, kind: Kind) {
    let a = if kind == Kind::Mul { 0 } else { i.reg(12) };
    mul::multiply(o, kind, false, i.reg(8), i.reg(16), i.reg(0), a);
}

fn accumulator(i: Insn) -> Option<u8> {
    (i.reg(12) != 15).then(|| i.reg(12))
}

fn halves<O: Ops>(o: &mut O, i: Insn) {
    mul::halves(
        o,
        i.reg(8),
        i.reg(16),
        i.reg(0),
        accumulator(i),
        field!(set i.n),
        field!(set i.m, of halves),
    );
}

fn word_half<O: Ops>(o: &mut O, i: Insn) {
    mul::word_half(o, i.reg(8), i.reg(16), i.reg(0), accumulator(i), field!(set i.m, of word_half));
}

fn dual<O: Ops>(o: &mut O, i: Insn, subtract: bool) {
    mul::dual(o, i.reg(8), i.reg(16), i.reg(0), i.reg(12), subtract, i.bit(4));
}

fn most<O: Ops>(o: &mut O, i: Insn, subtract: bool) {
    mul::most(o, i.reg(8), i.reg(16), i.reg(0), i.reg(12), subtract, i.bit(4));
}

fn differences<O: Ops>(o: &mut O, i: Insn) {
    media::differences(o, i.reg(8), i.reg(16), i.reg(0), i.reg(12));
}

fn long<O: Ops>(o: &mut O, i: Insn, signed: bool, accumulate: bool) {
    mul::long(o, signed, accumulate, false, i.reg(12), i.reg(8), i.reg(16), i.reg(0));
}

fn divide<O: Ops>(o: &mut O, i: Insn, signed: bool) {
    mul::divide(o, signed, i.reg(8), i.reg(16), i.reg(0));
}

fn halves_long<O: Ops>(o: &mut O, i: Insn) {
    mul::halves_long(
        o,
        i.reg(12),
        i.reg(8),
        i.reg(16),
        i.reg(0),
        field!(set i.n),
        field!(set i.m, of halves_long),
    );
}

fn dual_long<O: Ops>(o: &mut O, i: Insn, subtract: bool) {
    mul::dual_long(o, i.reg(12), i.reg(8), i.reg(16), i.reg(0), subtract, i.bit(4));
}

fn umaal<O: Ops>(o: &mut O, i: Insn) {
    mul::umaal(o, i.reg(12), i.reg(8), i.reg(16), i.reg(0));
}

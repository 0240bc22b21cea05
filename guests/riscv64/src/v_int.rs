//! Integer and fixed-point vector instructions (chapters 11, 12 and 14.1, 14.2), and those of Zvbb
//! and Zvbc, which have the same shapes.

use crate::decode::Insn;
use crate::v::{Done, Group, Stop, Unit, call, either, legal, play, sign, vectors, zero};
use crate::v_fast::{self, reduce, widen};
use anyarch_engine::ops::{Helper, HelperExit, Ops};
use anyarch_engine::state::Cpu;

crate::rows! {
    "000000 m vs2:5 vs1:5 000 vd:5 1010111" VaddVv int[Op::Add];
    "000000 m vs2:5 rs1:5 100 vd:5 1010111" VaddVx int[Op::Add];
    "000000 m vs2:5 imm:5 011 vd:5 1010111" VaddVi int[Op::Add];
    "000001 m vs2:5 vs1:5 000 vd:5 1010111" VandnVv int[Op::Andn];
    "000001 m vs2:5 rs1:5 100 vd:5 1010111" VandnVx int[Op::Andn];
    "000010 m vs2:5 vs1:5 000 vd:5 1010111" VsubVv int[Op::Sub];
    "000010 m vs2:5 rs1:5 100 vd:5 1010111" VsubVx int[Op::Sub];
    "000011 m vs2:5 rs1:5 100 vd:5 1010111" VrsubVx int[Op::Rsub];
    "000011 m vs2:5 imm:5 011 vd:5 1010111" VrsubVi int[Op::Rsub];
    "000100 m vs2:5 vs1:5 000 vd:5 1010111" VminuVv int[Op::MinU];
    "000100 m vs2:5 rs1:5 100 vd:5 1010111" VminuVx int[Op::MinU];
    "000101 m vs2:5 vs1:5 000 vd:5 1010111" VminVv int[Op::MinS];
    "000101 m vs2:5 rs1:5 100 vd:5 1010111" VminVx int[Op::MinS];
    "000110 m vs2:5 vs1:5 000 vd:5 1010111" VmaxuVv int[Op::MaxU];
    "000110 m vs2:5 rs1:5 100 vd:5 1010111" VmaxuVx int[Op::MaxU];
    "000111 m vs2:5 vs1:5 000 vd:5 1010111" VmaxVv int[Op::MaxS];
    "000111 m vs2:5 rs1:5 100 vd:5 1010111" VmaxVx int[Op::MaxS];
    "001001 m vs2:5 vs1:5 000 vd:5 1010111" VandVv int[Op::And];
    "001001 m vs2:5 rs1:5 100 vd:5 1010111" VandVx int[Op::And];
    "001001 m vs2:5 imm:5 011 vd:5 1010111" VandVi int[Op::And];
    "001010 m vs2:5 vs1:5 000 vd:5 1010111" VorVv int[Op::Or];
    "001010 m vs2:5 rs1:5 100 vd:5 1010111" VorVx int[Op::Or];
    "001010 m vs2:5 imm:5 011 vd:5 1010111" VorVi int[Op::Or];
    "001011 m vs2:5 vs1:5 000 vd:5 1010111" VxorVv int[Op::Xor];
    "001011 m vs2:5 rs1:5 100 vd:5 1010111" VxorVx int[Op::Xor];
    "001011 m vs2:5 imm:5 011 vd:5 1010111" VxorVi int[Op::Xor];
    "010000 0 vs2:5 vs1:5 000 vd:5 1010111" VadcVv carry[Op::Adc];
    "010000 0 vs2:5 rs1:5 100 vd:5 1010111" VadcVx carry[Op::Adc];
    "010000 0 vs2:5 imm:5 011 vd:5 1010111" VadcVi carry[Op::Adc];
    "010001 m vs2:5 vs1:5 000 vd:5 1010111" VmadcVv carry[Op::MadC];
    "010001 m vs2:5 rs1:5 100 vd:5 1010111" VmadcVx carry[Op::MadC];
    "010001 m vs2:5 imm:5 011 vd:5 1010111" VmadcVi carry[Op::MadC];
    "010010 0 vs2:5 vs1:5 000 vd:5 1010111" VsbcVv carry[Op::Sbc];
    "010010 0 vs2:5 rs1:5 100 vd:5 1010111" VsbcVx carry[Op::Sbc];
    "010011 m vs2:5 vs1:5 000 vd:5 1010111" VmsbcVv carry[Op::MsbC];
    "010011 m vs2:5 rs1:5 100 vd:5 1010111" VmsbcVx carry[Op::MsbC];
    "010100 m vs2:5 vs1:5 000 vd:5 1010111" VrorVv int[Op::Ror];
    "010100 m vs2:5 rs1:5 100 vd:5 1010111" VrorVx int[Op::Ror];
    "01010 i m vs2:5 imm:5 011 vd:5 1010111" VrorVi int[Op::Ror];
    "010101 m vs2:5 vs1:5 000 vd:5 1010111" VrolVv int[Op::Rol];
    "010101 m vs2:5 rs1:5 100 vd:5 1010111" VrolVx int[Op::Rol];
    "010111 m vs2:5 vs1:5 000 vd:5 1010111" VmergeVv merge;
    "010111 m vs2:5 rs1:5 100 vd:5 1010111" VmergeVx merge;
    "010111 m vs2:5 imm:5 011 vd:5 1010111" VmergeVi merge;
    "011000 m vs2:5 vs1:5 000 vd:5 1010111" VmseqVv compare[Op::Eq];
    "011000 m vs2:5 rs1:5 100 vd:5 1010111" VmseqVx compare[Op::Eq];
    "011000 m vs2:5 imm:5 011 vd:5 1010111" VmseqVi compare[Op::Eq];
    "011001 m vs2:5 vs1:5 000 vd:5 1010111" VmsneVv compare[Op::Ne];
    "011001 m vs2:5 rs1:5 100 vd:5 1010111" VmsneVx compare[Op::Ne];
    "011001 m vs2:5 imm:5 011 vd:5 1010111" VmsneVi compare[Op::Ne];
    "011010 m vs2:5 vs1:5 000 vd:5 1010111" VmsltuVv compare[Op::LtU];
    "011010 m vs2:5 rs1:5 100 vd:5 1010111" VmsltuVx compare[Op::LtU];
    "011011 m vs2:5 vs1:5 000 vd:5 1010111" VmsltVv compare[Op::LtS];
    "011011 m vs2:5 rs1:5 100 vd:5 1010111" VmsltVx compare[Op::LtS];
    "011100 m vs2:5 vs1:5 000 vd:5 1010111" VmsleuVv compare[Op::LeU];
    "011100 m vs2:5 rs1:5 100 vd:5 1010111" VmsleuVx compare[Op::LeU];
    "011100 m vs2:5 imm:5 011 vd:5 1010111" VmsleuVi compare[Op::LeU];
    "011101 m vs2:5 vs1:5 000 vd:5 1010111" VmsleVv compare[Op::LeS];
    "011101 m vs2:5 rs1:5 100 vd:5 1010111" VmsleVx compare[Op::LeS];
    "011101 m vs2:5 imm:5 011 vd:5 1010111" VmsleVi compare[Op::LeS];
    "011110 m vs2:5 rs1:5 100 vd:5 1010111" VmsgtuVx compare[Op::GtU];
    "011110 m vs2:5 imm:5 011 vd:5 1010111" VmsgtuVi compare[Op::GtU];
    "011111 m vs2:5 rs1:5 100 vd:5 1010111" VmsgtVx compare[Op::GtS];
    "011111 m vs2:5 imm:5 011 vd:5 1010111" VmsgtVi compare[Op::GtS];
    "100000 m vs2:5 vs1:5 000 vd:5 1010111" VsadduVv int[Op::SaddU];
    "100000 m vs2:5 rs1:5 100 vd:5 1010111" VsadduVx int[Op::SaddU];
    "100000 m vs2:5 imm:5 011 vd:5 1010111" VsadduVi int[Op::SaddU];
    "100001 m vs2:5 vs1:5 000 vd:5 1010111" VsaddVv int[Op::SaddS];
    "100001 m vs2:5 rs1:5 100 vd:5 1010111" VsaddVx int[Op::SaddS];
    "100001 m vs2:5 imm:5 011 vd:5 1010111" VsaddVi int[Op::SaddS];
    "100010 m vs2:5 vs1:5 000 vd:5 1010111" VssubuVv int[Op::SsubU];
    "100010 m vs2:5 rs1:5 100 vd:5 1010111" VssubuVx int[Op::SsubU];
    "100011 m vs2:5 vs1:5 000 vd:5 1010111" VssubVv int[Op::SsubS];
    "100011 m vs2:5 rs1:5 100 vd:5 1010111" VssubVx int[Op::SsubS];
    "100101 m vs2:5 vs1:5 000 vd:5 1010111" VsllVv int_u[Op::Sll];
    "100101 m vs2:5 rs1:5 100 vd:5 1010111" VsllVx int_u[Op::Sll];
    "100101 m vs2:5 imm:5 011 vd:5 1010111" VsllVi int_u[Op::Sll];
    "100111 m vs2:5 vs1:5 000 vd:5 1010111" VsmulVv int[Op::Smul];
    "100111 m vs2:5 rs1:5 100 vd:5 1010111" VsmulVx int[Op::Smul];
    "101000 m vs2:5 vs1:5 000 vd:5 1010111" VsrlVv int_u[Op::Srl];
    "101000 m vs2:5 rs1:5 100 vd:5 1010111" VsrlVx int_u[Op::Srl];
    "101000 m vs2:5 imm:5 011 vd:5 1010111" VsrlVi int_u[Op::Srl];
    "101001 m vs2:5 vs1:5 000 vd:5 1010111" VsraVv int_u[Op::Sra];
    "101001 m vs2:5 rs1:5 100 vd:5 1010111" VsraVx int_u[Op::Sra];
    "101001 m vs2:5 imm:5 011 vd:5 1010111" VsraVi int_u[Op::Sra];
    "101010 m vs2:5 vs1:5 000 vd:5 1010111" VssrlVv int_u[Op::SsrlR];
    "101010 m vs2:5 rs1:5 100 vd:5 1010111" VssrlVx int_u[Op::SsrlR];
    "101010 m vs2:5 imm:5 011 vd:5 1010111" VssrlVi int_u[Op::SsrlR];
    "101011 m vs2:5 vs1:5 000 vd:5 1010111" VssraVv int_u[Op::SsraR];
    "101011 m vs2:5 rs1:5 100 vd:5 1010111" VssraVx int_u[Op::SsraR];
    "101011 m vs2:5 imm:5 011 vd:5 1010111" VssraVi int_u[Op::SsraR];
    "101100 m vs2:5 vs1:5 000 vd:5 1010111" VnsrlWv narrow[Op::Srl];
    "101100 m vs2:5 rs1:5 100 vd:5 1010111" VnsrlWx narrow[Op::Srl];
    "101100 m vs2:5 imm:5 011 vd:5 1010111" VnsrlWi narrow[Op::Srl];
    "101101 m vs2:5 vs1:5 000 vd:5 1010111" VnsraWv narrow[Op::Sra];
    "101101 m vs2:5 rs1:5 100 vd:5 1010111" VnsraWx narrow[Op::Sra];
    "101101 m vs2:5 imm:5 011 vd:5 1010111" VnsraWi narrow[Op::Sra];
    "101110 m vs2:5 vs1:5 000 vd:5 1010111" VnclipuWv narrow[Op::ClipU];
    "101110 m vs2:5 rs1:5 100 vd:5 1010111" VnclipuWx narrow[Op::ClipU];
    "101110 m vs2:5 imm:5 011 vd:5 1010111" VnclipuWi narrow[Op::ClipU];
    "101111 m vs2:5 vs1:5 000 vd:5 1010111" VnclipWv narrow[Op::ClipS];
    "101111 m vs2:5 rs1:5 100 vd:5 1010111" VnclipWx narrow[Op::ClipS];
    "101111 m vs2:5 imm:5 011 vd:5 1010111" VnclipWi narrow[Op::ClipS];
    "110000 m vs2:5 vs1:5 000 vd:5 1010111" VwredsumuVs reduce_wide[false];
    "110001 m vs2:5 vs1:5 000 vd:5 1010111" VwredsumVs reduce_wide[true];
    "110101 m vs2:5 vs1:5 000 vd:5 1010111" VwsllVv wide[Op::Sll, UNSIGNED_IMM];
    "110101 m vs2:5 rs1:5 100 vd:5 1010111" VwsllVx wide[Op::Sll, UNSIGNED_IMM];
    "110101 m vs2:5 imm:5 011 vd:5 1010111" VwsllVi wide[Op::Sll, UNSIGNED_IMM];

    "000000 m vs2:5 vs1:5 010 vd:5 1010111" VredsumVs reduce[Op::Add];
    "000001 m vs2:5 vs1:5 010 vd:5 1010111" VredandVs reduce[Op::And];
    "000010 m vs2:5 vs1:5 010 vd:5 1010111" VredorVs reduce[Op::Or];
    "000011 m vs2:5 vs1:5 010 vd:5 1010111" VredxorVs reduce[Op::Xor];
    "000100 m vs2:5 vs1:5 010 vd:5 1010111" VredminuVs reduce[Op::MinU];
    "000101 m vs2:5 vs1:5 010 vd:5 1010111" VredminVs reduce[Op::MinS];
    "000110 m vs2:5 vs1:5 010 vd:5 1010111" VredmaxuVs reduce[Op::MaxU];
    "000111 m vs2:5 vs1:5 010 vd:5 1010111" VredmaxVs reduce[Op::MaxS];
    "001000 m vs2:5 vs1:5 010 vd:5 1010111" VaadduVv int[Op::AaddU];
    "001000 m vs2:5 rs1:5 110 vd:5 1010111" VaadduVx int[Op::AaddU];
    "001001 m vs2:5 vs1:5 010 vd:5 1010111" VaaddVv int[Op::AaddS];
    "001001 m vs2:5 rs1:5 110 vd:5 1010111" VaaddVx int[Op::AaddS];
    "001010 m vs2:5 vs1:5 010 vd:5 1010111" VasubuVv int[Op::AsubU];
    "001010 m vs2:5 rs1:5 110 vd:5 1010111" VasubuVx int[Op::AsubU];
    "001011 m vs2:5 vs1:5 010 vd:5 1010111" VasubVv int[Op::AsubS];
    "001011 m vs2:5 rs1:5 110 vd:5 1010111" VasubVx int[Op::AsubS];
    "001100 m vs2:5 vs1:5 010 vd:5 1010111" VclmulVv int[Op::Clmul];
    "001100 m vs2:5 rs1:5 110 vd:5 1010111" VclmulVx int[Op::Clmul];
    "001101 m vs2:5 vs1:5 010 vd:5 1010111" VclmulhVv int[Op::Clmulh];
    "001101 m vs2:5 rs1:5 110 vd:5 1010111" VclmulhVx int[Op::Clmulh];
    "010010 m vs2:5 00010 010 vd:5 1010111" VzextVf8 extend[3, false];
    "010010 m vs2:5 00011 010 vd:5 1010111" VsextVf8 extend[3, true];
    "010010 m vs2:5 00100 010 vd:5 1010111" VzextVf4 extend[2, false];
    "010010 m vs2:5 00101 010 vd:5 1010111" VsextVf4 extend[2, true];
    "010010 m vs2:5 00110 010 vd:5 1010111" VzextVf2 extend[1, false];
    "010010 m vs2:5 00111 010 vd:5 1010111" VsextVf2 extend[1, true];
    "010010 m vs2:5 01000 010 vd:5 1010111" Vbrev8V unary[Op::Brev8];
    "010010 m vs2:5 01001 010 vd:5 1010111" Vrev8V unary[Op::Rev8];
    "010010 m vs2:5 01010 010 vd:5 1010111" VbrevV unary[Op::Brev];
    "010010 m vs2:5 01100 010 vd:5 1010111" VclzV unary[Op::Clz];
    "010010 m vs2:5 01101 010 vd:5 1010111" VctzV unary[Op::Ctz];
    "010010 m vs2:5 01110 010 vd:5 1010111" VcpopV unary[Op::Cpop];
    "100000 m vs2:5 vs1:5 010 vd:5 1010111" VdivuVv int[Op::DivU];
    "100000 m vs2:5 rs1:5 110 vd:5 1010111" VdivuVx int[Op::DivU];
    "100001 m vs2:5 vs1:5 010 vd:5 1010111" VdivVv int[Op::DivS];
    "100001 m vs2:5 rs1:5 110 vd:5 1010111" VdivVx int[Op::DivS];
    "100010 m vs2:5 vs1:5 010 vd:5 1010111" VremuVv int[Op::RemU];
    "100010 m vs2:5 rs1:5 110 vd:5 1010111" VremuVx int[Op::RemU];
    "100011 m vs2:5 vs1:5 010 vd:5 1010111" VremVv int[Op::RemS];
    "100011 m vs2:5 rs1:5 110 vd:5 1010111" VremVx int[Op::RemS];
    "100100 m vs2:5 vs1:5 010 vd:5 1010111" VmulhuVv int[Op::MulhU];
    "100100 m vs2:5 rs1:5 110 vd:5 1010111" VmulhuVx int[Op::MulhU];
    "100101 m vs2:5 vs1:5 010 vd:5 1010111" VmulVv int[Op::Mul];
    "100101 m vs2:5 rs1:5 110 vd:5 1010111" VmulVx int[Op::Mul];
    "100110 m vs2:5 vs1:5 010 vd:5 1010111" VmulhsuVv int[Op::MulhSu];
    "100110 m vs2:5 rs1:5 110 vd:5 1010111" VmulhsuVx int[Op::MulhSu];
    "100111 m vs2:5 vs1:5 010 vd:5 1010111" VmulhVv int[Op::MulhS];
    "100111 m vs2:5 rs1:5 110 vd:5 1010111" VmulhVx int[Op::MulhS];
    "101001 m vs2:5 vs1:5 010 vd:5 1010111" VmaddVv int[Op::Madd];
    "101001 m vs2:5 rs1:5 110 vd:5 1010111" VmaddVx int[Op::Madd];
    "101011 m vs2:5 vs1:5 010 vd:5 1010111" VnmsubVv int[Op::Nmsub];
    "101011 m vs2:5 rs1:5 110 vd:5 1010111" VnmsubVx int[Op::Nmsub];
    "101101 m vs2:5 vs1:5 010 vd:5 1010111" VmaccVv int[Op::Macc];
    "101101 m vs2:5 rs1:5 110 vd:5 1010111" VmaccVx int[Op::Macc];
    "101111 m vs2:5 vs1:5 010 vd:5 1010111" VnmsacVv int[Op::Nmsac];
    "101111 m vs2:5 rs1:5 110 vd:5 1010111" VnmsacVx int[Op::Nmsac];
    "110000 m vs2:5 vs1:5 010 vd:5 1010111" VwadduVv wide[Op::Add, 0];
    "110000 m vs2:5 rs1:5 110 vd:5 1010111" VwadduVx wide[Op::Add, 0];
    "110001 m vs2:5 vs1:5 010 vd:5 1010111" VwaddVv wide[Op::Add, SIGNED_A | SIGNED_B];
    "110001 m vs2:5 rs1:5 110 vd:5 1010111" VwaddVx wide[Op::Add, SIGNED_A | SIGNED_B];
    "110010 m vs2:5 vs1:5 010 vd:5 1010111" VwsubuVv wide[Op::Sub, 0];
    "110010 m vs2:5 rs1:5 110 vd:5 1010111" VwsubuVx wide[Op::Sub, 0];
    "110011 m vs2:5 vs1:5 010 vd:5 1010111" VwsubVv wide[Op::Sub, SIGNED_A | SIGNED_B];
    "110011 m vs2:5 rs1:5 110 vd:5 1010111" VwsubVx wide[Op::Sub, SIGNED_A | SIGNED_B];
    "110100 m vs2:5 vs1:5 010 vd:5 1010111" VwadduWv wide[Op::Add, WIDE_A];
    "110100 m vs2:5 rs1:5 110 vd:5 1010111" VwadduWx wide[Op::Add, WIDE_A];
    "110101 m vs2:5 vs1:5 010 vd:5 1010111" VwaddWv wide[Op::Add, WIDE_A | SIGNED_B];
    "110101 m vs2:5 rs1:5 110 vd:5 1010111" VwaddWx wide[Op::Add, WIDE_A | SIGNED_B];
    "110110 m vs2:5 vs1:5 010 vd:5 1010111" VwsubuWv wide[Op::Sub, WIDE_A];
    "110110 m vs2:5 rs1:5 110 vd:5 1010111" VwsubuWx wide[Op::Sub, WIDE_A];
    "110111 m vs2:5 vs1:5 010 vd:5 1010111" VwsubWv wide[Op::Sub, WIDE_A | SIGNED_B];
    "110111 m vs2:5 rs1:5 110 vd:5 1010111" VwsubWx wide[Op::Sub, WIDE_A | SIGNED_B];
    "111000 m vs2:5 vs1:5 010 vd:5 1010111" VwmuluVv wide[Op::Mul, 0];
    "111000 m vs2:5 rs1:5 110 vd:5 1010111" VwmuluVx wide[Op::Mul, 0];
    "111010 m vs2:5 vs1:5 010 vd:5 1010111" VwmulsuVv wide[Op::Mul, SIGNED_A];
    "111010 m vs2:5 rs1:5 110 vd:5 1010111" VwmulsuVx wide[Op::Mul, SIGNED_A];
    "111011 m vs2:5 vs1:5 010 vd:5 1010111" VwmulVv wide[Op::Mul, SIGNED_A | SIGNED_B];
    "111011 m vs2:5 rs1:5 110 vd:5 1010111" VwmulVx wide[Op::Mul, SIGNED_A | SIGNED_B];
    "111100 m vs2:5 vs1:5 010 vd:5 1010111" VwmaccuVv wide[Op::Macc, 0];
    "111100 m vs2:5 rs1:5 110 vd:5 1010111" VwmaccuVx wide[Op::Macc, 0];
    "111101 m vs2:5 vs1:5 010 vd:5 1010111" VwmaccVv wide[Op::Macc, SIGNED_A | SIGNED_B];
    "111101 m vs2:5 rs1:5 110 vd:5 1010111" VwmaccVx wide[Op::Macc, SIGNED_A | SIGNED_B];
    "111110 m vs2:5 rs1:5 110 vd:5 1010111" VwmaccusVx wide[Op::Macc, SIGNED_A];
    "111111 m vs2:5 vs1:5 010 vd:5 1010111" VwmaccsuVv wide[Op::Macc, SIGNED_B];
    "111111 m vs2:5 rs1:5 110 vd:5 1010111" VwmaccsuVx wide[Op::Macc, SIGNED_B];
}

crate::v::numbered! {
    /// What is computed of vs2's element a, the other operand's b and vd's old d.
    Op {
        Add Sub Rsub And Or Xor Andn MinU MinS MaxU MaxS Sll Srl Sra Rol Ror
        Mul MulhS MulhU MulhSu DivU DivS RemU RemS Madd Nmsub Macc Nmsac
        SaddU SaddS SsubU SsubS AaddU AaddS AsubU AsubS Smul SsrlR SsraR
        Clmul Clmulh Brev8 Rev8 Brev Clz Ctz Cpop
        ClipU ClipS
        Eq Ne LtU LtS LeU LeS GtU GtS
        Adc Sbc MadC MsbC
        Copy
    }
}

/// Flags of the tag that rows give besides [`Op`].
mod shape {
    /// vd has elements of twice SEW.
    pub(super) const WIDE: u32 = 1 << 8;
    /// So has vs2.
    pub(super) const WIDE_A: u32 = 1 << 9;
    /// vs2's elements are extended with their sign.
    pub(super) const SIGNED_A: u32 = 1 << 10;
    /// The other operand's are.
    pub(super) const SIGNED_B: u32 = 1 << 11;
    /// There is no other operand.
    pub(super) const UNARY: u32 = 1 << 12;
    /// An immediate is not signed.
    pub(super) const UNSIGNED_IMM: u32 = 1 << 13;
}
use shape::*;

fn int<O: Ops>(o: &mut O, i: Insn, op: Op) {
    fast(o, i, op, op as u32);
}

fn int_u<O: Ops>(o: &mut O, i: Insn, op: Op) {
    fast(o, i, op, op as u32 | UNSIGNED_IMM);
}

fn fast<O: Ops>(o: &mut O, i: Insn, op: Op, tag: u32) {
    let arg = i.word as u64 | (tag as u64) << 32;
    let done = match op {
        Op::Rol => v_fast::bits::rotate(o, i, op, ARITH, arg),
        Op::Ror if i.bits(12, 3) != 3 => v_fast::bits::rotate(o, i, op, ARITH, arg),
        Op::Clmul | Op::Clmulh => v_fast::bits::carryless(o, i, op == Op::Clmulh, ARITH, arg),
        _ => v_fast::int::int(o, i, op, ARITH, arg),
    };
    if !done {
        o.helper(ARITH, arg);
    }
}

fn unary<O: Ops>(o: &mut O, i: Insn, op: Op) {
    let arg = i.word as u64 | ((op as u32 | UNARY) as u64) << 32;
    if !v_fast::bits::unary(o, i, op, ARITH, arg) {
        o.helper(ARITH, arg);
    }
}

fn wide<O: Ops>(o: &mut O, i: Insn, op: Op, flags: u32) {
    let signed = [flags & SIGNED_A != 0, flags & SIGNED_B != 0];
    either(o, i, op as u32 | flags | WIDE, ARITH, |o, f, arg| match op {
        Op::Sll => widen::shift(o, i, f, arg),
        _ => widen::int(o, i, op, flags & WIDE_A != 0, signed, f, arg),
    });
}

fn narrow<O: Ops>(o: &mut O, i: Insn, op: Op) {
    either(o, i, op as u32, NARROW, |o, f, arg| widen::narrow(o, i, op, f, arg));
}

fn compare<O: Ops>(o: &mut O, i: Insn, op: Op) {
    let arg = i.word as u64 | (op as u64) << 32;
    if !v_fast::mask::compare(o, i, op, COMPARE, arg) {
        o.helper(COMPARE, arg);
    }
}

fn carry<O: Ops>(o: &mut O, i: Insn, op: Op) {
    call(o, i, CARRY, op as u32);
}

fn merge<O: Ops>(o: &mut O, i: Insn) {
    if !v_fast::int::moves(o, i, MERGE, i.word as u64) {
        call(o, i, MERGE, 0);
    }
}

fn extend<O: Ops>(o: &mut O, i: Insn, shift: u32, signed: bool) {
    let tag = shift | (signed as u32) << 8;
    either(o, i, tag, EXTEND, |o, f, arg| widen::extend(o, i, shift, signed, f, arg));
}

fn reduce<O: Ops>(o: &mut O, i: Insn, op: Op) {
    either(o, i, op as u32, REDUCE, |o, f, arg| reduce::int(o, i, op, None, f, arg));
}

fn reduce_wide<O: Ops>(o: &mut O, i: Insn, signed: bool) {
    let tag = Op::Add as u32 | WIDE | if signed { SIGNED_A } else { 0 };
    either(o, i, tag, REDUCE, |o, f, arg| reduce::int(o, i, Op::Add, Some(signed), f, arg));
}

/// roundoff_unsigned and roundoff_signed (3.8): `v` shifted right by `n`, rounded as vxrm says.
fn round_off(v: i128, n: u32, vxrm: u32) -> i128 {
    if n == 0 {
        return v;
    }
    let lost = v & ((1 << n) - 1);
    let half = 1i128 << (n - 1);
    let kept = v >> n;
    let up = match vxrm {
        0 => lost & half != 0,
        1 => lost > half || lost == half && kept & 1 != 0,
        2 => false,
        _ => kept & 1 == 0 && lost != 0,
    };
    kept + up as i128
}

/// The high half of a carry-less product of 64 bits is `clmul(..).1`.
fn clmul(a: u64, b: u64) -> (u64, u64) {
    let product = (0..64).fold(0, |p, n| p ^ (a as u128) << n & (b as u128 >> n & 1).wrapping_neg());
    (product as u64, (product >> 64) as u64)
}

/// One element; operands are zero-extended, the result's high bits are ignored.
#[inline(always)]
fn eval(op: Op, ew: u32, a: u64, b: u64, d: u64, vxrm: u32, saturated: &mut bool) -> u64 {
    let bits = 8u32 << ew;
    let (sa, sb) = (sign(ew, a), sign(ew, b));
    let amount = b as u32 & (bits - 1);
    let (max, min) = (i64::MAX >> (64 - bits), i64::MIN >> (64 - bits));
    let mut clip = |v: i128, low: i128, high: i128| {
        *saturated |= v < low || v > high;
        v.clamp(low, high) as u64
    };
    let top = zero(ew, u64::MAX) as i128;
    match op {
        Op::Add => a.wrapping_add(b),
        Op::Sub => a.wrapping_sub(b),
        Op::Rsub => b.wrapping_sub(a),
        Op::And => a & b,
        Op::Or => a | b,
        Op::Xor => a ^ b,
        Op::Andn => a & !b,
        Op::MinU => a.min(b),
        Op::MinS => sa.min(sb) as u64,
        Op::MaxU => a.max(b),
        Op::MaxS => sa.max(sb) as u64,
        Op::Sll => a << amount,
        Op::Srl => a >> amount,
        Op::Sra => (sa >> amount) as u64,
        Op::Rol => a << amount | a >> ((bits - amount) & (bits - 1)),
        Op::Ror => a >> amount | a << ((bits - amount) & (bits - 1)),
        Op::Mul => a.wrapping_mul(b),
        Op::MulhU => ((a as u128 * b as u128) >> bits) as u64,
        Op::MulhS => ((sa as i128 * sb as i128) >> bits) as u64,
        Op::MulhSu => ((sa as i128 * b as i128) >> bits) as u64,
        Op::DivU => a.checked_div(b).unwrap_or(u64::MAX),
        Op::DivS => {
            if sb == 0 {
                u64::MAX
            } else {
                sa.wrapping_div(sb) as u64
            }
        }
        Op::RemU => a.checked_rem(b).unwrap_or(a),
        Op::RemS => {
            if sb == 0 {
                a
            } else {
                sa.wrapping_rem(sb) as u64
            }
        }
        Op::Madd => d.wrapping_mul(b).wrapping_add(a),
        Op::Nmsub => a.wrapping_sub(d.wrapping_mul(b)),
        Op::Macc => a.wrapping_mul(b).wrapping_add(d),
        Op::Nmsac => d.wrapping_sub(a.wrapping_mul(b)),
        Op::SaddU => clip(a as i128 + b as i128, 0, top),
        Op::SaddS => clip(sa as i128 + sb as i128, min as i128, max as i128),
        Op::SsubU => clip(a as i128 - b as i128, 0, top),
        Op::SsubS => clip(sa as i128 - sb as i128, min as i128, max as i128),
        Op::AaddU => round_off(a as i128 + b as i128, 1, vxrm) as u64,
        Op::AaddS => round_off(sa as i128 + sb as i128, 1, vxrm) as u64,
        Op::AsubU => round_off(a as i128 - b as i128, 1, vxrm) as u64,
        Op::AsubS => round_off(sa as i128 - sb as i128, 1, vxrm) as u64,
        Op::Smul => clip(round_off(sa as i128 * sb as i128, bits - 1, vxrm), min as i128, max as i128),
        Op::SsrlR => round_off(a as i128, amount, vxrm) as u64,
        Op::SsraR => round_off(sa as i128, amount, vxrm) as u64,
        Op::Clmul => clmul(a, b).0,
        Op::Clmulh => clmul(a, b).1,
        Op::Brev8 => a.reverse_bits().swap_bytes(),
        Op::Rev8 => a.swap_bytes() >> (64 - bits),
        Op::Brev => a.reverse_bits() >> (64 - bits),
        // Without the branches that zero would take (Zvkt).
        Op::Clz => ((a | 1).leading_zeros() + (a == 0) as u32 - (64 - bits)) as u64,
        Op::Ctz => (!a & a.wrapping_sub(1)).count_ones().min(bits) as u64,
        Op::Cpop => a.count_ones() as u64,
        Op::Copy => b,
        _ => 0,
    }
}

/// The other operand: a vector's elements, or a scalar.
#[derive(Clone, Copy)]
enum Other {
    Vector(u32),
    Scalar(u64),
}

impl Other {
    #[inline(always)]
    fn get(self, u: &Unit<'_>, ew: u32, n: usize) -> u64 {
        match self {
            Other::Vector(reg) => u.get(reg, ew, n),
            Other::Scalar(value) => zero(ew, value),
        }
    }
}

/// The other operand and, if it is a vector, its group.
fn other(u: &Unit<'_>, ew: u32, signed: bool) -> Result<(Other, Option<Group>), Stop> {
    Ok(if u.has_vs1() {
        (Other::Vector(u.vs1()), Some(u.group(u.vs1(), ew)?))
    } else {
        (Other::Scalar(u.scalar(signed)), None)
    })
}

/// Checks a destination against the sources there are.
fn check(u: &Unit<'_>, d: Group, a: Option<Group>, b: Option<Group>) -> Done {
    match (a, b) {
        (Some(a), Some(b)) => {
            u.sources(&[a, b])?;
            u.destination(d, &[a, b])
        }
        (Some(s), None) | (None, Some(s)) => {
            u.sources(&[s])?;
            u.destination(d, &[s])
        }
        (None, None) => u.destination(d, &[]),
    }
}

const ARITH: Helper = Helper { function: arith_helper, effects: vectors };

extern "C" fn arith_helper(cpu: &mut Cpu, arg: u64) -> HelperExit {
    play(cpu, arg, true, |u| arith(u, Op::from_arg(arg), (arg >> 32) as u32))
}

fn arith(u: &mut Unit<'_>, op: Op, tag: u32) -> Done {
    let sew = u.sew;
    let dw = sew + (tag & WIDE != 0) as u32;
    let aw = sew + (tag & WIDE_A != 0) as u32;
    let d = u.group(u.vd(), dw)?;
    let a = u.group(u.vs2(), aw)?;
    let (b, bg) = if tag & UNARY != 0 {
        (Other::Scalar(0), None)
    } else if op == Op::Ror && u.form() == 3 {
        // The immediate has a sixth bit.
        (Other::Scalar((u.i.bits(26, 1) << 5 | u.i.s1()) as u64), None)
    } else {
        other(u, sew, tag & UNSIGNED_IMM == 0)?
    };
    check(u, d, Some(a), bg)?;
    match op {
        Op::Clmul | Op::Clmulh => legal(sew == 3)?,
        _ => {}
    }
    // An accumulator is a source too.
    let reads_d = matches!(op, Op::Madd | Op::Nmsub | Op::Macc | Op::Nmsac);
    if reads_d {
        u.sources(&[d, a])?;
        u.sources(&[d, bg.unwrap_or(a)])?;
    }
    match dw {
        0 => elements::<0>(u, op, tag, [d, a], b),
        1 => elements::<1>(u, op, tag, [d, a], b),
        2 => elements::<2>(u, op, tag, [d, a], b),
        _ => elements::<3>(u, op, tag, [d, a], b),
    }
    Ok(())
}

/// The work of [`arith`] on destination elements of one width.
fn elements<const DW: u32>(u: &mut Unit<'_>, op: Op, tag: u32, [d, a]: [Group; 2], b: Other) {
    let (sew, dw, aw) = (u.sew, DW, a.ew as u32);
    let reads_d = matches!(op, Op::Madd | Op::Nmsub | Op::Macc | Op::Nmsac);
    let (vxrm, mut saturated) = (u.vxrm(), false);
    for n in u.vstart..u.vl {
        if !u.active(n) {
            continue;
        }
        let (mut x, mut y) = (u.get(a.reg, aw, n), b.get(u, sew, n));
        if tag & WIDE != 0 {
            if tag & SIGNED_A != 0 && aw == sew {
                x = zero(dw, sign(sew, x) as u64);
            }
            if tag & SIGNED_B != 0 {
                y = zero(dw, sign(sew, y) as u64);
            }
        }
        let old = if reads_d { u.get(d.reg, dw, n) } else { 0 };
        let value = eval(op, dw, x, y, old, vxrm, &mut saturated);
        u.set(d.reg, dw, n, value);
    }
    if saturated {
        u.saturated();
    }
}

const NARROW: Helper = Helper { function: narrow_helper, effects: vectors };

extern "C" fn narrow_helper(cpu: &mut Cpu, arg: u64) -> HelperExit {
    play(cpu, arg, true, |u| {
        let (op, sew) = (Op::from_arg(arg), u.sew);
        let (d, a) = (u.group(u.vd(), sew)?, u.group(u.vs2(), sew + 1)?);
        let (b, bg) = other(u, sew, false)?;
        check(u, d, Some(a), bg)?;
        let (vxrm, mut saturated) = (u.vxrm(), false);
        for n in u.vstart..u.vl {
            if !u.active(n) {
                continue;
            }
            let x = u.get(a.reg, sew + 1, n);
            let amount = b.get(u, sew, n) as u32 & ((16 << sew) - 1);
            let (low, high, v) = match op {
                Op::ClipU => (0, zero(sew, u64::MAX) as i128, round_off(x as i128, amount, vxrm)),
                Op::ClipS => {
                    let max = (i64::MAX >> (64 - (8 << sew))) as i128;
                    (-max - 1, max, round_off(sign(sew + 1, x) as i128, amount, vxrm))
                }
                Op::Sra => (i128::MIN, i128::MAX, (sign(sew + 1, x) >> amount) as i128),
                _ => (i128::MIN, i128::MAX, (x >> amount) as i128),
            };
            saturated |= v < low || v > high;
            u.set(d.reg, sew, n, v.clamp(low, high) as u64);
        }
        if saturated {
            u.saturated();
        }
        Ok(())
    })
}

const COMPARE: Helper = Helper { function: compare_helper, effects: vectors };

extern "C" fn compare_helper(cpu: &mut Cpu, arg: u64) -> HelperExit {
    play(cpu, arg, true, |u| {
        let (op, sew) = (Op::from_arg(arg), u.sew);
        let (d, a) = (Group::mask(u.vd()), u.group(u.vs2(), sew)?);
        let (b, bg) = other(u, sew, true)?;
        check(u, d, Some(a), bg)?;
        let (body, holds) = match sew {
            0 => tests::<0>(u, op, a, b),
            1 => tests::<1>(u, op, a, b),
            2 => tests::<2>(u, op, a, b),
            _ => tests::<3>(u, op, a, b),
        };
        let d = u.whole(d.reg);
        *d = *d & !body | holds;
        Ok(())
    })
}

/// The elements that are active, and those of them for which the comparison holds.
fn tests<const EW: u32>(u: &Unit<'_>, op: Op, a: Group, b: Other) -> (u128, u128) {
    let (mut body, mut holding) = (0, 0);
    for n in u.vstart..u.vl {
        if !u.active(n) {
            continue;
        }
        let (x, y) = (u.get(a.reg, EW, n), b.get(u, EW, n));
        let (sx, sy) = (sign(EW, x), sign(EW, y));
        let holds = match op {
            Op::Eq => x == y,
            Op::Ne => x != y,
            Op::LtU => x < y,
            Op::LtS => sx < sy,
            Op::LeU => x <= y,
            Op::LeS => sx <= sy,
            Op::GtU => x > y,
            _ => sx > sy,
        };
        body |= 1u128 << (n & 127);
        holding |= (holds as u128) << (n & 127);
    }
    (body, holding)
}

const CARRY: Helper = Helper { function: carry_helper, effects: vectors };

/// VADC and VSBC (the mask is an operand, vd is not v0), VMADC and VMSBC (with or without it).
extern "C" fn carry_helper(cpu: &mut Cpu, arg: u64) -> HelperExit {
    play(cpu, arg, true, |u| {
        let (op, sew) = (Op::from_arg(arg), u.sew);
        let mask = matches!(op, Op::MadC | Op::MsbC);
        let a = u.group(u.vs2(), sew)?;
        let (b, bg) = other(u, sew, true)?;
        let with = !u.unmasked();
        legal(mask || with)?;
        let d = if mask { Group::mask(u.vd()) } else { u.group(u.vd(), sew)? };
        check(u, d, Some(a), bg)?;
        for n in u.vstart..u.vl {
            let (x, y, c) = (u.get(a.reg, sew, n), b.get(u, sew, n), (with && u.bit(0, n)) as u64);
            match op {
                Op::Adc => u.set(d.reg, sew, n, x.wrapping_add(y).wrapping_add(c)),
                Op::Sbc => u.set(d.reg, sew, n, x.wrapping_sub(y).wrapping_sub(c)),
                Op::MadC => {
                    let sum = x as u128 + y as u128 + c as u128;
                    u.set_bit(d.reg, n, sum >> (8 << sew) != 0);
                }
                _ => u.set_bit(d.reg, n, (x as u128) < y as u128 + c as u128),
            }
        }
        Ok(())
    })
}

const MERGE: Helper = Helper { function: merge_helper, effects: vectors };

/// VMERGE, and VMV.V.* when unmasked.
extern "C" fn merge_helper(cpu: &mut Cpu, arg: u64) -> HelperExit {
    play(cpu, arg, true, |u| {
        let (sew, moves) = (u.sew, u.unmasked());
        let d = u.group(u.vd(), sew)?;
        let (b, bg) = other(u, sew, true)?;
        legal(!moves || u.vs2() == 0)?;
        let a = if moves { None } else { Some(u.group(u.vs2(), sew)?) };
        check(u, d, a, bg)?;
        for n in u.vstart..u.vl {
            let value = b.get(u, sew, n);
            // The mask is an operand like others: no branch depends on it (Zvkt).
            let old = a.map_or(value, |a| u.get(a.reg, sew, n));
            let first = (u.bit(0, n) as u64).wrapping_neg();
            u.set(d.reg, sew, n, value & first | old & !first);
        }
        Ok(())
    })
}

const EXTEND: Helper = Helper { function: extend_helper, effects: vectors };

extern "C" fn extend_helper(cpu: &mut Cpu, arg: u64) -> HelperExit {
    play(cpu, arg, true, |u| {
        let (shift, signed, sew) = ((arg >> 32) as u32 & 3, arg >> 40 & 1 != 0, u.sew);
        legal(sew >= shift)?;
        let from = sew - shift;
        let (d, a) = (u.group(u.vd(), sew)?, u.group(u.vs2(), from)?);
        check(u, d, Some(a), None)?;
        for n in u.vstart..u.vl {
            if u.active(n) {
                let x = u.get(a.reg, from, n);
                u.set(d.reg, sew, n, if signed { sign(from, x) as u64 } else { x });
            }
        }
        Ok(())
    })
}

const REDUCE: Helper = Helper { function: reduce_helper, effects: vectors };

extern "C" fn reduce_helper(cpu: &mut Cpu, arg: u64) -> HelperExit {
    play(cpu, arg, true, |u| {
        let (op, tag, sew) = (Op::from_arg(arg), (arg >> 32) as u32, u.sew);
        let dw = sew + (tag & WIDE != 0) as u32;
        legal(dw <= 3)?;
        u.begins_at_zero()?;
        let a = u.group(u.vs2(), sew)?;
        u.sources(&[a, u.first(u.vs1(), dw)])?;
        if u.vl == 0 {
            return Ok(());
        }
        let mut sum = u.get(u.vs1(), dw, 0);
        for n in 0..u.vl {
            if u.active(n) {
                let mut x = u.get(a.reg, sew, n);
                if tag & SIGNED_A != 0 {
                    x = zero(dw, sign(sew, x) as u64);
                }
                sum = zero(dw, eval(op, dw, sum, x, 0, 0, &mut false));
            }
        }
        u.set(u.vd(), dw, 0, sum);
        Ok(())
    })
}

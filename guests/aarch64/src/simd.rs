//! Advanced SIMD data processing on integers (Arm ARM C4.1, "Data Processing -- Scalar
//! Floating-Point and Advanced SIMD"): everything that works lane by lane, pairwise or across
//! lanes. Shifts by a constant are in `simd_shift`, moves and permutations in `simd_perm`,
//! cryptography in `simd_crypto`.
//!
//! Rows name the vector operation and the element sizes that are allocated; the functions only lay
//! out the operands. In terms of the manual, a is Vn, b is Vm and c is Vd unless a function says
//! otherwise.

use crate::decode::{Insn, undefined};
use anyarch_engine::field;
use anyarch_engine::ops::{Ops, V, VArgs};
use anyarch_engine::vec::{HIGH, VOp};

/// Sets of element sizes, as bits by log2 of the bytes.
pub(crate) const B: u8 = 1;
const S: u8 = 4;
pub(crate) const D: u8 = 8;
const HS: u8 = 6;
pub(crate) const BHS: u8 = 7;
pub(crate) const BHSD: u8 = 15;

anyarch_engine::rows! {
    // Three same.
    "0 q 0 01110 size:2 1 rm:5 00000 1 rn:5 rd:5" Shadd none same[VOp::HalfAddS, BHS];
    "0 q 1 01110 size:2 1 rm:5 00000 1 rn:5 rd:5" Uhadd none same[VOp::HalfAddU, BHS];
    "0 q 0 01110 size:2 1 rm:5 00001 1 rn:5 rd:5" Sqadd none same[VOp::AddSatS, BHSD];
    "0 q 1 01110 size:2 1 rm:5 00001 1 rn:5 rd:5" Uqadd none same[VOp::AddSatU, BHSD];
    "0 q 0 01110 size:2 1 rm:5 00010 1 rn:5 rd:5" Srhadd none same[VOp::HalfAddRoundS, BHS];
    "0 q 1 01110 size:2 1 rm:5 00010 1 rn:5 rd:5" Urhadd none same[VOp::HalfAddRoundU, BHS];
    "0 q 0 01110 size:2 1 rm:5 00100 1 rn:5 rd:5" Shsub none same[VOp::HalfSubS, BHS];
    "0 q 1 01110 size:2 1 rm:5 00100 1 rn:5 rd:5" Uhsub none same[VOp::HalfSubU, BHS];
    "0 q 0 01110 size:2 1 rm:5 00101 1 rn:5 rd:5" Sqsub none same[VOp::SubSatS, BHSD];
    "0 q 1 01110 size:2 1 rm:5 00101 1 rn:5 rd:5" Uqsub none same[VOp::SubSatU, BHSD];
    "0 q 0 01110 size:2 1 rm:5 00110 1 rn:5 rd:5" CmgtReg none same[VOp::CmpGtS, BHSD];
    "0 q 1 01110 size:2 1 rm:5 00110 1 rn:5 rd:5" CmhiReg none same[VOp::CmpGtU, BHSD];
    "0 q 0 01110 size:2 1 rm:5 00111 1 rn:5 rd:5" CmgeReg none same[VOp::CmpGeS, BHSD];
    "0 q 1 01110 size:2 1 rm:5 00111 1 rn:5 rd:5" CmhsReg none same[VOp::CmpGeU, BHSD];
    "0 q 0 01110 size:2 1 rm:5 01000 1 rn:5 rd:5" Sshl none same[VOp::ShiftS, BHSD];
    "0 q 1 01110 size:2 1 rm:5 01000 1 rn:5 rd:5" Ushl none same[VOp::ShiftU, BHSD];
    "0 q 0 01110 size:2 1 rm:5 01001 1 rn:5 rd:5" SqshlReg none same[VOp::ShiftSatS, BHSD];
    "0 q 1 01110 size:2 1 rm:5 01001 1 rn:5 rd:5" UqshlReg none same[VOp::ShiftSatU, BHSD];
    "0 q 0 01110 size:2 1 rm:5 01010 1 rn:5 rd:5" Srshl none same[VOp::ShiftRoundS, BHSD];
    "0 q 1 01110 size:2 1 rm:5 01010 1 rn:5 rd:5" Urshl none same[VOp::ShiftRoundU, BHSD];
    "0 q 0 01110 size:2 1 rm:5 01011 1 rn:5 rd:5" Sqrshl none same[VOp::ShiftRoundSatS, BHSD];
    "0 q 1 01110 size:2 1 rm:5 01011 1 rn:5 rd:5" Uqrshl none same[VOp::ShiftRoundSatU, BHSD];
    "0 q 0 01110 size:2 1 rm:5 01100 1 rn:5 rd:5" Smax none same[VOp::MaxS, BHS];
    "0 q 1 01110 size:2 1 rm:5 01100 1 rn:5 rd:5" Umax none same[VOp::MaxU, BHS];
    "0 q 0 01110 size:2 1 rm:5 01101 1 rn:5 rd:5" Smin none same[VOp::MinS, BHS];
    "0 q 1 01110 size:2 1 rm:5 01101 1 rn:5 rd:5" Umin none same[VOp::MinU, BHS];
    "0 q 0 01110 size:2 1 rm:5 01110 1 rn:5 rd:5" Sabd none same[VOp::AbsDiffS, BHS];
    "0 q 1 01110 size:2 1 rm:5 01110 1 rn:5 rd:5" Uabd none same[VOp::AbsDiffU, BHS];
    "0 q 0 01110 size:2 1 rm:5 01111 1 rn:5 rd:5" Saba none same[VOp::AbsDiffAddS, BHS];
    "0 q 1 01110 size:2 1 rm:5 01111 1 rn:5 rd:5" Uaba none same[VOp::AbsDiffAddU, BHS];
    "0 q 0 01110 size:2 1 rm:5 10000 1 rn:5 rd:5" AddVec none same[VOp::Add, BHSD];
    "0 q 1 01110 size:2 1 rm:5 10000 1 rn:5 rd:5" SubVec none same[VOp::Sub, BHSD];
    "0 q 0 01110 size:2 1 rm:5 10001 1 rn:5 rd:5" Cmtst none same[VOp::CmpTest, BHSD];
    "0 q 1 01110 size:2 1 rm:5 10001 1 rn:5 rd:5" CmeqReg none same[VOp::CmpEq, BHSD];
    "0 q 0 01110 size:2 1 rm:5 10010 1 rn:5 rd:5" MlaVec none same[VOp::MulAdd, BHS];
    "0 q 1 01110 size:2 1 rm:5 10010 1 rn:5 rd:5" MlsVec none same[VOp::MulSub, BHS];
    "0 q 0 01110 size:2 1 rm:5 10011 1 rn:5 rd:5" MulVec none same[VOp::Mul, BHS];
    "0 q 1 01110 size:2 1 rm:5 10011 1 rn:5 rd:5" Pmul none same[VOp::MulPoly, B];
    "0 q 0 01110 size:2 1 rm:5 10100 1 rn:5 rd:5" Smaxp none same[VOp::MaxPairsS, BHS];
    "0 q 1 01110 size:2 1 rm:5 10100 1 rn:5 rd:5" Umaxp none same[VOp::MaxPairsU, BHS];
    "0 q 0 01110 size:2 1 rm:5 10101 1 rn:5 rd:5" Sminp none same[VOp::MinPairsS, BHS];
    "0 q 1 01110 size:2 1 rm:5 10101 1 rn:5 rd:5" Uminp none same[VOp::MinPairsU, BHS];
    "0 q 0 01110 size:2 1 rm:5 10110 1 rn:5 rd:5" SqdmulhVec none same[VOp::MulDoubleHighSat, HS];
    "0 q 1 01110 size:2 1 rm:5 10110 1 rn:5 rd:5" SqrdmulhVec none same[VOp::MulDoubleHighRoundSat, HS];
    "0 q 0 01110 size:2 1 rm:5 10111 1 rn:5 rd:5" AddpVec none same[VOp::AddPairs, BHSD];

    // Three same, bitwise.
    "0 q 0 01110 00 1 rm:5 00011 1 rn:5 rd:5" AndVec none bitwise[VOp::And];
    "0 q 0 01110 01 1 rm:5 00011 1 rn:5 rd:5" BicVec none bitwise[VOp::AndNot];
    "0 q 0 01110 11 1 rm:5 00011 1 rn:5 rd:5" OrnVec none bitwise[VOp::OrNot];
    "0 q 1 01110 00 1 rm:5 00011 1 rn:5 rd:5" EorVec none bitwise[VOp::Xor];
    "0 q 0 01110 10 1 rm:5 00011 1 rn:5 rd:5" OrrVec none orr;
    "0 q 1 01110 01 1 rm:5 00011 1 rn:5 rd:5" Bsl none select[Mask::D];
    "0 q 1 01110 10 1 rm:5 00011 1 rn:5 rd:5" Bit none select[Mask::M];
    "0 q 1 01110 11 1 rm:5 00011 1 rn:5 rd:5" Bif none select[Mask::NotM];

    // Scalar three same.
    "01 0 11110 size:2 1 rm:5 00001 1 rn:5 rd:5" SqaddScalar none same_scalar[VOp::AddSatS, BHSD];
    "01 1 11110 size:2 1 rm:5 00001 1 rn:5 rd:5" UqaddScalar none same_scalar[VOp::AddSatU, BHSD];
    "01 0 11110 size:2 1 rm:5 00101 1 rn:5 rd:5" SqsubScalar none same_scalar[VOp::SubSatS, BHSD];
    "01 1 11110 size:2 1 rm:5 00101 1 rn:5 rd:5" UqsubScalar none same_scalar[VOp::SubSatU, BHSD];
    "01 0 11110 size:2 1 rm:5 00110 1 rn:5 rd:5" CmgtScalar none same_scalar[VOp::CmpGtS, D];
    "01 1 11110 size:2 1 rm:5 00110 1 rn:5 rd:5" CmhiScalar none same_scalar[VOp::CmpGtU, D];
    "01 0 11110 size:2 1 rm:5 00111 1 rn:5 rd:5" CmgeScalar none same_scalar[VOp::CmpGeS, D];
    "01 1 11110 size:2 1 rm:5 00111 1 rn:5 rd:5" CmhsScalar none same_scalar[VOp::CmpGeU, D];
    "01 0 11110 size:2 1 rm:5 01000 1 rn:5 rd:5" SshlScalar none same_scalar[VOp::ShiftS, D];
    "01 1 11110 size:2 1 rm:5 01000 1 rn:5 rd:5" UshlScalar none same_scalar[VOp::ShiftU, D];
    "01 0 11110 size:2 1 rm:5 01001 1 rn:5 rd:5" SqshlScalar none same_scalar[VOp::ShiftSatS, BHSD];
    "01 1 11110 size:2 1 rm:5 01001 1 rn:5 rd:5" UqshlScalar none same_scalar[VOp::ShiftSatU, BHSD];
    "01 0 11110 size:2 1 rm:5 01010 1 rn:5 rd:5" SrshlScalar none same_scalar[VOp::ShiftRoundS, D];
    "01 1 11110 size:2 1 rm:5 01010 1 rn:5 rd:5" UrshlScalar none same_scalar[VOp::ShiftRoundU, D];
    "01 0 11110 size:2 1 rm:5 01011 1 rn:5 rd:5" SqrshlScalar none same_scalar[VOp::ShiftRoundSatS, BHSD];
    "01 1 11110 size:2 1 rm:5 01011 1 rn:5 rd:5" UqrshlScalar none same_scalar[VOp::ShiftRoundSatU, BHSD];
    "01 0 11110 size:2 1 rm:5 10000 1 rn:5 rd:5" AddScalar none same_scalar[VOp::Add, D];
    "01 1 11110 size:2 1 rm:5 10000 1 rn:5 rd:5" SubScalar none same_scalar[VOp::Sub, D];
    "01 0 11110 size:2 1 rm:5 10001 1 rn:5 rd:5" CmtstScalar none same_scalar[VOp::CmpTest, D];
    "01 1 11110 size:2 1 rm:5 10001 1 rn:5 rd:5" CmeqScalar none same_scalar[VOp::CmpEq, D];
    "01 0 11110 size:2 1 rm:5 10110 1 rn:5 rd:5" SqdmulhScalar none same_scalar[VOp::MulDoubleHighSat, HS];
    "01 1 11110 size:2 1 rm:5 10110 1 rn:5 rd:5" SqrdmulhScalar none same_scalar[VOp::MulDoubleHighRoundSat, HS];

    // Three same extra.
    "0 q 1 01110 size:2 0 rm:5 1 0000 1 rn:5 rd:5" SqrdmlahVec none same[VOp::MulDoubleHighRoundAddSat, HS];
    "0 q 1 01110 size:2 0 rm:5 1 0001 1 rn:5 rd:5" SqrdmlshVec none same[VOp::MulDoubleHighRoundSubSat, HS];
    "01 1 11110 size:2 0 rm:5 1 0000 1 rn:5 rd:5" SqrdmlahScalar none same_scalar[VOp::MulDoubleHighRoundAddSat, HS];
    "01 1 11110 size:2 0 rm:5 1 0001 1 rn:5 rd:5" SqrdmlshScalar none same_scalar[VOp::MulDoubleHighRoundSubSat, HS];
    "0 q 0 01110 10 0 rm:5 1 0010 1 rn:5 rd:5" SdotVec none same[VOp::DotS, S];
    "0 q 1 01110 10 0 rm:5 1 0010 1 rn:5 rd:5" UdotVec none same[VOp::DotU, S];
    "0 q 0 01110 10 0 rm:5 1 0011 1 rn:5 rd:5" UsdotVec none same[VOp::DotUS, S];
    "0 1 0 01110 10 0 rm:5 1 0100 1 rn:5 rd:5" Smmla none same[VOp::MatMulS, S];
    "0 1 1 01110 10 0 rm:5 1 0100 1 rn:5 rd:5" Ummla none same[VOp::MatMulU, S];
    "0 1 0 01110 10 0 rm:5 1 0101 1 rn:5 rd:5" Usmmla none same[VOp::MatMulUS, S];

    // Three different.
    "0 q 0 01110 size:2 1 rm:5 0000 00 rn:5 rd:5" Saddl none long[VOp::AddLongS, BHS];
    "0 q 1 01110 size:2 1 rm:5 0000 00 rn:5 rd:5" Uaddl none long[VOp::AddLongU, BHS];
    "0 q 0 01110 size:2 1 rm:5 0001 00 rn:5 rd:5" Saddw none long[VOp::AddWideS, BHS];
    "0 q 1 01110 size:2 1 rm:5 0001 00 rn:5 rd:5" Uaddw none long[VOp::AddWideU, BHS];
    "0 q 0 01110 size:2 1 rm:5 0010 00 rn:5 rd:5" Ssubl none long[VOp::SubLongS, BHS];
    "0 q 1 01110 size:2 1 rm:5 0010 00 rn:5 rd:5" Usubl none long[VOp::SubLongU, BHS];
    "0 q 0 01110 size:2 1 rm:5 0011 00 rn:5 rd:5" Ssubw none long[VOp::SubWideS, BHS];
    "0 q 1 01110 size:2 1 rm:5 0011 00 rn:5 rd:5" Usubw none long[VOp::SubWideU, BHS];
    "0 q 0 01110 size:2 1 rm:5 0101 00 rn:5 rd:5" Sabal none long[VOp::AbsDiffLongAddS, BHS];
    "0 q 1 01110 size:2 1 rm:5 0101 00 rn:5 rd:5" Uabal none long[VOp::AbsDiffLongAddU, BHS];
    "0 q 0 01110 size:2 1 rm:5 0111 00 rn:5 rd:5" Sabdl none long[VOp::AbsDiffLongS, BHS];
    "0 q 1 01110 size:2 1 rm:5 0111 00 rn:5 rd:5" Uabdl none long[VOp::AbsDiffLongU, BHS];
    "0 q 0 01110 size:2 1 rm:5 1000 00 rn:5 rd:5" SmlalVec none long[VOp::MulLongAddS, BHS];
    "0 q 1 01110 size:2 1 rm:5 1000 00 rn:5 rd:5" UmlalVec none long[VOp::MulLongAddU, BHS];
    "0 q 0 01110 size:2 1 rm:5 1010 00 rn:5 rd:5" SmlslVec none long[VOp::MulLongSubS, BHS];
    "0 q 1 01110 size:2 1 rm:5 1010 00 rn:5 rd:5" UmlslVec none long[VOp::MulLongSubU, BHS];
    "0 q 0 01110 size:2 1 rm:5 1100 00 rn:5 rd:5" SmullVec none long[VOp::MulLongS, BHS];
    "0 q 1 01110 size:2 1 rm:5 1100 00 rn:5 rd:5" UmullVec none long[VOp::MulLongU, BHS];
    "0 q 0 01110 size:2 1 rm:5 1001 00 rn:5 rd:5" SqdmlalVec none long[VOp::MulLongDoubleAddSat, HS];
    "0 q 0 01110 size:2 1 rm:5 1011 00 rn:5 rd:5" SqdmlslVec none long[VOp::MulLongDoubleSubSat, HS];
    "0 q 0 01110 size:2 1 rm:5 1101 00 rn:5 rd:5" SqdmullVec none long[VOp::MulLongDoubleSat, HS];
    "0 q 0 01110 size:2 1 rm:5 1110 00 rn:5 rd:5" Pmull none long[VOp::MulLongPoly, B | D];
    "0 q 0 01110 size:2 1 rm:5 0100 00 rn:5 rd:5" Addhn none narrow[VOp::AddNarrowHigh];
    "0 q 1 01110 size:2 1 rm:5 0100 00 rn:5 rd:5" Raddhn none narrow[VOp::AddNarrowHighRound];
    "0 q 0 01110 size:2 1 rm:5 0110 00 rn:5 rd:5" Subhn none narrow[VOp::SubNarrowHigh];
    "0 q 1 01110 size:2 1 rm:5 0110 00 rn:5 rd:5" Rsubhn none narrow[VOp::SubNarrowHighRound];

    // Scalar three different.
    "01 0 11110 size:2 1 rm:5 1001 00 rn:5 rd:5" SqdmlalScalar none long_scalar[VOp::MulLongDoubleAddSat];
    "01 0 11110 size:2 1 rm:5 1011 00 rn:5 rd:5" SqdmlslScalar none long_scalar[VOp::MulLongDoubleSubSat];
    "01 0 11110 size:2 1 rm:5 1101 00 rn:5 rd:5" SqdmullScalar none long_scalar[VOp::MulLongDoubleSat];

    // Two-register miscellaneous.
    "0 q 0 01110 size:2 10000 00000 10 rn:5 rd:5" Rev64Vec none reverse[3];
    "0 q 0 01110 size:2 10000 00001 10 rn:5 rd:5" Rev16Vec none reverse[1];
    "0 q 1 01110 size:2 10000 00000 10 rn:5 rd:5" Rev32Vec none reverse[2];
    "0 q 0 01110 size:2 10000 00010 10 rn:5 rd:5" Saddlp none pairs_long[VOp::AddPairsLongS];
    "0 q 0 01110 size:2 10000 00110 10 rn:5 rd:5" Sadalp none pairs_long[VOp::AddPairsLongAddS];
    "0 q 1 01110 size:2 10000 00010 10 rn:5 rd:5" Uaddlp none pairs_long[VOp::AddPairsLongU];
    "0 q 1 01110 size:2 10000 00110 10 rn:5 rd:5" Uadalp none pairs_long[VOp::AddPairsLongAddU];
    "0 q 0 01110 size:2 10000 00011 10 rn:5 rd:5" Suqadd none accumulate[VOp::AddSatSU];
    "0 q 1 01110 size:2 10000 00011 10 rn:5 rd:5" Usqadd none accumulate[VOp::AddSatUS];
    "0 q 0 01110 size:2 10000 00100 10 rn:5 rd:5" ClsVec none same[VOp::LeadingSigns, BHS];
    "0 q 1 01110 size:2 10000 00100 10 rn:5 rd:5" ClzVec none same[VOp::LeadingZeros, BHS];
    "0 q 0 01110 size:2 10000 00101 10 rn:5 rd:5" CntVec none same[VOp::Popcount, B];
    "0 q 0 01110 size:2 10000 00111 10 rn:5 rd:5" Sqabs none same[VOp::AbsSat, BHSD];
    "0 q 1 01110 size:2 10000 00111 10 rn:5 rd:5" Sqneg none same[VOp::NegSat, BHSD];
    "0 q 0 01110 size:2 10000 01000 10 rn:5 rd:5" CmgtZero none same[VOp::CmpGtZero, BHSD];
    "0 q 1 01110 size:2 10000 01000 10 rn:5 rd:5" CmgeZero none same[VOp::CmpGeZero, BHSD];
    "0 q 0 01110 size:2 10000 01001 10 rn:5 rd:5" CmeqZero none same[VOp::CmpEqZero, BHSD];
    "0 q 1 01110 size:2 10000 01001 10 rn:5 rd:5" CmleZero none same[VOp::CmpLeZero, BHSD];
    "0 q 0 01110 size:2 10000 01010 10 rn:5 rd:5" CmltZero none same[VOp::CmpLtZero, BHSD];
    "0 q 0 01110 size:2 10000 01011 10 rn:5 rd:5" AbsVec none same[VOp::Abs, BHSD];
    "0 q 1 01110 size:2 10000 01011 10 rn:5 rd:5" NegVec none same[VOp::Neg, BHSD];
    "0 q 1 01110 00 10000 00101 10 rn:5 rd:5" NotVec none bitwise[VOp::Not];
    "0 q 1 01110 01 10000 00101 10 rn:5 rd:5" RbitVec none rbit;
    "0 q 0 01110 10 10000 11100 10 rn:5 rd:5" Urecpe none same[VOp::RecipEstU, S];
    "0 q 1 01110 10 10000 11100 10 rn:5 rd:5" Ursqrte none same[VOp::RsqrtEstU, S];
    "0 q 0 01110 size:2 10000 10010 10 rn:5 rd:5" Xtn none narrow[VOp::ShrNarrow];
    "0 q 1 01110 size:2 10000 10010 10 rn:5 rd:5" Sqxtun none narrow[VOp::ShrNarrowSatSU];
    "0 q 0 01110 size:2 10000 10100 10 rn:5 rd:5" Sqxtn none narrow[VOp::ShrNarrowSatS];
    "0 q 1 01110 size:2 10000 10100 10 rn:5 rd:5" Uqxtn none narrow[VOp::ShrNarrowSatU];
    "0 q 1 01110 size:2 10000 10011 10 rn:5 rd:5" Shll none shll;

    // Scalar two-register miscellaneous.
    "01 0 11110 size:2 10000 00011 10 rn:5 rd:5" SuqaddScalar none accumulate_scalar[VOp::AddSatSU];
    "01 1 11110 size:2 10000 00011 10 rn:5 rd:5" UsqaddScalar none accumulate_scalar[VOp::AddSatUS];
    "01 0 11110 size:2 10000 00111 10 rn:5 rd:5" SqabsScalar none same_scalar[VOp::AbsSat, BHSD];
    "01 1 11110 size:2 10000 00111 10 rn:5 rd:5" SqnegScalar none same_scalar[VOp::NegSat, BHSD];
    "01 0 11110 size:2 10000 01000 10 rn:5 rd:5" CmgtZeroScalar none same_scalar[VOp::CmpGtZero, D];
    "01 1 11110 size:2 10000 01000 10 rn:5 rd:5" CmgeZeroScalar none same_scalar[VOp::CmpGeZero, D];
    "01 0 11110 size:2 10000 01001 10 rn:5 rd:5" CmeqZeroScalar none same_scalar[VOp::CmpEqZero, D];
    "01 1 11110 size:2 10000 01001 10 rn:5 rd:5" CmleZeroScalar none same_scalar[VOp::CmpLeZero, D];
    "01 0 11110 size:2 10000 01010 10 rn:5 rd:5" CmltZeroScalar none same_scalar[VOp::CmpLtZero, D];
    "01 0 11110 size:2 10000 01011 10 rn:5 rd:5" AbsScalar none same_scalar[VOp::Abs, D];
    "01 1 11110 size:2 10000 01011 10 rn:5 rd:5" NegScalar none same_scalar[VOp::Neg, D];
    "01 1 11110 size:2 10000 10010 10 rn:5 rd:5" SqxtunScalar none narrow_scalar[VOp::ShrNarrowSatSU];
    "01 0 11110 size:2 10000 10100 10 rn:5 rd:5" SqxtnScalar none narrow_scalar[VOp::ShrNarrowSatS];
    "01 1 11110 size:2 10000 10100 10 rn:5 rd:5" UqxtnScalar none narrow_scalar[VOp::ShrNarrowSatU];

    // Across lanes, and scalar pairwise.
    "0 q 0 01110 size:2 11000 00011 10 rn:5 rd:5" Saddlv none across[VOp::SumAcrossLongS];
    "0 q 1 01110 size:2 11000 00011 10 rn:5 rd:5" Uaddlv none across[VOp::SumAcrossLongU];
    "0 q 0 01110 size:2 11000 01010 10 rn:5 rd:5" Smaxv none across[VOp::MaxAcrossS];
    "0 q 1 01110 size:2 11000 01010 10 rn:5 rd:5" Umaxv none across[VOp::MaxAcrossU];
    "0 q 0 01110 size:2 11000 11010 10 rn:5 rd:5" Sminv none across[VOp::MinAcrossS];
    "0 q 1 01110 size:2 11000 11010 10 rn:5 rd:5" Uminv none across[VOp::MinAcrossU];
    "0 q 0 01110 size:2 11000 11011 10 rn:5 rd:5" Addv none across[VOp::SumAcross];
    "01 0 11110 11 11000 11011 10 rn:5 rd:5" AddpScalar none addp_scalar;

    // Vector by element.
    "0 q 1 01111 size:2 l m rm:4 0000 h 0 rn:5 rd:5" MlaElem none element[VOp::MulAdd];
    "0 q 1 01111 size:2 l m rm:4 0100 h 0 rn:5 rd:5" MlsElem none element[VOp::MulSub];
    "0 q 0 01111 size:2 l m rm:4 1000 h 0 rn:5 rd:5" MulElem none element[VOp::Mul];
    "0 q 0 01111 size:2 l m rm:4 0010 h 0 rn:5 rd:5" SmlalElem none element_long[VOp::MulLongAddS];
    "0 q 1 01111 size:2 l m rm:4 0010 h 0 rn:5 rd:5" UmlalElem none element_long[VOp::MulLongAddU];
    "0 q 0 01111 size:2 l m rm:4 0110 h 0 rn:5 rd:5" SmlslElem none element_long[VOp::MulLongSubS];
    "0 q 1 01111 size:2 l m rm:4 0110 h 0 rn:5 rd:5" UmlslElem none element_long[VOp::MulLongSubU];
    "0 q 0 01111 size:2 l m rm:4 1010 h 0 rn:5 rd:5" SmullElem none element_long[VOp::MulLongS];
    "0 q 1 01111 size:2 l m rm:4 1010 h 0 rn:5 rd:5" UmullElem none element_long[VOp::MulLongU];
    "0 q 0 01111 size:2 l m rm:4 0011 h 0 rn:5 rd:5" SqdmlalElem none element_long[VOp::MulLongDoubleAddSat];
    "0 q 0 01111 size:2 l m rm:4 0111 h 0 rn:5 rd:5" SqdmlslElem none element_long[VOp::MulLongDoubleSubSat];
    "0 q 0 01111 size:2 l m rm:4 1011 h 0 rn:5 rd:5" SqdmullElem none element_long[VOp::MulLongDoubleSat];
    "0 q 0 01111 size:2 l m rm:4 1100 h 0 rn:5 rd:5" SqdmulhElem none element[VOp::MulDoubleHighSat];
    "0 q 0 01111 size:2 l m rm:4 1101 h 0 rn:5 rd:5" SqrdmulhElem none element[VOp::MulDoubleHighRoundSat];
    "0 q 1 01111 size:2 l m rm:4 1101 h 0 rn:5 rd:5" SqrdmlahElem none element[VOp::MulDoubleHighRoundAddSat];
    "0 q 1 01111 size:2 l m rm:4 1111 h 0 rn:5 rd:5" SqrdmlshElem none element[VOp::MulDoubleHighRoundSubSat];
    "0 q 0 01111 10 l m rm:4 1110 h 0 rn:5 rd:5" SdotElem none element_dot[VOp::DotS, false];
    "0 q 1 01111 10 l m rm:4 1110 h 0 rn:5 rd:5" UdotElem none element_dot[VOp::DotU, false];
    "0 q 0 01111 10 l m rm:4 1111 h 0 rn:5 rd:5" UsdotElem none element_dot[VOp::DotUS, false];
    "0 q 0 01111 00 l m rm:4 1111 h 0 rn:5 rd:5" SudotElem none element_dot[VOp::DotUS, true];

    // Scalar by element.
    "01 0 11111 size:2 l m rm:4 0011 h 0 rn:5 rd:5" SqdmlalElemScalar none element_long_scalar[VOp::MulLongDoubleAddSat];
    "01 0 11111 size:2 l m rm:4 0111 h 0 rn:5 rd:5" SqdmlslElemScalar none element_long_scalar[VOp::MulLongDoubleSubSat];
    "01 0 11111 size:2 l m rm:4 1011 h 0 rn:5 rd:5" SqdmullElemScalar none element_long_scalar[VOp::MulLongDoubleSat];
    "01 0 11111 size:2 l m rm:4 1100 h 0 rn:5 rd:5" SqdmulhElemScalar none element_scalar[VOp::MulDoubleHighSat];
    "01 0 11111 size:2 l m rm:4 1101 h 0 rn:5 rd:5" SqrdmulhElemScalar none element_scalar[VOp::MulDoubleHighRoundSat];
    "01 1 11111 size:2 l m rm:4 1101 h 0 rn:5 rd:5" SqrdmlahElemScalar none element_scalar[VOp::MulDoubleHighRoundAddSat];
    "01 1 11111 size:2 l m rm:4 1111 h 0 rn:5 rd:5" SqrdmlshElemScalar none element_scalar[VOp::MulDoubleHighRoundSubSat];
}

/// The size field (bits 23 and 22).
#[inline]
pub(crate) fn size(i: Insn) -> u8 {
    field!(i.size) as u8
}

/// Bytes of the vector by the Q bit.
#[inline]
pub(crate) fn vector_bytes(i: Insn) -> u8 {
    if field!(set i.q) { 16 } else { 8 }
}

/// The Q bit as the operations' "upper half" flag.
#[inline]
pub(crate) fn high(i: Insn) -> u32 {
    if field!(set i.q) { HIGH } else { 0 }
}

/// The usual operands: d, a = Vn, b = Vm, c = Vd.
#[inline]
pub(crate) fn args(i: Insn, es: u8, bytes: u8, imm: u32) -> VArgs {
    VArgs { d: i.vd(), a: i.vn(), b: i.vm(), c: i.vd(), es, bytes, imm }
}

#[inline]
fn allowed(sizes: u8, es: u8) -> bool {
    sizes >> es & 1 != 0
}

/// Whether a vector arrangement with these elements exists: there is no 1D.
#[inline]
pub(crate) fn arranged(i: Insn, sizes: u8, es: u8) -> bool {
    allowed(sizes, es) && (es < 3 || field!(set i.q))
}

fn same<O: Ops>(o: &mut O, i: Insn, op: VOp, sizes: u8) {
    if !arranged(i, sizes, size(i)) {
        return undefined(o);
    }
    o.vec(op, args(i, size(i), vector_bytes(i), 0));
}

fn same_scalar<O: Ops>(o: &mut O, i: Insn, op: VOp, sizes: u8) {
    if !allowed(sizes, size(i)) {
        return undefined(o);
    }
    o.vec(op, args(i, size(i), 1 << size(i), 0));
}

fn bitwise<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    o.vec(op, args(i, 0, vector_bytes(i), 0));
}

/// ORR with equal sources is the vector MOV.
fn orr<O: Ops>(o: &mut O, i: Insn) {
    bitwise(o, i, if i.n() == i.m() { VOp::Mov } else { VOp::Or });
}

/// Which operand of BSL, BIT and BIF selects.
enum Mask {
    D,
    M,
    NotM,
}

fn select<O: Ops>(o: &mut O, i: Insn, mask: Mask) {
    let (d, n, m) = (i.vd(), i.vn(), i.vm());
    let (a, b, c) = match mask {
        Mask::D => (n, m, d),
        Mask::M => (n, d, m),
        Mask::NotM => (d, n, m),
    };
    o.vec(VOp::Select, VArgs { a, b, c, ..args(i, 0, vector_bytes(i), 0) });
}

/// Destination elements of twice the size; also the wide forms.
fn long<O: Ops>(o: &mut O, i: Insn, op: VOp, sizes: u8) {
    if !allowed(sizes, size(i)) {
        return undefined(o);
    }
    o.vec(op, args(i, size(i) + 1, 16, high(i)));
}

fn long_scalar<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    if !allowed(HS, size(i)) {
        return undefined(o);
    }
    o.vec(op, args(i, size(i) + 1, 2 << size(i), 0));
}

/// Destination elements of half the size.
fn narrow<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    if !allowed(BHS, size(i)) {
        return undefined(o);
    }
    o.vec(op, args(i, size(i), vector_bytes(i), high(i)));
}

fn narrow_scalar<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    if !allowed(BHS, size(i)) {
        return undefined(o);
    }
    o.vec(op, args(i, size(i), 1 << size(i), 0));
}

fn reverse<O: Ops>(o: &mut O, i: Insn, container: u8) {
    if size(i) >= container {
        return undefined(o);
    }
    o.vec(VOp::Reverse, args(i, size(i), vector_bytes(i), container as u32));
}

fn rbit<O: Ops>(o: &mut O, i: Insn) {
    o.vec(VOp::ReverseBits, args(i, 0, vector_bytes(i), 0));
}

fn pairs_long<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    if !allowed(BHS, size(i)) {
        return undefined(o);
    }
    o.vec(op, args(i, size(i) + 1, vector_bytes(i), 0));
}

/// SUQADD and USQADD: a is the destination, whose signedness counts.
fn accumulate<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    if !arranged(i, BHSD, size(i)) {
        return undefined(o);
    }
    o.vec(op, VArgs { a: i.vd(), b: i.vn(), ..args(i, size(i), vector_bytes(i), 0) });
}

fn accumulate_scalar<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    o.vec(op, VArgs { a: i.vd(), b: i.vn(), ..args(i, size(i), 1 << size(i), 0) });
}

/// Shift left long by the element's size.
fn shll<O: Ops>(o: &mut O, i: Insn) {
    if !allowed(BHS, size(i)) {
        return undefined(o);
    }
    o.vec(VOp::ShlLongU, args(i, size(i) + 1, 16, high(i) | 8 << size(i)));
}

/// At least four elements. SADDLV and UADDLV have a result of twice the size.
fn across<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    if size(i) == 3 || size(i) == 2 && !field!(set i.q) {
        return undefined(o);
    }
    let long = matches!(op, VOp::SumAcrossLongS | VOp::SumAcrossLongU);
    o.vec(op, args(i, size(i) + long as u8, vector_bytes(i), 0));
}

fn addp_scalar<O: Ops>(o: &mut O, i: Insn) {
    o.vec(VOp::SumAcross, args(i, 3, 16, 0));
}

/// Copies the element that the instruction names to every lane of a temporary. `None` for a
/// reserved size.
fn element_operand<O: Ops>(o: &mut O, i: Insn) -> Option<V> {
    let hlm = field!(i.h) << 2 | field!(i.l) << 1 | field!(i.m);
    let (a, index) = match size(i) {
        1 => (V(i.bits(16, 4) as u8), hlm),
        2 => (i.vm(), hlm >> 1),
        _ => return None,
    };
    dup(o, a, size(i), index);
    Some(V::T0)
}

fn dup<O: Ops>(o: &mut O, a: V, es: u8, index: u32) {
    o.vec(VOp::DupLane, VArgs { d: V::T0, a, b: a, c: a, es, bytes: 16, imm: index });
}

fn element<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    let Some(b) = element_operand(o, i) else { return undefined(o) };
    o.vec(op, VArgs { b, ..args(i, size(i), vector_bytes(i), 0) });
}

fn element_scalar<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    let Some(b) = element_operand(o, i) else { return undefined(o) };
    o.vec(op, VArgs { b, ..args(i, size(i), 1 << size(i), 0) });
}

fn element_long<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    let Some(b) = element_operand(o, i) else { return undefined(o) };
    o.vec(op, VArgs { b, ..args(i, size(i) + 1, 16, high(i)) });
}

fn element_long_scalar<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    let Some(b) = element_operand(o, i) else { return undefined(o) };
    o.vec(op, VArgs { b, ..args(i, size(i) + 1, 2 << size(i), 0) });
}

/// The element is a group of four bytes. SUDOT is USDOT with its (signed, unsigned) operands in the
/// other order.
fn element_dot<O: Ops>(o: &mut O, i: Insn, op: VOp, swap: bool) {
    dup(o, i.vm(), 2, field!(i.h) << 1 | field!(i.l));
    let (a, b) = if swap { (V::T0, i.vn()) } else { (i.vn(), V::T0) };
    o.vec(op, VArgs { a, b, ..args(i, 2, vector_bytes(i), 0) });
}

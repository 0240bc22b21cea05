//! Advanced SIMD floating point (Arm ARM C4.1, "Data Processing -- Scalar Floating-Point and
//! Advanced SIMD", the vector classes).
//!
//! Each row names the engine's operation; the functions only find the lanes. Lane sizes: `sz`
//! (bit 22) is single or double, and the half-precision classes have rows of their own. An
//! operation by element broadcasts the element to a temporary and then is the plain operation.

use crate::decode::{Insn, undefined};
use anyarch_engine::field;
use anyarch_engine::fp::{FOp, imm};
use anyarch_engine::ops::{Ops, Round as R, V, VArgs};
use anyarch_engine::vec::VOp;

anyarch_engine::rows! {
    // Advanced SIMD three same; the half-precision class beside it.
    "0 q 0 01110 0 sz 1 rm:5 11000 1 rn:5 rd:5" FmaxnmVec none same[FOp::MaxNum, false];
    "0 q 0 01110 0 10 rm:5 00000 1 rn:5 rd:5" FmaxnmVecHalf none same[FOp::MaxNum, true];
    "0 q 0 01110 1 sz 1 rm:5 11000 1 rn:5 rd:5" FminnmVec none same[FOp::MinNum, false];
    "0 q 0 01110 1 10 rm:5 00000 1 rn:5 rd:5" FminnmVecHalf none same[FOp::MinNum, true];
    "0 q 0 01110 0 sz 1 rm:5 11001 1 rn:5 rd:5" FmlaVec none same[FOp::MulAdd, false];
    "0 q 0 01110 0 10 rm:5 00001 1 rn:5 rd:5" FmlaVecHalf none same[FOp::MulAdd, true];
    "0 q 0 01110 1 sz 1 rm:5 11001 1 rn:5 rd:5" FmlsVec none same[FOp::MulSub, false];
    "0 q 0 01110 1 10 rm:5 00001 1 rn:5 rd:5" FmlsVecHalf none same[FOp::MulSub, true];
    "0 q 0 01110 0 sz 1 rm:5 11010 1 rn:5 rd:5" FaddVec none same[FOp::Add, false];
    "0 q 0 01110 0 10 rm:5 00010 1 rn:5 rd:5" FaddVecHalf none same[FOp::Add, true];
    "0 q 0 01110 1 sz 1 rm:5 11010 1 rn:5 rd:5" FsubVec none same[FOp::Sub, false];
    "0 q 0 01110 1 10 rm:5 00010 1 rn:5 rd:5" FsubVecHalf none same[FOp::Sub, true];
    "0 q 0 01110 0 sz 1 rm:5 11011 1 rn:5 rd:5" FmulxVec none same[FOp::MulX, false];
    "0 q 0 01110 0 10 rm:5 00011 1 rn:5 rd:5" FmulxVecHalf none same[FOp::MulX, true];
    "0 q 0 01110 0 sz 1 rm:5 11100 1 rn:5 rd:5" FcmeqRegVec none same[FOp::CmpEq, false];
    "0 q 0 01110 0 10 rm:5 00100 1 rn:5 rd:5" FcmeqRegVecHalf none same[FOp::CmpEq, true];
    "0 q 0 01110 0 sz 1 rm:5 11110 1 rn:5 rd:5" FmaxVec none same[FOp::Max, false];
    "0 q 0 01110 0 10 rm:5 00110 1 rn:5 rd:5" FmaxVecHalf none same[FOp::Max, true];
    "0 q 0 01110 1 sz 1 rm:5 11110 1 rn:5 rd:5" FminVec none same[FOp::Min, false];
    "0 q 0 01110 1 10 rm:5 00110 1 rn:5 rd:5" FminVecHalf none same[FOp::Min, true];
    "0 q 0 01110 0 sz 1 rm:5 11111 1 rn:5 rd:5" FrecpsVec none same[FOp::RecipStep, false];
    "0 q 0 01110 0 10 rm:5 00111 1 rn:5 rd:5" FrecpsVecHalf none same[FOp::RecipStep, true];
    "0 q 0 01110 1 sz 1 rm:5 11111 1 rn:5 rd:5" FrsqrtsVec none same[FOp::RsqrtStep, false];
    "0 q 0 01110 1 10 rm:5 00111 1 rn:5 rd:5" FrsqrtsVecHalf none same[FOp::RsqrtStep, true];
    "0 q 1 01110 0 sz 1 rm:5 11000 1 rn:5 rd:5" FmaxnmpVec none same[FOp::PairMaxNum, false];
    "0 q 1 01110 0 10 rm:5 00000 1 rn:5 rd:5" FmaxnmpVecHalf none same[FOp::PairMaxNum, true];
    "0 q 1 01110 1 sz 1 rm:5 11000 1 rn:5 rd:5" FminnmpVec none same[FOp::PairMinNum, false];
    "0 q 1 01110 1 10 rm:5 00000 1 rn:5 rd:5" FminnmpVecHalf none same[FOp::PairMinNum, true];
    "0 q 1 01110 0 sz 1 rm:5 11010 1 rn:5 rd:5" FaddpVec none same[FOp::PairAdd, false];
    "0 q 1 01110 0 10 rm:5 00010 1 rn:5 rd:5" FaddpVecHalf none same[FOp::PairAdd, true];
    "0 q 1 01110 1 sz 1 rm:5 11010 1 rn:5 rd:5" FabdVec none same[FOp::AbsDiff, false];
    "0 q 1 01110 1 10 rm:5 00010 1 rn:5 rd:5" FabdVecHalf none same[FOp::AbsDiff, true];
    "0 q 1 01110 0 sz 1 rm:5 11011 1 rn:5 rd:5" FmulVec none same[FOp::Mul, false];
    "0 q 1 01110 0 10 rm:5 00011 1 rn:5 rd:5" FmulVecHalf none same[FOp::Mul, true];
    "0 q 1 01110 0 sz 1 rm:5 11100 1 rn:5 rd:5" FcmgeRegVec none same[FOp::CmpGe, false];
    "0 q 1 01110 0 10 rm:5 00100 1 rn:5 rd:5" FcmgeRegVecHalf none same[FOp::CmpGe, true];
    "0 q 1 01110 1 sz 1 rm:5 11100 1 rn:5 rd:5" FcmgtRegVec none same[FOp::CmpGt, false];
    "0 q 1 01110 1 10 rm:5 00100 1 rn:5 rd:5" FcmgtRegVecHalf none same[FOp::CmpGt, true];
    "0 q 1 01110 0 sz 1 rm:5 11101 1 rn:5 rd:5" FacgeVec none same[FOp::CmpAbsGe, false];
    "0 q 1 01110 0 10 rm:5 00101 1 rn:5 rd:5" FacgeVecHalf none same[FOp::CmpAbsGe, true];
    "0 q 1 01110 1 sz 1 rm:5 11101 1 rn:5 rd:5" FacgtVec none same[FOp::CmpAbsGt, false];
    "0 q 1 01110 1 10 rm:5 00101 1 rn:5 rd:5" FacgtVecHalf none same[FOp::CmpAbsGt, true];
    "0 q 1 01110 0 sz 1 rm:5 11110 1 rn:5 rd:5" FmaxpVec none same[FOp::PairMax, false];
    "0 q 1 01110 0 10 rm:5 00110 1 rn:5 rd:5" FmaxpVecHalf none same[FOp::PairMax, true];
    "0 q 1 01110 1 sz 1 rm:5 11110 1 rn:5 rd:5" FminpVec none same[FOp::PairMin, false];
    "0 q 1 01110 1 10 rm:5 00110 1 rn:5 rd:5" FminpVecHalf none same[FOp::PairMin, true];
    "0 q 1 01110 0 sz 1 rm:5 11111 1 rn:5 rd:5" FdivVec none same[FOp::Div, false];
    "0 q 1 01110 0 10 rm:5 00111 1 rn:5 rd:5" FdivVecHalf none same[FOp::Div, true];

    // Widening multiply-add (FEAT_FHM).
    "0 q 0 01110 0 0 1 rm:5 11101 1 rn:5 rd:5" Fmlal none long[FOp::MulAddLong, 0];
    "0 q 0 01110 1 0 1 rm:5 11101 1 rn:5 rd:5" Fmlsl none long[FOp::MulSubLong, 0];
    "0 q 1 01110 0 0 1 rm:5 11001 1 rn:5 rd:5" Fmlal2 none long[FOp::MulAddLong, 1];
    "0 q 1 01110 1 0 1 rm:5 11001 1 rn:5 rd:5" Fmlsl2 none long[FOp::MulSubLong, 1];

    // Advanced SIMD scalar three same, and its half-precision class.
    "01 0 11110 0 sz 1 rm:5 11011 1 rn:5 rd:5" FmulxScalar none same_scalar[FOp::MulX, false];
    "01 0 11110 0 10 rm:5 00011 1 rn:5 rd:5" FmulxScalarHalf none same_scalar[FOp::MulX, true];
    "01 0 11110 0 sz 1 rm:5 11100 1 rn:5 rd:5" FcmeqRegScalar none same_scalar[FOp::CmpEq, false];
    "01 0 11110 0 10 rm:5 00100 1 rn:5 rd:5" FcmeqRegScalarHalf none same_scalar[FOp::CmpEq, true];
    "01 0 11110 0 sz 1 rm:5 11111 1 rn:5 rd:5" FrecpsScalar none same_scalar[FOp::RecipStep, false];
    "01 0 11110 0 10 rm:5 00111 1 rn:5 rd:5" FrecpsScalarHalf none same_scalar[FOp::RecipStep, true];
    "01 0 11110 1 sz 1 rm:5 11111 1 rn:5 rd:5" FrsqrtsScalar none same_scalar[FOp::RsqrtStep, false];
    "01 0 11110 1 10 rm:5 00111 1 rn:5 rd:5" FrsqrtsScalarHalf none same_scalar[FOp::RsqrtStep, true];
    "01 1 11110 1 sz 1 rm:5 11010 1 rn:5 rd:5" FabdScalar none same_scalar[FOp::AbsDiff, false];
    "01 1 11110 1 10 rm:5 00010 1 rn:5 rd:5" FabdScalarHalf none same_scalar[FOp::AbsDiff, true];
    "01 1 11110 0 sz 1 rm:5 11100 1 rn:5 rd:5" FcmgeRegScalar none same_scalar[FOp::CmpGe, false];
    "01 1 11110 0 10 rm:5 00100 1 rn:5 rd:5" FcmgeRegScalarHalf none same_scalar[FOp::CmpGe, true];
    "01 1 11110 1 sz 1 rm:5 11100 1 rn:5 rd:5" FcmgtRegScalar none same_scalar[FOp::CmpGt, false];
    "01 1 11110 1 10 rm:5 00100 1 rn:5 rd:5" FcmgtRegScalarHalf none same_scalar[FOp::CmpGt, true];
    "01 1 11110 0 sz 1 rm:5 11101 1 rn:5 rd:5" FacgeScalar none same_scalar[FOp::CmpAbsGe, false];
    "01 1 11110 0 10 rm:5 00101 1 rn:5 rd:5" FacgeScalarHalf none same_scalar[FOp::CmpAbsGe, true];
    "01 1 11110 1 sz 1 rm:5 11101 1 rn:5 rd:5" FacgtScalar none same_scalar[FOp::CmpAbsGt, false];
    "01 1 11110 1 10 rm:5 00101 1 rn:5 rd:5" FacgtScalarHalf none same_scalar[FOp::CmpAbsGt, true];

    // Advanced SIMD three same, extra: complex numbers and BFloat16.
    "0 q 1 01110 size:2 0 rm:5 1 10 rot:2 1 rn:5 rd:5" FcmlaVec none complex_mul_add;
    "0 q 1 01110 size:2 0 rm:5 1 11 rot 0 1 rn:5 rd:5" Fcadd none complex_add;
    "0 q 1 01110 01 0 rm:5 1 1111 1 rn:5 rd:5" BfdotVec none bf16[FOp::Bf16Dot];
    "0 1 1 01110 01 0 rm:5 1 1101 1 rn:5 rd:5" Bfmmla none bf16[FOp::Bf16MatMul];
    "0 t 1 01110 11 0 rm:5 1 1111 1 rn:5 rd:5" BfmlalVec none bf16_long;

    // Advanced SIMD two-register miscellaneous, and its half-precision class.
    "0 q 0 01110 0 sz 10000 11000 10 rn:5 rd:5" FrintnVec none misc[FOp::RoundInt, round(R::NearestEven), false];
    "0 q 0 01110 0 111100 11000 10 rn:5 rd:5" FrintnVecHalf none misc[FOp::RoundInt, round(R::NearestEven), true];
    "0 q 0 01110 0 sz 10000 11001 10 rn:5 rd:5" FrintmVec none misc[FOp::RoundInt, round(R::Down), false];
    "0 q 0 01110 0 111100 11001 10 rn:5 rd:5" FrintmVecHalf none misc[FOp::RoundInt, round(R::Down), true];
    "0 q 0 01110 1 sz 10000 11000 10 rn:5 rd:5" FrintpVec none misc[FOp::RoundInt, round(R::Up), false];
    "0 q 0 01110 1 111100 11000 10 rn:5 rd:5" FrintpVecHalf none misc[FOp::RoundInt, round(R::Up), true];
    "0 q 0 01110 1 sz 10000 11001 10 rn:5 rd:5" FrintzVec none misc[FOp::RoundInt, round(R::Zero), false];
    "0 q 0 01110 1 111100 11001 10 rn:5 rd:5" FrintzVecHalf none misc[FOp::RoundInt, round(R::Zero), true];
    "0 q 1 01110 0 sz 10000 11000 10 rn:5 rd:5" FrintaVec none misc[FOp::RoundInt, round(R::NearestAway), false];
    "0 q 1 01110 0 111100 11000 10 rn:5 rd:5" FrintaVecHalf none misc[FOp::RoundInt, round(R::NearestAway), true];
    "0 q 1 01110 0 sz 10000 11001 10 rn:5 rd:5" FrintxVec none misc[FOp::RoundIntExact, round(R::Current), false];
    "0 q 1 01110 0 111100 11001 10 rn:5 rd:5" FrintxVecHalf none misc[FOp::RoundIntExact, round(R::Current), true];
    "0 q 1 01110 1 sz 10000 11001 10 rn:5 rd:5" FrintiVec none misc[FOp::RoundInt, round(R::Current), false];
    "0 q 1 01110 1 111100 11001 10 rn:5 rd:5" FrintiVecHalf none misc[FOp::RoundInt, round(R::Current), true];
    "0 q 0 01110 0 sz 10000 11110 10 rn:5 rd:5" Frint32zVec none misc[FOp::RoundInt32, round(R::Zero), false];
    "0 q 1 01110 0 sz 10000 11110 10 rn:5 rd:5" Frint32xVec none misc[FOp::RoundInt32, round(R::Current), false];
    "0 q 0 01110 0 sz 10000 11111 10 rn:5 rd:5" Frint64zVec none misc[FOp::RoundInt64, round(R::Zero), false];
    "0 q 1 01110 0 sz 10000 11111 10 rn:5 rd:5" Frint64xVec none misc[FOp::RoundInt64, round(R::Current), false];
    "0 q 0 01110 0 sz 10000 11010 10 rn:5 rd:5" FcvtnsVec none misc[FOp::ToSigned, to_int(R::NearestEven), false];
    "0 q 0 01110 0 111100 11010 10 rn:5 rd:5" FcvtnsVecHalf none misc[FOp::ToSigned, to_int(R::NearestEven), true];
    "0 q 0 01110 0 sz 10000 11011 10 rn:5 rd:5" FcvtmsVec none misc[FOp::ToSigned, to_int(R::Down), false];
    "0 q 0 01110 0 111100 11011 10 rn:5 rd:5" FcvtmsVecHalf none misc[FOp::ToSigned, to_int(R::Down), true];
    "0 q 0 01110 0 sz 10000 11100 10 rn:5 rd:5" FcvtasVec none misc[FOp::ToSigned, to_int(R::NearestAway), false];
    "0 q 0 01110 0 111100 11100 10 rn:5 rd:5" FcvtasVecHalf none misc[FOp::ToSigned, to_int(R::NearestAway), true];
    "0 q 0 01110 0 sz 10000 11101 10 rn:5 rd:5" ScvtfVec none misc[FOp::FromSigned, 0, false];
    "0 q 0 01110 0 111100 11101 10 rn:5 rd:5" ScvtfVecHalf none misc[FOp::FromSigned, 0, true];
    "0 q 0 01110 1 sz 10000 11010 10 rn:5 rd:5" FcvtpsVec none misc[FOp::ToSigned, to_int(R::Up), false];
    "0 q 0 01110 1 111100 11010 10 rn:5 rd:5" FcvtpsVecHalf none misc[FOp::ToSigned, to_int(R::Up), true];
    "0 q 0 01110 1 sz 10000 11011 10 rn:5 rd:5" FcvtzsVec none misc[FOp::ToSigned, to_int(R::Zero), false];
    "0 q 0 01110 1 111100 11011 10 rn:5 rd:5" FcvtzsVecHalf none misc[FOp::ToSigned, to_int(R::Zero), true];
    "0 q 1 01110 0 sz 10000 11010 10 rn:5 rd:5" FcvtnuVec none misc[FOp::ToUnsigned, to_int(R::NearestEven), false];
    "0 q 1 01110 0 111100 11010 10 rn:5 rd:5" FcvtnuVecHalf none misc[FOp::ToUnsigned, to_int(R::NearestEven), true];
    "0 q 1 01110 0 sz 10000 11011 10 rn:5 rd:5" FcvtmuVec none misc[FOp::ToUnsigned, to_int(R::Down), false];
    "0 q 1 01110 0 111100 11011 10 rn:5 rd:5" FcvtmuVecHalf none misc[FOp::ToUnsigned, to_int(R::Down), true];
    "0 q 1 01110 0 sz 10000 11100 10 rn:5 rd:5" FcvtauVec none misc[FOp::ToUnsigned, to_int(R::NearestAway), false];
    "0 q 1 01110 0 111100 11100 10 rn:5 rd:5" FcvtauVecHalf none misc[FOp::ToUnsigned, to_int(R::NearestAway), true];
    "0 q 1 01110 0 sz 10000 11101 10 rn:5 rd:5" UcvtfVec none misc[FOp::FromUnsigned, 0, false];
    "0 q 1 01110 0 111100 11101 10 rn:5 rd:5" UcvtfVecHalf none misc[FOp::FromUnsigned, 0, true];
    "0 q 1 01110 1 sz 10000 11010 10 rn:5 rd:5" FcvtpuVec none misc[FOp::ToUnsigned, to_int(R::Up), false];
    "0 q 1 01110 1 111100 11010 10 rn:5 rd:5" FcvtpuVecHalf none misc[FOp::ToUnsigned, to_int(R::Up), true];
    "0 q 1 01110 1 sz 10000 11011 10 rn:5 rd:5" FcvtzuVec none misc[FOp::ToUnsigned, to_int(R::Zero), false];
    "0 q 1 01110 1 111100 11011 10 rn:5 rd:5" FcvtzuVecHalf none misc[FOp::ToUnsigned, to_int(R::Zero), true];
    "0 q 0 01110 1 sz 10000 01100 10 rn:5 rd:5" FcmgtZeroVec none misc[FOp::CmpGtZero, 0, false];
    "0 q 0 01110 1 111100 01100 10 rn:5 rd:5" FcmgtZeroVecHalf none misc[FOp::CmpGtZero, 0, true];
    "0 q 0 01110 1 sz 10000 01101 10 rn:5 rd:5" FcmeqZeroVec none misc[FOp::CmpEqZero, 0, false];
    "0 q 0 01110 1 111100 01101 10 rn:5 rd:5" FcmeqZeroVecHalf none misc[FOp::CmpEqZero, 0, true];
    "0 q 0 01110 1 sz 10000 01110 10 rn:5 rd:5" FcmltZeroVec none misc[FOp::CmpLtZero, 0, false];
    "0 q 0 01110 1 111100 01110 10 rn:5 rd:5" FcmltZeroVecHalf none misc[FOp::CmpLtZero, 0, true];
    "0 q 1 01110 1 sz 10000 01100 10 rn:5 rd:5" FcmgeZeroVec none misc[FOp::CmpGeZero, 0, false];
    "0 q 1 01110 1 111100 01100 10 rn:5 rd:5" FcmgeZeroVecHalf none misc[FOp::CmpGeZero, 0, true];
    "0 q 1 01110 1 sz 10000 01101 10 rn:5 rd:5" FcmleZeroVec none misc[FOp::CmpLeZero, 0, false];
    "0 q 1 01110 1 111100 01101 10 rn:5 rd:5" FcmleZeroVecHalf none misc[FOp::CmpLeZero, 0, true];
    "0 q 0 01110 1 sz 10000 01111 10 rn:5 rd:5" FabsVec none misc[FOp::Abs, 0, false];
    "0 q 0 01110 1 111100 01111 10 rn:5 rd:5" FabsVecHalf none misc[FOp::Abs, 0, true];
    "0 q 1 01110 1 sz 10000 01111 10 rn:5 rd:5" FnegVec none misc[FOp::Neg, 0, false];
    "0 q 1 01110 1 111100 01111 10 rn:5 rd:5" FnegVecHalf none misc[FOp::Neg, 0, true];
    "0 q 0 01110 1 sz 10000 11101 10 rn:5 rd:5" FrecpeVec none misc[FOp::RecipEstimate, 0, false];
    "0 q 0 01110 1 111100 11101 10 rn:5 rd:5" FrecpeVecHalf none misc[FOp::RecipEstimate, 0, true];
    "0 q 1 01110 1 sz 10000 11101 10 rn:5 rd:5" FrsqrteVec none misc[FOp::RsqrtEstimate, 0, false];
    "0 q 1 01110 1 111100 11101 10 rn:5 rd:5" FrsqrteVecHalf none misc[FOp::RsqrtEstimate, 0, true];
    "0 q 1 01110 1 sz 10000 11111 10 rn:5 rd:5" FsqrtVec none misc[FOp::Sqrt, 0, false];
    "0 q 1 01110 1 111100 11111 10 rn:5 rd:5" FsqrtVecHalf none misc[FOp::Sqrt, 0, true];
    "0 q 0 01110 0 sz 10000 10110 10 rn:5 rd:5" Fcvtn none narrow;
    "0 q 0 01110 0 sz 10000 10111 10 rn:5 rd:5" Fcvtl none widen;
    "0 q 1 01110 0 1 10000 10110 10 rn:5 rd:5" FcvtxnVec none narrow_odd;
    "0 q 0 01110 1 0 10000 10110 10 rn:5 rd:5" Bfcvtn none narrow_bf16;

    // Advanced SIMD scalar two-register miscellaneous, and its half-precision class.
    "01 0 11110 0 sz 10000 11010 10 rn:5 rd:5" FcvtnsScalar none misc_scalar[FOp::ToSigned, to_int(R::NearestEven), false];
    "01 0 11110 0 111100 11010 10 rn:5 rd:5" FcvtnsScalarHalf none misc_scalar[FOp::ToSigned, to_int(R::NearestEven), true];
    "01 0 11110 0 sz 10000 11011 10 rn:5 rd:5" FcvtmsScalar none misc_scalar[FOp::ToSigned, to_int(R::Down), false];
    "01 0 11110 0 111100 11011 10 rn:5 rd:5" FcvtmsScalarHalf none misc_scalar[FOp::ToSigned, to_int(R::Down), true];
    "01 0 11110 0 sz 10000 11100 10 rn:5 rd:5" FcvtasScalar none misc_scalar[FOp::ToSigned, to_int(R::NearestAway), false];
    "01 0 11110 0 111100 11100 10 rn:5 rd:5" FcvtasScalarHalf none misc_scalar[FOp::ToSigned, to_int(R::NearestAway), true];
    "01 0 11110 0 sz 10000 11101 10 rn:5 rd:5" ScvtfScalar none misc_scalar[FOp::FromSigned, 0, false];
    "01 0 11110 0 111100 11101 10 rn:5 rd:5" ScvtfScalarHalf none misc_scalar[FOp::FromSigned, 0, true];
    "01 0 11110 1 sz 10000 11010 10 rn:5 rd:5" FcvtpsScalar none misc_scalar[FOp::ToSigned, to_int(R::Up), false];
    "01 0 11110 1 111100 11010 10 rn:5 rd:5" FcvtpsScalarHalf none misc_scalar[FOp::ToSigned, to_int(R::Up), true];
    "01 0 11110 1 sz 10000 11011 10 rn:5 rd:5" FcvtzsScalar none misc_scalar[FOp::ToSigned, to_int(R::Zero), false];
    "01 0 11110 1 111100 11011 10 rn:5 rd:5" FcvtzsScalarHalf none misc_scalar[FOp::ToSigned, to_int(R::Zero), true];
    "01 1 11110 0 sz 10000 11010 10 rn:5 rd:5" FcvtnuScalar none misc_scalar[FOp::ToUnsigned, to_int(R::NearestEven), false];
    "01 1 11110 0 111100 11010 10 rn:5 rd:5" FcvtnuScalarHalf none misc_scalar[FOp::ToUnsigned, to_int(R::NearestEven), true];
    "01 1 11110 0 sz 10000 11011 10 rn:5 rd:5" FcvtmuScalar none misc_scalar[FOp::ToUnsigned, to_int(R::Down), false];
    "01 1 11110 0 111100 11011 10 rn:5 rd:5" FcvtmuScalarHalf none misc_scalar[FOp::ToUnsigned, to_int(R::Down), true];
    "01 1 11110 0 sz 10000 11100 10 rn:5 rd:5" FcvtauScalar none misc_scalar[FOp::ToUnsigned, to_int(R::NearestAway), false];
    "01 1 11110 0 111100 11100 10 rn:5 rd:5" FcvtauScalarHalf none misc_scalar[FOp::ToUnsigned, to_int(R::NearestAway), true];
    "01 1 11110 0 sz 10000 11101 10 rn:5 rd:5" UcvtfScalar none misc_scalar[FOp::FromUnsigned, 0, false];
    "01 1 11110 0 111100 11101 10 rn:5 rd:5" UcvtfScalarHalf none misc_scalar[FOp::FromUnsigned, 0, true];
    "01 1 11110 1 sz 10000 11010 10 rn:5 rd:5" FcvtpuScalar none misc_scalar[FOp::ToUnsigned, to_int(R::Up), false];
    "01 1 11110 1 111100 11010 10 rn:5 rd:5" FcvtpuScalarHalf none misc_scalar[FOp::ToUnsigned, to_int(R::Up), true];
    "01 1 11110 1 sz 10000 11011 10 rn:5 rd:5" FcvtzuScalar none misc_scalar[FOp::ToUnsigned, to_int(R::Zero), false];
    "01 1 11110 1 111100 11011 10 rn:5 rd:5" FcvtzuScalarHalf none misc_scalar[FOp::ToUnsigned, to_int(R::Zero), true];
    "01 0 11110 1 sz 10000 01100 10 rn:5 rd:5" FcmgtZeroScalar none misc_scalar[FOp::CmpGtZero, 0, false];
    "01 0 11110 1 111100 01100 10 rn:5 rd:5" FcmgtZeroScalarHalf none misc_scalar[FOp::CmpGtZero, 0, true];
    "01 0 11110 1 sz 10000 01101 10 rn:5 rd:5" FcmeqZeroScalar none misc_scalar[FOp::CmpEqZero, 0, false];
    "01 0 11110 1 111100 01101 10 rn:5 rd:5" FcmeqZeroScalarHalf none misc_scalar[FOp::CmpEqZero, 0, true];
    "01 0 11110 1 sz 10000 01110 10 rn:5 rd:5" FcmltZeroScalar none misc_scalar[FOp::CmpLtZero, 0, false];
    "01 0 11110 1 111100 01110 10 rn:5 rd:5" FcmltZeroScalarHalf none misc_scalar[FOp::CmpLtZero, 0, true];
    "01 1 11110 1 sz 10000 01100 10 rn:5 rd:5" FcmgeZeroScalar none misc_scalar[FOp::CmpGeZero, 0, false];
    "01 1 11110 1 111100 01100 10 rn:5 rd:5" FcmgeZeroScalarHalf none misc_scalar[FOp::CmpGeZero, 0, true];
    "01 1 11110 1 sz 10000 01101 10 rn:5 rd:5" FcmleZeroScalar none misc_scalar[FOp::CmpLeZero, 0, false];
    "01 1 11110 1 111100 01101 10 rn:5 rd:5" FcmleZeroScalarHalf none misc_scalar[FOp::CmpLeZero, 0, true];
    "01 0 11110 1 sz 10000 11101 10 rn:5 rd:5" FrecpeScalar none misc_scalar[FOp::RecipEstimate, 0, false];
    "01 0 11110 1 111100 11101 10 rn:5 rd:5" FrecpeScalarHalf none misc_scalar[FOp::RecipEstimate, 0, true];
    "01 1 11110 1 sz 10000 11101 10 rn:5 rd:5" FrsqrteScalar none misc_scalar[FOp::RsqrtEstimate, 0, false];
    "01 1 11110 1 111100 11101 10 rn:5 rd:5" FrsqrteScalarHalf none misc_scalar[FOp::RsqrtEstimate, 0, true];
    "01 0 11110 1 sz 10000 11111 10 rn:5 rd:5" FrecpxScalar none misc_scalar[FOp::RecipExponent, 0, false];
    "01 0 11110 1 111100 11111 10 rn:5 rd:5" FrecpxScalarHalf none misc_scalar[FOp::RecipExponent, 0, true];
    "01 1 11110 0 1 10000 10110 10 rn:5 rd:5" FcvtxnScalar none narrow_odd_scalar;

    // Advanced SIMD across lanes.
    "0 1 1 01110 0 0 11000 01100 10 rn:5 rd:5" Fmaxnmv none across[FOp::AcrossMaxNum, 2];
    "0 q 0 01110 0 0 11000 01100 10 rn:5 rd:5" FmaxnmvHalf none across[FOp::AcrossMaxNum, 1];
    "0 1 1 01110 1 0 11000 01100 10 rn:5 rd:5" Fminnmv none across[FOp::AcrossMinNum, 2];
    "0 q 0 01110 1 0 11000 01100 10 rn:5 rd:5" FminnmvHalf none across[FOp::AcrossMinNum, 1];
    "0 1 1 01110 0 0 11000 01111 10 rn:5 rd:5" Fmaxv none across[FOp::AcrossMax, 2];
    "0 q 0 01110 0 0 11000 01111 10 rn:5 rd:5" FmaxvHalf none across[FOp::AcrossMax, 1];
    "0 1 1 01110 1 0 11000 01111 10 rn:5 rd:5" Fminv none across[FOp::AcrossMin, 2];
    "0 q 0 01110 1 0 11000 01111 10 rn:5 rd:5" FminvHalf none across[FOp::AcrossMin, 1];

    // Advanced SIMD scalar pairwise.
    "01 1 11110 0 sz 11000 01100 10 rn:5 rd:5" FmaxnmpScalar none misc_scalar[FOp::PairMaxNum, 0, false];
    "01 0 11110 0 0 11000 01100 10 rn:5 rd:5" FmaxnmpScalarHalf none misc_scalar[FOp::PairMaxNum, 0, true];
    "01 1 11110 1 sz 11000 01100 10 rn:5 rd:5" FminnmpScalar none misc_scalar[FOp::PairMinNum, 0, false];
    "01 0 11110 1 0 11000 01100 10 rn:5 rd:5" FminnmpScalarHalf none misc_scalar[FOp::PairMinNum, 0, true];
    "01 1 11110 0 sz 11000 01101 10 rn:5 rd:5" FaddpScalar none misc_scalar[FOp::PairAdd, 0, false];
    "01 0 11110 0 0 11000 01101 10 rn:5 rd:5" FaddpScalarHalf none misc_scalar[FOp::PairAdd, 0, true];
    "01 1 11110 0 sz 11000 01111 10 rn:5 rd:5" FmaxpScalar none misc_scalar[FOp::PairMax, 0, false];
    "01 0 11110 0 0 11000 01111 10 rn:5 rd:5" FmaxpScalarHalf none misc_scalar[FOp::PairMax, 0, true];
    "01 1 11110 1 sz 11000 01111 10 rn:5 rd:5" FminpScalar none misc_scalar[FOp::PairMin, 0, false];
    "01 0 11110 1 0 11000 01111 10 rn:5 rd:5" FminpScalarHalf none misc_scalar[FOp::PairMin, 0, true];

    // Advanced SIMD shift by immediate, vector and scalar: conversions with fraction bits.
    "0 q 0 011110 1 immhb:6 11100 1 rn:5 rd:5" ScvtfFixedVecD none fixed[FOp::FromSigned, 3];
    "01 0 111110 1 immhb:6 11100 1 rn:5 rd:5" ScvtfFixedScalarD none fixed_scalar[FOp::FromSigned, 3];
    "0 q 0 011110 1 immhb:6 11111 1 rn:5 rd:5" FcvtzsFixedVecD none fixed[FOp::ToSigned, 3];
    "01 0 111110 1 immhb:6 11111 1 rn:5 rd:5" FcvtzsFixedScalarD none fixed_scalar[FOp::ToSigned, 3];
    "0 q 1 011110 1 immhb:6 11100 1 rn:5 rd:5" UcvtfFixedVecD none fixed[FOp::FromUnsigned, 3];
    "01 1 111110 1 immhb:6 11100 1 rn:5 rd:5" UcvtfFixedScalarD none fixed_scalar[FOp::FromUnsigned, 3];
    "0 q 1 011110 1 immhb:6 11111 1 rn:5 rd:5" FcvtzuFixedVecD none fixed[FOp::ToUnsigned, 3];
    "01 1 111110 1 immhb:6 11111 1 rn:5 rd:5" FcvtzuFixedScalarD none fixed_scalar[FOp::ToUnsigned, 3];
    "0 q 0 011110 01 immhb:5 11100 1 rn:5 rd:5" ScvtfFixedVecS none fixed[FOp::FromSigned, 2];
    "01 0 111110 01 immhb:5 11100 1 rn:5 rd:5" ScvtfFixedScalarS none fixed_scalar[FOp::FromSigned, 2];
    "0 q 0 011110 01 immhb:5 11111 1 rn:5 rd:5" FcvtzsFixedVecS none fixed[FOp::ToSigned, 2];
    "01 0 111110 01 immhb:5 11111 1 rn:5 rd:5" FcvtzsFixedScalarS none fixed_scalar[FOp::ToSigned, 2];
    "0 q 1 011110 01 immhb:5 11100 1 rn:5 rd:5" UcvtfFixedVecS none fixed[FOp::FromUnsigned, 2];
    "01 1 111110 01 immhb:5 11100 1 rn:5 rd:5" UcvtfFixedScalarS none fixed_scalar[FOp::FromUnsigned, 2];
    "0 q 1 011110 01 immhb:5 11111 1 rn:5 rd:5" FcvtzuFixedVecS none fixed[FOp::ToUnsigned, 2];
    "01 1 111110 01 immhb:5 11111 1 rn:5 rd:5" FcvtzuFixedScalarS none fixed_scalar[FOp::ToUnsigned, 2];
    "0 q 0 011110 001 immhb:4 11100 1 rn:5 rd:5" ScvtfFixedVecH none fixed[FOp::FromSigned, 1];
    "01 0 111110 001 immhb:4 11100 1 rn:5 rd:5" ScvtfFixedScalarH none fixed_scalar[FOp::FromSigned, 1];
    "0 q 0 011110 001 immhb:4 11111 1 rn:5 rd:5" FcvtzsFixedVecH none fixed[FOp::ToSigned, 1];
    "01 0 111110 001 immhb:4 11111 1 rn:5 rd:5" FcvtzsFixedScalarH none fixed_scalar[FOp::ToSigned, 1];
    "0 q 1 011110 001 immhb:4 11100 1 rn:5 rd:5" UcvtfFixedVecH none fixed[FOp::FromUnsigned, 1];
    "01 1 111110 001 immhb:4 11100 1 rn:5 rd:5" UcvtfFixedScalarH none fixed_scalar[FOp::FromUnsigned, 1];
    "0 q 1 011110 001 immhb:4 11111 1 rn:5 rd:5" FcvtzuFixedVecH none fixed[FOp::ToUnsigned, 1];
    "01 1 111110 001 immhb:4 11111 1 rn:5 rd:5" FcvtzuFixedScalarH none fixed_scalar[FOp::ToUnsigned, 1];

    // Advanced SIMD vector by indexed element, and scalar.
    "0 q 0 01111 1 0 l m rm:4 0001 h 0 rn:5 rd:5" FmlaElemS none element[FOp::MulAdd, 2];
    "01 0 11111 1 0 l m rm:4 0001 h 0 rn:5 rd:5" FmlaElemScalarS none element_scalar[FOp::MulAdd, 2];
    "0 q 0 01111 1 1 l m rm:4 0001 h 0 rn:5 rd:5" FmlaElemD none element[FOp::MulAdd, 3];
    "01 0 11111 1 1 l m rm:4 0001 h 0 rn:5 rd:5" FmlaElemScalarD none element_scalar[FOp::MulAdd, 3];
    "0 q 0 01111 0 0 l m rm:4 0001 h 0 rn:5 rd:5" FmlaElemH none element[FOp::MulAdd, 1];
    "01 0 11111 0 0 l m rm:4 0001 h 0 rn:5 rd:5" FmlaElemScalarH none element_scalar[FOp::MulAdd, 1];
    "0 q 0 01111 1 0 l m rm:4 0101 h 0 rn:5 rd:5" FmlsElemS none element[FOp::MulSub, 2];
    "01 0 11111 1 0 l m rm:4 0101 h 0 rn:5 rd:5" FmlsElemScalarS none element_scalar[FOp::MulSub, 2];
    "0 q 0 01111 1 1 l m rm:4 0101 h 0 rn:5 rd:5" FmlsElemD none element[FOp::MulSub, 3];
    "01 0 11111 1 1 l m rm:4 0101 h 0 rn:5 rd:5" FmlsElemScalarD none element_scalar[FOp::MulSub, 3];
    "0 q 0 01111 0 0 l m rm:4 0101 h 0 rn:5 rd:5" FmlsElemH none element[FOp::MulSub, 1];
    "01 0 11111 0 0 l m rm:4 0101 h 0 rn:5 rd:5" FmlsElemScalarH none element_scalar[FOp::MulSub, 1];
    "0 q 0 01111 1 0 l m rm:4 1001 h 0 rn:5 rd:5" FmulElemS none element[FOp::Mul, 2];
    "01 0 11111 1 0 l m rm:4 1001 h 0 rn:5 rd:5" FmulElemScalarS none element_scalar[FOp::Mul, 2];
    "0 q 0 01111 1 1 l m rm:4 1001 h 0 rn:5 rd:5" FmulElemD none element[FOp::Mul, 3];
    "01 0 11111 1 1 l m rm:4 1001 h 0 rn:5 rd:5" FmulElemScalarD none element_scalar[FOp::Mul, 3];
    "0 q 0 01111 0 0 l m rm:4 1001 h 0 rn:5 rd:5" FmulElemH none element[FOp::Mul, 1];
    "01 0 11111 0 0 l m rm:4 1001 h 0 rn:5 rd:5" FmulElemScalarH none element_scalar[FOp::Mul, 1];
    "0 q 1 01111 1 0 l m rm:4 1001 h 0 rn:5 rd:5" FmulxElemS none element[FOp::MulX, 2];
    "01 1 11111 1 0 l m rm:4 1001 h 0 rn:5 rd:5" FmulxElemScalarS none element_scalar[FOp::MulX, 2];
    "0 q 1 01111 1 1 l m rm:4 1001 h 0 rn:5 rd:5" FmulxElemD none element[FOp::MulX, 3];
    "01 1 11111 1 1 l m rm:4 1001 h 0 rn:5 rd:5" FmulxElemScalarD none element_scalar[FOp::MulX, 3];
    "0 q 1 01111 0 0 l m rm:4 1001 h 0 rn:5 rd:5" FmulxElemH none element[FOp::MulX, 1];
    "01 1 11111 0 0 l m rm:4 1001 h 0 rn:5 rd:5" FmulxElemScalarH none element_scalar[FOp::MulX, 1];
    "0 q 1 01111 01 l m rm:4 0 rot:2 1 h 0 rn:5 rd:5" FcmlaElemH none complex_element[1];
    "0 1 1 01111 10 0 m rm:4 0 rot:2 1 h 0 rn:5 rd:5" FcmlaElemS none complex_element[2];
    "0 q 0 01111 10 l m rm:4 0000 h 0 rn:5 rd:5" FmlalElem none long_element[FOp::MulAddLong, 0];
    "0 q 0 01111 10 l m rm:4 0100 h 0 rn:5 rd:5" FmlslElem none long_element[FOp::MulSubLong, 0];
    "0 q 1 01111 10 l m rm:4 1000 h 0 rn:5 rd:5" Fmlal2Elem none long_element[FOp::MulAddLong, 1];
    "0 q 1 01111 10 l m rm:4 1100 h 0 rn:5 rd:5" Fmlsl2Elem none long_element[FOp::MulSubLong, 1];
    "0 q 0 01111 01 l m rm:4 1111 h 0 rn:5 rd:5" BfdotElem none bf16_dot_element;
    "0 t 0 01111 11 l m rm:4 1111 h 0 rn:5 rd:5" BfmlalElem none bf16_long_element;
}

const fn round(direction: R) -> u32 {
    imm::round(direction)
}

const fn to_int(direction: R) -> u32 {
    imm::to_int(direction, 0)
}

/// Bytes of a vector by Q (bit 30).
#[inline]
fn vector_bytes(i: Insn) -> u8 {
    if i.bit(30) { 16 } else { 8 }
}

/// Lane size (log2 of the bytes) by `sz`.
#[inline]
fn lane(i: Insn, half: bool) -> u8 {
    if half { 1 } else { 2 + field!(i.sz) as u8 }
}

/// Operands Vd, Vn, Vm with Vd as accumulator.
#[inline]
fn args(i: Insn, es: u8, bytes: u8, imm: u32) -> VArgs {
    VArgs { d: i.vd(), a: i.vn(), b: i.vm(), c: i.vd(), es, bytes, imm }
}

/// An operation on whole vectors. A vector of a single double is reserved.
fn vector<O: Ops>(o: &mut O, i: Insn, op: FOp, es: u8, imm: u32) {
    if es == 3 && !i.bit(30) {
        return undefined(o);
    }
    o.fp(op, args(i, es, vector_bytes(i), imm));
}

fn same<O: Ops>(o: &mut O, i: Insn, op: FOp, half: bool) {
    vector(o, i, op, lane(i, half), 0);
}

fn same_scalar<O: Ops>(o: &mut O, i: Insn, op: FOp, half: bool) {
    let es = lane(i, half);
    o.fp(op, args(i, es, 1 << es, 0));
}

fn long<O: Ops>(o: &mut O, i: Insn, op: FOp, high: u32) {
    o.fp(op, args(i, 1, vector_bytes(i), high));
}

fn complex_mul_add<O: Ops>(o: &mut O, i: Insn) {
    complex(o, i, FOp::ComplexMulAdd, field!(i.rot, of complex_mul_add));
}

fn complex_add<O: Ops>(o: &mut O, i: Insn) {
    complex(o, i, FOp::ComplexAdd, 1 + 2 * field!(i.rot, of complex_add));
}

fn complex<O: Ops>(o: &mut O, i: Insn, op: FOp, rotation: u32) {
    match field!(i.size) as u8 {
        0 => undefined(o),
        es => vector(o, i, op, es, rotation),
    }
}

fn bf16<O: Ops>(o: &mut O, i: Insn, op: FOp) {
    o.fp(op, args(i, 2, vector_bytes(i), 0));
}

/// Bit 30 is not Q here but selects the odd elements.
fn bf16_long<O: Ops>(o: &mut O, i: Insn) {
    o.fp(FOp::Bf16MulAdd, args(i, 2, 16, field!(i.t)));
}

fn misc<O: Ops>(o: &mut O, i: Insn, op: FOp, imm: u32, half: bool) {
    vector(o, i, op, lane(i, half), imm);
}

fn misc_scalar<O: Ops>(o: &mut O, i: Insn, op: FOp, imm: u32, half: bool) {
    let es = lane(i, half);
    o.fp(op, args(i, es, 1 << es, imm));
}

fn narrow<O: Ops>(o: &mut O, i: Insn) {
    let to = 1 + field!(i.sz);
    narrowing(o, i, FOp::Convert, FOp::NarrowHigh, to as u8 + 1, to);
}

fn narrow_odd<O: Ops>(o: &mut O, i: Insn) {
    narrowing(o, i, FOp::NarrowOdd, FOp::NarrowOddHigh, 3, 2);
}

fn narrow_odd_scalar<O: Ops>(o: &mut O, i: Insn) {
    o.fp(FOp::NarrowOdd, args(i, 3, 4, 2));
}

fn narrow_bf16<O: Ops>(o: &mut O, i: Insn) {
    narrowing(o, i, FOp::ToBf16, FOp::ToBf16High, 2, 0);
}

/// Into the low half, zero above; or with Q into the high half, the low one stays.
fn narrowing<O: Ops>(o: &mut O, i: Insn, low: FOp, high: FOp, es: u8, imm: u32) {
    if i.bit(30) {
        o.fp(high, args(i, es, 16, imm));
    } else {
        o.fp(low, args(i, es, 8, imm));
    }
}

fn widen<O: Ops>(o: &mut O, i: Insn) {
    let es = 1 + field!(i.sz);
    let op = if field!(set i.q) { FOp::WidenHigh } else { FOp::Convert };
    o.fp(op, args(i, es as u8, 16, es + 1));
}

fn across<O: Ops>(o: &mut O, i: Insn, op: FOp, es: u8) {
    o.fp(op, args(i, es, vector_bytes(i), 0));
}

/// immh:immb (bits 22 to 16) is twice the lane's bits less the fraction bits.
#[inline]
fn fixed_imm(i: Insn, es: u8) -> u32 {
    imm::to_int(R::Zero, ((16 << es) - i.bits(16, 7)) as u8)
}

fn fixed<O: Ops>(o: &mut O, i: Insn, op: FOp, es: u8) {
    vector(o, i, op, es, fixed_imm(i, es));
}

fn fixed_scalar<O: Ops>(o: &mut O, i: Insn, op: FOp, es: u8) {
    o.fp(op, args(i, es, 1 << es, fixed_imm(i, es)));
}

/// Broadcasts lane `index` of `v` to the temporary, which is returned.
fn broadcast<O: Ops>(o: &mut O, v: u8, es: u8, index: u32, bytes: u8) -> V {
    o.vec(VOp::DupLane, VArgs { d: V::T0, a: V(v), b: V(v), c: V(v), es, bytes, imm: index });
    V::T0
}

/// H:L:M, the number of a half-precision element of one of the first 16 registers.
#[inline]
fn half_index(i: Insn) -> u32 {
    field!(i.h) << 2 | field!(i.l) << 1 | field!(i.m)
}

/// The element's register and number; `None` is reserved.
#[inline]
fn element_of(i: Insn, es: u8) -> Option<(u8, u32)> {
    match es {
        1 => Some((i.m() & 15, half_index(i))),
        2 => Some((i.m(), field!(i.h) << 1 | field!(i.l))),
        _ if field!(set i.l) => None,
        _ => Some((i.m(), field!(i.h))),
    }
}

fn element<O: Ops>(o: &mut O, i: Insn, op: FOp, es: u8) {
    match element_of(i, es) {
        Some((m, index)) if es < 3 || field!(set i.q) => {
            let b = broadcast(o, m, es, index, vector_bytes(i));
            o.fp(op, VArgs { b, ..args(i, es, vector_bytes(i), 0) });
        }
        _ => undefined(o),
    }
}

fn element_scalar<O: Ops>(o: &mut O, i: Insn, op: FOp, es: u8) {
    let Some((m, index)) = element_of(i, es) else { return undefined(o) };
    let b = if index == 0 { V(m) } else { broadcast(o, m, es, index, 1 << es) };
    o.fp(op, VArgs { b, ..args(i, es, 1 << es, 0) });
}

/// The element is a pair of lanes: real and imaginary part.
fn complex_element<O: Ops>(o: &mut O, i: Insn, es: u8) {
    let index = if es == 1 { field!(i.h) << 1 | i.bits(21, 1) } else { field!(i.h) };
    if es == 1 && !i.bit(30) && field!(set i.h) {
        return undefined(o);
    }
    let b = broadcast(o, i.m(), es + 1, index, vector_bytes(i));
    o.fp(FOp::ComplexMulAdd, VArgs { b, ..args(i, es, vector_bytes(i), field!(i.rot, of complex_element)) });
}

fn long_element<O: Ops>(o: &mut O, i: Insn, op: FOp, high: u32) {
    let b = broadcast(o, i.m() & 15, 1, half_index(i), vector_bytes(i));
    o.fp(op, VArgs { b, ..args(i, 1, vector_bytes(i), high) });
}

fn bf16_dot_element<O: Ops>(o: &mut O, i: Insn) {
    let b = broadcast(o, i.m(), 2, field!(i.h) << 1 | field!(i.l), vector_bytes(i));
    o.fp(FOp::Bf16Dot, VArgs { b, ..args(i, 2, vector_bytes(i), 0) });
}

fn bf16_long_element<O: Ops>(o: &mut O, i: Insn) {
    let b = broadcast(o, i.m() & 15, 1, half_index(i), 16);
    o.fp(FOp::Bf16MulAdd, VArgs { b, ..args(i, 2, 16, field!(i.t)) });
}

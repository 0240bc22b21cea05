//! Advanced SIMD data processing with three registers (Arm ARM F4.1.7 "Advanced SIMD three
//! registers of the same length", "... of different lengths", "two registers and a scalar"). T32
//! has the same fields.
//!
//! Rows name the vector operation and the element sizes that are allocated. In terms of the manual,
//! a is Vn, b is Vm and c is Vd. A D register is half of a slot: see [`vector`]. Floating point is
//! done in the standard FPSCR ([`Ops::fp_standard`]); there is none of half precision.

use crate::decode::{Insn, undefined};
use crate::vfp::{operand, put, vd, vm, vn};
use anyarch_engine::field;
use anyarch_engine::fp::{self, FOp};
use anyarch_engine::ops::{Effects, Helper, HelperExit, Ops, V, VArgs};
use anyarch_engine::state::Cpu;
use anyarch_engine::vec::VOp;

/// Sets of element sizes, as bits by log2 of the bytes.
pub(crate) const B: u8 = 1;
pub(crate) const S: u8 = 4;
pub(crate) const HS: u8 = 6;
pub(crate) const BH: u8 = 3;
pub(crate) const BHS: u8 = 7;
pub(crate) const BHSD: u8 = 15;

anyarch_engine::rows! {
    // Three registers of the same length.
    "1111 001 0 0 d size:2 vn:4 vd:4 0000 n q m 0 vm:4" VhaddS none same[VOp::HalfAddS, BHS];
    "1111 001 1 0 d size:2 vn:4 vd:4 0000 n q m 0 vm:4" VhaddU none same[VOp::HalfAddU, BHS];
    "1111 001 0 0 d size:2 vn:4 vd:4 0000 n q m 1 vm:4" VqaddS none same[VOp::AddSatS, BHSD];
    "1111 001 1 0 d size:2 vn:4 vd:4 0000 n q m 1 vm:4" VqaddU none same[VOp::AddSatU, BHSD];
    "1111 001 0 0 d size:2 vn:4 vd:4 0001 n q m 0 vm:4" VrhaddS none same[VOp::HalfAddRoundS, BHS];
    "1111 001 1 0 d size:2 vn:4 vd:4 0001 n q m 0 vm:4" VrhaddU none same[VOp::HalfAddRoundU, BHS];
    "1111 001 0 0 d size:2 vn:4 vd:4 0010 n q m 0 vm:4" VhsubS none same[VOp::HalfSubS, BHS];
    "1111 001 1 0 d size:2 vn:4 vd:4 0010 n q m 0 vm:4" VhsubU none same[VOp::HalfSubU, BHS];
    "1111 001 0 0 d size:2 vn:4 vd:4 0010 n q m 1 vm:4" VqsubS none same[VOp::SubSatS, BHSD];
    "1111 001 1 0 d size:2 vn:4 vd:4 0010 n q m 1 vm:4" VqsubU none same[VOp::SubSatU, BHSD];
    "1111 001 0 0 d size:2 vn:4 vd:4 0011 n q m 0 vm:4" VcgtS none same[VOp::CmpGtS, BHS];
    "1111 001 1 0 d size:2 vn:4 vd:4 0011 n q m 0 vm:4" VcgtU none same[VOp::CmpGtU, BHS];
    "1111 001 0 0 d size:2 vn:4 vd:4 0011 n q m 1 vm:4" VcgeS none same[VOp::CmpGeS, BHS];
    "1111 001 1 0 d size:2 vn:4 vd:4 0011 n q m 1 vm:4" VcgeU none same[VOp::CmpGeU, BHS];
    "1111 001 0 0 d 00 vn:4 vd:4 0001 n q m 1 vm:4" VandReg none bitwise[VOp::And];
    "1111 001 0 0 d 01 vn:4 vd:4 0001 n q m 1 vm:4" VbicReg none bitwise[VOp::AndNot];
    "1111 001 0 0 d 10 vn:4 vd:4 0001 n q m 1 vm:4" VorrReg none bitwise[VOp::Or];
    "1111 001 0 0 d 11 vn:4 vd:4 0001 n q m 1 vm:4" VornReg none bitwise[VOp::OrNot];
    "1111 001 1 0 d 00 vn:4 vd:4 0001 n q m 1 vm:4" VeorReg none bitwise[VOp::Xor];
    "1111 001 1 0 d 01 vn:4 vd:4 0001 n q m 1 vm:4" Vbsl none select[Mask::D];
    "1111 001 1 0 d 10 vn:4 vd:4 0001 n q m 1 vm:4" Vbit none select[Mask::M];
    "1111 001 1 0 d 11 vn:4 vd:4 0001 n q m 1 vm:4" Vbif none select[Mask::NotM];
    "1111 001 0 0 d size:2 vn:4 vd:4 0100 n q m 0 vm:4" VshlSReg none shift[VOp::ShiftS];
    "1111 001 1 0 d size:2 vn:4 vd:4 0100 n q m 0 vm:4" VshlUReg none shift[VOp::ShiftU];
    "1111 001 0 0 d size:2 vn:4 vd:4 0100 n q m 1 vm:4" VqshlSReg none shift[VOp::ShiftSatS];
    "1111 001 1 0 d size:2 vn:4 vd:4 0100 n q m 1 vm:4" VqshlUReg none shift[VOp::ShiftSatU];
    "1111 001 0 0 d size:2 vn:4 vd:4 0101 n q m 0 vm:4" VrshlSReg none shift[VOp::ShiftRoundS];
    "1111 001 1 0 d size:2 vn:4 vd:4 0101 n q m 0 vm:4" VrshlUReg none shift[VOp::ShiftRoundU];
    "1111 001 0 0 d size:2 vn:4 vd:4 0101 n q m 1 vm:4" VqrshlSReg none shift[VOp::ShiftRoundSatS];
    "1111 001 1 0 d size:2 vn:4 vd:4 0101 n q m 1 vm:4" VqrshlUReg none shift[VOp::ShiftRoundSatU];
    "1111 001 0 0 d size:2 vn:4 vd:4 0110 n q m 0 vm:4" VmaxS none same[VOp::MaxS, BHS];
    "1111 001 1 0 d size:2 vn:4 vd:4 0110 n q m 0 vm:4" VmaxU none same[VOp::MaxU, BHS];
    "1111 001 0 0 d size:2 vn:4 vd:4 0110 n q m 1 vm:4" VminS none same[VOp::MinS, BHS];
    "1111 001 1 0 d size:2 vn:4 vd:4 0110 n q m 1 vm:4" VminU none same[VOp::MinU, BHS];
    "1111 001 0 0 d size:2 vn:4 vd:4 0111 n q m 0 vm:4" VabdS none same[VOp::AbsDiffS, BHS];
    "1111 001 1 0 d size:2 vn:4 vd:4 0111 n q m 0 vm:4" VabdU none same[VOp::AbsDiffU, BHS];
    "1111 001 0 0 d size:2 vn:4 vd:4 0111 n q m 1 vm:4" VabaS none same[VOp::AbsDiffAddS, BHS];
    "1111 001 1 0 d size:2 vn:4 vd:4 0111 n q m 1 vm:4" VabaU none same[VOp::AbsDiffAddU, BHS];
    "1111 001 0 0 d size:2 vn:4 vd:4 1000 n q m 0 vm:4" VaddI none same[VOp::Add, BHSD];
    "1111 001 1 0 d size:2 vn:4 vd:4 1000 n q m 0 vm:4" VsubI none same[VOp::Sub, BHSD];
    "1111 001 0 0 d size:2 vn:4 vd:4 1000 n q m 1 vm:4" Vtst none same[VOp::CmpTest, BHS];
    "1111 001 1 0 d size:2 vn:4 vd:4 1000 n q m 1 vm:4" VceqI none same[VOp::CmpEq, BHS];
    "1111 001 0 0 d size:2 vn:4 vd:4 1001 n q m 0 vm:4" VmlaI none same[VOp::MulAdd, BHS];
    "1111 001 1 0 d size:2 vn:4 vd:4 1001 n q m 0 vm:4" VmlsI none same[VOp::MulSub, BHS];
    "1111 001 0 0 d size:2 vn:4 vd:4 1001 n q m 1 vm:4" VmulI none same[VOp::Mul, BHS];
    "1111 001 1 0 d size:2 vn:4 vd:4 1001 n q m 1 vm:4" VmulP none same[VOp::MulPoly, B];
    "1111 001 0 0 d size:2 vn:4 vd:4 1010 n 0 m 0 vm:4" VpmaxS none same[VOp::MaxPairsS, BHS];
    "1111 001 1 0 d size:2 vn:4 vd:4 1010 n 0 m 0 vm:4" VpmaxU none same[VOp::MaxPairsU, BHS];
    "1111 001 0 0 d size:2 vn:4 vd:4 1010 n 0 m 1 vm:4" VpminS none same[VOp::MinPairsS, BHS];
    "1111 001 1 0 d size:2 vn:4 vd:4 1010 n 0 m 1 vm:4" VpminU none same[VOp::MinPairsU, BHS];
    "1111 001 0 0 d size:2 vn:4 vd:4 1011 n q m 0 vm:4" Vqdmulh none same[VOp::MulDoubleHighSat, HS];
    "1111 001 1 0 d size:2 vn:4 vd:4 1011 n q m 0 vm:4" Vqrdmulh none same[VOp::MulDoubleHighRoundSat, HS];
    "1111 001 0 0 d size:2 vn:4 vd:4 1011 n 0 m 1 vm:4" VpaddI none same[VOp::AddPairs, BHS];
    "1111 001 0 0 d 00 vn:4 vd:4 1100 n 1 m 0 vm:4" Sha1c none hash[VOp::Sha1Choose];
    "1111 001 0 0 d 01 vn:4 vd:4 1100 n 1 m 0 vm:4" Sha1p none hash[VOp::Sha1Parity];
    "1111 001 0 0 d 10 vn:4 vd:4 1100 n 1 m 0 vm:4" Sha1m none hash[VOp::Sha1Majority];
    "1111 001 0 0 d 11 vn:4 vd:4 1100 n 1 m 0 vm:4" Sha1su0 none hash[VOp::Sha1Schedule0];
    "1111 001 1 0 d 00 vn:4 vd:4 1100 n 1 m 0 vm:4" Sha256h none hash[VOp::Sha256Hash1];
    "1111 001 1 0 d 01 vn:4 vd:4 1100 n 1 m 0 vm:4" Sha256h2 none hash[VOp::Sha256Hash2];
    "1111 001 1 0 d 10 vn:4 vd:4 1100 n 1 m 0 vm:4" Sha256su1 none hash[VOp::Sha256Schedule1];
    "1111 001 0 0 d 00 vn:4 vd:4 1100 n q m 1 vm:4" VfmaV none fused[FOp::MulAdd];
    "1111 001 0 0 d 10 vn:4 vd:4 1100 n q m 1 vm:4" VfmsV none fused[FOp::MulSub];
    "1111 001 0 0 d 00 vn:4 vd:4 1101 n q m 0 vm:4" VaddV none float[FOp::Add];
    "1111 001 0 0 d 10 vn:4 vd:4 1101 n q m 0 vm:4" VsubV none float[FOp::Sub];
    "1111 001 1 0 d 00 vn:4 vd:4 1101 n 0 m 0 vm:4" VpaddV none float[FOp::PairAdd];
    "1111 001 1 0 d 10 vn:4 vd:4 1101 n q m 0 vm:4" VabdV none float[FOp::AbsDiff];
    "1111 001 0 0 d 00 vn:4 vd:4 1101 n q m 1 vm:4" VmlaV none multiply_add[false];
    "1111 001 0 0 d 10 vn:4 vd:4 1101 n q m 1 vm:4" VmlsV none multiply_add[true];
    "1111 001 1 0 d 00 vn:4 vd:4 1101 n q m 1 vm:4" VmulV none float[FOp::Mul];
    "1111 001 0 0 d 00 vn:4 vd:4 1110 n q m 0 vm:4" VceqV none float[FOp::CmpEq];
    "1111 001 1 0 d 00 vn:4 vd:4 1110 n q m 0 vm:4" VcgeV none float[FOp::CmpGe];
    "1111 001 1 0 d 10 vn:4 vd:4 1110 n q m 0 vm:4" VcgtV none float[FOp::CmpGt];
    "1111 001 1 0 d 00 vn:4 vd:4 1110 n q m 1 vm:4" VacgeV none float[FOp::CmpAbsGe];
    "1111 001 1 0 d 10 vn:4 vd:4 1110 n q m 1 vm:4" VacgtV none float[FOp::CmpAbsGt];
    "1111 001 0 0 d 00 vn:4 vd:4 1111 n q m 0 vm:4" VmaxV none float[FOp::Max];
    "1111 001 0 0 d 10 vn:4 vd:4 1111 n q m 0 vm:4" VminV none float[FOp::Min];
    "1111 001 1 0 d 00 vn:4 vd:4 1111 n 0 m 0 vm:4" VpmaxV none float[FOp::PairMax];
    "1111 001 1 0 d 10 vn:4 vd:4 1111 n 0 m 0 vm:4" VpminV none float[FOp::PairMin];
    "1111 001 0 0 d 00 vn:4 vd:4 1111 n q m 1 vm:4" Vrecps none step[0];
    "1111 001 0 0 d 10 vn:4 vd:4 1111 n q m 1 vm:4" Vrsqrts none step[1];
    "1111 001 1 0 d 00 vn:4 vd:4 1111 n q m 1 vm:4" VmaxnmV none float[FOp::MaxNum];
    "1111 001 1 0 d 10 vn:4 vd:4 1111 n q m 1 vm:4" VminnmV none float[FOp::MinNum];

    // Three registers of different lengths.
    "1111 001 0 1 d size:2 vn:4 vd:4 0000 n 0 m 0 vm:4" VaddlS none long[VOp::AddLongS];
    "1111 001 1 1 d size:2 vn:4 vd:4 0000 n 0 m 0 vm:4" VaddlU none long[VOp::AddLongU];
    "1111 001 0 1 d size:2 vn:4 vd:4 0001 n 0 m 0 vm:4" VaddwS none wide[VOp::AddWideS];
    "1111 001 1 1 d size:2 vn:4 vd:4 0001 n 0 m 0 vm:4" VaddwU none wide[VOp::AddWideU];
    "1111 001 0 1 d size:2 vn:4 vd:4 0010 n 0 m 0 vm:4" VsublS none long[VOp::SubLongS];
    "1111 001 1 1 d size:2 vn:4 vd:4 0010 n 0 m 0 vm:4" VsublU none long[VOp::SubLongU];
    "1111 001 0 1 d size:2 vn:4 vd:4 0011 n 0 m 0 vm:4" VsubwS none wide[VOp::SubWideS];
    "1111 001 1 1 d size:2 vn:4 vd:4 0011 n 0 m 0 vm:4" VsubwU none wide[VOp::SubWideU];
    "1111 001 0 1 d size:2 vn:4 vd:4 0100 n 0 m 0 vm:4" Vaddhn none narrow[VOp::AddNarrowHigh];
    "1111 001 1 1 d size:2 vn:4 vd:4 0100 n 0 m 0 vm:4" Vraddhn none narrow[VOp::AddNarrowHighRound];
    "1111 001 0 1 d size:2 vn:4 vd:4 0101 n 0 m 0 vm:4" VabalS none long[VOp::AbsDiffLongAddS];
    "1111 001 1 1 d size:2 vn:4 vd:4 0101 n 0 m 0 vm:4" VabalU none long[VOp::AbsDiffLongAddU];
    "1111 001 0 1 d size:2 vn:4 vd:4 0110 n 0 m 0 vm:4" Vsubhn none narrow[VOp::SubNarrowHigh];
    "1111 001 1 1 d size:2 vn:4 vd:4 0110 n 0 m 0 vm:4" Vrsubhn none narrow[VOp::SubNarrowHighRound];
    "1111 001 0 1 d size:2 vn:4 vd:4 0111 n 0 m 0 vm:4" VabdlS none long[VOp::AbsDiffLongS];
    "1111 001 1 1 d size:2 vn:4 vd:4 0111 n 0 m 0 vm:4" VabdlU none long[VOp::AbsDiffLongU];
    "1111 001 0 1 d size:2 vn:4 vd:4 1000 n 0 m 0 vm:4" VmlalS none long[VOp::MulLongAddS];
    "1111 001 1 1 d size:2 vn:4 vd:4 1000 n 0 m 0 vm:4" VmlalU none long[VOp::MulLongAddU];
    "1111 001 0 1 d size:2 vn:4 vd:4 1001 n 0 m 0 vm:4" Vqdmlal none long_saturating[VOp::MulLongDoubleAddSat];
    "1111 001 0 1 d size:2 vn:4 vd:4 1010 n 0 m 0 vm:4" VmlslS none long[VOp::MulLongSubS];
    "1111 001 1 1 d size:2 vn:4 vd:4 1010 n 0 m 0 vm:4" VmlslU none long[VOp::MulLongSubU];
    "1111 001 0 1 d size:2 vn:4 vd:4 1011 n 0 m 0 vm:4" Vqdmlsl none long_saturating[VOp::MulLongDoubleSubSat];
    "1111 001 0 1 d size:2 vn:4 vd:4 1100 n 0 m 0 vm:4" VmullS none long[VOp::MulLongS];
    "1111 001 1 1 d size:2 vn:4 vd:4 1100 n 0 m 0 vm:4" VmullU none long[VOp::MulLongU];
    "1111 001 0 1 d size:2 vn:4 vd:4 1101 n 0 m 0 vm:4" Vqdmull none long_saturating[VOp::MulLongDoubleSat];
    "1111 001 0 1 d size:2 vn:4 vd:4 1110 n 0 m 0 vm:4" VmullP none long_poly;

    // Two registers and a scalar.
    "1111 001 q 1 d size:2 vn:4 vd:4 0000 n 1 m 0 vm:4" VmlaIElem none by_element[VOp::MulAdd];
    "1111 001 q 1 d 10 vn:4 vd:4 0001 n 1 m 0 vm:4" VmlaVElem none by_element_add[false];
    "1111 001 0 1 d size:2 vn:4 vd:4 0010 n 1 m 0 vm:4" VmlalSElem none long_element[VOp::MulLongAddS];
    "1111 001 1 1 d size:2 vn:4 vd:4 0010 n 1 m 0 vm:4" VmlalUElem none long_element[VOp::MulLongAddU];
    "1111 001 0 1 d size:2 vn:4 vd:4 0011 n 1 m 0 vm:4" VqdmlalElem none long_element[VOp::MulLongDoubleAddSat];
    "1111 001 q 1 d size:2 vn:4 vd:4 0100 n 1 m 0 vm:4" VmlsIElem none by_element[VOp::MulSub];
    "1111 001 q 1 d 10 vn:4 vd:4 0101 n 1 m 0 vm:4" VmlsVElem none by_element_add[true];
    "1111 001 0 1 d size:2 vn:4 vd:4 0110 n 1 m 0 vm:4" VmlslSElem none long_element[VOp::MulLongSubS];
    "1111 001 1 1 d size:2 vn:4 vd:4 0110 n 1 m 0 vm:4" VmlslUElem none long_element[VOp::MulLongSubU];
    "1111 001 0 1 d size:2 vn:4 vd:4 0111 n 1 m 0 vm:4" VqdmlslElem none long_element[VOp::MulLongDoubleSubSat];
    "1111 001 q 1 d size:2 vn:4 vd:4 1000 n 1 m 0 vm:4" VmulIElem none by_element[VOp::Mul];
    "1111 001 q 1 d 10 vn:4 vd:4 1001 n 1 m 0 vm:4" VmulVElem none by_element_multiply;
    "1111 001 0 1 d size:2 vn:4 vd:4 1010 n 1 m 0 vm:4" VmullSElem none long_element[VOp::MulLongS];
    "1111 001 1 1 d size:2 vn:4 vd:4 1010 n 1 m 0 vm:4" VmullUElem none long_element[VOp::MulLongU];
    "1111 001 0 1 d size:2 vn:4 vd:4 1011 n 1 m 0 vm:4" VqdmullElem none long_element[VOp::MulLongDoubleSat];
    "1111 001 q 1 d size:2 vn:4 vd:4 1100 n 1 m 0 vm:4" VqdmulhElem none by_element[VOp::MulDoubleHighSat];
    "1111 001 q 1 d size:2 vn:4 vd:4 1101 n 1 m 0 vm:4" VqrdmulhElem none by_element[VOp::MulDoubleHighRoundSat];
}

/// Bits 21 and 20.
fn size(i: Insn) -> u8 {
    field!(i.size) as u8
}

pub(crate) fn allowed(sizes: u8, es: u8) -> bool {
    sizes >> es & 1 != 0
}

/// Plays `f` with operands of 16 bytes (`q`) or 8. D registers among the sources that are upper
/// halves come from temporaries, and the result of 8 bytes goes through one; `c` is the
/// destination's old value only where `accumulates`.
pub(crate) fn vector<O: Ops>(
    o: &mut O,
    i: Insn,
    q: bool,
    accumulates: bool,
    es: u8,
    f: impl FnOnce(&mut O, VArgs),
) {
    let (d, n, m) = (vd(i, 3), vn(i, 3), vm(i, 3));
    if !q {
        let a = operand(o, 3, n, &[]);
        let b = operand(o, 3, m, &[a]);
        let c = if accumulates { operand(o, 3, d, &[a, b]) } else { b };
        let result = o.lane_temporary(&[a, b, c]);
        f(o, VArgs { d: result, a, b, c, es, bytes: 8, imm: 0 });
        put(o, 3, d, result);
    } else if (d | n | m) & 1 != 0 {
        undefined(o);
    } else {
        let [d, a, b] = [d, n, m].map(|n| V(n >> 1));
        f(o, VArgs { d, a, b, c: d, es, bytes: 16, imm: 0 });
    }
}

fn same<O: Ops>(o: &mut O, i: Insn, op: VOp, sizes: u8) {
    if !allowed(sizes, size(i)) {
        return undefined(o);
    }
    let accumulates = op.info().reads & anyarch_engine::vec::reads::C != 0;
    vector(o, i, i.bit(6), accumulates, size(i), |o, args| o.vec(op, args));
}

fn bitwise<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    vector(o, i, field!(set i.q, of bitwise), false, 0, |o, args| o.vec(op, args));
}

/// Which operand of VBSL, VBIT and VBIF selects.
enum Mask {
    D,
    M,
    NotM,
}

fn select<O: Ops>(o: &mut O, i: Insn, mask: Mask) {
    vector(o, i, field!(set i.q, of select), true, 0, |o, args| {
        let VArgs { a: n, b: m, c: d, .. } = args;
        let (a, b, c) = match mask {
            Mask::D => (n, m, d),
            Mask::M => (n, d, m),
            Mask::NotM => (d, n, m),
        };
        o.vec(VOp::Select, VArgs { a, b, c, ..args });
    });
}

/// The value shifted is Vm, the amount Vn.
fn shift<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    vector(o, i, field!(set i.q, of shift), false, size(i), |o, args| {
        o.vec(op, VArgs { a: args.b, b: args.a, ..args })
    });
}

fn hash<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    let es = if op == VOp::Sha1Schedule0 || op == VOp::Sha256Schedule1 { 2 } else { op.info().es.0 };
    vector(o, i, true, true, es, |o, args| o.vec(op, args));
}

fn float<O: Ops>(o: &mut O, i: Insn, op: FOp) {
    vector(o, i, i.bit(6), false, 2, |o, args| o.fp_standard(op, args));
}

fn fused<O: Ops>(o: &mut O, i: Insn, op: FOp) {
    vector(o, i, field!(set i.q, of fused), true, 2, |o, args| o.fp_standard(op, args));
}

fn multiply_add<O: Ops>(o: &mut O, i: Insn, subtract: bool) {
    vector(o, i, field!(set i.q, of multiply_add), true, 2, |o, args| chained(o, subtract, args));
}

/// c + a * b or c - a * b, the product rounded.
fn chained<O: Ops>(o: &mut O, subtract: bool, args: VArgs) {
    let product = V(44);
    o.fp_standard(if subtract { FOp::NegMul } else { FOp::Mul }, VArgs { d: product, ..args });
    o.fp_standard(FOp::Add, VArgs { a: args.c, b: product, ..args });
}

/// VRECPS, VRSQRTS.
fn step<O: Ops>(o: &mut O, i: Insn, root: u64) {
    vector(o, i, field!(set i.q, of step), false, 2, |o, VArgs { d, a, b, bytes, .. }| {
        let [d, a, b] = [d, a, b].map(|v| v.0 as u64);
        o.helper(RECIPROCAL_STEP, d | a << 8 | b << 16 | (bytes as u64) << 24 | root << 32);
    });
}

const RECIPROCAL_STEP: Helper = Helper {
    function: reciprocal_step,
    effects: |arg| {
        let slot = |n: u32| V((arg >> (8 * n)) as u8);
        Effects::NONE
            .reads_vectors(slot(1), 1)
            .reads_vectors(slot(2), 1)
            .writes_vectors(slot(0), 1)
            .environment()
    },
};

/// The manual's FPRecipStep and FPRSqrtStep of AArch32, which unlike AArch64's round the product: 2
/// - a * b, or (3 - a * b) / 2. Infinity times zero counts as zero.
extern "C" fn reciprocal_step(cpu: &mut Cpu, arg: u64) -> HelperExit {
    const TWO: u128 = 0x4000_0000;
    const THREE: u128 = 0x4040_0000;
    const HALF: u128 = 0x3f00_0000;
    let slot = |n: u32| (arg >> (8 * n)) as u8;
    let (a, b) = (cpu.vec[slot(1) as usize], cpu.vec[slot(2) as usize]);
    let root = arg >> 32 != 0;
    let env = &mut cpu.fp;
    let v = V(0);
    let args = VArgs { d: v, a: v, b: v, c: v, es: 2, bytes: 4, imm: 0 };
    let mut value = 0;
    for at in (0..slot(3) as u32 * 8).step_by(32) {
        let (a, b) = ((a >> at) as u32, (b >> at) as u32);
        // A denormal is a zero here.
        let zero = |x: u32| x & 0x7f80_0000 == 0;
        let infinite = |x: u32| x & 0x7fff_ffff == 0x7f80_0000;
        let lane = if zero(a) && infinite(b) || infinite(a) && zero(b) {
            let denormal = |x: u32| zero(x) && x & 0x7f_ffff != 0;
            if denormal(a) || denormal(b) {
                env.flags |= fp::flag::INPUT_DENORMAL;
            }
            if root { 0x3fc0_0000 } else { TWO }
        } else {
            let mut op = |op, a, b| fp::eval_standard(op, &args, a, b, 0, env);
            let product = op(FOp::Mul, a as u128, b as u128);
            let from = op(FOp::Sub, if root { THREE } else { TWO }, product);
            if root { op(FOp::Mul, from, HALF) } else { from }
        };
        value |= lane << at;
    }
    cpu.vec[slot(0) as usize] = value;
    HelperExit::Continue
}

/// An operation on D registers with a Q result, whose lanes have `es`. `b` is Vm unless given.
fn lengthen<O: Ops>(o: &mut O, i: Insn, op: VOp, es: u8, b: Option<V>) {
    let d = vd(i, 3);
    if d & 1 != 0 {
        return undefined(o);
    }
    let d = V(d >> 1);
    let a = operand(o, 3, vn(i, 3), &[]);
    let b = b.unwrap_or_else(|| operand(o, 3, vm(i, 3), &[a]));
    o.vec(op, VArgs { d, a, b, c: d, es, bytes: 16, imm: 0 });
}

fn long<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    lengthen(o, i, op, size(i) + 1, None);
}

fn long_saturating<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    if !allowed(HS, size(i)) {
        return undefined(o);
    }
    long(o, i, op);
}

/// VMULL of polynomials: of bytes, or of 64 bits (the cryptographic extension).
fn long_poly<O: Ops>(o: &mut O, i: Insn) {
    match size(i) {
        0 => lengthen(o, i, VOp::MulLongPoly, 1, None),
        2 => lengthen(o, i, VOp::MulLongPoly, 4, None),
        _ => undefined(o),
    }
}

fn wide<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    let (d, n) = (vd(i, 3), vn(i, 3));
    if (d | n) & 1 != 0 {
        return undefined(o);
    }
    let b = operand(o, 3, vm(i, 3), &[]);
    o.vec(op, VArgs { d: V(d >> 1), a: V(n >> 1), b, c: b, es: size(i) + 1, bytes: 16, imm: 0 });
}

fn narrow<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    let (n, m) = (vn(i, 3), vm(i, 3));
    if (n | m) & 1 != 0 {
        return undefined(o);
    }
    let b = V(m >> 1);
    let d = o.lane_temporary(&[]);
    o.vec(op, VArgs { d, a: V(n >> 1), b, c: b, es: size(i), bytes: 8, imm: 0 });
    put(o, 3, vd(i, 3), d);
}

/// A temporary with the scalar in every lane; `None` where there is no such scalar.
fn scalar<O: Ops>(o: &mut O, i: Insn) -> Option<V> {
    let (m, top) = (field!(i.vm), field!(i.m));
    let (es, register, lane) = match size(i) {
        1 => (1, m & 7, top << 1 | m >> 3),
        2 => (2, m, top),
        _ => return None,
    };
    let a = V(register as u8 >> 1);
    let imm = lane + ((register & 1) << (3 - es));
    o.vec(VOp::DupLane, VArgs { d: V(45), a, b: a, c: a, es, bytes: 16, imm });
    Some(V(45))
}

/// Plays `f` with the scalar as b. Bit 24 is Q.
fn element<O: Ops>(o: &mut O, i: Insn, f: impl FnOnce(&mut O, VArgs)) {
    let q = i.bit(24);
    if q && (vd(i, 3) | vn(i, 3)) & 1 != 0 {
        return undefined(o);
    }
    let Some(b) = scalar(o, i) else { return undefined(o) };
    // Vm is no register of 16 bytes here.
    let even = Insn { word: i.word & !0x2f, ..i };
    vector(o, even, q, true, size(i), |o, args| f(o, VArgs { b, ..args }));
}

fn by_element<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    element(o, i, |o, args| o.vec(op, args));
}

fn by_element_add<O: Ops>(o: &mut O, i: Insn, subtract: bool) {
    element(o, i, |o, args| chained(o, subtract, args));
}

fn by_element_multiply<O: Ops>(o: &mut O, i: Insn) {
    element(o, i, |o, args| o.fp_standard(FOp::Mul, args));
}

fn long_element<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    if vd(i, 3) & 1 != 0 {
        return undefined(o);
    }
    let Some(b) = scalar(o, i) else { return undefined(o) };
    lengthen(o, i, op, size(i) + 1, Some(b));
}

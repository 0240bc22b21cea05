//! Cryptographic Advanced SIMD instructions (Arm ARM C4.1, "Cryptographic AES" to "Cryptographic
//! four-register"). SM3 and SM4 are not offered. The carry-less multiplications PMUL and PMULL are
//! in `simd`.

use crate::decode::Insn;
use crate::simd::args;
use anyarch_engine::field;
use anyarch_engine::ops::{Ops, VArgs};
use anyarch_engine::vec::VOp;

anyarch_engine::rows! {
    // AES.
    "01001110 00 10100 00100 10 rn:5 rd:5" Aese none aes_round[VOp::AesEncLast];
    "01001110 00 10100 00101 10 rn:5 rd:5" Aesd none aes_round[VOp::AesDecLast];
    "01001110 00 10100 00110 10 rn:5 rd:5" Aesmc none aes_mix[VOp::AesMixColumns];
    "01001110 00 10100 00111 10 rn:5 rd:5" Aesimc none aes_mix[VOp::AesInvMixColumns];

    // Three-register SHA.
    "01011110 00 0 rm:5 0 000 00 rn:5 rd:5" Sha1c none sha32[VOp::Sha1Choose];
    "01011110 00 0 rm:5 0 001 00 rn:5 rd:5" Sha1p none sha32[VOp::Sha1Parity];
    "01011110 00 0 rm:5 0 010 00 rn:5 rd:5" Sha1m none sha32[VOp::Sha1Majority];
    "01011110 00 0 rm:5 0 011 00 rn:5 rd:5" Sha1su0 none sha32[VOp::Sha1Schedule0];
    "01011110 00 0 rm:5 0 100 00 rn:5 rd:5" Sha256h none sha32[VOp::Sha256Hash1];
    "01011110 00 0 rm:5 0 101 00 rn:5 rd:5" Sha256h2 none sha32[VOp::Sha256Hash2];
    "01011110 00 0 rm:5 0 110 00 rn:5 rd:5" Sha256su1 none sha32[VOp::Sha256Schedule1];

    // Two-register SHA.
    "01011110 00 10100 00000 10 rn:5 rd:5" Sha1h none sha1h;
    "01011110 00 10100 00001 10 rn:5 rd:5" Sha1su1 none sha32[VOp::Sha1Schedule1];
    "01011110 00 10100 00010 10 rn:5 rd:5" Sha256su0 none sha32[VOp::Sha256Schedule0];

    // Three-register SHA-512.
    "11001110011 rm:5 1 0 00 00 rn:5 rd:5" Sha512h none sha64[VOp::Sha512Hash1];
    "11001110011 rm:5 1 0 00 01 rn:5 rd:5" Sha512h2 none sha64[VOp::Sha512Hash2];
    "11001110011 rm:5 1 0 00 10 rn:5 rd:5" Sha512su1 none sha64[VOp::Sha512Schedule1];
    "11001110011 rm:5 1 0 00 11 rn:5 rd:5" Rax1 none rax1;

    // Two-register SHA-512.
    "11001110110 00000 1000 00 rn:5 rd:5" Sha512su0 none sha64[VOp::Sha512Schedule0];

    // Four-register, and XAR.
    "110011100 00 rm:5 0 ra:5 rn:5 rd:5" Eor3 none four[VOp::Xor3];
    "110011100 01 rm:5 0 ra:5 rn:5 rd:5" Bcax none four[VOp::XorAndNot];
    "11001110100 rm:5 imm6:6 rn:5 rd:5" Xar none xar;
}

/// The state is the destination, the key Vn.
fn aes_round<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    o.vec(op, VArgs { a: i.vd(), b: i.vn(), ..args(i, 0, 16, 0) });
}

fn aes_mix<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    o.vec(op, args(i, 0, 16, 0));
}

fn sha32<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    o.vec(op, args(i, 2, 16, 0));
}

fn sha1h<O: Ops>(o: &mut O, i: Insn) {
    o.vec(VOp::Sha1Rotate, args(i, 2, 4, 0));
}

fn sha64<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    o.vec(op, args(i, 3, 16, 0));
}

fn rax1<O: Ops>(o: &mut O, i: Insn) {
    o.vec(VOp::XorRol, args(i, 3, 16, 1));
}

fn xar<O: Ops>(o: &mut O, i: Insn) {
    o.vec(VOp::XorRor, args(i, 3, 16, field!(i.imm6)));
}

fn four<O: Ops>(o: &mut O, i: Insn, op: VOp) {
    o.vec(op, VArgs { c: i.va(), ..args(i, 0, 16, 0) });
}

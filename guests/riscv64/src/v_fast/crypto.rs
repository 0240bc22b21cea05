//! Cryptography: AES rounds.

use super::{in_line, likely, v};
use crate::decode::Insn;
use crate::v::KEY;
use crate::v_crypto::Aes;
use anyarch_engine::ops::{Helper, Ops, V, VArgs};
use anyarch_engine::vec::VOp;

/// An AES round. False: nothing was emitted.
pub(crate) fn aes<O: Ops>(o: &mut O, i: Insn, op: Aes, f: Helper, arg: u64) -> bool {
    let Some(l) = likely(o, i) else { return false };
    let scalar = i.bits(26, 1) != 0;
    let registers = 1 << l.lmul;
    let overlap = scalar && i.s2().wrapping_sub(i.d()) < registers;
    if l.sew != 2 || overlap || !in_line(i.d() | if scalar { 0 } else { i.s2() }, l.lmul) {
        return false;
    }
    let (first, mix) = match op {
        Aes::Em => (Some(VOp::AesEncLast), Some(VOp::AesMixColumns)),
        Aes::Ef => (Some(VOp::AesEncLast), None),
        Aes::Dm => (Some(VOp::AesDecLast), Some(VOp::AesInvMixColumns)),
        Aes::Df => (Some(VOp::AesDecLast), None),
        Aes::Z => (None, None),
        _ => return false,
    };
    if !o.guard(KEY, l.key as u32, f, arg) {
        return true;
    }
    let args = |d, a, b| VArgs { d, a, b, c: d, es: 0, bytes: 16, imm: 0 };
    if first.is_some() {
        o.vconst(V::T1, 0);
    }
    for n in 0..registers {
        let (d, key) = (v(i.d() + n), v(i.s2() + if scalar { 0 } else { n }));
        let Some(first) = first else {
            o.vec(VOp::Xor, args(d, d, key));
            continue;
        };
        o.vec(first, args(V::T0, d, V::T1));
        match mix {
            Some(VOp::AesMixColumns) => {
                o.vec(VOp::AesMixColumns, args(V::T0, V::T0, V::T0));
                o.vec(VOp::Xor, args(d, V::T0, key));
            }
            Some(mix) => {
                o.vec(VOp::Xor, args(V::T0, V::T0, key));
                o.vec(mix, args(d, V::T0, V::T0));
            }
            None => o.vec(VOp::Xor, args(d, V::T0, key)),
        }
    }
    true
}

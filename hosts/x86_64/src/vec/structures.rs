//! Loads and stores of structures of two to four elements.

use super::super::asm::{Mem, Rm, opcodes::*};
use super::super::state;
use super::{Emit, TMP, X0, X1, X2};
use anyarch_engine::ops::V;
use anyarch_engine::state::Cpu;
use core::mem::offset_of;

/// Whether [`load_struct`] and [`store_struct`] have code for structures of `n` elements.
pub(crate) fn has_struct(e: &Emit<'_>, n: u8) -> bool {
    e.a.avx && n != 3
}

/// Emits a structure load from the address in general register `base` (not RAX), see
/// [`anyarch_engine::ops::Ops::vload_struct`]. Loads come before any change; intermediate vectors
/// wait in the slots of temporaries.
pub(crate) fn load_struct(e: &mut Emit<'_>, n: u8, es: u8, bytes: u8, first: V, base: u8) {
    let es = es as usize;
    let d = |k: u8| first.after(k);
    let temp = |k: u8| state(offset_of!(Cpu, vec) + (V::T0.0 + k) as usize * 16);
    let load = |e: &mut Emit<'_>, x: u8, k: i32| e.a.v2(MOVUPS, x, Mem::base(base, 16 * k));
    load(e, X0, 0);
    match (n, bytes) {
        (2, 16) => load(e, X1, 1),
        (2, _) => e.a.vmov(X1, X0),
        _ => {
            load(e, X1, 1);
            e.split(es);
            if bytes == 16 {
                e.a.v2(MOVAPS_STORE, X0, temp(0));
                e.a.v2(MOVAPS_STORE, TMP, temp(1));
                load(e, X0, 2);
                load(e, X1, 3);
                e.split(es);
                e.a.v2(MOVAPS_STORE, TMP, temp(2));
                e.a.vmov(X1, X0);
                e.a.v2(MOVAPS, X0, temp(0));
            } else {
                e.a.v2(MOVAPS_STORE, TMP, temp(1));
                e.a.vmov(X1, X0);
            }
        }
    }
    e.split(es);
    e.put_low(d(0), X0, bytes);
    if n == 2 {
        return e.put_low(d(1), TMP, bytes);
    }
    e.put_low(d(2), TMP, bytes);
    e.a.v2(MOVAPS, X0, temp(1));
    e.a.v2(MOVAPS, X1, temp(if bytes == 16 { 2 } else { 1 }));
    e.split(es);
    e.put_low(d(1), X0, bytes);
    e.put_low(d(3), TMP, bytes);
}

/// Emits a structure store to the address in general register `base` (not RAX).
pub(crate) fn store_struct(e: &mut Emit<'_>, n: u8, es: u8, bytes: u8, first: V, base: u8) {
    let es = es as usize;
    let s = |k: u8| first.after(k);
    let store = |e: &mut Emit<'_>, x: u8, k: i32| e.a.v2(MOVUPS_STORE, x, Mem::base(base, 16 * k));
    if n == 2 {
        e.binary(PUNPCKL[es], X1, s(0), s(1));
        store(e, X1, 0);
        if bytes == 16 {
            e.binary(PUNPCKH[es], X1, s(0), s(1));
            store(e, X1, 1);
        }
        return;
    }
    for (half, zip) in [PUNPCKL[es], PUNPCKH[es]].into_iter().enumerate() {
        if half == 1 && bytes == 8 {
            break;
        }
        e.binary(zip, X1, s(0), s(2));
        e.binary(zip, X2, s(1), s(3));
        e.op(PUNPCKL[es], X0, X1, X2);
        store(e, X0, 2 * half as i32);
        e.op(PUNPCKH[es], X0, X1, X2);
        store(e, X0, 2 * half as i32 + 1);
    }
}

impl Emit<'_> {
    /// X0 = even lanes of X1:X0, TMP = odd lanes. Uses X1 and X2; with AVX only.
    pub(super) fn split(&mut self, es: usize) {
        match es {
            3 => {
                self.op(PUNPCKH[3], TMP, X0, X1);
                self.op(PUNPCKL[3], X0, X0, X1);
            }
            2 => {
                self.opi(SHUFPS, TMP, X0, Rm::R(X1), 0xdd);
                self.opi(SHUFPS, X0, X0, Rm::R(X1), 0x88);
            }
            _ => {
                self.shr(es + 1, X2, X1, 8 << es);
                self.shr(es + 1, TMP, X0, 8 << es);
                self.op(PACKUS[es], TMP, TMP, X2);
                self.uzp1(es, X0, X0, X1);
            }
        }
    }
}

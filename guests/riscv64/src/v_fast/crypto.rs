//! Cryptography: AES rounds and key schedule, SHA-2, GHASH. They work on groups of four elements,
//! for which there is code if vl is VLMAX or a constant.

use super::{Form, exact, in_line, splat, v};
use crate::decode::Insn;
use crate::v::KEY;
use crate::v_crypto::Aes;
use anyarch_engine::ops::{Helper, Ops, V, VArgs};
use anyarch_engine::vec::VOp;

fn args(d: V, a: V, b: V, imm: u32) -> VArgs {
    VArgs { d, a, b, c: d, es: 0, bytes: 16, imm }
}

fn words(d: V, a: V, b: V, imm: u32) -> VArgs {
    VArgs { es: 2, ..args(d, a, b, imm) }
}

/// What [`KEY`] is to be, and the form, if the likely vtype and vl are of groups of four elements
/// of at least `1 << ew` bytes.
fn quads<O: Ops>(o: &O, i: Insn, ew: u32) -> Option<(u32, Form)> {
    let (key, form) = exact(o, i)?;
    let fits = form.sew >= ew && form.lmul + 2 >= form.sew as i32 && form.vl? % 4 == 0;
    fits.then_some((key, form))
}

/// Whether groups of the likely size, each in line, are different ones.
fn apart(form: Form, groups: &[u32]) -> bool {
    groups.iter().enumerate().all(|(n, a)| in_line(*a, form.lmul) && !groups[n + 1..].contains(a))
}

/// AES. False: nothing was emitted.
pub(crate) fn aes<O: Ops>(o: &mut O, i: Insn, op: Aes, f: Helper, arg: u64) -> bool {
    let Some((key, form)) = quads(o, i, 2) else { return false };
    let schedule = matches!(op, Aes::Kf1 | Aes::Kf2);
    let scalar = !schedule && i.bits(26, 1) != 0;
    let overlap = scalar && i.s2().wrapping_sub(i.d()) < 1 << form.lmul;
    if form.sew != 2 || overlap || !in_line(i.d() | if scalar { 0 } else { i.s2() }, form.lmul) {
        return false;
    }
    if !o.guard(KEY, key, f, arg) {
        return true;
    }
    if schedule {
        o.vconst(V::T1, 0);
    }
    for n in 0..form.registers() {
        let (d, key) = (v(i.d() + n), v(i.s2() + if scalar { 0 } else { n }));
        match op {
            Aes::Em => o.vec(VOp::AesEncKey, args(d, d, key, 0)),
            Aes::Ef => o.vec(VOp::AesEncLastKey, args(d, d, key, 0)),
            Aes::Dm => {
                o.vec(VOp::AesDecLastKey, args(V::T0, d, key, 0));
                o.vec(VOp::AesInvMixColumns, args(d, V::T0, V::T0, 0));
            }
            Aes::Df => o.vec(VOp::AesDecLastKey, args(d, d, key, 0)),
            Aes::Z => o.vec(VOp::Xor, args(d, d, key, 0)),
            Aes::Kf1 | Aes::Kf2 => next_key(o, op, d, key, i.s1()),
        }
    }
    true
}

/// d = a round key from the one before it, of the instruction's operands. Takes T1 to be zero.
fn next_key<O: Ops>(o: &mut O, op: Aes, d: V, key: V, round: u32) {
    let (rotate, constant) = op.schedule(round);
    // SubBytes of the last word in all columns, which ShiftRows does not notice.
    o.vec(VOp::DupLane, words(V::T0, key, key, 3));
    o.vec(VOp::AesEncLastKey, args(V::T0, V::T0, V::T1, 0));
    if rotate {
        o.vec(VOp::XorRor, words(V::T0, V::T0, V::T1, 8));
    }
    if constant != 0 {
        o.vconst(V::T2, splat(2, constant as u64));
        o.vec(VOp::Xor, args(V::T0, V::T0, V::T2, 0));
    }
    // Each word with all that are below it.
    let old = if op == Aes::Kf1 { key } else { d };
    o.vec(VOp::Extract, args(V::T2, V::T1, old, 12));
    o.vec(VOp::Xor, args(V::T2, V::T2, old, 0));
    o.vec(VOp::Extract, args(V::T3, V::T1, V::T2, 8));
    o.vec(VOp::Xor3, VArgs { c: V::T3, ..args(d, V::T0, V::T2, 0) });
}

/// VSHA2MS. False: nothing was emitted.
pub(crate) fn sha2_schedule<O: Ops>(o: &mut O, i: Insn, f: Helper, arg: u64) -> bool {
    let Some((key, form)) = quads(o, i, 2) else { return false };
    let (d, b, a) = (i.d(), i.s2(), i.s1());
    if !apart(form, &[d, a]) || !apart(form, &[d, b]) {
        return false;
    }
    if !o.guard(KEY, key, f, arg) {
        return true;
    }
    if form.sew == 2 {
        for n in 0..form.registers() {
            // Of the words 4, 9, 10, 11 the first part uses the lowest, the second the others.
            let (d, b, a) = (v(d + n), v(b + n), v(a + n));
            o.vec(VOp::Sha256Schedule0, words(d, b, b, 0));
            o.vec(VOp::Sha256Schedule1, words(d, b, a, 0));
        }
        return true;
    }
    let longs = |d, a, b, c| VArgs { d, a, b, c, es: 3, bytes: 16, imm: 0 };
    for n in (0..form.registers()).step_by(2) {
        let [d, b, a] = [d, b, a].map(|r| [v(r + n), v(r + n + 1)]);
        o.vec(VOp::Sha512Schedule0, longs(V::T0, d[1], d[1], d[0]));
        o.vec(VOp::Sha512Schedule0, longs(V::T1, b[0], b[0], d[1]));
        o.vec(VOp::Extract, args(V::T2, b[0], b[1], 8));
        o.vec(VOp::Extract, args(V::T3, b[1], a[0], 8));
        o.vec(VOp::Sha512Schedule1, longs(d[0], a[1], V::T2, V::T0));
        o.vec(VOp::Sha512Schedule1, longs(d[1], d[0], V::T3, V::T1));
    }
    true
}

/// What VSHA2CL and the VSHA2CH behind it need, if they are the two halves of four rounds.
pub(crate) fn sha2_pair<O: Ops>(o: &O, low: Insn, high: Insn) -> Option<(u32, Form)> {
    let (key, form) = quads(o, low, 2)?;
    let four = high.d() == low.s2() && high.s2() == low.d() && high.s1() == low.s1();
    (four && apart(form, &[low.d(), low.s2(), low.s1()])).then_some((key, form))
}

/// What [`sha2_pair`] found. `f` does both.
pub(crate) fn sha2_rounds<O: Ops>(o: &mut O, low: Insn, (key, form): (u32, Form), f: Helper, arg: u64) {
    if !o.guard(KEY, key, f, arg) {
        return;
    }
    for n in (0..form.registers()).step_by(form.sew as usize - 1) {
        o.sha2_rounds(form.sew == 3, v(low.s2() + n), v(low.d() + n), v(low.s1() + n));
    }
}

/// VGHSH, and VGMUL if not `add`. False: nothing was emitted.
pub(crate) fn ghash<O: Ops>(o: &mut O, i: Insn, add: bool, f: Helper, arg: u64) -> bool {
    let Some((key, form)) = quads(o, i, 2) else { return false };
    if form.sew != 2 || !in_line(i.d() | i.s2() | if add { i.s1() } else { 0 }, form.lmul) {
        return false;
    }
    if !o.guard(KEY, key, f, arg) {
        return true;
    }
    if !add {
        o.vconst(V::T0, 0);
    }
    for n in 0..form.registers() {
        let text = if add { v(i.s1() + n) } else { V::T0 };
        o.vec(VOp::GhashMul, args(v(i.d() + n), text, v(i.s2() + n), 0));
    }
    true
}

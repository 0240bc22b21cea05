//! Comparisons that set NZCV, and selection by it.

use super::super::asm::{Rm, opcodes::*, reg::*};
use super::super::helpers::{self, pack_vec};
use super::super::{ColdKind, HostFlags, Test, state};
use super::flush::denormal_guard;
use super::{T, X0, X1, X3};
use anyarch_engine::ops::*;
use anyarch_engine::state::{Cpu, mode};
use core::mem::offset_of;

/// EFLAGS = comparison of lane 0 of a with b (None: zero), in the form `HostFlags::Fp`.
pub(super) fn host_compare(t: &mut T<'_>, signaling: bool, es: u8, a: V, b: Option<V>) {
    let ra = t.vgetr(a, X0);
    let rb = match b {
        Some(b) => t.vrm(b),
        None => {
            t.a.v3(XORPS, X1, X1, Rm::R(X1), true, X3);
            Rm::R(X1)
        }
    };
    t.a.v2(if signaling { comis(es) } else { ucomis(es) }, ra, rb);
    t.flags_are(HostFlags::Fp);
}

pub(crate) fn fp_compare(t: &mut T<'_>, signaling: bool, es: u8, a: V, b: Option<V>) {
    if t.mode == mode::EXACT && es >= 2 {
        return host_compare(t, signaling, es, a, b);
    }
    let imm = signaling as u32 | (b.is_none() as u32) << 1;
    let args = VArgs { d: a, a, b: b.unwrap_or(a), c: a, es, bytes: 0, imm };
    if t.mode == mode::FLUSH && es >= 2 && t.a.avx {
        // The helper leaves the flags in memory.
        let site = denormal_guard(t, es, [Some(a), b]);
        host_compare(t, signaling, es, a, b);
        t.save_flags();
        t.flags.host = HostFlags::None;
        if let Some(site) = site {
            t.resume_as(site, ColdKind::Helper(helpers::fp_compare, pack_vec(0, &args)));
        }
        return;
    }
    t.inline_helper(helpers::fp_compare, pack_vec(0, &args));
}

pub(crate) fn fp_cond_compare(t: &mut T<'_>, c: Cond, signaling: bool, es: u8, a: V, b: V, nzcv: u8) {
    // Flags go to memory in either case.
    t.need_flags();
    let (yes1, yes2) = match t.cond(c) {
        Test::One(cc) => (Some(t.a.jcc_near(cc)), None),
        Test::Or(x, y) => (Some(t.a.jcc_near(x)), Some(t.a.jcc_near(y))),
        Test::And(x, y) => {
            let no = t.a.jcc_short(x.invert());
            let yes = t.a.jcc_near(y);
            t.a.bind(no);
            (Some(yes), None)
        }
        Test::Always => (None, None),
    };
    let done = yes1.map(|yes| {
        let bit = |n: u32| nzcv as u32 >> n & 1;
        t.a.mov_imm(RAX, (bit(3) << 15 | bit(2) << 14 | bit(1) << 8 | bit(0)) as u64);
        t.a.mov_store16(state(offset_of!(Cpu, host_flags)), RAX);
        let done = t.a.jmp_near();
        t.a.bind_near(yes);
        done
    });
    if let Some(yes) = yes2 {
        t.a.bind_near(yes);
    }
    if t.mode == mode::EXACT && es >= 2 {
        host_compare(t, signaling, es, a, Some(b));
        t.save_flags();
    } else {
        t.flags.host = HostFlags::None;
        t.flags.in_memory = true;
        let args = VArgs { d: a, a, b, c: a, es, bytes: 0, imm: signaling as u32 };
        t.inline_helper(helpers::fp_compare, pack_vec(0, &args));
    }
    t.flags.host = HostFlags::None;
    if let Some(done) = done {
        t.a.bind_near(done);
    }
}

pub(crate) fn fp_select(t: &mut T<'_>, c: Cond, es: u8, d: V, a: V, b: V) {
    // Through general registers, which have a conditional move. RAX is free after `cond`.
    let test = t.cond(c);
    let w = es == 3;
    let load = |t: &mut T<'_>, r: u8, s: V| match t.vrm(s) {
        Rm::R(x) => t.a.v2(if w { MOVQ_TO_GPR } else { MOVD_STORE }, x, r),
        m => t.a.mov(w, r, m),
    };
    load(t, RAX, a);
    if !matches!(test, Test::Always) {
        load(t, RCX, b);
    }
    match test {
        Test::Always => {}
        Test::One(cc) => t.a.cmov(cc.invert(), w, RAX, RCX),
        Test::And(x, y) => {
            t.a.cmov(x.invert(), w, RAX, RCX);
            t.a.cmov(y.invert(), w, RAX, RCX);
        }
        Test::Or(x, y) => {
            // b, or a if either holds.
            t.a.cmov(x, w, RCX, RAX);
            t.a.cmov(y, w, RCX, RAX);
            t.a.mov(w, RAX, RCX);
        }
    }
    if es == 1 {
        t.a.movzx(2, RAX, RAX);
    }
    let x = t.vdef(d, X0);
    t.a.v2(if w { MOVQ_FROM_GPR } else { MOVD }, x, RAX);
    t.vput(d, x);
    t.wrote(d, 1 << es);
}

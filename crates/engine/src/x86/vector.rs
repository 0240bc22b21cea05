//! Vector and floating-point operations as SSE/AVX code, with the reference functions behind them for the rest.

use super::asm::{Cc, Mem, NONE, Op, Rm, reg::*, v, vw};
use super::helpers::{self, pack_convert, pack_vec};
use super::vec::{Emit, has_struct, load_struct, lower, lower_saturating, store_struct, table};
use super::{HostFlags, Translator};
use crate::fp::FOp;
use crate::ops::*;
use crate::vec::VOp;

/// Scratch vector registers.
pub(super) const X0: u8 = 12;
pub(super) const X1: u8 = 13;

type T<'a> = Translator<'a>;

/// d = `bytes` bytes at m, zero above.
pub(super) fn load(t: &mut T<'_>, bytes: u8, d: V, m: Mem) {
    let x = t.vdef(d, X0);
    match bytes {
        16 => t.a.v2(v(0, 1, 0x10), x, m),
        8 => t.a.v2(v(2, 1, 0x7e), x, m),
        4 => t.a.v2(v(1, 1, 0x6e), x, m),
        n => {
            t.a.movzx(n, RAX, m);
            t.a.v2(v(1, 1, 0x6e), x, RAX);
        }
    }
    t.vput(d, x);
}

/// Memory at m = low `bytes` bytes of s.
pub(super) fn store(t: &mut T<'_>, bytes: u8, s: V, m: Mem) {
    let x = t.vgetr(s, X0);
    match bytes {
        16 => t.a.v2(v(0, 1, 0x11), x, m),
        8 => t.a.v2(v(1, 1, 0xd6), x, m),
        4 => t.a.v2(v(1, 1, 0x7e), x, m),
        2 => t.a.v2i(v(1, 3, 0x15), x, m, 0),
        _ => t.a.v2i(v(1, 3, 0x14), x, m, 0),
    }
}

fn emit<'b>(t: &'b mut T<'_>) -> Emit<'b> {
    Emit { a: &mut t.a, features: t.features, host: t.vec_host, aes: &mut t.aes }
}

pub(super) fn vec(t: &mut T<'_>, op: VOp, args: VArgs) {
    if lower(&mut emit(t), op, &args) {
        return;
    }
    t.clobber_flags();
    if lower_saturating(&mut emit(t), op, &args) {
        return;
    }
    t.inline_helper(helpers::vec, pack_vec(op as u16, &args));
}

pub(super) fn fp(t: &mut T<'_>, op: FOp, args: VArgs) {
    t.inline_helper(helpers::fp, pack_vec(op as u16, &args));
}

pub(super) fn vget(t: &mut T<'_>, signed: bool, w: W, d: R, a: V, es: u8, idx: u8) {
    if d == R::ZERO {
        return;
    }
    let wide = w == W::W64;
    let r = t.def(d);
    if t.vhost(a) == NONE {
        // Straight from the slot in memory.
        let mut m = T::vslot(a);
        m.disp += (idx as i32) << es;
        match (es, signed) {
            (0 | 1, false) => t.a.movzx(1 << es, r, m),
            (2, false) => t.a.mov(false, r, m),
            (3, _) => t.a.mov(true, r, m),
            (e, true) => t.a.movsx(wide, 1 << e, r, m),
            _ => {}
        }
        t.put(d, r);
        return;
    }
    let x = t.vhost(a);
    match es {
        0 => t.a.v2i(v(1, 3, 0x14), x, r, idx),
        1 => {
            // PEXTRW in its 0F3A form has the general register as rm.
            t.a.v2i(v(1, 3, 0x15), x, r, idx)
        }
        2 if idx == 0 => t.a.v2(v(1, 1, 0x7e), x, r),
        2 => t.a.v2i(v(1, 3, 0x16), x, r, idx),
        _ if idx == 0 => t.a.v2(vw(1, 1, 0x7e), x, r),
        _ => t.a.v2i(vw(1, 3, 0x16), x, r, idx),
    }
    if signed && es < 3 {
        t.a.movsx(wide, 1 << es, r, r);
    }
    t.put(d, r);
}

pub(super) fn vset(t: &mut T<'_>, d: V, es: u8, idx: u8, s: R) {
    let r = t.get(es == 3, s, RAX);
    let h = t.vhost(d);
    if h == NONE {
        let mut m = T::vslot(d);
        m.disp += (idx as i32) << es;
        match es {
            0 => t.a.mov_store8(m, r),
            1 => t.a.mov_store16(m, r),
            e => t.a.mov_store(e == 3, m, r),
        }
        return;
    }
    let e = match es {
        0 => v(1, 3, 0x20),
        1 => v(1, 1, 0xc4),
        2 => v(1, 3, 0x22),
        _ => vw(1, 3, 0x22),
    };
    t.a.v3i(e, h, h, Rm::R(r), idx, X1);
}

pub(super) fn vfrom(t: &mut T<'_>, d: V, es: u8, s: R) {
    let x = t.vdef(d, X0);
    let mut r = t.get(true, s, RAX);
    if es < 2 {
        t.a.movzx(1 << es, RAX, r);
        r = RAX;
    }
    t.a.v2(if es == 3 { vw(1, 1, 0x6e) } else { v(1, 1, 0x6e) }, x, r);
    t.vput(d, x);
}

pub(super) fn vdup(t: &mut T<'_>, d: V, es: u8, bytes: u8, s: R) {
    let x = t.vdef(d, X0);
    let r = t.get(true, s, RAX);
    t.a.v2(if es == 3 { vw(1, 1, 0x6e) } else { v(1, 1, 0x6e) }, x, r);
    match es {
        0 => {
            // PSHUFB by zeroes.
            t.a.v3(v(1, 1, 0xef), X1, X1, Rm::R(X1), true, X1);
            t.a.v3(v(1, 2, 0x00), x, x, Rm::R(X1), false, X1);
        }
        1 => {
            t.a.v2i(v(3, 1, 0x70), x, x, 0);
            t.a.v2i(v(1, 1, 0x70), x, x, 0);
        }
        2 => t.a.v2i(v(1, 1, 0x70), x, x, 0),
        _ if bytes == 16 => t.a.v2i(v(1, 1, 0x70), x, x, 0x44),
        _ => {}
    }
    if bytes == 8 && es < 3 {
        t.a.v2(v(2, 1, 0x7e), x, x);
    }
    t.vput(d, x);
}

pub(super) fn vconst(t: &mut T<'_>, d: V, value: u128) {
    let x = t.vdef(d, X0);
    let (low, high) = (value as u64, (value >> 64) as u64);
    if value == 0 {
        t.a.v3(v(1, 1, 0xef), x, x, Rm::R(x), true, X1);
    } else if value == u128::MAX {
        t.a.v3(v(1, 1, 0x76), x, x, Rm::R(x), true, X1);
    } else {
        t.a.mov_imm(RAX, low);
        t.a.v2(if low >> 32 == 0 { v(1, 1, 0x6e) } else { vw(1, 1, 0x6e) }, x, RAX);
        if high == low {
            t.a.v2i(v(1, 1, 0x70), x, x, 0x44);
        } else if high != 0 {
            t.a.mov_imm(RAX, high);
            t.a.v3i(vw(1, 3, 0x22), x, x, Rm::R(RAX), 1, X1);
        }
    }
    t.vput(d, x);
}

pub(super) fn vtbl(t: &mut T<'_>, keep: bool, d: V, first: V, n: u8, idx: V, bytes: u8) {
    if table(&mut emit(t), keep, d, first, n, idx, bytes) {
        return;
    }
    let args = VArgs { d, a: first, b: idx, c: d, es: n, bytes, imm: 0 };
    t.inline_helper(helpers::vtbl, pack_vec(keep as u16, &args));
}

pub(super) fn struct_access(t: &mut T<'_>, is_store: bool, n: u8, es: u8, bytes: u8, first: V, addr: R) {
    if has_struct(&emit(t), n) {
        let base = t.get(true, addr, RCX);
        return if is_store {
            store_struct(&mut emit(t), n, es, bytes, first, base)
        } else {
            load_struct(&mut emit(t), n, es, bytes, first, base)
        };
    }
    let args = VArgs { d: first, a: first, b: first, c: first, es, bytes, imm: addr.0 as u32 };
    let f: Helper = if is_store { helpers::vstore_struct } else { helpers::vload_struct };
    t.inline_helper(f, pack_vec(n as u16, &args));
}

#[allow(clippy::too_many_arguments)]
pub(super) fn fp_to_int(t: &mut T<'_>, signed: bool, round: Round, w: W, d: R, a: V, es: u8, fbits: u8) {
    t.inline_helper(helpers::fp_to_int, pack_convert(signed, w, round as u8, a, d, es, fbits));
}

pub(super) fn int_to_fp(t: &mut T<'_>, signed: bool, w: W, d: V, s: R, es: u8, fbits: u8) {
    t.inline_helper(helpers::int_to_fp, pack_convert(signed, w, 0, d, s, es, fbits));
}

pub(super) fn fp_compare(t: &mut T<'_>, signaling: bool, es: u8, a: V, b: Option<V>) {
    let imm = signaling as u32 | (b.is_none() as u32) << 1;
    let args = VArgs { d: a, a, b: b.unwrap_or(a), c: a, es, bytes: 0, imm };
    t.inline_helper(helpers::fp_compare, pack_vec(0, &args));
}

pub(super) fn fp_cond_compare(t: &mut T<'_>, c: Cond, signaling: bool, es: u8, a: V, b: V, nzcv: u8) {
    // Flags go to memory in either case.
    t.need_flags();
    let test = t.cond(c);
    let (yes1, yes2) = match test {
        super::Test::One(cc) => (Some(t.a.jcc_near(cc)), None),
        super::Test::Or(x, y) => {
            let f = t.a.jcc_near(x);
            (Some(f), Some(t.a.jcc_near(y)))
        }
        super::Test::And(x, y) => {
            let no = t.a.jcc_short(x.invert());
            let f = t.a.jcc_near(y);
            t.a.bind(no);
            (Some(f), None)
        }
        super::Test::Always => (None, None),
    };
    let done = yes1.map(|_| {
        let (n, z, c, o) =
            (nzcv as u32 >> 3 & 1, nzcv as u32 >> 2 & 1, nzcv as u32 >> 1 & 1, nzcv as u32 & 1);
        t.a.mov_imm(RAX, (n << 15 | z << 14 | c << 8 | o) as u64);
        t.a.mov_store16(super::state(core::mem::offset_of!(crate::state::Cpu, host_flags)), RAX);
        t.a.jmp_near()
    });
    if let Some(n) = yes1 {
        t.a.bind_near(n);
    }
    if let Some(n) = yes2 {
        t.a.bind_near(n);
    }
    let args = VArgs { d: a, a, b, c: a, es, bytes: 0, imm: signaling as u32 };
    t.host_flags = HostFlags::None;
    t.mem_flags = true;
    t.inline_helper(helpers::fp_compare, pack_vec(0, &args));
    if let Some(n) = done {
        t.a.bind_near(n);
    }
}

pub(super) fn fp_select(t: &mut T<'_>, c: Cond, es: u8, d: V, a: V, b: V) {
    let test = t.cond(c);
    // x = b, or a when the condition holds; then cleared above the lane.
    let xa = t.vgetr(a, X0);
    let xb = t.vgetr(b, X1);
    let move_low = |t: &mut T<'_>, x: u8, s: u8| match es {
        3 => t.a.v2(v(2, 1, 0x7e), x, s),
        2 => t.a.v3i(v(1, 3, 0x21), x, s, Rm::R(s), 0b1110, 14),
        _ => {
            t.a.v2i(v(1, 3, 0x15), s, RAX, 0);
            t.a.v2(v(1, 1, 0x6e), x, RAX);
        }
    };
    let x = X1;
    match test {
        super::Test::Always => move_low(t, x, xa),
        super::Test::One(cc) => {
            let skip = t.a.jcc_short(cc);
            if xa != X0 {
                t.a.vmov(X0, xb);
            } else {
                t.a.vmov(X0, xb);
            }
            let end = t.a.jmp_short();
            t.a.bind(skip);
            t.a.vmov(X0, xa);
            t.a.bind(end);
            move_low(t, x, X0);
        }
        _ => {
            let (x1, y1, and) = match test {
                super::Test::And(p, q) => (p, q, true),
                super::Test::Or(p, q) => (p, q, false),
                _ => (Cc::E, Cc::E, true),
            };
            // yes: X0 = a; no: X0 = b.
            if and {
                let no1 = t.a.jcc_short(x1.invert());
                let no2 = t.a.jcc_short(y1.invert());
                t.a.vmov(X0, xa);
                let end = t.a.jmp_short();
                t.a.bind(no1);
                t.a.bind(no2);
                t.a.vmov(X0, xb);
                t.a.bind(end);
            } else {
                let yes1 = t.a.jcc_short(x1);
                let yes2 = t.a.jcc_short(y1);
                t.a.vmov(X0, xb);
                let end = t.a.jmp_short();
                t.a.bind(yes1);
                t.a.bind(yes2);
                t.a.vmov(X0, xa);
                t.a.bind(end);
            }
            move_low(t, x, X0);
        }
    }
    t.vput(d, x);
    let _ = Op::Add;
}

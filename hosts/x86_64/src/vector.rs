//! Vector and floating-point operations as SSE/AVX code, with the reference functions behind them
//! for the rest.

use super::asm::{Cc, Mem, NONE, Near, Op, Rm, Sh, opcodes::*, reg::*};
use super::helpers::{self, pack_vec};
use super::vec::{Emit, has_struct, load_struct, lower, lower_clobbering, store_struct, table};
use super::{HostPart, STATE_BIAS, Translator, host_part};
use anyarch_engine::ops::*;
use anyarch_engine::vec::VOp;
use core::mem::offset_of;

/// Scratch vector registers.
pub(super) const X0: u8 = 12;
pub(super) const X1: u8 = 13;

type T<'a> = Translator<'a>;

/// 128 bytes of ones and as many zeroes, so that the 16 from 128 - n on are ones in the first n.
pub(crate) const TAILS: [u128; 16] = {
    let mut all = [0; 16];
    let mut n = 0;
    while n < 8 {
        all[n] = u128::MAX;
        n += 1;
    }
    all
};

/// d = `bytes` bytes at m, zero above.
pub(super) fn load(t: &mut T<'_>, bytes: u8, d: V, m: Mem) {
    let x = t.vdef(d, X0);
    match bytes {
        16 => t.a.v2(MOVUPS, x, m),
        8 => t.a.v2(MOVQ, x, m),
        4 => t.a.v2(MOVD, x, m),
        n => {
            t.a.movzx(n, RAX, m);
            t.a.v2(MOVD, x, RAX);
        }
    }
    t.vput(d, x);
}

/// Memory at m = low `bytes` bytes of s.
pub(super) fn store(t: &mut T<'_>, bytes: u8, s: V, m: Mem) {
    let x = t.vgetr(s, X0);
    match bytes {
        16 => t.a.v2(MOVUPS_STORE, x, m),
        8 => t.a.v2(MOVQ_STORE, x, m),
        4 => t.a.v2(MOVD_STORE, x, m),
        2 => t.a.v2i(PEXTR[1], x, m, 0),
        _ => t.a.v2i(PEXTR[0], x, m, 0),
    }
}

fn emit<'b>(t: &'b mut T<'_>) -> Emit<'b> {
    Emit { a: &mut t.a, features: t.features, host: t.vec_host, aes: &mut t.known.aes }
}

pub(super) fn vec(t: &mut T<'_>, op: VOp, args: VArgs) {
    if lower(&mut emit(t), op, &args) {
        return;
    }
    if op == VOp::Sha256Hash2 && t.known.vectors.pair.is_second(&args) {
        let x = t.vdef(args.d, X0);
        t.a.v2(MOVAPS, x, super::sha::other_half());
        return t.vput(args.d, x);
    }
    t.clobber_flags();
    if lower_clobbering(&mut emit(t), op, &args) {
        return;
    }
    t.inline_helper(helpers::vec, pack_vec(op as u16, &args));
}

pub(super) fn vget(t: &mut T<'_>, signed: bool, w: W, d: R, a: V, es: u8, idx: u8) {
    if d == R::ZERO {
        return;
    }
    let wide = w == W::W64;
    let r = t.def(d);
    let (a, idx) = t.known_lane(a, es, idx).map_or((a, idx), |kept| (kept, 0));
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
        2 if idx == 0 => t.a.v2(MOVD_STORE, x, r),
        3 if idx == 0 => t.a.v2(MOVQ_TO_GPR, x, r),
        _ => t.a.v2i(PEXTR[es as usize & 3], x, r, idx),
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
    t.a.v3i(PINSR[es as usize & 3], h, h, Rm::R(r), idx, X1);
}

/// See [`Ops::vload_lane`].
pub(super) fn load_lane(t: &mut T<'_>, d: V, es: u8, idx: u8, m: Mem) {
    let h = t.vhost(d);
    if h == NONE {
        let mut slot = T::vslot(d);
        slot.disp += (idx as i32) << es;
        t.a.mov(es == 3, RAX, m);
        t.a.mov_store(es == 3, slot, RAX);
    } else if es == 2 {
        t.a.v3i(INSERTPS, h, h, m, idx << 4, X1);
    } else {
        t.a.v3(if idx == 0 { MOVLPS } else { MOVHPS }, h, h, m, false, X1);
    }
}

/// See [`Ops::vstore_lane`].
pub(super) fn store_lane(t: &mut T<'_>, s: V, es: u8, idx: u8, m: Mem) {
    let (s, idx) = t.known_lane(s, es, idx).map_or((s, idx), |kept| (kept, 0));
    let h = t.vhost(s);
    if h == NONE {
        let mut slot = T::vslot(s);
        slot.disp += (idx as i32) << es;
        // The address may be in RAX or RCX.
        let r = if m.base == RAX || m.index == RAX { RCX } else { RAX };
        t.a.mov(es == 3, r, slot);
        t.a.mov_store(es == 3, m, r);
    } else if es == 2 && idx == 0 && t.keeps_lanes() {
        t.a.v2(movs_store(2), h, m);
    } else if es == 2 {
        t.a.v2i(EXTRACTPS, h, m, idx);
    } else {
        t.a.v2(if idx == 0 { MOVLPS_STORE } else { MOVHPS_STORE }, h, m);
    }
}

pub(super) fn vfrom(t: &mut T<'_>, d: V, es: u8, s: R) {
    let x = t.vdef(d, X0);
    let mut r = t.get(true, s, RAX);
    if es < 2 {
        t.a.movzx(1 << es, RAX, r);
        r = RAX;
    }
    t.a.v2(if es == 3 { MOVQ_FROM_GPR } else { MOVD }, x, r);
    t.vput(d, x);
}

pub(super) fn vdup(t: &mut T<'_>, d: V, es: u8, bytes: u8, s: R) {
    let x = t.vdef(d, X0);
    let r = t.get(true, s, RAX);
    t.a.v2(if es == 3 { MOVQ_FROM_GPR } else { MOVD }, x, r);
    match es {
        0 => {
            // PSHUFB by zeroes.
            t.a.v3(PXOR, X1, X1, Rm::R(X1), true, X1);
            t.a.v3(PSHUFB, x, x, Rm::R(X1), false, X1);
        }
        1 => {
            t.a.v2i(PSHUFLW, x, x, 0);
            t.a.v2i(PSHUFD, x, x, 0);
        }
        2 => t.a.v2i(PSHUFD, x, x, 0),
        _ if bytes == 16 => t.a.v2i(PSHUFD, x, x, 0x44),
        _ => {}
    }
    if bytes == 8 && es < 3 {
        t.a.v2(MOVQ, x, x);
    }
    t.vput(d, x);
}

pub(super) fn vconst(t: &mut T<'_>, d: V, value: u128) {
    let x = t.vdef(d, X0);
    let (low, high) = (value as u64, (value >> 64) as u64);
    if value == 0 {
        t.a.v3(PXOR, x, x, Rm::R(x), true, X1);
    } else if value == u128::MAX {
        t.a.v3(PCMPEQ[2], x, x, Rm::R(x), true, X1);
    } else {
        t.a.mov_imm(RAX, low);
        t.a.v2(if low >> 32 == 0 { MOVD } else { MOVQ_FROM_GPR }, x, RAX);
        if high == low {
            t.a.v2i(PSHUFD, x, x, 0x44);
        } else if high != 0 {
            t.a.mov_imm(RAX, high);
            t.a.v3i(PINSR[3], x, x, Rm::R(RAX), 1, X1);
        }
    }
    t.vput(d, x);
}

/// See [`Ops::vtail`].
pub(super) fn tail(t: &mut T<'_>, d: V, a: V, b: Option<V>, es: u8, first: u8, count: R) {
    t.clobber_flags();
    t.get_into(true, count, RCX);
    t.a.neg(true, RCX);
    let middle = host_part(offset_of!(HostPart, tails)) as i32 + 128 + ((first as i32) << es) - STATE_BIAS;
    t.a.v2(MOVUPS, X1, Mem::index(RBP, RCX, es, middle));
    let (x, a) = (t.vdef(d, X0), t.vrm(a));
    match b {
        None => t.a.v3(PAND, x, X1, a, true, X0),
        Some(b) if t.a.avx => {
            let b = t.vgetr(b, X0);
            t.a.vex(VPBLENDVB, x, b, a);
            t.a.b(X1 << 4);
        }
        Some(b) => {
            let b = t.vrm(b);
            t.a.v2(MOVAPS, X0, a);
            t.a.sse(PAND, X0, X1);
            t.a.sse(PANDN, X1, b);
            t.a.sse(POR, X0, X1);
            t.a.vmov(x, X0);
        }
    }
    t.vput(d, x);
}

/// See [`Ops::vsigns`].
pub(super) fn signs(t: &mut T<'_>, d: R, a: V, es: u8) {
    if d == R::ZERO {
        return;
    }
    let (r, x) = (t.def(d), t.vgetr(a, X0));
    match es {
        1 => {
            // PACKSSWB keeps the signs.
            t.a.v3(PXOR, X1, X1, X1, true, X1);
            t.a.v3(PACKSS[0], X0, x, X1, false, X1);
            t.a.v2(MOVMSK[0], r, X0);
        }
        _ => t.a.v2(MOVMSK[es as usize & 3], r, x),
    }
    t.put(d, r);
}

/// See [`Ops::vstore_masked`].
pub(super) fn store_masked(t: &mut T<'_>, es: u8, s: V, mask: V, addr: R, offset: i32) {
    let mask = t.vgetr(mask, X1);
    if es >= 2 && t.a.avx {
        let x = t.vgetr(s, X0);
        let base = t.get(true, addr, RAX);
        return t.a.vex(VMASKMOVP_STORE[es as usize & 1], x, mask, Mem::base(base, offset));
    }
    t.clobber_flags();
    let mut signs = mask;
    if es == 1 {
        t.a.v3(PXOR, X0, X0, X0, true, X0);
        t.a.v3(PACKSS[0], X1, mask, X0, false, X0);
        signs = X1;
    }
    t.a.v2(MOVMSK[es as usize & 3], RCX, signs);
    t.a.alu_imm(Op::Cmp, false, RCX, (1 << (16 >> es)) - 1);
    let some = t.a.jcc_near(Cc::Ne);
    let base = t.get(true, addr, RAX);
    store(t, 16, s, Mem::base(base, offset));
    let all_done = t.a.jmp_near();
    t.a.bind_near(some);
    t.a.test(false, RCX, RCX);
    let none = t.a.jcc_near(Cc::E);
    // The next lane's number, its distance, its address.
    let again = t.a.p;
    let slot = T::vslot(s).disp;
    t.a.bsf(false, RAX, RCX);
    t.a.bit_reset(RCX, RAX);
    if es > 0 {
        t.a.shift_imm(Sh::Shl, false, RAX, es);
    }
    match es {
        0 => t.a.v3i(PINSR[0], X0, X0, Mem::index(RBP, RAX, 0, slot), 0, X1),
        1 => t.a.v3i(PINSR[1], X0, X0, Mem::index(RBP, RAX, 0, slot), 0, X1),
        2 => t.a.v2(MOVD, X0, Mem::index(RBP, RAX, 0, slot)),
        _ => t.a.v2(MOVQ, X0, Mem::index(RBP, RAX, 0, slot)),
    }
    if addr != R::ZERO {
        let base = t.rm(addr, RAX);
        t.a.alu(Op::Add, true, RAX, base);
    }
    let to = Mem::base(RAX, offset);
    match es {
        0 => t.a.v2i(PEXTR[0], X0, to, 0),
        1 => t.a.v2i(PEXTR[1], X0, to, 0),
        2 => t.a.v2(MOVD_STORE, X0, to),
        _ => t.a.v2(MOVQ_STORE, X0, to),
    }
    t.a.test(false, RCX, RCX);
    t.a.jcc_to(Cc::Ne, again);
    t.a.bind_near(none);
    t.a.bind_near(all_done);
}

/// [`Ops::vload_part`] and [`Ops::vstore_part`]: from the first byte up, by as many bytes as are
/// left of 16, 8, 4, 2 and 1. The last piece of each size overlaps the one before so as to end at
/// the end, which needs no loop.
pub(super) fn part(t: &mut T<'_>, is_store: bool, first: V, slots: u8, es: u8, addr: R, count: R) {
    let slot = T::vslot(first).disp;
    t.clobber_flags();
    t.get_into(true, count, RCX);
    if es > 0 {
        t.a.shift_imm(Sh::Shl, false, RCX, es);
    }
    let base = t.get(true, addr, RAX);
    // Bytes at a constant distance from the beginning, or from the end.
    let copy = |t: &mut T<'_>, bytes: u8, at: i32, from_end: bool| {
        let index = if from_end { RCX } else { NONE };
        let (memory, slots) = (Mem::index(base, index, 0, at), Mem::index(RBP, index, 0, slot + at));
        let (from, to) = if is_store { (slots, memory) } else { (memory, slots) };
        match bytes {
            16 => {
                t.a.v2(MOVUPS, X0, from);
                t.a.v2(MOVUPS_STORE, X0, to);
            }
            8 => {
                t.a.v2(MOVQ, X0, from);
                t.a.v2(MOVQ_STORE, X0, to);
            }
            4 => {
                t.a.v2(MOVD, X0, from);
                t.a.v2(MOVD_STORE, X0, to);
            }
            2 => {
                t.a.v3i(PINSR[1], X0, X0, from, 0, X1);
                t.a.v2i(PEXTR[1], X0, to, 0);
            }
            _ => {
                t.a.v3i(PINSR[0], X0, X0, from, 0, X1);
                t.a.v2i(PEXTR[0], X0, to, 0);
            }
        }
    };
    let mut ends = [None; 12];
    let mut done = 0;
    let mut jump_to_end = |t: &mut T<'_>| {
        ends[done] = Some(t.a.jmp_near());
        done += 1;
    };
    t.a.alu_imm(Op::Cmp, false, RCX, 16);
    let small = t.a.jcc_near(Cc::B);
    let mut last: [Option<Near>; 8] = [None; 8];
    for n in 0..slots.clamp(1, 8) {
        if n > 0 {
            t.a.alu_imm(Op::Cmp, false, RCX, 16 * n as i32 + 16);
            last[n as usize] = Some(t.a.jcc_near(Cc::B));
        }
        copy(t, 16, 16 * n as i32, false);
    }
    jump_to_end(t);
    if slots > 1 {
        last.into_iter().flatten().for_each(|site| t.a.bind_near(site));
        copy(t, 16, -16, true);
        jump_to_end(t);
    }
    t.a.bind_near(small);
    for bytes in [8, 4, 2, 1] {
        if bytes >> es == 0 {
            break;
        }
        t.a.test_imm(false, RCX, bytes);
        let less = t.a.jcc_near(Cc::E);
        copy(t, bytes as u8, 0, false);
        // More follows only if an element is smaller.
        if bytes >> es > 1 {
            copy(t, bytes as u8, -bytes, true);
        }
        jump_to_end(t);
        t.a.bind_near(less);
    }
    ends.into_iter().flatten().for_each(|site| t.a.bind_near(site));
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
    let f: HelperFn = if is_store { helpers::vstore_struct } else { helpers::vload_struct };
    t.inline_helper(f, pack_vec(n as u16, &args));
}

#[cfg(test)]
mod tests {
    use super::super::Features;
    use super::super::fp::tests::{Bench, DEAD, Random};
    use super::*;
    use anyarch_engine::interp::Interp;
    use anyarch_engine::state::VEC_SLOTS;

    /// An operation on parts of registers, by generated code and by the interpreter: its
    /// destination, and the memory that x1 points at.
    fn check(bench: &mut Bench, random: &mut Random, name: &str, play: &dyn Fn(&mut dyn Ops)) {
        let mut memory = [[0u8; 160]; 2];
        let fill: [u8; 160] = core::array::from_fn(|_| random.next() as u8);
        let mut results = [(); 2].map(|()| (Vec::new(), 0));
        let vectors: Vec<u128> =
            (0..VEC_SLOTS).map(|_| random.next() as u128 | (random.next() as u128) << 64).collect();
        let count = random.next();
        for (by, memory) in memory.iter_mut().enumerate() {
            *memory = fill;
            let cpu = bench.cpu();
            cpu.vec.copy_from_slice(&vectors);
            // In x1, which is pinned, and x20, which is not.
            cpu.gpr[1] = memory[16..].as_mut_ptr() as u64;
            cpu.gpr[20] = cpu.gpr[1];
            // Elements of up to 128 bytes, of 1 to 8 each.
            for es in 0..4 {
                cpu.gpr[2 + es] = count % (129 >> es);
                cpu.gpr[6 + es] = count % (17 >> es);
            }
            if by == 0 {
                bench.run(DEAD, &[play]);
            } else {
                let mut interp = Interp::new(cpu);
                play(&mut interp);
            }
            let cpu = bench.cpu();
            results[by] = (cpu.vec.to_vec(), cpu.gpr[10]);
        }
        let [got, want] = results;
        for (n, (got, want)) in got.0.iter().zip(&want.0).enumerate() {
            assert_eq!(got, want, "{name}: slot {n}, {got:032x}, wanted {want:032x}, count {count:x}");
        }
        assert_eq!(got.1, want.1, "{name}: general register");
        assert_eq!(memory[0], memory[1], "{name}: memory, count {count:x}");
    }

    #[test]
    fn parts_of_registers_agree_with_the_interpreter() {
        let all = Features::detect();
        let sse = Features { avx: false, avx2: false, ..all };
        let mut random = Random(88172645463325252);
        for (features, kind) in [(all, "all"), (sse, "SSE")] {
            let bench = &mut Bench::new(features);
            for es in 0..4u8 {
                for round in 0..200u8 {
                    let random = &mut random;
                    let (few, many) = (R(6 + es), R(2 + es));
                    let addr = if round & 1 == 0 { R(1) } else { R(20) };
                    let slots = 1 << (round >> 1 & 3);
                    let count = if slots == 8 { many } else { few };
                    let [d, a, b] = [50, 51, 52].map(|s| V(if round & 8 == 0 { s } else { s - 50 }));
                    let first = ((16 >> es) * (round >> 4 & 7)).min(127);
                    let other = (round & 2 != 0).then_some(if round & 4 == 0 { b } else { d });
                    let name = |op: &str| format!("{op}, {kind}, width {es}, round {round}");
                    check(bench, random, &name("tail"), &|o| o.vtail(d, a, other, es, first, many));
                    check(bench, random, &name("signs"), &|o| o.vsigns(R(10), a, es));
                    check(bench, random, &name("load"), &|o| o.vload_part(V(64), slots, es, addr, count));
                    check(bench, random, &name("store"), &|o| o.vstore_part(V(64), slots, es, addr, count));
                    check(bench, random, &name("masked store"), &|o| {
                        o.vstore_masked(es, V(60), a, addr, 3 * round as i32 % 120);
                    });
                    check(bench, random, &name("masked store of all or none"), &|o| {
                        o.vconst(a, if round & 16 == 0 { 0 } else { u128::MAX });
                        o.vstore_masked(es, V(60), a, addr, 16);
                    });
                }
            }
        }
    }
}

//! The operation vocabulary ([`anyarch_engine::ops::Ops`]): each word, and where its code is made.
//!
//! A word of more than a few lines is a method of the same name in the module of its subject.

use super::asm::NONE;
use super::helpers::{self, pack};
use super::{Translator, state, vector};
use anyarch_engine::fp::FOp;
use anyarch_engine::ops::*;
use anyarch_engine::state::{Cpu, mode};
use anyarch_engine::vec::VOp;
use core::mem::offset_of;

impl Ops for Translator<'_> {
    fn mov(&mut self, w: W, d: R, s: Src) {
        let word = matches!(s, Src::Reg(s) if self.known.vectors.is_word(s));
        self.mov(w, d, s);
        self.known.vectors.set_word(d, word);
    }

    fn mov_addr(&mut self, d: R, target: u64) {
        self.mov_addr(d, target);
    }

    fn alu(&mut self, op: Alu, w: W, d: R, a: R, b: Src) {
        let by_words = matches!((op, b), (Alu::Add | Alu::Sub, Src::Imm(imm)) if imm & 3 == 0);
        let word = by_words && self.known.vectors.is_word(a);
        self.alu(op, w, d, a, b);
        self.known.vectors.set_word(d, word);
    }

    fn alu_flags(&mut self, op: Alu, w: W, d: R, a: R, b: Src) {
        self.alu_flags(op, w, d, a, b);
    }

    fn add_carry(&mut self, sub: bool, flags: bool, w: W, d: R, a: R, b: R) {
        self.add_carry(sub, flags, w, d, a, b);
    }

    fn shift(&mut self, op: Shift, w: W, d: R, a: R, b: Src) {
        self.shift(op, w, d, a, b);
    }

    fn shift_far(&mut self, op: Shift, d: R, a: R, s: R) {
        self.shift_far(op, d, a, s);
    }

    fn add_sticky(&mut self, d: R, a: R, b: R, sticky: R) {
        self.add_sticky(d, a, b, sticky);
    }

    fn mul_halves(&mut self, d: R, a: (R, bool), b: (R, bool), add: Option<(R, R)>) {
        self.mul_halves(d, a, b, add);
    }

    fn flags_matter(&mut self, flags: u8) -> bool {
        let matter = self.live_after() & flags != 0;
        self.course.dropped_flags |= !matter;
        matter
    }

    fn extract(&mut self, signed: bool, w: W, d: R, a: R, lsb: u8, len: u8) {
        self.extract(signed, w, d, a, lsb, len);
    }

    fn extract_shl(&mut self, signed: bool, w: W, d: R, a: R, lsb: u8, len: u8) {
        self.extract_shl(signed, w, d, a, lsb, len);
    }

    fn insert(&mut self, w: W, d: R, a: R, lsb: u8, len: u8) {
        self.insert(w, d, a, lsb, len);
    }

    fn insert_imm16(&mut self, w: W, d: R, imm: u16, lsb: u8) {
        self.insert_imm16(w, d, imm, lsb);
    }

    fn extract_pair(&mut self, w: W, d: R, hi: R, lo: R, lsb: u8) {
        self.extract_pair(w, d, hi, lo, lsb);
    }

    fn unary(&mut self, op: Unary, w: W, d: R, a: R) {
        self.unary(op, w, d, a);
    }

    fn mul(&mut self, op: Mul, d: R, a: R, b: R, acc: R) {
        self.mul(op, d, a, b, acc);
    }

    fn div(&mut self, signed: bool, zero: DivZero, w: W, d: R, a: R, b: R) {
        self.division(signed, Some(zero), w, d, a, b);
    }

    fn rem(&mut self, signed: bool, w: W, d: R, a: R, b: R) {
        self.division(signed, None, w, d, a, b);
    }

    fn select(&mut self, c: Cond, w: W, d: R, a: R, b: R, sel: Sel) {
        self.select(c, w, d, a, b, sel);
    }

    fn cond_compare(&mut self, c: Cond, sub: bool, w: W, a: R, b: Src, nzcv: u8) {
        self.cond_compare(c, sub, w, a, b, nzcv);
    }

    fn set_cmp(&mut self, cmp: Cmp, d: R, a: R, b: Src) {
        self.set_cmp(cmp, d, a, b);
    }

    fn crc32(&mut self, castagnoli: bool, size: Size, d: R, a: R, b: R) {
        self.crc32(castagnoli, size, d, a, b);
    }

    fn set_nz(&mut self, w: W, r: R, carry: Carry) {
        self.nz_of(w, r, carry);
    }

    fn shift_nz(&mut self, op: Shift, w: W, d: R, a: R, n: u8) {
        self.nz_of_shift(op, w, d, a, n);
    }

    fn read_flags(&mut self, d: R) {
        self.read_flags(d);
    }

    fn write_flags(&mut self, s: R) {
        self.write_flags(s);
    }

    // Memory.

    fn check_aligned(&mut self, bytes: u32, base: R, offset: i64, _: bool, _: FaultAddr) {
        let words = offset & 3 == 0;
        if bytes == 4 && words && self.known.vectors.is_word(base) {
            return;
        }
        self.leave_unless_aligned(bytes, base, offset);
        self.known.vectors.set_word(base, words && bytes >= 4);
    }

    fn load(&mut self, size: Size, ext: LoadExt, d: R, a: Addr, _: MemOrder) {
        self.load(size, ext, d, a);
    }

    fn store(&mut self, size: Size, s: R, a: Addr, order: MemOrder) {
        self.store(size, s, a, order);
    }

    fn vload(&mut self, bytes: u8, d: V, a: Addr) {
        let m = self.addr(a);
        vector::load(self, bytes, d, m);
        self.wrote(d, bytes);
    }

    fn vstore(&mut self, bytes: u8, s: V, a: Addr) {
        self.known.fenced = false;
        let m = self.addr(a);
        vector::store(self, bytes, s, m);
    }

    fn vload_lane(&mut self, d: V, es: u8, idx: u8, a: Addr) {
        let m = self.addr(a);
        if self.keeps_lanes() {
            return self.load_lane(d, es, idx, m);
        }
        vector::load_lane(self, d, es, idx, m);
        self.wrote(d, 16);
    }

    fn vstore_lane(&mut self, s: V, es: u8, idx: u8, a: Addr) {
        self.known.fenced = false;
        let m = self.addr(a);
        vector::store_lane(self, s, es, idx, m);
    }

    fn rmw(&mut self, op: Rmw, size: Size, d: R, s: R, addr: R) {
        self.rmw(op, size, d, s, addr);
    }

    fn cas(&mut self, size: Size, expected: R, new: R, addr: R) {
        self.cas(size, expected, new, addr);
    }

    fn cas_pair(&mut self, size: Size, expected: [R; 2], new: [R; 2], addr: R) {
        let arg = pack(&[expected[0], expected[1], new[0], new[1], addr]) | (size as u64) << 40;
        self.inline_helper(helpers::cas_pair, arg);
    }

    fn load_exclusive(&mut self, size: Size, d: R, addr: R) {
        self.reserve_and_load(size, d, addr);
    }

    fn load_exclusive_pair(&mut self, size: Size, d: [R; 2], addr: R) {
        self.draft.reserves = true;
        let arg = pack(&[d[0], d[1], addr]) | (size as u64) << 40;
        self.inline_helper(helpers::load_exclusive_pair, arg);
    }

    fn store_exclusive(&mut self, size: Size, status: R, s: R, addr: R) {
        if self.host(s) == NONE && self.host(addr) == NONE {
            let arg = pack(&[status, s, addr]) | (size as u64) << 40;
            return self.inline_helper(helpers::store_exclusive, arg);
        }
        self.store_if_reserved(size, status, s, addr);
    }

    fn store_exclusive_pair(&mut self, size: Size, status: R, s: [R; 2], addr: R) {
        let arg = pack(&[status, s[0], s[1], addr]) | (size as u64) << 40;
        self.inline_helper(helpers::store_exclusive_pair, arg);
    }

    fn clear_exclusive(&mut self) {
        self.a.mov_store_imm(true, state(offset_of!(Cpu, excl_addr)), -1);
    }

    fn barrier(&mut self, b: Barrier) {
        if b == Barrier::Full && !core::mem::replace(&mut self.known.fenced, true) {
            self.clobber_flags();
            self.a.fence();
        }
    }

    fn sync_fetch(&mut self) {
        if self.copy.is_some() {
            self.end_checked();
        }
    }

    // Control flow.

    fn jump(&mut self, target: u64) {
        self.jump(target);
    }

    fn branch(&mut self, c: Cond, target: u64) {
        self.branch(c, target);
    }

    fn branch_zero(&mut self, nonzero: bool, w: W, r: R, target: u64) {
        self.branch_zero(nonzero, w, r, target);
    }

    fn branch_bit(&mut self, set: bool, r: R, bit: u8, target: u64) {
        self.branch_bit(set, r, bit, target);
    }

    fn branch_cmp(&mut self, cmp: Cmp, a: R, b: R, target: u64) {
        self.branch_cmp(cmp, a, b, target);
    }

    fn call(&mut self, link: R, target: u64) {
        self.call(link, target);
    }

    fn jump_reg(&mut self, r: R) {
        self.jump_reg(r);
    }

    fn call_reg(&mut self, link: R, r: R) {
        self.call_reg(link, r);
    }

    fn ret(&mut self, r: R) {
        self.ret(r);
    }

    fn syscall(&mut self) {
        self.syscall();
    }

    fn trap(&mut self, t: Trap) {
        self.trap(t);
    }

    fn helper(&mut self, f: Helper, arg: u64) {
        self.helper(f, arg);
    }

    fn likely(&self) -> u64 {
        self.course.asked_likely.set(self.course.asked_likely.get() || !self.course.said_likely);
        self.likely
    }

    fn set_likely(&mut self, value: u64) {
        self.likely = value;
        self.course.said_likely = true;
    }

    fn guard(&mut self, r: R, value: u32, f: Helper, arg: u64) -> bool {
        self.guard(r, value, f, arg)
    }

    fn guard_bits(&mut self, r: R, mask: u32, value: u32, f: Helper, arg: u64) -> bool {
        self.guard_bits(r, mask, value, f, arg)
    }

    fn when(&mut self, c: Cond, _: u64, body: impl FnOnce(&mut Self)) {
        self.if_holds(c, body);
    }

    fn choose(&mut self, r: R, value: u32, then: impl FnOnce(&mut Self), otherwise: impl FnOnce(&mut Self)) {
        self.choose(r, value, then, otherwise);
    }

    // Vectors and floating point.

    fn vec(&mut self, op: VOp, args: VArgs) {
        let pair = self.known.vectors.pair;
        let compared = self.known.compared.get(&self.a);
        vector::vec(self, op, args);
        self.wrote(args.d, args.bytes);
        self.known.vectors.pair.did(pair, op, &args);
        // Moves leave EFLAGS as they are.
        if let (Some(slot), VOp::InsertLane | VOp::DupLane) = (compared, op) {
            self.known.compared.set(&self.a, slot);
        }
    }

    fn sha2_rounds(&mut self, wide: bool, abef: V, cdgh: V, words: V) {
        super::sha::sha2_rounds(self, wide, abef, cdgh, words);
        for s in [abef, cdgh] {
            (0..=wide as u8).for_each(|n| self.wrote(V(s.0 + n), 16));
        }
    }

    fn fp(&mut self, op: FOp, args: VArgs) {
        super::fp::fp(self, op, args);
    }

    fn lane(&mut self, v: V, es: u8, idx: u8, busy: &[V]) -> V {
        self.lane_of(v, es, idx, busy)
    }

    fn lane_temporary(&mut self, busy: &[V]) -> V {
        self.take_temporary(busy)
    }

    fn put_lane(&mut self, d: V, es: u8, idx: u8, from: V) {
        self.insert_lane(d, es, idx, from);
    }

    fn fp_lane(&mut self, op: FOp, args: VArgs) {
        super::fp::fp_lane(self, op, args);
    }

    fn fp_standard(&mut self, op: FOp, args: VArgs) {
        super::fp::fp_standard(self, op, args);
    }

    fn fp_mode(&self) -> u32 {
        self.exact_mode & mode::FP
    }

    fn restricted(&self) -> bool {
        self.exact_mode & mode::RESTRICTED != 0
    }

    fn fp_flags(&mut self, d: R) {
        super::fp::flags(self, d);
    }

    fn set_fp_flags(&mut self, s: R) {
        super::fp::set_flags(self, s);
    }

    fn check_boxes(&mut self, es: u8, slots: &[V], f: Helper, arg: u64) -> bool {
        super::fp::check_boxes(self, es, slots, f.function, arg);
        true
    }

    fn fp_box(&mut self, d: V, es: u8) {
        super::fp::fp_box(self, d, es);
    }

    fn vget(&mut self, signed: bool, w: W, d: R, a: V, es: u8, idx: u8) {
        vector::vget(self, signed, w, d, a, es, idx);
    }

    fn vset(&mut self, d: V, es: u8, idx: u8, s: R) {
        if self.keeps_lanes() && es >= 2 {
            return self.set_lane(d, es, idx, s);
        }
        vector::vset(self, d, es, idx, s);
        self.wrote(d, 16);
    }

    fn vfrom(&mut self, d: V, es: u8, s: R) {
        vector::vfrom(self, d, es, s);
        self.wrote(d, 1 << es);
    }

    fn vdup(&mut self, d: V, es: u8, bytes: u8, s: R) {
        vector::vdup(self, d, es, bytes, s);
        self.wrote(d, bytes);
    }

    fn vconst(&mut self, d: V, value: u128) {
        vector::vconst(self, d, value);
        self.wrote(
            d,
            if value >> 32 == 0 {
                4
            } else if value >> 64 == 0 {
                8
            } else {
                16
            },
        );
        for es in [1, 2] {
            if value as u64 & box_bits(es) == box_bits(es) {
                self.is_boxed(d, es);
            }
        }
    }

    fn vtail(&mut self, d: V, a: V, b: Option<V>, es: u8, first: u8, count: R) {
        vector::tail(self, d, a, b, es, first, count);
        self.wrote(d, 16);
    }

    fn vsigns(&mut self, d: R, a: V, es: u8) {
        vector::signs(self, d, a, es);
    }

    fn vload_part(&mut self, first: V, slots: u8, es: u8, addr: R, count: R) {
        vector::part(self, false, first, slots, es, addr, count);
    }

    fn vstore_part(&mut self, first: V, slots: u8, es: u8, addr: R, count: R) {
        self.known.fenced = false;
        vector::part(self, true, first, slots, es, addr, count);
    }

    fn vstore_masked(&mut self, es: u8, s: V, mask: V, addr: R, offset: i32) {
        self.known.fenced = false;
        vector::store_masked(self, es, s, mask, addr, offset);
    }

    fn vtbl(&mut self, keep: bool, d: V, first: V, n: u8, idx: V, bytes: u8) {
        vector::vtbl(self, keep, d, first, n, idx, bytes);
        self.wrote(d, bytes);
    }

    fn vload_struct(&mut self, n: u8, es: u8, bytes: u8, first: V, addr: R) {
        vector::struct_access(self, false, n, es, bytes, first, addr);
        self.forget_vectors();
    }

    fn vstore_struct(&mut self, n: u8, es: u8, bytes: u8, first: V, addr: R) {
        self.known.fenced = false;
        vector::struct_access(self, true, n, es, bytes, first, addr);
    }

    fn fp_to_int(&mut self, signed: bool, round: Round, w: W, d: R, a: V, es: u8, fbits: u8) {
        super::fp::fp_to_int(self, signed, round, w, d, a, es, fbits);
    }

    fn int_to_fp(&mut self, signed: bool, round: Round, w: W, d: V, s: R, es: u8, fbits: u8) {
        super::fp::int_to_fp(self, signed, round, w, d, s, es, fbits);
    }

    fn fp_compare(&mut self, signaling: bool, es: u8, a: V, b: Option<V>) {
        super::fp::fp_compare(self, signaling, es, a, b);
    }

    fn fp_compare_to(&mut self, d: R, signaling: bool, es: u8, a: V, b: Option<V>) {
        self.compare_to(d, signaling, es, a, b);
    }

    fn fp_cond_compare(&mut self, c: Cond, signaling: bool, es: u8, a: V, b: V, nzcv: u8) {
        super::fp::fp_cond_compare(self, c, signaling, es, a, b, nzcv);
    }

    fn fp_select(&mut self, c: Cond, es: u8, d: V, a: V, b: V) {
        super::fp::fp_select(self, c, es, d, a, b);
    }
}

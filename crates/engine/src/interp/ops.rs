//! The vocabulary, played on the state.

use super::value::*;
use super::{
    BUS_ADRALN, ILL_ILLOPC, Interp, Outcome, SEGV_ACCERR, SIGBUS, SIGILL, SIGSEGV, SIGTRAP, TRAP_BRKPT,
    effective,
};
use crate::fp::{FOp, flag};
use crate::ops::*;
use crate::reservations;
use crate::state::{Fault, mode};
use crate::vec::{VOp, crypto};
use crate::{fp, vec};
use core::sync::atomic::{Ordering, fence};

impl Ops for Interp<'_> {
    fn mov(&mut self, w: W, d: R, s: Src) {
        let value = self.src(w, s);
        self.set(w, d, value);
    }

    fn mov_addr(&mut self, d: R, target: u64) {
        self.set(W::W64, d, target);
    }

    fn alu(&mut self, op: Alu, w: W, d: R, a: R, b: Src) {
        let value = alu(op, self.rw(w, a), self.src(w, b));
        self.set(w, d, value);
    }

    fn alu_flags(&mut self, op: Alu, w: W, d: R, a: R, b: Src) {
        let (a, b) = (self.rw(w, a), self.src(w, b));
        let (value, nzcv) = match op {
            Alu::Add => add_flags(w, a, b, false),
            Alu::Sub => add_flags(w, a, !b, true),
            _ => {
                let value = alu(op, a, b);
                (value, nz(w, value))
            }
        };
        self.set(w, d, value);
        self.set_flags(nzcv);
    }

    fn add_carry(&mut self, sub: bool, flags: bool, w: W, d: R, a: R, b: R) {
        let b = self.rw(w, b);
        let (value, nzcv) = add_flags(w, self.rw(w, a), if sub { !b } else { b }, self.carry());
        self.set(w, d, value);
        if flags {
            self.set_flags(nzcv);
        }
    }

    fn shift(&mut self, op: Shift, w: W, d: R, a: R, b: Src) {
        let n = self.src(w, b) as u32 % w.bits();
        let value = shifted(w, op, self.r(a), n);
        self.set(w, d, value);
    }

    fn extract(&mut self, signed: bool, w: W, d: R, a: R, lsb: u8, len: u8) {
        let value = field(signed, self.r(a) >> lsb, len as u32);
        self.set(w, d, value);
    }

    fn extract_shl(&mut self, signed: bool, w: W, d: R, a: R, lsb: u8, len: u8) {
        let value = field(signed, self.r(a), len as u32) << lsb;
        self.set(w, d, value);
    }

    fn insert(&mut self, w: W, d: R, a: R, lsb: u8, len: u8) {
        let mask = field(false, u64::MAX, len as u32) << lsb;
        let value = self.r(d) & !mask | self.r(a) << lsb & mask;
        self.set(w, d, value);
    }

    fn insert_imm16(&mut self, w: W, d: R, imm: u16, lsb: u8) {
        let value = self.r(d) & !(0xffff << lsb) | (imm as u64) << lsb;
        self.set(w, d, value);
    }

    fn extract_pair(&mut self, w: W, d: R, hi: R, lo: R, lsb: u8) {
        let both = (self.rw(w, hi) as u128) << w.bits() | self.rw(w, lo) as u128;
        self.set(w, d, (both >> lsb) as u64);
    }

    fn unary(&mut self, op: Unary, w: W, d: R, a: R) {
        let v = self.rw(w, a);
        let unused = 64 - w.bits();
        let value = match op {
            Unary::Clz => v.leading_zeros() - unused,
            Unary::Cls => {
                let s = signed(w, v);
                (s ^ s >> 63).leading_zeros() - unused - 1
            }
            Unary::Ctz => v.trailing_zeros().min(w.bits()),
            Unary::Popcount => v.count_ones(),
            Unary::Rbit => return self.set(W::W64, d, v.reverse_bits() >> unused),
            Unary::Rev16 => {
                let m = 0x00ff_00ff_00ff_00ff;
                return self.set(W::W64, d, (v & m) << 8 | v >> 8 & m);
            }
            Unary::Rev32 => return self.set(W::W64, d, v.swap_bytes().rotate_left(32)),
            Unary::Rev64 => return self.set(W::W64, d, v.swap_bytes()),
        };
        self.set(w, d, value as u64);
    }

    fn mul(&mut self, op: Mul, d: R, a: R, b: R, acc: R) {
        let (a, b, acc) = (self.r(a), self.r(b), self.r(acc));
        let u32s = (a as u32 as u64).wrapping_mul(b as u32 as u64);
        let s32s = (a as i32 as i64).wrapping_mul(b as i32 as i64) as u64;
        let (w, value) = match op {
            Mul::Add(w) => (w, acc.wrapping_add(a.wrapping_mul(b))),
            Mul::Sub(w) => (w, acc.wrapping_sub(a.wrapping_mul(b))),
            Mul::AddU32 => (W::W64, acc.wrapping_add(u32s)),
            Mul::SubU32 => (W::W64, acc.wrapping_sub(u32s)),
            Mul::AddS32 => (W::W64, acc.wrapping_add(s32s)),
            Mul::SubS32 => (W::W64, acc.wrapping_sub(s32s)),
            Mul::HighU => (W::W64, ((a as u128 * b as u128) >> 64) as u64),
            Mul::HighS => (W::W64, ((a as i64 as i128 * b as i64 as i128) >> 64) as u64),
        };
        self.set(w, d, value);
    }

    fn div(&mut self, sign: bool, zero: DivZero, w: W, d: R, a: R, b: R) {
        let (a, b) = (self.rw(w, a), self.rw(w, b));
        let value = if b == 0 {
            match zero {
                DivZero::Zero => 0,
                DivZero::Ones => u64::MAX,
            }
        } else if sign {
            signed(w, a).wrapping_div(signed(w, b)) as u64
        } else {
            a / b
        };
        self.set(w, d, value);
    }

    fn rem(&mut self, sign: bool, w: W, d: R, a: R, b: R) {
        let (a, b) = (self.rw(w, a), self.rw(w, b));
        let value = if b == 0 {
            a
        } else if sign {
            signed(w, a).wrapping_rem(signed(w, b)) as u64
        } else {
            a % b
        };
        self.set(w, d, value);
    }

    fn select(&mut self, c: Cond, w: W, d: R, a: R, b: R, sel: Sel) {
        let b = self.r(b);
        let value = if c.holds(self.cpu.nzcv()) {
            self.r(a)
        } else {
            match sel {
                Sel::Plain => b,
                Sel::Inc => b.wrapping_add(1),
                Sel::Not => !b,
                Sel::Neg => b.wrapping_neg(),
            }
        };
        self.set(w, d, value);
    }

    fn cond_compare(&mut self, c: Cond, sub: bool, w: W, a: R, b: Src, nzcv: u8) {
        let nzcv = if c.holds(self.cpu.nzcv()) {
            let b = self.src(w, b);
            add_flags(w, self.r(a), if sub { !b } else { b }, sub).1
        } else {
            nzcv
        };
        self.set_flags(nzcv);
    }

    fn set_cmp(&mut self, cmp: Cmp, d: R, a: R, b: Src) {
        let value = compare(cmp, self.r(a), self.src(W::W64, b));
        self.set(W::W64, d, value as u64);
    }

    fn crc32(&mut self, castagnoli: bool, size: Size, d: R, a: R, b: R) {
        let value = crc(castagnoli, size.bytes(), self.r(a) as u32, self.r(b));
        self.set(W::W32, d, value as u64);
    }

    fn read_flags(&mut self, d: R) {
        let value = (self.cpu.nzcv() as u64) << 28;
        self.set(W::W64, d, value);
    }

    fn write_flags(&mut self, s: R) {
        let value = self.r(s);
        self.set_flags((value >> 28 & 15) as u8);
    }

    fn check_aligned(&mut self, bytes: u32, base: R, offset: i64, write: bool, tells: FaultAddr) {
        let access = self.r(base).wrapping_add(offset as u64);
        let access = if self.cpu.narrow { access as u32 as u64 } else { access };
        if !access.is_multiple_of(bytes as u64) {
            let (signo, code) = match tells {
                FaultAddr::Segment => (SIGSEGV, SEGV_ACCERR),
                _ => (SIGBUS, BUS_ADRALN),
            };
            let addr = if tells == FaultAddr::Insn { self.cpu.address() } else { access };
            self.fault(Fault { signo, code, addr, write });
        }
    }

    fn load(&mut self, size: Size, ext: LoadExt, d: R, a: Addr, order: MemOrder) {
        if self.ended() {
            return;
        }
        let addr = self.addr(a);
        let result = anyarch_sys::load_once(addr, size.bytes());
        let Some(value) = self.mem(result, false) else { return };
        if order != MemOrder::Plain {
            fence(Ordering::SeqCst);
        }
        let sign = field(true, value, size.bytes() * 8);
        match ext {
            LoadExt::Zero => self.set(W::W64, d, value),
            LoadExt::Sign32 => self.set(W::W32, d, sign),
            LoadExt::Sign64 => self.set(W::W64, d, sign),
        }
    }

    fn store(&mut self, size: Size, s: R, a: Addr, order: MemOrder) {
        if self.ended() {
            return;
        }
        let (addr, value) = (self.addr(a), self.r(s));
        let result = anyarch_sys::store_once(addr, size.bytes(), value);
        self.mem(result, true);
        if order != MemOrder::Plain {
            fence(Ordering::SeqCst);
        }
        if order == MemOrder::SeqCst {
            reservations::written(addr);
        }
    }

    fn vload(&mut self, bytes: u8, d: V, a: Addr) {
        if self.ended() {
            return;
        }
        let addr = self.addr(a);
        let value = if bytes == 16 {
            let mut out = [0; 16];
            let result = anyarch_sys::load_bytes(addr, &mut out);
            self.mem(result, false).map(|()| u128::from_le_bytes(out))
        } else {
            self.mem(anyarch_sys::load_once(addr, bytes as u32), false).map(u128::from)
        };
        if let Some(value) = value {
            self.set_v(d, value);
        }
    }

    fn vstore(&mut self, bytes: u8, s: V, a: Addr) {
        if self.ended() {
            return;
        }
        let (addr, value) = (self.addr(a), self.v(s));
        let result = if bytes == 16 {
            anyarch_sys::store_bytes(addr, &value.to_le_bytes())
        } else {
            anyarch_sys::store_once(addr, bytes as u32, value as u64)
        };
        self.mem(result, true);
    }

    fn rmw(&mut self, op: Rmw, size: Size, d: R, s: R, addr: R) {
        let (addr, s, bytes) = (self.r(addr), self.r(s), size.bytes());
        if self.ended() {
            return;
        }
        let result = anyarch_sys::load_once(self.effective(addr), bytes);
        let Some(mut old) = self.mem(result, true) else { return };
        loop {
            let sign = |v: u64| field(true, v, bytes * 8) as i64;
            let zero = |v: u64| field(false, v, bytes * 8);
            let new = match op {
                Rmw::Add => old.wrapping_add(s),
                Rmw::AndNot => old & !s,
                Rmw::And => old & s,
                Rmw::Xor => old ^ s,
                Rmw::Or => old | s,
                Rmw::MaxS => sign(old).max(sign(s)) as u64,
                Rmw::MinS => sign(old).min(sign(s)) as u64,
                Rmw::MaxU => old.max(zero(s)),
                Rmw::MinU => old.min(zero(s)),
                Rmw::Swap => s,
            };
            let Some(seen) = self.exchange(addr, bytes, old as u128, new as u128) else { return };
            if seen as u64 == old {
                reservations::written(addr);
                return self.set(W::W64, d, old);
            }
            old = seen as u64;
        }
    }

    fn cas(&mut self, size: Size, expected: R, new: R, addr: R) {
        let (addr, old, new) = (self.r(addr), self.r(expected), self.r(new));
        if !self.ended()
            && let Some(old) = self.exchange(addr, size.bytes(), old as u128, new as u128)
        {
            reservations::written(addr);
            self.set(W::W64, expected, old as u64);
        }
    }

    fn cas_pair(&mut self, size: Size, expected: [R; 2], new: [R; 2], addr: R) {
        let (addr, old, new) = (self.r(addr), self.pair(size, expected), self.pair(size, new));
        if !self.ended()
            && let Some(old) = self.exchange(addr, size.bytes() * 2, old, new)
        {
            reservations::written(addr);
            self.set_pair(size, expected, old);
        }
    }

    fn load_exclusive(&mut self, size: Size, d: R, addr: R) {
        if let Some(value) = self.load_monitor(size.bytes(), addr) {
            self.set(W::W64, d, value as u64);
        }
    }

    fn load_exclusive_pair(&mut self, size: Size, d: [R; 2], addr: R) {
        if let Some(value) = self.load_monitor(size.bytes() * 2, addr) {
            self.set_pair(size, d, value);
        }
    }

    fn store_exclusive(&mut self, size: Size, status: R, s: R, addr: R) {
        self.store_monitor(size.bytes(), status, addr, self.r(s) as u128);
    }

    fn store_exclusive_pair(&mut self, size: Size, status: R, s: [R; 2], addr: R) {
        self.store_monitor(size.bytes() * 2, status, addr, self.pair(size, s));
    }

    fn clear_exclusive(&mut self) {
        if !self.ended() {
            self.cpu.excl_addr = u64::MAX;
        }
    }

    fn barrier(&mut self, _: Barrier) {
        fence(Ordering::SeqCst);
    }

    fn sync_fetch(&mut self) {}

    fn jump(&mut self, target: u64) {
        self.go(target);
    }

    fn branch(&mut self, c: Cond, target: u64) {
        if c.holds(self.cpu.nzcv()) {
            self.go(target);
        }
    }

    fn branch_zero(&mut self, nonzero: bool, w: W, r: R, target: u64) {
        if (self.rw(w, r) != 0) == nonzero {
            self.go(target);
        }
    }

    fn branch_bit(&mut self, set: bool, r: R, bit: u8, target: u64) {
        if (self.r(r) >> bit & 1 != 0) == set {
            self.go(target);
        }
    }

    fn branch_cmp(&mut self, cmp: Cmp, a: R, b: R, target: u64) {
        if compare(cmp, self.r(a), self.r(b)) {
            self.go(target);
        }
    }

    fn call(&mut self, link: R, target: u64) {
        let next = self.next_pc;
        self.set(W::W64, link, next);
        self.go(target);
    }

    fn jump_reg(&mut self, r: R) {
        self.go(effective(self.r(r), self.cpu.ignored_bits));
    }

    fn call_reg(&mut self, link: R, r: R) {
        let (target, next) = (effective(self.r(r), self.cpu.ignored_bits), self.next_pc);
        self.set(W::W64, link, next);
        self.go(target);
    }

    fn ret(&mut self, r: R) {
        self.go(effective(self.r(r), self.cpu.ignored_bits));
    }

    fn syscall(&mut self) {
        if !self.ended() {
            self.outcome = Outcome::Syscall;
        }
    }

    fn trap(&mut self, t: Trap) {
        let (signo, code) = match t {
            Trap::Undefined => (SIGILL, ILL_ILLOPC),
            Trap::Breakpoint(_) => (SIGTRAP, TRAP_BRKPT),
        };
        let addr = self.cpu.address();
        self.fault(Fault { signo, code, addr, write: false });
    }

    fn helper(&mut self, f: Helper, arg: u64) {
        if self.ended() {
            return;
        }
        let pc = self.cpu.pc;
        match f.call(self.cpu, arg) {
            HelperExit::Syscall => self.outcome = Outcome::Syscall,
            HelperExit::Continue | HelperExit::Resync => {}
            HelperExit::Fault => self.outcome = Outcome::Fault,
            HelperExit::Jump => self.next_pc = self.cpu.pc,
        }
        self.cpu.pc = pc;
    }

    fn likely(&self) -> u64 {
        0
    }

    fn set_likely(&mut self, _: u64) {}

    fn guard(&mut self, r: R, value: u32, f: Helper, arg: u64) -> bool {
        let holds = self.r(r) == value as u64;
        if !holds {
            self.helper(f, arg);
        }
        holds
    }

    fn guard_bits(&mut self, r: R, mask: u32, value: u32, f: Helper, arg: u64) -> bool {
        let holds = self.r(r) as u32 & mask == value;
        if !holds {
            self.helper(f, arg);
        }
        holds
    }

    fn when(&mut self, c: Cond, _: u64, body: impl FnOnce(&mut Self)) {
        if c.holds(self.cpu.nzcv()) {
            body(self);
        }
    }

    fn choose(&mut self, r: R, value: u32, then: impl FnOnce(&mut Self), otherwise: impl FnOnce(&mut Self)) {
        if self.r(r) == value as u64 { then(self) } else { otherwise(self) }
    }

    fn vec(&mut self, op: VOp, args: VArgs) {
        if self.ended() {
            return;
        }
        let (a, b, c) = (self.v(args.a), self.v(args.b), self.v(args.c));
        let value = vec::eval(op, &args, a, b, c, &mut self.cpu.fp.saturated);
        self.set_v(args.d, value);
    }

    fn fp(&mut self, op: FOp, args: VArgs) {
        if self.ended() {
            return;
        }
        let (a, b, c) = (self.v(args.a), self.v(args.b), self.v(args.c));
        let value = if args.bytes == VArgs::BOXED {
            let size = args.boxed_size(op);
            let args = VArgs { bytes: 1 << size, ..args };
            fp::eval(op, &args, a, b, c, &mut self.cpu.fp) | box_bits(size) as u128
        } else {
            fp::eval(op, &args, a, b, c, &mut self.cpu.fp)
        };
        self.set_v(args.d, value);
    }

    fn fp_mode(&self) -> u32 {
        self.cpu.mode & mode::FP
    }

    fn restricted(&self) -> bool {
        self.cpu.mode & mode::RESTRICTED != 0
    }

    fn fp_flags(&mut self, d: R) {
        self.set(W::W64, d, flag::reversed(self.cpu.fp_flags()) as u64);
    }

    fn set_fp_flags(&mut self, s: R) {
        if !self.ended() {
            let flags = flag::reversed(self.r(s) as u8);
            self.cpu.set_fp_flags(flags);
        }
    }

    fn check_boxes(&mut self, es: u8, slots: &[V], f: Helper, arg: u64) -> bool {
        let boxed = slots.iter().all(|&s| self.v(s) as u64 & box_bits(es) == box_bits(es));
        if !boxed {
            self.helper(f, arg);
        }
        boxed
    }

    fn fp_box(&mut self, d: V, es: u8) {
        let value = self.v(d) | box_bits(es) as u128;
        self.set_v(d, value);
    }

    fn vget(&mut self, signed: bool, w: W, d: R, a: V, es: u8, idx: u8) {
        let bits = 8u32 << es;
        let value = field(signed, (self.v(a) >> (idx as u32 * bits)) as u64, bits);
        self.set(w, d, value);
    }

    fn vset(&mut self, d: V, es: u8, idx: u8, s: R) {
        let (mask, at) = (low_bytes(1 << es), (8u32 << es) * idx as u32);
        let value = self.v(d) & !(mask << at) | (self.r(s) as u128 & mask) << at;
        self.set_v(d, value);
    }

    fn vfrom(&mut self, d: V, es: u8, s: R) {
        let value = self.r(s) as u128 & low_bytes(1 << es);
        self.set_v(d, value);
    }

    fn vdup(&mut self, d: V, es: u8, bytes: u8, s: R) {
        let (lane, mut value) = (self.r(s) as u128 & low_bytes(1 << es), 0);
        for i in 0..16u32 >> es {
            value |= lane << ((8u32 << es) * i);
        }
        self.set_v(d, value & low_bytes(bytes as u32));
    }

    fn sha2_rounds(&mut self, wide: bool, abef: V, cdgh: V, words: V) {
        let quad = |v: V| -> [u64; 4] {
            let (low, high) = (self.v(v), if wide { self.v(V(v.0 + 1)) } else { 0 });
            core::array::from_fn(|n| match (wide, n) {
                (false, _) => (low >> (32 * n)) as u32 as u64,
                (true, 0 | 1) => (low >> (64 * n)) as u64,
                (true, _) => (high >> (64 * n - 128)) as u64,
            })
        };
        let [w0, w1, w2, w3] = quad(words);
        let first = crypto::sha2_rounds(wide, quad(abef), quad(cdgh), [w0, w1]);
        let second = crypto::sha2_rounds(wide, first, quad(abef), [w2, w3]);
        for (d, [p, q, r, s]) in [(abef, second), (cdgh, first)] {
            if wide {
                self.set_v(d, (q as u128) << 64 | p as u128);
                self.set_v(V(d.0 + 1), (s as u128) << 64 | r as u128);
            } else {
                self.set_v(d, [s, r, q, p].iter().fold(0, |all, &w| all << 32 | w as u128));
            }
        }
    }

    fn vconst(&mut self, d: V, value: u128) {
        self.set_v(d, value);
    }

    fn vtail(&mut self, d: V, a: V, b: Option<V>, es: u8, first: u8, count: R) {
        let bytes = self.r(count).saturating_sub(first as u64).min(16) << es;
        let below = low_bytes(bytes.min(16) as u32);
        let value = self.v(a) & below | b.map_or(0, |b| self.v(b)) & !below;
        self.set_v(d, value);
    }

    fn vsigns(&mut self, d: R, a: V, es: u8) {
        let (a, bits) = (self.v(a), 8u32 << es);
        let value = (0..16u32 >> es).fold(0, |all, n| all | ((a >> (bits * n + bits - 1)) as u64 & 1) << n);
        self.set(W::W64, d, value);
    }

    fn vload_part(&mut self, first: V, slots: u8, es: u8, addr: R, count: R) {
        if self.ended() {
            return;
        }
        let length = (self.r(count) << es).min(16 * slots as u64) as usize;
        let mut bytes = [0; 128];
        let result = anyarch_sys::load_bytes(self.effective(self.r(addr)), &mut bytes[..length]);
        if self.mem(result, false).is_none() {
            return;
        }
        for (n, new) in bytes[..length].chunks(16).enumerate() {
            let slot = V(first.0 + n as u8);
            let mut value = self.v(slot).to_le_bytes();
            value[..new.len()].copy_from_slice(new);
            self.set_v(slot, u128::from_le_bytes(value));
        }
    }

    fn vstore_part(&mut self, first: V, slots: u8, es: u8, addr: R, count: R) {
        if self.ended() {
            return;
        }
        let length = (self.r(count) << es).min(16 * slots as u64) as usize;
        let mut bytes = [0; 128];
        for (n, part) in bytes[..length].chunks_mut(16).enumerate() {
            part.copy_from_slice(&self.v(V(first.0 + n as u8)).to_le_bytes()[..part.len()]);
        }
        let result = anyarch_sys::store_bytes(self.effective(self.r(addr)), &bytes[..length]);
        self.mem(result, true);
    }

    fn vstore_masked(&mut self, es: u8, s: V, mask: V, addr: R, offset: i32) {
        let (s, mask, bits) = (self.v(s), self.v(mask), 8u32 << es);
        let addr = self.effective(self.r(addr).wrapping_add(offset as u64));
        for n in 0..16u32 >> es {
            if !self.ended() && mask >> (bits * n + bits - 1) & 1 != 0 {
                let at = addr.wrapping_add((n << es) as u64);
                let result = anyarch_sys::store_once(at, 1 << es, (s >> (bits * n)) as u64);
                self.mem(result, true);
            }
        }
    }

    fn vtbl(&mut self, keep: bool, d: V, first: V, n: u8, idx: V, bytes: u8) {
        let (old, idx) = (self.v(d).to_le_bytes(), self.v(idx).to_le_bytes());
        let mut out = [0; 16];
        for i in 0..bytes as usize {
            let (register, byte) = (idx[i] / 16, idx[i] % 16);
            out[i] = if register < n {
                self.v(first.after(register)).to_le_bytes()[byte as usize]
            } else if keep {
                old[i]
            } else {
                0
            };
        }
        self.set_v(d, u128::from_le_bytes(out));
    }

    fn vload_struct(&mut self, n: u8, es: u8, bytes: u8, first: V, addr: R) {
        if self.ended() {
            return;
        }
        let (n, lane, bytes) = (n as usize, 1usize << es, bytes as usize);
        let mut memory = [0; 64];
        let addr = self.effective(self.r(addr));
        let result = anyarch_sys::load_bytes(addr, &mut memory[..n * bytes]);
        if self.mem(result, false).is_none() {
            return;
        }
        for r in 0..n {
            let mut out = [0; 16];
            for i in (0..bytes).step_by(lane) {
                out[i..i + lane].copy_from_slice(&memory[i * n + r * lane..][..lane]);
            }
            self.set_v(first.after(r as u8), u128::from_le_bytes(out));
        }
    }

    fn vstore_struct(&mut self, n: u8, es: u8, bytes: u8, first: V, addr: R) {
        if self.ended() {
            return;
        }
        let (n, lane, bytes) = (n as usize, 1usize << es, bytes as usize);
        let mut memory = [0; 64];
        for r in 0..n {
            let value = self.v(first.after(r as u8)).to_le_bytes();
            for i in (0..bytes).step_by(lane) {
                memory[i * n + r * lane..][..lane].copy_from_slice(&value[i..i + lane]);
            }
        }
        let addr = self.effective(self.r(addr));
        let result = anyarch_sys::store_bytes(addr, &memory[..n * bytes]);
        self.mem(result, true);
    }

    fn fp_to_int(&mut self, signed: bool, round: Round, w: W, d: R, a: V, es: u8, fbits: u8) {
        if self.ended() {
            return;
        }
        let a = (self.v(a) & low_bytes(1 << es)) as u64;
        let value = fp::to_int(es, a, signed, round, w.bits(), fbits, &mut self.cpu.fp);
        self.set(w, d, value);
    }

    fn int_to_fp(&mut self, signed: bool, round: Round, w: W, d: V, s: R, es: u8, fbits: u8) {
        if self.ended() {
            return;
        }
        let value = fp::from_int(es, self.r(s), signed, round, w.bits(), fbits, &mut self.cpu.fp);
        self.set_v(d, value as u128);
    }

    fn fp_compare(&mut self, signaling: bool, es: u8, a: V, b: Option<V>) {
        if !self.ended() {
            let nzcv = self.fp_nzcv(signaling, es, a, b);
            self.set_flags(nzcv);
        }
    }

    fn fp_cond_compare(&mut self, c: Cond, signaling: bool, es: u8, a: V, b: V, nzcv: u8) {
        if self.ended() {
            return;
        }
        let nzcv = if c.holds(self.cpu.nzcv()) { self.fp_nzcv(signaling, es, a, Some(b)) } else { nzcv };
        self.set_flags(nzcv);
    }

    fn fp_select(&mut self, c: Cond, es: u8, d: V, a: V, b: V) {
        let value = self.v(if c.holds(self.cpu.nzcv()) { a } else { b });
        self.set_v(d, value & low_bytes(1 << es));
    }
}

//! Addresses, loads, stores and atomic operations on guest memory.

use super::Translator;
use super::asm::{Cc, Mem, NONE, Op, Rm, reg::*};
use super::helpers::{self, pack};
use super::known::At;
use anyarch_engine::ops::*;

impl Translator<'_> {
    /// The guest address as an x86 memory operand. Uses RAX (base) and RCX (index); leaves EFLAGS
    /// alone.
    pub(crate) fn addr(&mut self, a: Addr) -> Mem {
        let mut m = self.wide_addr(a);
        m.narrow = self.guest.address_bits == 32 && (m.disp != 0 || m.index != NONE);
        m
    }

    /// The sum without the guest's width of addresses.
    #[inline(always)]
    fn wide_addr(&mut self, a: Addr) -> Mem {
        match a {
            Addr::Base(r, disp) => {
                let base = self.get(true, r, RAX);
                self.with_disp(base, disp)
            }
            Addr::Index(base, index, ext, shift) => {
                if index == R::ZERO {
                    let base = self.get(true, base, RAX);
                    return Mem::base(base, 0);
                }
                let h = self.host(index);
                let (index, scale) = if ext == Ext::X64 && h != NONE && shift <= 3 {
                    (h, shift)
                } else if shift <= 3 {
                    self.extended(RCX, index, ext, 0);
                    (RCX, shift)
                } else {
                    self.extended(RCX, index, ext, 1);
                    (RCX, shift - 1)
                };
                let base = self.get(true, base, RAX);
                Mem::index(base, index, scale, 0)
            }
            Addr::Scaled(base, index, shift, disp) => {
                let index = self.get(true, index, RCX);
                let base = self.get(true, base, RAX);
                Mem::index(base, index, shift, disp)
            }
            Addr::Abs(target) => {
                self.guest_addr(RAX, target);
                Mem::base(RAX, 0)
            }
        }
    }

    fn with_disp(&mut self, base: u8, disp: i64) -> Mem {
        if disp == disp as i32 as i64 {
            return Mem::base(base, disp as i32);
        }
        self.a.mov_imm(RCX, disp as u64);
        Mem::index(base, RCX, 0, 0)
    }

    /// Loads `bytes` zero-extended into a host register.
    pub(crate) fn load_to(&mut self, bytes: u32, ext: LoadExt, t: u8, m: Mem) {
        match (bytes, ext) {
            (1, LoadExt::Zero) => self.a.movzx(1, t, m),
            (2, LoadExt::Zero) => self.a.movzx(2, t, m),
            (4, LoadExt::Zero | LoadExt::Sign32) => self.a.mov(false, t, m),
            (8, _) => self.a.mov(true, t, m),
            (b, LoadExt::Sign32) => self.a.movsx(false, b as u8, t, m),
            (b, _) => self.a.movsx(true, b as u8, t, m),
        }
    }

    fn store_from(&mut self, bytes: u32, m: Mem, r: u8) {
        match bytes {
            1 => self.a.mov_store8(m, r),
            2 => self.a.mov_store16(m, r),
            b => self.a.mov_store(b == 8, m, r),
        }
    }

    /// t = zero-extension of the low `bytes` of host register s.
    pub(crate) fn zero_extend(&mut self, bytes: u32, t: u8, s: u8) {
        match bytes {
            1 => self.a.movzx(1, t, s),
            2 => self.a.movzx(2, t, s),
            4 => self.a.mov(false, t, s),
            _ => {
                if t != s {
                    self.a.mov(true, t, s);
                }
            }
        }
    }

    fn store_small_zero(&mut self, size: Size, m: Mem) {
        if size == Size::B1 {
            self.a.mov_store8_imm(m, 0);
        } else {
            self.a.mov16_imm(m, 0);
        }
    }

    /// The base register of an atomic access: in a host register other than RAX if `not_rax`.
    fn atomic_addr(&mut self, addr: R) -> Mem {
        let base = self.get(true, addr, RCX);
        Mem::base(base, 0)
    }

    pub(crate) fn load(&mut self, size: Size, ext: LoadExt, d: R, a: Addr) {
        // Every x86 load is an acquire.
        let m = self.addr(a);
        let t = self.def(d);
        self.load_to(size.bytes(), ext, t, m);
        self.put(d, t);
    }

    pub(crate) fn store(&mut self, size: Size, s: R, a: Addr, order: MemOrder) {
        self.known.fenced = order == MemOrder::SeqCst;
        if order == MemOrder::SeqCst {
            // XCHG is the store and the fence after it in one.
            self.settle_flags();
            let mut m = self.addr(a);
            if m.index != NONE || m.disp != 0 {
                self.a.lea(true, RAX, m);
                m = Mem::base(RAX, 0);
            }
            self.get_into(true, s, RCX);
            self.a.xchg(size.bytes() as u8, m, RCX);
            return self.written(m);
        }
        if s == R::ZERO {
            let m = self.addr(a);
            match size {
                Size::B8 => self.a.mov_store_imm(true, m, 0),
                Size::B4 => self.a.mov_store_imm(false, m, 0),
                _ => self.store_small_zero(size, m),
            }
            return;
        }
        let hs = self.host(s);
        if hs != NONE {
            let m = self.addr(a);
            self.store_from(size.bytes(), m, hs);
            return;
        }
        // The value needs a scratch register too: leave RCX for it.
        let m = self.addr(a);
        if self.is_fresh(s) {
            // Nothing has been emitted for the address.
            return self.store_from(size.bytes(), m, RAX);
        }
        if m.index == RCX {
            if m.base == RAX {
                self.a.lea(true, RAX, m);
                self.a.mov(true, RCX, Self::slot(s));
                self.store_from(size.bytes(), Mem::base(RAX, 0), RCX);
            } else {
                self.a.mov(true, RAX, Self::slot(s));
                self.store_from(size.bytes(), m, RAX);
            }
        } else {
            self.a.mov(size == Size::B8, RCX, Self::slot(s));
            self.store_from(size.bytes(), m, RCX);
        }
    }

    pub(crate) fn rmw(&mut self, op: Rmw, size: Size, d: R, s: R, addr: R) {
        self.clobber_flags();
        let bytes = size.bytes() as u8;
        let m = self.atomic_addr(addr);
        match op {
            Rmw::Add | Rmw::And | Rmw::AndNot | Rmw::Or | Rmw::Xor if d == R::ZERO => {
                let xop = match op {
                    Rmw::Add => Op::Add,
                    Rmw::Or => Op::Or,
                    Rmw::Xor => Op::Xor,
                    _ => Op::And,
                };
                let mut rs = self.get(true, s, RAX);
                if op == Rmw::AndNot {
                    self.get_into(true, s, RAX);
                    self.a.not(true, Rm::R(RAX));
                    rs = RAX;
                }
                self.a.lock_alu(xop, bytes, m, rs);
                self.written(m);
                self.known.fenced = true;
                return;
            }
            Rmw::Add | Rmw::Swap => {
                self.get_into(true, s, RAX);
                if op == Rmw::Add {
                    self.a.lock_xadd(bytes, m, RAX);
                } else {
                    self.a.xchg(bytes, m, RAX);
                }
                self.written(m);
            }
            _ => {
                // RAX = old, RCX = new; loop until it sticks. The address must be in a pinned
                // register.
                if m.base == RCX {
                    let arg = pack(&[d, s, addr]) | (size as u64) << 40 | (op as u64) << 48;
                    return self.inline_helper(helpers::rmw, arg);
                }
                self.load_to(size.bytes(), LoadExt::Zero, RAX, m);
                let again = self.a.p;
                self.rmw_new(op, bytes, s);
                self.a.lock_cmpxchg(bytes, m, RCX);
                self.a.jcc_to(Cc::Ne, again);
                self.written(m);
            }
        }
        self.known.fenced = true;
        if d != R::ZERO {
            let (t, from) = (self.def(d), At(self.a.p));
            self.zero_extend(size.bytes(), t, RAX);
            self.put(d, t);
            if size == Size::B4 && t != RAX {
                self.known.copied.set(&self.a, (d, from));
            }
        }
    }

    /// RCX = op(RAX, s) for a read-modify-write loop; RAX may be extended in place.
    fn rmw_new(&mut self, op: Rmw, bytes: u8, s: R) {
        let srm = self.rm(s, RCX);
        match op {
            Rmw::AndNot => {
                self.a.mov(true, RCX, srm);
                self.a.not(true, Rm::R(RCX));
                self.a.alu(Op::And, true, RCX, Rm::R(RAX));
            }
            Rmw::And | Rmw::Xor | Rmw::Or => {
                let xop = match op {
                    Rmw::And => Op::And,
                    Rmw::Xor => Op::Xor,
                    _ => Op::Or,
                };
                if srm != Rm::R(RCX) {
                    self.a.mov(true, RCX, srm);
                }
                self.a.alu(xop, true, RCX, Rm::R(RAX));
            }
            _ => {
                let signed = matches!(op, Rmw::MaxS | Rmw::MinS);
                if signed && bytes < 8 {
                    self.a.movsx(true, bytes, RCX, srm);
                    self.a.movsx(true, bytes, RAX, Rm::R(RAX));
                } else if bytes < 4 {
                    self.a.movzx(bytes, RCX, srm);
                } else if srm != Rm::R(RCX) || bytes == 4 {
                    self.a.mov(bytes == 8, RCX, srm);
                }
                self.a.alu(Op::Cmp, true, RCX, Rm::R(RAX));
                let cc = match op {
                    Rmw::MaxS => Cc::L,
                    Rmw::MinS => Cc::G,
                    Rmw::MaxU => Cc::B,
                    _ => Cc::A,
                };
                self.a.cmov(cc, true, RCX, Rm::R(RAX));
            }
        }
    }

    pub(crate) fn cas(&mut self, size: Size, expected: R, new: R, addr: R) {
        self.clobber_flags();
        let m = self.atomic_addr(addr);
        self.get_into(true, expected, RAX);
        let hn = self.host(new);
        if hn != NONE {
            self.a.lock_cmpxchg(size.bytes() as u8, m, hn);
        } else if m.base != RCX {
            let rn = self.get(true, new, RCX);
            self.a.lock_cmpxchg(size.bytes() as u8, m, rn);
        } else {
            let arg = pack(&[expected, new, addr]) | (size as u64) << 40;
            return self.inline_helper(helpers::cas, arg);
        }
        self.written(m);
        self.known.fenced = true;
        if expected != R::ZERO {
            let t = self.def(expected);
            self.zero_extend(size.bytes(), t, RAX);
            self.put(expected, t);
        }
    }
}

//! The reference interpreter: plays the operation vocabulary on a [`Cpu`] at once.
//!
//! It is written from the documentation in [`crate::ops`] to be obviously right, and is what the
//! translator is compared with. One [`Interp`] plays one guest instruction. A fault ends the
//! instruction: whatever operations follow in it do nothing, so that the state is as precise as the
//! order of the semantics makes it.

mod ops;
mod value;

use self::value::*;
use crate::builder::UnitBuilder;
use crate::fp;
use crate::ops::*;
use crate::peek::Peek;
use crate::reservations;
use crate::state::{Cpu, Fault};
use anyarch_sys::MemFault;

/// Plays one guest instruction. After the semantics ran, `outcome` says how it ended.
pub struct Interp<'a> {
    /// The state worked on.
    pub cpu: &'a mut Cpu,
    /// Address of the next instruction; control-flow operations change it.
    pub next_pc: u64,
    /// How the instruction ended.
    pub outcome: Outcome,
    lifted: Lifted,
}

/// How far an interpreter has come with a [lift](crate::lift::Lift).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lifted {
    /// Nothing was played.
    Nothing,
    /// There is nothing to play.
    Stopped,
    /// An instruction.
    Insn,
    /// A step of several.
    Step,
}

/// How an interpreted instruction ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Done, on at `next_pc`.
    Next,
    /// A system call; `next_pc` is the address after it.
    Syscall,
    /// `cpu.fault` says how; the state is that before the instruction.
    Fault,
}

const SIGILL: i32 = 4;
const SIGTRAP: i32 = 5;
const SIGBUS: i32 = 7;
const ILL_ILLOPC: i32 = 1;
const TRAP_BRKPT: i32 = 1;
const BUS_ADRALN: i32 = 1;
const SIGSEGV: i32 = 11;
const SEGV_ACCERR: i32 = 2;

impl<'a> Interp<'a> {
    /// For the instruction at `cpu.pc`.
    pub fn new(cpu: &'a mut Cpu) -> Interp<'a> {
        Interp { next_pc: 0, outcome: Outcome::Next, lifted: Lifted::Nothing, cpu }
    }

    /// Plays what `lift` finds at `cpu.pc`. False if that is nothing, or a step that faults: its
    /// first instruction is to be played alone.
    pub(crate) fn play_lift(&mut self, lift: impl FnOnce(&mut Self)) -> bool {
        lift(self);
        match self.lifted {
            Lifted::Nothing | Lifted::Stopped => false,
            Lifted::Step if self.outcome == Outcome::Fault => {
                self.outcome = Outcome::Next;
                false
            }
            Lifted::Insn | Lifted::Step => true,
        }
    }
}

impl Interp<'_> {
    /// Ends the instruction with a fault.
    pub fn fault(&mut self, fault: Fault) {
        if self.outcome == Outcome::Next {
            self.cpu.fault = fault;
            self.outcome = Outcome::Fault;
        }
    }

    /// The address that an access or a transfer to `addr` means: without the bits that the guest's
    /// processor ignores. The highest bit that counts decides which half of the address space is
    /// meant; the upper is the kernel's, and stays as it is so as to fault.
    fn effective(&mut self, addr: u64) -> u64 {
        if self.cpu.narrow {
            return addr as u32 as u64;
        }
        let real = effective(addr, self.cpu.ignored_bits);
        self.cpu.tag = addr ^ real;
        real
    }

    fn mem<T>(&mut self, result: Result<T, MemFault>, write: bool) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(MemFault { signo, code, addr }) => {
                self.fault(Fault { signo, code, addr: addr | self.cpu.tag, write });
                None
            }
        }
    }

    fn ended(&self) -> bool {
        self.outcome != Outcome::Next
    }

    fn r(&self, r: R) -> u64 {
        if r == R::ZERO { 0 } else { self.cpu.gpr[r.0 as usize] }
    }

    fn rw(&self, w: W, r: R) -> u64 {
        trunc(w, self.r(r))
    }

    fn set(&mut self, w: W, d: R, value: u64) {
        if d != R::ZERO && !self.ended() {
            self.cpu.gpr[d.0 as usize] = trunc(w, value);
        }
    }

    fn v(&self, v: V) -> u128 {
        self.cpu.vec[v.0 as usize]
    }

    fn set_v(&mut self, d: V, value: u128) {
        if !self.ended() {
            self.cpu.vec[d.0 as usize] = value;
        }
    }

    fn set_flags(&mut self, nzcv: u8) {
        if !self.ended() {
            self.cpu.set_nzcv(nzcv);
        }
    }

    fn carry(&self) -> bool {
        self.cpu.nzcv() & 2 != 0
    }

    fn go(&mut self, target: u64) {
        if !self.ended() {
            self.next_pc = target;
        }
    }

    fn src(&self, w: W, s: Src) -> u64 {
        match s {
            Src::Reg(r) => self.rw(w, r),
            Src::Imm(value) => trunc(w, value),
            Src::Shifted(r, op, n) => shifted(w, op, self.r(r), n as u32),
            Src::Extended(r, ext, n) => trunc(w, extended(ext, self.r(r)) << n),
        }
    }

    fn addr(&mut self, a: Addr) -> u64 {
        let addr = match a {
            Addr::Base(r, offset) => self.r(r).wrapping_add(offset as u64),
            Addr::Index(base, index, ext, n) => self.r(base).wrapping_add(extended(ext, self.r(index)) << n),
            Addr::Scaled(base, index, n, offset) => {
                self.r(base).wrapping_add(self.r(index) << n).wrapping_add(offset as i64 as u64)
            }
            Addr::Abs(addr) => addr,
        };
        self.effective(addr)
    }

    /// Compare and swap; the old value.
    fn exchange(&mut self, addr: u64, bytes: u32, expected: u128, new: u128) -> Option<u128> {
        let old = if bytes == 16 {
            if !addr.is_multiple_of(16) {
                self.fault(Fault { signo: SIGBUS, code: BUS_ADRALN, addr, write: true });
                return None;
            }
            let addr = self.effective(addr);
            anyarch_sys::compare_exchange16(addr, expected, new)
        } else {
            let addr = self.effective(addr);
            anyarch_sys::compare_exchange(addr, bytes, expected as u64, new as u64).map(u128::from)
        };
        self.mem(old, true)
    }

    /// A pair of registers as one value, the first in the low part.
    fn pair(&self, size: Size, r: [R; 2]) -> u128 {
        let bits = size.bytes() * 8;
        let mask = u64::MAX >> (64 - bits);
        (self.r(r[0]) & mask) as u128 | ((self.r(r[1]) & mask) as u128) << bits
    }

    fn set_pair(&mut self, size: Size, r: [R; 2], value: u128) {
        let bits = size.bytes() * 8;
        let mask = u64::MAX >> (64 - bits);
        self.set(W::W64, r[0], value as u64 & mask);
        self.set(W::W64, r[1], (value >> bits) as u64 & mask);
    }

    /// Loads up to 16 bytes exclusively; the value.
    fn load_monitor(&mut self, bytes: u32, addr: R) -> Option<u128> {
        let addr = self.r(addr);
        if self.ended() {
            return None;
        }
        let real = self.effective(addr);
        reservations::reserve(self.cpu, addr);
        let value = if bytes == 16 {
            let mut out = [0; 16];
            self.mem(anyarch_sys::load_bytes(real, &mut out), false)?;
            u128::from_le_bytes(out)
        } else {
            self.mem(anyarch_sys::load_once(real, bytes), false)? as u128
        };
        // With its tag, as generated code compares it.
        self.cpu.excl_addr = addr;
        self.cpu.excl_value = [value as u64, (value >> 64) as u64];
        Some(value)
    }

    /// Stores up to 16 bytes exclusively; whether that failed.
    fn store_monitor(&mut self, bytes: u32, status: R, addr: R, new: u128) {
        let addr = self.r(addr);
        if self.ended() {
            return;
        }
        let mut failed = 1;
        if addr == self.cpu.excl_addr && reservations::hold(self.cpu, addr) {
            let mask = u128::MAX >> (128 - 8 * bytes);
            let [low, high] = self.cpu.excl_value;
            let expected = (low as u128 | (high as u128) << 64) & mask;
            let old = self.exchange(addr, bytes, expected, new);
            reservations::release(self.cpu, old.is_none());
            let Some(old) = old else { return };
            failed = (old != expected) as u64;
        }
        self.cpu.excl_addr = u64::MAX;
        self.set(W::W64, status, failed);
    }

    fn fp_nzcv(&mut self, signaling: bool, es: u8, a: V, b: Option<V>) -> u8 {
        let mask = low_bytes(1 << es);
        let (a, b) = ((self.v(a) & mask) as u64, b.map_or(0, |b| (self.v(b) & mask) as u64));
        fp::compare(es, a, b, signaling, &mut self.cpu.fp)
    }
}

/// `addr` without the `ignored` bits (see [`Cpu::ignored_bits`]), unless it is of the upper half.
pub fn effective(addr: u64, ignored: u64) -> u64 {
    let half = (ignored & ignored.wrapping_neg()) >> 1;
    if addr & half == 0 { addr & !ignored } else { addr }
}

/// Plays what begins at `cpu.pc`, once.
impl UnitBuilder for Interp<'_> {
    fn more(&mut self) -> bool {
        self.lifted == Lifted::Nothing
    }

    fn pc(&self) -> u64 {
        self.cpu.pc
    }

    fn next_pc(&self) -> u64 {
        self.next_pc
    }

    fn stop(&mut self) {
        self.lifted = Lifted::Stopped;
    }

    fn begin(&mut self, len: u64, _: Peek) {
        self.next_pc = self.cpu.pc.wrapping_add(len);
    }

    fn goes_on_at(&mut self, pc: u64) {
        self.next_pc = pc;
    }

    fn end(&mut self) {
        self.lifted = Lifted::Insn;
    }

    fn end_step(&mut self, _: &[u64]) {
        self.lifted = Lifted::Step;
    }

    fn depends_on(&mut self, _: u64, _: u64) {}
}

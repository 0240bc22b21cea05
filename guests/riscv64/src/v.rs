//! The vector extension (V 1.0, VLEN 128, ELEN 64): its state, configuration and control registers,
//! and what its instructions share.
//!
//! v0 to v31 are the vector slots from [`V0`] on. vl, vtype, vstart, vcsr and [`KEY`] are integer
//! slots, so that VSETVLI is a few operations of the vocabulary. Everything else is a reference
//! function ([`Unit`] and the files `v_*.rs`) that the interpreter and generated code call with the
//! instruction's word; it looks at vtype when it runs. What is common enough has host code as well,
//! see `v_fast/`.
//!
//! - **Tail and masked-off elements** stay as they are, whatever the policy bits say.
//! - **Faults are precise**: vstart becomes the element that faulted, and an instruction goes on
//!   from vstart.
//! - **Reserved encodings** (vill, register groups out of line, forbidden overlap, one register
//!   read with two element widths, vstart where it must be zero, frm out of range) raise SIGILL
//!   before anything changes.

use crate::decode::Insn;
use crate::system::illegal;
use anyarch_engine::field;
use anyarch_engine::ops::{Alu, Cond, Effects, Helper, HelperExit, Ops, R, Sel, Shift, SlotSet, Src, V, W};
use anyarch_engine::state::{Cpu, Fault};
use anyarch_sys::MemFault;

crate::rows! {
    "0 zimm:11 rs1:5 111 rd:5 1010111" Vsetvli vsetvli;
    "11 zimm:10 uimm:5 111 rd:5 1010111" Vsetivli vsetivli;
    "1000000 rs2:5 rs1:5 111 rd:5 1010111" Vsetvl vsetvl;
}

/// Bytes of a vector register.
pub(crate) const VLENB: u64 = 16;
/// Slot of v0.
pub const V0: usize = 48;
/// vl.
pub const VL: R = R(33);
/// vtype as the CSR reads.
pub const VTYPE: R = R(34);
/// vstart.
pub const VSTART: R = R(35);
/// vcsr: vxsat in bit 0, vxrm in bits 2 and 1.
pub const VCSR: R = R(36);
/// What host code looks at: LMUL and SEW as vtype has them, [`SHAPED`], [`USED`], [`COUNTED`], and
/// vl from bit 16 on; zero unless vtype is valid and vstart is zero.
pub(crate) const KEY: R = R(37);
/// Not zero once vectors were used, unless [`KEY`] is not zero: then a signal frame has them.
pub(crate) const DIRTY: R = R(39);
/// What prctl PR_RISCV_V_GET_CONTROL tells; see `linux.rs`.
pub(crate) const POLICY: R = R(38);
/// In [`KEY`], whose low byte so tells the vtype from none: vtype is valid, and vstart is zero.
pub const SHAPED: u64 = 1 << 7;
/// In [`KEY`]: vtype is valid, and vstart is zero.
pub const USED: u64 = 1 << 9;
/// In [`KEY`]: vl was counted down from a register. Only a hint that it may be another the next
/// time.
pub const COUNTED: u64 = 1 << 10;
/// Where vl is in [`KEY`].
pub(crate) const KEY_VL: u32 = 16;
/// vill.
pub const VILL: u64 = 1 << 63;

/// Slots of the vector unit's state.
pub(crate) const STATE: SlotSet =
    SlotSet { gpr: 0, vec: 0 }.with(VL).with(VTYPE).with(VSTART).with(VCSR).with(KEY).with(DIRTY);

/// What an instruction of the vector unit does, by its word in the lower half of the argument: it
/// has any vectors as operands, and a general or a floating-point register.
pub(crate) fn vectors(arg: u64) -> Effects {
    let i = Insn { word: arg as u32, pc: 0, len: 4 };
    let all = STATE.with_vectors(V(V0 as u8), 32);
    let operands = Effects::NONE.reads(i.rs1()).reads_vectors(V(i.s1() as u8), 1);
    operands.changes(all).faults().environment()
}

/// [`vectors`], and memory, at addresses that two general registers tell.
pub(crate) fn vectors_and_memory(arg: u64) -> Effects {
    let i = Insn { word: arg as u32, pc: 0, len: 4 };
    vectors(arg).reads(i.rs2()).memory()
}

/// [`vectors`], and a result in a general or a floating-point register.
pub(crate) fn vectors_and_result(arg: u64) -> Effects {
    let i = Insn { word: arg as u32, pc: 0, len: 4 };
    vectors(arg).writes(i.rd()).reads_vectors(V(i.d() as u8), 1).writes_vectors(V(i.d() as u8), 1)
}

/// vtype, without vill: LMUL as a power of two, SEW as log2 of its bytes. `None` if it is not
/// supported.
pub fn parse(vtype: u64) -> Option<(i32, u32)> {
    let (lmul, sew) = ((vtype as i32) << 29 >> 29, vtype as u32 >> 3 & 7);
    // A fractional LMUL holds at least one element of SEW in the part of ELEN that it is.
    (vtype >> 8 == 0 && lmul != -4 && sew <= 3 && sew as i32 <= 3 + lmul.min(0)).then_some((lmul, sew))
}

/// Elements of a register group.
pub fn vlmax((lmul, sew): (i32, u32)) -> u64 {
    ((VLENB as i32) << 3 >> (sew as i32 + 3 - lmul)) as u64
}

/// [`KEY`] without [`COUNTED`], for a valid vtype.
fn key(vtype: u64, vl: u64) -> u64 {
    vtype & 0x3f | SHAPED | USED | vl << KEY_VL
}

/// Whether vl is VLMAX, according to [`KEY`].
pub fn is_full(key: u64) -> bool {
    parse(key & 0x3f).is_some_and(|shape| key & USED != 0 && key >> KEY_VL == vlmax(shape))
}

/// Nothing has used vectors yet: the first instruction finds zeroes everywhere, which Linux gives a
/// thread then. (A vtype of zero is a valid one.)
pub fn reset(cpu: &mut Cpu) {
    for r in [VL, VTYPE, VSTART, VCSR, KEY, DIRTY] {
        cpu.gpr[r.0 as usize] = 0;
    }
    cpu.vec[V0..V0 + 32].fill(0);
}

/// VSETVL's work: sets vtype and vl.
pub fn configure(cpu: &mut Cpu, vtype: u64, avl: u64) {
    let (vl, vtype, key) = match parse(vtype) {
        Some(shape) => {
            let vl = avl.min(vlmax(shape));
            (vl, vtype, key(vtype, vl) | COUNTED)
        }
        None => {
            cpu.gpr[DIRTY.0 as usize] = 1;
            (0, VILL, 0)
        }
    };
    for (r, value) in [(VL, vl), (VTYPE, vtype), (VSTART, 0), (KEY, key)] {
        cpu.gpr[r.0 as usize] = value;
    }
}

/// Sets vl to the constant `vl` of a constant vtype.
fn set_constant<O: Ops>(o: &mut O, i: Insn, vtype: u64, vl: u64) {
    o.mov(W::W64, VTYPE, Src::Imm(vtype));
    o.mov(W::W64, VSTART, Src::Imm(0));
    o.mov(W::W64, VL, Src::Imm(vl));
    let key = if vtype & VILL != 0 { 0 } else { key(vtype, vl) };
    o.set_likely(key);
    o.mov(W::W64, KEY, Src::Imm(key));
    if key == 0 {
        o.mov(W::W64, DIRTY, Src::Imm(1));
    }
    o.mov(W::W64, i.rd(), Src::Imm(vl));
}

fn vsetvli<O: Ops>(o: &mut O, i: Insn) {
    let vtype = field!(i.zimm, of vsetvli) as u64;
    let Some(shape) = parse(vtype) else { return set_constant(o, i, VILL, 0) };
    let max = vlmax(shape);
    if i.s1() == 0 && i.d() != 0 {
        return set_constant(o, i, vtype, max);
    }
    // Without a new length the old one is likely to be as constant as it was.
    let (avl, counted, vl) = match i.s1() {
        0 => (VL, o.likely() & COUNTED, (o.likely() >> KEY_VL).min(max)),
        _ => (i.rs1(), COUNTED, max),
    };
    o.set_likely(key(vtype, vl) | counted);
    o.mov(W::W64, R::T0, Src::Imm(max));
    o.alu_flags(Alu::Sub, W::W64, R::ZERO, avl, Src::Imm(max));
    o.select(Cond::Cc, W::W64, R::T0, avl, R::T0, Sel::Plain);
    o.mov(W::W64, VL, Src::Reg(R::T0));
    o.shift(Shift::Lsl, W::W64, R::T1, R::T0, Src::Imm(KEY_VL as u64));
    o.alu(Alu::Or, W::W64, KEY, R::T1, Src::Imm(key(vtype, 0) | counted));
    o.mov(W::W64, VTYPE, Src::Imm(vtype));
    o.mov(W::W64, VSTART, Src::Imm(0));
    o.mov(W::W64, i.rd(), Src::Reg(R::T0));
}

fn vsetivli<O: Ops>(o: &mut O, i: Insn) {
    let (vtype, avl) = (field!(i.zimm, of vsetivli) as u64, i.s1() as u64);
    match parse(vtype) {
        Some(shape) => set_constant(o, i, vtype, avl.min(vlmax(shape))),
        None => set_constant(o, i, VILL, 0),
    }
}

fn vsetvl<O: Ops>(o: &mut O, i: Insn) {
    o.helper(VSETVL, i.word as u64);
}

const VSETVL: Helper = Helper {
    function: helper,
    effects: |word| {
        let i = Insn { word: word as u32, pc: 0, len: 4 };
        Effects::NONE.reads(i.rs1()).reads(i.rs2()).writes(i.rd()).changes(STATE)
    },
};

/// VSETVL.
extern "C" fn helper(cpu: &mut Cpu, word: u64) -> HelperExit {
    let i = Insn { word: word as u32, pc: 0, len: 4 };
    let x = |n: u32| if n == 0 { 0 } else { cpu.gpr[n as usize & 31] };
    let vtype = x(i.s2());
    let avl = match (i.s1(), i.d()) {
        (0, 0) => cpu.gpr[VL.0 as usize],
        (0, _) => u64::MAX,
        (n, _) => x(n),
    };
    configure(cpu, vtype, avl);
    if i.d() != 0 {
        cpu.gpr[i.d() as usize & 31] = cpu.gpr[VL.0 as usize];
    }
    HelperExit::Continue
}

/// Sets vstart, of which [`KEY`] tells.
pub(crate) fn set_vstart(cpu: &mut Cpu, value: u64) {
    cpu.gpr[VSTART.0 as usize] = value;
    let (vtype, vl) = (cpu.gpr[VTYPE.0 as usize], cpu.gpr[VL.0 as usize]);
    cpu.gpr[KEY.0 as usize] = match parse(vtype) {
        Some(_) if value == 0 => key(vtype, vl) | COUNTED,
        _ => {
            touch(cpu);
            0
        }
    };
}

/// A fault-only-first load ended before element `vl`.
pub(crate) fn trim(cpu: &mut Cpu, vl: u64) {
    cpu.gpr[VL.0 as usize] = vl;
    set_vstart(cpu, cpu.gpr[VSTART.0 as usize]);
}

/// Numbers of the control and status registers.
pub mod csr {
    #![allow(missing_docs)]
    pub const VSTART: u32 = 8;
    pub(crate) const VXSAT: u32 = 9;
    pub(crate) const VXRM: u32 = 10;
    pub const VCSR: u32 = 15;
    pub const VL: u32 = 0xc20;
    pub const VTYPE: u32 = 0xc21;
    pub(crate) const VLENB: u32 = 0xc22;
}

/// Whether a signal frame has the vectors.
pub fn used(cpu: &Cpu) -> bool {
    cpu.gpr[DIRTY.0 as usize] | cpu.gpr[KEY.0 as usize] != 0
}

/// Sets the whole state from a signal frame: vstart, vl, vtype, vcsr, and the registers' bytes.
pub fn restore(cpu: &mut Cpu, [vstart, vl, vtype, vcsr]: [u64; 4], data: &[u8]) {
    // As VSETVL with these operands.
    configure(cpu, vtype, vl);
    write_csr(cpu, csr::VSTART, vstart);
    write_csr(cpu, csr::VCSR, vcsr);
    cpu.gpr[DIRTY.0 as usize] = 1;
    for (slot, bytes) in cpu.vec[V0..V0 + 32].iter_mut().zip(data.chunks_exact(16)) {
        *slot = bytes.iter().rev().fold(0, |v, b| v << 8 | *b as u128);
    }
}

/// Vectors count as used from now on.
pub fn touch(cpu: &mut Cpu) {
    cpu.gpr[DIRTY.0 as usize] = 1;
}

/// Reads a control register of the vector unit.
pub fn read_csr(cpu: &Cpu, number: u32) -> u64 {
    let get = |r: R| cpu.gpr[r.0 as usize];
    match number {
        csr::VSTART => get(VSTART),
        csr::VXSAT => get(VCSR) & 1,
        csr::VXRM => get(VCSR) >> 1,
        csr::VCSR => get(VCSR),
        csr::VL => get(VL),
        csr::VTYPE => get(VTYPE),
        _ => VLENB,
    }
}

/// Writes one.
pub(crate) fn write_csr(cpu: &mut Cpu, number: u32, value: u64) {
    let old = cpu.gpr[VCSR.0 as usize];
    match number {
        // As many bits as the largest VLMAX needs.
        csr::VSTART => set_vstart(cpu, value & (8 * VLENB - 1)),
        csr::VXSAT => cpu.gpr[VCSR.0 as usize] = old & !1 | value & 1,
        csr::VXRM => cpu.gpr[VCSR.0 as usize] = old & 1 | (value & 3) << 1,
        csr::VCSR => cpu.gpr[VCSR.0 as usize] = value & 7,
        _ => {}
    }
}

/// Why an instruction did not complete.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stop {
    /// A reserved encoding.
    Illegal,
    /// An access faulted; vstart is set.
    Fault(MemFault, bool),
}

pub(crate) type Done = Result<(), Stop>;

/// Width of a mask's elements, below every other width.
pub(crate) const MASK: i32 = -1;

/// A register group as an instruction uses it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    pub(crate) reg: u32,
    /// log2 of an element's bytes, or [`MASK`].
    pub(crate) ew: i32,
    /// log2 of the registers.
    pub(crate) emul: i32,
}

impl Group {
    pub(crate) fn mask(reg: u32) -> Group {
        Group { reg, ew: MASK, emul: 0 }
    }

    /// Elements of `1 << ew` bytes in `1 << emul` registers from `reg`, if there are such groups,
    /// and one can begin there.
    pub(crate) fn of(reg: u32, ew: u32, emul: i32) -> Option<Group> {
        let exists = ew <= 3 && (-3..=3).contains(&emul) && reg & ((1 << emul.max(0)) - 1) == 0;
        exists.then_some(Group { reg, ew: ew as i32, emul })
    }

    /// How many registers it reaches into.
    pub(crate) fn registers(self) -> u32 {
        1 << self.emul.max(0)
    }

    fn end(self) -> u32 {
        self.reg + self.registers()
    }

    /// Whether a destination may overlap a source as this one does (5.2).
    pub(crate) fn may_overwrite(self, s: Group) -> bool {
        !self.overlaps(s)
            || self.ew == s.ew
            || (self.ew < s.ew && self.reg == s.reg)
            || (self.ew > s.ew && s.emul >= 0 && s.end() == self.end())
    }

    /// Whether one instruction may read both: no register is read with two element widths (5.2).
    pub(crate) fn readable_with(self, other: Group) -> bool {
        self.ew == other.ew || !self.overlaps(other)
    }

    pub(crate) fn overlaps(self, other: Group) -> bool {
        self.reg < other.end() && other.reg < self.end()
    }
}

/// One instruction at work.
pub(crate) struct Unit<'a> {
    pub(crate) cpu: &'a mut Cpu,
    pub(crate) i: Insn,
    /// log2 of SEW in bytes.
    pub(crate) sew: u32,
    /// log2 of LMUL.
    pub(crate) lmul: i32,
    pub(crate) vl: usize,
    pub(crate) vstart: usize,
}

/// Plays an instruction; `vtype` tells whether it depends on vtype. Afterwards vstart is zero,
/// unless it faulted.
pub(crate) fn play(
    cpu: &mut Cpu,
    word: u64,
    vtype: bool,
    f: impl FnOnce(&mut Unit<'_>) -> Done,
) -> HelperExit {
    let get = |r: R| cpu.gpr[r.0 as usize];
    let (shape, vl, vstart) = (get(VTYPE), get(VL) as usize, get(VSTART) as usize);
    let shape = match parse(shape) {
        Some(shape) => shape,
        None if vtype => return illegal(cpu),
        None => (0, 0),
    };
    touch(cpu);
    let i = Insn { word: word as u32, pc: 0, len: 4 };
    match f(&mut Unit { cpu: &mut *cpu, i, sew: shape.1, lmul: shape.0, vl, vstart }) {
        Ok(()) => {
            if vstart != 0 {
                set_vstart(cpu, 0);
            }
            HelperExit::Continue
        }
        Err(Stop::Illegal) => illegal(cpu),
        Err(Stop::Fault(f, write)) => {
            cpu.fault = Fault { signo: f.signo, code: f.code, addr: f.addr, write };
            HelperExit::Fault
        }
    }
}

/// The unsigned value of `1 << ew` bytes in the low part of `v`.
#[inline(always)]
pub(crate) fn zero(ew: u32, v: u64) -> u64 {
    v & u64::MAX >> (64 - (8 << ew))
}

/// The signed one.
#[inline(always)]
pub(crate) fn sign(ew: u32, v: u64) -> i64 {
    let up = 64 - (8 << ew);
    (v << up) as i64 >> up
}

impl Unit<'_> {
    fn bytes(&self) -> &[u8; 512] {
        // SAFETY: 32 vectors are 512 bytes.
        unsafe { &*self.cpu.vec[V0..V0 + 32].as_ptr().cast() }
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8; 512] {
        // SAFETY: as above.
        unsafe { &mut *self.cpu.vec[V0..V0 + 32].as_mut_ptr().cast() }
    }

    /// Element `n` of the group at `reg`, zero-extended.
    #[inline(always)]
    pub(crate) fn get(&self, reg: u32, ew: u32, n: usize) -> u64 {
        let at = (reg as usize * 16 + (n << ew)) & (512 - (1 << ew));
        let b = self.bytes();
        let mut out = [0; 8];
        match ew {
            0 => out[0] = b[at],
            1 => out[..2].copy_from_slice(&b[at..at + 2]),
            2 => out[..4].copy_from_slice(&b[at..at + 4]),
            _ => out.copy_from_slice(&b[at..at + 8]),
        }
        u64::from_le_bytes(out)
    }

    #[inline(always)]
    pub(crate) fn set(&mut self, reg: u32, ew: u32, n: usize, value: u64) {
        let at = (reg as usize * 16 + (n << ew)) & (512 - (1 << ew));
        let b = self.bytes_mut();
        let value = value.to_le_bytes();
        match ew {
            0 => b[at] = value[0],
            1 => b[at..at + 2].copy_from_slice(&value[..2]),
            2 => b[at..at + 4].copy_from_slice(&value[..4]),
            _ => b[at..at + 8].copy_from_slice(&value),
        }
    }

    pub(crate) fn bit(&self, reg: u32, n: usize) -> bool {
        self.get(reg, 0, n / 8) >> (n % 8) & 1 != 0
    }

    pub(crate) fn set_bit(&mut self, reg: u32, n: usize, value: bool) {
        let old = self.get(reg, 0, n / 8);
        self.set(reg, 0, n / 8, old & !(1 << (n % 8)) | (value as u64) << (n % 8));
    }

    /// A register as a whole.
    pub(crate) fn whole(&mut self, reg: u32) -> &mut u128 {
        &mut self.cpu.vec[V0 + (reg as usize & 31)]
    }

    /// Whether the instruction has no mask.
    #[inline(always)]
    pub(crate) fn unmasked(&self) -> bool {
        self.i.bits(25, 1) != 0
    }

    /// Whether element `n` is not masked off.
    #[inline(always)]
    pub(crate) fn active(&self, n: usize) -> bool {
        self.unmasked() || self.bit(0, n)
    }

    pub(crate) fn vd(&self) -> u32 {
        self.i.d()
    }

    pub(crate) fn vs1(&self) -> u32 {
        self.i.s1()
    }

    pub(crate) fn vs2(&self) -> u32 {
        self.i.s2()
    }

    /// The value of x`n`.
    pub(crate) fn x(&self, n: u32) -> u64 {
        if n == 0 { 0 } else { self.cpu.gpr[n as usize & 31] }
    }

    pub(crate) fn set_x(&mut self, n: u32, value: u64) {
        if n != 0 {
            self.cpu.gpr[n as usize & 31] = value;
        }
    }

    /// The instruction's form: its funct3.
    pub(crate) fn form(&self) -> u32 {
        self.i.bits(12, 3)
    }

    /// Whether vs1 is a vector.
    pub(crate) fn has_vs1(&self) -> bool {
        self.form() < 3
    }

    /// The scalar operand, sign-extended; an immediate is taken as `signed` says.
    pub(crate) fn scalar(&self, signed: bool) -> u64 {
        match self.form() {
            3 if signed => (self.i.s1() as i64) << 59 >> 59,
            3 => self.i.s1() as i64,
            _ => self.x(self.i.s1()) as i64,
        }
        .cast_unsigned()
    }

    pub(crate) fn vxrm(&self) -> u32 {
        self.cpu.gpr[VCSR.0 as usize] as u32 >> 1 & 3
    }

    pub(crate) fn saturated(&mut self) {
        self.cpu.gpr[VCSR.0 as usize] |= 1;
    }

    /// VLMAX.
    pub(crate) fn vlmax(&self) -> usize {
        vlmax((self.lmul, self.sew)) as usize
    }

    /// Ends the instruction if vstart is not zero.
    pub(crate) fn begins_at_zero(&self) -> Done {
        legal(self.vstart == 0)
    }

    /// The group of elements of `1 << ew` bytes at `reg`: its EMUL must be one, and its number in
    /// line.
    pub(crate) fn group(&self, reg: u32, ew: u32) -> Result<Group, Stop> {
        self.group_of(reg, ew, self.lmul + ew as i32 - self.sew as i32)
    }

    pub(crate) fn group_of(&self, reg: u32, ew: u32, emul: i32) -> Result<Group, Stop> {
        Group::of(reg, ew, emul).ok_or(Stop::Illegal)
    }

    /// One register of which the first element counts.
    pub(crate) fn first(&self, reg: u32, ew: u32) -> Group {
        Group { reg, ew: ew as i32, emul: 0 }
    }

    /// No register is read with two element widths, the mask's being one (5.2).
    pub(crate) fn sources(&self, groups: &[Group]) -> Done {
        for (n, &a) in groups.iter().enumerate() {
            legal(self.unmasked() || a.ew == MASK || a.reg != 0)?;
            for &b in &groups[n + 1..] {
                legal(a.readable_with(b))?;
            }
        }
        Ok(())
    }

    /// The destination may overlap the sources (5.2) and, if it is of elements, not the mask.
    pub(crate) fn destination(&self, d: Group, sources: &[Group]) -> Done {
        legal(self.unmasked() || d.ew == MASK || d.reg != 0)?;
        for &s in sources {
            legal(d.may_overwrite(s))?;
        }
        Ok(())
    }
}

/// Goes on if it holds.
pub(crate) fn legal(holds: bool) -> Done {
    if holds { Ok(()) } else { Err(Stop::Illegal) }
}

/// The instruction goes to a reference function: `tag` is what the row says of it, in bits 63 to 32
/// of the argument.
pub(crate) fn call<O: Ops>(o: &mut O, i: Insn, f: Helper, tag: u32) {
    o.helper(f, i.word as u64 | (tag as u64) << 32);
}

/// The same, unless `fast` emits host code for it.
pub(crate) fn either<O: Ops>(
    o: &mut O,
    i: Insn,
    tag: u32,
    f: Helper,
    fast: impl FnOnce(&mut O, Helper, u64) -> bool,
) {
    let arg = i.word as u64 | (tag as u64) << 32;
    if !fast(o, f, arg) {
        o.helper(f, arg);
    }
}

/// Declares an enumeration that goes through a helper's argument as its number.
macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub(crate) enum $name { $($(#[$vdoc])* $variant),* }
        impl $name {
            const ALL: &[$name] = &[$($name::$variant),*];

            /// From its number in bits 39 to 32.
            pub(crate) fn from_arg(arg: u64) -> $name {
                Self::ALL[(arg >> 32) as usize % 256 % Self::ALL.len()]
            }
        }
    };
}
pub(crate) use numbered;

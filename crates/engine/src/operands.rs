//! What the words of the vocabulary ([`crate::ops`]) are applied to: slots, widths, kinds of
//! operations, addresses, conditions.

/// An integer register slot of [`Cpu`]: 0 to 31 guest general registers, 32 to 55 guest special
/// registers (thread pointer, ...), 56 to 63 temporaries of one instruction, 255 the zero register.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct R(pub u8);

impl Default for R {
    /// The zero register.
    fn default() -> R {
        R::ZERO
    }
}

impl R {
    /// Reads as zero, swallows writes.
    pub const ZERO: R = R(255);
    /// First temporary.
    pub const T0: R = R(56);
    /// Second temporary.
    pub const T1: R = R(57);
    /// Third temporary.
    pub const T2: R = R(58);
    /// Fourth temporary.
    pub const T3: R = R(59);
}

/// A vector register slot of [`Cpu`], 128 bits: 0 to 31 and 48 to 79 guest registers, 40 to 47
/// temporaries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct V(pub u8);

impl V {
    /// First temporary.
    pub const T0: V = V(40);
    /// Second temporary.
    pub const T1: V = V(41);
    /// Third temporary.
    pub const T2: V = V(42);
    /// Fourth temporary.
    pub const T3: V = V(43);

    /// The `n`th slot after this one: below 32 they go round.
    #[inline(always)]
    pub fn after(self, n: u8) -> V {
        if self.0 < 32 { V((self.0 + n) & 31) } else { V(self.0 + n) }
    }
}

/// Width of an integer operation. A 32-bit result is zero-extended to 64 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum W {
    /// 32 bits.
    W32,
    /// 64 bits.
    W64,
}

impl W {
    /// Bits: 32 or 64.
    #[inline]
    pub fn bits(self) -> u32 {
        match self {
            W::W32 => 32,
            W::W64 => 64,
        }
    }
}

/// Extension of the low part of a 64-bit register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ext {
    /// Zero-extend 8 bits.
    U8,
    /// Zero-extend 16 bits.
    U16,
    /// Zero-extend 32 bits.
    U32,
    /// All 64 bits.
    X64,
    /// Sign-extend 8 bits.
    S8,
    /// Sign-extend 16 bits.
    S16,
    /// Sign-extend 32 bits.
    S32,
}

/// Shift kinds. Amounts are taken modulo the width.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shift {
    /// Logical left.
    Lsl,
    /// Logical right.
    Lsr,
    /// Arithmetic right.
    Asr,
    /// Rotate right.
    Ror,
}

/// Second operand of an integer operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Src {
    /// A register.
    Reg(R),
    /// A constant (truncated to the operation's width).
    Imm(u64),
    /// A register shifted by a constant below the width, at the operation's width.
    Shifted(R, Shift, u8),
    /// A register's low part extended to 64 bits, then shifted left by 0 to 4, then truncated to
    /// the width.
    Extended(R, Ext, u8),
}

/// Two-operand integer operations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Alu {
    /// a + b
    Add,
    /// a - b
    Sub,
    /// a & b
    And,
    /// a | b
    Or,
    /// a ^ b
    Xor,
    /// a & !b
    AndNot,
    /// a | !b
    OrNot,
    /// a ^ !b
    XorNot,
}

/// One-operand integer operations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unary {
    /// Leading zeros; the width for zero.
    Clz,
    /// Leading bits equal to the sign bit, not counting it.
    Cls,
    /// Trailing zeros; the width for zero.
    Ctz,
    /// Bits set.
    Popcount,
    /// Reverse the bits.
    Rbit,
    /// Reverse the bytes of each 16-bit part.
    Rev16,
    /// Reverse the bytes of each 32-bit part.
    Rev32,
    /// Reverse the bytes of the whole 64-bit register.
    Rev64,
}

/// Result of an integer division by zero. (Smallest / -1 is the smallest in every guest.)
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DivZero {
    /// Zero.
    Zero,
    /// All ones.
    Ones,
}

/// Conditions over NZCV, in the order of the AArch64 encoding: carry set means no borrow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Cond {
    /// Z
    Eq,
    /// !Z
    Ne,
    /// C
    Cs,
    /// !C
    Cc,
    /// N
    Mi,
    /// !N
    Pl,
    /// V
    Vs,
    /// !V
    Vc,
    /// C && !Z
    Hi,
    /// !C || Z
    Ls,
    /// N == V
    Ge,
    /// N != V
    Lt,
    /// !Z && N == V
    Gt,
    /// Z || N != V
    Le,
    /// Always.
    Al,
}

impl Cond {
    /// From a 4-bit encoding (14 and 15 both mean always).
    #[inline]
    pub fn from_bits(bits: u32) -> Cond {
        use Cond::*;
        [Eq, Ne, Cs, Cc, Mi, Pl, Vs, Vc, Hi, Ls, Ge, Lt, Gt, Le, Al, Al][bits as usize & 15]
    }

    /// The opposite condition. `Al` has none and returns itself.
    #[inline]
    pub fn invert(self) -> Cond {
        if self == Cond::Al { Cond::Al } else { Cond::from_bits(self as u32 ^ 1) }
    }

    /// Whether it holds for `nzcv` (bit 3 = N, bit 2 = Z, bit 1 = C, bit 0 = V).
    pub fn holds(self, nzcv: u8) -> bool {
        let (n, z, c, v) = (nzcv & 8 != 0, nzcv & 4 != 0, nzcv & 2 != 0, nzcv & 1 != 0);
        match self {
            Cond::Eq => z,
            Cond::Ne => !z,
            Cond::Cs => c,
            Cond::Cc => !c,
            Cond::Mi => n,
            Cond::Pl => !n,
            Cond::Vs => v,
            Cond::Vc => !v,
            Cond::Hi => c && !z,
            Cond::Ls => !c || z,
            Cond::Ge => n == v,
            Cond::Lt => n != v,
            Cond::Gt => !z && n == v,
            Cond::Le => z || n != v,
            Cond::Al => true,
        }
    }
}

/// Comparisons of two integer registers (guests without flags).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cmp {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Signed less.
    Lt,
    /// Signed greater or equal.
    Ge,
    /// Unsigned less.
    Ltu,
    /// Unsigned greater or equal.
    Geu,
}

/// What a conditional select does to its second operand when the condition is false.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sel {
    /// b
    Plain,
    /// b + 1
    Inc,
    /// !b
    Not,
    /// -b
    Neg,
}

/// Multiplications.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mul {
    /// acc + a * b, at the width given.
    Add(W),
    /// acc - a * b, at the width given.
    Sub(W),
    /// 64-bit acc + zero-extended 32-bit a * b.
    AddU32,
    /// 64-bit acc - zero-extended 32-bit a * b.
    SubU32,
    /// 64-bit acc + sign-extended 32-bit a * b.
    AddS32,
    /// 64-bit acc - sign-extended 32-bit a * b.
    SubS32,
    /// High 64 bits of the unsigned 128-bit product; acc is not used.
    HighU,
    /// High 64 bits of the signed 128-bit product; acc is not used.
    HighS,
}

/// Bytes of a memory access by a general register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Size {
    /// 1 byte.
    B1,
    /// 2 bytes.
    B2,
    /// 4 bytes.
    B4,
    /// 8 bytes.
    B8,
}

impl Size {
    /// From log2 of the bytes.
    #[inline]
    pub fn from_log2(log2: u32) -> Size {
        [Size::B1, Size::B2, Size::B4, Size::B8][log2 as usize & 3]
    }

    /// 1, 2, 4 or 8.
    #[inline]
    pub fn bytes(self) -> u32 {
        1 << self as u32
    }
}

/// How a loaded value fills its register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LoadExt {
    /// Zero-extended to 64 bits.
    Zero,
    /// Sign-extended to 32 bits, zero above.
    Sign32,
    /// Sign-extended to 64 bits.
    Sign64,
}

/// A guest address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Addr {
    /// base + constant.
    Base(R, i64),
    /// base + (extended index << shift).
    Index(R, R, Ext, u8),
    /// base + (index << shift by 0 to 3) + constant.
    Scaled(R, R, u8, i32),
    /// A constant guest address, near the instruction (pc-relative literal).
    Abs(u64),
}

/// Ordering of a memory access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemOrder {
    /// None.
    Plain,
    /// Load-acquire, processor consistent (RCpc).
    Acquire,
    /// Store-release that later acquires of the same thread may pass (RCpc).
    Release,
    /// Load-acquire or store-release, sequentially consistent among themselves (RCsc: AArch64 LDAR
    /// and STLR).
    SeqCst,
}

/// Atomic read-modify-write operations; the old value is the result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rmw {
    /// old + s
    Add,
    /// old & !s
    AndNot,
    /// old & s
    And,
    /// old ^ s
    Xor,
    /// old | s
    Or,
    /// Signed maximum.
    MaxS,
    /// Signed minimum.
    MinS,
    /// Unsigned maximum.
    MaxU,
    /// Unsigned minimum.
    MinU,
    /// s
    Swap,
}

/// What a signal tells of an access that is not aligned as it must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultAddr {
    /// The access's.
    Access,
    /// The instruction's.
    Insn,
    /// The access's, and the signal is SIGSEGV (SEGV_ACCERR): of an instruction that Linux
    /// emulates.
    Segment,
}

/// Memory barriers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Barrier {
    /// Orders everything before against everything after.
    Full,
    /// Orders loads before against everything after.
    Load,
    /// Orders stores before against stores after.
    Store,
}

/// Why a guest instruction traps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trap {
    /// Undefined encoding: SIGILL, ILL_ILLOPC, address of the instruction.
    Undefined,
    /// Breakpoint: SIGTRAP, TRAP_BRKPT, address of the instruction.
    Breakpoint(u16),
}

/// What happens after a helper.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum HelperExit {
    /// On with the next operation.
    Continue = 0,
    /// The instruction is done and the run loop must look at the state (mode or code changed): go
    /// on at the next instruction.
    Resync = 1,
    /// The instruction faulted: `cpu.fault` says how; `pc` becomes the instruction's own.
    Fault = 2,
    /// Jump to `cpu.pc`, which the helper set.
    Jump = 3,
    /// The instruction is a system call that was not carried out: leave for it.
    Syscall = 4,
}

/// Operands of a vector operation. Lanes are `1 << es` bytes; the operation covers the low `bytes`
/// bytes and **zeroes the destination above them**. A scalar operation has `bytes == 1 << es`, or
/// is one of [`VArgs::BOXED`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VArgs {
    /// Destination.
    pub d: V,
    /// First source.
    pub a: V,
    /// Second source (any if the operation has none).
    pub b: V,
    /// Third source or accumulator (usually the destination; any if none).
    pub c: V,
    /// log2 of the lane's bytes: 0 to 4.
    pub es: u8,
    /// Bytes written before zeroes: 1 to 16, or [`VArgs::BOXED`].
    pub bytes: u8,
    /// Constant: shift amount, lane number, rotation.
    pub imm: u32,
}

impl VArgs {
    /// As `bytes` of an [`Ops::fp`](crate::ops::Ops::fp): a scalar operation among registers of 64
    /// bits that hold narrower numbers boxed (RISC-V). The bits from the result's end to bit 63
    /// become ones; those from bit 64 on have no meaning, neither in the operands nor in the
    /// result. The operands are boxed: [`Ops::check_boxes`](crate::ops::Ops::check_boxes) comes
    /// before.
    pub const BOXED: u8 = 0;
}

/// The bits of a 64-bit register above a boxed number of `1 << es` bytes.
#[inline]
pub fn box_bits(es: u8) -> u64 {
    if es >= 3 { 0 } else { u64::MAX << (8 << es) }
}

/// Direction of rounding where an instruction chooses its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Round {
    /// To nearest, ties to even.
    NearestEven,
    /// Towards plus infinity.
    Up,
    /// Towards minus infinity.
    Down,
    /// Towards zero.
    Zero,
    /// To nearest, ties away from zero.
    NearestAway,
    /// To odd (von Neumann rounding).
    Odd,
    /// The floating-point environment's current mode.
    Current,
}

/// Where the carry comes from in [`crate::ops::Ops::set_nz`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Carry {
    /// It stays.
    Keep,
    /// A constant.
    Const(bool),
    /// A bit of a register.
    Bit(R, u8),
}

//! The state record of a case, shared with the runner, and random numbers.

/// Data that any bytes are a value of.
///
/// # Safety
///
/// The type has the layout of C, consists of integers only, and has no padding.
pub unsafe trait Plain: Copy + PartialEq + core::fmt::Debug + Send + Sync + 'static {}

/// Registers, how the code ended, and the two windows of memory. The layout is that of `struct
/// state` in runner.c.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct State<R> {
    /// Before: address of the code. After: where it ended.
    pub pc: u64,
    /// Signal, 0 for none.
    pub signo: u64,
    /// si_code.
    pub code: u64,
    /// si_addr.
    pub addr: u64,
    /// The guest's registers.
    pub r: R,
    /// Memory from [`MID`].
    pub mid: [u8; 256],
    /// Memory from [`EDGE`], up to the unmapped page.
    pub edge: [u8; 64],
}

impl<R: Plain> State<R> {
    /// All zero.
    pub fn zero() -> State<R> {
        // SAFETY: integers only, and a `Plain`, of which zeroes are a value.
        unsafe { core::mem::zeroed() }
    }

    /// The value of `bytes` bytes at `addr`, if they lie in the middle window.
    pub fn memory(&self, addr: u64, bytes: u64) -> Option<u64> {
        let at = addr.checked_sub(MID).filter(|at| at + bytes <= self.mid.len() as u64)? as usize;
        let mut value = [0; 8];
        value[..bytes as usize].copy_from_slice(&self.mid[at..at + bytes as usize]);
        Some(u64::from_le_bytes(value))
    }
}

/// Where code is mapped; the literal pool and the branch slots lie at fixed distances from it.
pub const CODE_BASE: u64 = 0x1100_0000;
/// Where code may go when it is done.
pub const EXIT: u64 = 0x10f0_0000;
/// Two pages of memory for the cases; nothing is mapped before and after.
pub const SCRATCH: u64 = 0x3000_0000;
/// Their bytes.
pub const SCRATCH_BYTES: u64 = 0x2000;
/// A window around the border between the two pages.
pub const MID: u64 = SCRATCH + 0x1000 - 128;
/// A window at the end of the mapped memory.
pub const EDGE: u64 = SCRATCH + SCRATCH_BYTES - 64;

/// A small, fast, seedable generator (xorshift64*).
#[derive(Clone)]
pub struct Rng(u64);

impl Rng {
    /// Any seed will do.
    pub fn new(seed: u64) -> Rng {
        let mut r = Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1);
        if r.0 == 0 {
            r.0 = 1;
        }
        for _ in 0..4 {
            r.next();
        }
        r
    }

    /// 64 random bits.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 16) % n
    }

    /// True once in `n`.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of a slice.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

//! The state record of a case, shared with the runner, and random numbers.

/// Registers, how the code ended, and the two windows of memory. The layout is that of `struct state` in runner.c.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct State {
    /// x0 to x30.
    pub x: [u64; 31],
    /// Stack pointer.
    pub sp: u64,
    /// Before: address of the code. After: where it ended.
    pub pc: u64,
    /// Flags in bits 31 to 28.
    pub nzcv: u64,
    /// Floating-point control.
    pub fpcr: u64,
    /// Floating-point status.
    pub fpsr: u64,
    /// Thread pointer.
    pub tpidr: u64,
    /// Signal, 0 for none.
    pub signo: u64,
    /// si_code.
    pub code: u64,
    /// si_addr.
    pub addr: u64,
    /// v0 to v31, low half first.
    pub v: [[u64; 2]; 32],
    /// Memory from [`MID`].
    pub mid: [u8; 256],
    /// Memory from [`EDGE`], up to the unmapped page.
    pub edge: [u8; 64],
}

const _: () = assert!(size_of::<State>() == 1152);

impl State {
    /// All zero.
    pub fn zero() -> State {
        // SAFETY: integers only.
        unsafe { core::mem::zeroed() }
    }
}

/// Where code is mapped; the literal pool and the branch slots lie at fixed distances from it.
pub const CODE_BASE: u64 = 0x1100_0000;
/// Where code goes when it is done.
pub const EXIT: u64 = 0x10f0_0000;
/// Two pages of memory for the cases; nothing is mapped before and after.
pub const SCRATCH: u64 = 0x3000_0000;
/// A window around the border between the two pages.
pub const MID: u64 = SCRATCH + 0x1000 - 128;
/// A window at the end of the mapped memory.
pub const EDGE: u64 = SCRATCH + 0x2000 - 64;

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

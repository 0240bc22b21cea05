//! Random operands for tests of floating point: the reference's, and a host's, which include this
//! file.

use super::Format;

/// A generator of random numbers (xorshift*), from its state.
pub(super) struct Rng(pub(super) u64);

impl Rng {
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(super) fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 33) % n
    }

    /// An operand: special values, few-bit fractions, exponents near `near`'s and anything.
    pub(super) fn operand(&mut self, f: Format, near: u64) -> u64 {
        let frac_mask = (1u64 << f.frac_bits) - 1;
        let inf = f.infinity(false);
        let specials = [
            0,
            1,
            2,
            frac_mask,
            frac_mask - 1,
            frac_mask + 1,
            frac_mask + 2,
            inf,
            inf - 1,
            inf + 1,
            inf | 1 << (f.frac_bits - 1),
            inf | 1 << (f.frac_bits - 1) | 5,
            inf | 1 << (f.frac_bits - 2),
            one(f),
            one(f) - 1,
            one(f) + 1,
        ];
        let r = self.next();
        let bits = match self.below(8) {
            0 | 1 => specials[self.below(specials.len() as u64) as usize],
            2 => r,
            3 => r & frac_mask,
            4 => {
                (near & inf).wrapping_add((self.below(7) << f.frac_bits).wrapping_sub(3 << f.frac_bits))
                    | r & frac_mask
            }
            5 => near ^ 1 << self.below(f.frac_bits as u64 + 2),
            6 => {
                one(f).wrapping_add(self.below(140) << f.frac_bits).wrapping_sub(70 << f.frac_bits)
                    | r & frac_mask
            }
            _ => (r & inf) | (frac_mask << self.below(f.frac_bits as u64)) & frac_mask,
        };
        (bits ^ if r >> 63 != 0 { f.sign_bit() } else { 0 }) & f.mask()
    }
}

/// The number one.
pub(super) fn one(f: Format) -> u64 {
    (f.max_biased() >> 1) << f.frac_bits
}

//! A hash of guest addresses, for tables that are asked often.

/// Guest addresses are spread enough: multiply and take the top.
#[derive(Clone, Default)]
pub(crate) struct PcHash;

impl core::hash::BuildHasher for PcHash {
    type Hasher = PcHasher;
    fn build_hasher(&self) -> PcHasher {
        PcHasher(0)
    }
}

/// See [`PcHash`].
pub(crate) struct PcHasher(u64);

impl core::hash::Hasher for PcHasher {
    fn write(&mut self, bytes: &[u8]) {
        for &b in bytes {
            self.0 = (self.0 ^ b as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    fn write_u64(&mut self, value: u64) {
        let h = value.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = h ^ h >> 32;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

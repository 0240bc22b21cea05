//! What the host processor offers.

use core::sync::atomic::{AtomicU32, Ordering};

/// What the host processor offers beyond the x86-64-v2 baseline.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs)]
pub struct Features {
    pub avx: bool,
    pub avx2: bool,
    pub fma: bool,
    pub f16c: bool,
    pub bmi1: bool,
    pub bmi2: bool,
    pub lzcnt: bool,
    pub aes: bool,
    pub pclmul: bool,
    pub sha: bool,
}

/// [`Features::of_host`]'s answer: zero until it is known, then a bit for each feature, and
/// [`KNOWN`].
static HOST: AtomicU32 = AtomicU32::new(0);
const KNOWN: u32 = 1 << 31;

impl Features {
    /// What this processor offers. It is asked once: under a hypervisor every question is slow.
    pub fn of_host() -> Features {
        let mut bits = HOST.load(Ordering::Relaxed);
        if bits == 0 {
            bits = Features::detect().remember();
        }
        let mut next = {
            let mut left = bits;
            move || {
                let bit = left & 1 != 0;
                left >>= 1;
                bit
            }
        };
        Features {
            avx: next(),
            avx2: next(),
            fma: next(),
            f16c: next(),
            bmi1: next(),
            bmi2: next(),
            lzcnt: next(),
            aes: next(),
            pclmul: next(),
            sha: next(),
        }
    }

    /// Makes these [`Features::of_host`]'s answer for the process, whatever the processor offers:
    /// for tests that read code and do not run it.
    pub fn assume(self) {
        self.remember();
    }

    fn remember(self) -> u32 {
        let f = self;
        let all = [f.avx, f.avx2, f.fma, f.f16c, f.bmi1, f.bmi2, f.lzcnt, f.aes, f.pclmul, f.sha];
        let bits = all.iter().rev().fold(0, |bits, &f| bits << 1 | f as u32) | KNOWN;
        HOST.store(bits, Ordering::Relaxed);
        bits
    }

    /// Asks the processor.
    pub fn detect() -> Features {
        use core::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
        let l1 = __cpuid(1);
        let l7 = __cpuid_count(7, 0);
        let ext = __cpuid(0x8000_0001);
        let osxsave = l1.ecx >> 27 & 1 != 0;
        // SAFETY: XGETBV exists when OSXSAVE is set.
        let ymm = osxsave && unsafe { _xgetbv(0) } & 6 == 6;
        let avx = ymm && l1.ecx >> 28 & 1 != 0;
        Features {
            avx,
            avx2: avx && l7.ebx >> 5 & 1 != 0,
            fma: avx && l1.ecx >> 12 & 1 != 0,
            f16c: avx && l1.ecx >> 29 & 1 != 0,
            bmi1: avx && l7.ebx >> 3 & 1 != 0,
            bmi2: avx && l7.ebx >> 8 & 1 != 0,
            lzcnt: ext.ecx >> 5 & 1 != 0,
            aes: l1.ecx >> 25 & 1 != 0,
            pclmul: l1.ecx >> 1 & 1 != 0,
            sha: l7.ebx >> 29 & 1 != 0,
        }
    }
}

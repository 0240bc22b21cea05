//! The one list of implemented features. AT_HWCAP and AT_HWCAP2, the ID registers and /proc/cpuinfo
//! derive from it.
//!
//! The CPU looks like a Neoverse N1 with more: Linux lets user level read the ID registers
//! (HWCAP_CPUID) with all fields hidden that say nothing about user level, and so do we
//! (arch/arm64/kernel/cpufeature.c).

use alloc::string::String;
use core::fmt::Write;

/// A bit of AT_HWCAP or AT_HWCAP2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cap {
    /// AT_HWCAP.
    One(u8),
    /// AT_HWCAP2.
    Two(u8),
}

/// An ID register with fields for user level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Id {
    /// ID_AA64ISAR0_EL1
    Isar0,
    /// ID_AA64ISAR1_EL1
    Isar1,
    /// ID_AA64PFR0_EL1
    Pfr0,
}

/// A feature: its word in /proc/cpuinfo, its hwcap, and the least values of ID register fields
/// (register, lowest bit, value).
pub(crate) struct Feature {
    /// Word in the Features line.
    pub name: &'static str,
    /// Its hwcap.
    pub cap: Cap,
    /// Fields of ID registers.
    pub fields: &'static [(Id, u8, u8)],
}

macro_rules! features {
    ($($name:literal $cap:ident $bit:literal [$($id:ident $lsb:literal $value:literal),*];)*) => {
        /// All features, in the order of the kernel's hwcap bits.
        pub(crate) const FEATURES: &[Feature] = &[$(
            Feature { name: $name, cap: Cap::$cap($bit), fields: &[$((Id::$id, $lsb, $value)),*] },
        )*];
    };
}

features! {
    "fp"        One 0  [];
    "asimd"     One 1  [];
    // The event stream wakes WFE from time to time; here WFE does not sleep.
    "evtstrm"   One 2  [];
    "aes"       One 3  [Isar0 4 1];
    "pmull"     One 4  [Isar0 4 2];
    "sha1"      One 5  [Isar0 8 1];
    "sha2"      One 6  [Isar0 12 1];
    "crc32"     One 7  [Isar0 16 1];
    "atomics"   One 8  [Isar0 20 2];
    "fphp"      One 9  [Pfr0 16 1];
    "asimdhp"   One 10 [Pfr0 20 1];
    "cpuid"     One 11 [];
    "asimdrdm"  One 12 [Isar0 28 1];
    "jscvt"     One 13 [Isar1 12 1];
    "fcma"      One 14 [Isar1 16 1];
    "lrcpc"     One 15 [Isar1 20 1];
    "dcpop"     One 16 [Isar1 0 1];
    "sha3"      One 17 [Isar0 32 1];
    "asimddp"   One 20 [Isar0 44 1];
    "sha512"    One 21 [Isar0 12 2];
    "asimdfhm"  One 23 [Isar0 48 1];
    "ilrcpc"    One 26 [Isar1 20 2];
    "flagm"     One 27 [Isar0 52 1];
    "sb"        One 29 [Isar1 36 1];
    "dcpodp"    Two 0  [Isar1 0 2];
    "flagm2"    Two 7  [Isar0 52 2];
    "frint"     Two 8  [Isar1 32 1];
    "i8mm"      Two 13 [Isar1 52 1];
    "bf16"      Two 14 [Isar1 44 1];
    "dgh"       Two 15 [Isar1 48 1];
}

/// AT_HWCAP, AT_HWCAP2, AT_HWCAP3.
pub(crate) const HWCAPS: [u64; 3] = {
    let (mut caps, mut i) = ([0; 3], 0);
    while i < FEATURES.len() {
        match FEATURES[i].cap {
            Cap::One(bit) => caps[0] |= 1 << bit,
            Cap::Two(bit) => caps[1] |= 1 << bit,
        }
        i += 1;
    }
    caps
};

/// MIDR_EL1: Arm Neoverse N1 r3p1.
const MIDR: u64 = 0x413f_d0c1;

const fn fields(id: Id) -> u64 {
    let (mut value, mut i) = (0u64, 0);
    while i < FEATURES.len() {
        let mut j = 0;
        while j < FEATURES[i].fields.len() {
            let (register, lsb, least) = FEATURES[i].fields[j];
            if register as u8 == id as u8 && value >> lsb & 15 < least as u64 {
                value = value & !(15 << lsb) | (least as u64) << lsb;
            }
            j += 1;
        }
        i += 1;
    }
    value
}

const ISAR0: u64 = fields(Id::Isar0);
const ISAR1: u64 = fields(Id::Isar1);
// EL1 and EL0 run only AArch64.
const PFR0: u64 = fields(Id::Pfr0) | 0x11;

/// What user level reads from the system register op1:CRn:CRm:op2 (op0 = 3) where Linux emulates
/// it; `None`: undefined.
pub(crate) fn id_register(number: u32) -> Option<u64> {
    // op1 = 0 and CRn = 0 only.
    if number >> 7 != 0 {
        return None;
    }
    Some(match (number >> 3 & 15, number & 7) {
        (0, 0) => MIDR,
        // MPIDR_EL1: no affinity is told.
        (0, 5) => 1 << 31,
        // REVIDR_EL1.
        (0, 6) => 0,
        (0 | 1, _) => return None,
        (4, 0) => PFR0,
        // ID_AA64DFR0_EL1: hidden but for the debug architecture's least version.
        (5, 0) => 6,
        (6, 0) => ISAR0,
        (6, 1) => ISAR1,
        // ID_AA64MMFR0_EL1: all fields hidden: the translation granules have their safe values, not
        // there in stage 1 and not told of in stage 2 but there.
        (7, 0) => 0x111_ff00_0000,
        (2..=7, _) => 0,
        _ => return None,
    })
}

/// /proc/cpuinfo for `cpus` processors.
pub(crate) fn cpuinfo(cpus: usize) -> String {
    let mut out = String::new();
    for cpu in 0..cpus {
        let _ = write!(out, "processor\t: {cpu}\nBogoMIPS\t: 2000.00\nFeatures\t:");
        for feature in FEATURES {
            let _ = write!(out, " {}", feature.name);
        }
        let _ = write!(
            out,
            "\nCPU implementer\t: {:#04x}\nCPU architecture: 8\nCPU variant\t: {:#x}\nCPU part\t: {:#05x}\nCPU revision\t: {}\n\n",
            MIDR >> 24 & 0xff,
            MIDR >> 20 & 15,
            MIDR >> 4 & 0xfff,
            MIDR & 15
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived() {
        assert_eq!(ISAR0, 0x0021_1001_1021_2120);
        assert_eq!(PFR0, 0x11_0011);
        assert!(cpuinfo(2).contains("processor\t: 1\nBogoMIPS"));
        assert!(cpuinfo(1).contains("CPU part\t: 0xd0c\n"));
        let mut last = (0, 0);
        for f in FEATURES {
            let key = match f.cap {
                Cap::One(b) => (0, b as i32 + 1),
                Cap::Two(b) => (1, b as i32 + 1),
            };
            assert!(key > last, "{} out of order", f.name);
            last = key;
        }
    }
}

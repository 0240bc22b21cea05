//! What programs are told of the processor: one row per model, from which AT_HWCAP, AT_HWCAP2,
//! AT_PLATFORM, `uname -m` and /proc/cpuinfo derive. All models run all instructions.

use alloc::string::String;
use core::fmt::Write;

/// Words of /proc/cpuinfo's Features by bit of AT_HWCAP (arch/arm/include/uapi/asm/hwcap.h).
const ONE: &[(u8, &str)] = &[
    (0, "swp"),
    (1, "half"),
    (2, "thumb"),
    (4, "fastmult"),
    (6, "vfp"),
    (7, "edsp"),
    (12, "neon"),
    (13, "vfpv3"),
    (15, "tls"),
    (16, "vfpv4"),
    (17, "idiva"),
    (18, "idivt"),
    (19, "vfpd32"),
    (20, "lpae"),
    (21, "evtstrm"),
];
/// The same of AT_HWCAP2.
const TWO: &[(u8, &str)] = &[(0, "aes"), (1, "pmull"), (2, "sha1"), (3, "sha2"), (4, "crc32")];

const SWP: u32 = 1 << 0;
const V5: u32 = 1 << 1 | 1 << 2 | 1 << 4 | 1 << 7;
const VFP: u32 = 1 << 6;
const TLS: u32 = 1 << 15;
/// NEON and VFPv3 with 32 registers.
const V7: u32 = V5 | VFP | 1 << 12 | 1 << 13 | TLS | 1 << 19;
/// VFPv4, division, 64-bit atomic accesses, the event stream.
const V7VE: u32 = V7 | 1 << 16 | 1 << 17 | 1 << 18 | 1 << 20 | 1 << 21;
const ALL_TWO: u32 = 0x1f;

/// A processor.
pub(crate) struct Model {
    /// QEMU's name of it.
    name: &'static str,
    /// `uname -m`.
    pub machine: &'static str,
    /// AT_PLATFORM.
    pub platform: &'static str,
    /// The kernel's name, for /proc/cpuinfo.
    title: &'static str,
    /// "CPU architecture" there.
    architecture: &'static str,
    /// MIDR.
    midr: u32,
    /// AT_HWCAP and AT_HWCAP2.
    caps: [u32; 2],
}

macro_rules! models {
    ($($name:literal $machine:literal $platform:literal $title:literal $architecture:literal $midr:literal $one:expr, $two:expr;)*) => {
        /// All models, the default one first.
        const MODELS: &[Model] = &[$(Model {
            name: $name,
            machine: $machine,
            platform: $platform,
            title: $title,
            architecture: $architecture,
            midr: $midr,
            caps: [$one, $two],
        }),*];
        /// Their names.
        pub(crate) const NAMES: &[&str] = &[$($name),*];
    };
}

models! {
    // As a 32-bit kernel sees a Cortex-A53.
    "any"        "armv7l"    "v7l" "ARMv7 Processor"            "7"    0x410f_d034 V7VE, ALL_TWO;
    // As programs see a 64-bit kernel (arch/arm64/kernel/cpuinfo.c, for a compat task).
    "max"        "armv8l"    "v8l" "ARMv8 Processor"            "8"    0x410f_d083 V7VE, ALL_TWO;
    "arm926"     "armv5tejl" "v5l" "ARM926EJ-S"                 "5TEJ" 0x4106_9265 SWP | V5 | VFP, 0;
    "arm1136"    "armv6l"    "v6l" "ARMv6-compatible processor" "6TEJ" 0x4117_b363 SWP | V5 | VFP, 0;
    "arm1176"    "armv6l"    "v6l" "ARMv6-compatible processor" "7"    0x410f_b767 SWP | V5 | VFP | TLS, 0;
    "cortex-a7"  "armv7l"    "v7l" "ARMv7 Processor"            "7"    0x410f_c075 V7VE, 0;
    "cortex-a8"  "armv7l"    "v7l" "ARMv7 Processor"            "7"    0x410f_c080 SWP | V7, 0;
    "cortex-a9"  "armv7l"    "v7l" "ARMv7 Processor"            "7"    0x410f_c090 SWP | V7, 0;
    "cortex-a15" "armv7l"    "v7l" "ARMv7 Processor"            "7"    0x412f_c0f1 V7VE, 0;
    "cortex-a53" "armv7l"    "v7l" "ARMv7 Processor"            "7"    0x410f_d034 V7VE, ALL_TWO;
    "cortex-a72" "armv7l"    "v7l" "ARMv7 Processor"            "7"    0x410f_d083 V7VE, ALL_TWO;
}

/// The model of a name, or the default one.
pub(crate) fn model(name: Option<&str>) -> &'static Model {
    MODELS.iter().find(|m| Some(m.name) == name).unwrap_or(&MODELS[0])
}

impl Model {
    /// AT_HWCAP, AT_HWCAP2, AT_HWCAP3.
    pub(crate) fn hwcaps(&self) -> [u64; 3] {
        [self.caps[0] as u64, self.caps[1] as u64, 0]
    }

    /// /proc/cpuinfo for `cpus` processors.
    pub(crate) fn cpuinfo(&self, cpus: usize) -> String {
        let mut out = String::new();
        let midr = self.midr;
        for cpu in 0..cpus {
            let _ = write!(
                out,
                "processor\t: {cpu}\nmodel name\t: {} rev {} ({})\nBogoMIPS\t: 2000.00\nFeatures\t:",
                self.title,
                midr & 15,
                self.platform
            );
            for (words, caps) in [(ONE, self.caps[0]), (TWO, self.caps[1])] {
                for (_, word) in words.iter().filter(|(bit, _)| caps >> bit & 1 != 0) {
                    let _ = write!(out, " {word}");
                }
            }
            let _ = write!(
                out,
                "\nCPU implementer\t: {:#04x}\nCPU architecture: {}\nCPU variant\t: {:#x}\nCPU part\t: {:#05x}\nCPU revision\t: {}\n\n",
                midr >> 24,
                self.architecture,
                midr >> 20 & 15,
                midr >> 4 & 0xfff,
                midr & 15
            );
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_tell_what_their_kernels_tell() {
        for (name, machine, platform, part, features) in [
            (
                None,
                "armv7l",
                "v7l",
                "0xd03",
                "half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm aes pmull sha1 sha2 crc32",
            ),
            (Some("arm926"), "armv5tejl", "v5l", "0x926", "swp half thumb fastmult vfp edsp"),
            (Some("arm1176"), "armv6l", "v6l", "0xb76", "swp half thumb fastmult vfp edsp tls"),
            (
                Some("cortex-a7"),
                "armv7l",
                "v7l",
                "0xc07",
                "half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm",
            ),
            (
                Some("max"),
                "armv8l",
                "v8l",
                "0xd08",
                "half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm aes pmull sha1 sha2 crc32",
            ),
        ] {
            let model = model(name);
            assert_eq!((model.machine, model.platform), (machine, platform));
            let text = model.cpuinfo(2);
            assert!(text.contains(&alloc::format!("Features\t: {features}\n")), "{text}");
            assert!(text.contains(&alloc::format!("CPU part\t: {part}\n")), "{text}");
            assert!(text.contains("\n\nprocessor\t: 1\nmodel name\t: "), "{text}");
        }
    }

    #[test]
    fn every_bit_that_is_told_has_its_word() {
        for model in MODELS {
            for (words, caps) in [(ONE, model.caps[0]), (TWO, model.caps[1])] {
                let named = words.iter().fold(0, |bits, (bit, _)| bits | 1 << bit);
                assert_eq!(caps & !named, 0, "{}", model.name);
            }
        }
    }
}

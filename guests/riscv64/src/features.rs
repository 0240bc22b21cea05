//! The one list of implemented extensions. AT_HWCAP, riscv_hwprobe and /proc/cpuinfo derive from
//! it, and so does which instructions of vector cryptography there are: those that the host does
//! not do fast are not told, and raise SIGILL.
//!
//! What is told promises Zkt's and Zvkt's times that depend on no operand: of the host code, and of
//! the reference functions where there is none. (AES is the host's there too, see `v_crypto.rs`.)

use alloc::string::String;
use anyarch_engine::backend::{Abilities, backend};
use core::fmt::Write;

/// A multi-letter extension: its word in the ISA string, its bit in RISCV_HWPROBE_KEY_IMA_EXT_0
/// (uapi/asm/hwprobe.h) if it has one, and what the host must offer for it.
pub struct Extension {
    /// Name.
    pub name: &'static str,
    /// Bit.
    pub probe: Option<u8>,
    /// Whether this host can do it fast, and in a time that does not depend on data where that is
    /// promised.
    pub possible: fn(&Abilities) -> bool,
}

macro_rules! extensions {
    ($($name:literal $probe:expr $(, needs $feature:ident)?;)*) => {
        /// All multi-letter extensions, in the order of the kernel's ISA string (riscv_isa_ext of
        /// arch/riscv/kernel/cpufeature.c). Names of bundles (Zvkn, Zvkng) and lengths (Zvl128b)
        /// are none of its words.
        pub const EXTENSIONS: &[Extension] = &[$(
            Extension { name: $name, probe: $probe, possible: |_host| true $(&& _host.$feature)? }
        ),*];
    };
}

extensions! {
    "zicbom" Some(55);
    "zicbop" Some(60);
    "zicboz" Some(6);
    "zicntr" Some(50);
    "zicond" Some(35);
    "zicsr" None;
    "zifencei" None;
    "zihintntl" Some(29);
    "zihintpause" Some(36);
    "zimop" Some(42);
    "zaamo" Some(56);
    "zabha" Some(58);
    "zacas" Some(34);
    "zalrsc" Some(57);
    "zawrs" Some(48);
    "zfa" Some(32);
    "zfh" Some(27);
    "zfhmin" Some(28);
    "zca" Some(43);
    "zcb" Some(44);
    "zcd" Some(45);
    "zcmop" Some(47);
    "zba" Some(3);
    "zbb" Some(4);
    "zbc" Some(7);
    "zbkb" Some(8);
    "zbkc" Some(9);
    "zbkx" Some(10);
    "zbs" Some(5);
    "zkt" Some(16);
    "zvbb" Some(17);
    "zvbc" Some(18);
    "zve32f" Some(38);
    "zve32x" Some(37);
    "zve64d" Some(41);
    "zve64f" Some(40);
    "zve64x" Some(39);
    "zvfh" Some(30);
    "zvfhmin" Some(31);
    "zvkb" Some(19);
    "zvkg" Some(20), needs carryless_mul;
    "zvkned" Some(21), needs aes;
    "zvknha" Some(22);
    "zvknhb" Some(23);
    "zvkt" Some(26);
}

/// The extensions that a host makes possible.
fn told(host: &Abilities) -> impl Iterator<Item = &'static Extension> {
    EXTENSIONS.iter().filter(|e| (e.possible)(host))
}

/// Whether an extension is told on this host.
pub fn has(name: &str) -> bool {
    told(&(backend().abilities)()).any(|e| e.name == name)
}

/// AT_HWCAP: the letters I, M, A, F, D, C, and V unless the program may not use vectors.
pub fn hwcap(vectors: bool) -> u64 {
    let letters = if vectors { "imafdcv" } else { "imafdc" };
    letters.bytes().fold(0, |bits, letter| bits | 1 << (letter - b'a'))
}

/// RISCV_HWPROBE_KEY_IMA_EXT_0: FD, C, V, and the extensions.
fn ima_ext_0(host: &Abilities) -> u64 {
    told(host).filter_map(|e| e.probe).fold(0b111, |bits, bit| bits | 1 << bit)
}

/// A key of riscv_hwprobe (uapi/asm/hwprobe.h, all up to RISCV_HWPROBE_MAX_KEY 16).
pub struct Probe {
    /// Its value.
    pub value: u64,
    /// Whether a program that asks for processors with certain values names bits that must be
    /// there, and not the value.
    pub bitmask: bool,
}

/// What riscv_hwprobe knows of a key; `None` if that is nothing.
pub fn probe(key: i64) -> Option<Probe> {
    /// TASK_SIZE of sv48.
    const ADDRESSES: u64 = 1 << 47;
    /// Of the MISALIGNED_*_PERF keys.
    const FAST: u64 = 3;
    let (value, bitmask) = match key {
        // MVENDORID, MARCHID, MIMPID.
        0..=2 => (0, false),
        // BASE_BEHAVIOR: IMA.
        3 => (1, true),
        4 => (ima_ext_0(&(backend().abilities)()), true),
        // CPUPERF_0, which means the same as MISALIGNED_SCALAR_PERF.
        5 => (FAST, true),
        // ZICBOZ_BLOCK_SIZE, ZICBOM_BLOCK_SIZE, ZICBOP_BLOCK_SIZE.
        6 | 12 | 15 => (crate::system::BLOCK, false),
        // HIGHEST_VIRT_ADDRESS.
        7 => (ADDRESSES, false),
        // TIME_CSR_FREQ.
        8 => (crate::system::TIME_HZ, false),
        // MISALIGNED_SCALAR_PERF, MISALIGNED_VECTOR_PERF.
        9 | 10 => (FAST, false),
        // VENDOR_EXT_THEAD_0, VENDOR_EXT_SIFIVE_0, VENDOR_EXT_MIPS_0: no vendor's extensions;
        // IMA_EXT_1: Zicfiss, which is not there.
        11 | 13 | 14 | 16 => (0, true),
        _ => return None,
    };
    Some(Probe { value, bitmask })
}

/// /proc/cpuinfo for `cpus` processors, as the kernel's c_show writes it (arch/riscv/kernel/cpu.c).
pub fn cpuinfo(cpus: usize) -> String {
    let mut isa = String::from("rv64imafdcv");
    for e in told(&(backend().abilities)()) {
        let _ = write!(isa, "_{}", e.name);
    }
    let mut out = String::new();
    for cpu in 0..cpus {
        let _ = write!(
            out,
            "processor\t: {cpu}\nhart\t\t: {cpu}\nisa\t\t: {isa}\nmmu\t\t: sv48\nmvendorid\t: 0x0\nmarchid\t\t: 0x0\nmimpid\t\t: 0x0\nhart isa\t: {isa}\n\n"
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_decides_about_cryptography() {
        let none = Abilities::default();
        let all = Abilities { aes: true, carryless_mul: true };
        let names = |host: &Abilities| told(host).map(|e| e.name).collect::<Vec<_>>();
        assert_eq!(names(&all).len(), EXTENSIONS.len());
        let missing: Vec<_> = names(&all).into_iter().filter(|n| !names(&none).contains(n)).collect();
        assert_eq!(missing, ["zvkg", "zvkned"]);
        assert_eq!(ima_ext_0(&all) & !ima_ext_0(&none), 1 << 20 | 1 << 21);
        assert_eq!(ima_ext_0(&Abilities { aes: true, ..none }) & (1 << 20 | 1 << 21), 1 << 21);
    }

    #[test]
    fn every_bit_once_and_every_key() {
        let mut bits: Vec<_> = EXTENSIONS.iter().filter_map(|e| e.probe).collect();
        bits.sort();
        assert!(bits.windows(2).all(|w| w[0] < w[1]) && bits[0] == 3);
        for key in -1..20 {
            assert_eq!(probe(key).is_some(), (0..=16).contains(&key), "{key}");
        }
    }

    #[test]
    fn letters() {
        assert_eq!(hwcap(true), 0x0020_112d);
        assert_eq!(hwcap(false), 0x0000_112d);
    }
}

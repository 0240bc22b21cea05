//! The one list of implemented extensions. AT_HWCAP, riscv_hwprobe and /proc/cpuinfo derive from it.

use alloc::string::String;
use core::fmt::Write;

/// A multi-letter extension: its word in the ISA string, and its bit in RISCV_HWPROBE_KEY_IMA_EXT_0 (uapi/asm/hwprobe.h) if it has one.
pub struct Extension {
    /// Name.
    pub name: &'static str,
    /// Bit.
    pub probe: Option<u8>,
}

macro_rules! extensions {
    ($($name:literal $probe:expr;)*) => {
        /// All multi-letter extensions, in the order of the ISA string.
        pub const EXTENSIONS: &[Extension] = &[$(Extension { name: $name, probe: $probe }),*];
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
    "zabha" Some(58);
    "zacas" Some(34);
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
    "zvkg" Some(20);
    "zvkn" None;
    "zvkned" Some(21);
    "zvkng" None;
    "zvknha" Some(22);
    "zvknhb" Some(23);
    "zvkt" Some(26);
    "zvl128b" None;
    "zvl32b" None;
    "zvl64b" None;
}

/// AT_HWCAP: the letters I, M, A, F, D, C, V.
pub const HWCAP: u64 = 1 << 8 | 1 << 12 | 1 | 1 << 5 | 1 << 3 | 1 << 2 | 1 << 21;

/// RISCV_HWPROBE_KEY_IMA_EXT_0: FD, C, V, and the extensions.
const IMA_EXT_0: u64 = {
    let (mut bits, mut i) = (0b111, 0);
    while i < EXTENSIONS.len() {
        if let Some(bit) = EXTENSIONS[i].probe {
            bits |= 1 << bit;
        }
        i += 1;
    }
    bits
};

/// The value of a key of riscv_hwprobe; `None` if the key is not known.
pub fn probe(key: i64, highest_address: u64) -> Option<u64> {
    Some(match key {
        // MVENDORID, MARCHID, MIMPID.
        0..=2 => 0,
        // BASE_BEHAVIOR: IMA.
        3 => 1,
        4 => IMA_EXT_0,
        // CPUPERF_0, MISALIGNED_SCALAR_PERF and MISALIGNED_VECTOR_PERF: misaligned accesses are fast.
        5 | 9 | 10 => 3,
        // ZICBOZ_BLOCK_SIZE, ZICBOM_BLOCK_SIZE.
        6 | 12 => crate::system::BLOCK,
        7 => highest_address,
        8 => crate::system::TIME_HZ,
        _ => return None,
    })
}

/// /proc/cpuinfo for `cpus` processors.
pub fn cpuinfo(cpus: usize) -> String {
    let mut isa = String::from("rv64imafdcv");
    for e in EXTENSIONS {
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

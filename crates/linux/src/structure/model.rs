//! How an architecture lays out C types: what sizes, offsets and conversions follow from.

/// Which definitions of the kernel's structures an architecture has, where the kernel's headers
/// have several.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// arch/x86/include/uapi/asm, 64-bit.
    X86_64,
    /// include/uapi/asm-generic, 64-bit, with SA_RESTORER: aarch64.
    Generic,
    /// The same without SA_RESTORER: riscv64, loongarch64.
    Newer,
    /// arch/arm/include/uapi/asm (EABI).
    Arm,
    /// arch/s390/include/uapi/asm, 64-bit.
    S390,
    /// arch/powerpc/include/uapi/asm, 64-bit.
    Powerpc,
    /// arch/mips/include/uapi/asm, the N64 ABI.
    Mips,
}

/// Order of the bytes of a number in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ByteOrder {
    /// The lowest byte first.
    Little,
    /// The highest byte first.
    Big,
}

/// A data model: what C types look like in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Model {
    /// The architecture, as `uname -m` names it.
    pub name: &'static str,
    /// Bytes of `long` and of a pointer: 4 or 8.
    pub word: usize,
    /// Byte order.
    pub order: ByteOrder,
    /// Alignment of a 64-bit integer in a structure, in bytes: 4 on i386 only.
    pub align64: usize,
    /// Whether an argument of 64 bits begins at a register with an even number. (Of a 32-bit
    /// architecture.)
    pub even_pairs: bool,
    /// Which definitions apply.
    pub family: Family,
    /// Index in [`MODELS`].
    pub index: u8,
}

const fn model(index: u8, name: &'static str, word: usize, order: ByteOrder, family: Family) -> Model {
    Model { name, word, order, align64: 8, even_pairs: true, family, index }
}

/// x86-64.
pub const X86_64: Model = model(0, "x86_64", 8, ByteOrder::Little, Family::X86_64);
/// arm64.
pub const AARCH64: Model = model(1, "aarch64", 8, ByteOrder::Little, Family::Generic);
/// RISC-V, 64-bit.
pub const RISCV64: Model = model(2, "riscv64", 8, ByteOrder::Little, Family::Newer);
/// LoongArch, 64-bit.
pub(crate) const LOONGARCH64: Model = model(3, "loongarch64", 8, ByteOrder::Little, Family::Newer);
/// 32-bit ARM with the EABI.
pub const ARM: Model = model(4, "arm", 4, ByteOrder::Little, Family::Arm);
/// z/Architecture.
pub const S390X: Model = model(5, "s390x", 8, ByteOrder::Big, Family::S390);
/// 64-bit Power, little-endian.
pub const PPC64LE: Model = model(6, "ppc64le", 8, ByteOrder::Little, Family::Powerpc);
/// 64-bit MIPS, little-endian, N64.
pub const MIPS64EL: Model = model(7, "mips64el", 8, ByteOrder::Little, Family::Mips);
/// 32-bit ARM with the EABI, big-endian data.
pub(crate) const ARMEB: Model = model(8, "armeb", 4, ByteOrder::Big, Family::Arm);

/// Every model that has structures in the table.
pub const MODELS: [Model; 9] = [X86_64, AARCH64, RISCV64, LOONGARCH64, ARM, S390X, PPC64LE, MIPS64EL, ARMEB];

/// The host.
pub const HOST: Model = {
    let mut i = 0;
    while !super::same_text(MODELS[i].name, anyarch_sys::arch::MACHINE) {
        i += 1;
    }
    MODELS[i]
};

const _: () = {
    let mut i = 0;
    while i < MODELS.len() {
        assert!(MODELS[i].index as usize == i, "a model's index is its place");
        i += 1;
    }
};

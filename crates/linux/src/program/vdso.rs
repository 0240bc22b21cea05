//! The guest's vDSO: an ELF shared object in one page, built from the ABI's functions when a program starts.
//!
//! It holds what a C library looks for (one loadable segment, the dynamic section, symbols with a version, a System V hash table) and
//! the signal trampoline.

use crate::abi::Vdso;
use alloc::vec::Vec;

/// The image, and the offset of the signal trampoline in it.
pub struct Image {
    /// Bytes of the shared object; at most a page.
    pub bytes: Vec<u8>,
    /// Offset of the signal trampoline.
    pub sigreturn: u64,
}

const EHDR: usize = 64;
const PHDR: usize = 56;
const SYM: usize = 24;
const DYN: usize = 16;
const SONAME: &str = "linux-vdso.so.1";

struct Writer(Vec<u8>);

impl Writer {
    fn u16(&mut self, v: u16) {
        self.0.extend_from_slice(&v.to_le_bytes());
    }
    fn u32(&mut self, v: u32) {
        self.0.extend_from_slice(&v.to_le_bytes());
    }
    fn u64(&mut self, v: u64) {
        self.0.extend_from_slice(&v.to_le_bytes());
    }
    fn align(&mut self, n: usize) {
        self.0.resize(self.0.len().next_multiple_of(n), 0);
    }
    fn phdr(&mut self, kind: u32, flags: u32, offset: usize, size: usize, align: u64) {
        self.u32(kind);
        self.u32(flags);
        for v in [offset, offset, offset, size, size] {
            self.u64(v as u64);
        }
        self.u64(align);
    }
}

/// The System V ABI's hash of a symbol name.
fn elf_hash(name: &str) -> u32 {
    name.bytes().fold(0u32, |h, b| {
        let h = (h << 4).wrapping_add(b as u32);
        let high = h & 0xf000_0000;
        (h ^ high >> 24) & !high
    })
}

/// Builds the shared object for a machine.
pub fn build(machine: u16, vdso: &Vdso) -> Image {
    let count = vdso.functions.len();
    // Sizes first, in file order: headers, dynamic section, hash, symbols, strings, versions, code.
    let mut strings = Vec::from(b"\0".as_slice());
    let mut string = |s: &str| {
        let at = strings.len();
        strings.extend_from_slice(s.as_bytes());
        strings.push(0);
        at
    };
    let soname = string(SONAME);
    let version = string(vdso.version);
    let mut names = [0usize; 16];
    for (name, f) in names.iter_mut().zip(vdso.functions) {
        *name = string(f.0);
    }
    let dynamic = EHDR + 2 * PHDR;
    let hash = dynamic + 10 * DYN;
    let symtab = (hash + 4 * (2 + 1 + count + 1)).next_multiple_of(8);
    let strtab = symtab + SYM * (count + 1);
    let versym = (strtab + strings.len()).next_multiple_of(2);
    let verdef = (versym + 2 * (count + 1)).next_multiple_of(4);
    let text = (verdef + 2 * 28).next_multiple_of(16);
    let mut starts = [0usize; 16];
    let mut end = text;
    for (start, f) in starts.iter_mut().zip(vdso.functions) {
        *start = end.next_multiple_of(16);
        end = *start + f.1.len();
    }

    let mut w = Writer(Vec::with_capacity(end));
    w.0.extend_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    w.u16(3); // ET_DYN
    w.u16(machine);
    w.u32(1);
    for v in [text, EHDR, 0] {
        w.u64(v as u64); // entry, program headers, section headers
    }
    w.u32(0);
    for v in [EHDR, PHDR, 2, 0, 0, 0] {
        w.u16(v as u16);
    }
    w.phdr(1, 5, 0, end, 4096); // PT_LOAD, readable and executable
    w.phdr(2, 4, dynamic, 10 * DYN, 8); // PT_DYNAMIC

    let entries: [(u64, usize); 10] = [
        (14, soname),          // DT_SONAME
        (4, hash),             // DT_HASH
        (5, strtab),           // DT_STRTAB
        (6, symtab),           // DT_SYMTAB
        (10, strings.len()),   // DT_STRSZ
        (11, SYM),             // DT_SYMENT
        (0x6fff_fff0, versym), // DT_VERSYM
        (0x6fff_fffc, verdef), // DT_VERDEF
        (0x6fff_fffd, 2),      // DT_VERDEFNUM
        (0, 0),
    ];
    for (tag, value) in entries {
        w.u64(tag);
        w.u64(value as u64);
    }
    // One bucket whose chain holds every symbol.
    w.u32(1);
    w.u32(count as u32 + 1);
    w.u32(1);
    w.u32(0);
    for i in 1..=count {
        w.u32(if i == count { 0 } else { i as u32 + 1 });
    }
    w.align(8);
    w.0.resize(symtab + SYM, 0);
    for i in 0..count {
        w.u32(names[i] as u32);
        w.u16(0x12); // STB_GLOBAL, STT_FUNC; default visibility
        w.u16(1); // any section but SHN_UNDEF
        w.u64(starts[i] as u64);
        w.u64(vdso.functions[i].1.len() as u64);
    }
    w.0.extend_from_slice(&strings);
    w.align(2);
    w.u16(0);
    for _ in 0..count {
        w.u16(2);
    }
    w.align(4);
    for (flags, index, name, string, next) in [(1, 1, SONAME, soname, 28), (0, 2, vdso.version, version, 0)] {
        w.u16(1);
        w.u16(flags); // VER_FLG_BASE for the file itself
        w.u16(index);
        w.u16(1);
        w.u32(elf_hash(name));
        w.u32(20);
        w.u32(next);
        w.u32(string as u32);
        w.u32(0);
    }
    for (start, f) in starts.iter().zip(vdso.functions) {
        w.0.resize(*start, 0);
        w.0.extend_from_slice(f.1);
    }
    debug_assert!(w.0.len() <= 4096 && count <= 16);
    Image { sigreturn: starts[vdso.sigreturn] as u64, bytes: w.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    static VDSO: Vdso = Vdso {
        version: "LINUX_2.6.39",
        functions: &[
            ("__kernel_clock_gettime", &[1, 2, 3, 4]),
            ("__kernel_rt_sigreturn", &[5; 20]),
            ("f", &[9]),
        ],
        sigreturn: 1,
    };

    #[test]
    fn hash_of_the_abi() {
        // Known values: the version hashes that glibc compares.
        assert_eq!(elf_hash("LINUX_2.6.39"), 0x75fcb89);
        assert_eq!(elf_hash("LINUX_2.6"), 0x3ae75f6);
    }

    #[test]
    fn functions_are_where_the_symbols_say() {
        let image = build(183, &VDSO);
        let b = &image.bytes;
        let u64_at = |at: usize| u64::from_le_bytes(b[at..at + 8].try_into().unwrap());
        let u32_at = |at: usize| u32::from_le_bytes(b[at..at + 4].try_into().unwrap());
        let dynamic = |tag| {
            (0..10)
                .map(|i| EHDR + 2 * PHDR + 16 * i)
                .find(|&d| u64_at(d) == tag)
                .map(|d| u64_at(d + 8) as usize)
        };
        let (symtab, strtab) = (dynamic(6).unwrap(), dynamic(5).unwrap());
        for (i, (name, code)) in VDSO.functions.iter().enumerate() {
            let sym = symtab + SYM * (i + 1);
            let at = strtab + u32_at(sym) as usize;
            assert_eq!(&b[at..at + name.len() + 1], [name.as_bytes(), b"\0"].concat());
            let value = u64_at(sym + 8) as usize;
            assert_eq!(&b[value..value + code.len()], *code);
        }
        assert_eq!(b[image.sigreturn as usize], 5);
        assert_eq!(u32_at(dynamic(0x6fff_fffc).unwrap() + 28 + 8), elf_hash("LINUX_2.6.39"));
        assert_eq!(b.len() as u64, u64_at(EHDR + 32));
    }
}

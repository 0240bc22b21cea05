//! The guest's vDSO: an ELF shared object in one page, built from the ABI's functions when a
//! program starts.
//!
//! It holds what a C library looks for (one loadable segment, the dynamic section, symbols with a
//! version, a System V hash table) and the signal trampoline.

use crate::abi::Vdso;
use alloc::vec::Vec;

/// The image, and the offset of the signal trampoline in it.
pub(crate) struct Image {
    /// Bytes of the shared object; at most a page.
    pub bytes: Vec<u8>,
    /// Offset of the signal trampoline.
    pub sigreturn: u64,
}

/// Sizes that depend on the width of words.
struct Sizes {
    word: usize,
    ehdr: usize,
    phdr: usize,
    sym: usize,
    dyn_: usize,
}

impl Sizes {
    fn of(word: usize) -> Sizes {
        match word {
            4 => Sizes { word, ehdr: 52, phdr: 32, sym: 16, dyn_: 8 },
            _ => Sizes { word, ehdr: 64, phdr: 56, sym: 24, dyn_: 16 },
        }
    }
}

const SONAME: &str = "linux-vdso.so.1";

struct Writer(Vec<u8>, usize);

impl Writer {
    fn u16(&mut self, v: u16) {
        self.0.extend_from_slice(&v.to_le_bytes());
    }
    fn u32(&mut self, v: u32) {
        self.0.extend_from_slice(&v.to_le_bytes());
    }
    fn word(&mut self, v: usize) {
        self.0.extend_from_slice(&(v as u64).to_le_bytes()[..self.1]);
    }
    fn align(&mut self, n: usize) {
        self.0.resize(self.0.len().next_multiple_of(n), 0);
    }
    fn phdr(&mut self, kind: u32, flags: u32, offset: usize, size: usize, align: usize) {
        self.u32(kind);
        if self.1 == 8 {
            self.u32(flags);
        }
        for v in [offset, offset, offset, size, size] {
            self.word(v);
        }
        if self.1 == 4 {
            self.u32(flags);
        }
        self.word(align);
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

/// Builds the shared object for a machine whose words have so many bytes.
pub(crate) fn build(machine: u16, word: usize, vdso: &Vdso) -> Image {
    let Sizes { word, ehdr, phdr, sym, dyn_ } = Sizes::of(word);
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
    let dynamic = ehdr + 2 * phdr;
    let hash = dynamic + 10 * dyn_;
    let symtab = (hash + 4 * (2 + 1 + count + 1)).next_multiple_of(8);
    let strtab = symtab + sym * (count + 1);
    let versym = (strtab + strings.len()).next_multiple_of(2);
    let verdef = (versym + 2 * (count + 1)).next_multiple_of(4);
    let text = (verdef + 2 * 28).next_multiple_of(16);
    let mut starts = [0usize; 16];
    let mut end = text;
    for (start, f) in starts.iter_mut().zip(vdso.functions) {
        *start = end.next_multiple_of(16);
        end = *start + f.1.len();
    }

    let mut w = Writer(Vec::with_capacity(end), word);
    w.0.extend_from_slice(b"\x7fELF");
    w.0.extend_from_slice(&[word as u8 / 4, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    w.u16(3); // ET_DYN
    w.u16(machine);
    w.u32(1);
    for v in [text, ehdr, 0] {
        w.word(v); // entry, program headers, section headers
    }
    w.u32(vdso.elf_flags);
    for v in [ehdr, phdr, 2, 0, 0, 0] {
        w.u16(v as u16);
    }
    w.phdr(1, 5, 0, end, 4096); // PT_LOAD, readable and executable
    w.phdr(2, 4, dynamic, 10 * dyn_, 8); // PT_DYNAMIC

    let entries: [(usize, usize); 10] = [
        (14, soname),          // DT_SONAME
        (4, hash),             // DT_HASH
        (5, strtab),           // DT_STRTAB
        (6, symtab),           // DT_SYMTAB
        (10, strings.len()),   // DT_STRSZ
        (11, sym),             // DT_SYMENT
        (0x6fff_fff0, versym), // DT_VERSYM
        (0x6fff_fffc, verdef), // DT_VERDEF
        (0x6fff_fffd, 2),      // DT_VERDEFNUM
        (0, 0),
    ];
    for (tag, value) in entries {
        w.word(tag);
        w.word(value);
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
    w.0.resize(symtab + sym, 0);
    // STB_GLOBAL, STT_FUNC, default visibility; any section but SHN_UNDEF.
    let (kind, section) = (0x12, 1);
    for i in 0..count {
        let (value, size) = (starts[i], vdso.functions[i].1.len());
        w.u32(names[i] as u32);
        if word == 8 {
            w.u16(kind);
            w.u16(section);
        }
        w.word(value);
        w.word(size);
        if word == 4 {
            w.u16(kind);
            w.u16(section);
        }
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
        elf_flags: 0,
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
        let (ehdr, phdr, sym) = (64, 56, 24);
        let image = build(183, 8, &VDSO);
        let b = &image.bytes;
        let u64_at = |at: usize| u64::from_le_bytes(b[at..at + 8].try_into().unwrap());
        let u32_at = |at: usize| u32::from_le_bytes(b[at..at + 4].try_into().unwrap());
        let dynamic = |tag| {
            (0..10)
                .map(|i| ehdr + 2 * phdr + 16 * i)
                .find(|&d| u64_at(d) == tag)
                .map(|d| u64_at(d + 8) as usize)
        };
        let (symtab, strtab) = (dynamic(6).unwrap(), dynamic(5).unwrap());
        for (i, (name, code)) in VDSO.functions.iter().enumerate() {
            let sym = symtab + sym * (i + 1);
            let at = strtab + u32_at(sym) as usize;
            assert_eq!(&b[at..at + name.len() + 1], [name.as_bytes(), b"\0"].concat());
            let value = u64_at(sym + 8) as usize;
            assert_eq!(&b[value..value + code.len()], *code);
        }
        assert_eq!(b[image.sigreturn as usize], 5);
        assert_eq!(u32_at(dynamic(0x6fff_fffc).unwrap() + 28 + 8), elf_hash("LINUX_2.6.39"));
        assert_eq!(b.len() as u64, u64_at(ehdr + 32));
    }
}

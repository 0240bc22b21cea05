//! ELF files as the kernel reads them for execve: the header and the program headers, nothing else.
//!
//! Parsing works on bytes and trusts none of them: every sum is checked, every count bounded, and
//! what the kernel would refuse is refused here with a reason (fs/binfmt_elf.c).

use crate::memory::space::PAGE;
use alloc::vec::Vec;
use anyarch_sys::GUEST_END;

/// Bytes of the longest file header, which is that of 64-bit files. No file is shorter than that.
pub(crate) const EHDR_SIZE: usize = 64;
/// The kernel reads at most this many bytes of program headers.
const PHDRS_MAX: usize = 65536;
/// Lengths of a program loader's name with its NUL.
pub(crate) const INTERP_SIZES: core::ops::RangeInclusive<u64> = 2..=4096;

pub(crate) const PT_LOAD: u32 = 1;
const PT_INTERP: u32 = 3;
const PT_PHDR: u32 = 6;
const PT_GNU_STACK: u32 = 0x6474_e551;

/// Why a file cannot be run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bad {
    /// Does not begin like an ELF file.
    NotElf,
    /// Ends before something that its headers promise.
    Truncated,
    /// The width of its words is not that of its machine.
    Class,
    /// Big-endian.
    ByteOrder,
    /// Neither an executable nor a shared object (`e_type`).
    Type(u16),
    /// No guest for this `e_machine`.
    Machine(u16),
    /// A number in the headers makes no sense: which.
    Header(&'static str),
    /// A segment lies where the emulator does, or beyond user space.
    Address(u64),
}

impl core::fmt::Display for Bad {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match *self {
            Bad::NotElf => f.write_str("not an ELF file"),
            Bad::Truncated => f.write_str("truncated ELF file"),
            Bad::Class => f.write_str("the ELF file's class is not that of its architecture's programs"),
            Bad::ByteOrder => f.write_str("big-endian ELF files are not supported"),
            Bad::Type(t) => write!(f, "not an executable (ELF type {t})"),
            Bad::Machine(m) => match machine_name(m) {
                Some(name) => write!(f, "unsupported architecture: {name} (ELF machine {m})"),
                None => write!(f, "unsupported architecture: ELF machine {m}"),
            },
            Bad::Header(what) => write!(f, "bad ELF file: {what}"),
            Bad::Address(a) => write!(f, "a segment's address is out of reach: {a:#x}"),
        }
    }
}

/// Names for messages (include/uapi/linux/elf-em.h).
fn machine_name(machine: u16) -> Option<&'static str> {
    const NAMES: &[(u16, &str)] = &[
        (2, "sparc"),
        (3, "i386"),
        (4, "m68k"),
        (8, "mips"),
        (15, "hppa"),
        (20, "ppc"),
        (21, "ppc64"),
        (22, "s390"),
        (40, "arm"),
        (42, "sh4"),
        (43, "sparc64"),
        (62, "x86-64"),
        (94, "xtensa"),
        (183, "aarch64"),
        (189, "microblaze"),
        (243, "riscv"),
        (258, "loongarch"),
        (0x9026, "alpha"),
    ];
    NAMES.iter().find(|n| n.0 == machine).map(|n| n.1)
}

/// What the file header says.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// Bytes of an address: 4 or 8.
    pub word: usize,
    /// `ET_EXEC`, to be mapped where it says, and not `ET_DYN`.
    pub fixed: bool,
    /// `e_machine`.
    pub machine: u16,
    /// `e_entry`.
    pub entry: u64,
    /// `e_phoff`.
    pub phoff: u64,
    /// `e_phnum`.
    pub phnum: u16,
}

impl Header {
    /// Bytes of a program header.
    pub fn phdr_size(&self) -> usize {
        if self.word == 4 { 32 } else { 56 }
    }

    /// The program headers in their table.
    pub(crate) fn phdrs<'a>(&self, table: &'a [u8]) -> impl Iterator<Item = Phdr> + use<'a> {
        let (size, word) = (self.phdr_size(), self.word);
        table.chunks_exact(size).map(move |b| match word {
            4 => {
                let [kind, offset, vaddr, _, filesz, memsz, flags, align] =
                    core::array::from_fn(|i| u32_at(b, 4 * i));
                let [offset, vaddr, filesz, memsz, align] =
                    [offset, vaddr, filesz, memsz, align].map(u64::from);
                Phdr { kind, flags, offset, vaddr, filesz, memsz, align }
            }
            _ => {
                let [_, offset, vaddr, _, filesz, memsz, align] = core::array::from_fn(|i| u64_at(b, 8 * i));
                Phdr { kind: u32_at(b, 0), flags: u32_at(b, 4), offset, vaddr, filesz, memsz, align }
            }
        })
    }
}

/// A program header.
#[derive(Clone, Copy)]
pub(crate) struct Phdr {
    pub(crate) kind: u32,
    flags: u32,
    pub(crate) offset: u64,
    pub(crate) vaddr: u64,
    pub(crate) filesz: u64,
    memsz: u64,
    align: u64,
}

/// A PT_LOAD.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// Offset in the file.
    pub offset: u64,
    /// Address, relative to the load base.
    pub vaddr: u64,
    /// Bytes from the file.
    pub filesz: u64,
    /// Bytes in memory.
    pub memsz: u64,
    /// PROT_* bits.
    pub prot: u64,
}

/// What the program headers say.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Segments in the file's order.
    pub segments: Vec<Segment>,
    /// Where the name of the program loader lies: (offset, bytes with NUL).
    pub interp: Option<(u64, u64)>,
    /// Page of the first byte.
    pub start: u64,
    /// End of the last page.
    pub end: u64,
    /// End of the last byte, where the heap may begin.
    pub brk: u64,
    /// Largest alignment asked for, at least a page.
    pub align: u64,
    /// Address of the program headers in memory, relative to the load base; 0 if they are not
    /// mapped.
    pub phdr: u64,
    /// PT_GNU_STACK asks for an executable stack.
    pub exec_stack: bool,
}

pub(crate) fn u16_at(b: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([b[at], b[at + 1]])
}
pub(crate) fn u32_at(b: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]])
}
pub(crate) fn u64_at(b: &[u8], at: usize) -> u64 {
    (u32_at(b, at + 4) as u64) << 32 | u32_at(b, at) as u64
}

/// `e_machine` in a file header.
pub fn machine(b: &[u8; EHDR_SIZE]) -> u16 {
    u16_at(b, 18)
}

/// Where the first name of a program loader in a table of program headers lies: (offset, bytes with
/// NUL).
pub fn interp(header: &Header, table: &[u8]) -> Option<(u64, u64)> {
    let ph = header.phdrs(table).find(|ph| ph.kind == PT_INTERP)?;
    Some((ph.offset, ph.filesz))
}

/// Reads the file header from the first bytes of a file.
///
/// # Errors
/// Why it cannot be run.
pub fn header(b: &[u8]) -> Result<Header, Bad> {
    let header = header_of_any_type(b)?;
    match u16_at(b, 16) {
        2 | 3 => Ok(header),
        kind => Err(Bad::Type(kind)),
    }
}

/// The same, whatever `e_type` is.
///
/// # Errors
/// Why it cannot be run.
pub(crate) fn header_of_any_type(b: &[u8]) -> Result<Header, Bad> {
    if b.len() < 4 || b[..4] != *b"\x7fELF" {
        return Err(Bad::NotElf);
    }
    if b.len() < EHDR_SIZE {
        return Err(Bad::Truncated);
    }
    match b[5] {
        1 => {}
        2 => return Err(Bad::ByteOrder),
        _ => return Err(Bad::Header("byte order")),
    }
    let word = match b[4] {
        2 => 8,
        1 => 4,
        _ => return Err(Bad::Header("class")),
    };
    let (entry, phoff, phentsize, phnum) = match word {
        4 => (u32_at(b, 24) as u64, u32_at(b, 28) as u64, u16_at(b, 42), u16_at(b, 44)),
        _ => (u64_at(b, 24), u64_at(b, 32), u16_at(b, 54), u16_at(b, 56)),
    };
    let header = Header { word, fixed: u16_at(b, 16) == 2, machine: u16_at(b, 18), entry, phoff, phnum };
    if phentsize as usize != header.phdr_size() {
        return Err(Bad::Header("size of program headers"));
    }
    if phnum == 0 || phnum as usize * header.phdr_size() > PHDRS_MAX {
        return Err(Bad::Header("number of program headers"));
    }
    Ok(header)
}

/// Reads the program headers (`table` holds all of them) of a file of `file_size` bytes.
///
/// # Errors
/// Why it cannot be run.
pub fn plan(header: &Header, table: &[u8], file_size: u64) -> Result<Plan, Bad> {
    let mut plan = Plan {
        segments: Vec::new(),
        interp: None,
        start: u64::MAX,
        end: 0,
        brk: 0,
        align: PAGE,
        phdr: 0,
        // A file without PT_GNU_STACK gets no executable stack on 64-bit architectures.
        exec_stack: false,
    };
    let mut pt_phdr = None;
    let address_end = if header.word == 4 { 1 << 32 } else { GUEST_END };
    for ph in header.phdrs(table).take(header.phnum as usize) {
        let Phdr { kind, flags, offset, vaddr, filesz, memsz, align } = ph;
        let in_file = |what| match offset.checked_add(filesz) {
            None => Err(Bad::Header(what)),
            Some(end) if end > file_size => Err(Bad::Truncated),
            Some(_) => Ok(()),
        };
        match kind {
            PT_LOAD => {
                if memsz == 0 {
                    continue;
                }
                if filesz > memsz {
                    return Err(Bad::Header("a segment is larger in the file than in memory"));
                }
                let end =
                    vaddr.checked_add(memsz).filter(|&end| end <= address_end).ok_or(Bad::Address(vaddr))?;
                if filesz != 0 {
                    let file_end = offset.checked_add(filesz).ok_or(Bad::Header("a segment's offset"))?;
                    if offset % PAGE != vaddr % PAGE {
                        return Err(Bad::Header("a segment's address and offset are not congruent"));
                    }
                    // Pages behind the file's end can be mapped, and a program that touches them
                    // gets SIGBUS. The rest of the last page has to be cleared, though.
                    let clears = memsz > filesz && flags & 2 != 0 && !file_end.is_multiple_of(PAGE);
                    if clears && file_end & !(PAGE - 1) >= file_size {
                        return Err(Bad::Truncated);
                    }
                }
                let prot = (flags as u64 & 4) >> 2 | flags as u64 & 2 | (flags as u64 & 1) << 2;
                plan.segments.push(Segment { offset, vaddr, filesz, memsz, prot });
                plan.start = plan.start.min(vaddr & !(PAGE - 1));
                plan.end = plan.end.max(end.next_multiple_of(PAGE));
                plan.brk = plan.brk.max(end);
                // An alignment that is no power of two is ignored, as the kernel does; a huge one
                // would only waste space.
                if align.is_power_of_two() && align <= 1 << 30 {
                    plan.align = plan.align.max(align);
                }
                if pt_phdr.is_none() && header.phoff >= offset && header.phoff - offset < filesz {
                    plan.phdr = vaddr + (header.phoff - offset);
                }
            }
            PT_INTERP if plan.interp.is_none() => {
                if !INTERP_SIZES.contains(&filesz) {
                    return Err(Bad::Header("length of the program loader's name"));
                }
                in_file("the program loader's name")?;
                plan.interp = Some((offset, filesz));
            }
            PT_PHDR => {
                pt_phdr = Some(vaddr);
                plan.phdr = vaddr;
            }
            PT_GNU_STACK => plan.exec_stack = flags & 1 != 0,
            _ => {}
        }
    }
    if plan.segments.is_empty() {
        return Err(Bad::Header("nothing to load"));
    }
    if plan.end > address_end {
        return Err(Bad::Address(plan.end));
    }
    Ok(plan)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A small ELF file: `phdrs` as (type, flags, offset, vaddr, filesz, memsz, align).
    pub(crate) fn file(
        kind: u16,
        machine: u16,
        entry: u64,
        phdrs: &[(u32, u32, u64, u64, u64, u64, u64)],
    ) -> Vec<u8> {
        let mut b = Vec::from(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".as_slice());
        b.extend(kind.to_le_bytes());
        b.extend(machine.to_le_bytes());
        b.extend(1u32.to_le_bytes());
        b.extend(entry.to_le_bytes());
        b.extend(64u64.to_le_bytes());
        b.extend(0u64.to_le_bytes());
        b.extend(0u32.to_le_bytes());
        for v in [64u16, 56, phdrs.len() as u16, 0, 0, 0] {
            b.extend(v.to_le_bytes());
        }
        for &(kind, flags, offset, vaddr, filesz, memsz, align) in phdrs {
            b.extend(kind.to_le_bytes());
            b.extend(flags.to_le_bytes());
            for v in [offset, vaddr, vaddr, filesz, memsz, align] {
                b.extend(v.to_le_bytes());
            }
        }
        b
    }

    fn parse(b: &[u8], size: u64) -> Result<Plan, Bad> {
        let h = header(b)?;
        let from = (h.phoff as usize).min(b.len());
        plan(&h, &b[from..], size)
    }

    #[test]
    fn refused_with_the_reason() {
        let load = |offset, vaddr, filesz, memsz| vec![(PT_LOAD, 5, offset, vaddr, filesz, memsz, 4096)];
        let with = |at: usize, v: u8| {
            let mut b = file(2, 183, 0, &load(0, 0x400000, 120, 120));
            b[at] = v;
            b
        };
        let size = 4096;
        let rows: Vec<(&str, Vec<u8>, Bad)> = vec![
            ("empty", vec![], Bad::NotElf),
            ("script", b"#!/bin/sh\n".to_vec(), Bad::NotElf),
            ("magic only", b"\x7fELF".to_vec(), Bad::Truncated),
            ("32 bit", with(4, 1), Bad::Header("size of program headers")),
            ("class", with(4, 9), Bad::Header("class")),
            ("big", with(5, 2), Bad::ByteOrder),
            ("relocatable", with(16, 1), Bad::Type(1)),
            ("phentsize", with(54, 32), Bad::Header("size of program headers")),
            ("no phdrs", with(56, 0), Bad::Header("number of program headers")),
            ("phnum", with(57, 0xff), Bad::Header("number of program headers")),
            (
                "no load",
                file(2, 183, 0, &[(PT_GNU_STACK, 6, 0, 0, 0, 0, 16)]),
                Bad::Header("nothing to load"),
            ),
            (
                "filesz",
                file(2, 183, 0, &load(0, 0x400000, 200, 100)),
                Bad::Header("a segment is larger in the file than in memory"),
            ),
            (
                "to be cleared beyond the file",
                file(2, 183, 0, &[(PT_LOAD, 6, 0, 0x400000, 5000, 6000, 4096)]),
                Bad::Truncated,
            ),
            (
                "offset wraps",
                file(2, 183, 0, &load(u64::MAX - 4095, 0x400000, 8192, 8192)),
                Bad::Header("a segment's offset"),
            ),
            (
                "address wraps",
                file(2, 183, 0, &load(0, u64::MAX - 4095, 100, 8192)),
                Bad::Address(u64::MAX - 4095),
            ),
            ("kernel address", file(2, 183, 0, &load(0, 1 << 63, 100, 100)), Bad::Address(1 << 63)),
            ("huge", file(2, 183, 0, &load(0, 0x400000, 100, 1 << 50)), Bad::Address(0x400000)),
            (
                "congruence",
                file(2, 183, 0, &load(0, 0x400010, 100, 100)),
                Bad::Header("a segment's address and offset are not congruent"),
            ),
            (
                "interp",
                file(3, 183, 0, &[(PT_INTERP, 4, 0, 0, 1, 1, 1)]),
                Bad::Header("length of the program loader's name"),
            ),
            (
                "long interp",
                file(3, 183, 0, &[(PT_INTERP, 4, 0, 0, 5000, 5000, 1)]),
                Bad::Header("length of the program loader's name"),
            ),
            ("interp beyond", file(3, 183, 0, &[(PT_INTERP, 4, 4090, 0, 20, 20, 1)]), Bad::Truncated),
        ];
        for (name, bytes, want) in rows {
            assert_eq!(parse(&bytes, size).err(), Some(want), "{name}");
        }
    }

    #[test]
    fn plan_of_a_program() {
        let b = file(
            3,
            183,
            0x1000,
            &[
                (PT_PHDR, 4, 64, 64, 224, 224, 8),
                (PT_INTERP, 4, 300, 300, 20, 20, 1),
                (PT_LOAD, 5, 0, 0, 0x1234, 0x1234, 0x10000),
                (PT_LOAD, 6, 0x1d00, 0x11d00, 0x300, 0x900, 0x10000),
                (PT_GNU_STACK, 7, 0, 0, 0, 0, 16),
            ],
        );
        let p = parse(&b, 0x3000).unwrap();
        assert_eq!((p.start, p.end, p.brk, p.align, p.phdr), (0, 0x13000, 0x12600, 0x10000, 64));
        assert_eq!(p.interp, Some((300, 20)));
        assert!(p.exec_stack);
        assert_eq!(p.segments.iter().map(|s| s.prot).collect::<Vec<_>>(), [5, 3]);
    }

    #[test]
    fn any_bytes_are_survived() {
        let good = file(
            3,
            183,
            0x1000,
            &[
                (PT_PHDR, 4, 64, 64, 224, 224, 8),
                (PT_INTERP, 4, 300, 300, 20, 20, 1),
                (PT_LOAD, 5, 0, 0, 0x1234, 0x1234, 0x10000),
                (PT_LOAD, 6, 0x1d00, 0x11d00, 0x300, 0x900, 0x10000),
            ],
        );
        let mut seed = 99u64;
        let mut next = || {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            seed >> 33
        };
        for _ in 0..200_000 {
            let mut b = good.clone();
            for _ in 0..1 + next() % 6 {
                let at = next() as usize % b.len();
                b[at] = [0, 1, 0x7f, 0x80, 0xff, next() as u8][next() as usize % 6];
            }
            b.truncate(if next() % 4 == 0 { next() as usize % b.len() } else { b.len() });
            if let Ok(p) = parse(&b, 0x3000) {
                assert!(p.start < p.end && p.end <= GUEST_END && p.brk <= p.end);
            }
        }
    }
}

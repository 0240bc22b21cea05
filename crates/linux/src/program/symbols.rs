//! Names of guest functions, for profilers: which file is mapped at an address, and what the file's
//! symbol table says.
//!
//! The kernel knows what is mapped (/proc/self/maps), so nothing is kept while no name is asked
//! for. What it says is read again when executable memory has changed since. A file's table
//! (`.symtab`, else `.dynsym`) is read at the first question about it. Files are the guest's: every
//! offset and size in them is checked, and what makes no sense gives no names.

use crate::program::elf::{self, u16_at, u32_at, u64_at};
use crate::program::loader::read_at;
use crate::program::own;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use anyarch_sys::Errno;
use anyarch_sys::calls;
use anyarch_sys::raw::general::*;

/// Tables of more bytes than this are not read.
const TABLE_MAX: u64 = 1 << 28;
/// Bytes of a section header and of a symbol.
const SHDR_SIZE: usize = 64;
const SYM_SIZE: usize = 24;

/// What is known of the process's mappings and of the files in them.
#[derive(Default)]
pub(crate) struct Symbols {
    /// Ascending.
    mappings: Vec<Mapping>,
    files: Vec<File>,
    /// The state of executable memory that `mappings` is from, if any.
    changes: Option<u64>,
}

struct Mapping {
    start: u64,
    end: u64,
    /// Of `start` in the file.
    offset: u64,
    /// Index into the files.
    file: usize,
}

struct File {
    /// Device, inode and path, as /proc/self/maps has them.
    key: Vec<u8>,
    table: Option<Table>,
}

/// A file's functions.
#[derive(Default)]
struct Table {
    /// (offset, address, bytes) of what PT_LOAD maps.
    segments: Vec<[u64; 3]>,
    /// By ascending address, one for each.
    functions: Vec<Function>,
    /// The string table.
    names: Vec<u8>,
}

struct Function {
    address: u64,
    /// 0: not known.
    size: u64,
    name: u32,
}

impl Symbols {
    /// The name of the code at `pc`: `function [file]`; `0xADDRESS [file]` with the address in the
    /// file where no function is known, and with `pc` itself where there is no file. `changes` is a
    /// number that changes when executable memory does.
    pub(crate) fn name(&mut self, pc: u64, changes: u64) -> String {
        if self.changes != Some(changes) {
            self.read_mappings();
            self.changes = Some(changes);
        }
        let mapping =
            self.mappings.partition_point(|m| m.start <= pc).checked_sub(1).map(|i| &self.mappings[i]);
        let Some(m) = mapping.filter(|m| pc < m.end) else { return format!("{pc:#x} [unknown]") };
        let file = &mut self.files[m.file];
        let path = path_of(&file.key);
        let table = file.table.get_or_insert_with(|| Table::of(path).unwrap_or_default());
        let base = printable(path.rsplit(|&b| b == b'/').next().unwrap_or(path));
        let Some(address) = table.address(m.offset + (pc - m.start)) else {
            return format!("{pc:#x} [{base}]");
        };
        match table.function(address) {
            Some(name) => format!("{} [{base}]", printable(name)),
            None => format!("{address:#x} [{base}]"),
        }
    }

    fn read_mappings(&mut self) {
        self.mappings.clear();
        for line in read_maps().split(|&b| b == b'\n') {
            if let Some((start, end, offset, key)) = mapping(line) {
                let known = self.files.iter().position(|f| f.key == key);
                let file = known.unwrap_or_else(|| {
                    self.files.push(File { key: key.to_vec(), table: None });
                    self.files.len() - 1
                });
                self.mappings.push(Mapping { start, end, offset, file });
            }
        }
    }
}

/// What cannot stand in a line becomes a question mark.
fn printable(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// The path in a [`File::key`].
fn path_of(key: &[u8]) -> &[u8] {
    key.iter().position(|&b| b == b'/').map_or(&[], |at| &key[at..])
}

/// Start, end, offset, and the rest of a line of /proc/self/maps that is about a file.
fn mapping(line: &[u8]) -> Option<(u64, u64, u64, &[u8])> {
    let hex = |text: &[u8]| u64::from_str_radix(core::str::from_utf8(text).ok()?, 16).ok();
    let mut words = line.splitn(4, |&b| b == b' ');
    let mut range = words.next()?.splitn(2, |&b| b == b'-');
    let (start, end) = (hex(range.next()?)?, hex(range.next()?)?);
    let (offset, key) = (hex(words.nth(1)?)?, words.next()?);
    (!path_of(key).is_empty()).then_some((start, end, offset, key))
}

/// What /proc/self/maps says; nothing without /proc.
fn read_maps() -> Vec<u8> {
    const STEP: usize = 64 << 10;
    let mut text = Vec::new();
    let Ok(fd) = open(b"/proc/self/maps\0") else { return text };
    loop {
        let len = text.len();
        text.resize(len + STEP, 0);
        let n = calls::read(fd, &mut text[len..]);
        text.truncate(len + n.unwrap_or(0));
        if !matches!(n, Ok(1..) | Err(Errno::EINTR)) {
            break;
        }
    }
    own::close(fd);
    text
}

/// Opens a file of a NUL-terminated path for reading, without waiting for the other end of what is
/// no file.
fn open(path: &[u8]) -> Result<i32, Errno> {
    let flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    own::with_room(|| calls::open_at(AT_FDCWD, path, flags, 0))
}

/// `size` bytes of a file. `None` where it has fewer or there are too many.
fn read(fd: i32, offset: u64, size: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(usize::try_from(size).ok().filter(|_| size <= TABLE_MAX)?).ok()?;
    bytes.resize(size as usize, 0);
    offset.checked_add(size).filter(|&end| end <= i64::MAX as u64)?;
    (read_at(fd, &mut bytes, offset).ok()? == bytes.len()).then_some(bytes)
}

impl Table {
    /// Reads the file at `path`. `None`: it is gone, or no ELF file.
    fn of(path: &[u8]) -> Option<Table> {
        let fd = open(&[path, b"\0"].concat()).ok()?;
        let table = Table::read(|offset, size| read(fd, offset, size));
        own::close(fd);
        table
    }

    /// Reads a file by a function that gives bytes at (offset, size).
    fn read(read: impl Fn(u64, u64) -> Option<Vec<u8>>) -> Option<Table> {
        const SHT_SYMTAB: u32 = 2;
        const SHT_DYNSYM: u32 = 11;
        let head = read(0, elf::EHDR_SIZE as u64)?;
        // Only units of code that is made have names, and no 32-bit guest has such yet.
        let header = elf::header_of_any_type(&head).ok().filter(|header| header.word == 8)?;
        let phdrs = read(header.phoff, header.phnum as u64 * header.phdr_size() as u64)?;
        let loads = header.phdrs(&phdrs).filter(|ph| ph.kind == elf::PT_LOAD);
        let segments = loads.map(|ph| [ph.offset, ph.vaddr, ph.filesz]).collect();
        let mut table = Table { segments, ..Table::default() };
        let (shoff, shentsize, shnum) = (u64_at(&head, 40), u16_at(&head, 58), u16_at(&head, 60));
        if shentsize as usize != SHDR_SIZE {
            return Some(table);
        }
        let Some(sections) = read(shoff, shnum as u64 * SHDR_SIZE as u64) else { return Some(table) };
        let section = |i: usize| sections.chunks_exact(SHDR_SIZE).nth(i);
        let of_type = |kind: u32| sections.chunks_exact(SHDR_SIZE).find(|s| u32_at(s, 4) == kind);
        let content = |s: &[u8]| read(u64_at(s, 24), u64_at(s, 32));
        if let Some(symbols) = of_type(SHT_SYMTAB).or_else(|| of_type(SHT_DYNSYM))
            && let Some(names) = section(u32_at(symbols, 40) as usize).and_then(content)
            && let Some(symbols) = content(symbols)
        {
            table.functions = functions(&symbols);
            table.names = names;
        }
        Some(table)
    }

    /// The address in the file of what lies at an offset in it.
    fn address(&self, offset: u64) -> Option<u64> {
        let within = |s: &&[u64; 3]| offset.checked_sub(s[0]).is_some_and(|at| at < s[2]);
        self.segments.iter().find(within).map(|s| s[1].wrapping_add(offset - s[0]))
    }

    /// The name of the function at an address in the file.
    fn function(&self, address: u64) -> Option<&[u8]> {
        let i = self.functions.partition_point(|f| f.address <= address).checked_sub(1)?;
        let f = &self.functions[i];
        if f.size != 0 && address - f.address >= f.size {
            return None;
        }
        let name = self.names.get(f.name as usize..)?;
        let name = &name[..name.iter().position(|&b| b == 0)?];
        (!name.is_empty()).then_some(name)
    }
}

/// The functions of a symbol table. Of several at one address it is one of known size, a global one
/// before a weak one before a local one.
fn functions(symbols: &[u8]) -> Vec<Function> {
    const STT_FUNC: u8 = 2;
    const STT_GNU_IFUNC: u8 = 10;
    const SHN_UNDEF: u16 = 0;
    /// By binding: STB_LOCAL, STB_GLOBAL, STB_WEAK.
    const RANKS: [u8; 3] = [2, 0, 1];
    let mut found: Vec<(u64, u8, Function)> = symbols
        .chunks_exact(SYM_SIZE)
        .filter(|s| matches!(s[4] & 15, STT_FUNC | STT_GNU_IFUNC) && u16_at(s, 6) != SHN_UNDEF)
        .map(|s| {
            let (address, size) = (u64_at(s, 8), u64_at(s, 16));
            let rank = RANKS.get((s[4] >> 4) as usize).copied().unwrap_or(3) + 4 * (size == 0) as u8;
            (address, rank, Function { address, size, name: u32_at(s, 0) })
        })
        .collect();
    found.sort_by_key(|f| (f.0, f.1));
    found.dedup_by_key(|f| f.0);
    found.into_iter().map(|f| f.2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_maps() {
        type Mapping = (u64, u64, u64, &'static str);
        let rows: &[(&str, Option<Mapping>)] = &[
            (
                "5500-5600 r--p 00001000 fe:01 17                         /a b/c",
                Some((0x5500, 0x5600, 0x1000, "/a b/c")),
            ),
            ("5500-5600 rw-p 00000000 00:00 0 ", None),
            ("5500-5600 rw-p 00000000 00:00 0                          [heap]", None),
            ("5500 r--p 0 fe:01 17 /a", None),
            ("", None),
        ];
        for (line, want) in rows {
            let got = mapping(line.as_bytes()).map(|(s, e, o, key)| (s, e, o, path_of(key).to_vec()));
            assert_eq!(got, want.map(|(s, e, o, path)| (s, e, o, path.as_bytes().to_vec())), "{line}");
        }
    }

    fn symbol(name: u32, info: u8, section: u16, address: u64, size: u64) -> Vec<u8> {
        let mut out = name.to_le_bytes().to_vec();
        out.extend([info, 0]);
        out.extend(section.to_le_bytes());
        out.extend(address.to_le_bytes());
        out.extend(size.to_le_bytes());
        out
    }

    #[test]
    fn functions_by_address() {
        let symbols = [
            symbol(1, 0x02, 1, 0x100, 0x10), // local
            symbol(5, 0x12, 1, 0x100, 0x10), // global, the same function
            symbol(9, 0x11, 1, 0x104, 4),    // an object
            symbol(9, 0x12, 0, 0x108, 4),    // undefined
            symbol(13, 0x12, 1, 0x200, 0),   // without a size
            symbol(99, 0x12, 1, 0x300, 8),   // a name beyond the end
        ]
        .concat();
        let table = Table {
            segments: vec![[0x40, 0x100, 0x300]],
            functions: functions(&symbols),
            names: b"\0loc\0glo\0obj\0end\0".to_vec(),
        };
        let rows: &[(u64, Option<&str>)] = &[
            (0xff, None),
            (0x100, Some("glo")),
            (0x10f, Some("glo")),
            (0x110, None),
            (0x200, Some("end")),
            (0x2ff, Some("end")),
            (0x300, None),
        ];
        for &(address, want) in rows {
            assert_eq!(table.function(address), want.map(str::as_bytes), "{address:#x}");
        }
        for (offset, want) in [(0x3f, None), (0x40, Some(0x100)), (0x33f, Some(0x3ff)), (0x340, None)] {
            assert_eq!(table.address(offset), want, "{offset:#x}");
        }
    }

    /// A file of any bytes gives a table or none, and no panic.
    #[test]
    fn any_file_is_survived() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let of = |file: &[u8]| {
            let table = Table::read(|offset, size| {
                let start = usize::try_from(offset).ok()?;
                Some(file.get(start..start.checked_add(usize::try_from(size).ok()?)?)?.to_vec())
            });
            if let Some(table) = &table {
                table.functions.iter().for_each(|f| _ = table.function(f.address));
                _ = table.address(u64::MAX);
            }
            table
        };
        assert!(of(&own).is_some_and(|t| !t.functions.is_empty()));
        let mut head = own[..elf::EHDR_SIZE].to_vec();
        // The section headers, cut down to a file of its own with them behind the header.
        let (shoff, shnum) = (u64_at(&own, 40) as usize, u16_at(&own, 60) as usize);
        let phdrs = own[u64_at(&own, 32) as usize..][..u16_at(&own, 56) as usize * 56].to_vec();
        head[40..48].copy_from_slice(&((elf::EHDR_SIZE + phdrs.len()) as u64).to_le_bytes());
        let small = [head, phdrs, own[shoff..][..shnum * SHDR_SIZE].to_vec(), vec![0x12; 4096]].concat();
        let mut seed = 3u64;
        for _ in 0..2000 {
            let mut file = small.clone();
            for _ in 0..8 {
                seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let at = (seed >> 20) as usize % file.len();
                file[at] = (seed >> 56) as u8;
            }
            let _ = of(&file);
        }
    }
}

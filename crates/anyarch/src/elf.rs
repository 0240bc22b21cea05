//! As much of an ELF file as the host tool asks about: whose it is, whether it needs a loader, and
//! which.

use crate::failure::{Code, Failure, OrFail, Result, fail};
use anyarch_binfmt::{Family, family};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What an ELF header and its program headers say.
#[derive(Debug, Clone)]
pub struct Elf {
    /// The first bytes, at most 256: what the kernel would match against.
    pub header: Vec<u8>,
    /// 64 or 32.
    pub bits: u8,
    /// Byte order.
    pub little: bool,
    /// EM_*.
    pub machine: u16,
    /// ET_*: 2 executable, 3 shared or position independent.
    pub kind: u16,
    /// e_flags.
    pub flags: u32,
    /// PT_INTERP: the loader of a dynamic program.
    pub interpreter: Option<String>,
}

impl Elf {
    /// Reads one from a file; `None` where it is not ELF at all.
    pub fn read(file: &File) -> Result<Option<Elf>> {
        let mut header = vec![0; 256];
        let mut have = 0;
        while have < header.len() {
            match (&mut &*file).read(&mut header[have..]) {
                Ok(0) => break,
                Ok(n) => have += n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Failure::new(Code::Failed, format!("cannot read the file: {e}"))),
            }
        }
        header.truncate(have);
        Elf::parse(header, &|buf, at| file.read_exact_at(buf, at).is_ok())
    }

    /// Opens and reads one.
    pub fn open(path: &Path) -> Result<Option<Elf>> {
        let file = File::open(path).or_fail(Code::Failed, || format!("cannot open {}", path.display()))?;
        Elf::read(&file).map_err(|f| Failure { what: format!("{}: {}", path.display(), f.what), ..f })
    }

    fn parse(header: Vec<u8>, read_at: &dyn Fn(&mut [u8], u64) -> bool) -> Result<Option<Elf>> {
        if !header.starts_with(b"\x7fELF") {
            return Ok(None);
        }
        if header.len() < 52 {
            fail!(Code::Failed, "the ELF header is cut off after {} bytes", header.len());
        }
        let bits = match header[4] {
            1 => 32,
            2 => 64,
            other => fail!(Code::Failed, "the ELF class {other} is neither 32 nor 64 bit"),
        };
        let little = header[5] == 1;
        let number = |bytes: &[u8]| {
            let digits = |n: u64, b: &u8| n << 8 | u64::from(*b);
            if little { bytes.iter().rev().fold(0, digits) } else { bytes.iter().fold(0, digits) }
        };
        let wide = bits == 64;
        if wide && header.len() < 64 {
            fail!(Code::Failed, "the ELF header is cut off after {} bytes", header.len());
        }
        let field = |at64: usize, at32: usize, len64: usize, len32: usize| {
            if wide { number(&header[at64..at64 + len64]) } else { number(&header[at32..at32 + len32]) }
        };
        let (phoff, phentsize, phnum) = (field(32, 28, 8, 4), field(54, 42, 2, 2), field(56, 44, 2, 2));
        let mut interpreter = None;
        let entry_len = if wide { 56 } else { 32 };
        if phentsize >= entry_len {
            for i in 0..phnum {
                let mut entry = vec![0; entry_len as usize];
                let at = phoff.checked_add(i * phentsize);
                if !at.is_some_and(|at| read_at(&mut entry, at)) {
                    fail!(Code::Failed, "program header {i} lies beyond the end of the file");
                }
                const PT_INTERP: u64 = 3;
                if number(&entry[0..4]) != PT_INTERP {
                    continue;
                }
                let (offset, size) = if wide {
                    (number(&entry[8..16]), number(&entry[32..40]))
                } else {
                    (number(&entry[4..8]), number(&entry[16..20]))
                };
                let mut name = vec![0; size.min(4096) as usize];
                if !read_at(&mut name, offset) {
                    fail!(Code::Failed, "the name of its loader (PT_INTERP) lies beyond the end of the file");
                }
                let end = name.iter().position(|b| *b == 0).unwrap_or(name.len());
                interpreter = Some(String::from_utf8_lossy(&name[..end]).into_owned());
            }
        }
        let (machine, kind) = (number(&header[18..20]) as u16, number(&header[16..18]) as u16);
        let flags = field(48, 36, 4, 4) as u32;
        Ok(Some(Elf { bits, little, machine, kind, flags, interpreter, header }))
    }

    /// The architecture, where there is a row for it.
    pub fn family(&self) -> Option<&'static Family> {
        family::of_binary(&self.header)
    }
}

/// `uname -m`: what this machine runs itself.
pub(crate) fn host_machine() -> String {
    rustix::system::uname().machine().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_executable_is_static_and_native() {
        let elf = Elf::open(&std::env::current_exe().unwrap()).unwrap().unwrap();
        assert!(elf.family().unwrap().is_native_to(&host_machine()));
        assert_eq!(elf.bits, 64);
    }

    #[test]
    fn damaged_files_are_named() {
        let check = |header: &[u8], want: &str| {
            let result = Elf::parse(header.to_vec(), &|_, _| false);
            assert_eq!(result.unwrap_err().what, want);
        };
        assert!(Elf::parse(b"#!/bin/sh\n".to_vec(), &|_, _| false).unwrap().is_none());
        check(b"\x7fELF\x02\x01", "the ELF header is cut off after 6 bytes");
        let mut long = b"\x7fELF\x09\x01".to_vec();
        long.resize(64, 0);
        check(&long, "the ELF class 9 is neither 32 nor 64 bit");
        long[4] = 2;
        (long[54], long[56]) = (56, 1);
        check(&long, "program header 0 lies beyond the end of the file");
    }
}

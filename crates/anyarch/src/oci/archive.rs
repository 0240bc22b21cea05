//! Reads tar archives from strangers: entry by entry, with bounded memory.
//!
//! An entry is preceded by what does not fit its header: GNU's long names and the records of PAX
//! (POSIX.1-2017, pax, "pax Extended Header"). A header tells the size of such an extension, so
//! that one of any size could be asked for; none is larger here than [`NAME_MAX`] or
//! [`RECORDS_MAX`]. Records are read by their lengths: a value may hold line breaks, and an
//! extended attribute's does.

use super::sparse::{self, Sparse};
use rustix::fs::Timespec;
use std::ffi::OsStr;
use std::io::{Error, ErrorKind, Read, Result};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tar::EntryType;

const BLOCK: u64 = 512;

/// The longest name, its NUL included: PATH_MAX of Linux.
const NAME_MAX: u64 = 4096;

/// The most that the records of a PAX header may take together; Go's archive/tar takes as much.
const RECORDS_MAX: u64 = 1 << 20;

/// The entries of an archive, in order.
pub(crate) struct Archive<R> {
    stream: R,
    /// What is left of the last entry's data, and of the block that it ends in.
    data: u64,
    padding: u64,
    /// The last entry's name.
    last: PathBuf,
}

/// What an archive says of a file.
pub(crate) struct Entry {
    /// Its name, as it stands in the archive.
    pub name: PathBuf,
    /// What it is.
    pub kind: EntryType,
    /// Target of a link.
    pub link: PathBuf,
    /// User and group.
    pub owner: (u32, u32),
    /// Permissions.
    pub header: tar::Header,
    /// When it was changed.
    pub mtime: Timespec,
    /// Extended attributes.
    pub xattrs: Vec<(String, Vec<u8>)>,
    /// Where its holes are.
    pub sparse: Option<Sparse>,
}

/// Extensions that wait for their entry.
#[derive(Default)]
struct Extensions {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    records: Option<Vec<u8>>,
}

impl<R: Read> Archive<R> {
    /// Of a stream that begins with an entry.
    pub(crate) fn new(stream: R) -> Archive<R> {
        Archive { stream, data: 0, padding: 0, last: PathBuf::new() }
    }

    /// The next entry, or `None` at the end; its data are read from the archive itself. What was
    /// not read of the entry before is skipped.
    ///
    /// # Errors
    /// The stream's, and what is wrong with the archive, with the name of the entry concerned.
    pub(crate) fn next_entry(&mut self) -> Result<Option<Entry>> {
        let mut before = Extensions::default();
        loop {
            let Some(header) = self.header()? else {
                return match before.name.or(before.link).or(before.records) {
                    None => Ok(None),
                    Some(_) => Err(bad("the archive ends where an entry must follow")),
                };
            };
            let size = or_blank(&header.as_old().size, header.entry_size())?;
            let (place, most) = match header.entry_type() {
                EntryType::GNULongName => (&mut before.name, NAME_MAX),
                EntryType::GNULongLink => (&mut before.link, NAME_MAX),
                EntryType::XHeader => (&mut before.records, RECORDS_MAX),
                // Records for all entries that follow: files need none of them.
                EntryType::XGlobalHeader => {
                    self.begin(size);
                    continue;
                }
                _ => return self.entry(header, size, before).map(Some),
            };
            let of = || format!("{} behind {}", path(&header.path_bytes()).display(), self.last.display());
            if size > most {
                return Err(bad(&format!("the extension {} has {size} bytes, {most} are allowed", of())));
            }
            if place.is_some() {
                return Err(bad(&format!("the extension {} is the second of its kind", of())));
            }
            self.begin(size);
            let mut content = Vec::new();
            self.read_to_end(&mut content)?;
            *place = Some(content);
        }
    }

    /// An entry from its header, the size that it says, and what stood before.
    fn entry(&mut self, header: tar::Header, mut size: u64, before: Extensions) -> Result<Entry> {
        let text = before.records.unwrap_or_default();
        let records = records(&text).map_err(|e| within(&path(&header.path_bytes()), e))?;
        // The last one counts, and an empty one says that there is none.
        let last = |key: &[u8]| {
            let found = records.iter().rev().find(|(k, _)| *k == key).map(|(_, value)| *value);
            found.filter(|value| !value.is_empty())
        };
        let until_nul = |text: &Vec<u8>| path(text.split(|b| *b == 0).next().unwrap_or_default());
        let mut name = match (&before.name, last(b"path")) {
            (Some(long), _) => until_nul(long),
            (_, Some(record)) => path(record),
            _ => path(&header.path_bytes()),
        };
        let link = match (&before.link, last(b"linkpath")) {
            (Some(long), _) => until_nul(long),
            (_, Some(record)) => path(record),
            _ => path(&header.link_name_bytes().unwrap_or_default()),
        };
        // Archives of old programs have no other mark of a folder.
        let folder = header.entry_type().is_file() && name.as_os_str().as_bytes().ends_with(b"/");
        let kind = if folder { EntryType::Directory } else { header.entry_type() };
        let mut owner = (0, 0);
        let mut mtime = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut read = |stream: &mut R| -> Result<_> {
            if let Some(record) = last(b"size") {
                size = sparse::number(record)?;
            }
            let id = |key: &[u8], field: Result<u64>| -> Result<u32> {
                let id = last(key).map_or(field, sparse::number)?;
                id.try_into().map_err(|_| bad(&format!("{id} is no user or group")))
            };
            let old = header.as_old();
            owner = (
                id(b"uid", or_blank(&old.uid, header.uid()))?,
                id(b"gid", or_blank(&old.gid, header.gid()))?,
            );
            mtime = match last(b"mtime") {
                Some(record) => time(record).ok_or_else(|| bad("its time is no number"))?,
                // A field that is damaged is no reason to refuse a file: as ever.
                None => Timespec { tv_sec: header.mtime().unwrap_or(0) as i64, tv_nsec: 0 },
            };
            match kind {
                EntryType::GNUSparse => Sparse::old(&header, stream).map(Some),
                _ => Sparse::of(&records),
            }
        };
        let mut sparse = read(&mut self.stream).map_err(|e| within(&name, e))?;
        if let Some(other) = sparse.as_mut().and_then(|s| s.name.take()) {
            name = other;
        }
        let xattr = |(key, value): &(&[u8], &[u8])| {
            let key = key.strip_prefix(b"SCHILY.xattr.")?;
            Some((std::str::from_utf8(key).ok()?.to_string(), value.to_vec()))
        };
        let xattrs = records.iter().filter_map(xattr).collect();
        // Whatever their headers say, these have no data (GNU tar, POSIX.1-2017 ustar "size").
        let empty = matches!(
            header.entry_type(),
            EntryType::Link
                | EntryType::Symlink
                | EntryType::Char
                | EntryType::Block
                | EntryType::Directory
                | EntryType::Fifo
        );
        self.begin(if empty { 0 } else { size });
        self.last.clone_from(&name);
        Ok(Entry { name, kind, link, owner, header, mtime, xattrs, sparse })
    }

    /// The next header, or `None` at the end.
    fn header(&mut self) -> Result<Option<tar::Header>> {
        let rest = self.data.checked_add(self.padding).ok_or_else(|| bad("an entry too large"))?;
        if std::io::copy(&mut (&mut self.stream).take(rest), &mut std::io::sink())? < rest {
            return Err(self.too_early());
        }
        self.begin(0);
        let mut header = tar::Header::new_old();
        let bytes = header.as_mut_bytes();
        let mut read = 0;
        while read < bytes.len() {
            match self.stream.read(&mut bytes[read..]) {
                Ok(0) if read == 0 => return Ok(None),
                Ok(0) => return Err(self.too_early()),
                Ok(n) => read += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        if bytes.iter().all(|b| *b == 0) {
            return Ok(None);
        }
        // The field itself (148 to 155) counts as blanks.
        let field = |(i, byte): (usize, &u8)| if (148..156).contains(&i) { 32 } else { *byte as u32 };
        let sum: u32 = bytes.iter().enumerate().map(field).sum();
        if header.cksum()? != sum {
            return Err(bad(&format!("the header behind {} has a wrong sum", self.last.display())));
        }
        Ok(Some(header))
    }

    fn begin(&mut self, size: u64) {
        self.data = size;
        self.padding = size.wrapping_neg() % BLOCK;
    }

    fn too_early(&self) -> Error {
        let what = format!("the archive ends within or behind {}", self.last.display());
        Error::new(ErrorKind::UnexpectedEof, what)
    }
}

/// Reads the last entry's data.
impl<R: Read> Read for Archive<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let n = (&mut self.stream).take(self.data).read(buffer)?;
        if n == 0 && self.data > 0 && !buffer.is_empty() {
            return Err(self.too_early());
        }
        self.data -= n as u64;
        Ok(n)
    }
}

/// A time of a PAX record: seconds with a sign and a fraction (POSIX.1-2017, pax, "pax Extended
/// Header File Times"). What is finer than a nanosecond is cut off.
fn time(record: &[u8]) -> Option<Timespec> {
    let text = std::str::from_utf8(record).ok()?;
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let seconds: i64 = whole.parse().ok()?;
    let nanos: i64 = format!("{fraction:0<9.9}").parse().ok()?;
    // The fraction of a time counts forwards (timespec(3type)).
    let (tv_sec, tv_nsec) = match (negative, nanos) {
        (false, _) => (seconds, nanos),
        (true, 0) => (-seconds, 0),
        (true, _) => (-seconds - 1, 1_000_000_000 - nanos),
    };
    Some(Timespec { tv_sec, tv_nsec })
}

/// The number in a field, which is zero where the field is blank.
fn or_blank(field: &[u8], number: Result<u64>) -> Result<u64> {
    if field.iter().all(|b| matches!(b, 0 | b' ')) { Ok(0) } else { number }
}

fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

fn bad(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

fn within(name: &Path, error: Error) -> Error {
    Error::new(error.kind(), format!("{}: {error}", name.display()))
}

/// Keys and values of a PAX header: each record is its length in decimal digits, a blank, the key,
/// `=`, the value and a line break. The length counts all of that.
fn records(mut text: &[u8]) -> Result<Vec<(&[u8], &[u8])>> {
    let mut list = Vec::new();
    while !text.is_empty() {
        let record = || {
            let blank = text.iter().take(20).position(|b| *b == b' ')?;
            let length: usize = sparse::number(&text[..blank]).ok()?.try_into().ok()?;
            let (record, rest) = text.split_at_checked(length)?;
            let record = record.get(blank + 1..)?.strip_suffix(b"\n")?;
            let equals = record.iter().position(|b| *b == b'=')?;
            Some(((&record[..equals], &record[equals + 1..]), rest))
        };
        let (record, rest) = record().ok_or_else(|| bad("a record of its PAX header is damaged"))?;
        list.push(record);
        text = rest;
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An entry of a kind, with a size that its header claims.
    fn entry(kind: EntryType, name: &str, size: u64, data: &[u8]) -> Vec<u8> {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_path(name).unwrap();
        header.set_size(size);
        header.set_cksum();
        let mut out = header.as_bytes().to_vec();
        out.extend_from_slice(data);
        out.resize(out.len().next_multiple_of(BLOCK as usize), 0);
        out
    }

    fn names(bytes: &[u8]) -> Result<Vec<String>> {
        let mut archive = Archive::new(bytes);
        let mut list = Vec::new();
        while let Some(entry) = archive.next_entry()? {
            let mut data = Vec::new();
            archive.read_to_end(&mut data)?;
            list.push(format!("{} {}", entry.name.display(), String::from_utf8_lossy(&data)));
        }
        Ok(list)
    }

    #[test]
    fn extensions_are_bounded() {
        let file = |name| entry(EntryType::Regular, name, 1, b"x");
        // The stream ends at once: a reader that believed the size would say that.
        for (kind, name, size) in [
            (EntryType::GNULongName, "././@LongLink", 4097),
            (EntryType::GNULongLink, "././@LongLink", 200_000_000),
            (EntryType::XHeader, "PaxHeaders/long", (1 << 20) + 1),
        ] {
            let bytes = [file("before"), entry(kind, name, size, b"")].concat();
            let error = names(&bytes).unwrap_err().to_string();
            let what = name.trim_start_matches("././");
            assert!(error.contains(what) && error.contains("behind before"), "{error}");
            assert!(error.contains(&size.to_string()), "{error}");
        }
        let long = "d/".repeat(2047);
        let name = format!("{long}\0");
        let bytes =
            [entry(EntryType::GNULongName, "L", name.len() as u64, name.as_bytes()), file("f")].concat();
        assert_eq!(names(&bytes).unwrap(), [format!("{long} x")]);
    }

    #[test]
    fn entries_without_data_have_none() {
        for kind in [
            EntryType::Link,
            EntryType::Symlink,
            EntryType::Char,
            EntryType::Block,
            EntryType::Directory,
            EntryType::Fifo,
        ] {
            let bytes = [entry(kind, "a", 700, b""), entry(EntryType::Regular, "b", 1, b"x")].concat();
            assert_eq!(names(&bytes).unwrap(), ["a ", "b x"], "{kind:?}");
        }
        let mut old = entry(EntryType::Regular, "folder/x", 0, b"");
        old[7] = 0;
        let sum: u32 = (0..512).map(|i| if (148..156).contains(&i) { 32 } else { old[i] as u32 }).sum();
        old[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let found = Archive::new(&old[..]).next_entry().unwrap().unwrap();
        assert_eq!((found.kind, found.name), (EntryType::Directory, PathBuf::from("folder/")));
    }

    #[test]
    fn owners_are_numbers_of_32_bits() {
        let file = entry(EntryType::Regular, "f", 0, b"");
        for (record, owner) in [
            (&b"18 uid=4294967295\n"[..], Some((u32::MAX, 0))),
            (b"11 gid=123\n", Some((0, 123))),
            (b"18 uid=4294967296\n", None),
            (b"10 gid=-1\n", None),
        ] {
            let bytes = [entry(EntryType::XHeader, "P", record.len() as u64, record), file.clone()].concat();
            let found = Archive::new(&bytes[..]).next_entry();
            match owner {
                Some(owner) => assert_eq!(found.unwrap().unwrap().owner, owner),
                None => assert!(found.is_err()),
            }
        }
    }

    #[test]
    fn times_of_records_count() {
        for (text, want) in [
            ("0", Some((0, 0))),
            ("1350244992.023960108", Some((1_350_244_992, 23_960_108))),
            ("1.5", Some((1, 500_000_000))),
            ("1.", Some((1, 0))),
            ("1.0000000019", Some((1, 1))),
            ("-1", Some((-1, 0))),
            ("-1.25", Some((-2, 750_000_000))),
            ("", None),
            (".5", None),
            ("1e3", None),
            ("--1", None),
            ("99999999999999999999", None),
        ] {
            let have = time(text.as_bytes()).map(|t| (t.tv_sec, t.tv_nsec));
            assert_eq!(have, want.map(|(s, n)| (s, n as _)), "{text}");
        }
        let record = b"20 mtime=1234567.25\n";
        let file = entry(EntryType::Regular, "f", 0, b"");
        let bytes = [entry(EntryType::XHeader, "P", record.len() as u64, record), file].concat();
        let found = Archive::new(&bytes[..]).next_entry().unwrap().unwrap();
        assert_eq!((found.mtime.tv_sec, found.mtime.tv_nsec), (1_234_567, 250_000_000));
    }

    #[test]
    fn archives_that_break_off_are_refused() {
        let whole =
            [entry(EntryType::Regular, "a", 3, b"abc"), entry(EntryType::Regular, "b", 0, b"")].concat();
        assert_eq!(names(&whole).unwrap(), ["a abc", "b "]);
        for end in [1, 511, 513, 514, 1023, 1025] {
            let error = names(&whole[..end]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{end}: {error}");
        }
        let mut wrong = whole.clone();
        wrong[1024] = b'c';
        assert!(names(&wrong).unwrap_err().to_string().contains("behind a has a wrong sum"));
        let alone = entry(EntryType::GNULongName, "L", 2, b"x\0");
        assert!(names(&alone).unwrap_err().to_string().contains("must follow"));
        let twice = [alone.clone(), alone].concat();
        assert!(names(&twice).unwrap_err().to_string().contains("second of its kind"));
    }

    #[test]
    fn records_are_read_by_their_lengths() {
        let got = records(b"12 a=1\n2\n=3\n5 b=\n").unwrap();
        assert_eq!(got, [(&b"a"[..], &b"1\n2\n=3"[..]), (b"b", b"")]);
        for text in ["x", "4 a=", "9 a=1\n", "5 a=1\n", "5 ab\n", "99999999999999999999 a=1\n", "2 \n", "0 "]
        {
            assert!(records(text.as_bytes()).is_err(), "{text:?}");
        }
        // What looks like a record within a value is none.
        let text = b"37 SCHILY.xattr.user.x=1\n11 size=99\n\n9 path=n\n";
        let size = text.len() as u64;
        let bytes =
            [entry(EntryType::XHeader, "P", size, text), entry(EntryType::Regular, "f", 1, b"x")].concat();
        assert_eq!(names(&bytes).unwrap(), ["n x"]);
        let entry = Archive::new(&bytes[..]).next_entry().unwrap().unwrap();
        assert_eq!(entry.xattrs, [("user.x".to_string(), b"1\n11 size=99\n".to_vec())]);
    }
}

//! Files with holes in tar archives, whose holes stay holes.
//!
//! GNU tar has four forms for them (its manual, "Storing Sparse Files"). The old one is an entry
//! type of its own, which the tar crate reads; the three of PAX archives are ordinary files with
//! records GNU.sparse.*, which are read here. Layers of ours have the last form, 1.0: the map
//! stands before the data, in decimal numbers, each with a line break, up to a full block.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

const BLOCK: usize = 512;

/// What a PAX header says of a file with holes.
pub struct Sparse {
    /// Its name, where the entry has another for programs that do not know of holes.
    pub name: Option<PathBuf>,
    size: u64,
    /// Offsets and lengths of what is no hole; `None` where they precede the data.
    map: Option<Vec<(u64, u64)>>,
}

impl Sparse {
    /// Of an entry; `None` for one that is not sparse, and for the old form.
    pub fn of(entry: &mut tar::Entry<'_, impl Read>) -> Result<Option<Sparse>> {
        let Some(records) = entry.pax_extensions()? else { return Ok(None) };
        let (mut name, mut size, mut map, mut version) = (None, None, None, (None, None));
        let (mut offsets, mut lengths) = (Vec::new(), Vec::new());
        for record in records {
            // The tar crate ends a record at its first line break, also within a value that is
            // binary: an extended attribute's. Records about holes have no such values.
            let Ok(record) = record else { continue };
            let Ok(Some(key)) = record.key().map(|k| k.strip_prefix("GNU.sparse.")) else { continue };
            let value = record.value_bytes();
            match key {
                "major" => version.0 = Some(number(value)?),
                "minor" => version.1 = Some(number(value)?),
                "name" => name = Some(PathBuf::from(std::ffi::OsStr::from_bytes(value))),
                "size" | "realsize" => size = Some(number(value)?),
                "map" => map = Some(value.split(|b| *b == b',').map(number).collect::<Result<Vec<_>>>()?),
                "offset" => offsets.push(number(value)?),
                "numbytes" => lengths.push(number(value)?),
                _ => {}
            }
        }
        let map = match (version, map) {
            ((Some(1), Some(0)), _) => None,
            ((Some(_), _), _) => return Err(bad("a file with holes in a form that is not known")),
            (_, Some(list)) if list.len() % 2 == 0 => Some(list.chunks(2).map(|p| (p[0], p[1])).collect()),
            (_, None) if offsets.len() == lengths.len() && !offsets.is_empty() => {
                Some(offsets.into_iter().zip(lengths).collect())
            }
            (_, None) if offsets.is_empty() && lengths.is_empty() => return Ok(None),
            _ => return Err(bad("half a map of holes")),
        };
        let size = size.ok_or_else(|| bad("a file with holes has no size"))?;
        Ok(Some(Sparse { name, size, map }))
    }

    /// Writes the entry's content to an empty file.
    pub fn write(self, data: &mut impl Read, file: &mut File) -> Result<()> {
        let map = match self.map {
            Some(map) => map,
            None => read_map(data)?,
        };
        let mut end = 0;
        for (offset, length) in map {
            if offset < end || offset.checked_add(length).is_none_or(|e| e > self.size) {
                return Err(bad("a map of holes that does not fit its file"));
            }
            end = offset + length;
            file.seek(SeekFrom::Start(offset))?;
            if std::io::copy(&mut data.take(length), file)? < length {
                return Err(Error::new(ErrorKind::UnexpectedEof, "a file with holes ends too early"));
            }
        }
        file.set_len(self.size)
    }
}

fn bad(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

fn number(text: &[u8]) -> Result<u64> {
    let text = std::str::from_utf8(text).ok().filter(|t| t.bytes().all(|b| b.is_ascii_digit()));
    text.and_then(|t| t.parse().ok()).ok_or_else(|| bad("a map of holes has no number where one must be"))
}

/// The map that precedes the data in form 1.0, its padding included.
fn read_map(data: &mut impl Read) -> Result<Vec<(u64, u64)>> {
    let (mut block, mut at) = ([0; BLOCK], BLOCK);
    let mut next = || -> Result<u64> {
        let mut digits = Vec::new();
        loop {
            if at == BLOCK {
                data.read_exact(&mut block)?;
                at = 0;
            }
            let byte = block[at];
            at += 1;
            match byte {
                b'\n' => return number(&digits),
                _ if digits.len() < 20 => digits.push(byte),
                _ => return Err(bad("a map of holes has too long a number")),
            }
        }
    };
    let count = next()?;
    (0..count).map(|_| Ok((next()?, next()?))).collect()
}

/// The runs of zeros that are worth a hole: as long as the largest page of the guests and the usual
/// read-ahead.
const HOLE: usize = 1 << 16;
/// Holes begin and end at file system blocks.
const PAGE: usize = 4096;

/// Offsets and lengths of what is no hole. They depend on the content alone, not on how a file
/// system stores it.
fn data_of(bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut list = Vec::new();
    let (mut start, mut zeros) = (0, 0);
    for (i, page) in bytes.chunks(PAGE).enumerate() {
        let at = i * PAGE;
        if page.iter().all(|b| *b == 0) {
            zeros += page.len();
            continue;
        }
        if zeros >= HOLE {
            if at - zeros > start {
                list.push((start, at - zeros - start));
            }
            start = at;
        }
        zeros = 0;
    }
    let end = if zeros >= HOLE { bytes.len() - zeros } else { bytes.len() };
    if end > start {
        list.push((start, end - start));
    }
    list
}

/// Appends a file of form 1.0 where its content has holes; else the header's as it is.
pub fn append(
    tar: &mut tar::Builder<impl std::io::Write>,
    mut header: tar::Header,
    path: &str,
    bytes: &[u8],
) -> Result<()> {
    let data = data_of(bytes);
    if data.iter().map(|d| d.1).sum::<usize>() == bytes.len() {
        return tar.append_data(&mut header, path, bytes);
    }
    let mut content = format!("{}\n", data.len());
    data.iter().for_each(|(offset, length)| content += &format!("{offset}\n{length}\n"));
    let mut content = content.into_bytes();
    content.resize(content.len().next_multiple_of(BLOCK), 0);
    data.iter().for_each(|(offset, length)| content.extend_from_slice(&bytes[*offset..offset + length]));
    let size = bytes.len().to_string();
    // GNU tar takes the records for this form's in a POSIX header alone.
    let mut posix = tar::Header::new_ustar();
    posix.set_entry_type(header.entry_type());
    posix.set_mode(header.mode()?);
    posix.set_mtime(header.mtime()?);
    posix.set_uid(header.uid()?);
    posix.set_gid(header.gid()?);
    posix.set_size(content.len() as u64);
    let (folder, name) = path.rsplit_once('/').unwrap_or((".", path));
    let other_name = format!("{folder}/GNUSparseFile.0/{name}");
    let mut records = vec![
        ("GNU.sparse.major", &b"1"[..]),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.name", path.as_bytes()),
        ("GNU.sparse.realsize", size.as_bytes()),
    ];
    if posix.set_path(&other_name).is_err() {
        records.push(("path", other_name.as_bytes()));
        posix.set_path("GNUSparseFile.0")?;
    }
    posix.set_cksum();
    tar.append_pax_extensions(records)?;
    tar.append(&posix, &content[..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_found_by_content() {
        let mut bytes = vec![0; 400_000];
        assert_eq!(data_of(&bytes), []);
        bytes[399_999] = 1;
        bytes[70_000] = 1;
        assert_eq!(data_of(&bytes), [(69632, 4096), (397_312, 2688)]);
        bytes[0] = 1;
        assert_eq!(data_of(&bytes), [(0, 4096), (69632, 4096), (397_312, 2688)]);
        assert_eq!(data_of(&[1; 5000]), [(0, 5000)]);
        assert_eq!(data_of(&[]), []);
    }

    #[test]
    fn maps_that_lie_are_refused() {
        let check = |map: &str, size, words: &str| {
            let mut data = map.as_bytes().to_vec();
            data.resize(BLOCK, 0);
            data.extend([7; 100]);
            let sparse = Sparse { name: None, size, map: None };
            let mut file = tempfile::tempfile().unwrap();
            let error = sparse.write(&mut &data[..], &mut file).unwrap_err().to_string();
            assert!(error.contains(words), "{map:?}: {error}");
        };
        check("1\n0\n200\n", 300, "ends too early");
        check("1\n0\n20\n", 10, "does not fit");
        check("2\n50\n10\n0\n10\n", 100, "does not fit");
        check("1\n18446744073709551615\n2\n", 100, "does not fit");
        check("x\n", 100, "no number");
        check("1\n-1\n2\n", 100, "no number");
        check("111111111111111111111\n", 100, "too long");
        check("9999999999\n", 100, "too long");
    }
}

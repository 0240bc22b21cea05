//! Files with holes in tar archives, whose holes stay holes.
//!
//! GNU tar has four forms for them (its manual, "Storing Sparse Files"). The old one is an entry
//! type of its own; the three of PAX archives are ordinary files with records GNU.sparse.*. Layers
//! of ours have the last form, 1.0: the map stands before the data, in decimal numbers, each with a
//! line break, up to a full block.
//!
//! By hand, because the crate `tar` reads and writes the old form only, fills its holes with zeros,
//! and asks the file system where holes are: bytes would depend on it.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

const BLOCK: usize = 512;

/// The most pieces that a file with holes may have: more than a terabyte of ours could.
const MAP_MAX: usize = 1 << 20;

/// What an archive says of a file with holes.
pub(crate) struct Sparse {
    /// Its name, where the entry has another for programs that do not know of holes.
    pub name: Option<PathBuf>,
    size: u64,
    /// Offsets and lengths of what is no hole; `None` where they precede the data.
    map: Option<Vec<(u64, u64)>>,
}

impl Sparse {
    /// By an entry's records; `None` where they speak of no holes.
    pub(crate) fn of(records: &[(&[u8], &[u8])]) -> Result<Option<Sparse>> {
        let (mut name, mut size, mut map, mut version) = (None, None, None, (None, None));
        let (mut offsets, mut lengths) = (Vec::new(), Vec::new());
        for (key, value) in records {
            match key.strip_prefix(b"GNU.sparse.") {
                Some(b"major") => version.0 = Some(number(value)?),
                Some(b"minor") => version.1 = Some(number(value)?),
                Some(b"name") => name = Some(PathBuf::from(std::ffi::OsStr::from_bytes(value))),
                Some(b"size" | b"realsize") => size = Some(number(value)?),
                Some(b"map") => {
                    map = Some(value.split(|b| *b == b',').map(number).collect::<Result<Vec<_>>>()?);
                }
                Some(b"offset") => offsets.push(number(value)?),
                Some(b"numbytes") => lengths.push(number(value)?),
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

    /// Of an entry of the old form, whose map goes on in blocks before the data.
    pub(crate) fn old(header: &tar::Header, stream: &mut impl Read) -> Result<Sparse> {
        let gnu = header.as_gnu().ok_or_else(|| bad("a file with holes has no GNU header"))?;
        let (mut map, mut odd) = (Vec::new(), false);
        let mut add = |pieces: &[tar::GnuSparseHeader]| -> Result<()> {
            for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
                let (offset, length) = (piece.offset()?, piece.length()?);
                // An empty one may follow, to tell where the file ends.
                if odd && length > 0 {
                    return Err(bad("a map of holes with a piece that is no whole block"));
                }
                odd |= length % BLOCK as u64 != 0;
                map.push((offset, length));
            }
            if map.len() > MAP_MAX { Err(too_many(map.len() as u64)) } else { Ok(()) }
        };
        add(&gnu.sparse)?;
        let mut more = gnu.is_extended();
        while more {
            let mut next = tar::GnuExtSparseHeader::new();
            stream.read_exact(next.as_mut_bytes())?;
            add(&next.sparse)?;
            more = next.is_extended();
        }
        Ok(Sparse { name: None, size: gnu.real_size()?, map: Some(map) })
    }

    /// Writes the entry's content to an empty file.
    pub(crate) fn write(self, data: &mut impl Read, file: &mut File) -> Result<()> {
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

fn too_many(pieces: u64) -> Error {
    bad(&format!("a map of holes with {pieces} pieces, {MAP_MAX} are allowed"))
}

/// A number in decimal digits.
pub(crate) fn number(text: &[u8]) -> Result<u64> {
    let text = std::str::from_utf8(text).ok().filter(|t| t.bytes().all(|b| b.is_ascii_digit()));
    text.and_then(|t| t.parse().ok()).ok_or_else(|| bad("no number where one must be"))
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
    if count > MAP_MAX as u64 {
        return Err(too_many(count));
    }
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
pub(crate) fn append(
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
        check("1048577\n0\n0\n", 100, "1048577 pieces");
    }

    #[test]
    fn the_old_form_is_read() {
        let piece = |offset: u64, length: u64| {
            let mut piece = [0; 24];
            piece[..11].copy_from_slice(format!("{offset:011o}").as_bytes());
            piece[12..23].copy_from_slice(format!("{length:011o}").as_bytes());
            piece
        };
        let mut header = tar::Header::new_gnu();
        let gnu = header.as_gnu_mut().unwrap();
        gnu.set_real_size(9000);
        gnu.set_is_extended(true);
        let first = [(0, 512), (1024, 512), (2048, 512), (3072, 512)];
        for (to, (offset, length)) in gnu.sparse.iter_mut().zip(first) {
            to.set_offset(offset);
            to.set_length(length);
        }
        let mut more = [piece(4096, 512), piece(8000, 7), piece(9000, 0)].concat();
        more.resize(BLOCK, 0);
        let check = |more: &[u8], want: std::result::Result<usize, &str>| {
            let got = Sparse::old(&header, &mut &more[..]).map_err(|e| e.to_string());
            match want {
                Ok(pieces) => assert_eq!(got.unwrap().map.unwrap().len(), pieces),
                Err(words) => assert!(got.err().unwrap().contains(words)),
            }
        };
        // A last piece that is empty tells where the file ends.
        check(&more, Ok(7));
        more[48..72].copy_from_slice(&piece(8192, 5));
        check(&more, Err("no whole block"));
        more[24..48].copy_from_slice(&piece(8000, 512));
        check(&more, Ok(7));
        more[48..72].copy_from_slice(&piece(9000, 0));
        check(&more[..100], Err(""));
        // One that never ends.
        more[504] = 1;
        check(&more.repeat(400_000), Err("are allowed"));
    }
}

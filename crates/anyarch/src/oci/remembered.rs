//! What archives hold that were run before, so that the next run of the same file reads none of it.
//!
//! An image's documents are noted in `archives` of the cache, under the archive's path and what of it
//! was asked for. The note counts as long as the kernel says the same of the file: device, inode,
//! size, times of content and inode. The layers themselves are in `layers` ([`super::kept`]); where
//! they are not, the archive is read again.
//!
//! What must stay true: a file that was written after it was read is never taken for the same. Its
//! time is that of the kernel's clock ticks, so a file that was written only just before is not noted.

use super::{Descriptor, Image, Platform};
use crate::failure::{Code, OrFail, Result};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// How long a file must have been as it is. File systems' times are coarse, up to two seconds.
const SETTLED: i64 = 2;

/// An archive, and what of it is asked for.
pub(crate) struct Archive {
    note: PathBuf,
    path: PathBuf,
    /// As it was before it was read.
    state: Value,
    settled: bool,
}

/// What the kernel says of a file.
fn state(path: &Path) -> std::io::Result<(Value, i64)> {
    let m = fs::metadata(path)?;
    let state = json!([m.dev(), m.ino(), m.size(), m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec()]);
    Ok((state, m.ctime()))
}

/// Where notes are.
pub(crate) fn place(cache: &Path) -> PathBuf {
    cache.join("archives")
}

impl Archive {
    /// `None` where the file cannot be looked at: reading it tells why.
    pub(crate) fn look(
        cache: &Path,
        path: &Path,
        tag: Option<&str>,
        wanted: Option<&Platform>,
    ) -> Option<Archive> {
        let path = path.canonicalize().ok()?;
        let (state, changed) = state(&path).ok()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs() as i64;
        let wanted = wanted.map(Platform::to_string);
        let mut name = Sha256::new_with_prefix(path.as_os_str().as_bytes());
        name.update(format!("\0{tag:?}\0{wanted:?}"));
        let name = crate::commands::register::hex(&name.finalize());
        Some(Archive {
            note: place(cache).join(format!("{name}.json")),
            path,
            state,
            settled: changed + SETTLED < now,
        })
    }

    /// The image that it held when it was read, if it is the same file.
    pub(crate) fn recall(&self) -> Option<Image> {
        let note: Value = serde_json::from_slice(&fs::read(&self.note).ok()?).ok()?;
        if note["state"] != self.state {
            return None;
        }
        let layers = note["layers"].as_array()?.iter().map(Descriptor::parse).collect::<Result<_>>().ok()?;
        let manifest = Descriptor::parse(&note["manifest"]).ok()?;
        Some(Image { manifest, config: note["config"].clone(), layers })
    }

    /// Notes what was read, unless the file has changed meanwhile or only just before.
    ///
    /// # Errors
    /// The cache cannot be written.
    pub(crate) fn remember(&self, image: &Image) -> Result<()> {
        if !self.settled || state(&self.path).ok().is_none_or(|(now, _)| now != self.state) {
            return Ok(());
        }
        let what = || format!("cannot write {}", self.note.display());
        let place = super::layout::parent(&self.note);
        fs::create_dir_all(place).or_fail(Code::Failed, what)?;
        let note = json!({
            "path": self.path.display().to_string(),
            "state": self.state,
            "manifest": image.manifest.json(),
            "config": image.config,
            "layers": image.layers.iter().map(Descriptor::json).collect::<Vec<_>>(),
        });
        super::layout::replace(&self.note, note.to_string().as_bytes())
    }
}

/// Removes all notes.
///
/// # Errors
/// They cannot be removed.
pub(crate) fn forget(cache: &Path) -> Result<()> {
    let place = place(cache);
    match fs::remove_dir_all(&place) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).or_fail(Code::Failed, || format!("cannot remove {}", place.display()))
        }
        _ => Ok(()),
    }
}

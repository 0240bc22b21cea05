//! Layers that stay unpacked, so that an image's second run unpacks nothing.
//!
//! A layer is kept in a folder of its own in `layers` of the cache, as the upper folder of an
//! overlay over the layers below it. A run is one more upper folder, over all of them. The folder's
//! name tells what it holds: the layer with those below it, each by the digest of its blob and that
//! of its content ([`chain`]), and the ids that its files have. Both digests count: who has a
//! layer's blob may see its content, and nobody else.
//!
//! What must stay true:
//! - A layer has its name only when it is complete and on the disk. It is made in a folder `new-*`,
//!   whose maker holds its lock; who finds such a folder without a maker removes it.
//! - A layer in use stays. A run writes the names of its layers into its own folder, which it has
//!   locked, before it looks for them; who removes layers reads these lists. Both do so under the
//!   lock of `layers`.
//! - One process at a time makes layers (the lock `making`): a second run waits for the first
//!   one's, and does not unpack the same once more.
//! - Whoever makes or mounts one is a child with a mount namespace of its own, and with the ids
//!   that the files get where we are not root.

use super::unpack::{How, prepare, remove, unpack_layer};
use super::{Image, Layout};
use crate::commands::image::lock_cache;
use crate::commands::run::{lock_root, remove_root};
use crate::failure::{Code, OrFail, Result};
use crate::sandbox::{self, overlay};
use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, Timespec, Timestamps};
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::thread::UnshareFlags;
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;
use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The file with the names of a run's layers, in the run's folder.
pub(crate) const LIST: &str = "layers";

/// A layer that no run has used for so long is removed when another one is made.
const UNUSED: Duration = Duration::from_secs(30 * 24 * 3600);

/// Where layers are kept.
pub(crate) fn place(cache: &Path) -> PathBuf {
    cache.join("layers")
}

/// What names an image's layers, from the bottom up; `None` where the configuration does not give
/// the digest of each, or there is none.
pub(crate) fn chain(image: &Image) -> Option<Vec<String>> {
    let diff_ids = image.diff_ids();
    if image.layers.is_empty() || diff_ids.len() != image.layers.len() {
        return None;
    }
    let mut below = String::new();
    let mut link = |(layer, diff_id): (&super::Descriptor, &String)| {
        let text = format!("{below}\n{diff_id}\n{}\n", layer.digest);
        below = crate::commands::register::hex(&Sha256::digest(text));
        below.clone()
    };
    Some(image.layers.iter().zip(&diff_ids).map(&mut link).collect())
}

/// Who makes a root: the cache, the run's own folder, and the namespace with the ids of the files
/// where we are not root.
pub(crate) struct Run<'a> {
    /// Of layers and runs.
    pub cache: &'a Path,
    /// The run's, which it has locked.
    pub folder: &'a Path,
    /// The ids.
    pub namespace: Option<&'a OwnedFd>,
}

impl Run<'_> {
    /// The root of an image over its kept layers, which are made where they are missing: a mount
    /// that belongs to the descriptor. `None` where no overlay can be, or where layers are missing
    /// and there is nothing that they could be made of.
    ///
    /// # Errors
    /// A layer is damaged, or cannot be unpacked.
    pub(crate) fn root(&self, layout: Option<&Layout>, image: &Image, how: &How) -> Result<Option<OwnedFd>> {
        let Some(chain) = chain(image) else { return Ok(None) };
        sandbox::make_mount(self.namespace, || {
            let own = sandbox::unshare(UnshareFlags::NEWNS).and_then(|()| {
                mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE)
            });
            if let Err(error) = own {
                detail!("layers are not kept: no mount namespace can be made ({error})");
                return Ok(None);
            }
            self.mount(layout, image, how, &chain)
        })
    }

    fn mount(
        &self,
        layout: Option<&Layout>,
        image: &Image,
        how: &How,
        chain: &[String],
    ) -> Result<Option<OwnedFd>> {
        let place = place(self.cache);
        let what = || format!("cannot keep layers in {}", place.display());
        fs::create_dir_all(&place).or_fail(Code::NotStarted, what)?;
        let ids = ids(how);
        let names: Vec<String> = chain.iter().map(|link| format!("{link}-{ids}")).collect();
        {
            let _all = lock_cache(&place)?;
            fs::write(self.folder.join(LIST), names.join("\n")).or_fail(Code::NotStarted, what)?;
        }
        let layers: Vec<PathBuf> = names.iter().map(|name| place.join(name).join("root")).collect();
        if layers.iter().any(|layer| !layer.exists()) {
            match layout {
                Some(layout) if self.make(layout, image, how, &layers)? => {}
                _ => return Ok(None),
            }
        }
        for name in &names {
            used(&place.join(name));
        }
        let (upper, work) = (self.folder.join("root"), self.folder.join("work"));
        for folder in [&upper, &work] {
            fs::create_dir(folder).or_fail(Code::NotStarted, what)?;
        }
        let open = open(&upper).and_then(|upper| prepare(&upper, how.range));
        open.or_fail(Code::NotStarted, what)?;
        match overlay::mount(&layers, &upper, &work, self.folder) {
            Ok(tree) => Ok(Some(tree)),
            Err(error) => {
                detail!("the layers cannot be mounted ({error}): they are unpacked for this run alone");
                Ok(None)
            }
        }
    }

    /// Makes what is missing; false where no overlay can be.
    fn make(&self, layout: &Layout, image: &Image, how: &How, layers: &[PathBuf]) -> Result<bool> {
        let place = place(self.cache);
        let what = || format!("cannot keep layers in {}", place.display());
        let making = File::create(place.join("making")).or_fail(Code::NotStarted, what)?;
        if rustix::fs::flock(&making, FlockOperation::NonBlockingLockExclusive).is_err() {
            detail!("another anyarch unpacks layers: waiting for it");
            let _waiting =
                super::progress::Waiting::begin("waiting for another anyarch, which unpacks layers");
            rustix::fs::flock(&making, FlockOperation::LockExclusive).or_fail(Code::NotStarted, what)?;
        }
        if let Err(failure) = remove_old(self.cache) {
            detail!("{failure}");
        }
        let new = New::within(&place)?;
        if let Err(error) = overlay::probe(&new.folder) {
            detail!("layers are not kept: no overlay in {} ({error})", place.display());
            return Ok(false);
        }
        drop(new);
        let diff_ids = image.diff_ids();
        for (i, layer) in image.layers.iter().enumerate() {
            if layers[i].exists() {
                continue;
            }
            let _waiting = super::progress::Waiting::begin(&format!(
                "unpacking layer {} of {}",
                i + 1,
                image.layers.len()
            ));
            let new = New::within(&place)?;
            let (root, work) = (new.folder.join("root"), new.folder.join("work"));
            fs::create_dir(&root).or_fail(Code::NotStarted, what)?;
            let upper = open(&root).or_fail(Code::NotStarted, what)?;
            prepare(&upper, how.range).or_fail(Code::NotStarted, what)?;
            let tree = if i == 0 {
                upper
            } else {
                fs::create_dir(&work).or_fail(Code::NotStarted, what)?;
                match overlay::mount(&layers[..i], &root, &work, &new.folder) {
                    Ok(tree) => tree,
                    Err(error) => {
                        detail!("layers are not kept: {error}");
                        return Ok(false);
                    }
                }
            };
            unpack_layer(layout, layer, Some(&diff_ids[i]), tree.as_fd(), how)?;
            drop(tree);
            new.keep(super::layout::parent(&layers[i])).or_fail(Code::NotStarted, what)?;
        }
        Ok(true)
    }
}

/// A layer that is being made.
struct New {
    folder: PathBuf,
    lock: File,
    kept: bool,
}

impl New {
    fn within(place: &Path) -> Result<New> {
        let what = || format!("cannot make a folder in {}", place.display());
        let _all = lock_cache(place)?;
        let folder = tempfile::Builder::new().prefix("new-").tempdir_in(place);
        let folder = folder.or_fail(Code::NotStarted, what)?.keep();
        let lock = lock_root(&folder).or_fail(Code::NotStarted, what)?;
        Ok(New { folder, lock, kept: false })
    }

    /// Gives it its name, once all of it is on the disk.
    fn keep(mut self, name: &Path) -> std::io::Result<()> {
        let folder = File::open(&self.folder)?;
        remove(&OwnedFd::from(folder.try_clone()?), Path::new("work"))?;
        rustix::fs::syncfs(&folder)?;
        fs::rename(&self.folder, name)?;
        File::open(super::layout::parent(name))?.sync_all()?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for New {
    fn drop(&mut self) {
        if !self.kept
            && let Err(failure) = empty(&self.folder)
        {
            detail!("{failure}");
        }
        let _ = rustix::fs::flock(&self.lock, FlockOperation::Unlock);
    }
}

/// Removes a folder of this file's with all in it; the caller has the ids of what it holds.
fn empty(folder: &Path) -> Result<()> {
    let what = || format!("cannot remove {}", folder.display());
    let parent = open(super::layout::parent(folder)).or_fail(Code::Failed, what)?;
    remove(&parent, Path::new(folder.file_name().unwrap_or_default())).or_fail(Code::Failed, what)
}

fn open(folder: &Path) -> rustix::io::Result<OwnedFd> {
    rustix::fs::open(folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// Notes that a layer is in use now. A cache that cannot be written is used all the same.
fn used(folder: &Path) {
    let now = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
    let times = Timestamps { last_access: now, last_modification: now };
    let _ = rustix::fs::utimensat(CWD, folder, &times, AtFlags::empty());
}

/// Stands for the ids that files have on the disk: those of this namespace, and the range.
fn ids(how: &How) -> String {
    let map = |kind: &str| fs::read_to_string(format!("/proc/self/{kind}_map")).unwrap_or_default();
    let text = format!("{:?}\n{}{}", how.range, map("uid"), map("gid"));
    crate::commands::register::hex(&Sha256::digest(text))[..16].to_string()
}

/// Removes layers that no run uses, `unless` something else speaks for one; their number.
fn remove_unless(cache: &Path, unless: impl Fn(&Path, &str) -> bool) -> Result<usize> {
    let place = place(cache);
    if !place.exists() {
        return Ok(0);
    }
    let gone: Vec<(PathBuf, File)> = {
        let _all = lock_cache(&place)?;
        let used = in_use(cache);
        let list =
            fs::read_dir(&place).or_fail(Code::Failed, || format!("cannot read {}", place.display()))?;
        let is_layer = |name: &str| name.len() == 64 + 1 + 16 && name.as_bytes()[64] == b'-';
        let names = list.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let names = names.filter(|n| is_layer(n) && !used.contains(n) && !unless(&place.join(n), &n[..64]));
        // Nobody finds them any more; they are removed when others can go on.
        let rename = |name: String| {
            let new = place.join(format!("new-{name}"));
            let lock = lock_root(&place.join(&name)).ok()?;
            fs::rename(place.join(&name), &new).ok()?;
            Some((new, lock))
        };
        names.filter_map(rename).collect()
    };
    for (folder, _lock) in &gone {
        remove_root(folder)?;
    }
    Ok(gone.len())
}

/// The names of the layers that runs have; runs that were killed count for nothing.
fn in_use(cache: &Path) -> HashSet<String> {
    let runs = fs::read_dir(cache.join("roots")).into_iter().flatten().flatten().map(|entry| entry.path());
    // A lock that can be taken is nobody's.
    let lists =
        runs.filter(|run| lock_root(run).is_err()).filter_map(|run| fs::read_to_string(run.join(LIST)).ok());
    lists.flat_map(|list| list.lines().map(str::to_string).collect::<Vec<_>>()).collect()
}

/// For `image prune`: removes the layers of images that are no more in the cache, or all; those of
/// runs stay.
///
/// # Errors
/// They cannot be removed.
pub(crate) fn prune(cache: &Path, all: bool) -> Result<usize> {
    let mut wanted = HashSet::new();
    if !all && let Some(layout) = Layout::open(&cache.join("images")).ok().flatten() {
        let images = layout.manifests(None).unwrap_or_default();
        for image in images.iter().filter_map(|manifest| layout.read_image(manifest).ok()) {
            wanted.extend(chain(&image).unwrap_or_default());
        }
    }
    remove_unless(cache, |_, link| wanted.contains(link))
}

/// Removes what was not used for long.
fn remove_old(cache: &Path) -> Result<usize> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs() as i64);
    let fresh = |folder: &Path, _: &str| {
        fs::metadata(folder).map_or(true, |meta| now - meta.mtime() < UNUSED.as_secs() as i64)
    };
    remove_unless(cache, fresh).inspect(|count| {
        if *count > 0 {
            detail!("removed {count} layers that were not used for 30 days");
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Descriptor, Digest, media};
    use super::*;
    use serde_json::json;

    #[test]
    fn chains_name_what_lies_below_as_well() {
        let image = |layers: &[(&str, &str)]| {
            let blob = |(blob, _): &(&str, &str)| Descriptor {
                media_type: media::LAYER_GZIP.into(),
                digest: Digest::of(blob.as_bytes()),
                size: 1,
                platform: None,
                annotations: json!(null),
            };
            let ids: Vec<_> = layers.iter().map(|(_, content)| content).collect();
            Image {
                manifest: blob(&("m", "")),
                config: json!({ "rootfs": { "diff_ids": ids } }),
                layers: layers.iter().map(blob).collect(),
            }
        };
        let names = |layers: &[(&str, &str)]| chain(&image(layers)).unwrap();
        let base = names(&[("a", "A"), ("b", "B")]);
        assert_eq!(names(&[("a", "A"), ("b", "B"), ("c", "C")])[..2], base);
        assert_eq!(names(&[("a", "A")]), base[..1]);
        for other in [[("b", "B"), ("a", "A")], [("a", "A"), ("x", "B")], [("a", "A"), ("b", "X")]] {
            assert_ne!(names(&other)[1], base[1], "{other:?}");
        }
        // Others below make another layer.
        assert_ne!(names(&[("x", "A"), ("b", "B")])[1], base[1]);
        let mut short = image(&[("a", "A"), ("b", "B")]);
        short.config = json!({ "rootfs": { "diff_ids": ["A"] } });
        assert!(chain(&short).is_none() && chain(&image(&[])).is_none());
    }
}

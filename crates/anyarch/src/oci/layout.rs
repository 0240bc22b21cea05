//! A folder of blobs: the OCI image layout, and archives turned into one.

use super::archive::Archive;
use super::progress::Waiting;
use super::{
    Descriptor, Digest, Image, MAX_DOCUMENT, MAX_INDEXES, Platform, choose, copy_hashing, document, media,
};
use crate::failure::{Code, OrFail, Result, fail};
use crate::temporary::{Folder, NewFile};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

/// The annotation of what was pulled, in the index of the folder of pulled images.
const PULLED_AS: &str = "anyarch.pulled-as";

/// An OCI image layout.
pub struct Layout {
    dir: PathBuf,
    /// Removes an archive's unpacked form.
    _temporary: Option<Folder>,
}

impl Layout {
    /// Opens what a path names: a layout folder, an OCI archive or a docker archive. `None` where
    /// it is a folder without `oci-layout`: a root file system.
    pub fn open(path: &Path) -> Result<Option<Layout>> {
        if path.is_dir() {
            let is_layout = path.join("oci-layout").is_file() && path.join("index.json").is_file();
            return Ok(is_layout.then(|| Layout { dir: path.to_path_buf(), _temporary: None }));
        }
        Layout::of_archive(path).map(Some)
    }

    /// A new, empty one in a folder that is there, or the one that is there.
    pub fn create(dir: &Path) -> Result<Layout> {
        make_below(dir, Path::new("blobs/sha256"))
            .or_fail(Code::Failed, || format!("cannot make {}", dir.display()))?;
        let mark = dir.join("oci-layout");
        if !mark.is_file() {
            replace(&mark, b"{\"imageLayoutVersion\":\"1.0.0\"}")?;
        }
        Ok(Layout { dir: dir.to_path_buf(), _temporary: None })
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Reads an archive into a temporary layout.
    fn of_archive(path: &Path) -> Result<Layout> {
        let what = || format!("cannot read the archive {}", path.display());
        let file = File::open(path).or_fail(Code::Image, what)?;
        let _waiting = Waiting::begin(&format!("reading {}", path.display()));
        let temporary = Folder::within(&std::env::temp_dir())
            .or_fail(Code::Failed, || "cannot make a temporary folder".into())?;
        let raw = temporary.path().join("raw");
        fs::create_dir(&raw).or_fail(Code::Failed, what)?;
        let mut archive = Archive::new(super::decompress(file)?);
        while let Some(entry) = archive.next_entry().or_fail(Code::Image, what)? {
            let name = entry.name;
            let sound = name.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
            if !sound {
                fail!(
                    Code::Image,
                    "the archive {} has the name {}, which leads out of it",
                    path.display(),
                    name.display()
                );
            }
            let to = raw.join(&name);
            match entry.kind {
                tar::EntryType::Regular | tar::EntryType::Continuous | tar::EntryType::GNUSparse => {
                    make_below(&raw, name.parent().unwrap_or(Path::new(""))).or_fail(Code::Failed, what)?;
                    let mut out = File::create(&to)
                        .or_fail(Code::Failed, || format!("cannot write {}", to.display()))?;
                    let written = match entry.sparse {
                        Some(sparse) => sparse.write(&mut archive, &mut out),
                        None => std::io::copy(&mut archive, &mut out).map(drop),
                    };
                    written.or_fail(Code::Image, what)?;
                }
                tar::EntryType::Directory => make_below(&raw, &name).or_fail(Code::Failed, what)?,
                // docker save links equal layers to each other; always within the archive.
                tar::EntryType::Symlink | tar::EntryType::Link => {
                    let base = if entry.kind == tar::EntryType::Link {
                        Path::new("")
                    } else {
                        name.parent().unwrap_or(Path::new(""))
                    };
                    let target = normal(&base.join(entry.link));
                    let Some(target) = target else {
                        fail!(
                            Code::Image,
                            "the archive {} has a link {} out of it",
                            path.display(),
                            name.display()
                        );
                    };
                    if fs::copy(raw.join(&target), &to).is_err() {
                        fail!(
                            Code::Image,
                            "the archive {} has a link {} to {}, which it lacks",
                            path.display(),
                            name.display(),
                            target.display()
                        );
                    }
                }
                _ => {}
            }
        }
        if raw.join("oci-layout").is_file() {
            return Ok(Layout { dir: raw, _temporary: Some(temporary) });
        }
        if !raw.join("manifest.json").is_file() {
            fail!(
                Code::Image,
                "{} is neither an OCI archive (oci-layout) nor a docker archive (manifest.json)",
                path.display()
            );
        }
        let mut layout = Layout::create(&temporary.path().join("layout"))?;
        layout.take_docker(&raw)?;
        layout._temporary = Some(temporary);
        Ok(layout)
    }

    /// Turns the unpacked `docker save` into blobs, manifests and an index.
    fn take_docker(&self, raw: &Path) -> Result<()> {
        let list = document(&read_limited(&raw.join("manifest.json"))?, "manifest.json")?;
        let mut manifests = Vec::new();
        for item in list.as_array().into_iter().flatten() {
            let inside = |name: &Value| match normal(Path::new(name.as_str().unwrap_or(""))) {
                Some(path) => Ok(raw.join(path)),
                None => fail!(Code::Image, "manifest.json names {name}, which leads out of the archive"),
            };
            let config = self.add_file(&inside(&item["Config"])?, media::CONFIG)?;
            let mut layers = Vec::new();
            for layer in item["Layers"].as_array().into_iter().flatten() {
                let mut d = self.add_file(&inside(layer)?, "")?;
                let mut first = [0; 2];
                let _ = self.blob(&d.digest)?.read(&mut first);
                d.media_type = if first == [0x1f, 0x8b] {
                    media::LAYER_GZIP.into()
                } else {
                    "application/vnd.oci.image.layer.v1.tar".into()
                };
                layers.push(d.json());
            }
            let manifest = json!({ "schemaVersion": 2, "mediaType": media::MANIFEST, "config": config.json(), "layers": layers });
            let mut d = self.add(manifest.to_string().as_bytes(), media::MANIFEST)?;
            d.platform = Some(Platform::parse(&document(&self.bytes(&config)?, "the configuration")?));
            if let Some(tag) = item["RepoTags"][0].as_str() {
                d.annotations = json!({ "org.opencontainers.image.ref.name": tag });
            }
            manifests.push(d);
        }
        self.write_index(&manifests)
    }

    /// Adds a blob.
    pub fn add(&self, bytes: &[u8], media_type: &str) -> Result<Descriptor> {
        let digest = Digest::of(bytes);
        replace(&self.path(&digest), bytes)?;
        Ok(Descriptor {
            media_type: media_type.into(),
            digest,
            size: bytes.len() as u64,
            platform: None,
            annotations: Value::Null,
        })
    }

    fn add_file(&self, path: &Path, media_type: &str) -> Result<Descriptor> {
        let mut file = File::open(path).or_fail(Code::Image, || {
            format!("the archive lacks {}", path.file_name().unwrap_or_default().to_string_lossy())
        })?;
        let what = || "cannot write a blob".to_string();
        let mut new = NewFile::within(&self.dir.join("blobs/sha256")).or_fail(Code::Failed, what)?;
        let (digest, size) = copy_hashing(&mut file, &mut new, |_| {}).or_fail(Code::Failed, what)?;
        // Not for long: it need not be on the disk.
        new.persist(&self.path(&digest)).or_fail(Code::Failed, what)?;
        Ok(Descriptor {
            media_type: media_type.into(),
            digest,
            size,
            platform: None,
            annotations: Value::Null,
        })
    }

    /// Where a blob lies.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.dir.join("blobs/sha256").join(digest.hex())
    }

    /// Opens a blob, unverified.
    pub fn blob(&self, digest: &Digest) -> Result<File> {
        open_file(&self.path(digest)).or_fail(Code::Image, || format!("the image lacks the blob {digest}"))
    }

    /// Whether a blob is there and sound.
    pub fn verify(&self, d: &Descriptor) -> Result<()> {
        let mut file = self.blob(&d.digest)?;
        copy_verified(&mut file, &mut std::io::sink(), d)
    }

    /// Takes a blob of another layout, unless a sound one is there. The other one may be the same
    /// folder.
    pub fn take(&self, from: &Layout, d: &Descriptor) -> Result<()> {
        if self.path(&d.digest).exists() && self.verify(d).is_ok() {
            return Ok(());
        }
        let path = self.path(&d.digest);
        let mut new = beside(&path)?;
        copy_verified(&mut from.blob(&d.digest)?, &mut new, d)?;
        put(new, &path)
    }

    /// Moves what this layout has to `dir`, as a new folder or into the layout that is there, whose
    /// index is then this one. Both must be of one file system; until the last step, `dir` is as it
    /// was but for blobs that nothing names.
    pub(crate) fn publish(self, dir: &Path, manifests: &[Descriptor]) -> Result<()> {
        let what = || format!("cannot write {}", dir.display());
        if !dir.exists() {
            self.write_index(manifests)?;
            fs::rename(&self.dir, dir).or_fail(Code::Failed, what)?;
            return sync(parent(dir)).or_fail(Code::Failed, what);
        }
        let to = Layout::create(dir)?;
        let blobs = to.dir.join("blobs/sha256");
        for blob in fs::read_dir(self.dir.join("blobs/sha256")).or_fail(Code::Failed, what)? {
            let blob = blob.or_fail(Code::Failed, what)?;
            fs::rename(blob.path(), blobs.join(blob.file_name())).or_fail(Code::Failed, what)?;
        }
        sync(&blobs).or_fail(Code::Failed, what)?;
        to.write_index(manifests)
    }

    /// A document's bytes, verified.
    pub fn bytes(&self, d: &Descriptor) -> Result<Vec<u8>> {
        let bytes = read_limited(&self.path(&d.digest))?;
        let have = Digest::of(&bytes);
        if have != d.digest {
            fail!(Code::Image, "the blob {} is corrupted: its content has the digest {have}", d.digest);
        }
        Ok(bytes)
    }

    /// The manifests named by `index.json`.
    pub fn index(&self) -> Result<Vec<Descriptor>> {
        let value = document(&read_limited(&self.dir.join("index.json"))?, "index.json")?;
        value["manifests"].as_array().into_iter().flatten().map(Descriptor::parse).collect()
    }

    /// Writes `index.json`.
    pub fn write_index(&self, manifests: &[Descriptor]) -> Result<()> {
        let list: Vec<_> = manifests.iter().map(Descriptor::json).collect();
        let value = json!({ "schemaVersion": 2, "mediaType": media::INDEX, "manifests": list });
        replace(&self.dir.join("index.json"), value.to_string().as_bytes())
    }

    /// Notes under which name an image was pulled, in the place of what had the name before.
    pub fn remember(&self, name: &str, manifest: &Descriptor) -> Result<()> {
        let mut list = if self.dir.join("index.json").exists() { self.index()? } else { Vec::new() };
        let named = |d: &Descriptor| d.annotations[PULLED_AS] == name;
        if list.iter().any(|d| named(d) && d.digest == manifest.digest) {
            return Ok(());
        }
        list.retain(|d| !named(d));
        let mut entry = manifest.clone();
        entry.annotations = json!({ PULLED_AS: name });
        list.push(entry);
        self.write_index(&list)
    }

    /// What was pulled under a name, if all of it is still there.
    pub(crate) fn recall(&self, name: &str) -> Option<Descriptor> {
        let mut entry = self.index().ok()?.into_iter().find(|d| d.annotations[PULLED_AS] == name)?;
        entry.annotations = Value::Null;
        let image = self.read_image(&entry).ok()?;
        image.layers.iter().all(|l| self.path(&l.digest).exists()).then_some(entry)
    }

    /// All manifests, indexes within the index followed.
    pub fn manifests(&self, tag: Option<&str>) -> Result<Vec<Descriptor>> {
        let mut top = self.index()?;
        if let Some(tag) = tag {
            let name = |d: &Descriptor| {
                d.annotations["org.opencontainers.image.ref.name"].as_str().map(str::to_string)
            };
            top.retain(|d| name(d).as_deref() == Some(tag));
            if top.is_empty() {
                let have: Vec<_> = self.index()?.iter().filter_map(name).collect();
                fail!(Code::Image, "the layout has no tag {tag}; it has {}", have.join(", "));
            }
        }
        let mut list = Vec::new();
        for d in top {
            self.leaves(d, &mut 0, &mut list)?;
        }
        Ok(list)
    }

    /// A manifest, or those of an index and of the indexes within it.
    fn leaves(&self, d: Descriptor, seen: &mut usize, list: &mut Vec<Descriptor>) -> Result<()> {
        if !d.is_index() {
            list.push(d);
            return Ok(());
        }
        *seen += 1;
        if *seen > MAX_INDEXES {
            fail!(Code::Image, "the image has more than {MAX_INDEXES} indexes: refused");
        }
        let value = document(&self.bytes(&d)?, "an index")?;
        for item in value["manifests"].as_array().into_iter().flatten() {
            let inner = Descriptor::parse(item)?;
            // A copy of one platform leaves the others out.
            if self.path(&inner.digest).exists() {
                self.leaves(inner, seen, list)?;
            }
        }
        Ok(())
    }

    /// The image for a platform.
    pub fn image(&self, wanted: Option<&Platform>, tag: Option<&str>) -> Result<Image> {
        let mut manifests = self.manifests(tag)?;
        for d in &mut manifests {
            // skopeo leaves the platform out where there is one image.
            if d.platform.is_none() {
                d.platform = self.read_image(d).ok().map(|i| i.platform());
            }
        }
        self.read_image(choose(&manifests, wanted)?)
    }

    /// The image of a manifest.
    pub fn read_image(&self, manifest: &Descriptor) -> Result<Image> {
        let value = document(&self.bytes(manifest)?, "the manifest")?;
        let config = Descriptor::parse(&value["config"])?;
        let layers =
            value["layers"].as_array().into_iter().flatten().map(Descriptor::parse).collect::<Result<_>>()?;
        Ok(Image {
            manifest: manifest.clone(),
            config: document(&self.bytes(&config)?, "the configuration")?,
            layers,
        })
    }
}

/// Copies a blob; a failure where it is not what its descriptor says.
fn copy_verified(from: &mut File, to: &mut dyn std::io::Write, d: &Descriptor) -> Result<()> {
    let (have, size) = copy_hashing(from, to, |_| {})
        .or_fail(Code::Image, || format!("cannot copy the blob {}", d.digest))?;
    if have != d.digest {
        fail!(Code::Image, "the blob {} is corrupted: its content has the digest {have}", d.digest);
    }
    if d.size != 0 && d.size != size {
        fail!(Code::Image, "the blob {} has {size} bytes where its descriptor says {}", d.digest, d.size);
    }
    Ok(())
}

/// The folder that a path is in.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes a folder, if it is missing, and those of a path in it. The one that it is in is not made:
/// what a signal has removed ([`crate::temporary`]) stays away.
fn make_below(folder: &Path, path: &Path) -> std::io::Result<()> {
    let mut at = folder.to_path_buf();
    let names = path.components().filter(|c| matches!(c, Component::Normal(_))).map(Some);
    for name in std::iter::once(None).chain(names) {
        at.extend(name);
        match fs::create_dir(&at) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && at.is_dir() => {}
            other => other?,
        }
    }
    Ok(())
}

/// Has a folder's names on the disk.
fn sync(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

/// A file without a name of its own beside its place.
pub(crate) fn beside(file: &Path) -> Result<NewFile> {
    let folder = parent(file);
    NewFile::within(folder).or_fail(Code::Failed, || format!("cannot write in {}", folder.display()))
}

/// Puts it at its place: who reads there sees the old file or the new one, whole, also after a
/// crash.
pub(crate) fn put(new: NewFile, file: &Path) -> Result<()> {
    let what = || format!("cannot write {}", file.display());
    new.as_file().sync_all().or_fail(Code::Failed, what)?;
    new.persist(file).or_fail(Code::Failed, what)?;
    sync(parent(file)).or_fail(Code::Failed, what)
}

/// Writes a file whole or not at all.
pub(crate) fn replace(file: &Path, bytes: &[u8]) -> Result<()> {
    let mut new = beside(file)?;
    new.write_all(bytes).or_fail(Code::Failed, || format!("cannot write {}", file.display()))?;
    put(new, file)
}

/// Opens a file and nothing else: a folder from strangers may have a pipe, on which we would wait,
/// or a link to a device without an end in its place.
fn open_file(path: &Path) -> std::io::Result<File> {
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other("it is no file"));
    }
    Ok(file)
}

fn read_limited(path: &Path) -> Result<Vec<u8>> {
    let what = || format!("cannot read {}", path.file_name().unwrap_or_default().to_string_lossy());
    let mut bytes = Vec::new();
    open_file(path)
        .or_fail(Code::Image, what)?
        .take(MAX_DOCUMENT + 1)
        .read_to_end(&mut bytes)
        .or_fail(Code::Image, what)?;
    if bytes.len() as u64 > MAX_DOCUMENT {
        fail!(Code::Image, "{} is larger than {MAX_DOCUMENT} bytes", path.display());
    }
    Ok(bytes)
}

/// Without `.` and `..`; `None` where it leads out.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut out = PathBuf::new();
    for c in path.components() {
        match c {
            Component::Normal(n) => out.push(n),
            Component::CurDir => {}
            Component::ParentDir if out.pop() => {}
            _ => return None,
        }
    }
    (!out.as_os_str().is_empty()).then_some(out)
}

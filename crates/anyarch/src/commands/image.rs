//! `image`: looks at, copies and unpacks images without a container engine; `image build` has a file
//! of its own. Where the other commands find their images.

use crate::commands::bundle;
use crate::failure::{Code, Failure, OrFail, Result, fail};
use crate::oci::registry::{self, Client, Reference};
use crate::oci::remembered::{self, Archive};
use crate::oci::unpack::{self, How};
use crate::oci::{Descriptor, Digest, Image, Layout, Platform, document, kept, layout, media, write};
use crate::temporary::{self, Entry, Folder};
use crate::ui::{self, plain};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Where pulled blobs and unpacked roots are kept.
pub(crate) fn cache_dir() -> Result<PathBuf> {
    let var = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    match var("XDG_CACHE_HOME").or_else(|| var("HOME").map(|h| h.join(".cache"))) {
        Some(dir) => Ok(dir.join("anyarch")),
        None => Err(Failure::new(
            Code::Failed,
            "there is no folder for a cache: neither HOME nor XDG_CACHE_HOME is set",
        )
        .mend("export HOME=...")),
    }
}

/// What a word of the command line names.
pub(crate) enum Found {
    /// A root file system: the folder of that name.
    Root,
    /// An image, and where its blobs are.
    Image(Box<Layout>, Box<Image>),
}

/// When a registry is asked for an image (docker's and podman's `--pull`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Pull {
    /// Each time.
    #[default]
    Always,
    /// Where it was not pulled before under this name.
    Missing,
    /// Not at all.
    Never,
}

/// A folder (root or layout), an archive, a layout with a tag (`DIR:TAG`), or a reference that is
/// pulled.
pub(crate) fn find(target: &str, platform: Option<&str>, when: Pull) -> Result<Found> {
    let wanted = platform.map(Platform::of_words).transpose()?;
    let bare = PATHS.iter().find_map(|p| target.strip_prefix(p)).unwrap_or(target);
    let (path, tag) = split_tag(bare);
    if Path::new(path).exists() {
        return match Layout::open(Path::new(path))? {
            None => Ok(Found::Root),
            Some(layout) => {
                let image = layout.image(wanted.as_ref(), tag)?;
                Ok(Found::Image(Box::new(layout), Box::new(image)))
            }
        };
    }
    let reference = reference(target)?;
    let (layout, manifest) = pull(&reference, wanted.as_ref(), when)?;
    let image = layout.read_image(&manifest)?;
    Ok(Found::Image(Box::new(layout), Box::new(image)))
}

/// The archive that a word names, with what was noted of it; `None` where it is something else.
pub(crate) fn archive(target: &str, platform: Option<&str>) -> Result<Option<Archive>> {
    let wanted = platform.map(Platform::of_words).transpose()?;
    let bare = PATHS.iter().find_map(|p| target.strip_prefix(p)).unwrap_or(target);
    let (path, tag) = split_tag(bare);
    let path = Path::new(path);
    Ok(if path.is_file() { Archive::look(&cache_dir()?, path, tag, wanted.as_ref()) } else { None })
}

/// The name of a registry's image. What can only be a path is none: it does not exist.
fn reference(target: &str) -> Result<Reference> {
    let path = PATHS.iter().find_map(|p| target.strip_prefix(p));
    let is_path = target.starts_with(['/', '.', '~']) || target.ends_with('/') || target.ends_with(".tar");
    if path.is_some() || is_path {
        fail!(Code::Image, "{} does not exist", path.unwrap_or(target));
    }
    Reference::parse(target.strip_prefix("docker://").unwrap_or(target))
}

/// What skopeo puts in front of paths.
const PATHS: [&str; 4] = ["oci:", "oci-archive:", "docker-archive:", "dir:"];

/// The platforms of what a word names, in its order, each once.
pub(crate) fn platforms(target: &str) -> Result<Vec<Platform>> {
    let bare = PATHS.iter().find_map(|p| target.strip_prefix(p)).unwrap_or(target);
    let (path, tag) = split_tag(bare);
    let mut list = Vec::new();
    if Path::new(path).exists() {
        let layout = layout_of(path)?;
        for d in layout.manifests(tag)? {
            list.push(match d.platform {
                Some(platform) => platform,
                None => layout.read_image(&d)?.platform(),
            });
        }
    } else {
        let reference = reference(target)?;
        match Client::pull(&reference)?.platforms()? {
            Some(several) => list = several,
            None => {
                let (layout, manifest) = pull(&reference, None, Pull::Always)?;
                list.push(layout.read_image(&manifest)?.platform());
            }
        }
    }
    // Attestations are of platform unknown/unknown.
    list.retain(|p| p.os != "unknown");
    let mut seen: Vec<Platform> = Vec::new();
    list.retain(|p| !seen.contains(p) && (seen.push(p.clone()), true).1);
    Ok(list)
}

/// `DIR:TAG` where `DIR` exists and the whole does not.
fn split_tag(bare: &str) -> (&str, Option<&str>) {
    match bare.rsplit_once(':') {
        Some((path, tag)) if !Path::new(bare).exists() && Path::new(path).exists() => (path, Some(tag)),
        _ => (bare, None),
    }
}

/// Into the cache, one pull at a time.
fn pull(reference: &Reference, wanted: Option<&Platform>, when: Pull) -> Result<(Layout, Descriptor)> {
    let dir = cache_dir()?.join("images");
    if when != Pull::Always {
        let layout = Layout::open(&dir).ok().flatten();
        let name = registry::pulled_as(reference, wanted);
        let there = layout.and_then(|layout| layout.recall(&name).map(|manifest| (layout, manifest)));
        if let Some(there) = there {
            detail!("{name} is the image that was pulled before");
            return Ok(there);
        }
        if when == Pull::Never {
            return Err(Failure::new(Code::Image, format!("{name} was not pulled before"))
                .mend("leave out --pull never"));
        }
    }
    fs::create_dir_all(&dir).or_fail(Code::Failed, || format!("cannot make {}", dir.display()))?;
    let _lock = lock_cache(&dir)?;
    let layout = Layout::create(&dir)?;
    let manifest = Client::pull(reference)?.pull_image(&layout, wanted)?;
    Ok((layout, manifest))
}

/// `image inspect`: what `buildx imagetools inspect` prints.
pub(crate) fn inspect(target: &str, raw: bool, as_json: bool) -> Result<u8> {
    let (name, top, bytes) = if Path::new(target).exists() {
        let layout = layout_of(target)?;
        let list = layout.index()?;
        if list.len() != 1 {
            let value = json!({ "manifests": list.iter().map(Descriptor::json).collect::<Vec<_>>() });
            let bytes = fs::read(layout.dir().join("index.json"))
                .or_fail(Code::Image, || "cannot read index.json".into())?;
            let d = Descriptor {
                media_type: media::INDEX.into(),
                digest: Digest::of(&bytes),
                size: bytes.len() as u64,
                platform: None,
                annotations: Value::Null,
            };
            (target.to_string(), d, if raw { bytes } else { value.to_string().into_bytes() })
        } else {
            let bytes = layout.bytes(&list[0])?;
            (target.to_string(), list[0].clone(), bytes)
        }
    } else {
        let reference = reference(target)?;
        let (d, bytes) = Client::pull(&reference)?.top()?;
        (reference.to_string(), d, bytes)
    };
    if raw {
        // Byte by byte, so that its digest can be taken.
        ui::out_bytes(&bytes).or_fail(Code::Failed, || "cannot write".into())?;
        return Ok(0);
    }
    let value = document(&bytes, "the manifest")?;
    if as_json {
        let list = value["manifests"].as_array().into_iter().flatten();
        let list = list.map(|d| Descriptor::parse(d).map(|d| d.json())).collect::<Result<Vec<_>>>()?;
        ui::json(&json!({
            "schema": 1,
            "name": name,
            "mediaType": top.media_type,
            "digest": top.digest.to_string(),
            "size": bytes.len(),
            "manifests": list,
        }));
        return Ok(0);
    }
    print!("{}", describe(&name, &top, &value)?);
    Ok(0)
}

fn describe(name: &str, top: &Descriptor, value: &Value) -> Result<String> {
    let mut text = format!(
        "Name:      {}\nMediaType: {}\nDigest:    {}\n",
        plain(name),
        plain(&top.media_type),
        top.digest
    );
    let Some(list) = value["manifests"].as_array() else { return Ok(text) };
    text += "           \nManifests: \n";
    let bare = plain(name.split('@').next().unwrap_or(name));
    let list: Vec<Descriptor> = list.iter().map(Descriptor::parse).collect::<Result<_>>()?;
    let annotations = |d: &Descriptor| -> Vec<(String, String)> {
        let pairs = d.annotations.as_object().into_iter().flatten();
        pairs
            .map(|(k, v)| (format!("{}:", plain(k)), plain(v.as_str().unwrap_or_default()).into_owned()))
            .collect()
    };
    for (i, d) in list.iter().enumerate() {
        // A column, as wide as its longest word, ends with annotations, which have one for each
        // manifest.
        let annotated = list[i..].iter().any(|d| !annotations(d).is_empty());
        let width = if annotated { "Annotations:".len() } else { "MediaType:".len() };
        if i > 0 {
            text += &format!("{:1$}\n", "", width + 3);
        }
        text += &format!(
            "  {:width$} {bare}@{}\n  {:width$} {}\n",
            "Name:",
            d.digest,
            "MediaType:",
            plain(&d.media_type)
        );
        if let Some(platform) = &d.platform {
            text += &format!("  {:width$} {}\n", "Platform:", plain(&platform.to_string()));
        }
        let pairs = annotations(d);
        if !pairs.is_empty() {
            text += "  Annotations: \n";
        }
        let longest = pairs.iter().map(|(k, _)| k.len()).max().unwrap_or(0);
        for (key, value) in pairs {
            text += &format!("    {key:longest$} {value}\n");
        }
    }
    Ok(text)
}

fn layout_of(target: &str) -> Result<Layout> {
    Layout::open(Path::new(target))?.ok_or_else(|| {
        Failure::new(Code::Image, format!("{target} is no OCI layout (it has no oci-layout file)"))
    })
}

/// Where `image copy` writes.
enum Destination<'a> {
    Archive(&'a Path),
    Folder(&'a Path, Option<&'a str>),
    Registry(Reference),
}

impl Destination<'_> {
    /// A name of a registry is never guessed: what is pushed is public.
    fn parse(text: &str) -> Result<Destination<'_>> {
        if let Some(name) = text.strip_prefix("docker://") {
            return Ok(Destination::Registry(Reference::parse(name)?));
        }
        if let Some(path) = text.strip_prefix("oci-archive:").or(Some(text).filter(|t| t.ends_with(".tar"))) {
            return Ok(Destination::Archive(Path::new(path)));
        }
        let other = ["docker-archive:", "docker-daemon:", "dir:", "containers-storage:", "http:", "https:"];
        if let Some(other) = other.iter().find(|o| text.starts_with(**o)) {
            fail!(Code::Usage, "{other} is no place that anyarch copies to");
        }
        let bare = text.strip_prefix("oci:").unwrap_or(text);
        let (path, tag) = match bare.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
            _ => (bare, None),
        };
        let first = path.split_once('/').map_or("", |(first, _)| first);
        let is_host = first == "localhost" || first.trim_start_matches('.').contains(['.', ':']);
        if bare == text && is_host && !Path::new(first).exists() {
            return Err(Failure::new(Code::Usage, format!("{text} could be a folder or a registry's name"))
                .mend(format!("docker://{text}, or ./{text} for a folder")));
        }
        Ok(Destination::Folder(Path::new(path), tag))
    }
}

/// `image copy SOURCE DESTINATION`: to a folder (a layout), an archive (`*.tar`) or a registry
/// (`docker://NAME`).
pub(crate) fn copy(source: &str, destination: &str, platform: Option<&str>, as_json: bool) -> Result<u8> {
    let to = Destination::parse(destination)?;
    let Found::Image(from, image) = find(source, platform, Pull::Always)? else {
        fail!(Code::Usage, "{source} is a root file system, not an image");
    };
    let staging = match &to {
        Destination::Folder(dir, _) => Staging::beside(dir)?,
        _ => Staging::temporary()?,
    };
    let layout = Layout::create(&staging.path().join("layout"))?;
    let manifest = from.bytes(&image.manifest)?;
    let config = Descriptor::parse(&document(&manifest, "the manifest")?["config"])?;
    for blob in image.layers.iter().chain([&config, &image.manifest]) {
        from.verify(blob)?;
        let there = match &to {
            Destination::Folder(dir, _) => Layout::open(dir).ok().flatten(),
            _ => None,
        };
        if there.is_none_or(|t| t.verify(blob).is_err()) {
            layout.take(&from, blob)?;
        }
    }
    let mut entry =
        Descriptor { platform: Some(image.platform()), annotations: Value::Null, ..image.manifest.clone() };
    let told = json!({
        "schema": 1,
        "source": source,
        "destination": destination,
        "platform": image.platform().to_string(),
        "digest": entry.digest.to_string(),
    });
    let written = match to {
        Destination::Registry(reference) => {
            Client::push(&reference)?.push_manifest(&layout, &entry, reference.tag.as_deref())?;
            say!("pushed {reference} ({}, {})", image.platform(), entry.digest);
            if as_json {
                ui::json(&told);
            }
            return Ok(0);
        }
        Destination::Archive(file) => {
            layout.write_index(std::slice::from_ref(&entry))?;
            save_archive(&layout, file)?;
            file
        }
        Destination::Folder(dir, tag) => {
            let name = |d: &Descriptor| d.annotations[REF_NAME].as_str().map(str::to_string);
            let mut index = Layout::open(dir).ok().flatten().map_or(Ok(vec![]), |l| l.index())?;
            // A tag has one image; an image may have several.
            index.retain(|d| name(d).as_deref() != tag || (tag.is_none() && d.digest != entry.digest));
            if let Some(tag) = tag {
                index.retain(|d| d.digest != entry.digest || name(d).is_some());
                entry.annotations = json!({ REF_NAME: tag });
            }
            index.push(entry.clone());
            layout.publish(dir, &index)?;
            dir
        }
    };
    staging.done();
    say!("wrote {} ({}, {})", written.display(), image.platform(), entry.digest);
    if as_json {
        ui::json(&told);
    }
    Ok(0)
}

/// The annotation with a manifest's tag.
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// A folder for what is being made, of the file system that it shall be in. However that ends,
/// nothing half-made stays ([`crate::temporary`]).
pub(crate) struct Staging {
    folder: Folder,
    /// Folders that were made for it, the outermost first.
    made: Made,
}

#[derive(Default)]
struct Made(Vec<(PathBuf, Entry)>);

impl Staging {
    pub(crate) fn temporary() -> Result<Staging> {
        Staging::within(&std::env::temp_dir())
    }

    /// In the folder that the target is in; in the target itself if that is there already.
    pub(crate) fn beside(target: &Path) -> Result<Staging> {
        Staging::within(if target.is_dir() { target } else { layout::parent(target) })
    }

    fn within(folder: &Path) -> Result<Staging> {
        let what = || format!("cannot write in {}", folder.display());
        let missing = folder.ancestors().take_while(|f| !f.as_os_str().is_empty() && !f.exists());
        let mut made = Made::default();
        for folder in missing.collect::<Vec<_>>().into_iter().rev() {
            let make = || fs::create_dir(folder).map(|()| (folder.to_path_buf(), folder.to_path_buf()));
            made.0.push(Entry::made(make).or_fail(Code::Failed, what)?);
        }
        Ok(Staging { folder: Folder::within(folder).or_fail(Code::Failed, what)?, made })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What was made is at its place.
    pub(crate) fn done(mut self) {
        self.made.0.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for (folder, _) in self.0.iter().rev() {
            if let Err(error) = fs::remove_dir(folder) {
                detail!("{} stays: {error}", folder.display());
            }
        }
    }
}

/// `image unpack SOURCE BUNDLE`: a bundle that runc runs.
pub(crate) fn unpack_bundle(
    source: &str,
    bundle: &Path,
    platform: Option<&str>,
    limit: u64,
    as_json: bool,
) -> Result<u8> {
    let Found::Image(layout, image) = find(source, platform, Pull::Always)? else {
        fail!(Code::Usage, "{source} is a root file system already");
    };
    let root = bundle.join("rootfs");
    if root.exists() {
        return Err(
            Failure::new(Code::Failed, format!("{} exists", root.display())).mend("choose a new folder")
        );
    }
    let staging = Staging::within(bundle)?;
    let new = staging.path().join("rootfs");
    fs::create_dir(&new).or_fail(Code::Failed, || format!("cannot make {}", new.display()))?;
    unpack::unpack(&layout, &image, &new, &How { range: None, limit })?;
    let config = runtime_config(&image, &new)?;
    let text = serde_json::to_string_pretty(&config).unwrap_or_default();
    layout::replace(&bundle.join("config.json"), text.as_bytes())?;
    // Last: where it is, all is.
    if let Err(error) = fs::rename(&new, &root) {
        let _ = fs::remove_file(bundle.join("config.json"));
        fail!(Code::Failed, "cannot make {}: {error}", root.display());
    }
    staging.done();
    say!(
        "unpacked {} ({}) to {}; to run it: runc run -b {} NAME",
        source,
        image.platform(),
        bundle.display(),
        bundle.display()
    );
    if as_json {
        ui::json(&json!({
            "schema": 1,
            "source": source,
            "bundle": bundle.display().to_string(),
            "platform": image.platform().to_string(),
            "digest": image.manifest.digest.to_string(),
        }));
    }
    Ok(0)
}

/// `image prune`: removes the roots that killed runs have left, half-made files in the cache and
/// the folder for temporary files, and kept layers of images that are not in the cache; with `all`
/// the images that were pulled as well, and all layers that no run uses.
pub(crate) fn prune(all: bool, as_json: bool) -> Result<u8> {
    let cache = cache_dir()?;
    let roots = crate::commands::run::remove_leftovers(&cache)?;
    let layers = kept::prune(&cache, all)?;
    remembered::forget(&cache)?;
    let images = cache.join("images");
    let blobs = images.join("blobs/sha256");
    let places = [std::env::temp_dir(), images.clone(), blobs];
    let half_made = places.iter().map(|folder| temporary::remove_leftovers(folder)).sum::<usize>();
    let pulled = all && images.exists();
    if pulled {
        let _lock = lock_cache(&images)?;
        // Not the lock itself, which others may be waiting for.
        for name in ["blobs", "index.json", "oci-layout"] {
            let what = || format!("cannot remove {}", images.join(name).display());
            let path = images.join(name);
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            match removed {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).or_fail(Code::Failed, what);
                }
                _ => {}
            }
        }
    }
    let s = |count: usize| if count == 1 { "" } else { "s" };
    say!("removed {roots} unpacked root{}", s(roots));
    if layers > 0 {
        say!("removed {layers} unpacked layer{}", s(layers));
    }
    match half_made {
        0 => {}
        1 => say!("removed what a killed command has left half-made"),
        count => say!("removed {count} files and folders that killed commands have left half-made"),
    }
    if pulled {
        say!("removed the pulled images");
    }
    if as_json {
        ui::json(&json!({
            "schema": 1,
            "roots": roots,
            "layers": layers,
            "half_made": half_made,
            "pulled_images": pulled,
        }));
    }
    Ok(0)
}

/// Holds others off a folder of the cache until the file is closed.
pub(crate) fn lock_cache(dir: &Path) -> Result<File> {
    let lock = File::create(dir.join("lock"))
        .or_fail(Code::Failed, || format!("cannot write in {}", dir.display()))
        .map_err(|failure| failure.mend("export XDG_CACHE_HOME=... to a folder that can be written"))?;
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)
        .or_fail(Code::Failed, || format!("cannot lock {}", dir.display()))?;
    Ok(lock)
}

/// The runtime specification's configuration for an image.
fn runtime_config(image: &Image, root: &Path) -> Result<Value> {
    let options = crate::commands::run::RunOptions::default();
    let inside = crate::commands::run::Inside::open(root)?;
    let mut command = crate::commands::run::command_of(&options, image, &inside)?;
    if command.args.is_empty() {
        command.args.push("/bin/sh".into());
    }
    let user_namespace = (!rustix::process::geteuid().is_root())
        .then(|| (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw()));
    let settings = bundle::Settings {
        root: "rootfs".into(),
        capabilities: bundle::default_capabilities(),
        user_namespace,
        ..bundle::Settings::default()
    };
    bundle::config(&command, &settings)
}

/// Beside its place, then renamed: a full disk leaves the old one.
pub(crate) fn save_archive(layout: &Layout, file: &Path) -> Result<()> {
    temporary::remove_leftovers(layout::parent(file));
    let mut new = layout::beside(file)?;
    write::archive(layout, &mut new)?;
    layout::put(new, file)
}

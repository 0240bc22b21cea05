//! `image`: writes the images that register emulators elsewhere, and looks at, copies and unpacks
//! images, all without a container engine.

use crate::commands::bundle;
use crate::commands::compat::IMAGE_ENTRY;
use crate::emulators::Choice;
use crate::failure::{Code, Failure, OrFail, Result, fail};
use crate::oci::registry::{self, Client, Reference};
use crate::oci::unpack::{self, How};
use crate::oci::write::{Content, Item, Settings, epoch, rfc3339};
use crate::oci::{Descriptor, Digest, Image, Layout, Platform, document, kept, layout, media, write};
use crate::temporary::{self, Entry, Folder};
use crate::ui::{self, plain};
use anyarch_binfmt::{FAMILIES, Family, entry::EMULATOR};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// A folder for what is being made, of the file system that it shall be in. However that ends,
/// nothing half-made stays ([`crate::temporary`]).
struct Staging {
    folder: Folder,
    /// Folders that were made for it, the outermost first.
    made: Made,
}

#[derive(Default)]
struct Made(Vec<(PathBuf, Entry)>);

impl Staging {
    fn temporary() -> Result<Staging> {
        Staging::within(&std::env::temp_dir())
    }

    /// In the folder that the target is in; in the target itself if that is there already.
    fn beside(target: &Path) -> Result<Staging> {
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

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What was made is at its place.
    fn done(mut self) {
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
    Ok(bundle::config(&command, &settings))
}

/// What `image build` was asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct BuildOptions {
    /// The version in the tags.
    pub version: String,
    /// Architectures; empty for all that have an emulator.
    pub to: Vec<String>,
    /// Engines, as for `register`.
    pub engines: Vec<(Option<String>, Choice)>,
    /// A repository to push to.
    pub push: Option<String>,
    /// Into docker or podman.
    pub load: bool,
    /// A folder or `*.tar`.
    pub output: Option<PathBuf>,
    /// The repository's name in archives.
    pub name: String,
    /// Tell what was made as JSON.
    pub json: bool,
}

/// How long a version may be: a tag has at most 128 characters, and two architectures stand before
/// the version.
const MAX_VERSION: usize = 96;

/// An image and all its tags.
struct Tagged {
    index: Descriptor,
    manifest: Descriptor,
    tags: Vec<String>,
}

/// `image build`.
pub(crate) fn build(options: &BuildOptions) -> Result<u8> {
    let ways = options.push.is_some() as u8 + options.load as u8 + options.output.is_some() as u8;
    if ways != 1 {
        return Err(Failure::new(Code::Usage, "say where the images go")
            .mend("one of -o DIR, -o FILE.tar, --load, --push REPOSITORY"));
    }
    // Before anything is made: what no registry and no engine takes.
    for repository in options.push.iter().chain([&options.name]) {
        if Reference::parse(&format!("{repository}:x")).is_err() {
            fail!(
                Code::Usage,
                "`{repository}` is no repository's name: small letters and digits with single . _ - between them, parts \
                 with /, a host before them, and no tag"
            );
        }
    }
    if !registry::is_tag(&options.version) || options.version.len() > MAX_VERSION {
        fail!(
            Code::Usage,
            "the version `{}` makes no tags: letters, digits and . _ -, a letter or digit first, at most {MAX_VERSION}",
            options.version
        );
    }
    let folder = options.output.as_ref().filter(|o| o.extension().is_none_or(|e| e != "tar"));
    let staging = folder.map_or_else(Staging::temporary, |f| Staging::beside(f))?;
    let layout = Layout::create(&staging.path().join("layout"))?;
    let images = compose(&layout, options)?;
    let mut index = Vec::new();
    for image in &images {
        for tag in &image.tags {
            let mut d = image.index.clone();
            d.annotations = json!({ REF_NAME: tag });
            index.push(d);
        }
    }
    let tags: usize = images.iter().map(|i| i.tags.len()).sum();
    let tell = || {
        if options.json {
            let image = |i: &Tagged| json!({ "digest": i.index.digest.to_string(), "manifest": i.manifest.digest.to_string(), "tags": i.tags });
            ui::json(&json!({
                "schema": 1,
                "version": options.version,
                "name": options.push.as_ref().unwrap_or(&options.name),
                "output": options.output.as_ref().map(|o| o.display().to_string()),
                "pushed": options.push.is_some(),
                "loaded": options.load,
                "images": images.iter().map(image).collect::<Vec<_>>(),
            }));
        }
    };
    if let Some(repository) = &options.push {
        let reference = Reference::parse(repository)?;
        let mut client = Client::push(&reference)?;
        for image in &images {
            for tag in &image.tags {
                client.push_manifest(&layout, &image.index, Some(tag))?;
                say!("pushed {}/{}:{tag}", reference.host, reference.name);
            }
        }
        tell();
        return Ok(0);
    }
    if let Some(folder) = folder {
        layout.publish(folder, &index)?;
        staging.done();
        say!("wrote {} images with {tags} tags to {}", images.len(), folder.display());
        tell();
        return Ok(0);
    }
    layout.write_index(&index)?;
    docker_manifest(&layout, &images, &options.name)?;
    if options.load {
        load(&layout)?;
    } else if let Some(file) = &options.output {
        save_archive(&layout, file)?;
        say!("wrote {} images with {tags} tags to {}", images.len(), file.display());
    }
    tell();
    Ok(0)
}

/// multiarch's seven forms of tags.
fn compose(layout: &Layout, options: &BuildOptions) -> Result<Vec<Tagged>> {
    let own =
        std::env::current_exe().or_fail(Code::Failed, || "cannot tell where anyarch itself is".into())?;
    let anyarch = read(&own)?;
    let host = crate::elf::host_machine();
    let v = &options.version;
    let explicit = !options.to.is_empty();
    let mut wanted: Vec<&'static Family> = Vec::new();
    for word in options.to.iter().flat_map(|w| w.split(',')) {
        let found = anyarch_binfmt::family::lookup(word);
        if found.is_empty() {
            return Err(crate::commands::register::unknown_architecture(word));
        }
        wanted.extend(found);
    }
    if !explicit {
        wanted.extend(FAMILIES.iter().filter(|f| !f.is_native_to(&host) && f.name != "i486"));
    }
    let mut emulators: Vec<(&'static Family, crate::emulators::Kind, Vec<u8>)> = Vec::new();
    for f in wanted {
        let fits = |a: &Option<String>| {
            a.as_deref().is_none_or(|a| anyarch_binfmt::family::lookup(a).iter().any(|g| g.name == f.name))
        };
        let choice =
            options.engines.iter().rev().find(|(a, _)| fits(a)).map(|(_, c)| c.clone()).unwrap_or_default();
        match choice.find(f) {
            Ok(emulator) => emulators.push((f, emulator.kind, read(&emulator.path)?)),
            Err(failure) if explicit => return Err(failure),
            Err(failure) => ui::detail!("leaving out {}: {}", f.name, failure.what),
        }
    }
    if emulators.is_empty() {
        return Err(Failure::new(Code::NoEmulator, "no emulator was found for any architecture")
            .mend("apt install qemu-user-static"));
    }
    let platform = Platform::host();
    let mut images = Vec::new();
    let mut add = |title: &str, items: Vec<Item>, entrypoint: &[&str], tags: Vec<String>| -> Result<()> {
        let mut items = items;
        items.push(Item {
            path: "usr/share/sbom/anyarch.spdx.json".into(),
            content: Content::Text(sbom(title, v, &items)),
        });
        let labels = json!({
            "org.opencontainers.image.title": title,
            "org.opencontainers.image.version": v,
            "org.opencontainers.image.created": rfc3339(epoch()),
            "org.opencontainers.image.source": env!("CARGO_PKG_REPOSITORY"),
            "org.opencontainers.image.licenses": env!("CARGO_PKG_LICENSE"),
        });
        let settings = Settings {
            platform: platform.clone(),
            entrypoint: entrypoint.iter().map(|e| e.to_string()).collect(),
            env: vec![
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into(),
                "QEMU_BIN_DIR=/usr/bin".into(),
            ],
            labels,
        };
        let manifest = write::image(layout, &items, &settings)?;
        let index = json!({ "schemaVersion": 2, "mediaType": media::INDEX, "manifests": [manifest.json()] });
        let index = layout.add(index.to_string().as_bytes(), media::INDEX)?;
        images.push(Tagged { index, manifest, tags });
        Ok(())
    };
    let program =
        |path: &str, bytes: &[u8]| Item { path: path.into(), content: Content::Executable(bytes.to_vec()) };
    let link = |path: &str, to: &str| Item { path: path.into(), content: Content::Link(to.into()) };
    let base = || {
        vec![
            program("usr/bin/anyarch", &anyarch),
            link(IMAGE_ENTRY, "usr/bin/anyarch"),
            link("register", "usr/bin/anyarch"),
            link("usr/bin/binfmt", "anyarch"),
            link("qemu-binfmt-conf.sh", "usr/bin/anyarch"),
        ]
    };
    let mut everything = base();
    let mut native_is_in = false;
    for (f, kind, bytes) in &emulators {
        let path = format!("usr/bin/qemu-{}-static", f.emulator());
        if *kind == crate::emulators::Kind::Native {
            if !native_is_in {
                everything.push(program(&format!("usr/bin/{EMULATOR}"), bytes));
                native_is_in = true;
            }
            everything.push(link(&path, EMULATOR));
        } else {
            everything.push(program(&path, bytes));
        }
    }
    add("anyarch", everything, &[&format!("/{IMAGE_ENTRY}")], vec!["latest".into(), v.clone()])?;
    add("anyarch register", base(), &["/register"], vec!["register".into()])?;
    for (f, _, bytes) in &emulators {
        let to = f.name;
        let tags =
            vec![format!("{host}-{to}"), format!("{host}-{to}-{v}"), to.to_string(), format!("{to}-{v}")];
        let items = vec![program(&format!("usr/bin/qemu-{}-static", f.emulator()), bytes)];
        add(&format!("emulator for {to}"), items, &[], tags)?;
    }
    Ok(images)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).or_fail(Code::Failed, || format!("cannot read {}", path.display()))
}

/// An SPDX 2.3 document of an image's files.
fn sbom(title: &str, version: &str, items: &[Item]) -> String {
    let mut files = Vec::new();
    let mut relations = vec![
        json!({ "spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-image" }),
    ];
    for item in items {
        if let Content::Executable(bytes) = &item.content {
            let id = format!("SPDXRef-{}", item.path.replace(['/', '_'], "-"));
            files.push(json!({ "fileName": format!("/{}", item.path), "SPDXID": id, "checksums": [{ "algorithm": "SHA256", "checksumValue": Digest::of(bytes).hex() }] }));
            relations.push(json!({ "spdxElementId": "SPDXRef-image", "relationshipType": "CONTAINS", "relatedSpdxElement": id }));
        }
    }
    let value = json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": title,
        "documentNamespace": format!("{}/sbom/{}/{version}", env!("CARGO_PKG_REPOSITORY"), title.replace(' ', "-")),
        "creationInfo": { "created": rfc3339(epoch()), "creators": [concat!("Tool: anyarch-", env!("CARGO_PKG_VERSION"))] },
        "packages": [{ "name": title, "SPDXID": "SPDXRef-image", "versionInfo": version, "downloadLocation": "NOASSERTION", "filesAnalyzed": false, "licenseDeclared": env!("CARGO_PKG_LICENSE") }],
        "files": files,
        "relationships": relations,
    });
    serde_json::to_string_pretty(&value).unwrap_or_default()
}

/// docker's manifest.json, for `docker load` of every version.
fn docker_manifest(layout: &Layout, images: &[Tagged], name: &str) -> Result<()> {
    let mut list = Vec::new();
    for image in images {
        let value = document(&layout.bytes(&image.manifest)?, "the manifest")?;
        let path = |d: &Value| Descriptor::parse(d).map(|d| format!("blobs/sha256/{}", d.digest.hex()));
        let layers: Vec<String> =
            value["layers"].as_array().into_iter().flatten().map(path).collect::<Result<_>>()?;
        let tags: Vec<_> = image.tags.iter().map(|t| format!("{name}:{t}")).collect();
        list.push(json!({ "Config": path(&value["config"])?, "RepoTags": tags, "Layers": layers }));
    }
    let file = layout.dir().join("manifest.json");
    fs::write(&file, Value::Array(list).to_string())
        .or_fail(Code::Failed, || format!("cannot write {}", file.display()))
}

/// Beside its place, then renamed: a full disk leaves the old one.
fn save_archive(layout: &Layout, file: &Path) -> Result<()> {
    temporary::remove_leftovers(layout::parent(file));
    let mut new = layout::beside(file)?;
    write::archive(layout, &mut new)?;
    layout::put(new, file)
}

/// Pipes the archive into whichever engine is there.
fn load(layout: &Layout) -> Result<()> {
    for program in ["docker", "podman"] {
        let Ok(mut child) = Command::new(program).arg("load").stdin(Stdio::piped()).spawn() else { continue };
        if let Some(mut input) = child.stdin.take() {
            write::archive(layout, &mut input)?;
        }
        let status = child.wait().or_fail(Code::Failed, || format!("{program} load"))?;
        return if status.success() {
            Ok(())
        } else {
            Err(Failure::new(Code::Failed, format!("{program} load failed ({status})")))
        };
    }
    Err(Failure::new(Code::Failed, "neither docker nor podman is installed")
        .mend("write an archive instead: -o FILE.tar"))
}

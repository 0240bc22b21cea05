//! `image build`: the images that register emulators elsewhere, for this host and further ones,
//! reproducibly and without a container engine.

use crate::commands::compat::IMAGE_ENTRY;
use crate::commands::image::{REF_NAME, Staging, save_archive};
use crate::elf::Elf;
use crate::emulators::{Choice, Kind, NATIVE_GUESTS};
use crate::failure::{Code, Failure, OrFail, Result, fail};
use crate::oci::registry::{self, Client, Reference};
use crate::oci::write::{Content, Item, Settings, epoch, rfc3339};
use crate::oci::{Descriptor, Digest, Layout, Platform, document, media, write};
use crate::ui;
use anyarch_binfmt::{FAMILIES, Family, entry::EMULATOR, family};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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
    /// Folders with the executables of further hosts.
    pub also: Vec<PathBuf>,
    /// Tell what was made as JSON.
    pub json: bool,
}

/// How long a version may be: a tag has at most 128 characters, and two architectures stand before
/// the version.
const MAX_VERSION: usize = 96;

/// An image, for one host or several, and all its tags.
struct Tagged {
    index: Descriptor,
    manifests: Vec<Descriptor>,
    tags: Vec<String>,
}

impl Tagged {
    /// For what takes one platform only: this machine's, where it is among them.
    fn manifest(&self) -> &Descriptor {
        let here = Platform::host();
        let is_here = |d: &&Descriptor| d.platform.as_ref() == Some(&here);
        self.manifests.iter().find(is_here).unwrap_or(&self.manifests[0])
    }

    fn json(&self) -> Value {
        let manifest = |d: &Descriptor| {
            let platform = d.platform.as_ref().map(Platform::to_string);
            json!({ "digest": d.digest.to_string(), "platform": platform })
        };
        json!({
            "digest": self.index.digest.to_string(),
            "manifest": self.manifest().digest.to_string(),
            "manifests": self.manifests.iter().map(manifest).collect::<Vec<_>>(),
            "tags": self.tags,
        })
    }
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
            ui::json(&json!({
                "schema": 1,
                "version": options.version,
                "name": options.push.as_ref().unwrap_or(&options.name),
                "output": options.output.as_ref().map(|o| o.display().to_string()),
                "pushed": options.push.is_some(),
                "loaded": options.load,
                "images": images.iter().map(Tagged::json).collect::<Vec<_>>(),
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

/// A host that images are for, with its executables.
struct Host {
    /// As multiarch's tags have it: `x86_64`.
    machine: String,
    platform: Platform,
    anyarch: Vec<u8>,
    emulators: Vec<(&'static Family, Kind, Vec<u8>)>,
}

impl Host {
    /// This machine, with the emulators that are found on it.
    fn here(options: &BuildOptions) -> Result<Host> {
        let own =
            std::env::current_exe().or_fail(Code::Failed, || "cannot tell where anyarch itself is".into())?;
        let machine = crate::elf::host_machine();
        let fits = |arch: &Option<String>, f: &Family| {
            arch.as_deref().is_none_or(|a| family::lookup(a).iter().any(|g| g.name == f.name))
        };
        let mut emulators = Vec::new();
        for f in wanted(options, &machine)? {
            let choice = options.engines.iter().rev().find(|(arch, _)| fits(arch, f)).map(|(_, c)| c.clone());
            match choice.unwrap_or_default().find(f) {
                Ok(emulator) => emulators.push((f, emulator.kind, read(&emulator.path)?)),
                Err(failure) if !options.to.is_empty() => return Err(failure),
                Err(failure) => ui::detail!("leaving out {}: {}", f.name, failure.what),
            }
        }
        Ok(Host { machine, platform: Platform::host(), anyarch: read(&own)?, emulators })
    }

    /// Another host, whose executables lie in a folder: anyarch, anyarch-emu, and QEMU's by their
    /// names, which come first where anyarch-emu interprets. What an executable is for, its header
    /// tells.
    fn of(folder: &Path, options: &BuildOptions) -> Result<Host> {
        let own = folder.join("anyarch");
        let Some(family) = Elf::open(&own)?.and_then(|elf| elf.family()) else {
            fail!(Code::Usage, "{} is no executable of an architecture that anyarch knows", own.display());
        };
        let machine = family.name.to_string();
        let native = NATIVE_GUESTS;
        let mut emulators = Vec::new();
        for f in wanted(options, &machine)?.into_iter().filter(|f| !f.is_native_to(&machine)) {
            let arch = f.emulator();
            let names = [format!("qemu-{arch}-static"), format!("qemu-{arch}")];
            let qemu = names.iter().map(|name| (Kind::Qemu, folder.join(name)));
            let ours = native.contains(&f.name).then(|| (Kind::Native, folder.join(EMULATOR)));
            let mut places: Vec<_> = qemu.chain(ours).collect();
            if machine == TRANSLATED {
                places.reverse();
            }
            match places.into_iter().find(|(_, path)| path.is_file()) {
                Some((kind, path)) => {
                    check_is_for(&path, family)?;
                    emulators.push((f, kind, read(&path)?));
                }
                None if options.to.is_empty() => ui::detail!("{machine}: leaving out {}", f.name),
                None => fail!(Code::NoEmulator, "{} has no emulator for {}", folder.display(), f.name),
            }
        }
        let platform = Platform { os: "linux".into(), architecture: family.go_name().into(), variant: None };
        Ok(Host { machine, platform, anyarch: read(&own)?, emulators })
    }

    /// What its images hold, and their tags.
    fn images(&self, version: &str) -> Vec<New> {
        let program = |path: &str, bytes: &[u8]| Item {
            path: path.into(),
            content: Content::Executable(bytes.to_vec()),
        };
        let link = |path: &str, to: &str| Item { path: path.into(), content: Content::Link(to.into()) };
        let base = || {
            vec![
                program("usr/bin/anyarch", &self.anyarch),
                link(IMAGE_ENTRY, "usr/bin/anyarch"),
                link("register", "usr/bin/anyarch"),
                link("usr/bin/binfmt", "anyarch"),
                link("qemu-binfmt-conf.sh", "usr/bin/anyarch"),
            ]
        };
        let mut everything = base();
        let mut native_is_in = false;
        for (f, kind, bytes) in &self.emulators {
            let path = format!("usr/bin/qemu-{}-static", f.emulator());
            if *kind == Kind::Native {
                if !native_is_in {
                    everything.push(program(&format!("usr/bin/{EMULATOR}"), bytes));
                    native_is_in = true;
                }
                everything.push(link(&path, EMULATOR));
            } else {
                everything.push(program(&path, bytes));
            }
        }
        let new = |title: String, items, entrypoint: &str, tags| New {
            title,
            items,
            entrypoint: Some(entrypoint.to_string()).filter(|e| !e.is_empty()).into_iter().collect(),
            tags,
        };
        let v = version;
        let latest = vec!["latest".into(), v.to_string()];
        let mut images = vec![
            new("anyarch".into(), everything, &format!("/{IMAGE_ENTRY}"), latest),
            new("anyarch register".into(), base(), "/register", vec!["register".into()]),
        ];
        for (f, _, bytes) in &self.emulators {
            let (from, to) = (&self.machine, f.name);
            let tags =
                vec![format!("{from}-{to}"), format!("{from}-{to}-{v}"), to.to_string(), format!("{to}-{v}")];
            let items = vec![program(&format!("usr/bin/qemu-{}-static", f.emulator()), bytes)];
            images.push(new(format!("emulator for {to}"), items, "", tags));
        }
        images
    }
}

/// An image that is to be made.
struct New {
    title: String,
    items: Vec<Item>,
    entrypoint: Vec<String>,
    tags: Vec<String>,
}

impl New {
    /// Writes it; its manifest.
    fn write(mut self, layout: &Layout, version: &str, platform: &Platform) -> Result<Descriptor> {
        let list = sbom(&self.title, version, &self.items);
        self.items
            .push(Item { path: "usr/share/sbom/anyarch.spdx.json".into(), content: Content::Text(list) });
        let labels = json!({
            "org.opencontainers.image.title": self.title,
            "org.opencontainers.image.version": version,
            "org.opencontainers.image.created": rfc3339(epoch()),
            "org.opencontainers.image.source": env!("CARGO_PKG_REPOSITORY"),
            "org.opencontainers.image.licenses": env!("CARGO_PKG_LICENSE"),
        });
        let settings = Settings {
            platform: platform.clone(),
            entrypoint: self.entrypoint,
            env: vec![
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into(),
                "QEMU_BIN_DIR=/usr/bin".into(),
            ],
            labels,
        };
        write::image(layout, &self.items, &settings)
    }
}

/// The host that our emulator translates for; on others it interprets.
const TRANSLATED: &str = "x86_64";

/// The architectures asked for, else all that a host does not run itself.
fn wanted(options: &BuildOptions, machine: &str) -> Result<Vec<&'static Family>> {
    let mut list: Vec<&'static Family> = Vec::new();
    for word in options.to.iter().flat_map(|w| w.split(',')) {
        let found = family::lookup(word);
        if found.is_empty() {
            return Err(crate::commands::register::unknown_architecture(word));
        }
        list.extend(found);
    }
    if options.to.is_empty() {
        list.extend(FAMILIES.iter().filter(|f| !f.is_native_to(machine) && f.name != "i486"));
    }
    Ok(list)
}

/// A static executable for this host.
fn check_is_for(path: &Path, host: &Family) -> Result<()> {
    let elf = Elf::open(path)?;
    let fits =
        elf.is_some_and(|e| e.interpreter.is_none() && e.family().is_some_and(|f| f.name == host.name));
    if !fits {
        fail!(Code::NoEmulator, "{} is no static executable for {}", path.display(), host.name);
    }
    Ok(())
}

/// multiarch's seven forms of tags. A tag that several hosts have is an index of all of them.
fn compose(layout: &Layout, options: &BuildOptions) -> Result<Vec<Tagged>> {
    let mut hosts = vec![Host::here(options)?];
    for folder in &options.also {
        let host = Host::of(folder, options)?;
        if hosts.iter().any(|h| h.machine == host.machine) {
            fail!(Code::Usage, "{}: there are executables for {} already", folder.display(), host.machine);
        }
        hosts.push(host);
    }
    if hosts.iter().all(|h| h.emulators.is_empty()) {
        return Err(Failure::new(Code::NoEmulator, "no emulator was found for any architecture")
            .mend("apt install qemu-user-static"));
    }
    let mut tagged: Vec<(String, Vec<Descriptor>)> = Vec::new();
    for host in hosts {
        for image in host.images(&options.version) {
            let tags = image.tags.clone();
            let manifest = image.write(layout, &options.version, &host.platform)?;
            for tag in tags {
                match tagged.iter_mut().find(|(t, _)| *t == tag) {
                    Some((_, manifests)) => manifests.push(manifest.clone()),
                    None => tagged.push((tag, vec![manifest.clone()])),
                }
            }
        }
    }
    let mut images: Vec<Tagged> = Vec::new();
    for (tag, manifests) in tagged {
        let same =
            |i: &&mut Tagged| i.manifests.iter().map(|d| &d.digest).eq(manifests.iter().map(|d| &d.digest));
        if let Some(image) = images.iter_mut().find(same) {
            image.tags.push(tag);
            continue;
        }
        let list: Vec<_> = manifests.iter().map(Descriptor::json).collect();
        let index = json!({ "schemaVersion": 2, "mediaType": media::INDEX, "manifests": list });
        let index = layout.add(index.to_string().as_bytes(), media::INDEX)?;
        images.push(Tagged { index, manifests, tags: vec![tag] });
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
        let value = document(&layout.bytes(image.manifest())?, "the manifest")?;
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

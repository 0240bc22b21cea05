//! OCI images, wherever they come from: a layout folder, an OCI or docker archive, or a registry.
//!
//! Everything is brought into one form, a [`Layout`] (a folder of blobs named by their digests),
//! and read from there. A blob is verified against its digest each time it is used, so a corrupted
//! one is found before anything of it is.

pub(crate) mod archive;
pub(crate) mod credentials;
pub mod dns;
pub(crate) mod endpoint;
pub(crate) mod http;
pub(crate) mod kept;
pub(crate) mod layout;
pub(crate) mod peek;
pub(crate) mod progress;
pub mod registry;
pub(crate) mod remembered;
pub(crate) mod sparse;
pub mod unpack;
pub mod write;

use crate::failure::{Code, Failure, OrFail, Result, fail};
use anyarch_binfmt::family;
pub use layout::Layout;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::io::{Read, Write};

/// Manifests and configurations larger than this are refused: real ones have a few thousand bytes.
pub(crate) const MAX_DOCUMENT: u64 = 4 << 20;

/// How many indexes one image may have, those within others included.
pub(crate) const MAX_INDEXES: usize = 64;

/// Media types.
pub mod media {
    /// An OCI index.
    pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// An OCI manifest.
    pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// An OCI configuration.
    pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// A gzip layer.
    pub(crate) const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    /// Docker's index.
    pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// How the types of docker's first manifests begin (`+json`, `+prettyjws`).
    pub(crate) const DOCKER_SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1+";
    /// Docker's manifest.
    pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
}

/// A blob's name: `sha256:` and 64 digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Digest(String);

impl Digest {
    /// Checks the form: a digest becomes a file name.
    pub fn parse(text: &str) -> Result<Digest> {
        let sound = text
            .strip_prefix("sha256:")
            .is_some_and(|h| h.len() == 64 && h.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
        if sound {
            Ok(Digest(text.into()))
        } else {
            Err(Failure::new(Code::Image, format!("`{text}` is not a sha256 digest")))
        }
    }

    /// Of bytes.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(format!("sha256:{}", crate::commands::register::hex(&Sha256::digest(bytes))))
    }

    /// The digits.
    pub fn hex(&self) -> &str {
        &self.0["sha256:".len()..]
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Copies everything, hashing it; the digest and the length.
pub(crate) fn copy_hashing(
    from: &mut dyn Read,
    to: &mut dyn Write,
    mut progress: impl FnMut(u64),
) -> std::io::Result<(Digest, u64)> {
    let mut hash = Sha256::new();
    let mut total = 0;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        hash.update(&buffer[..n]);
        to.write_all(&buffer[..n])?;
        total += n as u64;
        progress(n as u64);
    }
    Ok((Digest(format!("sha256:{}", crate::commands::register::hex(&hash.finalize()))), total))
}

/// A reference to a blob.
#[derive(Clone, Debug)]
pub struct Descriptor {
    /// What it is.
    pub media_type: String,
    /// Its name.
    pub digest: Digest,
    /// Its length.
    pub size: u64,
    /// In an index: for whom.
    pub platform: Option<Platform>,
    /// Annotations.
    pub annotations: Value,
}

impl Descriptor {
    /// Reads one.
    pub fn parse(value: &Value) -> Result<Descriptor> {
        Ok(Descriptor {
            media_type: value["mediaType"].as_str().unwrap_or("").to_string(),
            digest: Digest::parse(value["digest"].as_str().unwrap_or(""))?,
            size: value["size"].as_u64().unwrap_or(0),
            platform: value.get("platform").map(Platform::parse),
            annotations: value["annotations"].clone(),
        })
    }

    /// Writes one.
    pub fn json(&self) -> Value {
        let mut value =
            json!({ "mediaType": self.media_type, "digest": self.digest.to_string(), "size": self.size });
        if let Some(p) = &self.platform {
            value["platform"] = p.json();
        }
        if self.annotations.is_object() {
            value["annotations"] = self.annotations.clone();
        }
        value
    }

    /// Whether it refers to further descriptors.
    pub(crate) fn is_index(&self) -> bool {
        matches!(self.media_type.as_str(), media::INDEX | media::DOCKER_INDEX)
    }
}

/// For whom an image is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform {
    /// `linux`.
    pub os: String,
    /// Go's name.
    pub architecture: String,
    /// `v7`.
    pub variant: Option<String>,
}

impl Platform {
    /// Out of a descriptor or a configuration.
    pub fn parse(value: &Value) -> Platform {
        let text = |name: &str| value[name].as_str().unwrap_or("").to_string();
        Platform {
            os: text("os"),
            architecture: text("architecture"),
            variant: value["variant"].as_str().filter(|v| !v.is_empty()).map(str::to_string),
        }
    }

    /// Of an architecture's name as people write it.
    pub fn of_words(text: &str) -> Result<Platform> {
        let bare = text.strip_prefix("linux/").unwrap_or(text);
        let found = family::lookup(text);
        let Some(first) = found.first() else {
            return Err(crate::commands::register::unknown_architecture(text));
        };
        let variant =
            bare.split_once('/').map(|(_, v)| v.to_string()).filter(|v| first.name == "arm" || v.is_empty());
        Ok(Platform { os: "linux".into(), architecture: first.go_name().to_string(), variant })
    }

    /// This machine's.
    pub fn host() -> Platform {
        let machine = crate::elf::host_machine();
        let architecture = family::by_name(&machine).map_or("amd64", |f| f.go_name());
        Platform { os: "linux".into(), architecture: architecture.into(), variant: None }
    }

    fn json(&self) -> Value {
        let mut value = json!({ "architecture": self.architecture, "os": self.os });
        if let Some(variant) = &self.variant {
            value["variant"] = json!(variant);
        }
        value
    }

    /// Whether an image for `self` serves who asked for `wanted`.
    fn serves(&self, wanted: &Platform) -> bool {
        self.os == wanted.os
            && self.architecture == wanted.architecture
            && (wanted.variant.is_none() || self.variant.is_none() || wanted.variant == self.variant)
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |v| write!(f, "/{v}"))
    }
}

/// One image of one platform.
#[derive(Clone, Debug)]
pub struct Image {
    /// Its manifest.
    pub manifest: Descriptor,
    /// Its configuration, whole.
    pub config: Value,
    /// From the bottom up.
    pub layers: Vec<Descriptor>,
}

impl Image {
    /// For whom it is.
    pub fn platform(&self) -> Platform {
        Platform::parse(&self.config)
    }

    /// A list of texts in the configuration's `config`.
    pub fn list(&self, name: &str) -> Vec<String> {
        let items = self.config["config"][name].as_array();
        items.into_iter().flatten().filter_map(|v| v.as_str().map(str::to_string)).collect()
    }

    /// A text in the configuration's `config`.
    pub fn text(&self, name: &str) -> Option<String> {
        self.config["config"][name].as_str().filter(|t| !t.is_empty()).map(str::to_string)
    }

    /// Who runs the command: `USER[:GROUP]`, or a number although the specification has a text
    /// there.
    ///
    /// # Errors
    /// It is something else: nobody is to run as root for that.
    pub fn user(&self) -> Result<Option<String>> {
        match &self.config["config"]["User"] {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.clone()).filter(|t| !t.is_empty())),
            Value::Number(number) => Ok(Some(number.to_string())),
            other => fail!(Code::Image, "the image's configuration has the User {other}, which is no text"),
        }
    }

    /// The digests of the uncompressed layers.
    pub fn diff_ids(&self) -> Vec<String> {
        let items = self.config["rootfs"]["diff_ids"].as_array();
        items.into_iter().flatten().filter_map(|v| v.as_str().map(str::to_string)).collect()
    }
}

/// Chooses among the manifests of an index.
pub fn choose<'a>(manifests: &'a [Descriptor], wanted: Option<&Platform>) -> Result<&'a Descriptor> {
    // Attestations are entries of platform unknown/unknown.
    let real: Vec<&Descriptor> =
        manifests.iter().filter(|d| d.platform.as_ref().is_none_or(|p| p.os != "unknown")).collect();
    let fits = |wanted: &Platform| {
        let exact = real.iter().find(|d| d.platform.as_ref() == Some(wanted));
        exact.or_else(|| real.iter().find(|d| d.platform.as_ref().is_some_and(|p| p.serves(wanted)))).copied()
    };
    let have = || {
        real.iter()
            .filter_map(|d| d.platform.as_ref().map(Platform::to_string))
            .collect::<Vec<_>>()
            .join(", ")
    };
    match wanted {
        Some(wanted) => match fits(wanted)
            .or_else(|| real.first().filter(|d| real.len() == 1 && d.platform.is_none()).copied())
        {
            Some(found) => Ok(found),
            None => Err(Failure::new(
                Code::Image,
                format!("the image has no platform {wanted}; it has {}", have()),
            )),
        },
        // One image, which may have several tags.
        None if !real.is_empty() && real.iter().all(|d| d.digest == real[0].digest) => Ok(real[0]),
        None => match fits(&Platform::host()) {
            Some(found) => Ok(found),
            None if real.is_empty() => fail!(Code::Image, "the image's index is empty"),
            None => Err(Failure::new(
                Code::Image,
                "the image has several platforms and none is this machine's".to_string(),
            )
            .mend(format!("choose one: --platform, of {}", have()))),
        },
    }
}

/// Parses a JSON document.
pub fn document(bytes: &[u8], what: &str) -> Result<Value> {
    serde_json::from_slice(bytes).or_fail(Code::Image, || format!("{what} is not JSON"))
}

/// A reader of a layer's tar: gzip, zstd or plain, by its first bytes.
pub fn decompress<'a>(mut from: impl Read + 'a) -> Result<Box<dyn Read + 'a>> {
    let mut first = [0; 4];
    let mut have = 0;
    while have < 4 {
        match from.read(&mut first[have..]) {
            Ok(0) => break,
            Ok(n) => have += n,
            Err(e) => return Err(Failure::new(Code::Image, format!("cannot read a layer: {e}"))),
        }
    }
    let whole = std::io::Cursor::new(first[..have].to_vec()).chain(from);
    Ok(match first {
        [0x1f, 0x8b, ..] => Box::new(flate2::read::MultiGzDecoder::new(whole)),
        [0x28, 0xb5, 0x2f, 0xfd] => Box::new(
            ruzstd::decoding::StreamingDecoder::new(whole)
                .or_fail(Code::Image, || "a layer is not sound zstd".into())?,
        ),
        _ => Box::new(whole),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_have_one_form() {
        let good = format!("sha256:{}", "a".repeat(64));
        assert!(Digest::parse(&good).is_ok());
        for bad in ["", "sha256:", "sha256:../../etc/passwd", &good[..70], &good.to_uppercase(), "sha512:aa"]
        {
            assert!(Digest::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Digest::of(b"").hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn platforms_are_chosen() {
        let entry = |arch: &str, variant: Option<&str>| Descriptor {
            media_type: media::MANIFEST.into(),
            digest: Digest::of(format!("{arch}{variant:?}").as_bytes()),
            size: 1,
            platform: Some(Platform {
                os: "linux".into(),
                architecture: arch.into(),
                variant: variant.map(str::to_string),
            }),
            annotations: Value::Null,
        };
        let index = [
            entry("amd64", None),
            entry("arm", Some("v5")),
            entry("arm", Some("v7")),
            entry("arm64", Some("v8")),
        ];
        let check = |wanted: &str, want: Option<&str>| {
            let wanted = Platform::of_words(wanted).unwrap();
            let found = choose(&index, Some(&wanted)).ok().map(|d| d.platform.as_ref().unwrap().to_string());
            assert_eq!(found.as_deref(), want, "{wanted}");
        };
        check("arm64", Some("linux/arm64/v8"));
        check("linux/arm64/v8", Some("linux/arm64/v8"));
        check("aarch64", Some("linux/arm64/v8"));
        check("linux/arm/v7", Some("linux/arm/v7"));
        check("linux/arm/v6", None);
        check("s390x", None);
        check("amd64", Some("linux/amd64"));
    }
}

//! Images made of files, the same bytes each time: entries sorted, owned by root, dated by
//! SOURCE_DATE_EPOCH or 0, and compressed without a name or time.

use super::{Descriptor, Digest, Layout, Platform, media};
use crate::failure::{Code, OrFail, Result};
use serde_json::{Value, json};
use std::io::Write;

/// A file or link of a layer.
pub struct Item {
    /// Where, without a leading slash.
    pub path: String,
    /// What.
    pub content: Content,
}

/// What an item is.
pub enum Content {
    /// A program.
    Executable(Vec<u8>),
    /// A text.
    Text(String),
    /// A symbolic link.
    Link(String),
}

/// Seconds for every date: reproducible-builds.org/specs/source-date-epoch.
pub fn epoch() -> u64 {
    std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|t| t.parse().ok()).unwrap_or(0)
}

/// A layer; its descriptor and the digest of its uncompressed form.
pub fn layer(layout: &Layout, items: &[Item]) -> Result<(Descriptor, Digest)> {
    let what = || "cannot write a layer".to_string();
    let mut tar = tar::Builder::new(Vec::new());
    let mut sorted: Vec<&Item> = items.iter().collect();
    sorted.sort_by(|a, b| a.path.cmp(&b.path));
    let mut folders: Vec<String> = Vec::new();
    let header = |kind: tar::EntryType, mode: u32, size: u64| {
        let mut h = tar::Header::new_gnu();
        h.set_entry_type(kind);
        h.set_mode(mode);
        h.set_size(size);
        h.set_mtime(epoch());
        h.set_uid(0);
        h.set_gid(0);
        h
    };
    for item in sorted {
        for (at, _) in item.path.match_indices('/') {
            let folder = item.path[..=at].to_string();
            if !folders.contains(&folder) {
                tar.append_data(&mut header(tar::EntryType::Directory, 0o755, 0), &folder, std::io::empty())
                    .or_fail(Code::Failed, what)?;
                folders.push(folder);
            }
        }
        match &item.content {
            Content::Executable(bytes) => {
                let header = header(tar::EntryType::Regular, 0o755, bytes.len() as u64);
                super::sparse::append(&mut tar, header, &item.path, bytes).or_fail(Code::Failed, what)?;
            }
            Content::Text(text) => {
                tar.append_data(
                    &mut header(tar::EntryType::Regular, 0o644, text.len() as u64),
                    &item.path,
                    text.as_bytes(),
                )
                .or_fail(Code::Failed, what)?;
            }
            Content::Link(to) => tar
                .append_link(&mut header(tar::EntryType::Symlink, 0o777, 0), &item.path, to)
                .or_fail(Code::Failed, what)?,
        }
    }
    let plain = tar.into_inner().or_fail(Code::Failed, what)?;
    // The builder writes neither a name nor a time unless told.
    let mut gzip = flate2::GzBuilder::new().mtime(0).write(Vec::new(), flate2::Compression::new(6));
    gzip.write_all(&plain).or_fail(Code::Failed, what)?;
    let packed = gzip.finish().or_fail(Code::Failed, what)?;
    Ok((layout.add(&packed, media::LAYER_GZIP)?, Digest::of(&plain)))
}

/// What a new image's configuration says.
pub struct Settings {
    /// For whom.
    pub platform: Platform,
    /// What is started.
    pub entrypoint: Vec<String>,
    /// Variables.
    pub env: Vec<String>,
    /// Labels.
    pub labels: Value,
}

/// An image of one layer; its manifest's descriptor.
pub fn image(layout: &Layout, items: &[Item], settings: &Settings) -> Result<Descriptor> {
    let (layer, diff_id) = layer(layout, items)?;
    let created = rfc3339(epoch());
    let mut config = json!({
        "created": created,
        "architecture": settings.platform.architecture,
        "os": settings.platform.os,
        "config": { "Env": settings.env, "Labels": settings.labels },
        "rootfs": { "type": "layers", "diff_ids": [diff_id.to_string()] },
        "history": [{ "created": created, "created_by": "anyarch image build" }],
    });
    if !settings.entrypoint.is_empty() {
        config["config"]["Entrypoint"] = json!(settings.entrypoint);
    }
    let config = layout.add(config.to_string().as_bytes(), media::CONFIG)?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media::MANIFEST,
        "config": config.json(),
        "layers": [layer.json()],
        "annotations": settings.labels,
    });
    let mut d = layout.add(manifest.to_string().as_bytes(), media::MANIFEST)?;
    d.platform = Some(settings.platform.clone());
    Ok(d)
}

/// Seconds since 1970 as a date, in UTC.
pub(crate) fn rfc3339(seconds: u64) -> String {
    let (days, rest) = (seconds / 86400, seconds % 86400);
    // Howard Hinnant's civil_from_days, for dates after 1970.
    let z = days + 719_468;
    let (era, doe) = (z / 146_097, z % 146_097);
    let yoe = (doe - doe / 1460 + doe / 36524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

/// The whole layout as one tar, in the order of names: an OCI archive, with docker's manifest.json
/// so that older `docker load` takes it as well.
pub fn archive(layout: &Layout, to: &mut dyn Write) -> Result<()> {
    let what = || "cannot write the archive".to_string();
    let mut files = Vec::new();
    collect(layout.dir(), "", &mut files).or_fail(Code::Failed, what)?;
    files.sort();
    let mut tar = tar::Builder::new(to);
    for name in files {
        let path = layout.dir().join(&name);
        let mut h = tar::Header::new_gnu();
        h.set_mtime(epoch());
        h.set_uid(0);
        h.set_gid(0);
        if path.is_dir() {
            h.set_entry_type(tar::EntryType::Directory);
            h.set_mode(0o755);
            h.set_size(0);
            tar.append_data(&mut h, format!("{name}/"), std::io::empty()).or_fail(Code::Failed, what)?;
        } else {
            let file = std::fs::File::open(&path).or_fail(Code::Failed, what)?;
            h.set_mode(0o644);
            h.set_size(file.metadata().or_fail(Code::Failed, what)?.len());
            tar.append_data(&mut h, &name, file).or_fail(Code::Failed, what)?;
        }
    }
    tar.finish().or_fail(Code::Failed, what)
}

fn collect(dir: &std::path::Path, prefix: &str, list: &mut Vec<String>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{name}/"), list)?;
        }
        list.push(name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::unpack::How;

    #[test]
    fn dates_are_right() {
        for (seconds, want) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_700_000_000, "2023-11-14T22:13:20Z"),
        ] {
            assert_eq!(rfc3339(seconds), want);
        }
    }

    #[test]
    fn the_same_files_make_the_same_image_and_it_unpacks() {
        let make = || {
            let dir = tempfile::tempdir().unwrap();
            let layout = Layout::create(dir.path()).unwrap();
            let items = [
                Item { path: "usr/bin/x".into(), content: Content::Executable(b"program".to_vec()) },
                Item { path: "bin".into(), content: Content::Link("usr/bin".into()) },
                Item { path: "etc/x.conf".into(), content: Content::Text("a".into()) },
            ];
            let platform = Platform { os: "linux".into(), architecture: "amd64".into(), variant: None };
            let settings =
                Settings { platform, entrypoint: vec!["/bin/x".into()], env: vec![], labels: json!({}) };
            let manifest = image(&layout, &items, &settings).unwrap();
            layout.write_index(std::slice::from_ref(&manifest)).unwrap();
            (dir, layout, manifest)
        };
        let (dir, layout, first) = make();
        assert_eq!(first.digest, make().2.digest);
        let root = tempfile::tempdir().unwrap();
        let image = layout.image(None, None).unwrap();
        assert_eq!(image.list("Entrypoint"), ["/bin/x"]);
        super::super::unpack::unpack(&layout, &image, root.path(), &How::default()).unwrap();
        assert_eq!(std::fs::read(root.path().join("bin/x")).unwrap(), b"program");
        // A corrupted layer is found.
        let blob = layout.path(&image.layers[0].digest);
        let mut bytes = std::fs::read(&blob).unwrap();
        bytes[20] ^= 1;
        std::fs::write(&blob, bytes).unwrap();
        let failure =
            super::super::unpack::unpack(&layout, &image, root.path(), &How::default()).unwrap_err();
        assert!(failure.what.contains("is corrupted"), "{}", failure.what);
        drop(dir);
    }

    #[test]
    fn an_archive_is_a_layout_again() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::create(&dir.path().join("l")).unwrap();
        let platform = Platform { os: "linux".into(), architecture: "arm64".into(), variant: None };
        let settings = Settings { platform, entrypoint: vec![], env: vec![], labels: json!({}) };
        let d = image(&layout, &[Item { path: "a".into(), content: Content::Text("x".into()) }], &settings)
            .unwrap();
        layout.write_index(&[d]).unwrap();
        let mut bytes = Vec::new();
        archive(&layout, &mut bytes).unwrap();
        let file = dir.path().join("image.tar");
        std::fs::write(&file, bytes).unwrap();
        let again = Layout::open(&file).unwrap().unwrap();
        assert_eq!(again.image(None, None).unwrap().platform().to_string(), "linux/arm64");
    }
}

//! Looks into an image without unpacking it: which files its layers leave, and the content of
//! single ones.
//!
//! Nothing is written but a temporary file, so names and links may say what they like: they only
//! choose among the image's own.

use super::archive::Archive;
use super::progress::Waiting;
use super::{Image, Layout, decompress};
use crate::failure::{Code, OrFail, Result};
use std::collections::{HashMap, VecDeque};
use std::ffi::OsString;
use std::fs::File;
use std::io::Seek;
use std::path::{Component, Path, PathBuf};

/// The files of an image, all layers applied.
pub(crate) struct Tree<'a> {
    layout: &'a Layout,
    image: &'a Image,
    /// With the layer that has it.
    nodes: HashMap<PathBuf, (usize, Node)>,
}

#[derive(Clone, Debug)]
enum Node {
    /// Which entry of which layer.
    File {
        layer: usize,
        entry: usize,
    },
    Link(PathBuf),
    Other,
}

impl<'a> Tree<'a> {
    /// Reads the names in all layers, from the bottom up.
    pub(crate) fn read(layout: &'a Layout, image: &'a Image) -> Result<Tree<'a>> {
        let _waiting = Waiting::begin("reading the image's layers");
        let mut tree = Tree { layout, image, nodes: HashMap::new() };
        for (i, layer) in image.layers.iter().enumerate() {
            layout.verify(layer)?;
            let damaged = || format!("the layer {} is damaged", layer.digest);
            let mut archive = Archive::new(decompress(layout.blob(&layer.digest)?)?);
            for j in 0.. {
                let Some(entry) = archive.next_entry().or_fail(Code::Image, damaged)? else { break };
                tree.apply(&entry.name, entry.kind, entry.link, i, j);
            }
        }
        Ok(tree)
    }

    fn apply(&mut self, name: &Path, kind: tar::EntryType, link: PathBuf, layer: usize, entry: usize) {
        let Some(file) = name.file_name() else { return };
        let parent = self.resolve(name.parent().unwrap_or(Path::new("")));
        let text = file.to_string_lossy();
        if text == ".wh..wh..opq" {
            self.nodes.retain(|path, (of, _)| *of == layer || !path.starts_with(&parent) || *path == parent);
            return;
        }
        if let Some(hidden) = text.strip_prefix(".wh.") {
            let hidden = parent.join(hidden);
            self.nodes.retain(|path, (of, _)| *of == layer || !path.starts_with(&hidden));
            return;
        }
        let node = match kind {
            tar::EntryType::Regular | tar::EntryType::Continuous | tar::EntryType::GNUSparse => {
                Node::File { layer, entry }
            }
            tar::EntryType::Symlink => Node::Link(link),
            tar::EntryType::Link => {
                let target = self.resolve(&link);
                self.nodes.get(&target).map_or(Node::Other, |(_, node)| node.clone())
            }
            _ => Node::Other,
        };
        self.nodes.insert(parent.join(file), (layer, node));
    }

    /// Where a path leads, links followed as they would be inside; without a leading slash.
    fn resolve(&self, path: &Path) -> PathBuf {
        let parts = |p: &Path| -> VecDeque<OsString> {
            p.components().map(|c| c.as_os_str().to_os_string()).collect()
        };
        let (mut rest, mut out, mut links) = (parts(path), PathBuf::new(), 0);
        while let Some(part) = rest.pop_front() {
            match Path::new(&part).components().next() {
                Some(Component::RootDir) => out = PathBuf::new(),
                Some(Component::ParentDir) => drop(out.pop()),
                Some(Component::Normal(name)) => {
                    let next = out.join(name);
                    match self.nodes.get(&next) {
                        Some((_, Node::Link(target))) if links < 40 => {
                            links += 1;
                            let mut front = parts(target);
                            front.append(&mut rest);
                            rest = front;
                        }
                        _ => out = next,
                    }
                }
                _ => {}
            }
        }
        out
    }

    /// Whether there is a file of this name.
    pub(crate) fn has(&self, path: &Path) -> bool {
        matches!(self.nodes.get(&self.resolve(path)), Some((_, Node::File { .. })))
    }

    /// A file's content.
    pub(crate) fn open(&self, path: &Path) -> Result<Option<File>> {
        let Some((_, Node::File { layer, entry })) = self.nodes.get(&self.resolve(path)) else {
            return Ok(None);
        };
        let layer = &self.image.layers[*layer];
        let what = || format!("cannot read {} in the layer {}", path.display(), layer.digest);
        let mut archive = Archive::new(decompress(self.layout.blob(&layer.digest)?)?);
        for _ in 0..*entry {
            archive.next_entry().or_fail(Code::Image, what)?;
        }
        let Some(found) = archive.next_entry().or_fail(Code::Image, what)? else { return Ok(None) };
        let mut file = tempfile::tempfile().or_fail(Code::Failed, what)?;
        let written = match found.sparse {
            Some(sparse) => sparse.write(&mut archive, &mut file),
            None => std::io::copy(&mut archive, &mut file).map(drop),
        };
        written.or_fail(Code::Image, what)?;
        file.rewind().or_fail(Code::Failed, what)?;
        Ok(Some(file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::media;
    use serde_json::json;
    use std::io::Read;

    /// Layers of `(name, content)`; a content of `-> X` is a link, `= X` a hard link.
    fn image(dir: &Path, layers: &[&[(&str, &str)]]) -> (Layout, Image) {
        let layout = Layout::create(dir).unwrap();
        let mut list = Vec::new();
        for layer in layers {
            let mut tar = tar::Builder::new(Vec::new());
            for (name, content) in *layer {
                let mut header = tar::Header::new_gnu();
                let link = content.strip_prefix("-> ").map(|l| (tar::EntryType::Symlink, l));
                match link.or_else(|| content.strip_prefix("= ").map(|l| (tar::EntryType::Link, l))) {
                    Some((kind, to)) => {
                        header.set_entry_type(kind);
                        header.set_size(0);
                        tar.append_link(&mut header, name, to).unwrap();
                    }
                    None => {
                        header.set_size(content.len() as u64);
                        tar.append_data(&mut header, name, content.as_bytes()).unwrap();
                    }
                }
            }
            list.push(layout.add(&tar.into_inner().unwrap(), "").unwrap());
        }
        let manifest = layout.add(b"{}", media::MANIFEST).unwrap();
        (layout, Image { manifest, config: json!({}), layers: list })
    }

    #[test]
    fn files_are_found_through_layers_and_links() {
        let dir = tempfile::tempdir().unwrap();
        let (layout, image) = image(
            dir.path(),
            &[
                &[
                    ("usr/bin/a", "1"),
                    ("bin", "-> usr/bin"),
                    ("gone", "1"),
                    ("d/x", "1"),
                    ("up", "-> ../../usr/bin/a"),
                ],
                &[
                    ("bin/b", "2"),
                    ("usr/bin/c", "= bin/b"),
                    (".wh.gone", ""),
                    ("d/y", "2"),
                    ("d/.wh..wh..opq", ""),
                ],
                &[("usr/bin/a", "3"), ("loop", "-> loop")],
            ],
        );
        let tree = Tree::read(&layout, &image).unwrap();
        let check = |path: &str, want: Option<&str>| {
            let mut text = String::new();
            let found = tree.open(Path::new(path)).unwrap();
            let found = found.map(|mut f| (f.read_to_string(&mut text).unwrap(), text.clone()).1);
            assert_eq!(found.as_deref(), want, "{path}");
            assert_eq!(tree.has(Path::new(path)), want.is_some());
        };
        check("/bin/a", Some("3"));
        check("/usr/bin/b", Some("2"));
        check("/bin/c", Some("2"));
        check("/up", Some("3"));
        check("/gone", None);
        check("/d/x", None);
        check("/d/y", Some("2"));
        check("/loop", None);
        check("/usr/bin", None);
        check("/etc/passwd", None);
    }
}

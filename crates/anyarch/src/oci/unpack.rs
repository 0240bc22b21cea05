//! Layers onto a folder, trusting nothing.
//!
//! A layer is data from strangers: its names may hold `..`, its links may point anywhere, and an
//! earlier entry may be a symbolic link through which a later one would write. Every name is
//! therefore resolved by the kernel with `RESOLVE_IN_ROOT`: links are followed as they would be
//! inside the container and can lead nowhere else. Names with `..` are refused; absolute ones are
//! taken from the root, as containerd does. Device nodes are left out: the sandbox has a /dev of
//! its own. The digest of each layer, compressed and not, is checked before the image counts as
//! unpacked.

use super::archive::Archive;
use super::{Image, Layout, copy_hashing, decompress};
use crate::failure::{Code, Failure, OrFail, Result, fail};
use crate::sandbox::idmap::Range;
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, RawDir, RenameFlags, ResolveFlags, Timespec, Timestamps, Uid,
    XattrFlags,
};
use rustix::io::Errno;
use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// How an image is unpacked.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// The ids that the files get, where they are not those of the layers.
    pub range: Option<Range>,
    /// How many bytes a layer may unpack to; holes of files do not count.
    pub limit: u64,
}

impl Default for How {
    fn default() -> How {
        How { range: None, limit: u64::MAX }
    }
}

/// Unpacks an image onto an empty folder.
pub fn unpack(layout: &Layout, image: &Image, root: &Path, how: &How) -> Result<()> {
    let open = rustix::fs::open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let fd = open.or_fail(Code::Failed, || format!("cannot open {}", root.display()))?;
    prepare(&fd, how.range).or_fail(Code::Failed, || format!("cannot change {}", root.display()))?;
    let diff_ids = image.diff_ids();
    for (i, layer) in image.layers.iter().enumerate() {
        unpack_layer(layout, layer, diff_ids.get(i).map(String::as_str), fd.as_fd(), how)?;
    }
    Ok(())
}

/// Gives a new folder to root inside, and the mode of a root, whatever the umask is.
pub fn prepare(folder: &OwnedFd, range: Option<Range>) -> rustix::io::Result<()> {
    own(range, folder, Path::new("."), 0, 0);
    rustix::fs::chmodat(folder, ".", Mode::from_raw_mode(0o755), AtFlags::empty())
}

/// Unpacks a layer onto those below it; a failure where its content has another digest than
/// `diff_id`.
pub(crate) fn unpack_layer(
    layout: &Layout,
    layer: &super::Descriptor,
    diff_id: Option<&str>,
    root: BorrowedFd<'_>,
    how: &How,
) -> Result<()> {
    let root = Root { fd: root, range: how.range };
    layout.verify(layer)?;
    let inner = decompress(layout.blob(&layer.digest)?)?;
    let mut stream = Hashing { inner, hash: Default::default(), left: how.limit.saturating_add(1) };
    // The rest behind the end mark counts for the digest.
    let applied = apply(&root, &mut stream, &layer.digest.to_string()).and_then(|()| {
        std::io::copy(&mut stream, &mut std::io::sink())
            .or_fail(Code::Image, || format!("the layer {}", layer.digest))
    });
    if stream.left == 0 {
        return Err(Failure::new(
            Code::Image,
            format!("the layer {} unpacks to more than {} bytes: refused", layer.digest, how.limit),
        )
        .mend("--layer-limit SIZE, if that is as it should be"));
    }
    applied?;
    let have = stream.digest();
    match diff_id {
        Some(want) if want != have => fail!(
            Code::Image,
            "the layer {} unpacks to {have} where the configuration says {want}",
            layer.digest
        ),
        _ => Ok(()),
    }
}

struct Hashing<R> {
    inner: R,
    hash: sha2::Sha256,
    /// How many bytes may still come; at 0 there were too many.
    left: u64,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.left = self.left.saturating_sub(n as u64);
        if self.left == 0 && n > 0 {
            return Err(std::io::Error::other("the layer is too large"));
        }
        sha2::Digest::update(&mut self.hash, &buffer[..n]);
        Ok(n)
    }
}

impl<R> Hashing<R> {
    fn digest(self) -> String {
        format!("sha256:{}", crate::commands::register::hex(&sha2::Digest::finalize(self.hash)))
    }
}

struct Root<'a> {
    fd: BorrowedFd<'a>,
    range: Option<Range>,
}

/// Gives a file to a user and a group of the image.
fn own(range: Option<Range>, parent: &OwnedFd, file: &Path, uid: u32, gid: u32) {
    let ids = match range {
        None => Some((uid, gid)),
        Some(range) => range.outside(uid, gid).or_else(|| {
            detail!("{} is of {uid}:{gid}, which do not exist inside: root's", file.display());
            range.outside(0, 0)
        }),
    };
    let Some((uid, gid)) = ids.map(|(u, g)| (Uid::from_raw(u), Gid::from_raw(g))) else { return };
    // Refused where only one id exists; then everything is that one's.
    let _ = rustix::fs::chownat(parent, file, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW);
}

impl Root<'_> {
    fn open(&self, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        rustix::fs::openat2(
            self.fd,
            path,
            flags | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
        )
    }

    /// Where a folder below the root lies, without links.
    fn real(&self, folder: &OwnedFd) -> std::io::Result<PathBuf> {
        let path = |fd: BorrowedFd<'_>| std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()));
        let (root, path) = (path(self.fd)?, path(folder.as_fd())?);
        path.strip_prefix(&root).map(Path::to_path_buf).map_err(std::io::Error::other)
    }

    fn own(&self, parent: &OwnedFd, file: &Path, uid: u32, gid: u32) {
        own(self.range, parent, file, uid, gid);
    }

    /// Where a name that is not there would lie, without links in its folder.
    fn real_name(&self, path: &Path) -> PathBuf {
        let folder = self.open(path.parent().unwrap_or(Path::new("")), OFlags::PATH | OFlags::DIRECTORY);
        let real = folder.ok().and_then(|folder| self.real(&folder).ok());
        match (real, path.file_name()) {
            (Some(real), Some(name)) => real.join(name),
            _ => path.to_path_buf(),
        }
    }

    /// A folder, made with its parents where it is missing.
    fn folder(&self, path: &Path) -> rustix::io::Result<OwnedFd> {
        self.folder_within(path, 40)
    }

    /// `links` bounds how many dangling links may lead on, as the kernel does.
    fn folder_within(&self, path: &Path, links: u32) -> rustix::io::Result<OwnedFd> {
        match self.open(path, OFlags::PATH | OFlags::DIRECTORY) {
            Err(Errno::NOENT) => {}
            other => return other,
        }
        let parent_path = path.parent().unwrap_or(Path::new(""));
        let name = path.file_name().ok_or(Errno::NOENT)?;
        let parent = self.folder_within(parent_path, links)?;
        match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
            Ok(()) => {
                self.own(&parent, Path::new(name), 0, 0);
                // What the umask took.
                rustix::fs::chmodat(&parent, name, Mode::from_raw_mode(0o755), AtFlags::empty())?;
                self.open(path, OFlags::PATH | OFlags::DIRECTORY)
            }
            // A link to a folder that is not there yet: made where the link leads, which is inside
            // whatever it says.
            Err(Errno::EXIST) if links > 0 => match rustix::fs::readlinkat(&parent, name, Vec::new()) {
                Ok(target) => {
                    let target = Path::new(std::ffi::OsStr::from_bytes(target.as_bytes())).to_path_buf();
                    self.folder_within(&lexical(&parent_path.join(target)), links - 1)
                }
                Err(_) => self.open(path, OFlags::PATH | OFlags::DIRECTORY),
            },
            Err(error) => Err(error),
        }
    }
}

/// Without `.` and `..`, and never above the root.
fn lexical(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for c in path.components() {
        match c {
            Component::Normal(n) => out.push(n),
            Component::ParentDir => {
                out.pop();
            }
            _ => {}
        }
    }
    out
}

/// A name of the layer, inside the root.
fn inside(name: &Path, layer: &str) -> Result<PathBuf> {
    let mut out = PathBuf::new();
    for c in name.components() {
        match c {
            Component::Normal(n) => out.push(n),
            Component::CurDir | Component::RootDir => {}
            _ => fail!(
                Code::Image,
                "the layer {layer} has the name {}, which leads out of the root: refused",
                name.display()
            ),
        }
    }
    Ok(out)
}

/// Applies a layer.
///
/// Whiteouts hide what lower layers have; what the layer itself has stays, whatever the order
/// (image-spec, layer.md, "Whiteouts"). umoci does the same, docker and containerd for opaque
/// whiteouts: those two, and podman, remove a file of the same layer by a `.wh.` entry behind it.
fn apply(root: &Root<'_>, stream: &mut dyn Read, layer: &str) -> Result<()> {
    let mut archive = Archive::new(stream);
    let mut folders: Vec<(PathBuf, Timespec)> = Vec::new();
    let mut own = Own::default();
    // Device nodes that are left out, and the names linked to them.
    let mut devices: HashSet<PathBuf> = HashSet::new();
    let damaged = || format!("the layer {layer} is damaged");
    while let Some(entry) = archive.next_entry().or_fail(Code::Image, damaged)? {
        let name = inside(&entry.name, layer)?;
        let (Some(file), parent_path) = (name.file_name(), name.parent().unwrap_or(Path::new(""))) else {
            continue;
        };
        let what = || format!("cannot unpack {} of the layer {layer}", name.display());
        let parent = root.folder(parent_path).or_fail(Code::Image, what)?;
        let real = root.real(&parent).or_fail(Code::Failed, what)?;
        if file == ".wh..wh..opq" {
            own.hide_others(&parent, &real).or_fail(Code::Failed, what)?;
            continue;
        }
        if let Some(hidden) = file.as_bytes().strip_prefix(b".wh.") {
            if !matches!(hidden, b"" | b"." | b"..") {
                let hidden = std::ffi::OsStr::from_bytes(hidden);
                own.hide(&parent, &real, hidden).or_fail(Code::Failed, what)?;
            }
            continue;
        }
        own.add(real.join(file));
        devices.remove(&real.join(file));
        let (header, kind) = (&entry.header, entry.kind);
        let mode = Mode::from_raw_mode(header.mode().unwrap_or(0o755) & 0o7777);
        // What is there makes way, except a folder for a folder.
        let there = rustix::fs::statat(&parent, file, AtFlags::SYMLINK_NOFOLLOW)
            .ok()
            .map(|s| FileType::from_raw_mode(s.st_mode));
        if there.is_some_and(|t| !(kind == tar::EntryType::Directory && t == FileType::Directory)) {
            remove(&parent, Path::new(file)).or_fail(Code::Failed, what)?;
        }
        match kind {
            tar::EntryType::Directory => match rustix::fs::mkdirat(&parent, file, Mode::from_raw_mode(0o755))
            {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(Failure::new(Code::Failed, format!("{}: {error}", what()))),
            },
            tar::EntryType::Regular | tar::EntryType::Continuous | tar::EntryType::GNUSparse => {
                let flags =
                    OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let fd = rustix::fs::openat(&parent, file, flags, Mode::from_raw_mode(0o600))
                    .or_fail(Code::Failed, what)?;
                let mut out = File::from(fd);
                let written = match entry.sparse {
                    Some(sparse) => sparse.write(&mut archive, &mut out),
                    None => std::io::copy(&mut archive, &mut out).map(drop),
                };
                if let Err(error) = written {
                    // What the system does not say is wrong with the layer.
                    let code = if error.raw_os_error().is_some() { Code::Failed } else { Code::Image };
                    return Err(Failure::new(code, format!("{}: {error}", what())));
                }
            }
            tar::EntryType::Symlink => {
                rustix::fs::symlinkat(&entry.link, &parent, file).or_fail(Code::Failed, what)?;
            }
            tar::EntryType::Link => {
                let target = inside(&entry.link, layer)?;
                let from = root.open(&target, OFlags::PATH | OFlags::NOFOLLOW);
                if matches!(from, Err(Errno::NOENT)) && devices.contains(&root.real_name(&target)) {
                    detail!("{} is a link to a device node: left out", name.display());
                    devices.insert(real.join(file));
                    continue;
                }
                let from = from
                    .or_fail(Code::Image, || format!("{}: its link's target {}", what(), target.display()))?;
                // Through /proc, because an empty path would need a capability.
                let path = format!("/proc/self/fd/{}", from.as_raw_fd());
                rustix::fs::linkat(rustix::fs::CWD, path, &parent, file, AtFlags::SYMLINK_FOLLOW)
                    .or_fail(Code::Failed, what)?;
                continue;
            }
            tar::EntryType::Fifo => {
                rustix::fs::mknodat(&parent, file, FileType::Fifo, Mode::from_raw_mode(0o600), 0)
                    .or_fail(Code::Failed, what)?;
            }
            tar::EntryType::Char | tar::EntryType::Block => {
                detail!("{} is a device node: left out", name.display());
                devices.insert(real.join(file));
                continue;
            }
            // As docker and containerd do: what is not understood is not passed over.
            other => {
                fail!(Code::Image, "{}: it is of the unknown kind {:?}", what(), char::from(other.as_byte()))
            }
        }
        root.own(&parent, Path::new(file), entry.owner.0, entry.owner.1);
        if kind != tar::EntryType::Symlink {
            rustix::fs::chmodat(&parent, file, mode, AtFlags::empty()).or_fail(Code::Failed, what)?;
            set_xattrs(&parent, file, &entry.xattrs);
        }
        let time = entry.mtime;
        if kind == tar::EntryType::Directory {
            // Later entries change its time.
            folders.push((name.clone(), time));
        } else {
            set_time(&parent, Path::new(file), time);
        }
    }
    for (name, time) in folders.iter().rev() {
        if let (Ok(parent), Some(file)) = (
            root.open(name.parent().unwrap_or(Path::new("")), OFlags::PATH | OFlags::DIRECTORY),
            name.file_name(),
        ) {
            set_time(&parent, Path::new(file), *time);
        }
    }
    Ok(())
}

/// What a layer has itself: real paths below the root, with all folders on the way.
#[derive(Default)]
struct Own {
    paths: HashSet<PathBuf>,
}

impl Own {
    fn add(&mut self, path: PathBuf) {
        let mut next = Some(path);
        while let Some(path) = next {
            next = path.parent().map(Path::to_path_buf);
            if !self.paths.insert(path) {
                break;
            }
        }
    }

    /// Removes a file of lower layers; of a folder that the layer has as well, what it does not
    /// have.
    fn hide(&self, parent: &OwnedFd, path: &Path, name: &std::ffi::OsStr) -> rustix::io::Result<()> {
        let path = path.join(name);
        if !self.paths.contains(&path) {
            return remove(parent, Path::new(name));
        }
        match open_folder(parent, Path::new(name)) {
            Ok(folder) => self.hide_others(&folder, &path),
            Err(Errno::NOTDIR | Errno::LOOP | Errno::NOENT) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The same for everything in a folder.
    fn hide_others(&self, folder: &OwnedFd, path: &Path) -> rustix::io::Result<()> {
        names(folder)?.iter().try_for_each(|name| self.hide(folder, path, name))
    }
}

fn set_time(parent: &OwnedFd, file: &Path, t: Timespec) {
    let _ = rustix::fs::utimensat(
        parent,
        file,
        &Timestamps { last_access: t, last_modification: t },
        AtFlags::SYMLINK_NOFOLLOW,
    );
}

/// By these overlayfs hides and replaces files in folders that it is given; no layer is to do so.
const OVERLAY_ATTRIBUTES: [&str; 2] = ["trusted.overlay.", "user.overlay."];

/// Sets extended attributes: file capabilities above all.
fn set_xattrs(parent: &OwnedFd, file: &std::ffi::OsStr, list: &[(String, Vec<u8>)]) {
    if list.is_empty() {
        return;
    }
    let Ok(fd) =
        rustix::fs::openat(parent, file, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
    else {
        return;
    };
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    for (name, value) in list {
        if OVERLAY_ATTRIBUTES.iter().any(|prefix| name.starts_with(prefix)) {
            detail!("the attribute {name} is overlayfs's own: left out");
            continue;
        }
        let _ = rustix::fs::setxattr(path.as_str(), name.as_str(), value, XattrFlags::empty());
    }
}

/// Names in a folder.
fn names(folder: impl AsFd) -> rustix::io::Result<Vec<std::ffi::OsString>> {
    let fd =
        rustix::fs::openat(folder, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let mut buffer = vec![MaybeUninit::uninit(); 8192];
    let mut list = Vec::new();
    let mut dir = RawDir::new(fd, &mut buffer);
    while let Some(entry) = dir.next() {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            list.push(std::ffi::OsStr::from_bytes(&name).to_os_string());
        }
    }
    Ok(list)
}

/// So many folders deep a tree is gone down into, with a descriptor for each; what lies deeper is
/// moved up first.
const DEEP: usize = 64;

/// Where what lies too deep is moved to: the folder that is being removed, and the next number for
/// a name in it.
struct Top<'a> {
    folder: &'a OwnedFd,
    next: u64,
}

impl Top<'_> {
    fn move_up(&mut self, parent: &OwnedFd, name: &Path) -> rustix::io::Result<()> {
        loop {
            let new = format!("{name}-{}", self.next, name = ".anyarch-deep");
            self.next += 1;
            match rustix::fs::renameat_with(parent, name, self.folder, &new, RenameFlags::NOREPLACE) {
                Err(Errno::EXIST) => {}
                other => return other,
            }
        }
    }
}

/// Removes what a folder holds, which lies `depth` folders below the top.
fn empty(folder: &OwnedFd, top: &mut Top<'_>, depth: usize) -> rustix::io::Result<()> {
    for name in names(folder)? {
        remove_below(folder, Path::new(&name), Some(top), depth + 1)?;
    }
    Ok(())
}

fn open_folder(parent: &OwnedFd, name: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty())
}

/// Removes a file or a whole folder, following no link. A folder may hold folders of any depth.
pub fn remove(parent: &OwnedFd, name: &Path) -> rustix::io::Result<()> {
    remove_below(parent, name, None, 0)
}

fn remove_below(
    parent: &OwnedFd,
    name: &Path,
    top: Option<&mut Top<'_>>,
    depth: usize,
) -> rustix::io::Result<()> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR) => {}
        Err(error) => return Err(error),
    }
    let folder = match open_folder(parent, name) {
        Err(Errno::ACCESS) => {
            // An image's folder may be closed even to its owner.
            rustix::fs::chmodat(parent, name, Mode::from_raw_mode(0o700), AtFlags::empty())?;
            open_folder(parent, name)?
        }
        other => other?,
    };
    let open = |folder: &OwnedFd| rustix::fs::fchmod(folder, Mode::from_raw_mode(0o700));
    match top {
        Some(top) if depth > DEEP => {
            // To move a folder is to write its `..`.
            open(&folder)?;
            return top.move_up(parent, name);
        }
        Some(top) => {
            if let Err(Errno::ACCESS) = empty(&folder, top, depth) {
                open(&folder)?;
                empty(&folder, top, depth)?;
            }
        }
        None => loop {
            let mut own = Top { folder: &folder, next: 0 };
            match empty(&folder, &mut own, depth) {
                Err(Errno::ACCESS) => {
                    open(&folder)?;
                    empty(&folder, &mut own, depth)?;
                }
                other => other?,
            }
            // What was moved up meanwhile.
            if own.next == 0 {
                break;
            }
        },
    }
    rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)
}

/// Checks a layer without unpacking it: the digest of its content.
pub fn diff_id(layout: &Layout, layer: &super::Descriptor) -> Result<String> {
    let mut stream = decompress(layout.blob(&layer.digest)?)?;
    let (digest, _) = copy_hashing(&mut stream, &mut std::io::sink(), |_| {})
        .or_fail(Code::Image, || format!("the layer {}", layer.digest))?;
    Ok(digest.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Applies entries `(kind, name, content or link)` and tells the failure.
    fn check(entries: &[(char, &str, &str)], look: impl Fn(&Path, Result<()>)) {
        let mut tar = tar::Builder::new(Vec::new());
        for (kind, name, content) in entries {
            let mut header = tar::Header::new_ustar();
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_mode(0o755);
            header.set_uid(rustix::process::getuid().as_raw().into());
            header.set_gid(rustix::process::getgid().as_raw().into());
            let body = if *kind == 'f' { content.as_bytes() } else { b"" };
            header.set_size(body.len() as u64);
            header.set_entry_type(match kind {
                'f' => tar::EntryType::Regular,
                'd' => tar::EntryType::Directory,
                's' => tar::EntryType::Symlink,
                'l' => tar::EntryType::Link,
                _ => tar::EntryType::Char,
            });
            if matches!(kind, 's' | 'l') {
                header.as_mut_bytes()[157..157 + content.len()].copy_from_slice(content.as_bytes());
            }
            header.set_cksum();
            tar.append(&header, body).unwrap();
        }
        let bytes = tar.into_inner().unwrap();
        let outer = tempfile::tempdir().unwrap();
        let dir = outer.path().join("root");
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(outer.path().join("secret"), "untouched").unwrap();
        let fd = rustix::fs::open(&dir, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
        let root = Root { fd: fd.as_fd(), range: None };
        let result = apply(&root, &mut &bytes[..], "L");
        assert_eq!(std::fs::read_to_string(outer.path().join("secret")).unwrap(), "untouched");
        let names: Vec<_> =
            std::fs::read_dir(outer.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names.len(), 2, "something was written beside the root: {names:?}");
        look(&dir, result);
    }

    #[test]
    fn deep_trees_are_removed() {
        let outer = tempfile::tempdir().unwrap();
        let parent = rustix::fs::open(outer.path(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let mut at = parent.try_clone().unwrap();
        for _ in 0..5000 {
            rustix::fs::mkdirat(&at, "d", Mode::from_raw_mode(0o755)).unwrap();
            at = open_folder(&at, Path::new("d")).unwrap();
        }
        remove(&parent, Path::new("d")).unwrap();
        assert!(names(&parent).unwrap().is_empty());
    }

    #[test]
    fn layers_cannot_leave_the_root() {
        let refused = |_: &Path, result: Result<()>| {
            let failure = result.unwrap_err();
            assert_eq!(failure.code, Code::Image);
            assert!(
                failure.what.contains("leads out of the root") || failure.what.contains("its link's target"),
                "{}",
                failure.what
            );
        };
        check(&[('f', "../secret", "x")], refused);
        check(&[('f', "a/../../secret", "x")], refused);
        check(&[('l', "a", "../secret")], refused);
        check(&[('s', "a", "../secret"), ('l', "b", "a/x")], refused);
        // Links may say what they like; writing through them stays inside.
        check(&[('s', "out", "../.."), ('f', "out/secret", "x")], |dir, result| {
            result.unwrap();
            assert_eq!(std::fs::read_to_string(dir.join("secret")).unwrap(), "x");
        });
        check(&[('s', "out", "/etc"), ('f', "out/f", "x")], |dir, result| {
            result.unwrap();
            assert_eq!(std::fs::read_to_string(dir.join("etc/f")).unwrap(), "x");
        });
        // A file takes the place of a link to a file; it is not written through it.
        check(&[('s', "a", "../secret"), ('f', "a", "x")], |dir, result| {
            result.unwrap();
            assert!(dir.join("a").symlink_metadata().unwrap().is_file());
        });
        check(&[('f', "/abs/f", "x")], |dir, result| {
            result.unwrap();
            assert_eq!(std::fs::read_to_string(dir.join("abs/f")).unwrap(), "x");
        });
        check(&[('c', "dev/sda", "")], |dir, result| {
            result.unwrap();
            assert!(!dir.join("dev/sda").exists());
        });
    }

    /// The names that two layers leave, the second on top of the first; a name with / at its end is
    /// a folder.
    fn left(lower: &[&str], upper: &[&str]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let fd = rustix::fs::open(dir.path(), OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
        let root = Root { fd: fd.as_fd(), range: None };
        for layer in [lower, upper] {
            let mut tar = tar::Builder::new(Vec::new());
            for name in layer {
                let mut header = tar::Header::new_gnu();
                header.set_mode(0o755);
                header.set_size(0);
                let mut words = name.split(" -> ");
                let (name, link) = (words.next().unwrap(), words.next());
                if let Some(link) = link {
                    header.set_entry_type(tar::EntryType::Symlink);
                    tar.append_link(&mut header, name, link).unwrap();
                    continue;
                }
                if name.ends_with('/') {
                    header.set_entry_type(tar::EntryType::Directory);
                }
                tar.append_data(&mut header, name, std::io::empty()).unwrap();
            }
            apply(&root, &mut &tar.into_inner().unwrap()[..], "L").unwrap();
        }
        let mut list = Vec::new();
        let mut folders = vec![dir.path().to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
                if entry.symlink_metadata().unwrap().is_dir() {
                    folders.push(entry);
                } else {
                    list.push(entry.strip_prefix(dir.path()).unwrap().display().to_string());
                }
            }
        }
        list.sort();
        list
    }

    #[test]
    fn whiteouts_hide_lower_layers_and_nothing_else() {
        let check = |lower: &[&str], upper: &[&str], want: &[&str]| {
            assert_eq!(left(lower, upper), want, "{upper:?}");
            // The order within a layer does not matter.
            let folders = upper.iter().filter(|n| n.ends_with('/'));
            let others = upper.iter().rev().filter(|n| !n.ends_with('/'));
            let turned: Vec<&str> = folders.chain(others).copied().collect();
            assert_eq!(left(lower, &turned), want, "{turned:?}");
        };
        check(&["a/x", "b"], &[".wh.b"], &["a/x"]);
        check(&["a/x", "a/d/z", "b"], &["a/", "a/.wh..wh..opq", "a/y"], &["a/y", "b"]);
        // The example of the specification: bin/my-app-tools is new in the layer that is opaque.
        check(
            &["bin/my-app-binary", "bin/tools/my-app-tool"],
            &["bin/", "bin/.wh..wh..opq", "bin/tools/", "bin/tools/new"],
            &["bin/tools/new"],
        );
        // What the layer replaces it has itself.
        check(&["a/x"], &["a/x", "a/.wh..wh..opq"], &["a/x"]);
        check(&["x", "d/x"], &["x", ".wh.x", "d/y", ".wh.d"], &["d/y", "x"]);
        check(&["a/b/x"], &["a/b/y", ".wh..wh..opq"], &["a/b/y"]);
        // Real places count, not what they are called.
        check(&["usr/bin/x", "bin -> usr/bin"], &["bin/y", "usr/bin/.wh..wh..opq"], &["bin", "usr/bin/y"]);
        // Nothing is hidden by these.
        check(&["x"], &[".wh...", ".wh.."], &["x"]);
    }

    #[test]
    fn attributes_may_have_line_breaks() {
        // CAP_DAC_OVERRIDE and CAP_FOWNER.
        let capabilities = [1, 0, 0, 2, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let mut tar = tar::Builder::new(Vec::new());
        tar.append_pax_extensions([
            ("SCHILY.xattr.security.capability", &capabilities[..]),
            ("SCHILY.xattr.user.lines", b"a\n11 size=99\n"),
        ])
        .unwrap();
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o755);
        header.set_size(1);
        tar.append_data(&mut header, "f", &b"x"[..]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let fd = rustix::fs::open(dir.path(), OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
        apply(&Root { fd: fd.as_fd(), range: None }, &mut &tar.into_inner().unwrap()[..], "L").unwrap();
        let file = dir.path().join("f");
        assert_eq!(std::fs::read(&file).unwrap(), b"x");
        let attribute = |name: &str| {
            let mut value = vec![0; 100];
            let size = rustix::fs::getxattr(&file, name, &mut value[..]).ok()?;
            value.truncate(size);
            Some(value)
        };
        if rustix::fs::setxattr(dir.path(), "user.lines", b"1", XattrFlags::empty()).is_ok() {
            assert_eq!(attribute("user.lines").unwrap(), b"a\n11 size=99\n");
        }
        // Only root may set it.
        if let Some(value) = attribute("security.capability") {
            assert_eq!(value, capabilities);
        }
    }

    #[test]
    fn what_is_there_makes_way() {
        check(&[('f', "a", "1"), ('l', "b", "a"), ('d', "a", "")], |dir, result| {
            result.unwrap();
            assert!(dir.join("a").is_dir() && dir.join("b").is_file());
        });
    }
}

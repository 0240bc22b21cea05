//! Layers that stay unpacked: what a second run finds, what concurrent and killed ones leave, what
//! `image prune` removes.

mod common;
use anyarch_harness::guests::GUESTS;
use common::*;
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// An image of two layers, and a cache of its own.
struct Case {
    dir: tempfile::TempDir,
    image: PathBuf,
}

/// Kind, name, and content or link.
fn layer(entries: &[(tar::EntryType, &str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (kind, name, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_000_000_000);
        header.set_entry_type(*kind);
        if matches!(kind, tar::EntryType::Link | tar::EntryType::Symlink) {
            header.set_size(0);
            tar.append_link(&mut header, name, content).unwrap();
        } else {
            header.set_size(content.len() as u64);
            tar.append_data(&mut header, name, content.as_bytes()).unwrap();
        }
    }
    tar.into_inner().unwrap()
}

impl Case {
    fn new() -> Case {
        Case::with_padding(0)
    }

    /// With so many further bytes in the lower layer.
    fn with_padding(padding: usize) -> Case {
        use tar::EntryType::{Directory, Link, Regular, Symlink};
        need_namespaces();
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        std::fs::create_dir(&root).unwrap();
        busybox_root(&GUESTS[0], &root);
        for (name, content) in
            [("gone", "x"), ("folder/old/x", "x"), ("opaque/old/x", "x"), ("kept", "below")]
        {
            let file = root.join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, content).unwrap();
        }
        std::fs::write(root.join("padding"), vec![7; padding]).unwrap();
        let below = tar_of(&root);
        let above = layer(&[
            (Regular, ".wh.gone", ""),
            (Regular, "folder/.wh.old", ""),
            (Directory, "folder/old/", ""),
            (Directory, "opaque/", ""),
            (Regular, "opaque/.wh..wh..opq", ""),
            (Regular, "opaque/new", "x"),
            (Symlink, "links", "folder"),
            (Regular, "links/through", "x"),
            (Link, "hard", "kept"),
        ]);
        let config = json!({ "Cmd": ["/bin/sh", "-c", SCRIPT] });
        let image = crafted_of(dir.path(), GUESTS[0].debian, &[&below, &above], &config);
        Case { dir, image }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(ANYARCH);
        command.args(words).env("ANYARCH_EMU", anyarch_harness::emulator());
        command.env("XDG_CACHE_HOME", self.dir.path().join("cache")).env("TMPDIR", self.dir.path());
        command
    }

    fn run(&self, more: &[&str]) -> Output {
        let words = [&["run", "-q", self.image.to_str().unwrap()][..], more].concat();
        self.command(&words).output().unwrap()
    }

    fn says(&self, words: &[&str]) -> String {
        let out = self.command(words).output().unwrap();
        assert!(out.status.success(), "{words:?}: {}", text(&out.stderr));
        text(&out.stdout)
    }

    fn cache(&self, name: &str) -> Vec<String> {
        let list = std::fs::read_dir(self.dir.path().join("cache/anyarch").join(name)).into_iter().flatten();
        let mut names: Vec<_> = list.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|n| n != "lock" && n != "making");
        names.sort();
        names
    }

    /// The blobs of the layers become what nobody can unpack.
    fn spoil(&self) {
        let layout = anyarch_tool::oci::Layout::open(&self.image).unwrap().unwrap();
        for layer in layout.image(None, None).unwrap().layers {
            std::fs::write(layout.dir().join("blobs/sha256").join(layer.digest.hex()), "spoilt").unwrap();
        }
    }
}

/// What both layers make of the root, and that it can be written.
const SCRIPT: &str = "busybox ls /folder /folder/old /opaque; busybox cat /hard; echo; \
    busybox stat -c %h /kept; busybox stat -c %a / /opaque; [ ! -e /gone ] && echo gone; \
    [ ! -e /written ] && echo x >/written && busybox cat /written; busybox rm -r /folder && \
    busybox mkdir /folder && busybox ls -A /folder; busybox touch /kept && echo done";
const WANT: &str = "/folder:\nold\nthrough\n\n/folder/old:\n\n/opaque:\nnew\nbelow\n2\n755\n755\n\
                    gone\nx\ndone\n";

fn check_seen(output: &Output) {
    assert_eq!((text(&output.stdout).as_str(), text(&output.stderr).as_str()), (WANT, ""));
    assert!(output.status.success());
}

#[test]
fn a_second_run_unpacks_nothing_and_sees_nothing_of_the_first() {
    let case = Case::new();
    check_seen(&case.run(&[]));
    let kept = case.cache("layers");
    assert_eq!(kept.len(), 2, "{kept:?}");
    case.spoil();
    // Whatever the umask of who runs it is, the root is a root.
    let mut sh = Command::new("sh");
    sh.args(["-c", "umask 077; exec \"$@\"", "sh", ANYARCH, "run", "-q", case.image.to_str().unwrap()]);
    for (name, value) in case.command(&[]).get_envs() {
        sh.env(name, value.unwrap());
    }
    check_seen(&sh.output().unwrap());
    assert_eq!(case.cache("layers"), kept);
    assert_eq!(case.cache("roots"), [] as [&str; 0]);
    // The best of some, for the machine may have other work. The guest's own start is in it.
    let best = (0..5).map(|_| {
        let begin = Instant::now();
        assert!(case.run(&["--", "/t", "start"]).status.code() == Some(42));
        begin.elapsed()
    });
    let best = best.min().unwrap();
    assert!(best < Duration::from_millis(500), "{best:?}");
}

/// The second run of an archive reads none of it: there is no folder to unpack it in. A file that was
/// replaced is another one.
#[test]
fn an_archive_is_read_once() {
    let case = Case::new();
    let archive = case.dir.path().join("image.tar");
    let pack = |from: &Path| {
        let mut tar = Command::new("tar");
        tar.arg("-cf").arg(&archive).arg("-C").arg(from).arg(".");
        assert!(tar.status().unwrap().success());
        // What was written just before is not noted.
        std::thread::sleep(Duration::from_millis(3100));
    };
    let run = |temporary: &str| {
        let mut command = case.command(&["run", "-q", archive.to_str().unwrap()]);
        command.env("TMPDIR", case.dir.path().join(temporary)).output().unwrap()
    };
    let refused = |output: &Output| {
        assert!(text(&output.stderr).contains("cannot make a temporary folder"), "{}", text(&output.stderr));
    };
    pack(&case.image);
    refused(&run("missing"));
    check_seen(&run("."));
    check_seen(&run("missing"));
    let report = case.dir.path().join("report");
    let words = ["run", "-q", "--json", report.to_str().unwrap(), archive.to_str().unwrap(), "--", "/t"];
    assert_eq!(case.command(&[&words[..], &["start"]].concat()).status().unwrap().code(), Some(42));
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    assert_eq!(report["platform"], format!("linux/{}", GUESTS[0].debian));
    let best = (0..5).map(|_| {
        let begin = Instant::now();
        let words = ["run", "-q", archive.to_str().unwrap(), "--", "/t", "start"];
        assert_eq!(case.command(&words).status().unwrap().code(), Some(42));
        begin.elapsed()
    });
    let best = best.min().unwrap();
    assert!(best < Duration::from_millis(500), "{best:?}");
    // Where the layers are gone the archive is read again.
    case.says(&["image", "prune", "--all"]);
    refused(&run("missing"));
    check_seen(&run("."));
    std::fs::remove_dir_all(case.dir.path().join("cache/anyarch/layers")).unwrap();
    refused(&run("missing"));
    check_seen(&run("."));
    // The same path and size, and another content.
    let other = case.dir.path().join("other");
    std::fs::create_dir(&other).unwrap();
    let root = case.dir.path().join("root");
    pack(&image_of(&GUESTS[0], &root, &other));
    refused(&run("missing"));
    assert_eq!(run(".").status.code(), Some(42));
    assert_eq!(run("missing").status.code(), Some(42));
    // Asked for otherwise, it is read.
    let mut other = case.command(&["run", "-q", "--platform", "s390x", archive.to_str().unwrap()]);
    assert_eq!(other.output().unwrap().status.code(), Some(9));
}

/// An archive that was written a moment ago is run, and not noted: what is written to it now could
/// have the same times.
#[test]
fn an_archive_of_this_moment_is_not_noted() {
    let case = Case::new();
    let archive = case.dir.path().join("image.tar");
    let tar = Command::new("tar").arg("-cf").arg(&archive).arg("-C").arg(&case.image).arg(".").status();
    assert!(tar.unwrap().success());
    check_seen(&case.command(&["run", "-q", archive.to_str().unwrap()]).output().unwrap());
    assert_eq!(case.cache("archives"), [] as [&str; 0]);
}

/// Two images with the same lower layer have it once; another blob of the same content is another.
#[test]
fn images_share_layers() {
    let case = Case::new();
    check_seen(&case.run(&[]));
    let layout = anyarch_tool::oci::Layout::open(&case.image).unwrap().unwrap();
    let base = layout.image(None, None).unwrap().layers[0].digest.clone();
    let below = std::fs::read(layout.dir().join("blobs/sha256").join(base.hex())).unwrap();
    let other = case.dir.path().join("other");
    std::fs::create_dir(&other).unwrap();
    let above = layer(&[(tar::EntryType::Regular, "new", "new\n")]);
    let config = json!({ "Cmd": ["/bin/busybox", "cat", "/new", "/gone"] });
    let image = crafted_of(&other, GUESTS[0].debian, &[&below, &above], &config);
    assert_eq!(case.says(&["run", image.to_str().unwrap()]), "new\nx");
    assert_eq!(case.cache("layers").len(), 3);
}

#[test]
fn runs_at_once_make_layers_once() {
    let case = Case::with_padding(32 << 20);
    let image = case.image.to_str().unwrap();
    let begin = |_| case.command(&["run", "-q", image]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let children: Vec<_> = (0..4).map(begin).collect();
    for child in children {
        check_seen(&child.unwrap().wait_with_output().unwrap());
    }
    assert_eq!(case.cache("layers").len(), 2, "{:?}", case.cache("layers"));
    assert_eq!(case.cache("roots"), [] as [&str; 0]);
}

#[test]
fn a_killed_run_leaves_no_half_of_a_layer() {
    let case = Case::with_padding(128 << 20);
    let mut killed = 0;
    for delay in [0, 20, 60, 150] {
        let mut child = case.command(&["run", "-q", case.image.to_str().unwrap()]).spawn().unwrap();
        while !case.cache("layers").iter().any(|n| n.starts_with("new-")) {
            if child.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(delay));
        child.kill().unwrap();
        child.wait().unwrap();
        killed += case.cache("layers").iter().any(|n| n.starts_with("new-")) as usize;
    }
    assert!(killed > 0, "no run was killed while it made a layer");
    // A process that waits for the disk ends when that is done, and has its lock until then.
    let mut kept = Vec::new();
    for _ in 0..50 {
        check_seen(&case.run(&[]));
        kept = case.cache("layers");
        if kept.iter().all(|n| !n.starts_with("new-")) {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(kept.len() == 2 && kept.iter().all(|n| !n.starts_with("new-")), "{kept:?}");
    // The whole file is there.
    let of = |name: &String| case.dir.path().join("cache/anyarch/layers").join(name).join("root/padding");
    let size = kept.iter().filter_map(|n| std::fs::metadata(of(n)).ok()).map(|m| m.len()).max();
    assert_eq!(size, Some(128 << 20));
}

#[test]
fn prune_leaves_what_runs_and_what_is_in_the_cache() {
    let case = Case::new();
    check_seen(&case.run(&[]));
    let image = case.image.to_str().unwrap();
    let words = ["run", "-q", image, "--", "/bin/sh", "-c", "echo up; exec busybox sleep 1000"];
    let mut running = case.command(&words).stdout(Stdio::piped()).spawn().unwrap();
    let mut reader = BufReader::new(running.stdout.take().unwrap());
    reader.read_line(&mut String::new()).unwrap();
    for words in [&["image", "prune"][..], &["image", "prune", "--all"]] {
        assert_eq!(case.says(words), "removed 0 unpacked roots\n");
        assert_eq!(case.cache("layers").len(), 2);
    }
    running.kill().unwrap();
    running.wait().unwrap();
    reader.read_line(&mut String::new()).unwrap();
    let told: serde_json::Value = serde_json::from_str(&case.says(&["image", "prune", "--json"])).unwrap();
    let want = json!({ "schema": 1, "roots": 1, "layers": 2, "half_made": 0, "pulled_images": false });
    assert_eq!(told, want);
    assert_eq!(case.cache("layers"), [] as [&str; 0]);
    // An image of the cache keeps its layers until it goes.
    let images = case.dir.path().join("cache/anyarch/images");
    let copied = Command::new("cp").arg("-r").args([&case.image, &images]).status().unwrap();
    assert!(copied.success());
    check_seen(&case.run(&[]));
    case.says(&["image", "prune"]);
    assert_eq!(case.cache("layers").len(), 2);
    let said = case.says(&["image", "prune", "--all"]);
    assert_eq!(said, "removed 0 unpacked roots\nremoved 2 unpacked layers\nremoved the pulled images\n");
    assert_eq!(case.cache("layers"), [] as [&str; 0]);
}

/// What was not used for a month goes when something else comes.
#[test]
fn old_layers_go_when_others_are_made() {
    let case = Case::new();
    check_seen(&case.run(&[]));
    let old = case.cache("layers");
    let folder = |name: &str| case.dir.path().join("cache/anyarch/layers").join(name);
    let age = |name: &str, days: i64| {
        let now = std::fs::metadata(case.dir.path()).unwrap().mtime();
        let time = filetime(now - days * 86_400);
        rustix::fs::utimensat(rustix::fs::CWD, folder(name), &time, rustix::fs::AtFlags::empty()).unwrap();
    };
    age(&old[0], 31);
    age(&old[1], 29);
    let other = case.dir.path().join("other");
    std::fs::create_dir(&other).unwrap();
    let root = case.dir.path().join("root");
    std::fs::write(root.join("more"), "x").unwrap();
    let image = image_of(&GUESTS[0], &root, &other);
    let out = case.command(&["run", image.to_str().unwrap()]).output().unwrap();
    assert_eq!(out.status.code(), Some(42), "{}", text(&out.stderr));
    let left = case.cache("layers");
    assert!(left.len() == 2 && !left.contains(&old[0]) && left.contains(&old[1]), "{left:?}");
}

fn filetime(seconds: i64) -> rustix::fs::Timestamps {
    let time = rustix::fs::Timespec { tv_sec: seconds, tv_nsec: 0 };
    rustix::fs::Timestamps { last_access: time, last_modification: time }
}

/// A file system that cannot hold an overlay's marks: the image is unpacked for the run alone.
#[test]
fn without_overlays_an_image_runs_all_the_same() {
    let case = Case::new();
    let ram = case.dir.path().join("ram");
    std::fs::create_dir(&ram).unwrap();
    let script = format!(
        "mount -t ramfs ramfs {ram} && export XDG_CACHE_HOME={ram} && umask 077 || exit 99
        for i in 1 2; do {ANYARCH} run -q {image} || exit $?; done; {ANYARCH} run --verbose {image} >&2; ls {ram}/anyarch/*",
        ram = ram.display(),
        image = case.image.display()
    );
    let out = Command::new("unshare")
        .args(["-Urm", "sh", "-c", &script])
        .env("ANYARCH_EMU", anyarch_harness::emulator())
        .output()
        .unwrap();
    let (stdout, stderr) = (text(&out.stdout), text(&out.stderr));
    assert!(stderr.contains("layers are not kept: no overlay in"), "{stdout}{stderr}");
    assert_eq!(stdout.matches("gone\nx\ndone\n").count(), 2, "{stdout}{stderr}");
    let names = |place: &str| {
        let (_, rest) = stdout.split_once(&format!("{place}:\n")).unwrap();
        rest.lines().take_while(|l| !l.is_empty()).map(str::to_string).collect::<Vec<_>>()
    };
    assert_eq!(names("layers"), ["lock", "making"]);
    assert_eq!(names("roots"), ["lock"]);
}

/// Nothing of what did not fit stays, and the line says what helps.
#[test]
fn a_full_disk_is_said() {
    let case = Case::with_padding(3 << 20);
    let full = case.dir.path().join("full");
    std::fs::create_dir(&full).unwrap();
    let script = format!(
        "mount -t tmpfs -o size=3m t {full} && export XDG_CACHE_HOME={full} || exit 99
        {ANYARCH} run -q {image}; echo $?; ls {full}/anyarch/layers {full}/anyarch/roots",
        full = full.display(),
        image = case.image.display()
    );
    let out = Command::new("unshare")
        .args(["-Urm", "sh", "-c", &script])
        .env("ANYARCH_EMU", anyarch_harness::emulator())
        .output()
        .unwrap();
    let said = text(&out.stderr);
    assert!(said.contains("No space left") && said.contains("mend: anyarch image prune --all"), "{said}");
    let left = text(&out.stdout);
    assert!(left.starts_with("125\n") && !left.contains("new-") && !left.contains("run-"), "{left}");
}

/// A damaged layer is refused, and nothing of it is kept.
#[test]
fn damaged_layers_are_not_kept() {
    let case = Case::new();
    case.spoil();
    let out = case.run(&[]);
    assert_eq!(out.status.code(), Some(9), "{}", text(&out.stderr));
    assert!(text(&out.stderr).contains("is corrupted"), "{}", text(&out.stderr));
    assert_eq!((case.cache("layers"), case.cache("roots")), (vec![], vec![]));
}

/// Attributes by which overlayfs hides files are no layer's to set.
#[test]
fn layers_do_not_command_overlayfs() {
    let mut tar = tar::Builder::new(Vec::new());
    let marks = ["user.overlay.opaque", "user.overlay.whiteout", "trusted.overlay.opaque", "user.mine"];
    let keys = marks.map(|mark| format!("SCHILY.xattr.{mark}"));
    tar.append_pax_extensions(keys.iter().map(|key| (key.as_str(), &b"y"[..]))).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_mode(0o755);
    header.set_size(1);
    tar.append_data(&mut header, "f", &b"x"[..]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let source = crafted(dir.path(), &tar.into_inner().unwrap());
    let to = dir.path().join("b");
    let out = anyarch(&["image", "unpack", "-v", source.to_str().unwrap(), to.to_str().unwrap()]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert_eq!(text(&out.stderr).matches("is overlayfs's own: left out").count(), 3, "{}", text(&out.stderr));
    let mut names = vec![0; 1000];
    let size = rustix::fs::listxattr(to.join("rootfs/f"), &mut names[..]).unwrap();
    assert!(!text(&names[..size]).contains("overlay"), "{}", text(&names[..size]));
    check_path(&to.join("rootfs/f"));
}

fn check_path(file: &Path) {
    assert_eq!(std::fs::read(file).unwrap(), b"x");
}

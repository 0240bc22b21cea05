//! What layers, disks and signals may do to `image` and `run`: holes, sizes, full disks, kills, and
//! bytes that are commands for a terminal.

mod common;
use anyarch_harness::guests::GUESTS;
use common::*;
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn succeeded(output: &Output) {
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

/// Names below a folder, the hidden ones included.
fn below(dir: &Path) -> Vec<String> {
    let list = std::fs::read_dir(dir).into_iter().flatten();
    let mut names: Vec<_> = list.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A terabyte with a few bytes at its beginning, in its middle and before its end.
const SIZE: u64 = 1 << 40;
const PIECES: [(u64, &[u8]); 3] = [(0, b"first"), (1 << 39, b"middle"), ((1 << 40) - 8192, b"last")];

fn check_holes(file: &Path) {
    let meta = std::fs::metadata(file).unwrap();
    assert_eq!(meta.len(), SIZE, "{}", file.display());
    assert!(meta.blocks() < 1024, "{} has {} blocks", file.display(), meta.blocks());
    let open = std::fs::File::open(file).unwrap();
    for (at, want) in PIECES {
        let mut have = vec![0; want.len() + 1];
        open.read_exact_at(&mut have, at).unwrap();
        assert_eq!(&have[..want.len()], want, "{}", file.display());
        assert_eq!(have[want.len()], 0);
    }
}

#[test]
fn holes_stay_holes() {
    let dir = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(dir.path().join("holes")).unwrap();
    for (at, bytes) in PIECES {
        file.write_all_at(bytes, at).unwrap();
    }
    file.set_len(SIZE).unwrap();
    let forms =
        ["gnu", "posix --sparse-version=0.0", "posix --sparse-version=0.1", "posix --sparse-version=1.0"];
    for (i, form) in forms.iter().enumerate() {
        let at = dir.path().join(i.to_string());
        std::fs::create_dir(&at).unwrap();
        let script = format!("tar -C {} --sparse --format={form} -cf - holes", dir.path().display());
        let tar = Command::new("sh").args(["-c", &script]).output().unwrap();
        succeeded(&tar);
        assert!(tar.stdout.len() < 100_000, "{form}: tar has written the holes");
        let source = crafted(&at, &tar.stdout);
        let out = anyarch(&["image", "unpack", source.to_str().unwrap(), at.join("b").to_str().unwrap()]);
        succeeded(&out);
        assert_eq!(below(&at.join("b/rootfs")), ["holes"], "{form}");
        check_holes(&at.join("b/rootfs/holes"));
    }
}

/// A program with a megabyte of zeros: other tools and ours make a hole of it.
#[test]
fn layers_are_built_with_holes() {
    use anyarch_tool::oci::write::{Content, Item, layer};
    use anyarch_tool::oci::{Layout, decompress};
    let dir = tempfile::tempdir().unwrap();
    let mut program = b"begin".to_vec();
    program.resize(1 << 20, 0);
    program.extend(b"end");
    let layout = Layout::create(&dir.path().join("l")).unwrap();
    let path = format!("usr/{}/program", "long".repeat(40));
    let items = [Item { path: path.clone(), content: Content::Executable(program.clone()) }];
    let (made, _) = layer(&layout, &items).unwrap();
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut decompress(layout.blob(&made.digest).unwrap()).unwrap(), &mut plain)
        .unwrap();
    assert!(plain.len() < 100_000, "{} bytes", plain.len());
    let source = crafted(dir.path(), &plain);
    let to = dir.path().join("b");
    succeeded(&anyarch(&["image", "unpack", source.to_str().unwrap(), to.to_str().unwrap()]));
    let theirs = dir.path().join("theirs");
    std::fs::create_dir(&theirs).unwrap();
    std::fs::write(dir.path().join("layer.tar"), &plain).unwrap();
    let tar = Command::new("tar").args(["-C", "theirs", "-xf", "layer.tar"]).current_dir(dir.path()).output();
    succeeded(&tar.unwrap());
    for root in [to.join("rootfs"), theirs] {
        let meta = std::fs::metadata(root.join(&path)).unwrap();
        assert!(meta.blocks() < 100 && meta.mode() & 0o777 == 0o755, "{root:?} {}", meta.blocks());
        assert_eq!(std::fs::read(root.join(&path)).unwrap(), program);
    }
}

#[test]
fn a_layer_that_unpacks_to_too_much_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let source = crafted(dir.path(), &one_entry(tar::EntryType::Regular, "a", "", &[7; 100_000]));
    let unpack = |limit: &str, to: &str| {
        let to = dir.path().join(to);
        let words =
            ["image", "unpack", "--layer-limit", limit, source.to_str().unwrap(), to.to_str().unwrap()];
        anyarch(&words)
    };
    let out = unpack("90K", "deep/b");
    assert_eq!(out.status.code(), Some(9));
    assert!(text(&out.stderr).contains("unpacks to more than 92160 bytes: refused"), "{}", text(&out.stderr));
    assert_eq!(below(dir.path()), ["crafted"]);
    for (limit, to) in [("0", "b0"), ("1M", "b1"), ("64G", "b2")] {
        succeeded(&unpack(limit, to));
    }
    for bad in ["", "x", "1X", "-1", "99999999T"] {
        assert_eq!(unpack(bad, "b3").status.code(), Some(2), "{bad}");
    }
}

/// An entry's header that claims a size.
fn claims(kind: tar::EntryType, name: &str, size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_path(name).unwrap();
    header.set_size(size);
    header.set_cksum();
    header.as_bytes().to_vec()
}

/// Extensions and maps of any size take memory and time.
#[test]
fn extensions_of_layers_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let mut tar = one_entry(tar::EntryType::Regular, "before", "", b"x");
    tar.truncate(1024);
    let mut records = Vec::new();
    for (key, value) in [("major", "1"), ("minor", "0"), ("name", "holes"), ("realsize", "1000000000")] {
        let record = format!(" GNU.sparse.{key}={value}\n");
        records.extend(format!("{}{record}", record.len() + 2).bytes());
    }
    let mut sparse = claims(tar::EntryType::XHeader, "PaxHeaders/holes", records.len() as u64);
    sparse.extend(&records);
    sparse.resize(1024, 0);
    sparse.extend(claims(tar::EntryType::Regular, "GNUSparseFile.0/holes", 200_000_000));
    sparse.extend(b"50000000\n");
    let zeros = |size: usize| "0\n".repeat(size / 2).into_bytes();
    for (i, (extension, words)) in [
        (
            claims(tar::EntryType::GNULongName, "LongLink", 200_000_000),
            "LongLink behind before has 200000000 bytes",
        ),
        (
            claims(tar::EntryType::GNULongLink, "LongLink", 200_000_000),
            "LongLink behind before has 200000000 bytes",
        ),
        (
            claims(tar::EntryType::XHeader, "PaxHeaders/x", 200_000_000),
            "PaxHeaders/x behind before has 200000000 bytes",
        ),
        (sparse, "cannot unpack holes of the layer"),
    ]
    .into_iter()
    .enumerate()
    {
        let at = dir.path().join(i.to_string());
        std::fs::create_dir(&at).unwrap();
        let mut tar = [tar.clone(), extension].concat();
        tar.extend(zeros(200_000_000));
        tar.resize(tar.len().next_multiple_of(512) + 1024, 0);
        let source = crafted(&at, &tar);
        // Less memory than the extension says it needs.
        let script = format!(
            "ulimit -v 150000; exec {} image unpack {} {}/b",
            slim().display(),
            source.display(),
            at.display()
        );
        let out = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(out.status.code(), Some(9), "{words}: {}", text(&out.stderr));
        assert!(text(&out.stderr).contains(words), "{words}: {}", text(&out.stderr));
        std::fs::remove_dir_all(&at).unwrap();
    }
}

#[test]
fn a_full_disk_leaves_nothing_half_made() {
    need_namespaces();
    let dir = tempfile::tempdir().unwrap();
    let source = crafted(dir.path(), &one_entry(tar::EntryType::Regular, "a", "", &vec![7; 3 << 20]));
    let full = dir.path().join("full");
    std::fs::create_dir(&full).unwrap();
    let script = format!(
        "mount -t tmpfs -o size=2m t {full} && cd {full} && mkdir there && echo x >there/x || exit 99
        for to in 'unpack {source} deep/er/bundle' 'unpack {source} there' 'copy {source} new:1' 'copy {source} there:1' 'copy {source} x.tar' \
            'build --to s390x --engine qemu:{guest} -o built' 'build --to s390x --engine qemu:{guest} -o there' 'build --to s390x --engine qemu:{guest} -o x.tar'; do
            {slim} image $to 2>err && echo done $to
            grep -q 'No space left' err || cat err; rm err
            find . | sort | tr '\\n' ' '; echo
        done",
        full = full.display(),
        source = source.display(),
        guest = guest("s390x").display(),
        slim = slim().display(),
    );
    let out =
        Command::new("unshare").args(["-Urm", "sh", "-c", &script]).env("TMPDIR", &full).output().unwrap();
    assert_eq!(text(&out.stdout), ". ./there ./there/x \n".repeat(8), "{}", text(&out.stderr));
}

/// Arguments that are no UTF-8 are refused or taken as they are.
#[test]
fn arguments_may_be_any_bytes() {
    use std::os::unix::ffi::OsStrExt;
    let odd = std::ffi::OsStr::from_bytes(b"\xff\x1b[2J\xfe");
    for words in [&[][..], &["status"], &["run"], &["run", "/", "--"], &["image", "copy"], &["explain"]] {
        let output = Command::new(ANYARCH).args(words).arg(odd).output().unwrap();
        let (stderr, code) = (text(&output.stderr), output.status.code());
        assert!(code.is_some_and(|code| code != 0 && code != 101), "{words:?}: {code:?} {stderr}");
        assert!(!stderr.contains("panicked") && !stderr.contains('\x1b'), "{words:?}: {stderr}");
    }
    // As the other tools, which register.
    let dir = tempfile::tempdir().unwrap();
    for name in ["register", "qemu-binfmt-conf.sh", "binfmt"] {
        std::os::unix::fs::symlink(ANYARCH, dir.path().join(name)).unwrap();
        let output = in_instance(&format!("{}/{name} --x \"$(printf '\\377')\"", dir.path().display()));
        assert_ne!(output.status.code(), Some(101), "{name}: {}", text(&output.stderr));
    }
    let output = std::os::unix::process::CommandExt::arg0(&mut Command::new(ANYARCH), odd).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
}

#[test]
fn a_killed_run_leaves_a_root_that_is_removed() {
    need_namespaces();
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    std::fs::create_dir(&root).unwrap();
    busybox_root(&GUESTS[0], &root);
    let source = image_of(&GUESTS[0], &root, dir.path());
    let with_cache = |words: &[&str]| {
        let mut command = Command::new(ANYARCH);
        command.args(words).env("ANYARCH_EMU", anyarch_harness::emulator());
        command.env("XDG_CACHE_HOME", dir.path().join("cache")).env("TMPDIR", dir.path());
        command
    };
    let roots = dir.path().join("cache/anyarch/roots");
    let left = || below(&roots).into_iter().filter(|n| n != "lock").collect::<Vec<_>>();
    let source = source.to_str().unwrap();
    let script = "echo up; exec busybox sleep 1000";
    let start = || {
        let words = ["run", "--platform", GUESTS[0].name, source, "--", "/bin/sh", "-c", script];
        let mut child = with_cache(&words).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        reader.read_line(&mut line).unwrap();
        assert_eq!(line, "up\n");
        (child, reader)
    };
    let kill = |(mut child, mut reader): (std::process::Child, BufReader<std::process::ChildStdout>)| {
        child.kill().unwrap();
        child.wait().unwrap();
        // End of file: every process of it is gone, and with it the lock.
        reader.read_line(&mut String::new()).unwrap();
    };
    let prune = |words: &[&str]| {
        let out = with_cache(words).output().unwrap();
        succeeded(&out);
        text(&out.stdout)
    };
    kill(start());
    assert_eq!(left().len(), 1);
    let running = start();
    assert_eq!(left().len(), 1, "the next run has not removed what was left");
    assert_eq!(prune(&["image", "prune"]), "removed 0 unpacked roots\n");
    let in_use = left();
    let second = start();
    assert_eq!(left().len(), 2);
    kill(second);
    assert_eq!(prune(&["image", "prune"]), "removed 1 unpacked root\n");
    assert_eq!(left(), in_use);
    kill(running);
    assert_eq!(prune(&["image", "prune", "--all"]), "removed 1 unpacked root\nremoved 1 unpacked layer\n");
    assert_eq!(left(), [] as [&str; 0]);
}

/// What `image` was making when it was killed is removed by the next command beside it, and by
/// `image prune`; a signal that asks it to end lets it do so itself.
#[test]
fn a_killed_image_command_leaves_what_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let source = crafted(dir.path(), &one_entry(tar::EntryType::Regular, "a", "", &vec![7; 64 << 20]));
    let small = layout(dir.path());
    let tmp = dir.path().join("tmp");
    let out = dir.path().join("out");
    let halves = |at: &Path| below(at).into_iter().filter(|n| n.starts_with(".anyarch-")).collect::<Vec<_>>();
    let command = |words: &[&str]| {
        let mut command = Command::new(ANYARCH);
        command.args(words).current_dir(dir.path()).env("TMPDIR", &tmp);
        command.env("XDG_CACHE_HOME", dir.path().join("cache"));
        command
    };
    // Starts a copy and ends it by a signal once it has begun to write.
    let ended_by = |signal: i32, to: &str, at: &Path| {
        let words = ["-q", "image", "copy", source.to_str().unwrap(), to];
        let mut child = command(&words).stderr(Stdio::piped()).spawn().unwrap();
        while halves(at).is_empty() {
            assert!(child.try_wait().unwrap().is_none(), "it has ended too early to be killed");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        // SAFETY: a plain system call on a child of ours.
        unsafe { libc::kill(child.id() as i32, signal) };
        let output = child.wait_with_output().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&output.status), Some(signal));
        assert_eq!(text(&output.stderr), "");
    };
    let small = format!("{}:register", small.display());
    std::fs::create_dir(&tmp).unwrap();
    std::fs::create_dir(&out).unwrap();
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        ended_by(signal, "out/new/er:1", &out.join("new"));
        ended_by(signal, "out/x.tar", &tmp);
        assert_eq!((below(&out), below(&tmp)), (vec![], vec![]), "signal {signal}");
    }
    // The folder that a layout is to be in, and the layout itself.
    ended_by(libc::SIGKILL, "out/new:1", &out);
    assert_eq!(halves(&out).len(), 1);
    succeeded(&command(&["image", "copy", &small, "out/new:1"]).output().unwrap());
    assert_eq!(below(&out), ["new"]);
    ended_by(libc::SIGKILL, "out/new:2", &out.join("new"));
    assert_eq!(halves(&out.join("new")).len(), 1);
    succeeded(&command(&["image", "copy", &small, "out/new:2"]).output().unwrap());
    assert_eq!(below(&out.join("new")), ["blobs", "index.json", "oci-layout"]);
    // One that is still at work keeps its own.
    let words = ["-q", "image", "copy", source.to_str().unwrap(), "out/x.tar"];
    let mut working = command(&words).spawn().unwrap();
    // Once there is something in its folder it has the folder's lock.
    while halves(&tmp).first().is_none_or(|half| below(&tmp.join(half)).is_empty()) {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    // SAFETY: plain system calls on a child of ours.
    unsafe { libc::kill(working.id() as i32, libc::SIGSTOP) };
    let its = halves(&tmp);
    succeeded(&command(&["image", "copy", &small, "out/y.tar"]).output().unwrap());
    succeeded(&command(&["image", "prune"]).output().unwrap());
    assert_eq!(halves(&tmp), its);
    // SAFETY: as above.
    unsafe { libc::kill(working.id() as i32, libc::SIGKILL) };
    working.wait().unwrap();
    let out = command(&["image", "prune"]).output().unwrap();
    succeeded(&out);
    assert!(text(&out.stdout).contains("left half-made"), "{}", text(&out.stdout));
    assert_eq!(below(&tmp), [] as [&str; 0]);
}

#[test]
fn a_copy_within_a_layout_and_to_folders() {
    let dir = tempfile::tempdir().unwrap();
    let lay = layout(dir.path());
    let blobs = |of: &Path| -> Vec<(String, u64)> {
        let size = |n: &String| std::fs::metadata(of.join("blobs/sha256").join(n)).unwrap().len();
        below(&of.join("blobs/sha256")).into_iter().map(|n| (n.clone(), size(&n))).collect()
    };
    let at = |words: &[&str]| {
        Command::new(ANYARCH).args(["image", "copy"]).args(words).current_dir(dir.path()).output().unwrap()
    };
    let tags = |of: &Path| -> Vec<String> {
        let index: serde_json::Value =
            serde_json::from_slice(&std::fs::read(of.join("index.json")).unwrap()).unwrap();
        let name = |m: &serde_json::Value| m["annotations"]["org.opencontainers.image.ref.name"].to_string();
        index["manifests"].as_array().unwrap().iter().map(name).collect()
    };
    let before = blobs(&lay);
    succeeded(&at(&["./layout:register", "./layout:two"]));
    assert_eq!(blobs(&lay), before);
    assert_eq!(tags(&lay).len(), 8);
    // All is still there, both ways.
    for tag in ["register", "two", "latest", "s390x"] {
        succeeded(&at(&[&format!("layout:{tag}"), &format!("out-{tag}.tar")]));
    }
    // What looks like a name is a folder all the same; a push must be asked for.
    succeeded(&at(&["layout:two", "fresh/dir:two"]));
    succeeded(&at(&["layout:register", "fresh/dir:three"]));
    assert_eq!(tags(&dir.path().join("fresh/dir")), ["\"two\"", "\"three\""]);
    // One image, whatever the number of its tags, needs no choice.
    succeeded(&at(&["layout:two", "same:one"]));
    succeeded(&at(&["same:one", "same:two"]));
    succeeded(&at(&["same", "out-same.tar"]));
    succeeded(&at(&["layout:s390x", "fresh/dir:two"]));
    assert_eq!(tags(&dir.path().join("fresh/dir")), ["\"three\"", "\"two\""]);
    for (bad, words) in [
        ("registry.invalid/team/x:1", "docker://registry.invalid/team/x:1, or ./registry.invalid/team/x:1"),
        ("localhost/x", "docker://localhost/x"),
        ("docker-daemon:x:1", "docker-daemon: is no place"),
        ("dir:x", "dir: is no place"),
    ] {
        let out = at(&["layout:two", bad]);
        assert_eq!(out.status.code(), Some(2), "{bad}");
        assert!(text(&out.stderr).contains(words), "{bad}: {}", text(&out.stderr));
    }
    // Nothing but what was asked for.
    let tars = ["latest", "register", "s390x", "same", "two"].map(|tag| format!("out-{tag}.tar"));
    let names = ["fresh", "layout"].map(str::to_string).into_iter().chain(tars).chain(["same".into()]);
    assert_eq!(below(dir.path()), names.collect::<Vec<_>>());
    assert_eq!(below(&dir.path().join("fresh/dir")), ["blobs", "index.json", "oci-layout"]);
    let victim = before.iter().max_by_key(|b| b.1).unwrap().0.clone();
    // Nor is what is no file waited for or read without end.
    for special in ["/dev/zero", "pipe"] {
        let blob = dir
            .path()
            .join("same/blobs/sha256")
            .join(below(&dir.path().join("same/blobs/sha256"))[0].clone());
        std::fs::remove_file(&blob).unwrap();
        if special == "pipe" {
            let made = Command::new("mkfifo").arg(&blob).status().unwrap();
            assert!(made.success());
        } else {
            std::os::unix::fs::symlink(special, &blob).unwrap();
        }
        let out = at(&["same:one", "out-special.tar"]);
        assert_eq!(out.status.code(), Some(9), "{special}: {}", text(&out.stderr));
    }
    // A blob that is spoilt is not taken for a copy.
    std::fs::write(dir.path().join("layout/blobs/sha256").join(&victim), "spoilt").unwrap();
    let out = at(&["./layout:latest", "./layout:three"]);
    assert_eq!(out.status.code(), Some(9), "{}", text(&out.stderr));
}

/// A layout whose every text holds a command for a terminal.
fn hostile(dir: &Path) -> PathBuf {
    use anyarch_tool::oci::{Digest, Layout, media};
    const EVIL: &str = "\u{1b}]0;x\u{7}\u{9b}31m\r\n\u{202e}";
    let layout = Layout::create(&dir.join("hostile")).unwrap();
    let tar = one_entry(tar::EntryType::Char, "dev/\x1b[2J", "", b"");
    let layer = layout.add(&tar, EVIL).unwrap();
    let config = json!({
        "architecture": "s390x", "os": "linux", "config": { "Cmd": [EVIL, EVIL], "User": EVIL },
        "rootfs": { "type": "layers", "diff_ids": [Digest::of(&tar).to_string()] },
    });
    let config = layout.add(config.to_string().as_bytes(), media::CONFIG).unwrap();
    let manifest = json!({ "schemaVersion": 2, "config": config.json(), "layers": [layer.json()] });
    let mut manifest = layout.add(manifest.to_string().as_bytes(), media::MANIFEST).unwrap();
    manifest.annotations = json!({ EVIL: EVIL, "org.opencontainers.image.ref.name": EVIL });
    let index = json!({ "schemaVersion": 2, "mediaType": media::INDEX, "manifests": [manifest.json()] });
    let top = layout.add(index.to_string().as_bytes(), media::INDEX).unwrap();
    layout.write_index(&[top]).unwrap();
    layout.dir().to_path_buf()
}

#[test]
fn nothing_from_outside_commands_the_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let layout = hostile(dir.path());
    let layout = layout.to_str().unwrap();
    let harmless = |words: &[&str], output: &Output, want: &str| {
        let all = text(&output.stdout) + &text(&output.stderr);
        let bad = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202e}');
        assert!(!all.contains(bad), "{words:?}: {all:?}");
        assert!(all.contains(want), "{words:?}: `{want}` is not in {all:?}");
        // Nobody forges a line either.
        assert!(all.lines().all(|l| !l.starts_with("\\u{202e}")), "{words:?}: {all}");
    };
    let check = |words: &[&str], want: &str| harmless(words, &anyarch(words), want);
    let escape = r"\u{1b}]0;x\u{7}\u{9b}31m\r\n\u{202e}";
    check(&["explain", layout], escape);
    check(&["image", "inspect", layout], escape);
    check(
        &["image", "unpack", "-v", layout, dir.path().join("b").to_str().unwrap()],
        r"dev/\u{1b}[2J is a device",
    );
    check(&["image", "copy", &format!("{layout}:x"), "y.tar"], "has no tag x");
    check(&["run", layout], escape);
    let evil = dir.path().join("a\x1b[31mb\nc");
    std::fs::write(&evil, "#!/nowhere/\x1b[2J\n").unwrap();
    std::fs::set_permissions(&evil, std::fs::Permissions::from_mode(0o755)).unwrap();
    check(&["explain", evil.to_str().unwrap()], r"a\u{1b}[31mb\nc: script");
    check(&["explain", evil.to_str().unwrap()], r"/nowhere/\u{1b}[2J");
    check(&["run", evil.to_str().unwrap()], r"a\u{1b}[31mb\nc");
    // Arguments of the user's own, which may come from elsewhere: what is wrong with them is said.
    for (words, want) in [
        (&["sta\rtus\x1b[2J"][..], r"sta\rtus\u{1b}[2J"),
        (&["--color\u{202e}\nanyarch: fine"], r"\u{202e}\nanyarch: fine"),
        (&["status", "--engine\x07"], r"--engine\u{7}"),
        (&["image", "copy", "a", "b", "c\r"], r"c\r"),
        (&["register", "--fix-binary=\x1b]0;x\x07"], r"\u{1b}]0;x\u{7}"),
    ] {
        check(words, want);
        assert_eq!(anyarch(words).status.code(), Some(2), "{words:?}");
    }
    need_namespaces();
    // An emulator of such a name, which is gone when the doctor looks.
    let program = dir.path().join("q\x1b[2J");
    std::fs::copy(guest("s390x"), &program).unwrap();
    for command in ["$A status", "rm \"$Q\"; $A doctor"] {
        let register = "$A -q register s390x --fix-binary=no --engine \"qemu:$Q\"";
        let name = format!("Q=$(printf '{}/q\\033[2J')", dir.path().display());
        let out = in_instance(&format!("{name}; {register}; {command}"));
        harmless(&[command], &out, r"q\u{1b}[2J");
    }
}

//! `run`, `with` and images: roots made of the guest programs.

mod common;
use common::*;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A root with nothing but the guest program (`/t`) and anyarch itself, which is static.
fn root() -> tempfile::TempDir {
    need_namespaces();
    need_qemu("aarch64");
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(guest("aarch64"), dir.path().join("t")).unwrap();
    std::fs::copy(slim(), dir.path().join("anyarch")).unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

fn run(root: &Path, args: &[&str]) -> Output {
    let mut all = vec!["run", "--engine", "qemu", root.to_str().unwrap(), "--"];
    all.extend(args);
    anyarch(&all)
}

#[test]
fn a_foreign_root_runs_and_its_exit_code_comes_through() {
    let root = root();
    for test in ["start", "fork", "exec", "threads", "signals"] {
        assert_eq!(run(root.path(), &["/t", test]).status.code(), Some(42), "{test}");
    }
    assert_eq!(run(root.path(), &["/t", "argv0"]).status.code(), Some(1));
    assert_eq!(run(root.path(), &["t", "start"]).status.code(), Some(127));
    let missing = run(root.path(), &["/nothing"]);
    assert_eq!(missing.status.code(), Some(127));
    assert!(
        text(&missing.stderr).contains("/nothing: no such file in the root"),
        "{}",
        text(&missing.stderr)
    );
    std::fs::write(root.path().join("plain"), "text").unwrap();
    assert_eq!(run(root.path(), &["/plain"]).status.code(), Some(126));
    let bad = anyarch(&["run", "/nonexistent/root", "--", "/t"]);
    assert_eq!(bad.status.code(), Some(9), "{}", text(&bad.stderr));
}

#[test]
fn the_root_sees_its_own_handlers_and_the_machine_does_not() {
    let root = root();
    let before = machine_entries();
    let out = run(root.path(), &["/anyarch", "status"]);
    assert!(text(&out.stdout).contains("aarch64"), "{}{}", text(&out.stdout), text(&out.stderr));
    assert_eq!(machine_entries(), before);
}

#[test]
fn without_root_it_works_as_well() {
    let root = root();
    if !rustix::process::geteuid().is_root() {
        return; // All the others did it.
    }
    let output = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups", ANYARCH, "run", "--engine", "qemu"])
        .arg(root.path())
        .args(["--", "/t", "threads"])
        .output()
        .unwrap();
    // The folders that are made inside belong to root here, so they must be there.
    assert!(matches!(output.status.code(), Some(42 | 125)), "{}", text(&output.stderr));
    for dir in ["proc", "sys", "dev"] {
        let _ = std::fs::create_dir(root.path().join(dir));
    }
    let output = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups", ANYARCH, "run", "--engine", "qemu"])
        .arg(root.path())
        .args(["--", "/t", "threads"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(42), "{}", text(&output.stderr));
}

#[test]
fn signals_reach_the_command_and_death_reaches_everything() {
    let root = root();
    let hold = |qemu: &str| {
        Command::new(ANYARCH)
            .args(["run", "--privileged", "--engine", "qemu"])
            .arg(root.path())
            .args(["--", "/anyarch", "register", "s390x", "--engine", qemu, "--hold"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    // Any static executable will do as an emulator that nobody starts.
    let mut child = hold("qemu:/t");
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("registered"), "{line}");
    // SAFETY: a plain system call on a child of ours.
    unsafe { libc::kill(child.id() as i32, libc::SIGTERM) };
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut child = hold("qemu:/t");
    let mut output = child.stdout.take().unwrap();
    let mut line = String::new();
    let mut reader = BufReader::new(&mut output);
    reader.read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    // End of file comes when the last process that has the pipe is gone.
    reader.read_to_string(&mut line).unwrap();
}

#[test]
fn volumes_users_and_variables() {
    let root = root();
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(guest("aarch64"), dir.path().join("t2")).unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let volume = format!("{}:/v:ro", dir.path().display());
    let out = anyarch(&[
        "run",
        "--engine",
        "qemu",
        "-b",
        &volume,
        "-w",
        "/v",
        root.path().to_str().unwrap(),
        "--",
        "./t2",
        "start",
    ]);
    assert_eq!(out.status.code(), Some(42), "{}", text(&out.stderr));
    let out = anyarch(&[
        "run",
        "--engine",
        "qemu",
        "-u",
        "7:8",
        "--net",
        "none",
        root.path().to_str().unwrap(),
        "--",
        "/t",
        "setuid",
    ]);
    assert_eq!(out.status.code(), Some(1), "uid 7 is not 0: {}", text(&out.stderr));
    let out =
        anyarch(&["run", "--engine", "qemu", "-u", "nobody", root.path().to_str().unwrap(), "--", "/t"]);
    assert!(text(&out.stderr).contains("there is no user nobody"), "{}", text(&out.stderr));
}

/// As docker does: numbers need no entry in passwd, and a name's further groups are its user's.
#[test]
fn an_images_user_runs_its_command() {
    use anyarch_harness::guests::GUESTS;
    need_namespaces();
    if !rustix::process::geteuid().is_root() {
        return; // Others have one id.
    }
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    std::fs::create_dir_all(root.join("etc")).unwrap();
    busybox_root(&GUESTS[0], &root);
    std::fs::write(root.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\napp:x:1234:1235::/srv:/bin/sh\n")
        .unwrap();
    std::fs::write(root.join("etc/group"), "root:x:0:\nadm:x:4:app\nstaff:x:50:root\nbig:x:70000:far\n")
        .unwrap();
    let tar = tar_of(&root);
    let script = "echo $(busybox id -u) $(busybox id -g) $(busybox id -G) $HOME";
    let run = |user: &serde_json::Value| {
        let config = serde_json::json!({ "Cmd": ["/bin/sh", "-c", script], "User": user });
        let source = crafted_with(dir.path(), GUESTS[0].debian, &tar, &config);
        let mut command = Command::new(ANYARCH);
        command.args(["run", source.to_str().unwrap()]).env("ANYARCH_EMU", anyarch_harness::emulator());
        command.env("XDG_CACHE_HOME", dir.path().join("cache")).output().unwrap()
    };
    for (user, want) in [
        (serde_json::json!("1000"), "1000 0 0 /"),
        (serde_json::json!("1000:1000"), "1000 1000 1000 /"),
        (serde_json::json!("1000:staff"), "1000 50 50 /"),
        (serde_json::json!("app"), "1234 1235 1235 4 /srv"),
        (serde_json::json!("1234"), "1234 1235 1235 4 /srv"),
        (serde_json::json!("app:staff"), "1234 50 50 /srv"),
        (serde_json::json!("0"), "0 0 0 50 /root"),
        (serde_json::json!("0:7"), "0 7 7 /root"),
        // A number in place of the text.
        (serde_json::json!(1000), "1000 0 0 /"),
    ] {
        let out = run(&user);
        assert_eq!(text(&out.stdout).trim_end(), want, "{user}: {}", text(&out.stderr));
    }
    for (user, code, words) in [
        (serde_json::json!("nobody"), 125, "there is no user nobody"),
        (serde_json::json!("app:nogroup"), 125, "there is no group nogroup"),
        (serde_json::json!("4294967296"), 125, "there is no user or group 4294967296"),
        (serde_json::json!("0:4294967295"), 125, "there is no user or group 4294967295"),
        (serde_json::json!("70000"), 125, "cannot become 70000: it is not mapped"),
        (serde_json::json!("1000:big"), 125, "cannot become 70000: it is not mapped"),
        (serde_json::json!(["1000"]), 9, "which is no text"),
    ] {
        let out = run(&user);
        assert_eq!(out.status.code(), Some(code), "{user}: {}{}", text(&out.stdout), text(&out.stderr));
        assert!(text(&out.stderr).contains(words), "{user}: {}", text(&out.stderr));
    }
}

/// A root that would like to write on the host.
#[test]
fn links_in_a_root_lead_nowhere_else() {
    let root = root();
    let outside = tempfile::tempdir().unwrap();
    for name in ["proc", "dev", "sys", "etc"] {
        std::os::unix::fs::symlink(outside.path(), root.path().join(name)).unwrap();
    }
    let out = run(root.path(), &["/t", "start"]);
    // Whether it runs or is refused, nothing may appear outside.
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0, "{}", text(&out.stderr));

    // Up from the top one stays at the top, while the root is set up as well.
    std::fs::set_permissions(outside.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let up = |name: &str| format!("{}{}/{name}", "../".repeat(12), outside.path().display());
    for name in ["proc", "dev", "sys", "etc"] {
        std::fs::remove_file(root.path().join(name)).unwrap();
    }
    std::fs::create_dir(root.path().join("etc")).unwrap();
    for name in ["resolv.conf", "hosts"] {
        std::os::unix::fs::symlink(up(name), root.path().join("etc").join(name)).unwrap();
    }
    let out = run(root.path(), &["/t", "start"]);
    assert_eq!(out.status.code(), Some(42), "{}", text(&out.stderr));
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

/// A working directory, a program and links that go through the descriptors of who starts the
/// command: folders of the machine's are among them.
#[test]
fn descriptors_of_ours_lead_nowhere_else() {
    let root = root();
    let outside = tempfile::tempdir().unwrap();
    std::fs::set_permissions(outside.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    std::fs::copy(guest("aarch64"), outside.path().join("t2")).unwrap();
    std::fs::create_dir(root.path().join("etc")).unwrap();
    let target = root.path().to_str().unwrap();
    for fd in 3..16 {
        let fd = format!("/proc/self/fd/{fd}");
        let out = format!("{fd}/{}{}", "../".repeat(12), outside.path().display());
        let made = format!("{out}/made");
        for folder in [&fd, &out, &made] {
            let output = anyarch(&["run", "--engine", "qemu", "-w", folder, target, "--", "/t", "start"]);
            assert_eq!(output.status.code(), Some(125), "{folder}: {}", text(&output.stderr));
        }
        let output = run(root.path(), &[&format!("{out}/t2"), "start"]);
        assert_eq!(output.status.code(), Some(127), "{out}: {}", text(&output.stderr));
        let _ = std::fs::remove_file(root.path().join("etc/hosts"));
        std::os::unix::fs::symlink(&made, root.path().join("etc/hosts")).unwrap();
        let output = run(root.path(), &["/t", "start"]);
        assert_eq!(output.status.code(), Some(42), "{made}: {}", text(&output.stderr));
    }
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
    // The number that means "as it is" to the kernel is no user.
    let output = anyarch(&["run", "--engine", "qemu", "-u", "4294967295", target, "--", "/t", "start"]);
    assert_eq!(output.status.code(), Some(125), "{}", text(&output.stderr));
}

#[test]
fn with_runs_a_command_here() {
    need_namespaces();
    need_qemu("s390x");
    let program = guest("s390x");
    let program = program.to_str().unwrap();
    let out = anyarch(&["with", "s390x", "--engine", "qemu", "--", program, "threads"]);
    assert_eq!(out.status.code(), Some(42), "{}", text(&out.stderr));
    let out = anyarch(&["with", "s390x", "--engine", "qemu", "--", "sh", "-c", "exit 7"]);
    assert_eq!(out.status.code(), Some(7));
    let out = anyarch(&["with", "vax", "--", "true"]);
    assert_eq!(out.status.code(), Some(125));
}

// ---- images
// -----------------------------------------------------------------------------------------------

#[test]
fn images_are_reproducible_and_have_multiarchs_tags() {
    let dir = tempfile::tempdir().unwrap();
    let first = layout(dir.path());
    let other = tempfile::tempdir().unwrap();
    let second = layout(other.path());
    let index = std::fs::read_to_string(first.join("index.json")).unwrap();
    assert_eq!(index, std::fs::read_to_string(second.join("index.json")).unwrap());
    let names = |layout: &Path| -> Vec<_> {
        let list = std::fs::read_dir(layout.join("blobs/sha256")).unwrap();
        let mut names: Vec<_> = list.flatten().map(|e| e.file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&first), names(&second));
    for tag in ["latest", "9", "register", "s390x", "s390x-9", "x86_64-s390x", "x86_64-s390x-9"] {
        assert!(
            index.contains(&format!("\"org.opencontainers.image.ref.name\":\"{tag}\"")),
            "{tag}: {index}"
        );
    }
}

#[test]
fn a_corrupted_blob_is_named_and_nothing_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let layout = layout(dir.path());
    let source = format!("{}:register", layout.display());
    let bundle = dir.path().join("bundle");
    let out = anyarch(&["image", "unpack", &source, bundle.to_str().unwrap()]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    let biggest = std::fs::read_dir(layout.join("blobs/sha256"))
        .unwrap()
        .flatten()
        .max_by_key(|e| e.metadata().unwrap().len())
        .unwrap();
    for entry in std::fs::read_dir(layout.join("blobs/sha256"))
        .unwrap()
        .flatten()
        .filter(|e| e.metadata().unwrap().len() > 100_000)
    {
        let mut bytes = std::fs::read(entry.path()).unwrap();
        bytes[50_000] ^= 1;
        std::fs::write(entry.path(), bytes).unwrap();
    }
    let out = anyarch(&["image", "unpack", &source, dir.path().join("b2").to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(9));
    assert!(text(&out.stderr).contains("is corrupted"), "{} {:?}", text(&out.stderr), biggest.path());
}

#[test]
fn hostile_layers_are_refused_or_harmless_and_said_clearly() {
    use tar::EntryType;
    let check = |tar: Vec<u8>, code: i32, words: &str, look: &dyn Fn(&Path)| {
        let dir = tempfile::tempdir().unwrap();
        let source = crafted(dir.path(), &tar);
        let to = dir.path().join("deep/er/bundle");
        let out = anyarch(&["image", "unpack", "-v", source.to_str().unwrap(), to.to_str().unwrap()]);
        let said = text(&out.stderr);
        assert_eq!(out.status.code(), Some(code), "{said}");
        assert!(said.contains(words), "`{words}` is not in: {said}");
        assert!(!dir.path().join("deep/evil").exists() && !Path::new("/evil").exists());
        look(&to.join("rootfs"));
    };
    let nothing = |root: &Path| assert!(!root.parent().unwrap().parent().unwrap().exists());
    let out_of_it = "has the name ../../evil, which leads out of the root: refused";
    check(one_entry(EntryType::Regular, "../../evil", "", b"x"), 9, out_of_it, &nothing);
    check(one_entry(EntryType::Link, "a", "../../evil", b""), 9, "leads out of the root: refused", &nothing);
    check(one_entry(EntryType::Char, "dev/sda", "", b""), 0, "dev/sda is a device node: left out", &|root| {
        assert!(!root.join("dev/sda").exists())
    });
    // What is linked to it goes with it; any other missing target is a damaged layer.
    let mut linked = one_entry(EntryType::Char, "dev/sda", "", b"");
    linked.truncate(512);
    let mut again = one_entry(EntryType::Link, "dev/sdb", "dev/sda", b"");
    again.truncate(512);
    linked.extend(again);
    linked.extend(one_entry(EntryType::Link, "dev/sdc", "/dev/sdb", b""));
    check(linked, 0, "dev/sdc is a link to a device node: left out", &|root| {
        assert_eq!(std::fs::read_dir(root.join("dev")).unwrap().count(), 0)
    });
    check(one_entry(EntryType::Link, "a", "dev/sda", b""), 9, "its link's target dev/sda", &|_| {});
    check(one_entry(EntryType::new(b'Z'), "odd", "", b""), 9, "it is of the unknown kind 'Z'", &|_| {});
    check(one_entry(EntryType::Regular, "/evil", "", b"x"), 0, "", &|root| {
        assert!(root.join("evil").is_file())
    });
    let mut through = one_entry(EntryType::Symlink, "out", "/", b"");
    through.truncate(512);
    through.extend(one_entry(EntryType::Regular, "out/evil", "", b"x"));
    check(through, 0, "", &|root| assert!(root.join("evil").is_file()));
    // Half of a layer: its digest is right, so the layout is what somebody made so.
    let mut half = one_entry(EntryType::Regular, "a", "", &[7; 4096]);
    half.truncate(2000);
    check(half, 9, "the archive ends within or behind a", &|_| {});
}

#[test]
fn a_layer_that_is_not_what_the_configuration_says_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let source = crafted(dir.path(), &one_entry(tar::EntryType::Regular, "a", "", b"x"));
    let index = std::fs::read_to_string(source.join("index.json")).unwrap();
    // Another layer under a right digest, and the first one's diff_id.
    let layout = anyarch_tool::oci::Layout::open(&source).unwrap().unwrap();
    let image = layout.image(None, None).unwrap();
    let other = layout.add(&one_entry(tar::EntryType::Regular, "b", "", b"x"), "").unwrap();
    let manifest = String::from_utf8(layout.bytes(&image.manifest).unwrap()).unwrap();
    let manifest = manifest.replace(image.layers[0].digest.hex(), other.digest.hex());
    let manifest = layout.add(manifest.as_bytes(), &image.manifest.media_type).unwrap();
    let index = index.replace(image.manifest.digest.hex(), manifest.digest.hex());
    std::fs::write(source.join("index.json"), index).unwrap();
    let out =
        anyarch(&["image", "unpack", source.to_str().unwrap(), dir.path().join("bundle").to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(9));
    assert!(text(&out.stderr).contains("where the configuration says"), "{}", text(&out.stderr));
}

#[test]
fn an_image_is_explained() {
    need_namespaces();
    need_qemu("s390x");
    let dir = tempfile::tempdir().unwrap();
    let program = std::fs::read(guest("s390x")).unwrap();
    let source = crafted(dir.path(), &one_entry(tar::EntryType::Regular, "t", "", &program));
    let source = source.to_str().unwrap();
    let no = succeed(&format!("$A explain {source} && exit 1; true"));
    for words in
        ["image for linux/s390x", "program:   /t: 64-bit big-endian s390x", "loader:    none (static)"]
    {
        assert!(no.contains(words), "`{words}` is not in: {no}");
    }
    assert!(no.contains("no: no handler is registered for s390x"), "{no}");
    let one_command =
        format!("sudo anyarch register s390x; or without root: anyarch run --platform linux/s390x {source}");
    assert!(no.contains(&one_command), "{no}");
    let yes = succeed(&format!(
        "$A -q register s390x --engine qemu; $A explain {source}; $A explain --json {source}"
    ));
    assert!(yes.contains("yes, by /usr/bin/qemu-s390x-static (qemu-s390x, flags PF)"), "{yes}");
    assert!(yes.contains("\"runs\": true"), "{yes}");
    // Without F the emulator is not seen from the container.
    let not_there = succeed(&format!(
        "$A -q register s390x --engine qemu --fix-binary=no; $A explain {source} && exit 1; true"
    ));
    assert!(not_there.contains("lacks flag F"), "{not_there}");
    let out = anyarch(&["explain", source, "--platform", "arm64"]);
    assert!(text(&out.stderr).contains("has no platform linux/arm64"), "{}", text(&out.stderr));
}

#[test]
fn what_is_no_image_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.tar");
    std::fs::write(&file, "not a tar").unwrap();
    let out = anyarch(&["run", file.to_str().unwrap(), "--", "true"]);
    assert_eq!(out.status.code(), Some(9));
    assert!(text(&out.stderr).contains("x.tar"), "{}", text(&out.stderr));
    let out = anyarch(&["run", "./missing.tar", "--", "true"]);
    assert!(text(&out.stderr).contains("./missing.tar does not exist"), "{}", text(&out.stderr));
    let out = anyarch(&["image", "inspect", "Not A Name"]);
    assert_eq!(out.status.code(), Some(9));
}

/// One index for hosts of both kinds: tags that both have are of both, the others of one.
#[test]
fn tags_are_for_several_hosts() {
    let dir = tempfile::tempdir().unwrap();
    let folder = |name: &str, files: &[(&str, &str)]| {
        let folder = dir.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        for (file, arch) in files {
            let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("verify/bin").join(arch);
            std::fs::copy(from, folder.join(file)).unwrap();
        }
        folder.to_str().unwrap().to_owned()
    };
    let build = |layout: &str, more: &[&str]| {
        let layout = dir.path().join(layout);
        let words = ["image", "build", "--engine", "native", "--version", "9", "-o"];
        let words = [&words[..], &[layout.to_str().unwrap()], more].concat();
        let mut command = Command::new(ANYARCH);
        command.args(words).env("ANYARCH_EMU", anyarch_harness::emulator()).output().unwrap()
    };
    let arm64 = folder(
        "arm64",
        &[
            ("anyarch", "aarch64"),
            ("anyarch-emu", "aarch64"),
            ("qemu-riscv64-static", "aarch64"),
            ("qemu-s390x", "aarch64"),
        ],
    );
    let out = build("layout", &["--also", &arm64, "--to", "arm64,riscv64"]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    let layout = anyarch_tool::oci::Layout::open(&dir.path().join("layout")).unwrap().unwrap();
    let platforms = |tag: &str| {
        let list = layout.manifests(Some(tag)).unwrap();
        list.iter().map(|d| d.platform.as_ref().unwrap().to_string()).collect::<Vec<_>>()
    };
    for tag in ["latest", "9", "register", "riscv64", "riscv64-9"] {
        assert_eq!(platforms(tag), ["linux/amd64", "linux/arm64"], "{tag}");
    }
    for (tag, want) in [
        ("aarch64", "linux/amd64"),
        ("x86_64-aarch64", "linux/amd64"),
        ("x86_64-riscv64-9", "linux/amd64"),
        ("aarch64-riscv64", "linux/arm64"),
        ("aarch64-riscv64-9", "linux/arm64"),
    ] {
        assert_eq!(platforms(tag), [want], "{tag}");
    }
    assert!(layout.manifests(Some("aarch64-aarch64")).is_err());
    // Where ours interprets, QEMU's is taken.
    let wanted = anyarch_tool::oci::Platform::of_words("arm64").unwrap();
    let image = layout.image(Some(&wanted), Some("latest")).unwrap();
    let tar = anyarch_tool::oci::decompress(layout.blob(&image.layers[0].digest).unwrap()).unwrap();
    let mut tar = tar::Archive::new(tar);
    let entries = tar.entries().unwrap().map(|e| e.unwrap());
    let kinds: Vec<_> = entries
        .map(|e| (e.path().unwrap().display().to_string(), e.header().entry_type().is_file()))
        .filter(|(name, _)| name.starts_with("usr/bin/") && !name.ends_with('/'))
        .collect();
    let want = [("usr/bin/anyarch", true), ("usr/bin/binfmt", false), ("usr/bin/qemu-riscv64-static", true)];
    assert_eq!(kinds, want.map(|(name, file)| (name.to_string(), file)));
    // Two for one host, what is for no host, and emulators that are for another.
    let out = build("again", &["--also", &arm64, "--also", &arm64, "--to", "riscv64"]);
    assert!(text(&out.stderr).contains("there are executables for aarch64 already"), "{}", text(&out.stderr));
    let mixed = folder("mixed", &[("anyarch", "s390x"), ("anyarch-emu", "aarch64")]);
    let out = build("mixed-layout", &["--also", &mixed, "--to", "riscv64"]);
    assert!(text(&out.stderr).contains("is no static executable for s390x"), "{}", text(&out.stderr));
    let none = folder("none", &[]);
    let out = build("none-layout", &["--also", &none, "--to", "riscv64"]);
    assert!(!out.status.success() && text(&out.stderr).contains("none/anyarch"), "{}", text(&out.stderr));
    // What was asked for and is nowhere.
    let bare = folder("bare", &[("anyarch", "aarch64")]);
    let out = build("bare-layout", &["--also", &bare, "--to", "riscv64"]);
    assert_eq!(out.status.code(), Some(5), "{}", text(&out.stderr));
}

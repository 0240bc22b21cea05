//! What the tests share: the executable, and a binfmt_misc of a test's own.
//!
//! Registration is tried in a user and mount namespace with an instance of its own; the machine's
//! entries are compared before and after. These tests need Linux 6.7, util-linux and Debian's
//! qemu-user-static, and say so instead of passing where something is missing.

#![allow(dead_code, unreachable_pub)]

pub mod registry;

use anyarch_harness::debian;
use anyarch_harness::guests::Guest;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The executable under test.
pub const ANYARCH: &str = env!("CARGO_BIN_EXE_anyarch");

/// The executable without its debugging information, where binutils are installed: it is copied
/// into roots and images.
pub fn slim() -> &'static Path {
    static SLIM: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    SLIM.get_or_init(|| {
        let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("slim-{}/anyarch", std::process::id()));
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        if !Command::new("strip").arg("-o").arg(&to).arg(ANYARCH).status().is_ok_and(|s| s.success()) {
            std::fs::copy(ANYARCH, &to).unwrap();
        }
        to
    })
}

/// A guest program of `verify`, by its file name.
pub fn guest(name: &str) -> PathBuf {
    // Of arm there is one for each variant.
    let name = if name == "arm" { "armv7" } else { name };
    Path::new(env!("CARGO_MANIFEST_DIR")).join("verify/bin").join(name)
}

/// Fails unless the machine can run these tests.
pub fn need_namespaces() {
    let probe = "mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc";
    let output = Command::new("unshare")
        .args(["-Urm", "sh", "-c", probe])
        .output()
        .expect("unshare of util-linux is needed");
    assert!(
        output.status.success(),
        "these tests need user namespaces with a binfmt_misc of their own (Linux 6.7): {}",
        text(&output.stderr)
    );
}

/// Fails unless QEMU's static emulator of an architecture is installed.
pub fn need_qemu(arch: &str) -> PathBuf {
    let path = PathBuf::from(format!("/usr/bin/qemu-{arch}-static"));
    assert!(path.exists(), "{} is missing: apt install qemu-user-static", path.display());
    path
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Names and texts of the machine's entries.
pub fn machine_entries() -> Vec<(String, String)> {
    let Ok(list) = std::fs::read_dir("/proc/sys/fs/binfmt_misc") else { return vec![] };
    let mut entries: Vec<_> = list
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        // Other tests of the machine come and go; what matters is what this tool would name.
        .filter(|n| n.starts_with("qemu-") || n.starts_with("anyarch-swap-"))
        .map(|n| {
            (n.clone(), std::fs::read_to_string(format!("/proc/sys/fs/binfmt_misc/{n}")).unwrap_or_default())
        })
        .collect();
    entries.sort();
    entries
}

/// Runs a shell script with `$A` as the executable, in namespaces with a binfmt_misc of their own.
pub fn in_instance(script: &str) -> Output {
    need_namespaces();
    let before = machine_entries();
    let script = format!(
        "mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc || exit 99\nB=/proc/sys/fs/binfmt_misc\n{script}"
    );
    let output = Command::new("unshare")
        .args(["-Urm", "sh", "-c", &script])
        .env("A", ANYARCH)
        .output()
        .expect("unshare");
    assert_eq!(machine_entries(), before, "the machine's entries changed");
    output
}

/// Runs a script that is to succeed; its output.
pub fn succeed(script: &str) -> String {
    let output = in_instance(&format!("set -e\n{script}"));
    assert!(
        output.status.success(),
        "{script}\n--- stdout\n{}\n--- stderr\n{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// Runs a script that is to fail with this code and these words on stderr.
pub fn fail(script: &str, code: i32, words: &[&str]) {
    let output = in_instance(script);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{script}\n{}{stderr}", text(&output.stdout));
    for word in words {
        assert!(stderr.contains(word), "`{word}` is not in: {stderr}");
    }
}

/// Runs it, QEMU being what emulates.
pub fn anyarch(args: &[&str]) -> Output {
    Command::new(slim()).args(args).env_remove("ANYARCH_EMU").output().unwrap()
}

/// A root with Debian's busybox of the guest as its shell, the test program of `verify` as /t, and
/// a script.
pub fn busybox_root(of: &Guest, dir: &Path) {
    let name = format!("busybox-{}", of.debian);
    let busybox = debian::unpacked(&name, of.debian, of.suite, &["busybox-static"], |_| Ok(())).unwrap();
    let busybox = ["bin/busybox", "usr/bin/busybox"].map(|p| busybox.join(p));
    let busybox = busybox.iter().find(|p| p.exists()).expect("the package has busybox");
    std::fs::create_dir_all(dir.join("bin")).unwrap();
    std::fs::copy(busybox, dir.join("bin/busybox")).unwrap();
    symlink("busybox", dir.join("bin/sh")).unwrap();
    std::fs::copy(guest(of.name), dir.join("t")).unwrap();
    let script = "#!/bin/sh\necho \"$0|$1|$2\"; busybox uname -m; /t exec; echo $?; cat /proc/self/comm\n";
    std::fs::write(dir.join("s"), script).unwrap();
    std::fs::set_permissions(dir.join("s"), std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// An OCI layout with the s390x guest program as an image; its config and manifest come from `image
/// build`.
pub fn layout(dir: &Path) -> std::path::PathBuf {
    need_qemu("s390x");
    let to = dir.join("layout");
    let out = anyarch(&[
        "-q",
        "image",
        "build",
        "--to",
        "s390x",
        "--engine",
        &format!("qemu:{}", guest("s390x").display()),
        "--version",
        "9",
        "-o",
        to.to_str().unwrap(),
    ]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    to
}

/// A layout of one image with this tar as its only layer.
pub fn crafted(dir: &Path, tar: &[u8]) -> PathBuf {
    crafted_for(dir, "s390x", tar)
}

/// The same for another architecture, by its name in images.
pub fn crafted_for(dir: &Path, architecture: &str, tar: &[u8]) -> PathBuf {
    crafted_with(dir, architecture, tar, &serde_json::json!({ "Cmd": ["/t", "start"] }))
}

/// The same with the configuration's `config`.
pub fn crafted_with(dir: &Path, architecture: &str, tar: &[u8], config: &serde_json::Value) -> PathBuf {
    crafted_of(dir, architecture, &[tar], config)
}

/// The same with several layers, from the bottom up.
pub fn crafted_of(dir: &Path, architecture: &str, tars: &[&[u8]], config: &serde_json::Value) -> PathBuf {
    use anyarch_tool::oci::{Digest, Layout, media};
    let layout = Layout::create(&dir.join("crafted")).unwrap();
    let layers: Vec<_> = tars
        .iter()
        .map(|tar| layout.add(tar, "application/vnd.oci.image.layer.v1.tar").unwrap().json())
        .collect();
    let diff_ids: Vec<_> = tars.iter().map(|tar| Digest::of(tar).to_string()).collect();
    let config = serde_json::json!({
        "architecture": architecture, "os": "linux", "config": config,
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let config = layout.add(config.to_string().as_bytes(), media::CONFIG).unwrap();
    let manifest = serde_json::json!({ "schemaVersion": 2, "config": config.json(), "layers": layers });
    let manifest = layout.add(manifest.to_string().as_bytes(), media::MANIFEST).unwrap();
    layout.write_index(&[manifest]).unwrap();
    layout.dir().to_path_buf()
}

/// A tar of one entry, whose name and link may be what no sound program writes.
pub fn one_entry(kind: tar::EntryType, name: &str, link: &str, content: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o755);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(content.len() as u64);
    header.set_cksum();
    let mut tar = tar::Builder::new(Vec::new());
    tar.append(&header, content).unwrap();
    tar.into_inner().unwrap()
}

/// An image of a root, with one layer.
pub fn image_of(of: &Guest, root: &Path, dir: &Path) -> PathBuf {
    crafted_for(dir, of.debian, &tar_of(root))
}

/// A root as a layer.
pub fn tar_of(root: &Path) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    tar.follow_symlinks(false);
    tar.append_dir_all(".", root).unwrap();
    tar.into_inner().unwrap()
}

//! What the tests share: the executable, and a binfmt_misc of a test's own.
//!
//! Registration is tried in a user and mount namespace with an instance of its own; the machine's entries are compared
//! before and after. These tests need Linux 6.7, util-linux and Debian's qemu-user-static, and say so instead of passing
//! where something is missing.

#![allow(dead_code, unreachable_pub)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The executable under test.
pub const ANYARCH: &str = env!("CARGO_BIN_EXE_anyarch");

/// The executable without its debugging information, where binutils are installed: it is copied into roots and images.
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

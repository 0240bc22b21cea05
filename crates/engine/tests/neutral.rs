//! The boundary between guests and hosts, as it stands in the sources: the engine and the guests
//! name no host, hosts name no guest, and only the emulator puts the two together.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The sources and manifests in a folder.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|e| e == "rs" || e == "toml") {
            found.push(path);
        }
    }
    found
}

/// Words that belong to one host: its names, registers, flags and instructions. A word that ends in
/// `*` stands for all that begin so.
const HOST_WORDS: &[&str] = &[
    "x86*", "amd64", "intel", "i386", "mxcsr", "eflags", "rflags", "lahf", "sahf", "seto", "ucomis*",
    "comis*", "xmm*", "ymm*", "zmm*", "sse", "sse2", "sse3", "sse4*", "ssse3", "avx*", "bmi1", "bmi2",
    "lzcnt", "pclmul*", "f16c", "fma3", "__cpuid*", "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp",
    "rip", "eax", "ebx", "ecx", "edx", "rel32", "modrm", "rex", "int3", "cmpxchg*", "xchg", "jrcxz",
];

/// Text that only host code has.
const HOST_TEXT: &[&str] =
    &["core::arch", "std::arch", "asm!(", "target_arch", "target_feature", "anyarch_host", "anyarch-host"];

fn host_words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let is_hosts = |word: &str| {
        HOST_WORDS.iter().any(|w| match w.strip_suffix('*') {
            Some(begin) => word.starts_with(begin),
            None => word == *w,
        })
    };
    let mut found: Vec<String> = words.filter(|w| is_hosts(w)).map(str::to_owned).collect();
    found.extend(HOST_TEXT.iter().filter(|t| lower.contains(*t)).map(|t| t.to_string()));
    found
}

/// Files of these folders in which `find` finds something, and what.
fn found(folders: &[&str], find: impl Fn(&str) -> Vec<String>) -> Vec<String> {
    let mut bad = Vec::new();
    for file in folders.iter().flat_map(|folder| files(&root().join(folder))) {
        let text = fs::read_to_string(&file).unwrap();
        for (n, line) in text.lines().enumerate() {
            for what in find(line) {
                bad.push(format!("{}:{}: {what}", file.display(), n + 1));
            }
        }
    }
    bad
}

#[test]
fn the_engine_and_the_guests_name_no_host() {
    let bad = found(&["crates/engine/src", "guests"], host_words);
    assert!(bad.is_empty(), "\n{}", bad.join("\n"));
}

/// Tables of the Linux layer have columns for architectures, but nothing depends on the host's
/// beside what `anyarch_sys::arch` tells.
#[test]
fn instructions_of_hosts_stand_in_their_folders() {
    let host_text =
        |line: &str| HOST_TEXT.iter().filter(|t| line.contains(*t)).map(|t| t.to_string()).collect();
    let mut bad = found(&["crates/linux/src", "crates/sys/src"], host_text);
    bad.retain(|place| !place.contains("crates/sys/src/arch/"));
    assert!(bad.is_empty(), "\n{}", bad.join("\n"));
}

#[test]
fn hosts_name_no_guest() {
    let guests: Vec<String> = fs::read_dir(root().join("guests"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .flat_map(|name| [format!("anyarch_{name}"), format!("anyarch-{name}")])
        .collect();
    assert!(guests.len() >= 4);
    let names = |line: &str| guests.iter().filter(|g| line.contains(*g)).cloned().collect();
    let bad = found(&["hosts", "crates/engine/src", "crates/linux/src"], names);
    assert!(bad.is_empty(), "\n{}", bad.join("\n"));
}

#[test]
fn host_words_are_seen() {
    for (line, what) in [
        ("    use core::arch::x86_64::*;", vec!["x86_64", "core::arch"]),
        ("/// In EAX, as UCOMISD leaves it.", vec!["eax", "ucomisd"]),
        ("#[cfg(target_arch = \"s390x\")]", vec!["target_arch"]),
        ("/// The address of the next instruction; `expr` and `assert` are no host's.", vec![]),
    ] {
        assert_eq!(host_words(line), what, "{line}");
    }
}

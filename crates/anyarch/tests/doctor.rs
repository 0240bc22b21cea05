//! `doctor` against machines in each of the states that it knows: kernel files of another root,
//! programs that answer as the real ones do, and real entries of an instance of the test's own.

mod common;
use common::*;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What a healthy machine has.
const HEALTHY: &[(&str, &str)] = &[
    ("/proc/sys/kernel/osrelease", "6.12.41+deb13-amd64\n"),
    ("/proc/self/ns/user", ""),
    ("/proc/self/uid_map", "         0          0 4294967295\n"),
    ("/proc/self/mounts", "proc /proc proc rw 0 0\n"),
    ("/proc/sys/user/max_user_namespaces", "63432\n"),
    ("/proc/sys/kernel/yama/ptrace_scope", "1\n"),
];

const PROGRAMS: &[(&str, &str)] = &[
    (
        "docker",
        "case $1$2 in versio*) echo 28.3.3+dfsg1 false;; buildx*) echo github.com/docker/buildx v0.29.1 abc;; *) echo 28.3.3;; esac",
    ),
    ("update-binfmts", "echo binfmt-support 2.2.2"),
    ("newuidmap", ""),
];

/// Findings of a machine that is healthy but for these files (below its root) and programs.
/// `script` runs before.
fn doctor(
    files: &[(&str, &str)],
    programs: &[(&str, &str)],
    script: &str,
    options: &str,
) -> serde_json::Value {
    let dir = tempfile::tempdir().unwrap();
    let put = |path: &Path, text: &str| {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    let root = dir.path().join("root");
    for (path, text) in HEALTHY.iter().chain(files) {
        put(&root.join(path.trim_start_matches('/')), text);
    }
    for (path, _) in files.iter().filter(|(_, text)| *text == "-") {
        std::fs::remove_file(root.join(path.trim_start_matches('/'))).unwrap();
    }
    for (name, text) in PROGRAMS.iter().chain(programs) {
        put(&dir.path().join("bin").join(name), &format!("#!/bin/sh\n{text}\n"));
    }
    for (name, _) in programs.iter().filter(|(_, text)| *text == "-") {
        std::fs::remove_file(dir.path().join("bin").join(name)).unwrap();
    }
    let d = dir.path().display();
    let output =
        in_instance(&format!("{script}\nANYARCH_ROOT={d}/root PATH={d}/bin $A doctor --json {options}"));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}{}", text(&output.stdout), text(&output.stderr)));
    let problems = json["problems"].as_u64().unwrap();
    assert_eq!(output.status.code(), Some(if problems == 0 { 0 } else { 8 }), "{json:#}");
    for finding in json["findings"].as_array().unwrap() {
        let advised = finding["why"].is_string() && finding["mend"].as_str().is_some_and(|m| !m.is_empty());
        assert_eq!(advised, finding["level"] != "ok", "{finding:#}");
    }
    json
}

/// The finding of a check that says this.
fn find<'a>(json: &'a serde_json::Value, check: &str, level: &str, words: &str) -> &'a serde_json::Value {
    let fits = |f: &&serde_json::Value| {
        f["check"] == check && f["level"] == level && f["what"].as_str().unwrap().contains(words)
    };
    json["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(fits)
        .unwrap_or_else(|| panic!("no {level} of {check} says `{words}`: {json:#}"))
}

#[test]
fn every_state_of_the_machine_is_found() {
    const BINFMT: &str = "/proc/sys/fs/binfmt_misc";
    let mounts = |lines: &[&str]| lines.join("\n").replace("DIR", BINFMT);
    let autofs = mounts(&[
        "systemd-1 DIR autofs rw,relatime,fd=32,pgrp=1,timeout=0,minproto=5,maxproto=5,direct,pipe_ino=2139 0 0",
        "binfmt_misc DIR binfmt_misc rw,nosuid,nodev,noexec,relatime 0 0",
    ]);
    let twice =
        mounts(&["binfmt_misc DIR binfmt_misc rw,relatime 0 0", "none DIR binfmt_misc rw,relatime 0 0"]);
    let read_only = mounts(&["binfmt_misc DIR binfmt_misc ro,relatime 0 0"]);
    let noexec = format!("tmpfs {} tmpfs rw,nosuid,nodev,noexec 0 0\n", std::env::temp_dir().display());
    let check = |path: &str, text: &str, check: &str, level: &str, words: &str| {
        find(&doctor(&[(path, text)], &[], "", ""), check, level, words);
    };
    let release = "/proc/sys/kernel/osrelease";
    check(release, "6.12.41+deb13-amd64\n", "kernel", "ok", "Linux 6.12.41");
    check(release, "4.4.0-210-generic\n", "kernel", "problem", "older than 4.8");
    check(release, "6.6.9-amd64\n", "kernel", "note", "no registration without root");
    check(release, "5.15.153.1-microsoft-standard-WSL2\n", "wsl", "warning", "(WSLInterop) is gone");
    check("/proc/self/mounts", &autofs, "binfmt_misc", "note", "autofs");
    check("/proc/self/mounts", &twice, "binfmt_misc", "warning", "more than once");
    check("/proc/self/mounts", &read_only, "binfmt_misc", "problem", "read-only");
    check("/proc/self/mounts", &noexec, "temporary-folder", "note", "noexec");
    check("/proc/self/ns/user", "", "user-namespaces", "ok", "each with a binfmt_misc of its own");
    check("/proc/self/ns/user", "-", "user-namespaces", "warning", "has no user namespaces");
    let sysctl = "/proc/sys/kernel/unprivileged_userns_clone";
    check(sysctl, "0\n", "user-namespaces", "warning", "only root");
    let sysctl = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";
    check(sysctl, "1\n", "user-namespaces", "warning", "AppArmor");
    // A container that shares the machine's pids has mounts of its own.
    let container = [
        ("/proc/self/mountinfo", "812 700 0:50 / / rw - overlay overlay rw\n"),
        ("/proc/1/mountinfo", "26 1 254:0 / / rw - ext4 /dev/vda rw\n"),
        ("/.dockerenv", ""),
    ];
    find(&doctor(&container, &[], "", ""), "container", "note", "this is a container (docker)");
    let same = [container[0], ("/proc/1/mountinfo", container[0].1), container[2]];
    let json = doctor(&same, &[], "", "");
    assert!(json["findings"].as_array().unwrap().iter().all(|f| f["check"] != "container"), "{json:#}");
    let podman = [container[0], container[1], ("/run/.containerenv", "")];
    let json = doctor(&podman, &[], "", "--binfmt-misc /usr");
    find(&json, "container", "note", "this is a container (podman)");
    let finding = find(&json, "binfmt_misc", "problem", "is not mounted");
    assert!(finding["why"].as_str().unwrap().contains("this is a container"), "{finding:#}");
    check("/sys/fs/selinux/enforce", "1", "selinux", "note", "enforcing");
    check("/proc/sys/kernel/yama/ptrace_scope", "2\n", "yama", "note", "forbids ptrace");
}

#[test]
fn every_state_of_other_programs_is_found() {
    let check = |program: (&str, &str), check: &str, level: &str, words: &str| {
        find(&doctor(&[], &[program], "", ""), check, level, words);
    };
    let docker = |version: &'static str| ("docker", version);
    check(docker("-"), "docker", "note", "docker is not installed");
    let old = "case $1$2 in versio*) echo 18.09.1 true;; *) exit 1;; esac";
    check(docker(old), "docker", "problem", "older than 19.03");
    check(docker(old), "docker", "note", "buildx plugin is not installed");
    let server_down = "case $1$2 in version*) echo 19.03.8 false; exit 1;; buildx*) echo github.com/docker/buildx v0.3.1-tp-docker x;; *) echo; exit 1;; esac";
    check(docker(server_down), "docker", "warning", "docker 19.03.8 has its experimental mode off");
    check(docker(server_down), "docker", "warning", "buildx 0.3.1 is older than 0.4");
    check(docker(server_down), "docker", "note", "server does not answer");
    let debian = "case $1$2 in version*) echo 20.10.24+dfsg1 false;; buildx*) echo github.com/docker/buildx 0.13.1+ds1-3 0.13.1+ds1;; *) echo 20.10.24;; esac";
    check(docker(debian), "docker", "ok", "docker 20.10.24");
    check(docker(debian), "docker", "ok", "buildx 0.13.1");
    check(("update-binfmts", "echo binfmt-support 2.1.6"), "update-binfmts", "problem", "older than 2.1.7");
    check(("update-binfmts", "echo binfmt-support 2.1.10"), "update-binfmts", "ok", "2.1.10");
}

/// Each line: how an entry is made, what the doctor says of it, what `--fix` does, and what must
/// hold afterwards.
#[test]
fn every_state_of_entries_is_found_and_mended() {
    need_qemu("s390x");
    let check = |make: &str, level: &str, words: &str, fixed: &str, after: &str| {
        let json = doctor(&[], &[], make, "");
        let finding = find(&json, "entries", level, words);
        assert_eq!(finding["fixed"], serde_json::Value::Null);
        assert_eq!(finding["fixable"], !fixed.is_empty(), "{finding:#}");
        if fixed.is_empty() {
            return;
        }
        let json = doctor(&[], &[], make, &format!("--fix; {after}; exit $?"));
        let finding = find(&json, "entries", level, words);
        assert_eq!(finding["fixed"], true, "{finding:#}");
        assert!(finding["fix"].as_str().unwrap().contains(fixed), "{finding:#}");
    };
    let ours = "$A -q register s390x --engine qemu";
    let theirs = "printf \":qemu-s390x:M::\\\\x7fELF\\\\x02\\\\x02\\\\x01\\\\x00\\\\x00\\\\x00\\\\x00\\\\x00\\\\x00\\\\x00\\\\x00\\\\x00\\\\x00\\\\x02\\\\x00\\\\x16::WHAT\" > $B/register";
    let theirs = |what: &str| theirs.replace("WHAT", what);
    let other = theirs("/usr/bin/qemu-s390x-static:F").replace(":qemu-s390x:", ":other:");
    let has = |words: &str| format!("grep -q '{words}' $B/qemu-s390x || exit 77");
    let all = "ls $B | grep -c ^qemu- | grep -q 3 || exit 77";
    check("", "warning", "no foreign architecture", "s390x, ", all);
    check(ours, "ok", "1 architectures registered", "", "");
    check(
        &format!("{ours}; echo 0 > $B/qemu-s390x"),
        "warning",
        "qemu-s390x is disabled",
        "wrote 1 to /proc/sys/fs/binfmt_misc/qemu-s390x",
        &has("^enabled"),
    );
    check(
        &format!("{ours} --fix-binary=no"),
        "problem",
        "qemu-s390x lacks flag F",
        "registered qemu-s390x again with flags PF",
        &has("flags: PF"),
    );
    check(
        &theirs("/nonexistent/qemu-s390x:P"),
        "problem",
        "interpreter /nonexistent/qemu-s390x does not exist",
        "registered s390x",
        &has("flags: PF"),
    );
    check(&theirs("/bin/sh:F"), "problem", "/bin/sh is not static", "registered s390x", &has("qemu-s390x"));
    check(&format!("{ours} --credentials 2>/dev/null"), "warning", "qemu-s390x has flag C", "", "");
    check(
        &format!("{}; {other}", theirs("/usr/bin/qemu-s390x-static:F")),
        "warning",
        "qemu-s390x is shadowed by other",
        "",
        "",
    );
    check(
        &format!("{ours}; {other}"),
        "warning",
        "qemu-s390x is shadowed by other",
        "removed qemu-s390x",
        "[ ! -e $B/qemu-s390x ] || exit 77",
    );
    let leftover = theirs("/./usr/bin/qemu-s390x-static:PF").replace(":qemu-s390x:", ":anyarch-swap-s390x:");
    check(
        &leftover,
        "warning",
        "anyarch-swap-s390x was left by a register run",
        "registered qemu-s390x again with flags PF",
        &format!("[ ! -e $B/anyarch-swap-s390x ] || exit 77; {}", has("flags: PF")),
    );
}

#[test]
fn switches_and_sysctls_are_mended() {
    let json = doctor(&[], &[], "echo 0 > $B/status", "--fix; cat $B/status >&2; exit $?");
    let finding = find(&json, "binfmt_misc", "problem", "switched off");
    assert_eq!(finding["fix"], "wrote 1 to /proc/sys/fs/binfmt_misc/status", "{finding:#}");
    let file = ("/proc/sys/user/max_user_namespaces", "0\n");
    let json = doctor(&[file], &[], "", "--fix");
    let finding = find(&json, "user-namespaces", "warning", "switched off");
    assert_eq!(finding["mend"], "sudo sysctl -w user.max_user_namespaces=15000");
    assert_eq!(finding["fixed"], true, "{finding:#}");
}

#[test]
fn wsls_entry_is_made_again() {
    let release = ("/proc/sys/kernel/osrelease", "5.15.153.1-microsoft-standard-WSL2\n");
    // /init exists on WSL only: what cannot be mended says why.
    let json = doctor(&[release], &[], "", "--fix");
    let finding = find(&json, "wsl", "warning", "is gone");
    assert_eq!(finding["fixed"], false);
    assert!(finding["fix"].as_str().unwrap().contains("/init does not exist"), "{finding:#}");
    let json = doctor(&[release], &[], "echo :WSLInterop:M::MZ::/bin/true:P > $B/register", "");
    find(&json, "wsl", "ok", "never touches it");
}

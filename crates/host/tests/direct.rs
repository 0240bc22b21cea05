//! `run --no-binfmt`: what kernels before 6.7 get. anyarch's own emulator starts the command and everything below it.

mod common;
use anyarch_harness::debian;
use anyarch_harness::guests::{GUESTS, Guest};
use common::*;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

/// A root with Debian's busybox of the guest as its shell, the test program of `verify` as /t, and a script.
fn root(of: &Guest, dir: &Path) {
    let name = format!("busybox-{}", of.debian);
    let busybox = debian::unpacked(&name, of.debian, of.suite, &["busybox-static"], |_| Ok(())).unwrap();
    let busybox = ["bin/busybox", "usr/bin/busybox"].map(|p| busybox.join(p));
    let busybox = busybox.iter().find(|p| p.exists()).expect("the package has busybox");
    std::fs::create_dir(dir.join("bin")).unwrap();
    std::fs::copy(busybox, dir.join("bin/busybox")).unwrap();
    symlink("busybox", dir.join("bin/sh")).unwrap();
    std::fs::copy(guest(of.name), dir.join("t")).unwrap();
    let script = "#!/bin/sh\necho \"$0|$1|$2\"; busybox uname -m; /t exec; echo $?; cat /proc/self/comm\n";
    std::fs::write(dir.join("s"), script).unwrap();
    std::fs::set_permissions(dir.join("s"), std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn the_emulator_starts_everything_by_itself() {
    need_namespaces();
    GUESTS.iter().for_each(starts_everything);
}

fn starts_everything(of: &Guest) {
    let dir = tempfile::tempdir().unwrap();
    root(of, dir.path());
    let run = |options: &[&str], command: &[&str]| {
        let mut anyarch = Command::new(ANYARCH);
        anyarch.env("ANYARCH_EMU", anyarch_harness::emulator()).arg("run").args(options);
        let output = anyarch.arg(dir.path()).arg("--").args(command).output().unwrap();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let before = machine_entries();
    for options in [&["--no-binfmt"][..], &["--no-binfmt", "-u", "1000"], &[]] {
        // Without more than one user here there is no 1000.
        if options.contains(&"1000") && !rustix::process::geteuid().is_root() {
            continue;
        }
        let (code, stdout, stderr) = run(options, &["/s", "a b", "c"]);
        assert_eq!(stdout, format!("/s|a b|c\n{}\n42\nbusybox\n", of.name), "{options:?} {code:?} {stderr}");
        assert_eq!(run(options, &["/t", "exec"]).0, Some(42), "{options:?}");
        // argv[0] is what the command was called, not its file.
        let (_, stdout, stderr) = run(options, &["busybox", "sh", "-c", "exit 3"]);
        assert_eq!((stdout.as_str(), stderr.as_str()), ("", ""), "{options:?}");
        assert_eq!(run(options, &["busybox", "sh", "-c", "kill -9 $$"]).0, Some(137), "{options:?}");
        let (code, _, stderr) = run(options, &["nosuch"]);
        assert_eq!(code, Some(127), "{stderr}");
    }
    let (_, entries, stderr) = run(&["--no-binfmt"], &["busybox", "ls", "/proc/sys/fs/binfmt_misc"]);
    assert_eq!(entries, "", "{stderr}");
    let (code, _, stderr) = run(&["--no-binfmt", "--engine", "qemu"], &["/t", "start"]);
    assert_eq!(code, Some(125), "{stderr}");
    let refusal = format!("without binfmt_misc only anyarch's own emulator runs {}", of.name);
    assert!(stderr.contains(&refusal), "{stderr}");
    assert_eq!(machine_entries(), before);
}

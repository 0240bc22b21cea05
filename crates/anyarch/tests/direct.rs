//! `run --no-binfmt`: what kernels before 6.7 get. anyarch's own emulator starts the command and
//! everything below it.

mod common;
use anyarch_harness::guests::{GUESTS, Guest};
use common::*;
use std::process::Command;

#[test]
fn the_emulator_starts_everything_by_itself() {
    need_namespaces();
    GUESTS.iter().for_each(starts_everything);
}

fn starts_everything(of: &Guest) {
    let dir = tempfile::tempdir().unwrap();
    busybox_root(of, dir.path());
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
        assert_eq!(
            stdout,
            format!("/s|a b|c\n{}\n42\nbusybox\n", of.machine),
            "{options:?} {code:?} {stderr}"
        );
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

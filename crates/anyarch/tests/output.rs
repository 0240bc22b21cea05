//! Where standard output cannot be written: the work is done, the exit code and one line tell, and
//! nothing panics.

mod common;
use common::*;
use std::fs::File;
use std::process::{Command, Stdio};

#[test]
fn what_cannot_be_printed_is_an_exit_code_and_a_line() {
    let commands: [&[&str]; 9] = [
        &["--help"],
        &["--version"],
        &["run", "--help"],
        &["manual"],
        &["completions", "bash"],
        &["deploy", "compose"],
        &["explain", "/bin/sh"],
        &["doctor", "--json"],
        &["compat", "qemu-binfmt-conf", "--", "--help"],
    ];
    for args in commands {
        let full = Stdio::from(File::options().write(true).open("/dev/full").unwrap());
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        for (stdout, reason) in [(full, "No space left on device"), (Stdio::from(writer), "Broken pipe")] {
            let child = Command::new(ANYARCH).args(args).stdout(stdout).stderr(Stdio::piped()).spawn();
            let out = child.unwrap().wait_with_output().unwrap();
            let stderr = text(&out.stderr);
            // A doctor that has found something says so first.
            assert!(matches!(out.status.code(), Some(1 | 8)), "{args:?}: {:?} {stderr}", out.status);
            assert_eq!(stderr.lines().count(), 1, "{args:?}: {stderr}");
            assert!(stderr.contains("cannot write") && stderr.contains(reason), "{args:?}: {stderr}");
        }
    }
}

#[test]
fn what_cannot_be_printed_ends_no_work() {
    need_qemu("s390x");
    for end in [">/dev/full", "| true"] {
        let out = succeed(&format!(
            "{{ $A register arm s390x --engine qemu || echo $? >&2; }} {end}; sleep 0.1; ls $B"
        ));
        assert!(out.contains("qemu-arm\nqemu-s390x\n"), "{end}: {out}");
    }
}

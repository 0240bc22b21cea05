//! What `run` makes of its command line: names of paths, options as docker spells them, and whose
//! emulator it takes. That all of them are parsed is a unit test beside the command line.

mod common;
use anyarch_harness::guests::GUESTS;
use common::*;
use std::process::Command;

#[test]
fn a_missing_path_is_no_name_of_a_registrys() {
    for target in ["./nope", "/nope", "../nope", "nope/", "nope.tar", "~/nope"] {
        for command in [&["run"][..], &["image", "inspect"]] {
            let out = anyarch(&[command, &[target]].concat());
            let stderr = text(&out.stderr);
            assert_eq!(out.status.code(), Some(9), "{command:?} {target}: {stderr}");
            assert_eq!(stderr, format!("anyarch: {target} does not exist\n"), "{command:?}");
        }
    }
}

#[test]
fn dockers_options_do_what_they_say() {
    need_namespaces();
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    std::fs::create_dir(&root).unwrap();
    busybox_root(&GUESTS[0], &root);
    std::fs::write(dir.path().join("env"), "# variables\nA=file\nB=b \"c\"\n").unwrap();
    let script = "echo $A,$B,$C; busybox hostname; busybox cat /v/env >/dev/null && echo seen; \
                  busybox touch /v/new 2>/dev/null || echo read-only; busybox pwd";
    let out = Command::new(ANYARCH)
        .args([
            "run",
            "-i",
            "--rm",
            "--name",
            "box",
            "--network",
            "host",
            "-e",
            "A=1",
            "-e",
            "C",
            "-w",
            "/bin",
        ])
        .args(["--env-file", dir.path().join("env").to_str().unwrap()])
        .args(["-v", &format!("{}:/v:ro", dir.path().display()), root.to_str().unwrap()])
        .args(["/bin/sh", "-c", script])
        .envs([("ANYARCH_EMU", anyarch_harness::emulator()), ("C", "passed".as_ref())])
        .output()
        .unwrap();
    assert_eq!(text(&out.stdout), "1,b \"c\",passed\nbox\nseen\nread-only\n/bin\n", "{}", text(&out.stderr));
    let out = anyarch(&["run", "-p", "80:80", root.to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(2), "{}", text(&out.stderr));
    assert!(text(&out.stderr).contains("ports cannot be published"), "{}", text(&out.stderr));
}

/// An entry point stands before the arguments in a root file system as in an image.
#[test]
fn an_entry_point_of_a_root_is_taken() {
    need_namespaces();
    let dir = tempfile::tempdir().unwrap();
    busybox_root(&GUESTS[0], dir.path());
    let root = dir.path().to_str().unwrap();
    for (words, want) in [
        (&["--entrypoint", "/bin/busybox", root, "echo", "a b"][..], "a b\n"),
        (&["--entrypoint", "", root, "/bin/busybox", "echo", "c"], "c\n"),
    ] {
        let out = Command::new(ANYARCH)
            .arg("run")
            .args(words)
            .env("ANYARCH_EMU", anyarch_harness::emulator())
            .output()
            .unwrap();
        assert_eq!(text(&out.stdout), want, "{words:?}: {}", text(&out.stderr));
    }
}

/// What the command is given is any bytes, as for every other program that starts one.
#[test]
fn words_and_variables_stay_as_they_are() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    need_namespaces();
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    std::fs::create_dir(&root).unwrap();
    busybox_root(&GUESTS[0], &root);
    let odd = OsStr::from_bytes(b"a\xff\xfe=b");
    let script = "printf '%s|%s' \"$0\" \"$ODD\"";
    for start in [&["with", GUESTS[0].name, "--"][..], &["run", "-e", "ODD", root.to_str().unwrap()]] {
        let out = Command::new(ANYARCH)
            .args(start)
            .args(["/bin/sh", "-c", script])
            .arg(odd)
            .envs([("ANYARCH_EMU", anyarch_harness::emulator().as_os_str()), ("ODD", odd)])
            .output()
            .unwrap();
        assert_eq!(out.stdout, b"a\xff\xfe=b|a\xff\xfe=b", "{start:?}: {}", text(&out.stderr));
    }
}

/// Nothing lies beside the tool or where QEMU is installed, but a handler is registered.
#[test]
fn the_emulator_of_a_registered_handler_is_taken() {
    let qemu = need_qemu("s390x");
    let out = in_instance(&format!(
        "mount -t tmpfs tmpfs /mnt; mkdir /mnt/root; cp {} /mnt/emulator; cp {} /mnt/root/t; unset ANYARCH_EMU QEMU_BIN_DIR\n\
         $A -q register s390x --engine qemu:/mnt/emulator\n\
         for q in qemu-s390x-static qemu-s390x; do [ -e /usr/bin/$q ] && mount --bind /dev/null /usr/bin/$q; done\n\
         $A run /mnt/root -- /t start; echo run $?; $A with s390x -- /mnt/root/t start; echo with $?\n\
         $A run --engine qemu /mnt/root -- /t start; echo asked $?; $A unregister; $A run /mnt/root -- /t start; echo none $?",
        qemu.display(),
        guest("s390x").display()
    ));
    let (stdout, stderr) = (text(&out.stdout), text(&out.stderr));
    assert!(stdout.starts_with("run 42\nwith 42\nasked 125\n"), "{stdout}{stderr}");
    assert!(stdout.ends_with("none 125\n"), "{stdout}{stderr}");
    assert!(stderr.contains("no static QEMU for s390x"), "{stderr}");
}

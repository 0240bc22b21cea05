//! `explain`, `verify` and `doctor` beside what the kernel does with the same files and entries.

mod common;
use common::*;

/// Each line of the script makes a file; the kernel's answer to it is the exit code of the shell,
/// which tries nothing of its own with `exec` of a path but files that no format takes.
#[test]
fn explain_agrees_with_the_kernel() {
    need_qemu("s390x");
    let check = |make: &str, kernel: i32, runs: bool, words: &str| {
        let out = in_instance(&format!(
            "mount -t tmpfs tmpfs /mnt; cd /mnt; echo text > f; chmod 755 f; {make}\n\
             sh -c 'exec /mnt/f' >/dev/null 2>&1; echo kernel $?; timeout 20 $A explain ./f; echo explain $?"
        ));
        let (stdout, stderr) = (text(&out.stdout), text(&out.stderr));
        assert!(stdout.contains(&format!("kernel {kernel}\n")), "{make}: {stdout}{stderr}");
        assert!(stdout.contains(words), "{make}: {words}: {stdout}{stderr}");
        assert!(stdout.ends_with(&format!("explain {}\n", !runs as u8)), "{make}: {stdout}{stderr}");
    };
    let any = "echo ':any:M:1:ext::/bin/true:' > $B/register";
    check(any, 0, true, "yes, by /bin/true (any, no flags)");
    check(&format!("{any}; echo 0 > $B/any"), 127, false, "its handler any is disabled");
    check(&format!("{any}; echo 0 > $B/status"), 127, false, "neither an ELF program");
    check(&format!("{any}; chmod 644 f"), 126, false, "it is not executable");
    check("rm f; mkfifo f; chmod 755 f", 126, false, "it is not a regular file");
    check(
        "echo ':any:M:1:ext::/nonexistent/x:' > $B/register",
        127,
        false,
        "/nonexistent/x, which does not exist",
    );
    check(
        "echo ':any:M:1:ext::/mnt/x:' > $B/register; echo > x",
        126,
        false,
        "/mnt/x, which is not executable",
    );
    // Of the mount alone: the options of a user's tmpfs name ids that its namespace does not have.
    check("mount -o remount,bind,noexec /mnt", 126, false, "mounted with noexec");
    check("echo '#!/bin/true' > f", 0, true, "yes, by its interpreter /bin/true");
    check(
        "echo '#!/mnt/i' > f; echo > i",
        126,
        false,
        "its interpreter /mnt/i does not run: it is not executable",
    );
    // Entries come before the formats that the kernel has itself.
    let script = "printf '#!/bin/false\\n' > f; echo ':script:M:2:/bin/false::/bin/true:' > $B/register";
    check(script, 0, true, "yes, by /bin/true (script, no flags)");
    let out = in_instance(
        "mount -t tmpfs tmpfs /mnt; cd /mnt; echo x > x.jar; chmod 755 x.jar\n\
         echo ':jar:E::jar::/bin/true:' > $B/register; ./x.jar; echo kernel $?; $A explain ./x.jar; echo explain $?",
    );
    let stdout = text(&out.stdout);
    assert!(
        stdout.starts_with("kernel 0\n") && stdout.ends_with("explain 0\n"),
        "{stdout}{}",
        text(&out.stderr)
    );
}

/// What stands behind an entry that does not work is named, each with the same program.
#[test]
fn what_is_wrong_with_an_interpreter_is_named() {
    need_qemu("s390x");
    let check = |make: &str, flags: &str, verify: &str, doctor: &str| {
        let theirs = format!(
            "printf ':qemu-s390x:M::\\\\x7fELF\\\\x02\\\\x02\\\\x01\\\\x00\\\\x00\\\\x00\\\\x00\\\\x00\\\\x00\\\\x00\\\\x00\\\\x00\\\\x00\\\\x02\\\\x00\\\\x16::/mnt/q:{flags}' > $B/register"
        );
        let out = in_instance(&format!(
            "mount -t tmpfs tmpfs /mnt; {make}; sleep 0.05; {theirs}; $A verify s390x; $A doctor"
        ));
        let all = text(&out.stdout) + &text(&out.stderr);
        assert!(all.contains(verify), "{make}: {verify}: {all}");
        assert!(all.contains(doctor), "{make}: {doctor}: {all}");
    };
    let qemu = "cp /usr/bin/qemu-s390x-static /mnt/q";
    check(qemu, "", "the entry lacks flag F", "lacks flag F");
    check("cp /bin/sh /mnt/q", "F", "/mnt/q is not static", "/mnt/q is not static");
    let script = "printf '#!/bin/sh\\nexec qemu-s390x-static \"$@\"\\n' > /mnt/q; chmod 755 /mnt/q";
    check(script, "F", "is a script, whose own is not found", "is a script or no program");
    check(&format!("{qemu}; chmod 644 /mnt/q"), "", "the entry lacks flag F", "/mnt/q is not executable");
}

/// The kernel keeps the emulator that it opened.
#[test]
fn the_doctor_finds_an_emulator_older_than_its_file() {
    need_qemu("s390x");
    let out = in_instance(
        "mount -t tmpfs tmpfs /mnt; cp /usr/bin/qemu-s390x-static /mnt/q; sleep 0.05\n\
         $A -q register s390x --engine qemu:/mnt/q; $A doctor | grep -c changed; sleep 0.05\n\
         cp /mnt/q /mnt/new; mv /mnt/new /mnt/q; $A doctor --fix | grep -A2 changed; $A doctor | grep -c changed",
    );
    let stdout = text(&out.stdout);
    assert!(stdout.starts_with("0\n") && stdout.ends_with("\n0\n"), "{stdout}");
    assert!(stdout.contains("/mnt/q was changed after it was registered"), "{stdout}");
    assert!(stdout.contains("fixed: registered qemu-s390x again"), "{stdout}");
}

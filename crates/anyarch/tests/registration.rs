//! `register` and its relatives against a real kernel.

mod common;
use common::*;
use std::process::Command;

#[test]
fn registering_twice_changes_nothing_and_handlers_work() {
    need_qemu("aarch64");
    let out = succeed(&format!(
        "$A register arm64 s390x --engine qemu; $A register arm64 s390x --engine qemu\n\
         set +e; {} start; echo code $?; $A unregister; ls $B",
        guest("aarch64").display()
    ));
    assert_eq!(out.matches("registered  ").count(), 2, "{out}");
    assert_eq!(out.matches("unchanged   ").count(), 2, "{out}");
    assert!(out.contains("code 42"), "{out}");
    assert!(out.ends_with("register\nstatus\n"), "{out}");
}

#[test]
fn entries_of_others_are_left_alone() {
    need_qemu("riscv64");
    let theirs = "printf ':qemu-riscv64:M::\\\\x7fELF\\\\x02\\\\x01\\\\x01\\\\x00\\\\x00\\\\x00\\\\x00\\\\x00\\\\x00\\\\x00\\\\x00\\\\x00\\\\x02\\\\x00\\\\xf3\\\\x00::/usr/bin/qemu-riscv64-static:F' > $B/register";
    let words = ["qemu-riscv64 is taken by an entry that anyarch did not make", "--shadow", "--replace"];
    fail(&format!("{theirs}; $A register riscv64 --engine qemu"), 6, &words);
    fail(&format!("{theirs}; $A unregister riscv64"), 6, &["was not made by anyarch"]);
    let out = succeed(&format!(
        "{theirs}; $A register riscv64 --engine qemu --shadow; cat $B/qemu-riscv64; $A status; $A unregister; ls $B"
    ));
    assert!(out.contains("registered  anyarch-riscv64"), "{out}");
    // The newer entry wins, and the status knows that.
    assert!(out.contains("shadowed by anyarch-riscv64"), "{out}");
    assert!(out.ends_with("qemu-riscv64\nregister\nstatus\n"), "{out}");
    let out = succeed(&format!(
        "{theirs}; $A register riscv64 --engine qemu --replace; cat $B/qemu-riscv64; ls $B"
    ));
    assert!(out.contains("interpreter /./usr/bin/qemu-riscv64-static"), "{out}");
    assert!(!out.contains("anyarch-swap"), "{out}");
    let out = succeed(&format!("{theirs}; $A unregister --reset; ls $B"));
    assert!(out.ends_with("register\nstatus\n"), "{out}");
}

#[test]
fn a_dry_run_does_nothing() {
    need_qemu("arm");
    let out = succeed("$A register arm --engine qemu --dry-run; ls $B");
    assert!(out.contains("would register     qemu-arm (linux/arm/v7"), "{out}");
    assert!(out.ends_with("register\nstatus\n"), "{out}");
}

#[test]
fn an_emulator_in_memory_outlives_its_file() {
    let qemu = need_qemu("aarch64");
    let out = succeed(&format!(
        "mount -t tmpfs tmpfs /mnt; cp {} /mnt/qemu-aarch64-static\n\
         $A register arm64 --engine qemu:/mnt/qemu-aarch64-static --from-memfd; umount /mnt\n\
         set +e; {} start; echo code $?; $A status",
        qemu.display(),
        guest("aarch64").display()
    ));
    assert!(out.contains("code 42") && out.contains("(in memory)"), "{out}");
}

/// An upgrade puts a new file in the old one's place, while the kernel keeps the old one open.
#[test]
fn a_replaced_emulator_is_registered_anew() {
    let qemu = need_qemu("aarch64");
    let out = succeed(&format!(
        "mount -t tmpfs tmpfs /mnt; E=/mnt/qemu-aarch64-static; cp {0} $E\n\
         R=\"$A register arm64 --engine qemu:$E\"; sleep 0.1; $R; $R; cp {0} /mnt/new; sleep 0.1; mv /mnt/new $E\n\
         $R --dry-run | head -1; sleep 0.1; $R; $R; set +e; {1} start; echo code $?",
        qemu.display(),
        guest("aarch64").display()
    ));
    let words: Vec<_> = out.lines().map(|l| l.split("  ").next().unwrap()).collect();
    assert_eq!(
        words,
        ["registered", "unchanged", "would replace", "replaced", "unchanged", "code 42"],
        "{out}"
    );
    assert!(out.contains("(registered anew)"), "{out}");
}

/// While one process swaps the handler as fast as it can, and is killed again and again, another
/// runs a foreign program all the time: no start may fail.
#[test]
fn there_is_a_handler_at_every_moment() {
    need_qemu("aarch64");
    let out = succeed(&format!(
        "$A register arm64 --engine qemu; set +e; mount -t tmpfs tmpfs /mnt\n\
         (while [ ! -e /mnt/stop ]; do {} start; [ $? = 42 ] || echo LOST; done) &\n\
         for i in 1 2 3 4 5 6 7 8 9 10; do $A -q register arm64 --engine qemu --refresh || echo REFUSED; done\n\
         for ms in 001 002 003 004 005 006 007 008 009 010 012 015; do\n\
           timeout -s KILL 0.$ms $A -q register arm64 --engine qemu --refresh; done 2>/dev/null\n\
         touch /mnt/stop; wait\n\
         $A -q register arm64 --engine qemu; $A register arm64 --engine qemu; ls $B",
        guest("aarch64").display()
    ));
    assert!(!out.contains("LOST") && !out.contains("REFUSED"), "{out}");
    assert!(out.contains("unchanged   qemu-aarch64"), "{out}");
    assert!(out.ends_with("qemu-aarch64\nregister\nstatus\n"), "{out}");
}

#[test]
fn concurrent_runs_wait_for_each_other() {
    need_qemu("s390x");
    let out = succeed(
        "for i in 1 2 3 4 5 6; do $A register s390x arm64 arm --engine qemu --refresh || echo FAILED & done; wait; ls $B",
    );
    assert!(!out.contains("FAILED"), "{out}");
    assert!(out.ends_with("qemu-aarch64\nqemu-arm\nqemu-s390x\nregister\nstatus\n"), "{out}");
}

#[test]
fn every_failure_has_its_code_and_the_command_that_mends_it() {
    need_qemu("arm");
    fail(
        "$A register arm --engine qemu --binfmt-misc /usr",
        4,
        &["not mounted on /usr", "mount -t binfmt_misc"],
    );
    fail(
        "$A register arm --engine qemu --binfmt-misc /nonexistent",
        4,
        &["/nonexistent does not exist", "modprobe binfmt_misc"],
    );
    fail("mount -o remount,ro $B; $A register arm --engine qemu", 3, &["mounted read-only", "remount,rw"]);
    fail("echo 0 > $B/status; $A register arm --engine qemu", 4, &["switched off", "echo 1"]);
    fail("$A register vax", 2, &["`vax` is no architecture"]);
    fail("$A register amd64", 2, &["without an emulator"]);
    fail("$A register arm --engine kvm", 2, &["none of auto, native, qemu"]);
    fail("$A register s390x --engine native", 5, &["does not run s390x", "--engine s390x=qemu"]);
    fail("$A register arm --engine qemu:/nonexistent/q", 5, &["/nonexistent/q does not exist"]);
    fail("$A register arm --engine qemu:/bin/sh", 5, &["/bin/sh is not static"]);
    fail("exec 9<$B; flock 9; $A register arm --engine qemu", 1, &["has held the lock"]);
}

#[test]
fn without_root_the_reason_is_named() {
    need_qemu("arm");
    let mut command = Command::new("setpriv");
    command.args([
        "--reuid",
        "65534",
        "--regid",
        "65534",
        "--clear-groups",
        ANYARCH,
        "register",
        "arm",
        "--engine",
        "qemu",
    ]);
    if !rustix::process::geteuid().is_root() {
        command = Command::new(ANYARCH);
        command.args(["register", "arm", "--engine", "qemu"]);
    }
    let output = command.output().unwrap();
    let stderr = text(&output.stderr);
    // Where the machine has no binfmt_misc mounted, that comes first.
    assert!(matches!(output.status.code(), Some(3 | 4)), "{stderr}");
    assert!(stderr.contains("anyarch with -- CMD") || stderr.contains("mend:"), "{stderr}");
}

#[test]
fn a_path_too_long_for_the_kernel_is_refused_before_anything_is_done() {
    let qemu = need_qemu("arm");
    let dir = tempfile::tempdir().unwrap();
    let mut deep = dir.path().to_path_buf();
    for _ in 0..9 {
        deep.push("x".repeat(220));
    }
    std::fs::create_dir_all(&deep).unwrap();
    let file = deep.join("qemu-arm-static");
    std::fs::copy(qemu, &file).unwrap();
    fail(&format!("$A register arm --engine qemu:{}", file.display()), 5, &["the register line has", "1920"]);
}

#[test]
fn a_full_disk_loses_nothing() {
    need_qemu("arm");
    let out = in_instance(
        "mount -t tmpfs -o size=16k,nr_inodes=20 tmpfs /mnt || exit 99; mkdir -p /mnt/etc/binfmt.d; export ANYARCH_ROOT=/mnt\n\
         $A -q register arm --engine qemu --persist=binfmt.d; cp /mnt/etc/binfmt.d/qemu-arm.conf /dev/shm/anyarch-before.$$\n\
         dd if=/dev/zero of=/mnt/fill bs=4k 2>/dev/null\n\
         $A -q register arm --engine qemu --persist=binfmt.d --preserve-argv0=no; echo code $?\n\
         cmp /mnt/etc/binfmt.d/qemu-arm.conf /dev/shm/anyarch-before.$$ && echo same; rm /dev/shm/anyarch-before.$$; ls $B; ls /mnt/etc/binfmt.d",
    );
    let (stdout, stderr) = (text(&out.stdout), text(&out.stderr));
    assert!(stdout.contains("code 1") && stdout.contains("same"), "{stdout}{stderr}");
    assert!(stderr.contains("cannot write") && stderr.contains("No space left"), "{stderr}");
    assert!(stdout.contains("qemu-arm\nregister"), "{stdout}");
    assert!(stdout.ends_with("status\nqemu-arm.conf\n"), "{stdout}");
}

#[test]
fn persisted_files_are_ours_or_left_alone() {
    need_qemu("arm");
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().display();
    let out = succeed(&format!(
        "export ANYARCH_ROOT={root}; $A register arm --engine qemu --persist=binfmt.d; cat {root}/etc/binfmt.d/qemu-arm.conf\n\
         $A register arm --engine qemu --persist=debian; cat {root}/usr/share/binfmts/qemu-arm\n\
         $A register arm --engine qemu --persist=unit; cat {root}/etc/systemd/system/anyarch-register.service\n\
         $A unregister; find {root} -type f"
    ));
    assert!(
        out.contains("\n:qemu-arm:M::\\x7fELF") && out.contains(":/./usr/bin/qemu-arm-static:FP\n"),
        "{out}"
    );
    assert!(out.contains("package anyarch\ninterpreter /./usr/bin/qemu-arm-static\n"), "{out}");
    assert!(out.contains("register --engine=qemu arm\n"), "{out}");
    assert!(
        out.trim_end().ends_with(&format!("removed     {root}/etc/systemd/system/anyarch-register.service")),
        "{out}"
    );
    std::fs::write(dir.path().join("etc/binfmt.d/qemu-arm.conf"), "theirs\n").unwrap();
    fail(
        &format!("export ANYARCH_ROOT={root}; $A register arm --engine qemu --persist=binfmt.d"),
        6,
        &["anyarch did not write it"],
    );
}

#[test]
fn every_architecture_of_a_registry_works_under_qemu() {
    for arch in ["aarch64", "arm", "riscv64", "ppc64le", "s390x", "mips64el", "loongarch64"] {
        need_qemu(arch);
    }
    let out =
        succeed("$A -q register arm64 arm riscv64 ppc64le s390x mips64le loong64 --engine qemu; $A verify");
    assert_eq!(out.lines().filter(|l| l.matches(" ok").count() == 6).count(), 9, "{out}");
}

/// C is tried where a second user exists, which root's namespaces have in `anyarch with`.
#[test]
fn setuid_is_verified_where_c_is_claimed() {
    need_qemu("s390x");
    let out = succeed("$A -q register s390x --engine qemu --credentials 2>&1; $A verify --json");
    assert!(out.contains("only one user exists here"), "{out}");
    let script = "$0 -q register s390x --engine qemu --credentials; $0 verify && $0 verify --json";
    let with = ["with", "s390x", "--engine", "qemu", "--", "sh", "-c", script, ANYARCH];
    let out = Command::new(ANYARCH).args(with).output().unwrap();
    let (stdout, stderr) = (text(&out.stdout), text(&out.stderr));
    assert!(stderr.contains("warning: with C"), "{stdout}{stderr}");
    let result = if rustix::process::geteuid().is_root() { "ok" } else { "" };
    assert!(
        stdout.contains(&format!("\"setuid\": {{\n          \"result\": \"{result}")),
        "{stdout}{stderr}"
    );
    assert_eq!(out.status.code(), Some(0), "{stdout}{stderr}");
}

#[test]
fn verify_finds_what_does_not_work() {
    // Without F the emulator is not there in an empty root.
    need_qemu("s390x");
    let script = "$A -q register s390x --engine qemu --fix-binary=no; $A verify";
    fail(script, 7, &["linux/s390x start: its interpreter is not found in an empty root"]);
    fail("$A verify arm64", 7, &["aarch64: no handler is registered"]);
    fail("$A verify", 7, &["nothing to verify"]);
}

#[test]
fn the_doctor_adds_f_from_the_entrys_own_magic() {
    need_qemu("s390x");
    let out = in_instance(
        "$A -q register s390x --engine qemu --fix-binary=no; $A doctor; echo code $?; $A doctor --fix; $A verify; cat $B/qemu-s390x",
    );
    let out = text(&out.stdout);
    assert!(out.contains("qemu-s390x lacks flag F") && out.contains("code 8"), "{out}");
    assert!(out.contains("fixed: registered qemu-s390x again with flags PF"), "{out}");
    assert!(out.contains("flags: PF"), "{out}");
}

#[test]
fn other_tools_arguments_are_taken() {
    need_qemu("s390x");
    let out = succeed("$A compat multiarch -- --reset -p yes; cat $B/qemu-s390x; ls $B | wc -l");
    assert!(out.contains("Setting /usr/bin/qemu-s390x-static as binfmt interpreter for s390x\n"), "{out}");
    assert!(out.contains("interpreter /usr/bin/qemu-s390x-static\nflags: F\n"), "{out}");
    assert!(out.ends_with("33\n"), "{out}");
    // From an image with one emulator: every other `qemu-*` goes, whoever made it, and nothing
    // else.
    let entry = |name: &str| format!("echo ':{name}:E::x{}::/bin/true:' > $B/register", name.len());
    let entries = ["qemu-arm", "qemu-other", "aarch64", "python3"].map(entry).join("; ");
    let out = succeed(&format!(
        "mount -t tmpfs tmpfs /mnt; cp /usr/bin/qemu-s390x-static /mnt; {entries}\n\
         QEMU_BIN_DIR=/mnt $A compat multiarch -- --reset -p yes 2>/dev/null >&2; ls $B"
    ));
    assert_eq!(out, "aarch64\npython3\nqemu-s390x\nregister\nstatus\n");
    let out = succeed(&format!("{entries}; $A -q unregister --reset; ls $B; $A unregister aarch64"));
    assert_eq!(out, "aarch64\npython3\nregister\nstatus\nnothing to remove\n");
    fail("$A compat multiarch -- --persistant yes --reset", 1, &["unrecognized option"]);
    fail(
        "$A compat multiarch -- -p yes -F -nowhere -- x",
        1,
        &["/usr/bin/qemu-alpha-nowhere: no such file, left out", "there is no emulator in /usr/bin"],
    );
    let script = "$A compat qemu-binfmt-conf --";
    fail(&format!("{script} --systemd vax"), 1, &["ERROR: unknown CPU \"vax\"\n"]);
    fail(&format!("{script} -d -e /nonexistent"), 1, &["ERROR: cannot write to /nonexistent\n"]);
    fail(&format!("HOST_ARCH=vax {script} -d -e /tmp"), 1, &["INTERNAL ERROR: unknown host cpu vax\n"]);
    let register = "ERROR: cannot write to /proc/sys/fs/binfmt_misc/register\n";
    fail(&format!("mount -o remount,ro $B; {script}"), 1, &[register]);
}

#[test]
fn tonistiigis_arguments_are_taken() {
    need_qemu("s390x");
    let dir = tempfile::tempdir().unwrap();
    for name in ["qemu-s390x", "my-qemu-ppc64le"] {
        std::os::unix::fs::symlink("/usr/bin/qemu-s390x-static", dir.path().join(name)).unwrap();
    }
    let dir = dir.path().display();
    let run = |script: &str| {
        let begin = format!("export QEMU_BINARY_PATH={dir}; T='{ANYARCH} compat tonistiigi --'");
        let out = in_instance(&format!("{begin}; {script}"));
        (text(&out.stdout), text(&out.stderr))
    };
    let (stdout, stderr) = run(
        "$T -install s390x,arm64,vax; echo code $?; cat $B/qemu-s390x; $T --uninstall 'qemu-*',vax; ls $B",
    );
    assert!(stderr.starts_with("installing: s390x OK\ninstalling: arm64 cannot register \"/"), "{stderr}");
    assert!(stderr.contains("installing: vax unsupported architecture: vax\n"), "{stderr}");
    assert!(stderr.ends_with("uninstalling: qemu-s390x OK\nuninstalling: vax not found\n"), "{stderr}");
    assert!(stdout.contains("code 1") && stdout.contains("flags: OCF\n"), "{stdout}{stderr}");
    assert!(stdout.contains("\"linux/s390x\",\n    \"linux/386\"\n"), "{stdout}");
    assert!(stdout.ends_with("register\nstatus\n"), "{stdout}");
    // What has an emulator, once; the second time it is there already, which is no failure.
    let (stdout, stderr) = run("$T --install all && $T --install=linux/s390x && $T --uninstall s390x; ls $B");
    let want =
        "installing: s390x OK\ninstalling: s390x qemu-s390x already registered\nuninstalling: s390x OK\n";
    assert_eq!(stderr, want, "{stdout}");
    // The prefix is part of the name; argv[0] is kept where asked for.
    let (stdout, stderr) = run("export QEMU_PRESERVE_ARGV0=1 QEMU_BINARY_PREFIX=my-; $T --install ppc64le; \
         cat $B/my-qemu-ppc64le; QEMU_BINARY_PREFIX=a/ $T --install arm");
    assert!(stdout.contains("/my-qemu-ppc64le\nflags: POCF\n"), "{stdout}{stderr}");
    assert!(stderr.contains("installing: arm binary prefix must not contain path separator"), "{stderr}");
    let (_, stderr) = run("$T --nonsense; echo $? >&2; $T --install; echo $? >&2; $T -h; echo $? >&2");
    assert!(stderr.starts_with("flag provided but not defined: -nonsense\nUsage of binfmt:\n"), "{stderr}");
    assert!(stderr.contains("\n2\nflag needs an argument: -install\n"), "{stderr}");
    assert!(stderr.ends_with("display version\n0\n"), "{stderr}");
    let (_, stderr) = run("$T --version; $T --mount /nonexistent; echo $? >&2");
    assert!(stderr.starts_with("binfmt/") && stderr.contains("/nonexistent does not exist"), "{stderr}");
    assert!(stderr.ends_with("\n1\n"), "{stderr}");
}

/// Our image stands for tonistiigi's and multiarch's: its one entry point tells by the arguments,
/// and either's own program is there as well.
#[test]
fn the_images_entry_point_tells_by_the_arguments() {
    let qemu = need_qemu("s390x");
    let dir = tempfile::tempdir().unwrap();
    let (layout, bundle) = (dir.path().join("layout"), dir.path().join("bundle"));
    let run = |args: &[&str]| {
        let out = Command::new(slim()).args(args).env("ANYARCH_EMU", anyarch_harness::emulator()).output();
        let out = out.unwrap();
        assert!(out.status.success(), "{args:?}: {}", text(&out.stderr));
    };
    let s390x = format!("s390x=qemu:{}", qemu.display());
    let layout = layout.to_str().unwrap();
    run(&["image", "build", "--to", "arm64,s390x", "--engine", &s390x, "--version", "9", "-o", layout]);
    run(&["image", "unpack", &format!("{layout}:latest"), bundle.to_str().unwrap()]);
    let config = std::fs::read_to_string(bundle.join("config.json")).unwrap();
    assert!(config.contains("\"/entrypoint\""), "{config}");
    let root = bundle.join("rootfs");
    let container = |script: &str| {
        let out = in_instance(&format!(
            "R={}; mkdir $R/proc; mount --rbind /proc $R/proc; unset ANYARCH_EMU\n\
             run() {{ env -i PATH=/usr/bin:/bin /usr/sbin/chroot $R \"$@\"; echo \"code $?\"; }}\n{script}; umount -l $R/proc; rmdir $R/proc",
            root.display()
        ));
        (text(&out.stdout), text(&out.stderr))
    };
    let guest = guest("aarch64");
    let (stdout, stderr) = container(&format!(
        "run /entrypoint --install all; {} start; echo $?; cat $B/qemu-aarch64; run /entrypoint --uninstall qemu-aarch64; \
         run /entrypoint; run /entrypoint --version; run /usr/bin/binfmt --install arm64,riscv64; run /entrypoint --install all",
        guest.display()
    ));
    let want = "installing: arm OK\ninstalling: s390x OK\ninstalling: arm64 OK\ninstalling: riscv64 OK\nuninstalling: qemu-aarch64 OK\nbinfmt/";
    assert!(stderr.starts_with(want), "{stdout}{stderr}");
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let parts: Vec<&str> = stdout.split("code ").collect();
    assert_eq!(
        json(parts[0])["emulators"],
        serde_json::json!(["qemu-aarch64", "qemu-arm", "qemu-riscv64", "qemu-s390x"])
    );
    assert!(
        parts[1].starts_with("0\n42\nenabled\ninterpreter /usr/bin/anyarch-emu\nflags: OCF\n"),
        "{stdout}"
    );
    let plain = json(parts[2].trim_start_matches("0\n"));
    assert_eq!(plain["emulators"], serde_json::json!(["qemu-arm", "qemu-riscv64", "qemu-s390x"]));
    assert!(plain["supported"].as_array().unwrap().contains(&"linux/s390x".into()), "{plain}");
    assert_eq!(parts[3], "0\n", "{stdout}");
    let again = "installing: arm64 OK\ninstalling: riscv64 qemu-riscv64 already registered\n";
    assert!(stderr.ends_with(again), "{stdout}{stderr}");
    assert!(parts[4..].iter().all(|p| p.starts_with("0\n")), "{stdout}{stderr}");
    for name in ["/entrypoint", "/register"] {
        let (stdout, stderr) = container(&format!("run {name} --reset -p yes; cat $B/qemu-s390x; ls $B"));
        assert!(stdout.contains("interpreter /usr/bin/qemu-s390x-static\nflags: F\n"), "{stdout}{stderr}");
        assert!(stdout.ends_with("qemu-aarch64\nqemu-s390x\nregister\nstatus\n"), "{stdout}{stderr}");
    }
    // Where there is no emulator, nothing was installed.
    let (stdout, stderr) = container(
        "rm $R/usr/bin/qemu-* $R/usr/bin/anyarch-emu; run /entrypoint --install all; run /entrypoint --install arm64",
    );
    assert!(stderr.starts_with("installing: all no emulator was found"), "{stdout}{stderr}");
    assert!(stderr.contains("installing: arm64 anyarch's emulator was not found"), "{stdout}{stderr}");
    assert_eq!(stdout.matches("code 1\n").count(), 2, "{stdout}{stderr}");
}

/// An instance that this namespace has mounted elsewhere is the machine's; a new one would end with
/// the container.
#[test]
fn a_mount_in_a_container_is_a_failure_only_where_the_instance_is_new() {
    need_qemu("s390x");
    // Below the instance of the test lies the machine's: nothing is mounted on a /proc of its own.
    let fresh = |tool: &str| format!("unshare -pfm --mount-proc sh -c '$A compat {tool}; echo code $?'");
    for tool in ["multiarch -- -p yes", "qemu-binfmt-conf --", "tonistiigi -- --install s390x"] {
        let run = |script: &str| {
            let out = in_instance(&format!("umask 22; export A; {script}"));
            (text(&out.stdout), text(&out.stderr))
        };
        let (stdout, stderr) = run(&format!("umount $B && {}", fresh(tool)));
        assert!(stdout.ends_with("code 1\n"), "{tool}: {stdout}{stderr}");
        assert!(stderr.contains("would end with it\n  mend: on the machine: ls"), "{tool}: {stderr}");
        let (stdout, stderr) = run(&format!("sleep 0.05; {}; ls $B", fresh(tool)));
        assert!(!stderr.contains("warning") && !stderr.contains("container"), "{tool}: {stderr}");
        assert!(stdout.contains("code 0\n") && stdout.contains("qemu-s390x\n"), "{tool}: {stdout}{stderr}");
    }
}

/// The best of several runs, for machines with other work: 34 emulators, one process, less than 50
/// ms.
#[test]
fn registering_everything_is_quick() {
    need_qemu("arm");
    let out = succeed(
        "for i in 1 2 3 4 5 6 7; do $A -q unregister; s=$(date +%s%N); $A -q register all --engine qemu; e=$(date +%s%N); echo $(( (e-s)/1000 )); done; ls $B | wc -l",
    );
    let numbers: Vec<u64> = out.lines().filter_map(|l| l.parse().ok()).collect();
    let (entries, times) = numbers.split_last().unwrap();
    assert!(*entries >= 30, "{out}");
    assert!(times.iter().min().unwrap() < &50_000, "microseconds: {times:?}");
}

//! What `run` and `with` keep from the command: the machine's settings, root's ids, and the
//! machine's binfmt_misc.

mod common;
use anyarch_harness::guests::GUESTS;
use anyarch_tool::sandbox::mounts::{MASKED, READ_ONLY};
use common::*;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Output};

/// What the machine's root may write, one of each kind; opened for writing, but not written.
const SETTINGS: [&str; 5] = [
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/vm/overcommit_memory",
    "/proc/sys/kernel/pid_max",
    "/proc/irq/default_smp_affinity",
    "/proc/sysrq-trigger",
];

/// Prints what could be opened, without starting a program.
fn open_settings() -> String {
    SETTINGS.map(|f| format!("true 2>/dev/null >>{f} && echo writable {f}; ")).concat()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn start(args: &[&str]) -> Output {
    Command::new(ANYARCH).env("ANYARCH_EMU", anyarch_harness::emulator()).args(args).output().unwrap()
}

fn succeeded(what: &str, output: Output) -> String {
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{what}: {:?} {stdout}{stderr}", output.status);
    stdout
}

/// Every place is covered, by what the table of mounts says.
fn covered(what: &str, table: &str) {
    let points: Vec<(&str, &str)> = table
        .lines()
        .filter_map(|l| l.split(" - ").next()?.split(' ').skip(4).take(2).collect::<Vec<_>>().try_into().ok())
        .map(|[point, options]: [&str; 2]| (point, options))
        .collect();
    // Without root, `with` leaves /sys as it is: then no other one can be kept for containers.
    let whole = |path: &&&str| what == "with" && !is_root() && path.starts_with("/sys/");
    for path in READ_ONLY.iter().chain(&MASKED).filter(|p| !whole(p)) {
        // What this machine has not is not there inside. Without CONFIG_MAGIC_SYSRQ there is no
        // trigger, and so on.
        if Path::new(path).exists() {
            let found = points.iter().find(|(point, _)| point == path);
            assert!(
                found.is_some_and(|(_, o)| o.starts_with("ro")),
                "{what}: {path} is not read-only:\n{table}"
            );
        }
    }
}

#[test]
fn the_machines_settings_are_not_writable() {
    need_namespaces();
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    std::fs::create_dir(&root).unwrap();
    busybox_root(&GUESTS[0], &root);
    let image = image_of(&GUESTS[0], &root, dir.path());
    let root = root.to_str().unwrap();
    let script = format!("{} busybox cat /proc/self/mountinfo", open_settings());
    // Whoever may unmount: nothing is below. The handlers go as well, so no program can be started
    // afterwards. Since Linux 6.14 pid_max is the pid namespace's.
    let uncover = format!(
        "busybox umount -l /proc/irq; busybox umount -l /proc/sysrq-trigger; busybox umount -l /proc/sys; {}",
        open_settings()
    );
    let pid_max = "writable /proc/sys/kernel/pid_max\n";
    for target in [root, image.to_str().unwrap()] {
        for options in [&[][..], &["--no-binfmt"], &["--privileged"], &["--privileged", "--no-binfmt"]] {
            let what = format!("run {options:?} {target}");
            let run = |script: &str| {
                let platform = ["--platform", GUESTS[0].name];
                let words = [&["run"], options, &platform, &[target, "--", "/bin/sh", "-c", script]].concat();
                start(&words)
            };
            let stdout = succeeded(&what, run(&script));
            assert!(!stdout.contains("writable"), "{what}: {stdout}");
            covered(&what, &stdout);
            assert!(!text(&run(&uncover).stdout).replace(pid_max, "").contains("writable"), "{what}");
            let seen = "for f in /proc/kcore /proc/keys /proc/timer_list; do [ ! -s $f ] || busybox head -c 1 $f; done; \
                        for d in /proc/acpi /proc/scsi /sys/firmware; do [ ! -e $d ] || busybox ls $d; done";
            assert_eq!(succeeded(&what, run(seen)), "", "{what}");
            let own = succeeded(&what, run("busybox ls /proc/sys/fs/binfmt_misc"));
            assert_eq!(own.contains("register"), !options.contains(&"--no-binfmt"), "{what}: {own}");
        }
    }
    let script = format!("{} cat /proc/self/mountinfo", open_settings());
    let stdout = succeeded("with", start(&["with", GUESTS[0].name, "--", "sh", "-c", &script]));
    assert!(!stdout.contains("writable"), "with: {stdout}");
    covered("with", &stdout);
}

/// Some file systems know no id-mapped mounts, overlay for one: then the covers are locked.
#[test]
fn they_are_not_writable_where_ids_cannot_be_mapped() {
    need_namespaces();
    if !is_root() {
        return; // Its ids are not the machine's root's.
    }
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for name in ["lower", "upper", "work", "root"] {
        std::fs::create_dir(at(name)).unwrap();
    }
    busybox_root(&GUESTS[0], &at("lower"));
    let script = format!(
        "busybox cat /proc/self/uid_map; true 2>/dev/null >>/sys/fs/cgroup/cgroup.procs && echo writable cgroups; \
         {} busybox umount -l /proc/sys && echo uncovered; {} \
         busybox unshare -pf busybox sh -c 'busybox mount -t proc proc /proc && echo a new proc'; exit 0",
        open_settings(),
        open_settings()
    );
    let runc = Command::new("runc").arg("--version").output().is_ok();
    let runtime = runc.then_some("--runtime runc");
    for options in ["", "--privileged", "--privileged --no-binfmt"].into_iter().chain(runtime) {
        let outer = format!(
            "cd {}; mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay root && \
             exec {ANYARCH} run {options} root -- /bin/sh -c \"$0\"",
            dir.path().display()
        );
        let output = Command::new("unshare")
            .args(["-m", "sh", "-c", &outer, &script])
            .env("ANYARCH_EMU", anyarch_harness::emulator())
            .output()
            .unwrap();
        let stdout = succeeded(options, output);
        assert!(stdout.trim_start().starts_with("0          0"), "the ids were mapped: {stdout}");
        for word in ["writable", "uncovered", "a new proc"] {
            assert!(!stdout.contains(word), "{options}: {word}: {stdout}");
        }
    }
}

#[test]
fn root_inside_is_not_root_and_files_keep_their_owners() {
    need_namespaces();
    if !is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (root, volume) = (dir.path().join("root"), dir.path().join("volume"));
    std::fs::create_dir(&root).unwrap();
    std::fs::create_dir(&volume).unwrap();
    busybox_root(&GUESTS[0], &root);
    let image = image_of(&GUESTS[0], &root, dir.path());
    // The way to the files is closed to all but root.
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let script = "set -e; busybox cat /proc/self/uid_map; echo out >/dev/stdout; \
                  busybox stat -c %u:%g /bin/busybox; \
                  for d in / /v/; do busybox touch ${d}f; busybox chown 7:8 ${d}f; busybox stat -c %u:%g ${d}f; done";
    let mapping = format!("{}:/v", volume.display());
    for target in [root.to_str().unwrap(), image.to_str().unwrap()] {
        let words =
            ["run", "--platform", GUESTS[0].name, "-V", &mapping, target, "--", "/bin/sh", "-c", script];
        let stdout = succeeded(target, start(&words));
        let (map, rest) = stdout.split_once('\n').unwrap();
        let map: Vec<u64> = map.split_whitespace().map(|n| n.parse().unwrap()).collect();
        assert!(map[0] == 0 && map[1] >= 65536 && map[2] == 65536, "{target}: {stdout}");
        assert_eq!(rest, "out\n0:0\n7:8\n7:8\n", "{target}");
        let on_disk = std::fs::metadata(volume.join("f")).unwrap();
        assert_eq!((on_disk.uid(), on_disk.gid()), (7, 8));
        std::fs::remove_file(volume.join("f")).unwrap();
    }
    let on_disk = std::fs::metadata(root.join("f")).unwrap();
    assert_eq!((on_disk.uid(), on_disk.gid()), (7, 8));
}

/// A user namespace inside can have a /proc and a /sys of its own, which containers need.
#[test]
fn containers_can_be_made_inside() {
    need_namespaces();
    let dir = tempfile::tempdir().unwrap();
    busybox_root(&GUESTS[0], dir.path());
    let root = dir.path().to_str().unwrap();
    let nested = "mount -t proc proc /proc && mount -t sysfs sys /sys && echo mounted";
    let name = GUESTS[0].name;
    for words in [
        vec!["with", name, "--", "unshare", "-Urpfmn", "sh", "-c", nested],
        vec!["with", name, "--", ANYARCH, "run", root, "--", "/bin/sh", "-c", "echo mounted"],
        // What runc looks for is found where it is.
        vec![
            "with",
            name,
            "--",
            "sh",
            "-c",
            "awk '/ - cgroup/ && $5 !~ /^\\/sys\\/fs\\/cgroup/' /proc/self/mountinfo; echo mounted",
        ],
        vec!["with", name, "--", ANYARCH, "with", name, "--", "echo", "mounted"],
    ] {
        assert_eq!(succeeded(&format!("{words:?}"), start(&words)), "mounted\n", "{words:?}");
    }
    let inner =
        "for m in proc sys; do busybox mkdir -p /$m; done; busybox mount -t proc proc /proc && echo mounted";
    let script = format!("busybox unshare -Urpfm busybox sh -c '{inner}'");
    for options in [&["--privileged"][..], &["--privileged", "--no-binfmt"]] {
        let words = [&["run"], options, &[root, "--", "/bin/sh", "-c", &script]].concat();
        assert_eq!(succeeded(&format!("{words:?}"), start(&words)), "mounted\n", "{words:?}");
    }
}

/// The machine's instance is mounted twice in a mount namespace of the test's own (once more, where
/// it was there before); nothing is registered there.
#[test]
fn with_leaves_no_way_to_the_machines_binfmt_misc() {
    need_namespaces();
    if !is_root() {
        return; // Others may not write there.
    }
    let dir = tempfile::tempdir().unwrap();
    let table = "grep ' - binfmt_misc ' /proc/self/mountinfo | cut -d' ' -f3; echo --";
    let inside = format!(
        "{table}; for i in 1 2 3 4; do umount /proc/sys/fs/binfmt_misc; umount {dir}; umount -l /proc/sys; done 2>/dev/null; \
         {table}; ls /proc/sys/fs/binfmt_misc {dir} | grep -c register; echo --; \
         unshare -pf --mount-proc ls /proc/sys/fs/binfmt_misc | grep -c register; echo --; \
         ls /proc/1/root/proc/sys/fs/binfmt_misc 2>&1 | grep -c register; nsenter -t 1 -m true 2>/dev/null && echo entered; \
         echo --; mount -t binfmt_misc b {dir} && {table}",
        dir = dir.path().display()
    );
    let outer = format!(
        "mount -t binfmt_misc b /proc/sys/fs/binfmt_misc 2>/dev/null; mount --bind /proc/sys/fs/binfmt_misc {} && {table}; \
         exec {ANYARCH} with {} -- sh -c \"$0\"",
        dir.path().display(),
        GUESTS[0].name
    );
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", &outer, &inside])
        .env("ANYARCH_EMU", anyarch_harness::emulator())
        .output()
        .unwrap();
    let stdout = succeeded("with", output);
    let parts: Vec<&str> = stdout.split("--\n").map(str::trim_end).collect();
    let [machines, before, after, files, fresh, reached, own, ""] = parts[..] else { panic!("{stdout}") };
    let machine = machines.lines().next_back().unwrap();
    assert!(machines.lines().filter(|l| *l == machine).count() >= 2, "{stdout}");
    assert!(before.lines().count() == 1 && before != machine, "{stdout}");
    // No instance is left, and no file of one to be seen anywhere.
    assert_eq!([after, files, fresh, reached], ["", "0", "0", "0"], "{stdout}");
    assert!(!own.contains(machine), "{stdout}");
}

/// A network of its own has localhost and nothing else, /sys shows it, and the command may make
/// interfaces there; a cgroup is where it was.
#[test]
fn with_gives_a_network_of_its_own() {
    need_namespaces();
    let script = "ls /sys/class/net; ip link add b0 type bridge && ip link set b0 up && ls /sys/class/net; \
                  [ -e /sys/fs/cgroup/cgroup.procs ] || [ ! -e /proc/self/cgroup ] || ls -d /sys/fs/cgroup/*; \
                  ip -br link show lo | grep -o 'LOOPBACK,UP'";
    let with = |more: &[&str]| {
        let words = [&["with", "arm64"][..], more, &["--", "sh", "-c", script]].concat();
        Command::new(ANYARCH).args(words).env("ANYARCH_EMU", anyarch_harness::emulator()).output().unwrap()
    };
    let out = with(&["--net", "none"]);
    let said = text(&out.stdout);
    assert!(out.status.success(), "{said}{}", text(&out.stderr));
    assert!(said.starts_with("lo\nb0\nlo\n") || said.starts_with("bonding_masters\nlo\n"), "{said}");
    assert!(said.ends_with("LOOPBACK,UP\n"), "{said}");
    // The machine's network is as it was.
    assert!(!Path::new("/sys/class/net/b0").exists());
}

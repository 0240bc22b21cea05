//! What others read: completions in the shells themselves, manual pages through man and mandoc,
//! files for systemd, Kubernetes and compose through the programs that take them.

mod common;
use common::*;
use std::path::Path;
use std::process::Command;

/// Runs a shell script that is to succeed, with `$A` as the executable and `$D` as a folder; what
/// it prints.
fn script(programs: &[(&str, &str)], dir: &Path, script: &str) -> String {
    for (program, package) in programs {
        let found = std::env::var_os("PATH").is_some_and(|p| {
            std::env::split_paths(&p).any(|d| d.join(program).exists()) || Path::new(program).exists()
        });
        assert!(found, "{program} is missing: apt install {package}");
    }
    let mut sh = Command::new("sh");
    sh.args(["-e", "-c", script])
        .env("A", ANYARCH)
        .env("D", dir)
        .env("LC_ALL", "C.UTF-8")
        .env("MANWIDTH", "80");
    let output = sh.output().unwrap();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{script}\n{stdout}{stderr}");
    stdout + &stderr
}

#[test]
fn shells_take_their_completions() {
    let dir = tempfile::tempdir().unwrap();
    let bash = "$A completions bash > $D/bash; bash -ec 'source $D/bash; complete -p anyarch\n\
         COMP_WORDS=(anyarch reg) COMP_CWORD=1; _anyarch anyarch reg anyarch; echo ${COMPREPLY[@]}\n\
         COMP_WORDS=(anyarch register --pers) COMP_CWORD=2; _anyarch anyarch --pers register; echo ${COMPREPLY[@]}'";
    let out = script(&[("bash", "bash")], dir.path(), bash);
    assert!(out.ends_with(" anyarch\nregister\n--persist\n"), "{out}");
    let zsh = "mkdir $D/z; $A completions zsh > $D/z/_anyarch; zsh -fc 'fpath=($D/z $fpath); autoload -Uz compinit\n\
         compinit -u -d $D/z/dump; print $_comps[anyarch]; autoload +X _anyarch && print loaded'";
    assert_eq!(script(&[("zsh", "zsh")], dir.path(), zsh), "_anyarch\nloaded\n");
    let fish = "export HOME=$D; $A completions fish > $D/fish\n\
         fish --no-config -c 'source $D/fish; complete -C \"anyarch reg\"; complete -C \"anyarch register --pers\"'";
    let out = script(&[("fish", "fish")], dir.path(), fish);
    assert!(out.starts_with("register\tRegisters ") && out.contains("\n--persist\tAlso after"), "{out}");
}

#[test]
fn manual_pages_are_without_warnings() {
    let dir = tempfile::tempdir().unwrap();
    let man = "$A manual $D; cd $D; for f in *.1; do man --warnings -l $f 2>&1 >/dev/null; done; ls | wc -l";
    let out = script(&[("man", "man-db")], dir.path(), man);
    assert_eq!(out.lines().count(), 1, "{out}");
    let mandoc = "cd $D; mandoc -Tlint -Wwarning *.1 && echo clean";
    assert_eq!(script(&[("mandoc", "mandoc")], dir.path(), mandoc), "clean\n");
    let text = script(&[], dir.path(), "cd $D; man -l anyarch.1 | cat");
    for (code, meaning) in anyarch_tool::failure::CODES {
        assert!(
            text.contains(&format!("       {code}")) && text.contains(meaning),
            "{code} {meaning}: {text}"
        );
    }
}

#[test]
fn deployments_are_what_their_readers_take() {
    let dir = tempfile::tempdir().unwrap();
    let unit = "$A deploy systemd > $D/anyarch-register.service; systemd-analyze verify --man=no $D/anyarch-register.service";
    assert_eq!(script(&[("systemd-analyze", "systemd")], dir.path(), unit), "");
    let yaml = r#"for k in kubernetes compose github-action; do $A deploy $k --image example/anyarch:1 > $D/$k; done
python3 - $D <<'PYTHON'
import sys, yaml
load = lambda name: yaml.safe_load(open(sys.argv[1] + "/" + name))
daemon = load("kubernetes")
assert (daemon["apiVersion"], daemon["kind"]) == ("apps/v1", "DaemonSet")
spec = daemon["spec"]
assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
pod = spec["template"]["spec"]
container = pod["containers"][0]
assert {m["name"] for m in container["volumeMounts"]} == {v["name"] for v in pod["volumes"]}
assert container["image"] == "example/anyarch:1" and container["readinessProbe"]["exec"]["command"][3] == "verify"
assert daemon["metadata"]["namespace"] == "kube-system"
# Runtimes refuse mounts below /proc.
assert not any(m["mountPath"].startswith("/proc") for m in container["volumeMounts"])
assert "privileged" not in container["securityContext"]
service = load("compose")["services"]["anyarch"]
assert service["command"] == ["--reset", "-p", "yes"] and service["privileged"] is True and service["restart"] == "no"
step, = load("github-action")
assert step["run"] == "docker run --rm --privileged example/anyarch:1 --reset -p yes"
PYTHON"#;
    script(&[("/usr/lib/python3/dist-packages/yaml", "python3-yaml")], dir.path(), yaml);
}

/// Debian's systemd-binfmt reads the persisted files at boot, and `register` then finds nothing to
/// do.
#[test]
fn systemd_binfmt_takes_persisted_files() {
    need_qemu("s390x");
    let program = "/usr/lib/systemd/systemd-binfmt";
    assert!(Path::new(program).exists(), "{program} is missing: apt install systemd");
    let dir = tempfile::tempdir().unwrap();
    let out = succeed(&format!(
        "export ANYARCH_ROOT={}; $A -q register all --engine qemu --persist=binfmt.d; ls $B | wc -l\n\
         echo -1 > $B/status; ls $B | wc -l; {program} $ANYARCH_ROOT/etc/binfmt.d/*.conf; ls $B | wc -l\n\
         $A register all --engine qemu | grep -vc ^unchanged || true",
        dir.path().display()
    ));
    let counts: Vec<&str> = out.lines().collect();
    assert_eq!((counts[0], counts[1], counts[3]), (counts[2], "2", "0"), "{out}");
}

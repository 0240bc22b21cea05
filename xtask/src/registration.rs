//! `cargo xtask registration`: the real qemu-binfmt-conf.sh of Debian's QEMU against `anyarch`.
//!
//! The script is taken out of Debian's source package, which is fetched once. Both run with the
//! same arguments in user namespaces with a binfmt_misc of their own; the files they write, the
//! entries the kernel then has, their output and exit codes are compared. Where anyarch means to
//! differ stands in [`DIFFERENCES`], and one that is no longer there is a failure as well. Then
//! both register everything, in turn, and the medians are printed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use crate::bench::{Result, median};
use anyarch_harness::debian::{Apt, cache_dir};

/// How to start a program in an instance of its own: `$@` runs in it, and then the entries are
/// copied to `entries`.
const IN_INSTANCE: &str = "B=/proc/sys/fs/binfmt_misc; mount -t binfmt_misc binfmt_misc $B || exit 99\n\
     \"$@\"; code=$?; for e in $B/*-*; do [ -f $e ] && cat $e > entries/${e##*/}; done; exit $code";

/// Both get these, with `--exportdir export` where that is made. Environment, arguments.
const CASES: &[(&str, &str)] = &[
    ("HOST_ARCH=x86_64", "--systemd ALL"),
    ("HOST_ARCH=x86_64", "--systemd ALL -i yes -c yes -p yes -g yes"),
    ("HOST_ARCH=alpha", "-sALL -cyes"),
    ("HOST_ARCH=s390x", "-s ALL --persistent=yes -Q /usr/bin -F -static"),
    ("HOST_ARCH=arm64", "--systemd ALL --preserve-argv0 yes --ignore-family yes"),
    ("HOST_ARCH=i686", "--systemd ALL --ignore-family=yes"),
    ("HOST_ARCH=armv7l", "-s ALL"),
    ("HOST_ARCH=ppc64el", "-s ppc64"),
    ("HOST_ARCH=x86_64", "--systemd mipsn32el --qemu-path /opt/q"),
    ("HOST_ARCH=x86_64", "--systemd i386"),
    ("HOST_ARCH=x86_64", "--debian"),
    ("HOST_ARCH=riscv64", "-d -i yes -c yes -p yes -g yes"),
    ("HOST_ARCH=mips64", "--debian --qemu-suffix -static --credential no"),
    ("EXPORTDIR=export", "--systemd s390x"),
    ("HOST_ARCH=vax", "--systemd ALL"),
    ("HOST_ARCH=x86_64", "--systemd ALL --exportdir /nonexistent"),
    ("HOST_ARCH=x86_64", "--debian --exportdir /nonexistent"),
    ("HOST_ARCH=x86_64", "--systemd vax"),
    ("HOST_ARCH=x86_64", ""),
    ("HOST_ARCH=x86_64", "-c yes -g yes --ignore-family yes"),
    ("HOST_ARCH=s390x", "--persistent yes --qemu-path BIN --qemu-suffix -static"),
    ("HOST_ARCH=x86_64", "--help"),
];

/// Arguments (or `*`), what differs, a word that must be in the script's form of it, and why.
const DIFFERENCES: &[(&str, &str, &str, &str)] = &[
    (
        "*",
        "qemu-microblaze",
        "\\x02\\x00\\xba\\xab",
        "the script's microblaze matches nothing: type in the wrong byte order",
    ),
    ("*", "qemu-microblaze.conf", "\\x02\\x00\\xba\\xab", "the same"),
    ("*", "entry qemu-microblaze", "0200baab", "the same"),
    ("--systemd vax", "stdout", "Usage: qemu-binfmt-conf.sh", "the usage is in our words"),
    ("--help", "stdout", "Usage: qemu-binfmt-conf.sh", "the usage is in our words"),
    ("--help", "code", "1", "help was asked for and given"),
    (
        "--persistent yes --qemu-path BIN --qemu-suffix -static",
        "code",
        "0",
        "the script answers for its last target",
    ),
];

/// Runs the command.
pub(crate) fn main(args: &[OsString]) -> ExitCode {
    match run(args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("registration: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[OsString]) -> Result<bool> {
    let (mut script, mut anyarch, mut runs) = (None, None, 15);
    let mut args = args.iter().map(|a| a.to_string_lossy().into_owned());
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--script" => script = args.next().map(PathBuf::from),
            "--anyarch" => anyarch = args.next().map(PathBuf::from),
            "--runs" => runs = args.next().and_then(|n| n.parse().ok()).ok_or("--runs needs a number")?,
            _ => return Err(format!("unknown option {arg}")),
        }
    }
    let absolute = |p: PathBuf| fs::canonicalize(&p).map_err(|e| format!("{}: {e}", p.display()));
    let anyarch = absolute(match anyarch {
        Some(path) => path,
        None => crate::build("release", &["anyarch", "anyarch-emu"])?.join("anyarch"),
    })?;
    let cache = cache_dir()?.join("registration");
    let script = absolute(match script {
        Some(path) => path,
        None => fetch(&cache)?,
    })?;
    let good = compare(&script, &anyarch)?;
    time(&cache, &script, &anyarch, runs)?;
    Ok(good)
}

/// The script of Debian's source package of QEMU.
fn fetch(cache: &Path) -> Result<PathBuf> {
    let script = cache.join("qemu-binfmt-conf.sh");
    if script.exists() {
        return Ok(script);
    }
    let mut failure = String::new();
    for suite in ["sid", "trixie"] {
        eprintln!("fetching QEMU's source from Debian {suite}");
        let dir = cache.join(suite);
        let attempt = Apt::new(dir.clone(), "amd64", suite, "deb-src").and_then(|apt| {
            apt.run(&["update"])?;
            apt.run(&["source", "--download-only", "qemu"])?;
            let tar = apt.files("", ".tar.xz").into_iter().find(|p| p.to_string_lossy().contains(".orig."));
            let tar = tar.ok_or("the source package has no .orig.tar.xz")?;
            let mut unpack = Command::new("tar");
            unpack.arg("-C").arg(&dir).args(["--strip-components=2", "--wildcards", "-xf"]).arg(&tar);
            crate::bench::command(unpack.arg("*/scripts/qemu-binfmt-conf.sh"))?;
            fs::rename(dir.join("qemu-binfmt-conf.sh"), &script).map_err(|e| e.to_string())?;
            println!("script of {}", tar.file_name().unwrap_or_default().to_string_lossy());
            Ok(())
        });
        let _ = fs::remove_dir_all(&dir);
        match attempt {
            Ok(()) => return Ok(script),
            Err(e) => failure = e,
        }
    }
    Err(failure)
}

/// What a run left behind, by name.
type Traces = BTreeMap<String, String>;

fn trace(program: &[&Path], words: &[&str], environment: &str, dir: &Path) -> Result<Traces> {
    let fail = |e: std::io::Error| format!("{}: {e}", dir.display());
    for folder in ["export", "entries", "bin"] {
        fs::create_dir_all(dir.join(folder)).map_err(fail)?;
    }
    // Emulators of two, for the case that opens them: one in the middle, and the last.
    let bin = dir.join("bin");
    for name in ["qemu-aarch64-static", "qemu-loongarch64-static"] {
        fs::write(bin.join(name), "").map_err(fail)?;
        crate::bench::command(Command::new("chmod").arg("755").arg(bin.join(name)))?;
    }
    let words = words.iter().map(|w| if *w == "BIN" { bin.as_os_str() } else { w.as_ref() });
    let (name, value) = environment.split_once('=').unwrap_or((environment, ""));
    let mut command = Command::new("unshare");
    command.args(["-Urm", "sh", "-c", IN_INSTANCE, "sh"]).args(program).args(words);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C").env(name, value);
    let output = command.current_dir(dir).stdin(Stdio::null()).output().map_err(fail)?;
    if output.status.code() == Some(99) {
        return Err("user namespaces with a binfmt_misc of their own are needed (Linux 6.7)".into());
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut all = Traces::new();
    all.insert("code".into(), output.status.code().unwrap_or(-1).to_string());
    all.insert("stdout".into(), text(&output.stdout));
    all.insert("stderr".into(), text(&output.stderr));
    for (folder, prefix) in [("export", ""), ("entries", "entry ")] {
        for item in fs::read_dir(dir.join(folder)).map_err(fail)?.flatten() {
            let name = format!("{prefix}{}", item.file_name().to_string_lossy());
            all.insert(name, text(&fs::read(item.path()).map_err(fail)?));
        }
    }
    fs::remove_dir_all(dir).map_err(fail)?;
    Ok(all)
}

/// Whether all cases come out alike.
fn compare(script: &Path, anyarch: &Path) -> Result<bool> {
    let dir = std::env::temp_dir().join(format!("anyarch-registration-{}", std::process::id()));
    let compat = Path::new("compat");
    let (mut good, mut files, mut seen) = (true, 0, vec![false; DIFFERENCES.len()]);
    for (environment, arguments) in CASES {
        let mut words: Vec<&str> = arguments.split_whitespace().collect();
        if !arguments.contains("--exportdir") && !environment.contains("EXPORTDIR") {
            words.extend(["--exportdir", "export"]);
        }
        let theirs = trace(&[Path::new("/bin/sh"), script], &words, environment, &dir)?;
        let program = [anyarch, compat, Path::new("qemu-binfmt-conf"), Path::new("--")];
        let ours = trace(&program, &words, environment, &dir)?;
        files += theirs.len() - 3;
        // Failures of single targets are the shell's words there and ours here.
        let registers = !words.iter().any(|w| matches!(*w, "-s" | "-sALL" | "--systemd" | "-d" | "--debian"));
        for name in theirs.keys().chain(ours.keys().filter(|k| !theirs.contains_key(*k))) {
            let (a, b) = (theirs.get(name), ours.get(name));
            if a == b || (registers && name == "stderr") {
                continue;
            }
            let why = DIFFERENCES.iter().position(|(case, what, word, _)| {
                (*case == "*" || case == arguments) && what == name && a.is_some_and(|a| a.contains(word))
            });
            match why {
                Some(at) => seen[at] = true,
                None => {
                    good = false;
                    println!("{environment} {arguments}: {name} differs\n  theirs: {a:?}\n  ours:   {b:?}");
                }
            }
        }
    }
    println!("{} runs of {}, {files} files and entries compared", CASES.len(), script.display());
    for ((case, what, _, why), seen) in DIFFERENCES.iter().zip(seen) {
        println!("{} {what}: {why}", if seen { "differs as listed:" } else { "NO LONGER differs:" });
        if !seen {
            println!("  in the case {case}");
            good = false;
        }
    }
    Ok(good)
}

/// Emulators under every name that the script has.
fn emulators(cache: &Path) -> Result<(PathBuf, usize)> {
    let dir = cache.join("emulators");
    fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let names = include_str!("../../crates/binfmt/tests/data/qemu-upstream.tsv");
    let names = names.lines().filter(|l| !l.starts_with('#')).filter_map(|l| l.split('\t').next());
    let mut count = 0;
    for name in names {
        let to = dir.join(format!("qemu-{name}-static"));
        count += 1;
        if to.exists() {
            continue;
        }
        let installed = format!("/usr/bin/qemu-{name}-static");
        let any = "/usr/bin/qemu-aarch64-static";
        // What is not installed is a copy of another: registering does not run it.
        if Path::new(&installed).exists() {
            std::os::unix::fs::symlink(&installed, &to).map_err(|e| e.to_string())?;
        } else {
            fs::copy(any, &to).map_err(|e| format!("{any}: {e} (package qemu-user-static)"))?;
        }
    }
    Ok((dir, count))
}

/// Starts this program again in a namespace, which prints the medians.
fn time(cache: &Path, script: &Path, anyarch: &Path, runs: usize) -> Result<()> {
    let (dir, count) = emulators(cache)?;
    println!("\nregistering all with {count} QEMU binaries present, {runs} runs each in turn, medians:");
    let me = std::env::current_exe().map_err(|e| e.to_string())?;
    let mut command = Command::new("unshare");
    command
        .args(["-Urm"])
        .arg(me)
        .arg("registration-worker")
        .args([&dir, script, anyarch])
        .arg(runs.to_string());
    match command.status() {
        Ok(s) if s.success() => Ok(()),
        Ok(s) => Err(format!("the worker: {s}")),
        Err(e) => Err(format!("unshare: {e}")),
    }
}

/// The namespace's side: FOLDER SCRIPT ANYARCH RUNS.
pub(crate) fn worker(args: &[OsString]) -> ExitCode {
    match rounds(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("registration: {e}");
            ExitCode::FAILURE
        }
    }
}

fn rounds(args: &[OsString]) -> Result<()> {
    let [dir, script, anyarch, runs] = args else { return Err("four words are needed".into()) };
    let runs: usize = runs.to_string_lossy().parse().map_err(|_| "no number")?;
    let binfmt = Path::new("/proc/sys/fs/binfmt_misc");
    crate::bench::command(Command::new("mount").args(["-t", "binfmt_misc", "binfmt_misc"]).arg(binfmt))?;
    let mut engine = OsString::from("--engine=qemu:");
    engine.push(dir);
    let start = |program: &OsString, words: &[&str]| {
        let mut c = Command::new(program);
        c.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        c
    };
    let conf = ["--persistent", "yes", "--preserve-argv0", "yes", "--qemu-suffix", "-static", "--qemu-path"];
    let compat: Vec<&str> = ["compat", "qemu-binfmt-conf", "--"].into_iter().chain(conf).collect();
    // A name, how to start it, whether the entries of the run before stay.
    type Row<'a> = (&'a str, &'a dyn Fn() -> Command, bool);
    let with = |mut c: Command, last: &OsString| {
        c.arg(last);
        c
    };
    let rows: [Row; 6] = [
        ("qemu-binfmt-conf.sh", &|| with(start(&"sh".into(), &[]), script), false),
        ("anyarch register all", &|| with(start(anyarch, &["-q", "register", "all"]), &engine), false),
        ("  the same again", &|| with(start(anyarch, &["-q", "register", "all"]), &engine), true),
        ("anyarch compat", &|| with(start(anyarch, &compat), dir), false),
        ("anyarch status", &|| start(anyarch, &["status"]), true),
        ("anyarch --help", &|| start(anyarch, &["--help"]), true),
    ];
    let mut times: [Vec<f64>; 6] = Default::default();
    let mut counts = [0; 6];
    for round in 0..=runs {
        for (i, (name, make, stay)) in rows.iter().enumerate() {
            if !stay {
                for entry in entries(binfmt)? {
                    let mut file =
                        fs::OpenOptions::new().write(true).open(&entry).map_err(|e| e.to_string())?;
                    file.write_all(b"-1").map_err(|e| format!("{}: {e}", entry.display()))?;
                }
            }
            let mut command = make();
            if i == 0 {
                command.args(conf).arg(dir);
            }
            let begin = Instant::now();
            let status = command.status().map_err(|e| format!("{name}: {e}"))?;
            let ms = begin.elapsed().as_secs_f64() * 1e3;
            if !status.success() {
                return Err(format!("{name}: {status}"));
            }
            counts[i] = entries(binfmt)?.len();
            // The first round warms the page cache.
            if round > 0 {
                times[i].push(ms);
            }
        }
    }
    for ((name, ..), (times, count)) in rows.iter().zip(times.into_iter().zip(counts)) {
        println!("{name:<22} {:>8.2} ms, {count} entries then", median(times).unwrap_or_default());
    }
    Ok(())
}

fn entries(binfmt: &Path) -> Result<Vec<PathBuf>> {
    let list = fs::read_dir(binfmt).map_err(|e| e.to_string())?;
    let own = |p: &PathBuf| !p.ends_with("register") && !p.ends_with("status");
    Ok(list.flatten().map(|e| e.path()).filter(own).collect())
}

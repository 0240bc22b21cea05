//! `cargo xtask bench`: the same work natively, under QEMU and under ours.
//!
//! Each engine has a worker: this executable again, in a user and mount namespace of its own with
//! its own binfmt_misc instance (Linux 6.7 and later), inside a root file system made of Debian
//! packages (the guest's, or amd64's for native). So programs start as they do in a container: the
//! kernel finds the interpreter. The parent asks the workers in turn, so that the machine's moods
//! spread evenly, and takes medians.
//!
//! Everything downloaded stays in the user's cache folder: the packages, QEMU of Debian sid.

use anyarch_harness::debian::{self, Apt, cache_dir, mirror};
use anyarch_harness::guests::{GUESTS, Guest};
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

pub(crate) type Result<T> = std::result::Result<T, String>;

/// What runs in the trees.
const PACKAGES: &[&str] =
    &["bash", "coreutils", "dash", "python3", "gcc", "libc6-dev", "xz-utils", "git", "perl-base", "libpam0g"];

/// One measurement.
struct Work {
    name: String,
    /// The figure for "times faster than QEMU", if it has one.
    target: Option<f64>,
    argv: Vec<String>,
    /// Runs of each engine (a third with `--quick`, at least one).
    runs: usize,
}

/// Aims of arm's own; what is not here has the others'.
const ARM_TARGETS: &[(&str, f64)] = &[
    ("true", 6.0),
    ("bash", 6.0),
    ("python-start", 6.0),
    ("cc1-tiny", 6.0),
    ("integer", 2.5),
    ("calls", 2.5),
    ("fp", 5.0),
    ("simdfp", 6.0),
    ("simdint", 6.0),
    ("mutex", 5.0),
    ("py-recursion", 5.0),
    ("py-dicts", 5.0),
    ("py-floats", 5.0),
    ("py-jsons", 5.0),
    ("debootstrap", 4.0),
];

/// The figure that a row is held to.
fn target_of(arch: &Guest, name: &str, others: Option<f64>) -> Option<f64> {
    let own = ARM_TARGETS.iter().find(|(row, _)| arch.name == "arm" && *row == name);
    own.map(|(_, target)| *target).or(others)
}

fn works() -> Vec<Work> {
    let w = |name: &str, target: f64, runs: usize, argv: &[&str]| Work {
        name: name.into(),
        target: (target > 0.0).then_some(target),
        argv: argv.iter().map(|s| s.to_string()).collect(),
        runs,
    };
    let mut all = vec![
        w("true", 4.0, 41, &["/bin/true"]),
        w("bash", 4.0, 31, &["/bin/bash", "-c", ":"]),
        w("python-start", 4.0, 15, &["/usr/bin/python3", "-c", "pass"]),
        w("cc1-tiny", 4.0, 11, &["/cc1", "-quiet", "-O0", "/two.c", "-o", "/dev/null"]),
        w("shell-loop", 0.0, 5, &["/bin/bash", "-c", "for ((i = 0; i < 300; i++)); do /bin/true; done"]),
    ];
    for (name, target) in [
        ("integer", 2.0),
        ("calls", 2.0),
        ("indirect", 0.0),
        ("fp", 4.0),
        ("simdfp", 15.0),
        ("simdint", 0.0),
        ("memory", 0.0),
        ("strings", 4.0),
        ("aes", 4.0),
        ("pmull", 0.0),
        ("crc", 0.0),
        ("sha", 4.0),
        ("atomics", 0.0),
        ("mutex", 8.0),
        ("threads", 5.0),
        ("forks", 0.0),
        ("getppid", 0.0),
        ("clock", 0.0),
        ("readwrite", 0.0),
        ("jit", 0.0),
        ("signal-self", 0.0),
        ("signal-computing", 0.0),
        ("signal-waiting", 0.0),
        ("signal-timer", 0.0),
    ] {
        all.push(w(name, target, 5, &["/work", name]));
    }
    for name in ["recursion", "dicts", "floats", "jsons", "zlibs", "hashlibs"] {
        let target = if name == "zlibs" || name == "hashlibs" { 0.0 } else { 3.5 };
        all.push(w(&format!("py-{name}"), target, 5, &["/usr/bin/python3", "/interp.py", name]));
    }
    all.push(w("gcc-O2", 0.0, 3, &["/usr/bin/gcc", "-O2", "-c", "/zlib/deflate.c", "-o", "/tmp/deflate.o"]));
    all.push(w("xz", 0.0, 3, &["/usr/bin/xz", "-6", "-k", "-c", "/input"]));
    all
}

/// Runs the command.
pub(crate) fn main(args: &[OsString]) -> ExitCode {
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("bench: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[OsString]) -> Result<()> {
    let mut args = args.to_vec();
    let arch = crate::take_guests(&mut args)?.pop().unwrap_or(&GUESTS[0]);
    let (mut quick, mut names, mut emulator, mut stages) = (false, Vec::new(), None, 0);
    let mut before: Option<PathBuf> = None;
    let mut json = PathBuf::from(format!("target/bench-{}.json", arch.debian));
    let mut args = args.iter().map(|a| a.to_string_lossy().into_owned());
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--quick" => quick = true,
            "--emulator" => emulator = args.next().map(PathBuf::from),
            "--before" => before = Some(args.next().map(PathBuf::from).ok_or("--before needs an emulator")?),
            "--debootstrap" => {
                stages = args.next().and_then(|n| n.parse().ok()).ok_or("--debootstrap needs a number")?;
            }
            "--json" => json = args.next().ok_or("--json needs a file")?.into(),
            "--list" => {
                works().iter().for_each(|w| println!("{}", w.name));
                return Ok(());
            }
            _ if arg.starts_with('-') => return Err(format!("unknown option {arg}")),
            _ => names.push(arg),
        }
    }
    let works: Vec<Work> = works()
        .into_iter()
        .filter(|w| names.is_empty() || names.iter().any(|n| w.name.starts_with(n.as_str())))
        .collect();
    if works.is_empty() && stages == 0 {
        return Err("no workload of that name; see --list".into());
    }
    let emulator = match emulator {
        Some(e) => e,
        None => crate::build("release", &["anyarch-emu"])?.join("anyarch-emu"),
    };
    let cache = cache_dir()?.join("bench");
    let (qemu, version) = qemu(arch)?;
    let matches = crate::binfmt_match(arch)?;
    // The second stage of debootstrap alone needs neither programs nor these workers.
    let mut guest = PathBuf::new();
    let mut engines = Vec::new();
    if !works.is_empty() {
        let host = tree(&cache, "amd64", arch.suite)?;
        guest = tree(&cache, arch.debian, arch.suite)?;
        programs(&cache, arch, &host, &guest)?;
        engines.push(Worker::start("native", &host, None)?);
        engines.push(Worker::start("qemu", &guest, Some((&matches, &qemu)))?);
        engines.push(Worker::start("anyarch", &guest, Some((&matches, &emulator)))?);
        if let Some(before) = &before {
            engines.push(Worker::start("before", &guest, Some((&matches, before)))?);
        }
    }
    println!(
        "{} ({} {}); QEMU {version}; medians; ratios to native, and how many times faster than QEMU (target in brackets)\n",
        arch.name, arch.debian, arch.suite
    );
    println!(
        "{:<16} {:>10} {:>10} {:>10} {:>9} {:>9} {:>9}{}",
        "",
        "native ms",
        "QEMU ms",
        "anyarch ms",
        "QEMU/nat",
        "ours/nat",
        "QEMU/ours",
        if before.is_some() { "  ours/before: medians, minima" } else { "" }
    );
    let mut rows = Vec::new();
    for work in &works {
        let runs = if quick { (work.runs / 3).max(1) } else { work.runs };
        let mut times = vec![Vec::new(); engines.len()];
        let mut results: Vec<Option<String>> = vec![None; engines.len()];
        // One run of each that does not count warms the page cache.
        for round in 0..=runs {
            for (i, engine) in engines.iter_mut().enumerate() {
                if round > 0 && results[i].as_deref().is_some_and(|r| r.starts_with("failed")) {
                    continue;
                }
                let (ms, result) = engine.ask(&work.argv)?;
                if round > 0 {
                    times[i].push(ms);
                }
                results[i] = Some(result);
            }
        }
        let same = results.iter().all(|r| *r == results[0]);
        let mut note = match &times[..] {
            [_, _, now, before] => {
                let least = |times: &[f64]| times.iter().copied().fold(f64::INFINITY, f64::min);
                let medians =
                    median(now.clone()).zip(median(before.clone())).map_or(f64::NAN, |(a, b)| a / b);
                format!("  {medians:.3} {:.3}", least(now) / least(before))
            }
            _ => String::new(),
        };
        if !same {
            note += &format!("  results differ: {results:?}");
        }
        let target = target_of(arch, &work.name, work.target);
        let medians = [0, 1, 2].map(|engine| median(times[engine].clone()));
        rows.push(row(&work.name, medians, target, runs, same, &note));
    }
    if stages > 0 {
        let (wall, cpu) = second_stage(&cache, arch, [(&matches, &qemu), (&matches, &emulator)], stages)?;
        let target = target_of(arch, "debootstrap", Some(3.0));
        rows.push(row("debootstrap", wall, target, stages, true, ""));
        rows.push(row("debootstrap-cpu", cpu, None, stages, true, "  (processor time)"));
    }
    if names.is_empty() {
        println!();
        let mut private = [None; 3];
        for (i, engine) in engines.iter_mut().enumerate().take(3) {
            private[i] = engine.private_memory(&["/bin/sleep", "5"]).ok();
            let kb = private[i].map_or("-".into(), |k: u64| k.to_string());
            println!("private memory of a waiting sleep, {}: {kb} kB", engine.name);
        }
        if let Some(line) = translation(&emulator, &guest) {
            println!("translating bash -c :, {line}");
        }
        let size = fs::metadata(&emulator).map_or(0, |m| m.len());
        println!("size of {}: {size} bytes", emulator.display());
        let kb = |k: Option<u64>| k.map_or("null".into(), |k| k.to_string());
        rows.push(format!(
            "{{\"name\": \"private-kb\", \"native\": {}, \"qemu\": {}, \"anyarch\": {}, \"emulator_bytes\": {size}}}",
            kb(private[0]),
            kb(private[1]),
            kb(private[2])
        ));
    }
    if let Some(parent) = json.parent() {
        let _ = fs::create_dir_all(parent);
    }
    fs::write(&json, format!("{{\"qemu\": \"{version}\", \"results\": [\n  {}\n]}}\n", rows.join(",\n  ")))
        .map_err(|e| format!("{}: {e}", json.display()))?;
    println!("\nwritten to {}", json.display());
    Ok(())
}

/// Prints a row of the table; the same for machines.
fn row(name: &str, medians: Medians, target: Option<f64>, runs: usize, same: bool, note: &str) -> String {
    let [native, qemu, ours] = medians;
    let ratio = |a: Option<f64>, b: Option<f64>| match (a, b) {
        (Some(a), Some(b)) if b > 0.0 => format!("{:.2}", a / b),
        _ => "-".into(),
    };
    let ms = |m: Option<f64>| m.map_or("-".into(), |m| format!("{m:.2}"));
    let bracket = target.map_or(String::new(), |t| format!(" [{t}]"));
    println!(
        "{name:<16} {:>10} {:>10} {:>10} {:>9} {:>9} {:>9}{bracket}{note}",
        ms(native),
        ms(qemu),
        ms(ours),
        ratio(qemu, native),
        ratio(ours, native),
        ratio(qemu, ours)
    );
    let number = |m: Option<f64>| m.map_or("null".into(), |m| format!("{m:.4}"));
    format!(
        "{{\"name\": \"{name}\", \"native_ms\": {}, \"qemu_ms\": {}, \"anyarch_ms\": {}, \"runs\": {runs}, \"target\": {}, \"same_result\": {same}}}",
        number(native),
        number(qemu),
        number(ours),
        number(target)
    )
}

/// Medians of native runs, of QEMU's and of ours, where there were any.
type Medians = [Option<f64>; 3];

/// Wall and processor milliseconds of debootstrap's second stage, under QEMU and ours in turn.
/// (There is no native one: the packages are the guest's.)
fn second_stage(
    cache: &Path,
    arch: &Guest,
    engines: [(&str, &Path); 2],
    runs: usize,
) -> Result<(Medians, Medians)> {
    let archive = first_stage(cache, arch)?;
    let (mut wall, mut cpu): ([Vec<f64>; 3], [Vec<f64>; 3]) = Default::default();
    for _ in 0..runs {
        for (i, (matches, emulator)) in engines.into_iter().enumerate() {
            // A worker for each run: its tree lies in memory and goes with it.
            let mut worker =
                Worker::start_in("debootstrap", "bench-stage", &archive, Some((matches, emulator)))?;
            let answer = worker.exchange("go")?;
            let mut figures = answer.split(' ').map(str::parse::<f64>);
            match (figures.next(), figures.next()) {
                (Some(Ok(w)), Some(Ok(c))) => {
                    wall[i + 1].push(w);
                    cpu[i + 1].push(c);
                }
                _ => return Err(format!("second stage with {}: {answer}", emulator.display())),
            }
        }
    }
    Ok((wall.map(median), cpu.map(median)))
}

/// An archive of what debootstrap's first stage makes.
fn first_stage(cache: &Path, arch: &Guest) -> Result<PathBuf> {
    let name = format!("first-stage-{}-{}", arch.suite, arch.debian);
    let archive = cache.join(format!("{name}.tar"));
    if archive.exists() {
        return Ok(archive);
    }
    eprintln!("fetching the {} base system", arch.debian);
    let (dir, new) = (cache.join(&name), cache.join(format!("{name}.new")));
    let _ = fs::remove_dir_all(&dir);
    let mut c = Command::new("debootstrap");
    c.arg(format!("--arch={}", arch.debian)).args(["--foreign", "--variant=minbase", arch.suite]);
    command(c.arg(&dir).arg(mirror()?)).map_err(|e| format!("{e} (package debootstrap; it needs root)"))?;
    // Device nodes cannot be made in a user namespace: the worker mounts them.
    command(Command::new("tar").arg("-C").arg(&dir).args(["--exclude=./dev/*", "-cf"]).arg(&new).arg("."))?;
    fs::rename(&new, &archive).map_err(|e| format!("{}: {e}", archive.display()))?;
    fs::remove_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    Ok(archive)
}

/// What the emulator says about translating `bash -c :`, the median of some runs.
fn translation(emulator: &Path, tree: &Path) -> Option<String> {
    let bash = tree.join("usr/bin/bash");
    let mut lines: Vec<(u64, String)> = (0..15)
        .filter_map(|_| {
            let o = Command::new(emulator)
                .args(["-d", "stats", "-L"])
                .arg(tree)
                .arg(&bash)
                .args(["-c", ":"])
                .output()
                .ok()?;
            let text = String::from_utf8_lossy(&o.stderr).into_owned();
            let line = text.lines().find(|l| l.starts_with("translated "))?.to_owned();
            let ns: u64 = line.rsplit('(').next()?.split(' ').next()?.parse().ok()?;
            Some((ns, line))
        })
        .collect();
    lines.sort();
    lines.get(lines.len() / 2).map(|(_, line)| line.clone())
}

pub(crate) fn median(mut times: Vec<f64>) -> Option<f64> {
    times.sort_by(f64::total_cmp);
    (!times.is_empty()).then(|| times[times.len() / 2])
}

// The workers.

struct Worker {
    name: &'static str,
    child: Child,
    ask: ChildStdin,
    answer: BufReader<ChildStdout>,
}

impl Worker {
    /// A worker that runs programs of a tree; the engine is what binfmt_misc compares, and the
    /// emulator.
    fn start(name: &'static str, tree: &Path, engine: Option<(&str, &Path)>) -> Result<Worker> {
        Self::start_in(name, "bench-worker", tree, engine)
    }

    fn start_in(
        name: &'static str,
        command: &str,
        place: &Path,
        engine: Option<(&str, &Path)>,
    ) -> Result<Worker> {
        let me = std::env::current_exe().map_err(|e| e.to_string())?;
        // Only the second start, when the namespace has its ids, has root's rights there.
        let mut child = Command::new("unshare")
            .args(["--user", "--mount", "--propagation", "private", "sh", "-c"])
            .arg("echo new; read go; exec \"$0\" \"$@\"")
            .arg(me)
            .arg(command)
            .arg(place)
            .args(engine.map(|(matches, _)| matches))
            .args(engine.map(|(_, emulator)| emulator))
            .env_clear()
            .envs([("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("LC_ALL", "C"), ("HOME", "/root")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("unshare: {e}"))?;
        let ask = child.stdin.take().ok_or("no pipe")?;
        let mut answer = BufReader::new(child.stdout.take().ok_or("no pipe")?);
        let mut line = String::new();
        answer.read_line(&mut line).map_err(|e| e.to_string())?;
        map_ids(child.id())?;
        line.clear();
        let mut ask = ask;
        writeln!(ask, "go").and_then(|()| answer.read_line(&mut line)).map_err(|e| format!("{name}: {e}"))?;
        if line.trim() != "ready" {
            return Err(format!(
                "the worker for {name} does not start (user namespaces with binfmt_misc, Linux 6.7): {line}"
            ));
        }
        Ok(Worker { name, child, ask, answer })
    }

    fn exchange(&mut self, request: &str) -> Result<String> {
        let mut line = String::new();
        writeln!(self.ask, "{request}")
            .and_then(|()| self.answer.read_line(&mut line))
            .map_err(|e| format!("{}: {e}", self.name))?;
        Ok(line.trim_end().to_owned())
    }

    /// Milliseconds, and a digest of how it ended and what it printed.
    fn ask(&mut self, argv: &[String]) -> Result<(f64, String)> {
        let line = self.exchange(&format!("run\t{}", argv.join("\t")))?;
        let (ns, result) = line.split_once(' ').ok_or("the worker has ended")?;
        Ok((ns.parse::<f64>().map_err(|e| e.to_string())? / 1e6, result.to_owned()))
    }

    fn private_memory(&mut self, argv: &[&str]) -> Result<u64> {
        self.exchange(&format!("memory\t{}", argv.join("\t")))?.parse().map_err(|_| "no figure".into())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The ids of a new user namespace: root has all of them, others have their own as root's.
fn map_ids(pid: u32) -> Result<()> {
    let put = |file: &str, text: &str| {
        let path = format!("/proc/{pid}/{file}");
        fs::write(&path, text).map_err(|e| format!("{path}: {e}"))
    };
    let own = |option: &str| -> Result<String> {
        let o = Command::new("id").arg(option).output().map_err(|e| format!("id: {e}"))?;
        Ok(String::from_utf8_lossy(&o.stdout).trim().to_owned())
    };
    let (uid, gid) = (own("-u")?, own("-g")?);
    if uid == "0" && put("uid_map", "0 0 4294967295").is_ok() {
        return put("gid_map", "0 0 4294967295");
    }
    put("setgroups", "deny")?;
    put("uid_map", &format!("0 {uid} 1"))?;
    put("gid_map", &format!("0 {gid} 1"))
}

/// The worker of [`second_stage`]: unpacks the archive in memory, runs the stage, and says how long
/// that took.
pub(crate) fn stage_worker(args: &[OsString]) -> ExitCode {
    let root = match enter_stage(args) {
        Ok(root) => root,
        Err(e) => {
            println!("{e}");
            return ExitCode::FAILURE;
        }
    };
    println!("ready");
    let mut line = String::new();
    let _ = std::io::stdin().read_line(&mut line);
    let (start, before) = (Instant::now(), children_ms());
    let output = Command::new("chroot")
        .arg(&root)
        .args(["/debootstrap/debootstrap", "--second-stage"])
        // debootstrap then does not insist on making device nodes.
        .env("container", "lxc")
        .stdin(Stdio::null())
        .output();
    let (wall, cpu) = (start.elapsed().as_secs_f64() * 1e3, children_ms() - before);
    match output {
        Ok(o) if o.status.success() => println!("{wall:.1} {cpu:.1}"),
        Ok(o) => {
            println!(
                "failed: {} {}",
                o.status,
                String::from_utf8_lossy(&o.stdout).lines().last().unwrap_or("")
            );
        }
        Err(e) => println!("failed: {e}"),
    }
    ExitCode::SUCCESS
}

/// Processor time of ended children (proc_pid_stat(5): cutime and cstime, in hundredths of a
/// second).
fn children_ms() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(13).take(2).filter_map(|f| f.parse::<f64>().ok()).sum::<f64>() * 10.0
}

fn enter_stage(args: &[OsString]) -> Result<PathBuf> {
    let archive = Path::new(args.first().ok_or("no archive")?);
    let root = archive.with_extension("root");
    fs::create_dir_all(&root).map_err(|e| format!("{}: {e}", root.display()))?;
    mount(&["-t", "tmpfs", "-o", "mode=755", "tmpfs"], &root)?;
    command(Command::new("tar").arg("-C").arg(&root).arg("-xpf").arg(archive))?;
    for device in ["null", "zero", "full", "random", "urandom", "tty", "console", "ptmx"] {
        let (from, to) = (Path::new("/dev").join(device), root.join("dev").join(device));
        if from.exists() {
            fs::write(&to, "").map_err(|e| format!("{}: {e}", to.display()))?;
            command(Command::new("mount").arg("--bind").arg(&from).arg(&to))?;
        }
    }
    register(args)?;
    Ok(root)
}

/// The worker's side.
pub(crate) fn worker(args: &[OsString]) -> ExitCode {
    if let Err(e) = enter(args) {
        println!("{e}");
        return ExitCode::FAILURE;
    }
    println!("ready");
    for line in std::io::stdin().lines() {
        let Ok(line) = line else { break };
        let mut words = line.split('\t');
        match words.next() {
            Some("run") => println!("{}", timed(words.collect())),
            Some("memory") => println!("{}", private(words.collect())),
            _ => break,
        }
    }
    ExitCode::SUCCESS
}

fn mount(args: &[&str], at: &Path) -> Result<()> {
    command(Command::new("mount").args(args).arg(at))
}

/// Registers the emulator of a worker's arguments in a binfmt_misc of its own.
fn register(args: &[OsString]) -> Result<()> {
    if let [_, matches, emulator, ..] = args {
        let binfmt = Path::new("/proc/sys/fs/binfmt_misc");
        mount(&["-t", "binfmt_misc", "binfmt_misc"], binfmt)?;
        let line = format!(":bench:M::{}:{}:PF", matches.to_string_lossy(), emulator.to_string_lossy());
        fs::write(binfmt.join("register"), line).map_err(|e| format!("register: {e}"))?;
    }
    Ok(())
}

fn enter(args: &[OsString]) -> Result<()> {
    let tree = Path::new(args.first().ok_or("no tree")?);
    mount(&["--rbind", "/dev"], &tree.join("dev"))?;
    mount(&["--rbind", "/proc"], &tree.join("proc"))?;
    mount(&["-t", "tmpfs", "tmpfs"], &tree.join("tmp"))?;
    register(args)?;
    std::os::unix::fs::chroot(tree).map_err(|e| format!("chroot: {e}"))?;
    std::env::set_current_dir("/tmp").map_err(|e| e.to_string())
}

fn timed(argv: Vec<&str>) -> String {
    let start = Instant::now();
    let output = Command::new(argv[0]).args(&argv[1..]).stdin(Stdio::null()).output();
    let ns = start.elapsed().as_nanos();
    match output {
        Ok(o) if o.status.success() => {
            let hash = o
                .stdout
                .iter()
                .fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ *b as u64).wrapping_mul(0x100_0000_01b3));
            format!("{ns} {hash:016x}")
        }
        Ok(o) => {
            let error = String::from_utf8_lossy(&o.stderr).lines().last().unwrap_or_default().to_owned();
            format!("{ns} failed: {} {error}", o.status)
        }
        Err(e) => format!("{ns} failed: {e}"),
    }
}

/// Kilobytes that belong to a process alone, after half a second.
fn private(argv: Vec<&str>) -> String {
    let Ok(mut child) = Command::new(argv[0]).args(&argv[1..]).stdin(Stdio::null()).spawn() else {
        return "-".into();
    };
    std::thread::sleep(Duration::from_millis(500));
    let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", child.id())).unwrap_or_default();
    let _ = child.kill();
    let _ = child.wait();
    let kb: u64 = text
        .lines()
        .filter(|l| l.starts_with("Private_"))
        .filter_map(|l| l.split_whitespace().nth(1)?.parse::<u64>().ok())
        .sum();
    if text.is_empty() { "-".into() } else { kb.to_string() }
}

// What the workers need.

/// QEMU of Debian sid, else the one installed here.
fn qemu(arch: &Guest) -> Result<(PathBuf, String)> {
    let newer = debian::qemu(arch.name).unwrap_or_else(|e| {
        eprintln!("{e}\nfalling back to the installed {}", arch.qemu());
        PathBuf::new()
    });
    for candidate in [newer, Path::new("/usr/bin").join(arch.qemu())] {
        if let Ok(o) = Command::new(&candidate).arg("--version").output() {
            let text = String::from_utf8_lossy(&o.stdout);
            if let Some(version) = text.split_whitespace().nth(2) {
                return Ok((candidate, version.to_owned()));
            }
        }
    }
    Err("no QEMU".into())
}

/// [`unpacked`], and the sources of zlib in its /zlib.
fn tree(cache: &Path, arch: &str, suite: &str) -> Result<PathBuf> {
    let dir = cache.join(format!("{suite}-{arch}"));
    if dir.join("complete").exists() {
        return Ok(dir.join("root"));
    }
    let root = unpacked(cache, arch, suite)?;
    let apt = Apt::new(dir.clone(), arch, suite, "deb deb-src")?;
    let zlib = dir.join("source");
    fs::create_dir_all(&zlib).map_err(|e| e.to_string())?;
    apt.run(&["source", "--download-only", "zlib"])?;
    let tar = apt
        .files("", "")
        .into_iter()
        .find(|p| p.to_string_lossy().contains(".orig.tar."))
        .ok_or("no source of zlib")?;
    fs::create_dir_all(root.join("zlib")).map_err(|e| e.to_string())?;
    command(
        Command::new("tar").arg("-C").arg(root.join("zlib")).args(["--strip-components=1", "-xf"]).arg(tar),
    )?;
    fs::write(dir.join("complete"), "").map_err(|e| e.to_string())?;
    Ok(root)
}

/// A root file system of unpacked packages. Nothing in it was configured, and nothing needs to be.
pub(crate) fn unpacked(cache: &Path, arch: &str, suite: &str) -> Result<PathBuf> {
    let dir = cache.join(format!("{suite}-{arch}"));
    let root = dir.join("root");
    if dir.join("unpacked").exists() || dir.join("complete").exists() {
        return Ok(root);
    }
    eprintln!("fetching the {arch} programs of {suite}");
    let apt = Apt::new(dir.clone(), arch, suite, "deb deb-src")?;
    apt.run(&["update"])?;
    let mut args = vec!["install", "-y", "--download-only"];
    args.extend(PACKAGES);
    apt.run(&args)?;
    let _ = fs::remove_dir_all(&root);
    for d in ["usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "dev", "proc", "tmp", "root", "etc"] {
        fs::create_dir_all(root.join(d)).map_err(|e| e.to_string())?;
    }
    for d in ["bin", "sbin", "lib", "lib64"] {
        std::os::unix::fs::symlink(format!("usr/{d}"), root.join(d)).map_err(|e| e.to_string())?;
    }
    for deb in apt.files("archives", ".deb") {
        // dpkg -x would replace the links to the merged folders by folders.
        let pipe = format!(
            "dpkg-deb --fsys-tarfile '{}' | tar -C '{}' --keep-directory-symlink -xf -",
            deb.display(),
            root.display()
        );
        command(Command::new("sh").args(["-c", &pipe]))?;
    }
    fs::write(dir.join("unpacked"), "").map_err(|e| e.to_string())?;
    Ok(root)
}

/// Builds the C workloads, and puts them and the inputs into both trees.
fn programs(cache: &Path, arch: &Guest, host: &Path, guest: &Path) -> Result<()> {
    let bench = crate::workspace().join("bench");
    let sha = fs::read_to_string("/proc/cpuinfo").unwrap_or_default().contains(" sha_ni");
    for (tree, compiler, extra) in
        [(host, "gcc".to_owned(), sha.then_some("-DHOST_SHA")), (guest, arch.compiler(false), None)]
    {
        command(
            Command::new(compiler)
                .args(["-O2", "-ffp-contract=off", "-fno-builtin-strlen", "-pthread", "-static"])
                .args(extra)
                .arg("-o")
                .arg(tree.join("work"))
                .arg(bench.join("work.c"))
                .arg("-lm"),
        )?;
        fs::copy(bench.join("interp.py"), tree.join("interp.py")).map_err(|e| e.to_string())?;
        fs::write(tree.join("two.c"), "int f(int x) { return x * 2; }\nint main(void) { return f(21); }\n")
            .map_err(|e| e.to_string())?;
        let cc1 = ["usr/libexec/gcc", "usr/lib/gcc"]
            .iter()
            .find_map(|dir| find(&tree.join(dir), "cc1"))
            .ok_or("no cc1")?;
        let link = tree.join("cc1");
        let _ = fs::remove_file(&link);
        let target = Path::new("/").join(cc1.strip_prefix(tree).map_err(|e| e.to_string())?);
        std::os::unix::fs::symlink(target, link).map_err(|e| e.to_string())?;
    }
    // The same bytes for both.
    let mut input = fs::read(guest.join("usr/bin/python3")).map_err(|e| format!("python3: {e}"))?;
    input.truncate(2 << 20);
    for tree in [host, guest] {
        fs::write(tree.join("input"), &input).map_err(|e| e.to_string())?;
    }
    // The namespace's root is this user: the folders must be reachable.
    fs::set_permissions(cache, fs::Permissions::from_mode(0o755)).map_err(|e| e.to_string())
}

fn find(dir: &Path, name: &str) -> Option<PathBuf> {
    for entry in fs::read_dir(dir).ok()?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            if let Some(found) = find(&path, name) {
                return Some(found);
            }
        } else if path.file_name().is_some_and(|n| n == name) {
            return Some(path);
        }
    }
    None
}

/// Runs a command that must succeed, without its output.
pub(crate) fn command(c: &mut Command) -> Result<()> {
    let o = c.output().map_err(|e| format!("{:?}: {e}", c.get_program()))?;
    if o.status.success() { Ok(()) } else { Err(format!("{c:?}: {}", String::from_utf8_lossy(&o.stderr))) }
}

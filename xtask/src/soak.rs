//! `cargo xtask soak`: hours of mixed load under the emulator. Does it still compute what the
//! processor computes, and does it keep what it should give back?
//!
//! A load is one long-running program (`tests/soak`) that takes a number, does the round of that
//! number, and answers with a line. The same program, built for this machine or taken from a Debian
//! of this machine's architecture, has answered the same numbers natively before; so every answer
//! is compared. All loads run at once. Between two rounds a program has given back everything of
//! the round, so its memory, descriptors and mappings, which are read from /proc then, must not
//! grow.
//!
//! The loads are rows of [`LOADS`]: a new one is a row and a file.

use crate::bench::Result;
use crate::debian::Tree;
use crate::packages;
use anyarch_harness::guests::{GUESTS, Guest};
use anyarch_harness::kill_group;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How a load is made.
enum Source {
    /// `tests/soak/NAME.c`, linked statically.
    Static,
    /// `tests/soak/NAME.c` with the shared C library; its argument is a folder with builds of
    /// `library.c`.
    Shared,
    /// A command of the guest's Debian with [`PACKAGES`]; `/soak` in it is `tests/soak` with the
    /// benchmark's `work.c`.
    Debian(&'static [&'static str]),
}

struct Load {
    name: &'static str,
    /// What it is, for the table's reader.
    what: &'static str,
    source: Source,
    /// Words for the emulator of programs that are not a Debian's.
    options: &'static [&'static str],
    /// What its figures may grow by.
    slack: Slack,
}

const fn load(name: &'static str, source: Source, what: &'static str) -> Load {
    let slack = if matches!(source, Source::Debian(_)) { INTERPRETERS } else { OWN };
    Load { name, what, source, options: &[], slack }
}

const LOADS: &[Load] = &[
    // A code cache that one round fills: its renewal is tried, and growth shows early.
    Load {
        options: &["-tb-size", "2"],
        ..load("jit", Source::Static, "code that is written and thrown away")
    },
    load("dlopen", Source::Shared, "shared libraries that come and go, in threads"),
    load("threads", Source::Static, "short, cancelled and waiting threads, threads of timers"),
    // siglongjmp leaves a thread's shadow stack higher than it was, up to its size, which is a
    // megabyte.
    Load { slack: [(2, 1280), (0, 0), (0, 0)], ..load("signals", Source::Static, SIGNALS) },
    load("spawn", Source::Static, "posix_spawn, vfork and fexecve of /proc/self/exe"),
    load("forks", Source::Static, "forks of forks from several threads"),
    load("memory", Source::Static, "mappings and descriptors of all kinds"),
    load("gcc", Source::Debian(&["/bin/sh", "/soak/gcc.sh"]), "gcc compiles; what it made runs"),
    load(
        "python",
        Source::Debian(&["/usr/bin/python3", "/soak/python.py"]),
        "computation, threads, processes",
    ),
    load("python-tests", Source::Debian(&["/bin/sh", "/soak/python_tests.sh"]), "Python's own tests"),
    load("php", Source::Debian(PHP), "PHP with its JIT, in processes that it forks"),
    load("ghc", Source::Debian(&["/bin/sh", "/soak/ghc.sh"]), "GHC compiles; what it made runs"),
    load(
        "haskell",
        Source::Debian(&["/bin/sh", "/soak/haskell.sh"]),
        "GHC's run-time: timer, threads, collection",
    ),
];

const SIGNALS: &str = "timers, alternate stacks, siglongjmp, SIGSTOP, faults";

const PHP: &[&str] = &[
    "/usr/bin/php",
    "-d",
    "opcache.enable_cli=1",
    "-d",
    "opcache.jit=tracing",
    "-d",
    "opcache.jit_buffer_size=32M",
    "/soak/php.php",
];

/// As apt takes them: the name of the tests has Python's version.
const PACKAGES: &[&str] =
    &["gcc", "libc6-dev", "python3", "^libpython3[.][0-9]*-testsuite$", "php-cli", "ghc"];

/// Rounds have the numbers below this one.
const NUMBERS: usize = 8;
/// So many rounds are done even if the time is over: each number twice.
const LEAST: usize = 2 * NUMBERS;
/// What a round may take: so long on the clock, and on a busy machine so long of the processor's
/// time while it gets some in each [`TURN`].
const PATIENCE: Duration = Duration::from_secs(1800);
const TURN: Duration = Duration::from_secs(60);
/// So often a load that failed is started again.
const ATTEMPTS: usize = 5;

/// Runs the command.
pub(crate) fn main(args: Vec<OsString>) -> Result<ExitCode> {
    let mut args = args;
    let mut guests = crate::take_guests(&mut args)?;
    if guests.is_empty() {
        guests.extend(GUESTS.iter().filter(|g| g.always));
    }
    let minutes = match crate::take_option(&mut args, "--minutes")?.pop() {
        Some(n) => n.to_string_lossy().parse::<f64>().map_err(|_| "--minutes needs a number")?,
        None => 60.0,
    };
    let emulator = crate::take_option(&mut args, "--emulator")?.pop().map(PathBuf::from);
    let (mut debian, mut names) = (true, Vec::new());
    for arg in args.iter().map(|a| a.to_string_lossy()) {
        match arg.as_ref() {
            "--no-debian" => debian = false,
            "--list" => {
                LOADS.iter().for_each(|l| println!("{:<13} {}", l.name, l.what));
                return Ok(ExitCode::SUCCESS);
            }
            _ if arg.starts_with('-') => return Err(format!("unknown option {arg}")),
            _ if LOADS.iter().any(|l| l.name == arg) => names.push(arg.into_owned()),
            _ => return Err(format!("no load {arg}; see --list")),
        }
    }
    packages::need(&[packages::PROGRAMS])?;
    if debian {
        packages::need(&[packages::DEBIAN])?;
    }
    let emulator = match emulator {
        Some(path) => fs::canonicalize(&path).map_err(|e| format!("{}: {e}", path.display()))?,
        None => crate::build("release", &["anyarch-emu"])?.join("anyarch-emu"),
    };
    let loads: Vec<&Load> = LOADS
        .iter()
        .filter(|l| names.is_empty() || names.iter().any(|n| n == l.name))
        .filter(|l| debian || !matches!(l.source, Source::Debian(_)))
        .collect();

    let work = crate::target()?.join("soak");
    let mut jobs = Vec::new();
    let mut places: Vec<Place> = Vec::new();
    for guest in guests {
        let foreign = Place::guest(&work, guest, &emulator, &loads)?;
        // Without a Debian, the native programs are the same for all guests.
        let at = match places.iter().position(|p| p.same_native(&foreign)) {
            Some(at) => at,
            None => {
                places.push(Place::native(&work, guest, &loads)?);
                places.len() - 1
            }
        };
        for load in &loads {
            eprintln!("{} natively", load.name);
            let expected = native_answers(load, &places[at])?;
            let command = foreign.command(load)?;
            let log = work.join(format!("{}-{}.log", load.name, guest.name));
            jobs.push(Job { load, guest, command, expected, log });
        }
    }
    eprintln!("{} loads for {minutes} minutes", jobs.len());
    let end = Instant::now() + Duration::from_secs_f64(minutes * 60.0);
    let results: Vec<Report> = std::thread::scope(|scope| {
        let running: Vec<_> = jobs.iter_mut().map(|job| scope.spawn(move || job.run(end))).collect();
        running.into_iter().map(|r| r.join().expect("a load's thread does not panic")).collect()
    });
    Ok(if told(&jobs, &results) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints the table; whether all is well.
fn told(jobs: &[Job], results: &[Report]) -> bool {
    println!(
        "\n{:<13} {:<8} {:>7} {:>8}   {:<20} {:<13} mappings",
        "load", "guest", "rounds", "failures", "memory, kB", "descriptors"
    );
    let mut good = true;
    for (job, result) in jobs.iter().zip(results) {
        let growth = growth(&result.readings);
        let figures = growth.as_ref().map_or(vec!["-".into(); 3], |g| g.shown());
        let grown = growth.map_or(Vec::new(), |g| g.grown(job.load.slack));
        println!(
            "{:<13} {:<8} {:>7} {:>8}   {:<20} {:<13} {}{}",
            job.load.name,
            job.guest.name,
            result.rounds,
            result.failures.len(),
            figures[0],
            figures[1],
            figures[2],
            if grown.is_empty() { String::new() } else { format!("   GROWN: {}", grown.join(", ")) }
        );
        good &= grown.is_empty() && result.failures.is_empty();
    }
    for (job, result) in jobs.iter().zip(results) {
        for failure in &result.failures {
            println!("{} {}: {failure}", job.load.name, job.guest.name);
        }
    }
    println!("soak: {}", if good { "ok" } else { "FAILED" });
    good
}

/// Where programs come from and how they are started.
struct Place {
    /// What was built.
    programs: PathBuf,
    tree: Option<Tree>,
    suite: &'static str,
    /// For programs outside of a tree: the emulator and its sysroot.
    emulator: Option<(PathBuf, PathBuf)>,
}

impl Place {
    fn native(work: &Path, guest: &Guest, loads: &[&Load]) -> Result<Place> {
        let suite = guest.suite;
        Place::new(work, "gcc", "amd64", suite, None, loads)
    }

    fn guest(work: &Path, guest: &Guest, emulator: &Path, loads: &[&Load]) -> Result<Place> {
        let started = Some((emulator.to_path_buf(), guest.sysroot()));
        Place::new(work, &guest.compiler(false), guest.debian, guest.suite, started, loads)
    }

    fn new(
        work: &Path,
        compiler: &str,
        arch: &str,
        suite: &'static str,
        emulator: Option<(PathBuf, PathBuf)>,
        loads: &[&Load],
    ) -> Result<Place> {
        let programs = work.join(arch);
        fs::create_dir_all(&programs).map_err(|e| format!("{}: {e}", programs.display()))?;
        let sources = crate::workspace().join("tests/soak");
        let build = |from: &str, to: &str, flags: &[String]| {
            let mut c = Command::new(compiler);
            c.args(["-O2", "-fsigned-char", "-D_GNU_SOURCE", "-pthread", "-o"]);
            crate::bench::command(c.arg(programs.join(to)).arg(sources.join(from)).args(flags))
        };
        for load in loads {
            let file = format!("{}.c", load.name);
            match load.source {
                Source::Static => build(&file, load.name, &["-static".into()])?,
                Source::Shared => {
                    build(&file, load.name, &[])?;
                    for which in 0..4 {
                        let flags = ["-shared".into(), "-fPIC".into(), format!("-DWHICH={which}")];
                        build("library.c", &format!("library{which}.so"), &flags)?;
                    }
                }
                Source::Debian(_) => {}
            }
        }
        let mut tree = None;
        if loads.iter().any(|l| matches!(l.source, Source::Debian(_))) {
            let name = format!("soak-{suite}-{arch}");
            let made = Tree::new(&name, arch, suite, emulator.as_ref().map(|(path, _)| path.as_path()))?;
            made.install(PACKAGES)?;
            let to = made.root().join("soak");
            fs::create_dir_all(&to).map_err(|e| format!("{}: {e}", to.display()))?;
            let work = crate::workspace().join("bench/work.c");
            let files = fs::read_dir(&sources).map_err(|e| format!("{}: {e}", sources.display()))?;
            for file in files.flatten().map(|f| f.path()).chain([work]) {
                let copy = to.join(file.file_name().unwrap_or_default());
                fs::copy(&file, &copy).map_err(|e| format!("{}: {e}", copy.display()))?;
            }
            tree = Some(made);
        }
        Ok(Place { programs, tree, suite, emulator })
    }

    /// Whether this native place is also right for a guest's.
    fn same_native(&self, guest: &Place) -> bool {
        guest.tree.is_none() || self.suite == guest.suite
    }

    fn command(&self, load: &Load) -> Result<Command> {
        let mut c = match (&load.source, &self.tree) {
            (Source::Debian(words), Some(tree)) => {
                let mut c = tree.command()?;
                c.args(*words);
                c
            }
            (Source::Debian(_), None) => return Err("no Debian".into()),
            (_, _) => {
                let program = self.programs.join(load.name);
                let mut c = match &self.emulator {
                    Some((emulator, sysroot)) => {
                        let mut c = Command::new(emulator);
                        c.args(load.options).arg("-L").arg(sysroot).arg(program);
                        c
                    }
                    None => Command::new(program),
                };
                c.arg(&self.programs).env_clear();
                c
            }
        };
        c.process_group(0);
        Ok(c)
    }
}

fn native_answers(load: &Load, place: &Place) -> Result<Vec<String>> {
    let log = place.programs.join(format!("{}.log", load.name));
    let mut program = Program::start(&mut place.command(load)?, &log)?;
    let answers: Result<Vec<String>> = (0..NUMBERS).map(|n| program.ask(n)).collect();
    answers
        .and_then(|all| program.end().map(|()| all))
        .map_err(|e| format!("{} natively: {e}: {}", load.name, tail(&log)))
}

/// A load of a guest.
struct Job<'a> {
    load: &'a Load,
    guest: &'static Guest,
    command: Command,
    expected: Vec<String>,
    log: PathBuf,
}

#[derive(Default)]
struct Report {
    rounds: usize,
    failures: Vec<String>,
    /// After each round of the program that ran last.
    readings: Vec<Reading>,
}

impl Job<'_> {
    fn run(&mut self, end: Instant) -> Report {
        let mut report = Report::default();
        while report.failures.len() < ATTEMPTS {
            report.readings.clear();
            match self.attempt(end, &mut report) {
                Ok(()) => break,
                Err(e) => {
                    let failure = format!("round {}: {e}: {}", report.rounds, tail(&self.log));
                    eprintln!("{} {}: {failure}", self.load.name, self.guest.name);
                    report.failures.push(failure);
                }
            }
            if Instant::now() > end {
                break;
            }
        }
        report
    }

    fn attempt(&mut self, end: Instant, report: &mut Report) -> Result<()> {
        let mut program = Program::start(&mut self.command, &self.log)?;
        while Instant::now() < end || report.readings.len() < LEAST {
            let number = report.rounds % NUMBERS;
            let answer = program.ask(number)?;
            if answer != self.expected[number] {
                return Err(format!("number {number}: {answer}, natively {}", self.expected[number]));
            }
            report.rounds += 1;
            report.readings.push(program.reading()?);
        }
        program.end()
    }
}

/// A running program. It goes with this value, and so does everything in its process group.
struct Program {
    child: Child,
    ask: Option<ChildStdin>,
    answers: Receiver<String>,
}

impl Program {
    fn start(command: &mut Command, log: &Path) -> Result<Program> {
        let file = File::create(log).map_err(|e| format!("{}: {e}", log.display()))?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .map_err(|e| format!("{:?}: {e}", command.get_program()))?;
        let ask = child.stdin.take();
        let out = child.stdout.take().ok_or("no pipe")?;
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(std::io::Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Program { child, ask, answers })
    }

    fn ask(&mut self, number: usize) -> Result<String> {
        use std::sync::mpsc::RecvTimeoutError::*;
        let ask = self.ask.as_mut().ok_or("no pipe")?;
        // A program that has ended is found by its answer.
        let _ = writeln!(ask, "{number}");
        let start = (Instant::now(), self.processor_time());
        let mut last = start.1;
        loop {
            match self.answers.recv_timeout(TURN) {
                Ok(line) => return Ok(line),
                Err(Disconnected) => {
                    return match self.child.wait() {
                        Ok(status) => Err(format!("ended: {status}")),
                        Err(e) => Err(e.to_string()),
                    };
                }
                Err(Timeout) => {
                    let (passed, now) = (start.0.elapsed(), self.processor_time());
                    let used = now.saturating_sub(start.1);
                    if passed > PATIENCE && (now <= last || used > PATIENCE) {
                        let (passed, used) = (passed.as_secs(), used.as_secs());
                        return Err(format!("no answer in {passed} seconds, {used} of them running"));
                    }
                    last = now;
                }
            }
        }
    }

    /// The processor's time that the program's process group has had.
    fn processor_time(&self) -> Duration {
        let Ok(processes) = fs::read_dir("/proc") else { return Duration::ZERO };
        let ticks = processes.flatten().filter_map(|process| {
            let stat = fs::read_to_string(process.path().join("stat")).ok()?;
            // Behind the name: state, parent, group; the 12th to the 15th are user and system time,
            // its own and that of children that it waited for.
            let fields: Vec<u64> =
                stat.rsplit_once(')')?.1.split_whitespace().map(|f| f.parse().unwrap_or(0)).collect();
            (fields.get(2) == Some(&self.child.id().into())).then(|| fields[11..15].iter().sum::<u64>())
        });
        // USER_HZ.
        Duration::from_millis(ticks.sum::<u64>() * 10)
    }

    fn reading(&self) -> Result<Reading> {
        let proc = PathBuf::from(format!("/proc/{}", self.child.id()));
        let read =
            |name: &str| fs::read_to_string(proc.join(name)).map_err(|e| format!("/proc: {name}: {e}"));
        let status = read("status")?;
        let kilobytes =
            status.lines().find_map(|l| l.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok());
        let descriptors = fs::read_dir(proc.join("fd")).map_err(|e| format!("/proc: fd: {e}"))?;
        Ok(Reading([
            kilobytes.ok_or("/proc: no VmRSS")?,
            descriptors.count() as u64,
            read("maps")?.lines().count() as u64,
        ]))
    }

    /// The input ends, and the program with it.
    fn end(mut self) -> Result<()> {
        drop(self.ask.take());
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            match self.child.try_wait().map_err(|e| e.to_string())? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(format!("ended: {status}")),
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        Err("does not end".into())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        kill_group(self.child.id());
        let _ = self.child.wait();
    }
}

/// What a program has between two rounds: kilobytes of memory, descriptors, mappings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reading([u64; 3]);

const FIGURES: [&str; 3] = ["memory", "descriptors", "mappings"];

/// What each figure may grow by: percent of its start, and a number.
type Slack = [(u64, u64); 3];
/// Of programs of ours: pages that are touched late.
const OWN: Slack = [(2, 256), (0, 0), (0, 0)];
/// Of programs with heaps and threads of their own making, which grow a little natively too.
const INTERPRETERS: Slack = [(5, 2048), (0, 0), (25, 0)];

/// The most of each figure in the second quarter of the time, when everything has been done several
/// times, and the least in the last quarter. What comes and goes is not growth, and what comes to
/// stay is.
struct Growth {
    start: Reading,
    end: Reading,
}

fn growth(readings: &[Reading]) -> Option<Growth> {
    let quarter = readings.len() / 4;
    let over = |part: &[Reading], choose: fn(u64, u64) -> u64| {
        part.iter().copied().reduce(|a, b| Reading(std::array::from_fn(|i| choose(a.0[i], b.0[i]))))
    };
    let start = over(readings.get(quarter..2 * quarter)?, u64::max)?;
    let end = over(readings.get(readings.len() - quarter..)?, u64::min)?;
    Some(Growth { start, end })
}

impl Growth {
    fn shown(&self) -> Vec<String> {
        (0..3).map(|i| format!("{} -> {}", self.start.0[i], self.end.0[i])).collect()
    }

    /// What has grown by more than the slack.
    fn grown(&self, slack: Slack) -> Vec<&'static str> {
        let grown = |i: &usize| {
            let (start, (percent, more)) = (self.start.0[*i], slack[*i]);
            self.end.0[*i] > start + start * percent / 100 + more
        };
        (0..3).filter(grown).map(|i| FIGURES[i]).collect()
    }
}

/// The end of a log.
fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join(" / ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grown(figure: impl Fn(u64) -> [u64; 3]) -> Vec<&'static str> {
        let readings: Vec<Reading> = (0..100).map(|i| Reading(figure(i))).collect();
        growth(&readings).expect("enough readings").grown(OWN)
    }

    #[test]
    fn growth_is_what_comes_to_stay() {
        // At the beginning everything grows; what comes and goes does so.
        assert!(grown(|i| [10_000 + 200 * i.min(20), 5 + i % 3, 40 + i % 7]).is_empty());
        assert_eq!(grown(|i| [10_000 + 20 * i, 5, 40]), ["memory"]);
        assert_eq!(grown(|i| [10_000, 5 + i / 10, 40 + i / 10]), ["descriptors", "mappings"]);
    }

    #[test]
    fn few_readings_tell_nothing() {
        assert!(growth(&[Reading([1, 1, 1]); 3]).is_none());
    }
}

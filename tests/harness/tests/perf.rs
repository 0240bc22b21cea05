//! `-perfmap` and `-jitdump`: what the emulator tells the host's profiler of translated code names
//! the guest's functions.

use anyarch_harness::guests::{GUESTS, Guest};
use anyarch_harness::trial::{self, Trial};
use anyarch_harness::{Outcome, TempDir, emulator, run};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

/// Executes itself once if it has an argument, so that another program of the same process has
/// begun the files. Prints its id and that of a child, which calls a function that nobody else
/// calls.
const PROGRAM: &str = r#"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#define HOT __attribute__((noinline, noclone))
HOT uint64_t hot_sum(const uint64_t *v, int n) { uint64_t s = 0; for (int i = 0; i < n; i++) s = s * 31 + v[i]; return s; }
HOT uint64_t hot_mix(uint64_t x, int n) { for (int i = 0; i < n; i++) { x ^= x << 13; if (x & 1) x += 3; x ^= x >> 7; } return x; }
HOT uint64_t hot_child(uint64_t x, int n) { for (int i = 0; i < n; i++) { x *= 0x9e3779b97f4a7c15; x ^= x >> 32; } return x; }
static int order(const void *a, const void *b) { return *(const uint64_t *)a < *(const uint64_t *)b; }
int main(int argc, char **argv) {
    if (argc > 1) { execl(argv[0], argv[0], NULL); return 9; }
    static uint64_t v[1000];
    uint64_t s = 1;
    for (int i = 0; i < 1000; i++) v[i] = hot_mix(i, 10) ^ s;
    qsort(v, 1000, sizeof *v, order);
    s += hot_sum(v, 1000);
    pid_t child = fork();
    if (child == 0) return hot_child(s, 1000) == 42;
    int status;
    waitpid(child, &status, 0);
    printf("%d %d\n", getpid(), child);
    return status != 0;
}
"#;

/// Room for the code cache.
const CACHE: u64 = 512 << 20;

/// A unit: address, bytes, name.
type Unit = (u64, u64, String);

fn text(e: impl std::fmt::Display) -> String {
    e.to_string()
}

fn build(guest: &Guest, dir: &Path, flags: &[&str]) -> Result<PathBuf, String> {
    let (source, program) = (dir.join("a.c"), dir.join("hot"));
    std::fs::write(&source, PROGRAM).map_err(text)?;
    let mut c = Command::new(guest.compiler(false));
    c.arg("-O1").args(flags).arg("-o").arg(&program).arg(&source);
    if c.status().map_err(text)?.success() { Ok(program) } else { Err(format!("{c:?}")) }
}

fn map_of(pid: u32) -> PathBuf {
    format!("/tmp/perf-{pid}.map").into()
}

/// The numbers that the program has printed.
fn pids(got: &Outcome) -> Result<[u32; 2], String> {
    let ids: Vec<u32> = got.stdout.split_whitespace().filter_map(|w| w.parse().ok()).collect();
    match (got.status, ids[..].try_into()) {
        (0, Ok(ids)) if got.stderr.is_empty() => Ok(ids),
        _ => Err(format!("{got:?}")),
    }
}

/// Reads a map, and takes it away.
fn map(pid: u32) -> Result<Vec<Unit>, String> {
    let path = map_of(pid);
    let content = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mode = std::fs::metadata(&path).map_err(text)?.permissions().mode() & 0o7777;
    std::fs::remove_file(&path).map_err(text)?;
    if mode != 0o600 {
        return Err(format!("mode {mode:o}"));
    }
    let hex = |word: Option<&str>| u64::from_str_radix(word?, 16).ok();
    let line = |line: &str| {
        let mut words = line.splitn(3, ' ');
        Some((hex(words.next())?, hex(words.next())?, words.next()?.to_string()))
    };
    content.lines().map(|l| line(l).ok_or_else(|| format!("line {l:?}"))).collect()
}

/// Reads a dump: the units of each process.
fn dump(path: &Path, pid: u32) -> Result<Vec<(u32, Unit)>, String> {
    let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let u32_at = |at: usize| bytes.get(at..at + 4).map(|b| u32::from_le_bytes(b.try_into().expect("4")));
    let u64_at = |at: usize| bytes.get(at..at + 8).map(|b| u64::from_le_bytes(b.try_into().expect("8")));
    let header: Vec<Option<u32>> = (0..6).map(|i| u32_at(4 * i)).collect();
    if header != [0x4a69_5444, 1, 40, 62, 0, pid].map(Some) || u64_at(32) != Some(0) {
        return Err(format!("header {header:x?}"));
    }
    let (mut units, mut at, mut time) = (Vec::new(), 40, u64_at(24).unwrap_or(0));
    let mut indices = BTreeSet::new();
    while at < bytes.len() {
        let unit = (|| {
            let (id, size, now) = (u32_at(at)?, u32_at(at + 4)? as usize, u64_at(at + 8)?);
            let record = bytes.get(at..at + size)?;
            let (pid, start, len, index) =
                (u32_at(at + 16)?, u64_at(at + 24)?, u64_at(at + 40)?, u64_at(at + 48)?);
            let name_len = record[56..].iter().position(|&b| b == 0)?;
            let name = String::from_utf8(record[56..56 + name_len].to_vec()).ok()?;
            let code = &record[56 + name_len + 1..];
            // x86-64 code has many different bytes, and hardly two records have the same.
            let kinds: BTreeSet<u8> = code.iter().copied().collect();
            let good = id == 0
                && now >= time
                && u64_at(at + 32)? == start
                && code.len() as u64 == len
                && kinds.len() > 4
                && indices.insert((pid, index));
            (at, time) = (at + size, now);
            good.then_some((pid, (start, len, name)))
        })();
        units.push(unit.ok_or_else(|| format!("record at {at} of {}", bytes.len()))?);
    }
    Ok(units)
}

/// The ranges of the units named `name`, which must be there and in order.
fn ranges(units: &[Unit], name: &str) -> Result<Vec<(u64, u64)>, String> {
    let found: Vec<(u64, u64)> = units.iter().filter(|u| u.2 == name).map(|u| (u.0, u.0 + u.1)).collect();
    if found.is_empty() { Err(format!("no {name} in {units:?}")) } else { Ok(found) }
}

/// Both files of a program with known functions, of the program after it in its process, and of its
/// child.
fn files(guest: &Guest) -> Result<(), String> {
    let dir = TempDir::new();
    let program = build(guest, dir.path(), &["-static"])?;
    let mut c = Command::new(emulator());
    c.args(["-perfmap", "-jitdump"]).arg(&program).arg("again").current_dir(dir.path());
    let got = run(&c, Duration::from_secs(60)).map_err(text)?;
    let [pid, child] = pids(&got)?;
    let (parents, childs) = (map(pid)?, map(child)?);
    let dumped = dump(&dir.path().join(format!("jit-{pid}.dump")), pid)?;

    // One program's units, one beside the other, in the code cache.
    for units in [&parents, &childs] {
        let glue = ranges(units, "glue [anyarch-emu]")?;
        let mut sorted: Vec<(u64, u64)> = units.iter().map(|u| (u.0, u.0 + u.1)).collect();
        sorted.sort_unstable();
        let beside = sorted.windows(2).all(|w| w[0].1 <= w[1].0) && sorted.iter().all(|r| r.0 < r.1);
        let within =
            glue.len() == 1 && sorted[0] == glue[0] && sorted.iter().all(|r| r.1 - glue[0].0 <= CACHE);
        if !beside || !within {
            return Err(format!("{units:x?}"));
        }
        for name in ["main", "hot_sum", "hot_mix", "order", "qsort"] {
            ranges(units, &format!("{name} [hot]"))?;
        }
    }
    // A child knows what its parent had, and what it has made itself.
    let [its, theirs] = [&childs, &parents].map(|units| ranges(units, "hot_child [hot]").is_ok());
    let had = childs.iter().take_while(|u| parents.contains(u)).count();
    if !its || theirs || had < 50 || had == childs.len() {
        return Err(format!("child {childs:x?}, parent {parents:x?}"));
    }
    // The dump has the same units, the child's own with its id.
    let of = |pid: u32| dumped.iter().filter(|d| d.0 == pid).map(|d| d.1.clone()).collect::<Vec<Unit>>();
    if of(pid) != parents || of(child) != childs[had..] {
        return Err(format!("dump {dumped:x?}, maps {parents:x?} {childs:x?}"));
    }
    Ok(())
}

/// Functions of a library have its name, and those of the program's loader have that one's.
fn libraries(guest: &Guest) -> Result<(), String> {
    let dir = TempDir::new();
    let program = build(guest, dir.path(), &[])?;
    let mut c = Command::new(emulator());
    c.arg("-L").arg(guest.sysroot()).arg(&program).env("QEMU_PERFMAP", "").current_dir(dir.path());
    let [pid, child] = pids(&run(&c, Duration::from_secs(60)).map_err(text)?)?;
    let (units, _) = (map(pid)?, map(child)?);
    for name in ["main [hot]", "hot_sum [hot]", "qsort [libc.so.6]", "__libc_start_main [libc.so.6]"] {
        ranges(&units, name)?;
    }
    // Its own functions are not in the loader's table of dynamic symbols.
    let loaders = units.iter().filter(|u| u.2.contains(" [ld-linux")).count();
    if loaders > 20 { Ok(()) } else { Err(format!("{units:x?}")) }
}

/// What another user may have put in the place of a map is not written to; what is left of an
/// earlier process is replaced.
fn places(guest: &Guest) -> Result<(), String> {
    let dir = TempDir::new();
    let program = build(guest, dir.path(), &["-static"])?;
    let file = dir.path().join("file");
    let start = |make: &str| {
        std::fs::write(&file, "precious\n").map_err(text)?;
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).map_err(text)?;
        let mut c = Command::new("sh");
        let script =
            format!("umask 077; M=/tmp/perf-$$.map; {make}; echo $$ >pid; exec \"$0\" -perfmap \"$1\"");
        c.args(["-c", &script]).arg(emulator()).arg(&program).current_dir(dir.path());
        let got = run(&c, Duration::from_secs(60)).map_err(text)?;
        let pid = std::fs::read_to_string(dir.path().join("pid")).map_err(text)?;
        let pid: u32 = pid.trim().parse().map_err(text)?;
        Ok::<_, String>((got, pid))
    };
    let refused = ["ln -s $PWD/file $M", "ln file $M", "mkfifo $M", "mkdir $M", "cp file $M; chmod 622 $M"];
    for make in refused {
        let (got, pid) = start(make)?;
        let path = map_of(pid);
        let _ =
            if make.starts_with("mkdir") { std::fs::remove_dir(&path) } else { std::fs::remove_file(&path) };
        let one_line = got.stderr.lines().count() == 1 && got.stderr.contains("perf-");
        let kept = std::fs::read_to_string(&file).map_err(text)? == "precious\n";
        if got.status != 1 || !one_line || !kept || !got.stdout.is_empty() {
            return Err(format!("{make}: {got:?}"));
        }
    }
    let (got, pid) = start("cp file $M")?;
    let [same, child] = pids(&got)?;
    let units = map(pid)?;
    map(child)?;
    if same == pid { ranges(&units, "hot_sum [hot]").map(drop) } else { Err(format!("{got:?}")) }
}

/// Without the options there are no files.
fn nothing(guest: &Guest) -> Result<(), String> {
    let dir = TempDir::new();
    let program = build(guest, dir.path(), &["-static"])?;
    let mut c = Command::new(emulator());
    c.arg(&program).current_dir(dir.path());
    let [pid, child] = pids(&run(&c, Duration::from_secs(60)).map_err(text)?)?;
    let made = [map_of(pid), map_of(child), dir.path().join(format!("jit-{pid}.dump"))];
    match made.iter().find(|path| path.exists()) {
        Some(path) => Err(format!("{}", path.display())),
        None => Ok(()),
    }
}

type Test = fn(&Guest) -> Result<(), String>;

fn main() -> ExitCode {
    let mut trials = Vec::new();
    // Only code that is made has names.
    for guest in GUESTS.iter().filter(|g| g.always) {
        let tests: [(&str, Test); 4] =
            [("files", files), ("libraries", libraries), ("places", places), ("nothing", nothing)];
        for (name, test) in tests {
            let name = format!("perf::{}::{name}", guest.name);
            trials.push(Trial { name, run: Box::new(move || test(guest)) });
        }
    }
    trial::main(trials)
}

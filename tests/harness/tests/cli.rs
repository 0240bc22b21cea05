//! Bad input to the emulator: one clear line on standard error, the exit codes of qemu-user and of
//! a shell, no panic, no crash of its own. What a file has to do with it is tried with files of
//! every guest.

use anyarch_harness::guests::{GUESTS, Guest, STATIC_PIE};
use anyarch_harness::trial::{self, Trial};
use anyarch_harness::{TempDir, emulator, run, target_dir};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

/// What is expected of a call.
struct Case {
    name: &'static str,
    /// Arguments; `@` stands for the file made by `file`.
    args: &'static [&'static str],
    /// Makes the file from a good static executable's bytes.
    file: fn(&mut Vec<u8>),
    status: i32,
    /// What the line must contain besides the file's name.
    says: &'static str,
}

const CASES: &[Case] = &[
    Case { name: "no program", args: &[], file: |_| {}, status: 1, says: "usage" },
    Case { name: "unknown option", args: &["-frobnicate", "@"], file: |_| {}, status: 1, says: "frobnicate" },
    Case { name: "option without value", args: &["-L"], file: |_| {}, status: 1, says: "-L" },
    Case {
        name: "missing program",
        args: &["/nonexistent/program"],
        file: |_| {},
        status: 127,
        says: "/nonexistent/program",
    },
    Case { name: "empty file", args: &["@"], file: |f| f.clear(), status: 255, says: "" },
    Case { name: "text", args: &["@"], file: |f| *f = b"just text\n".to_vec(), status: 255, says: "" },
    Case { name: "cut in the ELF header", args: &["@"], file: |f| f.truncate(40), status: 255, says: "" },
    Case {
        name: "cut in the program headers",
        args: &["@"],
        file: |f| f.truncate(70),
        status: 255,
        says: "",
    },
    Case { name: "other architecture", args: &["@"], file: |f| f[18] = 0x15, status: 255, says: "" },
    Case { name: "other class", args: &["@"], file: |f| f[4] ^= 3, status: 255, says: "" },
    Case { name: "big endian", args: &["@"], file: |f| f[5] = 2, status: 255, says: "" },
    Case {
        name: "program headers beyond the end",
        args: &["@"],
        file: |f| header(f, PHOFF, u64::MAX),
        status: 255,
        says: "",
    },
    Case {
        name: "program header size",
        args: &["@"],
        file: |f| header(f, PHENTSIZE, 1),
        status: 255,
        says: "",
    },
    Case { name: "no program headers", args: &["@"], file: |f| header(f, PHNUM, 0), status: 255, says: "" },
    Case { name: "object file", args: &["@"], file: |f| f[16] = 1, status: 255, says: "" },
];

/// A change to an ELF file.
type Change = fn(&mut Vec<u8>);

/// Files that may end in any way but a hang or a crash of the emulator itself (a guest's own fault
/// ends it by the signal).
const HOSTILE: &[(&str, Change)] = &[
    ("entry in nothing", |f| header(f, ENTRY, 0xdead_0000)),
    ("entry in the emulator", |f| header(f, ENTRY, 0x7000_0001_0000)),
    ("segment over the emulator", |f| segment(f, VADDR, 0x7000_0000_0000)),
    ("segment at the end of memory", |f| segment(f, VADDR, 0xffff_ffff_ffff_0000)),
    ("segment of huge memory size", |f| segment(f, MEMSZ, 0x7fff_ffff_ffff_ffff)),
    ("segment of huge file size", |f| segment(f, FILESZ, 0x7fff_ffff_ffff_ffff)),
    ("segment offset beyond the end", |f| segment(f, OFFSET, 0x7fff_0000)),
    ("segment alignment of 3", |f| segment(f, ALIGN, 3)),
    ("65535 program headers", |f| header(f, PHNUM, 0xffff)),
    ("cut in the first segment", |f| f.truncate(5000)),
];

/// Random changes of a small executable's headers: (name, linker's options).
const MUTATED: &[(&str, &[&str])] =
    &[("static", &["-static"]), ("static_pie", STATIC_PIE), ("with_loader", &["-pie", LOADER])];
/// The loader of the last is the first, by a link beside it.
const LOADER: &str = "-Wl,--dynamic-linker=loader";
const MUTATIONS: usize = 120;

/// A program without a C library, which ends at once from its entry and by a fault from nearly
/// everywhere else.
fn small(guest: &Guest) -> String {
    format!(
        ".globl _start\n_start: {}\n .fill 64, 4, 0\n.data\n.fill 64, 8, 0\n.bss\n.skip 9000\n",
        guest.exit_3
    )
}

/// Runs a small executable again and again, with its headers changed by chance (the same at each
/// run of the test).
fn mutated(guest: &Guest, options: &[&str]) -> Result<(), String> {
    let dir = TempDir::new();
    let link = |options: &[&str], out: &str| {
        std::fs::write(dir.path().join("small.S"), small(guest)).map_err(|e| e.to_string())?;
        let o = Command::new(guest.compiler(false))
            .args(["-nostdlib", "-o", out, "small.S"])
            .args(options)
            .current_dir(dir.path())
            .output()
            .map_err(|e| e.to_string())?;
        let text = String::from_utf8_lossy(&o.stderr).into_owned();
        if o.status.success() { Ok(()) } else { Err(text) }
    };
    link(STATIC_PIE, "loader")?;
    link(options, "good")?;
    let good = std::fs::read(dir.path().join("good")).map_err(|e| e.to_string())?;
    let headers = get(&good, PHOFF) + get(&good, PHENTSIZE) * get(&good, PHNUM);
    let mut seed = 12u64;
    let mut next = |n: usize| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as usize % n
    };
    for round in 0..MUTATIONS {
        let mut bytes = good.clone();
        let mut changes = Vec::new();
        for _ in 0..if round == 0 { 0 } else { 1 + next(4) } {
            // A byte, or a whole field of a header, gets a value that is likely to be at some
            // border.
            let value = [0, 1, 0x7f, 0x80, 0xff, 0x10, 0x40, next(256)][next(8)] as u8;
            let at = 4 + next(headers - 4);
            if next(3) == 0 {
                let field = at & !7;
                let words = [
                    0,
                    u64::MAX,
                    1 << 63,
                    1 << 47,
                    (1 << 47) - 4096,
                    4096,
                    0x7000_0000_0000,
                    1 << 32,
                    0x7fff_f000,
                ];
                let word = words[next(words.len())];
                let from = field.max(4);
                bytes[from..field + 8].copy_from_slice(&word.to_le_bytes()[from - field..]);
                changes.push(format!("{field:#x}: {word:#x}"));
            } else {
                bytes[at] = value;
                changes.push(format!("{at:#x}: {value:#x}"));
            }
        }
        if next(10) == 0 && round != 0 {
            bytes.truncate(next(bytes.len()));
            changes.push(format!("cut to {}", bytes.len()));
        }
        let path = write(dir.path(), &bytes)?;
        let mut c = Command::new(emulator());
        c.arg(&path).current_dir(dir.path());
        let got = run(&c, Duration::from_secs(20)).map_err(|e| e.to_string())?;
        if round == 0 && got.status != 3 {
            return Err(format!("unchanged: {got:?}"));
        }
        decently_ended(&got).map_err(|e| format!("round {round}, {changes:?}: {e}"))?;
    }
    Ok(())
}

/// Refused with a line, or started and ended by its own fault, or not hurt at all.
fn decently_ended(got: &anyarch_harness::Outcome) -> Result<(), String> {
    let refused = matches!(got.status, 255 | 126) && got.stderr.lines().count() == 1;
    let own_fault = matches!(got.status, 132 | 133 | 135 | 137 | 139) || got.status == 3;
    if (refused || own_fault) && !got.stderr.contains("internal error") {
        Ok(())
    } else {
        Err(format!("{got:?}"))
    }
}

/// An emulator with the set-user-ID bit, started by root: the program is told (AT_SECURE), and what
/// the caller put into the environment for the emulator has no effect. The same way a program with
/// that bit is started through binfmt_misc with its flag C.
fn secure(guest: &Guest) -> Result<(), String> {
    use std::os::unix::fs::{PermissionsExt, chown};
    let dir = TempDir::new();
    let text = |e: std::io::Error| e.to_string();
    let (source, program, copy) =
        (dir.path().join("a.c"), dir.path().join("program"), dir.path().join("emulator"));
    std::fs::write(
        &source,
        "#include <stdlib.h>\n#include <unistd.h>\n#include <sys/auxv.h>\n#include <sys/prctl.h>\n\
         int main(void) { return getauxval(AT_SECURE) << 3 | (geteuid() == 65534) << 2 | (getauxval(AT_EUID) == 65534) << 1 | \
         (getenv(\"SET\") || prctl(PR_GET_SECCOMP) || getppid() < 0); }\n",
    )
    .map_err(text)?;
    let status =
        Command::new(guest.compiler(false)).arg("-static").arg("-o").arg(&program).arg(&source).status();
    status.map_err(text)?;
    // By another process: one of ours that another test starts meanwhile would hold the new file
    // open for writing, and it could not be executed.
    Command::new("cp").arg(emulator()).arg(&copy).status().map_err(text)?;
    chown(&copy, Some(65534), None).map_err(text)?;
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o4755)).map_err(text)?;
    for d in [dir.path(), &program] {
        std::fs::set_permissions(d, std::fs::Permissions::from_mode(0o755)).map_err(text)?;
    }
    let mut c = Command::new(&copy);
    // It may not write where it is, so that it would say so.
    c.args(["-perfmap", "-jitdump"]).arg(&program).current_dir("/");
    for (name, value) in [
        ("QEMU_SET_ENV", "SET=1"),
        ("QEMU_STRACE", "1"),
        ("QEMU_LD_PREFIX", "/nonexistent"),
        ("QEMU_LOG_FILENAME", "/nonexistent/file"),
        ("ANYARCH_SECCOMP", "0006000000050001"),
    ] {
        c.env(name, value);
    }
    let got = run(&c, Duration::from_secs(30)).map_err(text)?;
    if got.status == 14 && got.stderr.is_empty() { Ok(()) } else { Err(format!("{got:?}")) }
}

/// `-D`: the log goes to a file, also from children and after a change of directory, and is emptied
/// at the start.
fn log_file(bytes: &[u8]) -> Result<(), String> {
    let dir = TempDir::new();
    let path = write(dir.path(), bytes)?;
    let log = dir.path().join("log");
    for _ in 0..2 {
        let mut c = Command::new(emulator());
        c.args(["-strace", "-D", "log"]).arg(&path).current_dir(dir.path());
        let got = run(&c, Duration::from_secs(30)).map_err(|e| e.to_string())?;
        let text = std::fs::read_to_string(&log).map_err(|e| e.to_string())?;
        if got.status != 3 || !got.stderr.is_empty() || text.matches("exit_group(").count() != 1 {
            return Err(format!("{got:?}: {text}"));
        }
    }
    let mut c = Command::new(emulator());
    c.args(["-strace", "-D", "/nonexistent/file"]).arg(&path).current_dir(dir.path());
    let got = run(&c, Duration::from_secs(30)).map_err(|e| e.to_string())?;
    if got.status == 1 && got.stderr.lines().count() == 1 { Ok(()) } else { Err(format!("{got:?}")) }
}

/// A field of a header: where it is and how long, in a 64-bit file and in a 32-bit one.
type Field = [(usize, usize); 2];
const ENTRY: Field = [(24, 8), (24, 4)];
const PHOFF: Field = [(32, 8), (28, 4)];
const PHENTSIZE: Field = [(54, 2), (42, 2)];
const PHNUM: Field = [(56, 2), (44, 2)];
const OFFSET: Field = [(8, 8), (4, 4)];
const VADDR: Field = [(16, 8), (8, 4)];
const FILESZ: Field = [(32, 8), (16, 4)];
const MEMSZ: Field = [(40, 8), (20, 4)];
const ALIGN: Field = [(48, 8), (28, 4)];

/// A field of the header at `base`.
fn place(f: &[u8], base: usize, field: Field) -> std::ops::Range<usize> {
    let (at, size) = field[(f[4] == 1) as usize];
    base + at..base + at + size
}

fn set(f: &mut [u8], base: usize, field: Field, value: u64) {
    let place = place(f, base, field);
    let size = place.len();
    f[place].copy_from_slice(&value.to_le_bytes()[..size]);
}

fn get(f: &[u8], field: Field) -> usize {
    f[place(f, 0, field)].iter().rev().fold(0, |value, &byte| value << 8 | byte as usize)
}

/// Sets a field of the file header.
fn header(f: &mut [u8], field: Field, value: u64) {
    set(f, 0, field, value);
}

/// Sets a field of the first PT_LOAD.
fn segment(f: &mut [u8], field: Field, value: u64) {
    for i in 0..get(f, PHNUM) {
        let at = get(f, PHOFF) + get(f, PHENTSIZE) * i;
        if f[at] == 1 {
            return set(f, at, field, value);
        }
    }
}

/// A good static executable.
fn good(guest: &Guest) -> Result<Vec<u8>, String> {
    let out: PathBuf = target_dir().join(format!("cli-good-{}-{}", guest.name, std::process::id()));
    let dir = TempDir::new();
    let source = dir.path().join("good.c");
    std::fs::write(&source, "int main(void) { return 3; }\n").map_err(|e| e.to_string())?;
    let status = Command::new(guest.compiler(false)).arg("-static").arg("-o").arg(&out).arg(&source).status();
    let bytes = std::fs::read(&out).map_err(|e| format!("{status:?}: {e}"))?;
    let _ = std::fs::remove_file(&out);
    Ok(bytes)
}

fn write(dir: &Path, bytes: &[u8]) -> Result<PathBuf, String> {
    let path = dir.join("file");
    std::fs::write(&path, bytes).map_err(|e| e.to_string())?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&path, mode).map_err(|e| e.to_string())?;
    Ok(path)
}

fn call(args: &[&str], bytes: &[u8]) -> Result<anyarch_harness::Outcome, String> {
    let dir = TempDir::new();
    let path = write(dir.path(), bytes)?;
    let mut c = Command::new(emulator());
    for a in args {
        if *a == "@" {
            c.arg(&path)
        } else {
            c.arg(a)
        };
    }
    c.current_dir(dir.path());
    run(&c, Duration::from_secs(30)).map_err(|e| e.to_string())
}

fn check(case: &Case, bytes: &[u8]) -> Result<(), String> {
    let mut bytes = bytes.to_vec();
    (case.file)(&mut bytes);
    let got = call(case.args, &bytes)?;
    let lines = got.stderr.lines().count();
    let named = !case.args.contains(&"@") || case.status == 1 || got.stderr.contains("file");
    let one_line = lines == 1 || case.says == "usage" || case.status == 1;
    if got.status == case.status
        && got.stdout.is_empty()
        && one_line
        && named
        && got.stderr.to_lowercase().contains(&case.says.to_lowercase())
    {
        return Ok(());
    }
    Err(format!(
        "expected status {}, one line that names the file and says {:?}; got {got:?}",
        case.status, case.says
    ))
}

fn missing_loader(guest: &Guest) -> Result<(), String> {
    let dir = TempDir::new();
    let (source, out) = (dir.path().join("a.c"), dir.path().join("file"));
    std::fs::write(&source, "int main(void) { return 3; }\n").map_err(|e| e.to_string())?;
    let flag = "-Wl,--dynamic-linker=/nonexistent/loader.so";
    Command::new(guest.compiler(false))
        .arg(flag)
        .arg("-o")
        .arg(&out)
        .arg(&source)
        .status()
        .map_err(|e| e.to_string())?;
    let got = run(Command::new(emulator()).arg(&out), Duration::from_secs(30)).map_err(|e| e.to_string())?;
    let line = got.stderr.lines().count() == 1 && got.stderr.contains("/nonexistent/loader.so");
    // As a shell says where execve gives ENOENT; qemu-user ends with 255.
    if line && got.status == 127 { Ok(()) } else { Err(format!("{got:?}")) }
}

fn not_executable() -> Result<(), String> {
    let dir = TempDir::new();
    let path = dir.path().join("file");
    std::fs::create_dir(&path).map_err(|e| e.to_string())?;
    let got = run(Command::new(emulator()).arg(&path), Duration::from_secs(30)).map_err(|e| e.to_string())?;
    if got.status == 126 && got.stderr.lines().count() == 1 { Ok(()) } else { Err(format!("{got:?}")) }
}

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for (n, guest) in GUESTS.iter().enumerate() {
        let bytes: &'static [u8] = match good(guest) {
            Ok(bytes) => bytes.leak(),
            Err(e) => {
                eprintln!("{}: {e}", guest.compiler(false));
                return ExitCode::from(101);
            }
        };
        let mut add = |name: &str, run: Box<dyn Fn() -> Result<(), String> + Send + Sync>| {
            trials.push(Trial { name: format!("cli::{}::{}", guest.name, name.replace(' ', "_")), run });
        };
        add(
            "good",
            Box::new(|| {
                let got = call(&["@"], bytes)?;
                if got.status == 3 && got.stderr.is_empty() { Ok(()) } else { Err(format!("{got:?}")) }
            }),
        );
        // Those without a file are the same for all guests.
        for case in CASES.iter().filter(|case| n == 0 || case.args.contains(&"@")) {
            add(case.name, Box::new(|| check(case, bytes)));
        }
        if n == 0 {
            add("not executable", Box::new(not_executable));
        }
        for (name, change) in HOSTILE {
            add(
                name,
                Box::new(|| {
                    let mut b = bytes.to_vec();
                    change(&mut b);
                    decently_ended(&call(&["@"], &b)?)
                }),
            );
        }
        for (name, options) in MUTATED {
            add(&format!("mutated {name}"), Box::new(|| mutated(guest, options)));
        }
        // Only root can give a file to somebody else.
        // SAFETY: no memory is involved.
        if unsafe { libc::geteuid() } == 0 {
            add("secure", Box::new(|| secure(guest)));
        }
        add("log file", Box::new(|| log_file(bytes)));
        add("missing loader", Box::new(|| missing_loader(guest)));
    }
    trial::main(trials)
}

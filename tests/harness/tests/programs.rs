//! One test per program and way of linking: see `tests/README.md` for the convention.

use anyarch_harness::trial::{self, Trial};
use anyarch_harness::{Outcome, TempDir, debian, emulator, run, tests_dir};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

const SYSROOT: &str = "/usr/aarch64-linux-gnu";

#[derive(Default)]
struct Program {
    source: PathBuf,
    name: String,
    flags: Vec<String>,
    host_flags: Vec<String>,
    guest_flags: Vec<String>,
    variants: Vec<String>,
    args: Vec<String>,
    exit: i32,
    timeout: u64,
    guest_only: bool,
    oracle: bool,
    fails: Option<String>,
    glibc: bool,
    /// How the program does on the host, found once for all variants.
    host: OnceLock<Result<Outcome, String>>,
}

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for (folder, variants) in
        [("programs", "static dynamic musl musl-dynamic interp"), ("syscalls", "static musl")]
    {
        let mut sources: Vec<PathBuf> = std::fs::read_dir(tests_dir().join(folder))
            .into_iter()
            .flatten()
            .flatten()
            .map(|e| e.path())
            .filter(|p| p.extension().is_some_and(|e| e == "c" || e == "cc"))
            .collect();
        sources.sort();
        for source in sources {
            let program = Arc::new(read(&source, folder, variants));
            for variant in &program.variants {
                let (program, variant) = (program.clone(), variant.clone());
                let name = format!("{}::{variant}", program.name);
                trials.push(Trial { name, run: Box::new(move || check(&program, &variant)) });
            }
        }
    }
    trial::main(trials)
}

fn read(source: &Path, folder: &str, variants: &str) -> Program {
    let text = std::fs::read_to_string(source).expect("a source file is readable");
    let stem = source.file_stem().unwrap_or_default().to_string_lossy();
    let words = |s: &str| s.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let mut p = Program {
        source: source.to_path_buf(),
        name: format!("{folder}::{stem}"),
        variants: words(variants),
        timeout: 60,
        ..Program::default()
    };
    for line in text.lines().filter_map(|l| l.strip_prefix("//@ ")) {
        let (key, value) = line.split_once(':').map_or((line, ""), |(k, v)| (k, v.trim()));
        match key.trim() {
            "flags" => p.flags = words(value),
            "host-flags" => p.host_flags = words(value),
            "guest-flags" => p.guest_flags = words(value),
            "variants" => p.variants = words(value),
            "args" => p.args = words(value),
            "exit" => p.exit = value.parse().unwrap_or_else(|_| panic!("{}: exit: {value}", p.name)),
            "timeout" => p.timeout = value.parse().unwrap_or_else(|_| panic!("{}: timeout: {value}", p.name)),
            "guest-only" => p.guest_only = true,
            "oracle" => p.oracle = true,
            "glibc" => p.glibc = true,
            "fails" => p.fails = Some(value.to_owned()),
            _ => panic!("{}: unknown line `//@ {line}`", p.name),
        }
    }
    if p.glibc {
        p.variants.retain(|v| !v.starts_with("musl"));
    }
    p
}

/// Debian's musl, fetched once.
fn musl() -> Result<&'static Path, String> {
    static ROOT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    ROOT.get_or_init(debian::musl_arm64).as_deref().map_err(Clone::clone)
}

/// Turns the cross compiler, whose C library is glibc, to musl. `-l` of what musl has in one file finds empty archives.
fn musl_flags(dynamic: bool) -> Result<Vec<String>, String> {
    let root = musl()?;
    let include = Command::new("aarch64-linux-gnu-gcc")
        .arg("-print-file-name=include")
        .output()
        .map_err(|e| format!("aarch64-linux-gnu-gcc: {e}"))?;
    let include = String::from_utf8_lossy(&include.stdout).trim().to_owned();
    let (root, lib) = (root.display(), root.join("usr/lib/aarch64-linux-musl"));
    let lib = lib.display();
    // The compiler's own start-up code and its helpers for atomics ask glibc about the processor.
    let mut flags = vec!["-nostdinc".into(), "-nostdlib".into(), "-mno-outline-atomics".into()];
    for dir in [format!("{root}/usr/include/aarch64-linux-musl"), include, format!("{root}/kernel-headers")] {
        flags.extend(["-isystem".into(), dir]);
    }
    flags.extend([format!("-L{lib}"), format!("{lib}/crti.o"), format!("{lib}/crtn.o")]);
    flags.extend(if dynamic {
        vec![
            "-pie".into(),
            "-fPIE".into(),
            "-Wl,--dynamic-linker=/lib/ld-musl-aarch64.so.1".into(),
            format!("{lib}/Scrt1.o"),
            format!("{root}/lib/aarch64-linux-musl/libc.so"),
            "-lgcc".into(),
        ]
    } else {
        let group = ["-static", "-Wl,--start-group", "-lc", "-lgcc", "-lgcc_eh", "-Wl,--end-group"];
        let mut all = vec![format!("{lib}/crt1.o")];
        all.extend(group.map(String::from));
        all
    });
    Ok(flags)
}

fn build(p: &Program, variant: &str, out: &Path) -> Result<(), String> {
    let cxx = p.source.extension().is_some_and(|e| e == "cc");
    let mut c = Command::new(match (variant, cxx) {
        ("host", false) => "gcc",
        ("host", true) => "g++",
        (_, false) => "aarch64-linux-gnu-gcc",
        (_, true) => "aarch64-linux-gnu-g++",
    });
    c.args(["-O2", "-Wall", "-fsigned-char", "-D_GNU_SOURCE", "-pthread", "-o"])
        .arg(out)
        .arg(&p.source)
        .args(&p.flags);
    match variant {
        "host" => c.args(&p.host_flags),
        _ => c.args(&p.guest_flags),
    };
    match variant {
        "host" | "dynamic" => c.arg("-lm"),
        "static" | "interp" => c.args(["-static", "-lm"]),
        "static-pie" => c.args(["-static-pie", "-lm"]),
        "no-pie" => c.args(["-no-pie", "-lm"]),
        "musl" => c.args(musl_flags(false)?),
        "musl-dynamic" => c.args(musl_flags(true)?),
        other => return Err(format!("unknown variant {other}")),
    };
    let built = c.output().map_err(|e| format!("{:?}: {e}", c.get_program()))?;
    if built.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&built.stderr).into_owned()) }
}

fn execute(p: &Program, mut command: Command, program: &Path) -> Result<Outcome, String> {
    let cwd = TempDir::new();
    command
        .args(&p.args)
        .current_dir(cwd.path())
        .env("TEST_SELF", program)
        .env("LC_ALL", "C")
        .env_remove("LD_PRELOAD");
    run(&command, Duration::from_secs(p.timeout)).map_err(|e| e.to_string())
}

fn host(p: &Program) -> Result<Outcome, String> {
    let dir = TempDir::new();
    let exe = dir.path().join("program");
    if p.guest_only {
        let expected = std::fs::read_to_string(p.source.with_extension("out")).unwrap_or_default();
        return Ok(Outcome { status: p.exit, stdout: expected, stderr: String::new() });
    }
    let command = if p.oracle {
        build(p, "static", &exe)?;
        let mut c = Command::new("qemu-aarch64-static");
        c.arg(&exe);
        c
    } else {
        build(p, "host", &exe)?;
        Command::new(&exe)
    };
    let outcome = execute(p, command, &exe)?;
    if outcome.status != p.exit {
        return Err(format!(
            "fails on the host, status {}:\n{}{}",
            outcome.status, outcome.stdout, outcome.stderr
        ));
    }
    Ok(outcome)
}

fn guest(p: &Program, variant: &str) -> Result<(), String> {
    let expected = p.host.get_or_init(|| host(p)).as_ref().map_err(Clone::clone)?;
    let dir = TempDir::new();
    let exe = dir.path().join("program");
    build(p, variant, &exe)?;
    let mut command = Command::new(emulator());
    match variant {
        "dynamic" | "no-pie" => _ = command.args(["-L", SYSROOT]),
        "interp" => _ = command.args(["-d", "interp"]),
        "musl-dynamic" => _ = command.arg("-L").arg(musl()?),
        _ => {}
    }
    command.arg(&exe);
    let got = execute(p, command, &exe)?;
    if got.status == expected.status && got.stdout == expected.stdout {
        return Ok(());
    }
    Err(format!(
        "expected status {}:\n{}\ngot status {}{}:\n{}{}",
        expected.status,
        cut(&expected.stdout),
        got.status,
        if got.status == -1 { " (time limit)" } else { "" },
        cut(&got.stdout),
        cut(&got.stderr)
    ))
}

fn check(p: &Program, variant: &str) -> Result<(), String> {
    match (guest(p, variant), &p.fails) {
        (Ok(()), None) | (Err(_), Some(_)) => Ok(()),
        (Ok(()), Some(reason)) => Err(format!("passes, but is listed as failing: {reason}")),
        (Err(e), None) => Err(e),
    }
}

/// The end of a long text.
fn cut(text: &str) -> &str {
    let mut start = text.len().saturating_sub(3000);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

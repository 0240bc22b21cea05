//! One test per program, guest and way of linking: see `tests/README.md` for the convention.

use anyarch_harness::guests::{self, GUESTS, Guest, OTHER_ABIS, STATIC_PIE};
use anyarch_harness::trial::{self, Trial};
use anyarch_harness::{Outcome, TempDir, emulator_command, run, tests_dir};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The compiler's prefix for the host's programs of 32 bits.
const NARROW_HOST: &str = "i686-linux-gnu";

/// What a program is built for.
#[derive(Clone, Copy)]
enum Target<'a> {
    Host,
    Guest(&'static Guest, &'a str),
}

#[derive(Default)]
struct Program {
    source: PathBuf,
    name: String,
    flags: Vec<String>,
    host_flags: Vec<String>,
    /// By the name of a guest or of its ABI.
    guest_flags: Vec<(String, String)>,
    variants: Vec<String>,
    args: Vec<String>,
    exit: i32,
    timeout: u64,
    /// The one guest that it is for.
    guest_only: Option<&'static Guest>,
    /// Guests that it is not for.
    not_guests: Vec<String>,
    /// It is not for the host.
    not_host: bool,
    /// It is for guests whose addresses have 32 bits, and for the host as a program of 32 bits.
    narrow: bool,
    oracle: bool,
    fails: Option<String>,
    glibc: bool,
    /// How the program does on the host, found once for all guests and variants.
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
            let abis = GUESTS.iter().chain(OTHER_ABIS);
            for guest in abis.filter(|g| program.guest_only.is_none_or(|only| only.name == g.name)) {
                if program.not_guests.iter().any(|not| [guest.name, guest.debian].contains(&not.as_str()))
                    || program.narrow && guest.bits != 32
                {
                    continue;
                }
                let variants = program.variants.iter().filter(|v| is_run(guest, folder, v));
                for variant in variants.filter(|v| !guest.not_linked.contains(&v.as_str())) {
                    let (program, variant) = (program.clone(), variant.clone());
                    let name = format!("{}::{}::{variant}", program.name, guest.label());
                    trials.push(Trial { name, run: Box::new(move || check(&program, guest, &variant)) });
                }
            }
        }
    }
    trial::main(trials)
}

/// Whether a way of linking is tried now ([`Guest::always`]).
fn is_run(guest: &Guest, folder: &str, variant: &str) -> bool {
    match variant {
        _ if guest.always => true,
        "interp" => false,
        _ if std::env::var_os("ANYARCH_ALL").is_some() => true,
        "static" => GUESTS.contains(guest) || folder == "programs",
        "dynamic" | "musl" => GUESTS.contains(guest) && folder == "programs",
        _ => false,
    }
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
            "variants" => p.variants = words(value),
            "args" => p.args = words(value),
            "exit" => p.exit = value.parse().unwrap_or_else(|_| panic!("{}: exit: {value}", p.name)),
            "timeout" => p.timeout = value.parse().unwrap_or_else(|_| panic!("{}: timeout: {value}", p.name)),
            "guest-only" if value == "any" => p.not_host = true,
            "guest-only" => {
                p.not_host = true;
                p.guest_only =
                    Some(guests::by_name(value).unwrap_or_else(|| panic!("{}: no guest {value}", p.name)));
            }
            key if key.strip_prefix("not-").and_then(guests::by_name).is_some() => {
                assert!(value.len() > 10, "{}: {key}: why?", p.name);
                p.not_guests.extend(key.strip_prefix("not-").map(str::to_owned));
            }
            "narrow" => p.narrow = true,
            "oracle" => p.oracle = true,
            "glibc" => p.glibc = true,
            "fails" => p.fails = Some(value.to_owned()),
            key => match key.strip_suffix("-flags").filter(|name| guests::by_name(name).is_some()) {
                Some(name) => {
                    p.guest_flags.extend(words(value).into_iter().map(|flag| (name.to_owned(), flag)))
                }
                None => panic!("{}: unknown line `//@ {line}`", p.name),
            },
        }
    }
    if p.glibc {
        p.variants.retain(|v| !v.starts_with("musl"));
    }
    p
}

/// Turns the cross compiler, whose C library is glibc, to musl, for one of its variants. `-l` of
/// what musl has in one file finds empty archives.
fn musl_flags(guest: &'static Guest, variant: &str) -> Result<Vec<String>, String> {
    let root = guest.musl_root()?;
    let compiler = guest.compiler(false);
    let include = Command::new(&compiler)
        .arg("-print-file-name=include")
        .output()
        .map_err(|e| format!("{compiler}: {e}"))?;
    let include = String::from_utf8_lossy(&include.stdout).trim().to_owned();
    let [loader, triple] = guest.musl;
    let (root, lib) = (root.display(), root.join("usr/lib").join(triple));
    let lib = lib.display();
    let mut flags = vec!["-nostdinc".into(), "-nostdlib".into()];
    flags.extend(guest.musl_flags.iter().map(|f| f.to_string()));
    for dir in [format!("{root}/usr/include/{triple}"), include, format!("{root}/kernel-headers")] {
        flags.extend(["-isystem".into(), dir]);
    }
    flags.extend([format!("-L{lib}"), format!("{lib}/crti.o"), format!("{lib}/crtn.o")]);
    flags.extend(if variant == "musl-dynamic" {
        vec![
            "-pie".into(),
            "-fPIE".into(),
            format!("-Wl,--dynamic-linker=/lib/ld-musl-{loader}.so.1"),
            format!("{lib}/Scrt1.o"),
            guest.musl_library()?.display().to_string(),
            "-lgcc".into(),
        ]
    } else {
        let (how, begin): (&[&[&str]], _) = match variant {
            "musl-static-pie" => (&[&["-fPIE"], STATIC_PIE], "rcrt1.o"),
            _ => (&[&["-static"]], "crt1.o"),
        };
        let group = ["-Wl,--start-group", "-lc", "-lgcc", "-lgcc_eh", "-Wl,--end-group"];
        let mut all = vec![format!("{lib}/{begin}")];
        all.extend(how.iter().copied().flatten().chain(&group).map(|flag| flag.to_string()));
        all
    });
    Ok(flags)
}

fn build(p: &Program, target: Target<'_>, out: &Path) -> Result<(), String> {
    let cxx = p.source.extension().is_some_and(|e| e == "cc");
    let mut c = Command::new(match target {
        Target::Host if p.narrow => format!("{NARROW_HOST}-{}", if cxx { "g++" } else { "gcc" }),
        Target::Host => if cxx { "g++" } else { "gcc" }.to_owned(),
        Target::Guest(guest, _) => guest.compiler(cxx),
    });
    c.args(["-O2", "-Wall", "-fsigned-char", "-D_GNU_SOURCE", "-pthread", "-o"])
        .arg(out)
        .arg(&p.source)
        .args(&p.flags);
    match target {
        Target::Host if p.narrow => c.args(&p.host_flags).args(["-static", "-lm"]),
        Target::Host => c.args(&p.host_flags).arg("-lm"),
        Target::Guest(guest, variant) => {
            if !variant.starts_with("musl") && !p.narrow {
                c.args(guest.glibc_flags);
            }
            c.args(
                p.guest_flags
                    .iter()
                    .filter(|(name, _)| [guest.name, guest.debian].contains(&name.as_str()))
                    .map(|(_, flag)| flag),
            );
            match variant {
                "dynamic" => c.arg("-lm"),
                "static" | "interp" => c.args(["-static", "-lm"]),
                "static-pie" => c.args(["-static-pie", "-lm"]),
                "no-pie" => c.args(["-no-pie", "-lm"]),
                "musl" | "musl-static-pie" | "musl-dynamic" => c.args(musl_flags(guest, variant)?),
                other => return Err(format!("unknown variant {other}")),
            }
        }
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
    let patience = std::env::var("ANYARCH_PATIENCE").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    run(&command, Duration::from_secs(p.timeout * patience)).map_err(|e| e.to_string())
}

fn host(p: &Program) -> Result<Outcome, String> {
    let dir = TempDir::new();
    let exe = dir.path().join("program");
    build(p, Target::Host, &exe)?;
    let outcome = execute(p, Command::new(&exe), &exe).map_err(|e| match p.narrow {
        true => format!("{e} (the kernel must run i386 programs)"),
        false => e,
    })?;
    must_pass(p, outcome)
}

/// The host's part is played by QEMU.
fn oracle(p: &Program, guest: &'static Guest) -> Result<Outcome, String> {
    let dir = TempDir::new();
    let exe = dir.path().join("program");
    build(p, Target::Guest(guest, "static"), &exe)?;
    let mut command = Command::new(guest.qemu());
    command.arg(&exe);
    must_pass(p, execute(p, command, &exe)?)
}

fn must_pass(p: &Program, outcome: Outcome) -> Result<Outcome, String> {
    if outcome.status == p.exit {
        return Ok(outcome);
    }
    Err(format!("fails on the host, status {}:\n{}{}", outcome.status, outcome.stdout, outcome.stderr))
}

fn expected(p: &Program, guest: &'static Guest) -> Result<Outcome, String> {
    if p.oracle {
        return oracle(p, guest);
    }
    if p.not_host {
        let stdout = std::fs::read_to_string(p.source.with_extension("out")).unwrap_or_default();
        return Ok(Outcome { status: p.exit, stdout, stderr: String::new() });
    }
    p.host.get_or_init(|| host(p)).clone()
}

fn guest(p: &Program, guest: &'static Guest, variant: &str) -> Result<(), String> {
    let expected = expected(p, guest)?;
    let dir = TempDir::new();
    let exe = dir.path().join("program");
    build(p, Target::Guest(guest, variant), &exe)?;
    let mut command = emulator_command();
    match variant {
        "dynamic" | "no-pie" => _ = command.arg("-L").arg(guest.sysroot()),
        "interp" => _ = command.args(["-d", "interp"]),
        "musl-dynamic" => _ = command.arg("-L").arg(guest.musl_root()?),
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

fn check(p: &Program, on: &'static Guest, variant: &str) -> Result<(), String> {
    match (guest(p, on, variant), &p.fails) {
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

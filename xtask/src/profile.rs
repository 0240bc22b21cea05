//! `cargo xtask profile`: the profile that the emulator is built with.
//!
//! What a short program waits for is mostly the emulator itself, translating: how the compiler
//! orders its code counts as much as what it does. So an emulator that counts runs shells and
//! interpreters of every guest, and the counts become `packaging/profile/emulator.profdata`, which
//! `packaging/profile/rustc` gives the compiler. A function that has changed since is built as if
//! there were no profile; so is everything by another compiler.
//!
//! The counters are in the emulator's memory. Every program stops itself at its end, and they are
//! read from there: LLVM's own runtime library would need a C library, which the emulator has not.

use crate::{bench, dist, packages};
use anyarch_harness::debian::cache_dir;
use anyarch_harness::guests::{GUESTS, Guest};
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
use std::time::{Duration, Instant};

/// Programs, which end by stopping themselves. The last is given `bench/train.py`.
const PROGRAMS: &[&[&str]] = &[
    &["/bin/sh", "-c", "kill -STOP $$"],
    &["/bin/sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do /bin/true; done; kill -STOP $$"],
    &["/bin/bash", "-c", "kill -STOP $$"],
    &[
        "/bin/bash",
        "-c",
        "for i in {1..200}; do x=$((i * 2)); done; echo $(echo $x) >/dev/null; kill -STOP $$",
    ],
    &["/usr/bin/perl", "-e", "kill 'STOP', $$"],
    &["/usr/bin/python3", "-c", "import os; os.kill(os.getpid(), 19)"],
    &["/usr/bin/python3"],
];

/// How long a program may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// The command.
///
/// # Errors
/// What failed.
pub(crate) fn main(rest: &[OsString]) -> Result<ExitCode, String> {
    if !rest.is_empty() {
        return Err("profile has no arguments".into());
    }
    packages::need(&[packages::BUILD, packages::DEBIAN])?;
    let sysroot = text(Command::new("rustc").args(["--print", "sysroot"]))?;
    let merge = Path::new(sysroot.trim()).join("lib/rustlib/x86_64-unknown-linux-gnu/bin/llvm-profdata");
    if !merge.exists() {
        return Err("no llvm-profdata: rustup component add llvm-tools".into());
    }
    let work = crate::target()?.join("for-profile");
    let raw = work.join("raw");
    let _ = fs::remove_dir_all(&raw);
    fs::create_dir_all(&raw).map_err(|e| format!("{}: {e}", raw.display()))?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--locked", "--release", "-p", "anyarch-emu", "--target-dir"]);
    build.arg(&work).env("ANYARCH_PROFILE", "make").current_dir(crate::workspace());
    crate::run(&mut build)?;
    let emulator = work.join("release/anyarch-emu");
    let places = Places::of(&emulator)?;
    for guest in GUESTS {
        let root = bench::unpacked(&cache_dir()?.join("bench"), guest.debian, guest.suite)?;
        for (i, program) in PROGRAMS.iter().enumerate() {
            let profile = count(&emulator, &places, guest, &root, program)?;
            let file = raw.join(format!("{}-{i}.profraw", guest.name));
            fs::write(&file, profile).map_err(|e| format!("{}: {e}", file.display()))?;
        }
        println!("{}: {} programs", guest.name, PROGRAMS.len());
    }
    let folder = crate::workspace().join("packaging/profile");
    let mut all = Command::new(merge);
    // With the functions that were never called: they are kept small.
    all.args(["merge", "-o"]).arg(folder.join("emulator.profdata")).arg(&raw);
    crate::run(&mut all)?;
    let compiler = text(Command::new("rustc").arg("--version"))?;
    fs::write(folder.join("compiler"), &compiler).map_err(|e| e.to_string())?;
    fs::write(folder.join("settings"), settings()?).map_err(|e| e.to_string())?;
    println!("packaging/profile/emulator.profdata, for {}", compiler.trim());
    Ok(ExitCode::SUCCESS)
}

/// The settings in `[profile.release]` of Cargo.toml: a profile fits those that it was made with.
fn settings() -> Result<String, String> {
    let file = crate::workspace().join("Cargo.toml");
    let manifest = fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    let part = manifest.split("\n[").find(|part| part.starts_with("profile.release]"));
    let lines = part.ok_or("Cargo.toml has no [profile.release]")?.lines();
    Ok(lines
        .filter(|line| line.contains('=') && !line.starts_with('#'))
        .fold(String::new(), |all, line| all + line + "\n"))
}

/// What a command prints.
fn text(command: &mut Command) -> Result<String, String> {
    Ok(String::from_utf8_lossy(&dist::output(command)?).into_owned())
}

/// A section: its address and its bytes.
type Section = (u64, usize);

/// Where an emulator that counts has what a profile consists of.
struct Places {
    names: Section,
    counters: Section,
    data: Section,
}

impl Places {
    fn of(emulator: &Path) -> Result<Places, String> {
        let file = fs::read(emulator).map_err(|e| format!("{}: {e}", emulator.display()))?;
        let find = |name| section(&file, name).ok_or(format!("{}: no {name}", emulator.display()));
        Ok(Places {
            names: find("__llvm_prf_names")?,
            counters: find("__llvm_prf_cnts")?,
            data: find("__llvm_prf_data")?,
        })
    }
}

/// A section of an ELF file of 64 bits.
fn section(file: &[u8], wanted: &str) -> Option<Section> {
    let number = |at: usize, bytes: usize| {
        let mut value = [0; 8];
        value[..bytes].copy_from_slice(file.get(at..at + bytes)?);
        Some(u64::from_le_bytes(value) as usize)
    };
    let (table, size) = (number(0x28, 8)?, number(0x3a, 2)?);
    let header = |i: usize| table + i * size;
    let names = number(header(number(0x3e, 2)?) + 0x18, 8)?;
    (0..number(0x3c, 2)?).find_map(|i| {
        let name = file.get(names + number(header(i), 4)?..)?;
        let is_it = name.starts_with(wanted.as_bytes()) && name.get(wanted.len()) == Some(&0);
        is_it.then_some((number(header(i) + 0x10, 8)? as u64, number(header(i) + 0x20, 8)?))
    })
}

/// Bytes of `__llvm_profile_data`, a function's record.
const RECORD: usize = 64;
/// LLVM's INSTR_PROF_RAW_VERSION, and its bit for counters in the intermediate representation.
const VERSION: u64 = 10 | 1 << 56;

/// Runs a program under an emulator that counts; a raw profile, as LLVM's InstrProfData.inc has it.
fn count(
    emulator: &Path,
    places: &Places,
    guest: &Guest,
    root: &Path,
    program: &[&str],
) -> Result<Vec<u8>, String> {
    let said = |e| format!("{}, {}: {e}", guest.name, program.join(" "));
    let mut command = Command::new(emulator);
    command.arg("-L").arg(root).arg(root.join(program[0].trim_start_matches('/'))).args(&program[1..]);
    if program.len() == 1 {
        command.arg(crate::workspace().join("bench/train.py"));
    }
    let mut child = command.spawn().map_err(|e| said(e.to_string()))?;
    let read = wait_until_stopped(&mut child).and_then(|()| {
        let memory = File::open(format!("/proc/{}/mem", child.id())).map_err(|e| e.to_string())?;
        let get = |(address, bytes): Section| {
            let mut content = vec![0; bytes];
            memory.read_exact_at(&mut content, address).map_err(|e| e.to_string())?;
            Ok::<_, String>(content)
        };
        Ok((get(places.data)?, get(places.counters)?, get(places.names)?))
    });
    let _ = child.kill();
    let _ = child.wait();
    let (data, counters, names) = read.map_err(said)?;
    let magic = u64::from_be_bytes(*b"\xfflprofr\x81");
    let delta = places.counters.0.wrapping_sub(places.data.0);
    let header = [
        magic,
        VERSION,
        0,
        (data.len() / RECORD) as u64,
        0,
        counters.len() as u64 / 8,
        0,
        0,
        0,
        names.len() as u64,
        delta,
        0,
        places.names.0,
        0,
        0,
        // The last kind of values, of which none are counted.
        2,
    ];
    let mut profile: Vec<u8> = header.iter().flat_map(|word| word.to_le_bytes()).collect();
    for part in [data, counters, names] {
        profile.extend(part);
        profile.resize(profile.len().next_multiple_of(8), 0);
    }
    Ok(profile)
}

fn wait_until_stopped(child: &mut Child) -> Result<(), String> {
    let (start, stat) = (Instant::now(), PathBuf::from(format!("/proc/{}/stat", child.id())));
    while start.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().map_err(|e| e.to_string())? {
            return Err(format!("ended with {status} and did not stop"));
        }
        let line = fs::read_to_string(&stat).map_err(|e| e.to_string())?;
        if line.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(format!("did not stop within {} s", PATIENCE.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// What `packaging/profile/rustc` gives a compiler of this version that is asked for `crate_name`.
    fn flags(version: &str, crate_name: &str, more: &str, env: &[(&str, &str)]) -> String {
        let folder = anyarch_harness::TempDir::new();
        let compiler = folder.path().join("rustc");
        let script = "#!/bin/sh\n[ \"$*\" = --version ] && echo \"$VERSION\" || echo \"$@\"\n";
        fs::write(&compiler, script).unwrap();
        fs::set_permissions(&compiler, fs::Permissions::from_mode(0o755)).unwrap();
        let mut c = Command::new(crate::workspace().join("packaging/profile/rustc"));
        c.arg(&compiler).args(["--crate-name", crate_name, "-C", "opt-level=2", "-C", "panic=abort"]);
        c.args(more.split_whitespace()).env("VERSION", version).env_remove("ANYARCH_RUSTC_FLAGS");
        text(c.env_remove("ANYARCH_PROFILE").envs(env.iter().copied())).unwrap()
    }

    #[test]
    fn the_emulators_crates_are_built_with_the_profile() {
        let version = fs::read_to_string(crate::workspace().join("packaging/profile/compiler")).unwrap();
        let version = version.trim();
        let with = "-Cprofile-use=";
        assert!(flags(version, "anyarch_engine", "", &[]).contains(with));
        let named = flags(version, "anyarch_engine", "-C metadata=3de0c43665bee139", &[]);
        assert!(named.contains("metadata=anyarch"), "functions' names depend on no number of cargo's");
        assert!(!flags(version, "anyarch", "", &[]).contains(with), "the host tool has none");
        assert!(!flags(version, "anyarch_engine", "--target aarch64-unknown-linux-gnu", &[]).contains(with));
        assert!(!flags("rustc 1.0.0", "anyarch_engine", "", &[]).contains(with), "another compiler");
        let made = flags(version, "anyarch_engine", "", &[("ANYARCH_PROFILE", "make")]);
        assert!(made.contains("-Cprofile-generate") && !made.contains(with));
        for name in ["anyarch_engine", "serde_json"] {
            let told = flags(version, name, "", &[("ANYARCH_RUSTC_FLAGS", "--a=b c\n--d")]);
            assert!(told.trim_end().ends_with("--a=b c --d"), "{told}");
        }
    }

    #[test]
    fn the_profile_is_one_of_todays_settings() {
        let made = fs::read_to_string(crate::workspace().join("packaging/profile/settings")).unwrap();
        assert_eq!(settings().unwrap(), made, "cargo xtask profile makes it anew");
    }

    #[test]
    fn sections_are_found() {
        let me = fs::read("/proc/self/exe").unwrap();
        let (address, bytes) = section(&me, ".comment").unwrap();
        assert!(address == 0 && bytes > 0 && bytes < 0x1_0000, "{address:#x} {bytes:#x}");
        assert!(section(&me, ".text").unwrap().1 > 0x1000);
        assert_eq!(section(&me, ".tex"), None);
    }
}

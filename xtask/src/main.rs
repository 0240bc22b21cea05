//! The project's own commands, run as `cargo xtask COMMAND`.

mod bench;
mod check_packages;
mod debian;
mod dist;
mod docker;
mod neutral;
mod packages;
mod profile;
mod registration;
mod sbom;
mod site;
mod soak;

use anyarch_harness::debian::cache_dir;
use anyarch_harness::guests::{self, GUESTS, Guest};
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

const USAGE: &str = "\
usage: cargo xtask COMMAND

  test [ARGUMENT...]
                 cargo test ARGUMENT..., of the whole workspace if no -p PACKAGE is among them
  debian [--guest NAME] [COMMAND...]
                 builds anyarch, makes a Debian of the guest once, and runs COMMAND in it (default: tells what it is)
  fuzz [--guest NAME] [--row NAME] [--count N] [--seed N] [--through interp|translator|again] [--reference NAME] [--list]
                 instructions of a guest on random operands against QEMU
  bench [--guest NAME] [--quick] [--list] [--emulator PATH] [--before PATH] [--json FILE] [--debootstrap N] [NAME...]
                 native, QEMU and anyarch side by side; N times the second stage of debootstrap (needs root)
  registration [--runs N] [--script FILE] [--anyarch FILE]
                 qemu-binfmt-conf.sh of Debian's QEMU and anyarch side by side: what they write, and how long they take
  e2e [--guest NAME]... [--suite NAME] [--keep DIR] [--only-base] [--no-docker] [--emulator PATH]
                 makes and uses a Debian of every guest through binfmt_misc and docker, all at once (needs root)
  soak [--guest NAME]... [--minutes N] [--no-debian] [--emulator PATH] [--list] [LOAD...]
                 an hour of mixed load under the emulator: answers as native ones, nothing that grows (a Debian needs root)
  check-host-neutral [NAME...]
                 builds the emulator for arm64 in a Debian sid, and runs the static test programs of all guests (whose names contain NAME)
                 with it, under the emulator for this machine (needs root and Linux 6.7)
  dist [--executables DIR] [--arm64 DIR] [--no-arm64] [--no-image] [DIR]
                 builds a release in DIR (target/dist): tarball, .deb, .rpm and list of crates for x86-64 and for arm64 hosts, images, sums;
                 for arm64 it needs root, or rustup target add aarch64-unknown-linux-gnu
  check-packages [--executables DIR] [--arm64 DIR] [--no-arm64]
                 makes a release twice and compares the bytes; installs, upgrades, removes and purges its .deb in Debians of its own, for
                 arm64 hosts too; runs install.sh and the action's script (needs root and Linux 6.7)
  check-docker [--executables DIR]
                 images of several platforms in one call of buildx, with the docker of a Debian sid (needs root and Linux 6.7)
  site [DIR]     the documents as pages for a browser in DIR/book (target/site), links checked; mdbook is the machine's, or else that
                 of a Debian sid (needs root)
  profile        counts what the emulator does in some programs of every guest: packaging/profile/emulator.profdata, which it is
                 built with
  setup          only installs what the commands need

Every command installs the Debian packages that it needs: as root, or by sudo if you say yes on the terminal.
Guests are named as the kernel or Debian names them. The default is the first of tests/harness/src/guests.rs, and for e2e and soak arm64 and riscv64.
";

/// What the commands need, benchmarks included.
const EVERYTHING: &[packages::Purpose] = &[
    packages::BUILD,
    packages::DEBIAN,
    packages::PROGRAMS,
    packages::ORACLE,
    packages::HOST_TOOL,
    packages::CONTAINERS,
    packages::PACKAGES,
];

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let command = args.next().unwrap_or_default();
    let rest: Vec<OsString> = args.collect();
    match command.to_str() {
        Some("fuzz") => told(fuzz(rest)),
        Some("test") => told(test(&rest)),
        Some("setup") => told(packages::need(EVERYTHING).map(|()| ExitCode::SUCCESS)),
        Some("bench") => bench::main(&rest),
        Some("bench-worker") => bench::worker(&rest),
        Some("bench-stage") => bench::stage_worker(&rest),
        Some("registration") => registration::main(&rest),
        Some("registration-worker") => registration::worker(&rest),
        Some("debian") => told(run_in_debian(rest)),
        Some("debian-tree") => told(make_debian(&rest)),
        Some("e2e") => told(e2e(rest)),
        Some("soak") => told(soak::main(rest)),
        Some("check-host-neutral") => told(neutral::main(&rest)),
        Some("dist") => told(dist::main(rest)),
        Some("check-packages") => told(check_packages::main(rest)),
        Some("check-docker") => told(docker::main(rest)),
        Some("site") => told(site::main(&rest)),
        Some("profile") => told(profile::main(&rest)),
        Some("help" | "-h" | "--help") => {
            print!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => {
            eprint!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// The guest's instruction oracle, with its own arguments.
fn fuzz(mut args: Vec<OsString>) -> Result<ExitCode, String> {
    let guest = take_guests(&mut args)?.first().copied().unwrap_or(&GUESTS[0]);
    // Without an argument of the oracle's own it would run as the test that it is.
    if !args.iter().any(|a| a == "--count") {
        args.extend(["--count".into(), "2000".into()]);
    }
    let package = format!("anyarch-{}", guest.name);
    let command = ["test", "--quiet", "-p", &package, "--test", "oracle", "--profile", "fast", "--"];
    Ok(cargo(&command, &args))
}

/// An error ends the command.
fn told(result: Result<ExitCode, String>) -> ExitCode {
    result.unwrap_or_else(|e| {
        eprintln!("xtask: {e}");
        ExitCode::FAILURE
    })
}

/// The workspace's folder.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

/// Builds these packages; the folder they are in.
fn build(profile: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(&cargo);
    command.args(["build", "--quiet", "--profile", profile]).current_dir(workspace());
    for package in packages {
        command.args(["-p", package]);
    }
    run(&mut command).map_err(|e| format!("{e}: {} do not build", packages.join(", ")))?;
    Ok(target()?.join(profile))
}

/// Cargo's target folder: this executable lies in target/PROFILE.
fn target() -> Result<PathBuf, String> {
    let me = std::env::current_exe().map_err(|e| e.to_string())?;
    Ok(me.ancestors().nth(2).ok_or("xtask lies in target/PROFILE")?.to_path_buf())
}

/// Takes every `NAME VALUE` out of the arguments.
fn take_option(args: &mut Vec<OsString>, name: &str) -> Result<Vec<OsString>, String> {
    let mut values = Vec::new();
    while let Some(i) = args.iter().position(|a| a == name) {
        if i + 1 == args.len() {
            return Err(format!("{name} needs a value"));
        }
        values.push(args.remove(i + 1));
        args.remove(i);
    }
    Ok(values)
}

/// Takes a word out of the arguments; whether it was there.
fn take_flag(args: &mut Vec<OsString>, name: &str) -> bool {
    let before = args.len();
    args.retain(|a| a != name);
    args.len() < before
}

/// The guests that `--guest` names.
fn take_guests(args: &mut Vec<OsString>) -> Result<Vec<&'static Guest>, String> {
    let known = || GUESTS.iter().map(|g| g.name).collect::<Vec<_>>().join(", ");
    take_option(args, "--guest")?
        .iter()
        .map(|name| {
            let name = name.to_string_lossy();
            guests::by_name(&name).ok_or_else(|| format!("no guest {name}; there are {}", known()))
        })
        .collect()
}

/// What binfmt_misc compares for a guest: magic and mask as its register line has them.
fn binfmt_match(guest: &Guest) -> Result<String, String> {
    let family = anyarch_binfmt::family::by_name(guest.name).ok_or("no row in the families")?;
    let digits = |bytes: Vec<u8>| bytes.iter().map(|b| format!("\\x{b:02x}")).collect::<String>();
    Ok(format!("{}:{}", digits(family.magic()), digits(family.mask())))
}

/// All tests of the workspace, or those of the packages that the arguments name.
fn test(rest: &[OsString]) -> Result<ExitCode, String> {
    packages::need(packages::TESTS)?;
    let chosen = rest.iter().any(|a| a == "-p" || a == "--package");
    Ok(cargo(if chosen { &["test"] } else { &["test", "--workspace"] }, rest))
}

/// The end-to-end test of all guests at once: much of its time goes to the network and to single
/// threads. Lines begin with the guest.
fn e2e(mut rest: Vec<OsString>) -> Result<ExitCode, String> {
    let mut chosen = take_guests(&mut rest)?;
    let suite = take_option(&mut rest, "--suite")?.pop();
    if chosen.is_empty() {
        chosen.extend(GUESTS.iter().filter(|g| g.always));
    }
    if chosen.len() > 1 && (suite.is_some() || rest.iter().any(|a| a == "--keep")) {
        return Err("--suite and --keep are for one --guest".into());
    }
    packages::need(&[packages::DEBIAN, packages::CONTAINERS])?;
    let emulator = match take_option(&mut rest, "--emulator")?.pop() {
        Some(path) => path.into(),
        None => build("release", &["anyarch-emu", "anyarch"])?.join("anyarch-emu"),
    };
    let mut running = Vec::new();
    for guest in chosen {
        let mut child = Command::new(workspace().join("tests/e2e/run.sh"))
            .arg(&emulator)
            .args(["--machine", guest.machine, "--arch", guest.debian, "--platform", guest.platform])
            .args(["--match", &binfmt_match(guest)?, "--suite"])
            .arg(suite.as_deref().unwrap_or(guest.suite.as_ref()))
            .args(&rest)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("run.sh: {e}"))?;
        let out = child.stdout.take().ok_or("no pipe")?;
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                // What cargo's test programs print, so that whoever counts results finds these.
                match line.strip_prefix("test ") {
                    Some(test) if !line.starts_with("test result") => {
                        println!("test {}: {test}", guest.label())
                    }
                    _ => println!("{line}"),
                }
            }
        });
        running.push((child, reader));
    }
    let mut good = true;
    for (mut child, reader) in running {
        good &= child.wait().map_err(|e| format!("run.sh: {e}"))?.success();
        let _ = reader.join();
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs a command in a Debian of a guest, which is made from the mirror at the first call: its
/// packages are unpacked by debootstrap and then configured by their own programs, under our
/// emulator.
fn run_in_debian(mut command: Vec<OsString>) -> Result<ExitCode, String> {
    let guest = match command.first() {
        // Behind the command's name everything is the command's.
        Some(first) if first == "--guest" => {
            let rest = command.split_off(command.len().min(2));
            take_guests(&mut std::mem::replace(&mut command, rest))?[0]
        }
        _ => &GUESTS[0],
    };
    packages::need(&[packages::BUILD, packages::DEBIAN])?;
    let built = build("release", &["anyarch", "anyarch-emu"])?;
    let tree = cache_dir()?.join(debian_name(guest));
    if !debian::is_made(&tree) {
        const WHY: &str = "a Debian is made by root";
        if !packages::is_root() && !packages::asked(&format!("{WHY}. Make it with sudo?")) {
            return Err(format!("{WHY}: run this command as root once, or on a terminal, with sudo"));
        }
        let mut cache = OsString::from("XDG_CACHE_HOME=");
        cache.push(cache_dir()?.parent().unwrap_or(Path::new("/")));
        let me = std::env::current_exe().map_err(|e| e.to_string())?;
        let mut make = packages::as_root("env");
        run(make.arg(cache).arg(me).args(["debian-tree", guest.debian]).arg(built.join("anyarch-emu")))?;
    }
    let mut c = Command::new(built.join("anyarch"));
    c.arg("run").arg(tree).arg("--");
    if command.is_empty() {
        c.args([
            "/bin/sh",
            "-c",
            "grep PRETTY_NAME /etc/os-release; uname -m; perl -e 'print \"perl $^V\\n\"'; dpkg -l | wc -l",
        ]);
    } else {
        c.args(command);
    }
    Ok(status(&mut c))
}

/// The folder of a guest's Debian.
fn debian_name(guest: &Guest) -> String {
    format!("debian-{}", guest.debian)
}

/// Root's part of [`run_in_debian`]: GUEST EMULATOR.
fn make_debian(args: &[OsString]) -> Result<ExitCode, String> {
    let [guest, emulator] = args else { return Err("debian-tree takes two words".into()) };
    let guest = guests::by_name(&guest.to_string_lossy()).ok_or("no such guest")?;
    debian::Tree::new(&debian_name(guest), guest.debian, guest.suite, Some(Path::new(emulator)))?;
    Ok(ExitCode::SUCCESS)
}

/// Runs a command that must succeed.
fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    match command.status() {
        Ok(s) if s.success() => Ok(()),
        Ok(s) => Err(format!("{name}: {s}")),
        Err(e) => Err(format!("{name}: {e}")),
    }
}

/// Runs cargo; its exit status.
fn cargo(args: &[&str], rest: &[OsString]) -> ExitCode {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    status(Command::new(cargo).args(args).args(rest))
}

fn status(command: &mut Command) -> ExitCode {
    match command.status() {
        Ok(status) => ExitCode::from(status.code().unwrap_or(1) as u8),
        Err(e) => {
            eprintln!("xtask: {:?}: {e}", command.get_program());
            ExitCode::FAILURE
        }
    }
}

//! Programs of several guests, and native ones, that start each other and talk: every pair.

use anyarch_harness::guests::{GUESTS, OTHER_ABIS};
use anyarch_harness::trial::{self, Trial};
use anyarch_harness::{TempDir, emulator_command, run, tests_dir};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

/// Builds the program for the host and for all guests; returns their names and files.
fn build(dir: &Path) -> Result<Vec<(&'static str, PathBuf)>, String> {
    let abis = GUESTS.iter().chain(OTHER_ABIS).map(|g| (g.label(), g.compiler(false)));
    let mut built = Vec::new();
    for (name, compiler) in abis.chain([("host", "gcc".to_owned())]) {
        let program = dir.join(name);
        let mut c = Command::new(&compiler);
        c.args(["-O2", "-Wall", "-D_GNU_SOURCE", "-static", "-o"]).arg(&program);
        let output =
            c.arg(tests_dir().join("together/talk.c")).output().map_err(|e| format!("{compiler}: {e}"))?;
        if !output.status.success() {
            return Err(format!("{compiler}: {}", String::from_utf8_lossy(&output.stderr)));
        }
        built.push((name, program));
    }
    Ok(built)
}

/// The first starts the second.
fn talk(first: (&str, &Path), second: &Path) -> Result<(), String> {
    let cwd = TempDir::new();
    let mut command = if first.0 == "host" { Command::new(first.1) } else { emulator_command() };
    if first.0 != "host" {
        command.arg(first.1);
    }
    command.arg(second).current_dir(cwd.path());
    let got = run(&command, Duration::from_secs(60)).map_err(|e| e.to_string())?;
    if got.status == 5 { Ok(()) } else { Err(format!("{got:?}")) }
}

fn main() -> ExitCode {
    let dir: &'static TempDir = Box::leak(Box::new(TempDir::new()));
    let programs: &'static [_] = match build(dir.path()) {
        Ok(programs) => programs.leak(),
        Err(e) => {
            eprintln!("{e}");
            return ExitCode::from(101);
        }
    };
    let mut trials = Vec::new();
    for (first, program) in programs {
        // A native program starts no guest's without a registered handler.
        for (second, other) in programs.iter().filter(|(second, _)| *first != "host" || *second == "host") {
            trials.push(Trial {
                name: format!("together::{first}::{second}"),
                run: Box::new(move || talk((first, program), other)),
            });
        }
    }
    let code = trial::main(trials);
    let _ = std::fs::remove_dir_all(dir.path());
    code
}

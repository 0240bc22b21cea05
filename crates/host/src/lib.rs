//! `anyarch`: the host tool. It registers emulators with the kernel, verifies and repairs the registration, and runs
//! foreign programs and containers.
//!
//! Each command is a module that returns an exit code or a [`failure::Failure`]; words are printed where they arise,
//! failures once, here.

pub mod cli;
pub mod elf;
pub mod engine;
pub mod explain;
pub mod failure;
pub mod idmap;
pub mod persist;
pub mod register;
pub mod run;
pub mod sandbox;
pub mod terminal;
pub mod ui;

use std::process::ExitCode;

/// The program.
pub fn main() -> ExitCode {
    let matches = match cli::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            // Help and version are no failures.
            let _ = error.print();
            return ExitCode::from(error.exit_code() as u8);
        }
    };
    match cli::dispatch(&matches) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            eprintln!("{} {failure}", ui::Paint::Red.on_stderr("anyarch:"));
            ExitCode::from(failure.code as u8)
        }
    }
}

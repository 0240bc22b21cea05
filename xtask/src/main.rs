//! The project's own commands, run as `cargo xtask COMMAND`.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

const USAGE: &str = "\
usage: cargo xtask COMMAND

  fuzz [--row NAME] [--cases N] [--seed N] [--sequences N] [--through interp|translator|both] [--list]
                 instructions on random operands against QEMU
";

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let command = args.next().unwrap_or_default();
    let rest: Vec<OsString> = args.collect();
    match command.to_str() {
        Some("fuzz") => cargo(
            &["run", "--quiet", "-p", "anyarch-oracle", "--bin", "fuzz", "--profile", "fast", "--"],
            &rest,
        ),
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

/// Runs cargo; its exit status.
fn cargo(args: &[&str], rest: &[OsString]) -> ExitCode {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    match Command::new(cargo).args(args).args(rest).status() {
        Ok(status) => ExitCode::from(status.code().unwrap_or(1) as u8),
        Err(e) => {
            eprintln!("xtask: cargo: {e}");
            ExitCode::FAILURE
        }
    }
}

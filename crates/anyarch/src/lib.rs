//! `anyarch`: the host tool. It registers emulators with the kernel, verifies and repairs the
//! registration, and runs foreign programs and containers.
//!
//! Each command is a module of [`commands`] that returns an exit code or a [`failure::Failure`];
//! words are printed where they arise, failures once, here.

// First, because every module prints by its macros.
#[macro_use]
mod ui;

mod cli;
mod commands;
mod container;
pub mod elf;
mod emulators;
pub mod failure;
pub mod oci;
pub mod sandbox;
mod temporary;

use failure::{Code, OrFail};
use std::process::ExitCode;

/// The program. What it cannot print does not keep it from its work: with Rust's ignored SIGPIPE, a
/// pipe without a reader is an error like a full disk, and both are told at the end.
pub fn main() -> ExitCode {
    let mut args = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned());
    if let Some(personality) = args.next().as_deref().and_then(commands::compat::Personality::of_executable) {
        let dir = std::path::Path::new(anyarch_binfmt::instance::DEFAULT_DIR);
        return finish(Ok(personality.run(&args.collect::<Vec<_>>(), dir)));
    }
    let matches = match cli::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            // What is wrong is said with the arguments, which are printed as any text that is not
            // ours: of escaped ones the same is wrong.
            let args = std::env::args_os().map(|arg| ui::plain(&arg.to_string_lossy()).into_owned());
            let error = cli::command().try_get_matches_from(args).err().unwrap_or(error);
            // Help and version are no failures, unless they cannot be printed.
            let printed = error.print();
            let result = match printed {
                Err(lost) if !error.use_stderr() => {
                    Err(lost).or_fail(Code::Failed, || "cannot write to standard output".into())
                }
                _ => Ok(error.exit_code() as u8),
            };
            return finish(result);
        }
    };
    finish(cli::dispatch(&matches))
}

/// Prints a failure; the exit code. One of the work is the more important one.
fn finish(result: failure::Result<u8>) -> ExitCode {
    let flushed = ui::flush();
    let complain = |failure: &failure::Failure| {
        eprintln!("{} {failure}", ui::Paint::Red.on_stderr("anyarch:"));
        failure.code as u8
    };
    let code = match &result {
        Ok(code) => *code,
        Err(failure) => complain(failure),
    };
    let lost = flushed.err().map(|failure| complain(&failure));
    ExitCode::from(if code == 0 { lost.unwrap_or(0) } else { code })
}

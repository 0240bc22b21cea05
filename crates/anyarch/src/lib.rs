//! `anyarch`: the host tool. It registers emulators with the kernel, verifies and repairs the registration, and runs
//! foreign programs and containers.
//!
//! Each command is a module of [`commands`] that returns an exit code or a [`failure::Failure`]; words are printed where they arise,
//! failures once, here.

// First, because every module prints by its macros.
#[macro_use]
pub mod ui;

pub mod cli;
pub mod commands;
pub mod elf;
pub mod emulators;
pub mod failure;
pub mod oci;
pub mod sandbox;
pub mod temporary;

use std::process::ExitCode;

/// The program.
pub fn main() -> ExitCode {
    // Rust ignores SIGPIPE, and then `anyarch status | head` would panic.
    // SAFETY: sets a default action before anything else runs; sockets are written to without the signal.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    let mut args = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned());
    if let Some(personality) = args.next().as_deref().and_then(commands::compat::Personality::of_executable) {
        let dir = std::path::Path::new(anyarch_binfmt::instance::DEFAULT_DIR);
        return ExitCode::from(personality.run(&args.collect::<Vec<_>>(), dir));
    }
    let matches = match cli::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            // What is wrong is said with the arguments, which are printed as any text that is not
            // ours: of escaped ones the same is wrong.
            let args = std::env::args_os().map(|arg| ui::plain(&arg.to_string_lossy()).into_owned());
            let error = cli::command().try_get_matches_from(args).err().unwrap_or(error);
            // Help and version are no failures.
            let _ = error.print();
            return ExitCode::from(error.exit_code() as u8);
        }
    };
    finish(cli::dispatch(&matches))
}

/// Prints a failure; the exit code.
fn finish(result: failure::Result<u8>) -> ExitCode {
    match result {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            eprintln!("{} {failure}", ui::Paint::Red.on_stderr("anyarch:"));
            ExitCode::from(failure.code as u8)
        }
    }
}

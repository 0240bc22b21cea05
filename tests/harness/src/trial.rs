//! A test runner for tests that are found at run time, with the output and the arguments that
//! `cargo test` has.
//!
//! (libtest-mimic does this, but needs procedural macros, which cannot be built with the static C
//! run-time that the workspace asks for.)

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// One test.
pub struct Trial {
    /// Its name.
    pub name: String,
    /// What it does; the error is shown.
    pub run: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
}

/// Runs the tests that the command line selects.
pub fn main(trials: Vec<Trial>) -> ExitCode {
    let (mut filters, mut skip, mut exact, mut list) = (Vec::new(), Vec::new(), false, false);
    let mut threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--exact" => exact = true,
            "--list" => list = true,
            "--skip" => skip.extend(args.next()),
            "--test-threads" => threads = args.next().and_then(|n| n.parse().ok()).unwrap_or(threads),
            "--format" | "--color" | "-Z" => drop(args.next()),
            _ if arg.starts_with('-') => {}
            _ => filters.push(arg),
        }
    }
    let matches = |name: &str, f: &String| if exact { name == f } else { name.contains(f.as_str()) };
    let all = trials.len();
    let trials: Vec<Trial> = trials
        .into_iter()
        .filter(|t| filters.is_empty() || filters.iter().any(|f| matches(&t.name, f)))
        .filter(|t| !skip.iter().any(|f| matches(&t.name, f)))
        .collect();
    if list {
        trials.iter().for_each(|t| println!("{}: test", t.name));
        return ExitCode::SUCCESS;
    }
    println!("\nrunning {} tests", trials.len());
    let started = Instant::now();
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(t) = trials.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = catch_unwind(AssertUnwindSafe(|| (t.run)()))
                        .unwrap_or_else(|_| Err("panicked".into()));
                    println!("test {} ... {}", t.name, if result.is_ok() { "ok" } else { "FAILED" });
                    if let Err(e) = result {
                        failed.lock().unwrap_or_else(|e| e.into_inner()).push((&t.name, e));
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().unwrap_or_else(|e| e.into_inner());
    failed.sort();
    if !failed.is_empty() {
        println!("\nfailures:\n");
        failed.iter().for_each(|(name, e)| println!("---- {name} ----\n{e}\n"));
        println!("\nfailures:");
        failed.iter().for_each(|(name, _)| println!("    {name}"));
    }
    let bad = failed.len();
    println!(
        "\ntest result: {}. {} passed; {bad} failed; 0 ignored; 0 measured; {} filtered out; finished in {:.2}s\n",
        if bad == 0 { "ok" } else { "FAILED" },
        trials.len() - bad,
        all - trials.len(),
        started.elapsed().as_secs_f64()
    );
    if bad == 0 { ExitCode::SUCCESS } else { ExitCode::from(101) }
}

//! `fuzz [--row NAME] [--cases N] [--seed N] [--sequences N] [--loops N] [--through interp] [--list]`: the oracle by hand.

use anyarch_oracle::check::{Options, run};
use anyarch_oracle::ours::Through;

fn main() {
    let mut options = Options::from_env(2000);
    options.verbose = true;
    let mut list = false;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().unwrap_or_else(|| usage(&format!("{arg} needs a value")));
        match arg.as_str() {
            "--row" => options.row = Some(value()),
            "--cases" => options.cases = value().parse().unwrap_or_else(|_| usage("--cases NUMBER")),
            "--seed" => options.seed = value().parse().unwrap_or_else(|_| usage("--seed NUMBER")),
            "--sequences" => {
                options.sequences = value().parse().unwrap_or_else(|_| usage("--sequences NUMBER"))
            }
            "--loops" => options.loops = value().parse().unwrap_or_else(|_| usage("--loops NUMBER")),
            "--through" => {
                let name = value();
                options.through = match name.as_str() {
                    "both" => Through::ALL.to_vec(),
                    _ => vec![
                        Through::parse(&name).unwrap_or_else(|| usage("--through interp|translator|both")),
                    ],
                };
            }
            "--list" => list = true,
            _ => usage(&format!("unknown argument {arg}")),
        }
    }
    let report = run(&options).unwrap_or_else(|e| {
        eprintln!("fuzz: {e}");
        std::process::exit(1)
    });
    if list {
        for (row, t) in &report.rows {
            println!(
                "{row}: {} cases, {} undefined on both sides, {} excluded, {} differ",
                t.cases, t.undefined, t.excluded, t.bad
            );
        }
    }
    let (text, ok) = report.text();
    print!("{text}");
    std::process::exit(if ok { 0 } else { 1 });
}

fn usage(problem: &str) -> ! {
    eprintln!(
        "fuzz: {problem}\nusage: fuzz [--row NAME] [--cases N] [--seed N] [--sequences N] [--loops N] [--through interp|translator|both] [--list]"
    );
    std::process::exit(2)
}

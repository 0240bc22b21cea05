//! The test's `main`: without arguments of the oracle's own a bounded run with a fixed seed, as
//! tests; with them what they ask for.

use crate::check::{Options, run};
use crate::guest::Guest;
use crate::ours::{self, players};
use anyarch_harness::trial::{self, Trial};
use std::process::ExitCode;

const USAGE: &str = "\
usage: oracle [--row NAME] [--count N] [--seed N] [--through PLAYER] [--reference NAME] [--list]

  --row NAME        kinds (rows, sequences) whose names contain NAME
  --count N         cases per row; so many times more of sequences
  --seed N          another seed than the tests'
  --through PLAYER  one of our implementations alone
  --reference NAME  another independent implementation
  --list            how many cases of each kind there were";

/// Cases of each row in the tests.
const CASES: usize = 300;

/// Runs what the command line says. `more` are tests of the guest's own.
pub fn main<G: Guest>(more: Vec<Trial>) -> ExitCode {
    ours::choose::<G>();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let own = ["--row", "--count", "--seed", "--through", "--reference", "--help"];
    if args.iter().any(|a| own.contains(&a.as_str())) {
        return on_demand::<G>(&args).unwrap_or_else(|e| {
            eprintln!("oracle: {e}\n{USAGE}");
            ExitCode::from(2)
        });
    }
    type Kind = (&'static str, fn(usize) -> bool);
    let kinds: [Kind; 2] = [("rows", |times| times == 1), ("sequences", |times| times > 1)];
    let mut trials: Vec<Trial> = kinds
        .into_iter()
        .map(|(name, wanted)| Trial {
            name: format!("oracle::{}::{name}", G::NAME),
            run: Box::new(move || {
                let options = Options::<G> { wanted, ..Options::new(CASES) };
                let (text, ok) = run(&options).map_err(|e| e.to_string())?.text();
                println!("{text}");
                if ok { Ok(()) } else { Err(text) }
            }),
        })
        .collect();
    trials.extend(more);
    trial::main(trials)
}

fn on_demand<G: Guest>(args: &[String]) -> Result<ExitCode, String> {
    let mut options = Options::<G>::new(2000);
    options.verbose = true;
    let mut list = false;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} needs a value"));
        let number = |text: &String| text.parse::<u64>().map_err(|e| format!("{arg} {text}: {e}"));
        match arg.as_str() {
            "--row" => options.row = Some(value()?.clone()),
            "--count" => options.cases = number(value()?)? as usize,
            "--seed" => options.seed = number(value()?)?,
            "--through" => {
                let name = value()?;
                options.players.retain(|p| p.name == name);
                if options.players.is_empty() {
                    let names: Vec<_> = players::<G>().iter().map(|p| p.name).collect();
                    return Err(format!("--through {}", names.join("|")));
                }
            }
            "--reference" => {
                let name = value()?;
                let known: Vec<_> = G::references();
                let names: Vec<_> = known.iter().map(|r| r.name).collect();
                let text = format!("--reference {}", names.join("|"));
                options.reference = known.into_iter().find(|r| r.name == name).ok_or(text)?;
            }
            "--list" => list = true,
            "--help" => {
                println!("{USAGE}");
                return Ok(ExitCode::SUCCESS);
            }
            _ => return Err(format!("unknown argument {arg}")),
        }
    }
    let report = run(&options).map_err(|e| e.to_string())?;
    if list {
        for (row, t) in &report.rows {
            println!(
                "{row}: {} cases, {} undefined on both sides, {} crashed, {} differ",
                t.cases, t.undefined, t.crashed, t.bad
            );
        }
    }
    let (text, ok) = report.text();
    print!("{text}");
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

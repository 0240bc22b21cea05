//! Every row against the other side, a bounded number of cases each. `cargo xtask fuzz` runs more.

use anyarch_oracle::check::{Options, run};

#[test]
fn every_instruction_agrees_with_an_independent_implementation() {
    let mut options = Options::from_env(300);
    options.sequences = 5000;
    let report = run(&options).expect("the runner works");
    let (text, ok) = report.text();
    println!("{text}");
    assert!(ok, "{text}");
}

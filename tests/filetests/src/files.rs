//! The files of cases.
//!
//! ```text
//! # Comments: what the file is about.
//! hosts: v3 v2
//!
//! [name]
//! add x0, x1, x2
//! ret
//! --- v3: 2 guest, 5 host, 20 bytes
//! add x0, x1, x2
//!         lea rbx, [rsi+rdi]
//! ...
//! ```
//!
//! What stands behind `---` is written by the test. Without the line `hosts`, `v3` is meant. A case
//! is one unit, which begins at its first line or at the line that begins with `=>`: what follows
//! its end (a function that is called) is translated only where it is taken in.

use crate::assemble::assemble;
use crate::memory;
use crate::{Arch, HOSTS, Host, print};
use std::path::Path;

/// One case.
struct Case {
    name: String,
    lines: Vec<String>,
}

/// What a file says, without what the test writes.
struct File {
    head: String,
    hosts: Vec<&'static Host>,
    cases: Vec<Case>,
}

fn parse(text: &str) -> Result<File, String> {
    let mut file = File { head: String::new(), hosts: vec![&HOSTS[0]], cases: Vec::new() };
    let mut expected = false;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            file.cases.push(Case { name: name.into(), lines: Vec::new() });
            expected = false;
        } else if line.starts_with("---") {
            expected = true;
        } else if let Some(case) = file.cases.last_mut() {
            if !expected && !line.trim().is_empty() {
                case.lines.push(line.into());
            }
        } else {
            if let Some(hosts) = line.strip_prefix("hosts:") {
                let find = |name| HOSTS.iter().find(|h| h.name == name).ok_or(format!("no host {name}"));
                file.hosts = hosts.split_whitespace().map(find).collect::<Result<_, _>>()?;
            }
            file.head += &format!("{line}\n");
        }
    }
    match file.cases.iter().find(|case| case.lines.is_empty()) {
        Some(case) => Err(format!("[{}] has no lines", case.name)),
        None => Ok(file),
    }
}

/// What the file at `path` is to be.
///
/// # Errors
/// What is wrong with the file, or with its assembly.
pub fn text(arch: &Arch, path: &Path) -> Result<String, String> {
    let old = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
    let file = parse(&old)?;
    let lines: Vec<Vec<String>> = file.cases.iter().map(|case| case.lines.clone()).collect();
    let assembled = assemble(arch, &lines)?;
    let mut texts: Vec<Vec<String>> = Vec::new();
    for host in &file.hosts {
        let units = memory::with(arch, host, &assembled.code, |lister| {
            (assembled.starts.iter())
                .map(|&start| {
                    let unit = lister.unit(start, 0, arch.rows[0].likely, true, 0);
                    print::unit(arch, &unit, &assembled.lines)
                })
                .collect()
        });
        texts.push(units.map_err(|e| e.to_string())?);
    }
    let mut text = file.head.clone();
    for (n, case) in file.cases.iter().enumerate() {
        text += &format!("[{}]\n{}\n", case.name, case.lines.join("\n"));
        for (host, units) in file.hosts.iter().zip(&texts) {
            let same = !std::ptr::eq(units, &texts[0]) && units[n] == texts[0][n];
            text += &format!("--- {}: {}", host.name, if same { "the same\n" } else { &units[n] });
        }
        if n + 1 < file.cases.len() {
            text.push('\n');
        }
    }
    Ok(text)
}

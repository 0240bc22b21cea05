//! The engine's modules stand in an order: each uses only those below it. ARCHITECTURE.md has the
//! order ("The engine, from the ground up"), and this test holds the sources to it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules from the ground up, as ARCHITECTURE.md lists them: the first word of each row of the
/// table, and those behind it that are separated by commas.
fn order() -> Vec<String> {
    let text = fs::read_to_string(root().join("../../ARCHITECTURE.md")).unwrap();
    let (_, section) = text.split_once("## The engine, from the ground up").unwrap();
    let table = section.split("```").nth(1).unwrap();
    // What a row says of its modules stands behind two blanks, or in a row of its own.
    let names = |line: &str| line.split("  ").next().unwrap().to_owned();
    table
        .lines()
        .map(names)
        .filter(|names| !names.is_empty())
        .flat_map(|names| names.split(", ").map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).into()
}

/// The sources of a module: its file, and those in its folder.
fn sources(module: &str) -> Vec<PathBuf> {
    let src = root().join("src");
    let mut found = vec![src.join(format!("{module}.rs"))];
    if let Ok(folder) = fs::read_dir(src.join(module)) {
        found.extend(folder.map(|e| e.unwrap().path()));
    }
    found.retain(|path| path.is_file());
    assert!(!found.is_empty(), "{module}");
    found
}

/// The modules that a text names behind `crate::`, but for comments, tests, and macros (which
/// expand where they are used).
fn used(text: &str) -> BTreeSet<String> {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let code: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap()).collect();
    let mut found = BTreeSet::new();
    for after in code.join("\n").replace("$crate::", "").split("crate::").skip(1) {
        let names = match after.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap().split(',').collect(),
            None => vec![after],
        };
        let word = |s: &str| {
            let s = s.trim_start();
            s[..s.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(s.len())].to_owned()
        };
        found.extend(names.into_iter().map(word));
    }
    found
}

#[test]
fn uses_are_found() {
    let text = "use crate::a::B;\nuse crate::{c, d::E};\n// crate::f\nlet x = crate::g::y; $crate::h!()\n\
                #[cfg(test)]\nmod tests {\n    use crate::i::J;\n}\n";
    assert_eq!(used(text).into_iter().collect::<Vec<_>>(), ["a", "c", "d", "g"]);
}

#[test]
fn each_module_uses_those_below_it() {
    let order = order();
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let declared: BTreeSet<&str> = lib
        .lines()
        .filter_map(|l| l.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'))
        .collect();
    assert_eq!(declared, order.iter().map(String::as_str).collect(), "ARCHITECTURE.md lists the modules");
    let mut wrong = Vec::new();
    for (n, module) in order.iter().enumerate() {
        for source in sources(module) {
            if source.file_stem().is_some_and(|name| name == "tests") {
                continue;
            }
            for other in used(&fs::read_to_string(&source).unwrap()) {
                if order[n + 1..].contains(&other) {
                    wrong.push(format!("{}: {other}", source.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "modules above their users:\n{}", wrong.join("\n"));
}

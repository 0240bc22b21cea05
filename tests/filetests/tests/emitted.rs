//! See the crate's text. To write the files anew:
//! `ANYARCH_BLESS=1 cargo test -p anyarch-filetests`.

use anyarch_filetests::{ARCHS, Arch, HOSTS, compare, dir, files, memory, rows};
use std::collections::BTreeSet;

fn arch(name: &str) -> &'static Arch {
    ARCHS.iter().find(|arch| arch.guest.name == name).unwrap()
}

#[track_caller]
fn check_files(name: &str) {
    let mut wrong = Vec::new();
    let mut count = 0;
    for entry in std::fs::read_dir(dir().join(name)).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "test") {
            count += 1;
            let done = files::text(arch(name), &path).and_then(|text| compare(&path, &text));
            wrong.extend(done.err().map(|e| format!("{}: {e}", path.display())));
        }
    }
    assert!(wrong.is_empty(), "{}\nANYARCH_BLESS=1 writes them anew", wrong.join("\n"));
    assert!(count > 0);
}

#[track_caller]
fn check_rows(name: &str) {
    let arch = arch(name);
    for rules in arch.rows {
        check_table(arch, rules);
    }
}

#[track_caller]
fn check_table(arch: &Arch, rules: &rows::Rules) {
    let path = dir().join(format!("rows-{}{}.tsv", arch.guest.name, rules.suffix));
    if let Err(e) = compare(&path, &rows::text(arch, rules).unwrap()) {
        panic!("{e}\nANYARCH_BLESS=1 writes it anew");
    }
    let text = std::fs::read_to_string(path).unwrap();
    let listed: BTreeSet<&str> = text.lines().skip(1).filter_map(|line| line.split('\t').next()).collect();
    let all: BTreeSet<&str> = rules.rows.iter().map(|row| row.name).collect();
    assert_eq!(listed, all, "rows of the decode table");
    // An encoding that belongs to another row would tell nothing of this one.
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let word = u32::from_str_radix(fields[1], 16).unwrap();
        assert_eq!((rules.name)(word), Some(fields[0]), "{line}");
    }
}

#[test]
fn registers_are_what_the_table_calls_them() {
    for arch in ARCHS {
        let (integers, vectors) = memory::with(arch, &HOSTS[0], &[], |lister| lister.pinned()).unwrap();
        let rules = &arch.rows[0];
        // Where vector registers have fields of their own, the others are integer registers alone.
        let has_own = rules.registers.iter().any(|r| r.0.starts_with('v') && r.1 != r.2);
        for (name, pinned, unpinned) in rules.registers.iter().filter(|r| r.1 != r.2) {
            let maps: &[&[bool]] = match has_own {
                true if name.starts_with('v') => &[&vectors],
                true => &[&integers],
                false => &[&integers, &vectors],
            };
            for map in maps {
                assert!(map[*pinned as usize], "{} {name}", arch.guest.name);
                assert!(!map[*unpinned as usize], "{} {name}", arch.guest.name);
            }
        }
    }
}

#[test]
fn files_aarch64() {
    check_files("aarch64");
}

#[test]
fn files_riscv64() {
    check_files("riscv64");
}

#[test]
fn files_arm() {
    check_files("arm");
}

#[test]
fn rows_arm() {
    check_rows("arm");
}

#[test]
fn rows_aarch64() {
    check_rows("aarch64");
}

#[test]
fn rows_riscv64() {
    check_rows("riscv64");
}

//! Completions, man pages and the reference page, out of the one definition of the command line.

use crate::cli;
use crate::failure::{CODES, Code, OrFail, Result};
use clap::Command;
use std::io::Write;
use std::path::Path;

/// `anyarch completions SHELL`.
pub(crate) fn completions(shell: clap_complete::Shell) -> Result<u8> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), "anyarch", &mut text);
    std::io::stdout().write_all(&text).or_fail(Code::Failed, || "cannot write".into())?;
    Ok(0)
}

/// `anyarch manual [DIR]`: one page per command into a folder, or the main page to stdout.
pub(crate) fn manual(dir: Option<&Path>) -> Result<u8> {
    let command = cli::command();
    let Some(dir) = dir else {
        let page = page(&command, true)?;
        std::io::stdout().write_all(&page).or_fail(Code::Failed, || "cannot write".into())?;
        return Ok(0);
    };
    std::fs::create_dir_all(dir).or_fail(Code::Failed, || format!("cannot make {}", dir.display()))?;
    let mut pages = vec![("anyarch".to_string(), page(&command, true)?)];
    for (words, sub) in commands(&command) {
        let name = format!("anyarch-{}", words.join("-"));
        // The page's title is the whole command.
        let title: &'static str = Box::leak(name.clone().into_boxed_str());
        let whole = sub.clone().name(title).bin_name(format!("anyarch {}", words.join(" ")));
        pages.push((name, page(&whole, false)?));
    }
    for (name, page) in pages {
        let file = dir.join(format!("{name}.1"));
        std::fs::write(&file, page).or_fail(Code::Failed, || format!("cannot write {}", file.display()))?;
    }
    Ok(0)
}

/// Every command and command of a command, with the words that call it.
fn commands(command: &Command) -> Vec<(Vec<String>, &Command)> {
    let shown = |c: &&Command| c.get_name() != "help" && !c.is_hide_set();
    let mut list = Vec::new();
    for sub in command.get_subcommands().filter(shown) {
        let name = sub.get_name().to_string();
        list.push((vec![name.clone()], sub));
        let inner = commands(sub).into_iter();
        list.extend(inner.map(|(words, c)| ([vec![name.clone()], words].concat(), c)));
    }
    list
}

/// When what the manual says last changed.
const DATE: &str = "2026-11-21";

fn page(command: &Command, with_codes: bool) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let manual = clap_mangen::Man::new(command.clone()).date(DATE).manual("anyarch");
    manual
        .source(concat!("anyarch ", env!("CARGO_PKG_VERSION")))
        .render(&mut text)
        .or_fail(Code::Failed, || "cannot write the page".into())?;
    if with_codes {
        text.extend_from_slice(b".SH \"EXIT STATUS\"\n");
        for (code, meaning) in CODES {
            text.extend_from_slice(format!(".TP\n{code}\n{meaning}\n").as_bytes());
        }
    }
    // Two breaks beside each other are one, and mandoc complains about the other.
    let text = String::from_utf8_lossy(&text).replace("\n.br\n\n.br\n", "\n.sp\n");
    Ok(text.into_bytes())
}

/// The reference page docs/host-tool.md has, between its marks.
#[cfg(test)]
fn reference() -> String {
    let mut text = String::new();
    let mut command = cli::command().term_width(100);
    command.build();
    for (words, sub) in commands(&command) {
        let help = sub.clone().render_long_help().to_string();
        text += &format!("### anyarch {}\n\n```text\n{}\n```\n\n", words.join(" "), help.trim_end());
    }
    text += "### Exit codes\n\n| code | meaning |\n| --- | --- |\n";
    for (code, meaning) in CODES {
        text += &format!("| {code} | {meaning} |\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// docs/host-tool.md is checked, and written with BLESS=1.
    #[test]
    fn the_reference_page_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/host-tool.md");
        let (begin, end) = ("<!-- reference: begin -->\n", "<!-- reference: end -->\n");
        let page = std::fs::read_to_string(path).unwrap();
        let (head, rest) = page.split_once(begin).unwrap();
        let (have, tail) = rest.split_once(end).unwrap();
        for line in page.lines().filter(|line| !line.starts_with('|')) {
            assert!(line.chars().count() <= 100, "wider than 100 columns: {line}");
        }
        if have != reference() {
            if std::env::var_os("BLESS").is_some() {
                std::fs::write(path, format!("{head}{begin}{}{end}{tail}", reference())).unwrap();
            } else {
                panic!("docs/host-tool.md is out of date: run BLESS=1 cargo test -p anyarch");
            }
        }
    }

    #[test]
    fn pages_and_completions_are_made() {
        let dir = tempfile::tempdir().unwrap();
        manual(Some(dir.path())).unwrap();
        let main = std::fs::read_to_string(dir.path().join("anyarch.1")).unwrap();
        assert!(main.contains("EXIT STATUS"));
        for name in ["anyarch-register.1", "anyarch-image-build.1"] {
            assert!(dir.path().join(name).exists(), "{name}");
        }
    }
}

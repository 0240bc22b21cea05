//! Completions, man pages and the reference page, out of the one definition of the command line.

use crate::cli;
use crate::failure::{CODES, Code, OrFail, Result};
use clap::Command;
use std::io::Write;
use std::path::Path;

/// `anyarch completions SHELL`.
pub fn completions(shell: clap_complete::Shell) -> Result<u8> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), "anyarch", &mut text);
    std::io::stdout().write_all(&text).or_fail(Code::Failed, || "cannot write".into())?;
    Ok(0)
}

/// `anyarch manual [DIR]`: one page per command into a folder, or the main page to stdout.
pub fn manual(dir: Option<&Path>) -> Result<u8> {
    let command = cli::command();
    let Some(dir) = dir else {
        let page = page(&command, true)?;
        std::io::stdout().write_all(&page).or_fail(Code::Failed, || "cannot write".into())?;
        return Ok(0);
    };
    std::fs::create_dir_all(dir).or_fail(Code::Failed, || format!("cannot make {}", dir.display()))?;
    let write = |name: String, page: Vec<u8>| {
        let file = dir.join(name);
        std::fs::write(&file, page).or_fail(Code::Failed, || format!("cannot write {}", file.display()))
    };
    write("anyarch.1".into(), page(&command, true)?)?;
    for sub in command.get_subcommands() {
        let name = format!("anyarch-{}", sub.get_name());
        // The page's title is the whole command.
        let title: &'static str = Box::leak(name.clone().into_boxed_str());
        write(
            format!("{name}.1"),
            page(&sub.clone().name(title).bin_name(format!("anyarch {}", sub.get_name())), false)?,
        )?;
    }
    Ok(0)
}

fn page(command: &Command, with_codes: bool) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone())
        .render(&mut text)
        .or_fail(Code::Failed, || "cannot write the page".into())?;
    if with_codes {
        text.extend_from_slice(b".SH \"EXIT STATUS\"\n");
        for (code, meaning) in CODES {
            text.extend_from_slice(format!(".TP\n{code}\n{meaning}\n").as_bytes());
        }
    }
    Ok(text)
}

/// The reference page docs/host-tool.md has, between its marks.
pub fn reference() -> String {
    let mut text = String::new();
    let mut command = cli::command().term_width(100);
    command.build();
    for sub in command.get_subcommands().filter(|s| s.get_name() != "help" && !s.is_hide_set()) {
        let mut sub = sub.clone();
        let name = sub.get_name().to_string();
        let help = sub.render_long_help().to_string();
        text += &format!("### anyarch {name}\n\n```text\n{}\n```\n\n", help.trim_end());
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
        assert!(dir.path().join("anyarch-register.1").exists());
    }
}

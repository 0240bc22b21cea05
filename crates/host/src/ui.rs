//! What people see: loudness, colours, tables.
//!
//! Results go to stdout, everything about them to stderr. Colours appear only on a terminal and never when NO_COLOR
//! is set (no-color.org).

use std::io::IsTerminal;
use std::sync::atomic::{AtomicI8, Ordering};

static LOUDNESS: AtomicI8 = AtomicI8::new(0);

/// -1 for `--quiet`, 1 for `--verbose`.
pub fn set_loudness(level: i8) {
    LOUDNESS.store(level, Ordering::Relaxed);
}

/// Whether `--verbose` was given.
pub fn verbose() -> bool {
    LOUDNESS.load(Ordering::Relaxed) > 0
}

/// Whether `--quiet` was given.
pub fn quiet() -> bool {
    LOUDNESS.load(Ordering::Relaxed) < 0
}

/// A line about what was done; not with `--quiet`.
macro_rules! say {
    ($($text:tt)*) => { if !$crate::ui::quiet() { println!($($text)*) } };
}
/// A line about how; only with `--verbose`.
macro_rules! detail {
    ($($text:tt)*) => { if $crate::ui::verbose() { eprintln!("anyarch: {}", format!($($text)*)) } };
}
/// A line about something that deserves attention; always.
macro_rules! caution {
    ($($text:tt)*) => { eprintln!("{} {}", $crate::ui::Paint::Yellow.on_stderr("anyarch: warning:"), format!($($text)*)) };
}
pub(crate) use {caution, detail, say};

/// Failures of single architectures: printed as they occur, while the others go on. The first decides the exit code.
#[derive(Default)]
pub struct Complaints {
    code: u8,
}

impl Complaints {
    /// Prints one.
    pub fn add(&mut self, failure: &crate::failure::Failure) {
        eprintln!("{} {failure}", Paint::Red.on_stderr("anyarch:"));
        if self.code == 0 {
            self.code = failure.code as u8;
        }
    }

    /// The exit code so far.
    pub fn code(&self) -> u8 {
        self.code
    }
}

/// The few colours in use.
#[derive(Clone, Copy)]
pub enum Paint {
    /// Works.
    Green,
    /// Deserves attention.
    Yellow,
    /// Does not work.
    Red,
    /// Of less weight.
    Dim,
}

impl Paint {
    /// The text in this colour where stdout is a terminal.
    pub fn on_stdout(self, text: &str) -> String {
        self.apply(text, std::io::stdout().is_terminal())
    }

    /// The text in this colour where stderr is a terminal.
    pub fn on_stderr(self, text: &str) -> String {
        self.apply(text, std::io::stderr().is_terminal())
    }

    fn apply(self, text: &str, terminal: bool) -> String {
        let code = match self {
            Paint::Green => "32",
            Paint::Yellow => "33",
            Paint::Red => "31",
            Paint::Dim => "2",
        };
        let wanted = terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        if wanted { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }
}

/// Columns as wide as their widest cell; the last column is not padded. The first row is the heading.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| rows.iter().filter_map(|r| r.get(c)).map(|s| s.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, w)| format!("{cell:w$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

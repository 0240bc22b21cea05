//! What people see: loudness, colours, tables.
//!
//! Results go to stdout, everything about them to stderr. Colours appear only on a terminal and
//! never when NO_COLOR is set (no-color.org).
//!
//! Names, labels and messages come from images, archives, registries and file systems, and a
//! terminal obeys what is hidden in them. So everything that is printed goes through [`out`] and
//! [`err`], which write control characters as escapes; the crate's `println!` and its kin are
//! these. A line is one line: `println!` and `eprintln!` escape line breaks as well, and a text of
//! several goes through `print!`, with [`plain`] around what is not ours. Only what is written by
//! [`ours`], colours above all, stays as it is.

use crate::failure::{Code, OrFail};
use std::borrow::Cow;
use std::cell::Cell;
use std::fmt::{self, Write as _};
use std::io::{IsTerminal, Write as _};
use std::sync::atomic::{AtomicBool, AtomicI8, Ordering};
use std::sync::{Mutex, PoisonError};

static LOUDNESS: AtomicI8 = AtomicI8::new(0);

/// -1 for `--quiet`, 1 for `--verbose`.
pub(crate) fn set_loudness(level: i8) {
    LOUDNESS.store(level, Ordering::Relaxed);
}

/// Whether `--verbose` was given.
pub(crate) fn verbose() -> bool {
    LOUDNESS.load(Ordering::Relaxed) > 0
}

/// Whether `--quiet` was given.
pub(crate) fn quiet() -> bool {
    LOUDNESS.load(Ordering::Relaxed) < 0
}

thread_local! {
    /// Whether what is being written is [`Painted`]'s own.
    static OURS: Cell<bool> = const { Cell::new(false) };
}

/// Whether a terminal could take the character for a command, or show the text around it in another
/// order: Unicode's categories Cc, and the controls of its bidirectional algorithm (UAX #9, table
/// 4).
fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A value for a line of text: every control character as an escape.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if text.contains(is_control) { Cow::Owned(escape(text, |_| false)) } else { Cow::Borrowed(text) }
}

fn escape(text: &str, keep: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_control(c) && !keep(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// Collects a text for the terminal.
struct Escaping {
    text: String,
    /// Whether line breaks are let through.
    lines: bool,
}

impl fmt::Write for Escaping {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if OURS.get() {
            self.text.push_str(text);
        } else {
            self.text.push_str(&escape(text, |c| self.lines && matches!(c, '\n' | '\t')));
        }
        Ok(())
    }
}

fn escaped(text: fmt::Arguments<'_>, lines: bool) -> String {
    let mut out = Escaping { text: String::new(), lines };
    let _ = out.write_fmt(text);
    if !lines {
        out.text.push('\n');
    }
    out.text
}

/// Writes a text of ours as it is, where what surrounds it is escaped.
pub(crate) fn ours(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    OURS.set(true);
    let result = f.write_str(text);
    OURS.set(false);
    result
}

/// Why stdout could not be written, the first time.
static LOST: Mutex<Option<std::io::Error>> = Mutex::new(None);

/// Prints to stdout: with `lines` a text, else a line. What cannot be written ends no work:
/// [`flush`] tells of it when the work is done.
pub(crate) fn out(text: fmt::Arguments<'_>, lines: bool) {
    if let Err(error) = std::io::stdout().write_all(escaped(text, lines).as_bytes()) {
        LOST.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}

/// Writes what is still to be written to stdout.
///
/// # Errors
/// [`Code::Failed`] where that fails, or anything before could not be written: the disk is full, or
/// the reader of a pipe is gone.
pub(crate) fn flush() -> crate::failure::Result<()> {
    let flushed = std::io::stdout().flush();
    let lost = LOST.lock().unwrap_or_else(PoisonError::into_inner).take();
    lost.map_or(flushed, Err).or_fail(Code::Failed, || "cannot write to standard output".into())
}

/// Prints to stderr, if that can be written.
pub(crate) fn err(text: fmt::Arguments<'_>, lines: bool) {
    let _ = std::io::stderr().write_all(escaped(text, lines).as_bytes());
}

/// Prints bytes as they are where no terminal reads them: a document whose digest is taken.
pub(crate) fn out_bytes(bytes: &[u8]) -> std::io::Result<()> {
    let mut stdout = std::io::stdout();
    if stdout.is_terminal() {
        out(format_args!("{}", String::from_utf8_lossy(bytes)), true);
        return Ok(());
    }
    stdout.write_all(bytes)
}

static JSON: AtomicBool = AtomicBool::new(false);

/// With `--json`, stdout is one document: lines about what was done are not printed.
pub(crate) fn set_json(wanted: bool) {
    JSON.store(wanted, Ordering::Relaxed);
}

/// Whether lines about what was done are printed.
pub(crate) fn tells() -> bool {
    !quiet() && !JSON.load(Ordering::Relaxed)
}

/// Prints a document of `--json`.
pub(crate) fn json(value: &serde_json::Value) {
    out(format_args!("{}\n", serde_json::to_string_pretty(value).unwrap_or_default()), true);
}

/// A text of several lines, to stdout.
macro_rules! print {
    ($($text:tt)*) => { $crate::ui::out(format_args!($($text)*), true) };
}
/// A line to stdout.
macro_rules! println {
    ($($text:tt)*) => { $crate::ui::out(format_args!($($text)*), false) };
}
/// A text of several lines, to stderr.
macro_rules! eprint {
    ($($text:tt)*) => { $crate::ui::err(format_args!($($text)*), true) };
}
/// A line to stderr.
macro_rules! eprintln {
    ($($text:tt)*) => { $crate::ui::err(format_args!($($text)*), false) };
}

/// A line about what was done; not with `--quiet` or `--json`.
macro_rules! say {
    ($($text:tt)*) => { if $crate::ui::tells() { println!($($text)*) } };
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

/// Failures of single architectures: printed as they occur, while the others go on. The first
/// decides the exit code.
#[derive(Default)]
pub(crate) struct Complaints {
    code: u8,
}

impl Complaints {
    /// Prints one.
    pub(crate) fn add(&mut self, failure: &crate::failure::Failure) {
        eprintln!("{} {failure}", Paint::Red.on_stderr("anyarch:"));
        if self.code == 0 {
            self.code = failure.code as u8;
        }
    }

    /// The exit code so far.
    pub(crate) fn code(&self) -> u8 {
        self.code
    }
}

/// The few colours in use.
#[derive(Clone, Copy)]
pub(crate) enum Paint {
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
    pub(crate) fn on_stdout(self, text: &str) -> Painted<'_> {
        Painted { text, code: self.code().filter(|_| std::io::stdout().is_terminal()) }
    }

    /// The text in this colour where stderr is a terminal.
    pub(crate) fn on_stderr(self, text: &str) -> Painted<'_> {
        Painted { text, code: self.code().filter(|_| std::io::stderr().is_terminal()) }
    }

    fn code(self) -> Option<&'static str> {
        let code = match self {
            Paint::Green => "32",
            Paint::Yellow => "33",
            Paint::Red => "31",
            Paint::Dim => "2",
        };
        std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()).then_some(code)
    }
}

/// A text with a colour, to be printed directly: a `String` made of it is a text like any other.
pub(crate) struct Painted<'a> {
    text: &'a str,
    code: Option<&'static str>,
}

impl fmt::Display for Painted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(code) = self.code else { return f.write_str(self.text) };
        ours(f, &format!("\x1b[{code}m{}\x1b[0m", plain(self.text)))
    }
}

/// Columns as wide as their widest cell; the last column is not padded. The first row is the
/// heading.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let rows: Vec<Vec<Cow<'_, str>>> =
        rows.iter().map(|row| row.iter().map(|cell| plain(cell)).collect()).collect();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_colours_are_not() {
        assert_eq!(
            plain("a\x1b[2Jb\r\n\u{9b}31m\u{202e}\x7f"),
            "a\\u{1b}[2Jb\\r\\n\\u{9b}31m\\u{202e}\\u{7f}"
        );
        assert_eq!(plain("Grüße, 世界"), "Grüße, 世界");
        let red = Painted { text: "no\x1b", code: Some("31") };
        assert_eq!(
            escaped(format_args!("{red}: {}\n\t.", "\x1b]0;x\x07"), true),
            "\x1b[31mno\\u{1b}\x1b[0m: \\u{1b}]0;x\\u{7}\n\t."
        );
        assert_eq!(escaped(format_args!("{red}: {}", "a\nb"), false), "\x1b[31mno\\u{1b}\x1b[0m: a\\nb\n");
        let failure = crate::failure::Failure::new(crate::failure::Code::Failed, "a\nb").mend("c\r");
        assert_eq!(escaped(format_args!("{failure}"), false), "a\\nb\n  mend: c\\r\n");
        // A string made of a painted text is no longer ours.
        let text = red.to_string();
        assert_eq!(escaped(format_args!("{text}"), true), "\\u{1b}[31mno\\u{1b}\\u{1b}[0m");
        assert_eq!(table(&[vec!["a\nb".into(), "c".into()]]), "a\\nb  c\n");
    }
}

//! How a command fails: one sentence that names the thing and the reason, the command that mends
//! it, and an exit code that scripts can rely on.

use crate::ui::{ours, plain};
use std::fmt;

/// Exit codes. They are listed in the manual and never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// What was asked for was not done, for a reason without a code of its own.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// More rights are needed.
    Permission = 3,
    /// The kernel lacks something, or binfmt_misc is not mounted.
    Kernel = 4,
    /// There is no emulator for an architecture.
    NoEmulator = 5,
    /// A name is taken by an entry that anyarch did not make.
    Conflict = 6,
    /// `verify`: a handler does not work.
    Verify = 7,
    /// `doctor`: something is wrong.
    Findings = 8,
    /// An image, archive or registry's answer is broken or refused.
    Image = 9,
    /// `run` and `with`: anyarch itself failed before the command started.
    NotStarted = 125,
    /// `run` and `with`: the command exists and cannot be executed.
    NotExecutable = 126,
    /// `run` and `with`: the command does not exist.
    NotFound = 127,
}

/// The table of exit codes, as the manual prints it.
pub const CODES: &[(u8, &str)] = &[
    (0, "everything asked for is done"),
    (1, "not done, for a reason without a code of its own"),
    (2, "the command line makes no sense"),
    (3, "more rights are needed"),
    (4, "the kernel lacks something, or binfmt_misc is not mounted"),
    (5, "there is no emulator for an architecture"),
    (6, "a name is taken by an entry that anyarch did not make"),
    (7, "verify: a handler does not work"),
    (8, "doctor: something is wrong"),
    (9, "an image, archive or registry's answer is broken or refused"),
    (125, "run, with: anyarch failed before the command started"),
    (126, "run, with: the command exists and cannot be executed"),
    (127, "run, with: the command does not exist"),
];

/// A failure, to be printed once, by `main`.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The exit code.
    pub code: Code,
    /// What failed and why, without a full stop.
    pub what: String,
    /// What to do: a command where one exists.
    pub mend: Option<String>,
}

/// What every command returns.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure without advice.
    pub(crate) fn new(code: Code, what: impl Into<String>) -> Failure {
        Failure { code, what: what.into(), mend: None }
    }

    /// With the command that mends it.
    pub(crate) fn mend(mut self, mend: impl Into<String>) -> Failure {
        self.mend = Some(mend.into());
        self
    }
}

impl Failure {
    /// As `--json` has it.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::json!({ "code": self.code as u8, "what": self.what, "mend": self.mend })
    }
}

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One line each, whatever the names in it hold.
        f.write_str(&plain(&self.what))?;
        match &self.mend {
            Some(mend) => {
                ours(f, "\n  mend: ")?;
                f.write_str(&plain(mend))
            }
            None => Ok(()),
        }
    }
}

/// `result.or_fail(Code::Image, || format!("cannot read {path}"))`: the cause is appended.
pub(crate) trait OrFail<T> {
    /// Turns an error into a failure of this code that begins with what was attempted.
    fn or_fail(self, code: Code, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: fmt::Display> OrFail<T> for std::result::Result<T, E> {
    fn or_fail(self, code: Code, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Failure::new(code, format!("{}: {error}", what())))
    }
}

/// Ends a function with a failure.
macro_rules! fail {
    ($code:expr, $($text:tt)*) => {
        return Err($crate::failure::Failure::new($code, format!($($text)*)))
    };
}
pub(crate) use fail;

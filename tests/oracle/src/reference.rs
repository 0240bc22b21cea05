//! The independent implementations: QEMU's, of two releases of Debian.

use anyarch_harness::{debian, guests};
use std::path::PathBuf;

/// An independent implementation, as a guest asks it.
pub struct Reference {
    /// Its name.
    pub name: &'static str,
    /// Where a guest's executable is.
    pub program: fn(&str) -> Result<PathBuf, String>,
    /// `-cpu`.
    pub cpu: String,
    /// Kinds that it does not know, or only in part; a trailing `*` stands for anything.
    pub lacks: &'static [&'static str],
}

impl Reference {
    /// Whether it lacks a kind.
    pub fn lacks(&self, kind: &str) -> bool {
        self.lacks.iter().any(|l| match l.strip_suffix('*') {
            Some(prefix) => kind.starts_with(prefix),
            None => *l == kind,
        })
    }
}

/// `ORACLE_QEMU`.
fn chosen() -> Option<PathBuf> {
    std::env::var_os("ORACLE_QEMU").map(PathBuf::from)
}

/// QEMU of Debian sid, fetched once; no other package of sid is needed.
///
/// # Errors
/// If it cannot be fetched.
pub fn sid(guest: &str) -> Result<PathBuf, String> {
    let hint = |e| format!("QEMU of Debian sid: {e}; ORACLE_QEMU=PATH takes another of version 11 or newer");
    chosen().map_or_else(|| debian::qemu(guest).map_err(hint), Ok)
}

/// QEMU of the machine, 7.2 on Debian bookworm.
///
/// # Errors
/// If there is no such guest.
pub fn installed(guest: &str) -> Result<PathBuf, String> {
    let name = guests::by_name(guest).ok_or("no such guest")?.qemu();
    Ok(chosen().unwrap_or_else(|| PathBuf::from(name)))
}

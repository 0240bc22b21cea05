//! A registration as the kernel reads it back, and whose it is.
//!
//! The kernel keeps no note of who registered an entry, and the name must stay `qemu-ARCH` because
//! other tools look for it. So the mark is in the one field that is ours to spell: the
//! interpreter's path. anyarch writes it with [`MARK`] in front (`/./usr/bin/qemu-s390x-static`),
//! which names the same file to the kernel and which nobody writes by accident. The mark needs no
//! state file, is seen from every container that sees the entry, and survives whatever else is
//! lost. An interpreter called `anyarch-emu` is ours as well, however it is spelled.

use crate::rule::{Flags, Matcher, Rule, RuleError, unescape};
use std::fmt;

/// What anyarch puts in front of an absolute interpreter path to know its own entries again.
pub const MARK: &str = "/.";

/// The file name of anyarch's own emulator.
pub const EMULATOR: &str = "anyarch-emu";

/// Names that a swap uses for the moment in which the real name is free; left behind only if it was
/// killed.
pub(crate) const SWAP_PREFIX: &str = "anyarch-swap-";

/// One entry of a binfmt_misc instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whether the kernel uses it (`echo 0` disables one).
    pub enabled: bool,
    /// The registration.
    pub rule: Rule,
}

/// Who registered an entry, as far as it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// anyarch: may be replaced and removed.
    Anyarch,
    /// Debian's or Fedora's packages, through systemd-binfmt or update-binfmts.
    Distribution,
    /// Docker Desktop or tonistiigi/binfmt, whose binaries lie where no host has them.
    Tonistiigi,
    /// multiarch/qemu-user-static or QEMU's script.
    QemuScript,
    /// Windows' own, which nobody may touch.
    Wsl,
    /// Anything else.
    Other,
}

impl fmt::Display for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Maker::Anyarch => "anyarch",
            Maker::Distribution => "distribution",
            Maker::Tonistiigi => "tonistiigi/binfmt",
            Maker::QemuScript => "qemu-binfmt-conf.sh",
            Maker::Wsl => "WSL",
            Maker::Other => "other",
        })
    }
}

impl Entry {
    /// Parses the text of an entry's file.
    pub fn parse(name: &str, text: &str) -> Result<Entry, RuleError> {
        let mut lines = text.lines();
        let enabled = match lines.next() {
            Some("enabled") => true,
            Some("disabled") => false,
            _ => return Err(RuleError::Syntax("an entry begins with enabled or disabled")),
        };
        let mut interpreter = None;
        let mut flags = Flags::default();
        let (mut offset, mut magic, mut mask, mut extension) = (0, None, Vec::new(), None);
        for line in lines {
            // An interpreter's path may hold blanks: only the first one separates.
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            match key {
                "interpreter" => interpreter = Some(value.to_string()),
                "flags:" => {
                    flags =
                        Flags::parse(value.trim()).ok_or(RuleError::Syntax("flags are capital letters"))?
                }
                "offset" => {
                    offset = value.parse().map_err(|_| RuleError::Syntax("the offset is a number"))?
                }
                "magic" => magic = Some(unhex(value)?),
                "mask" => mask = unhex(value)?,
                "extension" => extension = Some(value.trim_start_matches('.').to_string()),
                // Newer kernels may say more.
                _ => {}
            }
        }
        let matcher = match (magic, extension) {
            (Some(magic), _) => Matcher::Magic { offset, magic, mask },
            (None, Some(extension)) => Matcher::Extension(extension),
            (None, None) => return Err(RuleError::Syntax("an entry has a magic or an extension")),
        };
        let interpreter = interpreter.ok_or(RuleError::Syntax("an entry has an interpreter"))?;
        Ok(Entry { enabled, rule: Rule { name: name.into(), matcher, interpreter, flags } })
    }

    /// Who registered it.
    pub fn maker(&self) -> Maker {
        let (name, path) = (self.rule.name.as_str(), self.rule.interpreter.as_str());
        let file = path.rsplit('/').next().unwrap_or(path);
        match () {
            () if name.starts_with("WSLInterop") => Maker::Wsl,
            () if is_marked(path) || file == EMULATOR => Maker::Anyarch,
            () if path.starts_with("/usr/libexec/qemu-binfmt/") => Maker::Distribution,
            () if !name.starts_with("qemu-") => Maker::Other,
            // Debian since 13 and Fedora: `/usr/bin/qemu-X` or `-static`, O with P.
            () if path.starts_with("/usr/bin/qemu-")
                && self.rule.flags.contains(Flags::OPEN_BINARY | Flags::PRESERVE_ARGV0) =>
            {
                Maker::Distribution
            }
            () if matches!(path.rsplit_once('/'), Some(("/usr/bin" | "/qemu" | "", f)) if f.starts_with("qemu-") && !f.ends_with("-static")) => {
                Maker::Tonistiigi
            }
            () if file.starts_with("qemu-") => Maker::QemuScript,
            () => Maker::Other,
        }
    }

    /// Whether anyarch may replace or remove it.
    pub fn is_ours(&self) -> bool {
        self.maker() == Maker::Anyarch
    }

    /// Whether it was left by a swap that was killed in the middle.
    pub fn is_swap_leftover(&self) -> bool {
        self.rule.name.starts_with(SWAP_PREFIX)
    }

    /// Whether it already does what the rule asks, whoever made it.
    pub fn does(&self, rule: &Rule) -> bool {
        self.enabled
            && self.rule.matcher.same(&rule.matcher)
            && plain_path(&self.rule.interpreter) == plain_path(&rule.interpreter)
            && self.rule.flags.effective() == rule.flags.effective()
    }
}

/// Spells a path so that an entry with it is known as ours.
pub fn mark(path: &str) -> String {
    if is_marked(path) { path.to_string() } else { format!("{MARK}{path}") }
}

/// The path without our mark.
pub fn plain_path(path: &str) -> &str {
    if is_marked(path) { &path[MARK.len()..] } else { path }
}

fn is_marked(path: &str) -> bool {
    path.strip_prefix(MARK).is_some_and(|rest| rest.starts_with('/'))
}

fn unhex(text: &str) -> Result<Vec<u8>, RuleError> {
    let escaped: String =
        text.as_bytes().chunks(2).map(|pair| format!("\\x{}", String::from_utf8_lossy(pair))).collect();
    unescape(&escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN: &str = "enabled\ninterpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P\nflags: POF\noffset 0\nmagic 7f45\nmask ffff\n";

    #[test]
    fn entries_are_read() {
        let entry = Entry::parse("qemu-aarch64", DEBIAN).unwrap();
        assert!(entry.enabled);
        assert_eq!(entry.rule.interpreter, "/usr/libexec/qemu-binfmt/aarch64-binfmt-P");
        assert_eq!(entry.rule.flags.to_string(), "POF");
        assert_eq!(
            entry.rule.matcher,
            Matcher::Magic { offset: 0, magic: vec![0x7f, 0x45], mask: vec![255, 255] }
        );
        let jar =
            Entry::parse("jar", "disabled\ninterpreter /usr/bin/my java\nflags: \nextension .jar\n").unwrap();
        assert!(!jar.enabled);
        assert_eq!(jar.rule.interpreter, "/usr/bin/my java");
        assert_eq!(jar.rule.matcher, Matcher::Extension("jar".into()));
        for bad in [
            "",
            "enabled\n",
            "enabled\ninterpreter /q\nflags: \n",
            "enabled\ninterpreter /q\nflags: \noffset x\nmagic 00\n",
        ] {
            assert!(Entry::parse("x", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn makers_are_told_apart() {
        let check = |name: &str, interpreter: &str, flags: &str, want: Maker| {
            let text = format!("enabled\ninterpreter {interpreter}\nflags: {flags}\noffset 0\nmagic 7f45\n");
            assert_eq!(Entry::parse(name, &text).unwrap().maker(), want, "{name} {interpreter}");
        };
        check("qemu-aarch64", "/usr/lib/anyarch/anyarch-emu", "PF", Maker::Anyarch);
        check("qemu-s390x", "/./usr/bin/qemu-s390x-static", "PF", Maker::Anyarch);
        check("qemu-s390x", "/./proc/self/fd/5", "PF", Maker::Anyarch);
        check("qemu-aarch64", "/usr/libexec/qemu-binfmt/aarch64-binfmt-P", "POF", Maker::Distribution);
        check("qemu-aarch64", "/usr/bin/qemu-aarch64", "POF", Maker::Distribution);
        check("qemu-aarch64", "/usr/bin/qemu-aarch64", "POCF", Maker::Distribution);
        check("qemu-aarch64", "/usr/bin/qemu-aarch64", "F", Maker::Tonistiigi);
        check("qemu-aarch64", "/usr/bin/qemu-aarch64-static", "F", Maker::QemuScript);
        check("WSLInterop-late", "/init", "PF", Maker::Wsl);
        check("python3.11", "/usr/bin/python3.11", "", Maker::Other);
        check("qemu-aarch64", "/.hidden/emu", "F", Maker::Other);
    }

    #[test]
    fn the_mark_is_a_spelling() {
        assert_eq!(mark("/usr/bin/x"), "/./usr/bin/x");
        assert_eq!(mark("/./usr/bin/x"), "/./usr/bin/x");
        assert_eq!(plain_path("/./usr/bin/x"), "/usr/bin/x");
        assert_eq!(plain_path("/.x/y"), "/.x/y");
    }
}

//! Files that make a registration survive a reboot: systemd-binfmt's and Debian's update-binfmts'.
//!
//! Written exactly as QEMU's `qemu-binfmt-conf.sh` writes them, because that is what packagers
//! compare with. The tests read them as both programs do. A file for systemd-binfmt is the kernel's
//! line ([`Rule::line`]).

use crate::rule::{Flags, Matcher, Rule, RuleError};

/// What a file in `/etc/binfmt.d` has.
pub fn systemd(rule: &Rule) -> Result<String, RuleError> {
    Ok(rule.line()? + "\n")
}

/// A file for `/usr/share/binfmts`, as QEMU's script writes it (`--debian`). `None` for rules by
/// extension.
pub fn debian(rule: &Rule) -> Option<String> {
    let Matcher::Magic { magic, mask, .. } = &rule.matcher else { return None };
    let has = |flag| if rule.flags.contains(flag) { "yes" } else { "no" };
    Some(format!(
        "package {}\ninterpreter {}\nmagic {}\nmask {}\ncredentials {}\npreserve {}\nfix_binary {}\n",
        rule.name,
        rule.interpreter,
        rule.escape(magic),
        rule.escape(mask),
        has(Flags::CREDENTIALS),
        has(Flags::PRESERVE_ARGV0),
        has(Flags::FIX_BINARY),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::{FAMILIES, Family, by_name};
    use crate::rule::unescape;

    /// Rules of a binfmt.d file: one per line, `#` and `;` begin comments.
    fn parse_systemd(text: &str) -> Result<Vec<Rule>, RuleError> {
        text.lines()
            .map(str::trim)
            .filter(|l| !l.is_empty() && !l.starts_with(['#', ';']))
            .map(Rule::parse)
            .collect()
    }

    /// The rule of a binfmts file; its name is the file's.
    fn parse_debian(name: &str, text: &str) -> Result<Rule, RuleError> {
        let mut flags = Flags::default();
        let (mut offset, mut magic, mut mask, mut extension, mut interpreter) =
            (0, None, Vec::new(), None, None);
        for line in text.lines() {
            let (key, value) = line.trim().split_once([' ', '\t']).unwrap_or((line.trim(), ""));
            let value = value.trim();
            let flag = |flag| if value == "yes" { flag } else { Flags::default() };
            match key {
                "interpreter" => interpreter = Some(value.to_string()),
                "magic" => magic = Some(unescape(value)?),
                "mask" => mask = unescape(value)?,
                "offset" => {
                    offset = value.parse().map_err(|_| RuleError::Syntax("the offset is a number"))?
                }
                "extension" => extension = Some(value.to_string()),
                "credentials" => flags = flags | flag(Flags::CREDENTIALS),
                "preserve" => flags = flags | flag(Flags::PRESERVE_ARGV0),
                "fix_binary" => flags = flags | flag(Flags::FIX_BINARY),
                // package, detector and whatever comes.
                _ => {}
            }
        }
        let matcher = match (magic, extension) {
            (Some(magic), _) => Matcher::Magic { offset, magic, mask },
            (None, Some(extension)) => Matcher::Extension(extension),
            (None, None) => return Err(RuleError::Syntax("the file has neither magic nor extension")),
        };
        let interpreter = interpreter.ok_or(RuleError::Syntax("the file has no interpreter"))?;
        Ok(Rule { name: name.into(), matcher, interpreter, flags })
    }

    fn rule(family: &Family, flags: &str) -> Rule {
        Rule {
            name: family.entry_name(),
            matcher: Matcher::Magic { offset: 0, magic: family.magic(), mask: family.mask() },
            interpreter: format!("/usr/local/bin/qemu-{}", family.emulator()),
            flags: Flags::parse(flags).unwrap(),
        }
    }

    /// The script's fault: microblaze's type and mask have the wrong byte order.
    const FAULTY: &str = "microblaze";

    /// What Debian 13's script (QEMU 10.0.13) writes for all 34, byte for byte.
    #[test]
    fn files_are_those_of_the_script() {
        let lines: Vec<_> = include_str!("../tests/data/script-systemd.conf").lines().collect();
        let files: Vec<_> = include_str!("../tests/data/script-debian.txt").split("\n\n").collect();
        assert_eq!((lines.len(), files.len()), (34, 34));
        for (family, (line, file)) in FAMILIES.iter().zip(lines.iter().zip(files)) {
            let same_line = systemd(&rule(family, "")).unwrap().trim_end() == *line;
            let same_file = debian(&rule(family, "")).unwrap().trim_end() == file.trim_end();
            let want = family.name != FAULTY;
            assert_eq!((same_line, same_file), (want, want), "{}: {line}", family.name);
        }
    }

    #[test]
    fn flags_are_those_of_the_script() {
        let aarch64 = by_name("aarch64").unwrap();
        for (flags, want) in [("", ""), ("C", "OC"), ("F", "F"), ("P", "P"), ("PCF", "OCFP"), ("PF", "FP")] {
            let text = systemd(&rule(aarch64, flags)).unwrap();
            assert_eq!(text.rsplit(':').next(), Some(format!("{want}\n").as_str()));
        }
        let text = debian(&rule(aarch64, "PF")).unwrap();
        assert!(text.ends_with("credentials no\npreserve yes\nfix_binary yes\n"), "{text}");
    }

    #[test]
    fn files_read_back() {
        for family in FAMILIES {
            let rule = rule(family, "PF");
            let text = format!("# x\n\n; y\n{}", systemd(&rule).unwrap());
            assert_eq!(parse_systemd(&text).unwrap(), std::slice::from_ref(&rule));
            assert_eq!(parse_debian(&rule.name, &debian(&rule).unwrap()).unwrap(), rule);
        }
    }

    #[test]
    fn foreign_files_are_read() {
        let python = parse_debian(
            "python3.11",
            "package python3.11\ninterpreter /usr/bin/python3.11\nmagic \\xa7\\x0d\\x0d\\x0a\n",
        )
        .unwrap();
        assert_eq!(python.interpreter, "/usr/bin/python3.11");
        assert!(parse_debian("x", "package x\n").is_err());
        assert!(parse_systemd("nonsense\n").is_err());
    }
}

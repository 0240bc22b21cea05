//! Files that make a registration survive a reboot: systemd-binfmt's and Debian's update-binfmts'.
//!
//! Written exactly as QEMU's `qemu-binfmt-conf.sh` writes them, because that is what packagers compare with, and
//! read as both programs read them.

use crate::rule::{Flags, Matcher, Rule, RuleError, escape_all, escape_elf, unescape};

/// One line of a file in `/etc/binfmt.d`, as QEMU's script writes it (`--systemd`).
pub fn systemd(rule: &Rule) -> String {
    rule.with_flags(':', &escape_elf, &script_flags(rule.flags)) + "\n"
}

/// Flags in the order of QEMU's script: OC, F, P.
fn script_flags(flags: Flags) -> String {
    [(Flags::CREDENTIALS, "OC"), (Flags::FIX_BINARY, "F"), (Flags::PRESERVE_ARGV0, "P")]
        .iter()
        .filter(|(flag, _)| flags.contains(*flag))
        .map(|(_, letters)| *letters)
        .collect()
}

/// The same in Debian's packages' spelling: every byte escaped.
pub fn systemd_escaped(rule: &Rule) -> String {
    rule.delimited(':', &escape_all) + "\n"
}

/// A file for `/usr/share/binfmts`, as QEMU's script writes it (`--debian`). `None` for rules by extension.
pub fn debian(rule: &Rule) -> Option<String> {
    let Matcher::Magic { magic, mask, .. } = &rule.matcher else { return None };
    let has = |flag| if rule.flags.contains(flag) { "yes" } else { "no" };
    Some(format!(
        "package {}\ninterpreter {}\nmagic {}\nmask {}\ncredentials {}\npreserve {}\nfix_binary {}\n",
        rule.name,
        rule.interpreter,
        escape_elf(magic),
        escape_elf(mask),
        has(Flags::CREDENTIALS),
        has(Flags::PRESERVE_ARGV0),
        has(Flags::FIX_BINARY),
    ))
}

/// Rules of a binfmt.d file: one per line, `#` and `;` begin comments.
pub fn parse_systemd(text: &str) -> Result<Vec<Rule>, RuleError> {
    text.lines()
        .map(str::trim)
        .filter(|l| !l.is_empty() && !l.starts_with(['#', ';']))
        .map(Rule::parse)
        .collect()
}

/// The rule of a binfmts file; its name is the file's.
pub fn parse_debian(name: &str, text: &str) -> Result<Rule, RuleError> {
    let mut flags = Flags::default();
    let (mut offset, mut magic, mut mask, mut extension, mut interpreter) = (0, None, Vec::new(), None, None);
    for line in text.lines() {
        let (key, value) = line.trim().split_once([' ', '\t']).unwrap_or((line.trim(), ""));
        let value = value.trim();
        let flag = |flag| if value == "yes" { flag } else { Flags::default() };
        match key {
            "interpreter" => interpreter = Some(value.to_string()),
            "magic" => magic = Some(unescape(value)?),
            "mask" => mask = unescape(value)?,
            "offset" => offset = value.parse().map_err(|_| RuleError::Syntax("the offset is a number"))?,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::by_name;

    fn aarch64(flags: &str) -> Rule {
        let f = by_name("aarch64").unwrap();
        Rule {
            name: f.entry_name(),
            matcher: Matcher::Magic { offset: 0, magic: f.magic(), mask: f.mask() },
            interpreter: "/usr/local/bin/qemu-aarch64".into(),
            flags: Flags::parse(flags).unwrap(),
        }
    }

    #[test]
    fn files_are_those_of_the_script_and_read_back() {
        let rule = aarch64("PF");
        let zeros = "\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00";
        let magic = format!("\\x7fELF\\x02\\x01\\x01\\x00{zeros}\\x02\\x00\\xb7\\x00");
        let mask = "\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff";
        assert_eq!(
            systemd(&rule),
            format!(":qemu-aarch64:M::{magic}:{mask}:/usr/local/bin/qemu-aarch64:FP\n")
        );
        assert_eq!(
            debian(&rule).unwrap(),
            format!(
                "package qemu-aarch64\ninterpreter /usr/local/bin/qemu-aarch64\nmagic {magic}\nmask {mask}\n\
                 credentials no\npreserve yes\nfix_binary yes\n"
            )
        );
        assert_eq!(parse_systemd(&systemd(&rule)).unwrap(), std::slice::from_ref(&rule));
        assert_eq!(
            parse_systemd(&format!("# x\n\n; y\n{}", systemd_escaped(&rule))).unwrap(),
            std::slice::from_ref(&rule)
        );
        assert_eq!(parse_debian("qemu-aarch64", &debian(&rule).unwrap()).unwrap(), rule);
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

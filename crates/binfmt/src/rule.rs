//! A registration, and the line that tells the kernel about it.
//!
//! `:name:M:offset:magic:mask:interpreter:flags` (Documentation/admin-guide/binfmt-misc.rst and
//! fs/binfmt_misc.c). The first byte is the delimiter and may be anything; magic and mask may hold
//! `\xHH`, the other fields are taken as they are. The kernel answers nearly every mistake with
//! EINVAL, so all its limits are checked here first, where the reason can be named.

use std::fmt;

/// The longest line the kernel accepts (MAX_REGISTER_LENGTH).
pub(crate) const MAX_LINE: usize = 1920;
/// How much of a file the kernel looks at: offset and magic must end within it (BINPRM_BUF_SIZE).
pub(crate) const MAX_WINDOW: usize = 256;

/// What the kernel matches and by what it runs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Name of the entry, a file name in the instance.
    pub name: String,
    /// Which files are meant.
    pub matcher: Matcher,
    /// Absolute path of the interpreter.
    pub interpreter: String,
    /// P, O, C, F and whatever newer kernels add.
    pub flags: Flags,
}

/// How files are recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matcher {
    /// Bytes at an offset, compared under a mask. An empty mask compares all bits.
    Magic {
        /// Where the magic begins.
        offset: usize,
        /// The bytes.
        magic: Vec<u8>,
        /// Which bits count; empty for all.
        mask: Vec<u8>,
    },
    /// The file name's extension, without the dot.
    Extension(String),
}

/// A set of flag letters. Unknown ones are kept: newer kernels have more than we do.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags(u32);

impl Flags {
    /// P: the interpreter gets the original argv\[0\].
    pub const PRESERVE_ARGV0: Flags = Flags::letter('P');
    /// O: the interpreter gets the file as a descriptor (AT_EXECFD).
    pub const OPEN_BINARY: Flags = Flags::letter('O');
    /// C: credentials come from the binary, not from the interpreter (implies O): setuid works.
    pub const CREDENTIALS: Flags = Flags::letter('C');
    /// F: the interpreter is opened now and not at each use: works in containers and chroots.
    pub const FIX_BINARY: Flags = Flags::letter('F');

    const fn letter(c: char) -> Flags {
        Flags(1 << (c as u8 - b'A'))
    }

    /// The letters of a text; `None` where something is not a capital letter.
    pub fn parse(text: &str) -> Option<Flags> {
        text.bytes().try_fold(Flags::default(), |set, b| {
            b.is_ascii_uppercase().then(|| set | Flags::letter(b as char))
        })
    }

    /// Whether all of `other` are in.
    pub fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// As QEMU's script and Debian's packages write them: O, C, F, P, then the others; C brings O.
    fn written(self) -> String {
        let set = self.effective();
        let first = ['O', 'C', 'F', 'P'];
        let others = ('A'..='Z').filter(|c| !first.contains(c));
        first.into_iter().chain(others).filter(|c| set.contains(Flags::letter(*c))).collect()
    }

    /// As the kernel reads them back: C implies O.
    pub fn effective(self) -> Flags {
        if self.contains(Flags::CREDENTIALS) { self | Flags::OPEN_BINARY } else { self }
    }
}

impl std::ops::BitOr for Flags {
    type Output = Flags;
    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

impl std::ops::Sub for Flags {
    type Output = Flags;
    fn sub(self, other: Flags) -> Flags {
        Flags(self.0 & !other.0)
    }
}

/// In the kernel's order: POCF, then the others.
impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = ['P', 'O', 'C', 'F'];
        let others = ('A'..='Z').filter(|c| !known.contains(c));
        let text: String =
            known.into_iter().chain(others).filter(|c| self.contains(Flags::letter(*c))).collect();
        f.pad(&text)
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flags({self})")
    }
}

/// Why a rule cannot be told to the kernel, or a line not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleError {
    /// The name is empty, a dot name, one of the kernel's own files, or has a slash.
    BadName(String),
    /// The interpreter is empty or not an absolute path, or has a line break.
    BadInterpreter(String),
    /// Magic is empty, or offset and magic end beyond the kernel's window.
    BadMagic(String),
    /// Mask and magic differ in length.
    MaskLength(usize, usize),
    /// The line would be longer than the kernel takes.
    TooLong(usize),
    /// No byte is left to delimit the fields with.
    NoDelimiter,
    /// A line that is not in the syntax.
    Syntax(&'static str),
}

impl std::error::Error for RuleError {}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RuleError::BadName(name) => write!(f, "`{name}` cannot be the name of a binfmt_misc entry"),
            RuleError::BadInterpreter(path) => {
                write!(f, "the interpreter `{path}` is not an absolute path on one line")
            }
            RuleError::BadMagic(why) => write!(f, "the magic is unusable: {why}"),
            RuleError::MaskLength(magic, mask) => {
                write!(f, "the magic has {magic} bytes and the mask {mask}")
            }
            RuleError::TooLong(len) => {
                write!(
                    f,
                    "the register line has {len} bytes and the kernel takes {MAX_LINE}: use a shorter interpreter path"
                )
            }
            RuleError::NoDelimiter => write!(f, "the interpreter's path uses every possible delimiter"),
            RuleError::Syntax(what) => write!(f, "not a register line: {what}"),
        }
    }
}

impl Rule {
    /// The line for the kernel's `register` file and for systemd-binfmt's files, all limits
    /// checked. It is spelled as QEMU's script spells it, because that is what packagers compare
    /// with.
    pub fn line(&self) -> Result<String, RuleError> {
        self.check()?;
        let taken = |c: char| {
            self.name.contains(c)
                || self.interpreter.contains(c)
                || matches!(&self.matcher, Matcher::Extension(e) if e.contains(c))
        };
        let d = ":|;,!%+=~^@#&*?".chars().find(|c| !taken(*c)).ok_or(RuleError::NoDelimiter)?;
        let (kind, offset, magic, mask) = match &self.matcher {
            Matcher::Magic { offset, magic, mask } => {
                // Offset 0 is left out, as every other tool does.
                let offset = if *offset == 0 { String::new() } else { offset.to_string() };
                ('M', offset, self.escape(magic), self.escape(mask))
            }
            Matcher::Extension(extension) => ('E', String::new(), extension.clone(), String::new()),
        };
        let (name, interpreter, flags) = (&self.name, &self.interpreter, self.flags.written());
        let line = format!("{d}{name}{d}{kind}{d}{offset}{d}{magic}{d}{mask}{d}{interpreter}{d}{flags}");
        if line.len() > MAX_LINE { Err(RuleError::TooLong(line.len())) } else { Ok(line) }
    }

    /// Every byte as `\xHH`, but the letters ELF at their place stay letters; except in one of the
    /// script's rows.
    pub(crate) fn escape(&self, bytes: &[u8]) -> String {
        let digits = |bytes: &[u8]| bytes.iter().map(|b| format!("\\x{b:02x}")).collect::<String>();
        match bytes.strip_prefix(b"\x7fELF") {
            Some(rest) if self.name != "qemu-hppa" => format!("\\x7fELF{}", digits(rest)),
            _ => digits(bytes),
        }
    }

    /// The limits of fs/binfmt_misc.c, except the length of the line.
    fn check(&self) -> Result<(), RuleError> {
        let name = self.name.as_str();
        if name.is_empty()
            || matches!(name, "." | ".." | "register" | "status")
            || name.contains(['/', '\n', '\0'])
        {
            return Err(RuleError::BadName(name.into()));
        }
        if !self.interpreter.starts_with('/') || self.interpreter.contains(['\n', '\0']) {
            return Err(RuleError::BadInterpreter(self.interpreter.clone()));
        }
        match &self.matcher {
            Matcher::Magic { magic, .. } if magic.is_empty() => {
                Err(RuleError::BadMagic("it is empty".into()))
            }
            Matcher::Magic { offset, magic, .. } if offset.saturating_add(magic.len()) > MAX_WINDOW => {
                let end = offset.saturating_add(magic.len());
                Err(RuleError::BadMagic(format!(
                    "it ends at byte {end} and the kernel looks at {MAX_WINDOW}"
                )))
            }
            Matcher::Magic { magic, mask, .. } if !mask.is_empty() && mask.len() != magic.len() => {
                Err(RuleError::MaskLength(magic.len(), mask.len()))
            }
            Matcher::Extension(e) if e.is_empty() || e.contains(['/', '\n', '\0']) => {
                Err(RuleError::BadMagic(format!("`{e}` is no file name extension")))
            }
            _ => Ok(()),
        }
    }

    /// Reads a line in the kernel's syntax.
    pub fn parse(line: &str) -> Result<Rule, RuleError> {
        let line = line.strip_suffix('\n').unwrap_or(line);
        let delimiter = line.chars().next().ok_or(RuleError::Syntax("it is empty"))?;
        let fields: Vec<&str> = line[delimiter.len_utf8()..].split(delimiter).collect();
        let [name, kind, offset, magic, mask, interpreter, flags] = fields[..] else {
            return Err(RuleError::Syntax("seven fields follow the first delimiter"));
        };
        let matcher = match kind {
            "M" => Matcher::Magic {
                offset: if offset.is_empty() {
                    0
                } else {
                    offset.parse().map_err(|_| RuleError::Syntax("the offset is a number"))?
                },
                magic: unescape(magic)?,
                mask: unescape(mask)?,
            },
            "E" => Matcher::Extension(magic.to_string()),
            _ => return Err(RuleError::Syntax("the type is M or E")),
        };
        let flags = Flags::parse(flags).ok_or(RuleError::Syntax("flags are capital letters"))?;
        let rule = Rule { name: name.into(), matcher, interpreter: interpreter.into(), flags };
        rule.check()?;
        Ok(rule)
    }
}

impl Matcher {
    /// Whether the kernel would take a file that starts like this (and is called this) for a match.
    pub fn matches(&self, header: &[u8], file_name: &str) -> bool {
        match self {
            Matcher::Magic { offset, magic, mask } => {
                let Some(window) = header.get(*offset..*offset + magic.len()) else { return false };
                let bit = |i: usize| mask.get(i).copied().unwrap_or(0xff);
                magic.iter().zip(window).enumerate().all(|(i, (want, have))| (want ^ have) & bit(i) == 0)
            }
            Matcher::Extension(extension) => file_name.rsplit_once('.').is_some_and(|(_, e)| e == extension),
        }
    }

    /// Whether both select the same files: masked-out bits of the magic do not count, an all-ones
    /// mask equals none.
    pub fn same(&self, other: &Matcher) -> bool {
        match (self, other) {
            (
                Matcher::Magic { offset: o1, magic: m1, mask: k1 },
                Matcher::Magic { offset: o2, magic: m2, mask: k2 },
            ) => {
                let bit = |mask: &[u8], i: usize| mask.get(i).copied().unwrap_or(0xff);
                o1 == o2
                    && m1.len() == m2.len()
                    && (0..m1.len()).all(|i| bit(k1, i) == bit(k2, i) && (m1[i] ^ m2[i]) & bit(k1, i) == 0)
            }
            (a, b) => a == b,
        }
    }
}

/// Plain bytes and `\xHH`.
pub(crate) fn unescape(text: &str) -> Result<Vec<u8>, RuleError> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'\\' && tail.first() == Some(&b'x') {
            let digits = tail.get(1..3).and_then(|d| std::str::from_utf8(d).ok());
            let byte = digits
                .and_then(|d| u8::from_str_radix(d, 16).ok())
                .ok_or(RuleError::Syntax("\\x takes two digits"))?;
            out.push(byte);
            rest = &tail[3..];
        } else {
            out.push(first);
            rest = tail;
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(interpreter: &str) -> Rule {
        Rule {
            name: "qemu-test".into(),
            matcher: Matcher::Magic { offset: 0, magic: b"\x7fELF:".to_vec(), mask: vec![] },
            interpreter: interpreter.into(),
            flags: Flags::parse("FP").unwrap(),
        }
    }

    #[test]
    fn lines_go_both_ways() {
        let check = |rule: Rule, want: &str| {
            let line = rule.line().unwrap();
            assert_eq!(line, want);
            assert_eq!(Rule::parse(&line).unwrap(), rule);
        };
        check(rule("/bin/q"), ":qemu-test:M::\\x7fELF\\x3a::/bin/q:FP");
        check(rule("/a:b"), "|qemu-test|M||\\x7fELF\\x3a||/a:b|FP");
        let mut with_offset = rule("/bin/q");
        with_offset.matcher = Matcher::Magic { offset: 8, magic: vec![1, 2], mask: vec![255, 0] };
        check(with_offset, ":qemu-test:M:8:\\x01\\x02:\\xff\\x00:/bin/q:FP");
        let mut by_name = rule("/bin/q");
        by_name.matcher = Matcher::Extension("jar".into());
        check(by_name, ":qemu-test:E::jar::/bin/q:FP");
    }

    #[test]
    fn limits_are_named() {
        let check = |change: &dyn Fn(&mut Rule), want: RuleError| {
            let mut r = rule("/bin/q");
            change(&mut r);
            assert_eq!(r.line().unwrap_err(), want);
        };
        check(&|r| r.name = "a/b".into(), RuleError::BadName("a/b".into()));
        check(&|r| r.name = "register".into(), RuleError::BadName("register".into()));
        check(&|r| r.interpreter = "q".into(), RuleError::BadInterpreter("q".into()));
        check(&|r| r.interpreter = format!("/{}", "x".repeat(2000)), RuleError::TooLong(2031));
        check(&|r| r.interpreter = "/:|;,!%+=~^@#&*?".into(), RuleError::NoDelimiter);
        let magic =
            |offset, len, mask: usize| Matcher::Magic { offset, magic: vec![0; len], mask: vec![0; mask] };
        check(&|r| r.matcher = magic(0, 0, 0), RuleError::BadMagic("it is empty".into()));
        check(
            &|r| r.matcher = magic(200, 57, 0),
            RuleError::BadMagic("it ends at byte 257 and the kernel looks at 256".into()),
        );
        check(&|r| r.matcher = magic(0, 4, 3), RuleError::MaskLength(4, 3));
        let mut longest = rule("/");
        longest.interpreter = format!("/{}", "x".repeat(MAX_LINE - longest.line().unwrap().len()));
        assert_eq!(longest.line().unwrap().len(), MAX_LINE);
    }

    #[test]
    fn foreign_lines_are_read_or_refused() {
        assert!(Rule::parse(":CLR:M::MZ::/usr/bin/cli:").is_ok());
        for bad in
            ["", ":a:b", ":a:X::x::/q:", ":a:M:z:x::/q:", ":a:M::\\xg0::/q:", ":a:M::x::/q:p", ":a:M::x::q:"]
        {
            assert!(Rule::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn flags_have_the_kernels_order() {
        assert_eq!(Flags::parse("FTCOP").unwrap().to_string(), "POCFT");
        assert_eq!(Flags::parse("C").unwrap().effective().to_string(), "OC");
        assert_eq!(Flags::parse("PFCT").unwrap().written(), "OCFPT");
        assert_eq!(Flags::parse("f"), None);
    }

    #[test]
    fn matchers_compare_by_what_they_select() {
        let m = |magic: &[u8], mask: &[u8]| Matcher::Magic {
            offset: 0,
            magic: magic.to_vec(),
            mask: mask.to_vec(),
        };
        assert!(m(b"ab", &[255, 0]).same(&m(b"ax", &[255, 0])));
        assert!(m(b"ab", &[]).same(&m(b"ab", &[255, 255])));
        assert!(!m(b"ab", &[]).same(&m(b"ab", &[255, 0])));
        assert!(m(b"ab", &[255, 0]).matches(b"azzz", ""));
        assert!(!m(b"ab", &[]).matches(b"a", ""));
        assert!(Matcher::Extension("jar".into()).matches(b"", "x.jar"));
    }
}

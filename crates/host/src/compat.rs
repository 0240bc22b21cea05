//! The command lines of other tools: multiarch/qemu-user-static's `register`, QEMU's `qemu-binfmt-conf.sh` and
//! tonistiigi/binfmt, so that scripts and images built on them go on working.
//!
//! What is printed and registered is what those programs print and register, byte for byte where others read it. Where
//! they lie we do not: an exit code of 0 means that everything asked for was done (multiarch's answers for the last
//! target only, tonistiigi's is always 0), and options after a mistyped one are not ignored. Changes are made without a
//! gap, and an entry that already says the same is left as it is instead of failing with `File exists`.

use crate::failure::{Code, Failure, OrFail, Result, fail};
use crate::register::{self, explain};
use anyarch_binfmt::plan::{Kind, apply};
use anyarch_binfmt::{
    FAMILIES, Family, Flags, Instance, InstanceError, Kernel, Matcher, Outcome, Policy, Rule, family,
    formats, plan_register, plan_unregister,
};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The program that a name stands for: the name we were called by, or the word after `anyarch compat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Personality {
    /// multiarch/qemu-user-static's /register.
    Multiarch,
    /// QEMU's script.
    Script,
    /// tonistiigi/binfmt.
    Tonistiigi,
}

impl Personality {
    /// By the name of the executable.
    pub fn of_executable(name: &str) -> Option<Personality> {
        match Path::new(name).file_name()?.to_str()? {
            "register" | "register.sh" => Some(Personality::Multiarch),
            "qemu-binfmt-conf.sh" | "qemu-binfmt-conf" => Some(Personality::Script),
            "binfmt" => Some(Personality::Tonistiigi),
            _ => None,
        }
    }

    /// By the word on anyarch's own command line.
    pub fn of_word(word: &str) -> Option<Personality> {
        match word {
            "multiarch" => Some(Personality::Multiarch),
            "qemu-binfmt-conf" => Some(Personality::Script),
            "tonistiigi" => Some(Personality::Tonistiigi),
            _ => None,
        }
    }

    /// Runs it.
    pub fn run(self, args: &[String], dir: &Path) -> Result<u8> {
        let env = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
        match self {
            Personality::Multiarch => multiarch(args, dir, &env),
            Personality::Script => Script::parse(args, Script::new(&env))?.run(dir, false),
            Personality::Tonistiigi => tonistiigi(args, dir, &env),
        }
    }
}

type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

// ---- multiarch ------------------------------------------------------------------------------------------------------

fn multiarch(args: &[String], dir: &Path, env: Env) -> Result<u8> {
    if !dir.is_dir() {
        println!("No binfmt support in the kernel.");
        println!("  Try: '/sbin/modprobe binfmt_misc' from the host");
        return Ok(1);
    }
    let reset = args.iter().any(|a| a == "--reset");
    let rest: Vec<String> = args.iter().filter(|a| *a != "--reset").cloned().collect();
    let mut script = Script::new(env);
    script.suffix = "-static".into();
    script.path = env("QEMU_BIN_DIR").unwrap_or_else(|| "/usr/bin".into());
    Script::parse(&rest, script)?.run(dir, reset)
}

// ---- qemu-binfmt-conf.sh --------------------------------------------------------------------------------------------

/// What the script does with each architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Output {
    Kernel,
    Systemd,
    Debian,
}

/// The script's variables.
#[derive(Clone, Debug)]
struct Script {
    output: Output,
    cpu: Option<String>,
    path: String,
    suffix: String,
    export: Option<String>,
    credential: bool,
    persistent: bool,
    preserve: bool,
    ignore_family: bool,
    host: String,
    help: bool,
}

/// The script's options: short, long, whether a value follows.
const OPTIONS: &[(char, &str, bool)] = &[
    ('d', "debian", false),
    ('s', "systemd", true),
    ('Q', "qemu-path", true),
    ('F', "qemu-suffix", true),
    ('e', "exportdir", true),
    ('c', "credential", true),
    ('p', "persistent", true),
    ('g', "preserve-argv0", true),
    ('i', "ignore-family", true),
    ('h', "help", false),
];

impl Script {
    fn new(env: Env) -> Script {
        Script {
            output: Output::Kernel,
            cpu: None,
            path: "/usr/local/bin".into(),
            suffix: String::new(),
            export: None,
            credential: false,
            persistent: false,
            preserve: false,
            ignore_family: false,
            host: env("HOST_ARCH").unwrap_or_else(crate::elf::host_machine),
            help: false,
        }
    }

    /// getopt's rules: values may be joined (`-pyes`, `--persistent=yes`), long names shortened as far as they are clear.
    fn parse(args: &[String], mut script: Script) -> Result<Script> {
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut items: Vec<(&(char, &str, bool), Option<String>)> = Vec::new();
            if arg == "--" {
                break;
            } else if let Some(long) = arg.strip_prefix("--") {
                let (name, value) =
                    long.split_once('=').map_or((long, None), |(n, v)| (n, Some(v.to_string())));
                let fits: Vec<_> = OPTIONS.iter().filter(|o| o.1.starts_with(name)).collect();
                match (OPTIONS.iter().find(|o| o.1 == name), &fits[..]) {
                    (Some(option), _) => items.push((option, value)),
                    (None, [option]) => items.push((option, value)),
                    _ => fail!(Code::Failed, "unrecognized option '{arg}'"),
                }
            } else if let Some(short) = arg.strip_prefix('-').filter(|s| !s.is_empty()) {
                let letters = short.char_indices();
                for (at, letter) in letters {
                    let Some(option) = OPTIONS.iter().find(|o| o.0 == letter) else {
                        fail!(Code::Failed, "invalid option -- '{letter}'");
                    };
                    if option.2 {
                        let joined = &short[at + letter.len_utf8()..];
                        items.push((option, (!joined.is_empty()).then(|| joined.to_string())));
                        break;
                    }
                    items.push((option, None));
                }
            }
            // The script ignores other words.
            for (option, value) in items {
                let value = match value {
                    Some(value) => value,
                    None if option.2 => match args.next() {
                        Some(value) => value.clone(),
                        None => fail!(Code::Failed, "option requires an argument -- '{}'", option.0),
                    },
                    None => String::new(),
                };
                script.set(option.0, value)?;
            }
        }
        Ok(script)
    }

    fn set(&mut self, option: char, value: String) -> Result<()> {
        match option {
            'd' => self.output = Output::Debian,
            's' => {
                self.output = Output::Systemd;
                if value != "ALL" && family::by_name(&value).is_none() {
                    println!("ERROR: unknown CPU \"{value}\"");
                    println!("{}", usage());
                    fail!(Code::Failed, "unknown CPU \"{value}\"");
                }
                self.cpu = (value != "ALL").then_some(value);
            }
            'Q' => self.path = value,
            'F' => self.suffix = value,
            'e' => self.export = Some(value),
            'c' => self.credential = value == "yes",
            'p' => self.persistent = value == "yes",
            'g' => self.preserve = value == "yes",
            'i' => self.ignore_family = value == "yes",
            _ => self.help = true,
        }
        Ok(())
    }

    fn families(&self) -> impl Iterator<Item = &'static Family> {
        let host = family::host_family(&self.host).to_string();
        let (cpu, ignore) = (self.cpu.clone(), self.ignore_family);
        FAMILIES
            .iter()
            .filter(move |f| cpu.as_deref().is_none_or(|c| c == f.name) && (ignore || f.family != host))
    }

    fn rule(&self, f: &Family) -> Rule {
        let flags = [
            (self.credential, Flags::CREDENTIALS | Flags::OPEN_BINARY),
            (self.persistent, Flags::FIX_BINARY),
            (self.preserve, Flags::PRESERVE_ARGV0),
        ];
        Rule {
            name: f.entry_name(),
            matcher: Matcher::Magic { offset: 0, magic: f.magic(), mask: f.mask() },
            interpreter: format!("{}/qemu-{}{}", self.path, f.emulator(), self.suffix),
            flags: flags.iter().filter(|(on, _)| *on).fold(Flags::default(), |set, (_, flag)| set | *flag),
        }
    }

    fn run(&self, dir: &Path, reset: bool) -> Result<u8> {
        if self.help {
            println!("{}", usage());
            return Ok(0);
        }
        match self.output {
            Output::Kernel => self.register(dir, reset),
            Output::Systemd => self.export("/etc/binfmt.d", ".conf", &|rule| formats::systemd(rule)),
            Output::Debian => {
                self.export("/usr/share/binfmts", "", &|rule| formats::debian(rule).unwrap_or_default())
            }
        }
    }

    fn export(&self, default: &str, suffix: &str, render: &dyn Fn(&Rule) -> String) -> Result<u8> {
        let folder = PathBuf::from(self.export.as_deref().unwrap_or(default));
        for f in self.families() {
            let rule = self.rule(f);
            println!("Setting {} as binfmt interpreter for {}", rule.interpreter, f.name);
            let file = folder.join(format!("{}{suffix}", rule.name));
            let attempt = || -> std::io::Result<()> {
                let mut new = tempfile::Builder::new()
                    .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
                    .tempfile_in(&folder)?;
                new.write_all(render(&rule).as_bytes())?;
                new.persist(&file)?;
                Ok(())
            };
            attempt().or_fail(Code::Failed, || format!("ERROR: cannot write to {}", file.display()))?;
        }
        Ok(0)
    }

    fn register(&self, dir: &Path, reset: bool) -> Result<u8> {
        let mut instance = open_or_mount(dir)?;
        let _lock = instance.lock(std::time::Duration::from_secs(10)).map_err(|e| explain(e, dir))?;
        let current = instance.entries().map_err(|e| explain(e, dir))?;
        let rules: Vec<Rule> = self.families().map(|f| self.rule(f)).collect();
        let policy = if reset { Policy::Replace } else { Policy::Keep };
        let mut code = 0;
        if reset {
            // Everything that is not about to be replaced.
            let stale = |name: &str| rules.iter().all(|r| r.name != name);
            for change in plan_unregister(&current, &stale, true) {
                if let Outcome::Failed { error, .. } = apply(&mut instance, &change) {
                    complain(&explain(error, dir), &mut code);
                }
            }
        }
        for (change, rule) in plan_register(&current, &rules, policy, reset).iter().zip(&rules) {
            println!(
                "Setting {} as binfmt interpreter for {}",
                rule.interpreter,
                rule.name.trim_start_matches("qemu-")
            );
            match apply(&mut instance, change) {
                Outcome::Done => {}
                Outcome::Conflict(entry) => {
                    let what = format!(
                        "{} exists already ({} {})",
                        entry.rule.name, entry.rule.interpreter, entry.rule.flags
                    );
                    complain(&Failure::new(Code::Conflict, what).mend("add --reset"), &mut code);
                }
                Outcome::Failed { error, .. } => complain(&explain(error, dir), &mut code),
            }
        }
        Ok(code)
    }
}

/// These programs answer 1 for every failure.
fn complain(failure: &Failure, code: &mut u8) {
    eprintln!("{failure}");
    *code = 1;
}

/// What these programs do where nothing is mounted, with the warning that they owe.
fn open_or_mount(dir: &Path) -> Result<Instance> {
    match Instance::open(dir) {
        Err(InstanceError::NotMounted(_)) => {
            use rustix::mount::{MountFlags, mount};
            mount(
                "binfmt_misc",
                dir,
                "binfmt_misc",
                MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC,
                None,
            )
            .or_fail(Code::Kernel, || format!("cannot mount binfmt_misc on {}", dir.display()))?;
            crate::ui::caution!(
                "binfmt_misc was not mounted and is now; since Linux 6.7 the entries vanish with the last mount, and one made in a \
                 container ends with it (mend: on the host, mount -t binfmt_misc binfmt_misc {})",
                dir.display()
            );
            register::open(dir)
        }
        _ => register::open(dir),
    }
}

fn usage() -> String {
    let names: Vec<_> = FAMILIES.iter().map(|f| f.name).collect();
    format!(
        "Usage: qemu-binfmt-conf.sh [--qemu-path PATH][--debian][--systemd CPU]\n\
         \x20                          [--help][--credential yes|no][--exportdir PATH]\n\
         \x20                          [--persistent yes|no][--qemu-suffix SUFFIX]\n\
         \x20                          [--preserve-argv0 yes|no][--ignore-family yes|no]\n\
         \n\
         Configures binfmt_misc to run programs of other architectures with QEMU's interpreters.\n\
         \n\
         \x20   --help:           this text\n\
         \x20   --qemu-path:      folder of the interpreters (default /usr/local/bin)\n\
         \x20   --qemu-suffix:    suffix of their names (for example -static)\n\
         \x20   --debian:         write files for update-binfmts (default folder /usr/share/binfmts)\n\
         \x20   --systemd:        write files for systemd-binfmt, for one CPU or ALL (default folder /etc/binfmt.d)\n\
         \x20   --exportdir:      write them to this folder\n\
         \x20   --credential:     yes: take credentials from the program (flags OC)\n\
         \x20   --persistent:     yes: keep the interpreter open (flag F)\n\
         \x20   --preserve-argv0: yes: keep the program's argv[0] (flag P)\n\
         \x20   --ignore-family:  yes: also for architectures that the host runs itself\n\
         \n\
         Environment: HOST_ARCH overrides `uname -m`.\n\
         CPUs: {}",
        names.join(" ")
    )
}

// ---- tonistiigi -----------------------------------------------------------------------------------------------------

fn tonistiigi(args: &[String], dir: &Path, env: Env) -> Result<u8> {
    let (mut install, mut uninstall, mut mount, mut version) = (Vec::new(), Vec::new(), false, false);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let (name, joined) =
            arg.split_once('=').map_or((arg.as_str(), None), |(n, v)| (n, Some(v.to_string())));
        let mut value = || match joined.clone().or_else(|| args.next().cloned()) {
            Some(value) => Ok(value),
            None => Err(Failure::new(Code::Usage, format!("flag needs an argument: {name}"))),
        };
        let list = |text: String| {
            text.split(',').map(str::trim).filter(|w| !w.is_empty()).map(str::to_string).collect::<Vec<_>>()
        };
        match name.trim_start_matches('-') {
            "install" => install = list(value()?),
            "uninstall" => uninstall = list(value()?),
            "mount" => mount = true,
            "version" => version = true,
            _ => fail!(Code::Usage, "flag provided but not defined: {name}"),
        }
    }
    if version {
        println!("binfmt/{} (anyarch)", env!("CARGO_PKG_VERSION"));
        return Ok(0);
    }
    let mut instance = if mount { open_or_mount(dir)? } else { register::open(dir)? };
    let mut code = 0;
    let _lock = instance.lock(std::time::Duration::from_secs(10)).map_err(|e| explain(e, dir))?;
    for word in &uninstall {
        let current = instance.entries().map_err(|e| explain(e, dir))?;
        let wanted: Vec<String> = match family::lookup(word).first() {
            Some(f) => vec![f.entry_name()],
            None => current
                .iter()
                .map(|e| e.rule.name.clone())
                .filter(|n| glob(word, n) && !n.starts_with("WSLInterop"))
                .collect(),
        };
        for name in wanted {
            match instance.remove(&name) {
                Ok(()) => eprintln!("uninstalling: {name} OK"),
                Err(error) => {
                    eprintln!("uninstalling: {name} {error}");
                    code = 1;
                }
            }
        }
    }
    let machine = crate::elf::host_machine();
    let place = env("QEMU_BINARY_PATH").unwrap_or_else(|| "/usr/bin".into());
    let prefix = env("QEMU_BINARY_PREFIX").unwrap_or_default();
    let preserve = env("QEMU_PRESERVE_ARGV0").is_some();
    let mut wanted: Vec<(String, &'static Family)> = Vec::new();
    for word in &install {
        if word == "all" {
            wanted.extend(
                FAMILIES
                    .iter()
                    .filter(|f| f.published_platforms().next().is_some() && !f.is_native_to(&machine))
                    .map(|f| (f.go_name().to_string(), f)),
            );
            continue;
        }
        match family::lookup(word).first() {
            Some(f) => wanted.push((word.trim_start_matches("linux/").to_string(), f)),
            None => {
                eprintln!("installing: {word} unsupported architecture: {word}");
                code = 1;
            }
        }
    }
    for (word, f) in wanted {
        let file = format!("{place}/{prefix}qemu-{}", f.emulator());
        let flags = Flags::CREDENTIALS
            | Flags::FIX_BINARY
            | if preserve { Flags::PRESERVE_ARGV0 } else { Flags::default() };
        let rule = Rule {
            name: f.entry_name(),
            matcher: Matcher::Magic { offset: 0, magic: f.magic(), mask: f.mask() },
            interpreter: file,
            flags,
        };
        let current = instance.entries().map_err(|e| explain(e, dir))?;
        let change = plan_register(&current, &[rule], Policy::Keep, false).remove(0);
        match (&change.kind, apply(&mut instance, &change)) {
            (Kind::Present { .. }, Outcome::Done) => {
                eprintln!("installing: {word} {} already registered", change.name)
            }
            (_, Outcome::Done) => eprintln!("installing: {word} OK"),
            (_, Outcome::Conflict(_)) => {
                // It is registered, though otherwise; theirs says so and goes on.
                eprintln!("installing: {word} {} already registered", change.name);
                code = 1;
            }
            (_, Outcome::Failed { error, .. }) => {
                eprintln!("installing: {word} {error}");
                code = 1;
            }
        }
    }
    let rows = register::survey(&instance)?;
    let emulators: Vec<_> =
        rows.iter().filter(|r| r.entry.enabled).map(|r| r.entry.rule.name.clone()).collect();
    let value = json!({ "supported": register::supported_platforms(&rows), "emulators": emulators });
    println!("{}", serde_json::to_string_pretty(&value).unwrap_or_default());
    Ok(code)
}

/// `*` and `?`, as path.Match has them.
fn glob(pattern: &str, text: &str) -> bool {
    match (pattern.chars().next(), text.chars().next()) {
        (None, None) => true,
        (Some('*'), _) => {
            glob(&pattern[1..], text)
                || text.chars().next().is_some_and(|c| glob(pattern, &text[c.len_utf8()..]))
        }
        (Some('?'), Some(c)) => glob(&pattern[1..], &text[c.len_utf8()..]),
        (Some(p), Some(c)) if p == c => glob(&pattern[p.len_utf8()..], &text[c.len_utf8()..]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none(_: &str) -> Option<String> {
        None
    }

    fn script(args: &[&str]) -> Result<Script> {
        let args: Vec<_> = args.iter().map(|a| a.to_string()).collect();
        Script::parse(&args, Script { host: "x86_64".into(), ..Script::new(&none) })
    }

    #[test]
    fn options_are_getopts() {
        for args in [
            &["-p", "yes", "-Q", "/q"][..],
            &["-pyes", "-Q/q"],
            &["--persistent=yes", "--qemu-path", "/q"],
            &["--pers", "yes", "--qemu-p=/q"],
        ] {
            let s = script(args).unwrap();
            assert!(s.persistent && s.path == "/q", "{args:?}");
        }
        assert_eq!(script(&["--systemd", "vax"]).unwrap_err().what, "unknown CPU \"vax\"");
        assert_eq!(script(&["--qemu", "/q"]).unwrap_err().what, "unrecognized option '--qemu'");
        assert_eq!(script(&["-x"]).unwrap_err().what, "invalid option -- 'x'");
        assert_eq!(script(&["-p"]).unwrap_err().what, "option requires an argument -- 'p'");
    }

    #[test]
    fn the_hosts_family_is_left_out() {
        assert_eq!(script(&[]).unwrap().families().count(), 31);
        assert_eq!(script(&["-i", "yes"]).unwrap().families().count(), 34);
        assert_eq!(
            script(&["-s", "s390x"]).unwrap().families().map(|f| f.name).collect::<Vec<_>>(),
            ["s390x"]
        );
    }

    #[test]
    fn files_of_all_families_are_written() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().to_str().unwrap();
        script(&["-s", "ALL", "-e", to, "-i", "yes", "-c", "yes", "-p", "yes", "-g", "yes", "-F", "-static"])
            .unwrap()
            .run(Path::new("/"), false)
            .unwrap();
        script(&["-d", "-e", to, "-i", "yes"]).unwrap().run(Path::new("/"), false).unwrap();
        for f in FAMILIES {
            let text = std::fs::read_to_string(dir.path().join(format!("qemu-{}.conf", f.name))).unwrap();
            let rule = formats::parse_systemd(&text).unwrap().remove(0);
            assert_eq!(rule.matcher, Matcher::Magic { offset: 0, magic: f.magic(), mask: f.mask() });
            assert!(
                text.ends_with(&format!(":/usr/local/bin/qemu-{}-static:OCFP\n", f.emulator())),
                "{text}"
            );
            let text = std::fs::read_to_string(dir.path().join(format!("qemu-{}", f.name))).unwrap();
            assert!(text.ends_with("credentials no\npreserve no\nfix_binary no\n"), "{text}");
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 68);
    }

    #[test]
    fn globs_match() {
        for (pattern, text, want) in [
            ("qemu-*", "qemu-arm", true),
            ("*", "x", true),
            ("qemu-?", "qemu-ab", false),
            ("a*c", "abbc", true),
            ("a*c", "ab", false),
        ] {
            assert_eq!(glob(pattern, text), want, "{pattern} {text}");
        }
    }

    #[test]
    fn names_are_personalities() {
        assert_eq!(Personality::of_executable("/register"), Some(Personality::Multiarch));
        assert_eq!(Personality::of_executable("./qemu-binfmt-conf.sh"), Some(Personality::Script));
        assert_eq!(Personality::of_executable("/usr/bin/anyarch"), None);
    }
}

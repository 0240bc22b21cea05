//! The command line and environment of qemu-user, row by row, and the few options of our own.
//!
//! An option can be given on the command line or, where its row names one, by an environment
//! variable; the command line comes later and wins. What makes no sense for this emulator is
//! accepted in silence where a script only wants it out of the way, and refused where its effect
//! would be missed.

use crate::guests::GUESTS;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use anyarch_linux::config::Config;
use anyarch_linux::memory::space;

/// What the emulator was asked to do.
#[derive(Debug, Default)]
pub(crate) struct Invocation {
    /// Options that the whole process reads.
    pub config: Config,
    /// Index into the arguments (the emulator's own name is 0) of the program's path.
    pub program: usize,
    /// argv[0] for the program if not its path (-0).
    pub argv0: Option<Vec<u8>>,
    /// The argument behind the path is argv[0].
    pub argv0_follows: bool,
    /// Variables to set, as NAME=VALUE.
    pub set_env: Vec<Vec<u8>>,
    /// Variables to remove.
    pub unset_env: Vec<Vec<u8>>,
    /// By direct exec: descriptors of the emulator's executable and of the program.
    pub direct: Option<(i32, i32)>,
}

/// The end already: text for stdout (code 0) or stderr.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Done {
    /// Exit code.
    pub code: i32,
    /// Text without the newline at its end.
    pub text: String,
}

/// Everything [`parse`] looks at.
pub(crate) struct Input<'a> {
    /// Arguments, the emulator's name first.
    pub args: &'a [&'a [u8]],
    /// Environment.
    pub env: &'a [&'a [u8]],
    /// The environment may come from somebody with fewer rights (AT_SECURE): it is not read.
    pub secure: bool,
}

/// What an option does.
#[derive(Clone, Copy)]
enum Effect {
    Help,
    Version,
    Sysroot,
    StackSize,
    CodeCache,
    Cpu,
    SetEnv,
    UnsetEnv,
    Argv0,
    Release,
    Strace,
    Log,
    LogFile,
    PerfMap,
    JitDump,
    Direct,
    /// Accepted without effect.
    Ignored,
    /// The reason why it is refused.
    Refused(&'static str),
}

struct Row {
    name: &'static str,
    env: &'static str,
    /// Name of the argument, empty if there is none.
    arg: &'static str,
    effect: Effect,
    /// Empty: not listed.
    help: &'static str,
}

const fn row(
    name: &'static str,
    env: &'static str,
    arg: &'static str,
    effect: Effect,
    help: &'static str,
) -> Row {
    Row { name, env, arg, effect, help }
}

/// Option of our own that a direct exec passes on; see `anyarch_linux::program::exec`.
const DIRECT: &str = anyarch_linux::program::exec::DIRECT_OPTION;

#[rustfmt::skip]
static ROWS: &[Row] = &[
    row("h", "", "", Effect::Help, "print this help"),
    row("help", "", "", Effect::Help, ""),
    row("version", "QEMU_VERSION", "", Effect::Version, "print the version"),
    row("L", "QEMU_LD_PREFIX", "PATH", Effect::Sysroot, "look up absolute paths (program loader, libraries) in PATH first"),
    row("E", "QEMU_SET_ENV", "VAR=VALUE", Effect::SetEnv, "set variables of the program's environment (separated by commas)"),
    row("U", "QEMU_UNSET_ENV", "VAR", Effect::UnsetEnv, "remove variables from the program's environment"),
    row("0", "QEMU_ARGV0", "ARGV0", Effect::Argv0, "give the program ARGV0 as argv[0]"),
    row("s", "QEMU_STACK_SIZE", "SIZE", Effect::StackSize, "stack of SIZE bytes (K, M, G)"),
    row("cpu", "QEMU_CPU", "MODEL", Effect::Cpu, "processor model; \"help\" lists them"),
    row("r", "QEMU_UNAME", "RELEASE", Effect::Release, "kernel release that uname tells"),
    row("strace", "QEMU_STRACE", "", Effect::Strace, "print system calls"),
    row("D", "QEMU_LOG_FILENAME", "FILE", Effect::LogFile, "print to FILE and not on stderr (%d: the process's id)"),
    row("perfmap", "QEMU_PERFMAP", "", Effect::PerfMap, "name translated code for perf report in /tmp/perf-PID.map"),
    row("jitdump", "QEMU_JITDUMP", "", Effect::JitDump, "write translated code for perf inject --jit to jit-PID.dump"),
    row("B", "QEMU_GUEST_BASE", "ADDRESS", Effect::Ignored, "accepted: guest addresses are host addresses here"),
    row("R", "QEMU_RESERVED_VA", "SIZE", Effect::Ignored, "accepted: the whole address space is the program's"),
    row("d", "QEMU_LOG", "ITEMS", Effect::Log, "stats: translation figures at exit; interp: interpret only; others have no effect"),
    row("dfilter", "QEMU_DFILTER", "RANGE", Effect::Ignored, ""),
    row("p", "QEMU_PAGESIZE", "SIZE", Effect::Ignored, ""),
    row("singlestep", "QEMU_SINGLESTEP", "", Effect::Ignored, ""),
    row("one-insn-per-tb", "QEMU_ONE_INSN_PER_TB", "", Effect::Ignored, ""),
    row("tb-size", "QEMU_TB_SIZE", "MIB", Effect::CodeCache, "size of the cache of translated code"),
    row("seed", "QEMU_RAND_SEED", "SEED", Effect::Ignored, ""),
    row("trace", "QEMU_TRACE", "EVENTS", Effect::Ignored, ""),
    row("t", "QEMU_RTSIG_MAP", "MAP", Effect::Ignored, ""),
    row("g", "QEMU_GDB", "PORT", Effect::Refused("there is no gdb stub: debug with the guest's own gdb or strace"), ""),
    row("plugin", "QEMU_PLUGIN", "FILE", Effect::Refused("plugins are not supported"), ""),
    row(DIRECT, "", "FDS", Effect::Direct, ""),
];

/// The last component of the name the emulator was called by.
pub(crate) fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|&b| b == b'/').next().unwrap_or(path)
}

/// Whether the name asks for a search of PATH only, as BuildKit's copy of the emulator does for
/// what a container is to run.
pub(crate) fn searches_path_first(name: &[u8]) -> bool {
    let name = base_name(name);
    name.starts_with(b"buildkit-") || name.starts_with(b".buildkit")
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `name: message` with exit code 1, as qemu-user's for wrong usage.
fn usage_error(message: String) -> Done {
    Done { code: 1, text: format!("anyarch-emu: {message}") }
}

/// Bytes with an optional K, M or G.
fn parse_size(text: &[u8]) -> Option<u64> {
    let (digits, shift) = match text.split_last()? {
        (b'k' | b'K', d) => (d, 10),
        (b'm' | b'M', d) => (d, 20),
        (b'g' | b'G', d) => (d, 30),
        _ => (text, 0),
    };
    let text = core::str::from_utf8(digits).ok()?;
    let value = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok()?,
        None => text.parse().ok()?,
    };
    value.checked_mul(1 << shift).filter(|&v| v != 0 && v <= 1 << 40)
}

fn help() -> String {
    let mut out = String::from(
        "usage: anyarch-emu [options] PROGRAM [ARGUMENTS...]\nRuns a Linux program of another architecture.\n\nOptions:",
    );
    for row in ROWS.iter().filter(|r| !r.help.is_empty()) {
        let option =
            if row.arg.is_empty() { format!("-{}", row.name) } else { format!("-{} {}", row.name, row.arg) };
        out += &format!("\n  {option:<14} {:<18} {}", row.env, row.help);
    }
    out += "\n\nThe second column names the environment variable with the same effect. \"--\" ends the options.\nArchitectures:";
    for guest in GUESTS {
        out += &format!(" {}", guest.guest().name);
    }
    out
}

/// The version of QEMU whose arguments are taken.
const QEMU_VERSION: &str = "11.0.0";

impl Invocation {
    fn apply(&mut self, row: &Row, value: &[u8], name: &[u8]) -> Result<(), Done> {
        let list = || value.split(|&b| b == b',').filter(|s| !s.is_empty());
        match row.effect {
            Effect::Help => return Err(Done { code: 0, text: help() }),
            Effect::Version => {
                let name = base_name(name);
                // Scripts read QEMU's line: without `-static`, and with a number that they compare.
                let text = match name.starts_with(b"qemu-") {
                    true => format!(
                        "{} version {QEMU_VERSION} (anyarch {})",
                        lossy(name.strip_suffix(b"-static").unwrap_or(name)),
                        env!("CARGO_PKG_VERSION")
                    ),
                    false => format!("{} version {} (anyarch)", lossy(name), env!("CARGO_PKG_VERSION")),
                };
                return Err(Done { code: 0, text });
            }
            Effect::Sysroot => {
                let mut path = value;
                while let [rest @ .., b'/'] = path {
                    path = rest;
                }
                self.config.sysroot = (!path.is_empty()).then(|| path.to_vec());
            }
            Effect::StackSize => {
                let size = parse_size(value)
                    .ok_or_else(|| usage_error(format!("invalid stack size '{}'", lossy(value))))?;
                self.config.stack_size = Some(size);
            }
            Effect::CodeCache => {
                let size = core::str::from_utf8(value).ok().and_then(|v| v.parse::<u64>().ok());
                let size = size.filter(|&s| s > 0).ok_or_else(|| {
                    usage_error(format!("invalid size of the code cache '{}'", lossy(value)))
                })?;
                self.config.code_cache = Some(size.min(space::CODE_CACHE_SIZE >> 20) << 20);
            }
            Effect::Cpu => {
                let model = value.split(|&b| b == b',').next().unwrap_or(b"");
                let models = || GUESTS.iter().flat_map(|g| g.cpu_models().iter().copied());
                if model == b"help" || model == b"?" {
                    let mut text = String::from("Available CPUs:");
                    models().for_each(|m| text += &format!("\n  {m}"));
                    return Err(Done { code: 0, text });
                }
                let known = models().find(|m| m.as_bytes() == model);
                self.config.cpu = Some(known.ok_or_else(|| {
                    usage_error(format!("unable to find CPU model '{}' (-cpu help lists them)", lossy(model)))
                })?);
            }
            Effect::SetEnv => {
                for var in list() {
                    if !var.contains(&b'=') {
                        return Err(usage_error(format!("-E {}: VAR=VALUE expected", lossy(var))));
                    }
                    self.set_env.push(var.to_vec());
                }
            }
            Effect::UnsetEnv => self.unset_env.extend(list().map(<[u8]>::to_vec)),
            Effect::Argv0 => self.argv0 = Some(value.to_vec()),
            Effect::Release => self.config.release = Some(value.to_vec()),
            Effect::Strace => self.config.strace = true,
            Effect::Log => {
                for item in list() {
                    match item {
                        b"stats" => self.config.stats = true,
                        b"interp" => self.config.interpret = true,
                        _ => {}
                    }
                }
            }
            Effect::LogFile => self.config.log = Some(value.to_vec()),
            Effect::PerfMap => self.config.perfmap = true,
            Effect::JitDump => self.config.jitdump = true,
            Effect::Direct => {
                let text = core::str::from_utf8(value).unwrap_or("");
                let fds = text.split_once(',').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
                self.direct = fds;
                self.argv0_follows = fds.is_some();
            }
            Effect::Ignored => {}
            Effect::Refused(why) => return Err(usage_error(format!("-{}: {why}", row.name))),
        }
        Ok(())
    }

    fn read_environment(&mut self, input: &Input<'_>) -> Result<(), Done> {
        for row in ROWS.iter().filter(|r| !r.env.is_empty()) {
            let value = input.env.iter().find_map(|v| v.strip_prefix(row.env.as_bytes())?.strip_prefix(b"="));
            if let Some(value) = value {
                self.apply(row, value, input.args.first().copied().unwrap_or(b""))?;
            }
        }
        Ok(())
    }
}

/// Reads options when the kernel started the emulator as a program's interpreter: from the
/// environment only.
///
/// # Errors
/// A message and exit code.
pub(crate) fn parse_interpreter(input: &Input<'_>, argv0_follows: bool) -> Result<Invocation, Done> {
    let mut out = Invocation { program: 1, argv0_follows, ..Invocation::default() };
    if !input.secure {
        out.read_environment(input)?;
    }
    Ok(out)
}

/// Reads environment and command line.
///
/// # Errors
/// A message and exit code: help, version, wrong usage.
pub(crate) fn parse(input: &Input<'_>) -> Result<Invocation, Done> {
    let mut out = Invocation::default();
    if !input.secure {
        out.read_environment(input)?;
    }
    let name = input.args.first().copied().unwrap_or(b"");
    let mut at = 1;
    while let Some(arg) = input.args.get(at) {
        let Some(option) = arg.strip_prefix(b"-") else { break };
        at += 1;
        if option == b"-" {
            break;
        }
        let option = option.strip_prefix(b"-").unwrap_or(option);
        let Some(row) = ROWS.iter().find(|r| r.name.as_bytes() == option) else {
            return Err(usage_error(format!("unknown option '{}' (-h lists the options)", lossy(arg))));
        };
        let mut value: &[u8] = b"";
        if !row.arg.is_empty() {
            value = input
                .args
                .get(at)
                .ok_or_else(|| usage_error(format!("missing argument for option '{}'", lossy(arg))))?;
            at += 1;
        }
        out.apply(row, value, name)?;
    }
    if at >= input.args.len() {
        return Err(usage_error(String::from(
            "no program given (usage: anyarch-emu [options] PROGRAM [ARGUMENTS...])",
        )));
    }
    out.program = at;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(args: &[&str], env: &[&str]) -> Result<Invocation, Done> {
        let args: Vec<&[u8]> = args.iter().map(|a| a.as_bytes()).collect();
        let env: Vec<&[u8]> = env.iter().map(|a| a.as_bytes()).collect();
        parse(&Input { args: &args, env: &env, secure: false })
    }

    #[test]
    fn refused() {
        let rows: &[(&[&str], &str)] = &[
            (&["anyarch-emu"], "no program given"),
            (&[], "no program given"),
            (&["x", "--"], "no program given"),
            (&["x", "-L"], "missing argument for option '-L'"),
            (&["x", "-nonsense", "a"], "unknown option '-nonsense'"),
            (&["x", "-g", "1234", "a"], "-g: there is no gdb stub"),
            (&["x", "-s", "12Q", "a"], "invalid stack size '12Q'"),
            (&["x", "-s", "0", "a"], "invalid stack size"),
            (&["x", "-cpu", "nosuch", "a"], "unable to find CPU model 'nosuch'"),
            (&["x", "-E", "novalue", "a"], "VAR=VALUE expected"),
            (&["x", "-plugin", "f", "a"], "plugins are not supported"),
        ];
        for (args, want) in rows {
            let done = run(args, &[]).unwrap_err();
            assert_eq!(done.code, 1, "{args:?}");
            assert!(done.text.contains(want), "{args:?}: {}", done.text);
            assert!(!done.text.contains('\n'), "one line: {}", done.text);
        }
    }

    #[test]
    fn accepted() {
        let all = run(
            &[
                "/usr/bin/qemu-aarch64",
                "-L",
                "/sys/root//",
                "--strace",
                "-E",
                "A=1,B=2",
                "-U",
                "C",
                "-0",
                "name",
                "-s",
                "16M",
                "-r",
                "5.10",
                "-B",
                "0",
                "-R",
                "1",
                "-d",
                "in_asm",
                "-p",
                "4096",
                "-one-insn-per-tb",
                "-seed",
                "1",
                "prog",
                "-L",
                "x",
            ],
            &[],
        )
        .unwrap();
        assert_eq!(all.config.sysroot.as_deref(), Some(b"/sys/root".as_slice()));
        assert!(all.config.strace);
        assert_eq!(all.set_env, [b"A=1".to_vec(), b"B=2".to_vec()]);
        assert_eq!(all.unset_env, [b"C".to_vec()]);
        assert_eq!(all.argv0.as_deref(), Some(b"name".as_slice()));
        assert_eq!(all.config.stack_size, Some(16 << 20));
        assert_eq!(all.config.release.as_deref(), Some(b"5.10".as_slice()));
        assert_eq!(all.program, 25);
        let dashes = run(&["x", "--", "-prog"], &[]).unwrap();
        assert_eq!(dashes.program, 2);
        let direct = run(&["x", &format!("--{DIRECT}"), "200,7", "/bin/sh", "sh", "-c", "x"], &[]).unwrap();
        assert_eq!((direct.direct, direct.argv0_follows, direct.program), (Some((200, 7)), true, 3));
    }

    #[test]
    fn environment_comes_first() {
        let env = [
            "QEMU_LD_PREFIX=/a",
            "QEMU_STRACE=",
            "QEMU_PERFMAP=",
            "QEMU_UNAME=1",
            "QEMU_STACK_SIZE=8M",
            "XQEMU_CPU=z",
        ];
        let i = run(&["x", "-L", "/b", "p"], &env).unwrap();
        assert_eq!(i.config.sysroot.as_deref(), Some(b"/b".as_slice()));
        assert!(i.config.strace && i.config.stack_size == Some(8 << 20));
        assert!(i.config.perfmap && !i.config.jitdump);
        let env: Vec<&[u8]> = env.iter().map(|a| a.as_bytes()).collect();
        let secure = parse(&Input { args: &[b"x", b"p"], env: &env, secure: true }).unwrap();
        assert!(secure.config.sysroot.is_none() && !secure.config.strace);
    }

    #[test]
    fn names() {
        assert!(searches_path_first(b"/dev/.buildkit_qemu_emulator"));
        assert!(searches_path_first(b"buildkit-qemu-aarch64"));
        assert!(!searches_path_first(b"/usr/bin/qemu-aarch64-static"));
        let own = env!("CARGO_PKG_VERSION");
        for (name, want) in [
            ("/usr/bin/qemu-aarch64", format!("qemu-aarch64 version 11.0.0 (anyarch {own})")),
            ("/usr/bin/qemu-aarch64-static", format!("qemu-aarch64 version 11.0.0 (anyarch {own})")),
            ("anyarch-emu", format!("anyarch-emu version {own} (anyarch)")),
        ] {
            let done = run(&[name, "-version"], &[]).unwrap_err();
            assert_eq!((done.code, done.text), (0, want));
        }
        assert_eq!(run(&["x", "-h"], &[]).unwrap_err().code, 0);
    }
}

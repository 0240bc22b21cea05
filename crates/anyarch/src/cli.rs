//! The command line: one definition from which parsing, help, completions, man pages and the
//! reference page come.

use crate::commands::image::Pull;
use crate::commands::persist;
use crate::commands::register::Options;
use crate::commands::run::RunOptions;
use crate::emulators::Choice;
use crate::failure::{Code, Failure, Result, fail};
use crate::sandbox::network::Network;
use anyarch_binfmt::Policy;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::ffi::OsString;
use std::path::PathBuf;

/// A flag without a value.
fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

/// An option with a value.
fn option(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help)
}

/// A flag that is on unless said otherwise: `--name`, `--name=yes`, `--name=no`.
fn on_by_default(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name("yes|no")
        .num_args(0..=1)
        .require_equals(true)
        .default_value("yes")
        .default_missing_value("yes")
        .value_parser(["yes", "no"])
        .hide_possible_values(true)
        .help(help)
}

fn architectures(help: &'static str) -> Arg {
    Arg::new("arch").value_name("ARCH").num_args(0..).help(help)
}

fn engines() -> Arg {
    option("engine", "[ARCH=]ENGINE", "Emulator: auto (ours where it runs the guest, else a static QEMU found here), native, qemu or qemu:PATH")
        .short('E')
        .action(ArgAction::Append)
        .value_delimiter(',')
}

fn command_words(help: &'static str) -> Arg {
    Arg::new("command")
        .value_name("CMD")
        // Not ours to read: any bytes.
        .value_parser(value_parser!(OsString))
        .num_args(0..)
        .trailing_var_arg(true)
        .allow_hyphen_values(true)
        .help(help)
}

/// The whole command line. One function, since it is a table: each command's help and options.
pub(crate) fn command() -> Command {
    Command::new("anyarch")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Runs Linux programs and containers of foreign architectures")
        .long_about(
            "Runs Linux programs and containers of foreign architectures: registers emulators with the kernel, verifies and repairs \
             the registration, runs foreign containers without root, and writes the images that register emulators elsewhere.",
        )
        .after_long_help(concat!(
            "Examples:\n",
            "  sudo anyarch register                       run arm64 programs on this machine from now on\n",
            "  sudo anyarch register all --persist         every architecture that has an emulator, also after a reboot\n",
            "  anyarch status                              what is registered, and by whom\n",
            "  anyarch run ./debian-arm64 -- uname -m      one command in a foreign root file system, without root\n",
            "  anyarch with arm64 -- make test             one command with handlers of its own\n",
        ))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .arg(switch("quiet", "Print only failures").short('q').global(true).conflicts_with("verbose"))
        .arg(switch("verbose", "Print how things are done").short('v').global(true))
        .arg(
            option("binfmt-misc", "DIR", "Another mounted binfmt_misc")
                .global(true)
                .default_value(anyarch_binfmt::instance::DEFAULT_DIR)
                .value_parser(value_parser!(PathBuf))
                .hide(true),
        )
        .subcommand(
            Command::new("register")
                .about("Registers emulators with the kernel")
                .long_about(
                    "Registers emulators with the kernel's binfmt_misc. Running it again changes nothing; a change is made in steps \
                     between which a handler always exists. Entries that anyarch did not make are left alone.",
                )
                .after_long_help(concat!(
                    "Examples:\n",
                    "  sudo anyarch register                            arm64, by anyarch's own emulator\n",
                    "  sudo anyarch register all                        every architecture an emulator is found for\n",
                    "  sudo anyarch register linux/arm/v7 s390x --dry-run\n",
                    "  sudo anyarch register arm64 riscv64 --engine arm64=native,riscv64=qemu:/opt/qemu-riscv64\n",
                    "  sudo anyarch register --from-memfd               keep no file open on disk\n",
                ))
                .arg(architectures("Architectures or platforms (arm64, linux/arm/v7, s390x), or all [default: what anyarch-emu runs]"))
                .arg(engines())
                .arg(switch("dry-run", "Show the steps, do nothing").short('n'))
                .arg(on_by_default("fix-binary", "Flag F: open the emulator now, so that it works in containers and chroots"))
                .arg(on_by_default("preserve-argv0", "Flag P: programs see the argv[0] they were called with"))
                .arg(switch("credentials", "Flag C: setuid programs get their owner's rights; a risk, see the manual"))
                .arg(switch("from-memfd", "Register a copy in memory, so that the emulator's file can be removed or replaced"))
                .arg(
                    option("persist", "WAY", "Also after a reboot: binfmt.d, debian, unit, or what fits this machine")
                        .num_args(0..=1)
                        .require_equals(true)
                        .default_missing_value("auto")
                        .value_parser(["auto", "binfmt.d", "debian", "unit"]),
                )
                .arg(switch("shadow", "Where another program has the name, register in front of it as anyarch-ARCH"))
                .arg(switch("replace", "Where another program has the name, take its place").conflicts_with("shadow"))
                .arg(switch("refresh", "Register anew even what looks the same: the emulator's file was replaced"))
                .arg(switch("reset", "Remove every other qemu-* entry, whoever made it").conflicts_with("shadow"))
                .arg(json())
                .arg(switch("hold", "Then stay until a signal ends it: for a pod that stands for the registration")),
        )
        .subcommand(
            Command::new("unregister")
                .about("Removes the entries that anyarch made")
                .arg(architectures("Architectures or platforms [default: all]"))
                .arg(switch("dry-run", "Show the steps, do nothing").short('n'))
                .arg(switch("reset", "Remove qemu-* entries of other programs as well"))
                .arg(json()),
        )
        .subcommand(
            Command::new("status")
                .about("Shows what is registered")
                .arg(switch("json", "As JSON; the schema is in the manual"))
                .arg(switch("all", "Also entries for other kinds of files").short('a')),
        )
        .subcommand(
            Command::new("verify")
                .about("Tries every registered handler with tiny programs in an empty root")
                .long_about(
                    "Runs tiny embedded programs of every registered architecture through the kernel, in an empty root in which \
                     nothing of this machine is visible: start, fork, exec, threads, signals, argv[0], setuid where flag C \
                     claims it. Fails if anything that is claimed does not work.",
                )
                .after_long_help(concat!(
                    "Examples:\n",
                    "  anyarch verify\n",
                    "  anyarch verify arm64 s390x\n",
                    "  anyarch with --engine qemu -- anyarch verify      without registering anything\n",
                ))
                .arg(architectures("Architectures or platforms [default: every registered one]"))
                .arg(switch("json", "As JSON")),
        )
        .subcommand(
            Command::new("doctor")
                .about("Finds what stands in the way of foreign programs, and mends it")
                .arg(switch("fix", "Mend what anyarch can mend, and say what was done"))
                .arg(switch("json", "As JSON")),
        )
        .subcommand(
            Command::new("explain")
                .about("Says whether this machine runs a file or image, by what, and why not")
                .arg(Arg::new("file").value_name("FILE|IMAGE").required(true).help(
                    "A program or script, an OCI layout (DIR or DIR:TAG), an OCI or docker archive, or an image's name: docker's own where a daemon has it, else a registry's",
                ))
                .arg(option("platform", "PLATFORM", "Which of an image's platforms [default: this machine's, else the first]"))
                .arg(switch("json", "As JSON")),
        )
        .subcommand(
            run_options(Command::new("run"))
                .about("Runs a command in a foreign image or root file system, in namespaces of its own")
                .long_about(
                    "Runs a command in a foreign image or root file system, in namespaces of its own with a binfmt_misc of its own. \
                     Needs no root on Linux 6.7 and later. The exit code is the command's, or 128 + N where signal N ended it.",
                )
                .after_long_help(concat!(
                    "Examples:\n",
                    "  anyarch run ./debian-arm64 -- uname -m\n",
                    "  anyarch run -t --platform linux/arm64 debian:stable -- bash\n",
                    "  anyarch run ./image.tar\n",
                    "  anyarch run -it --rm -v $PWD:/src:ro -w /src -e LANG -u 1000 ./debian-arm64 -- make\n",
                )),
        )
        .subcommand(
            Command::new("with")
                .about("Runs a command here with handlers of its own")
                .long_about(
                    "Runs any command (podman, buildah, debootstrap, make) in a user namespace with a binfmt_misc of its own, in \
                     which handlers are registered for it and its children only. Needs Linux 6.7 and no root. It is no sandbox: \
                     the command works on the machine's files with the rights of who starts it, root's for root.",
                )
                .after_long_help(concat!(
                    "Examples:\n",
                    "  anyarch with arm64 -- ./hello-arm64\n",
                    "  anyarch with -- make check\n",
                    "  sudo anyarch with --net user -- sh -c 'dockerd & ...'   a dockerd of one's own, with bridges of its own\n",
                ))
                .arg(architectures("Architectures or platforms [default: every one with an emulator]"))
                .arg(engines())
                .arg(network("in which the command is root"))
                .arg(
                    Arg::new("command")
                        .value_name("CMD")
                        .value_parser(value_parser!(OsString))
                        .num_args(0..)
                        .last(true)
                        .help("The command, after --"),
                ),
        )
        .subcommand(
            Command::new("image")
                .about("Builds the images that register emulators elsewhere; inspects, copies and unpacks images")
                .subcommand_required(true)
                .arg_required_else_help(true)
                .subcommand(
                    Command::new("build")
                        .about("Writes multiarch/qemu-user-static's family of images, reproducibly and without a container engine")
                        .after_long_help(concat!(
                            "Tags: latest and VERSION (anyarch and every emulator), register (anyarch alone), and for each\n",
                            "architecture FROM-TO, FROM-TO-VERSION, TO, TO-VERSION (the one emulator).\n\n",
                            "Examples:\n",
                            "  anyarch image build -o anyarch.tar && docker load -i anyarch.tar\n",
                            "  anyarch image build --to arm64,riscv64 --push registry.example.org/tools/anyarch\n",
                            "  anyarch image build --also ./arm64-host -o layout     one index for hosts of both kinds\n",
                        ))
                        .arg(option("version", "V", "Version in the tags").default_value(env!("CARGO_PKG_VERSION")))
                        .arg(option("to", "ARCH", "Architectures [default: every one with an emulator]").action(ArgAction::Append).value_delimiter(','))
                        .arg(engines())
                        .arg(
                            option("also", "DIR", "A further host, whose anyarch, anyarch-emu and qemu-* lie in this folder: tags become indexes of several platforms")
                                .action(ArgAction::Append)
                                .value_parser(value_parser!(PathBuf)),
                        )
                        .arg(option("name", "NAME", "Repository's name in an archive").default_value("anyarch"))
                        .arg(option("push", "REPOSITORY", "Push to a registry"))
                        .arg(switch("load", "Load into docker or podman"))
                        .arg(option("output", "DIR|FILE.tar", "Write an OCI layout or an archive").short('o').value_parser(value_parser!(PathBuf)))
                        .arg(json()),
                )
                .subcommand(
                    Command::new("inspect")
                        .about("Prints an image's manifests, as buildx imagetools inspect does")
                        .arg(Arg::new("image").value_name("IMAGE").required(true).help("A name, layout or archive"))
                        .arg(switch("raw", "The document as it is").conflicts_with("json"))
                        .arg(json()),
                )
                .subcommand(
                    Command::new("copy")
                        .about("Copies one platform's image")
                        .arg(Arg::new("source").value_name("SOURCE").required(true).help("A name, layout or archive"))
                        .arg(Arg::new("destination").value_name("DESTINATION").required(true).help("A folder (DIR or DIR:TAG), FILE.tar, or docker://NAME"))
                        .arg(option("platform", "PLATFORM", "Which platform [default: the only one, or this machine's]"))
                        .arg(json()),
                )
                .subcommand(
                    Command::new("unpack")
                        .about("Unpacks an image into a bundle that runc and crun run")
                        .arg(Arg::new("source").value_name("SOURCE").required(true).help("A name, layout or archive"))
                        .arg(Arg::new("bundle").value_name("BUNDLE").required(true).value_parser(value_parser!(PathBuf)).help("A new folder"))
                        .arg(option("platform", "PLATFORM", "Which platform [default: the only one, or this machine's]"))
                        .arg(limit())
                        .arg(json()),
                )
                .subcommand(
                    Command::new("prune")
                        .about("Removes from the cache what killed runs have left, and layers of images that are not in it")
                        .arg(switch("all", "Also the images that were pulled, and the layers of all images that do not run"))
                        .arg(json()),
                ),
        )
        .subcommand(
            Command::new("compat")
                .about("Acts as another tool: its arguments, environment and output")
                .long_about(
                    "Takes the arguments and environment of another tool and prints what it prints; exit codes tell the truth. \
                     The same happens when anyarch is called as register, qemu-binfmt-conf.sh or binfmt.",
                )
                .after_long_help(concat!(
                    "Examples:\n",
                    "  anyarch compat multiarch -- --reset -p yes\n",
                    "  anyarch compat qemu-binfmt-conf -- --systemd ALL --exportdir ./binfmt.d\n",
                    "  anyarch compat tonistiigi -- --install arm64,riscv64\n",
                ))
                .arg(Arg::new("tool").value_name("TOOL").required(true).value_parser(["multiarch", "qemu-binfmt-conf", "tonistiigi"]).help("The tool"))
                .arg(command_words("Its arguments, after --")),
        )
        .subcommand(
            Command::new("deploy")
                .about("Prints a ready file for Kubernetes, systemd, compose or GitHub Actions")
                .arg(Arg::new("kind").value_name("KIND").required(true).value_parser(crate::commands::deploy::KINDS).help("What for"))
                .arg(option("image", "IMAGE", "An image made by anyarch image build").default_value("anyarch:latest")),
        )
        .subcommand(
            Command::new("completions")
                .about("Prints completions for a shell")
                .arg(Arg::new("shell").value_name("SHELL").required(true).value_parser(value_parser!(clap_complete::Shell)).help("The shell")),
        )
        .subcommand(
            Command::new("manual")
                .about("Prints the manual page, or writes all of them to a folder")
                .arg(Arg::new("dir").value_name("DIR").value_parser(value_parser!(PathBuf)).help("The folder")),
        )
}

/// An option of docker's and podman's `run` that is refused with a reason.
struct Refused {
    name: &'static str,
    short: Option<char>,
    /// Whether it has a value.
    value: bool,
    why: &'static str,
    mend: &'static str,
}

const fn refusal(
    name: &'static str,
    short: Option<char>,
    value: bool,
    why: &'static str,
    mend: &'static str,
) -> Refused {
    Refused { name, short, value, why, mend }
}

const NO_DAEMON: &str = "there is no daemon: the command runs as long as anyarch run does";
const IN_SHELL: &str = "leave it out; in a shell: anyarch run ... &";
const NO_CGROUP: &str = "it has no cgroup of its own to limit";
const SCOPE: &str =
    "leave it out; a limit around all of it: systemd-run --user --scope -p MemoryMax=1G anyarch run ...";
const ONE_NETWORK: &str = "the command's names are the host's, or --net's";
const ALL_OR_DEFAULT: &str =
    "capabilities are docker's default ones, or with --privileged all of the user namespace";

const REFUSED: [Refused; 16] = [
    refusal(
        "publish",
        Some('p'),
        true,
        "ports cannot be published",
        "leave it out: the command has the host's network, so the ports that it opens are the host's",
    ),
    refusal(
        "publish-all",
        Some('P'),
        false,
        "ports cannot be published",
        "leave it out: ports are the host's",
    ),
    refusal("detach", Some('d'), false, NO_DAEMON, IN_SHELL),
    refusal("restart", None, true, NO_DAEMON, IN_SHELL),
    refusal("memory", Some('m'), true, NO_CGROUP, SCOPE),
    refusal("cpus", None, true, NO_CGROUP, SCOPE),
    refusal("pids-limit", None, true, NO_CGROUP, SCOPE),
    refusal("cap-add", None, true, ALL_OR_DEFAULT, "--privileged, or leave it out"),
    refusal("cap-drop", None, true, ALL_OR_DEFAULT, "leave it out"),
    refusal("security-opt", None, true, "no profile of seccomp, AppArmor or SELinux is set", "leave it out"),
    refusal("device", None, true, "the machine's devices are not shown inside", "-v /dev/NAME:/dev/NAME"),
    refusal("gpus", None, true, "the machine's devices are not shown inside", "-v /dev/NAME:/dev/NAME"),
    refusal("add-host", None, true, ONE_NETWORK, "-v FILE:/etc/hosts:ro"),
    refusal("dns", None, true, ONE_NETWORK, "-v FILE:/etc/resolv.conf:ro"),
    refusal("tmpfs", None, true, "the root is thrown away after the run as a tmpfs is", "leave it out"),
    refusal("userns", None, true, "the user namespace is always one of its own", "leave it out"),
];

fn refused(row: &Refused) -> Arg {
    let arg = Arg::new(row.name).long(row.name).help(row.why).hide(true);
    let arg = row.short.into_iter().fold(arg, |arg, short| arg.short(short));
    match row.value {
        true => arg.action(ArgAction::Append),
        false => arg.action(ArgAction::SetTrue),
    }
}

/// `type=bind,source=HOST,target=INSIDE[,readonly]`, as docker spells it, as a volume.
fn parse_mount(text: &str) -> Result<String> {
    let wrong = |why: &str| {
        Failure::new(Code::Usage, format!("--mount {text}: {why}")).mend("type=bind,src=HOST,dst=INSIDE[,ro]")
    };
    let (mut kind, mut source, mut target, mut read_only) = ("volume", "", "", false);
    for part in text.split(',') {
        let (key, value) = part.split_once('=').unwrap_or((part, "true"));
        match key {
            "type" => kind = value,
            "source" | "src" => source = value,
            "target" | "destination" | "dst" => target = value,
            "readonly" | "ro" => read_only = matches!(value, "true" | "1"),
            "bind-propagation" | "consistency" | "relabel" => {}
            other => return Err(wrong(&format!("`{other}` is unknown"))),
        }
    }
    match kind {
        "bind" => Ok(format!("{source}:{target}{}", if read_only { ":ro" } else { "" })),
        other => Err(wrong(&format!("the type {other} is none that anyarch has"))),
    }
}

fn json() -> Arg {
    switch("json", "As JSON; the schema is in the manual")
}

fn network(rights: &str) -> Arg {
    let help = format!(
        "Network: the machine's; one of its own, {rights}, with nothing but localhost (none) or with a way out by slirp4netns \
         or pasta, the first that is installed (user)"
    );
    Arg::new("net")
        .long("net")
        .visible_alias("network")
        .value_name("host|none|user")
        .help(help)
        .default_value("host")
        .value_parser(Network::parse)
}

fn limit() -> Arg {
    option(
        "layer-limit",
        "SIZE",
        "Refuse a layer that unpacks to more bytes, holes of files not counted; 0: none is refused",
    )
    .default_value("64G")
}

fn run_options(command: Command) -> Command {
    command
        .arg(Arg::new("target").value_name("IMAGE|ROOTFS").required(true).help(
            "A root file system's folder, an OCI layout (DIR or DIR:TAG), an OCI or docker archive, or an image's name",
        ))
        .arg(command_words("Command and arguments, after -- [default: the image's, else /bin/sh]"))
        .arg(option(
            "platform",
            "PLATFORM",
            "Which of an image's platforms, or what a root is for where it does not tell (linux/arm64)",
        ))
        .arg(engines())
        .arg(
            option("env", "NAME[=VALUE]", "Set a variable, or pass ours on")
                .short('e')
                .action(ArgAction::Append),
        )
        .arg(
            option("env-file", "FILE", "Set the variables of a file's lines, as docker reads them")
                .action(ArgAction::Append)
                .value_parser(value_parser!(PathBuf)),
        )
        .arg(
            option("volume", "HOST:INSIDE[:ro]", "Show a file or folder inside")
                .short('v')
                .visible_short_aliases(['V', 'b'])
                .action(ArgAction::Append),
        )
        // Instead of the one for all commands, whose letter is docker's for volumes.
        .arg(switch("verbose", "Print how things are done"))
        .arg(
            option("workdir", "DIR", "Where the command starts")
                .short('w')
                .value_parser(value_parser!(PathBuf)),
        )
        .arg(option("user", "USER[:GROUP]", "As whom").short('u'))
        .arg(switch("tty", "Make a terminal for the command").short('t'))
        .arg(switch("interactive", "Keep standard input open; always done").short('i'))
        .arg(network("whose ports nobody outside reaches"))
        .arg(option("hostname", "NAME", "Host name inside"))
        .arg(option("name", "NAME", "The same, where --hostname is not given"))
        .args(REFUSED.iter().map(refused))
        .arg(switch("init", "A process that reaps; always there, accepted for docker's sake").hide(true))
        .arg(
            option("mount", "type=bind,src=HOST,dst=INSIDE[,ro]", "Show a file or folder inside")
                .action(ArgAction::Append),
        )
        .arg(option("entrypoint", "PROGRAM", "Instead of the image's"))
        .arg(switch("rm", "Remove the unpacked image afterwards; always done, accepted for docker's sake").hide(true))
        .arg(switch("read-only", "The root cannot be written"))
        .arg(limit())
        .arg(
            option("pull", "WHEN", "When the registry is asked: missing (where the image was not pulled before), always, never")
                .default_value("missing")
                .value_parser(["missing", "always", "never"])
                .hide_possible_values(true),
        )
        .arg(
            option("json", "FILE", "Write a report as JSON to a file; the schema is in the manual")
                .value_parser(value_parser!(PathBuf)),
        )
        .arg(switch("privileged", "Keep every capability of the user namespace").long_help(
            "Keep every capability of the user namespace. The command can then mount and unmount, set up the network that it \
             has alone, trace, and uncover what is read-only or hidden in /proc and /sys. It gets no right over the machine \
             that the ids behind its own do not have; root's own where the root's file system knows no id-mapped mounts",
        ))
        .arg(switch("credentials", "Flag C: setuid programs inside get their owner's rights"))
        .arg(switch(
            "no-binfmt",
            "Do not use binfmt_misc: anyarch's own emulator starts the command and all that it starts, as before Linux 6.7",
        ))
        .arg(option("runtime", "PROGRAM", "Use an OCI runtime (runc, crun, a path) instead of the built-in one").conflicts_with("no-binfmt"))
}

/// `ARCH=ENGINE` or `ENGINE`.
fn parse_engines(matches: &ArgMatches) -> Result<Vec<(Option<String>, Choice)>> {
    let parse = |text: &String| {
        let (arch, engine) = match text.split_once('=') {
            Some((arch, engine)) => (Some(arch.to_string()), engine),
            None => (None, text.as_str()),
        };
        if let Some(arch) = arch.as_deref().filter(|a| anyarch_binfmt::family::lookup(a).is_empty()) {
            return Err(crate::commands::register::unknown_architecture(arch));
        }
        let choice =
            Choice::parse(engine).map_err(|e| Failure::new(Code::Usage, format!("--engine {text}: {e}")))?;
        Ok((arch, choice))
    };
    matches.get_many::<String>("engine").into_iter().flatten().map(parse).collect()
}

fn strings(matches: &ArgMatches, name: &str) -> Vec<String> {
    matches.get_many::<String>(name).into_iter().flatten().cloned().collect()
}

/// The words of [`command_words`].
fn words(matches: &ArgMatches) -> Vec<OsString> {
    matches.get_many::<OsString>("command").into_iter().flatten().cloned().collect()
}

fn register_options(matches: &ArgMatches) -> Result<Options> {
    let flag = |name: &str| matches.get_flag(name);
    let yes = |name: &str| matches.get_one::<String>(name).is_some_and(|v| v == "yes");
    let way = |text: &String| match text.as_str() {
        "binfmt.d" => persist::Way::BinfmtD,
        "debian" => persist::Way::Debian,
        "unit" => persist::Way::Unit,
        _ => persist::Way::Auto,
    };
    Ok(Options {
        targets: strings(matches, "arch"),
        engines: parse_engines(matches)?,
        credentials: flag("credentials"),
        preserve_argv0: yes("preserve-argv0"),
        fix_binary: yes("fix-binary"),
        from_memfd: flag("from-memfd"),
        persist: matches.get_one::<String>("persist").map(way),
        dry_run: flag("dry-run"),
        policy: match () {
            () if flag("shadow") => Policy::Shadow,
            () if flag("replace") => Policy::Replace,
            () => Policy::Keep,
        },
        reset: flag("reset"),
        refresh: flag("refresh"),
        registered: false,
        json: flag("json"),
        dir: dir(matches),
    })
}

fn dir(matches: &ArgMatches) -> PathBuf {
    matches.get_one::<PathBuf>("binfmt-misc").cloned().unwrap_or_default()
}

fn parse_run(matches: &ArgMatches) -> Result<RunOptions> {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let given = |row: &&Refused| matches.value_source(row.name) == Some(ValueSource::CommandLine);
    if let Some(row) = REFUSED.iter().find(given) {
        let value = if row.value { text(row.name).map(|v| format!(" {v}")) } else { None };
        let dashes = row.short.map_or(format!("--{}", row.name), |short| format!("-{short}"));
        return Err(Failure::new(Code::Usage, format!("{dashes}{}: {}", value.unwrap_or_default(), row.why))
            .mend(row.mend));
    }
    let workdir = matches.get_one::<PathBuf>("workdir").cloned();
    if let Some(dir) = workdir.as_ref().filter(|dir| !dir.is_absolute()) {
        fail!(Code::Usage, "-w {}: it is no absolute path", dir.display());
    }
    let mut volumes = strings(matches, "volume");
    for mount in strings(matches, "mount") {
        volumes.push(parse_mount(&mount)?);
    }
    // What the command line says itself comes last, and wins.
    let mut env = Vec::new();
    for file in matches.get_many::<PathBuf>("env-file").into_iter().flatten() {
        env.extend(crate::commands::run::read_env_file(file)?);
    }
    env.extend(strings(matches, "env"));
    Ok(RunOptions {
        target: text("target").unwrap_or_default(),
        args: words(matches),
        platform: text("platform"),
        engines: parse_engines(matches)?,
        env,
        volumes,
        workdir,
        user: text("user"),
        terminal: matches.get_flag("tty"),
        network: text("net").unwrap_or_else(|| "host".into()),
        hostname: text("hostname").or(text("name")),
        read_only: matches.get_flag("read-only"),
        privileged: matches.get_flag("privileged"),
        entrypoint: text("entrypoint"),
        credentials: matches.get_flag("credentials"),
        no_binfmt: matches.get_flag("no-binfmt"),
        runtime: text("runtime"),
        layer_limit: layer_limit(matches)?,
        pull: match text("pull").as_deref() {
            Some("always") => Pull::Always,
            Some("never") => Pull::Never,
            _ => Pull::Missing,
        },
        report: matches.get_one::<PathBuf>("json").cloned(),
    })
}

/// Does what a parsed command line asks for; the result is the exit code.
pub(crate) fn dispatch(matches: &ArgMatches) -> Result<u8> {
    let (name, sub) =
        matches.subcommand().ok_or_else(|| Failure::new(Code::Usage, "no command was given"))?;
    crate::ui::set_loudness(sub.get_flag("verbose") as i8 - sub.get_flag("quiet") as i8);
    // `run` has a file there.
    crate::ui::set_json(name != "run" && sub.try_get_one::<bool>("json").ok().flatten() == Some(&true));
    match name {
        "register" => {
            if sub.get_flag("hold") {
                // One that arrives while registering ends the program after it, not within.
                crate::sandbox::hold_signals();
            }
            let code = crate::commands::register::register(&register_options(sub)?)?;
            if sub.get_flag("hold") && code == 0 {
                crate::sandbox::wait_for_end();
            }
            Ok(code)
        }
        "unregister" => crate::commands::register::unregister(
            &strings(sub, "arch"),
            sub.get_flag("reset"),
            sub.get_flag("dry-run"),
            sub.get_flag("json"),
            &dir(sub),
        ),
        "status" => crate::commands::register::status(sub.get_flag("json"), sub.get_flag("all"), &dir(sub)),
        "verify" => crate::commands::verify::verify(&strings(sub, "arch"), sub.get_flag("json"), &dir(sub)),
        "doctor" => crate::commands::doctor::doctor(sub.get_flag("fix"), sub.get_flag("json"), &dir(sub)),
        "explain" => {
            let file = sub.get_one::<String>("file").cloned().unwrap_or_default();
            let platform = sub.get_one::<String>("platform").map(String::as_str);
            crate::commands::explain::explain(&file, platform, sub.get_flag("json"), &dir(sub))
        }
        "image" => {
            crate::temporary::watch_signals();
            image(sub)
        }
        "compat" => {
            let tool = sub
                .get_one::<String>("tool")
                .map(String::as_str)
                .and_then(crate::commands::compat::Personality::of_word);
            let tool = tool.ok_or_else(|| Failure::new(Code::Usage, "no such tool"))?;
            let args: Vec<String> =
                words(sub).iter().map(|word| word.to_string_lossy().into_owned()).collect();
            Ok(tool.run(&args, &dir(sub)))
        }
        "deploy" => {
            let text = |name: &str| sub.get_one::<String>(name).cloned().unwrap_or_default();
            crate::commands::deploy::deploy(&text("kind"), &text("image"))
        }
        "completions" => match sub.get_one::<clap_complete::Shell>("shell") {
            Some(shell) => crate::commands::manual::completions(*shell),
            None => Err(Failure::new(Code::Usage, "no shell was given")),
        },
        "manual" => crate::commands::manual::manual(sub.get_one::<PathBuf>("dir").map(PathBuf::as_path)),
        "run" => crate::commands::run::run(&parse_run(sub)?).map_err(not_started),
        "with" => {
            let options =
                Options { targets: strings(sub, "arch"), engines: parse_engines(sub)?, ..Options::default() };
            let network = sub.get_one::<String>("net").map_or("host", String::as_str);
            crate::commands::run::with(&options, network, words(sub)).map_err(not_started)
        }
        other => Err(Failure::new(Code::Usage, format!("{other} is not a command"))),
    }
}

fn image(matches: &ArgMatches) -> Result<u8> {
    let (name, sub) =
        matches.subcommand().ok_or_else(|| Failure::new(Code::Usage, "no command was given"))?;
    crate::ui::set_loudness(sub.get_flag("verbose") as i8 - sub.get_flag("quiet") as i8);
    let text = |name: &str| sub.get_one::<String>(name).cloned().unwrap_or_default();
    let platform = || sub.get_one::<String>("platform").map(String::as_str);
    let json = sub.get_flag("json");
    crate::ui::set_json(json);
    match name {
        "build" => crate::commands::image_build::build(&crate::commands::image_build::BuildOptions {
            version: text("version"),
            to: strings(sub, "to"),
            engines: parse_engines(sub)?,
            push: sub.get_one::<String>("push").cloned(),
            load: sub.get_flag("load"),
            output: sub.get_one::<PathBuf>("output").cloned(),
            name: text("name"),
            also: sub.get_many::<PathBuf>("also").into_iter().flatten().cloned().collect(),
            json,
        }),
        "inspect" => crate::commands::image::inspect(&text("image"), sub.get_flag("raw"), json),
        "copy" => crate::commands::image::copy(&text("source"), &text("destination"), platform(), json),
        "unpack" => {
            let bundle = sub.get_one::<PathBuf>("bundle").cloned().unwrap_or_default();
            crate::commands::image::unpack_bundle(
                &text("source"),
                &bundle,
                platform(),
                layer_limit(sub)?,
                json,
            )
        }
        "prune" => crate::commands::image::prune(sub.get_flag("all"), json),
        other => Err(Failure::new(Code::Usage, format!("{other} is not a command"))),
    }
}

/// `--layer-limit`: bytes, or with one of the letters K, M, G, T; 0 for no limit.
fn layer_limit(matches: &ArgMatches) -> Result<u64> {
    let text = matches.get_one::<String>("layer-limit").map_or("", String::as_str);
    let digits = text.trim_end_matches(['K', 'M', 'G', 'T']);
    let shift = match &text[digits.len()..] {
        "" => Some(0),
        letter => ["K", "M", "G", "T"].iter().position(|l| *l == letter).map(|i| 10 * (i as u32 + 1)),
    };
    let size = digits.parse::<u64>().ok().zip(shift).and_then(|(n, shift)| n.checked_mul(1 << shift));
    match size {
        Some(0) => Ok(u64::MAX),
        Some(size) => Ok(size),
        None => fail!(Code::Usage, "--layer-limit {text}: not a number of bytes, as 500M or 64G"),
    }
}

/// `run` and `with` answer with the command's exit code, so their own failures have codes that
/// commands avoid.
pub(crate) fn not_started(failure: Failure) -> Failure {
    match failure.code {
        Code::Image | Code::NotStarted | Code::NotExecutable | Code::NotFound => failure,
        _ => Failure { code: Code::NotStarted, ..failure },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        command().debug_assert();
    }

    fn parsed(line: &str) -> Result<RunOptions> {
        let matches = command().try_get_matches_from(line.split_whitespace());
        let matches = matches.unwrap_or_else(|error| panic!("{line}: {error}"));
        parse_run(matches.subcommand().unwrap().1)
    }

    /// Each command line of the examples in the help of each command. A description stands after
    /// two blanks.
    #[test]
    fn the_examples_of_the_help_are_command_lines() {
        fn collect(command: &Command, lines: &mut Vec<String>) {
            let help = command.get_after_long_help().map(|h| h.to_string()).unwrap_or_default();
            for line in help.lines().filter_map(|l| l.strip_prefix("  ")) {
                let line = line.split("  ").next().unwrap_or("");
                let each = line.split(" && ").map(|l| l.strip_prefix("sudo ").unwrap_or(l));
                lines.extend(each.filter(|l| l.starts_with("anyarch ")).map(str::to_string));
            }
            command.get_subcommands().for_each(|sub| collect(sub, lines));
        }
        let mut lines = Vec::new();
        collect(&command(), &mut lines);
        assert!(lines.len() > 20, "{lines:?}");
        for line in lines {
            let matches = command().try_get_matches_from(line.split_whitespace());
            let matches = matches.unwrap_or_else(|error| panic!("{line}: {error}"));
            if let Some(("run", sub)) = matches.subcommand() {
                parse_run(sub).unwrap_or_else(|error| panic!("{line}: {error}"));
            }
        }
    }

    #[test]
    fn run_takes_dockers_options() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("env");
        std::fs::write(&file, "# comment\n\nA=file\n B=x # y\nC=\"q\"\nSURELY_UNSET\n").unwrap();
        let o = parsed(&format!(
            "anyarch run --rm -it --name box --network none -v /a:/b:ro -V /c:/d -e A=1 -e HOME --env-file {} \
             -w /w -u 1:2 --entrypoint /e --platform linux/arm64 debian:stable ls -l",
            file.display()
        ))
        .unwrap();
        assert!(o.terminal && o.network == "none", "{o:?}");
        assert_eq!(o.volumes, ["/a:/b:ro", "/c:/d"]);
        assert_eq!(o.env, ["A=file", "B=x # y", "C=\"q\"", "SURELY_UNSET", "A=1", "HOME"]);
        assert_eq!((o.target.as_str(), &o.args[..]), ("debian:stable", &["ls".into(), "-l".into()][..]));
        assert_eq!((o.hostname.as_deref(), o.user.as_deref()), (Some("box"), Some("1:2")));
        assert_eq!((o.entrypoint.as_deref(), o.platform.as_deref()), (Some("/e"), Some("linux/arm64")));
        assert_eq!(o.workdir.as_deref(), Some(std::path::Path::new("/w")));
        let o = parsed("anyarch run --name a --hostname b --net host x").unwrap();
        assert_eq!((o.hostname.as_deref(), o.network.as_str()), (Some("b"), "host"));
        let refused = parsed("anyarch run -p 80:80 x").unwrap_err();
        assert!(refused.what == "-p 80:80: ports cannot be published" && refused.code == Code::Usage);
        for (words, want) in [
            ("-d", "-d: there is no daemon"),
            ("--detach", "-d: there is no daemon"),
            ("-P", "-P: ports cannot be published"),
            ("--memory 1g", "-m 1g: it has no cgroup"),
            ("--cap-add SYS_ADMIN", "--cap-add SYS_ADMIN: capabilities are"),
            ("-w rel", "-w rel: it is no absolute path"),
            ("--mount type=volume,src=a,dst=/b", "--mount type=volume,src=a,dst=/b: the type volume is none"),
            ("--mount type=bind,x=1", "--mount type=bind,x=1: `x` is unknown"),
        ] {
            let refused = parsed(&format!("anyarch run {words} x")).unwrap_err();
            assert!(
                refused.what.starts_with(want) && refused.code == Code::Usage,
                "{words}: {}",
                refused.what
            );
        }
        let o = parsed("anyarch run --init --mount type=bind,source=/a,target=/b,readonly --mount type=bind,src=/c,dst=/d x")
            .unwrap();
        assert_eq!(o.volumes, ["/a:/b:ro", "/c:/d"]);
        assert!(parsed("anyarch run --env-file /nonexistent x").is_err());
        std::fs::write(&file, "A B=1\n").unwrap();
        assert!(parsed(&format!("anyarch run --env-file {} x", file.display())).is_err());
        // The letter that means a volume there is the loudness everywhere else.
        for line in ["anyarch -v run x", "anyarch run --verbose x", "anyarch status -v"] {
            let matches = command().try_get_matches_from(line.split_whitespace()).unwrap();
            assert!(matches.subcommand().unwrap().1.get_flag("verbose"), "{line}");
        }
    }
}

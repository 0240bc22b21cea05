//! The network of a command: the machine's, one with nothing but localhost, or one of its own with
//! a way out.
//!
//! A way out without rights over the machine's network is a TCP/IP stack in a process:
//! slirp4netns(1) or pasta(1), which podman and rootless docker use as well. Both are old, watched
//! and packaged, so they are taken from the machine and not written anew. One more process takes
//! part:
//!
//! ```text
//! anyarch     knows the sandbox's pid
//!  └ keeper   starts the program, reads what it complains of, ends it when anyarch is gone
//!     └ slirp4netns or pasta
//! ```
//!
//! What must stay true:
//! - The command starts when a default route is there, and not at all where none comes.
//! - The program ends with anyarch, however that ends: the keeper reads the end of a pipe.
//! - The machine's own localhost is not reached from inside: what listens there trusts it.

use crate::failure::{Code, Failure, OrFail, Result};
use crate::sandbox::{fork, mounts, pipe, set_signals};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What a command has of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// The machine's.
    Host,
    /// One of its own, with localhost.
    #[default]
    None,
    /// One of its own, with a way out.
    Outside(Way),
}

/// A program that is the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    name: &'static str,
    program: PathBuf,
}

/// The programs, the first one found being taken, and where each answers questions for names.
const WAYS: [(&str, &str); 2] = [("slirp4netns", "10.0.2.3"), ("pasta", "169.254.1.1")];

/// What the programs make their interfaces with.
const TUN: &str = "/dev/net/tun";

/// For how long the program may set the network up.
const PATIENCE: Duration = Duration::from_secs(20);

impl Network {
    /// What `--net` takes; the reason for what it does not take.
    pub(crate) fn parse(text: &str) -> std::result::Result<String, String> {
        match text {
            "host" | "none" | "user" => Ok(text.into()),
            _ if WAYS.iter().any(|(name, _)| *name == text) => Ok(text.into()),
            "bridge" | "private" | "default" => Err(format!(
                "nobody makes a bridge of the machine's: --net user gives a network of its own with a way out, \
                 without --net the command has the machine's ({text})"
            )),
            _ => {
                Err("it is none of host, none, user, slirp4netns and pasta: there are no named networks"
                    .into())
            }
        }
    }

    /// What a word stands for on this machine.
    pub(crate) fn find(word: &str) -> Result<Network> {
        let wanted: Vec<&'static str> =
            WAYS.iter().map(|(name, _)| *name).filter(|name| word == "user" || word == *name).collect();
        if wanted.is_empty() {
            return Ok(if word == "none" { Network::None } else { Network::Host });
        }
        let found = |name: &&'static str| Some(Way { name, program: super::find_program(name)? });
        if let Err(error) = File::options().read(true).write(true).open(TUN) {
            let failure = Failure::new(Code::NotStarted, format!("--net {word}: cannot open {TUN}: {error}"));
            return Err(failure.mend(match error.kind() {
                ErrorKind::PermissionDenied => "sudo chmod 666 /dev/net/tun, as udev does",
                _ => "sudo modprobe tun; in a container: start it with --device /dev/net/tun",
            }));
        }
        wanted.iter().find_map(found).map(Network::Outside).ok_or_else(|| {
            let mend = match wanted[..] {
                ["pasta"] => "apt install passt",
                _ => "apt install slirp4netns, or passt; --net none needs neither and leads nowhere",
            };
            let what = format!("--net {word}: {} is not installed", wanted.join(" or "));
            Failure::new(Code::NotStarted, what).mend(mend)
        })
    }

    /// Whether it is the machine's.
    pub fn is_host(&self) -> bool {
        *self == Network::Host
    }
}

/// Both ends of what tells the sandbox that there is no way out.
pub(super) struct Complaint {
    pub(super) read: OwnedFd,
    pub(super) write: OwnedFd,
}

/// A pipe for a network that needs one.
pub(super) fn complaint(network: &Network) -> Result<Option<Complaint>> {
    let Network::Outside(_) = network else { return Ok(None) };
    pipe().map(|(read, write)| Some(Complaint { read, write }))
}

/// Outside: has a keeper start the program for the network of this process. The keeper lives until
/// what is returned is dropped.
pub(super) fn keep(way: &Way, process: i32, complaint: OwnedFd, mask: &libc::sigset_t) -> Result<OwnedFd> {
    let (read, write) = pipe()?;
    match fork()? {
        0 => {
            drop(write);
            set_signals(mask);
            let failure = way
                .start(process)
                .map_err(|e| std::io::Error::other(format!(": {e}")))
                .and_then(|child| watch(child, &read))
                .err();
            if let Some(failure) = failure {
                let _ = rustix::io::write(&complaint, format!("{}{failure}", way.name).as_bytes());
            }
            // SAFETY: ends the child without the parent's exit handlers.
            unsafe { libc::_exit(0) }
        }
        _ => Ok(write),
    }
}

/// Waits for the end of the parent, and ends the program then. An error is what the program said
/// when it ended by itself.
fn watch(mut child: Child, parent: &OwnedFd) -> std::io::Result<()> {
    // What comes from a terminal is for the command; it ends us by its own end.
    // SAFETY: plain system calls.
    unsafe {
        for signal in [libc::SIGINT, libc::SIGQUIT, libc::SIGHUP, libc::SIGTERM, libc::SIGTSTP] {
            libc::signal(signal, libc::SIG_IGN);
        }
    }
    let mut said = Vec::new();
    let mut errors = child.stderr.take().ok_or_else(|| std::io::Error::other("it has no stderr"))?;
    loop {
        let mut fds = [PollFd::new(parent, PollFlags::IN), PollFd::new(&errors, PollFlags::IN)];
        match poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other?,
        };
        if !fds[0].revents().is_empty() {
            child.kill()?;
            return child.wait().map(drop);
        }
        let mut buffer = [0; 4096];
        match errors.read(&mut buffer)? {
            0 => {
                let status = child.wait()?;
                let said = String::from_utf8_lossy(&said);
                let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
                let said = if lines.is_empty() { " ended".into() } else { format!(": {}", lines.join("; ")) };
                return Err(std::io::Error::other(format!("{said} ({status})")));
            }
            n => {
                // The last words are the ones that tell why.
                said.extend_from_slice(&buffer[..n]);
                said.drain(..said.len().saturating_sub(4096));
            }
        }
    }
}

impl Way {
    fn start(&self, process: i32) -> std::io::Result<Child> {
        // Open, because pasta gives up the right to look at processes of others before it looks.
        let namespace = |kind: &str| {
            let open = File::open(format!("/proc/{process}/ns/{kind}"))?;
            rustix::io::fcntl_setfd(&open, rustix::io::FdFlags::empty())?;
            Ok::<_, std::io::Error>((format!("/proc/self/fd/{}", open.as_raw_fd()), open))
        };
        let ((user, _user), (net, _net)) = (namespace("user")?, namespace("net")?);
        let mut command = Command::new(&self.program);
        if self.name == "slirp4netns" {
            command.args(["--configure", "--mtu=65520", "--disable-host-loopback", "--netns-type=path"]);
            command.arg(format!("--userns-path={user}")).args([&net, "tap0"]);
        } else {
            // No port is forwarded in either direction, and the gateway is not this machine.
            const OPTIONS: &str = "--foreground --quiet --config-net --no-map-gw --no-netns-quit -t none -u none -T none -U none";
            command.args(OPTIONS.split(' ')).args(["--dns-forward", self.resolver()]);
            if rustix::process::geteuid().is_root() {
                // It becomes nobody otherwise, who may not enter a namespace of root's.
                command.args(["--runas", "0:0"]);
            }
            command.args(["--userns", &user, "--netns", &net]);
        }
        // A group of its own: what a terminal sends is for the command.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()
    }

    fn resolver(&self) -> &'static str {
        WAYS.iter().find(|(name, _)| *name == self.name).map_or("", |(_, address)| address)
    }

    /// Inside: waits until there is a way out.
    pub(super) fn wait(&self, complaint: &OwnedFd) -> Result<()> {
        let begin = Instant::now();
        loop {
            let routes = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
            if has_way_out(
                &routes("/proc/thread-self/net/route"),
                &routes("/proc/thread-self/net/ipv6_route"),
            ) {
                return Ok(());
            }
            let mut fds = [PollFd::new(complaint, PollFlags::IN)];
            let pause = Timespec { tv_sec: 0, tv_nsec: 2_000_000 };
            match poll(&mut fds, Some(&pause)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                _ => {
                    let mut text = String::new();
                    let copy = complaint.try_clone().map(File::from);
                    let _ = copy.and_then(|mut file| file.read_to_string(&mut text));
                    let text = if text.is_empty() { format!("{} was killed", self.name) } else { text };
                    return Err(Failure::new(Code::NotStarted, format!("there is no way out: {text}")));
                }
            }
            if begin.elapsed() > PATIENCE {
                let what = format!("{} gave no route out within {} s", self.name, PATIENCE.as_secs());
                return Err(Failure::new(Code::NotStarted, what));
            }
        }
    }

    /// Inside, as root of it: a resolv.conf that asks the program, which asks the machine's servers.
    pub(super) fn resolv_conf(&self) -> Result<OwnedFd> {
        let theirs = std::fs::read_to_string(mounts::RESOLV_CONF).unwrap_or_default();
        mounts::file_of(&ask(&theirs, self.resolver()))
            .or_fail(Code::NotStarted, || "cannot make a resolv.conf".into())
    }

    /// The same, over the machine's, for a command with the machine's files.
    pub(super) fn cover_resolv_conf(&self) -> Result<()> {
        if !Path::new(mounts::RESOLV_CONF).exists() {
            detail!("{} is missing: names are asked where the C library does by itself", mounts::RESOLV_CONF);
            return Ok(());
        }
        mounts::cover_file(self.resolv_conf()?, Path::new(mounts::RESOLV_CONF))
    }
}

/// A resolv.conf with another server; what it says beside is kept.
fn ask(theirs: &str, server: &str) -> String {
    let kept = theirs.lines().filter(|line| {
        let word = line.split_whitespace().next().unwrap_or("");
        matches!(word, "search" | "domain" | "options")
    });
    let first = format!("nameserver {server}");
    [first.as_str()].into_iter().chain(kept).flat_map(|line| [line, "\n"]).collect()
}

/// Whether the tables of /proc/net have a default route over anything but localhost.
fn has_way_out(v4: &str, v6: &str) -> bool {
    let fields = |line: &str| line.split_whitespace().map(str::to_string).collect::<Vec<_>>();
    let narrow =
        v4.lines().skip(1).map(fields).any(|f| f.len() >= 8 && f[1] == "00000000" && f[7] == "00000000");
    narrow
        || v6
            .lines()
            .map(fields)
            .any(|f| f.len() >= 10 && f[0].bytes().all(|b| b == b'0') && f[1] == "00" && f[9] != "lo")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_out_is_a_default_route() {
        let head = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n";
        let check =
            |v4: &str, v6: &str, want| assert_eq!(has_way_out(&format!("{head}{v4}"), v6), want, "{v4}{v6}");
        check("", "", false);
        check("tap0 0002000A 00000000 0001 0 0 0 00FFFFFF 0 0 0\n", "", false);
        check("tap0 00000000 0202000A 0003 0 0 0 00000000 0 0 0\n", "", true);
        let zero = "00000000000000000000000000000000";
        let unreachable = format!("{zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200 lo\n");
        check("", &unreachable, false);
        check("", &format!("{zero} 00 {zero} 00 fe80{} 00000400 1 0 00000003 eth0\n", &zero[4..]), true);
        check("", &format!("fd00{} 40 {zero} 00 {zero} 00000100 1 0 1 eth0\n", &zero[4..]), false);
    }

    #[test]
    fn the_program_is_asked_for_names() {
        let theirs = "# made by X\nnameserver 127.0.0.53\nnameserver ::1\nsearch a.example b.example\noptions ndots:2\n";
        assert_eq!(
            ask(theirs, "10.0.2.3"),
            "nameserver 10.0.2.3\nsearch a.example b.example\noptions ndots:2\n"
        );
        assert_eq!(ask("", "10.0.2.3"), "nameserver 10.0.2.3\n");
    }

    #[test]
    fn networks_have_dockers_words() {
        for word in ["host", "none", "user", "slirp4netns", "pasta"] {
            assert_eq!(Network::parse(word).as_deref(), Ok(word));
        }
        assert!(Network::parse("bridge").unwrap_err().contains("--net user"));
        assert!(Network::parse("mynet").unwrap_err().contains("no named networks"));
        assert_eq!(Network::find("host").unwrap(), Network::Host);
        assert_eq!(Network::find("none").unwrap(), Network::None);
    }
}

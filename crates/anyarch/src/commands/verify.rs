//! `verify`: whether the registered handlers really work.
//!
//! For each architecture a tiny program without libc or loader is put into an otherwise empty root
//! and executed through the kernel: nothing of the host is visible, as in a container made from
//! scratch. The programs test themselves and answer with an exit code; they are built from
//! `verify/guest.c` and embedded.
//!
//! The root is a tmpfs over the temporary folder in a mount namespace of the test's own, so nothing
//! is left behind and a `noexec` /tmp does not matter. Without root, a user namespace permits that;
//! it has no binfmt_misc of its own, and so sees the machine's handlers. Where another user exists
//! (root, or with a range in /etc/subuid), a setuid program is tried as well.

use crate::commands::register::{self, Row};
use crate::failure::{Code, Failure, Result};
use crate::ui::{self, Paint};
use anyarch_binfmt::{Flags, family};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::thread::UnshareFlags;
use serde_json::{Value, json};
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// A guest program.
struct Program {
    /// The row's name.
    family: &'static str,
    /// The OCI platform that it stands for.
    platform: &'static str,
    bytes: &'static [u8],
}

macro_rules! program {
    ($family:literal, $platform:literal, $file:literal) => {
        Program {
            family: $family,
            platform: $platform,
            bytes: include_bytes!(concat!("../../verify/bin/", $file)),
        }
    };
}

static PROGRAMS: &[Program] = &[
    program!("x86_64", "linux/amd64", "x86_64"),
    program!("i386", "linux/386", "i386"),
    program!("aarch64", "linux/arm64", "aarch64"),
    program!("arm", "linux/arm/v7", "armv7"),
    program!("arm", "linux/arm/v6", "armv6"),
    program!("arm", "linux/arm/v5", "armv5"),
    program!("riscv64", "linux/riscv64", "riscv64"),
    program!("ppc64le", "linux/ppc64le", "ppc64le"),
    program!("s390x", "linux/s390x", "s390x"),
    program!("mips64el", "linux/mips64le", "mips64el"),
    program!("loongarch64", "linux/loong64", "loongarch64"),
];

/// The tests, in the order of the table.
const TESTS: [&str; 7] = ["start", "fork", "exec", "threads", "signals", "argv0", "setuid"];

/// The exit code of success; see guest.c.
const GOOD: i32 = 42;

/// The exit code of a setuid test that has no user to start the program as.
const NO_SECOND_USER: i32 = 201;

/// Longer than any test takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// What became of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    /// It works.
    Good,
    /// It does not, and how that showed.
    Bad(String),
    /// Not claimed, or not testable here.
    Skipped(&'static str),
}

/// `anyarch verify`.
pub(crate) fn verify(words: &[String], as_json: bool, dir: &Path) -> Result<u8> {
    let mut wanted = Vec::new();
    for word in words.iter().flat_map(|w| w.split(',')).filter(|w| !w.is_empty() && *w != "all") {
        let found = family::lookup(word);
        if found.is_empty() {
            return Err(register::unknown_architecture(word));
        }
        wanted.extend(found.iter().map(|f| f.name));
    }
    let instance = register::open(dir)?;
    let mut rows = register::survey(&instance)?;
    // In the order of the table of architectures, not in the kernel's.
    rows.sort_by_key(|r| family::FAMILIES.iter().position(|f| r.family.is_some_and(|g| g.name == f.name)));
    let active = |name: &str| {
        rows.iter()
            .find(|r| r.entry.enabled && r.shadowed_by.is_none() && r.family.is_some_and(|f| f.name == name))
    };
    let mut table =
        vec![["ARCH", "PLATFORM", "ENGINE"].into_iter().chain(TESTS).map(str::to_string).collect::<Vec<_>>()];
    let (mut reports, mut reasons) = (Vec::new(), Vec::new());
    let mut untested = Vec::new();
    for name in &wanted {
        if active(name).is_none() {
            reasons.push(format!("{name}: no handler is registered (mend: sudo anyarch register {name})"));
        }
    }
    for row in rows.iter().filter(|r| r.entry.enabled && r.shadowed_by.is_none()) {
        let Some(family) = row.family.filter(|f| wanted.is_empty() || wanted.contains(&f.name)) else {
            continue;
        };
        let programs: Vec<_> = PROGRAMS.iter().filter(|p| p.family == family.name).collect();
        if programs.is_empty() {
            untested.push(family.name);
        }
        for program in programs {
            let verdicts: Vec<_> = TESTS.iter().map(|test| run_test(program, test, row)).collect();
            let mut line =
                vec![family.name.to_string(), program.platform.to_string(), row.engine().to_string()];
            for (test, verdict) in TESTS.iter().zip(&verdicts) {
                line.push(match verdict {
                    Verdict::Good => "ok".into(),
                    Verdict::Bad(why) => {
                        reasons.push(format!("{} {test}: {why}", program.platform));
                        "FAILED".into()
                    }
                    Verdict::Skipped(_) => "-".into(),
                });
            }
            table.push(line);
            reports.push(report(program, row, &verdicts));
        }
    }
    if as_json {
        let value = json!({ "schema": 1, "ok": reasons.is_empty(), "architectures": reports, "untested": untested, "failures": reasons });
        print!("{}\n", serde_json::to_string_pretty(&value).unwrap_or_default());
    } else {
        if table.len() > 1 && !ui::quiet() {
            print!("{}", ui::table(&table));
        }
        if !untested.is_empty() {
            ui::say!("registered, but without a test program: {}", untested.join(", "));
        }
        for reason in &reasons {
            eprintln!("{} {reason}", Paint::Red.on_stderr("anyarch:"));
        }
    }
    if table.len() == 1 && reasons.is_empty() && untested.is_empty() {
        return Err(Failure::new(Code::Verify, "nothing to verify: no foreign architecture is registered")
            .mend("sudo anyarch register"));
    }
    Ok(if reasons.is_empty() { 0 } else { Code::Verify as u8 })
}

fn report(program: &Program, row: &Row, verdicts: &[Verdict]) -> Value {
    let mut tests = serde_json::Map::new();
    for (test, verdict) in TESTS.iter().zip(verdicts) {
        let value = match verdict {
            Verdict::Good => json!({ "result": "ok" }),
            Verdict::Bad(why) => json!({ "result": "failed", "reason": why }),
            Verdict::Skipped(why) => json!({ "result": "skipped", "reason": why }),
        };
        tests.insert(test.to_string(), value);
    }
    json!({ "arch": program.family, "platform": program.platform, "entry": row.entry.rule.name, "engine": row.engine(), "tests": tests })
}

fn run_test(program: &Program, test: &str, row: &Row) -> Verdict {
    let flags = row.entry.rule.flags;
    match test {
        "argv0" if !flags.contains(Flags::PRESERVE_ARGV0) => {
            return Verdict::Skipped("the entry has no flag P");
        }
        "setuid" if !flags.contains(Flags::CREDENTIALS) => {
            return Verdict::Skipped("the entry has no flag C");
        }
        _ => {}
    }
    match in_empty_root(program.bytes, test) {
        Err(NotRun::Exec(errno)) => Verdict::Bad(why_not_executed(errno, program, row)),
        Ok(status) if libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == NO_SECOND_USER => {
            Verdict::Skipped(
                "only one user exists here: be root of the machine, or have a range in /etc/subuid",
            )
        }
        Ok(status) if libc::WIFEXITED(status) => match libc::WEXITSTATUS(status) {
            GOOD => Verdict::Good,
            code if code >= 200 => Verdict::Bad("the empty root could not be made".into()),
            code => Verdict::Bad(match (test, code) {
                ("start", code) => format!("exit code {code} instead of {GOOD}"),
                ("argv0", _) => "the program sees another argv[0] than it was called with".into(),
                ("setuid", _) => "a setuid program does not get its owner's rights".into(),
                ("exec", 1) => "the program cannot execute itself".into(),
                ("threads", 3) => "threads lose updates of a shared counter".into(),
                ("fork", 3) => "a killed child is not reported as killed".into(),
                (_, code) => format!("check {code} of the test failed"),
            }),
        },
        Ok(status) => Verdict::Bad(format!("killed by signal {}", libc::WTERMSIG(status))),
        Err(NotRun::Other(why)) => Verdict::Bad(why),
    }
}

/// Why a test's program did not run.
enum NotRun {
    /// The errno of execve.
    Exec(i32),
    /// Something before it.
    Other(String),
}

/// What an errno of execve says of the entry, whose program is the one that is executed.
fn why_not_executed(errno: i32, program: &Program, row: &Row) -> String {
    let rule = &row.entry.rule;
    let path = Path::new(anyarch_binfmt::entry::plain_path(&rule.interpreter));
    let mut first = program.bytes.to_vec();
    first.resize(first.len().max(256), 0);
    if !rule.matcher.matches(&first, "t") {
        return "the entry's magic and mask do not match a program of this architecture".into();
    }
    let pinned = rule.flags.contains(Flags::FIX_BINARY);
    let loader = crate::elf::Elf::open(path).ok().flatten().and_then(|elf| elf.interpreter);
    let is_script = std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"#!"));
    match errno {
        libc::ENOENT if !pinned => {
            "its interpreter is not found in an empty root: the entry lacks flag F".into()
        }
        libc::ENOENT if loader.is_some() => format!(
            "its emulator {} is not static: its loader {} is not found in an empty root",
            path.display(),
            loader.unwrap_or_default()
        ),
        libc::ENOENT if is_script => {
            format!("its interpreter {} is a script, whose own is not found in an empty root", path.display())
        }
        libc::EACCES => format!("its interpreter {} is not executable", path.display()),
        libc::ENOEXEC => format!("its interpreter {} is no program of this machine", path.display()),
        libc::ELOOP => "its interpreter is itself run by an entry, again and again".into(),
        errno => format!("cannot be executed: {}", std::io::Error::from_raw_os_error(errno)),
    }
}

/// Executes the program as `/t` of an empty root; its wait status, or why it was not executed.
fn in_empty_root(program: &[u8], test: &str) -> std::result::Result<i32, NotRun> {
    let pipe = || {
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
            .map_err(|e| NotRun::Other(format!("no pipe: {e}")))
    };
    let (read, write) = pipe()?;
    // Without root the child enters a user namespace, and its ids are mapped from here.
    let (entered_read, entered_write) = pipe()?;
    let (mapped_read, mapped_write) = pipe()?;
    // SAFETY: the process has one thread, so the child may go on with ordinary code.
    let child = match unsafe { libc::fork() } {
        -1 => return Err(NotRun::Other(std::io::Error::last_os_error().to_string())),
        0 => {
            drop((entered_read, mapped_write));
            let why = match become_test(program, test, entered_write, mapped_read) {
                NotRun::Exec(errno) => format!("{EXEC}{errno}"),
                NotRun::Other(why) => why,
            };
            let _ = rustix::io::write(&write, why.as_bytes());
            // SAFETY: ends the child without the parent's exit handlers.
            unsafe { libc::_exit(200) }
        }
        pid => pid,
    };
    drop((write, entered_write, mapped_read));
    // Root's child says nothing.
    if matches!(rustix::io::read(&entered_read, &mut [0]), Ok(1))
        && crate::sandbox::idmap::write(child).is_ok()
    {
        let _ = rustix::io::write(&mapped_write, b"m");
    }
    drop(mapped_write);
    let begin = Instant::now();
    let mut status = 0;
    loop {
        // SAFETY: plain system calls.
        unsafe {
            if libc::waitpid(child, &mut status, libc::WNOHANG) != 0 {
                break;
            }
            if begin.elapsed() > PATIENCE {
                libc::kill(child, libc::SIGKILL);
                libc::waitpid(child, &mut status, 0);
                return Err(NotRun::Other(format!("no answer after {} s", PATIENCE.as_secs())));
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut why = String::new();
    let _ = std::io::Read::read_to_string(&mut std::fs::File::from(read), &mut why);
    match why.strip_prefix(EXEC).and_then(|errno| errno.parse().ok()) {
        Some(errno) => Err(NotRun::Exec(errno)),
        None if why.is_empty() => Ok(status),
        None => Err(NotRun::Other(why)),
    }
}

/// What the child's report of a failed execve begins with; the errno follows.
const EXEC: &str = "execve ";

/// In the child: the empty root, then the program. Returns why not.
fn become_test(program: &[u8], test: &str, entered: OwnedFd, mapped: OwnedFd) -> NotRun {
    let attempt = || -> std::io::Result<()> {
        let root = rustix::process::geteuid().is_root();
        let namespaces = if root { UnshareFlags::NEWNS } else { UnshareFlags::NEWNS | UnshareFlags::NEWUSER };
        // SAFETY: the file table is not unshared.
        unsafe { rustix::thread::unshare_unsafe(namespaces)? };
        if !root {
            rustix::io::write(&entered, b"u")?;
            if rustix::io::read(&mapped, &mut [0])? != 1 {
                return Err(std::io::Error::other("no user could be mapped"));
            }
            become_user(0)?;
        }
        drop((entered, mapped));
        mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE)?;
        let dir = std::env::temp_dir();
        mount("tmpfs", &dir, "tmpfs", MountFlags::NODEV, c"mode=755,size=1m")?;
        let file = dir.join("t");
        std::fs::write(&file, program)?;
        let mode = if test == "setuid" { 0o4755 } else { 0o755 };
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode))?;
        rustix::process::chroot(&dir)?;
        rustix::process::chdir("/")?;
        // The owner of the file is root; the one who starts it is not.
        if test == "setuid" && [65534, 1].into_iter().all(|user| become_user(user).is_err()) {
            // SAFETY: ends the child without the parent's exit handlers.
            unsafe { libc::_exit(NO_SECOND_USER) };
        }
        Ok(())
    };
    if let Err(error) = attempt() {
        return NotRun::Other(format!("the empty root cannot be made: {error}"));
    }
    let test = CString::new(test).unwrap_or_default();
    let args = [c"anyarch argv zero".as_ptr(), test.as_ptr(), std::ptr::null()];
    let env = [std::ptr::null()];
    // SAFETY: both lists end in null, their strings outlive the call; the default action of SIGPIPE
    // is restored.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        libc::execve(c"/t".as_ptr(), args.as_ptr(), env.as_ptr());
    }
    NotRun::Exec(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

/// All ids of this process; only those that are mapped into the user namespace can be had.
fn become_user(id: u32) -> std::io::Result<()> {
    // SAFETY: plain system calls. Where groups may not be given up they do not matter.
    unsafe {
        libc::setgroups(0, std::ptr::null());
        if libc::setresgid(id, id, id) == 0 && libc::setresuid(id, id, id) == 0 {
            return Ok(());
        }
    }
    Err(std::io::Error::last_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_what_they_are_called() {
        for program in PROGRAMS {
            assert_eq!(
                family::of_binary(program.bytes).map(|f| f.name),
                Some(program.family),
                "{}",
                program.platform
            );
            let row = family::by_name(program.family).unwrap();
            assert!(row.platforms().any(|p| p == program.platform), "{}", program.platform);
            assert!(program.bytes.len() < 16384, "{} has {} bytes", program.platform, program.bytes.len());
        }
    }
}

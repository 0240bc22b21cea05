//! Programs started by the kernel through a registered handler, with every combination of
//! binfmt_misc's flags: what execve finds wrong with files, programs found through descriptors, and
//! rights, filters and variables across execve must be as with native programs.
//!
//! Each case has a user and mount namespace of its own with a binfmt_misc of its own (Linux 6.7);
//! the machine's is not touched. Only root can map several users into a namespace: without root,
//! what needs them is left out.

use anyarch_harness::guests::{GUESTS, Guest};
use anyarch_harness::trial::{self, Trial};
use anyarch_harness::{TempDir, emulator, tests_dir};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// All that are different: C implies O.
const FLAGS: [&str; 12] = ["", "P", "O", "PO", "OC", "POC", "F", "PF", "OF", "POF", "OCF", "POCF"];

struct Program {
    /// Path below the tests' folder.
    source: &'static str,
    /// It needs several users.
    users: bool,
    /// How it ends on the host: with an argument where the handler takes credentials, and without.
    native: [OnceLock<Result<String, String>>; 2],
}

const fn program(source: &'static str, users: bool) -> Program {
    Program { source, users, native: [const { OnceLock::new() }; 2] }
}

static PROGRAMS: [Program; 3] = [
    program("syscalls/exec_broken.c", false),
    program("syscalls/exec_hidden_folders.c", false),
    program("handlers/rights.c", true),
];

fn is_root() -> bool {
    // SAFETY: no memory is involved.
    unsafe { libc::geteuid() == 0 }
}

fn text(e: impl std::fmt::Display) -> String {
    e.to_string()
}

fn build(program: &Program, compiler: &str, out: &Path) -> Result<(), String> {
    let o = Command::new(compiler)
        .args(["-O2", "-w", "-fsigned-char", "-D_GNU_SOURCE", "-pthread", "-static", "-o"])
        .arg(out)
        .arg(tests_dir().join(program.source))
        .output()
        .map_err(|e| format!("{compiler}: {e}"))?;
    if o.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&o.stderr).into_owned()) }
}

/// Runs an executable as root of a new user namespace, in an empty folder; its standard output and
/// exit status. `entry` is the line to register.
fn in_namespace(executable: &Path, argument: &str, entry: &str) -> Result<String, String> {
    let dir = TempDir::new();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(dir.path(), mode).map_err(text)?;
    // The shell that waits for its ids has lost its capabilities; what it executes as root has
    // them.
    let wait = "until read -r ids </proc/self/uid_map; do sleep 0.01; done; exec timeout 120 sh -c \"$0\"";
    let script = r#"
        B=/proc/sys/fs/binfmt_misc
        mount -t tmpfs -o mode=755 none "$DIR" && cd "$DIR" || exit 99
        if [ -n "$ENTRY" ]; then
            mount -t binfmt_misc none $B && printf %s "$ENTRY" > $B/register || exit 99
        fi
        exec "$TEST_SELF" $ARGUMENT
    "#;
    let child = Command::new("unshare")
        .args(["-Um", "--propagation", "private", "sh", "-c", wait, script])
        .env("DIR", dir.path())
        .env("ENTRY", entry)
        .env("ARGUMENT", argument)
        .env("TEST_SELF", executable)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(text)?;
    let proc = PathBuf::from(format!("/proc/{}", child.id()));
    let namespace = |of: &Path| std::fs::read_link(of.join("ns/user"));
    for _ in 0..1000 {
        if namespace(&proc).map_err(text)? != namespace(Path::new("/proc/self")).map_err(text)? {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    if is_root() {
        for map in ["uid_map", "gid_map"] {
            std::fs::write(proc.join(map), "0 0 65536").map_err(text)?;
        }
    } else {
        std::fs::write(proc.join("setgroups"), "deny").map_err(text)?;
        // SAFETY: no memory is involved.
        let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
        std::fs::write(proc.join("gid_map"), format!("0 {gid} 1")).map_err(text)?;
        std::fs::write(proc.join("uid_map"), format!("0 {uid} 1")).map_err(text)?;
    }
    let output = child.wait_with_output().map_err(text)?;
    if output.status.code() == Some(99) {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("no user namespace with a binfmt_misc of its own (Linux 6.7): {why}"));
    }
    Ok(format!("{}{}", String::from_utf8_lossy(&output.stdout), output.status))
}

/// A folder for executables that every user may enter.
fn folder() -> Result<TempDir, String> {
    let dir = TempDir::new();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(dir.path(), mode).map_err(text)?;
    Ok(dir)
}

fn check(program: &'static Program, guest: &Guest, flags: &str) -> Result<(), String> {
    let gains = program.users && flags.contains('C');
    let argument = if gains { "gains" } else { "" };
    let native = program.native[gains as usize].get_or_init(|| {
        let dir = folder()?;
        let executable = dir.path().join("program");
        build(program, "gcc", &executable)?;
        let got = in_namespace(&executable, argument, "")?;
        if got.ends_with("exit status: 0") { Ok(got) } else { Err(format!("on the host: {got}")) }
    });
    let native = native.as_ref().map_err(String::clone)?;
    let dir = folder()?;
    let executable = dir.path().join("program");
    build(program, &guest.compiler(false), &executable)?;
    // The tests' folder may be closed to the users that the program becomes.
    let copy = dir.path().join("anyarch-emu");
    if !Command::new("cp").arg(emulator()).arg(&copy).status().map_err(text)?.success() {
        return Err("the emulator cannot be copied".into());
    }
    let head = std::fs::read(&executable).map_err(text)?;
    let magic = format!(
        r"\x7fELF\x{:02x}\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x{:02x}\x{:02x}",
        head[4], head[18], head[19]
    );
    let mask = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff";
    let entry = format!(":test:M::{magic}:{mask}:{}:{flags}", copy.display());
    let got = in_namespace(&executable, argument, &entry)?;
    if got == *native { Ok(()) } else { Err(format!("on the host:\n{native}\nhere:\n{got}")) }
}

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for program in &PROGRAMS {
        if program.users && !is_root() {
            continue;
        }
        let name = Path::new(program.source).file_stem().unwrap_or_default().to_string_lossy();
        let text = std::fs::read_to_string(tests_dir().join(program.source)).unwrap_or_default();
        for guest in GUESTS.iter().filter(|g| !text.contains(&format!("//@ not-{}:", g.name))) {
            for flags in FLAGS {
                let shown = if flags.is_empty() { "none" } else { flags };
                trials.push(Trial {
                    name: format!("handlers::{name}::{}::{shown}", guest.name),
                    run: Box::new(move || check(program, guest, flags)),
                });
            }
        }
    }
    trial::main(trials)
}

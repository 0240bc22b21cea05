//! What the tests with real programs share: the emulator, temporary directories, and running a
//! command with a time limit.

pub mod debian;
pub mod guests;
pub mod trial;

use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// The `tests` folder.
pub fn tests_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("harness lies in tests").to_path_buf()
}

/// The cargo target directory that this test was built in.
pub fn target_dir() -> PathBuf {
    let exe = std::env::current_exe().expect("a test knows its executable");
    exe.ancestors().nth(3).expect("target/PROFILE/deps/TEST").to_path_buf()
}

/// The emulator: `ANYARCH_EMU`, or built now.
pub fn emulator() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        if let Some(path) = std::env::var_os("ANYARCH_EMU") {
            return path.into();
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let target = target_dir();
        let status = Command::new(cargo)
            .args(["build", "--quiet", "-p", "anyarch-emu", "--profile", "fast", "--target-dir"])
            .arg(&target)
            .current_dir(tests_dir().parent().expect("the workspace"))
            .status()
            .expect("cargo runs");
        assert!(status.success(), "the emulator does not build");
        target.join("fast/anyarch-emu")
    })
}

/// A command that the emulator's options and a program are to follow. `ANYARCH_UNDER` is an
/// emulator that runs it, where the emulator was built for another architecture than this
/// machine's.
pub fn emulator_command() -> Command {
    match std::env::var_os("ANYARCH_UNDER") {
        Some(under) => {
            let mut command = Command::new(under);
            command.arg(emulator());
            command
        }
        None => Command::new(emulator()),
    }
}

/// A directory that goes away.
pub struct TempDir(PathBuf);

impl TempDir {
    /// A new, empty one.
    #[allow(clippy::new_without_default)]
    pub fn new() -> TempDir {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("anyarch-test-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary directory can be made");
        TempDir(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// How a command ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// Exit status, 128 + signal, or -1 when the time limit ended it.
    pub status: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Runs a command without input to its end or the time limit, in a session of its own.
///
/// # Errors
/// If it cannot be started.
pub fn run(command: &Command, limit: Duration) -> io::Result<Outcome> {
    // A session of its own: a test that signals its group, or everything on its terminal, must not
    // reach us. Who runs us in the background ignores signals that tests wait for.
    let mut child = Command::new("env")
        .args(["--default-signal=HUP,INT,QUIT", "setsid"])
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(command.get_current_dir().unwrap_or(Path::new(".")))
        .envs(command.get_envs().filter_map(|(k, v)| Some((k, v?))))
        // Not /dev/null: a test that tries fchmod on it as root would change the machine's.
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| io::Error::new(e.kind(), format!("{:?}: {e}", command.get_program())))?;
    drop(child.stdin.take());
    fn collect(mut from: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            let mut out = Vec::new();
            // A program that floods us is a failure, not a reason to run out of memory.
            let _ = from.by_ref().take(16 << 20).read_to_end(&mut out);
            let _ = sender.send(out);
        });
        receiver
    }
    let stdout = collect(child.stdout.take().expect("piped"));
    let stderr = collect(child.stderr.take().expect("piped"));
    let end = Instant::now() + limit;
    let mut pause = Duration::from_micros(200);
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        }
        if Instant::now() > end {
            // The group, so that what the program started goes too.
            kill_group(child.id());
            child.wait()?;
            break -1;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    };
    if status >= 0 {
        // What a program left behind would keep the pipes open.
        kill_group(child.id());
    }
    // A process in a session of its own may still hold them: that is a failure, and none to wait
    // for.
    let text = |r: Receiver<Vec<u8>>| match r.recv_timeout(Duration::from_secs(10)) {
        Ok(out) => String::from_utf8_lossy(&out).into_owned(),
        Err(_) => String::from("(a process that was left behind holds this output)"),
    };
    Ok(Outcome { status, stdout: text(stdout), stderr: text(stderr) })
}

/// Ends what is left of a child's process group. (Not with kill(1): some versions take `-1234` for
/// -1, everything.)
pub fn kill_group(id: u32) {
    if let Ok(id @ 2..) = i32::try_from(id) {
        // SAFETY: no memory is involved.
        unsafe { libc::kill(-id, libc::SIGKILL) };
    }
}

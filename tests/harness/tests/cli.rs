//! Bad input to the emulator: one clear line on standard error, the exit codes of qemu-user and of a shell, no panic, no crash of its own.

use anyarch_harness::trial::{self, Trial};
use anyarch_harness::{TempDir, emulator, run, target_dir};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

/// What is expected of a call.
struct Case {
    name: &'static str,
    /// Arguments; `@` stands for the file made by `file`.
    args: &'static [&'static str],
    /// Makes the file from a good static executable's bytes.
    file: fn(&mut Vec<u8>),
    status: i32,
    /// What the line must contain besides the file's name.
    says: &'static str,
}

const CASES: &[Case] = &[
    Case { name: "no program", args: &[], file: |_| {}, status: 1, says: "usage" },
    Case { name: "unknown option", args: &["-frobnicate", "@"], file: |_| {}, status: 1, says: "frobnicate" },
    Case { name: "option without value", args: &["-L"], file: |_| {}, status: 1, says: "-L" },
    Case {
        name: "missing program",
        args: &["/nonexistent/program"],
        file: |_| {},
        status: 127,
        says: "/nonexistent/program",
    },
    Case { name: "empty file", args: &["@"], file: |f| f.clear(), status: 255, says: "" },
    Case { name: "text", args: &["@"], file: |f| *f = b"just text\n".to_vec(), status: 255, says: "" },
    Case { name: "cut in the ELF header", args: &["@"], file: |f| f.truncate(40), status: 255, says: "" },
    Case {
        name: "cut in the program headers",
        args: &["@"],
        file: |f| f.truncate(70),
        status: 255,
        says: "",
    },
    Case { name: "other architecture", args: &["@"], file: |f| f[18] = 0x15, status: 255, says: "" },
    Case { name: "32 bits", args: &["@"], file: |f| f[4] = 1, status: 255, says: "" },
    Case { name: "big endian", args: &["@"], file: |f| f[5] = 2, status: 255, says: "" },
    Case {
        name: "program headers beyond the end",
        args: &["@"],
        file: |f| f[32..40].copy_from_slice(&[0xff; 8]),
        status: 255,
        says: "",
    },
    Case { name: "program header size", args: &["@"], file: |f| f[54] = 1, status: 255, says: "" },
    Case { name: "no program headers", args: &["@"], file: |f| f[56..58].fill(0), status: 255, says: "" },
    Case { name: "object file", args: &["@"], file: |f| f[16] = 1, status: 255, says: "" },
];

/// Files that may end in any way but a hang or a crash of the emulator itself (a guest's own fault ends it by the signal).
const HOSTILE: &[(&str, fn(&mut Vec<u8>))] = &[
    ("entry in nothing", |f| f[24..32].copy_from_slice(&0xdead_0000u64.to_le_bytes())),
    ("entry in the emulator", |f| f[24..32].copy_from_slice(&0x7000_0001_0000u64.to_le_bytes())),
    ("segment over the emulator", |f| segment(f, 16, 0x7000_0000_0000)),
    ("segment at the end of memory", |f| segment(f, 16, 0xffff_ffff_ffff_0000)),
    ("segment of huge memory size", |f| segment(f, 40, 0x7fff_ffff_ffff_ffff)),
    ("segment of huge file size", |f| segment(f, 32, 0x7fff_ffff_ffff_ffff)),
    ("segment offset beyond the end", |f| segment(f, 8, 0x7fff_0000)),
    ("segment alignment of 3", |f| segment(f, 48, 3)),
    ("65535 program headers", |f| f[56..58].fill(0xff)),
    ("cut in the first segment", |f| f.truncate(5000)),
];

/// Sets a 64-bit field of the first PT_LOAD.
fn segment(f: &mut [u8], field: usize, value: u64) {
    let table = u64::from_le_bytes(f[32..40].try_into().expect("8 bytes")) as usize;
    for i in 0..f[56] as usize {
        let at = table + 56 * i;
        if f[at] == 1 {
            f[at + field..at + field + 8].copy_from_slice(&value.to_le_bytes());
            return;
        }
    }
}

/// A good static executable, built once.
fn good() -> Result<Vec<u8>, String> {
    let out: PathBuf = target_dir().join(format!("cli-good-{}", std::process::id()));
    let dir = TempDir::new();
    let source = dir.path().join("good.c");
    std::fs::write(&source, "int main(void) { return 3; }\n").map_err(|e| e.to_string())?;
    let status =
        Command::new("aarch64-linux-gnu-gcc").arg("-static").arg("-o").arg(&out).arg(&source).status();
    let bytes = std::fs::read(&out).map_err(|e| format!("{status:?}: {e}"))?;
    let _ = std::fs::remove_file(&out);
    Ok(bytes)
}

fn write(dir: &Path, bytes: &[u8]) -> Result<PathBuf, String> {
    let path = dir.join("file");
    std::fs::write(&path, bytes).map_err(|e| e.to_string())?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&path, mode).map_err(|e| e.to_string())?;
    Ok(path)
}

fn call(args: &[&str], bytes: &[u8]) -> Result<anyarch_harness::Outcome, String> {
    let dir = TempDir::new();
    let path = write(dir.path(), bytes)?;
    let mut c = Command::new(emulator());
    for a in args {
        if *a == "@" {
            c.arg(&path)
        } else {
            c.arg(a)
        };
    }
    c.current_dir(dir.path());
    run(&c, Duration::from_secs(30)).map_err(|e| e.to_string())
}

fn check(case: &Case, bytes: &[u8]) -> Result<(), String> {
    let mut bytes = bytes.to_vec();
    (case.file)(&mut bytes);
    let got = call(case.args, &bytes)?;
    let lines = got.stderr.lines().count();
    let named = !case.args.contains(&"@") || case.status == 1 || got.stderr.contains("file");
    let one_line = lines == 1 || case.says == "usage" || case.status == 1;
    if got.status == case.status
        && got.stdout.is_empty()
        && one_line
        && named
        && got.stderr.to_lowercase().contains(&case.says.to_lowercase())
    {
        return Ok(());
    }
    Err(format!(
        "expected status {}, one line that names the file and says {:?}; got {got:?}",
        case.status, case.says
    ))
}

fn main() -> ExitCode {
    let bytes: &'static [u8] = match good() {
        Ok(bytes) => bytes.leak(),
        Err(e) => {
            eprintln!("aarch64-linux-gnu-gcc: {e}");
            return ExitCode::from(101);
        }
    };
    let mut trials = Vec::new();
    let mut add = |name: &str, run: Box<dyn Fn() -> Result<(), String> + Send + Sync>| {
        trials.push(Trial { name: format!("cli::{}", name.replace(' ', "_")), run });
    };
    add(
        "good",
        Box::new(|| {
            let got = call(&["@"], bytes)?;
            if got.status == 3 && got.stderr.is_empty() { Ok(()) } else { Err(format!("{got:?}")) }
        }),
    );
    for case in CASES {
        add(case.name, Box::new(|| check(case, bytes)));
    }
    for (name, change) in HOSTILE {
        add(
            name,
            Box::new(|| {
                let mut b = bytes.to_vec();
                change(&mut b);
                let got = call(&["@"], &b)?;
                // Refused with a line, or started and ended by its own fault, or not hurt at all.
                let refused = (got.status == 255 || got.status == 126) && got.stderr.lines().count() == 1;
                let own_fault = matches!(got.status, 132 | 135 | 137 | 139) || got.status == 3;
                let panicked = got.stderr.contains("panic");
                if (refused || own_fault) && !panicked { Ok(()) } else { Err(format!("{got:?}")) }
            }),
        );
    }
    add(
        "not executable",
        Box::new(|| {
            let dir = TempDir::new();
            let path = dir.path().join("file");
            std::fs::create_dir(&path).map_err(|e| e.to_string())?;
            let got = run(Command::new(emulator()).arg(&path), Duration::from_secs(30))
                .map_err(|e| e.to_string())?;
            if got.status == 126 && got.stderr.lines().count() == 1 {
                Ok(())
            } else {
                Err(format!("{got:?}"))
            }
        }),
    );
    add(
        "missing loader",
        Box::new(|| {
            let dir = TempDir::new();
            let (source, out) = (dir.path().join("a.c"), dir.path().join("file"));
            std::fs::write(&source, "int main(void) { return 3; }\n").map_err(|e| e.to_string())?;
            let flag = "-Wl,--dynamic-linker=/nonexistent/loader.so";
            Command::new("aarch64-linux-gnu-gcc")
                .arg(flag)
                .arg("-o")
                .arg(&out)
                .arg(&source)
                .status()
                .map_err(|e| e.to_string())?;
            let got = run(Command::new(emulator()).arg(&out), Duration::from_secs(30))
                .map_err(|e| e.to_string())?;
            let line = got.stderr.lines().count() == 1 && got.stderr.contains("/nonexistent/loader.so");
            // As a shell says where execve gives ENOENT; qemu-user ends with 255.
            if line && matches!(got.status, 127 | 255 | 1) { Ok(()) } else { Err(format!("{got:?}")) }
        }),
    );
    trial::main(trials)
}

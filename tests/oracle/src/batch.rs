//! Running cases on the other side: `runner/runner.c` under QEMU.

use crate::state::{CODE_BASE, EXIT, Rng, State};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Most instructions of one case.
pub const MAX_WORDS: usize = 14;
/// Bytes between the code of two cases without branches: one word before, one after.
const STRIDE: u64 = 64;
/// Most cases without branches in a batch.
pub const PLAIN_CASES: usize = 8192;
/// Readable bytes for pc-relative loads.
pub const POOL: u64 = CODE_BASE + 0xc_0000;
/// Bytes of the pool.
pub const POOL_BYTES: u64 = 4096;
const BRANCH_BASE: u64 = CODE_BASE + 0x10_0000;
/// Bytes between the code of two cases with branches: short branches end between them.
pub const BRANCH_STRIDE: u64 = 0x1_0000;
/// Most cases with branches in a batch.
pub const BRANCH_CASES: usize = 1000;

/// One test: code and the state before it.
#[derive(Clone, Debug)]
pub struct Case {
    /// Name of the row (or kind of sequence) for reports.
    pub row: &'static str,
    /// The instructions.
    pub words: Vec<u32>,
    /// The state before; `pc` is where the code lies.
    pub state: State,
}

impl Case {
    /// Address behind the code.
    pub fn end(&self) -> u64 {
        self.state.pc + 4 * self.words.len() as u64
    }
}

/// Cases that run together. Their code must not overlap unless it is equal.
#[derive(Default)]
pub struct Batch {
    /// The cases.
    pub cases: Vec<Case>,
    plain: usize,
    branches: usize,
}

impl Batch {
    /// Cases that have their addresses already.
    pub fn of(cases: Vec<Case>) -> Batch {
        Batch { cases, plain: 0, branches: 0 }
    }

    /// An address for the next case's code; `None` when the batch is full.
    pub fn place(&mut self, branch: bool) -> Option<u64> {
        let (count, limit, base, stride) = if branch {
            (&mut self.branches, BRANCH_CASES, BRANCH_BASE + 0x8000, BRANCH_STRIDE)
        } else {
            (&mut self.plain, PLAIN_CASES, CODE_BASE, STRIDE)
        };
        if *count == limit {
            return None;
        }
        *count += 1;
        Some(base + (*count as u64 - 1) * stride + 4)
    }

    /// Runs all cases on the other side. Gives the states afterwards; `None` for a case that ended QEMU itself.
    ///
    /// # Errors
    /// If the runner cannot be built or started.
    pub fn run(&self, image: &Image) -> io::Result<Vec<Option<State>>> {
        let mut crashed = Vec::new();
        let mut from = 0;
        loop {
            let status = Command::new(qemu())
                .args(["-cpu", &cpu()])
                .arg(runner()?)
                .arg(format!("/proc/{}/fd/{}", std::process::id(), image.file.as_raw_fd()))
                .arg(from.to_string())
                .output()?;
            let mut done = [0; 8];
            image.file.read_exact_at(&mut done, 8)?;
            let done = u64::from_le_bytes(done) as usize;
            if done == self.cases.len() && status.status.success() {
                break;
            }
            if crashed.len() > 20 || done >= self.cases.len() {
                return Err(io::Error::other(format!("the runner fails: {status:?}")));
            }
            crashed.push(done);
            from = done + 1;
        }
        let mut bytes = vec![0u8; self.cases.len() * size_of::<State>()];
        image.file.read_exact_at(&mut bytes, image.states)?;
        Ok((0..self.cases.len())
            .map(|i| {
                // SAFETY: the bytes are there, and any are a State.
                let s = unsafe { bytes.as_ptr().cast::<State>().add(i).read_unaligned() };
                (!crashed.contains(&i)).then_some(s)
            })
            .collect())
    }

    /// The batch as a file to be mapped by both sides.
    ///
    /// # Errors
    /// From the system.
    pub fn image(&self) -> io::Result<Image> {
        // SAFETY: plain call; the descriptor is new and ours.
        let file = unsafe {
            let fd = libc::memfd_create(c"oracle".as_ptr(), libc::MFD_CLOEXEC);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            File::from_raw_fd(fd)
        };
        let last = self.cases.iter().map(Case::end).max().unwrap_or(CODE_BASE).max(POOL + POOL_BYTES);
        let code_bytes = (last + 64 - CODE_BASE).next_multiple_of(4096);
        let states = 4096 + code_bytes;
        let total = states + (self.cases.len() * size_of::<State>()) as u64;
        file.set_len(total)?;
        let mut header = Vec::new();
        for word in [self.cases.len() as u64, 0, code_bytes, total] {
            header.extend_from_slice(&word.to_le_bytes());
        }
        file.write_all_at(&header, 0)?;
        let mut pool = Vec::new();
        let mut rng = Rng::new(77);
        while pool.len() < POOL_BYTES as usize {
            pool.extend_from_slice(&rng.next().to_le_bytes());
        }
        file.write_all_at(&pool, 4096 + POOL - CODE_BASE)?;
        // Plain slots are written at once, branch slots one by one.
        let mut plain = vec![0u8; self.plain * STRIDE as usize];
        for case in &self.cases {
            let mut code = vec![0xa940_0400u32]; // ldp x0, x1, [x0]
            code.extend_from_slice(&case.words);
            code.push(0x1400_0000 | ((EXIT.wrapping_sub(case.end())) >> 2) as u32 & 0x3ff_ffff);
            let bytes: Vec<u8> = code.iter().flat_map(|w| w.to_le_bytes()).collect();
            let offset = (case.state.pc - 4 - CODE_BASE) as usize;
            if offset + bytes.len() <= plain.len() {
                plain[offset..offset + bytes.len()].copy_from_slice(&bytes);
            } else {
                file.write_all_at(&bytes, 4096 + offset as u64)?;
            }
        }
        file.write_all_at(&plain, 4096)?;
        let records: Vec<State> = self.cases.iter().map(|c| c.state).collect();
        // SAFETY: State is plain data.
        let bytes = unsafe {
            core::slice::from_raw_parts(records.as_ptr().cast::<u8>(), records.len() * size_of::<State>())
        };
        file.write_all_at(bytes, states)?;
        Ok(Image { file, code_bytes, states })
    }
}

/// A batch's file.
pub struct Image {
    /// A memory file.
    pub file: File,
    /// Bytes of code from file offset 4096, to be mapped at [`CODE_BASE`].
    pub code_bytes: u64,
    states: u64,
}

fn qemu() -> String {
    std::env::var("ORACLE_QEMU").unwrap_or_else(|_| "qemu-aarch64-static".into())
}

/// Features that we do not advertise are off where they change what an instruction of ours does.
fn cpu() -> String {
    std::env::var("ORACLE_CPU").unwrap_or_else(|_| "max,pauth=off,sve=off,sme=off".into())
}

/// The runner's executable, built once per process and kept between them.
fn runner() -> io::Result<&'static Path> {
    static PATH: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    PATH.get_or_init(|| build().map_err(|e| e.to_string()))
        .as_deref()
        .map_err(|e| io::Error::other(e.clone()))
}

fn build() -> io::Result<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("runner/runner.c");
    let mut hash = std::hash::DefaultHasher::new();
    std::hash::Hash::hash(&std::fs::read(&source)?, &mut hash);
    let directory = std::env::current_exe()?.parent().map_or_else(std::env::temp_dir, Path::to_path_buf);
    let out = directory.join(format!("oracle-runner-{:x}", std::hash::Hasher::finish(&hash)));
    if out.exists() {
        return Ok(out);
    }
    let new = out.with_extension(std::process::id().to_string());
    let status = Command::new("aarch64-linux-gnu-gcc")
        .args(["-O2", "-ffreestanding", "-static", "-nostdlib", "-fno-stack-protector", "-fno-pic"])
        .args(["-mgeneral-regs-only", "-Wl,-Ttext-segment=0x10000000", "-Wl,--build-id=none"])
        .arg(format!("-Wl,--section-start=.exit={EXIT:#x}"))
        .arg("-o")
        .arg(&new)
        .arg(&source)
        .status()
        .map_err(|e| {
            io::Error::other(format!("aarch64-linux-gnu-gcc (package gcc-aarch64-linux-gnu): {e}"))
        })?;
    if !status.success() {
        return Err(io::Error::other("runner.c does not compile"));
    }
    std::fs::rename(&new, &out)?;
    Ok(out)
}

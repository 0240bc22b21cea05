//! Running cases on the other side: `runner/runner.c`, with the guest's `runner.h`, under QEMU.

use crate::guest::Guest;
use crate::reference::Reference;
use crate::state::{CODE_BASE, EXIT, Rng, State};
use anyarch_harness::guests;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Most instructions of one case.
pub const MAX_WORDS: usize = 14;
/// Bytes between the code of two cases without branches: up to two words before, one after.
const STRIDE: u64 = 80;
/// Most cases without branches in a batch.
pub const PLAIN_CASES: usize = 8192;
/// Readable bytes for pc-relative loads.
pub const POOL: u64 = CODE_BASE + 0xc_0000;
/// Bytes of the pool.
pub const POOL_BYTES: u64 = 4096;
/// Where code with branches begins.
pub const BRANCH_BASE: u64 = CODE_BASE + 0x10_0000;
/// Bytes between the code of two cases with branches: short branches end between them.
pub const BRANCH_STRIDE: u64 = 0x1_0000;
/// Most cases with branches in a batch.
pub const BRANCH_CASES: usize = 1000;

/// One test: code and the state before it.
#[derive(Clone, Debug)]
pub struct Case<G: Guest> {
    /// Name of the row (or kind of sequence) for reports.
    pub row: &'static str,
    /// The instructions, each in the low bits of its word.
    pub words: Vec<u32>,
    /// The state before; `pc` is where the code lies.
    pub state: State<G::Registers>,
}

impl<G: Guest> Case<G> {
    /// Address of the code.
    pub fn start(&self) -> u64 {
        G::address(self.state.pc)
    }

    /// Address behind the code.
    pub fn end(&self) -> u64 {
        self.start() + self.words.iter().map(|w| G::length(self.state.pc, *w)).sum::<u64>()
    }

    /// The instruction at a `pc`.
    pub fn word_at(&self, pc: u64) -> Option<u32> {
        let (mut at, address) = (self.start(), G::address(pc));
        self.words.iter().copied().find(|w| {
            let here = at == address;
            at += G::length(self.state.pc, *w);
            here
        })
    }

    /// Whether a `pc` lies in the code.
    pub fn contains(&self, pc: u64) -> bool {
        (self.start()..self.end()).contains(&G::address(pc))
    }

    /// The code with what stands before and behind it, and its address.
    fn code(&self) -> (u64, Vec<u8>) {
        let put = |out: &mut Vec<u8>, w: u32| {
            out.extend_from_slice(&w.to_le_bytes()[..G::length(self.state.pc, w) as usize]);
        };
        let mut out = Vec::new();
        G::PREFIX.iter().for_each(|w| put(&mut out, *w));
        let start = self.start() - out.len() as u64;
        self.words.iter().for_each(|w| put(&mut out, *w));
        put(&mut out, G::leave(self.state.pc, self.end()));
        (start, out)
    }
}

/// Cases that run together. Their code must not overlap unless it is equal.
pub struct Batch<G: Guest> {
    /// The cases.
    pub cases: Vec<Case<G>>,
    plain: usize,
    branches: usize,
}

impl<G: Guest> Batch<G> {
    /// Cases that have their addresses already.
    pub fn of(cases: Vec<Case<G>>) -> Batch<G> {
        Batch { cases, plain: 0, branches: 0 }
    }

    /// The address for the next case's code; `None` when the batch is full.
    pub fn place(&self, branches: bool) -> Option<u64> {
        let (count, limit, base, stride) = if branches {
            (self.branches, BRANCH_CASES, BRANCH_BASE + 0x8000, BRANCH_STRIDE)
        } else {
            (self.plain, PLAIN_CASES, CODE_BASE, STRIDE)
        };
        (count < limit).then(|| base + count as u64 * stride + 4 * G::PREFIX.len() as u64)
    }

    /// Adds a case at the address that [`Batch::place`] gave.
    pub fn push(&mut self, case: Case<G>, branches: bool) {
        *(if branches { &mut self.branches } else { &mut self.plain }) += 1;
        self.cases.push(case);
    }

    /// Runs all cases on the other side. Gives the states afterwards; `None` for a case that ended
    /// QEMU itself.
    ///
    /// # Errors
    /// If the runner cannot be built or started.
    pub fn run(&self, image: &Image, reference: &Reference) -> io::Result<Vec<Option<State<G::Registers>>>> {
        let program = (reference.program)(G::NAME).map_err(io::Error::other)?;
        let mut crashed = Vec::new();
        let mut from = 0;
        loop {
            let mut child = Command::new(&program)
                .args(["-cpu", &reference.cpu])
                .arg(runner::<G>()?)
                .arg(format!("/proc/{}/fd/{}", std::process::id(), image.file.as_raw_fd()))
                .arg(from.to_string())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()?;
            let status = wait(&mut child, || image.done())?;
            let done = image.done()?;
            if done == self.cases.len() && status.success() {
                break;
            }
            if crashed.len() > 20 + self.cases.len() / 64 || done >= self.cases.len() {
                return Err(io::Error::other(format!(
                    "the runner fails under {}: {status:?}, after {done} cases",
                    program.display()
                )));
            }
            crashed.push(done);
            from = done + 1;
        }
        let mut bytes = vec![0u8; self.cases.len() * size_of::<State<G::Registers>>()];
        image.file.read_exact_at(&mut bytes, image.states)?;
        Ok((0..self.cases.len())
            .map(|i| {
                // SAFETY: the bytes are there, and any are a State of a Plain.
                let s = unsafe { bytes.as_ptr().cast::<State<G::Registers>>().add(i).read_unaligned() };
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
        let total = states + (self.cases.len() * size_of::<State<G::Registers>>()) as u64;
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
        let filler = |bytes: usize| G::FILLER.to_le_bytes().repeat(bytes / 4);
        let mut plain = filler(self.plain * STRIDE as usize);
        let elsewhere = |start: &u64| *start >= CODE_BASE + self.plain as u64 * STRIDE;
        let slots = self.cases.iter().map(Case::start).filter(elsewhere).min();
        if let Some(first) = slots.filter(|_| G::FILLER != 0) {
            let from = (first & !(BRANCH_STRIDE - 1)) - CODE_BASE;
            file.write_all_at(&filler((code_bytes - from) as usize), 4096 + from)?;
        }
        for case in &self.cases {
            let (start, bytes) = case.code();
            let offset = (start - CODE_BASE) as usize;
            if offset + bytes.len() <= plain.len() {
                plain[offset..offset + bytes.len()].copy_from_slice(&bytes);
            } else {
                file.write_all_at(&bytes, 4096 + offset as u64)?;
            }
        }
        file.write_all_at(&plain, 4096)?;
        let records: Vec<State<G::Registers>> = self.cases.iter().map(|c| c.state).collect();
        // SAFETY: State is plain data.
        let bytes = unsafe {
            core::slice::from_raw_parts(
                records.as_ptr().cast::<u8>(),
                records.len() * size_of::<State<G::Registers>>(),
            )
        };
        file.write_all_at(bytes, states)?;
        Ok(Image { file, code_bytes, states })
    }
}

/// Waits for the runner. It is killed where it makes no progress: a case may go round for ever.
fn wait(child: &mut Child, done: impl Fn() -> io::Result<usize>) -> io::Result<ExitStatus> {
    let (mut last, mut since) = (0, Instant::now());
    for pause in (0..).map(|n: u32| (1 << n.min(6)) / 2) {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        std::thread::sleep(Duration::from_millis(pause.min(20)));
        let now = done()?;
        if now != last {
            (last, since) = (now, Instant::now());
        } else if since.elapsed() > STUCK {
            child.kill()?;
        }
    }
    child.wait()
}

/// How long a case may take, on a machine that does much else.
const STUCK: Duration = Duration::from_secs(20);

/// A batch's file.
pub struct Image {
    /// A memory file.
    pub file: File,
    /// Bytes of code from file offset 4096, to be mapped at [`CODE_BASE`].
    pub code_bytes: u64,
    states: u64,
}

impl Image {
    /// How many cases the runner is done with.
    fn done(&self) -> io::Result<usize> {
        let mut done = [0; 8];
        self.file.read_exact_at(&mut done, 8)?;
        Ok(u64::from_le_bytes(done) as usize)
    }
}

/// The runner's executable, built once per process and kept between them.
fn runner<G: Guest>() -> io::Result<&'static Path> {
    // One guest per process.
    static PATH: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    PATH.get_or_init(|| build::<G>().map_err(|e| e.to_string()))
        .as_deref()
        .map_err(|e| io::Error::other(e.clone()))
}

fn build<G: Guest>() -> io::Result<PathBuf> {
    let guest =
        guests::by_name(G::NAME).ok_or_else(|| io::Error::other("no row in harness/src/guests.rs"))?;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("runner/runner.c");
    let mut hash = std::hash::DefaultHasher::new();
    for file in [&source, &G::folder().join("runner.h")] {
        std::hash::Hash::hash(&std::fs::read(file)?, &mut hash);
    }
    let directory = std::env::current_exe()?.parent().map_or_else(std::env::temp_dir, Path::to_path_buf);
    let out = directory.join(format!("oracle-runner-{}-{:x}", G::NAME, std::hash::Hasher::finish(&hash)));
    if out.exists() {
        return Ok(out);
    }
    let new = out.with_extension(std::process::id().to_string());
    let compiler = guest.compiler(false);
    let status = Command::new(&compiler)
        .args(["-O2", "-ffreestanding", "-static", "-nostdlib", "-fno-stack-protector", "-fno-pic"])
        .args(["-fno-tree-loop-distribute-patterns", "-Wl,-Ttext-segment=0x10000000", "-Wl,--build-id=none"])
        .arg(format!("-Wl,--section-start=.exit={EXIT:#x}"))
        .args(G::RUNNER_FLAGS)
        .arg("-I")
        .arg(G::folder())
        .arg(format!("-DSTATE_BYTES={}", size_of::<State<G::Registers>>()))
        .arg("-o")
        .arg(&new)
        .arg(&source)
        .status()
        .map_err(|e| io::Error::other(format!("{compiler}: {e}")))?;
    if !status.success() {
        return Err(io::Error::other("runner.c does not compile"));
    }
    std::fs::rename(&new, &out)?;
    Ok(out)
}

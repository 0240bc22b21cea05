//! Running cases on our side, in this process. This file is all that the oracle knows of the
//! engine's ways to run code.
//!
//! Guest address = host address, so the batch's code and the scratch memory are mapped here at the
//! runner's addresses.

use crate::batch::{Batch, Case, Image};
use crate::faults;
use crate::guest::Guest;
use crate::state::{CODE_BASE, EDGE, EXIT, MID, SCRATCH, SCRATCH_BYTES, State};
use anyarch_engine::backend::Backend;
use anyarch_engine::cache::CACHE;
use anyarch_engine::interp::{Interp, Outcome};
use anyarch_engine::run::{Stopped, Thread, ThreadBox, code};
use anyarch_engine::state::Cpu;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Mutex;

/// Runs cases one after the other; the states afterwards.
type Run<G> = fn(&[Case<G>]) -> Vec<State<<G as Guest>::Registers>>;

/// One of our implementations.
pub struct Player<G: Guest> {
    /// Its name.
    pub name: &'static str,
    /// Runs the cases of a batch one after the other; the states afterwards.
    run: Run<G>,
}

/// All of them. `again` runs code a second time, made when the state was another one, so that what
/// the translator took for likely need not be so.
pub fn players<G: Guest>() -> Vec<Player<G>> {
    vec![
        Player { name: "interp", run: interpret_all::<G> },
        Player { name: "translator", run: |cases| translate_all(cases, false) },
        Player { name: "again", run: |cases| translate_all(cases, true) },
    ]
}

/// The addresses are the process's: one batch at a time.
static BUSY: Mutex<()> = Mutex::new(());

/// Runs all cases of a batch; the states afterwards.
///
/// # Errors
/// If memory cannot be mapped.
pub fn run<G: Guest>(
    batch: &Batch<G>,
    image: &Image,
    player: &Player<G>,
) -> io::Result<Vec<State<G::Registers>>> {
    Ok(run_and_count(batch, image, player)?.0)
}

/// As [`run`], and how many instructions became parts of steps of several.
///
/// # Errors
/// If memory cannot be mapped.
pub fn run_and_count<G: Guest>(
    batch: &Batch<G>,
    image: &Image,
    player: &Player<G>,
) -> io::Result<(Vec<State<G::Registers>>, u64)> {
    let covered = || CACHE.lock().as_deref().map_or(0, |c| c.stats.covered);
    let _busy = BUSY.lock().unwrap_or_else(|e| e.into_inner());
    prepare::<G>()?;
    map(CODE_BASE, image.code_bytes, libc::PROT_READ | libc::PROT_EXEC, image.file.as_raw_fd(), 4096)?;
    let before = covered();
    let states = (player.run)(&batch.cases);
    Ok((states, covered() - before))
}

/// The guest as the engine sees it.
pub(crate) const fn engine<G: Guest>() -> &'static anyarch_engine::run::Guest {
    <G::Instructions as anyarch_engine::lift::Lift>::GUEST
}

/// This machine's way to run a guest's code, for tests of a guest, which name no host.
pub const fn backend<L: anyarch_engine::lift::Lift>() -> Backend {
    anyarch_host_x86_64::backend::<L>()
}

fn translate_all<G: Guest>(cases: &[Case<G>], again: bool) -> Vec<State<G::Registers>> {
    let mut cpu = zeroed();
    let mut thread = ThreadBox::new(engine::<G>());
    faults::set_thread(&mut *thread);
    let states = cases
        .iter()
        .map(|case| {
            code::mapped_exec(case.start(), case.end());
            if again {
                let mut first = case.clone();
                G::make_likely(&mut first.state.r);
                translate(&first, &mut cpu, &mut thread);
            }
            let state = translate(case, &mut cpu, &mut thread);
            code::unmapped_exec(case.start(), case.end());
            state
        })
        .collect();
    faults::set_thread(core::ptr::null_mut());
    states
}

fn translate<G: Guest>(case: &Case<G>, cpu: &mut Cpu, thread: &mut Thread) -> State<G::Registers> {
    load(case, cpu);
    // SAFETY: plain data.
    unsafe { core::ptr::copy_nonoverlapping(&*cpu, &raw mut thread.cpu, 1) };
    thread.cpu.reset_host_fp();
    G::set_environment(&case.state.r, &mut thread.cpu);
    // A branch may end in what lies behind; its first fault there tells where it went.
    let exit = thread.run();
    let fault = matches!(exit, Stopped::Fault(_)) && case.contains(thread.cpu.pc);
    if thread.cpu.pc == EXIT {
        thread.cpu.pc = case.end();
    }
    thread.cpu.collect_fp_flags();
    store::<G>(&thread.cpu, fault)
}

/// A state of the engine's that is all zero.
pub fn zeroed() -> Box<Cpu> {
    // SAFETY: all-zero bytes are a valid Cpu.
    unsafe {
        let p = std::alloc::alloc_zeroed(std::alloc::Layout::new::<Cpu>()).cast::<Cpu>();
        Box::from_raw(p)
    }
}

/// A copy of a state.
pub fn copy(cpu: &Cpu) -> Box<Cpu> {
    let mut out = zeroed();
    // SAFETY: plain data.
    unsafe { core::ptr::copy_nonoverlapping(cpu, &raw mut *out, 1) };
    out
}

/// Loads a state, for a generator that plays instructions one by one to see what they do.
///
/// # Errors
/// If memory cannot be mapped.
pub fn in_memory<G: Guest, T>(
    state: &State<G::Registers>,
    f: impl FnOnce(&mut Box<Cpu>) -> T,
) -> io::Result<T> {
    let _busy = BUSY.lock().unwrap_or_else(|e| e.into_inner());
    prepare::<G>()?;
    let mut cpu = zeroed();
    load(&Case::<G> { row: "", words: Vec::new(), state: *state }, &mut cpu);
    Ok(f(&mut cpu))
}

fn interpret_all<G: Guest>(cases: &[Case<G>]) -> Vec<State<G::Registers>> {
    let mut cpu = zeroed();
    cases
        .iter()
        .map(|case| {
            load(case, &mut cpu);
            interpret(case, &mut cpu)
        })
        .collect()
}

/// Most instructions that a case takes: loops are short.
const STEPS: usize = 64;

fn interpret<G: Guest>(case: &Case<G>, cpu: &mut Cpu) -> State<G::Registers> {
    for _ in 0..STEPS {
        if case.word_at(cpu.pc).is_none() {
            break;
        }
        let mut interp = Interp::new(cpu);
        (engine::<G>().interpret)(&mut interp);
        let (next, outcome) = (interp.next_pc, interp.outcome);
        match outcome {
            Outcome::Next | Outcome::Syscall => cpu.pc = next,
            Outcome::Fault => return store::<G>(cpu, true),
        }
    }
    store::<G>(cpu, false)
}

fn load<G: Guest>(case: &Case<G>, cpu: &mut Cpu) {
    let s = &case.state;
    cpu.pc = s.pc;
    cpu.excl_addr = u64::MAX;
    G::load(&s.r, cpu);
    // SAFETY: mapped by `prepare`, and only this thread uses it.
    // Nothing is left over from what went beyond the windows.
    unsafe {
        core::ptr::write_bytes(SCRATCH as *mut u8, 0, SCRATCH_BYTES as usize);
        core::ptr::copy_nonoverlapping(s.mid.as_ptr(), MID as *mut u8, s.mid.len());
        core::ptr::copy_nonoverlapping(s.edge.as_ptr(), EDGE as *mut u8, s.edge.len());
    }
}

fn store<G: Guest>(cpu: &Cpu, fault: bool) -> State<G::Registers> {
    let mut s = State { pc: cpu.pc, r: G::store(cpu), ..State::zero() };
    if fault {
        s.signo = cpu.fault.signo as u64;
        s.code = cpu.fault.code as u32 as u64;
        s.addr = cpu.fault.addr;
    }
    // SAFETY: as in `load`.
    unsafe {
        core::ptr::copy_nonoverlapping(MID as *const u8, s.mid.as_mut_ptr(), s.mid.len());
        core::ptr::copy_nonoverlapping(EDGE as *const u8, s.edge.as_mut_ptr(), s.edge.len());
    }
    s
}

fn map(addr: u64, bytes: u64, prot: i32, fd: i32, offset: i64) -> io::Result<()> {
    let flags = if fd < 0 { libc::MAP_PRIVATE | libc::MAP_ANONYMOUS } else { libc::MAP_SHARED };
    // SAFETY: the low addresses used here belong to nothing else: this executable is
    // position-independent and high.
    let p = unsafe { libc::mmap(addr as *mut _, bytes as usize, prot, flags | libc::MAP_FIXED, fd, offset) };
    if p as u64 == addr { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Chooses the process's backend: what a guest tells of its processor depends on it, and so does
/// what the references are asked for.
pub(crate) fn choose<G: Guest>() {
    anyarch_engine::backend::choose(const { &backend::<G::Instructions>() });
}

/// Maps what stays mapped, and catches faults on this thread.
fn prepare<G: Guest>() -> io::Result<()> {
    use std::sync::Once;
    static ONCE: Once = Once::new();
    let mut result = Ok(());
    ONCE.call_once(|| {
        // A constant of the guest, which is one in a process.
        let backend: &'static Backend = const { &backend::<G::Instructions>() };
        result = anyarch_engine::run::init(engine::<G>(), backend, 0, 512 << 20)
            .map_err(|e| io::Error::from_raw_os_error(e.0))
            .and_then(|()| map(SCRATCH, SCRATCH_BYTES, libc::PROT_READ | libc::PROT_WRITE, -1, 0))
            .and_then(|()| map(EXIT, 4096, libc::PROT_READ | libc::PROT_EXEC, -1, 0));
        faults::catch();
    });
    result
}

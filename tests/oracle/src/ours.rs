//! Running cases on our side, in this process.
//!
//! Guest address = host address, so the batch's code and the scratch memory are mapped here at the runner's addresses.

use crate::batch::{Batch, Case, Image};
use crate::state::{CODE_BASE, EDGE, EXIT, MID, SCRATCH, State};
use anyarch_aarch64::{GUEST, Instructions, decode};
use anyarch_engine::backend::Backend;
use anyarch_engine::fp::Rounding;
use anyarch_engine::interp::{Interp, Outcome};
use anyarch_engine::run::{Exit, Thread, code, on_host_fault};
use anyarch_engine::state::{Cpu, Fault, slot};
use anyarch_sys::arch::Context;
use anyarch_sys::{MemFault, fixup};
use core::sync::atomic::{AtomicPtr, Ordering};
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Mutex;

/// Which of our implementations runs a case.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Through {
    /// The reference interpreter.
    Interp,
    /// The translator.
    Translator,
}

impl Through {
    /// All.
    pub const ALL: &[Through] = &[Through::Interp, Through::Translator];

    /// From the command line.
    pub fn parse(name: &str) -> Option<Through> {
        match name {
            "interp" => Some(Through::Interp),
            "translator" => Some(Through::Translator),
            _ => None,
        }
    }
}

/// The addresses are the process's: one batch at a time.
static BUSY: Mutex<()> = Mutex::new(());

/// Runs all cases of a batch; the states afterwards.
///
/// # Errors
/// If memory cannot be mapped.
pub fn run(batch: &Batch, image: &Image, through: Through) -> io::Result<Vec<State>> {
    let _busy = BUSY.lock().unwrap_or_else(|e| e.into_inner());
    prepare()?;
    map(CODE_BASE, image.code_bytes, libc::PROT_READ | libc::PROT_EXEC, image.file.as_raw_fd(), 4096)?;
    let mut cpu = zeroed();
    let mut thread = (through == Through::Translator).then(|| Thread::new(&GUEST));
    CURRENT.store(thread.as_deref_mut().map_or(core::ptr::null_mut(), |t| t), Ordering::Relaxed);
    let states = batch
        .cases
        .iter()
        .map(|case| {
            load(case, &mut cpu);
            match through {
                Through::Interp => interpret(case, &mut cpu),
                Through::Translator => match thread.as_deref_mut() {
                    Some(thread) => translate(case, &cpu, thread),
                    None => unreachable!("made above"),
                },
            }
        })
        .collect();
    CURRENT.store(core::ptr::null_mut(), Ordering::Relaxed);
    Ok(states)
}

/// The thread whose generated code may fault.
static CURRENT: AtomicPtr<Thread> = AtomicPtr::new(core::ptr::null_mut());

fn translate(case: &Case, cpu: &Cpu, thread: &mut Thread) -> State {
    // SAFETY: plain data.
    unsafe { core::ptr::copy_nonoverlapping(cpu, &raw mut thread.cpu, 1) };
    thread.cpu.reset_host_fp();
    anyarch_aarch64::system::set_fpcr(&mut thread.cpu, case.state.fpcr as u32);
    code::mapped_exec(case.state.pc, case.end());
    // A branch may end in what lies behind; its first fault there tells where it went.
    let exit = thread.run();
    code::unmapped_exec(case.state.pc, case.end());
    let inside = thread.cpu.pc >= case.state.pc && thread.cpu.pc < case.end();
    let fault = matches!(exit, Exit::Fault(_)) && inside;
    if thread.cpu.pc == EXIT {
        thread.cpu.pc = case.end();
    }
    thread.cpu.collect_fp_flags();
    store(&thread.cpu, fault)
}

fn zeroed() -> Box<Cpu> {
    // SAFETY: all-zero bytes are a valid Cpu.
    unsafe {
        let p = std::alloc::alloc_zeroed(std::alloc::Layout::new::<Cpu>()).cast::<Cpu>();
        Box::from_raw(p)
    }
}

fn interpret(case: &Case, cpu: &mut Cpu) -> State {
    let start = case.state.pc;
    for _ in 0..64 {
        let at = cpu.pc.wrapping_sub(start) / 4;
        if !cpu.pc.is_multiple_of(4) || at >= case.words.len() as u64 {
            break;
        }
        let pc = cpu.pc;
        let mut interp = Interp::new(cpu);
        interp.next_pc = pc + 4;
        decode::lift(&mut interp, case.words[at as usize], pc);
        let (next, outcome) = (interp.next_pc, interp.outcome);
        match outcome {
            Outcome::Next | Outcome::Syscall => cpu.pc = next,
            Outcome::Fault => return store(cpu, true),
        }
    }
    store(cpu, false)
}

fn load(case: &Case, cpu: &mut Cpu) {
    let s = &case.state;
    cpu.gpr[..31].copy_from_slice(&s.x);
    cpu.gpr[31] = s.sp;
    cpu.gpr[slot::TLS as usize] = s.tpidr;
    cpu.pc = s.pc;
    cpu.set_nzcv((s.nzcv >> 28) as u8);
    set_fp(cpu, s.fpcr as u32, s.fpsr as u32);
    cpu.excl_addr = u64::MAX;
    for (to, from) in cpu.vec.iter_mut().zip(&s.v) {
        *to = from[0] as u128 | (from[1] as u128) << 64;
    }
    // SAFETY: mapped by `prepare`, and only this thread uses it.
    unsafe {
        core::ptr::copy_nonoverlapping(s.mid.as_ptr(), MID as *mut u8, s.mid.len());
        core::ptr::copy_nonoverlapping(s.edge.as_ptr(), EDGE as *mut u8, s.edge.len());
    }
}

fn store(cpu: &Cpu, fault: bool) -> State {
    let mut s = State::zero();
    s.x.copy_from_slice(&cpu.gpr[..31]);
    s.sp = cpu.gpr[31];
    s.tpidr = cpu.gpr[slot::TLS as usize];
    s.pc = cpu.pc;
    s.nzcv = (cpu.nzcv() as u64) << 28;
    (s.fpcr, s.fpsr) = fp(cpu);
    for (to, from) in s.v.iter_mut().zip(&cpu.vec) {
        *to = [*from as u64, (*from >> 64) as u64];
    }
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

/// FPCR and FPSR into the environment, written here once more so that the guest's own mapping is tested too.
fn set_fp(cpu: &mut Cpu, fpcr: u32, fpsr: u32) {
    cpu.fpcr = fpcr;
    cpu.fp.rounding =
        [Rounding::NearestEven, Rounding::Up, Rounding::Down, Rounding::Zero][(fpcr >> 22 & 3) as usize];
    cpu.fp.flush_half = fpcr >> 19 & 1 != 0;
    cpu.fp.flush = fpcr >> 24 & 1 != 0;
    cpu.fp.default_nan = fpcr >> 25 & 1 != 0;
    cpu.fp.alt_half = fpcr >> 26 & 1 != 0;
    cpu.fp.flags = (fpsr & 0x9f) as u8;
    cpu.fp.saturated = fpsr >> 27 & 1 != 0;
}

fn fp(cpu: &Cpu) -> (u64, u64) {
    (cpu.fpcr as u64, cpu.fp.flags as u64 | (cpu.fp.saturated as u64) << 27)
}

fn map(addr: u64, bytes: u64, prot: i32, fd: i32, offset: i64) -> io::Result<()> {
    let flags = if fd < 0 { libc::MAP_PRIVATE | libc::MAP_ANONYMOUS } else { libc::MAP_SHARED };
    // SAFETY: the low addresses used here belong to nothing else: this executable is position-independent and high.
    let p = unsafe { libc::mmap(addr as *mut _, bytes as usize, prot, flags | libc::MAP_FIXED, fd, offset) };
    if p as u64 == addr { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Maps what stays mapped, and catches faults on this thread.
fn prepare() -> io::Result<()> {
    use std::sync::Once;
    static ONCE: Once = Once::new();
    let mut result = Ok(());
    ONCE.call_once(|| {
        static BACKEND: Backend = anyarch_host_x86_64::backend::<Instructions>();
        let engine = anyarch_engine::run::init(&GUEST, &BACKEND, 0, 512 << 20);
        result = engine
            .map_err(|e| io::Error::from_raw_os_error(e.0))
            .and_then(|()| map(SCRATCH, 0x2000, libc::PROT_READ | libc::PROT_WRITE, -1, 0))
            .and_then(|()| map(EXIT, 4096, libc::PROT_READ | libc::PROT_EXEC, -1, 0));
        for signal in [libc::SIGSEGV, libc::SIGBUS] {
            // SAFETY: the handler is async-signal-safe.
            unsafe {
                let mut act: libc::sigaction = core::mem::zeroed();
                act.sa_sigaction = on_fault as *const () as usize;
                act.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER | libc::SA_ONSTACK;
                libc::sigaction(signal, &act, core::ptr::null_mut());
            }
        }
    });
    result
}

extern "C" fn on_fault(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel's arguments. Not a fault of a guest access: the default action, by returning to it.
    unsafe {
        let fault = MemFault { signo: signal, code: (*info).si_code, addr: (*info).si_addr() as u64 };
        let thread = CURRENT.load(Ordering::Relaxed);
        let engine_fault = Fault { signo: signal, code: fault.code, addr: fault.addr, write: false };
        let caught = fixup(&mut Context::new(context.cast()), fault)
            || !thread.is_null() && on_host_fault(&mut *thread, context.cast(), engine_fault);
        if !caught {
            libc::signal(signal, libc::SIG_DFL);
        }
    }
}

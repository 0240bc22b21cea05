//! From the guest's system call instruction to the result in its registers.
//!
//! The row's argument types drive the conversion that many calls share (open flags, paths that are
//! looked up in the sysroot or in the emulated /proc); the rest is the row's handler or the host's
//! kernel. A call that may block is made with `safe_syscall`, so that no signal is lost before it.

use crate::abi::Abi;
use crate::calls::arg::widened;
use crate::calls::replaced;
use crate::calls::strace;
use crate::calls::table::{Arg, Kind, ROWS, ROWS_LEN, Row, Sys};
use crate::calls::time;
use crate::config;
use crate::files::{hidden, path, procmem};
use crate::program;
use crate::program::own;
use crate::seccomp;
use crate::structure::call::converted;
use crate::structure::{Model, constants, model};
use crate::task::Task;
use alloc::vec::Vec;
use anyarch_engine::ops::HelperExit;
use anyarch_engine::run::SyscallRegs;
use anyarch_engine::run::fast_calls::{self, Fast};
use anyarch_engine::state::Cpu;
use anyarch_sys::{Errno, SysResult, args6, check, safe_syscall, to_raw};
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// Result of a handler that has set the CPU's state itself (rt_sigreturn, a successful execve):
/// nothing is written to the result register.
pub const KEEP_REGISTERS: Errno = Errno(4096);

/// Carries out the system call that the task's CPU just made (`cpu.pc` is the address after the
/// instruction) and sets its result.
///
/// When the call is to be made again after pending signals have been delivered (`ERESTARTSYS`),
/// `cpu.pc` is moved back to the system call instruction and no register changes.
pub fn dispatch(task: &mut Task) {
    let abi = task.abi;
    let (number, registers) = abi.syscall_args(&task.thread.cpu);
    let sys = abi.syscall(number);
    if !task.seccomp.idle() {
        let name = sys.map(|sys| sys.row().name);
        if let Some(result) = seccomp::enforce(task, number, name, &registers) {
            if result != Err(KEEP_REGISTERS) {
                abi.set_result(&mut task.thread.cpu, to_raw(numbered(abi.model(), result)));
            }
            return;
        }
    }
    let Some(sys) = sys else {
        if config::get().strace {
            strace::unknown(task, number, &registers);
        }
        let none = numbered(abi.model(), Err(Errno::ENOSYS));
        abi.set_result(&mut task.thread.cpu, to_raw(none));
        return;
    };
    let row = sys.row();
    let model = abi.model();
    let args = if model.word == 4 { widened(row.args, model, &registers) } else { registers };
    let result = if config::get().strace {
        strace::enter(task, row, &args);
        let result = run(task, sys, row, args);
        strace::leave(result);
        result
    } else {
        run(task, sys, row, args)
    };
    match result {
        Err(KEEP_REGISTERS) => {}
        Err(
            Errno::ERESTARTSYS | Errno::ERESTARTNOINTR | Errno::ERESTARTNOHAND | Errno::ERESTART_RESTARTBLOCK,
        ) => {
            task.thread.cpu.pc = task.thread.cpu.pc.wrapping_sub(abi.syscall_insn_len(&task.thread.cpu));
        }
        result => abi.set_result(&mut task.thread.cpu, to_raw(numbered(model, result))),
    }
}

/// For which models ([`Model::index`]) error numbers differ from the host's.
const ERRNOS_DIFFER: u16 = constants::ERRNOS.differs();

/// A result with the guest's number of the error.
fn numbered(guest: &Model, result: SysResult) -> SysResult {
    match result {
        Err(errno) if ERRNOS_DIFFER & 1 << guest.index != 0 => {
            let number = constants::ERRNOS.to_guest(guest, errno.0 as u32);
            Err(Errno(number.map_or(errno.0, |number| number as i32)))
        }
        result => result,
    }
}

/// Lets generated code make the calls that need nothing of this layer by itself, unless they are to
/// be traced.
pub fn enable_fast_calls(abi: &dyn Abi) {
    if config::get().strace {
        return;
    }
    REGS.store((&raw const abi.guest().syscall).cast_mut(), Ordering::Relaxed);
    let model = abi.model();
    // Results of the host's kernel go to the guest as they are.
    if ERRNOS_DIFFER & 1 << model.index != 0 {
        return;
    }
    let mut never = 1 << model.index;
    if own::is_held() {
        never |= Untouched::ASKED;
    }
    if model.word == 4 {
        never |= Untouched::WIDENS;
    }
    fast_calls::set(
        fast_call,
        (0..fast_calls::LEN).filter_map(|number| {
            let sys = abi.syscall(number as u64)?;
            // Few calls are local, so that few rows are read.
            let is_as_here = |row: &Row| !(row.widens && model.word == 4 || row.differs_for(model));
            if time::is_local(sys) && is_as_here(sys.row()) {
                if sys == Sys::clock_gettime {
                    CLOCK_NUMBER.store(number as u64, Ordering::Relaxed);
                }
                return Some((number, Fast::Local));
            }
            let call = &UNTOUCHED[sys.0 as usize];
            (call.unless & never == 0).then_some((number, Fast::Host(call.host)))
        }),
    );
}

/// A call that the host's kernel can have as it is: the part of a row that the start of every
/// program looks at, made at build time.
#[derive(Clone, Copy)]
struct Untouched {
    /// The host's number.
    host: u16,
    /// For which guests this layer has to see it: a bit for each
    /// [`crate::structure::Model::index`], and [`Untouched::ASKED`], [`Untouched::WIDENS`].
    unless: u16,
}

impl Untouched {
    /// In `unless`: where the emulator has a descriptor of its own ([`own::is_asked`]).
    const ASKED: u16 = 1 << 15;
    /// In `unless`: where registers have 32 bits (`Row::widens`).
    const WIDENS: u16 = 1 << 14;
}

const _: () = assert!(model::MODELS.len() <= 14, "the bits of models are below the others");

/// By [`Sys`].
static UNTOUCHED: [Untouched; ROWS_LEN] = {
    let mut all = [Untouched { host: 0, unless: u16::MAX }; ROWS_LEN];
    let mut i = 0;
    while i < ROWS.len() {
        let row = &ROWS[i];
        let asked = if own::is_asked(Sys(i as u16), row) { Untouched::ASKED } else { 0 };
        if let (Kind::Passthrough | Kind::Agreed(_), false, Some(host)) =
            (&row.kind, row.converts, row.host())
        {
            let widens = if row.widens { Untouched::WIDENS } else { 0 };
            all[i] = Untouched { host, unless: row.differs | asked | widens };
        }
        i += 1;
    }
    all
};

/// Where calls find their arguments.
static REGS: AtomicPtr<SyscallRegs> = AtomicPtr::new(core::ptr::null_mut());
/// The guest's number of clock_gettime: the call that is made most often takes the shortest way.
static CLOCK_NUMBER: AtomicU64 = AtomicU64::new(u64::MAX);

extern "C" fn fast_call(cpu: &mut Cpu, number: u64) -> HelperExit {
    // SAFETY: set to the guest's static before this function is named anywhere.
    let regs = unsafe { &*REGS.load(Ordering::Relaxed) };
    if number == CLOCK_NUMBER.load(Ordering::Relaxed) {
        let [clock, addr] = [0, 1].map(|i| cpu.gpr[regs.args[i].0 as usize & 63]);
        let Some(result) = time::local_clock(clock, addr) else { return HelperExit::Syscall };
        cpu.gpr[regs.result.0 as usize & 63] = to_raw(result);
        return HelperExit::Continue;
    }
    let abi = program::get().abi;
    let (_, args) = abi.syscall_args(cpu);
    match abi.syscall(number).and_then(|sys| time::local(sys, args)) {
        Some(result) => {
            abi.set_result(cpu, to_raw(result));
            HelperExit::Continue
        }
        None => HelperExit::Syscall,
    }
}

fn run(task: &mut Task, sys: Sys, row: &Row, mut args: [u64; 6]) -> SysResult {
    let named = match row.kind {
        Kind::Like(other) => other,
        _ => sys,
    };
    if hidden::is_named(task, named, row, &args) {
        return Err(Errno::ENOENT);
    }
    // Keeps substituted paths alive during the call.
    let mut substitutes = Vec::new();
    if row.converts {
        convert(task, row, &mut args, &mut substitutes)?;
    }
    let model = task.abi.model();
    if row.differs_for(model) && !matches!(row.kind, Kind::Agreed(_) | Kind::Converting(_)) {
        return converted(row, model, &args, |args| perform(task, sys, row, *args));
    }
    perform(task, sys, row, args)
}

/// Carries out a call whose arguments are the host's, but for those that a handler converts.
fn perform(task: &mut Task, sys: Sys, row: &Row, args: [u64; 6]) -> SysResult {
    if own::is_given(task, sys, row, &args) {
        return Err(Errno::EBADF);
    }
    match row.kind {
        Kind::Agreed(handler) if row.differs_for(task.abi.model()) => handler(task, args),
        Kind::Passthrough | Kind::Agreed(_) => {
            let result = host(task, sys, row, &args)?;
            own::after(task, sys, &args);
            procmem::after(sys, &args, result);
            Ok(result)
        }
        Kind::Translated(handler) | Kind::Converting(handler) | Kind::Emulated(handler) => {
            handler(task, args)
        }
        Kind::Like(other) => {
            let mut args = args;
            args[row.args.len()..].fill(0);
            perform(task, other, other.row(), args)
        }
        Kind::Arch => task.abi.arch_syscall(task, sys, args),
        Kind::Refused(errno, _) => Err(errno),
    }
}

/// Carries out another call for the one that a handler is for, with arguments of the guest's.
pub fn instead(task: &mut Task, sys: Sys, args: &[u64]) -> SysResult {
    run(task, sys, sys.row(), args6(args))
}

/// Converts arguments by their types.
fn convert(
    task: &mut Task,
    row: &Row,
    args: &mut [u64; 6],
    substitutes: &mut Vec<Vec<u8>>,
) -> Result<(), Errno> {
    for (i, arg) in row.args.iter().enumerate() {
        match arg {
            Arg::OFlags => args[i] = task.abi.open_flags_to_host(args[i] as u32) as u64,
            Arg::LookupPath => {
                let dir =
                    if i > 0 && row.args[i - 1] == Arg::DirFd { args[i - 1] as i32 } else { path::AT_FDCWD };
                // A link of /proc itself is the kernel's to tell about.
                let nofollow =
                    row.args.iter().position(|a| *a == Arg::AtFlags).is_some_and(|f| args[f] & 0x100 != 0);
                if let Some(path) = path::substitute(dir, args[i], nofollow) {
                    args[i] = path.as_ptr() as u64;
                    substitutes.push(path);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Asks the host's kernel for the row's call, or for the one that has replaced it.
fn host(task: &Task, sys: Sys, row: &Row, args: &[u64; 6]) -> SysResult {
    match row.host() {
        Some(number) => host_call(task, number as u32, args),
        None => replaced::host(task, sys, args),
    }
}

/// Makes a host call on the guest's behalf, interruptible by the guest's signals.
///
/// Guest pointers in `args` are checked by the kernel; pointers of the emulator must be valid for
/// the call.
pub(crate) fn host_call(task: &Task, number: u32, args: &[u64; 6]) -> SysResult {
    // SAFETY: the calls that reach this touch guest memory, descriptors and process state that are
    // the guest's own; calls that could hurt the emulator have handlers.
    check(unsafe { safe_syscall(&task.signal_pending, number, args) })
}

//! seccomp: the guest's filters are run here, on the guest's own numbers, before a call is
//! dispatched.
//!
//! A filter tells calls apart by its architecture's numbers, so the host's kernel cannot run it:
//! the calls that it sees are the host's, and the emulator's own among them. Interpreting the
//! filter gives the guest exactly what it asked for. What it is not: a wall against a guest that
//! breaks out of the emulator, whose memory it shares.
//!
//! Threads and forked children inherit filters with the task. Across execve, where the next program
//! runs in a new emulator, the host's kernel keeps them, and refuses by itself what it can tell
//! apart: see [`crate::seccomp::host`].
//!
//! SECCOMP_RET_TRACE and SECCOMP_RET_USER_NOTIF find no tracer and no listener and fail the call
//! with ENOSYS, as the kernel does in that case; a listener cannot be created.

mod host;

use crate::calls::dispatch::KEEP_REGISTERS;
use crate::signal;
use crate::structure::{ByteOrder, Model, call::read_by, rows};
use crate::task::Task;
use crate::task::thread;
use alloc::sync::Arc;
use alloc::vec::Vec;
use anyarch_sys::calls;
use anyarch_sys::{Errno, SysResult, read, read_bytes, write};
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

/// One instruction of a classic BPF program (`struct sock_filter`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Insn {
    pub(crate) code: u16,
    pub(crate) jt: u8,
    pub(crate) jf: u8,
    pub(crate) k: u32,
}

impl Insn {
    /// The instruction as it lies in memory.
    pub(crate) fn word(&self) -> u64 {
        self.code as u64 | (self.jt as u64) << 16 | (self.jf as u64) << 24 | (self.k as u64) << 32
    }
}

/// A filter and those installed before it.
struct Filter {
    program: Vec<Insn>,
    previous: Option<Arc<Filter>>,
}

/// A task's seccomp state; threads and children start with a copy of it.
#[derive(Clone, Default)]
pub(crate) struct Seccomp {
    strict: bool,
    filters: Option<Arc<Filter>>,
    /// The value of [`SYNC_COUNT`] that `filters` takes into account.
    synced: u32,
}

/// SECCOMP_FILTER_FLAG_TSYNC: the filters that all threads are to have (from `Arc::into_raw`, never
/// freed: no lock that a fork could inherit held). The counter tells a thread that there is
/// something newer than what it has.
static SYNC: AtomicPtr<Filter> = AtomicPtr::new(core::ptr::null_mut());
static SYNC_COUNT: AtomicU32 = AtomicU32::new(0);

const RET_KILL_PROCESS: u32 = 0x8000_0000;
const RET_KILL_THREAD: u32 = 0;
const RET_TRAP: u32 = 0x0003_0000;
pub(crate) const RET_ERRNO: u32 = 0x0005_0000;
pub(crate) const RET_USER_NOTIF: u32 = 0x7fc0_0000;
pub(crate) const RET_TRACE: u32 = 0x7ff0_0000;
pub(crate) const RET_LOG: u32 = 0x7ffc_0000;
pub(crate) const RET_ALLOW: u32 = 0x7fff_0000;
pub(crate) const RET_ACTION_FULL: u32 = 0xffff_0000;
const RET_DATA: u32 = 0x0000_ffff;
/// Largest errno of RET_ERRNO.
const MAX_ERRNO: u32 = 4095;

/// Gives the first task the filters that the host's kernel has kept.
pub fn inherit(task: &mut Task) {
    while let Some(program) = host::kept(task.seccomp.count()).filter(|program| verify(program)) {
        let previous = task.seccomp.filters.take();
        task.seccomp.filters = Some(Arc::new(Filter { program, previous }));
    }
    if !task.seccomp.idle() {
        anyarch_engine::run::fast_calls::clear();
    }
}

/// What a call may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Go on.
    Allow,
    /// Fail with this errno; 0 is success with result 0.
    Errno(u32),
    /// Send SIGSYS with this si_errno instead of making the call.
    Trap(u32),
    /// End the thread with SIGSYS.
    KillThread,
    /// End the process with SIGSYS.
    KillProcess,
    /// End the thread with SIGKILL (strict mode).
    KillStrict,
}

impl Seccomp {
    /// Whether no filter needs to be asked: the common case, tested on each call.
    #[inline]
    pub(crate) fn idle(&self) -> bool {
        self.filters.is_none() && !self.strict && self.synced == SYNC_COUNT.load(Ordering::Relaxed)
    }

    /// The filters' verdict on call `number`, named `name`, made at `pc`.
    pub(crate) fn check(
        &mut self,
        (arch, order): (u32, ByteOrder),
        number: u64,
        name: Option<&str>,
        pc: u64,
        args: &[u64; 6],
    ) -> Verdict {
        self.synchronise();
        if self.strict {
            return match name {
                Some("read" | "write" | "exit" | "rt_sigreturn" | "sigreturn") => Verdict::Allow,
                _ => Verdict::KillStrict,
            };
        }
        let mut data = seccomp_data(arch, number as u32, pc, args);
        if order == ByteOrder::Big {
            // Of a number of 64 bits the upper half comes first.
            data[2..].chunks_exact_mut(2).for_each(|halves| halves.swap(0, 1));
        }
        let mut result = RET_ALLOW;
        let mut next = &self.filters;
        while let Some(filter) = next {
            let this = interpret(&filter.program, &data);
            // The lowest action wins, of equal ones the newest filter's; the kill of the process is
            // negative.
            if ((this & RET_ACTION_FULL) as i32) < (result & RET_ACTION_FULL) as i32 {
                result = this;
            }
            next = &filter.previous;
        }
        let data = result & RET_DATA;
        match result & RET_ACTION_FULL {
            RET_ALLOW | RET_LOG => Verdict::Allow,
            RET_ERRNO => Verdict::Errno(data.min(MAX_ERRNO)),
            RET_TRAP => Verdict::Trap(data),
            RET_TRACE | RET_USER_NOTIF => Verdict::Errno(Errno::ENOSYS.0 as u32),
            RET_KILL_THREAD => Verdict::KillThread,
            // RET_KILL_PROCESS, and what the kernel does with actions that it does not know.
            _ => Verdict::KillProcess,
        }
    }

    /// Takes over what another thread installed for all.
    fn synchronise(&mut self) {
        let count = SYNC_COUNT.load(Ordering::Acquire);
        if self.synced != count {
            self.synced = count;
            let filter = SYNC.load(Ordering::Acquire).cast_const();
            // SAFETY: a pointer from Arc::into_raw whose reference is never given up; the count is
            // raised for the new owner.
            self.filters = Some(unsafe {
                Arc::increment_strong_count(filter);
                Arc::from_raw(filter)
            });
        }
    }

    /// Number of filters.
    fn count(&self) -> u32 {
        core::iter::successors(self.filters.as_ref(), |filter| filter.previous.as_ref()).count() as u32
    }

    /// Mode and number of filters, as /proc/PID/status shows them.
    pub(crate) fn summary(&self) -> (u64, u64) {
        let filters = core::iter::successors(self.filters.as_ref(), |filter| filter.previous.as_ref());
        (self.mode(), filters.count() as u64)
    }

    fn mode(&self) -> u64 {
        match (self.strict, &self.filters) {
            (true, _) => 1,
            (_, Some(_)) => 2,
            _ => 0,
        }
    }
}

/// AUDIT_ARCH_* of an architecture.
const fn audit_arch(elf_machine: u16, model: &Model) -> u32 {
    const AUDIT_ARCH_64BIT: u32 = 0x8000_0000;
    const AUDIT_ARCH_LE: u32 = 0x4000_0000;
    let width = if model.word == 8 { AUDIT_ARCH_64BIT } else { 0 };
    let order = if matches!(model.order, ByteOrder::Little) { AUDIT_ARCH_LE } else { 0 };
    width | order | elf_machine as u32
}

/// Asks the task's filters about the call that its CPU just made. `Some`: the result instead of
/// making the call.
#[cold]
pub(crate) fn enforce(
    task: &mut Task,
    number: u64,
    name: Option<&str>,
    args: &[u64; 6],
) -> Option<SysResult> {
    const SIGKILL: i32 = 9;
    const SIGSYS: i32 = 31;
    let model = task.abi.model();
    let (arch, pc) = (audit_arch(task.abi.elf_machine(), model), task.thread.cpu.address());
    // A 32-bit guest's arguments have 32 bits.
    let args = &args.map(|arg| if model.word == 4 { arg as u32 as u64 } else { arg });
    let signo = match task.seccomp.check((arch, model.order), number, name, pc, args) {
        Verdict::Allow => return None,
        Verdict::Errno(0) => return Some(Ok(0)),
        Verdict::Errno(e) => return Some(Err(Errno(e as i32))),
        Verdict::Trap(errno) => {
            signal::raise_sigsys(task, errno as i32, pc, number as i32, arch);
            return Some(Err(KEEP_REGISTERS));
        }
        Verdict::KillProcess => signal::die_by(SIGSYS),
        Verdict::KillThread => SIGSYS,
        Verdict::KillStrict => SIGKILL,
    };
    if task.is_alone() {
        signal::die_by(signo);
    }
    thread::exit(task, signo as u64)
}

/// The words of `struct seccomp_data`: nr, arch, instruction_pointer, args.
pub(crate) fn seccomp_data(arch: u32, nr: u32, pc: u64, args: &[u64; 6]) -> [u32; 16] {
    let mut data = [0; 16];
    data[0] = nr;
    data[1] = arch;
    for (i, value) in core::iter::once(&pc).chain(args).enumerate() {
        data[2 + 2 * i] = *value as u32;
        data[3 + 2 * i] = (*value >> 32) as u32;
    }
    data
}

// Classes and modes of classic BPF (linux/bpf_common.h).
const LD: u16 = 0;
const LDX: u16 = 1;
const ST: u16 = 2;
const STX: u16 = 3;
const ALU: u16 = 4;
const JMP: u16 = 5;
const RET: u16 = 6;
const MISC: u16 = 7;
const IMM: u16 = 0x00;
const ABS: u16 = 0x20;
const MEM: u16 = 0x60;
const LEN: u16 = 0x80;
/// Source is X and not k.
const X: u16 = 0x08;
const ADD: u16 = 0x00;
const SUB: u16 = 0x10;
const MUL: u16 = 0x20;
const DIV: u16 = 0x30;
const OR: u16 = 0x40;
const AND: u16 = 0x50;
const LSH: u16 = 0x60;
const RSH: u16 = 0x70;
const NEG: u16 = 0x80;
const XOR: u16 = 0xa0;
const JA: u16 = 0x00;
const JEQ: u16 = 0x10;
const JGT: u16 = 0x20;
const JGE: u16 = 0x30;
const JSET: u16 = 0x40;
const TAX: u16 = 0x00;
const TXA: u16 = 0x80;
const RET_A: u16 = 0x10;

/// Instructions of the host filters.
pub(crate) mod bpf {
    use super::*;

    fn insn(code: u16, jt: u8, jf: u8, k: u32) -> Insn {
        Insn { code, jt, jf, k }
    }
    /// A = the word of the data at this offset.
    pub(crate) fn load(offset: u32) -> Insn {
        insn(LD | ABS, 0, 0, offset)
    }
    /// Skips `jt` instructions if A is `k`, else `jf`.
    pub(crate) fn jeq(k: u32, jt: u8, jf: u8) -> Insn {
        insn(JMP | JEQ, jt, jf, k)
    }
    /// Skips `jt` instructions if A is `k` or more, else `jf`.
    pub(crate) fn jge(k: u32, jt: u8, jf: u8) -> Insn {
        insn(JMP | JGE, jt, jf, k)
    }
    /// Skips instructions.
    pub(crate) fn ja(skip: u32) -> Insn {
        insn(JMP | JA, 0, 0, skip)
    }
    /// Returns an action.
    pub(crate) fn ret(action: u32) -> Insn {
        insn(RET, 0, 0, action)
    }
    /// Whether the instruction uses `jt` and `jf`.
    pub(crate) fn jumps_on_condition(code: u16) -> bool {
        code & 7 == JMP && code & 0xf0 != JA
    }
}

/// Scratch words of a program.
const MEMWORDS: u32 = 16;
/// Longest program.
const MAX_INSNS: usize = 4096;
/// Size of `struct seccomp_data`.
const DATA_SIZE: u32 = 64;

/// Accepts what the kernel's seccomp_check_filter and bpf_check_classic accept: known instructions,
/// forward jumps inside the program, words of the data, a return at the end. [`interpret`] relies
/// on it.
pub(crate) fn verify(program: &[Insn]) -> bool {
    if program.is_empty() || program.len() > MAX_INSNS {
        return false;
    }
    let known = program.iter().enumerate().all(|(at, insn)| {
        let room = program.len() - at - 1;
        match insn.code {
            c if c == LD | ABS => insn.k < DATA_SIZE && insn.k.is_multiple_of(4),
            c if c == LD | LEN || c == LDX | LEN || c == LD | IMM || c == LDX | IMM => true,
            c if c == LD | MEM || c == LDX | MEM || c == ST || c == STX => insn.k < MEMWORDS,
            c if c == RET || c == RET | RET_A => true,
            c if c == MISC | TAX || c == MISC | TXA => true,
            c if c == ALU | NEG => true,
            c if c & 7 == ALU && c & !0xff == 0 => match (c & 0xf0, c & X != 0) {
                (DIV, false) => insn.k != 0,
                (LSH | RSH, false) => insn.k < 32,
                (ADD | SUB | MUL | DIV | OR | AND | LSH | RSH | XOR, _) => true,
                _ => false,
            },
            c if c == JMP | JA => (insn.k as usize) < room,
            c if c & 7 == JMP && c & !0xff == 0 => {
                matches!(c & 0xf0, JEQ | JGT | JGE | JSET)
                    && (insn.jt as usize) < room
                    && (insn.jf as usize) < room
            }
            _ => false,
        }
    });
    known && program.last().is_some_and(|insn| insn.code & 7 == RET)
}

/// Runs a verified program on the words of a `struct seccomp_data`.
pub(crate) fn interpret(program: &[Insn], data: &[u32; 16]) -> u32 {
    run(program, |word| Some(data[word])).unwrap_or(RET_KILL_PROCESS)
}

/// What a verified program returns for calls of this architecture and number (or for all its
/// numbers), if that does not hang on anything else.
pub(crate) fn constant(program: &[Insn], arch: u32, number: Option<u32>) -> Option<u32> {
    run(program, |word| match word {
        0 => number,
        1 => Some(arch),
        _ => None,
    })
}

/// Runs a verified program to its return, or to the first word of data that is not known.
fn run(program: &[Insn], data: impl Fn(usize) -> Option<u32>) -> Option<u32> {
    let (mut a, mut x) = (0u32, 0u32);
    let mut mem = [0u32; MEMWORDS as usize];
    let mut pc = 0;
    // Jumps only go forwards, so this ends; a verified program ends with a return.
    while let Some(insn) = program.get(pc) {
        pc += 1;
        let k = insn.k;
        let operand = if insn.code & X != 0 { x } else { k };
        match insn.code {
            c if c == LD | ABS => a = data((k / 4) as usize & 15)?,
            c if c == LD | LEN => a = DATA_SIZE,
            c if c == LDX | LEN => x = DATA_SIZE,
            c if c == LD | IMM => a = k,
            c if c == LDX | IMM => x = k,
            c if c == LD | MEM => a = mem[k as usize & 15],
            c if c == LDX | MEM => x = mem[k as usize & 15],
            c if c == ST => mem[k as usize & 15] = a,
            c if c == STX => mem[k as usize & 15] = x,
            c if c == RET => return Some(k),
            c if c == RET | RET_A => return Some(a),
            c if c == MISC | TAX => x = a,
            c if c == MISC | TXA => a = x,
            c if c & 7 == ALU => {
                a = match c & 0xf0 {
                    ADD => a.wrapping_add(operand),
                    SUB => a.wrapping_sub(operand),
                    MUL => a.wrapping_mul(operand),
                    // Division by a zero X ends the program with 0: the thread is killed.
                    DIV if operand == 0 => return Some(RET_KILL_THREAD),
                    DIV => a / operand,
                    OR => a | operand,
                    AND => a & operand,
                    XOR => a ^ operand,
                    LSH => a.wrapping_shl(operand),
                    RSH => a.wrapping_shr(operand),
                    _ => a.wrapping_neg(),
                }
            }
            c if c == JMP | JA => pc += k as usize,
            c => {
                let taken = match c & 0xf0 {
                    JEQ => a == operand,
                    JGT => a > operand,
                    JGE => a >= operand,
                    _ => a & operand != 0,
                };
                pc += if taken { insn.jt } else { insn.jf } as usize;
            }
        }
    }
    Some(RET_KILL_PROCESS)
}

const SET_MODE_STRICT: u64 = 0;
const SET_MODE_FILTER: u64 = 1;
const GET_ACTION_AVAIL: u64 = 2;
const GET_NOTIF_SIZES: u64 = 3;
const FLAG_TSYNC: u64 = 1;
const FLAG_LOG: u64 = 2;
const FLAG_SPEC_ALLOW: u64 = 4;
const FLAG_TSYNC_ESRCH: u64 = 16;

/// seccomp(2).
pub fn seccomp(task: &mut Task, args: [u64; 6]) -> SysResult {
    let (flags, addr) = (args[1] & 0xffff_ffff, args[2]);
    match args[0] & 0xffff_ffff {
        SET_MODE_STRICT if flags == 0 && addr == 0 => set_strict(task),
        SET_MODE_FILTER => set_filter(task, flags, addr),
        GET_ACTION_AVAIL if flags == 0 => match read::<u32>(addr)? {
            RET_KILL_PROCESS | RET_KILL_THREAD | RET_TRAP | RET_ERRNO | RET_LOG | RET_ALLOW => Ok(0),
            _ => Err(Errno::EOPNOTSUPP),
        },
        // Sizes of seccomp_notif, seccomp_notif_resp and seccomp_data: what a program asks before
        // it finds that there is no listener.
        GET_NOTIF_SIZES if flags == 0 => write(addr, &[80u16, 24, 64]).map(|()| 0),
        _ => Err(Errno::EINVAL),
    }
}

/// PR_GET_SECCOMP.
pub(crate) fn prctl_get(task: &mut Task, _args: [u64; 6]) -> SysResult {
    Ok(task.seccomp.mode())
}

/// PR_SET_SECCOMP.
pub(crate) fn prctl_set(task: &mut Task, args: [u64; 6]) -> SysResult {
    match args[1] {
        1 => set_strict(task),
        2 => set_filter(task, 0, args[2]),
        _ => Err(Errno::EINVAL),
    }
}

fn set_strict(task: &mut Task) -> SysResult {
    if task.seccomp.filters.is_some() {
        return Err(Errno::EINVAL);
    }
    task.seccomp.strict = true;
    anyarch_engine::run::fast_calls::clear();
    Ok(0)
}

fn set_filter(task: &mut Task, flags: u64, addr: u64) -> SysResult {
    if flags & !(FLAG_TSYNC | FLAG_LOG | FLAG_SPEC_ALLOW | FLAG_TSYNC_ESRCH) != 0 || task.seccomp.strict {
        return Err(Errno::EINVAL);
    }
    // struct sock_fprog: length, padding, address.
    let mut fprog = [0u64; 2];
    read_by(&rows::sock_fprog, task.abi.model(), addr, |host| {
        fprog = read(host)?;
        Ok(0)
    })?;
    let [len, insns] = fprog;
    let len = len as u16 as usize;
    if len == 0 || len > MAX_INSNS {
        return Err(Errno::EINVAL);
    }
    if !may_install() {
        return Err(Errno::EACCES);
    }
    let mut bytes = alloc::vec![0; len * 8];
    read_bytes(insns, &mut bytes)?;
    let program: Vec<Insn> = bytes.chunks_exact(8).map(|b| insn(b, task.abi.model().order)).collect();
    if !verify(&program) {
        return Err(Errno::EINVAL);
    }
    let (arch, index) = (audit_arch(task.abi.elf_machine(), task.abi.model()), task.seccomp.count());
    let other = host::install(index, &program, arch, task.abi, flags)?;
    if other != 0 {
        return Ok(other);
    }
    let filter = Arc::new(Filter { program, previous: task.seccomp.filters.take() });
    task.seccomp.filters = Some(filter.clone());
    anyarch_engine::run::fast_calls::clear();
    if flags & FLAG_TSYNC != 0 {
        SYNC.store(Arc::into_raw(filter).cast_mut(), Ordering::Release);
        task.seccomp.synced = SYNC_COUNT.fetch_add(1, Ordering::Release).wrapping_add(1);
    }
    Ok(0)
}

/// An instruction out of a guest's `struct sock_filter`.
fn insn(b: &[u8], order: ByteOrder) -> Insn {
    let (code, k) = ([b[0], b[1]], [b[4], b[5], b[6], b[7]]);
    let (code, k) = match order {
        ByteOrder::Little => (u16::from_le_bytes(code), u32::from_le_bytes(k)),
        ByteOrder::Big => (u16::from_be_bytes(code), u32::from_be_bytes(k)),
    };
    Insn { code, jt: b[2], jf: b[3], k }
}

/// Whether the task may install filters: no_new_privs is set, or it has CAP_SYS_ADMIN.
fn may_install() -> bool {
    const CAP_SYS_ADMIN: u32 = 21;
    calls::no_new_privs() || calls::capabilities().is_ok_and(|set| set >> CAP_SYS_ADMIN & 1 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn i(code: u16, jt: u8, jf: u8, k: u32) -> Insn {
        Insn { code, jt, jf, k }
    }

    /// The usual shape: wrong architecture is killed, call 63 gets EPERM, all else is allowed.
    fn usual() -> Vec<Insn> {
        alloc::vec![
            i(LD | ABS, 0, 0, 4),
            i(JMP | JEQ, 1, 0, 0xc000_00b7),
            i(RET, 0, 0, RET_KILL_PROCESS),
            i(LD | ABS, 0, 0, 0),
            i(JMP | JEQ, 0, 1, 63),
            i(RET, 0, 0, RET_ERRNO | 1),
            i(RET, 0, 0, RET_ALLOW),
        ]
    }

    #[test]
    fn verdicts() {
        let allow_all = Filter { program: alloc::vec![i(RET, 0, 0, RET_ALLOW)], previous: None };
        assert!(verify(&usual()));
        let filters = Filter { program: usual(), previous: Some(Arc::new(allow_all)) };
        let mut state = Seccomp { filters: Some(Arc::new(filters)), ..Default::default() };
        for (arch, number, want) in [
            (0xc000_00b7, 63, Verdict::Errno(1)),
            (0xc000_00b7, 64, Verdict::Allow),
            (0xc000_003e, 64, Verdict::KillProcess),
        ] {
            assert_eq!(state.check((arch, ByteOrder::Little), number, None, 0x1000, &[0; 6]), want);
        }
        let mut strict = Seccomp { strict: true, ..Default::default() };
        assert_eq!(strict.check((0, ByteOrder::Little), 0, Some("read"), 0, &[0; 6]), Verdict::Allow);
        assert_eq!(strict.check((0, ByteOrder::Little), 0, Some("openat"), 0, &[0; 6]), Verdict::KillStrict);
    }

    #[test]
    fn verdicts_that_hang_on_the_number_alone() {
        const ARM: u32 = 0xc000_00b7;
        for (arch, number, want) in [
            (ARM, Some(63), Some(RET_ERRNO | 1)),
            (ARM, Some(64), Some(RET_ALLOW)),
            (0xc000_003e, None, Some(RET_KILL_PROCESS)),
            (ARM, None, None),
        ] {
            assert_eq!(constant(&usual(), arch, number), want);
        }
        let mut by_argument = usual();
        by_argument[3].k = 16;
        assert_eq!(constant(&by_argument, ARM, Some(63)), None);
    }

    #[test]
    fn programs_that_are_refused() {
        let ret = i(RET, 0, 0, 0);
        for bad in [
            alloc::vec![],
            alloc::vec![i(LD | ABS, 0, 0, 0)],
            alloc::vec![i(LD | ABS, 0, 0, 64), ret],
            alloc::vec![i(LD | ABS, 0, 0, 2), ret],
            alloc::vec![i(JMP | JEQ, 1, 0, 0), ret],
            alloc::vec![i(JMP | JA, 0, 0, 1), ret],
            alloc::vec![i(ALU | DIV, 0, 0, 0), ret],
            alloc::vec![i(ST, 0, 0, 16), ret],
            alloc::vec![i(0xffff, 0, 0, 0), ret],
            alloc::vec![i(0x28, 0, 0, 0), ret],
        ] {
            assert!(!verify(&bad), "{bad:?}");
        }
    }

    #[test]
    fn arithmetic() {
        let data = seccomp_data(7, 5, 0x1_0000_0002, &[0x1122_3344_5566_7788, 0, 0, 0, 0, 0]);
        for (program, want) in [
            (alloc::vec![i(LD | ABS, 0, 0, 20), i(RET | RET_A, 0, 0, 0)], 0x1122_3344),
            (alloc::vec![i(LD | ABS, 0, 0, 12), i(ALU | ADD, 0, 0, 41), i(RET | RET_A, 0, 0, 0)], 42),
            (
                alloc::vec![
                    i(LD | LEN, 0, 0, 0),
                    i(MISC | TAX, 0, 0, 0),
                    i(ALU | MUL | X, 0, 0, 0),
                    i(RET | RET_A, 0, 0, 0)
                ],
                4096,
            ),
            (
                alloc::vec![
                    i(LDX | IMM, 0, 0, 9),
                    i(STX, 0, 0, 3),
                    i(LD | MEM, 0, 0, 3),
                    i(ALU | NEG, 0, 0, 0),
                    i(RET | RET_A, 0, 0, 0)
                ],
                -9i32 as u32,
            ),
            (alloc::vec![i(ALU | DIV | X, 0, 0, 0), i(RET, 0, 0, 1)], 0),
        ] {
            assert!(verify(&program));
            assert_eq!(interpret(&program, &data), want);
        }
    }
}

//! Every row on random operands, against `runner.c` under QEMU.
//!
//! A case is a random word of a row, perhaps after SETEND or in an IT block, a random state, and
//! windows of memory. It runs here, in the interpreter, and there; the states afterwards must be
//! equal. `ARM_ROW=NAME ARM_CASES=N` runs more cases of some rows. What QEMU 7.2 does otherwise is
//! listed in [`KNOWN`].

use anyarch_arm::decode::{self, Insn, Set, pc};
use anyarch_arm::{interpret, state, system};
use anyarch_engine::interp::{Interp, Outcome};
use anyarch_engine::state::Cpu;
use anyarch_sys::arch::Context;
use anyarch_sys::{MemFault, fixup};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;

const CODE_BASE: u64 = 0x1100_0000;
const EXIT_T: u64 = 0x10f0_0f00;
const EXIT_A: u64 = EXIT_T + 32;
const SCRATCH: u64 = 0x3000_0000;
const SCRATCH_BYTES: u64 = 0x4000;
const MID: u64 = SCRATCH + SCRATCH_BYTES / 2 - 256;
const EDGE: u64 = SCRATCH + SCRATCH_BYTES - 64;
/// Bytes of code of a case, most of them undefined for both instruction sets.
const STRIDE: u64 = 1024;
/// Undefined in A32, and in both halves undefined in T32 or a branch to what is.
const FILLER: u32 = 0xe7ff_deff;
const BATCH: usize = 2000;

/// As in runner.c.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
struct State {
    r: [u32; 15],
    pc: u32,
    cpsr: u32,
    fpscr: u32,
    tpidr: u32,
    signo: u32,
    code: u32,
    addr: u32,
    end: u32,
    pad: u32,
    d: [u64; 32],
    mid: [u8; 512],
    edge: [u8; 64],
}

#[derive(Clone)]
struct Case {
    row: String,
    /// The instruction in question, and all of the code by halves.
    insn: Insn,
    code: Vec<u16>,
    before: State,
    ours: State,
}

struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 16) % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// Random bits, at random mostly ones, mostly zeroes, or neither.
    fn word(&mut self) -> u32 {
        let [a, b] = [self.next() >> 32, self.next() >> 32];
        (match self.below(4) {
            0 => a & b,
            1 => a | b,
            _ => a,
        }) as u32
    }

    fn lane(&mut self) -> u64 {
        const SINGLES: [u32; 16] = [
            0,
            0x8000_0000,
            0x3f80_0000,
            0xbf80_0000,
            0x7f80_0000,
            0xff80_0000,
            0x7fc0_1234,
            0x7f80_0001,
            0xffa0_0000,
            1,
            0x807f_ffff,
            0x0080_0000,
            0x7f7f_ffff,
            0x4f00_0000,
            0x3f00_0000,
            0x4040_0000,
        ];
        const DOUBLES: [u64; 12] = [
            0,
            1 << 63,
            0x3ff0_0000_0000_0000,
            0x7ff0_0000_0000_0000,
            0xfff0_0000_0000_0000,
            0x7ff8_0000_0000_0001,
            0x7ff0_0000_0000_0001,
            1,
            0x800f_ffff_ffff_ffff,
            0x7fef_ffff_ffff_ffff,
            0x41e0_0000_0000_0000,
            0x3fe0_0000_0000_0000,
        ];
        match self.below(8) {
            0 => self.next(),
            1 => DOUBLES[self.below(12) as usize],
            2 => f64::to_bits((self.next() as i32 as f64) / (1u64 << self.below(40)) as f64),
            3 | 4 => {
                let mut single = || match self.below(3) {
                    0 => SINGLES[self.below(16) as usize],
                    1 => f32::to_bits(self.next() as i16 as f32 / (1u32 << self.below(20)) as f32),
                    _ => self.word(),
                };
                single() as u64 | (single() as u64) << 32
            }
            5 => 0x8000_7fff_ffff_0001,
            6 => (self.next() & 0x0101_0101_0101_0101).wrapping_mul(self.next() & 0xff),
            _ => self.word() as u64 | (self.word() as u64) << 32,
        }
    }

    /// A value for a general register.
    fn general(&mut self, at: u64) -> u32 {
        let value = self.any_general(at);
        // QEMU maps its own things there, the states among them.
        if clear_of_qemu(value) { value } else { value ^ 0x8000_0000 }
    }

    fn any_general(&mut self, at: u64) -> u32 {
        match self.below(10) {
            0..3 => (MID + self.below(512)) as u32 & !(3 * (self.below(4) != 0) as u32),
            3 => (EDGE + self.below(80)) as u32,
            4 => self.below(64) as u32,
            5 => [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x7fff_8000, 0x8000_7fff]
                [self.below(7) as usize],
            6 => (at as u32).wrapping_add(self.below(200) as u32).wrapping_sub(100),
            _ => self.word(),
        }
    }
}

fn clear_of_qemu(address: u32) -> bool {
    !(0x3f00_0000..0x4200_0000).contains(&address)
}

fn main_state(rng: &mut Rng, at: u64, thumb: bool) -> State {
    // SAFETY: integers only.
    let mut s: State = unsafe { std::mem::zeroed() };
    for r in &mut s.r {
        *r = rng.general(at);
    }
    s.pc = at as u32 | thumb as u32;
    s.cpsr = rng.next() as u32 & 0xf80f_0000;
    s.fpscr = match rng.below(4) {
        0 => 0,
        1 => rng.next() as u32 & 0xffc0_009f,
        2 => rng.next() as u32 & 0xf0c0_0000,
        _ => rng.next() as u32 & 0xf9c0_0000,
    };
    if rng.one_in(30) {
        s.fpscr |= 0x0012_0000;
    }
    s.tpidr = rng.next() as u32;
    let same = rng.lane();
    for d in &mut s.d {
        *d = if rng.one_in(4) { same } else { rng.lane() };
    }
    for chunk in s.mid.chunks_mut(4).chain(s.edge.chunks_mut(4)) {
        chunk.copy_from_slice(&rng.general(at).to_le_bytes());
    }
    s
}

/// A case of a row; `None` where it is of no use.
fn generate(rng: &mut Rng, set: Set, row: &anyarch_engine::pattern::Row, at: u64) -> Option<Case> {
    let thumb = match set {
        Set::T16 | Set::T32 => true,
        // The converted spaces, in either form.
        _ => rng.one_in(3) && from_a32(row.value).is_some(),
    };
    let mut word = rng.word() & !row.mask | row.value;
    if set == Set::Cond && (thumb || !rng.one_in(4)) {
        word = word & 0x0fff_ffff | 0xe000_0000;
    }
    if set == Set::Cond && word >> 28 == 15 {
        return None;
    }
    if rng.one_in(2) && row.mask & 0xf80 == 0 && set == Set::Cond {
        word &= !0xe00;
    }
    word = near(rng, row.should_be(word), row.name, set);
    let mut code = Vec::new();
    if thumb {
        let word = if matches!(set, Set::Cond | Set::Uncond) { from_a32(word)? } else { word };
        if rng.one_in(12) {
            code.push(0xb658);
        }
        let block = rng.one_in(3) && !matches!(row.name, "It" | "Setend");
        if block {
            code.push(0xbf08 | (rng.below(14) as u16) << 4);
        }
        if row.name.contains("ex") && set == Set::T32 && rng.one_in(2) {
            let n = word >> 16 & 15;
            let t = (n ^ 4) & 7;
            let load = match (row.name, word >> 4 & 3) {
                ("Strex", _) => 0xe850_0f00 | n << 16 | t << 12 | word & 0xff,
                (_, 2) => 0xe850_0f00 | n << 16 | t << 12,
                (_, 3) => 0xe8d0_007f | n << 16 | t << 12 | (t + 1) << 8,
                (_, size) => 0xe8d0_0f4f | n << 16 | t << 12 | size << 4,
            };
            code.extend([(load >> 16) as u16, load as u16]);
        }
        if word >> 16 != 0 {
            code.push((word >> 16) as u16);
        }
        code.push(word as u16);
    } else {
        if rng.one_in(12) {
            code.extend([0x0200, 0xf101]);
        }
        if row.name.contains("ex") && set == Set::Cond && rng.one_in(2) {
            // The load of the same size that an exclusive store needs.
            let load =
                0xe190_0f9f | word & 0x0060_0000 | word & 0xf_0000 | ((word >> 16 & 15 ^ 4) & 14) << 12;
            code.extend([load as u16, (load >> 16) as u16]);
        }
        code.extend([word as u16, (word >> 16) as u16]);
    }
    let mut insn =
        if thumb && matches!(set, Set::T16 | Set::T32) { Insn::t32(word, 1) } else { Insn::a32(word, 0) };
    insn.word = word;
    let before = main_state(rng, at, thumb);
    Some(Case { row: row.name.into(), insn, code, before, ours: before })
}

/// Keeps the targets of branches within the case's code.
fn near(rng: &mut Rng, word: u32, name: &str, set: Set) -> u32 {
    let n = rng.below(120) as u32;
    match (set, name) {
        (Set::Cond, "B" | "Bl") => word & 0xff00_0000 | n.wrapping_sub(60) & 0xff_ffff,
        (Set::Uncond, "BlxImm") => word & 0xff00_0000 | n.wrapping_sub(60) & 0xff_ffff,
        (Set::T32, "B" | "Bl" | "BlxImm") => {
            // With the sign's bit J1 and J2 are ones in any short branch.
            let offset = n.wrapping_sub(60) << 1 & if name == "BlxImm" { !3 } else { !0 };
            0xf000_2800
                | word & 0xd000
                | (offset >> 31) << 26
                | (offset >> 12 & 0x3ff) << 16
                | offset >> 1 & 0x7ff
        }
        (Set::T32, "BCond") => {
            let offset = n.wrapping_sub(60) << 1;
            let sign = offset >> 31;
            word & 0xfbc0_d000
                | sign << 26
                | sign << 13
                | sign << 11
                | (offset >> 12 & 0x3f) << 16
                | offset >> 1 & 0x7ff
        }
        (Set::T16, "B") => word & 0xf800 | n.wrapping_sub(60) & 0x7ff,
        _ => word,
    }
}

/// The T32 form of an A32 word of the floating-point and Advanced SIMD spaces.
fn from_a32(word: u32) -> Option<u32> {
    match word >> 24 {
        0xf2 | 0xf3 => Some(0xef00_0000 | (word >> 24 & 1) << 28 | word & 0xff_ffff),
        0xf4 if word & 1 << 20 == 0 || word >> 20 & 1 == 0 => Some(0xf900_0000 | word & 0xff_ffff),
        n if n & 0x0c == 0x0c && n & 0x0f != 0x0f => {
            Some(if n >> 4 == 15 { word } else { word & 0x0fff_ffff | 0xe000_0000 })
        }
        _ => None,
    }
}

fn code_bytes(case: &Case) -> Vec<u8> {
    let mut bytes: Vec<u8> = case.code.iter().flat_map(|h| h.to_le_bytes()).collect();
    let at = (case.before.pc & !1) as u64;
    let end = at + bytes.len() as u64;
    if case.before.pc & 1 != 0 {
        // B (T4).
        let offset = EXIT_T.wrapping_sub(end + 4) as u32;
        let s = offset >> 24 & 1;
        let (j1, j2) = ((offset >> 23 & 1) ^ 1 ^ s, (offset >> 22 & 1) ^ 1 ^ s);
        let first = 0xf000 | s << 10 | offset >> 12 & 0x3ff;
        let second = 0x9000 | j1 << 13 | j2 << 11 | offset >> 1 & 0x7ff;
        bytes.extend((first as u16).to_le_bytes());
        bytes.extend((second as u16).to_le_bytes());
    } else {
        let offset = (EXIT_A.wrapping_sub(end + 8) >> 2) as u32 & 0xff_ffff;
        bytes.extend((0xea00_0000 | offset).to_le_bytes());
    }
    bytes
}

// Our side.

fn zeroed() -> Box<Cpu> {
    // SAFETY: all-zero bytes are a valid Cpu.
    unsafe {
        let p = std::alloc::alloc_zeroed(std::alloc::Layout::new::<Cpu>()).cast::<Cpu>();
        Box::from_raw(p)
    }
}

fn ge_mask(ge: u32) -> u64 {
    (0..4).fold(0, |all, n| all | if ge >> n & 1 != 0 { 0xff << (8 * n) } else { 0 })
}

fn load(s: &State, cpu: &mut Cpu) {
    cpu.gpr = [0; 64];
    for (to, from) in cpu.gpr.iter_mut().zip(s.r) {
        *to = from as u64;
    }
    cpu.narrow = true;
    cpu.pc = s.pc as u64;
    cpu.set_nzcv((s.cpsr >> 28) as u8);
    cpu.gpr[state::Q.0 as usize] = (s.cpsr >> 27 & 1) as u64;
    cpu.gpr[state::GE.0 as usize] = ge_mask(s.cpsr >> 16 & 15);
    cpu.gpr[state::TPIDRURW.0 as usize] = s.tpidr as u64;
    system::set_fpscr(cpu, s.fpscr);
    cpu.excl_addr = u64::MAX;
    for (n, to) in cpu.vec.iter_mut().take(16).enumerate() {
        *to = s.d[2 * n] as u128 | (s.d[2 * n + 1] as u128) << 64;
    }
    // SAFETY: mapped by `prepare`, and only this thread uses it.
    unsafe {
        std::ptr::write_bytes(SCRATCH as *mut u8, 0, SCRATCH_BYTES as usize);
        std::ptr::copy_nonoverlapping(s.mid.as_ptr(), MID as *mut u8, s.mid.len());
        std::ptr::copy_nonoverlapping(s.edge.as_ptr(), EDGE as *mut u8, s.edge.len());
    }
}

/// Runs a case in the interpreter; false if it does not come to an end.
fn ours(case: &mut Case, cpu: &mut Cpu) -> bool {
    load(&case.before, cpu);
    let from = (case.before.pc & !1) as u64;
    let mut signo = 0;
    let mut steps = 0;
    loop {
        let at = pc::address(cpu.pc) as u64;
        if !(from.saturating_sub(200)..from + STRIDE - 300).contains(&at) {
            break;
        }
        steps += 1;
        if steps > 100 {
            return false;
        }
        let mut i = Interp::new(cpu);
        interpret(&mut i);
        let (next, outcome) = (i.next_pc, i.outcome);
        match outcome {
            Outcome::Next => cpu.pc = next,
            Outcome::Syscall => return false,
            Outcome::Fault => {
                signo = cpu.fault.signo as u32;
                break;
            }
        }
    }
    case.ours = store(case, cpu, signo);
    true
}

fn store(case: &Case, cpu: &Cpu, signo: u32) -> State {
    let mut out = case.before;
    for (to, from) in out.r.iter_mut().zip(&cpu.gpr) {
        assert_eq!(from >> 32, 0, "{}: a register of more than 32 bits", case.row);
        *to = *from as u32;
    }
    out.pc = cpu.pc as u32;
    let ge = cpu.gpr[state::GE.0 as usize];
    let ge = (0..4).fold(0, |all, n| all | (ge >> (8 * n) & 1) << n) as u32;
    out.cpsr = (cpu.nzcv() as u32) << 28 | (cpu.gpr[state::Q.0 as usize] as u32) << 27 | ge << 16;
    out.fpscr = system::fpscr(cpu);
    out.tpidr = cpu.gpr[state::TPIDRURW.0 as usize] as u32;
    (out.signo, out.code, out.addr) = (signo, 0, 0);
    if signo != 0 {
        (out.code, out.addr) = (cpu.fault.code as u32, cpu.fault.addr as u32);
    }
    out.end = match pc::address(cpu.pc) as u64 {
        EXIT_T if cpu.pc & 1 != 0 => 1,
        EXIT_A if cpu.pc & 1 == 0 => 0,
        _ => 2,
    };
    for (n, from) in cpu.vec.iter().take(16).enumerate() {
        out.d[2 * n] = *from as u64;
        out.d[2 * n + 1] = (*from >> 64) as u64;
    }
    // SAFETY: as above.
    unsafe {
        std::ptr::copy_nonoverlapping(MID as *const u8, out.mid.as_mut_ptr(), out.mid.len());
        std::ptr::copy_nonoverlapping(EDGE as *const u8, out.edge.as_mut_ptr(), out.edge.len());
    }
    out
}

fn map(addr: u64, bytes: u64, prot: i32, fd: i32, offset: i64) {
    let flags = if fd < 0 { libc::MAP_PRIVATE | libc::MAP_ANONYMOUS } else { libc::MAP_SHARED };
    // SAFETY: the low addresses used here belong to nothing else: this executable is
    // position-independent and high.
    let p = unsafe { libc::mmap(addr as *mut _, bytes as usize, prot, flags | libc::MAP_FIXED, fd, offset) };
    assert_eq!(p as u64, addr);
}

extern "C" fn on_fault(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel's arguments. Not a fault of a guest access: the default action, by
    // returning to it.
    unsafe {
        let fault = MemFault { signo: signal, code: (*info).si_code, addr: (*info).si_addr() as u64 };
        if !fixup(&mut Context::new(context.cast()), fault) {
            libc::signal(signal, libc::SIG_DFL);
        }
    }
}

fn prepare() {
    map(SCRATCH, SCRATCH_BYTES, libc::PROT_READ | libc::PROT_WRITE, -1, 0);
    for signal in [libc::SIGSEGV, libc::SIGBUS] {
        // SAFETY: the handler is async-signal-safe.
        unsafe {
            let mut act: libc::sigaction = std::mem::zeroed();
            act.sa_sigaction = on_fault as *const () as usize;
            act.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER;
            libc::sigaction(signal, &act, std::ptr::null_mut());
        }
    }
}

// The other side.

fn runner() -> PathBuf {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/runner.c");
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("arm-runner");
    let status = Command::new("arm-linux-gnueabihf-gcc")
        .args(["-O2", "-marm", "-march=armv8-a", "-mfpu=neon-fp-armv8", "-mfloat-abi=hard", "-ffreestanding"])
        .args(["-static", "-nostdlib", "-fno-stack-protector", "-fno-pic", "-fno-builtin", "-w", "-Wa,-W"])
        .args(["-Wl,--no-warnings", &format!("-Wl,--section-start=.exit={EXIT_T:#x}")])
        .arg("-o")
        .arg(&out)
        .arg(&source)
        .status()
        .expect("needs gcc-arm-linux-gnueabihf");
    assert!(status.success(), "runner.c does not compile");
    out
}

const HEADER: u64 = 4096;

fn image(cases: &[Case]) -> (File, u64) {
    // SAFETY: plain call; the descriptor is new and ours.
    let file = unsafe { File::from_raw_fd(libc::memfd_create(c"arm-cases".as_ptr(), libc::MFD_CLOEXEC)) };
    let last = cases.iter().map(|c| c.before.pc as u64).max().unwrap_or(CODE_BASE);
    let code = (last + 2 * STRIDE - CODE_BASE).next_multiple_of(4096);
    let mut bytes: Vec<u8> = FILLER.to_le_bytes().repeat(code as usize / 4);
    for case in cases {
        let at = ((case.before.pc & !1) as u64 - CODE_BASE) as usize;
        let insns = code_bytes(case);
        bytes[at..at + insns.len()].copy_from_slice(&insns);
    }
    let total = HEADER + code + std::mem::size_of_val(cases) as u64;
    let header: Vec<u8> =
        [cases.len() as u32, 0, code as u32, total as u32].iter().flat_map(|w| w.to_le_bytes()).collect();
    file.set_len(total).unwrap();
    file.write_all_at(&header, 0).unwrap();
    file.write_all_at(&bytes, HEADER).unwrap();
    (file, code)
}

fn write_states(file: &File, code: u64, cases: &[Case]) {
    let states: Vec<State> = cases.iter().map(|c| c.before).collect();
    let total = HEADER + code + std::mem::size_of_val(&states[..]) as u64;
    let header: Vec<u8> =
        [cases.len() as u32, 0, code as u32, total as u32].iter().flat_map(|w| w.to_le_bytes()).collect();
    file.set_len(total).unwrap();
    file.write_all_at(&header, 0).unwrap();
    // SAFETY: State is plain data.
    let bytes = unsafe {
        std::slice::from_raw_parts(states.as_ptr().cast::<u8>(), std::mem::size_of_val(&states[..]))
    };
    file.write_all_at(bytes, HEADER + code).unwrap();
}

/// The states after the other side ran them; `None` for one that ended QEMU.
fn theirs(runner: &PathBuf, file: &File, code: u64, count: usize) -> Vec<Option<State>> {
    let (mut crashed, mut from) = (Vec::new(), 0);
    loop {
        // A case may go round for ever where its code leads into another's.
        let output = Command::new("timeout")
            .args(["60", "qemu-arm-static", "-cpu", "max"])
            .arg(runner)
            .arg(format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()))
            .arg(from.to_string())
            .output()
            .expect("needs qemu-user-static");
        let mut done = [0; 4];
        file.read_exact_at(&mut done, 4).unwrap();
        let done = u32::from_le_bytes(done) as usize;
        if done == count && output.status.success() {
            break;
        }
        assert!(crashed.len() < 20 && done < count, "the runner fails: {output:?}");
        crashed.push(done);
        from = done + 1;
    }
    let mut bytes = vec![0u8; count * size_of::<State>()];
    file.read_exact_at(&mut bytes, HEADER + code).unwrap();
    (0..count)
        .map(|n| {
            // SAFETY: the bytes are there, and any are a State.
            let s = unsafe { bytes.as_ptr().cast::<State>().add(n).read_unaligned() };
            (!crashed.contains(&n)).then_some(s)
        })
        .collect()
}

/// Whether control went into another case's code, or to where QEMU maps its own things.
fn lost(case: &Case) -> bool {
    let code = CODE_BASE..CODE_BASE + (BATCH as u64 + 2) * STRIDE;
    let left = case.ours.signo == 0 && case.ours.end == 2;
    // The runner itself lies from 0x10000 on.
    left && (code.contains(&(case.ours.pc as u64)) || !clear_of_qemu(case.ours.pc) || case.ours.pc >> 18 == 0)
}

fn differences(case: &Case, theirs: &State) -> Vec<String> {
    let (ours, mut out) = (&case.ours, Vec::new());
    let mut field = |name: &str, a: u64, b: u64| {
        if a != b {
            out.push(format!("{name}: ours {a:#x}, theirs {b:#x}"));
        }
    };
    let from = case.before.pc & !1;
    let inside = |pc: u32| (from.saturating_sub(200)..from + STRIDE as u32 - 300).contains(&(pc & !1));
    // Where control leaves the case's code, the other side faults there, or anywhere.
    let left = ours.signo == 0 && ours.end == 2;
    if left {
        field("left", 1, (theirs.end == 2 && !inside(theirs.pc)) as u64);
        field("pc", ours.pc as u64, theirs.pc as u64);
    } else {
        field("end", ours.end as u64, theirs.end as u64);
        field("signal", ours.signo as u64, theirs.signo as u64);
        if ours.signo != 0 {
            field("pc", ours.pc as u64, theirs.pc as u64);
        }
        if ours.signo == 7 {
            field("si_code", ours.code as u64, theirs.code as u64);
            field("si_addr", ours.addr as u64, theirs.addr as u64);
        }
    }
    let partial = ours.signo == 11 || ours.signo == 7;
    // What a faulting load of several registers has already loaded is unknown, except its base.
    let base = if matches!(case.insn.set(), Set::T16) { case.insn.bits(8, 3) } else { case.insn.bits(16, 4) };
    for (n, (a, b)) in ours.r.iter().zip(theirs.r).enumerate() {
        if !partial || n as u32 == base {
            field(&format!("r{n}"), *a as u64, b as u64);
        }
    }
    field("flags", (ours.cpsr & 0xf80f_0000) as u64, (theirs.cpsr & 0xf80f_0000) as u64);
    field("fpscr", ours.fpscr as u64, (theirs.fpscr & !(1 << 19)) as u64);
    field("tpidrurw", ours.tpidr as u64, theirs.tpidr as u64);
    if !partial {
        for (n, (a, b)) in ours.d.iter().zip(theirs.d).enumerate() {
            field(&format!("d{n}"), *a, b);
        }
        for (at, a, b) in [(MID, &ours.mid[..], &theirs.mid[..]), (EDGE, &ours.edge[..], &theirs.edge[..])] {
            for (n, (a, b)) in a.chunks(4).zip(b.chunks(4)).enumerate() {
                let of = |c: &[u8]| u32::from_le_bytes(c.try_into().unwrap()) as u64;
                field(&format!("[{:#x}]", at + 4 * n as u64), of(a), of(b));
            }
        }
    }
    out
}

/// What QEMU 7.2 does otherwise, or what is unpredictable: rows (all that begin so), when, and why.
type Known = (&'static str, fn(&Case, &State) -> bool, &'static str);

const KNOWN: &[Known] = &[
    (
        "",
        |c, t| short_vectors(c) && refused(c, t),
        "FPSCR.Len and Stride (G8, FPSCR): QEMU has short vectors, which are optional and undefined here",
    ),
    ("", mapped_there, "an address that is mapped there only"),
    (
        "",
        |c, t| c.row.contains("ex") && c.ours.signo == 7 && t.signo == 0,
        "AArch32.ExclusiveMonitorsPass(): the address is checked first; QEMU compares it first",
    ),
    (
        "",
        |c, t| refused(c, t) && same(c),
        "UNPREDICTABLE: both results in one register, or a status in an operand",
    ),
    (
        "Ldm",
        |c, t| t.signo == 4 && c.insn.bit(21) && c.insn.word >> c.insn.bits(16, 4) & 1 != 0,
        "UNPREDICTABLE: write-back to a loaded base",
    ),
    ("", behind, "what lies behind the code, reached by a branch"),
    (
        "Mrc",
        |c, t| c.insn.word & 0xf_00ef == 0xe_0000 && t.signo == 4,
        "CNTFRQ, which Linux lets programs read",
    ),
    ("Mrrc", |_, t| t.signo == 4, "CNTVCT, which Linux lets programs read"),
    ("Strd", refused, "UNPREDICTABLE: the program counter stored"),
    (
        "Ldrd",
        |c, t| refused(c, t) || writes_back_to_loaded(c),
        "UNPREDICTABLE: write-back to a loaded base, the program counter loaded",
    ),
    (
        "Stm",
        |c, t| refused(c, t) && c.insn.set() == Set::T32,
        "UNPREDICTABLE: the program counter in the list",
    ),
    ("Cps", refused, "UNPREDICTABLE: a mode, but no change of it"),
    (
        "V",
        |c, t| c.ours.signo == 7 && c.insn.bits(4, 2) == 3 && (t.signo == 0 || t.signo == 11),
        "VLDn and VSTn with an alignment of 256 bits (F6, F2.8.2): QEMU checks 16 of the 32 bytes",
    ),
    ("It", refused, "UNPREDICTABLE: a branch within an IT block"),
    (
        "B",
        |c, t| refused(c, t) && c.code.iter().any(|h| h >> 8 == 0xbf),
        "UNPREDICTABLE: a conditional branch within an IT block",
    ),
    (
        "C",
        |c, t| refused(c, t) && c.code.iter().any(|h| h >> 8 == 0xbf),
        "UNPREDICTABLE: CBZ, CPS within an IT block",
    ),
    ("VmiscReserved", refused, "half-precision arithmetic (FEAT_FP16), which is not here"),
    ("VcvtFromFixed", refused, "UNPREDICTABLE: more bits in the fraction than in the number"),
    ("VcvtToFixed", refused, "UNPREDICTABLE: more bits in the fraction than in the number"),
    ("Vld", refused, "UNPREDICTABLE: registers beyond D31"),
    ("Vst", refused, "UNPREDICTABLE: registers beyond D31"),
    (
        "V",
        |c, _| {
            c.insn.bits(12, 4) == c.insn.bits(0, 4)
                && c.insn.bits(22, 1) == c.insn.bits(5, 1)
                && ["Vtrn", "Vzip", "Vuzp"].contains(&&c.row[..])
        },
        "UNKNOWN: a register with itself",
    ),
    (
        "",
        unpredictable_high,
        "UNPREDICTABLE high bits of an extra load or store with a register: ignored here",
    ),
];

fn unpredictable_high(case: &Case, theirs: &State) -> bool {
    theirs.signo == 4
        && case.insn.set() == Set::Cond
        && case.insn.word & 0x0e40_0090 == 0x90
        && case.insn.bits(5, 2) != 0
        && case.insn.bits(8, 4) != 0
}

fn refused(case: &Case, theirs: &State) -> bool {
    case.ours.signo == 4 && (theirs.signo != 4 || case.ours.pc != theirs.pc)
}

fn short_vectors(case: &Case) -> bool {
    case.before.fpscr & 0x0037_0000 != 0
}

fn mapped_there(case: &Case, _: &State) -> bool {
    let near = |a: u32| a.wrapping_sub(SCRATCH as u32 - 0x10000) < 0x20000;
    case.ours.signo == 11 && !near(case.ours.addr)
}

/// The words after the case's own are executed from their middle.
fn behind(case: &Case, theirs: &State) -> bool {
    let end = (case.before.pc & !1) + 2 * case.code.len() as u32;
    refused(case, theirs) && case.ours.pc & !1 >= end
}

/// LDRD with write-back to one of its registers.
fn writes_back_to_loaded(case: &Case) -> bool {
    let i = case.insn;
    let (n, t) = (i.bits(16, 4), i.bits(12, 4));
    let t2 = if i.set() == Set::T32 { i.bits(8, 4) } else { t | 1 };
    (i.bit(21) || !i.bit(24)) && (n == t || n == t2)
}

/// Two register fields are the same.
fn same(case: &Case) -> bool {
    let f = [0, 8, 12, 16].map(|lsb| case.insn.bits(lsb, 4));
    (0..4).any(|a| (0..a).any(|b| f[a] == f[b]))
}

/// UNPREDICTABLE, since some register field is 15: undefined here. Elsewhere it may go anywhere.
fn unpredictable_pc(case: &Case) -> bool {
    let i = case.insn;
    let high = i.set() == Set::T16 && i.bit(7) && i.bits(0, 3) == 7;
    case.ours.signo == 4 && (high || [0, 3, 8, 12, 16].iter().any(|&lsb| i.bits(lsb, 4) == 15))
}

fn known(case: &Case, theirs: &State) -> Option<usize> {
    KNOWN.iter().position(|(row, when, _)| case.row.starts_with(row) && when(case, theirs))
}

fn disassemble(case: &Case) -> String {
    let file = std::env::temp_dir().join(format!("arm-case-{}.bin", std::process::id()));
    let bytes = code_bytes(case);
    std::fs::write(&file, &bytes[..bytes.len() - 4]).unwrap();
    let mut command = Command::new("arm-linux-gnueabihf-objdump");
    command.args(["-D", "-b", "binary", "-m", "arm", &format!("--adjust-vma={:#x}", case.before.pc & !1)]);
    if case.before.pc & 1 != 0 {
        command.arg("-Mforce-thumb");
    }
    let text = command
        .arg(&file)
        .output()
        .map(|o| String::from_utf8_lossy(&o.stdout).into_owned())
        .unwrap_or_default();
    let _ = std::fs::remove_file(&file);
    text.lines().filter(|l| l.contains(":\t")).collect::<Vec<_>>().join("\n")
}

fn describe(case: &Case, theirs: &State) -> String {
    let s = &case.before;
    let registers: Vec<String> = s.r.iter().enumerate().map(|(n, r)| format!("r{n}={r:#x}")).collect();
    format!(
        "{}:\n{}\n  {} cpsr={:#x} fpscr={:#x}\n  {}",
        case.row,
        disassemble(case),
        registers.join(" "),
        s.cpsr,
        s.fpscr,
        differences(case, theirs).join("\n  ")
    )
}

#[test]
fn rows() {
    let name = std::env::var("ARM_ROW").unwrap_or_default();
    let cases: usize = std::env::var("ARM_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(40);
    let seed: u64 = std::env::var("ARM_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    prepare();
    let runner = runner();
    let mut cpu = zeroed();
    let mut batch: Vec<Case> = Vec::new();
    let (mut total, mut bad, mut seen) = (0, BTreeMap::<String, usize>::new(), vec![0; KNOWN.len()]);
    let mut covered = BTreeMap::<String, (usize, usize)>::new();
    let mut finish = |batch: &mut Vec<Case>| {
        let (file, code) = image(batch);
        map(CODE_BASE, code, libc::PROT_READ, file.as_raw_fd(), HEADER as i64);
        batch.retain_mut(|case| ours(case, &mut cpu) && !lost(case) && !unpredictable_pc(case));
        write_states(&file, code, batch);
        for (case, theirs) in batch.iter().zip(theirs(&runner, &file, code, batch.len())) {
            let key = format!("{:?}/{}", case.insn.set(), case.row);
            let Some(theirs) = theirs else {
                println!("no end under QEMU: {}: {}", case.row, disassemble(case));
                continue;
            };
            total += 1;
            let tally = covered.entry(key.clone()).or_default();
            tally.0 += 1;
            tally.1 += (case.ours.signo == 0) as usize;
            if differences(case, &theirs).is_empty() {
                continue;
            }
            if let Some(n) = known(case, &theirs) {
                seen[n] += 1;
                continue;
            }
            // Alone as well: a store of another case may have gone astray, into QEMU's own memory.
            let alone = std::slice::from_ref(case);
            let (file, code) = image(alone);
            write_states(&file, code, alone);
            if self::theirs(&runner, &file, code, 1)[0]
                .is_none_or(|theirs| differences(case, &theirs).is_empty())
            {
                continue;
            }
            let count = bad.entry(key).or_default();
            *count += 1;
            if *count <= 2 {
                println!("{}", describe(case, &theirs));
            }
        }
        batch.clear();
    };
    for set in [Set::Cond, Set::Uncond, Set::T16, Set::T32] {
        for row in decode::rows(set).iter().filter(|r| r.name.contains(&name)) {
            let hash = row.name.bytes().fold(seed, |h, b| h.wrapping_mul(0x100_0000_01b3) ^ b as u64);
            let mut rng = Rng(hash ^ 0x1234_5678_9abc_def1);
            (0..4).for_each(|_| {
                rng.next();
            });
            for _ in 0..cases {
                let at = CODE_BASE + (batch.len() as u64 + 1) * STRIDE;
                let Some(case) = generate(&mut rng, set, row, at) else { continue };
                if decode::decode(case.insn).row().map(|r| r.name) != Some(row.name) {
                    continue; // a row before it wins
                }
                batch.push(case);
                if batch.len() == BATCH {
                    finish(&mut batch);
                }
            }
        }
    }
    if !batch.is_empty() {
        finish(&mut batch);
    }
    for (key, (n, ended)) in &covered {
        if *ended == 0 {
            println!("{key}: none of {n} cases came to its end");
        }
    }
    for ((row, _, why), n) in KNOWN.iter().zip(&seen) {
        println!("{n} times: {row}: {why}");
    }
    println!("{} rows, {total} cases, {} rows differ: {bad:?}", covered.len(), bad.len());
    assert!(bad.is_empty());
}

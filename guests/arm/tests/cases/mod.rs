//! Cases of every row, and how the interpreter runs them: a random word of a row, perhaps after
//! SETEND or in an IT block, a random state, and windows of memory.

#![allow(dead_code, reason = "each test uses its part")]

use anyarch_arm::decode::{Insn, Set, pc};
use anyarch_arm::{interpret, state, system};
use anyarch_engine::interp::{Interp, Outcome};
use anyarch_engine::state::Cpu;
use std::fs::File;
use std::os::fd::FromRawFd;
use std::os::unix::fs::FileExt;
use std::process::Command;

pub(crate) const CODE_BASE: u64 = 0x1100_0000;
pub(crate) const EXIT_T: u64 = 0x10f0_0f00;
pub(crate) const EXIT_A: u64 = EXIT_T + 32;
pub(crate) const SCRATCH: u64 = 0x3000_0000;
pub(crate) const SCRATCH_BYTES: u64 = 0x4000;
pub(crate) const MID: u64 = SCRATCH + SCRATCH_BYTES / 2 - 256;
pub(crate) const EDGE: u64 = SCRATCH + SCRATCH_BYTES - 64;
/// Bytes of code of a case, most of them undefined for both instruction sets.
pub(crate) const STRIDE: u64 = 1024;
/// Undefined in A32, and in both halves undefined in T32 or a branch to what is.
pub(crate) const FILLER: u32 = 0xe7ff_deff;
pub(crate) const BATCH: usize = 2000;

/// As in runner.c.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) r: [u32; 15],
    pub(crate) pc: u32,
    pub(crate) cpsr: u32,
    pub(crate) fpscr: u32,
    pub(crate) tpidr: u32,
    pub(crate) signo: u32,
    pub(crate) code: u32,
    pub(crate) addr: u32,
    pub(crate) end: u32,
    pub(crate) pad: u32,
    pub(crate) d: [u64; 32],
    pub(crate) mid: [u8; 512],
    pub(crate) edge: [u8; 64],
}

#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) row: String,
    /// The instruction in question, and all of the code by halves.
    pub(crate) insn: Insn,
    pub(crate) code: Vec<u16>,
    pub(crate) before: State,
    pub(crate) ours: State,
}

pub(crate) struct Rng(pub u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 16) % n
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// Random bits, at random mostly ones, mostly zeroes, or neither.
    pub(crate) fn word(&mut self) -> u32 {
        let [a, b] = [self.next() >> 32, self.next() >> 32];
        (match self.below(4) {
            0 => a & b,
            1 => a | b,
            _ => a,
        }) as u32
    }

    pub(crate) fn lane(&mut self) -> u64 {
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
    pub(crate) fn general(&mut self, at: u64) -> u32 {
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

pub(crate) fn clear_of_qemu(address: u32) -> bool {
    !(0x3f00_0000..0x4200_0000).contains(&address)
}

pub(crate) fn main_state(rng: &mut Rng, at: u64, thumb: bool) -> State {
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
pub(crate) fn generate(rng: &mut Rng, set: Set, row: &anyarch_engine::pattern::Row, at: u64) -> Option<Case> {
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
pub(crate) fn near(rng: &mut Rng, word: u32, name: &str, set: Set) -> u32 {
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
pub(crate) fn from_a32(word: u32) -> Option<u32> {
    match word >> 24 {
        0xf2 | 0xf3 => Some(0xef00_0000 | (word >> 24 & 1) << 28 | word & 0xff_ffff),
        0xf4 if word & 1 << 20 == 0 || word >> 20 & 1 == 0 => Some(0xf900_0000 | word & 0xff_ffff),
        n if n & 0x0c == 0x0c && n & 0x0f != 0x0f => {
            Some(if n >> 4 == 15 { word } else { word & 0x0fff_ffff | 0xe000_0000 })
        }
        _ => None,
    }
}

pub(crate) fn code_bytes(case: &Case) -> Vec<u8> {
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

pub(crate) fn zeroed() -> Box<Cpu> {
    // SAFETY: all-zero bytes are a valid Cpu.
    unsafe {
        let p = std::alloc::alloc_zeroed(std::alloc::Layout::new::<Cpu>()).cast::<Cpu>();
        Box::from_raw(p)
    }
}

pub(crate) fn ge_mask(ge: u32) -> u64 {
    (0..4).fold(0, |all, n| all | if ge >> n & 1 != 0 { 0xff << (8 * n) } else { 0 })
}

pub(crate) fn load(s: &State, cpu: &mut Cpu) {
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

/// The addresses of a case's code.
pub(crate) fn inside(case: &Case) -> std::ops::Range<u64> {
    let from = (case.before.pc & !1) as u64;
    from.saturating_sub(200)..from + STRIDE - 300
}

/// Runs a case in the interpreter; false if it does not come to an end.
pub(crate) fn ours(case: &mut Case, cpu: &mut Cpu) -> bool {
    load(&case.before, cpu);
    let inside = inside(case);
    let mut signo = 0;
    let mut steps = 0;
    loop {
        let at = pc::address(cpu.pc) as u64;
        if !inside.contains(&at) {
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

pub(crate) fn store(case: &Case, cpu: &Cpu, signo: u32) -> State {
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

pub(crate) fn map(addr: u64, bytes: u64, prot: i32, fd: i32, offset: i64) {
    let flags = if fd < 0 { libc::MAP_PRIVATE | libc::MAP_ANONYMOUS } else { libc::MAP_SHARED };
    // SAFETY: the low addresses used here belong to nothing else: this executable is
    // position-independent and high.
    let p = unsafe { libc::mmap(addr as *mut _, bytes as usize, prot, flags | libc::MAP_FIXED, fd, offset) };
    assert_eq!(p as u64, addr);
}

pub(crate) fn prepare() {
    map(SCRATCH, SCRATCH_BYTES, libc::PROT_READ | libc::PROT_WRITE, -1, 0);
    anyarch_oracle::faults::catch();
}

pub(crate) const HEADER: u64 = 4096;

pub(crate) fn image(cases: &[Case]) -> (File, u64) {
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

pub(crate) fn disassemble(case: &Case) -> String {
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

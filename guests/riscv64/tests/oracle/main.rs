//! riscv64 in the instruction oracle: see `anyarch_oracle`.

mod generate;
mod known;
mod vector;

use anyarch_engine::state::Cpu;
use anyarch_oracle::check::{field, vectors};
use anyarch_oracle::state::Plain;
use anyarch_oracle::{Change, Elsewhere, Ending, Guest, Kind, Known, Reference, reference};
use anyarch_riscv64::compressed::expand;
use anyarch_riscv64::features::EXTENSIONS;
use anyarch_riscv64::{decode, features, system, v};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

/// As `struct registers` in runner.h.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Registers {
    /// x0 to x31; x0 is zero.
    x: [u64; 32],
    f: [u64; 32],
    fcsr: u64,
    vstart: u64,
    vcsr: u64,
    vl: u64,
    vtype: u64,
    pad: u64,
    /// v0 to v31, low half first.
    v: [[u64; 2]; 32],
}

const _: () = assert!(size_of::<Registers>() == 1072);

// SAFETY: numbers of 64 bits only.
unsafe impl Plain for Registers {}

/// The guest.
#[derive(Clone, Debug)]
pub(crate) struct Riscv64;

/// What QEMU 7.2 does not know (Zicond, Zimop, Zfa, Zacas, Zawrs, Zicboz, Zcb, Zcmop, vector bit
/// manipulation and cryptography) or knows in part (FMINM and FMAXM; Zabha and atomics that are not
/// aligned; vcsr), has wrong (CTZW of a low word of zero), or executes although it is reserved
/// (most vector instructions under some vtype, words without a row).
const LACKS: &[&str] = &[
    "Amoadd",
    "Amoand",
    "Amocas",
    "AmocasQ",
    "Amomax",
    "Amomaxu",
    "Amomin",
    "Amominu",
    "Amoor",
    "Amoswap",
    "Amoxor",
    "C0.4 Lbu",
    "C0.4 Lh",
    "C0.4 Lhu",
    "C0.4 Sb",
    "C0.4 Sh",
    "C1.3 Addi",
    "C1.4 AddUw",
    "C1.4 Andi",
    "C1.4 Mul",
    "C1.4 Packw",
    "C1.4 SextB",
    "C1.4 SextH",
    "C1.4 Xori",
    "CboZero",
    "Csrrc",
    "Csrrci",
    "Csrrs",
    "Csrrsi",
    "Csrrw",
    "Csrrwi",
    "Ctzw",
    "CzeroEqz",
    "CzeroNez",
    "FcvtmodWD",
    "Fleq",
    "Fli",
    "Fltq",
    "FminFmax",
    "Fround",
    "Froundnx",
    "MopR",
    "MopRr",
    "V*",
    "WrsNto",
    "WrsSto",
    "no row",
    "sequence",
];

/// The processor with exactly the extensions that the guest tells programs of on this host.
fn processor() -> String {
    let mut cpu = String::from("rv64i,m=true,a=true,f=true,d=true,c=true,v=true,vlen=128,elen=64");
    for e in EXTENSIONS.iter().filter(|e| features::has(e.name)) {
        let _ = write!(cpu, ",{}=true", e.name);
    }
    cpu
}

impl Guest for Riscv64 {
    type Registers = Registers;

    const NAME: &'static str = "riscv64";
    type Instructions = anyarch_riscv64::Instructions;
    const MACHINE: &'static str = "riscv:rv64";
    const RUNNER_FLAGS: &'static [&'static str] = &["-march=rv64ima", "-mabi=lp64", "-Wl,--no-relax"];
    /// ld a1, 32 + 8 * 11(a0); ld a0, 32 + 8 * 10(a0)
    const PREFIX: &'static [u32] = &[0x0785_3583, 0x0705_3503];
    const ELSEWHERE: &'static [Elsewhere] = known::ELSEWHERE;
    const KNOWN: &'static [Known<Riscv64>] = known::KNOWN;

    fn folder() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle"))
    }

    fn references() -> Vec<Reference> {
        let old = "rv64,zba=true,zbb=true,zbc=true,zbs=true,zbkb=true,zbkc=true,zbkx=true,\
                   Zfh=true,v=true,vlen=128,elen=64";
        vec![
            Reference { name: "sid", program: reference::sid, cpu: processor(), lacks: &[] },
            Reference { name: "installed", program: reference::installed, cpu: old.into(), lacks: LACKS },
        ]
    }

    fn length(_: u64, word: u32) -> u64 {
        if word & 3 == 3 { 4 } else { 2 }
    }

    fn nop(_: u64, word: u32) -> u32 {
        if word & 3 == 3 { 0x13 } else { 1 }
    }

    /// EBREAK.
    fn leave(_: u64, _: u64) -> u32 {
        0x0010_0073
    }

    fn kinds() -> Vec<Kind<Riscv64>> {
        let rows = decode::ROWS.iter().map(|row| Kind {
            name: row.name,
            times: 1,
            branches: generate::is_branch(row.value),
            make: Box::new(move |r, pc| generate::single(r, row, pc)),
        });
        let kind = |name, times, branches, make| Kind { name, times, branches, make };
        let pool = generate::Pool::new();
        rows.chain(compressed())
            .chain([
                kind(generate::UNDEFINED, 8, false, Box::new(generate::undefined)),
                kind("sequence", 16, false, Box::new(move |r, pc| pool.sequence(r, pc))),
                kind("exclusive loop", 4, false, Box::new(generate::exclusive_loop)),
            ])
            .collect()
    }

    fn all_undefined(kind: &str) -> bool {
        // Cryptography that this host cannot do.
        let missing = |prefix, extension| kind.starts_with(prefix) && !features::has(extension);
        kind == generate::UNDEFINED
            || kind.ends_with("reserved")
            || missing("Vaes", "zvkned")
            || missing("Vghsh", "zvkg")
            || missing("Vgmul", "zvkg")
    }

    fn row(_: u64, word: u32) -> Option<&'static str> {
        decode::name(generate::long(word))
    }

    fn load(s: &Registers, cpu: &mut Cpu) {
        cpu.gpr[..32].copy_from_slice(&s.x);
        let bytes: Vec<u8> = s.v.iter().flatten().flat_map(|half| half.to_le_bytes()).collect();
        v::restore(cpu, [s.vstart, s.vl, s.vtype, s.vcsr], &bytes);
        // The high halves have no meaning.
        for (to, from) in cpu.vec.iter_mut().zip(&s.f) {
            *to = *from as u128 | (!*from as u128) << 64;
        }
        system::set_fcsr(cpu, s.fcsr as u32);
    }

    fn set_environment(s: &Registers, cpu: &mut Cpu) {
        system::set_fcsr(cpu, s.fcsr as u32);
    }

    /// vl is VLMAX, and rounding is to nearest.
    fn make_likely(s: &mut Registers) {
        s.fcsr &= 31;
        if let Some(shape) = v::parse(s.vtype) {
            (s.vl, s.vstart) = (v::vlmax(shape), 0);
        }
    }

    fn store(cpu: &Cpu) -> Registers {
        let mut s = Registers {
            x: [0; 32],
            f: [0; 32],
            fcsr: system::fcsr(cpu) as u64,
            vstart: v::read_csr(cpu, v::csr::VSTART),
            vcsr: v::read_csr(cpu, v::csr::VCSR),
            vl: v::read_csr(cpu, v::csr::VL),
            vtype: v::read_csr(cpu, v::csr::VTYPE),
            pad: 0,
            v: [[0; 2]; 32],
        };
        s.x[1..].copy_from_slice(&cpu.gpr[1..32]);
        for (to, from) in s.f.iter_mut().zip(&cpu.vec) {
            *to = *from as u64;
        }
        for (to, from) in s.v.iter_mut().zip(&cpu.vec[v::V0..]) {
            *to = [*from as u64, (*from >> 64) as u64];
        }
        s
    }

    fn compare(at: &Ending<'_, Riscv64>, ours: &Registers, theirs: &Registers, out: &mut Vec<String>) {
        for i in 1..32 {
            field(out, &format!("x{i}"), ours.x[i], theirs.x[i]);
        }
        for i in 0..32 {
            field(out, &format!("f{i}"), ours.f[i], theirs.f[i]);
        }
        field(out, "fcsr", ours.fcsr, theirs.fcsr);
        field(out, "vstart", ours.vstart, theirs.vstart);
        field(out, "vcsr", ours.vcsr, theirs.vcsr);
        field(out, "vl", ours.vl, theirs.vl);
        field(out, "vtype", ours.vtype, theirs.vtype);
        // Elements of a load past the one that faulted, or that trimmed vl, may be loaded or not (V
        // 7.7), and so may parts of its segment (V 7.8).
        let mut open = [[0; 2]; 32];
        if at.faulted() {
            let from = ours.vstart.min(theirs.vstart);
            vector::open_elements(at.word, ours, from, at.case.state.r.vl, &mut open);
        } else if let Some(word) = at.case.words.iter().find(|w| vector::is_fault_only_first(**w)) {
            vector::open_elements(*word, ours, ours.vl, at.case.state.r.vl, &mut open);
        }
        for (i, [low, high]) in open.into_iter().enumerate() {
            let but = |[l, h]: [u64; 2]| [l & !low, h & !high];
            vectors(out, &format!("v{i}"), but(ours.v[i]), but(theirs.v[i]));
        }
    }

    fn simplifications() -> Vec<Change<Registers>> {
        let mut changes: Vec<Change<Registers>> = vec![
            Box::new(|s| s.fcsr = 0),
            Box::new(|s| s.vstart = 0),
            Box::new(|s| s.vcsr = 0),
            Box::new(|s| s.vl = s.vl.min(1)),
            Box::new(|s| s.vtype &= 0x3f | 1 << 63),
        ];
        for i in 0..32 {
            changes.push(Box::new(move |s| s.x[i] = 0));
            changes.push(Box::new(move |s| s.f[i] = 0));
            changes.push(Box::new(move |s| s.v[i] = [0; 2]));
            changes.push(Box::new(move |s| s.v[i][1] = 0));
        }
        changes
    }

    fn print(s: &Registers) -> String {
        let mut out = String::new();
        for (name, file) in [("x", &s.x), ("f", &s.f)] {
            for (i, value) in file.iter().enumerate().filter(|(_, value)| **value != 0) {
                let _ = write!(out, " {name}{i}={value:#x}");
            }
        }
        for (i, v) in s.v.iter().enumerate().filter(|(_, v)| **v != [0; 2]) {
            let _ = write!(out, " v{i}={:016x}_{:016x}", v[1], v[0]);
        }
        let csrs =
            [("fcsr", s.fcsr), ("vstart", s.vstart), ("vcsr", s.vcsr), ("vl", s.vl), ("vtype", s.vtype)];
        for (name, value) in csrs.into_iter().filter(|(_, value)| *value != 0) {
            let _ = write!(out, " {name}={value:#x}");
        }
        out
    }
}

/// Kinds of the compressed instructions, by quadrant, funct3 and the row of their expansion.
fn compressed() -> Vec<Kind<Riscv64>> {
    let mut groups: BTreeMap<String, Vec<u16>> = BTreeMap::new();
    for half in (0..=u16::MAX).filter(|h| h & 3 != 3) {
        let row = decode::name(expand(half)).unwrap_or("reserved");
        groups.entry(format!("C{}.{} {row}", half & 3, half >> 13)).or_default().push(half);
    }
    let kind = |(name, halves): (String, Vec<u16>)| -> Kind<Riscv64> {
        let name: &'static str = name.leak();
        Kind {
            name,
            times: 1,
            branches: generate::is_branch(expand(halves[0])),
            make: Box::new(move |r, pc| generate::compressed(r, name, &halves, pc)),
        }
    };
    groups.into_iter().map(kind).collect()
}

fn main() -> ExitCode {
    anyarch_oracle::main::<Riscv64>(Vec::new())
}

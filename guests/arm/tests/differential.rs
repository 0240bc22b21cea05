//! Every row on random operands, against `runner.c` under QEMU.
//!
//! A case is a random word of a row, perhaps after SETEND or in an IT block, a random state, and
//! windows of memory. It runs here, in the interpreter, and there; the states afterwards must be
//! equal. `ARM_ROW=NAME ARM_CASES=N` runs more cases of some rows. What QEMU 7.2 does otherwise is
//! listed in [`KNOWN`].

mod cases;

use anyarch_arm::decode::{self, Set};
use cases::*;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;

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

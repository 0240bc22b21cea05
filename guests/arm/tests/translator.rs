//! Every row on random operands, through the translator of this machine, against the interpreter:
//! alone, and in sequences of several instructions, which try what one leaves to the next.
//!
//! `ARM_ROW=NAME ARM_CASES=N ARM_SEED=N` runs more cases of some rows.

mod cases;

use anyarch_arm::decode::{self, Insn, Set, pc};
use anyarch_arm::{GUEST, Instructions, system};
use anyarch_engine::backend::Backend;
use anyarch_engine::run::{self, Exit, Thread, ThreadBox, code};
use anyarch_engine::state::Cpu;
use cases::*;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// The addresses are the process's: one test at a time.
static BUSY: Mutex<()> = Mutex::new(());

fn begin() -> ThreadBox {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        // A constant of the guest, which is one in a process.
        let backend: &'static Backend = const { &anyarch_oracle::ours::backend::<Instructions>() };
        run::init(&GUEST, backend, 0, 512 << 20).unwrap_or_else(|e| panic!("no code cache: {}", e.0));
        prepare();
        std::thread::spawn(watch);
    });
    let mut thread = ThreadBox::new(&GUEST);
    anyarch_oracle::faults::set_thread(&mut *thread);
    thread
}

/// The number of the case that is running.
static CASE: AtomicU64 = AtomicU64::new(0);
/// What it is.
static NAME: Mutex<String> = Mutex::new(String::new());

/// Ends the process where a case does not end.
fn watch() {
    let mut last = 0;
    loop {
        std::thread::sleep(std::time::Duration::from_secs(20));
        let now = CASE.load(Ordering::Relaxed);
        if now == last && now != 0 {
            eprintln!("no end: {}", NAME.lock().unwrap());
            std::process::abort();
        }
        last = now;
    }
}

/// Runs a case in generated code.
fn translate(case: &Case, cpu: &mut Cpu, thread: &mut Thread) -> State {
    CASE.fetch_add(1, Ordering::Relaxed);
    load(&case.before, cpu);
    cpu.narrow = true;
    // SAFETY: plain data.
    unsafe { std::ptr::copy_nonoverlapping(&*cpu, &raw mut thread.cpu, 1) };
    thread.cpu.reset_host_fp();
    system::set_fpscr(&mut thread.cpu, case.before.fpscr);
    let exit = thread.run();
    let inside = inside(case).contains(&(pc::address(thread.cpu.pc) as u64));
    let fault = matches!(exit, Exit::Fault(_)) && inside;
    thread.cpu.collect_fp_flags();
    let signo = if fault { thread.cpu.fault.signo as u32 } else { 0 };
    store(case, &thread.cpu, signo)
}

/// Compares the players on all cases of a batch; the differences.
fn compare(
    batch: &mut Vec<Case>,
    thread: &mut Thread,
    cpu: &mut Cpu,
    bad: &mut BTreeMap<String, usize>,
) -> usize {
    let (file, code_bytes) = image(batch);
    map(CODE_BASE, code_bytes, libc::PROT_READ, file.as_raw_fd(), HEADER as i64);
    batch.retain_mut(|case| ours(case, cpu));
    for case in batch.iter() {
        let range = inside(case);
        code::mapped_exec(range.start, range.end);
        *NAME.lock().unwrap() = format!("{} {:x?} at {:#x}", case.row, case.code, case.before.pc);
        let theirs = translate(case, cpu, thread);
        code::unmapped_exec(range.start, range.end);
        let differences = differences(&case.ours, &theirs);
        if !differences.is_empty() {
            let key = format!("{:?}/{}", case.insn.set(), case.row);
            let count = bad.entry(key).or_default();
            *count += 1;
            if *count <= 2 {
                println!("{}", describe(case, &differences));
            }
        }
    }
    let count = batch.len();
    batch.clear();
    count
}

fn differences(a: &State, b: &State) -> Vec<String> {
    let mut out = Vec::new();
    let mut field = |name: &str, a: u64, b: u64| {
        if a != b {
            out.push(format!("{name}: interpreter {a:#x}, translator {b:#x}"));
        }
    };
    for n in 0..15 {
        field(&format!("r{n}"), a.r[n] as u64, b.r[n] as u64);
    }
    for (name, a, b) in [
        ("pc", a.pc, b.pc),
        ("cpsr", a.cpsr, b.cpsr),
        ("fpscr", a.fpscr, b.fpscr),
        ("tpidrurw", a.tpidr, b.tpidr),
        ("signal", a.signo, b.signo),
        ("si_code", a.code, b.code),
        ("end", a.end, b.end),
    ] {
        field(name, a as u64, b as u64);
    }
    // An access that reaches into an unmapped page may report its own start or the page's.
    if a.addr.abs_diff(b.addr) >= 64 {
        field("si_addr", a.addr as u64, b.addr as u64);
    }
    for n in 0..32 {
        field(&format!("d{n}"), a.d[n], b.d[n]);
    }
    // What a store that faulted wrote before may differ.
    if a.signo == 11 || a.signo == 7 {
        return out;
    }
    for (at, a, b) in [(MID, &a.mid[..], &b.mid[..]), (EDGE, &a.edge[..], &b.edge[..])] {
        for (n, (a, b)) in a.chunks(4).zip(b.chunks(4)).enumerate() {
            let of = |c: &[u8]| u32::from_le_bytes(c.try_into().unwrap()) as u64;
            field(&format!("[{:#x}]", at + 4 * n as u64), of(a), of(b));
        }
    }
    out
}

fn describe(case: &Case, differences: &[String]) -> String {
    let s = &case.before;
    let registers: Vec<String> = s.r.iter().enumerate().map(|(n, r)| format!("r{n}={r:#x}")).collect();
    let doubles: Vec<String> = s.d.iter().enumerate().map(|(n, d)| format!("d{n}={d:#x}")).collect();
    format!(
        "{}:\n{}\n  {} cpsr={:#x} fpscr={:#x}\n  {}\n  {}",
        case.row,
        disassemble(case),
        registers.join(" "),
        s.cpsr,
        s.fpscr,
        if case.row.starts_with('V') { doubles.join(" ") } else { String::new() },
        differences.join("\n  ")
    )
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

const SETS: [Set; 4] = [Set::Cond, Set::Uncond, Set::T16, Set::T32];

fn rng(name: &str) -> Rng {
    let hash = name.bytes().fold(setting("ARM_SEED", 1), |h, b| h.wrapping_mul(0x100_0000_01b3) ^ b as u64);
    let mut rng = Rng(hash ^ 0x1234_5678_9abc_def1);
    (0..4).for_each(|_| {
        rng.next();
    });
    rng
}

#[test]
fn rows() {
    let _busy = BUSY.lock().unwrap_or_else(|e| e.into_inner());
    let name = std::env::var("ARM_ROW").unwrap_or_default();
    let cases = setting("ARM_CASES", 60);
    let (mut thread, mut cpu) = (begin(), zeroed());
    let (mut batch, mut bad) = (Vec::new(), BTreeMap::new());
    let (mut total, mut without) = (0, Vec::new());
    for set in SETS {
        for row in decode::rows(set).iter().filter(|r| r.name.contains(&name)) {
            let (mut rng, mut made) = (rng(row.name), 0);
            for _ in 0..cases {
                let at = CODE_BASE + (batch.len() as u64 + 1) * STRIDE;
                let Some(case) = generate(&mut rng, set, row, at) else { continue };
                if decode::decode(case.insn).row().map(|r| r.name) != Some(row.name) {
                    continue; // a row before it wins
                }
                made += 1;
                batch.push(case);
                if batch.len() == BATCH {
                    total += compare(&mut batch, &mut thread, &mut cpu, &mut bad);
                }
            }
            if made == 0 {
                without.push(row.name);
            }
        }
    }
    total += compare(&mut batch, &mut thread, &mut cpu, &mut bad);
    CASE.store(0, Ordering::Relaxed);
    println!("{total} cases, {} rows differ: {bad:?}", bad.len());
    assert!(bad.is_empty());
    assert!(without.is_empty(), "rows without a case: {without:?}");
    assert!(total > 0);
}

/// An instruction of a random row, as halves, and whether that is one of T32.
fn random(rng: &mut Rng, thumb: bool, at: u64) -> Option<Vec<u16>> {
    let set = match (thumb, rng.below(8)) {
        (true, 0..5) => Set::T16,
        (true, _) => Set::T32,
        (false, 7) => Set::Uncond,
        (false, _) => Set::Cond,
    };
    let rows = decode::rows(set);
    let row = &rows[rng.below(rows.len() as u64) as usize];
    let case = generate(rng, set, row, at)?;
    // Alone: what `generate` puts before it makes IT blocks of IT blocks.
    let halves = match case.insn.len {
        2 => 1,
        _ => 2,
    };
    let mut code = case.code[case.code.len() - halves..].to_vec();
    if (case.before.pc & 1 != 0) != thumb {
        return None;
    }
    if set == Set::Cond && rng.one_in(2) {
        code[1] = code[1] & 0xfff | (rng.below(15) as u16) << 12;
    }
    Some(code)
}

/// Sequences of instructions that go through to their end, most of them: what would fault, or leave
/// them, is drawn anew. T32's have IT blocks.
#[test]
fn sequences() {
    let _busy = BUSY.lock().unwrap_or_else(|e| e.into_inner());
    let count = setting("ARM_SEQUENCES", 4000);
    let (mut thread, mut cpu) = (begin(), zeroed());
    let (mut bad, mut whole, mut instructions) = (0, 0, 0);
    // What runs cannot write to it; the test can.
    let (file, _) = image(&[]);
    file.set_len(HEADER + 4 * STRIDE).unwrap();
    map(CODE_BASE, 4 * STRIDE, libc::PROT_READ, file.as_raw_fd(), HEADER as i64);
    for n in 0..count {
        let mut rng = rng(&format!("sequence {n}"));
        let thumb = rng.one_in(2);
        let at = CODE_BASE + STRIDE;
        let before = main_state(&mut rng, at, thumb);
        let insn = if thumb { Insn::t32(0xbf00, at | 1) } else { Insn::a32(0xe320_f000, at) };
        let mut case = Case { row: format!("sequence {n}"), insn, code: Vec::new(), before, ours: before };
        let length = 2 + rng.below(8);
        // The rest of an IT block must be of its length.
        let (mut left, mut draws) = (0, 0);
        let mut done = 0;
        while (done < length || left > 0) && draws < 200 {
            draws += 1;
            let Some(code) = random(&mut rng, thumb, at) else { continue };
            let it = thumb && code.len() == 1 && code[0] >> 8 == 0xbf && code[0] & 15 != 0;
            if it && left > 0 {
                continue;
            }
            let mut next = case.clone();
            next.code.extend(&code);
            if it {
                // NOPs for now.
                next.code.extend([0xbf00; 4]);
            }
            write(&file, &next);
            let ends = ours(&mut next, &mut cpu) && next.ours.signo == 0 && next.ours.end < 2;
            if !ends && !rng.one_in(40) {
                continue;
            }
            case.code.extend(&code);
            done += 1;
            left = if it { 4 - code[0].trailing_zeros() as i32 } else { left - 1 }.max(0);
        }
        write(&file, &case);
        if left > 0 || !ours(&mut case, &mut cpu) {
            continue;
        }
        whole += (case.ours.signo == 0 && case.ours.end < 2) as usize;
        instructions += done;
        *NAME.lock().unwrap() = format!("{} {:x?} at {:#x}", case.row, case.code, case.before.pc);
        let range = inside(&case);
        code::mapped_exec(range.start, range.end);
        // Again from code that is there.
        for _ in 0..2 {
            let theirs = translate(&case, &mut cpu, &mut thread);
            let mut ours = case.ours;
            if ours.signo == 11 || ours.signo == 7 {
                // Flags that are written before they are read count as dead.
                ours.cpsr = ours.cpsr & 0x0fff_ffff | theirs.cpsr & 0xf000_0000;
            }
            let differences = differences(&ours, &theirs);
            if !differences.is_empty() {
                bad += 1;
                if bad < 8 {
                    println!("{}", describe(&case, &differences));
                }
                break;
            }
        }
        code::unmapped_exec(range.start, range.end);
    }
    CASE.store(0, Ordering::Relaxed);
    println!("{count} sequences, {whole} of them whole, {instructions} instructions, {bad} differ");
    assert!(whole as u64 > count / 2);
    assert_eq!(bad, 0);
}

/// Puts a case's code where it runs.
fn write(file: &File, case: &Case) {
    let mut bytes = FILLER.to_le_bytes().repeat(STRIDE as usize / 2);
    let code = code_bytes(case);
    bytes[STRIDE as usize..][..code.len()].copy_from_slice(&code);
    file.write_all_at(&bytes, HEADER + (case.before.pc & !1) as u64 - CODE_BASE - STRIDE).unwrap();
}

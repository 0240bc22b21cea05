//! Comparing, reducing and reporting.

use crate::batch::{Batch, Case};
use crate::known::{KNOWN, excluded};
use crate::ours::{self, Through};
use crate::state::{EDGE, MID, Rng, State};
use crate::{generate, known};
use anyarch_aarch64::decode;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::process::Command;

/// What to run.
pub struct Options {
    /// Rows whose names contain this.
    pub row: Option<String>,
    /// Cases per row.
    pub cases: usize,
    /// Seed.
    pub seed: u64,
    /// Our side.
    pub through: Vec<Through>,
    /// Also sequences of instructions, this many.
    pub sequences: usize,
    /// Also loops around exclusive accesses, this many.
    pub loops: usize,
    /// Progress and figures on stderr.
    pub verbose: bool,
}

impl Options {
    /// From the environment, with this many cases per row by default.
    pub fn from_env(cases: usize) -> Options {
        let number = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
        Options {
            row: None,
            cases: number("ORACLE_CASES").map_or(cases, |n| n as usize),
            seed: number("ORACLE_SEED").unwrap_or(1),
            through: Through::ALL.to_vec(),
            sequences: 0,
            loops: 0,
            verbose: false,
        }
    }
}

/// How a row did.
#[derive(Default, Clone)]
pub struct Tally {
    /// Cases compared.
    pub cases: usize,
    /// Cases that end in an undefined instruction on both sides.
    pub undefined: usize,
    /// Cases that do not fit this test.
    pub excluded: usize,
    /// Differences that are not known.
    pub bad: usize,
}

/// The outcome of a run.
#[derive(Default)]
pub struct Report {
    /// By row (or kind of sequence).
    pub rows: BTreeMap<&'static str, Tally>,
    /// Readable descriptions of the first mismatches of each row.
    pub mismatches: Vec<String>,
    /// For each entry of [`KNOWN`], how often it was seen.
    pub known: Vec<usize>,
}

/// Most mismatches of one row that are described.
const SHOWN: usize = 2;

/// Runs.
///
/// # Errors
/// If the other side cannot be run.
pub fn run(options: &Options) -> io::Result<Report> {
    let mut report = Report { known: vec![0; KNOWN.len()], ..Report::default() };
    let rows: Vec<_> = decode::ROWS
        .iter()
        .enumerate()
        .filter(|(_, r)| options.row.as_ref().is_none_or(|f| r.name.contains(f.as_str())))
        .collect();
    let mut batch = Batch::default();
    for (_, row) in &rows {
        // Each row has its own stream, so that adding a row does not change the others' cases.
        let name_hash =
            row.name.bytes().fold(options.seed, |h, b| h.wrapping_mul(0x100_0000_01b3) ^ b as u64);
        let mut rng = Rng::new(name_hash);
        report.rows.entry(row.name).or_default();
        for _ in 0..options.cases {
            let branch = generate::is_branch(row.value);
            let pc = match batch.place(branch) {
                Some(pc) => pc,
                None => {
                    finish(&mut batch, options, &mut report)?;
                    batch.place(branch).expect("an empty batch has room")
                }
            };
            let Some(case) = generate::single(&mut rng, row, pc) else { continue };
            if decode::decode(case.words[0]).row().map(|r| r.name) != Some(row.name) {
                continue; // a row before it wins
            }
            if excluded(case.words[0]).is_some() {
                report.rows.entry(row.name).or_default().excluded += 1;
                continue;
            }
            batch.cases.push(case);
        }
    }
    let mut rng = Rng::new(options.seed ^ 0x5e9);
    let all: Vec<_> = rows.iter().map(|(_, r)| *r).collect();
    for _ in 0..options.sequences {
        let pc = match batch.place(false) {
            Some(pc) => pc,
            None => {
                finish(&mut batch, options, &mut report)?;
                batch.place(false).expect("an empty batch has room")
            }
        };
        batch.cases.extend(generate::sequence(&mut rng, &all, pc));
    }
    for _ in 0..options.loops {
        let pc = match batch.place(false) {
            Some(pc) => pc,
            None => {
                finish(&mut batch, options, &mut report)?;
                batch.place(false).expect("an empty batch has room")
            }
        };
        batch.cases.push(generate::exclusive_loop(&mut rng, pc));
    }
    finish(&mut batch, options, &mut report)?;
    Ok(report)
}

fn finish(batch: &mut Batch, options: &Options, report: &mut Report) -> io::Result<()> {
    let batch = std::mem::take(batch);
    if batch.cases.is_empty() {
        return Ok(());
    }
    let started = std::time::Instant::now();
    let image = batch.image()?;
    let theirs = batch.run(&image)?;
    if options.verbose {
        let n = batch.cases.len();
        let rate = n as f64 / started.elapsed().as_secs_f64();
        eprintln!("{n} cases from {}, {rate:.0} cases/s on the other side", batch.cases[0].row);
    }
    for &through in &options.through {
        let ours = ours::run(&batch, &image, through)?;
        for ((case, ours), theirs) in batch.cases.iter().zip(&ours).zip(&theirs) {
            let tally = report.rows.entry(case.row).or_default();
            let Some(theirs) = theirs else {
                tally.excluded += 1;
                continue;
            };
            tally.cases += 1;
            if ours.signo == 4 && theirs.signo == 4 {
                tally.undefined += 1;
            }
            if differences(case, ours, theirs).is_empty() {
                continue;
            }
            if let Some(i) = KNOWN.iter().position(|k| k.covers(case.row) && (k.when)(case, ours, theirs)) {
                report.known[i] += 1;
                continue;
            }
            tally.bad += 1;
            if tally.bad <= SHOWN {
                let case = reduce(case, through)?;
                report.mismatches.push(describe(&case, through)?);
            }
        }
    }
    Ok(())
}

fn both(cases: &[Case], through: Through) -> io::Result<Vec<(State, Option<State>)>> {
    let batch = Batch::of(cases.to_vec());
    let image = batch.image()?;
    let theirs = batch.run(&image)?;
    Ok(ours::run(&batch, &image, through)?.into_iter().zip(theirs).collect())
}

/// A simpler case that still differs: registers become zero one after the other, as long as it does.
fn reduce(case: &Case, through: Through) -> io::Result<Case> {
    type Change = Box<dyn Fn(&mut State)>;
    let mut changes: Vec<Change> = vec![
        Box::new(|s| s.fpsr = 0),
        Box::new(|s| s.fpcr = 0),
        Box::new(|s| s.nzcv = 0),
        Box::new(|s| s.tpidr = 0),
        Box::new(|s| s.mid = [0; 256]),
        Box::new(|s| s.edge = [0; 64]),
        Box::new(|s| s.sp = MID + 128),
    ];
    for i in 0..31 {
        changes.push(Box::new(move |s| s.x[i] = 0));
    }
    for i in 0..32 {
        changes.push(Box::new(move |s| s.v[i] = [0; 2]));
        changes.push(Box::new(move |s| s.v[i][1] = 0));
    }
    let with = |base: &Case, change: &dyn Fn(&mut State)| {
        let mut c = base.clone();
        change(&mut c.state);
        c
    };
    let fails = |cases: &[Case]| -> io::Result<Vec<bool>> {
        let results = both(cases, through)?;
        Ok(cases
            .iter()
            .zip(&results)
            .map(|(c, (o, t))| t.as_ref().is_some_and(|t| !differences(c, o, t).is_empty()))
            .collect())
    };
    let mut best = case.clone();
    // First the instructions of a sequence become NOPs, one after the other. Each candidate needs a place of its own.
    for i in 0..if best.words.len() > 1 { best.words.len() } else { 0 } {
        let mut c = best.clone();
        c.words[i] = 0xd503_201f;
        if fails(std::slice::from_ref(&c))?[0] {
            best = c;
        }
    }
    let single: Vec<Case> = changes.iter().map(|c| with(&best, c)).collect();
    let mut keep: Vec<usize> =
        fails(&single)?.iter().enumerate().filter(|(_, f)| **f).map(|(i, _)| i).collect();
    // Together they may hide it: then as many as do not.
    while !keep.is_empty() {
        let prefixes: Vec<Case> = (1..=keep.len())
            .map(|n| keep[..n].iter().fold(best.clone(), |c, &i| with(&c, &changes[i])))
            .collect();
        let ok = fails(&prefixes)?.iter().take_while(|f| **f).count();
        if ok > 0 {
            best = prefixes[ok - 1].clone();
        }
        if ok == keep.len() {
            break;
        }
        keep.drain(..=ok);
    }
    Ok(best)
}

/// Where the code ended: the address, and the signal if an instruction of the case raised one.
fn end(case: &Case, s: &State, ours: bool) -> (u64, u64) {
    let inside = s.pc >= case.state.pc && s.pc < case.end();
    match (s.signo, inside) {
        (0, _) if ours => (s.pc, 0),
        (0, _) => (case.end(), 0),
        (signo, true) => (s.pc, signo),
        (_, false) => (s.pc, 0),
    }
}

/// Differences, as lines `what: ours, theirs`. Empty if there are none.
pub fn differences(case: &Case, ours: &State, theirs: &State) -> Vec<String> {
    let mut out = Vec::new();
    let mut field = |name: &str, a: u64, b: u64| {
        if a != b {
            out.push(format!("{name}: ours {a:#x}, theirs {b:#x}"));
        }
    };
    let (our_end, their_end) = (end(case, ours, true), end(case, theirs, false));
    field("signal", our_end.1, their_end.1);
    // A branch to a tagged address loses its tag there (see `known`).
    let untagged = |pc: u64| if case.words.len() == 1 { pc << 8 >> 8 } else { pc };
    field("pc", untagged(our_end.0), untagged(their_end.0));
    let fault = our_end.1;
    if fault != 0 && our_end == their_end {
        // The kernel says ILL_ILLOPC for every undefined instruction; QEMU before 8 says ILL_ILLOPN.
        let code = if fault == 4 { 1 } else { theirs.code };
        field("si_code", ours.code, code);
        // An access that reaches into an unmapped page may report its own start or the page's.
        // QEMU's host does not tell a non-canonical address.
        let canonical = ours.addr < 1 << 47;
        if ours.addr.abs_diff(theirs.addr) >= 64 && canonical {
            field("si_addr", ours.addr, theirs.addr);
        }
    }
    // What a faulting load of several registers has already loaded is unknown, except that it is restartable.
    let partial = (fault == 11 || fault == 7) && our_end == their_end;
    let word = case.words.get((our_end.0.wrapping_sub(case.state.pc) / 4) as usize).copied().unwrap_or(0);
    let loaded_x = |i: usize| {
        partial
            && word >> 26 & 1 == 0
            && (word & 31 == i as u32 || word >> 10 & 31 == i as u32)
            && word >> 5 & 31 != i as u32
    };
    let loaded_v = |i: usize| {
        let first = word & 31;
        partial
            && word >> 26 & 1 == 1
            && ((i as u32).wrapping_sub(first) & 31 < 4 || word >> 10 & 31 == i as u32)
    };
    for i in (0..31).filter(|&i| !loaded_x(i)) {
        field(&format!("x{i}"), ours.x[i], theirs.x[i]);
    }
    field("sp", ours.sp, theirs.sp);
    // The translator drops flags before a reserved encoding of an instruction that would write all of them.
    if fault != 4 || case.words.len() == 1 {
        field("nzcv", ours.nzcv, theirs.nzcv);
    }
    // The other side lets MSR set the bits that only AArch32 has.
    field("fpcr", ours.fpcr, theirs.fpcr & 0x07c8_9f00);
    field("fpsr", ours.fpsr, theirs.fpsr & 0x0800_009f);
    for i in (0..32).filter(|&i| !loaded_v(i)) {
        if ours.v[i] != theirs.v[i] {
            let ([al, ah], [bl, bh]) = (ours.v[i], theirs.v[i]);
            out.push(format!("v{i}: ours {ah:016x}_{al:016x}, theirs {bh:016x}_{bl:016x}"));
        }
    }
    // What a faulting store wrote before it faulted is unspecified.
    if fault != 11 && fault != 7 {
        for (base, a, b) in [(MID, &ours.mid[..], &theirs.mid[..]), (EDGE, &ours.edge, &theirs.edge)] {
            if a != b {
                let first = a.iter().zip(b).position(|(a, b)| a != b).expect("they differ") & !15;
                let last = (first + 32).min(a.len());
                out.push(format!(
                    "memory at {:#x}: ours {}, theirs {}",
                    base + first as u64,
                    hex(&a[first..last]),
                    hex(&b[first..last])
                ));
            }
        }
    }
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut s, b| {
        let _ = write!(s, "{b:02x}");
        s
    })
}

fn describe(case: &Case, through: Through) -> io::Result<String> {
    let results = both(std::slice::from_ref(case), through)?;
    let (ours, theirs) = &results[0];
    let mut out = format!("{} through {through:?}\n", case.row);
    for line in disassemble(&case.words, case.state.pc) {
        let _ = writeln!(out, "    {line}");
    }
    let s = &case.state;
    let mut before = String::new();
    for (i, x) in s.x.iter().enumerate().filter(|(_, x)| **x != 0) {
        let _ = write!(before, " x{i}={x:#x}");
    }
    for (i, v) in s.v.iter().enumerate().filter(|(_, v)| **v != [0; 2]) {
        let _ = write!(before, " v{i}={:016x}_{:016x}", v[1], v[0]);
    }
    for (name, value) in [("sp", s.sp), ("nzcv", s.nzcv >> 28), ("fpcr", s.fpcr), ("fpsr", s.fpsr)] {
        if value != 0 {
            let _ = write!(before, " {name}={value:#x}");
        }
    }
    let _ = writeln!(out, "  before:{before}");
    if let Some(theirs) = theirs {
        for line in differences(case, ours, theirs) {
            let _ = writeln!(out, "  {line}");
        }
    }
    Ok(out)
}

/// By objdump if it is there, else the bare words.
fn disassemble(words: &[u32], pc: u64) -> Vec<String> {
    let bare = || words.iter().map(|w| format!("{w:08x}")).collect();
    let file = std::env::temp_dir().join(format!("oracle-{}.bin", std::process::id()));
    let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    if std::fs::write(&file, bytes).is_err() {
        return bare();
    }
    let out = Command::new("aarch64-linux-gnu-objdump")
        .args(["-D", "-b", "binary", "-m", "aarch64", &format!("--adjust-vma={pc:#x}")])
        .arg(&file)
        .output();
    let _ = std::fs::remove_file(&file);
    match out {
        Ok(o) if o.status.success() => String::from_utf8_lossy(&o.stdout)
            .lines()
            .filter_map(|l| l.split_once(":\t").map(|(_, text)| text.replace('\t', " ")))
            .collect(),
        _ => bare(),
    }
}

impl Report {
    /// The report as text, and whether all is well.
    pub fn text(&self) -> (String, bool) {
        let mut out = String::new();
        for m in &self.mismatches {
            let _ = writeln!(out, "{m}");
        }
        let bad: Vec<_> = self.rows.iter().filter(|(_, t)| t.bad > 0).collect();
        for (row, t) in &bad {
            let _ = writeln!(out, "{row}: {} of {} cases differ", t.bad, t.cases);
        }
        let total: usize = self.rows.values().map(|t| t.cases).sum();
        // A row that is tested only a little may miss a rare deviation by chance.
        let stale: Vec<_> = known::KNOWN
            .iter()
            .zip(&self.known)
            .filter(|(k, n)| {
                let tested: usize = self.rows.iter().filter(|(r, _)| k.covers(r)).map(|(_, t)| t.cases).sum();
                k.certain && **n == 0 && tested >= 200
            })
            .collect();
        for (k, _) in &stale {
            let _ = writeln!(
                out,
                "{}: known deviation no longer shows ({}): remove it from known.rs",
                k.row, k.reason
            );
        }
        let _ = writeln!(
            out,
            "{} rows, {total} cases, {} rows differ, {} known deviations seen",
            self.rows.len(),
            bad.len(),
            self.known.iter().filter(|n| **n > 0).count()
        );
        (out, bad.is_empty() && stale.is_empty())
    }
}

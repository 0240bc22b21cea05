//! Comparing and reporting.

use crate::batch::{Batch, Case};
use crate::guest::{Ending, Guest};
use crate::ours::{self, Player, players};
use crate::reduce::{describe, reduce};
use crate::reference::Reference;
use crate::state::{EDGE, MID, Rng, State};
use anyarch_harness::tests_dir;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;

/// What to run.
pub struct Options<G: Guest> {
    /// Kinds whose names contain this.
    pub row: Option<String>,
    /// Cases per row.
    pub cases: usize,
    /// Seed.
    pub seed: u64,
    /// Our side.
    pub players: Vec<Player<G>>,
    /// The other side.
    pub reference: Reference,
    /// Rows, sequences, or both: whether [`Kind::times`](crate::guest::Kind::times) is one.
    pub wanted: fn(usize) -> bool,
    /// Progress and figures on stderr.
    pub verbose: bool,
}

impl<G: Guest> Options<G> {
    /// Everything, with this many cases per row.
    pub fn new(cases: usize) -> Options<G> {
        let reference = G::references().into_iter().next().expect("a guest has a reference");
        Options { row: None, cases, seed: 1, players: players(), reference, wanted: |_| true, verbose: false }
    }
}

/// How a kind did.
#[derive(Default, Clone)]
pub struct Tally {
    /// Cases compared.
    pub cases: usize,
    /// Cases that end in an undefined instruction on both sides.
    pub undefined: usize,
    /// Cases that ended the other side itself.
    pub crashed: usize,
    /// Differences that the other side does not show when it runs the case alone.
    pub astray: usize,
    /// Differences that are not known.
    pub bad: usize,
    /// Of a row that the reference lacks: no case.
    pub lacking: bool,
}

/// The outcome of a run.
pub struct Report<G: Guest> {
    /// By kind.
    pub rows: BTreeMap<&'static str, Tally>,
    /// Readable descriptions of the first mismatches of each kind.
    pub mismatches: Vec<String>,
    /// For each entry of the guest's known deviations, how often it was seen.
    pub known: Vec<usize>,
    /// What is wrong with the tables.
    pub wrong: Vec<String>,
    reference: &'static str,
    guest: core::marker::PhantomData<fn() -> G>,
}

/// Most mismatches of one kind that are described.
const SHOWN: usize = 2;

/// Draws for each case that is wanted.
const DRAWS: usize = 16;

/// Runs.
///
/// # Errors
/// If the other side cannot be run.
pub fn run<G: Guest>(options: &Options<G>) -> io::Result<Report<G>> {
    let mut report = Report {
        rows: BTreeMap::new(),
        mismatches: Vec::new(),
        known: vec![0; G::KNOWN.len()],
        wrong: Vec::new(),
        reference: options.reference.name,
        guest: core::marker::PhantomData,
    };
    let mut batch = Batch::of(Vec::new());
    for kind in G::kinds() {
        if options.row.as_ref().is_some_and(|f| !kind.name.contains(f.as_str()))
            || !(options.wanted)(kind.times)
        {
            continue;
        }
        if report.rows.insert(kind.name, Tally::default()).is_some() {
            report.wrong.push(format!("two kinds {}", kind.name));
        }
        if options.reference.lacks(kind.name) {
            report.rows.entry(kind.name).or_default().lacking = true;
            continue;
        }
        // Each kind has its own stream, so that adding a row does not change the others' cases.
        let name_hash =
            kind.name.bytes().fold(options.seed, |h, b| h.wrapping_mul(0x100_0000_01b3) ^ b as u64);
        let mut rng = Rng::new(name_hash);
        let (mut made, wanted) = (0, options.cases * kind.times);
        for _ in 0..wanted * DRAWS {
            if made == wanted {
                break;
            }
            let pc = match batch.place(kind.branches) {
                Some(pc) => pc,
                None => {
                    finish(&mut batch, options, &mut report)?;
                    batch.place(kind.branches).expect("an empty batch has room")
                }
            };
            if let Some(case) = (kind.make)(&mut rng, pc) {
                batch.push(case, kind.branches);
                made += 1;
            }
        }
        let listed = G::ELSEWHERE.iter().any(|e| e.row == kind.name);
        if (made == 0) != listed {
            report.wrong.push(format!("{}: {made} cases, and listed elsewhere: {listed}", kind.name));
        }
    }
    finish(&mut batch, options, &mut report)?;
    report.check_tables(options);
    Ok(report)
}

fn finish<G: Guest>(batch: &mut Batch<G>, options: &Options<G>, report: &mut Report<G>) -> io::Result<()> {
    let batch = std::mem::replace(batch, Batch::of(Vec::new()));
    if batch.cases.is_empty() {
        return Ok(());
    }
    let started = std::time::Instant::now();
    let image = batch.image()?;
    let theirs = batch.run(&image, &options.reference)?;
    if options.verbose {
        let n = batch.cases.len();
        let rate = n as f64 / started.elapsed().as_secs_f64();
        eprintln!("{n} cases from {}, {rate:.0} cases/s on the other side", batch.cases[0].row);
    }
    for player in &options.players {
        let ours = ours::run(&batch, &image, player)?;
        for ((case, ours), theirs) in batch.cases.iter().zip(&ours).zip(&theirs) {
            let tally = report.rows.entry(case.row).or_default();
            let Some(theirs) = theirs else {
                tally.crashed += 1;
                continue;
            };
            tally.cases += 1;
            if ours.signo == 4 && theirs.signo == 4 {
                tally.undefined += 1;
            }
            if differences(case, ours, theirs).is_empty() {
                continue;
            }
            let known = |k: &crate::Known<G>| {
                k.covers(case.row, options.reference.name) && (k.when)(case, ours, theirs)
            };
            if let Some(i) = G::KNOWN.iter().position(known) {
                report.known[i] += 1;
                continue;
            }
            // Alone as well? A store of another case may have gone astray on the other side, or a
            // branch into another case's code.
            let alone = Batch::of(vec![case.clone()]);
            let again = alone.run(&alone.image()?, &options.reference)?;
            if again[0].is_some_and(|theirs| differences(case, ours, &theirs).is_empty()) {
                tally.astray += 1;
                continue;
            }
            tally.bad += 1;
            if tally.bad <= SHOWN {
                let reduced = reduce(case, player, &options.reference)?;
                let mut text = describe(&reduced, player, &options.reference)?;
                let among_others = differences(case, ours, theirs);
                if !text.contains(&among_others[0]) {
                    let _ = writeln!(text, "  among other cases:\n    {}", among_others.join("\n    "));
                }
                report.mismatches.push(text);
            }
        }
    }
    Ok(())
}

/// Where the code ended: the address, and the signal if an instruction of the case raised one.
fn end<G: Guest>(case: &Case<G>, s: &State<G::Registers>, ours: bool) -> (u64, u64) {
    match (s.signo, case.contains(s.pc)) {
        (0, _) if ours => (s.pc, 0),
        (0, _) => (case.end(), 0),
        (signo, true) => (s.pc, signo),
        (_, false) => (s.pc, 0),
    }
}

/// Tells of two numbers that should be equal.
pub fn field(out: &mut Vec<String>, name: &str, ours: u64, theirs: u64) {
    if ours != theirs {
        out.push(format!("{name}: ours {ours:#x}, theirs {theirs:#x}"));
    }
}

/// Tells of two vectors that should be equal.
pub fn vectors(out: &mut Vec<String>, name: &str, ours: [u64; 2], theirs: [u64; 2]) {
    if ours != theirs {
        let ([al, ah], [bl, bh]) = (ours, theirs);
        out.push(format!("{name}: ours {ah:016x}_{al:016x}, theirs {bh:016x}_{bl:016x}"));
    }
}

/// Differences, as lines `what: ours, theirs`. Empty if there are none.
///
/// Not compared: the tag in an address branched to (the engine removes it only when it looks for
/// code there, which the oracle's single steps do not), si_addr of a non-canonical address (the
/// other side's host does not tell it), the code of SIGILL (older QEMU: ILL_ILLOPN), and what a
/// store that faulted wrote before.
pub fn differences<G: Guest>(
    case: &Case<G>,
    ours: &State<G::Registers>,
    theirs: &State<G::Registers>,
) -> Vec<String> {
    let mut out = Vec::new();
    let (our_end, their_end) = (end(case, ours, true), end(case, theirs, false));
    field(&mut out, "signal", our_end.1, their_end.1);
    let ignored = if case.words.len() == 1 { crate::ours::engine::<G>().ignored_bits } else { 0 };
    field(&mut out, "pc", our_end.0 & !ignored, their_end.0 & !ignored);
    let signal = our_end.1;
    if signal != 0 && our_end == their_end {
        let code = if signal == 4 { 1 } else { theirs.code };
        field(&mut out, "si_code", ours.code, code);
        // An access that reaches into an unmapped page may report its own start or the page's.
        let canonical = ours.addr < 1 << 47;
        let open = if signal == 11 { 64 } else { 1 };
        if ours.addr.abs_diff(theirs.addr) >= open && canonical && signal != 5 {
            field(&mut out, "si_addr", ours.addr, theirs.addr);
        }
    }
    let word = case.word_at(our_end.0).unwrap_or(0);
    let at = Ending { case, signal, word, same: our_end == their_end };
    G::compare(&at, &ours.r, &theirs.r, &mut out);
    if signal != 11 && signal != 7 {
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

impl<G: Guest> Report<G> {
    /// Rows that are neither tried nor listed, listed without need, or tried in vain.
    fn check_tables(&mut self, options: &Options<G>) {
        for (row, t) in &self.rows {
            if t.crashed > t.cases / 8 {
                self.wrong.push(format!("{row}: {} cases ended the other side itself", t.crashed));
            }
            if t.astray > t.cases / 100 + 3 {
                self.wrong.push(format!("{row}: {} cases are others' when they run alone", t.astray));
            }
            // A few draws may all be of reserved encodings.
            if t.cases >= 100 && t.undefined == t.cases && !G::all_undefined(row) {
                self.wrong.push(format!("{row}: both sides say that it is undefined, always"));
            }
        }
        if options.row.is_some() || !(options.wanted)(1) {
            return;
        }
        for (k, seen) in G::KNOWN.iter().zip(&self.known).filter(|(k, _)| k.certain) {
            let covered = self.rows.iter().filter(|(r, _)| k.covers(r, self.reference));
            let tested: usize = covered.map(|(_, t)| t.cases).sum();
            // A row that is tested only a little may miss a rare deviation by chance.
            if *seen == 0 && tested >= 200 {
                let text = format!("{}: known deviation no longer shows: {}", k.row, k.reason);
                self.wrong.push(text);
            }
        }
        for e in G::ELSEWHERE {
            let source = std::fs::read_to_string(tests_dir().join(e.file)).unwrap_or_default();
            if !source.contains(e.text) {
                self.wrong.push(format!("{} does not test {}", e.file, e.row));
            }
            if !self.rows.contains_key(e.row) {
                self.wrong.push(format!("{} is listed elsewhere, and is no row", e.row));
            }
        }
        for row in options.reference.lacks.iter().filter(|row| !row.ends_with('*')) {
            if !self.rows.contains_key(*row) {
                self.wrong.push(format!("{} lacks {row}, which is no row", self.reference));
            }
        }
    }

    /// The report as text, and whether all is well.
    pub fn text(&self) -> (String, bool) {
        let mut out = String::new();
        for m in self.mismatches.iter().chain(&self.wrong) {
            let _ = writeln!(out, "{m}");
        }
        let bad: Vec<_> = self.rows.iter().filter(|(_, t)| t.bad > 0).collect();
        for (row, t) in &bad {
            let _ = writeln!(out, "{row}: {} of {} cases differ", t.bad, t.cases);
        }
        let total: usize = self.rows.values().map(|t| t.cases).sum();
        for (row, _) in self.rows.iter().filter(|(_, t)| t.lacking) {
            let _ = writeln!(out, "{row}: not tried, {} lacks it", self.reference);
        }
        let _ = writeln!(
            out,
            "{} kinds, {total} cases against {}, {} kinds differ, {} known deviations seen",
            self.rows.len(),
            self.reference,
            bad.len(),
            self.known.iter().filter(|n| **n > 0).count()
        );
        (out, bad.is_empty() && self.wrong.is_empty())
    }
}

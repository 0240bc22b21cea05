//! Making a case that differs simpler, and printing it.

use crate::batch::{Batch, Case};
use crate::check::differences;
use crate::guest::Guest;
use crate::ours::{self, Player};
use crate::reference::Reference;
use crate::state::State;
use anyarch_harness::guests;
use std::fmt::Write;
use std::io;
use std::process::Command;

type Both<R> = Vec<(State<R>, Option<State<R>>)>;

fn both<G: Guest>(
    cases: &[Case<G>],
    player: &Player<G>,
    reference: &Reference,
) -> io::Result<Both<G::Registers>> {
    let batch = Batch::of(cases.to_vec());
    let image = batch.image()?;
    let theirs = batch.run(&image, reference)?;
    Ok(ours::run(&batch, &image, player)?.into_iter().zip(theirs).collect())
}

/// A simpler case that still differs: instructions of a sequence become NOPs and registers zero,
/// one after the other, as long as it does.
pub(crate) fn reduce<G: Guest>(
    case: &Case<G>,
    player: &Player<G>,
    reference: &Reference,
) -> io::Result<Case<G>> {
    type Change<R> = Box<dyn Fn(&mut State<R>)>;
    let mut changes: Vec<Change<G::Registers>> =
        vec![Box::new(|s| s.mid = [0; 256]), Box::new(|s| s.edge = [0; 64])];
    for change in G::simplifications() {
        changes.push(Box::new(move |s| change(&mut s.r)));
    }
    let with = |base: &Case<G>, change: &dyn Fn(&mut State<G::Registers>)| {
        let mut c = base.clone();
        change(&mut c.state);
        c
    };
    let fails = |cases: &[Case<G>]| -> io::Result<Vec<bool>> {
        let results = both(cases, player, reference)?;
        Ok(cases
            .iter()
            .zip(&results)
            .map(|(c, (o, t))| t.as_ref().is_some_and(|t| !differences(c, o, t).is_empty()))
            .collect())
    };
    let mut best = case.clone();
    // Each candidate needs a place of its own.
    for i in 0..if best.words.len() > 1 { best.words.len() } else { 0 } {
        let mut c = best.clone();
        c.words[i] = G::nop(c.state.pc, c.words[i]);
        if fails(std::slice::from_ref(&c))?[0] {
            best = c;
        }
    }
    let single: Vec<Case<G>> = changes.iter().map(|c| with(&best, c)).collect();
    let mut keep: Vec<usize> =
        fails(&single)?.iter().enumerate().filter(|(_, f)| **f).map(|(i, _)| i).collect();
    // Together they may hide it: then as many as do not.
    while !keep.is_empty() {
        let prefixes: Vec<Case<G>> = (1..=keep.len())
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

/// The case as text, with its differences.
pub(crate) fn describe<G: Guest>(
    case: &Case<G>,
    player: &Player<G>,
    reference: &Reference,
) -> io::Result<String> {
    let results = both(std::slice::from_ref(case), player, reference)?;
    let (ours, theirs) = &results[0];
    let mut out = format!("{} through {}\n", case.row, player.name);
    for (line, word) in disassemble::<G>(&case.words, case.state.pc).iter().zip(&case.words) {
        let _ = writeln!(out, "    {line}  ({})", G::row(case.state.pc, *word).unwrap_or("no row"));
    }
    let _ = writeln!(out, "  before: {}", G::print(&case.state.r));
    match theirs {
        None => out.push_str("  the other side crashed\n"),
        Some(theirs) => {
            for line in differences(case, ours, theirs) {
                let _ = writeln!(out, "  {line}");
            }
        }
    }
    Ok(out)
}

/// By objdump if it is there, else the bare words.
fn disassemble<G: Guest>(words: &[u32], pc: u64) -> Vec<String> {
    let bare = || words.iter().map(|w| format!("{w:08x}")).collect();
    let triple = guests::by_name(G::NAME).map_or("", |g| g.triple);
    let file = std::env::temp_dir().join(format!("oracle-{}.bin", std::process::id()));
    let bytes: Vec<u8> =
        words.iter().flat_map(|w| w.to_le_bytes().into_iter().take(G::length(pc, *w) as usize)).collect();
    if std::fs::write(&file, bytes).is_err() {
        return bare();
    }
    let out = Command::new(format!("{triple}-objdump"))
        .args(["-D", "-b", "binary", "-m", G::MACHINE, &format!("--adjust-vma={:#x}", G::address(pc))])
        .args(G::disassembler_options(pc))
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

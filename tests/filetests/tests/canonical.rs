//! Units are canonical ([`anyarch_engine::backend::UnitSpec`]): what was made before, and where, does
//! not show in their bytes.
//!
//! The text of real libraries is translated by the code cache several times, each time in another
//! order. Each unit that comes of it is then made alone, by a translator that knows nothing of any
//! other, from a copy of the text elsewhere and as far from it as the unit was, or (where the unit
//! says that its bytes depend on addresses) at its own place. The bytes must be the same but for
//! the fields that the cache patches. In a last order a part of the text is replaced after all was
//! translated, and all is translated again: units of the new text are like those that are made
//! alone of it.

use anyarch_engine::backend::{Backend, UnitKey};
use anyarch_engine::cache::{self, CACHE, Cache, Made};
use anyarch_engine::state::mode;
use anyarch_filetests::assemble::assemble;
use anyarch_filetests::memory::Mapping;
use anyarch_filetests::{ARCHS, Arch};
use anyarch_host_x86_64::backend;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Mutex;

/// How far from the text the code cache lies.
const CACHE_BEHIND: u64 = 0x1000_0000;
const CACHE_SIZE: usize = 0x1000_0000;

const PAGE: u64 = 4096;

/// The code cache is the process's.
static BUSY: Mutex<()> = Mutex::new(());

/// A unit as the cache made it.
struct Unit {
    key: UnitKey,
    host: u64,
    bytes: Vec<u8>,
}

static UNITS: Mutex<Vec<Unit>> = Mutex::new(Vec::new());

fn told(made: &Made<'_>) {
    if let Some(key) = made.key {
        let host = made.code.as_ptr() as u64;
        UNITS.lock().unwrap().push(Unit { key, host, bytes: made.code.to_vec() });
    }
}

/// Code, at a distance from where it is mapped, and places where it is entered.
struct Text {
    name: String,
    /// Units that are to come of it at least.
    units: usize,
    start: u64,
    bytes: Vec<u8>,
    functions: BTreeSet<u64>,
}

/// The executable segment of a library, and the functions in it that it exports.
fn library(guest: &Guest, name: &str) -> Text {
    let path = Path::new("/usr").join(guest.triple).join("lib").join(name);
    let path = path.as_path();
    let file = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let wide = file[4] == 2;
    // Where a field lies in a file of 32 bits, and in one of 64 bits.
    let at = |narrow: usize, of_wide: usize| if wide { of_wide } else { narrow };
    let word = if wide { 8 } else { 4 };
    let field = |at: usize, len: usize| {
        file[at..at + len].iter().rev().fold(0u64, |value, &byte| value << 8 | byte as u64)
    };
    let table = |place: usize, size: usize, count: usize| {
        let (at, size, count) = (field(place, word), field(size, 2), field(count, 2));
        (0..count).map(move |n| (at + n * size) as usize)
    };
    // Program headers: the one that is loaded and executable.
    let flags = |header: usize| field(header + at(24, 4), 4);
    let header = table(at(0x1c, 0x20), at(0x2a, 0x36), at(0x2c, 0x38))
        .find(|&header| field(header, 4) == 1 && flags(header) & 1 != 0);
    let header = header.unwrap_or_else(|| panic!("{} has code", path.display()));
    let (offset, start) = (field(header + at(4, 8), word) as usize, field(header + at(8, 16), word));
    let bytes = file[offset..offset + field(header + at(16, 32), word) as usize].to_vec();
    // Section headers: the symbols for dynamic linking.
    let symbols =
        table(at(0x20, 0x28), at(0x2e, 0x3a), at(0x30, 0x3c)).find(|&header| field(header + 4, 4) == 11);
    let symbols = symbols.unwrap_or_else(|| panic!("{} has symbols", path.display()));
    let first = field(symbols + at(16, 24), word) as usize;
    let size = field(symbols + at(20, 32), word) as usize;
    let function =
        |symbol: usize| (file[symbol + at(12, 4)] & 15 == 2).then(|| field(symbol + at(4, 8), word));
    let functions = (first..first + size).step_by(at(16, 24)).filter_map(function);
    let within = start..start + bytes.len() as u64;
    let functions = functions.filter(|f| within.contains(f)).collect();
    Text { name: format!("{name} of {}", guest.triple), units: 1000, start, bytes, functions }
}

/// Vector code, entered at every instruction.
fn vectors(guest: &Guest) -> Text {
    let code = [
        "vsetvli t0, a0, e32, m1, ta, ma",
        "1: vle32.v v8, (a1)",
        "vadd.vv v8, v8, v9",
        "vmul.vx v10, v8, a2",
        "vmseq.vv v0, v8, v10",
        "vmerge.vvm v11, v8, v10, v0",
        "vfadd.vv v12, v11, v8",
        "vse32.v v12, (a1)",
        "bnez a3, 1b",
        "vsetivli t0, 4, e64, m1, ta, ma",
        "vslideup.vi v13, v8, 1",
        "ret",
    ];
    let assembled = assemble(guest.arch, &[code.map(String::from).to_vec()]).unwrap();
    let functions = assembled.lines.keys().map(|at| at - guest.arch.code).collect();
    Text { name: "vectors".into(), units: code.len() - 2, start: 0, bytes: assembled.code, functions }
}

fn map(text: &Text, at: u64) -> Mapping {
    let start = text.start & !(PAGE - 1);
    let skip = (text.start - start) as usize;
    let len = (skip + text.bytes.len()).next_multiple_of(PAGE as usize);
    let mut mapping = Mapping::new(at + start, len).unwrap();
    mapping.bytes()[skip..][..text.bytes.len()].copy_from_slice(&text.bytes);
    mapping
}

/// A guest's part.
struct Guest {
    arch: &'static Arch,
    backend: &'static Backend,
    /// Whose libraries.
    triple: &'static str,
    /// Where the text lies, and how far from it (and from the cache) their counterparts are.
    text: u64,
    away: u64,
    /// What code is made for in some orders: a configuration of vectors.
    likely: u64,
}

impl Guest {
    fn cache(&self) -> u64 {
        self.text + CACHE_BEHIND
    }

    /// Forgets a cache with its memory.
    fn no_cache(&self) {
        // SAFETY: nothing runs in it.
        unsafe { libc::munmap(self.cache() as *mut _, CACHE_SIZE) };
    }
}

/// The addresses that code of the library can be entered at, found by following what units lead to.
fn entered(guest: &Guest, text: &Text, memory: &mut Mapping) -> Vec<u64> {
    const ENOUGH: usize = 40_000;
    let within = guest.text + text.start..guest.text + text.start + text.bytes.len() as u64;
    let mut lister = (guest.arch.lister)(memory.bytes());
    let mut found: BTreeSet<u64> = text.functions.iter().map(|f| guest.text + f).collect();
    let mut open: Vec<u64> = found.iter().copied().collect();
    while let Some(pc) = open.pop() {
        for exit in lister.unit(pc, 0, 0, true, 0).exits {
            if within.contains(&exit.target) && found.len() < ENOUGH && found.insert(exit.target) {
                open.push(exit.target);
            }
        }
    }
    found.into_iter().collect()
}

/// The order of a pseudo-random sequence.
fn shuffled(pcs: &[u64], seed: u64) -> Vec<u64> {
    let mut keyed: Vec<_> =
        pcs.iter().map(|&pc| ((pc ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15), pc)).collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, pc)| pc).collect()
}

/// Has the cache translate at these addresses in this order.
fn translate(guest: &Guest, text: &Text, memory: &mut Mapping, pcs: &[u64], run: &Run) -> Vec<Unit> {
    guest.no_cache();
    cache::init(guest.arch.guest, guest.backend, guest.cache(), CACHE_SIZE as u64).unwrap();
    let mut lock = CACHE.lock();
    let cache = lock.as_deref_mut().unwrap();
    cache.tell_units(told);
    let (start, end) =
        ((guest.text + text.start) & !(PAGE - 1), guest.text + text.start + text.bytes.len() as u64);
    cache.map_exec(start, end.next_multiple_of(PAGE));
    for page in (start..end).step_by(PAGE as usize).filter(|page| run.hole == Some(page / PAGE % 2)) {
        cache.unmap_exec(page, page + PAGE);
    }
    let translate_all = |cache: &mut Cache| {
        for (n, &pc) in pcs.iter().enumerate() {
            cache.likely = if n % 3 == run.likely { guest.likely } else { 0 };
            let _ = cache.entry(pc, run.mode);
        }
    };
    translate_all(cache);
    if run.changes {
        UNITS.lock().unwrap().clear();
        for page in replace(guest, text, memory) {
            cache.announced(start + page, start + page + PAGE, std::ptr::null());
        }
        translate_all(cache);
    }
    drop(lock);
    guest.no_cache();
    std::mem::take(&mut UNITS.lock().unwrap())
}

/// Puts an instruction that does nothing in the place of the first one of each function in every
/// third page; these pages, from the memory's beginning.
fn replace(guest: &Guest, text: &Text, memory: &mut Mapping) -> BTreeSet<u64> {
    let start = text.start & !(PAGE - 1);
    let mut pages = BTreeSet::new();
    for function in text.functions.iter().filter(|&f| f / PAGE % 3 == 1) {
        let at = (function & !1) - start;
        let code = &mut memory.bytes()[at as usize..];
        let nothing: &[u8] = match (guest.arch.guest.name, function & 1) {
            ("aarch64", _) => &[0x1f, 0x20, 0x03, 0xd5],
            ("riscv64", _) if code[0] & 3 != 3 => &[0x01, 0x00],
            ("riscv64", _) => &[0x13, 0x00, 0x00, 0x00],
            ("arm", 0) => &[0x00, 0xf0, 0x20, 0xe3],
            ("arm", _) if code[1] < 0xe8 => &[0x00, 0xbf],
            ("arm", _) => &[0xaf, 0xf3, 0x00, 0x80],
            (name, _) => panic!("{name}: an instruction that does nothing"),
        };
        code[..nothing.len()].copy_from_slice(nothing);
        pages.insert(at & !(PAGE - 1));
    }
    pages
}

/// How a library is translated.
struct Run {
    mode: u32,
    /// Which addresses are translated where the guest's vectors have a configuration, of each
    /// three.
    likely: usize,
    /// The even pages or the odd ones may not be executed, so that functions there are not taken
    /// in.
    hole: Option<u64>,
    /// A part of the text is replaced meanwhile ([`replace`]). Units made before that do not count.
    changes: bool,
}

/// What occurred in all checks.
#[derive(Debug, Default)]
struct Seen {
    likely: usize,
    not_inlining: usize,
    absolute: usize,
    elsewhere: usize,
    changed: usize,
}

fn check(guest: &Guest, text: &Text, seen: &mut Seen) {
    let library = &text.name;
    let (mut memory, mut counterpart) = (map(text, guest.text), map(text, guest.text + guest.away));
    let mut alone = Mapping::new(guest.cache() + guest.away, CACHE_SIZE).unwrap();
    let pcs = entered(guest, text, &mut alone);
    let descending: Vec<u64> = pcs.iter().rev().copied().collect();
    let run = |pcs: Vec<u64>, mode, likely, hole| (pcs, Run { mode, likely, hole, changes: false });
    let changing = Run { mode: mode::EXACT, likely: 0, hole: None, changes: true };
    let runs = [
        run(pcs.clone(), mode::EXACT, 0, None),
        run(descending, mode::EXACT, 1, None),
        run(shuffled(&pcs, 1), mode::EXACT, 2, Some(0)),
        run(shuffled(&pcs, 2), mode::EXACT, 0, Some(1)),
        run(shuffled(&pcs, 3), mode::OTHER | mode::RESTRICTED, 1, None),
        // The last one: the text is another one afterwards.
        (shuffled(&pcs, 4), changing),
    ];
    let mut orders: HashMap<u64, usize> = HashMap::new();
    for (n, (pcs, run)) in runs.iter().enumerate() {
        let units = translate(guest, text, &mut memory, pcs, run);
        let enough = if run.hole.is_none() && !run.changes { text.units } else { 0 };
        let changed = if run.changes { replace(guest, text, &mut counterpart).len() } else { 0 };
        let changed_before = seen.changed;
        assert!(units.len() >= enough, "{library}: {} units of {} addresses", units.len(), pcs.len());
        let mut in_place = Mapping::new(guest.cache(), CACHE_SIZE).unwrap();
        let mut elsewhere = (guest.arch.lister)(alone.bytes());
        let mut here = (guest.arch.lister)(in_place.bytes());
        for unit in &units {
            let UnitKey { pc, likely, inlines, knows_page, is_checked, absolute, .. } = unit.key;
            assert!((knows_page || run.changes) && !is_checked, "{library}: {:?}", unit.key);
            let (lister, away) = if absolute { (&mut here, 0) } else { (&mut elsewhere, guest.away) };
            let key = UnitKey { pc: pc + away, ..unit.key };
            let made = lister.unit_of(&key, (unit.host - guest.cache()) as usize);
            let mut bytes = [&unit.bytes, &made.bytes].map(|bytes| bytes.clone());
            let fields = made.exits.iter().map(|exit| exit.site..exit.site + 4);
            for field in fields.chain(made.locked.iter().map(|&at| at..at + 1)) {
                bytes.iter_mut().filter_map(|bytes| bytes.get_mut(field.clone())).for_each(|f| f.fill(0));
            }
            let [by_cache, by_itself] = bytes;
            let differs = by_cache.iter().zip(&by_itself).position(|(a, b)| a != b);
            assert!(
                by_cache == by_itself,
                "{library}, order {n}: {:x?}, {} bytes at {:#x}, alone {} bytes, first difference {differs:?}",
                unit.key,
                by_cache.len(),
                unit.host,
                by_itself.len(),
            );
            seen.likely += (likely != 0) as usize;
            seen.not_inlining += !inlines as usize;
            seen.changed += !knows_page as usize;
            *(if absolute { &mut seen.absolute } else { &mut seen.elsewhere }) += 1;
            *orders.entry(pc).or_default() += 1;
        }
        let units_of_changed = seen.changed - changed_before;
        assert!(units_of_changed >= changed, "{library}: {units_of_changed} units of {changed} pages");
    }
    let often = orders.values().filter(|&&n| n > 1).count();
    assert!(often >= text.units / 2, "{library}: {often} units in more than one order");
}

fn guest(name: &str) -> Guest {
    let arch = ARCHS.iter().find(|arch| arch.guest.name == name).unwrap();
    static AARCH64: Backend = backend::<anyarch_aarch64::Instructions>();
    static RISCV64: Backend = backend::<anyarch_riscv64::Instructions>();
    static ARM: Backend = backend::<anyarch_arm::Instructions>();
    let backend = match name {
        "aarch64" => &AARCH64,
        "riscv64" => &RISCV64,
        _ => &ARM,
    };
    let (text, away) = match arch.guest.address_bits {
        32 => (0x1000_0000, 0x4000_0000),
        _ => (0x5800_0000_0000, 0x1_0000_0000),
    };
    Guest { arch, backend, triple: arch.triple, text, away, likely: arch.rows[0].likely }
}

const LIBRARIES: [&str; 3] = ["libc.so.6", "libm.so.6", "libstdc++.so.6"];

#[test]
fn aarch64() {
    let _busy = BUSY.lock().unwrap_or_else(|e| e.into_inner());
    let (guest, mut seen) = (guest("aarch64"), Seen::default());
    for name in LIBRARIES {
        check(&guest, &library(&guest, name), &mut seen);
    }
    assert!(seen.not_inlining > 0 && seen.absolute == 0, "{seen:?}");
}

#[test]
fn riscv64() {
    let _busy = BUSY.lock().unwrap_or_else(|e| e.into_inner());
    let (guest, mut seen) = (guest("riscv64"), Seen::default());
    for name in LIBRARIES {
        check(&guest, &library(&guest, name), &mut seen);
    }
    check(&guest, &vectors(&guest), &mut seen);
    assert!(seen.likely > 0 && seen.not_inlining > 0 && seen.absolute == 0, "{seen:?}");
}

/// armhf's libraries are T32, armel's A32.
#[test]
fn arm() {
    let _busy = BUSY.lock().unwrap_or_else(|e| e.into_inner());
    let (mut guest, mut seen) = (guest("arm"), Seen::default());
    for triple in ["arm-linux-gnueabihf", "arm-linux-gnueabi"] {
        guest.triple = triple;
        for name in LIBRARIES {
            check(&guest, &library(&guest, name), &mut seen);
        }
    }
    // Addresses below 4 GiB are in the code as they are: in link registers, above all.
    assert!(seen.absolute > 0 && seen.elsewhere > 0, "{seen:?}");
    println!("{seen:?}");
}

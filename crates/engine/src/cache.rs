//! The code cache of the process: units of generated code, how they are found, chained and thrown
//! away.
//!
//! One cache serves all threads of an address space under one mutex; generated code itself takes no
//! lock. Threads keep a small lookup table each for indirect transfers.
//!
//! **Invalidation.** A unit is never overwritten while the cache is in use. To take it out: its
//! entries leave the map, the jumps chained to it go back to their stubs
//! ([`Generator::patch`](crate::backend::Generator), which other threads see as a whole), every
//! thread's lookup table is cleared, and return addresses into it on the shadow stacks are made to
//! mismatch.
//!
//! **When it is full.** The cache consists of regions, one of which is being filled. When that is
//! full its code dies as a whole (a *generation* ends) and another region becomes the current one.
//! The same happens when most of the code has been taken out, as programs do that generate code all
//! the time: what is left is translated again, and memory does not grow with the number of
//! invalidations. Nothing leads into dead code any more, so threads leave it soon, but for those
//! that wait in a system call made from it. Each thread tells in `seen` the generation whose code
//! it may be in ([`NOWHERE`] outside generated code): it sets that before it looks for an entry and
//! looks again if the generation has changed meanwhile, so it is in code of no other generation. A
//! region gives its memory back, and is filled anew, only when no thread is in the generation that
//! it held. If all others are held, code is interpreted until one is free. When a thread notices a
//! new generation it empties its shadow stack, which may hold returns into dead code.

mod announced;
mod code;
mod entries;
mod invalidate;
mod pages;
mod regions;
mod threads;

pub use crate::marks::{FlagState, InsnMark};
pub(crate) use announced::drop_stale;
pub use code::Origin;

use crate::backend::{
    self, Backend, Draft, Finished, Generator, UNIT_ROOM, UnitKey, UnitMaker, UnitSpec, Way,
};
use crate::guest::Guest;
use crate::hash::PcHash;
use crate::ranges::RangeSet;
use crate::reservations;
use crate::shared::Views;
use crate::state::Cpu;
use crate::targets::NO_TARGETS;
use crate::thread::{LOOKUPS, NOWHERE, Thread};
use alloc::boxed::Box;
use alloc::vec::Vec;
use anyarch_sys::raw::general::*;
use anyarch_sys::{Mutex, calls, footprint, mappings};
use code::{Code, Unit};
use core::sync::atomic::{AtomicU64, Ordering};
use entries::Entries;
use hashbrown::HashMap;
pub use pages::Pages;
use regions::{DEAD_MIN, FREE, Region};

/// Where generated code for a guest address can be entered.
#[derive(Clone, Copy)]
pub struct Entry {
    /// Host offset.
    pub host: u32,
    unit: u32,
}

/// Guest code within one page that a unit was made from. A unit has one or, where it took in code
/// from elsewhere, several.
struct Source {
    start: u64,
    len: u32,
    unit: u32,
    next_in_page: u32,
}

/// The generation whose code is being made.
pub(crate) static GENERATION: AtomicU64 = AtomicU64::new(1);
/// Counts what has ceased to be executable.
pub(crate) static EXEC_CHANGES: AtomicU64 = AtomicU64::new(0);

/// A chained jump: the one at `site` goes to an entry of a unit; `stub` is where it went before.
struct Link {
    site: u32,
    stub: u32,
    next: u32,
}

const NIL: u32 = u32::MAX;

/// Units that the cache's tables have room for from the start. Room that nobody has touched costs
/// no memory, and a table that grows is copied to pages that are new again.
const ROOM: usize = 32 << 10;

/// Generated code, as [`crate::run::tell_units`] has it told.
#[derive(Clone, Copy, Debug)]
pub struct Made<'a> {
    /// What the unit is; `None` for the glue, which all units share.
    pub key: Option<UnitKey>,
    /// Its host code where it lies. Jumps of it may be patched later.
    pub code: &'a [u8],
    /// How often executable guest memory has changed: a mapping known at the same number is still
    /// there.
    pub changes: u64,
}

/// Counters for the project's own measurements.
#[derive(Clone, Copy, Default, Debug)]
pub struct Stats {
    /// Units translated.
    pub units: u64,
    /// Guest instructions translated.
    pub insns: u64,
    /// Of these, those that are part of the step of one before them.
    pub covered: u64,
    /// Host bytes emitted, stubs included.
    pub bytes: u64,
    /// Nanoseconds spent in translation (only when timing is on).
    pub nanos: u64,
    /// Times a region was full.
    pub flushes: u64,
    /// Exits to the run loop to chain a jump.
    pub chains: u64,
    /// Exits to the run loop for a lookup.
    pub lookups: u64,
}

/// What makes code.
struct Host {
    generator: &'static Generator,
    maker: Box<dyn UnitMaker>,
}

/// The cache.
pub struct Cache {
    pub(crate) guest: &'static Guest,
    base: *mut u8,
    end: *mut u8,
    /// End of the current region.
    limit: *mut u8,
    at: *mut u8,
    committed: *mut u8,
    /// End of what all units share, which is at the cache's start.
    glue_end: *const u8,
    host: Option<Host>,
    draft: Draft,
    entries: Entries,
    code: Code,
    regions: Vec<Region>,
    current: usize,
    /// There may be regions that hold a dead generation.
    holds_dead: bool,
    /// Bytes of units taken out of the current generation, and how many there may be before it is
    /// looked at.
    dead_bytes: usize,
    dead_limit: usize,
    /// Bytes of code that a generation may have, and who is asked for the memory that bounds them
    /// once there is much code.
    share: usize,
    memory: Option<fn() -> u64>,
    links: Vec<Link>,
    free_links: u32,
    /// The units' direct calls: the place to patch and its stub.
    calls: Vec<(u32, u32)>,
    sources: Vec<Source>,
    /// The first source in each page.
    pages: HashMap<u64, u32, PcHash>,
    targets: Pages,
    /// Empty, for what [`Cache::invalidate`] collects: units, and their pages.
    dead: Vec<u32>,
    pruned: Vec<u64>,
    exec: RangeSet,
    /// How often that has changed, for [`Made`].
    changes: u64,
    /// Who is told of each unit.
    told: Option<fn(&Made<'_>)>,
    /// What the guest's mappings show.
    pub(crate) views: Views,
    threads: Vec<*mut Thread>,
    /// Threads that have ended, for reuse. They stay registered, so that their lookup tables stay
    /// right.
    idle: Vec<*mut Thread>,
    /// The scratch places, at the end of the cache: who is in them, or null.
    scratch: [*const Thread; SCRATCH_PLACES],
    /// Counters.
    pub stats: Stats,
    /// Whether to measure time.
    pub timing: bool,
    /// What [`crate::ops::Ops::likely`] begins with in units translated from now on.
    pub likely: u64,
}

// SAFETY: raw pointers into memory that the cache alone manages, under its mutex.
unsafe impl Send for Cache {}

/// An entry's key: no code has an address so high that its three upper bits matter. (Low bits
/// would: instructions may begin at every second byte.)
fn key(pc: u64, mode: u32) -> u64 {
    pc ^ (mode as u64) << 61
}

/// The process's cache; created by [`init`]. It lies where the other locks are that a fork takes,
/// among what is initialized: parent and child copy each page that they write.
#[unsafe(link_section = ".data")]
pub static CACHE: Mutex<Option<Box<Cache>>> = Mutex::new(None);

static BASE: AtomicU64 = AtomicU64::new(0);
static END: AtomicU64 = AtomicU64::new(0);

/// The code cache's range, (0, 0) before it exists.
pub fn bounds() -> (u64, u64) {
    (BASE.load(Ordering::Relaxed), END.load(Ordering::Relaxed))
}

/// Whether a host address lies in the code cache. Takes no lock: the bounds never change once set.
pub fn has(host: u64) -> bool {
    let (base, end) = bounds();
    host >= base && host < end
}

/// So many ranges that a unit's maker looked at are told apart; of more, all between them counts.
const MOST_LOOKS: usize = 8;
/// Bytes whose pages are asked for at a time: short programs are not to pay for many that they do
/// not fill.
const CHUNK: usize = 16 << 10;
/// So much at least is asked for in advance: few units are longer.
const AHEAD: usize = 4 << 10;

/// Scratch places.
const SCRATCH_PLACES: usize = 16;
/// Bytes of a scratch place: see [`Cache::take_scratch`].
pub const SCRATCH_SIZE: usize = 4096;

/// Regions of the cache, and the size of one at least.
const REGIONS: usize = 8;
const REGION_MIN: usize = 256 << 10;

/// Units begin at multiples of this.
const UNIT_ALIGN: u32 = 64;

/// Creates the cache for a guest, its code at [base, base + size), and makes `backend` the
/// process's. A backend that generates no code gets none of that memory.
///
/// # Errors
/// The host kernel's errno when the memory cannot be had.
pub fn init(
    guest: &'static Guest,
    backend: &'static Backend,
    base: u64,
    size: u64,
) -> Result<(), anyarch_sys::Errno> {
    backend::choose(backend);
    reservations::kept_by(&threads::KEEPER);
    let (generator, size) = match &backend.way {
        Way::Generated(generator) => (Some(generator), size),
        Way::Interpreted(_) => (None, 0),
    };
    let mut at = core::ptr::null_mut();
    if generator.is_some() {
        // SAFETY: a fresh mapping at a place reserved for it.
        at = unsafe {
            footprint::map(
                base,
                size,
                PROT_READ | PROT_WRITE | PROT_EXEC,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | if base == 0 { 0 } else { MAP_FIXED_NOREPLACE },
            )?
        } as *mut u8;
        footprint::populate(at, 2 * CHUNK);
    }
    let end = at.wrapping_add(size as usize);
    let (host, start) = match generator {
        Some(generator) => {
            let (maker, start) = (generator.open)(at, end);
            (Some(Host { generator, maker }), start)
        }
        None => (None, at),
    };
    let count = (size as usize / REGION_MIN).clamp(2, REGIONS);
    let last = end.wrapping_sub(if generator.is_some() { SCRATCH_PLACES * SCRATCH_SIZE } else { 0 });
    let regions: Vec<Region> = (0..count)
        .map(|i| Region {
            start: if i == 0 { start } else { at.wrapping_add(size as usize / count * i) },
            end: last.min(at.wrapping_add(size as usize / count * (i + 1))),
            generation: FREE,
            dead: Code::default(),
            committed: core::ptr::null_mut(),
        })
        .collect();
    BASE.store(at as u64, Ordering::Relaxed);
    END.store(end as u64, Ordering::Relaxed);
    *CACHE.lock() = Some(Box::new(Cache {
        guest,
        base: at,
        end,
        limit: regions[0].end,
        at: start,
        committed: at.wrapping_add(2 * CHUNK),
        glue_end: start,
        host,
        draft: Draft::default(),
        entries: Entries::first(),
        code: Code::new(),
        regions,
        current: 0,
        holds_dead: false,
        dead_bytes: 0,
        dead_limit: DEAD_MIN,
        share: usize::MAX,
        memory: None,
        links: Vec::with_capacity(ROOM),
        free_links: NIL,
        calls: Vec::with_capacity(ROOM),
        sources: Vec::with_capacity(2 * ROOM),
        pages: HashMap::with_hasher(PcHash),
        targets: Pages::default(),
        dead: Vec::new(),
        pruned: Vec::new(),
        exec: RangeSet::new(),
        changes: 0,
        told: None,
        views: Views::new(),
        threads: Vec::new(),
        idle: Vec::new(),
        scratch: [core::ptr::null(); SCRATCH_PLACES],
        stats: Stats::default(),
        timing: false,
        likely: 0,
    }));
    Ok(())
}

/// Why there is no code for a guest address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoCode {
    /// Fetching it faults: signal, si_code, address.
    Fetch(i32, i32, u64),
    /// The cache is full and cannot be emptied now, or the backend makes none: interpret.
    Full,
}

impl Cache {
    /// Host code at an offset.
    pub fn host(&self, offset: u32) -> *const u8 {
        self.base.wrapping_add(offset as usize)
    }

    fn offset(&self, p: *const u8) -> u32 {
        (p as usize - self.base as usize) as u32
    }

    /// The entry for a guest address, translating if needed.
    ///
    /// # Errors
    /// See [`NoCode`].
    pub fn entry(&mut self, pc: u64, mode: u32) -> Result<Entry, NoCode> {
        if let Some(entry) = self.entries.get(key(pc, mode)) {
            return Ok(entry);
        }
        self.translate(pc, mode)
    }

    fn translate(&mut self, pc: u64, mode: u32) -> Result<Entry, NoCode> {
        self.check_fetch(pc)?;
        if self.host.is_none() {
            return Err(NoCode::Full);
        }
        self.make_room()?;
        let start_time = if self.timing { calls::monotonic_nanoseconds() } else { 0 };
        while (self.committed as usize) < self.at as usize + AHEAD && self.committed < self.limit {
            let len = CHUNK.min(self.limit as usize - self.committed as usize);
            footprint::populate(self.committed, len);
            self.committed = self.committed.wrapping_add(len);
        }
        // At the start of a cache line: loops run evenly fast, and padding within the unit does not
        // depend on where it lies.
        let at = self.at.wrapping_add(self.at.align_offset(UNIT_ALIGN as usize));
        let start = self.guest.address(pc);
        let copy = self.copy_to_check(start);
        // A copy may be of text that is changing.
        let targets = if copy.is_some() { None } else { self.targets.of(self.guest, pc) };
        let knows_page = targets.is_some();
        let targets = targets.unwrap_or(&NO_TARGETS);
        let (end, likely) = (self.limit, self.likely);
        let mut spec = UnitSpec { pc, mode, at, end, likely, targets, copy: copy.as_ref(), inlines: true };
        let Some(Host { maker, .. }) = &mut self.host else { return Err(NoCode::Full) };
        let mut finished = maker.make(&spec, &mut self.draft);
        // A checked unit takes nothing in.
        let (exec, views) = (&self.exec, &self.views);
        let may_be_used = |at: u64| exec.contains(at) && !views.is_shared(at);
        if copy.is_none() && !self.draft.sources.iter().all(|&(at, _)| may_be_used(at)) {
            spec.inlines = false;
            finished = maker.make(&spec, &mut self.draft);
        }
        let inlines = spec.inlines;
        let Finished { host_end, guest_end, check, .. } = finished;
        let host = self.offset(at);
        let index = self.code.units.len() as u32;
        let first_mark = self.code.marks.len() as u32;
        let sources = self.sources.len() as u32;
        let (own, elsewhere) = ((start, self.draft.looked_to), &mut self.draft.looked);
        elsewhere.retain(|&(from, to)| from < own.0 || to > own.1);
        if elsewhere.len() > MOST_LOOKS {
            let (from, to) = elsewhere.iter().fold((u64::MAX, 0), |a, b| (a.0.min(b.0), a.1.max(b.1)));
            elsewhere.clear();
            elsewhere.push((from, to));
        }
        for &(start, end) in core::iter::once(&own).chain(&self.draft.sources).chain(&self.draft.looked) {
            let next_in_page = self.pages.insert(start >> 12, self.sources.len() as u32).unwrap_or(NIL);
            self.sources.push(Source { start, len: (end - start) as u32, unit: index, next_in_page });
        }
        let calls = self.calls.len() as u32;
        for e in self.draft.exits.iter().filter(|e| e.is_call) {
            self.calls.push((self.offset(e.site), self.offset(e.stub)));
        }
        self.code.turns.extend(self.draft.turns.iter().map(|&(mark, pc)| (first_mark + mark, pc)));
        self.code.units.push(Unit {
            pc,
            start,
            guest_len: (guest_end - start) as u32,
            host,
            host_end: self.offset(host_end),
            marks: first_mark,
            cold: self.code.cold.len() as u32,
            cold_len: self.draft.cold_marks.len() as u16,
            count: self.draft.marks.len() as u16,
            check: check as u16,
            sources,
            calls,
            links: NIL,
            source_count: (self.sources.len() as u32 - sources) as u8,
            mode: mode as u8,
            alive: true,
            calls_out: self.draft.calls_out,
            call_count: (self.calls.len() as u32 - calls) as u16,
        });
        self.code.marks.extend_from_slice(&self.draft.marks);
        self.code.cold.extend_from_slice(&self.draft.cold_marks);
        let base = self.base as usize;
        self.code.locked.extend(self.draft.locked.iter().map(|&at| (at as usize - base) as u32));
        if reservations::watching() {
            self.watch(&self.draft.locked);
        } else if self.draft.reserves {
            self.watch_reservations();
        }
        for &(entry_pc, offset) in &self.draft.entries {
            let entry = Entry { host: host + offset, unit: index };
            self.entries.add(key(entry_pc, mode), entry);
        }
        #[cfg(debug_assertions)]
        self.check_readable();
        self.stats.units += 1;
        self.stats.insns += self.draft.marks.len() as u64;
        self.stats.covered += self.draft.covered as u64;
        self.stats.bytes += host_end as u64 - at as u64;
        self.at = host_end;
        // Jumps whose targets are known go there at once.
        let exits = core::mem::take(&mut self.draft.exits);
        for e in &exits {
            if let Some(target) = self.entries.get(key(e.target, mode)) {
                let (site, stub) = (self.offset(e.site), self.offset(e.stub));
                self.link(site, stub, target);
            }
        }
        self.draft.exits = exits;
        if self.timing {
            self.stats.nanos += calls::monotonic_nanoseconds() - start_time;
        }
        if self.told.is_some() {
            let Draft { asked_likely, absolute, .. } = self.draft;
            let likely = if asked_likely { self.likely } else { 0 };
            let key = UnitKey { pc, mode, likely, inlines, knows_page, is_checked: check != 0, absolute };
            self.tell(Some(key), at, host_end);
        }
        Ok(Entry { host, unit: index })
    }

    /// From now on `told` is told of each unit; of the glue at once.
    pub fn tell_units(&mut self, told: fn(&Made<'_>)) {
        self.told = Some(told);
        self.tell(None, self.base, self.glue_end);
    }

    #[cold]
    fn tell(&self, key: Option<UnitKey>, start: *const u8, end: *const u8) {
        let Some(told) = self.told else { return };
        // SAFETY: code of the cache from its first byte to its last, in order. It is patched only
        // under the cache's lock, which is held.
        let code = unsafe { core::slice::from_raw_parts(start, end as usize - start as usize) };
        told(&Made { key, code, changes: self.changes });
    }

    /// The host code of the unit just made can be read back, from each instruction's first byte to
    /// its last.
    #[cfg(debug_assertions)]
    fn check_readable(&self) {
        let (Some(u), Some(Host { generator, .. })) = (self.code.units.last(), &self.host) else { return };
        let mut at = u.host;
        while let Some(Origin::Insn { code: (start, end), pc, .. }) = self.code.origin(at) {
            let (from, to) = (self.host(start) as u64, self.host(end) as u64);
            assert!((generator.is_readable)(from, to), "host code of the instruction at {pc:#x}");
            at = end;
        }
    }

    /// Points the jump at `site` (offsets) at an entry.
    pub fn chain(&mut self, site: u32, stub: u32, target: Entry) {
        // A jump of dead code is left as it is: its bytes may be another's by the time the target
        // dies, and calls are to come to `Thread::chain`.
        if self.is_current(site) && (self.dead_bytes == 0 || self.is_alive(site)) {
            self.link(site, stub, target);
        }
    }

    fn link(&mut self, site: u32, stub: u32, target: Entry) {
        self.patch(site, target.host);
        let next = self.code.units[target.unit as usize].links;
        let link = Link { site, stub, next };
        let index = if self.free_links != NIL {
            let i = self.free_links;
            self.free_links = self.links[i as usize].next;
            self.links[i as usize] = link;
            i
        } else {
            self.links.push(link);
            self.links.len() as u32 - 1
        };
        self.code.units[target.unit as usize].links = index;
    }

    fn patch(&mut self, site: u32, target: u32) {
        let Some(Host { generator, .. }) = &self.host else { return };
        // SAFETY: `site` is a jump of a unit that was made.
        unsafe { (generator.patch)(self.base.add(site as usize), self.host(target)) };
    }

    fn unit_at(&self, host: u32) -> Option<u32> {
        self.code.unit_at(host)
    }

    /// Whether a host address lies in the glue.
    pub fn in_glue(&self, host: u64) -> bool {
        (self.base as u64..self.glue_end as u64).contains(&host)
    }

    /// Whether a host address lies in a unit that has not been taken out.
    pub(crate) fn is_alive(&self, offset: u32) -> bool {
        self.unit_at(offset).is_some_and(|u| self.code.units[u as usize].alive)
    }

    /// Whether a host address lies in the region being filled.
    fn is_current(&self, offset: u32) -> bool {
        let region = &self.regions[self.current];
        (region.start as *const u8..region.end as *const u8).contains(&self.host(offset))
    }

    /// What is at a host address. For a return address pass the address less one and ignore
    /// `at_start`.
    pub fn origin(&self, host: u64) -> Origin {
        if host < self.base as u64 || host >= self.end as u64 {
            return Origin::Outside;
        }
        let offset = (host - self.base as u64) as u32;
        core::iter::once(&self.code)
            .chain(self.regions.iter().map(|r| &r.dead))
            .find_map(|code| code.origin(offset))
            .unwrap_or(Origin::Glue)
    }

    /// Whether an instruction may be fetched from `pc`.
    ///
    /// # Errors
    /// The signal that the guest gets instead.
    pub(crate) fn check_fetch(&mut self, pc: u64) -> Result<(), NoCode> {
        const SIGBUS: i32 = 7;
        const BUS_ADRALN: i32 = 1;
        let place = pc;
        let pc = self.guest.address(place);
        if pc & self.guest.pc_align_mask != 0 {
            return Err(NoCode::Fetch(SIGBUS, BUS_ADRALN, pc));
        }
        self.check_page(pc)?;
        // An instruction of four bytes may reach into the next page.
        if pc & 4095 > 4092 && (self.guest.peek)(place).is_none() {
            self.check_page((pc | 4095) + 1)?;
        }
        Ok(())
    }

    fn check_page(&mut self, pc: u64) -> Result<(), NoCode> {
        const SIGSEGV: i32 = 11;
        const SEGV_MAPERR: i32 = 1;
        const SEGV_ACCERR: i32 = 2;
        if !self.exec.contains(pc) {
            let mut byte = [0u8; 1];
            let code = match anyarch_sys::load_bytes(pc, &mut byte) {
                Ok(()) => SEGV_ACCERR,
                Err(f) if f.code == SEGV_ACCERR => SEGV_ACCERR,
                Err(_) => SEGV_MAPERR,
            };
            return Err(NoCode::Fetch(SIGSEGV, code, pc));
        }
        match anyarch_sys::load_once(pc, 1) {
            Ok(_) => Ok(()),
            Err(f) => Err(NoCode::Fetch(f.signo, f.code, pc)),
        }
    }
}

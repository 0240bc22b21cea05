//! The code cache of the process: units of generated code, how they are found, chained and thrown away.
//!
//! One cache serves all threads of an address space under one mutex; generated code itself takes no lock. Threads keep a small
//! lookup table each for indirect transfers.
//!
//! **Invalidation.** A unit is never overwritten while the cache is in use. To take it out: its entries leave the map, the jumps
//! chained to it go back to their stubs ([`Generator::patch`](crate::backend::Generator), which
//! other threads see as a whole), every thread's lookup table is cleared, and return addresses into
//! it on the shadow stacks are made to mismatch.
//!
//! **When it is full.** The cache consists of regions, one of which is being filled. When that is full its code dies as a whole (a *generation* ends) and
//! another region becomes the current one. The same happens when most of the code has been taken out, as programs do that generate code all the time:
//! what is left is translated again, and memory does not grow with the number of invalidations. Nothing leads into dead code any more, so threads leave it soon, but for those that wait in a system call
//! made from it. Each thread tells in `seen` the generation whose code it may be in ([`NOWHERE`] outside generated code): it sets that before it looks for
//! an entry and looks again if the generation has changed meanwhile, so it is in code of no other generation. A region gives its memory back, and is
//! filled anew, only when no thread is in the generation that it held. If all others are held, code is interpreted until one is free. When a thread notices a new generation it empties
//! its shadow stack, which may hold returns into dead code.

mod entries;
mod regions;

use crate::backend::{self, Backend, Draft, Finished, Generator, Order, UNIT_ROOM, UnitKey, UnitMaker, Way};
use crate::ranges::RangeSet;
use crate::reservations;
use crate::run::{Guest, LOOKUPS, Thread};
use crate::shared::Views;
use crate::state::Cpu;
use alloc::boxed::Box;
use alloc::vec::Vec;
use anyarch_sys::raw::general::*;
use anyarch_sys::{Mutex, footprint, syscall};
use core::sync::atomic::{AtomicU64, Ordering};
use entries::Entries;
use hashbrown::HashMap;
use regions::{DEAD_MIN, FREE, Region};

/// Where NZCV are: in memory or dead ([`FlagState::MEMORY`]), or in one of three places that are
/// the host's to know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlagState(u8);

impl FlagState {
    /// In memory, or dead.
    pub const MEMORY: FlagState = FlagState(0);

    /// By the host's number, 1 to 3; zero is [`FlagState::MEMORY`].
    #[inline(always)]
    pub const fn new(number: u8) -> FlagState {
        FlagState(number & 3)
    }

    /// The number.
    pub const fn number(self) -> u8 {
        self.0
    }
}

/// What the fault map knows of one guest instruction: its host bytes, whether it has two bytes (else four), and where NZCV are at its start and
/// when it faults. An instruction with more host bytes than a mark can say has several marks. Several instructions translated as one *step* have the host
/// bytes in the first one's mark, the others' marks are [`InsnMark::covered`]: a step that faults counts as not begun, and its first
/// instruction is then interpreted, so that the fault is that of the instruction that raises it.
#[derive(Clone, Copy)]
pub struct InsnMark(u16);

impl InsnMark {
    /// As host length: these bytes and those of the next mark.
    const MORE: usize = 2047;

    /// Adds the marks of an instruction: host length, two guest bytes, flag states.
    #[inline]
    pub fn push(to: &mut Vec<InsnMark>, len: usize, short: bool, start: FlagState, fault: FlagState) {
        let state = (start.0 as u16) << 12 | (fault.0 as u16) << 14;
        let mut rest = len;
        while rest >= Self::MORE {
            to.push(InsnMark(Self::MORE as u16 | state));
            rest -= Self::MORE;
        }
        to.push(InsnMark(rest as u16 | (short as u16) << 11 | state));
    }

    /// The mark of an instruction that is part of the step before. (An instruction of no bytes
    /// cannot fault with flags in a place of the host's.)
    pub fn covered(short: bool) -> InsnMark {
        InsnMark((short as u16) << 11 | 3 << 14)
    }

    /// It is one.
    pub fn is_covered(self) -> bool {
        self.0 & !(1 << 11) == Self::covered(false).0
    }

    /// The next mark is of the same instruction.
    pub fn is_more(self) -> bool {
        self.host_len() == Self::MORE as u32
    }

    /// Host bytes.
    pub fn host_len(self) -> u32 {
        (self.0 & 2047) as u32
    }

    /// Guest bytes: 2 or 4, or none if there are more marks of the instruction.
    pub fn guest_len(self) -> u64 {
        match self.0 {
            _ if self.is_more() => 0,
            m if m & 2048 != 0 => 2,
            _ => 4,
        }
    }

    /// Flag state at its start.
    pub fn at_start(self) -> FlagState {
        FlagState::new((self.0 >> 12) as u8)
    }

    /// Flag state where it may fault.
    pub fn at_fault(self) -> FlagState {
        FlagState::new((self.0 >> 14) as u8)
    }
}

/// One unit. The lengths of its guest instructions are in their marks.
struct Unit {
    /// Of its first instruction.
    pc: u64,
    /// The address of that.
    start: u64,
    guest_len: u32,
    host: u32,
    host_end: u32,
    marks: u32,
    cold: u32,
    cold_len: u16,
    count: u16,
    /// Host bytes of the check that it begins with (see [`crate::shared`]).
    check: u16,
    sources: u32,
    calls: u32,
    links: u32,
    source_count: u8,
    mode: u8,
    alive: bool,
    /// It makes calls, so that there may be returns to it.
    calls_out: bool,
    call_count: u16,
}

/// Where generated code for a guest address can be entered.
#[derive(Clone, Copy)]
pub struct Entry {
    /// Host offset.
    pub host: u32,
    unit: u32,
}

/// Guest code within one page that a unit was made from. A unit has one or, where it took in code from elsewhere, several.
struct Source {
    start: u64,
    len: u32,
    unit: u32,
    next_in_page: u32,
}

/// What is known of generated code, by ascending host address.
#[derive(Default)]
struct Code {
    units: Vec<Unit>,
    marks: Vec<InsnMark>,
    cold: Vec<(u32, u16)>,
    /// Where a unit does not go on at the next address: index of a mark, its address.
    turns: Vec<(u32, u64)>,
    /// Where what follows a locked instruction becomes a jump: see [`Cache::watch_reservations`].
    locked: Vec<u32>,
}

/// [`Thread::seen`] of a thread that is not in generated code.
pub const NOWHERE: u64 = u64::MAX;

/// The generation whose code is being made.
pub static GENERATION: AtomicU64 = AtomicU64::new(1);
/// Counts what has ceased to be executable.
pub(crate) static EXEC_CHANGES: AtomicU64 = AtomicU64::new(0);

/// A chained jump: the one at `site` goes to an entry of a unit; `stub` is where it went before.
struct Link {
    site: u32,
    stub: u32,
    next: u32,
}

const NIL: u32 = u32::MAX;

/// What is at a host address.
pub enum Place {
    /// Not in the code cache.
    Outside,
    /// In the fixed glue, or a dead place.
    Glue,
    /// In a unit: guest pc of the instruction, whether exactly at its start, and its mark. `next` is the following instruction's pc.
    Insn {
        /// Guest address.
        pc: u64,
        /// Guest address of the next instruction.
        next: u64,
        /// At its first byte.
        at_start: bool,
        /// Where NZCV are.
        mark: InsnMark,
        /// It is the first of several instructions that are one step.
        fused: bool,
        /// Its host code, as offsets: of the part in the unit's straight line; elsewhere from where the code there begins, to its end at the latest.
        code: (u32, u32),
    },
    /// In the check of the unit that begins at this guest address.
    Check {
        /// Guest address.
        pc: u64,
    },
}

/// Generated code, as [`crate::run::tell_units`] has it told.
#[derive(Clone, Copy, Debug)]
pub struct Made<'a> {
    /// What the unit is; `None` for the glue, which all units share.
    pub key: Option<UnitKey>,
    /// Its host code where it lies. Jumps of it may be patched later.
    pub code: &'a [u8],
    /// How often executable guest memory has changed: a mapping known at the same number is still there.
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
    /// Bytes of units taken out of the current generation, and how many there may be before it is looked at.
    dead_bytes: usize,
    dead_limit: usize,
    /// Bytes of code that a generation may have, and who is asked for the memory that bounds them once there is much code.
    share: usize,
    memory: Option<fn() -> u64>,
    links: Vec<Link>,
    free_links: u32,
    /// The units' direct calls: the place to patch and its stub.
    calls: Vec<(u32, u32)>,
    sources: Vec<Source>,
    /// The first source in each page.
    pages: HashMap<u64, u32, PcHash>,
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
    /// Threads that have ended, for reuse. They stay registered, so that their lookup tables stay right.
    idle: Vec<*mut Thread>,
    /// The scratch places, at the end of the cache: who is in them, or null.
    scratch: [*const Thread; SCRATCH],
    /// Counters.
    pub stats: Stats,
    /// Whether to measure time.
    pub timing: bool,
    /// What [`crate::ops::Ops::likely`] begins with in units translated from now on.
    pub likely: u64,
}

// SAFETY: raw pointers into memory that the cache alone manages, under its mutex.
unsafe impl Send for Cache {}

/// Guest addresses are spread enough: multiply and take the top.
#[derive(Clone, Default)]
pub struct PcHash;

impl core::hash::BuildHasher for PcHash {
    type Hasher = PcHasher;
    fn build_hasher(&self) -> PcHasher {
        PcHasher(0)
    }
}

/// An entry's key: no code has an address so high that its three upper bits matter. (Low bits would: instructions may begin at every second byte.)
fn key(pc: u64, mode: u32) -> u64 {
    pc ^ (mode as u64) << 61
}

/// See [`PcHash`].
pub struct PcHasher(u64);

impl core::hash::Hasher for PcHasher {
    fn write(&mut self, bytes: &[u8]) {
        for &b in bytes {
            self.0 = (self.0 ^ b as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    fn write_u64(&mut self, value: u64) {
        let h = value.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = h ^ h >> 32;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The process's cache; created by [`init`]. It lies where the other locks are that a fork takes, among what is initialized: parent and child copy each
/// page that they write.
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

/// Bytes whose pages are asked for at a time: short programs are not to pay for many that they do not fill.
const CHUNK: usize = 16 << 10;
/// So much at least is asked for in advance: few units are longer.
const AHEAD: usize = 4 << 10;

/// Scratch places.
const SCRATCH: usize = 16;
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
    let last = end.wrapping_sub(if generator.is_some() { SCRATCH * SCRATCH_SIZE } else { 0 });
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
        links: Vec::with_capacity(1024),
        free_links: NIL,
        calls: Vec::with_capacity(1024),
        sources: Vec::with_capacity(1024),
        pages: HashMap::with_hasher(PcHash),
        dead: Vec::new(),
        pruned: Vec::new(),
        exec: RangeSet::new(),
        changes: 0,
        told: None,
        views: Views::new(),
        threads: Vec::new(),
        idle: Vec::new(),
        scratch: [core::ptr::null(); SCRATCH],
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

impl Code {
    /// None, with room for a short program's.
    fn new() -> Code {
        Code { units: Vec::with_capacity(1024), marks: Vec::with_capacity(16384), ..Code::default() }
    }

    fn unit_at(&self, host: u32) -> Option<u32> {
        let i = self.units.partition_point(|u| u.host <= host);
        let i = i.checked_sub(1)?;
        (host < self.units[i].host_end).then_some(i as u32)
    }

    /// Calls `f` with the `pc` of each instruction of a unit.
    fn each_pc(&self, unit: usize, mut f: impl FnMut(u64)) {
        let u = &self.units[unit];
        let first = u.marks as usize;
        let turn = self.turns.partition_point(|t| t.0 as usize <= first);
        let mut turns = self.turns[turn..].iter().peekable();
        let mut pc = u.pc;
        for (i, mark) in self.marks[first..first + u.count as usize].iter().enumerate() {
            if let Some(&(_, turned)) = turns.next_if(|t| t.0 as usize == first + i) {
                pc = turned;
            }
            if !mark.is_more() {
                f(pc);
            }
            pc += mark.guest_len();
        }
    }

    /// What is at an offset, if it is in one of these units.
    fn place(&self, offset: u32) -> Option<Place> {
        let u = &self.units[self.unit_at(offset)? as usize];
        let rel = offset - u.host;
        let first = u.marks as usize;
        let marks = &self.marks[first..first + u.count as usize];
        let insn = |i: usize, at_start: bool, code: (u32, u32)| {
            let turns = &self.turns[..self.turns.partition_point(|t| t.0 as usize <= first + i)];
            let (from, pc) = match turns.last() {
                // (One behind the unit before is told at the number of this unit's first mark.)
                Some(&(mark, pc)) if mark as usize > first => (mark as usize - first, pc),
                _ => (0, u.pc),
            };
            let pc = marks[from..i].iter().fold(pc, |pc, m| pc + m.guest_len());
            let last = i + marks[i..].iter().take_while(|m| m.is_more()).count();
            let turn = self.turns.binary_search_by_key(&(first + last + 1), |t| t.0 as usize);
            let next = match turn {
                Ok(turn) => self.turns[turn].1,
                Err(_) => pc + marks.get(last).map_or(0, |m| m.guest_len()),
            };
            let fused = marks.get(last + 1).is_some_and(|m| m.is_covered());
            let code = (u.host + code.0, u.host + code.1);
            Some(Place::Insn { pc, next, at_start, mark: marks[i], fused, code })
        };
        let check = u.check as u32;
        if rel < check {
            return Some(Place::Check { pc: u.pc });
        }
        // Index of the instruction's first mark, and where its bytes begin.
        let (mut index, mut start) = (0, check);
        let mut at = check;
        for (i, m) in marks.iter().enumerate() {
            if rel < at + m.host_len() {
                let more = marks[i..].iter().take_while(|m| m.is_more()).count();
                let end =
                    at + marks[i..=(i + more).min(marks.len() - 1)].iter().map(|m| m.host_len()).sum::<u32>();
                return insn(index, rel == start, (start, end));
            }
            at += m.host_len();
            if !m.is_more() {
                (index, start) = (i + 1, at);
            }
        }
        let cold = &self.cold[u.cold as usize..u.cold as usize + u.cold_len as usize];
        let i = cold.partition_point(|c| c.0 <= rel);
        // What is behind the last are stubs.
        let (cold, next) = (cold.get(i.checked_sub(1)?)?, cold.get(i)?);
        insn(cold.1 as usize, false, (cold.0, next.0))
    }
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
        let start_time = if self.timing { now() } else { 0 };
        while (self.committed as usize) < self.at as usize + AHEAD && self.committed < self.limit {
            let len = CHUNK.min(self.limit as usize - self.committed as usize);
            footprint::populate(self.committed, len);
            self.committed = self.committed.wrapping_add(len);
        }
        // At the start of a cache line: loops run evenly fast, and padding within the unit does not depend on where it lies.
        let at = self.at.wrapping_add(self.at.align_offset(UNIT_ALIGN as usize));
        let start = self.guest.address(pc);
        let copy = self.copy_to_check(start);
        let mut order =
            Order { pc, mode, at, end: self.limit, likely: self.likely, copy: copy.as_ref(), inlines: true };
        let Some(Host { maker, .. }) = &mut self.host else { return Err(NoCode::Full) };
        let mut finished = maker.make(&order, &mut self.draft);
        // A checked unit takes nothing in.
        let (exec, views) = (&self.exec, &self.views);
        let may_be_used = |at: u64| exec.contains(at) && !views.is_shared(at);
        if copy.is_none() && !self.draft.sources.iter().all(|&(at, _)| may_be_used(at)) {
            order.inlines = false;
            finished = maker.make(&order, &mut self.draft);
        }
        let Finished { host_end, guest_end, check, .. } = finished;
        let host = self.offset(at);
        let index = self.code.units.len() as u32;
        let first_mark = self.code.marks.len() as u32;
        let sources = self.sources.len() as u32;
        for &(start, end) in core::iter::once(&(start, guest_end)).chain(&self.draft.sources) {
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
            self.stats.nanos += now() - start_time;
        }
        if self.told.is_some() {
            let Draft { asked_likely, absolute, .. } = self.draft;
            let likely = if asked_likely { self.likely } else { 0 };
            let key = UnitKey { pc, mode, likely, inlines: order.inlines, is_checked: check != 0, absolute };
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
        // SAFETY: code of the cache from its first byte to its last, in order. It is patched only under the cache's lock, which is held.
        let code = unsafe { core::slice::from_raw_parts(start, end as usize - start as usize) };
        told(&Made { key, code, changes: self.changes });
    }

    /// The host code of the unit just made can be read back, from each instruction's first byte to
    /// its last.
    #[cfg(debug_assertions)]
    fn check_readable(&self) {
        let (Some(u), Some(Host { generator, .. })) = (self.code.units.last(), &self.host) else { return };
        let mut at = u.host;
        while let Some(Place::Insn { code: (start, end), pc, .. }) = self.code.place(at) {
            let (from, to) = (self.host(start) as u64, self.host(end) as u64);
            assert!((generator.is_readable)(from, to), "host code of the instruction at {pc:#x}");
            at = end;
        }
    }

    /// Points the jump at `site` (offsets) at an entry.
    pub fn chain(&mut self, site: u32, stub: u32, target: Entry) {
        // A jump of dead code is left as it is: its bytes may be another's by the time the target dies, and calls are to come to `Thread::chain`.
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
    pub fn is_alive(&self, offset: u32) -> bool {
        self.unit_at(offset).is_some_and(|u| self.code.units[u as usize].alive)
    }

    /// Whether a host address lies in the region being filled.
    fn is_current(&self, offset: u32) -> bool {
        let region = &self.regions[self.current];
        (region.start as *const u8..region.end as *const u8).contains(&self.host(offset))
    }

    /// What is at a host address. For a return address pass the address less one and ignore `at_start`.
    pub fn place(&self, host: u64) -> Place {
        if host < self.base as u64 || host >= self.end as u64 {
            return Place::Outside;
        }
        let offset = (host - self.base as u64) as u32;
        core::iter::once(&self.code)
            .chain(self.regions.iter().map(|r| &r.dead))
            .find_map(|code| code.place(offset))
            .unwrap_or(Place::Glue)
    }

    /// Whether an instruction may be fetched from `pc`.
    ///
    /// # Errors
    /// The signal that the guest gets instead.
    pub fn check_fetch(&mut self, pc: u64) -> Result<(), NoCode> {
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

    /// [start, end) is executable.
    pub fn map_exec(&mut self, start: u64, end: u64) {
        self.invalidate(start, end, core::ptr::null());
        self.views.executable(start, end);
        self.changes += 1;
        self.exec.insert(start, end);
    }

    /// [start, end) is not executable.
    pub fn unmap_exec(&mut self, start: u64, end: u64) {
        self.invalidate(start, end, core::ptr::null());
        self.changes += 1;
        self.exec.remove(start, end);
        EXEC_CHANGES.fetch_add(1, Ordering::Release);
    }

    /// Takes out every unit that overlaps [start, end); whether there was one. `by` is a thread that asks for it from a helper and does not go on in its
    /// unit if there was, or null.
    pub fn invalidate(&mut self, start: u64, end: u64, by: *const Thread) -> bool {
        if start >= end || self.pages.is_empty() {
            return false;
        }
        let (first, last) = (start >> 12, (end - 1) >> 12);
        let mut dead = core::mem::take(&mut self.dead);
        let (sources, units) = (&self.sources, &mut self.code.units);
        let mut visit = |head: u32| {
            let mut i = head;
            while i != NIL {
                let s = &sources[i as usize];
                let overlaps = s.start < end && s.start + s.len as u64 > start;
                // A unit with several sources counts once.
                if overlaps && core::mem::take(&mut units[s.unit as usize].alive) {
                    dead.push(s.unit);
                }
                i = s.next_in_page;
            }
        };
        // A unit may reach past its page by one instruction: look one page earlier too.
        let first = first.saturating_sub(1);
        if last - first < self.pages.len() as u64 {
            for page in first..=last {
                if let Some(&head) = self.pages.get(&page) {
                    visit(head);
                }
            }
        } else {
            for (&page, &head) in &self.pages {
                if page >= first && page <= last {
                    visit(head);
                }
            }
        }
        if dead.is_empty() {
            self.dead = dead;
            return false;
        }
        // Drop the dead from their pages' lists, so that code that is patched for ever does not make them long.
        let mut pages = core::mem::take(&mut self.pruned);
        for &i in &dead {
            self.kill(i);
            let u = &self.code.units[i as usize];
            let sources = &self.sources[u.sources as usize..][..u.source_count as usize];
            pages.extend(sources.iter().map(|s| s.start >> 12));
        }
        pages.sort_unstable();
        pages.dedup();
        for page in pages.drain(..) {
            self.prune(page);
        }
        self.pruned = pages;
        self.forget_in_threads(&dead, by);
        dead.clear();
        self.dead = dead;
        true
    }

    fn prune(&mut self, page: u64) {
        let Some(&head) = self.pages.get(&page) else { return };
        let mut kept = NIL;
        let mut i = head;
        while i != NIL {
            let Source { unit, next_in_page, .. } = self.sources[i as usize];
            if self.code.units[unit as usize].alive {
                self.sources[i as usize].next_in_page = kept;
                kept = i;
            }
            i = next_in_page;
        }
        if kept == NIL {
            self.pages.remove(&page);
        } else {
            self.pages.insert(page, kept);
        }
    }

    /// Cuts a unit off that no longer counts as alive.
    fn kill(&mut self, index: u32) {
        let u = &mut self.code.units[index as usize];
        // With the padding behind it.
        self.dead_bytes += (u.host_end - u.host).next_multiple_of(UNIT_ALIGN) as usize;
        let (start, len, mode) = (u.start, u.guest_len as u64, u.mode);
        let mut link = core::mem::replace(&mut u.links, NIL);
        if self.guest.address_bits == 32 {
            self.code.each_pc(index as usize, |pc| self.entries.remove(key(pc, mode as u32), index));
        } else {
            let mut at = start;
            while at < start + len {
                self.entries.remove(key(at, mode as u32), index);
                at += self.guest.pc_align_mask + 1;
            }
        }
        while link != NIL {
            let Link { site, stub, next } = self.links[link as usize];
            self.patch(site, stub);
            self.links[link as usize].next = self.free_links;
            self.free_links = link;
            link = next;
        }
        let u = &self.code.units[index as usize];
        for call in u.calls as usize..u.calls as usize + u.call_count as usize {
            let (site, stub) = self.calls[call];
            self.patch(site, stub);
        }
    }

    /// Makes the threads forget the dead units.
    ///
    /// A thread that is in generated code may be in such a unit at this moment, may still make a call from it, and is not to return there: its calls now
    /// all come to the run loop (direct ones by [`Cache::kill`], indirect ones since the lookup table is emptied), which sees `look_for_dead`. A thread
    /// that is outside (`by`, which asks for this from a helper and leaves its unit, or one that [`Thread::seen`] says so of) cannot, so that what it
    /// knows of other units stays. It tells `seen` before it looks at `look_for_dead`, and here it is the other way round: so either it is seen to be
    /// inside, or it waits for the cache's lock until this is done.
    fn forget_in_threads(&mut self, dead: &[u32], by: *const Thread) {
        let units = || dead.iter().map(|&u| &self.code.units[u as usize]);
        let calls = units().any(|u| u.calls_out);
        // A shadow stack may be long: most returns are outside of what these units span.
        let (from, to) = units().fold((u32::MAX, 0), |(from, to), u| (from.min(u.host), to.max(u.host_end)));
        let base = self.base as u64;
        let stale = |host: u64| {
            u32::try_from(host.wrapping_sub(base)).is_ok_and(|offset| {
                let unit = (from..to).contains(&offset).then(|| self.code.unit_at(offset)).flatten();
                unit.is_some_and(|u| !self.code.units[u as usize].alive)
            })
        };
        let step = self.guest.pc_align_mask as usize + 1;
        let pcs = || units().flat_map(|u| (u.start..u.start + u.guest_len as u64).step_by(step));
        let many = units().map(|u| u.guest_len as usize / step).sum::<usize>() > LOOKUPS;
        for &thread in &self.threads {
            // SAFETY: registered threads are alive; all this is done with atomic words, which other threads' generated code reads whole.
            unsafe {
                let told = calls && (*thread).look_for_dead.swap(true, Ordering::SeqCst);
                let outside = thread.cast_const() == by || (*thread).seen.load(Ordering::SeqCst) == NOWHERE;
                if many {
                    Thread::forget_lookups(thread);
                } else if outside || !calls {
                    pcs().for_each(|pc| Thread::forget_lookup(thread, self.guest, pc));
                }
                match (calls, outside) {
                    (false, _) => {}
                    (true, false) => {
                        // A thread that waits in a call made from generated code learns nothing meanwhile.
                        if (*thread).knows.swap(false, Ordering::Relaxed) {
                            Thread::forget_lookups(thread);
                        }
                        Thread::break_returns(thread, stale);
                    }
                    (true, true) => {
                        if !told && Thread::break_few_returns(thread, stale) {
                            (*thread).look_for_dead.store(false, Ordering::Release);
                        }
                    }
                }
            }
        }
    }

    /// Whether no thread has been registered yet.
    pub(crate) fn is_unused(&self) -> bool {
        self.threads.is_empty()
    }

    /// Registers a thread.
    pub fn add_thread(&mut self, thread: *mut Thread) {
        self.threads.push(thread);
    }

    /// Makes locked instructions look at the table of [`reservations`].
    fn watch(&self, sites: &[*mut u8]) {
        let Some(Host { generator, .. }) = &self.host else { return };
        for &site in sites {
            // SAFETY: a place that a unit's maker told.
            unsafe { (generator.watch)(site) };
        }
    }

    /// From now on all locked instructions look at the table of [`reservations`].
    pub(crate) fn watch_reservations(&mut self) {
        reservations::watch();
        let Some(Host { generator, .. }) = &self.host else { return };
        for code in core::iter::once(&self.code).chain(self.regions.iter().map(|r| &r.dead)) {
            for &site in &code.locked {
                // SAFETY: a place that a unit's maker told.
                unsafe { (generator.watch)(self.base.add(site as usize)) };
            }
        }
    }

    /// State and process of every registered thread.
    pub(crate) fn thread_states(&self) -> impl Iterator<Item = (*const Cpu, i32)> {
        // SAFETY: registered threads are alive, and this word is atomic.
        self.threads.iter().map(|&t| unsafe { (&raw const (*t).cpu, (*t).process.load(Ordering::Relaxed)) })
    }

    /// Unregisters a thread.
    pub fn remove_thread(&mut self, thread: *mut Thread) {
        self.threads.retain(|&t| t != thread);
    }

    /// Keeps a thread that has ended for reuse, unless there are enough.
    pub fn keep_idle(&mut self, thread: *mut Thread) -> bool {
        const KEEP: usize = 64;
        let keep = self.idle.len() < KEEP;
        if keep {
            self.idle.push(thread);
        }
        keep
    }

    /// A thread kept by [`Cache::keep_idle`].
    pub fn take_idle(&mut self) -> Option<*mut Thread> {
        self.idle.pop()
    }

    /// A scratch place for a thread, which may have one already: [`SCRATCH_SIZE`] bytes near the
    /// units, to run the rest of a guest instruction in. `None` if all are in use.
    pub fn take_scratch(&mut self, thread: *const Thread) -> Option<*mut u8> {
        let mine = self.scratch.iter().position(|&t| t == thread);
        let i = mine.or_else(|| self.scratch.iter().position(|t| t.is_null()))?;
        self.scratch[i] = thread;
        Some(self.end.wrapping_sub((i + 1) * SCRATCH_SIZE))
    }

    /// The thread has left its scratch place.
    pub fn free_scratch(&mut self, thread: *const Thread) {
        self.scratch.iter_mut().filter(|t| **t == thread).for_each(|t| *t = core::ptr::null());
    }

    /// After a fork: only `thread` lives on.
    pub fn only_thread(&mut self, thread: *mut Thread) {
        self.scratch = [core::ptr::null(); SCRATCH];
        self.threads.clear();
        self.idle.clear();
        self.threads.push(thread);
    }
}

pub(crate) fn now() -> u64 {
    let mut ts = [0u64; 2];
    // SAFETY: writes a timespec. CLOCK_MONOTONIC.
    let _ = unsafe { syscall!(__NR_clock_gettime, 1, ts.as_mut_ptr()) };
    ts[0] * 1_000_000_000 + ts[1]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::COLD_END;

    /// The unit of `code`.
    fn unit() -> Unit {
        Unit {
            pc: 0x1000,
            start: 0x1000,
            guest_len: 24,
            host: 100,
            host_end: 5200,
            marks: 0,
            cold: 0,
            cold_len: 2,
            count: 0,
            check: 0,
            sources: 0,
            calls: 0,
            links: NIL,
            source_count: 1,
            mode: 0,
            alive: true,
            calls_out: false,
            call_count: 0,
        }
    }

    /// One unit at host offset 100 and guest address 0x1000: a short instruction, one of 5000 host bytes, one of none, a step of three, and one that is
    /// elsewhere.
    fn code() -> Code {
        let mut marks = Vec::new();
        let mut push = |len, start| InsnMark::push(&mut marks, len, false, start, start);
        push(10, FlagState::MEMORY);
        push(5000, FlagState::new(2));
        push(0, FlagState::MEMORY);
        push(30, FlagState::new(1));
        marks.extend([InsnMark::covered(false); 2]);
        let turn = marks.len() as u32;
        InsnMark::push(&mut marks, 20, false, FlagState::MEMORY, FlagState::MEMORY);
        let unit = Unit { count: marks.len() as u16, ..unit() };
        Code {
            units: Vec::from([unit]),
            marks,
            cold: Vec::from([(5160 - 100, 1), (5190 - 100, COLD_END)]),
            turns: Vec::from([(turn, 0x9000)]),
            locked: Vec::new(),
        }
    }

    #[test]
    fn instructions_follow_one_another_as_they_were_translated() {
        let mut code = Code { turns: Vec::from([(1, 0x7_0000_1002), (2, 0x9000)]), ..Code::default() };
        for (pc, host) in [(0x1000, 100), (0x5000, 120)] {
            let marks = code.marks.len() as u32;
            for _ in 0..=(host == 100) as u32 {
                InsnMark::push(&mut code.marks, 10, true, FlagState::MEMORY, FlagState::MEMORY);
            }
            let (host_end, count) = (host + 20, (code.marks.len() as u32 - marks) as u16);
            code.units.push(Unit { pc, start: pc, host, host_end, marks, count, cold_len: 0, ..unit() });
        }
        let check = |host: u32, pc: u64, next: u64| match code.place(host) {
            Some(Place::Insn { pc: p, next: n, .. }) => assert_eq!((p, n), (pc, next), "{host}"),
            _ => panic!("{host} is in a unit"),
        };
        check(100, 0x1000, 0x7_0000_1002);
        // What follows the last instruction is known, and is not the next unit's first.
        check(110, 0x7_0000_1002, 0x9000);
        check(120, 0x5000, 0x5002);
        let mut all = Vec::new();
        (0..2).for_each(|unit| code.each_pc(unit, |pc| all.push(pc)));
        assert_eq!(all, [0x1000, 0x7_0000_1002, 0x5000]);
    }

    #[test]
    fn host_addresses_map_to_guest_instructions() {
        let code = code();
        let check = |host: u32, pc: u64, next: u64, start: bool, flags: FlagState, is_fused: bool| match code
            .place(host)
        {
            Some(Place::Insn { pc: p, next: n, at_start, mark, fused, .. }) => {
                assert_eq!(
                    (p, n, at_start, mark.at_start(), fused),
                    (pc, next, start, flags, is_fused),
                    "{host}"
                );
            }
            _ => panic!("{host} is in the unit"),
        };
        check(100, 0x1000, 0x1004, true, FlagState::MEMORY, false);
        check(109, 0x1000, 0x1004, false, FlagState::MEMORY, false);
        check(110, 0x1004, 0x1008, true, FlagState::new(2), false);
        for host in [111, 110 + 2047, 110 + 2 * 2047, 110 + 4999] {
            check(host, 0x1004, 0x1008, false, FlagState::new(2), false);
        }
        check(5110, 0x100c, 0x1010, true, FlagState::new(1), true);
        check(5139, 0x100c, 0x1010, false, FlagState::new(1), true);
        check(5140, 0x9000, 0x9004, true, FlagState::MEMORY, false);
        check(5159, 0x9000, 0x9004, false, FlagState::MEMORY, false);
        // The cold path of the long one.
        check(5170, 0x1004, 0x1008, false, FlagState::new(2), false);
        let mut all = Vec::new();
        code.each_pc(0, |pc| all.push(pc));
        assert_eq!(all, [0x1000, 0x1004, 0x1008, 0x100c, 0x1010, 0x1014, 0x9000]);
        // The stubs, and what is not the unit's.
        assert!([5190, 5199, 99, 5200].iter().all(|&host| code.place(host).is_none()));
    }
}

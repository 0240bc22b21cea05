//! The conversion of a structure between two architectures, as a few runs.

use super::constants::SIGNALS;
use super::{ByteOrder, Model, Struct, Type, rows};
use alloc::vec::Vec;
use anyarch_sys::Kept;

/// What happens to neighbouring bytes. Offsets and sizes are in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Run {
    /// These bytes are the same on both sides.
    Copy { from: usize, to: usize, len: usize },
    /// One number.
    Number { from: usize, from_size: usize, to: usize, to_size: usize, rule: Rule },
    /// A set of signals.
    Signals { from: usize, to: usize },
}

/// What becomes of a number in another width.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Rule {
    /// It is extended by its sign, if the type it comes from is signed, and cut off; it does not
    /// fit where the target's type has another value then.
    Integer { signed: bool, to_signed: bool },
    /// [`Type::Limit`].
    Limit,
    /// To a [`Type::Id16`].
    Id16,
    /// From one: what has all bits set is no user or group in the other width either.
    FromId16,
}

impl Rule {
    fn of(from: &Type, to: &Type) -> Rule {
        let signed = |ty: &Type| {
            matches!(ty, Type::Int { signed: true, .. } | Type::Long { signed: true } | Type::Nanoseconds)
        };
        match to {
            Type::Limit => Rule::Limit,
            Type::Id16 => Rule::Id16,
            _ if matches!(from, Type::Id16) => Rule::FromId16,
            _ => Rule::Integer { signed: signed(from), to_signed: signed(to) },
        }
    }
}

/// How a structure is converted from one architecture to another. Bytes that only the target has
/// become zero.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// Bytes of the structure converted from.
    pub from_size: usize,
    /// Bytes of the structure converted to.
    pub to_size: usize,
    /// Which models it is between.
    models: (u8, u8),
    from: Model,
    to: Model,
    runs: Vec<Run>,
}

impl Plan {
    /// The conversion of `of` from one architecture to another.
    pub fn new(of: &Struct, from: &Model, to: &Model) -> Plan {
        Plan::of(&|plan| plan.add_struct(of, 0, from, 0, to), of.size(from), of.size(to), from, to)
    }

    fn of(add: &dyn Fn(&mut Plan), from_size: usize, to_size: usize, from: &Model, to: &Model) -> Plan {
        let models = (from.index, to.index);
        let mut plan = Plan { from_size, to_size, models, from: *from, to: *to, runs: Vec::new() };
        add(&mut plan);
        plan
    }

    /// The conversions of this process, which has one guest: made at their first use, and kept.
    pub fn kept(of: &'static Struct, direction: Direction, guest: &Model) -> &'static Plan {
        static KEPT: [[Kept<Plan>; rows::COUNT]; 2] = [const { [const { Kept::new() }; rows::COUNT] }; 2];
        let place = &KEPT[direction as usize][of.index as usize];
        let host = &super::model::HOST;
        let (from, to) = match direction {
            Direction::ToHost => (guest, host),
            Direction::ToGuest => (host, guest),
        };
        match place.get() {
            // Only tests have several guests.
            Some(plan) if plan.models == (from.index, to.index) => plan,
            _ => place.set(Plan::new(of, from, to)),
        }
    }

    fn add_struct(&mut self, of: &Struct, from_at: usize, from: &Model, to_at: usize, to: &Model) {
        let sources: Vec<_> = of.members(from).collect();
        // Nearly always the member behind the last one.
        let mut next = 0;
        for (name, at, to_ty) in of.members(to).filter(|member| !is_padding(member.0)) {
            let mut order = (next..sources.len()).chain(0..next);
            let Some(i) = order.find(|&i| sources[i].0 == name) else { continue };
            let (_, source, from_ty) = &sources[i];
            self.add(from_ty, from_at + source, from, &to_ty, to_at + at, to);
            next = i + 1;
        }
    }

    fn add(&mut self, from_ty: &Type, from_at: usize, from: &Model, to_ty: &Type, to_at: usize, to: &Model) {
        let (from_size, to_size) = (from_ty.size(from), to_ty.size(to));
        match (from_ty, to_ty) {
            (Type::Struct(of), Type::Struct(_)) => self.add_struct(of, from_at, from, to_at, to),
            (Type::Array(a, n), Type::Array(b, m)) => {
                for i in 0..*n.min(m) {
                    self.add(a, from_at + i * a.size(from), from, b, to_at + i * b.size(to), to);
                }
            }
            (Type::Signals, _) if !super::same(from_ty, from, to) => {
                self.push(Run::Signals { from: from_at, to: to_at })
            }
            (Type::Nanoseconds, _) if from.word < to.word => {
                let lower = if from.order == ByteOrder::Big { 4 } else { 0 };
                let rule = Rule::Integer { signed: false, to_signed: false };
                self.push(Run::Number { from: from_at + lower, from_size: 4, to: to_at, to_size, rule });
            }
            (Type::Raw { .. }, _) | (_, Type::Raw { .. }) => {
                self.push(Run::Copy { from: from_at, to: to_at, len: from_size.min(to_size) });
            }
            _ if from_size == to_size && (from.order == to.order || from_size == 1) => {
                self.push(Run::Copy { from: from_at, to: to_at, len: from_size });
            }
            _ => {
                let rule = Rule::of(from_ty, to_ty);
                self.push(Run::Number { from: from_at, from_size, to: to_at, to_size, rule });
            }
        }
    }

    fn push(&mut self, run: Run) {
        if let (Some(Run::Copy { from, to, len }), Run::Copy { from: f, to: t, len: more }) =
            (self.runs.last_mut(), run)
            && (*from + *len, *to + *len) == (f, t)
        {
            *len += more;
            return;
        }
        self.runs.push(run);
    }

    /// Converts one structure. False if a number is too large for the target's member, which then
    /// has its lower bits.
    ///
    /// # Panics
    /// If a slice is shorter than its side of the structure.
    pub fn convert(&self, from: &[u8], to: &mut [u8]) -> bool {
        to[..self.to_size].fill(0);
        let mut fits = true;
        for run in &self.runs {
            match *run {
                Run::Copy { from: f, to: t, len } => to[t..t + len].copy_from_slice(&from[f..f + len]),
                Run::Number { from: f, from_size, to: t, to_size, rule } => {
                    let signed = matches!(rule, Rule::Integer { signed: true, .. });
                    let value = load(&from[f..f + from_size], self.from.order, signed);
                    let value = match rule {
                        Rule::Limit if value == largest(from_size) || value > largest(to_size) => u64::MAX,
                        // The kernel's `overflowuid`.
                        Rule::Id16 if value > u16::MAX as u64 => 65534,
                        Rule::FromId16 if value == u16::MAX as u64 => u64::MAX,
                        _ => value,
                    };
                    let place = &mut to[t..t + to_size];
                    store(place, self.to.order, value);
                    if let Rule::Integer { signed, to_signed } = rule {
                        let back = |signed| load(place, self.to.order, signed) == value;
                        fits &= back(to_signed) || signed && back(true);
                    }
                }
                Run::Signals { from: f, to: t } => {
                    let set = load_signals(&from[f..], &self.from);
                    store_signals(&mut to[t..], &self.to, move_signals(set, &self.from, &self.to));
                }
            }
        }
        fits
    }
}

/// Whether a member is room that the kernel leaves unused: it becomes zero.
fn is_padding(name: &str) -> bool {
    name.starts_with("_pad") || name.starts_with("_unused")
}

/// Which way a structure is converted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// What the guest wrote, for the host's kernel.
    ToHost,
    /// What the host's kernel wrote, for the guest.
    ToGuest,
}

/// The largest unsigned number of `size` bytes.
fn largest(size: usize) -> u64 {
    u64::MAX >> (64 - 8 * size as u32)
}

/// The first 64 signals of a set in memory, which has the lowest word first in either byte order.
fn load_signals(bytes: &[u8], model: &Model) -> u64 {
    let words = bytes[..8].chunks_exact(model.word).enumerate();
    words.fold(0, |set, (i, word)| set | load(word, model.order, false) << (8 * model.word * i))
}

fn store_signals(bytes: &mut [u8], model: &Model, set: u64) {
    for (i, word) in bytes[..8].chunks_exact_mut(model.word).enumerate() {
        store(word, model.order, set >> (8 * model.word * i));
    }
}

/// The same signals under another architecture's numbers. What it has not is left out.
fn move_signals(set: u64, from: &Model, to: &Model) -> u64 {
    if SIGNALS.same(from, to) {
        return set;
    }
    let moved = (1..=64).filter(|signo| set & 1 << (signo - 1) != 0).filter_map(|signo| {
        let host = SIGNALS.to_host(from, signo)?;
        SIGNALS.to_guest(to, host)
    });
    moved.fold(0, |set, signo| set | 1 << (signo - 1))
}

fn load(bytes: &[u8], order: ByteOrder, signed: bool) -> u64 {
    let mut all = [0u8; 8];
    let n = bytes.len();
    match order {
        ByteOrder::Little => all[..n].copy_from_slice(bytes),
        ByteOrder::Big => all.iter_mut().zip(bytes.iter().rev()).for_each(|(to, from)| *to = *from),
    }
    let value = u64::from_le_bytes(all);
    let unused = 64 - 8 * n as u32;
    if signed { ((value << unused) as i64 >> unused) as u64 } else { value }
}

fn store(bytes: &mut [u8], order: ByteOrder, value: u64) {
    let n = bytes.len();
    bytes.copy_from_slice(&value.to_le_bytes()[..n]);
    if order == ByteOrder::Big {
        bytes.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::super::{model::*, rows};
    use super::*;

    /// Numbers that look random, from a seed.
    fn random(seed: &mut u64) -> u64 {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        *seed
    }

    /// What a structure's members hold, padding left out, so that two layouts can be compared.
    fn values(of: &Struct, model: &Model, bytes: &[u8]) -> Vec<(&'static str, Vec<u64>)> {
        fn read(ty: &Type, model: &Model, bytes: &[u8], out: &mut Vec<u64>) {
            let size = ty.size(model);
            match ty {
                Type::Struct(of) => {
                    // By name: two variants may have another order.
                    let mut members: Vec<_> = of.members(model).filter(|m| !is_padding(m.0)).collect();
                    members.sort_by_key(|member| member.0);
                    for (_, at, ty) in members {
                        read(&ty, model, &bytes[at..], out);
                    }
                }
                Type::Array(ty, n) => {
                    (0..*n).for_each(|i| read(ty, model, &bytes[i * ty.size(model)..], out));
                }
                Type::Raw { .. } => out.extend(bytes[..size].iter().map(|&b| b as u64)),
                Type::Int { signed, .. } | Type::Long { signed } => {
                    out.push(load(&bytes[..size], model.order, *signed));
                }
                Type::Nanoseconds => {
                    let value = load(&bytes[..size], model.order, true);
                    out.push(if model.word == 4 { value as u32 as u64 } else { value });
                }
                Type::Signals => out.push(move_signals(load_signals(bytes, model), model, &X86_64)),
                Type::Pointer | Type::Limit | Type::Id16 => {
                    out.push(load(&bytes[..size], model.order, false));
                }
            }
        }
        of.members(model)
            .filter(|member| !is_padding(member.0))
            .map(|(name, at, ty)| {
                let mut out = Vec::new();
                read(&ty, model, &bytes[at..], &mut out);
                (name, out)
            })
            .collect()
    }

    #[test]
    fn what_fits_comes_back_and_keeps_its_values() {
        let mut seed = 0x1234_5678_9abc_def1;
        for of in rows::ALL {
            for guest in &MODELS {
                let there = Plan::new(of, guest, &X86_64);
                let back = Plan::new(of, &X86_64, guest);
                for _ in 0..50 {
                    let random: Vec<u8> = (0..there.from_size).map(|_| random(&mut seed) as u8).collect();
                    // Members that the host lacks and padding go first, so that the rest is
                    // comparable.
                    let (mut host, mut clean) =
                        (alloc::vec![0; there.to_size], alloc::vec![0; there.from_size]);
                    if !there.convert(&random, &mut host) || !back.convert(&host, &mut clean) {
                        continue;
                    }
                    let mut again = alloc::vec![0; there.from_size];
                    assert!(there.convert(&clean, &mut host), "{} of {}", of.name, guest.name);
                    assert!(back.convert(&host, &mut again), "{} of {}", of.name, guest.name);
                    assert_eq!(clean, again, "{} of {}", of.name, guest.name);
                    let theirs = values(of, guest, &clean);
                    for (name, value) in values(of, &X86_64, &host) {
                        let same = theirs.iter().find(|v| v.0 == name);
                        let n = same.map_or(0, |v| v.1.len().min(value.len()));
                        assert_eq!(
                            same.map_or(&[][..], |v| &v.1[..n]),
                            &value[..n],
                            "{}.{name} of {}",
                            of.name,
                            guest.name
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn numbers_change_width_and_order() {
        // A timespec of a 32-bit, one of a big-endian guest.
        let arm = Plan::new(&rows::timespec, &ARM, &X86_64);
        let mut host = [0xff; 16];
        assert!(arm.convert(&[1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], &mut host));
        assert_eq!(host, [1, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]);
        let big = Plan::new(&rows::timespec, &X86_64, &S390X);
        let mut guest = [0; 16];
        assert!(big.convert(&host, &mut guest));
        assert_eq!(guest, [0, 0, 0, 0, 0, 0, 0, 1, 255, 255, 255, 255, 255, 255, 255, 255]);
        // What does not fit is told.
        let small = Plan::new(&rows::timespec, &X86_64, &ARM);
        let mut guest = [0; 8];
        assert!(!small.convert(&[0, 0, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0], &mut guest));
        assert_eq!(guest, [0, 0, 0, 0, 5, 0, 0, 0]);
    }

    #[test]
    fn equal_layouts_are_one_copy() {
        for of in rows::ALL {
            for model in &MODELS {
                let plan = Plan::new(of, model, &X86_64);
                let copy =
                    plan.runs.iter().all(|run| matches!(run, Run::Copy { from, to, .. } if from == to));
                let is_same = super::super::same_struct(of, model, &X86_64);
                assert_eq!(
                    is_same,
                    copy && plan.from_size == plan.to_size && names(of, model) == names(of, &X86_64),
                    "{} of {}",
                    of.name,
                    model.name
                );
            }
        }
    }

    fn names(of: &Struct, model: &Model) -> Vec<&'static str> {
        of.members(model).map(|m| m.0).collect()
    }
}

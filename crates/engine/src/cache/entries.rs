//! Where generated code can be entered.

use super::{Entry, PcHash, ROOM};
use alloc::vec::Vec;
use core::hash::BuildHasher;
use hashbrown::HashTable;

/// Entries by their key ([`super::key`]).
///
/// They stand in the order in which they were made, and the table has their places: it is small
/// enough for the programs that start most to have it at its full size from the beginning, and
/// nothing but places moves where it grows.
pub(super) struct Entries {
    places: HashTable<u32>,
    all: Vec<(u64, Entry)>,
    /// Places in `all` of entries that were removed.
    free: Vec<u32>,
}

impl Entries {
    /// None, with room for a shell's.
    pub(super) fn new() -> Entries {
        Entries { places: HashTable::with_capacity(4096), all: Vec::new(), free: Vec::new() }
    }

    /// As [`Entries::new`], for the heap's beginning: the table is used all over from the first
    /// units on, the entries one after the other.
    pub(super) fn first() -> Entries {
        let entries = Entries::new();
        anyarch_sys::heap::populate();
        Entries { all: Vec::with_capacity(2 * ROOM), ..entries }
    }

    /// The entry of a key.
    #[inline]
    pub(super) fn get(&self, key: u64) -> Option<Entry> {
        let all = &self.all;
        self.places.find(hash(key), |&i| all[i as usize].0 == key).map(|&i| all[i as usize].1)
    }

    /// Adds an entry, unless the key has one.
    #[inline]
    pub(super) fn add(&mut self, key: u64, entry: Entry) {
        let Entries { places, all, free } = self;
        let place = places.entry(hash(key), |&i| all[i as usize].0 == key, |&i| hash(all[i as usize].0));
        let hashbrown::hash_table::Entry::Vacant(place) = place else { return };
        let i = match free.pop() {
            Some(i) => i,
            None => all.len() as u32,
        };
        place.insert(i);
        match all.get_mut(i as usize) {
            Some(place) => *place = (key, entry),
            None => all.push((key, entry)),
        }
    }

    /// Removes the entry of a key if it is one of this unit's.
    pub(super) fn remove(&mut self, key: u64, unit: u32) {
        let all = &self.all;
        let is_it = |&i: &u32| all[i as usize].0 == key && all[i as usize].1.unit == unit;
        if let Ok(found) = self.places.find_entry(hash(key), is_it) {
            self.free.push(found.remove().0);
        }
    }
}

fn hash(key: u64) -> u64 {
    PcHash.hash_one(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn entries_are_those_of_a_map() {
        let (mut entries, mut map) = (Entries::new(), HashMap::new());
        let mut seed = 1u64;
        for n in 0..60_000u32 {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let (key, unit) = (seed >> 49, n % 3);
            if seed >> 40 & 3 != 0 {
                let entry = Entry { host: n, unit };
                entries.add(key, entry);
                map.entry(key).or_insert((n, unit));
            } else {
                entries.remove(key, unit);
                if map.get(&key).is_some_and(|entry| entry.1 == unit) {
                    map.remove(&key);
                }
            }
            assert_eq!(entries.get(key).map(|e| (e.host, e.unit)), map.get(&key).copied());
        }
        assert!(map.len() > 8192, "more than there is room for at first");
        for key in 0..1 << 15 {
            assert_eq!(entries.get(key).map(|e| (e.host, e.unit)), map.get(&key).copied());
        }
        assert!(entries.all.len() - entries.free.len() == map.len());
    }
}

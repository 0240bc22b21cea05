//! Every target with mutations of its seeds, for some seconds (`ANYARCH_FUZZ_SECONDS`, 8 by
//! default). The mutations are the same in each run, so what one run finds the next one finds, if
//! the machine is fast enough; and the input is kept.

use anyarch_fuzz::{TARGETS, keep};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

/// Random numbers (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) % n.max(1) as u64) as usize
    }
}

/// Some small changes.
fn mutate(r: &mut Random, data: &mut Vec<u8>, other: &[u8]) {
    const EDGES: &[u8] = &[0, 1, 0x7f, 0x80, 0xff, b':', b'\\', b'"', b'/', b'.', b'\n', 0x13];
    for _ in 0..1 + r.below(6) {
        let at = r.below(data.len());
        match r.below(7) {
            _ if data.is_empty() => data.extend(other),
            0 => data[at] ^= 1 << r.below(8),
            1 => data[at] = EDGES[r.below(EDGES.len())],
            2 => data[at] = r.below(256) as u8,
            3 => data.insert(at, EDGES[r.below(EDGES.len())]),
            4 => {
                let end = (at + 1 + r.below(8)).min(data.len());
                data.drain(at..end);
            }
            // The rest comes from another seed.
            5 => {
                data.truncate(at);
                data.extend(&other[r.below(other.len())..]);
            }
            // Four bytes that are any number: an instruction, a size.
            _ => {
                let word = (r.below(1 << 32) as u32).to_le_bytes();
                let at = at & !3;
                data.iter_mut().skip(at).zip(word).for_each(|(to, from)| *to = from);
            }
        }
    }
    data.truncate(8192);
}

#[test]
fn no_target_panics() {
    let seconds = std::env::var("ANYARCH_FUZZ_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(8);
    for target in TARGETS {
        let (mut r, seeds) = (Random(0x9e37_79b9_7f4a_7c15), (target.seeds)());
        let (end, mut count) = (Instant::now() + Duration::from_secs(seconds), 0u64);
        while Instant::now() < end {
            let mut data = seeds[r.below(seeds.len())].clone();
            // The seeds themselves come first.
            if count < seeds.len() as u64 {
                data.clone_from(&seeds[count as usize]);
            } else {
                mutate(&mut r, &mut data, &seeds[(count % seeds.len() as u64) as usize]);
            }
            if catch_unwind(AssertUnwindSafe(|| (target.run)(&data))).is_err() {
                let kept = keep(target.name, &data, Path::new(env!("CARGO_TARGET_TMPDIR")));
                panic!("{}: the {count}th input, kept as {kept:?}", target.name);
            }
            count += 1;
        }
        println!("{}: {count} inputs", target.name);
        assert!(count > seeds.len() as u64, "{}: no time for more than the seeds", target.name);
    }
}

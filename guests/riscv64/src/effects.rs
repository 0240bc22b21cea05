//! Helpers do what they declare: debug builds look at each call of the interpreter
//! ([`anyarch_engine::effects`]), and here it plays every row on random states.

use crate::decode::{self, Insn, ROWS};
use crate::v::{KEY, STATE, V0, VSTART};
use anyarch_engine::interp::{Interp, Outcome};
use anyarch_engine::state::Cpu;

/// Bytes of memory that instructions access, around the address in it that they are given.
const MEMORY: usize = 1 << 16;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

fn play(cpu: &mut Cpu, word: u32) -> Outcome {
    let mut i = Interp::new(cpu);
    decode::lift(&mut i, Insn { word, pc: 0x1000, len: 4 });
    i.outcome
}

/// A state in which accesses by `word` stay in `memory`: small strides and indices.
fn fill(cpu: &mut Cpu, random: &mut Random, word: u32, memory: Option<u64>) {
    for slot in 1..32 {
        cpu.gpr[slot] = match random.next() % 4 {
            0 => random.next(),
            1 => random.next() >> 40,
            2 => random.next() as i8 as u64,
            _ => random.next() % 200,
        };
    }
    for slot in 0..32 {
        let boxed = random.next().is_multiple_of(2);
        cpu.vec[slot] = (random.next() | if boxed { !0 << 32 } else { 0 }) as u128;
        cpu.vec[V0 + slot] = (random.next() as u128) << 64 | random.next() as u128;
    }
    if let Some(memory) = memory {
        for slot in 1..32 {
            cpu.gpr[slot] = random.next() % 64;
            cpu.vec[V0 + slot] &= u128::MAX / 0xffff_ffff_ffff_ffff * 0x7f;
        }
        cpu.vec[V0] &= u128::MAX / 0xffff_ffff_ffff_ffff * 0x7f;
        cpu.gpr[(word >> 15 & 31) as usize] = memory;
    }
}

#[test]
fn helpers_do_what_they_declare() {
    let mut memory = vec![0u8; MEMORY];
    let middle = memory[MEMORY / 2..].as_mut_ptr() as u64;
    // SAFETY: all-zero bytes are a valid Cpu.
    let cpu = &mut *Box::new(unsafe { core::mem::zeroed::<Cpu>() });
    let mut random = Random(0x1234_5678_9abc_def1);
    let mut done = 0;
    for row in ROWS.iter() {
        let opcode = row.value & 0x7f;
        let is_vector_access = matches!(opcode, 0x07 | 0x27);
        // Calls, traps and accesses of other kinds have no helpers; caches are not the guest's.
        if !matches!(opcode, 0x07 | 0x27 | 0x33 | 0x43 | 0x47 | 0x4b | 0x4f | 0x53 | 0x57 | 0x73 | 0x77) {
            continue;
        }
        for _ in 0..300 {
            // VSETVLI with a random vtype.
            cpu.gpr[VSTART.0 as usize] = 0;
            cpu.gpr[5] = random.next() % 130;
            play(cpu, 0x0002_f057 | (random.next() as u32 & 0xff) << 20);
            let word = random.next() as u32 & !row.mask | row.value;
            let access = is_vector_access && word >> 15 & 31 != 0;
            if is_vector_access && !access {
                continue;
            }
            fill(cpu, &mut random, word, access.then_some(middle));
            done += (play(cpu, word) == Outcome::Next) as u32;
            assert_eq!(cpu.gpr[0], 0);
        }
    }
    assert!(done > 10_000, "{done}");
    assert_ne!(STATE.gpr >> KEY.0 & 1, 0);
}

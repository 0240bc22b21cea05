//! Helpers do what they declare: debug builds look at each call of the interpreter
//! ([`anyarch_engine::effects`]), and here it plays those rows that call one.

use crate::decode;
use anyarch_engine::interp::{Interp, Outcome};
use anyarch_engine::state::Cpu;

#[test]
fn helpers_do_what_they_declare() {
    // SAFETY: all-zero bytes are a valid Cpu.
    let cpu = &mut *Box::new(unsafe { core::mem::zeroed::<Cpu>() });
    let mut seed = 7u64;
    // MRS and MSR of FPCR and FPSR, MRS of CNTVCT_EL0, IC IVAU.
    for word in [0xd53b_4400, 0xd51b_4400, 0xd53b_4420, 0xd51b_4420, 0xd53b_e040, 0xd50b_7520] {
        for rt in 0..32 {
            for slot in &mut cpu.gpr[..32] {
                seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                *slot = seed;
            }
            let mut i = Interp::new(cpu);
            decode::lift(&mut i, word | rt, 0x1000);
            assert!(i.outcome == Outcome::Next, "{word:#x} {rt}");
        }
    }
}

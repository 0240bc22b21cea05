//! Loops around exclusive accesses, which the translator makes one step of: that it does.

use crate::{Aarch64, Registers};
use anyarch_oracle::batch::{Batch, Case};
use anyarch_oracle::ours::{self, players};
use anyarch_oracle::state::{CODE_BASE, MID, State};

/// Each of these words, run from the first but for the rotated ones, is one step of so many
/// instructions.
pub(crate) fn shapes_are_recognised() -> Result<(), String> {
    let translator = players().into_iter().find(|p| p.name == "translator").ok_or("no translator")?;
    let check = |what: &str, skip: u64, words: &[u32], instructions: u64| {
        let mut state = State::<Registers>::zero();
        state.pc = CODE_BASE + 4;
        state.r.x[1] = MID + 64;
        state.r.x[9] = MID + 64;
        let mut words = words.to_vec();
        if skip > 0 {
            words.insert(0, 0x1400_0000 | (skip as u32 + 1)); // b
        }
        let batch = Batch::<Aarch64>::of(vec![Case { row: "shape", words, state }]);
        let image = batch.image().expect("memory");
        let (after, covered) = ours::run_and_count(&batch, &image, &translator).expect("it runs");
        assert_eq!(after[0].signo, 0, "{what}");
        assert_eq!(covered, instructions - 1, "{what}");
    };
    // Those of GCC and of its outline functions, Clang, Go, HotSpot.
    check("add", 0, &[0x885f_7c22, 0x0b00_0043, 0x8804_7c23, 0x35ff_ffa4], 4);
    check("add, acquire and release", 0, &[0xc85f_fc22, 0x8b00_0043, 0xc804_fc23, 0x35ff_ffa4], 4);
    check("add to itself", 0, &[0x885f_7c22, 0x1100_0442, 0x8804_7c22, 0x35ff_ffa4], 4);
    check("sub", 0, &[0x485f_7c22, 0x5100_0443, 0x4804_7c23, 0x35ff_ffa4], 4);
    check("orr", 0, &[0x085f_7c22, 0x2a00_0043, 0x0804_7c23, 0x35ff_ffa4], 4);
    check("bic", 0, &[0x885f_7c22, 0x0a20_0043, 0x8804_7c23, 0x35ff_ffa4], 4);
    check(
        "eor, the operands the other way round",
        0,
        &[0x885f_7c22, 0x4a02_0003, 0x8804_7c23, 0x35ff_ffa4],
        4,
    );
    check("and with a constant", 0, &[0x885f_7c22, 0x1200_0043, 0x8804_7c23, 0x35ff_ffa4], 4);
    check(
        "add, the address not in a host register",
        0,
        &[0x885f_7d22, 0x0b00_0043, 0x8804_7d23, 0x35ff_ffa4],
        4,
    );
    check("swap", 0, &[0x885f_7c22, 0x8804_7c23, 0x35ff_ffc4], 3);
    check("compare and swap", 0, &[0x885f_fc22, 0x6b00_005f, 0x5400_0061, 0x8804_fc23, 0x35ff_ff84], 5);
    check(
        "compare and swap of bytes",
        0,
        &[0x085f_7c22, 0x6b20_005f, 0x5400_0061, 0x0804_7c23, 0x35ff_ff84],
        5,
    );
    check(
        "compare and swap, failure elsewhere",
        0,
        &[0x885f_fc22, 0x6b00_005f, 0x5400_0081, 0x8804_fc23, 0x35ff_ff84, 0xd503_201f],
        5,
    );
    check("compare with zero and swap", 0, &[0x885f_fc22, 0x3500_0062, 0x8804_fc23, 0x35ff_ffa4], 4);
    // Musl's: the store stands before the load.
    check("rotated", 2, &[0x8804_fc23, 0x3400_0084, 0x885f_fc22, 0x6b00_005f, 0x54ff_ff80], 3);
    check("rotated, with zero", 2, &[0x8804_fc23, 0x3400_0064, 0x885f_fc22, 0x34ff_ffa2], 2);
    // Not ours: another size, another base, another way back, an operand that the loop changes.
    check("sizes", 0, &[0x485f_7c22, 0x0b00_0043, 0x8804_7c23], 1);
    check("bases", 0, &[0x885f_7c22, 0x0b00_0043, 0x8804_7d23], 1);
    check("way back", 0, &[0x885f_7c22, 0x0b00_0043, 0x8804_7c23, 0x3500_0024], 1);
    check("operand", 0, &[0x885f_7c22, 0x0b03_0043, 0x8804_7c23, 0x3500_0044], 1);
    Ok(())
}

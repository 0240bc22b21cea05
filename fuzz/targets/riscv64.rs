//! See `anyarch_fuzz::riscv64`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| anyarch_fuzz::riscv64(data));

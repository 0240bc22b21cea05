//! See `anyarch_fuzz::elf`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| anyarch_fuzz::elf(data));

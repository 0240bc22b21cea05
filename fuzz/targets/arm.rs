//! See `anyarch_fuzz::arm`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| anyarch_fuzz::arm(data));

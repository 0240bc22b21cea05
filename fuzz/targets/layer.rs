//! See `anyarch_fuzz::layer`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| anyarch_fuzz::layer(data));

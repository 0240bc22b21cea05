//! See `anyarch_fuzz::registry`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| anyarch_fuzz::registry(data));

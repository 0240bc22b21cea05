//! See `anyarch_fuzz::aarch64`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| anyarch_fuzz::aarch64(data));

//! See `anyarch_fuzz::binfmt`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| anyarch_fuzz::binfmt(data));

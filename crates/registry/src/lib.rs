//! The registry of guests: one line per architecture. The emulator makes its table of
//! implementations from it, and the host tool, the tests and the benchmarks learn from it what the
//! emulator runs, without linking the emulator. So a new guest is a folder in `guests/` and a line
//! here.
#![no_std]

/// Gives the registry to a macro: `name crate;` for each guest. The name is the kernel's, QEMU's
/// and that of `anyarch_binfmt::FAMILIES`; the crate has the implementation of
/// `anyarch_linux::abi::Abi` in `linux::ABI` and that of `anyarch_engine::lift::Lift` in
/// `Instructions`.
#[macro_export]
macro_rules! with_guests {
    ($callback:ident) => {
        $callback! {
            aarch64 anyarch_aarch64;
            riscv64 anyarch_riscv64;
            arm anyarch_arm;
        }
    };
}

macro_rules! names {
    ($($name:ident $implementation:ident;)*) => {
        /// The names of all guests.
        pub const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

with_guests!(names);

//! The system call table: one row per call the kernel has, with its name, typed arguments, kind and handler.
//! Tracing, the compatibility page and the coverage test come out of the same rows.

/// A system call, independent of any architecture's numbering: index into the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sys(pub u16);

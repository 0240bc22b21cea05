//! The emulator's executable.
fn main() {}

//! The registry of guests: one line per architecture.

use anyarch_linux::abi::Abi;

/// All guests.
pub static GUESTS: &[&dyn Abi] = &[anyarch_aarch64::linux::ABI, anyarch_riscv64::linux::ABI];

/// The guest for an ELF `e_machine`.
pub fn by_elf_machine(machine: u16) -> Option<&'static dyn Abi> {
    GUESTS.iter().find(|g| g.elf_machine() == machine).copied()
}

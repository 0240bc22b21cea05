//! The implementations of the guests that the registry (`anyarch_registry`) names.

use anyarch_linux::abi::Abi;

macro_rules! table {
    ($($name:ident $implementation:ident;)*) => {
        /// All guests, in the order of the registry.
        pub static GUESTS: &[&dyn Abi] = &[$($implementation::linux::ABI),*];
    };
}

anyarch_registry::with_guests!(table);

/// The guest for an ELF `e_machine`.
pub fn by_elf_machine(machine: u16) -> Option<&'static dyn Abi> {
    GUESTS.iter().find(|g| g.elf_machine() == machine).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_has_the_names_of_the_implementations() {
        let names: alloc::vec::Vec<&str> = GUESTS.iter().map(|g| g.machine()).collect();
        assert_eq!(names, anyarch_registry::NAMES);
    }
}

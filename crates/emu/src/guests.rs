//! The implementations of the guests that the registry (`anyarch_registry`) names, each put
//! together with this host.

use anyarch_engine::backend::Backend;
use anyarch_engine::interpreter;
use anyarch_linux::abi::Abi;

#[cfg(not(target_arch = "x86_64"))]
use anyarch_engine::interpreter as host;
#[cfg(target_arch = "x86_64")]
use anyarch_host_x86_64 as host;

/// The interpreter on this host: what is told of the processor does not depend on how it is run.
const fn interpreting(host: Backend, interpreter: Backend) -> Backend {
    Backend { abilities: host.abilities, aes: host.aes, ..interpreter }
}

macro_rules! table {
    ($($name:ident $implementation:ident;)*) => {
        /// All guests, in the order of the registry.
        pub(crate) static GUESTS: &[&dyn Abi] = &[$($implementation::linux::ABI),*];

        /// For each of them the host's backend and the interpreter.
        static BACKENDS: &[[Backend; 2]] = &[$([
            host::backend::<$implementation::Instructions>(),
            interpreting(
                host::backend::<$implementation::Instructions>(),
                interpreter::backend::<$implementation::Instructions>(),
            ),
        ]),*];
    };
}

anyarch_registry::with_guests!(table);

/// The guest for an ELF `e_machine`.
pub(crate) fn by_elf_machine(machine: u16) -> Option<&'static dyn Abi> {
    GUESTS.iter().find(|g| g.elf_machine() == machine).copied()
}

/// What runs a guest's instructions.
pub(crate) fn backend(guest: &dyn Abi, interpret: bool) -> &'static Backend {
    let row = GUESTS.iter().zip(BACKENDS).find(|(g, _)| g.guest().name == guest.guest().name);
    row.map_or(&interpreter::BACKEND, |(_, backends)| &backends[interpret as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_has_the_names_of_the_implementations() {
        let names: alloc::vec::Vec<&str> = GUESTS.iter().map(|g| g.guest().name).collect();
        assert_eq!(names, anyarch_registry::NAMES);
    }
}

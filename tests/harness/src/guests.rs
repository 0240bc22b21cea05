//! The guests that real programs are built for and run as: what the compilers, QEMU and Debian call each of them. Program tests, benchmarks and the end-to-end
//! test go over this table; a guest without a row fails a unit test.

use crate::debian;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// One guest architecture.
#[derive(Debug, PartialEq, Eq)]
pub struct Guest {
    /// The emulator's name, which is the kernel's and QEMU's.
    pub name: &'static str,
    /// Debian's name.
    pub debian: &'static str,
    /// The Debian release that the end-to-end test and the benchmarks use: one that has the architecture.
    pub suite: &'static str,
    /// The compiler's prefix, and the folder of its libraries.
    pub triple: &'static str,
    /// In assembler, what ends a program with status 3.
    pub exit_3: &'static str,
    /// Compiler flags that a program for musl needs.
    pub musl_flags: &'static [&'static str],
    /// Ways of linking that Debian's cross compiler has not got the files for.
    pub not_linked: &'static [&'static str],
}

/// What links a static executable that can lie anywhere, for compilers that do not all know `-static-pie`.
pub const STATIC_PIE: &[&str] = &["-static", "-Wl,-pie,--no-dynamic-linker"];

/// All guests, the default one first.
pub const GUESTS: &[Guest] = &[
    Guest {
        name: "aarch64",
        debian: "arm64",
        suite: "bookworm",
        triple: "aarch64-linux-gnu",
        exit_3: "mov x8, #93\n mov x0, #3\n svc #0",
        // The compiler's helpers for atomics ask glibc about the processor.
        musl_flags: &["-mno-outline-atomics"],
        not_linked: &[],
    },
    Guest {
        name: "riscv64",
        debian: "riscv64",
        suite: "trixie",
        triple: "riscv64-linux-gnu",
        exit_3: "li a7, 93\n li a0, 3\n ecall",
        // Atomics of bytes are functions, which the compiler links by itself where its own libraries are not left out.
        musl_flags: &["-l:libatomic.a"],
        // It has no rcrt1.o of glibc; musl's is tried.
        not_linked: &["static-pie"],
    },
];

/// The guest of a name of the kernel's or Debian's.
pub fn by_name(name: &str) -> Option<&'static Guest> {
    GUESTS.iter().find(|g| g.name == name || g.debian == name)
}

impl Guest {
    /// Debian's cross compiler for C or C++.
    pub fn compiler(&self, cxx: bool) -> String {
        format!("{}-{}", self.triple, if cxx { "g++" } else { "gcc" })
    }

    /// Where Debian's cross libraries are.
    pub fn sysroot(&self) -> PathBuf {
        PathBuf::from("/usr").join(self.triple)
    }

    /// QEMU's static build of Debian bookworm.
    pub fn qemu(&self) -> String {
        format!("qemu-{}-static", self.name)
    }

    /// Where Debian's musl is, fetched once.
    ///
    /// # Errors
    /// Why it cannot be fetched.
    pub fn musl(&'static self) -> Result<&'static Path, String> {
        static ROOTS: Mutex<Vec<(&str, Result<&'static Path, String>)>> = Mutex::new(Vec::new());
        let mut roots = ROOTS.lock().unwrap_or_else(|e| e.into_inner());
        if let Some((_, known)) = roots.iter().find(|(name, _)| *name == self.name) {
            return known.clone();
        }
        let root = debian::musl(self).map(|path| &*Box::leak(path.into_boxed_path()));
        roots.push((self.name, root.clone()));
        root
    }

    /// musl's shared library, whose folder is `/lib` or `/usr/lib` by release.
    ///
    /// # Errors
    /// As [`Guest::musl`].
    pub fn musl_library(&'static self) -> Result<PathBuf, String> {
        let (root, name) = (self.musl()?, format!("lib/{}-linux-musl/libc.so", self.name));
        Ok([root.join(&name), root.join("usr").join(&name)]
            .into_iter()
            .find(|p| p.exists())
            .ok_or("no libc.so of musl")?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_guest_of_the_emulator_has_a_row() {
        let rows: Vec<&str> = GUESTS.iter().map(|g| g.name).collect();
        assert_eq!(rows, anyarch_registry::NAMES);
    }

    #[test]
    fn every_guest_has_its_part_of_the_instruction_oracle() {
        for guest in GUESTS {
            let main = format!("../guests/{}/tests/oracle/main.rs", guest.name);
            assert!(crate::tests_dir().join(&main).exists(), "no {main}");
        }
    }
}

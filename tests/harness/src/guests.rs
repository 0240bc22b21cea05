//! The guests that real programs are built for and run as: what the compilers, QEMU and Debian call
//! each of them. Program tests, benchmarks and the end-to-end test go over this table; a guest
//! without a row fails a unit test.

use crate::debian;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// One guest architecture.
#[derive(Debug, PartialEq, Eq)]
pub struct Guest {
    /// The emulator's name, which is the kernel's and QEMU's.
    pub name: &'static str,
    /// Bits of its addresses.
    pub bits: u32,
    /// `uname -m`.
    pub machine: &'static str,
    /// Debian's name.
    pub debian: &'static str,
    /// Its name in images, behind `linux/`: architecture, and variant where there are some.
    pub platform: &'static str,
    /// The Debian release that the end-to-end test and the benchmarks use: one that has the
    /// architecture.
    pub suite: &'static str,
    /// The compiler's prefix, and the folder of its libraries.
    pub triple: &'static str,
    /// In assembler, what ends a program with status 3.
    pub exit_3: &'static str,
    /// Compiler flags of programs for glibc.
    pub glibc_flags: &'static [&'static str],
    /// musl's name of it, after which its loader is called, and the folder of musl's libraries.
    pub musl: [&'static str; 2],
    /// Compiler flags that a program for musl needs.
    pub musl_flags: &'static [&'static str],
    /// Ways of linking that Debian's cross compiler has not got the files for.
    pub not_linked: &'static [&'static str],
    /// Everything is tried of it always. Of the others some is, and the rest on demand
    /// (`ANYARCH_ALL=1`, or a command that names the guest).
    pub always: bool,
}

/// What links a static executable that can lie anywhere, for compilers that do not all know
/// `-static-pie`.
pub const STATIC_PIE: &[&str] = &["-static", "-Wl,-pie,--no-dynamic-linker"];

/// Files and times of 64 bits, as the other guests have them and musl has everywhere. (What
/// programs without them do has tests of its own.)
const WIDE: &[&str] = &["-D_FILE_OFFSET_BITS=64", "-D_TIME_BITS=64"];

/// All guests, the default one first.
pub const GUESTS: &[Guest] = &[
    Guest {
        name: "aarch64",
        bits: 64,
        machine: "aarch64",
        debian: "arm64",
        platform: "arm64",
        suite: "bookworm",
        triple: "aarch64-linux-gnu",
        exit_3: "mov x8, #93\n mov x0, #3\n svc #0",
        glibc_flags: &[],
        musl: ["aarch64", "aarch64-linux-musl"],
        // The compiler's helpers for atomics ask glibc about the processor.
        musl_flags: &["-mno-outline-atomics"],
        not_linked: &[],
        always: true,
    },
    Guest {
        name: "riscv64",
        bits: 64,
        machine: "riscv64",
        debian: "riscv64",
        platform: "riscv64",
        suite: "trixie",
        triple: "riscv64-linux-gnu",
        exit_3: "li a7, 93\n li a0, 3\n ecall",
        glibc_flags: &[],
        musl: ["riscv64", "riscv64-linux-musl"],
        // Atomics of bytes are functions, which the compiler links by itself where its own
        // libraries are not left out.
        musl_flags: &["-l:libatomic.a"],
        // It has no rcrt1.o of glibc; musl's is tried.
        not_linked: &["static-pie"],
        always: true,
    },
    Guest {
        name: "arm",
        bits: 32,
        machine: "armv7l",
        debian: "armhf",
        platform: "arm/v7",
        suite: "bookworm",
        triple: "arm-linux-gnueabihf",
        exit_3: "mov r7, #1\n mov r0, #3\n svc #0",
        glibc_flags: WIDE,
        musl: ["armhf", "arm-linux-musleabihf"],
        musl_flags: &[],
        not_linked: &["static-pie"],
        always: false,
    },
];

/// Other ABIs of guests.
pub const OTHER_ABIS: &[Guest] = &[Guest {
    name: "arm",
    bits: 32,
    machine: "armv7l",
    debian: "armel",
    platform: "arm/v5",
    suite: "bookworm",
    triple: "arm-linux-gnueabi",
    exit_3: "mov r7, #1\n mov r0, #3\n svc #0",
    glibc_flags: WIDE,
    musl: ["arm", "arm-linux-musleabi"],
    musl_flags: &[],
    not_linked: &["static-pie"],
    always: false,
}];

/// The guest of a name of the kernel's or Debian's.
pub fn by_name(name: &str) -> Option<&'static Guest> {
    GUESTS.iter().chain(OTHER_ABIS).find(|g| g.name == name || g.debian == name)
}

impl Guest {
    /// The name of its tests: the guest's, or Debian's of another ABI.
    pub fn label(&self) -> &'static str {
        if OTHER_ABIS.contains(self) { self.debian } else { self.name }
    }

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
    pub fn musl_root(&'static self) -> Result<&'static Path, String> {
        static ROOTS: Mutex<Vec<(&str, Result<&'static Path, String>)>> = Mutex::new(Vec::new());
        let mut roots = ROOTS.lock().unwrap_or_else(|e| e.into_inner());
        if let Some((_, known)) = roots.iter().find(|(name, _)| *name == self.debian) {
            return known.clone();
        }
        let root = debian::musl(self).map(|path| &*Box::leak(path.into_boxed_path()));
        roots.push((self.debian, root.clone()));
        root
    }

    /// musl's shared library, whose folder is `/lib` or `/usr/lib` by release.
    ///
    /// # Errors
    /// As [`Guest::musl_root`].
    pub fn musl_library(&'static self) -> Result<PathBuf, String> {
        let (root, name) = (self.musl_root()?, format!("lib/{}/libc.so", self.musl[1]));
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

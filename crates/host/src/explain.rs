//! Why a file does or does not run here.

use crate::elf::{Elf, host_machine};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// After ENOEXEC: the reason in half a sentence, seen from where the file was to be executed.
pub fn why_not_executable(path: &Path) -> String {
    match Elf::open(path) {
        Ok(Some(elf)) => match elf.family() {
            Some(f) if f.is_native_to(&host_machine()) => {
                "the kernel takes it for damaged (exec format error)".into()
            }
            Some(f) => format!(
                "it is a program for {}, for which no handler is registered (add --platform {})",
                f.name, f.name
            ),
            None => format!(
                "it is a program for an architecture anyarch does not know (ELF machine {})",
                elf.machine
            ),
        },
        Ok(None) => {
            let mut first = [0; 2];
            match File::open(path).and_then(|mut f| f.read(&mut first)) {
                Ok(0) => "it is empty".into(),
                Ok(_) if &first == b"#!" => "its interpreter cannot be executed".into(),
                _ => "it is neither an ELF program nor a script with #!".into(),
            }
        }
        Err(failure) => failure.what,
    }
}

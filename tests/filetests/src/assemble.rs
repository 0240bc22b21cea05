//! Assembling the cases of a file with the guest's binutils.

use crate::Arch;
use crate::memory::{DATA, FAR};
use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A case begins at a page of its own.
pub const PAGE: u64 = 4096;

/// Marks the line where a unit begins.
const START: &str = "=>";

/// Code of several cases.
pub struct Assembled {
    /// The code, from [`Arch::code`] on; the first case has the first page, and so on.
    pub code: Vec<u8>,
    /// The line at an address.
    pub lines: HashMap<u64, String>,
    /// Where the unit of each case begins: at the line that begins with `=>`, or at its first.
    pub starts: Vec<u64>,
}

/// Assembles cases, each some lines. The symbols `data` and `far` lie elsewhere.
///
/// # Errors
/// What the tools say.
pub fn assemble(arch: &Arch, cases: &[Vec<String>]) -> Result<Assembled, String> {
    let mut source = format!("{}\n", arch.prologue);
    for (i, lines) in cases.iter().enumerate() {
        source += &format!(".balign 4096, 0\n{}\n", arch.before_case);
        for (j, line) in lines.iter().enumerate() {
            source += &format!("line.{i}.{j}: {}\n", line.strip_prefix(START).unwrap_or(line));
        }
    }
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let dir = std::env::temp_dir().join(format!("anyarch-filetests-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&dir).map_err(|e| e.to_string())?;
    let done = in_dir(arch, &dir, &source);
    let _ = std::fs::remove_dir_all(&dir);
    let (code, symbols) = done?;
    let mut lines = HashMap::new();
    let mut starts: Vec<u64> = (0..cases.len() as u64).map(|i| arch.code + PAGE * i).collect();
    for line in symbols.lines() {
        let mut words = line.split(' ');
        let (Some(address), Some(name)) = (words.next(), words.nth(1)) else { continue };
        let Some((i, j)) = name.strip_prefix("line.").and_then(|n| n.split_once('.')) else { continue };
        let (Ok(address), Ok(i), Ok(j)) =
            (u64::from_str_radix(address, 16), i.parse::<usize>(), j.parse::<usize>())
        else {
            return Err(format!("nm says {line:?}"));
        };
        if cases[i][j].starts_with(START) {
            starts[i] = address;
        }
        // Of a label alone and the instruction behind it, both.
        let at: &mut Vec<usize> = lines.entry((address, i)).or_default();
        at.push(j);
    }
    for (start, lines) in starts.iter_mut().zip(cases) {
        *start |= (arch.place)(lines);
    }
    let lines = lines.into_iter().filter(|((address, i), _)| *address < arch.code + PAGE * (*i as u64 + 1));
    let text = |((address, i), mut at): ((u64, usize), Vec<usize>)| {
        at.sort_unstable();
        (address, at.iter().map(|&j| cases[i][j].as_str()).collect::<Vec<_>>().join(" "))
    };
    Ok(Assembled { code, lines: lines.map(text).collect(), starts })
}

fn in_dir(arch: &Arch, dir: &Path, source: &str) -> Result<(Vec<u8>, String), String> {
    let tool = |name: &str, args: &[&str]| {
        let program = format!("{}-{name}", arch.triple);
        let out = Command::new(&program).args(args).current_dir(dir).output();
        let out = out.map_err(|e| format!("{program}: {e}"))?;
        if out.status.success() {
            Ok(String::from_utf8_lossy(&out.stdout).into_owned())
        } else {
            Err(format!("{program}: {}", String::from_utf8_lossy(&out.stderr)))
        }
    };
    std::fs::write(dir.join("in.s"), source).map_err(|e| e.to_string())?;
    tool("as", &[arch.flags, &["-o", "out.o", "in.s"]].concat())?;
    let at = |name: &str, address: u64| format!("{name}={address:#x}");
    let (data, far, text) =
        (at("data", arch.code + DATA), at("far", arch.code + FAR), at("-Ttext", arch.code));
    let link =
        ["--no-relax", "-e", "0", "--defsym", &data, "--defsym", &far, &text, "-o", "out.elf", "out.o"];
    tool("ld", &link)?;
    tool("objcopy", &["-O", "binary", "-j", ".text", "out.elf", "out.bin"])?;
    let code = std::fs::read(dir.join("out.bin")).map_err(|e| e.to_string())?;
    Ok((code, tool("nm", &["out.elf"])?))
}

//! Host code as text, in Intel syntax. Names stand for what is not the same in every build or on
//! every run:
//!
//! - `code+0x10`, `data+0x8`: guest addresses, from the case's begin or a symbol on;
//!   `exit(code+0x10)`: the stub of a jump that leaves the unit for there;
//! - `helper`, `lookup`, `pool+0x20`: pieces of the glue (`glue` of the host);
//! - `function` and `arg`: what generated code calls in the emulator, and the constant argument;
//! - `[rbp+x9]`, `[rbp+spill]`: the guest's registers and the other parts of the thread's state;
//! - `L1`: a place in the unit. What a locked instruction has behind it, `mov ecx, L1`, becomes a
//!   jump there once reservations are watched.

use crate::Arch;
use crate::assemble::PAGE;
use crate::memory::{DATA, FAR};
use anyarch_host_x86_64::glue::Piece;
use anyarch_host_x86_64::listing::{self, Listing, field};
use iced_x86::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::OnceLock;

/// The host instructions in a part of a unit.
pub fn decode(unit: &Listing, part: &Range<usize>) -> Vec<Instruction> {
    let bytes = &unit.bytes[part.clone()];
    Decoder::with_ip(64, bytes, unit.at + part.start as u64, DecoderOptions::NONE).into_iter().collect()
}

/// The pieces of the glue that instructions call or jump to.
pub fn pieces(code: &[Instruction]) -> BTreeSet<String> {
    code.iter().filter_map(piece).map(piece_name).collect()
}

/// The piece of the glue that an instruction calls or jumps to.
fn piece(i: &Instruction) -> Option<Piece> {
    let goes = matches!(i.mnemonic(), Mnemonic::Call | Mnemonic::Jmp);
    let from_state = i.memory_base() == Register::RBP && i.memory_index() == Register::None;
    (goes && from_state).then(|| listing::piece(i.memory_displacement64() as i32))?
}

/// `ChainFar` becomes `chain_far`.
fn piece_name(piece: Piece) -> String {
    let mut name = String::new();
    for c in format!("{piece:?}").chars() {
        if c.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

/// End of the straight line.
fn straight(unit: &Listing) -> usize {
    unit.insns.last().map_or(0, |i| i.code.end)
}

/// One unit's text: a line of figures (instructions of the guest and of the host, and bytes, of the
/// straight line; how many are part of the step of one before them), then the code of each guest
/// instruction below its line, cold paths, and where the stubs lead.
pub fn unit(arch: &Arch, unit: &Listing, lines: &HashMap<u64, String>) -> String {
    let cold: usize = unit.cold.iter().map(|c| c.0.len()).sum();
    let covered = unit.insns.iter().filter(|i| i.is_covered).count();
    let mut text = format!(
        "{} guest, {} host, {} bytes",
        unit.insns.len(),
        decode(unit, &(0..straight(unit))).len(),
        straight(unit)
    );
    if covered != 0 {
        text += &format!("; {covered} covered");
    }
    if cold != 0 {
        text += &format!("; cold {cold} bytes");
    }
    text.push('\n');
    let mut printer = Printer::new(arch, unit);
    let source = |pc: u64| match lines.get(&arch.guest.address(pc)) {
        Some(line) => line.clone(),
        None => guest_name(arch, unit, pc),
    };
    for (n, insn) in unit.insns.iter().enumerate() {
        if insn.is_covered {
            continue;
        }
        let step = unit.insns[n + 1..].iter().take_while(|i| i.is_covered);
        for i in std::iter::once(insn).chain(step) {
            text += &format!("{}{}\n", if i.is_covered { "& " } else { "" }, source(i.pc));
        }
        printer.part(&insn.code, &mut text);
    }
    for (part, insn) in &unit.cold {
        text += &format!("cold: {}\n", source(unit.insns[*insn].pc));
        printer.part(part, &mut text);
    }
    if !unit.exits.is_empty() {
        let bytes = unit.bytes.len() - unit.exits[0].stub;
        let exits = unit
            .exits
            .iter()
            .map(|e| format!("{}{}", if e.is_call { "call " } else { "" }, guest_name(arch, unit, e.target)));
        text += &format!("stubs, {bytes} bytes: {}\n", exits.collect::<Vec<_>>().join(", "));
    }
    text
}

/// A guest address.
fn guest_name(arch: &Arch, unit: &Listing, pc: u64) -> String {
    let address = arch.guest.address(pc);
    let start = arch.guest.address(unit.insns.first().map_or(arch.code, |i| i.pc)) & !(PAGE - 1);
    let (data, far) = (arch.code + DATA, arch.code + FAR);
    let (name, from) = match address {
        _ if address >= data => ("data", data),
        _ if address >= far => ("far", far),
        _ => ("code", start),
    };
    match address.wrapping_sub(from) as i64 {
        0 => name.into(),
        n if n < 0 => format!("{name}-{:#x}", -n),
        n => format!("{name}+{n:#x}"),
    }
}

struct Printer {
    formatter: IntelFormatter,
    labels: BTreeMap<u64, String>,
    at: u64,
    bytes: Vec<u8>,
}

impl Printer {
    fn new(arch: &Arch, unit: &Listing) -> Printer {
        let end = unit.exits.first().map_or(unit.bytes.len(), |e| e.stub);
        let all = decode(unit, &(0..end));
        let mut labels = BTreeMap::new();
        let mut names = HashMap::new();
        let mut locked = Vec::new();
        let (mut after_function, mut after_syscall) = (false, false);
        for i in &all {
            let mut name = |address: u64, name: String| names.insert((i.ip(), address), name);
            if matches!(i.op0_kind(), OpKind::NearBranch64) {
                let to = i.near_branch_target();
                let within = (unit.at..unit.at + end as u64).contains(&to);
                let exit = unit.exits.iter().find(|e| unit.at + e.stub as u64 == to);
                if let Some(exit) = exit {
                    name(to, format!("exit({})", guest_name(arch, unit, exit.target)));
                } else if within {
                    labels.insert(to, String::new());
                }
            }
            // The call's data: the distance of the next guest instruction from this place.
            if std::mem::take(&mut after_syscall) && i.op1_kind() == OpKind::Immediate32 {
                let distance = i.immediate32() as i32 as i64;
                name(i.immediate(1), guest_name(arch, unit, (i.ip() + 1).wrapping_add_signed(distance)));
            }
            after_syscall = piece(i) == Some(Piece::Syscall);
            if unit.locked.contains(&((i.ip() - unit.at) as usize)) {
                let to = i.next_ip() + i.immediate(1);
                labels.insert(to, String::new());
                locked.push((i.ip(), i.immediate(1), to));
            }
            if i.is_ip_rel_memory_operand() {
                let to = i.ip_rel_memory_address();
                let within = (unit.at..unit.at + unit.bytes.len() as u64).contains(&to);
                if within {
                    labels.insert(to, String::new());
                } else {
                    name(to, guest_name(arch, unit, to));
                }
            } else if i.memory_base() == Register::RBP {
                let from_rbp = i.memory_displacement64();
                if let Some(piece) = piece(i) {
                    name(from_rbp, piece_name(piece));
                } else if let Some((part, offset)) = field(from_rbp as i32) {
                    name(from_rbp, part_name(arch, part, offset));
                }
            }
            let of_process = i.op1_kind() == OpKind::Immediate64 && is_own(i.immediate64());
            if of_process {
                name(i.immediate64(), "function".into());
            } else if after_function && matches!(i.op0_register(), Register::ECX | Register::RCX) {
                name(i.immediate(1), "arg".into());
            }
            after_function = of_process;
        }
        for (n, label) in labels.values_mut().enumerate() {
            *label = format!("L{}", n + 1);
        }
        names.extend(locked.into_iter().map(|(ip, distance, to)| ((ip, distance), labels[&to].clone())));
        let mut formatter =
            IntelFormatter::with_options(Some(Box::new(Names { names, labels: labels.clone() })), None);
        let options = formatter.options_mut();
        options.set_hex_prefix("0x");
        options.set_hex_suffix("");
        options.set_uppercase_hex(false);
        options.set_space_after_operand_separator(true);
        options.set_signed_immediate_operands(false);
        options.set_small_hex_numbers_in_decimal(true);
        options.set_show_branch_size(false);
        options.set_branch_leading_zeros(false);
        options.set_show_symbol_address(false);
        Printer { formatter, labels, at: unit.at, bytes: unit.bytes.clone() }
    }

    fn part(&mut self, part: &Range<usize>, text: &mut String) {
        let decoder = Decoder::with_ip(
            64,
            &self.bytes[part.clone()],
            self.at + part.start as u64,
            DecoderOptions::NONE,
        );
        for i in decoder {
            if let Some(label) = self.labels.get(&i.ip()) {
                *text += &format!("    {label}:\n");
            }
            let mut line = String::new();
            self.formatter.format(&i, &mut line);
            *text += &format!("        {line}\n");
        }
    }
}

fn part_name(arch: &Arch, part: &str, offset: usize) -> String {
    let (name, rest) = match part {
        "gpr" => ((arch.integer)(offset / 8), offset % 8),
        "vec" => ((arch.vector)(offset / 16), offset % 16),
        _ => (part.into(), offset),
    };
    if rest == 0 { name } else { format!("{name}+{rest:#x}") }
}

/// Whether this executable has something at an address.
fn is_own(address: u64) -> bool {
    static RANGES: OnceLock<Vec<Range<u64>>> = OnceLock::new();
    let ranges = RANGES.get_or_init(|| {
        let exe = std::env::current_exe().unwrap_or_default();
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
        let lines = maps.lines().filter(|line| line.ends_with(&*exe.to_string_lossy()));
        let range = |line: &str| {
            let (from, to) = line.split(' ').next()?.split_once('-')?;
            Some(u64::from_str_radix(from, 16).ok()?..u64::from_str_radix(to, 16).ok()?)
        };
        lines.filter_map(range).collect()
    });
    ranges.iter().any(|r| r.contains(&address))
}

struct Names {
    names: HashMap<(u64, u64), String>,
    labels: BTreeMap<u64, String>,
}

impl SymbolResolver for Names {
    fn symbol(
        &mut self,
        i: &Instruction,
        _operand: u32,
        _instruction_operand: Option<u32>,
        address: u64,
        _size: u32,
    ) -> Option<SymbolResult<'_>> {
        let name = self.names.get(&(i.ip(), address)).or_else(|| self.labels.get(&address))?;
        Some(SymbolResult::with_str(address, name))
    }
}

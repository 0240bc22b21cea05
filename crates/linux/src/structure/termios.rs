//! Terminal modes: their bits, speeds and the places of control characters differ between
//! architectures, beside the layout of the structures that hold them.

use super::constants::{Group, TERMIOS_CC, TERMIOS_CFLAGS, TERMIOS_IFLAGS, TERMIOS_LFLAGS, TERMIOS_OFLAGS};
use super::model::HOST;
use super::{ByteOrder, Direction, Family, Model, Plan, Struct, rows};

/// The bits of the four words of modes.
static FLAGS: [&Group; 4] = [&TERMIOS_IFLAGS, &TERMIOS_OFLAGS, &TERMIOS_CFLAGS, &TERMIOS_LFLAGS];

/// For which models anything but a layout differs from the host's: a bit each.
pub(crate) const fn differs() -> u16 {
    TERMIOS_IFLAGS.differs()
        | TERMIOS_OFLAGS.differs()
        | TERMIOS_CFLAGS.differs()
        | TERMIOS_LFLAGS.differs()
        | TERMIOS_CC.differs()
}

/// Whether a structure holds terminal modes.
pub(crate) fn is_modes(of: &Struct) -> bool {
    [&rows::termios, &rows::termios2, &rows::termio].contains(&of)
}

/// Places of a speed in the control modes: of output, and of input above it.
const OUTPUT: u32 = 0;
const INPUT: u32 = 16;

/// Bits of an output speed.
fn speed_mask(model: &Model) -> u32 {
    if model.family == Family::Powerpc { 0xff } else { 0x100f }
}

/// The number of a speed: 0 to 15, then 16 to 30 for the faster ones, and 31 for any other.
fn speed(model: &Model, bits: u32) -> u32 {
    match bits & speed_mask(model) {
        code if model.family == Family::Powerpc => code,
        0x1000 => 31,
        code if code & 0x1000 != 0 => (code & 15) + 15,
        code => code,
    }
}

fn speed_bits(model: &Model, speed: u32) -> u32 {
    match speed {
        _ if model.family == Family::Powerpc => speed,
        0..16 => speed,
        16..31 => 0x1000 | (speed - 15),
        _ => 0x1000,
    }
}

/// The control modes with speeds as `to` has them.
fn speeds(from: &Model, to: &Model, before: u32, after: u32) -> u32 {
    [OUTPUT, INPUT].iter().fold(after, |modes, at| {
        modes & !(speed_mask(to) << at) | speed_bits(to, speed(from, before >> at)) << at
    })
}

/// A flag word without its speeds, where it has such.
fn without_speeds(model: &Model, group: &Group, word: u32) -> u32 {
    if *group.prefix != *TERMIOS_CFLAGS.prefix {
        return word;
    }
    word & !(speed_mask(model) | speed_mask(model) << INPUT)
}

/// Converts a structure of modes.
pub(crate) fn convert(
    of: &Struct,
    plan: &Plan,
    direction: Direction,
    guest: &Model,
    from: &[u8],
    to: &mut [u8],
) {
    plan.convert(from, to);
    let (source, target) = match direction {
        Direction::ToHost => (guest, &HOST),
        Direction::ToGuest => (&HOST, guest),
    };
    let size = if *of == rows::termio { 2 } else { 4 };
    for (i, group) in FLAGS.iter().enumerate() {
        let word = &mut to[size * i..size * (i + 1)];
        let before = load(target.order, word);
        let plain = without_speeds(source, group, before);
        let after = match direction {
            Direction::ToHost => group.to_host(guest, plain),
            Direction::ToGuest => group.to_guest(guest, plain),
        };
        let mut after = after.unwrap_or(plain);
        if *group.prefix == *TERMIOS_CFLAGS.prefix {
            after = speeds(source, target, before, after);
        }
        store(target.order, word, after);
    }
    let (Some(a), Some(b)) = (of.offset("c_cc", source), of.offset("c_cc", target)) else { return };
    let (from, to) = (&from[a..], &mut to[b..]);
    // Index by index: what one side has not stays zero.
    let counts = [source, target].map(|model| characters(of, model));
    to[..counts[1]].fill(0);
    for index in 0..17 {
        let place = |model: &Model| {
            let row = TERMIOS_CC.constants.iter().find(|c| c.value(&HOST) == index);
            row.map_or(index, |row| row.value(model)) as usize
        };
        let (f, t) = (place(source), place(target));
        if f < counts[0] && t < counts[1] {
            to[t] = from[f];
        }
    }
}

/// How many control characters a structure has.
fn characters(of: &Struct, model: &Model) -> usize {
    of.members(model).find(|m| m.0 == "c_cc").map_or(0, |m| m.2.size(model))
}

fn load(order: ByteOrder, bytes: &[u8]) -> u32 {
    let shift = |word: u32, byte: &u8| word << 8 | *byte as u32;
    match order {
        ByteOrder::Little => bytes.iter().rev().fold(0, shift),
        ByteOrder::Big => bytes.iter().fold(0, shift),
    }
}

fn store(order: ByteOrder, bytes: &mut [u8], word: u32) {
    let n = bytes.len();
    bytes.copy_from_slice(&word.to_le_bytes()[..n]);
    if order == ByteOrder::Big {
        bytes.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structure::model::{self, MODELS};
    use alloc::vec;
    use alloc::vec::Vec;

    /// 9600 8N1 of a canonical terminal, as the host has it.
    fn host() -> Vec<u8> {
        let mut bytes = vec![0; rows::termios.size(&HOST)];
        // ICRNL | IXON, OPOST | ONLCR, B9600 | CS8 | CREAD | HUPCL, ISIG | ICANON | ECHO | IEXTEN
        for (i, word) in [0x500u32, 0x5, 0o15 | 0x30 | 0x80 | 0x400, 0x800b].iter().enumerate() {
            bytes[4 * i..4 * i + 4].copy_from_slice(&word.to_le_bytes());
        }
        for i in 0..17 {
            bytes[17 + i] = i as u8 + 1;
        }
        bytes
    }

    fn to(guest: &Model, bytes: &[u8]) -> Vec<u8> {
        let plan = Plan::new(&rows::termios, &HOST, guest);
        let mut out = vec![0; plan.to_size];
        convert(&rows::termios, &plan, Direction::ToGuest, guest, bytes, &mut out);
        out
    }

    fn back(guest: &Model, bytes: &[u8]) -> Vec<u8> {
        let plan = Plan::new(&rows::termios, guest, &HOST);
        let mut out = vec![0; plan.to_size];
        convert(&rows::termios, &plan, Direction::ToHost, guest, bytes, &mut out);
        out
    }

    #[test]
    fn modes_of_power() {
        let got = to(&model::PPC64LE, &host());
        let word = |i: usize| load(ByteOrder::Little, &got[4 * i..4 * i + 4]);
        // ICRNL | IXON, OPOST | ONLCR, B9600 | CS8 | CREAD | HUPCL, ISIG | ICANON | ECHO | IEXTEN
        assert_eq!([0, 1, 2, 3].map(word), [0x300, 0x3, 0o15 | 0x300 | 0x800 | 0x4000, 0x588]);
        // VMIN is 5, VTIME 7, VEOF 4.
        assert_eq!((got[16 + 5], got[16 + 7], got[16 + 4]), (7, 6, 5));
    }

    #[test]
    fn modes_come_back() {
        let mut bytes = host();
        for speed in [0o15u32, 0o17, 0x1001, 0x1002, 0x100f, 0x1000, 0x1002 | 0x1001_0000, 0] {
            let modes = speed | 0x30 | 0x80 | 0x8000_0000;
            bytes[8..12].copy_from_slice(&modes.to_le_bytes());
            for guest in &MODELS {
                let there = to(guest, &bytes);
                assert_eq!(back(guest, &there)[..34], bytes[..34], "{} {speed:#x}", guest.name);
            }
        }
    }

    #[test]
    fn the_guests_of_the_generic_abi_agree() {
        for guest in [&model::AARCH64, &model::RISCV64, &model::ARM] {
            assert_eq!(differs() & 1 << guest.index, 0, "{}", guest.name);
        }
    }
}

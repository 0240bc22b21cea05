//! `siginfo_t`: which members it has is told by the signal and its code (the kernel's
//! `siginfo_layout`), and each of these forms is a row.

use super::constants::SIGNALS;
use super::{Direction, Model, Plan, Struct, rows};

/// Bytes of a `siginfo_t`, everywhere.
pub(crate) const SIZE: usize = 128;

const SIGILL: i32 = 4;
const SIGTRAP: i32 = 5;
const SIGBUS: i32 = 7;
const SIGFPE: i32 = 8;
const SIGSEGV: i32 = 11;
const SIGCHLD: i32 = 17;
const SIGIO: i32 = 29;
const SIGSYS: i32 = 31;

/// The signal was sent by the kernel.
const SI_KERNEL: i32 = 0x80;
const SI_USER: i32 = 0;
const SI_TIMER: i32 = -2;
const SI_SIGIO: i32 = -5;
const SEGV_BNDERR: i32 = 3;
const SEGV_PKUERR: i32 = 4;
/// The highest code of SIGIO.
const NSIGPOLL: i32 = 6;

/// The form that a signal and its code have. The signal is the host's.
fn row(signo: i32, code: i32) -> &'static Struct {
    match (signo, code) {
        (SIGSEGV, SEGV_BNDERR) => &rows::siginfo_bounds,
        (SIGSEGV, SEGV_PKUERR) => &rows::siginfo_pkey,
        (_, SI_USER | SI_KERNEL) => &rows::siginfo_kill,
        (_, SI_TIMER) => &rows::siginfo_timer,
        (_, SI_SIGIO) => &rows::siginfo_poll,
        (_, i32::MIN..0) => &rows::siginfo_rt,
        (SIGILL | SIGTRAP | SIGBUS | SIGFPE | SIGSEGV, 1..SI_KERNEL) => &rows::siginfo_fault,
        (SIGCHLD, 1..SI_KERNEL) => &rows::siginfo_child,
        (SIGSYS, 1..SI_KERNEL) => &rows::siginfo_sys,
        (SIGIO, 1..SI_KERNEL) | (_, 1..=NSIGPOLL) => &rows::siginfo_poll,
        _ => &rows::siginfo_kill,
    }
}

/// The signal's number and code, of a `siginfo_t` in the host's layout.
fn head(host: &[u8; SIZE]) -> (i32, i32) {
    let int = |at: usize| i32::from_le_bytes([host[at], host[at + 1], host[at + 2], host[at + 3]]);
    (int(0), int(8))
}

/// What the host's kernel tells of a signal, as the guest lays it out.
pub(crate) fn to_guest(guest: &Model, host: &[u8; SIZE]) -> [u8; SIZE] {
    let (signo, code) = head(host);
    let mut source = *host;
    if let Some(number) = SIGNALS.to_guest(guest, signo as u32) {
        source[..4].copy_from_slice(&number.to_le_bytes());
    }
    let mut out = [0; SIZE];
    Plan::kept(row(signo, code), Direction::ToGuest, guest).convert(&source, &mut out);
    out
}

/// What a guest tells of a signal, for the host's kernel.
pub(crate) fn to_host(guest: &Model, theirs: &[u8; SIZE]) -> [u8; SIZE] {
    // Number and code have their places in every form.
    let mut out = [0; SIZE];
    Plan::kept(&rows::siginfo_kill, Direction::ToHost, guest).convert(theirs, &mut out);
    let (signo, code) = head(&out);
    let signo = SIGNALS.to_host(guest, signo as u32).map_or(signo, |signo| signo as i32);
    out = [0; SIZE];
    Plan::kept(row(signo, code), Direction::ToHost, guest).convert(theirs, &mut out);
    out[..4].copy_from_slice(&signo.to_le_bytes());
    out
}

/// Whether guest and host agree on every form.
pub(crate) fn same(guest: &Model) -> bool {
    rows::siginfo.differs & 1 << guest.index == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structure::model::{self, ByteOrder, HOST, MODELS};

    fn host(signo: i32, code: i32, words: &[(usize, u64)]) -> [u8; SIZE] {
        let mut info = [0; SIZE];
        info[..4].copy_from_slice(&signo.to_le_bytes());
        info[8..12].copy_from_slice(&code.to_le_bytes());
        for &(at, word) in words {
            info[at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
        info
    }

    const FORMS: [(i32, i32); 16] = [
        (10, SI_USER),
        (10, SI_KERNEL),
        (10, -6),
        (34, -1),
        (34, SI_TIMER),
        (35, SI_SIGIO),
        (SIGSEGV, 1),
        (SIGSEGV, SEGV_BNDERR),
        (SIGSEGV, SEGV_PKUERR),
        (SIGBUS, 5),
        (SIGFPE, 7),
        (SIGTRAP, 2),
        (SIGCHLD, 1),
        (SIGIO, 1),
        (36, 4),
        (SIGSYS, 1),
    ];

    #[test]
    fn every_form_comes_back() {
        for guest in &MODELS {
            for (signo, code) in FORMS {
                // Numbers that a 32-bit guest's members hold too, where the form has such.
                let info = host(signo, code, &[(16, 0x1234_5678), (24, 0x2345_6789), (32, 0x3456_789a)]);
                let there = to_guest(guest, &info);
                let back = to_host(guest, &there);
                // What the form has not became zero the first time.
                assert_eq!(to_guest(guest, &back), there, "{signo} {code} of {}", guest.name);
                let size = row(signo, code).size(&HOST).min(40);
                let words = size - size % 8;
                if !matches!(row(signo, code).name, "siginfo_kill" | "siginfo_fault" | "siginfo_pkey") {
                    assert_eq!(
                        back[..words.min(24)],
                        info[..words.min(24)],
                        "{signo} {code} of {}",
                        guest.name
                    );
                }
                assert_eq!(head(&back), (signo, code), "{}", guest.name);
            }
        }
    }

    #[test]
    fn forms_of_a_32_bit_guest() {
        // arch/arm: the union begins at 12, and si_value at 20.
        let info = host(34, -1, &[(16, 77 | 5 << 32), (24, 0xcafe)]);
        let arm = to_guest(&model::ARM, &info);
        let int = |at: usize| u32::from_le_bytes([arm[at], arm[at + 1], arm[at + 2], arm[at + 3]]);
        assert_eq!([0, 8, 12, 16, 20].map(int), [34, -1i32 as u32, 77, 5, 0xcafe]);
        let info = host(SIGSEGV, 2, &[(16, 0x8000_1000)]);
        let arm = to_guest(&model::ARM, &info);
        assert_eq!(arm[12..16], 0x8000_1000u32.to_le_bytes());
        // SIGCHLD's times.
        let info = host(SIGCHLD, 1, &[(16, 9), (24, 3), (32, 11), (40, 12)]);
        let arm = to_guest(&model::ARMEB, &info);
        assert_eq!(
            arm[12..32],
            [[0, 0, 0, 9], [0, 0, 0, 0], [0, 0, 0, 3], [0, 0, 0, 11], [0, 0, 0, 12]].concat()
        );
        assert_eq!(model::ARMEB.order, ByteOrder::Big);
    }

    #[test]
    fn mips_has_other_numbers() {
        let mips = to_guest(&model::MIPS64EL, &host(SIGCHLD, 1, &[(16, 9)]));
        assert_eq!(mips[..12], [18, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(to_host(&model::MIPS64EL, &mips)[..12], [17, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
    }

    #[test]
    fn the_guests_of_the_generic_abi_agree() {
        assert!(same(&model::AARCH64) && same(&model::RISCV64) && !same(&model::ARM) && !same(&model::S390X));
    }
}

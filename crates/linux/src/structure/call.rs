//! Structures that a call carries, converted around the host's call.
//!
//! The argument types of a row say what there is to convert. A row whose structures all have the
//! same layout on guest and host never comes here: [`differs`] is known at build time.

use super::plan::Direction;
use super::{Model, Plan, Struct, model, same_struct};
use crate::calls::sockopt;
use crate::calls::table::{Arg, Row};
use alloc::vec;
use alloc::vec::Vec;
use anyarch_sys::{Errno, SysResult, read_bytes, write_bytes};

/// For which models ([`Model::index`]) a structure among the arguments differs from the host's.
pub const fn differs(args: &[Arg]) -> u16 {
    let mut models = 0;
    let mut i = 0;
    while i < args.len() {
        if matches!(args[i], Arg::SockOpt) {
            models |= sockopt::differs();
        }
        if let Arg::In(of)
        | Arg::Out(of)
        | Arg::InOut(of)
        | Arg::InArray(of, _)
        | Arg::OutArray(of, _)
        | Arg::InOutArray(of, _)
        | Arg::Sized(of) = &args[i]
        {
            let mut m = 0;
            while m < model::MODELS.len() {
                if !same_struct(of, &model::MODELS[m], &model::HOST) {
                    models |= 1 << m;
                }
                m += 1;
            }
        }
        i += 1;
    }
    models
}

/// Bytes of structures that need no allocation.
const SMALL: usize = 256;

/// Room of the emulator's for one structure of the host.
struct Room {
    small: [u64; SMALL / 8],
    large: Vec<u64>,
}

impl Room {
    fn new(size: usize) -> Room {
        let large = if size > SMALL { vec![0; size.div_ceil(8)] } else { Vec::new() };
        Room { small: [0; SMALL / 8], large }
    }

    fn bytes(&mut self) -> &mut [u8] {
        let words = if self.large.is_empty() { &mut self.small[..] } else { &mut self.large[..] };
        // SAFETY: the same memory as bytes, which have every value.
        unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), size_of_val(words)) }
    }
}

/// Lets `call` fill the host's structure at the address it is given, and writes it to guest address
/// `addr` as the guest lays it out.
///
/// # Errors
/// Those of `call`, then `EOVERFLOW` for a number that the guest's member cannot hold, then
/// `EFAULT`.
pub fn filled_by(
    of: &'static Struct,
    guest: &Model,
    addr: u64,
    call: impl FnOnce(u64) -> SysResult,
) -> SysResult {
    let plan = Plan::kept(of, Direction::ToGuest, guest);
    let (mut host, mut theirs) = (Room::new(plan.from_size), Room::new(plan.to_size));
    let result = call(host.bytes().as_mut_ptr() as u64)?;
    if !plan.convert(host.bytes(), theirs.bytes()) {
        return Err(Errno::EOVERFLOW);
    }
    write_bytes(addr, &theirs.bytes()[..plan.to_size])?;
    Ok(result)
}

/// Lets `call` read the structure at guest address `addr` in the host's layout at the address it is
/// given.
///
/// # Errors
/// `EFAULT`, then those of `call`.
pub fn read_by(
    of: &'static Struct,
    guest: &Model,
    addr: u64,
    call: impl FnOnce(u64) -> SysResult,
) -> SysResult {
    let plan = Plan::kept(of, Direction::ToHost, guest);
    let (mut theirs, mut host) = (Room::new(plan.from_size), Room::new(plan.to_size));
    read_bytes(addr, &mut theirs.bytes()[..plan.from_size])?;
    plan.convert(theirs.bytes(), host.bytes());
    call(host.bytes().as_ptr() as u64)
}

/// The structures of one argument, as the host's kernel is to see them.
struct Converted {
    of: &'static Struct,
    addr: u64,
    host: Vec<u64>,
    /// The call fills them.
    out: bool,
    /// It fills as many as it returns, and `host` is empty until then.
    counted: bool,
    count: usize,
}

/// More structures than are converted at once: the kernel is asked without any, and finds its own
/// errno. (For room that a call may leave empty see [`convert`].)
const TOO_MANY: u64 = 1 << 20;

/// An argument and its place among a call's six.
#[derive(Clone, Copy)]
pub struct Argument {
    /// Index.
    pub index: usize,
    /// What it is.
    pub arg: Arg,
}

/// Makes a row's call whose structures differ between guest and host: `call` gets the arguments with
/// the addresses of the host's structures.
///
/// # Errors
/// As [`convert`].
pub fn converted(
    row: &Row,
    guest: &Model,
    args: &[u64; 6],
    call: impl FnOnce(&[u64; 6]) -> SysResult,
) -> SysResult {
    let mut typed = [Argument { index: 0, arg: Arg::Int }; 6];
    for (index, arg) in row.args.iter().enumerate() {
        typed[index] = Argument { index, arg: *arg };
    }
    convert(&typed, guest, args, call)
}

/// Makes a call with the structures of some of its arguments as the host lays them out.
///
/// # Errors
/// `EFAULT`, then those of `call`, then `EOVERFLOW` for a number that the guest's member cannot hold.
pub fn convert(
    typed: &[Argument],
    guest: &Model,
    args: &[u64; 6],
    call: impl FnOnce(&[u64; 6]) -> SysResult,
) -> SysResult {
    let mut host_args = *args;
    let mut all: Vec<Converted> = Vec::new();
    for &Argument { index: i, arg } in typed {
        let (of, reads, out, count) = match arg {
            Arg::In(of) | Arg::Sized(of) => (of, true, false, None),
            Arg::Out(of) => (of, false, true, None),
            Arg::InOut(of) => (of, true, true, None),
            Arg::InArray(of, n) => (of, true, false, Some(args[n])),
            Arg::OutArray(of, n) => (of, false, true, Some(args[n])),
            Arg::InOutArray(of, n) => (of, true, true, Some(args[n])),
            _ => continue,
        };
        if args[i] == 0 || same_struct(of, guest, &model::HOST) {
            continue;
        }
        let mut n = count.map_or(1, |n| n as u32 as u64);
        // A call that tells how many it has filled may fill fewer than there is room for.
        if let Arg::OutArray(of, at) = arg
            && (TOO_MANY..=i32::MAX as u64 / of.size(guest) as u64).contains(&n)
        {
            n = TOO_MANY - 1;
            host_args[at] = n;
        }
        if n >= TOO_MANY {
            host_args[i] = u64::MAX;
            continue;
        }
        let plan = Plan::kept(of, Direction::ToHost, guest);
        // An address outside of user space is the kernel's to refuse, in the order of its checks.
        let end = args[i].checked_add(n * plan.from_size as u64);
        if end.is_none_or(|end| end > anyarch_sys::GUEST_END) {
            continue;
        }
        let words = (n as usize * plan.to_size).div_ceil(8).max(1);
        let mut host = Vec::with_capacity(words);
        let counted = count.is_some() && !reads;
        if !counted {
            host.resize(words, 0u64);
        }
        if reads {
            let mut theirs = vec![0u8; n as usize * plan.from_size];
            read_bytes(args[i], &mut theirs)?;
            let host = bytes_of(&mut host);
            for k in 0..n as usize {
                plan.convert(&theirs[k * plan.from_size..], &mut host[k * plan.to_size..]);
            }
        }
        host_args[i] = host.as_mut_ptr() as u64;
        all.push(Converted { of, addr: args[i], host, out, counted, count: n as usize });
    }
    let result = call(&host_args)?;
    for it in all.iter_mut().filter(|it| it.out) {
        let plan = Plan::kept(it.of, Direction::ToGuest, guest);
        let n = if it.counted { it.count.min(result as usize) } else { it.count };
        if it.counted {
            // SAFETY: within the capacity, and the call filled as many structures as it returned.
            unsafe { it.host.set_len((n * plan.from_size).div_ceil(8)) };
        }
        let mut theirs = vec![0u8; n * plan.to_size];
        let host = bytes_of(&mut it.host);
        for k in 0..n {
            if !plan.convert(&host[k * plan.from_size..], &mut theirs[k * plan.to_size..]) {
                return Err(Errno::EOVERFLOW);
            }
        }
        write_bytes(it.addr, &theirs)?;
    }
    Ok(result)
}

fn bytes_of(words: &mut [u64]) -> &mut [u8] {
    // SAFETY: the same memory as bytes, which have every value.
    unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), size_of_val(words)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::table::{Kind, ROWS, Sys};
    use crate::structure::rows;

    #[test]
    fn the_guests_of_the_generic_abi_convert_little() {
        for guest in [&model::AARCH64, &model::RISCV64] {
            let differ: Vec<&str> =
                ROWS.iter().filter(|row| row.differs & 1 << guest.index != 0).map(|row| row.name).collect();
            let stats = ["stat", "fstat", "lstat", "newfstatat"];
            let events = ["epoll_wait", "epoll_ctl", "epoll_pwait", "epoll_pwait2"];
            let signal = ["rt_sigaction"];
            let known =
                |name: &&str| [&stats[..], &events[..], &signal[..]].iter().any(|names| names.contains(name));
            assert!(differ.iter().all(|name| known(&name)), "{}: {differ:?}", guest.name);
            for name in stats.iter().chain(&events) {
                assert!(differ.contains(name), "{}: {name}", guest.name);
            }
        }
    }

    #[test]
    fn opaque_arguments_say_why() {
        for row in ROWS {
            for arg in row.args {
                assert!(!matches!(arg, Arg::Opaque(why) if why.len() < 8), "{}", row.name);
            }
        }
    }

    /// A call of a guest of another width and order: what it wrote reaches the host's call, what
    /// that fills reaches the guest.
    #[test]
    fn structures_go_there_and_back() {
        let row = Sys::timerfd_settime.row();
        assert!(matches!(row.kind, Kind::Passthrough));
        for (guest, bytes) in [(&model::S390X, 8), (&model::ARM, 4)] {
            let number = |value: u64| match guest.order {
                model::Order::Big => value.to_be_bytes()[8 - bytes..].to_vec(),
                model::Order::Little => value.to_le_bytes()[..bytes].to_vec(),
            };
            let new = [1, 2, 3, u64::MAX].map(number).concat();
            let mut old = vec![0u8; 4 * bytes];
            let args = [5, 0, new.as_ptr() as u64, old.as_mut_ptr() as u64, 0, 0];
            let result = converted(row, guest, &args, |host| {
                assert_eq!(host[..2], [5, 0]);
                // SAFETY: the addresses of four longs each, made by the function under test.
                unsafe {
                    assert_eq!(*(host[2] as *const [i64; 4]), [1, 2, 3, -1]);
                    *(host[3] as *mut [i64; 4]) = [7, -8, 9, 10];
                }
                Ok(4)
            });
            assert_eq!(result, Ok(4));
            assert_eq!(old, [7, -8i64 as u64, 9, 10].map(number).concat(), "{}", guest.name);
            // Nothing is written where there is no room for the number.
            if bytes == 4 {
                let result = converted(row, guest, &args, |host| {
                    // SAFETY: as above.
                    unsafe { *(host[3] as *mut [i64; 4]) = [1 << 40; 4] };
                    Ok(0)
                });
                assert_eq!(result, Err(Errno::EOVERFLOW));
            }
        }
    }

    #[test]
    fn as_many_as_the_call_returns() {
        let row = Sys::epoll_wait.row();
        let guest = &model::AARCH64;
        let mut events = [0xffu8; 3 * 16];
        let args = [3, events.as_mut_ptr() as u64, 3, 0, 0, 0];
        let result = converted(row, guest, &args, |host| {
            // SAFETY: room for three packed events.
            unsafe { (host[1] as *mut [u8; 24]).write(*b"\x01\0\0\0abcdefgh\x02\0\0\0ijklmnop") };
            Ok(2)
        });
        assert_eq!(result, Ok(2));
        assert_eq!(events[..32], *b"\x01\0\0\0\0\0\0\0abcdefgh\x02\0\0\0\0\0\0\0ijklmnop");
        assert_eq!(events[32..], [0xff; 16]);
    }

    /// Room for more structures than are converted at once is room for fewer.
    #[test]
    fn room_for_very_many() {
        let row = Sys::epoll_wait.row();
        let mut event = [0xffu8; 16];
        for (max, want) in [(3, 3), (1 << 21, TOO_MANY - 1), (-1i32 as u64, -1i32 as u64)] {
            let args = [3, event.as_mut_ptr() as u64, max, 0, 0, 0];
            let result = converted(row, &model::AARCH64, &args, |host| {
                assert_eq!(host[2], want);
                Err(Errno::EINTR)
            });
            assert_eq!(result, Err(Errno::EINTR));
        }
    }

    #[test]
    fn one_structure_at_a_time() {
        let mut event = [9u8; 16];
        let at = event.as_mut_ptr() as u64;
        let filled = filled_by(&rows::epoll_event, &model::AARCH64, at, |host| {
            // SAFETY: room for a packed event.
            unsafe { (host as *mut [u8; 12]).write(*b"\x05\0\0\0abcdefgh") };
            Ok(7)
        });
        assert_eq!((filled, &event), (Ok(7), b"\x05\0\0\0\0\0\0\0abcdefgh"));
        let read = read_by(&rows::epoll_event, &model::AARCH64, at, |host| {
            // SAFETY: a packed event.
            assert_eq!(unsafe { &*(host as *const [u8; 12]) }, b"\x05\0\0\0abcdefgh");
            Err(Errno::EPERM)
        });
        assert_eq!(read, Err(Errno::EPERM));
    }
}

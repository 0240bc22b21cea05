//! Socket options: what setsockopt and getsockopt carry, by level and option.
//!
//! An option without a row is an `int`, or characters, or members of fixed widths in one order: it
//! goes to the host's kernel as it is where guest and host have one byte order, and as an `int`
//! where it has four bytes. Options are looked up by the host's numbers.

use crate::calls::dispatch::host_call;
use crate::structure::{ByteOrder, Direction, Model, Plan, Struct, constants, model, rows, same_struct};
use crate::task::Task;
use alloc::vec;
use alloc::vec::Vec;
use anyarch_sys::raw::general::{__NR_getsockopt, __NR_setsockopt};
use anyarch_sys::{Errno, SysResult, read_bytes, write_bytes};

/// An option that carries a structure.
pub struct Row {
    /// Its name in the headers.
    pub name: &'static str,
    /// The header that defines it.
    pub header: &'static str,
    /// The host's level.
    pub level: u32,
    /// The host's number.
    pub option: u32,
    /// What it carries.
    pub of: &'static Struct,
}

macro_rules! options {
    ($($header:literal $level:literal { $($name:ident $option:literal $of:ident;)* })*) => {
        /// The options that carry structures.
        pub static ROWS: &[Row] = &[$($(Row {
            name: stringify!($name),
            header: $header,
            level: $level,
            option: $option,
            of: &rows::$of,
        }),*),*];
    };
}

options! {
    "asm/socket.h" 1 {
        SO_LINGER 13 linger;
        SO_PEERCRED 17 ucred;
        SO_RCVTIMEO_OLD 20 timeval;
        SO_SNDTIMEO_OLD 21 timeval;
        SO_ATTACH_FILTER 26 sock_fprog;
        SO_COOKIE 57 a_u64;
        SO_MAX_PACING_RATE 47 a_ulong;
        SO_TXTIME 61 sock_txtime;
        SO_RCVTIMEO_NEW 66 sock_timeval;
        SO_SNDTIMEO_NEW 67 sock_timeval;
        SO_NETNS_COOKIE 71 a_u64;
    }
    "linux/in.h" 0 {
        IP_MULTICAST_IF 32 ip_mreqn;
        IP_ADD_MEMBERSHIP 35 ip_mreqn;
        IP_DROP_MEMBERSHIP 36 ip_mreqn;
    }
    "linux/in6.h" 41 {
        IPV6_ADD_MEMBERSHIP 20 ipv6_mreq;
        IPV6_DROP_MEMBERSHIP 21 ipv6_mreq;
    }
    "linux/tcp.h" 6 {
        TCP_INFO 11 tcp_info;
    }
}

/// For which models ([`Model::index`]) any option's number or structure differs from the
/// host's: a bit each.
pub const fn differs() -> u16 {
    let mut models = 0;
    let mut m = 0;
    while m < model::MODELS.len() {
        let guest = &model::MODELS[m];
        let host = &model::HOST;
        let mut differ = guest.order as u8 != host.order as u8
            || constants::SOCKET_LEVELS.differ(guest)
            || constants::SOCKET_OPTIONS.differ(guest);
        let mut i = 0;
        while i < ROWS.len() {
            differ |= !same_struct(ROWS[i].of, guest, host);
            i += 1;
        }
        if differ {
            models |= 1 << m;
        }
        m += 1;
    }
    models
}

/// Whether an option of IP or IPv6 carries a number and socket addresses behind it
/// (MCAST_JOIN_GROUP to MCAST_MSFILTER: struct group_req and its kin). The addresses are aligned to
/// a pointer, which is all that differs.
fn is_group(level: u32, option: u32) -> bool {
    matches!((level, option), (0 | 41, 42..=48))
}

/// Bytes of that number.
const NUMBER: usize = 4;

/// Such a value of a 32-bit guest in the host's form.
fn widen_group(value: &mut Vec<u8>) {
    let at = value.len().min(NUMBER);
    value.splice(at..at, [0; 4]);
}

/// MCAST_MSFILTER of getsockopt(2): the call reads a group and a number of sources, and tells so
/// many at most, whatever the length is.
fn get_filter(
    level: u32,
    option: u32,
    args: &[u64; 6],
    call: impl FnOnce(&[u64; 6]) -> SysResult,
) -> SysResult {
    /// Bytes before the sources (GROUP_FILTER_SIZE(0)), and of each.
    const HEAD: usize = NUMBER + SOURCE + 8;
    const SOURCE: usize = 128;
    const SOURCES_MAX: usize = 1 << 16;
    let [fd, _, _, addr, len_addr, _] = *args;
    let mut len = [0; 4];
    read_bytes(len_addr, &mut len)?;
    let room = i32::from_le_bytes(len);
    let mut value = vec![0; HEAD];
    if room >= HEAD as i32 {
        read_bytes(addr, &mut value)?;
    }
    let mut sources = [0; 4];
    sources.copy_from_slice(&value[HEAD - 4..]);
    let sources = (u32::from_le_bytes(sources) as usize).min(SOURCES_MAX);
    value[HEAD - 4..].copy_from_slice(&(sources as u32).to_le_bytes());
    widen_group(&mut value);
    value.resize(HEAD + 4 + sources * SOURCE, 0);
    let mut host_len = room.saturating_add(4);
    let result =
        call(&[fd, level as u64, option as u64, value.as_mut_ptr() as u64, &raw mut host_len as u64, 0])?;
    value.drain(NUMBER..NUMBER + 4);
    value.truncate((host_len - 4).max(0) as usize);
    write_bytes(addr, &value)?;
    write_bytes(len_addr, &(value.len() as u32).to_le_bytes())?;
    Ok(result)
}

/// Whether an option without a structure of its own has the same value for guest and host. The
/// kernel then reads and writes it where it is: some options read what they are asked for, and some
/// fill more than the length says (IP_MSFILTER).
fn is_same(guest: &Model, level: u32, option: u32) -> bool {
    guest.order == ByteOrder::Little && !matches!((level, option), (SOL_SOCKET, 3 | 4))
}

/// Longer values than any option has.
const TOO_LONG: u64 = 1 << 16;

/// An option as the host knows it: level, number and structure.
struct Known {
    level: u32,
    option: u32,
    /// If it is another one for the guest.
    of: Option<&'static Struct>,
}

/// # Errors
/// `ENOPROTOOPT` for a level or number that means something else to the host only.
fn known(guest: &Model, level: u64, option: u64) -> Result<Known, Errno> {
    let level = constants::SOCKET_LEVELS.to_host(guest, level as u32).ok_or(Errno::ENOPROTOOPT)?;
    let option = match level {
        SOL_SOCKET => constants::SOCKET_OPTIONS.to_host(guest, option as u32).ok_or(Errno::ENOPROTOOPT)?,
        _ => option as u32,
    };
    let row = ROWS.iter().find(|row| (row.level, row.option) == (level, option));
    let of = row.map(|row| row.of).filter(|of| of.differs_for(guest));
    Ok(Known { level, option, of })
}

/// The host's level of options of sockets of every kind.
const SOL_SOCKET: u32 = 1;

/// Reverses an `int` where the byte orders differ.
fn reorder(guest: &Model, value: &mut [u8]) {
    if guest.order == ByteOrder::Big && value.len() == 4 {
        value.reverse();
    }
}

/// Options whose value is a constant: SO_TYPE and SO_ERROR.
fn tell_constant(guest: &Model, option: (u32, u32), value: &mut [u8]) {
    let group = match option {
        (SOL_SOCKET, 3) => &constants::SOCKET_TYPES,
        (SOL_SOCKET, 4) => &constants::ERRNOS,
        _ => return,
    };
    let mut host = [0; 4];
    host[..value.len().min(4)].copy_from_slice(&value[..value.len().min(4)]);
    if let Some(number) = group.to_guest(guest, u32::from_le_bytes(host)) {
        let n = value.len().min(4);
        value[..n].copy_from_slice(&number.to_le_bytes()[..n]);
    }
}

/// setsockopt(2) of a guest whose options differ from the host's.
pub(crate) fn setsockopt(task: &mut Task, args: [u64; 6]) -> SysResult {
    let guest = task.abi.model();
    set(guest, &args, |args| host_call(task, __NR_setsockopt, args))
}

fn set(guest: &Model, args: &[u64; 6], call: impl FnOnce(&[u64; 6]) -> SysResult) -> SysResult {
    let [fd, level, option, addr, len, _] = *args;
    let Known { level, option, of } = known(guest, level, option)?;
    let widens = guest.word == 4 && is_group(level, option);
    if of.is_none() && !widens && is_same(guest, level, option) {
        return call(&[fd, level as u64, option as u64, addr, len, 0]);
    }
    if len > TOO_LONG {
        return Err(Errno::EINVAL);
    }
    let mut value = vec![0; len as usize];
    read_bytes(addr, &mut value)?;
    match of {
        Some(of) => {
            let plan = Plan::kept(of, Direction::ToHost, guest);
            let len = value.len();
            // Some options know a structure by its first members (IP_ADD_MEMBERSHIP): those have
            // the same places where the structures are equally long.
            if len < plan.from_size && plan.from_size != plan.to_size {
                return Err(Errno::EINVAL);
            }
            value.resize(len.max(plan.from_size), 0);
            let mut host = vec![0; plan.to_size];
            plan.convert(&value, &mut host);
            if len < plan.from_size {
                host.truncate(len);
            }
            value = host;
        }
        None if widens => widen_group(&mut value),
        None => reorder(guest, &mut value),
    }
    call(&[fd, level as u64, option as u64, value.as_ptr() as u64, value.len() as u64, 0])
}

/// getsockopt(2) of a guest whose options differ from the host's.
pub(crate) fn getsockopt(task: &mut Task, args: [u64; 6]) -> SysResult {
    let guest = task.abi.model();
    get(guest, &args, |args| host_call(task, __NR_getsockopt, args))
}

fn get(guest: &Model, args: &[u64; 6], call: impl FnOnce(&[u64; 6]) -> SysResult) -> SysResult {
    let [fd, level, option, addr, len_addr, _] = *args;
    let Known { level, option, of } = known(guest, level, option)?;
    if guest.word == 4 && guest.order == ByteOrder::Little && is_group(level, option) {
        return get_filter(level, option, args, call);
    }
    if of.is_none() && is_same(guest, level, option) {
        return call(&[fd, level as u64, option as u64, addr, len_addr, 0]);
    }
    let mut len = [0; 4];
    read_bytes(len_addr, &mut len)?;
    reorder(guest, &mut len);
    let room = u32::from_le_bytes(len) as u64;
    if room > i32::MAX as u64 {
        return Err(Errno::EINVAL);
    }
    let plan = of.map(|of| Plan::kept(of, Direction::ToGuest, guest));
    // A structure is asked for whole, and cut to the guest's room afterwards.
    let mut host_len = plan.map_or(room.min(TOO_LONG) as u32, |plan| plan.from_size as u32);
    let mut value = vec![0; host_len as usize];
    let result =
        call(&[fd, level as u64, option as u64, value.as_mut_ptr() as u64, &raw mut host_len as u64, 0])?;
    value.truncate(host_len as usize);
    match plan {
        Some(plan) => {
            value.resize(plan.from_size, 0);
            let mut theirs = vec![0; plan.to_size];
            plan.convert(&value, &mut theirs);
            theirs.truncate(room as usize);
            value = theirs;
        }
        None => {
            tell_constant(guest, (level, option), &mut value);
            reorder(guest, &mut value);
        }
    }
    write_bytes(addr, &value)?;
    let mut len = (value.len() as u32).to_le_bytes();
    reorder(guest, &mut len);
    write_bytes(len_addr, &len)?;
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::table::Sys;

    #[test]
    fn guests_of_the_generic_abi_agree() {
        for (guest, want) in [(&model::AARCH64, false), (&model::RISCV64, false), (&model::ARM, true)] {
            for sys in [Sys::setsockopt, Sys::getsockopt] {
                assert_eq!(sys.row().differs & 1 << guest.index != 0, want, "{}", guest.name);
            }
        }
    }

    /// SO_RCVTIMEO of an `old` 32-bit timeval, SO_REUSEADDR of a big-endian guest and of MIPS.
    #[test]
    fn options_are_set_in_the_hosts_form() {
        let check = |guest: &Model, level, option, value: &[u8], want: [u64; 2], bytes: &[u8]| {
            let args = [3, level, option, value.as_ptr() as u64, value.len() as u64, 0];
            let result = set(guest, &args, |host| {
                assert_eq!(host[..3], [3, want[0], want[1]], "{}", guest.name);
                // SAFETY: the value made by the function under test.
                let got = unsafe { core::slice::from_raw_parts(host[3] as *const u8, host[4] as usize) };
                assert_eq!(got, bytes, "{}", guest.name);
                Ok(0)
            });
            assert_eq!(result, Ok(0), "{}", guest.name);
        };
        let long = [5, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0];
        check(&model::ARM, 1, 20, &[5, 0, 0, 0, 7, 0, 0, 0], [1, 20], &long);
        check(&model::S390X, 1, 2, &[0, 0, 0, 1], [1, 2], &[1, 0, 0, 0]);
        check(&model::MIPS64EL, 0xffff, 4, &[1, 0, 0, 0], [1, 2], &[1, 0, 0, 0]);
        check(&model::PPC64LE, 1, 18, &long, [1, 20], &long);
        // Too short for the structure.
        let short = set(&model::ARM, &[3, 1, 20, long.as_ptr() as u64, 4, 0], |_| Ok(0));
        assert_eq!(short, Err(Errno::EINVAL));
    }

    #[test]
    fn options_come_back_in_the_guests_form() {
        let check = |guest: &Model, level, option, host: &[u8], room: u32, want: &[u8]| {
            let mut value = vec![0xee; 32];
            let mut len = room.to_le_bytes();
            reorder(guest, &mut len);
            let args = [3, level, option, value.as_mut_ptr() as u64, len.as_mut_ptr() as u64, 0];
            let result = get(guest, &args, |args| {
                // SAFETY: the room and the length made by the function under test.
                unsafe {
                    let len = args[4] as *mut u32;
                    *len = (*len).min(host.len() as u32);
                    core::ptr::copy_nonoverlapping(host.as_ptr(), args[3] as *mut u8, *len as usize);
                }
                Ok(0)
            });
            assert_eq!(result, Ok(0), "{}", guest.name);
            reorder(guest, &mut len);
            let got = &value[..u32::from_le_bytes(len) as usize];
            assert_eq!(got, want, "{}", guest.name);
        };
        let long = [5, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0];
        check(&model::ARM, 1, 20, &long, 8, &[5, 0, 0, 0, 7, 0, 0, 0]);
        check(&model::ARM, 1, 20, &long, 4, &[5, 0, 0, 0]);
        check(&model::S390X, 1, 3, &[1, 0, 0, 0], 4, &[0, 0, 0, 1]);
        // SO_TYPE and SO_ERROR: a datagram socket, ECONNREFUSED.
        check(&model::MIPS64EL, 0xffff, 0x1008, &[2, 0, 0, 0], 4, &[1, 0, 0, 0]);
        check(&model::MIPS64EL, 0xffff, 0x1007, &[111, 0, 0, 0], 4, &[0x92, 0, 0, 0]);
        check(
            &model::S390X,
            1,
            17,
            &[1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0],
            12,
            &[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3],
        );
    }
}

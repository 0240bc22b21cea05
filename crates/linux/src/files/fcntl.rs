//! fcntl(2): the command says what its argument is.

use crate::calls::dispatch::host_call;
use crate::calls::table::Arg;
use crate::structure::call::{Argument, convert};
use crate::structure::{Model, Struct, constants, rows};
use crate::task::Task;
use anyarch_sys::raw::general::{
    __NR_fcntl, F_GETFL, F_GETLK, F_GETOWN_EX, F_GETSIG, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_SETFL,
    F_SETLK, F_SETLKW, F_SETOWN_EX, F_SETSIG,
};
use anyarch_sys::{Errno, SysResult};

/// Commands that 32-bit architectures have for locks with 64-bit offsets.
const F_GETLK64: u32 = 12;
const F_SETLKW64: u32 = 14;
const F_GET_RW_HINT: u32 = 1035;
const F_SET_RW_HINT: u32 = 1036;
const F_GET_FILE_RW_HINT: u32 = 1037;
const F_SET_FILE_RW_HINT: u32 = 1038;

/// A command as the host knows it, and the structure that its argument leads to.
///
/// # Errors
/// `EINVAL` for a command that the call does not have.
fn command(guest: &Model, number: u32, wide: bool) -> Result<(u32, Option<Arg>), Errno> {
    let narrow = guest.word == 4;
    let lock: &'static Struct = if narrow && wide { &rows::flock64 } else { &rows::flock };
    let number = match number {
        F_GETLK64..=F_SETLKW64 if narrow && wide => {
            let host = [F_GETLK, F_SETLK, F_SETLKW][(number - F_GETLK64) as usize];
            let arg = if number == F_GETLK64 { Arg::InOut(lock) } else { Arg::In(lock) };
            return Ok((host, Some(arg)));
        }
        F_GETLK64..=F_SETLKW64 | F_OFD_GETLK..=F_OFD_SETLKW if narrow && !wide => return Err(Errno::EINVAL),
        _ => constants::FCNTL_COMMANDS.to_host(guest, number).ok_or(Errno::EINVAL)?,
    };
    // The older form of locks is part of the newer call, too.
    let old = if narrow { &rows::flock } else { lock };
    let arg = match number {
        F_GETLK => Some(Arg::InOut(old)),
        F_SETLK | F_SETLKW => Some(Arg::In(old)),
        F_OFD_GETLK => Some(Arg::InOut(lock)),
        F_OFD_SETLK | F_OFD_SETLKW => Some(Arg::In(lock)),
        F_GETOWN_EX => Some(Arg::Out(&rows::f_owner_ex)),
        F_SETOWN_EX => Some(Arg::In(&rows::f_owner_ex)),
        F_GET_RW_HINT | F_GET_FILE_RW_HINT => Some(Arg::Out(&rows::a_u64)),
        F_SET_RW_HINT | F_SET_FILE_RW_HINT => Some(Arg::In(&rows::a_u64)),
        _ => None,
    };
    Ok((number, arg))
}

/// fcntl(2): locks and owners have the same layout on all little-endian 64-bit architectures, file
/// status flags do not.
///
/// # Errors
/// `EOVERFLOW` for a lock that a 32-bit guest's structure cannot tell.
pub(crate) fn fcntl(task: &mut Task, args: [u64; 6]) -> SysResult {
    perform(task, args, false)
}

/// fcntl64(2) of 32-bit architectures.
pub(crate) fn fcntl64(task: &mut Task, args: [u64; 6]) -> SysResult {
    perform(task, args, true)
}

fn perform(task: &mut Task, mut args: [u64; 6], wide: bool) -> SysResult {
    let guest = task.abi.model();
    let (command, arg) = command(guest, args[1] as u32, wide)?;
    args[1] = command as u64;
    match command {
        F_SETFL => args[2] = task.abi.open_flags_to_host(args[2] as u32) as u64,
        F_SETSIG => {
            let signo = constants::SIGNALS.to_host(guest, args[2] as u32);
            args[2] = signo.ok_or(Errno::EINVAL)? as u64;
        }
        _ => {}
    }
    let typed = arg.map(|arg| Argument { index: 2, arg });
    let result = convert(typed.as_slice(), guest, &args, |args| host_call(task, __NR_fcntl, args))?;
    Ok(match command {
        F_GETFL => task.abi.open_flags_from_host(result as u32) as u64,
        F_GETSIG => constants::SIGNALS.to_guest(guest, result as u32).map_or(result, u64::from),
        _ => result,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structure::model::{ARM, MIPS64EL, S390X, X86_64};

    #[test]
    fn commands_by_guest() {
        let lock = |of| Some(Arg::InOut(of));
        for (guest, number, wide, want) in [
            (&X86_64, F_GETLK, false, Ok((F_GETLK, lock(&rows::flock)))),
            (&S390X, F_OFD_GETLK, false, Ok((F_OFD_GETLK, lock(&rows::flock)))),
            (&ARM, F_GETLK, false, Ok((F_GETLK, lock(&rows::flock)))),
            (&ARM, F_GETLK, true, Ok((F_GETLK, lock(&rows::flock)))),
            (&ARM, F_GETLK64, true, Ok((F_GETLK, lock(&rows::flock64)))),
            (&ARM, F_GETLK64, false, Err(Errno::EINVAL)),
            (&ARM, F_OFD_GETLK, true, Ok((F_OFD_GETLK, lock(&rows::flock64)))),
            (&ARM, F_OFD_GETLK, false, Err(Errno::EINVAL)),
            (&MIPS64EL, 14, false, Ok((F_GETLK, lock(&rows::flock)))),
        ] {
            assert_eq!(command(guest, number, wide), want, "{number} of {}", guest.name);
        }
    }
}

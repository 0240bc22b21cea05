//! SysV IPC: what the commands of its `ctl` calls carry, and messages.
//!
//! Of its structures only `struct semid64_ds` differs between x86-64 and the generic ABI.

use crate::calls::dispatch::host_call;
use crate::calls::table::Arg;
use crate::structure::call::{Argument, convert};
use crate::structure::{ByteOrder, Direction, Family, Model, Plan, Struct, rows};
use crate::task::Task;
use alloc::vec;
use anyarch_sys::raw::general::{__NR_msgctl, __NR_msgrcv, __NR_msgsnd, __NR_semctl, __NR_shmctl};
use anyarch_sys::{Errno, SysResult, args6, read_bytes, write_bytes};

const IPC_SET: u32 = 1;
const IPC_STAT: u32 = 2;
const IPC_INFO: u32 = 3;
const MSG_STAT: u32 = 11;
const MSG_INFO: u32 = 12;
const MSG_STAT_ANY: u32 = 13;
const SHM_STAT: u32 = 13;
const SHM_INFO: u32 = 14;
const SHM_STAT_ANY: u32 = 15;
const GETALL: u32 = 13;
const SETVAL: u32 = 16;
const SETALL: u32 = 17;
const SEM_STAT: u32 = 18;
const SEM_INFO: u32 = 19;
const SEM_STAT_ANY: u32 = 20;

/// Beside a command: the structures are those of this table, and not older ones.
const IPC_64: u32 = 0x100;

/// The command without what some architectures mark it with (ARCH_WANT_IPC_PARSE_VERSION).
///
/// # Errors
/// `EINVAL` for the older structures, which no C library of EABI has used.
fn command(guest: &Model, command: u64, with_structures: &[u32]) -> Result<u32, Errno> {
    let command = command as u32;
    if guest.family != Family::Arm {
        return Ok(command);
    }
    let older = command & IPC_64 == 0 && with_structures.contains(&command);
    if older { Err(Errno::EINVAL) } else { Ok(command & !IPC_64) }
}

/// Which way a command's structure goes.
fn argument(index: usize, command: u32, of: &'static Struct) -> Argument {
    Argument { index, arg: if command == IPC_SET { Arg::In(of) } else { Arg::Out(of) } }
}

/// semctl(2).
pub(crate) fn semctl(task: &mut Task, args: [u64; 6]) -> SysResult {
    let guest = task.abi.model();
    let command = command(guest, args[2], &[IPC_SET, IPC_STAT, SEM_STAT, SEM_STAT_ANY])?;
    let args = args6(&[args[0], args[1], command as u64, args[3]]);
    let typed = match command {
        IPC_SET | IPC_STAT | SEM_STAT | SEM_STAT_ANY => argument(3, command, &rows::semid_ds),
        IPC_INFO | SEM_INFO => argument(3, command, &rows::seminfo),
        GETALL | SETALL if guest.order == ByteOrder::Big => return values(task, command, args),
        // A union of an int and an address in one register: the int is in the half that comes
        // first.
        SETVAL if guest.order == ByteOrder::Big && guest.word == 8 => {
            return host_call(task, __NR_semctl, &args6(&[args[0], args[1], args[2], args[3] >> 32]));
        }
        _ => return host_call(task, __NR_semctl, &args),
    };
    convert(&[typed], guest, &args, |args| host_call(task, __NR_semctl, args))
}

/// GETALL and SETALL of a guest of the other byte order: as many numbers as there are semaphores.
fn values(task: &mut Task, command: u32, args: [u64; 6]) -> SysResult {
    let mut set = [0u64; 16];
    host_call(task, __NR_semctl, &args6(&[args[0], 0, IPC_STAT as u64, set.as_mut_ptr() as u64]))?;
    let at = rows::semid_ds.offset("sem_nsems", &crate::structure::model::HOST).unwrap_or(0);
    let mut bytes = vec![0; 2 * set[at / 8] as usize];
    let swap = |bytes: &mut [u8]| bytes.chunks_exact_mut(2).for_each(<[u8]>::reverse);
    if command == SETALL {
        read_bytes(args[3], &mut bytes)?;
        swap(&mut bytes);
    }
    let host = bytes.as_mut_ptr() as u64;
    let result = host_call(task, __NR_semctl, &args6(&[args[0], args[1], args[2], host]))?;
    if command == GETALL {
        swap(&mut bytes);
        write_bytes(args[3], &bytes)?;
    }
    Ok(result)
}

/// shmctl(2) of a guest whose structures differ.
pub(crate) fn shmctl(task: &mut Task, args: [u64; 6]) -> SysResult {
    let guest = task.abi.model();
    let command = command(guest, args[1], &[IPC_SET, IPC_STAT, SHM_STAT, SHM_STAT_ANY])?;
    let args = args6(&[args[0], command as u64, args[2]]);
    let typed = match command {
        IPC_SET | IPC_STAT | SHM_STAT | SHM_STAT_ANY => argument(2, command, &rows::shmid_ds),
        IPC_INFO => argument(2, command, &rows::shminfo),
        SHM_INFO => argument(2, command, &rows::shm_info),
        _ => return host_call(task, __NR_shmctl, &args),
    };
    convert(&[typed], guest, &args, |args| host_call(task, __NR_shmctl, args))
}

/// msgctl(2) of a guest whose structures differ.
pub(crate) fn msgctl(task: &mut Task, args: [u64; 6]) -> SysResult {
    let guest = task.abi.model();
    let command = command(guest, args[1], &[IPC_SET, IPC_STAT, MSG_STAT, MSG_STAT_ANY])?;
    let args = args6(&[args[0], command as u64, args[2]]);
    let typed = match command {
        IPC_SET | IPC_STAT | MSG_STAT | MSG_STAT_ANY => argument(2, command, &rows::msqid_ds),
        IPC_INFO | MSG_INFO => argument(2, command, &rows::msginfo),
        _ => return host_call(task, __NR_msgctl, &args),
    };
    convert(&[typed], guest, &args, |args| host_call(task, __NR_msgctl, args))
}

/// Longer than a message is by any sensible `msgmax`.
const TEXT_MAX: u64 = 1 << 24;

/// msgsnd(2) of a guest whose `long` differs: the message's type is one.
pub(crate) fn msgsnd(task: &mut Task, args: [u64; 6]) -> SysResult {
    let plan = Plan::kept(&rows::a_long, Direction::ToHost, task.abi.model());
    if args[2] > TEXT_MAX {
        return Err(Errno::EINVAL);
    }
    let mut theirs = vec![0; plan.from_size + args[2] as usize];
    read_bytes(args[1], &mut theirs)?;
    let mut host = vec![0; plan.to_size];
    plan.convert(&theirs, &mut host);
    host.extend_from_slice(&theirs[plan.from_size..]);
    host_call(task, __NR_msgsnd, &args6(&[args[0], host.as_ptr() as u64, args[2], args[3]]))
}

/// msgrcv(2) of a guest whose `long` differs.
pub(crate) fn msgrcv(task: &mut Task, args: [u64; 6]) -> SysResult {
    let guest = task.abi.model();
    let plan = Plan::kept(&rows::a_long, Direction::ToGuest, guest);
    let size = args[2].min(TEXT_MAX);
    // A 32-bit guest's type has a sign.
    let kind = if guest.word == 4 { args[3] as i32 as u64 } else { args[3] };
    let mut host = vec![0; plan.from_size + size as usize];
    let at = host.as_mut_ptr() as u64;
    let len = host_call(task, __NR_msgrcv, &args6(&[args[0], at, size, kind, args[4]]))?;
    let mut theirs = vec![0; plan.to_size];
    plan.convert(&host, &mut theirs);
    theirs.extend_from_slice(&host[plan.from_size..plan.from_size + len as usize]);
    write_bytes(args[1], &theirs)?;
    Ok(len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structure::model;

    #[test]
    fn commands_of_arm_are_marked() {
        let get = |guest, number| command(guest, number, &[IPC_STAT]);
        assert_eq!(get(&model::ARM, 0x102), Ok(IPC_STAT));
        assert_eq!(get(&model::ARM, 2), Err(Errno::EINVAL));
        assert_eq!(get(&model::ARM, 0), Ok(0));
        assert_eq!(get(&model::S390X, 2), Ok(IPC_STAT));
    }
}

//! SysV IPC. Of its structures only `struct semid64_ds` differs between x86-64 and the generic ABI.

use crate::dispatch::host_call;
use crate::layouts::Layout;
use crate::task::Task;
use anyarch_sys::raw::general::__NR_semctl;
use anyarch_sys::{SysResult, args6};

const IPC_SET: u32 = 1;
const IPC_STAT: u32 = 2;
const SEM_STAT: u32 = 18;
const SEM_STAT_ANY: u32 = 20;

/// `struct semid64_ds`: the host's has a reserved word behind each time.
static SEMID_DS: Layout = Layout {
    guest_size: 88,
    host_size: 104,
    // sem_perm and sem_otime; sem_ctime; sem_nsems and two reserved words.
    runs: &[(0, 0, 56), (56, 64, 8), (64, 80, 24)],
};

/// semctl(2).
///
/// # Errors
/// Any errno of semctl.
pub fn semctl(task: &mut Task, args: [u64; 6]) -> SysResult {
    let call = |host| host_call(task, __NR_semctl, &args6(&[args[0], args[1], args[2], host]));
    match args[2] as u32 {
        _ if !task.abi.semid_ds_generic() => call(args[3]),
        IPC_STAT | SEM_STAT | SEM_STAT_ANY => SEMID_DS.filled_by(args[3], call),
        IPC_SET => SEMID_DS.read_by(args[3], call),
        _ => call(args[3]),
    }
}

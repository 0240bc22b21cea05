//! SysV IPC. Of its structures only `struct semid64_ds` differs between x86-64 and the generic ABI.

use crate::calls::dispatch::host_call;
use crate::structure::call::{filled_by, read_by};
use crate::structure::model::HOST;
use crate::structure::{rows, same_struct};
use crate::task::Task;
use anyarch_sys::raw::general::__NR_semctl;
use anyarch_sys::{SysResult, args6};

const IPC_SET: u32 = 1;
const IPC_STAT: u32 = 2;
const SEM_STAT: u32 = 18;
const SEM_STAT_ANY: u32 = 20;

/// semctl(2).
///
/// # Errors
/// Any errno of semctl.
pub fn semctl(task: &mut Task, args: [u64; 6]) -> SysResult {
    let call = |host| host_call(task, __NR_semctl, &args6(&[args[0], args[1], args[2], host]));
    let model = task.abi.model();
    match args[2] as u32 {
        _ if same_struct(&rows::semid_ds, model, &HOST) => call(args[3]),
        IPC_STAT | SEM_STAT | SEM_STAT_ANY => filled_by(&rows::semid_ds, model, args[3], call),
        IPC_SET => read_by(&rows::semid_ds, model, args[3], call),
        _ => call(args[3]),
    }
}

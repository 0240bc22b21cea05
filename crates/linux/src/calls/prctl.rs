//! prctl: one row per option. Options that act on the process as a whole reach the host's kernel;
//! those that would act on the emulator's own memory or system calls, or belong to another
//! architecture, answer as a kernel without the feature would.

use crate::calls::dispatch::host_call;
use crate::program;
use crate::seccomp;
use crate::task::Task;
use alloc::vec::Vec;
use anyarch_sys::raw::general::__NR_prctl;
use anyarch_sys::{Errno, SysResult, args6, write_bytes};

/// What to do with an option.
#[derive(Clone, Copy)]
pub(crate) enum Class {
    /// The host's kernel does it.
    Passthrough,
    /// The emulator does it.
    Emulated(fn(&mut Task, [u64; 6]) -> SysResult),
    /// Not offered: the errno and why.
    Refused(Errno, &'static str),
}
use Class::{Emulated, Passthrough, Refused};

/// Data accesses ignore the tags of pointers; in system calls they are EFAULT, since structures of
/// pointers would have to be rewritten.
const TAGS: Class =
    Refused(Errno::EINVAL, "no tagged pointers in system calls: as a kernel with abi.tagged_addr_disabled");

const OTHER_ARCH: Class = Refused(
    Errno::EINVAL,
    "of another architecture, or a feature that the guest's processor does not advertise",
);

/// An option that the guest's architecture has or has not.
fn guests(task: &mut Task, args: [u64; 6]) -> SysResult {
    let abi = task.abi;
    abi.arch_prctl(&mut task.thread.cpu, args)
}

const GET_AUXV: u32 = 0x4155_5856;

/// The auxiliary vector, in as many bytes as the host's kernel keeps for its own.
fn get_auxv(task: &mut Task, [_, to, room, rest @ ..]: [u64; 6]) -> SysResult {
    let size = host_call(task, __NR_prctl, &args6(&[GET_AUXV as u64, 0, 0, rest[0], rest[1]]))?;
    let mut vector = program::try_get().map_or_else(Vec::new, |program| program.auxv.clone());
    vector.resize(size as usize, 0);
    vector.truncate(size.min(room) as usize);
    write_bytes(to, &vector).map(|()| size)
}

/// (option, name without PR_, class), by option.
pub(crate) static OPTIONS: &[(u32, &str, Class)] = &[
    (1, "SET_PDEATHSIG", Passthrough),
    (2, "GET_PDEATHSIG", Passthrough),
    (3, "GET_DUMPABLE", Passthrough),
    (4, "SET_DUMPABLE", Passthrough),
    (5, "GET_UNALIGN", OTHER_ARCH),
    (6, "SET_UNALIGN", OTHER_ARCH),
    (7, "GET_KEEPCAPS", Passthrough),
    (8, "SET_KEEPCAPS", Passthrough),
    (9, "GET_FPEMU", OTHER_ARCH),
    (10, "SET_FPEMU", OTHER_ARCH),
    (11, "GET_FPEXC", OTHER_ARCH),
    (12, "SET_FPEXC", OTHER_ARCH),
    (13, "GET_TIMING", Passthrough),
    (14, "SET_TIMING", Passthrough),
    (15, "SET_NAME", Passthrough),
    (16, "GET_NAME", Passthrough),
    (19, "GET_ENDIAN", OTHER_ARCH),
    (20, "SET_ENDIAN", OTHER_ARCH),
    (21, "GET_SECCOMP", Emulated(seccomp::prctl_get)),
    (22, "SET_SECCOMP", Emulated(seccomp::prctl_set)),
    (23, "CAPBSET_READ", Passthrough),
    (24, "CAPBSET_DROP", Passthrough),
    (25, "GET_TSC", OTHER_ARCH),
    (26, "SET_TSC", OTHER_ARCH),
    (27, "GET_SECUREBITS", Passthrough),
    (28, "SET_SECUREBITS", Passthrough),
    (29, "SET_TIMERSLACK", Passthrough),
    (30, "GET_TIMERSLACK", Passthrough),
    (31, "TASK_PERF_EVENTS_DISABLE", Passthrough),
    (32, "TASK_PERF_EVENTS_ENABLE", Passthrough),
    (33, "MCE_KILL", Passthrough),
    (34, "MCE_KILL_GET", Passthrough),
    (
        35,
        "SET_MM",
        Refused(Errno::EPERM, "the kernel's notion of heap, stack and executable is the emulator's"),
    ),
    (36, "SET_CHILD_SUBREAPER", Passthrough),
    (37, "GET_CHILD_SUBREAPER", Passthrough),
    (38, "SET_NO_NEW_PRIVS", Passthrough),
    (39, "GET_NO_NEW_PRIVS", Passthrough),
    (40, "GET_TID_ADDRESS", Passthrough),
    (41, "SET_THP_DISABLE", Passthrough),
    (42, "GET_THP_DISABLE", Passthrough),
    (43, "MPX_ENABLE_MANAGEMENT", OTHER_ARCH),
    (44, "MPX_DISABLE_MANAGEMENT", OTHER_ARCH),
    (45, "SET_FP_MODE", OTHER_ARCH),
    (46, "GET_FP_MODE", OTHER_ARCH),
    (47, "CAP_AMBIENT", Passthrough),
    (50, "SVE_SET_VL", OTHER_ARCH),
    (51, "SVE_GET_VL", OTHER_ARCH),
    (52, "GET_SPECULATION_CTRL", Passthrough),
    (53, "SET_SPECULATION_CTRL", Passthrough),
    (54, "PAC_RESET_KEYS", OTHER_ARCH),
    (55, "SET_TAGGED_ADDR_CTRL", TAGS),
    (56, "GET_TAGGED_ADDR_CTRL", TAGS),
    (57, "SET_IO_FLUSHER", Passthrough),
    (58, "GET_IO_FLUSHER", Passthrough),
    (
        59,
        "SET_SYSCALL_USER_DISPATCH",
        Refused(Errno::EINVAL, "the host would dispatch the emulator's own system calls"),
    ),
    (60, "PAC_SET_ENABLED_KEYS", OTHER_ARCH),
    (61, "PAC_GET_ENABLED_KEYS", OTHER_ARCH),
    (62, "SCHED_CORE", Passthrough),
    (63, "SME_SET_VL", OTHER_ARCH),
    (64, "SME_GET_VL", OTHER_ARCH),
    (
        65,
        "SET_MDWE",
        Refused(Errno::EINVAL, "would forbid the emulator to translate; as a kernel before 6.3 answers"),
    ),
    (66, "GET_MDWE", Refused(Errno::EINVAL, "as a kernel before 6.3 answers")),
    (67, "SET_MEMORY_MERGE", Passthrough),
    (68, "GET_MEMORY_MERGE", Passthrough),
    (69, "RISCV_V_SET_CONTROL", Emulated(guests)),
    (70, "RISCV_V_GET_CONTROL", Emulated(guests)),
    (71, "RISCV_SET_ICACHE_FLUSH_CTX", Emulated(guests)),
    (72, "PPC_GET_DEXCR", OTHER_ARCH),
    (73, "PPC_SET_DEXCR", OTHER_ARCH),
    (74, "GET_SHADOW_STACK_STATUS", OTHER_ARCH),
    (75, "SET_SHADOW_STACK_STATUS", OTHER_ARCH),
    (76, "LOCK_SHADOW_STACK_STATUS", OTHER_ARCH),
    (77, "TIMER_CREATE_RESTORE_IDS", Passthrough),
    (78, "FUTEX_HASH", Passthrough),
    (GET_AUXV, "GET_AUXV", Emulated(get_auxv)),
    (0x5356_4d41, "SET_VMA", Passthrough),
    (0x5961_6d61, "SET_PTRACER", Passthrough),
];

/// prctl(2).
///
/// # Errors
/// `EINVAL` for an option without a row.
pub(crate) fn prctl(task: &mut Task, args: [u64; 6]) -> SysResult {
    let option = args[0] as u32;
    let row = OPTIONS.binary_search_by_key(&option, |row| row.0).map_err(|_| Errno::EINVAL)?;
    match OPTIONS[row].2 {
        Passthrough => host_call(task, __NR_prctl, &args),
        Emulated(handler) => handler(task, args),
        Refused(errno, _) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorted_by_option() {
        assert!(OPTIONS.is_sorted_by_key(|row| row.0));
    }
}

//! The numbers of calls: which column of the table a guest uses, and the way from a number to its
//! row.

use super::table::{ROWS, Sys};
use anyarch_sys::arch::{CALL_NUMBERS, CallNumbers};

/// A numbering of the calls. 32-bit architectures have rows of their own where a call of theirs
/// carries something else than the 64-bit call of that name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Column {
    /// arch/x86/entry/syscalls/syscall_64.tbl.
    X86_64,
    /// include/uapi/asm-generic/unistd.h, 64-bit: aarch64, riscv64, loongarch64.
    Generic,
    /// arch/arm/tools/syscall.tbl, EABI.
    Arm,
    /// arch/s390/kernel/syscalls/syscall.tbl, 64-bit.
    S390,
    /// arch/powerpc/kernel/syscalls/syscall.tbl, 64-bit.
    Powerpc,
    /// arch/mips/kernel/syscalls/syscall_n64.tbl.
    Mips,
}

/// How many [`Column`]s there are.
pub(crate) const COLUMNS: usize = 6;

/// The column of the host's numbers.
pub(crate) const HOST_COLUMN: Column = match CALL_NUMBERS {
    CallNumbers::X86_64 => Column::X86_64,
    CallNumbers::Generic => Column::Generic,
};

/// Highest number of any column plus one.
const LEN: usize = 512;
const NONE: u16 = u16::MAX;

/// Rows by number, for each column.
static ROWS_BY_NUMBER: [[u16; LEN]; COLUMNS] = {
    let mut index = [[NONE; LEN]; COLUMNS];
    let mut row = 0;
    while row < ROWS.len() {
        let mut column = 0;
        while column < COLUMNS {
            if let Some(n) = ROWS[row].numbers[column] {
                assert!(index[column][n as usize] == NONE, "a number occurs twice");
                index[column][n as usize] = row as u16;
            }
            column += 1;
        }
        row += 1;
    }
    index
};

impl Column {
    /// What is added to the numbers of the column.
    const fn base(self) -> u64 {
        match self {
            // __NR_Linux of the N64 ABI.
            Column::Mips => 5000,
            _ => 0,
        }
    }

    /// The call that has `number`, as the guest has it in a register.
    pub fn call(self, number: u64) -> Option<Sys> {
        let number = usize::try_from(number.checked_sub(self.base())?).ok()?;
        let row = *ROWS_BY_NUMBER[self as usize].get(number)?;
        (row != NONE).then_some(Sys(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::table::{Kind, Row};
    use std::collections::BTreeMap;

    /// The numbers that a kernel header defines, without the base of the column; nothing when this
    /// machine lacks the header.
    fn header(path: &str) -> BTreeMap<String, u16> {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let mut numbers = BTreeMap::new();
        for line in text.lines() {
            let mut words = line.splitn(3, char::is_whitespace);
            if words.next() != Some("#define") {
                continue;
            }
            let (Some(name), Some(value)) = (words.next(), words.next()) else { continue };
            let Some(name) = name.strip_prefix("__NR_").or_else(|| name.strip_prefix("__NR3264_")) else {
                continue;
            };
            // `(__NR_Linux + 4)` and its kin.
            let value = value.trim().trim_end_matches(')').rsplit(['+', ' ']).next();
            if let Some(Ok(n)) = value.map(str::parse) {
                numbers.insert(name.to_string(), n);
            }
        }
        for not_a_call in ["syscalls", "arch_specific_syscall"] {
            numbers.remove(not_a_call);
        }
        numbers
    }

    /// Headers of Debian's packages `linux-libc-dev*`.
    const HEADERS: [(Column, &str); COLUMNS] = [
        (Column::X86_64, "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
        (Column::Generic, "/usr/include/asm-generic/unistd.h"),
        (Column::Arm, "/usr/arm-linux-gnueabihf/include/asm/unistd-eabi.h"),
        (Column::S390, "/usr/s390x-linux-gnu/include/asm/unistd_64.h"),
        (Column::Powerpc, "/usr/powerpc64le-linux-gnu/include/asm/unistd_64.h"),
        (Column::Mips, "/usr/mips64el-linux-gnuabi64/include/asm/unistd_n64.h"),
    ];

    /// Rows that have another name than the header's: the kernel's function is theirs.
    const OTHER_NAMES: &[(Column, &[(&str, &str)])] = &[
        // One name for a number that 32-bit and 64-bit kernels share.
        (Column::Generic, &[("fstatat", "newfstatat")]),
        (
            Column::Arm,
            &[
                ("_llseek", "llseek"),
                ("_newselect", "select"),
                ("adjtimex", "adjtimex_time32"),
                ("arm_sync_file_range", "sync_file_range2"),
                ("chown", "chown16"),
                ("chown32", "chown"),
                ("clock_adjtime", "clock_adjtime32"),
                ("clock_adjtime64", "clock_adjtime"),
                ("clock_getres", "clock_getres_time32"),
                ("clock_getres_time64", "clock_getres"),
                ("clock_gettime", "clock_gettime32"),
                ("clock_gettime64", "clock_gettime"),
                ("clock_nanosleep", "clock_nanosleep_time32"),
                ("clock_nanosleep_time64", "clock_nanosleep"),
                ("clock_settime", "clock_settime32"),
                ("clock_settime64", "clock_settime"),
                ("fchown", "fchown16"),
                ("fchown32", "fchown"),
                ("futex", "futex_time32"),
                ("futex_time64", "futex"),
                ("getegid", "getegid16"),
                ("getegid32", "getegid"),
                ("geteuid", "geteuid16"),
                ("geteuid32", "geteuid"),
                ("getgid", "getgid16"),
                ("getgid32", "getgid"),
                ("getgroups", "getgroups16"),
                ("getgroups32", "getgroups"),
                ("getresgid", "getresgid16"),
                ("getresgid32", "getresgid"),
                ("getresuid", "getresuid16"),
                ("getresuid32", "getresuid"),
                ("getuid", "getuid16"),
                ("getuid32", "getuid"),
                ("io_getevents", "io_getevents_time32"),
                ("io_pgetevents", "io_pgetevents_time32"),
                ("io_pgetevents_time64", "io_pgetevents"),
                ("lchown", "lchown16"),
                ("lchown32", "lchown"),
                ("lseek", "lseek32"),
                ("mq_timedreceive", "mq_timedreceive_time32"),
                ("mq_timedreceive_time64", "mq_timedreceive"),
                ("mq_timedsend", "mq_timedsend_time32"),
                ("mq_timedsend_time64", "mq_timedsend"),
                ("nanosleep", "nanosleep_time32"),
                ("ppoll", "ppoll_time32"),
                ("ppoll_time64", "ppoll"),
                ("pselect6", "pselect6_time32"),
                ("pselect6_time64", "pselect6"),
                ("recvmmsg", "recvmmsg_time32"),
                ("recvmmsg_time64", "recvmmsg"),
                ("rt_sigtimedwait", "rt_sigtimedwait_time32"),
                ("rt_sigtimedwait_time64", "rt_sigtimedwait"),
                ("sched_rr_get_interval", "sched_rr_get_interval_time32"),
                ("sched_rr_get_interval_time64", "sched_rr_get_interval"),
                ("semtimedop", "semtimedop_time32"),
                ("semtimedop_time64", "semtimedop"),
                ("sendfile", "sendfile32"),
                ("sendfile64", "sendfile"),
                ("setfsgid", "setfsgid16"),
                ("setfsgid32", "setfsgid"),
                ("setfsuid", "setfsuid16"),
                ("setfsuid32", "setfsuid"),
                ("setgid", "setgid16"),
                ("setgid32", "setgid"),
                ("setgroups", "setgroups16"),
                ("setgroups32", "setgroups"),
                ("setregid", "setregid16"),
                ("setregid32", "setregid"),
                ("setresgid", "setresgid16"),
                ("setresgid32", "setresgid"),
                ("setresuid", "setresuid16"),
                ("setresuid32", "setresuid"),
                ("setreuid", "setreuid16"),
                ("setreuid32", "setreuid"),
                ("setuid", "setuid16"),
                ("setuid32", "setuid"),
                ("timer_gettime", "timer_gettime32"),
                ("timer_gettime64", "timer_gettime"),
                ("timer_settime", "timer_settime32"),
                ("timer_settime64", "timer_settime"),
                ("timerfd_gettime", "timerfd_gettime32"),
                ("timerfd_gettime64", "timerfd_gettime"),
                ("timerfd_settime", "timerfd_settime32"),
                ("timerfd_settime64", "timerfd_settime"),
                ("ugetrlimit", "getrlimit"),
                ("utimensat", "utimensat_time32"),
                ("utimensat_time64", "utimensat"),
            ],
        ),
        (Column::S390, &[("mmap", "old_mmap"), ("umount", "oldumount")]),
        (Column::Powerpc, &[("_llseek", "llseek"), ("_newselect", "select"), ("ugetrlimit", "getrlimit")]),
        (Column::Mips, &[("_newselect", "select"), ("pipe", "mips_pipe")]),
    ];

    /// Numbers that came later, below those that a header has.
    const LATER: [&str; 1] = ["uretprobe"];

    /// Names of a header without a row.
    const NO_CALLS: &[(Column, &str, &[&str])] = &[
        (
            Column::Generic,
            "only 32-bit kernels have them",
            &[
                "stat",
                "lstat",
                "clock_gettime64",
                "clock_settime64",
                "clock_adjtime64",
                "clock_getres_time64",
                "clock_nanosleep_time64",
                "timer_gettime64",
                "timer_settime64",
                "timerfd_gettime64",
                "timerfd_settime64",
                "utimensat_time64",
                "pselect6_time64",
                "ppoll_time64",
                "io_pgetevents_time64",
                "recvmmsg_time64",
                "mq_timedsend_time64",
                "mq_timedreceive_time64",
                "semtimedop_time64",
                "rt_sigtimedwait_time64",
                "futex_time64",
                "sched_rr_get_interval_time64",
            ],
        ),
        (Column::Generic, "a form that no architecture of ours has", &["sync_file_range2"]),
        (Column::Arm, "sys_ni_syscall or removed from the kernel", &["bdflush"]),
        (
            Column::S390,
            "sys_ni_syscall or removed from the kernel",
            &["readdir", "idle", "bdflush", "timerfd"],
        ),
        (
            Column::Powerpc,
            "sys_ni_syscall or removed from the kernel",
            &[
                "break",
                "oldstat",
                "umount",
                "oldfstat",
                "stty",
                "gtty",
                "ftime",
                "prof",
                "lock",
                "mpx",
                "ulimit",
                "oldolduname",
                "sigaction",
                "sigsuspend",
                "sigpending",
                "oldlstat",
                "readdir",
                "profil",
                "olduname",
                "idle",
                "vm86",
                "sigreturn",
                "sigprocmask",
                "bdflush",
                "multiplexer",
                "sys_debug_setcontext",
                "getrlimit",
                "select",
            ],
        ),
        (
            Column::Mips,
            "sys_ni_syscall or removed from the kernel",
            &["reserved177", "reserved193", "timerfd"],
        ),
    ];

    fn row_name(column: Column, name: &str) -> &str {
        let names = OTHER_NAMES.iter().filter(|it| it.0 == column).flat_map(|it| it.1);
        names.into_iter().find(|it| it.0 == name).map_or(name, |it| it.1)
    }

    fn is_no_call(column: Column, name: &str) -> bool {
        NO_CALLS.iter().any(|it| it.0 == column && it.2.contains(&name))
    }

    /// Every call of a header has its row, and every number of the table that the header is new
    /// enough for is one of the header's.
    #[test]
    fn numbers_agree_with_the_kernel_headers() {
        for (column, path) in HEADERS {
            let theirs = header(path);
            for (name, &n) in theirs.iter().filter(|it| !is_no_call(column, it.0)) {
                let row = ROWS.iter().find(|row| row.name == row_name(column, name));
                let number = row.and_then(|row| row.numbers[column as usize]);
                assert_eq!(number, Some(n), "{name} in {path}");
            }
            let newest = theirs.values().max().copied().unwrap_or(0);
            for row in ROWS {
                let Some(n) = row.numbers[column as usize].filter(|&n| n <= newest) else { continue };
                if LATER.contains(&row.name) {
                    continue;
                }
                let known = theirs.iter().any(|(name, &m)| m == n && row_name(column, name) == row.name);
                assert!(known, "{} has {n} in the table, not in {path}", row.name);
            }
        }
    }

    #[test]
    fn numbers_lead_to_their_rows() {
        for (column, _) in HEADERS {
            for row in ROWS {
                if let Some(n) = row.numbers[column as usize] {
                    let sys = column.call(n as u64 + column.base());
                    assert_eq!(sys.map(|sys| sys.row().name), Some(row.name));
                }
            }
        }
        for (column, number, want) in [
            (Column::Generic, 63, Sys::read),
            (Column::Arm, 24, Sys::getuid16),
            (Column::Arm, 199, Sys::getuid),
            (Column::Arm, 263, Sys::clock_gettime32),
            (Column::Arm, 403, Sys::clock_gettime),
            (Column::Mips, 5000, Sys::read),
            (Column::S390, 90, Sys::old_mmap),
            (Column::Powerpc, 190, Sys::getrlimit),
        ] {
            assert_eq!(column.call(number), Some(want), "{number} of {column:?}");
        }
        for none in [244, 300, 423, 511, 512, u64::MAX] {
            assert_eq!(Column::Generic.call(none), None);
        }
        assert_eq!(Column::Mips.call(0), None);
        assert_eq!(Column::Arm.call(90), None);
    }

    /// A row that is as another: that one is carried out, and takes no fewer arguments.
    #[test]
    fn rows_that_are_as_others() {
        for row in ROWS {
            let Kind::Like(sys) = row.kind else { continue };
            let other: &Row = sys.row();
            assert!(!matches!(other.kind, Kind::Like(_)), "{}", row.name);
            assert!(row.args.len() <= other.args.len(), "{}", row.name);
        }
    }
}

//! The table: one row for each structure, as the kernel's headers define it.
//!
//! A row has the structure's name, its name in C, the header, and its members with their C types.
//! `(name)` is another structure, `[type; n]` an array. `raw16` and its kin are numbers in network
//! order, `bytes` are characters. A structure that some architectures define differently has
//! variants: `[Family ..] { members }`, the one for all others, `[_]`, last. A member of a union
//! that the kernel never looks at together with another has the row's first choice as its type.

#![allow(non_upper_case_globals, missing_docs)]

use super::constants::{POLL_EVENTS, SIGNALS, SOCKET_LEVELS};
use super::{Family, Field, Struct, Type, Variant, differs, same_text};

/// The C types that members have.
#[allow(non_upper_case_globals)]
mod c {
    use super::Type;
    const fn integer(size: u8, signed: bool) -> Type {
        Type::Int { size, signed }
    }
    const fn raw(size: u16, align: u8) -> Type {
        Type::Raw { size, align }
    }
    pub(super) const i8: Type = integer(1, true);
    pub(super) const u8: Type = integer(1, false);
    pub(super) const i16: Type = integer(2, true);
    pub(super) const u16: Type = integer(2, false);
    pub(super) const int: Type = integer(4, true);
    pub(super) const uint: Type = integer(4, false);
    pub(super) const i64: Type = integer(8, true);
    pub(super) const u64: Type = integer(8, false);
    pub(super) const long: Type = Type::Long { signed: true };
    pub(super) const ulong: Type = Type::Long { signed: false };
    pub(super) const pointer: Type = Type::Pointer;
    pub(super) const signals: Type = Type::Signals;
    pub(super) const limit: Type = Type::Limit;
    pub(super) const id16: Type = Type::Id16;
    pub(super) const nanoseconds: Type = Type::Nanoseconds;
    pub(super) const byte: Type = raw(1, 1);
    pub(super) const raw16: Type = raw(2, 2);
    pub(super) const raw32: Type = raw(4, 4);
}

macro_rules! ty {
    ([$of:tt; $count:expr]) => {
        Type::Array(&ty!($of), $count)
    };
    (($of:ident)) => {
        Type::Struct(&$of)
    };
    ($of:ident) => {
        c::$of
    };
}

macro_rules! family {
    (_) => {
        None
    };
    ($family:ident) => {
        Some(Family::$family)
    };
}

macro_rules! packed {
    () => {
        false
    };
    (packed) => {
        true
    };
}

macro_rules! variants {
    ($([$family:tt $($packed:ident)?] { $($field:ident: $ty:tt),* $(,)? })+) => {
        &[$(Variant {
            family: family!($family),
            packed: packed!($($packed)?),
            fields: &[$(Field { name: stringify!($field), ty: ty!($ty) }),*],
        }),+]
    };
    ($($field:ident: $ty:tt),* $(,)?) => {
        variants! { [_] { $($field: $ty),* } }
    };
}

macro_rules! structs {
    ($($name:ident $c_name:literal $header:literal { $($body:tt)* })*) => {
        #[allow(non_camel_case_types)]
        enum Index { $($name),* }

        $(pub static $name: Struct = {
            static VARIANTS: &[Variant] = variants! { $($body)* };
            Struct {
                name: stringify!($name),
                c_name: $c_name,
                header: $header,
                variants: VARIANTS,
                index: Index::$name as u16,
                differs: differs(VARIANTS) | leads_to(stringify!($name)),
            }
        };)*

        /// Every row.
        pub static ALL: &[&Struct] = &[$(&$name),*];

        /// How many rows there are.
        pub const COUNT: usize = [$(Index::$name),*].len();
    };
}

/// For which models something differs beside a structure itself: what its members lead to, what
/// they number, the forms that it has.
const fn leads_to(name: &str) -> u16 {
    if same_text(name, "sigset_argpack") {
        sigset.differs
    } else if same_text(name, "siginfo") {
        siginfo_child.differs | siginfo_rt.differs | siginfo_fault.differs | SIGNALS.differs()
    } else if same_text(name, "msghdr") || same_text(name, "mmsghdr") || same_text(name, "sent_mmsghdr") {
        SOCKET_LEVELS.differs()
    } else if same_text(name, "termios") || same_text(name, "termios2") || same_text(name, "termio") {
        super::termios::differs()
    } else if same_text(name, "pollfd") {
        POLL_EVENTS.differs()
    } else {
        0
    }
}

structs! {
    // Numbers by themselves, where a call takes the address of one.
    an_int "int" "linux/types.h" { _value: int }
    a_uint "unsigned int" "linux/types.h" { _value: uint }
    a_long "long" "linux/types.h" { _value: long }
    a_ulong "unsigned long" "linux/types.h" { _value: ulong }
    a_u64 "__u64" "linux/types.h" { _value: u64 }
    a_char "char" "linux/types.h" { _value: byte }
    a_ushort "unsigned short" "linux/types.h" { _value: u16 }
    two_u64s "__u64[2]" "linux/types.h" { _value: [u64; 2] }
    three_ulongs "unsigned long[3]" "linux/types.h" { _value: [ulong; 3] }
    label "char[256]" "linux/types.h" { _value: [byte; 256] }
    bridge_name "char[16]" "linux/types.h" { _value: [byte; 16] }
    a_pointer "void *" "linux/types.h" { _value: pointer }
    a_gid "__kernel_gid32_t" "linux/types.h" { _value: uint }
    two_ints "int[2]" "linux/types.h" { _value: [int; 2] }
    loff "__kernel_loff_t" "linux/types.h" { _value: i64 }
    off "__kernel_off_t" "linux/types.h" { _value: long }
    // As the kernel has it: 64 signals in the order of their bits, 128 of MIPS. (The headers' type
    // is the C library's.)
    sigset "" "asm/signal.h" { _sig: signals }
    old_sigset "" "asm/signal.h" { _sig: ulong }
    // Of the calls that have 16 bits for it, which are others for a kernel of 64 bits.
    an_id16 "" "linux/types.h" {
        [Arm] { _value: id16 }
        [_] { _value: uint }
    }

    // Time: the `old` ones have `long`, which calls of 64-bit architectures use.
    timespec "struct __kernel_old_timespec" "linux/time_types.h" { tv_sec: long, tv_nsec: long }
    timespec64 "struct __kernel_timespec" "linux/time_types.h" { tv_sec: i64, tv_nsec: nanoseconds }
    timeval "struct __kernel_old_timeval" "linux/time_types.h" { tv_sec: long, tv_usec: long }
    two_timespecs "struct __kernel_old_timespec[2]" "linux/time_types.h" { _t: [(timespec); 2] }
    two_timespecs64 "struct __kernel_timespec[2]" "linux/time_types.h" { _t: [(timespec64); 2] }
    two_timevals "struct __kernel_old_timeval[2]" "linux/time_types.h" { _t: [(timeval); 2] }
    timezone "struct timezone" "linux/time.h" { tz_minuteswest: int, tz_dsttime: int }
    itimerval "struct __kernel_old_itimerval" "linux/time_types.h" {
        it_interval: (timeval), it_value: (timeval),
    }
    itimerspec "struct itimerspec" "linux/time.h" { it_interval: (timespec), it_value: (timespec) }
    itimerspec64 "struct __kernel_itimerspec" "linux/time_types.h" {
        it_interval: (timespec64), it_value: (timespec64),
    }
    timex64 "struct __kernel_timex" "linux/timex.h" {
        modes: uint, offset: i64, freq: i64, maxerror: i64, esterror: i64, status: int, constant: i64,
        precision: i64, tolerance: i64, _time_sec: i64, _time_usec: i64, tick: i64, ppsfreq: i64,
        jitter: i64, shift: int, stabil: i64, jitcnt: i64, calcnt: i64, errcnt: i64, stbcnt: i64,
        tai: int, _reserved: [int; 11],
    }
    timex "struct timex" "linux/timex.h" {
        modes: uint, offset: long, freq: long, maxerror: long, esterror: long, status: int,
        constant: long, precision: long, tolerance: long, time: (timeval), tick: long, ppsfreq: long,
        jitter: long, shift: int, stabil: long, jitcnt: long, calcnt: long, errcnt: long, stbcnt: long,
        tai: int, _reserved: [int; 11],
    }
    tms "struct tms" "linux/times.h" {
        tms_utime: long, tms_stime: long, tms_cutime: long, tms_cstime: long,
    }
    utimbuf "struct utimbuf" "linux/utime.h" { actime: long, modtime: long }

    // Files.
    stat "struct stat" "asm/stat.h" {
        [X86_64] {
            st_dev: ulong, st_ino: ulong, st_nlink: ulong, st_mode: uint, st_uid: uint, st_gid: uint,
            _pad0: uint, st_rdev: ulong, st_size: long, st_blksize: long, st_blocks: long,
            st_atime: long, st_atime_nsec: ulong, st_mtime: long, st_mtime_nsec: ulong,
            st_ctime: long, st_ctime_nsec: ulong, _unused: [long; 3],
        }
        [S390] {
            st_dev: ulong, st_ino: ulong, st_nlink: ulong, st_mode: uint, st_uid: uint, st_gid: uint,
            _pad1: uint, st_rdev: ulong, st_size: ulong, st_atime: long, st_atime_nsec: ulong,
            st_mtime: long, st_mtime_nsec: ulong, st_ctime: long, st_ctime_nsec: ulong,
            st_blksize: ulong, st_blocks: long, _unused: [ulong; 3],
        }
        [Powerpc] {
            st_dev: ulong, st_ino: ulong, st_nlink: ulong, st_mode: uint, st_uid: uint, st_gid: uint,
            st_rdev: ulong, st_size: long, st_blksize: ulong, st_blocks: ulong, st_atime: long,
            st_atime_nsec: ulong, st_mtime: long, st_mtime_nsec: ulong, st_ctime: long,
            st_ctime_nsec: ulong, _unused: [ulong; 3],
        }
        [Mips] {
            st_dev: uint, _pad0: [uint; 3], st_ino: ulong, st_mode: uint, st_nlink: uint, st_uid: uint,
            st_gid: uint, st_rdev: uint, _pad1: [uint; 3], st_size: long, st_atime: uint,
            st_atime_nsec: uint, st_mtime: uint, st_mtime_nsec: uint, st_ctime: uint,
            st_ctime_nsec: uint, st_blksize: uint, _pad2: uint, st_blocks: ulong,
        }
        [Arm] {
            st_dev: ulong, st_ino: ulong, st_mode: u16, st_nlink: u16, st_uid: id16, st_gid: id16,
            st_rdev: ulong, st_size: long, st_blksize: ulong, st_blocks: ulong, st_atime: ulong,
            st_atime_nsec: ulong, st_mtime: ulong, st_mtime_nsec: ulong, st_ctime: ulong,
            st_ctime_nsec: ulong, _unused: [ulong; 2],
        }
        [_] {
            st_dev: ulong, st_ino: ulong, st_mode: uint, st_nlink: uint, st_uid: uint, st_gid: uint,
            st_rdev: ulong, _pad1: ulong, st_size: long, st_blksize: int, _pad2: int, st_blocks: long,
            st_atime: long, st_atime_nsec: ulong, st_mtime: long, st_mtime_nsec: ulong,
            st_ctime: long, st_ctime_nsec: ulong, _unused: [uint; 2],
        }
    }
    // `struct stat64` of 32-bit architectures; others have the members of `struct stat`.
    stat64 "" "asm/stat.h" {
        [Arm] {
            st_dev: u64, _pad0: [byte; 4], _st_ino: ulong, st_mode: uint, st_nlink: uint,
            st_uid: ulong, st_gid: ulong, st_rdev: u64, _pad3: [byte; 4], st_size: i64,
            st_blksize: ulong, st_blocks: u64, st_atime: ulong, st_atime_nsec: ulong, st_mtime: ulong,
            st_mtime_nsec: ulong, st_ctime: ulong, st_ctime_nsec: ulong, st_ino: u64,
        }
        [X86_64] {
            st_dev: ulong, st_ino: ulong, st_nlink: ulong, st_mode: uint, st_uid: uint, st_gid: uint,
            _pad0: uint, st_rdev: ulong, st_size: long, st_blksize: long, st_blocks: long,
            st_atime: long, st_atime_nsec: ulong, st_mtime: long, st_mtime_nsec: ulong,
            st_ctime: long, st_ctime_nsec: ulong, _unused: [long; 3],
        }
        [_] {
            st_dev: ulong, st_ino: ulong, st_mode: uint, st_nlink: uint, st_uid: uint, st_gid: uint,
            st_rdev: ulong, _pad1: ulong, st_size: long, st_blksize: int, _pad2: int, st_blocks: long,
            st_atime: long, st_atime_nsec: ulong, st_mtime: long, st_mtime_nsec: ulong,
            st_ctime: long, st_ctime_nsec: ulong, _unused: [uint; 2],
        }
    }
    statx_timestamp "struct statx_timestamp" "linux/stat.h" {
        tv_sec: i64, tv_nsec: uint, _reserved: int,
    }
    statx "struct statx" "linux/stat.h" {
        stx_mask: uint, stx_blksize: uint, stx_attributes: u64, stx_nlink: uint, stx_uid: uint,
        stx_gid: uint, stx_mode: u16, _spare0: u16, stx_ino: u64, stx_size: u64, stx_blocks: u64,
        stx_attributes_mask: u64, stx_atime: (statx_timestamp), stx_btime: (statx_timestamp),
        stx_ctime: (statx_timestamp), stx_mtime: (statx_timestamp), stx_rdev_major: uint,
        stx_rdev_minor: uint, stx_dev_major: uint, stx_dev_minor: uint, stx_mnt_id: u64,
        stx_dio_mem_align: uint, stx_dio_offset_align: uint, _spare3: [u64; 12],
    }
    fsid "__kernel_fsid_t" "asm/statfs.h" { val: [int; 2] }
    statfs "struct statfs" "asm/statfs.h" {
        [S390] {
            f_type: uint, f_bsize: uint, f_blocks: ulong, f_bfree: ulong, f_bavail: ulong,
            f_files: ulong, f_ffree: ulong, f_fsid: (fsid), f_namelen: uint, f_frsize: uint,
            f_flags: uint, f_spare: [uint; 4],
        }
        [Mips] {
            f_type: long, f_bsize: long, f_frsize: long, f_blocks: long, f_bfree: long, f_files: long,
            f_ffree: long, f_bavail: long, f_fsid: (fsid), f_namelen: long, f_flags: long,
            f_spare: [long; 5],
        }
        [Arm] {
            f_type: uint, f_bsize: uint, f_blocks: uint, f_bfree: uint, f_bavail: uint, f_files: uint,
            f_ffree: uint, f_fsid: (fsid), f_namelen: uint, f_frsize: uint, f_flags: uint,
            f_spare: [uint; 4],
        }
        [_] {
            f_type: long, f_bsize: long, f_blocks: long, f_bfree: long, f_bavail: long, f_files: long,
            f_ffree: long, f_fsid: (fsid), f_namelen: long, f_frsize: long, f_flags: long,
            f_spare: [long; 4],
        }
    }
    // ARM packs the 64-bit form and aligns it to four bytes (ARCH_PACK_STATFS64).
    statfs64 "struct statfs64" "asm/statfs.h" {
        [S390] {
            f_type: uint, f_bsize: uint, f_blocks: u64, f_bfree: u64, f_bavail: u64, f_files: u64,
            f_ffree: u64, f_fsid: (fsid), f_namelen: uint, f_frsize: uint, f_flags: uint,
            f_spare: [uint; 4],
        }
        [Mips] {
            f_type: long, f_bsize: long, f_frsize: long, f_blocks: long, f_bfree: long, f_files: long,
            f_ffree: long, f_bavail: long, f_fsid: (fsid), f_namelen: long, f_flags: long,
            f_spare: [long; 5],
        }
        [Arm packed] {
            f_type: uint, f_bsize: uint, f_blocks: u64, f_bfree: u64, f_bavail: u64, f_files: u64,
            f_ffree: u64, f_fsid: (fsid), f_namelen: uint, f_frsize: uint, f_flags: uint,
            f_spare: [uint; 4],
        }
        [_] {
            f_type: long, f_bsize: long, f_blocks: u64, f_bfree: u64, f_bavail: u64, f_files: u64,
            f_ffree: u64, f_fsid: (fsid), f_namelen: long, f_frsize: long, f_flags: long,
            f_spare: [long; 4],
        }
    }
    ustat "" "linux/types.h" { f_tfree: int, f_tinode: ulong, f_fname: [byte; 6], f_fpack: [byte; 6] }
    flock "struct flock" "asm/fcntl.h" {
        l_type: i16, l_whence: i16, l_start: long, l_len: long, l_pid: int,
    }
    // Only 32-bit architectures have it; l_start is a 64-bit offset.
    flock64 "" "asm/fcntl.h" {
        l_type: i16, l_whence: i16, l_start: i64, l_len: i64, l_pid: int,
    }
    f_owner_ex "struct f_owner_ex" "asm/fcntl.h" { r#type: int, pid: int }
    // What the one argument of an old mmap points at.
    mmap_args "" "linux/mman.h" {
        addr: ulong, len: ulong, prot: ulong, flags: ulong, fd: ulong, offset: ulong,
    }
    open_how "struct open_how" "linux/openat2.h" { flags: u64, mode: u64, resolve: u64 }
    // The kernel takes the length for a signed one and refuses what is negative.
    iovec "struct iovec" "linux/uio.h" { iov_base: pointer, iov_len: long }
    pollfd "struct pollfd" "asm/poll.h" { fd: int, events: i16, revents: i16 }
    epoll_event "struct epoll_event" "linux/eventpoll.h" {
        [X86_64 packed] { events: uint, data: u64 }
        [_] { events: uint, data: u64 }
    }
    // The pair that the sixth argument of pselect6 and io_pgetevents points at.
    sigset_argpack "" "linux/signal.h" { p: pointer, size: ulong }
    file_handle "" "linux/fcntl.h" { handle_bytes: uint, handle_type: int }
    mount_attr "struct mount_attr" "linux/mount.h" {
        attr_set: u64, attr_clr: u64, propagation: u64, userns_fd: u64,
    }
    mnt_id_req "" "linux/mount.h" { size: uint, spare: uint, mnt_id: u64, param: u64, mnt_ns_id: u64 }
    cachestat_range "" "linux/mman.h" { off: u64, len: u64 }
    cachestat "" "linux/mman.h" {
        nr_cache: u64, nr_dirty: u64, nr_writeback: u64, nr_evicted: u64, nr_recently_evicted: u64,
    }
    xattr_args "" "linux/xattr.h" { value: u64, size: uint, flags: uint }
    file_attr "" "linux/fs.h" {
        fa_xflags: u64, fa_extsize: uint, fa_nextents: uint, fa_projid: uint, fa_cowextsize: uint,
    }
    if_dqblk "struct if_dqblk" "linux/quota.h" {
        dqb_bhardlimit: u64, dqb_bsoftlimit: u64, dqb_curspace: u64, dqb_ihardlimit: u64,
        dqb_isoftlimit: u64, dqb_curinodes: u64, dqb_btime: u64, dqb_itime: u64, dqb_valid: uint,
    }
    landlock_ruleset_attr "struct landlock_ruleset_attr" "linux/landlock.h" { handled_access_fs: u64 }

    // Processes.
    rlimit "struct rlimit" "linux/resource.h" { rlim_cur: limit, rlim_max: limit }
    rlimit64 "struct rlimit64" "linux/resource.h" { rlim_cur: u64, rlim_max: u64 }
    rusage "struct rusage" "linux/resource.h" {
        ru_utime: (timeval), ru_stime: (timeval), ru_maxrss: long, ru_ixrss: long, ru_idrss: long,
        ru_isrss: long, ru_minflt: long, ru_majflt: long, ru_nswap: long, ru_inblock: long,
        ru_oublock: long, ru_msgsnd: long, ru_msgrcv: long, ru_nsignals: long, ru_nvcsw: long,
        ru_nivcsw: long,
    }
    sysinfo "struct sysinfo" "linux/sysinfo.h" {
        [Arm] {
            uptime: long, loads: [ulong; 3], totalram: ulong, freeram: ulong, sharedram: ulong,
            bufferram: ulong, totalswap: ulong, freeswap: ulong, procs: u16, pad: u16,
            totalhigh: ulong, freehigh: ulong, mem_unit: uint, _f: [byte; 8],
        }
        [_] {
            uptime: long, loads: [ulong; 3], totalram: ulong, freeram: ulong, sharedram: ulong,
            bufferram: ulong, totalswap: ulong, freeswap: ulong, procs: u16, pad: u16,
            totalhigh: ulong, freehigh: ulong, mem_unit: uint,
        }
    }
    new_utsname "struct new_utsname" "linux/utsname.h" {
        sysname: [byte; 65], nodename: [byte; 65], release: [byte; 65], version: [byte; 65],
        machine: [byte; 65], domainname: [byte; 65],
    }
    clone_args "struct clone_args" "linux/sched.h" {
        flags: u64, pidfd: u64, child_tid: u64, parent_tid: u64, exit_signal: u64, stack: u64,
        stack_size: u64, tls: u64, set_tid: u64, set_tid_size: u64, cgroup: u64,
    }
    sched_param "struct sched_param" "linux/sched/types.h" { sched_priority: int }
    sched_attr "struct sched_attr" "linux/sched/types.h" {
        size: uint, sched_policy: uint, sched_flags: u64, sched_nice: int, sched_priority: uint,
        sched_runtime: u64, sched_deadline: u64, sched_period: u64, sched_util_min: uint,
        sched_util_max: uint,
    }
    cap_header "struct __user_cap_header_struct" "linux/capability.h" { version: uint, pid: int }
    cap_data "struct __user_cap_data_struct" "linux/capability.h" {
        effective: uint, permitted: uint, inheritable: uint,
    }
    robust_list_head "struct robust_list_head" "linux/futex.h" {
        _list: pointer, futex_offset: long, list_op_pending: pointer,
    }
    futex_waitv "struct futex_waitv" "linux/futex.h" {
        val: u64, uaddr: u64, flags: uint, _reserved: uint,
    }
    two_futexes "struct futex_waitv[2]" "linux/futex.h" { _f: [(futex_waitv); 2] }
    sock_filter "struct sock_filter" "linux/filter.h" { code: u16, jt: u8, jf: u8, k: uint }
    sock_fprog "struct sock_fprog" "linux/filter.h" { len: u16, filter: pointer }
    seccomp_data "struct seccomp_data" "linux/seccomp.h" {
        nr: int, arch: uint, instruction_pointer: u64, args: [u64; 6],
    }
    prctl_mm_map "struct prctl_mm_map" "linux/prctl.h" {
        start_code: u64, end_code: u64, start_data: u64, end_data: u64, start_brk: u64, brk: u64,
        start_stack: u64, arg_start: u64, arg_end: u64, env_start: u64, env_end: u64, auxv: pointer,
        auxv_size: uint, exe_fd: uint,
    }

    // Signals.
    // What rt_sigaction takes, which is not what the headers show programs everywhere.
    sigaction "" "asm/signal.h" {
        [Mips] { sa_flags: uint, sa_handler: pointer, sa_mask: (sigset) }
        [Newer] { sa_handler: pointer, sa_flags: ulong, sa_mask: (sigset) }
        [_] { sa_handler: pointer, sa_flags: ulong, sa_restorer: pointer, sa_mask: (sigset) }
    }
    // What sigaction takes, where it is another call than rt_sigaction.
    old_sigaction "" "asm/signal.h" {
        sa_handler: pointer, sa_mask: ulong, sa_flags: ulong, sa_restorer: pointer,
    }
    // `siginfo_t` by the members that the signal and its code give a meaning: `siginfo::row`
    // chooses.
    siginfo "siginfo_t" "asm/siginfo.h" {
        [Mips] { si_signo: int, si_code: int, si_errno: int, _fields: [byte; 116] }
        [_] { si_signo: int, si_errno: int, si_code: int, _fields: [byte; 116] }
    }
    siginfo_head "" "asm/siginfo.h" {
        [Mips] { si_signo: int, si_code: int, si_errno: int, _pad: uint }
        [Arm] { si_signo: int, si_errno: int, si_code: int }
        [_] { si_signo: int, si_errno: int, si_code: int, _pad: uint }
    }
    siginfo_kill "" "asm/siginfo.h" { head: (siginfo_head), pid: int, uid: uint }
    siginfo_timer "" "asm/siginfo.h" {
        head: (siginfo_head), tid: int, overrun: int, sigval: pointer, sys_private: int,
    }
    siginfo_rt "" "asm/siginfo.h" { head: (siginfo_head), pid: int, uid: uint, sigval: pointer }
    siginfo_child "" "asm/siginfo.h" {
        head: (siginfo_head), pid: int, uid: uint, status: int, utime: long, stime: long,
    }
    siginfo_fault "" "asm/siginfo.h" { head: (siginfo_head), addr: pointer, lsb: i16 }
    siginfo_bounds "" "asm/siginfo.h" {
        head: (siginfo_head), addr: pointer, _pad: ulong, lower: pointer, upper: pointer,
    }
    siginfo_pkey "" "asm/siginfo.h" { head: (siginfo_head), addr: pointer, _pad: ulong, pkey: uint }
    siginfo_poll "" "asm/siginfo.h" { head: (siginfo_head), band: long, fd: int }
    siginfo_sys "" "asm/siginfo.h" {
        head: (siginfo_head), call_addr: pointer, syscall: int, arch: uint,
    }
    sigaltstack "stack_t" "asm/signal.h" {
        [Mips] { ss_sp: pointer, ss_size: ulong, ss_flags: int }
        [_] { ss_sp: pointer, ss_flags: int, ss_size: ulong }
    }
    sigevent "struct sigevent" "asm/siginfo.h" {
        [Arm] { sigev_value: pointer, sigev_signo: int, sigev_notify: int, _tid: int, _pad: [byte; 48] }
        [_] { sigev_value: pointer, sigev_signo: int, sigev_notify: int, _tid: int, _pad: [byte; 44] }
    }

    // SysV IPC and POSIX queues.
    ipc64_perm "struct ipc64_perm" "asm/ipcbuf.h" {
        [S390] {
            key: int, uid: uint, gid: uint, cuid: uint, cgid: uint, mode: uint, _pad1: u16, seq: u16,
            _unused1: ulong, _unused2: ulong,
        }
        [Powerpc] {
            key: int, uid: uint, gid: uint, cuid: uint, cgid: uint, mode: uint, seq: uint, _pad1: uint,
            _unused1: u64, _unused2: u64,
        }
        [Arm] {
            key: int, uid: uint, gid: uint, cuid: uint, cgid: uint, mode: u16, _pad1: [byte; 2],
            seq: u16, _pad2: u16, _unused1: ulong, _unused2: ulong,
        }
        [_] {
            key: int, uid: uint, gid: uint, cuid: uint, cgid: uint, mode: uint, seq: u16, _pad2: u16,
            _unused1: ulong, _unused2: ulong,
        }
    }
    semid_ds "struct semid64_ds" "asm/sembuf.h" {
        [X86_64] {
            sem_perm: (ipc64_perm), sem_otime: long, _unused1: ulong, sem_ctime: long,
            _unused2: ulong, sem_nsems: ulong, _unused3: ulong, _unused4: ulong,
        }
        [Arm] {
            sem_perm: (ipc64_perm), sem_otime: ulong, sem_otime_high: ulong, sem_ctime: ulong,
            sem_ctime_high: ulong, sem_nsems: ulong, _unused3: ulong, _unused4: ulong,
        }
        [_] {
            sem_perm: (ipc64_perm), sem_otime: long, sem_ctime: long, sem_nsems: ulong,
            _unused3: ulong, _unused4: ulong,
        }
    }
    shmid_ds "struct shmid64_ds" "asm/shmbuf.h" {
        [Powerpc] {
            shm_perm: (ipc64_perm), shm_atime: long, shm_dtime: long, shm_ctime: long,
            shm_segsz: ulong, shm_cpid: int, shm_lpid: int, shm_nattch: ulong, _unused: [ulong; 2],
        }
        [Arm] {
            shm_perm: (ipc64_perm), shm_segsz: ulong, shm_atime: ulong, shm_atime_high: ulong,
            shm_dtime: ulong, shm_dtime_high: ulong, shm_ctime: ulong, shm_ctime_high: ulong,
            shm_cpid: int, shm_lpid: int, shm_nattch: ulong, _unused: [ulong; 2],
        }
        [_] {
            shm_perm: (ipc64_perm), shm_segsz: ulong, shm_atime: long, shm_dtime: long,
            shm_ctime: long, shm_cpid: int, shm_lpid: int, shm_nattch: ulong, _unused: [ulong; 2],
        }
    }
    shminfo "struct shminfo64" "asm/shmbuf.h" {
        shmmax: ulong, shmmin: ulong, shmmni: ulong, shmseg: ulong, shmall: ulong, _unused: [ulong; 4],
    }
    shm_info "struct shm_info" "linux/shm.h" {
        used_ids: int, shm_tot: ulong, shm_rss: ulong, shm_swp: ulong, swap_attempts: ulong,
        swap_successes: ulong,
    }
    seminfo "struct seminfo" "linux/sem.h" {
        semmap: int, semmni: int, semmns: int, semmnu: int, semmsl: int, semopm: int, semume: int,
        semusz: int, semvmx: int, semaem: int,
    }
    msginfo "struct msginfo" "linux/msg.h" {
        msgpool: int, msgmap: int, msgmax: int, msgmnb: int, msgmni: int, msgssz: int, msgtql: int,
        msgseg: u16,
    }
    msqid_ds "struct msqid64_ds" "asm/msgbuf.h" {
        [Arm] {
            msg_perm: (ipc64_perm), msg_stime: ulong, msg_stime_high: ulong, msg_rtime: ulong,
            msg_rtime_high: ulong, msg_ctime: ulong, msg_ctime_high: ulong, msg_cbytes: ulong,
            msg_qnum: ulong, msg_qbytes: ulong, msg_lspid: int, msg_lrpid: int, _unused: [ulong; 2],
        }
        [_] {
            msg_perm: (ipc64_perm), msg_stime: long, msg_rtime: long, msg_ctime: long,
            msg_cbytes: ulong, msg_qnum: ulong, msg_qbytes: ulong, msg_lspid: int, msg_lrpid: int,
            _unused: [ulong; 2],
        }
    }
    sembuf "struct sembuf" "linux/sem.h" { sem_num: u16, sem_op: i16, sem_flg: i16 }
    mq_attr "struct mq_attr" "linux/mqueue.h" {
        mq_flags: long, mq_maxmsg: long, mq_msgsize: long, mq_curmsgs: long, _reserved: [long; 4],
    }

    // Asynchronous I/O.
    io_event "struct io_event" "linux/aio_abi.h" { data: u64, obj: u64, res: i64, res2: i64 }
    iocb "struct iocb" "linux/aio_abi.h" {
        [S390] {
            aio_data: u64, aio_rw_flags: int, aio_key: uint, aio_lio_opcode: u16, aio_reqprio: i16,
            aio_fildes: uint, aio_buf: u64, aio_nbytes: u64, aio_offset: i64, _reserved2: u64,
            aio_flags: uint, aio_resfd: uint,
        }
        [_] {
            aio_data: u64, aio_key: uint, aio_rw_flags: int, aio_lio_opcode: u16, aio_reqprio: i16,
            aio_fildes: uint, aio_buf: u64, aio_nbytes: u64, aio_offset: i64, _reserved2: u64,
            aio_flags: uint, aio_resfd: uint,
        }
    }
    io_sqring_offsets "struct io_sqring_offsets" "linux/io_uring.h" {
        head: uint, tail: uint, ring_mask: uint, ring_entries: uint, flags: uint, dropped: uint,
        array: uint, resv1: uint, _resv2: u64,
    }
    io_cqring_offsets "struct io_cqring_offsets" "linux/io_uring.h" {
        head: uint, tail: uint, ring_mask: uint, ring_entries: uint, overflow: uint, cqes: uint,
        flags: uint, resv1: uint, _resv2: u64,
    }
    io_uring_params "struct io_uring_params" "linux/io_uring.h" {
        sq_entries: uint, cq_entries: uint, flags: uint, sq_thread_cpu: uint, sq_thread_idle: uint,
        features: uint, wq_fd: uint, resv: [uint; 3], sq_off: (io_sqring_offsets),
        cq_off: (io_cqring_offsets),
    }
    io_uring_getevents_arg "struct io_uring_getevents_arg" "linux/io_uring.h" {
        sigmask: u64, sigmask_sz: uint, pad: uint, ts: u64,
    }

    // Sockets. Addresses are in network order but for their family.
    msghdr "" "linux/socket.h" {
        msg_name: pointer, msg_namelen: int, msg_iov: pointer, msg_iovlen: ulong,
        msg_control: pointer, msg_controllen: ulong, msg_flags: uint,
    }
    mmsghdr "" "linux/socket.h" { msg_hdr: (msghdr), msg_len: uint }
    // The same for sendmmsg, which tells lengths and nothing else.
    sent_mmsghdr "" "linux/socket.h" { msg_hdr: (msghdr), msg_len: uint }
    cmsghdr "" "linux/socket.h" { cmsg_len: ulong, cmsg_level: int, cmsg_type: int }
    linger "" "linux/socket.h" { l_onoff: int, l_linger: int }
    ucred "" "linux/socket.h" { pid: int, uid: uint, gid: uint }
    scm_timestamping "" "linux/errqueue.h" { ts: [(timespec); 3] }
    scm_timestamping64 "" "linux/errqueue.h" { ts: [(timespec64); 3] }
    in_pktinfo "struct in_pktinfo" "linux/in.h" {
        ipi_ifindex: int, ipi_spec_dst: raw32, ipi_addr: raw32,
    }
    in6_pktinfo "struct in6_pktinfo" "linux/ipv6.h" { ipi6_addr: [raw32; 4], ipi6_ifindex: int }
    sock_timeval "struct __kernel_sock_timeval" "linux/time_types.h" { tv_sec: i64, tv_usec: i64 }
    sock_txtime "struct sock_txtime" "linux/net_tstamp.h" { clockid: int, flags: uint }
    sockaddr_in "struct sockaddr_in" "linux/in.h" {
        sin_family: u16, sin_port: raw16, sin_addr: raw32, _pad: [byte; 8],
    }
    sockaddr_in6 "struct sockaddr_in6" "linux/in6.h" {
        sin6_family: u16, sin6_port: raw16, sin6_flowinfo: raw32, sin6_addr: [raw32; 4],
        sin6_scope_id: uint,
    }
    sockaddr_un "struct sockaddr_un" "linux/un.h" { sun_family: u16, sun_path: [byte; 108] }
    sockaddr_nl "struct sockaddr_nl" "linux/netlink.h" {
        nl_family: u16, nl_pad: u16, nl_pid: uint, nl_groups: uint,
    }
    sockaddr_ll "struct sockaddr_ll" "linux/if_packet.h" {
        sll_family: u16, sll_protocol: raw16, sll_ifindex: int, sll_hatype: u16, sll_pkttype: u8,
        sll_halen: u8, sll_addr: [byte; 8],
    }
    ip_mreqn "struct ip_mreqn" "linux/in.h" {
        imr_multiaddr: raw32, imr_address: raw32, imr_ifindex: int,
    }
    ipv6_mreq "struct ipv6_mreq" "linux/in6.h" { ipv6mr_multiaddr: [raw32; 4], ipv6mr_ifindex: int }
    tcp_info "struct tcp_info" "linux/tcp.h" {
        tcpi_state: u8, tcpi_ca_state: u8, tcpi_retransmits: u8, tcpi_probes: u8, tcpi_backoff: u8,
        tcpi_options: u8, _wscale: u8, _limited: u8, tcpi_rto: uint, tcpi_ato: uint,
        tcpi_snd_mss: uint, tcpi_rcv_mss: uint, tcpi_unacked: uint, tcpi_sacked: uint,
        tcpi_lost: uint, tcpi_retrans: uint, tcpi_fackets: uint, tcpi_last_data_sent: uint,
        tcpi_last_ack_sent: uint, tcpi_last_data_recv: uint, tcpi_last_ack_recv: uint,
        tcpi_pmtu: uint, tcpi_rcv_ssthresh: uint, tcpi_rtt: uint, tcpi_rttvar: uint,
        tcpi_snd_ssthresh: uint, tcpi_snd_cwnd: uint, tcpi_advmss: uint, tcpi_reordering: uint,
        tcpi_rcv_rtt: uint, tcpi_rcv_space: uint, tcpi_total_retrans: uint, tcpi_pacing_rate: u64,
        tcpi_max_pacing_rate: u64, tcpi_bytes_acked: u64, tcpi_bytes_received: u64,
        tcpi_segs_out: uint, tcpi_segs_in: uint, tcpi_notsent_bytes: uint, tcpi_min_rtt: uint,
        tcpi_data_segs_in: uint, tcpi_data_segs_out: uint, tcpi_delivery_rate: u64,
        tcpi_busy_time: u64, tcpi_rwnd_limited: u64, tcpi_sndbuf_limited: u64, tcpi_delivered: uint,
        tcpi_delivered_ce: uint, tcpi_bytes_sent: u64, tcpi_bytes_retrans: u64,
        tcpi_dsack_dups: uint, tcpi_reord_seen: uint, tcpi_rcv_ooopack: uint, tcpi_snd_wnd: uint,
    }
    // `struct ifreq` by the member of its union that a request uses; the union has room for ifmap.
    ifmap "struct ifmap" "linux/if.h" {
        mem_start: ulong, mem_end: ulong, base_addr: u16, irq: u8, dma: u8, port: u8, _pad: [byte; 3],
    }
    ifreq_map "struct ifreq" "linux/if.h" { _name: [byte; 16], _map: (ifmap) }
    ifreq_addr "" "linux/if.h" {
        [Arm] { _name: [byte; 16], _family: u16, _data: [byte; 14] }
        [_] { _name: [byte; 16], _family: u16, _data: [byte; 14], _pad: [byte; 8] }
    }
    ifreq_flags "" "linux/if.h" {
        [Arm] { _name: [byte; 16], _flags: i16, _pad: [byte; 14] }
        [_] { _name: [byte; 16], _flags: i16, _pad: [byte; 22] }
    }
    ifreq_int "" "linux/if.h" {
        [Arm] { _name: [byte; 16], _value: int, _pad: [byte; 12] }
        [_] { _name: [byte; 16], _value: int, _pad: [byte; 20] }
    }
    ifreq_data "" "linux/if.h" {
        [Arm] { _name: [byte; 16], _data: pointer, _pad: [byte; 12] }
        [_] { _name: [byte; 16], _data: pointer, _pad: [byte; 16] }
    }
    ifreq_name "" "linux/if.h" {
        [Arm] { _name: [byte; 16], _new: [byte; 16] }
        [_] { _name: [byte; 16], _new: [byte; 16], _pad: [byte; 8] }
    }
    ifreq_mii "" "linux/if.h" {
        [Arm] { _name: [byte; 16], _mii: [u16; 4], _pad: [byte; 8] }
        [_] { _name: [byte; 16], _mii: [u16; 4], _pad: [byte; 16] }
    }
    ifreq_settings "" "linux/if.h" {
        [Arm] { _name: [byte; 16], _type: uint, _size: uint, _data: pointer, _pad: [byte; 4] }
        [_] { _name: [byte; 16], _type: uint, _size: uint, _data: pointer, _pad: [byte; 8] }
    }
    ifconf "struct ifconf" "linux/if.h" { ifc_len: int, _buf: pointer }

    // Routes and neighbours. `struct sockaddr` of IPv4 is what is in them.
    sockaddr "struct sockaddr" "linux/if.h" { sa_family: u16, sa_data: [byte; 14] }
    rtentry "struct rtentry" "linux/route.h" {
        rt_pad1: ulong, rt_dst: (sockaddr), rt_gateway: (sockaddr), rt_genmask: (sockaddr),
        rt_flags: u16, rt_pad2: i16, rt_pad3: ulong, rt_pad4: pointer, rt_metric: i16,
        rt_dev: pointer, rt_mtu: ulong, rt_window: ulong, rt_irtt: u16,
    }
    in6_rtmsg "struct in6_rtmsg" "linux/ipv6_route.h" {
        rtmsg_dst: [raw32; 4], rtmsg_src: [raw32; 4], rtmsg_gateway: [raw32; 4], rtmsg_type: uint,
        rtmsg_dst_len: u16, rtmsg_src_len: u16, rtmsg_metric: uint, rtmsg_info: ulong,
        rtmsg_flags: uint, rtmsg_ifindex: int,
    }
    in6_ifreq "struct in6_ifreq" "linux/ipv6.h" {
        ifr6_addr: [raw32; 4], ifr6_prefixlen: uint, ifr6_ifindex: int,
    }
    arpreq "struct arpreq" "linux/if_arp.h" {
        arp_pa: (sockaddr), arp_ha: (sockaddr), arp_flags: int, arp_netmask: (sockaddr),
        arp_dev: [byte; 16],
    }
    sioc_vif_req "struct sioc_vif_req" "linux/mroute.h" {
        vifi: u16, icount: ulong, ocount: ulong, ibytes: ulong, obytes: ulong,
    }
    sioc_sg_req "struct sioc_sg_req" "linux/mroute.h" {
        src: raw32, grp: raw32, pktcnt: ulong, bytecnt: ulong, wrong_if: ulong,
    }
    sioc_mif_req6 "struct sioc_mif_req6" "linux/mroute6.h" {
        mifi: u16, icount: ulong, ocount: ulong, ibytes: ulong, obytes: ulong,
    }
    sioc_sg_req6 "struct sioc_sg_req6" "linux/mroute6.h" {
        src: (sockaddr_in6), grp: (sockaddr_in6), pktcnt: ulong, bytecnt: ulong, wrong_if: ulong,
    }

    // ioctl: terminals, files, block devices.
    winsize "struct winsize" "asm/termios.h" {
        ws_row: u16, ws_col: u16, ws_xpixel: u16, ws_ypixel: u16,
    }
    termio "struct termio" "asm/termios.h" {
        [Powerpc] {
            c_iflag: u16, c_oflag: u16, c_cflag: u16, c_lflag: u16, c_line: u8, c_cc: [byte; 10],
        }
        [Mips] {
            c_iflag: u16, c_oflag: u16, c_cflag: u16, c_lflag: u16, c_line: u8, c_cc: [byte; 23],
        }
        [_] {
            c_iflag: u16, c_oflag: u16, c_cflag: u16, c_lflag: u16, c_line: u8, c_cc: [byte; 8],
        }
    }
    termios "struct termios" "asm/termbits.h" {
        [Powerpc] {
            c_iflag: uint, c_oflag: uint, c_cflag: uint, c_lflag: uint, c_cc: [byte; 19], c_line: u8,
            c_ispeed: uint, c_ospeed: uint,
        }
        [Mips] {
            c_iflag: uint, c_oflag: uint, c_cflag: uint, c_lflag: uint, c_line: u8, c_cc: [byte; 23],
        }
        [_] {
            c_iflag: uint, c_oflag: uint, c_cflag: uint, c_lflag: uint, c_line: u8, c_cc: [byte; 19],
        }
    }
    // Power's `struct termios` has the speeds already.
    termios2 "" "asm/termbits.h" {
        [Powerpc] {
            c_iflag: uint, c_oflag: uint, c_cflag: uint, c_lflag: uint, c_cc: [byte; 19], c_line: u8,
            c_ispeed: uint, c_ospeed: uint,
        }
        [Mips] {
            c_iflag: uint, c_oflag: uint, c_cflag: uint, c_lflag: uint, c_line: u8, c_cc: [byte; 23],
            c_ispeed: uint, c_ospeed: uint,
        }
        [_] {
            c_iflag: uint, c_oflag: uint, c_cflag: uint, c_lflag: uint, c_line: u8, c_cc: [byte; 19],
            c_ispeed: uint, c_ospeed: uint,
        }
    }
    serial_struct "struct serial_struct" "linux/serial.h" {
        r#type: int, line: int, port: uint, irq: int, flags: int, xmit_fifo_size: int,
        custom_divisor: int, baud_base: int, close_delay: u16, io_type: byte, reserved_char: byte,
        hub6: int, closing_wait: u16, closing_wait2: u16, iomem_base: pointer, iomem_reg_shift: u16,
        port_high: uint, iomap_base: ulong,
    }
    serial_icounter_struct "struct serial_icounter_struct" "linux/serial.h" {
        cts: int, dsr: int, rng: int, dcd: int, rx: int, tx: int, frame: int, overrun: int,
        parity: int, brk: int, buf_overrun: int, reserved: [int; 9],
    }
    serial_rs485 "struct serial_rs485" "linux/serial.h" {
        flags: uint, delay_rts_before_send: uint, delay_rts_after_send: uint, addr_recv: u8,
        addr_dest: u8, padding0: [byte; 2], padding1: [uint; 4],
    }
    serial_iso7816 "struct serial_iso7816" "linux/serial.h" {
        flags: uint, tg: uint, sc_fi: uint, sc_di: uint, clk: uint, _reserved: [uint; 5],
    }
    fiemap "struct fiemap" "linux/fiemap.h" {
        fm_start: u64, fm_length: u64, fm_flags: uint, fm_mapped_extents: uint,
        fm_extent_count: uint, fm_reserved: uint,
    }
    fiemap_extent "struct fiemap_extent" "linux/fiemap.h" {
        fe_logical: u64, fe_physical: u64, fe_length: u64, fe_reserved64: [u64; 2], fe_flags: uint,
        fe_reserved: [uint; 3],
    }
    file_clone_range "struct file_clone_range" "linux/fs.h" {
        src_fd: i64, src_offset: u64, src_length: u64, dest_offset: u64,
    }
    file_dedupe_range "struct file_dedupe_range" "linux/fs.h" {
        src_offset: u64, src_length: u64, dest_count: u16, reserved1: u16, reserved2: uint,
    }
    file_dedupe_range_info "struct file_dedupe_range_info" "linux/fs.h" {
        dest_fd: i64, dest_offset: u64, bytes_deduped: u64, status: int, reserved: uint,
    }
    fsxattr "struct fsxattr" "linux/fs.h" {
        fsx_xflags: uint, fsx_extsize: uint, fsx_nextents: uint, fsx_projid: uint,
        fsx_cowextsize: uint, fsx_pad: [byte; 8],
    }
    fstrim_range "struct fstrim_range" "linux/fs.h" { start: u64, len: u64, minlen: u64 }
    fsverity_enable_arg "struct fsverity_enable_arg" "linux/fsverity.h" {
        version: uint, hash_algorithm: uint, block_size: uint, salt_size: uint, salt_ptr: u64,
        sig_size: uint, _reserved1: uint, sig_ptr: u64, _reserved2: [u64; 11],
    }
    fsverity_digest "struct fsverity_digest" "linux/fsverity.h" {
        digest_algorithm: u16, digest_size: u16,
    }
    fsverity_read_metadata_arg "struct fsverity_read_metadata_arg" "linux/fsverity.h" {
        metadata_type: u64, offset: u64, length: u64, buf_ptr: u64, _reserved: u64,
    }
    blk_zone_range "struct blk_zone_range" "linux/blkzoned.h" { sector: u64, nr_sectors: u64 }
    blk_zone_report "struct blk_zone_report" "linux/blkzoned.h" {
        sector: u64, nr_zones: uint, flags: uint,
    }
    hd_geometry "struct hd_geometry" "linux/hdreg.h" {
        heads: u8, sectors: u8, cylinders: u16, start: ulong,
    }
    sg_io_hdr "struct sg_io_hdr" "scsi/sg.h" {
        interface_id: int, dxfer_direction: int, cmd_len: u8, mx_sb_len: u8, iovec_count: u16,
        dxfer_len: uint, dxferp: pointer, cmdp: pointer, sbp: pointer, timeout: uint, flags: uint,
        pack_id: int, usr_ptr: pointer, status: u8, masked_status: u8, msg_status: u8,
        sb_len_wr: u8, host_status: u16, driver_status: u16, resid: int, duration: uint, info: uint,
    }
    sg_req_info "struct sg_req_info" "scsi/sg.h" {
        req_state: byte, orphan: byte, sg_io_owned: byte, problem: byte, pack_id: int,
        usr_ptr: pointer, duration: uint, unused: int,
    }
    sg_req_infos "struct sg_req_info[16]" "scsi/sg.h" { _all: [(sg_req_info); 16] }
    ext_accm "ext_accm" "linux/ppp-ioctl.h" { _value: [uint; 8] }
    npioctl "struct npioctl" "linux/ppp-ioctl.h" { protocol: int, mode: uint }
    ppp_option_data "struct ppp_option_data" "linux/ppp-ioctl.h" {
        ptr: pointer, length: uint, transmit: int,
    }
    ppp_idle "struct ppp_idle" "linux/ppp_defs.h" { xmit_idle: long, recv_idle: long }
    rtc_time "struct rtc_time" "linux/rtc.h" {
        tm_sec: int, tm_min: int, tm_hour: int, tm_mday: int, tm_mon: int, tm_year: int,
        tm_wday: int, tm_yday: int, tm_isdst: int,
    }
    rtc_wkalrm "struct rtc_wkalrm" "linux/rtc.h" { enabled: u8, pending: u8, time: (rtc_time) }
    rtc_pll_info "struct rtc_pll_info" "linux/rtc.h" {
        pll_ctrl: int, pll_value: int, pll_max: int, pll_min: int, pll_posmult: int,
        pll_negmult: int, pll_clock: long,
    }
    rtc_param "struct rtc_param" "linux/rtc.h" {
        param: u64, uvalue: u64, index: uint, _pad: uint,
    }
    consolefontdesc "struct consolefontdesc" "linux/kd.h" {
        charcount: u16, charheight: u16, chardata: pointer,
    }
    console_font_op "struct console_font_op" "linux/kd.h" {
        op: uint, flags: uint, width: uint, height: uint, charcount: uint, data: pointer,
    }
    unimapdesc "struct unimapdesc" "linux/kd.h" { entry_ct: u16, entries: pointer }
    blkpg_ioctl_arg "struct blkpg_ioctl_arg" "linux/blkpg.h" {
        op: int, flags: int, datalen: int, data: pointer,
    }
    blkpg_partition "struct blkpg_partition" "linux/blkpg.h" {
        start: i64, length: i64, pno: int, devname: [byte; 64], volname: [byte; 64],
    }
    // The type of the device numbers is the architecture's __kernel_old_dev_t.
    loop_info "struct loop_info" "linux/loop.h" {
        [X86_64] {
            lo_number: int, lo_device: ulong, lo_inode: ulong, lo_rdevice: ulong, lo_offset: int,
            lo_encrypt_type: int, lo_encrypt_key_size: int, lo_flags: int, lo_name: [byte; 64],
            lo_encrypt_key: [byte; 32], lo_init: [ulong; 2], reserved: [byte; 4],
        }
        [Powerpc] {
            lo_number: int, lo_device: ulong, lo_inode: ulong, lo_rdevice: ulong, lo_offset: int,
            lo_encrypt_type: int, lo_encrypt_key_size: int, lo_flags: int, lo_name: [byte; 64],
            lo_encrypt_key: [byte; 32], lo_init: [ulong; 2], reserved: [byte; 4],
        }
        [Arm] {
            lo_number: int, lo_device: u16, lo_inode: ulong, lo_rdevice: u16, lo_offset: int,
            lo_encrypt_type: int, lo_encrypt_key_size: int, lo_flags: int, lo_name: [byte; 64],
            lo_encrypt_key: [byte; 32], lo_init: [ulong; 2], reserved: [byte; 4],
        }
        [S390] {
            lo_number: int, lo_device: u16, lo_inode: ulong, lo_rdevice: u16, lo_offset: int,
            lo_encrypt_type: int, lo_encrypt_key_size: int, lo_flags: int, lo_name: [byte; 64],
            lo_encrypt_key: [byte; 32], lo_init: [ulong; 2], reserved: [byte; 4],
        }
        [_] {
            lo_number: int, lo_device: uint, lo_inode: ulong, lo_rdevice: uint, lo_offset: int,
            lo_encrypt_type: int, lo_encrypt_key_size: int, lo_flags: int, lo_name: [byte; 64],
            lo_encrypt_key: [byte; 32], lo_init: [ulong; 2], reserved: [byte; 4],
        }
    }
    loop_info64 "struct loop_info64" "linux/loop.h" {
        lo_device: u64, lo_inode: u64, lo_rdevice: u64, lo_offset: u64, lo_sizelimit: u64,
        lo_number: uint, lo_encrypt_type: uint, lo_encrypt_key_size: uint, lo_flags: uint,
        lo_file_name: [byte; 64], lo_crypt_name: [byte; 64], lo_encrypt_key: [byte; 32],
        lo_init: [u64; 2],
    }
    loop_config "struct loop_config" "linux/loop.h" {
        fd: uint, block_size: uint, info: (loop_info64), _reserved: [u64; 8],
    }
    rand_pool_info "struct rand_pool_info" "linux/random.h" { entropy_count: int, buf_size: int }
    tun_filter "struct tun_filter" "linux/if_tun.h" { flags: u16, count: u16 }
    vt_stat "struct vt_stat" "linux/vt.h" { v_active: u16, v_signal: u16, v_state: u16 }
    vt_mode "struct vt_mode" "linux/vt.h" {
        mode: i8, waitv: i8, relsig: i16, acqsig: i16, frsig: i16,
    }
    perf_event_attr "struct perf_event_attr" "linux/perf_event.h" {
        r#type: uint, size: uint, config: u64, sample_period: u64, sample_type: u64,
        read_format: u64, _flags: u64, wakeup_events: uint, bp_type: uint, bp_addr: u64,
        bp_len: u64, branch_sample_type: u64, sample_regs_user: u64, sample_stack_user: uint,
        clockid: int, sample_regs_intr: u64, aux_watermark: uint, sample_max_stack: u16,
        _reserved_2: u16, aux_sample_size: uint, _reserved_3: uint, sig_data: u64,
    }
}

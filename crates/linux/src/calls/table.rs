//! The system call table: one row per call the kernel has, with its numbers, typed arguments, kind and handler.
//!
//! Everything that depends on the list of calls comes out of these rows: the numbers of guests that use the generic
//! table, tracing, conversion of flags and look-up of paths in a sysroot (by argument type), and the compatibility page.
//! Adding a system call is one row here, and a handler if the host's kernel cannot simply be asked.
//!
//! A row passes through when the guest's and the host's kernel agree on every layout and flag that it
//! carries, once the arguments have been converted by their types. Structures are converted by their
//! rows ([`crate::structure`]) where guest and host disagree on them, which is known at build time.

use crate::calls::{ioctl, ipc, misc, poll, prctl, sockopt, time, uring};
use crate::files::procfile;
use crate::memory::range;
use crate::program::exec;
use crate::structure::{self, Model, Struct, call};
use crate::task::Task;
use crate::task::{limits, process, thread};
use crate::{files, memory, seccomp, signal};
use anyarch_sys::arch::{CALL_NUMBERS, CallNumbers};
use anyarch_sys::{Errno, SysResult};

/// A system call, independent of any architecture's numbering: index into the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sys(pub u16);

/// Performs a call for a task: arguments as converted by their types, result or errno as the guest sees it. The special errnos of
/// [`crate::calls::dispatch`] restart the call or leave the registers alone.
pub type Handler = fn(&mut Task, [u64; 6]) -> SysResult;

/// How a call is carried out.
#[derive(Clone, Copy)]
pub enum Kind {
    /// The host's kernel does it, with the arguments converted by their types only.
    Passthrough,
    /// The host's kernel does it, unless guest and host disagree on what the call carries
    /// ([`Row::differs`]): then the handler.
    Agreed(Handler),
    /// The host's kernel does it, after the handler converted arguments or before it converts results.
    Translated(Handler),
    /// The emulator does it, since it concerns the emulated machine or process.
    Emulated(Handler),
    /// Belongs to one architecture: [`crate::abi::Abi::arch_syscall`].
    Arch,
    /// Not offered: the errno, and the reason that the compatibility page states.
    Refused(Errno, &'static str),
}

/// What an argument is: decides its conversion and how tracing prints it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arg {
    /// Signed decimal.
    Int,
    /// Unsigned decimal.
    Uint,
    /// Flags and other bits, hexadecimal.
    Hex,
    /// Number of bytes.
    Size,
    /// File offset.
    Off,
    /// File descriptor.
    Fd,
    /// File descriptor of a directory, or AT_FDCWD.
    DirFd,
    /// Address of memory that is mapped, locked, waited on or otherwise handled as memory.
    Addr,
    /// Address of something that no row of the structure table describes, and why.
    Opaque(&'static str),
    /// Address of a structure that the call reads.
    In(&'static Struct),
    /// Address of a structure that the call fills.
    Out(&'static Struct),
    /// Address of a structure that the call reads and changes.
    InOut(&'static Struct),
    /// Address of structures that the call reads, as many as the argument of this index says.
    InArray(&'static Struct, usize),
    /// Address of room for structures, as many as the argument of this index says.
    OutArray(&'static Struct, usize),
    /// Address of structures that the call reads and changes, as many as the argument of this index
    /// says.
    InOutArray(&'static Struct, usize),
    /// Address of a structure that the call reads, whose size is another argument or its first
    /// member: an older or newer kernel's may be shorter or longer.
    Sized(&'static Struct),
    /// Address of bits in an array of `unsigned long` that the call reads.
    InWords,
    /// Address of room for bits in an array of `unsigned long`.
    OutWords,
    /// Address of an `fd_set`, which the call reads and changes.
    FdSet,
    /// Address of a string that is not a path.
    Str,
    /// Path that is created, changed or followed as it stands.
    Path,
    /// Path that is only looked at: looked up in the sysroot and in the emulated /proc first.
    LookupPath,
    /// Path of a symbolic link to be read: like `Path`, the handler looks at the emulated /proc.
    LinkPath,
    /// Buffer that the call reads, its length in the next argument.
    InBuf,
    /// Buffer that the call fills, its capacity in the next argument.
    OutBuf,
    /// NULL-terminated array of strings.
    Argv,
    /// O_* flags, converted to the host's bits.
    OFlags,
    /// Address of `struct open_how`.
    OpenHow,
    /// File mode, octal.
    Mode,
    /// AT_* flags.
    AtFlags,
    /// R_OK, W_OK, X_OK.
    Access,
    /// PROT_* flags.
    Prot,
    /// MAP_* flags.
    MapFlags,
    /// SEEK_*.
    Whence,
    /// Signal number.
    Signal,
    /// Address of a signal set.
    SigSet,
    /// SIG_BLOCK and its kin.
    SigHow,
    /// Process or thread.
    Pid,
    /// User or group.
    Uid,
    /// Clock.
    Clock,
    /// Address of a socket address that the call reads, its length in the next argument.
    Sockaddr,
    /// Address of room for a socket address; the address of its length is in the next argument.
    OutSockaddr,
    /// Address of a socket option's value: level and option are the arguments before.
    SockOpt,
    /// Socket type with SOCK_* flags.
    SockType,
    /// ioctl request.
    Ioctl,
    /// fcntl command.
    Fcntl,
    /// epoll_ctl operation.
    EpollOp,
    /// Futex operation.
    FutexOp,
    /// prctl option.
    Prctl,
    /// Resource of a limit.
    Resource,
}

impl Arg {
    /// Whether it is the address of a path.
    pub const fn is_path(self) -> bool {
        matches!(self, Arg::Path | Arg::LookupPath | Arg::LinkPath)
    }
}

/// A row of the table.
pub struct Row {
    /// The kernel's name of the call.
    pub name: &'static str,
    /// Number on x86-64; `None` where x86-64 lacks the call.
    pub x86_64: Option<u16>,
    /// Number in the generic table of 64-bit architectures (aarch64, riscv64, loongarch64).
    pub generic: Option<u16>,
    /// Arguments.
    pub args: &'static [Arg],
    /// How it is carried out.
    pub kind: Kind,
    /// The handler's path in this crate, or nothing.
    pub handler: &'static str,
    /// Whether any argument is converted by its type before the call.
    pub converts: bool,
    /// For which guests' models a structure among the arguments differs from the host's: a bit for
    /// each [`crate::structure::Model::index`].
    pub differs: u16,
}

impl Row {
    /// The host's number; `None` where its kernel lacks the call. A guest's call that the host lacks
    /// needs a handler, which makes a newer one.
    pub const fn host(&self) -> Option<u16> {
        match CALL_NUMBERS {
            CallNumbers::X86_64 => self.x86_64,
            CallNumbers::Generic => self.generic,
        }
    }

    /// Whether a structure among the arguments differs between a guest and the host.
    pub const fn differs_for(&self, guest: &Model) -> bool {
        self.differs & 1 << guest.index != 0
    }
}

const fn converts(args: &[Arg]) -> bool {
    let mut i = 0;
    while i < args.len() {
        if matches!(args[i], Arg::OFlags | Arg::LookupPath) {
            return true;
        }
        i += 1;
    }
    false
}

/// Highest number of the generic table plus one.
const GENERIC_LEN: usize = 512;

macro_rules! number {
    (-) => {
        None::<u16>
    };
    ($n:literal) => {
        Some::<u16>($n)
    };
}

macro_rules! kind {
    (pass) => {
        Kind::Passthrough
    };
    (agreed($($handler:tt)*)) => {
        Kind::Agreed($($handler)*)
    };
    (arch) => {
        Kind::Arch
    };
    (translated($($handler:tt)*)) => {
        Kind::Translated($($handler)*)
    };
    (emulated($($handler:tt)*)) => {
        Kind::Emulated($($handler)*)
    };
    (refused($errno:ident, $reason:literal)) => {
        Kind::Refused(Errno::$errno, $reason)
    };
}

macro_rules! handler_name {
    (refused $($detail:tt)*) => {
        ""
    };
    ($kind:ident $module:ident :: $function:ident) => {
        concat!(stringify!($module), "::", stringify!($function))
    };
}

macro_rules! arg {
    (Opaque $reason:literal) => {
        Arg::Opaque($reason)
    };
    ($kind:ident $of:ident) => {
        Arg::$kind(&structure::rows::$of)
    };
    ($kind:ident $of:ident, $count:literal) => {
        Arg::$kind(&structure::rows::$of, $count)
    };
    ($kind:ident) => {
        Arg::$kind
    };
}

macro_rules! rows {
    ($($name:ident $x86:tt $generic:tt ($($arg:ident $(($($detail:tt)*))?),*) $kind:ident $(($($how:tt)*))?;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Index { $($name),* }

        #[allow(non_upper_case_globals, missing_docs)]
        impl Sys {
            $(pub const $name: Sys = Sys(Index::$name as u16);)*
        }

        /// How many rows there are.
        pub const ROWS_LEN: usize = [$(Index::$name),*].len();

        /// All rows, by [`Sys`].
        pub static ROWS: &[Row] = &[$(Row {
            name: stringify!($name),
            x86_64: number!($x86),
            generic: number!($generic),
            args: &[$(arg!($arg $($($detail)*)?)),*],
            kind: kind!($kind $(($($how)*))?),
            handler: concat!($(handler_name!($kind $($how)*))?),
            converts: converts(&[$(arg!($arg $($($detail)*)?)),*]),
            differs: call::differs(&[$(arg!($arg $($($detail)*)?)),*]),
        }),*];

        static GENERIC: [u16; GENERIC_LEN] = {
            let mut index = [u16::MAX; GENERIC_LEN];
            $(if let Some(n) = number!($generic) {
                assert!(index[n as usize] == u16::MAX, "a number occurs twice");
                index[n as usize] = Index::$name as u16;
            })*
            index
        };
    };
}

rows! {
    // name                x86-64 generic  arguments and kind
    read                       0   63 (Fd, OutBuf, Size) pass;
    write                      1   64 (Fd, InBuf, Size) pass;
    open                       2    - (Path, OFlags, Mode) translated(files::open);
    close                      3   57 (Fd) pass;
    stat                       4    - (LookupPath, Out(stat)) translated(files::stat);
    fstat                      5   80 (Fd, Out(stat)) translated(files::fstat);
    lstat                      6    - (LookupPath, Out(stat)) translated(files::lstat);
    poll                       7    - (InOutArray(pollfd, 1), Uint, Int) pass;
    lseek                      8   62 (Fd, Off, Whence) pass;
    mmap                       9  222 (Addr, Size, Prot, MapFlags, Fd, Off) translated(memory::mmap);
    mprotect                  10  226 (Addr, Size, Prot) translated(memory::mprotect);
    munmap                    11  215 (Addr, Size) translated(memory::munmap);
    brk                       12  214 (Addr) translated(memory::brk);
    rt_sigaction              13  134 (Signal, In(sigaction), Out(sigaction), Size) emulated(signal::rt_sigaction);
    rt_sigprocmask            14  135 (SigHow, SigSet, Out(sigset), Size) emulated(signal::rt_sigprocmask);
    rt_sigreturn              15  139 () emulated(signal::rt_sigreturn);
    ioctl                     16   29 (Fd, Ioctl, Hex) translated(ioctl::ioctl);
    pread64                   17   67 (Fd, OutBuf, Size, Off) pass;
    pwrite64                  18   68 (Fd, InBuf, Size, Off) pass;
    readv                     19   65 (Fd, InArray(iovec, 2), Uint) pass;
    writev                    20   66 (Fd, InArray(iovec, 2), Uint) pass;
    access                    21    - (LookupPath, Access) pass;
    pipe                      22    - (Out(two_ints)) pass;
    select                    23    - (Int, FdSet, FdSet, FdSet, InOut(timeval)) pass;
    sched_yield               24  124 () pass;
    mremap                    25  216 (Addr, Size, Size, Hex, Addr) translated(memory::mremap);
    msync                     26  227 (Addr, Size, Hex) translated(range::msync);
    mincore                   27  232 (Addr, Size, Opaque("one byte for each page")) translated(range::mincore);
    madvise                   28  233 (Addr, Size, Int) translated(memory::madvise);
    shmget                    29  194 (Uint, Size, Hex) pass;
    shmat                     30  196 (Int, Addr, Hex) translated(memory::shmat);
    shmctl                    31  195 (Int, Int, Opaque("the command says what it is: a handler's part where layouts differ")) pass;
    dup                       32   23 (Fd) pass;
    dup2                      33    - (Fd, Fd) translated(files::dup2);
    pause                     34    - () pass;
    nanosleep                 35  101 (In(timespec), Out(timespec)) pass;
    getitimer                 36  102 (Int, Out(itimerval)) pass;
    alarm                     37    - (Uint) pass;
    setitimer                 38  103 (Int, In(itimerval), Out(itimerval)) pass;
    getpid                    39  172 () pass;
    sendfile                  40   71 (Fd, Fd, InOut(off), Size) pass;
    socket                    41  198 (Int, SockType, Int) pass;
    connect                   42  203 (Fd, Sockaddr, Size) pass;
    accept                    43  202 (Fd, OutSockaddr, InOut(an_int)) pass;
    sendto                    44  206 (Fd, InBuf, Size, Hex, Sockaddr, Size) pass;
    recvfrom                  45  207 (Fd, OutBuf, Size, Hex, OutSockaddr, InOut(an_int)) pass;
    sendmsg                   46  211 (Fd, In(msghdr), Hex) pass;
    recvmsg                   47  212 (Fd, InOut(msghdr), Hex) pass;
    shutdown                  48  210 (Fd, Int) pass;
    bind                      49  200 (Fd, Sockaddr, Size) pass;
    listen                    50  201 (Fd, Int) pass;
    getsockname               51  204 (Fd, OutSockaddr, InOut(an_int)) pass;
    getpeername               52  205 (Fd, OutSockaddr, InOut(an_int)) pass;
    socketpair                53  199 (Int, SockType, Int, Out(two_ints)) pass;
    setsockopt                54  208 (Fd, Int, Int, SockOpt, Int) agreed(sockopt::setsockopt);
    getsockopt                55  209 (Fd, Int, Int, SockOpt, InOut(an_int)) agreed(sockopt::getsockopt);
    clone                     56  220 (Hex, Addr, Out(an_int), Out(an_int), Addr) emulated(process::clone);
    fork                      57    - () emulated(process::fork);
    vfork                     58    - () emulated(process::vfork);
    execve                    59  221 (Path, Argv, Argv) emulated(exec::execve);
    exit                      60   93 (Int) emulated(process::exit);
    wait4                     61  260 (Pid, Out(an_int), Hex, Out(rusage)) pass;
    kill                      62  129 (Pid, Signal) pass;
    uname                     63  160 (Out(new_utsname)) emulated(misc::uname);
    semget                    64  190 (Uint, Int, Hex) pass;
    semop                     65  193 (Int, InArray(sembuf, 2), Uint) pass;
    semctl                    66  191 (Int, Int, Int, Hex) translated(ipc::semctl);
    shmdt                     67  197 (Addr) translated(memory::shmdt);
    msgget                    68  186 (Uint, Hex) pass;
    msgsnd                    69  189 (Int, Opaque("a long, and as many characters as the next argument says"), Size, Hex) pass;
    msgrcv                    70  188 (Int, Opaque("a long, and as many characters as the next argument says"), Size, Int, Hex) pass;
    msgctl                    71  187 (Int, Int, Opaque("the command says what it is: a handler's part where layouts differ")) pass;
    fcntl                     72   25 (Fd, Fcntl, Hex) translated(files::fcntl);
    flock                     73   32 (Fd, Uint) pass;
    fsync                     74   82 (Fd) pass;
    fdatasync                 75   83 (Fd) pass;
    truncate                  76   45 (Path, Off) pass;
    ftruncate                 77   46 (Fd, Off) pass;
    getdents                  78    - (Fd, Opaque("records of varying length"), Uint) pass;
    getcwd                    79   17 (OutBuf, Size) pass;
    chdir                     80   49 (Path) pass;
    fchdir                    81   50 (Fd) pass;
    rename                    82    - (Path, Path) pass;
    mkdir                     83    - (Path, Mode) pass;
    rmdir                     84    - (Path) pass;
    creat                     85    - (Path, Mode) translated(files::creat);
    link                      86    - (Path, Path) pass;
    unlink                    87    - (Path) pass;
    symlink                   88    - (Str, Path) pass;
    readlink                  89    - (LinkPath, OutBuf, Size) translated(files::readlink);
    chmod                     90    - (Path, Mode) pass;
    fchmod                    91   52 (Fd, Mode) pass;
    chown                     92    - (Path, Uid, Uid) pass;
    fchown                    93   55 (Fd, Uid, Uid) pass;
    lchown                    94    - (Path, Uid, Uid) pass;
    umask                     95  166 (Mode) pass;
    gettimeofday              96  169 (Out(timeval), Out(timezone)) translated(time::gettimeofday);
    getrlimit                 97  163 (Resource, Out(rlimit)) translated(limits::getrlimit);
    getrusage                 98  165 (Int, Out(rusage)) pass;
    sysinfo                   99  179 (Out(sysinfo)) pass;
    times                    100  153 (Out(tms)) pass;
    ptrace                   101  117 (Int, Pid, Hex, Hex) refused(ENOSYS, "the tracee's registers are the emulator's, not the guest's");
    getuid                   102  174 () pass;
    syslog                   103  116 (Int, OutBuf, Size) pass;
    getgid                   104  176 () pass;
    setuid                   105  146 (Uid) pass;
    setgid                   106  144 (Uid) pass;
    geteuid                  107  175 () pass;
    getegid                  108  177 () pass;
    setpgid                  109  154 (Pid, Pid) pass;
    getppid                  110  173 () pass;
    getpgrp                  111    - () pass;
    setsid                   112  157 () pass;
    setreuid                 113  145 (Uid, Uid) pass;
    setregid                 114  143 (Uid, Uid) pass;
    getgroups                115  158 (Int, OutArray(a_gid, 0)) pass;
    setgroups                116  159 (Int, InArray(a_gid, 0)) pass;
    setresuid                117  147 (Uid, Uid, Uid) pass;
    getresuid                118  148 (Out(a_gid), Out(a_gid), Out(a_gid)) pass;
    setresgid                119  149 (Uid, Uid, Uid) pass;
    getresgid                120  150 (Out(a_gid), Out(a_gid), Out(a_gid)) pass;
    getpgid                  121  155 (Pid) pass;
    setfsuid                 122  151 (Uid) pass;
    setfsgid                 123  152 (Uid) pass;
    getsid                   124  156 (Pid) pass;
    capget                   125   90 (InOut(cap_header), Opaque("one or two of cap_data, as the header's version says")) pass;
    capset                   126   91 (InOut(cap_header), Opaque("one or two of cap_data, as the header's version says")) pass;
    rt_sigpending            127  136 (Out(sigset), Size) emulated(signal::rt_sigpending);
    rt_sigtimedwait          128  137 (SigSet, Out(siginfo), In(timespec), Size) emulated(signal::rt_sigtimedwait);
    rt_sigqueueinfo          129  138 (Pid, Signal, In(siginfo)) pass;
    rt_sigsuspend            130  133 (SigSet, Size) emulated(signal::rt_sigsuspend);
    sigaltstack              131  132 (In(sigaltstack), Out(sigaltstack)) emulated(signal::sigaltstack);
    utime                    132    - (Path, In(utimbuf)) pass;
    mknod                    133    - (Path, Mode, Uint) pass;
    uselib                   134    - (Str) refused(ENOSYS, "removed from the kernel");
    personality              135   92 (Hex) emulated(memory::personality);
    ustat                    136    - (Uint, Out(ustat)) pass;
    statfs                   137   43 (LookupPath, Out(statfs)) pass;
    fstatfs                  138   44 (Fd, Out(statfs)) translated(procfile::fstatfs);
    sysfs                    139    - (Int, Hex, Hex) pass;
    getpriority              140  141 (Int, Int) pass;
    setpriority              141  140 (Int, Int, Int) pass;
    sched_setparam           142  118 (Pid, In(sched_param)) pass;
    sched_getparam           143  121 (Pid, Out(sched_param)) pass;
    sched_setscheduler       144  119 (Pid, Int, In(sched_param)) pass;
    sched_getscheduler       145  120 (Pid) pass;
    sched_get_priority_max   146  125 (Int) pass;
    sched_get_priority_min   147  126 (Int) pass;
    sched_rr_get_interval    148  127 (Pid, Out(timespec)) pass;
    mlock                    149  228 (Addr, Size) translated(range::mlock);
    munlock                  150  229 (Addr, Size) translated(range::munlock);
    mlockall                 151  230 (Hex) translated(misc::mlockall);
    munlockall               152  231 () pass;
    vhangup                  153   58 () pass;
    modify_ldt               154    - (Int, Opaque("x86's own"), Size) arch;
    pivot_root               155   41 (Path, Path) pass;
    _sysctl                  156    - (Opaque("removed from the kernel")) refused(ENOSYS, "removed from the kernel");
    prctl                    157  167 (Prctl, Hex, Hex, Hex, Hex) translated(prctl::prctl);
    arch_prctl               158    - (Int, Opaque("x86's own")) arch;
    adjtimex                 159  171 (InOut(timex)) pass;
    setrlimit                160  164 (Resource, In(rlimit)) translated(limits::setrlimit);
    chroot                   161   51 (Path) pass;
    sync                     162   81 () pass;
    acct                     163   89 (Path) pass;
    settimeofday             164  170 (In(timeval), In(timezone)) pass;
    mount                    165   40 (Str, Path, Str, Hex, Opaque("text for nearly all file systems, structures of their own for some")) pass;
    umount2                  166   39 (Path, Hex) pass;
    swapon                   167  224 (Path, Hex) pass;
    swapoff                  168  225 (Path) pass;
    reboot                   169  142 (Hex, Hex, Hex, Str) pass;
    sethostname              170  161 (InBuf, Size) pass;
    setdomainname            171  162 (InBuf, Size) pass;
    iopl                     172    - (Int) arch;
    ioperm                   173    - (Uint, Uint, Int) arch;
    create_module            174    - (Str, Size) refused(ENOSYS, "removed from the kernel");
    init_module              175  105 (InBuf, Size, Str) pass;
    delete_module            176  106 (Str, Hex) pass;
    get_kernel_syms          177    - (Opaque("removed from the kernel")) refused(ENOSYS, "removed from the kernel");
    query_module             178    - (Str, Int, Opaque("removed from the kernel"), Size, Opaque("removed from the kernel")) refused(ENOSYS, "removed from the kernel");
    quotactl                 179   60 (Uint, Path, Uid, Opaque("the command says what it is")) pass;
    nfsservctl               180   42 (Int, Opaque("removed from the kernel"), Opaque("removed from the kernel")) refused(ENOSYS, "removed from the kernel");
    getpmsg                  181    - () refused(ENOSYS, "never implemented by the kernel");
    putpmsg                  182    - () refused(ENOSYS, "never implemented by the kernel");
    afs_syscall              183    - () refused(ENOSYS, "never implemented by the kernel");
    tuxcall                  184    - () refused(ENOSYS, "never implemented by the kernel");
    security                 185    - () refused(ENOSYS, "never implemented by the kernel");
    gettid                   186  178 () pass;
    readahead                187  213 (Fd, Off, Size) pass;
    setxattr                 188    5 (Path, Str, InBuf, Size, Hex) pass;
    lsetxattr                189    6 (Path, Str, InBuf, Size, Hex) pass;
    fsetxattr                190    7 (Fd, Str, InBuf, Size, Hex) pass;
    getxattr                 191    8 (LookupPath, Str, OutBuf, Size) pass;
    lgetxattr                192    9 (LookupPath, Str, OutBuf, Size) pass;
    fgetxattr                193   10 (Fd, Str, OutBuf, Size) pass;
    listxattr                194   11 (LookupPath, OutBuf, Size) pass;
    llistxattr               195   12 (LookupPath, OutBuf, Size) pass;
    flistxattr               196   13 (Fd, OutBuf, Size) pass;
    removexattr              197   14 (Path, Str) pass;
    lremovexattr             198   15 (Path, Str) pass;
    fremovexattr             199   16 (Fd, Str) pass;
    tkill                    200  130 (Pid, Signal) pass;
    time                     201    - (Out(a_long)) pass;
    futex                    202   98 (Addr, FutexOp, Uint, Opaque("a timespec or a number, as the operation says"), Addr, Uint) pass;
    sched_setaffinity        203  122 (Pid, Size, InWords) pass;
    sched_getaffinity        204  123 (Pid, Size, OutWords) pass;
    set_thread_area          205    - (Opaque("x86's own")) arch;
    io_setup                 206    0 (Uint, InOut(a_ulong)) pass;
    io_destroy               207    1 (Hex) pass;
    io_getevents             208    4 (Hex, Int, Int, OutArray(io_event, 2), In(timespec)) pass;
    io_submit                209    2 (Hex, Int, Opaque("an array of addresses of iocb")) pass;
    io_cancel                210    3 (Hex, In(iocb), Out(io_event)) pass;
    get_thread_area          211    - (Opaque("x86's own")) arch;
    lookup_dcookie           212   18 (Off, OutBuf, Size) refused(ENOSYS, "removed from the kernel");
    epoll_create             213    - (Size) pass;
    epoll_ctl_old            214    - () refused(ENOSYS, "removed from the kernel");
    epoll_wait_old           215    - () refused(ENOSYS, "removed from the kernel");
    remap_file_pages         216  234 (Addr, Size, Prot, Hex, Hex) translated(memory::remap_file_pages);
    getdents64               217   61 (Fd, Opaque("records of varying length"), Uint) translated(files::getdents64);
    set_tid_address          218   96 (Addr) emulated(thread::set_tid_address);
    restart_syscall          219  128 () refused(EINTR, "what the kernel answers when nothing is to be restarted; the emulator restarts calls itself");
    semtimedop               220  192 (Int, InArray(sembuf, 2), Uint, In(timespec)) pass;
    fadvise64                221  223 (Fd, Off, Size, Int) pass;
    timer_create             222  107 (Clock, In(sigevent), Out(an_int)) pass;
    timer_settime            223  110 (Int, Hex, In(itimerspec), Out(itimerspec)) pass;
    timer_gettime            224  108 (Int, Out(itimerspec)) pass;
    timer_getoverrun         225  109 (Int) pass;
    timer_delete             226  111 (Int) pass;
    clock_settime            227  112 (Clock, In(timespec)) pass;
    clock_gettime            228  113 (Clock, Out(timespec)) translated(time::clock_gettime);
    clock_getres             229  114 (Clock, Out(timespec)) pass;
    clock_nanosleep          230  115 (Clock, Hex, In(timespec), Out(timespec)) pass;
    exit_group               231   94 (Int) emulated(process::exit_group);
    epoll_wait               232    - (Fd, OutArray(epoll_event, 2), Int, Int) translated(poll::epoll_wait);
    epoll_ctl                233   21 (Fd, EpollOp, Fd, In(epoll_event)) translated(poll::epoll_ctl);
    tgkill                   234  131 (Pid, Pid, Signal) pass;
    utimes                   235    - (Path, In(two_timevals)) pass;
    vserver                  236    - () refused(ENOSYS, "never implemented by the kernel");
    mbind                    237  235 (Addr, Size, Uint, InWords, Uint, Hex) translated(range::mbind);
    set_mempolicy            238  237 (Int, InWords, Uint) pass;
    get_mempolicy            239  236 (Out(an_int), OutWords, Uint, Addr, Hex) pass;
    mq_open                  240  180 (Str, OFlags, Mode, In(mq_attr)) pass;
    mq_unlink                241  181 (Str) pass;
    mq_timedsend             242  182 (Fd, InBuf, Size, Uint, In(timespec)) pass;
    mq_timedreceive          243  183 (Fd, OutBuf, Size, Out(a_uint), In(timespec)) pass;
    mq_notify                244  184 (Fd, In(sigevent)) pass;
    mq_getsetattr            245  185 (Fd, In(mq_attr), Out(mq_attr)) pass;
    kexec_load               246  104 (Uint, Uint, Opaque("segments of a kernel of the host's architecture"), Hex) pass;
    waitid                   247   95 (Int, Pid, Out(siginfo), Hex, Out(rusage)) pass;
    add_key                  248  217 (Str, Str, InBuf, Size, Int) pass;
    request_key              249  218 (Str, Str, Str, Int) pass;
    keyctl                   250  219 (Int, Hex, Hex, Hex, Hex) pass;
    ioprio_set               251   30 (Int, Int, Int) pass;
    ioprio_get               252   31 (Int, Int) pass;
    inotify_init             253    - () pass;
    inotify_add_watch        254   27 (Fd, LookupPath, Hex) pass;
    inotify_rm_watch         255   28 (Fd, Int) pass;
    migrate_pages            256  238 (Pid, Uint, InWords, InWords) pass;
    openat                   257   56 (DirFd, Path, OFlags, Mode) translated(files::openat);
    mkdirat                  258   34 (DirFd, Path, Mode) pass;
    mknodat                  259   33 (DirFd, Path, Mode, Uint) pass;
    fchownat                 260   54 (DirFd, Path, Uid, Uid, AtFlags) pass;
    futimesat                261    - (DirFd, Path, In(two_timevals)) pass;
    newfstatat               262   79 (DirFd, LookupPath, Out(stat), AtFlags) translated(files::newfstatat);
    unlinkat                 263   35 (DirFd, Path, AtFlags) pass;
    renameat                 264   38 (DirFd, Path, DirFd, Path) pass;
    linkat                   265   37 (DirFd, Path, DirFd, Path, AtFlags) pass;
    symlinkat                266   36 (Str, DirFd, Path) pass;
    readlinkat               267   78 (DirFd, LinkPath, OutBuf, Size) translated(files::readlinkat);
    fchmodat                 268   53 (DirFd, Path, Mode) pass;
    faccessat                269   48 (DirFd, LookupPath, Access) pass;
    pselect6                 270   72 (Int, FdSet, FdSet, FdSet, In(timespec), In(sigset_argpack)) translated(poll::pselect6);
    ppoll                    271   73 (InOutArray(pollfd, 1), Uint, In(timespec), SigSet, Size) translated(poll::ppoll);
    unshare                  272   97 (Hex) pass;
    set_robust_list          273   99 (Addr, Size) emulated(thread::set_robust_list);
    get_robust_list          274  100 (Pid, Out(a_pointer), Out(a_ulong)) emulated(thread::get_robust_list);
    splice                   275   76 (Fd, InOut(loff), Fd, InOut(loff), Size, Hex) pass;
    tee                      276   77 (Fd, Fd, Size, Hex) pass;
    sync_file_range          277   84 (Fd, Off, Off, Hex) pass;
    vmsplice                 278   75 (Fd, InArray(iovec, 2), Uint, Hex) pass;
    move_pages               279  239 (Pid, Uint, Opaque("an array of addresses"), InArray(an_int, 1), OutArray(an_int, 1), Hex) pass;
    utimensat                280   88 (DirFd, Path, In(two_timespecs), AtFlags) pass;
    epoll_pwait              281   22 (Fd, OutArray(epoll_event, 2), Int, Int, SigSet, Size) translated(poll::epoll_pwait);
    signalfd                 282    - (Fd, SigSet, Size) pass;
    timerfd_create           283   85 (Clock, OFlags) pass;
    eventfd                  284    - (Uint) pass;
    fallocate                285   47 (Fd, Hex, Off, Off) pass;
    timerfd_settime          286   86 (Fd, Hex, In(itimerspec), Out(itimerspec)) pass;
    timerfd_gettime          287   87 (Fd, Out(itimerspec)) pass;
    accept4                  288  242 (Fd, OutSockaddr, InOut(an_int), OFlags) pass;
    signalfd4                289   74 (Fd, SigSet, Size, OFlags) pass;
    eventfd2                 290   19 (Uint, OFlags) pass;
    epoll_create1            291   20 (OFlags) pass;
    dup3                     292   24 (Fd, Fd, OFlags) translated(files::dup3);
    pipe2                    293   59 (Out(two_ints), OFlags) pass;
    inotify_init1            294   26 (OFlags) pass;
    preadv                   295   69 (Fd, InArray(iovec, 2), Uint, Off, Off) pass;
    pwritev                  296   70 (Fd, InArray(iovec, 2), Uint, Off, Off) pass;
    rt_tgsigqueueinfo        297  240 (Pid, Pid, Signal, In(siginfo)) pass;
    perf_event_open          298  241 (Opaque("its first member is its size: perf_event_attr or an older or newer one"), Pid, Int, Fd, Hex) pass;
    recvmmsg                 299  243 (Fd, InOutArray(mmsghdr, 2), Uint, Hex, In(timespec)) pass;
    fanotify_init            300  262 (Hex, OFlags) pass;
    fanotify_mark            301  263 (Fd, Hex, Hex, DirFd, Path) pass;
    prlimit64                302  261 (Pid, Resource, In(rlimit64), Out(rlimit64)) translated(limits::prlimit64);
    name_to_handle_at        303  264 (DirFd, LookupPath, Opaque("file_handle, and as many bytes as it says"), Out(an_int), AtFlags) pass;
    open_by_handle_at        304  265 (Fd, Opaque("file_handle, and as many bytes as it says"), OFlags) pass;
    clock_adjtime            305  266 (Clock, InOut(timex)) pass;
    syncfs                   306  267 (Fd) pass;
    sendmmsg                 307  269 (Fd, InOutArray(mmsghdr, 2), Uint, Hex) pass;
    setns                    308  268 (Fd, Hex) pass;
    getcpu                   309  168 (Out(a_uint), Out(a_uint), Addr) translated(time::getcpu);
    process_vm_readv         310  270 (Pid, InArray(iovec, 2), Uint, InArray(iovec, 4), Uint, Hex) pass;
    process_vm_writev        311  271 (Pid, InArray(iovec, 2), Uint, InArray(iovec, 4), Uint, Hex) pass;
    kcmp                     312  272 (Pid, Pid, Int, Uint, Uint) pass;
    finit_module             313  273 (Fd, Str, Hex) pass;
    sched_setattr            314  274 (Pid, Sized(sched_attr), Hex) pass;
    sched_getattr            315  275 (Pid, Out(sched_attr), Size, Hex) pass;
    renameat2                316  276 (DirFd, Path, DirFd, Path, Hex) pass;
    seccomp                  317  277 (Uint, Hex, Opaque("the operation says what it is")) emulated(seccomp::seccomp);
    getrandom                318  278 (OutBuf, Size, Hex) pass;
    memfd_create             319  279 (Str, Hex) pass;
    kexec_file_load          320  294 (Fd, Fd, Uint, Str, Hex) pass;
    bpf                      321  280 (Int, Opaque("the command says what it is; all members have fixed widths"), Size) pass;
    execveat                 322  281 (DirFd, Path, Argv, Argv, Hex) emulated(exec::execveat);
    userfaultfd              323  282 (OFlags) pass;
    membarrier               324  283 (Int, Hex, Int) pass;
    mlock2                   325  284 (Addr, Size, Hex) translated(range::mlock2);
    copy_file_range          326  285 (Fd, InOut(loff), Fd, InOut(loff), Size, Hex) pass;
    preadv2                  327  286 (Fd, InArray(iovec, 2), Uint, Off, Off, Hex) pass;
    pwritev2                 328  287 (Fd, InArray(iovec, 2), Uint, Off, Off, Hex) pass;
    pkey_mprotect            329  288 (Addr, Size, Prot, Int) translated(memory::pkey_mprotect);
    pkey_alloc               330  289 (Hex, Uint) refused(ENOSPC, "guest protection keys are not advertised");
    pkey_free                331  290 (Int) refused(EINVAL, "guest protection keys are not advertised");
    statx                    332  291 (DirFd, LookupPath, AtFlags, Hex, Out(statx)) translated(files::statx);
    io_pgetevents            333  292 (Hex, Int, Int, OutArray(io_event, 2), In(timespec), In(sigset_argpack)) translated(poll::io_pgetevents);
    rseq                     334  293 (Addr, Uint, Hex, Hex) refused(ENOSYS, "critical sections are host code addresses; the C libraries fall back");
    uretprobe                335    - () refused(ENOSYS, "only for the kernel's own trampolines");
    pidfd_send_signal        424  424 (Fd, Signal, In(siginfo), Hex) pass;
    io_uring_setup           425  425 (Uint, InOut(io_uring_params)) translated(uring::setup);
    io_uring_enter           426  426 (Fd, Uint, Uint, Hex, Opaque("a signal set or io_uring_getevents_arg, as the flags say"), Size) translated(poll::io_uring_enter);
    io_uring_register        427  427 (Fd, Uint, Opaque("the operation says what it is"), Uint) pass;
    open_tree                428  428 (DirFd, Path, Hex) pass;
    move_mount               429  429 (DirFd, Path, DirFd, Path, Hex) pass;
    fsopen                   430  430 (Str, Hex) pass;
    fsconfig                 431  431 (Fd, Uint, Str, Opaque("text, bytes or nothing, as the command says"), Int) pass;
    fsmount                  432  432 (Fd, Hex, Hex) pass;
    fspick                   433  433 (DirFd, Path, Hex) pass;
    pidfd_open               434  434 (Pid, Hex) pass;
    clone3                   435  435 (Sized(clone_args), Size) emulated(process::clone3);
    close_range              436  436 (Fd, Uint, Hex) translated(files::close_range);
    openat2                  437  437 (DirFd, Path, OpenHow, Size) translated(files::openat2);
    pidfd_getfd              438  438 (Fd, Fd, Hex) pass;
    faccessat2               439  439 (DirFd, LookupPath, Access, AtFlags) pass;
    process_madvise          440  440 (Fd, InArray(iovec, 2), Size, Int, Hex) pass;
    epoll_pwait2             441  441 (Fd, OutArray(epoll_event, 2), Int, In(timespec), SigSet, Size) translated(poll::epoll_pwait2);
    mount_setattr            442  442 (DirFd, Path, Hex, Sized(mount_attr), Size) pass;
    quotactl_fd              443  443 (Fd, Uint, Uid, Opaque("the command says what it is")) pass;
    landlock_create_ruleset  444  444 (Sized(landlock_ruleset_attr), Size, Hex) pass;
    landlock_add_rule        445  445 (Fd, Int, Opaque("the rule's type says what it is; packed, of fixed widths"), Hex) pass;
    landlock_restrict_self   446  446 (Fd, Hex) pass;
    memfd_secret             447  447 (Hex) pass;
    process_mrelease         448  448 (Fd, Hex) pass;
    futex_waitv              449  449 (InArray(futex_waitv, 1), Uint, Hex, In(timespec64), Clock) pass;
    set_mempolicy_home_node  450  450 (Addr, Size, Uint, Hex) pass;
    cachestat                451  451 (Fd, In(cachestat_range), Out(cachestat), Hex) pass;
    fchmodat2                452  452 (DirFd, Path, Mode, Hex) pass;
    map_shadow_stack         453  453 (Addr, Size, Hex) refused(EOPNOTSUPP, "guest shadow stacks are not advertised");
    futex_wake               454  454 (Addr, Hex, Int, Hex) pass;
    futex_wait               455  455 (Addr, Uint, Hex, Hex, In(timespec64), Clock) pass;
    futex_requeue            456  456 (In(two_futexes), Hex, Int, Int) pass;
    statmount                457  457 (Sized(mnt_id_req), Opaque("its first member is its size, and text follows"), Size, Hex) pass;
    listmount                458  458 (Sized(mnt_id_req), OutArray(a_u64, 2), Size, Hex) pass;
    lsm_get_self_attr        459  459 (Uint, Opaque("records of varying length"), InOut(a_uint), Hex) pass;
    lsm_set_self_attr        460  460 (Uint, Opaque("a record of varying length"), Size, Hex) pass;
    lsm_list_modules         461  461 (Opaque("as many u64 as the next argument says"), InOut(a_uint), Hex) pass;
    mseal                    462  462 (Addr, Size, Hex) translated(range::mseal);
    setxattrat               463  463 (DirFd, Path, Hex, Str, Sized(xattr_args), Size) pass;
    getxattrat               464  464 (DirFd, Path, Hex, Str, Sized(xattr_args), Size) pass;
    listxattrat              465  465 (DirFd, Path, Hex, OutBuf, Size) pass;
    removexattrat            466  466 (DirFd, Path, Hex, Str) pass;
    open_tree_attr           467  467 (DirFd, Path, Hex, Sized(mount_attr), Size) pass;
    file_getattr             468  468 (DirFd, Path, Out(file_attr), Size, Hex) pass;
    file_setattr             469  469 (DirFd, Path, In(file_attr), Size, Hex) pass;

    // riscv64's own: the numbers from 244 belong to each architecture.
    riscv_hwprobe              -    - (Opaque("riscv64's own"), Size, Size, InWords, Hex) arch;
    riscv_flush_icache         -    - (Addr, Addr, Hex) arch;
}

impl Sys {
    /// The call that has `number` in the generic table of 64-bit architectures.
    pub fn generic(number: u64) -> Option<Sys> {
        let index = *GENERIC.get(usize::try_from(number).ok()?)?;
        (index != u16::MAX).then_some(Sys(index))
    }

    /// The call's row.
    pub fn row(self) -> &'static Row {
        &ROWS[self.0 as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// The numbers that a kernel header defines; nothing when this machine lacks the header.
    fn header(path: &str) -> BTreeMap<String, u16> {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let mut numbers = BTreeMap::new();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            if words.next() != Some("#define") {
                continue;
            }
            let (Some(name), Some(value)) = (words.next(), words.next()) else { continue };
            let Some(name) = name.strip_prefix("__NR_").or_else(|| name.strip_prefix("__NR3264_")) else {
                continue;
            };
            if let Ok(n) = value.parse() {
                numbers.insert(name.to_string(), n);
            }
        }
        for not_a_call in ["syscalls", "arch_specific_syscall"] {
            numbers.remove(not_a_call);
        }
        numbers
    }

    fn check(path: &str, number: impl Fn(&Row) -> Option<u16>) {
        for (name, n) in header(path) {
            // The generic header's names for one number that 32-bit and 64-bit kernels share.
            let name = match name.as_str() {
                "fstatat" => "newfstatat",
                other => other,
            };
            // Calls of 32-bit kernels only, and a variant that no architecture of ours has.
            if path.contains("generic")
                && ((403..=423).contains(&n) || ["stat", "lstat", "sync_file_range2"].contains(&name))
            {
                continue;
            }
            let row = ROWS.iter().find(|row| row.name == name);
            assert_eq!(row.map(&number), Some(Some(n)), "{name} in {path}");
        }
    }

    #[test]
    fn numbers_agree_with_the_kernel_headers() {
        check("/usr/include/asm-generic/unistd.h", |row| row.generic);
        check("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", |row| row.x86_64);
    }

    #[test]
    fn generic_numbers_lead_to_their_rows() {
        for row in ROWS {
            if let Some(n) = row.generic {
                assert_eq!(Sys::generic(n as u64).map(|sys| sys.row().name), Some(row.name));
            }
        }
        assert_eq!(Sys::generic(63), Some(Sys::read));
        for none in [244, 300, 423, 511, 512, u64::MAX] {
            assert_eq!(Sys::generic(none), None);
        }
    }
}

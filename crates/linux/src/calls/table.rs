//! The system call table: one row per call the kernel has, with its numbers, typed arguments, kind
//! and handler.
//!
//! Everything that depends on the list of calls comes out of these rows: the numbers of all
//! architectures ([`numbers`](crate::calls::numbers)), tracing, conversion of flags and look-up of
//! paths in a sysroot (by argument type), and the compatibility page.
//! Adding a system call is one row here, and a handler if the host's kernel cannot simply be asked.
//!
//! A row passes through when the guest's and the host's kernel agree on every layout and flag that
//! it carries, once the arguments have been converted by their types. Structures are converted by
//! their rows ([`crate::structure`]) where guest and host disagree on them, which is known at build
//! time.

pub use crate::calls::arg::Arg;
use crate::calls::arg::widens;
use crate::calls::numbers::{COLUMNS, HOST_COLUMN};
use crate::calls::{aio, futex, ioctl, ipc, misc, old, poll, prctl, sockopt, time, uring};
use crate::files::{dirent, procfile};
use crate::memory::range;
use crate::program::exec;
use crate::structure::{self, Model, call};
use crate::task::Task;
use crate::task::{limits, process, thread};
use crate::{files, memory, seccomp, signal};
use anyarch_sys::{Errno, SysResult};

/// A system call, independent of any architecture's numbering: index into the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sys(pub u16);

/// Performs a call for a task: arguments as converted by their types, result or errno as the guest
/// sees it. The special errnos of [`crate::calls::dispatch`] restart the call or leave the
/// registers alone.
pub(crate) type Handler = fn(&mut Task, [u64; 6]) -> SysResult;

/// How a call is carried out.
#[derive(Clone, Copy)]
pub enum Kind {
    /// The host's kernel does it, with the arguments converted by their types only.
    Passthrough,
    /// The host's kernel does it, unless guest and host disagree on what the call carries
    /// ([`Row::differs`]): then the handler.
    Agreed(Handler),
    /// The host's kernel does it, with what the handler does before and after. The handler finds
    /// the structures of the row as the host lays them out.
    Translated(Handler),
    /// The same, but the handler itself looks at the guest's structures: what there is to convert
    /// depends on more than the row.
    Converting(Handler),
    /// The emulator does it, since it concerns the emulated machine or process. The handler finds
    /// the structures of the row as the host lays them out.
    Emulated(Handler),
    /// As the call of another row, with the arguments converted by this row's types and those that
    /// this row lacks zero.
    Like(Sys),
    /// Belongs to one architecture: [`crate::abi::Abi::arch_syscall`].
    Arch,
    /// Not offered: the errno, and the reason that the compatibility page states.
    Refused(Errno, &'static str),
}

/// A row of the table.
pub struct Row {
    /// The kernel's name of the call.
    pub name: &'static str,
    /// Its number, by [`Column`]; `None` where that lacks the call.
    pub numbers: [Option<u16>; COLUMNS],
    /// Arguments.
    pub args: &'static [Arg],
    /// How it is carried out.
    pub kind: Kind,
    /// The handler's path in this crate, or nothing.
    pub handler: &'static str,
    /// Whether any argument is converted by its type before the call.
    pub converts: bool,
    /// Whether an argument of a 32-bit guest's is more than the number in one register.
    pub widens: bool,
    /// For which guests' models a structure among the arguments differs from the host's: a bit for
    /// each [`crate::structure::Model::index`].
    pub differs: u16,
}

impl Row {
    /// The host's number; `None` where its kernel lacks the call. A guest's call that the host
    /// lacks is made as a newer one, by its handler or by [`super::replaced`].
    pub const fn host(&self) -> Option<u16> {
        self.numbers[HOST_COLUMN as usize]
    }

    /// Whether a structure among the arguments differs between a guest and the host.
    pub(crate) const fn differs_for(&self, guest: &Model) -> bool {
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
    (like($call:ident)) => {
        Kind::Like(Sys::$call)
    };
    (converting($($handler:tt)*)) => {
        Kind::Converting($($handler)*)
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
    (like $call:ident) => {
        stringify!($call)
    };
    ($kind:ident $module:ident :: $function:ident) => {
        concat!(stringify!($module), "::", stringify!($function))
    };
}

macro_rules! arg {
    (Opaque $reason:literal) => {
        Arg::Opaque($reason)
    };
    ($kind:ident $count:literal) => {
        Arg::$kind($count)
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
    ($($name:ident $x86:tt $generic:tt $arm:tt $s390:tt $ppc:tt $mips:tt ($($arg:ident $(($($detail:tt)*))?),*) $kind:ident $(($($how:tt)*))?;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Index { $($name),* }

        #[allow(non_upper_case_globals, missing_docs)]
        impl Sys {
            $(pub const $name: Sys = Sys(Index::$name as u16);)*
        }

        /// How many rows there are.
        pub(crate) const ROWS_LEN: usize = [$(Index::$name),*].len();

        /// All rows, by [`Sys`].
        pub static ROWS: &[Row] = &[$(Row {
            name: stringify!($name),
            numbers: [
                number!($x86),
                number!($generic),
                number!($arm),
                number!($s390),
                number!($ppc),
                number!($mips),
            ],
            args: &[$(arg!($arg $($($detail)*)?)),*],
            kind: kind!($kind $(($($how)*))?),
            handler: concat!($(handler_name!($kind $($how)*))?),
            converts: converts(&[$(arg!($arg $($($detail)*)?)),*]),
            differs: call::differs(&[$(arg!($arg $($($detail)*)?)),*]),
            widens: widens(&[$(arg!($arg $($($detail)*)?)),*]),
        }),*];
    };
}

rows! {
    // name               x86 gen. arm s390 ppc mips  arguments and kind
    read                     0   63   3   3   3   0 (Fd, OutBuf, Size) pass;
    write                    1   64   4   4   4   1 (Fd, InBuf, Size) pass;
    open                     2    -   5   5   5   2 (Path, OFlags, Mode) translated(files::open);
    close                    3   57   6   6   6   3 (Fd) pass;
    stat                     4    - 106 106 106   4 (LookupPath, Out(stat)) translated(files::stat);
    fstat                    5   80 108 108 108   5 (Fd, Out(stat)) translated(files::fstat);
    lstat                    6    - 107 107 107   6 (LookupPath, Out(stat)) translated(files::lstat);
    poll                     7    - 168 168 167   7 (InOutArray(pollfd, 1), Uint, Int) pass;
    lseek                    8   62   -  19  19   8 (Fd, Off, Whence) pass;
    mmap                     9  222   -   -  90   9 (Addr, Size, Prot, MapFlags, Fd, Off) translated(memory::mmap);
    mprotect                10  226 125 125 125  10 (Addr, Size, Prot) translated(memory::mprotect);
    munmap                  11  215  91  91  91  11 (Addr, Size) translated(memory::munmap);
    brk                     12  214  45  45  45  12 (Addr) translated(memory::brk);
    rt_sigaction            13  134 174 174 173  13 (Signal, In(sigaction), Out(sigaction), SigSize) emulated(signal::rt_sigaction);
    rt_sigprocmask          14  135 175 175 174  14 (SigHow, SigSet, Out(sigset), SigSize) emulated(signal::rt_sigprocmask);
    rt_sigreturn            15  139 173 173 172 211 () emulated(signal::rt_sigreturn);
    ioctl                   16   29  54  54  54  15 (Fd, Ioctl, Hex) converting(ioctl::ioctl);
    pread64                 17   67 180 180 179  16 (Fd, OutBuf, Size, Loff) pass;
    pwrite64                18   68 181 181 180  17 (Fd, InBuf, Size, Loff) pass;
    readv                   19   65 145 145 145  18 (Fd, InArray(iovec, 2), Uint) pass;
    writev                  20   66 146 146 146  19 (Fd, InArray(iovec, 2), Uint) pass;
    access                  21    -  33  33  33  20 (LookupPath, Access) pass;
    pipe                    22    -  42  42  42   - (Out(two_ints)) pass;
    select                  23    - 142 142 142  22 (Int, FdSet, FdSet, FdSet, InOut(timeval)) pass;
    sched_yield             24  124 158 158 158  23 () pass;
    mremap                  25  216 163 163 163  24 (Addr, Size, Size, Hex, Addr) translated(memory::mremap);
    msync                   26  227 144 144 144  25 (Addr, Size, Hex) translated(range::msync);
    mincore                 27  232 219 218 206  26 (Addr, Size, Opaque("one byte for each page")) translated(range::mincore);
    madvise                 28  233 220 219 205  27 (Addr, Size, Int) translated(memory::madvise);
    shmget                  29  194 307 395 395  28 (Uint, Size, Hex) pass;
    shmat                   30  196 305 397 397  29 (Int, Addr, Hex) translated(memory::shmat);
    shmctl                  31  195 308 396 396  30 (Int, Int, Chosen(shmid_ds)) agreed(ipc::shmctl);
    dup                     32   23  41  41  41  31 (Fd) pass;
    dup2                    33    -  63  63  63  32 (Fd, Fd) translated(files::dup2);
    pause                   34    -  29  29  29  33 () pass;
    nanosleep               35  101   - 162 162  34 (In(timespec64), Out(timespec64)) pass;
    getitimer               36  102 105 105 105  35 (Int, Out(itimerval)) pass;
    alarm                   37    -   -  27  27  37 (Uint) pass;
    setitimer               38  103 104 104 104  36 (Int, In(itimerval), Out(itimerval)) pass;
    getpid                  39  172  20  20  20  38 () pass;
    sendfile                40   71 239 187 186  39 (Fd, Fd, InOut(loff), Size) pass;
    socket                  41  198 281 359 326  40 (Int, SockType, Int) pass;
    connect                 42  203 283 362 328  41 (Fd, Sockaddr, Size) pass;
    accept                  43  202 285   - 330  42 (Fd, OutSockaddr, InOut(an_int)) pass;
    sendto                  44  206 290 369 335  43 (Fd, InBuf, Size, Hex, Sockaddr, Size) pass;
    recvfrom                45  207 292 371 337  44 (Fd, OutBuf, Size, Hex, OutSockaddr, InOut(an_int)) pass;
    sendmsg                 46  211 296 370 341  45 (Fd, In(msghdr), Hex) pass;
    recvmsg                 47  212 297 372 342  46 (Fd, InOut(msghdr), Hex) pass;
    shutdown                48  210 293 373 338  47 (Fd, Int) pass;
    bind                    49  200 282 361 327  48 (Fd, Sockaddr, Size) pass;
    listen                  50  201 284 363 329  49 (Fd, Int) pass;
    getsockname             51  204 286 367 331  50 (Fd, OutSockaddr, InOut(an_int)) pass;
    getpeername             52  205 287 368 332  51 (Fd, OutSockaddr, InOut(an_int)) pass;
    socketpair              53  199 288 360 333  52 (Int, SockType, Int, Out(two_ints)) pass;
    setsockopt              54  208 294 366 339  53 (Fd, Int, Int, SockOpt, Int) agreed(sockopt::setsockopt);
    getsockopt              55  209 295 365 340  54 (Fd, Int, Int, SockOpt, InOut(an_int)) agreed(sockopt::getsockopt);
    clone                   56  220 120 120 120  55 (Hex, Addr, Addr, Addr, Addr) emulated(process::clone);
    fork                    57    -   2   2   2  56 () emulated(process::fork);
    vfork                   58    - 190 190 189   - () emulated(process::vfork);
    execve                  59  221  11  11  11  57 (Path, Argv, Argv) emulated(exec::execve);
    exit                    60   93   1   1   1  58 (Int) emulated(process::exit);
    wait4                   61  260 114 114 114  59 (Pid, Out(an_int), Hex, Out(rusage)) pass;
    kill                    62  129  37  37  37  60 (Pid, Signal) pass;
    uname                   63  160 122 122 122  61 (Out(new_utsname)) emulated(misc::uname);
    semget                  64  190 299 393 393  62 (Uint, Int, Hex) pass;
    semop                   65  193 298   -   -  63 (Int, InArray(sembuf, 2), Uint) pass;
    semctl                  66  191 300 394 394  64 (Int, Int, Int, Hex) converting(ipc::semctl);
    shmdt                   67  197 306 398 398  65 (Addr) translated(memory::shmdt);
    msgget                  68  186 303 399 399  66 (Uint, Hex) pass;
    msgsnd                  69  189 301 400 400  67 (Int, Opaque("a long, and as many characters as the next argument says"), Size, Hex) agreed(ipc::msgsnd);
    msgrcv                  70  188 302 401 401  68 (Int, Opaque("a long, and as many characters as the next argument says"), Size, Int, Hex) agreed(ipc::msgrcv);
    msgctl                  71  187 304 402 402  69 (Int, Int, Chosen(msqid_ds)) agreed(ipc::msgctl);
    fcntl                   72   25  55  55  55  70 (Fd, Fcntl, Hex) converting(files::fcntl);
    flock                   73   32 143 143 143  71 (Fd, Uint) pass;
    fsync                   74   82 118 118 118  72 (Fd) pass;
    fdatasync               75   83 148 148 148  73 (Fd) pass;
    truncate                76   45  92  92  92  74 (Path, Off) pass;
    ftruncate               77   46  93  93  93  75 (Fd, Off) pass;
    getdents                78    - 141 141 141  76 (Fd, Opaque("records of varying length"), Uint) agreed(dirent::getdents);
    getcwd                  79   17 183 183 182  77 (OutBuf, Size) pass;
    chdir                   80   49  12  12  12  78 (Path) pass;
    fchdir                  81   50 133 133 133  79 (Fd) pass;
    rename                  82    -  38  38  38  80 (Path, Path) pass;
    mkdir                   83    -  39  39  39  81 (Path, Mode) pass;
    rmdir                   84    -  40  40  40  82 (Path) pass;
    creat                   85    -   8   8   8  83 (Path, Mode) translated(files::creat);
    link                    86    -   9   9   9  84 (Path, Path) pass;
    unlink                  87    -  10  10  10  85 (Path) pass;
    symlink                 88    -  83  83  83  86 (Str, Path) pass;
    readlink                89    -  85  85  85  87 (LinkPath, OutBuf, Size) translated(files::readlink);
    chmod                   90    -  15  15  15  88 (Path, Mode) pass;
    fchmod                  91   52  94  94  94  89 (Fd, Mode) pass;
    chown                   92    - 212 212 181  90 (Path, Uid, Uid) pass;
    fchown                  93   55 207 207  95  91 (Fd, Uid, Uid) pass;
    lchown                  94    - 198 198  16  92 (Path, Uid, Uid) pass;
    umask                   95  166  60  60  60  93 (Mode) pass;
    gettimeofday            96  169  78  78  78  94 (Out(timeval), Out(timezone)) translated(time::gettimeofday);
    getrlimit               97  163 191 191 190  95 (Resource, Out(rlimit)) translated(limits::getrlimit);
    getrusage               98  165  77  77  77  96 (Int, Out(rusage)) pass;
    sysinfo                 99  179 116 116 116  97 (Out(sysinfo)) agreed(misc::sysinfo);
    times                  100  153  43  43  43  98 (Out(tms)) pass;
    ptrace                 101  117  26  26  26  99 (Int, Pid, Hex, Hex) refused(ENOSYS, "the tracee's registers are the emulator's, not the guest's");
    getuid                 102  174 199 199  24 100 () pass;
    syslog                 103  116 103 103 103 101 (Int, OutBuf, Size) pass;
    getgid                 104  176 200 200  47 102 () pass;
    setuid                 105  146 213 213  23 103 (Uid) pass;
    setgid                 106  144 214 214  46 104 (Uid) pass;
    geteuid                107  175 201 201  49 105 () pass;
    getegid                108  177 202 202  50 106 () pass;
    setpgid                109  154  57  57  57 107 (Pid, Pid) pass;
    getppid                110  173  64  64  64 108 () pass;
    getpgrp                111    -  65  65  65 109 () pass;
    setsid                 112  157  66  66  66 110 () pass;
    setreuid               113  145 203 203  70 111 (Uid, Uid) pass;
    setregid               114  143 204 204  71 112 (Uid, Uid) pass;
    getgroups              115  158 205 205  80 113 (Int, OutArray(a_gid, 0)) pass;
    setgroups              116  159 206 206  81 114 (Int, InArray(a_gid, 0)) pass;
    setresuid              117  147 208 208 164 115 (Uid, Uid, Uid) pass;
    getresuid              118  148 209 209 165 116 (Out(a_gid), Out(a_gid), Out(a_gid)) pass;
    setresgid              119  149 210 210 169 117 (Uid, Uid, Uid) pass;
    getresgid              120  150 211 211 170 118 (Out(a_gid), Out(a_gid), Out(a_gid)) pass;
    getpgid                121  155 132 132 132 119 (Pid) pass;
    setfsuid               122  151 215 215 138 120 (Uid) pass;
    setfsgid               123  152 216 216 139 121 (Uid) pass;
    getsid                 124  156 147 147 147 122 (Pid) pass;
    capget                 125   90 184 184 183 123 (InOut(cap_header), Opaque("one or two of cap_data, as the header's version says")) pass;
    capset                 126   91 185 185 184 124 (InOut(cap_header), Opaque("one or two of cap_data, as the header's version says")) pass;
    rt_sigpending          127  136 176 176 175 125 (Out(sigset), SigSize) emulated(signal::rt_sigpending);
    rt_sigtimedwait        128  137 421 177 176 126 (SigSet, Out(siginfo), In(timespec64), SigSize) emulated(signal::rt_sigtimedwait);
    rt_sigqueueinfo        129  138 178 178 177 127 (Pid, Signal, In(siginfo)) pass;
    rt_sigsuspend          130  133 179 179 178 128 (SigSet, SigSize) emulated(signal::rt_sigsuspend);
    sigaltstack            131  132 186 186 185 129 (In(sigaltstack), Out(sigaltstack)) emulated(signal::sigaltstack);
    utime                  132    -   -  30  30 130 (Path, In(utimbuf)) pass;
    mknod                  133    -  14  14  14 131 (Path, Mode, Uint) pass;
    uselib                 134    -  86  86  86   - (Str) refused(ENOSYS, "removed from the kernel");
    personality            135   92 136 136 136 132 (Hex) emulated(memory::personality);
    ustat                  136    -  62  62  62 133 (Uint, Out(ustat)) pass;
    statfs                 137   43  99  99  99 134 (LookupPath, Out(statfs)) pass;
    fstatfs                138   44 100 100 100 135 (Fd, Out(statfs)) translated(procfile::fstatfs);
    sysfs                  139    - 135 135 135 136 (Int, Hex, Hex) pass;
    getpriority            140  141  96  96  96 137 (Int, Int) pass;
    setpriority            141  140  97  97  97 138 (Int, Int, Int) pass;
    sched_setparam         142  118 154 154 154 139 (Pid, In(sched_param)) pass;
    sched_getparam         143  121 155 155 155 140 (Pid, Out(sched_param)) pass;
    sched_setscheduler     144  119 156 156 156 141 (Pid, Int, In(sched_param)) pass;
    sched_getscheduler     145  120 157 157 157 142 (Pid) pass;
    sched_get_priority_max 146  125 159 159 159 143 (Int) pass;
    sched_get_priority_min 147  126 160 160 160 144 (Int) pass;
    sched_rr_get_interval  148  127 423 161 161 145 (Pid, Out(timespec64)) pass;
    mlock                  149  228 150 150 150 146 (Addr, Size) translated(range::mlock);
    munlock                150  229 151 151 151 147 (Addr, Size) translated(range::munlock);
    mlockall               151  230 152 152 152 148 (LockFlags) translated(misc::mlockall);
    munlockall             152  231 153 153 153 149 () pass;
    vhangup                153   58 111 111 111 150 () pass;
    modify_ldt             154    -   -   - 123   - (Int, Opaque("x86's own"), Size) arch;
    pivot_root             155   41 218 217 203 151 (Path, Path) pass;
    _sysctl                156    - 149 149 149 152 (Opaque("removed from the kernel")) refused(ENOSYS, "removed from the kernel");
    prctl                  157  167 172 172 171 153 (Prctl, Hex, Hex, Hex, Hex) translated(prctl::prctl);
    arch_prctl             158    -   -   -   -   - (Int, Opaque("x86's own")) arch;
    adjtimex               159  171   - 124 124 154 (InOut(timex64)) pass;
    setrlimit              160  164  75  75  75 155 (Resource, In(rlimit)) translated(limits::setrlimit);
    chroot                 161   51  61  61  61 156 (Path) pass;
    sync                   162   81  36  36  36 157 () pass;
    acct                   163   89  51  51  51 158 (Path) pass;
    settimeofday           164  170  79  79  79 159 (In(timeval), In(timezone)) pass;
    mount                  165   40  21  21  21 160 (Str, Path, Str, Hex, Opaque("text for nearly all file systems, structures of their own for some")) pass;
    umount2                166   39  52  52  52 161 (Path, Hex) pass;
    swapon                 167  224  87  87  87 162 (Path, Hex) pass;
    swapoff                168  225 115 115 115 163 (Path) pass;
    reboot                 169  142  88  88  88 164 (Hex, Hex, Hex, Str) pass;
    sethostname            170  161  74  74  74 165 (InBuf, Size) pass;
    setdomainname          171  162 121 121 121 166 (InBuf, Size) pass;
    iopl                   172    -   -   - 110   - (Int) arch;
    ioperm                 173    -   -   - 101   - (Uint, Uint, Int) arch;
    create_module          174    -   - 127 127 167 (Str, Size) refused(ENOSYS, "removed from the kernel");
    init_module            175  105 128 128 128 168 (InBuf, Size, Str) pass;
    delete_module          176  106 129 129 129 169 (Str, Hex) pass;
    get_kernel_syms        177    -   - 130 130 170 (Opaque("removed from the kernel")) refused(ENOSYS, "removed from the kernel");
    query_module           178    -   - 167 166 171 (Str, Int, Opaque("removed from the kernel"), Size, Opaque("removed from the kernel")) refused(ENOSYS, "removed from the kernel");
    quotactl               179   60 131 131 131 172 (Uint, Path, Uid, Opaque("the command says what it is")) pass;
    nfsservctl             180   42 169 169 168 173 (Int, Opaque("removed from the kernel"), Opaque("removed from the kernel")) refused(ENOSYS, "removed from the kernel");
    getpmsg                181    -   - 188 187 174 () refused(ENOSYS, "never implemented by the kernel");
    putpmsg                182    -   - 189 188 175 () refused(ENOSYS, "never implemented by the kernel");
    afs_syscall            183    -   - 137 137 176 () refused(ENOSYS, "never implemented by the kernel");
    tuxcall                184    -   -   - 225   - () refused(ENOSYS, "never implemented by the kernel");
    security               185    -   -   -   -   - () refused(ENOSYS, "never implemented by the kernel");
    gettid                 186  178 224 236 207 178 () pass;
    readahead              187  213 225 222 191 179 (Fd, Loff, Size) pass;
    setxattr               188    5 226 224 209 180 (Path, Str, InBuf, Size, Hex) pass;
    lsetxattr              189    6 227 225 210 181 (Path, Str, InBuf, Size, Hex) pass;
    fsetxattr              190    7 228 226 211 182 (Fd, Str, InBuf, Size, Hex) pass;
    getxattr               191    8 229 227 212 183 (LookupPath, Str, OutBuf, Size) pass;
    lgetxattr              192    9 230 228 213 184 (LookupPath, Str, OutBuf, Size) pass;
    fgetxattr              193   10 231 229 214 185 (Fd, Str, OutBuf, Size) pass;
    listxattr              194   11 232 230 215 186 (LookupPath, OutBuf, Size) pass;
    llistxattr             195   12 233 231 216 187 (LookupPath, OutBuf, Size) pass;
    flistxattr             196   13 234 232 217 188 (Fd, OutBuf, Size) pass;
    removexattr            197   14 235 233 218 189 (Path, Str) pass;
    lremovexattr           198   15 236 234 219 190 (Path, Str) pass;
    fremovexattr           199   16 237 235 220 191 (Fd, Str) pass;
    tkill                  200  130 238 237 208 192 (Pid, Signal) pass;
    time                   201    -   -   -  13   - (Out(a_long)) pass;
    futex                  202   98 422 238 221 194 (Addr, FutexOp, Uint, Addr, Addr, Uint) agreed(futex::futex);
    sched_setaffinity      203  122 241 239 222 195 (Pid, Size, InWords(1)) pass;
    sched_getaffinity      204  123 242 240 223 196 (Pid, Size, OutWords(1)) pass;
    set_thread_area        205    -   -   -   - 242 (Opaque("x86's own")) arch;
    io_setup               206    0 243 243 227 200 (Uint, InOut(a_ulong)) agreed(aio::io_setup);
    io_destroy             207    1 244 244 228 201 (Hex) translated(aio::io_destroy);
    io_getevents           208    4   - 245 229 202 (Hex, Int, Int, OutArray(io_event, 2), In(timespec64)) pass;
    io_submit              209    2 246 246 230 203 (Hex, Int, Opaque("an array of addresses of iocb")) agreed(aio::io_submit);
    io_cancel              210    3 247 247 231 204 (Hex, In(iocb), Out(io_event)) pass;
    get_thread_area        211    -   -   -   -   - (Opaque("x86's own")) arch;
    lookup_dcookie         212   18 249 110 235 206 (Loff, OutBuf, Size) refused(ENOSYS, "removed from the kernel");
    epoll_create           213    - 250 249 236 207 (Size) pass;
    epoll_ctl_old          214    -   -   -   -   - () refused(ENOSYS, "removed from the kernel");
    epoll_wait_old         215    -   -   -   -   - () refused(ENOSYS, "removed from the kernel");
    remap_file_pages       216  234 253 267 239 210 (Addr, Size, Prot, Hex, Hex) translated(memory::remap_file_pages);
    getdents64             217   61 217 220 202 308 (Fd, Opaque("records of varying length"), Uint) translated(files::getdents64);
    set_tid_address        218   96 256 252 232 212 (Addr) emulated(thread::set_tid_address);
    restart_syscall        219  128   0   7   0 213 () refused(EINTR, "what the kernel answers when nothing is to be restarted; the emulator restarts calls itself");
    semtimedop             220  192 420 392 392 214 (Int, InArray(sembuf, 2), Uint, In(timespec64)) pass;
    fadvise64              221  223   - 253 233 215 (Fd, Loff, Size, Int) pass;
    timer_create           222  107 257 254 240 216 (Clock, In(sigevent), Out(an_int)) pass;
    timer_settime          223  110 409 255 241 217 (Int, Hex, In(itimerspec64), Out(itimerspec64)) pass;
    timer_gettime          224  108 408 256 242 218 (Int, Out(itimerspec64)) pass;
    timer_getoverrun       225  109 260 257 243 219 (Int) pass;
    timer_delete           226  111 261 258 244 220 (Int) pass;
    clock_settime          227  112 404 259 245 221 (Clock, In(timespec64)) pass;
    clock_gettime          228  113 403 260 246 222 (Clock, Out(timespec64)) translated(time::clock_gettime);
    clock_getres           229  114 406 261 247 223 (Clock, Out(timespec64)) pass;
    clock_nanosleep        230  115 407 262 248 224 (Clock, Hex, In(timespec64), Out(timespec64)) pass;
    exit_group             231   94 248 248 234 205 (Int) emulated(process::exit_group);
    epoll_wait             232    - 252 251 238 209 (Fd, OutArray(epoll_event, 2), Int, Int) translated(poll::epoll_wait);
    epoll_ctl              233   21 251 250 237 208 (Fd, EpollOp, Fd, In(epoll_event)) converting(poll::epoll_ctl);
    tgkill                 234  131 268 241 250 225 (Pid, Pid, Signal) pass;
    utimes                 235    - 269 313 251 226 (Path, In(two_timevals)) pass;
    vserver                236    - 313   -   - 236 () refused(ENOSYS, "never implemented by the kernel");
    mbind                  237  235 319 268 259 227 (Addr, Size, Uint, InBits(4), Uint, Hex) translated(range::mbind);
    set_mempolicy          238  237 321 270 261 229 (Int, InBits(2), Uint) pass;
    get_mempolicy          239  236 320 269 260 228 (Out(an_int), OutBits(2), Uint, Addr, Hex) pass;
    mq_open                240  180 274 271 262 230 (Str, OFlags, Mode, In(mq_attr)) pass;
    mq_unlink              241  181 275 272 263 231 (Str) pass;
    mq_timedsend           242  182 418 273 264 232 (Fd, InBuf, Size, Uint, In(timespec64)) pass;
    mq_timedreceive        243  183 419 274 265 233 (Fd, OutBuf, Size, Out(a_uint), In(timespec64)) pass;
    mq_notify              244  184 278 275 266 234 (Fd, In(sigevent)) pass;
    mq_getsetattr          245  185 279 276 267 235 (Fd, In(mq_attr), Out(mq_attr)) pass;
    kexec_load             246  104 347 277 268 270 (Uint, Uint, Opaque("segments of a kernel of the host's architecture"), Hex) pass;
    waitid                 247   95 280 281 272 237 (Int, Pid, Out(siginfo), Hex, Out(rusage)) pass;
    add_key                248  217 309 278 269 239 (Str, Str, InBuf, Size, Int) pass;
    request_key            249  218 310 279 270 240 (Str, Str, Str, Int) pass;
    keyctl                 250  219 311 280 271 241 (Int, Hex, Opaque("the operation says what it is"), Hex, Hex) agreed(old::keyctl);
    ioprio_set             251   30 314 282 273 273 (Int, Int, Int) pass;
    ioprio_get             252   31 315 283 274 274 (Int, Int) pass;
    inotify_init           253    - 316 284 275 243 () pass;
    inotify_add_watch      254   27 317 285 276 244 (Fd, LookupPath, Hex) pass;
    inotify_rm_watch       255   28 318 286 277 245 (Fd, Int) pass;
    migrate_pages          256  238 400 287 258 246 (Pid, Uint, InBits(1), InBits(1)) pass;
    openat                 257   56 322 288 286 247 (DirFd, Path, OFlags, Mode) translated(files::openat);
    mkdirat                258   34 323 289 287 248 (DirFd, Path, Mode) pass;
    mknodat                259   33 324 290 288 249 (DirFd, Path, Mode, Uint) pass;
    fchownat               260   54 325 291 289 250 (DirFd, Path, Uid, Uid, AtFlags) pass;
    futimesat              261    - 326 292 290 251 (DirFd, Path, In(two_timevals)) pass;
    newfstatat             262   79   - 293 291 252 (DirFd, LookupPath, Out(stat), AtFlags) translated(files::newfstatat);
    unlinkat               263   35 328 294 292 253 (DirFd, Path, AtFlags) pass;
    renameat               264   38 329 295 293 254 (DirFd, Path, DirFd, Path) pass;
    linkat                 265   37 330 296 294 255 (DirFd, Path, DirFd, Path, AtFlags) pass;
    symlinkat              266   36 331 297 295 256 (Str, DirFd, Path) pass;
    readlinkat             267   78 332 298 296 257 (DirFd, LinkPath, OutBuf, Size) translated(files::readlinkat);
    fchmodat               268   53 333 299 297 258 (DirFd, Path, Mode) pass;
    faccessat              269   48 334 300 298 259 (DirFd, LookupPath, Access) pass;
    pselect6               270   72 413 301 280 260 (Int, FdSet, FdSet, FdSet, InOut(timespec64), In(sigset_argpack)) translated(poll::pselect6);
    ppoll                  271   73 414 302 281 261 (InOutArray(pollfd, 1), Uint, InOut(timespec64), SigSet, SigSize) translated(poll::ppoll);
    unshare                272   97 337 303 282 262 (Hex) pass;
    set_robust_list        273   99 338 304 300 268 (Addr, Size) emulated(thread::set_robust_list);
    get_robust_list        274  100 339 305 299 269 (Pid, Out(a_pointer), Out(a_ulong)) emulated(thread::get_robust_list);
    splice                 275   76 340 306 283 263 (Fd, InOut(loff), Fd, InOut(loff), Size, Hex) pass;
    tee                    276   77 342 308 284 265 (Fd, Fd, Size, Hex) pass;
    sync_file_range        277   84   - 307   - 264 (Fd, Loff, Loff, Hex) pass;
    vmsplice               278   75 343 309 285 266 (Fd, InArray(iovec, 2), Uint, Hex) pass;
    move_pages             279  239 344 310 301 267 (Pid, Uint, Opaque("an array of addresses"), InArray(an_int, 1), OutArray(an_int, 1), Hex) agreed(old::move_pages);
    utimensat              280   88 412 315 304 275 (DirFd, Path, In(two_timespecs64), AtFlags) pass;
    epoll_pwait            281   22 346 312 303 272 (Fd, OutArray(epoll_event, 2), Int, Int, SigSet, SigSize) translated(poll::epoll_pwait);
    signalfd               282    - 349 316 305 276 (Fd, SigSet, SigSize) pass;
    timerfd_create         283   85 350 319 306 280 (Clock, OFlags) pass;
    eventfd                284    - 351 318 307 278 (Uint) pass;
    fallocate              285   47 352 314 309 279 (Fd, Hex, Loff, Loff) pass;
    timerfd_settime        286   86 411 320 311 282 (Fd, Hex, In(itimerspec64), Out(itimerspec64)) pass;
    timerfd_gettime        287   87 410 321 312 281 (Fd, Out(itimerspec64)) pass;
    accept4                288  242 366 364 344 293 (Fd, OutSockaddr, InOut(an_int), OFlags) pass;
    signalfd4              289   74 355 322 313 283 (Fd, SigSet, SigSize, OFlags) pass;
    eventfd2               290   19 356 323 314 284 (Uint, OFlags) pass;
    epoll_create1          291   20 357 327 315 285 (OFlags) pass;
    dup3                   292   24 358 326 316 286 (Fd, Fd, OFlags) translated(files::dup3);
    pipe2                  293   59 359 325 317 287 (Out(two_ints), OFlags) pass;
    inotify_init1          294   26 360 324 318 288 (OFlags) pass;
    preadv                 295   69 361 328 320 289 (Fd, InArray(iovec, 2), Uint, Low, High) pass;
    pwritev                296   70 362 329 321 290 (Fd, InArray(iovec, 2), Uint, Low, High) pass;
    rt_tgsigqueueinfo      297  240 363 330 322 291 (Pid, Pid, Signal, In(siginfo)) pass;
    perf_event_open        298  241 364 331 319 292 (Opaque("its first member is its size: perf_event_attr or an older or newer one"), Pid, Int, Fd, Hex) pass;
    recvmmsg               299  243 417 357 343 294 (Fd, InOutArray(mmsghdr, 2), Uint, Hex, InOut(timespec64)) pass;
    fanotify_init          300  262 367 332 323 295 (Hex, OFlags) pass;
    fanotify_mark          301  263 368 333 324 296 (Fd, Hex, Loff, DirFd, Path) pass;
    prlimit64              302  261 369 334 325 297 (Pid, Resource, In(rlimit64), Out(rlimit64)) translated(limits::prlimit64);
    name_to_handle_at      303  264 370 335 345 298 (DirFd, LookupPath, Opaque("file_handle, and as many bytes as it says"), Out(an_int), AtFlags) pass;
    open_by_handle_at      304  265 371 336 346 299 (Fd, Opaque("file_handle, and as many bytes as it says"), OFlags) translated(files::open_by_handle_at);
    clock_adjtime          305  266 405 337 347 300 (Clock, InOut(timex64)) pass;
    syncfs                 306  267 373 338 348 301 (Fd) pass;
    sendmmsg               307  269 374 358 349 302 (Fd, InOutArray(sent_mmsghdr, 2), Uint, Hex) pass;
    setns                  308  268 375 339 350 303 (Fd, Hex) pass;
    getcpu                 309  168 345 311 302 271 (Out(a_uint), Out(a_uint), Addr) translated(time::getcpu);
    process_vm_readv       310  270 376 340 351 304 (Pid, InArray(iovec, 2), Uint, InArray(iovec, 4), Uint, Hex) pass;
    process_vm_writev      311  271 377 341 352 305 (Pid, InArray(iovec, 2), Uint, InArray(iovec, 4), Uint, Hex) pass;
    kcmp                   312  272 378 343 354 306 (Pid, Pid, Int, Uint, Uint) pass;
    finit_module           313  273 379 344 353 307 (Fd, Str, Hex) pass;
    sched_setattr          314  274 380 345 355 309 (Pid, Sized(sched_attr), Hex) pass;
    sched_getattr          315  275 381 346 356 310 (Pid, Out(sched_attr), Size, Hex) pass;
    renameat2              316  276 382 347 357 311 (DirFd, Path, DirFd, Path, Hex) pass;
    seccomp                317  277 383 348 358 312 (Uint, Hex, Opaque("the operation says what it is")) emulated(seccomp::seccomp);
    getrandom              318  278 384 349 359 313 (OutBuf, Size, Hex) pass;
    memfd_create           319  279 385 350 360 314 (Str, Hex) pass;
    kexec_file_load        320  294 401 381 382   - (Fd, Fd, Uint, Str, Hex) pass;
    bpf                    321  280 386 351 361 315 (Int, Opaque("the command says what it is; all members have fixed widths"), Size) pass;
    execveat               322  281 387 354 362 316 (DirFd, Path, Argv, Argv, Hex) emulated(exec::execveat);
    userfaultfd            323  282 388 355 364 317 (OFlags) pass;
    membarrier             324  283 389 356 365 318 (Int, Hex, Int) pass;
    mlock2                 325  284 390 374 378 319 (Addr, Size, Hex) translated(range::mlock2);
    copy_file_range        326  285 391 375 379 320 (Fd, InOut(loff), Fd, InOut(loff), Size, Hex) pass;
    preadv2                327  286 392 376 380 321 (Fd, InArray(iovec, 2), Uint, Low, High, Hex) pass;
    pwritev2               328  287 393 377 381 322 (Fd, InArray(iovec, 2), Uint, Low, High, Hex) pass;
    pkey_mprotect          329  288 394 384 386 323 (Addr, Size, Prot, Int) translated(memory::pkey_mprotect);
    pkey_alloc             330  289 395 385 384 324 (Hex, Uint) refused(ENOSPC, "guest protection keys are not advertised");
    pkey_free              331  290 396 386 385 325 (Int) refused(EINVAL, "guest protection keys are not advertised");
    statx                  332  291 397 379 383 326 (DirFd, LookupPath, AtFlags, Hex, Out(statx)) translated(files::statx);
    io_pgetevents          333  292 416 382 388 328 (Hex, Int, Int, OutArray(io_event, 2), In(timespec64), In(sigset_argpack)) translated(poll::io_pgetevents);
    rseq                   334  293 398 383 387 327 (Addr, Uint, Hex, Hex) refused(ENOSYS, "critical sections are host code addresses; the C libraries fall back");
    uretprobe              335    -   -   -   -   - () refused(ENOSYS, "only for the kernel's own trampolines");
    pidfd_send_signal      424  424 424 424 424 424 (Fd, Signal, In(siginfo), Hex) pass;
    io_uring_setup         425  425 425 425 425 425 (Uint, InOut(io_uring_params)) translated(uring::setup);
    io_uring_enter         426  426 426 426 426 426 (Fd, Uint, Uint, Hex, Opaque("a signal set or io_uring_getevents_arg, as the flags say"), Size) translated(poll::io_uring_enter);
    io_uring_register      427  427 427 427 427 427 (Fd, Uint, Opaque("the operation says what it is"), Uint) agreed(uring::register);
    open_tree              428  428 428 428 428 428 (DirFd, Path, Hex) pass;
    move_mount             429  429 429 429 429 429 (DirFd, Path, DirFd, Path, Hex) pass;
    fsopen                 430  430 430 430 430 430 (Str, Hex) pass;
    fsconfig               431  431 431 431 431 431 (Fd, Uint, Str, Opaque("text, bytes or nothing, as the command says"), Int) pass;
    fsmount                432  432 432 432 432 432 (Fd, Hex, Hex) pass;
    fspick                 433  433 433 433 433 433 (DirFd, Path, Hex) pass;
    pidfd_open             434  434 434 434 434 434 (Pid, Hex) pass;
    clone3                 435  435 435 435 435 435 (Sized(clone_args), Size) emulated(process::clone3);
    close_range            436  436 436 436 436 436 (Fd, Uint, Hex) translated(files::close_range);
    openat2                437  437 437 437 437 437 (DirFd, Path, OpenHow, Size) translated(files::openat2);
    pidfd_getfd            438  438 438 438 438 438 (Fd, Fd, Hex) pass;
    faccessat2             439  439 439 439 439 439 (DirFd, LookupPath, Access, AtFlags) pass;
    process_madvise        440  440 440 440 440 440 (Fd, InArray(iovec, 2), Size, Int, Hex) pass;
    epoll_pwait2           441  441 441 441 441 441 (Fd, OutArray(epoll_event, 2), Int, In(timespec64), SigSet, SigSize) translated(poll::epoll_pwait2);
    mount_setattr          442  442 442 442 442 442 (DirFd, Path, Hex, Sized(mount_attr), Size) pass;
    quotactl_fd            443  443 443 443 443 443 (Fd, Uint, Uid, Opaque("the command says what it is")) pass;
    landlock_create_ruleset 444  444 444 444 444 444 (Sized(landlock_ruleset_attr), Size, Hex) pass;
    landlock_add_rule      445  445 445 445 445 445 (Fd, Int, Opaque("the rule's type says what it is; packed, of fixed widths"), Hex) pass;
    landlock_restrict_self 446  446 446 446 446 446 (Fd, Hex) pass;
    memfd_secret           447  447   -   -   -   - (Hex) pass;
    process_mrelease       448  448 448 448 448 448 (Fd, Hex) pass;
    futex_waitv            449  449 449 449 449 449 (InArray(futex_waitv, 1), Uint, Hex, In(timespec64), Clock) pass;
    set_mempolicy_home_node 450  450 450 450 450 450 (Addr, Size, Uint, Hex) pass;
    cachestat              451  451 451 451 451 451 (Fd, In(cachestat_range), Out(cachestat), Hex) pass;
    fchmodat2              452  452 452 452 452 452 (DirFd, Path, Mode, Hex) pass;
    map_shadow_stack       453  453 453 453 453 453 (Addr, Size, Hex) refused(EOPNOTSUPP, "guest shadow stacks are not advertised");
    futex_wake             454  454 454 454 454 454 (Addr, Hex, Int, Hex) pass;
    futex_wait             455  455 455 455 455 455 (Addr, Uint, Hex, Hex, In(timespec64), Clock) pass;
    futex_requeue          456  456 456 456 456 456 (In(two_futexes), Hex, Int, Int) pass;
    statmount              457  457 457 457 457 457 (Sized(mnt_id_req), Opaque("its first member is its size, and text follows"), Size, Hex) pass;
    listmount              458  458 458 458 458 458 (Sized(mnt_id_req), OutArray(a_u64, 2), Size, Hex) pass;
    lsm_get_self_attr      459  459 459 459 459 459 (Uint, Opaque("records of varying length"), InOut(a_uint), Hex) pass;
    lsm_set_self_attr      460  460 460 460 460 460 (Uint, Opaque("a record of varying length"), Size, Hex) pass;
    lsm_list_modules       461  461 461 461 461 461 (Opaque("as many u64 as the next argument says"), InOut(a_uint), Hex) pass;
    mseal                  462  462 462 462 462 462 (Addr, Size, Hex) translated(range::mseal);
    setxattrat             463  463 463 463 463 463 (DirFd, Path, Hex, Str, Sized(xattr_args), Size) pass;
    getxattrat             464  464 464 464 464 464 (DirFd, Path, Hex, Str, Sized(xattr_args), Size) pass;
    listxattrat            465  465 465 465 465 465 (DirFd, Path, Hex, OutBuf, Size) pass;
    removexattrat          466  466 466 466 466 466 (DirFd, Path, Hex, Str) pass;
    open_tree_attr         467  467 467 467 467 467 (DirFd, Path, Hex, Sized(mount_attr), Size) pass;
    file_getattr           468  468 468 468 468 468 (DirFd, Path, Out(file_attr), Size, Hex) pass;
    file_setattr           469  469 469 469 469 469 (DirFd, Path, In(file_attr), Size, Hex) pass;

    // Calls of 32-bit architectures, and old ones that some 64-bit architectures still have. A
    // row's name is the kernel's function where the headers give its name to another call.
    llseek                   -    - 140   - 140   - (Fd, Uint, Uint, Out(loff), Whence) translated(old::llseek);
    lseek32                  -    -  19   -   -   - (Fd, Off, Whence) translated(old::lseek32);
    mmap2                    -    - 192   -   -   - (Addr, Size, Prot, MapFlags, Fd, Pages) like(mmap);
    old_mmap                 -    -   -  90   -   - (In(mmap_args)) translated(old::old_mmap);
    truncate64               -    - 193   -   -   - (Path, Loff) like(truncate);
    ftruncate64              -    - 194   -   -   - (Fd, Loff) like(ftruncate);
    stat64                   -    - 195   -   -   - (LookupPath, Out(stat64)) like(stat);
    lstat64                  -    - 196   -   -   - (LookupPath, Out(stat64)) like(lstat);
    fstat64                  -    - 197   -   -   - (Fd, Out(stat64)) like(fstat);
    fstatat64                -    - 327   -   -   - (DirFd, LookupPath, Out(stat64), AtFlags) like(newfstatat);
    statfs64                 -    - 266 265 252   - (LookupPath, Size, Out(statfs64)) translated(old::statfs64);
    fstatfs64                -    - 267 266 253   - (Fd, Size, Out(statfs64)) translated(old::fstatfs64);
    fcntl64                  -    - 221   -   -   - (Fd, Fcntl, Hex) converting(files::fcntl64);
    sendfile32               -    - 187   -   -   - (Fd, Fd, InOut(off), Size) translated(old::sendfile32);
    sync_file_range2         -    - 341   - 308   - (Fd, Hex, Loff, Loff) translated(old::sync_file_range2);
    arm_fadvise64_64         -    - 270   -   -   - (Fd, Int, Loff, Loff) translated(old::arm_fadvise64_64);
    lchown16                 -    -  16   -   -   - (Path, Id16, Id16) like(lchown);
    chown16                  -    - 182   -   -   - (Path, Id16, Id16) like(chown);
    fchown16                 -    -  95   -   -   - (Fd, Id16, Id16) like(fchown);
    setuid16                 -    -  23   -   -   - (Id16) like(setuid);
    setgid16                 -    -  46   -   -   - (Id16) like(setgid);
    setreuid16               -    -  70   -   -   - (Id16, Id16) like(setreuid);
    setregid16               -    -  71   -   -   - (Id16, Id16) like(setregid);
    setresuid16              -    - 164   -   -   - (Id16, Id16, Id16) like(setresuid);
    setresgid16              -    - 170   -   -   - (Id16, Id16, Id16) like(setresgid);
    setfsuid16               -    - 138   -   -   - (Id16) translated(old::setfsuid16);
    setfsgid16               -    - 139   -   -   - (Id16) translated(old::setfsgid16);
    getuid16                 -    -  24   -   -   - () translated(old::getuid16);
    getgid16                 -    -  47   -   -   - () translated(old::getgid16);
    geteuid16                -    -  49   -   -   - () translated(old::geteuid16);
    getegid16                -    -  50   -   -   - () translated(old::getegid16);
    getresuid16              -    - 165   -   -   - (Out(an_id16), Out(an_id16), Out(an_id16)) like(getresuid);
    getresgid16              -    - 171   -   -   - (Out(an_id16), Out(an_id16), Out(an_id16)) like(getresgid);
    getgroups16              -    -  80   -   -   - (Int, OutArray(an_id16, 0)) like(getgroups);
    setgroups16              -    -  81   -   -   - (Int, InArray(an_id16, 0)) like(setgroups);
    adjtimex_time32          -    - 124   -   -   - (InOut(timex)) like(adjtimex);
    nanosleep_time32         -    - 162   -   -   - (In(timespec), Out(timespec)) like(nanosleep);
    sched_rr_get_interval_time32   -    - 161   -   -   - (Pid, Out(timespec)) like(sched_rr_get_interval);
    rt_sigtimedwait_time32   -    - 177   -   -   - (SigSet, Out(siginfo), In(timespec), SigSize) like(rt_sigtimedwait);
    futex_time32             -    - 240   -   -   - (Addr, FutexOp, Uint, Opaque("a timespec or a number, as the operation says"), Addr, Uint) translated(old::futex_time32);
    io_getevents_time32      -    - 245   -   -   - (Hex, Int, Int, OutArray(io_event, 2), In(timespec)) like(io_getevents);
    io_pgetevents_time32     -    - 399   -   -   - (Hex, Int, Int, OutArray(io_event, 2), In(timespec), In(sigset_argpack)) like(io_pgetevents);
    timer_settime32          -    - 258   -   -   - (Int, Hex, In(itimerspec), Out(itimerspec)) like(timer_settime);
    timer_gettime32          -    - 259   -   -   - (Int, Out(itimerspec)) like(timer_gettime);
    clock_settime32          -    - 262   -   -   - (Clock, In(timespec)) like(clock_settime);
    clock_gettime32          -    - 263   -   -   - (Clock, Out(timespec)) like(clock_gettime);
    clock_getres_time32      -    - 264   -   -   - (Clock, Out(timespec)) like(clock_getres);
    clock_nanosleep_time32   -    - 265   -   -   - (Clock, Hex, In(timespec), Out(timespec)) like(clock_nanosleep);
    clock_adjtime32          -    - 372   -   -   - (Clock, InOut(timex)) like(clock_adjtime);
    mq_timedsend_time32      -    - 276   -   -   - (Fd, InBuf, Size, Uint, In(timespec)) like(mq_timedsend);
    mq_timedreceive_time32   -    - 277   -   -   - (Fd, OutBuf, Size, Out(a_uint), In(timespec)) like(mq_timedreceive);
    semtimedop_time32        -    - 312   -   -   - (Int, InArray(sembuf, 2), Uint, In(timespec)) like(semtimedop);
    pselect6_time32          -    - 335   -   -   - (Int, FdSet, FdSet, FdSet, InOut(timespec), In(sigset_argpack)) like(pselect6);
    ppoll_time32             -    - 336   -   -   - (InOutArray(pollfd, 1), Uint, InOut(timespec), SigSet, SigSize) like(ppoll);
    utimensat_time32         -    - 348   -   -   - (DirFd, Path, In(two_timespecs), AtFlags) like(utimensat);
    timerfd_settime32        -    - 353   -   -   - (Fd, Hex, In(itimerspec), Out(itimerspec)) like(timerfd_settime);
    timerfd_gettime32        -    - 354   -   -   - (Fd, Out(itimerspec)) like(timerfd_gettime);
    recvmmsg_time32          -    - 365   -   -   - (Fd, InOutArray(mmsghdr, 2), Uint, Hex, InOut(timespec)) like(recvmmsg);
    send                     -    - 289   - 334   - (Fd, InBuf, Size, Hex) like(sendto);
    recv                     -    - 291   - 336   - (Fd, OutBuf, Size, Hex) like(recvfrom);
    socketcall               -    -   - 102 102   - (Int, Opaque("as many longs as the call takes arguments")) translated(old::socketcall);
    ipc                      -    -   - 117 117   - (Uint, Int, Hex, Hex, Hex, Hex) translated(old::ipc);
    waitpid                  -    -   -   -   7   - (Pid, Out(an_int), Hex) like(wait4);
    oldumount                -    -   -  22   -   - (Path) like(umount2);
    stime                    -    -   -   -  25   - (In(a_long)) translated(old::stime);
    nice                     -    -  34  34  34   - (Int) translated(old::nice);
    signal                   -    -   -  48  48   - (Signal, Addr) emulated(signal::signal);
    sgetmask                 -    -   -   -  68   - () emulated(signal::sgetmask);
    ssetmask                 -    -   -   -  69   - (Uint) emulated(signal::ssetmask);
    sigaction                -    -  67  67   -   - (Signal, In(old_sigaction), Out(old_sigaction)) emulated(signal::sigaction);
    sigprocmask              -    - 126 126   -   - (SigHow, In(old_sigset), Out(old_sigset)) emulated(signal::sigprocmask);
    sigpending               -    -  73  73   -   - (Out(old_sigset)) emulated(signal::sigpending);
    sigsuspend               -    -  72  72   -   - (Int, Int, Hex) emulated(signal::sigsuspend);
    sigreturn                -    - 119 119   -   - () emulated(signal::sigreturn);
    pciconfig_iobase         -    - 271   - 200   - (Uint, Uint, Uint) refused(ENOSYS, "the guest has no PCI bus of its own");
    pciconfig_read           -    - 272   - 198   - (Uint, Uint, Uint, Uint, Addr) refused(ENOSYS, "the guest has no PCI bus of its own");
    pciconfig_write          -    - 273   - 199   - (Uint, Uint, Uint, Uint, Addr) refused(ENOSYS, "the guest has no PCI bus of its own");

    // Calls of one architecture.
    swapcontext              -    -   -   - 249   - (Addr, Addr, Int) arch;
    switch_endian            -    -   -   - 363   - () arch;
    rtas                     -    -   -   - 255   - (Addr) refused(ENOSYS, "the guest has no firmware of its own");
    spu_run                  -    -   -   - 278   - (Fd, Addr, Addr) refused(ENOSYS, "only for processors of the Cell kind");
    spu_create               -    -   -   - 279   - (Path, Hex, Mode, Fd) refused(ENOSYS, "only for processors of the Cell kind");
    subpage_prot             -    -   -   - 310   - (Addr, Size, Addr) refused(ENOSYS, "only for kernels with pages of 64 KiB");
    s390_runtime_instr       -    -   - 342   -   - (Int, Int) refused(EOPNOTSUPP, "the facility is not advertised");
    s390_pci_mmio_write      -    -   - 352   -   - (Addr, Addr, Size) refused(ENODEV, "the guest has no PCI bus of its own");
    s390_pci_mmio_read       -    -   - 353   -   - (Addr, Addr, Size) refused(ENODEV, "the guest has no PCI bus of its own");
    s390_guarded_storage     -    -   - 378   -   - (Int, Addr) refused(EOPNOTSUPP, "the facility is not advertised");
    s390_sthyi               -    -   - 380   -   - (Uint, Addr, Addr, Hex) refused(EOPNOTSUPP, "the facility is not advertised");
    mips_pipe                -    -   -   -   -  21 () arch;
    cacheflush               -    -   -   -   - 197 (Addr, Size, Int) arch;
    cachectl                 -    -   -   -   - 198 (Addr, Size, Int) refused(ENOSYS, "never implemented by the kernel");
    sysmips                  -    -   -   -   - 199 (Int, Hex, Hex, Hex) arch;

    // arm's own, whose numbers lie beyond the table. The last one stands for all that have no
    // meaning.
    arm_breakpoint           -    -   -   -   -   - () arch;
    arm_cacheflush           -    -   -   -   -   - (Addr, Addr, Hex) arch;
    arm_set_tls              -    -   -   -   -   - (Addr) arch;
    arm_get_tls              -    -   -   -   -   - () arch;
    arm_bad_call             -    -   -   -   -   - () arch;

    // riscv64's own: the numbers from 244 belong to each architecture.
    riscv_hwprobe            -    -   -   -   -   - (Opaque("riscv64's own"), Size, Size, InWords(2), Hex) arch;
    riscv_flush_icache       -    -   -   -   -   - (Addr, Addr, Hex) arch;
}

impl Sys {
    /// The call's row.
    pub fn row(self) -> &'static Row {
        &ROWS[self.0 as usize]
    }
}

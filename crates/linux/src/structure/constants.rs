//! Constants of the kernel's ABI that differ between architectures.
//!
//! Each row has the value of include/uapi/asm-generic, which is x86-64's, and the values of the
//! families that have another. A constant that is the same everywhere has no row. So a guest adds
//! its own column, and the host another one.
//!
//! `tests/harness/tests/structures.rs` compares every constant of these headers that all have in
//! common, with a row or without one.

use super::{Family, Model, model};
use alloc::vec::Vec;
use anyarch_sys::Kept;

/// A constant: its name, its generic value, and other families' values.
pub struct Constant {
    /// Its name in the headers.
    pub name: &'static str,
    generic: u32,
    others: &'static [(Family, u32)],
}

impl Constant {
    /// The value on an architecture.
    pub const fn value(&self, model: &Model) -> u32 {
        let mut i = 0;
        while i < self.others.len() {
            if self.others[i].0 as u8 == model.family as u8 {
                return self.others[i].1;
            }
            i += 1;
        }
        self.generic
    }
}

/// Constants of one kind.
pub struct Group {
    /// How their names begin, but for a few of two underscores.
    pub prefix: &'static str,
    /// The header that defines them.
    pub header: &'static str,
    /// Those that differ.
    pub constants: &'static [Constant],
    /// They are bits of one word, and not numbers.
    pub bits: bool,
    /// Index in [`ALL`].
    index: usize,
}

/// Pairs (guest, host) that differ.
type Pairs = Kept<Vec<(u32, u32)>>;

/// They, by guest and group.
static PAIRS: [[Pairs; ALL.len()]; model::MODELS.len()] =
    [const { [const { Kept::new() }; ALL.len()] }; model::MODELS.len()];

impl Group {
    fn pairs(&self, guest: &Model) -> &'static [(u32, u32)] {
        PAIRS[guest.index as usize][self.index].get_or_make(|| self.differing(guest))
    }

    /// Pairs (guest, host) of the constants that differ.
    fn differing(&self, guest: &Model) -> Vec<(u32, u32)> {
        let pair = |c: &Constant| (c.value(guest), c.value(&model::HOST));
        self.constants.iter().map(pair).filter(|(guest, host)| guest != host).collect()
    }

    /// Whether two architectures have the same values.
    pub const fn same(&self, a: &Model, b: &Model) -> bool {
        let mut i = 0;
        while i < self.constants.len() {
            if self.constants[i].value(a) != self.constants[i].value(b) {
                return false;
            }
            i += 1;
        }
        true
    }

    /// Whether any of them differs from the host's.
    pub const fn differ(&self, guest: &Model) -> bool {
        !self.same(guest, &model::HOST)
    }

    /// For which models ([`Model::index`]) any of them differs from the host's: a bit each.
    pub const fn differs(&self) -> u16 {
        let mut models = 0;
        let mut m = 0;
        while m < model::MODELS.len() {
            if self.differ(&model::MODELS[m]) {
                models |= 1 << m;
            }
            m += 1;
        }
        models
    }

    /// The host's word or number for the guest's. Bits without a row stay as they are; a number
    /// that the host has under another meaning only becomes `None`.
    pub(crate) fn to_host(&self, guest: &Model, value: u32) -> Option<u32> {
        self.convert(self.pairs(guest).iter().copied(), value)
    }

    /// The guest's word or number for the host's; see [`Group::to_host`].
    pub fn to_guest(&self, guest: &Model, value: u32) -> Option<u32> {
        self.convert(self.pairs(guest).iter().map(|&(guest, host)| (host, guest)), value)
    }

    fn convert(&self, mut pairs: impl Iterator<Item = (u32, u32)> + Clone, value: u32) -> Option<u32> {
        if self.bits {
            let known = pairs.clone().fold(0, |known, (from, _)| known | from);
            if value & known == 0 {
                return Some(value);
            }
            let out = value & !known;
            return Some(pairs.fold(out, |out, (from, to)| if value & from != 0 { out | to } else { out }));
        }
        let taken = pairs.clone().any(|(_, to)| to == value);
        match pairs.find(|pair| pair.0 == value) {
            Some((_, to)) => Some(to),
            None => (!taken).then_some(value),
        }
    }
}

macro_rules! is_bits {
    (bits) => {
        true
    };
    (numbers) => {
        false
    };
}

macro_rules! constants {
    ($($(#[$doc:meta])* $group:ident $kind:ident $prefix:literal $header:literal {
        $($name:ident $generic:literal $([$family:ident: $value:literal])+;)*
    })*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Index { $($group),* }

        $($(#[$doc])* pub static $group: Group = Group {
            prefix: $prefix,
            header: $header,
            constants: &[$(Constant {
                name: stringify!($name),
                generic: $generic,
                others: &[$((Family::$family, $value)),+],
            }),*],
            bits: is_bits!($kind),
            index: Index::$group as usize,
        };)*

        /// Every group.
        pub static ALL: &[&Group] = &[$(&$group),*];
    };
}

constants! {
    /// Flags of open(2) and what F_GETFL tells, but the access mode.
    OPEN_FLAGS bits "O_" "asm/fcntl.h" {
        O_CREAT 0x40 [Mips: 0x100];
        O_EXCL 0x80 [Mips: 0x400];
        O_NOCTTY 0x100 [Mips: 0x800];
        O_APPEND 0x400 [Mips: 0x8];
        O_NONBLOCK 0x800 [Mips: 0x80];
        O_DSYNC 0x1000 [Mips: 0x10];
        FASYNC 0x2000 [Mips: 0x1000];
        O_DIRECT 0x4000 [Generic: 0x10000] [Arm: 0x10000] [Powerpc: 0x20000] [Mips: 0x8000];
        O_LARGEFILE 0x8000 [Generic: 0x20000] [Arm: 0x20000] [Powerpc: 0x10000] [Mips: 0x2000];
        O_DIRECTORY 0x10000 [Generic: 0x4000] [Arm: 0x4000] [Powerpc: 0x4000];
        O_NOFOLLOW 0x20000 [Generic: 0x8000] [Arm: 0x8000] [Powerpc: 0x8000];
        __O_SYNC 0x100000 [Mips: 0x4000];
    }
    /// Commands of fcntl(2).
    FCNTL_COMMANDS numbers "F_" "asm/fcntl.h" {
        F_GETLK 0x5 [Mips: 0xe];
        F_SETOWN 0x8 [Mips: 0x18];
        F_GETOWN 0x9 [Mips: 0x17];
    }
    /// Flags of mmap(2).
    MAP_FLAGS bits "MAP_" "asm/mman.h" {
        MAP_ANONYMOUS 0x20 [Mips: 0x800];
        MAP_GROWSDOWN 0x100 [Mips: 0x1000];
        MAP_DENYWRITE 0x800 [Mips: 0x2000];
        MAP_EXECUTABLE 0x1000 [Mips: 0x4000];
        MAP_LOCKED 0x2000 [Powerpc: 0x80] [Mips: 0x8000];
        MAP_NORESERVE 0x4000 [Powerpc: 0x40] [Mips: 0x400];
        MAP_POPULATE 0x8000 [Mips: 0x10000];
        MAP_NONBLOCK 0x10000 [Mips: 0x20000];
        MAP_STACK 0x20000 [Mips: 0x40000];
        MAP_HUGETLB 0x40000 [Mips: 0x80000];
    }
    /// Flags of mlockall(2).
    MLOCKALL_FLAGS bits "MCL_" "asm/mman.h" {
        MCL_CURRENT 0x1 [Powerpc: 0x2000];
        MCL_FUTURE 0x2 [Powerpc: 0x4000];
        MCL_ONFAULT 0x4 [Powerpc: 0x8000];
    }
    /// Signals.
    SIGNALS numbers "SIG" "asm/signal.h" {
        SIGBUS 0x7 [Mips: 0xa];
        SIGUSR1 0xa [Mips: 0x10];
        SIGUSR2 0xc [Mips: 0x11];
        SIGCHLD 0x11 [Mips: 0x12];
        SIGCONT 0x12 [Mips: 0x19];
        SIGSTOP 0x13 [Mips: 0x17];
        SIGTSTP 0x14 [Mips: 0x18];
        SIGTTIN 0x15 [Mips: 0x1a];
        SIGTTOU 0x16 [Mips: 0x1b];
        SIGURG 0x17 [Mips: 0x15];
        SIGXCPU 0x18 [Mips: 0x1e];
        SIGXFSZ 0x19 [Mips: 0x1f];
        SIGVTALRM 0x1a [Mips: 0x1c];
        SIGPROF 0x1b [Mips: 0x1d];
        SIGWINCH 0x1c [Mips: 0x14];
        SIGIO 0x1d [Mips: 0x16];
        SIGPWR 0x1e [Mips: 0x13];
        SIGSYS 0x1f [Mips: 0xc];
    }
    /// `sa_flags` of sigaction(2).
    SIGACTION_FLAGS bits "SA_" "asm/signal.h" {
        SA_NOCLDWAIT 0x2 [Mips: 0x10000];
        SA_SIGINFO 0x4 [Mips: 0x8];
    }
    /// What sigprocmask(2) does with a set.
    SIGPROCMASK_HOW numbers "SIG_" "asm/signal.h" {
        SIG_BLOCK 0x0 [Mips: 0x1];
        SIG_UNBLOCK 0x1 [Mips: 0x2];
        SIG_SETMASK 0x2 [Mips: 0x3];
    }
    /// Error numbers.
    ERRNOS numbers "E" "asm/errno.h" {
        EDEADLK 0x23 [Mips: 0x2d];
        ENAMETOOLONG 0x24 [Mips: 0x4e];
        ENOLCK 0x25 [Mips: 0x2e];
        ENOSYS 0x26 [Mips: 0x59];
        ENOTEMPTY 0x27 [Mips: 0x5d];
        ELOOP 0x28 [Mips: 0x5a];
        ENOMSG 0x2a [Mips: 0x23];
        EIDRM 0x2b [Mips: 0x24];
        ECHRNG 0x2c [Mips: 0x25];
        EL2NSYNC 0x2d [Mips: 0x26];
        EL3HLT 0x2e [Mips: 0x27];
        EL3RST 0x2f [Mips: 0x28];
        ELNRNG 0x30 [Mips: 0x29];
        EUNATCH 0x31 [Mips: 0x2a];
        ENOCSI 0x32 [Mips: 0x2b];
        EL2HLT 0x33 [Mips: 0x2c];
        EBADE 0x34 [Mips: 0x32];
        EBADR 0x35 [Mips: 0x33];
        EXFULL 0x36 [Mips: 0x34];
        ENOANO 0x37 [Mips: 0x35];
        EBADRQC 0x38 [Mips: 0x36];
        EBADSLT 0x39 [Mips: 0x37];
        EMULTIHOP 0x48 [Mips: 0x4a];
        EBADMSG 0x4a [Mips: 0x4d];
        EOVERFLOW 0x4b [Mips: 0x4f];
        ENOTUNIQ 0x4c [Mips: 0x50];
        EBADFD 0x4d [Mips: 0x51];
        EREMCHG 0x4e [Mips: 0x52];
        ELIBACC 0x4f [Mips: 0x53];
        ELIBBAD 0x50 [Mips: 0x54];
        ELIBSCN 0x51 [Mips: 0x55];
        ELIBMAX 0x52 [Mips: 0x56];
        ELIBEXEC 0x53 [Mips: 0x57];
        EILSEQ 0x54 [Mips: 0x58];
        ERESTART 0x55 [Mips: 0x5b];
        ESTRPIPE 0x56 [Mips: 0x5c];
        EUSERS 0x57 [Mips: 0x5e];
        ENOTSOCK 0x58 [Mips: 0x5f];
        EDESTADDRREQ 0x59 [Mips: 0x60];
        EMSGSIZE 0x5a [Mips: 0x61];
        EPROTOTYPE 0x5b [Mips: 0x62];
        ENOPROTOOPT 0x5c [Mips: 0x63];
        EPROTONOSUPPORT 0x5d [Mips: 0x78];
        ESOCKTNOSUPPORT 0x5e [Mips: 0x79];
        EOPNOTSUPP 0x5f [Mips: 0x7a];
        EPFNOSUPPORT 0x60 [Mips: 0x7b];
        EAFNOSUPPORT 0x61 [Mips: 0x7c];
        EADDRINUSE 0x62 [Mips: 0x7d];
        EADDRNOTAVAIL 0x63 [Mips: 0x7e];
        ENETDOWN 0x64 [Mips: 0x7f];
        ENETUNREACH 0x65 [Mips: 0x80];
        ENETRESET 0x66 [Mips: 0x81];
        ECONNABORTED 0x67 [Mips: 0x82];
        ECONNRESET 0x68 [Mips: 0x83];
        ENOBUFS 0x69 [Mips: 0x84];
        EISCONN 0x6a [Mips: 0x85];
        ENOTCONN 0x6b [Mips: 0x86];
        ESHUTDOWN 0x6c [Mips: 0x8f];
        ETOOMANYREFS 0x6d [Mips: 0x90];
        ETIMEDOUT 0x6e [Mips: 0x91];
        ECONNREFUSED 0x6f [Mips: 0x92];
        EHOSTDOWN 0x70 [Mips: 0x93];
        EHOSTUNREACH 0x71 [Mips: 0x94];
        EALREADY 0x72 [Mips: 0x95];
        EINPROGRESS 0x73 [Mips: 0x96];
        ESTALE 0x74 [Mips: 0x97];
        EUCLEAN 0x75 [Mips: 0x87];
        ENOTNAM 0x76 [Mips: 0x89];
        ENAVAIL 0x77 [Mips: 0x8a];
        EISNAM 0x78 [Mips: 0x8b];
        EREMOTEIO 0x79 [Mips: 0x8c];
        EDQUOT 0x7a [Mips: 0x46d];
        ENOMEDIUM 0x7b [Mips: 0x9f];
        EMEDIUMTYPE 0x7c [Mips: 0xa0];
        ECANCELED 0x7d [Mips: 0x9e];
        ENOKEY 0x7e [Mips: 0xa1];
        EKEYEXPIRED 0x7f [Mips: 0xa2];
        EKEYREVOKED 0x80 [Mips: 0xa3];
        EKEYREJECTED 0x81 [Mips: 0xa4];
        EOWNERDEAD 0x82 [Mips: 0xa5];
        ENOTRECOVERABLE 0x83 [Mips: 0xa6];
        ERFKILL 0x84 [Mips: 0xa7];
        EHWPOISON 0x85 [Mips: 0xa8];
    }
    /// Options of level SOL_SOCKET.
    SOCKET_OPTIONS numbers "SO_" "asm/socket.h" {
        SO_REUSEADDR 0x2 [Mips: 0x4];
        SO_TYPE 0x3 [Mips: 0x1008];
        SO_ERROR 0x4 [Mips: 0x1007];
        SO_DONTROUTE 0x5 [Mips: 0x10];
        SO_BROADCAST 0x6 [Mips: 0x20];
        SO_SNDBUF 0x7 [Mips: 0x1001];
        SO_RCVBUF 0x8 [Mips: 0x1002];
        SO_KEEPALIVE 0x9 [Mips: 0x8];
        SO_OOBINLINE 0xa [Mips: 0x100];
        SO_LINGER 0xd [Mips: 0x80];
        SO_REUSEPORT 0xf [Mips: 0x200];
        SO_PASSCRED 0x10 [Powerpc: 0x14] [Mips: 0x11];
        SO_PEERCRED 0x11 [Powerpc: 0x15] [Mips: 0x12];
        SO_RCVLOWAT 0x12 [Powerpc: 0x10] [Mips: 0x1004];
        SO_SNDLOWAT 0x13 [Powerpc: 0x11] [Mips: 0x1003];
        SO_RCVTIMEO_OLD 0x14 [Powerpc: 0x12] [Mips: 0x1006];
        SO_SNDTIMEO_OLD 0x15 [Powerpc: 0x13] [Mips: 0x1005];
        SO_ACCEPTCONN 0x1e [Mips: 0x1009];
        SO_PEERSEC 0x1f [Mips: 0x1e];
        SO_SNDBUFFORCE 0x20 [Mips: 0x1f];
        SO_PROTOCOL 0x26 [Mips: 0x1028];
        SO_DOMAIN 0x27 [Mips: 0x1029];
    }
    /// Levels of socket options.
    SOCKET_LEVELS numbers "SOL_" "asm/socket.h" {
        SOL_SOCKET 0x1 [Mips: 0xffff];
    }
    /// Socket types, without SOCK_CLOEXEC and SOCK_NONBLOCK.
    SOCKET_TYPES numbers "SOCK_" "sys/socket.h" {
        SOCK_STREAM 0x1 [Mips: 0x2];
        SOCK_DGRAM 0x2 [Mips: 0x1];
    }
    /// Flags beside a socket type.
    SOCKET_FLAGS bits "SOCK_" "sys/socket.h" {
        SOCK_NONBLOCK 0x800 [Mips: 0x80];
    }
    /// Resources of setrlimit(2).
    RLIMITS numbers "RLIMIT_" "asm/resource.h" {
        RLIMIT_RSS 0x5 [Mips: 0x7];
        RLIMIT_NPROC 0x6 [Mips: 0x8];
        RLIMIT_NOFILE 0x7 [Mips: 0x5];
        RLIMIT_MEMLOCK 0x8 [Mips: 0x9];
        RLIMIT_AS 0x9 [Mips: 0x6];
    }
    /// Input modes.
    TERMIOS_IFLAGS bits "IUCLC" "asm/termbits.h" {
        IUCLC 0x200 [Powerpc: 0x1000];
        IXON 0x400 [Powerpc: 0x200];
        IXOFF 0x1000 [Powerpc: 0x400];
    }
    /// Output modes. Delays of several bits are given bit by bit.
    TERMIOS_OFLAGS bits "OLCUC" "asm/termbits.h" {
        OLCUC 0x2 [Powerpc: 0x4];
        ONLCR 0x4 [Powerpc: 0x2];
        CR1 0x200 [Powerpc: 0x1000];
        CR2 0x400 [Powerpc: 0x2000];
        TAB1 0x800 [Powerpc: 0x400];
        TAB2 0x1000 [Powerpc: 0x800];
        BS1 0x2000 [Powerpc: 0x8000];
        VT1 0x4000 [Powerpc: 0x10000];
        FF1 0x8000 [Powerpc: 0x4000];
    }
    /// Control modes, but the speeds. The size of characters is given bit by bit.
    TERMIOS_CFLAGS bits "CREAD" "asm/termbits.h" {
        CS6 0x10 [Powerpc: 0x100];
        CS7 0x20 [Powerpc: 0x200];
        CSTOPB 0x40 [Powerpc: 0x400];
        CREAD 0x80 [Powerpc: 0x800];
        PARENB 0x100 [Powerpc: 0x1000];
        PARODD 0x200 [Powerpc: 0x2000];
        HUPCL 0x400 [Powerpc: 0x4000];
        CLOCAL 0x800 [Powerpc: 0x8000];
    }
    /// Local modes.
    TERMIOS_LFLAGS bits "ECHONL" "asm/termbits.h" {
        ISIG 0x1 [Powerpc: 0x80];
        ICANON 0x2 [Powerpc: 0x100];
        XCASE 0x4 [Powerpc: 0x4000];
        ECHOE 0x10 [Powerpc: 0x2];
        ECHOK 0x20 [Powerpc: 0x4];
        ECHONL 0x40 [Powerpc: 0x10];
        NOFLSH 0x80 [Powerpc: 0x80000000];
        TOSTOP 0x100 [Powerpc: 0x400000] [Mips: 0x8000];
        ECHOCTL 0x200 [Powerpc: 0x40];
        ECHOPRT 0x400 [Powerpc: 0x20];
        ECHOKE 0x800 [Powerpc: 0x1];
        FLUSHO 0x1000 [Powerpc: 0x800000] [Mips: 0x2000];
        PENDIN 0x4000 [Powerpc: 0x20000000];
        IEXTEN 0x8000 [Powerpc: 0x400] [Mips: 0x100];
        EXTPROC 0x10000 [Powerpc: 0x10000000];
    }
    /// Indices of control characters.
    TERMIOS_CC numbers "VINTR" "asm/termbits.h" {
        VEOF 0x4 [Mips: 0x10];
        VTIME 0x5 [Powerpc: 0x7];
        VMIN 0x6 [Powerpc: 0x5] [Mips: 0x4];
        VSWTC 0x7 [Powerpc: 0x9];
        VSTART 0x8 [Powerpc: 0xd];
        VSTOP 0x9 [Powerpc: 0xe];
        VSUSP 0xa [Powerpc: 0xc];
        VEOL 0xb [Powerpc: 0x6] [Mips: 0x11];
        VREPRINT 0xc [Powerpc: 0xb];
        VDISCARD 0xd [Powerpc: 0x10];
        VWERASE 0xe [Powerpc: 0xa];
        VEOL2 0x10 [Powerpc: 0x8] [Mips: 0x6];
    }
    /// Events of poll(2).
    POLL_EVENTS bits "POLL" "asm/poll.h" {
        POLLWRNORM 0x100 [Mips: 0x4];
        POLLWRBAND 0x200 [Mips: 0x100];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(group: &Group, guest: &Model, value: u32) -> (Option<u32>, Option<u32>) {
        let pairs = group.differing(guest);
        let host = group.convert(pairs.iter().copied(), value);
        let back = pairs.iter().map(|&(guest, host)| (host, guest));
        (host, host.and_then(|host| group.convert(back, host)))
    }

    #[test]
    fn open_flags_of_arm64() {
        for (guest, host) in [
            (0o2, 0o2),
            (0o40000, 0o200000),
            (0o100000, 0o400000),
            (0o200000, 0o40000),
            (0o400000, 0o100000),
            (0o2000000 | 0o40000 | 0o400000, 0o2000000 | 0o200000 | 0o100000),
            (0o20040000, 0o20200000),
        ] {
            let got = there_and_back(&OPEN_FLAGS, &model::AARCH64, guest);
            assert_eq!(got, (Some(host), Some(guest)), "{guest:o}");
        }
    }

    #[test]
    fn what_the_host_knows_comes_back() {
        for group in ALL {
            for guest in &model::MODELS {
                for constant in group.constants {
                    let (value, host) = (constant.value(guest), constant.value(&model::HOST));
                    let got = there_and_back(group, guest, value);
                    assert_eq!(got, (Some(host), Some(value)), "{} of {}", constant.name, guest.name);
                }
            }
        }
    }

    #[test]
    fn a_number_without_a_counterpart_is_told() {
        // SIGEMT of MIPS has the number of the host's SIGBUS.
        assert_eq!(there_and_back(&SIGNALS, &model::MIPS64EL, 7).0, None);
        assert_eq!(there_and_back(&SIGNALS, &model::MIPS64EL, 9), (Some(9), Some(9)));
    }
}

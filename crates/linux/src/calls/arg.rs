//! What the arguments of calls are, and how they come out of a guest's registers.
//!
//! A row has one line for all guests: a 32-bit guest passes a number of 64 bits in two registers,
//! an even and the next one where its ABI says so, in the order of its bytes. (The halves of an
//! offset that [`Arg::Low`] and [`Arg::High`] name are in one order everywhere: preadv(2).) Other
//! arguments have a register each, and are extended to the host's width by their types.

use crate::structure::Struct;
use crate::structure::model::{ByteOrder, Model};

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
    /// File offset as a `long`.
    Off,
    /// File offset or another number of 64 bits, in two registers of a 32-bit guest.
    Loff,
    /// File offset, or its lower half in a register of a 32-bit guest; [`Arg::High`] follows.
    Low,
    /// The upper half of a file offset of a 32-bit guest. (Of no meaning for others.)
    High,
    /// File offset in units of 4096 bytes.
    Pages,
    /// File descriptor.
    Fd,
    /// File descriptor of a directory, or AT_FDCWD.
    DirFd,
    /// Address of memory that is mapped, locked, waited on or otherwise handled as memory.
    Addr,
    /// Address of something that no row of the structure table describes, and why.
    Opaque(&'static str),
    /// Address of this structure or another, as a command says: the handler's part where layouts
    /// differ.
    Chosen(&'static Struct),
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
    /// Address of bits in an array of `unsigned long` that the call reads: as many bytes as the
    /// argument of this index says.
    InWords(usize),
    /// The same, which the call fills; it returns how many bytes.
    OutWords(usize),
    /// Address of bits in an array of `unsigned long` that the call reads: as many bits as the
    /// argument of this index says.
    InBits(usize),
    /// The same, which the call fills.
    OutBits(usize),
    /// Address of an `fd_set`, which the call reads and changes: as many bits as the first argument
    /// says.
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
    /// MCL_* flags.
    LockFlags,
    /// SEEK_*.
    Whence,
    /// Signal number.
    Signal,
    /// Address of a signal set that the call reads.
    SigSet,
    /// Bytes of the signal sets of a call.
    SigSize,
    /// SIG_BLOCK and its kin.
    SigHow,
    /// Process or thread.
    Pid,
    /// User or group.
    Uid,
    /// User or group in 16 bits; all ones stand for none.
    Id16,
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

    /// Whether a 32-bit guest's is more than the number in one register.
    const fn widens(&self) -> bool {
        matches!(self, Arg::Off | Arg::Loff | Arg::High | Arg::Pages | Arg::Int | Arg::Id16)
    }
}

/// Whether any of a call's arguments is more than the number in one register of a 32-bit guest.
pub(super) const fn widens(args: &[Arg]) -> bool {
    let mut i = 0;
    while i < args.len() {
        if args[i].widens() {
            return true;
        }
        i += 1;
    }
    false
}

/// The arguments of a call as the host takes them, out of a 32-bit guest's registers, whose upper
/// halves are of no meaning.
pub(crate) fn widened(args: &[Arg], guest: &Model, registers: &[u64; 6]) -> [u64; 6] {
    let registers = registers.map(|r| r as u32);
    let register = |i: usize| registers.get(i).copied().unwrap_or(0);
    let signed = |value: u32| value as i32 as u64;
    let mut out = [0; 6];
    let mut next = 0;
    for (i, arg) in args.iter().enumerate() {
        if matches!(arg, Arg::Loff) {
            next += if guest.even_pairs { next % 2 } else { 0 };
            let (first, second) = (register(next) as u64, register(next + 1) as u64);
            out[i] = match guest.order {
                ByteOrder::Little => first | second << 32,
                ByteOrder::Big => first << 32 | second,
            };
            next += 2;
            continue;
        }
        let value = register(next);
        next += 1;
        out[i] = match arg {
            Arg::Int | Arg::Off => signed(value),
            // No user or group at all is all ones in either width.
            Arg::Id16 if value as u16 == u16::MAX => u32::MAX as u64,
            Arg::Id16 => value as u16 as u64,
            Arg::Pages => (value as u64) << 12,
            Arg::High => {
                out[i - 1] |= (value as u64) << 32;
                0
            }
            _ => value as u64,
        };
    }
    // What no type tells: the filters of seccomp see all six.
    for (i, value) in registers.iter().enumerate().skip(next) {
        if i >= args.len() {
            out[i] = *value as u64;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::table::Sys;
    use crate::structure::model;

    const R: [u64; 6] = [0x10, 0x11, 0x12, 0x13, 0x14, 0x15];

    fn args(sys: Sys, guest: &Model, registers: [u64; 6]) -> [u64; 6] {
        widened(sys.row().args, guest, &registers)
    }

    #[test]
    fn pairs_of_registers() {
        let i386 = Model { name: "i386", even_pairs: false, align64: 4, ..model::ARM };
        for (sys, guest, want) in [
            // pread64: the third register is left out where pairs are even.
            (Sys::pread64, model::ARM, [0x10, 0x11, 0x12, 0x15_0000_0014, 0, 0]),
            (Sys::pread64, model::ARMEB, [0x10, 0x11, 0x12, 0x14_0000_0015, 0, 0]),
            (Sys::pread64, i386, [0x10, 0x11, 0x12, 0x14_0000_0013, 0x14, 0x15]),
            (Sys::truncate64, model::ARM, [0x10, 0x13_0000_0012, 0x12, 0x13, 0x14, 0x15]),
            (Sys::ftruncate64, model::ARMEB, [0x10, 0x12_0000_0013, 0x12, 0x13, 0x14, 0x15]),
            (Sys::fallocate, model::ARM, [0x10, 0x11, 0x13_0000_0012, 0x15_0000_0014, 0x14, 0x15]),
            (Sys::sync_file_range2, model::ARM, [0x10, 0x11, 0x13_0000_0012, 0x15_0000_0014, 0x14, 0x15]),
            (Sys::arm_fadvise64_64, model::ARMEB, [0x10, 0x11, 0x12_0000_0013, 0x14_0000_0015, 0x14, 0x15]),
            (Sys::readahead, model::ARM, [0x10, 0x13_0000_0012, 0x14, 0x13, 0x14, 0x15]),
            (Sys::lookup_dcookie, model::ARM, [0x11_0000_0010, 0x12, 0x13, 0x13, 0x14, 0x15]),
            (Sys::fanotify_mark, model::ARM, [0x10, 0x11, 0x13_0000_0012, 0x14, 0x15, 0x15]),
            // Halves in one order.
            (Sys::preadv, model::ARM, [0x10, 0x11, 0x12, 0x14_0000_0013, 0, 0x15]),
            (Sys::preadv2, model::ARMEB, [0x10, 0x11, 0x12, 0x14_0000_0013, 0, 0x15]),
            (Sys::mmap2, model::ARM, [0x10, 0x11, 0x12, 0x13, 0x14, 0x15000]),
        ] {
            let got = args(sys, &guest, R);
            let typed = sys.row().args.len();
            assert_eq!(got[..typed], want[..typed], "{} of {}", sys.row().name, guest.name);
        }
    }

    #[test]
    fn numbers_are_extended_by_their_types() {
        let junk = 0xdead_beef_0000_0000;
        let minus = junk | 0xffff_ffff;
        assert_eq!(args(Sys::lseek32, &model::ARM, [junk | 3, minus, 0, 0, 0, 0])[..2], [3, u64::MAX]);
        assert_eq!(
            args(Sys::read, &model::ARM, [junk | 3, minus, minus, 0, 0, 0])[..3],
            [3, 0xffff_ffff, 0xffff_ffff]
        );
        assert_eq!(args(Sys::getpriority, &model::ARM, [minus, minus, 0, 0, 0, 0])[..2], [u64::MAX; 2]);
        assert_eq!(
            args(Sys::chown16, &model::ARM, [junk | 9, 0xffff, 0x1_0001, 0, 0, 0])[..3],
            [9, 0xffff_ffff, 1]
        );
    }

    #[test]
    fn no_call_needs_more_registers_than_there_are() {
        for row in crate::calls::table::ROWS.iter().filter(|row| row.widens) {
            let mut next = 0;
            for arg in row.args {
                let pair = matches!(arg, Arg::Loff);
                next += if pair { next % 2 + 2 } else { 1 };
            }
            // Only calls that arm has not, or has in another order of the arguments.
            let other = ["sync_file_range", "fadvise64"].contains(&row.name);
            assert!(next <= 6 || other, "{}", row.name);
        }
    }
}

//! ioctl: a row for each request, with its number, what its argument is, and which way it goes.
//!
//! A number is written as the kernel's headers write it, so that it follows for every architecture
//! from that one's encoding and structure sizes (`asm/ioctl.h`). A request whose number and
//! structures are the host's own goes to the host's kernel untouched, as does a request without a
//! row: a driver that is not listed agrees between architectures of one width and byte order. What
//! differs for this process's guest is collected at the first ioctl.

use crate::calls::dispatch::host_call;
use crate::calls::table::Arg;
use crate::structure::call::Argument;
use crate::structure::{Direction, Family, Model, Plan, Struct, call, model, rows};
use crate::task::Task;
use alloc::vec;
use alloc::vec::Vec;
use anyarch_sys::raw::general::{__NR_getsockopt, __NR_ioctl};
use anyarch_sys::{Errno, Kept, SysResult, args6, read_bytes, write_bytes};

/// How a request's number is made (include/uapi/asm-generic/ioctl.h).
#[derive(Clone, Copy, Debug)]
pub enum Number {
    /// A number by itself.
    Plain(u32),
    /// `_IO(type, nr)`.
    None(u8, u8),
    /// `_IOR(type, nr, structure)`: the kernel writes it.
    Read(u8, u8, &'static Struct),
    /// `_IOW(type, nr, structure)`: the kernel reads it.
    Write(u8, u8, &'static Struct),
    /// `_IOWR(type, nr, structure)`.
    Both(u8, u8, &'static Struct),
    /// The architecture has no such request.
    Absent,
}

impl Number {
    /// The number on an architecture, if it has one.
    pub const fn value(&self, model: &Model) -> Option<u32> {
        // asm/ioctl.h of MIPS and Power: three bits of direction, of which none is one.
        let three = matches!(model.family, Family::Mips | Family::Powerpc);
        let (none, read, write, shift) = if three { (1, 2, 4, 29) } else { (0, 2, 1, 30) };
        let (direction, kind, nr, size) = match self {
            Number::Absent => return None,
            Number::Plain(number) => return Some(*number),
            Number::None(kind, nr) => (none, *kind, *nr, 0),
            Number::Read(kind, nr, of) => (read, *kind, *nr, of.size(model)),
            Number::Write(kind, nr, of) => (write, *kind, *nr, of.size(model)),
            Number::Both(kind, nr, of) => (read | write, *kind, *nr, of.size(model)),
        };
        Some(direction << shift | (size as u32) << 16 | (kind as u32) << 8 | nr as u32)
    }
}

/// What happens to a request.
#[derive(Clone, Copy)]
pub enum Kind {
    /// The host's kernel does it; its argument is converted where layouts differ.
    Passthrough,
    /// Has a handler, which gets the host's number of the request. It is asked where layouts
    /// differ; always, if the argument is a number.
    Handler(fn(&mut Task, u32, [u64; 6]) -> SysResult),
}

/// A request.
pub struct Row {
    /// Its name in the headers.
    pub name: &'static str,
    /// The header that defines it.
    pub header: &'static str,
    /// Its number, by family; the last, without one, is for all others.
    pub numbers: &'static [(Option<Family>, Number)],
    /// The argument: [`Arg::Int`] is a number or nothing.
    pub arg: Arg,
    /// What happens to it.
    pub kind: Kind,
    /// For which guests' models its number, a structure or the meaning differs from the host's: a
    /// bit for each [`Model::index`].
    differs: u16,
}

impl Row {
    const fn new(
        name: &'static str,
        header: &'static str,
        numbers: &'static [(Option<Family>, Number)],
        arg: Arg,
        kind: Kind,
    ) -> Row {
        let handled = if matches!((arg, kind), (Arg::Int, Kind::Handler(_))) { u16::MAX } else { 0 };
        let mut row = Row { name, header, numbers, arg, kind, differs: call::differs(&[arg]) | handled };
        let mut m = 0;
        while m < model::MODELS.len() {
            match (row.number(&model::MODELS[m]), row.number(&model::HOST)) {
                (Some(theirs), Some(ours)) if theirs == ours => {}
                (None, None) => {}
                _ => row.differs |= 1 << m,
            }
            m += 1;
        }
        row
    }

    /// The number on an architecture, if it has one.
    pub const fn number(&self, model: &Model) -> Option<u32> {
        let mut i = 0;
        while i < self.numbers.len() {
            match self.numbers[i].0 {
                Some(family) if family as u8 != model.family as u8 => i += 1,
                _ => return self.numbers[i].1.value(model),
            }
        }
        panic!("a request without a number for this architecture")
    }
}

macro_rules! number {
    (absent) => {
        Number::Absent
    };
    ($number:literal) => {
        Number::Plain($number)
    };
    (io $kind:literal $nr:literal) => {
        Number::None($kind, $nr)
    };
    (ior $kind:literal $nr:literal $of:ident) => {
        Number::Read($kind, $nr, &rows::$of)
    };
    (iow $kind:literal $nr:literal $of:ident) => {
        Number::Write($kind, $nr, &rows::$of)
    };
    (iowr $kind:literal $nr:literal $of:ident) => {
        Number::Both($kind, $nr, &rows::$of)
    };
}

macro_rules! kind {
    () => {
        Kind::Passthrough
    };
    ($handler:ident) => {
        Kind::Handler($handler)
    };
}

macro_rules! arg {
    (Int) => {
        Arg::Int
    };
    (Opaque $reason:literal) => {
        Arg::Opaque($reason)
    };
    ($way:ident $of:ident) => {
        Arg::$way(&rows::$of)
    };
}

macro_rules! ioctls {
    ($($header:literal {
        $($name:ident $([$family:ident: $($other:tt)+])* ($($all:tt)+) $way:ident $(($($of:tt)*))? $(=> $handler:ident)?;)*
    })*) => {
        /// The requests that are known.
        pub static ROWS: &[Row] = &[$($(Row::new(
            stringify!($name),
            $header,
            &[
                $((Some(Family::$family), number!($($other)+)),)*
                (None, number!($($all)+)),
            ],
            arg!($way $($($of)*)?),
            kind!($($handler)?),
        )),*),*];
    };
}

// A row: name, numbers of families that have one of their own, the others' number, the argument.
ioctls! {
    "asm/termios.h" {
        TCGETS [Mips: 0x540d] [Powerpc: ior b't' 19 termios] (0x5401) Out(termios);
        TCSETS [Mips: 0x540e] [Powerpc: iow b't' 20 termios] (0x5402) In(termios);
        TCSETSW [Mips: 0x540f] [Powerpc: iow b't' 21 termios] (0x5403) In(termios);
        TCSETSF [Mips: 0x5410] [Powerpc: iow b't' 22 termios] (0x5404) In(termios);
        TCGETA [Mips: 0x5401] [Powerpc: ior b't' 23 termio] (0x5405) Out(termio);
        TCSETA [Mips: 0x5402] [Powerpc: iow b't' 24 termio] (0x5406) In(termio);
        TCSETAW [Mips: 0x5403] [Powerpc: iow b't' 25 termio] (0x5407) In(termio);
        TCSETAF [Mips: 0x5404] [Powerpc: iow b't' 28 termio] (0x5408) In(termio);
        TCSBRK [Mips: 0x5405] [Powerpc: io b't' 29] (0x5409) Int;
        TCXONC [Mips: 0x5406] [Powerpc: io b't' 30] (0x540a) Int;
        TCFLSH [Mips: 0x5407] [Powerpc: io b't' 31] (0x540b) Int;
        TIOCEXCL [Mips: 0x740d] (0x540c) Int;
        TIOCNXCL [Mips: 0x740e] (0x540d) Int;
        TIOCSCTTY [Mips: 0x5480] (0x540e) Int;
        TIOCGPGRP [Mips: ior b't' 119 an_int] [Powerpc: ior b't' 119 an_int] (0x540f) Out(an_int);
        TIOCSPGRP [Mips: iow b't' 118 an_int] [Powerpc: iow b't' 118 an_int] (0x5410) In(an_int);
        TIOCOUTQ [Mips: 0x7472] [Powerpc: ior b't' 115 an_int] (0x5411) Out(an_int);
        TIOCSTI [Mips: 0x5472] (0x5412) In(a_char);
        TIOCGWINSZ [Mips: ior b't' 104 winsize] [Powerpc: ior b't' 104 winsize] (0x5413) Out(winsize);
        TIOCSWINSZ [Mips: iow b't' 103 winsize] [Powerpc: iow b't' 103 winsize] (0x5414) In(winsize);
        TIOCMGET [Mips: 0x741d] (0x5415) Out(an_int);
        TIOCMBIS [Mips: 0x741b] (0x5416) In(an_int);
        TIOCMBIC [Mips: 0x741c] (0x5417) In(an_int);
        TIOCMSET [Mips: 0x741a] (0x5418) In(an_int);
        TIOCGSERIAL [Mips: 0x5484] (0x541e) Out(serial_struct);
        TIOCSSERIAL [Mips: 0x5485] (0x541f) In(serial_struct);
        TIOCGSOFTCAR [Mips: 0x5481] (0x5419) Out(an_int);
        TIOCSSOFTCAR [Mips: 0x5482] (0x541a) In(an_int);
        FIONREAD [Mips: 0x467f] [Powerpc: ior b'f' 127 an_int] (0x541b) Out(an_int);
        TIOCLINUX [Mips: 0x5483] (0x541c) Opaque("its first byte says what follows, all characters");
        TIOCCONS [Mips: iow b't' 120 an_int] (0x541d) Int;
        TIOCPKT [Mips: 0x5470] (0x5420) In(an_int);
        FIONBIO [Mips: 0x667e] [Powerpc: iow b'f' 126 an_int] (0x5421) In(an_int);
        TIOCNOTTY [Mips: 0x5471] (0x5422) Int;
        TIOCSETD [Mips: 0x7401] (0x5423) In(an_int);
        TIOCGETD [Mips: 0x7400] (0x5424) Out(an_int);
        TCSBRKP [Mips: 0x5486] (0x5425) Int;
        TIOCSBRK (0x5427) Int;
        TIOCCBRK (0x5428) Int;
        TIOCGSID [Mips: 0x7416] (0x5429) Out(an_int);
        TCGETS2 [Powerpc: absent] (ior b'T' 0x2a termios2) Out(termios2);
        TCSETS2 [Powerpc: absent] (iow b'T' 0x2b termios2) In(termios2);
        TCSETSW2 [Powerpc: absent] (iow b'T' 0x2c termios2) In(termios2);
        TCSETSF2 [Powerpc: absent] (iow b'T' 0x2d termios2) In(termios2);
        TIOCGRS485 [Mips: ior b'T' 0x2e serial_rs485] (0x542e) Out(serial_rs485);
        TIOCSRS485 [Mips: iowr b'T' 0x2f serial_rs485] (0x542f) InOut(serial_rs485);
        TIOCGPTN (ior b'T' 0x30 a_uint) Out(a_uint);
        TIOCSPTLCK (iow b'T' 0x31 an_int) In(an_int);
        TIOCGDEV (ior b'T' 0x32 a_uint) Out(a_uint);
        TIOCSIG (iow b'T' 0x36 an_int) Int;
        TIOCVHANGUP (0x5437) Int;
        TIOCGPKT (ior b'T' 0x38 an_int) Out(an_int);
        TIOCGPTLCK (ior b'T' 0x39 an_int) Out(an_int);
        TIOCGEXCL (ior b'T' 0x40 an_int) Out(an_int);
        TIOCGPTPEER (io b'T' 0x41) Int => tiocgptpeer;
        TIOCGISO7816 (ior b'T' 0x42 serial_iso7816) Out(serial_iso7816);
        TIOCSISO7816 (iowr b'T' 0x43 serial_iso7816) InOut(serial_iso7816);
        FIONCLEX [Mips: 0x6602] [Powerpc: io b'f' 2] (0x5450) Int;
        FIOCLEX [Mips: 0x6601] [Powerpc: io b'f' 1] (0x5451) Int;
        FIOASYNC [Mips: 0x667d] [Powerpc: iow b'f' 125 an_int] (0x5452) In(an_int);
        TIOCSERCONFIG [Mips: 0x5488] (0x5453) Int;
        TIOCGLCKTRMIOS [Mips: 0x548b] (0x5456) Out(termios);
        TIOCSLCKTRMIOS [Mips: 0x548c] (0x5457) In(termios);
        TIOCSERGETLSR [Mips: 0x548e] (0x5459) Out(a_uint);
        TIOCMIWAIT [Mips: 0x5491] (0x545c) Int;
        TIOCGICOUNT [Mips: 0x5492] (0x545d) Out(serial_icounter_struct);
        FIOQSIZE [Mips: 0x667f] [Arm: 0x545e] [S390: 0x545e] [Powerpc: ior b'f' 128 loff] (0x5460) Out(loff);
    }
    "linux/perf_event.h" {
        PERF_EVENT_IOC_SET_FILTER (iow b'$' 6 a_pointer) Opaque("text");
        PERF_EVENT_IOC_ID (ior b'$' 7 a_pointer) Out(a_u64);
        PERF_EVENT_IOC_QUERY_BPF (iowr b'$' 10 a_pointer) Opaque("an array follows; all members have fixed widths");
        PERF_EVENT_IOC_MODIFY_ATTRIBUTES (iow b'$' 11 a_pointer) Opaque("its length is told by a member; all members have fixed widths");
    }
    "linux/fs.h" {
        BLKROSET (io 0x12 93) In(an_int);
        BLKROGET (io 0x12 94) Out(an_int);
        BLKRRPART (io 0x12 95) Int;
        BLKGETSIZE (io 0x12 96) Out(a_ulong);
        BLKFLSBUF (io 0x12 97) Int;
        BLKRASET (io 0x12 98) Int;
        BLKRAGET (io 0x12 99) Out(a_long);
        BLKFRASET (io 0x12 100) Int;
        BLKFRAGET (io 0x12 101) Out(a_long);
        BLKSECTGET (io 0x12 103) Out(a_ushort);
        BLKSSZGET (io 0x12 104) Out(an_int);
        BLKBSZGET (ior 0x12 112 a_ulong) Out(an_int);
        BLKBSZSET (iow 0x12 113 a_ulong) In(an_int);
        BLKGETSIZE64 (ior 0x12 114 a_ulong) Out(a_u64);
        BLKDISCARD (io 0x12 119) In(two_u64s);
        BLKIOMIN (io 0x12 120) Out(a_uint);
        BLKIOOPT (io 0x12 121) Out(a_uint);
        BLKALIGNOFF (io 0x12 122) Out(an_int);
        BLKPBSZGET (io 0x12 123) Out(a_uint);
        BLKDISCARDZEROES (io 0x12 124) Out(a_uint);
        BLKSECDISCARD (io 0x12 125) In(two_u64s);
        BLKROTATIONAL (io 0x12 126) Out(a_ushort);
        BLKZEROOUT (io 0x12 127) In(two_u64s);
        BLKGETDISKSEQ (ior 0x12 128 a_u64) Out(a_u64);
        FIBMAP (io 0 1) InOut(an_int);
        FIGETBSZ (io 0 2) Out(an_int);
        FIFREEZE (iowr b'X' 119 an_int) Int;
        FITHAW (iowr b'X' 120 an_int) Int;
        FITRIM (iowr b'X' 121 fstrim_range) InOut(fstrim_range);
        FICLONE (iow 0x94 9 an_int) Int;
        FICLONERANGE (iow 0x94 13 file_clone_range) In(file_clone_range);
        FIDEDUPERANGE (iowr 0x94 54 file_dedupe_range) Opaque("an array follows; all members have fixed widths");
        FS_IOC_GETFLAGS (ior b'f' 1 a_long) Out(an_int);
        FS_IOC_SETFLAGS (iow b'f' 2 a_long) In(an_int);
        FS_IOC_GETVERSION (ior b'v' 1 a_long) Out(an_int);
        FS_IOC_SETVERSION (iow b'v' 2 a_long) In(an_int);
        FS_IOC_FIEMAP (iowr b'f' 11 fiemap) Opaque("an array follows; all members have fixed widths");
        FS_IOC_FSGETXATTR (ior b'X' 31 fsxattr) Out(fsxattr);
        FS_IOC_FSSETXATTR (iow b'X' 32 fsxattr) In(fsxattr);
        FS_IOC_GETFSLABEL (ior 0x94 49 label) Out(label);
        FS_IOC_SETFSLABEL (iow 0x94 50 label) In(label);
    }
    "linux/fsverity.h" {
        FS_IOC_ENABLE_VERITY (iow b'f' 133 fsverity_enable_arg) In(fsverity_enable_arg);
        FS_IOC_MEASURE_VERITY (iowr b'f' 134 fsverity_digest) Opaque("bytes follow, as many as it says");
        FS_IOC_READ_VERITY_METADATA (iowr b'f' 135 fsverity_read_metadata_arg) In(fsverity_read_metadata_arg);
    }
    "linux/blkpg.h" {
        BLKPG (io 0x12 105) In(blkpg_ioctl_arg);
    }
    "linux/blkzoned.h" {
        BLKREPORTZONE (iowr 0x12 130 blk_zone_report) Opaque("an array follows; all members have fixed widths");
        BLKRESETZONE (iow 0x12 131 blk_zone_range) In(blk_zone_range);
        BLKGETZONESZ (ior 0x12 132 a_uint) Out(a_uint);
        BLKGETNRZONES (ior 0x12 133 a_uint) Out(a_uint);
        BLKOPENZONE (iow 0x12 134 blk_zone_range) In(blk_zone_range);
        BLKCLOSEZONE (iow 0x12 135 blk_zone_range) In(blk_zone_range);
        BLKFINISHZONE (iow 0x12 136 blk_zone_range) In(blk_zone_range);
    }
    "linux/hdreg.h" {
        HDIO_GETGEO (0x0301) Out(hd_geometry);
        HDIO_GET_32BIT (0x0309) Out(a_ulong);
    }
    "scsi/sg.h" {
        SG_IO (0x2285) InOut(sg_io_hdr) => sg_io;
        SG_GET_REQUEST_TABLE (0x2286) Out(sg_req_infos);
    }
    "linux/ppp-ioctl.h" {
        PPPIOCGFLAGS (ior b't' 90 an_int) Out(an_int);
        PPPIOCSFLAGS (iow b't' 89 an_int) In(an_int);
        PPPIOCGASYNCMAP (ior b't' 88 an_int) Out(an_int);
        PPPIOCSASYNCMAP (iow b't' 87 an_int) In(an_int);
        PPPIOCGUNIT (ior b't' 86 an_int) Out(an_int);
        PPPIOCGRASYNCMAP (ior b't' 85 an_int) Out(an_int);
        PPPIOCSRASYNCMAP (iow b't' 84 an_int) In(an_int);
        PPPIOCGMRU (ior b't' 83 an_int) Out(an_int);
        PPPIOCSMRU (iow b't' 82 an_int) In(an_int);
        PPPIOCSMAXCID (iow b't' 81 an_int) In(an_int);
        PPPIOCGXASYNCMAP (ior b't' 80 ext_accm) Out(ext_accm);
        PPPIOCSXASYNCMAP (iow b't' 79 ext_accm) In(ext_accm);
        PPPIOCXFERUNIT (io b't' 78) Int;
        PPPIOCSCOMPRESS (iow b't' 77 ppp_option_data) In(ppp_option_data);
        PPPIOCGNPMODE (iowr b't' 76 npioctl) InOut(npioctl);
        PPPIOCSNPMODE (iow b't' 75 npioctl) In(npioctl);
        PPPIOCSPASS (iow b't' 71 sock_fprog) In(sock_fprog);
        PPPIOCSACTIVE (iow b't' 70 sock_fprog) In(sock_fprog);
        PPPIOCGDEBUG (ior b't' 65 an_int) Out(an_int);
        PPPIOCSDEBUG (iow b't' 64 an_int) In(an_int);
        PPPIOCGIDLE (ior b't' 63 ppp_idle) Out(ppp_idle);
        PPPIOCNEWUNIT (iowr b't' 62 an_int) InOut(an_int);
        PPPIOCATTACH (iow b't' 61 an_int) In(an_int);
        PPPIOCDETACH (iow b't' 60 an_int) In(an_int);
        PPPIOCSMRRU (iow b't' 59 an_int) In(an_int);
        PPPIOCCONNECT (iow b't' 58 an_int) In(an_int);
        PPPIOCDISCONN (io b't' 57) Int;
        PPPIOCATTCHAN (iow b't' 56 an_int) In(an_int);
        PPPIOCGCHAN (ior b't' 55 an_int) Out(an_int);
    }
    "linux/rtc.h" {
        RTC_ALM_SET (iow b'p' 0x07 rtc_time) In(rtc_time);
        RTC_ALM_READ (ior b'p' 0x08 rtc_time) Out(rtc_time);
        RTC_RD_TIME (ior b'p' 0x09 rtc_time) Out(rtc_time);
        RTC_SET_TIME (iow b'p' 0x0a rtc_time) In(rtc_time);
        RTC_IRQP_READ (ior b'p' 0x0b a_ulong) Out(a_ulong);
        RTC_IRQP_SET (iow b'p' 0x0c a_ulong) Int;
        RTC_EPOCH_READ (ior b'p' 0x0d a_ulong) Out(a_ulong);
        RTC_EPOCH_SET (iow b'p' 0x0e a_ulong) Int;
        RTC_WKALM_SET (iow b'p' 0x0f rtc_wkalrm) In(rtc_wkalrm);
        RTC_WKALM_RD (ior b'p' 0x10 rtc_wkalrm) Out(rtc_wkalrm);
        RTC_PLL_GET (ior b'p' 0x11 rtc_pll_info) Out(rtc_pll_info);
        RTC_PLL_SET (iow b'p' 0x12 rtc_pll_info) In(rtc_pll_info);
        RTC_PARAM_GET (iow b'p' 0x13 rtc_param) InOut(rtc_param);
        RTC_PARAM_SET (iow b'p' 0x14 rtc_param) In(rtc_param);
        RTC_VL_READ (ior b'p' 0x13 a_uint) Out(a_uint);
    }
    "linux/kd.h" {
        GIO_UNIMAP (0x4b66) InOut(unimapdesc);
        PIO_UNIMAP (0x4b67) In(unimapdesc);
        GIO_FONTX (0x4b6b) InOut(consolefontdesc);
        PIO_FONTX (0x4b6c) In(consolefontdesc);
        KDFONTOP (0x4b72) InOut(console_font_op);
    }
    "linux/loop.h" {
        LOOP_SET_FD (0x4c00) Int;
        LOOP_CLR_FD (0x4c01) Int;
        LOOP_SET_STATUS (0x4c02) In(loop_info);
        LOOP_GET_STATUS (0x4c03) Out(loop_info);
        LOOP_SET_STATUS64 (0x4c04) In(loop_info64);
        LOOP_GET_STATUS64 (0x4c05) Out(loop_info64);
        LOOP_CHANGE_FD (0x4c06) Int;
        LOOP_SET_CAPACITY (0x4c07) Int;
        LOOP_SET_DIRECT_IO (0x4c08) Int;
        LOOP_SET_BLOCK_SIZE (0x4c09) Int;
        LOOP_CONFIGURE (0x4c0a) In(loop_config);
        LOOP_CTL_ADD (0x4c80) Int;
        LOOP_CTL_REMOVE (0x4c81) Int;
        LOOP_CTL_GET_FREE (0x4c82) Int;
    }
    "linux/random.h" {
        RNDGETENTCNT (ior b'R' 0 an_int) Out(an_int);
        RNDADDTOENTCNT (iow b'R' 1 an_int) In(an_int);
        RNDADDENTROPY (iow b'R' 3 two_ints) Opaque("bytes follow, as many as it says");
        RNDZAPENTCNT (io b'R' 4) Int;
        RNDCLEARPOOL (io b'R' 6) Int;
        RNDRESEEDCRNG (io b'R' 7) Int;
    }
    "linux/if_tun.h" {
        TUNSETNOCSUM (iow b'T' 200 an_int) Int;
        TUNSETDEBUG (iow b'T' 201 an_int) Int;
        TUNSETIFF (iow b'T' 202 an_int) InOut(ifreq_flags);
        TUNSETPERSIST (iow b'T' 203 an_int) Int;
        TUNSETOWNER (iow b'T' 204 an_int) Int;
        TUNSETLINK (iow b'T' 205 an_int) Int;
        TUNSETGROUP (iow b'T' 206 an_int) Int;
        TUNGETFEATURES (ior b'T' 207 a_uint) Out(a_uint);
        TUNSETOFFLOAD (iow b'T' 208 a_uint) Int;
        TUNSETTXFILTER (iow b'T' 209 a_uint) Opaque("addresses follow, as many as it says");
        TUNGETIFF (ior b'T' 210 a_uint) Out(ifreq_flags);
        TUNGETSNDBUF (ior b'T' 211 an_int) Out(an_int);
        TUNSETSNDBUF (iow b'T' 212 an_int) In(an_int);
        TUNATTACHFILTER (iow b'T' 213 sock_fprog) In(sock_fprog);
        TUNDETACHFILTER (iow b'T' 214 sock_fprog) Int;
        TUNGETVNETHDRSZ (ior b'T' 215 an_int) Out(an_int);
        TUNSETVNETHDRSZ (iow b'T' 216 an_int) In(an_int);
        TUNSETQUEUE (iow b'T' 217 an_int) In(ifreq_flags);
        TUNSETIFINDEX (iow b'T' 218 a_uint) In(a_uint);
        TUNGETFILTER (ior b'T' 219 sock_fprog) Out(sock_fprog);
        TUNSETVNETLE (iow b'T' 220 an_int) In(an_int);
        TUNGETVNETLE (ior b'T' 221 an_int) Out(an_int);
        TUNSETVNETBE (iow b'T' 222 an_int) In(an_int);
        TUNGETVNETBE (ior b'T' 223 an_int) Out(an_int);
        TUNSETSTEERINGEBPF (ior b'T' 224 an_int) In(an_int);
        TUNSETFILTEREBPF (ior b'T' 225 an_int) In(an_int);
        TUNSETCARRIER (iow b'T' 226 an_int) In(an_int);
        TUNGETDEVNETNS (io b'T' 227) Int;
    }
    "asm/sockios.h" {
        FIOSETOWN [Mips: iow b'f' 124 an_int] (0x8901) In(an_int);
        SIOCSPGRP [Mips: iow b's' 8 an_int] (0x8902) In(an_int);
        FIOGETOWN [Mips: ior b'f' 123 an_int] (0x8903) Out(an_int);
        SIOCGPGRP [Mips: ior b's' 9 an_int] (0x8904) Out(an_int);
        SIOCATMARK [Mips: ior b's' 7 an_int] (0x8905) Out(an_int);
        SIOCGSTAMP_OLD (0x8906) Out(timeval);
        SIOCGSTAMPNS_OLD (0x8907) Out(timespec);
    }
    "linux/mroute.h" {
        SIOCGETVIFCNT (0x89e0) InOut(sioc_vif_req) => by_family;
        SIOCGETSGCNT (0x89e1) InOut(sioc_sg_req) => by_family;
    }
    "linux/sockios.h" {
        SIOCGSTAMP_NEW (ior 0x89 6 two_u64s) Out(sock_timeval);
        SIOCGSTAMPNS_NEW (ior 0x89 7 two_u64s) Out(timespec64);
        SIOCADDRT (0x890b) In(rtentry) => by_family;
        SIOCDELRT (0x890c) In(rtentry) => by_family;
        SIOCGIFNAME (0x8910) InOut(ifreq_int);
        SIOCGIFCONF (0x8912) Opaque("a list of ifreq by address") => siocgifconf;
        SIOCGIFFLAGS (0x8913) InOut(ifreq_flags);
        SIOCSIFFLAGS (0x8914) In(ifreq_flags);
        SIOCGIFADDR (0x8915) InOut(ifreq_addr);
        SIOCSIFADDR (0x8916) In(ifreq_addr) => by_family;
        SIOCGIFDSTADDR (0x8917) InOut(ifreq_addr);
        SIOCSIFDSTADDR (0x8918) In(ifreq_addr) => by_family;
        SIOCGIFBRDADDR (0x8919) InOut(ifreq_addr);
        SIOCSIFBRDADDR (0x891a) In(ifreq_addr);
        SIOCGIFNETMASK (0x891b) InOut(ifreq_addr);
        SIOCSIFNETMASK (0x891c) In(ifreq_addr);
        SIOCGIFMETRIC (0x891d) InOut(ifreq_int);
        SIOCSIFMETRIC (0x891e) In(ifreq_int);
        SIOCGIFMTU (0x8921) InOut(ifreq_int);
        SIOCSIFMTU (0x8922) In(ifreq_int);
        SIOCSIFNAME (0x8923) In(ifreq_name);
        SIOCSIFHWADDR (0x8924) In(ifreq_addr);
        SIOCGIFHWADDR (0x8927) InOut(ifreq_addr);
        SIOCADDMULTI (0x8931) In(ifreq_addr);
        SIOCDELMULTI (0x8932) In(ifreq_addr);
        SIOCGIFINDEX (0x8933) InOut(ifreq_int);
        SIOCSIFPFLAGS (0x8934) In(ifreq_flags);
        SIOCGIFPFLAGS (0x8935) InOut(ifreq_flags);
        SIOCDIFADDR (0x8936) In(ifreq_addr) => by_family;
        SIOCSIFHWBROADCAST (0x8937) In(ifreq_addr);
        SIOCGIFBR (0x8940) In(three_ulongs);
        SIOCSIFBR (0x8941) In(three_ulongs);
        SIOCGIFTXQLEN (0x8942) InOut(ifreq_int);
        SIOCSIFTXQLEN (0x8943) In(ifreq_int);
        SIOCETHTOOL (0x8946) In(ifreq_data);
        SIOCGMIIPHY (0x8947) InOut(ifreq_mii);
        SIOCGMIIREG (0x8948) InOut(ifreq_mii);
        SIOCSMIIREG (0x8949) In(ifreq_mii);
        SIOCWANDEV (0x894a) InOut(ifreq_settings);
        SIOCOUTQNSD (0x894b) Out(an_int);
        SIOCGSKNS (0x894c) Int;
        SIOCDARP (0x8953) In(arpreq);
        SIOCGARP (0x8954) InOut(arpreq);
        SIOCSARP (0x8955) In(arpreq);
        SIOCGIFMAP (0x8970) InOut(ifreq_map);
        SIOCSIFMAP (0x8971) In(ifreq_map);
        SIOCBONDENSLAVE (0x8990) In(ifreq_name);
        SIOCBONDRELEASE (0x8991) In(ifreq_name);
        SIOCBONDSETHWADDR (0x8992) In(ifreq_name);
        SIOCBONDSLAVEINFOQUERY (0x8993) In(ifreq_data);
        SIOCBONDINFOQUERY (0x8994) In(ifreq_data);
        SIOCBONDCHANGEACTIVE (0x8995) In(ifreq_name);
        SIOCBRADDBR (0x89a0) In(bridge_name);
        SIOCBRDELBR (0x89a1) In(bridge_name);
        SIOCBRADDIF (0x89a2) In(ifreq_int);
        SIOCBRDELIF (0x89a3) In(ifreq_int);
        SIOCSHWTSTAMP (0x89b0) In(ifreq_data);
        SIOCGHWTSTAMP (0x89b1) In(ifreq_data);
    }
    // What the numbers from SIOCDEVPRIVATE mean is the device's; these have names. The address
    // leads to members of fixed widths.
    "linux/if_tunnel.h" {
        SIOCGETTUNNEL (0x89f0) In(ifreq_data);
        SIOCADDTUNNEL (0x89f1) In(ifreq_data);
        SIOCDELTUNNEL (0x89f2) In(ifreq_data);
        SIOCCHGTUNNEL (0x89f3) In(ifreq_data);
        SIOCGETPRL (0x89f4) In(ifreq_data);
        SIOCADDPRL (0x89f5) In(ifreq_data);
        SIOCDELPRL (0x89f6) In(ifreq_data);
        SIOCCHGPRL (0x89f7) In(ifreq_data);
        SIOCGET6RD (0x89f8) In(ifreq_data);
        SIOCADD6RD (0x89f9) In(ifreq_data);
        SIOCDEL6RD (0x89fa) In(ifreq_data);
        SIOCCHG6RD (0x89fb) In(ifreq_data);
    }
}

/// Requests for which the guest's number, a structure or the meaning differs from the host's, by
/// the guest's number.
type Differing = Vec<(u32, &'static Row)>;

fn differing(guest: &Model) -> Differing {
    let rows = ROWS.iter().filter(|row| row.differs & 1 << guest.index != 0);
    let mut all: Differing = rows.filter_map(|row| Some((row.number(guest)?, row))).collect();
    all.sort_unstable_by_key(|it| it.0);
    all
}

/// This process's [`differing`] requests.
fn of_process(guest: &Model) -> &'static Differing {
    static KEPT: Kept<Differing> = Kept::new();
    KEPT.get_or_make(|| differing(guest))
}

/// KVM (linux/kvm.h, type 0xAE): the virtual machine would be the host's architecture, its register
/// structures too.
const KVM: u32 = 0xae00;

/// ioctl(2).
pub fn ioctl(task: &mut Task, args: [u64; 6]) -> SysResult {
    let request = args[1] as u32;
    if request & 0xff00 == KVM {
        return Err(Errno::ENOTTY);
    }
    let guest = task.abi.model();
    let all = of_process(guest);
    let Ok(found) = all.binary_search_by_key(&request, |it| it.0) else {
        return host_call(task, __NR_ioctl, &args);
    };
    let row = all[found].1;
    let number = row.number(&model::HOST).ok_or(Errno::ENOTTY)?;
    if let Kind::Handler(handler) = row.kind {
        return handler(task, number, args);
    }
    let argument = Argument { index: 2, arg: row.arg };
    call::convert(&[argument], guest, &args, |host| {
        host_call(task, __NR_ioctl, &args6(&[host[0], number as u64, host[2]]))
    })
}

/// The addresses of all interfaces: a list by address, of as many bytes as there is room for.
fn siocgifconf(task: &mut Task, number: u32, args: [u64; 6]) -> SysResult {
    /// More interfaces than are listed.
    const MOST: u64 = 1 << 16;
    let guest = task.abi.model();
    let (list, entry) = (&rows::ifconf, &rows::ifreq_addr);
    let sizes = [entry.size(guest) as u64, entry.size(&model::HOST) as u64];
    let (mut head, mut theirs) = ([0u64; 2], vec![0; list.size(guest)]);
    read_bytes(args[2], &mut theirs)?;
    let mut host = [0; 16];
    Plan::kept(list, Direction::ToHost, guest).convert(&theirs, &mut host);
    for (word, bytes) in head.iter_mut().zip(host.chunks_exact(8)) {
        *word = bytes.iter().rev().fold(0, |word, &byte| word << 8 | byte as u64);
    }
    let [len, at] = head;
    let count = (len as u32 as u64 / sizes[0]).min(MOST);
    let mut entries = vec![0u8; (count * sizes[1]) as usize];
    let room = if at == 0 { 0 } else { entries.as_mut_ptr() as u64 };
    let mut asked = [entries.len() as u64, room];
    let result = host_call(task, __NR_ioctl, &args6(&[args[0], number as u64, asked.as_mut_ptr() as u64]))?;
    let count = asked[0] as u32 as u64 / sizes[1];
    let plan = Plan::kept(entry, Direction::ToGuest, guest);
    if at != 0 {
        for i in 0..count {
            let mut theirs = vec![0; plan.to_size];
            plan.convert(&entries[(i * sizes[1]) as usize..], &mut theirs);
            write_bytes(at + i * sizes[0], &theirs)?;
        }
    }
    let told = [count * sizes[0], at].map(u64::to_le_bytes).concat();
    Plan::kept(list, Direction::ToGuest, guest).convert(&told, &mut theirs);
    write_bytes(args[2], &theirs)?;
    Ok(result)
}

/// A command to a SCSI device, whose data may be a list of pieces.
fn sg_io(task: &mut Task, number: u32, args: [u64; 6]) -> SysResult {
    /// UIO_MAXIOV: the kernel refuses longer lists before it looks at them.
    const MOST: usize = 1024;
    let guest = task.abi.model();
    let header = &rows::sg_io_hdr;
    let place = |name| header.offset(name, &model::HOST).expect("a member") as u64;
    let (count_at, list_at) = (place("iovec_count"), place("dxferp"));
    let argument = Argument { index: 2, arg: Arg::InOut(header) };
    let args = args6(&[args[0], number as u64, args[2]]);
    call::convert(&[argument], guest, &args, |host| {
        let count = (anyarch_sys::read::<u16>(host[2] + count_at)? as usize).min(MOST);
        if count == 0 {
            return host_call(task, __NR_ioctl, host);
        }
        let list = anyarch_sys::read::<u64>(host[2] + list_at)?;
        let plan = Plan::kept(&rows::iovec, Direction::ToHost, guest);
        let (from, to) = (rows::iovec.size(guest), plan.to_size);
        let (mut theirs, mut ours) = (vec![0; count * from], vec![0; count * to]);
        read_bytes(list, &mut theirs)?;
        for (theirs, ours) in theirs.chunks_exact(from).zip(ours.chunks_exact_mut(to)) {
            plan.convert(theirs, ours);
        }
        write_bytes(host[2] + list_at, &(ours.as_ptr() as u64).to_le_bytes())?;
        let result = host_call(task, __NR_ioctl, host);
        write_bytes(host[2] + list_at, &list.to_le_bytes())?;
        result
    })
}

const AF_INET: u32 = 2;
const AF_APPLETALK: u32 = 5;
const AF_INET6: u32 = 10;
const AF_PACKET: u32 = 17;

/// A request whose structure follows from the socket's family.
struct ByFamily {
    /// Its row.
    name: &'static str,
    /// The families that take the row's structure; without any, all that have no other one.
    families: &'static [u32],
    /// What a socket of IPv6 takes.
    of_inet6: &'static Struct,
}

/// The families whose routes are `struct rtentry`.
const ROUTED: &[u32] = &[AF_INET, AF_APPLETALK, AF_PACKET];

static BY_FAMILY: [ByFamily; 7] = [
    ByFamily { name: "SIOCADDRT", families: ROUTED, of_inet6: &rows::in6_rtmsg },
    ByFamily { name: "SIOCDELRT", families: ROUTED, of_inet6: &rows::in6_rtmsg },
    ByFamily { name: "SIOCSIFADDR", families: &[], of_inet6: &rows::in6_ifreq },
    ByFamily { name: "SIOCSIFDSTADDR", families: &[], of_inet6: &rows::in6_ifreq },
    ByFamily { name: "SIOCDIFADDR", families: &[], of_inet6: &rows::in6_ifreq },
    ByFamily { name: "SIOCGETVIFCNT", families: &[AF_INET], of_inet6: &rows::sioc_mif_req6 },
    ByFamily { name: "SIOCGETSGCNT", families: &[AF_INET], of_inet6: &rows::sioc_sg_req6 },
];

/// What such a request carries on a socket of a family. Families without a structure here have one
/// of fixed widths, or none.
fn carried(row: &Row, family: u32) -> Option<Arg> {
    let it = BY_FAMILY.iter().find(|it| it.name == row.name)?;
    match (family, row.arg) {
        (AF_INET6, Arg::InOut(_)) => Some(Arg::InOut(it.of_inet6)),
        (AF_INET6, _) => Some(Arg::In(it.of_inet6)),
        (_, arg) => (it.families.is_empty() || it.families.contains(&family)).then_some(arg),
    }
}

/// A request of [`BY_FAMILY`].
fn by_family(task: &mut Task, number: u32, args: [u64; 6]) -> SysResult {
    const SOL_SOCKET: u64 = 1;
    const SO_DOMAIN: u64 = 39;
    let (mut family, mut size) = (0u32, 4u32);
    let asked = [args[0], SOL_SOCKET, SO_DOMAIN, &raw mut family as u64, &raw mut size as u64];
    let host = args6(&[args[0], number as u64, args[2]]);
    let known = host_call(task, __NR_getsockopt, &args6(&asked)).is_ok();
    let row = ROWS.iter().find(|row| row.number(&model::HOST) == Some(number));
    match row.and_then(|row| carried(row, family)).filter(|_| known) {
        Some(arg) => call::convert(&[Argument { index: 2, arg }], task.abi.model(), &host, |host| {
            host_call(task, __NR_ioctl, host)
        }),
        // Without a socket the request finds its own errno.
        None => host_call(task, __NR_ioctl, &host),
    }
}

fn tiocgptpeer(task: &mut Task, number: u32, args: [u64; 6]) -> SysResult {
    let flags = task.abi.open_flags_to_host(args[2] as u32);
    host_call(task, __NR_ioctl, &args6(&[args[0], number as u64, flags as u64]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;

    #[test]
    fn no_number_occurs_twice() {
        for guest in &model::MODELS {
            let mut seen = BTreeMap::new();
            for row in ROWS {
                let Some(number) = row.number(guest) else { continue };
                let before = seen.insert(number, row.name);
                assert_eq!(before, None, "{} of {}", row.name, guest.name);
            }
        }
    }

    #[test]
    fn handlers_by_family_know_their_rows() {
        let handled = |row: &&Row| BY_FAMILY.iter().any(|it| it.name == row.name);
        assert_eq!(ROWS.iter().filter(handled).count(), BY_FAMILY.len());
        let size = |name: &str, family| {
            let row = ROWS.iter().find(|row| row.name == name).expect("a row of this name");
            match carried(row, family) {
                Some(Arg::In(of) | Arg::InOut(of)) => Some(of.size(&model::ARM)),
                _ => None,
            }
        };
        assert_eq!(
            [AF_INET, AF_PACKET, AF_INET6, 3].map(|f| size("SIOCADDRT", f)),
            [Some(84), Some(84), Some(72), None]
        );
        assert_eq!(
            [AF_INET, AF_PACKET, AF_INET6].map(|f| size("SIOCSIFADDR", f)),
            [Some(32), Some(32), Some(24)]
        );
        assert_eq!(
            [AF_INET, AF_INET6, AF_PACKET].map(|f| size("SIOCGETVIFCNT", f)),
            [Some(20), Some(20), None]
        );
    }

    #[test]
    fn the_guests_of_the_generic_abi_convert_little() {
        for guest in [&model::AARCH64, &model::RISCV64] {
            let names: Vec<_> = differing(guest).iter().map(|it| it.1.name).collect();
            assert_eq!(names, ["LOOP_SET_STATUS", "LOOP_GET_STATUS", "TIOCGPTPEER"], "{}", guest.name);
        }
    }
}

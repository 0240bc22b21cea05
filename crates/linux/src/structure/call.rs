//! What a call carries, converted around the host's call.
//!
//! The argument types of a row say what there is to convert: structures, words of bits, socket
//! addresses, numbers. A row on whose arguments guest and host agree never comes here: [`differs`]
//! is known at build time.

use super::message::Message;
use super::plan::Direction;
use super::{
    Model, Plan, Struct, constants, model, rows, same_words, siginfo, signals_size, sockaddr, termios,
};
use crate::calls::sockopt;
use crate::calls::table::{Arg, Row};
use alloc::vec::Vec;
use anyarch_sys::{Errno, SysResult, read_bytes, write_bytes};
use core::cell::{Cell, UnsafeCell};
use core::mem::MaybeUninit;

/// For which models ([`Model::index`]) what the arguments carry differs from the host's.
pub(crate) const fn differs(args: &[Arg]) -> u16 {
    let mut models = 0;
    let mut i = 0;
    while i < args.len() {
        models |= argument_differs(&args[i]);
        i += 1;
    }
    models
}

const SIGNALS_DIFFER: u16 = constants::SIGNALS.differs();
const HOW_DIFFERS: u16 = constants::SIGPROCMASK_HOW.differs();
const MAP_DIFFERS: u16 = constants::MAP_FLAGS.differs();
const LOCK_DIFFERS: u16 = constants::MLOCKALL_FLAGS.differs();
const MODES_DIFFER: u16 = termios::differs();
const EVENTS_DIFFER: u16 = constants::POLL_EVENTS.differs();
const RLIMITS_DIFFER: u16 = constants::RLIMITS.differs();
const SOCK_DIFFERS: u16 = constants::SOCKET_TYPES.differs() | constants::SOCKET_FLAGS.differs();
const OPTIONS_DIFFER: u16 = sockopt::differs();
/// Width of words, or order of bytes.
const WORDS_DIFFER: u16 = shapes(true);
const ORDERS_DIFFER: u16 = shapes(false);

const fn shapes(widths: bool) -> u16 {
    let mut models = 0;
    let mut m = 0;
    while m < model::MODELS.len() {
        let (guest, host) = (&model::MODELS[m], &model::HOST);
        if guest.order as u8 != host.order as u8 || widths && guest.word != host.word {
            models |= 1 << m;
        }
        m += 1;
    }
    models
}

const fn argument_differs(arg: &Arg) -> u16 {
    match arg {
        Arg::In(of)
        | Arg::Out(of)
        | Arg::InOut(of)
        | Arg::InArray(of, _)
        | Arg::OutArray(of, _)
        | Arg::InOutArray(of, _)
        | Arg::Sized(of) => of.differs,
        Arg::Chosen(of) => of.differs | WORDS_DIFFER,
        Arg::SockOpt => OPTIONS_DIFFER,
        Arg::SigSet | Arg::SigSize => rows::sigset.differs,
        Arg::Opaque(_)
        | Arg::Argv
        | Arg::FdSet
        | Arg::InWords(_)
        | Arg::OutWords(_)
        | Arg::InBits(_)
        | Arg::OutBits(_) => WORDS_DIFFER,
        Arg::Sockaddr | Arg::OutSockaddr | Arg::FutexOp => ORDERS_DIFFER,
        Arg::Signal => SIGNALS_DIFFER,
        Arg::SigHow => HOW_DIFFERS,
        Arg::MapFlags => MAP_DIFFERS,
        Arg::LockFlags => LOCK_DIFFERS,
        Arg::Resource => RLIMITS_DIFFER,
        Arg::SockType => SOCK_DIFFERS,
        _ => 0,
    }
}

/// UIO_MAXIOV.
const PIECES_MAX: u64 = 1024;
/// Bytes that need no allocation.
const SMALL: usize = 256;

/// Room of the emulator's for what the host's kernel is to see, aligned to 8 bytes. It stays where
/// it is while the arena is borrowed.
struct Arena {
    small: UnsafeCell<[MaybeUninit<u64>; Arena::WORDS]>,
    used: Cell<usize>,
    large: UnsafeCell<Vec<Vec<MaybeUninit<u64>>>>,
}

impl Arena {
    const WORDS: usize = 2 * SMALL / 8;

    fn new() -> Arena {
        let small = UnsafeCell::new([const { MaybeUninit::uninit() }; Arena::WORDS]);
        Arena { small, used: Cell::new(0), large: UnsafeCell::new(Vec::new()) }
    }

    /// Room for so many bytes, of no value yet.
    fn take(&self, bytes: usize) -> *mut u8 {
        let (words, used) = (bytes.div_ceil(8).max(1), self.used.get());
        if used + words <= Arena::WORDS {
            self.used.set(used + words);
            // SAFETY: a part of the array that is handed out this once.
            return unsafe { self.small.get().cast::<u64>().add(used).cast() };
        }
        let mut room = Vec::with_capacity(words);
        let at = room.as_mut_ptr();
        // SAFETY: no reference to the list is kept; what its vectors hold does not move with them.
        unsafe { (*self.large.get()).push(room) };
        at.cast()
    }

    /// Room for so many bytes, which are zero.
    #[allow(clippy::mut_from_ref)]
    fn zeroed(&self, bytes: usize) -> &mut [u8] {
        let at = self.take(bytes);
        // SAFETY: room of nobody else's, for so many bytes.
        unsafe {
            at.write_bytes(0, bytes);
            core::slice::from_raw_parts_mut(at, bytes)
        }
    }
}

/// Structures that more than their members belong to.
fn convert_one(
    of: &'static Struct,
    plan: &Plan,
    direction: Direction,
    guest: &Model,
    from: &[u8],
    to: &mut [u8],
) -> bool {
    if MODES_DIFFER & 1 << guest.index != 0 && termios::is_modes(of) {
        termios::convert(of, plan, direction, guest, from, to);
        return true;
    }
    if EVENTS_DIFFER & 1 << guest.index != 0 && *of == rows::pollfd {
        plan.convert(from, to);
        // events and revents, of a little-endian guest.
        for word in to[4..8].chunks_exact_mut(2) {
            let bits = u16::from_le_bytes([word[0], word[1]]) as u32;
            let bits = match direction {
                Direction::ToHost => constants::POLL_EVENTS.to_host(guest, bits),
                Direction::ToGuest => constants::POLL_EVENTS.to_guest(guest, bits),
            };
            word.copy_from_slice(&(bits.unwrap_or(0) as u16).to_le_bytes());
        }
        return true;
    }
    if guest.word == 4 && direction == Direction::ToGuest && (*of == rows::flock || *of == rows::shminfo) {
        let mut clamped = [0; 128];
        let clamped = &mut clamped[..plan.from_size];
        clamped.copy_from_slice(&from[..plan.from_size]);
        clamp(of, clamped);
        return plan.convert(clamped, to) || !of.must_fit();
    }
    if *of != rows::siginfo {
        return plan.convert(from, to) || !of.must_fit();
    }
    let mut info = [0; siginfo::SIZE];
    info.copy_from_slice(&from[..siginfo::SIZE]);
    let info = match direction {
        Direction::ToHost => siginfo::to_host(guest, &info),
        Direction::ToGuest => siginfo::to_guest(guest, &info),
    };
    to[..siginfo::SIZE].copy_from_slice(&info);
    true
}

/// Lowers what has a largest value of its own for 32-bit programs (fixup_compat_flock,
/// copy_compat_shminfo_to_user).
fn clamp(of: &'static Struct, host: &mut [u8]) {
    let name = if *of == rows::flock { "l_len" } else { "shmmax" };
    let Some(at) = of.offset(name, &model::HOST) else { return };
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&host[at..at + 8]);
    let least = u64::from_le_bytes(bytes).min(i32::MAX as u64);
    host[at..at + 8].copy_from_slice(&least.to_le_bytes());
}

/// Lets `call` fill the host's structure at the address it is given, and writes it to guest address
/// `addr` as the guest lays it out.
///
/// # Errors
/// Those of `call`, then `EOVERFLOW` for a number that the guest's member cannot hold, then
/// `EFAULT`.
pub(crate) fn filled_by(
    of: &'static Struct,
    guest: &Model,
    addr: u64,
    call: impl FnOnce(u64) -> SysResult,
) -> SysResult {
    let typed = [Argument { index: 0, arg: Arg::Out(of) }];
    convert_all(typed.into_iter(), guest, &[addr, 0, 0, 0, 0, 0], |args| call(args[0]))
}

/// Lets `call` read the structure at guest address `addr` in the host's layout at the address it is
/// given.
///
/// # Errors
/// `EFAULT`, then those of `call`.
pub(crate) fn read_by(
    of: &'static Struct,
    guest: &Model,
    addr: u64,
    call: impl FnOnce(u64) -> SysResult,
) -> SysResult {
    let typed = [Argument { index: 0, arg: Arg::In(of) }];
    convert_all(typed.into_iter(), guest, &[addr, 0, 0, 0, 0, 0], |args| call(args[0]))
}

/// What one argument carries, as the host's kernel is to see it.
#[derive(Clone, Copy)]
struct Converted {
    what: What,
    addr: u64,
    host: *mut u8,
    /// Bytes at `host`.
    size: usize,
    /// The call fills it.
    out: bool,
    /// Where the bytes are that were there before the call, if it may fill them although it fails.
    before: *mut u8,
}

#[derive(Clone, Copy)]
enum What {
    Nothing,
    /// Structures; `counted`: as many as the call returns.
    Structs {
        of: &'static Struct,
        count: usize,
        counted: bool,
    },
    /// Words with bits, so many bytes of the guest's.
    Words {
        size: usize,
    },
    /// As many bytes of words as the call returns, and so many of the guest's at most.
    CountedWords {
        size: usize,
    },
    /// A socket address, whose length is at this address of the host's.
    Sockaddr {
        len: *const u32,
    },
}

/// More structures than are converted at once: the kernel is asked without any, and finds its own
/// errno. (For room that a call may leave empty see [`convert`].)
const TOO_MANY: u64 = 1 << 20;

/// An argument and its place among a call's six.
#[derive(Clone, Copy)]
pub(crate) struct Argument {
    /// Index.
    pub index: usize,
    /// What it is.
    pub arg: Arg,
}

/// Makes a row's call that carries what differs between guest and host: `call` gets the arguments
/// with the addresses of the host's structures.
///
/// # Errors
/// As [`convert`].
pub(crate) fn converted(
    row: &Row,
    guest: &Model,
    args: &[u64; 6],
    call: impl FnOnce(&[u64; 6]) -> SysResult,
) -> SysResult {
    let typed = row.args.iter().enumerate().map(|(index, arg)| Argument { index, arg: *arg });
    convert_all(typed, guest, args, call)
}

/// Makes a call with what some of its arguments carry as the host has it.
///
/// # Errors
/// `EFAULT`, then those of `call`, then `EOVERFLOW` for a number that the guest's member cannot
/// hold and must ([`Struct::must_fit`]). `EINVAL` for a number that means something else to the
/// host only.
pub(crate) fn convert(
    typed: &[Argument],
    guest: &Model,
    args: &[u64; 6],
    call: impl FnOnce(&[u64; 6]) -> SysResult,
) -> SysResult {
    convert_all(typed.iter().copied(), guest, args, call)
}

fn convert_all(
    mut typed: impl Iterator<Item = Argument> + Clone,
    guest: &Model,
    args: &[u64; 6],
    call: impl FnOnce(&[u64; 6]) -> SysResult,
) -> SysResult {
    // A size that no set of the guest's signals has is refused before anything is looked at. Where
    // a call may come without a set, its size is not looked at then.
    let size = signals_size(guest) as u64;
    let refused = |it: &Argument| matches!(it.arg, Arg::SigSize) && args[it.index] != size;
    let absent = |it: Argument| matches!(it.arg, Arg::SigSet) && args[it.index] == 0;
    if let Some(it) = typed.clone().find(refused)
        && !typed.clone().any(absent)
    {
        let mut args = *args;
        args[it.index] = args[it.index] * 8 / size;
        return call(&args);
    }
    let arena = Arena::new();
    let mut calling = Calling::new(guest, args, &arena);
    typed.try_for_each(|argument| match argument_differs(&argument.arg) & 1 << guest.index {
        0 => Ok(()),
        _ => calling.prepare(&argument),
    })?;
    calling.lengths();
    let result = call(&calling.args);
    calling.finish(result)
}

/// A call in the making.
struct Calling<'a> {
    guest: &'a Model,
    theirs: &'a [u64; 6],
    /// For the host.
    args: [u64; 6],
    arena: &'a Arena,
    all: [MaybeUninit<Converted>; 6],
    used: usize,
    /// Messages of the only argument that can have any.
    messages: Vec<Message>,
}

impl<'a> Calling<'a> {
    fn new(guest: &'a Model, theirs: &'a [u64; 6], arena: &'a Arena) -> Calling<'a> {
        let all = [const { MaybeUninit::uninit() }; 6];
        Calling { guest, theirs, args: *theirs, arena, all, used: 0, messages: Vec::new() }
    }

    /// Whether `size` bytes at `addr` lie outside of user space: those are the kernel's to refuse,
    /// in the order of its checks.
    fn is_outside(addr: u64, size: u64) -> bool {
        addr.checked_add(size).is_none_or(|end| end > anyarch_sys::GUEST_END)
    }

    fn prepare(&mut self, &Argument { index: i, arg }: &Argument) -> Result<(), Errno> {
        let value = self.theirs[i];
        let bits =
            |bits: u64| (bits as u32).div_ceil(8 * self.guest.word as u32) as u64 * self.guest.word as u64;
        let number = |group: &constants::Group| {
            let number = group.to_host(self.guest, value as u32);
            number.map(u64::from).ok_or(Errno::EINVAL)
        };
        match arg {
            Arg::In(of) => self.structures(i, of, true, false, None),
            Arg::Out(of) => self.structures(i, of, false, true, None),
            Arg::InOut(of) => self.structures(i, of, true, true, None),
            Arg::InArray(of, n) => self.structures(i, of, true, false, Some(n)),
            Arg::OutArray(of, n) => self.structures(i, of, false, true, Some(n)),
            Arg::InOutArray(of, n) => self.structures(i, of, true, true, Some(n)),
            Arg::Sized(of) => self.sized(i, of),
            Arg::SigSet => self.structures(i, &rows::sigset, true, false, None),
            Arg::SigSize => {
                // A size that no set of the guest's has becomes one that none of the host's has.
                self.args[i] = value * 8 / signals_size(self.guest) as u64;
                Ok(())
            }
            Arg::FdSet => self.words(i, bits(self.theirs[0]), true, true),
            Arg::InBits(n) => self.words(i, bits(self.theirs[n]), true, false),
            Arg::OutBits(n) => self.words(i, bits(self.theirs[n]), false, true),
            Arg::InWords(n) => self.words(i, self.theirs[n], true, false),
            Arg::OutWords(n) => {
                let size = self.theirs[n];
                if size.is_multiple_of(self.guest.word as u64) && size < TOO_MANY {
                    // The kernel wants whole words of its own.
                    self.args[n] = size.next_multiple_of(8);
                    self.words(i, size, false, true)?;
                    if let Some(words) = self.made().last_mut().filter(|it| it.addr == value) {
                        words.what = What::CountedWords { size: size as usize };
                    }
                }
                Ok(())
            }
            Arg::Argv => self.pointers(i),
            Arg::Sockaddr => self.address(i, self.theirs[i + 1]),
            Arg::OutSockaddr if value != 0 => {
                let host = self.arena.take(sockaddr::LONGEST);
                self.args[i] = host as u64;
                let what = What::Sockaddr { len: core::ptr::null() };
                self.push(Converted {
                    what,
                    addr: value,
                    host,
                    size: 0,
                    out: true,
                    before: core::ptr::null_mut(),
                });
                Ok(())
            }
            Arg::Signal => number(&constants::SIGNALS).map(|n| self.args[i] = n),
            Arg::SigHow => number(&constants::SIGPROCMASK_HOW).map(|n| self.args[i] = n),
            Arg::MapFlags => number(&constants::MAP_FLAGS).map(|n| self.args[i] = n),
            Arg::LockFlags => number(&constants::MLOCKALL_FLAGS).map(|n| self.args[i] = n),
            Arg::Resource => number(&constants::RLIMITS).map(|n| self.args[i] = n),
            Arg::SockType => {
                let kind =
                    constants::SOCKET_TYPES.to_host(self.guest, value as u32 & 0xf).ok_or(Errno::EINVAL)?;
                let flags = constants::SOCKET_FLAGS.to_host(self.guest, value as u32 & !0xf);
                self.args[i] = (kind | flags.unwrap_or(0)) as u64;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn push(&mut self, converted: Converted) {
        self.all[self.used].write(converted);
        self.used += 1;
    }

    /// What has been converted so far.
    fn made(&mut self) -> &mut [Converted] {
        // SAFETY: so many have been written.
        unsafe { core::slice::from_raw_parts_mut(self.all.as_mut_ptr().cast(), self.used) }
    }

    fn structures(
        &mut self,
        i: usize,
        of: &'static Struct,
        reads: bool,
        out: bool,
        count: Option<usize>,
    ) -> Result<(), Errno> {
        let addr = self.theirs[i];
        if addr == 0 {
            return Ok(());
        }
        let guest = self.guest;
        let mut n = count.map_or(1, |at| self.theirs[at] as u32 as u64);
        // A call that tells how many it has filled may fill fewer than there is room for.
        if let Some(at) = count.filter(|_| !reads)
            && (TOO_MANY..=i32::MAX as u64 / of.size(guest) as u64).contains(&n)
        {
            n = TOO_MANY - 1;
            self.args[at] = n;
        }
        if n >= TOO_MANY {
            self.args[i] = u64::MAX;
            return Ok(());
        }
        // Before the kernel looks at one of too many pieces of data, it counts them.
        if *of == rows::iovec && n > PIECES_MAX {
            return Ok(());
        }
        let n = n as usize;
        let plan = Plan::kept(of, Direction::ToHost, guest);
        if Self::is_outside(addr, (n * plan.from_size) as u64) {
            return Ok(());
        }
        let counted = count.is_some() && !reads;
        let size = n * plan.to_size;
        // What the call fills as many of as it returns is not looked at before.
        let (host, bytes) = if counted {
            (self.arena.take(size), &mut [][..])
        } else {
            let bytes = self.arena.zeroed(size);
            (bytes.as_mut_ptr(), bytes)
        };
        if reads {
            let theirs = self.arena.zeroed(n * plan.from_size);
            read_bytes(addr, theirs)?;
            for k in 0..n {
                let to = &mut bytes[k * plan.to_size..];
                convert_one(of, plan, Direction::ToHost, guest, &theirs[k * plan.from_size..], to);
            }
            self.follow(of, bytes, plan.to_size, out)?;
        }
        let mut before = core::ptr::null_mut();
        if out && is_time(of) {
            before = self.arena.take(size);
            // SAFETY: both are rooms of so many bytes.
            unsafe { before.copy_from_nonoverlapping(host, size) };
        }
        self.args[i] = host as u64;
        self.push(Converted { what: What::Structs { of, count: n, counted }, addr, host, size, out, before });
        Ok(())
    }

    /// Structures whose size a caller tells, in the argument behind or their first member: a part
    /// of it has the same places.
    fn sized(&mut self, i: usize, of: &'static Struct) -> Result<(), Errno> {
        let (addr, size) = (self.theirs[i], of.size(self.guest) as u64);
        // All such structures have members of fixed widths.
        let told = self.theirs.get(i + 1).copied().filter(|n| (1..=size).contains(n)).unwrap_or(size);
        if addr == 0 || Self::is_outside(addr, told) {
            return Ok(());
        }
        let plan = Plan::kept(of, Direction::ToHost, self.guest);
        let theirs = self.arena.zeroed(size as usize);
        read_bytes(addr, &mut theirs[..told as usize])?;
        let host = self.arena.zeroed(plan.to_size);
        plan.convert(theirs, host);
        self.args[i] = host.as_ptr() as u64;
        Ok(())
    }

    /// What addresses within structures lead to.
    fn follow(&mut self, of: &'static Struct, host: &mut [u8], size: usize, out: bool) -> Result<(), Errno> {
        if is_message(of) {
            let receives = out && *of != rows::sent_mmsghdr;
            for message in host.chunks_exact_mut(size) {
                self.messages.push(Message::follow(self.guest, message, receives)?);
            }
        } else if *of == rows::sigset_argpack {
            let (set, bytes) = host[..16].split_at_mut(8);
            let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |word, &byte| word << 8 | byte as u64);
            let (set_addr, told) = (word(set), word(bytes));
            let size = signals_size(self.guest) as u64;
            bytes.copy_from_slice(&(told * 8 / size).to_le_bytes());
            if set_addr != 0 && told == size && !Self::is_outside(set_addr, size) {
                let plan = Plan::kept(&rows::sigset, Direction::ToHost, self.guest);
                let mut theirs = [0; 16];
                read_bytes(set_addr, &mut theirs[..size as usize])?;
                let room = self.arena.zeroed(8);
                plan.convert(&theirs, room);
                set.copy_from_slice(&(room.as_ptr() as u64).to_le_bytes());
            }
        }
        Ok(())
    }

    /// Bits in so many bytes of words.
    fn words(&mut self, i: usize, size: u64, reads: bool, out: bool) -> Result<(), Errno> {
        let addr = self.theirs[i];
        if addr == 0 || size >= TOO_MANY || Self::is_outside(addr, size) {
            return Ok(());
        }
        let (size, rounded) = (size as usize, size.next_multiple_of(8) as usize);
        let bytes = self.arena.zeroed(rounded);
        if reads {
            read_bytes(addr, &mut bytes[..size])?;
            order_words(self.guest, &mut bytes[..size]);
        }
        let host = bytes.as_mut_ptr();
        self.args[i] = host as u64;
        self.push(Converted {
            what: What::Words { size },
            addr,
            host,
            size,
            out,
            before: core::ptr::null_mut(),
        });
        Ok(())
    }

    /// Addresses up to a null.
    fn pointers(&mut self, i: usize) -> Result<(), Errno> {
        let (addr, word) = (self.theirs[i], self.guest.word as u64);
        if addr == 0 {
            return Ok(());
        }
        let plan = Plan::kept(&rows::a_pointer, Direction::ToHost, self.guest);
        for n in 1..=TOO_MANY {
            // As far as the null, and then once more into room for all.
            let mut theirs = [0; 8];
            read_bytes(addr.wrapping_add((n - 1) * word), &mut theirs[..plan.from_size])?;
            if theirs == [0; 8] {
                let host = self.arena.zeroed(8 * n as usize);
                for (k, host) in host.chunks_exact_mut(8).enumerate() {
                    read_bytes(addr.wrapping_add(k as u64 * word), &mut theirs[..plan.from_size])?;
                    plan.convert(&theirs, host);
                }
                self.args[i] = host.as_ptr() as u64;
                return Ok(());
            }
        }
        Err(Errno::E2BIG)
    }

    /// A socket address that the call reads.
    fn address(&mut self, i: usize, len: u64) -> Result<(), Errno> {
        let (addr, len) = (self.theirs[i], len as usize);
        if addr == 0 || len > sockaddr::LONGEST || Self::is_outside(addr, len as u64) {
            return Ok(());
        }
        let bytes = &mut self.arena.zeroed(sockaddr::LONGEST)[..len];
        read_bytes(addr, bytes)?;
        sockaddr::convert(Direction::ToHost, self.guest, bytes);
        self.args[i] = bytes.as_ptr() as u64;
        Ok(())
    }

    /// The lengths of socket addresses come behind them, and are the host's by now.
    fn lengths(&mut self) {
        for n in 0..self.used {
            let it = self.made()[n];
            if !matches!(it.what, What::Sockaddr { .. }) {
                continue;
            }
            let i = self.args.iter().position(|arg| *arg == it.host as u64);
            let len = i.and_then(|i| self.args.get(i + 1)).copied().unwrap_or(0);
            let is_ours = self.made().iter().any(|it| it.host as u64 == len);
            let it = &mut self.made()[n];
            if !is_ours {
                it.what = What::Nothing;
                continue;
            }
            let len = len as *mut u32;
            // SAFETY: the length that this call has converted.
            let told = unsafe { *len };
            it.size = (told as usize).min(sockaddr::LONGEST);
            it.what = What::Sockaddr { len };
            // The room is the emulator's, which is as long as any address.
            if told <= i32::MAX as u32 {
                // SAFETY: as above.
                unsafe { *len = it.size as u32 };
            }
        }
    }

    /// Gives the guest what the call has filled.
    fn finish(&mut self, result: SysResult) -> SysResult {
        let interrupted = result == Err(Errno::EINTR);
        if result.is_err() && !interrupted {
            return result;
        }
        let value = result.unwrap_or(0);
        for n in 0..self.used {
            let it = self.made()[n];
            // What is left of a time is told although the call was interrupted.
            if !it.out || interrupted && !self.changed(&it) {
                continue;
            }
            // SAFETY: room of this call's; what of it is looked at has been written, by this module
            // or by the kernel.
            let room = |size: usize| unsafe { core::slice::from_raw_parts_mut(it.host, size) };
            match it.what {
                What::Nothing => {}
                What::Structs { of, count, counted } => {
                    let plan = Plan::kept(of, Direction::ToGuest, self.guest);
                    let count = if counted { count.min(value as usize) } else { count };
                    let host = room(count * plan.from_size);
                    if is_message(of) {
                        // Of several messages the first ones were received.
                        let received = match of {
                            _ if *of == rows::msghdr => 1,
                            _ if *of == rows::mmsghdr => value,
                            _ => 0,
                        };
                        let messages = host.chunks_exact_mut(plan.from_size).zip(&mut self.messages);
                        for (i, (host, message)) in messages.enumerate() {
                            message.give_back(self.guest, host, (i as u64) < received)?;
                        }
                    }
                    let theirs = self.arena.zeroed(count * plan.to_size);
                    for k in 0..count {
                        let (from, to) = (&host[k * plan.from_size..], &mut theirs[k * plan.to_size..]);
                        if !convert_one(of, plan, Direction::ToGuest, self.guest, from, to) {
                            return Err(Errno::EOVERFLOW);
                        }
                    }
                    write_bytes(it.addr, theirs)?;
                }
                What::Words { size } => {
                    let bytes = room(size);
                    order_words(self.guest, bytes);
                    write_bytes(it.addr, bytes)?;
                }
                What::CountedWords { size } => {
                    let size = size.min(value as usize);
                    let bytes = room(size);
                    order_words(self.guest, bytes);
                    write_bytes(it.addr, bytes)?;
                    return Ok(size as u64);
                }
                What::Sockaddr { len } => {
                    // SAFETY: the length that this call has converted.
                    let len = (unsafe { *len } as usize).min(sockaddr::LONGEST);
                    let address = room(len);
                    sockaddr::convert(Direction::ToGuest, self.guest, address);
                    write_bytes(it.addr, &address[..len.min(it.size)])?;
                }
            }
        }
        result
    }

    fn changed(&self, it: &Converted) -> bool {
        if it.before.is_null() {
            return false;
        }
        // SAFETY: two rooms of so many initialised bytes.
        unsafe {
            core::slice::from_raw_parts(it.host, it.size) != core::slice::from_raw_parts(it.before, it.size)
        }
    }
}

/// Whether a call may fill a structure although it is interrupted: with what is left of a time.
fn is_time(of: &Struct) -> bool {
    [&rows::timespec, &rows::timespec64, &rows::timeval].contains(&of)
}

fn is_message(of: &Struct) -> bool {
    [&rows::msghdr, &rows::mmsghdr, &rows::sent_mmsghdr].contains(&of)
}

/// Brings words of bits to the other side's order, where that differs.
fn order_words(guest: &Model, bytes: &mut [u8]) {
    if !same_words(guest, &model::HOST) {
        bytes.chunks_exact_mut(guest.word).for_each(<[u8]>::reverse);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::table::{Kind, ROWS, Sys};
    use crate::structure::rows;
    use alloc::vec;

    #[test]
    fn the_guests_of_the_generic_abi_convert_little() {
        for guest in [&model::AARCH64, &model::RISCV64] {
            let differ: Vec<&str> =
                ROWS.iter().filter(|row| row.differs & 1 << guest.index != 0).map(|row| row.name).collect();
            let stats = ["stat", "fstat", "lstat", "newfstatat"];
            let events = ["epoll_wait", "epoll_ctl", "epoll_pwait", "epoll_pwait2"];
            let signal = ["rt_sigaction"];
            // What these guests do not have, but the kinds of host do.
            let others = ["stat64", "lstat64", "fstat64", "fstatat64"];
            let known = |name: &&str| {
                [&stats[..], &events, &signal, &others].iter().any(|names| names.contains(name))
            };
            assert!(differ.iter().all(known), "{}: {differ:?}", guest.name);
            for name in stats.iter().chain(&events) {
                assert!(differ.contains(name), "{}: {name}", guest.name);
            }
        }
    }

    #[test]
    fn opaque_arguments_say_why() {
        for row in ROWS {
            for arg in row.args {
                assert!(!matches!(arg, Arg::Opaque(why) if why.len() < 8), "{}", row.name);
            }
        }
    }

    /// A call of a guest of another width and order: what it wrote reaches the host's call, what
    /// that fills reaches the guest.
    #[test]
    fn structures_go_there_and_back() {
        let (settime, settime32) = (Sys::timerfd_settime.row(), Sys::timerfd_settime32.row());
        assert!(matches!(settime.kind, Kind::Passthrough));
        for (row, guest, bytes) in [
            (settime, &model::S390X, 8),
            (settime32, &model::ARM, 4),
            (settime32, &model::ARMEB, 4),
            (settime, &model::ARMEB, 8),
        ] {
            let number = |value: u64| match guest.order {
                model::ByteOrder::Big => value.to_be_bytes()[8 - bytes..].to_vec(),
                model::ByteOrder::Little => value.to_le_bytes()[..bytes].to_vec(),
            };
            let new = [1, 2, 3, u64::MAX].map(number).concat();
            let mut old = vec![0u8; 4 * bytes];
            // Of nanoseconds in 64 bits a 32-bit program has written half.
            let last = if guest.word == 4 && bytes == 8 { u32::MAX as i64 } else { -1 };
            let args = [5, 0, new.as_ptr() as u64, old.as_mut_ptr() as u64, 0, 0];
            let result = converted(row, guest, &args, |host| {
                assert_eq!(host[..2], [5, 0]);
                // SAFETY: the addresses of four longs each, made by the function under test.
                unsafe {
                    assert_eq!(*(host[2] as *const [i64; 4]), [1, 2, 3, last]);
                    *(host[3] as *mut [i64; 4]) = [7, -8, 9, 10];
                }
                Ok(4)
            });
            assert_eq!(result, Ok(4));
            assert_eq!(old, [7, -8i64 as u64, 9, 10].map(number).concat(), "{}", guest.name);
        }
    }

    #[test]
    fn as_many_as_the_call_returns() {
        let row = Sys::epoll_wait.row();
        let guest = &model::AARCH64;
        let mut events = [0xffu8; 3 * 16];
        let args = [3, events.as_mut_ptr() as u64, 3, 0, 0, 0];
        let result = converted(row, guest, &args, |host| {
            // SAFETY: room for three packed events.
            unsafe { (host[1] as *mut [u8; 24]).write(*b"\x01\0\0\0abcdefgh\x02\0\0\0ijklmnop") };
            Ok(2)
        });
        assert_eq!(result, Ok(2));
        assert_eq!(events[..32], *b"\x01\0\0\0\0\0\0\0abcdefgh\x02\0\0\0\0\0\0\0ijklmnop");
        assert_eq!(events[32..], [0xff; 16]);
    }

    /// Room for more structures than are converted at once is room for fewer.
    #[test]
    fn room_for_very_many() {
        let row = Sys::epoll_wait.row();
        let mut event = [0xffu8; 16];
        for (max, want) in [(3, 3), (1 << 21, TOO_MANY - 1), (-1i32 as u64, -1i32 as u64)] {
            let args = [3, event.as_mut_ptr() as u64, max, 0, 0, 0];
            let result = converted(row, &model::AARCH64, &args, |host| {
                assert_eq!(host[2], want);
                Err(Errno::EINTR)
            });
            assert_eq!(result, Err(Errno::EINTR));
        }
    }

    #[test]
    fn one_structure_at_a_time() {
        let mut event = [9u8; 16];
        let at = event.as_mut_ptr() as u64;
        let filled = filled_by(&rows::epoll_event, &model::AARCH64, at, |host| {
            // SAFETY: room for a packed event.
            unsafe { (host as *mut [u8; 12]).write(*b"\x05\0\0\0abcdefgh") };
            Ok(7)
        });
        assert_eq!((filled, &event), (Ok(7), b"\x05\0\0\0\0\0\0\0abcdefgh"));
        let read = read_by(&rows::epoll_event, &model::AARCH64, at, |host| {
            // SAFETY: a packed event.
            assert_eq!(unsafe { &*(host as *const [u8; 12]) }, b"\x05\0\0\0abcdefgh");
            Err(Errno::EPERM)
        });
        assert_eq!(read, Err(Errno::EPERM));
    }
}

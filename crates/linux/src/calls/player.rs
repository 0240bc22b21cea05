//! A guest without a processor: whole calls of the table as guests of other widths and byte orders
//! would make them, with real calls of the host. Registers go in and a result comes out, and memory
//! lies below 4 GiB.

use super::dispatch::dispatch;
use super::numbers::Column;
use crate::abi::{Abi, AltStack, SignalDelivery, Vdso};
use crate::structure::model::{self, ByteOrder, Model};
use crate::structure::{Struct, rows};
use crate::task::Task;
use anyarch_engine::ops::R;
use anyarch_engine::run::{Guest, Peek, Slots, SyscallRegs, ThreadBox};
use anyarch_engine::state::Cpu;
use anyarch_sys::raw::general::*;
use anyarch_sys::{Errno, calls, mappings};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::string::String;
use std::sync::Arc;
use std::vec::Vec;

static SLOTS: Slots = Slots { gpr: &[0, 1, 2, 3, 4, 5, 6, 7], no_bases: &[], vec: &[0] };
static GUEST: Guest = Guest {
    name: "player",
    interpret: |_| {},
    peek: |_| Some(Peek { len: 4, ..Peek::default() }),
    leaf: |_| None,
    targets: |_, _, _| {},
    slots: &SLOTS,
    lookup_shift: 2,
    pc_align_mask: 3,
    ignored_bits: 0,
    address_bits: 64,
    syscall: SyscallRegs { number: R(7), args: [R(0), R(1), R(2), R(3), R(4), R(5)], result: R(0) },
    jump_clears: 0,
    likely: R::ZERO,
    faults_again: |_| false,
};
static NO_VDSO: Vdso = Vdso { elf_flags: 0, version: "", functions: &[], sigreturn: 0 };

/// A guest with registers as ARM's EABI has them.
struct Player {
    model: Model,
    column: Column,
}

static ARM: Player = Player { model: model::ARM, column: Column::Arm };
static ARMEB: Player = Player { model: model::ARMEB, column: Column::Arm };
static S390X: Player = Player { model: model::S390X, column: Column::S390 };
static PPC64LE: Player = Player { model: model::PPC64LE, column: Column::Powerpc };
static MIPS64EL: Player = Player { model: model::MIPS64EL, column: Column::Mips };
static GUESTS: [&Player; 5] = [&ARM, &ARMEB, &S390X, &PPC64LE, &MIPS64EL];
static NARROW: [&Player; 2] = [&ARM, &ARMEB];

impl Abi for Player {
    fn guest(&self) -> &'static Guest {
        &GUEST
    }
    fn model(&self) -> &'static Model {
        &model::MODELS[self.model.index as usize]
    }
    fn machine(&self) -> &'static str {
        self.model.name
    }
    fn elf_machine(&self) -> u16 {
        0
    }
    fn hwcaps(&self, _: Option<u64>) -> [u64; 3] {
        [0; 3]
    }
    fn largest_frame(&self) -> u64 {
        2048
    }
    fn cpuinfo(&self, _: usize) -> String {
        String::new()
    }
    fn calls(&self) -> Column {
        self.column
    }
    fn syscall_args(&self, cpu: &Cpu) -> (u64, [u64; 6]) {
        let g = &cpu.gpr;
        (g[7], [g[0], g[1], g[2], g[3], g[4], g[5]])
    }
    fn set_result(&self, cpu: &mut Cpu, raw: u64) {
        cpu.gpr[0] = if self.model.word == 4 { raw as u32 as u64 } else { raw };
    }
    fn start(&self, _: &mut Cpu, _: u64, _: u64, _: Option<u64>) {}
    fn clone_child(&self, _: &mut Cpu, _: u64, _: Option<u64>) {}
    fn min_sigstack(&self) -> u64 {
        2048
    }
    fn sp(&self, _: &Cpu) -> u64 {
        0
    }
    fn push_signal_frame(&self, _: &mut Cpu, _: &SignalDelivery) -> Result<(), Errno> {
        Err(Errno::EFAULT)
    }
    fn pop_signal_frame(&self, _: &mut Cpu) -> Result<(u64, AltStack), Option<u64>> {
        Err(None)
    }
    fn vdso(&self) -> &'static Vdso {
        &NO_VDSO
    }
    fn cpu_models(&self) -> &'static [&'static str] {
        &[]
    }
}

/// A task of a guest's, and its memory.
struct Play {
    guest: &'static Player,
    task: std::boxed::Box<Task>,
    base: u64,
    used: u64,
}

/// A task for tests of what calls need one.
pub(super) fn task() -> std::boxed::Box<Task> {
    Task::new(ThreadBox::new(&GUEST), &ARM, Arc::new(crate::signal::SigHand::new()))
}

/// Bytes of a guest's memory.
const MEMORY: u64 = 1 << 20;

impl Play {
    fn new(guest: &'static Player) -> Play {
        const PROT: u32 = PROT_READ | PROT_WRITE;
        const FLAGS: u32 = MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT;
        // SAFETY: a new mapping, wherever there is room below 2 GiB.
        let base = unsafe { mappings::mmap(0, MEMORY, PROT.into(), FLAGS.into(), -1, 0) }.unwrap();
        let task = Task::new(ThreadBox::new(&GUEST), guest, Arc::new(crate::signal::SigHand::new()));
        Play { guest, task, base, used: 0 }
    }

    fn model(&self) -> &'static Model {
        self.guest.model()
    }

    /// Makes a call by its name in the table; the result as the guest has it, with its sign.
    fn raw(&mut self, name: &str, args: &[u64]) -> i64 {
        let row = super::table::ROWS.iter().find(|row| row.name == name).expect(name);
        let number = row.numbers[self.guest.column as usize].expect(name) as u64;
        let number = number + if self.guest.column == Column::Mips { 5000 } else { 0 };
        let cpu = &mut self.task.thread.cpu;
        let junk = if self.guest.model.word == 4 { 0xdead_beef_0000_0000 } else { 0 };
        for (i, arg) in args.iter().enumerate() {
            let arg = if self.guest.model.word == 4 { *arg as u32 as u64 } else { *arg };
            cpu.gpr[i] = arg | junk;
        }
        cpu.gpr[7] = number;
        dispatch(&mut self.task);
        let result = self.task.thread.cpu.gpr[0];
        if self.guest.model.word == 4 { result as i32 as i64 } else { result as i64 }
    }

    /// The same for one that succeeds.
    fn call(&mut self, name: &str, args: &[u64]) -> u64 {
        let result = self.raw(name, args);
        assert!(result >= 0, "{name} of {}: {result}", self.guest.model.name);
        result as u64
    }

    /// The same for one that fails.
    fn fails(&mut self, name: &str, args: &[u64], errno: Errno) {
        let number = crate::structure::constants::ERRNOS.to_guest(self.model(), errno.0 as u32).unwrap();
        assert_eq!(self.raw(name, args), -(number as i64), "{name} of {}", self.guest.model.name);
    }

    /// A number of 64 bits in registers, the first of which is at an even place.
    fn pair(&self, value: u64) -> Vec<u64> {
        let (low, high) = (value & 0xffff_ffff, value >> 32);
        match (self.model().word, self.model().order) {
            (8, _) => std::vec![value],
            (_, ByteOrder::Little) => std::vec![low, high],
            (_, ByteOrder::Big) => std::vec![high, low],
        }
    }

    fn room(&mut self, size: usize) -> u64 {
        self.used = self.used.next_multiple_of(16);
        let at = self.base + self.used;
        self.used += size as u64;
        assert!(self.used < MEMORY);
        at
    }

    fn put(&mut self, bytes: &[u8]) -> u64 {
        let at = self.room(bytes.len());
        anyarch_sys::write_bytes(at, bytes).unwrap();
        at
    }

    fn get(&self, at: u64, size: usize) -> Vec<u8> {
        let mut bytes = std::vec![0; size];
        anyarch_sys::read_bytes(at, &mut bytes).unwrap();
        bytes
    }

    /// A number as the guest has it in memory.
    fn number(&self, value: u64, size: usize) -> Vec<u8> {
        match self.model().order {
            ByteOrder::Little => value.to_le_bytes()[..size].to_vec(),
            ByteOrder::Big => value.to_be_bytes()[8 - size..].to_vec(),
        }
    }

    fn load(&self, at: u64, size: usize) -> u64 {
        let mut bytes = self.get(at, size);
        if self.model().order == ByteOrder::Big {
            bytes.reverse();
        }
        bytes.iter().rev().fold(0, |value, &byte| value << 8 | byte as u64)
    }

    /// Longs in memory.
    fn longs(&mut self, values: &[u64]) -> u64 {
        let word = self.model().word;
        let bytes: Vec<u8> = values.iter().flat_map(|v| self.number(*v, word)).collect();
        self.put(&bytes)
    }

    fn load_long(&self, at: u64, i: usize) -> u64 {
        let word = self.model().word;
        self.load(at + (i * word) as u64, word)
    }

    /// A structure with some members set.
    fn structure(&mut self, of: &Struct, members: &[(&str, u64)]) -> u64 {
        let model = self.model();
        let at = self.room(of.size(model));
        anyarch_sys::write_bytes(at, &std::vec![0; of.size(model)]).unwrap();
        for (name, value) in members {
            let (_, offset, ty) = of.members(model).find(|m| m.0 == *name).expect(name);
            anyarch_sys::write_bytes(at + offset as u64, &self.number(*value, ty.size(model))).unwrap();
        }
        at
    }

    /// A member of a structure.
    fn member(&self, of: &Struct, at: u64, name: &str) -> u64 {
        let (_, offset, ty) = of.members(self.model()).find(|m| m.0 == name).expect(name);
        self.load(at + offset as u64, ty.size(self.model()))
    }

    fn text(&mut self, text: &str) -> u64 {
        self.put(&[text.as_bytes(), b"\0"].concat())
    }
}

impl Drop for Play {
    fn drop(&mut self) {
        // SAFETY: the mapping that was made for this.
        let _ = unsafe { mappings::munmap(self.base, MEMORY) };
    }
}

/// A file without a name.
fn memory_file() -> File {
    let fd = calls::memfd_create(b"player\0", 0).unwrap();
    // SAFETY: a new descriptor.
    unsafe { File::from_raw_fd(fd) }
}

fn fd(file: &impl AsRawFd) -> u64 {
    file.as_raw_fd() as u64
}

const FAR: u64 = 5 << 30;

#[test]
fn files_beyond_4_gib() {
    use std::os::unix::fs::{FileExt, MetadataExt};
    for guest in GUESTS {
        let mut play = Play::new(guest);
        let file = memory_file();
        file.write_at(b"far away", FAR).unwrap();
        let (fd, buf) = (fd(&file), play.room(64));
        let narrow = play.model().word == 4;
        let at = |play: &Play, first: &[u64], value: u64| {
            let mut regs = first.to_vec();
            if narrow && regs.len() % 2 == 1 {
                regs.push(0x1111);
            }
            regs.extend(play.pair(value));
            regs
        };
        let regs = at(&play, &[fd, buf, 8], FAR);
        assert_eq!(play.call("pread64", &regs), 8);
        assert_eq!(play.get(buf, 8), b"far away");
        let there = play.put(b"guest");
        let regs = at(&play, &[fd, there, 5], FAR + 8);
        assert_eq!(play.call("pwrite64", &regs), 5);
        let mut got = [0; 13];
        file.read_exact_at(&mut got, FAR).unwrap();
        assert_eq!(&got, b"far awayguest");
        // preadv's halves are in one order.
        let piece = play.structure(&rows::iovec, &[("iov_base", buf), ("iov_len", 5)]);
        let (low, high) = if narrow { ((FAR + 8) & 0xffff_ffff, (FAR + 8) >> 32) } else { (FAR + 8, 0) };
        assert_eq!(play.call("preadv", &[fd, piece, 1, low, high]), 5);
        assert_eq!(play.get(buf, 5), b"guest");
        // Sizes.
        let (name, of) = if narrow { ("fstat64", &rows::stat64) } else { ("fstat", &rows::stat) };
        let st = play.room(of.size(play.model()));
        play.call(name, &[fd, st]);
        let meta = file.metadata().unwrap();
        for (member, want) in [
            ("st_size", FAR + 13),
            ("st_ino", meta.ino()),
            ("st_nlink", 0),
            ("st_mode", meta.mode() as u64),
            ("st_blocks", meta.blocks()),
        ] {
            assert_eq!(play.member(of, st, member), want, "{member} of {}", guest.model.name);
        }
        if narrow {
            play.fails("fstat", &[fd, st], Errno::EOVERFLOW);
            // The result goes to memory, and a smaller one is told by lseek.
            let result = play.room(8);
            play.call("llseek", &[fd, 1, 16, result, SEEK_SET as u64]);
            assert_eq!(play.load(result, 8), (1 << 32) + 16);
            assert_eq!(play.call("lseek32", &[fd, 100, SEEK_SET as u64]), 100);
            assert_eq!(play.call("lseek32", &[fd, -40i64 as u64, SEEK_CUR as u64]), 60);
            play.fails("lseek32", &[fd, 0, SEEK_END as u64], Errno::EOVERFLOW);
            let regs = at(&play, &[fd], 1 << 33);
            play.call("ftruncate64", &regs);
            assert_eq!(file.metadata().unwrap().len(), 1 << 33);
            play.call("ftruncate", &[fd, 1000]);
            let regs = [&[fd, 0][..], &play.pair(1 << 33), &play.pair(1)].concat();
            play.call("sync_file_range2", &regs);
            play.call("arm_fadvise64_64", &regs);
        } else {
            assert_eq!(play.call("lseek", &[fd, FAR, SEEK_SET as u64]), FAR);
            play.call("ftruncate", &[fd, 1000]);
        }
        assert_eq!(file.metadata().unwrap().len(), 1000);
        let regs = [&[fd, 0][..], &play.pair(0), &play.pair(2000)].concat();
        play.call("fallocate", &regs);
        assert_eq!(file.metadata().unwrap().len(), 2000);
    }
}

#[test]
fn mappings_by_page_offset() {
    use std::os::unix::fs::FileExt;
    for guest in NARROW {
        let mut play = Play::new(guest);
        let file = memory_file();
        file.write_at(b"page", FAR).unwrap();
        // A place that is the guest's own.
        let at = (play.base + MEMORY / 2).next_multiple_of(4096);
        let flags = (MAP_SHARED | MAP_FIXED) as u64;
        let got = play.raw("mmap2", &[at, 4096, PROT_READ as u64, flags, fd(&file), FAR >> 12]);
        assert_eq!(got as u32 as u64, at);
        assert_eq!(play.get(at, 4), b"page");
    }
    let mut play = Play::new(&S390X);
    let at = (play.base + MEMORY / 2).next_multiple_of(4096);
    let flags = (MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED) as u64;
    let args = play.longs(&[at, 4096, PROT_READ as u64, flags, u64::MAX, 0]);
    assert_eq!(play.call("old_mmap", &[args]), at);
}

#[test]
fn file_systems() {
    use std::os::unix::ffi::OsStrExt;
    let dir = std::env::temp_dir();
    let path = std::ffi::CString::new(dir.as_os_str().as_bytes()).unwrap();
    let [f_type, f_bsize, f_blocks, ..] = calls::statfs(path.as_bytes_with_nul()).unwrap();
    for guest in GUESTS {
        let mut play = Play::new(guest);
        let name = play.text(dir.to_str().unwrap());
        let of = if play.model().word == 4 { &rows::statfs64 } else { &rows::statfs };
        let st = play.room(128);
        if play.model().word == 4 {
            let size = of.size(play.model()) as u64;
            play.call("statfs64", &[name, size, st]);
            play.call("statfs64", &[name, 88, st]);
            play.fails("statfs64", &[name, 80, st], Errno::EINVAL);
        } else {
            play.call("statfs", &[name, st]);
        }
        assert_eq!(play.member(of, st, "f_blocks"), f_blocks);
        assert_eq!(play.member(of, st, "f_bsize"), f_bsize);
        assert_eq!(play.member(of, st, "f_type"), f_type);
    }
}

#[test]
fn directories() {
    let dir = std::env::temp_dir().join(std::format!("player-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    for i in 0..20 {
        std::fs::write(dir.join(std::format!("file number {i}")), b"").unwrap();
    }
    let mut want: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name()).collect();
    want.extend([".".into(), "..".into()]);
    want.sort();
    for guest in GUESTS {
        for call in ["getdents64", "getdents"] {
            let mut play = Play::new(guest);
            let word = play.model().word;
            let open = File::open(&dir).unwrap();
            // Room for few, so that several calls are needed.
            let (room, buf) = (200, play.room(200));
            let mut names = Vec::new();
            loop {
                let len = play.call(call, &[fd(&open), buf, room]);
                assert!(len <= room);
                let mut at = 0;
                while at < len {
                    let (reclen, name) = if call == "getdents" { (2 * word, 2 * word + 2) } else { (16, 19) };
                    let size = play.load(buf + at + reclen as u64, 2);
                    assert!(size > 0 && size.is_multiple_of(word as u64));
                    let text = play.get(buf + at + name as u64, size as usize - name);
                    let text = text.split(|&b| b == 0).next().unwrap();
                    names.push(std::ffi::OsString::from(std::str::from_utf8(text).unwrap()));
                    at += size;
                }
                if len == 0 {
                    break;
                }
            }
            names.sort();
            assert_eq!(names, want, "{call} of {}", guest.model.name);
            play.fails(call, &[u64::MAX, buf, room], Errno::EBADF);
        }
        let mut play = Play::new(guest);
        let open = File::open(&dir).unwrap();
        let buf = play.room(8);
        play.fails("getdents", &[fd(&open), buf, 8], Errno::EINVAL);
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn messages_with_descriptors() {
    for guest in GUESTS {
        let mut play = Play::new(guest);
        let model = play.model();
        let pair = play.room(8);
        // AF_UNIX, SOCK_STREAM as the guest has it.
        let stream = crate::structure::constants::SOCKET_TYPES.to_guest(model, 1).unwrap() as u64;
        play.call("socketpair", &[1, stream, 0, pair]);
        let (a, b) = (play.load(pair, 4), play.load(pair + 4, 4));
        // SAFETY: new descriptors.
        let _ends = unsafe { [OwnedFd::from_raw_fd(a as RawFd), OwnedFd::from_raw_fd(b as RawFd)] };
        let level = crate::structure::constants::SOCKET_LEVELS.to_guest(model, 1).unwrap() as u64;
        let one = play.number(1, 4);
        let one = play.put(&one);
        let passcred = crate::structure::constants::SOCKET_OPTIONS.to_guest(model, 16).unwrap() as u64;
        play.call("setsockopt", &[b, level, passcred, one, 4]);
        // One byte in two pieces, and two descriptors.
        let (file, other) = (memory_file(), memory_file());
        (&file).write_all(b"sent").unwrap();
        let data = play.put(b"xy");
        let pieces = play.longs(&[data, 1, data + 1, 1]);
        let head = rows::cmsghdr.size(model) as u64;
        let control = [
            play.number(head + 8, model.word),
            play.number(level, 4),
            play.number(1, 4),
            play.number(fd(&file), 4),
            play.number(fd(&other), 4),
        ];
        let control = play.put(&control.concat());
        let message = play.structure(
            &rows::msghdr,
            &[("msg_iov", pieces), ("msg_iovlen", 2), ("msg_control", control), ("msg_controllen", head + 8)],
        );
        assert_eq!(play.call("sendmsg", &[a, message, 0]), 2);
        // Received with credentials, and with room for all.
        let (buf, room) = (play.room(8), play.room(256));
        let pieces = play.longs(&[buf, 8]);
        let message = play.structure(
            &rows::msghdr,
            &[("msg_iov", pieces), ("msg_iovlen", 1), ("msg_control", room), ("msg_controllen", 256)],
        );
        assert_eq!(play.call("recvmsg", &[b, message, 0]), 2);
        assert_eq!(play.get(buf, 2), b"xy");
        assert_eq!(play.member(&rows::msghdr, message, "msg_iov"), pieces);
        assert_eq!(play.member(&rows::msghdr, message, "msg_control"), room);
        assert_eq!(play.member(&rows::msghdr, message, "msg_flags"), 0);
        let len = play.member(&rows::msghdr, message, "msg_controllen");
        let (mut at, mut kinds) = (0, Vec::new());
        while at + head <= len {
            let size = play.load_long(room + at, 0);
            assert_eq!(play.load(room + at + model.word as u64, 4), level);
            let kind = play.load(room + at + model.word as u64 + 4, 4);
            kinds.push(kind);
            let contents = room + at + head;
            if kind == 1 {
                assert_eq!(size, head + 8);
                let got = play.load(contents, 4);
                // SAFETY: descriptors that were received.
                let files = unsafe {
                    [File::from_raw_fd(got as RawFd), File::from_raw_fd(play.load(contents + 4, 4) as RawFd)]
                };
                let mut text = String::new();
                let mut received = &files[0];
                std::io::Seek::rewind(&mut received).unwrap();
                received.read_to_string(&mut text).unwrap();
                assert_eq!(text, "sent");
            } else {
                assert_eq!((kind, play.load(contents, 4)), (2, std::process::id() as u64));
            }
            at += size.next_multiple_of(model.word as u64);
        }
        kinds.sort_unstable();
        assert_eq!(kinds, [1, 2], "{}", guest.model.name);
        // sendmmsg and recvmmsg.
        let text = play.put(b"hello");
        let pieces = play.longs(&[text, 5]);
        let many = play.structure(&rows::msghdr, &[("msg_iov", pieces), ("msg_iovlen", 1)]);
        play.room(64);
        assert_eq!(play.call("sendmmsg", &[a, many, 1, 0]), 1);
        let length = many + rows::mmsghdr.offset("msg_len", model).unwrap() as u64;
        assert_eq!(play.load(length, 4), 5);
        let pieces = play.longs(&[buf, 8]);
        let many = play.structure(&rows::msghdr, &[("msg_iov", pieces), ("msg_iovlen", 1)]);
        play.room(64);
        assert_eq!(play.call("recvmmsg", &[b, many, 1, 0, 0]), 1);
        assert_eq!(play.get(buf, 5), b"hello");
        assert_eq!(play.load(many + rows::mmsghdr.offset("msg_len", model).unwrap() as u64, 4), 5);
    }
}

#[test]
fn socket_addresses() {
    for guest in GUESTS {
        let mut play = Play::new(guest);
        let dgram = crate::structure::constants::SOCKET_TYPES.to_guest(play.model(), 2).unwrap() as u64;
        let socket = play.call("socket", &[2, dgram, 0]);
        // SAFETY: a new descriptor.
        let _socket = unsafe { OwnedFd::from_raw_fd(socket as RawFd) };
        let address = [&play.number(2, 2)[..], &[0, 0, 127, 0, 0, 1], &[0; 8]].concat();
        let address = play.put(&address);
        play.call("bind", &[socket, address, 16]);
        let (to, len) = (play.room(32), play.number(32, 4));
        let len = play.put(&len);
        play.call("getsockname", &[socket, to, len]);
        assert_eq!(play.load(len, 4), 16);
        assert_eq!(play.load(to, 2), 2);
        assert_eq!(play.get(to + 4, 4), [127, 0, 0, 1]);
        assert_ne!(play.get(to + 2, 2), [0, 0]);
        // To itself, with the sender's address coming back.
        let text = play.put(b"self");
        assert_eq!(play.call("sendto", &[socket, text, 4, 0, to, 16]), 4);
        let (buf, from) = (play.room(16), play.room(32));
        assert_eq!(play.call("recvfrom", &[socket, buf, 16, 0, from, len]), 4);
        assert_eq!(play.get(from, 8), play.get(to, 8));
        // A shorter room cuts the address off.
        let short = play.number(4, 4);
        let short = play.put(&short);
        let mark = play.put(&[0xee; 16]);
        play.call("getsockname", &[socket, mark, short]);
        assert_eq!(play.load(short, 4), 16);
        assert_eq!(play.get(mark + 4, 4), [0xee; 4]);
    }
}

#[test]
fn clocks() {
    for guest in GUESTS {
        let mut play = Play::new(guest);
        let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let ts = play.room(16);
        let before = now();
        play.call("clock_gettime", &[0, ts]);
        let seconds = play.load(ts, 8);
        assert!((before..=now()).contains(&seconds), "{}", guest.model.name);
        assert!(play.load(ts + 8, 8) < 1_000_000_000);
        if play.model().word == 4 {
            let before = now();
            play.call("clock_gettime32", &[0, ts]);
            assert!((before..=now()).contains(&play.load(ts, 4)));
            assert!(play.load(ts + 4, 4) < 1_000_000_000);
            let short = play.longs(&[0, 1000]);
            play.call("nanosleep_time32", &[short, 0]);
            play.call("clock_nanosleep_time32", &[1, 0, short, 0]);
            let bad = play.longs(&[0, 1_000_000_000]);
            play.fails("nanosleep_time32", &[bad, 0], Errno::EINVAL);
        }
        let tv = play.room(16);
        play.call("gettimeofday", &[tv, 0]);
        assert!((before..=now()).contains(&play.load_long(tv, 0)));
        // A timer of a descriptor.
        let timer = play.call("timerfd_create", &[1, 0]);
        // SAFETY: a new descriptor.
        let _timer = unsafe { OwnedFd::from_raw_fd(timer as RawFd) };
        let (of, set) = (&rows::itimerspec64, play.room(32));
        let value: Vec<u8> = [1, 2, 100, 3].iter().flat_map(|v| play.number(*v, 8)).collect();
        let new = play.put(&value);
        play.call("timerfd_settime", &[timer, 0, new, 0]);
        play.call("timerfd_gettime", &[timer, set]);
        assert_eq!((play.load(set, 8), play.load(set + 8, 8)), (1, 2), "{}", of.name);
        assert!((99..=100).contains(&play.load(set + 16, 8)));
    }
}

#[test]
fn signals_that_are_waited_for() {
    // SIGUSR1 and a queued one, blocked in this thread only.
    let (usr1, rt) = (10, 40u64);
    let set = 1u64 << (usr1 - 1) | 1 << (rt - 1);
    calls::signal_mask(Some(calls::signal_mask(None) | set));
    let (pid, tid) = (calls::getpid() as u64, calls::gettid() as u64);
    for guest in GUESTS {
        let mut play = Play::new(guest);
        play.task.sigmask.store(set, core::sync::atomic::Ordering::Relaxed);
        let model = play.model();
        let number =
            |signo: u64| crate::structure::constants::SIGNALS.to_guest(model, signo as u32).unwrap() as u64;
        // A set as the guest has it: longs, the lowest first.
        let bits = 1u64 << (number(usr1) - 1) | 1 << (rt - 1);
        let size = crate::structure::signals_size(model) as u64;
        let words: Vec<u64> = match model.word {
            4 => std::vec![bits & 0xffff_ffff, bits >> 32],
            _ => std::vec![bits, 0],
        };
        let wanted = play.longs(&words);
        // Queued with a value.
        let info = play.structure(&rows::siginfo_rt, &[("pid", pid), ("uid", 7), ("sigval", 0x1234_5678)]);
        let head = [("si_signo", rt), ("si_code", -1i64 as u64)];
        for (name, value) in head {
            let at = rows::siginfo_head.offset(name, model).unwrap() as u64;
            anyarch_sys::write_bytes(info + at, &play.number(value & 0xffff_ffff, 4)).unwrap();
        }
        play.call("rt_tgsigqueueinfo", &[pid, tid, rt, info]);
        let out = play.room(128);
        let wait = if model.word == 4 { "rt_sigtimedwait_time32" } else { "rt_sigtimedwait" };
        assert_eq!(play.call(wait, &[wanted, out, 0, size]), rt);
        assert_eq!(play.member(&rows::siginfo_rt, out, "pid"), pid, "{}", guest.model.name);
        assert_eq!(play.member(&rows::siginfo_rt, out, "uid"), 7);
        assert_eq!(play.member(&rows::siginfo_rt, out, "sigval"), 0x1234_5678, "{}", guest.model.name);
        play.call("tgkill", &[pid, tid, number(usr1)]);
        let pending = play.room(16);
        play.call("rt_sigpending", &[pending, size]);
        let word = 8 * model.word as u64;
        let at = (number(usr1) - 1) / word;
        assert_eq!(play.load_long(pending, at as usize), 1 << ((number(usr1) - 1) % word));
        assert_eq!(play.call(wait, &[wanted, out, 0, size]), number(usr1), "{}", guest.model.name);
        assert_eq!(play.load(out, 4), number(usr1));
        assert_eq!(play.member(&rows::siginfo_kill, out, "pid"), pid, "{}", guest.model.name);
        // Nothing is left.
        let none = play.longs(&[0, 1000]);
        play.fails(wait, &[wanted, out, none, size], Errno::EAGAIN);
        play.fails(wait, &[wanted, out, none, size + 4], Errno::EINVAL);
    }
}

#[test]
fn epoll_events() {
    for guest in GUESTS {
        let mut play = Play::new(guest);
        let epoll = play.call("epoll_create1", &[0]);
        let event = play.call("eventfd2", &[1, 0]);
        // SAFETY: new descriptors.
        let _fds = unsafe { [OwnedFd::from_raw_fd(epoll as RawFd), OwnedFd::from_raw_fd(event as RawFd)] };
        let of = &rows::epoll_event;
        let data = 0x1122_3344_5566_7788;
        let new = play.structure(of, &[("events", EPOLLIN as u64), ("data", data)]);
        play.call("epoll_ctl", &[epoll, EPOLL_CTL_ADD as u64, event, new]);
        let events = play.room(2 * of.size(play.model()));
        assert_eq!(play.call("epoll_wait", &[epoll, events, 2, 1000]), 1);
        assert_eq!(play.member(of, events, "events"), EPOLLIN as u64);
        assert_eq!(play.member(of, events, "data"), data, "{}", guest.model.name);
        // Without a mask nobody looks at its size.
        let more = play.room(2 * of.size(play.model()));
        assert_eq!(play.call("epoll_pwait", &[epoll, more, 2, 0, 0, 0]), 1);
        assert_eq!(play.member(of, more, "data"), data, "{}", guest.model.name);
        // Nobody looks at the event of what is taken out.
        play.call("epoll_ctl", &[epoll, EPOLL_CTL_DEL as u64, event, 1]);
        assert_eq!(play.call("epoll_pwait", &[epoll, events, 2, 0, 0, 8]), 0);
    }
}

#[test]
fn locks() {
    for guest in GUESTS {
        let mut play = Play::new(guest);
        let narrow = play.model().word == 4;
        let path = std::env::temp_dir().join(std::format!("player-lock-{}", std::process::id()));
        let (a, b) = (File::create(&path).unwrap(), File::options().write(true).open(&path).unwrap());
        std::fs::remove_file(&path).unwrap();
        let of = if narrow { &rows::flock64 } else { &rows::flock };
        let call = if narrow { "fcntl64" } else { "fcntl" };
        // A write lock far away on one open file, seen through another.
        let lock = play.structure(of, &[("l_type", 1), ("l_start", FAR), ("l_len", 10)]);
        play.call(call, &[fd(&a), F_OFD_SETLK as u64, lock]);
        let seen = play.structure(of, &[("l_type", 1)]);
        play.call(call, &[fd(&b), F_OFD_GETLK as u64, seen]);
        assert_eq!(play.member(of, seen, "l_type"), 1);
        assert_eq!(play.member(of, seen, "l_start"), FAR, "{}", guest.model.name);
        assert_eq!(play.member(of, seen, "l_len"), 10);
        if narrow {
            let of = &rows::flock;
            let seen = play.structure(of, &[("l_type", 1)]);
            play.fails("fcntl", &[fd(&b), F_OFD_GETLK as u64, seen], Errno::EINVAL);
            // The older structure cannot tell where.
            play.fails("fcntl64", &[fd(&b), F_GETLK as u64, seen], Errno::EOVERFLOW);
            let lock = play.structure(&rows::flock64, &[("l_type", 1), ("l_start", 100), ("l_len", 10)]);
            play.call("fcntl64", &[fd(&a), F_OFD_SETLK as u64, lock]);
            play.call("fcntl", &[fd(&b), F_GETLK as u64, seen]);
            assert_eq!(play.member(of, seen, "l_start"), 100);
        }
        // Status flags.
        let append = crate::structure::constants::OPEN_FLAGS.to_guest(play.model(), O_APPEND).unwrap() as u64;
        play.call(call, &[fd(&a), F_SETFL as u64, append]);
        assert_eq!(play.call(call, &[fd(&a), F_GETFL as u64]) & append, append);
    }
}

#[test]
fn selects() {
    for guest in GUESTS {
        let mut play = Play::new(guest);
        let pair = play.room(8);
        play.call("pipe2", &[pair, 0]);
        let ends = [play.load(pair, 4), play.load(pair + 4, 4)];
        // SAFETY: new descriptors.
        let [from, to] = ends.map(|fd| unsafe { File::from_raw_fd(fd as RawFd) });
        // Numbers in the second and third word.
        let [low, high] = [40, 70].map(|least| {
            let fd = calls::duplicate(from.as_raw_fd(), least).unwrap();
            // SAFETY: a new descriptor.
            (fd as u64, unsafe { OwnedFd::from_raw_fd(fd) })
        });
        let bits = 8 * play.model().word as u64;
        let count = high.0 + 1;
        let words = count.div_ceil(bits) as usize;
        let mut set = std::vec![0; words + 1];
        set[words] = 0x5a5a;
        for fd in [low.0, high.0] {
            set[(fd / bits) as usize] |= 1 << (fd % bits);
        }
        let want = set.clone();
        let zero = play.longs(&[0, 0]);
        let reads = play.longs(&set);
        assert_eq!(play.call("select", &[count, reads, 0, 0, zero]), 0);
        for i in 0..words {
            assert_eq!(play.load_long(reads, i), 0);
        }
        // What lies behind the set is not touched.
        assert_eq!(play.load_long(reads, words), 0x5a5a);
        (&to).write_all(b"!").unwrap();
        let reads = play.longs(&set);
        let time = play.longs(&[5, 0]);
        assert_eq!(play.call("select", &[count, reads, 0, 0, time]), 2);
        for (i, word) in want.iter().enumerate() {
            assert_eq!(play.load_long(reads, i), *word, "{}", guest.model.name);
        }
        // What is left of the time.
        assert!((4..=5).contains(&play.load_long(time, 0)));
        let reads = play.longs(&set);
        let size = crate::structure::signals_size(play.model()) as u64;
        let mask = play.longs(&[0, 0]);
        let pack = play.longs(&[mask, size]);
        let call = if play.model().word == 4 { "pselect6_time32" } else { "pselect6" };
        let time = play.longs(&[5, 0]);
        assert_eq!(play.call(call, &[count, reads, 0, 0, time, pack]), 2, "{}", guest.model.name);
        let pack = play.longs(&[mask, size / 2]);
        play.fails(call, &[count, reads, 0, 0, time, pack], Errno::EINVAL);
        drop(high);
        drop(low);
    }
}

#[test]
fn system_v_messages_and_memory() {
    for guest in GUESTS {
        let mut play = Play::new(guest);
        let word = play.model().word;
        // Commands of ARM are marked.
        let mark = if word == 4 { 0x100 } else { 0 };
        let queue = play.call("msgget", &[0, 0o600]);
        let text = [&play.number(7, word)[..], b"text"].concat();
        let text = play.put(&text);
        play.call("msgsnd", &[queue, text, 4, 0]);
        let of = &rows::msqid_ds;
        let ds = play.room(of.size(play.model()));
        play.call("msgctl", &[queue, 2 | mark, ds]);
        assert_eq!(play.member(of, ds, "msg_qnum"), 1, "{}", guest.model.name);
        let buf = play.room(32);
        assert_eq!(play.call("msgrcv", &[queue, buf, 16, -8i64 as u64, 0]), 4);
        assert_eq!((play.load(buf, word), play.get(buf + word as u64, 4)), (7, b"text".to_vec()));
        play.call("msgctl", &[queue, mark, 0]);
        let memory = play.call("shmget", &[0, 12345, 0o600]);
        let of = &rows::shmid_ds;
        let ds = play.room(of.size(play.model()));
        play.call("shmctl", &[memory, 2 | mark, ds]);
        assert_eq!(play.member(of, ds, "shm_segsz"), 12345, "{}", guest.model.name);
        play.call("shmctl", &[memory, mark, 0]);
        let semaphores = play.call("semget", &[0, 3, 0o600]);
        let values: Vec<u8> = [1, 2, 3].iter().flat_map(|v| play.number(*v, 2)).collect();
        let at = play.put(&values);
        play.call("semctl", &[semaphores, 0, 17, at]);
        assert_eq!(play.call("semctl", &[semaphores, 2, 12, 0]), 3);
        let operation: Vec<u8> = [2, 0xffff, 0].iter().flat_map(|v| play.number(*v, 2)).collect();
        let operation = play.put(&operation);
        // Some 64-bit architectures have semtimedop only.
        play.call(if word == 4 { "semop" } else { "semtimedop" }, &[semaphores, operation, 1, 0]);
        let got = play.room(8);
        play.call("semctl", &[semaphores, 0, 13, got]);
        assert_eq!([0, 2, 4].map(|i| play.load(got + i, 2)), [1, 2, 2]);
        let of = &rows::semid_ds;
        let ds = play.room(of.size(play.model()));
        play.call("semctl", &[semaphores, 0, 2 | mark, ds]);
        assert_eq!(play.member(of, ds, "sem_nsems"), 3);
        play.call("semctl", &[semaphores, 0, 0, 0]);
    }
}

#[test]
fn through_multiplexers() {
    for guest in [&S390X, &PPC64LE] {
        let mut play = Play::new(guest);
        // socketpair and send by socketcall.
        let pair = play.room(8);
        let args = play.longs(&[1, 1, 0, pair]);
        play.call("socketcall", &[8, args]);
        let (a, b) = (play.load(pair, 4), play.load(pair + 4, 4));
        // SAFETY: new descriptors.
        let _ends = unsafe { [OwnedFd::from_raw_fd(a as RawFd), OwnedFd::from_raw_fd(b as RawFd)] };
        let text = play.put(b"hi");
        let args = play.longs(&[a, text, 2, 0]);
        assert_eq!(play.call("socketcall", &[9, args]), 2);
        let buf = play.room(8);
        let args = play.longs(&[b, buf, 8, 0]);
        assert_eq!(play.call("socketcall", &[10, args]), 2);
        assert_eq!(play.get(buf, 2), b"hi");
        play.fails("socketcall", &[21, args], Errno::EINVAL);
        play.fails("socketcall", &[0, args], Errno::EINVAL);
        // Semaphores by ipc: semget, SETVAL through memory, GETVAL, IPC_RMID.
        let semaphores = play.call("ipc", &[2, 0, 1, 0o600]);
        let value = if play.model().order == ByteOrder::Big { 5 << 32 } else { 5 };
        let value = play.longs(&[value]);
        play.call("ipc", &[3, semaphores, 0, 16, value]);
        assert_eq!(play.call("ipc", &[3, semaphores, 0, 12, value]), 5, "{}", guest.model.name);
        play.call("ipc", &[3, semaphores, 0, 0, value]);
        play.fails("ipc", &[99, 0, 0, 0, 0], Errno::ENOSYS);
    }
}

#[test]
fn users_limits_and_numbers() {
    for guest in GUESTS {
        let mut play = Play::new(guest);
        let model = play.model();
        let uid = calls::geteuid() as u64;
        assert_eq!(play.call("getuid", &[]), uid);
        let three = play.room(16);
        play.call("getresuid", &[three, three + 4, three + 8]);
        assert_eq!(play.load(three, 4), uid);
        if model.word == 4 {
            assert_eq!(play.call("getuid16", &[]), uid.min(65534));
            play.call("getresuid16", &[three, three + 2, three + 4]);
            assert_eq!(play.load(three + 2, 2), uid.min(65534));
            // All ones change nothing.
            play.call("setreuid16", &[0xffff, 0xffff]);
            // No limit is all ones of the guest's.
            let limit = play.room(8);
            play.call("getrlimit", &[4, limit]);
            let host = calls::resource_limit(4).unwrap();
            for (i, host) in host.iter().enumerate() {
                assert_eq!(play.load_long(limit, i), (*host).min(0xffff_ffff));
            }
            play.call("setrlimit", &[4, limit]);
            assert_eq!(calls::resource_limit(4), Ok(host));
        }
        // Processors: whole words of the guest's.
        let words = play.room(1024);
        let len = play.call("sched_getaffinity", &[0, 1024, words]);
        assert!(len > 0 && len.is_multiple_of(model.word as u64));
        let mut host = [0; 1024];
        calls::sched_getaffinity(&mut host).unwrap();
        let host = u64::from_le_bytes(host[..8].try_into().unwrap());
        let mut all = 0u64;
        for i in 0..8 / model.word {
            all |= play.load_long(words, i) << (8 * model.word * i);
        }
        assert_eq!(all, host, "{}", guest.model.name);
        play.call("sched_setaffinity", &[0, len, words]);
        if model.word == 4 {
            play.fails("sched_getaffinity", &[0, 1022, words], Errno::EINVAL);
            let len = play.call("sched_getaffinity", &[0, 1020, words]);
            assert!(len > 0 && len <= 1020);
        }
        // Memory of the machine.
        let of = &rows::sysinfo;
        let info = play.room(of.size(model));
        play.call("sysinfo", &[info]);
        let unit = play.member(of, info, "mem_unit");
        let mut text = String::new();
        File::open("/proc/meminfo").unwrap().read_to_string(&mut text).unwrap();
        let total: u64 = text.split_whitespace().nth(1).unwrap().parse().unwrap();
        assert_eq!(play.member(of, info, "totalram") * unit / 1024, total, "{}", guest.model.name);
        play.fails("close", &[u64::MAX], Errno::EBADF);
        play.fails("setpgid", &[u64::MAX, 0], Errno::EINVAL);
    }
}

#[test]
fn pieces_of_a_scsi_command() {
    const SG_IO: u64 = 0x2285;
    let (file, header) = (memory_file(), &rows::sg_io_hdr);
    for guest in GUESTS {
        let mut play = Play::new(guest);
        let room = play.room(512);
        let pieces = play.longs(&[room, 512]);
        let command = [("interface_id", b'S' as u64), ("iovec_count", 1), ("dxferp", pieces)];
        let at = play.structure(header, &command);
        // No SCSI device. The list was found, and its address stays as it was.
        play.fails("ioctl", &[fd(&file), SG_IO, at], Errno::ENOTTY);
        assert_eq!(play.member(header, at, "dxferp"), pieces, "{}", guest.model.name);
    }
}

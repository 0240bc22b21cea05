//! `struct msghdr`: what it leads to besides itself, the pieces of data, the address and the
//! control messages. The latter are records of the guest's width, each with contents of its own.

use super::constants::SOCKET_LEVELS;
use super::model::HOST;
use super::{Direction, Model, Plan, Struct, rows, sockaddr};
use alloc::vec;
use alloc::vec::Vec;
use anyarch_sys::calls::close;
use anyarch_sys::{Errno, read_bytes, write_bytes};

/// Offsets in the host's structure, in bytes: `msg_name`, `msg_namelen`, `msg_iov`, `msg_iovlen`,
/// `msg_control`, `msg_controllen`, `msg_flags`.
mod at {
    pub(super) const NAME: usize = 0;
    pub(super) const NAME_LEN: usize = 8;
    pub(super) const PIECES: usize = 16;
    pub(super) const PIECE_COUNT: usize = 24;
    pub(super) const CONTROL: usize = 32;
    pub(super) const CONTROL_LEN: usize = 40;
    pub(super) const FLAGS: usize = 48;
}

const SOL_SOCKET: u32 = 1;
const SCM_RIGHTS: u32 = 1;
/// Control messages were left out for lack of room.
const MSG_CTRUNC: u32 = 8;
/// The kernel takes so many pieces at most (UIO_MAXIOV).
const PIECES_MAX: u64 = 1024;
/// More control data than the kernel takes (net.core.optmem_max is 128 KiB by default).
const CONTROL_MAX: u64 = 1 << 20;

/// Control messages by the host's level and type: what they hold, as often as there is room for.
static KINDS: &[(u32, u32, &Struct)] = &[
    (SOL_SOCKET, SCM_RIGHTS, &rows::an_int),
    (SOL_SOCKET, 2, &rows::ucred),
    // SO_TIMESTAMP, SO_TIMESTAMPNS and SO_TIMESTAMPING, with `long` and with 64 bits.
    (SOL_SOCKET, 29, &rows::timeval),
    (SOL_SOCKET, 35, &rows::timespec),
    (SOL_SOCKET, 37, &rows::scm_timestamping),
    (SOL_SOCKET, 63, &rows::sock_timeval),
    (SOL_SOCKET, 64, &rows::timespec64),
    (SOL_SOCKET, 65, &rows::scm_timestamping64),
    // IP_PKTINFO, IP_TTL; IPV6_PKTINFO, IPV6_HOPLIMIT, IPV6_TCLASS.
    (0, 8, &rows::in_pktinfo),
    (0, 2, &rows::an_int),
    (41, 50, &rows::in6_pktinfo),
    (41, 52, &rows::an_int),
    (41, 67, &rows::an_int),
];

fn kind(level: u32, kind: u32) -> Option<&'static Struct> {
    KINDS.iter().find(|it| (it.0, it.1) == (level, kind)).map(|it| it.2)
}

/// A message as the host's kernel is to see it. Its buffers do not move.
pub(crate) struct Message {
    pieces: Vec<u64>,
    control: Vec<u64>,
    name: Vec<u8>,
    /// The guest's addresses and lengths: name, pieces, control.
    theirs: [(u64, u64); 3],
}

fn word(host: &[u8], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&host[at..at + 8]);
    u64::from_le_bytes(bytes)
}

fn int(host: &[u8], at: usize) -> u32 {
    word(host, at) as u32
}

fn set_word(host: &mut [u8], at: usize, value: u64) {
    host[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

fn set_int(host: &mut [u8], at: usize, value: u32) {
    host[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn bytes_of(words: &mut [u64]) -> &mut [u8] {
    // SAFETY: the same memory as bytes, which have every value.
    unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), size_of_val(words)) }
}

/// The head of a control message, and what alignment they have.
struct Head {
    size: usize,
    align: usize,
}

impl Head {
    fn of(model: &Model) -> Head {
        Head { size: rows::cmsghdr.size(model), align: model.word }
    }
}

/// One control message in memory: its level and type, and where its contents are.
struct Control {
    level: u32,
    kind: u32,
    contents: core::ops::Range<usize>,
}

/// The control messages in `bytes`, of a model, and where the walk ended.
fn controls(model: &Model, bytes: &[u8]) -> (Vec<Control>, usize) {
    let Head { size, align } = Head::of(model);
    let (mut all, mut at) = (Vec::new(), 0);
    while at + size <= bytes.len() {
        let mut head = [0; 16];
        Plan::new(&rows::cmsghdr, model, &HOST).convert(&bytes[at..], &mut head);
        let len = word(&head, 0);
        if len < size as u64 || len > (bytes.len() - at) as u64 {
            break;
        }
        let len = len as usize;
        all.push(Control {
            level: int(&head, 8),
            kind: word(&head, 8).rotate_left(32) as u32,
            contents: at + size..at + len,
        });
        at += len.next_multiple_of(align);
    }
    (all, at)
}

/// The contents of a control message on the other side.
fn contents(kind: Option<&'static Struct>, direction: Direction, guest: &Model, bytes: &[u8]) -> Vec<u8> {
    let Some(of) = kind else { return bytes.to_vec() };
    let plan = Plan::kept(of, direction, guest);
    let count = bytes.len() / plan.from_size;
    let mut out = vec![0; count * plan.to_size];
    for i in 0..count {
        plan.convert(&bytes[i * plan.from_size..], &mut out[i * plan.to_size..]);
    }
    out
}

/// Appends a control message as `model` has it. (The last one's contents need no padding behind
/// them to be complete, but the next one begins aligned.)
fn append(out: &mut Vec<u8>, model: &Model, level: u32, kind: u32, contents: &[u8]) {
    let Head { size, align } = Head::of(model);
    out.resize(out.len().next_multiple_of(align), 0);
    let mut head = [0; 16];
    set_word(&mut head, 0, (size + contents.len()) as u64);
    set_int(&mut head, 8, level);
    set_int(&mut head, 12, kind);
    let mut theirs = [0; 16];
    Plan::new(&rows::cmsghdr, &HOST, model).convert(&head, &mut theirs);
    out.extend_from_slice(&theirs[..size]);
    out.extend_from_slice(contents);
}

/// The guest's control messages for the host's kernel.
///
/// # Errors
/// `EINVAL` for a length that cannot be, and for none at all (cmsghdr_from_user_compat_to_kern).
fn controls_to_host(guest: &Model, theirs: &[u8]) -> Result<Vec<u8>, Errno> {
    let mut out = Vec::new();
    let (all, end) = controls(guest, theirs);
    // Of 64-bit programs each protocol looks at them, and at none where there is no room for a
    // head.
    let is_short = guest.word == 8 && theirs.len() < Head::of(guest).size;
    if !is_short && (end < theirs.len() || all.is_empty()) {
        return Err(Errno::EINVAL);
    }
    for control in all {
        let level = SOCKET_LEVELS.to_host(guest, control.level).unwrap_or(control.level);
        let bytes = contents(kind(level, control.kind), Direction::ToHost, guest, &theirs[control.contents]);
        append(&mut out, &HOST, level, control.kind, &bytes);
    }
    Ok(out)
}

/// The host's control messages for a guest's room of so many bytes, and whether all had room.
/// Descriptors that had none are closed: the guest does not know of them.
fn controls_to_guest(guest: &Model, host: &[u8], room: usize) -> (Vec<u8>, bool) {
    let head = Head::of(guest).size;
    let (mut out, mut all) = (Vec::new(), true);
    for control in controls(&HOST, host).0 {
        let of = kind(control.level, control.kind);
        let bytes = &host[control.contents];
        let mut theirs = contents(of, Direction::ToGuest, guest, bytes);
        let at = out.len().next_multiple_of(guest.word);
        let is_rights = (control.level, control.kind) == (SOL_SOCKET, SCM_RIGHTS);
        let left = room.checked_sub(at + head);
        if left.is_none_or(|left| theirs.len() > left) {
            all = false;
            let kept = left.unwrap_or(0);
            let kept = if is_rights { kept - kept % 4 } else { kept };
            if is_rights {
                for fd in bytes[kept..].chunks_exact(4) {
                    close(i32::from_le_bytes([fd[0], fd[1], fd[2], fd[3]]));
                }
            }
            theirs.truncate(kept);
        }
        // Of others there is what has room, be it the head alone (put_cmsg_compat,
        // scm_detach_fds_compat).
        if left.is_none() || is_rights && theirs.is_empty() {
            continue;
        }
        let level = SOCKET_LEVELS.to_guest(guest, control.level).unwrap_or(control.level);
        append(&mut out, guest, level, control.kind, &theirs);
    }
    // What a program walks by CMSG_NXTHDR ends aligned, as far as there is room.
    let end = out.len().next_multiple_of(guest.word).min(room.max(out.len()));
    out.resize(end, 0);
    (out, all)
}

impl Message {
    /// Follows the addresses of a message that has been converted to the host's layout, `host`, and
    /// makes them those of copies in the host's layout. `receives`: the call fills them.
    ///
    /// # Errors
    /// `EFAULT`; `EINVAL` for control messages that make no sense.
    pub(crate) fn follow(guest: &Model, host: &mut [u8], receives: bool) -> Result<Message, Errno> {
        let theirs = [
            (word(host, at::NAME), int(host, at::NAME_LEN) as u64),
            (word(host, at::PIECES), word(host, at::PIECE_COUNT)),
            (word(host, at::CONTROL), word(host, at::CONTROL_LEN)),
        ];
        let mut message = Message { pieces: Vec::new(), control: Vec::new(), name: Vec::new(), theirs };
        let [name, pieces, control] = theirs;
        if !sockaddr::same(guest) && name.0 != 0 && (name.1 as i32) > 0 {
            message.name = vec![0; (name.1 as usize).min(sockaddr::LONGEST)];
            if !receives {
                read_bytes(name.0, &mut message.name)?;
                sockaddr::convert(Direction::ToHost, guest, &mut message.name);
            }
            set_word(host, at::NAME, message.name.as_ptr() as u64);
        }
        // Too many are the kernel's to refuse, before it looks at them.
        if pieces.1 != 0 && pieces.1 <= PIECES_MAX {
            let plan = Plan::kept(&rows::iovec, Direction::ToHost, guest);
            let mut bytes = vec![0; pieces.1 as usize * plan.from_size];
            read_bytes(pieces.0, &mut bytes)?;
            message.pieces = vec![0; 2 * pieces.1 as usize];
            let out = bytes_of(&mut message.pieces);
            for i in 0..pieces.1 as usize {
                plan.convert(&bytes[i * plan.from_size..], &mut out[i * plan.to_size..]);
            }
            set_word(host, at::PIECES, message.pieces.as_ptr() as u64);
        }
        if control.0 != 0 && control.1 != 0 && control.1 <= CONTROL_MAX {
            let len = if receives {
                // Heads and contents of the host's are at most twice as long as a 32-bit guest's.
                2 * control.1 as usize + 64
            } else {
                let mut bytes = vec![0; control.1 as usize];
                read_bytes(control.0, &mut bytes)?;
                let out = controls_to_host(guest, &bytes)?;
                message.control = vec![0; out.len().div_ceil(8)];
                bytes_of(&mut message.control)[..out.len()].copy_from_slice(&out);
                out.len()
            };
            message.control.resize(len.div_ceil(8).max(1), 0);
            set_word(host, at::CONTROL, message.control.as_ptr() as u64);
            set_word(host, at::CONTROL_LEN, len as u64);
        }
        Ok(message)
    }

    /// Gives the guest what the call has filled, and `host` the guest's addresses again.
    ///
    /// # Errors
    /// `EFAULT`.
    pub(crate) fn give_back(&mut self, guest: &Model, host: &mut [u8], received: bool) -> Result<(), Errno> {
        let [name, pieces, control] = self.theirs;
        set_word(host, at::NAME, name.0);
        set_word(host, at::PIECES, pieces.0);
        set_word(host, at::CONTROL, control.0);
        let len = word(host, at::CONTROL_LEN) as usize;
        if !received {
            set_word(host, at::CONTROL_LEN, control.1);
            return Ok(());
        }
        if !self.name.is_empty() {
            let len = (int(host, at::NAME_LEN) as usize).min(self.name.len());
            sockaddr::convert(Direction::ToGuest, guest, &mut self.name[..len]);
            write_bytes(name.0, &self.name[..len])?;
        }
        if !self.control.is_empty() {
            let bytes = bytes_of(&mut self.control);
            let bytes = &bytes[..len.min(bytes.len())];
            let (theirs, all) = controls_to_guest(guest, bytes, control.1 as usize);
            if !all {
                let flags = int(host, at::FLAGS) | MSG_CTRUNC;
                set_int(host, at::FLAGS, flags);
            }
            write_bytes(control.0, &theirs)?;
            set_word(host, at::CONTROL_LEN, theirs.len() as u64);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structure::model;

    /// A control message with descriptors, and one with credentials.
    fn both(model: &Model) -> Vec<u8> {
        let mut out = Vec::new();
        let order = |values: &[u32]| {
            let bytes = |v: &u32| {
                if model.order == model::ByteOrder::Big { v.to_be_bytes() } else { v.to_le_bytes() }
            };
            values.iter().flat_map(bytes).collect::<Vec<u8>>()
        };
        let level = SOCKET_LEVELS.to_guest(model, SOL_SOCKET).unwrap();
        append(&mut out, model, level, SCM_RIGHTS, &order(&[3, 4, 5]));
        append(&mut out, model, level, 2, &order(&[100, 0, 7]));
        out
    }

    #[test]
    fn controls_go_there_and_back() {
        for guest in &model::MODELS {
            let theirs = both(guest);
            let host = controls_to_host(guest, &theirs).unwrap();
            assert_eq!(host, both(&HOST), "{}", guest.name);
            let (back, all) = controls_to_guest(guest, &host, theirs.len());
            assert!(all && back == theirs, "{}: {back:?} {theirs:?}", guest.name);
        }
    }

    #[test]
    fn arm_has_short_heads() {
        let arm = both(&model::ARM);
        assert_eq!(arm[..24], [24, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0]);
        assert_eq!(arm.len(), 24 + 24);
        assert_eq!(both(&HOST).len(), 32 + 28);
    }

    #[test]
    fn what_has_no_room_is_told() {
        let host = both(&HOST);
        // Room for the descriptors alone.
        let mut creds = Vec::new();
        append(&mut creds, &HOST, SOL_SOCKET, 2, &[1; 12]);
        let (back, all) = controls_to_guest(&model::ARM, &creds, 20);
        assert!(!all);
        assert_eq!(back[..4], 20u32.to_le_bytes());
        let (back, all) = controls_to_guest(&model::ARM, &host, 48);
        assert!(all && back.len() == 48);
    }

    #[test]
    fn partial_control_messages() {
        let mut host = Vec::new();
        append(&mut host, &HOST, SOL_SOCKET, 35, &[1; 16]);
        append(&mut host, &HOST, 0, 8, &[2; 12]);
        // Room, bytes given, their heads' lengths.
        for (room, size, lens) in [
            (8, 0, &[][..]),
            (12, 12, &[12]),
            (16, 16, &[16]),
            (20, 20, &[20]),
            (28, 20, &[20]),
            (32, 32, &[20, 12]),
            (36, 36, &[20, 16]),
            (44, 44, &[20, 24]),
        ] {
            let (back, all) = controls_to_guest(&model::ARM, &host, room);
            let heads: Vec<usize> =
                controls(&model::ARM, &back).0.iter().map(|c| 12 + c.contents.len()).collect();
            assert_eq!((back.len(), &heads[..], all), (size, lens, room == 44), "{room}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for len in [0u32, 5, 11, 1000, u32::MAX] {
            let mut theirs = both(&model::ARM);
            theirs[..4].copy_from_slice(&len.to_le_bytes());
            assert_eq!(controls_to_host(&model::ARM, &theirs), Err(Errno::EINVAL), "{len}");
        }
        let theirs = both(&model::ARM);
        assert_eq!(controls_to_host(&model::ARM, &theirs[..8]), Err(Errno::EINVAL));
        assert_eq!(controls_to_host(&model::ARM, &theirs[..26]), Err(Errno::EINVAL));
        assert_eq!(controls_to_host(&model::S390X, &[0; 8]), Ok(Vec::new()));
    }
}

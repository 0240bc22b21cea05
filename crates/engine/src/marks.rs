//! What the fault map knows of each guest instruction: see [`InsnMark`].

use alloc::vec::Vec;

/// Where NZCV are: in memory or dead ([`FlagState::MEMORY`]), or in one of three places that are
/// the host's to know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlagState(u8);

impl FlagState {
    /// In memory, or dead.
    pub const MEMORY: FlagState = FlagState(0);

    /// By the host's number, 1 to 3; zero is [`FlagState::MEMORY`].
    #[inline(always)]
    pub const fn new(number: u8) -> FlagState {
        FlagState(number & 3)
    }

    /// The number.
    pub const fn number(self) -> u8 {
        self.0
    }
}

/// What the fault map knows of one guest instruction: its host bytes, whether it has two bytes
/// (else four), and where NZCV are at its start and when it faults. An instruction with more host
/// bytes than a mark can say has several marks. Several instructions translated as one *step* have
/// the host bytes in the first one's mark, the others' marks are [`InsnMark::covered`]: a step that
/// faults counts as not begun, and its first instruction is then interpreted, so that the fault is
/// that of the instruction that raises it.
#[derive(Clone, Copy)]
pub struct InsnMark(u16);

impl InsnMark {
    /// As host length: these bytes and those of the next mark.
    const MORE: usize = 2047;

    /// Adds the marks of an instruction: host length, two guest bytes, flag states.
    #[inline]
    pub fn push(to: &mut Vec<InsnMark>, len: usize, short: bool, start: FlagState, fault: FlagState) {
        let state = (start.0 as u16) << 12 | (fault.0 as u16) << 14;
        let mut rest = len;
        while rest >= Self::MORE {
            to.push(InsnMark(Self::MORE as u16 | state));
            rest -= Self::MORE;
        }
        to.push(InsnMark(rest as u16 | (short as u16) << 11 | state));
    }

    /// Adds host bytes without effect behind the instruction's last ones, if the mark has room for
    /// them.
    pub fn lengthen(&mut self, by: usize) -> bool {
        let fits = !self.is_covered() && self.host_len() as usize + by < Self::MORE;
        if fits {
            self.0 += by as u16;
        }
        fits
    }

    /// The mark of an instruction that is part of the step before. (An instruction of no bytes
    /// cannot fault with flags in a place of the host's.)
    pub fn covered(short: bool) -> InsnMark {
        InsnMark((short as u16) << 11 | 3 << 14)
    }

    /// It is one.
    pub fn is_covered(self) -> bool {
        self.0 & !(1 << 11) == Self::covered(false).0
    }

    /// The next mark is of the same instruction.
    pub fn is_more(self) -> bool {
        self.host_len() == Self::MORE as u32
    }

    /// Host bytes.
    pub fn host_len(self) -> u32 {
        (self.0 & 2047) as u32
    }

    /// Guest bytes: 2 or 4, or none if there are more marks of the instruction.
    pub fn guest_len(self) -> u64 {
        match self.0 {
            _ if self.is_more() => 0,
            m if m & 2048 != 0 => 2,
            _ => 4,
        }
    }

    /// Flag state at its start.
    pub fn at_start(self) -> FlagState {
        FlagState::new((self.0 >> 12) as u8)
    }

    /// Flag state where it may fault.
    pub fn at_fault(self) -> FlagState {
        FlagState::new((self.0 >> 14) as u8)
    }
}

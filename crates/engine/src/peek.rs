//! What is seen of an instruction without translating it.

/// Where control goes after an instruction, for looking ahead.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Transfer {
    /// To the next instruction.
    #[default]
    Next,
    /// To an address.
    Jump(u64),
    /// To an address or to the next instruction.
    Cond(u64),
    /// Somewhere unknown (indirect, call, system call, trap).
    Other,
}

/// What the translator wants to know about an instruction before or instead of translating it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Peek {
    /// Bytes.
    pub len: u8,
    /// The flags of NZCV that it may read: see [`crate::pattern::nzcv`].
    pub reads: u8,
    /// The flags of NZCV that it writes (after reading them, if they are among `reads`).
    pub writes: u8,
    /// It writes flags, or may write them.
    pub changes: bool,
    /// Where control goes.
    pub transfer: Transfer,
}

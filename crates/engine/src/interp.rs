//! The reference interpreter: plays the operation vocabulary on a [`Cpu`] at once.

use crate::state::Cpu;

/// Plays one guest instruction. After the semantics ran, `outcome` says how it ended.
pub struct Interp<'a> {
    /// The state worked on.
    pub cpu: &'a mut Cpu,
    /// Address of the next instruction; control-flow operations change it.
    pub next_pc: u64,
    /// How the instruction ended.
    pub outcome: Outcome,
}

/// How an interpreted instruction ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Done, on at `next_pc`.
    Next,
    /// A system call; `next_pc` is the address after it.
    Syscall,
    /// `cpu.fault` says how; the state is that before the instruction.
    Fault,
}

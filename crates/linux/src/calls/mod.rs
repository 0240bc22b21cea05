//! The guest's system calls: their table, the way from number and arguments to a row, and the calls
//! that have no subject of their own elsewhere.

pub(crate) mod aio;
pub(crate) mod arg;
pub mod dispatch;
pub(crate) mod first_error;
pub(crate) mod futex;
pub mod ioctl;
pub(crate) mod ipc;
pub mod misc;
pub mod numbers;
pub(crate) mod old;
pub mod page;
#[cfg(test)]
mod player;
pub(crate) mod poll;
pub(crate) mod prctl;
pub(crate) mod replaced;
pub mod sockopt;
pub(crate) mod strace;
pub mod table;
pub mod time;
pub(crate) mod uring;

//! The guest's system calls: their table, the way from number and arguments to a row, and the calls
//! that have no subject of their own elsewhere.

pub mod aio;
pub mod arg;
pub mod dispatch;
pub mod futex;
pub mod ioctl;
pub mod ipc;
pub mod misc;
pub mod numbers;
pub mod old;
pub(crate) mod order;
pub mod page;
#[cfg(test)]
mod player;
pub mod poll;
pub mod prctl;
pub mod sockopt;
pub mod strace;
pub mod table;
pub mod time;
pub mod uring;

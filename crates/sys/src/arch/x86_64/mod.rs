//! x86-64.

mod call;
mod context;
mod facts;
mod memory;
mod thread;

pub(crate) use call::*;
pub use context::*;
pub use facts::*;
pub(crate) use memory::*;
pub use thread::*;

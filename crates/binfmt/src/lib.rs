//! binfmt_misc as data: which binaries belong to which architecture, what the kernel is told about
//! them, what it already knows, and the steps from one to the other.
//!
//! The crate never decides what to register and never mounts anything; it knows the rules:
//!
//! - [`family`]: one row per architecture (ELF magic and mask, names, OCI platforms);
//! - [`rule`]: a registration, in the kernel's line syntax, both ways, with the kernel's limits
//!   checked first;
//! - [`entry`]: a registration as the kernel reads it back, and whose it is;
//! - [`instance`]: one mounted binfmt_misc: listing, registering, removing, locking;
//! - [`plan`]: the difference between what is and what is wanted, as steps between which a handler
//!   always exists;
//! - [`formats`]: files of systemd-binfmt and of Debian's update-binfmts.

pub mod entry;
pub mod family;
pub mod formats;
pub mod instance;
pub mod plan;
pub mod rule;

pub use entry::{Entry, Maker};
pub use family::{FAMILIES, Family};
pub use instance::{Instance, InstanceError, Kernel};
pub use plan::{Change, Outcome, Policy, Step, plan_register, plan_unregister};
pub use rule::{Flags, Matcher, Rule, RuleError};

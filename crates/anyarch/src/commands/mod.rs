//! The commands: each module is one of them, or what several of them share.

pub mod bundle;
pub mod compat;
pub mod deploy;
pub mod doctor;
pub mod explain;
pub mod explain_image;
pub mod image;
pub mod manual;
pub mod persist;
pub mod register;
pub mod run;
pub mod verify;

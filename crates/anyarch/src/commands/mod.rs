//! The commands: each module is one of them, or what several of them share.

pub(crate) mod bundle;
pub(crate) mod compat;
pub(crate) mod deploy;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod explain_image;
pub(crate) mod image;
pub(crate) mod image_build;
pub(crate) mod manual;
pub(crate) mod persist;
pub(crate) mod register;
pub(crate) mod run;
pub(crate) mod verify;

//! binfmt_misc.

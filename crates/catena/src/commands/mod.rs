//! The commands, one file each.

pub(crate) mod check;
pub(crate) mod config;
mod definition;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod helper;
mod interrupt;
mod progress;
pub(crate) mod ps;
pub(crate) mod run;
pub(crate) mod version;

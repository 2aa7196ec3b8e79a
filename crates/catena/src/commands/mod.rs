//! The commands, one file each.

pub(crate) mod check;
pub(crate) mod config;
mod definition;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod helper;
pub(crate) mod init;
mod interrupt;
mod params;
mod preview;
mod progress;
pub(crate) mod ps;
pub(crate) mod run;
pub(crate) mod schedule;
pub(crate) mod schema;
pub(crate) mod version;

//! The commands, one file each.

pub(crate) mod chain;
pub(crate) mod check;
pub(crate) mod completion;
pub(crate) mod config;
mod context;
mod definition;
pub(crate) mod doctor;
mod ending;
pub(crate) mod eval;
pub(crate) mod explain;
pub(crate) mod helper;
pub(crate) mod init;
mod interrupt;
mod moment;
mod params;
mod pins;
mod preview;
pub(crate) mod prove;
pub(crate) mod ps;
pub(crate) mod run;
pub(crate) mod schedule;
pub(crate) mod schema;
pub(crate) mod sim;
mod step;
pub(crate) mod test;
pub(crate) mod version;

pub(crate) use self::ps::logs::text_of as text_of_log_line;

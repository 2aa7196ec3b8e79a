//! When executions of a chain start by themselves: what a definition says of it, and the instants that follow.
//!
//! All of it is pure: the instant to look from enters as an argument, and so does the number that spreads a start.
//! Time zones are the ones that are compiled in, so that a schedule means the same on every machine.

mod absent;
mod cron;
pub mod due;
mod exclude;
mod fields;
mod jitter;
mod model;
mod next;
mod parts;
mod walk;
mod zone;

pub use self::{
    absent::AbsentDate,
    cron::{Cron, CronError},
    exclude::{Exclude, ExcludeError},
    jitter::jitter_ms,
    model::{CATCH_UP_MAX, CatchUp, Frequency, Milliseconds, Overlap, Schedule, Timing},
    parts::{Day, MonthDay, PartError, TimeOfDay, Weekday},
    zone::{UnknownZone, Zone},
};
pub(crate) use zone::find_zone;

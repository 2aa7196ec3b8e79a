//! The shell around the core. One dispatcher applies commands at once, does no I/O and never waits; one writer
//! commits what has gathered; effects start when their events are durable. Time, slots, recovery and the
//! ownership of a store live here, decisions do not.

mod cache;
pub mod clock;
mod config;
mod context;
mod dispatcher;
mod engine;
pub mod error;
mod follow;
pub mod host;
mod in_process;
mod launch;
mod load;
mod schedule;
mod start;
pub mod stepped;
mod trace;

pub use catena_runners::{
    Call, Functions, NoSecrets, Places, ProgramMissing, Secret, SecretMissing, Secrets,
};

pub use self::{
    clock::{Clock, ManualClock, SystemClock},
    config::{Config, Notice, Notify, Reach},
    engine::Engine,
    error::Error,
    follow::{Follower, Stream, StreamError, Update},
    load::{load, read_state},
    schedule::{
        Announcement, BACKFILL_MAX, Backfilled, Begin, Change, First, News, ScheduleAnswer, ScheduleFollower,
        ScheduleRequest, Scheduled, Standing,
    },
    start::{StartRequest, Started, plan_rerun, results_to_drop},
};

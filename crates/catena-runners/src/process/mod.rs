//! Step processes and the helper that owns them: one per store and host, outliving the engine that asks.
//! `serve` is the helper, `Client` the engine's side of the socket, `protocol` what they say to each other.
//!
//! Every process finds one variable in its environment that no launch names: `CATENA_TOKEN`, the identity of the
//! helper's folder and the token of its attempt. It is how descendants that left the process group are found and
//! ended with their attempt. Its value is for comparing only, it wins over a variable of that name in a launch, and
//! a program may drop it from the environment of its children: those are then known by their group, or by being
//! orphans while no other attempt runs.

mod attempt;
mod capture;
mod child;
mod client;
mod connection;
mod environment;
mod error;
mod folder;
mod hub;
mod log;
mod orphans;
mod output;
mod protocol;
mod records;
mod server;
mod streams;

pub use client::{Client, Helper};
pub use error::Error;
pub use folder::Folder;
#[cfg(feature = "http")]
pub(crate) use log::AttemptLog;
pub use protocol::{CannotStart, Ended, Exit, Launch, Output, Reason, Report, Token, WhenUnknown};
pub use server::serve;

//! Step processes and the helper that owns them: one per store and host, outliving the engine that asks.
//! `serve` is the helper, `Client` the engine's side of the socket, `protocol` what they say to each other.

mod attempt;
mod child;
mod client;
mod connection;
mod error;
mod folder;
mod hub;
mod log;
mod orphans;
mod protocol;
mod records;
mod server;
mod streams;

pub use client::{Client, Helper};
pub use error::Error;
pub use folder::Folder;
pub use protocol::{CannotStart, Ended, Exit, Launch, Output, Reason, Report, Token, WhenUnknown};
pub use server::serve;

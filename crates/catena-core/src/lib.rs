//! The pure heart of Catena: what a chain is, what happened to an execution of it, and what must happen next.
//!
//! Data flows one way: a [`Command`] and the [`State`] give [`Event`]s or a [`Rejection`]; an event folds into
//! the state; the effects to carry out are derived from it. There is no clock, randomness, I/O, async or
//! hash-ordered map in here: everything from outside is a field of a command and is copied into an event.

pub mod address;
pub mod chain;
pub mod command;
pub mod context;
mod decide;
pub mod effect;
pub mod event;
pub mod expr;
pub mod failure;
pub mod faults;
pub mod given;
pub mod handover;
pub mod ids;
pub mod path;
pub mod rerun;
pub mod retry;
pub mod schedule;
pub mod secret;
pub mod state;
pub mod status;
pub mod template;
pub mod time;
pub mod value;

pub use address::Address;
pub use chain::Chain;
pub use command::{Command, Decision, Outside, Rejection};
pub use context::GivenContext;
pub use effect::Effect;
pub use event::Event;
pub use failure::{Failure, FailureType};
pub use given::Given;
pub use ids::{AttemptNo, BlockIx, ExecutionId, FrameNo, ScheduleId, StepIx, VisitNo};
pub use secret::SecretName;
pub use state::State;
pub use time::Timestamp;
pub use value::{Loaded, Value};

/// The revision of the decisions in this crate. The first event of an execution pins it: code that decides
/// differently is a new revision, and old executions go on under theirs. Which of two things at one instant comes
/// first is no part of that: an execution goes on from its journal, whatever that order was.
pub const ENGINE_REV: u32 = 1;
